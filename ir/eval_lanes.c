/* eval_lanes.c: the one definition of arithmetic on elements, applied to short runs of lanes: whole tensors and bodies of nests go through it alike.
 *
 * Floats are computed in double and rounded once to the element type. For + - * / sqrt of f32 and narrower this equals IEEE arithmetic in the type itself, because
 * double has more than twice the digits (Figueroa 1995); fma takes fmaf for f32 and rounds to odd first for narrower types. Functions such as exp are
 * computed in double too. Integers are computed modulo 2^64 and wrapped to the type, which equals wrapping arithmetic in the type.
 */
#include "eval_internal.h"
#include <math.h>
#include <string.h>

/* ---- memory ---- */

#define LOAD_RUN(type, member)                                                              \
    for (int k = 0; k < count; k++) {                                                       \
        type loaded;                                                                        \
        memcpy(&loaded, bytes + (start + k * stride) * (int64_t)sizeof(type), sizeof(type)); \
        out[k].member = loaded;                                                             \
    }                                                                                       \
    return

void sl_lanes_load(sl_element element, const void *data, int64_t start, int64_t stride, int count, sl_lane *out) {
    const char *bytes = data;
    switch (element) {
    case SL_ELEMENT_f64: LOAD_RUN(double, f);
    case SL_ELEMENT_f32: LOAD_RUN(float, f);
    case SL_ELEMENT_i8: LOAD_RUN(int8_t, i);
    case SL_ELEMENT_i16: LOAD_RUN(int16_t, i);
    case SL_ELEMENT_i32: LOAD_RUN(int32_t, i);
    case SL_ELEMENT_i64: LOAD_RUN(int64_t, i);
    case SL_ELEMENT_u8: LOAD_RUN(uint8_t, i);
    case SL_ELEMENT_u16: LOAD_RUN(uint16_t, i);
    case SL_ELEMENT_u32: LOAD_RUN(uint32_t, i);
    case SL_ELEMENT_u64: LOAD_RUN(int64_t, i);
    case SL_ELEMENT_i1: case SL_ELEMENT_i2: case SL_ELEMENT_i4: case SL_ELEMENT_u2: case SL_ELEMENT_u4:
        for (int k = 0; k < count; k++) out[k].i = sl_element_load_int(element, data, start + k * stride);
        return;
    case SL_ELEMENT_f16: case SL_ELEMENT_bf16: case SL_ELEMENT_f8e4m3: case SL_ELEMENT_f8e5m2: case SL_ELEMENT_f8e4m3fnuz: case SL_ELEMENT_f8e5m2fnuz:
        for (int k = 0; k < count; k++) out[k].f = sl_element_load_float(element, data, start + k * stride);
        return;
    case SL_ELEMENT_str: case SL_ELEMENT_COUNT: break;
    }
}

#define STORE_RUN(type, member)                                                             \
    for (int k = 0; k < count; k++) {                                                       \
        type stored = (type)in[k].member;                                                   \
        memcpy(bytes + (start + k * stride) * (int64_t)sizeof(type), &stored, sizeof(type)); \
    }                                                                                       \
    return

void sl_lanes_store(sl_element element, void *data, int64_t start, int64_t stride, int count, const sl_lane *in) {
    char *bytes = data;
    switch (element) {
    case SL_ELEMENT_f64: STORE_RUN(double, f);
    case SL_ELEMENT_f32: STORE_RUN(float, f);
    case SL_ELEMENT_i8: STORE_RUN(int8_t, i);
    case SL_ELEMENT_i16: STORE_RUN(int16_t, i);
    case SL_ELEMENT_i32: STORE_RUN(int32_t, i);
    case SL_ELEMENT_i64: STORE_RUN(int64_t, i);
    case SL_ELEMENT_u8: STORE_RUN(uint8_t, i);
    case SL_ELEMENT_u16: STORE_RUN(uint16_t, i);
    case SL_ELEMENT_u32: STORE_RUN(uint32_t, i);
    case SL_ELEMENT_u64: STORE_RUN(int64_t, i);
    case SL_ELEMENT_i1: case SL_ELEMENT_i2: case SL_ELEMENT_i4: case SL_ELEMENT_u2: case SL_ELEMENT_u4:
        for (int k = 0; k < count; k++) sl_element_store_int(element, data, start + k * stride, in[k].i);
        return;
    case SL_ELEMENT_f16: case SL_ELEMENT_bf16:
        for (int k = 0; k < count; k++) sl_element_store_float(element, data, start + k * stride, in[k].f);
        return;
    case SL_ELEMENT_f8e4m3: case SL_ELEMENT_f8e5m2: case SL_ELEMENT_f8e4m3fnuz: case SL_ELEMENT_f8e5m2fnuz:   /* lanes are rounded: an infinity is meant */
        for (int k = 0; k < count; k++) bytes[start + k * stride] = (char)sl_float_to_f8(element, (float)in[k].f, false);
        return;
    case SL_ELEMENT_str: case SL_ELEMENT_COUNT: break;
    }
}

