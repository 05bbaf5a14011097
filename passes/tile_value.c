/* tile_value.c: nests evaluated at a point or a vector of points of the canonical loops; see tile_internal.h.
 *
 * Reading a tensor at canonical positions gives, in this order: the value bound to it there; the element kept by an earlier pass over the row; the evaluated body of the nest
 * of the group that makes it; a constant when all its elements are equal; a load. Positions that may lie outside (padding) become masks of vector loads and selects around
 * scalar ones.
 */
#include "tile_internal.h"

#include <assert.h>
#include <string.h>

static const char tag_bound[] = "bound", tag_load[] = "load";
enum { MAX_FRAMES = 1500, EAGER_BODY = 100 };   /* depth of recursion; bodies from EAGER_BODY ops on are evaluated in order, so that their chains add none */

/* ---- canonical loops to kernel variables ---- */

/* coefficient of the set's flat index when the loops of the set walk `expr` as one; else NULL. */
static sl_expr flat_coefficient(tile_kernel *k, const tile_set *set, sl_expr expr, sl_expr *rest) {
    sl_expr coefficients[SL_NEST_MAX_LOOPS];
    *rest = expr;
    for (int i = 0; i < set->count; i++) {
        coefficients[i] = tile_const(k, 0);
        if (!sl_expr_uses_loop(*rest, set->loops[i])) continue;
        if (!sl_expr_split_linear(k->context, *rest, set->loops[i], &coefficients[i], rest)) return NULL;
        if (sl_expr_uses_any_loop(coefficients[i])) return NULL;
    }
    for (int i = 0; i + 1 < set->count; i++)
        if (coefficients[i] != tile_mul(k, coefficients[i + 1], set->extents[i + 1])) return NULL;
    return coefficients[set->count - 1];
}

static void divide_set(tile_kernel *k, const tile_set *set, sl_expr *substitution) {
    sl_context *context = k->context;
    sl_expr flat = set->base, lane_part = tile_const(k, 0), coefficient, divisor = tile_const(k, 1);
    if (set->aligned && sl_expr_split_linear(context, flat, TILE_LANE, &coefficient, &flat)) lane_part = tile_lane_expr(k);
    for (int i = set->count - 1; i >= 0; i--) {
        sl_expr here = sl_expr_equals_const(divisor, 1) ? flat : sl_expr_floordiv(context, flat, divisor);
        if (i > 0) here = sl_expr_mod(context, here, set->extents[i]);
        substitution[set->loops[i]] = tile_add(k, here, lane_part);
        lane_part = tile_const(k, 0);
        divisor = tile_mul(k, divisor, set->extents[i]);
    }
}

sl_expr tile_convert(tile_kernel *k, sl_expr expr) {
    if (!sl_expr_uses_any_loop(expr)) return expr;
    sl_expr substitution[TILE_MAX_LOOPS] = {0};
    for (int s = 0; s < k->set_count; s++) {
        const tile_set *set = &k->sets[s];
        if (set->count == 1) {
            substitution[set->loops[0]] = set->base;
            continue;
        }
        bool used = false;
        for (int i = 0; i < set->count; i++) used |= sl_expr_uses_loop(expr, set->loops[i]);
        if (!used) continue;
        sl_expr rest, coefficient = flat_coefficient(k, set, expr, &rest);
        if (coefficient) expr = tile_add(k, rest, tile_mul(k, coefficient, set->base));
        else divide_set(k, set, substitution);
    }
    return sl_expr_substitute(k->context, expr, substitution, k->canonical_count, NULL, NULL);
}

sl_expr tile_offset(tile_kernel *k, sl_type type, const sl_expr *positions) {
    sl_expr offset = tile_const(k, 0);
    for (int i = 0, rank = sl_type_rank(type); i < rank; i++) offset = tile_add(k, tile_mul(k, offset, sl_type_dim(type, i)), positions[i]);
    return offset;
}

