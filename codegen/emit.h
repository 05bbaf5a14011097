/* emit.h: the code generator's inner interface: an emitter turns kernels and host functions of kernel IR into functions of one LLVM module.
 *
 * Values in registers: f64 double, f32 float; f16 and bf16 are held as their bits in i16 and 8-bit floats in i8 (arithmetic decodes to f32 and rounds back
 * after each op, see narrow.c); integers in their width, i2/i4/u2/u4 sign- or zero-extended in i8; i1 is i1. Memory differs only for i1: a byte, 0 or 1.
 * Sub-byte integers take a byte each in buffers; packing exists at the API and in constants only. Buffers are pointers.
 *
 * Failures (an op that code can't be made for) are reported at the op; emission then goes on with poison values and the module is thrown away. */
#ifndef SLUICE_EMIT_H
#define SLUICE_EMIT_H

#include "sluice/ir.h"
#include "sluice/machine.h"
#include <llvm-c/Core.h>

typedef struct sl_math_function { const char *name; LLVMTypeRef type; LLVMValueRef function; } sl_math_function;

typedef struct sl_emitter {
    sl_arena *arena;               /* of the compilation */
    const sl_machine *machine;
    bool has_fma, has_f16c, has_avx512, is_aarch64;
    LLVMContextRef context;        /* borrowed: owned by the unit */
    LLVMModuleRef module;
    LLVMBuilderRef builder, *owned_builder;   /* owned_builder: the arena's hold on it */
    LLVMTypeRef i1, i8, i16, i32, i64, f32, f64, pointer, nothing;
    LLVMValueRef *values;          /* by sl_value_id, of the function being emitted */
    uint32_t value_count;
    SL_VEC(sl_math_function) math; /* helper functions made so far in this module */
    bool failed;

    /* the kernel being emitted */
    LLVMValueRef function, worker, scratch;
    /* the host function being emitted, NULL in kernels */
    struct sl_host *host;
} sl_emitter;

/* A module of its own in `context`; disposed of by sl_emitter_close. */
void sl_emitter_open(sl_emitter *e, sl_arena *arena, const sl_machine *machine, LLVMContextRef context, const char *name);
/* Frees the builder; the module stays with the caller. */
void sl_emitter_close(sl_emitter *e);

/* kernel.func as external function `symbol`. Bit i of `shared` says that buffer argument i may overlap others. */
bool sl_emit_kernel(sl_emitter *e, sl_op *func, const char *symbol, const uint8_t *shared);

/* ---- emit_value.c: types, constants, values ---- */
bool sl_emit_has(const sl_emitter *e, const char *feature);                   /* the target has it (LLVM's name, without +) */
LLVMTypeRef sl_emit_element(sl_emitter *e, sl_element element);               /* register form of a scalar */
LLVMTypeRef sl_emit_element_memory(sl_emitter *e, sl_element element);
int64_t sl_emit_element_bytes(sl_element element);                            /* in memory */
LLVMTypeRef sl_emit_type(sl_emitter *e, sl_type type);                        /* scalar, vector, buffer */
LLVMTypeRef sl_emit_widen(LLVMTypeRef scalar, LLVMTypeRef like);              /* `scalar` with the lanes of `like` */
int sl_emit_lanes(LLVMTypeRef type);                                          /* 0 for scalars */
LLVMTypeRef sl_emit_scalar_of(LLVMTypeRef type);
LLVMValueRef sl_emit_get(sl_emitter *e, const sl_value *value);
void sl_emit_set(sl_emitter *e, const sl_value *value, LLVMValueRef llvm);
LLVMValueRef sl_emit_fail(sl_emitter *e, const sl_op *op, LLVMTypeRef type, const char *format, ...) SL_PRINTF(4, 5);   /* poison of type, or NULL */
LLVMValueRef sl_emit_constant(sl_emitter *e, const sl_op *op);
/* Constants with the lanes of `type` (splat). */
LLVMValueRef sl_emit_int(LLVMTypeRef type, int64_t value);
LLVMValueRef sl_emit_float(LLVMTypeRef type, double value);
LLVMValueRef sl_emit_splat(sl_emitter *e, LLVMValueRef scalar, int lanes);
LLVMValueRef sl_emit_string(sl_emitter *e, const char *text);
LLVMValueRef sl_emit_i64(sl_emitter *e, int64_t value);
/* An overloaded LLVM intrinsic on `types`. */
LLVMValueRef sl_emit_intrinsic(sl_emitter *e, const char *name, int type_count, LLVMTypeRef *types, int count, LLVMValueRef *arguments);
LLVMValueRef sl_emit_intrinsic1(sl_emitter *e, const char *name, LLVMValueRef a);                          /* overloaded on a's type */
LLVMValueRef sl_emit_intrinsic2(sl_emitter *e, const char *name, LLVMValueRef a, LLVMValueRef b);
/* Adds what every function needs: target, nounwind. */
void sl_emit_function_attributes(sl_emitter *e, LLVMValueRef function);
void sl_emit_attribute(sl_emitter *e, LLVMValueRef function, unsigned index, const char *name, uint64_t value);
/* A basic block at the end of the current function. */
LLVMBasicBlockRef sl_emit_block(sl_emitter *e, const char *name);

