/* test_route_paths.c: published models in which an input of the call says which blocks, how many or how wide ones run: one decision for the whole batch. Each with its exact counts
 * for every path; weights off the path are NaN. The same graphs with the choice as a constant are straight-line code. What the cases are: docs/routing.md. */
#include "route_model.h"

enum { ROWS = 6 };

/* ---- Stitchable Neural Networks: the first `cut` blocks of A (width 32), a stitch, the rest of the blocks of B (width 64); cut = blocks: all of A ---- */

/* One pass over the blocks: each has its code once, under a test of its own. Weights of blocks that no path in `cuts` comes to, and of stitches that are none, are left out. */
static void stitched(route_model *m, int blocks, const bool *has_stitch) {
    route_text *t = &m->nodes;
    add_constant(m, "zero", "i64", "0"), add_constant(m, "none", "f32", "0.0"), add_constant(m, "all", "i64", name_of("%d", blocks, 0));
    say(t, "rows = Shape x | 'start': 0, 'end': 1");
    add_constant(m, "d32", "i64", "[32]"), add_constant(m, "d64", "i64", "[64]");
    say(t, "sa = Concat rows d32 | 'axis': 0"), say(t, "sb = Concat rows d64 | 'axis': 0"), say(t, "na = Expand none sa"), say(t, "nb = Expand none sb");
    say(t, "some_a = Greater cut zero"), say(t, "all_a = Equal cut all"), say(t, "all_b = Equal cut zero");
    open_if(t, "some_a", "a0"), say(t, "sta = MatMul x stem_a"), else_if(t, "sta"), close_if(t, "na");
    open_if(t, "all_b", "b0"), say(t, "stb = MatMul x stem_b"), else_if(t, "stb"), close_if(t, "nb");
    for (int i = 0; i < blocks; i++) {
        add_constant(m, name_of("n%d", i, 0), "i64", name_of("%d", i, 0));
        say(t, "in_a%d = Greater cut n%d", i, i);
        open_if(t, name_of("in_a%d", i, 0), name_of("a%d", i + 1, 0));
        say(t, "pa%d = MatMul a%d block_a%d", i, i, i), say(t, "ra%d = Relu pa%d", i, i), say(t, "qa%d = Add a%d ra%d", i, i, i);
        else_if(t, name_of("qa%d", i, 0)), close_if(t, name_of("a%d", i, 0));
        if (has_stitch[i]) {
            say(t, "here%d = Equal cut n%d", i, i);
            open_if(t, name_of("here%d", i, 0), name_of("c%d", i, 0));
            say(t, "st%d = MatMul a%d stitch%d", i, i, i), else_if(t, name_of("st%d", i, 0)), close_if(t, name_of("b%d", i, 0));
        } else {
            say(t, "c%d = Identity b%d", i, i);
        }
        open_if(t, name_of("in_a%d", i, 0), name_of("b%d", i + 1, 0));
        else_if(t, name_of("c%d", i, 0));
        say(t, "pb%d = MatMul c%d block_b%d", i, i, i), say(t, "rb%d = Relu pb%d", i, i), say(t, "qb%d = Add c%d rb%d", i, i, i);
        close_if(t, name_of("qb%d", i, 0));
    }
    open_if(t, "all_a", "y"), say(t, "ya = MatMul a%d head_a", blocks), else_if(t, "ya"), say(t, "yb = MatMul b%d head_b", blocks), close_if(t, "yb");
}

