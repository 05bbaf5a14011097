/* infer_compute.c: result types of reductions, contractions, convolutions and windows, and of the searching ops (topk, nonzero, unique, ...).
 *
 * Sizes of windows follow floor((size + pads - ((window - 1) * dilation + 1)) / stride) + 1; a window that does not fit at all into constant sizes is an error.
 */
#include "op_hooks.h"
#include <string.h>

/* ---- reductions ---- */

/* The type without the axes in `removed`. */
static sl_type without_axes(sl_context *context, sl_type x, uint32_t removed, sl_element element) {
    sl_expr dims[SL_MAX_RANK];
    int count = 0;
    for (int axis = 0; axis < sl_type_rank(x); axis++)
        if (!(removed >> axis & 1))
            dims[count++] = sl_type_dim(x, axis);
    return sl_type_tensor(context, element, count, dims);
}

bool sl_infer_reduce(sl_infer_request *request) {
    const int64_t *axes;
    int count;
    if (!sl_infer_tensor(request, 0) || !sl_infer_ints(request, "axes", -1, &axes, &count))
        return false;
    sl_type x = sl_infer_operand(request, 0);
    if (!sl_type_is_ranked(x))
        return sl_infer_result(request, x);
    uint32_t removed = 0;
    for (int i = 0; i < count; i++) {
        if (axes[i] < 0 || axes[i] >= sl_type_rank(x))
            return sl_infer_fail(request, "axis %lld is out of range for rank %d", (long long)axes[i], sl_type_rank(x));
        if (i > 0 && axes[i] <= axes[i - 1])
            return sl_infer_fail(request, "axes must be sorted and distinct");
        removed |= 1u << axes[i];
    }
    return sl_infer_result(request, without_axes(request->context, x, removed, sl_type_element(x)));
}

bool sl_infer_arg_reduce(sl_infer_request *request) {
    if (!sl_infer_tensor(request, 0))
        return false;
    sl_type x = sl_infer_operand(request, 0);
    if (!sl_type_is_ranked(x))
        return sl_infer_result(request, sl_type_unranked(request->context, SL_ELEMENT_i64));
    int axis;
    if (!sl_infer_axis(request, "axis", sl_type_rank(x), &axis))
        return false;
    if (sl_type_static_dim(x, axis) == 0)
        return sl_infer_fail(request, "axis %d is empty: it has no extreme", axis);
    return sl_infer_result(request, without_axes(request->context, x, 1u << axis, SL_ELEMENT_i64));
}

/* ---- contractions ---- */

static bool result_element(sl_infer_request *request, sl_element otherwise, sl_element *element) {
    sl_attr attr = sl_infer_attr(request, "result_element");
    *element = otherwise;
    if (!attr)
        return true;
    if (sl_attr_get_kind(attr) != SL_ATTR_TYPE || !sl_type_is_scalar(sl_attr_get_type(attr)))
        return sl_infer_fail(request, "attribute `result_element` must be a scalar type");
    *element = sl_type_element(sl_attr_get_type(attr));
    return true;
}

/* Marks axes in `used`; they must be in range and not yet used. */
static bool use_axes(sl_infer_request *request, const char *name, const int64_t *axes, int count, int rank, uint32_t *used) {
    for (int i = 0; i < count; i++) {
        if (axes[i] < 0 || axes[i] >= rank)
            return sl_infer_fail(request, "%s: axis %lld is out of range for rank %d", name, (long long)axes[i], rank);
        if (*used >> axes[i] & 1)
            return sl_infer_fail(request, "%s: axis %lld is used twice", name, (long long)axes[i]);
        *used |= 1u << axes[i];
    }
    return true;
}

