/* math.c: mathematical functions in compiled code: which form serves which type, helper functions, calls of the C library.
 *
 *   f32       exp, expm1, tanh, erf: polynomials in f32 (math_f32.c), at most 2 ulp;
 *             the others through f64 (math_wide.c), at most 1 ulp
 *   f64       the C library's function, lane by lane (its accuracy: below 1 ulp in glibc)
 *   narrower  in f32, then rounded
 *
 * Every function is emitted once per module and type as an internal helper, from one source for scalars and vectors, without reassociation: so a lane's bits
 * depend neither on the vector's width nor on its other lanes. The fast f32 forms are inlined into kernels, the long ones are called. */
#include "emit.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define B e->builder

bool sl_math_begin(sl_emitter *e, sl_math_body *body, const char *name, LLVMTypeRef result, LLVMTypeRef type, int arguments) {
    memset(body, 0, sizeof(*body));
    LLVMTypeRef types[3] = {type, type, type};
    body->type = LLVMFunctionType(result, types, (unsigned)arguments, false);
    for (size_t i = 0; i < e->math.count; ++i)
        if (e->math.data[i].type == body->type && !strcmp(e->math.data[i].name, name)) {
            body->function = e->math.data[i].function;
            return false;
        }
    char symbol[96];
    LLVMTypeRef scalar = sl_emit_scalar_of(type);
    snprintf(symbol, sizeof(symbol), "sl.%s.%s.%d", name, scalar == e->f32 ? "f32" : scalar == e->f64 ? "f64" : "int", sl_emit_lanes(type));
    body->function = LLVMAddFunction(e->module, symbol, body->type);
    LLVMSetLinkage(body->function, LLVMInternalLinkage);
    sl_emit_function_attributes(e, body->function);
    sl_math_function record = {sl_arena_strdup(e->arena, name), body->type, body->function};
    SL_PUSH(e->arena, &e->math, record);
    body->back = LLVMGetInsertBlock(B);
    LLVMPositionBuilderAtEnd(B, LLVMAppendBasicBlockInContext(e->context, body->function, "entry"));
    for (int i = 0; i < arguments; ++i) body->arguments[i] = LLVMGetParam(body->function, (unsigned)i);
    return true;
}

void sl_math_end(sl_emitter *e, sl_math_body *body, LLVMValueRef result) {
    LLVMBuildRet(B, result);
    LLVMPositionBuilderAtEnd(B, body->back);
}

LLVMValueRef sl_math_call(sl_emitter *e, const sl_math_body *body, LLVMValueRef *arguments) {
    return LLVMBuildCall2(B, body->type, body->function, arguments, LLVMCountParamTypes(body->type), "");
}

LLVMValueRef sl_math_library(sl_emitter *e, const char *name, LLVMValueRef a, LLVMValueRef b) {
    LLVMTypeRef type = LLVMTypeOf(a), scalar = sl_emit_scalar_of(type), types[2] = {scalar, scalar};
    LLVMTypeRef function_type = LLVMFunctionType(scalar, types, b ? 2 : 1, false);
    LLVMValueRef function = LLVMGetNamedFunction(e->module, name);
    if (!function) {
        function = LLVMAddFunction(e->module, name, function_type);
        sl_emit_attribute(e, function, (unsigned)LLVMAttributeFunctionIndex, "nounwind", 0);
        sl_emit_attribute(e, function, (unsigned)LLVMAttributeFunctionIndex, "willreturn", 0);
    }
    int lanes = sl_emit_lanes(type);
    LLVMValueRef result = LLVMGetPoison(type);
    if (!lanes) return LLVMBuildCall2(B, function_type, function, (LLVMValueRef[]){a, b}, b ? 2 : 1, "");
    for (int i = 0; i < lanes; ++i) {
        LLVMValueRef at = sl_emit_i64(e, i), arguments[2] = {LLVMBuildExtractElement(B, a, at, ""), b ? LLVMBuildExtractElement(B, b, at, "") : NULL};
        result = LLVMBuildInsertElement(B, result, LLVMBuildCall2(B, function_type, function, arguments, b ? 2 : 1, ""), at, "");
    }
    return result;
}

/* The op's name without its family: also the C library's name of the f64 function. */
static const char *function_name(sl_op_kind kind) { return sl_op_info_get(kind)->name; }

static bool is_math(sl_op_kind kind) {
    switch ((int)kind) {
    case SL_OP_arith_exp: case SL_OP_arith_log: case SL_OP_arith_log1p: case SL_OP_arith_expm1: case SL_OP_arith_sin: case SL_OP_arith_cos:
    case SL_OP_arith_tan: case SL_OP_arith_asin: case SL_OP_arith_acos: case SL_OP_arith_atan: case SL_OP_arith_sinh: case SL_OP_arith_cosh:
    case SL_OP_arith_tanh: case SL_OP_arith_asinh: case SL_OP_arith_acosh: case SL_OP_arith_atanh: case SL_OP_arith_erf: case SL_OP_arith_pow:
        return true;
    }
    return false;
}

LLVMValueRef sl_emit_math(sl_emitter *e, sl_op_kind kind, LLVMValueRef a, LLVMValueRef b) {
    if (!is_math(kind)) return NULL;
    LLVMTypeRef type = LLVMTypeOf(a);
    sl_math_body body;
    if (sl_math_begin(e, &body, function_name(kind), type, type, b ? 2 : 1)) {
        LLVMValueRef x = body.arguments[0], y = b ? body.arguments[1] : NULL, result;
        if (sl_emit_scalar_of(type) == e->f64) {
            result = sl_math_library(e, function_name(kind), x, y);
        } else {
            result = sl_math_f32(e, kind, x);
            if (result) sl_emit_attribute(e, body.function, (unsigned)LLVMAttributeFunctionIndex, "alwaysinline", 0);
            else result = sl_math_wide(e, kind, x, y);
        }
        sl_math_end(e, &body, result);
    }
    return sl_math_call(e, &body, (LLVMValueRef[]){a, b});
}
