/* recover_dense.c: experts that were exported as dense products, multiplied by a gate that is 0 for most of them.
 *
 * Recovered: y = sum over e of gate[row, e] * f_e(row), however the sum is written:
 *     a tree of additions, whose leaves are products of a body with factors that have one value a row (leaves without a gate stay outside: shared experts, residuals)
 *     reduce(sum over the experts) of gates * bodies         bodies stacked by a concat, or computed together by products with stacked weights
 *     contract(gates, bodies) over the experts               MatMul and Einsum
 *     the same of running sums over the bodies               prefixes of learners, one of which the gate takes
 * where the gate is made to be 0: it is a constant 0 unless the expert is among the row's picks, or it is 0 by a mask (recover_facts.c). It becomes a switch that adds up the weighted results of the
 * experts whose gate is not 0, in ascending order.
 *
 * What is left out is 0 * f_e(row): that differs where f_e(row) is NaN or infinite, so `strict` keeps the sum. Near misses are reported: experts multiplied by a gate that may be anything, bodies that
 * mix rows, too little work. */
#include "recover.h"

#include <string.h>

enum { MAX_LEAVES = SL_RECOVER_MAX_BRANCHES, MAX_FACTORS = 8, MIN_EXPERT_WORK = 256 };

typedef struct term {
    sl_op *user;                    /* multiplies body and gate; */
    int operand;                    /* the body's place in it */
    int factor_count;
    sl_value *factors[MAX_FACTORS]; /* one value a row each, `rows` */
    bool is_mask[MAX_FACTORS];
} term;

typedef struct dense {
    sl_pass_context *pass;
    sl_op *op;                      /* the sum */
    bool *failed;
    sl_expr rows;
    SL_VEC(term) terms;
    SL_VEC(sl_value *) rest;        /* leaves without gates */
} dense;

static sl_type type_of(const sl_value *value) { return sl_value_type(value); }

static bool near_miss(dense *d, const char *why) {
    *d->failed |= sl_pass_dense_fallback(d->pass, d->op, sl_arena_printf(d->pass->scratch, "all experts are computed for all rows: %s", why));
    return false;
}

/* ---- gates ---- */

/* What `value` repeats along all axes but `rows` and `experts` (-1: none): `axes` gets where those are in it. NULL when it varies along others. */
static sl_value *spread_from(sl_value *value, int rows, int experts, int *row_axis, int *expert_axis) {
    for (;;) {
        sl_op *op = sl_value_op(value);
        sl_type type = type_of(value);
        bool alone = true;
        for (int d = 0; d < sl_type_rank(type); d++) alone &= d == rows || d == experts || sl_expr_equals_const(sl_type_dim(type, d), 1);
        if (alone) return *row_axis = rows, *expert_axis = experts, value;
        if (!op || sl_op_get_kind(op) != SL_OP_tensor_broadcast || !sl_type_is_ranked(type_of(sl_op_operand(op, 0)))) return NULL;
        int from = sl_recover_axis(op, 0, rows), from_experts = experts < 0 ? -1 : sl_recover_axis(op, 0, experts);
        if (from < 0 || (experts >= 0 && from_experts < 0)) return NULL;
        value = sl_op_operand(op, 0), rows = from, experts = from_experts;
    }
}

static sl_fact fact_of(dense *d, sl_value *value, int rows, int experts) {
    sl_index index[SL_MAX_RANK];
    for (int i = 0; i < sl_type_rank(type_of(value)); i++)
        index[i] = (sl_index){i == rows ? SL_INDEX_ROW : i == experts ? SL_INDEX_EXPERT : SL_INDEX_FIXED, 0};
    return sl_recover_fact(d->pass, value, index);
}

static bool is_sparse(const sl_fact *fact) { return (fact->kind == SL_FACT_PICK || fact->kind == SL_FACT_MASK) && fact->outside == 0; }

/* ---- the tree of additions ---- */

