/* program.c: a lowered module, or a model file through all steps, to a program of this process, a program file or an object. */
#include "program_cache.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* ---- to a program ---- */

typedef struct storing { sl_compilation *compilation; const sl_program_cache *cache; } storing;

static sl_status store_program(void *self, const sl_compiled *compiled) {
    const storing *s = self;
    sl_program_cache_store(s->compilation, s->cache, compiled);
    return NULL;
}

static sl_status generate(sl_compilation *compilation, const sl_program_cache *cache, sluice_program **program) {
    sl_machine host;
    sl_guard guard;
    if (!SL_GUARD_ENTER(&guard)) return SL_ERROR(SL_OUT_OF_MEMORY, "no memory to generate code");
    sl_machine_detect(compilation->arena, &host);
    const char *lacking = sl_machine_lacks(&compilation->machine, &host);
    sl_status status;
    if (lacking) status = SL_ERROR(SL_UNSUPPORTED, "code for target '%s' can't run here: this CPU lacks %s", compilation->options->target, lacking);
    else {
        sl_codegen_options codegen;
        storing self = {compilation, cache};
        sl_compilation_codegen_options(compilation, &codegen);
        if (cache) codegen.compiled = store_program, codegen.compiled_self = &self;
        status = sl_codegen_jit(compilation->module, &codegen, sl_host_allocator(compilation->host), compilation->arena, program);
    }
    sl_guard_leave(&guard);
    if (!status) compilation->arena = NULL;   /* the program's now */
    return status;
}

sl_status sl_compilation_generate(sl_compilation *compilation, sluice_program **program) {
    SL_TRY(sl_compilation_explain(compilation, generate(compilation, NULL, program)));
    sl_program_set_context(*program, compilation->host);
    return NULL;
}

static bool is_program_file(const char *path) {
    char magic[16];
    FILE *file = fopen(path, "re");
    bool found = file && fread(magic, 1, sizeof magic, file) == sizeof magic && memcmp(magic, SL_PROGRAM_FILE_MAGIC, sizeof magic) == 0;
    if (file) fclose(file);
    return found;
}

static sl_status load_file(sl_compilation *compilation, const char *path, sluice_program **program) {
    const char *const *bindings = compilation->options->bindings;
    if (bindings && bindings[0]) return SL_ERROR(SL_INVALID_ARGUMENT, "'%s': '%s' is compiled already, its shapes can't be given any more", bindings[0], path);
    sl_program_file file;
    SL_TRY(sl_program_file_open(sl_host_allocator(compilation->host), path, NULL, 0, &file));
    sl_status status = sl_status_annotate(sl_program_file_load(&file, SL_VERIFY_ALL, program), "'%s'", path);
    sl_program_file_close(&file);
    return status;
}

static sl_status program_of(sl_compilation *compilation, const char *path, const void *data, size_t size, sluice_program **program) {
    const char *format = compilation->options->format;
    if (!data && (!format || strcmp(format, "auto") == 0) && is_program_file(path)) return load_file(compilation, path, program);
    sl_program_cache cache;
    sl_guard guard;
    if (!SL_GUARD_ENTER(&guard)) return SL_ERROR(SL_OUT_OF_MEMORY, "no memory to look into the cache");
    sl_program_cache_open(compilation, sl_compilation_cache_folder(compilation), path, data, size, &cache);
    bool found = sl_program_cache_find(compilation, &cache, program);
    sl_guard_leave(&guard);
    if (found) return NULL;
    SL_TRY(sl_compilation_load(compilation, path, data, size));
    SL_TRY(sl_compilation_lower(compilation));
    return sl_compilation_explain(compilation, generate(compilation, &cache, program));
}

sl_status sl_compilation_program(sl_compilation *compilation, const char *path, const void *data, size_t size, sluice_program **program) {
    SL_TRY(program_of(compilation, path, data, size, program));
    sl_program_set_context(*program, compilation->host);
    return NULL;
}

/* ---- to a file ---- */

typedef struct writing { sl_compilation *compilation; const char *output, *header, *name; } writing;

static void put_value(sl_text *out, const sl_abi_value *value) {
    sl_text_append(out, " *   %s: %s[", value->name, sl_element_name((sl_element)value->element));
    for (int32_t d = 0; d < value->rank; d++) {
        if (value->dims[d] >= 0) sl_text_append(out, "%s%lld", d ? ", " : "", (long long)value->dims[d]);
        else sl_text_append(out, "%s%s", d ? ", " : "", value->symbols[d]);
    }
    sl_text_append(out, "%s]\n", value->rank < 0 ? "..." : "");
}

