/* tile_emit.c: the kernel emitter of the pass `tile`: kernels, loops, index expressions and lane values; see tile_internal.h.
 *
 * A kernel is drafted with its arguments in order of discovery (inputs are met as they are read, dims as expressions need them) and gets its final argument order when it
 * is finished. A draft that fails is thrown away without a trace, so that a strategy may be tried.
 */
#include "tile_internal.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* ---- memo: what was emitted in a scope, by the parts that it was made from ---- */

static const char tag_index[] = "index", tag_lanes[] = "lanes", tag_splat[] = "splat", tag_constant[] = "constant", tag_pointer[] = "pointer", tag_steps[] = "steps", tag_mask[] = "mask";

static sl_value *memo_find(const tile_scope *scope, uint64_t hash, int count, const void *const *parts) {
    for (size_t i = 0; i < scope->memo.count; i++) {
        const tile_key *key = &scope->memo.data[i];
        if (key->hash == hash && key->count == count && memcmp(key->parts, parts, (size_t)count * sizeof(*parts)) == 0) return key->value;
    }
    return NULL;
}

static void memo_add(tile_kernel *k, tile_scope *scope, uint64_t hash, int count, const void *const *parts, sl_value *value) {
    const void **copy = sl_arena_copy(k->arena, parts, (size_t)count * sizeof(*parts));
    SL_PUSH(k->arena, &scope->memo, (tile_key){hash, count, copy, value});
}

sl_value *tile_memo_get(tile_kernel *k, int level, int count, const void *const *parts) {
    uint64_t hash = sl_hash_bytes(parts, (size_t)count * sizeof(*parts), 1);
    for (int i = level; i >= 0; i--) {
        sl_value *value = memo_find(&k->scopes[i], hash, count, parts);
        if (value) return value;
    }
    return NULL;
}

void tile_memo_put(tile_kernel *k, int level, int count, const void *const *parts, sl_value *value) {
    memo_add(k, &k->scopes[level], sl_hash_bytes(parts, (size_t)count * sizeof(*parts), 1), count, parts, value);
}

/* ---- kernels ---- */

static sl_type i64_type(tile_kernel *k) { return sl_type_scalar(k->context, SL_ELEMENT_i64); }

static void open_scope(tile_kernel *k, sl_op *op, sl_block *block) {
    assert(k->depth + 1 < TILE_MAX_DEPTH);
    tile_scope *scope = &k->scopes[++k->depth];
    *scope = (tile_scope){.op = op, .block = block, .epoch = ++k->epochs};
    k->builder = sl_builder_at_end(k->module, block);
    k->builder.loc = sl_op_loc(k->group);
}

tile_kernel *tile_kernel_begin(sl_pass_context *pass, sl_op *group) {
    tile_kernel *k = SL_NEW(pass->scratch, tile_kernel);
    k->pass = pass, k->module = pass->module, k->context = sl_module_context(pass->module);
    k->arena = pass->scratch, k->machine = pass->machine, k->group = group, k->lanes = 1, k->depth = -1;
    sl_builder top = sl_builder_at_end(k->module, sl_module_body(k->module));
    top.loc = sl_op_loc(group);
    sl_named_attr name = {"sym_name", sl_attr_string(k->context, "draft")};
    k->draft = sl_build(&top, SL_OP_kernel_func, 0, NULL, 0, NULL, 1, &name);
    sl_block *block = sl_op_body(k->draft, 0);
    k->first = sl_block_add_argument(block, i64_type(k));
    k->end = sl_block_add_argument(block, i64_type(k));
    k->worker = sl_block_add_argument(block, i64_type(k));
    open_scope(k, NULL, block);
    for (int i = 0; i < sl_op_result_count(group); i++) {
        sl_value *result = sl_op_result(group, i);
        sl_type pointer = sl_type_pointer(k->context, sl_type_element(sl_value_type(result)));
        SL_PUSH(k->arena, &k->outputs, (tile_argument){.tensor = result, .value = sl_block_add_argument(block, pointer)});
    }
    return k;
}

void tile_kernel_drop(tile_kernel *k) { sl_op_erase(k->draft); }

sl_value *tile_fail(tile_kernel *k, const char *why, sl_element element) {
    if (!k->failure) k->failure = why;
    sl_builder old = tile_at_level(k, 0);
    sl_value *value = sl_build_constant_int(&k->builder, sl_type_scalar(k->context, element), 0);
    k->builder = old;
    return value;
}

static const char *unique_symbol(tile_kernel *k, const char *name) {
    const char *symbol = name;
    for (int i = 2; sl_module_find(k->module, symbol); i++) symbol = sl_arena_printf(k->arena, "%s_%d", name, i);
    return symbol;
}

