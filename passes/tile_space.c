/* tile_space.c: what evaluating nests over canonical loops touches, and what follows from it: which loops walk as one, which loop the lanes should take, how wide they are.
 *
 * Collecting mirrors tile_value.c: producers inside the group are followed to the tensors that they read.
 */
#include "tile_internal.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { MAX_VISITS = 4000 };

double tile_estimate(sl_expr expr) { return sl_estimate_expr(expr); }

/* ---- bounds ---- */

/* The largest value of an expression over canonical loops, as an expression over symbols; NULL when the form is not linear in the loops. */
static sl_expr largest(tile_kernel *k, sl_expr expr, const sl_expr *extents, int loops) {
    for (int i = 0; i < loops; i++) {
        sl_expr coefficient, rest;
        if (!sl_expr_uses_loop(expr, i)) continue;
        if (!extents[i] || !sl_expr_split_linear(k->context, expr, i, &coefficient, &rest) || sl_expr_uses_any_loop(coefficient)) return NULL;
        if (tile_not_negative(coefficient)) expr = tile_add(k, rest, tile_mul(k, coefficient, sl_expr_sub(k->context, extents[i], tile_const(k, 1))));
        else if (sl_expr_is_const(coefficient, NULL)) expr = rest;
        else return NULL;
    }
    return sl_expr_uses_any_loop(expr) ? NULL : expr;
}

bool tile_proves_inside(tile_kernel *k, sl_expr index, sl_expr dim, const sl_expr *extents, int loops) {
    sl_expr negated = sl_expr_sub(k->context, tile_const(k, 0), index);
    int64_t bound;
    if (!tile_not_negative(index)) {
        sl_expr least = largest(k, negated, extents, loops);
        if (!least || !sl_expr_lower_bound(sl_expr_sub(k->context, tile_const(k, 0), least), false, &bound) || bound < 0) return false;
    }
    sl_expr most = largest(k, index, extents, loops);
    if (!most) return false;
    sl_expr room = sl_expr_sub(k->context, sl_expr_sub(k->context, dim, most), tile_const(k, 1));
    int64_t value;
    if (sl_expr_is_const(room, &value)) return value >= 0;
    return sl_expr_lower_bound(room, false, &bound) && bound >= 0;
}

/* ---- collecting ---- */

static bool lane_element(sl_element element) {
    return sl_element_bits(element) >= 8 && element != SL_ELEMENT_str && element != SL_ELEMENT_f8e4m3 && element != SL_ELEMENT_f8e5m2 &&
           element != SL_ELEMENT_f8e4m3fnuz && element != SL_ELEMENT_f8e5m2fnuz;
}

static void note_element(tile_space *space, sl_element element) {
    if (element == SL_ELEMENT_str) space->failure = "strings";
    if (!lane_element(element)) space->lane_safe = false;
    if (element != SL_ELEMENT_str && sl_element_bits(element) > space->widest) space->widest = sl_element_bits(element);
}

static void add_access(tile_kernel *k, tile_space *space, tile_access access) { SL_PUSH(k->arena, &space->accesses, access); }

static void collect_read(tile_kernel *k, tile_space *space, sl_value *tensor, const sl_expr *positions, sl_attr outside) {
    sl_type type = sl_value_type(tensor);
    note_element(space, sl_type_element(type));
    if (outside)
        for (int i = 0, rank = sl_type_rank(type); i < rank; i++)
            if (!tile_proves_inside(k, positions[i], sl_type_dim(type, i), space->extents, space->loops))
                add_access(k, space, (tile_access){.offset = positions[i], .position = true, .division_ok = true});
    if (tile_is_inside(k, tensor)) {
        sl_op *nest = tile_maker(tensor);
        sl_expr loops[SL_NEST_MAX_LOOPS];
        if (sl_nest_reduced_count(nest)) {       /* bound when it is read; its positions may not be merged with others' */
            for (int i = 0, rank = sl_type_rank(type); i < rank; i++) add_access(k, space, (tile_access){.tensor = tensor, .offset = tile_offset(k, type, positions), .element = sl_type_element(type)});
            return;
        }
        if (!tile_loops_at(k, tensor, positions, loops)) {
            space->failure = "a producer's result map can't be turned around";
            return;
        }
        tile_collect_value(k, space, nest, loops, sl_nest_yielded(nest, sl_value_index(tensor)));
        return;
    }
    if (tile_splat_constant(k, tensor) && !outside) return;
    add_access(k, space, (tile_access){.tensor = tensor, .offset = tile_offset(k, type, positions), .element = sl_type_element(type)});
}

