/* test_route_state.c: what skipped rows and steps owe to states that a later step reads (docs/routing.md, "State"): the code-completion decoder with exits and stop, rows of a batch that leave at
 * different depths, and what is refused. */
#include "route_model.h"

enum { WIDTH = 16, FF = 32, SQUARE = WIDTH * WIDTH, STEPS = 6 };

/* Keys and values of a layer are always there; the rest of it may be NaN. */
static void layer_weights(route_model *m, int layer, bool poison) {
    add_weight(m, name_of("wk%d", layer, 0), WIDTH, WIDTH, (uint64_t)layer * 8), add_weight(m, name_of("wv%d", layer, 0), WIDTH, WIDTH, (uint64_t)layer * 8 + 1);
    if (poison) {
        add_poison(m, name_of("wq%d", layer, 0), WIDTH, WIDTH), add_poison(m, name_of("wo%d", layer, 0), WIDTH, WIDTH);
        add_poison(m, name_of("up%d", layer, 0), WIDTH, FF), add_poison(m, name_of("down%d", layer, 0), FF, WIDTH);
    } else {
        add_weight(m, name_of("wq%d", layer, 0), WIDTH, WIDTH, (uint64_t)layer * 8 + 2), add_weight(m, name_of("wo%d", layer, 0), WIDTH, WIDTH, (uint64_t)layer * 8 + 3);
        add_weight(m, name_of("up%d", layer, 0), WIDTH, FF, (uint64_t)layer * 8 + 4), add_weight(m, name_of("down%d", layer, 0), FF, WIDTH, (uint64_t)layer * 8 + 5);
    }
}

/* The layer behind its projections: rows `h` with queries `q` over keys and values as given, where `seen`. */
static void attend(route_text *t, int l, const char *h, const char *q, const char *k, const char *v, const char *seen) {
    say(t, "t%d = Transpose %s | 'perm': [1, 0]", l, k), say(t, "s%d = MatMul %s t%d", l, q, l), say(t, "m%d = Where %s s%d hidden", l, seen, l), say(t, "p%d = Softmax m%d | 'axis': -1", l, l);
    say(t, "a%d = MatMul p%d %s", l, l, v), say(t, "w%d = MatMul a%d wo%d", l, l, l), say(t, "r%d = Add %s w%d", l, h, l);
    say(t, "u%d = MatMul r%d up%d", l, l, l), say(t, "g%d = Relu u%d", l, l), say(t, "f%d = MatMul g%d down%d", l, l, l), say(t, "z%d = Add r%d f%d", l, l, l), say(t, "o%d = Tanh z%d", l, l);
}
static int64_t attend_work(int64_t rows, int64_t keys) { return rows * (SQUARE + keys * 2 * WIDTH + 2 * WIDTH * FF); }

static void check_refused(route_model *m, const char *outputs, const char *why) {
    sluice_context *context;
    sluice_program *program = NULL;
    const char *text = model_text(m, outputs);
    CHECK_INT(sluice_context_create(NULL, &context), SLUICE_OK);
    CHECK(sluice_compile_memory(context, "model.json", text, strlen(text), NULL, &program) != SLUICE_OK);
    CHECK_CONTAINS(sluice_last_error(context), why);
    sluice_program_destroy(program);
    sluice_context_destroy(context);
    model_free(m);
}

/* ---- Code completion, token by token: a 4-layer decoder in a loop. The plan says after how many layers a step emits its token, or that the completion ends there. A layer that a step leaves out
 * still gets the step's keys and values, made from the state that left; after the stop nothing runs, not even those. `holes`: a layer that is left out gets no entry ---- */

enum { LAYERS = 4 };

