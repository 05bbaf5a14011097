/* op.c: modules, ops, values, use lists, regions and blocks. See op_internal.h for the layout and its invariants:
 *
 * - a use is in its value's list exactly when its slot belongs to a live op; lists keep the order of creation, so walks over uses are deterministic;
 * - an op is in its block's list exactly when op->block is set; a region's block knows its region, a region its op;
 * - attributes are sorted by name, and names are interned.
 */
#include "op_internal.h"
#include <stdio.h>
#include <string.h>

/* ---- uses ---- */

static void sl_use_link(sl_use *use, sl_op *user, sl_value *value) {
    assert(value && "an operand can't be NULL");
    use->user = user;
    use->value = value;
    use->next = NULL;
    use->previous = value->last_use;
    if (value->last_use) value->last_use->next = use;
    else value->first_use = use;
    value->last_use = use;
}

static void sl_use_unlink(sl_use *use) {
    sl_value *value = use->value;
    if (use->previous) use->previous->next = use->next;
    else value->first_use = use->next;
    if (use->next) use->next->previous = use->previous;
    else value->last_use = use->previous;
    use->value = NULL;
    use->next = use->previous = NULL;
}

/* Moves a linked use to another slot, keeping its place in the list. */
static void sl_use_move(sl_use *to, sl_use *from) {
    *to = *from;
    if (to->previous) to->previous->next = to;
    else to->value->first_use = to;
    if (to->next) to->next->previous = to;
    else to->value->last_use = to;
    *from = (sl_use){0};
}

sl_use *sl_use_next(const sl_use *use) { return use->next; }
sl_op *sl_use_user(const sl_use *use) { return use->user; }
int sl_use_index(const sl_use *use) { return (int)(use - use->user->operands); }

/* ---- modules ---- */

sl_module *sl_module_create(sl_context *context) {
    sl_arena *arena = sl_arena_create(sl_context_allocator(context), 0);
    if (!arena) sl_out_of_memory();
    sl_guard guard;
    if (!SL_GUARD_ENTER(&guard)) {
        sl_arena_destroy(arena);
        sl_out_of_memory();
    }
    sl_module *module = SL_NEW(arena, sl_module);
    module->context = context;
    module->arena = arena;
    module->op = sl_op_create(module, SL_OP_core_module, sl_loc_unknown(context), 0, NULL, 0, NULL, 0, NULL, 1);
    sl_guard_leave(&guard);
    return module;
}

void sl_module_destroy(sl_module *module) {
    if (module) sl_arena_destroy(module->arena);
}

sl_context *sl_module_context(sl_module *module) { return module->context; }
sl_arena *sl_module_arena(sl_module *module) { return module->arena; }
sl_op *sl_module_op(sl_module *module) { return module->op; }
sl_block *sl_module_body(sl_module *module) { return module->op->regions[0]->block; }
uint32_t sl_module_value_count(sl_module *module) { return module->next_value_id; }
uint32_t sl_module_op_count(sl_module *module) { return module->next_op_id; }

sl_module *sl_module_clone(sl_module *module) {
    sl_module *copy = sl_module_create(module->context);
    sl_guard guard;
    if (!SL_GUARD_ENTER(&guard)) {
        sl_module_destroy(copy);
        sl_out_of_memory();
    }
    copy->op->loc = module->op->loc;
    for (int i = 0; i < module->op->attr_count; i++) sl_op_set_attr(copy->op, module->op->attrs[i].name, module->op->attrs[i].attr);
    sl_value_map *map = sl_value_map_create(copy->arena);
    sl_builder builder = sl_builder_at_end(copy, sl_module_body(copy));
    for (sl_op *op = sl_module_body(module)->first; op; op = op->next) sl_op_clone(&builder, op, map);
    sl_guard_leave(&guard);
    return copy;
}

/* ---- symbols ---- */

static sl_attr sl_op_symbol(const sl_op *op) {
    if (!(op->info->traits & SL_TRAIT_SYMBOL)) return NULL;
    sl_attr name = sl_op_attr(op, "sym_name");
    return name && sl_attr_get_kind(name) == SL_ATTR_STRING ? name : NULL;
}

static uint32_t sl_symbol_hash(const char *text) { return (uint32_t)sl_hash_bytes(text, strlen(text), 0); }

