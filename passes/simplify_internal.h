/* simplify_internal.h: the rewriter that the rules of the pass simplify work with. */
#ifndef SLUICE_SIMPLIFY_INTERNAL_H
#define SLUICE_SIMPLIFY_INTERNAL_H

#include "passes_internal.h"
#include "resolve_dynamic.h"

/* The id stands beside the op because an erased op must not be read. */
typedef struct sl_rewrite_item { sl_op *op; uint32_t id; } sl_rewrite_item;

typedef struct sl_rewriter {
    sl_pass_context *pass;
    sl_context *context;
    sl_builder builder;               /* in front of the op that a rule looks at; carries its location */
    sl_shape_map map;                 /* fresh symbols that a rewrite solved; applied when the worklist is empty */
    sl_value **with;                  /* set by a rule through sl_rewrite_with: replacements of all results */
    struct { sl_rewrite_item *data; size_t count, capacity; } work;   /* stack of ops to look at */
    struct { sl_rewrite_item *data; size_t count, capacity; } binders;   /* dead but for symbols that they may bind */
    uint8_t *state;                   /* by op id: bits of simplify.c */
    size_t state_capacity;
    int64_t *hits;                    /* per rule */
} sl_rewriter;

/* Tries to rewrite op. False: nothing was done. True: op was changed in place, or its results are to be replaced (sl_rewrite_with), after which the driver erases
 * it. New ops are built at rw->builder only. */
typedef bool (*sl_rule_fn)(sl_rewriter *rw, sl_op *op);

#define SL_RULE(root, name, function, doc) bool function(sl_rewriter *rw, sl_op *op);
#include "simplify_rules.def"
#undef SL_RULE

/* Both return true, for `return sl_rewrite_with(...)`. */
bool sl_rewrite_with(sl_rewriter *rw, sl_value *value);
bool sl_rewrite_with_all(sl_rewriter *rw, int count, sl_value *const *values);
/* To be called for an op that a rule changed outside of its root: it is looked at again. */
void sl_rewrite_touch(sl_rewriter *rw, sl_op *op);

/* simplify_binders.c: which of these unused ops that may bind symbols (sl_op_may_bind) are dead: moved to the front, their number returned. */
size_t sl_rewrite_dead_binders(sl_rewriter *rw, sl_op *func, sl_op **ops, size_t count);

/* ---- what rules ask ---- */
bool sl_is_kind(const sl_value *value, sl_op_kind kind);        /* defined by such an op */
bool sl_has_one_use(const sl_value *value);
bool sl_is_float_value(const sl_value *value);
/* The one value that all elements of a constant have, seen through broadcast, reshape and transpose. */
bool sl_splat_float(const sl_value *value, double *splat);
bool sl_splat_is(const sl_value *value, double splat);
sl_value *sl_make_splat(sl_rewriter *rw, sl_type type, double value);   /* of a possibly symbolic tensor type: constant plus broadcast */
sl_value *sl_make_reshape(sl_rewriter *rw, sl_value *value, sl_type type);
sl_value *sl_make_broadcast(sl_rewriter *rw, sl_value *value, sl_type type);

#endif
