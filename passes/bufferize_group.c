/* bufferize_group.c: a region of a dispatch that several branches share: all branches go through its launches together.
 *
 * In: kernel.each over the branches, and in it a kernel.if with the body. Out, when the body is a chain of launches (routines, copies, nested dispatches) on memory of its own:
 *
 *     for each effect of the body:   kernel.each { bind the branch's numbers; kernel.if rows > 0 { views; the launch, queued } }; kernel.flush
 *
 * so that one launch does one layer for all branches. What the body keeps from one effect to the next lies in memory with a place for each branch: rows at the branch's packed
 * position, anything else at its index. Bodies that can't be taken apart like this (they bind sizes while running, or yield memory from control flow) stay a loop. */
#include "bufferize_internal.h"

sl_value *sl_bufferize_part(sl_bufferizer *bz, sl_builder *b, sl_value *whole, sl_expr offset, sl_type type) {
    sl_named_attr attr = {"offset", sl_attr_expr(bz->context, offset)};
    return sl_op_result(sl_build(b, SL_OP_kernel_view, 1, &whole, 1, &type, 1, &attr), 0);
}

sl_op *sl_bufferize_each(sl_bufferizer *bz, const sl_dispatch *d, sl_builder *b) {
    sl_named_attr attrs[] = {{"count", sl_attr_int(bz->context, d->member_count)}, {"symbol", sl_attr_expr(bz->context, d->index)}};
    return sl_build(b, SL_OP_kernel_each, 0, NULL, 0, NULL, 2, attrs);
}

static bool is_free(const sl_op *op) {
    sl_op_kind kind = sl_op_get_kind(op);
    if (kind == SL_OP_core_constant || kind == SL_OP_core_dim || kind == SL_OP_kernel_view || kind == SL_OP_kernel_alloc) return true;
    return sl_op_has_trait(op, SL_TRAIT_PURE | SL_TRAIT_ELEMENTWISE) && sl_op_region_count(op) == 0 && sl_op_result_count(op) == 1;
}

static bool is_effect(const sl_op *op) {
    sl_op_kind kind = sl_op_get_kind(op);
    if (sl_op_result_count(op)) return false;
    return kind == SL_OP_kernel_launch || kind == SL_OP_kernel_call || kind == SL_OP_kernel_copy || kind == SL_OP_kernel_each || kind == SL_OP_kernel_if || kind == SL_OP_kernel_flush;
}

typedef struct symbol_query { const sl_dispatch *d; bool other; } symbol_query;

/* Symbols that change from branch to branch, but for the row number. */
static void query(void *self, sl_expr symbol) {
    symbol_query *q = self;
    q->other |= symbol == q->d->begin || symbol == q->d->index || symbol == q->d->count;
    for (int i = 0; q->d->picks && i < sl_attr_count(q->d->picks); i++) q->other |= symbol == sl_attr_get_expr(sl_attr_item(sl_attr_item(q->d->picks, i), 0));
}

static bool varies(const sl_dispatch *d, sl_expr expr) {
    symbol_query q = {d, false};
    sl_expr_visit_symbols(expr, query, &q);
    return q.other;
}

/* Elements of memory for all branches, and where the branch at hand has its own. */
static bool place_of(sl_bufferizer *bz, const sl_dispatch *d, sl_type type, sl_expr *elements, sl_expr *offset) {
    sl_expr count = sl_type_count(bz->context, type), capacity = sl_type_dim(sl_value_type(sl_op_result(d->op, 0)), 0);
    sl_expr each = sl_expr_uses_symbol(count, d->count) ? sl_expr_divide_exact(bz->context, count, d->count) : NULL;
    if (each && !varies(d, each)) {
        *elements = sl_expr_mul(bz->context, capacity, each);
        *offset = sl_expr_mul(bz->context, d->begin, each);
        return sl_bufferize_all_bound(bz, *elements);
    }
    if (varies(d, count)) return false;
    /* on lines of their own */
    sl_expr line = sl_expr_const(bz->context, 16);
    each = sl_expr_mul(bz->context, sl_expr_ceildiv(bz->context, count, line), line);
    *elements = sl_expr_mul(bz->context, sl_expr_const(bz->context, d->member_count), each);
    *offset = sl_expr_mul(bz->context, d->index, each);
    return sl_bufferize_all_bound(bz, *elements);
}

