/* recover_build.c: small builders, and the keys and weights of a recovered routing.
 *
 * Keys come from the picks themselves where every gate follows the same ones (TopK's or ArgMax' positions). Otherwise each branch gets a column: its number where its gate is not 0, else -1. The
 * latter is right for any gate: what is multiplied by 0 is left out. */
#include "recover.h"
#include "shape_map.h"

#include <string.h>

sl_value *sl_recover_op(sl_builder *b, sl_op_kind kind, int count, sl_value *const *operands, sl_type type, int attr_count, const sl_named_attr *attrs) {
    return sl_op_result(sl_build(b, kind, count, operands, 1, &type, attr_count, attrs), 0);
}

sl_value *sl_recover_reshape(sl_builder *b, sl_value *value, sl_type type) {
    return sl_value_type(value) == type ? value : sl_recover_op(b, SL_OP_tensor_reshape, 1, &value, type, 0, NULL);
}

sl_value *sl_recover_splat_like(sl_builder *b, sl_type type, double value) {
    sl_context *context = sl_module_context(b->module);
    sl_type scalar = sl_type_tensor(context, sl_type_element(type), 0, NULL);
    sl_value *one = sl_element_is_float(sl_type_element(type)) ? sl_build_constant_float(b, scalar, value) : sl_build_constant_int(b, scalar, (int64_t)value);
    return sl_type_rank(type) ? sl_recover_op(b, SL_OP_tensor_broadcast, 1, &one, type, 0, NULL) : one;
}

sl_value *sl_recover_lead(sl_builder *b, sl_value *value, int axis) {
    sl_type type = sl_value_type(value);
    sl_context *context = sl_module_context(b->module);
    int rank = sl_type_rank(type);
    if (axis == 0) return value;
    int64_t perm[SL_MAX_RANK];
    sl_expr dims[SL_MAX_RANK];
    for (int d = 0; d < rank; d++) {
        perm[d] = d == 0 ? axis : d <= axis ? d - 1 : d;
        dims[d] = sl_type_dim(type, (int)perm[d]);
    }
    sl_named_attr attr = {"perm", sl_attr_ints(context, rank, perm)};
    return sl_recover_op(b, SL_OP_tensor_transpose, 1, &value, sl_type_with_dims(context, type, rank, dims), 1, &attr);
}

sl_value *sl_recover_slice(sl_builder *b, sl_value *value, int axis, int64_t at) {
    sl_type type = sl_value_type(value);
    sl_context *context = sl_module_context(b->module);
    int rank = sl_type_rank(type);
    sl_expr dims[SL_MAX_RANK], kept[SL_MAX_RANK], starts[SL_MAX_RANK];
    int64_t steps[SL_MAX_RANK];
    for (int d = 0, k = 0; d < rank; d++) {
        dims[d] = d == axis ? sl_expr_const(context, 1) : sl_type_dim(type, d);
        if (d != axis) kept[k++] = dims[d];
        starts[d] = sl_expr_const(context, d == axis ? at : 0);
        steps[d] = 1;
    }
    sl_named_attr attrs[] = {{"starts", sl_attr_exprs(context, rank, starts)}, {"steps", sl_attr_ints(context, rank, steps)}};
    sl_value *slice = sl_recover_op(b, SL_OP_tensor_slice, 1, &value, sl_type_with_dims(context, type, rank, dims), 2, attrs);
    return sl_recover_reshape(b, slice, sl_type_with_dims(context, type, rank - 1, kept));
}

sl_value *sl_recover_column(sl_builder *b, sl_value *value, sl_expr rows) {
    return sl_recover_reshape(b, value, sl_type_with_dims(sl_module_context(b->module), sl_value_type(value), 1, &rows));
}

