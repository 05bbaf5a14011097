/* tile.c: nests to kernels. In: functions of nest.group, nest.generic, tensor ops that stay whole. Out: kernel.func for every nest or group, kernel.launch and kernel.call in
 * their place; what bufferize deals with itself (control flow, reshapes, constants, tensor.from_dims) is left.
 *
 * Strategies, tried in this order; each either replaces the op or leaves it alone:
 *   attention     one pass over the keys (tile_attention.c)
 *   depthwise     convolutions with weights of their own for each channel (tile_depthwise.c)
 *   contraction   register tiles (tile_contract.c; packing in tile_pack.c and pack.c, convolutions over rectangles in tile_window.c, what follows the sum in tile_epilogue.c)
 *   rows          reductions with shared rows (tile_rows.c)
 *   pointwise     vector loops (tile_pointwise.c)
 *   general       scalar loops, always possible (tile_general.c)
 * A group that no strategy takes falls apart into its nests. Kernels are built over the emitter of tile_internal.h; every one carries its decision in the attribute `reason`.
 */
#include "tile_internal.h"

/* Inlines the nests of a group in its place. */
static void dissolve(sl_pass_context *pass, sl_op *group, const char *why) {
    sl_value *results[TILE_MAX_NESTS];
    sl_op *last = sl_block_terminator(sl_op_body(group, 0));
    int count = sl_op_result_count(group);
    sl_value **replacements = count <= TILE_MAX_NESTS ? results : SL_NEW_ARRAY(pass->scratch, sl_value *, (size_t)count);
    for (int i = 0; i < count; i++) replacements[i] = sl_op_operand(last, i);
    sl_pass_decide(pass, group, "tile", why);
    for (sl_op *op = sl_block_first(sl_op_body(group, 0)), *next; op != last; op = next) {
        next = sl_op_next(op);
        sl_op_move_before(op, group);
    }
    sl_op_erase(last);
    sl_op_replace(group, replacements);
}

/* The strategies in the order in which they are tried; one that is forced is the only one, but what no other takes becomes loops or scalar code. */
static bool tile_nest(sl_pass_context *pass, tile_cache *cache, sl_op *op) {
    int only = pass->kernel.strategy;
    if ((!only || only == SL_STRATEGY_ATTENTION) && tile_try_attention(pass, op)) return true;
    if ((!only || only == SL_STRATEGY_DEPTHWISE) && tile_try_depthwise(pass, op)) return true;
    if ((!only || only == SL_STRATEGY_CONTRACT) && tile_try_contract(pass, cache, op)) return true;
    if ((!only || only == SL_STRATEGY_ROWS) && tile_try_rows(pass, op)) return true;
    if (only != SL_STRATEGY_GENERAL && tile_try_loops(pass, op)) return true;
    return sl_nest_is_generic(op) && tile_try_general(pass, op);
}

/* Pure constants inside of a group's region are no nests: they move out in front of it. */
static void hoist_constants(sl_op *group) {
    for (sl_op *op = sl_block_first(sl_op_body(group, 0)), *next; op; op = next) {
        next = sl_op_next(op);
        if (sl_op_get_kind(op) == SL_OP_core_constant) sl_op_move_before(op, group);
    }
}

static bool tile_op_at(sl_pass_context *pass, tile_cache *cache, sl_op *op) {
    if (sl_nest_is_generic(op)) return tile_nest(pass, cache, op);
    if (sl_op_get_kind(op) == SL_OP_nest_group) {
        hoist_constants(op);
        if (tile_nest(pass, cache, op)) return true;
        sl_op *first = sl_block_first(sl_op_body(op, 0)), *after = sl_op_next(op);
        dissolve(pass, op, "no strategy takes the whole group: its nests become kernels of their own");
        bool ok = true;
        for (sl_op *nest = first, *next; nest && nest != after; nest = next) {
            next = sl_op_next(nest);
            if (sl_nest_is_generic(nest)) ok &= tile_nest(pass, cache, nest);
        }
        return ok;
    }
    bool ok = true;
    tile_call(pass, op, &ok);
    return ok;
}

static bool tile_block(sl_pass_context *pass, tile_cache *cache, sl_block *block) {
    bool ok = true;
    for (sl_op *op = sl_block_first(block), *next; op; op = next) {
        next = sl_op_next(op);
        if (!sl_nest_is_generic(op) && sl_op_get_kind(op) != SL_OP_nest_group)
            for (int i = 0; i < sl_op_region_count(op); i++)
                if (sl_region_block(sl_op_region(op, i))) ok &= tile_block(pass, cache, sl_op_body(op, i));
        ok &= tile_op_at(pass, cache, op);
    }
    return ok;
}

sl_status sl_pass_tile(sl_pass_context *pass) {
    bool ok = true;
    tile_cache cache = {0};
    for (sl_op *function = sl_block_first(sl_module_body(pass->module)), *next; function; function = next) {
        next = sl_op_next(function);
        if (sl_op_get_kind(function) == SL_OP_core_func && !sl_op_bool(function, "buffers", false)) ok &= tile_block(pass, &cache, sl_op_body(function, 0));
    }
    /* Constants that were packed are not read any more. */
    for (sl_op *function = sl_block_first(sl_module_body(pass->module)); ok && function; function = sl_op_next(function))
        if (sl_op_get_kind(function) == SL_OP_core_func) pass->changes += sl_block_erase_dead(sl_op_body(function, 0));
    return ok ? NULL : SL_PASS_FAILED("tile");
}