static void add_leaves(dense *d, sl_value *value, bool first, int depth) {
    sl_op *op = sl_value_op(value);
    if (op && sl_op_get_kind(op) == SL_OP_arith_add && (first || sl_value_has_one_use(value)) && depth < MAX_LEAVES && sl_op_block(op) == sl_op_block(d->op)) {
        add_leaves(d, sl_op_operand(op, 0), false, depth + 1);
        add_leaves(d, sl_op_operand(op, 1), false, depth + 1);
        return;
    }
    /* A product: strip factors that have one value a row. */
    term t = {0};
    sl_value *body = value;
    while (t.factor_count < MAX_FACTORS) {
        sl_op *made = sl_value_op(body);
        if (!made || !sl_value_has_one_use(body) || sl_op_block(made) != sl_op_block(d->op)) break;
        double zero;
        int at, row, expert;
        bool masked = sl_op_get_kind(made) == SL_OP_arith_select && sl_recover_splat(sl_op_operand(made, 2), &zero) && zero == 0;
        if (masked) {
            sl_value *factor = spread_from(sl_op_operand(made, 0), 0, -1, &row, &expert);
            if (!factor || row != 0) break;
            t.factors[t.factor_count] = factor, t.is_mask[t.factor_count++] = true;
            at = 1;
        } else if (sl_op_get_kind(made) == SL_OP_arith_mul) {
            sl_value *left = spread_from(sl_op_operand(made, 0), 0, -1, &row, &expert), *right = spread_from(sl_op_operand(made, 1), 0, -1, &row, &expert);
            if ((left != NULL) == (right != NULL)) break;
            t.factors[t.factor_count++] = left ? left : right;
            at = left ? 1 : 0;
        } else break;
        t.user = made, t.operand = at;
        body = sl_op_operand(made, at);
    }
    if (t.factor_count) SL_PUSH(d->pass->scratch, &d->terms, t);
    else SL_PUSH(d->pass->scratch, &d->rest, value);
}

/* The best fact among a term's factors; the weight is their product. */
static sl_gate gate_of(dense *d, sl_builder *b, const term *t) {
    sl_gate gate = {.fact = {.kind = SL_FACT_UNKNOWN}};
    sl_element element = sl_type_element(type_of(sl_op_operand(t->user, t->operand)));
    bool masks_only = true;
    for (int i = 0; i < t->factor_count; i++) {
        sl_fact fact = fact_of(d, t->factors[i], 0, -1);
        if (is_sparse(&fact) && (gate.fact.kind != SL_FACT_PICK || fact.kind == SL_FACT_PICK)) gate.fact = fact;
        masks_only &= t->is_mask[i];
    }
    if (!b) return gate;
    for (int i = t->factor_count; i-- > 0;) {
        sl_value *column = sl_build_cast(b, sl_recover_column(b, t->factors[i], d->rows), element);
        gate.mask = gate.mask ? sl_build_binary(b, SL_OP_arith_mul, gate.mask, column) : column;
    }
    gate.weight = masks_only ? NULL : gate.mask;
    return gate;
}

/* ---- pricing and building, for all shapes of the sum ---- */

/* How many experts a row picks; 0 when that is not known. */
static int64_t picks_of(const sl_fact *fact) {
    if (fact->kind != SL_FACT_PICK) return 0;
    return fact->keys_choice < 0 ? 1 : sl_type_static_dim(type_of(fact->keys), fact->keys_choice);
}

static bool is_worth(dense *d, sl_bodies *bodies, const sl_fact *fact, sl_type result, double *work, double *saved) {
    int64_t picked = picks_of(fact), experts = picked > 0 ? sl_recover_key_limit(fact->keys) : -1;
    if (experts < bodies->branches) experts = bodies->branches;
    *work = sl_bodies_products(bodies);
    double share = picked > 0 ? (double)picked / (double)experts : 0.5;    /* of a mask nothing is known */
    if (share > 1) share = 1;
    int seen = 0;
    double rates = 0;
    for (int e = 0; e < bodies->branches; e++) {
        double rate = sl_recover_rate(d->pass, d->op, e);
        if (rate >= 0) rates += rate, seen++;
    }
    if (seen) share = rates / seen;
    double moved = sl_bodies_moved(bodies, result) * share * bodies->branches;
    *saved = *work * (1 - share);
    if (d->pass->strict) return near_miss(d, "skipping might differ where one meets NaN or infinity, and the mode is strict");
    if (*saved < SL_RECOVER_MOVE_COST * moved)
        return near_miss(d, sl_arena_printf(d->pass->scratch, "%.0f multiply-adds a row that would be saved%s are not worth moving %.0f elements", *saved, seen ? ", by the profile," : "", moved));
    return true;
}