bool sl_infer_contract(sl_infer_request *request) {
    const int64_t *left_batch, *right_batch, *left_sum, *right_sum;
    int batch, sum;
    sl_element element;
    if (!sl_infer_tensor(request, 0) || !sl_infer_tensor(request, 1) || !sl_infer_ints(request, "left_batch", -1, &left_batch, &batch) ||
        !sl_infer_ints(request, "right_batch", batch, &right_batch, NULL) || !sl_infer_ints(request, "left_sum", -1, &left_sum, &sum) ||
        !sl_infer_ints(request, "right_sum", sum, &right_sum, NULL))
        return false;
    sl_context *context = request->context;
    sl_type left = sl_infer_operand(request, 0), right = sl_infer_operand(request, 1);
    if (!result_element(request, sl_type_element(left), &element))
        return false;
    if (!sl_type_is_ranked(left) || !sl_type_is_ranked(right))
        return sl_infer_result(request, sl_type_unranked(context, element));
    int left_rank = sl_type_rank(left), right_rank = sl_type_rank(right), count = 0;
    uint32_t left_used = 0, right_used = 0;
    if (!use_axes(request, "left_batch", left_batch, batch, left_rank, &left_used) || !use_axes(request, "right_batch", right_batch, batch, right_rank, &right_used))
        return false;
    if (!use_axes(request, "left_sum", left_sum, sum, left_rank, &left_used) || !use_axes(request, "right_sum", right_sum, sum, right_rank, &right_used))
        return false;
    for (int i = 0; i < sum; i++)
        if (sl_dims_conflict(sl_type_dim(left, (int)left_sum[i]), sl_type_dim(right, (int)right_sum[i])))
            return sl_infer_fail(request, "contracted sizes differ: axis %lld of the left has %s, axis %lld of the right has %s", (long long)left_sum[i],
                                 sl_expr_text(context, sl_type_dim(left, (int)left_sum[i])), (long long)right_sum[i],
                                 sl_expr_text(context, sl_type_dim(right, (int)right_sum[i])));
    sl_expr dims[2 * SL_MAX_RANK];
    for (int i = 0; i < batch; i++) {
        sl_expr a = sl_type_dim(left, (int)left_batch[i]), b = sl_type_dim(right, (int)right_batch[i]);
        if (sl_dims_conflict(a, b))
            return sl_infer_fail(request, "batch sizes differ: axis %lld of the left has %s, axis %lld of the right has %s", (long long)left_batch[i],
                                 sl_expr_text(context, a), (long long)right_batch[i], sl_expr_text(context, b));
        dims[count++] = sl_dim_merge(a, b);
    }
    for (int axis = 0; axis < left_rank; axis++)
        if (!(left_used >> axis & 1))
            dims[count++] = sl_type_dim(left, axis);
    for (int axis = 0; axis < right_rank; axis++)
        if (!(right_used >> axis & 1))
            dims[count++] = sl_type_dim(right, axis);
    return sl_infer_rank_limit(request, count) && sl_infer_result(request, sl_type_tensor(context, element, count, dims));
}

/* ---- windows ---- */

static bool is_channels_last(const sl_infer_request *request) {
    sl_attr layout = sl_infer_attr(request, "layout");
    return layout && sl_attr_get_kind(layout) == SL_ATTR_STRING && strcmp(sl_attr_get_string(layout), "nhwc") == 0;
}

static bool positive(sl_infer_request *request, const char *name, const int64_t *values, int count) {
    for (int i = 0; i < count; i++)
        if (values[i] < 1 || values[i] > INT32_MAX)
            return sl_infer_fail(request, "%s: %lld is not a positive size", name, (long long)values[i]);
    return true;
}

/* Number of positions of a window of size `window` on an axis. */
static bool windows_on(sl_infer_request *request, int axis, sl_expr size, sl_expr window, int64_t low, int64_t high, int64_t stride, int64_t dilation, sl_expr *count) {
    sl_context *context = request->context;
    if (low < INT32_MIN || low > INT32_MAX || high < INT32_MIN || high > INT32_MAX)
        return sl_infer_fail(request, "the padding of spatial axis %d is out of range", axis);
    sl_expr one = sl_expr_const(context, 1);
    sl_expr reach = sl_expr_add(context, sl_expr_mul(context, sl_expr_sub(context, window, one), sl_expr_const(context, dilation)), one);
    sl_expr room = sl_expr_sub(context, sl_expr_add(context, size, sl_expr_const(context, low + high)), reach);
    int64_t value;
    if (sl_expr_is_const(room, &value) && value < 0)
        return sl_infer_fail(request, "the window does not fit: spatial axis %d has %s elements with padding, the window reaches over %s", axis,
                             sl_expr_text(context, sl_expr_add(context, size, sl_expr_const(context, low + high))), sl_expr_text(context, reach));
    *count = sl_expr_add(context, sl_expr_floordiv(context, room, sl_expr_const(context, stride)), one);
    return true;
}

typedef struct window_attrs { const int64_t *strides, *dilations, *low, *high; } window_attrs;

static bool read_window(sl_infer_request *request, int spatial, window_attrs *window) {
    return sl_infer_ints(request, "strides", spatial, &window->strides, NULL) && sl_infer_ints(request, "dilations", spatial, &window->dilations, NULL) &&
           sl_infer_ints(request, "pads_low", spatial, &window->low, NULL) && sl_infer_ints(request, "pads_high", spatial, &window->high, NULL) &&
           positive(request, "strides", window->strides, spatial) && positive(request, "dilations", window->dilations, spatial);
}

