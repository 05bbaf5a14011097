/* recover_onehot.c: dispatch and combine by one-hot products, as GShard, DeepSpeed-MoE and fairseq write it:
 *
 *     combine[t, e, c]  = gate[t] * one_hot(expert of t)[e] * one_hot(position of t)[c]      summed over a row's choices
 *     dispatch          = combine != 0
 *     slots[e, c, :]    = sum over t of dispatch[t, e, c] * x[t, :]
 *     y[t, :]           = sum over e, c of combine[t, e, c] * f_e(slots[e, c, :])
 *
 * where the position counts the tokens that chose the same expert before (a running sum over tokens) and those beyond the capacity are dropped. It becomes a switch that adds up gate * f_e(x[t]) over the
 * choices that are kept: no tensor of tokens x experts x capacity is left, empty slots are not computed.
 *
 * That needs more than a pattern: each slot must hold one token at most, else a slot would hold a sum. So combine is taken apart into products of factors, and shown is: a factor picks one expert a row; the
 * position's one-hot compares with the sum over experts of position * factors that combine has, too; the position is a running sum of such factors, plus a constant, so that it grows with each token that
 * chose the expert; positions of a second choice begin behind the last one of the first. */
#include "recover.h"

#include <string.h>

enum { TOKENS, EXPERTS, SLOTS, AXES, MAX_TERMS = 4, MAX_FACTORS = 12, MAX_DEPTH = 24 };

typedef struct factor { sl_value *value; int axis[AXES]; } factor;    /* axes of tokens, experts, slots in value; -1: none */
typedef struct product { int count; factor factors[MAX_FACTORS]; } product;
typedef struct sum { int count; product terms[MAX_TERMS]; } sum;

typedef struct onehot {
    sl_pass_context *pass;
    sl_op *op;
    sl_context *c;
    sl_expr tokens;
    int64_t experts, slots;
    sl_value *flat;                 /* combine as tokens x (experts * slots), where the product reads it so */
    const char *why;
} onehot;

static sl_type type_of(const sl_value *value) { return sl_value_type(value); }
static bool is_ranked(const sl_value *value) { return sl_type_is_tensor(type_of(value)) && sl_type_is_ranked(type_of(value)); }
static bool is_one(sl_type type, int axis) { return sl_expr_equals_const(sl_type_dim(type, axis), 1); }
static sl_op_kind kind_of(const sl_value *value) { return sl_value_op(value) ? sl_op_get_kind(sl_value_op(value)) : SL_OP_COUNT; }

/* Without casts that keep small whole numbers. */
static sl_value *bare(sl_value *value) {
    while (kind_of(value) == SL_OP_arith_cast && sl_type_element(type_of(value)) != SL_ELEMENT_i1) value = sl_op_operand(sl_value_op(value), 0);
    return value;
}

/* ---- products of factors ---- */

static bool multiply(const sum *x, const sum *y, sum *result) {
    result->count = 0;
    for (int i = 0; i < x->count; i++)
        for (int k = 0; k < y->count; k++) {
            if (result->count == MAX_TERMS || x->terms[i].count + y->terms[k].count > MAX_FACTORS) return false;
            product *p = &result->terms[result->count++];
            *p = x->terms[i];
            memcpy(p->factors + p->count, y->terms[k].factors, (size_t)y->terms[k].count * sizeof(factor));
            p->count += y->terms[k].count;
        }
    return true;
}

static bool take_apart(const onehot *o, sl_value *value, const int *axis, int depth, sum *result);

static bool map_axes(const sl_op *op, int operand, const int *axis, int *inner) {
    for (int a = 0; a < AXES; a++) {
        inner[a] = axis[a] < 0 ? -1 : sl_recover_axis(op, operand, axis[a]);
        if (inner[a] == SL_AXIS_MIXED) return false;
        if (inner[a] < 0) inner[a] = -1;
    }
    return true;
}

