/* tile_rows.c: groups with reductions that share outer row loops (softmax, norms), and lone reductions (pools, means, depthwise convolutions).
 *
 * A group becomes a sequence of passes over one row: each reduction and each yielded elementwise nest is a pass; other elementwise nests are evaluated where they are
 * read, except costly ones that several passes read, which are kept in worker scratch (or in the output that they turn into) by the first pass.
 *
 * The lanes take either the innermost reduced loops, with several accumulators that are folded at the end of the row in a fixed order (lane number and accumulator of an
 * element follow from its position in the row alone), or a row loop with contiguous accesses, where every lane has its own running value and the order is that of the nest.
 * Which one depends on strides and inner extents only, never on the number of rows.
 *
 * Windows that leave the tensor where outside reads as the identity (pool and convolution padding) are trimmed: the loop runs over the inside part.
 */
#include "tile_internal.h"

#include <assert.h>
#include <string.h>

typedef struct row_pass {
    sl_op *nest;
    bool reduces;
    sl_expr loops[SL_NEST_MAX_LOOPS];        /* nest's loops in canonical ones */
    int inner_count, inner[SL_NEST_MAX_LOOPS];
    int first_set, set_count;
    tile_space space;
} row_pass;

typedef struct row_keep { sl_value *tensor; int first_pass; bool in_pass; tile_stored stored; bool ready; } row_keep;

typedef struct rows {
    tile_group group;
    int row_count;
    sl_expr row_extents[SL_NEST_MAX_LOOPS];
    sl_expr subst[TILE_MAX_NESTS][SL_NEST_MAX_LOOPS];
    int canonical;
    int pass_count;
    row_pass passes[TILE_MAX_NESTS];
    int keep_count;
    row_keep keeps[TILE_MAX_NESTS];
    int row_set_count;
    int lane_set;                            /* row set that the lanes take, -1: they take inner loops (or there are none) */
    int unroll;
    bool inner_lanes;
} rows;

static int nest_number(const rows *r, const sl_op *nest) {
    for (int i = 0; i < r->group.nest_count; i++)
        if (r->group.nests[i] == nest) return i;
    return -1;
}

/* ---- which loops are rows ---- */

static bool is_row(const rows *r, sl_expr expr) { return expr && sl_expr_plain_loop(expr) >= 0 && sl_expr_plain_loop(expr) < r->row_count; }

/* Carries row loops over from a producer to a reader and back along the dims that both index by one loop. */
static bool link_loops(rows *r, int producer, int result, int reader, int operand) {
    sl_attr made = sl_nest_result_map(r->group.nests[producer], result), read = sl_nest_map(r->group.nests[reader], operand);
    bool changed = false;
    for (int i = 0, n = sl_attr_count(made); i < n; i++) {
        int a = sl_expr_plain_loop(sl_attr_map_result(made, i)), b = sl_expr_plain_loop(sl_attr_map_result(read, i));
        if (a < 0 || b < 0) continue;
        sl_expr *x = &r->subst[producer][a], *y = &r->subst[reader][b];
        if (is_row(r, *x) && !*y) *y = *x, changed = true;
        else if (is_row(r, *y) && !*x) *x = *y, changed = true;
    }
    return changed;
}

static void resolve_rows(tile_kernel *k, rows *r, int first) {
    sl_op *seed = r->group.nests[first];
    for (int i = 0; i < sl_nest_loop_count(seed); i++) {
        if (sl_nest_is_reduced(seed, i)) continue;
        r->row_extents[r->row_count] = sl_nest_bound(seed, i);
        r->subst[first][i] = sl_expr_loop(k->context, r->row_count++);
    }
    for (bool changed = true; changed;) {
        changed = false;
        for (int n = 0; n < r->group.nest_count; n++)
            for (int o = 0; o < sl_op_operand_count(r->group.nests[n]); o++) {
                sl_value *operand = sl_op_operand(r->group.nests[n], o);
                int producer = tile_maker(operand) ? nest_number(r, tile_maker(operand)) : -1;
                if (producer >= 0) changed |= link_loops(r, producer, sl_value_index(operand), n, o);
            }
    }
}

/* Row loops of a pass must be all rows, each once; one that nothing links is matched by position and extent. Its other loops become its own. */
static bool settle_pass(tile_kernel *k, rows *r, row_pass *pass) {
    int number = nest_number(r, pass->nest), loops = sl_nest_loop_count(pass->nest);
    sl_expr *subst = r->subst[number];
    for (int row = 0; row < r->row_count; row++) {
        int found = 0;
        for (int i = 0; i < loops; i++) found += is_row(r, subst[i]) && sl_expr_plain_loop(subst[i]) == row;
        if (found > 1) return false;
        if (found == 1) continue;
        if (row >= loops || subst[row] || sl_nest_is_reduced(pass->nest, row) || sl_nest_bound(pass->nest, row) != r->row_extents[row]) return false;
        subst[row] = sl_expr_loop(k->context, row);
    }
    for (int i = 0; i < loops; i++) {
        bool row = is_row(r, subst[i]);
        if (row && sl_nest_is_reduced(pass->nest, i)) return false;
        if (row && sl_nest_bound(pass->nest, i) != r->row_extents[sl_expr_plain_loop(subst[i])]) return false;
        if (!row && pass->reduces && !sl_nest_is_reduced(pass->nest, i)) return false;
        if (!row) {
            if (r->canonical >= TILE_MAX_LOOPS) return false;
            pass->inner[pass->inner_count++] = r->canonical;
            subst[i] = sl_expr_loop(k->context, r->canonical);
            k->extents[r->canonical++] = sl_nest_bound(pass->nest, i);
        }
        pass->loops[i] = subst[i];
    }
    return true;
}