void sl_recover_sweep(sl_pass_context *pass, sl_op *op) {
    SL_VEC(sl_value *) work = {0};
    sl_arena *scratch = pass->scratch;
    for (int i = 0; i < sl_op_operand_count(op); i++) SL_PUSH(scratch, &work, sl_op_operand(op, i));
    sl_op_erase(op);
    while (work.count) {
        sl_value *value = work.data[--work.count];
        sl_op *made = NULL;
        bool again = false;    /* the value may be listed twice, and its op be gone */
        for (size_t i = 0; i < work.count; i++) again |= work.data[i] == value;
        if (again) continue;
        made = sl_value_op(value);
        if (!made || !sl_op_has_trait(made, SL_TRAIT_PURE) || sl_op_region_count(made) || sl_op_may_bind(made)) continue;    /* simplify knows whether a size is still needed */
        bool used = false;
        for (int i = 0; i < sl_op_result_count(made); i++) {
            used |= sl_value_has_uses(sl_op_result(made, i));
            for (size_t k = 0; k < work.count; k++) used |= work.data[k] == sl_op_result(made, i);
        }
        if (used) continue;
        for (int i = 0; i < sl_op_operand_count(made); i++) SL_PUSH(scratch, &work, sl_op_operand(made, i));
        sl_op_erase(made);
    }
}

void sl_recover_replace(sl_pass_context *pass, sl_op *op, sl_value *value) {
    sl_value_replace_all_uses(sl_op_result(op, 0), value);
    sl_recover_sweep(pass, op);
    pass->changes++;
}

/* ---- profiles ---- */

double sl_recover_rate(const sl_pass_context *pass, const sl_op *op, int64_t branch) {
    if (!pass->profile) return -1;
    sl_text place;
    sl_text_init(&place, pass->scratch);
    sl_loc_describe(&place, sl_op_loc(op));
    for (int i = 0; i < pass->profile->count; i++) {
        const sl_profile_branch *seen = &pass->profile->branches[i];
        if (seen->branch == branch && seen->dense_rows > 0 && strcmp(seen->node, place.length ? place.data : "") == 0) return (double)seen->rows / (double)seen->dense_rows;
    }
    return -1;
}

/* ---- keys ---- */

static sl_value *compare_to(sl_builder *b, const char *predicate, sl_value *value, double with) {
    return sl_build_compare(b, predicate, value, sl_recover_splat_like(b, sl_value_type(value), with));
}

/* rows x choices, i64 (rows x 1 for one choice). */
static sl_value *picked_keys(sl_builder *b, const sl_fact *fact, sl_expr rows) {
    sl_value *keys = sl_recover_lead(b, sl_build_cast(b, fact->keys, SL_ELEMENT_i64), fact->keys_row);
    sl_context *context = sl_module_context(b->module);
    sl_expr dims[2] = {rows, fact->keys_choice >= 0 ? sl_type_dim(sl_value_type(fact->keys), fact->keys_choice) : sl_expr_const(context, 1)};
    return sl_recover_reshape(b, keys, sl_type_tensor(context, SL_ELEMENT_i64, 2, dims));
}

/* Whether all gates follow one set of picks, each its own expert. `table[expert]`: branch or -1. */
static bool follow_picks(sl_pass_context *pass, int branches, const sl_gate *gates, int64_t **table, int64_t *experts, bool *identity) {
    const sl_fact *first = &gates[0].fact;
    if (first->kind != SL_FACT_PICK || first->outside != 0 || !sl_type_is_ranked(sl_value_type(first->keys))) return false;
    if (first->keys_choice >= 0 && sl_type_static_dim(sl_value_type(first->keys), first->keys_choice) < 1) return false;
    int64_t limit = sl_recover_key_limit(first->keys), most = 0;
    for (int i = 0; i < branches; i++) {
        const sl_fact *fact = &gates[i].fact;
        if (fact->kind != SL_FACT_PICK || fact->outside != 0 || fact->keys != first->keys || fact->keys_choice != first->keys_choice || fact->any_choice != first->any_choice || fact->expert < 0) return false;
        if (fact->expert >= most) most = fact->expert + 1;
    }
    if (limit > most) most = limit;
    if (most > 65536) return false;
    *experts = limit >= 0 ? most : -1;
    *table = SL_NEW_ARRAY(pass->scratch, int64_t, (size_t)most + 1);
    for (int64_t e = 0; e < most; e++) (*table)[e] = -1;
    *identity = branches == most;
    for (int i = 0; i < branches; i++) {
        if ((*table)[gates[i].fact.expert] >= 0) return false;
        (*table)[gates[i].fact.expert] = i;
        *identity &= gates[i].fact.expert == i;
    }
    return true;
}

