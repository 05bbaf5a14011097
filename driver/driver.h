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
} sl_compilation;

/* Starts; on failure nothing is left. sl_compilation_end frees all that was not handed on (set arena to NULL after handing it to a program). */
SL_MUST_USE sl_status sl_compilation_begin(sl_compilation *compilation, sluice_context *host, const sluice_compile_options *options);
void sl_compilation_end(sl_compilation *compilation);
/* Reads and imports. data NULL: from the file. Each step is guarded against running out of memory. */
SL_MUST_USE sl_status sl_compilation_load(sl_compilation *compilation, const char *path, const void *data, size_t size);
/* Runs options->pipeline, or the default one. */
SL_MUST_USE sl_status sl_compilation_lower(sl_compilation *compilation);
SL_MUST_USE sl_status sl_compilation_program(sl_compilation *compilation, sluice_program **program);
/* kind: ir, llvm, asm. The text lives in the compilation's arena. */
SL_MUST_USE sl_status sl_compilation_text(sl_compilation *compilation, const char *kind, const char **text);
/* Adds the first error's words to a status that only says that something failed. */
SL_MUST_USE sl_status sl_compilation_explain(sl_compilation *compilation, sl_status status);

#endif
