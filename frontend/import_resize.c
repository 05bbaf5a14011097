/* import_resize.c: Resize and Upsample. Interpolation is separable: each axis is done by itself as a weighted sum of takes at constant positions
 * ("taps"). The tables of positions and weights are made here when the sizes are known; with symbolic sizes they are computed by the program.
 * Nearest upsampling by a whole factor is a broadcast. */
#include "import_internal.h"
#include <math.h>
#include <string.h>

typedef enum mode { NEAREST, LINEAR, CUBIC } mode;
typedef enum coordinates { HALF_PIXEL, HALF_PIXEL_SYMMETRIC, PYTORCH_HALF_PIXEL, ALIGN_CORNERS, ASYMMETRIC, CROP_AND_RESIZE } coordinates;

typedef struct plan {
    mode mode;
    coordinates coordinates;
    const char *nearest;
    bool antialias, exclude_outside;
    double cubic_a, extrapolation;
} plan;

typedef struct axis_plan { sl_expr out; double scale; bool scale_known; double roi_start, roi_end; } axis_plan;

enum { MAX_TAPS = 4096 };

static double source_unchecked(const plan *p, const axis_plan *a, double i, double in, double out)
{
    double s = a->scale, length = s * in;
    switch (p->coordinates) {
    case HALF_PIXEL: return (i + 0.5) / s - 0.5;
    case HALF_PIXEL_SYMMETRIC: return in / 2 * (1 - out / length) + (i + 0.5) / s - 0.5;
    case PYTORCH_HALF_PIXEL: return length > 1 ? (i + 0.5) / s - 0.5 : -0.5;
    case ALIGN_CORNERS: return length == 1 ? 0 : i * (in - 1) / (length - 1);
    case ASYMMETRIC: return i / s;
    case CROP_AND_RESIZE:
        return a->roi_start * (in - 1) + (length > 1 ? i * (a->roi_end - a->roi_start) * (in - 1) / (length - 1) : (a->roi_end - a->roi_start) * (in - 1) / 2);
    }
    return 0;
}

/* Regions and scales may be anything: a coordinate that no index could hold counts as 0. */
static double source(const plan *p, const axis_plan *a, double i, double in, double out)
{
    double at = source_unchecked(p, a, i, in, out);
    return fabs(at) < 0x1p40 ? at : 0;
}

static double nearest_of(const char *how, double x)
{
    if (!strcmp(how, "floor")) return floor(x);
    if (!strcmp(how, "ceil")) return ceil(x);
    if (!strcmp(how, "round_prefer_ceil")) return floor(x + 0.5);
    return ceil(x - 0.5);
}

static double cubic_weight(double x, double a)
{
    x = fabs(x);
    if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
    return 0;
}

/* Positions of the taps (from the first) and weights for a source coordinate. */
static int taps_of(im_node *n, const plan *p, double scale, double x, double *weights, int64_t *first)
{
    double base = floor(x), ratio = x - base;
    double s = p->antialias && scale < 1 ? scale : 1, reach = p->mode == LINEAR ? 1 : 2;
    bool whole = ratio == 0;
    if (!(s > 0 && reach / s < MAX_TAPS / 2 - 2)) im_fail(n, "the scale %g needs more than %d taps", scale, MAX_TAPS);
    if (whole) ratio = 1;                  /* a coordinate on an element counts as the right end of the interval before it */
    int start = (int)floor(-reach / s) + 1, count = 2 - 2 * start;
    if (p->mode == CUBIC && !p->antialias) start = -1, count = 4;
    double sum = 0;
    for (int t = 0; t < count; t++) {
        double d = (start + t - ratio) * s;
        weights[t] = p->mode == LINEAR ? (fabs(d) < 1 ? 1 - fabs(d) : 0) : cubic_weight(d, p->cubic_a);
        sum += weights[t];
    }
    if (p->antialias)
        for (int t = 0; t < count; t++) weights[t] /= sum;
    *first = (int64_t)base - (whole ? 1 : 0) + start;
    return count;
}

