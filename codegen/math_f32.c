/* math_f32.c: the functions that models spend time in, as f32 polynomials: exp, expm1, tanh, erf.
 *
 * exp(x) = 2^n * (1 + p) with n = round(x / ln 2), r = x - n ln 2 in two steps (Cody and Waite), p = r + r^2 Q(r); |r| <= 0.3466. n comes out of adding 1.5 * 2^23,
 * which leaves it in the low bits of the sum. Q and the other polynomials are minimax fits of this project (Remez; the weighted error is beside each). All
 * need fused multiply-adds; a target without them emulates them (sl_emit_fma), so that every target gives the same bits.
 *
 * kernel.exp2 is the same idea without a table of ln 2: 1.1 ulp below 0.
 *
 * Bounds, over all floats against the C library's f64 functions: exp 1.0 ulp, expm1 1.5 ulp, tanh 2.2 ulp, erf 1.2 ulp (tests/unit/test_codegen_arith.c). */
#include "emit.h"
#include <string.h>

#define B e->builder

static const double MAGIC = 12582912.0;   /* 1.5 * 2^23 */

/* c[0] + c[1] x + ... by Horner's rule. */
static LLVMValueRef polynomial(sl_emitter *e, LLVMValueRef x, const double *c, int count) {
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef sum = sl_emit_float(type, c[count - 1]);
    for (int i = count - 2; i >= 0; --i) sum = sl_emit_fma(e, sum, x, sl_emit_float(type, c[i]));
    return sum;
}

/* The smaller of x and a constant, x when x is NaN: one vminps. */
static LLVMValueRef at_most(sl_emitter *e, LLVMValueRef x, double limit) {
    LLVMValueRef c = sl_emit_float(LLVMTypeOf(x), limit);
    return LLVMBuildSelect(B, LLVMBuildFCmp(B, LLVMRealOLT, c, x, ""), c, x, "");
}

static LLVMValueRef at_least(sl_emitter *e, LLVMValueRef x, double limit) {
    LLVMValueRef c = sl_emit_float(LLVMTypeOf(x), limit);
    return LLVMBuildSelect(B, LLVMBuildFCmp(B, LLVMRealOGT, c, x, ""), c, x, "");
}

typedef struct parts { LLVMValueRef p, n, shifted; } parts;   /* exp(x) = 2^n (1 + p); `shifted` is n + MAGIC */

static parts split_exp(sl_emitter *e, LLVMValueRef x) {
    static const double q[] = {0.49999998153487858911, 0.16666543613324620525, 0.041667200269142054553, 0.0083665215419414413506, 0.0013882492870582359148};   /* 1.3e-8 */
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef magic = sl_emit_float(type, MAGIC);
    parts out;
    out.shifted = sl_emit_fma(e, x, sl_emit_float(type, 1.44269504088896341), magic);
    out.n = LLVMBuildFSub(B, out.shifted, magic, "");
    LLVMValueRef r = sl_emit_fma(e, out.n, sl_emit_float(type, -0.693147182464599609375), x);
    r = sl_emit_fma(e, out.n, sl_emit_float(type, 1.90465429995776804525e-9), r);
    out.p = sl_emit_fma(e, LLVMBuildFMul(B, r, r, ""), polynomial(e, r, q, 5), r);
    return out;
}

/* 2^(n + bias) where that is a normal number. */
static LLVMValueRef power_of_two(sl_emitter *e, const parts *x, int bias) {
    LLVMTypeRef f32 = LLVMTypeOf(x->p), i32 = sl_emit_widen(e->i32, f32);
    LLVMValueRef n = LLVMBuildShl(B, LLVMBuildBitCast(B, x->shifted, i32, ""), sl_emit_int(i32, 23), "");
    return LLVMBuildBitCast(B, LLVMBuildAdd(B, n, sl_emit_int(i32, (int64_t)(127 + bias) << 23), ""), f32, "");
}

/* value * 2^n rounded once, for n in [-252, 254]: in two steps, of which the first is exact; or by the instruction for it, which gives the same bits. */
static LLVMValueRef scale(sl_emitter *e, LLVMValueRef value, const parts *x) {
    LLVMTypeRef f32 = LLVMTypeOf(value), i32 = sl_emit_widen(e->i32, f32);
    int lanes = sl_emit_lanes(f32);
    if (e->has_avx512 && (lanes == 16 || lanes == 8)) {
        LLVMTypeRef mask = lanes == 16 ? e->i16 : e->i8;
        LLVMValueRef arguments[5] = {value, x->n, LLVMConstNull(f32), LLVMConstAllOnes(mask), LLVMConstInt(e->i32, 4, false)};
        return lanes == 16 ? sl_emit_intrinsic(e, "llvm.x86.avx512.mask.scalef.ps.512", 0, NULL, 5, arguments)
                           : sl_emit_intrinsic(e, "llvm.x86.avx512.mask.scalef.ps.256", 0, NULL, 4, arguments);
    }
    LLVMValueRef bits = LLVMBuildBitCast(B, x->shifted, i32, "");
    LLVMValueRef n = LLVMBuildSub(B, bits, sl_emit_int(i32, 0x4B400000), "");
    LLVMValueRef half = LLVMBuildAShr(B, n, sl_emit_int(i32, 1), ""), rest = LLVMBuildSub(B, n, half, "");
    LLVMValueRef one = sl_emit_int(i32, 0x3F800000), shift = sl_emit_int(i32, 23);
    LLVMValueRef first = LLVMBuildBitCast(B, LLVMBuildAdd(B, LLVMBuildShl(B, half, shift, ""), one, ""), f32, "");
    LLVMValueRef second = LLVMBuildBitCast(B, LLVMBuildAdd(B, LLVMBuildShl(B, rest, shift, ""), one, ""), f32, "");
    return LLVMBuildFMul(B, LLVMBuildFMul(B, value, first, ""), second, "");
}

