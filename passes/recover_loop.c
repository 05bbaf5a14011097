/* recover_loop.c: loops over experts as PyTorch exports them, unrolled:
 *
 *     rows, choice = NonZero(mask of expert e)
 *     y = y with f_e(x[rows]) * weight[rows, choice] added at rows        index_add, y[rows] += ..: ScatterElements or ScatterND with add, or ScatterND of y[rows] + ..
 *     y = y + zeros with f_e(x[rows]) * .. put at rows                    index_add without its atomic form
 *     y = y with f_e(x[rows]) put at rows                                 y[rows] = ..
 *
 * They skip rows already, but search, gather and scatter once for each expert, with sizes that are known only when running. The chain of scatters becomes one switch: keys are the picks that all masks
 * compare with (recover_facts.c), else a column for each mask. Sums run in ascending order of expert from 0, as the loop does it, so `strict` has them, too.
 *
 * What a position means is found by following index arithmetic back to the NonZero: a sum of its coordinates with constant factors. So Gather, GatherND and a Gather from flattened weights are one case. */
#include "recover.h"

#include <string.h>

enum { MAX_COORDINATES = 2, MAX_INDEX_STEPS = 64 };

/* factor[0] * coordinate 0 + factor[1] * coordinate 1 + base, of the places that `found` (a tensor.nonzero) lists. */
typedef struct place { sl_op *found; int64_t factor[MAX_COORDINATES], base; } place;

typedef struct step {
    sl_op *scatter, *found;
    int row;                        /* coordinate that is the row */
    int64_t choices;                /* the other one's extent; 1 */
    sl_op *user;                    /* reads the body */
    int operand;
    sl_value *weight;               /* rows x choices or rows; NULL */
    bool weight_of_choice, add;
} step;

typedef struct loop {
    sl_pass_context *pass;
    sl_expr rows;
    SL_VEC(step) steps;             /* last first */
    SL_VEC(sl_value *) rest;        /* what is added to them */
    sl_value *base;                 /* what the first one writes into; NULL: zeros */
} loop;

static sl_type type_of(const sl_value *value) { return sl_value_type(value); }
static bool is_one(sl_type type, int axis) { return sl_expr_equals_const(sl_type_dim(type, axis), 1); }

/* ---- places ---- */

