/* split_branches.c: pass split-branches: partitions and switches over them become code that skips.
 *
 * In:  the tensor level with route.partition, route.switch, route.count. Out: the tensor level with route.sort and route.dispatch in their place.
 *
 * A partition is one counting sort (route.sort): it tells where the packed rows of each branch begin, which rows they are, and for each row where its results will
 * lie. A switch becomes
 *     dispatch   one region for each branch that computes something: takes its rows, runs the body on them, yields packed rows into the branch's part of one
 *                tensor with a row per choice. A branch without rows does not run.
 *                Branches whose bodies differ in weights only share a region (split_group.c).
 *     merge      plain elementwise ops over all rows: each row takes its packed results in ascending order of branch (split_merge.c).
 * A branch that returns its rows as they came, or the same row for all, is part of the merge: it packs nothing and launches nothing (a cheap branch).
 *
 * Which of the ways to compute a switch the program holds, and what picks among several: split_choice.c.
 *
 * Merging is a gather and not a scatter: every result row is written once, by whoever computes it, in an order that depends on that row alone. Thus a row's bits depend
 * on nothing but the row, its branches and its weights; they are the evaluator's.
 *
 * Keys that are constant are sorted here: what remains is straight-line code on the rows that are there (split_constant.c). */
#include "split_branches.h"

#include <string.h>

sl_value *sl_split_build(sl_builder *b, sl_op_kind kind, int count, sl_value *const *operands, sl_type type, int attr_count, const sl_named_attr *attrs) {
    return sl_op_result(sl_build(b, kind, count, operands, 1, &type, attr_count, attrs), 0);
}

sl_type sl_split_rows_type(const sl_splitter *s, sl_type type, sl_expr rows) {
    sl_expr dims[SL_MAX_RANK];
    for (int d = 0; d < sl_type_rank(type); d++) dims[d] = d ? sl_type_dim(type, d) : rows;
    return sl_type_with_dims(s->c, type, sl_type_rank(type), dims);
}

sl_value *sl_split_slice(const sl_splitter *s, sl_builder *b, sl_value *x, int axis, sl_expr start, sl_expr size) {
    sl_type type = sl_value_type(x);
    sl_expr dims[SL_MAX_RANK], starts[SL_MAX_RANK];
    int64_t steps[SL_MAX_RANK];
    int rank = sl_type_rank(type);
    for (int d = 0; d < rank; d++) {
        dims[d] = d == axis ? size : sl_type_dim(type, d);
        starts[d] = d == axis ? start : sl_expr_const(s->c, 0);
        steps[d] = 1;
    }
    sl_named_attr attrs[] = {{"starts", sl_attr_exprs(s->c, rank, starts)}, {"steps", sl_attr_ints(s->c, rank, steps)}};
    return sl_split_build(b, SL_OP_tensor_slice, 1, &x, sl_type_with_dims(s->c, type, rank, dims), 2, attrs);
}

/* x[rows] along the leading dim; `rows` are known to be there. */
sl_value *sl_split_take(const sl_splitter *s, sl_builder *b, sl_value *x, sl_value *rows) {
    sl_attr constant = sl_value_constant(rows);
    sl_type whole = sl_shape_map_type(&s->map, sl_value_type(x)), type = sl_split_rows_type(s, whole, sl_type_dim(sl_value_type(rows), 0));
    if (constant && type == whole) {   /* all rows in order need no packing */
        int64_t count = sl_type_static_dim(whole, 0), at = 0;
        while (at < count && sl_attr_data_int(constant, at) == at) at++;
        if (at == count) return x;
    }
    sl_value *operands[] = {x, rows};
    sl_named_attr axis = {"axis", sl_attr_int(s->c, 0)};
    return sl_split_build(b, SL_OP_tensor_take, 2, operands, type, 1, &axis);
}

/* ---- plans ---- */

static sl_op *partition_of(sl_value *plan) {
    sl_op *op = sl_value_op(plan);
    return op && sl_op_get_kind(op) == SL_OP_route_partition ? op : NULL;
}