/* The final kernel.func: inputs, outputs, dims, first, end, worker. */
static const char *settle(tile_kernel *k, const tile_launch *launch) {
    sl_block *draft = sl_op_body(k->draft, 0);
    const char *symbol = unique_symbol(k, launch->name);
    sl_builder top = sl_builder_at_end(k->module, sl_module_body(k->module));
    top.loc = sl_op_loc(k->group);
    sl_named_attr attrs[3] = {{"sym_name", sl_attr_string(k->context, symbol)}, {"reason", sl_attr_string(k->context, launch->reason)},
                              {"scratch", sl_attr_int(k->context, k->scratch)}};
    sl_op *func = sl_build(&top, SL_OP_kernel_func, 0, NULL, 0, NULL, k->scratch ? 3 : 2, attrs);
    sl_block *block = sl_op_body(func, 0);
    int count = sl_block_argument_count(draft);
    sl_value **final = SL_NEW_ARRAY(k->arena, sl_value *, (size_t)count);
    for (size_t i = 0; i < k->inputs.count; i++) final[sl_value_index(k->inputs.data[i].value)] = sl_block_add_argument(block, sl_value_type(k->inputs.data[i].value));
    for (size_t i = 0; i < k->outputs.count; i++) final[sl_value_index(k->outputs.data[i].value)] = sl_block_add_argument(block, sl_value_type(k->outputs.data[i].value));
    for (size_t i = 0; i < k->dims.count; i++) final[sl_value_index(k->dims.data[i].value)] = sl_block_add_argument(block, i64_type(k));
    final[sl_value_index(k->first)] = sl_block_add_argument(block, i64_type(k));
    final[sl_value_index(k->end)] = sl_block_add_argument(block, i64_type(k));
    final[sl_value_index(k->worker)] = sl_block_add_argument(block, i64_type(k));
    sl_builder inside = sl_builder_at_end(k->module, block);
    sl_block_inline(&inside, draft, final);
    sl_op_erase(k->draft);
    return symbol;
}

/* A launch costs microseconds; a thread pays from about 2 us of work on. */
sl_expr tile_grain(tile_kernel *k, double cycles_per_task) {
    double cycles = 1.2 * k->machine->launch_us * 3000;
    if (cycles < 6000) cycles = 6000;
    double grain = cycles_per_task < 1 ? cycles : ceil(cycles / cycles_per_task);
    return sl_expr_const(k->context, grain < 1 ? 1 : (int64_t)grain);
}

/* Whether the kernel's work is multiply-adds. */
static bool sums_products(sl_op *group) {
    if (sl_nest_is_generic(group)) return sl_nest_is_contraction(group, NULL);
    if (sl_op_get_kind(group) != SL_OP_nest_group) return false;
    for (sl_op *op = sl_block_first(sl_op_body(group, 0)); op; op = sl_op_next(op))
        if (sl_nest_is_generic(op) && sl_nest_is_contraction(op, NULL)) return true;
    return false;
}

void tile_kernel_finish(tile_kernel *k, const tile_launch *launch) {
    assert(k->depth == 0 && !k->failure);
    sl_build(&k->builder, SL_OP_kernel_yield, 0, NULL, 0, NULL, 0, NULL);
    const char *symbol = settle(k, launch);
    int inputs = (int)k->inputs.count, outputs = (int)k->outputs.count, dims = (int)k->dims.count;
    sl_value **operands = SL_NEW_ARRAY(k->arena, sl_value *, (size_t)inputs + 1);
    sl_type *types = SL_NEW_ARRAY(k->arena, sl_type, (size_t)outputs);
    sl_expr *exprs = SL_NEW_ARRAY(k->arena, sl_expr, (size_t)dims + 1);
    for (int i = 0; i < inputs; i++) operands[i] = k->inputs.data[i].tensor;
    for (int i = 0; i < outputs; i++) types[i] = sl_value_type(k->outputs.data[i].tensor);
    for (int i = 0; i < dims; i++) exprs[i] = k->dims.data[i].expr;
    sl_named_attr attrs[9] = {
        {"callee", sl_attr_string(k->context, symbol)}, {"inputs", sl_attr_int(k->context, inputs)},
        {"dims", sl_attr_exprs(k->context, dims, exprs)}, {"tasks", sl_attr_expr(k->context, launch->tasks)},
    };
    int count = 4;
    if (launch->grain) attrs[count++] = (sl_named_attr){"grain", sl_attr_expr(k->context, launch->grain)};
    if (launch->work) attrs[count++] = (sl_named_attr){"work", sl_attr_expr(k->context, launch->work)};
    if (launch->bytes) attrs[count++] = (sl_named_attr){"bytes", sl_attr_expr(k->context, launch->bytes)};
    if (launch->in_place_count) attrs[count++] = (sl_named_attr){"in_place", sl_attr_ints(k->context, launch->in_place_count, launch->in_place)};
    if (sums_products(k->group)) attrs[count++] = (sl_named_attr){"products", sl_attr_bool(k->context, true)};
    sl_builder here = sl_builder_before(k->group);
    sl_op *op = sl_build(&here, SL_OP_kernel_launch, inputs, operands, outputs, types, count, attrs);
    sl_value **results = SL_NEW_ARRAY(k->arena, sl_value *, (size_t)outputs);
    for (int i = 0; i < outputs; i++) {
        results[i] = sl_op_result(op, i);
        sl_value_set_name(results[i], sl_value_name(sl_op_result(k->group, i)));
    }
    sl_pass_decide(k->pass, op, "tile", launch->reason);
    sl_op_replace(k->group, results);
    k->pass->changes++;
}

