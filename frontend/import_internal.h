/* import_internal.h: what the import functions (import_*.c, one per ONNX op, listed in import.def) work with.
 *
 * An import function gets one node with its operands, builds primitives at the builder's point and sets the node's outputs. It leaves through
 * im_fail when something is wrong or unsupported: a located diagnostic, then a longjmp to the driver, which marks the node's outputs as broken
 * and goes on with the nodes that do not depend on it. So no helper here returns NULL or needs checking. Everything hangs off arenas; nothing
 * is lost by the jump.
 *
 * Small integer and scalar results of constant operands are folded as they are built, so that shape arithmetic in the model is known while its
 * consumers are imported.
 *
 * Names: `im_` for all of it, private to frontend/, because these are used several times a line.
 */
#ifndef SLUICE_IMPORT_INTERNAL_H
#define SLUICE_IMPORT_INTERNAL_H

#include "sluice/graph.h"

typedef struct sl_import sl_import;
typedef struct im_scope im_scope;

/* What a name of the model stands for. Sequences and optionals exist only while importing: their length is known. */
typedef enum im_item_kind { IM_TENSOR, IM_LIST, IM_OPTIONAL, IM_TEXT, IM_BROKEN } im_item_kind;
typedef struct im_item {
    im_item_kind kind;
    sl_value *value;                       /* TENSOR */
    int count;                             /* LIST; OPTIONAL: 0 or 1 */
    const struct im_item *const *items;
    const sl_graph_tensor *text;           /* TEXT: a constant string tensor, usable only where strings are read while importing */
} im_item;

typedef struct im_node {
    sl_import *import;
    sl_context *context;
    sl_arena *arena;                       /* of the model: lives as long as the import */
    sl_builder *builder;
    im_scope *scope;
    const sl_node *node;
    int param_count; const sl_param *params;         /* references to an inlined function's attributes are resolved */
    int64_t opset;                         /* version of the node's domain */
    int input_count; const im_item *const *inputs;   /* NULL where omitted */
    int asked;                             /* operands from this one on were never asked for: a node that has them is refused */
    int output_count; const im_item **outputs;       /* set by the import function */
} im_node;

typedef void (*im_function)(im_node *n);

/* Every import function of the table. */
#define SL_IMPORT(op, domain, since, until, function, note) void im_op_##function(im_node *n);
#include "import.def"
#undef SL_IMPORT

/* ---- failing ---- */
_Noreturn SL_PRINTF(2, 3) void im_fail(im_node *n, const char *format, ...);
/* Fails unless the operand is known while importing. */
_Noreturn void im_fail_constant(im_node *n, const char *what);

/* ---- attributes ---- */
const sl_param *im_param(im_node *n, const char *name);                      /* NULL when absent */
int64_t im_int(im_node *n, const char *name, int64_t otherwise);
double im_float(im_node *n, const char *name, double otherwise);
const char *im_string(im_node *n, const char *name, const char *otherwise);
int im_ints(im_node *n, const char *name, int64_t *values, int capacity);    /* count; -1 when absent */
bool im_bool(im_node *n, const char *name, bool otherwise);
sl_attr im_words(im_node *n, const char *name, int count);                   /* array of `count` strings; NULL when absent, fails when it has another length */
sl_element im_element_param(im_node *n, const char *name, sl_element otherwise);   /* an ONNX data type number */

/* ---- operands and outputs ---- */
const im_item *im_item_in(im_node *n, int index);                            /* fails when missing */
sl_value *im_in(im_node *n, int index);                                      /* ranked tensor; fails when missing or no tensor */
sl_value *im_any_rank(im_node *n, int index);
sl_value *im_optional(im_node *n, int index);                                /* NULL when omitted */
bool im_has(im_node *n, int index);
bool im_wants(im_node *n, int index);                                        /* whether output `index` is used by name */
void im_out(im_node *n, int index, sl_value *value);
void im_item_out(im_node *n, int index, const im_item *item);
const im_item *im_item_tensor(im_node *n, sl_value *value);
const im_item *im_item_list(im_node *n, int count, const im_item *const *items);

