/* test_expr.c: expressions, types, attributes and element codecs. */
#include "check.h"
#include "sluice/context.h"
#include <math.h>

static sl_context *context;

static const char *text_of(sl_expr expr) {
    sl_text text;
    sl_text_init(&text, sl_context_arena(context));
    sl_expr_print(&text, expr);
    return text.data;
}

static sl_expr num(int64_t value) { return sl_expr_const(context, value); }
static sl_expr sym(const char *name) { return sl_expr_symbol(context, name); }
static sl_expr loop(int index) { return sl_expr_loop(context, index); }
static sl_expr add(sl_expr a, sl_expr b) { return sl_expr_add(context, a, b); }
static sl_expr sub(sl_expr a, sl_expr b) { return sl_expr_sub(context, a, b); }
static sl_expr mul(sl_expr a, sl_expr b) { return sl_expr_mul(context, a, b); }
static sl_expr quotient(sl_expr a, sl_expr b) { return sl_expr_floordiv(context, a, b); }
static sl_expr mod(sl_expr a, sl_expr b) { return sl_expr_mod(context, a, b); }

static void equal_polynomials_are_one_pointer(void) {
    sl_expr B = sym("B"), S = sym("S");
    CHECK(mul(mul(B, num(4)), S) == mul(num(4), mul(S, B)));
    CHECK(mul(add(B, S), add(B, S)) == add(add(mul(B, B), mul(num(2), mul(B, S))), mul(S, S)));
    CHECK(sub(add(B, S), S) == B);
    CHECK(sub(B, B) == num(0));
    CHECK_TEXT(text_of(add(mul(num(2), B), num(1))), "2*B + 1");
    CHECK_TEXT(text_of(sub(num(1), mul(B, S))), "-B*S + 1");
    CHECK_TEXT(text_of(add(num(3), add(loop(1), mul(loop(0), num(2))))), "2*d0 + d1 + 3");
    CHECK_TEXT(text_of(add(sym("batch size"), sym("x"))), "\"batch size\" + \"x\"");
    CHECK_TEXT(text_of(sym("d1")), "\"d1\"");
}

static void fresh_symbols_are_never_repeated(void) {
    sl_expr first = sl_expr_fresh(context), second = sl_expr_fresh(context);
    CHECK(first != second && sl_expr_is_fresh(first));
    sl_expr parsed = sym("?100");
    CHECK(sl_expr_is_fresh(parsed));
    CHECK_TEXT(text_of(sl_expr_fresh(context)), "?101");
}

static void division_is_normalised(void) {
    sl_expr B = sym("B"), H = sym("H"), S = sym("S");
    CHECK(quotient(num(-7), num(2)) == num(-4));
    CHECK(mod(num(-7), num(2)) == num(1));
    CHECK(sl_expr_ceildiv(context, num(7), num(2)) == num(4));
    CHECK(quotient(mul(B, num(768)), num(12)) == mul(B, num(64)));
    CHECK(quotient(mul(B, S), B) == S);
    CHECK(mod(mul(B, S), S) == num(0));
    CHECK_TEXT(text_of(quotient(add(mul(num(5), B), num(9)), num(4))), "B + floordiv(B + 1, 4) + 2");
    /* A strided convolution written three ways. */
    sl_expr size = add(quotient(sub(add(H, num(2)), num(3)), num(2)), num(1));
    CHECK(size == quotient(add(H, num(1)), num(2)));
    CHECK(size == sl_expr_ceildiv(context, H, num(2)));
    CHECK(quotient(quotient(H, num(2)), num(2)) == quotient(H, num(4)));
    CHECK(quotient(add(quotient(add(H, num(1)), num(2)), num(1)), num(2)) == quotient(add(H, num(3)), num(4)));
    CHECK(quotient(add(mul(num(4), H), num(3)), num(8)) == quotient(H, num(2)));
    CHECK(mod(add(mul(num(4), H), num(3)), num(8)) == add(mul(num(4), mod(H, num(2))), num(3)));
    CHECK(quotient(mod(H, num(4)), num(4)) == num(0));
    CHECK(mod(mod(H, num(8)), num(4)) == mod(H, num(4)));
    CHECK(mod(add(H, num(9)), num(4)) == mod(add(H, num(1)), num(4)));
    CHECK_TEXT(text_of(quotient(add(mul(loop(0), S), loop(1)), S)), "d0 + floordiv(d1, S)");
    CHECK(!sl_expr_divide_exact(context, add(B, num(1)), num(2)));
    CHECK(sl_expr_divide_exact(context, mul(add(B, num(1)), add(S, num(2))), add(S, num(2))) == add(B, num(1)));
    CHECK(!sl_expr_divide_exact(context, B, num(0)));
}

