/* resolve_dynamic.c: reshape with a shape operand, slice_dynamic, pad_dynamic, range, fill, expand_dynamic and shape_of become static ops once
 * sl_value_as_exprs knows their integer operands.
 *
 * What is taken for granted without proof is guarded: a reshape's element count, and that a symbolic dim that is cut to one element is not empty. */
#include "resolve_dynamic.h"

enum { max_exprs = 64 };

typedef struct resolver { sl_builder *b; sl_context *c; sl_shape_map *map; sl_op *op; } resolver;

void sl_build_guard(sl_builder *builder, sl_expr left, sl_expr right, const char *message) {
    sl_context *context = sl_module_context(builder->module);
    if (left == right) return;
    sl_named_attr attrs[] = {{"left", sl_attr_expr(context, left)}, {"right", sl_attr_expr(context, right)}, {"message", sl_attr_string(context, message)}};
    sl_build(builder, SL_OP_core_guard, 0, NULL, 0, NULL, 3, attrs);
}

static sl_type result_type(const resolver *r, int rank, const sl_expr *dims) {
    return sl_type_tensor(r->c, sl_type_element(sl_value_type(sl_op_result(r->op, 0))), rank, dims);
}

static sl_value *build_one(const resolver *r, sl_op_kind kind, int count, sl_value *const *operands, sl_type type, int attr_count, const sl_named_attr *attrs) {
    sl_type old = sl_value_type(sl_op_result(r->op, 0));
    sl_shape_map_unify(r->map, old, type);
    return sl_op_result(sl_build(r->b, kind, count, operands, 1, &type, attr_count, attrs), 0);
}

static sl_value *broadcast_to(const resolver *r, sl_value *value, sl_type type) {
    if (sl_value_type(value) == type) return value;
    return sl_op_result(sl_build(r->b, SL_OP_tensor_broadcast, 1, &value, 1, &type, 0, NULL), 0);
}

static sl_value *resolve_reshape(const resolver *r) {
    sl_expr dims[max_exprs];
    if (sl_op_operand_count(r->op) != 2) return NULL;
    int rank = sl_value_as_exprs(sl_op_operand(r->op, 1), dims, max_exprs);
    sl_value *x = sl_op_operand(r->op, 0);
    if (rank < 0 || rank > SL_MAX_RANK || !sl_type_is_ranked(sl_value_type(x))) return NULL;
    for (int d = 0; d < rank; d++)
        if (sl_expr_const_or(dims[d], 0) < 0) return NULL;
    sl_type type = result_type(r, rank, dims);
    sl_build_guard(r->b, sl_type_count(r->c, sl_value_type(x)), sl_type_count(r->c, type), "the element count does not fit the shape asked for");
    return build_one(r, SL_OP_tensor_reshape, 1, &x, type, 0, NULL);
}

static bool provably_at_least(sl_expr expr, int64_t least) {
    int64_t bound;
    return sl_expr_lower_bound(expr, false, &bound) && bound >= least;
}

/* min(a, b) when both are expressions, decided where it can be proved. */
static sl_expr smaller(sl_context *c, sl_expr a, sl_expr b) {
    if (provably_at_least(sl_expr_sub(c, b, a), 0)) return a;
    if (provably_at_least(sl_expr_sub(c, a, b), 0)) return b;
    return sl_expr_min(c, a, b);
}

static sl_expr at_least_zero(sl_context *c, sl_expr a) { return provably_at_least(a, 0) ? a : sl_expr_max(c, a, sl_expr_const(c, 0)); }

/* A slice position made absolute and clamped into [low, high], where high is dim or dim - 1; NULL when its sign is unknown. */
static sl_expr clamp_position(sl_context *c, sl_expr position, sl_expr dim, sl_expr high, int64_t low) {
    int64_t value;
    sl_expr floor_value = sl_expr_const(c, low);
    if (sl_expr_is_const(position, &value)) {
        if (value >= INT32_MAX) return high;
        if (value <= INT32_MIN) return floor_value;
        if (value < 0) position = sl_expr_add(c, dim, position);
    } else if (!provably_at_least(position, 0)) {
        return NULL;
    }
    sl_expr upper = smaller(c, position, high);
    return provably_at_least(upper, low) ? upper : sl_expr_max(c, upper, floor_value);
}

