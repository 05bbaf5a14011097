/* emit_matrix.c: the kernel ops on matrix tiles, by AMX's intrinsics with tile registers given by number: nothing is allocated, moved or spilled by LLVM, and configurations stay where the
 * kernel put them. The configuration is 64 bytes on the stack: palette 1, bytes a row of each tile (16 bits each, from 16 on), rows (8 bits each, from 48 on). */
#include "emit.h"
#include <string.h>

#define B e->builder

static LLVMValueRef number(sl_emitter *e, const sl_op *op, const char *name) { return LLVMConstInt(e->i8, (unsigned long long)sl_op_int(op, name, 0), false); }

static void call(sl_emitter *e, const char *name, int count, LLVMValueRef *arguments) { sl_emit_intrinsic(e, name, 0, NULL, count, arguments); }

static void store_at(sl_emitter *e, LLVMValueRef base, int64_t offset, LLVMValueRef value) {
    LLVMValueRef at = sl_emit_i64(e, offset);
    LLVMSetAlignment(LLVMBuildStore(B, value, LLVMBuildGEP2(B, e->i8, base, &at, 1, "")), 1);
}

static void emit_config(sl_emitter *e, sl_op *op) {
    int count;
    const int64_t *rows = sl_op_ints(op, "rows", &count), *bytes = sl_op_ints(op, "bytes", &count);
    LLVMTypeRef line = LLVMVectorType(e->i8, 64);
    LLVMBasicBlockRef here = LLVMGetInsertBlock(B), entry = LLVMGetEntryBasicBlock(e->function);
    if (LLVMGetFirstInstruction(entry)) LLVMPositionBuilderBefore(B, LLVMGetFirstInstruction(entry));
    LLVMValueRef slot = LLVMBuildAlloca(B, line, "tiles");
    LLVMSetAlignment(slot, 64);
    LLVMPositionBuilderAtEnd(B, here);
    LLVMValueRef lanes[64];
    for (int i = 0; i < 64; ++i) lanes[i] = LLVMConstInt(e->i8, 0, false);
    lanes[0] = LLVMConstInt(e->i8, 1, false);
    for (int i = 0; i < 8; ++i) lanes[16 + 2 * i] = LLVMConstInt(e->i8, (unsigned long long)bytes[i], false), lanes[48 + i] = LLVMConstInt(e->i8, (unsigned long long)rows[i], false);
    LLVMSetAlignment(LLVMBuildStore(B, LLVMConstVector(lanes, 64), slot), 64);
    if (sl_op_operand_count(op)) {
        LLVMValueRef given = LLVMBuildTrunc(B, sl_emit_get(e, sl_op_operand(op, 0)), e->i8, "");
        for (int i = 0; i < 8; ++i)
            if (rows[i] == 0) store_at(e, slot, 48 + i, given);
    }
    call(e, "llvm.x86.ldtilecfg", 1, &slot);
}

static void emit_access(sl_emitter *e, sl_op *op, const char *name) {
    sl_element element = sl_type_element(sl_value_type(sl_op_operand(op, 0)));
    LLVMValueRef address = sl_emit_address(e, element, sl_emit_get(e, sl_op_operand(op, 0)), sl_emit_get(e, sl_op_operand(op, 1)));
    LLVMValueRef stride = LLVMBuildMul(B, sl_emit_get(e, sl_op_operand(op, 2)), sl_emit_i64(e, sl_emit_element_bytes(element)), "");
    call(e, name, 3, (LLVMValueRef[]){number(e, op, "tile"), address, stride});
}

static void emit_dot(sl_emitter *e, sl_op *op) {
    static const struct { const char *kind, *name, *feature; } kinds[] = {
        {"bf16", "llvm.x86.tdpbf16ps", "amx-bf16"}, {"s8s8", "llvm.x86.tdpbssd", "amx-int8"}, {"s8u8", "llvm.x86.tdpbsud", "amx-int8"},
        {"u8s8", "llvm.x86.tdpbusd", "amx-int8"}, {"u8u8", "llvm.x86.tdpbuud", "amx-int8"},
    };
    const char *kind = sl_op_string(op, "kind", "");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); ++i) {
        if (strcmp(kinds[i].kind, kind)) continue;
        if (!sl_emit_has(e, kinds[i].feature)) break;
        call(e, kinds[i].name, 3, (LLVMValueRef[]){number(e, op, "sum"), number(e, op, "left"), number(e, op, "right")});
        return;
    }
    sl_emit_fail(e, op, NULL, "kernel.matrix_dot of %s can't be compiled for this machine: it takes amx-%s", kind, !strcmp(kind, "bf16") ? "bf16" : "int8");
}

void sl_emit_matrix_op(sl_emitter *e, sl_op *op) {
    if (!sl_emit_has(e, "amx-tile")) {
        sl_emit_fail(e, op, NULL, "%s can't be compiled for this machine: it takes amx-tile", sl_op_name(op));
        return;
    }
    switch ((int)sl_op_get_kind(op)) {
    case SL_OP_kernel_matrix_config: emit_config(e, op); return;
    case SL_OP_kernel_matrix_release: call(e, "llvm.x86.tilerelease", 0, NULL); return;
    case SL_OP_kernel_matrix_load: emit_access(e, op, "llvm.x86.tileloadd64"); return;
    case SL_OP_kernel_matrix_store: emit_access(e, op, "llvm.x86.tilestored64"); return;
    case SL_OP_kernel_matrix_dot: emit_dot(e, op); return;
    case SL_OP_kernel_matrix_zero: {
        LLVMValueRef tile = number(e, op, "tile");
        call(e, "llvm.x86.tilezero", 1, &tile);
        return;
    }
    }
}
