/* eval_route.c: evaluation of partitions and of the switch over them.
 *
 * A switch packs the rows of each branch, runs the branch's region on them, and merges what it yields. Merging goes branch by branch in ascending order and within
 * a branch in row order; with merge `add` each row's sum starts at 0 and every addend is weight * row rounded, then added and rounded, in the element type.
 * So a row's bits depend on nothing but the row, its branches and its weights.
 */
#include "eval_internal.h"
#include <string.h>

static sl_eval_plan *partition(sl_eval *eval, const sl_op *op, int branches) {
    const sl_tensor *keys = sl_eval_operand(eval, op, 0);
    if (keys->rank != 1 && keys->rank != 2) sl_eval_fail(eval, op, "keys must have rank 1 or 2, not %d", keys->rank);
    sl_eval_plan *plan = SL_NEW(eval->arena, sl_eval_plan);
    plan->branches = branches;
    if (plan->branches > 1 << 20) sl_eval_fail(eval, op, "a plan with %d branches", plan->branches);
    plan->rows = keys->shape[0];
    plan->choices = keys->rank == 2 ? keys->shape[1] : 1;
    int64_t count = sl_tensor_count(keys);
    plan->starts = SL_NEW_ARRAY(eval->arena, int64_t, (size_t)plan->branches + 2);
    plan->row = SL_NEW_ARRAY(eval->arena, int64_t, (size_t)count + 1);
    plan->choice = SL_NEW_ARRAY(eval->arena, int64_t, (size_t)count + 1);
    for (int64_t i = 0; i < count; i++) {
        int64_t key = sl_element_load_int(keys->element, keys->data, i);
        if (key >= plan->branches || (key < 0 && keys->element == SL_ELEMENT_u64))
            sl_eval_fail(eval, op, "row %lld goes to branch %lld, but there are %d", (long long)(i / plan->choices), (long long)key, plan->branches);
        if (key >= 0) plan->starts[key + 1]++;
    }
    for (int b = 0; b < plan->branches; b++) plan->starts[b + 1] += plan->starts[b];
    int64_t *next = sl_arena_copy(eval->arena, plan->starts, sizeof(int64_t) * (size_t)(plan->branches + 1));
    for (int64_t i = 0; i < count; i++) {
        int64_t key = sl_element_load_int(keys->element, keys->data, i);
        if (key < 0) continue;
        plan->row[next[key]] = i / plan->choices;
        plan->choice[next[key]++] = i % plan->choices;
    }
    sl_eval_step(eval, op, count);
    return plan;
}

static const sl_eval_plan *plan_operand(sl_eval *eval, const sl_op *op) {
    const sl_eval_plan *plan = eval->values ? eval->values[sl_value_id(sl_op_operand(op, 0))].plan : NULL;
    if (!plan) sl_eval_fail(eval, op, "%s needs a plan that was evaluated", sl_op_name(op));
    return plan;
}

static int64_t row_elements(const sl_tensor *tensor) {
    int64_t count = 1;
    for (int d = 1; d < tensor->rank; d++) count *= tensor->shape[d];
    return count;
}

static sl_tensor *pack(sl_eval *eval, const sl_op *op, const sl_eval_plan *plan, int branch, const sl_tensor *x) {
    int64_t shape[SL_MAX_RANK], start = plan->starts[branch], count = plan->starts[branch + 1] - start, inner = row_elements(x);
    memcpy(shape, x->shape, sizeof shape);
    shape[0] = count;
    sl_tensor *packed = sl_eval_alloc(eval, op, x->element, x->rank, shape);
    for (int64_t i = 0; i < count; i++) sl_copy_elements(x->element, packed->data, i * inner, x->data, plan->row[start + i] * inner, inner);
    return packed;
}

/* A result before any branch ran: zeros, or the old rows. */
static sl_tensor *start_result(sl_eval *eval, const sl_op *op, const sl_eval_plan *plan, int result, const sl_tensor *old, const sl_tensor *packed) {
    int64_t shape[SL_MAX_RANK];
    int rank;
    if (old || packed) {
        rank = old ? old->rank : packed->rank;
        memcpy(shape, old ? old->shape : packed->shape, sizeof shape);
    } else {
        rank = sl_eval_result_shape(eval, op, result, shape);
    }
    if (rank < 1) sl_eval_fail(eval, op, "result %d has no rows", result);
    if (old && old->shape[0] != plan->rows) sl_eval_fail(eval, op, "the old value of result %d has %lld rows, the plan %lld", result, (long long)old->shape[0], (long long)plan->rows);
    shape[0] = plan->rows;
    sl_tensor *tensor = sl_eval_alloc(eval, op, sl_eval_result_element(op, result), rank, shape);
    if (old) sl_copy_elements(old->element, tensor->data, 0, old->data, 0, sl_tensor_count(old));
    return tensor;
}