static bool take_apart_op(const onehot *o, const sl_op *op, const int *axis, int depth, sum *result) {
    sl_op_kind kind = sl_op_get_kind(op);
    int inner[2][AXES], sums = 0;
    bool moves = kind == SL_OP_tensor_broadcast || (kind == SL_OP_tensor_reshape && sl_op_operand_count(op) == 1) || kind == SL_OP_tensor_transpose ||
                 (kind == SL_OP_arith_cast && sl_type_element(type_of(sl_op_result(op, 0))) != SL_ELEMENT_i1);
    if (moves) return map_axes(op, 0, axis, inner[0]) && take_apart(o, sl_op_operand(op, 0), inner[0], depth + 1, result);
    if (kind == SL_OP_tensor_contract) sl_op_ints(op, "left_sum", &sums);
    bool multiplies = kind == SL_OP_arith_mul || (kind == SL_OP_arith_and && sl_type_element(type_of(sl_op_result(op, 0))) == SL_ELEMENT_i1) || (kind == SL_OP_tensor_contract && sums == 0);
    if ((!multiplies && (kind != SL_OP_arith_add || axis[SLOTS] < 0)) || !map_axes(op, 0, axis, inner[0]) || !map_axes(op, 1, axis, inner[1])) return false;
    sum *sides = SL_NEW_ARRAY(o->pass->scratch, sum, 2);
    if (!take_apart(o, sl_op_operand(op, 0), inner[0], depth + 1, &sides[0]) || !take_apart(o, sl_op_operand(op, 1), inner[1], depth + 1, &sides[1])) return false;
    if (multiplies) return multiply(&sides[0], &sides[1], result);
    if (sides[0].count + sides[1].count > MAX_TERMS) return false;
    *result = sides[0];
    memcpy(result->terms + result->count, sides[1].terms, (size_t)sides[1].count * sizeof(product));
    result->count += sides[1].count;
    return true;
}

/* `value` as a sum of products; what is neither is a factor of its own, and so is a sum of gates, which has no slots. Values of other axes than the three are not taken. */
static bool take_apart(const onehot *o, sl_value *value, const int *axis, int depth, sum *result) {
    if (depth < MAX_DEPTH && sl_value_op(value) && take_apart_op(o, sl_value_op(value), axis, depth, result)) return true;
    sl_type type = type_of(value);
    for (int d = 0; d < sl_type_rank(type); d++)
        if (d != axis[0] && d != axis[1] && d != axis[2] && !is_one(type, d)) return false;
    result->count = 1;
    result->terms[0].count = 1;
    result->terms[0].factors[0].value = value;
    for (int a = 0; a < AXES; a++) result->terms[0].factors[0].axis[a] = axis[a] >= 0 && is_one(type, axis[a]) && a != EXPERTS ? -1 : axis[a];
    return true;
}

static bool has_factor(const product *p, const sl_value *value) {
    for (int i = 0; i < p->count; i++)
        if (p->factors[i].value == value) return true;
    return false;
}

/* ---- what factors are ---- */

static sl_fact fact_of(const onehot *o, const factor *f, int row, int expert, int choice) {
    sl_index index[SL_MAX_RANK];
    for (int d = 0; d < sl_type_rank(type_of(f->value)); d++) index[d] = (sl_index){SL_INDEX_FIXED, 0};
    if (f->axis[row] >= 0) index[f->axis[row]].kind = SL_INDEX_ROW;
    if (choice >= 0 && f->axis[choice] >= 0) index[f->axis[choice]].kind = SL_INDEX_CHOICE;
    if (f->axis[expert] >= 0) index[f->axis[expert]].kind = SL_INDEX_EXPERT;
    return sl_recover_fact(o->pass, f->value, index);
}

/* The one expert that a row picks, where the factor is 0 for all others. `one`: it is 1 for that. */
static sl_value *picked_expert(const onehot *o, const factor *f, bool *one) {
    if (f->axis[EXPERTS] < 0 || f->axis[TOKENS] < 0 || f->axis[SLOTS] >= 0) return NULL;
    sl_fact fact = fact_of(o, f, TOKENS, EXPERTS, -1);
    if (fact.kind != SL_FACT_PICK || fact.outside != 0 || fact.keys_choice >= 0 || fact.expert >= 0) return NULL;
    *one = fact.inside_known && fact.inside == 1;
    return fact.keys;
}

static bool is_binary(sl_value *value, int depth) {
    sl_op *op = sl_value_op(value);
    double splat;
    if (sl_type_element(type_of(value)) == SL_ELEMENT_i1) return true;
    if (sl_recover_splat(value, &splat)) return splat == 0 || splat == 1;
    if (!op || depth > MAX_DEPTH) return false;
    switch ((int)sl_op_get_kind(op)) {
    case SL_OP_arith_cast: case SL_OP_tensor_broadcast: case SL_OP_tensor_reshape: case SL_OP_tensor_transpose: case SL_OP_tensor_slice: return is_binary(sl_op_operand(op, 0), depth + 1);
    case SL_OP_arith_mul: return is_binary(sl_op_operand(op, 0), depth + 1) && is_binary(sl_op_operand(op, 1), depth + 1);
    case SL_OP_arith_select: return is_binary(sl_op_operand(op, 1), depth + 1) && is_binary(sl_op_operand(op, 2), depth + 1);
    default: return false;
    }
}

