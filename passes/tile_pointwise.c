/* tile_pointwise.c: groups of elementwise nests (and lone ones): one vector loop over neighbouring elements, other loops and pieces of it as tasks.
 *
 * All yielded nests have one iteration space; each is evaluated at every point, producers with it (tile_value.c). Neighbouring loops that all accesses walk as one are merged;
 * the lanes take the loop with the least cost per element: contiguous accesses, splats, few gathers, full vectors. The rest of a loop that is no multiple of the vector is done
 * under a mask.
 */
#include "tile_internal.h"

#include <string.h>

void tile_lane_loop(tile_kernel *k, int set, sl_expr low, sl_expr high, int64_t multiple, int unroll, tile_body_fn body, void *self) {
    sl_context *context = k->context;
    int64_t step = (int64_t)k->lanes * unroll;
    sl_expr span = sl_expr_sub(context, high, low), bases[16], lane = k->lanes > 1 ? tile_lane_expr(k) : tile_const(k, 0);
    int64_t constant = sl_expr_const_or(span, -1);
    bool exact = (constant >= 0 && constant % step == 0) || multiple % step == 0;
    if (constant < 0 || constant >= step) {
        sl_expr last = sl_expr_sub(context, high, tile_const(k, step - 1));
        sl_expr at = tile_variable(k, tile_for(k, tile_index(k, low), tile_index(k, last), tile_i64(k, step), 0, NULL, NULL));
        for (int u = 0; u < unroll; u++) bases[u] = tile_add(k, at, tile_add(k, tile_const(k, (int64_t)u * k->lanes), lane));
        k->sets[set].lane = true;
        body(k, self, unroll, bases);
        tile_end(k, 0, NULL, NULL);
    }
    if (exact) return;
    sl_expr rest = low;
    if (constant < 0) rest = tile_add(k, low, tile_mul(k, sl_expr_floordiv(context, span, tile_const(k, step)), tile_const(k, step)));
    else rest = tile_add(k, low, tile_const(k, constant / step * step));
    sl_value *begin = tile_index(k, rest), *end = tile_index(k, high);
    sl_expr at = tile_variable(k, tile_for(k, begin, end, tile_i64(k, k->lanes), 0, NULL, NULL));
    sl_value *outer_mask = k->mask;
    bases[0] = tile_add(k, at, lane);
    if (k->lanes > 1) k->mask = tile_mask_first(k, tile_index(k, sl_expr_sub(context, high, at)));
    body(k, self, 1, bases);
    k->mask = outer_mask;
    tile_end(k, 0, NULL, NULL);
}

typedef struct pointwise {
    tile_group group;
    tile_space space;
    sl_expr loops[SL_NEST_MAX_LOOPS];
    int loop_count, lane_set;
} pointwise;

/* Evaluates yield i at the canonical loops. */
static sl_value *yield_value(tile_kernel *k, pointwise *p, int i) {
    sl_op *nest = tile_maker(p->group.yields[i]);
    return tile_evaluate(k, nest, sl_value_index(p->group.yields[i]), p->loops);
}

static void yield_positions(tile_kernel *k, pointwise *p, int i, sl_expr *positions) {
    tile_result_positions(k, tile_maker(p->group.yields[i]), sl_value_index(p->group.yields[i]), p->loops, positions);
}

static void body(tile_kernel *k, void *self, int copies, const sl_expr *bases) {
    pointwise *p = self;
    sl_value *values[TILE_MAX_NESTS];
    sl_expr positions[SL_MAX_RANK];
    for (int u = 0; u < copies; u++) {
        if (p->lane_set >= 0) k->sets[p->lane_set].base = bases[u];
        /* All values before any store: an output may have the memory of an input (in_place). */
        for (int i = 0; i < p->group.yield_count; i++) values[i] = yield_value(k, p, i);
        for (int i = 0; i < p->group.yield_count; i++) {
            yield_positions(k, p, i, positions);
            tile_write(k, i, positions, values[i]);
        }
    }
}

static bool same_bounds(const sl_op *a, const sl_op *b) { return sl_op_attr(a, "bounds") == sl_op_attr(b, "bounds"); }

