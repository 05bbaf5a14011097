/* precision_int8.c: one sum of products to bytes; see choose_precision.h.
 *
 *     q = u8(round(x * (1 / s)) + z)           saturating; s, z: the range from calibration, widened to hold 0; halves to even
 *     v[c] = i8(round(w[c] / t[c]))            t[c] = the largest |w| of output channel c / 127
 *     y = f32(sum q v - z * sum v) * (s t[c])  the sums are exact in i32; the second one is a constant for each channel
 *
 * A convolution's padding is the byte z, which stands for 0.
 *
 * Without a range rows of matrix products have a step each, found while running: s = the largest |x| of the row / 127, z = 128. */
#include "choose_precision.h"

#include <math.h>
#include <string.h>

static bool has_value(const int64_t *values, int count, int64_t value) {
    for (int i = 0; i < count; i++)
        if (values[i] == value) return true;
    return false;
}

bool precision_find_channels(sl_pass_context *pass, const precision_site *site, precision_channels *out) {
    sl_context *context = sl_module_context(pass->module);
    sl_op *op = site->op;
    sl_type w = sl_value_type(sl_op_operand(op, site->weights)), result = sl_value_type(sl_op_result(op, 0));
    int rank = sl_type_rank(w), first = -1, last = -1, batches = 0;
    *out = (precision_channels){.inner = 1, .count = 1, .total = 1};
    if (sl_op_get_kind(op) == SL_OP_tensor_conv) {
        bool channels_last = strcmp(sl_op_string(op, "layout", "nchw"), "nhwc") == 0;
        first = last = channels_last ? rank - 1 : 0;
        out->at = channels_last ? sl_type_rank(result) - 1 : 1;
    } else {
        int sums;
        const int64_t *batch = sl_op_ints(op, site->weights ? "right_batch" : "left_batch", &batches), *sum = sl_op_ints(op, site->weights ? "right_sum" : "left_sum", &sums);
        if (batches) return false;
        for (int d = 0; d < rank; d++) {
            if (has_value(sum, sums, d) || has_value(batch, batches, d)) continue;
            if (first < 0) first = d;
            else if (last != d - 1) return false;
            last = d;
        }
        if (first < 0) return false;
        out->at = site->weights ? sl_type_rank(result) - (last - first + 1) : 0;
    }
    for (int d = 0; d < rank; d++) {
        int64_t extent = sl_expr_const_or(sl_type_dim(w, d), -1);
        if (extent < 1) return false;
        if (d >= first && d <= last) out->count *= extent;
        if (d > last) out->inner *= extent;
        out->total *= extent;
    }
    out->rank = sl_type_rank(result);
    for (int d = 0; d < out->rank; d++) {
        int from = first + d - out->at;
        out->dims[d] = d >= out->at && from <= last ? sl_type_dim(w, from) : sl_expr_const(context, 1);
    }
    return true;
}

sl_value *precision_broadcast(sl_builder *here, sl_value *x, sl_type like) {
    sl_type type = sl_type_with_element(sl_module_context(here->module), like, sl_type_element(sl_value_type(x)));
    return sl_op_result(sl_build(here, SL_OP_tensor_broadcast, 1, &x, 1, &type, 0, NULL), 0);
}

static sl_value *number(sl_builder *here, double value, sl_type like) {
    sl_context *context = sl_module_context(here->module);
    sl_type type = sl_type_tensor(context, sl_type_element(like), 0, NULL);
    return precision_broadcast(here, sl_build_constant(here, sl_attr_data_splat(context, type, value)), like);
}

static sl_value *quantized(sl_builder *here, sl_value *x, double scale, int zero) {
    sl_type type = sl_value_type(x);
    sl_value *scaled = sl_build_unary(here, SL_OP_arith_round, sl_build_binary(here, SL_OP_arith_mul, x, number(here, 1 / scale, type)));
    if (zero) scaled = sl_build_binary(here, SL_OP_arith_add, scaled, number(here, zero, type));
    return sl_build_cast(here, scaled, SL_ELEMENT_u8);
}

