/* tile_attention.c: groups of kind `attention` (attention.h) in one pass over the keys, with no buffer that grows with their number.
 *
 *     task = (rows that share keys, block of queries)
 *         copy the block's queries into scratch; output 0, largest score -inf, sum 0
 *         for block of keys:
 *             keys in panels [depth][width] (tile_attention_keys.c)               lanes walk keys
 *             for panel, tile of queries: scores in registers -> scale, bias, mask -> scratch [query][key]
 *             for query: m' = max(m, scores); for 16 queries at once: factor = exp(m - m')
 *             for query: scores = exp(scores - m'), sum = sum * factor + scores
 *             for tile of queries: output = output * factor + scores * values     lanes walk the values' columns
 *         output * (1 / sum), stored
 *
 * Keys behind the last one that a mask known while compiling lets any query of the block reach are not visited (attention_limit.c): their shares are 0. Panels in
 * which the mask is one value for all queries of the block do not read it.
 *
 * What one query gets depends on nothing but its row: blocks of keys start at multiples of a fixed size from key 0, sums go over ascending keys (the exponentials' sum in a
 * fixed number of lanes), and the tile of queries changes no sum. A row without any finite score gives NaN, as the softmax does. Scratch but for the packed keys stays in the second-level cache.
 */
#include "tile_attention.h"

#include <math.h>
#include <string.h>

enum { MOST_QUERIES = 64, KEYS_AT_ONCE = 256, VECTORS = ATTEND_VECTORS, TILES = ATTEND_TILES, MOST_PACKED = 4 << 20 };

sl_value *attend_number(tile_kernel *k, double value) { return tile_constant(k, sl_scalar_float(k->context, SL_ELEMENT_f32, value)); }

static sl_value *fma_of(tile_kernel *k, sl_value *a, sl_value *b, sl_value *c) { return tile_op(k, SL_OP_arith_fma, SL_ELEMENT_f32, 3, (sl_value *[]){a, b, c}, 0, NULL); }
/* exp of what is at most 0. */
static sl_value *share_of(tile_kernel *k, sl_value *x) {
    sl_value *scaled = tile_binary(k, SL_OP_arith_mul, x, attend_number(k, 1.44269504088896341));
    return tile_op(k, SL_OP_kernel_exp2, SL_ELEMENT_f32, 1, &scaled, 0, NULL);
}
sl_expr attend_variable(tile_kernel *k, sl_expr expr) { return tile_variable(k, tile_index(k, expr)); }

sl_expr attend_count(tile_kernel *k, sl_expr end) {
    return tile_variable(k, tile_for(k, tile_i64(k, 0), tile_index(k, end), tile_i64(k, 1), 0, NULL, NULL));
}

sl_expr attend_lanes(tile_kernel *k, sl_expr base) { return tile_add(k, base, tile_lane_expr(k)); }

sl_value *attend_operand(tile_kernel *k, sl_op *nest, int operand, const sl_expr *loops) {
    tile_frame frame;
    tile_frame_init(k, &frame, nest, loops, NULL);
    return tile_frame_value(k, &frame, sl_nest_argument(nest, operand));
}

static sl_expr sums_place(tile_kernel *k, sl_expr row) { return attend_lanes(k, tile_mul(k, row, tile_const(k, k->lanes))); }

/* ---- queries ---- */

typedef struct row_self { attend *t; sl_expr row; sl_value *scale; } row_self;

static void copy_query(tile_kernel *k, void *self, int copies, const sl_expr *bases) {
    row_self *r = self;
    attend *t = r->t;
    for (int u = 0; u < copies; u++) {
        k->sets[t->depth_set].base = bases[u];
        sl_value *value = attend_operand(k, t->a.scores, t->a.query, t->loops);
        tile_store(k, value, t->query_scratch, tile_add(k, tile_mul(k, r->row, tile_const(k, t->query_pitch)), bases[u]), k->mask);
    }
}

