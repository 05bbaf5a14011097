/* bufferize_loop.c: tensor.loop to kernel.while.
 *
 * Carried scalars: the iteration number, and the condition unless the trip count is known. Carried buffers, by case:
 *   fixed shape     two allocs before the loop; the loop carries (current, next) as pointers; the body's last kernel writes into next and the pointers swap. A value
 *                   that is no local alloc of the body is copied into next. The start value is copied once.
 *   changing shape  one pointer plus symbols for the dims, bound before the loop and at the end of each iteration. The new value is copied into an alloc with a
 *                   dynamic slot of its own, so that the body may reuse its memory; the start value is used where it is. A value that may be a current carried
 *                   value of any place is saved first, because growing the slot may move it.
 *   scanned         with a known trip count and element shape: one alloc before the loop, each iteration writes its part (a symbol holds the iteration number, parts are
 *                   views). Else a dynamic slot that grows by one element an iteration and keeps its bytes.
 * Dims of the carried values are matched to the block's argument types by guards. Nothing is allocated per iteration once the slots have their size. */
#include "bufferize_internal.h"

typedef struct loop_carry {
    sl_value *start;           /* buffer before the loop */
    sl_type type;              /* buffer type of the block argument */
    sl_type result;            /* tensor type of the result */
    bool changing;
    int place;                 /* first operand of the kernel.while */
    int64_t slot;              /* changing: dynamic slot */
    sl_value *next;            /* in the body, fixed: memory of the next value */
    sl_value *current;         /* in the body */
} loop_carry;

typedef struct loop_stack {
    sl_type result;            /* tensor type of the result */
    sl_value *memory;          /* allocated before the loop, or NULL */
    int64_t slot;              /* without memory: dynamic slot */
} loop_stack;

typedef struct loop {
    sl_bufferizer *bz;
    sl_op *op, *made;
    sl_context *c;
    sl_arena *scratch;
    int carried, stacked;
    loop_carry *carries;
    loop_stack *stacks;
    bool conditional;
    sl_expr index;             /* symbol bound to the iteration number */
    sl_value *trips;
    sl_value *scalars[2];      /* in the body: buffers of the iteration number and the condition */
} loop;

static sl_type i64_type(const loop *l) { return sl_type_scalar(l->c, SL_ELEMENT_i64); }

static sl_value *dynamic_alloc(const loop *l, sl_builder *b, sl_type type, int64_t slot) {
    sl_named_attr attrs[] = {{"dynamic", sl_attr_bool(l->c, true)}, {"slot", sl_attr_int(l->c, slot)}};
    return sl_op_result(sl_build(b, SL_OP_kernel_alloc, 0, NULL, 1, &type, 2, attrs), 0);
}

static bool is_unbound_symbol(const loop *l, sl_expr dim) { return sl_expr_get_kind(dim) == SL_EXPR_SYMBOL && !sl_bufferize_is_bound(l->bz, dim); }

/* ---- before the loop ---- */
static bool prepare_carry(loop *l, int index) {
    sl_bufferizer *bz = l->bz;
    loop_carry *carry = &l->carries[index];
    sl_type argument = sl_value_type(sl_block_argument(sl_op_body(l->op, 0), 2 + index));
    carry->result = sl_value_type(sl_op_result(l->op, index));
    carry->start = sl_op_operand(l->op, 2 + index);
    if (!sl_type_is_ranked(argument) || !sl_type_is_ranked(sl_value_type(carry->start)) || sl_type_rank(argument) != sl_type_rank(sl_value_type(carry->start))) {
        sl_op_report(l->op, SL_SEVERITY_ERROR, "the rank of value %d that the loop carries changes or is not known", index);
        bz->failed = true;
        return false;
    }
    carry->type = sl_buffer_type(bz, argument);
    for (int d = 0; d < sl_type_rank(argument); d++) carry->changing |= is_unbound_symbol(l, sl_type_dim(argument, d));
    return true;
}

