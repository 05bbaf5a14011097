/* split_choice.c: which way a switch is computed: bodies on packed rows, all bodies on all rows with a choice by row, one body in place when all rows go one way.
 *
 * The cost model decides which of these the program holds (sl_cost_choose_route); with more than one, the counts of the run pick. All give the same bits, since a row's bits do not
 * depend on the rows beside it: so a wrong expectation costs time only. What may be run on rows that don't need it works on each row by itself and can't fail; with products in it, it is where a profile
 * has seen that nearly all rows need it.
 *
 *     if all rows go to branch b:             its body on the rows as they are           (light bodies; others: their results as they lie packed, for packing kept the order)
 *     else if share of the work >= threshold: select(key == 0, body 0, select(key == 1, body 1, ...)) on all rows
 *     else:                                   dispatch and merge
 *
 * The share is counted in integers: sum of rows of a branch times its weight, against threshold times rows times the sum of all weights. */
#include "recover.h"
#include "split_branches.h"
#include "sluice/route_cost.h"

#include <string.h>

enum { GUESSED_ROWS = 128, MOST_WHOLE = 2, MOST_SELECTED = 16, MOST_SELECTED_PRODUCTS = 4, MOST_BODY = 256, WEIGHT_UNITS = 1000 };

typedef struct chooser {
    sl_splitter *s;
    sl_op *op;
    sl_plan *plan;
    const sl_split_merge *merge;
    int computed;
    const int64_t *branches;       /* that compute something */
    sl_route_work work;
    double *weights;               /* of each of those: flops of a row */
} chooser;

/* ---- what bodies cost ---- */

static double row_elements(sl_type type) {
    double count = 1;
    if (!sl_type_is_ranked(type)) return 1;
    for (int d = 1; d < sl_type_rank(type); d++) count *= (double)sl_expr_const_or(sl_type_dim(type, d), 64);
    return count;
}

static double row_bytes(sl_type type) { return row_elements(type) * sl_element_bits(sl_type_element(type)) / 8; }

static double op_flops(const sl_op *op) {
    sl_op_kind kind = sl_op_get_kind(op);
    if (sl_op_result_count(op) == 0 || !sl_type_is_tensor(sl_value_type(sl_op_result(op, 0)))) return 0;
    sl_type type = sl_value_type(sl_op_result(op, 0));
    double elements = row_elements(type);
    if (kind == SL_OP_tensor_contract || kind == SL_OP_tensor_conv) {
        sl_type right = sl_value_type(sl_op_operand(op, 1));
        int count = 0;
        const int64_t *axes = kind == SL_OP_tensor_contract ? sl_op_ints(op, "right_sum", &count) : NULL;
        double sum = 1;
        for (int i = 0; i < count; i++) sum *= (double)sl_expr_const_or(sl_type_dim(right, (int)axes[i]), 64);
        for (int d = 1; !axes && d < sl_type_rank(right); d++) sum *= (double)sl_expr_const_or(sl_type_dim(right, d), 64);
        return 2 * elements * sum;
    }
    switch ((int)kind) {
    case SL_OP_tensor_broadcast: case SL_OP_tensor_reshape: case SL_OP_core_constant: return 0;
    case SL_OP_arith_exp: case SL_OP_arith_log: case SL_OP_arith_log1p: case SL_OP_arith_expm1: case SL_OP_arith_sin: case SL_OP_arith_cos: case SL_OP_arith_tan: case SL_OP_arith_tanh:
    case SL_OP_arith_sinh: case SL_OP_arith_cosh: case SL_OP_arith_erf: case SL_OP_arith_asin: case SL_OP_arith_acos: case SL_OP_arith_atan: case SL_OP_arith_asinh: case SL_OP_arith_acosh:
    case SL_OP_arith_atanh: return 48 * elements;
    case SL_OP_arith_pow: return 96 * elements;
    case SL_OP_arith_div: case SL_OP_arith_rem: case SL_OP_arith_mod: case SL_OP_arith_sqrt: return 12 * elements;
    default: return 2 * elements;
    }
}

static bool add_flops(void *self, sl_op *op) {
    *(double *)self += op_flops(op);
    return true;
}