/* One axis with sizes known. */
static sl_value *resize_known(im_node *n, const plan *p, sl_value *x, int axis, const axis_plan *a, int64_t in, int64_t out)
{
    if (out < 0 || out > (1 << 24)) im_fail(n, "a size of %lld is not possible", (long long)out);
    if (in == 0 && out > 0) im_fail(n, "an empty axis can't be resized");
    if (out == 0) return im_slice_axis(n, x, axis, im_expr(n, 0), im_expr(n, 0), 1);
    int64_t *index = SL_NEW_ARRAY(n->arena, int64_t, out + 1);
    int rank = im_rank(x);
    if (p->mode == NEAREST) {
        int64_t factor = in > 0 && out % in == 0 ? out / in : 0;
        bool repeats = factor > 0, outside = false;
        for (int64_t i = 0; i < out; i++) {
            double at = source(p, a, (double)i, (double)in, (double)out);
            outside |= p->coordinates == CROP_AND_RESIZE && (at < 0 || at > (double)in - 1);
            double position = nearest_of(p->nearest, at);
            index[i] = position < 0 ? 0 : position > (double)in - 1 ? in - 1 : (int64_t)position;
            repeats &= factor > 0 && index[i] == i / factor;
        }
        if (!outside && repeats) {
            sl_expr wide[SL_MAX_RANK + 1], dims[SL_MAX_RANK];
            sl_value *y = im_unsqueeze(n, x, axis + 1);
            for (int d = 0; d <= rank; d++) wide[d] = d == axis + 1 ? im_expr(n, factor) : im_dim(y, d);
            for (int d = 0; d < rank; d++) dims[d] = d == axis ? im_expr(n, out) : im_dim(x, d);
            return im_reshape(n, im_broadcast(n, y, rank + 1, wide), rank, dims);
        }
        x = im_take(n, x, im_ints_constant(n, (int)out, index), axis);
    } else {
        double weights[MAX_TAPS], *table = NULL;
        int64_t first, *firsts = SL_NEW_ARRAY(n->arena, int64_t, out + 1);
        int count = 0;
        for (int64_t i = 0; i < out; i++) {
            count = taps_of(n, p, a->scale, source(p, a, (double)i, (double)in, (double)out), weights, &first);
            if (!table) table = SL_NEW_ARRAY(n->arena, double, (size_t)count * (size_t)out);
            double sum = 0;
            for (int t = 0; t < count; t++) {
                bool outside = first + t < 0 || first + t >= in;
                if (p->exclude_outside && outside) weights[t] = 0;
                sum += weights[t];
            }
            for (int t = 0; t < count; t++) table[t * out + i] = p->exclude_outside && sum != 0 ? weights[t] / sum : weights[t];
            firsts[i] = first;
        }
        sl_value *total = NULL;
        for (int t = 0; t < count; t++) {
            for (int64_t i = 0; i < out; i++) {
                int64_t position = firsts[i] + t;
                index[i] = position < 0 ? 0 : position >= in ? in - 1 : position;
            }
            int64_t dims[1] = {out};
            sl_value *weight = im_unsqueeze_to(n, im_floats_constant(n, im_element(x), 1, dims, table + t * out), rank, axis);
            sl_value *term = im_mul(n, im_take(n, x, im_ints_constant(n, (int)out, index), axis), weight);
            total = total ? im_add(n, total, term) : term;
        }
        x = total;
    }
    if (p->coordinates == CROP_AND_RESIZE) {
        uint8_t *outside = SL_NEW_ARRAY(n->arena, uint8_t, out + 1);
        bool any = false;
        for (int64_t i = 0; i < out; i++) {
            double at = source(p, a, (double)i, (double)in, (double)out);
            any |= outside[i] = at < 0 || at > (double)in - 1;
        }
        int64_t dims[1] = {out};
        if (any) x = im_select(n, im_unsqueeze_to(n, im_constant(n, SL_ELEMENT_i1, 1, dims, outside), rank, axis), im_like(n, x, p->extrapolation), x);
    }
    return x;
}

