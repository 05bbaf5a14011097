/* lower_to_nest.c: every structured tensor op becomes a nest.generic; pure views fold into the index maps of their readers.
 *
 * In: tensor level, types inferred. Out: nest level; of the tensor family only the ops that stay whole are left (docs/architecture.md), reshapes, which
 * are views of memory, and concat, which tile makes into copies. Loops of constant extent 1 do not appear: their index is 0 in the maps.
 *
 * Three steps for each block, inner blocks included:
 *   1. reshapes and transposes move out of the way on tensor level (lower_to_nest_reshape.c);
 *   2. in program order, each op but views is replaced by its nest, reading through all views that index arithmetic can express
 *      (lower_to_nest_views.c, lower_to_nest_ops.c);
 *   3. a view that is still used (by a whole op, a region, a return) becomes memory: a transpose whose producer is a nest with no other reader turns
 *      into another result map of that nest; anything else is a copying nest. */
#include "lower_to_nest.h"

#include <string.h>

void sl_lower_yield(sl_builder *body, int count, sl_value *const *values) { sl_build(body, SL_OP_nest_yield, count, values, 0, NULL, 0, NULL); }

void sl_lower_replace(sl_op *op, sl_op *nest) {
    sl_value *results[SL_MAX_RANK];
    for (int i = 0; i < sl_op_result_count(op); i++) {
        results[i] = sl_op_result(nest, i);
        sl_value_set_name(results[i], sl_value_name(sl_op_result(op, i)));
    }
    sl_op_replace(op, results);
}

/* Whether all operands and results are ranked tensors of elements that code can hold. */
static bool is_lowerable(const sl_op *op) {
    for (int i = 0; i < sl_op_operand_count(op); i++) {
        sl_type type = sl_value_type(sl_op_operand(op, i));
        if (!sl_type_is_tensor(type) || !sl_type_is_ranked(type) || sl_type_element(type) == SL_ELEMENT_str) return false;
    }
    for (int i = 0; i < sl_op_result_count(op); i++) {
        sl_type type = sl_value_type(sl_op_result(op, i));
        if (!sl_type_is_tensor(type) || !sl_type_is_ranked(type) || sl_type_element(type) == SL_ELEMENT_str) return false;
    }
    return true;
}

static sl_op *lower_elementwise(sl_op *op) {
    sl_nest_spec spec;
    sl_expr index[SL_MAX_RANK];
    sl_lower_input inputs[4];
    sl_value *operands[4];
    sl_named_attr attrs[8];
    sl_context *context = sl_op_context(op);
    sl_type type = sl_value_type(sl_op_result(op, 0));
    int count = sl_op_operand_count(op), attr_count = 0;
    sl_spec_init(&spec, context);
    sl_spec_loops_over(&spec, type, index);
    for (int i = 0; i < count; i++) inputs[i] = sl_lower_input_add(&spec, sl_op_operand(op, i), index, NULL, false);
    sl_spec_result(&spec, type, index, NULL);
    sl_builder builder = sl_builder_before(op);
    sl_op *nest = sl_spec_build(&spec, &builder);
    sl_builder body = sl_builder_at_end(builder.module, sl_nest_body(nest));
    for (int i = 0; i < count; i++) operands[i] = sl_lower_input_value(&body, nest, &inputs[i]);
    for (; attr_count < sl_op_attr_count(op) && attr_count < 8; attr_count++)
        attrs[attr_count].attr = sl_op_attr_at(op, attr_count, &attrs[attr_count].name);
    sl_type scalar = sl_type_scalar(context, sl_type_element(type));
    sl_value *value = sl_op_result(sl_build(&body, sl_op_get_kind(op), count, operands, 1, &scalar, attr_count, attrs), 0);
    sl_lower_yield(&body, 1, &value);
    return nest;
}