/* ---- where a tensor comes from ---- */

sl_op *tile_maker(const sl_value *value) {
    sl_op *op = sl_value_op(value);
    return sl_nest_is_generic(op) ? op : NULL;
}

bool tile_is_inside(tile_kernel *k, const sl_value *tensor) {
    sl_op *op = tile_maker(tensor);
    return op && sl_op_parent(op) == k->group;
}

sl_attr tile_splat_constant(tile_kernel *k, const sl_value *tensor) {
    sl_attr data = sl_value_constant(tensor);
    if (!data) return NULL;
    sl_type type = sl_value_type(tensor);
    sl_element element = sl_type_element(type);
    if (element == SL_ELEMENT_str || sl_element_bits(element) < 8) return NULL;
    if (!sl_attr_data_is_splat(data) && sl_type_static_count(type) != 1) return NULL;
    return sl_attr_data_copy(k->context, sl_type_scalar(k->context, element), sl_attr_data_bytes(data), sl_element_bytes(element, 1));
}

bool tile_loops_at(tile_kernel *k, sl_value *tensor, const sl_expr *positions, sl_expr *loops) {
    (void)k;
    sl_op *nest = tile_maker(tensor);
    sl_attr map = sl_nest_result_map(nest, sl_value_index(tensor));
    int count = sl_nest_loop_count(nest);
    for (int i = 0; i < count; i++) loops[i] = NULL;
    for (int i = 0, n = sl_attr_count(map); i < n; i++) {
        sl_expr expr = sl_attr_map_result(map, i);
        int loop = sl_expr_plain_loop(expr);
        if (loop >= 0) loops[loop] = positions[i];
        else if (!sl_expr_is_const(expr, NULL)) return false;
    }
    for (int i = 0; i < count; i++)
        if (!loops[i]) return false;
    return true;
}

void tile_result_positions(tile_kernel *k, sl_op *nest, int result, const sl_expr *loops, sl_expr *positions) {
    sl_attr map = sl_nest_result_map(nest, result);
    for (int i = 0, n = sl_attr_count(map); i < n; i++)
        positions[i] = sl_expr_substitute(k->context, sl_attr_map_result(map, i), loops, sl_nest_loop_count(nest), NULL, NULL);
}

static int bound_key(tile_kernel *k, const void **key, sl_value *tensor, const sl_expr *positions) {
    int rank = sl_type_rank(sl_value_type(tensor));
    key[0] = tag_bound, key[1] = tensor;
    key[2] = (const void *)(intptr_t)k->lanes;
    for (int i = 0; i < rank; i++) key[3 + i] = tile_convert(k, positions[i]);
    return rank + 3;
}

void tile_bind(tile_kernel *k, sl_value *tensor, const sl_expr *positions, sl_value *value) {
    const void *key[SL_MAX_RANK + 3];
    int count = bound_key(k, key, tensor, positions);
    tile_memo_put(k, k->depth, count, key, value);
}

/* ---- loads ---- */

static sl_value *load_shared(tile_kernel *k, sl_value *buffer, sl_expr offset, sl_value *mask) {
    int level = tile_level_of_expr(k, offset);
    if (!sl_expr_uses_loop(offset, TILE_LANE)) mask = NULL;
    if (mask) {
        int of_mask = tile_level_of(k, mask);
        if (of_mask > level) level = of_mask;
    }
    if (level < k->floor) level = k->floor;
    const void *key[5] = {tag_load, buffer, offset, mask, (const void *)(intptr_t)k->lanes};
    sl_value *value = tile_memo_get(k, level, 5, key);
    if (value) return value;
    value = tile_load_at(k, level, buffer, offset, mask);
    tile_memo_put(k, level, 5, key, value);
    return value;
}

static sl_value *both(tile_kernel *k, sl_value *a, sl_value *b) {
    if (!a || !b) return a ? a : b;
    return tile_binary(k, SL_OP_arith_and, a, b);
}

