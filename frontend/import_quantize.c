/* import_quantize.c: casts and quantized arithmetic. Integer products are made of operands with their zero points taken away, in i32; scales are applied
 * in f32 afterwards. */
#include "import_internal.h"
#include <string.h>

static sl_value *cast_like_onnx(im_node *n, sl_value *x, sl_element element)
{
    if (im_element(x) == element) return x;
    /* Floats wrap into integers of fewer bits than a byte. */
    if (im_is_float(x) && sl_element_is_integer(element) && sl_element_bits(element) < 8) x = im_cast(n, x, SL_ELEMENT_i32);
    im_attrs attrs = {0};
    if (!im_bool(n, "saturate", true)) im_attr(&attrs, "saturate", sl_attr_bool(n->context, false));
    const char *round = im_string(n, "round_mode", "nearest");
    if (strcmp(round, "nearest") != 0 && strcmp(round, "up") != 0) im_attr(&attrs, "round", sl_attr_string(n->context, round));
    return im_typed(n, SL_OP_arith_cast, 1, &x, sl_type_with_element(n->context, sl_value_type(x), element), &attrs);
}

void im_op_cast(im_node *n)
{
    if (!im_param(n, "to")) im_fail(n, "attribute 'to' is missing");
    sl_element to = im_element_param(n, "to", SL_ELEMENT_f32);
    if (to == SL_ELEMENT_str) im_fail(n, "casts to strings are not supported");
    im_out(n, 0, cast_like_onnx(n, im_in(n, 0), to));
}

void im_op_cast_like(im_node *n)
{
    sl_element to = im_element(im_any_rank(n, 1));
    im_out(n, 0, cast_like_onnx(n, im_in(n, 0), to));
}

void im_op_bit_cast(im_node *n)
{
    sl_value *x = im_in(n, 0);
    sl_element to = im_element_param(n, "to", SL_ELEMENT_f32);
    if (to == SL_ELEMENT_str || sl_element_bits(to) != sl_element_bits(im_element(x)))
        im_fail(n, "%s and %s differ in width", sl_element_name(im_element(x)), sl_element_name(to));
    if (to == im_element(x)) im_out(n, 0, x);
    else im_out(n, 0, im_typed(n, SL_OP_arith_bitcast, 1, &x, sl_type_with_element(n->context, sl_value_type(x), to), NULL));
}

/* ---- QuantizeLinear and DequantizeLinear ---- */

static void integer_range(im_node *n, sl_element element, double *low, double *high)
{
    int bits = element == SL_ELEMENT_i1 ? 1 : sl_element_bits(element);
    if (!sl_element_is_integer(element) || bits > 32) im_fail(n, "quantization to %s is not supported", sl_element_name(element));
    bool is_signed = sl_element_is_signed(element);
    *high = (double)((INT64_C(1) << (bits - is_signed)) - 1);
    *low = is_signed ? -*high - 1 : 0;
}

/* A scale or zero point of shape () or (1), per axis (1-d) or blocked (x's rank) in a form that broadcasts against x. */
static sl_value *spread(im_node *n, sl_value *parameter, const sl_value *x, int64_t axis_attr, int64_t block)
{
    int rank = im_rank(x);
    if (im_rank(parameter) == 0 || (im_rank(parameter) == 1 && im_is_one(im_dim(parameter, 0)) && !block)) return im_rank0(n, parameter, "the scale");
    if (block == 0) {
        if (im_rank(parameter) == 1) return im_unsqueeze_to(n, parameter, rank, im_axis(n, axis_attr, rank));
        return parameter;
    }
    if (im_rank(parameter) != rank) im_fail(n, "blocked scales must have rank %d, but have rank %d", rank, im_rank(parameter));
    int axis = im_axis(n, axis_attr, rank);
    sl_expr dims[SL_MAX_RANK + 1];
    parameter = im_unsqueeze(n, parameter, axis + 1);
    for (int i = 0; i <= rank; i++) dims[i] = i == axis + 1 ? im_expr(n, block) : im_dim(parameter, i);
    parameter = im_broadcast(n, parameter, rank + 1, dims);
    dims[axis] = sl_expr_mul(n->context, dims[axis], im_expr(n, block));
    for (int i = axis + 1; i < rank; i++) dims[i] = dims[i + 1];
    parameter = im_reshape(n, parameter, rank, dims);
    return im_slice_axis(n, parameter, axis, im_expr(n, 0), im_dim(x, axis), 1);   /* the last block may be cut */
}