/* The nest that replaces op, or NULL. */
static sl_op *lower(sl_op *op) {
    if (sl_op_has_trait(op, SL_TRAIT_ELEMENTWISE)) return is_lowerable(op) ? lower_elementwise(op) : NULL;
    sl_op_kind kind = sl_op_get_kind(op);
    if (kind < SL_OP_tensor_broadcast || kind > SL_OP_tensor_yield || !is_lowerable(op)) return NULL;
    if (kind == SL_OP_tensor_reduce) return sl_lower_reduce(op);
    if (kind == SL_OP_tensor_arg_reduce) return sl_lower_arg_reduce(op);
    if (kind == SL_OP_tensor_contract) return sl_lower_contract(op);
    if (kind == SL_OP_tensor_conv) return sl_lower_conv(op);
    if (kind == SL_OP_tensor_pool) return sl_lower_pool(op);
    if (kind == SL_OP_tensor_take && !sl_lower_is_view(op)) return sl_lower_take(op);
    if (kind == SL_OP_tensor_gather_elements) return sl_lower_gather_elements(op);
    if (kind == SL_OP_tensor_iota) return sl_lower_iota(op);
    return NULL;
}

/* transpose(nest result read by nothing else): the nest writes in the transposed order. */
static bool fold_into_producer(sl_op *op) {
    sl_value *source = sl_op_operand(op, 0);
    sl_op *nest = sl_value_op(source);
    if (sl_op_get_kind(op) != SL_OP_tensor_transpose || !sl_nest_is_generic(nest) || !sl_value_has_one_use(source)) return false;
    if (sl_op_block(nest) != sl_op_block(op)) return false;
    int count, result = sl_value_index(source), operands = sl_op_operand_count(nest), loops = sl_nest_loop_count(nest);
    const int64_t *perm = sl_op_ints(op, "perm", &count);
    sl_context *context = sl_op_context(op);
    sl_attr maps[SL_NEST_MAX_OPERANDS + SL_NEST_MAX_RESULTS], old = sl_nest_result_map(nest, result);
    sl_expr exprs[SL_MAX_RANK];
    for (int d = 0; d < count; d++) exprs[d] = sl_attr_map_result(old, (int)perm[d]);
    for (int i = 0; i < operands + sl_op_result_count(nest); i++) maps[i] = sl_attr_item(sl_op_attr(nest, "maps"), i);
    maps[operands + result] = sl_attr_map(context, loops, count, exprs);
    sl_op_set_attr(nest, "maps", sl_attr_array(context, operands + sl_op_result_count(nest), maps));
    sl_value_set_type(source, sl_value_type(sl_op_result(op, 0)));
    sl_value_set_name(source, sl_value_name(sl_op_result(op, 0)));
    sl_op_replace(op, &source);
    if (sl_op_result_count(nest) != 1) return true;
    /* parallel loops may run in any order: take that of the memory written */
    sl_expr substitution[SL_NEST_MAX_LOOPS] = {0}, bounds[SL_NEST_MAX_LOOPS];
    bool reduced[SL_NEST_MAX_LOOPS] = {0};
    int placed = 0;
    for (int d = 0; d < count; d++) {
        int loop = sl_expr_plain_loop(exprs[d]);
        if (loop < 0) continue;
        bounds[placed] = sl_nest_bound(nest, loop);
        substitution[loop] = sl_expr_loop(context, placed++);
    }
    for (int i = 0; i < loops; i++) {
        if (!sl_nest_is_reduced(nest, i)) continue;
        bounds[placed] = sl_nest_bound(nest, i), reduced[placed] = true;
        substitution[i] = sl_expr_loop(context, placed++);
    }
    if (placed != loops) return true;
    sl_builder builder = sl_builder_before(nest);
    sl_nest_rewrite(&builder, nest, substitution, loops, bounds, reduced);
    return true;
}

/* A contraction whose result is only read transposed, with one of the right operand's loops innermost, writes it so: its lanes then lie along what the
 * reader, as its epilogue, stores. Other transposes are left to their readers. */