static bool is_not_negative(sl_value *value, int depth) {
    sl_op *op = sl_value_op(value);
    double splat;
    if (sl_type_element(type_of(value)) == SL_ELEMENT_i1) return true;
    if (sl_recover_splat(value, &splat)) return splat >= 0;
    if (!op || depth > MAX_DEPTH) return false;
    sl_value *first = sl_op_operand_count(op) ? sl_op_operand(op, 0) : NULL;
    switch ((int)sl_op_get_kind(op)) {
    case SL_OP_arith_exp: case SL_OP_arith_abs: case SL_OP_arith_sqrt: return true;
    case SL_OP_arith_cast: case SL_OP_tensor_broadcast: case SL_OP_tensor_reshape: case SL_OP_tensor_transpose: case SL_OP_tensor_slice: case SL_OP_tensor_reduce: case SL_OP_tensor_cumulate:
    case SL_OP_tensor_take: case SL_OP_tensor_gather_elements: case SL_OP_tensor_gather_nd:
        return is_not_negative(first, depth + 1);
    case SL_OP_tensor_topk: return sl_value_index(value) == 1 || is_not_negative(first, depth + 1);
    case SL_OP_arith_max: return is_not_negative(first, depth + 1) || is_not_negative(sl_op_operand(op, 1), depth + 1);
    case SL_OP_arith_mul: case SL_OP_arith_div: case SL_OP_arith_add: case SL_OP_arith_min: case SL_OP_tensor_contract:
        return is_not_negative(first, depth + 1) && is_not_negative(sl_op_operand(op, 1), depth + 1);
    case SL_OP_arith_select: return is_not_negative(sl_op_operand(op, 1), depth + 1) && is_not_negative(sl_op_operand(op, 2), depth + 1);
    default: return false;
    }
}

/* ---- positions ---- */

typedef struct position { sl_value *counted, *before; double first; } position;    /* counted: whose running sum it is; before: what is counted before the first token (summed over tokens); first: position of the first token */

/* Whether the factor is 1 for each token that takes the slot: `held` has it, or it is the one-hot of the expert. */
static bool holds(const onehot *o, const factor *f, const product *held, const sl_value *expert) {
    bool one;
    if (has_factor(held, f->value)) return is_binary(f->value, 0);
    return picked_expert(o, f, &one) == expert && one;
}

static bool all_hold(const onehot *o, sl_value *value, const int *axis, const product *held, const sl_value *expert) {
    sum parts = {0};
    if (!take_apart(o, value, axis, 0, &parts) || parts.count != 1) return false;
    for (int i = 0; i < parts.terms[0].count; i++)
        if (!holds(o, &parts.terms[0].factors[i], held, expert)) return false;
    return true;
}

static bool counts_exactly(sl_type type) {
    sl_element element = sl_type_element(type);
    return element == SL_ELEMENT_f32 || element == SL_ELEMENT_f64 || element == SL_ELEMENT_i32 || element == SL_ELEMENT_i64;
}

