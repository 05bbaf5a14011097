/* nest_build.h: making and rewriting nest.generic ops.
 *
 * A spec is an open description of a nest: loops, accesses, results. Index expressions are over its loops and become map attributes only
 * when the op is built, so loops may be added or renumbered meanwhile. Loops of constant extent 1 are left out of nests (their index is the
 * constant 0 in maps): whoever makes a spec goes through sl_spec_loop, which sees to that.
 */
#ifndef SLUICE_NEST_BUILD_H
#define SLUICE_NEST_BUILD_H

#include "nest_query.h"

#define SL_NEST_MAX_OPERANDS 48
#define SL_NEST_MAX_RESULTS 8

typedef struct sl_nest_access {
    sl_value *value;                    /* operand; NULL for a result */
    sl_type type;                       /* the tensor's */
    sl_expr index[SL_MAX_RANK];
    sl_attr constant;                   /* operand: outside or NULL; result: init */
} sl_nest_access;

typedef struct sl_nest_spec {
    sl_context *context;
    int loop_count;
    sl_expr bounds[SL_NEST_MAX_LOOPS];
    bool reduced[SL_NEST_MAX_LOOPS];
    int operand_count;
    sl_nest_access operands[SL_NEST_MAX_OPERANDS];
    int result_count;
    sl_nest_access results[SL_NEST_MAX_RESULTS];
    const char *reason;                 /* may be NULL */
} sl_nest_spec;

void sl_spec_init(sl_nest_spec *spec, sl_context *context);
/* Adds a loop and returns its index expression; the constant 0 without a loop when the extent is 1. */
sl_expr sl_spec_loop(sl_nest_spec *spec, sl_expr bound, bool reduced);
/* Parallel loops over all dims of a type; index gets one expression per dim. */
void sl_spec_loops_over(sl_nest_spec *spec, sl_type type, sl_expr *index);
bool sl_spec_has_reduction(const sl_nest_spec *spec);
/* Adds an operand unless the same access is there already; its number. */
int sl_spec_operand(sl_nest_spec *spec, sl_value *value, const sl_expr *index, sl_attr outside);
/* `init` NULL: zero of the result's element. */
int sl_spec_result(sl_nest_spec *spec, sl_type type, const sl_expr *index, sl_attr init);
/* Builds the op with an empty body whose arguments are in place. */
sl_op *sl_spec_build(const sl_nest_spec *spec, sl_builder *builder);
/* The spec of an existing nest. */
void sl_spec_read(sl_nest_spec *spec, const sl_op *nest);
/* Rewrites the iteration space in place of the old: old loop i becomes substitution[i], an expression over `count` new loops with the given bounds. The
 * accesses follow. (Ops inside the body that name loops are the caller's: sl_nest_rewrite does both.) */
void sl_spec_substitute(sl_nest_spec *spec, const sl_expr *substitution, int count, const sl_expr *bounds, const bool *reduced);
/* A copy of `nest` at the builder's point with its loops replaced as in sl_spec_substitute; the old nest is replaced and erased. */
sl_op *sl_nest_rewrite(sl_builder *builder, sl_op *nest, const sl_expr *substitution, int count, const sl_expr *bounds, const bool *reduced);

/* Emits the value of an index expression as i64 arithmetic in a body (loops by nest.index, symbols by core.dim). */
sl_value *sl_emit_expr(sl_builder *builder, sl_expr expr);
/* Replaces each nest.index in `body` from op `first` on (NULL: none) by the emitted substitution of its loop; NULL entries stay. */
void sl_body_substitute_loops(sl_module *module, sl_block *body, sl_op *first, const sl_expr *substitution, int count);

/* Scalar constants as attributes. */
sl_attr sl_scalar_int(sl_context *context, sl_element element, int64_t value);
sl_attr sl_scalar_float(sl_context *context, sl_element element, double value);
/* Identity of a reduction: "sum", "prod", "max", "min", "and", "or". */
sl_attr sl_scalar_identity(sl_context *context, sl_element element, const char *kind);
sl_value *sl_build_scalar(sl_builder *builder, sl_attr scalar);

/* Erases pure ops without uses in a block and the blocks inside, users before producers; how many went. */
int64_t sl_block_erase_dead(sl_block *block);

#endif
