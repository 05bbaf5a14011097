/* emit_arith.c: the arith family on scalars and vectors of every element type; semantics exactly as arith.def states and ir/eval computes them.
 *
 * Floats get no fast-math flags: a sum is the sum that was written, and the only contraction is arith.fma. Narrow floats compute in f32 and round after each
 * op. NaN-propagating max and min are a compare and a select arranged so that x86 makes one vmaxps when one side is a constant, two instructions else. */
#include "emit.h"
#include <string.h>

#define B e->builder

/* ---- integers ---- */

/* Quotient and remainder without the two traps: by 0 (gives 0), and the most negative number by -1 (wraps). */
static LLVMValueRef integer_divide(sl_emitter *e, sl_op_kind kind, sl_element element, LLVMValueRef a, LLVMValueRef b) {
    LLVMTypeRef type = LLVMTypeOf(a);
    bool is_signed = sl_element_is_signed(element);
    int bits = (int)LLVMGetIntTypeWidth(sl_emit_scalar_of(type));
    LLVMValueRef zero = LLVMConstNull(type);
    /* The safe divisor is made by masks: of `x / (x == 0 ? 1 : x)` as a select, LLVM 19's instcombine makes x (wrong) when x is a loop's lane numbers. */
    LLVMValueRef by_zero = LLVMBuildICmp(B, LLVMIntEQ, b, zero, ""), unsafe = by_zero, divisor = b, quotient;
    if (is_signed) {
        LLVMValueRef least = sl_emit_int(type, bits == 64 ? INT64_MIN : -(INT64_C(1) << (bits - 1)));
        LLVMValueRef overflow = LLVMBuildAnd(B, LLVMBuildICmp(B, LLVMIntEQ, a, least, ""), LLVMBuildICmp(B, LLVMIntEQ, b, sl_emit_int(type, -1), ""), "");
        unsafe = LLVMBuildOr(B, by_zero, overflow, "");
        divisor = LLVMBuildAnd(B, b, LLVMBuildNot(B, LLVMBuildSExt(B, overflow, type, ""), ""), "");
    }
    divisor = LLVMBuildOr(B, divisor, LLVMBuildZExt(B, unsafe, type, ""), "");
    if (sl_emit_lanes(type) && bits <= 32) {   /* no vector division of integers anywhere; the f64 quotient of 32-bit integers truncates right */
        LLVMTypeRef f64 = sl_emit_widen(e->f64, type);
        LLVMValueRef x = is_signed ? LLVMBuildSIToFP(B, a, f64, "") : LLVMBuildUIToFP(B, a, f64, "");
        LLVMValueRef y = is_signed ? LLVMBuildSIToFP(B, divisor, f64, "") : LLVMBuildUIToFP(B, divisor, f64, "");
        LLVMValueRef q = LLVMBuildFDiv(B, x, y, "");
        quotient = is_signed ? LLVMBuildFPToSI(B, q, type, "") : LLVMBuildFPToUI(B, q, type, "");
    } else {
        quotient = is_signed ? LLVMBuildSDiv(B, a, divisor, "") : LLVMBuildUDiv(B, a, divisor, "");
    }
    if (kind == SL_OP_arith_div) return LLVMBuildSelect(B, by_zero, zero, quotient, "");
    LLVMValueRef rest = LLVMBuildSub(B, a, LLVMBuildMul(B, quotient, divisor, ""), "");
    if (kind == SL_OP_arith_mod && is_signed) {
        LLVMValueRef differ = LLVMBuildICmp(B, LLVMIntSLT, LLVMBuildXor(B, rest, b, ""), zero, "");
        LLVMValueRef adjust = LLVMBuildAnd(B, differ, LLVMBuildICmp(B, LLVMIntNE, rest, zero, ""), "");
        rest = LLVMBuildSelect(B, adjust, LLVMBuildAdd(B, rest, b, ""), rest, "");
    }
    return LLVMBuildSelect(B, by_zero, zero, rest, "");
}

