/* infer_shape.c: result types of elementwise arithmetic, of constants, and of ops that move elements: transpose, slice, concat, pad, indexing,
 * and of ops that make tensors from shapes. Operands of unknown rank give results of unknown rank unless the attributes say more.
 */
#include "op_hooks.h"

/* ---- elementwise ---- */

/* The common shape of operands first..: the first one's type with each dim made as telling as any operand makes it. */
static bool merge_operands(sl_infer_request *request, int first, bool same_element, sl_type *merged) {
    if (first >= request->operand_count)
        return sl_infer_fail(request, "operand %d is missing", first);
    sl_type type = sl_infer_operand(request, first);
    for (int i = first + 1; i < request->operand_count; i++) {
        sl_type other = sl_infer_operand(request, i);
        if (sl_shapes_conflict(type, other) || (same_element && sl_types_conflict(type, other)))
            return sl_infer_fail(request, "operands %d and %d differ: %s and %s", first, i, sl_type_text(request->context, sl_infer_operand(request, first)),
                                 sl_type_text(request->context, other));
        type = sl_types_merge(request->context, type, other);
    }
    *merged = type;
    return true;
}

bool sl_infer_same_type(sl_infer_request *request) {
    sl_type type;
    return merge_operands(request, 0, true, &type) && sl_infer_result(request, type);
}

bool sl_infer_first_type(sl_infer_request *request) {
    return (request->operand_count > 0 || sl_infer_fail(request, "operand 0 is missing")) && sl_infer_result(request, sl_infer_operand(request, 0));
}

bool sl_infer_to_bool(sl_infer_request *request) {
    sl_type type;
    return merge_operands(request, 0, true, &type) && sl_infer_result(request, sl_type_with_element(request->context, type, SL_ELEMENT_i1));
}

bool sl_infer_select(sl_infer_request *request) {
    sl_type type;
    if (!merge_operands(request, 1, true, &type))
        return false;
    sl_type condition = sl_infer_operand(request, 0);
    if (sl_shapes_conflict(condition, type))
        return sl_infer_fail(request, "the condition's shape differs from the operands': %s and %s", sl_type_text(request->context, condition),
                             sl_type_text(request->context, type));
    if (sl_type_element(condition) != SL_ELEMENT_i1)
        return sl_infer_fail(request, "the condition must have element type i1, not %s", sl_element_name(sl_type_element(condition)));
    return sl_infer_result(request, sl_types_merge(request->context, type, condition));
}

/* ---- constants and shapes ---- */

bool sl_infer_constant(sl_infer_request *request) {
    sl_attr value = sl_infer_attr(request, "value");
    if (!value || sl_attr_get_kind(value) != SL_ATTR_DATA)
        return sl_infer_fail(request, "attribute `value` must be data");
    return sl_infer_result(request, sl_attr_get_type(value));
}

bool sl_infer_dim(sl_infer_request *request) {
    return sl_infer_result(request, sl_type_scalar(request->context, SL_ELEMENT_i64));
}

static sl_type vector_type(sl_context *context, sl_element element, sl_expr length) {
    return sl_type_tensor(context, element, 1, &length);
}

bool sl_infer_from_dims(sl_infer_request *request) {
    sl_attr dims = sl_infer_attr(request, "dims"), scalar = sl_infer_attr(request, "scalar");
    if (!dims || sl_attr_get_kind(dims) != SL_ATTR_ARRAY)
        return sl_infer_fail(request, "attribute `dims` must be an array of expressions");
    for (int i = 0; i < sl_attr_count(dims); i++)
        if (sl_attr_get_kind(sl_attr_item(dims, i)) != SL_ATTR_EXPR)
            return sl_infer_fail(request, "entry %d of attribute `dims` must be an expression", i);
    if (scalar && sl_attr_get_kind(scalar) == SL_ATTR_BOOL && sl_attr_get_bool(scalar)) {
        if (sl_attr_count(dims) != 1)
            return sl_infer_fail(request, "a scalar takes one expression, not %d", sl_attr_count(dims));
        return sl_infer_result(request, sl_type_tensor(request->context, SL_ELEMENT_i64, 0, NULL));
    }
    return sl_infer_result(request, vector_type(request->context, SL_ELEMENT_i64, sl_expr_const(request->context, sl_attr_count(dims))));
}

