/* split_merge.c: what each row gets from the branches that it went to, as elementwise ops over all rows.
 *
 * For choice j of a row, in ascending order of branch: its packed result, or what a cheap branch gives. Merge `place` and `keep`: the last choice that went somewhere,
 * else 0 or the old row; `add`: 0 + first + second + ..., each with its weight rounded to the rows' type and multiplied before, as the evaluator does it. A choice that
 * went nowhere adds 0 to a sum that can't be -0, which changes nothing. */
#include "split_branches.h"

#include <string.h>

typedef struct choice { sl_value *position, *branch, *slot; } choice;    /* one i64 per row */

static sl_type row_type(const sl_splitter *s, const sl_plan *plan, sl_element element) { return sl_type_tensor(s->c, element, 1, &plan->rows); }

/* One value per row of a tensor shaped as the keys. */
static sl_value *column(const sl_splitter *s, sl_builder *b, const sl_plan *plan, sl_value *all, int64_t j) {
    if (sl_type_rank(sl_value_type(all)) == 1) return all;
    sl_value *part = sl_split_slice(s, b, all, 1, sl_expr_const(s->c, j), sl_expr_const(s->c, 1));
    return sl_split_build(b, SL_OP_tensor_reshape, 1, &part, row_type(s, plan, sl_type_element(sl_value_type(all))), 0, NULL);
}

sl_value *sl_split_splat(const sl_splitter *s, sl_builder *b, sl_type type, int64_t value) {
    sl_type scalar = sl_type_tensor(s->c, sl_type_element(type), 0, NULL);
    sl_value *one = sl_build_constant(b, sl_element_is_float(sl_type_element(type)) ? sl_attr_data_splat(s->c, scalar, (double)value)
                                                                                    : sl_attr_data_splat_int(s->c, scalar, value));
    return sl_split_build(b, SL_OP_tensor_broadcast, 1, &one, type, 0, NULL);
}

/* A value per row as one per element of `type`. */
static sl_value *spread(const sl_splitter *s, sl_builder *b, sl_value *rows, sl_type type) {
    sl_expr dims[SL_MAX_RANK];
    int rank = sl_type_rank(type);
    for (int d = 0; d < rank; d++) dims[d] = d ? sl_expr_const(s->c, 1) : sl_type_dim(type, 0);
    sl_element element = sl_type_element(sl_value_type(rows));
    sl_value *column = rank == 1 ? rows : sl_split_build(b, SL_OP_tensor_reshape, 1, &rows, sl_type_tensor(s->c, element, rank, dims), 0, NULL);
    return rank == 1 ? column : sl_split_build(b, SL_OP_tensor_broadcast, 1, &column, sl_type_with_element(s->c, type, element), 0, NULL);
}

sl_value *sl_split_select(const sl_splitter *s, sl_builder *b, sl_value *rows, const char *predicate, int64_t value, sl_value *yes, sl_value *no) {
    sl_value *hits = sl_build_compare(b, predicate, rows, sl_split_splat(s, b, sl_value_type(rows), value));
    return sl_build_select(b, spread(s, b, hits, sl_value_type(yes)), yes, no);
}

/* The weight of the row's choice in `slot`, in the element type of the rows. */
static sl_value *weight_of(const sl_splitter *s, sl_builder *b, const sl_plan *plan, sl_value *weights, sl_value *slot, sl_type type) {
    sl_type given = sl_value_type(weights);
    sl_element element = sl_type_element(given);
    sl_value *taken = weights;
    if (plan->choices > 1) {
        sl_expr dims[2] = {plan->rows, sl_expr_const(s->c, 1)};
        sl_value *index = sl_split_build(b, SL_OP_tensor_reshape, 1, &slot, sl_type_tensor(s->c, SL_ELEMENT_i64, 2, dims), 0, NULL), *operands[] = {weights, index};
        sl_named_attr axis = {"axis", sl_attr_int(s->c, 1)};
        taken = sl_split_build(b, SL_OP_tensor_gather_elements, 2, operands, sl_type_tensor(s->c, element, 2, dims), 1, &axis);
    }
    if (sl_value_type(taken) != row_type(s, plan, element)) taken = sl_split_build(b, SL_OP_tensor_reshape, 1, &taken, row_type(s, plan, element), 0, NULL);
    return spread(s, b, sl_build_cast(b, taken, sl_type_element(type)), type);
}

