/* test_route_published.c: published mixtures as their descriptions count them: schedules that change with the load (Tutel), requests batched by expert (Read-ME), routers with a state that can be shut off
 * (RMoE), one-hot products with and without overflow (DeepSpeed-MoE), learners behind a gate (ACM), sub-graphs and paths (DyCL). What the cases are: docs/routing.md. */
#include "route_model.h"

/* ---- Tutel: 8 experts, top-2, 64 tokens; an even load and a skewed one; three schedules over one buffer of weights ---- */

enum { TUTEL_TOKENS = 64, TUTEL_WIDTH = 32, TUTEL_FF = 64, TUTEL_EXPERTS = 8 };

static bool count_stacks(void *self, sl_op *op) {
    if (sl_op_get_kind(op) == SL_OP_core_constant && sl_op_attr(op, "stack")) ++*(int *)self;
    return true;
}

/* Stacked weights in the program as it is compiled. */
static int stacks_in(const route_run *run) {
    int stacks = 0;
    walk_passed(run, ROUTE_STRETCHES, count_stacks, &stacks);
    return stacks;
}

static void test_schedules_by_load(void) {
    int64_t keys[TUTEL_TOKENS * 2], rows[TUTEL_EXPERTS], used[2][SLUICE_SCHEDULE_COUNT];
    float x[TUTEL_TOKENS * TUTEL_WIDTH], w[TUTEL_TOKENS * 2], want[TUTEL_TOKENS * TUTEL_WIDTH];
    fill_rows(x, TUTEL_TOKENS * TUTEL_WIDTH, 5);
    for (int i = 0; i < TUTEL_TOKENS * 2; i++) w[i] = i % 2 ? 0.25f : 0.75f;
    route_value values[] = {{"keys", 'i', 2, {TUTEL_TOKENS, 2}, keys}, {"x", 'f', 2, {TUTEL_TOKENS, TUTEL_WIDTH}, x}, {"w", 'f', 2, {TUTEL_TOKENS, 2}, w}};
    for (int skewed = 0; skewed < 2; skewed++) {
        route_model m = {0};
        route_run run;
        add_input(&m, "keys", "i64", "'rows', 2"), add_input(&m, "x", "f32", "'rows', 32"), add_input(&m, "w", "f32", "'rows', 2");
        memset(rows, 0, sizeof rows);
        for (int i = 0; i < TUTEL_TOKENS; i++) keys[2 * i] = skewed ? (i < 60 ? 0 : 2) : i % 8, keys[2 * i + 1] = skewed ? (i < 58 ? 1 : 3 + i % 2) : (i + 1) % 8;
        for (int i = 0; i < TUTEL_TOKENS * 2; i++) rows[keys[i]]++;
        for (int e = 0; e < TUTEL_EXPERTS; e++) {
            if (skewed && e > 4) add_poison(&m, name_of("up%d", e, 0), TUTEL_WIDTH, TUTEL_FF), add_poison(&m, name_of("down%d", e, 0), TUTEL_FF, TUTEL_WIDTH);
            else add_weight(&m, name_of("up%d", e, 0), TUTEL_WIDTH, TUTEL_FF, (uint64_t)e), add_weight(&m, name_of("down%d", e, 0), TUTEL_FF, TUTEL_WIDTH, (uint64_t)e + 20);
        }
        open_route(&m.nodes, "moe", "'keys', 'x', 'w'", "y");
        for (int e = 0; e < TUTEL_EXPERTS; e++) add_feed_forward(&m.nodes, name_of("up%d", e, 0), name_of("down%d", e, 0));
        close_route(&m.nodes, "'merge': 'add', 'weighted': 1");
        run_open(&run, model_text(&m, "'y'"), 2);
        check_same(&run, values, 3);
        memcpy(want, run.output.data, sizeof want);
        for (int s = 0; s < SLUICE_SCHEDULE_COUNT; s++) used[skewed][s] = s ? sluice_session_schedule_count(run.session, (sluice_schedule)s) : 0;
        for (int e = 0; e < TUTEL_EXPERTS; e++) {
            CHECK_INT(branch(&run, e).rows, rows[e]);
            CHECK_INT(launches(&run, e) > 0, rows[e] > 0);    /* no product for an expert without tokens */
        }
        CHECK_INT(products(&run, false), 2 * TUTEL_TOKENS * 2 * TUTEL_WIDTH * TUTEL_FF);
        int64_t bytes = weight_bytes(&run, false), arena = sluice_session_arena_bytes(run.session);
        CHECK_INT(bytes, (skewed ? 5 : 8) * 2 * TUTEL_WIDTH * TUTEL_FF * 4);    /* each expert with tokens once */
        for (int s = 1; s < SLUICE_SCHEDULE_COUNT; s++) {    /* the same program and the same weights in every schedule: the switch moves nothing */
            route_run other = run;
            sluice_session_options options;
            sluice_session_options_init(&options);
            options.threads = 2, options.counters = 1, options.schedule = s;
            CHECK_INT(sluice_session_create(run.program, &options, &other.session), SLUICE_OK);
            check_run(&other, values, 3);
            CHECK(memcmp(other.output.data, want, sizeof want) == 0);
            CHECK(sluice_session_schedule_count(other.session, (sluice_schedule)s) > 0);
            CHECK_INT(weight_bytes(&other, false), bytes);
            CHECK_INT(sluice_session_arena_bytes(other.session), arena);
            for (int e = 0; e < TUTEL_EXPERTS; e++) CHECK_INT(launches(&other, e) > 0, rows[e] > 0);
            sluice_session_destroy(other.session);
        }
        CHECK_INT(stacks_in(&run), 2);    /* up and down, once for all schedules */
        check_rows(&run, values, 3, (const int[]){0, 0, 0}, TUTEL_TOKENS);
        run_close(&run);
        model_free(&m);
    }
    CHECK(memcmp(used[0], used[1], sizeof used[0]) != 0);    /* another load, another schedule */
}