/* ---- what is kept for later passes ---- */

static bool reads_value(const rows *r, sl_op *nest, sl_value *wanted, int depth) {
    if (depth > 40) return true;
    for (int o = 0; o < sl_op_operand_count(nest); o++) {
        sl_value *operand = sl_op_operand(nest, o);
        if (operand == wanted) return true;
        sl_op *maker = tile_maker(operand);
        if (!maker || nest_number(r, maker) < 0 || sl_nest_reduced_count(maker)) continue;
        bool kept = false;
        for (int i = 0; i < r->pass_count; i++) kept |= r->passes[i].nest == maker;
        if (!kept && reads_value(r, maker, wanted, depth + 1)) return true;
    }
    return false;
}

static double chain_cost(const rows *r, sl_op *nest, int depth) {
    double cost = sl_estimate_body(nest);
    for (int o = 0; o < sl_op_operand_count(nest) && depth < 20; o++) {
        sl_op *maker = tile_maker(sl_op_operand(nest, o));
        if (maker && nest_number(r, maker) >= 0 && !sl_nest_reduced_count(maker)) cost += 1 + chain_cost(r, maker, depth + 1);
    }
    return cost;
}

static int output_of(const rows *r, const sl_value *value) {
    for (int i = 0; i < r->group.yield_count; i++)
        if (r->group.yields[i] == value) return i;
    return -1;
}

/* The first pass reads `tensor` directly at a projection that covers all of it and is walked by the pass's own inner loops: it can store it on the way. */
static bool covers(const rows *r, const row_pass *pass, sl_value *tensor) {
    for (int o = 0; o < sl_op_operand_count(pass->nest); o++) {
        if (sl_op_operand(pass->nest, o) != tensor || sl_nest_outside(pass->nest, o)) continue;
        sl_attr map = sl_nest_map(pass->nest, o);
        int own = 0;
        if (!sl_map_is_projection(map)) return false;
        for (int i = 0, n = sl_attr_count(map); i < n; i++) {
            int loop = sl_expr_plain_loop(sl_attr_map_result(map, i));
            if (loop < 0) {
                if (!sl_expr_equals_const(sl_type_dim(sl_value_type(tensor), i), 1)) return false;
            } else if (sl_nest_bound(pass->nest, loop) != sl_type_dim(sl_value_type(tensor), i)) {
                return false;
            } else {
                own += !is_row(r, pass->loops[loop]);
            }
        }
        return own == pass->inner_count;
    }
    return false;
}

/* A place for a kept tensor: scratch of the row when its size is known, else an output of the same shape that the last pass makes of it point by point. */
static bool place_keep(tile_kernel *k, rows *r, row_keep *keep, int number) {
    sl_type type = sl_value_type(keep->tensor);
    sl_attr made = sl_nest_result_map(tile_maker(keep->tensor), sl_value_index(keep->tensor));
    int64_t count = 1;
    keep->stored = (tile_stored){.tensor = keep->tensor, .lanes = r->lane_set >= 0};
    for (int i = 0, n = sl_attr_count(made); i < n; i++) {
        int loop = sl_expr_plain_loop(sl_attr_map_result(made, i));
        if (loop < 0) {                              /* a dim of extent 1 */
            keep->stored.row[i] = true;
            continue;
        }
        keep->stored.row[i] = is_row(r, r->subst[number][loop]);
        if (keep->stored.row[i]) continue;
        int64_t dim = sl_type_static_dim(type, i);
        if (count >= 0) count = dim < 0 || dim > (1 << 20) ? -1 : count * dim;
        if (count > (1 << 22)) count = -1;
    }
    sl_element element = sl_type_element(type);
    if (sl_element_bits(element) < 8) return false;
    if (keep->stored.lanes && count > 0) count *= k->lanes;
    int64_t bytes = count < 0 ? -1 : count * (sl_element_bits(element) / 8);
    row_pass *last = &r->passes[r->pass_count - 1];
    int output = last->reduces ? -1 : output_of(r, sl_op_result(last->nest, 0));
    if (output >= 0 && !keep->stored.lanes && sl_op_result_count(last->nest) == 1) {
        sl_value *target = sl_op_result(last->nest, 0);
        bool same = sl_value_type(target) == type;
        int direct = 0;
        for (int o = 0; o < sl_op_operand_count(last->nest); o++)
            if (sl_op_operand(last->nest, o) == keep->tensor) direct += sl_nest_map(last->nest, o) == sl_nest_result_map(last->nest, 0) ? 1 : 100;
        for (int i = 0; i < r->keep_count; i++) same &= &r->keeps[i] == keep || r->keeps[i].stored.buffer != tile_output_pointer(k, output);
        if (same && direct == 1) {
            keep->stored.buffer = tile_output_pointer(k, output);
            memset(keep->stored.row, 0, sizeof(keep->stored.row));
            return true;
        }
    }
    if (bytes < 0 || k->scratch + bytes > (512 << 10)) return false;
    keep->stored.buffer = tile_scratch(k, element, bytes + 64);
    return true;
}

