/* import_window.c: convolutions and poolings: geometry, Conv, ConvTranspose, *Pool, MaxUnpool, Col2Im.
 *
 * Padding known while importing goes into the op. Padding that depends on symbolic sizes (auto_pad SAME with strides, ceil_mode) is a tensor.pad of
 * its own in front. Ceil mode is nothing but more padding at the end. */
#include "import_internal.h"
#include <math.h>
#include <string.h>

/* ---- geometry ---- */

#define MAX_PAD (INT64_C(1) << 32)     /* keeps sums of sizes far from overflow */

void im_window_read(im_node *n, sl_value *x, const int64_t *kernel, im_window *w)
{
    memset(w, 0, sizeof *w);
    im_need_rank(n, x, "the input", 3, -1);
    sl_context *context = n->context;
    int spatial = w->spatial = im_rank(x) - 2;
    int64_t pads[2 * SL_MAX_RANK];
    memcpy(w->kernel, kernel, sizeof(int64_t) * (size_t)spatial);
    int strides = im_ints(n, "strides", w->strides, SL_MAX_RANK), dilations = im_ints(n, "dilations", w->dilations, SL_MAX_RANK);
    int pad_count = im_ints(n, "pads", pads, 2 * SL_MAX_RANK);
    if ((strides >= 0 && strides != spatial) || (dilations >= 0 && dilations != spatial) || (pad_count >= 0 && pad_count != 2 * spatial))
        im_fail(n, "strides, dilations or pads do not fit %d spatial dims", spatial);
    for (int i = 0; i < pad_count; i++)
        if (pads[i] > MAX_PAD || pads[i] < -MAX_PAD) im_fail(n, "a padding of %lld is not possible", (long long)pads[i]);
    const char *auto_pad = im_string(n, "auto_pad", "NOTSET");
    bool same_upper = !strcmp(auto_pad, "SAME_UPPER"), same_lower = !strcmp(auto_pad, "SAME_LOWER");
    bool ceil_mode = im_bool(n, "ceil_mode", false);
    if (!same_upper && !same_lower && strcmp(auto_pad, "NOTSET") && strcmp(auto_pad, "VALID") && auto_pad[0]) im_fail(n, "auto_pad '%s' is not supported", auto_pad);
    for (int i = 0; i < spatial; i++) {
        if (strides < 0) w->strides[i] = 1;
        if (dilations < 0) w->dilations[i] = 1;
        if (w->strides[i] <= 0 || w->dilations[i] <= 0 || w->kernel[i] <= 0) im_fail(n, "kernel sizes, strides and dilations must be positive");
        if (w->kernel[i] > (1 << 20) || w->dilations[i] > (1 << 20) || w->strides[i] > (1 << 20)) im_fail(n, "kernel, stride or dilation is too large");
        int64_t extent = (w->kernel[i] - 1) * w->dilations[i] + 1, s = w->strides[i];
        sl_expr size = im_dim(x, i + 2), zero = im_expr(n, 0), low = zero, high = zero;
        w->ceil_extra[i] = zero;
        if (same_upper || same_lower) {
            sl_expr total;
            if (s == 1) {
                total = im_expr(n, extent - 1);
            } else {
                sl_expr steps = sl_expr_sub(context, sl_expr_ceildiv(context, size, im_expr(n, s)), im_expr(n, 1));
                sl_expr needed = sl_expr_add(context, sl_expr_mul(context, steps, im_expr(n, s)), im_expr(n, extent));
                total = sl_expr_max(context, sl_expr_sub(context, needed, size), zero);
            }
            sl_expr half = sl_expr_floordiv(context, total, im_expr(n, 2)), rest = sl_expr_sub(context, total, half);
            low = same_upper ? half : rest;
            high = same_upper ? rest : half;
        } else if (pad_count >= 0 && strcmp(auto_pad, "VALID") != 0) {
            low = im_expr(n, pads[i]);
            high = im_expr(n, pads[spatial + i]);
        }
        if (ceil_mode) {
            /* Windows beyond: ceil((size + low + high - extent) / s), less one when the last would start in the padding behind. */
            sl_expr padded = sl_expr_add(context, size, sl_expr_add(context, low, high));
            sl_expr steps = sl_expr_ceildiv(context, sl_expr_sub(context, padded, im_expr(n, extent)), im_expr(n, s));
            sl_expr most = sl_expr_floordiv(context, sl_expr_sub(context, sl_expr_add(context, size, low), im_expr(n, 1)), im_expr(n, s));
            steps = sl_expr_min(context, steps, most);
            sl_expr needed = sl_expr_add(context, sl_expr_mul(context, steps, im_expr(n, s)), im_expr(n, extent));
            w->ceil_extra[i] = sl_expr_max(context, sl_expr_sub(context, needed, padded), zero);
            high = sl_expr_add(context, high, w->ceil_extra[i]);
        }
        w->pad_low[i] = low;
        w->pad_high[i] = high;
        if (!sl_expr_is_const(low, &w->low[i]) || !sl_expr_is_const(high, &w->high[i])) w->symbolic = true;
    }
}

