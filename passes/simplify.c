/* simplify.c: pass simplify: a worklist of ops and a table of named rules (simplify_rules.def), then common subexpressions, until nothing changes.
 *
 * In and out: the tensor level (functions without buffers); kernels are left alone. Every round costs time in proportion to the number of ops plus rewrites: an op is
 * looked at when it is new, when an operand was replaced, or when a user went away. Dead ops go as they are met. Common subexpressions are found with one hash
 * table and scopes: an op sees the equal ones of enclosing blocks that come before it.
 *
 * A replacement may have more precise dims than what it replaces: the fresh symbols are then substituted in the whole function once the worklist is empty, and
 * another round follows. Rounds are bounded; rules are directional, so in practice two suffice. */
#include "simplify_internal.h"

#include <string.h>

enum { QUEUED = 1, DEAD = 2, BINDER = 4, max_rounds = 8 };

static const struct { int root; const char *name; sl_rule_fn apply; } rules[] = {
#define SL_OP_any SL_OP_COUNT
#define SL_RULE(root, name, function, doc) {SL_OP_##root, #name, function},
#include "simplify_rules.def"
#undef SL_RULE
#undef SL_OP_any
};
enum { rule_count = sizeof rules / sizeof rules[0] };

/* ---- worklist ---- */
static uint8_t *state_of_id(sl_rewriter *rw, size_t id) {
    if (id >= rw->state_capacity) {
        size_t capacity = rw->state_capacity ? rw->state_capacity : 1024;
        while (capacity <= id) capacity *= 2;
        uint8_t *grown = SL_NEW_ARRAY(rw->pass->scratch, uint8_t, capacity);
        if (rw->state_capacity) memcpy(grown, rw->state, rw->state_capacity);
        rw->state = grown;
        rw->state_capacity = capacity;
    }
    return &rw->state[id];
}

static uint8_t *state_of(sl_rewriter *rw, const sl_op *op) { return state_of_id(rw, sl_op_id(op)); }

static void push(sl_rewriter *rw, sl_op *op) {
    uint8_t *state = state_of(rw, op);
    if (*state & (QUEUED | DEAD)) return;
    *state |= QUEUED;
    SL_PUSH(rw->pass->scratch, &rw->work, (sl_rewrite_item){op, sl_op_id(op)});
}

void sl_rewrite_touch(sl_rewriter *rw, sl_op *op) { push(rw, op); }

static bool push_visit(void *self, sl_op *op) {
    push(self, op);
    return true;
}

static bool kill_visit(void *self, sl_op *op) {
    *state_of(self, op) |= DEAD;
    return true;
}

static void push_definitions(sl_rewriter *rw, sl_op *op) {
    for (int i = 0; i < sl_op_operand_count(op); i++) {
        sl_op *definition = sl_value_op(sl_op_operand(op, i));
        if (definition) push(rw, definition);
    }
}

static void push_users(sl_rewriter *rw, sl_value *value) {
    for (sl_use *use = sl_value_first_use(value); use; use = sl_use_next(use)) push(rw, sl_use_user(use));
}

static bool push_captured(void *self, sl_op *op) {
    push_definitions(self, op);
    return true;
}

static void erase(sl_rewriter *rw, sl_op *op) {
    /* What is used once now may fit into a rule that its other use stood against. */
    for (int i = 0; i < sl_op_operand_count(op); i++) {
        sl_use *first = sl_value_first_use(sl_op_operand(op, i)), *second = first ? sl_use_next(first) : NULL;
        if (second && !sl_use_next(second)) push(rw, sl_use_user(sl_use_user(first) == op ? second : first));
    }
    sl_op_walk(op, push_captured, rw);
    sl_op_walk(op, kill_visit, rw);
    sl_op_erase(op);
    rw->pass->changes++;
}

/* ---- dead ops ---- */
static bool only_effects_inside(void *self, sl_op *op) {
    bool *pure = self;
    bool structured = sl_op_get_kind(op) == SL_OP_tensor_if || sl_op_get_kind(op) == SL_OP_tensor_loop || sl_op_get_kind(op) == SL_OP_route_switch ||
                      sl_op_get_kind(op) == SL_OP_route_dispatch;
    *pure = structured || sl_op_has_trait(op, SL_TRAIT_PURE | SL_TRAIT_RANDOM | SL_TRAIT_TERMINATOR);
    return *pure;
}

