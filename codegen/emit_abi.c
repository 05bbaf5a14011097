/* emit_abi.c: LLVM struct types expanded from runtime/abi.def, and access to their fields. */
#include "emit_abi.h"

static int fields_of(sl_emitter *e, sl_abi_struct which, LLVMTypeRef *fields) {
    LLVMTypeRef pointer = e->pointer, i64 = e->i64, i32 = e->i32;
    int count = 0;
    switch (which) {
#define SL_ABI_STRUCT(name) case SL_STRUCT_##name:
#define SL_ABI_FIELD(struct_, kind, name, comment) fields[count++] = kind;
#define SL_ABI_END(name) break;
#include "sluice/abi.def"
#undef SL_ABI_STRUCT
#undef SL_ABI_FIELD
#undef SL_ABI_END
    }
    return count;
}

LLVMTypeRef sl_abi_type(sl_emitter *e, sl_abi_struct which) {
    LLVMTypeRef fields[32];
    int count = fields_of(e, which, fields);
    return LLVMStructTypeInContext(e->context, fields, (unsigned)count, false);
}

LLVMValueRef sl_abi_field_address(sl_emitter *e, sl_abi_struct which, LLVMValueRef pointer, int field) {
    return LLVMBuildStructGEP2(e->builder, sl_abi_type(e, which), pointer, (unsigned)field, "");
}

LLVMValueRef sl_abi_load(sl_emitter *e, sl_abi_struct which, LLVMValueRef pointer, int field) {
    LLVMTypeRef fields[32];
    fields_of(e, which, fields);
    return LLVMBuildLoad2(e->builder, fields[field], sl_abi_field_address(e, which, pointer, field), "");
}

void sl_abi_store(sl_emitter *e, sl_abi_struct which, LLVMValueRef pointer, int field, LLVMValueRef value) {
    LLVMBuildStore(e->builder, value, sl_abi_field_address(e, which, pointer, field));
}

LLVMValueRef sl_abi_element(sl_emitter *e, LLVMTypeRef type, LLVMValueRef pointer, int64_t index) {
    LLVMValueRef at = sl_emit_i64(e, index);
    return LLVMBuildGEP2(e->builder, type, pointer, &at, 1, "");
}