static void completion(route_model *m, bool holes, bool says) {
    route_text *t = &m->nodes;
    char inputs[256] = "'steps', 'yes', 'x'", outputs[256] = "'y'", body[768] = "{'name': 'i'}, {'name': 'c'}, {'name': 'h0'}", yields[256] = "'go', 'next'", states[512] = "";
    add_input(m, "depth", "i64", "6"), add_input(m, "stop", "i1", "6"), add_input(m, "x", "f32", "1, 16");
    add_constant(m, "steps", "i64", "1000"), add_constant(m, "yes", "i1", "true"), add_constant(m, "hidden", "f32", "-1e9"), add_constant(m, "line", "i64", "[1, 16]"), add_constant(m, "pair", "i64", "[1, 1]");
    add_constant(m, "places", "i64", "[[0,1,2,3,4,5]]");
    next_entry(&m->weights), put(&m->weights, "'empty': {'type': 'f32', 'shape': [6, 16], 'fill': 0}");
    for (int l = 0; l < LAYERS; l++)
        for (int kv = 0; kv < 2; kv++) {
            char name[8];
            snprintf(name, sizeof name, "%c%d", kv ? 'v' : 'k', l);
            strcat(inputs, ", 'empty'");
            snprintf(outputs + strlen(outputs), 64, ", '%sall'", name), snprintf(body + strlen(body), 64, ", {'name': '%sin'}", name), snprintf(yields + strlen(yields), 64, ", '%sout'", name);
            snprintf(states + strlen(states), 64, "%s'%sin': '%sout'", *states ? ", " : "", name, name);
        }
    next_entry(t);
    put(t, "{'op': 'Loop', 'name': 'decode', 'inputs': [%s], 'outputs': [%s], 'attributes': {'body': {'inputs': [%s], 'nodes': [", inputs, outputs, body);
    say(t, "d = Gather depth i | 'axis': 0"), say(t, "end = Gather stop i | 'axis': 0"), say(t, "seen = LessOrEqual places i"), say(t, "on = Not end"), say(t, "place = Reshape i pair"), say(t, "index = Expand place line");
    for (int l = 0; l < LAYERS; l++) {
        char k[16], v[16], h[8], q[8];
        snprintf(k, sizeof k, "k%dout", l), snprintf(v, sizeof v, "v%dout", l), snprintf(h, sizeof h, "h%d", l), snprintf(q, sizeof q, "q%d", l);
        add_constant(m, name_of("n%d", l, 0), "i64", name_of("%d", l, 0));
        layer_weights(m, l, false);
        say(t, "runs%d = Greater d n%d", l, l), say(t, "owes%d = Or runs%d on", l, l);
        for (int kv = 0; kv < 2; kv++) {
            char c = kv ? 'v' : 'k';
            next_entry(t);
            put(t, "{'op': 'If', 'name': 'entry%c%d', 'inputs': ['%s%d'], 'outputs': ['%c%dout'], 'attributes': {%s'then': {'nodes': [", c, l, holes ? "runs" : "owes", l, c, l, says ? "'state': ['none'], " : "");
            say(t, "row%c%d = MatMul h%d w%c%d", c, l, l, c, l), say(t, "new%c%d = ScatterElements %c%din index row%c%d | 'axis': 0", c, l, c, l, c, l);
            else_if(t, name_of(kv ? "newv%d" : "newk%d", l, 0)), close_if(t, name_of(kv ? "v%din" : "k%din", l, 0));
        }
        open_if(t, name_of("runs%d", l, 0), name_of("h%d", l + 1, 0));
        say(t, "q%d = MatMul h%d wq%d", l, l, l);
        attend(t, l, h, q, k, v, "seen");
        else_if(t, name_of("o%d", l, 0)), close_if(t, h);
    }
    say(t, "next = Identity h%d", LAYERS), say(t, "go = Identity on");
    put(t, "], 'outputs': [%s], 'state': {%s}}}}", yields, states);
}

static const char *completion_outputs = "'y', 'k0all', 'v0all', 'k1all', 'v1all', 'k2all', 'v2all', 'k3all', 'v3all'";

