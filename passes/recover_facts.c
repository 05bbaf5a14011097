/* recover_facts.c: what one element of a gate or mask is. The question "value[row, expert]" is followed backwards through movement, arithmetic, one-hot comparisons, scatters and reductions over
 * choices, until it is a constant wherever the expert is not among the row's picks. Nothing depends on the order of nodes or on names: exporters write a one-hot as Equal, OneHot, ScatterElements, Where. */
#include "recover.h"

#include <math.h>
#include <string.h>

enum { MAX_STEPS = 4000, MAX_DEPTH = 200 };

typedef struct asking { sl_pass_context *pass; int steps, depth; } asking;

static sl_fact ask(asking *a, sl_value *value, const sl_index *index);

static sl_type type_of(const sl_op *op, int operand) { return sl_value_type(sl_op_operand(op, operand)); }
static sl_fact unknown(void) { return (sl_fact){.kind = SL_FACT_UNKNOWN}; }
static sl_fact constant(double value) { return (sl_fact){.kind = SL_FACT_CONST, .outside = value, .inside = value, .inside_known = true}; }
static sl_fact mask(double outside) { return (sl_fact){.kind = SL_FACT_MASK, .outside = outside}; }

/* ---- numbers ---- */

bool sl_recover_splat(const sl_value *value, double *splat) {
    for (const sl_op *op = sl_value_op(value); op; op = sl_value_op(sl_op_operand(op, 0))) {
        sl_op_kind kind = sl_op_get_kind(op);
        if (kind == SL_OP_core_constant) {
            sl_attr data = sl_value_constant(sl_op_result(op, 0));
            sl_type type = sl_value_type(sl_op_result(op, 0));
            if (!data || !sl_type_is_tensor(type) || (!sl_attr_data_is_splat(data) && sl_type_static_count(type) != 1)) return false;
            *splat = sl_element_is_float(sl_type_element(type)) ? sl_attr_data_float(data, 0) : (double)sl_attr_data_int(data, 0);
            return true;
        }
        if ((kind != SL_OP_tensor_broadcast && kind != SL_OP_tensor_reshape && kind != SL_OP_tensor_transpose) || sl_op_operand_count(op) != 1) return false;
    }
    return false;
}

bool sl_recover_uniform(const sl_value *value, int axis) {
    sl_attr data = sl_value_constant(value);
    sl_type type = sl_value_type(value);
    int64_t inner = 1, outer = 1, dim = sl_type_static_dim(type, axis);
    if (!data || dim < 1 || sl_element_bits(sl_type_element(type)) < 8 || sl_type_static_count(type) < 1) return false;
    if (sl_attr_data_is_splat(data)) return true;
    for (int d = 0; d < sl_type_rank(type); d++)
        if (d != axis) *(d < axis ? &outer : &inner) *= sl_type_static_dim(type, d);
    const char *bytes = sl_attr_data_bytes(data);
    size_t block = (size_t)inner * (size_t)sl_element_bits(sl_type_element(type)) / 8;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 1; i < dim; i++)
            if (memcmp(bytes + (size_t)(o * dim) * block, bytes + (size_t)(o * dim + i) * block, block) != 0) return false;
    return true;
}

static bool unary(sl_op_kind kind, double x, double *result) {
    switch ((int)kind) {
    case SL_OP_arith_neg: return *result = -x, true;
    case SL_OP_arith_abs: return *result = fabs(x), true;
    case SL_OP_arith_exp: return *result = exp(x), x == 0 || isinf(x);    /* others round in another way than the op does */
    case SL_OP_arith_sqrt: return *result = sqrt(x), x == 0 || x == 1;
    case SL_OP_arith_not: return *result = x == 0, true;
    case SL_OP_arith_floor: return *result = floor(x), true;
    case SL_OP_arith_ceil: return *result = ceil(x), true;
    case SL_OP_arith_sign: case SL_OP_arith_tanh: case SL_OP_arith_erf: case SL_OP_arith_sin: case SL_OP_arith_expm1: case SL_OP_arith_log1p: return *result = 0, x == 0;
    default: return false;
    }
}

static bool compare(const char *predicate, double x, double y) {
    if (!strcmp(predicate, "eq")) return x == y;
    if (!strcmp(predicate, "ne")) return x != y;
    if (!strcmp(predicate, "lt")) return x < y;
    if (!strcmp(predicate, "le")) return x <= y;
    return strcmp(predicate, "gt") == 0 ? x > y : x >= y;
}

