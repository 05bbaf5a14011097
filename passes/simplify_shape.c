/* simplify_shape.c: rules on ops that move elements: reshape, transpose, broadcast, slice, concat, pad, take, and reductions over nothing. */
#include "simplify_internal.h"

#include <string.h>

static sl_value *operand(const sl_op *op, int index) { return sl_op_operand(op, index); }
static sl_value *inner(const sl_value *value, int index) { return sl_op_operand(sl_value_op(value), index); }
static sl_type type_of(const sl_value *value) { return sl_value_type(value); }
static sl_type result_type(const sl_op *op) { return sl_value_type(sl_op_result(op, 0)); }
static bool is_ranked(const sl_value *value) { return sl_type_is_tensor(type_of(value)) && sl_type_is_ranked(type_of(value)); }

/* ---- views ---- */
bool sl_rule_view_same(sl_rewriter *rw, sl_op *op) {
    return sl_op_operand_count(op) == 1 && type_of(operand(op, 0)) == result_type(op) && sl_rewrite_with(rw, operand(op, 0));
}

bool sl_rule_reshape_reshape(sl_rewriter *rw, sl_op *op) {
    sl_value *x = operand(op, 0);
    if (sl_op_operand_count(op) != 1 || !sl_is_kind(x, SL_OP_tensor_reshape) || sl_op_operand_count(sl_value_op(x)) != 1) return false;
    return sl_rewrite_with(rw, sl_make_reshape(rw, inner(x, 0), result_type(op)));
}

static bool get_perm(const sl_op *op, const int64_t **perm, int *rank) {
    *perm = sl_op_ints(op, "perm", rank);
    return *perm || *rank == 0;
}

bool sl_rule_transpose_identity(sl_rewriter *rw, sl_op *op) {
    const int64_t *perm;
    int rank;
    if (!get_perm(op, &perm, &rank)) return false;
    for (int d = 0; d < rank; d++)
        if (perm[d] != d) return false;
    return sl_rewrite_with(rw, operand(op, 0));
}

bool sl_rule_transpose_transpose(sl_rewriter *rw, sl_op *op) {
    const int64_t *outer, *first;
    int rank, first_rank;
    sl_value *x = operand(op, 0);
    if (!sl_is_kind(x, SL_OP_tensor_transpose) || !get_perm(op, &outer, &rank) || !get_perm(sl_value_op(x), &first, &first_rank) || rank != first_rank) return false;
    int64_t perm[SL_MAX_RANK];
    for (int d = 0; d < rank; d++) perm[d] = first[outer[d]];
    sl_value *from = inner(x, 0);
    sl_named_attr attr = {"perm", sl_attr_ints(rw->context, rank, perm)};
    sl_type type = result_type(op);
    return sl_rewrite_with(rw, sl_op_result(sl_build(&rw->builder, SL_OP_tensor_transpose, 1, &from, 1, &type, 1, &attr), 0));
}

bool sl_rule_transpose_as_reshape(sl_rewriter *rw, sl_op *op) {
    const int64_t *perm;
    int rank;
    int64_t last = -1;
    if (!is_ranked(operand(op, 0)) || !get_perm(op, &perm, &rank)) return false;
    for (int d = 0; d < rank; d++) {
        if (sl_expr_equals_const(sl_type_dim(type_of(operand(op, 0)), (int)perm[d]), 1)) continue;
        if (perm[d] < last) return false;
        last = perm[d];
    }
    return sl_rewrite_with(rw, sl_make_reshape(rw, operand(op, 0), result_type(op)));
}

bool sl_rule_broadcast_broadcast(sl_rewriter *rw, sl_op *op) {
    sl_value *x = operand(op, 0);
    return sl_is_kind(x, SL_OP_tensor_broadcast) && sl_rewrite_with(rw, sl_make_broadcast(rw, inner(x, 0), result_type(op)));
}

bool sl_rule_broadcast_reshape(sl_rewriter *rw, sl_op *op) {
    sl_value *x = operand(op, 0);
    if (!sl_is_kind(x, SL_OP_tensor_reshape) || sl_op_operand_count(sl_value_op(x)) != 1 || !is_ranked(x) || !is_ranked(inner(x, 0))) return false;
    sl_type from = type_of(inner(x, 0)), to = type_of(x);
    int added = sl_type_rank(to) - sl_type_rank(from);
    if (added < 0) return false;
    for (int d = 0; d < sl_type_rank(to); d++)
        if (d < added ? !sl_expr_equals_const(sl_type_dim(to, d), 1) : sl_type_dim(to, d) != sl_type_dim(from, d - added)) return false;
    return sl_rewrite_with(rw, sl_make_broadcast(rw, inner(x, 0), result_type(op)));
}