/* Weights that the path to `cut` does not need are NaN when it is not negative. */
static void stitched_weights(route_model *m, int blocks, const bool *has_stitch, int cut) {
    struct { const char *name; int rows, columns; bool used; } ends[] = {
        {"stem_a", 8, 32, cut > 0}, {"stem_b", 8, 64, cut == 0}, {"head_a", 32, 4, cut == blocks}, {"head_b", 64, 4, cut < blocks}};
    for (int i = 0; i < 4; i++) {
        if (cut < 0 || ends[i].used) add_weight(m, ends[i].name, ends[i].rows, ends[i].columns, (uint64_t)i + 90);
        else add_poison(m, ends[i].name, ends[i].rows, ends[i].columns);
    }
    for (int i = 0; i < blocks; i++) {
        if (cut < 0 || i < cut) add_weight(m, name_of("block_a%d", i, 0), 32, 32, (uint64_t)i);
        else add_poison(m, name_of("block_a%d", i, 0), 32, 32);
        if (cut < 0 || i >= cut) add_weight(m, name_of("block_b%d", i, 0), 64, 64, (uint64_t)i + 10);
        else add_poison(m, name_of("block_b%d", i, 0), 64, 64);
        if (!has_stitch[i]) continue;
        if (cut < 0 || i == cut) add_weight(m, name_of("stitch%d", i, 0), 32, 64, (uint64_t)i + 20);
        else add_poison(m, name_of("stitch%d", i, 0), 32, 64);
    }
}

static int64_t stitched_work(int blocks, int cut) {
    int64_t work = (int64_t)cut * 32 * 32 + (int64_t)(blocks - cut) * 64 * 64;
    work += cut == 0 ? 8 * 64 : 8 * 32;
    work += cut == blocks ? 32 * 4 : 64 * 4;
    if (cut > 0 && cut < blocks) work += 32 * 64;
    return work * ROWS;
}

static void test_stitched(int blocks, int path_count, const int *cuts) {
    float x[ROWS * 8];
    int64_t id = 0;
    fill_rows(x, ROWS * 8, 3);
    route_value values[] = {{"path", 'i', 0, {0}, &id}, {"x", 'f', 2, {ROWS, 8}, x}};
    bool has_stitch[8] = {false};
    char table[64] = "[";
    for (int p = 0; p < path_count; p++) {
        if (cuts[p] > 0 && cuts[p] < blocks) has_stitch[cuts[p]] = true;
        snprintf(table + strlen(table), sizeof table - strlen(table), "%s%d", p ? "," : "", cuts[p]);
    }
    strcat(table, "]");
    float whole[8][ROWS * 4];
    for (int poisoned = -1; poisoned < path_count; poisoned++) {    /* -1: all weights are there */
        route_model m = {0};
        route_run run;
        add_input(&m, "path", "i64", ""), add_input(&m, "x", "f32", "'rows', 8"), add_constant(&m, "cuts", "i64", table);
        say(&m.nodes, "cut = Gather cuts path | 'axis': 0");
        stitched(&m, blocks, has_stitch);
        stitched_weights(&m, blocks, has_stitch, poisoned < 0 ? -1 : cuts[poisoned]);
        run_open(&run, model_text(&m, "'y'"), 2);
        int64_t bytes = 0;
        for (int round = 0; round < 2; round++)
            for (int p = poisoned < 0 ? 0 : poisoned; p < (poisoned < 0 ? path_count : poisoned + 1); p++) {
                id = p;
                check_same(&run, values, 2);
                CHECK_INT(products(&run, false), stitched_work(blocks, cuts[p]));
                if (poisoned < 0) memcpy(whole[p], run.output.data, sizeof whole[p]);
                else CHECK(memcmp(whole[p], run.output.data, sizeof whole[p]) == 0);
                if (bytes == 0) bytes = sluice_session_arena_bytes(run.session);    /* planned for all paths by the first run */
                CHECK_INT(sluice_session_arena_bytes(run.session), bytes);
            }
        check_rows(&run, values, 2, (const int[]){-1, 0}, ROWS);
        run_close(&run);
        model_free(&m);
    }
    /* The path as a constant: nothing is left to decide. */
    for (int p = 0; p < path_count; p++) {
        route_model m = {0};
        route_run run;
        add_input(&m, "x", "f32", "'rows', 8"), add_constant(&m, "cut", "i64", name_of("%d", cuts[p], 0));
        stitched(&m, blocks, has_stitch);
        stitched_weights(&m, blocks, has_stitch, cuts[p]);
        run_open(&run, model_text(&m, "'y'"), 2);
        check_same(&run, values + 1, 1);
        CHECK(memcmp(whole[p], run.output.data, sizeof whole[p]) == 0);
        CHECK_INT(products(&run, false), stitched_work(blocks, cuts[p]));
        CHECK_INT(products(&run, true), stitched_work(blocks, cuts[p]));
        run_close(&run);
        model_free(&m);
    }
}

