/* import_index.c: operators that pick, place, join and order elements: Gather*, Scatter*, Slice, Split, Concat, Pad, OneHot, TopK, Unique, ... */
#include "import_internal.h"
#include <limits.h>
#include <string.h>

void im_op_concat(im_node *n)
{
    sl_value *first = im_in(n, 0), *parts[4096];
    int count = 0, axis = im_axis(n, im_int(n, "axis", 1), im_rank(first));
    if (n->input_count > 4096) im_fail(n, "more than 4096 operands");
    for (int i = 0; i < n->input_count; i++) {
        sl_value *part = im_in(n, i);
        if (im_rank(part) != im_rank(first)) im_fail(n, "operand %d has rank %d, the first one has rank %d", i, im_rank(part), im_rank(first));
        parts[count++] = part;
    }
    im_out(n, 0, im_concat(n, axis, count, parts));
}

/* ---- Slice ---- */

static bool at_least(im_node *n, sl_expr a, sl_expr b)            /* a >= b for certain, dims being at least 1 */
{
    int64_t bound;
    return sl_expr_lower_bound(sl_expr_sub(n->context, a, b), true, &bound) && bound >= 0;
}

static sl_expr clamp(im_node *n, sl_expr x, sl_expr low, sl_expr high)
{
    if (at_least(n, x, high)) return at_least(n, high, low) ? high : sl_expr_max(n->context, high, low);
    if (!at_least(n, high, x)) x = sl_expr_min(n->context, x, high);
    return at_least(n, x, low) ? x : sl_expr_max(n->context, x, low);
}

/* A position computed from shapes is expected to lie inside; the run fails otherwise, where ONNX would clamp. Clamping it here would leave sizes that no
 * later op could match with the sizes that the model computes for the same data. */
static sl_expr guarded(im_node *n, sl_expr x, sl_expr low, sl_expr high)
{
    sl_expr clamped = clamp(n, x, low, high);
    if (clamped == x) return x;
    sl_attr message = sl_attr_string(n->context, "a slice position that is computed from shapes lies outside of the sliced axis");
    sl_named_attr attrs[] = {{"left", sl_attr_expr(n->context, clamped)}, {"right", sl_attr_expr(n->context, x)}, {"message", message}};
    sl_build(n->builder, SL_OP_core_guard, 0, NULL, 0, NULL, 3, attrs);
    return x;
}

/* The position `x` as given (negative: from the end) within [low, high]. */
static sl_expr position(im_node *n, sl_expr x, sl_expr dim, sl_expr low, sl_expr high)
{
    int64_t value;
    if (sl_expr_is_const(x, &value)) {
        if (value >= INT32_MAX) return high;
        if (value <= -INT32_MAX) return low;
        return clamp(n, value < 0 ? sl_expr_add(n->context, dim, x) : x, low, high);
    }
    return guarded(n, x, low, high);
}

static sl_value *slice_known(im_node *n, sl_value *x, int count, const int64_t *axes, const sl_expr *starts, const sl_expr *ends, const int64_t *steps)
{
    int rank = im_rank(x);
    sl_expr first[SL_MAX_RANK], sizes[SL_MAX_RANK], zero = im_expr(n, 0), one = im_expr(n, 1);
    int64_t all_steps[SL_MAX_RANK];
    for (int i = 0; i < rank; i++) first[i] = zero, sizes[i] = im_dim(x, i), all_steps[i] = 1;
    for (int i = 0; i < count; i++) {
        int axis = im_axis(n, axes[i], rank);
        int64_t step = steps[i];
        sl_expr dim = im_dim(x, axis), start, end, span;
        if (step == 0) im_fail(n, "a step is 0");
        if (step > 0) {
            start = position(n, starts[i], dim, zero, dim);
            end = position(n, ends[i], dim, zero, dim);
            span = sl_expr_sub(n->context, end, start);
        } else {
            sl_expr last = sl_expr_sub(n->context, dim, one), before = im_expr(n, -1);
            start = position(n, starts[i], dim, zero, last);
            int64_t given;
            /* A negative end counts from the end of the axis: -1 is the last element, not the place before the first. */
            end = sl_expr_is_const(ends[i], &given) && given < 0 && given > -INT32_MAX ? clamp(n, sl_expr_add(n->context, dim, ends[i]), before, last)
                                                                                   : position(n, ends[i], dim, before, last);
            span = sl_expr_sub(n->context, start, end);
        }
        sl_expr size = step == 1 ? span : sl_expr_ceildiv(n->context, span, im_expr(n, step > 0 ? step : (step == INT64_MIN ? INT64_MAX : -step)));
        first[axis] = start;
        sizes[axis] = at_least(n, size, zero) ? size : sl_expr_max(n->context, size, zero);
        if (sl_expr_equals_const(sizes[axis], 0)) first[axis] = zero, all_steps[axis] = 1;
        else all_steps[axis] = im_is_one(sizes[axis]) ? 1 : step;
    }
    return im_slice(n, x, first, sizes, all_steps);
}

