/* simplify_control.c: control flow whose course is known: a constant condition, a loop that runs never or once. */
#include "simplify_internal.h"

/* Moves the body's ops in front of the root and returns the yielded values; the terminator goes. */
static sl_value **inline_body(sl_rewriter *rw, sl_block *body, sl_value *const *arguments, int *count) {
    sl_op *yield = sl_block_terminator(body);
    *count = sl_op_operand_count(yield);
    sl_value **values = SL_NEW_ARRAY(rw->pass->scratch, sl_value *, (size_t)(*count ? *count : 1));
    sl_op *anchor = rw->builder.before;
    sl_block_inline(&rw->builder, body, arguments);
    sl_op *moved = sl_op_previous(anchor);   /* the terminator, last of what was moved */
    for (int i = 0; i < *count; i++) values[i] = sl_op_operand(moved, i);
    sl_op_erase(moved);
    return values;
}

bool sl_rule_if_constant(sl_rewriter *rw, sl_op *op) {
    double condition;
    int count;
    if (!sl_splat_float(sl_op_operand(op, 0), &condition)) return false;
    sl_value **values = inline_body(rw, sl_op_body(op, condition != 0 ? 0 : 1), NULL, &count);
    return sl_rewrite_with_all(rw, count, values);
}

/* Known number of iterations, -1 when unknown: from the attribute, or a condition that is false from the start. */
static int64_t trips_of(const sl_op *op) {
    double condition, trips;
    sl_attr known = sl_op_attr(op, "trip_count");
    if (sl_splat_float(sl_op_operand(op, 1), &condition) && condition == 0) return 0;
    if (known) return sl_expr_const_or(sl_attr_get_expr(known), -1);
    return sl_splat_float(sl_op_operand(op, 0), &trips) && trips == 0 ? 0 : -1;
}

bool sl_rule_loop_never(sl_rewriter *rw, sl_op *op) {
    int carried = (int)sl_op_int(op, "carried", 0), count = sl_op_result_count(op);
    if (trips_of(op) != 0) return false;
    sl_value **values = SL_NEW_ARRAY(rw->pass->scratch, sl_value *, (size_t)(count ? count : 1));
    for (int i = 0; i < count; i++) {
        if (i < carried) {
            values[i] = sl_op_operand(op, 2 + i);
            continue;
        }
        sl_type type = sl_value_type(sl_op_result(op, i));
        if (!sl_type_is_tensor(type) || !sl_type_is_ranked(type)) return false;
        sl_expr dims[SL_MAX_RANK];
        for (int d = 0; d < sl_type_rank(type); d++) dims[d] = sl_expr_const(rw->context, d == 0 ? 0 : sl_expr_const_or(sl_type_dim(type, d), 0));
        void *bytes;
        sl_attr empty = sl_attr_data_zero(rw->context, sl_type_with_dims(rw->context, type, sl_type_rank(type), dims), &bytes);
        values[i] = sl_build_constant(&rw->builder, empty);
    }
    return sl_rewrite_with_all(rw, count, values);
}

bool sl_rule_loop_once(sl_rewriter *rw, sl_op *op) {
    int carried = (int)sl_op_int(op, "carried", 0), yielded;
    if (trips_of(op) != 1) return false;
    sl_block *body = sl_op_body(op, 0);
    sl_value **arguments = SL_NEW_ARRAY(rw->pass->scratch, sl_value *, (size_t)(carried + 2));
    sl_type types[2] = {sl_value_type(sl_block_argument(body, 0)), sl_value_type(sl_block_argument(body, 1))};
    arguments[0] = sl_build_constant(&rw->builder, sl_attr_data_splat(rw->context, types[0], 0));
    arguments[1] = sl_build_constant(&rw->builder, sl_attr_data_splat(rw->context, types[1], 1));
    for (int i = 0; i < carried; i++) {
        arguments[2 + i] = sl_op_operand(op, 2 + i);
        sl_shape_map_unify(&rw->map, sl_value_type(sl_block_argument(body, 2 + i)), sl_value_type(arguments[2 + i]));
    }
    sl_value **values = inline_body(rw, body, arguments, &yielded), **results = values + 1;
    for (int i = carried; i < yielded - 1; i++) {
        sl_type type = sl_value_type(results[i]);
        sl_expr dims[SL_MAX_RANK] = {sl_expr_const(rw->context, 1)};
        if (!sl_type_is_ranked(type) || sl_type_rank(type) + 1 > SL_MAX_RANK) continue;
        for (int d = 0; d < sl_type_rank(type); d++) dims[1 + d] = sl_type_dim(type, d);
        results[i] = sl_make_reshape(rw, results[i], sl_type_with_dims(rw->context, type, sl_type_rank(type) + 1, dims));
    }
    return sl_rewrite_with_all(rw, yielded - 1, results);
}
