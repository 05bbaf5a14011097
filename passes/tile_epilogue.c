/* tile_epilogue.c: what follows the sum of a contraction: the group's elementwise nests, evaluated on the accumulators before anything is stored.
 *
 * Cheap ones run on the registers of the tile. Costly ones (exp, erf, ...) would be copied out once per accumulator, so the tile goes through scratch (which stays in L1) and
 * a loop over its rows.
 */
#include "tile_contract.h"

bool contract_epilogue_is_heavy(const contract *c) {
    double cost = 0;
    for (int i = 0; i < c->group.nest_count; i++)
        if (c->group.nests[i] != c->anchor && c->group.nests[i] != c->gather && c->group.nests[i] != c->twin && !contract_is_statistic(c, c->group.nests[i])) cost += sl_estimate_body(c->group.nests[i]);
    return cost > 12;
}

static void bind_sum(tile_kernel *k, contract *c, sl_op *product, sl_value *sum) {
    sl_value *result = sl_op_result(product, 0);
    sl_expr positions[SL_MAX_RANK];
    tile_result_positions(k, product, 0, c->loops, positions);
    tile_bind(k, result, positions, tile_cast(k, sum, sl_type_element(sl_value_type(result))));
}

/* One vector of the result, or of both products' results: row base and column base are in place in the sets. */
static void finish(tile_kernel *k, contract *c, sl_value *sum, sl_value *other) {
    sl_value *values[TILE_MAX_NESTS];
    sl_expr positions[SL_MAX_RANK];
    bind_sum(k, c, c->anchor, sum);
    if (c->twin) bind_sum(k, c, c->twin, other);
    for (int i = 0; i < c->group.yield_count; i++) {
        sl_value *yield = c->group.yields[i];
        if (contract_is_statistic(c, tile_maker(yield))) continue;
        tile_result_positions(k, tile_maker(yield), sl_value_index(yield), c->loops, positions);
        values[i] = tile_read(k, yield, positions, NULL);
    }
    if (c->statistic_count) contract_statistics_update(k, c);
    for (int i = 0; i < c->group.yield_count; i++) {
        sl_value *yield = c->group.yields[i];
        if (contract_is_statistic(c, tile_maker(yield))) continue;
        tile_result_positions(k, tile_maker(yield), sl_value_index(yield), c->loops, positions);
        tile_write(k, i, positions, values[i]);
    }
}

static void place_columns(tile_kernel *k, contract *c, sl_expr panel, int vector) {
    sl_expr base = tile_add(k, tile_mul(k, panel, tile_const(k, c->columns)), tile_const(k, (int64_t)vector * k->lanes));
    k->mask = c->columns_masked ? tile_mask_first(k, tile_index(k, sl_expr_sub(k->context, c->n_extent, base))) : NULL;
    k->sets[c->n_set].base = tile_add(k, base, tile_lane_expr(k));
}

/* Vectors of sums that belong to a vector of the result: those of the anchor come first in each panel. */
typedef struct sum_place { int first, other; } sum_place;

static sum_place place_of_sum(const contract *c, int vector) {
    int each = c->twin ? c->column_vectors / 2 : c->column_vectors, first = vector / each * c->column_vectors + vector % each;
    return (sum_place){first, first + each};
}

static int result_vectors(const contract *c) { return c->column_vectors * c->panels_at_once / (c->twin ? 2 : 1); }

static sl_value *load_sum(tile_kernel *k, const contract *c, sl_expr row, int v) {
    int64_t vectors = (int64_t)c->column_vectors * c->panels_at_once;
    sl_expr at = tile_add(k, tile_mul(k, row, tile_const(k, vectors * k->lanes)), tile_add(k, tile_const(k, (int64_t)v * k->lanes), tile_lane_expr(k)));
    return tile_load(k, c->c_scratch, at, NULL);
}

void contract_epilogue_rows(tile_kernel *k, contract *c, sl_expr m_base, sl_expr count, sl_expr panel) {
    int floor = k->floor;
    k->floor = k->depth;                     /* nothing that only the epilogue needs may be alive during the sum */
    k->set_count = c->free_sets;
    sl_expr row = tile_variable(k, tile_for(k, tile_i64(k, 0), tile_index(k, count), tile_i64(k, 1), 0, NULL, NULL));
    sl_expr distance = row;
    if (c->rectangle_width) {
        sl_expr width = tile_const(k, c->rectangle_width);
        distance = tile_add(k, tile_mul(k, sl_expr_floordiv(k->context, row, width), tile_const(k, c->rectangle_step)), sl_expr_mod(k->context, row, width));
    }
    if (c->m_set >= 0) k->sets[c->m_set].base = tile_variable(k, tile_index(k, tile_add(k, m_base, distance)));
    if (c->statistic_count) c->statistic_row = sl_expr_sub(k->context, tile_add(k, m_base, row), c->statistic_low);
    for (int v = 0; v < result_vectors(c); v++) {
        sum_place place = place_of_sum(c, v);
        place_columns(k, c, panel, v);
        sl_value *sum = load_sum(k, c, row, place.first);
        finish(k, c, sum, c->twin ? load_sum(k, c, row, place.other) : NULL);
    }
    tile_end(k, 0, NULL, NULL);
    k->mask = NULL;
    k->floor = floor;
}