static sl_value *quantize(im_node *n, sl_value *scaled, sl_value *zero, sl_element element)
{
    if (sl_element_is_float(element)) {
        if (zero) scaled = im_add(n, scaled, im_cast(n, zero, im_element(scaled)));
        return cast_like_onnx(n, scaled, element);
    }
    double low, high;
    integer_range(n, element, &low, &high);
    sl_value *rounded = im_unary(n, SL_OP_arith_round, im_cast(n, scaled, SL_ELEMENT_f32));
    if (zero) rounded = im_add(n, rounded, im_cast(n, zero, SL_ELEMENT_f32));
    /* A cast saturates by itself where the range is the element's. */
    return im_cast(n, sl_element_bits(element) >= 8 ? rounded : im_clamp(n, rounded, low, high), element);
}

void im_op_quantize_linear(im_node *n)
{
    sl_value *x = im_in(n, 0), *scale = im_in(n, 1), *zero = im_optional(n, 2);
    int64_t axis = im_int(n, "axis", 1), block = im_int(n, "block_size", 0);
    sl_element element = zero ? im_element(zero) : im_param(n, "output_dtype") && im_int(n, "output_dtype", 0) ? im_element_param(n, "output_dtype", SL_ELEMENT_u8) : SL_ELEMENT_u8;
    sl_element work = im_is_float(x) && sl_element_bits(im_element(x)) == 64 ? SL_ELEMENT_f64 : SL_ELEMENT_f32;
    if (im_int(n, "precision", 0)) {
        work = im_element_param(n, "precision", work);
    }
    scale = im_cast(n, spread(n, scale, x, axis, block), work);
    if (zero) zero = spread(n, zero, x, axis, block);
    im_out(n, 0, quantize(n, im_div(n, im_cast(n, x, work), scale), zero, element));
}

void im_op_dequantize_linear(im_node *n)
{
    sl_value *x = im_in(n, 0), *scale = im_in(n, 1), *zero = im_optional(n, 2);
    int64_t axis = im_int(n, "axis", 1), block = im_int(n, "block_size", 0);
    sl_element result = im_int(n, "output_dtype", 0) ? im_element_param(n, "output_dtype", im_element(scale)) : im_element(scale);
    sl_value *wide;
    sl_value *factor = im_cast(n, spread(n, scale, x, axis, block), SL_ELEMENT_f32);
    if (zero && sl_element_is_integer(im_element(x))) {
        wide = im_cast(n, im_sub(n, im_cast(n, x, SL_ELEMENT_i32), im_cast(n, spread(n, zero, x, axis, block), SL_ELEMENT_i32)), SL_ELEMENT_f32);
    } else {
        wide = im_cast(n, x, SL_ELEMENT_f32);
        if (zero) wide = im_sub(n, wide, im_cast(n, spread(n, zero, x, axis, block), SL_ELEMENT_f32));
    }
    im_out(n, 0, im_cast(n, im_mul(n, wide, factor), result));
}

/* u8 with the scale and zero point that just hold the data and 0. */
void im_op_dynamic_quantize_linear(im_node *n)
{
    sl_value *x = im_in(n, 0);
    int64_t axes[SL_MAX_RANK];
    for (int i = 0; i < im_rank(x); i++) axes[i] = i;
    sl_value *low = im_binary_with(n, SL_OP_arith_min, im_reduce(n, x, "min", im_rank(x), axes, false), 0);
    sl_value *high = im_binary_with(n, SL_OP_arith_max, im_reduce(n, x, "max", im_rank(x), axes, false), 0);
    sl_value *scale = im_binary_with(n, SL_OP_arith_div, im_sub(n, high, low), 255);
    sl_value *safe = im_select(n, im_compare(n, "eq", scale, im_like(n, scale, 0)), im_like(n, scale, 1), scale);
    sl_value *zero = im_unary(n, SL_OP_arith_round, im_clamp(n, im_unary(n, SL_OP_arith_neg, im_div(n, low, safe)), 0, 255));
    sl_value *zero_point = im_cast(n, zero, SL_ELEMENT_u8);
    im_out(n, 0, quantize(n, im_div(n, x, safe), zero_point, SL_ELEMENT_u8));
    im_out(n, 1, scale);
    im_out(n, 2, zero_point);
}

