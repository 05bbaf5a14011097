/* emit_memory.c: loads, stores, gathers, scatters and vector shapes of kernels.
 *
 * Offsets count elements; addresses are plain pointer arithmetic, not `inbounds`, since a base may point outside of its buffer (padding). Alignment is the
 * element's unless the op says more. i1 is a byte in memory. Masked accesses are LLVM's intrinsics, which targets without masks expand into branches. */
#include "emit.h"
#include <string.h>

#define B e->builder

LLVMValueRef sl_emit_address(sl_emitter *e, sl_element element, LLVMValueRef buffer, LLVMValueRef offset) {
    return LLVMBuildGEP2(B, sl_emit_element_memory(e, element), buffer, &offset, 1, "");
}

static LLVMValueRef from_memory(sl_emitter *e, sl_element element, LLVMValueRef value) {
    return element == SL_ELEMENT_i1 ? LLVMBuildICmp(B, LLVMIntNE, value, LLVMConstNull(LLVMTypeOf(value)), "") : value;
}

static LLVMValueRef to_memory(sl_emitter *e, sl_element element, LLVMValueRef value) {
    return element == SL_ELEMENT_i1 ? LLVMBuildZExt(B, value, sl_emit_widen(e->i8, LLVMTypeOf(value)), "") : value;
}

LLVMValueRef sl_emit_load_element(sl_emitter *e, sl_element element, LLVMValueRef address) {
    LLVMValueRef load = LLVMBuildLoad2(B, sl_emit_element_memory(e, element), address, "");
    LLVMSetAlignment(load, (unsigned)sl_emit_element_bytes(element));
    return from_memory(e, element, load);
}

static bool is_all_ones(LLVMValueRef mask) { return !mask || (LLVMIsConstant(mask) && mask == LLVMConstAllOnes(LLVMTypeOf(mask))); }

static LLVMValueRef mask_operand(sl_emitter *e, const sl_op *op, int index) {
    return sl_op_operand_count(op) > index ? sl_emit_get(e, sl_op_operand(op, index)) : NULL;
}

static unsigned alignment(const sl_op *op, sl_element element) {
    int64_t align = sl_op_int(op, "align", sl_emit_element_bytes(element));
    if (align < 1 || align > 4096 || (align & (align - 1))) align = sl_emit_element_bytes(element);
    return (unsigned)align;
}

static LLVMValueRef emit_load(sl_emitter *e, sl_op *op) {
    sl_type type = sl_value_type(sl_op_result(op, 0));
    sl_element element = sl_type_element(type);
    LLVMTypeRef memory = sl_emit_element_memory(e, element);
    if (!memory) return sl_emit_fail(e, op, e->i64, "elements of this type can't be loaded in compiled code");
    LLVMValueRef address = sl_emit_address(e, element, sl_emit_get(e, sl_op_operand(op, 0)), sl_emit_get(e, sl_op_operand(op, 1)));
    unsigned align = alignment(op, element);
    LLVMValueRef mask = mask_operand(e, op, 2);
    if (sl_type_is_vector(type)) memory = LLVMVectorType(memory, (unsigned)sl_type_lanes(type));
    if (is_all_ones(mask)) {
        LLVMValueRef load = LLVMBuildLoad2(B, memory, address, "");
        LLVMSetAlignment(load, align);
        return from_memory(e, element, load);
    }
    LLVMTypeRef types[2] = {memory, e->pointer};
    LLVMValueRef arguments[4] = {address, LLVMConstInt(e->i32, align, false), mask, LLVMConstNull(memory)};
    return from_memory(e, element, sl_emit_intrinsic(e, "llvm.masked.load", 2, types, 4, arguments));
}