bool sl_infer_shape_of(sl_infer_request *request) {
    if (!sl_infer_tensor(request, 0))
        return false;
    sl_type x = sl_infer_operand(request, 0);
    sl_expr length = sl_type_is_ranked(x) ? sl_expr_const(request->context, sl_type_rank(x)) : sl_expr_fresh(request->context);
    return sl_infer_result(request, vector_type(request->context, SL_ELEMENT_i64, length));
}

bool sl_infer_range(sl_infer_request *request) {
    for (int i = 0; i < 3; i++)
        if (!sl_infer_tensor(request, i))
            return false;
    sl_type start = sl_infer_operand(request, 0);
    for (int i = 1; i < 3; i++)
        if (sl_types_conflict(start, sl_infer_operand(request, i)))
            return sl_infer_fail(request, "start, limit and delta must have one type, not %s and %s", sl_type_text(request->context, start),
                                 sl_type_text(request->context, sl_infer_operand(request, i)));
    sl_context *context = request->context;
    sl_expr first, limit, delta, length = NULL;
    int64_t step;
    if (sl_value_as_exprs(request->operands[0], &first, 1) == 1 && sl_value_as_exprs(request->operands[1], &limit, 1) == 1 &&
        sl_value_as_exprs(request->operands[2], &delta, 1) == 1 && sl_expr_is_const(delta, &step) && step != 0) {
        sl_expr span = step > 0 ? sl_expr_sub(context, limit, first) : sl_expr_sub(context, first, limit);
        sl_expr stride = step > 0 ? delta : sl_expr_sub(context, sl_expr_const(context, 0), delta);
        length = sl_expr_max(context, sl_expr_ceildiv(context, span, stride), sl_expr_const(context, 0));
    }
    return sl_infer_result(request, vector_type(context, sl_type_element(start), length ? length : sl_expr_fresh(context)));
}

/* The shape held by a 1-d integer operand: its elements where they are known, fresh symbols where only their number is. -1: not even that. */
static int shape_operand(sl_infer_request *request, int index, sl_expr *dims) {
    sl_type type = sl_infer_operand(request, index);
    int known = sl_value_as_exprs(request->operands[index], dims, SL_MAX_RANK);
    if (known >= 0)
        return known;
    if (!sl_type_is_ranked(type) || sl_type_rank(type) != 1)
        return -1;
    int64_t count = sl_type_static_dim(type, 0);
    if (count < 0 || count > SL_MAX_RANK)
        return -1;
    for (int i = 0; i < count; i++)
        dims[i] = sl_expr_fresh(request->context);
    return (int)count;
}

bool sl_infer_fill(sl_infer_request *request) {
    if (!sl_infer_tensor(request, 0) || !sl_infer_tensor(request, 1))
        return false;
    sl_element element = sl_type_element(sl_infer_operand(request, 0));
    sl_expr dims[SL_MAX_RANK];
    int rank = shape_operand(request, 1, dims);
    return sl_infer_result(request, rank < 0 ? sl_type_unranked(request->context, element) : sl_type_tensor(request->context, element, rank, dims));
}

bool sl_infer_expand_dynamic(sl_infer_request *request) {
    if (!sl_infer_tensor(request, 0) || !sl_infer_tensor(request, 1))
        return false;
    sl_context *context = request->context;
    sl_type x = sl_infer_operand(request, 0);
    sl_expr target[SL_MAX_RANK], dims[SL_MAX_RANK];
    int count = shape_operand(request, 1, target);
    if (count < 0 || !sl_type_is_ranked(x))
        return sl_infer_result(request, sl_type_unranked(context, sl_type_element(x)));
    bool known = sl_value_as_exprs(request->operands[1], target, SL_MAX_RANK) == count;
    int rank = sl_type_rank(x) > count ? sl_type_rank(x) : count;
    for (int axis = 0; axis < rank; axis++) {
        int own = axis - (rank - sl_type_rank(x)), asked = axis - (rank - count);
        int64_t size = own >= 0 ? sl_type_static_dim(x, own) : 1;
        if (asked < 0)
            dims[axis] = sl_type_dim(x, own);
        else if (size == 1)
            dims[axis] = target[asked];
        else if (known)
            dims[axis] = sl_expr_bcast(context, sl_type_dim(x, own), target[asked]);
        else
            dims[axis] = size > 1 ? sl_type_dim(x, own) : sl_expr_fresh(context);   /* a dim above 1 can't grow */
    }
    return sl_infer_result(request, sl_type_tensor(context, sl_type_element(x), rank, dims));
}