/* Elementwise work on rows, constants and what they are spread to: may be run on any row. */
static bool is_light(const sl_block *body) {
    for (const sl_op *op = sl_block_first(body); op; op = sl_op_next(op)) {
        sl_op_kind kind = sl_op_get_kind(op);
        bool plain = sl_op_has_trait(op, SL_TRAIT_ELEMENTWISE) || kind == SL_OP_core_constant || kind == SL_OP_tensor_broadcast || (kind == SL_OP_tensor_reshape && sl_op_operand_count(op) == 1);
        if (sl_op_region_count(op) || (!plain && op != sl_block_terminator(body))) return false;
    }
    return true;
}

/* ---- bodies that may run on any row ---- */

/* How a value of a body depends on its rows: not at all, or along the axis that its readers need. */
typedef struct row_value { const sl_value *value; bool depends; int axis; } row_value;
typedef struct row_values { row_value data[MOST_BODY]; int count; } row_values;

static row_value *find_row_value(row_values *values, const sl_value *value) {
    for (int i = 0; i < values->count; i++)
        if (values->data[i].value == value) return &values->data[i];
    return NULL;
}

/* Element i of `value` along the axis is needed for row i. */
static bool demand(row_values *values, const sl_value *value, int axis) {
    row_value *known = find_row_value(values, value);
    if (axis == SL_AXIS_MIXED) return false;
    if (axis == SL_AXIS_WHOLE) return !known || !known->depends;      /* all of it for each row: it must be no matter of rows */
    if (!known || (known->axis >= 0 && known->axis != axis)) return false;
    known->axis = axis;
    return true;
}

/* Whether the body computes each row from that row alone, by ops that can't fail: then it may be run on rows whose results nobody wants. */
static bool works_on_any_row(sl_arena *scratch, const sl_block *body) {
    row_values *values = SL_NEW(scratch, row_values);
    sl_op *yield = sl_block_terminator(body);
    for (int i = 0; i < sl_block_argument_count(body); i++) {
        if (values->count == MOST_BODY) return false;
        values->data[values->count++] = (row_value){sl_block_argument(body, i), true, 0};
    }
    for (sl_op *op = sl_block_first(body); op != yield; op = sl_op_next(op)) {
        bool depends = false;
        if (values->count == MOST_BODY || sl_op_result_count(op) != 1 || sl_op_region_count(op) || !sl_op_has_trait(op, SL_TRAIT_PURE)) return false;
        for (int i = 0; i < sl_op_operand_count(op); i++) {
            row_value *from = find_row_value(values, sl_op_operand(op, i));
            depends |= from && from->depends;
        }
        values->data[values->count++] = (row_value){sl_op_result(op, 0), depends, -1};
    }
    for (int i = 0; i < sl_op_operand_count(yield); i++)
        if (!demand(values, sl_op_operand(yield, i), 0)) return false;
    for (int v = values->count - 1; v >= sl_block_argument_count(body); v--) {
        const row_value *value = &values->data[v];
        const sl_op *op = sl_value_op(value->value);
        if (value->axis < 0 && value->depends) return false;        /* read by nobody, or in a way that is not known */
        for (int i = 0; value->axis >= 0 && i < sl_op_operand_count(op); i++)
            if (!demand(values, sl_op_operand(op, i), sl_recover_axis(op, i, value->axis))) return false;
    }
    return true;
}

static bool has_rows(const sl_plan *plan, sl_type type) { return sl_type_is_ranked(type) && sl_type_rank(type) > 0 && sl_type_dim(type, 0) == plan->rows; }

/* Whether everything that the bodies read and give has its rows written as those of the keys are. */
static bool same_rows(const chooser *ch) {
    for (int i = 1; i < sl_op_operand_count(ch->op); i++)
        if (!has_rows(ch->plan, sl_value_type(sl_op_operand(ch->op, i)))) return false;
    for (int i = 0; i < sl_op_result_count(ch->op); i++)
        if (!has_rows(ch->plan, sl_value_type(sl_op_result(ch->op, i)))) return false;
    return true;
}

/* ---- what is expected ---- */

