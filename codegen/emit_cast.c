/* emit_cast.c: arith.cast and arith.bitcast between any two element types; semantics in arith.def. */
#include "emit.h"
#include <string.h>

#define B e->builder

static sl_rounding rounding_of(const sl_op *op) {
    const char *text = sl_op_string(op, "round", "nearest");
    return !strcmp(text, "up") ? SL_ROUND_UP : !strcmp(text, "down") ? SL_ROUND_DOWN : !strcmp(text, "zero") ? SL_ROUND_ZERO : SL_ROUND_NEAREST;
}

/* f64 -> f32 in a rounding direction: the neighbour of the nearest when that lies on the wrong side. */
static LLVMValueRef truncate_directed(sl_emitter *e, LLVMValueRef value, sl_rounding rounding) {
    LLVMTypeRef f64 = LLVMTypeOf(value), f32 = sl_emit_widen(e->f32, f64), i32 = sl_emit_widen(e->i32, f64);
    LLVMValueRef near = LLVMBuildFPTrunc(B, value, f32, "");
    if (rounding == SL_ROUND_NEAREST) return near;
    LLVMValueRef back = LLVMBuildFPExt(B, near, f64, ""), bits = LLVMBuildBitCast(B, near, i32, "");
    LLVMValueRef negative = LLVMBuildICmp(B, LLVMIntSLT, bits, sl_emit_int(i32, 0), "");
    LLVMValueRef above = LLVMBuildFCmp(B, LLVMRealOGT, back, value, ""), below = LLVMBuildFCmp(B, LLVMRealOLT, back, value, "");
    LLVMValueRef grow, shrink;   /* in magnitude */
    if (rounding == SL_ROUND_DOWN) {
        grow = LLVMBuildAnd(B, above, negative, "");
        shrink = LLVMBuildAnd(B, above, LLVMBuildNot(B, negative, ""), "");
    } else if (rounding == SL_ROUND_UP) {
        grow = LLVMBuildAnd(B, below, LLVMBuildNot(B, negative, ""), "");
        shrink = LLVMBuildAnd(B, below, negative, "");
    } else {
        grow = sl_emit_int(sl_emit_widen(e->i1, f64), 0);
        shrink = LLVMBuildSelect(B, negative, below, above, "");
    }
    bits = LLVMBuildAdd(B, bits, LLVMBuildZExt(B, grow, i32, ""), "");
    bits = LLVMBuildSub(B, bits, LLVMBuildZExt(B, shrink, i32, ""), "");
    return LLVMBuildBitCast(B, bits, f32, "");
}

static LLVMValueRef float_to_float(sl_emitter *e, LLVMValueRef value, bool is_f64, sl_element to, bool saturate, sl_rounding rounding) {
    LLVMTypeRef type = sl_emit_widen(to == SL_ELEMENT_f64 ? e->f64 : e->f32, LLVMTypeOf(value));
    if (to == SL_ELEMENT_f64) return is_f64 ? value : LLVMBuildFPExt(B, value, type, "");
    if (to == SL_ELEMENT_f32) return is_f64 ? truncate_directed(e, value, rounding) : value;
    if (is_f64) value = rounding == SL_ROUND_NEAREST ? sl_emit_narrow_odd(e, value) : truncate_directed(e, value, rounding);
    return sl_emit_encode(e, to, value, saturate, rounding);
}

/* To 8 and 16 bits: clamped while it is a float, which is two instructions on a vector; the general form takes many. `round`: to the nearest, halves to even, which is what x86's
 * conversion does by itself; the bounds are integers, so it may come after them. */