/* Pads x's spatial dims by an op of its own; the window then has none left. */
static sl_value *pad_spatial(im_node *n, sl_value *x, sl_value *fill, im_window *w)
{
    sl_expr low[SL_MAX_RANK], high[SL_MAX_RANK];
    for (int i = 0; i < im_rank(x); i++) {
        low[i] = i < 2 ? im_expr(n, 0) : w->pad_low[i - 2];
        high[i] = i < 2 ? im_expr(n, 0) : w->pad_high[i - 2];
        if (i >= 2) w->low[i - 2] = w->high[i - 2] = 0;
    }
    w->symbolic = false;
    return im_pad(n, x, fill, low, high, "constant");
}

static double lowest(im_node *n, sl_element element, bool highest)
{
    if (sl_element_is_float(element)) return highest ? INFINITY : -INFINITY;
    if (element == SL_ELEMENT_i1) return highest;
    int bits = sl_element_bits(element);
    if (!sl_element_is_signed(element)) return highest ? ldexp(1, bits) - 1 : 0;
    if (bits == 64) im_fail(n, "pooling of i64 with symbolic padding is not supported");
    return highest ? ldexp(1, bits - 1) - 1 : -ldexp(1, bits - 1);
}

static void window_attrs(im_node *n, const im_window *w, im_attrs *attrs)
{
    im_attr(attrs, "strides", sl_attr_ints(n->context, w->spatial, w->strides));
    im_attr(attrs, "dilations", sl_attr_ints(n->context, w->spatial, w->dilations));
    im_attr(attrs, "pads_low", sl_attr_ints(n->context, w->spatial, w->low));
    im_attr(attrs, "pads_high", sl_attr_ints(n->context, w->spatial, w->high));
}

sl_value *im_conv(im_node *n, sl_value *x, sl_value *weights, const im_window *window, int64_t groups, sl_element result)
{
    im_window w = *window;
    if (w.symbolic) x = pad_spatial(n, x, im_like(n, x, 0), &w);
    im_attrs attrs = {0};
    window_attrs(n, &w, &attrs);
    im_attr(&attrs, "groups", sl_attr_int(n->context, groups));
    if (result != SL_ELEMENT_COUNT && result != im_element(x)) im_attr(&attrs, "result_element", sl_attr_type(n->context, sl_type_scalar(n->context, result)));
    return im_op1(n, SL_OP_tensor_conv, 2, (sl_value *[]){x, weights}, &attrs);
}

sl_value *im_pool(im_node *n, sl_value *x, const char *kind, const im_window *window)
{
    im_window w = *window;
    if (w.symbolic) x = pad_spatial(n, x, im_like(n, x, kind[0] == 's' ? 0 : lowest(n, im_element(x), kind[1] == 'i')), &w);
    im_attrs attrs = {0};
    im_attr(&attrs, "kind", sl_attr_string(n->context, kind));
    im_attr(&attrs, "window", sl_attr_ints(n->context, w.spatial, w.kernel));
    window_attrs(n, &w, &attrs);
    return im_op1(n, SL_OP_tensor_pool, 1, &x, &attrs);
}

/* ---- Conv ---- */

