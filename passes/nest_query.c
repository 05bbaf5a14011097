/* nest_query.c: read-only queries on nest.generic; see nest_query.h. */
#include "nest_query.h"

#include <assert.h>
#include <string.h>

int sl_nest_loop_count(const sl_op *nest) { return sl_attr_count(sl_op_attr(nest, "bounds")); }

sl_expr sl_nest_bound(const sl_op *nest, int loop) { return sl_attr_get_expr(sl_attr_item(sl_op_attr(nest, "bounds"), loop)); }

bool sl_nest_is_reduced(const sl_op *nest, int loop) {
    return sl_attr_get_string(sl_attr_item(sl_op_attr(nest, "iterators"), loop))[0] == 'r';
}

int sl_nest_reduced_count(const sl_op *nest) {
    int count = 0;
    for (int i = 0, n = sl_nest_loop_count(nest); i < n; i++) count += sl_nest_is_reduced(nest, i);
    return count;
}

sl_attr sl_nest_map(const sl_op *nest, int operand) { return sl_attr_item(sl_op_attr(nest, "maps"), operand); }

sl_attr sl_nest_result_map(const sl_op *nest, int result) {
    return sl_attr_item(sl_op_attr(nest, "maps"), sl_op_operand_count(nest) + result);
}

sl_attr sl_nest_outside(const sl_op *nest, int operand) {
    sl_attr outside = sl_op_attr(nest, "outside");
    if (!outside) return NULL;
    sl_attr item = sl_attr_item(outside, operand);
    return sl_attr_get_kind(item) == SL_ATTR_DATA ? item : NULL;
}

sl_attr sl_nest_init(const sl_op *nest, int result) { return sl_attr_item(sl_op_attr(nest, "init"), result); }

sl_block *sl_nest_body(const sl_op *nest) { return sl_op_body(nest, 0); }

sl_value *sl_nest_argument(const sl_op *nest, int operand) { return sl_block_argument(sl_nest_body(nest), operand); }

sl_value *sl_nest_running(const sl_op *nest, int result) {
    return sl_block_argument(sl_nest_body(nest), sl_op_operand_count(nest) + result);
}

sl_value *sl_nest_yielded(const sl_op *nest, int result) { return sl_op_operand(sl_block_last(sl_nest_body(nest)), result); }

bool sl_nest_is_generic(const sl_op *op) { return op && sl_op_get_kind(op) == SL_OP_nest_generic; }

int sl_group_nest_count(const sl_op *group) {
    int count = 0;
    for (sl_op *op = sl_block_first(sl_op_body(group, 0)); op; op = sl_op_next(op)) count += sl_nest_is_generic(op);
    return count;
}

sl_op *sl_group_nest(const sl_op *group, int index) {
    for (sl_op *op = sl_block_first(sl_op_body(group, 0)); op; op = sl_op_next(op))
        if (sl_nest_is_generic(op) && index-- == 0) return op;
    return NULL;
}

bool sl_nest_captures(const sl_op *nest, const sl_value *value) {
    for (sl_op *op = sl_block_first(sl_nest_body(nest)); op; op = sl_op_next(op))
        if (sl_op_get_kind(op) == SL_OP_nest_extract && (!value || sl_op_operand(op, 0) == value)) return true;
    return false;
}

/* ---- maps ---- */

int sl_expr_plain_loop(sl_expr expr) { return sl_expr_get_kind(expr) == SL_EXPR_LOOP ? sl_expr_loop_index(expr) : -1; }

bool sl_map_is_projection(sl_attr map) {
    uint32_t seen = 0;
    for (int i = 0, n = sl_attr_count(map); i < n; i++) {
        sl_expr expr = sl_attr_map_result(map, i);
        int loop = sl_expr_plain_loop(expr);
        if (loop < 0 && !sl_expr_is_const(expr, NULL)) return false;
        if (loop < 0) continue;
        if (seen & (1u << loop)) return false;
        seen |= 1u << loop;
    }
    return true;
}

bool sl_map_is_identity(sl_attr map) {
    if (sl_attr_count(map) != sl_attr_map_loops(map)) return false;
    for (int i = 0, n = sl_attr_count(map); i < n; i++)
        if (sl_expr_plain_loop(sl_attr_map_result(map, i)) != i) return false;
    return true;
}