static LLVMValueRef copysign_of(sl_emitter *e, LLVMValueRef magnitude, LLVMValueRef sign) { return sl_emit_intrinsic2(e, "llvm.copysign", magnitude, sign); }

static LLVMValueRef make_exp(sl_emitter *e, LLVMValueRef x) {
    parts s = split_exp(e, at_least(e, at_most(e, x, 89), -104));
    return scale(e, LLVMBuildFAdd(B, s.p, sl_emit_float(LLVMTypeOf(x), 1), ""), &s);
}

/* 2^n p + (2^n - 1), with half of 2^n so that n = 128 works; below -18 the result is -1. */
static LLVMValueRef make_expm1(sl_emitter *e, LLVMValueRef x) {
    LLVMTypeRef type = LLVMTypeOf(x);
    parts s = split_exp(e, at_least(e, at_most(e, x, 89), -18));
    LLVMValueRef half = power_of_two(e, &s, -1);
    LLVMValueRef sum = sl_emit_fma(e, half, s.p, LLVMBuildFAdd(B, half, sl_emit_float(type, -0.5), ""));
    return LLVMBuildFMul(B, sum, sl_emit_float(type, 2), "");
}

/* m / (m + 2) with m = expm1(2|x|): relative precision down to 0 without a second polynomial. Above 9.02 the result is 1. */
static LLVMValueRef make_tanh(sl_emitter *e, LLVMValueRef x) {
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef a = at_most(e, sl_emit_intrinsic1(e, "llvm.fabs", x), 9.1);
    parts s = split_exp(e, LLVMBuildFAdd(B, a, a, ""));
    LLVMValueRef power = power_of_two(e, &s, 0);
    LLVMValueRef m = sl_emit_fma(e, power, s.p, LLVMBuildFAdd(B, power, sl_emit_float(type, -1), ""));
    return copysign_of(e, LLVMBuildFDiv(B, m, LLVMBuildFAdd(B, m, sl_emit_float(type, 2), ""), ""), x);
}

/* |x| < 0.92: x + x P(x^2). Above: 1 - exp(L(|x|)), L fitted to log(erfc). Above 3.92 the result is 1. */
static LLVMValueRef make_erf(sl_emitter *e, LLVMValueRef x) {
    static const double small[] = {0.1283791666499132783, -0.37612633854556921264, 0.11283697327177729094, -0.026859500164257737637, 0.0052012861621953886359,
                                   -0.00081455980470917438262, 0.000083823915779216206436};   /* 3.9e-10 */
    static const double large[] = {0.00017334154750055868099, -1.1295084617979064864, -0.63336000070421307037, -0.10826566106690013629, 0.025110087824239189657,
                                   -0.0041675137226383004891, 0.00043372976595314336316, -0.000021031655183613266136};   /* 4.9e-11 */
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef a = at_most(e, sl_emit_intrinsic1(e, "llvm.fabs", x), 4.0);
    LLVMValueRef near = sl_emit_fma(e, polynomial(e, LLVMBuildFMul(B, a, a, ""), small, 7), a, a);
    parts s = split_exp(e, polynomial(e, a, large, 8));
    LLVMValueRef power = power_of_two(e, &s, 0);   /* 1 - 2^n (1 + p) */
    LLVMValueRef rest = sl_emit_fma(e, LLVMBuildFNeg(B, power, ""), s.p, LLVMBuildFSub(B, sl_emit_float(type, 1), power, ""));
    LLVMValueRef is_near = LLVMBuildFCmp(B, LLVMRealOLT, a, sl_emit_float(type, 0.92), "");
    return copysign_of(e, LLVMBuildSelect(B, is_near, near, rest, ""), x);
}

/* n = round(x), |x - n| <= 1/2 is exact: 2^n P(x - n), P(0) = 1. Fewer steps than exp; what is below -151 (and -inf, whose distance to itself is no number) is brought there, where the result is 0. */
LLVMValueRef sl_math_exp2(sl_emitter *e, LLVMValueRef x) {
    static const double p[] = {1, 0.69314721496804204071, 0.24022652782877196813, 0.055503105509922272671, 0.0096176929747452053704, 0.001340664390613960762, 0.00015594677591520089193};   /* 2.6e-9 */
    LLVMValueRef magic = sl_emit_float(LLVMTypeOf(x), MAGIC);
    parts s;
    x = at_least(e, x, -151);
    s.shifted = LLVMBuildFAdd(B, x, magic, "");
    s.n = LLVMBuildFSub(B, s.shifted, magic, "");
    s.p = polynomial(e, LLVMBuildFSub(B, x, s.n, ""), p, 7);
    return scale(e, s.p, &s);
}

LLVMValueRef sl_math_f32(sl_emitter *e, sl_op_kind kind, LLVMValueRef x) {
    switch ((int)kind) {
    case SL_OP_arith_exp: return make_exp(e, x);
    case SL_OP_arith_expm1: return make_expm1(e, x);
    case SL_OP_arith_tanh: return make_tanh(e, x);
    case SL_OP_arith_erf: return make_erf(e, x);
    }
    return NULL;
}