/* ---- Read-ME's serving: 3 layers, two experts that are halves of a dense feed-forward layer, a router over token ids in front; six queued requests of one token choose A B A B A A: one batch of four and
 * one of two in each layer (two loads of an expert, where one after the other would be five), in the order of the queue behind it; the router once a token ---- */

static void test_requests_by_expert(void) {
    enum { REQUESTS = 6, WIDTH = 32, FF = 64 };
    int64_t ids[REQUESTS] = {3, 0, 2, 1, 3, 2};    /* ids 2 and 3 are for A, 0 and 1 for B */
    float x[REQUESTS * WIDTH];
    fill_rows(x, REQUESTS * WIDTH, 2);
    for (int i = 0; i < REQUESTS * WIDTH; i++) x[i] /= 8;
    route_value values[] = {{"ids", 'i', 1, {REQUESTS}, ids}, {"x0", 'f', 2, {REQUESTS, WIDTH}, x}};
    route_model m = {0};
    route_run run;
    route_text *t = &m.nodes;
    add_input(&m, "ids", "i64", "'rows'"), add_input(&m, "x0", "f32", "'rows', 32"), add_constant(&m, "embedding", "f32", "[[-1,1],[-2,1],[1,-1],[2,1]]"), add_constant(&m, "router", "f32", "[[4,-4],[0,1]]");
    add_constant(&m, "start0", "i64", "[0]"), add_constant(&m, "start1", "i64", "[32]"), add_constant(&m, "end0", "i64", "[32]"), add_constant(&m, "end1", "i64", "[64]");
    add_constant(&m, "columns", "i64", "[1]"), add_constant(&m, "lines", "i64", "[0]");
    say(t, "e = Gather embedding ids | 'axis': 0"), say(t, "scores = MatMul e router"), say(t, "keys = ArgMax scores | 'axis': -1, 'keepdims': 0");
    for (int l = 0; l < 3; l++) {
        add_weight(&m, name_of("up%d", l, 0), WIDTH, FF, (uint64_t)l), add_weight(&m, name_of("down%d", l, 0), FF, WIDTH, (uint64_t)l + 10);
        open_route(t, name_of("layer%d", l, 0), name_of("'keys', 'x%d'", l, 0), name_of("f%d", l, 0));
        for (int e = 0; e < 2; e++) {
            open_body(t, "{'name': 'r'}");
            say(t, "u = Slice up%d start%d end%d columns", l, e, e), say(t, "d = Slice down%d start%d end%d lines", l, e, e), say(t, "h = MatMul r u"), say(t, "a = Relu h"), say(t, "o = MatMul a d");
            close_body(t, "'o'");
        }
        close_route(t, NULL);
        say(t, "z%d = Add x%d f%d", l, l, l), say(t, "x%d = Tanh z%d", l + 1, l);
    }
    run_open(&run, model_text(&m, "'x3'"), 2);
    check_close(&run, values, 2, 1e-5);
    for (int l = 0; l < 3; l++)
        for (int e = 0; e < 2; e++) {
            CHECK_INT(branch(&run, 2 * l + e).rows, e ? 2 : 4);
            CHECK_INT(branch(&run, 2 * l + e).runs, 1);    /* one batch, one load */
        }
    CHECK_INT(products(&run, false), REQUESTS * 2 * 2 + 3 * REQUESTS * 2 * WIDTH * FF / 2);    /* the router once a token */
    CHECK_INT(weight_bytes(&run, false) <= 3 * 2 * WIDTH * FF * 4 + 256, true);    /* halves: together the dense layer's weights, nothing twice */
    CHECK_INT(sorts_in(&run), 1);
    check_rows(&run, values, 2, (const int[]){0, 0}, REQUESTS);
    run_close(&run);
    model_free(&m);
}