/* ---- moving elements ---- */

bool sl_infer_transpose(sl_infer_request *request) {
    if (!sl_infer_tensor(request, 0))
        return false;
    sl_type x = sl_infer_operand(request, 0);
    const int64_t *perm;
    int count;
    if (!sl_infer_ints(request, "perm", sl_type_is_ranked(x) ? sl_type_rank(x) : -1, &perm, &count))
        return false;
    uint32_t seen = 0;
    sl_expr dims[SL_MAX_RANK];
    for (int i = 0; i < count; i++) {
        if (perm[i] < 0 || perm[i] >= count || count > SL_MAX_RANK || (seen >> perm[i] & 1))
            return sl_infer_fail(request, "perm is not a permutation of 0..%d", count - 1);
        seen |= 1u << perm[i];
        dims[i] = sl_type_is_ranked(x) ? sl_type_dim(x, (int)perm[i]) : sl_expr_fresh(request->context);
    }
    return sl_infer_result(request, sl_type_tensor(request->context, sl_type_element(x), count, dims));
}

/* A constant slice of a dim, ONNX's rule; NULL when start, end or the dim are not known well enough. */
static sl_expr sliced_dim(sl_context *context, sl_expr dim, sl_expr start, sl_expr end, sl_expr step) {
    int64_t size, first, last, stride;
    if (!sl_expr_is_const(start, &first) || !sl_expr_is_const(end, &last) || !sl_expr_is_const(step, &stride) || stride == 0)
        return NULL;
    if (!sl_expr_is_const(dim, &size)) {
        if (stride == 1 && first == 0 && last >= INT32_MAX)
            return dim;
        return NULL;
    }
    int64_t low = stride > 0 ? 0 : -1, high = stride > 0 ? size : size - 1;
    first += first < 0 ? size : 0;
    last += last < 0 ? size : 0;
    first = first < 0 ? 0 : first > high ? high : first;
    last = last < low ? low : last > high ? high : last;
    if (stride > 0 ? first >= last : first <= last)
        return sl_expr_const(context, 0);
    int64_t span = stride > 0 ? last - first : first - last;
    return sl_expr_const(context, stride == INT64_MIN ? 1 : (span - 1) / (stride > 0 ? stride : -stride) + 1);
}

bool sl_infer_slice_dynamic(sl_infer_request *request) {
    for (int i = 0; i < 4; i++)
        if (!sl_infer_tensor(request, i))
            return false;
    sl_context *context = request->context;
    sl_type x = sl_infer_operand(request, 0);
    const int64_t *axes;
    int count;
    if (!sl_infer_ints(request, "axes", -1, &axes, &count))
        return false;
    if (!sl_type_is_ranked(x))
        return sl_infer_result(request, x);
    sl_expr dims[SL_MAX_RANK], starts[SL_MAX_RANK], ends[SL_MAX_RANK], steps[SL_MAX_RANK];
    int rank = sl_type_rank(x);
    bool known = count <= SL_MAX_RANK && sl_value_as_exprs(request->operands[1], starts, SL_MAX_RANK) == count &&
                 sl_value_as_exprs(request->operands[2], ends, SL_MAX_RANK) == count && sl_value_as_exprs(request->operands[3], steps, SL_MAX_RANK) == count;
    for (int axis = 0; axis < rank; axis++)
        dims[axis] = sl_type_dim(x, axis);
    for (int i = 0; i < count; i++) {
        if (axes[i] < 0 || axes[i] >= rank)
            return sl_infer_fail(request, "axis %lld is out of range for rank %d", (long long)axes[i], rank);
        sl_expr dim = known ? sliced_dim(context, sl_type_dim(x, (int)axes[i]), starts[i], ends[i], steps[i]) : NULL;
        dims[axes[i]] = dim ? dim : sl_expr_fresh(context);
    }
    return sl_infer_result(request, sl_type_tensor(context, sl_type_element(x), rank, dims));
}

