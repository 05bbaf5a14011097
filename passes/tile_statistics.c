/* tile_statistics.c: reductions of a contraction's columns in its kernel (statistics.h; fuse_statistics.c builds the nests).
 *
 * Tasks are chunks of columns. The epilogue leaves its vectors in scratch [row of the block][column of the chunk] (or where the matrix is stored, if it is), which stays in the second-level
 * cache; at the task's end each row is gone over once for all but powers, and once for these, measured from the chunk's maximum. Lanes and accumulators hold columns by their number in
 * the chunk, and are folded in a fixed order, so nothing depends on tiles or on how many rows there are.
 */
#include "statistics.h"
#include "tile_contract.h"

#include <math.h>

struct contract_statistic {
    sl_op *nest;
    sl_statistics kind;
    int output;                              /* of the kernel, -1: only others read it */
    int most;                                /* of POWERS: number of the statistic that holds the maximum */
};

enum { ACCUMULATORS = 4 };

static int64_t statistic_pitch(const contract *c) { return c->chunk + 16; }      /* rows begin on sets of their own */

bool contract_is_statistic(const contract *c, const sl_op *nest) {
    for (int i = 0; i < c->statistic_count; i++)
        if (c->statistics[i].nest == nest) return true;
    return false;
}

static bool kind_of(const sl_op *nest, sl_statistics *kind) {
    sl_value *term;
    sl_combiner combiner = sl_nest_combiner(nest, 0, &term);
    sl_op *op = term ? sl_value_op(term) : NULL;
    if (!term) return false;
    if (!op && term == sl_nest_argument(nest, 0)) {
        *kind = combiner == SL_COMBINE_MAX ? STATISTICS_MAX : combiner == SL_COMBINE_MIN ? STATISTICS_MIN : STATISTICS_SUM;
        return combiner == SL_COMBINE_MAX || combiner == SL_COMBINE_MIN || combiner == SL_COMBINE_SUM;
    }
    if (!op || combiner != SL_COMBINE_SUM) return false;
    *kind = sl_op_get_kind(op) == SL_OP_arith_exp ? STATISTICS_POWERS : STATISTICS_SQUARES;
    return *kind == STATISTICS_POWERS ? sl_op_operand_count(nest) == 2 : sl_op_get_kind(op) == SL_OP_arith_mul;
}

bool contract_find_statistics(tile_kernel *k, contract *c) {
    c->statistics = SL_NEW_ARRAY(k->arena, contract_statistic, TILE_MAX_NESTS);
    for (int i = 0; i < c->group.nest_count; i++) {
        sl_op *nest = c->group.nests[i];
        if (nest == c->anchor || i == c->group.twin || sl_nest_reduced_count(nest) == 0) continue;
        contract_statistic *s = &c->statistics[c->statistic_count];
        int last = sl_nest_loop_count(nest) - 1;
        *s = (contract_statistic){.nest = nest, .output = -1, .most = -1};
        if (sl_nest_reduced_count(nest) != 1 || !sl_nest_is_reduced(nest, last) || !kind_of(nest, &s->kind)) return false;
        int64_t chunk = sl_expr_const_or(sl_nest_bound(nest, last), -1);
        if (chunk < 1 || (c->statistic_count && (chunk != c->chunk || sl_op_operand(nest, 0) != sl_op_operand(c->statistics[0].nest, 0)))) return false;
        c->chunk = chunk;
        for (int o = 0; o < c->statistic_count && s->kind == STATISTICS_POWERS; o++)
            if (sl_op_operand(nest, 1) == sl_op_result(c->statistics[o].nest, 0)) s->most = o;
        if (s->kind == STATISTICS_POWERS && s->most < 0) return false;
        for (int y = 0; y < c->group.yield_count; y++)
            if (c->group.yields[y] == sl_op_result(nest, 0)) s->output = y;
        c->statistic_count++;
    }
    return true;
}

static sl_value *number(tile_kernel *k, double value) { return tile_splat(k, tile_constant(k, sl_scalar_float(k->context, SL_ELEMENT_f32, value))); }
static double identity_of(const contract_statistic *s) { return s->kind == STATISTICS_MAX ? -INFINITY : s->kind == STATISTICS_MIN ? INFINITY : 0; }
static sl_value *exp_of(tile_kernel *k, sl_value *x) { return tile_op(k, SL_OP_arith_exp, SL_ELEMENT_f32, 1, &x, 0, NULL); }
/* 0 for an infinite one. */
static sl_value *finite_of(tile_kernel *k, sl_value *x) {
    sl_value *infinite = tile_op(k, SL_OP_arith_isinf, SL_ELEMENT_i1, 1, &x, 0, NULL);
    return tile_select(k, infinite, tile_constant(k, sl_scalar_float(k->context, SL_ELEMENT_f32, 0)), x);
}