/* value[t, e], for tokens that take a slot, as a running sum plus a constant. */
static bool read_position(const onehot *o, sl_value *value, const int *axis, const product *held, const sl_value *expert, position *p, int depth) {
    sl_op *op = sl_value_op(value);
    int inner[2][AXES];
    double splat;
    if (!op || depth > MAX_DEPTH || !counts_exactly(type_of(value))) return false;
    sl_op_kind kind = sl_op_get_kind(op);
    if (kind == SL_OP_arith_cast || kind == SL_OP_tensor_reshape || kind == SL_OP_tensor_transpose || kind == SL_OP_tensor_broadcast)
        return map_axes(op, 0, axis, inner[0]) && read_position(o, sl_op_operand(op, 0), inner[0], held, expert, p, depth + 1);
    if (kind == SL_OP_tensor_cumulate) {
        if (axis[TOKENS] < 0 || sl_op_int(op, "axis", -1) != axis[TOKENS] || strcmp(sl_op_string(op, "kind", ""), "sum") != 0 || sl_op_bool(op, "reverse", false)) return false;
        p->counted = bare(sl_op_operand(op, 0));
        p->first += !sl_op_bool(op, "exclusive", false);
        return all_hold(o, sl_op_operand(op, 0), axis, held, expert);
    }
    if (kind != SL_OP_arith_add && kind != SL_OP_arith_sub && kind != SL_OP_arith_mul) return false;
    if (!map_axes(op, 0, axis, inner[0]) || !map_axes(op, 1, axis, inner[1])) return false;
    for (int side = 0; side < (kind == SL_OP_arith_sub ? 1 : 2); side++) {
        sl_value *x = sl_op_operand(op, side), *y = sl_op_operand(op, 1 - side);
        position found = *p;
        if (kind == SL_OP_arith_mul) {
            if (all_hold(o, y, inner[1 - side], held, expert) && read_position(o, x, inner[side], held, expert, &found, depth + 1)) return *p = found, true;
            continue;
        }
        if (sl_recover_splat(y, &splat)) {
            found.first += kind == SL_OP_arith_sub ? -splat : splat;
            if (read_position(o, x, inner[side], held, expert, &found, depth + 1)) return *p = found, true;
            continue;
        }
        /* what an earlier choice counted: its sum over tokens */
        sl_value *total = y;
        while (kind_of(total) == SL_OP_tensor_broadcast || kind_of(total) == SL_OP_tensor_reshape || kind_of(total) == SL_OP_arith_cast) total = sl_op_operand(sl_value_op(total), 0);
        int count;
        sl_op *reduce = sl_value_op(total);
        if (kind == SL_OP_arith_sub || found.before || !reduce || sl_op_get_kind(reduce) != SL_OP_tensor_reduce || strcmp(sl_op_string(reduce, "kind", ""), "sum") != 0) continue;
        const int64_t *axes = sl_op_ints(reduce, "axes", &count);
        sl_type from = type_of(sl_op_operand(reduce, 0));
        if (count != 1 || !is_ranked(sl_op_operand(reduce, 0)) || sl_type_rank(from) != 2 || sl_type_dim(from, (int)axes[0]) != o->tokens || sl_type_static_dim(from, 1 - (int)axes[0]) != o->experts) continue;
        found.before = bare(sl_op_operand(reduce, 0));
        if (read_position(o, x, inner[side], held, expert, &found, depth + 1)) return *p = found, true;
    }
    return false;
}

/* ---- one choice ---- */

/* Whether `op` is what OneHot makes of positions x: x where 0 <= x < n, something out of range where x >= n. */
static sl_value *wrapped_position(const onehot *o, const sl_op *op) {
    double n, bound, other;
    sl_op *both = sl_value_op(sl_op_operand(op, 0)), *mod = sl_value_op(sl_op_operand(op, 1));
    if (!both || sl_op_get_kind(both) != SL_OP_arith_and || !mod || sl_op_get_kind(mod) != SL_OP_arith_mod || !sl_recover_splat(sl_op_operand(mod, 1), &n)) return NULL;
    if (!sl_recover_splat(sl_op_operand(op, 2), &other) || (other >= 0 && other < (double)o->slots)) return NULL;
    sl_value *x = sl_op_operand(mod, 0);
    for (int i = 0; i < 2; i++) {
        sl_op *test = sl_value_op(sl_op_operand(both, i));
        if (!test || sl_op_get_kind(test) != SL_OP_arith_cmp || sl_op_operand(test, 0) != x || !sl_recover_splat(sl_op_operand(test, 1), &bound)) return NULL;
        const char *predicate = sl_op_string(test, "predicate", "");
        if (!(!strcmp(predicate, "ge") && bound <= 0) && !(!strcmp(predicate, "lt") && bound == n)) return NULL;
    }
    return x;
}

static sl_value *unwrapped(const onehot *o, sl_value *value, bool reshapes) {
    for (;;) {
        sl_op *op = sl_value_op(value);
        sl_op_kind kind = kind_of(value);
        sl_value *x = kind == SL_OP_arith_select ? wrapped_position(o, op) : NULL;
        if (kind == SL_OP_arith_cast || (reshapes && kind == SL_OP_tensor_reshape)) value = sl_op_operand(op, 0);
        else if (x) value = x;
        else return value;
    }
}

typedef struct choice { sl_value *expert, *slot; int slot_expert_axis; position position; const factor *slots; } choice;    /* slot: of each token; or with an axis of experts */

