/* tile_depthwise.c: depthwise convolutions: sums of products over windows in which every channel has weights of its own.
 *
 *     task = (outer rows of the result, part of the channels)
 *         for tile of `columns` neighbours in the result's row:
 *             for vector of channels:
 *                 accumulators = 0; for row of the window that lies inside: the weights of that row; for each input column: load once, fma into every result that it is a tap of
 *                 epilogue on the accumulators, store
 *
 * In: a contraction without N loops (alone or with its epilogue) whose channels are contiguous in both operands and the result, with a result row of known extent.
 * The lanes walk the channels. An input vector is loaded once per tile for all taps of its window row; weights stay in registers over the tile. What makes it fast is the ratio of
 * loads to FMAs: (stride * (columns - 1) + taps) / (taps * columns), where one load a tap (and one of the weight) binds on the load ports.
 *
 * Every element is one chain of FMAs in ascending order of the window, as everywhere. Taps in the padding are left out: first and last tile are emitted for where they lie, the
 * loops over window rows run over the inside part. That is only the same when the weights left out are finite, so they must be constants that are (else tile_rows.c takes it).
 *
 * Bytes with sums in i32 (quantized models): the sums of so few products are exact in f32, so that is what they are kept in; an epilogue that scales them takes them from there.
 */
#include "tile_internal.h"

#include <math.h>
#include <string.h>

enum { MAX_TAPS = 16, MAX_COLUMNS = 14, MAX_STATIC_TILES = 6 };

typedef struct depthwise {
    tile_group group;
    sl_op *anchor;
    int left, right;                         /* operands: what is read in windows, and the weights */
    sl_element accumulator, work;            /* work: what sums are kept in */
    int loop_count;
    sl_expr loops[SL_NEST_MAX_LOOPS];        /* identity */
    int outer[SL_NEST_MAX_LOOPS], window[SL_NEST_MAX_LOOPS];   /* loops: parallel ones outside of the column, reduced ones outside of the tap */
    int outer_count, window_count;
    int column, channel, tap;                /* loops */
    int64_t columns, taps;                   /* extents */
    int64_t column_step, tap_step;           /* elements of the left operand */
    int guard_dim;                           /* dim of the left operand that columns and taps walk and that may be left, or -1 */
    int64_t guard_column, guard_tap, guard_base, guard_extent;    /* position in it: guard_column * column + guard_tap * tap + guard_base */
    int column_set, channel_set, tap_set, outer_set, window_set;  /* outer and window loops have a set each, one after the other */
    int at_once;                             /* columns of a tile */
    int64_t new_rows;                        /* window rows that the next row of the result reads first, to be prefetched; 0: none */
    bool heavy;
    sl_value *scratch;
    /* The tile at hand. */
    sl_expr tile_base;
    int tile_columns;
    bool tile_static;
    int64_t tile_at;
} depthwise;

/* ---- what it is ---- */

static int stride_one_loop(sl_context *context, const sl_op *anchor, sl_attr map, sl_type type) {
    sl_expr strides[SL_NEST_MAX_LOOPS], base;
    if (!sl_map_strides(context, map, type, strides, &base)) return -1;
    for (int i = 0; i < sl_nest_loop_count(anchor); i++)
        if (!sl_nest_is_reduced(anchor, i) && sl_expr_equals_const(strides[i], 1)) return i;
    return -1;
}

/* coefficient of `loop` in a linear position as a number; 0 when it is not used, -1 when it is anything else. */
static int64_t coefficient_of(sl_context *context, sl_expr position, int loop, sl_expr *rest) {
    sl_expr coefficient;
    *rest = position;
    if (!sl_expr_uses_loop(position, loop)) return 0;
    if (!sl_expr_split_linear(context, position, loop, &coefficient, rest)) return -1;
    return sl_expr_const_or(coefficient, -1);
}