/* ---- places ---- */

sl_builder tile_at_level(tile_kernel *k, int level) {
    sl_builder old = k->builder;
    if (level >= k->depth) {
        k->builder = sl_builder_at_end(k->module, k->scopes[k->depth].block);
    } else {
        k->builder = sl_builder_before(k->scopes[level + 1].op);
    }
    k->builder.loc = sl_op_loc(k->group);
    return old;
}

int tile_level_of(tile_kernel *k, const sl_value *value) {
    sl_block *block = sl_value_owner_block(value);
    if (!block) block = sl_op_block(sl_value_op(value));
    for (int i = k->depth; i >= 0; i--)
        if (k->scopes[i].block == block) return i;
    assert(!"a value of a closed scope");
    return k->depth;
}

int tile_level_of_expr(tile_kernel *k, sl_expr expr) {
    int level = 0;
    switch (sl_expr_get_kind(expr)) {
    case SL_EXPR_CONST: case SL_EXPR_SYMBOL: break;
    case SL_EXPR_LOOP:
        if (sl_expr_loop_index(expr) >= TILE_VARIABLE) level = tile_level_of(k, k->variables.data[sl_expr_loop_index(expr) - TILE_VARIABLE]);
        break;
    case SL_EXPR_SUM:
        for (int t = 0, n = sl_expr_term_count(expr); t < n; t++)
            for (int f = 0, m = sl_expr_term_factor_count(expr, t); f < m; f++) {
                int inner = tile_level_of_expr(k, sl_expr_term_factor(expr, t, f));
                if (inner > level) level = inner;
            }
        break;
    case SL_EXPR_FLOORDIV: case SL_EXPR_CEILDIV: case SL_EXPR_MOD: case SL_EXPR_MIN: case SL_EXPR_MAX: case SL_EXPR_BCAST:
        for (int i = 0; i < 2; i++) {
            int inner = tile_level_of_expr(k, sl_expr_operand(expr, i));
            if (inner > level) level = inner;
        }
        break;
    }
    return level;
}

static int clamp_level(const tile_kernel *k, int level) { return level < k->floor ? k->floor : level; }

/* ---- index expressions ---- */

sl_expr tile_const(tile_kernel *k, int64_t value) { return sl_expr_const(k->context, value); }
sl_expr tile_add(tile_kernel *k, sl_expr a, sl_expr b) { return sl_expr_add(k->context, a, b); }
sl_expr tile_mul(tile_kernel *k, sl_expr a, sl_expr b) { return sl_expr_mul(k->context, a, b); }
sl_expr tile_lane_expr(tile_kernel *k) { return sl_expr_loop(k->context, TILE_LANE); }

sl_expr tile_variable(tile_kernel *k, sl_value *value) {
    SL_PUSH(k->arena, &k->variables, value);
    return sl_expr_loop(k->context, TILE_VARIABLE + (int)k->variables.count - 1);
}

sl_value *tile_i64(tile_kernel *k, int64_t value) { return tile_index(k, tile_const(k, value)); }

bool tile_not_negative(sl_expr expr) {
    switch (sl_expr_get_kind(expr)) {
    case SL_EXPR_CONST: return sl_expr_const_or(expr, -1) >= 0;
    case SL_EXPR_SYMBOL: case SL_EXPR_LOOP: return true;
    case SL_EXPR_SUM:
        for (int t = 0, n = sl_expr_term_count(expr); t < n; t++) {
            if (sl_expr_term_coefficient(expr, t) < 0) return false;
            for (int f = 0, m = sl_expr_term_factor_count(expr, t); f < m; f++)
                if (!tile_not_negative(sl_expr_term_factor(expr, t, f))) return false;
        }
        return true;
    case SL_EXPR_MOD: return true;
    case SL_EXPR_FLOORDIV: case SL_EXPR_CEILDIV: case SL_EXPR_MIN: case SL_EXPR_BCAST:
        return tile_not_negative(sl_expr_operand(expr, 0)) && tile_not_negative(sl_expr_operand(expr, 1));
    case SL_EXPR_MAX: return tile_not_negative(sl_expr_operand(expr, 0)) || tile_not_negative(sl_expr_operand(expr, 1));
    }
    return false;
}

static sl_value *dim_argument(tile_kernel *k, sl_expr expr) {
    for (size_t i = 0; i < k->dims.count; i++)
        if (k->dims.data[i].expr == expr) return k->dims.data[i].value;
    sl_value *value = sl_block_add_argument(k->scopes[0].block, i64_type(k));
    SL_PUSH(k->arena, &k->dims, (tile_argument){.expr = expr, .value = value});
    return value;
}

