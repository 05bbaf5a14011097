/* test_route_loops.c: decisions inside of loops, each iteration counted: a predicate that turns off and stays off, a loop that ends early, tokens that leave a loop's rounds one after
 * the other, a partition in a loop's body. What the cases are: docs/routing.md. */
#include "route_model.h"

enum { ROWS = 8, WIDTH = 16 };

static void open_loop(route_text *t, const char *inputs, const char *outputs, const char *body_inputs) {
    next_entry(t);
    put(t, "{'op': 'Loop', 'name': 'loop', 'inputs': [%s], 'outputs': [%s], 'attributes': {'body': {'inputs': [%s], 'nodes': [", inputs, outputs, body_inputs);
}
static void close_loop(route_text *t, const char *outputs) { put(t, "], 'outputs': [%s]}}}", outputs); }

/* ---- Adaptive Guidance: a step of a sampler evaluates the net with and without its condition; once both agree well enough, the second evaluation is left out for good ---- */

static void guided_sampler(route_model *m, bool poison) {
    route_text *t = &m->nodes;
    add_input(m, "steps", "i64", ""), add_input(m, "margins", "f32", "'steps'"), add_input(m, "x", "f32", "'rows', 16");
    add_constant(m, "yes", "i1", "true"), add_constant(m, "no", "i1", "false"), add_constant(m, "zero", "f32", "0.0"), add_constant(m, "half", "f32", "0.5"), add_constant(m, "two", "f32", "2.0");
    add_constant(m, "first", "i64", "0");
    add_weight(m, "with", WIDTH, WIDTH, 1);
    if (poison) add_poison(m, "without", WIDTH, WIDTH);
    else add_weight(m, "without", WIDTH, WIDTH, 2);
    say(t, "start = Gather margins first | 'axis': 0"), say(t, "guide = Greater start zero");
    open_loop(t, "'steps', '', 'x', 'guide'", "'y', 'guided'", "{'name': 'i'}, {'name': 'c'}, {'name': 'h'}, {'name': 'on'}");
    say(t, "ec = MatMul h with");
    open_if(t, "on", "e");
    say(t, "eu = MatMul h without"), say(t, "gap = Sub ec eu"), say(t, "far = Mul gap two"), say(t, "ge = Add eu far"), else_if(t, "ge"), close_if(t, "ec");
    say(t, "back = Mul e half"), say(t, "hn = Sub h back");
    say(t, "margin = Gather margins i | 'axis': 0"), say(t, "apart = Greater margin zero"), say(t, "stay = And on apart"), say(t, "go = Identity c");
    close_loop(t, "'go', 'hn', 'stay'");
}

static void test_guidance(void) {
    int64_t steps = 8;
    float margins[8] = {1, 1, 1, -1, 1, 1, -1, 1}, x[ROWS * WIDTH];    /* apart again at step 4: the predicate stays off all the same */
    fill_rows(x, ROWS * WIDTH, 5);
    route_value values[] = {{"steps", 'i', 0, {0}, &steps}, {"margins", 'f', 1, {8}, margins}, {"x", 'f', 2, {ROWS, WIDTH}, x}};
    route_model m = {0}, poisoned = {0};
    route_run run;
    guided_sampler(&m, false);
    run_open(&run, model_text(&m, "'y'"), 1);
    check_close(&run, values, 3, 1e-5);
    CHECK_INT(products(&run, false), (8 + 4) * ROWS * WIDTH * WIDTH);    /* guided at steps 0 to 3 */
    CHECK_INT(products(&run, true), 16 * ROWS * WIDTH * WIDTH);
    margins[1] = -1;
    check_close(&run, values, 3, 1e-5);
    CHECK_INT(products(&run, false), (8 + 2) * ROWS * WIDTH * WIDTH);
    for (int i = 0; i < 8; i++) margins[i] = 1;
    check_close(&run, values, 3, 1e-5);
    CHECK_INT(products(&run, false), 16 * ROWS * WIDTH * WIDTH);
    check_rows(&run, values, 3, (const int[]){-1, -1, 0}, ROWS);
    run_close(&run);
    model_free(&m);
    /* Never guided: the second net is not read. */
    margins[0] = -1;
    guided_sampler(&poisoned, true);
    run_open(&run, model_text(&poisoned, "'y'"), 1);
    check_close(&run, values, 3, 1e-5);
    CHECK_INT(products(&run, false), 8 * ROWS * WIDTH * WIDTH);
    run_close(&run);
    model_free(&poisoned);
}

