/* choose_precision.h: sums of products with constant weights, as choose_precision.c and recover_integers.c find them and precision_int8.c rewrites them. */
#ifndef SLUICE_CHOOSE_PRECISION_H
#define SLUICE_CHOOSE_PRECISION_H

#include "passes_internal.h"

typedef struct precision_site {
    sl_op *op;                       /* tensor.contract or tensor.conv, f32 */
    int weights;                     /* operand that is the constant, -1: none is */
    const char *name;                /* unique in the function and the same in every compilation of the model: the op's location, with a number when that occurs again */
    bool nested;                     /* in a region: of a branch or a loop */
} precision_site;

/* Which of the weights' free elements (output channels) each of its elements belongs to: channel = index / inner % count. */
typedef struct precision_channels { int64_t inner, count, total; int rank; sl_expr dims[SL_MAX_RANK]; int at; } precision_channels;

/* ---- precision_int8.c ---- */
/* Rewrites the site to u8 activations with the range's scale and zero point, i8 weights with a scale for each output channel, sums in i32. */
void precision_to_int8(sl_pass_context *pass, const precision_site *site, const sl_range *range);
/* The same with a range for each row of activations, found while running; for sites of which precision_has_rows. */
void precision_to_int8_by_row(sl_pass_context *pass, const precision_site *site);
bool precision_has_rows(const precision_site *site);
/* How the output channels lie in the constant weights and in the result: inner, count; dims: a shape that broadcasts to the result with `count` elements. False: not as one run. */
bool precision_find_channels(sl_pass_context *pass, const precision_site *site, precision_channels *channels);

sl_value *precision_broadcast(sl_builder *here, sl_value *x, sl_type like);      /* to the dims of `like` */
/* A convolution's padding as elements `fill` (rank 0) of a tensor.pad on its operand `q`, which is returned; the op's own padding goes. */
sl_value *precision_pad(sl_builder *here, sl_op *op, sl_value *q, sl_value *fill);

/* ---- recover_requantize.c ---- */
/* Quantizations of scaled sums in the block and in what it holds: one fma and a cast. */
void recover_requantize(sl_pass_context *pass, sl_block *block);

#endif
