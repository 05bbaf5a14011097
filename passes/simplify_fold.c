/* simplify_fold.c: rules that make constants, and the queries about constants that other rules share.
 *
 * Folding goes through the reference evaluator, within limits: the result may not be larger than the operands (or than a small constant), so that broadcasts and
 * dequantised weights stay small, and the arithmetic must be affordable while compiling. Weights are transposed and reshaped here without the evaluator. */
#include "data_move.h"
#include "simplify_internal.h"

static const int64_t small_bytes = 8192, work_limit = 1 << 22;

/* ---- queries ---- */
bool sl_is_kind(const sl_value *value, sl_op_kind kind) {
    sl_op *op = sl_value_op(value);
    return op && sl_op_get_kind(op) == kind;
}

bool sl_has_one_use(const sl_value *value) {
    sl_use *use = sl_value_first_use(value);
    return use && !sl_use_next(use);
}

bool sl_is_float_value(const sl_value *value) { return sl_element_is_float(sl_type_element(sl_value_type(value))); }

bool sl_splat_float(const sl_value *value, double *splat) {
    while (sl_is_kind(value, SL_OP_tensor_broadcast) || sl_is_kind(value, SL_OP_tensor_reshape) || sl_is_kind(value, SL_OP_tensor_transpose))
        value = sl_op_operand(sl_value_op(value), 0);
    sl_attr data = sl_value_constant(value);
    return data && sl_attr_get_kind(data) == SL_ATTR_DATA && sl_data_splat(data, splat);
}

bool sl_splat_is(const sl_value *value, double splat) {
    double found;
    return sl_splat_float(value, &found) && found == splat;
}

sl_value *sl_make_reshape(sl_rewriter *rw, sl_value *value, sl_type type) {
    if (sl_value_type(value) == type) return value;
    return sl_op_result(sl_build(&rw->builder, SL_OP_tensor_reshape, 1, &value, 1, &type, 0, NULL), 0);
}

sl_value *sl_make_broadcast(sl_rewriter *rw, sl_value *value, sl_type type) {
    if (sl_value_type(value) == type) return value;
    return sl_op_result(sl_build(&rw->builder, SL_OP_tensor_broadcast, 1, &value, 1, &type, 0, NULL), 0);
}

static sl_value *broadcast_scalar_data(sl_rewriter *rw, sl_type type, sl_attr data) {
    return sl_make_broadcast(rw, sl_build_constant(&rw->builder, data), type);
}

sl_value *sl_make_splat(sl_rewriter *rw, sl_type type, double value) {
    if (sl_type_is_static(type) || sl_type_is_scalar(type)) return sl_build_constant(&rw->builder, sl_attr_data_splat(rw->context, type, value));
    sl_type scalar = sl_type_tensor(rw->context, sl_type_element(type), 0, NULL);
    return broadcast_scalar_data(rw, type, sl_attr_data_splat(rw->context, scalar, value));
}

/* ---- fold ---- */
static sl_attr operand_data(const sl_op *op, int index) {
    sl_attr data = sl_value_constant(sl_op_operand(op, index));
    return data && sl_attr_get_kind(data) == SL_ATTR_DATA ? data : NULL;
}

static int64_t type_bytes(sl_type type) {
    if (!sl_type_is_tensor(type) || !sl_type_is_static(type)) return -1;
    int64_t count = sl_type_static_count(type);
    return count < 0 ? -1 : sl_element_bytes(sl_type_element(type), count);
}

/* Arithmetic that the evaluator would do, roughly; -1 when too much. */
static int64_t fold_work(const sl_op *op) {
    int64_t work = sl_type_static_count(sl_value_type(sl_op_result(op, 0)));
    sl_op_kind kind = sl_op_get_kind(op);
    sl_type first = sl_op_operand_count(op) ? sl_value_type(sl_op_operand(op, 0)) : NULL;
    if (kind == SL_OP_tensor_contract) {
        int count;
        const int64_t *axes = sl_op_ints(op, "left_sum", &count);
        for (int i = 0; i < count; i++)
            if (!sl_size_mul(work, sl_type_static_dim(first, (int)axes[i]), &work)) return -1;
    } else if (kind == SL_OP_tensor_conv) {
        if (!sl_size_mul(work, sl_type_static_count(sl_value_type(sl_op_operand(op, 1))), &work)) return -1;
    } else if (first && sl_type_is_tensor(first) && sl_type_static_count(first) > work) {
        work = sl_type_static_count(first);
    }
    return work;
}