static const sl_profile_branch *find_profile(const chooser *ch, int64_t branch) {
    const sl_profile *profile = ch->s->pass->profile;
    sl_text place;
    sl_text_init(&place, ch->s->pass->scratch);
    sl_loc_describe(&place, sl_op_loc(ch->op));
    for (int i = 0; profile && i < profile->count; i++)
        if (profile->branches[i].branch == branch && profile->branches[i].runs > 0 && strcmp(profile->branches[i].node, place.length ? place.data : "") == 0) return &profile->branches[i];
    return NULL;
}

static void describe_work(chooser *ch) {
    sl_arena *scratch = ch->s->pass->scratch;
    sl_route_work *work = &ch->work;
    int64_t rows = sl_expr_const_or(ch->plan->rows, -1), runs = 0;
    *work = (sl_route_work){.rows = rows < 0 ? GUESSED_ROWS : (double)rows, .branches = ch->computed, .light = ch->computed <= MOST_SELECTED && same_rows(ch), .most = 1};
    work->any_row = ch->computed <= MOST_SELECTED_PRODUCTS && same_rows(ch);
    ch->weights = SL_NEW_ARRAY(scratch, double, (size_t)ch->computed + 1);
    for (int i = 0; i < sl_op_result_count(ch->op); i++) work->result_bytes += row_bytes(sl_value_type(sl_op_result(ch->op, i)));
    bool known = true;
    double least = 0, most = 0, needed = 0, never_whole = 1;
    for (int g = 0; g < ch->computed; g++) {
        sl_block *body = sl_op_body(ch->op, (int)ch->branches[g]);
        for (sl_op *op = sl_block_first(body); op; op = sl_op_next(op)) sl_op_walk(op, add_flops, &ch->weights[g]);
        for (int i = 0; i < sl_block_argument_count(body); i++)
            if (sl_value_has_uses(sl_block_argument(body, i))) work->packed_bytes += row_bytes(sl_value_type(sl_block_argument(body, i)));
        work->packed_bytes += work->result_bytes;
        work->light &= is_light(body);
        work->any_row = work->any_row && (work->light || works_on_any_row(scratch, body));
        if (ch->weights[g] < 1) ch->weights[g] = 1;
        work->row_flops += ch->weights[g];
        const sl_profile_branch *seen = find_profile(ch, ch->branches[g]);
        double rate = seen && seen->dense_rows > 0 ? (double)seen->rows / (double)seen->dense_rows : 1.0 / ch->plan->branches;
        known &= seen != NULL;
        if (seen) {
            runs = seen->runs;
            least += seen->least * ch->weights[g], most += seen->most * ch->weights[g];
            never_whole -= (double)seen->whole / (double)seen->runs;
            if (rows < 0) work->rows = (double)seen->dense_rows / (double)seen->runs;
        }
        needed += rate * ch->weights[g];
    }
    work->any_row |= work->light;
    work->share = needed / work->row_flops;
    work->whole = 0.1;     /* rows of one batch tend to be alike */
    if (rows >= 0 && rows <= 2) work->whole = rows < 2 ? 1 : 0.5;
    work->source = "no profile";
    if (known && ch->computed) {
        work->least = least / work->row_flops, work->most = most / work->row_flops, work->whole = never_whole > 0 ? 1 - never_whole : 1;
        if (work->most < 1) work->most += 1e-9;
        work->profiled = true;
        work->source = sl_arena_printf(scratch, "profile of %lld runs, %.2f to %.2f", (long long)runs, work->least, work->most);
    }
}

/* ---- schedules ---- */

static sl_value *scalar_of(const sl_splitter *s, sl_builder *b, sl_value *x) {
    return sl_split_build(b, SL_OP_tensor_reshape, 1, &x, sl_type_tensor(s->c, sl_type_element(sl_value_type(x)), 0, NULL), 0, NULL);
}

static sl_value *dim_value(const sl_splitter *s, sl_builder *b, sl_expr dim) {
    sl_named_attr attrs[] = {{"dims", sl_attr_exprs(s->c, 1, &dim)}, {"scalar", sl_attr_bool(s->c, true)}};
    return sl_split_build(b, SL_OP_tensor_from_dims, 0, NULL, sl_type_tensor(s->c, SL_ELEMENT_i64, 0, NULL), 2, attrs);
}

