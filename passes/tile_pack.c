/* tile_pack.c: operands of a contraction packed into worker scratch while running.
 *
 * A (rows of the left operand): implicit GEMM. Rows of a block are copied as [row][k] with padding filled in, so that the inner loop addresses plain rows whatever the
 * window, stride or layout was; the copy moves vectors along the innermost loops that the operand walks contiguously. B (a panel of the right operand): copied as [k][width],
 * zero beyond n; where k is the contiguous direction, square blocks are transposed in registers.
 */
#include "tile_contract.h"

#include <string.h>

int contract_flat_k(tile_kernel *k, contract *c, sl_expr base) {
    sl_expr extents[SL_NEST_MAX_LOOPS];
    k->set_count = c->free_sets;
    if (c->k_count == 0) return -1;
    for (int i = 0; i < c->k_count; i++) extents[i] = sl_nest_bound(c->anchor, c->k[i]);
    int set = tile_add_set(k, c->k_count, c->k, extents);
    k->sets[set].base = base;
    return set;
}

int contract_split_k(tile_kernel *k, contract *c, const tile_space *space) {
    k->set_count = c->free_sets;
    return tile_collapse(k, space, c->k_count, c->k);
}

/* Flat k index from the bases of the pieces. */
static sl_expr flat_index(tile_kernel *k, const contract *c, int pieces) {
    sl_expr flat = tile_const(k, 0);
    for (int i = 0; i < pieces; i++) {
        const tile_set *set = &k->sets[c->free_sets + i];
        flat = tile_add(k, tile_mul(k, flat, set->extent), set->base);
    }
    return flat;
}

static sl_value *operand_value(tile_kernel *k, contract *c, int operand) {
    tile_frame frame;
    tile_frame_init(k, &frame, c->anchor, c->loops, NULL);
    return tile_frame_value(k, &frame, sl_nest_argument(c->anchor, operand));
}

/* ---- A ---- */

/* whole: the last vector of a row is stored without its mask, since a row's place in scratch ends in room for it (masked stores of bytes are slow, and loads wait for them). */
typedef struct row_copy { contract *c; int pieces, lane_set; sl_expr row; bool whole; } row_copy;

static void copy_row(tile_kernel *k, void *self, int copies, const sl_expr *bases) {
    row_copy *r = self;
    sl_value *values[16];
    for (int u = 0; u < copies; u++) {
        k->sets[r->lane_set].base = bases[u];
        values[u] = r->c->dot > 1 ? contract_dot_left(k, r->c, operand_value(k, r->c, r->c->left)) : tile_cast(k, operand_value(k, r->c, r->c->left), r->c->a_element);
    }
    for (int u = 0; u < copies; u++) {
        k->sets[r->lane_set].base = bases[u];
        sl_expr index = tile_add(k, tile_mul(k, r->row, tile_const(k, r->c->a_pitch)), flat_index(k, r->c, r->pieces));
        tile_store(k, r->whole ? tile_splat(k, values[u]) : values[u], r->c->a_scratch, index, r->whole ? NULL : k->mask);
    }
}

static void copy_all_of_row(tile_kernel *k, contract *c, const tile_space *space, sl_expr row) {
    int depth = k->depth, lanes = k->lanes;
    k->lanes = contract_copy_lanes(k, c);
    int pieces = contract_split_k(k, c, space);
    for (int i = 0; i + 1 < pieces; i++) {
        tile_set *set = &k->sets[c->free_sets + i];
        set->base = tile_variable(k, tile_for(k, tile_i64(k, 0), tile_index(k, set->extent), tile_i64(k, 1), 0, NULL, NULL));
    }
    row_copy self = {c, pieces, c->free_sets + pieces - 1, row, c->dot > 1 && pieces == 1};
    sl_expr extent = k->sets[self.lane_set].extent;
    int64_t known = sl_expr_const_or(extent, -1);
    int unroll = known >= 0 && known < 4 * k->lanes ? (known < 2 * k->lanes ? 1 : 2) : 4;
    tile_lane_loop(k, self.lane_set, tile_const(k, 0), extent, 1, unroll, copy_row, &self);
    while (k->depth > depth) tile_end(k, 0, NULL, NULL);
    k->lanes = lanes;
}