static LLVMValueRef shift(sl_emitter *e, sl_op_kind kind, sl_element element, LLVMValueRef a, LLVMValueRef b) {
    LLVMTypeRef type = LLVMTypeOf(a);
    LLVMValueRef width = sl_emit_int(type, sl_element_bits(element)), last = sl_emit_int(type, sl_element_bits(element) - 1);
    LLVMValueRef inside = LLVMBuildICmp(B, LLVMIntULT, b, width, "");
    if (kind == SL_OP_arith_shl) {
        LLVMValueRef amount = LLVMBuildSelect(B, inside, b, LLVMConstNull(type), "");
        return LLVMBuildSelect(B, inside, LLVMBuildShl(B, a, amount, ""), LLVMConstNull(type), "");
    }
    if (sl_element_is_signed(element)) return LLVMBuildAShr(B, a, LLVMBuildSelect(B, inside, b, last, ""), "");
    LLVMValueRef amount = LLVMBuildSelect(B, inside, b, LLVMConstNull(type), "");
    return LLVMBuildSelect(B, inside, LLVMBuildLShr(B, a, amount, ""), LLVMConstNull(type), "");
}

/* i64 helper a ** b by squaring; `is_signed`: negative exponents as arith.def says. */
static LLVMValueRef integer_power_scalar(sl_emitter *e, bool is_signed, LLVMValueRef a, LLVMValueRef b) {
    sl_math_body body;
    if (sl_math_begin(e, &body, is_signed ? "powi" : "powu", e->i64, e->i64, 2)) {
        LLVMValueRef base = body.arguments[0], exponent = body.arguments[1], zero = sl_emit_i64(e, 0), one = sl_emit_i64(e, 1);
        LLVMBasicBlockRef entry = LLVMGetInsertBlock(B), loop = sl_emit_block(e, "loop"), next = sl_emit_block(e, "next"), done = sl_emit_block(e, "done");
        LLVMBuildBr(B, loop);
        LLVMPositionBuilderAtEnd(B, loop);
        LLVMValueRef result = LLVMBuildPhi(B, e->i64, ""), square = LLVMBuildPhi(B, e->i64, ""), rest = LLVMBuildPhi(B, e->i64, "");
        LLVMBuildCondBr(B, LLVMBuildICmp(B, LLVMIntEQ, rest, zero, ""), done, next);
        LLVMPositionBuilderAtEnd(B, next);
        LLVMValueRef odd = LLVMBuildTrunc(B, rest, e->i1, "");
        LLVMValueRef next_result = LLVMBuildSelect(B, odd, LLVMBuildMul(B, result, square, ""), result, "");
        LLVMValueRef next_square = LLVMBuildMul(B, square, square, ""), next_rest = LLVMBuildLShr(B, rest, one, "");
        LLVMBuildBr(B, loop);
        LLVMBasicBlockRef from[2] = {entry, next};
        LLVMAddIncoming(result, (LLVMValueRef[]){one, next_result}, from, 2);
        LLVMAddIncoming(square, (LLVMValueRef[]){base, next_square}, from, 2);
        LLVMAddIncoming(rest, (LLVMValueRef[]){exponent, next_rest}, from, 2);
        LLVMPositionBuilderAtEnd(B, done);
        LLVMValueRef value = result;
        if (is_signed) {
            LLVMValueRef minus = sl_emit_i64(e, -1), is_one = LLVMBuildICmp(B, LLVMIntEQ, base, one, ""), is_minus = LLVMBuildICmp(B, LLVMIntEQ, base, minus, "");
            LLVMValueRef sign = LLVMBuildSelect(B, LLVMBuildTrunc(B, exponent, e->i1, ""), minus, one, "");
            LLVMValueRef negative = LLVMBuildSelect(B, is_minus, sign, LLVMBuildSelect(B, is_one, one, zero, ""), "");
            value = LLVMBuildSelect(B, LLVMBuildICmp(B, LLVMIntSLT, exponent, zero, ""), negative, result, "");
        }
        sl_math_end(e, &body, value);
    }
    return sl_math_call(e, &body, (LLVMValueRef[]){a, b});
}

