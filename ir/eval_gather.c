/* eval_gather.c: evaluation of tensor ops that read or write at positions held in tensors. Negative positions count from the end; others out of range fail. */
#include "eval_internal.h"
#include <string.h>

static int64_t checked_index(sl_eval *eval, const sl_op *op, const sl_tensor *indices, int64_t position, int64_t size, int axis) {
    int64_t index = sl_element_load_int(indices->element, indices->data, position), given = index;
    if (index < 0 && indices->element != SL_ELEMENT_u64) index += size;
    if (index < 0 || index >= size)
        sl_eval_fail(eval, op, "index %lld is out of range for axis %d of size %lld", (long long)given, axis, (long long)size);
    return index;
}

static sl_tensor *take(sl_eval *eval, const sl_op *op) {
    const sl_tensor *x = sl_eval_operand(eval, op, 0), *indices = sl_eval_operand(eval, op, 1);
    int axis = (int)sl_op_int(op, "axis", 0), rank = 0;
    int64_t shape[2 * SL_MAX_RANK], outer = 1, inner = 1;
    if (axis < 0 || axis >= x->rank || x->rank - 1 + indices->rank > SL_MAX_RANK)
        sl_eval_fail(eval, op, "axis %d and indices of rank %d do not fit rank %d", axis, indices->rank, x->rank);
    for (int d = 0; d < axis; d++) outer *= shape[rank++] = x->shape[d];
    for (int d = 0; d < indices->rank; d++) shape[rank++] = indices->shape[d];
    for (int d = axis + 1; d < x->rank; d++) inner *= shape[rank++] = x->shape[d];
    sl_tensor *result = sl_eval_alloc(eval, op, x->element, rank, shape);
    int64_t size = x->shape[axis], count = sl_tensor_count(indices);
    for (int64_t i = 0; i < count; i++) {
        int64_t index = checked_index(eval, op, indices, i, size, axis);
        for (int64_t o = 0; o < outer; o++) sl_copy_elements(x->element, result->data, (o * count + i) * inner, x->data, (o * size + index) * inner, inner);
    }
    return result;
}

/* Position in x of the element that `index` (an index into `indices`) means, its coordinate at `axis` replaced by the index held there. */
static int64_t element_position(sl_eval *eval, const sl_op *op, const sl_tensor *x, const sl_tensor *indices, int axis, const int64_t *index, int64_t flat) {
    int64_t strides[SL_MAX_RANK], position = 0;
    sl_strides(x->rank, x->shape, strides);
    for (int d = 0; d < x->rank; d++) {
        if (d != axis && index[d] >= x->shape[d])
            sl_eval_fail(eval, op, "axis %d of the indices has size %lld, x has %lld", d, (long long)indices->shape[d], (long long)x->shape[d]);
        position += (d == axis ? checked_index(eval, op, indices, flat, x->shape[d], d) : index[d]) * strides[d];
    }
    return position;
}

static int checked_axis(sl_eval *eval, const sl_op *op, const sl_tensor *x, const sl_tensor *indices) {
    int64_t axis = sl_op_int(op, "axis", 0);
    if (axis < 0 || axis >= x->rank || indices->rank != x->rank)
        sl_eval_fail(eval, op, "axis %lld and indices of rank %d do not fit rank %d", (long long)axis, indices->rank, x->rank);
    return (int)axis;
}

static sl_tensor *gather_elements(sl_eval *eval, const sl_op *op) {
    const sl_tensor *x = sl_eval_operand(eval, op, 0), *indices = sl_eval_operand(eval, op, 1);
    int axis = checked_axis(eval, op, x, indices);
    sl_tensor *result = sl_eval_alloc(eval, op, x->element, indices->rank, indices->shape);
    int64_t index[SL_MAX_RANK] = {0}, count = sl_tensor_count(indices);
    for (int64_t i = 0; i < count; i++) {
        sl_copy_elements(x->element, result->data, i, x->data, element_position(eval, op, x, indices, axis, index, i), 1);
        sl_next_index(indices->rank, indices->shape, index);
    }
    return result;
}

/* Combines an update into an element, as the reduction says. */
static void combine(sl_eval *eval, const sl_op *op, const char *reduction, sl_tensor *result, int64_t to, const sl_tensor *updates, int64_t from) {
    if (strcmp(reduction, "none") == 0) {
        sl_copy_elements(result->element, result->data, to, updates->data, from, 1);
        return;
    }
    if (result->element == SL_ELEMENT_str) sl_eval_fail(eval, op, "strings can't be combined");
    sl_op_kind kind = strcmp(reduction, "add") == 0 ? SL_OP_arith_add : strcmp(reduction, "mul") == 0 ? SL_OP_arith_mul
                    : strcmp(reduction, "max") == 0 ? SL_OP_arith_max : SL_OP_arith_min;
    sl_lane_op lane_op = sl_lane_op_binary(kind, result->element);
    sl_lane old, update, combined;
    const sl_lane *operands[3] = {&old, &update, &update};
    sl_lanes_load(result->element, result->data, to, 1, 1, &old);
    sl_lanes_load(updates->element, updates->data, from, 1, 1, &update);
    sl_lanes_apply(&lane_op, 1, operands, &combined);
    sl_lanes_store(result->element, result->data, to, 1, 1, &combined);
}

static sl_tensor *copy_of(sl_eval *eval, const sl_op *op, const sl_tensor *x) {
    sl_tensor *copy = sl_eval_alloc(eval, op, x->element, x->rank, x->shape);
    sl_copy_elements(x->element, copy->data, 0, x->data, 0, sl_tensor_count(x));
    return copy;
}

