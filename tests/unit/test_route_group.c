/* test_route_group.c: branches that share a body. What is grouped and what is not, exact counts, and that a row's bits depend neither on the schedule nor on threads, batch or order. */
#include "route_model.h"

enum { WIDTH = 24, HIDDEN = 72, MOST = 160, EXPERTS = 6, CHOICES = 2 };

typedef enum form { PLAIN, BIAS, GATED, LOW_RANK, DEEP } form;

static void expert_weight(route_model *m, const char *kind, int e, int rows, int columns, bool poison) {
    char name[64];
    snprintf(name, sizeof name, "%s%d", kind, e);
    if (poison) add_poison(m, name, rows, columns);
    else add_weight(m, name, rows, columns, (uint64_t)e * 10 + (uint64_t)strlen(kind));
}

/* Body number e on rows r, in the given form. Weights of poisoned experts are NaN. */
static void add_expert(route_model *m, route_text *t, form f, int e, bool poison) {
    char name[64];
    open_body(t, "{'name': 'r'}");
    if (f == LOW_RANK) {
        expert_weight(m, "upleft", e, WIDTH, 8, poison), expert_weight(m, "uprightt", e, 8, HIDDEN, poison);
        say(t, "l = MatMul r upleft%d", e), say(t, "h = MatMul l uprightt%d", e);
    } else {
        expert_weight(m, "up", e, WIDTH, HIDDEN, poison), say(t, "h = MatMul r up%d", e);
    }
    const char *last = "h";
    if (f == BIAS) {
        expert_weight(m, "biases", e, 1, HIDDEN, poison);
        say(t, "hb = Add h biases%d", e), last = "hb";
    }
    say(t, "a = Relu %s", last), last = "a";
    if (f == GATED) {
        expert_weight(m, "gate", e, WIDTH, HIDDEN, poison);
        say(t, "g = MatMul r gate%d", e), say(t, "p = Mul a g"), last = "p";
    }
    if (f == DEEP) {
        expert_weight(m, "middles", e, HIDDEN, HIDDEN, poison);
        say(t, "mi = MatMul a middles%d", e), say(t, "ma = Relu mi"), last = "ma";
    }
    snprintf(name, sizeof name, "down");
    expert_weight(m, "down", e, HIDDEN, WIDTH, poison);
    say(t, "o = MatMul %s down%d", last, e);
    close_body(t, "'o'");
}

static const char *build(route_model *m, form f, int poisoned) {
    add_input(m, "keys", "i64", "'rows', 2"), add_input(m, "x", "f32", "'rows', 24"), add_input(m, "w", "f32", "'rows', 2");
    route_text bodies = {0};
    for (int e = 0; e < EXPERTS; e++) add_expert(m, &bodies, f, e, e >= EXPERTS - poisoned);
    open_route(&m->nodes, "experts", "'keys', 'x', 'w'", "y");
    next_entry(&m->nodes);
    for (const char *at = bodies.data; *at; at += strlen(at) < 2000 ? strlen(at) : 2000) put(&m->nodes, "%.2000s", at);
    close_route(&m->nodes, "'merge': 'add', 'weighted': 1");
    free(bodies.data);
    return model_text(m, "'y'");
}

typedef struct batch { int64_t keys[MOST * CHOICES]; float x[MOST * WIDTH], w[MOST * CHOICES]; } batch;

/* Rows whose choices are below `experts`; every fifth choice goes nowhere; `skew`: row after row to expert 0 until the last few. */
static void fill(batch *b, uint64_t seed, int experts, bool skew) {
    fill_rows(b->x, MOST * WIDTH, seed);
    for (int i = 0; i < MOST * CHOICES; i++) {
        uint64_t draw = (seed + (uint64_t)i) * 2654435761u >> 7;
        b->keys[i] = draw % 5 == 0 ? -1 : skew && i < 2 * MOST - 8 ? 0 : (int64_t)(draw / 5 % (uint64_t)experts);
        b->w[i] = 0.25f * (float)(1 + draw % 3);
    }
}

static void values_of(route_value *values, batch *b, int first, int rows) {
    values[0] = (route_value){"keys", 'i', 2, {rows, CHOICES}, b->keys + first * CHOICES};
    values[1] = (route_value){"x", 'f', 2, {rows, WIDTH}, b->x + first * WIDTH};
    values[2] = (route_value){"w", 'f', 2, {rows, CHOICES}, b->w + first * CHOICES};
}