/* `guard`: out, an expression that must be 1, or NULL. */
static bool slice_axis(const resolver *r, sl_expr dim, sl_expr start, sl_expr end, int64_t step, sl_expr *first, sl_expr *size, sl_expr *guard) {
    sl_context *c = r->c;
    sl_expr one = sl_expr_const(c, 1);
    int64_t at;
    if (step > 0) {
        *first = clamp_position(c, start, dim, dim, 0);
        sl_expr last = clamp_position(c, end, dim, dim, 0);
        if (!*first || !last) return false;
        /* x[-n:] of a symbolic dim: min(n, dim) elements; for n = 1 take it as 1, guarded, so that the dim can be dropped afterwards. */
        if (sl_expr_is_const(start, &at) && at < 0 && last == dim && !sl_expr_is_const(dim, NULL)) {
            sl_expr count = smaller(c, sl_expr_const(c, -at), dim);
            if (at == -1 && !sl_expr_is_const(count, NULL)) {
                *guard = count;
                count = one;
                *first = sl_expr_sub(c, dim, one);
            }
            *size = sl_expr_ceildiv(c, count, sl_expr_const(c, step));
            return true;
        }
        *size = sl_expr_ceildiv(c, at_least_zero(c, sl_expr_sub(c, last, *first)), sl_expr_const(c, step));
        return true;
    }
    sl_expr top = sl_expr_sub(c, dim, one);
    *first = clamp_position(c, start, dim, top, 0);
    sl_expr last = clamp_position(c, end, dim, top, -1);
    if (!*first || !last) return false;
    *size = sl_expr_ceildiv(c, at_least_zero(c, sl_expr_sub(c, *first, last)), sl_expr_const(c, -step));
    if (!provably_at_least(dim, 1)) *size = smaller(c, *size, dim);   /* an empty dim has nothing to walk back from */
    return true;
}

static sl_value *resolve_slice(const resolver *r) {
    sl_expr parts[3][max_exprs], starts[SL_MAX_RANK], dims[SL_MAX_RANK], guards[SL_MAX_RANK] = {0};
    int64_t steps[SL_MAX_RANK];
    sl_value *x = sl_op_operand(r->op, 0);
    sl_type type = sl_value_type(x);
    int axis_count;
    const int64_t *axes = sl_op_ints(r->op, "axes", &axis_count);
    if (!sl_type_is_ranked(type)) return NULL;
    for (int p = 0; p < 3; p++)
        if (sl_value_as_exprs(sl_op_operand(r->op, p + 1), parts[p], max_exprs) != axis_count) return NULL;
    int rank = sl_type_rank(type);
    for (int d = 0; d < rank; d++) {
        starts[d] = sl_expr_const(r->c, 0);
        dims[d] = sl_type_dim(type, d);
        steps[d] = 1;
    }
    for (int i = 0; i < axis_count; i++) {
        int axis = (int)axes[i];
        if (!sl_expr_is_const(parts[2][i], &steps[axis]) || steps[axis] == 0 || steps[axis] == INT64_MIN) return NULL;
        if (!slice_axis(r, sl_type_dim(type, axis), parts[0][i], parts[1][i], steps[axis], &starts[axis], &dims[axis], &guards[axis])) return NULL;
    }
    for (int d = 0; d < rank; d++)
        if (guards[d]) sl_build_guard(r->b, guards[d], sl_expr_const(r->c, 1), "a slice of the last element needs a dimension that is not empty");
    sl_named_attr attrs[] = {{"starts", sl_attr_exprs(r->c, rank, starts)}, {"steps", sl_attr_ints(r->c, rank, steps)}};
    return build_one(r, SL_OP_tensor_slice, 1, &x, result_type(r, rank, dims), 2, attrs);
}

static sl_value *resolve_pad(const resolver *r) {
    sl_expr pads[max_exprs], dims[SL_MAX_RANK];
    sl_type type = sl_value_type(sl_op_operand(r->op, 0));
    if (!sl_type_is_ranked(type)) return NULL;
    int rank = sl_type_rank(type);
    if (sl_value_as_exprs(sl_op_operand(r->op, 1), pads, max_exprs) != 2 * rank) return NULL;
    for (int d = 0; d < rank; d++) dims[d] = sl_expr_add(r->c, sl_type_dim(type, d), sl_expr_add(r->c, pads[d], pads[rank + d]));
    sl_value *operands[] = {sl_op_operand(r->op, 0), sl_op_operand(r->op, 2)};
    sl_named_attr attrs[] = {{"low", sl_attr_exprs(r->c, rank, pads)}, {"high", sl_attr_exprs(r->c, rank, pads + rank)}, {"mode", sl_op_attr(r->op, "mode")}};
    return build_one(r, SL_OP_tensor_pad, 2, operands, result_type(r, rank, dims), 3, attrs);
}

