/* test_route_tokens.c: published models whose attention works on part of the tokens, or on several projections of them, with exact counts. Scores are computed in whole tiles: where a
 * case counts causal pairs, n * (n + 1) / 2 of the n * n counted here are seen. What the cases are: docs/routing.md. */
#include "route_model.h"

/* One block: attention of the rows `from` among themselves (mask `seen`), feed-forward, both with residual; "<prefix>o" is its output. Weights: wq, wk, wv, wo, up, down with the suffix. */
static void block(route_text *t, const char *p, const char *from, const char *seen, const char *weights) {
    say(t, "%sq = MatMul %s wq%s", p, from, weights), say(t, "%sk = MatMul %s wk%s", p, from, weights), say(t, "%sv = MatMul %s wv%s", p, from, weights);
    say(t, "%st = Transpose %sk | 'perm': [1, 0]", p, p), say(t, "%ss = MatMul %sq %st", p, p, p);
    if (seen) say(t, "%sm = Where %s %ss hidden", p, seen, p);
    else say(t, "%sm = Identity %ss", p, p);
    say(t, "%sp = Softmax %sm | 'axis': -1", p, p), say(t, "%sa = MatMul %sp %sv", p, p, p), say(t, "%sw = MatMul %sa wo%s", p, p, weights), say(t, "%sr = Add %s %sw", p, from, p);
    say(t, "%su = MatMul %sr up%s", p, p, weights), say(t, "%sg = Relu %su", p, p), say(t, "%sd = MatMul %sg down%s", p, p, weights), say(t, "%so = Add %sr %sd", p, p, p);
}

static void block_weights(route_model *m, const char *suffix, int width, int ff, uint64_t seed) {
    static const char *const names[] = {"wq", "wk", "wv", "wo"};
    char name[32];
    for (int i = 0; i < 4; i++) snprintf(name, sizeof name, "%s%s", names[i], suffix), add_weight(m, name, width, width, seed + (uint64_t)i);
    snprintf(name, sizeof name, "up%s", suffix), add_weight(m, name, width, ff, seed + 4);
    snprintf(name, sizeof name, "down%s", suffix), add_weight(m, name, ff, width, seed + 5);
}

static int64_t block_work(int64_t rows, int64_t width, int64_t ff) { return rows * (4 * width * width + 2 * width * ff) + rows * rows * 2 * width; }

/* ---- VideoLLM-MoD: 40 vision and 4 text tokens; layer 1 is dense, layer 2 takes the text and the 8 vision tokens with the largest score ---- */