/* `held`: the factors that are not 0 where the token is in its slot. */
static bool read_choice(onehot *o, const product *held, choice *found) {
    *found = (choice){.slot_expert_axis = -1};
    bool one;
    for (int i = 0; i < held->count; i++) {
        const factor *f = &held->factors[i];
        if (f->axis[SLOTS] >= 0) {
            if (found->slots) return o->why = "more than one factor tells the slot", false;
            found->slots = f;
        } else if (!found->expert) found->expert = picked_expert(o, f, &one);
    }
    int64_t limit = found->expert ? sl_recover_key_limit(found->expert) : -1;
    if (!found->slots || !found->expert || limit < 0 || limit > o->experts) return o->why = "no factor picks one expert for each token, or none its slot", false;
    sl_fact fact = fact_of(o, found->slots, TOKENS, SLOTS, EXPERTS);
    if (fact.kind != SL_FACT_PICK || fact.outside != 0 || !fact.inside_known || fact.inside != 1 || fact.any_choice || fact.expert >= 0) return o->why = "the slots are no one-hot of a position", false;
    found->slot = fact.keys;
    int axis[AXES] = {fact.keys_row, fact.keys_choice, -1};
    if (fact.keys_choice >= 0) {
        found->slot_expert_axis = fact.keys_choice;
        if (!read_position(o, unwrapped(o, fact.keys, false), axis, held, found->expert, &found->position, 0)) return o->why = "the position does not count the tokens of an expert", false;
        return true;
    }
    /* sum over experts of position * factors */
    sl_value *value = fact.keys;
    value = unwrapped(o, value, true);
    sl_op *reduce = sl_value_op(value);
    int count;
    if (!reduce || sl_op_get_kind(reduce) != SL_OP_tensor_reduce || strcmp(sl_op_string(reduce, "kind", ""), "sum") != 0) return o->why = "the position is not that of the picked expert", false;
    const int64_t *axes = sl_op_ints(reduce, "axes", &count);
    sl_type from = type_of(sl_op_operand(reduce, 0));
    if (count != 1 || !is_ranked(sl_op_operand(reduce, 0)) || sl_type_rank(from) != 2 || sl_type_static_dim(from, (int)axes[0]) != o->experts || sl_type_dim(from, 1 - (int)axes[0]) != o->tokens) return o->why = "the position is not that of the picked expert", false;
    axis[TOKENS] = 1 - (int)axes[0], axis[EXPERTS] = (int)axes[0];
    sum parts = {0};
    if (!take_apart(o, sl_op_operand(reduce, 0), axis, 0, &parts) || parts.count != 1) return o->why = "the position is not that of the picked expert", false;
    const factor *counter = NULL;
    bool alone = false;
    for (int i = 0; i < parts.terms[0].count; i++) {
        const factor *f = &parts.terms[0].factors[i];
        if (!holds(o, f, held, found->expert)) {
            if (counter) return o->why = "the position has a factor that slots do not have", false;
            counter = f;
        } else alone |= picked_expert(o, f, &one) == found->expert;
    }
    if (!counter || !alone || !read_position(o, counter->value, counter->axis, held, found->expert, &found->position, 0)) return o->why = "the position does not count the tokens of an expert", false;
    return true;
}

/* No slot for two tokens. */
static bool slots_differ(onehot *o, const choice *choices, int count) {
    for (int i = 0; i < count; i++) {
        const position *p = &choices[i].position;
        if (p->first < 0) return o->why = "positions begin below 0", false;
        if (i == 0 ? p->before != NULL : i > 1 || p->before != choices[0].position.counted || p->first < choices[0].position.first)
            return o->why = "positions of different choices may be equal", false;
    }
    return true;
}

/* ---- dispatch ---- */

/* The value of tokens x experts x slots that operand `which` of a product is; through a reshape that merged experts and slots, and a transpose of that (`turned`). */
static bool reads_three(const sl_op *op, int which, sl_value **three, bool *turned) {
    sl_value *value = sl_op_operand(op, which);
    sl_op *made = sl_value_op(value);
    *three = value;
    *turned = false;
    if (sl_type_rank(type_of(value)) == 3) return true;
    for (int i = 0; i < 2 && made && sl_type_rank(type_of(value)) == 2; i++) {
        if (sl_op_get_kind(made) == SL_OP_tensor_reshape && sl_op_operand_count(made) == 1 && sl_type_is_ranked(type_of(sl_op_operand(made, 0))) && sl_type_rank(type_of(sl_op_operand(made, 0))) == 3)
            return *three = sl_op_operand(made, 0), true;
        if (sl_op_get_kind(made) != SL_OP_tensor_transpose || *turned) break;
        *turned = true;
        *three = value = sl_op_operand(made, 0);
        made = sl_value_op(value);
    }
    return sl_type_rank(type_of(*three)) == 2;    /* as it is: tokens x (experts * slots) */
}

static bool is_combine(const onehot *o, sl_value *value, sl_value *combine) {
    value = bare(value);
    return value == bare(combine) || (o->flat && value == bare(o->flat));
}

