/* test_route_bits.c: what routing promises of each row and of each run: a row's bits depend neither on the rows beside it, nor on their order, nor on the number of threads (the same
 * for reductions of a product's columns, which its kernel takes in chunks); a key that names no branch ends the run with the node's name; runs allocate nothing after the first; weights that
 * the run must skip are counted and not read. */
#include "route_model.h"

enum { ROWS = 37, WIDTH = 24, EXPERTS = 5, CHOICES = 3 };

/* Values with all bits in use, so that the order of a sum shows. */
static float odd_number(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(*state >> 11) / 9007199254740992.0 * 2 - 1);
}

static void add_odd(route_model *m, const char *name, int rows, int columns, uint64_t seed) {
    next_entry(&m->weights);
    put(&m->weights, "'%s': {'type': 'f32', 'shape': [%d, %d], 'data': [", name, rows, columns);
    for (int i = 0; i < rows * columns; i++) put(&m->weights, "%s%.9g", i ? "," : "", (double)odd_number(&seed));
    put(&m->weights, "]}");
}

/* Experts with a softmax at their end, mixed by weights, then a nested switch. */
static const char *build(route_model *m) {
    char up[32], down[32];
    add_input(m, "keys", "i64", "'rows', 3"), add_input(m, "weights", "f32", "'rows', 3"), add_input(m, "x", "f32", "'rows', 24");
    add_constant(m, "c0", "i64", "0"), add_constant(m, "zero", "f32", "0.0");
    for (int e = 0; e < EXPERTS; e++) {
        snprintf(up, sizeof up, "up%d", e), snprintf(down, sizeof down, "down%d", e);
        add_odd(m, up, WIDTH, 40, (uint64_t)e + 1), add_odd(m, down, 40, WIDTH, (uint64_t)e + 100);
    }
    open_route(&m->nodes, "mixture", "'keys', 'x', 'weights'", "mixed");
    for (int e = 0; e < EXPERTS; e++) {
        open_body(&m->nodes, "{'name': 'r'}");
        snprintf(up, sizeof up, "'r', 'up%d'", e), snprintf(down, sizeof down, "'a', 'down%d'", e);
        put_node(&m->nodes, "MatMul", up, "'h'", NULL);
        put_node(&m->nodes, "Relu", "'h'", "'a'", NULL);
        put_node(&m->nodes, "MatMul", down, "'o'", NULL);
        if (e == 1) put_node(&m->nodes, "Softmax", "'o'", "'p'", "'axis': -1");
        if (e == 2) {    /* rows of this expert part again, by their first value */
            put_node(&m->nodes, "Gather", "'o', 'c0'", "'lead'", "'axis': 1");
            put_node(&m->nodes, "Greater", "'lead', 'zero'", "'some'", NULL);
            put_node(&m->nodes, "Cast", "'some'", "'k'", "'to': {'element': 'i64'}");
            open_route(&m->nodes, "inner", "'k', 'o'", "q");
            open_body(&m->nodes, "{'name': 's'}"), put_node(&m->nodes, "Tanh", "'s'", "'t'", NULL), close_body(&m->nodes, "'t'");
            add_feed_forward(&m->nodes, "up0", "down3");
            close_route(&m->nodes, NULL);
        }
        close_body(&m->nodes, e == 1 ? "'p'" : e == 2 ? "'q'" : "'o'");
    }
    close_route(&m->nodes, "'merge': 'add', 'weighted': 1");
    return model_text(m, "'mixed'");
}

typedef struct batch { int64_t keys[ROWS][CHOICES]; float weights[ROWS][CHOICES], x[ROWS][WIDTH]; } batch;

static sluice_code run_batch(route_run *run, batch *b, int first, int count) {
    route_value values[] = {{"keys", 'i', 2, {count, CHOICES}, b->keys[first]}, {"weights", 'f', 2, {count, CHOICES}, b->weights[first]}, {"x", 'f', 2, {count, WIDTH}, b->x[first]}};
    return run_once(run, values, 3);
}