/* Sorts the positions of the left operand that may lie outside: one of columns and taps with a constant rest, and ones of an outer loop and one window loop. */
static bool read_guards(tile_kernel *k, depthwise *d) {
    sl_attr map = sl_nest_map(d->anchor, d->left);
    sl_type type = sl_value_type(sl_op_operand(d->anchor, d->left));
    sl_expr extents[SL_NEST_MAX_LOOPS], rest;
    d->guard_dim = -1;
    if (!sl_nest_outside(d->anchor, d->left)) return true;
    if (sl_attr_data_float(sl_nest_outside(d->anchor, d->left), 0) != 0 || !tile_is_finite(sl_op_operand(d->anchor, d->right))) return false;
    for (int i = 0; i < d->loop_count; i++) extents[i] = sl_nest_bound(d->anchor, i);
    for (int i = 0, rank = sl_attr_count(map); i < rank; i++) {
        sl_expr position = sl_attr_map_result(map, i);
        if (tile_proves_inside(k, position, sl_type_dim(type, i), extents, d->loop_count)) continue;
        if (sl_expr_uses_loop(position, d->column) || sl_expr_uses_loop(position, d->tap)) {
            if (d->guard_dim >= 0) return false;
            d->guard_dim = i, d->guard_extent = sl_type_static_dim(type, i);
            d->guard_column = coefficient_of(k->context, position, d->column, &rest);
            d->guard_tap = coefficient_of(k->context, rest, d->tap, &rest);
            if (d->guard_column < 0 || d->guard_tap < 0 || d->guard_extent < 0 || !sl_expr_is_const(rest, &d->guard_base)) return false;
            continue;
        }
        int windows = 0;
        for (int w = 0; w < d->window_count; w++) {
            if (!sl_expr_uses_loop(position, d->window[w])) continue;
            if (coefficient_of(k->context, position, d->window[w], &rest) < 1) return false;
            windows++;
        }
        if (windows != 1 || sl_expr_uses_loop(position, d->channel)) return false;
    }
    return true;
}

/* Sums of products of bytes in i32 whose every partial sum is exact in f32, too: then they are summed there, where multiply and add are one instruction. */
static bool sums_bytes(const depthwise *d) {
    double terms = 1;
    if (d->accumulator != SL_ELEMENT_i32) return false;
    for (int i = 0; i < 2; i++) {
        sl_element element = sl_type_element(sl_value_type(sl_op_operand(d->anchor, i)));
        if (element != SL_ELEMENT_i8 && element != SL_ELEMENT_u8) return false;
    }
    for (int i = 0; i < d->loop_count; i++)
        if (sl_nest_is_reduced(d->anchor, i)) terms *= (double)sl_expr_const_or(sl_nest_bound(d->anchor, i), 1 << 24);
    return terms * 255 * 255 < (1 << 24);
}

static bool recognise(tile_kernel *k, depthwise *d) {
    sl_contraction info;
    sl_context *context = k->context;
    if (!sl_nest_is_contraction(d->anchor, &info) || (info.n_count && info.m_count) || info.batch_count == 0 || info.k_count == 0) return false;
    d->left = info.n_count ? info.right : info.left, d->right = info.n_count ? info.left : info.right;
    sl_loop_role column_role = info.n_count ? SL_ROLE_N : SL_ROLE_M;
    d->accumulator = info.accumulator, d->loop_count = sl_nest_loop_count(d->anchor), d->column = d->tap = -1;
    if (sl_nest_outside(d->anchor, d->right) || (!sl_element_is_float(d->accumulator) && !sums_bytes(d))) return false;
    d->work = d->accumulator == SL_ELEMENT_i32 ? SL_ELEMENT_f32 : d->accumulator;
    sl_value *left = sl_op_operand(d->anchor, d->left), *right = sl_op_operand(d->anchor, d->right);
    sl_attr left_map = sl_nest_map(d->anchor, d->left), right_map = sl_nest_map(d->anchor, d->right), result_map = sl_nest_result_map(d->anchor, 0);
    d->channel = stride_one_loop(context, d->anchor, result_map, sl_value_type(sl_op_result(d->anchor, 0)));
    if (d->channel < 0 || info.roles[d->channel] != SL_ROLE_BATCH) return false;
    if (stride_one_loop(context, d->anchor, left_map, sl_value_type(left)) != d->channel || stride_one_loop(context, d->anchor, right_map, sl_value_type(right)) != d->channel) return false;
    if (tile_is_inside(k, left) || tile_is_inside(k, right)) return false;
    for (int i = 0; i < d->loop_count; i++) {
        d->loops[i] = sl_expr_loop(context, i);
        if (info.roles[i] == column_role) d->column = i;
        if (info.roles[i] == SL_ROLE_K) d->tap = i;
    }
    if (d->column < 0 || d->tap < 0) return false;
    for (int i = 0; i < d->loop_count; i++) {
        if (i == d->column || i == d->channel || i == d->tap) continue;
        if (info.roles[i] == SL_ROLE_K) d->window[d->window_count++] = i;
        else d->outer[d->outer_count++] = i;
    }
    sl_expr strides[SL_NEST_MAX_LOOPS], base;
    if (!sl_map_strides(context, left_map, sl_value_type(left), strides, &base)) return false;
    d->columns = sl_expr_const_or(sl_nest_bound(d->anchor, d->column), -1), d->taps = sl_expr_const_or(sl_nest_bound(d->anchor, d->tap), -1);
    d->column_step = sl_expr_const_or(strides[d->column], -1), d->tap_step = sl_expr_const_or(strides[d->tap], -1);
    if (d->columns < 1 || d->taps < 1 || d->taps > MAX_TAPS || d->column_step < 1 || d->tap_step < 1) return false;
    if (sl_attr_data_float(sl_nest_init(d->anchor, 0), 0) != 0) return false;
    return read_guards(k, d);
}