static void start_rows(tile_kernel *k, attend *t) {
    sl_expr row = attend_count(k, t->span);
    k->sets[t->query_set].base = attend_variable(k, tile_add(k, t->query_low, row));
    row_self self = {t, row, NULL};
    k->sets[t->depth_set].lane = true;
    tile_lane_loop(k, t->depth_set, tile_const(k, 0), tile_const(k, t->depth), 1, 1, copy_query, &self);
    k->sets[t->depth_set].lane = false;
    for (int64_t i = 0; i < t->output_pitch && !t->single; i += k->lanes) {
        sl_expr at = tile_add(k, tile_mul(k, row, tile_const(k, t->output_pitch)), tile_const(k, i));
        tile_store(k, tile_splat(k, attend_number(k, 0)), t->output_scratch, attend_lanes(k, at), NULL);
    }
    if (!t->single) {
        tile_store(k, attend_number(k, -INFINITY), t->most, row, NULL);
        tile_store(k, tile_splat(k, attend_number(k, 0)), t->sums, sums_place(k, row), NULL);
    }
    tile_end(k, 0, NULL, NULL);
}

/* ---- tiles ---- */

typedef void (*tile_fn)(tile_kernel *k, attend *t, int rows, sl_expr row, sl_expr panel);

/* All queries of the task in tiles of falling sizes. */
static void tile_rows(tile_kernel *k, attend *t, sl_expr panel, tile_fn body) {
    sl_expr done = tile_const(k, 0);
    int64_t span = sl_expr_const_or(t->span, -1);
    for (int i = 0; i < TILES; i++) {
        int rows = t->tile_rows[i];
        sl_expr left = sl_expr_sub(k->context, t->span, done);
        if (rows == 0 || (span >= 0 && sl_expr_const_or(left, 0) < rows)) continue;
        sl_expr whole = tile_mul(k, sl_expr_floordiv(k->context, left, tile_const(k, rows)), tile_const(k, rows));
        sl_expr end = span >= 0 ? tile_add(k, done, whole) : attend_variable(k, tile_add(k, done, whole));
        sl_expr row = tile_variable(k, tile_for(k, tile_index(k, done), tile_index(k, end), tile_i64(k, rows), 0, NULL, NULL));
        body(k, t, rows, row, panel);
        tile_end(k, 0, NULL, NULL);
        done = end;
    }
}

/* In panels that are clear the mask's value is known. */
static void bind_repeated(tile_kernel *k, attend *t, const sl_expr *loops) {
    for (int i = 0; t->is_clear && i < sl_op_operand_count(t->a.finish); i++) {
        sl_attr map = sl_nest_map(t->a.finish, i);
        sl_expr positions[SL_MAX_RANK];
        if (!t->repeated[i]) continue;
        for (int p = 0, n = sl_attr_count(map); p < n; p++)
            positions[p] = sl_expr_substitute(k->context, sl_attr_map_result(map, p), loops, sl_nest_loop_count(t->a.finish), NULL, NULL);
        tile_bind(k, sl_op_operand(t->a.finish, i), positions, tile_constant(k, t->repeated[i]));
    }
}

/* Scale, bias and mask on one vector of scores. */
static void finish_scores(tile_kernel *k, attend *t, sl_value *sum, sl_expr row, sl_expr key) {
    sl_expr positions[SL_MAX_RANK];
    sl_expr base = tile_add(k, t->key_low, key);
    bool exact = sl_expr_const_or(t->keys, -1) > 0 && sl_expr_const_or(t->keys, -1) % t->width == 0;
    k->sets[t->key_set].base = attend_lanes(k, base);
    k->mask = exact ? NULL : tile_mask_first(k, tile_index(k, sl_expr_sub(k->context, t->keys, base)));
    tile_result_positions(k, t->a.scores, 0, t->loops, positions);
    tile_bind(k, sl_op_result(t->a.scores, 0), positions, sum);
    sl_value *value = sum;
    if (t->a.finish) {
        sl_expr loops[SL_NEST_MAX_LOOPS];
        if (!tile_loops_at(k, t->a.input, positions, loops)) tile_fail(k, "the nest on the scores can't be turned around", SL_ELEMENT_f32);
        else bind_repeated(k, t, loops), value = tile_splat(k, tile_evaluate(k, t->a.finish, 0, loops));
    }
    if (k->mask) value = tile_select(k, k->mask, value, tile_splat(k, attend_number(k, -INFINITY)));
    k->mask = NULL;
    tile_store(k, value, t->score_scratch, attend_lanes(k, tile_add(k, tile_mul(k, row, tile_const(k, t->score_pitch)), key)), NULL);
}

