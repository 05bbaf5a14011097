/* driver.h: the compiler's parts in a row, shared by the host API and the command line. */
#ifndef SLUICE_DRIVER_H
#define SLUICE_DRIVER_H

#include "sluice/codegen.h"
#include "sluice/graph.h"
#include "sluice/passes.h"
#include "sluice/runtime.h"
#include "sluice/sluice_compiler.h"

/* One compilation: everything that it makes hangs off `arena`; the IR context dies with it. */
typedef struct sl_compilation {
    sluice_context *host;            /* where diagnostics and errors go */
    sl_arena *arena;
    sl_context *context;
    sl_diag_sink sink;
    char first_error[1024];          /* rendered, for the host's last error */
    const sluice_compile_options *options;
    sl_machine machine;
    sl_model *model;                 /* NULL for text IR */
    sl_module *module;
    sl_text diagnostics;             /* all that was reported, rendered */
} sl_compilation;

/* Starts; on failure nothing is left. sl_compilation_end frees all that was not handed on (set arena to NULL after handing it to a program). */
SL_MUST_USE sl_status sl_compilation_begin(sl_compilation *compilation, sluice_context *host, const sluice_compile_options *options);
void sl_compilation_end(sl_compilation *compilation);
/* Reads and imports. data NULL: from the file. Each step is guarded against running out of memory. */
SL_MUST_USE sl_status sl_compilation_load(sl_compilation *compilation, const char *path, const void *data, size_t size);
/* Runs options->pipeline, or the default one. */
SL_MUST_USE sl_status sl_compilation_lower(sl_compilation *compilation);
/* Model file (or data) to a program of this process, all steps: from the cache when it is there, else compiled and stored. A program file is loaded. */
SL_MUST_USE sl_status sl_compilation_program(sl_compilation *compilation, const char *path, const void *data, size_t size, sluice_program **program);
/* The last step alone, from the lowered module; no cache. */
SL_MUST_USE sl_status sl_compilation_generate(sl_compilation *compilation, sluice_program **program);
/* Parts of it, for the driver's own files. NULL: no cache. */
const char *sl_compilation_cache_folder(sl_compilation *compilation);
void sl_compilation_codegen_options(sl_compilation *compilation, sl_codegen_options *codegen);
/* The lowered module as a program file or object: see sluice_compile_program. */
SL_MUST_USE sl_status sl_compilation_write(sl_compilation *compilation, const char *output, const char *header, const char *name);
/* kind: ir, llvm, asm. The text lives in the compilation's arena. */
SL_MUST_USE sl_status sl_compilation_text(sl_compilation *compilation, const char *kind, const char **text);
/* Reads options->precision and the calibration file into the pipeline's options (calibrate.c). */
SL_MUST_USE sl_status sl_compilation_precision(sl_compilation *compilation, sl_pipeline_options *pipeline);
/* A profile file (profile.c), for sl_pipeline_options; it lives in the arena. */
SL_MUST_USE sl_status sl_profile_read(sl_arena *arena, const char *path, const sl_profile **profile);
/* Adds the first error's words to a status that only says that something failed. */
SL_MUST_USE sl_status sl_compilation_explain(sl_compilation *compilation, sl_status status);

#endif
