/* emit_dot.c: kernel.dot: sums with short products of narrow factors, by the target's instruction where it has one.
 *
 *     bf16 pairs                    VDPBF16PS (AVX512-BF16)
 *     u8 x i8 quads                 VPDPBUSD (AVX512-VNNI, AVX-VNNI)
 *     i8 x i8, u8 x i8 quads        SDOT, USDOT (Arm)
 *     pairs of 8 and 16 bits        both sides widened to i16, PMADDWD: exact, unlike PMADDUBSW, which saturates
 *     anything else                 products lane by lane, in ascending order inside of a group, with FMA for floats
 *
 * The group of operand 1 is the same in all lanes: its bytes are broadcast as one integer, which becomes a broadcasting load. */
#include "emit.h"
#include <string.h>

#define B e->builder

static LLVMValueRef cast_bits(sl_emitter *e, LLVMValueRef value, LLVMTypeRef lane, int lanes) { return LLVMBuildBitCast(B, value, LLVMVectorType(lane, (unsigned)lanes), ""); }

/* `group` (g elements of `bits`) in each of `lanes` places, as a vector of integers of g * bits bits. */
static LLVMValueRef broadcast_group(sl_emitter *e, LLVMValueRef group, int total_bits, int lanes) {
    LLVMTypeRef whole = LLVMIntTypeInContext(e->context, (unsigned)total_bits);
    return sl_emit_splat(e, LLVMBuildBitCast(B, group, whole, ""), lanes);
}

static LLVMValueRef call(sl_emitter *e, const char *name, int count, LLVMValueRef *arguments) { return sl_emit_intrinsic(e, name, 0, NULL, count, arguments); }

static LLVMValueRef widen(sl_emitter *e, sl_element element, LLVMValueRef value, LLVMTypeRef lane) {
    LLVMTypeRef type = sl_emit_widen(lane, LLVMTypeOf(value));
    if (LLVMTypeOf(value) == type) return value;
    return sl_element_is_signed(element) ? LLVMBuildSExt(B, value, type, "") : LLVMBuildZExt(B, value, type, "");
}

/* The instruction's vectors hold `lanes` sums: 4, 8 or 16. */
static const char *by_lanes(int lanes, const char *four, const char *eight, const char *sixteen) { return lanes == 4 ? four : lanes == 8 ? eight : lanes == 16 ? sixteen : NULL; }

static LLVMValueRef dot_bf16(sl_emitter *e, LLVMValueRef sum, LLVMValueRef group, LLVMValueRef columns, int lanes) {
    const char *name = by_lanes(lanes, "llvm.x86.avx512bf16.dpbf16ps.128", "llvm.x86.avx512bf16.dpbf16ps.256", "llvm.x86.avx512bf16.dpbf16ps.512");
    if (!name || !sl_emit_has(e, "avx512bf16")) return NULL;
    LLVMTypeRef bf16 = LLVMBFloatTypeInContext(e->context);
    LLVMValueRef arguments[3] = {sum, cast_bits(e, columns, bf16, 2 * lanes), cast_bits(e, broadcast_group(e, group, 32, lanes), bf16, 2 * lanes)};
    return call(e, name, 3, arguments);
}

static LLVMValueRef dot_bytes(sl_emitter *e, sl_element a, sl_element b, LLVMValueRef sum, LLVMValueRef group, LLVMValueRef columns, int lanes) {
    if (b != SL_ELEMENT_i8 || (a != SL_ELEMENT_i8 && a != SL_ELEMENT_u8)) return NULL;
    LLVMValueRef rows = broadcast_group(e, group, 32, lanes);
    if (e->is_aarch64) {
        LLVMTypeRef types[2] = {LLVMTypeOf(sum), LLVMVectorType(e->i8, 16)};
        bool mixed = a == SL_ELEMENT_u8;
        if (lanes != 4 || !sl_emit_has(e, mixed ? "i8mm" : "dotprod")) return NULL;
        LLVMValueRef bytes = cast_bits(e, rows, e->i8, 16), arguments[3] = {sum, bytes, columns};
        return sl_emit_intrinsic(e, mixed ? "llvm.aarch64.neon.usdot" : "llvm.aarch64.neon.sdot", 2, types, 3, arguments);
    }
    const char *name = by_lanes(lanes, "llvm.x86.avx512.vpdpbusd.128", "llvm.x86.avx512.vpdpbusd.256", "llvm.x86.avx512.vpdpbusd.512");
    bool fits = (e->has_avx512 && sl_emit_has(e, "avx512vnni")) || (lanes <= 8 && sl_emit_has(e, "avxvnni"));
    if (!name || !fits || a != SL_ELEMENT_u8) return NULL;
    LLVMValueRef arguments[3] = {sum, rows, cast_bits(e, columns, e->i32, lanes)};
    return call(e, name, 3, arguments);
}

