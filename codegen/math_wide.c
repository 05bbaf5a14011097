/* math_wide.c: f32 functions computed in f64, where cancellations that plague f32 forms don't matter: log, log1p, sin, cos, tan, asin, acos, atan, sinh, cosh,
 * asinh, acosh, atanh, pow. Each is good to some 1e-11 relative before the one rounding to f32, so within 0.51 ulp nearly always, 1 ulp always.
 *
 * No fused multiply-adds are used, so that targets without them give the same bits. The arguments of sin, cos and tan beyond 2^18 go to the C library's f64
 * function, lane by lane, in a branch that is taken only when a lane needs it; the choice is per lane, so a lane's result doesn't depend on its neighbours.
 * Polynomials are minimax fits of this project. */
#include "emit.h"
#include <math.h>
#include <string.h>

#define B e->builder
#define ADD(a, b) LLVMBuildFAdd(B, a, b, "")
#define SUB(a, b) LLVMBuildFSub(B, a, b, "")
#define MUL(a, b) LLVMBuildFMul(B, a, b, "")
#define DIV(a, b) LLVMBuildFDiv(B, a, b, "")
#define SELECT(c, a, b) LLVMBuildSelect(B, c, a, b, "")
#define NUMBER(v) sl_emit_float(type, v)

static const double MAGIC = 6755399441055744.0;   /* 1.5 * 2^52: adding it rounds to an integer, left in the low bits */

static LLVMValueRef polynomial(sl_emitter *e, LLVMValueRef x, const double *c, int count) {
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef sum = NUMBER(c[count - 1]);
    for (int i = count - 2; i >= 0; --i) sum = ADD(MUL(sum, x), NUMBER(c[i]));
    return sum;
}

static LLVMValueRef compare(sl_emitter *e, LLVMRealPredicate predicate, LLVMValueRef x, double constant) {
    return LLVMBuildFCmp(B, predicate, x, sl_emit_float(LLVMTypeOf(x), constant), "");
}

static LLVMValueRef absolute(sl_emitter *e, LLVMValueRef x) { return sl_emit_intrinsic1(e, "llvm.fabs", x); }
static LLVMValueRef with_sign(sl_emitter *e, LLVMValueRef magnitude, LLVMValueRef sign) { return sl_emit_intrinsic2(e, "llvm.copysign", magnitude, sign); }
static LLVMValueRef root(sl_emitter *e, LLVMValueRef x) { return sl_emit_intrinsic1(e, "llvm.sqrt", x); }

/* exp in f64 for results that f32 can tell from 0 and infinity; beyond +-200 it stays at exp(+-200), which f32 can't. */
static LLVMValueRef wide_exp(sl_emitter *e, LLVMValueRef x) {
    static const double q[] = {0.49999999999998321845, 0.16666666666611508584, 0.041666666668138274001, 0.0083333333708936838793, 0.0013888888515868468644,
                               0.00019841185201040648854, 0.000024801931971098755902, 2.7635006842489693847e-6, 2.7476746785177904198e-7};   /* 2.9e-16 */
    LLVMTypeRef type = LLVMTypeOf(x), i64 = sl_emit_widen(e->i64, type);
    x = SELECT(compare(e, LLVMRealOGT, x, 200), NUMBER(200), x);
    x = SELECT(compare(e, LLVMRealOLT, x, -200), NUMBER(-200), x);
    LLVMValueRef shifted = ADD(MUL(x, NUMBER(1.44269504088896340736)), NUMBER(MAGIC)), n = SUB(shifted, NUMBER(MAGIC));
    LLVMValueRef r = SUB(SUB(x, MUL(n, NUMBER(0x1.62e42feep-1))), MUL(n, NUMBER(0x1.a39ef35793c76p-33)));   /* ln 2, the first part of 32 bits */
    LLVMValueRef p = ADD(r, MUL(MUL(r, r), polynomial(e, r, q, 9)));
    LLVMValueRef bits = LLVMBuildShl(B, LLVMBuildBitCast(B, shifted, i64, ""), sl_emit_int(i64, 52), "");
    LLVMValueRef power = LLVMBuildBitCast(B, LLVMBuildAdd(B, bits, sl_emit_int(i64, INT64_C(1023) << 52), ""), type, "");
    return MUL(ADD(p, NUMBER(1)), power);
}