bool sl_infer_conv(sl_infer_request *request) {
    if (!sl_infer_tensor(request, 0) || !sl_infer_tensor(request, 1))
        return false;
    sl_context *context = request->context;
    sl_type x = sl_infer_operand(request, 0), w = sl_infer_operand(request, 1);
    sl_element element;
    int64_t groups;
    if (!result_element(request, sl_type_element(x), &element) || !sl_infer_int(request, "groups", &groups))
        return false;
    if (!sl_type_is_ranked(x) || !sl_type_is_ranked(w))
        return sl_infer_result(request, sl_type_unranked(context, element));
    int rank = sl_type_rank(x), spatial = rank - 2;
    if (rank < 3 || sl_type_rank(w) != rank)
        return sl_infer_fail(request, "x has rank %d and w rank %d; both must be the same and at least 3", rank, sl_type_rank(w));
    if (groups < 1)
        return sl_infer_fail(request, "groups must be at least 1, not %lld", (long long)groups);
    window_attrs window;
    if (!read_window(request, spatial, &window))
        return false;
    bool last = is_channels_last(request);
    int channel_axis = last ? rank - 1 : 1, first_spatial = last ? 1 : 2;
    sl_expr channels = sl_type_dim(x, channel_axis), per_group = sl_type_dim(w, last ? rank - 2 : 1), outputs = sl_type_dim(w, last ? rank - 1 : 0);
    int64_t value;
    if (sl_dims_conflict(channels, sl_expr_mul(context, per_group, sl_expr_const(context, groups))))
        return sl_infer_fail(request, "x has %s channels; w expects %s per group in %lld groups", sl_expr_text(context, channels),
                             sl_expr_text(context, per_group), (long long)groups);
    if (sl_expr_is_const(outputs, &value) && value % groups != 0)
        return sl_infer_fail(request, "%lld output channels can't be split into %lld groups", (long long)value, (long long)groups);
    sl_expr dims[SL_MAX_RANK];
    dims[0] = sl_type_dim(x, 0);
    dims[channel_axis] = outputs;
    for (int s = 0; s < spatial; s++)
        if (!windows_on(request, s, sl_type_dim(x, first_spatial + s), sl_type_dim(w, (last ? 0 : 2) + s), window.low[s], window.high[s], window.strides[s],
                        window.dilations[s], &dims[first_spatial + s]))
            return false;
    return sl_infer_result(request, sl_type_tensor(context, element, rank, dims));
}

bool sl_infer_pool(sl_infer_request *request) {
    if (!sl_infer_tensor(request, 0))
        return false;
    sl_context *context = request->context;
    sl_type x = sl_infer_operand(request, 0);
    if (!sl_type_is_ranked(x))
        return sl_infer_result(request, x);
    int rank = sl_type_rank(x), spatial = rank - 2;
    if (rank < 3)
        return sl_infer_fail(request, "x has rank %d; at least 3 is needed", rank);
    window_attrs window;
    const int64_t *sizes;
    if (!sl_infer_ints(request, "window", spatial, &sizes, NULL) || !positive(request, "window", sizes, spatial) || !read_window(request, spatial, &window))
        return false;
    int first_spatial = is_channels_last(request) ? 1 : 2;
    sl_expr dims[SL_MAX_RANK];
    for (int axis = 0; axis < rank; axis++)
        dims[axis] = sl_type_dim(x, axis);
    for (int s = 0; s < spatial; s++)
        if (!windows_on(request, s, sl_type_dim(x, first_spatial + s), sl_expr_const(context, sizes[s]), window.low[s], window.high[s], window.strides[s],
                        window.dilations[s], &dims[first_spatial + s]))
            return false;
    return sl_infer_result(request, sl_type_tensor(context, sl_type_element(x), rank, dims));
}

/* ---- searching ---- */

