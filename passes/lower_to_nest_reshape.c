/* lower_to_nest_reshape.c: reshapes and transposes move out from between ops that could be one kernel; still on tensor level.
 *
 * Two sweeps over a block, none undoing the other:
 *   down: elementwise(view(x), scalars...) becomes view(elementwise(x, scalars...)) for transposes and reshapes, so that the op stays next to
 *         what made x (the scale of attention's queries joins the projection's epilogue); below a reshape that merges dims also with broadcasts, which
 *         are split like them (the bias of a transposed convolution);
 *   up:   reshape(op(x)) that splits leading dims becomes op(reshape(x)) for elementwise ops and contractions, so that a model that flattens
 *         batch and sequence for each matrix product ([B, S, E] -> [B*S, E] -> product -> [B, S, N]) computes in one iteration space throughout; the
 *         reshape then meets its inverse and both vanish.
 * Unless `strict`, a scalar factor of a product's operand becomes one of its result, where it costs no pass of its own.
 * Only values with one use move: nothing is computed twice. Splits of the last dim stay below: consumers read through them (heads), and the
 * product's columns remain one loop. */
#include "lower_to_nest.h"

#include <string.h>

static bool is_reshape(const sl_op *op) {
    return op && sl_op_get_kind(op) == SL_OP_tensor_reshape && sl_op_operand_count(op) == 1 && sl_type_is_ranked(sl_value_type(sl_op_operand(op, 0)));
}

static bool same_dims(sl_type a, sl_type b) {
    int rank = sl_type_rank(a);
    if (rank != sl_type_rank(b)) return false;
    for (int i = 0; i < rank; i++)
        if (sl_type_dim(a, i) != sl_type_dim(b, i)) return false;
    return true;
}

/* The one-element value that fills `value`, or NULL. A splat constant gives itself. */
static sl_value *fill_of(sl_value *value) {
    sl_attr constant = sl_value_constant(value);
    sl_op *op = sl_value_op(value);
    if (constant) return sl_attr_data_is_splat(constant) || sl_type_static_count(sl_attr_get_type(constant)) == 1 ? value : NULL;
    if (!op || sl_op_get_kind(op) != SL_OP_tensor_broadcast) return NULL;
    sl_value *source = sl_op_operand(op, 0);
    return sl_type_static_count(sl_value_type(source)) == 1 ? source : NULL;
}

static sl_value *build_reshape(sl_builder *builder, sl_value *value, sl_type type) {
    sl_op *op = sl_value_op(value);
    if (same_dims(sl_value_type(value), type)) return value;
    if (is_reshape(op)) return build_reshape(builder, sl_op_operand(op, 0), type);
    return sl_op_result(sl_build(builder, SL_OP_tensor_reshape, 1, &value, 1, &type, 0, NULL), 0);
}

/* `fill` (one element, or a splat constant) in every element of a tensor of the dims of `shape`. */
static sl_value *build_filled(sl_builder *builder, sl_value *fill, sl_type shape) {
    sl_context *context = sl_module_context(builder->module);
    sl_attr constant = sl_value_constant(fill);
    sl_type type = sl_type_with_element(context, shape, sl_type_element(sl_value_type(fill)));
    sl_type scalar = sl_type_tensor(context, sl_type_element(type), 0, NULL);
    if (constant) {
        int64_t size = sl_element_bytes(sl_type_element(type), 1);
        fill = sl_build_constant(builder, sl_attr_data_copy(context, scalar, sl_attr_data_bytes(constant), size));
    } else {
        fill = build_reshape(builder, fill, scalar);
    }
    if (sl_type_rank(type) == 0) return fill;
    return sl_op_result(sl_build(builder, SL_OP_tensor_broadcast, 1, &fill, 1, &type, 0, NULL), 0);
}