static bool can_fold(const sl_op *op) {
    if (!sl_op_has_trait(op, SL_TRAIT_PURE) || sl_op_region_count(op) || sl_op_get_kind(op) == SL_OP_core_constant || sl_op_result_count(op) == 0) return false;
    for (int i = 0; i < sl_op_operand_count(op); i++)
        if (!operand_data(op, i)) return false;
    return true;
}

/* Whether a value is read by products only, as their right operand. */
static bool is_only_multiplied(const sl_value *value, int depth) {
    if (!sl_value_has_uses(value) || depth > 8) return false;
    for (sl_use *use = sl_value_first_use(value); use; use = sl_use_next(use)) {
        const sl_op *user = sl_use_user(use);
        if (sl_op_get_kind(user) == SL_OP_tensor_contract && sl_use_index(use) == 1) continue;
        if (sl_op_get_kind(user) != SL_OP_tensor_transpose || !is_only_multiplied(sl_op_result(user, 0), depth + 1)) return false;
    }
    return true;
}

/* A slice of weights that stays a view: the weights' uses together read more than there are, so copies would repeat them (nested widths). */
static bool is_nested_slice(const sl_op *op) {
    enum { LEAST_BYTES = 1024 };
    if (sl_op_get_kind(op) != SL_OP_tensor_slice) return false;
    const sl_value *weights = sl_op_operand(op, 0);
    sl_type type = sl_value_type(weights);
    if (!sl_type_is_ranked(type) || sl_type_rank(type) != 2 || !sl_element_is_float(sl_type_element(type)) || type_bytes(type) < LEAST_BYTES) return false;
    int64_t all = sl_type_static_count(type), total = 0;
    for (sl_use *use = sl_value_first_use(weights); use && total <= all; use = sl_use_next(use)) {
        const sl_op *user = sl_use_user(use);
        int64_t read = sl_op_get_kind(user) == SL_OP_tensor_slice ? sl_type_static_count(sl_value_type(sl_op_result(user, 0))) : all;
        total += read < 0 ? all : read;
    }
    return total > all && is_only_multiplied(sl_op_result(op, 0), 0);
}

bool sl_rule_fold(sl_rewriter *rw, sl_op *op) {
    sl_attr results[SL_MAX_RANK];
    sl_value *values[SL_MAX_RANK];
    int count = sl_op_result_count(op);
    int64_t in = 0, out = 0;
    sl_op_kind kind = sl_op_get_kind(op);
    if (!can_fold(op) || count > SL_MAX_RANK || is_nested_slice(op)) return false;
    bool dynamic = false;
    for (int i = 0; i < count; i++) {
        int64_t bytes = type_bytes(sl_value_type(sl_op_result(op, i)));
        dynamic |= bytes < 0;
        out += bytes;
    }
    for (int i = 0; i < sl_op_operand_count(op); i++) in += sl_attr_data_size(operand_data(op, i));
    if (!dynamic && kind == SL_OP_tensor_reshape && sl_op_operand_count(op) == 1)
        return sl_rewrite_with(rw, sl_build_constant(&rw->builder, sl_data_with_type(rw->context, operand_data(op, 0), sl_value_type(sl_op_result(op, 0)))));
    if (!dynamic && kind == SL_OP_tensor_transpose) {
        int rank;
        sl_attr made = sl_data_transpose(rw->context, operand_data(op, 0), sl_value_type(sl_op_result(op, 0)), sl_op_ints(op, "perm", &rank));
        return made && sl_rewrite_with(rw, sl_build_constant(&rw->builder, made));
    }
    if (dynamic ? in > small_bytes : out > small_bytes && out > in) return false;
    if (!dynamic) {
        int64_t work = fold_work(op);
        if (work < 0 || work > work_limit) return false;
    }
    if (!sl_op_fold_constant(op, dynamic ? small_bytes : work_limit, results)) return false;
    for (int i = 0; i < count; i++) values[i] = sl_build_constant(&rw->builder, results[i]);
    return sl_rewrite_with_all(rw, count, values);
}