/* Index of value[index...] where one axis is the running place (ROW), others are fixed or, where the value repeats along them, free. */
static bool find_place(const sl_value *value, const sl_index *index, place *result, int steps) {
    sl_op *op = sl_value_op(value);
    sl_type type = type_of(value);
    sl_index inner[SL_MAX_RANK];
    double splat;
    memset(result, 0, sizeof *result);
    if (sl_recover_splat(value, &splat)) return result->base = (int64_t)splat, true;
    if (!op || steps > MAX_INDEX_STEPS || !sl_type_is_ranked(type)) return false;
    int rank = sl_type_rank(type), count;
    sl_type from = sl_op_operand_count(op) ? type_of(sl_op_operand(op, 0)) : NULL;
    if (from && !sl_type_is_ranked(from)) return false;
    switch ((int)sl_op_get_kind(op)) {
    case SL_OP_tensor_nonzero:
        if (index[0].kind != SL_INDEX_FIXED || index[1].kind != SL_INDEX_ROW || index[0].value < 0 || index[0].value >= MAX_COORDINATES) return false;
        result->found = op;
        result->factor[index[0].value] = 1;
        return true;
    case SL_OP_tensor_transpose: {
        const int64_t *perm = sl_op_ints(op, "perm", &count);
        for (int d = 0; d < rank; d++) inner[perm[d]] = index[d];
        return find_place(sl_op_operand(op, 0), inner, result, steps + 1);
    }
    case SL_OP_tensor_broadcast: {
        int lead = rank - sl_type_rank(from);
        for (int d = lead; d < rank; d++) inner[d - lead] = is_one(from, d - lead) ? (sl_index){SL_INDEX_FIXED, 0} : index[d];
        return find_place(sl_op_operand(op, 0), inner, result, steps + 1);
    }
    case SL_OP_tensor_reshape: {
        bool mapped = false;
        if (sl_op_operand_count(op) != 1) return false;
        for (int d = 0; d < sl_type_rank(from); d++) inner[d] = (sl_index){is_one(from, d) ? SL_INDEX_FIXED : SL_INDEX_FREE, 0};
        for (int e = 0; e < rank; e++) {
            if (is_one(type, e)) continue;
            int d = sl_recover_axis(op, 0, e);
            if (d < 0) return false;
            inner[d] = index[e];
            mapped |= index[e].kind == SL_INDEX_ROW;
        }
        return mapped && find_place(sl_op_operand(op, 0), inner, result, steps + 1);
    }
    case SL_OP_tensor_slice: {
        const int64_t *by = sl_op_ints(op, "steps", &count);
        for (int d = 0; d < rank; d++) {
            int64_t start;
            inner[d] = index[d];
            if (index[d].kind != SL_INDEX_FIXED && !is_one(type, d)) {
                if (sl_recover_axis(op, 0, d) != d) return false;
                continue;
            }
            if (index[d].kind == SL_INDEX_ROW || !sl_expr_is_const(sl_op_expr_at(op, "starts", d), &start)) return false;
            inner[d] = (sl_index){SL_INDEX_FIXED, start + by[d] * (index[d].kind == SL_INDEX_FIXED ? index[d].value : 0)};
        }
        return find_place(sl_op_operand(op, 0), inner, result, steps + 1);
    }
    case SL_OP_tensor_concat: {
        int axis = (int)sl_op_int(op, "axis", 0);
        int64_t at = index[axis].value;
        if (index[axis].kind != SL_INDEX_FIXED) return false;
        for (int i = 0; i < sl_op_operand_count(op); i++) {
            int64_t dim = sl_type_static_dim(type_of(sl_op_operand(op, i)), axis);
            if (dim < 0) return false;
            if (at >= dim) {
                at -= dim;
                continue;
            }
            memcpy(inner, index, sizeof inner);
            inner[axis].value = at;
            return find_place(sl_op_operand(op, i), inner, result, steps + 1);
        }
        return false;
    }
    case SL_OP_arith_cast:
        return sl_element_is_integer(sl_type_element(from)) && sl_element_bits(sl_type_element(from)) >= 32 && sl_element_bits(sl_type_element(type)) >= 32 &&
               sl_element_is_integer(sl_type_element(type)) && find_place(sl_op_operand(op, 0), index, result, steps + 1);
    case SL_OP_arith_mul: case SL_OP_arith_add: {
        place x, y;
        if (!find_place(sl_op_operand(op, 0), index, &x, steps + 1) || !find_place(sl_op_operand(op, 1), index, &y, steps + 1)) return false;
        if (x.found && y.found && x.found != y.found) return false;
        bool mul = sl_op_get_kind(op) == SL_OP_arith_mul;
        if (mul && x.found && y.found) return false;
        result->found = x.found ? x.found : y.found;
        for (int k = 0; k < MAX_COORDINATES; k++)
            if (mul ? __builtin_mul_overflow(x.found ? x.factor[k] : y.factor[k], x.found ? y.base : x.base, &result->factor[k]) : __builtin_add_overflow(x.factor[k], y.factor[k], &result->factor[k])) return false;
        return !(mul ? __builtin_mul_overflow(x.base, y.base, &result->base) : __builtin_add_overflow(x.base, y.base, &result->base));
    }
    default: return false;
    }
}

static bool is_coordinate(const place *p, int coordinate) {
    for (int k = 0; k < MAX_COORDINATES; k++)
        if (p->factor[k] != (k == coordinate)) return false;
    return p->base == 0;
}

/* ---- gathers ---- */

/* What a gather takes for each place that `found` lists: rows of `source` along `axis` (choice -1), or single rows of choices: source[row, choice] with `axis` 0. `result_axis`: where the places run. */
typedef struct gathered { sl_op *found; sl_value *source; int axis, result_axis, row, choice; } gathered;