/* Keeps the first of two ops with one name; sl_module_verify reports the second. */
static void sl_symbols_put(sl_symbol_table *table, sl_op *op, const char *name) {
    uint32_t mask = table->capacity - 1;
    uint32_t slot = sl_symbol_hash(name) & mask;
    while (table->slots[slot]) {
        if (strcmp(sl_attr_get_string(sl_op_symbol(table->slots[slot])), name) == 0) return;
        slot = (slot + 1) & mask;
    }
    table->slots[slot] = op;
    table->count++;
}

static void sl_symbols_rebuild(sl_module *module) {
    sl_symbol_table *table = &module->symbols;
    uint32_t symbols = 0;
    for (sl_op *op = sl_module_body(module)->first; op; op = op->next) symbols += sl_op_symbol(op) != NULL;
    uint32_t capacity = 16;
    while (capacity < symbols * 4) capacity *= 2;
    if (capacity > table->capacity) {
        table->slots = SL_NEW_ARRAY(module->arena, sl_op *, capacity);
        table->capacity = capacity;
    } else {
        memset(table->slots, 0, table->capacity * sizeof(*table->slots));
    }
    table->count = 0;
    table->dirty = false;
    for (sl_op *op = sl_module_body(module)->first; op; op = op->next) {
        sl_attr name = sl_op_symbol(op);
        if (name) sl_symbols_put(table, op, sl_attr_get_string(name));
    }
}

/* An op with a name entered the module's body at its end: extends the table when that is cheap. */
static void sl_symbols_note_linked(sl_op *op) {
    sl_module *module = op->module;
    sl_attr name = sl_op_symbol(op);
    if (!name || op->block != sl_module_body(module)) return;
    sl_symbol_table *table = &module->symbols;
    if (table->dirty || (table->count + 1) * 2 > table->capacity || op->next) table->dirty = true;
    else sl_symbols_put(table, op, sl_attr_get_string(name));
}

sl_op *sl_module_find(sl_module *module, const char *symbol) {
    sl_symbol_table *table = &module->symbols;
    if (table->dirty || table->capacity == 0) sl_symbols_rebuild(module);
    uint32_t mask = table->capacity - 1;
    for (uint32_t slot = sl_symbol_hash(symbol) & mask; table->slots[slot]; slot = (slot + 1) & mask)
        if (strcmp(sl_attr_get_string(sl_op_symbol(table->slots[slot])), symbol) == 0) return table->slots[slot];
    return NULL;
}

/* ---- op creation and linking ---- */

static sl_region *sl_region_create(sl_op *op) {
    struct { sl_region region; sl_block block; } *both = sl_arena_alloc(op->module->arena, sizeof(*both));
    both->region.op = op;
    both->region.block = &both->block;
    both->block.region = &both->region;
    return &both->region;
}

static void sl_attrs_sort(sl_named_attr *attrs, int count) {
    for (int i = 1; i < count; i++) {
        sl_named_attr item = attrs[i];
        int j = i;
        for (; j > 0 && strcmp(attrs[j - 1].name, item.name) > 0; j--) attrs[j] = attrs[j - 1];
        attrs[j] = item;
    }
}

sl_op *sl_op_create(sl_module *module, sl_op_kind kind, sl_loc loc, int operand_count, sl_value *const *operands, int result_count,
                    const sl_type *result_types, int attr_count, const sl_named_attr *attrs, int region_count) {
    assert(operand_count >= 0 && result_count >= 0 && attr_count >= 0 && region_count >= 0 && "negative count");
    size_t results_at = sizeof(sl_op);
    size_t operands_at = results_at + (size_t)result_count * sizeof(sl_value);
    size_t regions_at = operands_at + (size_t)operand_count * sizeof(sl_use);
    size_t attrs_at = regions_at + (size_t)region_count * sizeof(sl_region *);
    char *memory = sl_arena_alloc(module->arena, attrs_at + (size_t)attr_count * sizeof(sl_named_attr));
    sl_op *op = (sl_op *)(void *)memory;
    op->info = sl_op_info_get(kind);
    op->module = module;
    op->loc = loc ? loc : sl_loc_unknown(module->context);
    op->id = module->next_op_id++;
    op->results = (sl_value *)(void *)(memory + results_at);
    op->result_count = result_count;
    for (int i = 0; i < result_count; i++) {
        assert(result_types[i] && "a result needs a type");
        op->results[i].type = result_types[i];
        op->results[i].op = op;
        op->results[i].index = i;
        op->results[i].id = module->next_value_id++;
    }
    op->operands = (sl_use *)(void *)(memory + operands_at);
    op->operand_count = op->operand_capacity = operand_count;
    for (int i = 0; i < operand_count; i++) sl_use_link(&op->operands[i], op, operands[i]);
    op->regions = (sl_region **)(void *)(memory + regions_at);
    op->region_count = region_count;
    for (int i = 0; i < region_count; i++) op->regions[i] = sl_region_create(op);
    op->attrs = (sl_named_attr *)(void *)(memory + attrs_at);
    op->attr_capacity = attr_count;
    for (int i = 0; i < attr_count; i++) {
        if (!attrs[i].attr) continue;
        op->attrs[op->attr_count].name = sl_context_intern(module->context, attrs[i].name);
        op->attrs[op->attr_count++].attr = attrs[i].attr;
    }
    sl_attrs_sort(op->attrs, op->attr_count);
    return op;
}