/* ---- NN-Factory: a convolutional net of 3 stages x 4 residual modules, each behind its own gate ---- */

enum { IMAGES = 2, SIDE = 8, MODULES = 12 };

/* Gates as an input: an If for each module. Gates as a constant: the same graph. Modules with `poison` bits are NaN. */
static void gated_modules(route_model *m, int poison) {
    route_text *t = &m->nodes;
    add_constant(m, "half", "f32", "0.5");
    for (int stage = 0, side = SIDE; stage < 3; stage++, side /= 2) {
        int channels = 8 << stage;
        add_filter(m, name_of("stem%d", stage, 0), channels, stage ? channels / 2 : 4, 1, (uint64_t)stage + 50, false);
        say(t, "s%d = Conv x%d stem%d | 'strides': [%d, %d]", stage, stage, stage, stage ? 2 : 1, stage ? 2 : 1);
        say(t, "h%d = Identity s%d", 4 * stage, stage);
        for (int i = 0; i < 4; i++) {
            int module = 4 * stage + i;
            const char *from = name_of(i ? "g%d" : "h%d", i ? module - 1 : module, 0);
            add_filter(m, name_of("filter%d", module, 0), channels, channels, 3, (uint64_t)module, poison >> module & 1);
            add_constant(m, name_of("at%d", module, 0), "i64", name_of("%d", module, 0));
            say(t, "gate%d = Gather gates at%d | 'axis': 0", module, module), say(t, "on%d = Greater gate%d half", module, module);
            open_if(t, name_of("on%d", module, 0), name_of("g%d", module, 0));
            say(t, "c%d = Conv %s filter%d | 'pads': [1, 1, 1, 1]", module, from, module), say(t, "r%d = Relu c%d", module, module), say(t, "o%d = Add %s r%d", module, from, module);
            else_if(t, name_of("o%d", module, 0)), close_if(t, from);
        }
        say(t, "x%d = Identity g%d", stage + 1, 4 * stage + 3);
    }
    say(t, "y = ReduceMean x3 axes | 'keepdims': 0"), add_constant(m, "axes", "i64", "[2, 3]");
}

static int64_t modules_work(int gates) {
    int64_t work = 0;
    for (int stage = 0, side = SIDE; stage < 3; stage++, side /= 2) {
        int64_t channels = 8 << stage, pixels = (int64_t)side * side;
        work += pixels * channels * (stage ? channels / 2 : 4);
        for (int i = 0; i < 4; i++) work += (gates >> (4 * stage + i) & 1) * pixels * channels * channels * 9;
    }
    return work * IMAGES;
}

