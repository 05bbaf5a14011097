/* import_norm.c: normalizations. Statistics of narrow floats are taken in f32 (the operators' stash_type). */
#include "import_internal.h"
#include <string.h>

/* Statistics in the element type that the operator asks for. */
static sl_value *widen(im_node *n, sl_value *x)
{
    if (!im_is_float(x) || sl_element_bits(im_element(x)) >= 32) return x;
    return im_cast(n, x, SL_ELEMENT_f32);
}

/* (x - mean) / sqrt(variance + epsilon) over the axes. */
static sl_value *standardize(im_node *n, sl_value *x, int count, const int64_t *axes, double epsilon, sl_value **mean, sl_value **inverse)
{
    *mean = im_mean(n, x, count, axes, true);
    sl_value *centred = im_sub(n, x, *mean);
    sl_value *variance = im_mean(n, im_mul(n, centred, centred), count, axes, true);
    sl_value *deviation = im_unary(n, SL_OP_arith_sqrt, im_binary_with(n, SL_OP_arith_add, variance, epsilon));
    *inverse = im_div(n, im_like(n, x, 1), deviation);
    return im_mul(n, centred, *inverse);
}

static int trailing_axes(int first, int rank, int64_t *axes)
{
    int count = 0;
    for (int i = first; i < rank; i++) axes[count++] = i;
    return count;
}

/* In inference a batch norm is one scale and one shift per channel, which fold into constants when the statistics are constants. */
void im_op_batch_normalization(im_node *n)
{
    sl_value *x = im_in(n, 0), *scale = im_in(n, 1), *shift = im_in(n, 2), *mean = im_in(n, 3), *variance = im_in(n, 4);
    double epsilon = im_float(n, "epsilon", 1e-5), momentum = im_float(n, "momentum", 0.9);
    int rank = im_rank(x);
    im_need_rank(n, x, "the input", 2, -1);
    if (im_int(n, "spatial", 1) == 0) im_fail(n, "attribute 'spatial' = 0 is not supported");
    sl_element element = im_element(x);
    if (n->opset >= 14 && im_bool(n, "training_mode", false)) {
        int64_t axes[SL_MAX_RANK];
        int count = 0;
        for (int i = 0; i < rank; i++)
            if (i != 1) axes[count++] = i;
        sl_value *wide = widen(n, x), *batch_mean = im_mean(n, wide, count, axes, false);
        sl_value *centred = im_sub(n, wide, im_unsqueeze_to(n, batch_mean, rank, 1));
        sl_value *batch_variance = im_mean(n, im_mul(n, centred, centred), count, axes, false);
        sl_element running = im_element(mean);
        sl_value *keep = im_like(n, mean, momentum), *take = im_like(n, mean, 1 - momentum);
        im_out(n, 1, im_add(n, im_mul(n, mean, keep), im_mul(n, im_cast(n, batch_mean, running), take)));
        im_out(n, 2, im_add(n, im_mul(n, variance, keep), im_mul(n, im_cast(n, batch_variance, running), take)));
        mean = batch_mean;
        variance = batch_variance;
    }
    sl_element work = im_element(mean);
    if (sl_element_bits(work) < 32) work = SL_ELEMENT_f32;
    sl_value *deviation = im_unary(n, SL_OP_arith_sqrt, im_binary_with(n, SL_OP_arith_add, im_cast(n, variance, work), epsilon));
    sl_value *factor = im_div(n, im_cast(n, scale, work), deviation);
    sl_value *offset = im_sub(n, im_cast(n, shift, work), im_mul(n, im_cast(n, mean, work), factor));
    sl_value *y = im_mul(n, im_cast(n, x, work), im_unsqueeze_to(n, factor, rank, 1));
    im_out(n, 0, im_cast(n, im_add(n, y, im_unsqueeze_to(n, offset, rank, 1)), element));
}