static bool binary(const sl_op *op, double x, double y, double *result) {
    switch ((int)sl_op_get_kind(op)) {
    case SL_OP_arith_add: *result = x + y; return !isnan(*result);
    case SL_OP_arith_sub: *result = x - y; return !isnan(*result);
    case SL_OP_arith_mul: *result = x * y; return !isnan(*result);
    case SL_OP_arith_div: *result = x / y; return y != 0 && (x == 0 || y == 1);
    case SL_OP_arith_max: *result = x > y ? x : y; return true;
    case SL_OP_arith_min: *result = x < y ? x : y; return true;
    case SL_OP_arith_and: *result = x != 0 && y != 0; return sl_type_element(type_of(op, 0)) == SL_ELEMENT_i1;
    case SL_OP_arith_or: *result = x != 0 || y != 0; return sl_type_element(type_of(op, 0)) == SL_ELEMENT_i1;
    case SL_OP_arith_cmp: *result = compare(sl_op_string(op, "predicate", "eq"), x, y); return true;
    default: return false;
    }
}

/* What the op gives when operand `which` is x and the other anything finite. */
static bool absorbs(const sl_op *op, int which, double x, double *result) {
    switch ((int)sl_op_get_kind(op)) {
    case SL_OP_arith_mul: case SL_OP_arith_and: *result = 0; return x == 0;
    case SL_OP_arith_div: *result = 0; return which == 0 && x == 0;
    case SL_OP_arith_add: *result = x; return isinf(x);
    case SL_OP_arith_sub: *result = which ? -x : x; return isinf(x);
    case SL_OP_arith_min: *result = x; return isinf(x) && x < 0;
    case SL_OP_arith_max: *result = x; return isinf(x) && x > 0;
    case SL_OP_arith_or: *result = 1; return x != 0 && sl_type_element(type_of(op, 0)) == SL_ELEMENT_i1;
    default: return false;
    }
}

/* ---- combining facts ---- */

static bool same_pick(const sl_fact *x, const sl_fact *y) {
    return x->kind == SL_FACT_PICK && y->kind == SL_FACT_PICK && x->keys == y->keys && x->expert == y->expert && x->any_choice == y->any_choice && x->keys_choice == y->keys_choice;
}

static sl_fact pick(const sl_fact *key, int64_t expert, double outside, double inside) {
    sl_fact fact = *key;
    fact.kind = SL_FACT_PICK, fact.expert = expert, fact.outside = outside, fact.inside = inside, fact.inside_known = true;
    return fact;
}

static sl_fact combine(const sl_op *op, sl_fact x, sl_fact y) {
    double outside, inside;
    bool is_cmp = sl_op_get_kind(op) == SL_OP_arith_cmp;
    if (is_cmp && x.kind == SL_FACT_MASK && x.keys) x.kind = SL_FACT_KEY;
    if (is_cmp && y.kind == SL_FACT_MASK && y.keys) y.kind = SL_FACT_KEY;
    if (is_cmp && (x.kind == SL_FACT_KEY || y.kind == SL_FACT_KEY)) {
        const char *predicate = sl_op_string(op, "predicate", "");
        sl_fact *key = x.kind == SL_FACT_KEY ? &x : &y, *other = x.kind == SL_FACT_KEY ? &y : &x;
        bool equal = !strcmp(predicate, "eq");
        if (!equal && strcmp(predicate, "ne") != 0) return mask(0);
        if (other->kind == SL_FACT_EXPERT) return pick(key, -1, !equal, equal);
        if (other->kind == SL_FACT_CONST && other->outside >= 0 && other->outside < 1e6 && other->outside == floor(other->outside)) return pick(key, (int64_t)other->outside, !equal, equal);
        return mask(0);
    }
    bool known_x = x.kind == SL_FACT_CONST || x.kind == SL_FACT_PICK, known_y = y.kind == SL_FACT_CONST || y.kind == SL_FACT_PICK;
    if (known_x && known_y && (x.kind == SL_FACT_CONST || y.kind == SL_FACT_CONST || same_pick(&x, &y)) && binary(op, x.outside, y.outside, &outside)) {
        sl_fact fact = x.kind == SL_FACT_PICK ? x : y;
        fact.outside = outside;
        fact.inside_known = x.inside_known && y.inside_known && binary(op, x.inside, y.inside, &inside);
        if (fact.inside_known) fact.inside = inside;
        return fact;
    }
    /* A pick is worth more than a mask; a constant that absorbs says everything. */
    for (int want = SL_FACT_CONST; want <= SL_FACT_MASK; want++)
        for (int which = 0; which < 2; which++) {
            sl_fact fact = which ? y : x;
            if ((int)fact.kind != want || want == SL_FACT_EXPERT || want == SL_FACT_KEY || !absorbs(op, which, fact.outside, &outside)) continue;
            fact.outside = outside;
            fact.inside_known = false;
            return fact;
        }
    if (is_cmp) return mask(0);
    /* Different picks together: outside of all of them. */
    if (known_x && known_y && binary(op, x.outside, y.outside, &outside)) return mask(outside);
    bool zero_x = x.kind == SL_FACT_CONST && x.outside == 0, zero_y = y.kind == SL_FACT_CONST && y.outside == 0;
    if (sl_op_get_kind(op) == SL_OP_arith_max && (zero_x || zero_y)) return mask(0);    /* a rectified gate */
    return unknown();
}

