/* op_internal.h: bodies of the IR's objects, for ir/ only, and the declarations of all hooks that the op tables name.
 *
 * Everything lives in the module's arena and dies with it; an erased op is unlinked and, in debug builds, poisoned, but its memory is not used again,
 * so a stale pointer is a wrong answer that the verifier finds and never a crash. An op is one allocation: the struct, then its results, its operands
 * (sl_use), its regions and its attributes; only an insertion beyond what was there at creation moves operands or attributes to a new array.
 */
#ifndef SLUICE_OP_INTERNAL_H
#define SLUICE_OP_INTERNAL_H

#include "sluice/ir.h"
#include <assert.h>

/* One operand slot of `user`; slot number is its position in user->operands. Linked into its value's list in order of creation. */
struct sl_use {
    sl_value *value;
    sl_op *user;
    sl_use *next, *previous;
};

struct sl_value {
    sl_type type;
    sl_use *first_use, *last_use;
    const char *name;         /* interned in the context; may be NULL */
    sl_op *op;                /* defining op, or NULL */
    sl_block *block;          /* owner of a block argument, or NULL */
    int32_t index;
    uint32_t id;
};

struct sl_op {
    const sl_op_info *info;
    sl_module *module;
    sl_block *block;          /* NULL when detached */
    sl_op *previous, *next;
    sl_loc loc;
    sl_value *results;
    sl_use *operands;
    sl_region **regions;
    sl_named_attr *attrs;     /* sorted by name; names interned */
    int32_t result_count, operand_count, operand_capacity, region_count, attr_count, attr_capacity;
    uint32_t id;
    bool erased;
};

struct sl_region {
    sl_op *op;
    sl_block *block;
};

struct sl_block {
    sl_region *region;
    sl_op *first, *last;
    SL_VEC(sl_value *) arguments;
};

/* Symbol table of the module's body: open addressing on the interned sym_name attribute. `dirty` after a removal or a change of name: rebuilt by the
 * next look-up. */
typedef struct sl_symbol_table {
    sl_op **slots;
    uint32_t count, capacity;
    bool dirty;
} sl_symbol_table;

struct sl_module {
    sl_context *context;
    sl_arena *arena;
    sl_op *op;
    uint32_t next_op_id, next_value_id;
    sl_symbol_table symbols;
};

/* Creates an op with region_count regions (one empty block each), not in any block. */
sl_op *sl_op_create(sl_module *module, sl_op_kind kind, sl_loc loc, int operand_count, sl_value *const *operands, int result_count,
                    const sl_type *result_types, int attr_count, const sl_named_attr *attrs, int region_count);
/* Inserts a detached op; `before` NULL appends. */
void sl_op_link(sl_op *op, sl_block *block, sl_op *before);
void sl_op_unlink(sl_op *op);

/* Hooks named by the tables. */
#define SL_OP(family, name, operands, results, regions, traits, infer, verify, doc) \
    bool sl_infer_##infer(sl_infer_request *request);                               \
    bool sl_verify_##verify(const sl_op *op);
#define SL_OP_ATTR(family, name, attribute, kind, need, doc)
#define SL_OP_WHERE(family, name, predicate)
#include "sluice/ops/ops.def"
#undef SL_OP
#undef SL_OP_ATTR
#undef SL_OP_WHERE

#endif
