/* compile.c: model file -> model -> IR -> passes -> program. Owns the order of the steps and the lifetimes; each step is a guarded call. */
#include "driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_diagnostic(void *self, const sl_diag *diag) {
    sl_compilation *compilation = self;
    sl_text text;
    sl_text_init(&text, compilation->arena);
    sl_diag_render(&text, diag);
    if (diag->severity == SL_SEVERITY_ERROR && !compilation->first_error[0]) {
        snprintf(compilation->first_error, sizeof compilation->first_error, "%s", text.data);
        size_t length = strlen(compilation->first_error);
        while (length > 0 && compilation->first_error[length - 1] == '\n') compilation->first_error[--length] = 0;
    }
    sl_text_append(&compilation->diagnostics, "%s", text.data);
    sl_host_diagnostic(compilation->host, text.data);
}

static void destroy_context(void *context) { sl_context_destroy(context); }
static void destroy_module(void *module) { sl_module_destroy(module); }

sl_status sl_compilation_begin(sl_compilation *compilation, sluice_context *host, const sluice_compile_options *options) {
    memset(compilation, 0, sizeof *compilation);
    const sl_allocator *allocator = sl_host_allocator(host);
    compilation->host = host;
    compilation->options = options;
    compilation->sink = (sl_diag_sink){on_diagnostic, compilation, 0, 0};
    compilation->arena = sl_arena_create(allocator, 0);
    if (!compilation->arena) return SL_ERROR(SL_OUT_OF_MEMORY, "no memory to start compiling");
    sl_guard guard;
    if (!SL_GUARD_ENTER(&guard)) {
        sl_compilation_end(compilation);
        return SL_ERROR(SL_OUT_OF_MEMORY, "no memory to start compiling");
    }
    compilation->context = sl_context_create(allocator, &compilation->sink);
    if (!compilation->context) sl_out_of_memory();
    sl_text_init(&compilation->diagnostics, compilation->arena);
    sl_arena_on_destroy(compilation->arena, destroy_context, compilation->context);
    sl_status status = NULL;
    const char *target = options->target ? options->target : "host";
    if (!sl_machine_named(compilation->arena, target, &compilation->machine))
        status = SL_ERROR(SL_INVALID_ARGUMENT, "unknown target '%s'; known are host, x86-64, x86-64-v3, x86-64-v4, aarch64 and LLVM's CPU names", target);
    sl_guard_leave(&guard);
    if (status) sl_compilation_end(compilation);
    return status;
}

void sl_compilation_end(sl_compilation *compilation) {
    if (compilation->arena) sl_arena_destroy(compilation->arena);
    compilation->arena = NULL;
}

sl_status sl_compilation_explain(sl_compilation *compilation, sl_status status) {
    if (!status || !compilation->first_error[0]) return status;
    sl_code code = sl_status_code(status);
    sl_status_free(status);
    return SL_ERROR(code, "%s", compilation->first_error);
}

/* The numbers of "[0, 2]" as an element type has them. NULL: no such list. */
static sl_tensor *parse_list(sl_arena *arena, const char *text, sl_element element) {
    SL_VEC(double) floats = {0};
    SL_VEC(int64_t) integers = {0};
    const char *at = text + 1;
    while (*at == ' ') at++;
    while (*at && *at != ']') {
        char *end, *float_end;
        int64_t integer = strtoll(at, &end, 10);
        double number = strtod(at, &float_end);
        if (float_end == at) break;
        if (float_end != end) integer = number >= -9.2e18 && number <= 9.2e18 ? (int64_t)number : 0;
        SL_PUSH(arena, &floats, number);
        SL_PUSH(arena, &integers, integer);
        for (at = float_end; *at == ' ' || *at == ','; at++) {}
    }
    if (strcmp(at, "]") != 0) return NULL;
    int64_t count = (int64_t)floats.count;
    sl_tensor *tensor = sl_tensor_alloc(arena, element, 1, &count);
    for (int64_t i = 0; i < count; i++) {
        if (sl_element_is_float(element)) sl_element_store_float(element, tensor->data, i, floats.data[i]);
        else sl_element_store_int(element, tensor->data, i, integers.data[i]);
    }
    return tensor;
}

