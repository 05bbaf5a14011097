/* recover_flatten.c: rows that run along two leading axes. Models of sequences compute gates and bodies on batch x positions x features; all other forms look for rows along one axis.
 *
 * In: an op that may end a form, with at least three dims. What leads to it is gathered backwards as long as both leading axes flow through every op side by side (recover_axes.c), and built anew with
 * the two as one, in front of the op; what enters is reshaped, which moves nothing. Then the forms look at that. Found: the op is replaced by the reshaped result, and the original goes with it. Not found:
 * the new ops go. Only stretches in which something is chosen (compared, selected, sorted) are tried. */
#include "recover.h"
#include "shape_map.h"

#include <string.h>

enum { MAX_MEMBERS = 512, MAX_OPERANDS = 64, MAX_ATTRS = 16 };

typedef struct flat_member { sl_op *op; int axis; } flat_member;     /* the two axes of its results: axis, axis + 1 */

typedef struct flattening {
    sl_pass_context *pass;
    sl_context *context;
    sl_op *root;
    SL_VEC(flat_member) members;      /* operands first */
    sl_value_map *map;                /* values of members, and what was reshaped, as they are with one axis */
    uint32_t *index;                  /* by op id: axis plus one */
    bool chooses;
} flattening;

static sl_type type_of(const sl_value *value) { return sl_value_type(value); }

/* `type` with dims axis and axis + 1 as one. */
static sl_type merged(flattening *f, sl_type type, int axis) {
    sl_expr dims[SL_MAX_RANK];
    int rank = 0;
    for (int d = 0; d < sl_type_rank(type); d++)
        if (d != axis + 1) dims[rank++] = d == axis ? sl_expr_mul(f->context, sl_type_dim(type, d), sl_type_dim(type, d + 1)) : sl_type_dim(type, d);
    return sl_type_with_dims(f->context, type, rank, dims);
}

/* Where the second of the two axes is in an operand; SL_AXIS_WHOLE: in neither; SL_AXIS_MIXED: they do not stay side by side. */
static int flow(const sl_op *op, int operand, int axis) {
    sl_op_kind kind = sl_op_get_kind(op);
    sl_type type = type_of(sl_op_operand(op, operand)), result = type_of(sl_op_result(op, 0));
    if (!sl_type_is_tensor(type) || !sl_type_is_ranked(type)) return SL_AXIS_MIXED;
    if (kind == SL_OP_tensor_topk || kind == SL_OP_tensor_scatter_elements) {
        if (kind == SL_OP_tensor_topk && operand) return SL_AXIS_WHOLE;
        int64_t along = sl_op_int(op, "axis", -1);
        if (along == axis || along == axis + 1 || along < 0) return SL_AXIS_MIXED;
        for (int d = axis; d <= axis + 1; d++)
            if (sl_type_dim(type, d) != sl_type_dim(result, d)) return SL_AXIS_MIXED;
        return axis + 1;
    }
    int first = sl_recover_axis(op, operand, axis), second = sl_recover_axis(op, operand, axis + 1);
    if (first == SL_AXIS_WHOLE && second == SL_AXIS_WHOLE) return SL_AXIS_WHOLE;
    return first >= 0 && second == first + 1 ? second : SL_AXIS_MIXED;
}

static bool fits(const sl_op *op, int axis) {
    int results = sl_op_result_count(op), count = sl_op_operand_count(op);
    sl_op_kind kind = sl_op_get_kind(op);
    if (!sl_op_has_trait(op, SL_TRAIT_PURE) || sl_op_region_count(op) || sl_op_may_bind(op) || count > MAX_OPERANDS || results != (kind == SL_OP_tensor_topk ? 2 : 1)) return false;
    if (sl_op_attr_count(op) > MAX_ATTRS || kind == SL_OP_tensor_conv || kind == SL_OP_tensor_pool) return false;
    sl_type type = type_of(sl_op_result(op, 0));
    if (!sl_type_is_tensor(type) || !sl_type_is_ranked(type) || axis + 1 >= sl_type_rank(type)) return false;
    if (kind == SL_OP_tensor_iota) return sl_op_int(op, "axis", 0) != axis && sl_op_int(op, "axis", 0) != axis + 1;
    bool any = kind == SL_OP_tensor_broadcast;
    for (int i = 0; i < count; i++) {
        int to = flow(op, i, axis);
        if (to == SL_AXIS_MIXED) return false;
        any |= to >= 0;
    }
    return any;
}