/* ---- a loop that ends when its rows are done ---- */

static void test_early_end(void) {
    int64_t most = 50;
    float goal, x[4 * 4] = {1, 0, 0, 1, 0, 2, 0, 1, 0, 0, 3, 1, 0, 0, 0, 1};    /* each block adds column 3 to column 0 */
    route_value values[] = {{"most", 'i', 0, {0}, &most}, {"goal", 'f', 0, {0}, &goal}, {"x", 'f', 2, {4, 4}, x}};
    route_model m = {0};
    route_run run;
    route_text *t = &m.nodes;
    add_input(&m, "most", "i64", ""), add_input(&m, "goal", "f32", ""), add_input(&m, "x", "f32", "'rows', 4"), add_constant(&m, "column", "i64", "0"), add_constant(&m, "yes", "i1", "true");
    add_constant(&m, "block", "f32", "[[1,0,0,0],[0,1,0,0],[0,0,1,0],[1,0,0,1]]"), add_constant(&m, "axes", "i64", "[0]");
    open_loop(t, "'most', 'yes', 'x'", "'y'", "{'name': 'i'}, {'name': 'c'}, {'name': 'h'}");
    say(t, "hn = MatMul h block"), say(t, "value = Gather hn column | 'axis': 1"), say(t, "least = ReduceMin value axes | 'keepdims': 0"), say(t, "go = Less least goal");
    close_loop(t, "'go', 'hn'");
    run_open(&run, model_text(&m, "'y'"), 1);
    for (goal = 1; goal < 20; goal += 6) {
        check_same(&run, values, 3);
        CHECK_INT(products(&run, false), (int64_t)goal * 4 * 16);
    }
    most = 5;    /* and at the latest after so many rounds */
    check_same(&run, values, 3);
    CHECK_INT(products(&run, false), 5 * 4 * 16);
    most = 0;
    check_same(&run, values, 3);
    CHECK_INT(products(&run, false), 0);
    run_close(&run);
    model_free(&m);
}

/* ---- Mixture of Recursions: a block of two layers with attention, one set of weights, three rounds; a row takes part in the first `depth` ones. A row attends to the rows of its round that
 * come before it, keys and values of each round by themselves ---- */

static void recursion_layer(route_text *t, int layer, const char *from) {
    say(t, "q%d = MatMul %s wq%d", layer, from, layer), say(t, "k%d = MatMul %s wk%d", layer, from, layer), say(t, "v%d = MatMul %s wv%d", layer, from, layer);
    say(t, "kt%d = Transpose k%d | 'perm': [1, 0]", layer, layer), say(t, "s%d = MatMul q%d kt%d", layer, layer, layer), say(t, "m%d = Where seen s%d hidden", layer, layer);
    say(t, "p%d = Softmax m%d | 'axis': -1", layer, layer), say(t, "a%d = MatMul p%d v%d", layer, layer, layer), say(t, "r%d = Add %s a%d", layer, from, layer);
    say(t, "u%d = MatMul r%d up%d", layer, layer, layer), say(t, "g%d = Relu u%d", layer, layer), say(t, "d%d = MatMul g%d down%d", layer, layer, layer), say(t, "o%d = Add r%d d%d", layer, layer, layer);
}

