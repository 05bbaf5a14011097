/* test_route_cases.c: published models that leave work out, each with its exact counts; weights that must not be read are NaN, so a finite output proves that they were not.
 * What the cases are: docs/routing.md. */
#include "route_model.h"

enum { ROWS = 8 };

static void check_run(route_run *run, const route_value *values, int count) {
    sluice_code code = run_once(run, values, count);
    if (code != SLUICE_OK) fprintf(stderr, "%s\n", sluice_last_error(run->context));
    CHECK_INT(code, SLUICE_OK);
    CHECK(code == SLUICE_OK && output_is_finite(run));
}

static void check_same(route_run *run, const route_value *values, int count) {
    check_run(run, values, count);
    double difference = evaluator_difference(run, values, count);
    if (difference != 0) fprintf(stderr, "differs from the evaluator by %g\n", difference);
    CHECK(difference == 0);
}

/* ---- Duo-LLM: at every layer a row takes the big module (1), the small one (0), or none (-1); routes are given ---- */

static const char *name_of(const char *format, int a, int b) {
    static char names[8][64];
    static int next;
    char *name = names[next++ % 8];
    snprintf(name, sizeof names[0], format, a, b);
    return name;
}

static void add_residual(route_text *t, const char *up, const char *down) {
    open_body(t, "{'name': 'r'}");
    put_node(t, "MatMul", up, "'h'", NULL);
    put_node(t, "Relu", "'h'", "'a'", NULL);
    put_node(t, "MatMul", down, "'f'", NULL);
    put_node(t, "Add", "'r', 'f'", "'o'", NULL);
    close_body(t, "'o'");
}

static void duo_layers(route_model *m, bool poison_big) {
    for (int layer = 0; layer < 2; layer++) {
        for (int size = 0; size < 2; size++) {
            int width = size ? 256 : 32;
            if (size && poison_big) {
                add_poison(m, name_of("up%d%d", layer, size), 64, width);
                add_poison(m, name_of("down%d%d", layer, size), width, 64);
            } else {
                add_weight(m, name_of("up%d%d", layer, size), 64, width, (uint64_t)(layer * 4 + size));
                add_weight(m, name_of("down%d%d", layer, size), width, 64, (uint64_t)(layer * 4 + size + 2));
            }
        }
        add_constant(m, name_of("layer%d", layer, 0), "i64", layer ? "1" : "0");
        add_node(m, "Gather", name_of("'routes', 'layer%d'", layer, 0), name_of("'keys%d'", layer, 0), "'axis': 0");
        open_route(&m->nodes, name_of("duo%d", layer, 0), layer ? "'keys1', 'x1', 'x1'" : "'keys0', 'x', 'x'", layer ? "y" : "x1");
        for (int size = 0; size < 2; size++) add_residual(&m->nodes, name_of("'r', 'up%d%d'", layer, size), name_of("'a', 'down%d%d'", layer, size));
        close_route(&m->nodes, "'merge': 'keep'");
    }
}