static void start_carry(loop *l, sl_builder *b, loop_carry *carry) {
    sl_bufferize_match_dims(l->bz, b, carry->type, sl_value_type(carry->start), NULL);
    if (carry->changing) {
        carry->slot = l->bz->dynamic_slots++;
        carry->start = sl_bufferize_view(b, carry->start, carry->type);
        return;
    }
    sl_value *memory = sl_bufferize_alloc(l->bz, b, carry->type);
    sl_bufferize_copy(b, carry->start, memory);
    carry->start = memory;
    carry->next = sl_bufferize_alloc(l->bz, b, carry->type);
}

static void start_stack(loop *l, sl_builder *b, int index) {
    loop_stack *stack = &l->stacks[index];
    stack->result = sl_value_type(sl_op_result(l->op, l->carried + index));
    bool known = !l->conditional;
    for (int d = 0; d < sl_type_rank(stack->result); d++) known &= sl_bufferize_all_bound(l->bz, sl_type_dim(stack->result, d));
    if (known) {
        stack->memory = sl_bufferize_alloc(l->bz, b, sl_buffer_type(l->bz, stack->result));
        return;
    }
    stack->slot = l->bz->dynamic_slots++;
    /* A loop that never runs leaves element dims at 0. */
    for (int d = 1; d < sl_type_rank(stack->result); d++)
        if (is_unbound_symbol(l, sl_type_dim(stack->result, d))) sl_bufferize_bind(l->bz, b, sl_type_dim(stack->result, d), sl_build_constant_int(b, i64_type(l), 0));
}

/* ---- region 0: go on? ---- */
static void build_condition(loop *l, int places) {
    sl_block *block = sl_op_body(l->made, 0);
    sl_builder b = sl_builder_at_end(l->bz->module, block);
    b.loc = sl_op_loc(l->op);
    sl_value **values = SL_NEW_ARRAY(l->scratch, sl_value *, (size_t)places + 1);
    sl_value *iteration = sl_block_argument(block, 0);
    sl_value *more = sl_build_compare(&b, "lt", iteration, l->trips);
    if (l->conditional) {
        sl_value *unbounded = sl_build_compare(&b, "lt", l->trips, sl_build_constant_int(&b, i64_type(l), 0));
        more = sl_build_binary(&b, SL_OP_arith_or, more, unbounded);
        more = sl_build_binary(&b, SL_OP_arith_and, more, sl_block_argument(block, 1));
    }
    values[0] = more;
    for (int i = 0; i < places; i++) values[1 + i] = sl_block_argument(block, i);
    sl_build(&b, SL_OP_kernel_yield, places + 1, values, 0, NULL, 0, NULL);
}

/* ---- region 1 ---- */
/* The body sees iteration number and condition as buffers. */
static sl_value *scalar_buffer(loop *l, sl_builder *b, sl_value *argument, sl_value *scalar) {
    sl_type type = sl_value_type(argument);
    sl_value *memory = sl_bufferize_alloc(l->bz, b, sl_buffer_type(l->bz, type));
    sl_bufferize_store(b, sl_build_cast(b, scalar, sl_type_element(type)), memory, 0);
    return memory;
}

/* Drops such a buffer when nothing reads it. */
static void drop_unread(sl_value *memory) {
    sl_use *use = sl_value_first_use(memory);
    sl_op *store = use && !sl_use_next(use) ? sl_use_user(use) : NULL;
    if (!store || sl_op_get_kind(store) != SL_OP_kernel_store) return;
    sl_value *parts[] = {sl_op_operand(store, 0), sl_op_operand(store, 2)};
    sl_op_erase(store);
    sl_op_erase(sl_value_op(memory));
    for (int i = 0; i < 2; i++)
        if (!sl_value_first_use(parts[i]) && sl_value_op(parts[i])) sl_op_erase(sl_value_op(parts[i]));
}

