/* test_kernel_variants.c: every kernel strategy, forced by --kernel, for every instruction set that this machine has, against the reference evaluator.
 *
 * Each dimension of a product goes through every size from 1 to 3 register tiles (M and N) and 3 unrolled steps (K) while the others are odd; operands lie at addresses that are
 * aligned to an element only; some are views with strides; and all is done again with NaN, infinities, denormals, -0 and huge numbers among the elements. Sums of products are
 * promised bit by bit (docs/architecture.md), so there the tolerance is none, and variants agree by agreeing with the evaluator; without FMA they must agree with each other.
 * Each variant must also be seen in the kernels' reasons: a flag that forces nothing would make a test that tests nothing. */
#include "kernel_variants.h"

static void constant(sl_text *text, const char *name, int64_t rows, int64_t columns) {
    sl_text_append(text, "  %%%s = core.constant {value = data<tensor<%lld x %lld x f32>>[", name, (long long)rows, (long long)columns);
    for (int64_t i = 0; i < rows * columns; i++) sl_text_append(text, "%s%.9g", i ? ", " : "", random_number());
    sl_text_append(text, "]} : () -> tensor<%lld x %lld x f32>\n", (long long)rows, (long long)columns);
}

/* Both operands known when running: M, N and K sweep in one program. */
static subject *dynamic_product(world *w, int rows, int columns) {
    subject *s = new_subject(w, "product of inputs", "core.func @main(%x: tensor<M x K x f32>, %w: tensor<K x N x f32>) -> (tensor<M x N x f32>) {\n"
        "  %c = tensor.contract(%x, %w) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<M x K x f32>, tensor<K x N x f32>) -> tensor<M x N x f32>\n"
        "  core.return(%c) : (tensor<M x N x f32>)\n}\n", 2, 0);
    for (int64_t m = 1; m <= 3 * rows; m++) RUN(s, m % 5 == 4 ? FILL_SPECIAL : FILL_RANDOM, 2, 2, 0, m, 9, 9, 37);
    for (int64_t n = 1; n <= 3 * columns; n++) RUN(s, n % 5 == 4 ? FILL_SPECIAL : FILL_RANDOM, 2, 2, 0, 5, 7, 7, n);
    for (int64_t k = 1; k <= 12; k++) RUN(s, k % 5 == 4 ? FILL_SPECIAL : FILL_RANDOM, 2, 2, 0, 3, k, k, 19);
    return s;
}

/* Right operands are weights; one output for each number of columns. */
static subject *weights_by_columns(world *w, int columns) {
    sl_text text;
    sl_text_init(&text, w->arena);
    int many = 3 * columns;
    sl_text_append(&text, "core.func @main(%%x: tensor<5 x 11 x f32>) -> (");
    for (int n = 1; n <= many; n++) sl_text_append(&text, "%stensor<5 x %d x f32>", n > 1 ? ", " : "", n);
    sl_text_append(&text, ") {\n");
    for (int n = 1; n <= many; n++) {
        constant(&text, sl_arena_printf(w->arena, "w%d", n), 11, n);
        sl_text_append(&text, "  %%c%d = tensor.contract(%%x, %%w%d) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<5 x 11 x f32>, tensor<11 x %d x f32>) "
                              "-> tensor<5 x %d x f32>\n  %%y%d = arith.neg(%%c%d) : (tensor<5 x %d x f32>) -> tensor<5 x %d x f32>\n", n, n, n, n, n, n, n, n);
    }
    sl_text_append(&text, "  core.return(");
    for (int n = 1; n <= many; n++) sl_text_append(&text, "%s%%y%d", n > 1 ? ", " : "", n);
    sl_text_append(&text, ") : (");
    for (int n = 1; n <= many; n++) sl_text_append(&text, "%stensor<5 x %d x f32>", n > 1 ? ", " : "", n);
    sl_text_append(&text, ")\n}\n");
    subject *s = new_subject(w, "weights by columns", text.data, 1, 0);
    RUN(s, FILL_RANDOM, 2, 0, 0, 5, 11);
    RUN(s, FILL_SPECIAL, 2, 0, 0, 5, 11);
    return s;
}