static void emit_store(sl_emitter *e, sl_op *op) {
    sl_element element = sl_type_element(sl_value_type(sl_op_operand(op, 0)));
    if (!sl_emit_element_memory(e, element)) {
        sl_emit_fail(e, op, NULL, "elements of this type can't be stored in compiled code");
        return;
    }
    LLVMValueRef value = to_memory(e, element, sl_emit_get(e, sl_op_operand(op, 0)));
    LLVMValueRef address = sl_emit_address(e, element, sl_emit_get(e, sl_op_operand(op, 1)), sl_emit_get(e, sl_op_operand(op, 2)));
    unsigned align = alignment(op, element);
    LLVMValueRef mask = mask_operand(e, op, 3);
    if (is_all_ones(mask)) {
        LLVMSetAlignment(LLVMBuildStore(B, value, address), align);
        return;
    }
    LLVMTypeRef types[2] = {LLVMTypeOf(value), e->pointer};
    sl_emit_intrinsic(e, "llvm.masked.store", 2, types, 4, (LLVMValueRef[]){value, address, LLVMConstInt(e->i32, align, false), mask});
}

static LLVMValueRef addresses(sl_emitter *e, sl_element element, LLVMValueRef buffer, LLVMValueRef offsets) {
    LLVMTypeRef i64s = sl_emit_widen(e->i64, LLVMTypeOf(offsets));
    if (LLVMTypeOf(offsets) != i64s) offsets = LLVMBuildSExt(B, offsets, i64s, "");
    return LLVMBuildGEP2(B, sl_emit_element_memory(e, element), buffer, &offsets, 1, "");
}

static LLVMValueRef emit_gather(sl_emitter *e, sl_op *op) {
    sl_type type = sl_value_type(sl_op_result(op, 0));
    sl_element element = sl_type_element(type);
    int lanes = sl_type_lanes(type);
    LLVMTypeRef memory = LLVMVectorType(sl_emit_element_memory(e, element), (unsigned)lanes), types[2] = {memory, LLVMVectorType(e->pointer, (unsigned)lanes)};
    LLVMValueRef pointers = addresses(e, element, sl_emit_get(e, sl_op_operand(op, 0)), sl_emit_get(e, sl_op_operand(op, 1)));
    LLVMValueRef mask = mask_operand(e, op, 2);
    if (!mask) mask = LLVMConstAllOnes(LLVMVectorType(e->i1, (unsigned)lanes));
    LLVMValueRef arguments[4] = {pointers, LLVMConstInt(e->i32, (unsigned long long)sl_emit_element_bytes(element), false), mask, LLVMConstNull(memory)};
    return from_memory(e, element, sl_emit_intrinsic(e, "llvm.masked.gather", 2, types, 4, arguments));
}

static void emit_scatter(sl_emitter *e, sl_op *op) {
    sl_type type = sl_value_type(sl_op_operand(op, 0));
    sl_element element = sl_type_element(type);
    int lanes = sl_type_lanes(type);
    LLVMValueRef value = to_memory(e, element, sl_emit_get(e, sl_op_operand(op, 0)));
    LLVMValueRef pointers = addresses(e, element, sl_emit_get(e, sl_op_operand(op, 1)), sl_emit_get(e, sl_op_operand(op, 2)));
    LLVMValueRef mask = mask_operand(e, op, 3);
    if (!mask) mask = LLVMConstAllOnes(LLVMVectorType(e->i1, (unsigned)lanes));
    LLVMTypeRef types[2] = {LLVMTypeOf(value), LLVMTypeOf(pointers)};
    LLVMValueRef align = LLVMConstInt(e->i32, (unsigned long long)sl_emit_element_bytes(element), false);
    sl_emit_intrinsic(e, "llvm.masked.scatter", 2, types, 4, (LLVMValueRef[]){value, pointers, align, mask});
}

/* Lanes below n, in lanes as narrow as lets one register hold them all. */
static LLVMValueRef emit_mask(sl_emitter *e, sl_op *op) {
    int lanes = sl_type_lanes(sl_value_type(sl_op_result(op, 0)));
    LLVMValueRef count = sl_emit_get(e, sl_op_operand(op, 0)), most = sl_emit_i64(e, lanes);
    count = sl_emit_intrinsic2(e, "llvm.smin", sl_emit_intrinsic2(e, "llvm.smax", count, sl_emit_i64(e, 0)), most);
    LLVMTypeRef lane = lanes <= 16 ? e->i32 : lanes <= 32 ? e->i16 : lanes <= 64 ? e->i8 : e->i16;
    LLVMValueRef wide = sl_emit_splat(e, LLVMBuildTrunc(B, count, lane, ""), lanes), items[1024];
    if (lanes > 1024) return sl_emit_fail(e, op, LLVMVectorType(e->i1, (unsigned)lanes), "a vector of %d lanes is too wide (most: 1024)", lanes);
    for (int i = 0; i < lanes; ++i) items[i] = LLVMConstInt(lane, (unsigned long long)i, false);
    return LLVMBuildICmp(B, LLVMIntUGT, wide, LLVMConstVector(items, (unsigned)lanes), "");
}

