/* narrow.c: conversions that round: small floats (f16, bf16, 8-bit) held as integers, to and from f32; f64 to f32 with a chosen rounding.
 *
 * One description per format, the same as the IR's codec (ir/element.c); results agree with it bit for bit except for NaN payloads. f16 uses the target's
 * conversion instructions where it has them. bf16 does not (AVX512-BF16 flushes subnormals), so that every target gives the same bits. */
#include "emit.h"

typedef struct format { int bits, mantissa, bias; uint32_t largest; int32_t infinity; uint32_t nan; bool unsigned_zero; } format;

static const format *format_of(sl_element element) {
    static const format f16 = {16, 10, 15, 0x7BFF, 0x7C00, 0x7E00, false}, bf16 = {16, 7, 127, 0x7F7F, 0x7F80, 0x7FC0, false};
    static const format e4m3 = {8, 3, 7, 0x7E, -1, 0x7F, false}, e5m2 = {8, 2, 15, 0x7B, 0x7C, 0x7E, false};
    static const format e4m3fnuz = {8, 3, 8, 0x7F, -1, 0x80, true}, e5m2fnuz = {8, 2, 16, 0x7F, -1, 0x80, true};
    switch ((int)element) {
    case SL_ELEMENT_f16: return &f16;
    case SL_ELEMENT_bf16: return &bf16;
    case SL_ELEMENT_f8e4m3: return &e4m3;
    case SL_ELEMENT_f8e5m2: return &e5m2;
    case SL_ELEMENT_f8e4m3fnuz: return &e4m3fnuz;
    case SL_ELEMENT_f8e5m2fnuz: return &e5m2fnuz;
    }
    return NULL;
}

bool sl_element_is_narrow_float(sl_element element) { return format_of(element) != NULL; }

#define B e->builder

LLVMValueRef sl_emit_decode(sl_emitter *e, sl_element element, LLVMValueRef bits) {
    const format *f = format_of(element);
    LLVMTypeRef like = LLVMTypeOf(bits), i32 = sl_emit_widen(e->i32, like), f32 = sl_emit_widen(e->f32, like);
    if (element == SL_ELEMENT_f16 && e->has_f16c) {
        LLVMTypeRef half = sl_emit_widen(LLVMHalfTypeInContext(e->context), like);
        return LLVMBuildFPExt(B, LLVMBuildBitCast(B, bits, half, ""), f32, "");
    }
    LLVMValueRef wide = LLVMBuildZExt(B, bits, i32, "");
    if (element == SL_ELEMENT_bf16) return LLVMBuildBitCast(B, LLVMBuildShl(B, wide, sl_emit_int(i32, 16), ""), f32, "");
    uint32_t magnitude_mask = (1u << (f->bits - 1)) - 1;
    LLVMValueRef code = LLVMBuildAnd(B, wide, sl_emit_int(i32, magnitude_mask), "");
    LLVMValueRef sign = LLVMBuildShl(B, LLVMBuildXor(B, wide, code, ""), sl_emit_int(i32, 32 - f->bits), "");
    /* The fields as an f32 with a too small exponent, then times a power of two: exact, for subnormals too. */
    LLVMValueRef raw = LLVMBuildBitCast(B, LLVMBuildShl(B, code, sl_emit_int(i32, 23 - f->mantissa), ""), f32, "");
    double scale = 1;
    for (int i = f->bias; i < 127; ++i) scale *= 2;
    LLVMValueRef value = LLVMBuildBitCast(B, LLVMBuildFMul(B, raw, sl_emit_float(f32, scale), ""), i32, "");
    if (f->infinity >= 0) {
        LLVMValueRef special = LLVMBuildICmp(B, LLVMIntUGT, code, sl_emit_int(i32, f->largest), "");
        value = LLVMBuildSelect(B, special, LLVMBuildOr(B, value, sl_emit_int(i32, 0x7F800000), ""), value, "");
    }
    value = LLVMBuildOr(B, value, sign, "");
    if (f->infinity < 0) {
        LLVMValueRef nan = f->unsigned_zero ? LLVMBuildICmp(B, LLVMIntEQ, wide, sl_emit_int(i32, f->nan), "")
                                            : LLVMBuildICmp(B, LLVMIntUGT, code, sl_emit_int(i32, f->largest), "");
        value = LLVMBuildSelect(B, nan, sl_emit_int(i32, 0x7FC00000), value, "");
    }
    return LLVMBuildBitCast(B, value, f32, "");
}

