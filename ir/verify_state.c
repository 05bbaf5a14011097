/* verify_state.c: what rows and steps that are skipped owe to states (docs/routing.md, "State").
 *
 * A state is what a later step reads: an output of a function that comes back as an input (core.func's attribute `state`), a value that a loop carries and names in the same attribute.
 * From a state's new value the check goes back through ops that only move data, and demands of what it meets there:
 *   - route.switch whose rows may go nowhere (a key may be negative): its attribute `state` says what they owe: copy, keep or none;
 *   - tensor.if that updates the state on one side and hands on the old one on the other: its attribute `state` says that this is meant: keep or none.
 * Arithmetic ends the way: what is added to a state is no entry of it. */
#include "op_hooks.h"

#include <string.h>

enum { MOST_STEPS = 1 << 14, MOST_DEPTH = 200 };

typedef struct state_walk {
    const sl_value *old;        /* the state as it came in */
    const char *name;
    int steps, depth;
    bool ok;
} state_walk;

/* ---- words ---- */

static const char *word_of(const sl_op *op, int result) {
    sl_attr words = sl_op_attr(op, "state");
    if (!words || sl_attr_get_kind(words) != SL_ATTR_ARRAY || result >= sl_attr_count(words)) return "";
    sl_attr word = sl_attr_item(words, result);
    return sl_attr_get_kind(word) == SL_ATTR_STRING ? sl_attr_get_string(word) : "";
}

static const sl_value *keys_of(const sl_op *op) {
    const sl_op *partition = sl_op_operand_count(op) ? sl_value_op(sl_op_operand(op, 0)) : NULL;
    return partition && sl_op_get_kind(partition) == SL_OP_route_partition ? sl_op_operand(partition, 0) : NULL;
}

static bool has_choices(const sl_op *op) {
    const sl_value *keys = keys_of(op);
    return keys && sl_type_is_tensor(sl_value_type(keys)) && sl_type_is_ranked(sl_value_type(keys)) && sl_type_rank(sl_value_type(keys)) != 1;
}

bool sl_verify_state_words(const sl_op *op) {
    bool is_switch = sl_op_get_kind(op) == SL_OP_route_switch;
    const char *merge = sl_op_string(op, "merge", ""), *wrong = NULL;
    sl_attr words = sl_op_attr(op, "state");
    if (!words) return true;
    if (!sl_verify_array(op, "state", sl_op_result_count(op), SL_ATTR_STRING)) return false;
    for (int i = 0; i < sl_attr_count(words); i++) {
        const char *word = word_of(op, i);
        bool copy = strcmp(word, "copy") == 0;
        if (*word && !copy && strcmp(word, "keep") != 0 && strcmp(word, "none") != 0) wrong = "a state owes copy, keep or none (\"\": this result is no state)";
        else if (copy && !is_switch) wrong = "copy is for a switch: the branch of an if that skips writes its entry itself";
        else if (copy && (strcmp(merge, "add") == 0 || sl_op_region_count(op) != 1 || has_choices(op))) wrong = "copy goes with one branch, one choice for each row, and merge place or keep";
        else if (is_switch && strcmp(word, "keep") == 0 && strcmp(merge, "keep") != 0) wrong = "keep goes with merge keep, which has the old entries";
        if (!wrong) continue;
        sl_op_report(op, SL_SEVERITY_ERROR, "%s: `state` %d is \"%s\": %s", sl_op_name(op), i, word, wrong);
        return false;
    }
    return true;
}

/* ---- keys ---- */

static bool may_be_negative(const sl_value *value, int depth) {
    const sl_op *op = sl_value_op(value);
    sl_attr data = sl_value_constant(value);
    sl_type type = sl_value_type(value);
    if (sl_type_is_tensor(type) && (sl_type_element(type) == SL_ELEMENT_i1 || sl_element_name(sl_type_element(type))[0] == 'u')) return false;
    if (data) {
        int64_t count = sl_attr_data_is_splat(data) ? 1 : sl_type_static_count(sl_attr_get_type(data));
        for (int64_t i = 0; i < count; i++)
            if (sl_attr_data_int(data, i) < 0) return true;
        return false;
    }
    if (!op || depth > MOST_DEPTH) return true;
    switch ((int)sl_op_get_kind(op)) {
    case SL_OP_tensor_arg_reduce: case SL_OP_tensor_iota: case SL_OP_tensor_nonzero: case SL_OP_tensor_from_dims: case SL_OP_tensor_shape_of: case SL_OP_route_count: return false;
    case SL_OP_tensor_topk: if (sl_value_index(value) == 1) return false; break;
    case SL_OP_arith_cast:
        if (sl_element_is_float(sl_type_element(sl_value_type(sl_op_operand(op, 0))))) return true;
        break;
    case SL_OP_arith_select: return may_be_negative(sl_op_operand(op, 1), depth + 1) || may_be_negative(sl_op_operand(op, 2), depth + 1);
    case SL_OP_arith_max: return may_be_negative(sl_op_operand(op, 0), depth + 1) && may_be_negative(sl_op_operand(op, 1), depth + 1);
    case SL_OP_tensor_concat:
        for (int i = 0; i < sl_op_operand_count(op); i++)
            if (may_be_negative(sl_op_operand(op, i), depth + 1)) return true;
        return false;
    case SL_OP_arith_min: return may_be_negative(sl_op_operand(op, 0), depth + 1) || may_be_negative(sl_op_operand(op, 1), depth + 1);
    case SL_OP_tensor_broadcast: case SL_OP_tensor_reshape: case SL_OP_tensor_transpose: case SL_OP_tensor_slice: case SL_OP_tensor_slice_dynamic: case SL_OP_tensor_take:
    case SL_OP_tensor_gather_elements: case SL_OP_tensor_gather_nd: break;
    default: return true;
    }
    return may_be_negative(sl_op_operand(op, 0), depth + 1);
}