static void choose_keeps(tile_kernel *k, rows *r) {
    for (int n = 0; n < r->group.nest_count; n++) {
        sl_op *nest = r->group.nests[n];
        if (sl_nest_reduced_count(nest) || sl_op_result_count(nest) != 1) continue;
        sl_value *tensor = sl_op_result(nest, 0);
        if (output_of(r, tensor) >= 0 || sl_nest_loop_count(nest) <= r->row_count || chain_cost(r, nest, 0) < 8) continue;
        int readers = 0, first = -1;
        for (int i = 0; i < r->pass_count; i++)
            if (reads_value(r, r->passes[i].nest, tensor, 0)) {
                if (readers++ == 0) first = i;
            }
        if (readers < 2 || !covers(r, &r->passes[first], tensor)) continue;
        row_keep *keep = &r->keeps[r->keep_count];
        *keep = (row_keep){.tensor = tensor, .first_pass = first};
        r->keep_count++;
        if (!place_keep(k, r, keep, n)) r->keep_count--;
    }
}

/* Stores what the pass was found to compute for later ones. */
static void store_keeps(tile_kernel *k, rows *r, const row_pass *pass) {
    for (int i = 0; i < r->keep_count; i++) {
        row_keep *keep = &r->keeps[i];
        if (&r->passes[keep->first_pass] != pass) continue;
        for (int o = 0; o < sl_op_operand_count(pass->nest); o++) {
            if (sl_op_operand(pass->nest, o) != keep->tensor) continue;
            sl_attr map = sl_nest_map(pass->nest, o);
            sl_expr positions[SL_MAX_RANK];
            for (int d = 0, n = sl_attr_count(map); d < n; d++)
                positions[d] = sl_expr_substitute(k->context, sl_attr_map_result(map, d), pass->loops, sl_nest_loop_count(pass->nest), NULL, NULL);
            tile_keep(k, &keep->stored, positions, tile_read(k, keep->tensor, positions, NULL));
            break;
        }
    }
}

static void pass_done(tile_kernel *k, rows *r, const row_pass *pass) {
    for (int i = 0; i < r->keep_count; i++)
        if (&r->passes[r->keeps[i].first_pass] == pass) SL_PUSH(k->arena, &k->stored, r->keeps[i].stored);
    if (!pass->reduces)
        for (int j = 0; j < sl_op_result_count(pass->nest); j++) {
            int output = output_of(r, sl_op_result(pass->nest, j));
            /* Later passes read back what was written (by this task, to its own row). */
            if (output >= 0 && pass->inner_count) SL_PUSH(k->arena, &k->stored, (tile_stored){.tensor = sl_op_result(pass->nest, j), .buffer = tile_output_pointer(k, output)});
        }
}

/* ---- trimming ---- */

static const sl_value *factor_of(const sl_op *fma, int i) {
    const sl_value *factor = sl_op_operand(fma, i);
    while (sl_value_op(factor) && sl_op_get_kind(sl_value_op(factor)) == SL_OP_arith_cast) factor = sl_op_operand(sl_value_op(factor), 0);
    return factor;
}

/* Whether a read outside leaves the running value as it is. A zero does so in a product when the other factor is finite. */
static bool outside_is_identity(const sl_op *nest, int operand) {
    sl_attr outside = sl_nest_outside(nest, operand);
    if (sl_op_result_count(nest) != 1) return false;
    sl_value *term, *argument = sl_nest_argument(nest, operand);
    sl_combiner combiner = sl_nest_combiner(nest, 0, &term);
    double value = sl_attr_data_float(outside, 0), init = sl_attr_data_float(sl_nest_init(nest, 0), 0);
    while (term && sl_value_op(term) && sl_op_get_kind(sl_value_op(term)) == SL_OP_arith_cast) term = sl_op_operand(sl_value_op(term), 0);
    if (combiner == SL_COMBINE_FMA) {
        sl_op *fma = sl_value_op(sl_nest_yielded(nest, 0));
        for (int i = 0; i < 2 && value == 0; i++) {
            if (factor_of(fma, i) != argument) continue;
            for (int o = 0; o < sl_op_operand_count(nest); o++)
                if (factor_of(fma, 1 - i) == sl_nest_argument(nest, o) && tile_is_finite(sl_op_operand(nest, o))) return true;
        }
        return false;
    }
    if (term != argument) return false;
    if (combiner == SL_COMBINE_SUM) return value == 0;
    if (combiner == SL_COMBINE_MAX) return value <= init;
    if (combiner == SL_COMBINE_MIN) return value >= init;
    return false;
}