/* The first input that output `i` may overwrite: same type, read only at the place that is written. */
static int in_place_input(tile_kernel *k, pointwise *p, int i, uint64_t taken) {
    sl_value *result = k->outputs.data[i].tensor;
    sl_expr positions[SL_MAX_RANK];
    yield_positions(k, p, i, positions);
    sl_expr place = tile_offset(k, sl_value_type(result), positions);
    for (size_t n = 0; n < k->inputs.count && n < 64; n++) {
        sl_value *input = k->inputs.data[n].tensor;
        if (sl_value_type(input) != sl_value_type(result) || sl_value_constant(input) || (taken >> n & 1)) continue;
        bool good = true;
        for (size_t a = 0; a < p->space.accesses.count && good; a++) {
            const tile_access *access = &p->space.accesses.data[a];
            if (access->tensor == input && !access->store) good = access->offset == place;
        }
        if (good) return (int)n;
    }
    return -1;
}

static int choose_lane_set(tile_kernel *k, pointwise *p, double *best_cost) {
    int best = -1;
    *best_cost = p->space.body_cost + 2 * (double)p->space.accesses.count;
    for (int s = 0; s < k->set_count; s++) {
        const tile_set *set = &k->sets[s];
        double cost = tile_lane_cost(k, &p->space, set->loops[set->count - 1], set->extent, k->lanes);
        if (k->lanes == 1) cost = (double)(k->set_count - s);
        if (best < 0 || cost < *best_cost) best = s, *best_cost = cost;
    }
    return best;
}

static bool captured_by_extract(const tile_group *group) {
    for (int i = 0; i < group->nest_count; i++)
        if (sl_nest_captures(group->nests[i], NULL)) return true;
    return false;
}