bool sl_infer_concat(sl_infer_request *request) {
    sl_context *context = request->context;
    sl_type shape = NULL;   /* of the first operand with a known rank */
    for (int i = 0; i < request->operand_count; i++) {
        if (!sl_infer_tensor(request, i))
            return false;
        sl_type type = sl_infer_operand(request, i);
        if (sl_type_element(type) != sl_type_element(sl_infer_operand(request, 0)))
            return sl_infer_fail(request, "operands 0 and %d have different element types: %s and %s", i,
                                 sl_element_name(sl_type_element(sl_infer_operand(request, 0))), sl_element_name(sl_type_element(type)));
        if (!shape && sl_type_is_ranked(type))
            shape = type;
    }
    if (!shape)
        return sl_infer_result(request, sl_type_unranked(context, sl_type_element(sl_infer_operand(request, 0))));
    int rank = sl_type_rank(shape), axis;
    if (!sl_infer_axis(request, "axis", rank, &axis))
        return false;
    sl_expr dims[SL_MAX_RANK];
    for (int d = 0; d < rank; d++)
        dims[d] = d == axis ? sl_expr_const(context, 0) : sl_type_dim(shape, d);
    for (int i = 0; i < request->operand_count; i++) {
        sl_type type = sl_infer_operand(request, i);
        if (!sl_type_is_ranked(type)) {
            dims[axis] = sl_expr_fresh(context);
            break;
        }
        if (sl_type_rank(type) != rank)
            return sl_infer_fail(request, "operands 0 and %d have different ranks: %d and %d", i, rank, sl_type_rank(type));
        for (int d = 0; d < rank; d++) {
            if (d == axis) {
                dims[d] = sl_expr_add(context, dims[d], sl_type_dim(type, d));
                continue;
            }
            if (sl_dims_conflict(dims[d], sl_type_dim(type, d)))
                return sl_infer_fail(request, "operand %d has size %s along axis %d where others have %s", i,
                                     sl_expr_text(context, sl_type_dim(type, d)), d, sl_expr_text(context, dims[d]));
            dims[d] = sl_dim_merge(dims[d], sl_type_dim(type, d));
        }
    }
    return sl_infer_result(request, sl_type_tensor(context, sl_type_element(shape), rank, dims));
}

static bool check_fill(sl_infer_request *request, int index) {
    if (!sl_infer_tensor(request, index))
        return false;
    sl_type fill = sl_infer_operand(request, index), x = sl_infer_operand(request, 0);
    if (sl_type_is_ranked(fill) && sl_type_rank(fill) != 0)
        return sl_infer_fail(request, "the fill must have rank 0, not %d", sl_type_rank(fill));
    if (sl_type_element(fill) != sl_type_element(x))
        return sl_infer_fail(request, "the fill has element type %s, x has %s", sl_element_name(sl_type_element(fill)), sl_element_name(sl_type_element(x)));
    return true;
}

static bool padded_type(sl_infer_request *request, sl_type x, const sl_expr *low, const sl_expr *high, sl_type *result) {
    sl_context *context = request->context;
    sl_expr dims[SL_MAX_RANK];
    for (int axis = 0; axis < sl_type_rank(x); axis++) {
        int64_t size;
        dims[axis] = sl_expr_add(context, sl_type_dim(x, axis), sl_expr_add(context, low[axis], high[axis]));
        if (sl_expr_is_const(dims[axis], &size) && size < 0)
            return sl_infer_fail(request, "axis %d would get the negative size %lld", axis, (long long)size);
    }
    *result = sl_type_tensor(context, sl_type_element(x), sl_type_rank(x), dims);
    return true;
}

bool sl_infer_pad(sl_infer_request *request) {
    if (!sl_infer_tensor(request, 0) || !check_fill(request, 1))
        return false;
    sl_type x = sl_infer_operand(request, 0), result = x;
    if (sl_type_is_ranked(x)) {
        sl_expr low[SL_MAX_RANK], high[SL_MAX_RANK];
        if (!sl_infer_exprs(request, "low", sl_type_rank(x), low) || !sl_infer_exprs(request, "high", sl_type_rank(x), high) ||
            !padded_type(request, x, low, high, &result))
            return false;
    }
    return sl_infer_result(request, result);
}

bool sl_infer_pad_dynamic(sl_infer_request *request) {
    if (!sl_infer_tensor(request, 0) || !sl_infer_tensor(request, 1) || !check_fill(request, 2))
        return false;
    sl_type x = sl_infer_operand(request, 0), result = x;
    if (sl_type_is_ranked(x)) {
        sl_expr pads[2 * SL_MAX_RANK];
        int rank = sl_type_rank(x);
        if (sl_value_as_exprs(request->operands[1], pads, 2 * SL_MAX_RANK) == 2 * rank) {
            if (!padded_type(request, x, pads, pads + rank, &result))
                return false;
        } else {
            for (int axis = 0; axis < rank; axis++)
                pads[axis] = sl_expr_fresh(request->context);
            result = sl_type_tensor(request->context, sl_type_element(x), rank, pads);
        }
    }
    return sl_infer_result(request, result);
}