/* ---- emission ---- */

static sl_expr operand_offset(tile_kernel *k, const depthwise *d, int operand) {
    sl_attr map = sl_nest_map(d->anchor, operand);
    sl_expr positions[SL_MAX_RANK];
    for (int i = 0, n = sl_attr_count(map); i < n; i++) positions[i] = sl_attr_map_result(map, i);
    return tile_convert(k, tile_offset(k, sl_value_type(sl_op_operand(d->anchor, operand)), positions));
}

static sl_value *load_at(tile_kernel *k, sl_value *buffer, sl_expr row, int64_t distance) {
    return tile_load(k, tile_pointer(k, buffer, row), tile_add(k, tile_const(k, distance), tile_lane_expr(k)), k->mask);
}

static bool is_inside(const depthwise *d, int64_t column, int64_t tap) {
    if (d->guard_dim < 0) return true;
    int64_t position = d->guard_column * column + d->guard_tap * tap + d->guard_base;
    return position >= 0 && position < d->guard_extent;
}

/* The loops over the window's outer dims, narrowed to what lies inside. */
static void open_windows(tile_kernel *k, depthwise *d, int count, sl_value **sums) {
    sl_context *context = k->context;
    sl_type type = sl_value_type(sl_op_operand(d->anchor, d->left));
    sl_attr map = sl_nest_map(d->anchor, d->left), outside = sl_nest_outside(d->anchor, d->left);
    sl_value *start[256];
    for (int w = 0; w < d->window_count; w++) {
        tile_set *set = &k->sets[d->window_set + w];
        sl_expr low = tile_const(k, 0), high = set->extent, rest;
        for (int i = 0, rank = sl_attr_count(map); i < rank && outside; i++) {
            sl_expr position = sl_attr_map_result(map, i), dim = sl_type_dim(type, i);
            if (!sl_expr_uses_loop(position, d->window[w]) || i == d->guard_dim || tile_proves_inside(k, position, dim, k->extents, k->canonical_count)) continue;
            sl_expr step = tile_const(k, coefficient_of(context, position, d->window[w], &rest)), from = tile_convert(k, rest), one = tile_const(k, 1);
            low = sl_expr_max(context, low, sl_expr_ceildiv(context, sl_expr_sub(context, tile_const(k, 0), from), step));
            high = sl_expr_min(context, high, tile_add(k, sl_expr_floordiv(context, sl_expr_sub(context, sl_expr_sub(context, dim, one), from), step), one));
        }
        memcpy(start, sums, sizeof(start[0]) * (size_t)count);
        set->base = tile_variable(k, tile_for(k, tile_index(k, low), tile_index(k, high), tile_i64(k, 1), count, start, sums));
    }
}