static void open_session(route_run *run, const route_run *from, int threads, sluice_schedule schedule) {
    *run = *from;
    sluice_session_options options;
    sluice_session_options_init(&options);
    options.threads = threads, options.counters = 1, options.schedule = (int32_t)schedule;
    CHECK_INT(sluice_session_create(run->program, &options, &run->session), SLUICE_OK);
}

/* All forms of bodies: the evaluator's bits, and the same ones for any schedule, number of threads, batch and order. */
static void test_bits(form f) {
    static batch b, mixed;
    route_model m = {0};
    route_run run, other;
    route_value values[3];
    run_open(&run, build(&m, f, 1), 1);
    CHECK_INT(kernels_with(&run, true, "MatMul"), EXPERTS * (f == LOW_RANK || f == DEEP ? 3 : 2));     /* one launch a layer and branch (gate and up are one): no other kernels */
    for (int load = 0; load < 4; load++) {
        int rows = load == 3 ? 37 : MOST;
        fill(&b, 11 + (uint64_t)load, load == 1 ? 1 : EXPERTS - 1, load == 2);
        values_of(values, &b, 0, rows);
        check_same(&run, values, 3);
        size_t bytes = sizeof(float) * (size_t)rows * WIDTH;
        float *bits = malloc(bytes);
        memcpy(bits, run.output.data, bytes);
        for (int threads = 1; threads <= 4; threads *= 2)
            for (int schedule = SLUICE_SCHEDULE_AUTO; schedule < SLUICE_SCHEDULE_COUNT; schedule++) {
                open_session(&other, &run, threads, (sluice_schedule)schedule);
                CHECK_INT(run_once(&other, values, 3), SLUICE_OK);
                CHECK(memcmp(other.output.data, bits, bytes) == 0);
                int64_t flushes = 0;
                for (int s = 1; s < SLUICE_SCHEDULE_COUNT; s++) flushes += sluice_session_schedule_count(other.session, (sluice_schedule)s);
                CHECK(flushes > 0);
                if (schedule != SLUICE_SCHEDULE_AUTO) CHECK_INT(sluice_session_schedule_count(other.session, (sluice_schedule)schedule), flushes);
                CHECK_INT(products(&other, false), products(&run, false));
                CHECK_INT(weight_bytes(&other, false), weight_bytes(&run, false));
                sluice_session_destroy(other.session);
            }
        /* first rows alone: all counts from 1 to 20 meet the few-row forms and tails */
        open_session(&other, &run, 2, SLUICE_SCHEDULE_AUTO);
        for (int n = 1; n <= 20; n++) {
            values_of(values, &b, rows - n, n);
            CHECK_INT(run_once(&other, values, 3), SLUICE_OK);
            CHECK(memcmp(other.output.data, bits + (size_t)(rows - n) * WIDTH, sizeof(float) * (size_t)n * WIDTH) == 0);
        }
        for (int r = 0; r < rows; r++) {
            int from = (r * 7 + 3) % rows;       /* rows is prime to 7 */
            memcpy(mixed.keys + r * CHOICES, b.keys + from * CHOICES, sizeof(int64_t) * CHOICES), memcpy(mixed.w + r * CHOICES, b.w + from * CHOICES, sizeof(float) * CHOICES);
            memcpy(mixed.x + r * WIDTH, b.x + from * WIDTH, sizeof(float) * WIDTH);
        }
        values_of(values, &mixed, 0, rows);
        CHECK_INT(run_once(&other, values, 3), SLUICE_OK);
        for (int r = 0; r < rows; r++) CHECK(memcmp((float *)other.output.data + r * WIDTH, bits + (size_t)((r * 7 + 3) % rows) * WIDTH, sizeof(float) * WIDTH) == 0);
        sluice_session_destroy(other.session);
        free(bits);
    }
    run_close(&run);
    model_free(&m);
}