static void test_duo(void) {
    /* layer 1: b s - s b - - s; layer 2: - - s b s - s - */
    int64_t routes[2 * ROWS] = {1, 0, -1, 0, 1, -1, -1, 0, -1, -1, 0, 1, 0, -1, 0, -1};
    float x[ROWS * 64];
    fill_rows(x, ROWS * 64, 1);
    route_value values[] = {{"routes", 'i', 2, {2, ROWS}, routes}, {"x", 'f', 2, {ROWS, 64}, x}};
    route_model m = {0};
    route_run run;
    add_input(&m, "routes", "i64", "2, 'rows'"), add_input(&m, "x", "f32", "'rows', 64");
    duo_layers(&m, false);
    run_open(&run, model_text(&m, "'y'"), 2);
    check_same(&run, values, 2);
    CHECK_INT(sluice_session_branch_count(run.session), 4);
    static const int64_t rows[4] = {3, 2, 3, 1};    /* small, big of layer 1; of layer 2 */
    for (int i = 0; i < 4; i++) {
        CHECK_INT(branch(&run, i).rows, rows[i]);
        CHECK_INT(branch(&run, i).dense_rows, ROWS);
    }
    CHECK_INT(products(&run, false), (6 * 32 + 3 * 256) * 64 * 2);
    CHECK_INT(products(&run, true), 2 * ROWS * (32 + 256) * 64 * 2);
    /* Row 5 is bypassed twice. */
    CHECK(memcmp((float *)run.output.data + 5 * 64, x + 5 * 64, 64 * sizeof *x) == 0);
    /* All rows bypass layer 1, then all take one side of layer 2. */
    for (int i = 0; i < ROWS; i++) routes[i] = -1, routes[ROWS + i] = 0;
    check_same(&run, values, 2);
    CHECK_INT(launches(&run, 0) + launches(&run, 1) + launches(&run, 3), 0);
    CHECK_INT(branch(&run, 2).rows, ROWS);
    CHECK_INT(products(&run, false), ROWS * 32 * 64 * 2);
    run_close(&run);
    model_free(&m);

    route_model poisoned = {0};
    add_input(&poisoned, "routes", "i64", "2, 'rows'"), add_input(&poisoned, "x", "f32", "'rows', 64");
    duo_layers(&poisoned, true);
    run_open(&run, model_text(&poisoned, "'y'"), 2);
    check_same(&run, values, 2);
    run_close(&run);
    model_free(&poisoned);
}

/* The same with routes that are constant: no router is left, and unused modules are gone. */
static void test_duo_constant(void) {
    float x[ROWS * 64];
    fill_rows(x, ROWS * 64, 1);
    route_value values[] = {{"x", 'f', 2, {ROWS, 64}, x}};
    route_model m = {0};
    route_run run;
    add_input(&m, "x", "f32", "8, 64");
    add_constant(&m, "routes", "i64", "[[0,0,-1,0,0,-1,-1,0],[-1,-1,0,0,0,-1,0,-1]]");
    duo_layers(&m, true);
    run_open(&run, model_text(&m, "'y'"), 2);
    check_same(&run, values, 1);
    CHECK_INT(sluice_session_branch_count(run.session), 0);
    CHECK_INT(products(&run, false), (5 + 4) * 32 * 64 * 2);
    for (int i = 0; i < sluice_session_counter_count(run.session); i++) {
        sluice_counter counter;
        CHECK_INT(sluice_session_counter(run.session, i, &counter), SLUICE_OK);
        CHECK_INT(counter.runs, 1);    /* straight-line code */
    }
    run_close(&run);
    model_free(&m);
}

/* ---- Adaptive Computation Modules: a row uses the first k of 4 learners ---- */

static void test_adaptive_modules(void) {
    int64_t count[6] = {0, 1, 2, 4, 4, 3};
    float x[6 * 8];
    fill_rows(x, 6 * 8, 2);
    route_value values[] = {{"k", 'i', 2, {6, 1}, count}, {"x", 'f', 2, {6, 8}, x}};
    route_model m = {0};
    route_run run;
    add_input(&m, "k", "i64", "'rows', 1"), add_input(&m, "x", "f32", "'rows', 8");
    add_constant(&m, "learners", "i64", "[[0,1,2,3]]"), add_constant(&m, "none", "i64", "[[-1]]");
    for (int i = 0; i < 4; i++) add_weight(&m, name_of("up%d", i, 0), 8, 4, (uint64_t)i), add_weight(&m, name_of("down%d", i, 0), 4, 8, (uint64_t)i + 9);
    add_node(&m, "Less", "'learners', 'k'", "'uses'", NULL);
    add_node(&m, "Where", "'uses', 'learners', 'none'", "'keys'", NULL);
    open_route(&m.nodes, "learners", "'keys', 'x'", "z");
    for (int i = 0; i < 4; i++) add_feed_forward(&m.nodes, name_of("up%d", i, 0), name_of("down%d", i, 0));
    close_route(&m.nodes, "'merge': 'add'");
    add_node(&m, "Add", "'x', 'z'", "'y'", NULL);
    run_open(&run, model_text(&m, "'y'"), 2);
    check_same(&run, values, 2);
    for (int i = 0; i < 4; i++) CHECK_INT(branch(&run, i).rows, 5 - i);
    CHECK_INT(products(&run, false), 14 * 2 * 8 * 4);
    CHECK_INT(products(&run, true), 24 * 2 * 8 * 4);
    CHECK(memcmp(run.output.data, x, 8 * sizeof *x) == 0);    /* k = 0 leaves with its residual */
    run_close(&run);
    model_free(&m);
}

