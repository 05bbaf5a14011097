/* tile_weights.c: constant right factors of contractions, packed into panels while compiling.
 *
 * Where the factor lies in its constant is the sum of one offset for each batch index, each column and each k, which are listed here and given to pack.c. Several weights in one constant (experts) are
 * stacked in leading dims whose indices are symbols of the run: each is packed, and the kernel picks one. Equal weights in equal layouts are packed once for the whole module.
 */
#include "tile_contract.h"

bool contract_has_guard(const tile_space *space) {
    for (size_t i = 0; i < space->accesses.count; i++)
        if (space->accesses.data[i].position) return true;
    return false;
}

static bool loop_value(void *self, sl_expr atom, int64_t *value) {
    const int64_t *at = self;
    if (sl_expr_get_kind(atom) != SL_EXPR_LOOP) return false;
    *value = at[sl_expr_loop_index(atom)];
    return true;
}

/* Offsets of all values of some loops (others 0), row-major; less the offset of the origin when `relative`. NULL when one can't be evaluated. */
static int64_t *offsets_of(tile_kernel *k, const contract *c, sl_expr offset, int count, const int *loops, int64_t total, bool relative) {
    int64_t at[SL_NEST_MAX_LOOPS] = {0}, origin, *offsets = SL_NEW_ARRAY(k->arena, int64_t, (size_t)total);
    if (!sl_expr_evaluate(offset, loop_value, at, &origin)) return NULL;
    for (int64_t i = 0; i < total; i++) {
        int64_t rest = i;
        for (int d = count - 1; d >= 0; d--) {
            int64_t extent = sl_expr_const_or(sl_nest_bound(c->anchor, loops[d]), 1);
            at[loops[d]] = rest % extent, rest /= extent;
        }
        if (!sl_expr_evaluate(offset, loop_value, at, &offsets[i])) return NULL;
        if (relative) offsets[i] -= origin;
    }
    return offsets;
}

/* Stacked weights are read at symbols in leading dims: their number, flat, and the offset without them. */
static sl_expr find_pick(tile_kernel *k, contract *c, sl_expr offset) {
    sl_type type = sl_value_type(sl_op_operand(c->anchor, c->right));
    sl_attr map = sl_nest_map(c->anchor, c->right);
    c->pick = NULL, c->picks = 1;
    for (int d = 0, rank = sl_type_rank(type); d < rank; d++) {
        sl_expr index = sl_attr_map_result(map, d), stride = tile_const(k, 1);
        if (sl_expr_get_kind(index) != SL_EXPR_SYMBOL || sl_type_static_dim(type, d) < 1) break;
        for (int i = d + 1; i < rank; i++) stride = tile_mul(k, stride, sl_type_dim(type, i));
        offset = sl_expr_sub(k->context, offset, tile_mul(k, index, stride));
        c->pick = c->pick ? tile_add(k, tile_mul(k, c->pick, sl_type_dim(type, d)), index) : index;
        c->picks *= sl_type_static_dim(type, d);
    }
    return offset;
}

static bool no_symbol(void *self, sl_expr atom, int64_t *value) {
    (void)self;
    *value = 0;
    return sl_expr_get_kind(atom) == SL_EXPR_LOOP;
}

bool contract_can_pack(tile_kernel *k, contract *c) {
    sl_value *tensor = sl_op_operand(c->anchor, c->right);
    sl_attr data = sl_value_constant(tensor);
    sl_expr coefficient, rest;
    if (!data || sl_attr_data_is_splat(data) || contract_has_guard(&c->b_space) || c->b_space.accesses.count != 1 || c->n_known < 0 || c->k_known < 1) return false;
    if (c->n_known > (1 << 24) || c->k_known > (1 << 24) || sl_element_bits(sl_type_element(sl_value_type(tensor))) > 64) return false;
    sl_expr offset = find_pick(k, c, c->b_space.accesses.data[0].offset);
    int64_t origin;
    for (int i = 0; i < c->loop_count; i++) {
        if (!sl_expr_uses_loop(offset, i)) continue;
        if (!sl_expr_split_linear(k->context, offset, i, &coefficient, &rest) || !sl_expr_is_const(coefficient, NULL)) return false;
    }
    return sl_expr_evaluate(offset, no_symbol, NULL, &origin);
}

/* Offsets of batches in one of the stacked weights, for all of them. Symbols stand in leading dims, so that the weights lie one after the other. */
static int64_t *repeat_picks(tile_kernel *k, const contract *c, int64_t batches, const int64_t *offsets, int64_t distance) {
    int64_t *all = SL_NEW_ARRAY(k->arena, int64_t, (size_t)(batches * c->picks));
    for (int64_t p = 0; p < c->picks; p++)
        for (int64_t b = 0; b < batches; b++) all[p * batches + b] = p * distance + offsets[b];
    return all;
}