/* Views of one input that start at an odd element and step over rows of another width: every number of rows, and of terms. */
static subject *weights_by_rows_and_terms(world *w, int rows) {
    sl_text text, yields, types;
    sl_text_init(&text, w->arena), sl_text_init(&yields, w->arena), sl_text_init(&types, w->arena);
    int high = 3 * rows + 2, count = 0;
    for (int step = 0; step < 3 * rows + 12; step++) {
        int m = step < 3 * rows ? step + 1 : 4, k = step < 3 * rows ? 13 : step - 3 * rows + 1;
        constant(&text, sl_arena_printf(w->arena, "w%d", step), k, 21);
        sl_text_append(&text, "  %%s%d = tensor.slice(%%x) {starts = [expr(1), expr(3)], steps = ints[1, 1]} : (tensor<%d x 19 x f32>) -> tensor<%d x %d x f32>\n", step, high, m, k);
        sl_text_append(&text, "  %%c%d = tensor.contract(%%s%d, %%w%d) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<%d x %d x f32>, tensor<%d x 21 x f32>) "
                              "-> tensor<%d x 21 x f32>\n", step, step, step, m, k, k, m);
        sl_text_append(&yields, "%s%%c%d", count ? ", " : "", step);
        sl_text_append(&types, "%stensor<%d x 21 x f32>", count++ ? ", " : "", m);
    }
    const char *whole = sl_arena_printf(w->arena, "core.func @main(%%x: tensor<%d x 19 x f32>) -> (%s) {\n%s  core.return(%s) : (%s)\n}\n", high, types.data, text.data, yields.data, types.data);
    subject *s = new_subject(w, "weights by rows and terms", whole, 1, 0);
    RUN(s, FILL_RANDOM, 2, 0, 0, high, 19);
    RUN(s, FILL_SPECIAL, 2, 0, 0, high, 19);
    return s;
}

/* So many rows that a task takes some of them through all of the weights; a tensor as large as the result is added, whose lines are asked for ahead. */
static subject *many_rows(world *w) {
    sl_text text;
    sl_text_init(&text, w->arena);
    sl_text_append(&text, "core.func @main(%%x: tensor<B x 1999 x 97 x f32>, %%r: tensor<B x 1999 x 70 x f32>) -> (tensor<B x 1999 x 70 x f32>) {\n");
    constant(&text, "w", 97, 70);
    sl_text_append(&text, "  %%c = tensor.contract(%%x, %%w) {left_batch = ints[], left_sum = ints[2], right_batch = ints[], right_sum = ints[0]} : (tensor<B x 1999 x 97 x f32>, tensor<97 x 70 x f32>) -> tensor<B x 1999 x 70 x f32>\n"
                          "  %%y = arith.add(%%c, %%r) : (tensor<B x 1999 x 70 x f32>, tensor<B x 1999 x 70 x f32>) -> tensor<B x 1999 x 70 x f32>\n  core.return(%%y) : (tensor<B x 1999 x 70 x f32>)\n}\n");
    subject *s = new_subject(w, "many rows", text.data, 2, 0);
    for (int64_t b = 0; b < 3; b++) RUN(s, b == 2, 3, 3, 0, b, 1999, 97, b, 1999, 70);
    return s;
}

