/* emit_kernel.c: kernel.func to LLVM functions, and structured control flow (also for host code).
 *
 * A kernel becomes two functions: `symbol` with the calling convention of abi.h, which unpacks the buffers and scalars, and an internal body that takes them
 * as parameters. Buffer parameters are `noalias` unless a launch hands over overlapping memory: LLVM then moves loads across stores without checks.
 * Loops are emitted rotated (test at the bottom, guarded by one test at the top) with phis for the induction variable and the carried values. */
#include "emit.h"
#include "emit_abi.h"
#include <string.h>

#define B e->builder

/* ---- loops and branches ---- */

static void emit_unrolled(sl_emitter *e, sl_op *op, int64_t lower, int64_t upper, int64_t step) {
    sl_block *body = sl_op_body(op, 0);
    int carried = sl_op_result_count(op);
    LLVMValueRef *values = SL_NEW_ARRAY(e->arena, LLVMValueRef, (size_t)carried + 1);
    for (int i = 0; i < carried; ++i) values[i] = sl_emit_get(e, sl_op_operand(op, 3 + i));
    for (int64_t at = lower; at < upper; at += step) {
        sl_emit_set(e, sl_block_argument(body, 0), sl_emit_i64(e, at));
        for (int i = 0; i < carried; ++i) sl_emit_set(e, sl_block_argument(body, 1 + i), values[i]);
        sl_emit_block_ops(e, body);
        sl_op *yield = sl_block_last(body);
        for (int i = 0; i < carried; ++i) values[i] = sl_emit_get(e, sl_op_operand(yield, i));
    }
    for (int i = 0; i < carried; ++i) sl_emit_set(e, sl_op_result(op, i), values[i]);
}

static bool constant_int(LLVMValueRef value, int64_t *result) {
    if (!LLVMIsAConstantInt(value)) return false;
    *result = LLVMConstIntGetSExtValue(value);
    return true;
}

void sl_emit_for(sl_emitter *e, sl_op *op) {
    LLVMValueRef lower = sl_emit_get(e, sl_op_operand(op, 0)), upper = sl_emit_get(e, sl_op_operand(op, 1)), step = sl_emit_get(e, sl_op_operand(op, 2));
    int64_t low = 0, high = 0, by = 0;
    bool fixed = constant_int(lower, &low) && constant_int(upper, &high) && constant_int(step, &by);
    if (constant_int(step, &by) && by <= 0) {
        sl_emit_fail(e, op, NULL, "kernel.for needs a positive step");
        return;
    }
    if (fixed && sl_op_bool(op, "unroll", false) && (high - low + by - 1) / by <= 256) {
        emit_unrolled(e, op, low, high, by);
        return;
    }
    sl_block *body = sl_op_body(op, 0);
    int carried = sl_op_result_count(op);
    LLVMBasicBlockRef before = LLVMGetInsertBlock(B), loop = sl_emit_block(e, "loop"), after = sl_emit_block(e, "after");
    bool certain = fixed && low < high;
    if (certain) LLVMBuildBr(B, loop);
    else LLVMBuildCondBr(B, LLVMBuildICmp(B, LLVMIntSLT, lower, upper, ""), loop, after);

    LLVMPositionBuilderAtEnd(B, loop);
    LLVMValueRef index = LLVMBuildPhi(B, e->i64, "i");
    LLVMValueRef *phis = SL_NEW_ARRAY(e->arena, LLVMValueRef, (size_t)carried + 1), *starts = SL_NEW_ARRAY(e->arena, LLVMValueRef, (size_t)carried + 1);
    for (int i = 0; i < carried; ++i) {
        starts[i] = sl_emit_get(e, sl_op_operand(op, 3 + i));
        phis[i] = LLVMBuildPhi(B, LLVMTypeOf(starts[i]), "");
        sl_emit_set(e, sl_block_argument(body, 1 + i), phis[i]);
    }
    sl_emit_set(e, sl_block_argument(body, 0), index);
    sl_emit_block_ops(e, body);
    sl_op *yield = sl_block_last(body);
    /* The index stays in range: upper is at most the largest i64, and tasks, extents and steps are far smaller. */
    LLVMValueRef next = LLVMBuildNSWAdd(B, index, step, "");
    LLVMBasicBlockRef end = LLVMGetInsertBlock(B);
    LLVMBuildCondBr(B, LLVMBuildICmp(B, LLVMIntSLT, next, upper, ""), loop, after);
    LLVMAddIncoming(index, (LLVMValueRef[]){lower, next}, (LLVMBasicBlockRef[]){before, end}, 2);
    LLVMMoveBasicBlockAfter(after, end);

    LLVMPositionBuilderAtEnd(B, after);
    for (int i = 0; i < carried; ++i) {
        LLVMValueRef out = sl_emit_get(e, sl_op_operand(yield, i));
        LLVMAddIncoming(phis[i], (LLVMValueRef[]){starts[i], out}, (LLVMBasicBlockRef[]){before, end}, 2);
        LLVMValueRef last = LLVMBuildPhi(B, LLVMTypeOf(out), "");
        if (!certain) LLVMAddIncoming(last, &starts[i], &before, 1);
        LLVMAddIncoming(last, &out, &end, 1);
        sl_emit_set(e, sl_op_result(op, i), last);
    }
}

