/* test_route_mixtures.c: published mixtures at the sizes of their descriptions, with what connects routers and experts: thresholds on summed probabilities, routers that see the logits of the router
 * before, merged experts kept as a low-rank product and some columns, exits whose gates read statistics of their heads. Counts exact, NaN where nothing may be read. What the cases are: docs/routing.md. */
#include "route_model.h"

/* ---- Harder Tasks: 8 experts, p = 0.4: four peaked tokens, one with two leading experts of 0.3, one uniform: 4 + 2 + 4 pairs of 48. Experts in order of probability, ties to the lower index ---- */

static void test_summed_probabilities(void) {
    enum { TOKENS = 6, EXPERTS = 8, WIDTH = 16 };
    float p[TOKENS * EXPERTS], x[TOKENS * WIDTH];
    int64_t expected[EXPERTS] = {0};
    fill_rows(x, TOKENS * WIDTH, 1);
    for (int t = 0; t < TOKENS; t++)
        for (int e = 0; e < EXPERTS; e++) p[t * EXPERTS + e] = t < 4 ? (e == t ? 0.72f : 0.04f) : t == 4 ? (e == 1 || e == 5 ? 0.3f : 0.0666f) : 0.125f;
    for (int t = 0; t < 4; t++) expected[t]++;
    expected[1]++, expected[5]++;
    for (int e = 0; e < 4; e++) expected[e]++;    /* of the uniform token */
    route_value values[] = {{"p", 'f', 2, {TOKENS, EXPERTS}, p}, {"x", 'f', 2, {TOKENS, WIDTH}, x}};
    route_model m = {0};
    route_run run;
    route_text *t = &m.nodes;
    add_input(&m, "p", "f32", "'rows', 8"), add_input(&m, "x", "f32", "'rows', 16"), add_constant(&m, "all", "i64", "[8]"), add_constant(&m, "axis", "i64", "1"), add_constant(&m, "threshold", "f32", "0.4");
    add_constant(&m, "none", "i64", "-1");
    for (int e = 0; e < EXPERTS; e++) {
        if (e > 5 || e == 4) add_poison(&m, name_of("up%d", e, 0), WIDTH, 32), add_poison(&m, name_of("down%d", e, 0), 32, WIDTH);
        else add_weight(&m, name_of("up%d", e, 0), WIDTH, 32, (uint64_t)e), add_weight(&m, name_of("down%d", e, 0), 32, WIDTH, (uint64_t)e + 20);
    }
    say(t, "sorted which = TopK p all"), say(t, "before = CumSum sorted axis | 'exclusive': 1"), say(t, "taken = Less before threshold"), say(t, "keys = Where taken which none");
    open_route(t, "experts", "'keys', 'x', 'sorted'", "y");
    for (int e = 0; e < EXPERTS; e++) add_feed_forward(t, name_of("up%d", e, 0), name_of("down%d", e, 0));
    close_route(t, "'merge': 'add', 'weighted': 1");
    run_open(&run, model_text(&m, "'y'"), 2);
    check_close(&run, values, 2, 1e-6);
    for (int e = 0; e < EXPERTS; e++) {
        CHECK_INT(branch(&run, e).rows, expected[e]);
        CHECK_INT(launches(&run, e) > 0, expected[e] > 0);
    }
    CHECK_INT(products(&run, false), 10 * 2 * WIDTH * 32);
    CHECK_INT(products(&run, true), 48 * 2 * WIDTH * 32);
    check_rows(&run, values, 2, (const int[]){0, 0}, TOKENS);
    run_close(&run);
    model_free(&m);
}

/* ---- MoE++: the second layer's router adds a product of the first one's logits to its own: planted so that the edge decides ---- */