sl_value *precision_pad(sl_builder *here, sl_op *op, sl_value *q, sl_value *fill) {
    sl_context *context = sl_op_context(op);
    int count, rank = sl_type_rank(sl_value_type(q));
    const int64_t *low = sl_op_ints(op, "pads_low", &count), *high = sl_op_ints(op, "pads_high", &count);
    bool last = strcmp(sl_op_string(op, "layout", "nchw"), "nhwc") == 0, any = false;
    sl_attr lows[SL_MAX_RANK], highs[SL_MAX_RANK];
    int64_t none[SL_MAX_RANK] = {0};
    for (int d = 0; d < rank; d++) {
        int s = d - (last ? 1 : 2);
        bool spatial = s >= 0 && s < count;
        lows[d] = sl_attr_expr(context, sl_expr_const(context, spatial ? low[s] : 0)), highs[d] = sl_attr_expr(context, sl_expr_const(context, spatial ? high[s] : 0));
        any |= spatial && (low[s] || high[s]);
    }
    if (!any) return q;
    sl_value *operands[2] = {q, fill};
    sl_named_attr attrs[3] = {{"low", sl_attr_array(context, rank, lows)}, {"high", sl_attr_array(context, rank, highs)}, {"mode", sl_attr_string(context, "constant")}};
    sl_op *pad = sl_build_inferred(here, SL_OP_tensor_pad, 2, operands, 3, attrs);
    if (!pad) return q;
    sl_op_set_attr(op, "pads_low", sl_attr_ints(context, count, none));
    sl_op_set_attr(op, "pads_high", sl_attr_ints(context, count, none));
    return sl_op_result(pad, 0);
}

/* The site's product with the bytes q, whose step is `scale` (times what `rows`, of the result's type, says; NULL: 1) around `zero`. */
static void multiply_bytes(sl_pass_context *pass, const precision_site *site, sl_value *q, double scale, int zero, sl_value *rows) {
    sl_op *op = site->op;
    sl_context *context = sl_op_context(op);
    sl_builder here = sl_builder_before(op);
    sl_value *weights = sl_op_operand(op, site->weights);
    sl_attr data = sl_value_constant(weights);
    precision_channels c;
    if (!precision_find_channels(pass, site, &c)) return;
    float *largest = SL_NEW_ARRAY(pass->scratch, float, (size_t)c.count), *factors;
    for (int64_t i = 0; i < c.total; i++) {
        float value = fabsf((float)sl_attr_data_float(data, i));
        int64_t channel = i / c.inner % c.count;
        if (value > largest[channel]) largest[channel] = value;
    }
    void *bytes, *numbers, *sums;
    sl_attr narrow = sl_attr_data_zero(context, sl_type_with_element(context, sl_attr_get_type(data), SL_ELEMENT_i8), &bytes);
    sl_attr scales = sl_attr_data_zero(context, sl_type_tensor(context, SL_ELEMENT_f32, c.rank, c.dims), &numbers);
    sl_attr offsets = sl_attr_data_zero(context, sl_type_tensor(context, SL_ELEMENT_i32, c.rank, c.dims), &sums);
    factors = numbers;
    for (int64_t i = 0; i < c.total; i++) {
        int64_t channel = i / c.inner % c.count;
        double step = largest[channel] > 0 ? largest[channel] / 127.0 : 1;
        int8_t value = (int8_t)nearbyint(sl_attr_data_float(data, i) / step);
        ((int8_t *)bytes)[i] = value;
        ((int32_t *)sums)[channel] += zero * value;
    }
    for (int64_t i = 0; i < c.count; i++) factors[i] = (float)(scale * (largest[i] > 0 ? largest[i] / 127.0 : 1));
    if (zero && sl_op_get_kind(op) == SL_OP_tensor_conv)
        q = precision_pad(&here, op, q, sl_build_constant(&here, sl_attr_data_splat(context, sl_type_tensor(context, SL_ELEMENT_u8, 0, NULL), zero)));
    sl_value *constant = sl_build_constant(&here, narrow);
    sl_value_set_name(constant, sl_value_name(weights));
    sl_type real = sl_value_type(sl_op_result(op, 0)), whole = sl_type_with_element(context, real, SL_ELEMENT_i32);
    sl_op_set_operand(op, site->weights, constant);
    sl_op_set_operand(op, 1 - site->weights, q);
    sl_op_set_attr(op, "result_element", sl_attr_type(context, sl_type_scalar(context, SL_ELEMENT_i32)));
    sl_op_set_attr(op, "accumulate", NULL);
    sl_value *sum = sl_op_result(op, 0);
    sl_builder after = sl_builder_after(op);
    sl_value *placeholder = sl_build_constant(&after, sl_attr_data_splat(context, sl_type_tensor(context, SL_ELEMENT_f32, 0, NULL), 0));
    sl_value_replace_all_uses(sum, placeholder);
    sl_value_set_type(sum, whole);
    sl_value *exact = zero ? sl_build_binary(&after, SL_OP_arith_sub, sum, precision_broadcast(&after, sl_build_constant(&after, offsets), whole)) : sum;
    sl_value *y = sl_build_binary(&after, SL_OP_arith_mul, sl_build_cast(&after, exact, SL_ELEMENT_f32), precision_broadcast(&after, sl_build_constant(&after, scales), real));
    if (rows) y = sl_build_binary(&after, SL_OP_arith_mul, y, rows);
    sl_value_replace_all_uses(placeholder, y);
    sl_op_erase(sl_value_op(placeholder));
}