/* The sort of a partition, made when first asked for. */
static bool find_plan(sl_splitter *s, sl_op *user, sl_plan **found) {
    sl_op *partition = partition_of(sl_op_operand(user, 0));
    if (!partition) {
        sl_op_report(user, SL_SEVERITY_ERROR, "%s needs a plan that a route.partition of the same function makes", sl_op_name(user));
        return false;
    }
    for (size_t i = 0; i < s->plans.count; i++)
        if (s->plans.data[i]->partition == partition) return *found = s->plans.data[i], true;
    sl_value *keys = sl_op_operand(partition, 0);
    sl_type type = sl_value_type(keys);
    if (!sl_type_is_ranked(type)) {
        sl_op_report(partition, SL_SEVERITY_ERROR, "the rank of the keys must be known when compiling");
        return false;
    }
    sl_plan *plan = SL_NEW(s->pass->scratch, sl_plan);
    plan->partition = partition;
    plan->branches = sl_type_branches(sl_value_type(sl_op_result(partition, 0)));
    plan->rank = sl_type_rank(type);
    plan->rows = sl_type_dim(type, 0);
    plan->choices = plan->rank == 2 ? sl_type_static_dim(type, 1) : 1;
    if (plan->choices < 1 || plan->choices > SL_SPLIT_MAX_CHOICES) {
        sl_op_report(partition, SL_SEVERITY_ERROR, "a row must have 1 to %d choices, and their number must be known when compiling", SL_SPLIT_MAX_CHOICES);
        return false;
    }
    sl_expr one_more = sl_expr_const(s->c, plan->branches + 1);
    plan->capacity = sl_expr_mul(s->c, plan->rows, sl_expr_const(s->c, plan->choices));
    sl_type shaped = sl_type_with_element(s->c, type, SL_ELEMENT_i64);
    sl_type types[5] = {sl_type_tensor(s->c, SL_ELEMENT_i64, 1, &one_more), sl_type_tensor(s->c, SL_ELEMENT_i64, 1, &plan->capacity), shaped, shaped, shaped};
    SL_PUSH(s->pass->scratch, &s->plans, plan);
    if (sl_value_constant(keys) && sl_type_static_count(type) >= 0) return *found = plan, sl_split_sort_constant(s, plan, types);
    sl_builder b = sl_builder_before(partition);
    sl_named_attr attr = {"branches", sl_attr_int(s->c, plan->branches)};
    plan->sort = sl_build(&b, SL_OP_route_sort, 1, &keys, 5, types, 1, &attr);
    for (int i = 0; i < 5; i++) plan->values[i] = sl_op_result(plan->sort, i);
    *found = plan;
    return true;
}

static void split_count(sl_splitter *s, sl_op *op, const sl_plan *plan) {
    sl_builder b = sl_builder_before(op);
    sl_expr branches = sl_expr_const(s->c, plan->branches), zero = sl_expr_const(s->c, 0), one = sl_expr_const(s->c, 1);
    sl_value *starts = plan->values[SL_PLAN_STARTS];
    sl_value *ends = sl_split_slice(s, &b, starts, 0, one, branches), *begins = sl_split_slice(s, &b, starts, 0, zero, branches);
    sl_value *counts = sl_build_binary(&b, SL_OP_arith_sub, ends, begins);
    sl_op_replace(op, &counts);
}

/* ---- bodies ---- */

/* Whether `value` can be computed outside of `body`: of nothing that its arguments determine. */
static bool is_invariant(const sl_block *body, const sl_value *value, int depth) {
    const sl_op *op = sl_value_op(value);
    if (!op) return sl_value_owner_block(value) != body;
    if (sl_op_block(op) != body) return true;
    if (depth > 16 || !sl_op_has_trait(op, SL_TRAIT_PURE) || sl_op_region_count(op)) return false;
    sl_type type = sl_value_type(value);
    if (!sl_type_is_ranked(type) || sl_type_static_count(type) < 0) return false;
    for (int i = 0; i < sl_op_operand_count(op); i++)
        if (!is_invariant(body, sl_op_operand(op, i), depth + 1)) return false;
    return true;
}

static void hoist(sl_op *anchor, const sl_block *body, sl_value *value) {
    sl_op *op = sl_value_op(value);
    if (!op || sl_op_block(op) != body) return;
    for (int i = 0; i < sl_op_operand_count(op); i++) hoist(anchor, body, sl_op_operand(op, i));
    sl_op_move_before(op, anchor);
}

/* The row tensor number that `value` is, or -1. */
static int argument_index(const sl_block *body, const sl_value *value) { return sl_value_owner_block(value) == body && !sl_value_op(value) ? sl_value_index(value) : -1; }

/* What is the same for every row: the broadcast of it (rank below the rows', or leading dim 1). NULL when the rows differ. */
static sl_value *common_row(const sl_block *body, sl_value *value) {
    sl_op *op = sl_value_op(value);
    if (!op || sl_op_block(op) != body || sl_op_get_kind(op) != SL_OP_tensor_broadcast) return NULL;
    sl_value *row = sl_op_operand(op, 0);
    sl_type from = sl_value_type(row), to = sl_value_type(value);
    if (!sl_type_is_ranked(from) || sl_type_rank(from) > sl_type_rank(to)) return NULL;
    if (sl_type_rank(from) == sl_type_rank(to) && !sl_expr_equals_const(sl_type_dim(from, 0), 1)) return NULL;
    return is_invariant(body, row, 0) ? row : NULL;
}