/* ---- rounding to the element type ---- */

static double round_one(sl_element element, double value) {
    uint64_t room;
    sl_element_store_float(element, &room, 0, value);
    return sl_element_load_float(element, &room, 0);
}

static void round_lanes(sl_element element, int count, sl_lane *lanes) {
    if (element == SL_ELEMENT_f64) return;
    if (element == SL_ELEMENT_f32) {
        for (int k = 0; k < count; k++) lanes[k].f = (float)lanes[k].f;
        return;
    }
    for (int k = 0; k < count; k++) lanes[k].f = round_one(element, lanes[k].f);
}

static void wrap_lanes(sl_element element, int count, sl_lane *lanes) {
    int bits = sl_element_bits(element);
    if (element == SL_ELEMENT_i1 || bits == 64) return;
    int shift = 64 - bits;
    if (sl_element_is_signed(element))
        for (int k = 0; k < count; k++) lanes[k].i = (int64_t)((uint64_t)lanes[k].i << shift) >> shift;
    else
        for (int k = 0; k < count; k++) lanes[k].i = (int64_t)((uint64_t)lanes[k].i << shift >> shift);
}

/* a + b with a set last bit when the sum is not exact: rounding that to a shorter format is rounding the exact sum. */
static double add_to_odd(double a, double b) {
    double sum = a + b;
    if (!isfinite(sum)) return sum;
    double left = sum - b, error = (a - left) + (b - (sum - left));
    uint64_t bits;
    memcpy(&bits, &sum, 8);
    if (error != 0 && !(bits & 1)) sum = nextafter(sum, error > 0 ? INFINITY : -INFINITY);
    return sum;
}

static double fma_one(sl_element element, double a, double b, double c) {
    if (element == SL_ELEMENT_f64) return fma(a, b, c);
    if (element == SL_ELEMENT_f32) return fmaf((float)a, (float)b, (float)c);
    return add_to_odd(a * b, c);   /* the product of two narrow floats is exact */
}

/* ---- floats ---- */

static double max_one(double a, double b) {
    if (isnan(a) || isnan(b)) return NAN;
    return a == b ? (signbit(a) ? b : a) : a > b ? a : b;
}

static double min_one(double a, double b) {
    if (isnan(a) || isnan(b)) return NAN;
    return a == b ? (signbit(a) ? a : b) : a < b ? a : b;
}

static double mod_one(double a, double b) {
    double rest = fmod(a, b);
    if (rest == 0) return copysign(0, b);
    return (rest < 0) != (b < 0) ? rest + b : rest;
}

#define EACH(expression)                              \
    for (int k = 0; k < count; k++) {                 \
        double a = x[k].f;                            \
        out[k].f = (expression);                      \
    }                                                 \
    break
#define EACH2(expression)                             \
    for (int k = 0; k < count; k++) {                 \
        double a = x[k].f, b = y[k].f;                \
        out[k].f = (expression);                      \
    }                                                 \
    break