static void fill(batch *b, uint64_t seed) {
    for (int r = 0; r < ROWS; r++) {
        for (int j = 0; j < CHOICES; j++) {
            b->keys[r][j] = (int64_t)((seed = seed * 6364136223846793005u + 1) >> 40) % (EXPERTS + 1) - 1;
            b->weights[r][j] = odd_number(&seed);
        }
        for (int c = 0; c < WIDTH; c++) b->x[r][c] = odd_number(&seed);
    }
}

static void test_bits(void) {
    route_model m = {0};
    route_run run, threaded;
    static batch b, shuffled;
    static float whole[ROWS][WIDTH];
    fill(&b, 4);
    const char *text = build(&m);
    run_open(&run, text, 1);
    run_open(&threaded, text, 2);
    CHECK_INT(run_batch(&run, &b, 0, ROWS), SLUICE_OK);
    CHECK_INT(output_count(&run), ROWS * WIDTH);
    memcpy(whole, run.output.data, sizeof whole);
    for (int r = 0; r < ROWS; r++) {    /* alone */
        CHECK_INT(run_batch(&run, &b, r, 1), SLUICE_OK);
        CHECK(memcmp(run.output.data, whole[r], sizeof whole[r]) == 0);
    }
    for (int size = 2; size < ROWS; size += 7) {    /* in smaller batches */
        CHECK_INT(run_batch(&run, &b, 1, size), SLUICE_OK);
        CHECK(memcmp(run.output.data, whole[1], sizeof whole[0] * (size_t)size) == 0);
    }
    for (int shift = 1; shift < ROWS; shift += 5) {    /* in another order (ROWS is prime) */
        for (int r = 0; r < ROWS; r++) {
            int from = (r * (shift + 1)) % ROWS;
            memcpy(shuffled.keys[r], b.keys[from], sizeof b.keys[0]);
            memcpy(shuffled.weights[r], b.weights[from], sizeof b.weights[0]);
            memcpy(shuffled.x[r], b.x[from], sizeof b.x[0]);
        }
        CHECK_INT(run_batch(&threaded, &shuffled, 0, ROWS), SLUICE_OK);
        for (int r = 0; r < ROWS; r++) CHECK(memcmp((float *)threaded.output.data + r * WIDTH, whole[(r * (shift + 1)) % ROWS], sizeof whole[0]) == 0);
    }
    CHECK_INT(run_batch(&run, &b, 0, 0), SLUICE_OK);    /* no rows at all */
    CHECK_INT(output_count(&run), 0);
    CHECK_INT(products(&run, true), 0);
    run_close(&threaded);
    run_close(&run);
    model_free(&m);
}

/* ---- the other kinds: a width that is an input, overlapping slices of one weight in branches, entries that skipped rows owe, rounds of a loop; all in one row of output ---- */

enum { KINDS_WIDTH = 4 * WIDTH };