static bool can_group(sl_bufferizer *bz, const sl_dispatch *d, sl_block *body) {
    sl_expr elements, offset;
    for (sl_op *op = sl_block_first(body); op; op = sl_op_next(op)) {
        if (op == sl_block_terminator(body)) continue;
        if (!is_free(op) && !is_effect(op)) return false;
        if (sl_op_get_kind(op) != SL_OP_kernel_alloc) continue;
        if (sl_op_attr_count(op) || !place_of(bz, d, sl_value_type(sl_op_result(op, 0)), &elements, &offset)) return false;
    }
    return true;
}

typedef struct copier { sl_bufferizer *bz; sl_block *body; sl_builder b; sl_value_map *map; } copier;

static void bring(copier *c, sl_value *value) {
    sl_op *op = sl_value_op(value);
    if (!op || sl_op_block(op) != c->body || sl_value_map_get(c->map, value)) return;
    for (int i = 0; i < sl_op_operand_count(op); i++) bring(c, sl_op_operand(op, i));
    sl_op_clone(&c->b, op, c->map);
}

static bool bring_operands(void *self, sl_op *op) {
    for (int i = 0; i < sl_op_operand_count(op); i++) bring(self, sl_op_operand(op, i));
    return true;
}

void sl_bufferize_group(sl_bufferizer *bz, const sl_dispatch *d, sl_op *each, sl_op *made) {
    sl_block *body = sl_op_body(made, 0);
    sl_builder b = sl_builder_before(each);
    if (!can_group(bz, d, body)) {
        sl_pass_decide(bz->pass, d->op, "group", sl_arena_printf(bz->pass->scratch, "%d branches one after the other: what their body computes decides its sizes", d->member_count));
        return;
    }
    for (sl_op *op = sl_block_first(body), *next; op; op = next) {
        next = sl_op_next(op);
        if (sl_op_get_kind(op) != SL_OP_kernel_alloc) continue;
        sl_value *value = sl_op_result(op, 0);
        sl_type type = sl_value_type(value);
        sl_expr elements, offset;
        place_of(bz, d, type, &elements, &offset);
        sl_value *whole = sl_bufferize_alloc(bz, &b, sl_type_buffer(bz->context, sl_type_element(type), 1, &elements));
        if (sl_value_name(value)) sl_value_set_name(whole, sl_value_name(value));
        sl_builder here = sl_builder_before(op);
        sl_value *part = sl_bufferize_part(bz, &here, whole, offset, type);
        sl_op_replace(op, &part);
    }
    int launches = 0;
    for (sl_op *op = sl_block_first(body); op; op = sl_op_next(op)) {
        if (!is_effect(op) || sl_op_get_kind(op) == SL_OP_kernel_flush) continue;
        sl_op *loop = sl_bufferize_each(bz, d, &b);
        sl_builder inside = sl_builder_at_end(bz->module, sl_op_body(loop, 0));
        inside.loc = sl_op_loc(d->op);
        sl_op *some = sl_bufferize_enter(bz, d, &inside);
        sl_bufferize_end(bz, d->op, sl_op_body(loop, 0));
        copier c = {bz, body, sl_builder_at_end(bz->module, sl_op_body(some, 0)), sl_value_map_create(bz->pass->scratch)};
        c.b.loc = sl_op_loc(op);
        sl_op_walk(op, bring_operands, &c);
        sl_op *copy = sl_op_clone(&c.b, op, c.map);
        bool queued = sl_op_get_kind(op) == SL_OP_kernel_launch;
        if (!queued && sl_op_next(op) && sl_op_get_kind(sl_op_next(op)) == SL_OP_kernel_flush) sl_op_clone(&c.b, sl_op_next(op), c.map);   /* of a dispatch inside */
        sl_bufferize_end(bz, d->op, sl_op_body(some, 0));
        if (!queued) continue;
        sl_op_set_attr(copy, "queued", sl_attr_bool(bz->context, true));
        sl_op_set_attr(copy, "in_place", NULL);
        sl_named_attr padding = {"padding", sl_attr_int(bz->context, sl_cost_grid_padding(bz->pass->machine))};
        sl_build(&b, SL_OP_kernel_flush, 0, NULL, 0, NULL, 1, &padding);
        launches++;
    }
    sl_op_erase(each);
    sl_pass_decide(bz->pass, d->op, "group", sl_arena_printf(bz->pass->scratch, "%d branches in %d launches; by load: one branch with rows runs alone; up to %d %% of empty tasks a grid as deep "
                   "as the fullest branch (padded); else tasks are looked up in the branches' ranges, longest first (grouped)", d->member_count, launches, sl_cost_grid_padding(bz->pass->machine)));
}