static void test_gating_residual(bool with_edge) {
    enum { TOKENS = 8, EXPERTS = 4, WIDTH = 8 };
    float x[TOKENS * WIDTH];
    fill_rows(x, TOKENS * WIDTH, 5);
    for (int i = 0; i < TOKENS; i++)
        for (int e = 0; e < EXPERTS; e++) x[i * WIDTH + e] = e == i % EXPERTS ? 4.0f : 0.0f;    /* logits of the first router: the token's number mod 4 wins */
    route_value values[] = {{"x0", 'f', 2, {TOKENS, WIDTH}, x}};
    route_model m = {0};
    route_run run;
    route_text *t = &m.nodes;
    add_input(&m, "x0", "f32", "'rows', 8");
    add_constant(&m, "router0", "f32", "[[1,0,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,1],[0,0,0,0],[0,0,0,0],[0,0,0,0],[0,0,0,0]]");
    add_constant(&m, "bias1", "f32", "[1,0,0,0]"), add_weight(&m, "zero1", WIDTH, EXPERTS, 3), add_constant(&m, "nothing", "f32", "0.0");
    add_constant(&m, "edge", "f32", "[[0,1,0,0],[0,0,1,0],[0,0,0,1],[1,0,0,0]]");    /* the next expert */
    say(t, "logits0 = MatMul x0 router0");
    say(t, "own = MatMul x0 zero1"), say(t, "flat = Mul own nothing"), say(t, "own1 = Add flat bias1"), say(t, "residual = MatMul logits0 edge");
    if (with_edge) say(t, "logits1 = Add own1 residual");
    else say(t, "logits1 = Identity own1");
    for (int layer = 0; layer < 2; layer++) {
        say(t, "keys%d = ArgMax logits%d | 'axis': -1, 'keepdims': 0", layer, layer);
        open_route(t, name_of("layer%d", layer, 0), name_of("'keys%d', 'x%d'", layer, layer), name_of("x%d", layer + 1, 0));
        for (int e = 0; e < EXPERTS; e++) {
            add_weight(&m, name_of("up%d%d", layer, e), WIDTH, 16, (uint64_t)(layer * 8 + e)), add_weight(&m, name_of("down%d%d", layer, e), 16, WIDTH, (uint64_t)(layer * 8 + e + 4));
            add_feed_forward(t, name_of("up%d%d", layer, e), name_of("down%d%d", layer, e));
        }
        close_route(t, NULL);
    }
    run_open(&run, model_text(&m, "'x2', 'keys1'"), 2);
    check_same(&run, values, 1);
    const int64_t *keys = run.outputs[1].data;
    for (int i = 0; i < TOKENS; i++) CHECK_INT(keys[i], with_edge ? (i + 1) % EXPERTS : 0);
    for (int e = 0; e < EXPERTS; e++) {
        CHECK_INT(branch(&run, e).rows, 2);
        CHECK_INT(branch(&run, EXPERTS + e).rows, with_edge ? 2 : e == 0 ? TOKENS : 0);
    }
    check_rows(&run, values, 1, (const int[]){0}, TOKENS);
    run_close(&run);
    model_free(&m);
}

/* ---- MC-SMoE: 8 ids, 3 merged experts, each W = U (64 x 4) V (4 x 256) + S, of whose 256 columns 26 (a tenth) are kept; top-1, 32 tokens. S is written as its kept columns and their places, so nothing
 * of it that is zero is stored; the low-rank product stays one: 64 x 4 + 4 x 256 products a row, not 64 x 256 ---- */