/* Whether a value is made for each place of both axes, rather than repeated along one. */
static bool varies(const sl_value *value, int axis) {
    for (const sl_op *op = sl_value_op(value); op; op = sl_value_op(value)) {
        sl_op_kind kind = sl_op_get_kind(op);
        if (kind == SL_OP_core_constant) return false;
        if (kind != SL_OP_tensor_broadcast && kind != SL_OP_tensor_reshape && kind != SL_OP_tensor_transpose && kind != SL_OP_arith_cast && kind != SL_OP_arith_not) return true;
        if (sl_op_operand_count(op) != 1 || !sl_type_is_ranked(type_of(sl_op_operand(op, 0)))) return kind == SL_OP_tensor_reshape;
        int to = flow(op, 0, axis);
        if (to < 1) return false;
        value = sl_op_operand(op, 0), axis = to - 1;
    }
    return true;
}

static bool chooses(const sl_op *op, int axis) {
    sl_op_kind kind = sl_op_get_kind(op);
    if (kind == SL_OP_tensor_topk || kind == SL_OP_tensor_arg_reduce) return true;
    if (kind == SL_OP_arith_select) return flow(op, 0, axis) == axis + 1 && varies(sl_op_operand(op, 0), axis);
    return kind == SL_OP_arith_cmp && (varies(sl_op_operand(op, 0), axis) || varies(sl_op_operand(op, 1), axis));
}

/* False when an op would be needed with its rows in two places, or there are too many. */
static bool gather(flattening *f, sl_value *value, int axis) {
    sl_op *op = sl_value_op(value);
    if (!op || sl_op_block(op) != sl_op_block(f->root)) return true;
    uint32_t *slot = &f->index[sl_op_id(op)];
    if (*slot) return *slot == (uint32_t)axis + 1;
    if (!fits(op, axis)) return true;
    if (f->members.count + 1 >= MAX_MEMBERS) return false;
    *slot = (uint32_t)axis + 1;
    f->chooses |= chooses(op, axis);
    for (int i = 0; i < sl_op_operand_count(op); i++) {
        int to = flow(op, i, axis);
        if (to > 0 && !gather(f, sl_op_operand(op, i), to - 1)) return false;
    }
    SL_PUSH(f->pass->scratch, &f->members, ((flat_member){op, axis}));
    return true;
}

static sl_value *flat_value(flattening *f, sl_builder *b, sl_value *value, int axis) {
    sl_type type = merged(f, type_of(value), axis);
    sl_value *known = sl_value_map_get(f->map, value);
    double splat;
    if (known && type_of(known) == type) return known;
    if (sl_recover_splat(value, &splat)) known = sl_recover_splat_like(b, type, splat);
    else if (sl_recover_uniform(value, axis) && sl_recover_uniform(value, axis + 1)) {    /* a row of numbers that was repeated when compiling */
        sl_expr dims[SL_MAX_RANK];
        for (int d = 0; d < sl_type_rank(type); d++) dims[d] = d == axis ? sl_expr_const(f->context, 1) : sl_type_dim(type, d);
        known = sl_recover_slice(b, sl_recover_slice(b, value, axis + 1, 0), axis, 0);
        known = sl_recover_reshape(b, known, sl_type_with_dims(f->context, type, sl_type_rank(type), dims));
        known = sl_recover_op(b, SL_OP_tensor_broadcast, 1, &known, type, 0, NULL);
    } else known = sl_recover_reshape(b, value, type);
    sl_value_map_set(f->map, value, known);
    return known;
}