/* The arithmetic of a binary atom on scalars or vectors alike; divisors are positive. */
static sl_value *emit_atom(tile_kernel *k, sl_expr expr, sl_value *a, sl_value *b) {
    sl_expr left = sl_expr_operand(expr, 0);
    switch (sl_expr_get_kind(expr)) {
    case SL_EXPR_CONST: case SL_EXPR_SYMBOL: case SL_EXPR_LOOP: case SL_EXPR_SUM: break;
    case SL_EXPR_FLOORDIV:
        if (tile_not_negative(left)) return tile_binary(k, SL_OP_arith_div, a, b);
        return tile_binary(k, SL_OP_arith_div, tile_binary(k, SL_OP_arith_sub, a, tile_binary(k, SL_OP_arith_mod, a, b)), b);
    case SL_EXPR_CEILDIV: {
        sl_value *less = tile_binary(k, SL_OP_arith_sub, b, tile_i64(k, 1));
        if (tile_not_negative(left)) return tile_binary(k, SL_OP_arith_div, tile_binary(k, SL_OP_arith_add, a, less), b);
        sl_value *sum = tile_binary(k, SL_OP_arith_add, a, less);
        return tile_binary(k, SL_OP_arith_div, tile_binary(k, SL_OP_arith_sub, sum, tile_binary(k, SL_OP_arith_mod, sum, b)), b);
    }
    case SL_EXPR_MOD: return tile_binary(k, tile_not_negative(left) ? SL_OP_arith_rem : SL_OP_arith_mod, a, b);
    case SL_EXPR_MIN: return tile_binary(k, SL_OP_arith_min, a, b);
    case SL_EXPR_MAX: return tile_binary(k, SL_OP_arith_max, a, b);
    case SL_EXPR_BCAST: return tile_select(k, tile_compare(k, "eq", a, tile_i64(k, 1)), b, a);
    }
    assert(!"not a binary atom");
    return a;
}

/* Terms of a sum by level, the constant term last, so that partial sums are shared and sit as far out as they can. */
static int sort_terms(tile_kernel *k, sl_expr expr, int *order, int *levels, int capacity) {
    int count = sl_expr_term_count(expr);
    if (count > capacity) return -1;
    for (int t = 0; t < count; t++) {
        int level = 0, factors = sl_expr_term_factor_count(expr, t);
        for (int f = 0; f < factors; f++) {
            int inner = tile_level_of_expr(k, sl_expr_term_factor(expr, t, f));
            if (inner > level) level = inner;
        }
        if (factors == 0) level = TILE_MAX_DEPTH;
        int at = t;
        for (; at > 0 && levels[at - 1] > level; at--) order[at] = order[at - 1], levels[at] = levels[at - 1];
        order[at] = t, levels[at] = level;
    }
    return count;
}

static sl_expr term_expr(tile_kernel *k, sl_expr expr, int term) {
    sl_expr product = tile_const(k, sl_expr_term_coefficient(expr, term));
    for (int f = 0, m = sl_expr_term_factor_count(expr, term); f < m; f++) product = tile_mul(k, product, sl_expr_term_factor(expr, term, f));
    return product;
}

static sl_value *emit_product(tile_kernel *k, sl_expr expr, int term) {
    int64_t coefficient = sl_expr_term_coefficient(expr, term);
    int count = sl_expr_term_factor_count(expr, term);
    sl_value *product = coefficient == 1 && count > 0 ? NULL : tile_i64(k, coefficient);
    for (int pass = 0; pass < 2; pass++)      /* loop-free factors first */
        for (int f = 0; f < count; f++) {
            sl_expr factor = sl_expr_term_factor(expr, term, f);
            if (sl_expr_uses_any_loop(factor) != (pass == 1)) continue;
            sl_value *value = tile_index(k, factor);
            product = product ? tile_binary(k, SL_OP_arith_mul, product, value) : value;
        }
    return product;
}

static sl_value *emit_sum(tile_kernel *k, sl_expr expr) {
    int order[128] = {0}, levels[128], count = sort_terms(k, expr, order, levels, 128);
    if (count < 0) return tile_fail(k, "an index of more than 128 terms", SL_ELEMENT_i64);
    if (count == 1) return emit_product(k, expr, 0);
    sl_expr prefix = term_expr(k, expr, order[0]);
    sl_value *sum = tile_index(k, prefix);
    for (int i = 1; i < count; i++) {
        sl_expr term = term_expr(k, expr, order[i]), longer = tile_add(k, prefix, term);
        int level = clamp_level(k, tile_level_of_expr(k, longer));
        const void *key[2] = {tag_index, longer};
        sl_value *known = tile_memo_get(k, level, 2, key);
        if (!known) {
            known = tile_binary(k, SL_OP_arith_add, sum, tile_index(k, term));
            if (longer != expr) tile_memo_put(k, level, 2, key, known);
        }
        prefix = longer, sum = known;
    }
    return sum;
}