/* Whether an access of the epilogue reads a tensor as large as the result along vectors: it comes from L3 or memory, and nothing of the sum waits for it. */
static bool is_streamed(tile_kernel *k, const contract *c, const tile_access *access) {
    sl_expr coefficient, rest;
    int inner = c->n[c->n_count - 1];
    bool uses_row = false;
    if (access->store || access->position || sl_value_constant(access->tensor) || tile_is_inside(k, access->tensor)) return false;
    for (int i = 0; i < c->m_count; i++) uses_row |= sl_expr_uses_loop(access->offset, c->m[i]);
    if (!uses_row || !sl_expr_uses_loop(access->offset, inner)) return false;
    for (int i = 0; i < c->loop_count; i++)
        if (sl_expr_uses_loop(access->offset, i) && (!sl_expr_split_linear(k->context, access->offset, i, &coefficient, &rest) || sl_expr_uses_any_loop(coefficient))) return false;
    return sl_expr_split_linear(k->context, access->offset, inner, &coefficient, &rest) && sl_expr_equals_const(coefficient, 1);
}

void contract_prefetch_epilogue(tile_kernel *k, contract *c, int rows, sl_expr m_base, sl_expr panel) {
    if (c->n_count != 1 || c->m_set < 0) return;
    int vectors = c->column_vectors * c->panels_at_once, floor = k->floor;
    k->set_count = c->free_sets;
    for (size_t a = 0; a < c->c_space.accesses.count; a++) {
        const tile_access *access = &c->c_space.accesses.data[a];
        if (!is_streamed(k, c, access)) continue;
        sl_value *buffer = tile_argument_of(k, access->tensor);
        int64_t bytes = sl_element_bits(access->element) / 8;
        for (int i = 0; i < rows; i++) {
            sl_expr row = tile_add(k, m_base, tile_const(k, c->rectangle_width ? i / c->rectangle_width * c->rectangle_step + i % c->rectangle_width : i));
            k->sets[c->m_set].base = c->m_count > 1 ? tile_variable(k, tile_index(k, row)) : row;
            for (int v = 0; v < vectors; v++) {
                if ((int64_t)v * k->lanes * bytes % 64) continue;
                k->sets[c->n_set].base = tile_add(k, tile_mul(k, panel, tile_const(k, c->width)), tile_const(k, (int64_t)v * k->lanes));
                tile_prefetch(k, buffer, tile_convert(k, access->offset));
            }
        }
    }
    k->floor = floor;
}

void contract_epilogue(tile_kernel *k, contract *c, int rows, sl_expr m_base, sl_expr panel, sl_value *const *accumulators) {
    int vectors = c->column_vectors * c->panels_at_once, floor = k->floor;
    k->floor = k->depth;
    k->set_count = c->free_sets;
    if (c->heavy) {
        for (int i = 0; i < rows; i++)
            for (int v = 0; v < vectors; v++)
                tile_store(k, accumulators[i * vectors + v], c->c_scratch, tile_add(k, tile_const(k, (int64_t)(i * vectors + v) * k->lanes), tile_lane_expr(k)), NULL);
        k->floor = floor;
        contract_epilogue_rows(k, c, m_base, tile_const(k, rows), panel);
    } else {
        for (int i = 0; i < rows; i++) {
            sl_expr row = tile_add(k, m_base, tile_const(k, c->rectangle_width ? i / c->rectangle_width * c->rectangle_step + i % c->rectangle_width : i));
            /* Rows that divide into several loops get a variable each, so that the divisions are those of a plain number. */
            if (c->m_set >= 0) k->sets[c->m_set].base = c->m_count > 1 ? tile_variable(k, tile_index(k, row)) : row;
            if (c->statistic_count) c->statistic_row = sl_expr_sub(k->context, row, c->statistic_low);
            for (int v = 0; v < result_vectors(c); v++) {
                sum_place place = place_of_sum(c, v);
                place_columns(k, c, panel, v);
                finish(k, c, accumulators[i * vectors + place.first], c->twin ? accumulators[i * vectors + place.other] : NULL);
            }
        }
    }
    k->mask = NULL;
    k->floor = floor;
}