static void recursions(route_model *m, bool masked) {    /* masked: every row takes part in all rounds, and what it gets is dropped */
    enum { FF = 32 };
    route_text *t = &m->nodes;
    add_input(m, "depth", "i64", "'rows'"), add_input(m, "position", "i64", "'rows'"), add_input(m, "x", "f32", "'rows', 16");
    add_constant(m, "rounds", "i64", "3"), add_constant(m, "yes", "i1", "true"), add_constant(m, "none", "i64", "-1"), add_constant(m, "block", "i64", "0"), add_constant(m, "hidden", "f32", "-1e9");
    add_constant(m, "axis0", "i64", "[0]"), add_constant(m, "axis1", "i64", "[1]");
    for (int layer = 0; layer < 2; layer++) {
        static const char *const names[] = {"wq%d", "wk%d", "wv%d"};
        for (int i = 0; i < 3; i++) add_weight(m, name_of(names[i], layer, 0), WIDTH, WIDTH, (uint64_t)(layer * 8 + i));
        add_weight(m, name_of("up%d", layer, 0), WIDTH, FF, (uint64_t)layer * 8 + 5), add_weight(m, name_of("down%d", layer, 0), FF, WIDTH, (uint64_t)layer * 8 + 6);
    }
    open_loop(t, "'rounds', '', 'x'", "'y'", "{'name': 'i'}, {'name': 'c'}, {'name': 'h'}");
    say(t, "takes = Greater depth i");
    if (masked) {
        say(t, "pr = Unsqueeze position axis1"), say(t, "pc = Unsqueeze position axis0"), say(t, "before = GreaterOrEqual pr pc"), say(t, "there = Unsqueeze takes axis0"), say(t, "seen = And before there");
        recursion_layer(t, 0, "h"), recursion_layer(t, 1, "o0");
        say(t, "column = Unsqueeze takes axis1"), say(t, "hn = Where column o1 h");
    } else {
        say(t, "keys = Where takes block none");
        open_route(t, "round", "'keys', 'h', 'position', 'h'", "hn");
        open_body(t, "{'name': 'r'}, {'name': 'at'}");
        say(t, "pr = Unsqueeze at axis1"), say(t, "pc = Unsqueeze at axis0"), say(t, "seen = GreaterOrEqual pr pc");
        recursion_layer(t, 0, "r"), recursion_layer(t, 1, "o0");
        close_body(t, "'o1'");
        close_route(t, "'merge': 'keep'");
    }
    say(t, "go = Identity c");
    close_loop(t, "'go', 'hn'");
}

static void test_recursions(void) {
    int64_t depth[ROWS] = {1, 3, 2, 1, 1, 3, 2, 1}, position[ROWS];
    float x[ROWS * WIDTH], sparse[ROWS * WIDTH];
    fill_rows(x, ROWS * WIDTH, 12);
    for (int i = 0; i < ROWS; i++) position[i] = i;
    route_value values[] = {{"depth", 'i', 1, {ROWS}, depth}, {"position", 'i', 1, {ROWS}, position}, {"x", 'f', 2, {ROWS, WIDTH}, x}};
    for (int masked = 0; masked < 2; masked++) {
        route_model m = {0};
        route_run run;
        recursions(&m, masked);
        run_open(&run, model_text(&m, "'y'"), 2);
        check_close(&run, values, 3, 1e-5);
        if (!masked) {
            memcpy(sparse, run.output.data, sizeof sparse);
            /* 8, 4 and 2 rows take part: per layer 14 rows through projections and feed-forward. Scores are computed in whole tiles: 64 + 16 + 4 pairs, of which the causal mask leaves
             * 36 + 10 + 3 = 49 (of 108 that all rows in all rounds would have). */
            CHECK_INT(branch(&run, 0).rows, 14);
            CHECK_INT(branch(&run, 0).runs, 3);
            CHECK_INT(branch(&run, 0).dense_rows, 24);
            CHECK_INT(products(&run, false), 2 * (14 * (3 * WIDTH * WIDTH + 2 * WIDTH * 32) + (64 + 16 + 4) * 2 * WIDTH));
            CHECK_INT(products(&run, true), 2 * (24 * (3 * WIDTH * WIDTH + 2 * WIDTH * 32) + 3 * 64 * 2 * WIDTH));
            CHECK_INT(weight_bytes(&run, false), 3 * 2 * (3 * WIDTH * WIDTH + 2 * WIDTH * 32) * 4);    /* one set of weights, read in each round */
            for (int i = 0; i < ROWS; i++) depth[i] = 1;    /* a round without rows runs nothing */
            check_close(&run, values, 3, 1e-5);
            CHECK_INT(branch(&run, 0).runs, 1);
            CHECK_INT(products(&run, false), 2 * (8 * (3 * WIDTH * WIDTH + 2 * WIDTH * 32) + 64 * 2 * WIDTH));
            static const int64_t again[ROWS] = {1, 3, 2, 1, 1, 3, 2, 1};
            memcpy(depth, again, sizeof depth);
        } else {
            const float *y = run.output.data;
            for (int i = 0; i < ROWS * WIDTH; i++) CHECK(fabsf(y[i] - sparse[i]) <= 1e-4f * (1 + fabsf(y[i])));
        }
        run_close(&run);
        model_free(&m);
    }
}

