/* recover_select.c: `select(condition of a row, f(rows), g(rows))`, what Where over two bodies becomes: both were computed for all rows. It turns into a switch with two branches, so that each row
 * runs its own side only. Selects inside of a side are recovered in its body: flattened exits nest.
 *
 * A select is worth it when its bodies' multiply-adds per row outweigh what packing and merging move. */
#include "recover.h"

/* One i1 for each row (rank 1, or dims of 1 behind the rows) behind a select's condition; NULL when it differs within a row. */
static sl_value *row_condition(const sl_op *select) {
    sl_value *condition = sl_op_operand(select, 0);
    sl_type result = sl_value_type(sl_op_result(select, 0));
    if (!sl_type_is_tensor(result) || !sl_type_is_ranked(result) || sl_type_rank(result) == 0 || sl_expr_equals_const(sl_type_dim(result, 0), 1)) return NULL;
    sl_op *op = sl_value_op(condition);
    if (sl_type_rank(result) > 1 && op && sl_op_get_kind(op) == SL_OP_tensor_broadcast) condition = sl_op_operand(op, 0);
    sl_type type = sl_value_type(condition);
    if (!sl_type_is_ranked(type) || sl_type_rank(type) == 0 || sl_type_dim(type, 0) != sl_type_dim(result, 0)) return NULL;
    for (int d = 1; d < sl_type_rank(type); d++)
        if (!sl_expr_equals_const(sl_type_dim(type, d), 1)) return NULL;
    return condition;
}

static void set_up(sl_bodies *bodies, sl_pass_context *pass, sl_op *select) {
    sl_bodies_init(bodies, pass, 2, sl_type_dim(sl_value_type(sl_op_result(select, 0)), 0));
    for (int operand = 1; operand <= 2; operand++) sl_bodies_add_root(bodies, select, operand, operand == 1 ? 1 : 0, 0, -1);    /* the condition is the key: branch 1 is what it selects */
}

bool sl_recover_select(sl_pass_context *pass, sl_op *select, bool *failed) {
    sl_value *condition = row_condition(select);
    if (!condition) return false;
    sl_type type = sl_value_type(sl_op_result(select, 0));
    sl_bodies bodies;
    set_up(&bodies, pass, select);
    bool fits = sl_bodies_gather(&bodies, select);
    double work = sl_bodies_products(&bodies), moved = sl_bodies_moved(&bodies, type);
    if (work == 0) {
        sl_bodies hidden;
        set_up(&hidden, pass, select);
        hidden.loosely = true;
        sl_bodies_gather(&hidden, select);
        if (sl_bodies_products(&hidden) > 0) *failed |= sl_pass_dense_fallback(pass, select, "what it selects from is computed for all rows: it mixes rows");
        return false;
    }
    double rates[2] = {sl_recover_rate(pass, select, 0), sl_recover_rate(pass, select, 1)};
    bool seen = rates[0] >= 0 || rates[1] >= 0;
    if (seen) {    /* what the rows of earlier runs would have saved: the other side */
        if (rates[0] < 0) rates[0] = 1 - rates[1];
        if (rates[1] < 0) rates[1] = 1 - rates[0];
        work = sl_bodies_products_of(&bodies, 0) * (1 - rates[0]) + sl_bodies_products_of(&bodies, 1) * (1 - rates[1]);
    }
    const char *why = pass->strict ? "both sides are computed for all rows: skipping might differ where they meet NaN or infinity, and the mode is strict"
                      : !fits      ? sl_arena_printf(pass->scratch, "both sides are computed for all rows: %s", bodies.trouble)
                      : work < SL_RECOVER_MOVE_COST * moved
                          ? sl_arena_printf(pass->scratch, "both sides are computed for all rows: %.0f multiply-adds a row%s are not worth moving %.0f elements", work, seen ? " that the profile says would be saved" : "", moved)
                          : NULL;
    if (why) {
        *failed |= sl_pass_dense_fallback(pass, select, why);
        return false;
    }
    sl_pass_decide(pass, select, "routing", sl_arena_printf(pass->scratch, "a select by row over bodies with %.0f multiply-adds a row becomes a switch; %.0f elements a row are moved for it", work, moved));
    sl_builder b = sl_builder_before(select);
    sl_routing routing = {.keys = sl_build_cast(&b, sl_recover_column(&b, condition, bodies.rows), SL_ELEMENT_i64), .choices = 1, .merge = "place"};
    sl_recover_replace(pass, select, sl_bodies_build(&bodies, select, &routing, type));
    return true;
}
