/* bufferize_route.c: route.dispatch to host code: for each region the row number and first packed position are read and bound, and a kernel.if runs the body when there are
 * rows. What a body yields is made straight in the branch's part of the packed memory, which lies there whole before the first branch; copied only when it is not the body's
 * own. Memory whose size grows with the row number is planned for the most rows that there can be (attribute limit), so that runs allocate nothing.
 *
 * A region for several branches becomes a kernel.each over them, and then, where its body is launches one after the other, one kernel.each per launch that only queues it, with
 * a kernel.flush behind (bufferize_group.c). */
#include "bufferize_internal.h"

#include <string.h>

static sl_value *load_from(sl_bufferizer *bz, sl_builder *b, sl_value *buffer, sl_value *index) {
    sl_type type = sl_type_scalar(bz->context, SL_ELEMENT_i64);
    sl_value *operands[] = {buffer, index};
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
    return sl_bufferize_part(bz, b, whole, offset, type);
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
    sl_bufferize_end(bz, op, block);
}

void sl_bufferize_end(sl_bufferizer *bz, const sl_op *op, sl_block *block) {
    sl_builder b = sl_builder_at_end(bz->module, block);
    b.loc = sl_op_loc(op);
    sl_build(&b, SL_OP_kernel_yield, 0, NULL, 0, NULL, 0, NULL);
}

/* numbers[index] when running. */
static sl_value *number_at(sl_bufferizer *bz, sl_builder *b, sl_expr index, int count, const int64_t *numbers) {
    bool linear = true;
    for (int i = 1; i < count; i++) linear &= numbers[i] == numbers[0] + i;
    if (linear) return sl_bufferize_dim(b, sl_expr_add(bz->context, index, sl_expr_const(bz->context, numbers[0])));
    sl_expr size = sl_expr_const(bz->context, count);
    sl_attr data = sl_attr_data_copy(bz->context, sl_type_tensor(bz->context, SL_ELEMENT_i64, 1, &size), numbers, (int64_t)sizeof(int64_t) * count);
    sl_value *table = sl_build_constant(b, data);
    sl_value_set_type(table, sl_buffer_type(bz, sl_value_type(table)));
    return load_from(bz, b, table, sl_bufferize_dim(b, index));
}

sl_op *sl_bufferize_enter(sl_bufferizer *bz, const sl_dispatch *d, sl_builder *b) {
    sl_op *op = d->op;
    sl_type i64 = sl_type_scalar(bz->context, SL_ELEMENT_i64);
    sl_value *starts = sl_op_operand(op, 0);
    sl_expr rows = sl_attr_get_expr(sl_op_attr(op, "rows")), capacity = sl_op_result_count(op) ? sl_type_dim(sl_value_type(sl_op_result(op, 0)), 0) : rows;
    sl_value *branch = d->index ? number_at(bz, b, d->index, d->member_count, d->members) : sl_build_constant_int(b, i64, d->members[0]);
    sl_value *first = load_from(bz, b, starts, branch), *end = load_from(bz, b, starts, sl_build_binary(b, SL_OP_arith_add, branch, sl_build_constant_int(b, i64, 1)));
    sl_value *number = sl_build_binary(b, SL_OP_arith_sub, end, first);
    for (int i = 0; d->picks && i < sl_attr_count(d->picks); i++) {
        sl_attr pick = sl_attr_item(d->picks, i);
        bind(bz, b, sl_attr_get_expr(sl_attr_item(pick, 0)), number_at(bz, b, d->index, d->member_count, sl_attr_get_ints(sl_attr_item(pick, 1))), NULL, NULL);
    }
    bind(bz, b, d->begin, first, NULL, NULL);
    if (d->owed) rows = sl_expr_const(bz->context, 0);      /* nothing of it would run without skipping */
    bind(bz, b, d->count, number, rows, capacity);
    sl_named_attr attrs[5] = {{"index", sl_attr_int(bz->context, d->members[0])}, {"rows", sl_attr_expr(bz->context, d->count)}, {"dense", sl_attr_expr(bz->context, rows)}};
    int attr_count = 3;
    if (d->index) {
        attrs[attr_count++] = (sl_named_attr){"members", sl_attr_ints(bz->context, d->member_count, d->members)};
        attrs[attr_count++] = (sl_named_attr){"entry", sl_attr_int(bz->context, d->entry)};
    }
    sl_op *counter = sl_build(b, SL_OP_kernel_branch, 0, NULL, 0, NULL, attr_count, attrs);
    if (sl_op_attr(op, "site")) sl_op_set_attr(counter, "site", sl_op_attr(op, "site"));
    sl_value *some = sl_build_compare(b, "gt", number, sl_build_constant_int(b, i64, 0));
    sl_op *made = sl_build(b, SL_OP_kernel_if, 1, &some, 0, NULL, 0, NULL);
    sl_bufferize_end(bz, op, sl_op_body(made, 1));
    return made;
}

static void bufferize_region(sl_bufferizer *bz, sl_dispatch *d, int g, sl_builder *b, sl_value *const *memory) {
    size_t capacity_before = bz->bound_capacity;
    uint8_t *saved = sl_arena_copy(bz->pass->scratch, bz->bound, capacity_before);
    sl_op *each = NULL;
    sl_builder inside = *b;
    if (d->member_count > 1) {
        d->index = sl_expr_fresh(bz->context);
        d->entry = bz->entries++;
        each = sl_bufferize_each(bz, d, b);
        inside = sl_builder_at_end(bz->module, sl_op_body(each, 0));
        inside.loc = sl_op_loc(d->op);
    }
    sl_op *made = sl_bufferize_enter(bz, d, &inside);
    bufferize_body(bz, d->op, g, made, memory, d->begin);
    if (bz->failed) return;
    if (each) {
        sl_bufferize_end(bz, d->op, sl_op_body(each, 0));
        sl_bufferize_group(bz, d, each, made);
    }
    memset(bz->bound, 0, bz->bound_capacity);
    memcpy(bz->bound, saved, capacity_before);
}

void sl_bufferize_dispatch(sl_bufferizer *bz, sl_op *op) {
    sl_builder b = sl_builder_before(op);
    int results = sl_op_result_count(op), regions;
    const int64_t *branches = sl_op_ints(op, "branches", &regions);
    sl_attr members = sl_op_attr(op, "members"), picks = sl_op_attr(op, "picks");
    sl_value **memory = SL_NEW_ARRAY(bz->pass->scratch, sl_value *, (size_t)results + 1);
    for (int i = 0; i < results; i++) memory[i] = sl_bufferize_alloc(bz, &b, sl_buffer_type(bz, sl_value_type(sl_op_result(op, i))));
    for (int g = 0; g < regions && !bz->failed; g++) {
        sl_dispatch d = {.op = op, .count = sl_op_expr_at(op, "counts", g), .begin = sl_op_expr_at(op, "begins", g), .member_count = 1, .members = &branches[g],
                         .owed = g == (int)sl_op_int(op, "owed", -1)};
        if (members) d.member_count = sl_attr_count(sl_attr_item(members, g)), d.members = sl_attr_get_ints(sl_attr_item(members, g)), d.picks = sl_attr_item(picks, g);
        if (d.member_count < 2) d.picks = NULL;
        bufferize_region(bz, &d, g, &b, memory);
    }
    if (bz->failed) return;
    sl_op_replace(op, memory);
    bz->pass->changes++;
}