/* `dense`: S is written whole, with columns of zeros, which the compiler drops but for one: 64 more products a row. */
static void test_merged_experts(bool dense) {
    enum { TOKENS = 32, WIDTH = 64, OUT = 256, RANK = 4, KEPT = 26 };
    int64_t ids[TOKENS];
    float x[TOKENS * WIDTH];
    fill_rows(x, TOKENS * WIDTH, 7);
    for (int i = 0; i < TOKENS; i++) ids[i] = (i * 5 + 3) % 8;
    static const int64_t rows[3] = {12, 8, 12};    /* 0 1 2 -> 0; 3 4 -> 1; 5 6 7 -> 2; four tokens of each id */
    route_value values[] = {{"ids", 'i', 1, {TOKENS}, ids}, {"x", 'f', 2, {TOKENS, WIDTH}, x}};
    route_model m = {0};
    route_run run;
    route_text *t = &m.nodes;
    add_input(&m, "ids", "i64", "'rows'"), add_input(&m, "x", "f32", "'rows', 64"), add_constant(&m, "merged", "i64", "[0,0,0,1,1,2,2,2]"), add_constant(&m, "two", "i64", "[2]"), add_constant(&m, "first", "i64", "[0]");
    add_constant(&m, "lead", "i64", "[-1, 26]");
    for (int e = 0; e < 3; e++) {
        char places[256] = "[[";
        for (int i = 0; i < KEPT; i++) snprintf(places + strlen(places), sizeof places - strlen(places), "%s%d", i ? "," : "", (i * 9 + e * 3) % OUT);
        strcat(places, "]]");
        add_weight(&m, name_of("u%d", e, 0), WIDTH, RANK, (uint64_t)e), add_weight(&m, name_of("v%d", e, 0), RANK, OUT, (uint64_t)e + 5), add_weight(&m, name_of("s%d", e, 0), WIDTH, KEPT, (uint64_t)e + 10);
        add_constant(&m, name_of("places%d", e, 0), "i64", places);
        if (!dense) continue;
        uint64_t state = (uint64_t)e * 7 + 3;
        next_entry(&m.weights), put(&m.weights, "'whole%d': {'type': 'f32', 'shape': [%d, %d], 'data': [", e, WIDTH, OUT);
        for (int k = 0; k < WIDTH * OUT; k++) {
            bool kept = false;
            for (int c = 0; c < KEPT; c++) kept |= k % OUT == (c * 9 + e * 3) % OUT;
            put(&m.weights, "%s%g", k ? "," : "", kept ? (double)small_number(&state) : 0.0);
        }
        put(&m.weights, "]}");
    }
    say(t, "keys = Gather merged ids | 'axis': 0");
    open_route(t, "experts", "'keys', 'x'", "y");
    for (int e = 0; e < 3; e++) {
        open_body(t, "{'name': 'r'}");
        say(t, "low = MatMul r u%d", e), say(t, "wide = MatMul low v%d", e);
        if (dense) {
            say(t, "sparse = MatMul r whole%d", e), say(t, "o = Add wide sparse");
            close_body(t, "'o'");
            continue;
        }
        say(t, "kept = MatMul r s%d", e);
        say(t, "size = Shape kept"), say(t, "at = Expand places%d size", e), say(t, "o = ScatterElements wide at kept | 'axis': 1, 'reduction': 'add'");
        close_body(t, "'o'");
    }
    close_route(t, NULL);
    run_open(&run, model_text(&m, "'y'"), 2);
    check_same(&run, values, 2);
    CHECK_INT(sluice_session_branch_count(run.session), 3);    /* groups, not ids */
    for (int e = 0; e < 3; e++) CHECK_INT(branch(&run, e).rows, rows[e]);
    CHECK_INT(products(&run, false), TOKENS * (WIDTH * RANK + RANK * OUT + WIDTH * (KEPT + dense)));    /* 2,944 a row (3,008), not 16,384 */
    CHECK(weight_bytes(&run, false) <= 3 * 4 * (WIDTH * RANK + RANK * OUT + WIDTH * KEPT) * 2);    /* narrow weights are padded to panels; W itself would be 196,608 */
    check_rows(&run, values, 2, (const int[]){0, 0}, TOKENS);
    run_close(&run);
    model_free(&m);
}

/* ---- JEI-DNN: three segments, a head and a learned gate behind the first two; a batch of six leaves after 1, 1, 2, 3, 3, 3: 6 + 4 + 3 segment rows, not 18. Gates read maximum and mean of the
 * head's logits ---- */

enum { JEI_WIDTH = 8, JEI_CLASSES = 4, JEI_ROWS = 6 };

static void jei_segment(route_text *t, int s, const char *from) {
    say(t, "h%d = MatMul %s segment%d", s, from, s), say(t, "logits%d = MatMul h%d head%d", s, s, s);
    if (s == 2) return;
    say(t, "most%d = ReduceMax logits%d last | 'keepdims': 1", s, s), say(t, "mean%d = ReduceMean logits%d last | 'keepdims': 1", s, s), say(t, "both%d = Concat most%d mean%d | 'axis': 1", s, s, s);
    say(t, "score%d = MatMul both%d gate%d", s, s, s), say(t, "flat%d = Squeeze score%d last", s, s), say(t, "more%d = Less flat%d bar", s, s), say(t, "key%d = Cast more%d | 'to': {'element': 'i64'}", s, s);
    char inputs[64];
    snprintf(inputs, sizeof inputs, "'key%d', 'h%d', 'logits%d'", s, s, s);
    open_route(t, name_of("exit%d", s, 0), inputs, s == 0 ? "y" : name_of("out%d", s, 0));
    open_body(t, "{'name': 'rh'}, {'name': 'rl'}"), close_body(t, "'rl'");
    open_body(t, name_of("{'name': 'r%d'}, {'name': 'l%d'}", s, s));
    jei_segment(t, s + 1, name_of("r%d", s, 0));
    close_body(t, s == 0 ? "'out1'" : "'logits2'");
    close_route(t, NULL);
}