/* ---- RMoE: 3 layers, d = 16, a state of 8, 4 experts, top-1. With the update gate shut and the recurrent matrices 0 the picks are those of a plain router per layer; expert 3 is nobody's ---- */

typedef enum router_form { RECURRENT, SHUT, PLAIN } router_form;

static void recurrent_layers(route_model *m, router_form form) {
    enum { WIDTH = 16, STATE = 8, EXPERTS = 4, FF = 32 };
    route_text *t = &m->nodes;
    add_input(m, "x0", "f32", "'rows', 16"), add_constant(m, "one", "f32", "1.0"), add_constant(m, "zero", "f32", "0.0"), add_constant(m, "states", "i64", "[8]"), add_constant(m, "shut", "f32", "-1000.0");
    add_weight(m, "wz", WIDTH, STATE, 1), add_weight(m, "wr", WIDTH, STATE, 2), add_weight(m, "wn", WIDTH, STATE, 3), add_weight(m, "uz", STATE, STATE, 4), add_weight(m, "ur", STATE, STATE, 5), add_weight(m, "un", STATE, STATE, 6);
    add_weight(m, "gate", STATE, EXPERTS, 7), add_constant(m, "never", "f32", "[0,0,0,-1000]");
    say(t, "rows = Shape x0 | 'start': 0, 'end': 1"), say(t, "size = Concat rows states | 'axis': 0"), say(t, "state0 = Expand zero size");
    for (int l = 0; l < 3; l++) {
        say(t, "na%d = MatMul x%d wn", l, l);
        if (form == PLAIN) {
            say(t, "state%d = Tanh na%d", l + 1, l);
        } else {
            say(t, "za%d = MatMul x%d wz", l, l), say(t, "zb%d = MatMul state%d uz", l, l), say(t, "ra%d = MatMul x%d wr", l, l), say(t, "rb%d = MatMul state%d ur", l, l), say(t, "nb%d = MatMul state%d un", l, l);
            const char *last[] = {"zb", "rb", "nb"};
            for (int i = 0; i < 3; i++) {
                if (form == SHUT) say(t, "%s%dq = Mul %s%d zero", last[i], l, last[i], l);
                else say(t, "%s%dq = Identity %s%d", last[i], l, last[i], l);
            }
            say(t, "zc%d = Add za%d zb%dq", l, l, l), say(t, "zs%d = Add zc%d %s", l, l, form == SHUT ? "shut" : "zero"), say(t, "z%d = Sigmoid zs%d", l, l);
            say(t, "rs%d = Add ra%d rb%dq", l, l, l), say(t, "r%d = Sigmoid rs%d", l, l), say(t, "nc%d = Mul r%d nb%dq", l, l, l), say(t, "ns%d = Add na%d nc%d", l, l, l), say(t, "n%d = Tanh ns%d", l, l);
            say(t, "keep%d = Sub one z%d", l, l), say(t, "old%d = Mul z%d state%d", l, l, l), say(t, "fresh%d = Mul keep%d n%d", l, l, l), say(t, "state%d = Add old%d fresh%d", l + 1, l, l);
        }
        say(t, "raw%d = MatMul state%d gate", l, l + 1), say(t, "logits%d = Add raw%d never", l, l), say(t, "keys%d = ArgMax logits%d | 'axis': -1, 'keepdims': 0", l, l);
        open_route(t, name_of("layer%d", l, 0), name_of("'keys%d', 'x%d'", l, l), name_of("moe%d", l, 0));
        for (int e = 0; e < EXPERTS; e++) {
            if (e == 3) add_poison(m, name_of("up%d%d", l, e), WIDTH, FF), add_poison(m, name_of("down%d%d", l, e), FF, WIDTH);
            else add_weight(m, name_of("up%d%d", l, e), WIDTH, FF, (uint64_t)(l * 8 + e + 20)), add_weight(m, name_of("down%d%d", l, e), FF, WIDTH, (uint64_t)(l * 8 + e + 24));
            add_feed_forward(t, name_of("up%d%d", l, e), name_of("down%d%d", l, e));
        }
        close_route(t, NULL);
        say(t, "x%d = Tanh moe%d", l + 1, l);
    }
}

