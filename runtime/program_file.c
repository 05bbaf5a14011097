/* program_file.c: program files to programs: mapped, verified, described; see program_file.h. Needs no compiler.
 *
 * A file is hostile until its checksums are right, and read with bounds all the same: every offset, count and text is checked against the section that it is in.
 * Constants stay in the mapping; code is copied to pages of its own. */
#include "runtime_internal.h"
#include "sluice/machine.h"
#include "sluice/program_file.h"

#include <string.h>

static sl_status damaged(const char *what) { return SL_ERROR(SL_INVALID_MODEL, "the program file is damaged: %s", what); }

/* ---- reading meta: after the first thing that does not fit everything is zero ---- */

typedef struct cursor { const uint8_t *at, *end; bool failed; } cursor;

static int64_t read_int(cursor *c) {
    uint64_t value = 0;
    if (c->end - c->at < 8) c->failed = true;
    if (c->failed) return 0;
    memcpy(&value, c->at, 8);
    c->at += 8;
    return (int64_t)value;
}

static const char *read_text(cursor *c) {
    int64_t length = read_int(c);
    if (c->failed || length < 0 || length >= c->end - c->at || c->at[length] != 0 || strlen((const char *)c->at) != (size_t)length) {
        c->failed = true;
        return "";
    }
    const char *text = (const char *)c->at;
    c->at += length + 1;
    return text;
}

/* A count of things that take at least 8 bytes of meta each. */
static int64_t read_count(cursor *c) {
    int64_t count = read_int(c);
    if (count < 0 || count > (c->end - c->at) / 8 || count > INT32_MAX) c->failed = true;
    return c->failed ? 0 : count;
}

static int32_t read_small(cursor *c) {
    int64_t value = read_int(c);
    if (value != (int32_t)value) c->failed = true;
    return c->failed ? 0 : (int32_t)value;
}

/* ---- opening ---- */

uint32_t sl_program_interface(void) {
    uint64_t hash = 1;
    for (int i = 0; i < sl_routine_count(); i++) hash = sl_hash_bytes(sl_routine_name(i), strlen(sl_routine_name(i)), hash);
    for (int i = 0; i < SL_ELEMENT_COUNT; i++) hash = sl_hash_bytes(sl_element_name((sl_element)i), strlen(sl_element_name((sl_element)i)), hash);
    return (uint32_t)(hash ^ hash >> 32);
}

static sl_status check_header(const sl_program_file *file) {
    const sl_program_file_header *header = file->header;
    if (file->size < (int64_t)sizeof *header) return damaged("it is too short");
    if (memcmp(header->magic, SL_PROGRAM_FILE_MAGIC, sizeof header->magic)) return SL_ERROR(SL_INVALID_MODEL, "this is no compiled program");
    if (sl_checksum_of(header, sizeof *header - 8) != header->checksum) return damaged("its header's checksum is wrong");
    if (header->version != SL_PROGRAM_FILE_VERSION || header->abi_version != SL_ABI_VERSION)
        return SL_ERROR(SL_UNSUPPORTED, "the program file is of version %u for runtime interface %u; this runtime reads %u and %u: compile the model again", header->version,
                        header->abi_version, SL_PROGRAM_FILE_VERSION, SL_ABI_VERSION);
    if (header->interface != sl_program_interface())
        return SL_ERROR(SL_UNSUPPORTED, "the program file was written for a runtime with other routines or element types: compile the model again");
    if (header->file_size != (uint64_t)file->size) return damaged("its length is wrong");
    for (int i = 0; i < SL_SECTION_COUNT; i++) {
        const sl_program_file_section *section = &header->sections[i];
        if (section->offset % 64 || section->size % 64 || section->offset > header->file_size || section->size > header->file_size - section->offset)
            return damaged("a section lies outside of it");
    }
    return NULL;
}

static sl_status check_section(const sl_program_file *file, int index, const char *name) {
    const sl_program_file_section *section = &file->header->sections[index];
    if (sl_checksum_of(file->data + section->offset, (size_t)section->size) == section->checksum) return NULL;
    return SL_ERROR(SL_INVALID_MODEL, "the program file is damaged: the checksum of its %s is wrong", name);
}

static cursor meta_cursor(const sl_program_file *file) {
    const sl_program_file_section *meta = &file->header->sections[SL_SECTION_META];
    return (cursor){file->data + meta->offset, file->data + meta->offset + meta->size, false};
}

static sl_status open_file(sl_program_file *file, const char *path) {
    if (path) SL_TRY(sl_file_map(file->arena, path, &file->data, &file->size));
    file->header = (const sl_program_file_header *)file->data;
    SL_TRY(check_header(file));
    SL_TRY(check_section(file, SL_SECTION_META, "descriptions"));
    cursor c = meta_cursor(file);
    sl_program_origin *origin = &file->origin;
    origin->compiler = read_text(&c);
    origin->triple = read_text(&c);
    origin->features = read_text(&c);
    origin->key = read_text(&c);
    origin->diagnostics = read_text(&c);
    origin->source_count = read_count(&c);
    sl_program_source *sources = SL_NEW_ARRAY(file->arena, sl_program_source, (size_t)origin->source_count + 1);
    for (int64_t i = 0; i < origin->source_count; i++) {
        sources[i].path = read_text(&c);
        sources[i].identity = read_text(&c);
    }
    origin->sources = sources;
    file->at = c.at;
    return c.failed ? damaged("its descriptions do not fit together") : NULL;
}