/* to[row] += weight * packed[i], or += packed[i] without a weight. */
static void add_row(sl_tensor *to, int64_t to_index, const sl_tensor *packed, int64_t from_index, int64_t count, const sl_lane *weight) {
    sl_lane_op multiply = sl_lane_op_binary(SL_OP_arith_mul, to->element), add = sl_lane_op_binary(SL_OP_arith_add, to->element);
    sl_lane sum[SL_LANES], value[SL_LANES], factor[SL_LANES];
    const sl_lane *products[3] = {value, factor, factor}, *sums[3] = {sum, value, value};
    for (int64_t start = 0; start < count; start += SL_LANES) {
        int run = count - start < SL_LANES ? (int)(count - start) : SL_LANES;
        sl_lanes_load(to->element, to->data, to_index + start, 1, run, sum);
        sl_lanes_load(packed->element, packed->data, from_index + start, 1, run, value);
        for (int k = 0; weight && k < run; k++) factor[k] = *weight;
        if (weight) sl_lanes_apply(&multiply, run, products, value);
        sl_lanes_apply(&add, run, sums, sum);
        sl_lanes_store(to->element, to->data, to_index + start, 1, run, sum);
    }
}

static void merge_branch(sl_eval *eval, const sl_op *op, const sl_eval_plan *plan, int branch, sl_tensor *result, const sl_tensor *packed, const sl_tensor *weights, bool add) {
    int64_t start = plan->starts[branch], count = plan->starts[branch + 1] - start, inner = row_elements(result);
    bool fits = packed->rank == result->rank && packed->element == result->element && packed->shape[0] == count;
    for (int d = 1; fits && d < packed->rank; d++) fits = packed->shape[d] == result->shape[d];
    if (!fits) sl_eval_fail(eval, op, "what branch %d yields does not fit the result: it must have %lld rows and the dims of the other branches", branch, (long long)count);
    for (int64_t i = 0; i < count; i++) {
        int64_t row = plan->row[start + i];
        if (!add) {
            sl_copy_elements(result->element, result->data, row * inner, packed->data, i * inner, inner);
            continue;
        }
        sl_lane weight;
        if (weights) {   /* rounded to the rows' type before it is used */
            sl_lanes_load(weights->element, weights->data, row * plan->choices + plan->choice[start + i], 1, 1, &weight);
            sl_lane_op cast = sl_lane_op_cast(weights->element, result->element);
            const sl_lane *operands[3] = {&weight};
            if (weights->element != result->element) sl_lanes_apply(&cast, 1, operands, &weight);
        }
        add_row(result, row * inner, packed, i * inner, inner, weights ? &weight : NULL);
    }
}

static bool owes_copy(const sl_op *op, int result) {
    sl_attr words = sl_op_attr(op, "state");
    return words && result < sl_attr_count(words) && strcmp(sl_attr_get_string(sl_attr_item(words, result)), "copy") == 0;
}

/* Rows that went nowhere owe a copy to states: what the one branch makes of them. */
static void copy_owed(sl_eval *eval, sl_op *op, const sl_eval_plan *plan, int rows, sl_eval_value *results) {
    int result_count = sl_op_result_count(op);
    bool any = false;
    for (int i = 0; i < result_count; i++) any |= owes_copy(op, i);
    if (!any || plan->branches != 1 || plan->choices != 1 || plan->starts[1] == plan->rows) return;
    sl_eval_plan *owed = SL_NEW(eval->arena, sl_eval_plan);
    *owed = *plan;
    owed->starts = SL_NEW_ARRAY(eval->arena, int64_t, 2);
    owed->row = SL_NEW_ARRAY(eval->arena, int64_t, (size_t)plan->rows + 1);
    for (int64_t row = 0, at = 0; row < plan->rows; row++) {    /* rows in a branch ascend */
        if (at < plan->starts[1] && plan->row[at] == row) at++;
        else owed->row[owed->starts[1]++] = row;
    }
    size_t mark = sl_eval_scope_begin(eval);
    sl_block *body = sl_op_body(op, 0);
    for (int i = 0; i < rows; i++) sl_eval_set(eval, op, sl_block_argument(body, i), (sl_eval_value){.tensor = pack(eval, op, owed, 0, sl_eval_operand(eval, op, 1 + i))});
    const sl_op *end = sl_eval_block(eval, op, body);
    for (int i = 0; i < result_count; i++)
        if (owes_copy(op, i)) merge_branch(eval, op, owed, 0, results[i].tensor, sl_eval_operand(eval, end, i), NULL, false);
    sl_eval_scope_end(eval, mark);
}