static void open_body(loop *l) {
    sl_block *from = sl_op_body(l->op, 0), *block = sl_op_body(l->made, 1);
    sl_builder b = sl_builder_at_end(l->bz->module, block);
    b.loc = sl_op_loc(l->op);
    sl_value **arguments = SL_NEW_ARRAY(l->scratch, sl_value *, (size_t)l->carried + 2);
    sl_value *iteration = sl_block_argument(block, 0);
    if (l->stacked) sl_bufferize_bind(l->bz, &b, l->index, iteration);
    arguments[0] = scalar_buffer(l, &b, sl_block_argument(from, 0), iteration);
    sl_value *going = sl_build_constant_int(&b, sl_type_scalar(l->c, SL_ELEMENT_i1), 1);
    arguments[1] = scalar_buffer(l, &b, sl_block_argument(from, 1), going);
    for (int i = 0; i < l->carried; i++) {
        loop_carry *carry = &l->carries[i];
        arguments[2 + i] = carry->current = sl_block_argument(block, carry->place);
        carry->next = carry->changing ? NULL : sl_block_argument(block, carry->place + 1);
    }
    sl_block_inline(&b, from, arguments);
    l->scalars[0] = arguments[0];
    l->scalars[1] = arguments[1];
    sl_bufferize_block(l->bz, block);
}

static sl_value *part_of_stack(const loop *l, sl_builder *b, sl_value *memory, sl_type part) {
    sl_named_attr attr = {"offset", sl_attr_expr(l->c, sl_expr_mul(l->c, l->index, sl_type_count(l->c, part)))};
    return sl_op_result(sl_build(b, SL_OP_kernel_view, 1, &memory, 1, &part, 1, &attr), 0);
}

static void push_on_stack(loop *l, sl_builder *b, loop_stack *stack, sl_value *value) {
    sl_type part = sl_value_type(value);
    sl_type item = sl_type_with_dims(l->c, part, sl_type_rank(stack->result) - 1, sl_type_dims(stack->result) + 1);
    if (stack->memory) {
        sl_bufferize_match_dims(l->bz, b, item, part, NULL);
        sl_op *alloc = sl_bufferize_local_alloc(value, b->block);
        if (alloc) {
            sl_builder before = sl_builder_before(alloc);
            sl_bufferize_redirect(alloc, part_of_stack(l, &before, stack->memory, sl_value_type(sl_op_result(alloc, 0))));
        } else {
            sl_bufferize_copy(b, value, part_of_stack(l, b, stack->memory, part));
        }
        return;
    }
    sl_expr dims[SL_MAX_RANK] = {sl_expr_add(l->c, l->index, sl_expr_const(l->c, 1))};
    for (int d = 0; d < sl_type_rank(part); d++) {
        sl_expr dim = sl_type_dim(item, d);
        dims[1 + d] = sl_type_dim(part, d);
        if (dim == dims[1 + d]) continue;
        if (sl_expr_get_kind(dim) == SL_EXPR_SYMBOL && sl_expr_is_fresh(dim)) sl_bufferize_bind(l->bz, b, dim, sl_bufferize_dim(b, dims[1 + d]));
        else sl_build_guard(b, dims[1 + d], dim, "the values that a loop stacks differ in size");
    }
    sl_type grown = sl_type_with_dims(l->c, part, sl_type_rank(part) + 1, dims);
    sl_bufferize_copy(b, value, part_of_stack(l, b, dynamic_alloc(l, b, grown, stack->slot), part));
}

/* Whether `value` may be what a carry with a growing slot holds now: then it has to be saved before slots grow. */
static bool may_be_current(const loop *l, sl_value *value, const loop_carry *own) {
    value = sl_bufferize_base(value);
    sl_op *op = sl_value_op(value);
    if (!op) {
        for (int i = 0; i < l->carried; i++)
            if (l->carries[i].current == value) return l->carries[i].changing && &l->carries[i] != own;
        return false;
    }
    return sl_op_get_kind(op) == SL_OP_kernel_if || sl_op_get_kind(op) == SL_OP_kernel_while;
}

static bool defined_before(const loop *l, sl_value *value) { return sl_value_is_outside(sl_bufferize_base(value), l->made); }

typedef struct next_dims { sl_value *of[SL_MAX_RANK]; } next_dims;

