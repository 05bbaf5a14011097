/* recover_gathered.c: weights gathered for each row, as transformers exports its experts ("batched_mm"): rows are repeated for each of their picks, take(stacked weights, picks) copies a whole matrix for
 * every one of them, and a batched product multiplies row i with matrix i. It skips experts already, but reads and writes all those copies.
 *
 * Within the body of one expert the gathered weights are the same for all rows: one slice of the stacked ones. So everything between the first and the last such product becomes a switch by the picks with
 * one body per expert, whose results are placed where their rows were. No value differs, so `strict` has it, too. */
#include "recover.h"

enum { MAX_FORWARD = 64, MIN_WORK = 64 };

static sl_type type_of(const sl_value *value) { return sl_value_type(value); }

/* `value` without reshapes. */
static sl_value *unshaped(sl_value *value) {
    while (sl_value_op(value) && sl_op_get_kind(sl_value_op(value)) == SL_OP_tensor_reshape && sl_op_operand_count(sl_value_op(value)) == 1) value = sl_op_operand(sl_value_op(value), 0);
    return value;
}

/* Whether `op` copies one slice of stacked values per row: the picks, one for each of `rows`. */
static sl_value *gathers_slices(const sl_op *op, sl_expr *rows) {
    if (!op || (sl_op_get_kind(op) != SL_OP_tensor_take && sl_op_get_kind(op) != SL_OP_tensor_gather_nd)) return NULL;
    bool nd = sl_op_get_kind(op) == SL_OP_tensor_gather_nd;
    sl_value *stack = sl_op_operand(op, 0), *picks = sl_op_operand(op, 1);
    sl_type type = type_of(picks);
    if (!sl_type_is_ranked(type) || !sl_type_is_ranked(type_of(stack)) || sl_type_rank(type_of(stack)) < 2 || sl_type_rank(type) != (nd ? 2 : 1)) return NULL;
    if (nd ? sl_type_static_dim(type, 1) != 1 || sl_op_int(op, "batch_dims", 0) != 0 : sl_op_int(op, "axis", 0) != 0) return NULL;
    int64_t experts = sl_type_static_dim(type_of(stack), 0);
    if (experts < 2 || experts > SL_RECOVER_MAX_BRANCHES) return NULL;
    *rows = sl_type_dim(type, 0);
    return picks;
}

/* The gather behind what a product multiplies with. */
static sl_op *weights_of(sl_value *value) {
    sl_expr rows;
    for (int i = 0; i < MAX_FORWARD; i++) {
        sl_op *op = sl_value_op(value);
        if (!op) return NULL;
        sl_op_kind kind = sl_op_get_kind(op);
        if (gathers_slices(op, &rows)) return sl_type_rank(type_of(sl_op_operand(op, 0))) >= 3 ? op : NULL;
        if ((kind != SL_OP_tensor_reshape && kind != SL_OP_tensor_transpose && kind != SL_OP_arith_cast) || sl_op_operand_count(op) != 1) return NULL;
        value = sl_op_operand(op, 0);
    }
    return NULL;
}

/* The axis of the op's result that axis `axis` of its operand becomes. */
static int forward_axis(const sl_op *op, int operand, int axis) {
    sl_type type = type_of(sl_op_result(op, 0));
    if (!sl_type_is_tensor(type) || !sl_type_is_ranked(type)) return -1;
    for (int d = 0; d < sl_type_rank(type); d++)
        if (sl_recover_axis(op, operand, d) == axis) return d;
    return -1;
}

/* Behind the product, as long as gathered values (biases) are still used row by row: the last op that does. */
static sl_op *last_use(const sl_bodies *bodies, sl_op *product, int *axis) {
    sl_op *best = product, *op = product;
    int at = *axis;
    for (int i = 0; i < MAX_FORWARD && sl_op_result_count(op) == 1 && sl_value_has_one_use(sl_op_result(op, 0)); i++) {
        sl_use *use = sl_value_first_use(sl_op_result(op, 0));
        sl_op *user = sl_use_user(use);
        if (sl_op_result_count(user) != 1 || sl_op_block(user) != sl_op_block(product) || (at = forward_axis(user, sl_use_index(use), at)) < 0) break;
        op = user;
        for (int k = 0; k < sl_op_operand_count(op); k++) {
            const sl_op *from = sl_value_op(sl_op_operand(op, k));
            for (size_t s = 0; from && s < bodies->stacks.count; s++)
                if (k != sl_use_index(use) && bodies->stacks.data[s].value == sl_op_result(from, 0)) best = op, *axis = at;
        }
    }
    return best;
}

