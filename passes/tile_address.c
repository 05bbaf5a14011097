/* tile_address.c: where the inner loop of a contraction reads: rows of A (in place, or as packed by the task) and vectors of B's columns (in place, packed by the task, or panels packed while compiling).
 *
 * Each is a pointer for k = 0 and a step for each k. In place, both come out of the operand's index map, with the atom TILE_K_SLOT standing for the flat k.
 */
#include "tile_contract.h"

static sl_expr operand_offset(tile_kernel *k, const contract *c, int operand) {
    sl_attr map = sl_nest_map(c->anchor, operand);
    sl_expr positions[SL_MAX_RANK];
    for (int i = 0, n = sl_attr_count(map); i < n; i++) positions[i] = sl_attr_map_result(map, i);
    return tile_convert(k, tile_offset(k, sl_value_type(sl_op_operand(c->anchor, operand)), positions));
}

/* rest + step * k of an operand at the bases in place. */
static sl_expr split_k_offset(tile_kernel *k, sl_expr offset, sl_expr *step) {
    sl_expr rest;
    *step = tile_const(k, 0);
    if (!sl_expr_uses_loop(offset, TILE_K_SLOT)) return offset;
    if (!sl_expr_split_linear(k->context, offset, TILE_K_SLOT, step, &rest)) {
        tile_fail(k, "an operand is not linear in the summed index", SL_ELEMENT_i64);
        return tile_const(k, 0);
    }
    return rest;
}

sl_expr contract_row_offset(tile_kernel *k, contract *c, sl_expr row) {
    sl_expr step;
    contract_flat_k(k, c, sl_expr_loop(k->context, TILE_K_SLOT));
    if (c->m_set >= 0) k->sets[c->m_set].base = row;
    return split_k_offset(k, operand_offset(k, c, c->left), &step);
}

/* Pointers whose difference is a constant share one, so that the inner loop addresses by displacement. */
static void add_address(tile_kernel *k, contract_address *address, int i, sl_value *buffer, sl_expr rest, sl_expr *bases) {
    for (int j = 0; j < i; j++) {
        sl_expr difference = sl_expr_sub(k->context, rest, bases[j]);
        if (!sl_expr_equals_const(address->differences[j], 0) || !sl_expr_is_const(difference, NULL)) continue;
        bases[i] = rest, address->pointers[i] = address->pointers[j], address->differences[i] = difference;
        return;
    }
    bases[i] = rest, address->differences[i] = tile_const(k, 0);
    address->pointers[i] = tile_pointer(k, buffer, rest);
}

void contract_address_rows(tile_kernel *k, contract *c, int rows, sl_expr m_low, sl_expr m_base, contract_address *address) {
    sl_expr bases[64];
    if (c->a_mode == CONTRACT_A_PACKED) {
        address->step = tile_const(k, 1);
        for (int i = 0; i < rows; i++) {
            sl_expr row = sl_expr_sub(k->context, tile_add(k, m_base, tile_const(k, i)), m_low);
            add_address(k, address, i, c->a_scratch, tile_mul(k, row, tile_const(k, c->a_pitch)), bases);
        }
        return;
    }
    sl_value *buffer = tile_argument_of(k, sl_op_operand(c->anchor, c->left));
    contract_flat_k(k, c, sl_expr_loop(k->context, TILE_K_SLOT));
    bool flat = contract_rows_flat(k, c);
    for (int i = 0; i < rows; i++) {
        sl_expr row = tile_add(k, m_base, tile_const(k, i));
        if (c->m_set >= 0) k->sets[c->m_set].base = flat ? row : tile_variable(k, tile_index(k, row));
        add_address(k, address, i, buffer, split_k_offset(k, operand_offset(k, c, c->left), &address->step), bases);
    }
}

sl_expr contract_panel_offset(tile_kernel *k, const contract *c, sl_expr panel, int v) {
    sl_expr panel_size = c->whole.shared ? tile_const(k, c->whole.k * c->width) : tile_mul(k, c->dot > 1 ? tile_const(k, c->k_padded) : c->k_extent, tile_const(k, c->width));
    sl_expr which = tile_add(k, panel, tile_const(k, v / c->column_vectors));
    if (c->pick) {
        sl_expr stride = c->packed_batch ? tile_mul(k, c->batch_extent, c->panels) : c->panels;
        which = tile_add(k, which, tile_mul(k, c->pick, stride));
    }
    if (c->packed_batch && c->batch_set >= 0) which = tile_add(k, which, tile_mul(k, k->sets[c->batch_set].base, c->panels));
    if (c->whole.shared) which = tile_add(k, which, tile_const(k, c->whole.first_n / c->width));
    return tile_add(k, tile_mul(k, which, panel_size), tile_const(k, c->whole.first_k * c->width + (int64_t)(v % c->column_vectors) * k->lanes * c->dot));
}

void contract_address_columns(tile_kernel *k, contract *c, sl_expr panel, contract_address *address) {
    int vectors = c->column_vectors * c->panels_at_once;
    sl_expr bases[64];
    sl_value *buffer = c->b_mode == CONTRACT_B_CONSTANT ? tile_argument_of(k, c->packed) : c->b_mode == CONTRACT_B_PACKED ? c->b_scratch : tile_argument_of(k, sl_op_operand(c->anchor, c->right));
    if (c->b_mode == CONTRACT_B_DIRECT) contract_flat_k(k, c, sl_expr_loop(k->context, TILE_K_SLOT));
    for (int v = 0; v < vectors; v++) {
        sl_expr rest;
        if (c->b_mode == CONTRACT_B_DIRECT) {
            k->sets[c->n_set].base = tile_add(k, tile_mul(k, panel, tile_const(k, c->width)), tile_const(k, (int64_t)v * k->lanes));
            rest = split_k_offset(k, operand_offset(k, c, c->right), &address->step);
        } else {
            rest = c->b_mode == CONTRACT_B_CONSTANT ? contract_panel_offset(k, c, panel, v) : tile_const(k, (int64_t)(v % c->column_vectors) * k->lanes * c->dot);
            address->step = tile_const(k, c->width);
        }
        add_address(k, address, v, buffer, rest, bases);
    }
}