/* position >= 0 and position < dim, for positions of the form rest + floordiv(flat, c) with vector `flat`: the bounds are compared with flat itself, which needs no division. */
static bool divided_bounds(tile_kernel *k, sl_expr position, sl_expr *flat, sl_expr *divisor, sl_expr *rest) {
    int found = -1, count = sl_expr_term_count(position);
    for (int t = 0; t < count; t++)
        for (int f = 0, n = sl_expr_term_factor_count(position, t); f < n; f++) {
            if (!sl_expr_uses_loop(sl_expr_term_factor(position, t, f), TILE_LANE)) continue;
            if (found >= 0 || n != 1 || sl_expr_term_coefficient(position, t) != 1) return false;
            found = t;
        }
    if (found < 0) return false;
    sl_expr atom = sl_expr_term_factor(position, found, 0);
    if (sl_expr_get_kind(atom) != SL_EXPR_FLOORDIV) return false;
    *flat = sl_expr_operand(atom, 0), *divisor = sl_expr_operand(atom, 1);
    *rest = sl_expr_sub(k->context, position, atom);
    return !sl_expr_uses_any_loop(*divisor) && !sl_expr_uses_loop(*rest, TILE_LANE);
}

/* Lanes low <= lane < high. */
static sl_value *lanes_between(tile_kernel *k, sl_expr low, sl_expr high) {
    sl_value *below = tile_mask_first(k, tile_index(k, high));
    if (sl_expr_const_or(low, 1) <= 0) return below;
    sl_value *before = tile_mask_first(k, tile_index(k, low));
    return tile_binary(k, SL_OP_arith_and, below, tile_op(k, SL_OP_arith_not, SL_ELEMENT_i1, 1, &before, 0, NULL));
}

static sl_value *inside_dim(tile_kernel *k, sl_expr position, sl_expr dim) {
    sl_expr flat, divisor, rest, zero = tile_const(k, 0);
    if (!sl_expr_uses_loop(position, TILE_LANE)) {
        sl_value *at = tile_index(k, position), *low = NULL;
        if (!tile_not_negative(position)) low = tile_compare(k, "ge", at, tile_i64(k, 0));
        return both(k, low, tile_compare(k, "lt", at, tile_index(k, dim)));
    }
    sl_expr coefficient, start;
    if (sl_expr_split_linear(k->context, position, TILE_LANE, &coefficient, &start) && sl_expr_equals_const(coefficient, 1) && !sl_expr_uses_loop(start, TILE_LANE))
        return lanes_between(k, sl_expr_sub(k->context, zero, start), sl_expr_sub(k->context, dim, start));
    if (divided_bounds(k, position, &flat, &divisor, &rest)) {
        sl_expr low = tile_mul(k, sl_expr_sub(k->context, zero, rest), divisor), high = tile_mul(k, sl_expr_sub(k->context, dim, rest), divisor);
        if (sl_expr_split_linear(k->context, flat, TILE_LANE, &coefficient, &start) && sl_expr_equals_const(coefficient, 1) && !sl_expr_uses_loop(start, TILE_LANE))
            return lanes_between(k, sl_expr_sub(k->context, low, start), sl_expr_sub(k->context, high, start));
        sl_value *at = tile_index_lanes(k, flat);
        return both(k, tile_compare(k, "ge", at, tile_index(k, low)), tile_compare(k, "lt", at, tile_index(k, high)));
    }
    sl_value *at = tile_index_lanes(k, position), *low = NULL;
    if (!tile_not_negative(position)) low = tile_compare(k, "ge", at, tile_i64(k, 0));
    return both(k, low, tile_compare(k, "lt", at, tile_index(k, dim)));
}

static bool is_proven(const tile_kernel *k, sl_expr position) {
    for (size_t i = 0; i < k->proven.count; i++)
        if (k->proven.data[i] == position) return true;
    return false;
}