/* One axis whose sizes are symbols: positions and weights are computed by the program, in f64 as above. */
static sl_value *resize_symbolic(im_node *n, const plan *p, sl_value *x, int axis, const axis_plan *a)
{
    const sl_element f64 = SL_ELEMENT_f64;
    sl_expr in = im_dim(x, axis), out = a->out;
    int rank = im_rank(x);
    double factor = a->scale;
    if (p->mode == NEAREST && a->scale_known && factor >= 1 && factor == floor(factor) && (p->coordinates == ASYMMETRIC || p->coordinates == HALF_PIXEL)) {
        bool repeats = true;
        for (int64_t i = 0; i < (int64_t)factor && i < 1024; i++) repeats &= nearest_of(p->nearest, source(p, a, (double)i, 2, 2 * factor)) == 0;
        if (repeats) {
            sl_expr wide[SL_MAX_RANK + 1], dims[SL_MAX_RANK];
            sl_value *y = im_unsqueeze(n, x, axis + 1);
            for (int d = 0; d <= rank; d++) wide[d] = d == axis + 1 ? im_expr(n, (int64_t)factor) : im_dim(y, d);
            for (int d = 0; d < rank; d++) dims[d] = d == axis ? sl_expr_mul(n->context, in, im_expr(n, (int64_t)factor)) : im_dim(x, d);
            return im_reshape(n, im_broadcast(n, y, rank + 1, wide), rank, dims);
        }
    }
    if (p->antialias) im_fail(n, "antialias needs sizes that are known while compiling");
    sl_value *i = im_iota1(n, f64, out), *size = im_cast(n, im_from_dim(n, in), f64), *length = im_cast(n, im_from_dim(n, out), f64), *at = NULL;
    sl_value *scale = a->scale_known ? im_scalar(n, f64, a->scale) : im_div(n, length, size), *one = im_scalar(n, f64, 1);
    switch (p->coordinates) {
    case HALF_PIXEL:
    case PYTORCH_HALF_PIXEL:
    case HALF_PIXEL_SYMMETRIC:
        at = im_binary_with(n, SL_OP_arith_sub, im_div(n, im_binary_with(n, SL_OP_arith_add, i, 0.5), scale), 0.5);
        if (p->coordinates == PYTORCH_HALF_PIXEL) at = im_select(n, im_compare(n, "gt", length, one), at, im_scalar(n, f64, -0.5));
        if (p->coordinates == HALF_PIXEL_SYMMETRIC) {
            sl_value *rest = im_sub(n, one, im_div(n, length, im_mul(n, scale, size)));
            at = im_add(n, at, im_mul(n, im_binary_with(n, SL_OP_arith_div, size, 2), rest));
        }
        break;
    case ALIGN_CORNERS: {
        sl_value *span = im_max(n, im_sub(n, a->scale_known ? im_mul(n, scale, size) : length, one), im_scalar(n, f64, 1e-30));
        at = im_div(n, im_mul(n, i, im_sub(n, size, one)), span);
        break;
    }
    case ASYMMETRIC: at = im_div(n, i, scale); break;
    case CROP_AND_RESIZE: im_fail(n, "tf_crop_and_resize needs sizes that are known while compiling");
    }
    sl_value *last = im_sub(n, im_from_dim(n, in), im_scalar_int(n, SL_ELEMENT_i64, 1)), *zero = im_scalar_int(n, SL_ELEMENT_i64, 0);
    if (p->mode == NEAREST) {
        sl_value *position;
        if (!strcmp(p->nearest, "floor")) position = im_unary(n, SL_OP_arith_floor, at);
        else if (!strcmp(p->nearest, "ceil")) position = im_unary(n, SL_OP_arith_ceil, at);
        else if (!strcmp(p->nearest, "round_prefer_ceil")) position = im_unary(n, SL_OP_arith_floor, im_binary_with(n, SL_OP_arith_add, at, 0.5));
        else position = im_unary(n, SL_OP_arith_ceil, im_binary_with(n, SL_OP_arith_sub, at, 0.5));
        return im_take(n, x, im_min(n, im_max(n, im_cast(n, position, SL_ELEMENT_i64), zero), last), axis);
    }
    sl_value *base = im_unary(n, SL_OP_arith_floor, at), *ratio = im_sub(n, at, base), *total = NULL, *sum = NULL;
    int first = p->mode == LINEAR ? 0 : -1, count = p->mode == LINEAR ? 2 : 4;
    for (int t = 0; t < count; t++) {
        sl_value *d = im_unary(n, SL_OP_arith_abs, im_binary_with(n, SL_OP_arith_sub, ratio, first + t)), *weight;
        double c = p->cubic_a;
        if (p->mode == LINEAR) {
            weight = im_sub(n, one, d);
        } else if (t == 1 || t == 2) {
            weight = im_binary_with(n, SL_OP_arith_sub, im_binary_with(n, SL_OP_arith_mul, d, c + 2), c + 3);
            weight = im_add(n, im_mul(n, weight, im_mul(n, d, d)), one);
        } else {
            weight = im_binary_with(n, SL_OP_arith_sub, im_binary_with(n, SL_OP_arith_mul, d, c), 5 * c);
            weight = im_binary_with(n, SL_OP_arith_add, im_mul(n, weight, d), 8 * c);
            weight = im_binary_with(n, SL_OP_arith_sub, im_mul(n, weight, d), 4 * c);
        }
        sl_value *position = im_cast(n, im_binary_with(n, SL_OP_arith_add, base, first + t), SL_ELEMENT_i64);
        if (p->exclude_outside) {
            sl_value *inside = im_binary(n, SL_OP_arith_and, im_compare(n, "ge", position, zero), im_compare(n, "le", position, last));
            weight = im_select(n, inside, weight, im_scalar(n, f64, 0));
            sum = sum ? im_add(n, sum, weight) : weight;
        }
        sl_value *term = im_take(n, x, im_min(n, im_max(n, position, zero), last), axis);
        term = im_mul(n, term, im_unsqueeze_to(n, im_cast(n, weight, im_element(x)), rank, axis));
        total = total ? im_add(n, total, term) : term;
    }
    return sum ? im_div(n, total, im_unsqueeze_to(n, im_cast(n, sum, im_element(x)), rank, axis)) : total;
}