static sl_fact ask_select(asking *a, const sl_op *op, const sl_index *index) {
    sl_fact c = ask(a, sl_op_operand(op, 0), index), x = ask(a, sl_op_operand(op, 1), index), y = ask(a, sl_op_operand(op, 2), index);
    if (c.kind == SL_FACT_CONST) return c.outside != 0 ? x : y;
    if (c.kind == SL_FACT_PICK) {
        const sl_fact *out = c.outside != 0 ? &x : &y, *in = c.inside != 0 ? &x : &y;    /* `in` counts only where the inside is known */
        if (out->kind == SL_FACT_CONST || same_pick(out, &c)) {
            sl_fact fact = c;
            fact.outside = out->outside;
            fact.inside_known = c.inside_known && in->kind == SL_FACT_CONST;
            fact.inside = in->outside;
            return fact;
        }
    }
    for (int want = SL_FACT_PICK; want <= SL_FACT_MASK; want++) {
        if ((int)x.kind == want && y.kind == SL_FACT_CONST && y.outside == x.outside) return x.inside_known = false, x;
        if ((int)y.kind == want && x.kind == SL_FACT_CONST && x.outside == y.outside) return y.inside_known = false, y;
    }
    if (x.kind == SL_FACT_CONST) return mask(x.outside);
    if (y.kind == SL_FACT_CONST) return mask(y.outside);
    return unknown();
}

/* ---- movement: the operand's index behind a result's ---- */

static bool is_one(sl_type type, int axis) { return sl_expr_equals_const(sl_type_dim(type, axis), 1); }

static bool through_reshape(const sl_op *op, const sl_index *index, sl_index *inner) {
    sl_type from = type_of(op, 0), to = sl_value_type(sl_op_result(op, 0));
    int rank = sl_type_rank(to);
    bool used[SL_MAX_RANK] = {false};
    for (int d = 0; d < sl_type_rank(from); d++) {
        inner[d] = (sl_index){SL_INDEX_FIXED, 0};
        if (is_one(from, d)) continue;
        inner[d] = (sl_index){SL_INDEX_FREE, 0};
        for (int e = 0; e < rank; e++)
            if (!used[e] && !is_one(to, e) && sl_recover_axis(op, 0, e) == d) inner[d] = index[e], used[e] = true;
    }
    for (int e = 0; e < rank; e++)
        if (!used[e] && !is_one(to, e) && index[e].kind != SL_INDEX_FREE) return false;
    return true;
}

static sl_fact ask_constant(const sl_op *op, const sl_index *index) {
    sl_type type = sl_value_type(sl_op_result(op, 0));
    sl_attr data = sl_value_constant(sl_op_result(op, 0));
    int64_t at = 0, stride = 1, expert_stride = 0, experts = 0;
    double splat;
    if (sl_recover_splat(sl_op_result(op, 0), &splat)) return constant(splat);
    if (!data || sl_type_static_count(type) < 1) return unknown();
    for (int d = sl_type_rank(type) - 1; d >= 0; d--) {
        int64_t dim = sl_type_static_dim(type, d);
        if (index[d].kind == SL_INDEX_FIXED) at += index[d].value * stride;
        else if (index[d].kind == SL_INDEX_EXPERT) expert_stride = stride, experts = dim;
        else if (dim != 1 && !sl_recover_uniform(sl_op_result(op, 0), d)) return unknown();
        stride *= dim;
    }
    bool is_float = sl_element_is_float(sl_type_element(type));
    if (!experts) return at < 0 || at >= stride ? unknown() : constant(is_float ? sl_attr_data_float(data, at) : (double)sl_attr_data_int(data, at));
    for (int64_t e = 0; e < experts; e++) {
        int64_t from = at + e * expert_stride;
        if (from >= stride || (is_float ? sl_attr_data_float(data, from) : (double)sl_attr_data_int(data, from)) != (double)e) return unknown();
    }
    return (sl_fact){.kind = SL_FACT_EXPERT};
}