/* "axes=[0, 2]", "routes=<2,4>[...]": an input made a constant. Without a shape the values have the declared one when it is known, else one dim. */
static sl_status parse_values(sl_compilation *compilation, const char *binding, const char *name, const char *text, const sl_tensor **value) {
    const sl_value_info *info = NULL;
    int64_t shape[SL_MAX_RANK], count = 1;
    int rank = -1;
    for (int k = 0; compilation->model && k < compilation->model->graph->input_count; k++) {
        if (strcmp(compilation->model->graph->inputs[k].name, name) == 0) info = &compilation->model->graph->inputs[k];
    }
    if (!info || !info->type || !sl_type_is_tensor(info->type)) return SL_ERROR(SL_INVALID_ARGUMENT, "'%s': the model has no tensor input '%s'", binding, name);
    if (*text == '<') {
        for (rank = 0, text++; *text && *text != '>' && rank < SL_MAX_RANK; rank++) {
            char *end;
            shape[rank] = strtoll(text, &end, 10);
            if (end == text || shape[rank] < 0 || (*end != ',' && *end != '>') || !sl_size_mul(count, shape[rank], &count)) return SL_ERROR(SL_INVALID_ARGUMENT, "'%s': <shape> holds sizes with commas between them", binding);
            text = *end == ',' ? end + 1 : end;
        }
        if (*text++ != '>' || *text != '[') return SL_ERROR(SL_INVALID_ARGUMENT, "'%s': behind <shape> come [values]", binding);
    } else if (sl_type_is_ranked(info->type) && sl_type_static_count(info->type) >= 0) {
        rank = sl_type_rank(info->type);
        for (int d = 0; d < rank; d++) shape[d] = sl_type_static_dim(info->type, d), count *= shape[d];
    }
    sl_element element = sl_type_element(info->type);
    if (element == SL_ELEMENT_str) return SL_ERROR(SL_INVALID_ARGUMENT, "'%s': input '%s' holds strings", binding, name);
    sl_tensor *tensor = parse_list(compilation->arena, text, element);
    if (!tensor) return SL_ERROR(SL_INVALID_ARGUMENT, "'%s' is no list of numbers in brackets", binding);
    if (rank < 0) rank = 1, shape[0] = count = sl_tensor_count(tensor);
    bool fits = sl_tensor_count(tensor) == count && (!sl_type_is_ranked(info->type) || sl_type_rank(info->type) == rank);
    for (int d = 0; fits && sl_type_is_ranked(info->type) && d < rank; d++) {
        int64_t declared = sl_type_static_dim(info->type, d);
        fits = declared < 0 || declared == shape[d];
    }
    if (!fits) return SL_ERROR(SL_INVALID_ARGUMENT, "'%s': %lld values do not fit input '%s'", binding, (long long)sl_tensor_count(tensor), name);
    tensor->rank = rank;
    memcpy(tensor->shape, shape, sizeof shape[0] * (size_t)rank);
    *value = tensor;
    return NULL;
}

