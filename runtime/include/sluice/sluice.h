/* sluice.h: the host API for running compiled programs: programs, sessions, tensors. Header of libsluice_runtime; the compiler's entry points
 * (model file to program) are in sluice_compiler.h. C17, no other header of Sluice needed.
 *
 * Threads: a program is immutable after creation and may be shared by any number of sessions; a session is used by one thread at a time and owns
 * its worker pool and arena. After a warm-up run with the largest shapes, runs allocate nothing.
 *
 * Errors: functions return 0 (SLUICE_OK) or a code; sluice_last_error(object) tells what happened in words. Nothing aborts or prints.
 */
#ifndef SLUICE_SLUICE_H
#define SLUICE_SLUICE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SLUICE_API __attribute__((visibility("default")))

typedef enum sluice_code {
    SLUICE_OK = 0, SLUICE_INVALID_ARGUMENT = 1, SLUICE_INVALID_MODEL = 2, SLUICE_UNSUPPORTED = 3, SLUICE_NOT_FOUND = 4, SLUICE_IO = 5,
    SLUICE_OUT_OF_MEMORY = 6, SLUICE_OVERFLOW = 7, SLUICE_RUN_TIME = 8, SLUICE_INTERNAL = 9,
} sluice_code;

typedef struct sluice_context sluice_context;   /* options, last error, diagnostics */
typedef struct sluice_program sluice_program;   /* compiled model */
typedef struct sluice_session sluice_session;   /* one user of a program: memory, threads */

/* Tensors at the API are DLPack's (dlpack.h, DLTensor): CPU device, any strides for inputs (NULL strides: row-major). */
#ifndef DLPACK_DLPACK_H_
typedef struct { int32_t device_type; int32_t device_id; } DLDevice;          /* kDLCPU = 1 */
typedef struct { uint8_t code; uint8_t bits; uint16_t lanes; } DLDataType;    /* kDLInt 0, kDLUInt 1, kDLFloat 2, kDLBfloat 4, kDLBool 6 */
typedef struct { void *data; DLDevice device; int32_t ndim; DLDataType dtype; int64_t *shape; int64_t *strides; uint64_t byte_offset; } DLTensor;
#endif

SLUICE_API const char *sluice_version(void);

/* ---- context ---- */
typedef struct sluice_context_options {
    void *allocator_self;
    /* As realloc with sizes; NULL: the system's. */
    void *(*resize)(void *self, void *pointer, size_t old_size, size_t new_size, size_t alignment);
    /* Gets each rendered diagnostic (one or more lines); NULL: kept in sluice_last_error only. */
    void (*diagnostic)(void *self, const char *text);
    void *diagnostic_self;
} sluice_context_options;
SLUICE_API void sluice_context_options_init(sluice_context_options *options);
SLUICE_API sluice_code sluice_context_create(const sluice_context_options *options, sluice_context **context);
SLUICE_API void sluice_context_destroy(sluice_context *context);
/* The message of the last failed call that took this context or an object made from it; "" when there was none. Valid until the next call. */
SLUICE_API const char *sluice_last_error(const sluice_context *context);

/* ---- programs ---- */
/* Loads a program that was compiled to a file (`sluice compile -o model.slp`); needs no compiler. The file is mapped and must not be changed while the program
 * lives. From memory: `data`, aligned to 64 bytes, must outlive the program (an object file made by `sluice compile -o model.o` holds it so). Everything is verified
 * against checksums. A program file holds machine code: load only what you would execute. */
SLUICE_API sluice_code sluice_program_load(sluice_context *context, const char *path, sluice_program **program);
SLUICE_API sluice_code sluice_program_load_memory(sluice_context *context, const void *data, size_t size, sluice_program **program);
SLUICE_API void sluice_program_destroy(sluice_program *program);
typedef struct sluice_value_description {
    const char *name;
    DLDataType dtype;
    int32_t rank;                 /* -1: decided at run time */
    const int64_t *dims;          /* -1 where symbolic */
    const char *const *symbols;   /* text of the dim where symbolic ("batch", "2*seq"), else NULL */
} sluice_value_description;
SLUICE_API int32_t sluice_program_input_count(const sluice_program *program);
SLUICE_API int32_t sluice_program_output_count(const sluice_program *program);
SLUICE_API sluice_code sluice_program_input(const sluice_program *program, int32_t index, sluice_value_description *description);
SLUICE_API sluice_code sluice_program_output(const sluice_program *program, int32_t index, sluice_value_description *description);
/* Index by name, -1 when there is none. */
SLUICE_API int32_t sluice_program_find_input(const sluice_program *program, const char *name);
SLUICE_API int32_t sluice_program_find_output(const sluice_program *program, const char *name);