sl_status sl_program_file_open(const sl_allocator *allocator, const char *path, const void *data, int64_t size, sl_program_file *file) {
    *file = (sl_program_file){.data = data, .size = size};
    if (data && (uintptr_t)data % 64) return SL_ERROR(SL_INVALID_ARGUMENT, "a program in memory must be aligned to 64 bytes");
    file->arena = sl_arena_create(allocator, 0);
    if (!file->arena) return SL_ERROR(SL_OUT_OF_MEMORY, "no memory to load a program");
    sl_guard guard;
    sl_status status;
    if (SL_GUARD_ENTER(&guard)) {
        status = open_file(file, data ? NULL : path);
        sl_guard_leave(&guard);
    } else {
        status = SL_ERROR(SL_OUT_OF_MEMORY, "no memory to load a program");
    }
    if (status) sl_program_file_close(file);
    return path ? sl_status_annotate(status, "'%s'", path) : status;
}

void sl_program_file_close(sl_program_file *file) {
    if (file->arena) sl_arena_destroy(file->arena);
    file->arena = NULL;
}

/* ---- loading ---- */

typedef struct owner { sl_arena *arena; sl_loaded_image code; } owner;

static void unload(void *argument) { sl_image_unload(&((owner *)argument)->code); }
static void release(void *argument) { sl_arena_destroy(((owner *)argument)->arena); }   /* the owner lies in it; its code goes by cleanup */

static const sl_abi_value *read_values(cursor *c, sl_arena *arena, int32_t count) {
    sl_abi_value *values = SL_NEW_ARRAY(arena, sl_abi_value, (size_t)count + 1);
    for (int32_t i = 0; i < count && !c->failed; i++) {
        sl_abi_value *value = &values[i];
        value->name = read_text(c);
        value->element = read_small(c);
        value->rank = read_small(c);
        if (value->rank < -1 || value->rank > SL_RUNTIME_MAX_RANK || value->element < 0 || value->element >= SL_ELEMENT_COUNT) c->failed = true;
        if (c->failed || value->rank <= 0) continue;
        int64_t *dims = SL_NEW_ARRAY(arena, int64_t, (size_t)value->rank);
        const char **symbols = SL_NEW_ARRAY(arena, const char *, (size_t)value->rank);
        for (int32_t d = 0; d < value->rank; d++) {
            dims[d] = read_int(c);
            const char *symbol = read_text(c);
            if (dims[d] < 0) symbols[d] = symbol;
        }
        value->dims = dims;
        value->symbols = symbols;
    }
    return values;
}

static void read_table(cursor *c, sl_arena *arena, sl_program_table *table) {
    table->abi_version = SL_ABI_VERSION;
    table->input_count = (int32_t)read_count(c);
    table->output_count = (int32_t)read_count(c);
    table->symbol_count = read_small(c);
    table->dynamic_slot_count = read_small(c);
    table->scratch_bytes = read_int(c);
    table->queue_launches = read_int(c);
    table->queue_words = read_int(c);
    if (table->symbol_count < 0 || table->dynamic_slot_count < 0 || table->scratch_bytes < 0) c->failed = true;
    table->inputs = read_values(c, arena, table->input_count);
    table->outputs = read_values(c, arena, table->output_count);
    table->kernel_count = (int32_t)read_count(c);
    sl_abi_kernel *kernels = SL_NEW_ARRAY(arena, sl_abi_kernel, (size_t)table->kernel_count + 1);
    for (int32_t i = 0; i < table->kernel_count; i++) {
        kernels[i].name = read_text(c);
        kernels[i].location = read_text(c);
        kernels[i].weight_bytes = read_int(c);
        kernels[i].branch = read_small(c);
        kernels[i].products = read_small(c);
        kernels[i].conditional = read_small(c);
    }
    table->kernels = kernels;
    table->branch_count = (int32_t)read_count(c);
    sl_abi_branch *branches = SL_NEW_ARRAY(arena, sl_abi_branch, (size_t)table->branch_count + 1);
    for (int32_t i = 0; i < table->branch_count; i++) {
        branches[i].location = read_text(c);
        branches[i].index = read_small(c);
        branches[i].parent = read_small(c);
    }
    table->branches = branches;
}