static void test_completion(void) {
    int64_t depth[STEPS] = {1, 4, 2, 4, 1, 2};
    uint8_t stop[STEPS] = {0, 0, 0, 0, 0, 1};
    float x[WIDTH];
    fill_rows(x, WIDTH, 3);
    route_value values[] = {{"depth", 'i', 1, {STEPS}, depth}, {"stop", 'b', 1, {STEPS}, stop}, {"x", 'f', 2, {1, WIDTH}, x}};
    route_model m = {0}, silent = {0}, holes = {0};
    route_run run;
    completion(&m, false, true);
    run_open(&run, model_text(&m, completion_outputs), 1);
    check_close(&run, values, 3, 1e-5);
    /* 14 layer runs in place of 24, no seventh step; 22 entries: four layers of the first five steps, the two below the stop of the last one. */
    CHECK_INT(products(&run, false), 14 * (attend_work(1, STEPS) + SQUARE) + 22 * 2 * SQUARE);
    int entries = 0;
    for (int i = 1; i <= 2 * LAYERS; i++)
        for (int row = 0; row < STEPS; row++) {
            const float *entry = (const float *)run.outputs[i].data + row * WIDTH;
            bool there = false;
            for (int c = 0; c < WIDTH; c++) there |= entry[c] != 0;
            CHECK_INT(there, row < 5 || i <= 4);
            entries += there;
        }
    CHECK_INT(entries, 2 * 22);
    stop[2] = 1;    /* ends at step 3 after two layers */
    check_close(&run, values, 3, 1e-5);
    CHECK_INT(products(&run, false), (1 + 4 + 2) * (attend_work(1, STEPS) + SQUARE) + (4 + 4 + 2) * 2 * SQUARE);
    run_close(&run);
    model_free(&m);
    completion(&silent, false, false);
    check_refused(&silent, completion_outputs, "node 'entryk0' (If): error: tensor.if: state 'k0in' is read by a later step, but branch 1 hands on the old one without an entry for this step");
    completion(&holes, true, false);
    check_refused(&holes, completion_outputs, "node 'entryk0' (If)");
}

/* ---- The same for tokens of a batch: six layers; a row leaves after two, after six, or ends the completion after four. The layers' keys and values are outputs that come back as inputs ---- */

typedef struct batch_rules { const char *copy, *gone; } batch_rules;    /* words of `state` for rows that left, and behind the stop */

static void batch_layer(route_model *m, int l, bool routed, const char *h, const char *to, const char *rows_at, const char *seen, const char *words) {
    route_text *t = &m->nodes;
    char k[16], v[16], q[8], inputs[128];
    snprintf(k, sizeof k, "k%d", l), snprintf(v, sizeof v, "v%d", l), snprintf(q, sizeof q, "q%d", l);
    if (!routed) {
        say(t, "q%d = MatMul %s wq%d", l, h, l), say(t, "k%d = MatMul %s wk%d", l, h, l), say(t, "v%d = MatMul %s wv%d", l, h, l);
        say(t, "keys%d = Concat pastk%d k%d | 'axis': 0", l, l, l), say(t, "values%d = Concat pastv%d v%d | 'axis': 0", l, l, l);
        snprintf(k, sizeof k, "keys%d", l), snprintf(v, sizeof v, "values%d", l);
        attend(t, l, h, q, k, v, seen), say(t, "%s = Identity o%d", to, l);
        return;
    }
    say(t, "more%d = Greater %sdepth n%d", l, rows_at, l), say(t, "go%d = Where more%d zero nowhere", l, l);
    snprintf(inputs, sizeof inputs, "'go%d', '%s'", l, h);
    next_entry(t);
    put(t, "{'op': 'Route', 'domain': 'sluice', 'name': 'project%d', 'inputs': [%s], 'outputs': ['q%d', 'k%d', 'v%d'], 'attributes': {%s'branches': {'graphs': [", l, inputs, l, l, l, words);
    open_body(t, "{'name': 'r'}"), say(t, "rq = MatMul r wq%d", l), say(t, "rk = MatMul r wk%d", l), say(t, "rv = MatMul r wv%d", l), close_body(t, "'rq', 'rk', 'rv'");
    close_route(t, NULL);
    say(t, "keys%d = Concat pastk%d k%d | 'axis': 0", l, l, l), say(t, "values%d = Concat pastv%d v%d | 'axis': 0", l, l, l);
    snprintf(inputs, sizeof inputs, "'go%d', '%s', 'q%d', '%s', '%s'", l, h, l, seen, h);
    open_route(t, name_of("layer%d", l, 0), inputs, to);
    open_body(t, "{'name': 'r'}, {'name': 'rq'}, {'name': 'rs'}"), snprintf(k, sizeof k, "keys%d", l), snprintf(v, sizeof v, "values%d", l);
    attend(t, l, "r", "rq", k, v, "rs");
    close_body(t, name_of("'o%d'", l, 0));
    close_route(t, "'merge': 'keep'");
}

