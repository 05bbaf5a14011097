/* simplify_arith.c: algebra on elementwise ops. Every rule is exact (bit for bit, NaN payloads aside) unless it asks `fast`, which strict turns off. */
#include "simplify_internal.h"

#include <math.h>
#include <string.h>

static bool fast(const sl_rewriter *rw) { return !rw->pass->strict; }
static sl_value *operand(const sl_op *op, int index) { return sl_op_operand(op, index); }
static sl_value *inner(const sl_value *value, int index) { return sl_op_operand(sl_value_op(value), index); }
static bool is_float(const sl_op *op) { return sl_is_float_value(sl_op_operand(op, 0)); }

static bool is_constant_like(const sl_value *value) {
    double splat;
    return sl_value_constant(value) || sl_splat_float(value, &splat);
}

bool sl_rule_constant_right(sl_rewriter *rw, sl_op *op) {
    (void)rw;
    if (!sl_op_has_trait(op, SL_TRAIT_COMMUTATIVE) || sl_op_operand_count(op) != 2) return false;
    sl_value *left = operand(op, 0), *right = operand(op, 1);
    if (!is_constant_like(left) || is_constant_like(right)) return false;
    sl_op_set_operand(op, 0, right);
    sl_op_set_operand(op, 1, left);
    return true;
}

/* ---- neutral elements ---- */
bool sl_rule_add_zero(sl_rewriter *rw, sl_op *op) {
    double splat;
    if (!sl_splat_float(operand(op, 1), &splat) || splat != 0) return false;
    if (is_float(op) && !signbit(splat) && !fast(rw)) return false;
    return sl_rewrite_with(rw, operand(op, 0));
}

bool sl_rule_sub_zero(sl_rewriter *rw, sl_op *op) {
    double splat;
    if (!sl_splat_float(operand(op, 1), &splat) || splat != 0 || (is_float(op) && signbit(splat) && !fast(rw))) return false;
    return sl_rewrite_with(rw, operand(op, 0));
}

bool sl_rule_sub_self(sl_rewriter *rw, sl_op *op) {
    if (operand(op, 0) != operand(op, 1) || is_float(op) || !sl_type_is_tensor(sl_value_type(operand(op, 0)))) return false;
    return sl_rewrite_with(rw, sl_make_splat(rw, sl_value_type(sl_op_result(op, 0)), 0));
}

bool sl_rule_mul_one(sl_rewriter *rw, sl_op *op) { return sl_splat_is(operand(op, 1), 1) && sl_rewrite_with(rw, operand(op, 0)); }

bool sl_rule_mul_zero(sl_rewriter *rw, sl_op *op) { return !is_float(op) && sl_splat_is(operand(op, 1), 0) && sl_rewrite_with(rw, operand(op, 1)); }

bool sl_rule_div_one(sl_rewriter *rw, sl_op *op) { return sl_splat_is(operand(op, 1), 1) && sl_rewrite_with(rw, operand(op, 0)); }

/* Exact when the reciprocal is a normal number of the type: both round the same real number. */
bool sl_rule_div_power_of_two(sl_rewriter *rw, sl_op *op) {
    double divisor;
    int exponent;
    sl_element element = sl_type_element(sl_value_type(operand(op, 0)));
    int limit = element == SL_ELEMENT_f64 ? 1000 : element == SL_ELEMENT_f32 || element == SL_ELEMENT_bf16 ? 120 : element == SL_ELEMENT_f16 ? 13 : 0;
    if (!is_float(op) || !sl_splat_float(operand(op, 1), &divisor) || divisor == 0 || !isfinite(divisor)) return false;
    if (fabs(frexp(divisor, &exponent)) != 0.5 || exponent > limit || exponent < -limit) return false;
    sl_value *reciprocal = sl_make_splat(rw, sl_value_type(operand(op, 1)), 1 / divisor);
    return sl_rewrite_with(rw, sl_build_binary(&rw->builder, SL_OP_arith_mul, operand(op, 0), reciprocal));
}

/* ---- signs ---- */
static bool rebuild(sl_rewriter *rw, sl_op_kind kind, sl_value *left, sl_value *right) {
    return sl_rewrite_with(rw, sl_build_binary(&rw->builder, kind, left, right));
}