static void test_learned_gates(void) {
    float x[JEI_ROWS * JEI_WIDTH], whole[JEI_ROWS * JEI_CLASSES];
    static const float start[JEI_ROWS] = {2, -1, 1, 2, -1, -1};    /* a segment adds 1; who has 3 leaves */
    static const int leaves[JEI_ROWS] = {1, 3, 2, 1, 3, 3};
    fill_rows(x, JEI_ROWS * JEI_WIDTH, 3);
    for (int i = 0; i < JEI_ROWS; i++) x[i * JEI_WIDTH] = start[i], x[i * JEI_WIDTH + 7] = 1;
    route_value values[] = {{"x", 'f', 2, {JEI_ROWS, JEI_WIDTH}, x}};
    for (int poison = 0; poison < 2; poison++) {
        route_model m = {0};
        route_run run;
        add_input(&m, "x", "f32", "'rows', 8"), add_constant(&m, "last", "i64", "[1]"), add_constant(&m, "bar", "f32", "10.0");
        for (int s = 0; s < 3; s++) {
            if (poison && s) add_poison(&m, name_of("segment%d", s, 0), JEI_WIDTH, JEI_WIDTH), add_poison(&m, name_of("head%d", s, 0), JEI_WIDTH, JEI_CLASSES);
            else {
                add_constant(&m, name_of("segment%d", s, 0), "f32", "[[1,0,0,0,0,0,0,0],[0,1,0,0,0,0,0,0],[0,0,1,0,0,0,0,0],[0,0,0,1,0,0,0,0],[0,0,0,0,1,0,0,0],[0,0,0,0,0,1,0,0],[0,0,0,0,0,0,1,0],[1,0,0,0,0,0,0,1]]");
                add_constant(&m, name_of("head%d", s, 0), "f32", "[[4,-1,-1,-2],[0,0.125,0,0],[0,0,0.125,0],[0,0,0,0.125],[0,0,0,0],[0,0,0,0],[0,0,0,0],[0,0,0,0]]");
            }
            add_constant(&m, name_of("gate%d", s, 0), "f32", "[[1],[0.5]]");
        }
        jei_segment(&m.nodes, 0, "x");
        run_open(&run, model_text(&m, "'y'"), 2);
        if (poison)
            for (int i = 0; i < JEI_ROWS; i++) x[i * JEI_WIDTH] = 5;    /* everybody is sure at once: the later segments do not start */
        check_same(&run, values, 1);
        int64_t gate = 2, segment = JEI_WIDTH * JEI_WIDTH + JEI_WIDTH * JEI_CLASSES;
        CHECK_INT(products(&run, false), poison ? 6 * (segment + gate) : 6 * (segment + gate) + 4 * (segment + gate) + 3 * segment);
        CHECK_INT(products(&run, true), 6 * (3 * segment + 2 * gate));
        CHECK_INT(branch(&run, 0).rows, poison ? 0 : 4);
        CHECK_INT(branch(&run, 1).rows, poison ? 0 : 3);
        if (poison) CHECK_INT(launches(&run, 0) + launches(&run, 1), 0);
        memcpy(whole, run.output.data, sizeof whole);
        for (int i = 0; i < JEI_ROWS && !poison; i++) {    /* results stand where their inputs stood: each row alone gives its bits */
            route_value one[] = {{"x", 'f', 2, {1, JEI_WIDTH}, x + i * JEI_WIDTH}};
            check_same(&run, one, 1);
            CHECK(memcmp(run.output.data, whole + i * JEI_CLASSES, JEI_CLASSES * sizeof *whole) == 0);
            CHECK_INT(products(&run, false), leaves[i] * segment + (leaves[i] < 3 ? leaves[i] : 2) * gate);
        }
        check_rows(&run, values, 1, (const int[]){0}, JEI_ROWS);
        run_close(&run);
        model_free(&m);
    }
}

