/* tile_window.c: convolutions over rectangles of pixels: the left operand's rows are copied once with their padding, and windows are read in place from there.
 *
 *     task = (image, band of rows of the result, group of panels)
 *         copy the input rows of the band to scratch, what lies outside filled in             each pixel once, instead of once for each window that it lies in; not when the task before did
 *         for panel in group:
 *             for rectangle of ty x tx pixels in band, then the narrower ones at its edges:
 *                 accumulators = 0; for row of the window, column of the window, channel: load a vector row of B, broadcast an element of A for each pixel, fma
 *                 epilogue on the accumulators, store
 *
 * Many channels come in blocks, and the sum goes block by block: every tap of 16 channels before the next 16 (lower-to-nest orders it so). The copy holds one plane of pixels for each block,
 * so that what a tile reads of a block is a few rows of neighbouring lines, which L1 holds for all taps.
 *
 * In: a contraction whose left operand is [outer dims..., y, x, channels] read at sy*y + dy*ky - py, sx*x + dx*kx - px, c, whose weights are packed when compiling. The pixels of a
 * rectangle are at constant distances from each other in the copy, so that the inner loop addresses all of them by displacements from one pointer, and the k of a sum ascends as it
 * does everywhere: same bits as any other tile. Distances between pixels are kept off powers of two (they would share the sets of L1)
 * and off whole lines (all pixels of a rectangle would miss L1 at the same step). With few channels the columns of the window and
 * the channels are one loop.
 */
#include "tile_contract.h"

#include <assert.h>
#include <math.h>
#include <string.h>

typedef struct window_axis { int loop, tap; int64_t extent, taps, source, step, dilation, low; } window_axis;   /* position = step * loop + dilation * tap - low in a dim of size `source` */

struct contract_window {
    window_axis y, x;
    int channel, block;                      /* loops: of channels in a block, of blocks; or -1: one */
    int64_t channels, blocks;                /* in a block; of all channels */
    int64_t pitch, row, plane;               /* of the copy: elements from pixel to pixel, from row to row, and from block to block */
    bool flat;                               /* columns of the window and channels are one loop */
    int ty, tx;
    int64_t band, bands;                     /* rows of the result in a task; their number */
    int outer_count, outer[SL_NEST_MAX_LOOPS];
    sl_expr outer_extent;
    sl_attr fill;                            /* outside; NULL: nothing lies outside */
    /* The task at hand. */
    sl_expr substitution[SL_NEST_MAX_LOOPS], image, y_low, y_high;
};

/* ---- what it is ---- */

static int64_t take_loop(tile_kernel *k, const contract *c, sl_expr *position, bool reduced, int *loop) {
    *loop = -1;
    for (int i = 0; i < c->loop_count; i++) {
        sl_expr coefficient;
        if (!sl_expr_uses_loop(*position, i) || sl_nest_is_reduced(c->anchor, i) != reduced) continue;
        if (*loop >= 0 || !sl_expr_split_linear(k->context, *position, i, &coefficient, position)) return -1;
        *loop = i;
        int64_t value = sl_expr_const_or(coefficient, -1);
        if (value < 1) return -1;
        for (int j = i + 1; j < c->loop_count; j++)
            if (sl_expr_uses_loop(*position, j) && sl_nest_is_reduced(c->anchor, j) == reduced) return -1;
        return value;
    }
    return 0;
}

static bool read_axis(tile_kernel *k, const contract *c, sl_expr position, sl_expr dim, window_axis *axis) {
    int64_t low;
    axis->step = take_loop(k, c, &position, false, &axis->loop);
    axis->dilation = take_loop(k, c, &position, true, &axis->tap);
    if (axis->step < 1 || axis->dilation < 0 || !sl_expr_is_const(position, &low)) return false;
    axis->low = -low, axis->source = sl_expr_const_or(dim, -1);
    axis->extent = sl_expr_const_or(sl_nest_bound(c->anchor, axis->loop), -1);
    axis->taps = axis->tap < 0 ? 1 : sl_expr_const_or(sl_nest_bound(c->anchor, axis->tap), -1);
    if (axis->tap < 0) axis->dilation = 1;
    return axis->source >= 1 && axis->extent >= 1 && axis->taps >= 1 && axis->extent < (1 << 20) && axis->taps < (1 << 12);
}