/* Names of what goes in and out of the model, in this order: depth, stop, position, x; past keys and values of six layers. Outputs: y, then the same. */
static void batch_decoder(route_model *m, batch_rules rules, int poison_from, char *outputs, size_t size) {
    route_text *t = &m->nodes;
    char states[512] = "";
    snprintf(outputs, size, "'y'");
    add_input(m, "depth", "i64", "'rows'"), add_input(m, "stop", "i1", "'rows'"), add_input(m, "position", "i64", "'rows'"), add_input(m, "x", "f32", "'rows', 16");
    add_constant(m, "hidden", "f32", "-1e9"), add_constant(m, "zero", "i64", "0"), add_constant(m, "nowhere", "i64", "-1"), add_constant(m, "axis0", "i64", "[0]"), add_constant(m, "axis1", "i64", "[1]");
    add_constant(m, "past", "i64", "[0,1]");
    for (int l = 0; l < 6; l++) {
        add_input(m, name_of("pastk%d", l, 0), "f32", "2, 16"), add_input(m, name_of("pastv%d", l, 0), "f32", "2, 16");
        add_constant(m, name_of("n%d", l, 0), "i64", name_of("%d", l, 0));
        layer_weights(m, l, l >= poison_from);
        snprintf(states + strlen(states), 64, "%s'pastk%d': '%s%d', 'pastv%d': '%s%d'", l ? ", " : "", l, l < 4 ? "keys" : "allkeys", l, l, l < 4 ? "values" : "allvalues", l);
        snprintf(outputs + strlen(outputs), size - strlen(outputs), ", '%s%d', '%s%d'", l < 4 ? "keys" : "allkeys", l, l < 4 ? "values" : "allvalues", l);
    }
    snprintf(outputs + strlen(outputs), size - strlen(outputs), "], 'state': {%s}, 'doc': [0", states);
    say(t, "where = Concat past position | 'axis': 0"), say(t, "pc = Unsqueeze where axis0"), say(t, "pr = Unsqueeze position axis1"), say(t, "seen = GreaterOrEqual pr pc");
    batch_layer(m, 0, false, "x", "h1", "", "seen", ""), batch_layer(m, 1, false, "h1", "h2", "", "seen", "");
    batch_layer(m, 2, true, "h2", "h3", "", "seen", rules.copy), batch_layer(m, 3, true, "h3", "h4", "", "seen", rules.copy);
    say(t, "on = Where stop nowhere zero");
    next_entry(t);
    put(t, "{'op': 'Route', 'domain': 'sluice', 'name': 'rest', 'inputs': ['on', 'h4', 'depth', 'position'], 'outputs': ['hr', 'fk4', 'fv4', 'fk5', 'fv5'], 'attributes': {%s'branches': {'graphs': [", rules.gone);
    open_body(t, "{'name': 'rh'}, {'name': 'rdepth'}, {'name': 'rposition'}");
    say(t, "rwhere = Concat past rposition | 'axis': 0"), say(t, "rpc = Unsqueeze rwhere axis0"), say(t, "rpr = Unsqueeze rposition axis1"), say(t, "rseen = GreaterOrEqual rpr rpc");
    batch_layer(m, 4, true, "rh", "h5", "r", "rseen", rules.copy), batch_layer(m, 5, true, "h5", "h6", "r", "rseen", rules.copy);
    close_body(t, "'h6', 'k4', 'v4', 'k5', 'v5'");
    close_route(t, NULL);
    say(t, "column = Unsqueeze stop axis1"), say(t, "y = Where column h4 hr");
    for (int l = 4; l < 6; l++) say(t, "allkeys%d = Concat pastk%d fk%d | 'axis': 0", l, l, l), say(t, "allvalues%d = Concat pastv%d fv%d | 'axis': 0", l, l, l);
}