/* One window row: input columns in ascending order, each into the results that it is a tap of. */
static void emit_row(tile_kernel *k, depthwise *d, sl_value **sums) {
    sl_value *weights[MAX_TAPS], *left = tile_argument_of(k, sl_op_operand(d->anchor, d->left)), *right = tile_argument_of(k, sl_op_operand(d->anchor, d->right));
    sl_context *context = k->context;
    for (int tap = 0; tap < d->taps; tap++) {
        k->sets[d->tap_set].base = tile_const(k, tap);
        sl_expr offset = sl_expr_sub(context, operand_offset(k, d, d->right), tile_lane_expr(k));
        weights[tap] = tile_cast(k, load_at(k, right, offset, 0), d->work);
    }
    k->sets[d->tap_set].base = tile_const(k, 0), k->sets[d->column_set].base = d->tile_base;
    sl_expr row = sl_expr_sub(context, operand_offset(k, d, d->left), tile_lane_expr(k));
    for (int64_t done = -1;;) {
        int64_t next = INT64_MAX;
        for (int c = 0; c < d->tile_columns; c++)
            for (int tap = 0; tap < d->taps; tap++) {
                int64_t distance = c * d->column_step + tap * d->tap_step;
                if (distance > done && distance < next && (!d->tile_static || is_inside(d, d->tile_at + c, tap))) next = distance;
            }
        if (next == INT64_MAX) break;
        done = next;
        sl_value *input = tile_cast(k, load_at(k, left, row, next), d->work);
        for (int c = 0; c < d->tile_columns; c++)
            for (int tap = 0; tap < d->taps; tap++) {
                if (c * d->column_step + tap * d->tap_step != next || (d->tile_static && !is_inside(d, d->tile_at + c, tap))) continue;
                sl_value *operands[3] = {input, weights[tap], sums[c]};
                sums[c] = tile_op(k, SL_OP_arith_fma, d->work, 3, operands, 0, NULL);
            }
    }
}

/* Lines of the window rows that the next row of the result reads for the first time, to L2: tensors that don't fit there come from L3 or memory, in steps that no hardware
 * follows. Each input column of the tile once. */
static void prefetch_next_row(tile_kernel *k, depthwise *d) {
    sl_expr bases[SL_NEST_MAX_LOOPS];
    tile_set *row = &k->sets[d->outer_set + d->outer_count - 1], *window = &k->sets[d->window_set + d->window_count - 1];
    sl_value *left = tile_argument_of(k, sl_op_operand(d->anchor, d->left));
    for (int i = 0; i < d->window_count; i++) bases[i] = k->sets[d->window_set + i].base, k->sets[d->window_set + i].base = tile_const(k, 0);
    sl_expr old = row->base;
    row->base = tile_add(k, row->base, tile_const(k, 1));
    k->sets[d->tap_set].base = tile_const(k, 0), k->sets[d->column_set].base = d->tile_base;
    for (int64_t r = 1; r <= d->new_rows; r++) {
        window->base = sl_expr_sub(k->context, window->extent, tile_const(k, r));
        sl_expr start = sl_expr_sub(k->context, operand_offset(k, d, d->left), tile_lane_expr(k));
        sl_value *pointer = tile_pointer(k, left, start);
        for (int64_t distance = 0; distance < d->tile_columns * d->column_step; distance += d->tap_step) tile_prefetch(k, pointer, tile_const(k, distance));
    }
    row->base = old;
    for (int i = 0; i < d->window_count; i++) k->sets[d->window_set + i].base = bases[i];
}

/* The epilogue of one vector: bases of all sets are in place. */
static void finish(tile_kernel *k, depthwise *d, sl_value *sum) {
    sl_value *result = sl_op_result(d->anchor, 0), *values[TILE_MAX_NESTS];
    sl_expr positions[SL_MAX_RANK];
    tile_result_positions(k, d->anchor, 0, d->loops, positions);
    sl_value *whole = tile_cast(k, sum, sl_type_element(sl_value_type(result)));
    tile_bind(k, result, positions, whole);
    if (d->work != d->accumulator) k->whole = whole, k->whole_real = sum;
    for (int i = 0; i < d->group.yield_count; i++) {
        sl_value *yield = d->group.yields[i];
        tile_result_positions(k, tile_maker(yield), sl_value_index(yield), d->loops, positions);
        values[i] = tile_read(k, yield, positions, NULL);
    }
    for (int i = 0; i < d->group.yield_count; i++) {
        sl_value *yield = d->group.yields[i];
        tile_result_positions(k, tile_maker(yield), sl_value_index(yield), d->loops, positions);
        tile_write(k, i, positions, values[i]);
    }
    k->whole = k->whole_real = NULL;
}