static sl_value *concat_columns(sl_builder *b, int count, sl_value **columns, sl_type column) {
    sl_context *context = sl_module_context(b->module);
    int64_t width = sl_type_static_dim(column, 1);
    sl_expr dims[2] = {sl_type_dim(column, 0), sl_expr_const(context, width * count)};
    sl_named_attr axis = {"axis", sl_attr_int(context, 1)};
    return count == 1 ? columns[0] : sl_recover_op(b, SL_OP_tensor_concat, count, columns, sl_type_with_dims(context, column, 2, dims), 1, &axis);
}

/* Weights of all branches side by side, each as `shape` (rows x choices). NULL when none has any. */
static sl_value *all_weights(sl_pass_context *pass, sl_builder *b, int branches, const sl_gate *gates, sl_expr rows, int64_t choices) {
    sl_context *context = sl_module_context(b->module);
    sl_element element = SL_ELEMENT_COUNT;
    for (int i = 0; i < branches; i++)
        if (gates[i].weight) element = sl_type_element(sl_value_type(gates[i].weight));
    if (element == SL_ELEMENT_COUNT) return NULL;
    sl_expr dims[2] = {rows, sl_expr_const(context, choices)};
    sl_type column = sl_type_tensor(context, element, 2, dims);
    sl_value **columns = SL_NEW_ARRAY(pass->scratch, sl_value *, (size_t)branches);
    for (int i = 0; i < branches; i++) columns[i] = gates[i].weight ? sl_recover_reshape(b, sl_build_cast(b, gates[i].weight, element), column) : sl_recover_splat_like(b, column, 1);
    return concat_columns(b, branches, columns, column);
}

static void route_by_picks(sl_pass_context *pass, sl_builder *b, int branches, const sl_gate *gates, sl_expr rows, const int64_t *table, int64_t experts, bool identity, bool per_choice, sl_routing *routing) {
    sl_context *context = sl_module_context(b->module);
    sl_value *keys = picked_keys(b, &gates[0].fact, rows);
    sl_type type = sl_value_type(keys);
    int64_t most = 0;
    for (int i = 0; i < branches; i++)
        if (gates[i].fact.expert >= most) most = gates[i].fact.expert + 1;
    if (experts < 0) {    /* what is no expert goes nowhere */
        sl_value *low = compare_to(b, "ge", keys, 0), *high = compare_to(b, "lt", keys, (double)most);
        keys = sl_build_select(b, sl_build_binary(b, SL_OP_arith_and, low, high), keys, sl_recover_splat_like(b, type, -1));
    }
    if (!identity && !(experts < 0 && branches == most)) {
        int64_t size = experts < 0 ? most : experts;
        sl_expr dim = sl_expr_const(context, size);
        sl_type table_type = sl_type_tensor(context, SL_ELEMENT_i64, 1, &dim);
        sl_value *lookup = sl_build_constant(b, sl_attr_data_copy(context, table_type, table, size * 8)), *at = keys;
        if (experts < 0) at = sl_build_binary(b, SL_OP_arith_max, keys, sl_recover_splat_like(b, type, 0));
        sl_value *operands[] = {lookup, at};
        sl_named_attr axis = {"axis", sl_attr_int(context, 0)};
        sl_value *found = sl_recover_op(b, SL_OP_tensor_take, 2, operands, type, 1, &axis);
        keys = experts < 0 ? sl_build_select(b, compare_to(b, "ge", keys, 0), found, keys) : found;
    }
    routing->keys = keys;
    routing->choices = sl_type_static_dim(type, 1);
    routing->weights = NULL;
    if (per_choice) {    /* one weight for a row's choice, whichever branch it is */
        if (gates[0].weight) routing->weights = sl_recover_reshape(b, gates[0].weight, sl_type_with_element(context, type, sl_type_element(sl_value_type(gates[0].weight))));
        return;
    }
    sl_value *weights = all_weights(pass, b, branches, gates, rows, 1);
    if (!weights) return;
    sl_value *operands[] = {weights, keys};
    if (experts < 0 || !identity) operands[1] = sl_build_binary(b, SL_OP_arith_max, keys, sl_recover_splat_like(b, type, 0));    /* -1 goes nowhere, whatever its weight */
    sl_named_attr axis = {"axis", sl_attr_int(context, 1)};
    routing->weights = sl_recover_op(b, SL_OP_tensor_gather_elements, 2, operands, sl_type_with_element(context, type, sl_type_element(sl_value_type(weights))), 1, &axis);
}

