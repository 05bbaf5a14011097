/* shape_map.h: a substitution of fresh shape symbols, found out by a pass, applied to types and attributes. */
#ifndef SLUICE_SHAPE_MAP_H
#define SLUICE_SHAPE_MAP_H

#include "sluice/ir.h"

typedef struct sl_shape_map {
    sl_context *context;
    sl_arena *arena;
    sl_expr *values;        /* by sl_expr_id of the symbol; NULL: kept */
    size_t capacity;
    int64_t count;
} sl_shape_map;

void sl_shape_map_init(sl_shape_map *map, sl_context *context, sl_arena *arena);
/* symbol := value, where symbol is fresh. False when the symbol is bound already, the value is the symbol itself, or contains it. */
bool sl_shape_map_add(sl_shape_map *map, sl_expr symbol, sl_expr value);
/* Notes that dims of `from` that are fresh symbols equal the dims of `to` (same rank; otherwise nothing). Returns how many were added. */
int sl_shape_map_unify(sl_shape_map *map, sl_type from, sl_type to);

sl_expr sl_shape_map_expr(const sl_shape_map *map, sl_expr expr);
sl_type sl_shape_map_type(const sl_shape_map *map, sl_type type);
sl_attr sl_shape_map_attr(const sl_shape_map *map, sl_attr attr);
/* One op: its result types, the arguments of its blocks, its attributes. True when anything changed. */
bool sl_shape_map_apply_op(const sl_shape_map *map, sl_op *op);
/* An op and everything inside. Returns the number of ops changed. */
int64_t sl_shape_map_apply(const sl_shape_map *map, sl_op *root);

/* Whether op may give a fresh symbol its value: a dim of a result has one that no operand's dims have. Such an op may be needed though its results are unused. */
bool sl_op_may_bind(const sl_op *op);

#endif
