/* tile_contract.c: contractions (and convolutions, which are contractions read at windows) in register tiles with fused epilogues; see tile_contract.h.
 *
 *     task = (batch, group of panels, block of rows)
 *         [pack the block's rows of A into scratch]                       windows, guards, narrow elements
 *         for panel in group:                                             width columns: stays in the core's cache
 *             [pack the panel of B into scratch]                          operands that are not constants and don't have n contiguous
 *             for tile of `rows` rows in block, then the remainder:
 *                 accumulators = 0; for k: load a vector row of B, broadcast `rows` elements of A, fma
 *                 epilogue on the accumulators, store
 *
 * Each element of C is one chain of FMAs over ascending k, whatever the tile, so results do not depend on blocking, threads or batch. B's panel streams from L2 at a fraction of
 * what the FMAs need. Where a panel is too tall for that, k is blocked: the block's sums wait in scratch while the tiles go through one block of k after the other, and the
 * epilogue comes last.
 *
 * Orientation: the lanes walk the side that holds the contiguous dimension of the result; the sides are swapped when that is the left one.
 */
#include "tile_contract.h"

#include <assert.h>
#include <string.h>

/* ---- roles ---- */

static sl_expr extent_of(tile_kernel *k, const contract *c, int count, const int *loops, int64_t *known) {
    sl_expr extent = tile_const(k, 1);
    for (int i = 0; i < count; i++) extent = tile_mul(k, extent, sl_nest_bound(c->anchor, loops[i]));
    if (known) *known = sl_expr_const_or(extent, -1);
    return extent;
}

/* Role of the loop that walks the result with stride 1, or -1. */
static int contiguous_role(tile_kernel *k, const sl_op *anchor, const sl_contraction *info) {
    sl_expr strides[SL_NEST_MAX_LOOPS], base;
    if (!sl_map_strides(k->context, sl_nest_result_map(anchor, 0), sl_value_type(sl_op_result(anchor, 0)), strides, &base)) return -1;
    for (int i = 0; i < sl_nest_loop_count(anchor); i++)
        if (!sl_nest_is_reduced(anchor, i) && sl_expr_equals_const(strides[i], 1)) return (int)info->roles[i];
    return -1;
}

static bool assign_roles(tile_kernel *k, contract *c) {
    sl_contraction info;
    if (!sl_nest_is_contraction(c->anchor, &info)) return false;
    int role = contiguous_role(k, c->anchor, &info);
    bool swap = info.n_count == 0 || (role == SL_ROLE_M && info.m_count > 0);
    if (c->statistic_count) swap = false;
    else if (k->pass->kernel.orientation && info.n_count && info.m_count) swap = swap != (k->pass->kernel.orientation == SL_ORIENTATION_SWAPPED);
    c->left = swap ? info.right : info.left, c->right = swap ? info.left : info.right;
    c->accumulator = info.accumulator;
    c->loop_count = sl_nest_loop_count(c->anchor);
    for (int i = 0; i < c->loop_count; i++) {
        sl_loop_role r = info.roles[i];
        if (swap) r = r == SL_ROLE_M ? SL_ROLE_N : r == SL_ROLE_N ? SL_ROLE_M : r;
        c->loops[i] = sl_expr_loop(k->context, i);
        if (r == SL_ROLE_BATCH) c->batch[c->batch_count++] = i;
        if (r == SL_ROLE_M) c->m[c->m_count++] = i;
        if (r == SL_ROLE_N) c->n[c->n_count++] = i;
        if (r == SL_ROLE_K) c->k[c->k_count++] = i;
    }
    if (c->n_count == 0 || c->k_count == 0) return false;
    c->batch_extent = extent_of(k, c, c->batch_count, c->batch, NULL);
    c->m_extent = extent_of(k, c, c->m_count, c->m, &c->m_known);
    c->n_extent = extent_of(k, c, c->n_count, c->n, &c->n_known);
    c->k_extent = extent_of(k, c, c->k_count, c->k, &c->k_known);
    sl_attr init = sl_nest_init(c->anchor, 0);
    return sl_attr_data_float(init, 0) == 0;
}

/* Whether the twin walks the rows and its weights just as the anchor does. */
static bool is_twin(const contract *c) {
    int operands = sl_op_operand_count(c->anchor);
    if (!sl_nest_is_contraction(c->twin, NULL) || sl_op_operand_count(c->twin) != operands || sl_nest_loop_count(c->twin) != c->loop_count || c->batch_count) return false;
    for (int i = 0; i < c->loop_count; i++)
        if (sl_nest_bound(c->twin, i) != sl_nest_bound(c->anchor, i) || sl_nest_is_reduced(c->twin, i) != sl_nest_is_reduced(c->anchor, i)) return false;
    for (int i = 0; i < operands; i++)
        if (sl_nest_map(c->twin, i) != sl_nest_map(c->anchor, i) || sl_value_type(sl_op_operand(c->twin, i)) != sl_value_type(sl_op_operand(c->anchor, i))) return false;
    return sl_op_operand(c->twin, c->left) == sl_op_operand(c->anchor, c->left) && sl_nest_result_map(c->twin, 0) == sl_nest_result_map(c->anchor, 0) &&
           sl_value_type(sl_op_result(c->twin, 0)) == sl_value_type(sl_op_result(c->anchor, 0)) && sl_attr_data_float(sl_nest_init(c->twin, 0), 0) == 0;
}

static void add_role_set(tile_kernel *k, const contract *c, int count, const int *loops, int *set) {
    sl_expr extents[SL_NEST_MAX_LOOPS];
    *set = -1;
    if (count == 0) return;
    for (int i = 0; i < count; i++) extents[i] = sl_nest_bound(c->anchor, loops[i]);
    *set = tile_add_set(k, count, loops, extents);
}

/* ---- layout of the left operand ---- */

/* The dim of the left operand that the innermost summed loop walks alone, when that is not its last dim; else -1. */
static int misplaced_channel(const contract *c) {
    sl_attr map = sl_nest_map(c->anchor, c->left);
    int rank = sl_attr_count(map), inner = c->k[c->k_count - 1], dim = -1;
    for (int i = 0; i < rank; i++) {
        sl_expr index = sl_attr_map_result(map, i);
        if (!sl_expr_uses_loop(index, inner)) continue;
        if (dim >= 0 || sl_expr_plain_loop(index) != inner) return -1;
        dim = i;
    }
    return dim == rank - 1 ? -1 : dim;
}

/* Windows over a tensor whose channels are not contiguous (the channels-first input of a channels-last convolution) would be gathered element by element, once for every
 * window; one transposed copy in front is cheaper. Makes it, and a nest for it, which is tiled at once. */