/* ---- RMoE: four layers, d = 64, one GRU of 16 for all routers, state per token from layer to layer; 4 experts, top-2, 16 tokens. Each layer's route needs the layer below: four sorts. With the update
 * gate shut the state is that of the layer alone ---- */

static void test_recurrent_router(void) {
    enum { TOKENS = 16, WIDTH = 64, STATE = 16, EXPERTS = 4, FF = 32 };
    float x[TOKENS * WIDTH], whole[TOKENS * WIDTH];
    fill_rows(x, TOKENS * WIDTH, 11);
    for (int i = 0; i < TOKENS * WIDTH; i++) x[i] /= 8;
    route_value values[] = {{"x0", 'f', 2, {TOKENS, WIDTH}, x}};
    route_model m = {0};
    route_run run;
    route_text *t = &m.nodes;
    add_input(&m, "x0", "f32", "'rows', 64"), add_constant(&m, "two", "i64", "[2]"), add_constant(&m, "zero", "f32", "0.0"), add_constant(&m, "states", "i64", "[16]"), add_constant(&m, "one", "f32", "1.0");
    add_weight(&m, "wz", WIDTH, STATE, 1), add_weight(&m, "wr", WIDTH, STATE, 2), add_weight(&m, "wn", WIDTH, STATE, 3), add_weight(&m, "uz", STATE, STATE, 4), add_weight(&m, "ur", STATE, STATE, 5);
    add_weight(&m, "un", STATE, STATE, 6), add_weight(&m, "gate", STATE, EXPERTS, 7);
    say(t, "rows = Shape x0 | 'start': 0, 'end': 1"), say(t, "size = Concat rows states | 'axis': 0"), say(t, "state0 = Expand zero size");
    for (int l = 0; l < 4; l++) {
        say(t, "za%d = MatMul x%d wz", l, l), say(t, "zb%d = MatMul state%d uz", l, l), say(t, "zs%d = Add za%d zb%d", l, l, l), say(t, "z%d = Sigmoid zs%d", l, l);
        say(t, "ra%d = MatMul x%d wr", l, l), say(t, "rb%d = MatMul state%d ur", l, l), say(t, "rs%d = Add ra%d rb%d", l, l, l), say(t, "r%d = Sigmoid rs%d", l, l);
        say(t, "na%d = MatMul x%d wn", l, l), say(t, "nb%d = MatMul state%d un", l, l), say(t, "nc%d = Mul r%d nb%d", l, l, l), say(t, "ns%d = Add na%d nc%d", l, l, l), say(t, "n%d = Tanh ns%d", l, l);
        say(t, "keep%d = Sub one z%d", l, l), say(t, "old%d = Mul z%d state%d", l, l, l), say(t, "fresh%d = Mul keep%d n%d", l, l, l), say(t, "state%d = Add old%d fresh%d", l + 1, l, l);
        say(t, "logits%d = MatMul state%d gate", l, l + 1), say(t, "best%d keys%d = TopK logits%d two", l, l, l), say(t, "share%d = Softmax best%d | 'axis': -1", l, l);
        char inputs[64];
        snprintf(inputs, sizeof inputs, "'keys%d', 'x%d', 'share%d'", l, l, l);
        open_route(t, name_of("layer%d", l, 0), inputs, name_of("moe%d", l, 0));
        for (int e = 0; e < EXPERTS; e++) {
            add_weight(&m, name_of("up%d%d", l, e), WIDTH, FF, (uint64_t)(l * 8 + e + 20)), add_weight(&m, name_of("down%d%d", l, e), FF, WIDTH, (uint64_t)(l * 8 + e + 24));
            add_feed_forward(t, name_of("up%d%d", l, e), name_of("down%d%d", l, e));
        }
        close_route(t, "'merge': 'add', 'weighted': 1");
        say(t, "x%d = Tanh moe%d", l + 1, l);
    }
    run_open(&run, model_text(&m, "'x4'"), 2);
    check_close(&run, values, 1, 1e-5);
    CHECK_INT(products(&run, false), 4 * TOKENS * (3 * WIDTH * STATE + 3 * STATE * STATE + STATE * EXPERTS + 2 * 2 * WIDTH * FF));
    memcpy(whole, run.output.data, sizeof whole);
    for (int i = 0; i < TOKENS; i++) {    /* a token's state is its own: alone it goes the same way */
        route_value one[] = {{"x0", 'f', 2, {1, WIDTH}, x + i * WIDTH}};
        check_run(&run, one, 1);
        CHECK(memcmp(run.output.data, whole + i * WIDTH, WIDTH * sizeof *whole) == 0);
    }
    CHECK_INT(sorts_in(&run), 4);
    check_rows(&run, values, 1, (const int[]){0}, TOKENS);
    run_close(&run);
    model_free(&m);
}