/* ---- MoE++: experts 0-3 compute, 4 and 5 give a learned row, 6 copies, 7 gives zero; a zero pick gives its weight to its partner ---- */

static void test_moe_plus_plus(void) {
    int64_t picks[ROWS * 2] = {0, 1, 0, 7, 2, 6, 6, 7, 4, 5, 3, 4, 1, 7, 0, 2};
    float x[ROWS * 8], weights[ROWS * 2];
    fill_rows(x, ROWS * 8, 3);
    for (int i = 0; i < ROWS; i++) weights[2 * i] = 0.75f, weights[2 * i + 1] = 0.25f;
    route_value values[] = {{"picks", 'i', 2, {ROWS, 2}, picks}, {"weights", 'f', 2, {ROWS, 2}, weights}, {"x", 'f', 2, {ROWS, 8}, x}};
    route_model m = {0};
    route_run run;
    add_input(&m, "picks", "i64", "'rows', 2"), add_input(&m, "weights", "f32", "'rows', 2"), add_input(&m, "x", "f32", "'rows', 8");
    add_constant(&m, "zero_expert", "i64", "7"), add_constant(&m, "zero", "f32", "0.0"), add_constant(&m, "axis", "i64", "[1]"), add_weight(&m, "row4", 1, 8, 4), add_weight(&m, "row5", 1, 8, 5);
    add_constant(&m, "zero_row", "f32", "[[0,0,0,0,0,0,0,0]]");
    for (int i = 0; i < 4; i++) add_weight(&m, name_of("up%d", i, 0), 8, 16, (uint64_t)i), add_weight(&m, name_of("down%d", i, 0), 16, 8, (uint64_t)i + 9);
    add_node(&m, "Equal", "'picks', 'zero_expert'", "'is_zero'", NULL);
    add_node(&m, "Where", "'is_zero', 'zero', 'weights'", "'left'", NULL);
    add_node(&m, "ReduceSum", "'left', 'axis'", "'sum'", "'keepdims': 1");
    add_node(&m, "Div", "'left', 'sum'", "'shares'", NULL);
    for (int layer = 0; layer < 2; layer++) {
        open_route(&m.nodes, name_of("mixture%d", layer, 0), layer ? "'picks', 'x1', 'shares'" : "'picks', 'x', 'shares'", layer ? "y" : "x1");
        for (int i = 0; i < 4; i++) add_feed_forward(&m.nodes, name_of("up%d", i, 0), name_of("down%d", i, 0));
        for (int i = 4; i < 8; i++) {
            open_body(&m.nodes, "{'name': 'r'}");
            if (i != 6) {
                put_node(&m.nodes, "Shape", "'r'", "'s'", NULL);
                put_node(&m.nodes, "Expand", i == 7 ? "'zero_row', 's'" : name_of("'row%d', 's'", i, 0), "'o'", NULL);
            }
            close_body(&m.nodes, i == 6 ? "'r'" : "'o'");
        }
        close_route(&m.nodes, "'merge': 'add', 'weighted': 1");
    }
    run_open(&run, model_text(&m, "'y'"), 2);
    check_same(&run, values, 3);
    static const int64_t rows[4] = {3, 2, 2, 1};
    CHECK_INT(sluice_session_branch_count(run.session), 8);    /* four that compute in each layer: the others are free */
    for (int i = 0; i < 8; i++) CHECK_INT(branch(&run, i).rows, rows[i % 4]);
    CHECK_INT(products(&run, false), 2 * 8 * 2 * 8 * 16);
    /* Row 3 went to copy and zero in both layers: copy has all of its weight. */
    CHECK(memcmp((float *)run.output.data + 3 * 8, x + 3 * 8, 8 * sizeof *x) == 0);
    run_close(&run);
    model_free(&m);
}