static void move_channel_last(sl_pass_context *pass, contract *c) {
    sl_value *tensor = sl_op_operand(c->anchor, c->left);
    sl_type type = sl_value_type(tensor);
    int dim = misplaced_channel(c), rank = sl_type_rank(type), order[SL_MAX_RANK], count = 0;
    if (dim < 0 || c->k_count < 2 || sl_value_constant(tensor)) return;
    if (tile_maker(tensor) && sl_op_parent(tile_maker(tensor)) == sl_op_parent(c->anchor) && sl_op_get_kind(sl_op_parent(c->anchor)) == SL_OP_nest_group) return;
    sl_context *context = sl_module_context(pass->module);
    sl_op *place = c->anchor;
    while (sl_op_get_kind(sl_op_parent(place)) == SL_OP_nest_group) place = sl_op_parent(place);
    sl_builder here = sl_builder_before(place);
    sl_nest_spec spec;
    sl_expr loops[SL_MAX_RANK], dims[SL_MAX_RANK], moved[SL_MAX_RANK];
    for (int i = 0; i < rank; i++)
        if (i != dim) order[count++] = i;
    order[count] = dim;
    sl_spec_init(&spec, context);
    for (int i = 0; i < rank; i++) dims[i] = sl_type_dim(type, order[i]), moved[i] = sl_spec_loop(&spec, dims[i], false);
    for (int i = 0; i < rank; i++) loops[order[i]] = moved[i];
    sl_spec_operand(&spec, tensor, loops, NULL);
    sl_spec_result(&spec, sl_type_tensor(context, sl_type_element(type), rank, dims), moved, NULL);
    spec.reason = "channels last for the windows that read it";
    sl_op *copy = sl_spec_build(&spec, &here);
    sl_builder body = sl_builder_at_end(pass->module, sl_nest_body(copy));
    sl_value *element = sl_nest_argument(copy, 0);
    sl_build(&body, SL_OP_nest_yield, 1, &element, 0, NULL, 0, NULL);
    sl_value *result = sl_op_result(copy, 0);
    int operands = sl_op_operand_count(c->anchor);
    sl_attr maps[4], old = sl_op_attr(c->anchor, "maps");
    for (int i = 0; i < sl_attr_count(old) && i < 4; i++) maps[i] = sl_attr_item(old, i);
    sl_expr indices[SL_MAX_RANK];
    for (int i = 0; i < rank; i++) indices[i] = sl_attr_map_result(maps[c->left], order[i]);
    maps[c->left] = sl_attr_map(context, sl_attr_map_loops(maps[c->left]), rank, indices);
    sl_op_set_attr(c->anchor, "maps", sl_attr_array(context, operands + 1, maps));
    sl_op_set_operand(c->anchor, c->left, result);
    tile_try_loops(pass, copy);
}

/* ---- spaces ---- */

static void open_space(const contract *c, tile_space *space) {
    *space = (tile_space){.loops = c->loop_count, .lane_safe = true};
    for (int i = 0; i < c->loop_count; i++) space->extents[i] = sl_nest_bound(c->anchor, i), space->reduced[i] = sl_nest_is_reduced(c->anchor, i);
}

static bool same_loops(const contract *c, const sl_op *nest) {
    int parallel = 0;
    for (int i = 0; i < c->loop_count; i++) parallel += !sl_nest_is_reduced(c->anchor, i);
    if (sl_nest_loop_count(nest) != parallel || sl_nest_reduced_count(nest)) return false;
    for (int i = 0; i < parallel; i++)                       /* the anchor's parallel loops come first */
        if (sl_nest_is_reduced(c->anchor, i) || sl_nest_bound(nest, i) != sl_nest_bound(c->anchor, i)) return false;
    return true;
}

static bool collect(tile_kernel *k, contract *c) {
    open_space(c, &c->a_space), open_space(c, &c->b_space), open_space(c, &c->c_space);
    tile_collect_value(k, &c->a_space, c->anchor, c->loops, sl_nest_argument(c->anchor, c->left));
    tile_collect_value(k, &c->b_space, c->anchor, c->loops, sl_nest_argument(c->anchor, c->right));
    if (c->twin) open_space(c, &c->twin_space), tile_collect_value(k, &c->twin_space, c->twin, c->loops, sl_nest_argument(c->twin, c->right));
    for (int i = 0; i < c->group.nest_count; i++) {
        sl_op *nest = c->group.nests[i];
        if (nest == c->anchor || nest == c->gather || nest == c->twin || contract_is_statistic(c, nest)) continue;
        if (!same_loops(c, nest)) return false;
        tile_collect(k, &c->c_space, nest, c->loops);
    }
    for (int i = 0; i < c->group.yield_count; i++) {
        sl_expr positions[SL_MAX_RANK];
        sl_value *yield = c->group.yields[i];
        if (contract_is_statistic(c, tile_maker(yield))) continue;
        tile_result_positions(k, tile_maker(yield), sl_value_index(yield), c->loops, positions);
        tile_collect_write(k, &c->c_space, k->outputs.data[i].tensor, positions);
    }
    return !c->a_space.failure && !c->b_space.failure && !c->twin_space.failure && !c->c_space.failure && c->c_space.lane_safe;
}

static bool collapses(tile_kernel *k, const tile_space *space, const contract *c, int count, const int *loops) {
    for (int i = 0; i + 1 < count; i++)
        if (!tile_can_collapse(k, space, loops[i], loops[i + 1], sl_nest_bound(c->anchor, loops[i + 1]))) return false;
    return true;
}

/* Whether the operand is one plain load whose offset is linear in k (flat) and, for B, has stride 1 along n (flat). */
static bool is_direct(tile_kernel *k, const contract *c, const tile_space *space, int operand, bool columns) {
    sl_value *tensor = sl_op_operand(c->anchor, operand);
    sl_expr coefficient, rest;
    if (space->accesses.count != 1 || contract_has_guard(space) || tile_is_inside(k, tensor) || !collapses(k, space, c, c->k_count, c->k)) return false;
    sl_expr offset = space->accesses.data[0].offset;
    for (int i = 0; i < c->loop_count; i++)
        if (sl_expr_uses_loop(offset, i) && (!sl_expr_split_linear(k->context, offset, i, &coefficient, &rest) || sl_expr_uses_any_loop(coefficient))) return false;
    if (!columns) return true;
    if (!collapses(k, space, c, c->n_count, c->n)) return false;
    int inner = c->n[c->n_count - 1];
    return sl_expr_uses_loop(offset, inner) && sl_expr_split_linear(k->context, offset, inner, &coefficient, &rest) && sl_expr_equals_const(coefficient, 1);
}

/* ---- choices ---- */

static bool lane_element(sl_element element) {
    return sl_element_bits(element) >= 8 && !(sl_element_is_float(element) && sl_element_bits(element) == 8) && element != SL_ELEMENT_str;
}

static int64_t round_up(int64_t value, int64_t step) { return (value + step - 1) / step * step; }

/* Whether the rows of a tile, read at one k, fall on so few sets of L1 that they push each other out: their distance is a multiple of a large power of two. A page of
 * addresses makes one way on all machines with virtually indexed caches. */