static int64_t *steps_of(tile_kernel *k, int64_t count, int64_t stride) {
    int64_t *steps = SL_NEW_ARRAY(k->arena, int64_t, (size_t)count);
    for (int64_t i = 0; i < count; i++) steps[i] = i * stride;
    return steps;
}

/* The same place in the panels' other half, for the twin's weights. */
static bool twin_layout(tile_kernel *k, const contract *c, const pack_layout *layout, pack_layout *twin) {
    contract other = *c;
    other.anchor = c->twin, other.b_space = c->twin_space;
    if (!contract_can_pack(k, &other) || other.pick != c->pick || other.picks != c->picks) return false;
    sl_expr offset = find_pick(k, &other, other.b_space.accesses.data[0].offset);
    int64_t *batch = offsets_of(k, &other, offset, 0, c->batch, 1, false);
    if (batch && c->picks > 1) batch = repeat_picks(k, c, 1, batch, sl_type_static_count(sl_value_type(sl_op_operand(c->twin, c->right))) / c->picks);
    *twin = *layout;
    twin->first = c->columns, twin->batch = batch;
    twin->n = offsets_of(k, &other, offset, c->n_count, c->n, c->n_known, true);
    twin->k = offsets_of(k, &other, offset, c->k_count, c->k, c->k_known, true);
    return twin->batch && twin->n && twin->k;
}

bool contract_pack_weights(tile_kernel *k, contract *c, tile_cache *cache) {
    sl_value *tensor = sl_op_operand(c->anchor, c->right);
    sl_attr source = sl_value_constant(tensor), packed = NULL;
    sl_expr offset = find_pick(k, c, c->b_space.accesses.data[0].offset);
    int64_t batches = 1, panels = sl_expr_const_or(c->panels, 1);
    sl_attr starts = NULL;
    c->packed_batch = false;
    for (int i = 0; i < c->batch_count; i++) c->packed_batch |= sl_expr_uses_loop(offset, c->batch[i]);
    if (c->packed_batch) batches = sl_expr_const_or(c->batch_extent, -1);
    if (batches < 0) return false;
    pack_layout layout = {.batch_count = batches * c->picks, .n_count = c->n_known, .k_count = c->k_known, .panels = panels, .width = c->columns, .pitch = c->width, .group = c->dot, .element = c->b_element,
                          .k_padded = c->dot > 1 ? c->k_padded : c->k_known};
    if (c->whole.shared) {
        static const int64_t origin = 0;
        layout.n_count = c->whole.n, layout.k_count = layout.k_padded = c->whole.k, layout.panels = panels = (c->whole.n + c->width - 1) / c->width, layout.batch = &origin;
        layout.n = steps_of(k, c->whole.n, c->whole.n_stride), layout.k = steps_of(k, c->whole.k, c->whole.k_stride);
    } else {
        int64_t *batch = offsets_of(k, c, offset, c->packed_batch ? c->batch_count : 0, c->batch, batches, false);
        if (batch && c->picks > 1) batch = repeat_picks(k, c, batches, batch, sl_type_static_count(sl_value_type(tensor)) / c->picks);
        layout.batch = batch;
        layout.n = offsets_of(k, c, offset, c->n_count, c->n, c->n_known, true);
        layout.k = offsets_of(k, c, offset, c->k_count, c->k, c->k_known, true);
    }
    if (!layout.batch || !layout.n || !layout.k) return false;
    if (c->twin) {
        pack_layout layouts[2] = {layout};
        sl_attr sources[2] = {source, sl_value_constant(sl_op_operand(c->twin, c->right))};
        if (!twin_layout(k, c, &layout, &layouts[1])) return false;
        packed = pack_constants(k->context, sources, layouts);
    }
    uint64_t hash = sl_hash_bytes(layout.n, sizeof(int64_t) * (size_t)layout.n_count, sl_hash_bytes(layout.k, sizeof(int64_t) * (size_t)layout.k_count, (uint64_t)c->width));
    hash = sl_hash_bytes(layout.batch, sizeof(int64_t) * (size_t)layout.batch_count, hash) ^ (uint64_t)(((panels * 64 + c->b_element) * 8 + c->dot) * 64 + layout.k_padded % 64);
    for (size_t i = 0; i < cache->packed.count && !packed && !c->twin; i++)
        if (cache->packed.data[i].source == source && cache->packed.data[i].layout == hash) packed = cache->packed.data[i].packed;
    if (!packed) {
        packed = pack_constant(k->context, source, &layout);
        SL_PUSH(k->arena, &cache->packed, (tile_packed){source, packed, hash, c->whole.shared});
    }
    if (c->a_shift) starts = pack_column_sums(k->context, source, &layout, -c->a_shift);
    sl_builder here = sl_builder_before(k->group);
    c->packed = sl_build_constant(&here, packed);
    if (starts) c->starts = sl_build_constant(&here, starts);
    if (c->picks > 1) sl_op_set_attr(sl_value_op(c->packed), "stack", sl_attr_int(k->context, c->picks));
    sl_value_set_name(c->packed, sl_value_name(tensor));
    return true;
}