static void test_gated_modules(void) {
    enum { CHOSEN = 1 << 0 | 1 << 2 | 1 << 5 | 1 << 6 | 1 << 11, ALL = (1 << MODULES) - 1 };
    float x[IMAGES * 4 * SIDE * SIDE], gates[MODULES], dynamic[IMAGES * 32];
    fill_rows(x, IMAGES * 4 * SIDE * SIDE, 4);
    route_value values[] = {{"gates", 'f', 1, {MODULES}, gates}, {"x0", 'f', 4, {IMAGES, 4, SIDE, SIDE}, x}};
    for (int poison = 0; poison < 2; poison++) {
        route_model m = {0};
        route_run run;
        add_input(&m, "gates", "f32", "12"), add_input(&m, "x0", "f32", "'images', 4, 8, 8");
        gated_modules(&m, poison ? ALL & ~CHOSEN : 0);
        run_open(&run, model_text(&m, "'y'"), 2);
        for (int i = 0; i < MODULES; i++) gates[i] = (float)(CHOSEN >> i & 1);
        check_close(&run, values, 2, 1e-5);
        CHECK_INT(products(&run, false), modules_work(CHOSEN));
        CHECK_INT(products(&run, true), modules_work(ALL));
        if (poison) CHECK(memcmp(dynamic, run.output.data, sizeof dynamic) == 0);
        else memcpy(dynamic, run.output.data, sizeof dynamic);
        for (int set = 0; set < ALL && !poison; set += 409) {    /* other gates act without compiling */
            for (int i = 0; i < MODULES; i++) gates[i] = (float)(set >> i & 1);
            check_close(&run, values, 2, 1e-5);
            CHECK_INT(products(&run, false), modules_work(set));
        }
        check_rows(&run, values, 2, (const int[]){-1, 0}, IMAGES);
        run_close(&run);
        model_free(&m);
    }
    /* Constant gates: five modules are in the program, none that is off, and no gate is read. Sums may be in another order (the layout is chosen for another net). */
    route_model m = {0};
    route_run run;
    add_input(&m, "x0", "f32", "'images', 4, 8, 8"), add_constant(&m, "gates", "f32", "[1,0,1,0,0,1,1,0,0,0,0,1]");
    gated_modules(&m, ALL & ~CHOSEN);
    run_open(&run, model_text(&m, "'y'"), 2);
    check_close(&run, values + 1, 1, 1e-5);
    for (int i = 0; i < IMAGES * 32; i++) CHECK(fabsf(((const float *)run.output.data)[i] - dynamic[i]) <= 1e-5f * (1 + fabsf(dynamic[i])));
    CHECK_INT(products(&run, false), modules_work(CHOSEN));
    CHECK_INT(products(&run, true), modules_work(CHOSEN));
    CHECK_INT(kernels_with(&run, true, "Conv"), 5 + 3);
    CHECK_INT(kernels_with(&run, false, "Greater") + kernels_with(&run, false, "If"), 0);
    run_close(&run);
    model_free(&m);
}

/* ---- SortedNet: four residual blocks of hidden width 256 in one set of weights; the first `depth` blocks run, each on its first `width` hidden neurons ---- */

static void sorted_blocks(route_model *m, int width, int depth) {    /* what lies beyond is NaN, where it can be told apart */
    route_text *t = &m->nodes;
    add_constant(m, "from", "i64", "[0]"), add_constant(m, "columns", "i64", "[1]"), add_constant(m, "lines", "i64", "[0]");
    for (int i = 0; i < 4; i++) {
        char whole[32], up[32], down[32];
        snprintf(whole, sizeof whole, "x%d", i), snprintf(up, sizeof up, "up%d", i), snprintf(down, sizeof down, "down%d", i);
        add_partial(m, up, 64, 256, 64, i < depth ? width : 0, (uint64_t)i + 1);
        add_partial(m, down, 256, 64, i < depth ? width : 0, 64, (uint64_t)i + 10);
        add_constant(m, name_of("n%d", i, 0), "i64", name_of("%d", i, 0));
        say(t, "in%d = Greater depth n%d", i, i);
        open_if(t, name_of("in%d", i, 0), name_of("x%d", i + 1, 0));
        say(t, "u%d = Slice up%d from width columns", i, i), say(t, "d%d = Slice down%d from width lines", i, i);
        say(t, "h%d = MatMul x%d u%d", i, i, i), say(t, "a%d = Relu h%d", i, i), say(t, "f%d = MatMul a%d d%d", i, i, i), say(t, "o%d = Add x%d f%d", i, i, i);
        else_if(t, name_of("o%d", i, 0)), close_if(t, whole);
    }
}

