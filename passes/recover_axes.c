/* recover_axes.c: how axes flow through ops. Whether an op works row by row, expert by expert or slot by slot is one question, asked about different axes. */
#include "recover.h"

#include <string.h>

static sl_type type_of(const sl_op *op, int operand) { return sl_value_type(sl_op_operand(op, operand)); }

static int position(const int64_t *axes, int count, int64_t axis) {
    for (int i = 0; i < count; i++)
        if (axes[i] == axis) return i;
    return -1;
}

/* The axis that is number `nth` of those in neither list. */
static int free_axis(int rank, const int64_t *batch, int batches, const int64_t *sum, int sums, int nth) {
    for (int d = 0; d < rank; d++)
        if (position(batch, batches, d) < 0 && position(sum, sums, d) < 0 && nth-- == 0) return d;
    return -1;
}

static int contract_axis(const sl_op *op, int operand, int axis) {
    int batches, sums, left_rank = sl_type_rank(type_of(op, 0)), right_rank = sl_type_rank(type_of(op, 1));
    const int64_t *left_batch = sl_op_ints(op, "left_batch", &batches), *right_batch = sl_op_ints(op, "right_batch", &batches);
    const int64_t *left_sum = sl_op_ints(op, "left_sum", &sums), *right_sum = sl_op_ints(op, "right_sum", &sums);
    if (axis < batches) return (int)(operand ? right_batch[axis] : left_batch[axis]);
    int left_free = left_rank - batches - sums;
    axis -= batches;
    if (axis < left_free) return operand ? SL_AXIS_WHOLE : free_axis(left_rank, left_batch, batches, left_sum, sums, axis);
    return operand ? free_axis(right_rank, right_batch, batches, right_sum, sums, axis - left_free) : SL_AXIS_WHOLE;
}

/* The operand's axis that has the same dim and the same number of elements before it. */
static int reshape_axis(sl_context *c, sl_type from, sl_type to, int axis) {
    sl_expr before = sl_expr_const(c, 1), passed = before;
    for (int d = 0; d < axis; d++) before = sl_expr_mul(c, before, sl_type_dim(to, d));
    for (int d = 0; d < sl_type_rank(from); d++) {
        if (passed == before && sl_type_dim(from, d) == sl_type_dim(to, axis)) return d;
        passed = sl_expr_mul(c, passed, sl_type_dim(from, d));
    }
    return SL_AXIS_MIXED;
}

static int reduce_axis(const sl_op *op, int axis) {
    int count, rank = sl_type_rank(type_of(op, 0));
    if (sl_op_get_kind(op) == SL_OP_tensor_arg_reduce) return axis < sl_op_int(op, "axis", 0) ? axis : axis + 1;
    const int64_t *axes = sl_op_ints(op, "axes", &count);
    return free_axis(rank, axes, count, NULL, 0, axis);
}

static int same_dim(const sl_op *op, int operand, int from, int axis) {
    if (from < 0 || from >= sl_type_rank(type_of(op, operand))) return SL_AXIS_MIXED;
    return sl_type_dim(type_of(op, operand), from) == sl_type_dim(sl_value_type(sl_op_result(op, 0)), axis) ? from : SL_AXIS_MIXED;
}

int sl_recover_axis(const sl_op *op, int operand, int axis) {
    if (sl_op_result_count(op) != 1 || sl_op_region_count(op) || !sl_op_has_trait(op, SL_TRAIT_PURE)) return SL_AXIS_MIXED;
    sl_type result = sl_value_type(sl_op_result(op, 0)), type = type_of(op, operand);
    if (!sl_type_is_tensor(result) || !sl_type_is_ranked(result) || axis >= sl_type_rank(result) || !sl_type_is_tensor(type) || !sl_type_is_ranked(type)) return SL_AXIS_MIXED;
    sl_op_kind kind = sl_op_get_kind(op);
    int count;
    if (sl_op_has_trait(op, SL_TRAIT_ELEMENTWISE)) return same_dim(op, operand, axis, axis);
    if (kind == SL_OP_tensor_broadcast) {
        int from = axis - (sl_type_rank(result) - sl_type_rank(type));
        if (from < 0 || (sl_expr_equals_const(sl_type_dim(type, from), 1) && !sl_expr_equals_const(sl_type_dim(result, axis), 1))) return SL_AXIS_WHOLE;
        return same_dim(op, operand, from, axis);
    }
    if (kind == SL_OP_tensor_contract) {
        int from = contract_axis(op, operand, axis);
        return from < 0 ? from : same_dim(op, operand, from, axis);
    }
    if (kind == SL_OP_tensor_conv) return axis ? SL_AXIS_MIXED : operand ? SL_AXIS_WHOLE : same_dim(op, 0, 0, 0);
    if (kind == SL_OP_tensor_pool) return axis ? SL_AXIS_MIXED : same_dim(op, 0, 0, 0);
    if (kind == SL_OP_tensor_reduce || kind == SL_OP_tensor_arg_reduce) return same_dim(op, 0, reduce_axis(op, axis), axis);
    if (kind == SL_OP_tensor_cumulate || kind == SL_OP_tensor_concat || kind == SL_OP_tensor_gather_elements)
        return sl_op_int(op, "axis", 0) == axis ? SL_AXIS_MIXED : same_dim(op, operand, axis, axis);
    if (kind == SL_OP_tensor_reshape) return sl_op_operand_count(op) == 1 ? reshape_axis(sl_op_context(op), type, result, axis) : SL_AXIS_MIXED;
    if (kind == SL_OP_tensor_transpose) return (int)sl_op_ints(op, "perm", &count)[axis];
    if (kind == SL_OP_tensor_slice)
        return sl_expr_equals_const(sl_op_expr_at(op, "starts", axis), 0) && sl_op_ints(op, "steps", &count)[axis] == 1 ? same_dim(op, 0, axis, axis) : SL_AXIS_MIXED;
    if (kind == SL_OP_tensor_pad) {
        bool kept = sl_expr_equals_const(sl_op_expr_at(op, "low", axis), 0) && sl_expr_equals_const(sl_op_expr_at(op, "high", axis), 0);
        return operand ? SL_AXIS_WHOLE : kept ? same_dim(op, 0, axis, axis) : SL_AXIS_MIXED;
    }
    if (kind == SL_OP_tensor_take) {
        int at = (int)sl_op_int(op, "axis", 0), indices = sl_type_rank(type_of(op, 1));
        if (axis >= at && axis < at + indices) return operand ? same_dim(op, 1, axis - at, axis) : SL_AXIS_WHOLE;
        return operand ? SL_AXIS_WHOLE : same_dim(op, 0, axis < at ? axis : axis - indices + 1, axis);
    }
    return SL_AXIS_MIXED;
}