static const batch_rules good = {"'state': ['', 'copy', 'copy'], ", "'state': ['', 'none', 'none', 'none', 'none'], "};

static void test_batch(void) {
    enum { ROWS = 3, PAST = 2 };
    int64_t depth[ROWS] = {2, 6, 4}, position[ROWS] = {2, 3, 4};
    uint8_t stop[ROWS] = {0, 0, 1};
    float x[ROWS * WIDTH], past[12][PAST * WIDTH], leaving[ROWS * WIDTH];
    char outputs[1024], name[12][8];
    fill_rows(x, ROWS * WIDTH, 8);
    route_value values[16] = {{"depth", 'i', 1, {ROWS}, depth}, {"stop", 'b', 1, {ROWS}, stop}, {"position", 'i', 1, {ROWS}, position}, {"x", 'f', 2, {ROWS, WIDTH}, x}};
    for (int i = 0; i < 12; i++) {
        fill_rows(past[i], PAST * WIDTH, 40 + (uint64_t)i);
        snprintf(name[i], sizeof name[i], "past%d", i);
        values[4 + i] = (route_value){"past", 'f', 2, {PAST, WIDTH}, past[i]};
    }
    route_model m = {0};
    route_run run;
    batch_decoder(&m, good, 6, outputs, sizeof outputs);
    run_open(&run, model_text(&m, outputs), 2);
    check_close(&run, values, 16, 1e-5);
    /* Layers 1 and 2: three rows over five keys. 3 and 4: two rows; the one that left pays its keys and values. 5 and 6: behind the stop, two rows and four keys; one goes on, one pays. */
    int64_t dense = 2 * (3 * 3 * SQUARE + attend_work(3, 5)), middle = 2 * (2 * 3 * SQUARE + 2 * SQUARE + attend_work(2, 5)), last = 2 * (3 * SQUARE + 2 * SQUARE + attend_work(1, 4));
    CHECK_INT(products(&run, false), dense + middle + last);
    for (int l = 0; l < 6; l++) {    /* every layer has an entry for the row that left after two */
        const float *k = (const float *)run.outputs[1 + 2 * l].data + PAST * WIDTH, *v = (const float *)run.outputs[2 + 2 * l].data + PAST * WIDTH;
        bool there[ROWS] = {false};
        for (int i = 0; i < ROWS * WIDTH; i++) there[i / WIDTH] |= k[i] != 0 && v[i] != 0;
        CHECK(there[0] && there[1]);
        CHECK_INT(there[2], l < 4);    /* and none for the completion that ended */
    }
    memcpy(leaving, (const float *)run.outputs[1 + 2 * 2].data + PAST * WIDTH, sizeof leaving);
    depth[0] = depth[2] = 6, stop[2] = 0;    /* nobody leaves: the entries of layer 3 are the same bits, now made by the layer itself */
    check_close(&run, values, 16, 1e-5);
    CHECK(memcmp(leaving, (const float *)run.outputs[1 + 2 * 2].data + PAST * WIDTH, sizeof leaving) == 0);
    CHECK_INT(products(&run, false), 6 * (3 * 3 * SQUARE + attend_work(3, 5)));
    CHECK_INT(products(&run, true), 6 * (3 * 3 * SQUARE + attend_work(3, 5)));    /* what is owed is no part of the dense equivalent */
    run_close(&run);
    model_free(&m);

    /* Rows that leave read nothing of the later layers but keys' and values' weights. */
    route_model poisoned = {0};
    batch_decoder(&poisoned, good, 2, outputs, sizeof outputs);
    for (int i = 0; i < ROWS; i++) depth[i] = 2, stop[i] = 0;
    run_open(&run, model_text(&poisoned, outputs), 1);
    check_close(&run, values, 16, 1e-5);
    CHECK_INT(products(&run, false), 2 * (3 * 3 * SQUARE + attend_work(3, 5)) + 4 * 3 * 2 * SQUARE);
    run_close(&run);
    model_free(&poisoned);
}