/* log of a f64 that is 0, normal, infinite or NaN (every f32 is). x = 2^k m, m in [sqrt 1/2, sqrt 2); log m = 2s + s^3 P(s^2), s = (m - 1) / (m + 1). */
static LLVMValueRef wide_log(sl_emitter *e, LLVMValueRef x) {
    static const double c[] = {0.6666666666666735117, 0.39999999999409420514, 0.2857142874367452057, 0.22222198429969937602, 0.18183572313321423671,
                               0.15313833011902536893, 0.14798252210758469437};   /* 1.3e-18 */
    LLVMTypeRef type = LLVMTypeOf(x), i64 = sl_emit_widen(e->i64, type);
    LLVMValueRef bits = LLVMBuildBitCast(B, x, i64, "");
    LLVMValueRef k = LLVMBuildAShr(B, LLVMBuildSub(B, bits, sl_emit_int(i64, 0x3FE6A09E667F3BCD), ""), sl_emit_int(i64, 52), "");
    LLVMValueRef m = LLVMBuildBitCast(B, LLVMBuildSub(B, bits, LLVMBuildShl(B, k, sl_emit_int(i64, 52), ""), ""), type, "");
    LLVMValueRef magic_bits = sl_emit_int(i64, 0x4338000000000000);   /* MAGIC's: makes a small integer a float without a conversion */
    LLVMValueRef power = SUB(LLVMBuildBitCast(B, LLVMBuildAdd(B, k, magic_bits, ""), type, ""), NUMBER(MAGIC));
    LLVMValueRef s = DIV(SUB(m, NUMBER(1)), ADD(m, NUMBER(1))), z = MUL(s, s);
    LLVMValueRef result = ADD(MUL(power, NUMBER(0.69314718055994530942)), ADD(ADD(s, s), MUL(MUL(s, z), polynomial(e, z, c, 7))));
    result = SELECT(compare(e, LLVMRealOEQ, x, 0), NUMBER(-INFINITY), result);
    result = SELECT(compare(e, LLVMRealOEQ, x, INFINITY), x, result);
    return SELECT(compare(e, LLVMRealUGE, x, 0), SELECT(LLVMBuildFCmp(B, LLVMRealUNO, x, x, ""), x, result), NUMBER(NAN));
}

/* atan of any f64; infinity gives pi/2. */
static LLVMValueRef wide_atan(sl_emitter *e, LLVMValueRef x) {
    static const double c[] = {-0.33333333130228463565, 0.19999985333151770697, -0.14285343335591715381, 0.11106369527674107204, -0.090549521707913741789,
                               0.075153747031104242202, -0.060686693092395146743, 0.044366664374623979284, -0.026745702773536257485, 0.011910875032159442591,
                               -0.0033771753144374911446, 0.00044918590670341007172};   /* 8.9e-12 */
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef a = absolute(e, x), inverted = compare(e, LLVMRealOGT, a, 1);
    LLVMValueRef z = SELECT(inverted, DIV(NUMBER(1), a), a), t = MUL(z, z);
    LLVMValueRef p = ADD(z, MUL(MUL(z, t), polynomial(e, t, c, 12)));
    return with_sign(e, SELECT(inverted, SUB(NUMBER(M_PI_2), p), p), x);
}

/* ---- sin, cos, tan ---- */

typedef enum circular { SINE, COSINE, TANGENT } circular;

static LLVMValueRef circular_reduced(sl_emitter *e, circular which, LLVMValueRef x) {
    static const double sin_c[] = {-0.16666666666631591269, 0.0083333333252709201185, -0.0001984126382231474274, 2.7555357585544930184e-6, -2.4761638316045069779e-8};
    static const double cos_c[] = {0.041666666666602203335, -0.0013888888878266917425, 0.000024801580968256600267, -2.7555566488569498683e-7, 2.0647695349288147976e-9};
    LLVMTypeRef type = LLVMTypeOf(x), i64 = sl_emit_widen(e->i64, type);
    LLVMValueRef shifted = ADD(MUL(x, NUMBER(0.63661977236758134308)), NUMBER(MAGIC)), n = SUB(shifted, NUMBER(MAGIC));
    LLVMValueRef r = SUB(SUB(x, MUL(n, NUMBER(0x1.921fb544p+0))), MUL(n, NUMBER(0x1.0b4611a626331p-34)));   /* pi/2, the first part of 33 bits */
    LLVMValueRef t = MUL(r, r);
    LLVMValueRef sine = ADD(r, MUL(MUL(r, t), polynomial(e, t, sin_c, 5)));
    LLVMValueRef cosine = ADD(SUB(NUMBER(1), MUL(t, NUMBER(0.5))), MUL(MUL(t, t), polynomial(e, t, cos_c, 5)));
    LLVMValueRef quadrant = LLVMBuildBitCast(B, shifted, i64, ""), zero = sl_emit_int(i64, 0);
    LLVMValueRef odd = LLVMBuildICmp(B, LLVMIntNE, LLVMBuildAnd(B, quadrant, sl_emit_int(i64, 1), ""), zero, "");
    if (which == TANGENT) return DIV(SELECT(odd, LLVMBuildFNeg(B, cosine, ""), sine), SELECT(odd, sine, cosine));
    LLVMValueRef value = which == SINE ? SELECT(odd, cosine, sine) : SELECT(odd, sine, cosine);
    if (which == COSINE) quadrant = LLVMBuildAdd(B, quadrant, sl_emit_int(i64, 1), "");
    LLVMValueRef minus = LLVMBuildICmp(B, LLVMIntNE, LLVMBuildAnd(B, quadrant, sl_emit_int(i64, 2), ""), zero, "");
    return SELECT(minus, LLVMBuildFNeg(B, value, ""), value);
}