static void conv_kernel(im_node *n, const sl_value *x, const sl_value *w, int64_t *kernel)
{
    im_need_rank(n, x, "the input", 3, -1);
    if (im_rank(w) != im_rank(x)) im_fail(n, "the weights have rank %d, the input rank %d", im_rank(w), im_rank(x));
    int64_t listed[SL_MAX_RANK];
    int count = im_ints(n, "kernel_shape", listed, SL_MAX_RANK);
    for (int i = 2; i < im_rank(w); i++) {
        kernel[i - 2] = im_static_dim(n, w, i, "the kernel");
        if (count >= 0 && (count != im_rank(w) - 2 || listed[i - 2] != kernel[i - 2])) im_fail(n, "attribute 'kernel_shape' does not fit the weights");
    }
}

static sl_value *add_bias(im_node *n, sl_value *y, int operand)
{
    if (!im_has(n, operand)) return y;
    sl_value *bias = im_in(n, operand);
    im_need_rank(n, bias, "the bias", 1, 1);
    return im_add(n, y, im_unsqueeze_to(n, bias, im_rank(y), 1));
}

void im_op_conv(im_node *n)
{
    sl_value *x = im_in(n, 0), *w = im_in(n, 1);
    int64_t kernel[SL_MAX_RANK], groups = im_int(n, "group", 1);
    conv_kernel(n, x, w, kernel);
    int64_t channels = sl_type_static_dim(sl_value_type(x), 1), each = sl_type_static_dim(sl_value_type(w), 1), out = sl_type_static_dim(sl_value_type(w), 0);
    if (groups <= 0 || (channels >= 0 && each >= 0 && channels != each * groups) || (out >= 0 && out % groups))
        im_fail(n, "%lld channels, weights for %lld a group and %lld groups do not fit", (long long)channels, (long long)each, (long long)groups);
    im_window window;
    im_window_read(n, x, kernel, &window);
    im_out(n, 0, add_bias(n, im_conv(n, x, w, &window, groups, SL_ELEMENT_COUNT), 2));
}

/* Weights C x M/groups x kernel as those of the equivalent correlation: M x C/groups x kernel, each kernel mirrored. */
static sl_value *transposed_weights(im_node *n, sl_value *w, int64_t groups)
{
    int rank = im_rank(w);
    for (int i = 2; i < rank; i++)
        if (!im_is_one(im_dim(w, i))) w = im_flip(n, w, i);
    if (groups == 1) return im_swap(n, w, 0, 1);
    sl_expr dims[SL_MAX_RANK + 1], each = sl_expr_divide_exact(n->context, im_dim(w, 0), im_expr(n, groups));
    if (!each) im_fail(n, "the channels do not divide by %lld groups", (long long)groups);
    sl_expr out = im_dim(w, 1);
    dims[0] = im_expr(n, groups);
    dims[1] = each;
    dims[2] = out;
    for (int i = 2; i < rank; i++) dims[i + 1] = im_dim(w, i);
    w = im_swap(n, im_reshape(n, w, rank + 1, dims), 1, 2);
    dims[0] = sl_expr_mul(n->context, out, im_expr(n, groups));
    dims[1] = each;
    for (int i = 2; i < rank; i++) dims[i] = im_dim(w, i + 1);
    return im_reshape(n, w, rank, dims);
}

/* x with stride - 1 zeros between neighbours along the spatial axes. */
static sl_value *spread_out(im_node *n, sl_value *x, const int64_t *strides)
{
    for (int i = 0; i < im_rank(x) - 2; i++) {
        if (strides[i] == 1) continue;
        int axis = i + 2, rank = im_rank(x);
        sl_expr low[SL_MAX_RANK + 1], high[SL_MAX_RANK + 1], dims[SL_MAX_RANK], size = im_dim(x, axis);
        sl_value *wide = im_unsqueeze(n, x, axis + 1);
        for (int d = 0; d <= rank; d++) low[d] = im_expr(n, 0), high[d] = im_expr(n, d == axis + 1 ? strides[i] - 1 : 0);
        wide = im_pad(n, wide, im_like(n, x, 0), low, high, "constant");
        sl_expr all = sl_expr_mul(n->context, size, im_expr(n, strides[i]));
        for (int d = 0; d < rank; d++) dims[d] = d == axis ? all : im_dim(x, d);
        x = im_slice_axis(n, im_reshape(n, wide, rank, dims), axis, im_expr(n, 0), sl_expr_sub(n->context, all, im_expr(n, strides[i] - 1)), 1);
    }
    return x;
}