/* Both operands the other way round in memory, summed over their first and last axes. */
static subject *transposed_product(world *w, int rows) {
    subject *s = new_subject(w, "transposed operands", "core.func @main(%x: tensor<13 x M x f32>, %w: tensor<27 x 13 x f32>) -> (tensor<M x 27 x f32>) {\n"
        "  %c = tensor.contract(%x, %w) {left_batch = ints[], left_sum = ints[0], right_batch = ints[], right_sum = ints[1]} : (tensor<13 x M x f32>, tensor<27 x 13 x f32>) -> tensor<M x 27 x f32>\n"
        "  core.return(%c) : (tensor<M x 27 x f32>)\n}\n", 2, 0);
    for (int64_t m = 1; m <= 3 * rows; m++) RUN(s, m % 4 == 3 ? FILL_SPECIAL : FILL_RANDOM, 2, 2, 0, 13, m, 27, 13);
    return s;
}

/* Softmax, a sum and a largest element of every width up to three unrolled steps. */
static subject *rows_of(world *w, int lanes) {
    subject *s = new_subject(w, "rows", "core.func @main(%x: tensor<M x K x f32>) -> (tensor<M x K x f32>, tensor<M x f32>, tensor<K x f32>) {\n"
        "  %m = tensor.reduce(%x) {axes = ints[1], kind = \"max\"} : (tensor<M x K x f32>) -> tensor<M x f32>\n"
        "  %m1 = tensor.reshape(%m) : (tensor<M x f32>) -> tensor<M x 1 x f32>\n"
        "  %mb = tensor.broadcast(%m1) : (tensor<M x 1 x f32>) -> tensor<M x K x f32>\n"
        "  %d = arith.sub(%x, %mb) : (tensor<M x K x f32>, tensor<M x K x f32>) -> tensor<M x K x f32>\n"
        "  %e = arith.exp(%d) : (tensor<M x K x f32>) -> tensor<M x K x f32>\n"
        "  %t = tensor.reduce(%e) {axes = ints[1], kind = \"sum\"} : (tensor<M x K x f32>) -> tensor<M x f32>\n"
        "  %t1 = tensor.reshape(%t) : (tensor<M x f32>) -> tensor<M x 1 x f32>\n"
        "  %tb = tensor.broadcast(%t1) : (tensor<M x 1 x f32>) -> tensor<M x K x f32>\n"
        "  %y = arith.div(%e, %tb) : (tensor<M x K x f32>, tensor<M x K x f32>) -> tensor<M x K x f32>\n"
        "  %a = tensor.reduce(%x) {axes = ints[1], kind = \"sum\"} : (tensor<M x K x f32>) -> tensor<M x f32>\n"
        "  %b = tensor.reduce(%x) {axes = ints[0], kind = \"max\"} : (tensor<M x K x f32>) -> tensor<K x f32>\n"
        "  core.return(%y, %a, %b) : (tensor<M x K x f32>, tensor<M x f32>, tensor<K x f32>)\n}\n", 1, 2e-5);
    for (int64_t k = 1; k <= 3 * 4 * lanes; k++) RUN(s, k % 7 == 6 ? FILL_SPECIAL : FILL_RANDOM, 2, 0, 0, 3, k);
    for (int64_t m = 1; m <= 3 * lanes; m++) RUN(s, m % 7 == 6 ? FILL_SPECIAL : FILL_RANDOM, 2, 0, 0, m, 18);
    return s;
}

