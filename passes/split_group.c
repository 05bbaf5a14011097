/* split_group.c: bodies of a switch that differ in their constants only become one body.
 *
 * Bodies are compared op by op with the first one of each kind: same ops, attributes and types, where a symbol of one stands for a symbol of the other and constants of one
 * type may differ. What differs is stacked: one constant [distinct weights x dims] for each place, read through a slice at a symbol that says which weights the branch at hand
 * picks. So the later passes see one body, whatever the number of branches, and the weights have one place for all schedules. Weights that several branches share are in the
 * stack once; weights that all share are not stacked at all.
 *
 * A place may also be behind views outside of the body (slices of a stack that an outer switch made, when switches nest): those are then made again inside.
 *
 * Bodies stay on their own where a differing constant is read by anything but products, elementwise ops and views: such ops look at their constants when compiling. */
#include "split_branches.h"

#include <string.h>

enum { MAX_DEPTH = 8 };     /* of views between a body and a constant outside */

typedef struct constant_list { sl_attr *data; size_t count, capacity; } constant_list;

typedef struct comparison {
    sl_splitter *s;
    const sl_block *left_body, *right_body;
    sl_value_map *values;                   /* of what the bodies define: left to right */
    sl_shape_map symbols;
    SL_VEC(sl_expr) taken;                  /* symbols of the right that stand for one of the left */
    constant_list *constants;               /* of the right, in the order of places */
} comparison;

/* ---- comparing ---- */

static bool same_data(sl_attr a, sl_attr b) {
    return a == b || (sl_attr_get_type(a) == sl_attr_get_type(b) && sl_attr_data_is_splat(a) == sl_attr_data_is_splat(b) && sl_attr_data_size(a) == sl_attr_data_size(b) &&
                      memcmp(sl_attr_data_bytes(a), sl_attr_data_bytes(b), (size_t)sl_attr_data_size(a)) == 0);
}

static bool same_expr(comparison *c, sl_expr left, sl_expr right) {
    sl_expr mapped = sl_shape_map_expr(&c->symbols, left);
    if (mapped == right) return true;
    if (sl_expr_get_kind(left) != SL_EXPR_SYMBOL || sl_expr_get_kind(right) != SL_EXPR_SYMBOL || !sl_expr_is_fresh(left) || !sl_expr_is_fresh(right)) return false;
    if (mapped != left) return false;
    for (size_t i = 0; i < c->taken.count; i++)
        if (c->taken.data[i] == right) return false;
    if (!sl_shape_map_add(&c->symbols, left, right)) return false;
    SL_PUSH(c->s->pass->scratch, &c->taken, right);
    return true;
}

static bool same_type(comparison *c, sl_type left, sl_type right) {
    if (left == right) return true;
    if (!sl_type_is_tensor(left) || !sl_type_is_tensor(right) || sl_type_element(left) != sl_type_element(right)) return false;
    if (!sl_type_is_ranked(left) || !sl_type_is_ranked(right) || sl_type_rank(left) != sl_type_rank(right)) return false;
    for (int d = 0; d < sl_type_rank(left); d++)
        if (!same_expr(c, sl_type_dim(left, d), sl_type_dim(right, d))) return false;
    return sl_type_with_dims(c->s->c, left, 0, NULL) == sl_type_with_dims(c->s->c, right, 0, NULL);      /* what else types hold */
}

static bool same_attrs(comparison *c, const sl_op *left, const sl_op *right) {
    int count = sl_op_attr_count(left);
    if (count != sl_op_attr_count(right)) return false;
    for (int i = 0; i < count; i++) {
        const char *name, *other;
        sl_attr a = sl_op_attr_at(left, i, &name), b = sl_op_attr_at(right, i, &other);
        if (strcmp(name, other) != 0) return false;
        if (a != b && sl_shape_map_attr(&c->symbols, a) != b) return false;
    }
    return true;
}

/* A constant that may differ from body to body: a tensor of known size. */
static bool is_place(const sl_value *value) {
    sl_type type = sl_value_type(value);
    return sl_value_constant(value) && sl_type_is_tensor(type) && sl_type_is_ranked(type) && sl_type_static_count(type) >= 0 && sl_type_rank(type) < SL_MAX_RANK &&
           sl_type_element(type) != SL_ELEMENT_str && sl_element_bits(sl_type_element(type)) >= 8;
}