bool sl_rule_broadcast_splat(sl_rewriter *rw, sl_op *op) {
    double splat;
    if (!sl_type_is_static(result_type(op)) || !sl_splat_float(operand(op, 0), &splat)) return false;
    return sl_rewrite_with(rw, sl_make_splat(rw, result_type(op), splat));
}

/* f(broadcast a, broadcast b, splat...) -> broadcast f(a, b, splat...): the arithmetic is done once per distinct element. */
bool sl_rule_hoist_broadcast(sl_rewriter *rw, sl_op *op) {
    int count = sl_op_operand_count(op), attr_count = sl_op_attr_count(op);
    if (!sl_op_has_trait(op, SL_TRAIT_ELEMENTWISE) || count < 1 || count > 4 || attr_count > 8 || sl_op_result_count(op) != 1) return false;
    sl_type source = NULL;
    sl_value *operands[4];
    double splats[4] = {0};
    for (int i = 0; i < count; i++) {
        sl_value *value = operand(op, i);
        operands[i] = NULL;
        if (sl_splat_float(value, &splats[i])) continue;
        if (!sl_is_kind(value, SL_OP_tensor_broadcast)) return false;
        operands[i] = inner(value, 0);
        sl_type type = type_of(operands[i]);
        if (!sl_type_is_ranked(type) || (source && (sl_type_rank(source) != sl_type_rank(type) || sl_type_with_element(rw->context, type, sl_type_element(source)) != source)))
            return false;
        source = type;
    }
    if (!source) return false;
    for (int i = 0; i < count; i++)
        if (!operands[i]) operands[i] = sl_make_splat(rw, sl_type_with_element(rw->context, source, sl_type_element(type_of(operand(op, i)))), splats[i]);
    sl_named_attr attrs[8];
    for (int i = 0; i < attr_count; i++) attrs[i].attr = sl_op_attr_at(op, i, &attrs[i].name);
    sl_type type = sl_type_with_element(rw->context, source, sl_type_element(result_type(op)));
    sl_value *small = sl_op_result(sl_build(&rw->builder, sl_op_get_kind(op), count, operands, 1, &type, attr_count, attrs), 0);
    return sl_rewrite_with(rw, sl_make_broadcast(rw, small, result_type(op)));
}

/* ---- slices ---- */
static sl_value *make_slice(sl_rewriter *rw, sl_value *x, sl_type type, const sl_expr *starts, const int64_t *steps) {
    int rank = sl_type_rank(type);
    sl_named_attr attrs[] = {{"starts", sl_attr_exprs(rw->context, rank, starts)}, {"steps", sl_attr_ints(rw->context, rank, steps)}};
    return sl_op_result(sl_build(&rw->builder, SL_OP_tensor_slice, 1, &x, 1, &type, 2, attrs), 0);
}

bool sl_rule_slice_whole(sl_rewriter *rw, sl_op *op) {
    int rank;
    const int64_t *steps = sl_op_ints(op, "steps", &rank);
    if (type_of(operand(op, 0)) != result_type(op)) return false;
    for (int d = 0; d < rank; d++) {
        if (sl_expr_equals_const(sl_type_dim(result_type(op), d), 1)) continue;   /* one element of one */
        if (steps[d] != 1 || !sl_expr_equals_const(sl_op_expr_at(op, "starts", d), 0)) return false;
    }
    return sl_rewrite_with(rw, operand(op, 0));
}

bool sl_rule_slice_slice(sl_rewriter *rw, sl_op *op) {
    sl_value *x = operand(op, 0);
    if (!sl_is_kind(x, SL_OP_tensor_slice)) return false;
    sl_op *first = sl_value_op(x);
    int rank, first_rank;
    const int64_t *steps = sl_op_ints(op, "steps", &rank), *first_steps = sl_op_ints(first, "steps", &first_rank);
    sl_expr starts[SL_MAX_RANK];
    int64_t combined[SL_MAX_RANK];
    for (int d = 0; d < rank; d++) {
        if (__builtin_mul_overflow(steps[d], first_steps[d], &combined[d])) return false;
        sl_expr moved = sl_expr_mul(rw->context, sl_op_expr_at(op, "starts", d), sl_expr_const(rw->context, first_steps[d]));
        starts[d] = sl_expr_add(rw->context, sl_op_expr_at(first, "starts", d), moved);
    }
    return sl_rewrite_with(rw, make_slice(rw, inner(x, 0), result_type(op), starts, combined));
}