/* Lanes (or the one element) of a read that lie inside the tensor; NULL: all. */
static sl_value *guard_of(tile_kernel *k, sl_type type, const sl_expr *positions) {
    sl_value *guard = NULL;
    for (int i = 0, rank = sl_type_rank(type); i < rank; i++) {
        sl_expr dim = sl_type_dim(type, i);
        if (is_proven(k, positions[i]) || tile_proves_inside(k, positions[i], dim, k->extents, k->canonical_count)) continue;
        guard = both(k, guard, inside_dim(k, tile_convert(k, positions[i]), dim));
    }
    return guard;
}

static sl_value *read_memory(tile_kernel *k, sl_value *tensor, sl_expr offset, sl_value *guard, sl_attr outside) {
    sl_element element = sl_type_element(sl_value_type(tensor));
    sl_value *buffer = tile_argument_of(k, tensor);
    bool vector = sl_expr_uses_loop(offset, TILE_LANE);
    if (!guard) return load_shared(k, buffer, offset, k->mask);
    sl_value *fill = tile_cast(k, tile_constant(k, outside), element);
    if (!vector && !tile_is_vector(guard)) {    /* the address must be a good one in any case */
        sl_expr safe = tile_variable(k, tile_select(k, guard, tile_index(k, offset), tile_i64(k, 0)));
        return tile_select(k, guard, load_shared(k, buffer, safe, NULL), fill);
    }
    if (!vector) {                              /* one element, wanted by some lanes only */
        sl_value *any = tile_reduce(k, "or", guard);
        sl_expr safe = tile_variable(k, tile_select(k, any, tile_index(k, offset), tile_i64(k, 0)));
        return tile_select(k, guard, load_shared(k, buffer, safe, NULL), fill);
    }
    sl_value *mask = both(k, k->mask, guard);
    sl_value *value = load_shared(k, buffer, offset, mask);
    bool zero = sl_attr_data_float(outside, 0) == 0 && !memcmp(sl_attr_data_bytes(outside), "\0\0\0\0\0\0\0\0", (size_t)sl_attr_data_size(outside));
    return zero ? value : tile_select(k, guard, value, fill);
}

/* ---- kept rows ---- */

static sl_expr kept_place(tile_kernel *k, const tile_stored *stored, const sl_expr *positions) {
    sl_type type = sl_value_type(stored->tensor);
    sl_expr place = tile_const(k, 0);
    for (int i = 0, rank = sl_type_rank(type); i < rank; i++)
        if (!stored->row[i]) place = tile_add(k, tile_mul(k, place, sl_type_dim(type, i)), positions[i]);
    place = tile_convert(k, place);
    if (stored->lanes) place = tile_add(k, tile_mul(k, place, tile_const(k, k->lanes)), tile_lane_expr(k));
    return place;
}

void tile_keep(tile_kernel *k, const tile_stored *stored, const sl_expr *positions, sl_value *value) {
    tile_store(k, value, stored->buffer, kept_place(k, stored, positions), stored->lanes ? NULL : k->mask);
}

/* ---- reads ---- */

static sl_value *read_made(tile_kernel *k, sl_value *tensor, const sl_expr *positions) {
    sl_element element = sl_type_element(sl_value_type(tensor));
    sl_op *nest = tile_maker(tensor);
    sl_expr loops[SL_NEST_MAX_LOOPS];
    if (sl_nest_reduced_count(nest)) return tile_fail(k, "a reduction is read at other positions than its own", element);
    if (!tile_loops_at(k, tensor, positions, loops)) return tile_fail(k, "a producer's result map can't be turned around", element);
    if (k->frames > MAX_FRAMES) return tile_fail(k, "too long a chain of nests", element);
    sl_value *value = tile_evaluate(k, nest, sl_value_index(tensor), loops);
    tile_bind(k, tensor, positions, value);
    return value;
}