/* ---- sessions ---- */
/* How branches with one body and weights of their own (experts) run: */
typedef enum sluice_schedule {
    SLUICE_SCHEDULE_AUTO,         /* chosen by the load of each run */
    SLUICE_SCHEDULE_LOOP,         /* one branch after the other */
    SLUICE_SCHEDULE_GROUPED,      /* one launch over the tasks of all branches */
    SLUICE_SCHEDULE_PADDED,       /* one launch over a grid with as many tasks for each branch as the fullest one has */
    SLUICE_SCHEDULE_COUNT,
} sluice_schedule;
typedef struct sluice_session_options {
    int32_t threads;              /* 0: as many as cores; 1: none but the caller */
    int32_t pin;                  /* 1: pin workers to cores */
    int32_t spin_microseconds;    /* how long an idle worker spins before it sleeps; -1: default 50 */
    int32_t counters;             /* 1: count work per op (small cost) */
    int64_t memory_limit;         /* bytes of arena and outputs; 0: none */
    int32_t schedule;             /* sluice_schedule of branches that share a body; all give the same bits */
} sluice_session_options;
SLUICE_API void sluice_session_options_init(sluice_session_options *options);
SLUICE_API sluice_code sluice_session_create(sluice_program *program, const sluice_session_options *options, sluice_session **session);
SLUICE_API void sluice_session_destroy(sluice_session *session);

/* Runs. inputs[i] belongs to program input i. outputs[i]: with data != NULL the result is written there (shape, dtype and row-major strides must
 * fit, else an error); with data == NULL the call fills in data, shape and dtype of memory that the session owns until its next run. */
SLUICE_API sluice_code sluice_session_run(sluice_session *session, const DLTensor *inputs, int32_t input_count, DLTensor *outputs, int32_t output_count);

/* Bytes of arena in use by the session, and the most so far. */
SLUICE_API int64_t sluice_session_arena_bytes(const sluice_session *session);
SLUICE_API int64_t sluice_session_peak_bytes(const sluice_session *session);

/* How many groups of launches the last run did in the given way. */
SLUICE_API int64_t sluice_session_schedule_count(const sluice_session *session, sluice_schedule schedule);

/* ---- counters: what the last run did, op by op; needs options.counters ---- */
typedef struct sluice_counter {
    const char *op;               /* kernel name */
    const char *location;         /* node names it came from */
    int64_t runs;                 /* launches */
    int64_t work;                 /* multiply-adds (or scalar operations) executed */
    int64_t dense_work;           /* what it would have been if no branch were skipped and no row left out */
    int64_t weight_bytes;         /* constant bytes read */
    int64_t nanoseconds;          /* time inside, all threads waited for */
    int64_t dense_runs;           /* launches, and constant bytes, without skipping */
    int64_t dense_weight_bytes;
    int32_t products;             /* 1: work counts the multiply-adds of sums of products; 0: elements */
    int32_t branch;               /* number of the branch that it is in, see sluice_session_branch; -1: none */
} sluice_counter;
SLUICE_API int32_t sluice_session_counter_count(const sluice_session *session);
SLUICE_API sluice_code sluice_session_counter(const sluice_session *session, int32_t index, sluice_counter *counter);
/* Branches of routed rows that compute something, in program order; a branch's launches are the counters that name it. */
typedef struct sluice_branch_counter {
    const char *location;         /* node that routes */
    int32_t index;                /* of the branch in its node */
    int32_t parent;               /* number of the branch that the node is in, -1: none */
    int64_t runs;                 /* times with at least one row */
    int64_t rows;                 /* rows that went here */
    int64_t dense_rows;           /* rows that would have gone here if nothing were skipped: all */
} sluice_branch_counter;
SLUICE_API int32_t sluice_session_branch_count(const sluice_session *session);
SLUICE_API sluice_code sluice_session_branch(const sluice_session *session, int32_t index, sluice_branch_counter *counter);

#ifdef __cplusplus
}
#endif
#endif
