/* data_move.h: constant data under another type or order of axes, without the evaluator. */
#ifndef SLUICE_DATA_MOVE_H
#define SLUICE_DATA_MOVE_H

#include "sluice/ir.h"

/* The one value of all elements; integers beyond 2^53 in size don't count, since they have no exact double. */
bool sl_data_splat(sl_attr data, double *splat);
/* The same bytes under another static type with as many elements. */
sl_attr sl_data_with_type(sl_context *context, sl_attr data, sl_type type);
/* Axes permuted: dim d of `to` is dim perm[d] of the data. NULL for strings and elements of less than a byte. */
sl_attr sl_data_transpose(sl_context *context, sl_attr data, sl_type to, const int64_t *perm);

#endif