/* ---- emit_arith.c, emit_cast.c, narrow.c ---- */
void sl_emit_arith(sl_emitter *e, sl_op *op);
void sl_emit_cast(sl_emitter *e, sl_op *op);
/* One arith op on register values of `element` (used by reductions): kind is a binary arith op. */
LLVMValueRef sl_emit_binary(sl_emitter *e, sl_op_kind kind, sl_element element, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef sl_emit_fma(sl_emitter *e, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c);   /* one rounding on any target: f32, f64 */
bool sl_element_is_narrow_float(sl_element element);
typedef enum sl_rounding { SL_ROUND_NEAREST, SL_ROUND_UP, SL_ROUND_DOWN, SL_ROUND_ZERO } sl_rounding;
LLVMValueRef sl_emit_decode(sl_emitter *e, sl_element element, LLVMValueRef bits);          /* narrow float bits -> f32 */
LLVMValueRef sl_emit_encode(sl_emitter *e, sl_element element, LLVMValueRef value, bool saturate, sl_rounding rounding);   /* f32 -> narrow float bits */
/* f64 -> f32 such that rounding the result again to a narrower format is right (round to odd). */
LLVMValueRef sl_emit_narrow_odd(sl_emitter *e, LLVMValueRef value);
/* Sub-byte integers: brings an i8 result back to the element's range. */
LLVMValueRef sl_emit_wrap(sl_emitter *e, sl_element element, LLVMValueRef value);

/* ---- math.c, math_f32.c, math_wide.c ---- */
/* exp, tanh, ... of f32 or f64 scalars and vectors. */
LLVMValueRef sl_emit_math(sl_emitter *e, sl_op_kind kind, LLVMValueRef a, LLVMValueRef b);
/* Starts (or finds) the internal helper `name` for `type`: true when its body is to be emitted now, with the builder in it. */
typedef struct sl_math_body { LLVMValueRef function; LLVMValueRef arguments[3]; LLVMBasicBlockRef back; LLVMTypeRef type; } sl_math_body;
bool sl_math_begin(sl_emitter *e, sl_math_body *body, const char *name, LLVMTypeRef result, LLVMTypeRef type, int arguments);
void sl_math_end(sl_emitter *e, sl_math_body *body, LLVMValueRef result);
LLVMValueRef sl_math_call(sl_emitter *e, const sl_math_body *body, LLVMValueRef *arguments);
/* Calls a C library function of double(double[, double]) or float lane by lane. */
LLVMValueRef sl_math_library(sl_emitter *e, const char *name, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef sl_math_f32(sl_emitter *e, sl_op_kind kind, LLVMValueRef x);                    /* the ones with a fast f32 form, else NULL */
LLVMValueRef sl_math_exp2(sl_emitter *e, LLVMValueRef x);                                      /* kernel.exp2 */
LLVMValueRef sl_math_wide(sl_emitter *e, sl_op_kind kind, LLVMValueRef x, LLVMValueRef y);   /* f32 through f64 */

/* ---- emit_memory.c ---- */
void sl_emit_memory_op(sl_emitter *e, sl_op *op);
LLVMValueRef sl_emit_address(sl_emitter *e, sl_element element, LLVMValueRef buffer, LLVMValueRef offset);
LLVMValueRef sl_emit_load_element(sl_emitter *e, sl_element element, LLVMValueRef address);

/* ---- emit_dot.c ---- */
void sl_emit_dot(sl_emitter *e, sl_op *op);
/* ---- emit_matrix.c ---- */
void sl_emit_matrix_op(sl_emitter *e, sl_op *op);

/* ---- emit_kernel.c: structured control flow, shared with host code ---- */
void sl_emit_block_ops(sl_emitter *e, sl_block *block);        /* all but the terminator */
void sl_emit_kernel_op(sl_emitter *e, sl_op *op);
void sl_emit_if(sl_emitter *e, sl_op *op);
void sl_emit_for(sl_emitter *e, sl_op *op);

/* ---- emit_host.c ---- */
void sl_emit_host_op(sl_emitter *e, sl_op *op);

#endif