static LLVMValueRef circular_function(sl_emitter *e, circular which, LLVMValueRef x) {
    static const char *const names[] = {"sin", "cos", "tan"};
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef large = compare(e, LLVMRealOGE, absolute(e, x), 262144), quick = circular_reduced(e, which, x);
    LLVMValueRef any = sl_emit_lanes(type) ? sl_emit_intrinsic1(e, "llvm.vector.reduce.or", large) : large;
    LLVMBasicBlockRef from = LLVMGetInsertBlock(B), slow = sl_emit_block(e, "slow"), done = sl_emit_block(e, "done");
    LLVMBuildCondBr(B, any, slow, done);
    LLVMPositionBuilderAtEnd(B, slow);
    LLVMValueRef exact = SELECT(large, sl_math_library(e, names[which], x, NULL), quick);
    LLVMBasicBlockRef slow_end = LLVMGetInsertBlock(B);
    LLVMBuildBr(B, done);
    LLVMPositionBuilderAtEnd(B, done);
    LLVMValueRef result = LLVMBuildPhi(B, type, "");
    LLVMAddIncoming(result, (LLVMValueRef[]){quick, exact}, (LLVMBasicBlockRef[]){from, slow_end}, 2);
    return result;
}

/* ---- the others ---- */

/* A series in x^2 times x below `limit`, where `value` would lose digits. */
static LLVMValueRef small_series(sl_emitter *e, LLVMValueRef a, double limit, const double *c, int count, LLVMValueRef value) {
    LLVMValueRef series = MUL(a, polynomial(e, MUL(a, a), c, count));
    return SELECT(compare(e, LLVMRealOLT, a, limit), series, value);
}

static LLVMValueRef wide_log1p(sl_emitter *e, LLVMValueRef x) {
    static const double c[] = {1, -0.5, 1.0 / 3, -0.25};
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef value = wide_log(e, ADD(x, NUMBER(1))), series = MUL(x, polynomial(e, x, c, 4));
    return SELECT(compare(e, LLVMRealOLT, absolute(e, x), 0x1p-12), series, value);
}

static LLVMValueRef wide_sinh(sl_emitter *e, LLVMValueRef x) {
    static const double c[] = {1, 1.0 / 6, 1.0 / 120, 1.0 / 5040};
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef a = absolute(e, x), power = wide_exp(e, a);
    LLVMValueRef value = MUL(SUB(power, DIV(NUMBER(1), power)), NUMBER(0.5));
    return with_sign(e, small_series(e, a, 0x1p-4, c, 4, value), x);
}

static LLVMValueRef wide_cosh(sl_emitter *e, LLVMValueRef x) {
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef power = wide_exp(e, absolute(e, x));
    return MUL(ADD(power, DIV(NUMBER(1), power)), NUMBER(0.5));
}

static LLVMValueRef wide_asinh(sl_emitter *e, LLVMValueRef x) {
    static const double c[] = {1, -1.0 / 6, 3.0 / 40, -15.0 / 336};
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef a = absolute(e, x), value = wide_log(e, ADD(a, root(e, ADD(MUL(a, a), NUMBER(1)))));
    return with_sign(e, small_series(e, a, 0x1p-6, c, 4, value), x);
}

static LLVMValueRef wide_atanh(sl_emitter *e, LLVMValueRef x) {
    static const double c[] = {1, 1.0 / 3, 1.0 / 5, 1.0 / 7};
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef a = absolute(e, x), value = MUL(wide_log(e, DIV(ADD(NUMBER(1), a), SUB(NUMBER(1), a))), NUMBER(0.5));
    return with_sign(e, small_series(e, a, 0x1p-6, c, 4, value), x);
}

