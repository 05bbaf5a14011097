/* eval_internal.h: the reference evaluator's parts (private to ir/).
 *
 * One sl_eval lives for one call. Values are tensors (scalars are rank 0) or partition plans, kept by value id; they are never changed once they are a value, so
 * ops may share data. An error leaves by longjmp through eval_fail to the entry point; everything that was allocated hangs off arenas, so nothing leaks.
 *
 * Shape symbols: bound by the shapes of inputs, block arguments and results, wherever a dim of a type is a plain symbol; other dims are checked. What a region
 * bound is forgotten when it ends, so that a loop's body binds anew in every iteration.
 */
#ifndef SLUICE_EVAL_INTERNAL_H
#define SLUICE_EVAL_INTERNAL_H

#include "op_hooks.h"
#include <setjmp.h>

/* Which rows go to which branch: entries grouped by branch, in row order within a branch. */
typedef struct sl_eval_plan {
    int branches;
    int64_t rows, choices;
    int64_t *starts;          /* branches + 1 positions in row/choice */
    int64_t *row, *choice;    /* of each entry */
} sl_eval_plan;

typedef struct sl_eval_value { sl_tensor *tensor; sl_eval_plan *plan; } sl_eval_value;

typedef struct sl_eval_symbol { bool bound; int64_t value; } sl_eval_symbol;

/* Arenas of loop bodies, destroyed with the evaluation at the latest. */
typedef struct sl_eval_child { sl_arena *arena; struct sl_eval_child *next; } sl_eval_child;

typedef struct sl_eval {
    sl_context *context;
    const sl_eval_options *options;
    sl_arena *frame;          /* lives to the end of the call */
    sl_arena *arena;          /* where results go now: the frame, or the arena of a loop's iteration */
    sl_eval_value *values;    /* by value id; NULL when folding one op */
    uint32_t value_count;
    sl_tensor *const *folded; /* operands of the one op being folded, else NULL */
    SL_VEC(sl_eval_symbol) symbols;   /* by expression id */
    SL_VEC(uint32_t) trail;           /* bound since the innermost region began */
    sl_eval_child *children;
    int64_t steps;
    int depth;
    bool quiet;               /* no diagnostics (folding) */
    const char *message;      /* of the failure, in the frame */
    jmp_buf failed;
} sl_eval;

/* Reports at the op (NULL: nowhere) and leaves the evaluation. */
_Noreturn SL_PRINTF(3, 4) void sl_eval_fail(sl_eval *eval, const sl_op *op, const char *format, ...);
/* Counts work against max_steps: one step, and one more for each 4096 units (points, elements, 16 multiply-adds). */
void sl_eval_step(sl_eval *eval, const sl_op *op, int64_t units);

/* ---- values and shapes (eval.c) ---- */
sl_tensor *sl_eval_operand(sl_eval *eval, const sl_op *op, int index);
sl_tensor *sl_eval_value_tensor(sl_eval *eval, const sl_op *op, const sl_value *value);
void sl_eval_set(sl_eval *eval, const sl_op *op, sl_value *value, sl_eval_value content);   /* binds and checks symbols of the type */
bool sl_eval_expr(sl_eval *eval, sl_expr expr, int64_t *value);                            /* false: an unbound symbol, or overflow */
int64_t sl_eval_expr_or_fail(sl_eval *eval, const sl_op *op, sl_expr expr);
/* The shape that result `index` must have by its type; all its symbols must be bound. Returns the rank. */
int sl_eval_result_shape(sl_eval *eval, const sl_op *op, int index, int64_t *shape);
sl_element sl_eval_result_element(const sl_op *op, int index);
sl_tensor *sl_eval_alloc(sl_eval *eval, const sl_op *op, sl_element element, int rank, const int64_t *shape);   /* zeroed, within max_elements */
/* Fails unless the dims that are not 0 multiply to at most max_elements, so that no product of dims overflows, in empty tensors neither. */
void sl_eval_check_shape(sl_eval *eval, const sl_op *op, int rank, const int64_t *shape);
sl_tensor *sl_eval_alias(sl_eval *eval, const sl_tensor *tensor, sl_element element, int rank, const int64_t *shape);   /* the same data */
int64_t sl_eval_scalar_int(sl_eval *eval, const sl_op *op, int index);      /* of a one-element integer operand */
/* Runs a block whose arguments are set; its terminator. */
const sl_op *sl_eval_block(sl_eval *eval, const sl_op *op, sl_block *block);
void sl_eval_bind(sl_eval *eval, sl_expr symbol, int64_t value);                           /* until the scope ends */
size_t sl_eval_scope_begin(sl_eval *eval);
void sl_eval_scope_end(sl_eval *eval, size_t mark);
sl_arena *sl_eval_child_arena(sl_eval *eval);
void sl_eval_child_destroy(sl_eval *eval, sl_arena *arena);
/* Evaluates one op (not a terminator), without setting its values. */
void sl_eval_op(sl_eval *eval, sl_op *op, sl_eval_value *results);