static const char *build_kinds(route_model *m) {
    route_text *t = &m->nodes;
    add_input(m, "keys", "i64", "'rows'"), add_input(m, "width", "i64", "1"), add_input(m, "x", "f32", "'rows', 24");
    add_constant(m, "from", "i64", "[0]"), add_constant(m, "columns", "i64", "[1]"), add_constant(m, "lines", "i64", "[0]"), add_constant(m, "to16", "i64", "[16]"), add_constant(m, "to33", "i64", "[33]");
    add_constant(m, "none", "i64", "-1"), add_constant(m, "zero", "i64", "0"), add_constant(m, "one", "i64", "1"), add_constant(m, "rounds", "i64", "3");
    add_odd(m, "up", WIDTH, 40, 1), add_odd(m, "down", 40, WIDTH, 2), add_odd(m, "entry", WIDTH, WIDTH, 3), add_odd(m, "rest", WIDTH, WIDTH, 4), add_odd(m, "again", WIDTH, WIDTH, 5);
    say(t, "u = Slice up from width columns"), say(t, "d = Slice down from width lines"), say(t, "h = MatMul x u"), say(t, "a = Relu h"), say(t, "wide = MatMul a d");
    say(t, "two = Min keys one"), say(t, "side = Max two zero");
    open_route(t, "slices", "'side', 'x'", "sliced");
    for (int i = 0; i < 2; i++) {
        open_body(t, "{'name': 'r'}");
        say(t, "su = Slice up from to%d columns", i ? 33 : 16), say(t, "sd = Slice down from to%d lines", i ? 33 : 16), say(t, "sh = MatMul r su"), say(t, "sa = Tanh sh"), say(t, "so = MatMul sa sd");
        close_body(t, "'so'");
    }
    close_route(t, NULL);
    say(t, "here = Min keys zero");
    open_route(t, "layer", "'here', 'x'", "left', 'owed");
    open_body(t, "{'name': 'r'}"), say(t, "e = MatMul r entry"), say(t, "b = MatMul e rest"), say(t, "o = Tanh b"), close_body(t, "'o', 'e'");
    close_route(t, "'state': ['', 'copy']");
    next_entry(t);
    put(t, "{'op': 'Loop', 'inputs': ['rounds', '', 'x'], 'outputs': ['looped'], 'attributes': {'body': {'inputs': [{'name': 'i'}, {'name': 'c'}, {'name': 'v'}], 'nodes': [");
    say(t, "more = Greater keys i"), say(t, "turn = Where more zero none");
    open_route(t, "round", "'turn', 'v', 'v'", "vn");
    open_body(t, "{'name': 'r'}"), say(t, "g = MatMul r again"), say(t, "p = Softmax g | 'axis': -1"), close_body(t, "'p'");
    close_route(t, "'merge': 'keep'");
    say(t, "go = Identity c");
    put(t, "], 'outputs': ['go', 'vn']}}}");
    say(t, "sum = Add left looped"), say(t, "y = Concat wide sliced owed sum | 'axis': 1");
    return model_text(m, "'y'");
}

static sluice_code run_kinds(route_run *run, const int64_t *keys, int64_t width, const float *x, int count) {
    route_value values[] = {{"keys", 'i', 1, {count}, (void *)(uintptr_t)keys}, {"width", 'i', 1, {1}, &width}, {"x", 'f', 2, {count, WIDTH}, (void *)(uintptr_t)x}};
    return run_once(run, values, 3);
}

static void test_kinds(void) {
    route_model m = {0};
    route_run run, threaded;
    static float x[ROWS][WIDTH], shuffled[ROWS][WIDTH], whole[ROWS][KINDS_WIDTH];
    int64_t keys[ROWS], shuffled_keys[ROWS];
    uint64_t seed = 77;
    for (int r = 0; r < ROWS; r++) {
        keys[r] = (int64_t)((seed = seed * 6364136223846793005u + 1) >> 40) % 5 - 1;
        for (int c = 0; c < WIDTH; c++) x[r][c] = odd_number(&seed);
    }
    const char *text = build_kinds(&m);
    run_open(&run, text, 1);
    run_open(&threaded, text, 2);
    for (int64_t width = 7; width <= 40; width += 11) {
        CHECK_INT(run_kinds(&run, keys, width, x[0], ROWS), SLUICE_OK);
        CHECK_INT(output_count(&run), ROWS * KINDS_WIDTH);
        memcpy(whole, run.output.data, sizeof whole);
        for (int r = 0; r < ROWS; r++) {
            CHECK_INT(run_kinds(&run, keys + r, width, x[r], 1), SLUICE_OK);
            CHECK(memcmp(run.output.data, whole[r], sizeof whole[r]) == 0);
        }
        for (int shift = 1; shift < ROWS; shift += 9) {
            for (int r = 0; r < ROWS; r++) {
                int from = (r * (shift + 1)) % ROWS;
                shuffled_keys[r] = keys[from];
                memcpy(shuffled[r], x[from], sizeof x[0]);
            }
            CHECK_INT(run_kinds(&threaded, shuffled_keys, width, shuffled[0], ROWS), SLUICE_OK);
            for (int r = 0; r < ROWS; r++) CHECK(memcmp((float *)threaded.output.data + r * KINDS_WIDTH, whole[(r * (shift + 1)) % ROWS], sizeof whole[0]) == 0);
        }
    }
    run_close(&threaded);
    run_close(&run);
    model_free(&m);
}