bool sl_recover_route(sl_pass_context *pass, sl_builder *b, int branches, const sl_gate *gates, sl_expr rows, sl_routing *routing, const char **how) {
    sl_context *context = sl_module_context(b->module);
    sl_arena *scratch = pass->scratch;
    int64_t *table = NULL, experts = -1, choices = 1;
    bool identity = false, per_choice = true, same_weight = true;
    sl_type mask = sl_value_type(gates[0].mask);
    if (sl_type_rank(mask) == 2) choices = sl_type_static_dim(mask, 1);
    for (int i = 0; i < branches; i++) {
        per_choice &= sl_type_rank(sl_value_type(gates[i].mask)) == 2;
        same_weight &= gates[i].weight == gates[0].weight;
        if (sl_value_type(gates[i].mask) != mask && sl_type_rank(sl_value_type(gates[i].mask)) != sl_type_rank(mask)) return false;
    }
    if (choices < 1) return false;
    bool picks = follow_picks(pass, branches, gates, &table, &experts, &identity);
    if (picks && per_choice) picks = same_weight && !gates[0].fact.any_choice;
    if (picks && !per_choice) picks = (gates[0].fact.any_choice || gates[0].fact.keys_choice < 0) && sl_recover_keys_differ(&gates[0].fact);
    if (picks) {
        route_by_picks(pass, b, branches, gates, rows, table, experts, identity, per_choice, routing);
        sl_text place;
        sl_text_init(&place, scratch);
        if (sl_value_op(gates[0].fact.keys)) sl_loc_describe(&place, sl_op_loc(sl_value_op(gates[0].fact.keys)));
        *how = sl_arena_printf(scratch, "%lld of %d a row%s%s", (long long)routing->choices, branches, place.length ? ", picked by " : "", place.length ? place.data : "");
        return true;
    }
    if (choices * branches > SL_RECOVER_MAX_BRANCHES * 4) return false;
    sl_expr dims[2] = {rows, sl_expr_const(context, choices)};
    sl_value **columns = SL_NEW_ARRAY(scratch, sl_value *, (size_t)branches);
    sl_type column = sl_type_tensor(context, SL_ELEMENT_i64, 2, dims);
    for (int i = 0; i < branches; i++) {
        sl_value *shaped = sl_recover_reshape(b, gates[i].mask, sl_type_with_element(context, column, sl_type_element(sl_value_type(gates[i].mask))));
        sl_value *hit = sl_type_element(sl_value_type(shaped)) == SL_ELEMENT_i1 ? shaped : compare_to(b, "ne", shaped, 0);
        columns[i] = sl_build_select(b, hit, sl_recover_splat_like(b, column, i), sl_recover_splat_like(b, column, -1));
    }
    routing->keys = concat_columns(b, branches, columns, column);
    routing->choices = choices * branches;
    routing->weights = all_weights(pass, b, branches, gates, rows, choices);
    *how = sl_arena_printf(scratch, "those of %d whose gate is not 0", branches);
    return true;
}