static bool find_gathered(const sl_op *op, gathered *g) {
    place p[2];
    if (!op) return false;
    sl_op_kind kind = sl_op_get_kind(op);
    if (kind != SL_OP_tensor_take && kind != SL_OP_tensor_gather_nd) return false;
    sl_value *x = sl_op_operand(op, 0), *at = sl_op_operand(op, 1);
    sl_type type = type_of(at), from = type_of(x);
    int rank = sl_type_rank(type);
    if (!sl_type_is_ranked(type) || !sl_type_is_ranked(from)) return false;
    *g = (gathered){.source = x, .choice = -1};
    sl_index index[SL_MAX_RANK];
    if (kind == SL_OP_tensor_gather_nd) {
        int64_t width = rank == 2 ? sl_type_static_dim(type, 1) : -1;
        if (width < 1 || width > 2 || sl_op_int(op, "batch_dims", 0) != 0) return false;
        for (int64_t k = 0; k < width; k++) {
            index[0] = (sl_index){SL_INDEX_ROW, 0}, index[1] = (sl_index){SL_INDEX_FIXED, k};
            if (!find_place(at, index, &p[k], 0) || !p[k].found || (k && p[k].found != p[0].found)) return false;
        }
        g->found = p[0].found;
        for (int c = 0; c < MAX_COORDINATES; c++) {
            if (is_coordinate(&p[0], c)) g->row = c;
            if (width == 2 && is_coordinate(&p[1], c)) g->choice = c;
        }
        return is_coordinate(&p[0], g->row) && (width == 1 || (g->choice >= 0 && g->choice != g->row));
    }
    int run = -1;
    for (int d = 0; d < rank; d++) {
        index[d] = (sl_index){SL_INDEX_FIXED, 0};
        if (is_one(type, d)) continue;
        if (run >= 0) return false;
        index[run = d] = (sl_index){SL_INDEX_ROW, 0};
    }
    if (run < 0 || !find_place(at, index, &p[0], 0) || !p[0].found) return false;
    g->found = p[0].found;
    g->axis = (int)sl_op_int(op, "axis", 0);
    g->result_axis = g->axis + run;
    for (int c = 0; c < MAX_COORDINATES; c++)
        if (is_coordinate(&p[0], c)) return g->row = c, rank == 1;
    /* row * choices + choice in what was rows x choices */
    sl_op *flat = sl_value_op(x);
    if (g->axis != 0 || !flat || sl_op_get_kind(flat) != SL_OP_tensor_reshape || sl_op_operand_count(flat) != 1) return false;
    sl_type whole = type_of(sl_op_operand(flat, 0));
    int64_t choices = sl_type_is_ranked(whole) && sl_type_rank(whole) >= 2 ? sl_type_static_dim(whole, 1) : -1;
    if (choices < 1 || p[0].base != 0) return false;
    for (int c = 0; c < 2; c++)
        if (p[0].factor[c] == choices && p[0].factor[1 - c] == 1) {
            sl_context *context = sl_op_context(op);
            if (sl_type_dim(from, 0) != sl_expr_mul(context, sl_type_dim(whole, 0), sl_type_dim(whole, 1))) return false;
            g->source = sl_op_operand(flat, 0), g->row = c, g->choice = 1 - c;
            return true;
        }
    return false;
}

/* The gather of one number a place behind `value`, which repeats it; NULL. */
static bool find_scalar(const sl_value *value, gathered *g) {
    int rows = 0;
    for (const sl_op *op = sl_value_op(value); op; op = sl_value_op(value)) {
        sl_type type = type_of(value);
        bool alone = sl_type_is_ranked(type);
        for (int d = 0; alone && d < sl_type_rank(type); d++) alone = d == rows || is_one(type, d);
        if (alone && find_gathered(op, g)) return true;
        sl_op_kind kind = sl_op_get_kind(op);
        if ((kind != SL_OP_tensor_broadcast && kind != SL_OP_tensor_reshape) || sl_op_operand_count(op) != 1 || !sl_type_is_ranked(type_of(sl_op_operand(op, 0)))) return false;
        rows = sl_recover_axis(op, 0, rows);
        if (rows < 0) return false;
        value = sl_op_operand(op, 0);
    }
    return false;
}