static void test_sorted(void) {
    static const int64_t widths[] = {64, 100, 128, 192, 256};    /* 100 has a tail */
    int64_t width, depth;
    float x[ROWS * 64], whole[ROWS * 64];
    fill_rows(x, ROWS * 64, 6);
    route_value values[] = {{"width", 'i', 1, {1}, &width}, {"depth", 'i', 0, {0}, &depth}, {"x0", 'f', 2, {ROWS, 64}, x}};
    route_model full = {0};
    route_run run;
    add_input(&full, "width", "i64", "1"), add_input(&full, "depth", "i64", ""), add_input(&full, "x0", "f32", "'rows', 64");
    sorted_blocks(&full, 256, 4);
    run_open(&run, model_text(&full, "'x4'"), 2);
    for (int w = 0; w < 5; w++)
        for (depth = 2; depth <= 4; depth++) {
            width = widths[w];
            check_close(&run, values, 3, 1e-5);
            CHECK_INT(products(&run, false), depth * width * 64 * 2 * ROWS);
            CHECK_INT(products(&run, true), 4 * 256 * 64 * 2 * ROWS);
            CHECK_INT(weight_bytes(&run, false), depth * width * 64 * 2 * 4);
            CHECK_INT(weight_bytes(&run, true), 4 * 256 * 64 * 2 * 4);
            memcpy(whole, run.output.data, sizeof whole);
            if (depth == 3 && w < 3) {
                route_model part = {0}, fixed = {0};
                route_run other;
                char text[32];
                add_input(&part, "width", "i64", "1"), add_input(&part, "depth", "i64", ""), add_input(&part, "x0", "f32", "'rows', 64");
                sorted_blocks(&part, (int)width, 3);
                run_open(&other, model_text(&part, "'x4'"), 2);
                check_close(&other, values, 3, 1e-5);
                CHECK(memcmp(whole, other.output.data, sizeof whole) == 0);
                run_close(&other);
                model_free(&part);
                /* Both constant: a straight net of that size. */
                add_input(&fixed, "x0", "f32", "'rows', 64"), add_constant(&fixed, "depth", "i64", "3");
                snprintf(text, sizeof text, "[%d]", (int)width), add_constant(&fixed, "width", "i64", text);
                sorted_blocks(&fixed, (int)width, 3);
                run_open(&other, model_text(&fixed, "'x4'"), 2);
                check_close(&other, values + 2, 1, 1e-5);
                CHECK(memcmp(whole, other.output.data, sizeof whole) == 0);
                CHECK_INT(products(&other, true), depth * width * 64 * 2 * ROWS);
                CHECK_INT(kernels_with(&other, true, ""), 6);
                run_close(&other);
                model_free(&fixed);
            }
        }
    run_close(&run);
    model_free(&full);
}

/* ---- nested slices share one packing: what the program holds of weights with a name, packed or not ---- */

typedef struct held { const char *name; sl_attr data[64]; int count; int64_t bytes; } held;

static bool count_held(void *self, sl_op *op) {
    held *h = self;
    if (sl_op_get_kind(op) != SL_OP_core_constant) return true;
    const char *name = sl_value_name(sl_op_result(op, 0));
    sl_attr data = sl_op_attr(op, "value");
    if (!name || strncmp(name, h->name, strlen(h->name)) || sl_attr_data_is_splat(data)) return true;
    for (int i = 0; i < h->count; i++)
        if (h->data[i] == data) return true;
    if (h->count < 64) h->data[h->count++] = data;
    h->bytes += sl_attr_data_size(data);
    return true;
}

static held constants_named(const route_run *run, const char *name) {
    held h = {.name = name};
    walk_passed(run, NULL, count_held, &h);
    return h;
}

/* ---- Once-for-All: three stages of up to four blocks (1x1 to 3, 4 or 6 times the channels, a depthwise 3x3, 5x5 or 7x7, 1x1 back); eight sub-networks of one set of weights. The id as an input: eight
 * specialized bodies; as a constant: one. Products are written over channels-last rows, as 1x1 convolutions are ---- */

enum { OFA_BLOCKS = 12, OFA_CHANNELS = 16, OFA_WIDEST = 96, OFA_LARGEST = 7 };

static const struct { int depth[3], ratio, kernel; } ofa_ids[8] = {{{2, 2, 2}, 3, 3}, {{4, 2, 3}, 4, 3}, {{3, 3, 3}, 6, 5}, {{4, 4, 4}, 6, 7}, {{2, 3, 4}, 3, 5}, {{4, 4, 2}, 4, 7}, {{2, 2, 4}, 6, 3}, {{3, 4, 3}, 4, 5}};

