/* bufferize_route.c: route.dispatch to host code: for each region the row number and first packed position are read and bound, and a kernel.if runs the body when there are
 * rows. What a body yields is made straight in the branch's part of the packed memory, which lies there whole before the first branch; copied only when it is not the body's
 * own. Memory whose size grows with the row number is planned for the most rows that there can be (attribute limit), so that runs allocate nothing. */
#include "bufferize_internal.h"

#include <string.h>

static sl_value *load_at(sl_bufferizer *bz, sl_builder *b, sl_value *buffer, int64_t index) {
    sl_type type = sl_type_scalar(bz->context, SL_ELEMENT_i64);
    sl_value *operands[] = {buffer, sl_build_constant_int(b, type, index)};
    return sl_op_result(sl_build(b, SL_OP_kernel_load, 2, operands, 1, &type, 0, NULL), 0);
}

static void bind(sl_bufferizer *bz, sl_builder *b, sl_expr symbol, sl_value *value, sl_expr dense, sl_expr limit) {
    sl_named_attr attrs[3] = {{"symbol", sl_attr_expr(bz->context, symbol)}};
    int count = 1;
    if (dense) attrs[count++] = (sl_named_attr){"dense", sl_attr_expr(bz->context, dense)};
    if (limit) attrs[count++] = (sl_named_attr){"limit", sl_attr_expr(bz->context, limit)};
    sl_build(b, SL_OP_kernel_bind, 1, &value, 0, NULL, count, attrs);
    sl_bufferize_set_bound(bz, symbol, true);
}

/* The part of `whole` from packed row `begin` on, seen as `type`. */
static sl_value *part_of(sl_bufferizer *bz, sl_builder *b, sl_value *whole, sl_expr begin, sl_type type) {
    sl_expr offset = begin;
    for (int d = 1; d < sl_type_rank(type); d++) offset = sl_expr_mul(bz->context, offset, sl_type_dim(type, d));
    sl_named_attr attr = {"offset", sl_attr_expr(bz->context, offset)};
    return sl_op_result(sl_build(b, SL_OP_kernel_view, 1, &whole, 1, &type, 1, &attr), 0);
}

static void bufferize_body(sl_bufferizer *bz, sl_op *op, int region, sl_op *made, sl_value *const *memory, sl_expr begin) {
    sl_block *block = sl_op_body(made, 0);
    sl_builder b = sl_builder_at_end(bz->module, block);
    b.loc = sl_op_loc(op);
    sl_block_inline(&b, sl_op_body(op, region), NULL);
    sl_bufferize_block(bz, block);
    if (bz->failed) return;
    sl_op *yield = sl_block_terminator(block);
    for (int i = 0; i < sl_op_operand_count(yield); i++) {
        sl_value *value = sl_op_operand(yield, i);
        sl_op *alloc = sl_bufferize_local_alloc(value, block);
        if (alloc) {
            sl_builder before = sl_builder_before(alloc);
            sl_bufferize_redirect(alloc, part_of(bz, &before, memory[i], begin, sl_value_type(sl_op_result(alloc, 0))));
        } else {
            sl_builder before = sl_builder_before(yield);
            sl_bufferize_copy(&before, value, part_of(bz, &before, memory[i], begin, sl_value_type(value)));
        }
    }
    sl_op_erase(yield);
    b = sl_builder_at_end(bz->module, block);
    b.loc = sl_op_loc(op);
    sl_build(&b, SL_OP_kernel_yield, 0, NULL, 0, NULL, 0, NULL);
}

void sl_bufferize_dispatch(sl_bufferizer *bz, sl_op *op) {
    sl_builder b = sl_builder_before(op);
    sl_type i64 = sl_type_scalar(bz->context, SL_ELEMENT_i64);
    int results = sl_op_result_count(op), regions;
    const int64_t *branches = sl_op_ints(op, "branches", &regions);
    sl_value *starts = sl_op_operand(op, 0);
    sl_expr rows = sl_attr_get_expr(sl_op_attr(op, "rows")), capacity = results ? sl_type_dim(sl_value_type(sl_op_result(op, 0)), 0) : rows;
    sl_value **memory = SL_NEW_ARRAY(bz->pass->scratch, sl_value *, (size_t)results + 1);
    for (int i = 0; i < results; i++) memory[i] = sl_bufferize_alloc(bz, &b, sl_buffer_type(bz, sl_value_type(sl_op_result(op, i))));
    for (int g = 0; g < regions && !bz->failed; g++) {
        sl_expr count = sl_op_expr_at(op, "counts", g), begin = sl_op_expr_at(op, "begins", g);
        sl_value *first = load_at(bz, &b, starts, branches[g]), *end = load_at(bz, &b, starts, branches[g] + 1);
        sl_value *number = sl_build_binary(&b, SL_OP_arith_sub, end, first);
        bind(bz, &b, begin, first, NULL, NULL);
        sl_expr dense = g == (int)sl_op_int(op, "owed", -1) ? sl_expr_const(bz->context, 0) : rows;
        bind(bz, &b, count, number, dense, capacity);
        sl_named_attr attrs[] = {{"index", sl_attr_int(bz->context, branches[g])}, {"rows", sl_attr_expr(bz->context, count)}, {"dense", sl_attr_expr(bz->context, dense)}};
        sl_op *branch = sl_build(&b, SL_OP_kernel_branch, 0, NULL, 0, NULL, 3, attrs);
        if (sl_op_attr(op, "site")) sl_op_set_attr(branch, "site", sl_op_attr(op, "site"));
        sl_value *some = sl_build_compare(&b, "gt", number, sl_build_constant_int(&b, i64, 0));
        sl_op *made = sl_build(&b, SL_OP_kernel_if, 1, &some, 0, NULL, 0, NULL);
        size_t capacity_before = bz->bound_capacity;
        uint8_t *saved = sl_arena_copy(bz->pass->scratch, bz->bound, capacity_before);
        bufferize_body(bz, op, g, made, memory, begin);
        memset(bz->bound, 0, bz->bound_capacity);
        memcpy(bz->bound, saved, capacity_before);
        sl_builder otherwise = sl_builder_at_end(bz->module, sl_op_body(made, 1));
        otherwise.loc = sl_op_loc(op);
        sl_build(&otherwise, SL_OP_kernel_yield, 0, NULL, 0, NULL, 0, NULL);
    }
    if (bz->failed) return;
    sl_op_replace(op, memory);
    bz->pass->changes++;
}