static sl_value *combine(tile_kernel *k, const contract_statistic *s, sl_value *running, sl_value *x) {
    sl_value *operands[3] = {x, x, running};
    switch (s->kind) {
    case STATISTICS_MAX: return tile_binary(k, SL_OP_arith_max, running, x);
    case STATISTICS_MIN: return tile_binary(k, SL_OP_arith_min, running, x);
    case STATISTICS_SQUARES: return tile_op(k, SL_OP_arith_fma, SL_ELEMENT_f32, 3, operands, 0, NULL);
    case STATISTICS_SUM: case STATISTICS_POWERS: case STATISTICS_KINDS: break;
    }
    return tile_binary(k, SL_OP_arith_add, running, x);
}

static sl_value *matrix_of(const contract *c) { return sl_op_operand(c->statistics[0].nest, 0); }

static int matrix_output(const contract *c) {
    for (int y = 0; y < c->group.yield_count; y++)
        if (c->group.yields[y] == matrix_of(c)) return y;
    return -1;
}

void contract_statistics_scratch(tile_kernel *k, contract *c, int64_t rows) {
    if (matrix_output(c) < 0) c->statistic_scratch = tile_scratch(k, SL_ELEMENT_f32, rows * statistic_pitch(c) * 4);
}

/* Elements at `column` of the chunk, for the row whose base is in place. */
static sl_value *elements_at(tile_kernel *k, contract *c, sl_expr group, sl_expr row, sl_expr column, sl_value *mask) {
    if (c->statistic_scratch) return tile_load(k, c->statistic_scratch, tile_add(k, tile_mul(k, row, tile_const(k, statistic_pitch(c))), tile_add(k, column, tile_lane_expr(k))), mask);
    sl_value *matrix = matrix_of(c);
    sl_expr positions[SL_MAX_RANK];
    k->sets[c->n_set].base = tile_add(k, tile_add(k, tile_mul(k, group, tile_const(k, c->chunk)), column), tile_lane_expr(k));
    tile_result_positions(k, tile_maker(matrix), sl_value_index(matrix), c->loops, positions);
    return tile_load(k, tile_output_pointer(k, matrix_output(c)), tile_convert(k, tile_offset(k, sl_value_type(matrix), positions)), mask);
}

void contract_statistics_update(tile_kernel *k, contract *c) {
    sl_value *matrix = matrix_of(c);
    sl_expr positions[SL_MAX_RANK];
    if (!c->statistic_scratch) return;
    tile_result_positions(k, tile_maker(matrix), sl_value_index(matrix), c->loops, positions);
    sl_expr column = sl_expr_sub(k->context, k->sets[c->n_set].base, tile_mul(k, c->statistic_group, tile_const(k, c->chunk)));
    sl_value *x = tile_splat(k, tile_read(k, matrix, positions, NULL));
    tile_store(k, x, c->statistic_scratch, tile_add(k, tile_mul(k, c->statistic_row, tile_const(k, statistic_pitch(c))), column), NULL);
}