static bool finish(dense *d, sl_bodies *bodies, const sl_gate *gates, sl_type result, double work, double saved) {
    sl_routing routing = {.merge = "add"};
    sl_builder b = sl_builder_before(d->op);
    const char *how;
    if (!sl_recover_route(d->pass, &b, bodies->branches, gates, d->rows, &routing, &how)) return near_miss(d, "the gates can't be made keys");
    sl_value *sum = sl_bodies_build(bodies, d->op, &routing, result);
    sl_pass_decide(d->pass, d->op, "routing", sl_arena_printf(d->pass->scratch, "%d experts computed for all rows and multiplied by gates become a switch: %s; %.0f of %.0f multiply-adds a row are expected to be saved",
                                                             bodies->branches, how, saved, work));
    for (size_t i = 0; i < d->rest.count; i++) sum = sl_build_binary(&b, SL_OP_arith_add, d->rest.data[i], sum);
    if (type_of(sum) != type_of(sl_op_result(d->op, 0))) sum = sl_recover_reshape(&b, sum, type_of(sl_op_result(d->op, 0)));
    sl_recover_replace(d->pass, d->op, sum);
    return true;
}

static bool add_tree(dense *d) {
    sl_type type = type_of(sl_op_result(d->op, 0));
    if (!sl_type_is_tensor(type) || !sl_type_is_ranked(type) || sl_type_rank(type) < 2 || !sl_element_is_float(sl_type_element(type))) return false;
    /* Only at the top of the tree. */
    for (sl_use *use = sl_value_first_use(sl_op_result(d->op, 0)); use; use = sl_use_next(use))
        if (sl_op_get_kind(sl_use_user(use)) == SL_OP_arith_add && sl_value_has_one_use(sl_op_result(d->op, 0)) && sl_op_block(sl_use_user(use)) == sl_op_block(d->op)) return false;
    d->rows = sl_type_dim(type, 0);
    if (sl_expr_equals_const(d->rows, 1)) return false;
    add_leaves(d, sl_op_result(d->op, 0), true, 0);
    if (!d->terms.count || d->terms.count > MAX_LEAVES) return false;
    /* Terms whose gate is never 0 by construction go with the rest. */
    size_t kept = 0, dropped = 0;
    sl_fact best = {.kind = SL_FACT_UNKNOWN};
    sl_bodies bodies;
    for (size_t i = 0; i < d->terms.count; i++) {
        sl_gate gate = gate_of(d, NULL, &d->terms.data[i]);
        if (is_sparse(&gate.fact)) best = gate.fact, d->terms.data[kept++] = d->terms.data[i];
        else dropped++;
    }
    if (!kept) {    /* worth a word when experts with work of their own are there */
        if (dropped < 2) return false;
        sl_bodies_init(&bodies, d->pass, (int)dropped, d->rows);
        for (size_t i = 0; i < dropped; i++) sl_bodies_add_root(&bodies, d->terms.data[i].user, d->terms.data[i].operand, (int)i, 0, -1);
        if (!sl_bodies_gather(&bodies, d->op) || sl_bodies_products(&bodies) < (double)dropped * MIN_EXPERT_WORK) return false;
        return near_miss(d, "their gates are not 0 by construction");
    }
    if (dropped) {    /* they were taken apart: put them together as they were */
        d->rest.count = 0;
        d->terms.count = 0;
        sl_pass_context *pass = d->pass;
        add_leaves(d, sl_op_result(d->op, 0), true, 0);
        size_t at = 0;
        for (size_t i = 0; i < d->terms.count; i++) {
            sl_gate gate = gate_of(d, NULL, &d->terms.data[i]);
            if (is_sparse(&gate.fact)) {
                d->terms.data[at++] = d->terms.data[i];
                continue;
            }
            /* The leaf is the product that nothing but the tree reads. */
            sl_value *leaf = sl_op_result(d->terms.data[i].user, 0);
            for (sl_op *user = sl_use_user(sl_value_first_use(leaf)); sl_op_get_kind(user) != SL_OP_arith_add; user = sl_use_user(sl_value_first_use(leaf))) leaf = sl_op_result(user, 0);
            SL_PUSH(pass->scratch, &d->rest, leaf);
        }
        d->terms.count = at;
    }
    d->terms.count = kept;
    sl_bodies_init(&bodies, d->pass, (int)kept, d->rows);
    for (size_t i = 0; i < kept; i++) sl_bodies_add_root(&bodies, d->terms.data[i].user, d->terms.data[i].operand, (int)i, 0, -1);
    if (!sl_bodies_gather(&bodies, d->op)) return near_miss(d, bodies.trouble);
    double work, saved;
    if (sl_bodies_products(&bodies) == 0) return false;
    if (!is_worth(d, &bodies, &best, type, &work, &saved)) return false;
    sl_builder b = sl_builder_before(d->op);
    sl_gate *gates = SL_NEW_ARRAY(d->pass->scratch, sl_gate, kept);
    for (size_t i = 0; i < kept; i++) gates[i] = gate_of(d, &b, &d->terms.data[i]);
    return finish(d, &bodies, gates, type, work, saved);
}