/* How a host program in C gets at the object's program. */
static sl_status write_header(const writing *w, const sl_program_table *table) {
    sl_text out;
    sl_text_init(&out, w->compilation->arena);
    sl_text_append(&out, "/* %s: a model compiled by Sluice %s for %s. Link with its object and libsluice_runtime.\n * inputs\n", w->name, SLUICE_VERSION, w->compilation->machine.triple);
    for (int32_t i = 0; i < table->input_count; i++) put_value(&out, &table->inputs[i]);
    sl_text_append(&out, " * outputs\n");
    for (int32_t i = 0; i < table->output_count; i++) put_value(&out, &table->outputs[i]);
    sl_text_append(&out, " */\n#ifndef SLUICE_MODEL_%s\n#define SLUICE_MODEL_%s\n\n#include \"sluice/sluice.h\"\n\n", w->name, w->name);
    sl_text_append(&out, "extern const unsigned char %s_program[], %s_program_end[];\n\n", w->name, w->name);
    sl_text_append(&out, "static inline sluice_code %s_load(sluice_context *context, sluice_program **program) {\n"
                         "    return sluice_program_load_memory(context, %s_program, (size_t)(%s_program_end - %s_program), program);\n}\n\n#endif\n", w->name, w->name, w->name, w->name);
    return sl_file_write_atomic(w->header, out.data, out.length);
}

static sl_status write_output(void *self, const sl_compiled *compiled) {
    const writing *w = self;
    sl_program_origin origin = sl_compilation_origin(w->compilation, NULL);
    const sl_program_writer *writer = sl_program_writer_create(w->compilation->arena, compiled, &origin, w->name);
    const char *temporary = sl_program_temporary(w->compilation, w->output);
    SL_TRY(sl_program_save(writer, w->output, temporary, 0666, NULL));
    return w->header ? write_header(w, compiled->table) : NULL;
}

static bool ends_in(const char *path, const char *suffix) {
    size_t length = strlen(path), end = strlen(suffix);
    return length > end && strcmp(path + length - end, suffix) == 0;
}

/* A name for C: the file's, without folder and ending, letters and digits kept. */
static const char *name_of(sl_arena *arena, const char *output) {
    const char *slash = strrchr(output, '/');
    char *name = sl_arena_printf(arena, "%s%s", isdigit((unsigned char)(slash ? slash[1] : output[0])) ? "_" : "", slash ? slash + 1 : output);
    *strrchr(name, '.') = 0;
    for (char *at = name; *at; at++)
        if (!isalnum((unsigned char)*at)) *at = '_';
    return name;
}

static bool is_name(const char *name) {
    bool good = *name && !isdigit((unsigned char)*name);
    for (; *name && good; name++) good = isalnum((unsigned char)*name) || *name == '_';
    return good;
}

static sl_status write_program(sl_compilation *compilation, const char *output, const char *header, const char *name) {
    bool object = ends_in(output, ".o");
    if (!object && !ends_in(output, ".slp")) return SL_ERROR(SL_INVALID_ARGUMENT, "'%s': compiled programs are written to files that end in .slp, or .o to be linked", output);
    if (!object && header) return SL_ERROR(SL_INVALID_ARGUMENT, "a header belongs to an object: write one (-o model.o)");
    if (name && !is_name(name)) return SL_ERROR(SL_INVALID_ARGUMENT, "'%s' is no name in C", name);
    writing w = {compilation, output, header, object ? name ? name : name_of(compilation->arena, output) : NULL};
    sl_codegen_options codegen;
    sl_compilation_codegen_options(compilation, &codegen);
    codegen.compiled = write_output;
    codegen.compiled_self = &w;
    return sl_codegen_jit(compilation->module, &codegen, sl_host_allocator(compilation->host), compilation->arena, NULL);
}

sl_status sl_compilation_write(sl_compilation *compilation, const char *output, const char *header, const char *name) {
    sl_guard guard;
    if (!SL_GUARD_ENTER(&guard)) return SL_ERROR(SL_OUT_OF_MEMORY, "no memory to generate code");
    sl_status status = write_program(compilation, output, header, name);
    sl_guard_leave(&guard);
    return sl_compilation_explain(compilation, status);
}