static sl_value *build_like(sl_builder *builder, sl_op *op, sl_value *const *operands, sl_type shape) {
    sl_named_attr attrs[8];
    int count = 0;
    for (; count < sl_op_attr_count(op) && count < 8; count++) attrs[count].attr = sl_op_attr_at(op, count, &attrs[count].name);
    sl_type type = sl_type_with_element(sl_op_context(op), shape, sl_type_element(sl_value_type(sl_op_result(op, 0))));
    return sl_op_result(sl_build(builder, sl_op_get_kind(op), sl_op_operand_count(op), operands, 1, &type, count, attrs), 0);
}

/* ---- splits ---- */

/* How many dims of `to` each dim of `from` is split into, in order; false when the reshape does anything else. A dim of 1 must stay one, so that what is
 * hoisted has nothing left to hoist, unless `ones_may_go`. */
static bool split_plan(sl_context *context, sl_type from, sl_type to, bool ones_may_go, int *parts) {
    int j = 0, from_rank = sl_type_rank(from), to_rank = sl_type_rank(to);
    for (int i = 0; i < from_rank; i++) {
        sl_expr dim = sl_type_dim(from, i), product = sl_expr_const(context, 1);
        parts[i] = 0;
        if (sl_expr_equals_const(dim, 1)) {
            bool one = j < to_rank && sl_expr_equals_const(sl_type_dim(to, j), 1);
            if (!one && !ones_may_go) return false;
            parts[i] = one, j += one;
        }
        while (product != dim) {
            if (j == to_rank) return false;
            product = sl_expr_mul(context, product, sl_type_dim(to, j++));
            parts[i]++;
        }
    }
    for (; j < to_rank; j++) {
        if (from_rank == 0 || !sl_expr_equals_const(sl_type_dim(to, j), 1)) return false;
        parts[from_rank - 1]++;
    }
    return true;
}

/* value (dims `from`) with the split of its dims; broadcasts are split before they repeat. */
static sl_value *split_value(sl_builder *builder, sl_value *value, sl_type to, const int *parts) {
    sl_context *context = sl_module_context(builder->module);
    sl_value *fill = fill_of(value);
    sl_op *op = sl_value_op(value);
    sl_type from = sl_value_type(value), type = sl_type_with_element(context, to, sl_type_element(from));
    if (fill) return build_filled(builder, fill, type);
    if (!op || sl_op_get_kind(op) != SL_OP_tensor_broadcast) return build_reshape(builder, value, type);
    sl_value *source = sl_op_operand(op, 0);
    sl_type source_type = sl_value_type(source);
    int rank = sl_type_rank(from), lead = rank - sl_type_rank(source_type), at = 0, count = 0;
    sl_expr dims[SL_MAX_RANK];
    for (int i = 0; i < rank; i++) {
        sl_expr dim = i < lead ? NULL : sl_type_dim(source_type, i - lead);
        bool one = dim && sl_expr_equals_const(dim, 1);
        if (dim && !one && dim != sl_type_dim(from, i)) return build_reshape(builder, value, type);
        for (int p = 0; p < parts[i]; p++, at++)
            if (dim) dims[count++] = one ? dim : sl_type_dim(to, at);
    }
    source = build_reshape(builder, source, sl_type_with_dims(context, source_type, count, dims));
    return sl_op_result(sl_build(builder, SL_OP_tensor_broadcast, 1, &source, 1, &type, 0, NULL), 0);
}

/* ---- down ---- */

static bool is_bijective_view(const sl_op *op) {
    return is_reshape(op) || (op && sl_op_get_kind(op) == SL_OP_tensor_transpose);
}

/* Whether two views do the same to operands of the same dims. */
static bool same_view(const sl_op *a, const sl_op *b) {
    if (sl_op_get_kind(a) != sl_op_get_kind(b)) return false;
    if (!same_dims(sl_value_type(sl_op_operand(a, 0)), sl_value_type(sl_op_operand(b, 0)))) return false;
    return is_reshape(a) || sl_op_attr(a, "perm") == sl_op_attr(b, "perm");
}