static void test_video_tokens(void) {
    enum { TOKENS = 44, VISION = 40, KEPT = 8, WIDTH = 16, FF = 32 };
    int64_t position[TOKENS];
    float x[TOKENS * WIDTH];
    for (int i = 0; i < TOKENS; i++) position[i] = i < 20 ? i : i < 24 ? 40 + i - 20 : i - 4;    /* the text stands at the end; its rows lie in the middle, so that places and positions differ */
    fill_rows(x, TOKENS * WIDTH, 21);
    for (int i = 0; i < TOKENS * WIDTH; i++) x[i] *= 0.25f;
    route_value values[] = {{"position", 'i', 1, {TOKENS}, position}, {"x", 'f', 2, {TOKENS, WIDTH}, x}};
    route_model m = {0};
    route_run run;
    route_text *t = &m.nodes;
    add_input(&m, "position", "i64", "44"), add_input(&m, "x", "f32", "44, 16"), add_constant(&m, "hidden", "f32", "-1e9"), add_constant(&m, "text_from", "i64", "40");
    add_constant(&m, "axis0", "i64", "[0]"), add_constant(&m, "axis1", "i64", "[1]"), add_constant(&m, "often", "f32", "1000.0"), add_constant(&m, "kept", "i64", "[12]"), add_weight(&m, "router", WIDTH, 1, 40);
    char list[512] = "[-1", zeros[128] = "[0";
    for (int i = 1; i < TOKENS; i++) strcat(list, ",-1");
    for (int i = 1; i < KEPT + 4; i++) strcat(zeros, ",0");
    strcat(list, "]"), strcat(zeros, "]");
    add_constant(&m, "nowhere", "i64", list), add_constant(&m, "here", "i64", zeros), add_constant(&m, "zero", "i64", "0");
    block_weights(&m, "1", WIDTH, FF, 1), block_weights(&m, "2", WIDTH, FF, 11);
    say(t, "pr = Unsqueeze position axis1"), say(t, "pc = Unsqueeze position axis0"), say(t, "seen = GreaterOrEqual pr pc");
    block(t, "x", "x", "seen", "1");
    say(t, "logit = MatMul xo router"), say(t, "score = Squeeze logit axis1"), say(t, "text = GreaterOrEqual position text_from"), say(t, "more = Add score often"), say(t, "rank = Where text more score");
    say(t, "top best = TopK rank kept"), say(t, "keys = ScatterElements nowhere best here | 'axis': 0");
    open_route(t, "layer2", "'keys', 'xo', 'position', 'xo', 'nothing'", "y', 'k2");
    open_body(t, "{'name': 'r'}, {'name': 'at'}");
    say(t, "row = Unsqueeze at axis1"), say(t, "col = Unsqueeze at axis0"), say(t, "bseen = GreaterOrEqual row col");
    block(t, "b", "r", "bseen", "2");
    close_body(t, "'bo', 'bk'");
    close_route(t, "'merge': 'keep'");
    say(t, "nothing = Sub xo xo");
    /* The layer's keys, as a cache holds them: only those that there are. */
    say(t, "there = GreaterOrEqual keys zero"), say(t, "at2 = NonZero there"), say(t, "places = Squeeze at2 axis0"), say(t, "cache2 = Gather k2 places | 'axis': 0"), say(t, "cache1 = Identity xk"), say(t, "before = Identity xo");
    run_open(&run, model_text(&m, "'y', 'before', 'keys', 'cache1', 'cache2'"), 2);
    check_close(&run, values, 2, 1e-5);
    CHECK_INT(branch(&run, 0).rows, KEPT + 4);
    CHECK_INT(branch(&run, 0).dense_rows, TOKENS);
    CHECK_INT(products(&run, false), block_work(TOKENS, WIDTH, FF) + TOKENS * WIDTH + block_work(KEPT + 4, WIDTH, FF));    /* 12 rows and 12 * 12 scores instead of 44 and 44 * 44 */
    CHECK_INT(products(&run, true), 2 * block_work(TOKENS, WIDTH, FF) + TOKENS * WIDTH);
    CHECK_INT(run.outputs[3].shape[0], TOKENS);
    CHECK_INT(run.outputs[4].shape[0], KEPT + 4);
    const float *y = run.output.data, *before = run.outputs[1].data;
    const int64_t *keys = run.outputs[2].data;
    int bypassed = 0;
    for (int i = 0; i < TOKENS; i++) {
        if (keys[i] < 0) bypassed += memcmp(y + i * WIDTH, before + i * WIDTH, WIDTH * sizeof *y) == 0;
        else CHECK(memcmp(y + i * WIDTH, before + i * WIDTH, WIDTH * sizeof *y) != 0);
        if (position[i] >= 40) CHECK_INT(keys[i], 0);
    }
    CHECK_INT(bypassed, TOKENS - KEPT - 4);    /* bit for bit what came in */
    run_close(&run);
    model_free(&m);
}

/* ---- IA-RED2: three images of 16 patches and a class token; after stage one patches are dropped for good, image by image ---- */

