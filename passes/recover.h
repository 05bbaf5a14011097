/* recover.h: shared by the files of the pass recover-routing: one file passes/recover_<form>.c for each form in which exporters write routing.
 *
 *   recover_axes.c     how an axis of a result flows to the operands of an op; from it follows what works row by row, and expert by expert
 *   recover_facts.c    what a gate or mask is, element by element: a constant unless the expert is among the row's picks
 *   recover_bodies.c   gathers the bodies that only the form at hand reads, prices them, and clones them onto packed rows
 *   recover_flatten.c  two leading axes as one
 *   recover_build.c    keys, weights, partition and switch */
#ifndef SLUICE_RECOVER_H
#define SLUICE_RECOVER_H

#include "passes_internal.h"

enum {
    SL_RECOVER_MAX_SCAN = 16384,      /* ops that are looked at for the bodies of one form */
    SL_RECOVER_MAX_ROW_TENSORS = 256,
    SL_RECOVER_MAX_BRANCHES = 1024,
    SL_RECOVER_MOVE_COST = 8,         /* multiply-adds that moving one element costs */
};

/* ---- axes ---- */
enum { SL_AXIS_WHOLE = -1, SL_AXIS_MIXED = -2 };

/* The axis of `operand` that axis `axis` of the op's result runs along: result element i along it needs only element i of the operand. SL_AXIS_WHOLE: the operand is the same for all i;
 * SL_AXIS_MIXED: neither. */
int sl_recover_axis(const sl_op *op, int operand, int axis);

/* ---- facts ---- */
typedef enum sl_index_kind { SL_INDEX_FREE, SL_INDEX_FIXED, SL_INDEX_ROW, SL_INDEX_CHOICE, SL_INDEX_EXPERT } sl_index_kind;
typedef struct sl_index { sl_index_kind kind; int64_t value; } sl_index;    /* value: of FIXED */

typedef enum sl_fact_kind {
    SL_FACT_UNKNOWN,
    SL_FACT_CONST,      /* `outside`, for every row */
    SL_FACT_EXPERT,     /* the number of the expert */
    SL_FACT_KEY,        /* keys[row, choice] */
    SL_FACT_PICK,       /* `outside` unless keys[row, choice] is `expert` (with any_choice: for any choice); then `inside` where that is known */
    SL_FACT_MASK,       /* made to be `outside` for some rows; which ones is found out when running. With `keys` also these numbers */
} sl_fact_kind;

typedef struct sl_fact {
    sl_fact_kind kind;
    double outside, inside;
    bool inside_known, any_choice;
    sl_value *keys;                 /* integers */
    int keys_row, keys_choice;      /* axes of keys; choice -1: one choice */
    int64_t expert;                 /* -1: the one that SL_INDEX_EXPERT stands for */
} sl_fact;

/* What value[index...] is. */
sl_fact sl_recover_fact(sl_pass_context *pass, sl_value *value, const sl_index *index);
/* Whether the keys of one row differ from each other. */
bool sl_recover_keys_differ(const sl_fact *fact);
/* Largest key plus one, where that is known; else -1. Keys are not negative then. */
int64_t sl_recover_key_limit(const sl_value *keys);
/* The constant behind a value, all elements the same, seen through broadcasts and reshapes. */
bool sl_recover_splat(const sl_value *value, double *splat);

/* Whether a constant is the same all along an axis: a bias or a row of numbers that was repeated when compiling. */
bool sl_recover_uniform(const sl_value *value, int axis);

/* ---- bodies ---- */
enum { SL_SIDE_EVERY = -1 };        /* of all branches: what has an axis of experts */

/* A value that bodies end in, as operand `operand` of `user`. `side`: its branch, or SL_SIDE_EVERY with `experts` the axis of experts. */
typedef struct sl_body_root { sl_op *user; int operand, side, rows, experts; } sl_body_root;
typedef struct sl_member { sl_op *op; int side, rows, experts, uniform; } sl_member;    /* uniform: as a need: the axis of rows along which the value is the same, 0 for none, else plus one */
/* A value that stands for rows of `source`, along `axis` of it. */
typedef struct sl_row_source { sl_value *value, *source; int axis; } sl_row_source;
typedef struct sl_row_tensor { sl_value *value; int axis, experts; int64_t expert; sl_value *packed; } sl_row_tensor;

typedef struct sl_bodies {
    sl_pass_context *pass;
    sl_context *c;
    int branches;
    SL_VEC(sl_body_root) roots;
    SL_VEC(sl_row_source) sources;
    SL_VEC(sl_row_source) stacks;       /* value: for each row, along axis 0, the slice of `source` that belongs to its branch */
    SL_VEC(sl_member) members;          /* last first */
    SL_VEC(sl_row_tensor) tensors;
    uint32_t *index;                    /* by op id: number of the member plus one */
    bool *by_branch;                    /* by op id: depends on a stack; NULL without any */
    size_t capacity;
    sl_expr rows;                       /* their number */
    bool loosely;                       /* gather whatever only the form reads, row by row or not: to see whether there is work in it */
    const char *trouble;                /* why it can't be */
} sl_bodies;