static bool rows_collide(tile_kernel *k, const contract *c, sl_element element) {
    sl_expr coefficient, rest;
    if (c->m_count == 0 || !sl_expr_split_linear(k->context, c->a_space.accesses.data[0].offset, c->m[c->m_count - 1], &coefficient, &rest)) return false;
    int64_t stride = sl_expr_const_or(coefficient, 0) * sl_element_bits(element) / 8, sets = 64;
    if (stride <= 0 || stride % 64) return false;
    for (int64_t lines = stride / 64; sets > 1 && lines % 2 == 0; lines /= 2) sets /= 2;
    return c->rows > (k->machine->wide_fma ? 4 : 8) * sets;          /* measured for both kinds of machine */
}

static bool choose_modes(tile_kernel *k, contract *c) {
    sl_element a = sl_type_element(sl_value_type(sl_op_operand(c->anchor, c->left))), b = sl_type_element(sl_value_type(sl_op_operand(c->anchor, c->right)));
    bool a_direct = is_direct(k, c, &c->a_space, c->left, false);
    if (!c->matrix && contract_can_pack(k, c)) contract_choose_dot(k, c);
    if ((c->picks > 1 || c->twin) && c->a_shift) c->dot = 1, c->a_shift = 0;       /* column sums are those of one weight */
    if (c->dot > 1) {
        c->a_plain = a_direct || c->gather;
        const int want = k->pass->kernel.a;
        bool direct = a_direct && (c->matrix ? contract_matrix_direct(k, c) : contract_dot_direct(k, c)), packs = want == SL_LEFT_PACKED || (!c->matrix && c->n_known >= 2 * c->width && rows_collide(k, c, a));
        c->a_mode = direct && (!packs || want == SL_LEFT_DIRECT) ? CONTRACT_A_DIRECT : CONTRACT_A_PACKED;
        c->a_element = c->a_narrow, c->b_element = b, c->b_mode = CONTRACT_B_CONSTANT;
        if (c->matrix || c->a_mode == CONTRACT_A_DIRECT || c->k_padded * sl_element_bits(c->a_narrow) / 8 * c->rows <= (1 << 20)) return true;
        c->dot = 1, c->a_shift = 0;
    }
    /* Packing widens narrow elements once a row instead of once a use. */
    if (a_direct && (a == c->accumulator || c->k_known < 0 || (c->m_known >= 0 && c->m_known <= 2) || c->n_known < 2 * c->width)) c->a_mode = CONTRACT_A_DIRECT;
    else c->a_mode = CONTRACT_A_PACKED;
    c->a_plain = a_direct || c->gather;
    if (c->a_mode == CONTRACT_A_DIRECT && c->k_known > 0 && (c->n_known < 0 || c->n_known >= 2 * c->width) && rows_collide(k, c, a)) c->a_mode = CONTRACT_A_PACKED;
    const sl_kernel_choice *forced = &k->pass->kernel;
    if (forced->a == SL_LEFT_DIRECT && a_direct) c->a_mode = CONTRACT_A_DIRECT;
    if (forced->a == SL_LEFT_PACKED && c->k_known >= 0) c->a_mode = CONTRACT_A_PACKED;
    c->a_element = c->a_mode == CONTRACT_A_DIRECT ? a : c->accumulator;
    if (c->a_mode == CONTRACT_A_PACKED && (c->k_known < 0 || c->k_known * sl_element_bits(c->accumulator) / 8 * c->rows > (1 << 20))) return false;
    bool packs = lane_element(b) && c->k_known >= 0;
    if ((!forced->b || forced->b == SL_RIGHT_CONSTANT || (forced->b == SL_RIGHT_PACKED && !packs)) && contract_can_pack(k, c)) {
        c->b_mode = CONTRACT_B_CONSTANT;
        return true;
    }
    if (!lane_element(b)) return false;
    if (!(forced->b == SL_RIGHT_PACKED && packs) && is_direct(k, c, &c->b_space, c->right, true)) {
        c->b_mode = CONTRACT_B_DIRECT, c->b_element = b;
        return true;
    }
    /* Packing pays when several rows use the panel; otherwise sums of products along k are better off as reductions (tile_rows.c). */
    c->b_mode = CONTRACT_B_PACKED, c->b_element = c->accumulator;
    if (c->k_known < 0 || c->k_known * c->width * sl_element_bits(c->accumulator) / 8 > (2 << 20)) return false;
    return c->m_known < 0 || c->m_known > 3 || forced->b == SL_RIGHT_PACKED;
}

static bool one_for_symbol(void *self, sl_expr atom, int64_t *value) {
    (void)self, (void)atom;
    *value = 1;
    return true;
}

static double least_extent(sl_expr extent) {
    int64_t value;
    return sl_expr_evaluate(extent, one_for_symbol, NULL, &value) && value > 0 ? (double)value : 1;
}

/* Few tasks: when the busiest thread has fewer panels to go through with a smaller share of panels to each task, that share. */
static int64_t balanced_panels(const contract *c, int64_t panels, int64_t others, int64_t per_task, int threads) {
    if (c->b_mode != CONTRACT_B_CONSTANT || c->a_mode == CONTRACT_A_PACKED || sl_expr_const_or(c->panels, -1) < 0 || threads < 2) return per_task;
    if (others * panels > 64 * (int64_t)threads) return per_task;
    int64_t best = per_task, least = INT64_MAX;
    for (int64_t each = per_task; each >= c->panels_at_once; each -= c->panels_at_once) {
        int64_t tasks = others * ((panels + each - 1) / each), busiest = (tasks + threads - 1) / threads * each;
        if (busiest < least) least = busiest, best = each;
    }
    return best;
}

/* Many rows read in place, and weights that stay in L2 as a whole: a task takes some rows through all panels. Going through all rows once for each panel would fetch them, and what
 * the epilogue reads beside them, from L3 or memory as often as there are panels, and write results in pieces of one panel's width. */
static bool rows_stream(const tile_kernel *k, const contract *c, int64_t b_bytes, double least_rows, double row_cycles) {
    int threads = k->pass->threads > 0 ? k->pass->threads : 1;
    if (c->a_mode != CONTRACT_A_DIRECT || c->b_mode != CONTRACT_B_CONSTANT || c->k_block || c->picks > 1 || c->whole.shared || k->pass->kernel.block_rows) return false;
    return b_bytes <= k->machine->l2_bytes / 2 && least_rows >= 8.0 * threads * c->rows && least_rows * row_cycles >= 8 * threads * 20000.0;
}