/* Magnitude code of |value| (bits `a`), rounded to nearest even; may exceed f->largest. */
static LLVMValueRef encode_nearest(sl_emitter *e, const format *f, LLVMValueRef a) {
    LLVMTypeRef i32 = LLVMTypeOf(a), f32 = sl_emit_widen(e->f32, i32);
    int shift = 23 - f->mantissa;
    LLVMValueRef even = LLVMBuildAnd(B, LLVMBuildLShr(B, a, sl_emit_int(i32, shift), ""), sl_emit_int(i32, 1), "");
    LLVMValueRef rounded = LLVMBuildAdd(B, LLVMBuildAdd(B, a, sl_emit_int(i32, (1 << (shift - 1)) - 1), ""), even, "");
    LLVMValueRef normal = LLVMBuildLShr(B, rounded, sl_emit_int(i32, shift), "");
    if (f->bias == 127) return normal;   /* f32's own exponent range: subnormals need no care */
    normal = LLVMBuildSub(B, normal, sl_emit_int(i32, (127 - f->bias) << f->mantissa), "");
    /* Below the smallest normal number: adding 2^23 units of the last place leaves the rounded count of units in the low bits. */
    int64_t unit = (int64_t)(127 + 1 - f->bias - f->mantissa + 23) << 23;
    LLVMValueRef big = LLVMBuildBitCast(B, sl_emit_int(i32, unit), f32, "");
    LLVMValueRef sum = LLVMBuildBitCast(B, LLVMBuildFAdd(B, LLVMBuildBitCast(B, a, f32, ""), big, ""), i32, "");
    LLVMValueRef small = LLVMBuildSub(B, sum, sl_emit_int(i32, unit), "");
    LLVMValueRef is_small = LLVMBuildICmp(B, LLVMIntULT, a, sl_emit_int(i32, (int64_t)(128 - f->bias) << 23), "");
    return LLVMBuildSelect(B, is_small, small, normal, "");
}

/* The same for directed rounding: shifts the significand right by the lane's own distance and looks at what fell off. */
static LLVMValueRef encode_directed(sl_emitter *e, const format *f, LLVMValueRef a, LLVMValueRef negative, sl_rounding rounding) {
    LLVMTypeRef i32 = LLVMTypeOf(a);
    LLVMValueRef one = sl_emit_int(i32, 1), hidden = sl_emit_int(i32, 1 << 23), zero = sl_emit_int(i32, 0);
    LLVMValueRef exponent = sl_emit_intrinsic2(e, "llvm.umax", LLVMBuildLShr(B, a, sl_emit_int(i32, 23), ""), one);
    LLVMValueRef digits = LLVMBuildAnd(B, a, sl_emit_int(i32, (1 << 23) - 1), "");
    digits = LLVMBuildOr(B, digits, LLVMBuildSelect(B, LLVMBuildICmp(B, LLVMIntUGE, a, hidden, ""), hidden, zero, ""), "");
    LLVMValueRef least = sl_emit_int(i32, 128 - f->bias);
    LLVMValueRef below = sl_emit_intrinsic2(e, "llvm.smax", LLVMBuildSub(B, least, exponent, ""), zero);
    LLVMValueRef shift = sl_emit_intrinsic2(e, "llvm.smin", LLVMBuildAdd(B, below, sl_emit_int(i32, 23 - f->mantissa), ""), sl_emit_int(i32, 25));
    LLVMValueRef quotient = LLVMBuildLShr(B, digits, shift, "");
    LLVMValueRef rest = LLVMBuildSub(B, digits, LLVMBuildShl(B, quotient, shift, ""), "");
    LLVMValueRef is_normal = LLVMBuildICmp(B, LLVMIntSGE, exponent, least, "");
    LLVMValueRef base = LLVMBuildShl(B, LLVMBuildSub(B, exponent, sl_emit_int(i32, 128 - f->bias), ""), sl_emit_int(i32, f->mantissa), "");
    LLVMValueRef code = LLVMBuildAdd(B, quotient, LLVMBuildSelect(B, is_normal, base, zero, ""), "");
    if (rounding == SL_ROUND_ZERO) return code;
    LLVMValueRef away = rounding == SL_ROUND_DOWN ? negative : LLVMBuildNot(B, negative, "");
    LLVMValueRef up = LLVMBuildAnd(B, away, LLVMBuildICmp(B, LLVMIntNE, rest, zero, ""), "");
    return LLVMBuildAdd(B, code, LLVMBuildZExt(B, up, i32, ""), "");
}