static void test_bad_key(void) {
    route_model m = {0};
    route_run run;
    static batch b;
    fill(&b, 9);
    run_open(&run, build(&m), 1);
    b.keys[7][2] = EXPERTS;
    CHECK_INT(run_batch(&run, &b, 0, ROWS), SLUICE_RUN_TIME);
    CHECK_CONTAINS(sluice_last_error(run.context), "node 'mixture' (Route): row 7 goes to branch 5, but there are 5");
    b.keys[7][2] = -77;    /* nowhere */
    CHECK_INT(run_batch(&run, &b, 0, ROWS), SLUICE_OK);
    run_close(&run);
    model_free(&m);
}

/* ---- reductions of a product's columns, taken in its kernel (passes/fuse_statistics.c) ---- */
static void test_column_reductions(void) {
    static const char *const reductions[] = {"ReduceLogSumExp", "ReduceMax", "ReduceSumSquare"};
    float x[ROWS * WIDTH], one[ROWS];
    uint64_t state = 5;
    for (int i = 0; i < ROWS * WIDTH; i++) x[i] = 3 * odd_number(&state);
    route_value values[] = {{"x", 'f', 2, {ROWS, WIDTH}, x}};
    for (int kind = 0; kind < 3; kind++) {
        route_model m = {0};
        add_input(&m, "x", "f32", "'rows', 24"), add_constant(&m, "columns", "i64", "[1]"), add_odd(&m, "w", WIDTH, 1700, 9);
        say(&m.nodes, "h = MatMul x w"), say(&m.nodes, "y = %s h columns | 'keepdims': 1", reductions[kind]);
        const char *text = model_text(&m, "'y'");
        for (int threads = 1; threads < 3; threads++) {
            route_run run;
            run_open(&run, text, threads);
            check_rows(&run, values, 1, (const int[]){0}, ROWS);
            check_run(&run, values, 1);
            if (threads == 1) memcpy(one, run.output.data, sizeof one);
            CHECK(memcmp(one, run.output.data, sizeof one) == 0);
            double difference = evaluator_difference(&run, values, 1), largest = 0;
            for (int r = 0; r < ROWS; r++) largest = fmax(largest, fabs((double)one[r]));
            CHECK(difference >= 0 && difference < 1e-5 * largest);
            run_close(&run);
        }
        model_free(&m);
    }
}

/* ---- allocations ---- */
static void test_no_allocations(void) {
    int64_t allocations = 0;
    route_model m = {0};
    route_run run;
    static batch b;
    run_open_counting(&run, build(&m), 1, &allocations);
    for (int r = 0; r < ROWS; r++)
        for (int j = 0; j < CHOICES; j++) b.keys[r][j] = -1;    /* the first run skips everything */
    CHECK_INT(run_batch(&run, &b, 0, ROWS), SLUICE_OK);
    int64_t before = allocations;
    for (uint64_t seed = 1; seed < 12; seed++) {    /* others go where they like */
        fill(&b, seed);
        if (seed > 8)
            for (int r = 0; r < ROWS; r++)
                for (int j = 0; j < CHOICES; j++) b.keys[r][j] = (int64_t)(seed - 8);
        CHECK_INT(run_batch(&run, &b, 0, ROWS), SLUICE_OK);
    }
    CHECK_INT(allocations, before);
    run_close(&run);
    model_free(&m);
}

int main(void) {
    test_bits();
    test_kinds();
    test_bad_key();
    test_column_reductions();
    test_no_allocations();
    return check_result();
}
