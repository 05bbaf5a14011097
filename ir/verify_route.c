/* verify_route.c: verify hooks of what split-branches makes: route.sort and route.dispatch. */
#include "op_hooks.h"

static bool is_i64_tensor(sl_type type, int rank) {
    return sl_type_is_tensor(type) && sl_type_element(type) == SL_ELEMENT_i64 && sl_type_is_ranked(type) && sl_type_rank(type) == rank;
}

bool sl_verify_route_sort(const sl_op *op) {
    sl_type keys = sl_value_type(sl_op_operand(op, 0));
    if (!sl_type_is_tensor(keys) || !sl_element_is_integer(sl_type_element(keys)) || !sl_type_is_ranked(keys) || sl_type_rank(keys) < 1 || sl_type_rank(keys) > 2) {
        sl_op_report(op, SL_SEVERITY_ERROR, "route.sort: keys must be an integer tensor of rank 1 or 2, not %s", sl_type_text(sl_op_context(op), keys));
        return false;
    }
    bool ok = true;
    for (int i = 0; i < 5; i++) {
        sl_type type = sl_value_type(sl_op_result(op, i));
        bool fits = is_i64_tensor(type, i < 2 ? 1 : sl_type_rank(keys));
        if (fits && i == 0) fits = !sl_dims_conflict(sl_type_dim(type, 0), sl_expr_const(sl_op_context(op), sl_op_int(op, "branches", 0) + 1));
        for (int d = 0; fits && i >= 2 && d < sl_type_rank(keys); d++) fits = !sl_dims_conflict(sl_type_dim(type, d), sl_type_dim(keys, d));
        if (fits) continue;
        sl_op_report(op, SL_SEVERITY_ERROR, "route.sort: result %d can't be %s", i, sl_type_text(sl_op_context(op), type));
        ok = false;
    }
    return ok;
}

static bool are_symbols(const sl_op *op, const char *name, int count) {
    if (!sl_verify_array(op, name, count, SL_ATTR_EXPR)) return false;
    for (int i = 0; i < count; i++) {
        if (sl_expr_get_kind(sl_op_expr_at(op, name, i)) == SL_EXPR_SYMBOL) continue;
        sl_op_report(op, SL_SEVERITY_ERROR, "route.dispatch: `%s` must be symbols", name);
        return false;
    }
    return true;
}

static bool is_ints(sl_attr attr, int count) { return attr && sl_attr_get_kind(attr) == SL_ATTR_INTS && (count < 0 || sl_attr_count(attr) == count); }

/* members: ascending branches, the first of which is branches[g]; picks: [symbol, a number not below 0 for each member]. */
static bool verify_members(const sl_op *op, int regions) {
    int count;
    const int64_t *branches = sl_op_ints(op, "branches", &count);
    sl_attr members = sl_op_attr(op, "members"), picks = sl_op_attr(op, "picks");
    if (!members && !picks) return true;
    if (!sl_verify_array(op, "members", regions, SL_ATTR_INTS) || !sl_verify_array(op, "picks", regions, SL_ATTR_ARRAY)) return false;
    for (int g = 0; g < regions; g++) {
        sl_attr list = sl_attr_item(members, g), pairs = sl_attr_item(picks, g);
        bool fits = sl_attr_count(list) > 0 && sl_attr_get_ints(list)[0] == branches[g];
        for (int m = 1; fits && m < sl_attr_count(list); m++) fits = sl_attr_get_ints(list)[m] > sl_attr_get_ints(list)[m - 1];
        for (int i = 0; fits && i < sl_attr_count(pairs); i++) {
            sl_attr pair = sl_attr_item(pairs, i);
            fits = sl_attr_get_kind(pair) == SL_ATTR_ARRAY && sl_attr_count(pair) == 2 && sl_attr_get_kind(sl_attr_item(pair, 0)) == SL_ATTR_EXPR &&
                   sl_expr_get_kind(sl_attr_get_expr(sl_attr_item(pair, 0))) == SL_EXPR_SYMBOL && is_ints(sl_attr_item(pair, 1), sl_attr_count(list));
            for (int m = 0; fits && m < sl_attr_count(list); m++) fits = sl_attr_get_ints(sl_attr_item(pair, 1))[m] >= 0;
        }
        if (fits) continue;
        sl_op_report(op, SL_SEVERITY_ERROR, "route.dispatch: `members` of region %d must be ascending branches that begin with branches[%d], `picks` pairs of a symbol and a number for each of them", g, g);
        return false;
    }
    return true;
}

bool sl_verify_dispatch(const sl_op *op) {
    int regions = sl_op_region_count(op), results = sl_op_result_count(op);
    sl_type starts = sl_value_type(sl_op_operand(op, 0));
    if (!is_i64_tensor(starts, 1)) {
        sl_op_report(op, SL_SEVERITY_ERROR, "route.dispatch: operand 0 must be the starts of a route.sort, not %s", sl_type_text(sl_op_context(op), starts));
        return false;
    }
    if (!sl_verify_ints(op, "branches", regions, 0) || !are_symbols(op, "counts", regions) || !are_symbols(op, "begins", regions) || !verify_members(op, regions)) return false;
    bool ok = true;
    for (int g = 0; g < regions; g++) {
        const sl_op *yield = sl_verify_terminator(op, g, SL_OP_route_yield, SL_OP_route_yield);
        if (!yield) {
            ok = false;
            continue;
        }
        bool fits = sl_block_argument_count(sl_op_body(op, g)) == 0 && sl_op_operand_count(yield) == results;
        for (int i = 0; fits && i < results; i++) {
            sl_type packed = sl_value_type(sl_op_operand(yield, i)), whole = sl_value_type(sl_op_result(op, i));
            fits = sl_type_is_tensor(packed) && sl_type_is_tensor(whole) && sl_type_element(packed) == sl_type_element(whole) && sl_type_is_ranked(packed) &&
                   sl_type_is_ranked(whole) && sl_type_rank(packed) == sl_type_rank(whole) && sl_type_rank(whole) > 0;
            for (int d = 1; fits && d < sl_type_rank(whole); d++) fits = !sl_dims_conflict(sl_type_dim(packed, d), sl_type_dim(whole, d));
        }
        if (fits) continue;
        sl_op_report(op, SL_SEVERITY_ERROR, "route.dispatch: region %d must take nothing and yield rows for each of the %d results", g, results);
        ok = false;
    }
    return ok;
}