/* The position with all summed loops at their first or their last value; NULL when it does not grow with them. */
static sl_expr extreme_position(tile_kernel *k, const contract *c, sl_expr position, bool last) {
    for (int i = 0; i < c->k_count; i++) {
        sl_expr coefficient, rest, most = sl_expr_sub(k->context, sl_nest_bound(c->anchor, c->k[i]), tile_const(k, 1));
        if (!sl_expr_uses_loop(position, c->k[i])) continue;
        if (!sl_expr_split_linear(k->context, position, c->k[i], &coefficient, &rest) || sl_expr_const_or(coefficient, -1) < 0) return NULL;
        position = last ? tile_add(k, rest, tile_mul(k, coefficient, most)) : rest;
    }
    return position;
}

/* Whether the whole window of the row at hand lies inside, as an i1; NULL when that can't be told by its corners. Its guarded positions are listed. */
static sl_value *whole_window(tile_kernel *k, contract *c, sl_expr *guarded, int *count) {
    sl_type type = sl_value_type(sl_op_operand(c->anchor, c->left));
    sl_attr map = sl_nest_map(c->anchor, c->left);
    sl_value *inside = NULL;
    *count = 0;
    if (!sl_nest_outside(c->anchor, c->left)) return NULL;
    for (int i = 0, rank = sl_type_rank(type); i < rank; i++) {
        sl_expr position = sl_attr_map_result(map, i), dim = sl_type_dim(type, i);
        if (tile_proves_inside(k, position, dim, k->extents, k->canonical_count)) continue;
        sl_expr first = extreme_position(k, c, position, false), last = extreme_position(k, c, position, true);
        if (!first || !last) return NULL;
        sl_value *low = tile_compare(k, "ge", tile_index(k, tile_convert(k, first)), tile_i64(k, 0));
        sl_value *high = tile_compare(k, "lt", tile_index(k, tile_convert(k, last)), tile_index(k, dim));
        sl_value *both = tile_binary(k, SL_OP_arith_and, low, high);
        inside = inside ? tile_binary(k, SL_OP_arith_and, inside, both) : both;
        guarded[(*count)++] = position;
    }
    return inside;
}

/* The last 64 bytes of a row, where rows end in whole lines. */
static void zero_tail(tile_kernel *k, contract *c, sl_expr row) {
    int lanes = k->lanes;
    k->lanes = 512 / sl_element_bits(c->a_element);
    sl_expr at = tile_add(k, tile_mul(k, row, tile_const(k, c->a_pitch)), tile_const(k, c->k_padded - k->lanes));
    tile_store(k, tile_splat(k, tile_constant(k, sl_scalar_int(k->context, c->a_element, 0))), c->a_scratch, tile_add(k, at, tile_lane_expr(k)), NULL);
    k->lanes = lanes;
}