static void score_tile(tile_kernel *k, attend *t, int rows, sl_expr row, sl_expr panel) {
    sl_value *sums[64], *start[64], *results[64], *keys[VECTORS];
    int count = rows * VECTORS, floor = k->floor;
    for (int i = 0; i < count; i++) start[i] = tile_splat(k, attend_number(k, 0));
    sl_value *queries = tile_pointer(k, t->query_scratch, tile_mul(k, row, tile_const(k, t->query_pitch)));
    sl_value *panel_keys = tile_pointer(k, t->key_panels, tile_mul(k, panel, tile_const(k, t->depth * t->width)));
    int unroll = t->depth % 2 ? 1 : 2;
    sl_expr depth = tile_variable(k, tile_for(k, tile_i64(k, 0), tile_i64(k, t->depth), tile_i64(k, unroll), count, start, sums));
    for (int u = 0; u < unroll; u++) {
        sl_expr at = tile_add(k, depth, tile_const(k, u));
        for (int v = 0; v < VECTORS; v++) {
            sl_expr index = tile_add(k, tile_mul(k, at, tile_const(k, t->width)), tile_const(k, (int64_t)v * k->lanes));
            keys[v] = tile_load(k, panel_keys, attend_lanes(k, index), NULL);
        }
        for (int i = 0; i < rows; i++) {
            sl_value *query = tile_splat(k, tile_load(k, queries, tile_add(k, at, tile_const(k, i * t->query_pitch)), NULL));
            for (int v = 0; v < VECTORS; v++) sums[i * VECTORS + v] = fma_of(k, query, keys[v], sums[i * VECTORS + v]);
        }
    }
    tile_end(k, count, sums, results);
    k->floor = k->depth;
    k->sets[t->key_set].lane = true;
    for (int i = 0; i < rows; i++) {
        sl_expr here = tile_add(k, row, tile_const(k, i));
        k->sets[t->query_set].base = attend_variable(k, tile_add(k, t->query_low, here));
        for (int v = 0; v < VECTORS; v++)
            finish_scores(k, t, results[i * VECTORS + v], here, tile_add(k, tile_mul(k, panel, tile_const(k, t->width)), tile_const(k, (int64_t)v * k->lanes)));
    }
    k->sets[t->key_set].lane = false;
    k->floor = floor;
}

