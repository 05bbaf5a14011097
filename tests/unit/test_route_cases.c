/* test_route_cases.c: published models that leave work out, each with its exact counts; weights that must not be read are NaN, so a finite output proves that they were not.
 * What the cases are: docs/routing.md. */
#include "route_model.h"

enum { ROWS = 8 };

/* ---- Duo-LLM: at every layer a row takes the big module (1), the small one (0), or none (-1); routes are given ---- */

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
    check_rows(&run, values, 2, (const int[]){1, 0}, ROWS);
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
    check_rows(&run, values, 2, (const int[]){0, 0}, 6);
    run_close(&run);
    model_free(&m);
}

/* ---- MoE++: experts 0-3 compute, 4 and 5 blend the row with a learned one (no product), 6 copies, 7 gives zero; a zero pick gives its weight to its partner ---- */

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
    add_constant(&m, "zero_row", "f32", "[[0,0,0,0,0,0,0,0]]"), add_constant(&m, "quarter", "f32", "0.25");
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
            if (i == 7) put_node(&m.nodes, "Shape", "'r'", "'s'", NULL), put_node(&m.nodes, "Expand", "'zero_row', 's'", "'o'", NULL);
            if (i < 6) put_node(&m.nodes, "Mul", "'r', 'quarter'", "'p'", NULL), put_node(&m.nodes, "Add", name_of("'p', 'row%d'", i, 0), "'o'", NULL);
            close_body(&m.nodes, i == 6 ? "'r'" : "'o'");
        }
        close_route(&m.nodes, "'merge': 'add', 'weighted': 1");
    }
    run_open(&run, model_text(&m, "'y'"), 2);
    check_same(&run, values, 3);
    static const int64_t rows[6] = {3, 2, 2, 1, 2, 1};
    CHECK_INT(sluice_session_branch_count(run.session), 12);    /* four with products and two that blend in each layer: copy and zero are free */
    for (int i = 0; i < 12; i++) CHECK_INT(branch(&run, i).rows, rows[i % 6]);
    CHECK_INT(products(&run, false), 2 * 8 * 2 * 8 * 16);
    /* Row 3 went to copy and zero in both layers: copy has all of its weight. */
    CHECK(memcmp((float *)run.output.data + 3 * 8, x + 3 * 8, 8 * sizeof *x) == 0);
    check_rows(&run, values, 3, (const int[]){0, 0, 0}, ROWS);
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
    check_rows(&run, values, 3, (const int[]){0, 0, 0}, ROWS);
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
    check_rows(&run, values, 2, (const int[]){0, 0}, TOKENS);
    run_close(&run);
    model_free(&m);
}

/* All tokens choose the same groups, which is known when compiling: one dense product over the widths that are used, and no group that is not. */
static void test_same_groups(void) {
    enum { TOKENS = 16 };
    float x[TOKENS * 64];
    fill_rows(x, TOKENS * 64, 6);
    route_value values[] = {{"x", 'f', 2, {TOKENS, 64}, x}};
    route_model m = {0};
    route_run run;
    char keys[256] = "[";
    for (int i = 0; i < TOKENS; i++) strcat(keys, i ? ",[0,1,3,6]" : "[0,1,3,6]");
    strcat(keys, "]");
    add_constant(&m, "keys", "i64", keys), add_input(&m, "x", "f32", "16, 64"), add_constant(&m, "axis", "i64", "[1]");
    for (int g = 0; g < 8; g++) {
        bool used = g == 0 || g == 1 || g == 3 || g == 6;
        if (used) add_weight(&m, name_of("up%d", g, 0), 8, 128, (uint64_t)g);
        else add_poison(&m, name_of("up%d", g, 0), 8, 128);
        add_constant(&m, name_of("from%d", g, 0), "i64", name_of("[%d]", 8 * g, 0)), add_constant(&m, name_of("to%d", g, 0), "i64", name_of("[%d]", 8 * g + 8, 0));
    }
    open_route(&m.nodes, "groups", "'keys', 'x'", "y");
    for (int g = 0; g < 8; g++) {
        open_body(&m.nodes, "{'name': 'r'}");
        say(&m.nodes, "p = Slice r from%d to%d axis", g, g), say(&m.nodes, "o = MatMul p up%d", g);
        close_body(&m.nodes, "'o'");
    }
    close_route(&m.nodes, "'merge': 'add'");
    run_open(&run, model_text(&m, "'y'"), 2);
    check_same(&run, values, 1);
    CHECK_INT(products(&run, false), 65536);
    CHECK_INT(kernels_with(&run, true, ""), 1);    /* one product of 16 x 32 x 128 */
    CHECK_INT(sluice_session_branch_count(run.session), 0);
    run_close(&run);
    model_free(&m);
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
    check_rows(&run, values, 2, (const int[]){0, 0}, TOKENS);
    run_close(&run);
    model_free(&m);
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
    check_rows(&run, values, 3, (const int[]){0, 0, 0}, ROWS);
    run_close(&run);
    model_free(&m);
}

/* ---- Edge-MoE: 16 patches, top-2 of four experts, of which the task uses three ---- */

