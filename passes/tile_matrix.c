/* tile_matrix.c: contractions of narrow factors with constant weights on matrix tiles (x86 AMX); see tile_contract.h. In: bf16 factors with sums in f32, or bytes of any sign with sums in i32.
 *
 *     configuration, once for each range of tasks: tiles 0-3 sums, 4-5 rows of A (R rows of 64 bytes of k), 6-7 weights (16 groups of k for 16 columns)
 *     for panel(s), for 2R rows:
 *         sums = 0; for 64 bytes of k: load B0, A0, dot, load B1, dot, load A1, dot, dot            (2 x 2 tiles; with up to R rows 1 x 4 over two panels)
 *         sums to scratch, from there through the epilogue by vectors
 *
 * Weights are packed as for any dot product (pack.c): groups of k next to each other, k padded with zeros to whole tiles. Rows are read in place where they are contiguous along a k of whole tiles; else
 * they are packed with zeros behind k (what lay there might be NaN). A tile has R rows, 16 or fewer if that spreads the rows more evenly over as many tiles; what is left for the last tile of a block
 * begins further up instead (in place) or ends in scratch that nobody reads (packed), so nothing outside of a buffer is touched; rows computed twice are stored once.
 *
 * Tiles come from L2 mostly, sixteen lines each, which the machine's own prefetching does not keep up with: weights are asked for two tiles ahead, rows one.
 *
 * bf16 always goes this way where the machine has the tiles, also a single row: sums of even and of odd k are rounded apart inside of a tile's depth, as no vector instruction does it, so a second way for few
 * rows would make a row's bits depend on their number. Bytes are exact: few rows, known to be few, take the vectors' instructions, which start sooner.
 */
#include "tile_contract.h"

enum { TILE_ROWS = 16, TILE_BYTES = 64, SUMS = 0, LEFT = 4, RIGHT = 6, FEW_BYTE_ROWS = 4, AHEAD = 2, MOST_PACKED = 8 << 20 };

static bool is_byte(sl_element element) { return element == SL_ELEMENT_i8 || element == SL_ELEMENT_u8; }

/* ---- choice ---- */

bool contract_plan_matrix(tile_kernel *k, contract *c) {
    sl_element a = sl_type_element(sl_value_type(sl_op_operand(c->anchor, c->left))), b = sl_type_element(sl_value_type(sl_op_operand(c->anchor, c->right)));
    bool bf16 = a == SL_ELEMENT_bf16 && b == SL_ELEMENT_bf16 && c->accumulator == SL_ELEMENT_f32 && k->machine->amx_bf16;
    bool bytes = is_byte(a) && is_byte(b) && c->accumulator == SL_ELEMENT_i32 && k->machine->amx_int8;
    int forced = k->pass->kernel.matrix;
    if ((!bf16 && !bytes) || forced == SL_MATRIX_OFF || (!forced && k->pass->kernel.dot) || k->lanes != TILE_ROWS || c->k_count == 0 || !contract_can_pack(k, c)) return false;
    if (bytes && !forced && c->m_known >= 0 && c->m_known <= FEW_BYTE_ROWS) return false;
    int64_t depth = TILE_BYTES / (sl_element_bits(a) / 8), padded = (c->k_known + depth - 1) / depth * depth;
    if (padded * 2 * TILE_ROWS * sl_element_bits(a) / 8 > MOST_PACKED) return false;
    c->matrix = true;
    c->dot = bf16 ? 2 : 4, c->a_narrow = a, c->a_shift = 0, c->k_padded = padded;
    c->tile_height = TILE_ROWS;
    if (c->m_known > 0) {
        int64_t tiles = (c->m_known + TILE_ROWS - 1) / TILE_ROWS;
        c->tile_height = (int)((c->m_known + tiles - 1) / tiles);
    }
    c->rows = c->m_known >= 0 && c->m_known <= c->tile_height ? c->tile_height : 2 * c->tile_height;
    c->column_vectors = c->n_known <= k->lanes ? 1 : 2, c->width = c->column_vectors * k->lanes;
    c->tile_reason = sl_arena_printf(k->arena, "matrix tiles of %d rows, %d x %d at once", c->tile_height, c->rows / c->tile_height, c->column_vectors);
    return true;
}

