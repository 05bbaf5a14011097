/* simplify_weights.c: scaling and shifting by channel constants behind a product with constant weights moves into the weights and one bias. So batch norms vanish.
 *
 * A product is a tensor.conv, or a tensor.contract whose right operand has one free axis and no batch. A channel constant is a constant broadcast along all axes of
 * the product's result but the channel axis (conv: axis 1, or the last with layout nhwc; contract: the last). All rules but sub_channel change rounding. */
#include "simplify_internal.h"

#include <string.h>

typedef struct product { sl_op *op; int axis; int64_t channels; int weight_axis; sl_attr weights; } product;

static sl_value *inner(const sl_value *value, int index) { return sl_op_operand(sl_value_op(value), index); }

/* The conv or contract that makes `value`, when `value` is used once and the weights are a constant. */
static bool match_product(const sl_value *value, product *p) {
    sl_op *op = sl_value_op(value);
    if (!op || !sl_has_one_use(value)) return false;
    sl_op_kind kind = sl_op_get_kind(op);
    sl_type type = sl_value_type(value);
    if ((kind != SL_OP_tensor_conv && kind != SL_OP_tensor_contract) || !sl_type_is_ranked(type) || !sl_is_float_value(value)) return false;
    sl_value *weight_value = sl_op_operand(op, 1);
    p->weights = sl_value_constant(weight_value);
    if (!p->weights || sl_type_element(sl_value_type(weight_value)) != sl_type_element(type)) return false;
    int rank = sl_type_rank(type), weight_rank = sl_type_rank(sl_value_type(weight_value));
    p->op = op;
    if (kind == SL_OP_tensor_conv) {
        bool channels_last = strcmp(sl_op_string(op, "layout", "nchw"), "nhwc") == 0;
        p->axis = channels_last ? rank - 1 : 1;
        p->weight_axis = channels_last ? weight_rank - 1 : 0;
    } else {
        int batch, sum;
        sl_op_ints(op, "right_batch", &batch);
        const int64_t *summed = sl_op_ints(op, "right_sum", &sum);
        if (batch != 0 || weight_rank != sum + 1) return false;
        p->axis = rank - 1;
        p->weight_axis = 0;
        for (bool moved = true; moved;) {
            moved = false;
            for (int i = 0; i < sum; i++)
                if (summed[i] == p->weight_axis) p->weight_axis++, moved = true;
        }
    }
    p->channels = sl_type_static_dim(sl_value_type(weight_value), p->weight_axis);
    return p->channels > 0 && sl_type_static_dim(type, p->axis) == p->channels;
}

/* A constant that varies along `axis` of `type` at most. */
static sl_attr match_channel(const sl_value *value, sl_type type, int axis, int64_t channels) {
    if (sl_is_kind(value, SL_OP_tensor_broadcast)) value = inner(value, 0);
    sl_attr data = sl_value_constant(value);
    if (!data || sl_attr_get_kind(data) != SL_ATTR_DATA) return NULL;
    if (sl_attr_data_is_splat(data)) return data;
    sl_type from = sl_attr_get_type(data);
    int added = sl_type_rank(type) - (sl_type_is_scalar(from) ? 0 : sl_type_rank(from));
    for (int d = 0; d + added < sl_type_rank(type); d++) {
        int64_t size = sl_type_static_dim(from, d);
        if (size != 1 && !(d + added == axis && size == channels)) return NULL;
    }
    return data;
}

static double channel_value(sl_attr data, int64_t channel) {
    bool one = sl_attr_data_is_splat(data) || sl_type_is_scalar(sl_attr_get_type(data)) || sl_type_static_count(sl_attr_get_type(data)) == 1;
    return sl_attr_data_float(data, one ? 0 : channel);
}

/* Constant of shape channels x 1 x ... x 1, broadcast to `type`. */
static sl_value *make_channel(sl_rewriter *rw, sl_type type, int axis, int64_t channels, const double *values) {
    int rank = sl_type_rank(type) - axis;
    int64_t dims[SL_MAX_RANK];
    for (int d = 0; d < rank; d++) dims[d] = d ? 1 : channels;
    void *out;
    sl_attr data = sl_attr_data_zero(rw->context, sl_type_tensor_static(rw->context, sl_type_element(type), rank, dims), &out);
    for (int64_t i = 0; i < channels; i++) sl_element_store_float(sl_type_element(type), out, i, values[i]);
    return sl_make_broadcast(rw, sl_build_constant(&rw->builder, data), type);
}

/* Rebuilds the product at the root with weights scaled per channel. */
static sl_value *make_scaled(sl_rewriter *rw, const product *p, sl_attr scale) {
    sl_type type = sl_attr_get_type(p->weights), result = sl_value_type(sl_op_result(p->op, 0));
    sl_element element = sl_type_element(type);
    int64_t inside = 1, count = sl_type_static_count(type);
    for (int d = p->weight_axis + 1; d < sl_type_rank(type); d++) inside *= sl_type_static_dim(type, d);
    void *out;
    sl_attr data = sl_attr_data_zero(rw->context, type, &out);
    for (int64_t i = 0; i < count; i++)
        sl_element_store_float(element, out, i, sl_attr_data_float(p->weights, i) * channel_value(scale, i / inside % p->channels));
    sl_named_attr attrs[16];
    int attr_count = sl_op_attr_count(p->op);
    for (int i = 0; i < attr_count; i++) attrs[i].attr = sl_op_attr_at(p->op, i, &attrs[i].name);
    sl_loc locs[] = {sl_op_loc(p->op), rw->builder.loc};
    rw->builder.loc = sl_loc_fused(rw->context, 2, locs);
    sl_value *operands[] = {sl_op_operand(p->op, 0), sl_build_constant(&rw->builder, data)};
    return sl_op_result(sl_build(&rw->builder, sl_op_get_kind(p->op), 2, operands, 1, &result, attr_count, attrs), 0);
}

