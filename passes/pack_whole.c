/* pack_whole.c: nested slices of one weight share one packing.
 *
 * Networks of adaptive width multiply by the first columns or rows of a weight, by how many depends on the path. Each product packs its right operand into panels when it is a constant; done slice by
 * slice that would hold the weight several times. Where the slices of a matrix come to more than the matrix, all of it is packed once, and each product begins at its panel and its row of k there.
 * The lanes of a last panel beyond a slice hold neighbours' weights instead of zeros: they are computed and not stored. */
#include "tile_contract.h"

/* Elements that a use reads: the loops of its map; all of them where that is not known. */
static int64_t elements_read(const sl_use *use, int64_t all) {
    const sl_op *op = sl_use_user(use);
    if (!sl_nest_is_generic(op)) return all;
    sl_attr map = sl_nest_map(op, sl_use_index(use));
    int64_t count = 1;
    for (int i = 0; i < sl_nest_loop_count(op); i++) {
        bool used = false;
        for (int d = 0; d < sl_attr_count(map); d++) used |= sl_expr_uses_loop(sl_attr_map_result(map, d), i);
        int64_t bound = sl_expr_const_or(sl_nest_bound(op, i), -1);
        if (used && (bound < 0 || !sl_size_mul(count, bound, &count))) return all;
    }
    return count < all ? count : all;
}

bool pack_find_whole(tile_kernel *k, const tile_cache *cache, const contract *c, pack_whole *whole) {
    sl_value *tensor = sl_op_operand(c->anchor, c->right);
    sl_type type = sl_value_type(tensor);
    sl_expr rest = c->b_space.accesses.count == 1 ? c->b_space.accesses.data[0].offset : NULL, coefficient;
    int64_t total = 0, stride[2], base;
    *whole = (pack_whole){0};
    if (!rest || !sl_value_constant(tensor) || sl_type_rank(type) != 2 || c->n_count != 1 || c->k_count != 1 || c->n_known < 1 || c->k_known < 1) return false;
    int64_t lines = sl_type_static_dim(type, 0), columns = sl_type_static_dim(type, 1);
    for (size_t i = 0; i < cache->packed.count; i++)       /* products that were tiled before are no uses any more */
        if (cache->packed.data[i].whole && cache->packed.data[i].source == sl_value_constant(tensor)) total = lines * columns + 1;
    for (sl_use *use = sl_value_first_use(tensor); use && total <= lines * columns; use = sl_use_next(use)) total += elements_read(use, lines * columns);
    if (total <= lines * columns) return false;
    for (int i = 0; i < 2; i++)
        if (!sl_expr_split_linear(k->context, rest, i ? c->k[0] : c->n[0], &coefficient, &rest) || !sl_expr_is_const(coefficient, &stride[i])) return false;
    if (!sl_expr_is_const(rest, &base) || base < 0) return false;
    whole->n_stride = stride[0], whole->k_stride = stride[1];
    if (stride[0] == 1 && stride[1] == columns) whole->n = columns, whole->k = lines, whole->first_n = base % columns, whole->first_k = base / columns;
    else if (stride[0] == columns && stride[1] == 1) whole->n = lines, whole->k = columns, whole->first_n = base / columns, whole->first_k = base % columns;
    else return false;
    return whole->shared = whole->first_n + c->n_known <= whole->n && whole->first_k + c->k_known <= whole->k;
}
