/* attention.h: the chain  scores = sum of products -> softmax over the keys -> sum of products,  found among nests; shared by fuse (which groups it) and tile (which makes
 * one pass over the keys of it).
 *
 * Positions are told in the loops of `scores` (d0, d1, ...); the loop of the values' columns comes behind them. */
#ifndef SLUICE_ATTENTION_H
#define SLUICE_ATTENTION_H

#include "nest_query.h"

typedef struct sl_attention {
    sl_op *scores;                       /* contraction of queries and keys */
    sl_op *finish;                       /* elementwise nest that makes the softmax's input of the scores (scale, bias, mask); NULL: none */
    sl_op *most, *powers, *total, *shares;   /* largest of a row; exp(x - largest); their sum; quotients */
    sl_op *product;                      /* contraction of shares and values */
    sl_value *input;                     /* what the softmax is taken of */
    int query, key;                      /* operands of `scores` */
    int share, value;                    /* operands of `product` */
    int loop_count;                      /* of `scores`; the columns' loop has this number */
    int query_loop, key_loop, depth_loop;
    int row_count, rows[SL_NEST_MAX_LOOPS];      /* the other loops of `scores` */
    sl_expr depth, columns;              /* extents */
    sl_expr product_loops[SL_NEST_MAX_LOOPS];    /* the loops of `product` in those of `scores` */
} sl_attention;

/* Whether `product` is the end of such a chain, nothing of which is read from elsewhere. */
bool sl_attention_match(sl_context *context, sl_op *product, sl_attention *attention);
/* For blocks of `block` queries: how many keys, from the first on, any of them can reach; false when nothing is known or all reach all. */
bool sl_attention_limits(sl_context *context, const sl_attention *attention, int64_t block, int64_t *limits);
/* For blocks of `block` queries: before which key (a multiple of `multiple`) the constants that `finish` reads by query or key all repeat one value each; values[i] for operand i
 * of `finish` (at most 8), NULL where it is read as ever. False when there is nothing to gain. */
bool sl_attention_clear(sl_context *context, const sl_attention *attention, int64_t block, int64_t multiple, int64_t *clear, sl_attr *values);
/* The chain's nests in order; at most 7. */
int sl_attention_nests(const sl_attention *attention, sl_op **nests);

#endif