bool sl_infer_topk(sl_infer_request *request) {
    if (!sl_infer_tensor(request, 0) || !sl_infer_tensor(request, 1))
        return false;
    sl_context *context = request->context;
    sl_type x = sl_infer_operand(request, 0);
    if (sl_type_element(sl_infer_operand(request, 1)) != SL_ELEMENT_i64)
        return sl_infer_fail(request, "k must have element type i64");
    if (!sl_type_is_ranked(x))
        return sl_infer_result(request, x) && sl_infer_result(request, sl_type_unranked(context, SL_ELEMENT_i64));
    int axis;
    if (!sl_infer_axis(request, "axis", sl_type_rank(x), &axis))
        return false;
    sl_expr dims[SL_MAX_RANK], k;
    int64_t count;
    for (int d = 0; d < sl_type_rank(x); d++)
        dims[d] = sl_type_dim(x, d);
    if (sl_value_as_exprs(request->operands[1], &k, 1) != 1)
        k = sl_expr_fresh(context);
    if (sl_expr_is_const(k, &count) && (count < 0 || (sl_type_static_dim(x, axis) >= 0 && count > sl_type_static_dim(x, axis))))
        return sl_infer_fail(request, "k is %lld, but axis %d has %s elements", (long long)count, axis, sl_expr_text(context, dims[axis]));
    dims[axis] = k;
    sl_type values = sl_type_tensor(context, sl_type_element(x), sl_type_rank(x), dims);
    return sl_infer_result(request, values) && sl_infer_result(request, sl_type_with_element(context, values, SL_ELEMENT_i64));
}

bool sl_infer_nonzero(sl_infer_request *request) {
    if (!sl_infer_tensor(request, 0))
        return false;
    sl_type x = sl_infer_operand(request, 0);
    sl_expr dims[2];
    dims[0] = sl_type_is_ranked(x) ? sl_expr_const(request->context, sl_type_rank(x)) : sl_expr_fresh(request->context);
    dims[1] = sl_expr_fresh(request->context);
    return sl_infer_result(request, sl_type_tensor(request->context, SL_ELEMENT_i64, 2, dims));
}

bool sl_infer_unique(sl_infer_request *request) {
    if (!sl_infer_tensor(request, 0))
        return false;
    sl_context *context = request->context;
    sl_type x = sl_infer_operand(request, 0);
    sl_expr distinct = sl_expr_fresh(context), whole;
    sl_type values;
    if (!sl_infer_attr(request, "axis")) {
        values = sl_type_tensor(context, sl_type_element(x), 1, &distinct);
        whole = sl_type_is_ranked(x) ? sl_type_count(context, x) : sl_expr_fresh(context);
    } else if (sl_type_is_ranked(x)) {
        int axis;
        if (!sl_infer_axis(request, "axis", sl_type_rank(x), &axis))
            return false;
        sl_expr dims[SL_MAX_RANK];
        for (int d = 0; d < sl_type_rank(x); d++)
            dims[d] = d == axis ? distinct : sl_type_dim(x, d);
        values = sl_type_tensor(context, sl_type_element(x), sl_type_rank(x), dims);
        whole = sl_type_dim(x, axis);
    } else {
        values = x;
        whole = sl_expr_fresh(context);
    }
    sl_type positions = sl_type_tensor(context, SL_ELEMENT_i64, 1, &distinct);
    return sl_infer_result(request, values) && sl_infer_result(request, positions) &&
           sl_infer_result(request, sl_type_tensor(context, SL_ELEMENT_i64, 1, &whole)) && sl_infer_result(request, positions);
}

bool sl_infer_nonmax_suppression(sl_infer_request *request) {
    for (int i = 0; i < 5; i++)
        if (!sl_infer_tensor(request, i))
            return false;
    for (int i = 0; i < 2; i++) {
        sl_type type = sl_infer_operand(request, i);
        if (sl_type_is_ranked(type) && sl_type_rank(type) != 3)
            return sl_infer_fail(request, "%s must have rank 3, not %d", i ? "scores" : "boxes", sl_type_rank(type));
    }
    sl_expr dims[2] = {sl_expr_fresh(request->context), sl_expr_const(request->context, 3)};
    return sl_infer_result(request, sl_type_tensor(request->context, SL_ELEMENT_i64, 2, dims));
}

bool sl_infer_determinant(sl_infer_request *request) {
    if (!sl_infer_tensor(request, 0))
        return false;
    sl_type x = sl_infer_operand(request, 0);
    if (!sl_type_is_ranked(x))
        return sl_infer_result(request, x);
    int rank = sl_type_rank(x);
    if (rank < 2 || sl_dims_conflict(sl_type_dim(x, rank - 2), sl_type_dim(x, rank - 1)))
        return sl_infer_fail(request, "the last two axes of %s are no square matrix", sl_type_text(request->context, x));
    return sl_infer_result(request, without_axes(request->context, x, 3u << (rank - 2), sl_type_element(x)));
}
