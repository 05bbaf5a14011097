/* op.h: operations, values, blocks and regions: structured SSA without a control-flow graph.
 *
 * Every region holds one block (none is unstructured); the last op of a block is its terminator. Values are op results or block
 * arguments; a value defined outside of a region may be used inside it unless the op has the trait ISOLATED. Ops and values have a
 * dense id in their module for side tables.
 *
 * Everything about a kind of op is one row of the tables in ir/ops (see op_table.h).
 */
#ifndef SLUICE_OP_H
#define SLUICE_OP_H

#include "sluice/context.h"
#include "sluice/op_table.h"

typedef struct sl_module sl_module;
typedef struct sl_op sl_op;
typedef struct sl_value sl_value;
typedef struct sl_block sl_block;
typedef struct sl_region sl_region;
typedef struct sl_use sl_use;

/* ---- module: owns an arena; its top op is a core.module with one block of functions ---- */
sl_module *sl_module_create(sl_context *context);          /* leaves through the guard without memory */
void sl_module_destroy(sl_module *module);
sl_context *sl_module_context(sl_module *module);
sl_arena *sl_module_arena(sl_module *module);
sl_op *sl_module_op(sl_module *module);
sl_block *sl_module_body(sl_module *module);
sl_op *sl_module_find(sl_module *module, const char *symbol);   /* op in the body with attribute sym_name, else NULL */
uint32_t sl_module_value_count(sl_module *module);         /* ids are below this */
uint32_t sl_module_op_count(sl_module *module);
/* A deep copy into a new module of the same context. */
sl_module *sl_module_clone(sl_module *module);

/* ---- queries ---- */
sl_op_kind sl_op_get_kind(const sl_op *op);
const sl_op_info *sl_op_get_info(const sl_op *op);
const char *sl_op_name(const sl_op *op);                   /* "tensor.reshape" */
bool sl_op_has_trait(const sl_op *op, uint32_t trait);
sl_loc sl_op_loc(const sl_op *op);
void sl_op_set_loc(sl_op *op, sl_loc loc);
uint32_t sl_op_id(const sl_op *op);
sl_module *sl_op_module(const sl_op *op);
sl_context *sl_op_context(const sl_op *op);
sl_block *sl_op_block(const sl_op *op);                    /* NULL when detached */
sl_op *sl_op_parent(const sl_op *op);                      /* the op whose region holds it */
sl_op *sl_op_next(const sl_op *op);
sl_op *sl_op_previous(const sl_op *op);

int sl_op_operand_count(const sl_op *op);
sl_value *sl_op_operand(const sl_op *op, int index);
void sl_op_set_operand(sl_op *op, int index, sl_value *value);
void sl_op_insert_operand(sl_op *op, int index, sl_value *value);
void sl_op_erase_operand(sl_op *op, int index);
int sl_op_result_count(const sl_op *op);
sl_value *sl_op_result(const sl_op *op, int index);
int sl_op_region_count(const sl_op *op);
sl_region *sl_op_region(const sl_op *op, int index);
sl_block *sl_op_body(const sl_op *op, int region);         /* the block of region */

/* Attributes by name; NULL when absent. Setting NULL removes. */
sl_attr sl_op_attr(const sl_op *op, const char *name);
void sl_op_set_attr(sl_op *op, const char *name, sl_attr attr);
int sl_op_attr_count(const sl_op *op);
sl_attr sl_op_attr_at(const sl_op *op, int index, const char **name);   /* in sorted order of name */
int64_t sl_op_int(const sl_op *op, const char *name, int64_t otherwise);
bool sl_op_bool(const sl_op *op, const char *name, bool otherwise);
double sl_op_float(const sl_op *op, const char *name, double otherwise);
const char *sl_op_string(const sl_op *op, const char *name, const char *otherwise);
const int64_t *sl_op_ints(const sl_op *op, const char *name, int *count);   /* NULL and 0 when absent */
/* Array-of-expr attribute, element i; NULL when absent. */
sl_expr sl_op_expr_at(const sl_op *op, const char *name, int index);

sl_type sl_value_type(const sl_value *value);
void sl_value_set_type(sl_value *value, sl_type type);
uint32_t sl_value_id(const sl_value *value);
sl_op *sl_value_op(const sl_value *value);                 /* defining op, NULL for block arguments */
int sl_value_index(const sl_value *value);                 /* result or argument number */
sl_block *sl_value_owner_block(const sl_value *value);     /* block arguments only, else NULL */
const char *sl_value_name(const sl_value *value);          /* hint for printing: tensor name in the model; may be NULL */
void sl_value_set_name(sl_value *value, const char *name);
bool sl_value_has_uses(const sl_value *value);
bool sl_value_has_one_use(const sl_value *value);
int sl_value_use_count(const sl_value *value);
sl_use *sl_value_first_use(const sl_value *value);
sl_use *sl_use_next(const sl_use *use);
sl_op *sl_use_user(const sl_use *use);
int sl_use_index(const sl_use *use);
void sl_value_replace_all_uses(sl_value *value, sl_value *replacement);
/* Only uses for which keep(user) is false are left alone. */
void sl_value_replace_uses_if(sl_value *value, sl_value *replacement, bool (*want)(void *self, sl_op *user, int operand), void *self);
/* The constant behind a value (core.constant), else NULL. */
sl_attr sl_value_constant(const sl_value *value);