/* Narrows [low, high) of the inner loop `loop` to where the operands with identity outside are read inside. The bases of row sets and outer inner loops are in place. */
static void trim(tile_kernel *k, const row_pass *pass, int loop, sl_expr *low, sl_expr *high) {
    sl_context *context = k->context;
    for (int o = 0; o < sl_op_operand_count(pass->nest); o++) {
        if (!sl_nest_outside(pass->nest, o) || !outside_is_identity(pass->nest, o)) continue;
        sl_type type = sl_value_type(sl_op_operand(pass->nest, o));
        sl_attr map = sl_nest_map(pass->nest, o);
        for (int d = 0, n = sl_attr_count(map); d < n; d++) {
            sl_expr position = sl_expr_substitute(context, sl_attr_map_result(map, d), pass->loops, sl_nest_loop_count(pass->nest), NULL, NULL), coefficient, rest;
            sl_expr dim = sl_type_dim(type, d);
            if (!sl_expr_uses_loop(position, loop) || tile_proves_inside(k, position, dim, k->extents, k->canonical_count)) continue;
            if (!sl_expr_split_linear(context, position, loop, &coefficient, &rest) || sl_expr_const_or(coefficient, 0) < 1) continue;
            bool own = false;                        /* another loop of the same window in the same position */
            for (int i = 0; i < pass->inner_count; i++) own |= sl_expr_uses_loop(rest, pass->inner[i]);
            if (own) continue;
            sl_expr start = tile_convert(k, rest), zero = tile_const(k, 0);
            if (sl_expr_uses_loop(start, TILE_LANE)) continue;
            sl_expr from = sl_expr_ceildiv(context, sl_expr_sub(context, zero, start), coefficient);
            sl_expr to = tile_add(k, sl_expr_floordiv(context, sl_expr_sub(context, sl_expr_sub(context, dim, tile_const(k, 1)), start), coefficient), tile_const(k, 1));
            *low = sl_expr_max(context, *low, from);
            *high = sl_expr_min(context, *high, to);
            SL_PUSH(k->arena, &k->proven, position);
        }
    }
}

/* ---- running a pass ---- */

static const char *combiner_name(sl_combiner combiner) {
    switch (combiner) {
    case SL_COMBINE_SUM: case SL_COMBINE_FMA: return "sum";
    case SL_COMBINE_PROD: return "prod";
    case SL_COMBINE_MAX: return "max";
    case SL_COMBINE_MIN: return "min";
    case SL_COMBINE_AND: return "and";
    case SL_COMBINE_OR: return "or";
    case SL_COMBINE_NONE: case SL_COMBINE_OTHER: break;
    }
    return NULL;
}

static sl_op_kind combiner_kind(sl_combiner combiner) {
    switch (combiner) {
    case SL_COMBINE_SUM: case SL_COMBINE_FMA: case SL_COMBINE_NONE: case SL_COMBINE_OTHER: break;
    case SL_COMBINE_PROD: return SL_OP_arith_mul;
    case SL_COMBINE_MAX: return SL_OP_arith_max;
    case SL_COMBINE_MIN: return SL_OP_arith_min;
    case SL_COMBINE_AND: return SL_OP_arith_and;
    case SL_COMBINE_OR: return SL_OP_arith_or;
    }
    return SL_OP_arith_add;
}

static void publish(tile_kernel *k, rows *r, const row_pass *pass, int result, sl_value *value) {
    sl_value *tensor = sl_op_result(pass->nest, result);
    sl_expr positions[SL_MAX_RANK];
    tile_result_positions(k, pass->nest, result, pass->loops, positions);
    value = tile_cast(k, value, sl_type_element(sl_value_type(tensor)));
    int output = output_of(r, tensor);
    if (output >= 0)
        for (int i = 0; i < r->group.yield_count; i++)
            if (r->group.yields[i] == tensor) tile_write(k, i, positions, value);
    tile_bind(k, tensor, positions, value);
}

/* Next running values, one set per copy of the body. */
static void step_running(tile_kernel *k, rows *r, row_pass *pass, sl_value **running) {
    int results = sl_op_result_count(pass->nest);
    tile_frame frame;
    sl_value *next[SL_NEST_MAX_RESULTS];
    store_keeps(k, r, pass);
    tile_frame_init(k, &frame, pass->nest, pass->loops, running);
    tile_frame_all(k, &frame);
    for (int i = 0; i < results; i++) next[i] = tile_frame_value(k, &frame, sl_nest_yielded(pass->nest, i));
    for (int i = 0; i < results; i++) running[i] = next[i];
}