static sl_op *clone(flattening *f, sl_builder *b, const flat_member *member) {
    sl_op *op = member->op;
    int count = sl_op_operand_count(op), axis = member->axis, results = sl_op_result_count(op), where[MAX_OPERANDS] = {0};
    sl_value *operands[MAX_OPERANDS];
    sl_type types[2];
    sl_named_attr attrs[MAX_ATTRS];
    b->loc = sl_op_loc(op);
    for (int r = 0; r < results; r++) types[r] = merged(f, type_of(sl_op_result(op, r)), axis);
    for (int i = 0; i < count; i++) {
        operands[i] = sl_op_operand(op, i);
        where[i] = flow(op, i, axis);
        if (where[i] >= 0) operands[i] = flat_value(f, b, operands[i], where[i] - 1);
        int at = axis - (sl_type_rank(type_of(sl_op_result(op, 0))) - sl_type_rank(type_of(operands[i])));
        if (where[i] < 0 && sl_op_get_kind(op) == SL_OP_tensor_broadcast && at >= 0) operands[i] = sl_recover_reshape(b, operands[i], merged(f, type_of(operands[i]), at));    /* two dims of 1 */
    }
    int attr_count = sl_recover_attrs_without(f->context, op, axis + 1, where, attrs);
    if (sl_op_get_kind(op) == SL_OP_tensor_iota) attrs[0] = (sl_named_attr){"axis", sl_attr_int(f->context, sl_op_int(op, "axis", 0) - (sl_op_int(op, "axis", 0) > axis))}, attr_count = 1;
    if (sl_op_get_kind(op) == SL_OP_tensor_scatter_elements || sl_op_get_kind(op) == SL_OP_tensor_topk)
        for (int i = 0; i < attr_count; i++)
            if (!strcmp(attrs[i].name, "axis")) attrs[i].attr = sl_attr_int(f->context, sl_op_int(op, "axis", 0) - (sl_op_int(op, "axis", 0) > axis));
    sl_op *made = sl_build(b, sl_op_get_kind(op), count, operands, results, types, attr_count, attrs);
    for (int r = 0; r < results; r++) sl_value_map_set(f->map, sl_op_result(op, r), sl_op_result(made, r));
    return made;
}

bool sl_recover_flattened(sl_pass_context *pass, sl_op *op, bool *failed) {
    if (sl_op_result_count(op) != 1 || !sl_type_is_tensor(type_of(sl_op_result(op, 0))) || !sl_type_is_ranked(type_of(sl_op_result(op, 0)))) return false;
    sl_type type = type_of(sl_op_result(op, 0));
    if (sl_type_rank(type) < 3 || sl_expr_equals_const(sl_type_dim(type, 1), 1) || !sl_value_has_uses(sl_op_result(op, 0)) || !fits(op, 0)) return false;
    if (sl_op_get_kind(op) == SL_OP_arith_add && sl_value_has_one_use(sl_op_result(op, 0))) {    /* the top of a sum stands for all of it */
        sl_op *user = sl_use_user(sl_value_first_use(sl_op_result(op, 0)));
        if (sl_op_get_kind(user) == SL_OP_arith_add && sl_op_block(user) == sl_op_block(op)) return false;
    }
    flattening f = {.pass = pass, .context = sl_module_context(pass->module), .root = op};
    f.index = SL_NEW_ARRAY(pass->scratch, uint32_t, (size_t)sl_module_op_count(pass->module) + 1);
    if (!gather(&f, sl_op_result(op, 0), 0) || !f.chooses) return false;
    f.map = sl_value_map_create(pass->scratch);
    sl_builder b = sl_builder_before(op);
    sl_op *flat = NULL;
    for (size_t i = 0; i < f.members.count; i++) flat = clone(&f, &b, &f.members.data[i]);
    sl_value *inner = sl_op_result(flat, 0);
    b.loc = sl_op_loc(op);
    sl_value *back = sl_recover_reshape(&b, inner, type);
    sl_op *again = sl_value_op(back);
    if (sl_recover_forms(pass, flat, failed)) {
        sl_recover_replace(pass, op, sl_op_result(again, 0));
        return true;
    }
    sl_recover_sweep(pass, again);
    return false;
}