bool tile_try_loops(sl_pass_context *pass, sl_op *op) {
    pointwise p = {.lane_set = -1};
    if (!tile_group_read(op, &p.group)) return false;
    sl_op *first = tile_maker(p.group.yields[0]);
    for (int i = 0; i < p.group.nest_count; i++)
        if (sl_nest_reduced_count(p.group.nests[i])) return false;
    for (int i = 0; i < p.group.yield_count; i++)
        if (!same_bounds(first, tile_maker(p.group.yields[i]))) return false;
    tile_kernel *k = tile_kernel_begin(pass, op);
    p.loop_count = sl_nest_loop_count(first);
    p.space = (tile_space){.loops = p.loop_count, .lane_safe = true};
    int order[SL_NEST_MAX_LOOPS];
    for (int i = 0; i < p.loop_count; i++) p.loops[i] = sl_expr_loop(k->context, i), p.space.extents[i] = sl_nest_bound(first, i), order[i] = i;
    bool narrow = false;
    for (int i = 0; i < p.group.yield_count; i++) {
        sl_expr positions[SL_MAX_RANK];
        tile_collect_value(k, &p.space, tile_maker(p.group.yields[i]), p.loops, sl_nest_yielded(tile_maker(p.group.yields[i]), sl_value_index(p.group.yields[i])));
        yield_positions(k, &p, i, positions);
        tile_collect_write(k, &p.space, k->outputs.data[i].tensor, positions);
        narrow |= sl_element_bits(sl_type_element(sl_value_type(p.group.yields[i]))) < 8;
    }
    if (p.space.failure) {
        tile_kernel_drop(k);
        return false;
    }
    k->lanes = p.loop_count ? tile_lanes_for(k, &p.space) : 1;
    tile_collapse(k, &p.space, p.loop_count, order);
    double cost;
    p.lane_set = choose_lane_set(k, &p, &cost);
    if (k->lanes > 1 && p.space.body_cost + 2 * (double)p.space.accesses.count < cost) k->lanes = 1;   /* nothing is gained by vectors */

    /* Tasks: the other sets, then pieces of the lanes' set. Inner sets of little work become loops in the task. */
    sl_expr one = tile_const(k, 1), extent = p.lane_set < 0 ? one : k->sets[p.lane_set].extent;
    int unroll = k->lanes == 1 ? 1 : p.space.body_cost < 8 ? 4 : p.space.body_cost < 24 ? 2 : 1;
    int64_t known = sl_expr_const_or(extent, -1);
    while (unroll > 1 && known >= 0 && known < (int64_t)unroll * k->lanes) unroll /= 2;
    int64_t piece = 4096 / ((int64_t)k->lanes * unroll) * k->lanes * unroll;
    if (cost > 2) piece = piece / 4 / ((int64_t)k->lanes * unroll) * k->lanes * unroll;
    if (piece < (int64_t)k->lanes * unroll) piece = (int64_t)k->lanes * unroll;
    bool split = known < 0 || known > 2 * piece;
    sl_expr pieces = narrow || !split ? one : sl_expr_ceildiv(k->context, extent, tile_const(k, piece));
    int digits[TILE_MAX_SETS], digit_count = 0, inner[TILE_MAX_SETS], inner_count = 0, others[TILE_MAX_SETS], other_count = 0;
    double outer = 1, inside = tile_estimate(extent);
    for (int s = 0; s < k->set_count; s++)
        if (s != p.lane_set) others[other_count++] = s, outer *= tile_estimate(k->sets[s].extent);
    int cut = other_count;
    while (cut > 0) {
        double here = tile_estimate(k->sets[others[cut - 1]].extent);
        if (!narrow && (inside * here > 4096 || outer / here < 8 || split)) break;
        cut--, outer /= here, inside *= here;
    }
    for (int i = 0; i < cut; i++) digits[digit_count++] = others[i];
    for (int i = cut; i < other_count; i++) inner[inner_count++] = others[i];

    sl_expr counts[TILE_MAX_SETS + 1], indices[TILE_MAX_SETS + 1], tasks = pieces, work = extent;
    for (int i = 0; i < digit_count; i++) counts[i] = k->sets[digits[i]].extent, tasks = tile_mul(k, tasks, counts[i]);
    for (int i = 0; i < other_count; i++) work = tile_mul(k, work, k->sets[others[i]].extent);
    counts[digit_count] = pieces;
    tile_task_loop(k, digit_count + 1, counts, indices);
    for (int i = 0; i < digit_count; i++) k->sets[digits[i]].base = indices[i];
    for (int i = 0; i < inner_count; i++) {
        tile_set *set = &k->sets[inner[i]];
        set->base = tile_variable(k, tile_for(k, tile_i64(k, 0), tile_index(k, set->extent), tile_i64(k, 1), 0, NULL, NULL));
    }
    if (p.lane_set < 0) {
        body(k, &p, 1, NULL);
    } else if (sl_expr_equals_const(pieces, 1)) {
        tile_lane_loop(k, p.lane_set, tile_const(k, 0), extent, 1, unroll, body, &p);
    } else {
        sl_expr low = tile_mul(k, indices[digit_count], tile_const(k, piece));
        sl_expr high = sl_expr_min(k->context, tile_add(k, low, tile_const(k, piece)), extent);
        bool exact = known >= 0 && known % piece == 0;
        tile_lane_loop(k, p.lane_set, low, exact ? tile_add(k, low, tile_const(k, piece)) : high, known >= 0 && known % (k->lanes * unroll) == 0 ? known : 1, unroll, body, &p);
    }
    while (k->depth > 0) tile_end(k, 0, NULL, NULL);
    if (k->failure) {
        tile_kernel_drop(k);
        return false;
    }
    double cycles = cost * inside / (sl_expr_equals_const(pieces, 1) ? 1 : tile_estimate(pieces));
    tile_launch launch = {.name = tile_name(k, &p.group, "map"), .tasks = tasks, .grain = tile_grain(k, cycles + 4), .work = work};
    uint64_t taken = 0;
    for (int i = 0; i < p.group.yield_count && launch.in_place_count < 16 && !captured_by_extract(&p.group); i++) {
        int input = in_place_input(k, &p, i, taken);
        if (input < 0) continue;
        taken |= UINT64_C(1) << input;
        launch.in_place[launch.in_place_count++] = i, launch.in_place[launch.in_place_count++] = input;
    }
    launch.reason = sl_arena_printf(k->arena, "pointwise: %d lanes x %d along a loop of %lld, %d sets of %d loops, %.2f cycles an element", k->lanes, unroll, (long long)known,
                                    k->set_count, p.loop_count, cost);
    tile_kernel_finish(k, &launch);
    return true;
}