bool contract_matrix_direct(tile_kernel *k, const contract *c) {
    int64_t depth = TILE_BYTES / (sl_element_bits(c->a_narrow) / 8);
    int forced = k->pass->kernel.a;
    /* Many rows that several panels read are packed all the same, at distances that spread them over the sets of L1: a fifth to a third faster in the mean. */
    bool few = c->m_known >= 0 && c->m_known <= TILE_ROWS, packing = !few && c->n_known > 4 * c->width;
    return forced != SL_LEFT_PACKED && (!packing || forced == SL_LEFT_DIRECT) && c->k_known % depth == 0 && contract_dot_direct(k, c) && contract_rows_flat(k, c);
}

double contract_matrix_rows(double rows) { return rows < 3 * TILE_ROWS ? 3 * TILE_ROWS : rows; }

/* ---- ops ---- */

static sl_named_attr int_attr(tile_kernel *k, const char *name, int64_t value) { return (sl_named_attr){name, sl_attr_int(k->context, value)}; }

static void build(tile_kernel *k, sl_op_kind kind, int operands, sl_value *const *values, int attrs, const sl_named_attr *named) {
    tile_at_level(k, k->depth);
    sl_build(&k->builder, kind, operands, values, 0, NULL, attrs, named);
}

static void access_tile(tile_kernel *k, sl_op_kind kind, int tile, sl_value *buffer, sl_expr offset, sl_expr stride) {
    sl_value *operands[3] = {buffer, tile_index(k, offset), tile_index(k, stride)};
    sl_named_attr attr = int_attr(k, "tile", tile);
    build(k, kind, 3, operands, 1, &attr);
}

static void dot_tiles(tile_kernel *k, const contract *c, int sum, int left, int right) {
    static const char *const kinds[2][2] = {{"u8u8", "u8s8"}, {"s8u8", "s8s8"}};
    const char *kind = c->a_narrow == SL_ELEMENT_bf16 ? "bf16" : kinds[c->a_narrow == SL_ELEMENT_i8][c->b_element == SL_ELEMENT_i8];
    sl_named_attr attrs[4] = {int_attr(k, "sum", sum), int_attr(k, "left", left), int_attr(k, "right", right), {"kind", sl_attr_string(k->context, kind)}};
    build(k, SL_OP_kernel_matrix_dot, 0, NULL, 4, attrs);
}

/* Rows of a tile: known, or as many as there are rows at most. */
static sl_expr tile_height(tile_kernel *k, const contract *c) {
    sl_expr most = tile_const(k, c->tile_height);
    return c->m_known >= 0 ? most : sl_expr_min(k->context, most, c->m_extent);
}

void contract_matrix_begin(tile_kernel *k, contract *c) {
    int64_t rows[8] = {0, 0, 0, 0, 0, 0, TILE_ROWS, TILE_ROWS}, bytes[8];
    for (int i = 0; i < 8; i++) bytes[i] = TILE_BYTES;
    sl_value *height = tile_index(k, tile_height(k, c));
    if (c->m_known < 0) height = tile_select(k, tile_compare(k, "ge", height, tile_i64(k, 1)), height, tile_i64(k, 1));
    sl_named_attr attrs[2] = {{"rows", sl_attr_ints(k->context, 8, rows)}, {"bytes", sl_attr_ints(k->context, 8, bytes)}};
    build(k, SL_OP_kernel_matrix_config, 1, &height, 2, attrs);
}

void contract_matrix_end(tile_kernel *k) { build(k, SL_OP_kernel_matrix_release, 0, NULL, 0, NULL); }

/* ---- tiles ---- */

