/* split_state.c: rows that go nowhere and owe a state a copy.
 *
 * A switch with one branch and the word `copy` in its attribute `state` becomes a switch with two: rows that went nowhere take the second branch, which is that part of the first one's body
 * that makes the entries (a projection of keys and values, say). Other results are what they were for such rows: the old value with merge keep, else 0.
 *
 * That part runs for those rows by themselves, so it must work row by row: what looks at other rows would see only those that went nowhere. Anything else is an error. */
#include "nest_build.h"
#include "recover.h"
#include "split_branches.h"

#include <string.h>

static bool owes_copy(const sl_op *op, int result) {
    sl_attr words = sl_op_attr(op, "state");
    return words && result < sl_attr_count(words) && strcmp(sl_attr_get_string(sl_attr_item(words, result)), "copy") == 0;
}

static sl_value *splat(const sl_splitter *s, sl_builder *b, sl_type type, int64_t value) {
    sl_type scalar = sl_type_tensor(s->c, sl_type_element(type), 0, NULL);
    bool is_float = sl_element_is_float(sl_type_element(type));
    sl_value *one = sl_build_constant(b, is_float ? sl_attr_data_splat(s->c, scalar, (double)value) : sl_attr_data_splat_int(s->c, scalar, value));
    return sl_split_build(b, SL_OP_tensor_broadcast, 1, &one, type, 0, NULL);
}

/* A plan that sends what went to branch 0 there, and the rest to branch 1. */
static sl_value *plan_for_all(const sl_splitter *s, sl_op *op) {
    sl_op *partition = sl_value_op(sl_op_operand(op, 0));
    sl_value *keys = sl_op_operand(partition, 0);
    sl_builder b = sl_builder_before(op);
    sl_type type = sl_value_type(keys), plan = sl_type_partition(s->c, 2);
    sl_attr known = sl_value_constant(keys);
    if (known && sl_type_static_count(type) >= 0) {
        void *out;
        sl_attr made = sl_attr_data_zero(s->c, type, &out);
        for (int64_t i = 0; i < sl_type_static_count(type); i++) sl_element_store_int(sl_type_element(type), out, i, sl_attr_data_int(known, i) < 0 ? 1 : sl_attr_data_int(known, i));
        sl_value *constant = sl_build_constant(&b, made);
        return sl_split_build(&b, SL_OP_route_partition, 1, &constant, plan, 0, NULL);
    }
    sl_value *nowhere = sl_build_compare(&b, "lt", keys, splat(s, &b, type, 0));
    sl_value *all = sl_build_select(&b, nowhere, splat(s, &b, type, 1), keys);
    return sl_split_build(&b, SL_OP_route_partition, 1, &all, plan, 0, NULL);
}

/* A region for packed rows: arguments for the switch's row tensors, of which the last `extra` are old values. */
static sl_block *add_body(sl_splitter *s, sl_op *made, int rows, sl_expr packed, sl_value **arguments) {
    sl_block *body = sl_region_block(sl_op_add_region(made));
    for (int i = 0; i < rows; i++) arguments[i] = sl_block_add_argument(body, sl_split_rows_type(s, sl_value_type(sl_op_operand(made, 1 + i)), packed));
    return body;
}

/* ---- row by row ---- */

typedef struct row_check { const sl_block *body; const sl_op *mixes; int steps; } row_check;
enum { MAX_ROW_STEPS = 100000 };

/* Values of blocks around the switch are the same for all rows. */
static bool is_inside(const row_check *c, const sl_value *value) {
    return (sl_value_op(value) ? sl_op_block(sl_value_op(value)) : sl_value_owner_block(value)) == c->body;
}

/* Whether anything of a row enters the value at all. */
static bool has_rows(row_check *c, const sl_value *value) {
    const sl_op *op = sl_value_op(value);
    if (!is_inside(c, value)) return false;
    if (!op || sl_op_region_count(op) || ++c->steps > MAX_ROW_STEPS) return true;
    for (int i = 0; i < sl_op_operand_count(op); i++)
        if (has_rows(c, sl_op_operand(op, i))) return true;
    return false;
}