/* ---- steps ---- */

static bool is_scatter(const sl_value *value) {
    const sl_op *op = sl_value_op(value);
    return op && (sl_op_get_kind(op) == SL_OP_tensor_scatter_nd || sl_op_get_kind(op) == SL_OP_tensor_scatter_elements);
}

/* One scatter whose places a NonZero found. `in_sum`: it is added to the others. */
static bool read_step(sl_op *op, bool in_sum, step *s) {
    *s = (step){.scatter = op};
    sl_value *at = sl_op_operand(op, 1), *update = sl_op_operand(op, 2), *before = sl_op_operand(op, 0);
    sl_type type = type_of(at), whole = type_of(sl_op_result(op, 0));
    const char *reduction = sl_op_string(op, "reduction", "none");
    bool elements = sl_op_get_kind(op) == SL_OP_tensor_scatter_elements, none = !strcmp(reduction, "none");
    if (!sl_type_is_ranked(type) || !sl_type_is_ranked(whole) || sl_type_rank(whole) < 1 || !sl_type_is_ranked(type_of(update))) return false;
    int rank = sl_type_rank(type);
    if ((!none && strcmp(reduction, "add") != 0) || (elements ? sl_op_int(op, "axis", 0) != 0 : rank != 2 || sl_type_static_dim(type, 1) != 1)) return false;
    sl_index index[SL_MAX_RANK];
    for (int d = 0; d < rank; d++) index[d] = (sl_index){d == 0 ? SL_INDEX_ROW : elements && !is_one(type, d) ? SL_INDEX_FREE : SL_INDEX_FIXED, 0};
    if (elements && rank != sl_type_rank(whole)) return false;
    for (int d = 1; elements && d < rank; d++)
        if (sl_type_dim(type, d) != sl_type_dim(whole, d)) return false;
    place p;
    if (!find_place(at, index, &p, 0) || !p.found) return false;
    s->found = p.found;
    for (s->row = 0; s->row < MAX_COORDINATES && !is_coordinate(&p, s->row);) s->row++;
    sl_type mask = type_of(sl_op_operand(p.found, 0));
    if (s->row == MAX_COORDINATES || !sl_type_is_ranked(mask) || sl_type_rank(mask) < 1 || sl_type_rank(mask) > 2 || sl_type_dim(mask, s->row) != sl_type_dim(whole, 0)) return false;
    s->choices = sl_type_rank(mask) == 2 ? sl_type_static_dim(mask, 1 - s->row) : 1;
    if (s->choices < 1) return false;
    s->add = !none || in_sum;
    s->user = op, s->operand = 2;
    /* y[rows] + .. put back is an addition, when no row is there twice. */
    sl_op *made = sl_value_op(update);
    gathered g;
    for (int k = 0; none && made && sl_op_get_kind(made) == SL_OP_arith_add && k < 2; k++) {
        if (s->add || !find_gathered(sl_value_op(sl_op_operand(made, k)), &g) || g.source != before || g.found != s->found || g.row != s->row || g.choice >= 0 || g.axis != 0) continue;
        s->user = made, s->operand = 1 - k, s->add = true;
    }
    sl_op *factor = sl_value_op(sl_op_operand(s->user, s->operand));
    for (int k = 0; s->add && factor && sl_op_get_kind(factor) == SL_OP_arith_mul && k < 2; k++) {
        if (s->weight || !find_scalar(sl_op_operand(factor, k), &g) || g.found != s->found || g.row != s->row) continue;
        sl_type from = type_of(g.source);
        double elements_a_row = sl_recover_row_elements(from, g.axis);
        if (g.choice >= 0 ? elements_a_row != (double)s->choices : elements_a_row != 1) continue;
        s->weight = g.source, s->weight_of_choice = g.choice >= 0;
        s->user = factor, s->operand = 1 - k;
    }
    return true;
}