/* ---- types ---- */
sl_element im_element(const sl_value *value);
bool im_is_float(const sl_value *value);
int im_rank(const sl_value *value);
/* Fails when the value has no such axis, whatever a hostile model made of its rank. */
sl_expr im_dim_of(im_node *n, const sl_value *value, int axis);
#define im_dim(value, axis) im_dim_of(n, (value), (axis))
const sl_expr *im_dims(const sl_value *value);
int64_t im_static_dim(im_node *n, const sl_value *value, int axis, const char *what);   /* fails when symbolic */
sl_type im_tensor_type(im_node *n, sl_element element, int rank, const sl_expr *dims);
sl_expr im_expr(im_node *n, int64_t value);
bool im_is_one(sl_expr expr);
int im_axis(im_node *n, int64_t axis, int rank);                             /* normalised; fails when out of range */
/* Axes normalised, sorted, without doubles (fails on doubles). Returns the count. */
int im_axes(im_node *n, int count, const int64_t *axes, int rank, int64_t *sorted);
void im_need_rank(im_node *n, const sl_value *value, const char *what, int least, int most);
sl_expr im_product(im_node *n, const sl_expr *dims, int first, int end);
/* NumPy broadcast of two dimensions; fails when they are constants that do not fit. */
sl_expr im_bcast_dim(im_node *n, sl_expr a, sl_expr b);

/* ---- known values ---- */
int im_known_ints(im_node *n, sl_value *value, int64_t *values, int capacity);          /* -1 when not known while importing */
int im_need_ints(im_node *n, sl_value *value, const char *what, int64_t *values, int capacity);
int im_exprs(im_node *n, sl_value *value, sl_expr *exprs, int capacity);                /* -1 when not known */
bool im_known_float(im_node *n, sl_value *value, double *result);                       /* one element */
bool im_known_int(im_node *n, sl_value *value, int64_t *result);
int64_t im_to_int(double value);                                             /* truncated, saturated; NaN is 0 */
double im_need_float(im_node *n, sl_value *value, const char *what);
int64_t im_need_int(im_node *n, sl_value *value, const char *what);

/* ---- building ---- */
typedef struct im_attrs { int count; sl_named_attr list[12]; } im_attrs;
void im_attr(im_attrs *attrs, const char *name, sl_attr attr);
sl_op *im_op(im_node *n, sl_op_kind kind, int count, sl_value *const *operands, const im_attrs *attrs);               /* inferred types */
sl_value *im_typed(im_node *n, sl_op_kind kind, int count, sl_value *const *operands, sl_type type, const im_attrs *attrs);
sl_value *im_op1(im_node *n, sl_op_kind kind, int count, sl_value *const *operands, const im_attrs *attrs);           /* inferred; result 0 */

sl_value *im_constant(im_node *n, sl_element element, int rank, const int64_t *dims, const void *data);               /* copies the data */
sl_value *im_ints_constant(im_node *n, int count, const int64_t *values);                                            /* 1-d i64 */
sl_value *im_floats_constant(im_node *n, sl_element element, int rank, const int64_t *dims, const double *values);
sl_value *im_scalar(im_node *n, sl_element element, double value);                                                   /* rank 0 */
sl_value *im_scalar_int(im_node *n, sl_element element, int64_t value);
sl_value *im_like(im_node *n, const sl_value *x, double value);                                                      /* rank 0 of x's element */
sl_value *im_tensor_constant(im_node *n, const sl_graph_tensor *tensor);
sl_value *im_from_dims(im_node *n, int count, const sl_expr *dims);                                                  /* 1-d i64 */
sl_value *im_from_dim(im_node *n, sl_expr dim);                                                                      /* rank-0 i64 */
sl_value *im_fill(im_node *n, sl_value *scalar, int rank, const sl_expr *dims);

