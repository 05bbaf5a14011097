/* runtime_internal.h: bodies of the host API's handles, for the files of runtime/ only. */
#ifndef SLUICE_RUNTIME_INTERNAL_H
#define SLUICE_RUNTIME_INTERNAL_H

#include "pool.h"
#include "sluice/element.h"
#include "sluice/runtime.h"

#define SL_RUNTIME_MAX_RANK 16

struct sluice_context {
    sl_allocator allocator;
    sluice_context_options options;
    char error[2048];                 /* fixed, so that an out-of-memory error can be told */
};

struct sluice_program {
    sluice_context *context;          /* NULL when made without one: errors then go to `error` */
    sl_allocator allocator;
    const sl_program_table *table;
    void (*release)(void *owner);
    void *owner;
};

/* A growing block of session memory; never shrinks, so that repeated runs allocate nothing. */
typedef struct sl_block_memory { void *data; int64_t size; } sl_block_memory;

typedef struct sl_kernel_count { int64_t runs, work, nanoseconds; } sl_kernel_count;

/* Launches that wait for a kernel.flush (group.c). */
typedef struct sl_queue { sl_block_memory jobs, words, order; int64_t job_count, word_count; } sl_queue;

struct sluice_session {
    sluice_context *context;
    sluice_program *program;
    sl_allocator allocator;
    sluice_session_options options;
    sl_pool *pool;
    sl_block_memory arena;
    sl_block_memory *dynamic;         /* dynamic_slot_count */
    sl_block_memory *outputs;         /* output_count: memory of outputs that the caller left to us */
    sl_block_memory *staging;         /* input_count: row-major copies of strided inputs */
    int64_t *symbols;
    sl_abi_tensor *inputs;
    int64_t (*input_shapes)[SL_RUNTIME_MAX_RANK];
    int64_t (*output_shapes)[SL_RUNTIME_MAX_RANK];
    uint8_t *output_made;             /* this run has asked for the output's memory */
    DLTensor *caller_outputs;         /* of the run in progress */
    sl_kernel_count *counts;          /* kernel_count, when options.counters */
    int64_t *dense;                   /* SL_ABI_DENSE_FIELDS a launch site; then SL_ABI_BRANCH_FIELDS a branch site; likewise */
    int64_t *branches;
    sl_queue queue;
    sl_block_memory cursors;          /* of a partition in ranges (routine_partition.c) */
    int64_t schedules[SLUICE_SCHEDULE_COUNT];   /* flushes of the last run by how they ran */
    int64_t bytes, peak_bytes;        /* all blocks together */
    sluice_code run_code;
    char run_error[1024];
};

typedef enum sl_grow { SL_GROW_DROP, SL_GROW_KEEP } sl_grow;
/* Grows a block to `size` bytes (64-byte aligned); with SL_GROW_DROP its contents are lost. Fails on the session's memory limit and on out of memory. */
SL_MUST_USE sl_status sl_session_grow(sluice_session *session, sl_block_memory *block, int64_t size, sl_grow grow, const char *what);

/* ---- group.c ---- */
SL_MUST_USE sl_status sl_group_reserve(sluice_session *session, int64_t launches, int64_t words);
SL_MUST_USE sl_status sl_group_add(sluice_session *session, int32_t kernel, sl_kernel_fn function, void *const *buffers, const int64_t *scalars, int64_t tasks, int64_t work,
                                   int32_t buffer_count, int32_t scalar_count);
/* Runs and empties the queue; `message`: of a failed kernel.assert, or NULL. */
SL_MUST_USE sl_status sl_group_run(sluice_session *session, int32_t padding, const char **message);
int32_t sl_group_first_kernel(const sluice_session *session);
void sl_group_count_time(sluice_session *session, int64_t count, int64_t nanoseconds);     /* of the `count` launches that ran last */

extern const sl_abi_services sl_runtime_services;

/* DLPack <-> element types. */
bool sl_element_from_dlpack(DLDataType type, sl_element *element);
DLDataType sl_element_to_dlpack(sl_element element);
/* Bytes of one element in program memory: sub-byte types take one byte each there. */
int sl_element_memory_bytes(sl_element element);

/* ---- routines ---- */
typedef struct sl_routine_call {
    sl_abi_frame *frame;
    const sl_abi_call *call;
    sl_abi_tensor *in, *out;
} sl_routine_call;
/* 0, or the result of services.fail. */
typedef int32_t (*sl_routine_fn)(const sl_routine_call *call);
/* Allocates output `index` of a routine with the shape (copied) from its dynamic slot; NULL after a failure was recorded. */
void *sl_routine_make_output(const sl_routine_call *call, int index, int rank, const int64_t *shape);
SL_PRINTF(3, 4) int32_t sl_routine_fail(const sl_routine_call *call, sl_code code, const char *format, ...);
int64_t sl_abi_tensor_count(const sl_abi_tensor *tensor);
sl_routine_fn sl_routine_function(int index);

#define SL_ROUTINE(name, makes, doc) int32_t sl_routine_##name(const sl_routine_call *call);
#include "sluice/routines.def"
#undef SL_ROUTINE

#endif
