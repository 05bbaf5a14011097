/* ir.h: text form, verification, inference and reference evaluation of modules; includes the whole of the IR. */
#ifndef SLUICE_IR_H
#define SLUICE_IR_H

#include "sluice/op.h"

/* ---- text ----
 * Generic form, complete for every op:
 *     %r0, %r1 = family.name(%a, %b) {attr = value, ...} : (T, T) -> (T, T) ({ ^(%arg: T): ops }, {...}) loc(...)
 * Functions:  core.func @main(%x: tensor<B x 4 x f32>) -> (tensor<B x 4 x f32>) {attr...} { ... core.return(%y) : (T) }
 * The grammar is in docs/ir.md. Blobs of large constants print at the end of a module as  blob "name" = hex "...."  or are left out. */
typedef struct sl_print_options {
    bool locations;            /* print loc(...) */
    int64_t inline_data_limit; /* constants with more elements print as blobs; default 64 */
    bool blobs;                /* print the blob section, so that the text is complete */
} sl_print_options;
void sl_print_options_init(sl_print_options *options);
void sl_module_print(sl_text *out, sl_module *module, const sl_print_options *options);
void sl_op_print(sl_text *out, sl_op *op, const sl_print_options *options);

/* Parses a module; reports every syntax error it can recover from, with line, column and caret, and then fails. `file` names the text. */
SL_MUST_USE sl_status sl_module_parse(sl_context *context, const char *file, const char *text, size_t length, sl_module **module);

/* ---- verification: collects all errors; the list of invariants heads ir/verify.c ---- */
SL_MUST_USE sl_status sl_module_verify(sl_module *module);
bool sl_op_verify(const sl_op *op);

/* ---- inference ---- */
/* Runs the row's infer hook on an existing op. False with a message when it fails. */
bool sl_op_infer(const sl_op *op, sl_type *results, const char **message);
/* The elements of a small integer tensor (rank 0 or 1, at most 64 elements) as expressions, where they follow from shapes and constants:
 * looks through from_dims, constants, arithmetic, gathers, slices, concats, casts, reshapes, selects. Count, or -1 when unknown. */
int sl_value_as_exprs(sl_value *value, sl_expr *exprs, int capacity);

/* ---- reference evaluation: the one semantics ---- */
typedef struct sl_tensor {             /* dense, row-major, packed for sub-byte elements */
    sl_element element;
    int rank;
    int64_t shape[SL_MAX_RANK];
    void *data;
    int64_t size;                      /* bytes */
} sl_tensor;
int64_t sl_tensor_count(const sl_tensor *tensor);
sl_tensor *sl_tensor_alloc(sl_arena *arena, sl_element element, int rank, const int64_t *shape);   /* zeroed */
sl_tensor *sl_tensor_from_attr(sl_arena *arena, sl_attr data);
sl_attr sl_tensor_to_attr(sl_context *context, const sl_tensor *tensor);

/* What an evaluation counted, for comparison with the compiled program's counters. */
typedef struct sl_eval_counts { int64_t multiply_adds; int64_t ops; } sl_eval_counts;

typedef struct sl_eval_options {
    int64_t max_elements;              /* refuse tensors larger than this: default 2^28 */
    int64_t max_steps;                 /* ops evaluated, loop bodies included: default 10 million */
    sl_eval_counts *counts;            /* may be NULL */
    /* Called with every tensor result as it is computed; may be NULL. */
    void (*observe)(void *self, sl_op *op, int result, const sl_tensor *tensor);
    void *self;
} sl_eval_options;
void sl_eval_options_init(sl_eval_options *options);
/* Evaluates function `name`. Results are allocated in `arena`. Located error (diag) and failed status on a run-time fault. Handles families
 * core, arith, tensor, route and nest. */
SL_MUST_USE sl_status sl_eval_function(sl_module *module, const char *name, sl_arena *arena, const sl_eval_options *options, int input_count,
                                       const sl_tensor *const *inputs, int output_count, sl_tensor **outputs);
/* Channels of a group that a convolution sums over all taps before the next ones (docs/architecture.md, Determinism of sums): 16 of f32 channels that come last in whole blocks of 16; else all. */
int64_t sl_conv_channel_block(bool channels_last, int spatial, sl_element x, sl_element weights, int64_t channels);

/* Folds one pure op whose operands are all constants; false when it can't (too large: more than max_elements results, or unsupported). */
bool sl_op_fold_constant(sl_op *op, int64_t max_elements, sl_attr *results);

#endif