static LLVMValueRef emit_lanes_op(sl_emitter *e, sl_op *op) {
    sl_type type = sl_value_type(sl_op_result(op, 0));
    int lanes = sl_type_lanes(type);
    LLVMTypeRef lane = sl_emit_element(e, sl_type_element(type));
    LLVMValueRef items[1024];
    if (lanes > 1024 || !lane || LLVMGetTypeKind(lane) != LLVMIntegerTypeKind) return sl_emit_fail(e, op, sl_emit_type(e, type), "kernel.lanes can't be made of this type");
    for (int i = 0; i < lanes; ++i) items[i] = LLVMConstInt(lane, (unsigned long long)i, false);
    return LLVMConstVector(items, (unsigned)lanes);
}

/* Lanes `first` to `first + count - 1`. */
static LLVMValueRef part_of(sl_emitter *e, LLVMValueRef value, int first, int count) {
    LLVMValueRef picks[512];
    for (int i = 0; i < count; ++i) picks[i] = LLVMConstInt(e->i32, (unsigned long long)(first + i), false);
    return LLVMBuildShuffleVector(B, value, LLVMGetPoison(LLVMTypeOf(value)), LLVMConstVector(picks, (unsigned)count), "");
}

/* Halving: lane i with lane i + h, h = ceil(n / 2); of an odd count the middle lane waits. The order is part of the op's meaning. */
static LLVMValueRef emit_reduce(sl_emitter *e, sl_op *op) {
    static const struct { const char *name; sl_op_kind kind; } kinds[] = {
        {"sum", SL_OP_arith_add}, {"prod", SL_OP_arith_mul}, {"max", SL_OP_arith_max}, {"min", SL_OP_arith_min}, {"and", SL_OP_arith_and}, {"or", SL_OP_arith_or},
    };
    const char *name = sl_op_string(op, "kind", "");
    sl_type type = sl_value_type(sl_op_operand(op, 0));
    sl_element element = sl_type_element(type);
    LLVMValueRef value = sl_emit_get(e, sl_op_operand(op, 0));
    LLVMTypeRef scalar = sl_emit_element(e, element);
    int lanes = sl_type_lanes(type), kind = -1;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); ++i)
        if (!strcmp(kinds[i].name, name)) kind = (int)kinds[i].kind;
    if (kind < 0 || lanes > 1024 || !scalar) return sl_emit_fail(e, op, scalar ? scalar : e->i64, "kernel.reduce of kind '%s' can't be compiled", name);
    if (!sl_element_is_float(element) && (kind == SL_OP_arith_and || kind == SL_OP_arith_or))
        return sl_emit_intrinsic1(e, kind == SL_OP_arith_and ? "llvm.vector.reduce.and" : "llvm.vector.reduce.or", value);
    while (lanes > 1) {
        int high = lanes / 2, low = lanes - high;
        LLVMValueRef upper = part_of(e, value, low, high), lower = part_of(e, value, 0, high);
        LLVMValueRef sum = sl_emit_binary(e, (sl_op_kind)kind, element, lower, upper);
        if (!sum) return sl_emit_fail(e, op, scalar, "kernel.reduce of kind '%s' can't be compiled for this type", name);
        if (low != high) {   /* put the middle lane behind the sums */
            LLVMValueRef picks[512];
            for (int i = 0; i < low; ++i) picks[i] = LLVMConstInt(e->i32, (unsigned long long)(i < high ? i : 0), false);
            LLVMValueRef grown = LLVMBuildShuffleVector(B, sum, LLVMGetPoison(LLVMTypeOf(sum)), LLVMConstVector(picks, (unsigned)low), "");
            LLVMValueRef middle = LLVMBuildExtractElement(B, value, sl_emit_i64(e, high), "");
            sum = LLVMBuildInsertElement(B, grown, middle, sl_emit_i64(e, low - 1), "");
        }
        value = sum;
        lanes = low;
    }
    return LLVMBuildExtractElement(B, value, sl_emit_i64(e, 0), "");
}