/* A channel is a loop, a block of as many channels as the inner loop has and one of those, or 0. */
static bool read_channels(tile_kernel *k, const contract *c, sl_expr position, contract_window *w) {
    sl_expr coefficient, rest;
    w->channel = w->block = -1, w->channels = w->blocks = 1;
    if (sl_expr_equals_const(position, 0)) return true;
    w->channel = c->k[c->k_count - 1];
    w->channels = sl_expr_const_or(sl_nest_bound(c->anchor, w->channel), -1);
    if (!sl_expr_uses_loop(position, w->channel) || w->channels < 1) return false;
    if (!sl_expr_split_linear(k->context, position, w->channel, &coefficient, &rest) || !sl_expr_equals_const(coefficient, 1)) return false;
    if (sl_expr_equals_const(rest, 0)) return true;
    w->block = c->k[0];
    w->blocks = sl_expr_const_or(sl_nest_bound(c->anchor, w->block), -1);
    return w->blocks >= 1 && sl_expr_split_linear(k->context, rest, w->block, &coefficient, &rest) && sl_expr_equals_const(rest, 0) && sl_expr_const_or(coefficient, -1) == w->channels;
}

static bool read_axes(tile_kernel *k, const contract *c, contract_window *w) {
    sl_type type = sl_value_type(sl_op_operand(c->anchor, c->left));
    sl_attr map = sl_nest_map(c->anchor, c->left);
    int rank = sl_type_rank(type), expected = 0, tap = 0;
    if (rank < 3 || c->batch_count || c->m_count < 2 || tile_is_inside(k, sl_op_operand(c->anchor, c->left))) return false;
    if (!read_axis(k, c, sl_attr_map_result(map, rank - 3), sl_type_dim(type, rank - 3), &w->y)) return false;
    if (!read_axis(k, c, sl_attr_map_result(map, rank - 2), sl_type_dim(type, rank - 2), &w->x)) return false;
    sl_expr last = sl_attr_map_result(map, rank - 1);
    if (!read_channels(k, c, last, w)) return false;
    if (sl_type_static_dim(type, rank - 1) != w->channels * w->blocks || w->y.taps * w->x.taps < 2) return false;
    /* k is block, ky, kx, c in this order; m is the outer loops, y, x. */
    int order[4] = {w->block, w->y.tap, w->x.tap, w->channel};
    for (int i = 0; i < 4; i++)
        if (order[i] >= 0 && (tap >= c->k_count || c->k[tap++] != order[i])) return false;
    if (tap != c->k_count || c->m[c->m_count - 2] != w->y.loop || c->m[c->m_count - 1] != w->x.loop) return false;
    for (int d = 0; d < rank - 3; d++) {
        sl_expr position = sl_attr_map_result(map, d);
        if (sl_expr_equals_const(position, 0)) continue;
        if (sl_expr_plain_loop(position) < 0 || expected >= c->m_count - 2 || c->m[expected] != sl_expr_plain_loop(position)) return false;
        w->outer[w->outer_count++] = c->m[expected++];
    }
    w->fill = sl_nest_outside(c->anchor, c->left);
    return expected == c->m_count - 2;
}

/* ---- choice ---- */

static double rectangle_cycles(const sl_machine *machine, const contract_window *w, int ty, int tx, int vectors, double panels) {
    double cycles = 0;
    for (int64_t y = w->y.extent; y > 0; y -= ty)
        for (int64_t x = w->x.extent; x > 0; x -= tx) {
            double pixels = (double)((y < ty ? y : ty) * (x < tx ? x : tx)), fma = pixels * vectors, loads = pixels / 2 + vectors;
            double step = fma > loads ? fma : loads;
            cycles += machine->wide_fma ? sl_cost_tile_step(machine, pixels, vectors) : (step > 4 ? step : 4) + 1;
        }
    return cycles * panels;
}