static void choose_blocks(tile_kernel *k, contract *c) {
    int64_t bytes = sl_element_bits(c->a_element) / 8, k_size = c->k_known < 0 ? 512 : c->k_known, row_bytes = (k_size < 1 ? 1 : k_size) * bytes;
    int threads = k->pass->threads > 0 ? k->pass->threads : 1;
    /* Tall panels that several tiles use: blocks of k whose part of the panel takes a fifth of L2. (Rows packed by the task are few tiles, which stay in L2 themselves.) */
    int64_t panel_bytes = k_size * c->width * (sl_element_bits(c->b_element) / 8), part = k->machine->l2_bytes / 5;
    if (!c->matrix && c->k_known > 0 && c->a_plain && panel_bytes > k->machine->l2_bytes / 3 && (c->m_known < 0 || c->m_known >= 3 * c->rows) && part > 0) {
        int64_t pieces = (panel_bytes + part - 1) / part;
        c->k_block = round_up((c->k_known + pieces - 1) / pieces, 4);
    }
    if (!c->matrix && k->pass->kernel.k_block && c->k_known > 0) c->k_block = round_up(k->pass->kernel.k_block, c->dot);
    if (c->k_block) row_bytes = c->k_block * bytes;
    int64_t limit = c->a_mode == CONTRACT_A_PACKED && !c->k_block ? k->machine->l2_bytes * 3 / 8 : k->machine->l2_bytes / 2;
    if (limit < (64 << 10)) limit = 64 << 10;
    /* When all of B stays in L2 next to them, the packed rows of one tile are used up while they are in L1. */
    int64_t b_bytes = panel_bytes * sl_expr_const_or(c->panels, 1 << 20);
    if (c->a_mode == CONTRACT_A_PACKED && !c->k_block && b_bytes <= k->machine->l2_bytes / 2) limit = k->machine->l1_bytes * 3 / 4;
    int64_t block = limit / row_bytes / c->rows * c->rows, batch = sl_expr_const_or(c->batch_extent, 0), panels = sl_expr_const_or(c->panels, 0);
    if (block < c->rows) block = c->rows;
    if (c->a_mode == CONTRACT_A_DIRECT && block < 4 * c->rows) block = 4 * c->rows;
    if (block > 40 * c->rows) block = 40 * c->rows;
    if (c->a_mode == CONTRACT_A_PACKED && c->k_block && block * c->k_known * bytes > (2 << 20)) block = round_up((2 << 20) / (c->k_known * bytes) + 1, c->rows);
    if (c->b_mode == CONTRACT_B_PACKED && c->m_known > 0 && c->m_known <= 1024) block = c->m_known;
    double panel_cycles = (double)k_size / c->dot / (c->matrix ? 16 : 1) * c->column_vectors;       /* of one row of one panel */
    if (batch < 1) batch = (int64_t)least_extent(c->batch_extent);
    if (panels == 0) panels = (int64_t)tile_estimate(c->panels);
    if (c->m_known >= 0) {
        /* Few tasks otherwise: smaller blocks, as long as there is work in them. */
        int64_t want = 4 * threads;
        if (batch * panels < want && c->b_mode != CONTRACT_B_PACKED) {
            int64_t blocks = (want + batch * panels - 1) / (batch * panels), fine = round_up((c->m_known + blocks - 1) / blocks, c->rows);
            while (fine < c->m_known && (double)fine * panel_cycles * (double)panels < 20000) fine += c->rows;
            if (fine < block) block = fine;
        }
        if (c->m_known < block + block / 2) block = c->m_known;
        else block = round_up((c->m_known + (c->m_known + block - 1) / block - 1) / ((c->m_known + block - 1) / block), c->rows);
        if (block < 1) block = 1;
    }
    if (k->pass->kernel.block_rows) block = round_up(k->pass->kernel.block_rows, c->rows);
    if (c->m_known >= 0 && block > c->m_known) block = c->m_known < 1 ? 1 : c->m_known;
    c->block_rows = block;
    /* Panels of one task: enough work for a task, and, when rows are packed, enough use of them, but tasks for every thread. Unknown extents count as 1 here, so that a batch
     * of one is not starved. */
    double least_rows = c->m_known < 0 ? least_extent(c->m_extent) : (double)c->m_known, rows_here = least_rows < (double)block ? least_rows : (double)block;
    int64_t blocks = (int64_t)((least_rows + (double)block - 1) / (double)block), per_task = c->panels_at_once, want = 4 * threads;
    if (rows_here < 8) rows_here = 8;
    if (c->matrix) rows_here = contract_matrix_rows(rows_here);
    double enough = c->matrix ? 10000 : c->a_mode == CONTRACT_A_PACKED ? 60000 : 20000;
    if (c->a_mode == CONTRACT_A_PACKED && b_bytes <= k->machine->l2_bytes / 2) per_task = round_up(panels, c->panels_at_once);
    while (per_task < panels && (double)per_task * rows_here * panel_cycles < enough) per_task += c->panels_at_once;
    if (c->a_mode == CONTRACT_A_PACKED && blocks > 0) {
        int64_t groups = (want + batch * blocks - 1) / (batch * blocks), most = (panels + groups - 1) / groups;
        if (per_task < most) per_task = round_up(most, c->panels_at_once);
    }
    if (c->a_mode == CONTRACT_A_PACKED && c->m_known < 0 && !c->k_block) {
        /* Rows whose number only the run knows: packing them shall cost little beside what is done with them, and a few rows still make tasks enough. */
        int64_t most = panels / 4 > 1 ? panels / 4 : 1;
        if (most > 16) most = 16;
        if (per_task < most) per_task = round_up(most, c->panels_at_once);
    }
    if (rows_stream(k, c, b_bytes, least_rows, panel_cycles * (double)panels)) {
        block = c->rows;
        while ((double)block * panel_cycles * (double)panels < 100000 && (block + c->rows) * row_bytes <= k->machine->l2_bytes / 4) block += c->rows;
        c->block_rows = block, c->panels_per_task = round_up(panels, c->panels_at_once), c->rows_stream = true;
        return;
    }
    if (sl_expr_const_or(c->panels, -1) < 0) per_task = c->panels_at_once;
    if (per_task > panels && sl_expr_const_or(c->panels, -1) >= 0) per_task = round_up(panels, c->panels_at_once);
    c->panels_per_task = balanced_panels(c, panels, batch * (blocks > 0 ? blocks : 1), per_task, threads);
}

/* ---- the register tile ---- */

bool contract_rows_flat(tile_kernel *k, const contract *c) { return collapses(k, &c->a_space, c, c->m_count, c->m); }

sl_value *contract_multiply_add(tile_kernel *k, sl_value *a, sl_value *b, sl_value *sum) {
    if (!sl_element_is_float(sl_type_element(sl_value_type(sum)))) return tile_binary(k, SL_OP_arith_add, sum, tile_binary(k, SL_OP_arith_mul, a, b));
    sl_value *operands[3] = {a, b, sum};
    return tile_op(k, SL_OP_arith_fma, sl_type_element(sl_value_type(sum)), 3, operands, 0, NULL);
}

