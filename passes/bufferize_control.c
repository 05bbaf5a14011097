/* bufferize_control.c: tensor.if to kernel.if. A result is a pointer to whichever memory the taken branch yields: nothing is copied. Result dims that differ between
 * the branches are symbols that each branch binds at its end. What a branch yields keeps its own dims in its type. A result of unknown rank becomes a bare pointer,
 * which can only be returned (bufferize_output.c traces it into the branches). */
#include "bufferize_internal.h"

#include <string.h>

void sl_bufferize_match_dims(sl_bufferizer *bz, sl_builder *builder, sl_type type, sl_type actual, sl_expr_list *bound) {
    for (int d = 0; d < sl_type_rank(type); d++) {
        sl_expr dim = sl_type_dim(type, d), have = sl_type_dim(actual, d);
        if (dim == have) continue;
        if (sl_expr_get_kind(dim) == SL_EXPR_SYMBOL && !sl_bufferize_is_bound(bz, dim)) {
            sl_bufferize_bind(bz, builder, dim, sl_bufferize_dim(builder, have));
            if (bound) SL_PUSH(bz->pass->scratch, bound, dim);
        } else {
            sl_build_guard(builder, have, dim, "a value computed by control flow does not have the size that the model needs");
        }
    }
}

/* Moves one branch into the kernel.if and ends it with kernel.yield. */
static void bufferize_branch(sl_bufferizer *bz, sl_op *op, int region, sl_op *made, sl_expr_list *bound) {
    sl_block *block = sl_op_body(made, region);
    sl_builder builder = sl_builder_at_end(bz->module, block);
    builder.loc = sl_op_loc(op);
    sl_block_inline(&builder, sl_op_body(op, region), NULL);
    sl_bufferize_block(bz, block);
    if (bz->failed) return;
    sl_op *yield = sl_block_terminator(block);
    builder = sl_builder_before(yield);
    int count = sl_op_operand_count(yield);
    sl_value **values = SL_NEW_ARRAY(bz->pass->scratch, sl_value *, (size_t)(count + 1));
    for (int i = 0; i < count; i++) {
        sl_type type = sl_value_type(sl_op_result(made, i));
        values[i] = sl_op_operand(yield, i);
        if (sl_type_is_ranked(type)) sl_bufferize_match_dims(bz, &builder, type, sl_value_type(values[i]), bound);
    }
    sl_op_erase(yield);
    builder = sl_builder_at_end(bz->module, block);
    builder.loc = sl_op_loc(op);
    sl_build(&builder, SL_OP_kernel_yield, count, values, 0, NULL, 0, NULL);
}

void sl_bufferize_if(sl_bufferizer *bz, sl_op *op) {
    sl_builder builder = sl_builder_before(op);
    int count = sl_op_result_count(op);
    sl_type *types = SL_NEW_ARRAY(bz->pass->scratch, sl_type, (size_t)(count + 1));
    for (int i = 0; i < count; i++) {
        sl_type type = sl_value_type(sl_op_result(op, i));
        if (!sl_type_is_tensor(type)) {
            sl_op_report(op, SL_SEVERITY_ERROR, "result %d of the branch is not a tensor", i);
            bz->failed = true;
            return;
        }
        types[i] = sl_type_is_ranked(type) ? sl_buffer_type(bz, type) : sl_type_pointer(bz->context, sl_type_element(type));
    }
    sl_value *condition = sl_bufferize_load(&builder, sl_op_operand(op, 0));
    sl_op *made = sl_build(&builder, SL_OP_kernel_if, 1, &condition, count, types, 0, NULL);
    if (sl_op_bool(op, "schedule", false)) sl_op_set_attr(made, "schedule", sl_op_attr(op, "schedule"));
    /* What one branch binds is not bound in the other one, nor behind the branches but for the results' dims. */
    sl_expr_list bound = {0};
    size_t capacity = bz->bound_capacity;
    uint8_t *saved = sl_arena_copy(bz->pass->scratch, bz->bound, capacity);
    for (int g = 0; g < 2 && !bz->failed; g++) {
        bufferize_branch(bz, op, g, made, &bound);
        if (bz->bound_capacity) memset(bz->bound, 0, bz->bound_capacity);
        if (capacity) memcpy(bz->bound, saved, capacity);
    }
    if (bz->failed) return;
    for (size_t i = 0; i < bound.count; i++) sl_bufferize_set_bound(bz, bound.data[i], true);
    sl_value **results = SL_NEW_ARRAY(bz->pass->scratch, sl_value *, (size_t)(count + 1));
    for (int i = 0; i < count; i++) results[i] = sl_op_result(made, i);
    sl_op_replace(op, results);
    bz->pass->changes++;
}