/* "batch=8" binds a symbol, "x=1,3,224,224" an input's shape; "x=1,?,8" leaves a dim as it is; "axes=[0, 2]" and "routes=<2,4>[...]" make an input a constant. */
static sl_status parse_bindings(sl_compilation *compilation, sl_import_options *import) {
    const char *const *bindings = compilation->options->bindings;
    sl_arena *arena = compilation->arena;
    int count = 0;
    while (bindings && bindings[count]) count++;
    const char **bind_names = SL_NEW_ARRAY(arena, const char *, (size_t)count), **shape_names = SL_NEW_ARRAY(arena, const char *, (size_t)count);
    int64_t *bind_values = SL_NEW_ARRAY(arena, int64_t, (size_t)count);
    int *ranks = SL_NEW_ARRAY(arena, int, (size_t)count);
    const int64_t **shapes = SL_NEW_ARRAY(arena, const int64_t *, (size_t)count);
    const char **constant_names = SL_NEW_ARRAY(arena, const char *, (size_t)count);
    const sl_tensor **constants = SL_NEW_ARRAY(arena, const sl_tensor *, (size_t)count);
    import->constant_names = constant_names;
    import->constant_values = constants;
    for (int i = 0; i < count; i++) {
        const char *equals = strrchr(bindings[i], '=');
        if (!equals || equals == bindings[i]) return SL_ERROR(SL_INVALID_ARGUMENT, "'%s' is no binding: write symbol=8, input=1,3,224,224, input=[values] or input=<shape>[values]", bindings[i]);
        char *name = sl_arena_strndup(arena, bindings[i], (size_t)(equals - bindings[i]));
        if (equals[1] == '[' || equals[1] == '<') {
            SL_TRY(parse_values(compilation, bindings[i], name, equals + 1, &constants[import->constant_count]));
            constant_names[import->constant_count++] = name;
            continue;
        }
        int64_t *dims = SL_NEW_ARRAY(arena, int64_t, SL_MAX_RANK);
        int rank = 0;
        for (const char *at = equals + 1;; at++) {
            char *end = NULL;
            int64_t value = -1;
            if (*at == '?') end = (char *)(uintptr_t)at + 1;
            else value = strtoll(at, &end, 10);
            if (end == at || rank == SL_MAX_RANK || (*end && *end != ',') || (*at != '?' && value < 0))
                return SL_ERROR(SL_INVALID_ARGUMENT, "'%s' is no binding: dims are non-negative integers or ?, at most %d of them", bindings[i], SL_MAX_RANK);
            dims[rank++] = value;
            at = end;
            if (!*at) break;
        }
        bool symbol = rank == 1 && dims[0] >= 0;
        for (int k = 0; symbol && compilation->model && k < compilation->model->graph->input_count; k++) {
            if (strcmp(compilation->model->graph->inputs[k].name, name) == 0) symbol = false;
        }
        if (symbol) {
            bind_names[import->bind_count] = name;
            bind_values[import->bind_count++] = dims[0];
        } else {
            shape_names[import->shape_count] = name;
            ranks[import->shape_count] = rank;
            shapes[import->shape_count++] = dims;
        }
    }
    import->bind_names = bind_names;
    import->bind_values = bind_values;
    import->shape_names = shape_names;
    import->shape_ranks = ranks;
    import->shapes = shapes;
    return NULL;
}

static bool has_suffix(const char *path, const char *suffix) {
    size_t length = strlen(path), end = strlen(suffix);
    return length >= end && strcmp(path + length - end, suffix) == 0;
}

static sl_status parse_format(const char *text, sl_model_format *format) {
    static const struct { const char *name; sl_model_format format; } formats[] = {
        {"auto", SL_FORMAT_AUTO}, {"json", SL_FORMAT_JSON_GRAPH}, {"onnx-json", SL_FORMAT_ONNX_JSON}, {"onnx", SL_FORMAT_ONNX}};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strcmp(text, formats[i].name) != 0) continue;
        *format = formats[i].format;
        return NULL;
    }
    return SL_ERROR(SL_INVALID_ARGUMENT, "unknown format '%s'; known are auto, json, onnx-json, onnx and sl", text);
}

static sl_status load(sl_compilation *compilation, const char *path, const void *data, size_t size) {
    const char *format_name = compilation->options->format ? compilation->options->format : "auto";
    if (strcmp(format_name, "sl") == 0 || (strcmp(format_name, "auto") == 0 && has_suffix(path, ".sl"))) {
        const uint8_t *text = data;
        int64_t length = (int64_t)size;
        if (compilation->options->bindings && compilation->options->bindings[0])
            return SL_ERROR(SL_INVALID_ARGUMENT, "'%s': text IR has its shapes in its types, they can't be given", compilation->options->bindings[0]);
        if (!data) SL_TRY(sl_file_read(compilation->arena, path, INT64_C(1) << 31, &text, &length));
        SL_TRY(sl_module_parse(compilation->context, path, (const char *)text, (size_t)length, &compilation->module));
        sl_arena_on_destroy(compilation->arena, destroy_module, compilation->module);
        return sl_module_verify(compilation->module);
    }
    sl_model_format format = SL_FORMAT_AUTO;
    SL_TRY(parse_format(format_name, &format));
    sl_read_options reading = {.format = format, .absent_weights = compilation->options->absent_weights != 0};
    SL_TRY(sl_model_read(compilation->context, compilation->arena, path, data, size, &reading, &compilation->model));
    sl_import_options import = {0};
    SL_TRY(parse_bindings(compilation, &import));
    SL_TRY(sl_import_model(compilation->context, compilation->model, &import, &compilation->module));
    sl_arena_on_destroy(compilation->arena, destroy_module, compilation->module);
    return sl_module_verify(compilation->module);
}