sl_value *tile_read(tile_kernel *k, sl_value *tensor, const sl_expr *positions, sl_attr outside) {
    sl_type type = sl_value_type(tensor);
    const void *key[SL_MAX_RANK + 3];
    sl_value *guard = outside ? guard_of(k, type, positions) : NULL;
    if (!guard) {
        sl_value *known = tile_memo_get(k, k->depth, bound_key(k, key, tensor, positions), key);
        if (known) return known;
        for (size_t i = 0; i < k->stored.count; i++)
            if (k->stored.data[i].tensor == tensor) {
                tile_stored *stored = &k->stored.data[i];
                sl_value *value = tile_load(k, stored->buffer, kept_place(k, stored, positions), stored->lanes ? NULL : k->mask);
                tile_bind(k, tensor, positions, value);
                return value;
            }
    }
    if (tile_is_inside(k, tensor)) {
        if (guard) return tile_fail(k, "a nest of the group is read outside of its bounds", sl_type_element(type));
        return read_made(k, tensor, positions);
    }
    sl_attr splat = tile_splat_constant(k, tensor);
    if (splat && !guard) return tile_constant(k, splat);
    return read_memory(k, tensor, tile_convert(k, tile_offset(k, type, positions)), guard, outside);
}

void tile_write(tile_kernel *k, int output, const sl_expr *positions, sl_value *value) {
    sl_value *result = k->outputs.data[output].tensor;
    sl_type type = sl_value_type(result);
    value = tile_cast(k, value, sl_type_element(type));
    tile_store(k, value, tile_output_pointer(k, output), tile_convert(k, tile_offset(k, type, positions)), k->mask);
}

/* ---- bodies ---- */

sl_expr tile_position_expr(tile_kernel *k, sl_value *value, const sl_expr *loops) {
    sl_op *op = sl_value_op(value);
    if (!op) return NULL;
    sl_op_kind kind = sl_op_get_kind(op);
    if (kind == SL_OP_nest_index) return loops[sl_op_int(op, "loop", 0)];
    if (kind == SL_OP_core_dim) return sl_attr_get_expr(sl_op_attr(op, "value"));
    if (kind == SL_OP_core_constant && sl_type_is_scalar(sl_value_type(value)) && sl_element_is_integer(sl_type_element(sl_value_type(value))))
        return tile_const(k, sl_attr_data_int(sl_op_attr(op, "value"), 0));
    if (sl_type_element(sl_value_type(value)) != SL_ELEMENT_i64) return NULL;
    if (kind != SL_OP_arith_add && kind != SL_OP_arith_sub && kind != SL_OP_arith_mul && kind != SL_OP_arith_neg) return NULL;
    sl_expr a = tile_position_expr(k, sl_op_operand(op, 0), loops);
    if (kind == SL_OP_arith_neg) return a ? sl_expr_sub(k->context, tile_const(k, 0), a) : NULL;
    sl_expr b = a ? tile_position_expr(k, sl_op_operand(op, 1), loops) : NULL;
    if (!b) return NULL;
    return kind == SL_OP_arith_add ? tile_add(k, a, b) : kind == SL_OP_arith_sub ? sl_expr_sub(k->context, a, b) : tile_mul(k, a, b);
}

/* A position that is data: made non-negative, checked, and 0 where it is wrong. */
static sl_value *checked_position(tile_kernel *k, sl_value *position, sl_expr dim) {
    sl_value *extent = tile_index(k, dim), *zero = tile_i64(k, 0);
    position = tile_cast(k, position, SL_ELEMENT_i64);
    sl_value *wrapped = tile_select(k, tile_compare(k, "lt", position, zero), tile_binary(k, SL_OP_arith_add, position, extent), position);
    sl_value *good = tile_binary(k, SL_OP_arith_and, tile_compare(k, "ge", wrapped, zero), tile_compare(k, "lt", wrapped, extent));
    sl_value *asserted = good;
    if (tile_is_vector(good) && k->mask) asserted = tile_binary(k, SL_OP_arith_or, good, tile_op(k, SL_OP_arith_not, SL_ELEMENT_i1, 1, &k->mask, 0, NULL));
    tile_assert(k, asserted, "an index is out of range");
    return tile_select(k, good, wrapped, zero);
}

