/* import_math.c: elementwise arithmetic, comparison, logic and bit operators. */
#include "import_internal.h"
#include <math.h>
#include <string.h>

#define UNARY(name, kind) void im_op_##name(im_node *n) { im_out(n, 0, im_unary(n, SL_OP_arith_##kind, im_in(n, 0))); }
UNARY(abs, abs) UNARY(acos, acos) UNARY(acosh, acosh) UNARY(asin, asin) UNARY(asinh, asinh) UNARY(atan, atan) UNARY(atanh, atanh)
UNARY(ceil, ceil) UNARY(cos, cos) UNARY(cosh, cosh) UNARY(erf, erf) UNARY(exp, exp) UNARY(floor, floor) UNARY(log, log) UNARY(neg, neg)
UNARY(round, round) UNARY(sign, sign) UNARY(sin, sin) UNARY(sinh, sinh) UNARY(sqrt, sqrt) UNARY(tan, tan) UNARY(tanh, tanh)
UNARY(isnan, isnan) UNARY(not, not) UNARY(bitwise_not, not)
#undef UNARY

#define BINARY(name, kind) void im_op_##name(im_node *n) { im_out(n, 0, im_binary(n, SL_OP_arith_##kind, im_in(n, 0), im_in(n, 1))); }
BINARY(add, add) BINARY(sub, sub) BINARY(mul, mul) BINARY(div, div) BINARY(and, and) BINARY(or, or) BINARY(xor, xor)
BINARY(bitwise_and, and) BINARY(bitwise_or, or) BINARY(bitwise_xor, xor)
#undef BINARY

#define COMPARE(name, predicate) void im_op_##name(im_node *n) { im_out(n, 0, im_compare(n, predicate, im_in(n, 0), im_in(n, 1))); }
COMPARE(equal, "eq") COMPARE(greater, "gt") COMPARE(less, "lt") COMPARE(greater_or_equal, "ge") COMPARE(less_or_equal, "le")
#undef COMPARE

static sl_value *fold_inputs(im_node *n, sl_op_kind kind)
{
    sl_value *result = im_in(n, 0);
    for (int i = 1; i < n->input_count; i++) result = im_binary(n, kind, result, im_in(n, i));
    return result;
}

void im_op_max(im_node *n) { im_out(n, 0, fold_inputs(n, SL_OP_arith_max)); }
void im_op_min(im_node *n) { im_out(n, 0, fold_inputs(n, SL_OP_arith_min)); }
void im_op_sum(im_node *n) { im_out(n, 0, fold_inputs(n, SL_OP_arith_add)); }
void im_op_mean(im_node *n) { im_out(n, 0, im_binary_with(n, SL_OP_arith_div, fold_inputs(n, SL_OP_arith_add), n->input_count)); }

void im_op_where(im_node *n) { im_out(n, 0, im_select(n, im_in(n, 0), im_in(n, 1), im_in(n, 2))); }

void im_op_reciprocal(im_node *n)
{
    sl_value *x = im_in(n, 0);
    im_out(n, 0, im_div(n, im_like(n, x, 1), x));
}

/* The result has the type of the base. Common constant exponents become products and roots, which are exact where pow is. */
void im_op_pow(im_node *n)
{
    sl_value *x = im_in(n, 0), *y = im_in(n, 1);
    double exponent;
    if (im_is_float(x) && sl_type_static_count(sl_value_type(y)) == 1 && im_rank(y) <= im_rank(x) && im_known_float(n, y, &exponent)) {
        sl_value *square = NULL;
        if (exponent == 1) square = x;
        else if (exponent == 2) square = im_mul(n, x, x);
        else if (exponent == 3) square = im_mul(n, im_mul(n, x, x), x);
        else if (exponent == -1) square = im_div(n, im_like(n, x, 1), x);
        if (square) {
            im_out(n, 0, square);
            return;
        }
    }
    sl_element element = im_element(x);
    if (sl_element_is_float(element) || !im_is_float(y)) {
        im_out(n, 0, im_binary(n, SL_OP_arith_pow, x, im_cast(n, y, element)));
        return;
    }
    sl_value *wide = im_binary(n, SL_OP_arith_pow, im_cast(n, x, SL_ELEMENT_f64), im_cast(n, y, SL_ELEMENT_f64));
    im_out(n, 0, im_cast(n, wide, element));
}

void im_op_mod(im_node *n)
{
    sl_value *x = im_in(n, 0), *y = im_in(n, 1);
    bool fmod_form = im_bool(n, "fmod", false);
    im_out(n, 0, im_binary(n, fmod_form ? SL_OP_arith_rem : SL_OP_arith_mod, x, y));
}

void im_op_bit_shift(im_node *n)
{
    const char *direction = im_string(n, "direction", "");
    if (strcmp(direction, "LEFT") != 0 && strcmp(direction, "RIGHT") != 0) im_fail(n, "attribute 'direction' must be LEFT or RIGHT, but is '%s'", direction);
    im_out(n, 0, im_binary(n, direction[0] == 'L' ? SL_OP_arith_shl : SL_OP_arith_shr, im_in(n, 0), im_in(n, 1)));
}

void im_op_isinf(im_node *n)
{
    sl_value *x = im_in(n, 0);
    bool positive = im_bool(n, "detect_positive", true), negative = im_bool(n, "detect_negative", true);
    if (positive && negative) im_out(n, 0, im_unary(n, SL_OP_arith_isinf, x));
    else if (positive) im_out(n, 0, im_compare(n, "eq", x, im_like(n, x, INFINITY)));
    else if (negative) im_out(n, 0, im_compare(n, "eq", x, im_like(n, x, -INFINITY)));
    else im_out(n, 0, im_fill(n, im_scalar_int(n, SL_ELEMENT_i1, 0), im_rank(x), im_dims(x)));
}

/* Bounds were attributes before version 11, optional operands since. */
void im_op_clip(im_node *n)
{
    sl_value *x = im_in(n, 0), *low = NULL, *high = NULL;
    if (n->opset < 11) {
        if (im_param(n, "min")) low = im_like(n, x, im_float(n, "min", 0));
        if (im_param(n, "max")) high = im_like(n, x, im_float(n, "max", 0));
    } else {
        low = im_optional(n, 1);
        high = im_optional(n, 2);
    }
    if (low) x = im_max(n, x, im_rank0(n, low, "min"));
    if (high) x = im_min(n, x, im_rank0(n, high, "max"));
    im_out(n, 0, x);
}