static bool seven(void *self, sl_expr atom, int64_t *value) {
    (void)atom;
    *value = *(int64_t *)self;
    return true;
}

static void simplified_division_keeps_its_value(void) {
    sl_expr B = sym("B");
    for (int64_t scale = -5; scale <= 5; scale++) {
        for (int64_t offset = -9; offset <= 9; offset++) {
            for (int64_t divisor = 1; divisor <= 8; divisor++) {
                sl_expr inner = add(mul(num(scale), B), num(offset));
                sl_expr floor = quotient(inner, num(divisor)), rest = mod(inner, num(divisor)), up = sl_expr_ceildiv(context, inner, num(divisor));
                sl_expr nested = quotient(add(floor, num(offset)), num(3));
                for (int64_t b = 0; b <= 12; b++) {
                    int64_t value = scale * b + offset, q, r, c, n, expected = value / divisor - (value % divisor < 0);
                    bool ok = sl_expr_evaluate(floor, seven, &b, &q) && sl_expr_evaluate(rest, seven, &b, &r) && sl_expr_evaluate(up, seven, &b, &c) &&
                              sl_expr_evaluate(nested, seven, &b, &n);
                    int64_t outer = expected + offset;
                    if (!ok || q != expected || r != value - expected * divisor || c != expected + (r != 0) || n != outer / 3 - (outer % 3 < 0)) {
                        CHECK(!"value of a division changed");
                        return;
                    }
                }
            }
        }
    }
}

static void minimum_maximum_and_broadcast_use_bounds(void) {
    sl_expr B = sym("B"), S = sym("S");
    CHECK(sl_expr_min(context, B, add(B, S)) == B);
    CHECK(sl_expr_max(context, num(0), B) == B);
    CHECK(sl_expr_max(context, num(-3), num(2)) == num(2));
    CHECK(sl_expr_min(context, B, S) == sl_expr_min(context, S, B));
    CHECK(sl_expr_bcast(context, num(1), B) == B);
    CHECK(sl_expr_bcast(context, B, num(4)) == num(4));
    CHECK(sl_expr_bcast(context, B, S) == sl_expr_bcast(context, S, B));
    CHECK(sl_expr_bcast(context, sl_expr_bcast(context, B, S), S) == sl_expr_bcast(context, B, S));
    int64_t bound;
    CHECK(sl_expr_lower_bound(add(mul(num(2), B), num(3)), false, &bound) && bound == 3);
    CHECK(sl_expr_lower_bound(add(mul(num(2), B), num(3)), true, &bound) && bound == 5);
    CHECK(!sl_expr_lower_bound(sub(num(3), B), false, &bound));
    CHECK(sl_expr_is_multiple_of(add(mul(num(12), B), num(6)), 3));
    CHECK(!sl_expr_is_multiple_of(add(mul(num(12), B), num(6)), 4));
    CHECK(sl_expr_is_multiple_of(sl_expr_min(context, mul(num(4), B), mul(num(8), S)), 4));
}

static void overflow_never_wraps(void) {
    int64_t value;
    sl_expr large = num(INT64_C(1) << 40), product = mul(large, large), B = sym("B");
    CHECK(!sl_expr_is_const(product, NULL));
    CHECK(!sl_expr_evaluate(product, NULL, NULL, &value));
    CHECK(mul(product, num(0)) == num(0));
    sl_expr sum = add(num(INT64_MAX), num(1));
    CHECK(!sl_expr_is_const(sum, NULL) && !sl_expr_evaluate(sum, NULL, NULL, &value));
    CHECK(sub(sum, num(1)) == num(INT64_MAX) || sl_expr_evaluate(sub(sum, num(1)), NULL, NULL, &value));
    CHECK(!sl_expr_evaluate(sub(num(0), num(INT64_MIN)), NULL, NULL, &value));
    int64_t b = INT64_C(1) << 62;
    CHECK(!sl_expr_evaluate(mul(B, num(4)), seven, &b, &value));
    CHECK(!sl_expr_evaluate(quotient(B, num(0)), seven, &b, &value));
    sl_expr power = add(B, num(1));
    for (int i = 0; i < 64; i++) power = mul(add(power, sym("S")), add(power, num(i)));   /* bounded work, no crash */
    CHECK(strlen(text_of(power)) < 100000);
}