static sl_value *extract(tile_kernel *k, tile_frame *frame, sl_op *op) {
    sl_value *tensor = sl_op_operand(op, 0);
    sl_type type = sl_value_type(tensor);
    int rank = sl_type_rank(type);
    sl_expr offset = tile_const(k, 0), positions[SL_MAX_RANK];
    sl_value *spread = NULL, *extra[SL_MAX_RANK] = {0};
    bool all = true;
    for (int i = 0; i < rank; i++) {
        sl_value *operand = sl_op_operand(op, 1 + i);
        sl_expr dim = sl_type_dim(type, i), expr = tile_position_expr(k, operand, frame->loops);
        if (expr && tile_proves_inside(k, expr, dim, k->extents, k->canonical_count)) {
            positions[i] = expr;
        } else {
            all = false;
            extra[i] = checked_position(k, tile_frame_value(k, frame, operand), dim);
            positions[i] = tile_const(k, 0);
        }
    }
    if (all) return tile_read(k, tensor, positions, NULL);
    if (tile_is_inside(k, tensor)) return tile_fail(k, "a nest of the group is read at positions that are data", sl_type_element(type));
    offset = tile_convert(k, tile_offset(k, type, positions));
    sl_expr stride = tile_const(k, 1);
    for (int i = rank - 1; i >= 0; i--) {
        if (extra[i] && !tile_is_vector(extra[i])) offset = tile_add(k, offset, tile_mul(k, tile_variable(k, extra[i]), stride));
        else if (extra[i]) {
            sl_value *part = tile_binary(k, SL_OP_arith_mul, extra[i], tile_index(k, stride));
            spread = spread ? tile_binary(k, SL_OP_arith_add, spread, part) : part;
        }
        stride = tile_mul(k, stride, sl_type_dim(type, i));
    }
    sl_value *buffer = tile_argument_of(k, tensor);
    if (!spread) return load_shared(k, buffer, offset, k->mask);
    spread = tile_binary(k, SL_OP_arith_add, spread, tile_index_lanes(k, offset));
    sl_value *operands[3] = {buffer, spread, k->mask};
    sl_type result = tile_type(k, sl_type_element(type), true);
    tile_at_level(k, k->depth);
    return sl_op_result(sl_build(&k->builder, SL_OP_kernel_gather, k->mask ? 3 : 2, operands, 1, &result, 0, NULL), 0);
}

static sl_value *frame_argument(tile_kernel *k, tile_frame *frame, sl_value *value) {
    int index = sl_value_index(value), operands = sl_op_operand_count(frame->nest);
    sl_element element = sl_type_element(sl_value_type(value));
    if (index >= operands) {
        if (frame->running && frame->running[index - operands]) return frame->running[index - operands];
        return tile_fail(k, "the running value of a result that is not reduced is used", element);
    }
    sl_attr map = sl_nest_map(frame->nest, index);
    sl_expr positions[SL_MAX_RANK];
    for (int i = 0, n = sl_attr_count(map); i < n; i++)
        positions[i] = sl_expr_substitute(k->context, sl_attr_map_result(map, i), frame->loops, sl_nest_loop_count(frame->nest), NULL, NULL);
    return tile_read(k, sl_op_operand(frame->nest, index), positions, sl_nest_outside(frame->nest, index));
}