/* ---- Duo-LLM at two more sizes: 4 layers of 32 tokens, d 64, small 32, big 256; 3 layers of 8 tokens, d 32, small 16, big 128 (1,024 and 8,192 products a choice). Routes: 0 none, 1 small, 2 big ---- */

static void test_duo(int layers, int tokens, int width, int small, int big) {
    int64_t routes[4 * 32], chosen[3] = {0}, size[3] = {0, 2 * width * small, 2 * width * big};
    float x[32 * 64];
    char one[64];
    fill_rows(x, tokens * width, 2);
    for (int i = 0; i < tokens * width; i++) x[i] /= 8;
    for (int i = 0; i < layers * tokens; i++) routes[i] = i % tokens == 5 ? 0 : (i * 7 + i / tokens) % 3;    /* token 5 is bypassed everywhere */
    route_value values[] = {{"routes", 'i', 2, {layers, tokens}, routes}, {"x0", 'f', 2, {tokens, width}, x}};
    route_model m = {0};
    route_run run;
    route_text *t = &m.nodes;
    snprintf(one, sizeof one, "%d, 'rows'", layers), add_input(&m, "routes", "i64", one), snprintf(one, sizeof one, "'rows', %d", width), add_input(&m, "x0", "f32", one), add_constant(&m, "one", "i64", "1");
    for (int l = 0; l < layers; l++) {
        char inputs[64];
        add_constant(&m, name_of("l%d", l, 0), "i64", name_of("%d", l, 0));
        say(t, "route%d = Gather routes l%d | 'axis': 0", l, l), say(t, "keys%d = Sub route%d one", l, l);
        snprintf(inputs, sizeof inputs, "'keys%d', 'x%d', 'x%d'", l, l, l);
        open_route(t, name_of("duo%d", l, 0), inputs, name_of("x%d", l + 1, 0));
        for (int s = 0; s < 2; s++) {
            add_weight(&m, name_of("up%d%d", l, s), width, s ? big : small, (uint64_t)(l * 4 + s)), add_weight(&m, name_of("down%d%d", l, s), s ? big : small, width, (uint64_t)(l * 4 + s + 2));
            open_body(t, "{'name': 'r'}"), say(t, "h = MatMul r up%d%d", l, s), say(t, "a = Relu h"), say(t, "f = MatMul a down%d%d", l, s), say(t, "g = Tanh f"), say(t, "o = Add r g"), close_body(t, "'o'");
        }
        close_route(t, "'merge': 'keep'");
    }
    snprintf(one, sizeof one, "'x%d'", layers);
    run_open(&run, model_text(&m, one), 2);
    check_close(&run, values, 2, 1e-5);
    int64_t work = 0;
    for (int l = 0; l < layers; l++) {
        memset(chosen, 0, sizeof chosen);
        for (int i = 0; i < tokens; i++) chosen[routes[l * tokens + i]]++, work += size[routes[l * tokens + i]];
        CHECK_INT(branch(&run, 2 * l).rows, chosen[1]);
        CHECK_INT(branch(&run, 2 * l + 1).rows, chosen[2]);
    }
    CHECK_INT(products(&run, false), work);
    CHECK(memcmp((float *)run.output.data + 5 * width, x + 5 * width, (size_t)width * sizeof *x) == 0);
    for (int i = 0; i < layers * tokens; i++) routes[i] = i < tokens ? 0 : 2;    /* a layer without rows launches nothing, then all on one side */
    check_close(&run, values, 2, 1e-5);
    CHECK_INT(launches(&run, 0) + launches(&run, 1) + launches(&run, 2), 0);
    CHECK_INT(products(&run, false), (layers - 1) * tokens * size[2]);
    check_rows(&run, values, 2, (const int[]){1, 0}, tokens);
    run_close(&run);
    model_free(&m);
}