/* Whether `dispatch` is 1 exactly where combine is not 0; else, where it is made of factors of combine's products, those: `held`. */
static bool read_dispatch(onehot *o, sl_value *dispatch, sl_value *combine, const int *axis, const sum *gates, sum *held) {
    sl_value *value = bare(dispatch), *zero = NULL;
    sl_op *op = sl_value_op(value);
    double splat;
    *held = *gates;
    if (op && sl_op_get_kind(op) == SL_OP_arith_cmp) {
        const char *predicate = sl_op_string(op, "predicate", "");
        bool positive = !strcmp(predicate, "gt"), same = is_combine(o, sl_op_operand(op, 0), combine);
        zero = sl_op_operand(op, 1);
        if (same && sl_recover_splat(zero, &splat) && splat == 0 && (positive || !strcmp(predicate, "ne"))) {
            if (positive && !is_not_negative(combine, 0)) return o->why = "gates may be negative, and their tokens are not dispatched", false;
            return true;
        }
    }
    if (op && sl_op_get_kind(op) == SL_OP_arith_cast && is_combine(o, sl_op_operand(op, 0), combine)) return true;
    if (sl_type_rank(type_of(dispatch)) != 3 || !take_apart(o, dispatch, axis, 0, held) || held->count != gates->count) return o->why = "the dispatch is not made of what the combination is made of", false;
    for (int i = 0; i < held->count; i++)
        for (int k = 0; k < held->terms[i].count; k++)
            if (!has_factor(&gates->terms[i], held->terms[i].factors[k].value) || !is_binary(held->terms[i].factors[k].value, 0))
                return o->why = "the dispatch is not made of what the combination is made of", false;
    return true;
}

static bool is_product(const sl_op *op) { return is_ranked(sl_op_operand(op, 0)) && is_ranked(sl_op_operand(op, 1)) && is_ranked(sl_op_result(op, 0)); }

/* The rows that `slots` (experts x capacity x rest) were filled with: op is the sum over tokens. NULL. */
static sl_value *dispatched_rows(const onehot *o, const sl_op *op, sl_value **dispatch, int *axis) {
    if (!op || sl_op_get_kind(op) != SL_OP_tensor_contract || !is_product(op)) return NULL;
    int sums, batches;
    const int64_t *sum_axes[2] = {sl_op_ints(op, "left_sum", &sums), sl_op_ints(op, "right_sum", &sums)};
    sl_op_ints(op, "left_batch", &batches);
    if (sums != 1 || batches) return NULL;
    sl_value *x = sl_op_operand(op, 1);    /* slots come first in the result only when their factor does */
    bool turned;
    if (sl_type_dim(type_of(x), (int)sum_axes[1][0]) != o->tokens || !reads_three(op, 0, dispatch, &turned) || sl_type_dim(type_of(*dispatch), 0) != o->tokens) return NULL;
    sl_type type = type_of(*dispatch);
    bool fits = sl_type_rank(type) == 3 ? sl_type_static_dim(type, 1) == o->experts && sl_type_static_dim(type, 2) == o->slots : sl_type_static_dim(type, 1) == o->experts * o->slots;
    if (!fits || sum_axes[0][0] != (turned ? 1 : 0)) return NULL;
    *axis = (int)sum_axes[1][0];
    return x;
}

/* ---- putting it together ---- */

static sl_value *at_expert(const onehot *o, sl_builder *b, const factor *f, sl_value *expert) {
    sl_expr column[2] = {o->tokens, sl_expr_const(o->c, 1)}, square[2] = {o->tokens, sl_expr_const(o->c, o->experts)};
    sl_type type = type_of(f->value), flat = sl_type_with_dims(o->c, type, 2, column);
    if (f->axis[EXPERTS] < 0) {
        if (f->axis[TOKENS] >= 0) return sl_recover_reshape(b, f->value, flat);
        sl_value *one = sl_recover_reshape(b, f->value, sl_type_with_dims(o->c, type, 0, NULL));
        return sl_recover_op(b, SL_OP_tensor_broadcast, 1, &one, flat, 0, NULL);
    }
    sl_value *value = f->value;
    if (f->axis[TOKENS] >= 0) value = sl_recover_reshape(b, sl_recover_lead(b, value, f->axis[TOKENS]), sl_type_with_dims(o->c, type, 2, square));
    else {
        value = sl_recover_reshape(b, value, sl_type_with_dims(o->c, type, 1, square + 1));
        value = sl_recover_op(b, SL_OP_tensor_broadcast, 1, &value, sl_type_with_dims(o->c, type, 2, square), 0, NULL);
    }
    sl_value *operands[] = {value, expert};
    sl_named_attr axis = {"axis", sl_attr_int(o->c, 1)};
    return sl_recover_op(b, SL_OP_tensor_gather_elements, 2, operands, flat, 1, &axis);
}