sl_region *sl_op_add_region(sl_op *op) {
    assert(op->info->regions < 0 && "this op has a fixed number of regions");
    sl_region **regions = SL_NEW_ARRAY(op->module->arena, sl_region *, (size_t)op->region_count + 1);
    if (op->region_count) memcpy(regions, op->regions, (size_t)op->region_count * sizeof(*regions));
    op->regions = regions;
    return regions[op->region_count++] = sl_region_create(op);
}

void sl_op_link(sl_op *op, sl_block *block, sl_op *before) {
    assert(!op->block && "op is in a block already");
    assert((!before || before->block == block) && "insertion point is in another block");
    op->block = block;
    op->next = before;
    op->previous = before ? before->previous : block->last;
    if (op->previous) op->previous->next = op;
    else block->first = op;
    if (before) before->previous = op;
    else block->last = op;
    sl_symbols_note_linked(op);
}

void sl_op_unlink(sl_op *op) {
    sl_block *block = op->block;
    if (!block) return;
    if (op->info->traits & SL_TRAIT_SYMBOL) op->module->symbols.dirty = true;
    if (op->previous) op->previous->next = op->next;
    else block->first = op->next;
    if (op->next) op->next->previous = op->previous;
    else block->last = op->previous;
    op->block = NULL;
    op->previous = op->next = NULL;
}

/* ---- op queries ---- */

sl_op_kind sl_op_get_kind(const sl_op *op) { return op->info->kind; }
const sl_op_info *sl_op_get_info(const sl_op *op) { return op->info; }
const char *sl_op_name(const sl_op *op) { return op->info->full_name; }
bool sl_op_has_trait(const sl_op *op, uint32_t trait) { return (op->info->traits & trait) != 0; }
sl_loc sl_op_loc(const sl_op *op) { return op->loc; }
void sl_op_set_loc(sl_op *op, sl_loc loc) { op->loc = loc; }
uint32_t sl_op_id(const sl_op *op) { return op->id; }
sl_module *sl_op_module(const sl_op *op) { return op->module; }
sl_context *sl_op_context(const sl_op *op) { return op->module->context; }
sl_block *sl_op_block(const sl_op *op) { return op->block; }
sl_op *sl_op_parent(const sl_op *op) { return op->block ? op->block->region->op : NULL; }
sl_op *sl_op_next(const sl_op *op) { return op->next; }
sl_op *sl_op_previous(const sl_op *op) { return op->previous; }
int sl_op_operand_count(const sl_op *op) { return op->operand_count; }
int sl_op_result_count(const sl_op *op) { return op->result_count; }
int sl_op_region_count(const sl_op *op) { return op->region_count; }

sl_value *sl_op_operand(const sl_op *op, int index) {
    assert(index >= 0 && index < op->operand_count && "no such operand");
    return op->operands[index].value;
}

sl_value *sl_op_result(const sl_op *op, int index) {
    assert(index >= 0 && index < op->result_count && "no such result");
    return &op->results[index];
}

sl_region *sl_op_region(const sl_op *op, int index) {
    assert(index >= 0 && index < op->region_count && "no such region");
    return op->regions[index];
}

sl_block *sl_op_body(const sl_op *op, int region) { return sl_op_region(op, region)->block; }

void sl_op_set_operand(sl_op *op, int index, sl_value *value) {
    assert(index >= 0 && index < op->operand_count && "no such operand");
    sl_use *use = &op->operands[index];
    if (use->value == value) return;
    sl_use_unlink(use);
    sl_use_link(use, op, value);
}