static void write_yields(tile_kernel *k, rows *r, row_pass *pass) {
    sl_value *values[SL_NEST_MAX_RESULTS];
    int results = sl_op_result_count(pass->nest);
    store_keeps(k, r, pass);
    for (int i = 0; i < results; i++) values[i] = output_of(r, sl_op_result(pass->nest, i)) >= 0 ? tile_evaluate(k, pass->nest, i, pass->loops) : NULL;
    for (int i = 0; i < results; i++) {
        if (!values[i]) continue;
        sl_expr positions[SL_MAX_RANK];
        tile_result_positions(k, pass->nest, i, pass->loops, positions);
        for (int y = 0; y < r->group.yield_count; y++)
            if (r->group.yields[y] == sl_op_result(pass->nest, i)) tile_write(k, y, positions, values[i]);
    }
}

/* Every lane (or the one scalar) runs the nest in order; `copies` vectors of rows at once. */
static void run_ordered(tile_kernel *k, rows *r, row_pass *pass, int copies, const sl_expr *bases) {
    int results = pass->reduces ? sl_op_result_count(pass->nest) : 0, depth = k->depth;
    size_t proven = k->proven.count;
    sl_value *running[16 * SL_NEST_MAX_RESULTS];
    for (int u = 0; u < copies; u++)
        for (int i = 0; i < results; i++) {
            sl_value *init = tile_constant(k, sl_nest_init(pass->nest, i));
            running[u * results + i] = k->lanes > 1 && r->lane_set >= 0 ? tile_splat(k, init) : init;
        }
    for (int s = 0; s < pass->set_count; s++) {
        tile_set *set = &k->sets[pass->first_set + s];
        sl_value *start[16 * SL_NEST_MAX_RESULTS];
        memcpy(start, running, sizeof(start));
        sl_expr low = tile_const(k, 0), high = set->extent;
        if (r->lane_set >= 0) k->sets[r->lane_set].base = bases[0];
        if (pass->reduces && set->count == 1) trim(k, pass, set->loops[0], &low, &high);
        set->base = tile_variable(k, tile_for(k, tile_index(k, low), tile_index(k, high), tile_i64(k, 1), copies * results, start, running));
    }
    for (int u = 0; u < copies; u++) {
        if (r->lane_set >= 0) k->sets[r->lane_set].base = bases[u];
        if (pass->reduces) step_running(k, r, pass, running + u * results);
        else write_yields(k, r, pass);
    }
    while (k->depth > depth) tile_end(k, copies * results, running, running);
    k->proven.count = proven;
    for (int u = 0; u < copies; u++) {
        if (r->lane_set >= 0) k->sets[r->lane_set].base = bases[u];
        for (int i = 0; i < results; i++) publish(k, r, pass, i, running[u * results + i]);
    }
    pass_done(k, r, pass);
}

/* The lanes take the innermost loops of a reduction: `unroll` vectors of partial results, folded at the end. */
static void run_folded(tile_kernel *k, rows *r, row_pass *pass) {
    sl_context *context = k->context;
    int results = sl_op_result_count(pass->nest), depth = k->depth;
    tile_set *set = &k->sets[pass->first_set + pass->set_count - 1];
    int64_t extent = sl_expr_const_or(set->extent, -1), unroll = 4;
    while (unroll > 1 && extent >= 0 && extent < unroll * k->lanes) unroll /= 2;
    int count = (int)unroll * results;
    sl_value *running[4 * SL_NEST_MAX_RESULTS], *start[4 * SL_NEST_MAX_RESULTS];
    sl_combiner combiners[SL_NEST_MAX_RESULTS];
    for (int i = 0; i < results; i++) {
        sl_value *running_argument = sl_nest_running(pass->nest, i);
        combiners[i] = sl_nest_combiner(pass->nest, i, NULL);
        sl_attr identity = sl_scalar_identity(context, sl_type_element(sl_value_type(running_argument)), combiner_name(combiners[i]));
        for (int u = 0; u < unroll; u++) running[u * results + i] = tile_splat(k, tile_constant(k, identity));
    }
    for (int s = 0; s + 1 < pass->set_count; s++) {
        tile_set *outer = &k->sets[pass->first_set + s];
        memcpy(start, running, sizeof(start));
        outer->base = tile_variable(k, tile_for(k, tile_i64(k, 0), tile_index(k, outer->extent), tile_i64(k, 1), count, start, running));
    }
    int64_t step = unroll * k->lanes;
    if (extent < 0 || extent >= step) {
        sl_expr last = sl_expr_sub(context, set->extent, tile_const(k, step - 1));
        memcpy(start, running, sizeof(start));
        sl_expr at = tile_variable(k, tile_for(k, tile_i64(k, 0), tile_index(k, last), tile_i64(k, step), count, start, running));
        for (int u = 0; u < unroll; u++) {
            set->base = tile_add(k, at, tile_add(k, tile_const(k, (int64_t)u * k->lanes), tile_lane_expr(k)));
            step_running(k, r, pass, running + u * results);
        }
        tile_end(k, count, running, running);
    }
    if (extent < 0 || extent % step) {
        sl_expr rest = extent < 0 ? tile_mul(k, sl_expr_floordiv(context, set->extent, tile_const(k, step)), tile_const(k, step)) : tile_const(k, extent / step * step);
        memcpy(start, running, sizeof(start));
        sl_expr at = tile_variable(k, tile_for(k, tile_index(k, rest), tile_index(k, set->extent), tile_i64(k, k->lanes), results, start, running));
        set->base = tile_add(k, at, tile_lane_expr(k));
        sl_value *before[SL_NEST_MAX_RESULTS];
        memcpy(before, running, sizeof(before[0]) * (size_t)results);
        k->mask = tile_mask_first(k, tile_index(k, sl_expr_sub(context, set->extent, at)));
        step_running(k, r, pass, running);
        for (int i = 0; i < results; i++) running[i] = tile_select(k, k->mask, running[i], before[i]);
        k->mask = NULL;
        tile_end(k, results, running, running);
    }
    while (k->depth > depth) tile_end(k, count, running, running);
    for (int i = 0; i < results; i++) {
        for (int64_t width = unroll / 2; width >= 1; width /= 2)
            for (int64_t u = 0; u < width; u++)
                running[u * results + i] = tile_binary(k, combiner_kind(combiners[i]), running[u * results + i], running[(u + width) * results + i]);
        sl_value *folded = tile_reduce(k, combiner_name(combiners[i]), running[i]);
        sl_attr init = sl_nest_init(pass->nest, i), identity = sl_scalar_identity(context, sl_type_element(sl_value_type(folded)), combiner_name(combiners[i]));
        if (memcmp(sl_attr_data_bytes(init), sl_attr_data_bytes(identity), (size_t)sl_attr_data_size(init)) != 0)
            folded = tile_binary(k, combiner_kind(combiners[i]), tile_constant(k, init), folded);
        publish(k, r, pass, i, folded);
    }
    pass_done(k, r, pass);
}