/* start + iota * delta; integer ranges only: the length of a float range is rounded arithmetic, which constant folding does. */
static sl_value *resolve_range(const resolver *r) {
    sl_expr start, limit, delta;
    sl_context *c = r->c;
    int64_t step;
    if (!sl_element_is_integer(sl_type_element(sl_value_type(sl_op_result(r->op, 0))))) return NULL;
    if (sl_value_as_exprs(sl_op_operand(r->op, 0), &start, 1) != 1 || sl_value_as_exprs(sl_op_operand(r->op, 1), &limit, 1) != 1) return NULL;
    if (sl_value_as_exprs(sl_op_operand(r->op, 2), &delta, 1) != 1 || !sl_expr_is_const(delta, &step) || step == 0 || step == INT64_MIN) return NULL;
    sl_expr span = step > 0 ? sl_expr_sub(c, limit, start) : sl_expr_sub(c, start, limit);
    sl_expr length = sl_expr_ceildiv(c, at_least_zero(c, span), sl_expr_const(c, step > 0 ? step : -step));
    sl_type type = result_type(r, 1, &length);
    sl_named_attr axis = {"axis", sl_attr_int(c, 0)};
    sl_value *value = build_one(r, SL_OP_tensor_iota, 0, NULL, type, 1, &axis);
    if (step != 1) value = sl_build_binary(r->b, SL_OP_arith_mul, value, broadcast_to(r, sl_op_operand(r->op, 2), type));
    if (!sl_expr_equals_const(start, 0)) value = sl_build_binary(r->b, SL_OP_arith_add, value, broadcast_to(r, sl_op_operand(r->op, 0), type));
    return value;
}

static sl_value *resolve_fill(const resolver *r) {
    sl_expr dims[max_exprs];
    int rank = sl_value_as_exprs(sl_op_operand(r->op, 1), dims, max_exprs);
    if (rank < 0 || rank > SL_MAX_RANK) return NULL;
    for (int d = 0; d < rank; d++)
        if (sl_expr_const_or(dims[d], 0) < 0) return NULL;
    sl_value *x = sl_op_operand(r->op, 0);
    sl_type type = result_type(r, rank, dims);
    sl_shape_map_unify(r->map, sl_value_type(sl_op_result(r->op, 0)), type);
    return broadcast_to(r, x, type);
}

static sl_value *resolve_expand(const resolver *r) {
    sl_expr asked[max_exprs], dims[SL_MAX_RANK];
    sl_value *x = sl_op_operand(r->op, 0);
    sl_type from = sl_value_type(x);
    int count = sl_value_as_exprs(sl_op_operand(r->op, 1), asked, max_exprs);
    if (count < 0 || count > SL_MAX_RANK || !sl_type_is_ranked(from)) return NULL;
    int x_rank = sl_type_rank(from), rank = x_rank > count ? x_rank : count;
    for (int d = 0; d < rank; d++) {
        int xd = d - (rank - x_rank), sd = d - (rank - count);
        if (sd >= 0 && sl_expr_const_or(asked[sd], 0) < 0) return NULL;
        dims[d] = xd < 0 ? asked[sd] : sd < 0 ? sl_type_dim(from, xd) : sl_expr_bcast(r->c, sl_type_dim(from, xd), asked[sd]);
    }
    sl_type type = result_type(r, rank, dims);
    sl_shape_map_unify(r->map, sl_value_type(sl_op_result(r->op, 0)), type);
    return broadcast_to(r, x, type);
}

static sl_value *resolve_shape_of(const resolver *r) {
    sl_type type = sl_value_type(sl_op_operand(r->op, 0));
    if (!sl_type_is_ranked(type)) return NULL;
    sl_expr count = sl_expr_const(r->c, sl_type_rank(type));
    sl_named_attr dims = {"dims", sl_attr_exprs(r->c, sl_type_rank(type), sl_type_dims(type))};
    return build_one(r, SL_OP_tensor_from_dims, 0, NULL, result_type(r, 1, &count), 1, &dims);
}

sl_value *sl_resolve_dynamic(sl_builder *builder, sl_shape_map *map, sl_op *op) {
    resolver r = {builder, sl_op_context(op), map, op};
    sl_op_kind kind = sl_op_get_kind(op);
    if (kind == SL_OP_tensor_reshape) return resolve_reshape(&r);
    if (kind == SL_OP_tensor_slice_dynamic) return resolve_slice(&r);
    if (kind == SL_OP_tensor_pad_dynamic) return resolve_pad(&r);
    if (kind == SL_OP_tensor_range) return resolve_range(&r);
    if (kind == SL_OP_tensor_fill) return resolve_fill(&r);
    if (kind == SL_OP_tensor_expand_dynamic) return resolve_expand(&r);
    if (kind == SL_OP_tensor_shape_of) return resolve_shape_of(&r);
    return NULL;
}
