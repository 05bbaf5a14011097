/* tile_general.c: any lone nest.generic, one element at a time: what no other strategy takes (reductions of any form over any element type, narrow elements). A task is
 * one point of the parallel loops; the reduced loops run inside of it in order and carry the running values.
 */
#include "tile_internal.h"

bool tile_try_general(sl_pass_context *pass, sl_op *nest) {
    tile_group group;
    if (!sl_nest_is_generic(nest) || !tile_group_read(nest, &group)) return false;
    tile_kernel *k = tile_kernel_begin(pass, nest);
    int loops = sl_nest_loop_count(nest), results = sl_op_result_count(nest), digits = 0, reduced[SL_NEST_MAX_LOOPS], reduced_count = 0;
    sl_expr at[SL_NEST_MAX_LOOPS], counts[SL_NEST_MAX_LOOPS], indices[SL_NEST_MAX_LOOPS], tasks = tile_const(k, 1), work = tile_const(k, 1);
    int digit_of[SL_NEST_MAX_LOOPS];
    double inside = 1;
    bool narrow = false;
    for (int i = 0; i < results; i++) narrow |= sl_element_bits(sl_type_element(sl_value_type(sl_op_result(nest, i)))) < 8;
    for (int i = 0; i < loops; i++) {
        sl_expr bound = sl_nest_bound(nest, i);
        at[i] = sl_expr_loop(k->context, i);
        tile_add_set(k, 1, &i, &bound);
        work = tile_mul(k, work, bound);
        if (sl_nest_is_reduced(nest, i)) reduced[reduced_count++] = i, inside *= tile_estimate(bound);
        else counts[digits] = bound, digit_of[digits++] = i, tasks = tile_mul(k, tasks, bound);
    }
    /* Elements narrower than a byte share bytes, so one task stores them all. */
    if (narrow) {
        for (int i = 0; i < digits; i++) {
            tile_set *set = &k->sets[digit_of[i]];
            if (i == 0) tile_for(k, k->first, k->end, tile_i64(k, 1), 0, NULL, NULL);
            set->base = tile_variable(k, tile_for(k, tile_i64(k, 0), tile_index(k, set->extent), tile_i64(k, 1), 0, NULL, NULL));
        }
        if (digits == 0) tile_for(k, k->first, k->end, tile_i64(k, 1), 0, NULL, NULL);
        tasks = tile_const(k, 1);
    } else {
        tile_task_loop(k, digits, counts, indices);
        for (int i = 0; i < digits; i++) k->sets[digit_of[i]].base = indices[i];
    }
    sl_value *running[SL_NEST_MAX_RESULTS];
    if (results > SL_NEST_MAX_RESULTS) tile_fail(k, "too many results", SL_ELEMENT_i64);
    for (int i = 0; i < results && !k->failure; i++) running[i] = tile_constant(k, sl_nest_init(nest, i));
    int depth = k->depth;
    for (int i = 0; i < reduced_count && !k->failure; i++) {
        tile_set *set = &k->sets[reduced[i]];
        sl_value *start[SL_NEST_MAX_RESULTS];
        for (int r = 0; r < results; r++) start[r] = running[r];
        set->base = tile_variable(k, tile_for(k, tile_i64(k, 0), tile_index(k, set->extent), tile_i64(k, 1), results, start, running));
    }
    sl_value *values[SL_NEST_MAX_RESULTS];
    if (!k->failure) {
        tile_frame frame;
        tile_frame_init(k, &frame, nest, at, reduced_count ? running : NULL);
        tile_frame_all(k, &frame);
        for (int i = 0; i < results; i++) values[i] = tile_frame_value(k, &frame, sl_nest_yielded(nest, i));
        while (k->depth > depth) tile_end(k, results, values, values);
        for (int i = 0; i < results; i++) {
            sl_expr positions[SL_MAX_RANK];
            tile_result_positions(k, nest, i, at, positions);
            tile_write(k, i, positions, values[i]);
        }
        while (k->depth > 0) tile_end(k, 0, NULL, NULL);
    }
    if (k->failure) {
        sl_op_report(nest, SL_SEVERITY_ERROR, "no kernel can be made of this nest: %s", k->failure);
        tile_kernel_drop(k);
        return false;
    }
    double cycles = inside * (sl_estimate_body(nest) + 4);
    tile_launch launch = {.name = tile_name(k, &group, "general"), .tasks = tasks, .grain = tile_grain(k, cycles), .work = work};
    launch.reason = sl_arena_printf(k->arena, "general: one element at a time, %d parallel and %d reduced loops, about %.0f cycles each", digits, reduced_count, cycles);
    tile_kernel_finish(k, &launch);
    return true;
}