static bool ranked(const sl_op *op) {
    for (int i = 0; i < sl_op_operand_count(op); i++)
        if (!sl_type_is_tensor(sl_value_type(sl_op_operand(op, i))) || !sl_type_is_ranked(sl_value_type(sl_op_operand(op, i)))) return false;
    return sl_op_result_count(op) == 1 && sl_type_is_tensor(sl_value_type(sl_op_result(op, 0))) && sl_type_is_ranked(sl_value_type(sl_op_result(op, 0)));
}

static bool sink_below(sl_op *op) {
    sl_op *view = NULL, *views[4] = {NULL};
    int count = sl_op_operand_count(op), parts[SL_MAX_RANK];
    bool broadcasts = false;
    sl_value *operands[4];
    if (!sl_op_has_trait(op, SL_TRAIT_ELEMENTWISE) || !ranked(op)) return false;
    for (int i = 0; i < count; i++) {
        sl_value *value = sl_op_operand(op, i);
        sl_op *maker = sl_value_op(value);
        if (fill_of(value)) continue;
        if (maker && sl_op_get_kind(maker) == SL_OP_tensor_broadcast) {
            broadcasts = true;
            continue;
        }
        if (!is_bijective_view(maker) || sl_op_block(maker) != sl_op_block(op) || (view && !same_view(view, maker))) return false;
        for (sl_use *use = sl_value_first_use(value); use; use = sl_use_next(use))
            if (sl_use_user(use) != op) return false;
        view = views[i] = maker;
    }
    if (!view) return false;
    sl_type inner = sl_value_type(sl_op_operand(view, 0)), outer = sl_value_type(sl_op_result(op, 0));
    if (!same_dims(sl_value_type(sl_op_result(view, 0)), outer)) return false;
    if (broadcasts && (!is_reshape(view) || !split_plan(sl_op_context(op), outer, inner, true, parts))) return false;
    sl_builder builder = sl_builder_before(op);
    for (int i = 0; i < count; i++) {
        sl_value *fill = fill_of(sl_op_operand(op, i));
        if (fill) operands[i] = build_filled(&builder, fill, inner);
        else if (views[i]) operands[i] = sl_op_operand(views[i], 0);
        else operands[i] = split_value(&builder, sl_op_operand(op, i), inner, parts);
    }
    sl_value *computed = build_like(&builder, op, operands, inner), *result;
    if (is_reshape(view)) {
        result = sl_op_result(sl_build(&builder, SL_OP_tensor_reshape, 1, &computed, 1, &outer, 0, NULL), 0);
    } else {
        sl_named_attr perm = {"perm", sl_op_attr(view, "perm")};
        result = sl_op_result(sl_build(&builder, SL_OP_tensor_transpose, 1, &computed, 1, &outer, 1, &perm), 0);
    }
    sl_value_set_name(result, sl_value_name(sl_op_result(op, 0)));
    sl_op_replace(op, &result);
    for (int i = 0; i < count; i++) {        /* dead now, once each; it would count as another reader of what is behind it */
        bool first = views[i] != NULL;
        for (int k = 0; k < i; k++) first &= views[k] != views[i];
        if (first && !sl_value_has_uses(sl_op_result(views[i], 0))) sl_op_erase(views[i]);
    }
    sink_below(sl_value_op(computed));       /* heads are a transpose of a reshape */
    return true;
}

/* ---- scalars past products ---- */

/* The multiplication by a scalar behind an operand, through views, all of it read by nothing else; else NULL. */
static sl_op *scaling_behind(const sl_op *product, int operand) {
    for (sl_value *value = sl_op_operand(product, operand); sl_value_has_one_use(value);) {
        sl_op *op = sl_value_op(value);
        if (!op || sl_op_block(op) != sl_op_block(product)) return NULL;
        if (sl_op_get_kind(op) == SL_OP_arith_mul && (fill_of(sl_op_operand(op, 0)) || fill_of(sl_op_operand(op, 1)))) return op;
        if (!is_bijective_view(op)) return NULL;
        value = sl_op_operand(op, 0);
    }
    return NULL;
}