/* One pass over the row's columns for the statistics `first` .. `last` - 1; from[i]: what powers are measured from. */
static void fold_row(tile_kernel *k, contract *c, sl_expr group, sl_expr row, sl_expr columns, bool powers, sl_value *const *from, sl_value **whole) {
    sl_value *running[ACCUMULATORS * STATISTICS_KINDS], *start[ACCUMULATORS * STATISTICS_KINDS];
    const contract_statistic *list[STATISTICS_KINDS];
    int count = 0, numbers[STATISTICS_KINDS];
    for (int i = 0; i < c->statistic_count; i++)
        if ((c->statistics[i].kind == STATISTICS_POWERS) == powers) numbers[count] = i, list[count++] = &c->statistics[i];
    if (count == 0) return;
    for (int i = 0; i < ACCUMULATORS * count; i++) start[i] = number(k, identity_of(list[i % count]));
    int64_t known = sl_expr_const_or(columns, -1), step = (int64_t)ACCUMULATORS * k->lanes;
    sl_expr whole_end = known >= 0 ? tile_const(k, known / step * step) : tile_mul(k, sl_expr_floordiv(k->context, columns, tile_const(k, step)), tile_const(k, step));
    for (int part = 0; part < 2; part++) {           /* whole steps, then single vectors under a mask */
        int copies = part ? 1 : ACCUMULATORS;
        if (known >= 0 && (part ? known % step == 0 : known < step)) continue;
        sl_expr at = tile_variable(k, tile_for(k, tile_index(k, part ? whole_end : tile_const(k, 0)), tile_index(k, part ? columns : whole_end), tile_i64(k, copies * k->lanes),
                                               copies * count, start, running));
        sl_value *mask = part ? tile_mask_first(k, tile_index(k, sl_expr_sub(k->context, columns, at))) : NULL;
        for (int u = 0; u < copies; u++) {
            sl_value *x = elements_at(k, c, group, row, tile_add(k, at, tile_const(k, (int64_t)u * k->lanes)), mask);
            for (int i = 0; i < count; i++) {
                sl_value *term = powers ? exp_of(k, tile_binary(k, SL_OP_arith_sub, x, from[numbers[i]])) : x, *next = combine(k, list[i], running[u * count + i], term);
                running[u * count + i] = mask ? tile_select(k, mask, next, running[u * count + i]) : next;
            }
        }
        tile_end(k, copies * count, running, start);
    }
    for (int i = 0; i < count; i++) {
        const char *word = list[i]->kind == STATISTICS_MAX ? "max" : list[i]->kind == STATISTICS_MIN ? "min" : "sum";
        sl_op_kind kind = list[i]->kind == STATISTICS_MAX ? SL_OP_arith_max : list[i]->kind == STATISTICS_MIN ? SL_OP_arith_min : SL_OP_arith_add;
        for (int width = ACCUMULATORS / 2; width >= 1; width /= 2)
            for (int u = 0; u < width; u++) start[u * count + i] = tile_binary(k, kind, start[u * count + i], start[(u + width) * count + i]);
        whole[numbers[i]] = tile_reduce(k, word, start[i]);
    }
}

/* The nest's loops in the canonical ones: rows through the matrix's dims, the chunk is `group`. */
static void loops_of(tile_kernel *k, const contract *c, const sl_op *nest, sl_expr group, sl_expr *loops) {
    sl_value *matrix = sl_op_operand(nest, 0);
    sl_attr map = sl_nest_map(nest, 0);
    sl_expr positions[SL_MAX_RANK];
    tile_result_positions(k, tile_maker(matrix), sl_value_index(matrix), c->loops, positions);
    for (int i = 0; i < sl_nest_loop_count(nest); i++) loops[i] = group;
    for (int i = 0; i + 1 < sl_attr_count(map); i++)
        if (sl_expr_plain_loop(sl_attr_map_result(map, i)) >= 0) loops[sl_expr_plain_loop(sl_attr_map_result(map, i))] = positions[i];
}

void contract_statistics_write(tile_kernel *k, contract *c, sl_expr m_low, sl_expr rows, sl_expr group) {
    int floor = k->floor;
    k->set_count = c->free_sets;
    sl_expr row = tile_variable(k, tile_for(k, tile_i64(k, 0), tile_index(k, rows), tile_i64(k, 1), 0, NULL, NULL));
    k->floor = k->depth;
    if (c->m_set >= 0) k->sets[c->m_set].base = tile_variable(k, tile_index(k, tile_add(k, m_low, row)));
    k->mask = NULL;
    sl_value *whole[TILE_MAX_NESTS], *from[TILE_MAX_NESTS] = {0};
    sl_expr columns = tile_const(k, c->chunk);
    if (c->n_known % c->chunk) columns = tile_variable(k, tile_index(k, sl_expr_min(k->context, columns, sl_expr_sub(k->context, c->n_extent, tile_mul(k, group, columns)))));
    fold_row(k, c, group, row, columns, false, NULL, whole);
    for (int i = 0; i < c->statistic_count; i++)
        if (c->statistics[i].kind == STATISTICS_POWERS) from[i] = tile_splat(k, finite_of(k, whole[c->statistics[i].most]));
    fold_row(k, c, group, row, columns, true, from, whole);
    for (int i = 0; i < c->statistic_count; i++) {
        const contract_statistic *s = &c->statistics[i];
        sl_expr loops[SL_NEST_MAX_LOOPS], positions[SL_MAX_RANK];
        if (s->output < 0) continue;
        loops_of(k, c, s->nest, group, loops);
        tile_result_positions(k, s->nest, 0, loops, positions);
        tile_write(k, s->output, positions, whole[i]);
    }
    k->floor = floor;
    tile_end(k, 0, NULL, NULL);
}