typedef struct yield_self { rows *r; row_pass *pass; int set; } yield_self;
static void yield_body(tile_kernel *k, void *self, int copies, const sl_expr *bases) {
    yield_self *y = self;
    for (int u = 0; u < copies; u++) {
        k->sets[y->set].base = bases[u];
        write_yields(k, y->r, y->pass);
    }
}

static void run_yields_along(tile_kernel *k, rows *r, row_pass *pass) {
    int depth = k->depth, last = pass->first_set + pass->set_count - 1;
    for (int s = 0; s + 1 < pass->set_count; s++) {
        tile_set *outer = &k->sets[pass->first_set + s];
        outer->base = tile_variable(k, tile_for(k, tile_i64(k, 0), tile_index(k, outer->extent), tile_i64(k, 1), 0, NULL, NULL));
    }
    yield_self self = {r, pass, last};
    int64_t extent = sl_expr_const_or(k->sets[last].extent, -1);
    int unroll = pass->space.body_cost < 16 ? 4 : 2;
    while (unroll > 1 && extent >= 0 && extent < (int64_t)unroll * k->lanes) unroll /= 2;
    tile_lane_loop(k, last, tile_const(k, 0), k->sets[last].extent, 1, unroll, yield_body, &self);
    while (k->depth > depth) tile_end(k, 0, NULL, NULL);
    pass_done(k, r, pass);
}

static void run_row(tile_kernel *k, rows *r, int copies, const sl_expr *bases) {
    k->stored.count = 0;
    for (int i = 0; i < r->pass_count && !k->failure; i++) {
        row_pass *pass = &r->passes[i];
        if (!r->inner_lanes || pass->set_count == 0) run_ordered(k, r, pass, copies, bases);
        else if (pass->reduces) run_folded(k, r, pass);
        else run_yields_along(k, r, pass);
    }
}

static void lane_rows(tile_kernel *k, void *self, int copies, const sl_expr *bases) { run_row(k, self, copies, bases); }

/* ---- planning ---- */

static bool build_passes(tile_kernel *k, rows *r) {
    for (int n = 0; n < r->group.nest_count; n++) {
        sl_op *nest = r->group.nests[n];
        bool reduces = sl_nest_reduced_count(nest) > 0, yielded = false;
        for (int i = 0; i < sl_op_result_count(nest); i++) yielded |= output_of(r, sl_op_result(nest, i)) >= 0;
        if (!reduces && !yielded) continue;
        if (sl_op_result_count(nest) > SL_NEST_MAX_RESULTS) return false;
        row_pass *pass = &r->passes[r->pass_count++];
        *pass = (row_pass){.nest = nest, .reduces = reduces};
        if (!settle_pass(k, r, pass)) return false;
    }
    return true;
}