void sl_emit_if(sl_emitter *e, sl_op *op) {
    int count = sl_op_result_count(op);
    LLVMBasicBlockRef sides[2] = {sl_emit_block(e, "then"), sl_emit_block(e, "else")}, after = sl_emit_block(e, "join"), ends[2];
    LLVMBuildCondBr(B, sl_emit_get(e, sl_op_operand(op, 0)), sides[0], sides[1]);
    LLVMValueRef *values = SL_NEW_ARRAY(e->arena, LLVMValueRef, 2 * (size_t)count + 1);
    for (int side = 0; side < 2; ++side) {
        LLVMPositionBuilderAtEnd(B, sides[side]);
        sl_block *block = sl_op_body(op, side);
        sl_emit_block_ops(e, block);
        sl_op *yield = sl_block_last(block);
        for (int i = 0; i < count; ++i) values[side * count + i] = sl_emit_get(e, sl_op_operand(yield, i));
        ends[side] = LLVMGetInsertBlock(B);
        LLVMBuildBr(B, after);
    }
    LLVMMoveBasicBlockAfter(after, ends[1]);
    LLVMPositionBuilderAtEnd(B, after);
    for (int i = 0; i < count; ++i) {
        LLVMValueRef phi = LLVMBuildPhi(B, LLVMTypeOf(values[i]), "");
        LLVMAddIncoming(phi, (LLVMValueRef[]){values[i], values[count + i]}, ends, 2);
        sl_emit_set(e, sl_op_result(op, i), phi);
    }
}

/* ---- ops ---- */

/* The first failed assertion of a worker wins; the run goes on and the launch returns the error. */
static void emit_assert(sl_emitter *e, sl_op *op) {
    LLVMBasicBlockRef bad = sl_emit_block(e, "bad"), good = sl_emit_block(e, "good");
    LLVMBuildCondBr(B, sl_emit_get(e, sl_op_operand(op, 0)), good, bad);
    LLVMPositionBuilderAtEnd(B, bad);
    LLVMValueRef old = sl_abi_load(e, SL_STRUCT_worker, e->worker, SL_FIELD_worker_message);
    LLVMValueRef text = sl_emit_string(e, sl_op_string(op, "message", "an assertion failed"));
    LLVMValueRef none = LLVMBuildICmp(B, LLVMIntEQ, old, LLVMConstNull(e->pointer), "");
    sl_abi_store(e, SL_STRUCT_worker, e->worker, SL_FIELD_worker_message, LLVMBuildSelect(B, none, text, old, ""));
    LLVMBuildBr(B, good);
    LLVMPositionBuilderAtEnd(B, good);
}

void sl_emit_kernel_op(sl_emitter *e, sl_op *op) {
    switch ((int)sl_op_get_kind(op)) {
    case SL_OP_kernel_for: sl_emit_for(e, op); return;
    case SL_OP_kernel_if: sl_emit_if(e, op); return;
    case SL_OP_kernel_assert: emit_assert(e, op); return;
    case SL_OP_kernel_scratch: {
        LLVMValueRef at = sl_emit_i64(e, sl_op_int(op, "offset", 0));
        sl_emit_set(e, sl_op_result(op, 0), LLVMBuildGEP2(B, e->i8, e->scratch, &at, 1, ""));
        return;
    }
    case SL_OP_kernel_load: case SL_OP_kernel_store: case SL_OP_kernel_gather: case SL_OP_kernel_scatter: case SL_OP_kernel_offset: case SL_OP_kernel_splat:
    case SL_OP_kernel_lanes: case SL_OP_kernel_mask: case SL_OP_kernel_reduce: case SL_OP_kernel_extract: case SL_OP_kernel_insert: case SL_OP_kernel_shuffle:
    case SL_OP_kernel_prefetch: sl_emit_memory_op(e, op); return;
    case SL_OP_kernel_dot: sl_emit_dot(e, op); return;
    case SL_OP_kernel_exp2: sl_emit_set(e, sl_op_result(op, 0), sl_math_exp2(e, sl_emit_get(e, sl_op_operand(op, 0)))); return;
    case SL_OP_kernel_matrix_config: case SL_OP_kernel_matrix_release: case SL_OP_kernel_matrix_zero: case SL_OP_kernel_matrix_load: case SL_OP_kernel_matrix_store:
    case SL_OP_kernel_matrix_dot: sl_emit_matrix_op(e, op); return;
    }
    sl_emit_fail(e, op, NULL, "%s can't be compiled here", sl_op_name(op));
}