static LLVMValueRef integer_power(sl_emitter *e, sl_element element, LLVMValueRef a, LLVMValueRef b) {
    bool is_signed = sl_element_is_signed(element);
    LLVMTypeRef type = LLVMTypeOf(a), scalar = sl_emit_scalar_of(type);
    int lanes = sl_emit_lanes(type);
    LLVMValueRef result = lanes ? LLVMGetPoison(type) : NULL;
    for (int i = 0; i < (lanes ? lanes : 1); ++i) {
        LLVMValueRef at = sl_emit_i64(e, i), x = lanes ? LLVMBuildExtractElement(B, a, at, "") : a, y = lanes ? LLVMBuildExtractElement(B, b, at, "") : b;
        if (scalar != e->i64) {
            x = is_signed ? LLVMBuildSExt(B, x, e->i64, "") : LLVMBuildZExt(B, x, e->i64, "");
            y = is_signed ? LLVMBuildSExt(B, y, e->i64, "") : LLVMBuildZExt(B, y, e->i64, "");
        }
        LLVMValueRef power = integer_power_scalar(e, is_signed, x, y);
        if (scalar != e->i64) power = LLVMBuildTrunc(B, power, scalar, "");
        result = lanes ? LLVMBuildInsertElement(B, result, power, at, "") : power;
    }
    return result;
}

static LLVMValueRef integer_binary(sl_emitter *e, sl_op_kind kind, sl_element element, LLVMValueRef a, LLVMValueRef b) {
    bool is_signed = sl_element_is_signed(element);
    switch ((int)kind) {
    case SL_OP_arith_add: return LLVMBuildAdd(B, a, b, "");
    case SL_OP_arith_sub: return LLVMBuildSub(B, a, b, "");
    case SL_OP_arith_mul: return LLVMBuildMul(B, a, b, "");
    case SL_OP_arith_div: case SL_OP_arith_rem: case SL_OP_arith_mod: return integer_divide(e, kind, element, a, b);
    case SL_OP_arith_pow: return integer_power(e, element, a, b);
    case SL_OP_arith_max: return sl_emit_intrinsic2(e, is_signed ? "llvm.smax" : "llvm.umax", a, b);
    case SL_OP_arith_min: return sl_emit_intrinsic2(e, is_signed ? "llvm.smin" : "llvm.umin", a, b);
    case SL_OP_arith_and: return LLVMBuildAnd(B, a, b, "");
    case SL_OP_arith_or: return LLVMBuildOr(B, a, b, "");
    case SL_OP_arith_xor: return LLVMBuildXor(B, a, b, "");
    case SL_OP_arith_shl: case SL_OP_arith_shr: return shift(e, kind, element, a, b);
    }
    return NULL;
}

/* ---- floats ---- */

static bool is_number_constant(LLVMValueRef value) {
    if (!LLVMIsConstant(value)) return false;
    LLVMValueRef scalar = value;
    if (sl_emit_lanes(LLVMTypeOf(value))) {
        scalar = LLVMGetAggregateElement(value, 0);
        for (int i = 1; scalar && i < sl_emit_lanes(LLVMTypeOf(value)); ++i)
            if (LLVMGetAggregateElement(value, (unsigned)i) != scalar) return false;
    }
    if (!scalar || !LLVMIsAConstantFP(scalar)) return false;
    LLVMBool loses;
    double number = LLVMConstRealGetDouble(scalar, &loses);
    return number == number;
}

static LLVMValueRef float_extreme(sl_emitter *e, bool larger, LLVMValueRef a, LLVMValueRef b) {
    if (e->is_aarch64) return sl_emit_intrinsic2(e, larger ? "llvm.maximum" : "llvm.minimum", a, b);
    if (is_number_constant(b)) {
        LLVMValueRef swap = a;
        a = b;
        b = swap;
    }
    /* x86's max(a, b) is a > b ? a : b: gives b when either is NaN. So only a NaN in a is left to care for. */
    LLVMValueRef picked = LLVMBuildSelect(B, LLVMBuildFCmp(B, larger ? LLVMRealOGT : LLVMRealOLT, a, b, ""), a, b, "");
    if (is_number_constant(a)) return picked;
    return LLVMBuildSelect(B, LLVMBuildFCmp(B, LLVMRealUNO, a, a, ""), a, picked, "");
}

static LLVMValueRef float_modulus(sl_emitter *e, LLVMValueRef a, LLVMValueRef b) {
    LLVMValueRef rest = LLVMBuildFRem(B, a, b, ""), zero = LLVMConstNull(LLVMTypeOf(a));
    LLVMValueRef rest_negative = LLVMBuildFCmp(B, LLVMRealOLT, rest, zero, ""), b_negative = LLVMBuildFCmp(B, LLVMRealOLT, b, zero, "");
    LLVMValueRef differ = LLVMBuildXor(B, rest_negative, b_negative, "");
    LLVMValueRef adjust = LLVMBuildAnd(B, differ, LLVMBuildFCmp(B, LLVMRealONE, rest, zero, ""), "");
    return LLVMBuildSelect(B, adjust, LLVMBuildFAdd(B, rest, b, ""), rest, "");
}