static sl_fact ask_reduce(asking *a, const sl_op *op, const sl_index *index) {
    sl_type from = type_of(op, 0);
    const char *kind = sl_op_string(op, "kind", "");
    int count, rank = sl_type_rank(from), result = 0;
    const int64_t *axes = sl_op_ints(op, "axes", &count);
    sl_index inner[SL_MAX_RANK];
    bool has_choice = false;
    for (int d = 0; d < sl_type_rank(sl_value_type(sl_op_result(op, 0))); d++) has_choice |= index[d].kind == SL_INDEX_CHOICE;
    for (int d = 0, next = 0; d < rank; d++) {
        if (next < count && axes[next] == d) {
            next++;
            inner[d] = (sl_index){is_one(from, d) ? SL_INDEX_FIXED : has_choice ? SL_INDEX_FREE : SL_INDEX_CHOICE, 0};
            has_choice |= inner[d].kind == SL_INDEX_CHOICE;
        } else inner[d] = index[result++];
    }
    sl_fact fact = ask(a, sl_op_operand(op, 0), inner);
    bool sum = !strcmp(kind, "sum"), most = !strcmp(kind, "max") || !strcmp(kind, "or");
    if (!sum && !most) return unknown();
    if (fact.kind != SL_FACT_PICK && fact.kind != SL_FACT_MASK && fact.kind != SL_FACT_CONST) return unknown();
    if (sum && fact.outside != 0) return unknown();
    bool over_choice = fact.kind == SL_FACT_PICK && fact.keys_choice >= 0 && !fact.any_choice;
    bool above = fact.inside_known && fact.inside > fact.outside;
    fact.inside_known = above && (most || !over_choice || sl_recover_keys_differ(&fact) );
    for (int i = 0; i < count; i++) {
        bool choice = over_choice && inner[axes[i]].kind == SL_INDEX_CHOICE;
        if (choice) fact.any_choice = true;
        else if (!is_one(from, (int)axes[i])) fact.inside_known &= most;
    }
    return fact;
}

static sl_fact ask_contract(asking *a, const sl_op *op, const sl_index *index) {
    sl_fact best = unknown();
    int rank = sl_type_rank(sl_value_type(sl_op_result(op, 0))), sums;
    bool has_choice = false;
    for (int d = 0; d < rank; d++) has_choice |= index[d].kind == SL_INDEX_CHOICE;
    for (int which = 0; which < 2; which++) {
        sl_type type = type_of(op, which);
        const int64_t *sum = sl_op_ints(op, which ? "right_sum" : "left_sum", &sums);
        sl_index inner[SL_MAX_RANK];
        for (int d = 0; d < sl_type_rank(type); d++) inner[d] = (sl_index){SL_INDEX_FREE, 0};
        for (int i = 0; i < sums; i++) inner[sum[i]] = (sl_index){is_one(type, (int)sum[i]) ? SL_INDEX_FIXED : sums == 1 && !has_choice ? SL_INDEX_CHOICE : SL_INDEX_FREE, 0};
        for (int d = 0; d < rank; d++) {
            int from = sl_recover_axis(op, which, d);
            if (from >= 0) inner[from] = index[d];
        }
        sl_fact fact = ask(a, sl_op_operand(op, which), inner);
        if ((fact.kind != SL_FACT_PICK && fact.kind != SL_FACT_MASK && fact.kind != SL_FACT_CONST) || fact.outside != 0) continue;
        if (best.kind == SL_FACT_CONST || best.kind == SL_FACT_PICK) continue;
        fact.inside_known = false;
        if (fact.kind == SL_FACT_PICK && fact.keys_choice >= 0 && !fact.any_choice && sums == 1 && !has_choice) fact.any_choice = true;
        best = fact;
    }
    return best;
}