/* Kernel equal to stride, no padding: every input element makes its own block, so it is a product and a shuffle. */
static sl_value *block_transpose(im_node *n, sl_value *x, sl_value *w, const im_window *g)
{
    int s = g->spatial, perm[SL_MAX_RANK];
    if (2 + 2 * s > SL_MAX_RANK) im_fail(n, "too many spatial dims");
    sl_value *y = im_contract(n, x, w, &(im_contraction){.result = SL_ELEMENT_COUNT, .sum_count = 1, .left_sum = {1}, .right_sum = {0}});
    /* N x spatial x M x kernel -> N x M x (spatial, kernel)... */
    sl_expr dims[SL_MAX_RANK] = {im_dim(x, 0), im_dim(w, 1)};
    perm[0] = 0;
    perm[1] = s + 1;
    for (int i = 0; i < s; i++) {
        perm[2 + 2 * i] = 1 + i;
        perm[3 + 2 * i] = s + 2 + i;
        dims[2 + i] = sl_expr_mul(n->context, im_dim(x, 2 + i), im_expr(n, g->kernel[i]));
    }
    return im_reshape(n, im_transpose(n, y, perm), 2 + s, dims);
}

void im_op_conv_transpose(im_node *n)
{
    sl_value *x = im_in(n, 0), *w = im_in(n, 1);
    int64_t kernel[SL_MAX_RANK], groups = im_int(n, "group", 1), more[SL_MAX_RANK], shape[SL_MAX_RANK], pads[2 * SL_MAX_RANK];
    conv_kernel(n, x, w, kernel);
    int spatial = im_rank(x) - 2;
    im_window g = {.spatial = spatial};
    memcpy(g.kernel, kernel, sizeof kernel);
    int strides = im_ints(n, "strides", g.strides, SL_MAX_RANK), dilations = im_ints(n, "dilations", g.dilations, SL_MAX_RANK);
    int more_count = im_ints(n, "output_padding", more, SL_MAX_RANK), shape_count = im_ints(n, "output_shape", shape, SL_MAX_RANK);
    int pad_count = im_ints(n, "pads", pads, 2 * SL_MAX_RANK);
    const char *auto_pad = im_string(n, "auto_pad", "NOTSET");
    bool same = !strncmp(auto_pad, "SAME", 4), upper = !strcmp(auto_pad, "SAME_UPPER"), blocks = groups == 1;
    if ((strides >= 0 && strides != spatial) || (dilations >= 0 && dilations != spatial) || (more_count >= 0 && more_count != spatial) ||
        (pad_count >= 0 && pad_count != 2 * spatial))
        im_fail(n, "strides, dilations, pads or output_padding do not fit %d spatial dims", spatial);
    if (shape_count >= 0 && shape_count != spatial && shape_count != spatial + 2) im_fail(n, "attribute 'output_shape' must have %d entries", spatial);
    if (shape_count == spatial + 2) memmove(shape, shape + 2, sizeof(int64_t) * (size_t)spatial);
    for (int i = 0; i < spatial; i++) {
        if (strides < 0) g.strides[i] = 1;
        if (dilations < 0) g.dilations[i] = 1;
        if (g.strides[i] <= 0 || g.dilations[i] <= 0 || g.strides[i] > MAX_PAD || g.dilations[i] > MAX_PAD || kernel[i] > MAX_PAD / g.dilations[i])
            im_fail(n, "strides and dilations must be positive, the kernel must have a size");
        int64_t given[4] = {more_count >= 0 ? more[i] : 0, shape_count > i ? shape[i] : 0, pad_count >= 0 ? pads[i] : 0, pad_count >= 0 ? pads[spatial + i] : 0};
        for (int k = 0; k < 4; k++)
            if (given[k] > MAX_PAD || given[k] < -MAX_PAD) im_fail(n, "output_padding, output_shape or pads are out of range");
        int64_t extent = (kernel[i] - 1) * g.dilations[i] + 1, extra = more_count >= 0 ? more[i] : 0, low = 0, high = 0;
        if (shape_count >= 0 || same) {
            int64_t total = extra + extent - g.strides[i];        /* for an output of size * stride */
            if (shape_count >= 0) {
                int64_t size = im_static_dim(n, x, i + 2, "output_shape");
                if (size > MAX_PAD / g.strides[i]) im_fail(n, "the input is too large");
                total = g.strides[i] * (size - 1) + extra + extent - shape[i];
            }
            if (total < 0) {                                      /* the output is larger than what the kernel reaches: zeros behind */
                extra -= total;
                total = 0;
            }
            low = upper ? total / 2 : total - total / 2;
            if (!same) low = total / 2;
            high = total - low;
        } else if (pad_count >= 0 && strcmp(auto_pad, "VALID") != 0) {
            low = pads[i];
            high = pads[spatial + i];
        }
        blocks &= kernel[i] == g.strides[i] && g.dilations[i] == 1 && low == 0 && high == 0 && extra == 0;
        g.low[i] = extent - 1 - low;
        g.high[i] = extent - 1 - high + extra;
    }
    if (blocks) {
        im_out(n, 0, add_bias(n, block_transpose(n, x, w, &g), 2));
        return;
    }
    x = spread_out(n, x, g.strides);
    for (int i = 0; i < spatial; i++) g.strides[i] = 1;
    im_out(n, 0, add_bias(n, im_conv(n, x, transposed_weights(n, w, groups), &g, groups, SL_ELEMENT_COUNT), 2));
}