static void test_router_state(void) {
    enum { TOKENS = 16, WIDTH = 16 };
    float x[TOKENS * WIDTH];
    int64_t picks[3][3][TOKENS];
    fill_rows(x, TOKENS * WIDTH, 11);
    route_value values[] = {{"x0", 'f', 2, {TOKENS, WIDTH}, x}};
    for (int form = RECURRENT; form <= PLAIN; form++) {
        route_model m = {0};
        route_run run;
        recurrent_layers(&m, (router_form)form);
        run_open(&run, model_text(&m, "'x3', 'keys0', 'keys1', 'keys2'"), 2);
        check_close(&run, values, 1, 1e-5);
        for (int l = 0; l < 3; l++) memcpy(picks[form][l], run.outputs[1 + l].data, sizeof picks[form][l]);
        for (int l = 0; l < 3; l++) {
            CHECK_INT(branch(&run, 4 * l).rows + branch(&run, 4 * l + 1).rows + branch(&run, 4 * l + 2).rows, TOKENS);    /* each token enters one of four */
            CHECK_INT(launches(&run, 4 * l + 3), 0);
        }
        CHECK_INT(sorts_in(&run), 3);
        check_rows(&run, values, 1, (const int[]){0}, TOKENS);
        run_close(&run);
        model_free(&m);
    }
    CHECK(memcmp(picks[SHUT], picks[PLAIN], sizeof picks[SHUT]) == 0);
    CHECK(memcmp(picks[RECURRENT], picks[PLAIN], sizeof picks[SHUT]) != 0);    /* else it would not show */
}

/* ---- DeepSpeed-MoE: 4 blocks with 2, 2, 4 and 4 experts, d = 32: mlp(x) + g * expert(x) by one-hot einsums; with room for all tokens, and with a capacity of 3, beyond which tokens get the mlp only ---- */