void sl_op_insert_operand(sl_op *op, int index, sl_value *value) {
    assert(index >= 0 && index <= op->operand_count && "no such operand slot");
    if (op->operand_count == op->operand_capacity) {
        int capacity = op->operand_capacity * 2 < 4 ? 4 : op->operand_capacity * 2;
        sl_use *operands = SL_NEW_ARRAY(op->module->arena, sl_use, (size_t)capacity);
        for (int i = 0; i < op->operand_count; i++) sl_use_move(&operands[i], &op->operands[i]);
        op->operands = operands;
        op->operand_capacity = capacity;
    }
    for (int i = op->operand_count; i > index; i--) sl_use_move(&op->operands[i], &op->operands[i - 1]);
    op->operand_count++;
    sl_use_link(&op->operands[index], op, value);
}

void sl_op_erase_operand(sl_op *op, int index) {
    assert(index >= 0 && index < op->operand_count && "no such operand");
    sl_use_unlink(&op->operands[index]);
    op->operand_count--;
    for (int i = index; i < op->operand_count; i++) sl_use_move(&op->operands[i], &op->operands[i + 1]);
}

/* ---- attributes ---- */

/* Position of the attribute or, when absent, -1 - the position to insert it at. Few attributes per op: a linear scan. */
static int sl_attr_find(const sl_op *op, const char *name) {
    for (int i = 0; i < op->attr_count; i++) {
        int order = op->attrs[i].name == name ? 0 : strcmp(op->attrs[i].name, name);
        if (order == 0) return i;
        if (order > 0) return -1 - i;
    }
    return -1 - op->attr_count;
}

sl_attr sl_op_attr(const sl_op *op, const char *name) {
    int at = sl_attr_find(op, name);
    return at < 0 ? NULL : op->attrs[at].attr;
}

void sl_op_set_attr(sl_op *op, const char *name, sl_attr attr) {
    if (op->info->traits & SL_TRAIT_SYMBOL && strcmp(name, "sym_name") == 0) op->module->symbols.dirty = true;
    int at = sl_attr_find(op, name);
    if (at >= 0 && attr) {
        op->attrs[at].attr = attr;
        return;
    }
    if (at >= 0) {
        op->attr_count--;
        memmove(&op->attrs[at], &op->attrs[at + 1], (size_t)(op->attr_count - at) * sizeof(*op->attrs));
        return;
    }
    if (!attr) return;
    at = -1 - at;
    if (op->attr_count == op->attr_capacity) {
        int capacity = op->attr_capacity * 2 < 4 ? 4 : op->attr_capacity * 2;
        sl_named_attr *attrs = SL_NEW_ARRAY(op->module->arena, sl_named_attr, (size_t)capacity);
        if (op->attr_count) memcpy(attrs, op->attrs, (size_t)op->attr_count * sizeof(*attrs));
        op->attrs = attrs;
        op->attr_capacity = capacity;
    }
    memmove(&op->attrs[at + 1], &op->attrs[at], (size_t)(op->attr_count - at) * sizeof(*op->attrs));
    op->attrs[at] = (sl_named_attr){sl_context_intern(op->module->context, name), attr};
    op->attr_count++;
}

int sl_op_attr_count(const sl_op *op) { return op->attr_count; }

sl_attr sl_op_attr_at(const sl_op *op, int index, const char **name) {
    assert(index >= 0 && index < op->attr_count && "no such attribute");
    if (name) *name = op->attrs[index].name;
    return op->attrs[index].attr;
}

/* An attribute of another kind than asked for counts as absent: the verifier has reported it, or will. */
static sl_attr sl_op_attr_of_kind(const sl_op *op, const char *name, sl_attr_kind kind) {
    sl_attr attr = sl_op_attr(op, name);
    return attr && sl_attr_get_kind(attr) == kind ? attr : NULL;
}

int64_t sl_op_int(const sl_op *op, const char *name, int64_t otherwise) {
    sl_attr attr = sl_op_attr_of_kind(op, name, SL_ATTR_INT);
    return attr ? sl_attr_get_int(attr) : otherwise;
}

bool sl_op_bool(const sl_op *op, const char *name, bool otherwise) {
    sl_attr attr = sl_op_attr_of_kind(op, name, SL_ATTR_BOOL);
    return attr ? sl_attr_get_bool(attr) : otherwise;
}

double sl_op_float(const sl_op *op, const char *name, double otherwise) {
    sl_attr attr = sl_op_attr_of_kind(op, name, SL_ATTR_FLOAT);
    return attr ? sl_attr_get_float(attr) : otherwise;
}

const char *sl_op_string(const sl_op *op, const char *name, const char *otherwise) {
    sl_attr attr = sl_op_attr_of_kind(op, name, SL_ATTR_STRING);
    return attr ? sl_attr_get_string(attr) : otherwise;
}