static LLVMValueRef float_binary(sl_emitter *e, sl_op_kind kind, LLVMValueRef a, LLVMValueRef b) {
    switch ((int)kind) {
    case SL_OP_arith_add: return LLVMBuildFAdd(B, a, b, "");
    case SL_OP_arith_sub: return LLVMBuildFSub(B, a, b, "");
    case SL_OP_arith_mul: return LLVMBuildFMul(B, a, b, "");
    case SL_OP_arith_div: return LLVMBuildFDiv(B, a, b, "");
    case SL_OP_arith_rem: return LLVMBuildFRem(B, a, b, "");
    case SL_OP_arith_mod: return float_modulus(e, a, b);
    case SL_OP_arith_pow: return sl_emit_math(e, SL_OP_arith_pow, a, b);
    case SL_OP_arith_max: return float_extreme(e, true, a, b);
    case SL_OP_arith_min: return float_extreme(e, false, a, b);
    }
    return NULL;
}

LLVMValueRef sl_emit_binary(sl_emitter *e, sl_op_kind kind, sl_element element, LLVMValueRef a, LLVMValueRef b) {
    if (!sl_element_is_float(element)) {
        LLVMValueRef result = integer_binary(e, kind, element, a, b);
        return result ? sl_emit_wrap(e, element, result) : NULL;
    }
    if (!sl_element_is_narrow_float(element)) return float_binary(e, kind, a, b);
    LLVMValueRef result = float_binary(e, kind, sl_emit_decode(e, element, a), sl_emit_decode(e, element, b));
    return result ? sl_emit_encode(e, element, result, true, SL_ROUND_NEAREST) : NULL;
}

/* a * b + c rounded to odd in f64; the product of the operands must be exact in f64. Rounding the result again, to a narrower format, is then as if it were
 * rounded once (Boldo and Melquiond, "Emulation of a FMA and correctly rounded sums", 2008). */
static LLVMValueRef fma_odd(sl_emitter *e, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c) {
    LLVMTypeRef f64 = LLVMTypeOf(a), i64 = sl_emit_widen(e->i64, f64);
    LLVMValueRef zero = LLVMConstNull(f64), product = LLVMBuildFMul(B, a, b, ""), sum = LLVMBuildFAdd(B, product, c, "");
    LLVMValueRef part = LLVMBuildFSub(B, sum, product, "");
    LLVMValueRef error = LLVMBuildFAdd(B, LLVMBuildFSub(B, product, LLVMBuildFSub(B, sum, part, ""), ""), LLVMBuildFSub(B, c, part, ""), "");
    LLVMValueRef bits = LLVMBuildBitCast(B, sum, i64, "");
    LLVMValueRef is_even = LLVMBuildICmp(B, LLVMIntEQ, LLVMBuildAnd(B, bits, sl_emit_int(i64, 1), ""), sl_emit_int(i64, 0), "");
    LLVMValueRef adjust = LLVMBuildAnd(B, is_even, LLVMBuildFCmp(B, LLVMRealONE, error, zero, ""), "");
    LLVMValueRef outward = LLVMBuildICmp(B, LLVMIntEQ, LLVMBuildFCmp(B, LLVMRealOGT, error, zero, ""), LLVMBuildFCmp(B, LLVMRealOGT, sum, zero, ""), "");
    LLVMValueRef step = LLVMBuildSelect(B, outward, sl_emit_int(i64, 1), sl_emit_int(i64, -1), "");
    bits = LLVMBuildAdd(B, bits, LLVMBuildSelect(B, adjust, step, sl_emit_int(i64, 0), ""), "");
    return LLVMBuildBitCast(B, bits, f64, "");
}