static void einsum_blocks(route_model *m, int capacity) {
    enum { WIDTH = 32, FF = 16 };
    route_text *t = &m->nodes;
    static const int experts[] = {2, 2, 4, 4};
    add_input(m, "x0", "f32", "'rows', 32"), add_constant(m, "axis0", "i64", "0"), add_constant(m, "last", "i64", "[1]"), add_constant(m, "one", "f32", "1.0"), add_constant(m, "zero", "f32", "0.0");
    char text[128];
    snprintf(text, sizeof text, "%d.0", capacity), add_constant(m, "capacity", "f32", text);
    for (int i = 0, n = snprintf(text, sizeof text, "[0"); i < capacity - 1; i++) n += snprintf(text + n, sizeof text - (size_t)n, ",%d", i + 1);
    strcat(text, "]"), add_constant(m, "slots", "i64", text), add_constant(m, "experts2", "i64", "[0,1]"), add_constant(m, "experts4", "i64", "[0,1,2,3]");
    for (int l = 0; l < 4; l++) {
        int n = experts[l];
        add_weight(m, name_of("gate%d", l, 0), WIDTH, n, (uint64_t)l + 1), add_weight(m, name_of("mu%d", l, 0), WIDTH, FF, (uint64_t)l + 10), add_weight(m, name_of("md%d", l, 0), FF, WIDTH, (uint64_t)l + 20);
        add_constant(m, name_of("never%d", l, 0), "f32", n == 2 ? "[0,0]" : "[0,0,0,-1000]");    /* with four experts the last one is nobody's */
        add_weight(m, name_of("flat_up%d", l, 0), n * WIDTH, FF, (uint64_t)l + 30), add_weight(m, name_of("flat_down%d", l, 0), n * FF, WIDTH, (uint64_t)l + 40);
        snprintf(text, sizeof text, "[%d, 32, 16]", n), add_constant(m, name_of("us%d", l, 0), "i64", text), snprintf(text, sizeof text, "[%d, 16, 32]", n), add_constant(m, name_of("ds%d", l, 0), "i64", text);
        say(t, "up%d = Reshape flat_up%d us%d", l, l, l), say(t, "down%d = Reshape flat_down%d ds%d", l, l, l);
        say(t, "raw%d = MatMul x%d gate%d", l, l, l), say(t, "logits%d = Add raw%d never%d", l, l, l), say(t, "p%d = Softmax logits%d | 'axis': -1", l, l), say(t, "pick%d = ArgMax p%d | 'axis': -1, 'keepdims': 1", l, l);
        say(t, "is%d = Equal pick%d experts%d", l, l, n), say(t, "oh%d = Cast is%d | 'to': {'element': 'f32'}", l, l), say(t, "count%d = CumSum oh%d axis0", l, l), say(t, "loc%d = Sub count%d one", l, l);
        say(t, "room%d = Less loc%d capacity", l, l), say(t, "fits%d = Cast room%d | 'to': {'element': 'f32'}", l, l), say(t, "kept%d = Mul oh%d fits%d", l, l, l);
        say(t, "placed%d = Mul loc%d kept%d", l, l, l), say(t, "at%d = ReduceSum placed%d last | 'keepdims': 1", l, l), say(t, "ati%d = Cast at%d | 'to': {'element': 'i64'}", l, l);
        say(t, "iss%d = Equal ati%d slots", l, l), say(t, "ohs%d = Cast iss%d | 'to': {'element': 'f32'}", l, l);
        say(t, "pg%d = Mul p%d kept%d", l, l, l), say(t, "g%d = ReduceSum pg%d last | 'keepdims': 0", l, l);
        say(t, "combine%d = Einsum g%d kept%d ohs%d | 'equation': 's,se,sc->sec'", l, l, l, l), say(t, "there%d = Greater combine%d zero", l, l), say(t, "dispatch%d = Cast there%d | 'to': {'element': 'f32'}", l, l);
        say(t, "in%d = Einsum dispatch%d x%d | 'equation': 'sec,sm->ecm'", l, l, l), say(t, "h%d = Einsum in%d up%d | 'equation': 'ecm,emf->ecf'", l, l, l), say(t, "a%d = Relu h%d", l, l);
        say(t, "o%d = Einsum a%d down%d | 'equation': 'ecf,efm->ecm'", l, l, l), say(t, "routed%d = Einsum combine%d o%d | 'equation': 'sec,ecm->sm'", l, l, l);
        say(t, "mh%d = MatMul x%d mu%d", l, l, l), say(t, "ma%d = Relu mh%d", l, l), say(t, "fixed%d = MatMul ma%d md%d", l, l, l), say(t, "sum%d = Add fixed%d routed%d", l, l, l), say(t, "x%d = Tanh sum%d", l + 1, l);
    }
}

static bool count_wide(void *self, sl_op *op) {
    for (int i = 0; i < sl_op_result_count(op); i++) {
        sl_type type = sl_value_type(sl_op_result(op, i));
        *(int *)self += sl_op_get_kind(op) != SL_OP_core_constant && sl_type_is_tensor(type) && sl_type_is_ranked(type) && sl_type_rank(type) > 2 && sl_type_static_count(type) < 0;
    }
    return true;
}

