/* sluice_compiler.h: the host API's other half: from a model file to a program in this process (JIT), or to text. Header of libsluice (which contains the
 * runtime). Same rules as sluice.h. */
#ifndef SLUICE_COMPILER_H
#define SLUICE_COMPILER_H

#include "sluice/sluice.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sluice_compile_options {
    const char *format;           /* auto (default), json, onnx-json, onnx, sl (text IR) */
    const char *target;           /* host (default), x86-64, x86-64-v3, x86-64-v4, aarch64, or an LLVM CPU name with features */
    int32_t threads;              /* tune for so many; 0: the machine's */
    const char *const *bindings;  /* "batch=8" (symbol), "x=1,3,224,224" (input's shape), "gate=[0,1]" or "routes=<2,4>[...]" (input
                                     fixed to a constant: what depends on it is decided when compiling); NULL-terminated, may be NULL */
    const char *cache_dir;        /* cache of programs and kernels; NULL: none; "default": $XDG_CACHE_HOME/sluice or ~/.cache/sluice */
    int64_t cache_limit;          /* bytes that the cache may take; the least recently used goes first. 0: 8 GiB */
    const char *pipeline;         /* passes; NULL: the default pipeline */
    const char *print_before, *print_after;   /* pass names or "all": printed to `print` */
    int32_t print_changed;        /* print after passes that changed something */
    const char *dump_dir;
    const char *reproducer;       /* written when a pass fails */
    int32_t timing;               /* print pass and codegen times */
    int32_t verify;               /* verify after every pass; default 1 */
    int32_t strict;
    int32_t absent_weights;       /* weights may be missing in the model's files (cut off, or not there), as long as nothing needs them when the program is compiled */
    const char *deny;             /* "dense-fallback": an error where work could be skipped but is not; NULL: a remark */
    const char *precision;        /* of sums of products: f32 (default: exact), bf16, int8; see docs/precision.md */
    const char *calibration;      /* file of ranges that `sluice calibrate` wrote, for int8; NULL: matrix products only, by ranges of their rows found while running */
    const char *print_decisions;  /* pass names or "all": their decisions and reasons, printed to `print` */
    const char *profile;          /* file that sluice_profile_write made: what branches of routed rows are expected to get; NULL: nothing is known */
    int64_t memory_budget;
    const char *kernel;           /* kernel strategies forced, "tile-rows=4,a=packed" (kernel_choice.def lists them); NULL: the compiler chooses */
    void (*print)(void *self, const char *text);
    void *print_self;
} sluice_compile_options;
SLUICE_API void sluice_compile_options_init(sluice_compile_options *options);

/* Compiles a model file for this process; with a cache folder the program is taken from there when it was compiled before. A compiled program (.slp) is loaded. */
SLUICE_API sluice_code sluice_compile_file(sluice_context *context, const char *path, const sluice_compile_options *options, sluice_program **program);
/* The same from memory; `name` stands for the path in messages and finds side files. */
SLUICE_API sluice_code sluice_compile_memory(sluice_context *context, const char *name, const void *data, size_t size,
                                             const sluice_compile_options *options, sluice_program **program);
/* Compiles to a file: a program that sluice_program_load reads (`output` ends in .slp), or an object that holds one, to be linked (.o); for any target. The object has
 * symbols <name>_program and <name>_program_end; `header` (may be NULL) is written beside it and declares <name>_load. `name` NULL: from the output's name. */
SLUICE_API sluice_code sluice_compile_program(sluice_context *context, const char *path, const char *output, const char *header, const char *name,
                                              const sluice_compile_options *options);
/* Compiles to text: "ir" (kernel IR), "llvm" or "asm". The text belongs to the caller: sluice_text_free. */
SLUICE_API sluice_code sluice_compile_text(sluice_context *context, const char *path, const char *kind, const sluice_compile_options *options, char **text);
SLUICE_API void sluice_text_free(char *text);

/* ---- profiles: what runs saw of routed rows, for later compilations ---- */
typedef struct sluice_profile sluice_profile;
SLUICE_API sluice_code sluice_profile_create(sluice_context *context, sluice_profile **profile);
/* Adds the session's last run; it must count (counters = 1). */
SLUICE_API sluice_code sluice_profile_record(sluice_profile *profile, const sluice_session *session);
SLUICE_API sluice_code sluice_profile_write(const sluice_profile *profile, const char *path);
SLUICE_API void sluice_profile_destroy(sluice_profile *profile);

#ifdef __cplusplus
}
#endif
#endif