LLVMValueRef sl_emit_fma(sl_emitter *e, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c) {
    LLVMTypeRef type = LLVMTypeOf(a);
    bool is_f64 = sl_emit_scalar_of(type) == e->f64;
    /* Without the instruction the f64 intrinsic becomes calls of the C library, lane by lane. */
    if (e->has_fma || is_f64) return sl_emit_intrinsic(e, "llvm.fma", 1, &type, 3, (LLVMValueRef[]){a, b, c});
    LLVMTypeRef f64 = sl_emit_widen(e->f64, type);
    LLVMValueRef sum = fma_odd(e, LLVMBuildFPExt(B, a, f64, ""), LLVMBuildFPExt(B, b, f64, ""), LLVMBuildFPExt(B, c, f64, ""));
    return LLVMBuildFPTrunc(B, sum, type, "");
}

static LLVMValueRef float_unary(sl_emitter *e, sl_op_kind kind, LLVMValueRef a) {
    LLVMTypeRef type = LLVMTypeOf(a);
    switch ((int)kind) {
    case SL_OP_arith_neg: return LLVMBuildFNeg(B, a, "");
    case SL_OP_arith_abs: return sl_emit_intrinsic1(e, "llvm.fabs", a);
    case SL_OP_arith_sign: {
        LLVMValueRef zero = LLVMConstNull(type);
        LLVMValueRef negative = LLVMBuildSelect(B, LLVMBuildFCmp(B, LLVMRealOLT, a, zero, ""), sl_emit_float(type, -1), a, "");
        LLVMValueRef signed_ = LLVMBuildSelect(B, LLVMBuildFCmp(B, LLVMRealOGT, a, zero, ""), sl_emit_float(type, 1), negative, "");
        return LLVMBuildSelect(B, LLVMBuildFCmp(B, LLVMRealOEQ, a, zero, ""), zero, signed_, "");
    }
    case SL_OP_arith_ceil: return sl_emit_intrinsic1(e, "llvm.ceil", a);
    case SL_OP_arith_floor: return sl_emit_intrinsic1(e, "llvm.floor", a);
    case SL_OP_arith_round: return sl_emit_intrinsic1(e, "llvm.roundeven", a);
    case SL_OP_arith_trunc: return sl_emit_intrinsic1(e, "llvm.trunc", a);
    case SL_OP_arith_sqrt: return sl_emit_intrinsic1(e, "llvm.sqrt", a);
    }
    return sl_emit_math(e, kind, a, NULL);
}

static LLVMValueRef integer_unary(sl_emitter *e, sl_op_kind kind, sl_element element, LLVMValueRef a) {
    LLVMTypeRef type = LLVMTypeOf(a);
    LLVMValueRef zero = LLVMConstNull(type);
    bool is_signed = sl_element_is_signed(element);
    switch ((int)kind) {
    case SL_OP_arith_neg: return LLVMBuildSub(B, zero, a, "");
    case SL_OP_arith_abs:
        if (!is_signed) return a;
        return LLVMBuildSelect(B, LLVMBuildICmp(B, LLVMIntSLT, a, zero, ""), LLVMBuildSub(B, zero, a, ""), a, "");
    case SL_OP_arith_sign: {
        LLVMValueRef positive = LLVMBuildZExt(B, LLVMBuildICmp(B, is_signed ? LLVMIntSGT : LLVMIntUGT, a, zero, ""), type, "");
        if (!is_signed) return positive;
        return LLVMBuildSub(B, positive, LLVMBuildZExt(B, LLVMBuildICmp(B, LLVMIntSLT, a, zero, ""), type, ""), "");
    }
    case SL_OP_arith_not: return LLVMBuildNot(B, a, "");
    }
    return NULL;
}

static LLVMValueRef unary(sl_emitter *e, sl_op_kind kind, sl_element element, LLVMValueRef a) {
    if (!sl_element_is_float(element)) {
        LLVMValueRef result = integer_unary(e, kind, element, a);
        return result ? sl_emit_wrap(e, element, result) : NULL;
    }
    if (!sl_element_is_narrow_float(element)) return float_unary(e, kind, a);
    LLVMValueRef result = float_unary(e, kind, sl_emit_decode(e, element, a));
    return result ? sl_emit_encode(e, element, result, true, SL_ROUND_NEAREST) : NULL;
}