static void apply_float(const sl_lane_op *op, int count, const sl_lane *x, const sl_lane *y, const sl_lane *z, sl_lane *out) {
    switch ((int)op->kind) {
    case SL_OP_arith_add: EACH2(a + b);
    case SL_OP_arith_sub: EACH2(a - b);
    case SL_OP_arith_mul: EACH2(a * b);
    case SL_OP_arith_div: EACH2(a / b);
    case SL_OP_arith_rem: EACH2(fmod(a, b));
    case SL_OP_arith_mod: EACH2(mod_one(a, b));
    case SL_OP_arith_pow: EACH2(pow(a, b));
    case SL_OP_arith_max: EACH2(max_one(a, b));
    case SL_OP_arith_min: EACH2(min_one(a, b));
    case SL_OP_arith_neg: EACH(-a);
    case SL_OP_arith_abs: EACH(fabs(a));
    case SL_OP_arith_sign: EACH(isnan(a) ? a : (double)((a > 0) - (a < 0)));
    case SL_OP_arith_ceil: EACH(ceil(a));
    case SL_OP_arith_floor: EACH(floor(a));
    case SL_OP_arith_round: EACH(rint(a));
    case SL_OP_arith_trunc: EACH(trunc(a));
    case SL_OP_arith_sqrt: EACH(sqrt(a));
    case SL_OP_arith_exp: EACH(exp(a));
    case SL_OP_arith_log: EACH(log(a));
    case SL_OP_arith_log1p: EACH(log1p(a));
    case SL_OP_arith_expm1: EACH(expm1(a));
    case SL_OP_arith_sin: EACH(sin(a));
    case SL_OP_arith_cos: EACH(cos(a));
    case SL_OP_arith_tan: EACH(tan(a));
    case SL_OP_arith_asin: EACH(asin(a));
    case SL_OP_arith_acos: EACH(acos(a));
    case SL_OP_arith_atan: EACH(atan(a));
    case SL_OP_arith_sinh: EACH(sinh(a));
    case SL_OP_arith_cosh: EACH(cosh(a));
    case SL_OP_arith_tanh: EACH(tanh(a));
    case SL_OP_arith_asinh: EACH(asinh(a));
    case SL_OP_arith_acosh: EACH(acosh(a));
    case SL_OP_arith_atanh: EACH(atanh(a));
    case SL_OP_arith_erf: EACH(erf(a));
    case SL_OP_arith_fma:
        for (int k = 0; k < count; k++) out[k].f = fma_one(op->to, x[k].f, y[k].f, z[k].f);
        break;
    default: break;   /* the verifier admits nothing else on floats */
    }
    round_lanes(op->to, count, out);
}
#undef EACH
#undef EACH2

/* ---- integers ---- */

static int64_t div_one(int64_t a, int64_t b, bool is_unsigned) {
    if (b == 0) return 0;
    if (is_unsigned) return (int64_t)((uint64_t)a / (uint64_t)b);
    return b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
}

static int64_t rem_one(int64_t a, int64_t b, bool is_unsigned) {
    if (b == 0) return 0;
    if (is_unsigned) return (int64_t)((uint64_t)a % (uint64_t)b);
    return b == -1 ? 0 : a % b;
}