static sl_fact ask_scatter(asking *a, const sl_op *op, const sl_index *index) {
    int axis = (int)sl_op_int(op, "axis", 0), rank = sl_type_rank(type_of(op, 0));
    const char *reduction = sl_op_string(op, "reduction", "none");
    sl_fact base = ask(a, sl_op_operand(op, 0), index);
    if (base.kind != SL_FACT_CONST || (index[axis].kind != SL_INDEX_EXPERT && index[axis].kind != SL_INDEX_FIXED)) return unknown();
    if (strcmp(reduction, "none") != 0 && strcmp(reduction, "add") != 0) return unknown();
    sl_fact fact = {.kind = SL_FACT_PICK, .outside = base.outside, .keys = sl_op_operand(op, 1), .keys_row = -1, .keys_choice = axis, .any_choice = true,
                    .expert = index[axis].kind == SL_INDEX_EXPERT ? -1 : index[axis].value};
    for (int d = 0; d < rank; d++) {
        if (d == axis) continue;
        if (index[d].kind == SL_INDEX_ROW && fact.keys_row < 0 && sl_type_dim(type_of(op, 1), d) == sl_type_dim(type_of(op, 0), d)) fact.keys_row = d;
        else if (!is_one(type_of(op, 0), d)) return unknown();
    }
    if (fact.keys_row < 0 || rank != 2) return unknown();
    double splat;
    fact.inside_known = !strcmp(reduction, "none") && sl_recover_splat(sl_op_operand(op, 2), &splat);
    if (fact.inside_known) fact.inside = splat;
    return fact;
}

/* A value of integers that can be keys as it is. */
static sl_fact as_key(sl_value *value, const sl_index *index) {
    sl_type type = sl_value_type(value);
    sl_fact fact = {.kind = SL_FACT_KEY, .keys = value, .keys_row = -1, .keys_choice = -1};
    if (!sl_element_is_integer(sl_type_element(type)) || sl_type_element(type) == SL_ELEMENT_i1) return unknown();
    for (int d = 0; d < sl_type_rank(type); d++) {
        if (index[d].kind == SL_INDEX_ROW && fact.keys_row < 0) fact.keys_row = d;
        else if (index[d].kind == SL_INDEX_CHOICE && fact.keys_choice < 0) fact.keys_choice = d;
        else if (!is_one(type, d)) return unknown();
    }
    return fact.keys_row >= 0 && sl_type_rank(type) <= 2 ? fact : unknown();
}

/* ---- keys in range ---- */

int64_t sl_recover_key_limit(const sl_value *keys) {
    const sl_op *op = sl_value_op(keys);
    if (!op) return -1;
    sl_op_kind kind = sl_op_get_kind(op);
    if (kind == SL_OP_tensor_topk && sl_value_index(keys) == 1) return sl_type_static_dim(type_of(op, 0), (int)sl_op_int(op, "axis", 0));
    if (kind == SL_OP_tensor_arg_reduce) return sl_type_static_dim(type_of(op, 0), (int)sl_op_int(op, "axis", 0));
    if (kind == SL_OP_tensor_reshape || kind == SL_OP_tensor_broadcast || kind == SL_OP_tensor_slice || kind == SL_OP_tensor_transpose) return sl_recover_key_limit(sl_op_operand(op, 0));
    if (kind == SL_OP_arith_cast && sl_element_is_integer(sl_type_element(type_of(op, 0))) && sl_type_element(type_of(op, 0)) != SL_ELEMENT_i1) {
        int64_t limit = sl_recover_key_limit(sl_op_operand(op, 0));
        return sl_element_bits(sl_type_element(sl_value_type(keys))) >= 16 && limit < 32768 ? limit : -1;
    }
    return -1;
}

static bool always(const sl_value *condition, int depth) {
    const sl_op *op = sl_value_op(condition);
    double splat;
    if (!op || depth > 8) return false;
    if (sl_op_get_kind(op) == SL_OP_arith_and) return always(sl_op_operand(op, 0), depth + 1) && always(sl_op_operand(op, 1), depth + 1);
    if (sl_op_get_kind(op) != SL_OP_arith_cmp || !sl_recover_splat(sl_op_operand(op, 1), &splat)) return false;
    const char *predicate = sl_op_string(op, "predicate", "");
    int64_t limit = sl_recover_key_limit(sl_op_operand(op, 0));
    if (limit < 0) return false;
    return (!strcmp(predicate, "ge") && splat <= 0) || (!strcmp(predicate, "lt") && splat >= (double)limit) || (!strcmp(predicate, "le") && splat >= (double)limit - 1);
}