sl_value *tile_index(tile_kernel *k, sl_expr expr) {
    sl_expr_kind kind = sl_expr_get_kind(expr);
    if (kind == SL_EXPR_LOOP) {
        int index = sl_expr_loop_index(expr);
        assert(index >= TILE_VARIABLE && "a canonical loop or the lane is left in a scalar index");
        return k->variables.data[index - TILE_VARIABLE];
    }
    if (kind != SL_EXPR_CONST && kind != SL_EXPR_SUM && !sl_expr_uses_any_loop(expr)) return dim_argument(k, expr);
    int level = clamp_level(k, tile_level_of_expr(k, expr));
    const void *key[2] = {tag_index, expr};
    sl_value *value = tile_memo_get(k, level, 2, key);
    if (value) return value;
    if (kind == SL_EXPR_CONST) {
        sl_builder old = tile_at_level(k, level);
        value = sl_build_constant_int(&k->builder, i64_type(k), sl_expr_const_or(expr, 0));
        k->builder = old;
    } else if (kind == SL_EXPR_SUM) {
        value = emit_sum(k, expr);
    } else {
        value = emit_atom(k, expr, tile_index(k, sl_expr_operand(expr, 0)), tile_index(k, sl_expr_operand(expr, 1)));
    }
    tile_memo_put(k, level, 2, key, value);
    return value;
}

static sl_value *lane_numbers(tile_kernel *k) {
    const void *key[2] = {tag_lanes, (const void *)(intptr_t)k->lanes};
    int level = clamp_level(k, 0);
    sl_value *value = tile_memo_get(k, level, 2, key);
    if (value) return value;
    sl_type type = sl_type_vector(k->context, SL_ELEMENT_i64, k->lanes);
    sl_builder old = tile_at_level(k, level);
    value = sl_op_result(sl_build(&k->builder, SL_OP_kernel_lanes, 0, NULL, 1, &type, 0, NULL), 0);
    k->builder = old;
    tile_memo_put(k, level, 2, key, value);
    return value;
}

sl_value *tile_index_lanes(tile_kernel *k, sl_expr expr) {
    if (!sl_expr_uses_loop(expr, TILE_LANE)) return tile_splat(k, tile_index(k, expr));
    if (sl_expr_get_kind(expr) == SL_EXPR_LOOP) return lane_numbers(k);
    const void *key[3] = {tag_lanes, expr, (const void *)(intptr_t)k->lanes};
    int level = clamp_level(k, tile_level_of_expr(k, expr));
    sl_value *value = tile_memo_get(k, level, 3, key);
    if (value) return value;
    sl_expr coefficient, rest;
    if (sl_expr_split_linear(k->context, expr, TILE_LANE, &coefficient, &rest) && !sl_expr_uses_loop(coefficient, TILE_LANE)) {
        value = lane_numbers(k);
        if (!sl_expr_equals_const(coefficient, 1)) value = tile_binary(k, SL_OP_arith_mul, value, tile_index(k, coefficient));
        if (!sl_expr_equals_const(rest, 0)) value = tile_binary(k, SL_OP_arith_add, value, tile_index_lanes(k, rest));
    } else if (sl_expr_get_kind(expr) == SL_EXPR_SUM) {
        for (int t = 0, n = sl_expr_term_count(expr); t < n; t++) {
            sl_value *product = sl_expr_term_coefficient(expr, t) == 1 ? NULL : tile_i64(k, sl_expr_term_coefficient(expr, t));
            for (int f = 0, m = sl_expr_term_factor_count(expr, t); f < m; f++) {
                sl_value *factor = tile_index_lanes(k, sl_expr_term_factor(expr, t, f));
                product = product ? tile_binary(k, SL_OP_arith_mul, product, factor) : factor;
            }
            if (!product) product = tile_i64(k, 1);
            value = value ? tile_binary(k, SL_OP_arith_add, value, product) : product;
        }
        value = tile_splat(k, value);
    } else {
        value = emit_atom(k, expr, tile_index_lanes(k, sl_expr_operand(expr, 0)), tile_index_lanes(k, sl_expr_operand(expr, 1)));
    }
    tile_memo_put(k, level, 3, key, value);
    return value;
}

/* ---- loops and branches ---- */

sl_value *tile_for(tile_kernel *k, sl_value *lower, sl_value *upper, sl_value *step, int count, sl_value *const *start, sl_value **carried) {
    sl_value **operands = SL_NEW_ARRAY(k->arena, sl_value *, (size_t)count + 3);
    sl_type *types = SL_NEW_ARRAY(k->arena, sl_type, (size_t)count + 1);
    operands[0] = lower, operands[1] = upper, operands[2] = step;
    for (int i = 0; i < count; i++) operands[3 + i] = start[i], types[i] = sl_value_type(start[i]);
    tile_at_level(k, k->depth);
    sl_op *op = sl_build(&k->builder, SL_OP_kernel_for, count + 3, operands, count, types, 0, NULL);
    sl_block *block = sl_op_body(op, 0);
    sl_value *index = sl_block_add_argument(block, i64_type(k));
    for (int i = 0; i < count; i++) carried[i] = sl_block_add_argument(block, types[i]);
    open_scope(k, op, block);
    return index;
}