static void emit_channels(tile_kernel *k, void *self, int copies, const sl_expr *bases) {
    depthwise *d = self;
    sl_value *sums[256], *zero = tile_splat(k, tile_constant(k, sl_scalar_float(k->context, d->work, 0)));
    int depth = k->depth, count = copies * d->tile_columns, floor = k->floor;
    for (int i = 0; i < count; i++) sums[i] = zero;
    k->sets[d->channel_set].base = bases[0];
    open_windows(k, d, count, sums);
    for (int u = 0; u < copies; u++) {
        k->sets[d->channel_set].base = bases[u];
        emit_row(k, d, sums + u * d->tile_columns);
    }
    while (k->depth > depth) tile_end(k, count, sums, sums);
    k->floor = k->depth;                     /* nothing that only the epilogue needs may be alive during the sums */
    if (d->new_rows)
        for (int u = 0; u < copies; u++) {
            k->sets[d->channel_set].base = bases[u];
            prefetch_next_row(k, d);
        }
    for (int u = 0; u < copies; u++) {
        k->sets[d->channel_set].base = bases[u];
        for (int c = 0; c < d->tile_columns; c++) {
            if (d->heavy) {
                tile_store(k, sums[u * d->tile_columns + c], d->scratch, tile_add(k, tile_const(k, (int64_t)c * k->lanes), tile_lane_expr(k)), NULL);
                continue;
            }
            k->sets[d->column_set].base = tile_add(k, d->tile_base, tile_const(k, c));
            finish(k, d, sums[u * d->tile_columns + c]);
        }
        if (!d->heavy) continue;
        sl_expr c = tile_variable(k, tile_for(k, tile_i64(k, 0), tile_i64(k, d->tile_columns), tile_i64(k, 1), 0, NULL, NULL));
        k->sets[d->column_set].base = tile_variable(k, tile_index(k, tile_add(k, d->tile_base, c)));
        finish(k, d, tile_load(k, d->scratch, tile_add(k, tile_mul(k, c, tile_const(k, k->lanes)), tile_lane_expr(k)), NULL));
        tile_end(k, 0, NULL, NULL);
    }
    k->floor = floor;
}

typedef struct part { sl_expr low, high; int64_t multiple; } part;       /* of the channels */

static void emit_tile(tile_kernel *k, depthwise *d, const part *channels, sl_expr base, int columns, int64_t at) {
    d->tile_base = base, d->tile_columns = columns, d->tile_static = at >= 0, d->tile_at = at;
    int vectors = 1;                         /* few columns: more vectors, so that FMAs do not wait for each other */
    int64_t extent = sl_expr_const_or(k->sets[d->channel_set].extent, -1);
    while (!d->heavy && vectors < 4 && 2 * vectors * columns <= 12 && extent % (2 * vectors * k->lanes) == 0) vectors *= 2;
    tile_lane_loop(k, d->channel_set, channels->low, channels->high, channels->multiple, vectors, emit_channels, d);
}

/* Tiles whose place is known are emitted each by itself (those at the edges have to be); those in between are a loop. */
static void emit_columns(tile_kernel *k, depthwise *d, const part *channels) {
    int64_t tiles = (d->columns + d->at_once - 1) / d->at_once, last = (tiles - 1) * d->at_once;
    if (tiles <= 3) {
        for (int64_t t = 0; t < tiles; t++)
            emit_tile(k, d, channels, tile_const(k, t * d->at_once), (int)(t + 1 == tiles ? d->columns - last : d->at_once), t * d->at_once);
        return;
    }
    emit_tile(k, d, channels, tile_const(k, 0), d->at_once, 0);
    sl_expr at = tile_variable(k, tile_for(k, tile_i64(k, d->at_once), tile_i64(k, last), tile_i64(k, d->at_once), 0, NULL, NULL));
    emit_tile(k, d, channels, at, d->at_once, -1);
    tile_end(k, 0, NULL, NULL);
    emit_tile(k, d, channels, tile_const(k, last), (int)(d->columns - last), last);
}