/* output = output * factor + shares * values for `rows` queries and one panel of columns. */
static void value_tile(tile_kernel *k, attend *t, int rows, sl_expr row, sl_expr panel) {
    sl_value *sums[64], *start[64], *results[64], *values[VECTORS], *masks[VECTORS];
    int count = rows * VECTORS, floor = k->floor;
    sl_expr first = tile_mul(k, panel, tile_const(k, t->width));
    sl_value *outputs = tile_pointer(k, t->output_scratch, tile_add(k, tile_mul(k, row, tile_const(k, t->output_pitch)), first));
    sl_value *shares = tile_pointer(k, t->score_scratch, tile_mul(k, row, tile_const(k, t->score_pitch)));
    k->floor = k->depth;
    for (int v = 0; v < VECTORS; v++) {
        sl_expr column = tile_add(k, first, tile_const(k, (int64_t)v * k->lanes));
        masks[v] = t->columns % t->width ? tile_mask_first(k, tile_index(k, sl_expr_sub(k->context, tile_const(k, t->columns), column))) : NULL;
    }
    for (int i = 0; i < rows; i++) {
        sl_value *factor = t->single ? NULL : tile_splat(k, tile_load(k, t->factors, tile_add(k, row, tile_const(k, i)), NULL));
        for (int v = 0; v < VECTORS; v++) {
            start[i * VECTORS + v] = tile_splat(k, attend_number(k, 0));
            if (t->single) continue;
            sl_expr at = tile_const(k, i * t->output_pitch + (int64_t)v * k->lanes);
            start[i * VECTORS + v] = tile_binary(k, SL_OP_arith_mul, tile_load(k, outputs, attend_lanes(k, at), NULL), factor);
        }
    }
    sl_expr key = tile_variable(k, tile_for(k, tile_i64(k, 0), tile_index(k, t->here), tile_i64(k, 1), count, start, sums));
    k->sets[t->key_set].base = tile_add(k, t->key_low, key);
    k->sets[t->column_set].lane = true;
    for (int v = 0; v < VECTORS; v++) {
        k->sets[t->column_set].base = attend_lanes(k, tile_add(k, first, tile_const(k, (int64_t)v * k->lanes)));
        k->mask = masks[v];
        values[v] = tile_splat(k, attend_operand(k, t->a.product, t->a.value, t->a.product_loops));
        k->mask = NULL;
    }
    k->sets[t->column_set].lane = false;
    for (int i = 0; i < rows; i++) {
        sl_value *share = tile_splat(k, tile_load(k, shares, tile_add(k, key, tile_const(k, i * t->score_pitch)), NULL));
        for (int v = 0; v < VECTORS; v++) sums[i * VECTORS + v] = fma_of(k, share, values[v], sums[i * VECTORS + v]);
    }
    tile_end(k, count, sums, results);
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < VECTORS; v++)
            tile_store(k, results[i * VECTORS + v], outputs, attend_lanes(k, tile_const(k, i * t->output_pitch + (int64_t)v * k->lanes)), NULL);
    k->floor = floor;
}

/* ---- rows ---- */

static sl_expr score_place(tile_kernel *k, const attend *t, sl_expr panel, int vector) {
    return attend_lanes(k, tile_add(k, tile_mul(k, panel, tile_const(k, t->width)), tile_const(k, (int64_t)vector * k->lanes)));
}

/* One panel's vectors of a row at a time: `line` is the row. */
static sl_expr panel_loop(tile_kernel *k, attend *t, double start, sl_value **carried) {
    sl_value *first[VECTORS];
    for (int v = 0; v < VECTORS; v++) first[v] = tile_splat(k, attend_number(k, start));
    return tile_variable(k, tile_for(k, tile_i64(k, 0), tile_index(k, t->panels), tile_i64(k, 1), VECTORS, first, carried));
}