/* ---- one axis of experts ---- */

/* Sum over axis `experts` of bodies (`user`'s operand `operand`, with axes `rows` and `experts`) times `gate` (the same axes in it: gate_row, gate_expert). */
static bool one_axis(dense *d, sl_op *user, int operand, int rows, int experts, sl_value *gate, int gate_row, int gate_expert, sl_type result) {
    sl_value *body = sl_op_operand(user, operand);
    int64_t count = sl_type_static_dim(type_of(body), experts);
    if (count < 2 || count > SL_RECOVER_MAX_BRANCHES || sl_expr_equals_const(d->rows, 1)) return false;
    /* Running sums over the bodies, of which the gate takes one: body e is in all from e on. So it has the sum of the gates from e on. */
    sl_op *running = sl_value_op(body);
    if (running && sl_op_get_kind(running) == SL_OP_tensor_cumulate && sl_op_int(running, "axis", -1) == experts && !strcmp(sl_op_string(running, "kind", ""), "sum") &&
        !sl_op_bool(running, "reverse", false) && !sl_op_bool(running, "exclusive", false) && sl_value_has_one_use(body) && sl_op_block(running) == sl_op_block(d->op)) {
        sl_context *c = sl_op_context(d->op);
        sl_builder here = sl_builder_before(d->op);
        sl_named_attr attrs[] = {{"axis", sl_attr_int(c, gate_expert)}, {"kind", sl_attr_string(c, "sum")}, {"reverse", sl_attr_bool(c, true)}};
        sl_value *from = sl_recover_op(&here, SL_OP_tensor_cumulate, 1, &gate, type_of(gate), 3, attrs);
        if (one_axis(d, running, 0, rows, experts, from, gate_row, gate_expert, result)) return true;
        sl_recover_sweep(d->pass, sl_value_op(from));
        return false;
    }
    sl_fact fact = fact_of(d, gate, gate_row, gate_expert);
    sl_bodies bodies;
    sl_bodies_init(&bodies, d->pass, (int)count, d->rows);
    sl_bodies_add_root(&bodies, user, operand, SL_SIDE_EVERY, rows, experts);
    bool gathered = sl_bodies_gather(&bodies, d->op);
    double work = sl_bodies_products(&bodies), saved;
    if (work < (double)count * MIN_EXPERT_WORK) return false;
    if (!is_sparse(&fact)) return near_miss(d, "their gates are not 0 by construction");
    if (!gathered) return near_miss(d, bodies.trouble);
    if (!is_worth(d, &bodies, &fact, result, &work, &saved)) return false;
    sl_builder b = sl_builder_before(d->op);
    sl_gate *gates = SL_NEW_ARRAY(d->pass->scratch, sl_gate, (size_t)count);
    sl_value *lead = sl_build_cast(&b, sl_recover_lead(&b, gate, gate_row), sl_type_element(type_of(body)));
    sl_expr dims[2] = {d->rows, sl_expr_const(sl_op_context(d->op), count)};
    lead = sl_recover_reshape(&b, lead, sl_type_with_dims(sl_op_context(d->op), type_of(lead), 2, dims));
    for (int64_t e = 0; e < count; e++) {
        gates[e].fact = fact;
        gates[e].fact.expert = e;
        gates[e].mask = gates[e].weight = sl_recover_slice(&b, lead, 1, e);
    }
    return finish(d, &bodies, gates, result, work, saved);
}

