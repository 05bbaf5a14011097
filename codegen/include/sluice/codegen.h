/* codegen.h: kernel IR to machine code; the only user of LLVM's C API. */
#ifndef SLUICE_CODEGEN_H
#define SLUICE_CODEGEN_H

#include "sluice/abi.h"
#include "sluice/ir.h"
#include "sluice/machine.h"
#include "sluice/program_file.h"
#include "sluice/sluice.h"

typedef struct sl_codegen_options {
    const sl_machine *machine;
    const char *cache_dir;        /* NULL: none */
    int compile_threads;          /* kernels compiled in parallel; 0: machine->threads */
    bool timing;
    void (*print)(void *self, const char *text);
    void *print_self;
    /* Gets the finished program before it is loaded (to write it to a file); its parts live until the call returns. A failure ends the compilation. */
    sl_status (*compiled)(void *self, const sl_compiled *compiled);
    void *compiled_self;
} sl_codegen_options;

/* Compiles a module of kernel IR (after the default pipeline) into a program of this process. `model_arena` (may be NULL) owns all constant data that the module
 * refers to (the IR context too, which holds constants that passes made); on success the program takes it over. With `program` NULL nothing is loaded, so that the target may
 * be any machine: options->compiled gets the program. */
SL_MUST_USE sl_status sl_codegen_jit(sl_module *module, const sl_codegen_options *options, const sl_allocator *allocator, sl_arena *model_arena,
                                     sluice_program **program);
/* The kernels of a module by themselves, for measuring and testing them one by one: no host code is needed. */
typedef struct sl_kernels sl_kernels;
SL_MUST_USE sl_status sl_codegen_kernels(sl_module *module, const sl_codegen_options *options, const sl_allocator *allocator, sl_kernels **kernels);
sl_kernel_fn sl_kernels_find(const sl_kernels *kernels, const char *name);   /* NULL when there is none */
/* How many came from the object cache, and how many distinct ones there are. */
int sl_kernels_cached(const sl_kernels *kernels);
int sl_kernels_distinct(const sl_kernels *kernels);
void sl_kernels_destroy(sl_kernels *kernels);

/* LLVM IR or assembly of the module as text. */
SL_MUST_USE sl_status sl_codegen_text(sl_module *module, const sl_codegen_options *options, bool assembly, sl_text *out);

#endif
