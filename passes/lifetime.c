/* lifetime.c: live intervals of kernel.allocs over the ops of a host function in program order.
 *
 * Values that may be one memory form classes (union-find): a view and its operand, a kernel.if result and what both branches yield, all values at one place of a
 * kernel.while. An alloc lives from its own position to the last use of its class. A use inside a loop of memory from outside counts at the loop's end; an alloc
 * inside a loop whose class is carried by the loop lives through all of it. Time is linear but for allocs that meet in one class. */
#include "lifetime.h"

#include <string.h>

typedef struct alloc_info { sl_op *op; sl_interval interval; } alloc_info;
typedef struct class_info { int32_t first_alloc, alloc_count; bool external; } class_info;
typedef struct carried { uint32_t value; sl_op *loop; } carried;

struct sl_lifetimes {
    sl_arena *arena;
    int64_t *start, *end;          /* by op id */
    uint32_t *parent;              /* union-find over value ids */
    int32_t *alloc_of;             /* by value id: alloc index + 1 */
    class_info *classes;           /* by root value id */
    int32_t *next_in_class;        /* by alloc index: next of its class, or -1 */
    int64_t position;
    SL_VEC(alloc_info) allocs;
    SL_VEC(carried) carried;
};

static uint32_t find(const sl_lifetimes *l, uint32_t id) {
    while (l->parent[id] != id) {
        l->parent[id] = l->parent[l->parent[id]];
        id = l->parent[id];
    }
    return id;
}

static bool is_memory(const sl_value *value) { return sl_type_is_buffer(sl_value_type(value)); }

static void unite(sl_lifetimes *l, const sl_value *a, const sl_value *b) {
    if (is_memory(a) && is_memory(b)) l->parent[find(l, sl_value_id(a))] = find(l, sl_value_id(b));
}

static void unite_if(sl_lifetimes *l, sl_op *op) {
    for (int g = 0; g < 2; g++) {
        sl_op *yield = sl_block_terminator(sl_op_body(op, g));
        for (int i = 0; i < sl_op_result_count(op); i++) unite(l, sl_op_result(op, i), sl_op_operand(yield, i));
    }
}

static void unite_while(sl_lifetimes *l, sl_op *op) {
    sl_block *before = sl_op_body(op, 0), *body = sl_op_body(op, 1);
    sl_op *forward = sl_block_terminator(before), *yield = sl_block_terminator(body);
    for (int i = 0; i < sl_op_operand_count(op); i++) {
        sl_value *start = sl_op_operand(op, i);
        if (!is_memory(start)) continue;
        unite(l, start, sl_block_argument(before, i));
        unite(l, start, sl_op_operand(forward, 1 + i));
        unite(l, start, sl_block_argument(body, i));
        unite(l, start, sl_op_operand(yield, i));
        unite(l, start, sl_op_result(op, i));
        carried found = {sl_value_id(start), op};
        SL_PUSH(l->arena, &l->carried, found);
    }
}

static void number_block(sl_lifetimes *l, sl_block *block) {
    for (sl_op *op = sl_block_first(block); op; op = sl_op_next(op)) {
        uint32_t id = sl_op_id(op);
        sl_op_kind kind = sl_op_get_kind(op);
        l->start[id] = l->position++;
        for (int g = 0; g < sl_op_region_count(op); g++) number_block(l, sl_op_body(op, g));
        l->end[id] = l->position++;
        if (kind == SL_OP_kernel_view || kind == SL_OP_kernel_offset) unite(l, sl_op_result(op, 0), sl_op_operand(op, 0));
        if (kind == SL_OP_kernel_if) unite_if(l, op);
        if (kind == SL_OP_kernel_while) unite_while(l, op);
        if (kind == SL_OP_kernel_alloc) {
            alloc_info info = {op, {l->start[id], l->end[id]}};
            SL_PUSH(l->arena, &l->allocs, info);
            l->alloc_of[sl_value_id(sl_op_result(op, 0))] = (int32_t)l->allocs.count;
        }
    }
}

/* Where a use by `user` of memory from alloc op `alloc` counts. */
static int64_t use_position(const sl_lifetimes *l, const sl_op *user, const sl_op *alloc) {
    int64_t position = l->end[sl_op_id(user)], made = l->start[sl_op_id(alloc)];
    for (sl_op *outer = sl_op_parent(user); outer && sl_op_get_kind(outer) != SL_OP_core_func; outer = sl_op_parent(outer)) {
        if (sl_op_get_kind(outer) != SL_OP_kernel_while && sl_op_get_kind(outer) != SL_OP_kernel_each) continue;
        uint32_t id = sl_op_id(outer);
        if (l->start[id] <= made && made <= l->end[id]) break;
        position = l->end[id];
    }
    return position;
}

static class_info *class_of(const sl_lifetimes *l, const sl_value *value) { return &l->classes[find(l, sl_value_id(value))]; }