static bool collect_passes(tile_kernel *k, rows *r, tile_space *all) {
    *all = (tile_space){.loops = r->canonical, .lane_safe = true};
    for (int i = 0; i < r->row_count; i++) k->extents[i] = r->row_extents[i];
    for (int i = 0; i < r->pass_count; i++) {
        row_pass *pass = &r->passes[i];
        pass->space = (tile_space){.loops = r->canonical, .lane_safe = true};
        for (int c = 0; c < r->canonical; c++) pass->space.extents[c] = k->extents[c];
        for (int c = 0; c < pass->inner_count; c++) pass->space.reduced[pass->inner[c]] = pass->reduces;
        tile_collect(k, &pass->space, pass->nest, pass->loops);
        for (int j = 0; j < sl_op_result_count(pass->nest); j++) {
            sl_expr positions[SL_MAX_RANK];
            if (output_of(r, sl_op_result(pass->nest, j)) < 0) continue;
            tile_result_positions(k, pass->nest, j, pass->loops, positions);
            tile_collect_write(k, &pass->space, k->outputs.data[output_of(r, sl_op_result(pass->nest, j))].tensor, positions);
        }
        if (pass->space.failure) return false;
        for (size_t a = 0; a < pass->space.accesses.count; a++) SL_PUSH(k->arena, &all->accesses, pass->space.accesses.data[a]);
        all->lane_safe &= pass->space.lane_safe;
        if (pass->space.widest > all->widest) all->widest = pass->space.widest;
        all->body_cost += pass->space.body_cost;
    }
    for (int c = 0; c < r->canonical; c++) all->extents[c] = k->extents[c];
    return true;
}

static bool foldable(const rows *r) {
    for (int i = 0; i < r->pass_count; i++) {
        if (!r->passes[i].reduces) continue;
        for (int j = 0; j < sl_op_result_count(r->passes[i].nest); j++)
            if (!combiner_name(sl_nest_combiner(r->passes[i].nest, j, NULL))) return false;
    }
    return true;
}

/* Cycles of one row (of one element of the row lanes) when the lanes walk the given loops. */
static double cost_of_rows(tile_kernel *k, const rows *r, const tile_space *all, bool inner) {
    double total = 0;
    (void)all;
    for (int i = 0; i < r->pass_count; i++) {
        const row_pass *pass = &r->passes[i];
        double points = 1;
        for (int c = 0; c < pass->inner_count; c++) points *= tile_estimate(k->extents[pass->inner[c]]);
        if (inner && pass->set_count) {
            const tile_set *set = &k->sets[pass->first_set + pass->set_count - 1];
            total += points * tile_lane_cost(k, &pass->space, set->loops[set->count - 1], set->extent, k->lanes) + (pass->reduces ? 14 : 2);
        } else if (inner) {
            total += pass->space.body_cost + (double)pass->space.accesses.count;
        } else {
            const tile_set *set = &k->sets[r->row_set_count - 1];
            total += points * tile_lane_cost(k, &pass->space, set->loops[set->count - 1], tile_const(k, 1 << 20), k->lanes);
        }
    }
    return total;
}

static void emit_tasks(tile_kernel *k, rows *r, double row_cycles, tile_launch *launch) {
    sl_context *context = k->context;
    sl_expr one = tile_const(k, 1), tasks = one, counts[TILE_MAX_SETS + 1], indices[TILE_MAX_SETS + 1], pieces = one;
    int digits = r->row_set_count - (r->lane_set >= 0);
    double outer = 1;
    for (int i = 0; i < digits; i++) counts[i] = k->sets[i].extent, tasks = tile_mul(k, tasks, counts[i]), outer *= tile_estimate(counts[i]);
    int64_t step = (int64_t)k->lanes * r->unroll, piece = 0;
    sl_expr extent = r->lane_set >= 0 ? k->sets[r->lane_set].extent : one;
    if (r->lane_set >= 0 && (outer < 4 * k->pass->threads || tile_estimate(extent) * row_cycles > 100000)) {
        piece = step;
        while (piece < 4096 && (double)piece * row_cycles < 4000) piece *= 2;
        pieces = sl_expr_ceildiv(context, extent, tile_const(k, piece));
        if (sl_expr_equals_const(pieces, 1)) piece = 0;
    }
    counts[digits] = pieces;
    tasks = tile_mul(k, tasks, pieces);
    tile_task_loop(k, digits + 1, counts, indices);
    for (int i = 0; i < digits; i++) k->sets[i].base = indices[i];
    if (r->lane_set < 0) {
        run_row(k, r, 1, NULL);
    } else if (!piece) {
        tile_lane_loop(k, r->lane_set, tile_const(k, 0), extent, 1, r->unroll, lane_rows, r);
    } else {
        int64_t known = sl_expr_const_or(extent, -1);
        sl_expr low = tile_mul(k, indices[digits], tile_const(k, piece)), high = tile_add(k, low, tile_const(k, piece));
        if (known < 0 || known % piece) high = sl_expr_min(context, high, extent);
        tile_lane_loop(k, r->lane_set, low, high, known >= 0 && known % step == 0 ? step : 1, r->unroll, lane_rows, r);
    }
    while (k->depth > 0) tile_end(k, 0, NULL, NULL);
    launch->tasks = tasks;
    double per_task = r->lane_set < 0 ? row_cycles : row_cycles * (piece ? (double)piece : tile_estimate(extent));
    launch->grain = tile_grain(k, per_task + 10);
}