/* ---- poolings ---- */

static void pool_window(im_node *n, sl_value *x, im_window *w)
{
    int64_t kernel[SL_MAX_RANK];
    im_need_rank(n, x, "the input", 3, -1);
    if (im_ints(n, "kernel_shape", kernel, SL_MAX_RANK) != im_rank(x) - 2) im_fail(n, "attribute 'kernel_shape' must have %d entries", im_rank(x) - 2);
    im_window_read(n, x, kernel, w);
}

/* How many elements the average of each window counts, as 1 x 1 x spatial, or a scalar when all windows count the same. */
static sl_value *window_counts(im_node *n, sl_value *x, const im_window *w, bool include_pad)
{
    double whole = 1;
    bool plain = true;
    for (int i = 0; i < w->spatial; i++) {
        whole *= (double)w->kernel[i];
        plain &= include_pad ? sl_expr_equals_const(w->ceil_extra[i], 0) : sl_expr_equals_const(w->pad_low[i], 0) && sl_expr_equals_const(w->pad_high[i], 0);
    }
    if (plain) return im_like(n, x, whole);
    /* Pool ones: padding that does not count is what the pooling itself pads. */
    sl_expr dims[SL_MAX_RANK] = {im_expr(n, 1), im_expr(n, 1)};
    im_window counted = *w;
    counted.symbolic = true;
    for (int i = 0; i < w->spatial; i++) {
        dims[i + 2] = im_dim(x, i + 2);
        if (!include_pad) continue;
        sl_expr padding = sl_expr_add(n->context, w->pad_low[i], sl_expr_sub(n->context, w->pad_high[i], w->ceil_extra[i]));
        dims[i + 2] = sl_expr_add(n->context, dims[i + 2], padding);
        counted.pad_low[i] = im_expr(n, 0);
        counted.pad_high[i] = w->ceil_extra[i];
    }
    return im_pool(n, im_fill(n, im_like(n, x, 1), im_rank(x), dims), "sum", &counted);
}

void im_op_average_pool(im_node *n)
{
    sl_value *x = im_in(n, 0);
    im_window w;
    pool_window(n, x, &w);
    im_out(n, 0, im_div(n, im_pool(n, x, "sum", &w), window_counts(n, x, &w, im_bool(n, "count_include_pad", false))));
}