/* ---- DyCL: stem, gate 1 (block A or not), head 1, exit or block B and head 2; one row takes one of four paths ---- */

static void test_four_paths(void) {
    float x[4 * 4] = {-1, -1, 1, 1, 1, -1, 1, 1, -1, 1, 1, 1, 1, 1, 1, 1};    /* column 0: block A; column 1: go on */
    route_model m = {0};
    route_run run;
    add_input(&m, "x", "f32", "'rows', 4");
    add_weight(&m, "a", 4, 4, 1), add_weight(&m, "b", 4, 16, 2), add_weight(&m, "c", 16, 2, 3), add_weight(&m, "head", 4, 2, 4);
    add_constant(&m, "c0", "i64", "0"), add_constant(&m, "c1", "i64", "1"), add_constant(&m, "zero", "f32", "0.0");
    for (int i = 0; i < 2; i++) {
        add_node(&m, "Gather", name_of("'x', 'c%d'", i, 0), name_of("'g%d'", i, 0), "'axis': 1");
        add_node(&m, "Greater", name_of("'g%d', 'zero'", i, 0), name_of("'t%d'", i, 0), NULL);
        add_node(&m, "Cast", name_of("'t%d'", i, 0), name_of("'k%d'", i, 0), "'to': {'element': 'i64'}");
    }
    open_route(&m.nodes, "gate1", "'k0', 'x'", "h");
    open_body(&m.nodes, "{'name': 'r'}"), close_body(&m.nodes, "'r'");
    open_body(&m.nodes, "{'name': 'r'}"), put_node(&m.nodes, "MatMul", "'r', 'a'", "'o'", NULL), close_body(&m.nodes, "'o'");
    close_route(&m.nodes, NULL);
    add_node(&m, "MatMul", "'h', 'head'", "'early'", NULL);
    open_route(&m.nodes, "exit", "'k1', 'h', 'early'", "y");
    open_body(&m.nodes, "{'name': 'r'}, {'name': 'l'}"), close_body(&m.nodes, "'l'");
    open_body(&m.nodes, "{'name': 'r'}, {'name': 'l'}"), put_node(&m.nodes, "MatMul", "'r', 'b'", "'p'", NULL), put_node(&m.nodes, "MatMul", "'p', 'c'", "'o'", NULL);
    close_body(&m.nodes, "'o'");
    close_route(&m.nodes, NULL);
    run_open(&run, model_text(&m, "'y'"), 1);
    float alone[4][2];
    for (int path = 0; path < 4; path++) {    /* each path by itself: what is called */
        route_value one = {"x", 'f', 2, {1, 4}, x + 4 * path};
        check_same(&run, &one, 1);
        CHECK_INT(branch(&run, 0).rows, path & 1);
        CHECK_INT(branch(&run, 1).rows, path >> 1);
        CHECK_INT(launches(&run, 0) > 0, path & 1);
        CHECK_INT(launches(&run, 1) > 0, path >> 1);
        CHECK_INT(products(&run, false), 8 + (path & 1) * 16 + (path >> 1) * (4 * 16 + 16 * 2));
        CHECK_INT(products(&run, true), 8 + 16 + 4 * 16 + 16 * 2);
        memcpy(alone[path], run.output.data, sizeof alone[path]);
    }
    route_value all = {"x", 'f', 2, {4, 4}, x};
    check_same(&run, &all, 1);
    CHECK(memcmp(run.output.data, alone, sizeof alone) == 0);
    run_close(&run);
    model_free(&m);
}

/* ---- MC-SMoE: eight ids, three experts; two choices of one expert become one with both weights ---- */