void im_op_slice(im_node *n)
{
    sl_value *x = im_in(n, 0);
    int rank = im_rank(x), count;
    int64_t axes[64], steps[64];
    sl_expr starts[64], ends[64];
    if (n->opset < 10) {
        int64_t a[64], b[64];
        count = im_ints(n, "starts", a, 64);
        if (count < 0 || im_ints(n, "ends", b, 64) != count) im_fail(n, "attributes 'starts' and 'ends' must be given and of one length");
        for (int i = 0; i < count; i++) starts[i] = im_expr(n, a[i]), ends[i] = im_expr(n, b[i]), steps[i] = 1;
        int listed = im_ints(n, "axes", axes, 64);
        if (listed < 0)
            for (int i = 0; i < count; i++) axes[i] = i;
        else if (listed != count) im_fail(n, "%d axes for %d starts", listed, count);
        im_out(n, 0, slice_known(n, x, count, axes, starts, ends, steps));
        return;
    }
    sl_value *start = im_in(n, 1), *end = im_in(n, 2);
    int64_t length = im_rank(start) == 1 ? sl_type_static_dim(sl_value_type(start), 0) : -1;
    if (length < 0 || length > rank) im_fail(n, "starts must be a list of known length, at most the rank");
    count = (int)length;
    for (int i = 0; i < count; i++) axes[i] = i, steps[i] = 1;
    if (im_has(n, 3) && im_need_ints(n, im_in(n, 3), "the axes", axes, 64) != count) im_fail(n, "the axes are not as many as the starts");
    int step_count = im_has(n, 4) ? im_known_ints(n, im_in(n, 4), steps, 64) : count;
    if (step_count >= 0 && im_exprs(n, start, starts, 64) == count && im_exprs(n, end, ends, 64) == count) {
        if (step_count != count) im_fail(n, "the steps are not as many as the starts");
        im_out(n, 0, slice_known(n, x, count, axes, starts, ends, steps));
        return;
    }
    for (int i = 0; i < count; i++) axes[i] = im_axis(n, axes[i], rank);
    sl_value *step = im_has(n, 4) ? im_in(n, 4) : im_ints_constant(n, count, steps);
    im_attrs attrs = {0};
    im_attr(&attrs, "axes", sl_attr_ints(n->context, count, axes));
    sl_value *operands[4] = {x, im_cast(n, start, SL_ELEMENT_i64), im_cast(n, end, SL_ELEMENT_i64), im_cast(n, step, SL_ELEMENT_i64)};
    im_out(n, 0, im_op1(n, SL_OP_tensor_slice_dynamic, 4, operands, &attrs));
}

/* Sizes along the axis for `count` parts; from operand, attribute or equal parts (the last one may be smaller). */
static void split_sizes(im_node *n, const sl_value *x, int axis, int count, sl_expr *sizes)
{
    int64_t listed[4096];
    int given = -1;
    if (n->opset < 13) given = im_ints(n, "split", listed, 4096);
    else if (im_has(n, 1)) {
        given = im_need_ints(n, im_in(n, 1), "the split sizes", listed, 4096);
    }
    if (given >= 0 && given != count) im_fail(n, "%d split sizes for %d outputs", given, count);
    sl_expr dim = im_dim(x, axis), rest = dim;
    sl_expr exact = sl_expr_divide_exact(n->context, dim, im_expr(n, count));
    sl_expr chunk = exact ? exact : sl_expr_ceildiv(n->context, dim, im_expr(n, count));
    int64_t sum = 0, whole;
    for (int i = 0; i < count; i++) {
        sizes[i] = given >= 0 ? im_expr(n, listed[i]) : exact || i + 1 < count ? chunk : rest;
        rest = sl_expr_sub(n->context, rest, sizes[i]);
        if (given >= 0 && (listed[i] < 0 || listed[i] > (INT64_C(1) << 48))) im_fail(n, "a split size of %lld is not possible", (long long)listed[i]);
        sum += given >= 0 ? listed[i] : 0;
    }
    if (given >= 0 && sl_expr_is_const(dim, &whole) && sum != whole) im_fail(n, "the split sizes add up to %lld, the axis has %lld", (long long)sum, (long long)whole);
}