void im_op_lp_pool(im_node *n)
{
    sl_value *x = im_in(n, 0), *a = im_unary(n, SL_OP_arith_abs, x);
    im_window w;
    pool_window(n, x, &w);
    double p = im_param(n, "p") && im_param(n, "p")->kind == SL_PARAM_FLOAT ? im_float(n, "p", 2) : (double)im_int(n, "p", 2);
    sl_value *sum = im_pool(n, p == 1 ? a : p == 2 ? im_mul(n, x, x) : im_binary_with(n, SL_OP_arith_pow, a, p), "sum", &w);
    im_out(n, 0, p == 1 ? sum : p == 2 ? im_unary(n, SL_OP_arith_sqrt, sum) : im_binary_with(n, SL_OP_arith_pow, sum, 1 / p));
}

/* Values and flat positions: a running maximum over the kernel's offsets, each a strided slice of the padded input. */
static void max_pool_indices(im_node *n, sl_value *x, const im_window *window)
{
    im_window w = *window;
    int spatial = w.spatial, rank = spatial + 2;
    sl_context *context = n->context;
    sl_value *padded = pad_spatial(n, x, im_like(n, x, lowest(n, im_element(x), false)), &w);
    sl_expr starts[SL_MAX_RANK], sizes[SL_MAX_RANK];
    int64_t steps[SL_MAX_RANK] = {1, 1}, offsets = 1;
    for (int i = 0; i < rank; i++) starts[i] = im_expr(n, 0), sizes[i] = im_dim(x, i);
    for (int i = 0; i < spatial; i++) {
        sl_expr span = sl_expr_sub(context, im_dim(padded, i + 2), im_expr(n, (w.kernel[i] - 1) * w.dilations[i] + 1));
        sizes[i + 2] = sl_expr_add(context, sl_expr_floordiv(context, span, im_expr(n, w.strides[i])), im_expr(n, 1));
        steps[i + 2] = w.strides[i];
        offsets *= w.kernel[i];
        if (offsets > 1024) im_fail(n, "indices of windows with more than 1024 elements are not supported");
    }
    /* Step of the flat position along each axis: row-major, or with the spatial axes column-major. */
    sl_expr scale[SL_MAX_RANK], product = im_expr(n, 1);
    bool column_major = im_int(n, "storage_order", 0) == 1;
    for (int k = 0; k < spatial; k++) {
        int i = column_major ? k + 2 : rank - 1 - k;
        scale[i] = product;
        product = sl_expr_mul(context, product, im_dim(x, i));
    }
    scale[1] = product;
    scale[0] = sl_expr_mul(context, product, im_dim(x, 1));
    sl_value *base = NULL;
    for (int i = 0; i < rank; i++) {
        sl_value *at = im_iota1(n, SL_ELEMENT_i64, sizes[i]);
        if (i >= 2) {
            at = im_binary_with(n, SL_OP_arith_mul, at, (double)w.strides[i - 2]);
            at = im_sub(n, at, im_from_dim(n, window->pad_low[i - 2]));
        }
        at = im_unsqueeze_to(n, im_mul(n, at, im_from_dim(n, scale[i])), rank, i);
        base = base ? im_add(n, base, at) : at;
    }
    sl_value *best = NULL, *where = NULL;
    for (int64_t offset = 0; offset < offsets; offset++) {
        int64_t rest = offset;
        sl_expr shift = im_expr(n, 0);
        for (int i = spatial - 1; i >= 0; i--) {
            int64_t k = rest % w.kernel[i] * w.dilations[i];
            rest /= w.kernel[i];
            starts[i + 2] = im_expr(n, k);
            shift = sl_expr_add(context, shift, sl_expr_mul(context, im_expr(n, k), scale[i + 2]));
        }
        sl_value *candidate = im_slice(n, padded, starts, sizes, steps), *at = im_add(n, base, im_from_dim(n, shift));
        sl_value *better = best ? im_compare(n, "gt", candidate, best) : NULL;
        best = best ? im_select(n, better, candidate, best) : candidate;
        where = where ? im_select(n, better, at, where) : at;
    }
    im_out(n, 0, best);
    im_out(n, 1, im_broadcast(n, where, rank, sizes));
}