bool sl_map_uses_loop(sl_attr map, int loop) {
    for (int i = 0, n = sl_attr_count(map); i < n; i++)
        if (sl_expr_uses_loop(sl_attr_map_result(map, i), loop)) return true;
    return false;
}

bool sl_map_strides(sl_context *context, sl_attr map, sl_type type, sl_expr *strides, sl_expr *base) {
    int loops = sl_attr_map_loops(map), rank = sl_attr_count(map);
    sl_expr zero = sl_expr_const(context, 0), pitch = sl_expr_const(context, 1);
    *base = zero;
    for (int i = 0; i < loops; i++) strides[i] = zero;
    for (int axis = rank - 1; axis >= 0; axis--) {
        sl_expr rest = sl_attr_map_result(map, axis);
        for (int i = 0; i < loops; i++) {
            sl_expr coefficient;
            if (!sl_expr_uses_loop(rest, i)) continue;
            if (!sl_expr_split_linear(context, rest, i, &coefficient, &rest) || sl_expr_uses_any_loop(coefficient)) return false;
            strides[i] = sl_expr_add(context, strides[i], sl_expr_mul(context, coefficient, pitch));
        }
        *base = sl_expr_add(context, *base, sl_expr_mul(context, rest, pitch));
        pitch = sl_expr_mul(context, pitch, sl_type_dim(type, axis));
    }
    return true;
}

/* ---- bodies ---- */

bool sl_nest_is_elementwise(const sl_op *nest) { return sl_nest_reduced_count(nest) == 0; }

static sl_combiner combiner_of(sl_op_kind kind) {
    if (kind == SL_OP_arith_add) return SL_COMBINE_SUM;
    if (kind == SL_OP_arith_mul) return SL_COMBINE_PROD;
    if (kind == SL_OP_arith_max) return SL_COMBINE_MAX;
    if (kind == SL_OP_arith_min) return SL_COMBINE_MIN;
    if (kind == SL_OP_arith_and) return SL_COMBINE_AND;
    if (kind == SL_OP_arith_or) return SL_COMBINE_OR;
    if (kind == SL_OP_arith_fma) return SL_COMBINE_FMA;
    return SL_COMBINE_OTHER;
}

sl_combiner sl_nest_combiner(const sl_op *nest, int result, sl_value **term) {
    if (term) *term = NULL;
    if (sl_nest_reduced_count(nest) == 0) return SL_COMBINE_NONE;
    sl_value *running = sl_nest_running(nest, result), *yielded = sl_nest_yielded(nest, result);
    sl_op *op = sl_value_op(yielded);
    if (!op || !sl_value_has_one_use(running)) return SL_COMBINE_OTHER;
    sl_combiner combiner = combiner_of(sl_op_get_kind(op));
    if (combiner == SL_COMBINE_OTHER) return combiner;
    if (combiner == SL_COMBINE_FMA) return sl_op_operand(op, 2) == running ? combiner : SL_COMBINE_OTHER;
    int at = sl_op_operand(op, 0) == running ? 0 : sl_op_operand(op, 1) == running ? 1 : -1;
    if (at < 0) return SL_COMBINE_OTHER;
    if (term) *term = sl_op_operand(op, 1 - at);
    return combiner;
}

/* The operand number behind a value that is a block argument, possibly cast; else -1. */
static int operand_behind(const sl_op *nest, sl_value *value) {
    sl_op *op = sl_value_op(value);
    if (op && sl_op_get_kind(op) == SL_OP_arith_cast) value = sl_op_operand(op, 0);
    if (sl_value_owner_block(value) != sl_nest_body(nest)) return -1;
    int index = sl_value_index(value);
    return index < sl_op_operand_count(nest) ? index : -1;
}

static bool map_is_windowed(sl_attr map) {
    for (int i = 0, n = sl_attr_count(map); i < n; i++) {
        sl_expr expr = sl_attr_map_result(map, i);
        if (sl_expr_plain_loop(expr) < 0 && sl_expr_uses_any_loop(expr)) return true;
    }
    return false;
}