static bool is_view(const sl_op *op) {
    sl_op_kind kind = sl_op_get_kind(op);
    return kind == SL_OP_tensor_slice || kind == SL_OP_tensor_transpose || kind == SL_OP_tensor_broadcast || (kind == SL_OP_tensor_reshape && sl_op_operand_count(op) == 1);
}

static bool may_differ(const sl_op *user) { return is_view(user) || sl_op_get_kind(user) == SL_OP_tensor_contract || sl_op_has_trait(user, SL_TRAIT_ELEMENTWISE); }

/* Views outside of the body over a constant. */
static bool is_outer_view(const sl_block *body, const sl_value *value, int depth) {
    const sl_op *op = sl_value_op(value);
    if (depth > MAX_DEPTH || !op || !is_view(op) || sl_block_contains(body, op)) return false;
    const sl_value *source = sl_op_operand(op, 0);
    return is_place(source) || is_outer_view(body, source, depth + 1);
}

/* Operand `left` of an op of the left body against its counterpart. Places are noted in the order in which they are met, which the left body alone decides. */
static bool same_operand(comparison *c, sl_value *left, sl_value *right, const sl_op *user, int depth) {
    sl_value *known = sl_value_map_get(c->values, left);
    if (known) return known == right;
    if (is_place(left)) {
        if (!is_place(right) || sl_value_type(left) != sl_value_type(right)) return false;
        sl_attr found = sl_value_constant(right);
        if (same_data(sl_value_constant(left), found)) found = sl_value_constant(left);       /* one attribute for what is the same */
        else if (!may_differ(user)) return false;
        SL_PUSH(c->s->pass->scratch, c->constants, found);
        return true;
    }
    if (is_outer_view(c->left_body, left, 0)) {
        sl_op *a = sl_value_op(left), *b = sl_value_op(right);
        if (depth > MAX_DEPTH || !b || sl_op_get_kind(a) != sl_op_get_kind(b) || !is_outer_view(c->right_body, right, 0)) return false;
        if (left != right && !may_differ(user)) return false;
        return same_attrs(c, a, b) && sl_value_type(left) == sl_value_type(right) && same_operand(c, sl_op_operand(a, 0), sl_op_operand(b, 0), a, depth + 1);
    }
    return left == right;
}

static bool same_blocks(comparison *c, const sl_block *left, const sl_block *right);

static bool same_ops(comparison *c, sl_op *left, sl_op *right) {
    if (sl_op_get_kind(left) != sl_op_get_kind(right) || sl_op_operand_count(left) != sl_op_operand_count(right)) return false;
    if (sl_op_result_count(left) != sl_op_result_count(right) || sl_op_region_count(left) != sl_op_region_count(right)) return false;
    for (int i = 0; i < sl_op_operand_count(left); i++)
        if (!same_operand(c, sl_op_operand(left, i), sl_op_operand(right, i), left, 0)) return false;
    for (int i = 0; i < sl_op_result_count(left); i++) {
        if (!same_type(c, sl_value_type(sl_op_result(left, i)), sl_value_type(sl_op_result(right, i)))) return false;
        sl_value_map_set(c->values, sl_op_result(left, i), sl_op_result(right, i));
    }
    for (int g = 0; g < sl_op_region_count(left); g++)
        if (!same_blocks(c, sl_op_body(left, g), sl_op_body(right, g))) return false;
    return same_attrs(c, left, right);      /* last: attributes may name symbols that results introduce */
}