static void test_einsum_dispatch(int capacity) {
    enum { TOKENS = 16, WIDTH = 32, FF = 16 };
    float x[TOKENS * WIDTH];
    fill_rows(x, TOKENS * WIDTH, 3);
    for (int i = 0; i < TOKENS * WIDTH; i++) x[i] /= 4;
    route_value values[] = {{"x0", 'f', 2, {TOKENS, WIDTH}, x}};
    route_model m = {0};
    route_run run;
    einsum_blocks(&m, capacity);
    run_open(&run, model_text(&m, "'x4', 'pick0', 'pick1', 'pick2', 'pick3'"), 2);
    check_close(&run, values, 1, 1e-5);
    int64_t routed = 0, gates = 0, at = 0;
    for (int l = 0; l < 4; l++) {
        int64_t rows[4] = {0}, experts = l < 2 ? 2 : 4;
        const int64_t *pick = run.outputs[1 + l].data;
        for (int i = 0; i < TOKENS; i++) rows[pick[i]] += rows[pick[i]] < capacity;
        for (int e = 0; e < experts; e++, at++) {
            CHECK_INT(branch(&run, (int)at).rows, rows[e]);
            CHECK_INT(launches(&run, (int)at) > 0, rows[e] > 0);
            routed += rows[e];
        }
        gates += experts * WIDTH * TOKENS;
    }
    CHECK_INT(routed == 4 * TOKENS, capacity == TOKENS);
    CHECK_INT(products(&run, false), gates + (4 * TOKENS + routed) * 2 * WIDTH * FF);    /* the fixed part for all tokens, experts for theirs */
    CHECK_INT(launches(&run, 7) + launches(&run, 11), 0);
    int wide = 0;
    walk_passed(&run, ROUTE_STRETCHES, count_wide, &wide);
    CHECK_INT(wide, 0);    /* nothing of tokens x experts x capacity */
    if (capacity == TOKENS) check_rows(&run, values, 1, (const int[]){0}, TOKENS);    /* with overflow a token's slot depends on those before it: that is the model */
    run_close(&run);
    model_free(&m);
}

/* ---- Adaptive Computation Modules: a gate whose weights force k = 0, 1, 2, 4, 4, 3; 4 learners of width 4, d = 8. Poisoned: nobody takes more than two ---- */

static void test_learner_gate(bool poison) {
    enum { TOKENS = 6 };
    static const int plan[2][TOKENS] = {{0, 1, 2, 4, 4, 3}, {0, 1, 2, 2, 1, 0}};
    float x[TOKENS * 8];
    fill_rows(x, TOKENS * 8, 2);
    for (int i = 0; i < TOKENS; i++)
        for (int c = 0; c < 5; c++) x[8 * i + c] = c == plan[poison][i] ? 4.0f : 0.5f;
    route_value values[] = {{"x", 'f', 2, {TOKENS, 8}, x}};
    route_model m = {0};
    route_run run;
    route_text *t = &m.nodes;
    add_input(&m, "x", "f32", "'rows', 8"), add_constant(&m, "gate", "f32", "[[1,0,0,0,0],[0,1,0,0,0],[0,0,1,0,0],[0,0,0,1,0],[0,0,0,0,1],[0,0,0,0,0],[0,0,0,0,0],[0,0,0,0,0]]");
    add_constant(&m, "learners", "i64", "[[0,1,2,3]]"), add_constant(&m, "none", "i64", "[[-1]]");
    for (int i = 0; i < 4; i++) {
        if (poison && i >= 2) add_poison(&m, name_of("up%d", i, 0), 8, 4), add_poison(&m, name_of("down%d", i, 0), 4, 8);
        else add_weight(&m, name_of("up%d", i, 0), 8, 4, (uint64_t)i), add_weight(&m, name_of("down%d", i, 0), 4, 8, (uint64_t)i + 9);
    }
    say(t, "scores = MatMul x gate"), say(t, "k = ArgMax scores | 'axis': -1, 'keepdims': 1"), say(t, "uses = Less learners k"), say(t, "keys = Where uses learners none");
    open_route(t, "learners", "'keys', 'x'", "z");
    for (int i = 0; i < 4; i++) add_feed_forward(t, name_of("up%d", i, 0), name_of("down%d", i, 0));
    close_route(t, "'merge': 'add'");
    say(t, "y = Add x z");
    run_open(&run, model_text(&m, "'y'"), 2);
    check_same(&run, values, 1);
    static const int64_t rows[2][4] = {{5, 4, 3, 2}, {4, 2, 0, 0}};
    for (int i = 0; i < 4; i++) {
        CHECK_INT(branch(&run, i).rows, rows[poison][i]);
        CHECK_INT(launches(&run, i) > 0, rows[poison][i] > 0);
    }
    CHECK_INT(products(&run, false), TOKENS * 8 * 5 + (poison ? 6 : 14) * 2 * 8 * 4);
    CHECK(memcmp(run.output.data, x, 8 * sizeof *x) == 0);    /* k = 0 leaves with its residual */
    check_rows(&run, values, 1, (const int[]){0}, TOKENS);
    run_close(&run);
    model_free(&m);
}