/* The first `size` elements from `from` on, per dim, of the weight that all of `full` would be: alone when it is exported by itself. */
static void add_part(route_model *m, const char *name, int rank, const int *full, const int *from, const int *size, uint64_t seed, bool store) {
    uint64_t state = seed * 77 + 5;
    int total = 1, written = 0;
    char shape[64] = "";
    for (int d = 0; d < rank; d++) total *= full[d], snprintf(shape + strlen(shape), 16, "%s%d", d ? ", " : "", store ? full[d] : size[d]);
    next_entry(&m->weights);
    put(&m->weights, "'%s': {'type': 'f32', 'shape': [%s], 'data': [", name, shape);
    for (int i = 0; i < total; i++) {
        bool inside = true;
        float number = small_number(&state) / 2;
        for (int d = rank - 1, rest = i; d >= 0; rest /= full[d], d--) inside &= rest % full[d] >= from[d] && rest % full[d] < from[d] + size[d];
        if (!inside && !store) continue;
        if (inside) put(&m->weights, "%s%g", written++ ? "," : "", (double)number);
        else put(&m->weights, "%s'nan'", written++ ? "," : "");
    }
    put(&m->weights, "]}");
}

/* Weights of all blocks; with id >= 0 what that sub-network does not need is NaN (store) or left out. */
static void ofa_weights(route_model *m, int id, bool store) {
    for (int b = 0; b < OFA_BLOCKS; b++) {
        bool used = id < 0 || b % 4 < ofa_ids[id].depth[b / 4];
        int width = id < 0 ? OFA_WIDEST : ofa_ids[id].ratio * OFA_CHANNELS, kernel = id < 0 ? OFA_LARGEST : ofa_ids[id].kernel, edge = (OFA_LARGEST - kernel) / 2;
        if (!used && !store) continue;
        if (!used) width = 0;
        add_part(m, name_of("expand%d", b, 0), 2, (const int[]){OFA_CHANNELS, OFA_WIDEST}, (const int[]){0, 0}, (const int[]){OFA_CHANNELS, width}, (uint64_t)b * 3, store);
        add_part(m, name_of("project%d", b, 0), 2, (const int[]){OFA_WIDEST, OFA_CHANNELS}, (const int[]){0, 0}, (const int[]){width, OFA_CHANNELS}, (uint64_t)b * 3 + 1, store);
        add_part(m, name_of("window%d", b, 0), 4, (const int[]){OFA_WIDEST, 1, OFA_LARGEST, OFA_LARGEST}, (const int[]){0, 0, edge, edge}, (const int[]){width, 1, kernel, kernel}, (uint64_t)b * 3 + 2, store);
    }
}

static int64_t ofa_network(route_text *t, int id, bool sliced, char *last, size_t size) {
    int side = 8, width = ofa_ids[id].ratio * OFA_CHANNELS, kernel = ofa_ids[id].kernel;
    int64_t work = 0;
    snprintf(last, size, "x");
    for (int b = 0; b < OFA_BLOCKS; b++) {
        if (b % 4 >= ofa_ids[id].depth[b / 4]) continue;
        int stride = b && b % 4 == 0 ? 2 : 1, pixels = side * side;
        if (sliced) {
            say(t, "e%d = Slice expand%d from to%d channels", b, b, width), say(t, "p%d = Slice project%d from to%d lines", b, b, width);
            say(t, "w%d = Slice window%d edge%d edges%d window_axes", b, b, kernel, width * 10 + kernel);
        } else {
            say(t, "e%d = Identity expand%d", b, b), say(t, "p%d = Identity project%d", b, b), say(t, "w%d = Identity window%d", b, b);
        }
        say(t, "h%d = MatMul %s e%d", b, last, b), say(t, "a%d = Relu h%d", b, b), say(t, "n%d = Transpose a%d | 'perm': [0, 3, 1, 2]", b, b);
        say(t, "d%d = Conv n%d w%d | 'group': %d, 'pads': [%d, %d, %d, %d], 'strides': [%d, %d]", b, b, b, width, kernel / 2, kernel / 2, kernel / 2, kernel / 2, stride, stride);
        say(t, "f%d = Relu d%d", b, b), say(t, "c%d = Transpose f%d | 'perm': [0, 2, 3, 1]", b, b), say(t, "o%d = MatMul c%d p%d", b, b, b);
        if (stride == 1) say(t, "x%d = Add %s o%d", b, last, b);
        else say(t, "x%d = Identity o%d", b, b);
        snprintf(last, size, "x%d", b);
        side /= stride;
        work += (int64_t)pixels * OFA_CHANNELS * width + (int64_t)side * side * width * (kernel * kernel + OFA_CHANNELS);
    }
    return work;
}