void im_op_split(im_node *n)
{
    sl_value *x = im_in(n, 0);
    int axis = im_axis(n, im_int(n, "axis", 0), im_rank(x)), count = n->output_count;
    if (im_param(n, "num_outputs") && im_int(n, "num_outputs", 0) != count) im_fail(n, "attribute 'num_outputs' differs from the number of outputs, %d", count);
    if (count > 4096) im_fail(n, "more than 4096 outputs");
    sl_expr sizes[4096], start = im_expr(n, 0);
    split_sizes(n, x, axis, count, sizes);
    for (int i = 0; i < count; i++) {
        if (im_wants(n, i)) im_out(n, i, im_slice_axis(n, x, axis, start, sizes[i], 1));
        start = sl_expr_add(n->context, start, sizes[i]);
    }
}

/* ---- Pad ---- */

void im_op_pad(im_node *n)
{
    sl_value *x = im_in(n, 0), *fill = NULL;
    int rank = im_rank(x), count;
    const char *mode = im_string(n, "mode", "constant");
    if (strcmp(mode, "constant") && strcmp(mode, "reflect") && strcmp(mode, "edge") && strcmp(mode, "wrap")) im_fail(n, "mode '%s' is not supported", mode);
    sl_expr pads[64], low[SL_MAX_RANK], high[SL_MAX_RANK];
    int64_t axes[SL_MAX_RANK];
    int axis_count = rank;
    for (int i = 0; i < rank; i++) axes[i] = i, low[i] = high[i] = im_expr(n, 0);
    if (n->opset < 11) {
        int64_t listed[64];
        count = im_ints(n, "pads", listed, 64);
        for (int i = 0; i < count; i++) pads[i] = im_expr(n, listed[i]);
        fill = im_like(n, x, im_float(n, "value", 0));
    } else {
        sl_value *operand = im_in(n, 1);
        if (im_has(n, 2)) fill = im_rank0(n, im_in(n, 2), "the fill value");
        if (im_has(n, 3)) {
            axis_count = im_need_ints(n, im_in(n, 3), "the axes", axes, SL_MAX_RANK);
            for (int i = 0; i < axis_count; i++) axes[i] = im_axis(n, axes[i], rank);
        }
        if (!fill) fill = im_like(n, x, 0);
        count = im_exprs(n, operand, pads, 64);
        if (count < 0) {
            if (axis_count != rank || im_has(n, 3)) im_fail_constant(n, "the pads (together with axes)");
            im_attrs attrs = {0};
            im_attr(&attrs, "mode", sl_attr_string(n->context, mode));
            im_out(n, 0, im_op1(n, SL_OP_tensor_pad_dynamic, 3, (sl_value *[]){x, im_cast(n, operand, SL_ELEMENT_i64), fill}, &attrs));
            return;
        }
    }
    if (count != 2 * axis_count) im_fail(n, "%d pads for %d axes", count, axis_count);
    for (int i = 0; i < axis_count; i++) low[axes[i]] = pads[i], high[axes[i]] = pads[axis_count + i];
    im_out(n, 0, im_pad(n, x, fill, low, high, mode));
}

/* ---- Gather and Scatter ---- */

void im_op_gather(im_node *n)
{
    sl_value *x = im_in(n, 0);
    im_out(n, 0, im_take(n, x, im_in(n, 1), im_axis(n, im_int(n, "axis", 0), im_rank(x))));
}

void im_op_gather_elements(im_node *n)
{
    sl_value *x = im_in(n, 0);
    im_out(n, 0, im_gather_elements(n, x, im_in(n, 1), im_axis(n, im_int(n, "axis", 0), im_rank(x))));
}

void im_op_gather_nd(im_node *n)
{
    im_attrs attrs = {0};
    im_attr(&attrs, "batch_dims", sl_attr_int(n->context, im_int(n, "batch_dims", 0)));
    im_out(n, 0, im_op1(n, SL_OP_tensor_gather_nd, 2, (sl_value *[]){im_in(n, 0), im_in(n, 1)}, &attrs));
}