static void test_dropped_patches(void) {
    enum { IMAGES = 3, TOKENS = 17, WIDTH = 16, FF = 32 };
    static const int survive[IMAGES] = {6, 16, 0};
    float x[IMAGES * TOKENS * WIDTH], whole[IMAGES * TOKENS * WIDTH];
    int64_t image[IMAGES * TOKENS];
    fill_rows(x, IMAGES * TOKENS * WIDTH, 31);
    for (int i = 0; i < IMAGES * TOKENS; i++) {
        int at = i % TOKENS;
        image[i] = i / TOKENS;
        for (int c = 0; c < WIDTH; c++) x[i * WIDTH + c] *= 0.25f;
        x[i * WIDTH] = at == 0 || (at * 5) % 16 < survive[i / TOKENS] ? 1.0f : -1.0f;    /* what the judge looks at: scattered patches */
    }
    route_value values[] = {{"image", 'i', 1, {IMAGES * TOKENS}, image}, {"x", 'f', 2, {IMAGES * TOKENS, WIDTH}, x}};
    route_model m = {0};
    route_run run;
    route_text *t = &m.nodes;
    add_input(&m, "image", "i64", "'rows'"), add_input(&m, "x", "f32", "'rows', 16"), add_constant(&m, "c0", "i64", "0"), add_constant(&m, "zero", "f32", "0.0"), add_constant(&m, "none", "i64", "-1");
    add_constant(&m, "hidden", "f32", "-1e9"), add_constant(&m, "by_image", "i64", "[3, 17, 16]"), add_constant(&m, "flat", "i64", "[-1, 16]");
    block_weights(&m, "1", WIDTH, FF, 1), block_weights(&m, "2", WIDTH, FF, 11);
    add_weight(&m, "stage1", WIDTH, WIDTH, 9);
    say(t, "s1 = MatMul x stage1"), say(t, "r1 = Relu s1"), say(t, "h = Add x r1");
    say(t, "judge = Gather x c0 | 'axis': 1"), say(t, "stays = Greater judge zero"), say(t, "keys = Where stays image none");
    open_route(t, "stage2", "'keys', 'h'", "y");    /* a branch per image: ragged rows, no padding; the three bodies are one */
    for (int i = 0; i < IMAGES; i++) {
        open_body(t, "{'name': 'r'}");
        block(t, "b", "r", NULL, "2");
        close_body(t, "'bo'");
    }
    close_route(t, NULL);
    run_open(&run, model_text(&m, "'y'"), 2);
    check_close(&run, values, 2, 1e-5);
    memcpy(whole, run.output.data, sizeof whole);
    int64_t work = IMAGES * TOKENS * WIDTH * WIDTH;
    for (int i = 0; i < IMAGES; i++) {
        CHECK_INT(branch(&run, i).rows, survive[i] + 1);
        work += block_work(survive[i] + 1, WIDTH, FF);    /* 49, 289 and 1 scores */
    }
    CHECK_INT(products(&run, false), work);
    for (int i = 0; i < IMAGES * TOKENS; i++) {    /* dropped for good */
        bool stays = x[i * WIDTH] > 0, zero = true;
        for (int c = 0; c < WIDTH; c++) zero &= whole[i * WIDTH + c] == 0;
        CHECK(zero == !stays);
    }
    /* Each image alone gives the same bits. */
    for (int i = 0; i < IMAGES; i++) {
        for (int k = 0; k < TOKENS; k++) image[k] = i;
        route_value one[] = {{"image", 'i', 1, {TOKENS}, image}, {"x", 'f', 2, {TOKENS, WIDTH}, x + i * TOKENS * WIDTH}};
        check_close(&run, one, 2, 1e-5);
        CHECK(memcmp(run.output.data, whole + i * TOKENS * WIDTH, sizeof whole / IMAGES) == 0);
        CHECK_INT(products(&run, false), TOKENS * WIDTH * WIDTH + block_work(survive[i] + 1, WIDTH, FF));
    }
    run_close(&run);
    model_free(&m);
}

/* ---- BAM: two layers of four attention experts, which all run and are blended, beside four feed-forward experts of which each token takes one; both read the same input ---- */

enum { BAM_TOKENS = 16, BAM_WIDTH = 16, BAM_FF = 32, BAM_EXPERTS = 4 };

static void weight_at(route_model *m, const char *base, const char *suffix, int rows, int columns, int seed) {
    char name[64];
    snprintf(name, sizeof name, "%s%s", base, suffix);
    if (seed < 0) add_poison(m, name, rows, columns);
    else add_weight(m, name, rows, columns, (uint64_t)seed);
}