static void build_choice(const onehot *o, sl_builder *b, const product *gate, const choice *ch, sl_element element, sl_value **key, sl_value **weight) {
    sl_expr column[2] = {o->tokens, sl_expr_const(o->c, 1)};
    sl_type flat = sl_type_tensor(o->c, SL_ELEMENT_i64, 2, column);
    sl_value *expert = sl_recover_reshape(b, sl_build_cast(b, ch->expert, SL_ELEMENT_i64), flat), *slot = sl_build_cast(b, ch->slot, SL_ELEMENT_i64);
    *weight = NULL;
    for (int i = 0; i < gate->count; i++) {
        const factor *f = &gate->factors[i];
        if (f->axis[SLOTS] >= 0) continue;
        sl_value *value = sl_build_cast(b, at_expert(o, b, f, expert), element);
        *weight = *weight ? sl_build_binary(b, SL_OP_arith_mul, *weight, value) : value;
    }
    if (ch->slot_expert_axis >= 0) {
        factor f = {slot, {1 - ch->slot_expert_axis, ch->slot_expert_axis, -1}};
        slot = at_expert(o, b, &f, expert);
    } else slot = sl_recover_reshape(b, slot, flat);
    sl_value *kept = sl_build_compare(b, "ne", *weight, sl_recover_splat_like(b, type_of(*weight), 0));
    kept = sl_build_binary(b, SL_OP_arith_and, kept, sl_build_compare(b, "ge", slot, sl_recover_splat_like(b, flat, 0)));
    kept = sl_build_binary(b, SL_OP_arith_and, kept, sl_build_compare(b, "lt", slot, sl_recover_splat_like(b, flat, (double)o->slots)));
    *key = sl_build_select(b, kept, expert, sl_recover_splat_like(b, flat, -1));
}

static sl_value *side_by_side(const onehot *o, sl_builder *b, int count, sl_value **columns) {
    sl_expr dims[2] = {o->tokens, sl_expr_const(o->c, count)};
    sl_named_attr axis = {"axis", sl_attr_int(o->c, 1)};
    return count == 1 ? columns[0] : sl_recover_op(b, SL_OP_tensor_concat, count, columns, sl_type_with_dims(o->c, type_of(columns[0]), 2, dims), 1, &axis);
}

static bool recover(onehot *o, sl_value *combine, sl_bodies *bodies) {
    static const int axis[AXES] = {0, 1, 2};
    sum *gates = SL_NEW_ARRAY(o->pass->scratch, sum, 2), *held = gates + 1;
    sl_value *results = sl_op_operand(o->op, 1), *dispatch = NULL;
    choice choices[MAX_TERMS];
    sl_op *slots = NULL;
    int rows_axis = 0, scanned = 0;
    if (!take_apart(o, combine, axis, 0, gates)) return o->why = "the combination is no sum of products", false;
    /* Where the slots are filled. */
    for (sl_op *op = sl_op_previous(o->op); op && scanned < SL_RECOVER_MAX_SCAN; op = sl_op_previous(op), scanned++) {
        sl_value *found = NULL, *filled;
        sl_value *x = dispatched_rows(o, op, &found, &rows_axis);
        if (!x || (dispatch && found != dispatch)) continue;
        dispatch = found;
        slots = op;
        filled = sl_op_result(op, 0);
        if (sl_type_static_dim(type_of(filled), 0) != o->experts) {    /* slots as one axis: the reshape that splits them */
            sl_op *split = sl_value_has_one_use(filled) ? sl_use_user(sl_value_first_use(filled)) : NULL;
            if (!split || sl_op_get_kind(split) != SL_OP_tensor_reshape) continue;
            filled = sl_op_result(split, 0);
        }
        if (!is_ranked(filled) || sl_type_rank(type_of(filled)) < 3 || sl_type_static_dim(type_of(filled), 0) != o->experts || sl_type_static_dim(type_of(filled), 1) != o->slots) continue;
        SL_PUSH(o->pass->scratch, &bodies->sources, (sl_row_source){filled, x, rows_axis});
    }
    if (!slots || !bodies->sources.count) return o->why = "no product fills the slots from tokens", false;
    if (!read_dispatch(o, dispatch, combine, axis, gates, held)) return false;
    for (int i = 0; i < gates->count; i++)
        if (!read_choice(o, &held->terms[i], &choices[i])) return false;
    if (!slots_differ(o, choices, gates->count)) return false;
    sl_type type = type_of(sl_op_result(o->op, 0));
    if (!sl_bodies_gather(bodies, o->op)) return o->why = bodies->trouble, false;
    if (sl_bodies_products(bodies) == 0) return o->why = "the experts do not work slot by slot", false;
    if (o->pass->strict) return o->why = "skipping might differ where empty slots or slots of weight 0 meet NaN or infinity, and the mode is strict", false;
    sl_builder b = sl_builder_before(o->op);
    sl_value *keys[MAX_TERMS], *weights[MAX_TERMS];
    for (int i = 0; i < gates->count; i++) build_choice(o, &b, &gates->terms[i], &choices[i], sl_type_element(type_of(results)), &keys[i], &weights[i]);
    sl_routing routing = {.keys = side_by_side(o, &b, gates->count, keys), .weights = side_by_side(o, &b, gates->count, weights), .choices = gates->count, .merge = "add"};
    sl_value *y = sl_bodies_build(bodies, o->op, &routing, type);
    sl_pass_decide(o->pass, o->op, "routing", sl_arena_printf(o->pass->scratch, "one-hot dispatch of tokens to %lld experts with %lld slots each becomes a switch: %d of %lld a row, as far as slots are there; "
        "the products of %lld x %lld slots with all tokens are gone", (long long)o->experts, (long long)o->slots, gates->count, (long long)o->experts, (long long)o->experts, (long long)o->slots));
    sl_recover_replace(o->pass, o->op, y);
    return true;
}

