/* test_route_exits.c: published models whose rows leave early or take another path, each with its exact counts and NaN where nothing may be read. What the cases are:
 * docs/routing.md. */
#include "route_model.h"

enum { ROWS = 8 };

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
    check_rows(&run, &all, 1, (const int[]){0}, 4);
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
    check_rows(&run, values, 2, (const int[]){-1, 0}, 3);
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
        check_rows(&run, values, 2, (const int[]){0, 0}, ROWS);
        run_close(&run);
        model_free(&m);
    }
}

/* ---- Mixture of Recursions: one block with one set of weights, run once, twice or three times by row ---- */

static void test_recursions(void) {
    int64_t depth[ROWS] = {1, 3, 2, 1, 1, 3, 2, 1};
    float x[ROWS * 16];
    fill_rows(x, ROWS * 16, 12);
    route_value values[] = {{"depth", 'i', 1, {ROWS}, depth}, {"x", 'f', 2, {ROWS, 16}, x}};
    route_model m = {0};
    route_run run;
    add_input(&m, "depth", "i64", "'rows'"), add_input(&m, "x", "f32", "'rows', 16"), add_weight(&m, "block", 16, 16, 1);
    add_constant(&m, "d1", "i64", "1"), add_constant(&m, "d2", "i64", "2");
    add_node(&m, "MatMul", "'x', 'block'", "'h1'", NULL);
    add_node(&m, "Greater", "'depth', 'd1'", "'more1'", NULL);
    add_node(&m, "Cast", "'more1'", "'k1'", "'to': {'element': 'i64'}");
    open_route(&m.nodes, "first", "'k1', 'h1', 'depth'", "y");
    open_body(&m.nodes, "{'name': 'r'}, {'name': 'd'}"), close_body(&m.nodes, "'r'");
    open_body(&m.nodes, "{'name': 'r'}, {'name': 'd'}");
    put_node(&m.nodes, "MatMul", "'r', 'block'", "'h2'", NULL);
    put_node(&m.nodes, "Greater", "'d', 'd2'", "'more2'", NULL);
    put_node(&m.nodes, "Cast", "'more2'", "'k2'", "'to': {'element': 'i64'}");
    open_route(&m.nodes, "second", "'k2', 'h2'", "y2");
    open_body(&m.nodes, "{'name': 's'}"), close_body(&m.nodes, "'s'");
    open_body(&m.nodes, "{'name': 's'}"), put_node(&m.nodes, "MatMul", "'s', 'block'", "'h3'", NULL), close_body(&m.nodes, "'h3'");
    close_route(&m.nodes, NULL);
    close_body(&m.nodes, "'y2'");
    close_route(&m.nodes, NULL);
    run_open(&run, model_text(&m, "'y'"), 1);
    check_same(&run, values, 2);
    CHECK_INT(branch(&run, 0).rows, 4);
    CHECK_INT(branch(&run, 1).rows, 2);
    CHECK_INT(branch(&run, 1).parent, 0);
    CHECK_INT(products(&run, false), (8 + 4 + 2) * 256);
    CHECK_INT(products(&run, true), 3 * 8 * 256);
    check_rows(&run, values, 2, (const int[]){0, 0}, ROWS);
    run_close(&run);
    model_free(&m);
}

int main(void) {
    test_four_paths();
    test_exits();
    test_flattened();
    test_recursions();
    return check_result();
}