void im_op_max_pool(im_node *n)
{
    sl_value *x = im_in(n, 0);
    im_window w;
    pool_window(n, x, &w);
    if (im_wants(n, 1)) max_pool_indices(n, x, &w);
    else im_out(n, 0, im_pool(n, x, "max", &w));
}

/* Values go to the flat positions in the output; those of a larger output_shape are positions in the shape without it. */
void im_op_max_unpool(im_node *n)
{
    sl_value *x = im_in(n, 0), *indices = im_in(n, 1);
    int64_t kernel[SL_MAX_RANK], strides[SL_MAX_RANK], pads[2 * SL_MAX_RANK];
    int rank = im_rank(x), spatial = rank - 2;
    im_need_rank(n, x, "the input", 3, -1);
    if (im_ints(n, "kernel_shape", kernel, SL_MAX_RANK) != spatial) im_fail(n, "attribute 'kernel_shape' must have %d entries", spatial);
    int stride_count = im_ints(n, "strides", strides, SL_MAX_RANK), pad_count = im_ints(n, "pads", pads, 2 * SL_MAX_RANK);
    if ((stride_count >= 0 && stride_count != spatial) || (pad_count >= 0 && pad_count != 2 * spatial)) im_fail(n, "strides or pads do not fit");
    sl_expr dims[SL_MAX_RANK], flat, wanted[64];
    for (int i = 0; i < rank; i++) {
        dims[i] = im_dim(x, i);
        if (i < 2) continue;
        int64_t stride = stride_count >= 0 ? strides[i - 2] : 1, before = pad_count >= 0 ? pads[i - 2] : 0, behind_x = pad_count >= 0 ? pads[i - 2 + spatial] : 0;
        if (kernel[i - 2] > MAX_PAD || kernel[i - 2] < 0 || before > MAX_PAD || before < -MAX_PAD || behind_x > MAX_PAD || behind_x < -MAX_PAD) im_fail(n, "kernel or pads are out of range");
        int64_t pad = before + behind_x;
        dims[i] = sl_expr_mul(n->context, sl_expr_sub(n->context, dims[i], im_expr(n, 1)), im_expr(n, stride));
        dims[i] = sl_expr_add(n->context, dims[i], im_expr(n, kernel[i - 2] - pad));
    }
    flat = im_product(n, dims, 0, rank);
    sl_expr count = sl_type_count(n->context, sl_value_type(x)), zeros[SL_MAX_RANK], behind[SL_MAX_RANK];
    im_attrs attrs = {0};
    im_attr(&attrs, "axis", sl_attr_int(n->context, 0));
    im_attr(&attrs, "reduction", sl_attr_string(n->context, "none"));
    sl_value *operands[3] = {im_broadcast(n, im_like(n, x, 0), 1, &flat), im_reshape(n, indices, 1, &count), im_reshape(n, x, 1, &count)};
    sl_value *y = im_reshape(n, im_op1(n, SL_OP_tensor_scatter_elements, 3, operands, &attrs), rank, dims);
    if (im_has(n, 2)) {
        if (im_exprs(n, im_in(n, 2), wanted, 64) != rank) im_fail_constant(n, "the output shape");
        for (int i = 0; i < rank; i++) zeros[i] = im_expr(n, 0), behind[i] = sl_expr_sub(n->context, wanted[i], dims[i]);
        y = im_pad(n, y, im_like(n, y, 0), zeros, behind, "constant");
    }
    im_out(n, 0, y);
}

static void global(im_node *n, const char *what)
{
    sl_value *x = im_in(n, 0);
    im_need_rank(n, x, "the input", 3, -1);
    int64_t axes[SL_MAX_RANK];
    int count = im_rank(x) - 2;
    for (int i = 0; i < count; i++) axes[i] = i + 2;
    if (!strcmp(what, "mean")) {
        im_out(n, 0, im_mean(n, x, count, axes, true));
    } else if (!strcmp(what, "max")) {
        im_out(n, 0, im_reduce(n, x, "max", count, axes, true));
    } else {
        double p = (double)im_int(n, "p", 2);
        sl_value *powers = im_binary_with(n, SL_OP_arith_pow, im_unary(n, SL_OP_arith_abs, x), p);
        im_out(n, 0, im_binary_with(n, SL_OP_arith_pow, im_reduce(n, powers, "sum", count, axes, true), 1 / p));
    }
}