static void route_switch(sl_eval *eval, sl_op *op, sl_eval_value *results) {
    const sl_eval_plan *plan = plan_operand(eval, op);
    int rows = (int)sl_op_int(op, "rows", 0), result_count = sl_op_result_count(op);
    const char *merge = sl_op_string(op, "merge", "place");
    bool add = strcmp(merge, "add") == 0, keep = strcmp(merge, "keep") == 0;
    const sl_tensor *weights = sl_op_bool(op, "weighted", false) ? sl_eval_operand(eval, op, 1 + rows) : NULL;
    if (weights && sl_tensor_count(weights) != plan->rows * plan->choices)
        sl_eval_fail(eval, op, "%lld weights for %lld rows with %lld choices", (long long)sl_tensor_count(weights), (long long)plan->rows, (long long)plan->choices);
    for (int i = 0; i < rows; i++) {
        const sl_tensor *x = sl_eval_operand(eval, op, 1 + i);
        if (x->rank < 1 || x->shape[0] != plan->rows) sl_eval_fail(eval, op, "row tensor %d does not have the plan's %lld rows", i, (long long)plan->rows);
    }
    if (sl_op_region_count(op) != plan->branches) sl_eval_fail(eval, op, "the plan has %d branches", plan->branches);
    for (int branch = 0; branch < plan->branches; branch++) {
        if (plan->starts[branch] == plan->starts[branch + 1]) continue;
        size_t mark = sl_eval_scope_begin(eval);
        sl_block *body = sl_op_body(op, branch);
        for (int i = 0; i < rows; i++) {
            sl_tensor *packed = pack(eval, op, plan, branch, sl_eval_operand(eval, op, 1 + i));
            sl_eval_set(eval, op, sl_block_argument(body, i), (sl_eval_value){.tensor = packed});
        }
        const sl_op *end = sl_eval_block(eval, op, body);
        for (int i = 0; i < result_count; i++) {
            const sl_tensor *packed = sl_eval_operand(eval, end, i);
            if (!results[i].tensor) results[i].tensor = start_result(eval, op, plan, i, keep ? sl_eval_operand(eval, op, 1 + rows + i) : NULL, packed);
            merge_branch(eval, op, plan, branch, results[i].tensor, packed, weights, add);
        }
        sl_eval_scope_end(eval, mark);
    }
    for (int i = 0; i < result_count; i++)
        if (!results[i].tensor) results[i].tensor = start_result(eval, op, plan, i, keep ? sl_eval_operand(eval, op, 1 + rows + i) : NULL, NULL);
    copy_owed(eval, op, plan, rows, results);
}

/* Entries are taken branch by branch, so that each row meets its choices in ascending order of branch. */
static void sort(sl_eval *eval, const sl_op *op, sl_eval_value *results) {
    const sl_tensor *keys = sl_eval_operand(eval, op, 0);
    int64_t most = sl_op_int(op, "branches", 0);
    if (most < 0 || most > INT32_MAX) sl_eval_fail(eval, op, "%lld branches", (long long)most);
    const sl_eval_plan *plan = partition(eval, op, (int)most);
    int64_t sizes[2] = {most + 1, sl_tensor_count(keys)}, choices = plan->choices;
    int64_t *data[5];
    for (int i = 0; i < 5; i++) {
        results[i].tensor = i < 2 ? sl_eval_alloc(eval, op, SL_ELEMENT_i64, 1, &sizes[i]) : sl_eval_alloc(eval, op, SL_ELEMENT_i64, keys->rank, keys->shape);
        data[i] = results[i].tensor->data;
    }
    memcpy(data[0], plan->starts, sizeof(int64_t) * (size_t)(most + 1));
    int64_t *next = SL_NEW_ARRAY(eval->arena, int64_t, (size_t)plan->rows + 1);
    for (int b = 0; b < plan->branches; b++) {
        for (int64_t at = plan->starts[b]; at < plan->starts[b + 1]; at++) {
            int64_t row = plan->row[at], to = row * choices + next[row]++;
            data[1][at] = row;
            data[2][to] = at, data[3][to] = b, data[4][to] = plan->choice[at];
        }
    }
    for (int64_t row = 0; row < plan->rows; row++) {
        for (int64_t choice = 0; choice < choices; choice++) {
            if (sl_element_load_int(keys->element, keys->data, row * choices + choice) >= 0) continue;
            int64_t to = row * choices + next[row]++;
            data[2][to] = data[3][to] = -1, data[4][to] = choice;
        }
    }
}