/* Elementwise with NumPy broadcasting. */
sl_value *im_unary(im_node *n, sl_op_kind kind, sl_value *x);
sl_value *im_binary(im_node *n, sl_op_kind kind, sl_value *a, sl_value *b);
sl_value *im_binary_with(im_node *n, sl_op_kind kind, sl_value *a, double b);      /* b in a's element type */
sl_value *im_compare(im_node *n, const char *predicate, sl_value *a, sl_value *b);
sl_value *im_select(im_node *n, sl_value *condition, sl_value *a, sl_value *b);
sl_value *im_cast(im_node *n, sl_value *x, sl_element element);
void im_broadcast_pair(im_node *n, sl_value **a, sl_value **b);
void im_broadcast_all(im_node *n, int count, sl_value **values);
#define im_add(n, a, b) im_binary((n), SL_OP_arith_add, (a), (b))
#define im_sub(n, a, b) im_binary((n), SL_OP_arith_sub, (a), (b))
#define im_mul(n, a, b) im_binary((n), SL_OP_arith_mul, (a), (b))
#define im_div(n, a, b) im_binary((n), SL_OP_arith_div, (a), (b))
#define im_max(n, a, b) im_binary((n), SL_OP_arith_max, (a), (b))
#define im_min(n, a, b) im_binary((n), SL_OP_arith_min, (a), (b))
sl_value *im_sigmoid(im_node *n, sl_value *x);
sl_value *im_gelu(im_node *n, sl_value *x, bool tanh_form);
sl_value *im_clamp(im_node *n, sl_value *x, double low, double high);

/* Movement. Dims are exprs; axes non-negative. */
sl_value *im_broadcast(im_node *n, sl_value *x, int rank, const sl_expr *dims);
sl_value *im_reshape(im_node *n, sl_value *x, int rank, const sl_expr *dims);
sl_value *im_unsqueeze(im_node *n, sl_value *x, int axis);                          /* axis in the result */
sl_value *im_unsqueeze_to(im_node *n, sl_value *x, int rank, int axis);             /* a 1-d x along `axis` of `rank` axes */
sl_value *im_squeeze(im_node *n, sl_value *x, int axis);
sl_value *im_rank0(im_node *n, sl_value *x, const char *what);                      /* one-element tensor as rank 0 */
sl_value *im_transpose(im_node *n, sl_value *x, const int *perm);
sl_value *im_swap(im_node *n, sl_value *x, int a, int b);
sl_value *im_move_axis(im_node *n, sl_value *x, int from, int to);
sl_value *im_concat(im_node *n, int axis, int count, sl_value *const *parts);
sl_value *im_slice(im_node *n, sl_value *x, const sl_expr *starts, const sl_expr *sizes, const int64_t *steps);
sl_value *im_slice_axis(im_node *n, sl_value *x, int axis, sl_expr start, sl_expr size, int64_t step);
sl_value *im_flip(im_node *n, sl_value *x, int axis);
sl_value *im_pad(im_node *n, sl_value *x, sl_value *fill, const sl_expr *low, const sl_expr *high, const char *mode);
sl_value *im_take(im_node *n, sl_value *x, sl_value *indices, int axis);
sl_value *im_gather_elements(im_node *n, sl_value *x, sl_value *indices, int axis);
sl_value *im_iota(im_node *n, sl_element element, int rank, const sl_expr *dims, int axis);
sl_value *im_iota1(im_node *n, sl_element element, sl_expr count);

