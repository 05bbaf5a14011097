/* simplify_binders.c: ops that are dead as values but may bind a shape symbol.
 *
 * A data-dependent op (nonzero, a branch with results of differing size) gives its fresh result dims their values when it runs. Its results may be unused while a type,
 * a from_dims or a guard elsewhere mentions the symbol: the model then asks for the shape alone. Such an op goes only when nobody else mentions its symbols. The
 * question takes a scan of the function, so candidates are gathered while the worklist drains and answered together: all start as dead, those whose symbols are
 * mentioned by something live become live, until nothing changes. */
#include "simplify_internal.h"

#include <string.h>

static void visit_type(sl_type type, void (*visit)(void *self, sl_expr symbol), void *self) {
    if ((!sl_type_is_tensor(type) && !sl_type_is_buffer(type)) || !sl_type_is_ranked(type)) return;
    for (int d = 0; d < sl_type_rank(type); d++) sl_expr_visit_symbols(sl_type_dim(type, d), visit, self);
}

typedef struct mentions { sl_rewriter *rw; const uint8_t *dead; uint8_t *used; size_t capacity; int inside; } mentions;

static void mention(void *self, sl_expr symbol) {
    mentions *m = self;
    size_t id = sl_expr_id(symbol);
    if (id >= m->capacity) {
        size_t capacity = m->capacity ? m->capacity : 256;
        while (capacity <= id) capacity *= 2;
        uint8_t *grown = SL_NEW_ARRAY(m->rw->pass->scratch, uint8_t, capacity);
        if (m->capacity) memcpy(grown, m->used, m->capacity);
        m->used = grown;
        m->capacity = capacity;
    }
    m->used[id] = 1;
}

static void mention_attr(mentions *m, sl_attr attr) {
    sl_attr_kind kind = sl_attr_get_kind(attr);
    if (kind == SL_ATTR_EXPR) sl_expr_visit_symbols(sl_attr_get_expr(attr), mention, m);
    if (kind == SL_ATTR_TYPE) visit_type(sl_attr_get_type(attr), mention, m);
    for (int i = 0; kind == SL_ATTR_MAP && i < sl_attr_count(attr); i++) sl_expr_visit_symbols(sl_attr_map_result(attr, i), mention, m);
    for (int i = 0; kind == SL_ATTR_ARRAY && i < sl_attr_count(attr); i++) mention_attr(m, sl_attr_item(attr, i));
}

/* Dead candidates and what is inside of them are passed over. */
static void mention_block(mentions *m, sl_block *block) {
    for (sl_op *op = sl_block_first(block); op; op = sl_op_next(op)) {
        const char *name;
        if (m->dead[sl_op_id(op)]) continue;
        for (int i = 0; i < sl_op_result_count(op); i++) visit_type(sl_value_type(sl_op_result(op, i)), mention, m);
        for (int i = 0; i < sl_op_attr_count(op); i++) mention_attr(m, sl_op_attr_at(op, i, &name));
        for (int g = 0; g < sl_op_region_count(op); g++) {
            sl_block *body = sl_op_body(op, g);
            for (int i = 0; body && i < sl_block_argument_count(body); i++) visit_type(sl_value_type(sl_block_argument(body, i)), mention, m);
            if (body) mention_block(m, body);
        }
    }
}

typedef struct needed_query { const mentions *m; bool needed; } needed_query;

static void query_needed(void *self, sl_expr symbol) {
    needed_query *query = self;
    size_t id = sl_expr_id(symbol);
    query->needed |= sl_expr_is_fresh(symbol) && id < query->m->capacity && query->m->used[id];
}

size_t sl_rewrite_dead_binders(sl_rewriter *rw, sl_op *func, sl_op **ops, size_t count) {
    uint8_t *dead = SL_NEW_ARRAY(rw->pass->scratch, uint8_t, (size_t)sl_module_op_count(rw->pass->module) + 1);
    for (size_t i = 0; i < count; i++) dead[sl_op_id(ops[i])] = 1;
    for (bool again = count > 0; again;) {
        mentions m = {.rw = rw, .dead = dead};
        mention_block(&m, sl_op_body(func, 0));
        again = false;
        for (size_t i = 0; i < count; i++) {
            needed_query query = {&m, false};
            if (!dead[sl_op_id(ops[i])]) continue;
            for (int r = 0; r < sl_op_result_count(ops[i]); r++) visit_type(sl_value_type(sl_op_result(ops[i], r)), query_needed, &query);
            if (!query.needed) continue;
            dead[sl_op_id(ops[i])] = 0;
            again = true;
        }
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (dead[sl_op_id(ops[i])]) ops[kept++] = ops[i];
    return kept;
}