/* The rectangle and the width of the panels with the fewest cycles: of rows cut into equal parts, as many of them as registers hold. */
static double choose_rectangle(tile_kernel *k, contract *c, contract_window *w) {
    int registers = k->machine->vector_registers > 0 ? k->machine->vector_registers : 16;
    double best = INFINITY;
    for (int vectors = 1; vectors <= 4; vectors++) {
        int most = (registers - 1 - vectors) / vectors;
        double panels = ceil((double)c->n_known / (vectors * k->lanes));
        if (vectors > 1 && c->n_known <= (int64_t)(vectors - 1) * k->lanes) break;
        int64_t before = 0;
        for (int64_t parts = (w->x.extent + most - 1) / (most > 0 ? most : 1); most > 0 && parts <= w->x.extent && parts < 64; parts++) {
            int tx = (int)((w->x.extent + parts - 1) / parts);
            int64_t ty = most / tx < w->y.extent ? most / tx : w->y.extent;
            if (tx == before) continue;
            before = tx;
            double cost = rectangle_cycles(k->machine, w, (int)ty, tx, vectors, panels);
            if (vectors == 2 && !k->machine->wide_fma) cost *= 0.97;                  /* fewer broadcasts than one vector, fewer loads of B than three */
            if (cost < best * 0.9999) best = cost, w->ty = (int)ty, w->tx = tx, c->column_vectors = vectors;
        }
    }
    return best;
}

static int64_t input_rows(const contract_window *w, int64_t rows) { return (rows - 1) * w->y.step + (w->y.taps - 1) * w->y.dilation + 1; }
static int64_t copy_bytes(const contract *c, const contract_window *w, int64_t rows) { return w->blocks * input_rows(w, rows) * w->row * sl_element_bits(c->accumulator) / 8; }
static int64_t input_columns(const contract_window *w) { return (w->x.extent - 1) * w->x.step + (w->x.taps - 1) * w->x.dilation + 1; }

/* Cycles of copying a band. */
static double copy_cycles(const tile_kernel *k, const contract_window *w, int64_t rows) {
    return (double)input_rows(w, rows) * ((double)input_columns(w) * ((double)(w->channels * w->blocks) / k->lanes * 6 + 5) + 20);
}

/* Blocks of channels: tasks of one band follow one another, which copy it once for each thread, so that a panel is enough for a task. As many bands as make the busiest thread's time least. */
static bool choose_shares(tile_kernel *k, contract *c, contract_window *w) {
    int64_t panels = sl_expr_const_or(c->panels, 1), threads = k->pass->threads > 0 ? k->pass->threads : 1, images = sl_expr_const_or(w->outer_extent, 1), steps = (w->y.extent + w->ty - 1) / w->ty;
    double least = INFINITY, pixel = (double)c->k_known * c->column_vectors;
    if (images < 1) images = 1;
    for (int64_t bands = 1; bands <= steps && bands < 64; bands++) {
        int64_t band = (steps + bands - 1) / bands * w->ty, each = 1;
        if ((steps + band / w->ty - 1) / (band / w->ty) != bands || (bands < steps && copy_bytes(c, w, band) > k->machine->l2_bytes * 3 / 8)) continue;
        double work = (double)w->y.extent / (double)bands * (double)w->x.extent * pixel;
        while (each < panels && work * (double)each < 60000) each++;
        int64_t groups = (panels + each - 1) / each, tasks = images * bands * groups, share = (tasks + threads - 1) / threads;
        int64_t copies = (share + groups - 1) / groups + (tasks > share && share % groups ? 1 : 0);
        double cost = (double)share * work * (double)each + (double)copies * copy_cycles(k, w, band);
        if (cost < least * 0.995) least = cost, w->band = band, w->bands = bands, c->panels_per_task = each;
    }
    return least < INFINITY && copy_bytes(c, w, w->band) <= k->machine->l2_bytes;
}