static void use_block(sl_lifetimes *l, sl_block *block) {
    for (sl_op *op = sl_block_first(block); op; op = sl_op_next(op)) {
        for (int i = 0; i < sl_op_operand_count(op); i++) {
            sl_value *value = sl_op_operand(op, i);
            if (!is_memory(value)) continue;
            for (int32_t a = class_of(l, value)->first_alloc; a >= 0; a = l->next_in_class[a]) {
                int64_t position = use_position(l, op, l->allocs.data[a].op);
                if (position > l->allocs.data[a].interval.end) l->allocs.data[a].interval.end = position;
            }
        }
        for (int i = 0; i < sl_op_result_count(op); i++) {
            sl_op_kind kind = sl_op_get_kind(op);
            bool made_elsewhere = kind == SL_OP_core_constant || kind == SL_OP_kernel_call || kind == SL_OP_kernel_launch;
            if (is_memory(sl_op_result(op, i)) && made_elsewhere) class_of(l, sl_op_result(op, i))->external = true;
        }
        for (int g = 0; g < sl_op_region_count(op); g++) use_block(l, sl_op_body(op, g));
    }
}

sl_lifetimes *sl_lifetimes_compute(sl_op *func, sl_arena *arena, size_t new_values) {
    sl_lifetimes *l = SL_NEW(arena, sl_lifetimes);
    sl_module *module = sl_op_module(func);
    size_t ops = sl_module_op_count(module), values = sl_module_value_count(module) + new_values;
    l->arena = arena;
    l->start = SL_NEW_ARRAY(arena, int64_t, ops + 1);
    l->end = SL_NEW_ARRAY(arena, int64_t, ops + 1);
    l->parent = SL_NEW_ARRAY(arena, uint32_t, values + 1);
    l->alloc_of = SL_NEW_ARRAY(arena, int32_t, values + 1);
    l->classes = SL_NEW_ARRAY(arena, class_info, values + 1);
    for (size_t i = 0; i < values; i++) {
        l->parent[i] = (uint32_t)i;
        l->classes[i].first_alloc = -1;
    }
    sl_block *body = sl_op_body(func, 0);
    number_block(l, body);
    l->next_in_class = SL_NEW_ARRAY(arena, int32_t, l->allocs.count + 1);
    for (size_t a = l->allocs.count; a-- > 0;) {
        class_info *c = class_of(l, sl_op_result(l->allocs.data[a].op, 0));
        l->next_in_class[a] = c->first_alloc;
        c->first_alloc = (int32_t)a;
        c->alloc_count++;
    }
    for (int i = 0; i < sl_block_argument_count(body); i++)
        if (is_memory(sl_block_argument(body, i))) class_of(l, sl_block_argument(body, i))->external = true;
    use_block(l, body);
    for (size_t i = 0; i < l->carried.count; i++) {
        uint32_t loop = sl_op_id(l->carried.data[i].loop);
        for (int32_t a = l->classes[find(l, l->carried.data[i].value)].first_alloc; a >= 0; a = l->next_in_class[a]) {
            sl_interval *interval = &l->allocs.data[a].interval;
            if (interval->start < l->start[loop] || interval->start > l->end[loop]) continue;
            interval->start = l->start[loop];
            if (interval->end < l->end[loop]) interval->end = l->end[loop];
        }
    }
    return l;
}

int sl_lifetimes_alloc_count(const sl_lifetimes *l) { return (int)l->allocs.count; }
sl_op *sl_lifetimes_alloc(const sl_lifetimes *l, int index) { return l->allocs.data[index].op; }
sl_interval sl_lifetimes_interval(const sl_lifetimes *l, int index) { return l->allocs.data[index].interval; }
int64_t sl_lifetimes_position(const sl_lifetimes *l, const sl_op *op) { return l->start[sl_op_id(op)]; }

int sl_lifetimes_only_alloc(const sl_lifetimes *l, const sl_value *value) {
    const class_info *c = class_of(l, value);
    return c->external || c->alloc_count != 1 ? -1 : c->first_alloc;
}

void sl_lifetimes_add_alias(sl_lifetimes *l, const sl_value *made, const sl_value *value) { unite(l, made, value); }

bool sl_lifetimes_may_alias(const sl_lifetimes *l, const sl_value *a, const sl_value *b) {
    return is_memory(a) && is_memory(b) && find(l, sl_value_id(a)) == find(l, sl_value_id(b));
}

void sl_lifetimes_merge(sl_lifetimes *l, int kept, int gone) {
    sl_value *value = sl_op_result(l->allocs.data[kept].op, 0), *other = sl_op_result(l->allocs.data[gone].op, 0);
    uint32_t from = find(l, sl_value_id(other)), into = find(l, sl_value_id(value));
    sl_interval *interval = &l->allocs.data[kept].interval;
    if (l->allocs.data[gone].interval.end > interval->end) interval->end = l->allocs.data[gone].interval.end;
    if (from == into) return;
    class_info *a = &l->classes[into], *b = &l->classes[from];
    int32_t *tail = &a->first_alloc;
    while (*tail >= 0) tail = &l->next_in_class[*tail];
    for (int32_t x = b->first_alloc, next; x >= 0; x = next) {
        next = l->next_in_class[x];
        if (x == gone) continue;
        *tail = x;
        l->next_in_class[x] = -1;
        tail = &l->next_in_class[x];
        a->alloc_count++;
    }
    a->external |= b->external;
    l->parent[from] = into;
}