static int64_t floor_mod_one(int64_t a, int64_t b, bool is_unsigned) {
    int64_t rest = rem_one(a, b, is_unsigned);
    return !is_unsigned && rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

static int64_t pow_one(int64_t base, int64_t exponent, bool is_unsigned) {
    if (!is_unsigned && exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
    uint64_t result = 1, square = (uint64_t)base;
    for (uint64_t rest = (uint64_t)exponent; rest; rest >>= 1) {
        if (rest & 1) result *= square;
        square *= square;
    }
    return (int64_t)result;
}

static bool below(int64_t a, int64_t b, bool is_unsigned) { return is_unsigned ? (uint64_t)a < (uint64_t)b : a < b; }

static int64_t shl_one(int64_t a, int64_t b, int bits) { return (uint64_t)b >= (uint64_t)bits ? 0 : (int64_t)((uint64_t)a << b); }

static int64_t shr_one(int64_t a, int64_t b, int bits, bool is_signed) {
    bool all = (uint64_t)b >= (uint64_t)bits;
    if (is_signed) return a >> (all ? 63 : b);
    return all ? 0 : (int64_t)((uint64_t)a >> b);
}

#define EACH(expression)                              \
    for (int k = 0; k < count; k++) {                 \
        int64_t a = x[k].i;                           \
        out[k].i = (int64_t)(expression);             \
    }                                                 \
    break
#define EACH2(expression)                             \
    for (int k = 0; k < count; k++) {                 \
        int64_t a = x[k].i, b = y[k].i;               \
        out[k].i = (int64_t)(expression);             \
    }                                                 \
    break

static void apply_integer(const sl_lane_op *op, int count, const sl_lane *x, const sl_lane *y, sl_lane *out) {
    sl_element element = op->to;
    bool is_signed = sl_element_is_signed(element), wide = element == SL_ELEMENT_u64;   /* narrower unsigned values are positive */
    int bits = element == SL_ELEMENT_i1 ? 1 : sl_element_bits(element);
    switch ((int)op->kind) {
    case SL_OP_arith_add: EACH2((uint64_t)a + (uint64_t)b);
    case SL_OP_arith_sub: EACH2((uint64_t)a - (uint64_t)b);
    case SL_OP_arith_mul: EACH2((uint64_t)a * (uint64_t)b);
    case SL_OP_arith_div: EACH2(div_one(a, b, wide));
    case SL_OP_arith_rem: EACH2(rem_one(a, b, wide));
    case SL_OP_arith_mod: EACH2(floor_mod_one(a, b, wide));
    case SL_OP_arith_pow: EACH2(pow_one(a, b, wide));
    case SL_OP_arith_max: EACH2(below(a, b, wide) ? b : a);
    case SL_OP_arith_min: EACH2(below(a, b, wide) ? a : b);
    case SL_OP_arith_and: EACH2(a & b);
    case SL_OP_arith_or: EACH2(a | b);
    case SL_OP_arith_xor: EACH2(a ^ b);
    case SL_OP_arith_shl: EACH2(shl_one(a, b, bits));
    case SL_OP_arith_shr: EACH2(shr_one(a, b, bits, is_signed));
    case SL_OP_arith_neg: EACH(0 - (uint64_t)a);
    case SL_OP_arith_abs: EACH(is_signed && a < 0 ? 0 - (uint64_t)a : (uint64_t)a);
    case SL_OP_arith_sign: EACH(wide ? a != 0 : (a > 0) - (a < 0));
    case SL_OP_arith_not: EACH(element == SL_ELEMENT_i1 ? !a : ~a);
    default: break;   /* the verifier admits nothing else on integers */
    }
    wrap_lanes(element, count, out);
}
#undef EACH
#undef EACH2

/* ---- comparisons and conversions ---- */

#define COMPARE(type, member)                                                                          \
    for (int k = 0; k < count; k++) {                                                                  \
        type a = (type)x[k].member, b = (type)y[k].member;                                             \
        bool holds = false;                                                                            \
        switch (op->predicate) {                                                                       \
        case SL_PREDICATE_eq: holds = a == b; break;                                                   \
        case SL_PREDICATE_ne: holds = a != b; break;                                                   \
        case SL_PREDICATE_lt: holds = a < b; break;                                                    \
        case SL_PREDICATE_le: holds = a <= b; break;                                                   \
        case SL_PREDICATE_gt: holds = a > b; break;                                                    \
        case SL_PREDICATE_ge: holds = a >= b; break;                                                   \
        }                                                                                              \
        out[k].i = holds;                                                                              \
    }

static void apply_compare(const sl_lane_op *op, int count, const sl_lane *x, const sl_lane *y, sl_lane *out) {
    if (sl_element_is_float(op->from)) {
        COMPARE(double, f)
    } else if (op->from == SL_ELEMENT_u64) {
        COMPARE(uint64_t, i)
    } else {
        COMPARE(int64_t, i)
    }
}

/* Neighbour of a finite value in its type, towards an infinity; by bit pattern, which orders magnitudes. */
static double step_towards(sl_element element, double value, bool up) {
    if (element == SL_ELEMENT_f64) return nextafter(value, up ? INFINITY : -INFINITY);
    if (element == SL_ELEMENT_f32) return nextafterf((float)value, up ? INFINITY : -INFINITY);
    int bits = sl_element_bits(element);
    uint64_t code = 0, sign = 1ull << (bits - 1);
    sl_element_store_float(element, &code, 0, value);
    bool negative = (code & sign) != 0;
    if ((code & (sign - 1)) == 0) code = up ? 1 : sign | 1;
    else code = negative == up ? code - 1 : code + 1;
    return sl_element_load_float(element, &code, 0);
}

static double round_directed(sl_element element, double value, sl_rounding rounding) {
    double near = round_one(element, value);
    if (rounding == SL_ROUND_nearest || near == value || !isfinite(value)) return near;
    bool up = rounding == SL_ROUND_up || (rounding == SL_ROUND_zero && value < 0);
    if (up ? near >= value : near <= value) {
        if (isfinite(near) || rounding == SL_ROUND_up || rounding == SL_ROUND_down) return near;
    }
    if (isinf(near)) {   /* overflowed against the direction: the largest finite magnitude */
        double largest = near > 0 ? INFINITY : -INFINITY;
        uint64_t code = 0;
        sl_element_store_float(element, &code, 0, largest);
        code--;
        return sl_element_load_float(element, &code, 0);
    }
    return step_towards(element, near, up);
}

/* 2^63 and 2^64 */
#define TWO_63 9223372036854775808.0
#define TWO_64 18446744073709551616.0

static int64_t float_to_integer(sl_element element, double value) {
    if (isnan(value)) return 0;
    value = trunc(value);
    int bits = sl_element_bits(element);
    if (sl_element_is_signed(element)) {
        double limit = ldexp(1, bits - 1);
        if (value >= limit) return bits == 64 ? INT64_MAX : (1ll << (bits - 1)) - 1;
        if (value < -limit) return bits == 64 ? INT64_MIN : -(1ll << (bits - 1));
        return (int64_t)value;
    }
    if (value <= 0) return 0;
    if (value >= ldexp(1, bits)) return bits == 64 ? -1 : (1ll << bits) - 1;
    return value >= TWO_63 ? (int64_t)(uint64_t)value : (int64_t)value;
}

/* Rounds once: through a double that is exact, or odd where it is not. */
static double integer_to_float(sl_element to, int64_t value, bool is_unsigned) {
    if (to == SL_ELEMENT_f64) return is_unsigned ? (double)(uint64_t)value : (double)value;
    if (to == SL_ELEMENT_f32) return is_unsigned ? (float)(uint64_t)value : (float)value;
    uint64_t magnitude = !is_unsigned && value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    if (magnitude >> 53) magnitude = (magnitude & ~2047ull) | ((magnitude & 2047) ? 2048 : 0);
    double exact = (double)magnitude;
    return round_one(to, !is_unsigned && value < 0 ? -exact : exact);
}

static void apply_cast(const sl_lane_op *op, int count, const sl_lane *x, sl_lane *out) {
    sl_element from = op->from, to = op->to;
    bool float_from = sl_element_is_float(from), float_to = sl_element_is_float(to);
    if (to == SL_ELEMENT_i1) {
        for (int k = 0; k < count; k++) out[k].i = float_from ? x[k].f != 0 : x[k].i != 0;
    } else if (float_from && float_to) {
        for (int k = 0; k < count; k++) {
            double value = x[k].f;
            bool f8 = sl_element_bits(to) == 8;
            if (f8 && !op->saturate && op->rounding == SL_ROUND_nearest) {
                /* value is exact in f32 unless it comes from f64, which is made odd so that the second rounding sees the rest */
                float narrow = (float)value;
                uint32_t bits;
                memcpy(&bits, &narrow, 4);
                if (narrow != value && isfinite(narrow) && !(bits & 1)) narrow = nextafterf(narrow, value > narrow ? INFINITY : -INFINITY);
                out[k].f = sl_f8_to_float(to, sl_float_to_f8(to, narrow, false));
            } else {
                out[k].f = op->rounding == SL_ROUND_nearest ? round_one(to, value) : round_directed(to, value, op->rounding);
            }
        }
    } else if (float_from) {
        for (int k = 0; k < count; k++) out[k].i = float_to_integer(to, x[k].f);
    } else if (float_to) {
        for (int k = 0; k < count; k++) out[k].f = integer_to_float(to, x[k].i, from == SL_ELEMENT_u64);
    } else {
        for (int k = 0; k < count; k++) out[k].i = x[k].i;
        wrap_lanes(to, count, out);
    }
}

static void apply_bitcast(const sl_lane_op *op, int count, const sl_lane *x, sl_lane *out) {
    for (int k = 0; k < count; k++) {
        uint64_t room = 0;
        sl_lanes_store(op->from, &room, 0, 1, 1, &x[k]);
        sl_lanes_load(op->to, &room, 0, 1, 1, &out[k]);
    }
}

void sl_lanes_apply(const sl_lane_op *op, int count, const sl_lane *const *operands, sl_lane *out) {
    switch ((int)op->kind) {
    case SL_OP_arith_cmp: apply_compare(op, count, operands[0], operands[1], out); return;
    case SL_OP_arith_cast: apply_cast(op, count, operands[0], out); return;
    case SL_OP_arith_bitcast: apply_bitcast(op, count, operands[0], out); return;
    case SL_OP_arith_isnan:
        for (int k = 0; k < count; k++) out[k].i = isnan(operands[0][k].f);
        return;
    case SL_OP_arith_isinf:
        for (int k = 0; k < count; k++) out[k].i = isinf(operands[0][k].f) != 0;
        return;
    case SL_OP_arith_select:
        for (int k = 0; k < count; k++) out[k] = operands[0][k].i ? operands[1][k] : operands[2][k];
        return;
    default: break;
    }
    if (sl_element_is_float(op->to)) apply_float(op, count, operands[0], operands[1], operands[2], out);
    else apply_integer(op, count, operands[0], operands[1], out);
}

/* ---- reading ops ---- */

static int word_index(const char *word, const char *const *words, int count) {
    for (int i = 0; i < count; i++)
        if (strcmp(words[i], word) == 0) return i;
    return 0;
}

sl_lane_op sl_lane_op_of(const sl_op *op) {
    static const char *const predicates[] = {"eq", "ne", "lt", "le", "gt", "ge"};
    static const char *const roundings[] = {"nearest", "up", "down", "zero"};
    sl_lane_op result = {.kind = sl_op_get_kind(op), .saturate = sl_op_bool(op, "saturate", true)};
    result.from = sl_type_element(sl_value_type(sl_op_operand(op, sl_op_operand_count(op) - 1)));
    result.to = sl_type_element(sl_value_type(sl_op_result(op, 0)));
    result.predicate = (sl_predicate)word_index(sl_op_string(op, "predicate", "eq"), predicates, 6);
    result.rounding = (sl_rounding)word_index(sl_op_string(op, "round", "nearest"), roundings, 4);
    return result;
}

sl_lane_op sl_lane_op_binary(sl_op_kind kind, sl_element element) { return (sl_lane_op){.kind = kind, .from = element, .to = element}; }

sl_lane_op sl_lane_op_cast(sl_element from, sl_element to) { return (sl_lane_op){.kind = SL_OP_arith_cast, .from = from, .to = to, .saturate = true}; }

void sl_eval_arith(sl_eval *eval, const sl_op *op, sl_eval_value *results) {
    sl_lane_op lane_op = sl_lane_op_of(op);
    const sl_tensor *operands[3] = {NULL};
    int operand_count = sl_op_operand_count(op);
    for (int i = 0; i < operand_count && i < 3; i++) {
        operands[i] = sl_eval_operand(eval, op, i);
        if (operands[i]->element == SL_ELEMENT_str) sl_eval_fail(eval, op, "%s is not defined on strings", sl_op_name(op));
        bool same = operands[i]->rank == operands[0]->rank;
        for (int axis = 0; same && axis < operands[0]->rank; axis++) same = operands[i]->shape[axis] == operands[0]->shape[axis];
        if (!same) sl_eval_fail(eval, op, "operands 0 and %d of %s have different shapes", i, sl_op_name(op));
    }
    sl_tensor *result = sl_eval_alloc(eval, op, lane_op.to, operands[0]->rank, operands[0]->shape);
    results[0].tensor = result;
    int64_t count = sl_tensor_count(result);
    sl_eval_step(eval, op, count);
    sl_lane lanes[3][SL_LANES];
    const sl_lane *inputs[3] = {lanes[0], lanes[1], lanes[2]};
    for (int64_t start = 0; start < count; start += SL_LANES) {
        int run = count - start < SL_LANES ? (int)(count - start) : SL_LANES;
        for (int i = 0; i < operand_count && i < 3; i++) sl_lanes_load(operands[i]->element, operands[i]->data, start, 1, run, lanes[i]);
        sl_lanes_apply(&lane_op, run, inputs, lanes[0]);
        sl_lanes_store(lane_op.to, result->data, start, 1, run, lanes[0]);
    }
}