void sl_emit_block_ops(sl_emitter *e, sl_block *block) {
    for (sl_op *op = sl_block_first(block); op && !e->failed; op = sl_op_next(op)) {
        if (sl_op_has_trait(op, SL_TRAIT_TERMINATOR)) return;
        sl_op_kind kind = sl_op_get_kind(op);
        if (!strcmp(sl_op_get_info(op)->family, "arith")) sl_emit_arith(e, op);
        else if (e->host) sl_emit_host_op(e, op);
        else if (kind == SL_OP_core_constant) sl_emit_set(e, sl_op_result(op, 0), sl_emit_constant(e, op));
        else sl_emit_kernel_op(e, op);
    }
}

/* ---- functions ---- */

enum { FIXED = 3 };   /* first task, end task, worker number */

bool sl_emit_kernel(sl_emitter *e, sl_op *func, const char *symbol, const uint8_t *shared) {
    sl_block *block = sl_op_body(func, 0);
    int count = sl_block_argument_count(block), buffers = 0;
    while (buffers < count && sl_type_is_buffer(sl_value_type(sl_block_argument(block, buffers)))) ++buffers;
    if (count < buffers + FIXED) {
        sl_emit_fail(e, func, NULL, "a kernel needs the arguments first, end and worker");
        return false;
    }
    int scalars = count - buffers - FIXED;

    LLVMTypeRef *types = SL_NEW_ARRAY(e->arena, LLVMTypeRef, (size_t)count + 2);
    for (int i = 0; i < count; ++i) types[i] = i < buffers ? e->pointer : e->i64;
    types[count] = types[count + 1] = e->pointer;   /* worker, scratch */
    LLVMTypeRef body_type = LLVMFunctionType(e->nothing, types, (unsigned)count + 2, false);
    LLVMValueRef body = LLVMAddFunction(e->module, sl_arena_printf(e->arena, "%s.body", symbol), body_type);
    LLVMSetLinkage(body, LLVMInternalLinkage);
    sl_emit_function_attributes(e, body);
    sl_emit_attribute(e, body, (unsigned)LLVMAttributeFunctionIndex, "noinline", 0);
    for (int i = 0; i < buffers; ++i)
        if (!shared || !(shared[i / 8] >> (i % 8) & 1)) sl_emit_attribute(e, body, (unsigned)i + 1, "noalias", 0);
    sl_emit_attribute(e, body, (unsigned)count + 1, "noalias", 0);
    sl_emit_attribute(e, body, (unsigned)count + 2, "noalias", 0);
    sl_emit_attribute(e, body, (unsigned)count + 2, "align", 64);

    LLVMTypeRef outer_types[5] = {e->pointer, e->pointer, e->i64, e->i64, e->pointer};
    LLVMValueRef outer = LLVMAddFunction(e->module, symbol, LLVMFunctionType(e->nothing, outer_types, 5, false));
    sl_emit_function_attributes(e, outer);
    LLVMPositionBuilderAtEnd(B, LLVMAppendBasicBlockInContext(e->context, outer, "entry"));
    LLVMValueRef *arguments = SL_NEW_ARRAY(e->arena, LLVMValueRef, (size_t)count + 2), worker = LLVMGetParam(outer, 4);
    for (int i = 0; i < buffers; ++i) arguments[i] = LLVMBuildLoad2(B, e->pointer, sl_abi_element(e, e->pointer, LLVMGetParam(outer, 0), i), "");
    for (int i = 0; i < scalars; ++i) arguments[buffers + i] = LLVMBuildLoad2(B, e->i64, sl_abi_element(e, e->i64, LLVMGetParam(outer, 1), i), "");
    arguments[count - 3] = LLVMGetParam(outer, 2);
    arguments[count - 2] = LLVMGetParam(outer, 3);
    arguments[count - 1] = sl_abi_load(e, SL_STRUCT_worker, worker, SL_FIELD_worker_index);
    arguments[count] = worker;
    arguments[count + 1] = sl_abi_load(e, SL_STRUCT_worker, worker, SL_FIELD_worker_scratch);
    LLVMBuildCall2(B, body_type, body, arguments, (unsigned)count + 2, "");
    LLVMBuildRetVoid(B);

    e->function = body;
    e->worker = LLVMGetParam(body, (unsigned)count);
    e->scratch = LLVMGetParam(body, (unsigned)count + 1);
    LLVMPositionBuilderAtEnd(B, LLVMAppendBasicBlockInContext(e->context, body, "entry"));
    for (int i = 0; i < count; ++i) sl_emit_set(e, sl_block_argument(block, i), LLVMGetParam(body, (unsigned)i));
    sl_emit_block_ops(e, block);
    LLVMBuildRetVoid(B);
    return !e->failed;
}