/* Keys and values by an expert of its own, or shared: the nodes are there for every expert all the same, as an exporter leaves them. Nobody takes feed-forward expert 3. */
static void bam_layer(route_model *m, int layer, bool shared, const char *from, const char *to) {
    route_text *t = &m->nodes;
    char l[8], route_inputs[64], name[32];
    snprintf(l, sizeof l, "%d", layer);
    weight_at(m, "blend", l, BAM_WIDTH, BAM_EXPERTS, layer + 70), weight_at(m, "gate", l, BAM_WIDTH, 3, layer + 90);
    if (shared) weight_at(m, "wk", l, BAM_WIDTH, BAM_WIDTH, layer + 80), weight_at(m, "wv", l, BAM_WIDTH, BAM_WIDTH, layer + 82);
    say(t, "bl%s = MatMul %s blend%s", l, from, l), say(t, "share%s = Softmax bl%s | 'axis': -1", l, l), say(t, "part%s.0 part%s.1 part%s.2 part%s.3 = Split share%s | 'axis': 1, 'num_outputs': 4", l, l, l, l, l);
    for (int e = 0; e < BAM_EXPERTS; e++) {
        char p[16];
        snprintf(p, sizeof p, "%d.%d", layer, e);
        weight_at(m, "wq", p, BAM_WIDTH, BAM_WIDTH, layer * 16 + e), weight_at(m, "wo", p, BAM_WIDTH, BAM_WIDTH, layer * 16 + e + 4);
        if (!shared) weight_at(m, "wk", p, BAM_WIDTH, BAM_WIDTH, layer * 16 + e + 40), weight_at(m, "wv", p, BAM_WIDTH, BAM_WIDTH, layer * 16 + e + 44);
        say(t, "q%s = MatMul %s wq%s", p, from, p), say(t, "k%s = MatMul %s wk%s", p, from, shared ? l : p), say(t, "v%s = MatMul %s wv%s", p, from, shared ? l : p);
        say(t, "t%s = Transpose k%s | 'perm': [1, 0]", p, p), say(t, "s%s = MatMul q%s t%s", p, p, p), say(t, "m%s = Where seen s%s hidden", p, p), say(t, "p%s = Softmax m%s | 'axis': -1", p, p);
        say(t, "a%s = MatMul p%s v%s", p, p, p), say(t, "o%s = MatMul a%s wo%s", p, p, p), say(t, "w%s = Mul o%s part%s", p, p, p);
        if (e) say(t, "sum%s = Add %s%d.%d w%s", p, e == 1 ? "w" : "sum", layer, e - 1, p);
    }
    say(t, "gl%s = MatMul %s gate%s", l, from, l), say(t, "key%s = ArgMax gl%s | 'axis': -1, 'keepdims': 0", l, l);
    snprintf(route_inputs, sizeof route_inputs, "'key%s', '%s'", l, from), snprintf(name, sizeof name, "experts%s", l);
    open_route(t, name, route_inputs, name_of("moe%d", layer, 0));
    for (int e = 0; e < BAM_EXPERTS; e++) {
        char p[16], up[32], down[32];
        snprintf(p, sizeof p, "%d.%d", layer, e), snprintf(up, sizeof up, "up%s", p), snprintf(down, sizeof down, "down%s", p);
        weight_at(m, "up", p, BAM_WIDTH, BAM_FF, e == 3 ? -1 : layer * 16 + e + 100), weight_at(m, "down", p, BAM_FF, BAM_WIDTH, e == 3 ? -1 : layer * 16 + e + 104);
        add_feed_forward(t, up, down);
    }
    close_route(t, NULL);
    say(t, "both%s = Add sum%s.3 moe%s", l, l, l), say(t, "%s = Add %s both%s", to, from, l);
}

/* A weight, or one of a stack of them. */
static bool is_weight(const sl_value *value) {
    for (const sl_op *op; (op = sl_value_op(value)) != NULL && (sl_op_get_kind(op) == SL_OP_tensor_slice || sl_op_get_kind(op) == SL_OP_tensor_reshape);) value = sl_op_operand(op, 0);
    return sl_value_constant(value) != NULL;
}