static bool rows_may_go_nowhere(const sl_op *op) {
    const sl_value *keys = keys_of(op);
    return !keys || may_be_negative(keys, 0);
}

/* ---- the way back ---- */

static bool reaches(state_walk *walk, const sl_value *value);

/* Operands whose data the op hands on: a bit each. */
static unsigned moved_operands(const sl_op *op) {
    switch ((int)sl_op_get_kind(op)) {
    case SL_OP_tensor_broadcast: case SL_OP_tensor_reshape: case SL_OP_tensor_transpose: case SL_OP_tensor_slice: case SL_OP_tensor_slice_dynamic: case SL_OP_tensor_pad:
    case SL_OP_tensor_pad_dynamic: case SL_OP_tensor_take: case SL_OP_tensor_gather_elements: case SL_OP_tensor_gather_nd: case SL_OP_tensor_expand_dynamic: case SL_OP_arith_cast:
        return 1;
    case SL_OP_tensor_concat: return ~0u;
    case SL_OP_tensor_scatter_elements: case SL_OP_tensor_scatter_nd: return 1 | 4;      /* x and the updates */
    case SL_OP_arith_select: return 2 | 4;
    default: return 0;
    }
}

/* What region `g` yields for a result; NULL where the region is not as it should be (others report that). */
static const sl_value *yielded(const sl_op *op, int g, int result) {
    const sl_block *body = sl_region_block(sl_op_region(op, g));
    const sl_op *end = body ? sl_block_terminator(body) : NULL;
    return end && result < sl_op_operand_count(end) ? sl_op_operand(end, result) : NULL;
}

static bool is_inside(const sl_value *value, const sl_op *op) { return !sl_value_is_outside(value, op); }

static bool reaches_if(state_walk *walk, const sl_op *op, int result) {
    const sl_value *sides[2];
    bool found[2];
    for (int s = 0; s < 2; s++) {
        sides[s] = yielded(op, s, result);
        if (!sides[s]) return false;
        found[s] = reaches(walk, sides[s]);
    }
    for (int s = 0; s < 2; s++) {
        if (!found[s] || is_inside(sides[s], op) || sides[0] == sides[1] || *word_of(op, result)) continue;
        sl_op_report(op, SL_SEVERITY_ERROR,
                     "%s: state '%s' is read by a later step, but branch %d hands on the old one without an entry for this step: write the entry there, too, or say with `state` that the old one stays "
                     "(keep) or that readers know of the gap (none)", sl_op_name(op), walk->name, s);
        walk->ok = false;
        break;
    }
    return found[0] || found[1];
}

static bool reaches_switch(state_walk *walk, const sl_op *op, int result) {
    const char *word = word_of(op, result), *merge = sl_op_string(op, "merge", "");
    bool found = false;
    if (!*word && rows_may_go_nowhere(op)) {
        sl_op_report(op, SL_SEVERITY_ERROR,
                     "%s: state '%s' is read by a later step, but rows that go nowhere %s: say with `state` what they owe: copy (what the branch computes from the row as it comes), keep (the old entry) or "
                     "none (no entry: readers know)", sl_op_name(op), walk->name, strcmp(merge, "keep") == 0 ? "have only the old entry" : "leave a hole in it");
        walk->ok = false;
    }
    int64_t old = 1 + sl_op_int(op, "rows", 0) + result;
    for (int g = 0; g < sl_op_region_count(op); g++) {
        const sl_value *value = yielded(op, g, result);
        if (value) found |= reaches(walk, value);
    }
    if (strcmp(merge, "keep") == 0 && old > 0 && old < sl_op_operand_count(op)) found |= reaches(walk, sl_op_operand(op, (int)old));
    return found;
}