/* ---- DyCL: stem and gate 1, block A, head 1 and its test, block B and head 2: four sub-graphs without a decision in them. Each path with NaN in the blocks that it does not take ---- */

typedef struct stretches { int dispatches, conditions, main_products, body_products; } stretches;

static bool look_at_stretches(void *self, sl_op *op) {
    stretches *s = self;
    sl_op_kind kind = sl_op_get_kind(op);
    s->dispatches += kind == SL_OP_route_dispatch;
    s->conditions += kind == SL_OP_tensor_if || kind == SL_OP_route_switch;
    if (kind == SL_OP_tensor_contract) ++*(sl_op_get_kind(sl_op_parent(op)) == SL_OP_core_func ? &s->main_products : &s->body_products);
    return true;
}

static void test_paths_alone(void) {
    float x[4 * 4] = {-1, -1, 1, 1, 1, -1, 1, 1, -1, 1, 1, 1, 1, 1, 1, 1};    /* column 0: block A; column 1: go on */
    for (int path = 0; path < 4; path++) {
        route_model m = {0};
        route_run run;
        route_text *t = &m.nodes;
        add_input(&m, "x", "f32", "'rows', 4"), add_constant(&m, "stem", "f32", "[[1,0,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,1]]"), add_weight(&m, "head", 4, 2, 4);
        if (path & 1) add_weight(&m, "a", 4, 4, 1);
        else add_poison(&m, "a", 4, 4);
        if (path >> 1) add_weight(&m, "b", 4, 16, 2), add_weight(&m, "c", 16, 2, 3);
        else add_poison(&m, "b", 4, 16), add_poison(&m, "c", 16, 2);
        add_constant(&m, "c0", "i64", "0"), add_constant(&m, "c1", "i64", "1"), add_constant(&m, "zero", "f32", "0.0");
        say(t, "s = MatMul x stem"), say(t, "g0 = Gather s c0 | 'axis': 1"), say(t, "t0 = Greater g0 zero"), say(t, "k0 = Cast t0 | 'to': {'element': 'i64'}");
        open_route(t, "gate1", "'k0', 's'", "h");
        open_body(t, "{'name': 'r'}"), close_body(t, "'r'"), open_body(t, "{'name': 'r'}"), say(t, "o = MatMul r a"), close_body(t, "'o'");
        close_route(t, NULL);
        say(t, "early = MatMul h head"), say(t, "g1 = Gather x c1 | 'axis': 1"), say(t, "t1 = Greater g1 zero"), say(t, "k1 = Cast t1 | 'to': {'element': 'i64'}");
        open_route(t, "exit", "'k1', 'h', 'early'", "y");
        open_body(t, "{'name': 'r'}, {'name': 'l'}"), close_body(t, "'l'"), open_body(t, "{'name': 'r'}, {'name': 'l'}"), say(t, "p = MatMul r b"), say(t, "o = MatMul p c"), close_body(t, "'o'");
        close_route(t, NULL);
        run_open(&run, model_text(&m, "'y'"), 1);
        route_value one[] = {{"x", 'f', 2, {1, 4}, x + 4 * path}};
        check_same(&run, one, 1);
        CHECK_INT(launches(&run, 0) > 0, path & 1);
        CHECK_INT(launches(&run, 1) > 0, path >> 1);
        CHECK_INT(products(&run, false), 16 + 8 + (path & 1) * 16 + (path >> 1) * (4 * 16 + 16 * 2));
        stretches s = {0};
        walk_passed(&run, ROUTE_STRETCHES, look_at_stretches, &s);
        CHECK_INT(s.dispatches, 2);       /* of block A, and of block B with head 2; before and between them stem with gate 1, and head 1 with its test */
        CHECK_INT(s.conditions, 0);
        CHECK_INT(s.main_products, 2);
        CHECK_INT(s.body_products, 3);
        run_close(&run);
        model_free(&m);
    }
}

int main(void) {
    test_schedules_by_load();
    test_requests_by_expert();
    test_router_state();
    test_einsum_dispatch(16);
    test_einsum_dispatch(3);
    test_learner_gate(false);
    test_learner_gate(true);
    test_paths_alone();
    return check_result();
}