static void ofa_positions(route_model *m) {
    add_constant(m, "from", "i64", "[0]"), add_constant(m, "channels", "i64", "[1]"), add_constant(m, "lines", "i64", "[0]"), add_constant(m, "window_axes", "i64", "[0, 2, 3]");
    for (int ratio = 3; ratio <= 6; ratio++) {
        char list[32];
        snprintf(list, sizeof list, "[%d]", ratio * OFA_CHANNELS), add_constant(m, name_of("to%d", ratio * OFA_CHANNELS, 0), "i64", list);
        for (int kernel = 3; kernel <= 7; kernel += 2) {
            int edge = (OFA_LARGEST - kernel) / 2;
            snprintf(list, sizeof list, "[%d, %d, %d]", ratio * OFA_CHANNELS, edge + kernel, edge + kernel), add_constant(m, name_of("edges%d", ratio * OFA_CHANNELS * 10 + kernel, 0), "i64", list);
            if (ratio == 3) snprintf(list, sizeof list, "[0, %d, %d]", edge, edge), add_constant(m, name_of("edge%d", kernel, 0), "i64", list);
        }
    }
}

static void test_once_for_all(void) {
    enum { PIXELS = 64 };
    int64_t id, work[8];
    float x[PIXELS * OFA_CHANNELS], alone[8][4 * OFA_CHANNELS];
    char last[16];
    fill_rows(x, PIXELS * OFA_CHANNELS, 9);
    for (int i = 0; i < PIXELS * OFA_CHANNELS; i++) x[i] /= 4;
    route_value values[] = {{"id", 'i', 0, {0}, &id}, {"x", 'f', 4, {1, 8, 8, OFA_CHANNELS}, x}};
    for (int i = 0; i < 8; i++) {    /* each exported by itself */
        route_model m = {0};
        route_run run;
        add_input(&m, "x", "f32", "1, 8, 8, 16");
        ofa_weights(&m, i, false);
        work[i] = ofa_network(&m.nodes, i, false, last, sizeof last);
        say(&m.nodes, "y = Identity %s", last);
        run_open(&run, model_text(&m, "'y'"), 2);
        check_close(&run, values + 1, 1, 1e-5);
        CHECK_INT(products(&run, false), work[i]);
        CHECK_INT(output_count(&run), 4 * OFA_CHANNELS);
        memcpy(alone[i], run.output.data, sizeof alone[i]);
        run_close(&run);
        model_free(&m);
    }
    for (int poisoned = -1; poisoned < 8; poisoned += poisoned < 0 ? 4 : 8) {    /* one store for all; what a sub-network does not use is NaN */
        route_model m = {0};
        route_run run;
        route_text *t = &m.nodes;
        add_input(&m, "id", "i64", ""), add_input(&m, "x", "f32", "1, 8, 8, 16");
        ofa_positions(&m), ofa_weights(&m, poisoned, true);
        for (int i = 0; i < 7; i++) {
            add_constant(&m, name_of("id%d", i, 0), "i64", name_of("%d", i, 0));
            say(t, "is%d = Equal id id%d", i, i);
            open_if(t, name_of("is%d", i, 0), i ? name_of("y%d", i, 0) : "y");
            ofa_network(t, i, true, last, sizeof last);
            else_if(t, last);
        }
        ofa_network(t, 7, true, last, sizeof last);
        for (int i = 6; i >= 0; i--) close_if(t, i == 6 ? last : name_of("y%d", i + 1, 0));
        run_open(&run, model_text(&m, "'y'"), 2);
        for (id = poisoned < 0 ? 0 : poisoned; id < (poisoned < 0 ? 8 : poisoned + 1); id++) {
            check_close(&run, values, 2, 1e-5);
            CHECK_INT(products(&run, false), work[id]);
            for (int i = 0; i < 4 * OFA_CHANNELS; i++) CHECK(fabsf(((const float *)run.output.data)[i] - alone[id][i]) <= 1e-5f * (1 + fabsf(alone[id][i])));
        }
        if (poisoned < 0) {    /* eight networks, and each of the 1x1 weights is there once */
            held expand = constants_named(&run, "expand"), project = constants_named(&run, "project");
            CHECK_INT(expand.count, OFA_BLOCKS);
            CHECK_INT(project.count, OFA_BLOCKS);
            CHECK_INT(expand.bytes, OFA_BLOCKS * OFA_CHANNELS * OFA_WIDEST * 4);
            CHECK(project.bytes <= 2 * OFA_BLOCKS * OFA_CHANNELS * OFA_WIDEST * 4);    /* 16 columns may be padded to a panel of 32 */
        }
        run_close(&run);
        model_free(&m);
    }
    for (int i = 1; i < 8; i += 5) {    /* the id as a constant: that network and nothing else */
        route_model m = {0};
        route_run run;
        add_input(&m, "x", "f32", "1, 8, 8, 16");
        ofa_positions(&m), ofa_weights(&m, i, true);
        ofa_network(&m.nodes, i, true, last, sizeof last);
        say(&m.nodes, "y = Identity %s", last);
        run_open(&run, model_text(&m, "'y'"), 2);
        check_close(&run, values + 1, 1, 1e-5);
        CHECK_INT(products(&run, true), work[i]);
        run_close(&run);
        model_free(&m);
    }
}

