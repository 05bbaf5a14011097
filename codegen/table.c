/* table.c: descriptions of inputs, outputs and launch sites for the runtime, and constants in the form that kernels read: 64-byte aligned, one splat element
 * written out, sub-byte integers a byte each. */
#include "table.h"
#include <string.h>

static const char *name_of(sl_arena *arena, const sl_op *func, const char *list, int index, const char *otherwise) {
    sl_attr names = sl_op_attr(func, list);
    if (names && index < sl_attr_count(names)) return sl_arena_strdup(arena, sl_attr_get_string(sl_attr_item(names, index)));
    return sl_arena_printf(arena, "%s%d", otherwise, index);
}

static void describe(sl_arena *arena, sl_abi_value *value, sl_type type) {
    value->element = (int32_t)sl_type_element(type);
    value->rank = sl_type_is_ranked(type) ? sl_type_rank(type) : -1;
    size_t rank = value->rank > 0 ? (size_t)value->rank : 0;
    int64_t *dims = SL_NEW_ARRAY(arena, int64_t, rank + 1);
    const char **symbols = SL_NEW_ARRAY(arena, const char *, rank + 1);
    for (size_t d = 0; d < rank; ++d) {
        dims[d] = sl_type_static_dim(type, (int)d);
        if (dims[d] >= 0) continue;
        sl_text text;
        sl_text_init(&text, arena);
        sl_expr_print(&text, sl_type_dim(type, (int)d));
        symbols[d] = text.data;
    }
    value->dims = dims;
    value->symbols = symbols;
}

/* The one alloc of an output says most about its shape; with several (branches), or none, what the model declared. */
static sl_type output_type(const sl_host *host, int index) {
    sl_type found = NULL;
    int count = 0;
    for (size_t i = 0; i < host->allocs.count; ++i)
        if (sl_op_int(host->allocs.data[i], "output", -1) == index) found = sl_value_type(sl_op_result(host->allocs.data[i], 0)), ++count;
    sl_attr declared = sl_op_attr(host->func, "output_types");
    if (count != 1 && declared && index < sl_attr_count(declared)) return sl_attr_get_type(sl_attr_item(declared, index));
    return found;
}

static int64_t weight_bytes(const sl_op *launch) {
    sl_attr bytes = sl_op_attr(launch, "bytes");
    int64_t known;
    if (bytes) return sl_expr_is_const(sl_attr_get_expr(bytes), &known) ? known : -1;
    int64_t total = 0;
    for (int i = 0; i < sl_op_operand_count(launch); ++i) {
        const sl_value *value = sl_op_operand(launch, i);
        const sl_op *op = sl_value_op(value);
        while (op && sl_op_get_kind(op) == SL_OP_kernel_view) op = sl_value_op(value = sl_op_operand(op, 0));
        int64_t count = sl_type_static_count(sl_value_type(value));
        if (op && sl_op_get_kind(op) == SL_OP_core_constant && count > 0) total += count / sl_op_int(op, "stack", 1) * sl_emit_element_bytes(sl_type_element(sl_value_type(value)));
    }
    return total;
}

static const void *constant_memory(sl_arena *arena, sl_attr data, bool borrow, sl_compiled_constant *constant, sl_status *status) {
    sl_type type = sl_attr_get_type(data);
    sl_element element = sl_type_element(type);
    const uint8_t *bytes = sl_attr_data_bytes(data);
    int64_t count = sl_type_static_count(type), each = sl_emit_element_bytes(element), size;
    if (element == SL_ELEMENT_str || count < 0 || !sl_size_mul(count, each, &size)) {
        *status = SL_ERROR(SL_UNSUPPORTED, "a constant of this type can't be part of a compiled program");
        return NULL;
    }
    *constant = (sl_compiled_constant){size, !sl_element_is_float(element)};
    bool splat = sl_attr_data_is_splat(data), packed = sl_element_bits(element) < 8;
    if (borrow && !splat && !packed && (uintptr_t)bytes % 64 == 0) return bytes;
    uint8_t *memory = sl_arena_alloc_aligned(arena, size > 0 ? (size_t)size : 1, 64);
    if (packed)
        for (int64_t i = 0; i < count; ++i) memory[i] = (uint8_t)sl_attr_data_int(data, i);
    else if (splat)
        for (int64_t i = 0; i < count; ++i) memcpy(memory + i * each, bytes, (size_t)each);
    else memcpy(memory, bytes, (size_t)size);
    return memory;
}