/* (c*x) . y is c * (x . y), where it is part of the product's epilogue instead of a pass over x. Rounds in another order. */
static bool scale_result(sl_op *product) {
    bool changed = false;
    sl_value *result = sl_op_result(product, 0);
    sl_element element = sl_type_element(sl_value_type(result));
    for (int i = 0; i < 2; i++) {
        sl_op *scaling = scaling_behind(product, i);
        if (!scaling || !sl_element_is_float(element) || sl_type_element(sl_value_type(sl_op_result(scaling, 0))) != element) continue;
        int scalar = fill_of(sl_op_operand(scaling, 1)) ? 1 : 0;
        sl_builder builder = sl_builder_after(sl_value_op(result));
        sl_value *c = build_filled(&builder, fill_of(sl_op_operand(scaling, scalar)), sl_value_type(result)), *scaled = sl_build_binary(&builder, SL_OP_arith_mul, result, c);
        sl_op *keep = sl_value_op(scaled);
        for (sl_use *use = sl_value_first_use(result), *next; use; use = next) {
            next = sl_use_next(use);
            if (sl_use_user(use) != keep) sl_op_set_operand(sl_use_user(use), sl_use_index(use), scaled);
        }
        sl_value *x = sl_op_operand(scaling, 1 - scalar);
        sl_op_replace(scaling, &x);
        result = scaled;
        changed = true;
    }
    return changed;
}

/* ---- up ---- */

/* The dims of `to` with those that `from`'s last dim was split into put together again. */
static sl_type without_last_split(sl_context *context, sl_type from, sl_type to, const int *parts) {
    sl_expr dims[SL_MAX_RANK];
    int count = 0, rank = sl_type_rank(from);
    for (int i = 0; i < rank - 1; i++)
        for (int p = 0; p < parts[i]; p++, count++) dims[count] = sl_type_dim(to, count);
    if (count == SL_MAX_RANK) return NULL;
    dims[count++] = sl_type_dim(from, rank - 1);
    return sl_type_with_dims(context, to, count, dims);
}

static sl_value *split_elementwise(sl_builder *builder, sl_op *op, sl_type to, const int *parts) {
    sl_value *operands[4];
    for (int i = 0; i < sl_op_operand_count(op); i++) operands[i] = split_value(builder, sl_op_operand(op, i), to, parts);
    return build_like(builder, op, operands, to);
}

static sl_attr moved_axes(const sl_op *op, const char *name, const int *first) {
    int count;
    const int64_t *axes = sl_op_ints(op, name, &count);
    int64_t moved[SL_MAX_RANK];
    for (int i = 0; i < count; i++) moved[i] = first[axes[i]];
    return sl_attr_ints(sl_op_context(op), count, moved);
}

/* Splits free dims of the left operand; NULL when another dim of the result is split. */
static sl_value *split_contract(sl_builder *builder, sl_op *op, sl_type to, const int *parts) {
    sl_context *context = sl_op_context(op);
    sl_value *left = sl_op_operand(op, 0);
    sl_type left_type = sl_value_type(left);
    int batches, sums, left_parts[SL_MAX_RANK], first[SL_MAX_RANK], count = 0, at = 0, rank = sl_type_rank(left_type);
    bool fixed[SL_MAX_RANK] = {0};
    const int64_t *batch = sl_op_ints(op, "left_batch", &batches), *sum = sl_op_ints(op, "left_sum", &sums);
    sl_expr dims[SL_MAX_RANK];
    for (int i = 0; i < batches; i++) fixed[batch[i]] = true;
    for (int i = 0; i < sums; i++) fixed[sum[i]] = true;
    int result_dim = batches, result_rank = sl_type_rank(sl_value_type(sl_op_result(op, 0)));
    for (int i = 0; i < batches; i++, at++)
        if (parts[i] != 1) return NULL;
    for (int d = 0; d < rank; d++) {
        left_parts[d] = fixed[d] ? 1 : parts[result_dim++];
        first[d] = count;
        for (int p = 0; p < left_parts[d]; p++) {
            if (count == SL_MAX_RANK) return NULL;
            dims[count++] = fixed[d] ? sl_type_dim(left_type, d) : sl_type_dim(to, at++);
        }
    }
    for (; result_dim < result_rank; result_dim++)
        if (parts[result_dim] != 1) return NULL;
    sl_value *operands[2] = {split_value(builder, left, sl_type_with_dims(context, left_type, count, dims), left_parts), sl_op_operand(op, 1)};
    sl_named_attr attrs[8];
    int attr_count = 0;
    for (; attr_count < sl_op_attr_count(op) && attr_count < 8; attr_count++) {
        sl_named_attr *attr = &attrs[attr_count];
        attr->attr = sl_op_attr_at(op, attr_count, &attr->name);
        if (strncmp(attr->name, "left_", 5) == 0) attr->attr = moved_axes(op, attr->name, first);
    }
    return sl_op_result(sl_build(builder, SL_OP_tensor_contract, 2, operands, 1, &to, attr_count, attrs), 0);
}