static subject *attention_of(world *w, int columns) {
    subject *s = new_subject(w, "attention", "core.func @main(%q: tensor<S x 10 x f32>, %k: tensor<T x 10 x f32>, %v: tensor<T x 9 x f32>) -> (tensor<S x 9 x f32>) {\n"
        "  %s = tensor.contract(%q, %k) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[1]} : (tensor<S x 10 x f32>, tensor<T x 10 x f32>) -> tensor<S x T x f32>\n"
        "  %m = tensor.reduce(%s) {axes = ints[1], kind = \"max\"} : (tensor<S x T x f32>) -> tensor<S x f32>\n"
        "  %m1 = tensor.reshape(%m) : (tensor<S x f32>) -> tensor<S x 1 x f32>\n"
        "  %mb = tensor.broadcast(%m1) : (tensor<S x 1 x f32>) -> tensor<S x T x f32>\n"
        "  %d = arith.sub(%s, %mb) : (tensor<S x T x f32>, tensor<S x T x f32>) -> tensor<S x T x f32>\n"
        "  %e = arith.exp(%d) : (tensor<S x T x f32>) -> tensor<S x T x f32>\n"
        "  %t = tensor.reduce(%e) {axes = ints[1], kind = \"sum\"} : (tensor<S x T x f32>) -> tensor<S x f32>\n"
        "  %t1 = tensor.reshape(%t) : (tensor<S x f32>) -> tensor<S x 1 x f32>\n"
        "  %tb = tensor.broadcast(%t1) : (tensor<S x 1 x f32>) -> tensor<S x T x f32>\n"
        "  %p = arith.div(%e, %tb) : (tensor<S x T x f32>, tensor<S x T x f32>) -> tensor<S x T x f32>\n"
        "  %y = tensor.contract(%p, %v) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : (tensor<S x T x f32>, tensor<T x 9 x f32>) -> tensor<S x 9 x f32>\n"
        "  core.return(%y) : (tensor<S x 9 x f32>)\n}\n", 3, 2e-5);
    for (int64_t q = 1; q <= 3 * 12; q++) RUN(s, FILL_RANDOM, 2, 2, 2, q, 10, 21, 10, 21, 9);
    for (int64_t t = 1; t <= 3 * columns; t++) RUN(s, t % 9 == 8 ? FILL_SPECIAL : FILL_RANDOM, 2, 2, 2, 5, 10, t, 10, t, 9);
    return s;
}

/* Reductions of a product's columns, the second chunk of which has `columns`: the matrix is only reduced, or its softmax is wanted, too. Rows in a dim of their own and in two. */
static subject *statistics_of(world *w, int columns, bool stored) {
    sl_text text;
    sl_text_init(&text, w->arena);
    int n = 768 + columns;
    const char *m = sl_arena_printf(w->arena, "tensor<2 x M x %d x f32>", n), *t = "tensor<2 x M x f32>";
    sl_text_append(&text, "core.func @main(%%x: tensor<2 x M x 6 x f32>, %%w: tensor<6 x %d x f32>, %%b: tensor<%d x f32>) -> (%s, %s, %s, %s%s%s) {\n", n, n, t, t, t, t, stored ? ", " : "", stored ? m : "");
    sl_text_append(&text, "  %%p = tensor.contract(%%x, %%w) {left_batch = ints[], left_sum = ints[2], right_batch = ints[], right_sum = ints[0]} : (tensor<2 x M x 6 x f32>, tensor<6 x %d x f32>) -> %s\n", n, m);
    sl_text_append(&text, "  %%b1 = tensor.reshape(%%b) : (tensor<%d x f32>) -> tensor<1 x 1 x %d x f32>\n  %%bb = tensor.broadcast(%%b1) : (tensor<1 x 1 x %d x f32>) -> %s\n", n, n, n, m);
    sl_text_append(&text, "  %%s = arith.add(%%p, %%bb) : (%s, %s) -> %s\n  %%max = tensor.reduce(%%s) {axes = ints[2], kind = \"max\"} : (%s) -> %s\n", m, m, m, m, t);
    sl_text_append(&text, "  %%min = tensor.reduce(%%s) {axes = ints[2], kind = \"min\"} : (%s) -> %s\n  %%sum = tensor.reduce(%%s) {axes = ints[2], kind = \"sum\"} : (%s) -> %s\n", m, t, m, t);
    sl_text_append(&text, "  %%sq = arith.mul(%%s, %%s) : (%s, %s) -> %s\n  %%squares = tensor.reduce(%%sq) {axes = ints[2], kind = \"sum\"} : (%s) -> %s\n", m, m, m, m, t);
    sl_text_append(&text, "  %%m1 = tensor.reshape(%%max) : (%s) -> tensor<2 x M x 1 x f32>\n  %%mb = tensor.broadcast(%%m1) : (tensor<2 x M x 1 x f32>) -> %s\n", t, m);
    sl_text_append(&text, "  %%d = arith.sub(%%s, %%mb) : (%s, %s) -> %s\n  %%e = arith.exp(%%d) : (%s) -> %s\n  %%total = tensor.reduce(%%e) {axes = ints[2], kind = \"sum\"} : (%s) -> %s\n", m, m, m, m, m, m, t);
    sl_text_append(&text, "  %%l = arith.log(%%total) : (%s) -> %s\n  %%lse = arith.add(%%l, %%max) : (%s, %s) -> %s\n", t, t, t, t, t);
    if (stored) sl_text_append(&text, "  %%t1 = tensor.reshape(%%total) : (%s) -> tensor<2 x M x 1 x f32>\n  %%tb = tensor.broadcast(%%t1) : (tensor<2 x M x 1 x f32>) -> %s\n  %%y = arith.div(%%e, %%tb) : (%s, %s) -> %s\n", t, m, m, m, m);
    sl_text_append(&text, "  core.return(%%lse, %%min, %%sum, %%squares%s) : (%s, %s, %s, %s%s%s)\n}\n", stored ? ", %y" : "", t, t, t, t, stored ? ", " : "", stored ? m : "");
    subject *s = new_subject(w, sl_arena_printf(w->arena, "statistics of %d columns%s", n, stored ? ", stored" : ""), text.data, 3, 1e-4);
    for (int64_t rows = 1; rows <= 60; rows += rows < 8 ? 1 : 13) RUN(s, rows % 4 == 3 ? FILL_SPECIAL : FILL_RANDOM, 3, 2, 1, 2, rows, 6, 6, n, n);
    return s;
}