/* Whether the old state is met on the way back from `value`. */
static bool reaches(state_walk *walk, const sl_value *value) {
    if (value == walk->old) return true;
    if (++walk->steps > MOST_STEPS || walk->depth > MOST_DEPTH) return false;
    const sl_op *op = sl_value_op(value);
    bool found = false;
    walk->depth++;
    if (!op) {                                      /* a row tensor of a switch: what was packed */
        const sl_op *parent = sl_block_parent(sl_value_owner_block(value));
        if (parent && sl_op_get_kind(parent) == SL_OP_route_switch && 1 + sl_value_index(value) < sl_op_operand_count(parent)) found = reaches(walk, sl_op_operand(parent, 1 + sl_value_index(value)));
    } else if (sl_op_get_kind(op) == SL_OP_tensor_if) {
        found = reaches_if(walk, op, sl_value_index(value));
    } else if (sl_op_get_kind(op) == SL_OP_route_switch) {
        found = reaches_switch(walk, op, sl_value_index(value));
    } else {
        unsigned moved = moved_operands(op);
        for (int i = 0; i < sl_op_operand_count(op) && moved; i++)
            if (i >= 32 ? moved == ~0u : moved >> i & 1) found |= reaches(walk, sl_op_operand(op, i));
    }
    walk->depth--;
    return found;
}

static bool check_state(const sl_value *old, const sl_value *update, const char *name) {
    state_walk walk = {.old = old, .name = name ? name : "", .ok = true};
    reaches(&walk, update);
    return walk.ok;
}

static const char *name_at(const sl_op *op, const char *list, int index) {
    sl_attr names = sl_op_attr(op, list);
    return names && index < sl_attr_count(names) ? sl_attr_get_string(sl_attr_item(names, index)) : NULL;
}

/* Types of a state and of its update: the same element and rank (sizes may grow). */
static bool check_types(const sl_op *op, const sl_value *old, const sl_value *update, int entry) {
    sl_type a = sl_value_type(old), b = sl_value_type(update);
    bool fits = sl_type_is_tensor(a) && sl_type_is_tensor(b) && sl_type_element(a) == sl_type_element(b) &&
                (!sl_type_is_ranked(a) || !sl_type_is_ranked(b) || sl_type_rank(a) == sl_type_rank(b));
    if (!fits) sl_op_report(op, SL_SEVERITY_ERROR, "%s: `state` %d goes in as %s and comes out as %s", sl_op_name(op), entry, sl_type_text(sl_op_context(op), a), sl_type_text(sl_op_context(op), b));
    return fits;
}

bool sl_verify_func_state(const sl_op *op, const sl_op *end) {
    int count;
    if (!sl_op_attr(op, "state") || sl_op_bool(op, "buffers", false)) return true;
    const int64_t *pairs = sl_op_ints(op, "state", &count);
    const sl_block *body = sl_op_body(op, 0);
    bool ok = count % 2 == 0;
    for (int i = 0; ok && i < count; i += 2) ok = pairs[i] >= 0 && pairs[i] < sl_block_argument_count(body) && pairs[i + 1] >= 0 && pairs[i + 1] < sl_op_operand_count(end);
    if (!ok) {
        sl_op_report(op, SL_SEVERITY_ERROR, "core.func: `state` must be pairs of an input's and an output's number");
        return false;
    }
    for (int i = 0; i < count; i += 2) {
        const sl_value *old = sl_block_argument(body, (int)pairs[i]), *update = sl_op_operand(end, (int)pairs[i + 1]);
        ok &= check_types(op, old, update, i / 2) && check_state(old, update, name_at(op, "output_names", (int)pairs[i + 1]));
    }
    return ok;
}

bool sl_verify_loop_state(const sl_op *op, const sl_op *yield) {
    int count;
    if (!sl_op_attr(op, "state")) return true;
    const int64_t *numbers = sl_op_ints(op, "state", &count), carried = sl_op_int(op, "carried", 0);
    bool ok = true;
    for (int i = 0; i < count; i++) {
        if (numbers[i] < 0 || numbers[i] >= carried) {
            sl_op_report(op, SL_SEVERITY_ERROR, "tensor.loop: `state` must be numbers of carried values, below %lld", (long long)carried);
            return false;
        }
        const sl_value *old = sl_block_argument(sl_op_body(op, 0), 2 + (int)numbers[i]), *update = sl_op_operand(yield, 1 + (int)numbers[i]);
        const char *name = sl_value_name(old);
        ok &= check_state(old, update, name ? name : "carried");
    }
    return ok;
}