/* ---- the same with one cache of keys and values: those of round 1 serve all rounds, so later rounds project none; a router's planted scores say who goes on (8, 4 and 2 rows), and who is done stays done ---- */

static void test_shared_keys(void) {
    enum { FF = 32, SQUARE = WIDTH * WIDTH };
    static const int on[3][ROWS] = {{1, 1, 1, 1, 1, 1, 1, 1}, {0, 1, 1, 0, 0, 1, 1, 0}, {1, 1, 0, 1, 1, 0, 1, 1}};    /* the last row's ones do not bring back who was done */
    float scores[3 * ROWS], x[ROWS * WIDTH];
    int64_t position[ROWS];
    fill_rows(x, ROWS * WIDTH, 12);
    for (int i = 0; i < ROWS; i++) position[i] = i;
    for (int i = 0; i < 3 * ROWS; i++) scores[i] = on[i / ROWS][i % ROWS] ? 0.5f : -0.5f;
    route_value values[] = {{"scores", 'f', 2, {3, ROWS}, scores}, {"position", 'i', 1, {ROWS}, position}, {"x", 'f', 2, {ROWS, WIDTH}, x}};
    route_model m = {0};
    route_run run;
    route_text *t = &m.nodes;
    add_input(&m, "scores", "f32", "3, 'rows'"), add_input(&m, "position", "i64", "'rows'"), add_input(&m, "x", "f32", "'rows', 16");
    add_constant(&m, "rounds", "i64", "2"), add_constant(&m, "none", "i64", "-1"), add_constant(&m, "block", "i64", "0"), add_constant(&m, "one", "i64", "1"), add_constant(&m, "hidden", "f32", "-1e9"), add_constant(&m, "bar", "f32", "0.0");
    add_constant(&m, "axis0", "i64", "[0]"), add_constant(&m, "axis1", "i64", "[1]");
    for (int layer = 0; layer < 2; layer++) {
        static const char *const names[] = {"wq%d", "wk%d", "wv%d"};
        for (int i = 0; i < 3; i++) add_weight(&m, name_of(names[i], layer, 0), WIDTH, WIDTH, (uint64_t)(layer * 8 + i));
        add_weight(&m, name_of("up%d", layer, 0), WIDTH, FF, (uint64_t)layer * 8 + 5), add_weight(&m, name_of("down%d", layer, 0), FF, WIDTH, (uint64_t)layer * 8 + 6);
    }
    say(t, "pr = Unsqueeze position axis1"), say(t, "pc = Unsqueeze position axis0"), say(t, "seen = GreaterOrEqual pr pc");
    recursion_layer(t, 0, "x"), recursion_layer(t, 1, "o0");    /* round 1: all rows; k0, v0, k1 and v1 are the cache */
    say(t, "first = Gather scores block | 'axis': 0"), say(t, "all = Greater first bar");
    open_loop(t, "'rounds', '', 'o1', 'all'", "'y', 'left'", "{'name': 'i'}, {'name': 'c'}, {'name': 'h'}, {'name': 'active'}");
    say(t, "round = Add i one"), say(t, "score = Gather scores round | 'axis': 0"), say(t, "good = Greater score bar"), say(t, "still = And active good"), say(t, "keys = Where still block none");
    open_route(t, "round", "'keys', 'h', 'position', 'h'", "hn");
    open_body(t, "{'name': 'r'}, {'name': 'at'}");
    say(t, "rpr = Unsqueeze at axis1"), say(t, "rseen = GreaterOrEqual rpr pc");
    for (int l = 0; l < 2; l++) {
        char from[8];
        snprintf(from, sizeof from, l ? "bo%d" : "r", l - 1);
        say(t, "bq%d = MatMul %s wq%d", l, from, l), say(t, "bs%d = MatMul bq%d kt%d", l, l, l), say(t, "bm%d = Where rseen bs%d hidden", l, l), say(t, "bp%d = Softmax bm%d | 'axis': -1", l, l), say(t, "ba%d = MatMul bp%d v%d", l, l, l);
        say(t, "br%d = Add %s ba%d", l, from, l), say(t, "bu%d = MatMul br%d up%d", l, l, l), say(t, "bg%d = Relu bu%d", l, l), say(t, "bd%d = MatMul bg%d down%d", l, l, l), say(t, "bo%d = Add br%d bd%d", l, l, l);
    }
    close_body(t, "'bo1'");
    close_route(t, "'merge': 'keep'");
    say(t, "go = Identity c");
    close_loop(t, "'go', 'hn', 'still'");
    run_open(&run, model_text(&m, "'y', 'left'"), 2);
    check_close(&run, values, 3, 1e-5);
    CHECK_INT(branch(&run, 0).rows, 4 + 2);
    CHECK_INT(branch(&run, 0).runs, 2);
    /* 14 rows through queries and feed-forward, 8 through keys and values (of 24); each row's scores are those of the 8 cached keys. */
    CHECK_INT(products(&run, false), 2 * (14 * (SQUARE + 2 * WIDTH * FF) + 8 * 2 * SQUARE + 14 * ROWS * 2 * WIDTH));
    CHECK_INT(products(&run, true), 2 * (24 * (SQUARE + 2 * WIDTH * FF) + 8 * 2 * SQUARE + 24 * ROWS * 2 * WIDTH));
    for (int i = 0; i < 2 * ROWS; i++) scores[ROWS + i] = -1;    /* nobody goes on: no round starts */
    check_close(&run, values, 3, 1e-5);
    CHECK_INT(branch(&run, 0).runs, 0);
    run_close(&run);
    model_free(&m);
}