/* Next values of carries with changing shapes. Sizes and saved copies first, then the slots, then the symbols, which the sizes may mention. */
static void next_changing(loop *l, sl_builder *b, sl_op *yield, sl_value **values) {
    next_dims *dims = SL_NEW_ARRAY(l->scratch, next_dims, (size_t)l->carried + 1);
    sl_value **nexts = SL_NEW_ARRAY(l->scratch, sl_value *, (size_t)l->carried + 1);
    for (int i = 0; i < l->carried; i++) {
        loop_carry *carry = &l->carries[i];
        sl_value *value = nexts[i] = sl_op_operand(yield, 1 + i);
        if (!carry->changing) continue;
        for (int d = 0; d < sl_type_rank(carry->type); d++) dims[i].of[d] = sl_bufferize_dim(b, sl_type_dim(sl_value_type(value), d));
        if (!may_be_current(l, value, carry)) continue;
        nexts[i] = sl_bufferize_alloc(l->bz, b, sl_value_type(value));
        sl_bufferize_copy(b, value, nexts[i]);
    }
    for (int i = 0; i < l->carried; i++) {
        loop_carry *carry = &l->carries[i];
        bool stays = sl_bufferize_base(nexts[i]) == carry->current || defined_before(l, nexts[i]);
        if (!carry->changing || stays) continue;
        sl_value *kept = dynamic_alloc(l, b, sl_value_type(nexts[i]), carry->slot);
        sl_bufferize_copy(b, nexts[i], kept);
        nexts[i] = kept;
    }
    for (int i = 0; i < l->carried; i++) {
        loop_carry *carry = &l->carries[i];
        if (!carry->changing) continue;
        sl_type have = sl_value_type(sl_op_operand(yield, 1 + i));
        for (int d = 0; d < sl_type_rank(carry->type); d++) {
            sl_expr dim = sl_type_dim(carry->type, d);
            if (dim == sl_type_dim(have, d)) continue;
            bool own = sl_expr_get_kind(dim) == SL_EXPR_SYMBOL && sl_expr_is_fresh(dim);
            if (own) sl_bufferize_bind(l->bz, b, dim, dims[i].of[d]);
            else sl_build_guard(b, sl_type_dim(have, d), dim, "a value that a loop carries changes its size");
        }
    }
    for (int i = 0; i < l->carried; i++)
        if (l->carries[i].changing) values[l->carries[i].place] = sl_bufferize_view(b, nexts[i], l->carries[i].type);
}

static void next_fixed(loop *l, sl_builder *b, loop_carry *carry, sl_value *value, sl_value **values) {
    sl_bufferize_match_dims(l->bz, b, carry->type, sl_value_type(value), NULL);
    values[carry->place] = carry->next;
    values[carry->place + 1] = carry->current;
    if (sl_bufferize_base(value) == carry->current) {
        values[carry->place] = carry->current;
        values[carry->place + 1] = carry->next;
        return;
    }
    sl_op *alloc = sl_bufferize_local_alloc(value, b->block);
    if (alloc) sl_bufferize_redirect(alloc, carry->next);
    else sl_bufferize_copy(b, value, carry->next);
}

static void close_body(loop *l, int places) {
    sl_block *block = sl_op_body(l->made, 1);
    sl_op *yield = sl_block_terminator(block);
    sl_builder b = sl_builder_before(yield);
    b.loc = sl_op_loc(l->op);
    sl_value **values = SL_NEW_ARRAY(l->scratch, sl_value *, (size_t)places + 1);
    values[0] = sl_build_binary(&b, SL_OP_arith_add, sl_block_argument(block, 0), sl_build_constant_int(&b, i64_type(l), 1));
    if (l->conditional) values[1] = sl_bufferize_load(&b, sl_op_operand(yield, 0));
    for (int i = 0; i < l->stacked; i++) push_on_stack(l, &b, &l->stacks[i], sl_op_operand(yield, 1 + l->carried + i));
    for (int i = 0; i < l->carried; i++)
        if (!l->carries[i].changing) next_fixed(l, &b, &l->carries[i], sl_op_operand(yield, 1 + i), values);
    next_changing(l, &b, yield, values);
    sl_op_erase(yield);
    for (int i = 0; i < 2; i++) drop_unread(l->scalars[i]);
    b = sl_builder_at_end(l->bz->module, block);
    b.loc = sl_op_loc(l->op);
    sl_build(&b, SL_OP_kernel_yield, places, values, 0, NULL, 0, NULL);
}

