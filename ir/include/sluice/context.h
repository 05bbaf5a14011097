/* context.h: owns interned types, expressions, attributes, strings and the options of one compilation; immutable things die with it.
 * Not thread-safe: one thread at a time per context. */
#ifndef SLUICE_CONTEXT_H
#define SLUICE_CONTEXT_H

#include "sluice/attr.h"
#include "sluice/diag.h"

/* NULL when there is no memory. `sink` may be NULL and is borrowed. */
sl_context *sl_context_create(const sl_allocator *allocator, sl_diag_sink *sink);
void sl_context_destroy(sl_context *context);
sl_arena *sl_context_arena(sl_context *context);
const sl_allocator *sl_context_allocator(sl_context *context);
sl_diag_sink *sl_context_sink(sl_context *context);        /* never NULL */
const char *sl_context_intern(sl_context *context, const char *text);
const char *sl_context_intern_n(sl_context *context, const char *text, size_t length);

/* Source locations of ops: interned. A fused location lists what an op was made from. */
typedef const struct sl_loc_data *sl_loc;
sl_loc sl_loc_unknown(sl_context *context);
sl_loc sl_loc_file(sl_context *context, const char *file, int line, int column);
sl_loc sl_loc_node(sl_context *context, const char *file, const char *node, const char *op_type);
sl_loc sl_loc_fused(sl_context *context, int count, const sl_loc *parts);   /* flattens, drops doubles and unknowns */
int sl_loc_count(sl_loc loc);                              /* fused: parts; else 1 (0 for unknown) */
sl_loc sl_loc_part(sl_loc loc, int index);
sl_place sl_loc_place(sl_loc loc);                         /* of the first part */
void sl_loc_print(sl_text *out, sl_loc loc);               /* loc("conv1":Conv) or loc("a.sl":3:4) or loc[..., ...] */
/* One line for people: node 'conv1' (Conv) + node 'relu1' (Relu). */
void sl_loc_describe(sl_text *out, sl_loc loc);

#endif