/* Walks the slice of a body behind `value` once per op. */
static void collect_slice(tile_kernel *k, tile_space *space, sl_op *nest, const sl_expr *loops, sl_value *value, sl_value_map *seen) {
    if (space->failure || sl_value_map_get(seen, value)) return;
    sl_value_map_set(seen, value, value);
    if (sl_value_owner_block(value) == sl_nest_body(nest)) {
        int index = sl_value_index(value);
        if (index >= sl_op_operand_count(nest)) {
            note_element(space, sl_type_element(sl_value_type(value)));
            return;
        }
        sl_attr map = sl_nest_map(nest, index);
        sl_expr positions[SL_MAX_RANK];
        for (int i = 0, n = sl_attr_count(map); i < n; i++)
            positions[i] = sl_expr_substitute(k->context, sl_attr_map_result(map, i), loops, sl_nest_loop_count(nest), NULL, NULL);
        collect_read(k, space, sl_op_operand(nest, index), positions, sl_nest_outside(nest, index));
        return;
    }
    sl_op *op = sl_value_op(value);
    sl_op_kind kind = sl_op_get_kind(op);
    sl_element element = sl_type_element(sl_value_type(value));
    space->body_cost += sl_estimate_op(kind);
    if (kind == SL_OP_nest_index) add_access(k, space, (tile_access){.offset = loops[sl_op_int(op, "loop", 0)], .position = true});
    if (kind != SL_OP_core_constant && kind != SL_OP_core_dim && kind != SL_OP_nest_index && kind != SL_OP_nest_extract && element != SL_ELEMENT_i64) note_element(space, element);
    if (kind == SL_OP_nest_extract) {
        sl_value *tensor = sl_op_operand(op, 0);
        sl_type type = sl_value_type(tensor);
        sl_expr positions[SL_MAX_RANK];
        bool data = false;
        for (int i = 0, rank = sl_type_rank(type); i < rank; i++) {
            sl_value *operand = sl_op_operand(op, 1 + i);
            positions[i] = tile_position_expr(k, operand, loops);
            if (positions[i] && tile_proves_inside(k, positions[i], sl_type_dim(type, i), space->extents, space->loops)) continue;
            positions[i] = tile_const(k, 0), data = true;
            int widest = space->widest;                      /* wide positions need not narrow the lanes of what is computed */
            collect_slice(k, space, nest, loops, operand, seen);
            space->widest = widest;
        }
        if (data && tile_is_inside(k, tensor)) space->failure = "a nest of the group is read at positions that are data";
        else collect_read(k, space, tensor, positions, NULL);
        return;
    }
    for (int i = 0, n = sl_op_operand_count(op); i < n; i++) collect_slice(k, space, nest, loops, sl_op_operand(op, i), seen);
}

void tile_collect_value(tile_kernel *k, tile_space *space, sl_op *nest, const sl_expr *loops, sl_value *body_value) {
    if (++space->visits > MAX_VISITS) space->failure = "too many nests behind one value";
    if (space->failure) return;
    sl_value_map *seen = sl_value_map_create(k->arena);
    if (++space->depth > 200) space->failure = "too long a chain of nests";
    int length = 0;
    for (sl_op *op = sl_block_first(sl_nest_body(nest)); op; op = sl_op_next(op)) length++;
    if (length > 100)                                        /* in order, so that a long chain in the body does not recurse */
        for (sl_op *op = sl_block_first(sl_nest_body(nest)); op; op = sl_op_next(op))
            if (sl_op_result_count(op) == 1) collect_slice(k, space, nest, loops, sl_op_result(op, 0), seen);
    collect_slice(k, space, nest, loops, body_value, seen);
    space->depth--;
}

void tile_collect(tile_kernel *k, tile_space *space, sl_op *nest, const sl_expr *loops) {
    for (int i = 0; i < sl_op_result_count(nest); i++) tile_collect_value(k, space, nest, loops, sl_nest_yielded(nest, i));
}

void tile_collect_write(tile_kernel *k, tile_space *space, sl_value *result, const sl_expr *positions) {
    sl_type type = sl_value_type(result);
    note_element(space, sl_type_element(type));
    add_access(k, space, (tile_access){.tensor = result, .offset = tile_offset(k, type, positions), .store = true, .element = sl_type_element(type)});
}