/* Whether the value before a step is read by that step only: by its scatter, and by the gather of y[rows]. */
static bool is_private(const sl_value *before, const step *s) {
    for (sl_use *use = sl_value_first_use(before); use; use = sl_use_next(use)) {
        sl_op *user = sl_use_user(use);
        if (user == s->scatter && sl_use_index(use) == 0) continue;
        sl_value *result = sl_op_result_count(user) == 1 ? sl_op_result(user, 0) : NULL;
        gathered g;
        if (!s->add || !result || !find_gathered(user, &g) || g.source != before || g.found != s->found || !sl_value_has_one_use(result)) return false;
        sl_op *sum = sl_use_user(sl_value_first_use(result));
        if (sl_op_get_kind(sum) != SL_OP_arith_add || sl_value_op(sl_op_operand(s->scatter, 2)) != sum) return false;
    }
    return true;
}

static bool stays(sl_op *op, const char *why) {
    sl_op_report(op, SL_SEVERITY_REMARK, "stays a loop over experts that finds, gathers and scatters rows for each one: %s", why);
    return false;
}

static sl_gate gate_of(const loop *l, const step *s, sl_builder *b) {
    sl_gate gate = {0};
    sl_value *mask = sl_op_operand(s->found, 0);
    sl_index index[2] = {{SL_INDEX_CHOICE, 0}, {SL_INDEX_CHOICE, 0}};
    sl_context *context = sl_module_context(l->pass->module);
    index[s->row].kind = SL_INDEX_ROW;
    if (s->choices == 1) index[1 - s->row].kind = SL_INDEX_FIXED;
    gate.fact = sl_recover_fact(l->pass, mask, index);
    /* The rows are those of the picks exactly only where the mask is not 0 for each pick. */
    if (gate.fact.kind != SL_FACT_PICK || gate.fact.outside != 0 || !gate.fact.inside_known || gate.fact.inside == 0) gate.fact.kind = SL_FACT_MASK;
    sl_expr dims[2] = {l->rows, sl_expr_const(context, s->choices)};
    int rank = s->choices == 1 ? 1 : 2;
    gate.mask = sl_recover_lead(b, mask, s->row);
    gate.mask = sl_recover_reshape(b, gate.mask, sl_type_tensor(context, sl_type_element(type_of(mask)), rank, dims));
    gate.weight = s->weight;
    return gate;
}

/* y = scatter(.. scatter(base, ..), ..): false when `op` is no such step. */
static bool read_chain(loop *l, sl_op *op) {
    step s;
    double zero;
    if (!read_step(op, false, &s)) return false;
    SL_PUSH(l->pass->scratch, &l->steps, s);
    for (l->base = sl_op_operand(op, 0); is_scatter(l->base) && sl_op_block(sl_value_op(l->base)) == sl_op_block(op); l->base = sl_op_operand(l->steps.data[l->steps.count - 1].scatter, 0)) {
        if (l->steps.count == SL_RECOVER_MAX_BRANCHES || !is_private(l->base, &l->steps.data[l->steps.count - 1]) || !read_step(sl_value_op(l->base), false, &s)) break;
        if (s.add != l->steps.data[0].add || s.choices != l->steps.data[0].choices) break;
        SL_PUSH(l->pass->scratch, &l->steps, s);
    }
    if (sl_recover_splat(l->base, &zero) && zero == 0) l->base = NULL;
    else if (s.add) SL_PUSH(l->pass->scratch, &l->rest, l->base);
    return true;
}

/* y = .. + scatter(0, ..) + scatter(0, ..): last first. */
static void read_sum(loop *l, sl_op *sum, sl_value *value, int depth) {
    sl_op *op = sl_value_op(value);
    step s;
    double zero;
    if (op == sum || (op && sl_op_get_kind(op) == SL_OP_arith_add && sl_value_has_one_use(value) && depth < SL_RECOVER_MAX_BRANCHES && sl_op_block(op) == sl_op_block(sum))) {
        read_sum(l, sum, sl_op_operand(op, 1), depth + 1);
        read_sum(l, sum, sl_op_operand(op, 0), depth + 1);
    } else if (is_scatter(value) && sl_value_has_one_use(value) && sl_op_block(op) == sl_op_block(sum) && sl_recover_splat(sl_op_operand(op, 0), &zero) && zero == 0 && read_step(op, true, &s) &&
               (!l->steps.count || s.choices == l->steps.data[0].choices)) SL_PUSH(l->pass->scratch, &l->steps, s);
    else SL_PUSH(l->pass->scratch, &l->rest, value);
}