/* Whether what `op` reads, directly or not, is made by a product of two values that are both computed (scores, or what attention makes of them). */
static bool needs_attention(const sl_op *op, int depth) {
    for (int i = 0; i < sl_op_operand_count(op) && depth < 60; i++) {
        const sl_op *maker = sl_value_op(sl_op_operand(op, i));
        if (!maker) continue;
        if (sl_op_get_kind(maker) == SL_OP_tensor_contract && !is_weight(sl_op_operand(maker, 0)) && !is_weight(sl_op_operand(maker, 1))) return true;
        if (needs_attention(maker, depth + 1)) return true;
    }
    return false;
}

typedef struct bam_form { int dispatches, scores, wide, projections; bool tangled; } bam_form;

static bool captured(void *self, sl_op *op) {
    bam_form *form = self;
    form->tangled |= needs_attention(op, 0);
    return true;
}

static bool look(void *self, sl_op *op) {
    bam_form *form = self;
    if (sl_op_get_kind(op) == SL_OP_route_dispatch && !form->dispatches++) sl_op_walk(op, captured, self);    /* of the first layer: its operands, and what its bodies read from outside */
    if (sl_op_get_kind(op) == SL_OP_tensor_contract) {
        bool weights = is_weight(sl_op_operand(op, 1));
        int64_t columns = weights ? sl_type_static_dim(sl_value_type(sl_op_operand(op, 1)), 1) : 0;
        if (!weights) form->scores++;
        else if (columns == BAM_WIDTH && sl_op_get_kind(sl_op_parent(op)) == SL_OP_core_func) form->projections++;
    }
    return true;
}

static void test_attention_experts(bool shared) {
    float x[BAM_TOKENS * BAM_WIDTH];
    fill_rows(x, BAM_TOKENS * BAM_WIDTH, 51);
    for (int i = 0; i < BAM_TOKENS * BAM_WIDTH; i++) x[i] *= 0.25f;
    route_value values[] = {{"x", 'f', 2, {BAM_TOKENS, BAM_WIDTH}, x}};
    route_model m = {0};
    route_run run;
    add_input(&m, "x", "f32", "16, 16"), add_constant(&m, "hidden", "f32", "-1e9"), add_constant(&m, "axis0", "i64", "[0]"), add_constant(&m, "axis1", "i64", "[1]");
    add_constant(&m, "place", "i64", "[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]");
    say(&m.nodes, "pr = Unsqueeze place axis1"), say(&m.nodes, "pc = Unsqueeze place axis0"), say(&m.nodes, "seen = GreaterOrEqual pr pc");
    bam_layer(&m, 0, shared, "x", "x1"), bam_layer(&m, 1, shared, "x1", "y");
    run_open(&run, model_text(&m, "'y'"), 2);
    check_close(&run, values, 1, 1e-5);
    /* Per layer: 4 query and 4 output projections, 1 or 4 of keys and of values, blend and gate, four attentions, one expert a token. */
    int64_t projections = 8 + (shared ? 2 : 8), square = BAM_TOKENS * BAM_WIDTH * BAM_WIDTH;
    int64_t layer = projections * square + BAM_TOKENS * BAM_WIDTH * (BAM_EXPERTS + 3) + BAM_EXPERTS * BAM_TOKENS * BAM_TOKENS * 2 * BAM_WIDTH + BAM_TOKENS * 2 * BAM_WIDTH * BAM_FF;
    CHECK_INT(products(&run, false), 2 * layer);
    CHECK_INT(launches(&run, 3) + launches(&run, 7), 0);
    CHECK_INT(branch(&run, 0).rows + branch(&run, 1).rows + branch(&run, 2).rows, BAM_TOKENS);
    /* What the compiler made of it. */
    bam_form form = {0};
    walk_passed(&run, ROUTE_STRETCHES, look, &form);
    CHECK_INT(form.dispatches, 2);
    CHECK(!form.tangled);    /* attention and feed-forward experts of a layer don't need one another */
    CHECK_INT(form.scores, 2 * 2 * BAM_EXPERTS);
    CHECK_INT(form.projections, 2 * projections);
    run_close(&run);
    model_free(&m);
}

int main(void) {
    test_video_tokens();
    test_dropped_patches();
    test_attention_experts(true);
    test_attention_experts(false);
    return check_result();
}