void im_op_global_average_pool(im_node *n) { global(n, "mean"); }
void im_op_global_max_pool(im_node *n) { global(n, "max"); }
void im_op_global_lp_pool(im_node *n) { global(n, "lp"); }

/* Adds the columns into the image: for each place in the block, the columns' values are spread by the strides and moved to where they belong. */
void im_op_col2im(im_node *n)
{
    sl_value *x = im_in(n, 0);
    im_need_rank(n, x, "the input", 3, 3);
    int64_t image[SL_MAX_RANK], block[SL_MAX_RANK], strides[SL_MAX_RANK], dilations[SL_MAX_RANK], pads[2 * SL_MAX_RANK], columns[SL_MAX_RANK], places = 1;
    int spatial = im_need_ints(n, im_in(n, 1), "the image shape", image, SL_MAX_RANK - 2);
    if (im_need_ints(n, im_in(n, 2), "the block shape", block, SL_MAX_RANK - 2) != spatial) im_fail(n, "the image and block shapes differ in length");
    int ns = im_ints(n, "strides", strides, SL_MAX_RANK), nd = im_ints(n, "dilations", dilations, SL_MAX_RANK), np = im_ints(n, "pads", pads, 2 * SL_MAX_RANK);
    if ((ns >= 0 && ns != spatial) || (nd >= 0 && nd != spatial) || (np >= 0 && np != 2 * spatial)) im_fail(n, "strides, dilations or pads do not fit");
    for (int i = 0; i < spatial; i++) {
        if (ns < 0) strides[i] = 1;
        if (nd < 0) dilations[i] = 1;
        if (np < 0) pads[i] = pads[spatial + i] = 0;
        if (image[i] < 0 || image[i] > MAX_PAD || pads[i] < 0 || pads[i] > MAX_PAD || pads[spatial + i] < 0 || pads[spatial + i] > MAX_PAD) im_fail(n, "image or pads are out of range");
        if (strides[i] <= 0 || dilations[i] <= 0 || block[i] <= 0 || block[i] > 4096 || dilations[i] > 65536 || strides[i] > MAX_PAD) im_fail(n, "block, strides and dilations must be positive");
        columns[i] = (image[i] + pads[i] + pads[spatial + i] - (dilations[i] * (block[i] - 1) + 1)) / strides[i] + 1;
        places *= block[i];
        if (places > 4096) im_fail(n, "blocks of more than 4096 elements are not supported");
    }
    sl_expr channels = sl_expr_divide_exact(n->context, im_dim(x, 1), im_expr(n, places)), dims[SL_MAX_RANK];
    if (!channels) im_fail(n, "dim 1 must be a multiple of the block's size");
    dims[0] = im_dim(x, 0);
    dims[1] = channels;
    dims[2] = im_expr(n, places);
    for (int i = 0; i < spatial; i++) dims[i + 3] = im_expr(n, columns[i]);
    x = im_reshape(n, x, spatial + 3, dims);
    sl_value *sum = NULL;
    for (int64_t place = 0; place < places; place++) {
        sl_value *part = spread_out(n, im_squeeze(n, im_slice_axis(n, x, 2, im_expr(n, place), im_expr(n, 1), 1), 2), strides);
        sl_expr low[SL_MAX_RANK], high[SL_MAX_RANK];
        int64_t rest = place;
        low[0] = low[1] = high[0] = high[1] = im_expr(n, 0);
        for (int i = spatial - 1; i >= 0; i--) {
            int64_t start = rest % block[i] * dilations[i] - pads[i];
            rest /= block[i];
            low[i + 2] = im_expr(n, start);
            high[i + 2] = im_expr(n, image[i] - start - ((columns[i] - 1) * strides[i] + 1));
        }
        part = im_pad(n, part, im_like(n, part, 0), low, high, "constant");
        sum = sum ? im_add(n, sum, part) : part;
    }
    im_out(n, 0, sum);
}
