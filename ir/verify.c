/* verify.c: the verifier. It reports every violation that it finds and goes on. Invariants, in the order in which an op is checked:
 *
 *  1. Links: an op is where its block says it is; it was not erased; nesting is at most 256 levels deep.
 *  2. Counts of operands, results and regions lie in the row's ranges.
 *  3. Visibility: an operand is a block argument of an enclosing region, or a result of an op that stands before the user (or before an op that holds the
 *     user) in an enclosing block. Regions of an op with the trait ISOLATED see nothing from outside of it.
 *  4. Use lists: every operand slot is exactly once in the list of its value, and lists hold nothing else.
 *  5. Attributes: only those of the row's schema, of its kinds, all required ones present, sorted by name.
 *  6. Types of results and block arguments: no negative dimensions, none over loop indices; the size in bytes of a static one fits in 64 bits.
 *  7. Regions: every block ends with a terminator, except that of core.module, and has no other terminators.
 *  8. The row's constraints (ir/include/sluice/constraints.def).
 *  9. The row's verify hook (verify_*.c): types against each other, elementwise shapes, names in the module, and so on; without one, the result types against
 *     the infer hook's. 8 and 9 are looked at only when the op, all that it holds, and all ops that its operands are made from have no errors, so hooks may
 *     rely on that; what follows from a wrong op is not reported again.
 *
 * One walk in program order; what is visible is a table by value id with the number of isolated ops around the definition.
 */
#include "op_hooks.h"
#include <string.h>

enum { MAX_DEPTH = 256 };

typedef struct verifier {
    uint32_t *visible;        /* by value id: 0 not visible here, else 1 + isolation level of the definition */
    uint32_t *slots;          /* by value id: operand slots seen that hold it */
    bool *doubtful;           /* by value id: made by an op with an error, or from a doubtful value */
    uint32_t level;
    uint32_t value_count;
    int depth;
    int64_t errors;
} verifier;

#define FAIL(v, op, ...) ((v)->errors++, sl_op_report((op), SL_SEVERITY_ERROR, __VA_ARGS__))

static const char *kind_noun(sl_attr_kind kind) {
    switch (kind) {
    case SL_ATTR_BOOL: return "true or false";
    case SL_ATTR_INT: return "an integer";
    case SL_ATTR_FLOAT: return "a float";
    case SL_ATTR_STRING: return "a string";
    case SL_ATTR_TYPE: return "a type";
    case SL_ATTR_EXPR: return "expr(...)";
    case SL_ATTR_ARRAY: return "an array [...]";
    case SL_ATTR_INTS: return "ints[...]";
    case SL_ATTR_MAP: return "map(...)[...]";
    case SL_ATTR_DATA: return "data<...>";
    case SL_ATTR_ENCODING: return "an encoding";
    }
    return "?";
}

static void check_count(verifier *v, const sl_op *op, const char *what, int found, sl_count_range range) {
    if (found >= range.least && (range.most < 0 || found <= range.most)) return;
    const char *plural = range.least == 1 && range.most == 1 ? "" : "s";
    if (range.most < 0) FAIL(v, op, "%s: expected at least %d %s%s, found %d", sl_op_name(op), range.least, what, range.least == 1 ? "" : "s", found);
    else if (range.least == range.most) FAIL(v, op, "%s: expected %d %s%s, found %d", sl_op_name(op), range.least, what, plural, found);
    else FAIL(v, op, "%s: expected %d to %d %ss, found %d", sl_op_name(op), range.least, range.most, what, found);
}

static void check_operands(verifier *v, const sl_op *op) {
    for (int i = 0; i < op->operand_count; i++) {
        const sl_use *use = &op->operands[i];
        if (!use->value || use->user != op) {
            FAIL(v, op, "%s: operand %d is not linked to a value", sl_op_name(op), i);
            continue;
        }
        uint32_t id = use->value->id;
        uint32_t visible = id < v->value_count ? v->visible[id] : 0;
        if (!visible) FAIL(v, op, "%s: operand %d is not defined before this op in this region or one around it", sl_op_name(op), i);
        else if (visible != v->level + 1) FAIL(v, op, "%s: operand %d is defined outside of the op around it, which may capture nothing", sl_op_name(op), i);
        if (id < v->value_count) v->slots[id]++;
    }
}