/* Fills in what branch `b` gives when that costs nothing for any result. */
static bool find_cheap(sl_splitter *s, sl_op *op, int branch, sl_value **cheap) {
    sl_block *body = sl_op_body(op, branch);
    sl_op *yield = sl_block_terminator(body);
    int count = sl_op_result_count(op);
    for (int i = 0; i < count; i++) {
        sl_value *value = sl_op_operand(yield, i);
        if (argument_index(body, value) < 0 && !common_row(body, value)) return false;
    }
    for (int i = 0; i < count; i++) {
        sl_value *value = sl_op_operand(yield, i);
        int argument = argument_index(body, value);
        if (argument >= 0) {
            cheap[i] = sl_op_operand(op, 1 + argument);
            continue;
        }
        sl_value *row = common_row(body, value);
        hoist(op, body, row);
        sl_builder b = sl_builder_before(op);
        cheap[i] = sl_split_build(&b, SL_OP_tensor_broadcast, 1, &row, sl_value_type(sl_op_result(op, i)), 0, NULL);
    }
    (void)s;
    return true;
}

/* The symbol of a body's row number. All leading dims of its arguments mean it. */
static sl_expr count_symbol(sl_splitter *s, sl_block *body) {
    sl_expr symbol = NULL;
    for (int i = 0; i < sl_block_argument_count(body); i++) {
        sl_expr dim = sl_type_dim(sl_value_type(sl_block_argument(body, i)), 0);
        if (sl_expr_get_kind(dim) != SL_EXPR_SYMBOL || !sl_expr_is_fresh(dim)) continue;
        if (!symbol) symbol = dim;
        else if (symbol != dim) sl_shape_map_add(&s->map, dim, symbol);
    }
    return symbol ? symbol : sl_expr_fresh(s->c);
}

/* Moves a body behind `b`'s point, on rows packed by `rows`; `yielded` gets its results. */
void sl_split_inline(sl_splitter *s, sl_builder *b, sl_op *op, int branch, sl_value *rows, sl_value **yielded) {
    sl_block *body = sl_op_body(op, branch);
    int count = (int)sl_op_int(op, "rows", 0);
    sl_value **arguments = SL_NEW_ARRAY(s->pass->scratch, sl_value *, (size_t)count + 1);
    for (int i = 0; i < count; i++) {
        if (sl_value_has_uses(sl_block_argument(body, i))) arguments[i] = sl_split_take(s, b, sl_op_operand(op, 1 + i), rows);
        else arguments[i] = sl_op_operand(op, 1 + i);
    }
    sl_op *yield = sl_block_terminator(body);
    sl_block_inline(b, body, arguments);
    for (int i = 0; i < sl_op_operand_count(yield); i++) yielded[i] = sl_op_operand(yield, i);
    sl_op_erase(yield);
}

/* Whether every result of the branch has as many rows as came in. */
static bool check_yields(sl_splitter *s, sl_op *op, int branch, sl_expr symbol) {
    sl_op *yield = sl_block_terminator(sl_op_body(op, branch));
    for (int i = 0; i < sl_op_operand_count(yield); i++) {
        sl_type type = sl_value_type(sl_op_operand(yield, i));
        sl_expr dim = sl_type_is_ranked(type) && sl_type_rank(type) > 0 ? sl_shape_map_expr(&s->map, sl_type_dim(type, 0)) : NULL;
        if (dim == symbol) continue;
        if (dim && sl_expr_get_kind(dim) == SL_EXPR_SYMBOL && sl_expr_is_fresh(dim) && sl_shape_map_add(&s->map, dim, symbol)) continue;
        sl_op_report(op, SL_SEVERITY_ERROR, "result %d of branch %d does not have one row for each row that came in", i, branch);
        return false;
    }
    return true;
}