void contract_pack_a(tile_kernel *k, contract *c, sl_expr m_low, sl_expr m_high) {
    sl_expr span = sl_expr_sub(k->context, m_high, m_low), guarded[SL_MAX_RANK];
    sl_expr row = tile_variable(k, tile_for(k, tile_i64(k, 0), tile_index(k, span), tile_i64(k, 1), 0, NULL, NULL));
    int count;
    if (c->matrix && c->k_padded != c->k_known) zero_tail(k, c, row);
    /* The flat row index as one variable: what it is divided into is worked out once a row. */
    if (c->m_set >= 0) k->sets[c->m_set].base = tile_variable(k, tile_index(k, tile_add(k, m_low, row)));
    k->set_count = c->free_sets;
    sl_value *inside = whole_window(k, c, guarded, &count);
    if (inside) {                            /* most windows touch no padding: no guards for them */
        tile_space plain = c->a_space;
        size_t kept = 0, proven = k->proven.count;
        plain.accesses.data = SL_NEW_ARRAY(k->arena, tile_access, c->a_space.accesses.count);
        for (size_t i = 0; i < c->a_space.accesses.count; i++)
            if (!c->a_space.accesses.data[i].position) plain.accesses.data[kept++] = c->a_space.accesses.data[i];
        plain.accesses.count = kept;
        tile_if(k, inside, 0, NULL);
        for (int i = 0; i < count; i++) SL_PUSH(k->arena, &k->proven, guarded[i]);
        copy_all_of_row(k, c, &plain, row);
        k->proven.count = proven;
        tile_else(k, 0, NULL);
        copy_all_of_row(k, c, &c->a_space, row);
        tile_end(k, 0, NULL, NULL);
    } else {
        copy_all_of_row(k, c, &c->a_space, row);
    }
    /* Beyond k up to a whole group: zeros, since B's zeros there would not hide NaN or infinity. */
    for (int64_t i = c->k_known; c->dot > 1 && !c->matrix && i < c->k_padded; i++)
        tile_store(k, tile_constant(k, sl_scalar_int(k->context, c->a_element, 0)), c->a_scratch, tile_add(k, tile_mul(k, row, tile_const(k, c->a_pitch)), tile_const(k, i)), NULL);
    tile_end(k, 0, NULL, NULL);
}

/* ---- B ---- */

static sl_expr column_base(tile_kernel *k, const contract *c, sl_expr panel, int vector) {
    return tile_add(k, tile_mul(k, panel, tile_const(k, c->width)), tile_const(k, (int64_t)vector * k->lanes));
}

static void copy_columns(tile_kernel *k, contract *c, sl_expr panel, int pieces) {
    sl_value *outer = k->mask;
    for (int v = 0; v < c->column_vectors; v++) {
        sl_expr base = column_base(k, c, panel, v);
        if (c->columns_masked) k->mask = tile_mask_first(k, tile_index(k, sl_expr_sub(k->context, c->n_extent, base)));
        k->sets[c->n_set].base = tile_add(k, base, tile_lane_expr(k));
        sl_value *value = tile_splat(k, tile_cast(k, operand_value(k, c, c->right), c->b_element));
        if (k->mask) value = tile_select(k, k->mask, value, tile_splat(k, tile_constant(k, sl_scalar_int(k->context, c->b_element, 0))));
        sl_expr index = tile_add(k, tile_mul(k, flat_index(k, c, pieces), tile_const(k, c->width)), tile_const(k, (int64_t)v * k->lanes));
        tile_store(k, value, c->b_scratch, tile_add(k, index, tile_lane_expr(k)), NULL);
        k->mask = outer;
    }
}

/* rows[i] holds lanes j of column i; afterwards rows[j] holds column i in lane i. Butterflies: at distance d, lanes whose bit d is set change places with the partner row. */
void contract_transpose(tile_kernel *k, sl_value **rows) {
    int lanes = k->lanes;
    for (int distance = 1; distance < lanes; distance *= 2) {
        int64_t low[64], high[64];
        for (int j = 0; j < lanes; j++) {
            low[j] = (j & distance) ? lanes + (j - distance) : j;
            high[j] = (j & distance) ? lanes + j : j + distance;
        }
        sl_named_attr low_attr = {"lanes", sl_attr_ints(k->context, lanes, low)}, high_attr = {"lanes", sl_attr_ints(k->context, lanes, high)};
        for (int i = 0; i < lanes; i++) {
            if (i & distance) continue;
            sl_value *pair[2] = {rows[i], rows[i + distance]};
            sl_element element = sl_type_element(sl_value_type(pair[0]));
            rows[i] = tile_op(k, SL_OP_kernel_shuffle, element, 2, pair, 1, &low_attr);
            rows[i + distance] = tile_op(k, SL_OP_kernel_shuffle, element, 2, pair, 1, &high_attr);
        }
    }
}