/* Rows of each branch. */
static sl_value *branch_counts(const sl_splitter *s, sl_builder *b, const sl_plan *plan) {
    sl_expr branches = sl_expr_const(s->c, plan->branches);
    sl_value *starts = plan->values[SL_PLAN_STARTS];
    sl_value *ends = sl_split_slice(s, b, starts, 0, sl_expr_const(s->c, 1), branches), *begins = sl_split_slice(s, b, starts, 0, sl_expr_const(s->c, 0), branches);
    return sl_build_binary(b, SL_OP_arith_sub, ends, begins);
}

static sl_value *all_go_to(const sl_splitter *s, sl_builder *b, const sl_plan *plan, int64_t branch) {
    sl_value *count = scalar_of(s, b, sl_split_slice(s, b, branch_counts(s, b, plan), 0, sl_expr_const(s->c, branch), sl_expr_const(s->c, 1)));
    return sl_build_compare(b, "eq", count, dim_value(s, b, plan->rows));
}

static sl_value *above_threshold(const chooser *ch, sl_builder *b, double threshold) {
    const sl_splitter *s = ch->s;
    int64_t *units = SL_NEW_ARRAY(s->pass->scratch, int64_t, (size_t)ch->plan->branches + 1), total = 0, zero = 0;
    for (int g = 0; g < ch->computed; g++) total += units[ch->branches[g]] = 1 + (int64_t)(WEIGHT_UNITS * ch->weights[g] / ch->work.row_flops);
    sl_expr count = sl_expr_const(s->c, ch->plan->branches);
    sl_value *weights = sl_build_constant(b, sl_attr_data_copy(s->c, sl_type_tensor(s->c, SL_ELEMENT_i64, 1, &count), units, (int64_t)sizeof(int64_t) * ch->plan->branches));
    sl_value *needed = sl_build_binary(b, SL_OP_arith_mul, branch_counts(s, b, ch->plan), weights);
    sl_named_attr attrs[] = {{"axes", sl_attr_ints(s->c, 1, &zero)}, {"kind", sl_attr_string(s->c, "sum")}};
    sl_value *sum = sl_split_build(b, SL_OP_tensor_reduce, 1, &needed, sl_type_tensor(s->c, SL_ELEMENT_i64, 0, NULL), 2, attrs);
    sl_expr limit = sl_expr_mul(s->c, ch->plan->rows, sl_expr_const(s->c, (int64_t)(threshold * (double)total + 0.5)));
    return sl_build_compare(b, "ge", sum, dim_value(s, b, limit));
}

/* A copy of a body that works on all rows. */
static void copy_body(const chooser *ch, sl_builder *b, int64_t branch, sl_value **yielded) {
    sl_splitter *s = ch->s;
    sl_arena *scratch = s->pass->scratch;
    sl_block *body = sl_op_body(ch->op, (int)branch);
    sl_value_map *map = sl_value_map_create(scratch);
    sl_shape_map rows;
    sl_shape_map_init(&rows, s->c, scratch);
    for (int i = 0; i < sl_block_argument_count(body); i++) {
        sl_value *argument = sl_block_argument(body, i);
        sl_expr dim = sl_type_dim(sl_value_type(argument), 0);
        if (sl_expr_get_kind(dim) == SL_EXPR_SYMBOL && sl_expr_is_fresh(dim)) sl_shape_map_add(&rows, dim, ch->plan->rows);
        sl_value_map_set(map, argument, sl_op_operand(ch->op, 1 + i));
    }
    sl_op *yield = sl_block_terminator(body);
    for (sl_op *op = sl_block_first(body); op != yield; op = sl_op_next(op)) sl_shape_map_apply_op(&rows, sl_op_clone(b, op, map));
    for (int i = 0; i < sl_op_operand_count(yield); i++) yielded[i] = sl_value_map_get_or_same(map, sl_op_operand(yield, i));
}