static bool provably_at_least_zero(sl_expr expr) {
    int64_t bound;
    return sl_expr_lower_bound(expr, false, &bound) && bound >= 0;
}

bool sl_rule_slice_concat(sl_rewriter *rw, sl_op *op) {
    sl_value *x = operand(op, 0);
    if (!sl_is_kind(x, SL_OP_tensor_concat)) return false;
    sl_context *c = rw->context;
    sl_op *concat = sl_value_op(x);
    int axis = (int)sl_op_int(concat, "axis", 0), rank;
    const int64_t *steps = sl_op_ints(op, "steps", &rank);
    sl_expr start = sl_op_expr_at(op, "starts", axis), size = sl_type_dim(result_type(op), axis), at = sl_expr_const(c, 0);
    if (steps[axis] < 1) return false;
    sl_expr span = sl_expr_mul(c, sl_expr_sub(c, size, sl_expr_const(c, 1)), sl_expr_const(c, steps[axis]));
    sl_expr end = sl_expr_add(c, sl_expr_add(c, start, span), sl_expr_const(c, 1));
    for (int i = 0; i < sl_op_operand_count(concat); i++) {
        sl_expr next = sl_expr_add(c, at, sl_type_dim(type_of(operand(concat, i)), axis));
        if (provably_at_least_zero(sl_expr_sub(c, start, at)) && provably_at_least_zero(sl_expr_sub(c, next, end))) {
            sl_expr starts[SL_MAX_RANK];
            for (int d = 0; d < rank; d++) starts[d] = d == axis ? sl_expr_sub(c, start, at) : sl_op_expr_at(op, "starts", d);
            return sl_rewrite_with(rw, make_slice(rw, operand(concat, i), result_type(op), starts, steps));
        }
        at = next;
    }
    return false;
}

/* ---- concat ---- */
static sl_value *make_concat(sl_rewriter *rw, sl_op *op, int count, sl_value *const *operands) {
    sl_named_attr attr = {"axis", sl_op_attr(op, "axis")};
    sl_type type = result_type(op);
    return sl_op_result(sl_build(&rw->builder, SL_OP_tensor_concat, count, operands, 1, &type, 1, &attr), 0);
}

bool sl_rule_concat_one(sl_rewriter *rw, sl_op *op) { return sl_op_operand_count(op) == 1 && sl_rewrite_with(rw, operand(op, 0)); }

bool sl_rule_concat_empty(sl_rewriter *rw, sl_op *op) {
    int axis = (int)sl_op_int(op, "axis", 0), count = sl_op_operand_count(op), kept = 0;
    sl_value **operands = SL_NEW_ARRAY(rw->pass->scratch, sl_value *, (size_t)count);
    for (int i = 0; i < count; i++) {
        if (!is_ranked(operand(op, i))) return false;
        if (!sl_expr_equals_const(sl_type_dim(type_of(operand(op, i)), axis), 0)) operands[kept++] = operand(op, i);
    }
    if (kept == count || kept == 0) return false;
    return sl_rewrite_with(rw, kept == 1 ? operands[0] : make_concat(rw, op, kept, operands));
}

bool sl_rule_concat_concat(sl_rewriter *rw, sl_op *op) {
    int count = sl_op_operand_count(op), total = 0, made = 0;
    int64_t axis = sl_op_int(op, "axis", 0);
    bool any = false;
    for (int i = 0; i < count; i++) {
        bool nested = sl_is_kind(operand(op, i), SL_OP_tensor_concat) && sl_op_int(sl_value_op(operand(op, i)), "axis", 0) == axis && sl_has_one_use(operand(op, i));
        total += nested ? sl_op_operand_count(sl_value_op(operand(op, i))) : 1;
        any |= nested;
    }
    if (!any) return false;
    sl_value **operands = SL_NEW_ARRAY(rw->pass->scratch, sl_value *, (size_t)total);
    for (int i = 0; i < count; i++) {
        sl_value *value = operand(op, i);
        bool nested = sl_is_kind(value, SL_OP_tensor_concat) && sl_op_int(sl_value_op(value), "axis", 0) == axis && sl_has_one_use(value);
        for (int j = 0; nested && j < sl_op_operand_count(sl_value_op(value)); j++) operands[made++] = inner(value, j);
        if (!nested) operands[made++] = value;
    }
    return sl_rewrite_with(rw, make_concat(rw, op, made, operands));
}

