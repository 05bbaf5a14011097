/* lower_to_nest.h: shared by the files of the pass lower-to-nest. */
#ifndef SLUICE_LOWER_TO_NEST_H
#define SLUICE_LOWER_TO_NEST_H

#include "nest_build.h"
#include "passes_internal.h"

/* An element of a value, followed through pure views to where it is stored. */
typedef struct sl_lower_view {
    sl_value *base;
    sl_expr index[SL_MAX_RANK];         /* over the consumer's loops, one per dim of base */
    sl_attr outside;                    /* what a read outside of base gives; NULL: reads are inside */
} sl_lower_view;

/* Follows `value` at `index` (over the loops of `spec`, for their bounds). With `outside` given the index may leave the value's bounds, and only
 * views that keep inside and outside apart are passed. */
void sl_lower_resolve(const sl_nest_spec *spec, sl_value *value, const sl_expr *index, sl_attr outside, sl_lower_view *view);
/* Ops that are nothing but index arithmetic on operand 0, which sl_lower_resolve passes through for any consumer. */
bool sl_lower_is_view(const sl_op *op);
/* The index into a tensor of type `from` of the element that has `index` in a reshape of it to type `to`; false when that takes division of loops. */
bool sl_lower_reshape_index(const sl_nest_spec *spec, sl_type from, sl_type to, const sl_expr *index, sl_expr *result);

/* What a body reads: an operand's argument, a constant, or the value of a shape expression. */
typedef struct sl_lower_input {
    int operand;                        /* -1: not an operand */
    sl_attr constant;                   /* scalar */
    sl_expr dim;
    sl_element element;
} sl_lower_input;
/* Adds a read of value at index to the spec. Splat constants, constant elements and shape expressions become part of the body unless `whole`. */
sl_lower_input sl_lower_input_add(sl_nest_spec *spec, sl_value *value, const sl_expr *index, sl_attr outside, bool whole);
sl_value *sl_lower_input_value(sl_builder *body, const sl_op *nest, const sl_lower_input *input);
void sl_lower_yield(sl_builder *body, int count, sl_value *const *values);
/* Replaces op's results by the nest's first ones, handing over names, and erases op. */
void sl_lower_replace(sl_op *op, sl_op *nest);

/* lower_to_nest_slices.c: data-dependent slices in steps of 1 become views whose place and size are bound when they are known. */
int64_t sl_lower_slices(sl_block *block);

/* Structured ops: the nest that replaces `op` (built before it), or NULL when it stays as it is. */
sl_op *sl_lower_reduce(sl_op *op);
sl_op *sl_lower_arg_reduce(sl_op *op);
sl_op *sl_lower_contract(sl_op *op);
sl_op *sl_lower_conv(sl_op *op);
sl_op *sl_lower_pool(sl_op *op);
sl_op *sl_lower_take(sl_op *op);
sl_op *sl_lower_gather_elements(sl_op *op);
sl_op *sl_lower_iota(sl_op *op);

/* Moves reshapes and transposes out of the way on tensor level, so that producers and consumers meet; see lower_to_nest_reshape.c. */
int64_t sl_lower_move_views(sl_pass_context *pass, sl_block *block);

#endif
