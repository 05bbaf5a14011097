/* simplify_products.c: sums of products of parts of one tensor: x[.., a] * v + x[.., b] * w is one product of x[.., a and b] with both weights, one below the other. Groups of a hidden vector that are
 * known when compiling (mixtures of hidden dimensions) become one dense product over the widths that are used. Rounding changes: one sum takes the place of two. */
#include "simplify_internal.h"

#include <string.h>

enum { MAX_ATTRS = 16, MAX_PARTS = 64 };

/* The tensor of which `value` is a slice along its last axis, or a concat of such slices; NULL. */
static sl_value *parts_of(sl_value *value) {
    sl_op *op = sl_value_op(value);
    sl_type type = sl_value_type(value);
    if (!op || !sl_type_is_ranked(type) || sl_type_rank(type) < 1) return NULL;
    int last = sl_type_rank(type) - 1;
    if (sl_op_get_kind(op) == SL_OP_tensor_slice) {
        sl_type from = sl_value_type(sl_op_operand(op, 0));
        int count;
        const int64_t *steps = sl_op_ints(op, "steps", &count);
        for (int d = 0; d <= last; d++)
            if (steps[d] != 1 || (d < last && sl_type_dim(type, d) != sl_type_dim(from, d))) return NULL;
        return sl_type_static_dim(type, last) > 0 ? sl_op_operand(op, 0) : NULL;
    }
    if (sl_op_get_kind(op) != SL_OP_tensor_concat || sl_op_int(op, "axis", -1) != last || sl_op_operand_count(op) > MAX_PARTS) return NULL;
    sl_value *whole = NULL;
    for (int i = 0; i < sl_op_operand_count(op); i++) {
        sl_value *part = sl_op_operand(op, i), *from = sl_is_kind(part, SL_OP_tensor_slice) ? parts_of(part) : NULL;
        if (!from || (whole && whole != from)) return NULL;
        whole = from;
    }
    return whole;
}

static bool is_product_of_parts(const sl_value *value) {
    sl_op *op = sl_value_op(value);
    int batches, sums;
    if (!op || sl_op_get_kind(op) != SL_OP_tensor_contract || !sl_has_one_use(value) || !sl_is_float_value(value) || sl_op_attr_count(op) > MAX_ATTRS) return false;
    sl_type weights = sl_value_type(sl_op_operand(op, 1)), left = sl_value_type(sl_op_operand(op, 0));
    sl_op_ints(op, "left_batch", &batches);
    const int64_t *left_sum = sl_op_ints(op, "left_sum", &sums), *right_sum = sl_op_ints(op, "right_sum", &sums);
    return !batches && sums == 1 && right_sum[0] == 0 && sl_type_rank(weights) == 2 && left_sum[0] == sl_type_rank(left) - 1 && sl_value_constant(sl_op_operand(op, 1)) &&
           sl_element_bits(sl_type_element(weights)) >= 8 && sl_type_element(weights) == sl_type_element(sl_value_type(value));
}

bool sl_rule_add_products_of_parts(sl_rewriter *rw, sl_op *op) {
    sl_value *sides[2] = {sl_op_operand(op, 0), sl_op_operand(op, 1)}, *lefts[2];
    if (rw->pass->strict || !is_product_of_parts(sides[0]) || !is_product_of_parts(sides[1])) return false;
    sl_attr data[2];
    int64_t shape[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        lefts[i] = sl_op_operand(sl_value_op(sides[i]), 0);
        data[i] = sl_value_constant(sl_op_operand(sl_value_op(sides[i]), 1));
        shape[0] += sl_type_static_dim(sl_attr_get_type(data[i]), 0);
    }
    sl_value *whole = parts_of(lefts[0]);
    if (!whole || whole != parts_of(lefts[1])) return false;
    sl_type type = sl_attr_get_type(data[0]), left = sl_value_type(lefts[0]), result = sl_value_type(sl_op_result(op, 0));
    shape[1] = sl_type_static_dim(type, 1);
    if (sl_type_static_dim(sl_attr_get_type(data[1]), 1) != shape[1] || sl_type_element(sl_attr_get_type(data[1])) != sl_type_element(type)) return false;
    void *out;
    sl_attr both = sl_attr_data_zero(rw->context, sl_type_tensor_static(rw->context, sl_type_element(type), 2, shape), &out);
    size_t size = (size_t)sl_element_bits(sl_type_element(type)) / 8;
    for (int64_t i = 0, at = 0; i < 2; i++) {
        int64_t count = sl_type_static_count(sl_attr_get_type(data[i]));
        bool splat = sl_attr_data_is_splat(data[i]);
        const uint8_t *from = sl_attr_data_bytes(data[i]);
        for (int64_t k = 0; k < count; k++) memcpy((uint8_t *)out + (size_t)(at + k) * size, from + (splat ? 0 : (size_t)k * size), size);
        at += count;
    }
    int last = sl_type_rank(left) - 1, attr_count = sl_op_attr_count(sl_value_op(sides[0]));
    sl_expr dims[SL_MAX_RANK];
    for (int d = 0; d <= last; d++) dims[d] = d == last ? sl_expr_const(rw->context, shape[0]) : sl_type_dim(left, d);
    sl_type joined = sl_type_with_dims(rw->context, left, last + 1, dims);
    sl_named_attr axis = {"axis", sl_attr_int(rw->context, last)}, attrs[MAX_ATTRS];
    sl_value *operands[] = {sl_op_result(sl_build(&rw->builder, SL_OP_tensor_concat, 2, lefts, 1, &joined, 1, &axis), 0), sl_build_constant(&rw->builder, both)};
    for (int i = 0; i < attr_count; i++) attrs[i].attr = sl_op_attr_at(sl_value_op(sides[0]), i, &attrs[i].name);
    return sl_rewrite_with(rw, sl_op_result(sl_build(&rw->builder, SL_OP_tensor_contract, 2, operands, 1, &result, attr_count, attrs), 0));
}
