/* emit_value.c: types, constants, value map and small helpers of emission. See emit.h for how IR values look in registers and memory. */
#include "emit.h"
#include <stdio.h>
#include <string.h>

static bool feature(const sl_machine *machine, const char *name) {
    size_t length = strlen(name);
    for (const char *at = machine->features; *at;) {
        size_t part = strcspn(at, ",");
        if (part == length + 1 && *at == '+' && !memcmp(at + 1, name, length)) return true;
        at += part + (at[part] == ',');
    }
    return false;
}

bool sl_emit_has(const sl_emitter *e, const char *name) { return feature(e->machine, name); }

static void dispose_builder(void *slot) {
    LLVMBuilderRef *builder = slot;
    if (*builder) LLVMDisposeBuilder(*builder);
}

void sl_emitter_open(sl_emitter *e, sl_arena *arena, const sl_machine *machine, LLVMContextRef context, const char *name) {
    memset(e, 0, sizeof(*e));
    e->arena = arena;
    e->machine = machine;
    e->is_aarch64 = !strncmp(machine->triple, "aarch64", 7);
    e->has_fma = e->is_aarch64 || feature(machine, "fma");
    e->has_f16c = e->is_aarch64 || feature(machine, "f16c");
    e->has_avx512 = feature(machine, "avx512f") && feature(machine, "avx512vl");
    /* Running out of memory while emitting leaves by a jump: the arena then frees the builder. */
    e->owned_builder = SL_NEW(arena, LLVMBuilderRef);
    sl_arena_on_destroy(arena, dispose_builder, e->owned_builder);
    e->context = context;
    e->module = LLVMModuleCreateWithNameInContext(name, context);
    LLVMSetTarget(e->module, machine->triple);
    e->builder = *e->owned_builder = LLVMCreateBuilderInContext(context);
    e->i1 = LLVMInt1TypeInContext(context);
    e->i8 = LLVMInt8TypeInContext(context);
    e->i16 = LLVMInt16TypeInContext(context);
    e->i32 = LLVMInt32TypeInContext(context);
    e->i64 = LLVMInt64TypeInContext(context);
    e->f32 = LLVMFloatTypeInContext(context);
    e->f64 = LLVMDoubleTypeInContext(context);
    e->pointer = LLVMPointerTypeInContext(context, 0);
    e->nothing = LLVMVoidTypeInContext(context);
}

void sl_emitter_close(sl_emitter *e) {
    LLVMDisposeBuilder(e->builder);
    e->builder = *e->owned_builder = NULL;
}

/* ---- types ---- */

LLVMTypeRef sl_emit_element(sl_emitter *e, sl_element element) {
    switch (element) {
    case SL_ELEMENT_f64: return e->f64;
    case SL_ELEMENT_f32: return e->f32;
    case SL_ELEMENT_f16: case SL_ELEMENT_bf16: case SL_ELEMENT_i16: case SL_ELEMENT_u16: return e->i16;
    case SL_ELEMENT_f8e4m3: case SL_ELEMENT_f8e5m2: case SL_ELEMENT_f8e4m3fnuz: case SL_ELEMENT_f8e5m2fnuz:
    case SL_ELEMENT_i2: case SL_ELEMENT_i4: case SL_ELEMENT_i8: case SL_ELEMENT_u2: case SL_ELEMENT_u4: case SL_ELEMENT_u8: return e->i8;
    case SL_ELEMENT_i32: case SL_ELEMENT_u32: return e->i32;
    case SL_ELEMENT_i64: case SL_ELEMENT_u64: return e->i64;
    case SL_ELEMENT_i1: return e->i1;
    case SL_ELEMENT_str: case SL_ELEMENT_COUNT: break;
    }
    return NULL;
}

LLVMTypeRef sl_emit_element_memory(sl_emitter *e, sl_element element) { return element == SL_ELEMENT_i1 ? e->i8 : sl_emit_element(e, element); }

int64_t sl_emit_element_bytes(sl_element element) {
    int bits = sl_element_bits(element);
    return bits < 8 ? 1 : bits / 8;
}

LLVMTypeRef sl_emit_type(sl_emitter *e, sl_type type) {
    switch (sl_type_get_kind(type)) {
    case SL_TYPE_SCALAR: return sl_emit_element(e, sl_type_element(type));
    case SL_TYPE_VECTOR: {
        LLVMTypeRef element = sl_emit_element(e, sl_type_element(type));
        return element ? LLVMVectorType(element, (unsigned)sl_type_lanes(type)) : NULL;
    }
    case SL_TYPE_BUFFER: return e->pointer;
    case SL_TYPE_TENSOR: return e->pointer;   /* constants of host code */
    case SL_TYPE_PARTITION: case SL_TYPE_LIST: case SL_TYPE_OPTIONAL: case SL_TYPE_TOKEN: break;
    }
    return NULL;
}