/* Three loops over the rows, so that no row waits for what another one sums over lanes: the largest scores; what follows from them, lanes walking rows; the shares. */
static void weigh_rows(tile_kernel *k, attend *t) {
    sl_value *values[VECTORS], *results[VECTORS];
    sl_expr row = attend_count(k, t->span);
    sl_value *line = tile_pointer(k, t->score_scratch, tile_mul(k, row, tile_const(k, t->score_pitch)));
    sl_expr panel = panel_loop(k, t, -INFINITY, values);
    for (int v = 0; v < VECTORS; v++) values[v] = tile_binary(k, SL_OP_arith_max, values[v], tile_load(k, line, score_place(k, t, panel, v), NULL));
    tile_end(k, VECTORS, values, results);
    tile_store(k, tile_reduce(k, "max", tile_binary(k, SL_OP_arith_max, results[0], results[1])), t->here_most, row, NULL);
    tile_end(k, 0, NULL, NULL);

    row = tile_variable(k, tile_for(k, tile_i64(k, 0), tile_index(k, t->span), tile_i64(k, k->lanes), 0, NULL, NULL));
    sl_value *most = tile_load(k, t->here_most, attend_lanes(k, row), NULL), *before = NULL, *none = tile_splat(k, attend_number(k, -INFINITY));
    if (!t->single) before = tile_load(k, t->most, attend_lanes(k, row), NULL), most = tile_binary(k, SL_OP_arith_max, before, most);
    /* -inf less -inf would be no number: a row that has nothing yet is measured from 0. */
    sl_value *from = tile_select(k, tile_compare(k, "eq", most, none), tile_splat(k, attend_number(k, 0)), most);
    tile_store(k, from, t->here_most, attend_lanes(k, row), NULL);
    if (!t->single) {
        tile_store(k, most, t->most, attend_lanes(k, row), NULL);
        tile_store(k, share_of(k, tile_binary(k, SL_OP_arith_sub, before, from)), t->factors, attend_lanes(k, row), NULL);
    }
    tile_end(k, 0, NULL, NULL);

    row = attend_count(k, t->span);
    line = tile_pointer(k, t->score_scratch, tile_mul(k, row, tile_const(k, t->score_pitch)));
    from = tile_splat(k, tile_load(k, t->here_most, row, NULL));
    panel = panel_loop(k, t, 0, values);
    for (int v = 0; v < VECTORS; v++) {
        sl_value *share = share_of(k, tile_binary(k, SL_OP_arith_sub, tile_load(k, line, score_place(k, t, panel, v), NULL), from));
        values[v] = tile_binary(k, SL_OP_arith_add, values[v], share);
        tile_store(k, share, line, score_place(k, t, panel, v), NULL);
    }
    tile_end(k, VECTORS, values, results);
    sl_value *sum = tile_binary(k, SL_OP_arith_add, results[0], results[1]);
    if (!t->single) sum = fma_of(k, tile_load(k, t->sums, sums_place(k, row), NULL), tile_splat(k, tile_load(k, t->factors, row, NULL)), sum);
    tile_store(k, sum, t->sums, sums_place(k, row), NULL);
    tile_end(k, 0, NULL, NULL);
}

static void write_output(tile_kernel *k, void *self, int copies, const sl_expr *bases) {
    row_self *r = self;
    attend *t = r->t;
    sl_value *result = sl_op_result(t->a.product, 0);
    sl_expr positions[SL_MAX_RANK];
    for (int u = 0; u < copies; u++) {
        k->sets[t->column_set].base = bases[u];
        sl_value *value = tile_load(k, t->output_scratch, tile_add(k, tile_mul(k, r->row, tile_const(k, t->output_pitch)), bases[u]), k->mask);
        tile_result_positions(k, t->a.product, sl_value_index(result), t->a.product_loops, positions);
        tile_write(k, 0, positions, tile_binary(k, SL_OP_arith_mul, value, r->scale));
    }
}

static void finish_rows(tile_kernel *k, attend *t) {
    sl_expr row = attend_count(k, t->span);
    k->sets[t->query_set].base = attend_variable(k, tile_add(k, t->query_low, row));
    sl_value *sum = tile_reduce(k, "sum", tile_load(k, t->sums, sums_place(k, row), NULL));
    row_self self = {t, row, tile_splat(k, tile_binary(k, SL_OP_arith_div, attend_number(k, 1), sum))};
    k->sets[t->column_set].lane = true;
    tile_lane_loop(k, t->column_set, tile_const(k, 0), tile_const(k, t->columns), 1, 1, write_output, &self);
    k->sets[t->column_set].lane = false;
    tile_end(k, 0, NULL, NULL);
}

/* ---- the kernel ---- */