static bool is_unused(const sl_op *op) {
    for (int i = 0; i < sl_op_result_count(op); i++)
        if (sl_value_first_use(sl_op_result(op, i))) return false;
    return true;
}

static bool is_dead(sl_op *op) {
    if (sl_op_result_count(op) == 0 || !is_unused(op)) return false;
    bool pure = true;
    sl_op_walk(op, only_effects_inside, &pure);
    return pure;
}

/* ---- replacing ---- */
bool sl_rewrite_with(sl_rewriter *rw, sl_value *value) { return sl_rewrite_with_all(rw, 1, &value); }

bool sl_rewrite_with_all(sl_rewriter *rw, int count, sl_value *const *values) {
    rw->with = SL_NEW_ARRAY(rw->pass->scratch, sl_value *, (size_t)(count ? count : 1));
    for (int i = 0; i < count; i++) rw->with[i] = values[i];
    return true;
}

/* Makes `value` fit where `type` was: fresh dims of either side are substituted; dims that still differ are guarded and the value is seen under `type`. */
static sl_value *fit(sl_rewriter *rw, sl_value *value, sl_type type) {
    sl_type have = sl_value_type(value);
    if (have == type || !sl_type_is_tensor(type) || !sl_type_is_ranked(type) || !sl_type_is_ranked(have) || sl_type_rank(have) != sl_type_rank(type)) return value;
    sl_shape_map_unify(&rw->map, type, have);
    if (sl_shape_map_type(&rw->map, type) == sl_shape_map_type(&rw->map, have)) return value;
    for (int d = 0; d < sl_type_rank(type); d++)
        sl_build_guard(&rw->builder, sl_shape_map_expr(&rw->map, sl_type_dim(type, d)), sl_shape_map_expr(&rw->map, sl_type_dim(have, d)),
                       "a dimension is not what the model declares");
    return sl_make_reshape(rw, value, type);
}

static void replace(sl_rewriter *rw, sl_op *op) {
    for (int i = 0; i < sl_op_result_count(op); i++) {
        sl_value *result = sl_op_result(op, i);
        if (!sl_value_first_use(result)) continue;
        rw->with[i] = fit(rw, rw->with[i], sl_value_type(result));
        push_users(rw, result);
        if (!sl_value_name(rw->with[i]) && sl_value_name(result)) sl_value_set_name(rw->with[i], sl_value_name(result));
        sl_value_replace_all_uses(result, rw->with[i]);
    }
}

static bool apply_rules(sl_rewriter *rw, sl_op *op) {
    int kind = sl_op_get_kind(op);
    sl_op *before = sl_op_previous(op);
    sl_block *block = sl_op_block(op);
    for (int r = 0; r < rule_count; r++) {
        if (rules[r].root != kind && rules[r].root != SL_OP_COUNT) continue;
        rw->builder = sl_builder_before(op);
        rw->with = NULL;
        if (!rules[r].apply(rw, op)) continue;
        rw->hits[r]++;
        rw->pass->changes++;
        if (rw->with) replace(rw, op);
        for (sl_op *made = before ? sl_op_next(before) : sl_block_first(block); made && made != op; made = sl_op_next(made)) sl_op_walk(made, push_visit, rw);
        if (rw->with) {
            erase(rw, op);
        } else {
            push(rw, op);
            for (int i = 0; i < sl_op_result_count(op); i++) push_users(rw, sl_op_result(op, i));
        }
        return true;
    }
    return false;
}

static void drain(sl_rewriter *rw) {
    while (rw->work.count) {
        sl_rewrite_item item = rw->work.data[--rw->work.count];
        uint8_t *state = state_of_id(rw, item.id);
        *state &= (uint8_t)~QUEUED;
        if (*state & DEAD) continue;
        sl_op *op = item.op;
        if (is_dead(op)) {
            if (sl_op_may_bind(op)) SL_PUSH(rw->pass->scratch, &rw->binders, item);
            else erase(rw, op);
            continue;
        }
        apply_rules(rw, op);
    }
}