/* Channels last, views of one input that start at an odd channel: 3 x 3 windows over 3 channels, a window for each channel, one pixel, two groups. */
typedef enum conv_kind { CONV_WINDOW, CONV_DEPTHWISE, CONV_PIXEL, CONV_GROUPED } conv_kind;

static subject *convolution(world *w, conv_kind kind) {
    static const char *const names[] = {"convolution", "depthwise convolution", "1 x 1 convolution", "grouped convolution"};
    sl_text text, yields, types;
    sl_text_init(&text, w->arena), sl_text_init(&yields, w->arena), sl_text_init(&types, w->arena);
    static const int sizes[] = {2, 3, 5, 8, 16, 17, 31, 33, 48};
    int count = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++, count++) {
        int out = kind == CONV_GROUPED ? sizes[i] + sizes[i] % 2 : sizes[i], in = kind == CONV_DEPTHWISE ? out : kind == CONV_WINDOW ? 3 : kind == CONV_PIXEL ? 13 : 6;
        int groups = kind == CONV_DEPTHWISE ? out : kind == CONV_GROUPED ? 2 : 1, window = kind == CONV_PIXEL ? 1 : 3, pad = window / 2, each = in / groups;
        sl_text_append(&text, "  %%s%d = tensor.slice(%%x) {starts = [expr(0), expr(0), expr(0), expr(1)], steps = ints[1, 1, 1, 1]} : (tensor<1 x 7 x 9 x 49 x f32>) -> tensor<1 x 7 x 9 x %d x f32>\n", count, in);
        sl_text_append(&text, "  %%w%d = core.constant {value = data<tensor<%d x %d x %d x %d x f32>>[", count, window, window, each, out);
        for (int k = 0; k < window * window * each * out; k++) sl_text_append(&text, "%s%.9g", k ? ", " : "", random_number());
        sl_text_append(&text, "]} : () -> tensor<%d x %d x %d x %d x f32>\n", window, window, each, out);
        sl_text_append(&text, "  %%c%d = tensor.conv(%%s%d, %%w%d) {dilations = ints[1, 1], groups = %d, layout = \"nhwc\", pads_high = ints[%d, %d], pads_low = ints[%d, %d], strides = ints[1, 1]} : "
                              "(tensor<1 x 7 x 9 x %d x f32>, tensor<%d x %d x %d x %d x f32>) -> tensor<1 x 7 x 9 x %d x f32>\n", count, count, count, groups, pad, pad, pad, pad, in, window, window, each, out, out);
        sl_text_append(&yields, "%s%%c%d", count ? ", " : "", count);
        sl_text_append(&types, "%stensor<1 x 7 x 9 x %d x f32>", count ? ", " : "", out);
    }
    const char *whole = sl_arena_printf(w->arena, "core.func @main(%%x: tensor<1 x 7 x 9 x 49 x f32>) -> (%s) {\n%s  core.return(%s) : (%s)\n}\n", types.data, text.data, yields.data, types.data);
    subject *s = new_subject(w, names[kind], whole, 1, 0);
    s->rounding = 2e-5;
    RUN(s, FILL_RANDOM, 4, 0, 0, 1, 7, 9, 49);
    RUN(s, FILL_SPECIAL, 4, 0, 0, 1, 7, 9, 49);
    return s;
}

