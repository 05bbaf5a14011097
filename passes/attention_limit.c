/* attention_limit.c: how many keys a query of an attention (attention.h) can reach, when the mask is known while compiling.
 *
 * The nest on the scores is evaluated at single points as far as it does not depend on the score: constants read at (query, key), index arithmetic, choices. Where that gives
 * -inf whatever the score, the key has no share. Where the tables among its operands repeat one value (the zeros of an additive mask before its diagonal), they need not be read. A score that is infinite or no number is then masked, too, where an added -inf would have made no number of it. */
#include "attention.h"
#include "nest_build.h"

#include <math.h>
#include <string.h>

typedef struct reach {
    const sl_attention *a;
    int query, key;                                /* loops of the nest on the scores */
    struct { sl_attr data; int64_t base, query, key; } tables[8];     /* of its operands; data NULL: not known */
} reach;

/* What `value` of the nest's body is at a point, when that does not depend on the scores or anything known only at run time. */
static bool value_at(const reach *r, const sl_value *value, int64_t query, int64_t key, double *result) {
    const sl_op *op = sl_value_op(value);
    double a, b;
    if (!op) {
        int operand = sl_value_index(value);
        if (operand >= 8 || !r->tables[operand].data) return false;
        sl_attr data = r->tables[operand].data;
        int64_t at = r->tables[operand].base + r->tables[operand].query * query + r->tables[operand].key * key;
        *result = sl_element_is_float(sl_type_element(sl_value_type(value))) ? sl_attr_data_float(data, at) : (double)sl_attr_data_int(data, at);
        return true;
    }
    switch ((int)sl_op_get_kind(op)) {
    case SL_OP_core_constant: {
        sl_attr data = sl_op_attr(op, "value");
        *result = sl_element_is_float(sl_type_element(sl_value_type(value))) ? sl_attr_data_float(data, 0) : (double)sl_attr_data_int(data, 0);
        return true;
    }
    case SL_OP_nest_index: {
        int64_t loop = sl_op_int(op, "loop", -1);
        *result = (double)(loop == r->query ? query : key);
        return loop == r->query || loop == r->key;
    }
    case SL_OP_arith_cast: {
        sl_element from = sl_type_element(sl_value_type(sl_op_operand(op, 0))), to = sl_type_element(sl_value_type(value));
        bool exact = sl_element_is_float(to) == sl_element_is_float(from) ? sl_element_bits(to) >= sl_element_bits(from) : sl_element_bits(from) == 1;
        return exact && value_at(r, sl_op_operand(op, 0), query, key, result);
    }
    case SL_OP_arith_select:
        return value_at(r, sl_op_operand(op, 0), query, key, &a) && value_at(r, sl_op_operand(op, a != 0 ? 1 : 2), query, key, result);
    case SL_OP_arith_add: case SL_OP_arith_sub: case SL_OP_arith_cmp: {
        bool left = value_at(r, sl_op_operand(op, 0), query, key, &a), right = value_at(r, sl_op_operand(op, 1), query, key, &b);
        if (sl_op_get_kind(op) == SL_OP_arith_add && ((left && a == -INFINITY) || (right && b == -INFINITY))) return *result = -INFINITY, true;
        if (!left || !right) return false;
        if (sl_op_get_kind(op) != SL_OP_arith_cmp && sl_element_is_float(sl_type_element(sl_value_type(value)))) return false;     /* rounding */
        if (sl_op_get_kind(op) == SL_OP_arith_add) return *result = a + b, true;
        if (sl_op_get_kind(op) == SL_OP_arith_sub) return *result = a - b, true;
        const char *word = sl_op_string(op, "predicate", "");
        bool less = word[0] == 'l' ? a < b : word[0] == 'g' ? a > b : false, equal = a == b;
        if (word[0] == 'e') *result = equal;
        else if (word[0] == 'n') *result = !equal;
        else *result = less || (word[1] == 'e' && equal);
        return true;
    }
    }
    return false;
}