static const char *reduction_name(im_node *n)
{
    const char *name = im_string(n, "reduction", "none");
    const char *const known[] = {"none", "add", "mul", "max", "min"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (!strcmp(name, known[i])) return known[i];
    im_fail(n, "reduction '%s' is not supported", name);
}

static sl_value *scatter_elements(im_node *n, sl_value *x, sl_value *indices, sl_value *updates, int axis, const char *reduction)
{
    im_attrs attrs = {0};
    im_attr(&attrs, "axis", sl_attr_int(n->context, axis));
    im_attr(&attrs, "reduction", sl_attr_string(n->context, reduction));
    return im_op1(n, SL_OP_tensor_scatter_elements, 3, (sl_value *[]){x, indices, updates}, &attrs);
}

void im_op_scatter_elements(im_node *n)
{
    sl_value *x = im_in(n, 0);
    im_out(n, 0, scatter_elements(n, x, im_in(n, 1), im_in(n, 2), im_axis(n, im_int(n, "axis", 0), im_rank(x)), reduction_name(n)));
}

void im_op_scatter_nd(im_node *n)
{
    im_attrs attrs = {0};
    im_attr(&attrs, "reduction", sl_attr_string(n->context, reduction_name(n)));
    im_out(n, 0, im_op1(n, SL_OP_tensor_scatter_nd, 3, (sl_value *[]){im_in(n, 0), im_in(n, 1), im_in(n, 2)}, &attrs));
}

/* Writes `update` into the cache along the sequence axis, per batch row from write_indices on. */
void im_op_tensor_scatter(im_node *n)
{
    sl_value *cache = im_in(n, 0), *update = im_in(n, 1);
    int rank = im_rank(cache), axis = im_axis(n, im_int(n, "axis", -2), rank);
    bool circular = !strcmp(im_string(n, "mode", "linear"), "circular");
    if (axis == 0) im_fail(n, "the axis can't be the batch axis");
    im_need_rank(n, update, "the update", rank, rank);
    sl_value *index = im_unsqueeze_to(n, im_iota1(n, SL_ELEMENT_i64, im_dim(update, axis)), rank, axis);
    if (im_has(n, 2)) {
        sl_value *first = im_cast(n, im_in(n, 2), SL_ELEMENT_i64);
        im_need_rank(n, first, "write_indices", 1, 1);
        index = im_add(n, index, im_unsqueeze_to(n, first, rank, 0));
    }
    if (circular) index = im_binary(n, SL_OP_arith_mod, index, im_from_dim(n, im_dim(cache, axis)));
    index = im_broadcast(n, index, rank, im_dims(update));
    im_out(n, 0, scatter_elements(n, cache, index, update, axis, "none"));
}

/* ---- OneHot, Compress, NonZero, Unique, TopK, ReverseSequence ---- */

void im_op_one_hot(im_node *n)
{
    sl_value *indices = im_in(n, 0), *depth = im_rank0(n, im_in(n, 1), "the depth"), *values = im_in(n, 2);
    int rank = im_rank(indices) + 1, axis = im_axis(n, im_int(n, "axis", -1), rank);
    sl_expr count;
    if (im_is_float(depth)) count = im_expr(n, im_to_int(im_need_float(n, depth, "the depth")));
    else if (im_exprs(n, depth, &count, 1) != 1) count = NULL;
    sl_value *index = im_cast(n, indices, SL_ELEMENT_i64), *classes, *size;
    if (count) {
        size = im_from_dim(n, count);
        classes = im_iota1(n, SL_ELEMENT_i64, count);
    } else {
        size = im_cast(n, depth, SL_ELEMENT_i64);
        classes = im_op1(n, SL_OP_tensor_range, 3, (sl_value *[]){im_scalar_int(n, SL_ELEMENT_i64, 0), size, im_scalar_int(n, SL_ELEMENT_i64, 1)}, NULL);
    }
    sl_value *in_range = im_binary(n, SL_OP_arith_and, im_compare(n, "ge", index, im_unary(n, SL_OP_arith_neg, size)), im_compare(n, "lt", index, size));
    index = im_select(n, in_range, im_binary(n, SL_OP_arith_mod, index, size), im_like(n, index, -1));
    sl_value *hot = im_compare(n, "eq", im_unsqueeze(n, index, axis), im_unsqueeze_to(n, classes, rank, axis));
    sl_value *off = im_rank0(n, im_slice_axis(n, values, 0, im_expr(n, 0), im_expr(n, 1), 1), "off value");
    sl_value *on = im_rank0(n, im_slice_axis(n, values, 0, im_expr(n, 1), im_expr(n, 1), 1), "on value");
    im_out(n, 0, im_select(n, hot, on, off));
}

void im_op_nonzero(im_node *n)
{
    sl_value *x = im_in(n, 0);
    im_out(n, 0, im_op1(n, SL_OP_tensor_nonzero, 1, &x, NULL));
}

void im_op_compress(im_node *n)
{
    sl_value *x = im_in(n, 0), *condition = im_in(n, 1);
    int axis = 0;
    if (im_param(n, "axis")) {
        axis = im_axis(n, im_int(n, "axis", 0), im_rank(x));
    } else {
        sl_expr count = sl_type_count(n->context, sl_value_type(x));
        x = im_reshape(n, x, 1, &count);
    }
    im_need_rank(n, condition, "the condition", 1, 1);
    sl_value *found = im_op1(n, SL_OP_tensor_nonzero, 1, &condition, NULL);
    im_out(n, 0, im_take(n, x, im_squeeze(n, found, 0), axis));
}

void im_op_unique(im_node *n)
{
    sl_value *x = im_in(n, 0);
    im_attrs attrs = {0};
    if (im_param(n, "axis")) im_attr(&attrs, "axis", sl_attr_int(n->context, im_axis(n, im_int(n, "axis", 0), im_rank(x))));
    im_attr(&attrs, "sorted", sl_attr_bool(n->context, im_bool(n, "sorted", true)));
    sl_op *op = im_op(n, SL_OP_tensor_unique, 1, &x, &attrs);
    for (int i = 0; i < 4; i++) im_out(n, i, sl_op_result(op, i));
}

void im_op_topk(im_node *n)
{
    sl_value *x = im_in(n, 0);
    int axis = im_axis(n, im_int(n, "axis", -1), im_rank(x));
    sl_value *k = n->opset < 10 ? im_scalar_int(n, SL_ELEMENT_i64, im_int(n, "k", 1)) : im_rank0(n, im_cast(n, im_in(n, 1), SL_ELEMENT_i64), "k");
    im_attrs attrs = {0};
    im_attr(&attrs, "axis", sl_attr_int(n->context, axis));
    im_attr(&attrs, "largest", sl_attr_bool(n->context, im_bool(n, "largest", true)));
    sl_op *op = im_op(n, SL_OP_tensor_topk, 2, (sl_value *[]){x, k}, &attrs);
    im_out(n, 0, sl_op_result(op, 0));
    im_out(n, 1, sl_op_result(op, 1));
}

void im_op_reverse_sequence(im_node *n)
{
    sl_value *x = im_in(n, 0), *lengths = im_in(n, 1);
    int rank = im_rank(x), time = im_axis(n, im_int(n, "time_axis", 0), rank), batch = im_axis(n, im_int(n, "batch_axis", 1), rank);
    sl_value *t = im_unsqueeze_to(n, im_iota1(n, SL_ELEMENT_i64, im_dim(x, time)), rank, time);
    sl_value *length = im_unsqueeze_to(n, im_cast(n, lengths, SL_ELEMENT_i64), rank, batch);
    sl_value *mirrored = im_sub(n, im_binary_with(n, SL_OP_arith_sub, length, 1), t);
    sl_value *index = im_select(n, im_compare(n, "lt", t, length), mirrored, t);
    im_out(n, 0, im_gather_elements(n, x, im_broadcast(n, index, rank, im_dims(x)), time));
}

void im_op_nonmax_suppression(im_node *n)
{
    sl_value *max = im_has(n, 2) ? im_rank0(n, im_in(n, 2), "the box limit") : im_scalar_int(n, SL_ELEMENT_i64, 0);
    sl_value *iou = im_has(n, 3) ? im_rank0(n, im_in(n, 3), "the overlap threshold") : im_scalar(n, SL_ELEMENT_f32, 0);
    sl_value *score = im_has(n, 4) ? im_rank0(n, im_in(n, 4), "the score threshold") : im_scalar(n, SL_ELEMENT_f32, -3.4028234663852886e38);
    im_attrs attrs = {0};
    im_attr(&attrs, "center_point", sl_attr_bool(n->context, im_bool(n, "center_point_box", false)));
    im_out(n, 0, im_op1(n, SL_OP_tensor_nonmax_suppression, 5, (sl_value *[]){im_in(n, 0), im_in(n, 1), max, iou, score}, &attrs));
}

/* ai.onnx.ml: picks columns of the last axis. */
void im_op_array_feature_extractor(im_node *n)
{
    sl_value *x = im_in(n, 0), *indices = im_in(n, 1);
    sl_expr count = sl_type_count(n->context, sl_value_type(indices));
    if (im_rank(x) == 1) x = im_unsqueeze(n, x, 0);
    im_out(n, 0, im_take(n, x, im_reshape(n, indices, 1, &count), im_rank(x) - 1));
}
