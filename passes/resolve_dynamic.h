/* resolve_dynamic.h: data-dependent tensor ops to their static forms, shared by infer-shapes and simplify. */
#ifndef SLUICE_RESOLVE_DYNAMIC_H
#define SLUICE_RESOLVE_DYNAMIC_H

#include "shape_map.h"

/* When the shape operands of `op` are known as expressions: builds the static form at `builder`, notes in `map` what the fresh dims of op's result are, and
 * returns the replacement. NULL when op is not data-dependent or not known. May insert core.guard. The caller replaces and erases op. */
sl_value *sl_resolve_dynamic(sl_builder *builder, sl_shape_map *map, sl_op *op);
/* core.guard left == right with the message, unless they are the same expression. */
void sl_build_guard(sl_builder *builder, sl_expr left, sl_expr right, const char *message);

#endif