/* Drops unused ops whose symbols nobody mentions. True when any went. */
static bool drop_binders(sl_rewriter *rw, sl_op *func) {
    sl_op **ops = SL_NEW_ARRAY(rw->pass->scratch, sl_op *, rw->binders.count + 1);
    size_t count = 0;
    for (size_t i = 0; i < rw->binders.count; i++) {
        sl_rewrite_item item = rw->binders.data[i];
        uint8_t *state = state_of_id(rw, item.id);
        if (*state & (DEAD | BINDER) || !is_unused(item.op)) continue;
        *state |= BINDER;     /* listed twice: taken once */
        ops[count++] = item.op;
    }
    for (size_t i = 0; i < count; i++) *state_of(rw, ops[i]) &= (uint8_t)~BINDER;
    rw->binders.count = 0;
    count = sl_rewrite_dead_binders(rw, func, ops, count);
    for (size_t i = 0; i < count; i++)
        if (!(*state_of(rw, ops[i]) & DEAD)) erase(rw, ops[i]);    /* a nested one went with its outer one */
    return count > 0;
}

static void push_block(sl_rewriter *rw, sl_block *block) {
    for (sl_op *op = sl_block_last(block); op; op = sl_op_previous(op)) {
        push(rw, op);
        for (int g = 0; g < sl_op_region_count(op); g++)
            if (sl_op_body(op, g)) push_block(rw, sl_op_body(op, g));
    }
}

/* ---- common subexpressions ---- */
typedef struct entry { uint64_t hash; sl_op *op; struct entry *next, *scope; } entry;
typedef struct subexpressions { sl_rewriter *rw; entry **buckets; size_t mask; int64_t found; } subexpressions;

static uint64_t mix(uint64_t hash, const void *pointer) {
    uint64_t bits = (uint64_t)(uintptr_t)pointer;
    return (hash ^ (bits >> 4)) * UINT64_C(0x9E3779B97F4A7C15) + (hash >> 29);
}

/* Small data is compared by what it holds: the zero of every Relu is an attribute of its own. */
static bool is_small_data(sl_attr attr) {
    return sl_attr_get_kind(attr) == SL_ATTR_DATA && !sl_attr_data_is_splat(attr) && sl_attr_data_size(attr) <= 64 && sl_type_element(sl_attr_get_type(attr)) != SL_ELEMENT_str;
}

static uint64_t mix_attr(uint64_t hash, sl_attr attr) {
    if (!is_small_data(attr)) return mix(hash, attr);
    return sl_hash_bytes(sl_attr_data_bytes(attr), (size_t)sl_attr_data_size(attr), mix(hash, sl_attr_get_type(attr)));
}

static bool same_attr(sl_attr a, sl_attr b) {
    if (a == b) return true;
    return is_small_data(a) && is_small_data(b) && sl_attr_get_type(a) == sl_attr_get_type(b) && memcmp(sl_attr_data_bytes(a), sl_attr_data_bytes(b), (size_t)sl_attr_data_size(a)) == 0;
}

static uint64_t hash_op(const sl_op *op) {
    uint64_t hash = (uint64_t)sl_op_get_kind(op) * UINT64_C(0x9E3779B97F4A7C15), operands = 0;
    bool commutes = sl_op_has_trait(op, SL_TRAIT_COMMUTATIVE);
    for (int i = 0; i < sl_op_operand_count(op); i++)
        operands = commutes ? operands + mix(0, sl_op_operand(op, i)) : mix(operands, sl_op_operand(op, i));
    hash ^= operands;
    for (int i = 0; i < sl_op_attr_count(op); i++) {
        const char *name;
        hash = mix_attr(hash, sl_op_attr_at(op, i, &name));
    }
    for (int i = 0; i < sl_op_result_count(op); i++) hash = mix(hash, sl_value_type(sl_op_result(op, i)));
    return hash;
}

