/* compile.c: `sluice compile`: check that a model compiles, or write its code: as a program, an object, or text. */
#include "execute.h"

#include <stdio.h>
#include <string.h>

static void print_text(void *self, const char *text) {
    (void)self;
    fputs(text, stderr);
}

/* To a file atomically, or to stdout. */
static sl_status write_text(const char *path, const char *text) {
    if (path && strcmp(path, "-") != 0) return sl_file_write_atomic(path, text, strlen(text));
    return fputs(text, stdout) < 0 ? SL_ERROR(SL_IO, "can't write to standard output") : NULL;
}

static sl_status print_module(const cli_options *options, sl_compilation *compilation) {
    sl_guard guard;
    if (!SL_GUARD_ENTER(&guard)) return SL_ERROR(SL_OUT_OF_MEMORY, "no memory to print");
    sl_text text;
    sl_text_init(&text, compilation->arena);
    sl_print_options print;
    sl_print_options_init(&print);
    print.locations = options->locations;
    sl_module_print(&text, compilation->module, &print);
    sl_status status = write_text(options->output, text.data ? text.data : "");
    sl_guard_leave(&guard);
    return status;
}

/* To text, a program file or an object. */
static sl_status compile_file(const cli_options *options, sl_compilation *compilation) {
    const char *text;
    SL_TRY(sl_compilation_load(compilation, options->files[0], NULL, 0));
    SL_TRY(sl_compilation_lower(compilation));
    if (!options->emit) return sl_compilation_write(compilation, options->output, options->header, NULL);
    if (strcmp(options->emit, "ir") == 0) return print_module(options, compilation);
    SL_TRY(sl_compilation_text(compilation, options->emit, &text));
    return write_text(options->output, text);
}

int cli_compile(const cli_options *options) {
    if (options->file_count != 1) return cli_error("compile needs one model; see `sluice compile --help`"), EXIT_USAGE;
    if (options->header && (options->emit || !options->output)) return cli_error("--header goes with -o model.o"), EXIT_USAGE;
    if (!options->emit && !options->output) {
        cli_model model;
        sl_status status = cli_model_open(&model, options->files[0], options, false, false);
        if (!status)
            printf("%s: compiled in %.0f ms; %d input%s, %d output%s\n", options->files[0], model.compile_milliseconds, model.input_count,
                   model.input_count == 1 ? "" : "s", model.output_count, model.output_count == 1 ? "" : "s");
        int code = cli_fail(status);
        cli_model_close(&model);
        return code;
    }
    sluice_context *host = cli_context_create();
    sluice_compile_options compile;
    const char *bindings[CLI_MAX_LIST + 1];
    cli_compile_options(options, &compile, bindings);
    compile.print = print_text;
    sl_compilation compilation;
    sl_status status = sl_compilation_begin(&compilation, host, &compile);
    if (!status) {
        status = compile_file(options, &compilation);
        sl_compilation_end(&compilation);
    }
    sluice_context_destroy(host);
    return cli_fail(status);
}

/* ---- sluice opt ---- */

static void list_passes(void) {
    for (int i = 0; i < sl_pass_count(); i++) printf("%-18s %s\n", sl_pass_at(i)->name, sl_pass_at(i)->doc);
    printf("\ndefault pipeline: %s\n", sl_pipeline_default());
}

static sl_status print_values(sl_arena *arena, int count, const DLTensor *values) {
    for (int i = 0; i < count; i++) {
        sl_element element;
        if (!cli_element_of(values[i].dtype, &element)) return SL_ERROR(SL_UNSUPPORTED, "an output's type can't be printed");
        sl_text text;
        sl_text_init(&text, arena);
        int64_t elements = 1;
        sl_text_append(&text, "%s[", sl_element_name(element));
        for (int d = 0; d < values[i].ndim; d++) {
            sl_text_append(&text, "%s%lld", d ? ", " : "", (long long)values[i].shape[d]);
            elements *= values[i].shape[d];
        }
        sl_text_append(&text, "]:");
        for (int64_t k = 0; k < elements; k++) {
            if (sl_element_is_float(element)) sl_text_append(&text, " %.9g", sl_element_load_float(element, values[i].data, k));
            else if (element == SL_ELEMENT_u64) sl_text_append(&text, " %llu", (unsigned long long)sl_element_load_int(element, values[i].data, k));
            else sl_text_append(&text, " %lld", (long long)sl_element_load_int(element, values[i].data, k));
        }
        printf("%s\n", text.data);
    }
    return NULL;
}

static sl_status opt(const cli_options *options, sl_compilation *compilation) {
    SL_TRY(sl_compilation_load(compilation, options->files[0], NULL, 0));
    if (options->verify_only) return NULL;
    if (options->passes) SL_TRY(sl_compilation_lower(compilation));
    return print_module(options, compilation);
}

/* --evaluate and --execute: runs @main, which takes no inputs. */
static int opt_run(const cli_options *options) {
    cli_model model;
    sl_status status = cli_model_open(&model, options->files[0], options, options->evaluate, false);
    if (!status && model.input_count != 0) status = SL_ERROR(SL_INVALID_ARGUMENT, "@main takes %d inputs; --evaluate and --execute need a function without any", model.input_count);
    sl_guard guard;
    if (!status && SL_GUARD_ENTER(&guard)) {
        DLTensor *outputs = SL_NEW_ARRAY(model.arena, DLTensor, (size_t)model.output_count);
        status = cli_model_run(&model, NULL, outputs);
        if (!status) status = print_values(model.arena, model.output_count, outputs);
        sl_guard_leave(&guard);
    }
    int code = cli_fail(status);
    cli_model_close(&model);
    return code;
}

int cli_opt(const cli_options *options) {
    if (options->list_passes) {
        list_passes();
        return EXIT_OK;
    }
    if (options->file_count != 1) return cli_error("opt needs one file; see `sluice opt --help`"), EXIT_USAGE;
    if (options->evaluate || options->execute) return opt_run(options);
    sluice_context *host = cli_context_create();
    sluice_compile_options compile;
    const char *bindings[CLI_MAX_LIST + 1];
    cli_compile_options(options, &compile, bindings);
    compile.print = print_text;
    sl_compilation compilation;
    sl_status status = sl_compilation_begin(&compilation, host, &compile);
    if (!status) {
        status = opt(options, &compilation);
        sl_compilation_end(&compilation);
    }
    sluice_context_destroy(host);
    return cli_fail(status);
}