enum { MAX_CAST_PARTS = 16, MAX_CAST_ATTRS = 4 };

bool sl_rule_cast_concat(sl_rewriter *rw, sl_op *op) {
    sl_value *whole = operand(op, 0);
    if (!sl_is_kind(whole, SL_OP_tensor_concat) || !sl_has_one_use(whole) || sl_op_operand_count(sl_value_op(whole)) > MAX_CAST_PARTS) return false;
    sl_element to = sl_type_element(result_type(op));
    if (sl_element_bits(to) >= sl_element_bits(sl_type_element(type_of(whole)))) return false;
    sl_op *concat = sl_value_op(whole);
    int count = sl_op_operand_count(concat), attrs = sl_op_attr_count(op);
    sl_value *parts[MAX_CAST_PARTS];
    sl_named_attr kept[MAX_CAST_ATTRS];
    if (attrs > MAX_CAST_ATTRS) return false;
    for (int i = 0; i < attrs; i++) kept[i].attr = sl_op_attr_at(op, i, &kept[i].name);
    for (int i = 0; i < count; i++) {
        sl_value *part = operand(concat, i);
        sl_type type = sl_type_with_element(rw->context, type_of(part), to);
        parts[i] = sl_op_result(sl_build(&rw->builder, SL_OP_arith_cast, 1, &part, 1, &type, attrs, kept), 0);
    }
    sl_type type = result_type(op);
    sl_named_attr axis = {"axis", sl_op_attr(concat, "axis")};
    return sl_rewrite_with(rw, sl_op_result(sl_build(&rw->builder, SL_OP_tensor_concat, count, parts, 1, &type, 1, &axis), 0));
}

bool sl_rule_concat_slices(sl_rewriter *rw, sl_op *op) {
    int count = sl_op_operand_count(op), axis = (int)sl_op_int(op, "axis", 0), rank = sl_type_rank(result_type(op));
    sl_expr next = NULL, starts[SL_MAX_RANK];
    int64_t ones[SL_MAX_RANK];
    if (count < 2) return false;
    for (int i = 0; i < count; i++) {
        sl_value *value = operand(op, i);
        if (!sl_is_kind(value, SL_OP_tensor_slice) || inner(value, 0) != inner(operand(op, 0), 0)) return false;
        sl_op *slice = sl_value_op(value), *first = sl_value_op(operand(op, 0));
        const int64_t *steps = sl_op_ints(slice, "steps", &rank);
        for (int d = 0; d < rank; d++) {
            sl_expr start = sl_op_expr_at(slice, "starts", d);
            if (steps[d] != 1 || (d == axis ? next && start != next : start != sl_op_expr_at(first, "starts", d))) return false;
            if (i == 0) starts[d] = start;
            ones[d] = 1;
        }
        next = sl_expr_add(rw->context, sl_op_expr_at(slice, "starts", axis), sl_type_dim(type_of(value), axis));
    }
    return sl_rewrite_with(rw, make_slice(rw, inner(operand(op, 0), 0), result_type(op), starts, ones));
}

/* ---- pad ---- */
bool sl_rule_pad_nothing(sl_rewriter *rw, sl_op *op) {
    for (int d = 0; d < sl_type_rank(result_type(op)); d++)
        if (!sl_expr_equals_const(sl_op_expr_at(op, "low", d), 0) || !sl_expr_equals_const(sl_op_expr_at(op, "high", d), 0)) return false;
    return sl_rewrite_with(rw, operand(op, 0));
}

bool sl_rule_conv_pad(sl_rewriter *rw, sl_op *op) {
    sl_value *x = operand(op, 0);
    int spatial;
    const int64_t *low = sl_op_ints(op, "pads_low", &spatial), *high = sl_op_ints(op, "pads_high", &spatial);
    if (!sl_is_kind(x, SL_OP_tensor_pad) || strcmp(sl_op_string(sl_value_op(x), "mode", ""), "constant") != 0 || !sl_splat_is(inner(x, 1), 0)) return false;
    sl_op *pad = sl_value_op(x);
    bool channels_last = strcmp(sl_op_string(op, "layout", "nchw"), "nhwc") == 0;
    int first = channels_last ? 1 : 2, rank = sl_type_rank(type_of(x));
    int64_t lows[SL_MAX_RANK], highs[SL_MAX_RANK];
    for (int d = 0; d < rank; d++) {
        int64_t l = sl_expr_const_or(sl_op_expr_at(pad, "low", d), -1), h = sl_expr_const_or(sl_op_expr_at(pad, "high", d), -1);
        if (d >= first && d < first + spatial) {
            if (l < 0 || h < 0 || low[d - first] < 0 || high[d - first] < 0) return false;
            lows[d - first] = low[d - first] + l;
            highs[d - first] = high[d - first] + h;
        } else if (l != 0 || h != 0) {
            return false;
        }
    }
    sl_op_set_operand(op, 0, inner(x, 0));
    sl_op_set_attr(op, "pads_low", sl_attr_ints(rw->context, spatial, lows));
    sl_op_set_attr(op, "pads_high", sl_attr_ints(rw->context, spatial, highs));
    sl_rewrite_touch(rw, pad);
    return true;
}