/* Bands and groups of panels: the copy and a panel stay in L2; when all panels do, a band goes through all of them. Tasks for every thread. */
static bool choose_tasks(tile_kernel *k, contract *c, contract_window *w) {
    int64_t limit = k->machine->l2_bytes * 3 / 8, panels = sl_expr_const_or(c->panels, 1);
    int64_t weights = panels * c->k_known * c->width * sl_element_bits(c->b_element) / 8, threads = k->pass->threads > 0 ? k->pass->threads : 1;
    bool resident = weights <= k->machine->l2_bytes / 2;
    int64_t want = 8 * threads, images = sl_expr_const_or(w->outer_extent, 1), steps = (w->y.extent + w->ty - 1) / w->ty, band = steps;
    if (images < 1) images = 1;
    while (band > 1 && copy_bytes(c, w, band * w->ty) > limit) band--;
    if (copy_bytes(c, w, w->ty) > k->machine->l2_bytes) return false;
    c->panels_per_task = resident ? panels : 1;
    int64_t groups = (panels + c->panels_per_task - 1) / c->panels_per_task, bands = (steps + band - 1) / band, least = (want + images * groups - 1) / (images * groups);
    /* Smaller bands for more tasks, as long as there is work in them and the rows that neighbours share do not count. */
    while (bands < least && band > 1) {
        int64_t smaller = (band + 1) / 2;
        double work = (double)(smaller * w->ty * w->x.extent) * (double)c->k_known * c->column_vectors * (double)c->panels_per_task;
        double pixel = (double)(w->channels * w->blocks) / k->lanes * 2.5 + (w->pitch == w->channels ? 0 : 5), copy = (double)input_rows(w, smaller * w->ty) * ((double)input_columns(w) * pixel + 20);
        if (work < 60000 || copy > work / 20) break;
        band = smaller, bands = (steps + band - 1) / band;
    }
    while (resident && images * bands * groups < want && c->panels_per_task > 1 && (double)(band * w->ty * w->x.extent) * (double)c->k_known * c->column_vectors * (double)c->panels_per_task > 120000) {
        c->panels_per_task = (c->panels_per_task + 1) / 2;
        groups = (panels + c->panels_per_task - 1) / c->panels_per_task;
    }
    band = (steps + bands - 1) / bands, bands = (steps + band - 1) / band;
    w->band = band * w->ty, w->bands = bands;
    return true;
}

bool contract_plan_window(tile_kernel *k, contract *c) {
    contract_window *w = SL_NEW(k->arena, contract_window);
    if (c->n_known < 1 || c->k_known < 1 || c->m_set < 0 || !read_axes(k, c, w)) return false;
    w->outer_extent = tile_const(k, 1);
    for (int i = 0; i < w->outer_count; i++) w->outer_extent = tile_mul(k, w->outer_extent, sl_nest_bound(c->anchor, w->outer[i]));
    int64_t line = 64 / (sl_element_bits(c->accumulator) / 8);
    w->flat = w->x.dilation == 1 && w->channels <= line;
    w->pitch = w->channels;
    if (!w->flat && w->blocks == 1) w->pitch += (w->channels % (4 * line) == 0 ? line : 0) + (w->channels % 2 ? 2 : 1);
    /* Pixels of a tall sum are better off as rows packed for each block (tile_pack.c): long streams, where every tap would start fourteen new ones. Measured on Zen 4. */
    if (!w->flat && w->blocks == 1 && (w->x.step > 1 || c->k_known * 2 * k->lanes * sl_element_bits(c->b_element) / 8 > k->machine->l2_bytes / 6)) return false;
    w->row = input_columns(w) * w->pitch;
    if (w->row % (16 * line) == 0) w->row += line;
    choose_rectangle(k, c, w);
    c->width = c->column_vectors * k->lanes, c->rows = w->ty * w->tx, c->panels_at_once = 1;
    c->panels = sl_expr_ceildiv(k->context, c->n_extent, tile_const(k, c->width));
    if (w->blocks > 1 ? !choose_shares(k, c, w) : !choose_tasks(k, c, w)) return false;
    w->plane = input_rows(w, w->band) * w->row;
    if (w->plane % (16 * line) == 0) w->plane += line;
    c->window = w, c->a_mode = CONTRACT_A_WINDOW, c->a_element = c->accumulator;
    c->tile_reason = sl_arena_printf(k->arena, "rectangles of %dx%d pixels, %d columns", w->ty, w->tx, c->width);
    return true;
}

const char *contract_window_reason(tile_kernel *k, const contract *c) {
    const contract_window *w = c->window;
    const char *blocks = w->blocks > 1 ? sl_arena_printf(k->arena, " in %lld blocks of channels", (long long)w->blocks) : "";
    return sl_arena_printf(k->arena, "%s; bands of %lld rows copied with their padding%s, %lld panels a task", c->tile_reason, (long long)w->band, blocks, (long long)c->panels_per_task);
}

/* ---- the copy ---- */

