/* emit_abi.h: the structs of runtime/abi.def as LLVM struct types, with an index for each field; layouts can't drift from the C side. */
#ifndef SLUICE_EMIT_ABI_H
#define SLUICE_EMIT_ABI_H

#include "emit.h"

#define SL_ABI_STRUCT(name) enum {
#define SL_ABI_FIELD(struct_, kind, name, comment) SL_FIELD_##struct_##_##name,
#define SL_ABI_END(name) SL_FIELDS_##name };
#include "sluice/abi.def"
#undef SL_ABI_STRUCT
#undef SL_ABI_FIELD
#undef SL_ABI_END

typedef enum sl_abi_struct {
#define SL_ABI_STRUCT(name) SL_STRUCT_##name,
#define SL_ABI_FIELD(struct_, kind, name, comment)
#define SL_ABI_END(name)
#include "sluice/abi.def"
#undef SL_ABI_STRUCT
#undef SL_ABI_FIELD
#undef SL_ABI_END
} sl_abi_struct;

LLVMTypeRef sl_abi_type(sl_emitter *e, sl_abi_struct which);
LLVMValueRef sl_abi_field_address(sl_emitter *e, sl_abi_struct which, LLVMValueRef pointer, int field);
LLVMValueRef sl_abi_load(sl_emitter *e, sl_abi_struct which, LLVMValueRef pointer, int field);
void sl_abi_store(sl_emitter *e, sl_abi_struct which, LLVMValueRef pointer, int field, LLVMValueRef value);
/* Element `index` of an array of structs, of pointers or of integers. */
LLVMValueRef sl_abi_element(sl_emitter *e, LLVMTypeRef type, LLVMValueRef pointer, int64_t index);

#endif