static void plan(tile_kernel *k, attend *t) {
    int64_t queries = sl_expr_const_or(t->queries, -1), keys = sl_expr_const_or(t->keys, -1);
    bool many = k->machine->vector_registers >= 32;
    t->width = VECTORS * k->lanes;
    t->tile_rows[0] = many ? 12 : 6, t->tile_rows[1] = many ? 4 : 2, t->tile_rows[2] = 1;
    t->block = MOST_QUERIES;
    if (queries > 0) {
        /* Blocks alike, and enough for all threads. */
        int64_t blocks = (queries + MOST_QUERIES - 1) / MOST_QUERIES, rows = 1;
        for (int i = 0; i < t->a.row_count; i++) rows *= sl_expr_const_or(k->extents[t->a.rows[i]], 1);
        while (rows * blocks < k->pass->threads && queries / blocks > 2 * t->tile_rows[0]) blocks++;
        t->block = (queries + blocks - 1) / blocks;
        if (blocks > 1) t->block = (t->block + t->tile_rows[1] - 1) / t->tile_rows[1] * t->tile_rows[1];
    }
    t->keys_at_once = KEYS_AT_ONCE;
    if (keys > 0 && keys < KEYS_AT_ONCE) t->keys_at_once = (keys + t->width - 1) / t->width * t->width;
    const sl_kernel_choice *forced = &k->pass->kernel;
    if (forced->queries && forced->queries < t->block) t->block = forced->queries;
    if (forced->keys && forced->keys < t->keys_at_once) t->keys_at_once = (forced->keys + t->width - 1) / t->width * t->width;
    int64_t columns = (t->columns + t->width - 1) / t->width * t->width;
    t->query_pitch = t->depth + 16, t->score_pitch = t->keys_at_once + 16, t->output_pitch = columns;
    t->query_scratch = tile_scratch(k, SL_ELEMENT_f32, t->block * t->query_pitch * 4);
    t->single = keys > 0 && keys <= t->keys_at_once;
    t->key_slots = 1;
    if (queries < 0 || queries > t->block) {
        int64_t blocks = keys > 0 ? (keys + t->keys_at_once - 1) / t->keys_at_once : INT64_MAX, room = (keys > 0 ? MOST_PACKED : MOST_PACKED / 4) / (t->keys_at_once * t->depth * 4);
        t->key_slots = room < 1 ? 1 : blocks < room ? blocks : room;
        t->key_tags = tile_scratch(k, SL_ELEMENT_i64, t->key_slots * 8);
    }
    t->key_scratch = tile_scratch(k, SL_ELEMENT_f32, t->key_slots * t->keys_at_once * t->depth * 4);
    t->score_scratch = tile_scratch(k, SL_ELEMENT_f32, t->block * t->score_pitch * 4);
    t->output_scratch = tile_scratch(k, SL_ELEMENT_f32, t->block * t->output_pitch * 4);
    int64_t rows = (t->block + k->lanes - 1) / k->lanes * k->lanes;
    t->most = tile_scratch(k, SL_ELEMENT_f32, rows * 4);
    t->here_most = tile_scratch(k, SL_ELEMENT_f32, rows * 4);
    t->sums = tile_scratch(k, SL_ELEMENT_f32, t->block * k->lanes * 4);
    t->factors = tile_scratch(k, SL_ELEMENT_f32, rows * 4);
}

static void score_panels(tile_kernel *k, attend *t) {
    sl_value *first = tile_i64(k, 0), *last = tile_index(k, t->panels);
    for (int pass = t->clears ? 0 : 1; pass < 2; pass++) {
        sl_value *end = last;
        t->is_clear = pass == 0;
        if (t->is_clear) {
            sl_expr left = sl_expr_floordiv(k->context, sl_expr_max(k->context, sl_expr_sub(k->context, t->clear, t->key_low), tile_const(k, 0)), tile_const(k, t->width));
            end = tile_binary(k, SL_OP_arith_min, tile_index(k, left), last);
        }
        sl_expr panel = tile_variable(k, tile_for(k, first, end, tile_i64(k, 1), 0, NULL, NULL));
        tile_rows(k, t, panel, score_tile);
        tile_end(k, 0, NULL, NULL);
        first = end;
    }
}