/* ---- SortedNet's widths as constants: an If over four widths of one weight holds it once ---- */

static void test_nested_widths(void) {
    static const int widths[] = {64, 128, 192, 256};
    int64_t size;
    float x[ROWS * 64];
    fill_rows(x, ROWS * 64, 6);
    route_value values[] = {{"size", 'i', 0, {0}, &size}, {"x", 'f', 2, {ROWS, 64}, x}};
    route_model m = {0};
    route_run run;
    route_text *t = &m.nodes;
    add_input(&m, "size", "i64", ""), add_input(&m, "x", "f32", "'rows', 64"), add_weight(&m, "up", 64, 256, 1), add_weight(&m, "down", 256, 64, 2);
    add_constant(&m, "from", "i64", "[0]"), add_constant(&m, "columns", "i64", "[1]"), add_constant(&m, "lines", "i64", "[0]");
    for (int i = 0; i < 4; i++) {
        char list[16];
        snprintf(list, sizeof list, "[%d]", widths[i]), add_constant(&m, name_of("to%d", i, 0), "i64", list), add_constant(&m, name_of("n%d", i, 0), "i64", name_of("%d", i, 0));
        if (i < 3) say(t, "is%d = Equal size n%d", i, i), open_if(t, name_of("is%d", i, 0), i ? name_of("y%d", i, 0) : "y");
        say(t, "u = Slice up from to%d columns", i), say(t, "d = Slice down from to%d lines", i), say(t, "h = MatMul x u"), say(t, "a = Relu h"), say(t, "o = MatMul a d");
        if (i < 3) else_if(t, "o");
    }
    close_if(t, "o"), close_if(t, "y2"), close_if(t, "y1");
    run_open(&run, model_text(&m, "'y'"), 2);
    for (size = 0; size < 4; size++) {
        check_same(&run, values, 2);
        CHECK_INT(products(&run, false), ROWS * 64 * widths[size] * 2);
        CHECK_INT(weight_bytes(&run, false), 64 * widths[size] * 2 * 4);
    }
    held up = constants_named(&run, "up"), down = constants_named(&run, "down");
    CHECK_INT(up.count, 1);
    CHECK_INT(down.count, 1);
    CHECK_INT(up.bytes, 64 * 256 * 4);
    CHECK_INT(down.bytes, 64 * 256 * 4);
    run_close(&run);
    model_free(&m);
}

int main(void) {
    test_stitched(4, 5, (const int[]){0, 1, 2, 3, 4});
    test_stitched(6, 4, (const int[]){6, 2, 4, 0});
    test_gated_modules();
    test_sorted();
    test_nested_widths();
    test_once_for_all();
    return check_result();
}