/* Attribute `members` or `picks` of a dispatch, when any class has several branches. */
static void describe_classes(sl_splitter *s, sl_op *made, int count, const sl_split_class *classes) {
    sl_arena *scratch = s->pass->scratch;
    sl_attr *members = SL_NEW_ARRAY(scratch, sl_attr, (size_t)count + 1), *picks = SL_NEW_ARRAY(scratch, sl_attr, (size_t)count + 1);
    bool several = false;
    for (int g = 0; g < count; g++) {
        const sl_split_class *class = &classes[g];
        sl_attr *pairs = SL_NEW_ARRAY(scratch, sl_attr, class->picks.count + 1);
        several |= class->count > 1;
        members[g] = sl_attr_ints(s->c, class->count, class->members);
        for (size_t i = 0; i < class->picks.count; i++) {
            sl_attr pair[2] = {sl_attr_expr(s->c, class->picks.data[i].symbol), sl_attr_ints(s->c, class->count, class->picks.data[i].numbers)};
            pairs[i] = sl_attr_array(s->c, 2, pair);
        }
        picks[g] = sl_attr_array(s->c, (int)class->picks.count, pairs);
    }
    if (!several) return;
    sl_op_set_attr(made, "members", sl_attr_array(s->c, count, members));
    sl_op_set_attr(made, "picks", sl_attr_array(s->c, count, picks));
}

/* The dispatch over the branches that compute something; `packed` gets its results. Returns the number of bodies, -1 after a report. */
static int build_dispatch(sl_splitter *s, sl_op *op, const sl_plan *plan, int computed, const int64_t *branches, int owed, int64_t site, sl_value **packed) {
    sl_arena *scratch = s->pass->scratch;
    int results = sl_op_result_count(op);
    sl_split_class *classes = SL_NEW_ARRAY(scratch, sl_split_class, (size_t)computed + 1);
    int regions = sl_split_classes(s, op, computed, branches, site >= 0 ? SL_SPLIT_ALL_ALONE : owed, classes);
    sl_expr *counts = SL_NEW_ARRAY(scratch, sl_expr, (size_t)regions + 1), *begins = SL_NEW_ARRAY(scratch, sl_expr, (size_t)regions + 1);
    int64_t *first = SL_NEW_ARRAY(scratch, int64_t, (size_t)regions + 1);
    sl_type *types = SL_NEW_ARRAY(scratch, sl_type, (size_t)results + 1);
    for (int i = 0; i < results; i++) types[i] = sl_split_rows_type(s, sl_value_type(sl_op_result(op, i)), plan->capacity);
    for (int g = 0; g < regions; g++) {
        first[g] = classes[g].members[0];
        counts[g] = count_symbol(s, sl_op_body(op, (int)first[g]));
        begins[g] = sl_expr_fresh(s->c);
        if (!check_yields(s, op, (int)first[g], counts[g])) return -1;
    }
    sl_named_attr attrs[] = {{"branches", sl_attr_ints(s->c, regions, first)}, {"counts", sl_attr_exprs(s->c, regions, counts)},
                             {"begins", sl_attr_exprs(s->c, regions, begins)}, {"rows", sl_attr_expr(s->c, plan->rows)}, {"owed", NULL}};
    int attr_count = 4;
    for (int g = 0; g < regions; g++)
        if (first[g] == owed) attrs[attr_count++].attr = sl_attr_int(s->c, g);
    sl_builder b = sl_builder_before(op);
    sl_value *starts = plan->values[SL_PLAN_STARTS];
    sl_op *made = sl_build(&b, SL_OP_route_dispatch, 1, &starts, results, types, attr_count, attrs);
    if (site >= 0) sl_op_set_attr(made, "site", sl_attr_int(s->c, site));
    sl_value **yielded = SL_NEW_ARRAY(scratch, sl_value *, (size_t)results + 1);
    for (int g = 0; g < regions; g++) {
        sl_builder inside = sl_builder_at_end(s->pass->module, sl_region_block(sl_op_add_region(made)));
        inside.loc = sl_op_loc(op);
        sl_split_rebuild(s, op, &classes[g], &inside, made);
        sl_value *rows = sl_split_slice(s, &inside, plan->values[SL_PLAN_ROWS], 0, begins[g], counts[g]);
        sl_split_inline(s, &inside, op, (int)first[g], rows, yielded);
        sl_build(&inside, SL_OP_route_yield, results, yielded, 0, NULL, 0, NULL);
    }
    describe_classes(s, made, regions, classes);
    for (int i = 0; i < results; i++) packed[i] = sl_op_result(made, i);
    return regions;
}