/* Whether B can be packed by transposing blocks: one flat k with stride 1, a linear n, no guards, k a multiple of the vector. */
static bool can_transpose(tile_kernel *k, const contract *c) {
    return c->k_known > 0 && c->k_known % k->lanes == 0 && k->lanes <= 16 && k->lanes >= 4 && !sl_nest_outside(c->anchor, c->right);
}

/* The part of B's offset that does not depend on k, at column `column`, when k walks it with stride 1; else NULL. */
static sl_expr column_offset(tile_kernel *k, contract *c, sl_expr column) {
    sl_value *tensor = sl_op_operand(c->anchor, c->right);
    sl_attr map = sl_nest_map(c->anchor, c->right);
    sl_expr positions[SL_MAX_RANK], coefficient, rest;
    for (int i = 0, n = sl_attr_count(map); i < n; i++) positions[i] = sl_attr_map_result(map, i);
    k->sets[c->n_set].base = column;
    contract_flat_k(k, c, sl_expr_loop(k->context, TILE_K_SLOT));
    sl_expr offset = tile_convert(k, tile_offset(k, sl_value_type(tensor), positions));
    if (!sl_expr_split_linear(k->context, offset, TILE_K_SLOT, &coefficient, &rest) || !sl_expr_equals_const(coefficient, 1)) return NULL;
    return rest;
}

static void transpose_panel(tile_kernel *k, contract *c, sl_expr panel) {
    sl_value *tensor = sl_op_operand(c->anchor, c->right), *buffer = tile_argument_of(k, tensor), *rows[16];
    sl_value *zero = tile_splat(k, tile_constant(k, sl_scalar_int(k->context, c->b_element, 0)));
    for (int v = 0; v < c->column_vectors; v++) {
        sl_expr first = column_base(k, c, panel, v), offsets[16];
        sl_value *pointers[16];
        for (int j = 0; j < k->lanes; j++) {
            /* Columns beyond n read the last one and are zeroed. */
            sl_expr column = tile_add(k, first, tile_const(k, j));
            if (c->columns_masked) column = tile_variable(k, tile_index(k, sl_expr_min(k->context, column, sl_expr_sub(k->context, c->n_extent, tile_const(k, 1)))));
            offsets[j] = column_offset(k, c, column);
            pointers[j] = tile_pointer(k, buffer, offsets[j]);
        }
        sl_value *mask = c->columns_masked ? tile_mask_first(k, tile_index(k, sl_expr_sub(k->context, c->n_extent, first))) : NULL;
        sl_expr at = tile_variable(k, tile_for(k, tile_i64(k, 0), tile_index(k, c->k_extent), tile_i64(k, k->lanes), 0, NULL, NULL));
        for (int j = 0; j < k->lanes; j++) rows[j] = tile_cast(k, tile_load(k, pointers[j], tile_add(k, at, tile_lane_expr(k)), NULL), c->b_element);
        contract_transpose(k, rows);
        for (int j = 0; j < k->lanes; j++) {
            sl_value *value = mask ? tile_select(k, mask, rows[j], zero) : rows[j];
            sl_expr index = tile_add(k, tile_mul(k, tile_add(k, at, tile_const(k, j)), tile_const(k, c->width)), tile_const(k, (int64_t)v * k->lanes));
            tile_store(k, value, c->b_scratch, tile_add(k, index, tile_lane_expr(k)), NULL);
        }
        tile_end(k, 0, NULL, NULL);
    }
}

void contract_pack_b(tile_kernel *k, contract *c, sl_expr panel) {
    int depth = k->depth;
    if (can_transpose(k, c) && column_offset(k, c, column_base(k, c, panel, 0))) {
        transpose_panel(k, c, panel);
        return;
    }
    int pieces = contract_split_k(k, c, &c->b_space);
    for (int i = 0; i < pieces; i++) {
        tile_set *set = &k->sets[c->free_sets + i];
        set->base = tile_variable(k, tile_for(k, tile_i64(k, 0), tile_index(k, set->extent), tile_i64(k, 1), 0, NULL, NULL));
    }
    copy_columns(k, c, panel, pieces);
    while (k->depth > depth) tile_end(k, 0, NULL, NULL);
}