static void resize(im_node *n, const plan *p, sl_value *x, const axis_plan *axes)
{
    sl_element element = im_element(x);
    bool wide = p->mode != NEAREST && (!sl_element_is_float(element) || sl_element_bits(element) < 32);
    sl_value *y = wide ? im_cast(n, x, SL_ELEMENT_f32) : x;
    for (int i = 0; i < im_rank(x); i++) {
        int64_t in, out;
        const axis_plan *a = &axes[i];
        if (a->out == im_dim(x, i) && (!a->scale_known || a->scale == 1) && (p->coordinates != CROP_AND_RESIZE || (a->roi_start == 0 && a->roi_end == 1))) continue;
        if (a->scale_known && sl_expr_is_const(im_dim(x, i), &in) && sl_expr_is_const(a->out, &out)) y = resize_known(n, p, y, i, a, in, out);
        else y = resize_symbolic(n, p, y, i, a);
    }
    im_out(n, 0, im_cast(n, y, element));
}

/* floor(size * scale). A symbolic size needs a scale that is a fraction of small numbers. */
static sl_expr scaled_size(im_node *n, sl_expr size, double scale)
{
    int64_t known;
    if (scale <= 0 || !isfinite(scale)) im_fail(n, "scale %g is not possible", scale);
    if (sl_expr_is_const(size, &known)) {
        double scaled = floor((double)known * scale);
        if (!(scaled < 0x1p40)) im_fail(n, "scale %g of a size of %lld is not possible", scale, (long long)known);
        return im_expr(n, (int64_t)scaled);
    }
    for (int64_t q = 1; q <= 1024; q++) {
        double p = scale * (double)q;
        if (fabs(p - round(p)) < 1e-6 * p) return sl_expr_floordiv(n->context, sl_expr_mul(n->context, size, im_expr(n, (int64_t)round(p))), im_expr(n, q));
    }
    im_fail(n, "scale %g of a symbolic size is not supported", scale);
}

static int known_floats(im_node *n, sl_value *value, const char *what, double *values, int capacity)
{
    sl_attr data = sl_value_constant(value);
    if (!data) im_fail_constant(n, what);
    int64_t count = sl_type_static_count(sl_value_type(value));
    if (count > capacity) im_fail(n, "%s: too many values", what);
    for (int64_t i = 0; i < count; i++) values[i] = sl_attr_data_float(data, i);
    return (int)count;
}

static mode read_mode(im_node *n)
{
    const char *name = im_string(n, "mode", "nearest");
    if (!strcmp(name, "nearest")) return NEAREST;
    if (!strcmp(name, "linear") || !strcmp(name, "bilinear")) return LINEAR;
    if (!strcmp(name, "cubic")) return CUBIC;
    im_fail(n, "mode '%s' is not supported", name);
}

/* Upsample, and Resize of version 10: scales only, positions i / scale. */
static void resize_by_scales(im_node *n, const double *scales, int count)
{
    sl_value *x = im_in(n, 0);
    if (count != im_rank(x)) im_fail(n, "%d scales for rank %d", count, im_rank(x));
    plan p = {.mode = read_mode(n), .coordinates = ASYMMETRIC, .nearest = "floor", .cubic_a = -0.75};
    axis_plan axes[SL_MAX_RANK] = {0};
    for (int i = 0; i < count; i++) axes[i] = (axis_plan){.out = scaled_size(n, im_dim(x, i), scales[i]), .scale = scales[i], .scale_known = true};
    resize(n, &p, x, axes);
}

void im_op_upsample(im_node *n)
{
    double scales[SL_MAX_RANK];
    int count;
    const sl_param *attribute = im_param(n, "scales");
    if (attribute && attribute->kind == SL_PARAM_FLOATS && attribute->count <= SL_MAX_RANK) {
        for (count = 0; count < attribute->count; count++) scales[count] = attribute->floats[count];
    } else {
        count = known_floats(n, im_in(n, 1), "the scales", scales, SL_MAX_RANK);
    }
    resize_by_scales(n, scales, count);
}