/* ---- take, reduce ---- */
bool sl_rule_take_constant(sl_rewriter *rw, sl_op *op) {
    sl_value *x = operand(op, 0);
    sl_attr index = sl_value_constant(operand(op, 1));
    int axis = (int)sl_op_int(op, "axis", 0);
    if (!index || !is_ranked(x) || !sl_type_is_ranked(type_of(operand(op, 1))) || sl_type_static_count(type_of(operand(op, 1))) != 1) return false;
    sl_context *c = rw->context;
    sl_type from = type_of(x);
    sl_expr dim = sl_type_dim(from, axis), starts[SL_MAX_RANK], dims[SL_MAX_RANK], one = sl_expr_const(c, 1);
    int64_t at = sl_attr_data_int(index, 0), steps[SL_MAX_RANK], size, least = at < 0 ? -at : at + 1;
    if (at == INT64_MIN || at == INT64_MAX) return false;
    if (sl_expr_is_const(dim, &size)) {
        if (least > size) return false;   /* out of range: fails when run, as take does */
    } else {
        sl_expr need = sl_expr_const(c, least), have = sl_expr_min(c, dim, need);
        int64_t bound;
        if (!sl_expr_lower_bound(dim, false, &bound) || bound < least) sl_build_guard(&rw->builder, have, need, "a constant index is outside of its dimension");
    }
    for (int d = 0; d < sl_type_rank(from); d++) {
        starts[d] = sl_expr_const(c, 0);
        steps[d] = 1;
        dims[d] = sl_type_dim(from, d);
    }
    starts[axis] = at < 0 ? sl_expr_add(c, dim, sl_expr_const(c, at)) : sl_expr_const(c, at);
    dims[axis] = one;
    sl_value *slice = make_slice(rw, x, sl_type_with_dims(c, from, sl_type_rank(from), dims), starts, steps);
    return sl_rewrite_with(rw, sl_make_reshape(rw, slice, result_type(op)));
}

bool sl_rule_take_range(sl_rewriter *rw, sl_op *op) {
    sl_value *x = operand(op, 0);
    sl_attr index = sl_value_constant(operand(op, 1));
    int axis = (int)sl_op_int(op, "axis", 0);
    sl_type positions = type_of(operand(op, 1));
    if (!index || !is_ranked(x) || !sl_type_is_ranked(positions) || sl_type_rank(positions) != 1) return false;
    int64_t count = sl_type_static_count(positions), dim = sl_type_static_dim(type_of(x), axis), first = count > 1 ? sl_attr_data_int(index, 0) : -1, steps[SL_MAX_RANK];
    if (first < 0 || dim < 0 || first > dim - count) return false;
    for (int64_t i = 1; i < count; i++)
        if (sl_attr_data_int(index, i) != first + i) return false;
    sl_expr starts[SL_MAX_RANK];
    for (int d = 0; d < sl_type_rank(type_of(x)); d++) starts[d] = sl_expr_const(rw->context, d == axis ? first : 0), steps[d] = 1;
    return sl_rewrite_with(rw, make_slice(rw, x, result_type(op), starts, steps));
}

bool sl_rule_reduce_ones(sl_rewriter *rw, sl_op *op) {
    int count;
    const int64_t *axes = sl_op_ints(op, "axes", &count);
    if (!is_ranked(operand(op, 0)) || sl_type_element(type_of(operand(op, 0))) != sl_type_element(result_type(op))) return false;
    for (int i = 0; i < count; i++)
        if (!sl_expr_equals_const(sl_type_dim(type_of(operand(op, 0)), (int)axes[i]), 1)) return false;
    return sl_rewrite_with(rw, sl_make_reshape(rw, operand(op, 0), result_type(op)));
}
