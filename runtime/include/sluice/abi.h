/* abi.h: where generated code and the runtime meet. Standalone and versioned; layouts come from abi.def.
 *
 * A compiled program is a sl_program_table: descriptions plus two native functions. A run: the runtime fills in a frame, calls prepare (which checks the
 * inputs' shapes, binds shape symbols and says how much arena is needed), provides the arena, calls run. Both return 0, or non-zero after services.fail. */
#ifndef SLUICE_ABI_H
#define SLUICE_ABI_H

#include <stdint.h>

#define SL_ABI_VERSION 4

#define SL_ABI_C_pointer void *
#define SL_ABI_C_i64 int64_t
#define SL_ABI_C_i32 int32_t
#define SL_ABI_STRUCT(name) typedef struct sl_abi_##name {
#define SL_ABI_FIELD(struct_, kind, name, comment) SL_ABI_C_##kind name;
#define SL_ABI_END(name) } sl_abi_##name;
#include "sluice/abi.def"
#undef SL_ABI_STRUCT
#undef SL_ABI_FIELD
#undef SL_ABI_END

typedef void (*sl_kernel_fn)(void *const *buffers, const int64_t *scalars, int64_t first, int64_t end, sl_abi_worker *worker);
typedef int32_t (*sl_launch_fn)(sl_abi_frame *, int32_t kernel, sl_kernel_fn, void *const *buffers, const int64_t *scalars, int64_t tasks, int64_t grain, int64_t work);
typedef int32_t (*sl_queue_fn)(sl_abi_frame *, int32_t kernel, sl_kernel_fn, void *const *buffers, const int64_t *scalars, int64_t tasks, int64_t grain, int64_t work,
                              int32_t buffer_count, int32_t scalar_count);
typedef int32_t (*sl_flush_fn)(sl_abi_frame *, int32_t padding);
typedef int32_t (*sl_call_fn)(sl_abi_frame *, const sl_abi_call *);
typedef void *(*sl_dynamic_fn)(sl_abi_frame *, int32_t slot, int64_t bytes);
typedef void *(*sl_output_fn)(sl_abi_frame *, int32_t index, int32_t rank, const int64_t *shape);
typedef int32_t (*sl_fail_fn)(sl_abi_frame *, int32_t code, const char *message);
typedef int32_t (*sl_mismatch_fn)(sl_abi_frame *, int32_t input, int32_t dim, int64_t found, int64_t wanted);
typedef int32_t (*sl_prepare_fn)(sl_abi_frame *, int64_t *arena_bytes);
typedef int32_t (*sl_run_fn)(sl_abi_frame *);

typedef struct sl_abi_value {          /* description of a program input or output */
    const char *name;
    int32_t element;                    /* sl_element */
    int32_t rank;                       /* -1: known at run time */
    const int64_t *dims;                /* -1 where symbolic */
    const char *const *symbols;         /* text of a symbolic dim, else NULL */
} sl_abi_value;

typedef struct sl_abi_kernel {         /* description of a launch site, for counters */
    const char *name, *location;
    int64_t weight_bytes;               /* constant bytes that one run reads; -1: they depend on the run, frame.dense counts them */
    int32_t branch;                     /* branch site that it is in, -1: none */
    int32_t products;                   /* work counts multiply-adds */
    int32_t conditional;                /* frame.dense has what it would have done */
} sl_abi_kernel;

typedef struct sl_abi_branch {         /* one branch of a switch, for counters */
    const char *location;
    int32_t index;                      /* in its switch */
    int32_t parent;                     /* branch site around, -1: none */
} sl_abi_branch;
/* Per launch site: work, runs and (where weight_bytes is -1) bytes without skipping; then such bytes that were read. */
enum { SL_ABI_DENSE_WORK, SL_ABI_DENSE_RUNS, SL_ABI_DENSE_BYTES, SL_ABI_BYTES, SL_ABI_DENSE_FIELDS };
enum { SL_ABI_BRANCH_RUNS, SL_ABI_BRANCH_ROWS, SL_ABI_BRANCH_DENSE, SL_ABI_BRANCH_FIELDS };

typedef struct sl_program_table {
    uint32_t abi_version;
    int32_t input_count, output_count, symbol_count, constant_count, kernel_count, dynamic_slot_count, branch_count;
    int64_t scratch_bytes;
    int64_t queue_launches, queue_words;   /* most launches that wait for one flush; most 8-byte arguments of them together */
    const sl_abi_value *inputs, *outputs;
    const sl_abi_kernel *kernels;
    const sl_abi_branch *branches;
    void *const *constants;             /* 64-byte aligned each */
    sl_prepare_fn prepare;
    sl_run_fn run;
} sl_program_table;

#endif