static sl_expr sums_index(tile_kernel *k, const contract *c, sl_expr row, int v) {
    int64_t vectors = (int64_t)c->column_vectors * c->panels_at_once;
    return tile_add(k, tile_mul(k, row, tile_const(k, vectors * k->lanes)), tile_add(k, tile_const(k, (int64_t)v * k->lanes), tile_lane_expr(k)));
}

static void emit_tile(tile_kernel *k, contract *c, int rows, sl_expr m_low, sl_expr m_base, sl_expr panel) {
    int vectors = c->column_vectors * c->panels_at_once, count = rows * vectors;
    contract_address a, b;
    sl_value *accumulators[256], *start[256], *masks[64] = {0};
    assert(count <= 256 && rows <= 64);
    k->mask = NULL;
    contract_address_rows(k, c, rows, m_low, m_base, &a);
    contract_address_columns(k, c, panel, &b);
    if (!c->k_block) contract_prefetch_epilogue(k, c, rows, m_base, panel);
    sl_expr first_row = sl_expr_sub(k->context, m_base, m_low);
    for (int i = 0; i < count; i++)
        start[i] = c->k_block ? tile_load(k, c->c_scratch, sums_index(k, c, tile_add(k, first_row, tile_const(k, i / vectors)), i % vectors), NULL)
                 : i < vectors ? contract_start(k, c, panel, i) : start[i - vectors];
    if (c->b_mode == CONTRACT_B_DIRECT && c->columns_masked)
        for (int v = 0; v < vectors; v++) {
            sl_expr column = tile_add(k, tile_mul(k, panel, tile_const(k, c->width)), tile_const(k, (int64_t)v * k->lanes));
            masks[v] = tile_mask_first(k, tile_index(k, sl_expr_sub(k->context, c->n_extent, column)));
        }
    /* Panels that many tiles go through come from L2 (all but the first time) and are asked for 8 kB ahead. With few rows the panels are read once, in order: the machine's own
     * prefetching does better alone, but for the weights of experts, where streams begin anew all the time. */
    int64_t vector_bytes = (int64_t)k->lanes * sl_element_bits(c->b_element) / 8;
    bool many = c->m_known < 0 ? rows > 4 : c->m_known >= 4 * c->rows;
    bool prefetch = c->b_mode == CONTRACT_B_CONSTANT && (many || (c->picks > 1 && rows <= 4)) && c->k_known * c->column_vectors * vector_bytes > k->machine->l1_bytes / 2;
    int unroll = count <= 8 ? 4 : count <= 16 ? 2 : 1;
    while (unroll > 1 && (c->k_known < 0 || (c->dot > 1 ? c->k_padded : c->k_known) % (unroll * c->dot) || c->k_block % (unroll * c->dot))) unroll /= 2;
    sl_expr k_low = c->k_block ? c->k_low : tile_const(k, 0), k_high = c->k_block ? c->k_high : c->dot > 1 ? tile_const(k, c->k_padded) : c->k_extent;
    sl_expr at = tile_variable(k, tile_for(k, tile_index(k, k_low), tile_index(k, k_high), tile_i64(k, unroll * c->dot), count, start, accumulators));
    for (int u = 0; u < unroll; u++) {
        sl_expr here = tile_add(k, at, tile_const(k, u * c->dot));
        sl_value *columns[64];
        for (int v = 0; v < vectors; v++) {
            sl_expr index = tile_add(k, tile_add(k, tile_mul(k, here, b.step), b.differences[v]), tile_lane_expr(k));
            if (c->dot > 1) columns[v] = contract_load_columns(k, c, b.pointers[v], tile_add(k, tile_mul(k, here, b.step), b.differences[v]));
            else columns[v] = tile_cast(k, tile_load(k, b.pointers[v], index, masks[v]), c->accumulator);
            if (prefetch && (int64_t)v * vector_bytes % 64 == 0)
                tile_prefetch(k, b.pointers[v], tile_add(k, tile_mul(k, tile_add(k, here, tile_const(k, 2048 / c->width)), b.step), b.differences[v]));
        }
        for (int i = 0; i < rows; i++) {
            sl_expr index = tile_add(k, tile_mul(k, here, a.step), a.differences[i]);
            if (c->dot > 1) {
                sl_value *group = contract_load_group(k, c, a.pointers[i], index);
                for (int v = 0; v < vectors; v++) accumulators[i * vectors + v] = contract_dot(k, accumulators[i * vectors + v], group, columns[v]);
                continue;
            }
            sl_value *element = tile_cast(k, tile_load(k, a.pointers[i], index, NULL), c->accumulator);
            sl_value *row = tile_splat(k, element);
            for (int v = 0; v < vectors; v++) accumulators[i * vectors + v] = contract_multiply_add(k, row, columns[v], accumulators[i * vectors + v]);
        }
    }
    sl_value *sums[256];
    tile_end(k, count, accumulators, sums);
    if (c->k_block) {
        for (int i = 0; i < count; i++) tile_store(k, sums[i], c->c_scratch, sums_index(k, c, tile_add(k, first_row, tile_const(k, i / vectors)), i % vectors), NULL);
        return;
    }
    contract_epilogue(k, c, rows, m_base, panel, sums);
}

/* ---- rows of a block ---- */

static void emit_rows(tile_kernel *k, contract *c, sl_expr m_low, sl_expr m_high, sl_expr panel) {
    sl_context *context = k->context;
    int64_t span = sl_expr_const_or(sl_expr_sub(context, m_high, m_low), -1);
    sl_expr rest = m_low;
    if (span < 0 || span >= c->rows) {
        sl_expr last = sl_expr_sub(context, m_high, tile_const(k, c->rows - 1));
        if (span == c->rows) {
            emit_tile(k, c, c->rows, m_low, m_low, panel);
        } else {
            sl_expr m = tile_variable(k, tile_for(k, tile_index(k, m_low), tile_index(k, last), tile_i64(k, c->rows), 0, NULL, NULL));
            emit_tile(k, c, c->rows, m_low, m, panel);
            tile_end(k, 0, NULL, NULL);
        }
        sl_expr full = tile_mul(k, sl_expr_floordiv(context, sl_expr_sub(context, m_high, m_low), tile_const(k, c->rows)), tile_const(k, c->rows));
        rest = tile_add(k, m_low, span < 0 ? full : tile_const(k, span / c->rows * c->rows));
    }
    if (c->m_known >= 0) {
        int left = (int)(c->m_known % c->block_rows % c->rows);
        if (c->m_known % c->block_rows == 0) left = (int)(c->block_rows % c->rows);
        if (left == 0) return;
        if (span < 0) tile_if(k, tile_compare(k, "lt", tile_index(k, rest), tile_index(k, m_high)), 0, NULL);
        emit_tile(k, c, left, m_low, rest, panel);
        if (span < 0) tile_end(k, 0, NULL, NULL);
        return;
    }
    for (int size = 16; size >= 1; size /= 2) {
        if (size >= c->rows) continue;
        sl_value *enough = tile_compare(k, "ge", tile_index(k, sl_expr_sub(context, m_high, rest)), tile_i64(k, size));
        sl_expr at = tile_variable(k, tile_index(k, rest));
        tile_if(k, enough, 0, NULL);
        emit_tile(k, c, size, m_low, at, panel);
        tile_end(k, 0, NULL, NULL);
        rest = tile_variable(k, tile_select(k, enough, tile_index(k, tile_add(k, at, tile_const(k, size))), tile_index(k, at)));
    }
}

