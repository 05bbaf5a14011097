/* nest_query.h: what later passes ask of nest.generic: loops, maps, strides, and what kind of computation its body is.
 *
 * Nothing here changes the IR. Loop numbers are those of the nest; operand and result numbers those of the op.
 */
#ifndef SLUICE_NEST_QUERY_H
#define SLUICE_NEST_QUERY_H

#include "sluice/cost.h"
#include "sluice/ir.h"

#define SL_NEST_MAX_LOOPS 32

/* ---- parts ---- */
int sl_nest_loop_count(const sl_op *nest);
sl_expr sl_nest_bound(const sl_op *nest, int loop);
bool sl_nest_is_reduced(const sl_op *nest, int loop);
int sl_nest_reduced_count(const sl_op *nest);
sl_attr sl_nest_map(const sl_op *nest, int operand);
sl_attr sl_nest_result_map(const sl_op *nest, int result);
sl_attr sl_nest_outside(const sl_op *nest, int operand);          /* scalar constant, or NULL when reads are always inside */
sl_attr sl_nest_init(const sl_op *nest, int result);
sl_block *sl_nest_body(const sl_op *nest);
sl_value *sl_nest_argument(const sl_op *nest, int operand);       /* block argument that holds the operand's element */
sl_value *sl_nest_running(const sl_op *nest, int result);         /* block argument that holds the result's running value */
sl_value *sl_nest_yielded(const sl_op *nest, int result);         /* value that the body yields for the result */
bool sl_nest_is_generic(const sl_op *op);                         /* NULL is not */
/* The nest.generic in a nest.group's region at position `index` (0..count-1). */
int sl_group_nest_count(const sl_op *group);
sl_op *sl_group_nest(const sl_op *group, int index);
/* Whether the body captures `value` (by nest.extract); NULL asks for any captured value. */
bool sl_nest_captures(const sl_op *nest, const sl_value *value);

/* ---- maps ---- */
/* i when the expression is exactly d_i, else -1. */
int sl_expr_plain_loop(sl_expr expr);
/* Every result of the map is a plain loop, no loop twice, or a constant. */
bool sl_map_is_projection(sl_attr map);
/* Result i of the map is d_i, and there are as many results as loops. */
bool sl_map_is_identity(sl_attr map);
bool sl_map_uses_loop(sl_attr map, int loop);
/* Row-major element offset of the map into a tensor of `type` as  base + sum strides[i] * d_i  (strides: one per loop of the map, in elements,
 * no loop indices inside). False when some index is not linear in the loops. */
bool sl_map_strides(sl_context *context, sl_attr map, sl_type type, sl_expr *strides, sl_expr *base);

/* ---- bodies ---- */
typedef enum sl_combiner {
    SL_COMBINE_NONE,                /* the result is not reduced over */
    SL_COMBINE_SUM, SL_COMBINE_PROD, SL_COMBINE_MAX, SL_COMBINE_MIN, SL_COMBINE_AND, SL_COMBINE_OR,
    SL_COMBINE_FMA,                 /* running value + a * b with one rounding */
    SL_COMBINE_OTHER,
} sl_combiner;
/* How result `result` is accumulated. `term`: what is combined with the running value (NULL for NONE, FMA, OTHER); may be NULL. */
sl_combiner sl_nest_combiner(const sl_op *nest, int result, sl_value **term);

/* All loops parallel. */
bool sl_nest_is_elementwise(const sl_op *nest);

/* What a loop is to a sum of products result += left * right. */
typedef enum sl_loop_role {
    SL_ROLE_BATCH,                  /* parallel, in both operands (or in none) */
    SL_ROLE_M,                      /* parallel, in left only */
    SL_ROLE_N,                      /* parallel, in right only */
    SL_ROLE_K,                      /* reduced */
} sl_loop_role;
typedef struct sl_contraction {
    int left, right;                /* operand numbers; right is the one that holds the N loops (weights) */
    sl_element accumulator;
    sl_loop_role roles[SL_NEST_MAX_LOOPS];
    int batch_count, m_count, n_count, k_count;
    bool windowed;                  /* an operand is read at sums of loops (convolution) */
    bool outside;                   /* an operand is read outside of its bounds (padding) */
} sl_contraction;
/* One result, two operands, at least one reduction loop; the body is fma(left, right, running), or running + left * right for integers, each
 * operand possibly cast to the accumulator's type. What lower-to-nest makes of tensor.contract and tensor.conv, and nothing else: a float
 * reduction of a fused product (mul, then add) is not one, since its rounding differs. A depthwise convolution is one without N loops. */
bool sl_nest_is_contraction(const sl_op *nest, sl_contraction *contraction);

/* ---- estimates for the cost model; an unknown symbol counts as SL_ASSUMED_SYMBOL ---- */
#define SL_ASSUMED_SYMBOL 64
double sl_estimate_expr(sl_expr expr);
double sl_estimate_elements(sl_type type);
double sl_estimate_bytes(sl_type type);
/* Points of the iteration space. */
double sl_estimate_points(const sl_op *nest);
/* Scalar floating or integer operations of one run of the body; a transcendental counts as what its polynomial costs. */
double sl_estimate_body(const sl_op *nest);
double sl_estimate_op(sl_op_kind kind);

#endif