/* All bodies on all rows, and a choice by key. */
static void build_select(const chooser *ch, sl_builder *b, sl_value **results) {
    sl_splitter *s = ch->s;
    const sl_plan *plan = ch->plan;
    int count = sl_op_result_count(ch->op), rows = (int)sl_op_int(ch->op, "rows", 0);
    sl_value *keys = sl_op_operand(plan->partition, 0), **yielded = SL_NEW_ARRAY(s->pass->scratch, sl_value *, (size_t)count + 1);
    sl_type flat = sl_type_tensor(s->c, sl_type_element(sl_value_type(keys)), 1, &plan->rows);
    if (sl_value_type(keys) != flat) keys = sl_split_build(b, SL_OP_tensor_reshape, 1, &keys, flat, 0, NULL);
    keys = sl_build_cast(b, keys, SL_ELEMENT_i64);
    for (int i = 0; i < count; i++)
        results[i] = strcmp(sl_op_string(ch->op, "merge", "place"), "keep") == 0 ? sl_op_operand(ch->op, 1 + rows + i) : sl_split_splat(s, b, sl_value_type(sl_op_result(ch->op, i)), 0);
    for (int g = 0, cheap = 0; g < ch->computed || cheap < ch->merge->cheap_count;) {
        bool free_of_cost = cheap < ch->merge->cheap_count && (g == ch->computed || ch->merge->cheap[cheap].branch < ch->branches[g]);
        int64_t branch = free_of_cost ? ch->merge->cheap[cheap].branch : ch->branches[g];
        if (!free_of_cost) copy_body(ch, b, branch, yielded);
        for (int i = 0; i < count; i++) results[i] = sl_split_select(s, b, keys, "eq", branch, free_of_cost ? ch->merge->cheap[cheap].values[i] : yielded[i], results[i]);
        if (free_of_cost) cheap++;
        else g++;
    }
}

/* Counts the rows of each branch where no dispatch does. */
static void build_tally(const chooser *ch, sl_builder *b, int64_t site) {
    sl_splitter *s = ch->s;
    sl_expr *counts = SL_NEW_ARRAY(s->pass->scratch, sl_expr, (size_t)ch->computed + 1), *begins = SL_NEW_ARRAY(s->pass->scratch, sl_expr, (size_t)ch->computed + 1);
    for (int g = 0; g < ch->computed; g++) counts[g] = sl_expr_fresh(s->c), begins[g] = sl_expr_fresh(s->c);
    sl_named_attr attrs[] = {{"branches", sl_attr_ints(s->c, ch->computed, ch->branches)}, {"counts", sl_attr_exprs(s->c, ch->computed, counts)}, {"begins", sl_attr_exprs(s->c, ch->computed, begins)},
                             {"rows", sl_attr_expr(s->c, ch->plan->rows)}, {"site", sl_attr_int(s->c, site)}};
    sl_op *made = sl_build(b, SL_OP_route_dispatch, 1, &ch->plan->values[SL_PLAN_STARTS], 0, NULL, 5, attrs);
    for (int g = 0; g < ch->computed; g++) {
        sl_builder inside = sl_builder_at_end(s->pass->module, sl_region_block(sl_op_add_region(made)));
        inside.loc = sl_op_loc(ch->op);
        sl_build(&inside, SL_OP_route_yield, 0, NULL, 0, NULL, 0, NULL);
    }
}

/* Opens tensor.if(condition) before the switch, fills in its first region by `other` and moves the switch into the second one, where it goes on being split. */
static sl_builder open_if(chooser *ch, sl_value *condition, sl_op **made) {
    sl_splitter *s = ch->s;
    int count = sl_op_result_count(ch->op);
    sl_type *types = SL_NEW_ARRAY(s->pass->scratch, sl_type, (size_t)count + 1);
    for (int i = 0; i < count; i++) types[i] = sl_value_type(sl_op_result(ch->op, i));
    sl_builder b = sl_builder_before(ch->op);
    sl_named_attr attr = {"schedule", sl_attr_bool(s->c, true)};
    *made = sl_build(&b, SL_OP_tensor_if, 1, &condition, count, types, 1, &attr);
    sl_block *first = sl_op_body(*made, 0);
    sl_builder inside = sl_builder_at_end(s->pass->module, first);
    inside.loc = sl_op_loc(ch->op);
    return inside;
}