/* `count` elements: from `source` at `from` to scratch at `to`; without a source the fill. */
static void copy_run(tile_kernel *k, contract *c, sl_value *source, sl_expr from, sl_expr to, int64_t count) {
    int64_t lanes = k->lanes, unroll = count >= 4 * lanes ? 4 : count >= 2 * lanes ? 2 : 1, whole = count / (unroll * lanes) * (unroll * lanes);
    sl_value *fill = source ? NULL : tile_splat(k, tile_cast(k, tile_constant(k, c->window->fill), c->accumulator));
    for (int part = 0; part < 2; part++) {
        int64_t low = part ? whole : 0, high = part ? count : whole, copies = part ? 1 : unroll;
        if (low >= high) continue;
        sl_expr at = tile_variable(k, tile_for(k, tile_i64(k, low), tile_i64(k, high), tile_i64(k, copies * lanes), 0, NULL, NULL));
        sl_value *values[4], *mask = part && (high - low) % lanes ? tile_mask_first(k, tile_index(k, sl_expr_sub(k->context, tile_const(k, high), at))) : NULL;
        for (int u = 0; u < copies; u++)
            values[u] = source ? tile_cast(k, tile_load(k, tile_pointer(k, source, from), tile_add(k, tile_add(k, at, tile_const(k, u * lanes)), tile_lane_expr(k)), mask), c->accumulator) : fill;
        for (int u = 0; u < copies; u++) tile_store(k, values[u], tile_pointer(k, c->a_scratch, to), tile_add(k, tile_add(k, at, tile_const(k, u * lanes)), tile_lane_expr(k)), mask);
        tile_end(k, 0, NULL, NULL);
    }
}

/* A pixel of all blocks: one block after the other in the source, a plane apart in the copy. */
static void copy_blocks(tile_kernel *k, contract *c, sl_value *source, sl_expr from, sl_expr to) {
    const contract_window *w = c->window;
    int64_t together = w->blocks % 4 == 0 ? 4 : w->blocks % 2 == 0 ? 2 : 1;
    sl_value *fill = source ? NULL : tile_splat(k, tile_cast(k, tile_constant(k, w->fill), c->accumulator)), *values[4];
    sl_expr block = together == w->blocks ? tile_const(k, 0) : tile_variable(k, tile_for(k, tile_i64(k, 0), tile_i64(k, w->blocks), tile_i64(k, together), 0, NULL, NULL));
    for (int64_t at = 0; at < w->channels; at += k->lanes) {
        sl_value *mask = w->channels - at < k->lanes ? tile_mask_first(k, tile_i64(k, w->channels - at)) : NULL;
        sl_expr lane = tile_add(k, tile_const(k, at), tile_lane_expr(k));
        for (int64_t u = 0; u < together; u++) {
            sl_expr index = tile_add(k, tile_mul(k, tile_add(k, block, tile_const(k, u)), tile_const(k, w->channels)), lane);
            values[u] = source ? tile_cast(k, tile_load(k, tile_pointer(k, source, from), index, mask), c->accumulator) : fill;
        }
        for (int64_t u = 0; u < together; u++)
            tile_store(k, values[u], tile_pointer(k, c->a_scratch, to), tile_add(k, tile_mul(k, tile_add(k, block, tile_const(k, u)), tile_const(k, w->plane)), lane), mask);
    }
    if (together != w->blocks) tile_end(k, 0, NULL, NULL);
}

static sl_expr source_offset(tile_kernel *k, const contract *c, sl_expr y, sl_expr x) {
    sl_attr map = sl_nest_map(c->anchor, c->left);
    sl_type type = sl_value_type(sl_op_operand(c->anchor, c->left));
    int rank = sl_type_rank(type);
    sl_expr positions[SL_MAX_RANK];
    for (int d = 0; d < rank - 3; d++) positions[d] = sl_expr_substitute(k->context, sl_attr_map_result(map, d), c->window->substitution, c->loop_count, NULL, NULL);
    positions[rank - 3] = y, positions[rank - 2] = x, positions[rank - 1] = tile_const(k, 0);
    return tile_offset(k, type, positions);
}