/* Region `g` on `count` rows from packed position `begin` on, as its member number `member`. */
static void dispatch_branch(sl_eval *eval, sl_op *op, int g, int member, int64_t begin, int64_t count, sl_eval_value *results) {
    if (count <= 0) return;
    size_t mark = sl_eval_scope_begin(eval);
    sl_eval_bind(eval, sl_op_expr_at(op, "counts", g), count);
    sl_eval_bind(eval, sl_op_expr_at(op, "begins", g), begin);
    sl_attr picks = sl_op_attr(op, "picks") ? sl_attr_item(sl_op_attr(op, "picks"), g) : NULL;
    for (int i = 0; picks && i < sl_attr_count(picks); i++) {
        sl_attr pick = sl_attr_item(picks, i);
        sl_eval_bind(eval, sl_attr_get_expr(sl_attr_item(pick, 0)), sl_attr_get_ints(sl_attr_item(pick, 1))[member]);
    }
    const sl_op *end = sl_eval_block(eval, op, sl_op_body(op, g));
    for (int i = 0; i < sl_op_result_count(op); i++) {
        const sl_tensor *packed = sl_eval_operand(eval, end, i), *whole = results[i].tensor;
        int64_t inner = row_elements(whole);
        if (packed->rank != whole->rank || packed->shape[0] != count || row_elements(packed) != inner || begin + count > whole->shape[0])
            sl_eval_fail(eval, op, "what region %d yields does not fit result %d", g, i);
        sl_copy_elements(whole->element, whole->data, begin * inner, packed->data, 0, count * inner);
    }
    sl_eval_scope_end(eval, mark);
}

static void dispatch(sl_eval *eval, sl_op *op, sl_eval_value *results) {
    const sl_tensor *starts = sl_eval_operand(eval, op, 0);
    int regions;
    const int64_t *branches = sl_op_ints(op, "branches", &regions);
    if (starts->element != SL_ELEMENT_i64) sl_eval_fail(eval, op, "starts must be i64");
    const int64_t *start = starts->data;
    for (int i = 0; i < sl_op_result_count(op); i++) {
        int64_t shape[SL_MAX_RANK];
        int rank = sl_eval_result_shape(eval, op, i, shape);
        results[i].tensor = sl_eval_alloc(eval, op, sl_eval_result_element(op, i), rank, shape);
    }
    sl_attr members = sl_op_attr(op, "members");
    for (int g = 0; g < regions && g < sl_op_region_count(op); g++) {
        sl_attr list = members ? sl_attr_item(members, g) : NULL;
        for (int m = 0; m < (list ? sl_attr_count(list) : 1); m++) {
            int64_t branch = list ? sl_attr_get_ints(list)[m] : branches[g];
            if (branch < 0 || branch + 1 >= sl_tensor_count(starts)) sl_eval_fail(eval, op, "there is no branch %lld", (long long)branch);
            dispatch_branch(eval, op, g, m, start[branch], start[branch + 1] - start[branch], results);
        }
    }
}

void sl_eval_route(sl_eval *eval, sl_op *op, sl_eval_value *results) {
    switch ((int)sl_op_get_kind(op)) {
    case SL_OP_route_partition: results[0].plan = partition(eval, op, sl_type_branches(sl_value_type(sl_op_result(op, 0)))); break;
    case SL_OP_route_switch: route_switch(eval, op, results); break;
    case SL_OP_route_sort: sort(eval, op, results); break;
    case SL_OP_route_dispatch: dispatch(eval, op, results); break;
    case SL_OP_route_count: {
        const sl_eval_plan *plan = plan_operand(eval, op);
        int64_t branches = plan->branches;
        results[0].tensor = sl_eval_alloc(eval, op, SL_ELEMENT_i64, 1, &branches);
        for (int b = 0; b < plan->branches; b++) ((int64_t *)results[0].tensor->data)[b] = plan->starts[b + 1] - plan->starts[b];
        break;
    }
    default: sl_eval_fail(eval, op, "%s can't be evaluated here", sl_op_name(op));
    }
}