static bool by_row(row_check *c, const sl_value *value, int axis);

/* A switch inside of the body: the bodies of its branches, each on rows of its own. */
static bool switch_by_row(row_check *c, const sl_value *value) {
    const sl_op *op = sl_value_op(value), *partition = sl_value_op(sl_op_operand(op, 0));
    bool fits = !partition || by_row(c, sl_op_operand(partition, 0), 0);
    for (int i = 1; i < sl_op_operand_count(op) && fits; i++) fits = by_row(c, sl_op_operand(op, i), 0);
    for (int r = 0; r < sl_op_region_count(op) && fits; r++) {
        row_check inner = {.body = sl_op_body(op, r), .steps = c->steps};
        fits = by_row(&inner, sl_op_operand(sl_block_terminator(sl_op_body(op, r)), sl_value_index(value)), 0);
        if (!fits) c->mixes = inner.mixes;
    }
    return fits;
}

/* Whether row i of `value`, along `axis`, needs only row i of the body's arguments. */
static bool by_row(row_check *c, const sl_value *value, int axis) {
    const sl_op *op = sl_value_op(value);
    if (!is_inside(c, value)) return true;
    if (!op) return axis == 0;
    if (++c->steps > MAX_ROW_STEPS) return c->mixes = op, false;
    if (sl_op_get_kind(op) == SL_OP_route_switch && axis == 0) return switch_by_row(c, value);
    for (int i = 0; i < sl_op_operand_count(op); i++) {
        const sl_value *operand = sl_op_operand(op, i);
        if (!has_rows(c, operand)) continue;
        if (sl_op_get_kind(op) == SL_OP_tensor_shape_of) continue;
        int to = sl_op_get_kind(op) == SL_OP_tensor_topk && i == 0 && sl_op_int(op, "axis", 0) != axis ? axis : sl_recover_axis(op, i, axis);
        if (to < 0) return c->mixes = op, false;
        if (!by_row(c, operand, to)) return false;
    }
    return true;
}

static bool check_rows(sl_op *op) {
    sl_block *body = sl_op_body(op, 0);
    for (int i = 0; i < sl_op_result_count(op); i++) {
        row_check c = {.body = body};
        if (!owes_copy(op, i) || by_row(&c, sl_op_operand(sl_block_terminator(body), i), 0)) continue;
        sl_text where;
        sl_text_init(&where, sl_module_arena(sl_op_module(op)));
        sl_loc_describe(&where, sl_op_loc(c.mixes));
        sl_op_report(op, SL_SEVERITY_ERROR, "rows that go nowhere owe result %d a copy, which is made for them alone, but %s looks at other rows (or can't be shown not to): compute the entry row by row, from the row as it comes", i,
                     where.length ? where.data : sl_op_name(c.mixes));
        return false;
    }
    return true;
}

/* The part of the body that computes the copies, cloned for rows of its own number. */
static void build_owed(sl_splitter *s, sl_op *op, sl_op *made, int rows, const int *old_argument) {
    sl_arena *scratch = s->pass->scratch;
    sl_block *body = sl_op_body(op, 0);
    int results = sl_op_result_count(op), given = (int)sl_op_int(op, "rows", 0);
    sl_expr packed = sl_expr_fresh(s->c);
    sl_value **arguments = SL_NEW_ARRAY(scratch, sl_value *, (size_t)rows + 1), **yields = SL_NEW_ARRAY(scratch, sl_value *, (size_t)results + 1);
    sl_block *owed = add_body(s, made, rows, packed, arguments);
    sl_value_map *map = sl_value_map_create(scratch);
    sl_shape_map renamed;
    sl_shape_map_init(&renamed, s->c, scratch);
    for (int i = 0; i < given; i++) {
        sl_value *argument = sl_block_argument(body, i);
        sl_expr dim = sl_type_dim(sl_value_type(argument), 0);
        sl_value_map_set(map, argument, arguments[i]);
        if (sl_expr_get_kind(dim) == SL_EXPR_SYMBOL && sl_expr_is_fresh(dim)) sl_shape_map_add(&renamed, dim, packed);
    }
    sl_builder b = sl_builder_at_end(s->pass->module, owed);
    sl_op *end = sl_block_terminator(body);
    for (sl_op *child = sl_block_first(body); child && child != end; child = sl_op_next(child)) {
        b.loc = sl_op_loc(child);
        sl_shape_map_apply(&renamed, sl_op_clone(&b, child, map));
    }
    b.loc = sl_op_loc(op);
    for (int i = 0; i < results; i++) {
        sl_type type = sl_split_rows_type(s, sl_value_type(sl_op_result(op, i)), packed);
        if (owes_copy(op, i)) yields[i] = sl_value_map_get_or_same(map, sl_op_operand(end, i));
        else yields[i] = old_argument[i] >= 0 ? arguments[old_argument[i]] : splat(s, &b, type, 0);
    }
    sl_build(&b, SL_OP_route_yield, results, yields, 0, NULL, 0, NULL);
    sl_block_erase_dead(owed);
}