/* Panels that a few rows take at once: as many streams of weights as have accumulators, when they divide the panels of a task. */
static void choose_few(tile_kernel *k, contract *c) {
    int64_t panels = sl_expr_const_or(c->panels, -1);
    if (c->matrix || c->m_known >= 0 || c->b_mode != CONTRACT_B_CONSTANT || panels < 2) return;
    for (int rows = 1; rows <= CONTRACT_FEW; rows++)
        for (int most = 4; most > 1 && !c->few[rows]; most--) {
            if ((rows + 1) * most * c->column_vectors + 1 > k->machine->vector_registers) continue;
            if (panels % most == 0 && (c->panels_per_task >= panels || c->panels_per_task % most == 0)) c->few[rows] = most;
        }
}

/* A block of `rows` rows, known to be all that it has: k in one piece, several panels side by side. */
static void emit_few(tile_kernel *k, contract *c, int rows, sl_expr m_low, sl_expr panel, sl_expr panel_end) {
    int64_t k_block = c->k_block;
    c->k_block = 0, c->panels_at_once = c->few[rows];
    sl_expr at = tile_variable(k, tile_for(k, tile_index(k, panel), tile_index(k, panel_end), tile_i64(k, c->panels_at_once), 0, NULL, NULL));
    emit_tile(k, c, rows, m_low, m_low, at);
    tile_end(k, 0, NULL, NULL);
    c->k_block = k_block, c->panels_at_once = 1;
}

/* One block of k after the other over sums in scratch, then the epilogue over all rows. */
static void emit_k_blocks(tile_kernel *k, contract *c, sl_expr m_low, sl_expr m_high, sl_expr panel) {
    sl_expr span = sl_expr_sub(k->context, m_high, m_low);
    int vectors = c->column_vectors * c->panels_at_once;
    sl_expr row = tile_variable(k, tile_for(k, tile_i64(k, 0), tile_index(k, span), tile_i64(k, 1), 0, NULL, NULL));
    for (int v = 0; v < vectors; v++) tile_store(k, contract_start(k, c, panel, v), c->c_scratch, sums_index(k, c, row, v), NULL);
    tile_end(k, 0, NULL, NULL);
    c->k_low = tile_variable(k, tile_for(k, tile_i64(k, 0), tile_index(k, c->k_extent), tile_i64(k, c->k_block), 0, NULL, NULL));
    sl_expr end = tile_add(k, c->k_low, tile_const(k, c->k_block));
    sl_expr k_end = c->dot > 1 ? tile_const(k, c->k_padded) : c->k_extent;
    c->k_high = c->k_known >= 0 && c->k_known % c->k_block == 0 ? end : tile_variable(k, tile_index(k, sl_expr_min(k->context, end, k_end)));
    emit_rows(k, c, m_low, m_high, panel);
    tile_end(k, 0, NULL, NULL);
    contract_epilogue_rows(k, c, m_low, span, panel);
}

/* Packs the rows of the task's block unless the task before it did. */
static void pack_rows_once(tile_kernel *k, contract *c, const sl_expr *counts, const sl_expr *indices, sl_expr m_low, sl_expr m_high) {
    if (!c->a_tag) {
        contract_pack_a(k, c, m_low, m_high);
        return;
    }
    sl_value *block = tile_index(k, tile_add(k, tile_mul(k, indices[0], counts[2]), indices[2])), *packed = tile_load(k, c->a_tag, tile_const(k, 0), NULL);
    tile_if(k, tile_compare(k, "ne", block, packed), 0, NULL);
    contract_pack_a(k, c, m_low, m_high);
    tile_store(k, block, c->a_tag, tile_const(k, 0), NULL);
    tile_end(k, 0, NULL, NULL);
}