sl_status sl_compilation_load(sl_compilation *compilation, const char *path, const void *data, size_t size) {
    sl_guard guard;
    if (!SL_GUARD_ENTER(&guard)) return SL_ERROR(SL_OUT_OF_MEMORY, "no memory to import '%s'", path);
    sl_status status = load(compilation, path, data, size);
    sl_guard_leave(&guard);
    return sl_compilation_explain(compilation, status);
}

sl_status sl_compilation_lower(sl_compilation *compilation) {
    const sluice_compile_options *options = compilation->options;
    sl_pipeline_options pipeline;
    sl_pipeline_options_init(&pipeline);
    pipeline.machine = &compilation->machine;
    pipeline.threads = options->threads;
    pipeline.verify_each = options->verify != 0;
    pipeline.print_before = options->print_before;
    pipeline.print_after = options->print_after;
    pipeline.print_change = options->print_changed ? SL_PRINT_ON_CHANGE : SL_PRINT_NEVER;
    pipeline.dump_dir = options->dump_dir;
    pipeline.reproducer = options->reproducer;
    pipeline.timing = options->timing != 0;
    pipeline.strict = options->strict != 0;
    pipeline.deny_dense = options->deny != NULL;
    if (options->deny && strcmp(options->deny, "dense-fallback") != 0)
        return SL_ERROR(SL_INVALID_ARGUMENT, "'%s' can't be denied; what can: dense-fallback", options->deny);
    SL_TRY(sl_compilation_precision(compilation, &pipeline));
    pipeline.print_decisions = options->print_decisions;
    SL_TRY(sl_kernel_choice_parse(options->kernel, &pipeline.kernel));
    SL_TRY(sl_kernel_choice_check(&pipeline.kernel, pipeline.machine));
    pipeline.memory_budget = options->memory_budget;
    pipeline.print = options->print;
    pipeline.print_self = options->print_self;
    sl_guard guard;
    if (!SL_GUARD_ENTER(&guard)) return SL_ERROR(SL_OUT_OF_MEMORY, "no memory to run the passes");
    sl_status status = options->profile ? sl_profile_read(compilation->arena, options->profile, &pipeline.profile) : NULL;
    if (!status) status = sl_pipeline_run(compilation->module, options->pipeline ? options->pipeline : sl_pipeline_default(), &pipeline);
    sl_guard_leave(&guard);
    return sl_compilation_explain(compilation, status);
}

/* NULL: no cache. */
const char *sl_compilation_cache_folder(sl_compilation *compilation) {
    const char *folder = compilation->options->cache_dir;
    if (!folder || strcmp(folder, "default") != 0) return folder;
    const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (base && *base) return sl_arena_printf(compilation->arena, "%s/sluice", base);
    if (home && *home) return sl_arena_printf(compilation->arena, "%s/.cache/sluice", home);
    return NULL;
}

void sl_compilation_codegen_options(sl_compilation *compilation, sl_codegen_options *codegen) {
    *codegen = (sl_codegen_options){.machine = &compilation->machine, .cache_dir = sl_compilation_cache_folder(compilation), .timing = compilation->options->timing != 0,
                                    .print = compilation->options->print, .print_self = compilation->options->print_self};
}