static sl_tensor *scatter_elements(sl_eval *eval, const sl_op *op) {
    const sl_tensor *x = sl_eval_operand(eval, op, 0), *indices = sl_eval_operand(eval, op, 1), *updates = sl_eval_operand(eval, op, 2);
    int axis = checked_axis(eval, op, x, indices);
    if (updates->rank != indices->rank || updates->element != x->element || memcmp(updates->shape, indices->shape, sizeof(int64_t) * (size_t)indices->rank) != 0)
        sl_eval_fail(eval, op, "updates and indices must have one shape, updates and x one element type");
    sl_tensor *result = copy_of(eval, op, x);
    int64_t index[SL_MAX_RANK] = {0}, count = sl_tensor_count(indices);
    const char *reduction = sl_op_string(op, "reduction", "none");
    for (int64_t i = 0; i < count; i++) {
        combine(eval, op, reduction, result, element_position(eval, op, x, indices, axis, index, i), updates, i);
        sl_next_index(indices->rank, indices->shape, index);
    }
    return result;
}

/* Index tuples along the last dim of `indices`, addressing x behind `batch` shared dims: the position of tuple `number`'s slice in x. */
static int64_t tuple_position(sl_eval *eval, const sl_op *op, const sl_tensor *x, const sl_tensor *indices, int64_t number, int64_t depth, int64_t batch, int64_t batch_number) {
    int64_t strides[SL_MAX_RANK], position = 0, rest = batch_number;
    sl_strides(x->rank, x->shape, strides);
    for (int64_t d = batch - 1; d >= 0; d--) {
        position += rest % x->shape[d] * strides[d];
        rest /= x->shape[d];
    }
    for (int64_t d = 0; d < depth; d++)
        position += checked_index(eval, op, indices, number * depth + d, x->shape[batch + d], (int)(batch + d)) * strides[batch + d];
    return position;
}

/* Checks indices of rank >= 1 against x; the depth of the tuples. */
static int64_t tuple_depth(sl_eval *eval, const sl_op *op, const sl_tensor *x, const sl_tensor *indices, int64_t batch) {
    int64_t depth = indices->rank > 0 ? indices->shape[indices->rank - 1] : -1;
    bool fits = depth >= 0 && batch >= 0 && batch < indices->rank && batch + depth <= x->rank;
    for (int64_t d = 0; fits && d < batch; d++) fits = x->shape[d] == indices->shape[d];
    if (!fits) sl_eval_fail(eval, op, "index tuples of length %lld behind %lld batch dims do not fit rank %d", (long long)depth, (long long)batch, x->rank);
    return depth;
}

static sl_tensor *gather_nd(sl_eval *eval, const sl_op *op) {
    const sl_tensor *x = sl_eval_operand(eval, op, 0), *indices = sl_eval_operand(eval, op, 1);
    int64_t batch = sl_op_int(op, "batch_dims", 0), depth = tuple_depth(eval, op, x, indices, batch);
    int64_t shape[2 * SL_MAX_RANK], tuples = 1, per_batch = 1, inner = 1;
    int rank = 0;
    for (int d = 0; d < indices->rank - 1; d++) {
        tuples *= shape[rank++] = indices->shape[d];
        if (d >= batch) per_batch *= indices->shape[d];
    }
    for (int64_t d = batch + depth; d < x->rank; d++) inner *= shape[rank++] = x->shape[d];
    if (rank > SL_MAX_RANK) sl_eval_fail(eval, op, "the result would have rank %d", rank);
    sl_tensor *result = sl_eval_alloc(eval, op, x->element, rank, shape);
    for (int64_t i = 0; i < tuples && inner > 0; i++)
        sl_copy_elements(x->element, result->data, i * inner, x->data, tuple_position(eval, op, x, indices, i, depth, batch, i / per_batch), inner);
    return result;
}

static sl_tensor *scatter_nd(sl_eval *eval, const sl_op *op) {
    const sl_tensor *x = sl_eval_operand(eval, op, 0), *indices = sl_eval_operand(eval, op, 1), *updates = sl_eval_operand(eval, op, 2);
    int64_t depth = tuple_depth(eval, op, x, indices, 0), tuples = 1, inner = 1;
    for (int d = 0; d < indices->rank - 1; d++) tuples *= indices->shape[d];
    for (int64_t d = depth; d < x->rank; d++) inner *= x->shape[d];
    if (updates->element != x->element || sl_tensor_count(updates) != tuples * inner)
        sl_eval_fail(eval, op, "%lld slices of %lld elements need as many updates, found %lld", (long long)tuples, (long long)inner, (long long)sl_tensor_count(updates));
    sl_tensor *result = copy_of(eval, op, x);
    const char *reduction = sl_op_string(op, "reduction", "none");
    for (int64_t i = 0; i < tuples && inner > 0; i++) {
        int64_t position = tuple_position(eval, op, x, indices, i, depth, 0, 0);
        for (int64_t k = 0; k < inner; k++) combine(eval, op, reduction, result, position + k, updates, i * inner + k);
    }
    return result;
}

sl_tensor *sl_eval_gather(sl_eval *eval, const sl_op *op) {
    sl_tensor *result = NULL;
    switch ((int)sl_op_get_kind(op)) {
    case SL_OP_tensor_take: result = take(eval, op); break;
    case SL_OP_tensor_gather_elements: result = gather_elements(eval, op); break;
    case SL_OP_tensor_gather_nd: result = gather_nd(eval, op); break;
    case SL_OP_tensor_scatter_elements: result = scatter_elements(eval, op); break;
    case SL_OP_tensor_scatter_nd: result = scatter_nd(eval, op); break;
    default: sl_eval_fail(eval, op, "%s can't be evaluated here", sl_op_name(op));
    }
    sl_eval_step(eval, op, sl_tensor_count(result));
    return result;
}
