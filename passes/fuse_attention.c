/* fuse_attention.c: groups of kind `attention`: a sum of products, the softmax of its rows, and a sum of products with the shares, computed in one pass over the keys, so that
 * neither scores nor shares reach memory (attention.h says what is found, tile_attention.c how it runs).
 *
 * The pass keeps a running maximum and sum and divides at the end: rounding differs from that of the three steps, so it is not done under --strict. With few queries there is
 * little to keep in registers, and the three steps are as fast. */
#include "attention.h"
#include "fuse.h"

enum { LEAST_QUERIES = 4, MOST_DEPTH = 256 };

static bool suits(const sl_fuse *fuse, const sl_attention *a) {
    int64_t queries = sl_expr_const_or(sl_nest_bound(a->scores, a->query_loop), -1), depth = sl_expr_const_or(a->depth, -1), columns = sl_expr_const_or(a->columns, -1);
    if (queries >= 0 && queries < LEAST_QUERIES && fuse->pass->kernel.attention != SL_CHOICE_ON) return false;
    return depth > 0 && depth <= MOST_DEPTH && columns > 0 && columns <= MOST_DEPTH && fuse->pass->machine->vector_bits >= 128 && fuse->pass->machine->fma;
}

static bool pays(sl_fuse *fuse, const sl_attention *a, sl_op **ops, int count, const char **reason) {
    sl_op *steps[3][4] = {{a->scores, a->finish}, {a->most, a->powers, a->total, a->shares}, {a->product}};
    const int counts[3] = {a->finish ? 2 : 1, 4, 1};
    sl_work together, apart, step;
    sl_fuse_work(fuse, ops, count, &together);
    sl_fuse_work(fuse, steps[0], counts[0], &apart);
    for (int i = 1; i < 3; i++) {
        sl_fuse_work(fuse, steps[i], counts[i], &step);
        sl_fuse_work_add(&apart, &step);
    }
    return sl_fuse_prefers(fuse, &together, &apart, false, reason);
}

void sl_fuse_attention(sl_fuse *fuse) {
    SL_VEC(sl_op *) products = {0};
    if (fuse->pass->strict || fuse->pass->kernel.attention == SL_CHOICE_OFF) return;
    for (sl_op *op = sl_block_first(fuse->block); op; op = sl_op_next(op))
        if (sl_nest_is_contraction(op, NULL)) SL_PUSH(fuse->arena, &products, op);
    for (size_t i = 0; i < products.count; i++) {
        sl_attention found;
        sl_op *ops[8];
        const char *reason;
        if (!sl_fuse_is_free(fuse, products.data[i]) || !sl_attention_match(fuse->context, products.data[i], &found) || !suits(fuse, &found)) continue;
        int count = sl_attention_nests(&found, ops), anchor = 0;
        sl_fuse_sort(fuse, ops, count);
        while (ops[anchor] != found.scores) anchor++;
        bool pay = pays(fuse, &found, ops, count, &reason);
        if (fuse->pass->kernel.attention == SL_CHOICE_ON) pay = true, reason = "asked for (--kernel=attention=on)";
        if (!pay || !sl_fuse_can_join(fuse, ops, count)) continue;
        sl_fuse_make_group(fuse, ops, count, anchor, "attention", 0, reason);
    }
}