static bool wants_transposed(const sl_op *op) {
    sl_contraction info;
    int count;
    if (sl_op_get_kind(op) != SL_OP_tensor_transpose) return false;
    sl_op *nest = sl_value_op(sl_op_operand(op, 0));
    const int64_t *perm = sl_op_ints(op, "perm", &count);
    if (!sl_nest_is_contraction(nest, &info) || count == 0 || perm[count - 1] == count - 1) return false;
    int loop = sl_expr_plain_loop(sl_attr_map_result(sl_nest_result_map(nest, 0), (int)perm[count - 1]));
    return loop >= 0 && info.roles[loop] == SL_ROLE_N;
}

static int64_t lower_block(sl_block *block) {
    int64_t changes = 0;
    for (sl_op *op = sl_block_first(block), *next; op; op = next) {
        next = sl_op_next(op);
        if (sl_op_get_kind(op) == SL_OP_nest_generic || sl_op_get_kind(op) == SL_OP_nest_group) continue;
        for (int i = 0; i < sl_op_region_count(op); i++)
            if (sl_region_block(sl_op_region(op, i))) changes += lower_block(sl_op_body(op, i));
        if (wants_transposed(op) && fold_into_producer(op)) {
            changes++;
            continue;
        }
        sl_op *nest = lower(op);
        if (!nest) continue;
        sl_lower_replace(op, nest);
        changes++;
    }
    return changes;
}

/* ---- views that are left ---- */

static void copy_view(sl_op *op) {
    sl_nest_spec spec;
    sl_expr index[SL_MAX_RANK];
    sl_type type = sl_value_type(sl_op_result(op, 0));
    sl_spec_init(&spec, sl_op_context(op));
    sl_spec_loops_over(&spec, type, index);
    sl_lower_input input = sl_lower_input_add(&spec, sl_op_result(op, 0), index, NULL, false);
    sl_spec_result(&spec, type, index, NULL);
    sl_builder builder = sl_builder_before(op);
    sl_op *nest = sl_spec_build(&spec, &builder);
    sl_builder body = sl_builder_at_end(builder.module, sl_nest_body(nest));
    sl_value *value = sl_lower_input_value(&body, nest, &input);
    sl_lower_yield(&body, 1, &value);
    sl_lower_replace(op, nest);
}

/* From the last op to the first, so that a view read only by other views never becomes memory. */
static int64_t store_views(sl_block *block) {
    int64_t changes = 0;
    for (sl_op *op = sl_block_last(block), *previous; op; op = previous) {
        previous = sl_op_previous(op);
        sl_op_kind kind = sl_op_get_kind(op);
        if (kind == SL_OP_nest_generic || kind == SL_OP_nest_group) continue;
        for (int i = 0; i < sl_op_region_count(op); i++)
            if (sl_region_block(sl_op_region(op, i))) changes += store_views(sl_op_body(op, i));
        if (!sl_lower_is_view(op) || sl_type_element(sl_value_type(sl_op_result(op, 0))) == SL_ELEMENT_str) continue;
        changes++;
        if (!sl_value_has_uses(sl_op_result(op, 0))) {
            sl_op_erase(op);
            continue;
        }
        sl_op *producer = sl_value_op(sl_op_operand(op, 0));
        if (previous == producer && sl_nest_is_generic(producer)) previous = sl_op_previous(producer);   /* folding may rebuild it */
        if (!fold_into_producer(op)) copy_view(op);
    }
    return changes;
}

sl_status sl_pass_lower_to_nest(sl_pass_context *pass) {
    for (sl_op *function = sl_block_first(sl_module_body(pass->module)); function; function = sl_op_next(function)) {
        if (sl_op_get_kind(function) != SL_OP_core_func || sl_op_bool(function, "buffers", false)) continue;
        sl_block *body = sl_op_body(function, 0);
        pass->changes += sl_lower_slices(body);
        pass->changes += sl_lower_move_views(pass, body);
        pass->changes += lower_block(body);
        pass->changes += sl_block_erase_dead(body);
        pass->changes += store_views(body);
        pass->changes += sl_block_erase_dead(body);
    }
    return NULL;
}