static bool same_blocks(comparison *c, const sl_block *left, const sl_block *right) {
    if (!left || !right) return left == right;
    if (sl_block_argument_count(left) != sl_block_argument_count(right)) return false;
    for (int i = 0; i < sl_block_argument_count(left); i++) {
        sl_value *a = sl_block_argument(left, i), *b = sl_block_argument(right, i);
        if (!same_type(c, sl_value_type(a), sl_value_type(b))) return false;
        sl_value_map_set(c->values, a, b);
    }
    sl_op *a = sl_block_first(left), *b = sl_block_first(right);
    for (; a && b; a = sl_op_next(a), b = sl_op_next(b)) {
        /* Constants inside of bodies are places, too: they are met where they are used. */
        while (a && sl_op_get_kind(a) == SL_OP_core_constant && is_place(sl_op_result(a, 0))) a = sl_op_next(a);
        while (b && sl_op_get_kind(b) == SL_OP_core_constant && is_place(sl_op_result(b, 0))) b = sl_op_next(b);
        if (!a || !b || !same_ops(c, a, b)) return false;
    }
    return !a && !b;
}

static bool same_bodies(sl_splitter *s, const sl_block *left, const sl_block *right, constant_list *constants) {
    comparison c = {.s = s, .left_body = left, .right_body = right, .values = sl_value_map_create(s->pass->scratch), .constants = constants};
    sl_shape_map_init(&c.symbols, s->c, s->pass->scratch);
    *constants = (constant_list){0};
    return same_blocks(&c, left, right);
}

/* ---- one body for a class ---- */

static sl_attr stack_constants(sl_splitter *s, int count, const sl_attr *distinct) {
    sl_type item = sl_attr_get_type(distinct[0]);
    int rank = sl_type_rank(item);
    sl_expr dims[SL_MAX_RANK];
    dims[0] = sl_expr_const(s->c, count);
    for (int d = 0; d < rank; d++) dims[1 + d] = sl_type_dim(item, d);
    void *bytes;
    sl_attr stack = sl_attr_data_zero(s->c, sl_type_with_dims(s->c, item, rank + 1, dims), &bytes);
    size_t elements = (size_t)sl_type_static_count(item), size = (size_t)sl_element_bits(sl_type_element(item)) / 8;
    for (int i = 0; i < count; i++) {
        uint8_t *to = (uint8_t *)bytes + (size_t)i * elements * size;
        const void *from = sl_attr_data_bytes(distinct[i]);
        if (!sl_attr_data_is_splat(distinct[i])) memcpy(to, from, elements * size);
        else for (size_t e = 0; e < elements; e++) memcpy(to + e * size, from, size);
    }
    return stack;
}

typedef struct rebuild {
    sl_splitter *s;
    sl_split_class *class;
    const constant_list *columns;    /* per member: its constants by place */
    size_t place;                    /* next one */
    const sl_block *body;            /* of the first member */
    sl_op *outside;                  /* stacks are made before this op */
    sl_builder inside;               /* values picked are made here */
    SL_VEC(sl_value *) picked;       /* by place: NULL, or what was made for it */
} rebuild;

/* The symbol that picks distinct[number[m]] for member m: one for each pattern. */
static sl_expr pick_symbol(rebuild *r, const int64_t *numbers) {
    sl_split_class *class = r->class;
    size_t bytes = sizeof(int64_t) * (size_t)class->count;
    for (size_t i = 0; i < class->picks.count; i++)
        if (memcmp(class->picks.data[i].numbers, numbers, bytes) == 0) return class->picks.data[i].symbol;
    sl_split_pick pick = {sl_expr_fresh(r->s->c), sl_arena_copy(r->s->pass->scratch, numbers, bytes)};
    SL_PUSH(r->s->pass->scratch, &class->picks, pick);
    return pick.symbol;
}