/* Pixels first..last-1 of a row of the copy; their column in the tensor is first - low. */
static void copy_pixels(tile_kernel *k, contract *c, sl_value *source, sl_expr y, sl_expr row, int64_t first, int64_t last) {
    contract_window *w = c->window;
    sl_expr to = tile_add(k, tile_mul(k, row, tile_const(k, w->row)), tile_const(k, first * w->pitch));
    sl_expr from = source ? source_offset(k, c, y, tile_const(k, first - w->x.low)) : NULL;
    if (first >= last) return;
    if (w->blocks == 1 && (w->pitch == w->channels || !source)) {
        copy_run(k, c, source, from, to, (last - first) * w->pitch);
        return;
    }
    sl_expr pixel = tile_variable(k, tile_for(k, tile_i64(k, 0), tile_i64(k, last - first), tile_i64(k, 1), 0, NULL, NULL));
    if (source) from = tile_add(k, from, tile_mul(k, pixel, tile_const(k, w->channels * w->blocks)));
    to = tile_add(k, to, tile_mul(k, pixel, tile_const(k, w->pitch)));
    if (w->blocks > 1) copy_blocks(k, c, source, from, to);
    else copy_run(k, c, source, from, to, w->channels);
    tile_end(k, 0, NULL, NULL);
}

static void copy_band(tile_kernel *k, contract *c) {
    contract_window *w = c->window;
    sl_context *context = k->context;
    int64_t columns = input_columns(w), low = w->x.low < 0 ? 0 : w->x.low, high = w->x.source + w->x.low < columns ? w->x.source + w->x.low : columns;
    if (low > columns) low = columns;
    if (high < low) high = low;
    sl_value *source = tile_argument_of(k, sl_op_operand(c->anchor, c->left));
    sl_expr rows = tile_add(k, tile_mul(k, sl_expr_sub(context, w->y_high, w->y_low), tile_const(k, w->y.step)), tile_const(k, (w->y.taps - 1) * w->y.dilation + 1 - w->y.step));
    sl_expr row = tile_variable(k, tile_for(k, tile_i64(k, 0), tile_index(k, rows), tile_i64(k, 1), 0, NULL, NULL));
    sl_expr y = tile_add(k, tile_add(k, tile_mul(k, w->y_low, tile_const(k, w->y.step)), row), tile_const(k, -w->y.low));
    if (w->fill) {
        y = tile_variable(k, tile_index(k, y));
        sl_value *inside = tile_binary(k, SL_OP_arith_and, tile_compare(k, "ge", tile_index(k, y), tile_i64(k, 0)), tile_compare(k, "lt", tile_index(k, y), tile_i64(k, w->y.source)));
        tile_if(k, inside, 0, NULL);
        copy_pixels(k, c, NULL, y, row, 0, low);
        copy_pixels(k, c, source, y, row, low, high);
        copy_pixels(k, c, NULL, y, row, high, columns);
        tile_else(k, 0, NULL);
        copy_pixels(k, c, NULL, y, row, 0, columns);
        tile_end(k, 0, NULL, NULL);
    } else {
        copy_pixels(k, c, source, y, row, low, high);
    }
    tile_end(k, 0, NULL, NULL);
}

/* ---- the tile ---- */