/* Every branch's rows, multiply-adds and weight bytes. */
static void test_counts(form f) {
    static batch b;
    route_model m = {0};
    route_run run;
    route_value values[3];
    run_open(&run, build(&m, f, 2), 2);
    CHECK_INT(sluice_session_branch_count(run.session), EXPERTS);
    for (int i = 0; i < MOST * CHOICES; i++) b.keys[i] = i < 100 ? 0 : i < 101 ? 2 : i < 105 ? 3 : -1, b.w[i] = 1;
    fill_rows(b.x, MOST * WIDTH, 3);
    values_of(values, &b, 0, MOST);
    check_same(&run, values, 3);
    static const int64_t rows[EXPERTS] = {100, 0, 1, 4, 0, 0};
    int64_t matrices = f == GATED ? 3 : 2, each = matrices * WIDTH * HIDDEN, bytes = 4 * (matrices * WIDTH * HIDDEN + HIDDEN);
    for (int e = 0; e < EXPERTS; e++) {
        sluice_branch_counter counter = branch(&run, e);
        CHECK_INT(counter.index, e);
        CHECK_INT(counter.parent, -1);
        CHECK_INT(counter.rows, rows[e]);
        CHECK_INT(counter.runs, rows[e] > 0);
        CHECK_INT(counter.dense_rows, MOST);
        CHECK_INT(launches(&run, e), rows[e] ? 2 : 0);
        int64_t work = 0, dense = 0, read = 0, dense_read = 0;
        for (int i = 0; i < sluice_session_counter_count(run.session); i++) {
            sluice_counter c;
            CHECK_INT(sluice_session_counter(run.session, i, &c), SLUICE_OK);
            if (c.branch == e && c.products) work += c.work, dense += c.dense_work, read += c.weight_bytes, dense_read += c.dense_weight_bytes;
        }
        CHECK_INT(work, rows[e] * each);
        CHECK_INT(dense, MOST * each);
        /* packed weights count as what they are: columns are padded to whole vectors */
        CHECK(rows[e] ? read >= bytes - 4 * HIDDEN && read == dense_read : read == 0);
    }
    /* the row number nothing: no row at all */
    values_of(values, &b, 0, 0);
    CHECK_INT(run_once(&run, values, 3), SLUICE_OK);
    CHECK_INT(products(&run, false), 0);
    run_close(&run);
    model_free(&m);
}

typedef struct seen { int dispatches, regions, constants, kernels; int64_t largest; } seen;

static bool look(void *self, sl_op *op) {
    seen *s = self;
    if (sl_op_get_kind(op) == SL_OP_route_dispatch) s->dispatches++, s->regions += sl_op_region_count(op);
    if (sl_op_get_kind(op) == SL_OP_kernel_func) s->kernels++;
    sl_attr stack = sl_op_get_kind(op) == SL_OP_core_constant ? sl_op_attr(op, "stack") : NULL;
    if (stack) {
        s->constants++;
        if (sl_attr_get_int(stack) > s->largest) s->largest = sl_attr_get_int(stack);
    }
    return true;
}

static seen compile(const char *text, const char *pipeline) {
    seen found = {0};
    sl_compilation c;
    sluice_compile_options options;
    sluice_compile_options_init(&options);
    options.pipeline = pipeline;
    sluice_context *context;
    CHECK_INT(sluice_context_create(NULL, &context), SLUICE_OK);
    sl_status status = sl_compilation_begin(&c, context, &options);
    if (!status) {
        status = sl_compilation_load(&c, "model.json", text, strlen(text));
        if (!status) status = sl_compilation_lower(&c);
        if (!status) sl_op_walk(sl_module_op(c.module), look, &found);
        sl_compilation_end(&c);
    }
    CHECK(!status);
    sl_status_free(status);
    sluice_context_destroy(context);
    return found;
}

static const char *const split = "infer-shapes,simplify,recover-routing,split-branches,simplify";