static void test_refused(void) {
    static const struct { batch_rules rules; const char *why; } cases[] = {
        {{"", "'state': ['', 'none', 'none', 'none', 'none'], "}, "node 'project2' (Route): error: route.switch: state 'keys2' is read by a later step, but rows that go nowhere leave a hole in it"},
        {{"'state': ['', 'copy', 'copy'], ", ""}, "node 'rest' (Route): error: route.switch: state 'allkeys4' is read by a later step"},
        {{"'state': ['', 'keep', 'keep'], ", "'state': ['', 'none', 'none', 'none', 'none'], "}, "`state` 1 is \"keep\": keep goes with merge keep"},
        {{"'state': ['', 'copied', 'copy'], ", "'state': ['', 'none', 'none', 'none', 'none'], "}, "`state` 1 is \"copied\": a state owes copy, keep or none"},
        {{"'state': ['copy'], ", "'state': ['', 'none', 'none', 'none', 'none'], "}, "attribute 'state' has 1 entries; it must have one for each of the 3 outputs"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        route_model m = {0};
        char outputs[1024];
        batch_decoder(&m, cases[i].rules, 6, outputs, sizeof outputs);
        check_refused(&m, outputs, cases[i].why);
    }
}

/* ---- keep: a row that takes no part keeps its entry of the state (a running mean per row, here) ---- */

static void test_keep(void) {
    enum { ROWS = 4 };
    int64_t keys[ROWS] = {0, -1, 0, -1};
    float x[ROWS * 8], mean[ROWS * 8];
    fill_rows(x, ROWS * 8, 1), fill_rows(mean, ROWS * 8, 2);
    route_value values[] = {{"keys", 'i', 1, {ROWS}, keys}, {"x", 'f', 2, {ROWS, 8}, x}, {"old", 'f', 2, {ROWS, 8}, mean}};
    for (int says = 0; says < 2; says++) {
        route_model m = {0};
        route_run run;
        add_input(&m, "keys", "i64", "4"), add_input(&m, "x", "f32", "4, 8"), add_input(&m, "old", "f32", "4, 8"), add_constant(&m, "half", "f32", "0.5");
        open_route(&m.nodes, "update", "'keys', 'x', 'old', 'old'", "new");
        open_body(&m.nodes, "{'name': 'r'}, {'name': 's'}"), say(&m.nodes, "sum = Add r s"), say(&m.nodes, "o = Mul sum half"), close_body(&m.nodes, "'o'");
        close_route(&m.nodes, says ? "'merge': 'keep', 'state': ['keep']" : "'merge': 'keep'");
        if (!says) {
            check_refused(&m, "'new'], 'state': {'old': 'new'}, 'doc': [0", "node 'update' (Route): error: route.switch: state 'new' is read by a later step, but rows that go nowhere have only the old entry");
            continue;
        }
        run_open(&run, model_text(&m, "'new'], 'state': {'old': 'new'}, 'doc': [0"), 1);
        check_same(&run, values, 3);
        CHECK(memcmp((float *)run.output.data + 8, mean + 8, 8 * sizeof *mean) == 0);
        run_close(&run);
        model_free(&m);
    }
}

/* Keys that can't be negative leave no holes: nothing has to be said. And what a state may not be. */
static void test_no_holes(void) {
    route_model m = {0}, unknown = {0};
    route_run run;
    float x[4 * 8], old[4 * 8];
    fill_rows(x, 32, 1), fill_rows(old, 32, 2);
    route_value values[] = {{"x", 'f', 2, {4, 8}, x}, {"old", 'f', 2, {4, 8}, old}};
    add_input(&m, "x", "f32", "4, 8"), add_input(&m, "old", "f32", "4, 8"), add_weight(&m, "w0", 8, 8, 1), add_weight(&m, "w1", 8, 8, 2);
    say(&m.nodes, "keys = ArgMax x | 'axis': -1, 'keepdims': 0"), add_constant(&m, "one", "i64", "1"), say(&m.nodes, "side = Min keys one");
    open_route(&m.nodes, "sides", "'side', 'x'", "new");
    for (int e = 0; e < 2; e++) open_body(&m.nodes, "{'name': 'r'}"), say(&m.nodes, "o = MatMul r w%d", e), close_body(&m.nodes, "'o'");
    close_route(&m.nodes, NULL);
    run_open(&run, model_text(&m, "'new'], 'state': {'old': 'new'}, 'doc': [0"), 1);
    check_same(&run, values, 2);
    run_close(&run);
    model_free(&m);
    add_input(&unknown, "x", "f32", "4, 8"), say(&unknown.nodes, "y = Neg x");
    check_refused(&unknown, "'y'], 'state': {'z': 'y'}, 'doc': [0", "a state is an input and the output that replaces it; the graph has no input 'z'");
}

/* Copies are made for the rows that left alone: an entry that looks at other rows has no such copy. */
static void test_copy_by_row(void) {
    static const char *const entries[] = {"e = CumSum a axis0", "e = Softmax a | 'axis': 0", "e = Tanh a", "e = Softmax a | 'axis': 1"};
    static const bool by_row[] = {false, false, true, true};
    for (int i = 0; i < 4; i++) {
        route_model m = {0};
        route_run run;
        int64_t keys[4] = {0, -1, 0, -1};
        float x[4 * 8];
        fill_rows(x, 32, 1);
        route_value values[] = {{"keys", 'i', 1, {4}, keys}, {"x", 'f', 2, {4, 8}, x}, {"old", 'f', 2, {4, 8}, x}};
        add_input(&m, "keys", "i64", "4"), add_input(&m, "x", "f32", "4, 8"), add_input(&m, "old", "f32", "4, 8"), add_weight(&m, "w", 8, 8, 1), add_constant(&m, "axis0", "i64", "0");
        open_route(&m.nodes, "layer", "'keys', 'x'", "new");
        open_body(&m.nodes, "{'name': 'r'}"), say(&m.nodes, "a = MatMul r w"), say(&m.nodes, "%s", entries[i]), close_body(&m.nodes, "'e'");
        close_route(&m.nodes, "'state': ['copy']");
        if (!by_row[i]) {
            check_refused(&m, "'new'], 'state': {'old': 'new'}, 'doc': [0", "node 'layer' (Route): error: rows that go nowhere owe result 0 a copy, which is made for them alone, but node");
            continue;
        }
        run_open(&run, model_text(&m, "'new'], 'state': {'old': 'new'}, 'doc': [0"), 1);
        check_run(&run, values, 3);
        run_close(&run);
        model_free(&m);
    }
}

int main(void) {
    test_copy_by_row();
    test_completion();
    test_batch();
    test_refused();
    test_keep();
    test_no_holes();
    return check_result();
}