/* Keys without what only makes sure that they are in range: exporters wrap one-hots in it. */
static sl_value *bare_keys(sl_value *value) {
    double splat;
    for (;;) {
        sl_op *op = sl_value_op(value);
        if (!op) return value;
        sl_op_kind kind = sl_op_get_kind(op);
        if (kind == SL_OP_arith_select && always(sl_op_operand(op, 0), 0)) value = sl_op_operand(op, 1);
        else if ((kind == SL_OP_arith_mod || kind == SL_OP_arith_rem) && sl_recover_splat(sl_op_operand(op, 1), &splat) && sl_recover_key_limit(sl_op_operand(op, 0)) >= 0 &&
                 splat >= (double)sl_recover_key_limit(sl_op_operand(op, 0)))
            value = sl_op_operand(op, 0);
        else return value;
    }
}

bool sl_recover_keys_differ(const sl_fact *fact) {
    const sl_op *op = sl_value_op(fact->keys);
    if (fact->keys_choice < 0 || sl_type_static_dim(sl_value_type(fact->keys), fact->keys_choice) == 1) return true;
    return op && sl_op_get_kind(op) == SL_OP_tensor_topk && sl_value_index(fact->keys) == 1 && sl_op_int(op, "axis", -1) == fact->keys_choice;
}

/* ---- ops ---- */