bool sl_recover_onehot(sl_pass_context *pass, sl_op *op, bool *failed) {
    onehot o = {.pass = pass, .op = op, .c = sl_op_context(op)};
    if (!is_product(op)) return false;
    int sums, batches;
    const int64_t *left = sl_op_ints(op, "left_sum", &sums), *right = sl_op_ints(op, "right_sum", &sums);
    sl_op_ints(op, "left_batch", &batches);
    sl_type type = type_of(sl_op_result(op, 0));
    sl_value *combine;
    bool turned;
    if (batches || sums < 1 || sums > 2 || !sl_value_has_uses(sl_op_result(op, 0)) || sl_type_rank(type) != 2 || !reads_three(op, 0, &combine, &turned) || turned || sl_type_rank(type_of(combine)) != 3) return false;
    sl_type three = type_of(combine), given = type_of(sl_op_operand(op, 0)), results = type_of(sl_op_operand(op, 1));
    o.tokens = sl_type_dim(three, 0);
    o.experts = sl_type_static_dim(three, 1);
    o.slots = sl_type_static_dim(three, 2);
    if (sl_type_rank(given) == 2) o.flat = sl_op_operand(op, 0);
    if (o.experts < 2 || o.experts > SL_RECOVER_MAX_BRANCHES || o.slots < 1 || sl_type_dim(type, 0) != o.tokens) return false;
    sl_bodies bodies;
    sl_bodies_init(&bodies, pass, (int)o.experts, o.tokens);
    if (sums == 2) {    /* both in the order of combine's axes */
        int first = left[0] == 1 ? 0 : 1;
        if (sl_type_rank(given) != 3 || sl_type_rank(results) != 3 || left[first] != 1 || left[1 - first] != 2) return false;
        sl_bodies_add_root(&bodies, op, 1, SL_SIDE_EVERY, (int)right[1 - first], (int)right[first]);
    } else {
        sl_op *merge = sl_value_op(sl_op_operand(op, 1));
        if (sl_type_rank(given) != 2 || left[0] != 1 || right[0] != 0 || !merge || sl_op_get_kind(merge) != SL_OP_tensor_reshape || sl_op_operand_count(merge) != 1) return false;
        sl_type split = type_of(sl_op_operand(merge, 0));
        if (!sl_type_is_ranked(split) || sl_type_rank(split) != 3 || sl_type_static_dim(split, 0) != o.experts || sl_type_static_dim(split, 1) != o.slots) return false;
        sl_bodies_add_root(&bodies, merge, 0, SL_SIDE_EVERY, 1, 0);
    }
    if (recover(&o, combine, &bodies)) return true;
    /* Worth a word only when it is a dispatch at all. */
    if (bodies.sources.count) *failed |= sl_pass_dense_fallback(pass, op, sl_arena_printf(pass->scratch, "all slots of all experts are computed: %s", o.why));
    return false;
}