/* ---- indexing ---- */

static bool check_indices(sl_infer_request *request, int index) {
    if (!sl_infer_tensor(request, index))
        return false;
    sl_element element = sl_type_element(sl_infer_operand(request, index));
    return sl_element_is_integer(element) || sl_infer_fail(request, "indices must be integers, not %s", sl_element_name(element));
}

bool sl_infer_take(sl_infer_request *request) {
    if (!sl_infer_tensor(request, 0) || !check_indices(request, 1))
        return false;
    sl_context *context = request->context;
    sl_type x = sl_infer_operand(request, 0), indices = sl_infer_operand(request, 1);
    if (!sl_type_is_ranked(x) || !sl_type_is_ranked(indices))
        return sl_infer_result(request, sl_type_unranked(context, sl_type_element(x)));
    int axis, rank = sl_type_rank(x), index_rank = sl_type_rank(indices);
    if (!sl_infer_axis(request, "axis", rank, &axis) || !sl_infer_rank_limit(request, rank - 1 + index_rank))
        return false;
    sl_expr dims[SL_MAX_RANK];
    int count = 0;
    for (int d = 0; d < axis; d++)
        dims[count++] = sl_type_dim(x, d);
    for (int d = 0; d < index_rank; d++)
        dims[count++] = sl_type_dim(indices, d);
    for (int d = axis + 1; d < rank; d++)
        dims[count++] = sl_type_dim(x, d);
    return sl_infer_result(request, sl_type_tensor(context, sl_type_element(x), count, dims));
}

bool sl_infer_gather_elements(sl_infer_request *request) {
    if (!sl_infer_tensor(request, 0) || !check_indices(request, 1))
        return false;
    sl_type x = sl_infer_operand(request, 0), indices = sl_infer_operand(request, 1);
    if (sl_type_is_ranked(x) && sl_type_is_ranked(indices)) {
        int axis;
        if (sl_type_rank(x) != sl_type_rank(indices))
            return sl_infer_fail(request, "x has rank %d, the indices have rank %d", sl_type_rank(x), sl_type_rank(indices));
        if (!sl_infer_axis(request, "axis", sl_type_rank(x), &axis))
            return false;
    }
    return sl_infer_result(request, sl_type_with_element(request->context, indices, sl_type_element(x)));
}

bool sl_infer_gather_nd(sl_infer_request *request) {
    int64_t batch;
    if (!sl_infer_tensor(request, 0) || !check_indices(request, 1) || !sl_infer_int(request, "batch_dims", &batch))
        return false;
    sl_context *context = request->context;
    sl_type x = sl_infer_operand(request, 0), indices = sl_infer_operand(request, 1);
    if (!sl_type_is_ranked(x) || !sl_type_is_ranked(indices))
        return sl_infer_result(request, sl_type_unranked(context, sl_type_element(x)));
    int rank = sl_type_rank(x), index_rank = sl_type_rank(indices);
    if (index_rank < 1 || batch < 0 || batch >= rank || batch >= index_rank)
        return sl_infer_fail(request, "batch_dims %lld does not fit x of rank %d and indices of rank %d", (long long)batch, rank, index_rank);
    int64_t depth = sl_type_static_dim(indices, index_rank - 1);
    if (depth < 0)
        return sl_infer_result(request, sl_type_unranked(context, sl_type_element(x)));
    if (depth < 1 || batch + depth > rank)
        return sl_infer_fail(request, "index tuples of length %lld do not fit rank %d behind %lld batch dims", (long long)depth, rank, (long long)batch);
    int count = 0;
    sl_expr dims[2 * SL_MAX_RANK];
    for (int d = 0; d < index_rank - 1; d++)
        dims[count++] = d < batch ? sl_dim_merge(sl_type_dim(x, d), sl_type_dim(indices, d)) : sl_type_dim(indices, d);
    for (int d = (int)(batch + depth); d < rank; d++)
        dims[count++] = sl_type_dim(x, d);
    return sl_infer_rank_limit(request, count) && sl_infer_result(request, sl_type_tensor(context, sl_type_element(x), count, dims));
}