static sl_value *merge_result(const sl_splitter *s, sl_builder *b, const sl_split_merge *m, const choice *choices, int result) {
    const sl_plan *plan = m->plan;
    int rows = (int)sl_op_int(m->op, "rows", 0);
    const char *how = sl_op_string(m->op, "merge", "place");
    bool add = strcmp(how, "add") == 0, keep = strcmp(how, "keep") == 0, weighted = sl_op_bool(m->op, "weighted", false);
    sl_type type = sl_value_type(sl_op_result(m->op, result));
    sl_value *zeros = sl_split_splat(s, b, type, 0), *sum = keep ? sl_op_operand(m->op, 1 + rows + result) : zeros;
    for (int64_t j = 0; j < plan->choices; j++) {
        const choice *c = &choices[j];
        sl_value *value = zeros;
        if (m->packed[result]) {
            sl_value *at = sl_value_constant(c->position) ? c->position : sl_build_binary(b, SL_OP_arith_max, c->position, sl_split_splat(s, b, sl_value_type(c->position), 0));
            value = sl_split_take(s, b, m->packed[result], at);
            if (sl_value_type(value) != type) value = sl_split_build(b, SL_OP_tensor_reshape, 1, &value, type, 0, NULL);
        }
        for (int i = 0; i < m->cheap_count; i++) value = sl_split_select(s, b, c->branch, "eq", m->cheap[i].branch, m->cheap[i].values[result], value);
        if (add && weighted) value = sl_build_binary(b, SL_OP_arith_mul, value, weight_of(s, b, plan, sl_op_operand(m->op, 1 + rows), c->slot, type));
        sl_value *chosen = sl_split_select(s, b, c->branch, "ge", 0, value, add ? zeros : sum);
        sum = add ? sl_build_binary(b, SL_OP_arith_add, sum, chosen) : chosen;
    }
    return sum;
}

/* ---- many choices: the sum as one reduction over them, in the same order ---- */

/* Tensor of rows x choices as one value per element of `type` (rows x choices x rest). */
static sl_value *spread_choices(const sl_splitter *s, sl_builder *b, sl_value *all, sl_type type) {
    sl_expr dims[SL_MAX_RANK];
    int rank = sl_type_rank(type);
    for (int d = 0; d < rank; d++) dims[d] = d < 2 ? sl_type_dim(type, d) : sl_expr_const(s->c, 1);
    sl_element element = sl_type_element(sl_value_type(all));
    if (rank > 2) all = sl_split_build(b, SL_OP_tensor_reshape, 1, &all, sl_type_tensor(s->c, element, rank, dims), 0, NULL);
    sl_type whole = sl_type_with_element(s->c, type, element);
    return sl_value_type(all) == whole ? all : sl_split_build(b, SL_OP_tensor_broadcast, 1, &all, whole, 0, NULL);
}