bool sl_rule_add_neg(sl_rewriter *rw, sl_op *op) {
    for (int i = 0; i < 2; i++)
        if (sl_is_kind(operand(op, i), SL_OP_arith_neg)) return rebuild(rw, SL_OP_arith_sub, operand(op, 1 - i), inner(operand(op, i), 0));
    return false;
}

bool sl_rule_sub_neg(sl_rewriter *rw, sl_op *op) {
    return sl_is_kind(operand(op, 1), SL_OP_arith_neg) && rebuild(rw, SL_OP_arith_add, operand(op, 0), inner(operand(op, 1), 0));
}

bool sl_rule_mul_neg_neg(sl_rewriter *rw, sl_op *op) {
    if (!sl_is_kind(operand(op, 0), SL_OP_arith_neg) || !sl_is_kind(operand(op, 1), SL_OP_arith_neg)) return false;
    return rebuild(rw, SL_OP_arith_mul, inner(operand(op, 0), 0), inner(operand(op, 1), 0));
}

bool sl_rule_involution(sl_rewriter *rw, sl_op *op) {
    return sl_is_kind(operand(op, 0), sl_op_get_kind(op)) && sl_rewrite_with(rw, inner(operand(op, 0), 0));
}

bool sl_rule_idempotent(sl_rewriter *rw, sl_op *op) { return sl_is_kind(operand(op, 0), sl_op_get_kind(op)) && sl_rewrite_with(rw, operand(op, 0)); }

bool sl_rule_same_operands(sl_rewriter *rw, sl_op *op) { return operand(op, 0) == operand(op, 1) && sl_rewrite_with(rw, operand(op, 0)); }

/* ---- powers ---- */
bool sl_rule_pow_constant(sl_rewriter *rw, sl_op *op) {
    double exponent;
    sl_value *x = operand(op, 0);
    if (!is_float(op) || !sl_splat_float(operand(op, 1), &exponent)) return false;
    sl_type type = sl_value_type(x);
    if (exponent == 0) return sl_rewrite_with(rw, sl_make_splat(rw, type, 1));
    if (exponent == 1) return sl_rewrite_with(rw, x);
    if (exponent == 2) return rebuild(rw, SL_OP_arith_mul, x, x);
    if (!fast(rw)) return false;
    if (exponent == 3) return rebuild(rw, SL_OP_arith_mul, sl_build_binary(&rw->builder, SL_OP_arith_mul, x, x), x);
    if (exponent == 0.5) return sl_rewrite_with(rw, sl_build_unary(&rw->builder, SL_OP_arith_sqrt, x));
    if (exponent == -1) return rebuild(rw, SL_OP_arith_div, sl_make_splat(rw, type, 1), x);
    if (exponent == -0.5) return rebuild(rw, SL_OP_arith_div, sl_make_splat(rw, type, 1), sl_build_unary(&rw->builder, SL_OP_arith_sqrt, x));
    return false;
}

/* ---- logic, selection, comparison ---- */
static bool boolean_constant(const sl_op *op, bool *value) {
    double splat;
    if (sl_type_element(sl_value_type(operand(op, 0))) != SL_ELEMENT_i1 || !sl_splat_float(operand(op, 1), &splat)) return false;
    *value = splat != 0;
    return true;
}

bool sl_rule_and_constant(sl_rewriter *rw, sl_op *op) {
    bool value;
    return boolean_constant(op, &value) && sl_rewrite_with(rw, operand(op, value ? 0 : 1));
}

bool sl_rule_or_constant(sl_rewriter *rw, sl_op *op) {
    bool value;
    return boolean_constant(op, &value) && sl_rewrite_with(rw, operand(op, value ? 1 : 0));
}

bool sl_rule_select_constant(sl_rewriter *rw, sl_op *op) {
    enum { MOST_ELEMENTS = 1 << 16 };
    double splat;
    if (sl_splat_float(operand(op, 0), &splat)) return sl_rewrite_with(rw, operand(op, splat != 0 ? 1 : 2));
    sl_attr data = sl_value_constant(operand(op, 0));
    int64_t count = data && sl_type_is_tensor(sl_value_type(operand(op, 0))) ? sl_type_static_count(sl_value_type(operand(op, 0))) : 0;
    if (count < 1 || count > MOST_ELEMENTS) return false;
    for (int64_t i = 1; i < count; i++)
        if (sl_attr_data_int(data, i) != sl_attr_data_int(data, 0)) return false;
    return sl_rewrite_with(rw, operand(op, sl_attr_data_int(data, 0) ? 1 : 2));
}