static void emit_kernel(tile_kernel *k, contract *c, tile_launch *launch) {
    sl_context *context = k->context;
    int64_t panels = sl_expr_const_or(c->panels, -1);
    int64_t bytes = sl_element_bits(c->accumulator) / 8;
    sl_expr one = tile_const(k, 1), zero = tile_const(k, 0);
    sl_expr groups = sl_expr_ceildiv(context, c->panels, tile_const(k, c->panels_per_task));
    bool one_block = c->m_known >= 0 && c->m_known <= c->block_rows;
    sl_expr blocks = one_block ? one : sl_expr_ceildiv(context, c->m_extent, tile_const(k, c->block_rows));
    sl_expr counts[3] = {c->batch_extent, groups, blocks}, indices[3];
    if (c->a_mode == CONTRACT_A_PACKED) {
        int64_t a_bytes = sl_element_bits(c->a_element) / 8;
        c->a_pitch = round_up(c->k_known, 64 / a_bytes) + 64 / a_bytes;      /* rows start on lines, and not all on the same sets */
        int64_t rows = c->m_known >= 0 && c->m_known < c->block_rows ? c->m_known : c->block_rows;
        if (c->matrix) rows = round_up(rows, c->tile_height);
        c->a_scratch = tile_scratch(k, c->a_element, (rows * c->a_pitch + k->lanes) * a_bytes);
    }
    if (c->b_mode == CONTRACT_B_PACKED) c->b_scratch = tile_scratch(k, c->accumulator, (c->k_known + 1) * c->width * bytes);
    c->heavy = contract_epilogue_is_heavy(c);
    int64_t sum_rows = c->k_block ? (one_block ? c->m_known : c->block_rows) : c->rows;
    if (c->heavy || c->k_block || c->matrix) c->c_scratch = tile_scratch(k, c->accumulator, sum_rows * c->width * c->panels_at_once * bytes);
    if (c->statistic_count) contract_statistics_scratch(k, c, one_block ? c->m_known : c->block_rows);
    bool again = c->a_mode == CONTRACT_A_PACKED && !sl_expr_equals_const(groups, 1);
    if (again) {                     /* tasks of one block of rows follow one another when there is one block: packed once for all that a thread gets in a row */
        c->a_tag = tile_scratch(k, SL_ELEMENT_i64, 64);
        tile_store(k, tile_i64(k, -1), c->a_tag, zero, NULL);
    }
    if (c->matrix) contract_matrix_begin(k, c);
    tile_task_loop(k, 3, counts, indices);
    if (c->batch_set >= 0) k->sets[c->batch_set].base = indices[0];
    sl_expr m_low = tile_mul(k, indices[2], tile_const(k, c->block_rows)), m_high = one_block ? c->m_extent : tile_add(k, m_low, tile_const(k, c->block_rows));
    if (!one_block && (c->m_known < 0 || c->m_known % c->block_rows)) m_high = sl_expr_min(context, m_high, c->m_extent);
    if (!one_block) m_high = sl_expr_get_kind(m_high) == SL_EXPR_MIN ? tile_variable(k, tile_index(k, m_high)) : m_high;
    if (c->a_mode == CONTRACT_A_PACKED) pack_rows_once(k, c, counts, indices, m_low, m_high);
    sl_expr panel = tile_mul(k, indices[1], tile_const(k, c->panels_per_task)), panel_end = tile_add(k, panel, tile_const(k, c->panels_per_task));
    int depth = k->depth;
    c->statistic_low = m_low, c->statistic_group = indices[1];
    bool whole = panels >= 0 && c->panels_per_task >= panels;
    if (whole) panel = zero, panel_end = c->panels;
    else if (panels < 0 || panels % c->panels_per_task) panel_end = sl_expr_min(context, panel_end, c->panels);
    sl_expr span = sl_expr_sub(context, m_high, m_low);
    for (int rows = 1; rows <= CONTRACT_FEW; rows++) {
        if (!c->few[rows]) continue;
        tile_if(k, tile_compare(k, "eq", tile_index(k, span), tile_i64(k, rows)), 0, NULL);
        emit_few(k, c, rows, m_low, panel, panel_end);
        tile_else(k, 0, NULL);
    }
    if (c->panels_per_task > c->panels_at_once)
        panel = tile_variable(k, tile_for(k, tile_index(k, panel), tile_index(k, panel_end), tile_i64(k, c->panels_at_once), 0, NULL, NULL));
    if (c->b_mode == CONTRACT_B_PACKED) contract_pack_b(k, c, panel);
    if (c->matrix) contract_emit_matrix_rows(k, c, m_low, m_high, panel);
    else if (c->k_block) emit_k_blocks(k, c, m_low, m_high, panel);
    else emit_rows(k, c, m_low, m_high, panel);
    while (k->depth > depth) tile_end(k, 0, NULL, NULL);
    if (c->statistic_count) contract_statistics_write(k, c, m_low, span, indices[1]);
    while (k->depth > 0) tile_end(k, 0, NULL, NULL);
    if (c->matrix) contract_matrix_end(k);
    launch->tasks = tile_mul(k, tile_mul(k, c->batch_extent, groups), blocks);
    double rows_here = c->m_known < 0 ? tile_estimate(c->m_extent) : (double)c->m_known;
    if (rows_here > (double)c->block_rows) rows_here = (double)c->block_rows;
    if (c->matrix) rows_here = contract_matrix_rows(rows_here);
    launch->grain = tile_grain(k, (double)c->panels_per_task * tile_estimate(c->k_extent) / c->dot / (c->matrix ? 16 : 1) * c->column_vectors * (rows_here < 2 ? 2 : rows_here) * 1.2);
    launch->work = tile_mul(k, tile_mul(k, c->batch_extent, c->m_extent), tile_mul(k, c->n_extent, c->k_extent));
    if (c->twin) launch->work = tile_mul(k, launch->work, tile_const(k, 2));
}

static const char *extent_text(tile_kernel *k, int64_t known) { return known < 0 ? "n" : sl_arena_printf(k->arena, "%lld", (long long)known); }

/* What is read of weights that are not packed (a slice of them whose size is known when running); NULL: B is no constant. */
static sl_expr bytes_in_place(tile_kernel *k, const contract *c) {
    sl_value *tensor = sl_op_operand(c->anchor, c->right);
    sl_attr data = sl_value_constant(tensor);
    if (!data || sl_attr_data_is_splat(data) || c->b_space.accesses.count != 1) return NULL;
    sl_expr bytes = tile_const(k, sl_element_bits(sl_type_element(sl_value_type(tensor))) / 8);
    for (int i = 0; i < c->loop_count; i++)
        if (sl_expr_uses_loop(c->b_space.accesses.data[0].offset, i)) bytes = tile_mul(k, bytes, sl_nest_bound(c->anchor, i));
    return bytes;
}

/* The cost model's tile, or the one that --kernel asks for. */
static sl_tile choose_tile(tile_kernel *k, const contract *c, int64_t n, int bits) {
    const sl_kernel_choice *forced = &k->pass->kernel;
    sl_tile tile = sl_cost_choose_tile(k->machine, k->arena, c->m_known, n, c->k_known, bits);
    if (forced->tile_rows) tile.rows = forced->tile_rows;
    if (forced->tile_vectors) tile.column_vectors = forced->tile_vectors;
    if (c->twin && tile.column_vectors % 2) {      /* as many vectors of either product */
        tile.column_vectors++;
        int most = (k->machine->vector_registers - 1 - tile.column_vectors) / tile.column_vectors;
        if (tile.rows > most && most > 0) tile.rows = most;
    }
    if (forced->tile_rows || forced->tile_vectors) tile.reason = sl_arena_printf(k->arena, "tile %dx%d asked for", tile.rows, tile.column_vectors * k->lanes);
    return tile;
}