static bool begin(sl_context *context, const sl_attention *a, reach *r) {
    const sl_op *nest = a->finish;
    int64_t value;
    if (!nest || sl_op_operand_count(nest) > 8) return false;
    *r = (reach){.a = a, .query = -1, .key = -1};
    sl_attr scores = sl_nest_result_map(a->scores, 0), made = sl_nest_result_map(nest, 0);
    for (int t = 0, n = sl_attr_count(made); t < n; t++) {
        int loop = sl_expr_plain_loop(sl_attr_map_result(scores, t));
        if (loop == a->query_loop) r->query = sl_expr_plain_loop(sl_attr_map_result(made, t));
        if (loop == a->key_loop) r->key = sl_expr_plain_loop(sl_attr_map_result(made, t));
    }
    if (r->query < 0 || r->key < 0) return false;
    for (int i = 0; i < sl_op_operand_count(nest); i++) {
        sl_expr strides[SL_NEST_MAX_LOOPS], base;
        sl_type type = sl_value_type(sl_op_operand(nest, i));
        sl_attr data = sl_value_constant(sl_op_operand(nest, i));
        if (!data || sl_nest_outside(nest, i) || sl_element_bits(sl_type_element(type)) > 64 || !sl_map_strides(context, sl_nest_map(nest, i), type, strides, &base)) continue;
        bool known = sl_expr_is_const(base, &r->tables[i].base);
        for (int l = 0; l < sl_nest_loop_count(nest); l++) {
            known = known && sl_expr_is_const(strides[l], &value);
            if (!known) break;
            if (l == r->query) r->tables[i].query = value;
            else if (l == r->key) r->tables[i].key = value;
            else known = value == 0;
        }
        if (known) r->tables[i].data = data;
    }
    return true;
}

bool sl_attention_limits(sl_context *context, const sl_attention *a, int64_t block, int64_t *limits) {
    reach r;
    int64_t queries = sl_expr_const_or(sl_nest_bound(a->scores, a->query_loop), -1), keys = sl_expr_const_or(sl_nest_bound(a->scores, a->key_loop), -1), saved = 0;
    if (queries < 1 || keys < 1 || !begin(context, a, &r)) return false;
    sl_value *end = sl_nest_yielded(a->finish, 0);
    for (int64_t b = 0; b * block < queries; b++) {
        int64_t limit = 0;
        for (int64_t q = b * block; q < queries && q < (b + 1) * block && limit < keys; q++) {
            double value;
            int64_t last = keys;
            while (last > limit && value_at(&r, end, q, last - 1, &value) && value == -INFINITY) last--;
            if (last == 0) last = keys;             /* a row without any key: left to the arithmetic */
            if (last > limit) limit = last;
        }
        limits[b] = limit;
        saved += keys - limit;
    }
    return saved > 0;
}

bool sl_attention_clear(sl_context *context, const sl_attention *a, int64_t block, int64_t multiple, int64_t *clear, sl_attr *values) {
    reach r;
    int64_t queries = sl_expr_const_or(sl_nest_bound(a->scores, a->query_loop), -1), keys = sl_expr_const_or(sl_nest_bound(a->scores, a->key_loop), -1), found = 0;
    int tables = 0;
    if (queries < 1 || keys < 1 || !begin(context, a, &r)) return false;
    for (int64_t b = 0; b * block < queries; b++) clear[b] = keys;
    for (int i = 0; i < sl_op_operand_count(a->finish); i++) {
        sl_attr data = r.tables[i].data;
        values[i] = NULL;
        if (!data || (r.tables[i].query == 0 && r.tables[i].key == 0) || sl_attr_data_is_splat(data)) continue;
        sl_element element = sl_type_element(sl_attr_get_type(data));
        int64_t size = sl_element_bytes(element, 1), base = r.tables[i].base;
        const char *bytes = sl_attr_data_bytes(data);
        if (sl_element_bytes(element, 2) != 2 * size) continue;
        for (int64_t q = 0; q < queries; q++) {
            int64_t *limit = &clear[q / block], key = 0;
            while (key < *limit && memcmp(bytes + (base + q * r.tables[i].query + key * r.tables[i].key) * size, bytes + base * size, (size_t)size) == 0) key++;
            *limit = key;
        }
        values[i] = sl_element_is_float(element) ? sl_scalar_float(context, element, sl_attr_data_float(data, base)) : sl_scalar_int(context, element, sl_attr_data_int(data, base));
        tables++;
    }
    for (int64_t b = 0; b * block < queries; b++) found += clear[b] = clear[b] / multiple * multiple;
    return tables > 0 && found > 0;
}