static bool is_no_step(void *self, sl_op *op) {
    (void)self;
    switch ((int)sl_op_get_kind(op)) {
    case SL_OP_arith_round: case SL_OP_arith_floor: case SL_OP_arith_ceil: case SL_OP_arith_trunc: return false;
    case SL_OP_arith_cast: return !sl_element_is_integer(sl_type_element(sl_value_type(sl_op_result(op, 0))));
    }
    return true;
}

/* Whether a body rounds to integers: there the last bit of a quotient can become a whole step (quantization). */
static bool has_steps(const rows *r) {
    for (int i = 0; i < r->pass_count; i++)
        if (!sl_op_walk(r->passes[i].nest, is_no_step, NULL)) return true;
    return false;
}

bool tile_try_rows(sl_pass_context *pass, sl_op *op) {
    rows *r = SL_NEW(pass->scratch, rows);
    if (!tile_group_read(op, &r->group)) return false;
    int first = -1;
    for (int i = r->group.nest_count - 1; i >= 0; i--)
        if (sl_nest_reduced_count(r->group.nests[i])) first = i;
    for (int i = 0; i < r->group.yield_count; i++)
        if (sl_element_bits(sl_type_element(sl_value_type(r->group.yields[i]))) < 8) return false;
    if (first < 0) return false;
    tile_kernel *k = tile_kernel_begin(pass, op);
    tile_space all;
    resolve_rows(k, r, first);
    r->canonical = r->row_count;
    r->lane_set = -1, r->unroll = 1;
    if (!build_passes(k, r) || !collect_passes(k, r, &all)) {
        tile_kernel_drop(k);
        return false;
    }
    int order[SL_NEST_MAX_LOOPS];
    for (int i = 0; i < r->row_count; i++) order[i] = i;
    if (r->row_count) r->row_set_count = tile_collapse(k, &all, r->row_count, order);
    for (int i = 0; i < r->pass_count; i++) {
        row_pass *p = &r->passes[i];
        p->first_set = k->set_count;
        p->set_count = p->inner_count ? tile_collapse(k, &p->space, p->inner_count, p->inner) : 0;
    }
    k->lanes = tile_lanes_for(k, &all);
    double inner = -1, across = -1, scalar = 0;
    for (int i = 0; i < r->pass_count; i++) {
        double points = 1;
        for (int c = 0; c < r->passes[i].inner_count; c++) points *= tile_estimate(k->extents[r->passes[i].inner[c]]);
        scalar += points * (r->passes[i].space.body_cost + 1.2 * (double)r->passes[i].space.accesses.count);
    }
    if (k->lanes > 1 && foldable(r)) inner = cost_of_rows(k, r, &all, true);
    if (k->lanes > 1 && r->row_set_count) across = cost_of_rows(k, r, &all, false);
    double cost = scalar;
    if (inner >= 0 && inner < cost) cost = inner, r->inner_lanes = true;
    if (across >= 0 && across < cost) cost = across, r->inner_lanes = false, r->lane_set = r->row_set_count - 1;
    switch (pass->kernel.row_lanes) {
    case SL_ROW_LANES_INSIDE: if (inner >= 0) r->inner_lanes = true, r->lane_set = -1; break;
    case SL_ROW_LANES_ACROSS: if (across >= 0) r->inner_lanes = false, r->lane_set = r->row_set_count - 1; break;
    case SL_ROW_LANES_NONE: r->inner_lanes = false, r->lane_set = -1; break;
    }
    if (r->lane_set < 0 && !r->inner_lanes) k->lanes = 1;
    if (r->lane_set >= 0 && r->pass_count == 1) {
        int64_t extent = sl_expr_const_or(k->sets[r->lane_set].extent, -1);
        r->unroll = r->passes[0].reduces && sl_op_result_count(r->passes[0].nest) == 1 ? 4 : 2;
        while (r->unroll > 1 && extent >= 0 && extent < (int64_t)r->unroll * k->lanes) r->unroll /= 2;
    }
    choose_keeps(k, r);
    k->reciprocals = !pass->strict && r->pass_count > 1 && !has_steps(r);
    tile_launch launch = {.name = tile_name(k, &r->group, strcmp(r->group.kind, "rows") == 0 ? "rows" : "reduce")};
    sl_expr work = tile_const(k, 1), rows_count = tile_const(k, 1);
    for (int i = 0; i < r->row_count; i++) rows_count = tile_mul(k, rows_count, r->row_extents[i]);
    work = rows_count;
    for (int c = 0; c < r->passes[0].inner_count; c++) work = tile_mul(k, work, k->extents[r->passes[0].inner[c]]);
    emit_tasks(k, r, cost, &launch);
    if (k->failure) {
        tile_kernel_drop(k);
        return false;
    }
    launch.work = work;
    launch.reason = sl_arena_printf(k->arena, "rows: %d passes, %d lanes along %s, %d kept, %.0f cycles a row (lanes inside %.0f, across rows %.0f, scalar %.0f)", r->pass_count,
                                    k->lanes, r->lane_set >= 0 ? "a row loop" : r->inner_lanes ? "the row" : "nothing", r->keep_count, cost, inner, across, scalar);
    tile_kernel_finish(k, &launch);
    return true;
}