static sl_value *merge_many(const sl_splitter *s, sl_builder *b, const sl_split_merge *m, int result) {
    const sl_plan *plan = m->plan;
    int rows = (int)sl_op_int(m->op, "rows", 0);
    sl_type type = sl_value_type(sl_op_result(m->op, result));
    sl_expr dims[SL_MAX_RANK], one_dims[SL_MAX_RANK];
    int rank = sl_type_rank(type) + 1;
    for (int d = 0; d < rank; d++) {
        dims[d] = d == 0 ? sl_type_dim(type, 0) : d == 1 ? sl_expr_const(s->c, plan->choices) : sl_type_dim(type, d - 1);
        one_dims[d] = d == 1 ? sl_expr_const(s->c, 1) : dims[d];
    }
    sl_type wide = sl_type_with_dims(s->c, type, rank, dims), one = sl_type_with_dims(s->c, type, rank, one_dims);
    sl_value *position = plan->values[SL_PLAN_POSITION], *branch = plan->values[SL_PLAN_BRANCH], *zeros = sl_split_splat(s, b, wide, 0), *value = zeros;
    if (m->packed[result]) {
        sl_value *operands[] = {m->packed[result], sl_build_binary(b, SL_OP_arith_max, position, sl_split_splat(s, b, sl_value_type(position), 0))};
        sl_named_attr axis = {"axis", sl_attr_int(s->c, 0)};
        value = sl_split_build(b, SL_OP_tensor_take, 2, operands, wide, 1, &axis);
    }
    for (int i = 0; i < m->cheap_count; i++) {
        sl_value *hits = sl_build_compare(b, "eq", branch, sl_split_splat(s, b, sl_value_type(branch), m->cheap[i].branch));
        sl_value *given = sl_split_build(b, SL_OP_tensor_reshape, 1, &m->cheap[i].values[result], one, 0, NULL);
        value = sl_build_select(b, spread_choices(s, b, hits, wide), sl_split_build(b, SL_OP_tensor_broadcast, 1, &given, wide, 0, NULL), value);
    }
    if (sl_op_bool(m->op, "weighted", false)) {
        sl_value *weights = sl_op_operand(m->op, 1 + rows), *operands[] = {weights, plan->values[SL_PLAN_SLOT]};
        sl_named_attr axis = {"axis", sl_attr_int(s->c, 1)};
        sl_value *taken = sl_split_build(b, SL_OP_tensor_gather_elements, 2, operands, sl_value_type(weights), 1, &axis);
        value = sl_build_binary(b, SL_OP_arith_mul, value, spread_choices(s, b, sl_build_cast(b, taken, sl_type_element(type)), wide));
    }
    sl_value *some = sl_build_compare(b, "ge", branch, sl_split_splat(s, b, sl_value_type(branch), 0));
    value = sl_build_select(b, spread_choices(s, b, some, wide), value, zeros);
    int64_t second = 1;
    sl_named_attr attrs[] = {{"axes", sl_attr_ints(s->c, 1, &second)}, {"kind", sl_attr_string(s->c, "sum")}};
    return sl_split_build(b, SL_OP_tensor_reduce, 1, &value, type, 2, attrs);
}

/* A reduction rounds to f32 between narrower floats and may keep several sums of a vector per row: only where that makes no difference. */
static bool can_reduce(const sl_split_merge *m, int result) {
    sl_type type = sl_value_type(sl_op_result(m->op, result));
    bool wide_rows = sl_type_rank(type) > 1 && !sl_expr_equals_const(sl_type_dim(type, sl_type_rank(type) - 1), 1);
    return m->plan->choices > SL_SPLIT_MAX_UNROLLED && strcmp(sl_op_string(m->op, "merge", ""), "add") == 0 && wide_rows && sl_type_rank(type) < SL_MAX_RANK &&
           (!sl_element_is_float(sl_type_element(type)) || sl_element_bits(sl_type_element(type)) >= 32);
}

void sl_split_merge_results(sl_splitter *s, const sl_split_merge *m) {
    sl_builder b = sl_builder_before(m->op);
    const sl_plan *plan = m->plan;
    int count = sl_op_result_count(m->op);
    sl_value **merged = SL_NEW_ARRAY(s->pass->scratch, sl_value *, (size_t)count + 1);
    choice *choices = SL_NEW_ARRAY(s->pass->scratch, choice, (size_t)plan->choices);
    for (int64_t j = 0; j < plan->choices; j++) {
        choices[j].position = column(s, &b, plan, plan->values[SL_PLAN_POSITION], j);
        choices[j].branch = column(s, &b, plan, plan->values[SL_PLAN_BRANCH], j);
        choices[j].slot = column(s, &b, plan, plan->values[SL_PLAN_SLOT], j);
    }
    for (int i = 0; i < count; i++) merged[i] = can_reduce(m, i) ? merge_many(s, &b, m, i) : merge_result(s, &b, m, choices, i);
    sl_op_replace(m->op, merged);
}
