/* lower_to_nest_slices.c: data-dependent slices as views.
 *
 * A slice whose positions are values of the run (a width that is an input, a cache cut at the present length) would be copied by a routine before it is read. In steps of 1 it is nothing but
 * an offset and a size: tensor.bind_slice gives them to two symbols, and tensor.slice is a view as any other. So nested widths of one weight are read in place. */
#include "lower_to_nest.h"

static bool in_steps_of_one(const sl_op *op, int count) {
    sl_expr steps[SL_MAX_RANK];
    if (count < 1 || count > SL_MAX_RANK || sl_value_as_exprs(sl_op_operand(op, 3), steps, SL_MAX_RANK) != count) return false;
    for (int i = 0; i < count; i++)
        if (!sl_expr_equals_const(steps[i], 1)) return false;
    return true;
}

static bool holds_positions(const sl_value *value, int count) {
    sl_type type = sl_value_type(value);
    return sl_type_is_ranked(type) && sl_type_rank(type) == 1 && sl_type_static_dim(type, 0) == count;
}

static bool make_view(sl_op *op) {
    sl_context *context = sl_op_context(op);
    sl_value *x = sl_op_operand(op, 0);
    sl_type type = sl_value_type(x), cut = sl_value_type(sl_op_result(op, 0));
    int count, rank;
    const int64_t *axes = sl_op_ints(op, "axes", &count);
    sl_expr dims[SL_MAX_RANK], begins[SL_MAX_RANK], sizes[SL_MAX_RANK], starts[SL_MAX_RANK], known[SL_MAX_RANK];
    int64_t steps[SL_MAX_RANK], constant;
    if (!sl_type_is_ranked(type) || !sl_type_is_ranked(cut) || !in_steps_of_one(op, count) || sl_type_element(type) == SL_ELEMENT_str) return false;
    if (!holds_positions(sl_op_operand(op, 1), count) || !holds_positions(sl_op_operand(op, 2), count)) return false;
    rank = sl_type_rank(type);
    for (int d = 0; d < rank; d++) starts[d] = sl_expr_const(context, 0), steps[d] = 1;
    bool have_starts = sl_value_as_exprs(sl_op_operand(op, 1), known, SL_MAX_RANK) == count;
    for (int i = 0; i < count; i++) {
        int axis = (int)axes[i];
        dims[i] = sl_type_dim(type, axis), sizes[i] = sl_type_dim(cut, axis);
        int64_t most = sl_expr_const_or(dims[i], 0);     /* a constant begin must be inside for sure */
        begins[i] = have_starts && sl_expr_is_const(known[i], &constant) && constant >= 0 && constant <= most ? known[i] : sl_expr_fresh(context);
        starts[axis] = begins[i];
    }
    sl_builder builder = sl_builder_before(op);
    sl_value *positions[] = {sl_op_operand(op, 1), sl_op_operand(op, 2)};
    sl_named_attr attrs[] = {{"dims", sl_attr_exprs(context, count, dims)}, {"begins", sl_attr_exprs(context, count, begins)}, {"sizes", sl_attr_exprs(context, count, sizes)},
                             {"weights", sl_attr_bool(context, true)}};
    sl_build(&builder, SL_OP_tensor_bind_slice, 2, positions, 0, NULL, sl_value_constant(x) ? 4 : 3, attrs);
    sl_named_attr slice[] = {{"starts", sl_attr_exprs(context, rank, starts)}, {"steps", sl_attr_ints(context, rank, steps)}};
    sl_value *view = sl_op_result(sl_build(&builder, SL_OP_tensor_slice, 1, &x, 1, &cut, 2, slice), 0);
    if (sl_value_name(sl_op_result(op, 0))) sl_value_set_name(view, sl_value_name(sl_op_result(op, 0)));
    sl_op_replace(op, &view);
    return true;
}

int64_t sl_lower_slices(sl_block *block) {
    int64_t changes = 0;
    for (sl_op *op = sl_block_first(block), *next; op; op = next) {
        next = sl_op_next(op);
        for (int i = 0; i < sl_op_region_count(op); i++)
            if (sl_region_block(sl_op_region(op, i))) changes += sl_lower_slices(sl_op_body(op, i));
        if (sl_op_get_kind(op) == SL_OP_tensor_slice_dynamic) changes += make_view(op);
    }
    return changes;
}