static void yield(tile_kernel *k, int count, sl_value *const *yields) {
    tile_at_level(k, k->depth);
    sl_build(&k->builder, SL_OP_kernel_yield, count, yields, 0, NULL, 0, NULL);
}

void tile_end(tile_kernel *k, int count, sl_value *const *yields, sl_value **results) {
    yield(k, count, yields);
    sl_op *op = k->scopes[k->depth].op;
    if (sl_op_get_kind(op) == SL_OP_kernel_if && k->scopes[k->depth].block == sl_op_body(op, 0)) {   /* no else part */
        assert(count == 0);
        sl_builder other = sl_builder_at_end(k->module, sl_op_body(op, 1));
        sl_build(&other, SL_OP_kernel_yield, 0, NULL, 0, NULL, 0, NULL);
    }
    k->depth--;
    assert(k->floor <= k->depth);
    for (int i = 0; i < count && results; i++) results[i] = sl_op_result(op, i);
    tile_at_level(k, k->depth);
}

void tile_if(tile_kernel *k, sl_value *condition, int count, const sl_type *types) {
    tile_at_level(k, k->depth);
    sl_op *op = sl_build(&k->builder, SL_OP_kernel_if, 1, &condition, count, types, 0, NULL);
    open_scope(k, op, sl_op_body(op, 0));
}

void tile_else(tile_kernel *k, int count, sl_value *const *yields) {
    yield(k, count, yields);
    sl_op *op = k->scopes[k->depth--].op;
    open_scope(k, op, sl_op_body(op, 1));
}

/* ---- buffers ---- */

sl_value *tile_argument_of(tile_kernel *k, sl_value *tensor) {
    for (size_t i = 0; i < k->inputs.count; i++)
        if (k->inputs.data[i].tensor == tensor) return k->inputs.data[i].value;
    sl_type pointer = sl_type_pointer(k->context, sl_type_element(sl_value_type(tensor)));
    sl_value *value = sl_block_add_argument(k->scopes[0].block, pointer);
    SL_PUSH(k->arena, &k->inputs, (tile_argument){.tensor = tensor, .value = value});
    return value;
}

int tile_output(tile_kernel *k, sl_value *result) {
    for (size_t i = 0; i < k->outputs.count; i++)
        if (k->outputs.data[i].tensor == result) return (int)i;
    assert(!"not a result of the group");
    return 0;
}

sl_value *tile_output_pointer(tile_kernel *k, int output) { return k->outputs.data[output].value; }

sl_value *tile_scratch(tile_kernel *k, sl_element element, int64_t bytes) {
    sl_type type = sl_type_pointer(k->context, element);
    sl_named_attr attr = {"offset", sl_attr_int(k->context, k->scratch)};
    k->scratch += (bytes + 63) / 64 * 64;
    sl_builder old = tile_at_level(k, 0);
    sl_value *value = sl_op_result(sl_build(&k->builder, SL_OP_kernel_scratch, 0, NULL, 1, &type, 1, &attr), 0);
    k->builder = old;
    return value;
}

/* ---- lane values ---- */

sl_type tile_type(tile_kernel *k, sl_element element, bool vector) {
    return vector ? sl_type_vector(k->context, element, k->lanes) : sl_type_scalar(k->context, element);
}

bool tile_is_vector(const sl_value *value) { return sl_type_is_vector(sl_value_type(value)); }

static sl_value *build_at(tile_kernel *k, int level, sl_op_kind kind, sl_type type, int count, sl_value *const *operands, int attr_count, const sl_named_attr *attrs) {
    sl_builder old = tile_at_level(k, clamp_level(k, level));
    sl_op *op = sl_build(&k->builder, kind, count, operands, 1, &type, attr_count, attrs);
    k->builder = old;
    return sl_op_result(op, 0);
}

sl_value *tile_splat(tile_kernel *k, sl_value *value) {
    if (tile_is_vector(value)) return value;
    int level = clamp_level(k, tile_level_of(k, value));
    const void *key[3] = {tag_splat, value, (const void *)(intptr_t)k->lanes};
    sl_value *known = tile_memo_get(k, level, 3, key);
    if (known) return known;
    known = build_at(k, level, SL_OP_kernel_splat, tile_type(k, sl_type_element(sl_value_type(value)), true), 1, &value, 0, NULL);
    tile_memo_put(k, level, 3, key, known);
    return known;
}