/* ---- Read-ME: a predictor (embedding and a two-layer MLP over token ids) that every layer asks, as an exporter leaves it, gives one expert for all four layers; experts of 64 beside a shared slice of
 * 64. The predictor runs once and there is one sort. (Expert memory for two of the four is out of scope: weights live in the program. Experts that no token goes to are not read.) ---- */

static void test_decoupled_router(void) {
    enum { TOKENS = 32, VOCABULARY = 16, WIDTH = 32, FF = 64, EXPERTS = 4 };
    int64_t ids[TOKENS];
    float x[TOKENS * WIDTH];
    fill_rows(x, TOKENS * WIDTH, 2);
    for (int i = 0; i < TOKENS * WIDTH; i++) x[i] /= 8;
    for (int i = 0; i < TOKENS; i++) ids[i] = (i * 3) % VOCABULARY;
    route_value values[] = {{"ids", 'i', 1, {TOKENS}, ids}, {"x0", 'f', 2, {TOKENS, WIDTH}, x}};
    route_model m = {0};
    route_run run;
    route_text *t = &m.nodes;
    add_input(&m, "ids", "i64", "'rows'"), add_input(&m, "x0", "f32", "'rows', 32");
    add_weight(&m, "embedding", VOCABULARY, 8, 1), add_weight(&m, "first", 8, 8, 2), add_weight(&m, "second", 8, EXPERTS, 3), add_constant(&m, "never", "f32", "[0,-1000,0,-1000]");    /* experts 0 and 2 */
    for (int l = 0; l < 4; l++) {
        char inputs[64];
        say(t, "e%d = Gather embedding ids | 'axis': 0", l), say(t, "m%d = MatMul e%d first", l, l), say(t, "a%d = Relu m%d", l, l), say(t, "p%d = MatMul a%d second", l, l), say(t, "b%d = Add p%d never", l, l);
        say(t, "keys%d = ArgMax b%d | 'axis': -1, 'keepdims': 0", l, l);
        add_weight(&m, name_of("su%d", l, 0), WIDTH, FF, (uint64_t)l + 50), add_weight(&m, name_of("sd%d", l, 0), FF, WIDTH, (uint64_t)l + 60);
        say(t, "sh%d = MatMul x%d su%d", l, l, l), say(t, "sr%d = Relu sh%d", l, l), say(t, "so%d = MatMul sr%d sd%d", l, l, l);
        snprintf(inputs, sizeof inputs, "'keys%d', 'x%d'", l, l);
        open_route(t, name_of("layer%d", l, 0), inputs, name_of("moe%d", l, 0));
        for (int e = 0; e < EXPERTS; e++) {
            if (e % 2) add_poison(&m, name_of("up%d%d", l, e), WIDTH, FF), add_poison(&m, name_of("down%d%d", l, e), FF, WIDTH);
            else add_weight(&m, name_of("up%d%d", l, e), WIDTH, FF, (uint64_t)(l * 8 + e)), add_weight(&m, name_of("down%d%d", l, e), FF, WIDTH, (uint64_t)(l * 8 + e + 4));
            add_feed_forward(t, name_of("up%d%d", l, e), name_of("down%d%d", l, e));
        }
        close_route(t, NULL);
        say(t, "z%d = Add so%d moe%d", l, l, l), say(t, "x%d = Tanh z%d", l + 1, l);
    }
    run_open(&run, model_text(&m, "'x4'"), 2);
    check_close(&run, values, 2, 1e-5);
    CHECK_INT(products(&run, false), TOKENS * (8 * 8 + 8 * EXPERTS) + 4 * TOKENS * 2 * 2 * WIDTH * FF);
    for (int i = 0; i < 16; i++) {
        CHECK_INT(launches(&run, i) > 0, i % 2 == 0);    /* each of the two experts is loaded once a layer */
        CHECK(branch(&run, i).runs <= 1);
    }
    CHECK_INT(branch(&run, 0).rows + branch(&run, 2).rows, TOKENS);
    CHECK_INT(sorts_in(&run), 1);
    check_rows(&run, values, 2, (const int[]){0, 0}, TOKENS);
    run_close(&run);
    model_free(&m);
}