sl_block *sl_region_block(const sl_region *region);        /* NULL while empty */
sl_op *sl_region_op(const sl_region *region);
sl_region *sl_block_region(const sl_block *block);
sl_op *sl_block_parent(const sl_block *block);             /* op that holds the block's region */
sl_op *sl_block_first(const sl_block *block);
sl_op *sl_block_last(const sl_block *block);
sl_op *sl_block_terminator(const sl_block *block);         /* NULL when the last op is no terminator */
int sl_block_argument_count(const sl_block *block);
sl_value *sl_block_argument(const sl_block *block, int index);
sl_value *sl_block_add_argument(sl_block *block, sl_type type);
void sl_block_erase_argument(sl_block *block, int index);  /* must be unused */
/* True when `op` is in `block` or nested inside an op of it. */
bool sl_block_contains(const sl_block *block, const sl_op *op);
/* Whether `value` is defined outside of `op`'s regions (so that it is captured by them). */
bool sl_value_is_outside(const sl_value *value, const sl_op *op);

/* ---- creation: a builder has an insertion point and a current location ---- */
typedef struct sl_builder {
    sl_module *module;
    sl_block *block;
    sl_op *before;            /* insert before this op; NULL appends */
    sl_loc loc;
} sl_builder;

sl_builder sl_builder_at_end(sl_module *module, sl_block *block);
sl_builder sl_builder_before(sl_op *op);                   /* takes op's location */
sl_builder sl_builder_after(sl_op *op);

typedef struct sl_named_attr { const char *name; sl_attr attr; } sl_named_attr;

/* Creates and inserts an op; regions are created with one empty block each. Types are given, nothing is inferred or verified. */
sl_op *sl_build(sl_builder *builder, sl_op_kind kind, int operand_count, sl_value *const *operands, int result_count,
                const sl_type *result_types, int attr_count, const sl_named_attr *attrs);
/* One more region (with an empty block) for an op whose row allows any number, such as route.switch; sl_build creates those without any. */
sl_region *sl_op_add_region(sl_op *op);
/* As sl_build, with result types from the row's `infer` hook. On a failed inference reports a diagnostic at builder->loc and returns NULL. */
sl_op *sl_build_inferred(sl_builder *builder, sl_op_kind kind, int operand_count, sl_value *const *operands, int attr_count,
                         const sl_named_attr *attrs);
/* Short forms (each returns result 0; types as stated). */
sl_value *sl_build_constant(sl_builder *builder, sl_attr data);
sl_value *sl_build_constant_int(sl_builder *builder, sl_type scalar_or_tensor, int64_t value);    /* splat for tensors and vectors */
sl_value *sl_build_constant_float(sl_builder *builder, sl_type scalar_or_tensor, double value);
sl_value *sl_build_unary(sl_builder *builder, sl_op_kind kind, sl_value *operand);                /* result type = operand type */
sl_value *sl_build_binary(sl_builder *builder, sl_op_kind kind, sl_value *left, sl_value *right); /* result type = left type */
sl_value *sl_build_compare(sl_builder *builder, const char *predicate, sl_value *left, sl_value *right);
sl_value *sl_build_select(sl_builder *builder, sl_value *condition, sl_value *if_true, sl_value *if_false);
sl_value *sl_build_cast(sl_builder *builder, sl_value *operand, sl_element element);              /* no op when already so */

/* ---- changes ---- */
void sl_op_erase(sl_op *op);                               /* results must be unused; erases its regions */
void sl_op_move_before(sl_op *op, sl_op *anchor);
void sl_op_move_to_end(sl_op *op, sl_block *block);
void sl_op_replace(sl_op *op, sl_value *const *replacements);   /* replaces all results, then erases */
/* Copies op with regions to the builder's point; operands go through the map (values not in the map are kept), results are added to it. */
typedef struct sl_value_map sl_value_map;
sl_value_map *sl_value_map_create(sl_arena *arena);
void sl_value_map_set(sl_value_map *map, const sl_value *from, sl_value *to);
sl_value *sl_value_map_get(const sl_value_map *map, const sl_value *from);      /* NULL when absent */
sl_value *sl_value_map_get_or_same(const sl_value_map *map, sl_value *from);
sl_op *sl_op_clone(sl_builder *builder, const sl_op *op, sl_value_map *map);
/* Moves all ops of `from` before `builder`'s point and replaces its arguments by `arguments`. Leaves `from` empty. */
void sl_block_inline(sl_builder *builder, sl_block *from, sl_value *const *arguments);

/* Walks ops in a block, nested ones included, parents first; `visit` may erase the op that it is given. */
typedef bool (*sl_op_visitor)(void *self, sl_op *op);      /* false stops the walk */
bool sl_block_walk(sl_block *block, sl_op_visitor visit, void *self);
bool sl_op_walk(sl_op *op, sl_op_visitor visit, void *self);   /* op first, then inside */

/* Reports at the op's location. */
SL_PRINTF(3, 4) void sl_op_report(const sl_op *op, sl_severity severity, const char *format, ...);

#endif