bool tile_try_contract(sl_pass_context *pass, tile_cache *cache, sl_op *op) {
    static const char *const a_names[] = {"rows in place", "rows packed by task"}, *const b_names[] = {"weights packed when compiling", "columns in place", "columns packed by task"};
    contract *c = SL_NEW(pass->scratch, contract);
    if (!tile_group_read(op, &c->group)) return false;
    c->anchor = c->group.nests[c->group.anchor];
    if (!sl_nest_is_contraction(c->anchor, NULL)) return false;
    tile_kernel *k = tile_kernel_begin(pass, op);
    bool ok = contract_find_statistics(k, c) && assign_roles(k, c) && c->loop_count < TILE_MAX_LOOPS;
    int products = c->group.twin < 0 ? 1 : 2, before = c->group.anchor + (c->group.twin < c->group.anchor ? 1 - products : 0);
    if (c->group.twin >= 0) c->twin = c->group.nests[c->group.twin];
    if (ok && before > 0) {
        c->gather = c->group.nests[0];
        ok = before == 1 && sl_op_operand(c->anchor, c->left) == sl_op_result(c->gather, 0);
    }
    if (ok && c->twin) ok = is_twin(c);
    if (ok && !c->gather) move_channel_last(pass, c);
    ok = ok && collect(k, c);
    int bits = ok ? sl_element_bits(c->accumulator) : 0;
    k->lanes = bits >= 8 && lane_element(c->accumulator) ? k->machine->vector_bits / bits : 1;
    if (!ok || k->lanes < 2 || k->lanes > 16) {
        tile_kernel_drop(k);
        return false;
    }
    add_role_set(k, c, c->batch_count, c->batch, &c->batch_set);
    add_role_set(k, c, c->m_count, c->m, &c->m_set);
    add_role_set(k, c, c->n_count, c->n, &c->n_set);
    c->free_sets = k->set_count;
    c->dot = 1;
    for (int i = 0; i < c->k_count; i++) k->extents[c->k[i]] = sl_nest_bound(c->anchor, c->k[i]);
    k->canonical_count = c->loop_count;
    const sl_kernel_choice *forced = &pass->kernel;
    pack_find_whole(k, cache, c, &c->whole);
    if (c->twin) c->whole.shared = false;
    sl_tile tile = choose_tile(k, c, c->whole.shared ? c->whole.n : c->twin ? 2 * c->n_known : c->n_known, bits);
    if (c->whole.shared && c->whole.first_n % (tile.column_vectors * k->lanes)) {    /* begins inside of a panel */
        c->whole.shared = false;
        tile = choose_tile(k, c, c->n_known, bits);
    }
    while (c->statistic_count && c->chunk % (tile.column_vectors * k->lanes)) tile.column_vectors--;       /* chunks are whole panels */
    bool matrix = !c->twin && !c->statistic_count && contract_plan_matrix(k, c);
    if (matrix) c->whole.shared = false;
    else c->rows = tile.rows, c->column_vectors = tile.column_vectors, c->width = tile.column_vectors * k->lanes, c->tile_reason = tile.reason;
    if (!matrix && c->m_known >= 0 && c->rows > c->m_known) c->rows = c->m_known < 1 ? 1 : (int)c->m_known;
    c->columns = c->twin ? c->width / 2 : c->width;
    c->panels = sl_expr_ceildiv(k->context, c->n_extent, tile_const(k, c->columns)), c->panels_at_once = 1;
    sl_element weights = sl_type_element(sl_value_type(sl_op_operand(c->anchor, c->right)));
    c->b_element = lane_element(weights) ? weights : c->accumulator;
    bool windows = !c->statistic_count && weights == c->accumulator && sl_type_element(sl_value_type(sl_op_operand(c->anchor, c->left))) == weights && !c->twin && contract_can_pack(k, c) && contract_plan_window(k, c);
    if (windows) c->b_mode = CONTRACT_B_CONSTANT, c->columns = c->width;
    else if (!choose_modes(k, c) || (c->twin && c->b_mode != CONTRACT_B_CONSTANT)) {
        tile_kernel_drop(k);
        return false;
    }
    /* Few rows: two panels at once, for more accumulators; more streams out of memory are slower. */
    int64_t panels = sl_expr_const_or(c->panels, -1), used = panels;
    if (!windows && c->b_mode == CONTRACT_B_CONSTANT && (matrix ? c->rows == c->tile_height : c->rows <= 6) && c->m_known >= 0) {
        int most = 2;
        while (!matrix && most > 1 && (c->rows + 1) * most * c->column_vectors + 1 > k->machine->vector_registers) most--;
        while (most > 1 && round_up(panels, most) * 32 > panels * (c->whole.shared ? 32 : 33)) most--;      /* at most 3 % of padding panels, none behind a slice */
        while (c->statistic_count && c->chunk / c->width % most) most--;
        if (forced->panels && !matrix && !(c->whole.shared && panels % forced->panels)) most = forced->panels;      /* the accumulators that do not fit spill */
        c->panels_at_once = most;
        used = round_up(panels, most);
        c->panels = tile_const(k, used);
    }
    c->columns_masked = c->n_known < 0 || used * c->columns != c->n_known;
    k->sets[c->n_set].lane = true;
    k->sets[c->n_set].aligned = sl_expr_const_or(sl_nest_bound(c->anchor, c->n[c->n_count - 1]), 1) % k->lanes == 0;
    c->whole.shared &= !windows && c->b_mode == CONTRACT_B_CONSTANT && c->dot == 1;
    if (!windows) choose_blocks(k, c);
    if (c->statistic_count) {
        c->panels_per_task = c->chunk / c->width, c->rows_stream = false;
        if (c->block_rows > STATISTIC_ROWS) c->block_rows = STATISTIC_ROWS / c->rows * c->rows;
    }
    if (!windows) choose_few(k, c);
    if (c->b_mode == CONTRACT_B_CONSTANT && !contract_pack_weights(k, c, cache)) {
        tile_kernel_drop(k);
        return false;
    }
    const char *shape = sl_arena_printf(k->arena, "contract_%sx%s%sx%s", extent_text(k, c->m_known), c->twin ? "2x" : "", extent_text(k, c->n_known), extent_text(k, c->k_known));
    tile_launch launch = {.name = c->group.nest_count > 1 ? tile_name(k, &c->group, shape) : shape};
    if (windows) contract_emit_window(k, c, &launch);
    else emit_kernel(k, c, &launch);
    if (k->failure) {
        tile_kernel_drop(k);
        return false;
    }
    if (c->whole.shared && c->packed) launch.bytes = tile_const(k, used * c->width * c->k_known * (sl_element_bits(c->b_element) / 8));
    else if (c->packed) launch.bytes = sl_type_count(k->context, sl_value_type(c->packed)), launch.bytes = tile_mul(k, launch.bytes, tile_const(k, sl_element_bits(c->b_element) / 8)), launch.bytes = sl_expr_floordiv(k->context, launch.bytes, tile_const(k, c->picks));
    else launch.bytes = bytes_in_place(k, c);
    if (c->dot > 1) c->tile_reason = sl_arena_printf(k->arena, "%s, sums of %d products of %s and %s", c->tile_reason, c->dot, sl_element_name(c->a_narrow), sl_element_name(c->b_element));
    else if (sl_element_bits(weights) < bits) c->tile_reason = sl_arena_printf(k->arena, "%s, factors widened", c->tile_reason);
    if (windows) launch.reason = sl_arena_printf(k->arena, "contraction: %s%s", contract_window_reason(k, c), c->heavy ? ", epilogue by rows of the tile" : "");
    else launch.reason = sl_arena_printf(k->arena, "contraction: %s; %d panels at once, %lld rows and %lld panels a task%s, %s, %s%s", c->tile_reason, c->panels_at_once,
                                    (long long)c->block_rows, (long long)c->panels_per_task, c->rows_stream ? " (all: the weights stay in L2)" : "", a_names[c->a_mode], b_names[c->b_mode], c->k_block ? sl_arena_printf(k->arena, ", k in blocks of %lld", (long long)c->k_block) : c->heavy ? ", epilogue by rows of the tile" : "");
    if (c->statistic_count) launch.reason = sl_arena_printf(k->arena, "%s; %d values of each row's chunk of %lld columns%s", launch.reason, c->statistic_count, (long long)c->chunk,
                                                            c->statistic_scratch ? ", which are not stored" : "");
    tile_kernel_finish(k, &launch);
    return true;
}