static void emit_keys(tile_kernel *k, attend *t) {
    int64_t keys = sl_expr_const_or(t->keys, -1);
    if (t->single) {
        t->key_block = t->key_low = tile_const(k, 0), t->here = t->reach;
    } else {
        t->key_block = attend_count(k, sl_expr_ceildiv(k->context, t->reach, tile_const(k, t->keys_at_once)));
        t->key_low = tile_mul(k, t->key_block, tile_const(k, t->keys_at_once));
        t->here = tile_const(k, t->keys_at_once);
        if (t->limits || keys < 0 || keys % t->keys_at_once) t->here = attend_variable(k, sl_expr_min(k->context, t->here, sl_expr_sub(k->context, t->reach, t->key_low)));
    }
    t->panels = sl_expr_ceildiv(k->context, t->here, tile_const(k, t->width));
    if (!sl_expr_is_const(t->panels, NULL)) t->panels = attend_variable(k, t->panels);
    int depth = k->depth;
    attend_pack_keys(k, t);
    score_panels(k, t);
    weigh_rows(k, t);
    sl_expr panel = attend_count(k, tile_const(k, t->output_pitch / t->width));
    tile_rows(k, t, panel, value_tile);
    while (k->depth > depth) tile_end(k, 0, NULL, NULL);
    if (!t->single) tile_end(k, 0, NULL, NULL);
}

static bool key_depends_on(const attend *t, int loop) {
    sl_attr map = sl_nest_map(t->a.scores, t->a.key);
    for (int i = 0, n = sl_attr_count(map); i < n; i++)
        if (sl_expr_uses_loop(sl_attr_map_result(map, i), loop)) return true;
    return false;
}

static void emit_task(tile_kernel *k, attend *t, tile_launch *launch) {
    sl_context *context = k->context;
    sl_expr counts[SL_NEST_MAX_LOOPS + 1], indices[SL_NEST_MAX_LOOPS + 1], rows = tile_const(k, 1);
    int digits = t->a.row_count;
    int64_t queries = sl_expr_const_or(t->queries, -1);
    for (int i = 0; i < digits; i++) counts[i] = k->extents[t->a.rows[i]], rows = tile_mul(k, rows, counts[i]);
    counts[digits] = sl_expr_ceildiv(context, t->queries, tile_const(k, t->block));
    if (t->key_tags) {
        tile_store(k, tile_i64(k, -1), t->key_tags, attend_count(k, tile_const(k, t->key_slots)), NULL);
        tile_end(k, 0, NULL, NULL);
    }
    tile_task_loop(k, digits + 1, counts, indices);
    t->owner = tile_const(k, 0);
    for (int i = 0; i < digits; i++)
        if (key_depends_on(t, t->a.rows[i])) t->owner = tile_add(k, tile_mul(k, t->owner, counts[i]), indices[i]);
    for (int i = 0; i < digits; i++) k->sets[t->sets[t->a.rows[i]]].base = indices[i];
    t->query_low = tile_mul(k, indices[digits], tile_const(k, t->block));
    t->span = tile_const(k, t->block);
    if (queries < 0 || queries % t->block) t->span = attend_variable(k, sl_expr_min(context, t->span, sl_expr_sub(context, t->queries, t->query_low)));
    t->reach = t->limits ? tile_variable(k, tile_load(k, tile_argument_of(k, t->limits), indices[digits], NULL)) : t->keys;
    if (t->clears) t->clear = tile_variable(k, tile_load(k, tile_argument_of(k, t->clears), indices[digits], NULL));
    start_rows(k, t);
    emit_keys(k, t);
    finish_rows(k, t);
    while (k->depth > 0) tile_end(k, 0, NULL, NULL);
    launch->tasks = tile_mul(k, rows, counts[digits]);
    double points = (double)t->block * tile_estimate(t->keys);
    launch->grain = tile_grain(k, points * ((double)(t->depth + t->columns) / k->lanes / 2 + 2));
    sl_expr pairs = t->limits ? tile_const(k, t->visited) : tile_mul(k, t->queries, t->keys);
    launch->work = tile_mul(k, tile_mul(k, rows, pairs), tile_const(k, t->depth + t->columns));
}