static void test_task_experts(void) {
    enum { PATCHES = 16 };
    int64_t keys[PATCHES * 2];
    float x[PATCHES * 16], weights[PATCHES * 2];
    fill_rows(x, PATCHES * 16, 11);
    for (int i = 0; i < PATCHES; i++) keys[2 * i] = i % 3, keys[2 * i + 1] = (i + 1) % 3, weights[2 * i] = 0.5f, weights[2 * i + 1] = 0.25f;
    route_value values[] = {{"keys", 'i', 2, {PATCHES, 2}, keys}, {"weights", 'f', 2, {PATCHES, 2}, weights}, {"x", 'f', 2, {PATCHES, 16}, x}};
    route_model m = {0};
    route_run run;
    add_input(&m, "keys", "i64", "'rows', 2"), add_input(&m, "weights", "f32", "'rows', 2"), add_input(&m, "x", "f32", "'rows', 16");
    for (int e = 0; e < 4; e++) {
        if (e == 3) add_poison(&m, "up3", 16, 32), add_poison(&m, "down3", 32, 16);
        else add_weight(&m, name_of("up%d", e, 0), 16, 32, (uint64_t)e), add_weight(&m, name_of("down%d", e, 0), 32, 16, (uint64_t)e + 20);
    }
    open_route(&m.nodes, "experts", "'keys', 'x', 'weights'", "y");
    for (int e = 0; e < 4; e++) add_feed_forward(&m.nodes, name_of("up%d", e, 0), name_of("down%d", e, 0));
    close_route(&m.nodes, "'merge': 'add', 'weighted': 1");
    run_open(&run, model_text(&m, "'y'"), 2);
    check_same(&run, values, 3);
    CHECK_INT(weight_bytes(&run, false), 3 * 2 * 16 * 32 * 4);    /* three loads, each once for all of its patches */
    CHECK_INT(products(&run, false), 32 * 2 * 16 * 32);
    CHECK_INT(launches(&run, 3), 0);
    check_rows(&run, values, 3, (const int[]){0, 0, 0}, PATCHES);
    run_close(&run);
    model_free(&m);
}

/* ---- Read-ME: one router in front of all layers: one sort for all of them. RMoE: each layer's route depends on the layer below: a sort each ---- */

static void test_sorts(bool recurrent) {
    int64_t tokens[ROWS] = {0, 1, 2, 3, 0, 1, 0, 1};
    float x[ROWS * 8];
    fill_rows(x, ROWS * 8, 13);
    route_value values[] = {{"tokens", 'i', 1, {ROWS}, tokens}, {"x0", 'f', 2, {ROWS, 8}, x}};
    route_model m = {0};
    route_run run;
    add_input(&m, "tokens", "i64", "'rows'"), add_input(&m, "x0", "f32", "'rows', 8");
    add_constant(&m, "table", "i64", "[0, 1, 0, 1]"), add_weight(&m, "router", 8, 2, 30);    /* nothing comes to experts 2 and 3 */
    add_node(&m, "Gather", "'table', 'tokens'", "'route'", NULL);
    for (int layer = 0; layer < 4; layer++) {
        if (recurrent) {
            add_node(&m, "MatMul", name_of("'x%d', 'router'", layer, 0), name_of("'logits%d'", layer, 0), NULL);
            add_node(&m, "ArgMax", name_of("'logits%d'", layer, 0), name_of("'keys%d'", layer, 0), "'axis': -1, 'keepdims': 0");
        }
        open_route(&m.nodes, name_of("layer%d", layer, 0), recurrent ? name_of("'keys%d', 'x%d'", layer, layer) : name_of("'route', 'x%d'", layer, 0), name_of("x%d", layer + 1, 0));
        for (int e = 0; e < 4; e++) {
            if (e >= 2) add_poison(&m, name_of("w%d%d", layer, e), 8, 8);
            else add_weight(&m, name_of("w%d%d", layer, e), 8, 8, (uint64_t)(4 * layer + e));
            open_body(&m.nodes, "{'name': 'r'}");
            put_node(&m.nodes, "MatMul", name_of("'r', 'w%d%d'", layer, e), "'o'", NULL);
            close_body(&m.nodes, "'o'");
        }
        close_route(&m.nodes, NULL);
    }
    run_open(&run, model_text(&m, "'x4'"), 1);
    check_same(&run, values, 2);
    CHECK_INT(products(&run, false), 4 * ROWS * 64 + (recurrent ? 4 * ROWS * 16 : 0));
    CHECK_INT(sorts_in(&run), recurrent ? 4 : 1);
    check_rows(&run, values, 2, (const int[]){0, 0}, ROWS);
    run_close(&run);
    model_free(&m);
}

int main(void) {
    test_duo();
    test_duo_constant();
    test_adaptive_modules();
    test_moe_plus_plus();
    test_aliased_experts();
    test_hidden_dimensions();
    test_same_groups();
    test_routed_feed_forward();
    test_top_p();
    test_task_experts();
    test_sorts(false);
    test_sorts(true);
    return check_result();
}