static LLVMValueRef clamp_to_integer(sl_emitter *e, LLVMValueRef value, sl_element to, bool round) {
    LLVMTypeRef type = LLVMTypeOf(value), whole = sl_emit_widen(e->i32, type);
    bool is_signed = sl_element_is_signed(to);
    int bits = sl_element_bits(to) - is_signed;
    LLVMValueRef low = sl_emit_float(type, is_signed ? -(double)(1 << bits) : 0), high = sl_emit_float(type, (double)(1 << bits) - 1);
    if (is_signed) value = LLVMBuildSelect(B, LLVMBuildFCmp(B, LLVMRealUNO, value, value, ""), LLVMConstNull(type), value, "");
    value = LLVMBuildSelect(B, LLVMBuildFCmp(B, LLVMRealOGT, value, low, ""), value, low, "");      /* NaN is not greater than 0 */
    value = LLVMBuildSelect(B, LLVMBuildFCmp(B, LLVMRealOLT, value, high, ""), value, high, "");
    LLVMTypeRef types[2] = {whole, type};
    value = round ? sl_emit_intrinsic(e, "llvm.lrint", 2, types, 1, &value) : LLVMBuildFPToSI(B, value, whole, "");
    return LLVMBuildTrunc(B, value, sl_emit_widen(sl_emit_element(e, to), type), "");
}

static bool clamps_first(LLVMValueRef value, sl_element to) { return (sl_element_bits(to) == 8 || sl_element_bits(to) == 16) && sl_emit_lanes(LLVMTypeOf(value)); }

static LLVMValueRef float_to_integer(sl_emitter *e, LLVMValueRef value, sl_element to) {
    bool is_signed = sl_element_is_signed(to);
    if (clamps_first(value, to)) return clamp_to_integer(e, value, to, false);
    LLVMTypeRef types[2] = {sl_emit_widen(sl_emit_element(e, to), LLVMTypeOf(value)), LLVMTypeOf(value)};
    LLVMValueRef result = sl_emit_intrinsic(e, is_signed ? "llvm.fptosi.sat" : "llvm.fptoui.sat", 2, types, 1, &value);
    int bits = sl_element_bits(to);
    if (bits >= 8) return result;
    if (!is_signed) return sl_emit_intrinsic2(e, "llvm.umin", result, sl_emit_int(types[0], (1 << bits) - 1));
    result = sl_emit_intrinsic2(e, "llvm.smin", result, sl_emit_int(types[0], (1 << (bits - 1)) - 1));
    return sl_emit_intrinsic2(e, "llvm.smax", result, sl_emit_int(types[0], -(1 << (bits - 1))));
}

static LLVMValueRef integer_to_float(sl_emitter *e, LLVMValueRef value, sl_element from, sl_element to, bool saturate, sl_rounding rounding) {
    bool is_signed = sl_element_is_signed(from);
    bool narrow = sl_element_is_narrow_float(to), wide = to == SL_ELEMENT_f64 || (narrow && sl_element_bits(from) > 16);
    LLVMTypeRef type = sl_emit_widen(wide ? e->f64 : e->f32, LLVMTypeOf(value));
    if (narrow && sl_element_bits(from) == 64) {
        /* What f64 can't hold is made odd in its last digit, so that the rounding to the narrow format sees it. */
        LLVMTypeRef i64 = LLVMTypeOf(value);
        LLVMValueRef limit = sl_emit_int(i64, INT64_C(1) << 53), low = LLVMBuildAnd(B, value, sl_emit_int(i64, 2047), "");
        LLVMValueRef magnitude = is_signed ? sl_emit_intrinsic2(e, "llvm.smax", value, LLVMBuildNeg(B, value, "")) : value;
        LLVMValueRef sticky = LLVMBuildSelect(B, LLVMBuildICmp(B, LLVMIntNE, low, sl_emit_int(i64, 0), ""), sl_emit_int(i64, 2048), sl_emit_int(i64, 0), "");
        LLVMValueRef odd = LLVMBuildOr(B, LLVMBuildSub(B, value, low, ""), sticky, "");
        value = LLVMBuildSelect(B, LLVMBuildICmp(B, LLVMIntUGE, magnitude, limit, ""), odd, value, "");
    }
    LLVMValueRef result = is_signed ? LLVMBuildSIToFP(B, value, type, "") : LLVMBuildUIToFP(B, value, type, "");
    return narrow ? float_to_float(e, result, wide, to, saturate, rounding) : result;
}