static void read_constants(cursor *c, const sl_program_file *file, sl_program_table *table) {
    table->constant_count = (int32_t)read_count(c);
    const void **constants = SL_NEW_ARRAY(file->arena, const void *, (size_t)table->constant_count + 1);
    for (int32_t i = 0; i < table->constant_count; i++) {
        int64_t section = read_int(c), offset = read_int(c), bytes = read_int(c);
        if (section != SL_SECTION_CHECKED && section != SL_SECTION_BULK) c->failed = true;
        if (c->failed) return;
        const sl_program_file_section *place = &file->header->sections[section];
        if (offset < 0 || bytes < 0 || offset % 64 || (uint64_t)offset > place->size || (uint64_t)bytes > place->size - (uint64_t)offset) c->failed = true;
        if (!c->failed) constants[i] = file->data + place->offset + offset;
    }
    table->constants = (void *const *)constants;
}

static void read_image(cursor *c, const sl_program_file *file, sl_image *image) {
    const sl_program_file_section *code = &file->header->sections[SL_SECTION_CODE];
    image->machine = file->header->machine;
    image->bytes = file->data + code->offset;
    image->code_bytes = read_int(c);
    image->data_bytes = read_int(c);
    if (image->code_bytes < 0 || image->data_bytes < 0 || (uint64_t)image->code_bytes > code->size || (uint64_t)image->data_bytes > code->size - (uint64_t)image->code_bytes)
        c->failed = true;
    image->import_count = read_count(c);
    sl_image_import *imports = SL_NEW_ARRAY(file->arena, sl_image_import, (size_t)image->import_count + 1);
    for (int64_t i = 0; i < image->import_count; i++) {
        imports[i].word = read_int(c);
        imports[i].name = read_text(c);
    }
    image->imports = imports;
    image->fixup_count = read_count(c);
    int64_t *fixups = SL_NEW_ARRAY(file->arena, int64_t, (size_t)image->fixup_count + 1);
    for (int64_t i = 0; i < image->fixup_count; i++) fixups[i] = read_int(c);
    image->fixups = fixups;
}

static sl_status load(sl_program_file *file, sl_program_verify verify, sluice_program **program) {
    sl_machine code = {.triple = file->origin.triple, .features = file->origin.features}, host;
    sl_machine_detect(file->arena, &host);
    const char *lacking = sl_machine_lacks(&code, &host);
    if (lacking) return SL_ERROR(SL_UNSUPPORTED, "the program was compiled for %s and can't run here: this CPU lacks %s", code.triple, lacking);
    SL_TRY(check_section(file, SL_SECTION_CODE, "code"));
    SL_TRY(check_section(file, SL_SECTION_CHECKED, "constants"));
    if (verify == SL_VERIFY_ALL) SL_TRY(check_section(file, SL_SECTION_BULK, "weights"));
    cursor c = meta_cursor(file);
    c.at = file->at;
    sl_program_table *table = SL_NEW(file->arena, sl_program_table);
    sl_image image = {0};
    read_table(&c, file->arena, table);
    read_constants(&c, file, table);
    read_image(&c, file, &image);
    int64_t prepare = read_int(&c), run = read_int(&c);
    if (c.failed || prepare < 0 || run < 0 || prepare >= image.code_bytes || run >= image.code_bytes) return damaged("its descriptions do not fit together");
    owner *own = SL_NEW(file->arena, owner);
    own->arena = file->arena;
    sl_arena_on_destroy(file->arena, unload, own);
    SL_TRY(sl_image_load(&image, &own->code));
    void *address = own->code.base + prepare;
    memcpy(&table->prepare, &address, sizeof address);
    address = own->code.base + run;
    memcpy(&table->run, &address, sizeof address);
    SL_TRY(sl_program_create(table, sl_arena_allocator(file->arena), release, own, program));
    file->arena = NULL;   /* the program's now */
    return NULL;
}

sl_status sl_program_file_load(sl_program_file *file, sl_program_verify verify, sluice_program **program) {
    sl_guard guard;
    if (!SL_GUARD_ENTER(&guard)) return SL_ERROR(SL_OUT_OF_MEMORY, "no memory to load a program");
    sl_status status = load(file, verify, program);
    sl_guard_leave(&guard);
    return status;
}

/* ---- host API ---- */

static sluice_code load_program(sluice_context *context, const char *path, const void *data, size_t size, sluice_program **program) {
    *program = NULL;
    sl_program_file file;
    sl_status status = sl_program_file_open(sl_host_allocator(context), path, data, (int64_t)size, &file);
    if (!status) {
        status = sl_program_file_load(&file, SL_VERIFY_ALL, program);
        if (path) status = sl_status_annotate(status, "'%s'", path);
        if (!status) sl_program_set_context(*program, context);
        sl_program_file_close(&file);
    }
    return sl_host_fail(context, status);
}

sluice_code sluice_program_load(sluice_context *context, const char *path, sluice_program **program) {
    if (!context || !path || !program) return SLUICE_INVALID_ARGUMENT;
    return load_program(context, path, NULL, 0, program);
}

sluice_code sluice_program_load_memory(sluice_context *context, const void *data, size_t size, sluice_program **program) {
    if (!context || !data || !program) return SLUICE_INVALID_ARGUMENT;
    return load_program(context, NULL, data, size, program);
}