static sl_value *frame_op(tile_kernel *k, tile_frame *frame, sl_value *value) {
    sl_op *op = sl_value_op(value);
    sl_op_kind kind = sl_op_get_kind(op);
    if (kind == SL_OP_core_constant) return tile_constant(k, sl_op_attr(op, "value"));
    if (kind == SL_OP_core_dim) return tile_index(k, sl_attr_get_expr(sl_op_attr(op, "value")));
    if (kind == SL_OP_nest_extract) return extract(k, frame, op);
    if (kind == SL_OP_nest_index) {
        sl_expr expr = tile_convert(k, frame->loops[sl_op_int(op, "loop", 0)]);
        return sl_expr_uses_loop(expr, TILE_LANE) ? tile_index_lanes(k, expr) : tile_index(k, expr);
    }
    sl_value *operands[8];
    sl_named_attr attrs[8];
    int count = sl_op_operand_count(op), attr_count = sl_op_attr_count(op);
    if (!sl_op_has_trait(op, SL_TRAIT_ELEMENTWISE) || count > 8 || attr_count > 8 || sl_op_result_count(op) != 1)
        return tile_fail(k, "an op that nest bodies may not hold", sl_type_element(sl_value_type(value)));
    for (int i = 0; i < count; i++) operands[i] = tile_frame_value(k, frame, sl_op_operand(op, i));
    for (int i = 0; i < attr_count; i++) attrs[i].attr = sl_op_attr_at(op, i, &attrs[i].name);
    if (kind == SL_OP_arith_cast && operands[0] == k->whole && sl_type_element(sl_value_type(value)) == SL_ELEMENT_f32) return k->whole_real;
    if (kind == SL_OP_arith_div && k->reciprocals && tile_is_vector(operands[0]) && !tile_is_vector(operands[1])) {
        sl_element element = sl_type_element(sl_value_type(value));
        if (element == SL_ELEMENT_f32 || element == SL_ELEMENT_f64) {
            sl_value *inverse = tile_binary(k, SL_OP_arith_div, tile_constant(k, sl_scalar_float(k->context, element, 1)), operands[1]);
            return tile_binary(k, SL_OP_arith_mul, operands[0], inverse);
        }
    }
    return tile_op(k, kind, sl_type_element(sl_value_type(value)), count, operands, attr_count, attrs);
}

void tile_frame_init(tile_kernel *k, tile_frame *frame, sl_op *nest, const sl_expr *loops, sl_value *const *running) {
    *frame = (tile_frame){nest, loops, running, sl_value_map_create(k->arena)};
}

sl_value *tile_frame_value(tile_kernel *k, tile_frame *frame, sl_value *value) {
    sl_value *known = sl_value_map_get(frame->values, value);
    if (known) return known;
    if (k->frames > MAX_FRAMES) return tile_fail(k, "too long a chain of operations", sl_type_element(sl_value_type(value)));
    k->frames++;
    known = sl_value_owner_block(value) == sl_nest_body(frame->nest) ? frame_argument(k, frame, value) : frame_op(k, frame, value);
    k->frames--;
    sl_value_map_set(frame->values, value, known);
    return known;
}

void tile_frame_all(tile_kernel *k, tile_frame *frame) {
    int count = 0;
    for (sl_op *op = sl_block_first(sl_nest_body(frame->nest)); op; op = sl_op_next(op)) count++;
    if (count < EAGER_BODY) return;
    for (sl_op *op = sl_block_first(sl_nest_body(frame->nest)); op; op = sl_op_next(op))
        if (sl_op_result_count(op) == 1) tile_frame_value(k, frame, sl_op_result(op, 0));
}

sl_value *tile_evaluate(tile_kernel *k, sl_op *nest, int result, const sl_expr *loops) {
    tile_frame frame;
    tile_frame_init(k, &frame, nest, loops, NULL);
    tile_frame_all(k, &frame);
    sl_value *value = tile_frame_value(k, &frame, sl_nest_yielded(nest, result));
    return tile_cast(k, value, sl_type_element(sl_value_type(sl_op_result(nest, result))));
}