int sl_emit_lanes(LLVMTypeRef type) { return LLVMGetTypeKind(type) == LLVMVectorTypeKind ? (int)LLVMGetVectorSize(type) : 0; }
LLVMTypeRef sl_emit_scalar_of(LLVMTypeRef type) { return sl_emit_lanes(type) ? LLVMGetElementType(type) : type; }

LLVMTypeRef sl_emit_widen(LLVMTypeRef scalar, LLVMTypeRef like) {
    int lanes = sl_emit_lanes(like);
    return lanes ? LLVMVectorType(scalar, (unsigned)lanes) : scalar;
}

/* ---- values ---- */

LLVMValueRef sl_emit_get(sl_emitter *e, const sl_value *value) {
    LLVMValueRef found = e->values[sl_value_id(value)];
    if (found) return found;
    e->failed = true;   /* a value whose op failed, or one that the verifier should have refused */
    LLVMTypeRef type = sl_emit_type(e, sl_value_type(value));
    return LLVMGetPoison(type ? type : e->i64);
}

void sl_emit_set(sl_emitter *e, const sl_value *value, LLVMValueRef llvm) { e->values[sl_value_id(value)] = llvm; }

LLVMValueRef sl_emit_fail(sl_emitter *e, const sl_op *op, LLVMTypeRef type, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char text[512];
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    sl_op_report(op, SL_SEVERITY_ERROR, "%s", text);
    e->failed = true;
    return type ? LLVMGetPoison(type) : NULL;
}

static LLVMValueRef repeat(LLVMTypeRef type, LLVMValueRef scalar) {
    int lanes = sl_emit_lanes(type);
    if (!lanes) return scalar;
    LLVMValueRef items[1024];
    if (lanes > 1024) lanes = 1024;   /* the verifier allows no wider vectors */
    for (int i = 0; i < lanes; ++i) items[i] = scalar;
    return LLVMConstVector(items, (unsigned)lanes);
}

LLVMValueRef sl_emit_int(LLVMTypeRef type, int64_t value) { return repeat(type, LLVMConstInt(sl_emit_scalar_of(type), (unsigned long long)value, true)); }
LLVMValueRef sl_emit_float(LLVMTypeRef type, double value) { return repeat(type, LLVMConstReal(sl_emit_scalar_of(type), value)); }
LLVMValueRef sl_emit_i64(sl_emitter *e, int64_t value) { return LLVMConstInt(e->i64, (unsigned long long)value, true); }

LLVMValueRef sl_emit_splat(sl_emitter *e, LLVMValueRef scalar, int lanes) {
    if (!lanes) return scalar;
    LLVMTypeRef type = LLVMVectorType(LLVMTypeOf(scalar), (unsigned)lanes);
    if (LLVMIsConstant(scalar)) return repeat(type, scalar);
    LLVMValueRef one = LLVMBuildInsertElement(e->builder, LLVMGetPoison(type), scalar, LLVMConstInt(e->i64, 0, false), "");
    return LLVMBuildShuffleVector(e->builder, one, LLVMGetPoison(type), LLVMConstNull(LLVMVectorType(e->i32, (unsigned)lanes)), "");
}

LLVMValueRef sl_emit_string(sl_emitter *e, const char *text) {
    LLVMValueRef data = LLVMConstStringInContext(e->context, text, (unsigned)strlen(text), false);
    LLVMValueRef global = LLVMAddGlobal(e->module, LLVMTypeOf(data), "text");
    LLVMSetInitializer(global, data);
    LLVMSetLinkage(global, LLVMPrivateLinkage);
    LLVMSetGlobalConstant(global, true);
    LLVMSetUnnamedAddress(global, LLVMGlobalUnnamedAddr);
    LLVMSetAlignment(global, 1);
    return global;
}