/* Called when everything that may use the value was seen. */
static void check_uses(verifier *v, const sl_op *op, const sl_value *value, const char *what, int index) {
    uint32_t count = 0;
    const sl_use *previous = NULL;
    for (const sl_use *use = value->first_use; use; previous = use, use = use->next) {
        bool sound = use->value == value && use->previous == previous && use->user && !use->user->erased;
        if (sound) sound = use >= use->user->operands && use < use->user->operands + use->user->operand_count;
        if (!sound) {
            FAIL(v, op, "%s: the use list of %s %d is broken", sl_op_name(op), what, index);
            return;
        }
        count++;
    }
    if (previous != value->last_use) FAIL(v, op, "%s: the use list of %s %d has a wrong end", sl_op_name(op), what, index);
    if (count != v->slots[value->id])
        FAIL(v, op, "%s: %s %d is used %u times in its region, but its use list has %u entries", sl_op_name(op), what, index, v->slots[value->id], count);
}

static void check_attrs(verifier *v, const sl_op *op) {
    const sl_op_info *info = op->info;
    for (int i = 0; i < op->attr_count; i++) {
        const sl_attr_info *schema = NULL;
        for (int k = 0; k < info->attr_count && !schema; k++)
            if (strcmp(info->attrs[k].name, op->attrs[i].name) == 0) schema = &info->attrs[k];
        if (i && strcmp(op->attrs[i - 1].name, op->attrs[i].name) >= 0) FAIL(v, op, "%s: attribute `%s` is out of order", sl_op_name(op), op->attrs[i].name);
        if (!schema) FAIL(v, op, "%s: there is no attribute `%s`", sl_op_name(op), op->attrs[i].name);
        else if (sl_attr_get_kind(op->attrs[i].attr) != schema->kind)
            FAIL(v, op, "%s: attribute `%s` must be %s, not %s (%s)", sl_op_name(op), schema->name, kind_noun(schema->kind),
                 kind_noun(sl_attr_get_kind(op->attrs[i].attr)), schema->doc);
    }
    for (int k = 0; k < info->attr_count; k++)
        if (info->attrs[k].required && !sl_op_attr(op, info->attrs[k].name))
            FAIL(v, op, "%s: attribute `%s` is missing (%s)", sl_op_name(op), info->attrs[k].name, info->attrs[k].doc);
}

static bool fits_in_memory(sl_type type) {
    int64_t count = sl_type_static_count(type);
    return count >= 0 && count <= INT64_MAX / 16;   /* the widest element has 8 bytes, and sums of two sizes must not overflow */
}

static void check_type(verifier *v, const sl_op *op, const sl_value *value, const char *what, int index) {
    sl_type type = value->type;
    int64_t errors = v->errors;
    bool shaped = type && (sl_type_is_tensor(type) || sl_type_is_buffer(type)) && sl_type_is_ranked(type);
    if (!type) FAIL(v, op, "%s: %s %d has no type", sl_op_name(op), what, index);
    for (int axis = 0; shaped && axis < sl_type_rank(type); axis++) {
        int64_t dim;
        if (sl_expr_is_const(sl_type_dim(type, axis), &dim) && dim < 0)
            FAIL(v, op, "%s: %s %d has the negative dimension %lld on axis %d", sl_op_name(op), what, index, (long long)dim, axis);
        if (sl_expr_uses_any_loop(sl_type_dim(type, axis)))
            FAIL(v, op, "%s: dimension %d of %s %d uses a loop index", sl_op_name(op), axis, what, index);
    }
    if (shaped && sl_type_is_static(type) && v->errors == errors && !fits_in_memory(type)) FAIL(v, op, "%s: the size of %s %d does not fit in 64 bits", sl_op_name(op), what, index);
}

static void check_op(verifier *v, const sl_op *op);

static void check_block(verifier *v, const sl_op *holder, const sl_block *block, int region) {
    const sl_op *previous = NULL;
    for (size_t i = 0; i < block->arguments.count; i++) {
        const sl_value *argument = block->arguments.data[i];
        if (argument->block != block || argument->index != (int32_t)i) FAIL(v, holder, "%s: block argument %zu is out of place", sl_op_name(holder), i);
        check_type(v, holder, argument, "block argument", (int)i);
        v->visible[argument->id] = v->level + 1;
    }
    for (const sl_op *op = block->first; op; previous = op, op = op->next) {
        if (op->erased || op->block != block || op->previous != previous) {
            FAIL(v, holder, "%s: the op list of region %d is broken", sl_op_name(holder), region);
            break;
        }
        check_op(v, op);
        for (int i = 0; i < op->result_count; i++) v->visible[op->results[i].id] = v->level + 1;
        if (op->next && sl_op_has_trait(op, SL_TRAIT_TERMINATOR)) FAIL(v, op, "%s: a terminator must be the last op of its region", sl_op_name(op));
    }
    if (holder->info->kind != SL_OP_core_module && !sl_block_terminator(block)) {
        const char *where = block->last ? sl_op_name(block->last) : "nothing";
        FAIL(v, block->last ? block->last : holder, "%s: region %d must end with a terminator, found %s", sl_op_name(holder), region, where);
    }
    for (const sl_op *op = block->first; op; op = op->next) {
        if (op->erased || op->block != block) break;
        for (int i = 0; i < op->result_count; i++) {
            check_uses(v, op, &op->results[i], "result", i);
            v->visible[op->results[i].id] = 0;
        }
    }
    for (size_t i = 0; i < block->arguments.count; i++) {
        check_uses(v, holder, block->arguments.data[i], "block argument", (int)i);
        v->visible[block->arguments.data[i]->id] = 0;
    }
}