/* Elements between rows of A in place. */
static sl_expr row_distance(tile_kernel *k, const contract *c) {
    sl_expr distance = tile_const(k, c->k_known), rest;
    if (c->m_count > 0) sl_expr_split_linear(k->context, c->a_space.accesses.data[0].offset, c->m[c->m_count - 1], &distance, &rest);
    return distance;
}

/* `count` tiles of rows by `columns` tiles of columns from row `base` on; edge: the last one of the block, which may have fewer rows. */
static void emit_tiles(tile_kernel *k, contract *c, int count, int columns, sl_expr m_low, sl_expr m_high, sl_expr base, bool edge, sl_expr panel) {
    sl_context *context = k->context;
    int pitch = c->column_vectors * c->panels_at_once * k->lanes, bytes = sl_element_bits(c->a_narrow) / 8;
    bool direct = c->a_mode == CONTRACT_A_DIRECT;
    int ahead = k->pass->kernel.prefetch ? k->pass->kernel.prefetch : AHEAD;
    sl_expr starts[2] = {base, tile_add(k, base, tile_const(k, c->tile_height))}, left[2], right[4], right_stride = tile_const(k, (int64_t)c->width * c->dot);
    if (edge && direct) {
        sl_expr last = sl_expr_min(context, starts[count - 1], sl_expr_sub(context, m_high, tile_height(k, c)));
        starts[count - 1] = tile_variable(k, tile_index(k, last));
    }
    sl_expr left_stride = direct ? row_distance(k, c) : tile_const(k, c->a_pitch);
    for (int i = 0; i < count; i++)
        left[i] = direct ? contract_row_offset(k, c, starts[i]) : tile_mul(k, sl_expr_sub(context, starts[i], m_low), tile_const(k, c->a_pitch));
    sl_value *a = direct ? tile_argument_of(k, sl_op_operand(c->anchor, c->left)) : c->a_scratch, *b = tile_argument_of(k, c->packed);
    for (int v = 0; v < columns; v++) right[v] = contract_panel_offset(k, c, panel, v);
    for (int i = 0; i < count * columns; i++) {
        sl_named_attr attr = int_attr(k, "tile", SUMS + i);
        build(k, SL_OP_kernel_matrix_zero, 0, NULL, 1, &attr);
    }
    sl_expr at = tile_variable(k, tile_for(k, tile_i64(k, 0), tile_i64(k, c->k_padded), tile_i64(k, TILE_BYTES / bytes), 0, NULL, NULL));
    for (int i = 0; i < count; i++)
        for (int v = 0; v < columns; v++) {
            if (i == 0) access_tile(k, SL_OP_kernel_matrix_load, RIGHT + v % 2, b, tile_add(k, right[v], tile_mul(k, at, tile_const(k, c->width))), right_stride);
            if (v == 0) access_tile(k, SL_OP_kernel_matrix_load, LEFT + i, a, tile_add(k, left[i], at), left_stride);
            for (int row = 0; i == 0 && row < TILE_ROWS; row++) {
                sl_expr line = tile_const(k, ((int64_t)ahead * TILE_ROWS + row) * c->width * c->dot);
                tile_prefetch(k, b, tile_add(k, tile_add(k, right[v], tile_mul(k, at, tile_const(k, c->width))), line));
            }
            for (int row = 0; v == 0 && count == 2 && row < c->tile_height; row++) {
                sl_expr line = tile_add(k, tile_mul(k, left_stride, tile_const(k, row)), tile_const(k, TILE_BYTES / bytes));
                tile_prefetch(k, a, tile_add(k, tile_add(k, left[i], at), line));
            }
            dot_tiles(k, c, SUMS + i * columns + v, LEFT + i, RIGHT + v % 2);
        }
    tile_end(k, 0, NULL, NULL);
    for (int i = 0; i < count; i++)
        for (int v = 0; v < columns; v++) {
            sl_expr row = tile_mul(k, sl_expr_sub(context, starts[i], starts[0]), tile_const(k, pitch));
            access_tile(k, SL_OP_kernel_matrix_store, SUMS + i * columns + v, c->c_scratch, tile_add(k, row, tile_const(k, (int64_t)v * k->lanes)), tile_const(k, pitch));
        }
    sl_value *slot = c->c_scratch;
    c->c_scratch = tile_pointer(k, slot, tile_mul(k, sl_expr_sub(context, base, starts[0]), tile_const(k, pitch)));
    contract_epilogue_rows(k, c, base, edge ? sl_expr_sub(context, m_high, base) : tile_const(k, (int64_t)count * c->tile_height), panel);
    c->c_scratch = slot;
}