/* ---- Edge-MoE: the task chooses the gate. As an input: both gates are there; fixed when compiling: the other one is not. 16 patches, top-2, GELU experts, expert 3 is nobody's ---- */

static void test_task_gates(void) {
    enum { PATCHES = 16, WIDTH = 16, FF = 32, EXPERTS = 4 };
    int64_t task = 0;
    float x[PATCHES * WIDTH], dynamic[PATCHES * WIDTH];
    fill_rows(x, PATCHES * WIDTH, 4);
    route_value values[] = {{"task", 'i', 0, {0}, &task}, {"x", 'f', 2, {PATCHES, WIDTH}, x}};
    for (int fixed = 0; fixed < 2; fixed++) {
        route_model m = {0};
        route_run run;
        route_text *t = &m.nodes;
        if (fixed) add_constant(&m, "task", "i64", "0");
        else add_input(&m, "task", "i64", "");
        add_input(&m, "x", "f32", "'rows', 16"), add_constant(&m, "zero", "i64", "0"), add_constant(&m, "two", "i64", "[2]"), add_constant(&m, "never", "f32", "[0,0,0,-1000]");
        add_weight(&m, "gate_a", WIDTH, EXPERTS, 1), add_poison(&m, "gate_b", WIDTH, EXPERTS);
        say(t, "is_a = Equal task zero");
        open_if(t, "is_a", "raw"), say(t, "la = MatMul x gate_a"), else_if(t, "la"), say(t, "lb = MatMul x gate_b"), close_if(t, "lb");
        say(t, "logits = Add raw never"), say(t, "best keys = TopK logits two"), say(t, "share = Softmax best | 'axis': -1");
        open_route(t, "experts", "'keys', 'x', 'share'", "y");
        for (int e = 0; e < EXPERTS; e++) {
            if (e == 3) add_poison(&m, "up3", WIDTH, FF), add_poison(&m, "down3", FF, WIDTH);
            else add_weight(&m, name_of("up%d", e, 0), WIDTH, FF, (uint64_t)e), add_weight(&m, name_of("down%d", e, 0), FF, WIDTH, (uint64_t)e + 20);
            open_body(t, "{'name': 'r'}");
            say(t, "h = MatMul r up%d", e), say(t, "a = Gelu h"), say(t, "o = MatMul a down%d", e);
            close_body(t, "'o'");
        }
        close_route(t, "'merge': 'add', 'weighted': 1");
        run_open(&run, model_text(&m, "'y'"), 2);
        check_close(&run, fixed ? values + 1 : values, fixed ? 1 : 2, 1e-5);    /* the softmax of the gate in one pass, GELU by a polynomial: within 1e-5 of the largest output */
        CHECK_INT(products(&run, false), PATCHES * WIDTH * EXPERTS + 2 * PATCHES * 2 * WIDTH * FF);
        CHECK_INT(products(&run, true), PATCHES * WIDTH * EXPERTS * (fixed ? 1 : 2) + EXPERTS * PATCHES * 2 * WIDTH * FF);
        int64_t loads = 0;
        for (int e = 0; e < EXPERTS; e++) loads += branch(&run, e).runs;
        CHECK_INT(loads, 3);    /* not up to 32 */
        if (fixed) CHECK(memcmp(dynamic, run.output.data, sizeof dynamic) == 0);
        else memcpy(dynamic, run.output.data, sizeof dynamic);
        check_rows(&run, fixed ? values + 1 : values, fixed ? 1 : 2, fixed ? (const int[]){0} : (const int[]){-1, 0}, PATCHES);
        run_close(&run);
        model_free(&m);
    }
}

int main(void) {
    test_duo(4, 32, 64, 32, 256);
    test_duo(3, 8, 32, 16, 128);
    test_decoupled_router();
    test_task_gates();
    test_summed_probabilities();
    test_gating_residual(true);
    test_gating_residual(false);
    test_merged_experts(false);
    test_merged_experts(true);
    test_learned_gates();
    test_recurrent_router();
    return check_result();
}