/* Channels last and in whole blocks, which are summed one after the other: tails of pixels and columns, steps, distances, groups, images. */
static subject *blocked_convolutions(world *w) {
    static const struct { int in, out, kernel, step, dilation, groups, height, width, low, high; } shapes[] = {
        {32, 5, 3, 1, 1, 1, 5, 7, 1, 1}, {48, 33, 3, 1, 1, 1, 4, 15, 1, 1}, {64, 16, 3, 2, 1, 1, 9, 17, 1, 1}, {32, 70, 3, 1, 2, 1, 8, 31, 2, 2}, {96, 17, 3, 1, 1, 2, 6, 13, 1, 1}, {32, 24, 5, 3, 1, 1, 13, 29, 2, 0},
        {32, 16, 2, 2, 1, 1, 6, 43, 0, 0}, {160, 8, 3, 1, 1, 1, 3, 1, 1, 1}, {32, 3, 3, 1, 1, 1, 1, 44, 1, 1}};
    sl_text text, yields, types;
    sl_text_init(&text, w->arena), sl_text_init(&yields, w->arena), sl_text_init(&types, w->arena);
    int count = (int)(sizeof shapes / sizeof *shapes);
    for (int i = 0; i < count; i++) {
        int in = shapes[i].in, out = shapes[i].out, kernel = shapes[i].kernel, step = shapes[i].step, dilation = shapes[i].dilation, groups = shapes[i].groups, pads = shapes[i].low + shapes[i].high;
        int height = shapes[i].height, width = shapes[i].width, span = dilation * (kernel - 1) + 1, y = (height + pads - span) / step + 1, x = (width + pads - span) / step + 1;
        out = out / groups * groups;
        sl_text_append(&text, "  %%s%d = tensor.slice(%%x) {starts = [expr(0), expr(0), expr(0), expr(1)], steps = ints[1, 1, 1, 1]} : (tensor<B x 13 x 44 x 161 x f32>) -> tensor<B x %d x %d x %d x f32>\n", i, height, width, in);
        sl_text_append(&text, "  %%w%d = core.constant {value = data<tensor<%d x %d x %d x %d x f32>>[", i, kernel, kernel, in / groups, out);
        for (int k = 0; k < kernel * kernel * in / groups * out; k++) sl_text_append(&text, "%s%.9g", k ? ", " : "", random_number());
        sl_text_append(&text, "]} : () -> tensor<%d x %d x %d x %d x f32>\n", kernel, kernel, in / groups, out);
        sl_text_append(&text, "  %%c%d = tensor.conv(%%s%d, %%w%d) {dilations = ints[%d, %d], groups = %d, layout = \"nhwc\", pads_high = ints[%d, %d], pads_low = ints[%d, %d], strides = ints[%d, %d]} : "
                              "(tensor<B x %d x %d x %d x f32>, tensor<%d x %d x %d x %d x f32>) -> tensor<B x %d x %d x %d x f32>\n", i, i, i, dilation, dilation, groups, shapes[i].high, shapes[i].high, shapes[i].low, shapes[i].low,
                       step, step, height, width, in, kernel, kernel, in / groups, out, y, x, out);
        sl_text_append(&yields, "%s%%c%d", i ? ", " : "", i);
        sl_text_append(&types, "%stensor<B x %d x %d x %d x f32>", i ? ", " : "", y, x, out);
    }
    const char *whole = sl_arena_printf(w->arena, "core.func @main(%%x: tensor<B x 13 x 44 x 161 x f32>) -> (%s) {\n%s  core.return(%s) : (%s)\n}\n", types.data, text.data, yields.data, types.data);
    subject *s = new_subject(w, "blocked convolutions", whole, 1, 0);
    RUN(s, FILL_RANDOM, 4, 0, 0, 1, 13, 44, 161);
    RUN(s, FILL_RANDOM, 4, 0, 0, 2, 13, 44, 161);
    RUN(s, FILL_SPECIAL, 4, 0, 0, 2, 13, 44, 161);
    return s;
}