static void emit_rectangle(tile_kernel *k, contract *c, int ty, int tx, sl_expr y, sl_expr x, sl_expr panel) {
    contract_window *w = c->window;
    int rows = ty * tx, vectors = c->column_vectors, count = rows * vectors, depth = k->depth;
    sl_value *sums[256], *start[256], *zero = tile_splat(k, tile_constant(k, sl_scalar_int(k->context, c->accumulator, 0)));
    assert(count <= 256 && rows <= 64);
    k->mask = NULL;
    sl_expr first = tile_add(k, tile_mul(k, sl_expr_sub(k->context, y, w->y_low), tile_const(k, w->y.step * w->row)), tile_mul(k, x, tile_const(k, w->x.step * w->pitch)));
    sl_expr weights = tile_mul(k, panel, tile_const(k, c->k_known * c->width));
    int64_t inner = w->flat ? w->x.taps * w->channels : w->channels;
    sl_expr m = tile_add(k, tile_mul(k, tile_add(k, tile_mul(k, w->image, tile_const(k, w->y.extent)), y), tile_const(k, w->x.extent)), x);
    c->rectangle_width = tx, c->rectangle_step = w->x.extent;
    contract_prefetch_epilogue(k, c, rows, m, panel);
    for (int i = 0; i < count; i++) sums[i] = zero;
    struct { int64_t count, a, b; } levels[3] = {{w->blocks, w->plane, w->y.taps * w->x.taps * w->channels}, {w->y.taps, w->y.dilation * w->row, w->x.taps * w->channels},
                                                 {w->x.taps, w->x.dilation * w->pitch, w->channels}};
    for (int level = 0; level < (w->flat ? 2 : 3); level++) {
        if (levels[level].count == 1) continue;
        memcpy(start, sums, sizeof(start[0]) * (size_t)count);
        sl_expr step = tile_variable(k, tile_for(k, tile_i64(k, 0), tile_i64(k, levels[level].count), tile_i64(k, 1), count, start, sums));
        first = tile_add(k, first, tile_mul(k, step, tile_const(k, levels[level].a)));
        weights = tile_add(k, weights, tile_mul(k, step, tile_const(k, levels[level].b * c->width)));
    }
    sl_value *a = tile_pointer(k, c->a_scratch, first), *b = tile_pointer(k, tile_argument_of(k, c->packed), weights);
    int unroll = count <= 8 ? 4 : count <= 16 ? 2 : 1;
    while (unroll > 1 && inner % unroll) unroll /= 2;
    memcpy(start, sums, sizeof(start[0]) * (size_t)count);
    sl_expr at = tile_variable(k, tile_for(k, tile_i64(k, 0), tile_i64(k, inner), tile_i64(k, unroll), count, start, sums));
    int64_t vector_bytes = (int64_t)k->lanes * sl_element_bits(c->b_element) / 8;
    bool prefetch = w->blocks > 1 && c->k_known * vectors * vector_bytes > k->machine->l1_bytes / 2;      /* as tile_contract.c does it: panels come from L2 and are asked for 8 kB ahead */
    for (int u = 0; u < unroll; u++) {
        sl_value *columns[4];
        sl_expr here = tile_add(k, at, tile_const(k, u));
        for (int v = 0; v < vectors; v++) {
            sl_expr index = tile_add(k, tile_mul(k, here, tile_const(k, c->width)), tile_add(k, tile_const(k, (int64_t)v * k->lanes), tile_lane_expr(k)));
            columns[v] = tile_cast(k, tile_load(k, b, index, NULL), c->accumulator);
            if (prefetch && v * vector_bytes % 64 == 0) tile_prefetch(k, b, tile_add(k, tile_mul(k, here, tile_const(k, c->width)), tile_const(k, 2048 + (int64_t)v * k->lanes)));
        }
        for (int i = 0; i < rows; i++) {
            int64_t distance = (int64_t)(i / tx) * w->y.step * w->row + (int64_t)(i % tx) * w->x.step * w->pitch;
            sl_value *pixel = tile_splat(k, tile_load(k, a, tile_add(k, here, tile_const(k, distance)), NULL));
            for (int v = 0; v < vectors; v++) sums[i * vectors + v] = contract_multiply_add(k, pixel, columns[v], sums[i * vectors + v]);
        }
    }
    while (k->depth > depth) tile_end(k, count, sums, sums);
    contract_epilogue(k, c, rows, m, panel, sums);
    k->set_count = c->free_sets;
}

static void emit_columns(tile_kernel *k, contract *c, int ty, sl_expr y, sl_expr panel) {
    const contract_window *w = c->window;
    int64_t whole = w->x.extent / w->tx * w->tx;
    if (whole == w->tx) {
        emit_rectangle(k, c, ty, w->tx, y, tile_const(k, 0), panel);
    } else {
        sl_expr x = tile_variable(k, tile_for(k, tile_i64(k, 0), tile_i64(k, whole), tile_i64(k, w->tx), 0, NULL, NULL));
        emit_rectangle(k, c, ty, w->tx, y, x, panel);
        tile_end(k, 0, NULL, NULL);
    }
    if (whole < w->x.extent) emit_rectangle(k, c, ty, (int)(w->x.extent - whole), y, tile_const(k, whole), panel);
}