/* Element `index` of constant data in its register form, bit for bit (NaN payloads included). */
static LLVMValueRef constant_element(sl_emitter *e, sl_attr data, int64_t index) {
    sl_element element = sl_type_element(sl_attr_get_type(data));
    int64_t at = sl_attr_data_is_splat(data) ? 0 : index;
    const uint8_t *bytes = sl_attr_data_bytes(data);
    if (element == SL_ELEMENT_f64 || element == SL_ELEMENT_f32) {
        int size = element == SL_ELEMENT_f64 ? 8 : 4;
        uint64_t bits = 0;
        memcpy(&bits, bytes + at * size, (size_t)size);
        return LLVMConstBitCast(LLVMConstInt(size == 8 ? e->i64 : e->i32, bits, false), size == 8 ? e->f64 : e->f32);
    }
    if (sl_element_is_float(element)) {
        int size = sl_element_bits(element) / 8;
        uint64_t bits = 0;
        memcpy(&bits, bytes + at * size, (size_t)size);
        return LLVMConstInt(sl_emit_element(e, element), bits, false);
    }
    return LLVMConstInt(sl_emit_element(e, element), (unsigned long long)sl_attr_data_int(data, index), true);
}

LLVMValueRef sl_emit_constant(sl_emitter *e, const sl_op *op) {
    sl_type type = sl_value_type(sl_op_result(op, 0));
    sl_attr data = sl_op_attr(op, "value");
    LLVMTypeRef llvm = sl_emit_type(e, type);
    if (!llvm || sl_type_element(sl_attr_get_type(data)) == SL_ELEMENT_str) return sl_emit_fail(op ? e : e, op, e->i64, "constants of this type can't be compiled");
    if (sl_type_is_scalar(type)) return constant_element(e, data, 0);
    int lanes = sl_type_lanes(type);
    LLVMValueRef items[1024];
    if (lanes > 1024) return sl_emit_fail(e, op, llvm, "a vector of %d lanes is too wide (most: 1024)", lanes);
    bool single = sl_attr_data_is_splat(data) || sl_type_is_scalar(sl_attr_get_type(data)) || sl_type_static_count(sl_attr_get_type(data)) == 1;
    for (int i = 0; i < lanes; ++i) items[i] = constant_element(e, data, single ? 0 : i);
    return LLVMConstVector(items, (unsigned)lanes);
}

/* ---- helpers ---- */

LLVMValueRef sl_emit_intrinsic(sl_emitter *e, const char *name, int type_count, LLVMTypeRef *types, int count, LLVMValueRef *arguments) {
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    LLVMValueRef function = LLVMGetIntrinsicDeclaration(e->module, id, types, (size_t)type_count);
    return LLVMBuildCall2(e->builder, LLVMIntrinsicGetType(e->context, id, types, (size_t)type_count), function, arguments, (unsigned)count, "");
}

LLVMValueRef sl_emit_intrinsic1(sl_emitter *e, const char *name, LLVMValueRef a) {
    LLVMTypeRef type = LLVMTypeOf(a);
    return sl_emit_intrinsic(e, name, 1, &type, 1, &a);
}

LLVMValueRef sl_emit_intrinsic2(sl_emitter *e, const char *name, LLVMValueRef a, LLVMValueRef b) {
    LLVMTypeRef type = LLVMTypeOf(a);
    LLVMValueRef arguments[2] = {a, b};
    return sl_emit_intrinsic(e, name, 1, &type, 2, arguments);
}

void sl_emit_attribute(sl_emitter *e, LLVMValueRef function, unsigned index, const char *name, uint64_t value) {
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    LLVMAddAttributeAtIndex(function, index, LLVMCreateEnumAttribute(e->context, kind, value));
}

static void text_attribute(sl_emitter *e, LLVMValueRef function, const char *name, const char *value) {
    LLVMAddAttributeAtIndex(function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
                            LLVMCreateStringAttribute(e->context, name, (unsigned)strlen(name), value, (unsigned)strlen(value)));
}

void sl_emit_function_attributes(sl_emitter *e, LLVMValueRef function) {
    sl_emit_attribute(e, function, (unsigned)LLVMAttributeFunctionIndex, "nounwind", 0);
    text_attribute(e, function, "target-cpu", e->machine->cpu);
    if (e->machine->tune && *e->machine->tune) text_attribute(e, function, "tune-cpu", e->machine->tune);
    text_attribute(e, function, "target-features", e->machine->features);
    text_attribute(e, function, "no-builtins", "");
}

LLVMBasicBlockRef sl_emit_block(sl_emitter *e, const char *name) {
    LLVMValueRef function = LLVMGetBasicBlockParent(LLVMGetInsertBlock(e->builder));
    return LLVMAppendBasicBlockInContext(e->context, function, name);
}