int main(void) {
    static const target targets[] = {{"x86-64-v4", 16, true}, {"x86-64-v3", 8, true}, {"x86-64", 4, false}, {"aarch64", 4, true}};
    world w;
    open_world(&w);
    sl_kernel_choice choice;
    sl_status status = sl_kernel_choice_parse("tile-rows=3,a=packed,strategy=rows", &choice);
    CHECK(!status && choice.tile_rows == 3 && choice.a == SL_LEFT_PACKED && choice.strategy == SL_STRATEGY_ROWS && choice.b == 0);
    static const char *const wrong[] = {"frob", "a", "a=", "a=frob", "tile-rows=0", "tile-rows=31", "tile-rows=2x", "k-block=99999999999", "a=direct,,b=direct", "=", "strategy=contract=rows"};
    for (int i = 0; i < COUNT(wrong); i++) {
        status = sl_kernel_choice_parse(wrong[i], &choice);
        CHECK(status && sl_status_code(status) == SL_INVALID_ARGUMENT && (strstr(sl_status_message(status), "known are") || strstr(sl_status_message(status), "it takes")));
        sl_status_free(status);
    }
    sl_machine host;
    sl_machine_detect(w.arena, &host);
    sl_guard guard;
    if (!SL_GUARD_ENTER(&guard)) return 1;
    for (int i = 0; i < COUNT(targets); i++) {
        const target *t = &targets[i];
        sl_machine machine;
        CHECK(sl_machine_named(w.arena, t->name, &machine));
        if (sl_machine_lacks(&machine, &host)) continue;
        srand(7);
        static const variant inputs[] = {{"", NULL}, {"tile-rows=3,tile-vectors=2", "tile 3x"}, {"tile-rows=1,tile-vectors=1", "tile 1x"}, {"tile-rows=4,tile-vectors=3", "tile 4x"},
            {"b=direct", "columns in place"}, {"a=direct", "rows in place"}, {"orientation=swapped", NULL}, {"block-rows=2,tile-rows=2", " 2 rows and"}, {"strategy=contract", "contraction"}};
        try_all(&w, dynamic_product(&w, 4, 3 * t->lanes), t, inputs, COUNT(inputs));
        static const variant columns[] = {{"tile-rows=2,tile-vectors=1,panels=1", "1 panels at once"}, {"tile-rows=3,tile-vectors=2,panels=1", "tile 3x"}, {"panels=3,tile-rows=2,tile-vectors=1", "3 panels at once"}};
        try_all(&w, weights_by_columns(&w, t->lanes), t, columns, COUNT(columns));
        static const variant by_rows[] = {{"", NULL}, {"a=packed", "rows packed by task"}, {"a=direct", "rows in place"}, {"tile-rows=2,tile-vectors=1", "tile 2x"}, {"k-block=4", "k in blocks of 4"},
            {"k-block=3,a=packed,tile-rows=3", "k in blocks of 3"}, {"b=direct", "columns in place"}, {"b=packed", "columns packed by task"}, {"block-rows=3,tile-rows=2", "3 rows and"}};
        try_all(&w, weights_by_rows_and_terms(&w, 4), t, by_rows, COUNT(by_rows));
        static const variant many[] = {{"", "the weights stay in L2"}, {"tile-rows=5,tile-vectors=1", "the weights stay in L2"}, {"block-rows=40", NULL}};
        try_all(&w, many_rows(&w), t, many, COUNT(many));
        static const variant sides[] = {{"", NULL}, {"b=packed", "columns packed by task"}, {"orientation=swapped", NULL}, {"orientation=swapped,tile-rows=2", NULL}};
        try_all(&w, transposed_product(&w, 6), t, sides, COUNT(sides));
        static const variant rows[] = {{"", NULL}, {"row-lanes=inside", "lanes along the row"}, {"row-lanes=across", "lanes along a row loop"}, {"row-lanes=none", "lanes along nothing"}, {"fusion=off", NULL},
            {"strategy=general", NULL}, {"strategy=rows", "rows: "}};
        try_all(&w, rows_of(&w, t->lanes), t, rows, COUNT(rows));
        static const variant attention[] = {{"attention=off", NULL}, {"attention=on", "one pass over the keys"}, {"attention=on,queries=5,keys=16", "5 queries a task"}};
        if (t->fma) try_all(&w, attention_of(&w, 2 * t->lanes), t, attention, COUNT(attention));
        static const variant statistics[] = {{"statistics=off", NULL}, {"statistics=on", "chunk of 768 columns, which are not stored"}, {"statistics=on,tile-rows=2,tile-vectors=1,block-rows=4", "chunk of 768 columns"},
            {"statistics=on,k-block=2", "chunk of 768 columns"}, {"statistics=on,strategy=rows", NULL}}, stored[] = {{"statistics=on", "chunk of 768 columns"}};
        try_all(&w, statistics_of(&w, 29, false), t, statistics, t->fma ? COUNT(statistics) : 2);
        try_all(&w, statistics_of(&w, -700, false), t, statistics, 2);
        try_all(&w, statistics_of(&w, 4 * t->lanes, true), t, stored, COUNT(stored));
        static const variant convolutions[] = {{"", NULL}, {"strategy=contract", "contraction"}, {"strategy=rows", "rows: ", true}, {"strategy=general", NULL}, {"strategy=contract,tile-rows=2,tile-vectors=1", "contraction"}};
        try_all(&w, convolution(&w, CONV_WINDOW), t, convolutions, COUNT(convolutions));
        try_all(&w, convolution(&w, CONV_PIXEL), t, convolutions, COUNT(convolutions));
        try_all(&w, convolution(&w, CONV_GROUPED), t, convolutions, COUNT(convolutions));
        static const variant blocked[] = {{"", "blocks of channels"}, {"strategy=contract,orientation=swapped", "contraction"}, {"strategy=contract,b=direct,a=packed", "contraction"}, {"strategy=general", NULL}};
        try_all(&w, blocked_convolutions(&w), t, blocked, COUNT(blocked));
        static const variant depthwise[] = {{"strategy=depthwise", "depthwise"}, {"strategy=rows", "rows: ", true}, {"strategy=general", NULL}};
        try_all(&w, convolution(&w, CONV_DEPTHWISE), t, depthwise, COUNT(depthwise));
    }
    sl_guard_leave(&guard);
    printf("%d programs\n", w.compiled);
    CHECK(w.compiled >= 30);
    close_world(&w);
    return check_result();
}