/* What the class reads at place number r->place, which holds `value` in the first member. */
static sl_value *rebuild_place(rebuild *r, sl_value *value) {
    size_t place = r->place++;
    int members = r->class->count, distinct_count = 0;
    sl_arena *scratch = r->s->pass->scratch;
    for (size_t p = 0; p < place; p++) {            /* the same constants at an earlier place */
        bool same = true;
        for (int m = 0; same && m < members; m++) same = r->columns[m].data[p] == r->columns[m].data[place];
        if (!same) continue;
        sl_value *known = r->picked.data[p];
        SL_PUSH(scratch, &r->picked, known);
        return known ? known : value;
    }
    sl_attr *distinct = SL_NEW_ARRAY(scratch, sl_attr, (size_t)members);
    int64_t *numbers = SL_NEW_ARRAY(scratch, int64_t, (size_t)members);
    for (int m = 0; m < members; m++) {
        int at = 0;
        while (at < distinct_count && !same_data(distinct[at], r->columns[m].data[place])) at++;
        if (at == distinct_count) distinct[distinct_count++] = r->columns[m].data[place];
        numbers[m] = at;
    }
    sl_value *made = NULL;
    if (distinct_count > 1) {
        sl_builder b = sl_builder_before(r->outside);
        sl_value *stack = sl_build_constant(&b, stack_constants(r->s, distinct_count, distinct));
        sl_value_set_name(stack, sl_value_name(value));
        sl_op_set_attr(sl_value_op(stack), "stack", sl_attr_int(r->s->c, distinct_count * sl_op_int(sl_value_op(value), "stack", 1)));
        made = sl_split_slice(r->s, &r->inside, stack, 0, pick_symbol(r, numbers), sl_expr_const(r->s->c, 1));
        made = sl_split_build(&r->inside, SL_OP_tensor_reshape, 1, &made, sl_value_type(value), 0, NULL);
        sl_value_set_name(made, sl_value_name(value));
    }
    SL_PUSH(scratch, &r->picked, made);
    return made ? made : value;
}

static sl_value *rebuild_operand(rebuild *r, sl_value *value) {
    if (is_place(value)) return rebuild_place(r, value);
    if (!is_outer_view(r->body, value, 0)) return value;
    sl_op *op = sl_value_op(value);
    sl_value *source = rebuild_operand(r, sl_op_operand(op, 0));
    if (source == sl_op_operand(op, 0)) return value;
    sl_value_map *map = sl_value_map_create(r->s->pass->scratch);
    sl_value_map_set(map, sl_op_operand(op, 0), source);
    return sl_op_result(sl_op_clone(&r->inside, op, map), 0);
}

/* In the order of same_blocks. */
static void rebuild_block(rebuild *r, sl_block *block) {
    for (sl_op *op = sl_block_first(block); op; op = sl_op_next(op)) {
        if (sl_op_get_kind(op) == SL_OP_core_constant && is_place(sl_op_result(op, 0))) continue;
        for (int i = 0; i < sl_op_operand_count(op); i++) {
            sl_value *old = sl_op_operand(op, i), *value = rebuild_operand(r, old);
            if (value != old) sl_op_set_operand(op, i, value);
        }
        for (int g = 0; g < sl_op_region_count(op); g++)
            if (sl_region_block(sl_op_region(op, g))) rebuild_block(r, sl_op_body(op, g));
    }
}

void sl_split_rebuild(sl_splitter *s, sl_op *op, sl_split_class *class, sl_builder *inside, sl_op *outside) {
    if (class->count < 2) return;
    rebuild r = {.s = s, .class = class, .columns = class->columns, .body = sl_op_body(op, (int)class->members[0]), .outside = outside, .inside = *inside};
    rebuild_block(&r, sl_op_body(op, (int)class->members[0]));
}

int sl_split_classes(sl_splitter *s, sl_op *op, int computed, const int64_t *branches, int alone, sl_split_class *classes) {
    sl_arena *scratch = s->pass->scratch;
    int count = 0;
    for (int i = 0; i < computed; i++) {
        sl_block *body = sl_op_body(op, (int)branches[i]);
        constant_list found;
        int at = 0;
        while (at < count && (alone == SL_SPLIT_ALL_ALONE || classes[at].members[0] == alone || branches[i] == alone || !same_bodies(s, sl_op_body(op, (int)classes[at].members[0]), body, &found))) at++;
        sl_split_class *class = &classes[at];
        if (at == count) {
            *class = (sl_split_class){.members = SL_NEW_ARRAY(scratch, int64_t, (size_t)computed), .columns = SL_NEW_ARRAY(scratch, constant_list, (size_t)computed)};
            if (!same_bodies(s, body, body, &found)) found = (constant_list){0};
            count++;
        }
        ((constant_list *)class->columns)[class->count] = found;
        class->members[class->count++] = branches[i];
    }
    return count;
}