static void emit_row_groups(tile_kernel *k, contract *c, int columns, sl_expr m_low, sl_expr m_high, sl_expr panel) {
    sl_context *context = k->context;
    int64_t span = sl_expr_const_or(sl_expr_sub(context, m_high, m_low), -1);
    int tiles = c->rows / c->tile_height;
    sl_expr rest = m_low;
    if (span == c->rows) {
        emit_tiles(k, c, tiles, columns, m_low, m_high, m_low, false, panel);
        return;
    }
    if (span < 0 || span > c->rows) {
        sl_expr m = tile_variable(k, tile_for(k, tile_index(k, m_low), tile_index(k, sl_expr_sub(context, m_high, tile_const(k, c->rows - 1))), tile_i64(k, c->rows), 0, NULL, NULL));
        emit_tiles(k, c, tiles, columns, m_low, m_high, m, false, panel);
        tile_end(k, 0, NULL, NULL);
        sl_expr whole = tile_mul(k, sl_expr_floordiv(context, sl_expr_sub(context, m_high, m_low), tile_const(k, c->rows)), tile_const(k, c->rows));
        rest = tile_add(k, m_low, span < 0 ? whole : tile_const(k, span / c->rows * c->rows));
    }
    if (span >= 0) {
        int64_t left = span % c->rows;
        if (left) emit_tiles(k, c, left > c->tile_height ? 2 : 1, columns, m_low, m_high, rest, true, panel);
        return;
    }
    rest = tile_variable(k, tile_index(k, rest));
    sl_expr left = sl_expr_sub(context, m_high, rest);
    int64_t known = c->m_known >= 0 ? c->m_known % c->block_rows % c->rows : -1;       /* of the last block; others are whole */
    if (known == 0) return;
    for (int count = 2; count >= 1; count--) {
        if (known > 0 && count != (known > c->tile_height ? 2 : 1)) continue;
        tile_if(k, tile_compare(k, "gt", tile_index(k, left), tile_i64(k, count == 2 ? c->tile_height : 0)), 0, NULL);
        emit_tiles(k, c, count, columns, m_low, m_high, rest, true, panel);
        if (count == 2 && known < 0) tile_else(k, 0, NULL);
    }
    for (int open = known < 0 ? 2 : 1; open > 0; open--) tile_end(k, 0, NULL, NULL);
}

void contract_emit_matrix_rows(tile_kernel *k, contract *c, sl_expr m_low, sl_expr m_high, sl_expr panel) {
    int columns = c->column_vectors * c->panels_at_once;
    int64_t groups = (c->n_known + (int64_t)columns * k->lanes - 1) / ((int64_t)columns * k->lanes), tiles = (c->n_known + k->lanes - 1) / k->lanes;
    int last = (int)(tiles - (groups - 1) * columns);
    if (last == columns || groups == 1) {
        emit_row_groups(k, c, last, m_low, m_high, panel);
        return;
    }
    tile_if(k, tile_compare(k, "eq", tile_index(k, panel), tile_i64(k, (groups - 1) * c->panels_at_once)), 0, NULL);
    emit_row_groups(k, c, last, m_low, m_high, panel);
    tile_else(k, 0, NULL);
    emit_row_groups(k, c, columns, m_low, m_high, panel);
    tile_end(k, 0, NULL, NULL);
}