static void check_constraints_and_hook(verifier *v, const sl_op *op) {
    const sl_op_info *info = op->info;
    int64_t errors = v->errors;
    for (int i = 0; i < info->constraint_count; i++)
        if (!info->constraints[i]->holds(op)) FAIL(v, op, "%s: %s", sl_op_name(op), info->constraints[i]->sentence);
    if (v->errors != errors) return;
    if (info->verify ? !info->verify(op) : info->infer && !sl_verify_inferred(op)) v->errors++;
}

static void check_op(verifier *v, const sl_op *op) {
    const sl_op_info *info = op->info;
    int64_t errors = v->errors;
    if (v->depth == MAX_DEPTH) {
        FAIL(v, op, "%s: nested more than %d levels deep", sl_op_name(op), MAX_DEPTH);
        return;
    }
    check_count(v, op, "operand", op->operand_count, info->operands);
    check_count(v, op, "result", op->result_count, info->results);
    if (info->regions >= 0) check_count(v, op, "region", op->region_count, (sl_count_range){(int16_t)info->regions, (int16_t)info->regions});
    check_operands(v, op);
    check_attrs(v, op);
    for (int i = 0; i < op->result_count; i++) check_type(v, op, &op->results[i], "result", i);
    bool isolated = info->traits & SL_TRAIT_ISOLATED;
    v->level += isolated;
    v->depth++;
    for (int i = 0; i < op->region_count; i++) check_block(v, op, op->regions[i]->block, i);
    v->depth--;
    v->level -= isolated;
    bool doubtful = v->errors != errors;
    for (int i = 0; i < op->operand_count; i++) {
        const sl_value *value = op->operands[i].value;
        doubtful |= !value || value->id >= v->value_count || v->doubtful[value->id];
    }
    if (!doubtful) check_constraints_and_hook(v, op);
    doubtful |= v->errors != errors;
    for (int i = 0; i < op->result_count; i++) v->doubtful[op->results[i].id] = doubtful;
}

/* Makes visible what an op in the middle of a module may use. */
static void see_from(verifier *v, const sl_op *op) {
    uint32_t levels = 0;
    for (const sl_op *parent = sl_op_parent(op); parent; parent = sl_op_parent(parent)) levels += sl_op_has_trait(parent, SL_TRAIT_ISOLATED);
    v->level = levels;
    for (const sl_op *at = op; at->block; at = sl_op_parent(at)) {
        for (const sl_op *before = at->previous; before; before = before->previous)
            for (int i = 0; i < before->result_count; i++) v->visible[before->results[i].id] = levels + 1;
        const sl_block *block = at->block;
        for (size_t i = 0; i < block->arguments.count; i++) v->visible[block->arguments.data[i]->id] = levels + 1;
        levels -= sl_op_has_trait(sl_op_parent(at), SL_TRAIT_ISOLATED);
    }
}

static int64_t verify(const sl_op *op) {
    sl_module *module = op->module;
    sl_arena *scratch = sl_arena_create(sl_context_allocator(module->context), 0);
    if (!scratch) sl_out_of_memory();
    sl_guard guard;
    if (!SL_GUARD_ENTER(&guard)) {
        sl_arena_destroy(scratch);
        sl_out_of_memory();
    }
    verifier v = {.value_count = module->next_value_id};
    v.visible = SL_NEW_ARRAY(scratch, uint32_t, (size_t)v.value_count + 1);
    v.slots = SL_NEW_ARRAY(scratch, uint32_t, (size_t)v.value_count + 1);
    v.doubtful = SL_NEW_ARRAY(scratch, bool, (size_t)v.value_count + 1);
    if (op->block) see_from(&v, op);
    check_op(&v, op);
    sl_guard_leave(&guard);
    sl_arena_destroy(scratch);
    return v.errors;
}

bool sl_op_verify(const sl_op *op) { return verify(op) == 0; }

sl_status sl_module_verify(sl_module *module) {
    int64_t errors = verify(module->op);
    if (errors == 0) return NULL;
    return SL_ERROR(SL_INVALID_MODEL, "the module is not valid: %lld error%s", (long long)errors, errors == 1 ? "" : "s");
}