sl_value *tile_op(tile_kernel *k, sl_op_kind kind, sl_element element, int count, sl_value *const *operands, int attr_count, const sl_named_attr *attrs) {
    sl_value *local[8];
    bool vector = false;
    int level = 0;
    assert(count <= 8);
    /* Without the instruction one rounding would have to be emulated, some twenty times slower: sums of products then round twice a step. */
    if (kind == SL_OP_arith_fma && !k->machine->fma && (element == SL_ELEMENT_f32 || element == SL_ELEMENT_f64))
        return tile_binary(k, SL_OP_arith_add, tile_binary(k, SL_OP_arith_mul, operands[0], operands[1]), operands[2]);
    for (int i = 0; i < count; i++) vector |= tile_is_vector(operands[i]);
    for (int i = 0; i < count; i++) {
        local[i] = vector ? tile_splat(k, operands[i]) : operands[i];
        int inner = tile_level_of(k, local[i]);
        if (inner > level) level = inner;
    }
    return build_at(k, level, kind, tile_type(k, element, vector), count, local, attr_count, attrs);
}

sl_value *tile_binary(tile_kernel *k, sl_op_kind kind, sl_value *a, sl_value *b) {
    sl_value *operands[2] = {a, b};
    return tile_op(k, kind, sl_type_element(sl_value_type(a)), 2, operands, 0, NULL);
}

sl_value *tile_compare(tile_kernel *k, const char *predicate, sl_value *a, sl_value *b) {
    sl_value *operands[2] = {a, b};
    sl_named_attr attr = {"predicate", sl_attr_string(k->context, predicate)};
    return tile_op(k, SL_OP_arith_cmp, SL_ELEMENT_i1, 2, operands, 1, &attr);
}

sl_value *tile_select(tile_kernel *k, sl_value *condition, sl_value *a, sl_value *b) {
    sl_value *operands[3] = {condition, a, b};
    return tile_op(k, SL_OP_arith_select, sl_type_element(sl_value_type(a)), 3, operands, 0, NULL);
}

sl_value *tile_cast(tile_kernel *k, sl_value *value, sl_element element) {
    if (sl_type_element(sl_value_type(value)) == element) return value;
    if (value == k->whole && element == SL_ELEMENT_f32) return k->whole_real;
    return tile_op(k, SL_OP_arith_cast, element, 1, &value, 0, NULL);
}

sl_value *tile_constant(tile_kernel *k, sl_attr scalar) {
    int level = clamp_level(k, 0);
    const void *key[2] = {tag_constant, scalar};
    sl_value *value = tile_memo_get(k, level, 2, key);
    if (value) return value;
    sl_builder old = tile_at_level(k, level);
    value = sl_build_constant(&k->builder, scalar);
    k->builder = old;
    tile_memo_put(k, level, 2, key, value);
    return value;
}

sl_value *tile_mask_first(tile_kernel *k, sl_value *count) {
    int level = clamp_level(k, tile_level_of(k, count));
    const void *key[3] = {tag_mask, count, (const void *)(intptr_t)k->lanes};
    sl_value *value = tile_memo_get(k, level, 3, key);
    if (value) return value;
    value = build_at(k, level, SL_OP_kernel_mask, tile_type(k, SL_ELEMENT_i1, true), 1, &count, 0, NULL);
    tile_memo_put(k, level, 3, key, value);
    return value;
}

sl_value *tile_reduce(tile_kernel *k, const char *kind, sl_value *vector) {
    sl_named_attr attr = {"kind", sl_attr_string(k->context, kind)};
    sl_type type = sl_type_scalar(k->context, sl_type_element(sl_value_type(vector)));
    return build_at(k, tile_level_of(k, vector), SL_OP_kernel_reduce, type, 1, &vector, 1, &attr);
}

void tile_assert(tile_kernel *k, sl_value *condition, const char *message) {
    if (tile_is_vector(condition)) condition = tile_reduce(k, "and", condition);
    sl_named_attr attr = {"message", sl_attr_string(k->context, message)};
    sl_builder old = tile_at_level(k, clamp_level(k, tile_level_of(k, condition)));
    sl_build(&k->builder, SL_OP_kernel_assert, 1, &condition, 0, NULL, 1, &attr);
    k->builder = old;
}

/* ---- memory ---- */

sl_value *tile_pointer(tile_kernel *k, sl_value *buffer, sl_expr offset) {
    if (sl_expr_equals_const(offset, 0)) return buffer;
    int level = tile_level_of_expr(k, offset), of_buffer = tile_level_of(k, buffer);
    level = clamp_level(k, level > of_buffer ? level : of_buffer);
    const void *key[3] = {tag_pointer, buffer, offset};
    sl_value *value = tile_memo_get(k, level, 3, key);
    if (value) return value;
    sl_value *operands[2] = {buffer, tile_index(k, offset)};
    value = build_at(k, level, SL_OP_kernel_offset, sl_value_type(buffer), 2, operands, 0, NULL);
    tile_memo_put(k, level, 3, key, value);
    return value;
}