void precision_to_int8(sl_pass_context *pass, const precision_site *site, const sl_range *range) {
    sl_builder here = sl_builder_before(site->op);
    double low = fmin(range->low, 0), high = fmax(range->high, 0), scale = high > low ? (high - low) / 255 : 1;
    int zero = (int)fmin(fmax(nearbyint(-low / scale), 0), 255);
    multiply_bytes(pass, site, quantized(&here, sl_op_operand(site->op, 1 - site->weights), scale, zero), scale, zero, NULL);
}

bool precision_has_rows(const precision_site *site) {
    int batches, sums;
    if (sl_op_get_kind(site->op) != SL_OP_tensor_contract || site->weights != 1) return false;
    sl_op_ints(site->op, "left_batch", &batches), sl_op_ints(site->op, "left_sum", &sums);
    return batches == 0 && sums > 0;
}

void precision_to_int8_by_row(sl_pass_context *pass, const precision_site *site) {
    enum { MIDDLE = 128 };
    sl_context *context = sl_module_context(pass->module);
    sl_builder here = sl_builder_before(site->op);
    sl_value *x = sl_op_operand(site->op, 0);
    sl_type type = sl_value_type(x), result = sl_value_type(sl_op_result(site->op, 0));
    int sums, free = 0, rank = sl_type_rank(type);
    const int64_t *sum = sl_op_ints(site->op, "left_sum", &sums);
    sl_expr rows[SL_MAX_RANK], along_x[SL_MAX_RANK], along_result[SL_MAX_RANK];
    for (int d = 0; d < rank; d++) {
        bool summed = has_value(sum, sums, d);
        along_x[d] = summed ? sl_expr_const(context, 1) : sl_type_dim(type, d);
        if (!summed) rows[free++] = sl_type_dim(type, d);
    }
    for (int d = 0; d < sl_type_rank(result); d++) along_result[d] = d < free ? rows[d] : sl_expr_const(context, 1);
    sl_type row = sl_type_tensor(context, SL_ELEMENT_f32, free, rows);
    sl_type spread_x = sl_type_tensor(context, SL_ELEMENT_f32, rank, along_x), spread_result = sl_type_tensor(context, SL_ELEMENT_f32, sl_type_rank(result), along_result);
    sl_named_attr attrs[2] = {{"axes", sl_op_attr(site->op, "left_sum")}, {"kind", sl_attr_string(context, "max")}};
    sl_value *magnitude = sl_build_unary(&here, SL_OP_arith_abs, x);
    sl_value *largest = sl_op_result(sl_build(&here, SL_OP_tensor_reduce, 1, &magnitude, 1, &row, 2, attrs), 0);
    /* A row of zeros gives zeros; steps per unit stay finite. */
    sl_value *inverse = sl_build_binary(&here, SL_OP_arith_div, number(&here, 127, row), sl_build_binary(&here, SL_OP_arith_max, largest, number(&here, 1e-30, row)));
    sl_value *step = sl_build_binary(&here, SL_OP_arith_mul, largest, number(&here, 1.0 / 127, row));
    inverse = sl_op_result(sl_build(&here, SL_OP_tensor_reshape, 1, &inverse, 1, &spread_x, 0, NULL), 0);
    step = sl_op_result(sl_build(&here, SL_OP_tensor_reshape, 1, &step, 1, &spread_result, 0, NULL), 0);
    sl_value *steps = sl_build_unary(&here, SL_OP_arith_round, sl_build_binary(&here, SL_OP_arith_mul, x, precision_broadcast(&here, inverse, type)));
    sl_value *q = sl_build_cast(&here, sl_build_binary(&here, SL_OP_arith_add, steps, number(&here, MIDDLE, type)), SL_ELEMENT_u8);
    multiply_bytes(pass, site, q, 1, MIDDLE, precision_broadcast(&here, step, result));
}