/* ---- integer products ---- */

/* x - zero in i32; a 1-d zero point lies along `axis`. */
static sl_value *centred(im_node *n, sl_value *x, sl_value *zero, int axis)
{
    sl_value *wide = im_cast(n, x, SL_ELEMENT_i32);
    if (!zero) return wide;
    if (im_rank(zero) == 1) zero = im_is_one(im_dim(zero, 0)) ? im_rank0(n, zero, "the zero point") : im_unsqueeze_to(n, zero, im_rank(x), axis);
    return im_sub(n, wide, im_cast(n, zero, SL_ELEMENT_i32));
}

void im_op_matmul_integer(im_node *n)
{
    sl_value *a = im_in(n, 0), *b = im_in(n, 1);
    im_out(n, 0, im_matmul(n, centred(n, a, im_optional(n, 2), im_rank(a) - 2), centred(n, b, im_optional(n, 3), im_rank(b) - 1), SL_ELEMENT_i32));
}

static sl_value *requantize(im_node *n, sl_value *sum, sl_value *scales, sl_value *y_scale, sl_value *y_zero)
{
    sl_value *real = im_mul(n, im_cast(n, sum, SL_ELEMENT_f32), im_div(n, scales, im_cast(n, y_scale, SL_ELEMENT_f32)));
    return quantize(n, real, y_zero, im_element(y_zero));
}

static sl_value *scale_along(im_node *n, sl_value *scale, int rank, int axis)
{
    scale = im_cast(n, scale, SL_ELEMENT_f32);
    if (im_rank(scale) != 1) return scale;
    return im_is_one(im_dim(scale, 0)) ? im_rank0(n, scale, "the scale") : im_unsqueeze_to(n, scale, rank, axis);
}

void im_op_qlinear_matmul(im_node *n)
{
    sl_value *a = im_in(n, 0), *b = im_in(n, 3), *y_scale = im_in(n, 6), *y_zero = im_in(n, 7);
    sl_value *sum = im_matmul(n, centred(n, a, im_in(n, 2), im_rank(a) - 2), centred(n, b, im_in(n, 5), im_rank(b) - 1), SL_ELEMENT_i32);
    int rank = im_rank(sum);
    sl_value *scales = im_mul(n, scale_along(n, im_in(n, 1), rank, rank - 2), scale_along(n, im_in(n, 4), rank, rank - 1));
    im_out(n, 0, requantize(n, sum, scales, scale_along(n, y_scale, rank, rank - 2), im_rank(y_zero) == 1 && !im_is_one(im_dim(y_zero, 0)) ? im_unsqueeze_to(n, y_zero, rank, rank - 2) : im_rank(y_zero) == 1 ? im_rank0(n, y_zero, "the zero point") : y_zero));
}

static sl_value *conv_integer(im_node *n, sl_value *x, sl_value *x_zero, sl_value *w, sl_value *w_zero)
{
    im_window window;
    im_need_rank(n, x, "the input", 3, -1);
    int64_t kernel[SL_MAX_RANK];
    for (int i = 2; i < im_rank(w); i++) kernel[i - 2] = im_static_dim(n, w, i, "the kernel");
    im_window_read(n, x, kernel, &window);
    return im_conv(n, centred(n, x, x_zero, 1), centred(n, w, w_zero, 0), &window, im_int(n, "group", 1), SL_ELEMENT_i32);
}

void im_op_conv_integer(im_node *n) { im_out(n, 0, conv_integer(n, im_in(n, 0), im_optional(n, 2), im_in(n, 1), im_optional(n, 3))); }

void im_op_qlinear_conv(im_node *n)
{
    sl_value *x = im_in(n, 0), *w = im_in(n, 3);
    sl_value *sum = conv_integer(n, x, im_in(n, 2), w, im_in(n, 5));
    int rank = im_rank(sum);
    if (im_has(n, 8)) sum = im_add(n, sum, im_unsqueeze_to(n, im_cast(n, im_in(n, 8), SL_ELEMENT_i32), rank, 1));
    sl_value *scales = im_mul(n, scale_along(n, im_in(n, 1), rank, 1), scale_along(n, im_in(n, 4), rank, 1));
    im_out(n, 0, requantize(n, sum, scales, im_rank0(n, im_in(n, 6), "the scale"), im_rank0(n, im_in(n, 7), "the zero point")));
}