static bool hoist_above(sl_op *reshape) {
    sl_value *source = sl_op_operand(reshape, 0);
    sl_op *op = sl_value_op(source);
    sl_context *context = sl_op_context(reshape);
    sl_type from = sl_value_type(source), to = sl_value_type(sl_op_result(reshape, 0));
    int parts[SL_MAX_RANK];
    bool splits = false;
    if (!op || !sl_value_has_one_use(source) || sl_op_block(op) != sl_op_block(reshape) || !ranked(op)) return false;
    bool elementwise = sl_op_has_trait(op, SL_TRAIT_ELEMENTWISE);
    if (!elementwise && sl_op_get_kind(op) != SL_OP_tensor_contract) return false;
    int rank = sl_type_rank(from);
    if (rank == 0 || !split_plan(context, from, to, false, parts)) return false;
    for (int i = 0; i < rank - 1; i++) splits |= parts[i] != 1;
    if (!splits) return false;
    sl_type type = without_last_split(context, from, to, parts);
    if (!type) return false;
    parts[rank - 1] = 1;
    sl_builder builder = sl_builder_before(op);
    sl_value *value = elementwise ? split_elementwise(&builder, op, type, parts) : split_contract(&builder, op, type, parts);
    if (!value) return false;
    builder = sl_builder_before(reshape);
    value = build_reshape(&builder, value, to);
    sl_value_set_name(value, sl_value_name(sl_op_result(reshape, 0)));
    sl_op_replace(reshape, &value);
    sl_op_erase(op);
    return true;
}

int64_t sl_lower_move_views(sl_pass_context *pass, sl_block *block) {
    int64_t changes = 0;
    for (sl_op *op = sl_block_first(block), *next; op; op = next) {
        next = sl_op_next(op);
        if (sl_op_get_kind(op) == SL_OP_nest_generic || sl_op_get_kind(op) == SL_OP_nest_group) continue;
        for (int i = 0; i < sl_op_region_count(op); i++)
            if (sl_region_block(sl_op_region(op, i))) changes += sl_lower_move_views(pass, sl_op_body(op, i));
        if (sink_below(op)) changes++;   /* and op is gone */
        else if (!pass->strict && sl_op_get_kind(op) == SL_OP_tensor_contract) changes += scale_result(op);
    }
    changes += sl_block_erase_dead(block);
    /* From the end: hoisting puts new reshapes before the op that it passes, where this sweep still comes by. That op is gone afterwards: when it was the
     * next to visit, go on from what now stands before the place where the reshape was. */
    for (sl_op *op = sl_block_last(block); op;) {
        sl_op *above = is_reshape(op) ? sl_value_op(sl_op_operand(op, 0)) : NULL;
        sl_op *previous = sl_op_previous(op), *following = sl_op_next(op);
        if (above && hoist_above(op)) {
            changes++;
            if (previous == above) previous = following ? sl_op_previous(following) : sl_block_last(block);
        }
        op = previous;
    }
    changes += sl_block_erase_dead(block);
    return changes;
}