bool sl_recover_gathered(sl_pass_context *pass, sl_op *op, bool *failed) {
    sl_expr rows = NULL;
    sl_op *gather = weights_of(sl_op_operand(op, 0));
    if (!gather) gather = weights_of(sl_op_operand(op, 1));
    if (!gather) return false;
    (void)failed;    /* skips experts as it is */
    sl_value *picks = unshaped(gathers_slices(gather, &rows));
    int64_t experts = sl_type_static_dim(type_of(sl_op_operand(gather, 0)), 0);
    sl_type type = type_of(sl_op_result(op, 0));
    int axis = -1;
    if (!sl_type_is_ranked(type)) return false;
    for (int d = 0; d < sl_type_rank(type) && axis < 0; d++)
        if (sl_recover_axis(op, 0, d) >= 0 && sl_recover_axis(op, 1, d) >= 0 && sl_type_dim(type, d) == rows) axis = d;
    if (axis < 0 || sl_expr_equals_const(rows, 1)) return false;

    sl_bodies bodies;
    sl_bodies_init(&bodies, pass, (int)experts, rows);
    int scanned = 0;
    for (sl_op *other = sl_block_terminator(sl_op_block(op)); other && scanned < SL_RECOVER_MAX_SCAN; other = sl_op_previous(other), scanned++) {
        sl_expr other_rows;
        sl_value *same = gathers_slices(other, &other_rows);
        if (!same || unshaped(same) != picks || other_rows != rows || sl_type_static_dim(type_of(sl_op_operand(other, 0)), 0) != experts) continue;
        SL_PUSH(pass->scratch, &bodies.stacks, (sl_row_source){sl_op_result(other, 0), sl_op_operand(other, 0), 0});
    }
    sl_op *last = last_use(&bodies, op, &axis);
    sl_value *result = sl_op_result(last, 0);
    if (!sl_value_has_uses(result)) return false;
    for (sl_use *use = sl_value_first_use(result); use; use = sl_use_next(use)) sl_bodies_add_root(&bodies, sl_use_user(use), sl_use_index(use), SL_SIDE_EVERY, axis, -1);
    sl_op *behind = sl_op_next(last);
    bool gathered = sl_bodies_gather(&bodies, behind);
    if (sl_bodies_products(&bodies) < MIN_WORK) return false;
    if (!gathered) {
        sl_op_report(op, SL_SEVERITY_REMARK, "copies the weights of an expert for each row: %s", bodies.trouble);
        return false;
    }
    sl_builder b = sl_builder_before(behind);
    b.loc = sl_op_loc(op);
    sl_value *keys = sl_recover_column(&b, sl_build_cast(&b, picks, SL_ELEMENT_i64), rows);
    int64_t limit = sl_recover_key_limit(picks);
    if (limit < 0 || limit > experts) {    /* negative ones count from the end */
        sl_type flat = type_of(keys);
        sl_value *low = sl_build_compare(&b, "lt", keys, sl_recover_splat_like(&b, flat, 0)), *up = sl_build_binary(&b, SL_OP_arith_add, keys, sl_recover_splat_like(&b, flat, (double)experts));
        keys = sl_build_select(&b, low, up, keys);
    }
    sl_type whole = type_of(result);
    sl_expr dims[SL_MAX_RANK];
    int64_t perm[SL_MAX_RANK];
    int rank = sl_type_rank(whole);
    for (int d = 0; d < rank; d++) {
        dims[d] = d == 0 ? rows : sl_type_dim(whole, d <= axis ? d - 1 : d);
        perm[d] = d < axis ? d + 1 : d == axis ? 0 : d;
    }
    sl_routing routing = {.keys = keys, .choices = 1, .merge = "place"};
    sl_value *value = sl_bodies_build(&bodies, behind, &routing, sl_type_with_dims(bodies.c, whole, rank, dims));
    if (axis) {
        sl_named_attr attr = {"perm", sl_attr_ints(bodies.c, rank, perm)};
        value = sl_recover_op(&b, SL_OP_tensor_transpose, 1, &value, whole, 1, &attr);
    }
    sl_pass_decide(pass, op, "routing", sl_arena_printf(pass->scratch, "weights of %lld experts that are copied for each row become a switch by the picks: %.0f multiply-adds a row", (long long)experts,
                                                        sl_bodies_products(&bodies)));
    sl_recover_replace(pass, last, value);
    return true;
}