/* One region and as many kernels for any number of experts; weights that several branches name are in the stack once; other bodies stay by themselves. */
static void test_what_is_grouped(void) {
    int kernels[2] = {0};
    for (int pass = 0; pass < 2; pass++) {
        route_model m = {0};
        int experts = pass ? 48 : 3;
        add_input(&m, "keys", "i64", "'rows'"), add_input(&m, "x", "f32", "'rows', 24");
        for (int e = 0; e < experts; e++) add_weight(&m, name_of("up%d", e, 0), 24, 16, (uint64_t)e), add_weight(&m, name_of("down%d", e, 0), 16, 24, (uint64_t)e + 50);
        open_route(&m.nodes, "experts", "'keys', 'x'", "y");
        for (int e = 0; e < experts; e++) add_feed_forward(&m.nodes, name_of("up%d", e, 0), name_of("down%d", e, 0));
        close_route(&m.nodes, NULL);
        const char *text = model_text(&m, "'y'");
        seen s = compile(text, split);
        CHECK_INT(s.dispatches, 1);
        CHECK_INT(s.regions, 1);
        CHECK_INT(s.constants, 2);
        CHECK_INT(s.largest, experts);
        kernels[pass] = compile(text, "default").kernels;
        model_free(&m);
    }
    CHECK_INT(kernels[0], kernels[1]);
    /* expert e names weight e / 2; two bodies with a further op; one that is the same for all */
    route_model m = {0};
    add_input(&m, "keys", "i64", "'rows'"), add_input(&m, "x", "f32", "'rows', 24"), add_weight(&m, "shared", 16, 24, 99);
    for (int e = 0; e < 3; e++) add_weight(&m, name_of("up%d", e, 0), 24, 16, (uint64_t)e);
    open_route(&m.nodes, "experts", "'keys', 'x'", "y");
    for (int e = 0; e < 6; e++) add_feed_forward(&m.nodes, name_of("up%d", e / 2, 0), "shared");
    for (int e = 0; e < 2; e++) {
        open_body(&m.nodes, "{'name': 'r'}");
        say(&m.nodes, "h = MatMul r up%d", e), say(&m.nodes, "a = Tanh h"), say(&m.nodes, "o = MatMul a shared");
        close_body(&m.nodes, "'o'");
    }
    open_body(&m.nodes, "{'name': 'r'}"), say(&m.nodes, "o = Neg r"), close_body(&m.nodes, "'o'");
    close_route(&m.nodes, NULL);
    const char *text = model_text(&m, "'y'");
    seen s = compile(text, split);
    CHECK_INT(s.regions, 3);
    CHECK_INT(s.constants, 2);       /* three ups for six branches, two for two; the shared down is no stack */
    CHECK_INT(s.largest, 3);
    int64_t keys[18];
    float x[18 * 24];
    fill_rows(x, 18 * 24, 4);
    for (int i = 0; i < 18; i++) keys[i] = i % 9;
    route_value values[] = {{"keys", 'i', 1, {18}, keys}, {"x", 'f', 2, {18, 24}, x}};
    route_run run;
    run_open(&run, text, 2);
    check_close(&run, values, 2, 1e-5);
    for (int e = 0; e < 9; e++) CHECK_INT(branch(&run, e).rows, 2);
    run_close(&run);
    model_free(&m);
}

/* A mixture in the experts of a mixture: stacks of stacks, counted for each pair of branches. */
static void test_nested(void) {
    enum { ROWS = 40, OUTER = 3, INNER = 4 };
    int64_t keys[ROWS], inner[ROWS];
    float x[ROWS * 24];
    fill_rows(x, ROWS * 24, 8);
    for (int i = 0; i < ROWS; i++) keys[i] = i % 7 < 3 ? i % 3 : i % 7 == 6 ? -1 : 0, inner[i] = i % 5 == 4 ? -1 : i % 3;       /* inner expert 3 is nobody's */
    route_value values[] = {{"keys", 'i', 1, {ROWS}, keys}, {"inner", 'i', 1, {ROWS}, inner}, {"x", 'f', 2, {ROWS, 24}, x}};
    route_model m = {0};
    add_input(&m, "keys", "i64", "'rows'"), add_input(&m, "inner", "i64", "'rows'"), add_input(&m, "x", "f32", "'rows', 24");
    for (int o = 0; o < OUTER; o++) {
        add_weight(&m, name_of("first%d", o, 0), 24, 24, (uint64_t)o + 70);
        for (int i = 0; i < INNER; i++) {
            if (i == 3) add_poison(&m, name_of("up%d_%d", o, i), 24, 16), add_poison(&m, name_of("down%d_%d", o, i), 16, 24);
            else add_weight(&m, name_of("up%d_%d", o, i), 24, 16, (uint64_t)(o * 10 + i)), add_weight(&m, name_of("down%d_%d", o, i), 16, 24, (uint64_t)(o * 10 + i + 40));
        }
    }
    open_route(&m.nodes, "outer", "'keys', 'x', 'inner'", "y");
    for (int o = 0; o < OUTER; o++) {
        open_body(&m.nodes, "{'name': 'r'}, {'name': 'k'}");
        say(&m.nodes, "f = MatMul r first%d", o), say(&m.nodes, "c = Clip f lowest highest");
        open_route(&m.nodes, "nested", "'k', 'c'", "z");
        for (int i = 0; i < INNER; i++) add_feed_forward(&m.nodes, name_of("up%d_%d", o, i), name_of("down%d_%d", o, i));
        close_route(&m.nodes, NULL);
        close_body(&m.nodes, "'z'");
    }
    close_route(&m.nodes, NULL);
    add_constant(&m, "lowest", "f32", "-2"), add_constant(&m, "highest", "f32", "2");
    const char *text = model_text(&m, "'y'");
    seen s = compile(text, split);
    CHECK_INT(s.dispatches, 2);
    CHECK_INT(s.regions, 3);                             /* inner expert 3 has the same weights everywhere: no stack, so a body of its own */
    CHECK_INT(s.largest, OUTER * (INNER - 1));
    for (int threads = 1; threads <= 2; threads++) {
        route_run run;
        run_open(&run, text, threads);
        check_same(&run, values, 3);
        int64_t rows[OUTER][INNER + 1] = {0}, work = 0;
        for (int i = 0; i < ROWS; i++)
            if (keys[i] >= 0) rows[keys[i]][INNER]++, inner[i] >= 0 ? rows[keys[i]][inner[i]]++ : 0;
        CHECK_INT(sluice_session_branch_count(run.session), OUTER + OUTER * INNER);
        for (int b = 0; b < OUTER + OUTER * INNER; b++) {
            sluice_branch_counter counter = branch(&run, b);
            bool outer = counter.parent < 0;
            int o = outer ? counter.index : branch(&run, counter.parent).index;
            CHECK_INT(counter.rows, outer ? rows[o][INNER] : rows[o][counter.index]);
            CHECK_INT(counter.dense_rows, ROWS);
            if (!outer && counter.rows == 0) CHECK_INT(launches(&run, b), 0);
            work += counter.rows * (outer ? 24 * 24 : 2 * 24 * 16);
        }
        CHECK_INT(products(&run, false), work);
        CHECK_INT(products(&run, true), (int64_t)ROWS * OUTER * (24 * 24 + INNER * 2 * 24 * 16));
        run_close(&run);
    }
    model_free(&m);
}

