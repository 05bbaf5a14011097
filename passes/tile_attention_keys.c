/* tile_attention_keys.c: keys of an attention kernel packed into panels [depth][width] of a thread's scratch, so that lanes walk keys.
 *
 * Keys that lie along their depth are transposed in registers by squares; others are gathered. Tasks are ordered by the rows that share keys, then by blocks of queries: what one
 * task packed the next one of the same thread finds, named by a tag for each block of keys. Keys beyond the room for them (MOST_PACKED) share the last place and are packed again.
 */
#include "tile_attention.h"

/* Stride 1 along the depth: the offset of key `key` at depth 0; else NULL. */
static sl_expr key_offset(tile_kernel *k, attend *t, sl_expr key) {
    sl_attr map = sl_nest_map(t->a.scores, t->a.key);
    sl_expr positions[SL_MAX_RANK], coefficient, rest;
    for (int i = 0, n = sl_attr_count(map); i < n; i++) positions[i] = sl_attr_map_result(map, i);
    k->sets[t->key_set].base = key, k->sets[t->depth_set].base = sl_expr_loop(k->context, TILE_K_SLOT);
    sl_expr offset = tile_convert(k, tile_offset(k, sl_value_type(sl_op_operand(t->a.scores, t->a.key)), positions));
    if (!sl_expr_split_linear(k->context, offset, TILE_K_SLOT, &coefficient, &rest) || !sl_expr_equals_const(coefficient, 1)) return NULL;
    return rest;
}

static sl_expr key_place(tile_kernel *k, const attend *t, sl_expr panel, sl_expr depth, int vector) {
    sl_expr line = tile_add(k, tile_mul(k, panel, tile_const(k, t->depth)), depth);
    return attend_lanes(k, tile_add(k, tile_mul(k, line, tile_const(k, t->width)), tile_const(k, (int64_t)vector * k->lanes)));
}

/* Squares of the keys transposed in registers. Keys beyond the last repeat it: what comes of them is masked. */
static void transpose_keys(tile_kernel *k, attend *t, sl_expr panel) {
    sl_value *tensor = sl_op_operand(t->a.scores, t->a.key), *buffer = tile_argument_of(k, tensor), *pointers[16], *rows[16];
    sl_expr last = sl_expr_sub(k->context, t->keys, tile_const(k, 1));
    for (int v = 0; v < ATTEND_VECTORS; v++) {
        for (int j = 0; j < k->lanes; j++) {
            sl_expr key = tile_add(k, t->key_low, tile_add(k, tile_mul(k, panel, tile_const(k, t->width)), tile_const(k, (int64_t)v * k->lanes + j)));
            if (sl_expr_const_or(t->keys, 1) % t->width != 0 || sl_expr_const_or(t->keys, -1) < 0) key = attend_variable(k, sl_expr_min(k->context, key, last));
            pointers[j] = tile_pointer(k, buffer, key_offset(k, t, key));
        }
        sl_expr depth = tile_variable(k, tile_for(k, tile_i64(k, 0), tile_i64(k, t->depth), tile_i64(k, k->lanes), 0, NULL, NULL));
        for (int j = 0; j < k->lanes; j++) rows[j] = tile_load(k, pointers[j], attend_lanes(k, depth), NULL);
        contract_transpose(k, rows);
        for (int j = 0; j < k->lanes; j++) tile_store(k, rows[j], t->key_panels, key_place(k, t, panel, tile_add(k, depth, tile_const(k, j)), v), NULL);
        tile_end(k, 0, NULL, NULL);
    }
}

static void gather_keys(tile_kernel *k, attend *t, sl_expr panel) {
    sl_expr depth = attend_count(k, tile_const(k, t->depth));
    k->sets[t->depth_set].base = depth;
    k->sets[t->key_set].lane = true;
    for (int v = 0; v < ATTEND_VECTORS; v++) {
        sl_expr base = tile_add(k, t->key_low, tile_add(k, tile_mul(k, panel, tile_const(k, t->width)), tile_const(k, (int64_t)v * k->lanes)));
        k->sets[t->key_set].base = attend_lanes(k, base);
        k->mask = tile_mask_first(k, tile_index(k, sl_expr_sub(k->context, t->keys, base)));
        sl_value *value = tile_select(k, k->mask, tile_splat(k, attend_operand(k, t->a.scores, t->a.key, t->loops)), tile_splat(k, attend_number(k, 0)));
        k->mask = NULL;
        tile_store(k, value, t->key_panels, key_place(k, t, panel, depth, v), NULL);
    }
    k->sets[t->key_set].lane = false;
    tile_end(k, 0, NULL, NULL);
}

static void pack_panels(tile_kernel *k, attend *t, sl_expr panels) {
    sl_expr panel = attend_count(k, panels);
    bool inside = tile_is_inside(k, sl_op_operand(t->a.scores, t->a.key)), constant = tile_splat_constant(k, sl_op_operand(t->a.scores, t->a.key)) != NULL;
    if (!inside && !constant && k->lanes >= 4 && k->lanes <= 16 && t->depth % k->lanes == 0 && key_offset(k, t, t->key_low)) transpose_keys(k, t, panel);
    else gather_keys(k, t, panel);
    tile_end(k, 0, NULL, NULL);
}

/* Packs the block of keys, unless a task before this one that a thread had in the same go did. Then all of the block is packed, whatever this task reaches. */
void attend_pack_keys(tile_kernel *k, attend *t) {
    if (!t->key_tags) {
        t->key_panels = t->key_scratch;
        pack_panels(k, t, t->panels);
        return;
    }
    sl_expr blocks = sl_expr_ceildiv(k->context, t->keys, tile_const(k, t->keys_at_once)), slot = t->key_block;
    int64_t known = sl_expr_const_or(blocks, -1);
    if (known < 0 || known > t->key_slots) slot = attend_variable(k, sl_expr_min(k->context, slot, tile_const(k, t->key_slots - 1)));
    t->key_panels = tile_pointer(k, t->key_scratch, tile_mul(k, slot, tile_const(k, t->keys_at_once * t->depth)));
    sl_value *name = tile_index(k, tile_add(k, tile_mul(k, t->owner, blocks), t->key_block));
    tile_if(k, tile_compare(k, "ne", name, tile_load(k, t->key_tags, slot, NULL)), 0, NULL);
    sl_expr whole = tile_const(k, t->keys_at_once / t->width);
    if (known < 0 || sl_expr_const_or(t->keys, -1) % t->keys_at_once)
        whole = sl_expr_min(k->context, whole, sl_expr_ceildiv(k->context, sl_expr_sub(k->context, t->keys, t->key_low), tile_const(k, t->width)));
    pack_panels(k, t, whole);
    tile_store(k, name, t->key_tags, slot, NULL);
    tile_end(k, 0, NULL, NULL);
}
