/* op_hooks.h: what the implementations of the infer and verify hooks share (private to ir/; the hooks are declared in op_internal.h).
 *
 * What hooks may reject: only what is provably wrong for every binding of the shape symbols. Two different constants conflict; a symbol
 * agrees with anything of its place, since an exporter's names for one size often differ. The evaluator and the compiled program check the rest.
 */
#ifndef SLUICE_OP_HOOKS_H
#define SLUICE_OP_HOOKS_H

#include "op_internal.h"

/* ---- dims and types ---- */
bool sl_dims_conflict(sl_expr a, sl_expr b);               /* both constant, and different */
/* Of two dims that are equal at run time the more telling one: a constant, then a named expression, then a fresh symbol. */
sl_expr sl_dim_merge(sl_expr a, sl_expr b);
bool sl_shapes_conflict(sl_type a, sl_type b);             /* kinds, ranks, lanes or constant dims differ; an unknown rank agrees with all */
bool sl_types_conflict(sl_type a, sl_type b);              /* shapes or elements */
sl_type sl_types_merge(sl_context *context, sl_type a, sl_type b);   /* of agreeing types, dim by dim */
const char *sl_type_text(sl_context *context, sl_type type);         /* for messages; in the context's arena */
const char *sl_expr_text(sl_context *context, sl_expr expr);

/* ---- reading a request; each calls sl_infer_fail and returns false when it can't ---- */
sl_type sl_infer_operand(const sl_infer_request *request, int index);
bool sl_infer_int(sl_infer_request *request, const char *name, int64_t *value);
/* An axis attribute, checked against the rank. */
bool sl_infer_axis(sl_infer_request *request, const char *name, int rank, int *axis);
/* An INTS attribute with exactly `count` entries (count -1: any number). */
bool sl_infer_ints(sl_infer_request *request, const char *name, int count, const int64_t **values, int *found);
/* Entry `index` of an array of expr with exactly `count` entries. */
bool sl_infer_exprs(sl_infer_request *request, const char *name, int count, sl_expr *values);
bool sl_infer_result(sl_infer_request *request, sl_type type);       /* appends a result; true */
bool sl_infer_rank_limit(sl_infer_request *request, int rank);
/* Operand `index` must be a tensor (of any rank). */
bool sl_infer_tensor(sl_infer_request *request, int index);

/* ---- verification ---- */
/* Runs the row's infer hook and reports where a result's type conflicts with it. */
bool sl_verify_inferred(const sl_op *op);
/* Reports unless `block` ends with an op of this kind; returns the terminator or NULL. */
const sl_op *sl_verify_terminator(const sl_op *op, int region, sl_op_kind kind, sl_op_kind other);
/* Reports unless attribute `name` (present) is one of the space-separated words. */
bool sl_verify_word(const sl_op *op, const char *name, const char *words);
/* Reports unless the INTS attribute has `count` entries that are all at least `least`. */
bool sl_verify_ints(const sl_op *op, const char *name, int count, int64_t least);
/* Reports unless the ARRAY attribute has `count` entries of this kind. */
bool sl_verify_array(const sl_op *op, const char *name, int count, sl_attr_kind kind);


/* ---- verify_state.c ---- */
bool sl_verify_state_words(const sl_op *op);                              /* attribute `state` of route.switch and tensor.if */
bool sl_verify_func_state(const sl_op *op, const sl_op *end);             /* of core.func, of tensor.loop: what skipped rows and steps owe */
bool sl_verify_loop_state(const sl_op *op, const sl_op *yield);

#endif