/* C's pow: exp(y log |x|), then the signs and the special cases. */
static LLVMValueRef wide_pow(sl_emitter *e, LLVMValueRef x, LLVMValueRef y) {
    LLVMTypeRef type = LLVMTypeOf(x), i64 = sl_emit_widen(e->i64, type);
    LLVMValueRef ax = absolute(e, x), ay = absolute(e, y), zero = sl_emit_int(i64, 0);
    LLVMValueRef result = wide_exp(e, MUL(y, wide_log(e, ax)));
    /* Whether y is an integer, and odd: adding 2^52 leaves its integer bits; a f32 of 2^25 and more is even. */
    LLVMValueRef sum = ADD(ay, NUMBER(0x1p52)), huge = compare(e, LLVMRealOGE, ay, 0x1p25);
    LLVMValueRef whole = LLVMBuildOr(B, huge, LLVMBuildFCmp(B, LLVMRealOEQ, SUB(sum, NUMBER(0x1p52)), ay, ""), "");
    LLVMValueRef low = LLVMBuildAnd(B, LLVMBuildBitCast(B, sum, i64, ""), sl_emit_int(i64, 1), "");
    LLVMValueRef odd = LLVMBuildAnd(B, LLVMBuildAnd(B, whole, LLVMBuildNot(B, huge, ""), ""), LLVMBuildICmp(B, LLVMIntNE, low, zero, ""), "");
    LLVMValueRef negative = LLVMBuildICmp(B, LLVMIntSLT, LLVMBuildBitCast(B, x, i64, ""), zero, "");
    result = SELECT(LLVMBuildAnd(B, negative, odd, ""), LLVMBuildFNeg(B, result, ""), result);
    LLVMValueRef below = LLVMBuildAnd(B, compare(e, LLVMRealOLT, x, 0), compare(e, LLVMRealOGT, x, -INFINITY), "");
    result = SELECT(LLVMBuildAnd(B, below, LLVMBuildNot(B, whole, ""), ""), NUMBER(NAN), result);
    LLVMValueRef unit = LLVMBuildAnd(B, compare(e, LLVMRealOEQ, ax, 1), compare(e, LLVMRealOEQ, ay, INFINITY), "");
    LLVMValueRef one = LLVMBuildOr(B, LLVMBuildOr(B, compare(e, LLVMRealOEQ, y, 0), compare(e, LLVMRealOEQ, x, 1), ""), unit, "");
    return SELECT(one, NUMBER(1), result);
}

LLVMValueRef sl_math_wide(sl_emitter *e, sl_op_kind kind, LLVMValueRef narrow_x, LLVMValueRef narrow_y) {
    LLVMTypeRef f32 = LLVMTypeOf(narrow_x), type = sl_emit_widen(e->f64, f32);
    LLVMValueRef x = LLVMBuildFPExt(B, narrow_x, type, ""), result = NULL;
    switch ((int)kind) {
    case SL_OP_arith_log: result = wide_log(e, x); break;
    case SL_OP_arith_log1p: result = wide_log1p(e, x); break;
    case SL_OP_arith_sin: result = circular_function(e, SINE, x); break;
    case SL_OP_arith_cos: result = circular_function(e, COSINE, x); break;
    case SL_OP_arith_tan: result = circular_function(e, TANGENT, x); break;
    case SL_OP_arith_asin: result = wide_atan(e, DIV(x, root(e, MUL(SUB(NUMBER(1), x), ADD(NUMBER(1), x))))); break;
    case SL_OP_arith_acos: result = MUL(wide_atan(e, root(e, DIV(SUB(NUMBER(1), x), ADD(NUMBER(1), x)))), NUMBER(2)); break;
    case SL_OP_arith_atan: result = wide_atan(e, x); break;
    case SL_OP_arith_sinh: result = wide_sinh(e, x); break;
    case SL_OP_arith_cosh: result = wide_cosh(e, x); break;
    case SL_OP_arith_asinh: result = wide_asinh(e, x); break;
    case SL_OP_arith_acosh:
        result = wide_log(e, ADD(x, root(e, MUL(SUB(x, NUMBER(1)), ADD(x, NUMBER(1))))));
        result = SELECT(compare(e, LLVMRealOLT, x, 1), NUMBER(NAN), result);   /* below -1 the sum cancels to 0 */
        break;
    case SL_OP_arith_atanh: result = wide_atanh(e, x); break;
    case SL_OP_arith_pow: result = wide_pow(e, x, LLVMBuildFPExt(B, narrow_y, type, "")); break;
    }
    return LLVMBuildFPTrunc(B, result, f32, "");
}
