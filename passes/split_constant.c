/* split_constant.c: keys that are known when compiling: the sort is done here, and bodies with rows become straight-line code. */
#include "split_branches.h"

#include <string.h>

static sl_value *constant(sl_splitter *s, sl_builder *b, sl_type type, const int64_t *values) {
    (void)s;
    return sl_build_constant(b, sl_attr_data_copy(sl_module_context(b->module), type, values, (int64_t)sizeof(int64_t) * sl_type_static_count(type)));
}

bool sl_split_sort_constant(sl_splitter *s, sl_plan *plan, const sl_type *types) {
    sl_attr keys = sl_value_constant(sl_op_operand(plan->partition, 0));
    int64_t rows = sl_type_static_dim(sl_attr_get_type(keys), 0), choices = plan->choices, count = rows * choices;
    sl_arena *scratch = s->pass->scratch;
    int64_t *starts = SL_NEW_ARRAY(scratch, int64_t, (size_t)(plan->branches + 1 + count) + 1), *row = starts + plan->branches + 1;
    int64_t *next = SL_NEW_ARRAY(scratch, int64_t, (size_t)(plan->branches + rows) + 1), *filled = next + plan->branches;
    int64_t *data[3];
    for (int i = 0; i < 3; i++) data[i] = SL_NEW_ARRAY(scratch, int64_t, (size_t)count + 1);
    for (int64_t i = 0; i < count; i++) {
        int64_t key = sl_attr_data_int(keys, i);
        if (key >= plan->branches) {
            sl_op_report(plan->partition, SL_SEVERITY_ERROR, "row %lld goes to branch %lld, but there are %d", (long long)(i / choices), (long long)key, plan->branches);
            return false;
        }
        if (key >= 0) starts[key + 1]++;
    }
    for (int b = 0; b < plan->branches; b++) starts[b + 1] += starts[b];
    memcpy(next, starts, sizeof(int64_t) * (size_t)plan->branches);
    int64_t *slot = SL_NEW_ARRAY(scratch, int64_t, (size_t)count + 1);
    for (int64_t i = 0; i < count; i++) {
        int64_t key = sl_attr_data_int(keys, i);
        if (key < 0) continue;
        row[next[key]] = i / choices;
        slot[next[key]++] = i % choices;
    }
    for (int b = 0; b < plan->branches; b++)
        for (int64_t at = starts[b]; at < starts[b + 1]; at++) {
            int64_t to = row[at] * choices + filled[row[at]]++;
            data[0][to] = at, data[1][to] = b, data[2][to] = slot[at];
        }
    for (int64_t i = 0; i < count; i++) {
        if (sl_attr_data_int(keys, i) >= 0) continue;
        int64_t to = i / choices * choices + filled[i / choices]++;
        data[0][to] = data[1][to] = -1, data[2][to] = i % choices;
    }
    plan->constant = starts;
    sl_builder b = sl_builder_before(plan->partition);
    plan->values[SL_PLAN_STARTS] = constant(s, &b, types[0], starts);
    plan->values[SL_PLAN_ROWS] = constant(s, &b, types[1], row);
    for (int i = 0; i < 3; i++) plan->values[SL_PLAN_POSITION + i] = constant(s, &b, types[2 + i], data[i]);
    return true;
}

static void bind_rows(sl_splitter *s, sl_block *body, int64_t count) {
    for (int i = 0; i < sl_block_argument_count(body); i++) {
        sl_expr dim = sl_type_dim(sl_value_type(sl_block_argument(body, i)), 0);
        if (sl_expr_get_kind(dim) == SL_EXPR_SYMBOL && sl_expr_is_fresh(dim)) sl_shape_map_add(&s->map, dim, sl_expr_const(s->c, count));
    }
}

/* The packed rows have a place for every position, so that positions hold: what cheap branches and choices of nowhere leave out is filled with zeros. Dead bodies stay
 * behind in the switch and die with it. */
void sl_split_constant(sl_splitter *s, sl_op *op, const sl_plan *plan, int computed, const int64_t *branches, sl_value **packed) {
    sl_arena *scratch = s->pass->scratch;
    sl_builder b = sl_builder_before(op);
    int results = sl_op_result_count(op), part_count = 0;
    const int64_t *starts = plan->constant, *row = starts + plan->branches + 1;
    int64_t total = sl_expr_const_or(plan->capacity, 0), at = 0;
    sl_value ***parts = SL_NEW_ARRAY(scratch, sl_value **, (size_t)results + 1), **yielded = SL_NEW_ARRAY(scratch, sl_value *, (size_t)results + 1);
    for (int i = 0; i < results; i++) parts[i] = SL_NEW_ARRAY(scratch, sl_value *, 2 * (size_t)computed + 2);
    for (int g = 0; g <= computed; g++) {
        int64_t begin = g < computed ? starts[branches[g]] : total, count = g < computed ? starts[branches[g] + 1] - begin : 0;
        if (g < computed && !count) continue;
        if (begin > at && (part_count || g < computed)) {
            for (int i = 0; i < results; i++) {
                sl_type type = sl_split_rows_type(s, sl_value_type(sl_op_result(op, i)), sl_expr_const(s->c, begin - at));
                sl_value *zero = sl_build_constant(&b, sl_attr_data_splat(s->c, sl_type_tensor(s->c, sl_type_element(type), 0, NULL), 0));
                parts[i][part_count] = sl_split_build(&b, SL_OP_tensor_broadcast, 1, &zero, type, 0, NULL);
            }
            part_count++;
        }
        if (g == computed) break;
        sl_expr number = sl_expr_const(s->c, count);
        sl_value *rows = constant(s, &b, sl_type_tensor(s->c, SL_ELEMENT_i64, 1, &number), row + begin);
        bind_rows(s, sl_op_body(op, (int)branches[g]), count);
        sl_split_inline(s, &b, op, (int)branches[g], rows, yielded);
        for (int i = 0; i < results; i++) parts[i][part_count] = yielded[i];
        part_count++;
        at = begin + count;
    }
    sl_named_attr axis = {"axis", sl_attr_int(s->c, 0)};
    for (int i = 0; i < results && part_count; i++) {
        sl_type type = sl_split_rows_type(s, sl_value_type(sl_op_result(op, i)), plan->capacity);
        packed[i] = part_count == 1 ? parts[i][0] : sl_split_build(&b, SL_OP_tensor_concat, part_count, parts[i], type, 1, &axis);
    }
}