static void close_if(chooser *ch, sl_op *made, sl_builder *first, sl_value **values) {
    sl_splitter *s = ch->s;
    int count = sl_op_result_count(ch->op);
    sl_value **results = SL_NEW_ARRAY(s->pass->scratch, sl_value *, (size_t)count + 1);
    sl_build(first, SL_OP_tensor_yield, count, values, 0, NULL, 0, NULL);
    for (int i = 0; i < count; i++) sl_value_replace_all_uses(sl_op_result(ch->op, i), sl_op_result(made, i)), results[i] = sl_op_result(ch->op, i);
    sl_block *second = sl_op_body(made, 1);
    sl_op_move_to_end(ch->op, second);
    sl_builder end = sl_builder_at_end(s->pass->module, second);
    end.loc = sl_op_loc(ch->op);
    sl_build(&end, SL_OP_tensor_yield, count, results, 0, NULL, 0, NULL);
}

/* Whether no key can be as large as the number of branches, so that nothing has to check them. */
static bool keys_fit(const sl_value *keys, int branches) {
    for (const sl_op *op = sl_value_op(keys); op; op = sl_value_op(keys)) {
        sl_op_kind kind = sl_op_get_kind(op);
        if (kind == SL_OP_arith_cast && sl_type_element(sl_value_type(sl_op_operand(op, 0))) == SL_ELEMENT_i1) return branches >= 2;
        if (kind != SL_OP_arith_cast && kind != SL_OP_tensor_reshape) return false;
        keys = sl_op_operand(op, 0);
    }
    return false;
}

bool sl_split_choose(sl_splitter *s, sl_plan *plan, const sl_split_merge *merge, int computed, const int64_t *branches, sl_split_decision *decision) {
    chooser ch = {.s = s, .op = merge->op, .plan = plan, .merge = merge, .computed = computed, .branches = branches};
    sl_arena *scratch = s->pass->scratch;
    *decision = (sl_split_decision){.site = -1};
    const char *how = sl_op_string(ch.op, "merge", "place");
    if (plan->constant || plan->choices != 1 || computed == 0 || strcmp(how, "add") == 0) return false;
    int count = sl_op_result_count(ch.op);
    describe_work(&ch);
    sl_route_choice choice = sl_cost_choose_route(s->pass->machine, s->pass->threads, scratch, &ch.work);
    sl_pass_decide(s->pass, ch.op, "schedule", choice.reason);
    sl_value **values = SL_NEW_ARRAY(scratch, sl_value *, (size_t)count + 1);
    choice.whole &= computed <= MOST_WHOLE;
    if (choice.select || (choice.whole && ch.work.light)) decision->site = s->sites++;
    for (int g = 0; choice.whole && ch.work.light && g < computed; g++) {
        sl_op *made;
        sl_builder before = sl_builder_before(ch.op), inside = open_if(&ch, all_go_to(s, &before, plan, branches[g]), &made);
        build_tally(&ch, &inside, decision->site);
        copy_body(&ch, &inside, branches[g], values);
        close_if(&ch, made, &inside, values);
    }
    decision->whole = choice.whole && !ch.work.light && same_rows(&ch) && plan->capacity == plan->rows;
    if (!choice.select) return false;
    sl_builder b = sl_builder_before(ch.op);
    if (choice.packed) {
        sl_op *made;
        sl_builder inside = open_if(&ch, above_threshold(&ch, &b, choice.threshold), &made);
        build_tally(&ch, &inside, decision->site);
        build_select(&ch, &inside, values);
        close_if(&ch, made, &inside, values);
        return false;
    }
    if (!keys_fit(sl_op_operand(plan->partition, 0), plan->branches) || choice.whole) build_tally(&ch, &b, decision->site);
    build_select(&ch, &b, values);
    sl_op_replace(ch.op, values);
    return true;
}

/* Packed results lie in the order of the rows when all of them went to one branch. */
void sl_split_unless_whole(sl_splitter *s, const sl_split_merge *merge, int computed, const int64_t *branches) {
    chooser ch = {.s = s, .op = merge->op, .merge = merge};
    for (int g = 0; g < computed; g++) {
        sl_op *made;
        sl_builder before = sl_builder_before(ch.op), inside = open_if(&ch, all_go_to(s, &before, merge->plan, branches[g]), &made);
        close_if(&ch, made, &inside, merge->packed);
    }
}