void im_op_instance_normalization(im_node *n)
{
    sl_value *x = im_in(n, 0), *mean, *inverse;
    int rank = im_rank(x);
    im_need_rank(n, x, "the input", 3, -1);
    int64_t axes[SL_MAX_RANK];
    int count = trailing_axes(2, rank, axes);
    sl_value *y = im_cast(n, standardize(n, widen(n, x), count, axes, im_float(n, "epsilon", 1e-5), &mean, &inverse), im_element(x));
    im_out(n, 0, im_add(n, im_mul(n, y, im_unsqueeze_to(n, im_in(n, 1), rank, 1)), im_unsqueeze_to(n, im_in(n, 2), rank, 1)));
}

/* Scale and shift are applied in the input's element type, as the operator says. */
void im_op_layer_normalization(im_node *n)
{
    sl_value *x = im_in(n, 0), *mean, *inverse;
    int rank = im_rank(x), axis = im_axis(n, im_int(n, "axis", -1), rank);
    int64_t axes[SL_MAX_RANK];
    int count = trailing_axes(axis, rank, axes);
    sl_value *y = im_cast(n, standardize(n, widen(n, x), count, axes, im_float(n, "epsilon", 1e-5), &mean, &inverse), im_element(x));
    y = im_mul(n, y, im_in(n, 1));
    if (im_has(n, 2)) y = im_add(n, y, im_in(n, 2));
    im_out(n, 0, y);
    im_out(n, 1, mean);
    im_out(n, 2, inverse);
}

static sl_value *rms(im_node *n, sl_value *x, int axis, double epsilon, sl_value **inverse)
{
    int64_t axes[SL_MAX_RANK];
    int count = trailing_axes(axis, im_rank(x), axes);
    sl_value *wide = widen(n, x), *square = im_mean(n, im_mul(n, wide, wide), count, axes, true);
    *inverse = im_div(n, im_like(n, wide, 1), im_unary(n, SL_OP_arith_sqrt, im_binary_with(n, SL_OP_arith_add, square, epsilon)));
    return im_cast(n, im_mul(n, wide, *inverse), im_element(x));
}

void im_op_rms_normalization(im_node *n)
{
    sl_value *x = im_in(n, 0), *inverse;
    sl_value *y = rms(n, x, im_axis(n, im_int(n, "axis", -1), im_rank(x)), im_float(n, "epsilon", 1e-5), &inverse);
    im_out(n, 0, im_mul(n, y, im_in(n, 1)));
    im_out(n, 1, inverse);
}

/* com.microsoft: a residual is added first; the fourth output is the sum. */
void im_op_skip_layer_normalization(im_node *n)
{
    sl_value *x = im_add(n, im_in(n, 0), im_in(n, 1)), *mean, *inverse;
    if (im_has(n, 4)) x = im_add(n, x, im_in(n, 4));
    int64_t axes[1] = {im_rank(x) - 1};
    sl_value *y = im_cast(n, standardize(n, widen(n, x), 1, axes, im_float(n, "epsilon", 1e-12), &mean, &inverse), im_element(x));
    y = im_mul(n, y, im_in(n, 2));
    if (im_has(n, 3)) y = im_add(n, y, im_in(n, 3));
    im_out(n, 0, y);
    im_out(n, 1, mean);
    im_out(n, 2, inverse);
    im_out(n, 3, x);
}

void im_op_skip_simplified_layer_normalization(im_node *n)
{
    sl_value *x = im_add(n, im_in(n, 0), im_in(n, 1)), *inverse;
    if (im_has(n, 3)) x = im_add(n, x, im_in(n, 3));
    im_out(n, 0, im_mul(n, rms(n, x, im_rank(x) - 1, im_float(n, "epsilon", 1e-12), &inverse), im_in(n, 2)));
    im_out(n, 2, inverse);
    im_out(n, 3, x);
}