/* ---- mixture of depths inside of a loop: in each of n rounds the two rows with the largest first value take the block ---- */

static void test_depths_in_a_loop(void) {
    int64_t rounds;
    float x[ROWS * 4];
    for (int i = 0; i < ROWS; i++) x[4 * i] = (float)((i * 5) % ROWS), x[4 * i + 1] = x[4 * i + 2] = 0, x[4 * i + 3] = 1;
    route_value values[] = {{"rounds", 'i', 0, {0}, &rounds}, {"x", 'f', 2, {ROWS, 4}, x}};
    route_model m = {0};
    route_run run;
    route_text *t = &m.nodes;
    add_input(&m, "rounds", "i64", ""), add_input(&m, "x", "f32", "8, 4"), add_constant(&m, "column", "i64", "0"), add_constant(&m, "two", "i64", "[2]"), add_constant(&m, "nowhere", "i64", "[-1,-1,-1,-1,-1,-1,-1,-1]");
    add_constant(&m, "here", "i64", "[0,0]"), add_constant(&m, "block", "f32", "[[1,0,0,0],[0,1,0,0],[0,0,1,0],[-3,0,1,1]]");    /* lowers the first value by 3, counts in the third */
    open_loop(t, "'rounds', '', 'x'", "'y'", "{'name': 'i'}, {'name': 'c'}, {'name': 'h'}");
    say(t, "score = Gather h column | 'axis': 1"), say(t, "top best = TopK score two"), say(t, "keys = ScatterElements nowhere best here | 'axis': 0");
    open_route(t, "depth", "'keys', 'h', 'h'", "hn");
    open_body(t, "{'name': 'r'}"), say(t, "o = MatMul r block"), close_body(t, "'o'");
    close_route(t, "'merge': 'keep'");
    say(t, "go = Identity c");
    close_loop(t, "'go', 'hn'");
    run_open(&run, model_text(&m, "'y'"), 1);
    for (rounds = 0; rounds < 6; rounds++) {
        check_same(&run, values, 2);
        CHECK_INT(branch(&run, 0).rows, 2 * rounds);
        CHECK_INT(branch(&run, 0).dense_rows, ROWS * rounds);
        CHECK_INT(products(&run, false), 2 * rounds * 16);
        CHECK_INT(products(&run, true), ROWS * rounds * 16);
        float turns = 0;
        for (int i = 0; i < ROWS; i++) turns += ((const float *)run.output.data)[4 * i + 2];
        CHECK(turns == (float)(2 * rounds));
    }
    run_close(&run);
    model_free(&m);
}