bool tile_is_finite(const sl_value *tensor) {
    sl_attr data = sl_value_constant(tensor);
    if (!sl_element_is_float(sl_type_element(sl_value_type(tensor)))) return true;
    if (!data) return false;
    int64_t count = sl_attr_data_is_splat(data) ? 1 : sl_type_static_count(sl_value_type(tensor));
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(sl_attr_data_float(data, i))) return false;
    return true;
}

/* ---- collapsing ---- */

static bool coefficient_of(tile_kernel *k, sl_expr expr, int loop, sl_expr *coefficient) {
    sl_expr rest;
    *coefficient = tile_const(k, 0);
    if (!sl_expr_uses_loop(expr, loop)) return true;
    return sl_expr_split_linear(k->context, expr, loop, coefficient, &rest) && !sl_expr_uses_any_loop(*coefficient);
}

bool tile_can_collapse(tile_kernel *k, const tile_space *space, int outer, int inner, sl_expr inner_extent) {
    for (size_t i = 0; i < space->accesses.count; i++) {
        const tile_access *access = &space->accesses.data[i];
        sl_expr a, b;
        if (!coefficient_of(k, access->offset, outer, &a) || !coefficient_of(k, access->offset, inner, &b)) return false;
        if (a == tile_mul(k, b, inner_extent)) continue;
        if (access->division_ok && sl_expr_equals_const(a, 1) && sl_expr_equals_const(b, 0) && sl_expr_is_const(inner_extent, NULL)) continue;
        return false;
    }
    return true;
}

int tile_add_set(tile_kernel *k, int count, const int *loops, const sl_expr *extents) {
    assert(k->set_count < TILE_MAX_SETS && count > 0);
    tile_set *set = &k->sets[k->set_count];
    *set = (tile_set){.count = count, .base = tile_const(k, 0), .extent = tile_const(k, 1)};
    for (int i = 0; i < count; i++) {
        set->loops[i] = loops[i], set->extents[i] = extents[i];
        set->extent = tile_mul(k, set->extent, extents[i]);
        k->extents[loops[i]] = extents[i];
        if (loops[i] >= k->canonical_count) k->canonical_count = loops[i] + 1;
    }
    return k->set_count++;
}

int tile_collapse(tile_kernel *k, const tile_space *space, int count, const int *loops) {
    int added = 0;
    for (int i = 0; i < count;) {
        int members[SL_NEST_MAX_LOOPS], n = 0;
        sl_expr extents[SL_NEST_MAX_LOOPS];
        members[n] = loops[i], extents[n++] = space->extents[loops[i]];
        /* A set grows by a loop when every pair of neighbours walks as one. (A guard that needs division would have to divide by a product: not done.) */
        while (i + n < count && n < SL_NEST_MAX_LOOPS && space->reduced[loops[i + n]] == space->reduced[loops[i]] &&
               tile_can_collapse(k, space, loops[i + n - 1], loops[i + n], space->extents[loops[i + n]])) {
            members[n] = loops[i + n], extents[n] = space->extents[loops[i + n]];
            n++;
        }
        tile_add_set(k, n, members, extents);
        i += n, added++;
    }
    return added;
}

/* ---- lanes ---- */

int tile_lanes_for(tile_kernel *k, const tile_space *space) {
    if (!space->lane_safe || k->machine->vector_bits < 128) return 1;
    int widest = space->widest < 8 ? 32 : space->widest, lanes = k->machine->vector_bits / widest;
    return lanes > 64 ? 64 : lanes < 2 ? 2 : lanes;
}

double tile_lane_cost(tile_kernel *k, const tile_space *space, int loop, sl_expr extent_expr, int lanes) {
    double cost = space->body_cost / lanes;
    for (size_t i = 0; i < space->accesses.count; i++) {
        const tile_access *access = &space->accesses.data[i];
        sl_expr coefficient;
        bool linear = coefficient_of(k, access->offset, loop, &coefficient);
        if (access->position) {
            cost += !linear ? 3 : 1.0 / lanes;
        } else if (!linear) {
            cost += 4;
        } else if (sl_expr_equals_const(coefficient, 0)) {
            cost += access->store ? 2 : 0.1;
        } else if (sl_expr_equals_const(coefficient, 1)) {
            cost += 1.0 / lanes;
        } else {
            bool hardware = k->machine->gather && sl_element_bits(access->element) >= 32;
            cost += access->store ? 1.6 : hardware ? 1.2 : 1.8;
        }
    }
    double extent = tile_estimate(extent_expr);
    if (extent < 1) extent = 1;
    return cost * ceil(extent / lanes) * lanes / extent;
}