/* Columns of a tile: as many as registers hold, in equal tiles; false when the tiles between first and last would touch padding. */
static bool choose_columns(tile_kernel *k, depthwise *d) {
    int64_t most = k->machine->vector_registers - d->taps - 3;
    if (most > MAX_COLUMNS) most = MAX_COLUMNS;
    if (most < 2) return false;
    int64_t tiles = (d->columns + most - 1) / most;
    d->at_once = (int)((d->columns + tiles - 1) / tiles);
    tiles = (d->columns + d->at_once - 1) / d->at_once;
    if (tiles <= 3) return true;
    int64_t end = (tiles - 1) * d->at_once - 1;
    return is_inside(d, d->at_once, 0) && is_inside(d, end, d->taps - 1);
}

/* Window rows that one row of the result reads before all others, when the tensor is large enough to be worth a prefetch. */
static int64_t choose_prefetch(tile_kernel *k, const depthwise *d) {
    sl_attr map = sl_nest_map(d->anchor, d->left);
    sl_value *left = sl_op_operand(d->anchor, d->left);
    sl_expr strides[SL_NEST_MAX_LOOPS], base;
    double image = sl_estimate_bytes(sl_value_type(left)) / tile_estimate(sl_type_dim(sl_value_type(left), 0)), cache = (double)k->machine->l2_bytes;
    if (d->window_count == 0 || d->outer_count == 0 || image < 1.5 * cache || tile_estimate(sl_nest_bound(d->anchor, d->channel)) < 4 * k->lanes) return 0;
    if (!sl_map_strides(k->context, map, sl_value_type(left), strides, &base)) return 0;
    int64_t row = sl_expr_const_or(strides[d->outer[d->outer_count - 1]], 0), window = sl_expr_const_or(strides[d->window[d->window_count - 1]], 0);
    if (row < 1 || window < 1 || row % window) return 0;
    int64_t rows = row / window, extent = sl_expr_const_or(sl_nest_bound(d->anchor, d->window[d->window_count - 1]), 0);
    if (rows > 1 && image < 4 * cache) return 0;             /* the load ports are busy */
    return rows > extent ? extent : rows;
}

static int add_loop_set(tile_kernel *k, const depthwise *d, int loop) {
    sl_expr extent = sl_nest_bound(d->anchor, loop);
    return tile_add_set(k, 1, &loop, &extent);
}

static void emit_kernel(tile_kernel *k, depthwise *d, tile_launch *launch) {
    sl_context *context = k->context;
    sl_expr counts[SL_NEST_MAX_LOOPS + 1], indices[SL_NEST_MAX_LOOPS + 1], tasks = tile_const(k, 1), extent = k->sets[d->channel_set].extent;
    double rows = 1, threads = k->pass->threads > 0 ? k->pass->threads : 1, window = (double)d->taps;
    for (int i = 0; i < d->outer_count; i++) counts[i] = k->sets[d->outer_set + i].extent, tasks = tile_mul(k, tasks, counts[i]), rows *= sl_expr_const_or(counts[i], 1) > 0 ? (double)sl_expr_const_or(counts[i], 1) : 1;
    for (int i = 0; i < d->window_count; i++) window *= tile_estimate(k->sets[d->window_set + i].extent);
    /* Few rows: channels are shared out, too. */
    int64_t channels = sl_expr_const_or(extent, -1), piece = channels;
    if (channels > 0 && rows < 8 * threads) {
        int64_t pieces = (int64_t)ceil(8 * threads / rows), vectors = (channels + k->lanes - 1) / k->lanes, most = vectors / 4 > 1 ? vectors / 4 : 1;
        if (pieces > most) pieces = most;
        piece = (vectors + pieces - 1) / pieces * k->lanes;
    }
    bool whole = channels < 0 || piece >= channels;
    counts[d->outer_count] = whole ? tile_const(k, 1) : sl_expr_ceildiv(context, extent, tile_const(k, piece));
    tasks = tile_mul(k, tasks, counts[d->outer_count]);
    if (d->heavy) d->scratch = tile_scratch(k, d->work, (int64_t)d->at_once * k->lanes * sl_element_bits(d->work) / 8);
    tile_task_loop(k, d->outer_count + 1, counts, indices);
    for (int i = 0; i < d->outer_count; i++) k->sets[d->outer_set + i].base = indices[i];
    part channel_part = {tile_const(k, 0), extent, 1};
    if (!whole) {
        channel_part.low = tile_mul(k, indices[d->outer_count], tile_const(k, piece));
        channel_part.high = tile_add(k, channel_part.low, tile_const(k, piece));
        if (channels % piece) channel_part.high = tile_variable(k, tile_index(k, sl_expr_min(context, channel_part.high, extent)));
        channel_part.multiple = channels % k->lanes == 0 ? k->lanes : 1;
    }
    emit_columns(k, d, &channel_part);
    while (k->depth > 0) tile_end(k, 0, NULL, NULL);
    launch->tasks = tasks;
    double vectors = (whole ? tile_estimate(extent) : (double)piece) / k->lanes;
    launch->grain = tile_grain(k, vectors * (double)d->columns * (window * 1.2 + 3));
    launch->work = tile_const(k, 1);
    for (int i = 0; i < d->loop_count; i++) launch->work = tile_mul(k, launch->work, sl_nest_bound(d->anchor, i));
}