/* ---- tensors (eval_tensor.c) ---- */
bool sl_shape_within(int rank, const int64_t *shape, int64_t limit);        /* what sl_eval_check_shape checks */
void sl_strides(int rank, const int64_t *shape, int64_t *strides);          /* row-major, in elements */
/* to[to_base + i*to_strides] = from[from_base + i*from_strides] over `shape`; positions in elements, of one element type. */
void sl_copy_strided(sl_element element, int rank, const int64_t *shape, void *to, int64_t to_base, const int64_t *to_strides, const void *from,
                     int64_t from_base, const int64_t *from_strides);
void sl_copy_elements(sl_element element, void *to, int64_t to_index, const void *from, int64_t from_index, int64_t count);
/* Next index in row-major order; false after the last. */
bool sl_next_index(int rank, const int64_t *shape, int64_t *index);

/* ---- arithmetic on lanes (eval_lanes.c) ---- */
enum { SL_LANES = 128 };      /* most lanes in one call */
/* One element of any numeric type: floats as `f` (exact), others as `i` (u64 as its bit pattern, i1 as 0 or 1). */
typedef union sl_lane { double f; int64_t i; } sl_lane;

typedef enum sl_predicate { SL_PREDICATE_eq, SL_PREDICATE_ne, SL_PREDICATE_lt, SL_PREDICATE_le, SL_PREDICATE_gt, SL_PREDICATE_ge } sl_predicate;
typedef enum sl_rounding { SL_ROUND_nearest, SL_ROUND_up, SL_ROUND_down, SL_ROUND_zero } sl_rounding;

/* What an arith op does to one element, read from the op once. */
typedef struct sl_lane_op {
    sl_op_kind kind;
    sl_element from, to;      /* of the last operand and of the result */
    sl_predicate predicate;   /* cmp */
    sl_rounding rounding;     /* cast */
    bool saturate;            /* cast to f8 */
} sl_lane_op;

void sl_lanes_load(sl_element element, const void *data, int64_t start, int64_t stride, int count, sl_lane *out);
void sl_lanes_store(sl_element element, void *data, int64_t start, int64_t stride, int count, const sl_lane *in);
sl_lane_op sl_lane_op_of(const sl_op *op);
sl_lane_op sl_lane_op_binary(sl_op_kind kind, sl_element element);
sl_lane_op sl_lane_op_cast(sl_element from, sl_element to);
void sl_lanes_apply(const sl_lane_op *op, int count, const sl_lane *const *operands, sl_lane *out);   /* out may be an operand */

/* ---- families; each sets results[i] of the op ---- */
void sl_eval_arith(sl_eval *eval, const sl_op *op, sl_eval_value *results);
void sl_eval_tensor_op(sl_eval *eval, sl_op *op, sl_eval_value *results);
sl_tensor *sl_eval_move(sl_eval *eval, const sl_op *op);       /* eval_move.c: elements moved, shapes made */
void sl_eval_bind_slice(sl_eval *eval, const sl_op *op);
sl_tensor *sl_eval_gather(sl_eval *eval, const sl_op *op);     /* eval_gather.c: indexing, scattering */
sl_tensor *sl_eval_reduce(sl_eval *eval, const sl_op *op);     /* eval_reduce.c */
sl_tensor *sl_eval_contract(sl_eval *eval, const sl_op *op);   /* eval_contract.c: contract, conv */
/* An INTS attribute of a window: `count` entries from `least` to INT32_MAX. */
const int64_t *sl_eval_window_ints(sl_eval *eval, const sl_op *op, const char *name, int count, int64_t least);
void sl_eval_search(sl_eval *eval, const sl_op *op, sl_eval_value *results);   /* eval_search.c */
void sl_eval_if(sl_eval *eval, sl_op *op, sl_eval_value *results);             /* eval_control.c */
void sl_eval_loop(sl_eval *eval, sl_op *op, sl_eval_value *results);
void sl_eval_route(sl_eval *eval, sl_op *op, sl_eval_value *results);          /* eval_route.c */
void sl_eval_nest(sl_eval *eval, sl_op *op, sl_eval_value *results);           /* eval_nest.c: generic */
void sl_eval_group(sl_eval *eval, sl_op *op, sl_eval_value *results);

#endif