static sl_fact ask_op(asking *a, sl_value *value, const sl_index *index) {
    sl_op *op = sl_value_op(value);
    sl_op_kind kind = sl_op_get_kind(op);
    sl_type result = sl_value_type(value);
    sl_index inner[SL_MAX_RANK];
    int count, rank = sl_type_rank(result);
    for (int i = 0; i < sl_op_operand_count(op); i++)
        if (!sl_type_is_tensor(type_of(op, i)) || !sl_type_is_ranked(type_of(op, i))) return unknown();
    if (kind == SL_OP_core_constant) return ask_constant(op, index);
    if (kind == SL_OP_tensor_iota) return index[sl_op_int(op, "axis", 0)].kind == SL_INDEX_EXPERT ? (sl_fact){.kind = SL_FACT_EXPERT} : unknown();
    if (kind == SL_OP_arith_select) return ask_select(a, op, index);
    if (kind == SL_OP_arith_cast) {
        sl_fact fact = ask(a, sl_op_operand(op, 0), index);
        sl_element element = sl_type_element(result);
        bool sure = element != SL_ELEMENT_i1 ? fact.outside == floor(fact.outside) && fabs(fact.outside) < 128 : true;
        if (fact.kind == SL_FACT_UNKNOWN) return element == SL_ELEMENT_i1 ? mask(0) : unknown();
        if (fact.kind == SL_FACT_KEY) return element == SL_ELEMENT_i1 ? mask(0) : unknown();
        if (fact.kind == SL_FACT_EXPERT) return element == SL_ELEMENT_i1 ? unknown() : fact;
        if (isinf(fact.outside)) sure = sl_element_is_float(element);
        if (element == SL_ELEMENT_i1) fact.outside = fact.outside != 0, fact.inside = fact.inside != 0;
        else fact.inside_known &= fact.inside == floor(fact.inside) && fabs(fact.inside) < 128;
        return sure ? fact : unknown();
    }
    if (sl_op_has_trait(op, SL_TRAIT_ELEMENTWISE) && sl_op_operand_count(op) == 1) {
        sl_fact fact = ask(a, sl_op_operand(op, 0), index);
        if ((fact.kind != SL_FACT_CONST && fact.kind != SL_FACT_PICK && fact.kind != SL_FACT_MASK) || !unary(kind, fact.outside, &fact.outside)) return unknown();
        fact.inside_known &= unary(kind, fact.inside, &fact.inside);
        return fact;
    }
    if (sl_op_has_trait(op, SL_TRAIT_ELEMENTWISE) && sl_op_operand_count(op) == 2) return combine(op, ask(a, sl_op_operand(op, 0), index), ask(a, sl_op_operand(op, 1), index));
    if (kind == SL_OP_tensor_broadcast) {
        int lead = rank - sl_type_rank(type_of(op, 0));
        for (int d = lead; d < rank; d++) inner[d - lead] = is_one(type_of(op, 0), d - lead) ? (sl_index){SL_INDEX_FIXED, 0} : index[d];
        return ask(a, sl_op_operand(op, 0), inner);
    }
    if (kind == SL_OP_tensor_transpose) {
        const int64_t *perm = sl_op_ints(op, "perm", &count);
        for (int d = 0; d < rank; d++) inner[perm[d]] = index[d];
        return ask(a, sl_op_operand(op, 0), inner);
    }
    if (kind == SL_OP_tensor_reshape) return sl_op_operand_count(op) == 1 && through_reshape(op, index, inner) ? ask(a, sl_op_operand(op, 0), inner) : unknown();
    if (kind == SL_OP_tensor_slice) {
        const int64_t *steps = sl_op_ints(op, "steps", &count);
        for (int d = 0; d < rank; d++) {
            int64_t start;
            bool known = sl_expr_is_const(sl_op_expr_at(op, "starts", d), &start);
            inner[d] = index[d];
            if (is_one(result, d) || index[d].kind == SL_INDEX_FIXED) {
                if (!known) return unknown();
                inner[d] = (sl_index){SL_INDEX_FIXED, start + steps[d] * (index[d].kind == SL_INDEX_FIXED ? index[d].value : 0)};
            } else if (sl_recover_axis(op, 0, d) != d && index[d].kind != SL_INDEX_FREE) return unknown();
        }
        return ask(a, sl_op_operand(op, 0), inner);
    }
    if (kind == SL_OP_tensor_reduce) return ask_reduce(a, op, index);
    if (kind == SL_OP_tensor_contract) return ask_contract(a, op, index);
    if (kind == SL_OP_tensor_scatter_elements) return ask_scatter(a, op, index);
    if (kind == SL_OP_tensor_cumulate) {    /* a running sum of a one-hot: 0 before the pick (behind it, when reversed) */
        sl_fact fact = ask(a, sl_op_operand(op, 0), index);
        bool sum = !strcmp(sl_op_string(op, "kind", ""), "sum"), zero = (fact.kind == SL_FACT_PICK || fact.kind == SL_FACT_MASK) && fact.outside == 0;
        return sum && zero && index[sl_op_int(op, "axis", 0)].kind != SL_INDEX_ROW ? mask(0) : unknown();
    }
    if (kind == SL_OP_tensor_take) {
        double at;
        int axis = (int)sl_op_int(op, "axis", 0), indices = sl_type_rank(type_of(op, 1));
        int64_t dim = sl_type_static_dim(type_of(op, 0), axis);
        if (!sl_recover_splat(sl_op_operand(op, 1), &at)) return unknown();
        if (at < 0 && dim >= 0) at += (double)dim;
        for (int d = 0; d < sl_type_rank(type_of(op, 0)); d++) inner[d] = d == axis ? (sl_index){SL_INDEX_FIXED, (int64_t)at} : index[d < axis ? d : d + indices - 1];
        return ask(a, sl_op_operand(op, 0), inner);
    }
    return unknown();
}

static bool moves(const sl_op *op) {
    sl_op_kind kind = sl_op_get_kind(op);
    return kind == SL_OP_tensor_reshape || kind == SL_OP_tensor_broadcast || kind == SL_OP_tensor_transpose || kind == SL_OP_tensor_slice || kind == SL_OP_tensor_take;
}

static sl_fact ask(asking *a, sl_value *value, const sl_index *index) {
    sl_type type = sl_value_type(value);
    if (++a->steps > MAX_STEPS || a->depth > MAX_DEPTH || !sl_type_is_tensor(type) || !sl_type_is_ranked(type)) return unknown();
    value = bare_keys(value);
    a->depth++;
    sl_fact fact = sl_value_op(value) ? ask_op(a, value, index) : unknown();
    a->depth--;
    if (fact.kind == SL_FACT_MASK && !moves(sl_value_op(value))) {    /* numbers that are 0 for some rows may be compared with, too */
        sl_fact key = as_key(value, index);
        fact.keys = key.keys, fact.keys_row = key.keys_row, fact.keys_choice = key.keys_choice, fact.any_choice = false;
    }
    return fact.kind == SL_FACT_UNKNOWN ? as_key(value, index) : fact;
}

sl_fact sl_recover_fact(sl_pass_context *pass, sl_value *value, const sl_index *index) {
    asking a = {.pass = pass};
    return ask(&a, value, index);
}