static void test_aliased_experts(void) {
    int64_t ids[ROWS * 2] = {0, 3, 1, 2, 4, 7, 5, 5, 6, 0, 2, 1, 3, 4, 7, 6};    /* 0 1 2 -> 0; 3 4 -> 1; 5 6 7 -> 2 */
    float x[ROWS * 8], weights[ROWS * 2];
    fill_rows(x, ROWS * 8, 5);
    for (int i = 0; i < ROWS; i++) weights[2 * i] = 0.5f, weights[2 * i + 1] = 0.25f;
    route_value values[] = {{"ids", 'i', 2, {ROWS, 2}, ids}, {"weights", 'f', 2, {ROWS, 2}, weights}, {"x", 'f', 2, {ROWS, 8}, x}};
    route_model m = {0};
    route_run run;
    add_input(&m, "ids", "i64", "'rows', 2"), add_input(&m, "weights", "f32", "'rows', 2"), add_input(&m, "x", "f32", "'rows', 8");
    add_constant(&m, "merged", "i64", "[0,0,0,1,1,2,2,2]"), add_constant(&m, "nowhere", "i64", "-1"), add_constant(&m, "zero", "f32", "0.0");
    for (int i = 0; i < 3; i++) add_weight(&m, name_of("up%d", i, 0), 8, 16, (uint64_t)i), add_weight(&m, name_of("down%d", i, 0), 16, 8, (uint64_t)i + 9);
    add_node(&m, "Gather", "'merged', 'ids'", "'experts'", NULL);
    add_node(&m, "Split", "'experts'", "'first', 'second'", "'axis': 1, 'num_outputs': 2");
    add_node(&m, "Split", "'weights'", "'w1', 'w2'", "'axis': 1, 'num_outputs': 2");
    add_node(&m, "Equal", "'first', 'second'", "'same'", NULL);
    add_node(&m, "Where", "'same', 'nowhere', 'second'", "'other'", NULL);
    add_node(&m, "Where", "'same', 'w2', 'zero'", "'more'", NULL);
    add_node(&m, "Add", "'w1', 'more'", "'w'", NULL);
    add_node(&m, "Concat", "'first', 'other'", "'keys'", "'axis': 1");
    add_node(&m, "Concat", "'w', 'w2'", "'shares'", "'axis': 1");
    open_route(&m.nodes, "mixture", "'keys', 'x', 'shares'", "y");
    for (int i = 0; i < 3; i++) add_feed_forward(&m.nodes, name_of("up%d", i, 0), name_of("down%d", i, 0));
    close_route(&m.nodes, "'merge': 'add', 'weighted': 1");
    run_open(&run, model_text(&m, "'y'"), 2);
    check_same(&run, values, 3);
    CHECK_INT(sluice_session_branch_count(run.session), 3);
    static const int64_t rows[3] = {4, 3, 4};    /* of 16 choices 5 are the same expert again */
    for (int i = 0; i < 3; i++) CHECK_INT(branch(&run, i).rows, rows[i]);
    CHECK_INT(products(&run, false), 11 * 2 * 8 * 16);
    run_close(&run);
    model_free(&m);
}

/* ---- Mixture of Hidden-Dimensions: 2 of 8 groups of the hidden vector always, 2 of the other 6 per row ---- */

static void test_hidden_dimensions(void) {
    enum { TOKENS = 16 };
    int64_t keys[TOKENS * 4];
    float x[TOKENS * 64];
    fill_rows(x, TOKENS * 64, 6);
    for (int i = 0; i < TOKENS; i++) keys[4 * i] = 0, keys[4 * i + 1] = 1, keys[4 * i + 2] = 2 + i % 5, keys[4 * i + 3] = 2 + (i + 1) % 5;    /* nobody takes group 7 */
    route_value values[] = {{"keys", 'i', 2, {TOKENS, 4}, keys}, {"x", 'f', 2, {TOKENS, 64}, x}};
    route_model m = {0};
    route_run run;
    add_input(&m, "keys", "i64", "'rows', 4"), add_input(&m, "x", "f32", "'rows', 64"), add_constant(&m, "axis", "i64", "[1]");
    for (int g = 0; g < 8; g++) {
        if (g == 7) add_poison(&m, "up7", 8, 128);
        else add_weight(&m, name_of("up%d", g, 0), 8, 128, (uint64_t)g);
        add_constant(&m, name_of("from%d", g, 0), "i64", name_of("[%d]", 8 * g, 0));
        add_constant(&m, name_of("to%d", g, 0), "i64", name_of("[%d]", 8 * g + 8, 0));
    }
    open_route(&m.nodes, "groups", "'keys', 'x'", "y");
    for (int g = 0; g < 8; g++) {
        open_body(&m.nodes, "{'name': 'r'}");
        put_node(&m.nodes, "Slice", name_of("'r', 'from%d', 'to%d', 'axis'", g, g), "'p'", NULL);
        put_node(&m.nodes, "MatMul", name_of("'p', 'up%d'", g, 0), "'o'", NULL);
        close_body(&m.nodes, "'o'");
    }
    close_route(&m.nodes, "'merge': 'add'");
    run_open(&run, model_text(&m, "'y'"), 2);
    check_same(&run, values, 2);
    CHECK_INT(products(&run, false), 65536);
    CHECK_INT(products(&run, true), 131072);
    CHECK_INT(launches(&run, 7), 0);
    CHECK_INT(branch(&run, 0).rows, TOKENS);
    run_close(&run);
    model_free(&m);
}