static LLVMValueRef compare(sl_emitter *e, const char *predicate, sl_element element, LLVMValueRef a, LLVMValueRef b) {
    static const struct { const char *name; LLVMRealPredicate real; LLVMIntPredicate with_sign, without; } table[] = {
        {"eq", LLVMRealOEQ, LLVMIntEQ, LLVMIntEQ}, {"ne", LLVMRealUNE, LLVMIntNE, LLVMIntNE}, {"lt", LLVMRealOLT, LLVMIntSLT, LLVMIntULT},
        {"le", LLVMRealOLE, LLVMIntSLE, LLVMIntULE}, {"gt", LLVMRealOGT, LLVMIntSGT, LLVMIntUGT}, {"ge", LLVMRealOGE, LLVMIntSGE, LLVMIntUGE},
    };
    if (sl_element_is_narrow_float(element)) {
        a = sl_emit_decode(e, element, a);
        b = sl_emit_decode(e, element, b);
    }
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); ++i)
        if (!strcmp(table[i].name, predicate)) {
            if (sl_element_is_float(element)) return LLVMBuildFCmp(B, table[i].real, a, b, "");
            return LLVMBuildICmp(B, sl_element_is_signed(element) ? table[i].with_sign : table[i].without, a, b, "");
        }
    return NULL;
}

static LLVMValueRef classify(sl_emitter *e, bool infinity, sl_element element, LLVMValueRef a) {
    if (sl_element_is_narrow_float(element)) a = sl_emit_decode(e, element, a);
    if (!infinity) return LLVMBuildFCmp(B, LLVMRealUNO, a, a, "");
    return LLVMBuildFCmp(B, LLVMRealOEQ, sl_emit_intrinsic1(e, "llvm.fabs", a), sl_emit_float(LLVMTypeOf(a), (double)__builtin_inf()), "");
}

static LLVMValueRef fma_op(sl_emitter *e, sl_element element, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c) {
    if (!sl_element_is_narrow_float(element)) return sl_emit_fma(e, a, b, c);
    LLVMTypeRef f64 = sl_emit_widen(e->f64, LLVMTypeOf(a));
    LLVMValueRef x = LLVMBuildFPExt(B, sl_emit_decode(e, element, a), f64, ""), y = LLVMBuildFPExt(B, sl_emit_decode(e, element, b), f64, "");
    LLVMValueRef z = LLVMBuildFPExt(B, sl_emit_decode(e, element, c), f64, "");
    return sl_emit_encode(e, element, sl_emit_narrow_odd(e, fma_odd(e, x, y, z)), true, SL_ROUND_NEAREST);
}

void sl_emit_arith(sl_emitter *e, sl_op *op) {
    sl_op_kind kind = sl_op_get_kind(op);
    sl_value *result = sl_op_result(op, 0);
    if (kind == SL_OP_arith_cast || kind == SL_OP_arith_bitcast) {
        sl_emit_cast(e, op);
        return;
    }
    sl_type type = sl_value_type(sl_op_operand(op, kind == SL_OP_arith_select ? 1 : 0));
    LLVMTypeRef llvm = sl_emit_type(e, sl_value_type(result));
    sl_element element = SL_ELEMENT_str;
    if (sl_type_is_scalar(type) || sl_type_is_vector(type)) element = sl_type_element(type);
    LLVMValueRef value = NULL;
    int count = sl_op_operand_count(op);
    if (llvm && element != SL_ELEMENT_str) {
        LLVMValueRef a = sl_emit_get(e, sl_op_operand(op, 0)), b = count > 1 ? sl_emit_get(e, sl_op_operand(op, 1)) : NULL;
        if (kind == SL_OP_arith_select) value = LLVMBuildSelect(B, a, b, sl_emit_get(e, sl_op_operand(op, 2)), "");
        else if (kind == SL_OP_arith_fma) value = fma_op(e, element, a, b, sl_emit_get(e, sl_op_operand(op, 2)));
        else if (kind == SL_OP_arith_cmp) value = compare(e, sl_op_string(op, "predicate", ""), element, a, b);
        else if (kind == SL_OP_arith_isnan || kind == SL_OP_arith_isinf) value = classify(e, kind == SL_OP_arith_isinf, element, a);
        else if (count == 2) value = sl_emit_binary(e, kind, element, a, b);
        else value = unary(e, kind, element, a);
    }
    if (!value) value = sl_emit_fail(e, op, llvm ? llvm : e->i64, "%s can't be compiled for this type", sl_op_name(op));
    sl_emit_set(e, result, value);
}
