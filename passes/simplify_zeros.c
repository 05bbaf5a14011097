/* simplify_zeros.c: weights of which whole columns are 0 (structured pruning, a sparse remainder with some columns kept): the product is computed for the other columns, and for one of the zero ones, from which
 * all of them are filled in. Exact in every mode: what a row that holds NaN or infinity gives in a column of zeros is what it gave before.
 *
 * A look at the first line of the weights tells most of them apart, so that large ones are not scanned. */
#include "simplify_internal.h"

#include <string.h>

enum { LEAST_DROPPED = 16, MAX_ATTRS = 16 };

static bool is_zero(const uint8_t *data, size_t size) {
    for (size_t i = 0; i + 1 < size; i++)
        if (data[i]) return false;
    return (data[size - 1] & 127) == 0;       /* of either sign: little-endian, the last byte has it */
}

bool sl_rule_contract_zero_columns(sl_rewriter *rw, sl_op *op) {
    sl_value *weights = sl_op_operand(op, 1), *result = sl_op_result(op, 0);
    sl_attr data = sl_value_constant(weights);
    sl_type type = sl_value_type(weights), made = sl_value_type(result);
    int batches, sums, rank = sl_type_rank(made), attr_count = sl_op_attr_count(op);
    if (!data || sl_attr_data_is_splat(data) || !sl_is_float_value(weights) || !sl_is_float_value(result) || sl_type_rank(type) != 2 || attr_count > MAX_ATTRS) return false;
    const int64_t *sum = sl_op_ints(op, "right_sum", &sums);
    sl_op_ints(op, "right_batch", &batches);
    if (batches || sums != 1) return false;
    int axis = 1 - (int)sum[0];
    int64_t columns = sl_type_static_dim(type, axis), lines = sl_type_static_dim(type, 1 - axis), kept = 0, first = -1;
    size_t size = (size_t)sl_element_bits(sl_type_element(type)) / 8, column_step = axis ? size : size * (size_t)lines, line_step = axis ? size * (size_t)columns : size;
    if (columns < 2 * LEAST_DROPPED || lines < 1 || size < 1) return false;
    const uint8_t *from = sl_attr_data_bytes(data);
    int64_t zeros = 0;
    for (int64_t c = 0; c < columns; c++) zeros += is_zero(from + (size_t)c * column_step, size);
    if (zeros < LEAST_DROPPED || zeros < columns / 4) return false;
    int64_t *place = SL_NEW_ARRAY(rw->pass->scratch, int64_t, (size_t)columns), *source = SL_NEW_ARRAY(rw->pass->scratch, int64_t, (size_t)columns);
    for (int64_t c = 0; c < columns; c++) {
        bool zero = true;
        for (int64_t k = 0; k < lines && zero; k++) zero = is_zero(from + (size_t)c * column_step + (size_t)k * line_step, size);
        if (zero && first < 0) first = kept;
        else if (zero) {
            place[c] = first;
            continue;
        }
        place[c] = kept;
        source[kept++] = c;
    }
    if (columns - kept < LEAST_DROPPED || kept > columns - columns / 4) return false;
    int64_t shape[2];
    shape[axis] = kept, shape[1 - axis] = lines;
    void *out, *places;
    sl_attr less = sl_attr_data_zero(rw->context, sl_type_tensor_static(rw->context, sl_type_element(type), 2, shape), &out);
    for (int64_t k = 0; k < lines; k++)
        for (int64_t c = 0; c < kept; c++)
            memcpy((uint8_t *)out + (size_t)(axis ? k * kept + c : c * lines + k) * size, from + (size_t)source[c] * column_step + (size_t)k * line_step, size);
    sl_attr index = sl_attr_data_zero(rw->context, sl_type_tensor_static(rw->context, SL_ELEMENT_i64, 1, &columns), &places);
    memcpy(places, place, sizeof(int64_t) * (size_t)columns);
    sl_named_attr attrs[MAX_ATTRS];
    for (int i = 0; i < attr_count; i++) attrs[i].attr = sl_op_attr_at(op, i, &attrs[i].name);
    sl_expr dims[SL_MAX_RANK];
    for (int d = 0; d < rank; d++) dims[d] = d == rank - 1 ? sl_expr_const(rw->context, kept) : sl_type_dim(made, d);
    sl_type narrow = sl_type_with_dims(rw->context, made, rank, dims);
    sl_value *operands[] = {sl_op_operand(op, 0), sl_build_constant(&rw->builder, less)};
    sl_value_set_name(operands[1], sl_value_name(weights));
    sl_value *filled[] = {sl_op_result(sl_build(&rw->builder, SL_OP_tensor_contract, 2, operands, 1, &narrow, attr_count, attrs), 0), sl_build_constant(&rw->builder, index)};
    sl_named_attr along = {"axis", sl_attr_int(rw->context, rank - 1)};
    return sl_rewrite_with(rw, sl_op_result(sl_build(&rw->builder, SL_OP_tensor_take, 2, filled, 1, &made, 1, &along), 0));
}