static LLVMValueRef integer_to_integer(sl_emitter *e, LLVMValueRef value, sl_element from, sl_element to) {
    LLVMTypeRef have = sl_emit_element(e, from), want = sl_emit_element(e, to), type = sl_emit_widen(want, LLVMTypeOf(value));
    unsigned have_bits = LLVMGetIntTypeWidth(have), want_bits = LLVMGetIntTypeWidth(want);
    if (want_bits < have_bits) value = LLVMBuildTrunc(B, value, type, "");
    else if (want_bits > have_bits) value = sl_element_is_signed(from) ? LLVMBuildSExt(B, value, type, "") : LLVMBuildZExt(B, value, type, "");
    return sl_emit_wrap(e, to, value);
}

void sl_emit_cast(sl_emitter *e, sl_op *op) {
    sl_value *result = sl_op_result(op, 0);
    sl_element from = sl_type_element(sl_value_type(sl_op_operand(op, 0))), to = sl_type_element(sl_value_type(result));
    LLVMValueRef value = sl_emit_get(e, sl_op_operand(op, 0));
    LLVMTypeRef type = sl_emit_type(e, sl_value_type(result));
    sl_op *maker = sl_value_op(sl_op_operand(op, 0));
    if (from == SL_ELEMENT_f32 && sl_element_is_integer(to) && maker && sl_op_get_kind(maker) == SL_OP_arith_round && !e->is_aarch64 && clamps_first(value, to)) {
        sl_emit_set(e, result, clamp_to_integer(e, sl_emit_get(e, sl_op_operand(maker, 0)), to, true));
        return;
    }
    if (from == SL_ELEMENT_str || to == SL_ELEMENT_str || !type) {
        sl_emit_set(e, result, sl_emit_fail(e, op, e->i64, "strings can't be cast in compiled code"));
        return;
    }
    if (sl_op_get_kind(op) == SL_OP_arith_bitcast) {
        LLVMTypeRef have = LLVMTypeOf(value);
        if (from == SL_ELEMENT_i1 || to == SL_ELEMENT_i1) {   /* a byte holding 0 or 1 */
            if (from != to) value = to == SL_ELEMENT_i1 ? LLVMBuildICmp(B, LLVMIntNE, value, LLVMConstNull(have), "") : LLVMBuildZExt(B, value, type, "");
        } else if (have != type) {
            value = LLVMBuildBitCast(B, value, type, "");
        }
        sl_emit_set(e, result, sl_emit_wrap(e, to, value));
        return;
    }
    bool saturate = sl_op_bool(op, "saturate", true);
    sl_rounding rounding = rounding_of(op);
    if (from == to) {
        sl_emit_set(e, result, value);
        return;
    }
    if (sl_element_is_narrow_float(from)) value = sl_emit_decode(e, from, value);
    bool is_float = sl_element_is_float(from);
    LLVMValueRef out;
    if (to == SL_ELEMENT_i1)
        out = is_float ? LLVMBuildFCmp(B, LLVMRealUNE, value, LLVMConstNull(LLVMTypeOf(value)), "")
                       : LLVMBuildICmp(B, LLVMIntNE, value, LLVMConstNull(LLVMTypeOf(value)), "");
    else if (is_float && sl_element_is_float(to)) out = float_to_float(e, value, from == SL_ELEMENT_f64, to, saturate, rounding);
    else if (is_float) out = float_to_integer(e, value, to);
    else if (sl_element_is_float(to)) out = integer_to_float(e, value, from, to, saturate, rounding);
    else out = integer_to_integer(e, value, from, to);
    sl_emit_set(e, result, out);
}