void im_op_resize_10(im_node *n)
{
    double scales[SL_MAX_RANK];
    int count = known_floats(n, im_in(n, 1), "the scales", scales, SL_MAX_RANK);
    resize_by_scales(n, scales, count);
}

static coordinates read_coordinates(im_node *n)
{
    static const char *const names[] = {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize"};
    const char *name = im_string(n, "coordinate_transformation_mode", "half_pixel");
    for (int i = 0; i < 6; i++)
        if (!strcmp(name, names[i])) return (coordinates)i;
    im_fail(n, "coordinate_transformation_mode '%s' is not supported", name);
}

void im_op_resize(im_node *n)
{
    sl_value *x = im_in(n, 0);
    int rank = im_rank(x);
    plan p = {.mode = read_mode(n), .coordinates = read_coordinates(n), .nearest = im_string(n, "nearest_mode", "round_prefer_floor")};
    p.antialias = im_bool(n, "antialias", false) && p.mode != NEAREST;
    p.exclude_outside = im_bool(n, "exclude_outside", false);
    p.cubic_a = im_float(n, "cubic_coeff_a", -0.75);
    p.extrapolation = im_float(n, "extrapolation_value", 0);
    int64_t listed[SL_MAX_RANK];
    int count = im_ints(n, "axes", listed, SL_MAX_RANK);
    if (count < 0)
        for (count = 0; count < rank; count++) listed[count] = count;
    axis_plan axes[SL_MAX_RANK];
    for (int i = 0; i < rank; i++) axes[i] = (axis_plan){.out = im_dim(x, i), .scale = 1, .scale_known = true, .roi_end = 1};
    for (int i = 0; i < count; i++) listed[i] = im_axis(n, listed[i], rank);
    if (p.coordinates == CROP_AND_RESIZE) {
        double roi[2 * SL_MAX_RANK];
        if (known_floats(n, im_in(n, 1), "the region", roi, 2 * SL_MAX_RANK) != 2 * count) im_fail(n, "the region must have %d values", 2 * count);
        for (int i = 0; i < count; i++) axes[listed[i]].roi_start = roi[i], axes[listed[i]].roi_end = roi[count + i];
    }
    bool has_scales = im_has(n, 2) && sl_type_static_count(sl_value_type(im_in(n, 2))) != 0;
    if (has_scales) {
        double scales[SL_MAX_RANK];
        if (known_floats(n, im_in(n, 2), "the scales", scales, SL_MAX_RANK) != count) im_fail(n, "there must be %d scales", count);
        for (int i = 0; i < count; i++) {
            axes[listed[i]].scale = scales[i];
            axes[listed[i]].out = scaled_size(n, im_dim(x, (int)listed[i]), scales[i]);
        }
    } else {
        sl_expr sizes[64];
        if (im_exprs(n, im_in(n, 3), sizes, 64) != count) im_fail_constant(n, "the sizes");
        const char *policy = im_string(n, "keep_aspect_ratio_policy", "stretch");
        bool stretch = !strcmp(policy, "stretch"), larger = !strcmp(policy, "not_smaller");
        double common = 0;
        for (int i = 0; i < count; i++) {
            axis_plan *a = &axes[listed[i]];
            int64_t in, out;
            a->out = sizes[i];
            a->scale_known = sl_expr_is_const(im_dim(x, (int)listed[i]), &in) && sl_expr_is_const(sizes[i], &out) && in > 0;
            if (a->scale_known) a->scale = (double)out / (double)in;
            else if (a->out == im_dim(x, (int)listed[i])) a->scale_known = true, a->scale = 1;
            if (!stretch && !a->scale_known) im_fail(n, "keep_aspect_ratio_policy needs sizes that are known while compiling");
            if (i == 0 || (larger ? a->scale > common : a->scale < common)) common = a->scale;
        }
        for (int i = 0; i < count && !stretch; i++) {
            int64_t in = im_static_dim(n, x, (int)listed[i], "keep_aspect_ratio_policy");
            axes[listed[i]].scale = common;
            double scaled = floor(common * (double)in + 0.5);
            if (!(scaled >= 0 && scaled < 0x1p40)) im_fail(n, "a size of %g is not possible", scaled);
            axes[listed[i]].out = im_expr(n, (int64_t)scaled);
        }
    }
    resize(n, &p, x, axes);
}