/* ---- after the loop ---- */
static void finish(loop *l) {
    sl_builder b = sl_builder_before(l->op);
    sl_value **results = SL_NEW_ARRAY(l->scratch, sl_value *, (size_t)(l->carried + l->stacked) + 1);
    for (int i = 0; i < l->carried; i++) {
        loop_carry *carry = &l->carries[i];
        sl_bufferize_match_dims(l->bz, &b, carry->result, carry->type, NULL);
        results[i] = sl_bufferize_view(&b, sl_op_result(l->made, carry->place), sl_buffer_type(l->bz, carry->result));
    }
    for (int i = 0; i < l->stacked; i++) {
        loop_stack *stack = &l->stacks[i];
        results[l->carried + i] = stack->memory;
        if (stack->memory) continue;
        sl_expr length = sl_type_dim(stack->result, 0);
        if (is_unbound_symbol(l, length)) {
            sl_bufferize_bind(l->bz, &b, length, sl_op_result(l->made, 0));
        } else {
            sl_expr count = sl_expr_fresh(l->c);
            sl_bufferize_bind(l->bz, &b, count, sl_op_result(l->made, 0));
            sl_build_guard(&b, count, length, "a loop does not run as often as the model says");
        }
        results[l->carried + i] = dynamic_alloc(l, &b, sl_buffer_type(l->bz, stack->result), stack->slot);
    }
    sl_op_replace(l->op, results);
}

void sl_bufferize_loop(sl_bufferizer *bz, sl_op *op) {
    sl_builder b = sl_builder_before(op);
    loop l = {.bz = bz, .op = op, .c = bz->context, .scratch = bz->pass->scratch};
    sl_attr trips = sl_op_attr(op, "trip_count");
    l.carried = (int)sl_op_int(op, "carried", 0);
    l.stacked = sl_op_result_count(op) - l.carried;
    l.conditional = !trips;
    l.carries = SL_NEW_ARRAY(l.scratch, loop_carry, (size_t)l.carried + 1);
    l.stacks = SL_NEW_ARRAY(l.scratch, loop_stack, (size_t)l.stacked + 1);
    for (int i = 0; i < l.stacked; i++) {
        if (sl_type_is_ranked(sl_value_type(sl_op_result(op, l.carried + i)))) continue;
        sl_op_report(op, SL_SEVERITY_ERROR, "the rank of a value that the loop stacks is not known");
        bz->failed = true;
        return;
    }
    for (int i = 0; i < l.carried; i++)
        if (!prepare_carry(&l, i)) return;
    l.trips = trips ? sl_bufferize_dim(&b, sl_attr_get_expr(trips)) : sl_build_cast(&b, sl_bufferize_load(&b, sl_op_operand(op, 0)), SL_ELEMENT_i64);
    int places = 1 + l.conditional;
    for (int i = 0; i < l.carried; i++) {
        start_carry(&l, &b, &l.carries[i]);
        l.carries[i].place = places;
        places += l.carries[i].changing ? 1 : 2;
    }
    for (int i = 0; i < l.stacked; i++) start_stack(&l, &b, i);
    if (l.stacked) l.index = sl_expr_fresh(l.c);

    sl_value **starts = SL_NEW_ARRAY(l.scratch, sl_value *, (size_t)places);
    sl_type *types = SL_NEW_ARRAY(l.scratch, sl_type, (size_t)places);
    starts[0] = sl_build_constant_int(&b, i64_type(&l), 0);
    if (l.conditional) starts[1] = sl_bufferize_load(&b, sl_op_operand(op, 1));
    for (int i = 0; i < l.carried; i++) {
        starts[l.carries[i].place] = l.carries[i].start;
        if (!l.carries[i].changing) starts[l.carries[i].place + 1] = l.carries[i].next;
    }
    for (int i = 0; i < places; i++) types[i] = sl_value_type(starts[i]);
    l.made = sl_build(&b, SL_OP_kernel_while, places, starts, places, types, 0, NULL);
    for (int g = 0; g < 2; g++)
        for (int i = 0; i < places; i++) sl_block_add_argument(sl_op_body(l.made, g), types[i]);
    build_condition(&l, places);
    open_body(&l);
    if (bz->failed) return;
    close_body(&l, places);
    if (bz->failed) return;
    finish(&l);
    bz->pass->changes++;
}
