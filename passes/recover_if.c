/* recover_if.c: an If around the body of one expert, as scripted loops are exported: `if mask.any(): y = y with f_e(x[rows of mask]) added at rows`.
 *
 * The condition says whether the mask lists any row at all, and without rows the body hands `y` on as it is: what it writes at the listed rows is nothing. So the body may always run, and the loop over
 * experts (recover_loop.c) is seen. Work on no rows is no work; what is computed beside them must be free of effects. */
#include "recover.h"

#include <string.h>

enum { MAX_STEPS = 64 };

static sl_op_kind kind_of(const sl_value *value) { return sl_value_op(value) ? sl_op_get_kind(sl_value_op(value)) : SL_OP_COUNT; }
static sl_value *operand(const sl_value *value, int index) { return sl_op_operand(sl_value_op(value), index); }

static sl_value *without_casts(sl_value *value) {
    for (int i = 0; i < MAX_STEPS && (kind_of(value) == SL_OP_arith_cast || (kind_of(value) == SL_OP_tensor_reshape && sl_op_operand_count(sl_value_op(value)) == 1)); i++) value = operand(value, 0);
    return value;
}

/* The mask of which the condition says whether it is true anywhere; NULL. */
static sl_value *any_of(sl_value *condition) {
    double bound;
    int count;
    condition = without_casts(condition);
    if (kind_of(condition) == SL_OP_arith_cmp) {
        const char *predicate = sl_op_string(sl_value_op(condition), "predicate", "");
        if (!sl_recover_splat(operand(condition, 1), &bound)) return NULL;
        if (!((bound == 0 && (!strcmp(predicate, "gt") || !strcmp(predicate, "ne"))) || (bound == 1 && !strcmp(predicate, "ge")))) return NULL;
        condition = without_casts(operand(condition, 0));
    }
    for (int i = 0; i < MAX_STEPS && kind_of(condition) == SL_OP_tensor_reduce; i++) {    /* any over one axis after the other */
        const char *kind = sl_op_string(sl_value_op(condition), "kind", "");
        sl_op_ints(sl_value_op(condition), "axes", &count);
        if (count < 1 || (strcmp(kind, "sum") != 0 && strcmp(kind, "max") != 0 && strcmp(kind, "or") != 0)) return NULL;
        condition = without_casts(operand(condition, 0));
    }
    sl_type type = sl_value_type(condition);
    return sl_type_is_tensor(type) && sl_type_is_ranked(type) && sl_type_element(type) == SL_ELEMENT_i1 && sl_type_rank(type) > 0 ? condition : NULL;
}

/* Whether `value` writes at the places that `found` lists, and nowhere else: into `base`. */
static bool writes_places(sl_value *value, const sl_op *found, sl_value **base) {
    sl_op_kind kind = kind_of(value);
    if (kind != SL_OP_tensor_scatter_nd && kind != SL_OP_tensor_scatter_elements) return false;
    sl_type at = sl_value_type(operand(value, 1));
    *base = operand(value, 0);
    return sl_type_is_ranked(at) && sl_type_rank(at) > 0 && sl_type_dim(at, 0) == sl_type_dim(sl_value_type(sl_op_result(found, 0)), 1);
}

bool sl_recover_if(sl_pass_context *pass, sl_op *op) {
    double splat;
    if (sl_op_get_kind(op) != SL_OP_tensor_if || sl_op_result_count(op) != 1 || sl_op_region_count(op) != 2) return false;
    sl_value *mask = any_of(sl_op_operand(op, 0)), *base = NULL;
    if (!mask) return false;
    sl_block *then = sl_op_body(op, 0);
    sl_value *left = sl_op_operand(sl_block_terminator(sl_op_body(op, 1)), 0), *made = sl_op_operand(sl_block_terminator(then), 0);
    if (sl_value_op(left) && sl_op_block(sl_value_op(left)) == sl_op_body(op, 1)) return false;
    bool free_of_effects = true;
    const sl_op *found = NULL;
    for (sl_op *inner = sl_block_first(then); inner && inner != sl_block_terminator(then); inner = sl_op_next(inner)) {
        free_of_effects &= (sl_op_has_trait(inner, SL_TRAIT_PURE) && !sl_op_region_count(inner)) || sl_op_get_kind(inner) == SL_OP_core_guard;
        if (sl_op_get_kind(inner) == SL_OP_tensor_nonzero && without_casts(sl_op_operand(inner, 0)) == mask) found = inner;
    }
    if (!found || !free_of_effects) return false;
    bool hands_on = writes_places(made, found, &base) && base == left;
    for (int k = 0; k < 2 && !hands_on && kind_of(made) == SL_OP_arith_add; k++)
        hands_on = operand(made, k) == left && writes_places(operand(made, 1 - k), found, &base) && sl_recover_splat(base, &splat) && splat == 0;
    if (!hands_on) return false;
    pass->changes++;
    sl_pass_decide(pass, op, "routing", "an If around one expert asks whether it has rows: its body always runs, on the rows that there are");
    sl_builder b = sl_builder_before(op);
    sl_block_inline(&b, then, NULL);
    sl_op *yield = sl_op_previous(op);
    sl_value *result = sl_op_operand(yield, 0);
    if (sl_op_get_kind(yield) != SL_OP_tensor_yield) return false;
    sl_op_erase(yield);
    sl_recover_replace(pass, op, result);
    return true;
}