static LLVMValueRef dot_pairs(sl_emitter *e, sl_element a, sl_element b, LLVMValueRef sum, LLVMValueRef group, LLVMValueRef columns, int lanes) {
    const char *name = by_lanes(lanes, "llvm.x86.sse2.pmadd.wd", "llvm.x86.avx2.pmadd.wd", "llvm.x86.avx512.pmaddw.d.512");
    if (!name || e->is_aarch64 || a == SL_ELEMENT_u16 || b == SL_ELEMENT_u16) return NULL;
    if ((lanes == 8 && !sl_emit_has(e, "avx2")) || (lanes == 16 && !sl_emit_has(e, "avx512bw"))) return NULL;
    LLVMValueRef rows = cast_bits(e, broadcast_group(e, widen(e, a, group, e->i16), 32, lanes), e->i16, 2 * lanes);
    LLVMValueRef arguments[2] = {rows, widen(e, b, columns, e->i16)};
    return LLVMBuildAdd(B, sum, call(e, name, 2, arguments), "");
}

/* Lane by lane. */
static LLVMValueRef dot_plain(sl_emitter *e, sl_element a, sl_element b, LLVMValueRef sum, LLVMValueRef group, LLVMValueRef columns, int lanes, int g) {
    bool floating = sl_element_is_float(a);
    for (int j = 0; j < g; ++j) {
        LLVMValueRef picks[256];
        if (lanes > 256) return NULL;
        for (int i = 0; i < lanes; ++i) picks[i] = LLVMConstInt(e->i32, (unsigned long long)(i * g + j), false);
        LLVMValueRef column = LLVMBuildShuffleVector(B, columns, LLVMGetPoison(LLVMTypeOf(columns)), LLVMConstVector(picks, (unsigned)lanes), "");
        LLVMValueRef row = LLVMBuildExtractElement(B, group, sl_emit_i64(e, j), "");
        if (floating) {
            row = sl_emit_splat(e, sl_emit_decode(e, a, row), lanes), column = sl_emit_decode(e, b, column);
            sum = e->has_fma ? sl_emit_fma(e, row, column, sum) : LLVMBuildFAdd(B, sum, LLVMBuildFMul(B, row, column, ""), "");
        } else {
            row = sl_emit_splat(e, widen(e, a, row, e->i32), lanes), column = widen(e, b, column, e->i32);
            sum = LLVMBuildAdd(B, sum, LLVMBuildMul(B, row, column, ""), "");
        }
    }
    return sum;
}

void sl_emit_dot(sl_emitter *e, sl_op *op) {
    sl_type sum_type = sl_value_type(sl_op_operand(op, 0)), group_type = sl_value_type(sl_op_operand(op, 1)), column_type = sl_value_type(sl_op_operand(op, 2));
    sl_element a = sl_type_element(group_type), b = sl_type_element(column_type);
    int lanes = sl_type_lanes(sum_type), g = sl_type_lanes(group_type);
    LLVMValueRef sum = sl_emit_get(e, sl_op_operand(op, 0)), group = sl_emit_get(e, sl_op_operand(op, 1)), columns = sl_emit_get(e, sl_op_operand(op, 2)), result = NULL;
    if (a == SL_ELEMENT_bf16 && g == 2) result = dot_bf16(e, sum, group, columns, lanes);
    else if (g == 4 && a != SL_ELEMENT_bf16) result = dot_bytes(e, a, b, sum, group, columns, lanes);
    else if (g == 2) result = dot_pairs(e, a, b, sum, group, columns, lanes);
    if (!result) result = dot_plain(e, a, b, sum, group, columns, lanes, g);
    if (!result) result = sl_emit_fail(e, op, sl_emit_type(e, sum_type), "kernel.dot of %d lanes can't be compiled", lanes);
    sl_emit_set(e, sl_op_result(op, 0), result);
}