static sl_expr twice(void *self, sl_expr symbol) {
    (void)self;
    return sl_expr_mul(context, symbol, sl_expr_const(context, 2));
}

static void count_symbol(void *self, sl_expr symbol) {
    (void)symbol;
    ++*(int *)self;
}

static void substitution_and_structure(void) {
    sl_expr B = sym("B"), S = sym("S"), expr = add(mul(B, loop(0)), quotient(add(loop(1), S), num(3)));
    sl_expr loops[2] = {num(2), num(6)};
    CHECK(sl_expr_substitute(context, expr, loops, 2, NULL, NULL) == add(add(mul(num(2), B), quotient(S, num(3))), num(2)));
    CHECK(sl_expr_substitute(context, mul(B, S), NULL, 0, twice, NULL) == mul(num(4), mul(B, S)));
    sl_expr coefficient, rest;
    CHECK(sl_expr_split_linear(context, expr, 0, &coefficient, &rest) && coefficient == B && !sl_expr_uses_loop(rest, 0));
    CHECK(!sl_expr_split_linear(context, expr, 1, &coefficient, &rest));
    CHECK(!sl_expr_split_linear(context, mul(loop(0), loop(0)), 0, &coefficient, &rest));
    CHECK(sl_expr_split_linear(context, loop(1), 1, &coefficient, &rest) && coefficient == num(1) && rest == num(0));
    int symbols = 0;
    sl_expr_visit_symbols(add(mul(B, S), mul(B, B)), count_symbol, &symbols);
    CHECK_INT(symbols, 2);
    CHECK(sl_expr_uses_symbol(expr, S) && !sl_expr_uses_symbol(expr, sym("Q")));
    CHECK_INT(sl_expr_term_count(num(0)), 0);
    CHECK_INT(sl_expr_term_count(B), 1);
    CHECK(sl_expr_term_factor(B, 0, 0) == B);
}

static const char *attr_text(sl_attr attr) {
    sl_text text;
    sl_text_init(&text, sl_context_arena(context));
    sl_attr_print(&text, attr);
    return text.data;
}

static const char *type_text(sl_type type) { return attr_text(sl_attr_type(context, type)); }

static void types_print_and_compare_by_pointer(void) {
    sl_expr dims[2] = {sym("B"), add(mul(sym("S"), num(2)), num(1))};
    sl_type type = sl_type_tensor(context, SL_ELEMENT_f32, 2, dims);
    CHECK(type == sl_type_tensor(context, SL_ELEMENT_f32, 2, (sl_expr[]){sym("B"), add(num(1), mul(num(2), sym("S")))}));
    CHECK_TEXT(type_text(type), "tensor<B x (2*S + 1) x f32>");
    CHECK_TEXT(type_text(sl_type_tensor(context, SL_ELEMENT_i64, 0, NULL)), "tensor<i64>");
    CHECK_TEXT(type_text(sl_type_unranked(context, SL_ELEMENT_f16)), "tensor<* x f16>");
    CHECK_TEXT(type_text(sl_type_pointer(context, SL_ELEMENT_f32)), "buffer<? x f32>");
    CHECK_TEXT(type_text(sl_type_list(context, sl_type_vector(context, SL_ELEMENT_f32, 16))), "list<vector<16 x f32>>");
    sl_attr nm = sl_attr_encoding(context, "nm", 2, (sl_attr[]){sl_attr_int(context, 2), sl_attr_int(context, 4)});
    CHECK_TEXT(type_text(sl_type_tensor_encoded(context, SL_ELEMENT_f32, 1, dims, nm)), "tensor<B x f32, #nm<2, 4>>");
    CHECK_INT(sl_type_static_count(type), -1);
    CHECK_INT(sl_type_static_count(sl_type_tensor_static(context, SL_ELEMENT_f32, 3, (int64_t[]){INT64_C(1) << 40, INT64_C(1) << 40, 0})), 0);
    CHECK_INT(sl_type_static_count(sl_type_tensor_static(context, SL_ELEMENT_f32, 2, (int64_t[]){INT64_C(1) << 40, INT64_C(1) << 40})), -1);
    CHECK_INT(sl_element_bytes(SL_ELEMENT_i4, 5), 3);
    CHECK_INT(sl_element_bytes(SL_ELEMENT_f64, INT64_MAX / 2), -1);
    sl_element element;
    CHECK(sl_element_from_onnx(11, &element) && element == SL_ELEMENT_f64);
    CHECK(!sl_element_from_onnx(0, &element) && !sl_element_from_onnx(99, &element));
}

