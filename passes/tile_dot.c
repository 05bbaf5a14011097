/* tile_dot.c: contractions of narrow factors by dot product instructions; see tile_contract.h. In: bf16 factors with sums in f32, or bytes with sums in i32, the right one a
 * constant. The register tile stays what it is, with `group` products of neighbouring k in each lane and step (kernel.dot); panels hold groups of k next to each other.
 *
 *     bf16               pairs (VDPBF16PS), where that beats widening to f32
 *     u8 or i8 with i8   quads (VPDPBUSD, SDOT). The instruction fixes the sign of its left factor: the other one is shifted by 128 while rows are packed, and the shift is taken
 *                        out of the sums' start values, -128 times the column's sum, which is known when compiling. Sums are exact modulo 2^32 either way
 *     other bytes        pairs of i16 (PMADDWD): A is widened while it is packed, B when it is loaded; exact
 *
 * Every row goes through the same instructions in the same order, also when there is only one row, so a row's bits do not depend on the others.
 */
#include "tile_contract.h"

void contract_choose_dot(tile_kernel *k, contract *c) {
    const sl_machine *machine = k->machine;
    sl_element a = sl_type_element(sl_value_type(sl_op_operand(c->anchor, c->left))), b = sl_type_element(sl_value_type(sl_op_operand(c->anchor, c->right)));
    bool bytes = (a == SL_ELEMENT_i8 || a == SL_ELEMENT_u8) && (b == SL_ELEMENT_i8 || b == SL_ELEMENT_u8) && c->accumulator == SL_ELEMENT_i32;
    int forced = k->pass->kernel.dot;
    bool pairs = forced != SL_DOT_OFF && forced != SL_DOT_QUADS, quads = forced != SL_DOT_OFF && forced != SL_DOT_PAIRS;
    c->dot = 1, c->a_shift = 0;
    if (a == SL_ELEMENT_bf16 && b == SL_ELEMENT_bf16 && c->accumulator == SL_ELEMENT_f32 && pairs && (forced ? machine->bf16_pairs : machine->bf16_dot)) {
        c->dot = 2, c->a_narrow = a;
    } else if (bytes && b == SL_ELEMENT_i8 && quads && machine->int8_dot) {
        c->dot = 4, c->a_narrow = machine->int8_left_unsigned ? SL_ELEMENT_u8 : SL_ELEMENT_i8;
        c->a_shift = a == c->a_narrow ? 0 : machine->int8_left_unsigned ? 128 : -128;
    } else if (bytes && pairs && machine->int8_pairs) {
        c->dot = 2, c->a_narrow = SL_ELEMENT_i16;
    }
    c->k_padded = (c->k_known + c->dot - 1) / c->dot * c->dot;
}

/* Whether the last summed loop walks A with stride 1. */
static bool unit_stride(tile_kernel *k, const contract *c) {
    sl_expr coefficient, rest, offset = c->a_space.accesses.count ? c->a_space.accesses.data[0].offset : NULL;
    int inner = c->k[c->k_count - 1];
    return offset && sl_expr_uses_loop(offset, inner) && sl_expr_split_linear(k->context, offset, inner, &coefficient, &rest) && sl_expr_equals_const(coefficient, 1);
}

bool contract_dot_direct(tile_kernel *k, const contract *c) {
    sl_element a = sl_type_element(sl_value_type(sl_op_operand(c->anchor, c->left)));
    return a == c->a_narrow && c->k_known % c->dot == 0 && unit_stride(k, c);
}

int contract_copy_lanes(tile_kernel *k, const contract *c) {
    int bits = sl_element_bits(c->a_element), lanes = k->machine->vector_bits / bits;
    return c->dot > 1 && k->machine->masked_memory && lanes > k->lanes && lanes <= 64 && unit_stride(k, c) ? lanes : k->lanes;
}

sl_value *contract_dot_left(tile_kernel *k, const contract *c, sl_value *element) {
    if (c->a_shift == 0) return tile_cast(k, element, c->a_narrow);
    /* Adding 128 and reading the bits with the other sign is turning the highest bit. */
    sl_element from = sl_type_element(sl_value_type(element));
    sl_value *turned = tile_binary(k, SL_OP_arith_xor, element, tile_constant(k, sl_scalar_int(k->context, from, from == SL_ELEMENT_i8 ? -128 : 128)));
    return tile_op(k, SL_OP_arith_bitcast, c->a_narrow, 1, &turned, 0, NULL);
}

static sl_value *load_lanes(tile_kernel *k, sl_value *buffer, sl_expr index, int lanes) {
    sl_value *operands[2] = {buffer, tile_index(k, index)};
    sl_type type = sl_type_vector(k->context, sl_type_element(sl_value_type(buffer)), lanes);
    sl_builder old = tile_at_level(k, k->depth);
    sl_op *op = sl_build(&k->builder, SL_OP_kernel_load, 2, operands, 1, &type, 0, NULL);
    k->builder = old;
    return sl_op_result(op, 0);
}

sl_value *contract_load_group(tile_kernel *k, const contract *c, sl_value *buffer, sl_expr index) { return load_lanes(k, buffer, index, c->dot); }

sl_value *contract_load_columns(tile_kernel *k, const contract *c, sl_value *buffer, sl_expr index) { return load_lanes(k, buffer, index, c->dot * k->lanes); }

sl_value *contract_dot(tile_kernel *k, sl_value *sum, sl_value *group, sl_value *columns) {
    sl_value *operands[3] = {sum, group, columns};
    sl_type type = sl_value_type(sum);
    sl_builder old = tile_at_level(k, k->depth);
    sl_op *op = sl_build(&k->builder, SL_OP_kernel_dot, 3, operands, 1, &type, 0, NULL);
    k->builder = old;
    return sl_op_result(op, 0);
}

sl_value *contract_start(tile_kernel *k, const contract *c, sl_expr panel, int v) {
    if (!c->starts) return tile_splat(k, tile_constant(k, sl_scalar_int(k->context, c->accumulator, 0)));
    sl_expr which = tile_add(k, panel, tile_const(k, v / c->column_vectors));
    if (c->packed_batch && c->batch_set >= 0) which = tile_add(k, which, tile_mul(k, k->sets[c->batch_set].base, c->panels));
    sl_expr column = tile_add(k, tile_mul(k, which, tile_const(k, c->width)), tile_const(k, (int64_t)(v % c->column_vectors) * k->lanes));
    return tile_load(k, tile_argument_of(k, c->starts), tile_add(k, column, tile_lane_expr(k)), NULL);
}