/* ---- DeeR-VLA: six blocks, exits after 2, 4 and 6; a row leaves when its value (column 0) is at least the threshold ---- */

static void deer_segment(route_model *m, int segment, const char *x) {
    route_text *t = &m->nodes;
    put_node(t, "MatMul", name_of(x, 0, 0), name_of("'m%d'", segment, 0), NULL);
    put_node(t, "MatMul", name_of("'m%d', 'block%d'", segment, 2 * segment + 1), name_of("'h%d'", segment, 0), NULL);
    if (segment == 2) return;
    put_node(t, "Gather", name_of("'h%d', 'column'", segment, 0), name_of("'v%d'", segment, 0), "'axis': 1");
    put_node(t, "Less", name_of("'v%d', 'threshold'", segment, 0), name_of("'on%d'", segment, 0), NULL);
    put_node(t, "Cast", name_of("'on%d'", segment, 0), name_of("'key%d'", segment, 0), "'to': {'element': 'i64'}");
    open_route(t, name_of("exit%d", segment, 0), name_of("'key%d', 'h%d'", segment, segment), segment == 0 ? "y" : name_of("out%d", segment, 0));
    open_body(t, "{'name': 'stay'}"), close_body(t, "'stay'");
    open_body(t, name_of("{'name': 'r%d'}", segment, 0));
    deer_segment(m, segment + 1, segment == 0 ? "'r0', 'block2'" : "'r1', 'block4'");
    close_body(t, segment == 0 ? "'out1'" : "'h2'");
    close_route(t, NULL);
}

static void test_exits(void) {
    /* Every block adds 1 to column 0 (column 3 is 1) and leaves the rest: a row at v leaves at the first exit where v + blocks >= threshold. */
    static const char *plus_one = "[[1,0,0,0],[0,1,0,0],[0,0,1,0],[1,0,0,1]]";
    float threshold = 3, x[3 * 4] = {1, 5, 6, 1, -1, 7, 8, 1, -3, 9, 10, 1};
    route_value values[] = {{"threshold", 'f', 0, {0}, &threshold}, {"x", 'f', 2, {3, 4}, x}};
    route_model m = {0};
    route_run run;
    add_input(&m, "threshold", "f32", ""), add_input(&m, "x", "f32", "'rows', 4"), add_constant(&m, "column", "i64", "0");
    for (int i = 0; i < 6; i++) add_constant(&m, name_of("block%d", i, 0), "f32", plus_one);
    deer_segment(&m, 0, "'x', 'block0'");
    run_open(&run, model_text(&m, "'y'"), 1);
    check_same(&run, values, 2);
    const float *y = run.output.data;
    CHECK(y[0] == 3 && y[4] == 3 && y[8] == 3);    /* 2, 4 and 6 blocks */
    CHECK_INT(branch(&run, 0).rows, 2);
    CHECK_INT(branch(&run, 1).rows, 1);
    CHECK_INT(branch(&run, 1).dense_rows, 3);
    CHECK_INT(products(&run, false), (3 * 2 + 2 * 2 + 1 * 2) * 16);
    CHECK_INT(products(&run, true), 3 * 6 * 16);
    for (int stop = 0; stop < 3; stop++) {    /* one row alone, by exit */
        route_value one[] = {values[0], {"x", 'f', 2, {1, 4}, x + 4 * stop}};
        check_same(&run, one, 2);
        CHECK_INT(products(&run, false), (stop + 1) * 2 * 16);
    }
    threshold = -10;    /* acts without compiling again: all leave at once */
    check_same(&run, values, 2);
    CHECK_INT(products(&run, false), 3 * 2 * 16);
    CHECK_INT(launches(&run, 0) + launches(&run, 1), 0);
    run_close(&run);
    model_free(&m);

    /* With a threshold that lets nobody past exit 1, what lies behind may be anything. */
    route_model poisoned = {0};
    add_input(&poisoned, "threshold", "f32", ""), add_input(&poisoned, "x", "f32", "'rows', 4"), add_constant(&poisoned, "column", "i64", "0");
    for (int i = 0; i < 6; i++) {
        if (i < 4) add_constant(&poisoned, name_of("block%d", i, 0), "f32", plus_one);
        else add_poison(&poisoned, name_of("block%d", i, 0), 4, 4);
    }
    deer_segment(&poisoned, 0, "'x', 'block0'");
    threshold = 1;
    run_open(&run, model_text(&poisoned, "'y'"), 1);
    check_same(&run, values, 2);
    CHECK_INT(branch(&run, 0).rows, 1);
    CHECK_INT(branch(&run, 1).rows, 0);
    run_close(&run);
    model_free(&poisoned);
}

