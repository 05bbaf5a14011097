/* program.c: compiled programs as the host sees them: a table with an owner, and descriptions of inputs and outputs. */
#include "runtime_internal.h"

#include <string.h>

/* code, bits of DLPack's data types; f8 kinds as DLPack 1.1 numbers them */
static const struct { sl_element element; uint8_t code, bits; } dlpack_types[] = {
    {SL_ELEMENT_f64, 2, 64}, {SL_ELEMENT_f32, 2, 32}, {SL_ELEMENT_f16, 2, 16}, {SL_ELEMENT_bf16, 4, 16}, {SL_ELEMENT_f8e4m3, 10, 8},
    {SL_ELEMENT_f8e4m3fnuz, 11, 8}, {SL_ELEMENT_f8e5m2, 12, 8}, {SL_ELEMENT_f8e5m2fnuz, 13, 8}, {SL_ELEMENT_i1, 6, 8}, {SL_ELEMENT_i2, 0, 2},
    {SL_ELEMENT_i4, 0, 4}, {SL_ELEMENT_i8, 0, 8}, {SL_ELEMENT_i16, 0, 16}, {SL_ELEMENT_i32, 0, 32}, {SL_ELEMENT_i64, 0, 64}, {SL_ELEMENT_u2, 1, 2},
    {SL_ELEMENT_u4, 1, 4}, {SL_ELEMENT_u8, 1, 8}, {SL_ELEMENT_u16, 1, 16}, {SL_ELEMENT_u32, 1, 32}, {SL_ELEMENT_u64, 1, 64},
};
enum { DLPACK_TYPES = sizeof dlpack_types / sizeof *dlpack_types };

bool sl_element_from_dlpack(DLDataType type, sl_element *element) {
    for (int i = 0; i < DLPACK_TYPES; i++) {
        if (dlpack_types[i].code == type.code && dlpack_types[i].bits == type.bits && type.lanes == 1) {
            *element = dlpack_types[i].element;
            return true;
        }
    }
    return false;
}

DLDataType sl_element_to_dlpack(sl_element element) {
    for (int i = 0; i < DLPACK_TYPES; i++)
        if (dlpack_types[i].element == element) return (DLDataType){dlpack_types[i].code, dlpack_types[i].bits, 1};
    return (DLDataType){3, 64, 1};   /* opaque handle: strings */
}

int sl_element_memory_bytes(sl_element element) {
    int bits = sl_element_bits(element);
    return bits < 8 ? 1 : bits / 8;
}

sl_status sl_program_create(const sl_program_table *table, const sl_allocator *allocator, void (*release)(void *), void *owner, sluice_program **result) {
    if (table->abi_version != SL_ABI_VERSION)
        return SL_ERROR(SL_INVALID_ARGUMENT, "the program was compiled for runtime interface %u, this runtime has %u: compile it again", table->abi_version, SL_ABI_VERSION);
    sluice_program *program = sl_allocate(allocator, sizeof *program, 16);
    if (!program) return SL_ERROR(SL_OUT_OF_MEMORY, "no memory for a program");
    program->allocator = *allocator;
    program->table = table;
    program->release = release;
    program->owner = owner;
    *result = program;
    return NULL;
}

void sl_program_set_context(sluice_program *program, sluice_context *context) { program->context = context; }

void sluice_program_destroy(sluice_program *program) {
    if (!program) return;
    if (program->release) program->release(program->owner);
    sl_allocator allocator = program->allocator;
    sl_deallocate(&allocator, program, sizeof *program);
}

int32_t sluice_program_input_count(const sluice_program *program) { return program->table->input_count; }
int32_t sluice_program_output_count(const sluice_program *program) { return program->table->output_count; }

static sluice_code describe(const sluice_program *program, const sl_abi_value *values, int32_t count, int32_t index, const char *what,
                            sluice_value_description *description) {
    if (index < 0 || index >= count)
        return sl_host_fail(program->context, SL_ERROR(SL_INVALID_ARGUMENT, "%s number %d asked for; the program has %d", what, index, count));
    const sl_abi_value *value = &values[index];
    *description = (sluice_value_description){value->name, sl_element_to_dlpack((sl_element)value->element), value->rank, value->dims, value->symbols};
    return SLUICE_OK;
}

sluice_code sluice_program_input(const sluice_program *program, int32_t index, sluice_value_description *description) {
    return describe(program, program->table->inputs, program->table->input_count, index, "input", description);
}

sluice_code sluice_program_output(const sluice_program *program, int32_t index, sluice_value_description *description) {
    return describe(program, program->table->outputs, program->table->output_count, index, "output", description);
}

static int32_t find(const sl_abi_value *values, int32_t count, const char *name) {
    for (int32_t i = 0; i < count; i++)
        if (strcmp(values[i].name, name) == 0) return i;
    return -1;
}

int32_t sluice_program_find_input(const sluice_program *program, const char *name) { return find(program->table->inputs, program->table->input_count, name); }
int32_t sluice_program_find_output(const sluice_program *program, const char *name) { return find(program->table->outputs, program->table->output_count, name); }