static sl_value *number_of_each(tile_kernel *k, const int64_t *numbers, int64_t count, const char *name) {
    sl_expr dim = tile_const(k, count);
    sl_builder here = sl_builder_before(k->group);
    sl_value *value = sl_build_constant(&here, sl_attr_data_copy(k->context, sl_type_tensor(k->context, SL_ELEMENT_i64, 1, &dim), numbers, count * (int64_t)sizeof(int64_t)));
    sl_value_set_name(value, name);
    return value;
}

static void find_limits(tile_kernel *k, attend *t) {
    int64_t queries = sl_expr_const_or(t->queries, -1), blocks = (queries + t->block - 1) / t->block;
    if (queries < 1) return;
    int64_t *limits = SL_NEW_ARRAY(k->arena, int64_t, (size_t)blocks), *clear = SL_NEW_ARRAY(k->arena, int64_t, (size_t)blocks);
    if (sl_attention_clear(k->context, &t->a, t->block, t->width, clear, t->repeated)) t->clears = number_of_each(k, clear, blocks, "clear");
    if (!sl_attention_limits(k->context, &t->a, t->block, limits)) return;
    for (int64_t b = 0; b < blocks; b++) t->visited += limits[b] * (b + 1 < blocks ? t->block : queries - b * t->block);
    t->limits = number_of_each(k, limits, blocks, "reach");
}

bool tile_try_attention(sl_pass_context *pass, sl_op *op) {
    attend *t = SL_NEW(pass->scratch, attend);
    if (!tile_group_read(op, &t->group) || strcmp(t->group.kind, "attention") != 0 || t->group.yield_count != 1) return false;
    sl_op *product = tile_maker(t->group.yields[0]);
    if (!sl_attention_match(sl_module_context(pass->module), product, &t->a) || t->a.loop_count >= SL_NEST_MAX_LOOPS) return false;
    t->depth = sl_expr_const_or(t->a.depth, -1), t->columns = sl_expr_const_or(t->a.columns, -1);
    if (t->depth < 1 || t->columns < 1 || pass->machine->vector_bits < 128) return false;
    tile_kernel *k = tile_kernel_begin(pass, op);
    k->lanes = pass->machine->vector_bits / 32;
    t->loop_count = t->a.loop_count + 1;
    for (int i = 0; i < t->loop_count; i++) {
        sl_expr extent = i < t->a.loop_count ? sl_nest_bound(t->a.scores, i) : t->a.columns;
        t->loops[i] = sl_expr_loop(k->context, i);
        t->sets[i] = tile_add_set(k, 1, &i, &extent);
    }
    t->query_set = t->sets[t->a.query_loop], t->key_set = t->sets[t->a.key_loop], t->depth_set = t->sets[t->a.depth_loop], t->column_set = t->sets[t->a.loop_count];
    t->queries = sl_nest_bound(t->a.scores, t->a.query_loop), t->keys = sl_nest_bound(t->a.scores, t->a.key_loop);
    plan(k, t);
    find_limits(k, t);
    tile_launch launch = {.name = sl_arena_printf(k->arena, "attention_%lldx%lld", (long long)t->depth, (long long)t->columns)};
    emit_task(k, t, &launch);
    if (k->failure) {
        tile_kernel_drop(k);
        return false;
    }
    launch.reason = sl_arena_printf(k->arena, "attention: one pass over the keys, %lld at once, %lld queries a task in tiles of %d, %lld kB of scratch%s%s", (long long)t->keys_at_once,
                                    (long long)t->block, t->tile_rows[0], (long long)(k->scratch >> 10), t->limits ? ", masked keys skipped" : "", t->clears ? ", the mask not read where it repeats a value" : "");
    tile_kernel_finish(k, &launch);
    return true;
}