/* Lane offsets relative to a base: narrow ones when they are known to fit, since gathers of 32-bit offsets move twice as many lanes. */
static sl_value *lane_steps(tile_kernel *k, sl_expr coefficient) {
    int64_t step = sl_expr_const_or(coefficient, INT64_MAX);
    if (step > -(INT64_C(1) << 24) && step < (INT64_C(1) << 24)) {
        const void *key[3] = {tag_steps, coefficient, (const void *)(intptr_t)k->lanes};
        int level = clamp_level(k, 0);
        sl_value *value = tile_memo_get(k, level, 3, key);
        if (value) return value;
        sl_type type = tile_type(k, SL_ELEMENT_i32, true);
        value = build_at(k, level, SL_OP_kernel_lanes, type, 0, NULL, 0, NULL);
        sl_builder old = tile_at_level(k, level);
        sl_value *factor = sl_build_constant_int(&k->builder, sl_type_scalar(k->context, SL_ELEMENT_i32), step);
        k->builder = old;
        value = tile_binary(k, SL_OP_arith_mul, value, factor);
        tile_memo_put(k, level, 3, key, value);
        return value;
    }
    return tile_binary(k, SL_OP_arith_mul, lane_numbers(k), tile_index(k, coefficient));
}

/* The pointer and the lane offsets of a strided or irregular access. */
static sl_value *spread(tile_kernel *k, sl_value **buffer, sl_expr index) {
    sl_expr coefficient, rest;
    if (!sl_expr_split_linear(k->context, index, TILE_LANE, &coefficient, &rest) || sl_expr_uses_loop(coefficient, TILE_LANE) || sl_expr_uses_loop(rest, TILE_LANE))
        return tile_index_lanes(k, index);
    *buffer = tile_pointer(k, *buffer, rest);
    return lane_steps(k, coefficient);
}

sl_value *tile_load(tile_kernel *k, sl_value *buffer, sl_expr index, sl_value *mask) { return tile_load_at(k, k->depth, buffer, index, mask); }

sl_value *tile_load_at(tile_kernel *k, int level, sl_value *buffer, sl_expr index, sl_value *mask) {
    sl_element element = sl_type_element(sl_value_type(buffer));
    sl_expr coefficient, rest;
    if (!sl_expr_uses_loop(index, TILE_LANE)) {
        sl_value *operands[2] = {buffer, tile_index(k, index)};
        return build_at(k, level, SL_OP_kernel_load, tile_type(k, element, false), 2, operands, 0, NULL);
    }
    if (mask) mask = tile_splat(k, mask);
    if (sl_expr_split_linear(k->context, index, TILE_LANE, &coefficient, &rest) && sl_expr_equals_const(coefficient, 1) && !sl_expr_uses_loop(rest, TILE_LANE)) {
        sl_value *operands[3] = {buffer, tile_index(k, rest), mask};
        return build_at(k, level, SL_OP_kernel_load, tile_type(k, element, true), mask ? 3 : 2, operands, 0, NULL);
    }
    sl_value *offsets = spread(k, &buffer, index);
    sl_value *operands[3] = {buffer, offsets, mask};
    return build_at(k, level, SL_OP_kernel_gather, tile_type(k, element, true), mask ? 3 : 2, operands, 0, NULL);
}

void tile_store(tile_kernel *k, sl_value *value, sl_value *buffer, sl_expr index, sl_value *mask) {
    sl_expr coefficient, rest;
    tile_at_level(k, k->depth);
    if (!sl_expr_uses_loop(index, TILE_LANE)) {
        sl_value *operands[3] = {value, buffer, tile_index(k, index)};
        assert(!tile_is_vector(value));
        tile_at_level(k, k->depth);
        sl_build(&k->builder, SL_OP_kernel_store, 3, operands, 0, NULL, 0, NULL);
        return;
    }
    value = tile_splat(k, value);
    if (mask) mask = tile_splat(k, mask);
    if (sl_expr_split_linear(k->context, index, TILE_LANE, &coefficient, &rest) && sl_expr_equals_const(coefficient, 1) && !sl_expr_uses_loop(rest, TILE_LANE)) {
        sl_value *operands[4] = {value, buffer, tile_index(k, rest), mask};
        tile_at_level(k, k->depth);
        sl_build(&k->builder, SL_OP_kernel_store, mask ? 4 : 3, operands, 0, NULL, 0, NULL);
        return;
    }
    sl_value *offsets = spread(k, &buffer, index);
    sl_value *operands[4] = {value, buffer, offsets, mask};
    tile_at_level(k, k->depth);
    sl_build(&k->builder, SL_OP_kernel_scatter, mask ? 4 : 3, operands, 0, NULL, 0, NULL);
}

void tile_prefetch(tile_kernel *k, sl_value *buffer, sl_expr index) {
    sl_value *operands[2] = {buffer, tile_index(k, index)};
    sl_named_attr attr = {"level", sl_attr_int(k->context, 1)};
    tile_at_level(k, k->depth);
    sl_build(&k->builder, SL_OP_kernel_prefetch, 2, operands, 0, NULL, 1, &attr);
}