/* Reduction and contraction. */
sl_value *im_reduce(im_node *n, sl_value *x, const char *kind, int count, const int64_t *axes, bool keep);
sl_value *im_reduce1(im_node *n, sl_value *x, const char *kind, int axis, bool keep);
sl_value *im_mean(im_node *n, sl_value *x, int count, const int64_t *axes, bool keep);
sl_value *im_count_of(im_node *n, sl_value *x, int count, const int64_t *axes, sl_element element);  /* rank 0: elements along axes */
sl_value *im_softmax(im_node *n, sl_value *x, int count, const int64_t *axes, bool logarithm);
sl_value *im_arg(im_node *n, sl_value *x, int axis, bool largest, bool last);       /* axis removed, i64 */
typedef struct im_contraction {
    int batch_count, sum_count;
    int64_t left_batch[SL_MAX_RANK], right_batch[SL_MAX_RANK], left_sum[SL_MAX_RANK], right_sum[SL_MAX_RANK];
    sl_element result;                                                              /* SL_ELEMENT_COUNT: the operands' */
} im_contraction;
sl_value *im_contract(im_node *n, sl_value *left, sl_value *right, const im_contraction *how);
/* NumPy's matmul with all its ranks. */
sl_value *im_matmul(im_node *n, sl_value *left, sl_value *right, sl_element result);
/* Contracts the last axis of x with axis `axis` of the matrix w: x's other dims, then w's other dim. */
sl_value *im_linear(im_node *n, sl_value *x, sl_value *w, int axis);
/* Named activation of recurrent ops on x. */
sl_value *im_activation(im_node *n, const char *name, double alpha, double beta, sl_value *x);

/* Windows: geometry of conv and pool attributes (import_window.c). */
typedef struct im_window {
    int spatial;
    int64_t kernel[SL_MAX_RANK], strides[SL_MAX_RANK], dilations[SL_MAX_RANK], low[SL_MAX_RANK], high[SL_MAX_RANK];
    bool symbolic;                                    /* pads depend on symbols: they are in pad_low/pad_high, and x is padded by an op of its own */
    sl_expr pad_low[SL_MAX_RANK], pad_high[SL_MAX_RANK];
    sl_expr ceil_extra[SL_MAX_RANK];                  /* how much of the high padding is there for ceil_mode alone */
} im_window;
/* Reads strides, dilations, pads, auto_pad, ceil_mode for x (N x C x spatial); the kernel's sizes are given. */
void im_window_read(im_node *n, sl_value *x, const int64_t *kernel, im_window *window);
sl_value *im_conv(im_node *n, sl_value *x, sl_value *w, const im_window *window, int64_t groups, sl_element result);
sl_value *im_pool(im_node *n, sl_value *x, const char *kind, const im_window *window);

/* ---- nested graphs ---- */
/* Imports the graph's nodes at the builder's point in a scope below n's; inputs and outputs by position. False when a node failed (reported). */
bool im_graph_inline(im_node *n, const sl_graph *graph, int input_count, const im_item *const *inputs, const im_item **outputs);
/* Same, inside `block`. Leaves the block without terminator and returns the scope, for later sinking. */
bool im_graph_into(im_node *n, const sl_graph *graph, sl_block *block, int input_count, const im_item *const *inputs, const im_item **outputs);
/* Whether dim `axis` of carried value `carried` is known to change in this loop body; and noting that it does. */
bool im_is_freed(im_node *n, const sl_graph *body, int carried, int axis);
void im_free_dim(im_node *n, const sl_graph *body, int carried, int axis);
/* Silences diagnostics while a guess is tried. */
void im_mute(im_node *n, bool muted);
bool im_is_muted(im_node *n);
/* Ends a region with tensor.yield. */
void im_yield(im_node *n, sl_block *block, int count, sl_value *const *values);
/* In a graph: nodes behind n's that depend on its outputs are imported into `block` in a scope where n's outputs are `outputs`; the graph's outputs
 * that depend on them are listed by im_sunk_names. See import_control.c. */
typedef struct im_sinking { int node_count; const sl_node *const *nodes; int name_count; const char *const *names; } im_sinking;
im_sinking im_sink_plan(im_node *n);
bool im_sink_into(im_node *n, const im_sinking *plan, sl_block *block, const im_item *const *outputs, const im_item **results);
void im_sink_finish(im_node *n, const im_sinking *plan, const im_item *const *results);

#endif