/* Whether the other nests of the group run over the anchor's parallel loops. */
static bool epilogue_fits(tile_kernel *k, depthwise *d) {
    tile_space space = {.loops = d->loop_count, .lane_safe = true};
    int parallel = 0;
    for (int i = 0; i < d->loop_count; i++) parallel += !sl_nest_is_reduced(d->anchor, i), space.extents[i] = sl_nest_bound(d->anchor, i), space.reduced[i] = sl_nest_is_reduced(d->anchor, i);
    double cost = 0;
    for (int n = 0; n < d->group.nest_count; n++) {
        sl_op *nest = d->group.nests[n];
        tile_collect(k, &space, nest, d->loops);
        if (nest == d->anchor) continue;
        if (sl_nest_loop_count(nest) != parallel || sl_nest_reduced_count(nest)) return false;
        for (int i = 0; i < parallel; i++)                   /* the anchor's parallel loops come first */
            if (sl_nest_is_reduced(d->anchor, i) || sl_nest_bound(nest, i) != sl_nest_bound(d->anchor, i)) return false;
        cost += sl_estimate_body(nest);
    }
    for (int i = 0; i < d->group.yield_count; i++) {
        sl_expr positions[SL_MAX_RANK];
        sl_value *yield = d->group.yields[i];
        tile_result_positions(k, tile_maker(yield), sl_value_index(yield), d->loops, positions);
        tile_collect_write(k, &space, k->outputs.data[i].tensor, positions);
    }
    d->heavy = cost > 12;
    return !space.failure && space.lane_safe;
}

bool tile_try_depthwise(sl_pass_context *pass, sl_op *op) {
    depthwise *d = SL_NEW(pass->scratch, depthwise);
    if (!tile_group_read(op, &d->group)) return false;
    d->anchor = d->group.nests[d->group.anchor];
    if (!sl_nest_is_contraction(d->anchor, NULL) || sl_nest_loop_count(d->anchor) >= SL_NEST_MAX_LOOPS) return false;
    tile_kernel *k = tile_kernel_begin(pass, op);
    bool ok = recognise(k, d) && epilogue_fits(k, d) && choose_columns(k, d);
    k->lanes = ok ? k->machine->vector_bits / sl_element_bits(d->work) : 1;
    if (!ok || k->lanes < 2) {
        tile_kernel_drop(k);
        return false;
    }
    d->column_set = add_loop_set(k, d, d->column), d->channel_set = add_loop_set(k, d, d->channel), d->tap_set = add_loop_set(k, d, d->tap);
    d->outer_set = k->set_count;
    for (int i = 0; i < d->outer_count; i++) add_loop_set(k, d, d->outer[i]);
    d->window_set = k->set_count;
    for (int i = 0; i < d->window_count; i++) add_loop_set(k, d, d->window[i]);
    k->canonical_count = d->loop_count;
    k->sets[d->channel_set].lane = true;
    d->new_rows = choose_prefetch(k, d);
    tile_launch launch = {.name = tile_name(k, &d->group, "depthwise")};
    emit_kernel(k, d, &launch);
    if (k->failure) {
        tile_kernel_drop(k);
        return false;
    }
    launch.reason = sl_arena_printf(k->arena, "depthwise: %lld columns in tiles of %d, %lld taps a row, %.2f loads an FMA", (long long)d->columns, d->at_once, (long long)d->taps,
                                    ((double)(d->at_once - 1) * (double)d->column_step / (double)d->tap_step + (double)d->taps) / ((double)d->taps * d->at_once));
    tile_kernel_finish(k, &launch);
    return true;
}