/* The op's attributes without axis `gone` of its result, which is axis flow[i] of operand i (negative: not in it). As many as the op has. */
int sl_recover_attrs_without(sl_context *context, const sl_op *op, int gone, const int *flow, sl_named_attr *attrs);

void sl_bodies_init(sl_bodies *bodies, sl_pass_context *pass, int branches, sl_expr rows);
void sl_bodies_add_root(sl_bodies *bodies, sl_op *user, int operand, int side, int rows, int experts);
/* Gathers the members backwards from `last`, then the row tensors. False with `trouble`. */
bool sl_bodies_gather(sl_bodies *bodies, sl_op *last);
/* Multiply-adds for one row in all branches together, and elements that packing and merging move for one choice. */
double sl_bodies_products(const sl_bodies *bodies);
double sl_bodies_moved(const sl_bodies *bodies, sl_type result);
/* Multiply-adds for one row in the bodies of one side. */
double sl_bodies_products_of(const sl_bodies *bodies, int side);
/* Share of the rows that went to a branch of this op in the runs of the profile; -1: not known. */
double sl_recover_rate(const sl_pass_context *pass, const sl_op *op, int64_t branch);
/* The number of elements that one row of `type` has; symbols count as 128. */
double sl_recover_row_elements(sl_type type, int rows);

/* How the rows go: keys (rows, or rows x choices; negative: nowhere) and weights (the same shape, or NULL). */
typedef struct sl_routing { sl_value *keys, *weights; int64_t choices; const char *merge; sl_value *old; } sl_routing;
/* partition and switch before `anchor`; its one result has `rows` leading dims of `result`. */
sl_value *sl_bodies_build(sl_bodies *bodies, sl_op *anchor, const sl_routing *routing, sl_type result);

/* ---- keys ---- */
/* The gate of one branch: of a row (choices 1, rank 1) or of a row's choice (rank 2). As weight: `weight` NULL is one. */
typedef struct sl_gate { sl_fact fact; sl_value *mask, *weight; } sl_gate;
/* Keys and weights for the branches: from the picks where all gates follow the same ones, else a column for each branch. `mask` of a gate: nonzero where the branch has the row (rows, or rows x choices). */
bool sl_recover_route(sl_pass_context *pass, sl_builder *b, int branches, const sl_gate *gates, sl_expr rows, sl_routing *routing, const char **how);

/* ---- building ---- */
sl_value *sl_recover_op(sl_builder *b, sl_op_kind kind, int count, sl_value *const *operands, sl_type type, int attr_count, const sl_named_attr *attrs);
sl_value *sl_recover_reshape(sl_builder *b, sl_value *value, sl_type type);
sl_value *sl_recover_splat_like(sl_builder *b, sl_type type, double value);
sl_value *sl_recover_lead(sl_builder *b, sl_value *value, int axis);                /* `axis` first, the others in order */
sl_value *sl_recover_slice(sl_builder *b, sl_value *value, int axis, int64_t at);    /* value[.., at, ..], the axis dropped */
sl_value *sl_recover_column(sl_builder *b, sl_value *value, sl_expr rows);           /* a row's one element as `rows` */
/* Erases `op` and what only it used, as far as nothing else needs it. */
void sl_recover_sweep(sl_pass_context *pass, sl_op *op);
/* Replaces the only result of `op`, and sweeps. */
void sl_recover_replace(sl_pass_context *pass, sl_op *op, sl_value *value);

/* ---- forms: each looks at one op. True: something was recovered, and `op` is gone. `failed` is set on errors that were reported ---- */
bool sl_recover_select(sl_pass_context *pass, sl_op *op, bool *failed);
bool sl_recover_dense(sl_pass_context *pass, sl_op *op, bool *failed);
bool sl_recover_loop(sl_pass_context *pass, sl_op *op, bool *failed);
bool sl_recover_gathered(sl_pass_context *pass, sl_op *op, bool *failed);
bool sl_recover_onehot(sl_pass_context *pass, sl_op *op, bool *failed);
bool sl_recover_if(sl_pass_context *pass, sl_op *op);                         /* an If around one expert: its body takes its place */
bool sl_recover_forms(sl_pass_context *pass, sl_op *op, bool *failed);        /* those that an op of this kind may end */
bool sl_recover_flattened(sl_pass_context *pass, sl_op *op, bool *failed);    /* them, on two leading axes as one */

#endif