/* ---- SPT's routed feed-forward: 8 blocks of 16 neurons, each row takes 4; block 7 is nobody's ---- */

static void test_routed_feed_forward(void) {
    enum { TOKENS = 16 };
    int64_t keys[TOKENS * 4];
    float x[TOKENS * 32];
    fill_rows(x, TOKENS * 32, 7);
    for (int i = 0; i < TOKENS * 4; i++) keys[i] = (i / 4 + 2 * (i % 4)) % 7;
    route_value values[] = {{"keys", 'i', 2, {TOKENS, 4}, keys}, {"x", 'f', 2, {TOKENS, 32}, x}};
    route_model m = {0};
    route_run run;
    add_input(&m, "keys", "i64", "'rows', 4"), add_input(&m, "x", "f32", "'rows', 32");
    for (int g = 0; g < 8; g++) {
        if (g == 7) add_poison(&m, "up7", 32, 16), add_poison(&m, "down7", 16, 32);
        else add_weight(&m, name_of("up%d", g, 0), 32, 16, (uint64_t)g), add_weight(&m, name_of("down%d", g, 0), 16, 32, (uint64_t)g + 10);
    }
    open_route(&m.nodes, "blocks", "'keys', 'x'", "y");
    for (int g = 0; g < 8; g++) add_feed_forward(&m.nodes, name_of("up%d", g, 0), name_of("down%d", g, 0));
    close_route(&m.nodes, "'merge': 'add'");
    run_open(&run, model_text(&m, "'y'"), 2);
    check_same(&run, values, 2);
    CHECK_INT(products(&run, false), 65536);
    CHECK_INT(products(&run, true), 131072);
    CHECK_INT(weight_bytes(&run, false), 7 * 2 * 32 * 16 * 4);    /* once each */
    CHECK_INT(weight_bytes(&run, true), 8 * 2 * 32 * 16 * 4);
    run_close(&run);
    model_free(&m);
}

/* ---- exits as an exporter leaves them: everything computed, then Where by row ---- */