static bool same_op(const sl_op *a, const sl_op *b) {
    if (sl_op_get_kind(a) != sl_op_get_kind(b) || sl_op_operand_count(a) != sl_op_operand_count(b)) return false;
    if (sl_op_attr_count(a) != sl_op_attr_count(b) || sl_op_result_count(a) != sl_op_result_count(b)) return false;
    bool same = true, swapped = sl_op_has_trait(a, SL_TRAIT_COMMUTATIVE) && sl_op_operand_count(a) == 2;
    for (int i = 0; i < sl_op_operand_count(a); i++) same &= sl_op_operand(a, i) == sl_op_operand(b, i);
    if (!same && !(swapped && sl_op_operand(a, 0) == sl_op_operand(b, 1) && sl_op_operand(a, 1) == sl_op_operand(b, 0))) return false;
    for (int i = 0; i < sl_op_attr_count(a); i++) {
        const char *left, *right;
        if (!same_attr(sl_op_attr_at(a, i, &left), sl_op_attr_at(b, i, &right)) || strcmp(left, right) != 0) return false;
    }
    for (int i = 0; i < sl_op_result_count(a); i++)
        if (sl_value_type(sl_op_result(a, i)) != sl_value_type(sl_op_result(b, i))) return false;
    return true;
}

static void deduplicate(subexpressions *seen, sl_block *block) {
    entry *scope = NULL;
    for (sl_op *op = sl_block_first(block), *next; op; op = next) {
        next = sl_op_next(op);
        for (int g = 0; g < sl_op_region_count(op); g++)
            if (sl_op_body(op, g)) deduplicate(seen, sl_op_body(op, g));
        if (!sl_op_has_trait(op, SL_TRAIT_PURE) || sl_op_region_count(op) || !sl_op_result_count(op)) continue;
        uint64_t hash = hash_op(op);
        entry **bucket = &seen->buckets[hash & seen->mask], *found = *bucket;
        while (found && !(found->hash == hash && same_op(found->op, op))) found = found->next;
        if (found) {
            for (int i = 0; i < sl_op_result_count(op); i++) {
                push_users(seen->rw, sl_op_result(op, i));
                sl_value_replace_all_uses(sl_op_result(op, i), sl_op_result(found->op, i));
            }
            erase(seen->rw, op);
            seen->found++;
            continue;
        }
        entry *made = SL_NEW(seen->rw->pass->scratch, entry);
        *made = (entry){hash, op, *bucket, scope};
        *bucket = scope = made;
    }
    for (; scope; scope = scope->scope) seen->buckets[scope->hash & seen->mask] = scope->next;   /* newest first, so heads are ours */
}

static int64_t deduplicate_function(sl_rewriter *rw, sl_op *func) {
    size_t size = 256;
    while (size < sl_module_op_count(rw->pass->module)) size *= 2;
    subexpressions seen = {rw, SL_NEW_ARRAY(rw->pass->scratch, entry *, size), size - 1, 0};
    deduplicate(&seen, sl_op_body(func, 0));
    return seen.found;
}

static int64_t simplify_function(sl_rewriter *rw, sl_op *func) {
    int64_t duplicates = 0;
    push_block(rw, sl_op_body(func, 0));
    for (int round = 0; round < max_rounds; round++) {
        sl_shape_map_init(&rw->map, rw->context, rw->pass->scratch);
        drain(rw);
        int64_t again = sl_shape_map_apply(&rw->map, func);
        if (again) push_block(rw, sl_op_body(func, 0));
        int64_t found = deduplicate_function(rw, func);
        duplicates += found;
        bool dropped = drop_binders(rw, func);
        if (!again && !found && !dropped) break;
    }
    return duplicates;
}

sl_status sl_pass_simplify(sl_pass_context *pass) {
    int64_t hits[rule_count] = {0}, duplicates = 0;
    sl_rewriter rw = {.pass = pass, .context = sl_module_context(pass->module), .hits = hits};
    for (sl_op *func = sl_block_first(sl_module_body(pass->module)); func; func = sl_op_next(func))
        if (sl_op_get_kind(func) == SL_OP_core_func && !sl_op_bool(func, "buffers", false)) duplicates += simplify_function(&rw, func);
    for (int r = 0; r < rule_count; r++)
        if (hits[r]) sl_pass_decide(pass, NULL, rules[r].name, sl_arena_printf(pass->scratch, "%lld hits", (long long)hits[r]));
    if (duplicates) sl_pass_decide(pass, NULL, "duplicates", sl_arena_printf(pass->scratch, "%lld removed", (long long)duplicates));
    return NULL;
}