static bool reduced(dense *d) {
    int count;
    const int64_t *axes = sl_op_ints(d->op, "axes", &count);
    sl_value *x = sl_op_operand(d->op, 0);
    sl_op *product = sl_value_op(x);
    sl_type result = type_of(sl_op_result(d->op, 0));
    if (count != 1 || strcmp(sl_op_string(d->op, "kind", ""), "sum") != 0 || !product || sl_op_get_kind(product) != SL_OP_arith_mul || !sl_value_has_one_use(x)) return false;
    if (sl_op_block(product) != sl_op_block(d->op) || !sl_type_is_ranked(result) || sl_type_rank(result) < 2) return false;
    int experts = (int)axes[0], rows = sl_recover_axis(d->op, 0, 0), row, expert;
    if (rows < 0) return false;
    d->rows = sl_type_dim(result, 0);
    for (int side = 0; side < 2; side++) {
        sl_value *gate = spread_from(sl_op_operand(product, side), rows, experts, &row, &expert);
        if (gate && one_axis(d, product, 1 - side, rows, experts, gate, row, expert, result)) return true;
    }
    return false;
}

static bool contracted(dense *d) {
    int sums, batches;
    const int64_t *left_sum = sl_op_ints(d->op, "left_sum", &sums), *right_sum = sl_op_ints(d->op, "right_sum", &sums);
    sl_op_ints(d->op, "left_batch", &batches);
    sl_type result = type_of(sl_op_result(d->op, 0));
    if (sums != 1 || batches < 1 || !sl_type_is_ranked(result) || sl_type_element(result) != sl_type_element(type_of(sl_op_operand(d->op, 0)))) return false;
    for (int side = 0; side < 2; side++) {
        sl_value *gate = sl_op_operand(d->op, side), *body = sl_op_operand(d->op, 1 - side);
        int gate_row = sl_recover_axis(d->op, side, 0), rows = sl_recover_axis(d->op, 1 - side, 0), experts = (int)(side ? left_sum : right_sum)[0], gate_expert = (int)(side ? right_sum : left_sum)[0];
        if (gate_row < 0 || rows < 0) return false;
        bool alone = true;
        for (int k = 0; k < sl_type_rank(type_of(gate)); k++) alone &= k == gate_row || k == gate_expert || sl_expr_equals_const(sl_type_dim(type_of(gate), k), 1);
        if (!alone || sl_type_rank(type_of(body)) < 3) continue;
        /* The result in the order of the body's dims; dims of 1 that the gate brings are put back by a reshape. */
        sl_expr dims[SL_MAX_RANK];
        int rank = 0;
        d->rows = dims[rank++] = sl_type_dim(result, 0);
        for (int k = 0; k < sl_type_rank(type_of(body)); k++)
            if (k != rows && k != experts) dims[rank++] = sl_type_dim(type_of(body), k);
        sl_type flat = sl_type_with_dims(sl_op_context(d->op), result, rank, dims);
        if (one_axis(d, d->op, 1 - side, rows, experts, gate, gate_row, gate_expert, flat)) return true;
    }
    return false;
}

bool sl_recover_dense(sl_pass_context *pass, sl_op *op, bool *failed) {
    dense d = {.pass = pass, .op = op, .failed = failed};
    sl_type type = sl_op_result_count(op) == 1 ? type_of(sl_op_result(op, 0)) : NULL;
    if (!type || !sl_type_is_tensor(type) || !sl_type_is_ranked(type) || !sl_value_has_uses(sl_op_result(op, 0))) return false;
    switch ((int)sl_op_get_kind(op)) {
    case SL_OP_arith_add: return add_tree(&d);
    case SL_OP_tensor_reduce: return reduced(&d);
    case SL_OP_tensor_contract: return contracted(&d);
    default: return false;
    }
}