bool sl_nest_is_contraction(const sl_op *nest, sl_contraction *out) {
    if (!sl_nest_is_generic(nest) || sl_op_result_count(nest) != 1 || sl_op_operand_count(nest) != 2) return false;
    sl_value *term;
    sl_combiner combiner = sl_nest_combiner(nest, 0, &term);
    sl_value *a, *b;
    if (combiner == SL_COMBINE_FMA) {
        sl_op *fma = sl_value_op(sl_nest_yielded(nest, 0));
        a = sl_op_operand(fma, 0), b = sl_op_operand(fma, 1);
    } else if (combiner == SL_COMBINE_SUM && sl_value_op(term) && sl_op_get_kind(sl_value_op(term)) == SL_OP_arith_mul &&
               !sl_element_is_float(sl_type_element(sl_value_type(term)))) {
        a = sl_op_operand(sl_value_op(term), 0), b = sl_op_operand(sl_value_op(term), 1);
    } else {
        return false;
    }
    int left = operand_behind(nest, a), right = operand_behind(nest, b);
    if (left < 0 || right < 0 || left == right) return false;
    sl_contraction found = {.left = left, .right = right, .accumulator = sl_type_element(sl_value_type(sl_nest_running(nest, 0)))};
    sl_attr left_map = sl_nest_map(nest, left), right_map = sl_nest_map(nest, right);
    for (int i = 0, n = sl_nest_loop_count(nest); i < n; i++) {
        bool in_left = sl_map_uses_loop(left_map, i), in_right = sl_map_uses_loop(right_map, i);
        sl_loop_role role = sl_nest_is_reduced(nest, i) ? SL_ROLE_K : in_left == in_right ? SL_ROLE_BATCH : in_left ? SL_ROLE_M : SL_ROLE_N;
        found.roles[i] = role;
        found.batch_count += role == SL_ROLE_BATCH, found.m_count += role == SL_ROLE_M;
        found.n_count += role == SL_ROLE_N, found.k_count += role == SL_ROLE_K;
    }
    found.windowed = map_is_windowed(left_map) || map_is_windowed(right_map);
    found.outside = sl_nest_outside(nest, left) || sl_nest_outside(nest, right);
    if (out) *out = found;
    return true;
}

/* ---- estimates ---- */

static bool assumed_value(void *self, sl_expr atom, int64_t *value) {
    (void)self, (void)atom;
    *value = SL_ASSUMED_SYMBOL;
    return true;
}

double sl_estimate_expr(sl_expr expr) {
    int64_t value;
    if (!sl_expr_evaluate(expr, assumed_value, NULL, &value)) return SL_ASSUMED_SYMBOL;
    return value < 0 ? 0 : (double)value;
}

double sl_estimate_elements(sl_type type) {
    double count = 1;
    if (!sl_type_is_ranked(type)) return SL_ASSUMED_SYMBOL;
    for (int i = 0; i < sl_type_rank(type); i++) count *= sl_estimate_expr(sl_type_dim(type, i));
    return count;
}

double sl_estimate_bytes(sl_type type) { return sl_estimate_elements(type) * sl_element_bits(sl_type_element(type)) / 8; }

double sl_estimate_points(const sl_op *nest) {
    double points = 1;
    for (int i = 0, n = sl_nest_loop_count(nest); i < n; i++) points *= sl_estimate_expr(sl_nest_bound(nest, i));
    return points;
}

double sl_estimate_op(sl_op_kind kind) {
    if (kind == SL_OP_core_constant || kind == SL_OP_core_dim || kind == SL_OP_nest_yield || kind == SL_OP_nest_index) return 0;
    if (kind == SL_OP_arith_div || kind == SL_OP_arith_sqrt) return 4;
    if (kind == SL_OP_arith_rem || kind == SL_OP_arith_mod) return 8;
    if (kind == SL_OP_arith_fma) return 2;
    if (kind == SL_OP_arith_exp || kind == SL_OP_arith_log || kind == SL_OP_arith_expm1 || kind == SL_OP_arith_log1p) return 14;
    if (kind == SL_OP_arith_pow) return 40;
    if (kind == SL_OP_nest_extract) return 8;
    if (kind >= SL_OP_arith_sin && kind <= SL_OP_arith_erf) return 20;
    return 1;
}

double sl_estimate_body(const sl_op *nest) {
    double cost = 0;
    for (sl_op *op = sl_block_first(sl_nest_body(nest)); op; op = sl_op_next(op)) cost += sl_estimate_op(sl_op_get_kind(op));
    return cost;
}