/* Rows of the band: rectangles of full height, then what is left (in the last band). */
static void emit_band(tile_kernel *k, contract *c, sl_expr panel) {
    const contract_window *w = c->window;
    int rest = (int)(w->y.extent % w->ty);
    if (w->y.extent >= w->ty) {
        sl_expr last = sl_expr_sub(k->context, w->y_high, tile_const(k, w->ty - 1));
        sl_expr y = tile_variable(k, tile_for(k, tile_index(k, w->y_low), tile_index(k, last), tile_i64(k, w->ty), 0, NULL, NULL));
        emit_columns(k, c, w->ty, y, panel);
        tile_end(k, 0, NULL, NULL);
    }
    if (!rest) return;
    if (w->bands > 1) tile_if(k, tile_compare(k, "eq", tile_index(k, w->y_high), tile_i64(k, w->y.extent)), 0, NULL);
    emit_columns(k, c, rest, tile_const(k, w->y.extent - rest), panel);
    if (w->bands > 1) tile_end(k, 0, NULL, NULL);
}

void contract_emit_window(tile_kernel *k, contract *c, tile_launch *launch) {
    contract_window *w = c->window;
    sl_context *context = k->context;
    int64_t bytes = sl_element_bits(c->accumulator) / 8, panels = sl_expr_const_or(c->panels, 1), groups = (panels + c->panels_per_task - 1) / c->panels_per_task;
    sl_expr counts[3] = {w->outer_extent, tile_const(k, w->bands), tile_const(k, groups)}, indices[3];
    c->a_scratch = tile_scratch(k, c->accumulator, (w->blocks * w->plane + k->lanes) * bytes);
    c->heavy = contract_epilogue_is_heavy(c);
    if (c->heavy) c->c_scratch = tile_scratch(k, c->accumulator, (int64_t)c->rows * c->width * bytes);
    if (groups > 1) {                /* tasks of one band follow one another: copied once for all that a thread gets in a row */
        c->a_tag = tile_scratch(k, SL_ELEMENT_i64, 64);
        tile_store(k, tile_i64(k, -1), c->a_tag, tile_const(k, 0), NULL);
    }
    tile_task_loop(k, 3, counts, indices);
    w->image = indices[0];
    sl_expr rest = indices[0];
    for (int i = w->outer_count - 1; i >= 0; i--) {
        sl_expr extent = sl_nest_bound(c->anchor, w->outer[i]);
        w->substitution[w->outer[i]] = i == 0 ? rest : tile_variable(k, tile_index(k, sl_expr_mod(context, rest, extent)));
        if (i > 0) rest = tile_variable(k, tile_index(k, sl_expr_floordiv(context, rest, extent)));
    }
    w->y_low = tile_mul(k, indices[1], tile_const(k, w->band));
    w->y_high = w->bands == 1 ? tile_const(k, w->y.extent) : tile_add(k, w->y_low, tile_const(k, w->band));
    if (w->bands > 1 && w->y.extent % w->band) w->y_high = tile_variable(k, tile_index(k, sl_expr_min(context, w->y_high, tile_const(k, w->y.extent))));
    if (c->a_tag) {
        sl_value *number = tile_index(k, tile_add(k, tile_mul(k, indices[0], counts[1]), indices[1])), *copied = tile_load(k, c->a_tag, tile_const(k, 0), NULL);
        tile_if(k, tile_compare(k, "ne", number, copied), 0, NULL);
        copy_band(k, c);
        tile_store(k, number, c->a_tag, tile_const(k, 0), NULL);
        tile_end(k, 0, NULL, NULL);
    } else {
        copy_band(k, c);
    }
    sl_expr panel = tile_mul(k, indices[2], tile_const(k, c->panels_per_task)), end = tile_add(k, panel, tile_const(k, c->panels_per_task));
    if (groups > 1 && panels % c->panels_per_task) end = sl_expr_min(context, end, tile_const(k, panels));
    if (groups == 1) panel = tile_const(k, 0), end = tile_const(k, panels);
    if (c->panels_per_task > 1) panel = tile_variable(k, tile_for(k, tile_index(k, panel), tile_index(k, end), tile_i64(k, 1), 0, NULL, NULL));
    emit_band(k, c, panel);
    while (k->depth > 0) tile_end(k, 0, NULL, NULL);
    launch->tasks = tile_mul(k, tile_mul(k, counts[0], counts[1]), counts[2]);
    launch->grain = tile_grain(k, (double)c->panels_per_task * (double)c->k_known * c->column_vectors * (double)(w->band * w->x.extent) * 1.1);
    launch->work = tile_mul(k, c->m_extent, tile_mul(k, c->n_extent, c->k_extent));
}