static void attributes_print_and_intern(void) {
    CHECK(sl_attr_int(context, 3) == sl_attr_int(context, 3));
    CHECK(sl_attr_float(context, 0.0) != sl_attr_float(context, -0.0));
    CHECK(sl_attr_float(context, NAN) == sl_attr_float(context, NAN));
    CHECK_TEXT(attr_text(sl_attr_float(context, 1)), "1.0");
    CHECK_TEXT(attr_text(sl_attr_float(context, 0.1)), "0.1");
    CHECK_TEXT(attr_text(sl_attr_float(context, -INFINITY)), "-inf");
    CHECK_TEXT(attr_text(sl_attr_float(context, 1e300)), "1e+300");
    CHECK_TEXT(attr_text(sl_attr_ints(context, 2, (int64_t[]){1, -2})), "ints[1, -2]");
    CHECK_TEXT(attr_text(sl_attr_array(context, 0, NULL)), "[]");
    CHECK_TEXT(attr_text(sl_attr_map(context, 2, 2, (sl_expr[]){loop(1), add(loop(0), num(1))})), "map(d0, d1)[d1, d0 + 1]");
    float small[2] = {1, 0.1f};
    sl_type two = sl_type_tensor_static(context, SL_ELEMENT_f32, 1, (int64_t[]){2});
    sl_attr data = sl_attr_data(context, two, small, 8);
    CHECK_TEXT(attr_text(data), "data<tensor<2 x f32>>[1.0, 0.1]");
    float same[2] = {1, 0.1f};
    CHECK(sl_attr_data_copy(context, two, same, 8) == data);
    sl_attr splat = sl_attr_data_splat(context, two, 2);
    CHECK(sl_attr_data_is_splat(splat) && sl_attr_data_float(splat, 1) == 2);
    CHECK_INT(sl_attr_data_size(splat), 4);
    CHECK_TEXT(attr_text(splat), "data<tensor<2 x f32>>splat(2.0)");
    sl_attr scalar = sl_attr_data_splat_int(context, sl_type_scalar(context, SL_ELEMENT_i64), INT64_MAX);
    CHECK(!sl_attr_data_is_splat(scalar) && sl_attr_data_int(scalar, 0) == INT64_MAX);
    static float large[1000];
    sl_type thousand = sl_type_tensor_static(context, SL_ELEMENT_f32, 1, (int64_t[]){1000});
    CHECK(sl_attr_data(context, thousand, large, 4000) == sl_attr_data(context, thousand, large, 4000));
    CHECK(sl_attr_data_bytes(sl_attr_data(context, thousand, large, 4000)) == large);
    CHECK(sl_attr_data_copy(context, thousand, large, 4000) != sl_attr_data(context, thousand, large, 4000));
    void *writable;
    sl_attr zero = sl_attr_data_zero(context, thousand, &writable);
    ((float *)writable)[7] = 3;
    CHECK(sl_attr_data_float(zero, 7) == 3);
}