bool sl_rule_scale_weights(sl_rewriter *rw, sl_op *op) {
    product p;
    sl_type type = sl_value_type(sl_op_result(op, 0));
    if (rw->pass->strict || !match_product(sl_op_operand(op, 0), &p) || sl_op_attr_count(p.op) > 16) return false;
    sl_attr scale = match_channel(sl_op_operand(op, 1), type, p.axis, p.channels);
    return scale && sl_rewrite_with(rw, make_scaled(rw, &p, scale));
}

/* A product, seen through one addition of a channel constant. */
static bool match_biased(const sl_value *value, product *p, sl_attr *bias) {
    if (!sl_is_kind(value, SL_OP_arith_add) || !sl_has_one_use(value) || !match_product(inner(value, 0), p)) return false;
    *bias = match_channel(inner(value, 1), sl_value_type(value), p->axis, p->channels);
    return *bias != NULL;
}

static sl_value *combine_channels(sl_rewriter *rw, const product *p, sl_type type, sl_attr a, sl_attr b, bool multiply) {
    double *values = SL_NEW_ARRAY(rw->pass->scratch, double, (size_t)p->channels);
    for (int64_t i = 0; i < p->channels; i++) {
        double x = channel_value(a, i), y = channel_value(b, i);
        values[i] = multiply ? x * y : x + y;
    }
    return make_channel(rw, type, p->axis, p->channels, values);
}

bool sl_rule_scale_bias(sl_rewriter *rw, sl_op *op) {
    product p;
    sl_attr bias;
    sl_type type = sl_value_type(sl_op_result(op, 0));
    if (rw->pass->strict || !match_biased(sl_op_operand(op, 0), &p, &bias) || sl_op_attr_count(p.op) > 16) return false;
    sl_attr scale = match_channel(sl_op_operand(op, 1), type, p.axis, p.channels);
    if (!scale) return false;
    sl_value *shift = combine_channels(rw, &p, type, bias, scale, true);
    return sl_rewrite_with(rw, sl_build_binary(&rw->builder, SL_OP_arith_add, make_scaled(rw, &p, scale), shift));
}

bool sl_rule_add_constants(sl_rewriter *rw, sl_op *op) {
    sl_value *left = sl_op_operand(op, 0), *right = sl_op_operand(op, 1);
    sl_type type = sl_value_type(sl_op_result(op, 0));
    product p;
    sl_attr bias;
    if (!sl_is_float_value(left)) {
        bool constants = sl_is_kind(left, SL_OP_arith_add) && sl_has_one_use(left) && sl_value_constant(right) && sl_value_constant(inner(left, 1));
        if (!constants) return false;
        sl_value *sum = sl_build_binary(&rw->builder, SL_OP_arith_add, inner(left, 1), right);
        return sl_rewrite_with(rw, sl_build_binary(&rw->builder, SL_OP_arith_add, inner(left, 0), sum));
    }
    if (rw->pass->strict || !match_biased(left, &p, &bias)) return false;
    sl_attr more = match_channel(right, type, p.axis, p.channels);
    if (!more) return false;
    sl_value *sum = combine_channels(rw, &p, type, bias, more, false);
    return sl_rewrite_with(rw, sl_build_binary(&rw->builder, SL_OP_arith_add, inner(left, 0), sum));
}

/* The product behind at most one bias: what the next two rules prepare for scale_bias and add_constants. */
static bool match_product_or_biased(const sl_value *value, product *p) {
    sl_attr bias;
    return match_product(value, p) || match_biased(value, p, &bias);
}

static sl_value *map_channels(sl_rewriter *rw, const product *p, sl_type type, sl_attr data, bool reciprocal) {
    double *values = SL_NEW_ARRAY(rw->pass->scratch, double, (size_t)p->channels);
    for (int64_t i = 0; i < p->channels; i++) values[i] = reciprocal ? 1 / channel_value(data, i) : -channel_value(data, i);
    return make_channel(rw, type, p->axis, p->channels, values);
}

bool sl_rule_sub_channel(sl_rewriter *rw, sl_op *op) {
    product p;
    sl_type type = sl_value_type(sl_op_result(op, 0));
    if (!match_product_or_biased(sl_op_operand(op, 0), &p)) return false;
    sl_attr data = match_channel(sl_op_operand(op, 1), type, p.axis, p.channels);
    if (!data) return false;
    return sl_rewrite_with(rw, sl_build_binary(&rw->builder, SL_OP_arith_add, sl_op_operand(op, 0), map_channels(rw, &p, type, data, false)));
}

bool sl_rule_div_channel(sl_rewriter *rw, sl_op *op) {
    product p;
    sl_type type = sl_value_type(sl_op_result(op, 0));
    if (rw->pass->strict || !match_product_or_biased(sl_op_operand(op, 0), &p)) return false;
    sl_attr data = match_channel(sl_op_operand(op, 1), type, p.axis, p.channels);
    if (!data) return false;
    for (int64_t i = 0; i < p.channels; i++)
        if (channel_value(data, i) == 0) return false;
    return sl_rewrite_with(rw, sl_build_binary(&rw->builder, SL_OP_arith_mul, sl_op_operand(op, 0), map_channels(rw, &p, type, data, true)));
}