static void test_flattened(void) {
    int64_t leaves[ROWS] = {0, 1, 1, 0, 1, 0, 1, 1};
    float x[ROWS * 32];
    fill_rows(x, ROWS * 32, 9);
    route_value values[] = {{"leaves", 'i', 1, {ROWS}, leaves}, {"x", 'f', 2, {ROWS, 32}, x}};
    for (int poison = 0; poison < 2; poison++) {
        route_model m = {0};
        route_run run;
        add_input(&m, "leaves", "i64", "'rows'"), add_input(&m, "x", "f32", "'rows', 32"), add_constant(&m, "one", "i64", "1"), add_constant(&m, "axis", "i64", "[1]");
        add_weight(&m, "head", 32, 8, 3);
        if (poison) add_poison(&m, "block", 32, 64), add_poison(&m, "late", 64, 8);
        else add_weight(&m, "block", 32, 64, 4), add_weight(&m, "late", 64, 8, 5);
        add_node(&m, "Equal", "'leaves', 'one'", "'sure'", NULL);
        add_node(&m, "Unsqueeze", "'sure', 'axis'", "'mask'", NULL);
        add_node(&m, "MatMul", "'x', 'head'", "'early'", NULL);
        add_node(&m, "MatMul", "'x', 'block'", "'h'", NULL);
        add_node(&m, "Relu", "'h'", "'a'", NULL);
        add_node(&m, "MatMul", "'a', 'late'", "'end'", NULL);
        add_node(&m, "Where", "'mask', 'early', 'end'", "'y'", NULL);
        run_open(&run, model_text(&m, "'y'"), 2);
        if (poison)
            for (int r = 0; r < ROWS; r++) leaves[r] = 1;
        check_same(&run, values, 2);
        CHECK_INT(sluice_session_branch_count(run.session), 2);
        CHECK_INT(branch(&run, 0).rows, poison ? 0 : 3);
        CHECK_INT(products(&run, false), poison ? 8 * 256 : 5 * 256 + 3 * (2048 + 512));
        CHECK_INT(products(&run, true), 8 * (256 + 2048 + 512));
        run_close(&run);
        model_free(&m);
    }
}

/* ---- Harder Tasks: a row takes as many of 12 experts as its top-p needs; the keys have a place for all of them ---- */

static void test_top_p(void) {
    int64_t keys[ROWS * 12];
    float x[ROWS * 8], weights[ROWS * 12];
    fill_rows(x, ROWS * 8, 8);
    for (int r = 0; r < ROWS; r++)    /* row r takes experts 0 to r of 0..10, the last one is nobody's */
        for (int e = 0; e < 12; e++) keys[12 * r + e] = e <= r ? e : -1, weights[12 * r + e] = 0.25f * (float)(1 + e % 3);
    route_value values[] = {{"keys", 'i', 2, {ROWS, 12}, keys}, {"weights", 'f', 2, {ROWS, 12}, weights}, {"x", 'f', 2, {ROWS, 8}, x}};
    route_model m = {0};
    route_run run;
    add_input(&m, "keys", "i64", "'rows', 12"), add_input(&m, "weights", "f32", "'rows', 12"), add_input(&m, "x", "f32", "'rows', 8");
    for (int e = 0; e < 12; e++) {
        if (e >= ROWS) add_poison(&m, name_of("up%d", e, 0), 8, 16), add_poison(&m, name_of("down%d", e, 0), 16, 8);
        else add_weight(&m, name_of("up%d", e, 0), 8, 16, (uint64_t)e), add_weight(&m, name_of("down%d", e, 0), 16, 8, (uint64_t)e + 20);
    }
    open_route(&m.nodes, "experts", "'keys', 'x', 'weights'", "y");
    for (int e = 0; e < 12; e++) {
        if (e == 2) open_body(&m.nodes, "{'name': 'r'}"), close_body(&m.nodes, "'r'");
        else add_feed_forward(&m.nodes, name_of("up%d", e, 0), name_of("down%d", e, 0));
    }
    close_route(&m.nodes, "'merge': 'add', 'weighted': 1");
    run_open(&run, model_text(&m, "'y'"), 2);
    check_same(&run, values, 3);
    CHECK_INT(sluice_session_branch_count(run.session), 11);    /* expert 2 copies */
    CHECK_INT(products(&run, false), (36 - 6) * 2 * 8 * 16);
    CHECK_INT(products(&run, true), 11 * ROWS * 2 * 8 * 16);
    run_close(&run);
    model_free(&m);
}

int main(void) {
    test_flattened();
    test_top_p();
    test_duo();
    test_duo_constant();
    test_adaptive_modules();
    test_moe_plus_plus();
    test_four_paths();
    test_aliased_experts();
    test_hidden_dimensions();
    test_exits();
    test_routed_feed_forward();
    return check_result();
}