static LLVMValueRef emit_shuffle(sl_emitter *e, sl_op *op) {
    int count;
    const int64_t *picks = sl_op_ints(op, "lanes", &count);
    LLVMValueRef items[1024], a = sl_emit_get(e, sl_op_operand(op, 0)), b = sl_emit_get(e, sl_op_operand(op, 1));
    int limit = 2 * sl_emit_lanes(LLVMTypeOf(a));
    for (int i = 0; i < count; ++i)
        if (count > 1024 || picks[i] >= limit) return sl_emit_fail(e, op, sl_emit_type(e, sl_value_type(sl_op_result(op, 0))), "kernel.shuffle picks a lane that is not there");
    for (int i = 0; i < count; ++i) items[i] = picks[i] < 0 ? LLVMGetPoison(e->i32) : LLVMConstInt(e->i32, (unsigned long long)picks[i], false);
    return LLVMBuildShuffleVector(B, a, b, LLVMConstVector(items, (unsigned)count), "");
}

void sl_emit_memory_op(sl_emitter *e, sl_op *op) {
    sl_value *result = sl_op_result_count(op) ? sl_op_result(op, 0) : NULL;
    LLVMValueRef value = NULL;
    switch ((int)sl_op_get_kind(op)) {
    case SL_OP_kernel_load: value = emit_load(e, op); break;
    case SL_OP_kernel_store: emit_store(e, op); break;
    case SL_OP_kernel_gather: value = emit_gather(e, op); break;
    case SL_OP_kernel_scatter: emit_scatter(e, op); break;
    case SL_OP_kernel_offset: {
        sl_element element = sl_type_element(sl_value_type(sl_op_operand(op, 0)));
        value = sl_emit_address(e, element, sl_emit_get(e, sl_op_operand(op, 0)), sl_emit_get(e, sl_op_operand(op, 1)));
        break;
    }
    case SL_OP_kernel_splat: value = sl_emit_splat(e, sl_emit_get(e, sl_op_operand(op, 0)), sl_type_lanes(sl_value_type(result))); break;
    case SL_OP_kernel_lanes: value = emit_lanes_op(e, op); break;
    case SL_OP_kernel_mask: value = emit_mask(e, op); break;
    case SL_OP_kernel_reduce: value = emit_reduce(e, op); break;
    case SL_OP_kernel_extract:
        value = LLVMBuildExtractElement(B, sl_emit_get(e, sl_op_operand(op, 0)), sl_emit_get(e, sl_op_operand(op, 1)), "");
        break;
    case SL_OP_kernel_insert:
        value = LLVMBuildInsertElement(B, sl_emit_get(e, sl_op_operand(op, 0)), sl_emit_get(e, sl_op_operand(op, 1)), sl_emit_get(e, sl_op_operand(op, 2)), "");
        break;
    case SL_OP_kernel_shuffle: value = emit_shuffle(e, op); break;
    case SL_OP_kernel_prefetch: {
        sl_element element = sl_type_element(sl_value_type(sl_op_operand(op, 0)));
        LLVMValueRef address = sl_emit_address(e, element, sl_emit_get(e, sl_op_operand(op, 0)), sl_emit_get(e, sl_op_operand(op, 1)));
        int64_t level = sl_op_int(op, "level", 1), locality = level <= 1 ? 3 : level == 2 ? 2 : 1;
        LLVMValueRef arguments[4] = {address, LLVMConstInt(e->i32, 0, false), LLVMConstInt(e->i32, (unsigned long long)locality, false), LLVMConstInt(e->i32, 1, false)};
        sl_emit_intrinsic(e, "llvm.prefetch", 1, &e->pointer, 4, arguments);
        break;
    }
    }
    if (result) sl_emit_set(e, result, value);
}