/* In a loop: every round launches anew, counters add up. */
static void test_loop(void) {
    enum { ROWS = 30, ROUNDS = 3 };
    int64_t keys[ROWS], rounds = ROUNDS, rows[4] = {0};
    float x[ROWS * 24];
    fill_rows(x, ROWS * 24, 12);
    for (int i = 0; i < ROWS; i++) keys[i] = i % 5 == 4 ? -1 : i % 3 == 2 ? 0 : i % 3, rows[keys[i] < 0 ? 3 : keys[i]]++;
    route_value values[] = {{"rounds", 'i', 0, {0}, &rounds}, {"keys", 'i', 1, {ROWS}, keys}, {"x", 'f', 2, {ROWS, 24}, x}};
    route_model m = {0};
    route_run run;
    route_text *t = &m.nodes;
    add_input(&m, "rounds", "i64", ""), add_input(&m, "keys", "i64", "'rows'"), add_input(&m, "x", "f32", "'rows', 24");
    add_constant(&m, "eighth", "f32", "0.125");
    for (int e = 0; e < 3; e++) {
        if (e == 2) add_poison(&m, "up2", 24, 40), add_poison(&m, "down2", 40, 24);
        else add_weight(&m, name_of("up%d", e, 0), 24, 40, (uint64_t)e), add_weight(&m, name_of("down%d", e, 0), 40, 24, (uint64_t)e + 9);
    }
    put(t, "{'op': 'Loop', 'name': 'loop', 'inputs': ['rounds', '', 'x'], 'outputs': ['y'], 'attributes': {'body': {'inputs': [{'name': 'i'}, {'name': 'c'}, {'name': 'h'}], 'nodes': [");
    open_route(t, "experts", "'keys', 'h'", "z");
    for (int e = 0; e < 3; e++) add_feed_forward(t, name_of("up%d", e, 0), name_of("down%d", e, 0));
    close_route(t, NULL);
    say(t, "part = Mul z eighth"), say(t, "hn = Add h part"), say(t, "go = Identity c");
    put(t, "], 'outputs': ['go', 'hn']}}}");
    run_open(&run, model_text(&m, "'y'"), 2);
    check_close(&run, values, 3, 1e-5);
    for (int e = 0; e < 3; e++) CHECK_INT(branch(&run, e).rows, ROUNDS * rows[e]);
    CHECK_INT(products(&run, false), ROUNDS * (rows[0] + rows[1]) * 2 * 24 * 40);
    CHECK_INT(products(&run, true), ROUNDS * 3 * ROWS * 2 * 24 * 40);
    CHECK(sluice_session_schedule_count(run.session, SLUICE_SCHEDULE_GROUPED) + sluice_session_schedule_count(run.session, SLUICE_SCHEDULE_PADDED) == 2 * ROUNDS);
    run_close(&run);
    model_free(&m);
}

int main(void) {
    test_bits(PLAIN);
    test_bits(BIAS);
    test_bits(GATED);
    test_bits(LOW_RANK);
    test_bits(DEEP);
    test_counts(BIAS);
    test_counts(GATED);
    test_what_is_grouped();
    test_nested();
    test_loop();
    return check_result();
}