static void elements_round_and_saturate(void) {
    for (int element = 0; element < SL_ELEMENT_str; element++) {   /* every code of every small format survives a round trip */
        int bits = sl_element_bits((sl_element)element);
        if (bits > 16 || element == SL_ELEMENT_i1) continue;
        for (int code = 0; code < 1 << bits; code++) {
            uint8_t from[2] = {(uint8_t)code, (uint8_t)(code >> 8)}, to[2] = {0};
            double value = sl_element_load_float((sl_element)element, from, 0);
            sl_element_store_float((sl_element)element, to, 0, value);
            if (isnan(value)) CHECK(isnan(sl_element_load_float((sl_element)element, to, 0)));
            else if (isinf(value) && bits == 8) continue;   /* saturates */
            else if (memcmp(from, to, 2) != 0) CHECK(!"code changed");
        }
    }
    CHECK_INT(sl_float_to_half(65504), 0x7BFF);
    CHECK_INT(sl_float_to_half(65519), 0x7BFF);
    CHECK_INT(sl_float_to_half(65520), 0x7C00);
    CHECK_INT(sl_float_to_half(5.9604645e-8f), 1);
    CHECK_INT(sl_float_to_half(2.9802322e-8f), 0);
    CHECK_INT(sl_float_to_half(-0.0f), 0x8000);
    CHECK_INT(sl_float_to_half(1e30f), 0x7C00);
    CHECK_INT(sl_float_to_bfloat(3.3895314e38f), 0x7F7F);
    CHECK_INT(sl_float_to_f8(SL_ELEMENT_f8e4m3, 1e6f, true), 0x7E);
    CHECK_INT(sl_float_to_f8(SL_ELEMENT_f8e4m3, 1e6f, false), 0x7F);
    CHECK_INT(sl_float_to_f8(SL_ELEMENT_f8e5m2, -1e6f, false), 0xFC);
    CHECK_INT(sl_float_to_f8(SL_ELEMENT_f8e4m3fnuz, -0.0f, true), 0);
    CHECK_INT(sl_float_to_f8(SL_ELEMENT_f8e5m2fnuz, NAN, true), 0x80);
    CHECK(sl_f8_to_float(SL_ELEMENT_f8e4m3, 0x7E) == 448 && sl_f8_to_float(SL_ELEMENT_f8e4m3fnuz, 0x7F) == 240);
    uint8_t bytes[8] = {0};
    sl_element_store_int(SL_ELEMENT_i4, bytes, 1, -3);
    CHECK_INT(bytes[0], 0xD0);
    CHECK_INT(sl_element_load_int(SL_ELEMENT_i4, bytes, 1), -3);
    sl_element_store_int(SL_ELEMENT_u2, bytes, 3, 7);
    CHECK_INT(sl_element_load_int(SL_ELEMENT_u2, bytes, 3), 3);
    sl_element_store_float(SL_ELEMENT_i8, bytes, 0, -1000.7);
    CHECK_INT(sl_element_load_int(SL_ELEMENT_i8, bytes, 0), -128);
    sl_element_store_float(SL_ELEMENT_u8, bytes, 0, NAN);
    CHECK_INT(bytes[0], 0);
    sl_element_store_float(SL_ELEMENT_u64, bytes, 0, 1e30);
    CHECK_INT(sl_element_load_int(SL_ELEMENT_u64, bytes, 0), -1);
    sl_element_store_float(SL_ELEMENT_i64, bytes, 0, 9.3e18);
    CHECK_INT(sl_element_load_int(SL_ELEMENT_i64, bytes, 0), INT64_MAX);
    sl_element_store_int(SL_ELEMENT_i16, bytes, 0, 65537);
    CHECK_INT(sl_element_load_int(SL_ELEMENT_i16, bytes, 0), 1);
    sl_element_store_float(SL_ELEMENT_i32, bytes, 0, -2.9);
    CHECK_INT(sl_element_load_int(SL_ELEMENT_i32, bytes, 0), -2);
}

int main(void) {
    sl_allocator system = sl_allocator_system();
    context = sl_context_create(&system, NULL);
    equal_polynomials_are_one_pointer();
    fresh_symbols_are_never_repeated();
    division_is_normalised();
    simplified_division_keeps_its_value();
    minimum_maximum_and_broadcast_use_bounds();
    overflow_never_wraps();
    substitution_and_structure();
    types_print_and_compare_by_pointer();
    attributes_print_and_intern();
    elements_round_and_saturate();
    sl_context_destroy(context);
    return check_result();
}