/* Scale and shift are per group before version 21, per channel since. */
void im_op_group_normalization(im_node *n)
{
    sl_value *x = im_in(n, 0), *scale = im_in(n, 1), *shift = im_in(n, 2), *mean, *inverse;
    im_need_rank(n, x, "the input", 3, -1);
    int rank = im_rank(x), spatial = rank - 2;
    int64_t groups = im_int(n, "num_groups", 0), axes[SL_MAX_RANK];
    sl_expr each = groups > 0 ? sl_expr_divide_exact(n->context, im_dim(x, 1), im_expr(n, groups)) : NULL, dims[SL_MAX_RANK + 1];
    if (!each) im_fail(n, "the channels do not divide by %lld groups", (long long)groups);
    dims[0] = im_dim(x, 0);
    dims[1] = im_expr(n, groups);
    dims[2] = each;
    for (int i = 0; i < spatial; i++) dims[i + 3] = im_dim(x, i + 2);
    int count = trailing_axes(2, rank + 1, axes);
    sl_value *y = standardize(n, im_reshape(n, widen(n, x), rank + 1, dims), count, axes, im_float(n, "epsilon", 1e-5), &mean, &inverse);
    if (n->opset < 21) {
        y = im_cast(n, y, im_element(x));
        y = im_add(n, im_mul(n, y, im_unsqueeze_to(n, scale, rank + 1, 1)), im_unsqueeze_to(n, shift, rank + 1, 1));
        im_out(n, 0, im_reshape(n, y, rank, im_dims(x)));
        return;
    }
    y = im_cast(n, im_reshape(n, y, rank, im_dims(x)), im_element(x));
    im_out(n, 0, im_add(n, im_mul(n, y, im_unsqueeze_to(n, scale, rank, 1)), im_unsqueeze_to(n, shift, rank, 1)));
}

void im_op_lp_normalization(im_node *n)
{
    sl_value *x = im_in(n, 0);
    int64_t p = im_int(n, "p", 2), axes[1] = {im_axis(n, im_int(n, "axis", -1), im_rank(x))};
    if (p != 1 && p != 2) im_fail(n, "attribute 'p' must be 1 or 2");
    sl_value *norm = im_reduce(n, p == 1 ? im_unary(n, SL_OP_arith_abs, x) : im_mul(n, x, x), "sum", 1, axes, true);
    if (p == 2) norm = im_unary(n, SL_OP_arith_sqrt, norm);
    sl_value *zero = im_like(n, x, 0);
    im_out(n, 0, im_select(n, im_compare(n, "eq", norm, zero), zero, im_div(n, x, norm)));
}

/* Sums of squares over a window of channels: a pooling with the channels as the window's axis. */
void im_op_lrn(im_node *n)
{
    sl_value *x = im_in(n, 0);
    int rank = im_rank(x);
    int64_t size = im_int(n, "size", 0);
    im_need_rank(n, x, "the input", 3, -1);
    if (size <= 0 || size > (1 << 20)) im_fail(n, "attribute 'size' must be positive");
    sl_expr dims[4] = {im_dim(x, 0), im_expr(n, 1), im_dim(x, 1), im_product(n, im_dims(x), 2, rank)};
    im_window w = {.spatial = 2, .kernel = {size, 1}, .strides = {1, 1}, .dilations = {1, 1}, .low = {(size - 1) / 2, 0}, .high = {size - 1 - (size - 1) / 2, 0}};
    sl_value *sum = im_reshape(n, im_pool(n, im_reshape(n, im_mul(n, x, x), 4, dims), "sum", &w), rank, im_dims(x));
    sl_value *base = im_binary_with(n, SL_OP_arith_mul, sum, im_float(n, "alpha", 1e-4) / (double)size);
    base = im_binary_with(n, SL_OP_arith_add, base, im_float(n, "bias", 1));
    im_out(n, 0, im_div(n, x, im_binary_with(n, SL_OP_arith_pow, base, im_float(n, "beta", 0.75))));
}

void im_op_mean_variance_normalization(im_node *n)
{
    sl_value *x = im_in(n, 0);
    int64_t axes[SL_MAX_RANK] = {0, 2, 3};
    int count = im_ints(n, "axes", axes, SL_MAX_RANK);
    count = im_axes(n, count < 0 ? 3 : count, axes, im_rank(x), axes);
    sl_value *centred = im_sub(n, x, im_mean(n, x, count, axes, true));
    sl_value *deviation = im_unary(n, SL_OP_arith_sqrt, im_mean(n, im_mul(n, centred, centred), count, axes, true));
    im_out(n, 0, im_div(n, centred, im_binary_with(n, SL_OP_arith_add, deviation, 1e-9)));
}