static bool split_switch(sl_splitter *s, sl_op *op, sl_plan *plan, int owed) {
    sl_arena *scratch = s->pass->scratch;
    int results = sl_op_result_count(op), branch_count = plan->branches, computed = 0, cheap_count = 0, bodies = 0;
    sl_split_merge merge = {.op = op, .plan = plan, .cheap = SL_NEW_ARRAY(scratch, sl_split_cheap, (size_t)branch_count + 1),
                            .packed = SL_NEW_ARRAY(scratch, sl_value *, (size_t)results + 1)};
    int64_t *branches = SL_NEW_ARRAY(scratch, int64_t, (size_t)branch_count + 1);
    for (int i = 0; i < results; i++) {
        sl_type type = sl_value_type(sl_op_result(op, i));
        if (sl_type_is_ranked(type) && sl_type_rank(type) > 0) continue;
        sl_op_report(op, SL_SEVERITY_ERROR, "the rank of result %d of the switch is not known", i);
        return false;
    }
    for (int branch = 0; branch < branch_count; branch++) {
        sl_value **values = SL_NEW_ARRAY(scratch, sl_value *, (size_t)results + 1);
        if (find_cheap(s, op, branch, values)) merge.cheap[cheap_count++] = (sl_split_cheap){branch, values};
        else branches[computed++] = branch;
    }
    merge.cheap_count = cheap_count;
    sl_split_decision decision = {.site = -1};
    if (owed < 0 && sl_split_choose(s, plan, &merge, computed, branches, &decision)) return true;
    if (plan->constant) sl_split_constant(s, op, plan, computed, branches, merge.packed);
    else if (computed && (bodies = build_dispatch(s, op, plan, computed, branches, owed, decision.site, merge.packed)) < 0) return false;
    const char *grouped = bodies && bodies < computed ? sl_arena_printf(scratch, ", %d different bodies once weights are taken from stacks", bodies) : "";
    sl_pass_decide(s->pass, op, "route", sl_arena_printf(scratch, "%d branches: %d on their packed rows%s%s, %d free of cost; %s", branch_count, computed,
                   plan->constant ? " (known when compiling)" : " when they have any", grouped, cheap_count, plan->choices == 1 ? "each row takes its result" : "each row adds up its results"));
    if (decision.whole) sl_split_unless_whole(s, &merge, computed, branches);
    sl_split_merge_results(s, &merge);
    return true;
}

/* Switches that are in no other one, and counts. */
static void collect(sl_splitter *s, sl_block *block) {
    for (sl_op *op = sl_block_first(block); op; op = sl_op_next(op)) {
        sl_op_kind kind = sl_op_get_kind(op);
        if (kind == SL_OP_route_switch || kind == SL_OP_route_count) SL_PUSH(s->pass->scratch, &s->ops, op);
        for (int g = 0; g < sl_op_region_count(op) && kind != SL_OP_route_switch; g++)
            if (sl_region_block(sl_op_region(op, g))) collect(s, sl_op_body(op, g));
    }
}

/* What is owed to states has been checked and is code now. */
static bool drop_state(void *self, sl_op *op) {
    (void)self;
    if (sl_op_attr(op, "state")) sl_op_set_attr(op, "state", NULL);
    return true;
}

/* One round for each depth of nesting: what is nested in a body that stays moves out of its switch and is met in the next one. */
static bool split_function(sl_splitter *s, sl_op *func) {
    sl_plan *plan;
    s->plans.count = 0;
    sl_shape_map_init(&s->map, s->c, s->pass->scratch);
    for (s->ops.count = 1; s->ops.count;) {
        s->ops.count = 0;
        collect(s, sl_op_body(func, 0));
        for (size_t i = 0; i < s->ops.count; i++) {
            sl_op *op = s->ops.data[i], *whole = sl_op_get_kind(op) == SL_OP_route_switch ? sl_split_owed(s, op) : op;
            if (!whole) return false;
            int owed = whole == op ? -1 : 1;
            op = whole;
            if (!find_plan(s, op, &plan)) return false;
            if (sl_op_get_kind(op) == SL_OP_route_count) split_count(s, op, plan);
            else if (!split_switch(s, op, plan, owed)) return false;
            s->pass->changes++;
        }
    }
    for (size_t i = 0; i < s->plans.count; i++) sl_op_erase(s->plans.data[i]->partition);
    sl_op_walk(func, drop_state, NULL);
    sl_shape_map_apply(&s->map, func);
    return true;
}

sl_status sl_pass_split_branches(sl_pass_context *pass) {
    sl_splitter s = {.pass = pass, .c = sl_module_context(pass->module)};
    bool ok = true;
    for (sl_op *func = sl_block_first(sl_module_body(pass->module)); func && ok; func = sl_op_next(func))
        if (sl_op_get_kind(func) == SL_OP_core_func && !sl_op_bool(func, "buffers", false)) ok = split_function(&s, func);
    return ok ? NULL : SL_PASS_FAILED("split-branches");
}