/* Elementwise with operands that are all one repeated value: evaluated on rank-0 operands. */
bool sl_rule_fold_splat(sl_rewriter *rw, sl_op *op) {
    sl_value *operands[4], *result = sl_op_result_count(op) == 1 ? sl_op_result(op, 0) : NULL;
    double splat;
    int count = sl_op_operand_count(op);
    if (!sl_op_has_trait(op, SL_TRAIT_ELEMENTWISE) || !result || count < 1 || count > 4 || !sl_type_is_tensor(sl_value_type(result))) return false;
    if (!sl_type_is_ranked(sl_value_type(result)) || sl_type_rank(sl_value_type(result)) == 0) return false;
    for (int i = 0; i < count; i++)
        if (!sl_splat_float(sl_op_operand(op, i), &splat)) return false;
    for (int i = 0; i < count; i++) {
        sl_splat_float(sl_op_operand(op, i), &splat);
        operands[i] = sl_make_splat(rw, sl_type_tensor(rw->context, sl_type_element(sl_value_type(sl_op_operand(op, i))), 0, NULL), splat);
    }
    sl_named_attr attrs[8];
    sl_type scalar = sl_type_tensor(rw->context, sl_type_element(sl_value_type(result)), 0, NULL);
    sl_attr folded;
    int attr_count = sl_op_attr_count(op);
    if (attr_count > 8) return false;
    for (int i = 0; i < attr_count; i++) attrs[i].attr = sl_op_attr_at(op, i, &attrs[i].name);
    sl_op *small = sl_build(&rw->builder, sl_op_get_kind(op), count, operands, 1, &scalar, attr_count, attrs);
    bool done = sl_op_fold_constant(small, 16, &folded) && sl_data_splat(folded, &splat);
    sl_op_erase(small);
    if (!done) {
        for (int i = 0; i < count; i++) sl_rewrite_touch(rw, sl_value_op(operands[i]));   /* dead: dropped when looked at */
        return false;
    }
    if (sl_type_is_static(sl_value_type(result))) return sl_rewrite_with(rw, sl_make_splat(rw, sl_value_type(result), splat));
    return sl_rewrite_with(rw, broadcast_scalar_data(rw, sl_value_type(result), folded));
}

bool sl_rule_shape_arithmetic(sl_rewriter *rw, sl_op *op) {
    sl_expr exprs[64];
    sl_op_kind kind = sl_op_get_kind(op);
    if (kind == SL_OP_core_constant || sl_op_result_count(op) != 1 || sl_op_region_count(op)) return false;
    sl_value *result = sl_op_result(op, 0);
    sl_type type = sl_value_type(result);
    if (!sl_type_is_tensor(type) || !sl_type_is_ranked(type) || sl_type_rank(type) > 1 || sl_type_element(type) != SL_ELEMENT_i64) return false;
    int64_t expected = sl_type_static_count(type);
    if (expected < 1 || expected > 64 || sl_value_as_exprs(result, exprs, 64) != expected) return false;
    bool constant = true;
    for (int64_t i = 0; i < expected; i++) constant &= sl_expr_is_const(exprs[i], NULL);
    if (constant) {
        void *out;
        sl_attr made = sl_attr_data_zero(rw->context, type, &out);
        for (int64_t i = 0; i < expected; i++) sl_element_store_int(SL_ELEMENT_i64, out, i, sl_expr_const_or(exprs[i], 0));
        return sl_rewrite_with(rw, sl_build_constant(&rw->builder, made));
    }
    if (kind == SL_OP_tensor_from_dims) return false;
    sl_named_attr attrs[] = {{"dims", sl_attr_exprs(rw->context, (int)expected, exprs)}, {"scalar", sl_attr_bool(rw->context, true)}};
    return sl_rewrite_with(rw, sl_op_result(sl_build(&rw->builder, SL_OP_tensor_from_dims, 0, NULL, 1, &type, sl_type_rank(type) == 0 ? 2 : 1, attrs), 0));
}

bool sl_rule_resolve_dynamic(sl_rewriter *rw, sl_op *op) {
    sl_value *value = sl_resolve_dynamic(&rw->builder, &rw->map, op);
    return value && sl_rewrite_with(rw, value);
}