sl_status sl_compilation_text(sl_compilation *compilation, const char *kind, const char **result) {
    sl_guard guard;
    if (!SL_GUARD_ENTER(&guard)) return SL_ERROR(SL_OUT_OF_MEMORY, "no memory to write text");
    sl_text text;
    sl_text_init(&text, compilation->arena);
    sl_status status = NULL;
    if (strcmp(kind, "ir") == 0) {
        sl_print_options print;
        sl_print_options_init(&print);
        sl_module_print(&text, compilation->module, &print);
    } else if (strcmp(kind, "llvm") == 0 || strcmp(kind, "asm") == 0) {
        sl_codegen_options codegen;
        sl_compilation_codegen_options(compilation, &codegen);
        status = sl_codegen_text(compilation->module, &codegen, kind[0] == 'a', &text);
    } else {
        status = SL_ERROR(SL_INVALID_ARGUMENT, "unknown kind of text '%s'; known are ir, llvm and asm", kind);
    }
    sl_guard_leave(&guard);
    if (!status) *result = text.data ? text.data : "";
    return sl_compilation_explain(compilation, status);
}

/* ---- host API ---- */

void sluice_compile_options_init(sluice_compile_options *options) {
    memset(options, 0, sizeof *options);
    options->verify = 1;
}

static sl_status compile(sluice_context *context, const char *path, const void *data, size_t size, const sluice_compile_options *options, sluice_program **program) {
    sluice_compile_options defaults;
    sluice_compile_options_init(&defaults);
    sl_compilation compilation;
    SL_TRY(sl_compilation_begin(&compilation, context, options ? options : &defaults));
    sl_status status = sl_compilation_program(&compilation, path, data, size, program);
    sl_compilation_end(&compilation);
    return status;
}

sluice_code sluice_compile_file(sluice_context *context, const char *path, const sluice_compile_options *options, sluice_program **program) {
    if (!context || !path || !program) return SLUICE_INVALID_ARGUMENT;
    *program = NULL;
    return sl_host_fail(context, compile(context, path, NULL, 0, options, program));
}

sluice_code sluice_compile_memory(sluice_context *context, const char *name, const void *data, size_t size, const sluice_compile_options *options, sluice_program **program) {
    if (!context || !name || !data || !program) return SLUICE_INVALID_ARGUMENT;
    *program = NULL;
    return sl_host_fail(context, compile(context, name, data, size, options, program));
}

sluice_code sluice_compile_program(sluice_context *context, const char *path, const char *output, const char *header, const char *name,
                                   const sluice_compile_options *options) {
    if (!context || !path || !output) return SLUICE_INVALID_ARGUMENT;
    sluice_compile_options defaults;
    sluice_compile_options_init(&defaults);
    sl_compilation compilation;
    sl_status status = sl_compilation_begin(&compilation, context, options ? options : &defaults);
    if (status) return sl_host_fail(context, status);
    status = sl_compilation_load(&compilation, path, NULL, 0);
    if (!status) status = sl_compilation_lower(&compilation);
    if (!status) status = sl_compilation_write(&compilation, output, header, name);
    sl_compilation_end(&compilation);
    return sl_host_fail(context, status);
}

sluice_code sluice_compile_text(sluice_context *context, const char *path, const char *kind, const sluice_compile_options *options, char **result) {
    if (!context || !path || !kind || !result) return SLUICE_INVALID_ARGUMENT;
    *result = NULL;
    sluice_compile_options defaults;
    sluice_compile_options_init(&defaults);
    sl_compilation compilation;
    sl_status status = sl_compilation_begin(&compilation, context, options ? options : &defaults);
    if (status) return sl_host_fail(context, status);
    const char *text = NULL;
    status = sl_compilation_load(&compilation, path, NULL, 0);
    if (!status) status = sl_compilation_lower(&compilation);
    if (!status) status = sl_compilation_text(&compilation, kind, &text);
    if (!status) {
        *result = strdup(text);
        if (!*result) status = SL_ERROR(SL_OUT_OF_MEMORY, "no memory for %zu bytes of text", strlen(text));
    }
    sl_compilation_end(&compilation);
    return sl_host_fail(context, status);
}

void sluice_text_free(char *text) { free(text); }