/* ---- experts inside of a loop: every iteration sorts anew, by what the last one made ---- */

static void test_experts_in_a_loop(void) {
    int64_t rounds = 4, counts[3] = {0};
    float x[ROWS * 4];
    for (int i = 0; i < ROWS; i++) x[4 * i] = (float)(i % 3), x[4 * i + 1] = x[4 * i + 2] = 0, x[4 * i + 3] = 1;
    route_value values[] = {{"rounds", 'i', 0, {0}, &rounds}, {"x", 'f', 2, {ROWS, 4}, x}};
    route_model m = {0};
    route_run run;
    route_text *t = &m.nodes;
    add_input(&m, "rounds", "i64", ""), add_input(&m, "x", "f32", "'rows', 4"), add_constant(&m, "column", "i64", "0");
    add_constant(&m, "w0", "f32", "[[1,0,0,0],[0,1,0,0],[0,0,1,0],[1,0,0,1]]");     /* 0 to 1, 1 to 2, 2 to 0 */
    add_constant(&m, "w1", "f32", "[[1,0,0,0],[0,1,0,0],[0,0,1,0],[1,1,0,1]]"), add_constant(&m, "w2", "f32", "[[1,0,0,0],[0,1,0,0],[0,0,1,0],[-2,0,1,1]]");
    open_loop(t, "'rounds', '', 'x'", "'y'", "{'name': 'i'}, {'name': 'c'}, {'name': 'h'}");
    say(t, "score = Gather h column | 'axis': 1"), say(t, "keys = Cast score | 'to': {'element': 'i64'}");
    open_route(t, "experts", "'keys', 'h'", "hn");
    for (int e = 0; e < 3; e++) open_body(t, "{'name': 'r'}"), say(t, "o = MatMul r w%d", e), close_body(t, "'o'");
    close_route(t, NULL);
    say(t, "go = Identity c");
    close_loop(t, "'go', 'hn'");
    run_open(&run, model_text(&m, "'y'"), 2);
    check_same(&run, values, 2);
    for (int i = 0; i < ROWS; i++)
        for (int round = 0; round < rounds; round++) counts[(i % 3 + round) % 3]++;
    for (int e = 0; e < 3; e++) {
        CHECK_INT(branch(&run, e).rows, counts[e]);
        CHECK_INT(branch(&run, e).runs, rounds);
    }
    CHECK_INT(products(&run, false), rounds * ROWS * 16);
    CHECK_INT(products(&run, true), 3 * rounds * ROWS * 16);
    check_rows(&run, values, 2, (const int[]){-1, 0}, ROWS);
    run_close(&run);
    model_free(&m);
}

int main(void) {
    test_guidance();
    test_early_end();
    test_recursions();
    test_shared_keys();
    test_depths_in_a_loop();
    test_experts_in_a_loop();
    return check_result();
}
