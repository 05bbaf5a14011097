/* emit_expr.c: shape expressions as i64 code. Division follows expr.h: floors, and a divisor of zero (a hostile input's dim) is taken as 1 and counts as
 * overflow where arithmetic is checked, so that it never traps. */
#include "host.h"

#define B e->builder

int sl_host_symbol(sl_emitter *e, sl_expr symbol) {
    sl_host *host = e->host;
    for (size_t i = 0; i < host->symbols.count; ++i)
        if (host->symbols.data[i] == symbol) return (int)i;
    SL_PUSH(e->arena, &host->symbols, symbol);
    return (int)host->symbols.count - 1;
}

LLVMValueRef sl_host_symbol_load(sl_emitter *e, int slot) { return LLVMBuildLoad2(B, e->i64, sl_abi_element(e, e->i64, e->host->symbol_values, slot), ""); }

void sl_host_symbol_store(sl_emitter *e, int slot, LLVMValueRef value) { LLVMBuildStore(B, value, sl_abi_element(e, e->i64, e->host->symbol_values, slot)); }

static LLVMValueRef checked(sl_emitter *e, const char *intrinsic, LLVMValueRef a, LLVMValueRef b, LLVMValueRef *overflow) {
    LLVMValueRef pair = sl_emit_intrinsic2(e, intrinsic, a, b);
    *overflow = LLVMBuildOr(B, *overflow, LLVMBuildExtractValue(B, pair, 1, ""), "");
    return LLVMBuildExtractValue(B, pair, 0, "");
}

static LLVMValueRef multiply(sl_emitter *e, LLVMValueRef a, LLVMValueRef b, LLVMValueRef *overflow) {
    if (!overflow || (LLVMIsConstant(a) && LLVMIsConstant(b))) return LLVMBuildMul(B, a, b, "");
    return checked(e, "llvm.smul.with.overflow", a, b, overflow);
}

static LLVMValueRef sum(sl_emitter *e, LLVMValueRef a, LLVMValueRef b, LLVMValueRef *overflow) {
    return overflow ? checked(e, "llvm.sadd.with.overflow", a, b, overflow) : LLVMBuildAdd(B, a, b, "");
}

static LLVMValueRef floor_division(sl_emitter *e, LLVMValueRef a, LLVMValueRef b, bool remainder, LLVMValueRef *overflow) {
    LLVMValueRef zero = sl_emit_i64(e, 0), is_zero = LLVMBuildICmp(B, LLVMIntSLE, b, zero, "");
    if (overflow) *overflow = LLVMBuildOr(B, *overflow, is_zero, "");
    LLVMValueRef divisor = LLVMBuildSelect(B, is_zero, sl_emit_i64(e, 1), b, "");
    LLVMValueRef quotient = LLVMBuildSDiv(B, a, divisor, ""), rest = LLVMBuildSub(B, a, LLVMBuildMul(B, quotient, divisor, ""), "");
    LLVMValueRef below = LLVMBuildICmp(B, LLVMIntSLT, rest, zero, "");
    if (remainder) return LLVMBuildSelect(B, below, LLVMBuildAdd(B, rest, divisor, ""), rest, "");
    return LLVMBuildSub(B, quotient, LLVMBuildZExt(B, below, e->i64, ""), "");
}

LLVMValueRef sl_emit_host_expr(sl_emitter *e, sl_expr expr, LLVMValueRef *overflow) {
    int64_t value;
    if (sl_expr_is_const(expr, &value)) return sl_emit_i64(e, value);
    switch (sl_expr_get_kind(expr)) {
    case SL_EXPR_CONST: break;   /* done */
    case SL_EXPR_SYMBOL: return sl_host_symbol_load(e, sl_host_symbol(e, expr));
    case SL_EXPR_LOOP: e->failed = true; return sl_emit_i64(e, 0);   /* the verifier refuses loop indices in host code */
    case SL_EXPR_SUM: {
        LLVMValueRef total = NULL;
        for (int t = 0; t < sl_expr_term_count(expr); ++t) {
            LLVMValueRef term = sl_emit_i64(e, sl_expr_term_coefficient(expr, t));
            for (int f = 0; f < sl_expr_term_factor_count(expr, t); ++f) {
                LLVMValueRef factor = sl_emit_host_expr(e, sl_expr_term_factor(expr, t, f), overflow);
                term = f == 0 && sl_expr_term_coefficient(expr, t) == 1 ? factor : multiply(e, term, factor, overflow);
            }
            total = total ? sum(e, total, term, overflow) : term;
        }
        return total ? total : sl_emit_i64(e, 0);
    }
    case SL_EXPR_FLOORDIV: case SL_EXPR_CEILDIV: case SL_EXPR_MOD: case SL_EXPR_MIN: case SL_EXPR_MAX: case SL_EXPR_BCAST: {
        LLVMValueRef a = sl_emit_host_expr(e, sl_expr_operand(expr, 0), overflow), b = sl_emit_host_expr(e, sl_expr_operand(expr, 1), overflow);
        switch ((int)sl_expr_get_kind(expr)) {
        case SL_EXPR_FLOORDIV: return floor_division(e, a, b, false, overflow);
        case SL_EXPR_CEILDIV: return LLVMBuildNeg(B, floor_division(e, LLVMBuildNeg(B, a, ""), b, false, overflow), "");
        case SL_EXPR_MOD: return floor_division(e, a, b, true, overflow);
        case SL_EXPR_MIN: return sl_emit_intrinsic2(e, "llvm.smin", a, b);
        case SL_EXPR_MAX: return sl_emit_intrinsic2(e, "llvm.smax", a, b);
        }
        return LLVMBuildSelect(B, LLVMBuildICmp(B, LLVMIntEQ, a, sl_emit_i64(e, 1), ""), b, a, "");
    }
    }
    return sl_emit_i64(e, 0);
}

LLVMValueRef sl_host_bytes(sl_emitter *e, sl_type type, LLVMValueRef *overflow) {
    LLVMValueRef bytes = sl_emit_i64(e, sl_emit_element_bytes(sl_type_element(type)));
    for (int axis = 0; axis < sl_type_rank(type); ++axis) bytes = multiply(e, bytes, sl_emit_host_expr(e, sl_type_dim(type, axis), overflow), overflow);
    return bytes;
}