bool sl_recover_loop(sl_pass_context *pass, sl_op *op, bool *failed) {
    loop l = {.pass = pass};
    sl_value *result = sl_op_result(op, 0);
    (void)failed;    /* skips rows as it is */
    if (!sl_value_has_uses(result) || !sl_type_is_tensor(type_of(result)) || !sl_type_is_ranked(type_of(result)) || sl_type_rank(type_of(result)) < 1) return false;
    l.rows = sl_type_dim(type_of(result), 0);
    if (sl_op_get_kind(op) == SL_OP_arith_add) {
        sl_op *user = sl_value_has_one_use(result) ? sl_use_user(sl_value_first_use(result)) : NULL;
        if (user && sl_op_get_kind(user) == SL_OP_arith_add && sl_op_block(user) == sl_op_block(op)) return false;    /* only at the top of the sum */
        read_sum(&l, op, result, 0);
    } else if (!read_chain(&l, op)) return false;
    int branches = (int)l.steps.count;
    if (branches < 2) return false;
    sl_bodies bodies;
    sl_bodies_init(&bodies, pass, branches, l.rows);
    bool weights_of_rows = false;
    for (int i = 0; i < branches; i++) {
        const step *from = &l.steps.data[branches - 1 - i];
        sl_bodies_add_root(&bodies, from->user, from->operand, i, 0, -1);
        weights_of_rows |= from->weight && !from->weight_of_choice;
    }
    int scanned = 0;
    for (sl_op *gather = sl_op_previous(op); gather && scanned < SL_RECOVER_MAX_SCAN; gather = sl_op_previous(gather), scanned++) {
        gathered g;
        if (!find_gathered(gather, &g) || g.choice >= 0 || sl_type_dim(type_of(g.source), g.axis) != l.rows) continue;
        sl_row_source source = {sl_op_result(gather, 0), g.source, g.axis};
        SL_PUSH(pass->scratch, &bodies.sources, source);
    }
    if (!sl_bodies_gather(&bodies, op)) return stays(op, bodies.trouble);
    if (sl_bodies_products(&bodies) == 0) return false;
    if (weights_of_rows && l.steps.data[0].choices > 1) return stays(op, "a weight of the row is multiplied with each of its choices");
    /* Gates: their values are computed where the switch is. */
    sl_builder b = sl_builder_before(op);
    sl_gate *gates = SL_NEW_ARRAY(pass->scratch, sl_gate, (size_t)branches);
    bool add = l.steps.data[0].add, put_back = false, differ = true;
    for (int i = 0; i < branches; i++) {
        const step *from = &l.steps.data[branches - 1 - i];
        gates[i] = gate_of(&l, from, &b);
        put_back |= from->add && !strcmp(sl_op_string(from->scatter, "reduction", "none"), "none");
        differ &= from->choices == 1 || (gates[i].fact.kind == SL_FACT_PICK && sl_recover_keys_differ(&gates[i].fact));
    }
    if (!add && l.steps.data[0].choices > 1) return stays(op, "rows with several choices are put, not added");
    if (add && put_back && !differ) return stays(op, "a row may be found twice for one expert");
    bool keep = !add && l.base;
    sl_routing routing = {.merge = add ? "add" : keep ? "keep" : "place", .old = keep ? l.base : NULL};
    const char *how;
    if (!sl_recover_route(pass, &b, branches, gates, l.rows, &routing, &how)) return stays(op, "the masks can't be made keys");
    sl_value *value = sl_bodies_build(&bodies, op, &routing, type_of(result));
    sl_pass_decide(pass, op, "routing", sl_arena_printf(pass->scratch, "a loop over %d experts that finds, gathers and scatters their rows becomes a switch: %s", branches, how));
    for (size_t i = 0; i < l.rest.count; i++) value = sl_build_binary(&b, SL_OP_arith_add, l.rest.data[i], value);
    sl_recover_replace(pass, op, value);
    return true;
}