const int64_t *sl_op_ints(const sl_op *op, const char *name, int *count) {
    sl_attr attr = sl_op_attr_of_kind(op, name, SL_ATTR_INTS);
    if (count) *count = attr ? sl_attr_count(attr) : 0;
    return attr ? sl_attr_get_ints(attr) : NULL;
}

sl_expr sl_op_expr_at(const sl_op *op, const char *name, int index) {
    sl_attr attr = sl_op_attr_of_kind(op, name, SL_ATTR_ARRAY);
    if (!attr || index < 0 || index >= sl_attr_count(attr)) return NULL;
    sl_attr item = sl_attr_item(attr, index);
    return sl_attr_get_kind(item) == SL_ATTR_EXPR ? sl_attr_get_expr(item) : NULL;
}

/* ---- values ---- */

sl_type sl_value_type(const sl_value *value) { return value->type; }
void sl_value_set_type(sl_value *value, sl_type type) { value->type = type; }
uint32_t sl_value_id(const sl_value *value) { return value->id; }
sl_op *sl_value_op(const sl_value *value) { return value->op; }
int sl_value_index(const sl_value *value) { return value->index; }
sl_block *sl_value_owner_block(const sl_value *value) { return value->block; }
const char *sl_value_name(const sl_value *value) { return value->name; }
bool sl_value_has_uses(const sl_value *value) { return value->first_use != NULL; }
bool sl_value_has_one_use(const sl_value *value) { return value->first_use && value->first_use == value->last_use; }
sl_use *sl_value_first_use(const sl_value *value) { return value->first_use; }

void sl_value_set_name(sl_value *value, const char *name) {
    sl_module *module = value->op ? value->op->module : value->block->region->op->module;
    value->name = name && *name ? sl_context_intern(module->context, name) : NULL;
}

int sl_value_use_count(const sl_value *value) {
    int count = 0;
    for (const sl_use *use = value->first_use; use; use = use->next) count++;
    return count;
}

void sl_value_replace_all_uses(sl_value *value, sl_value *replacement) {
    if (value == replacement || !value->first_use) return;
    for (sl_use *use = value->first_use; use; use = use->next) use->value = replacement;
    value->first_use->previous = replacement->last_use;
    if (replacement->last_use) replacement->last_use->next = value->first_use;
    else replacement->first_use = value->first_use;
    replacement->last_use = value->last_use;
    value->first_use = value->last_use = NULL;
}

void sl_value_replace_uses_if(sl_value *value, sl_value *replacement, bool (*want)(void *self, sl_op *user, int operand), void *self) {
    if (value == replacement) return;
    for (sl_use *use = value->first_use, *next; use; use = next) {
        next = use->next;
        sl_op *user = use->user;
        if (!want(self, user, sl_use_index(use))) continue;
        sl_use_unlink(use);
        sl_use_link(use, user, replacement);
    }
}

sl_attr sl_value_constant(const sl_value *value) {
    return value->op && value->op->info->kind == SL_OP_core_constant ? sl_op_attr_of_kind(value->op, "value", SL_ATTR_DATA) : NULL;
}

bool sl_value_is_outside(const sl_value *value, const sl_op *op) {
    const sl_block *block = value->op ? value->op->block : value->block;
    while (block) {
        const sl_op *holder = block->region->op;
        if (holder == op) return false;
        block = holder->block;
    }
    return true;
}

/* ---- regions and blocks ---- */

sl_block *sl_region_block(const sl_region *region) { return region->block; }
sl_op *sl_region_op(const sl_region *region) { return region->op; }
sl_region *sl_block_region(const sl_block *block) { return block->region; }
sl_op *sl_block_parent(const sl_block *block) { return block->region->op; }
sl_op *sl_block_first(const sl_block *block) { return block->first; }
sl_op *sl_block_last(const sl_block *block) { return block->last; }
int sl_block_argument_count(const sl_block *block) { return (int)block->arguments.count; }

sl_op *sl_block_terminator(const sl_block *block) {
    return block->last && sl_op_has_trait(block->last, SL_TRAIT_TERMINATOR) ? block->last : NULL;
}

sl_value *sl_block_argument(const sl_block *block, int index) {
    assert(index >= 0 && (size_t)index < block->arguments.count && "no such block argument");
    return block->arguments.data[index];
}