sl_status sl_table_make(sl_arena *arena, const sl_host *host, int64_t scratch_bytes, bool borrow, sl_compiled *compiled) {
    const sl_op *func = host->func;
    sl_block *block = sl_op_body(func, 0);
    int inputs = sl_block_argument_count(block), outputs = host->output_count;
    sl_attr output_names = sl_op_attr(func, "output_names");
    if (output_names && sl_attr_count(output_names) > outputs) outputs = sl_attr_count(output_names);
    sl_abi_value *values = SL_NEW_ARRAY(arena, sl_abi_value, (size_t)(inputs + outputs) + 1);
    for (int i = 0; i < inputs; ++i) {
        values[i].name = name_of(arena, func, "input_names", i, "input");
        describe(arena, &values[i], sl_value_type(sl_block_argument(block, i)));
    }
    for (int i = 0; i < outputs; ++i) {
        sl_type type = output_type(host, i);
        values[inputs + i].name = name_of(arena, func, "output_names", i, "output");
        if (!type) return SL_ERROR(SL_INTERNAL, "program output %d ('%s') is never written", i, values[inputs + i].name);
        describe(arena, &values[inputs + i], type);
    }
    sl_abi_kernel *kernels = SL_NEW_ARRAY(arena, sl_abi_kernel, host->launches.count + 1);
    for (size_t i = 0; i < host->launches.count; ++i) {
        sl_text text;
        sl_text_init(&text, arena);
        sl_loc_describe(&text, sl_op_loc(host->launches.data[i]));
        kernels[i].name = sl_arena_strdup(arena, sl_op_string(host->launches.data[i], "callee", ""));
        kernels[i].location = text.data ? text.data : "";
        kernels[i].weight_bytes = weight_bytes(host->launches.data[i]);
        kernels[i].branch = host->sites.data[i].branch;
        kernels[i].products = sl_op_bool(host->launches.data[i], "products", false);
        kernels[i].conditional = host->sites.data[i].conditional;
    }
    sl_abi_branch *branches = SL_NEW_ARRAY(arena, sl_abi_branch, host->branches.count + 1);
    for (size_t i = 0; i < host->branches.count; ++i) {
        sl_text text;
        sl_text_init(&text, arena);
        sl_loc_describe(&text, sl_op_loc(host->branches.data[i].op));
        branches[i].location = text.data ? text.data : "";
        branches[i].index = host->branches.data[i].index;
        branches[i].parent = host->branches.data[i].parent;
    }
    const void **constants = SL_NEW_ARRAY(arena, const void *, host->constants.count + 1);
    sl_compiled_constant *described = SL_NEW_ARRAY(arena, sl_compiled_constant, host->constants.count + 1);
    sl_status status = NULL;
    for (size_t i = 0; i < host->constants.count && !status; ++i) constants[i] = constant_memory(arena, host->constants.data[i], borrow, &described[i], &status);
    if (status) return status;

    sl_program_table *table = SL_NEW(arena, sl_program_table);
    table->abi_version = SL_ABI_VERSION;
    table->input_count = inputs;
    table->output_count = outputs;
    table->symbol_count = (int32_t)(host->symbols.count + host->slots.count);
    table->constant_count = (int32_t)host->constants.count;
    table->kernel_count = (int32_t)host->launches.count;
    table->dynamic_slot_count = host->dynamic_slots + host->call_slots;
    table->scratch_bytes = scratch_bytes;
    table->queue_launches = host->queue_launches;
    table->queue_words = host->queue_words;
    table->inputs = values;
    table->outputs = values + inputs;
    table->kernels = kernels;
    table->branches = branches;
    table->branch_count = (int32_t)host->branches.count;
    table->constants = (void *const *)constants;
    compiled->table = table;
    compiled->constants = described;
    return NULL;
}