LLVMValueRef sl_emit_encode(sl_emitter *e, sl_element element, LLVMValueRef value, bool saturate, sl_rounding rounding) {
    const format *f = format_of(element);
    LLVMTypeRef like = LLVMTypeOf(value), i32 = sl_emit_widen(e->i32, like), narrow = sl_emit_widen(f->bits == 16 ? e->i16 : e->i8, like);
    if (element == SL_ELEMENT_f16 && e->has_f16c && rounding == SL_ROUND_NEAREST) {
        LLVMTypeRef half = sl_emit_widen(LLVMHalfTypeInContext(e->context), like);
        return LLVMBuildBitCast(B, LLVMBuildFPTrunc(B, value, half, ""), narrow, "");
    }
    LLVMValueRef bits = LLVMBuildBitCast(B, value, i32, "");
    LLVMValueRef a = LLVMBuildAnd(B, bits, sl_emit_int(i32, 0x7FFFFFFF), "");
    LLVMValueRef sign = LLVMBuildLShr(B, LLVMBuildXor(B, bits, a, ""), sl_emit_int(i32, 32 - f->bits), "");
    LLVMValueRef negative = LLVMBuildICmp(B, LLVMIntSLT, bits, sl_emit_int(i32, 0), "");
    LLVMValueRef code = rounding == SL_ROUND_NEAREST ? encode_nearest(e, f, a) : encode_directed(e, f, a, negative, rounding);
    bool wide = f->bits == 16;   /* 16-bit formats overflow to infinity whatever `saturate` says; f32's largest numbers round up to bf16's by themselves */
    uint32_t over = saturate && !wide ? f->largest : f->infinity >= 0 ? (uint32_t)f->infinity : f->nan;
    LLVMValueRef is_over = LLVMBuildICmp(B, LLVMIntUGT, code, sl_emit_int(i32, f->largest), "");
    LLVMValueRef is_nan = LLVMBuildICmp(B, LLVMIntUGT, a, sl_emit_int(i32, 0x7F800000), "");
    code = LLVMBuildSelect(B, is_over, sl_emit_int(i32, over), code, "");
    if (f->unsigned_zero) {
        LLVMValueRef is_zero = LLVMBuildICmp(B, LLVMIntEQ, code, sl_emit_int(i32, 0), "");
        sign = LLVMBuildSelect(B, is_zero, sl_emit_int(i32, 0), sign, "");
    }
    code = LLVMBuildOr(B, code, sign, "");
    LLVMValueRef nan = f->unsigned_zero ? sl_emit_int(i32, f->nan) : LLVMBuildOr(B, sl_emit_int(i32, f->nan), sign, "");
    code = LLVMBuildSelect(B, is_nan, nan, code, "");
    return LLVMBuildTrunc(B, code, narrow, "");
}

LLVMValueRef sl_emit_narrow_odd(sl_emitter *e, LLVMValueRef value) {
    LLVMTypeRef f64 = LLVMTypeOf(value), f32 = sl_emit_widen(e->f32, f64), i32 = sl_emit_widen(e->i32, f64);
    LLVMValueRef near = LLVMBuildFPTrunc(B, value, f32, "");
    LLVMValueRef back = LLVMBuildFPExt(B, near, f64, "");
    LLVMValueRef bits = LLVMBuildBitCast(B, near, i32, "");
    LLVMValueRef inexact = LLVMBuildFCmp(B, LLVMRealONE, back, value, "");
    LLVMValueRef larger = LLVMBuildFCmp(B, LLVMRealOGT, sl_emit_intrinsic1(e, "llvm.fabs", back), sl_emit_intrinsic1(e, "llvm.fabs", value), "");
    bits = LLVMBuildSub(B, bits, LLVMBuildZExt(B, larger, i32, ""), "");
    bits = LLVMBuildOr(B, bits, LLVMBuildZExt(B, inexact, i32, ""), "");
    return LLVMBuildBitCast(B, bits, f32, "");
}

LLVMValueRef sl_emit_wrap(sl_emitter *e, sl_element element, LLVMValueRef value) {
    LLVMTypeRef type = LLVMTypeOf(value);
    int bits = sl_element_bits(element);
    if (bits >= 8) return value;
    if (!sl_element_is_signed(element)) return LLVMBuildAnd(B, value, sl_emit_int(type, (1 << bits) - 1), "");
    LLVMValueRef shift = sl_emit_int(type, 8 - bits);
    return LLVMBuildAShr(B, LLVMBuildShl(B, value, shift, ""), shift, "");
}