sl_op *sl_split_owed(sl_splitter *s, sl_op *op) {
    sl_arena *scratch = s->pass->scratch;
    int results = sl_op_result_count(op), given = (int)sl_op_int(op, "rows", 0), rows = given;
    bool any = false, keep = strcmp(sl_op_string(op, "merge", ""), "keep") == 0;
    for (int i = 0; i < results; i++) any |= owes_copy(op, i);
    if (!any) return op;
    if (!check_rows(op)) return NULL;
    sl_value **operands = SL_NEW_ARRAY(scratch, sl_value *, (size_t)(given + results) + 2), **arguments = SL_NEW_ARRAY(scratch, sl_value *, (size_t)(given + results) + 1);
    sl_type *types = SL_NEW_ARRAY(scratch, sl_type, (size_t)results + 1);
    int *old_argument = SL_NEW_ARRAY(scratch, int, (size_t)results + 1);
    operands[0] = plan_for_all(s, op);
    for (int i = 0; i < given; i++) operands[1 + i] = sl_op_operand(op, 1 + i);
    for (int i = 0; i < results; i++) {
        types[i] = sl_value_type(sl_op_result(op, i));
        old_argument[i] = keep && !owes_copy(op, i) ? rows++ : -1;
        if (old_argument[i] >= 0) operands[1 + old_argument[i]] = sl_op_operand(op, 1 + given + i);
    }
    sl_named_attr attrs[] = {{"rows", sl_attr_int(s->c, rows)}, {"merge", sl_attr_string(s->c, "place")}};
    sl_builder b = sl_builder_before(op);
    sl_op *made = sl_build(&b, SL_OP_route_switch, 1 + rows, operands, results, types, 2, attrs);
    sl_block *body = sl_op_body(op, 0);
    sl_expr packed = given ? sl_type_dim(sl_value_type(sl_block_argument(body, 0)), 0) : sl_expr_fresh(s->c);
    sl_block *first = add_body(s, made, rows, packed, arguments);
    for (int i = 0; i < given; i++) sl_value_set_type(arguments[i], sl_value_type(sl_block_argument(body, i)));
    build_owed(s, op, made, rows, old_argument);
    sl_builder inside = sl_builder_at_end(s->pass->module, first);
    sl_block_inline(&inside, body, arguments);
    for (int i = 0; i < results; i++) {
        operands[i] = sl_op_result(made, i);
        if (sl_value_name(sl_op_result(op, i))) sl_value_set_name(operands[i], sl_value_name(sl_op_result(op, i)));
    }
    sl_op *partition = sl_value_op(sl_op_operand(op, 0));
    sl_op_replace(op, operands);
    bool planned = sl_value_has_uses(sl_op_result(partition, 0));
    for (size_t i = 0; i < s->plans.count; i++) planned |= s->plans.data[i]->partition == partition;
    if (!planned) sl_op_erase(partition);
    return made;
}