sl_value *sl_block_add_argument(sl_block *block, sl_type type) {
    sl_module *module = block->region->op->module;
    sl_value *argument = SL_NEW(module->arena, sl_value);
    argument->type = type;
    argument->block = block;
    argument->index = (int32_t)block->arguments.count;
    argument->id = module->next_value_id++;
    SL_PUSH(module->arena, &block->arguments, argument);
    return argument;
}

void sl_block_erase_argument(sl_block *block, int index) {
    sl_value *argument = sl_block_argument(block, index);
    assert(!argument->first_use && "erased argument is still used");
    argument->block = NULL;
    block->arguments.count--;
    for (size_t i = (size_t)index; i < block->arguments.count; i++) {
        block->arguments.data[i] = block->arguments.data[i + 1];
        block->arguments.data[i]->index = (int32_t)i;
    }
}

bool sl_block_contains(const sl_block *block, const sl_op *op) {
    for (; op; op = sl_op_parent(op))
        if (op->block == block) return true;
    return false;
}

/* ---- erasing and moving ---- */

static void sl_block_drop_operands(sl_block *block) {
    for (sl_op *op = block->first; op; op = op->next) {
        for (int i = 0; i < op->operand_count; i++) sl_use_unlink(&op->operands[i]);
        op->operand_count = 0;
        for (int i = 0; i < op->region_count; i++) sl_block_drop_operands(op->regions[i]->block);
    }
}

/* The op and what it holds can no longer be reached. Debug builds overwrite it; `erased` and the module stay readable for walks and assertions. */
static void sl_op_mark_erased(sl_op *op) {
    for (int i = 0; i < op->region_count; i++)
        for (sl_op *inner = op->regions[i]->block->first, *next; inner; inner = next) {
            next = inner->next;
            sl_op_mark_erased(inner);
        }
#ifndef NDEBUG
    sl_module *module = op->module;
    memset((void *)op->results, 0xdb, (size_t)op->result_count * sizeof(*op->results));
    memset((void *)op, 0xdb, sizeof(*op));
    op->module = module;
    op->block = NULL;
    op->previous = op->next = NULL;
#endif
    op->erased = true;
}

void sl_op_erase(sl_op *op) {
    assert(!op->erased && "op was erased before");
    for (int i = 0; i < op->operand_count; i++) sl_use_unlink(&op->operands[i]);
    op->operand_count = 0;
    for (int i = 0; i < op->region_count; i++) sl_block_drop_operands(op->regions[i]->block);
    for (int i = 0; i < op->result_count; i++) assert(!op->results[i].first_use && "erased op still has uses");
    sl_op_unlink(op);
    sl_op_mark_erased(op);
}

void sl_op_move_before(sl_op *op, sl_op *anchor) {
    if (op == anchor) return;
    sl_op_unlink(op);
    sl_op_link(op, anchor->block, anchor);
}

void sl_op_move_to_end(sl_op *op, sl_block *block) {
    sl_op_unlink(op);
    sl_op_link(op, block, NULL);
}

void sl_op_replace(sl_op *op, sl_value *const *replacements) {
    for (int i = 0; i < op->result_count; i++) {
        sl_value *result = &op->results[i];
        if (result->name && !replacements[i]->name) replacements[i]->name = result->name;
        sl_value_replace_all_uses(result, replacements[i]);
    }
    sl_op_erase(op);
}

/* ---- walks ---- */

bool sl_block_walk(sl_block *block, sl_op_visitor visit, void *self) {
    for (sl_op *op = block->first, *next; op; op = next) {
        next = op->next;
        if (!sl_op_walk(op, visit, self)) return false;
        /* The visitor may have erased or moved what came next, too: then go on behind this op, as long as it is still here. */
        if (next && (next->erased || next->block != block)) next = !op->erased && op->block == block ? op->next : NULL;
    }
    return true;
}

bool sl_op_walk(sl_op *op, sl_op_visitor visit, void *self) {
    if (!visit(self, op)) return false;
    if (op->erased) return true;
    for (int i = 0; i < op->region_count; i++)
        if (!sl_block_walk(op->regions[i]->block, visit, self)) return false;
    return true;
}

/* ---- reports ---- */

void sl_op_report(const sl_op *op, sl_severity severity, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *message = sl_arena_alloc(op->module->arena, length < 0 ? 1 : (size_t)length + 1);
    if (length >= 0) vsnprintf(message, (size_t)length + 1, format, again);
    va_end(again);
    sl_place place = sl_loc_place(op->loc);
    sl_diag_report(sl_context_sink(op->module->context), severity, &place, "%s", message);
}