bool sl_rule_select_same(sl_rewriter *rw, sl_op *op) { return operand(op, 1) == operand(op, 2) && sl_rewrite_with(rw, operand(op, 1)); }

bool sl_rule_select_not(sl_rewriter *rw, sl_op *op) {
    if (!sl_is_kind(operand(op, 0), SL_OP_arith_not)) return false;
    return sl_rewrite_with(rw, sl_build_select(&rw->builder, inner(operand(op, 0), 0), operand(op, 2), operand(op, 1)));
}

bool sl_rule_cmp_self(sl_rewriter *rw, sl_op *op) {
    const char *predicate = sl_op_string(op, "predicate", "");
    if (operand(op, 0) != operand(op, 1) || is_float(op) || !sl_type_is_tensor(sl_value_type(operand(op, 0)))) return false;
    bool value = strcmp(predicate, "eq") == 0 || strcmp(predicate, "le") == 0 || strcmp(predicate, "ge") == 0;
    return sl_rewrite_with(rw, sl_make_splat(rw, sl_value_type(sl_op_result(op, 0)), value));
}

/* ---- casts ---- */
bool sl_rule_cast_same(sl_rewriter *rw, sl_op *op) {
    return sl_value_type(operand(op, 0)) == sl_value_type(sl_op_result(op, 0)) && sl_rewrite_with(rw, operand(op, 0));
}

static int significand_bits(sl_element element) {
    switch (element) {
    case SL_ELEMENT_f64: return 53;
    case SL_ELEMENT_f32: return 24;
    case SL_ELEMENT_f16: return 11;
    case SL_ELEMENT_bf16: return 8;
    default: return 0;   /* 8-bit floats: nothing is claimed */
    }
}

/* Every value of `from` is a value of `to`. */
static bool is_lossless(sl_element from, sl_element to) {
    if (from == to || from == SL_ELEMENT_i1) return to != SL_ELEMENT_i1 || from == to;
    if (sl_element_is_float(from)) return (from == SL_ELEMENT_f32 && to == SL_ELEMENT_f64) || ((from == SL_ELEMENT_f16 || from == SL_ELEMENT_bf16) &&
                                          (to == SL_ELEMENT_f32 || to == SL_ELEMENT_f64));
    if (!sl_element_is_integer(from)) return false;
    int bits = sl_element_bits(from) - sl_element_is_signed(from);
    if (sl_element_is_float(to)) return bits <= significand_bits(to);   /* at most 24 bits: never beyond f16's range but for 11 bits */
    if (!sl_element_is_integer(to)) return false;
    if (sl_element_is_signed(from)) return sl_element_is_signed(to) && sl_element_bits(to) >= sl_element_bits(from);
    return sl_element_bits(to) - sl_element_is_signed(to) >= bits;
}

bool sl_rule_cast_cast(sl_rewriter *rw, sl_op *op) {
    sl_value *middle = operand(op, 0);
    if (!sl_is_kind(middle, SL_OP_arith_cast)) return false;
    if (sl_op_attr_count(op) || sl_op_attr_count(sl_value_op(middle))) return false;
    sl_value *x = inner(middle, 0);
    sl_element a = sl_type_element(sl_value_type(x)), b = sl_type_element(sl_value_type(middle)), c = sl_type_element(sl_value_type(sl_op_result(op, 0)));
    if (!is_lossless(a, b) || a == SL_ELEMENT_str || c == SL_ELEMENT_str) return false;
    /* Integer through float to a narrower integer saturates, straight it would wrap. */
    if (sl_element_is_integer(a) && sl_element_is_float(b) && sl_element_is_integer(c) && !is_lossless(a, c)) return false;
    sl_type type = sl_value_type(sl_op_result(op, 0));
    return sl_rewrite_with(rw, sl_op_result(sl_build(&rw->builder, SL_OP_arith_cast, 1, &x, 1, &type, 0, NULL), 0));
}
