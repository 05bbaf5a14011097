/* shape_map.c: substitution of fresh shape symbols. Values may mention symbols that are substituted themselves; look-ups resolve to the end. Additions are
 * resolved first and refuse cycles, so that resolving ends. */
#include "shape_map.h"

#include <string.h>

void sl_shape_map_init(sl_shape_map *map, sl_context *context, sl_arena *arena) {
    memset(map, 0, sizeof *map);
    map->context = context;
    map->arena = arena;
}

static sl_expr resolve_symbol(void *self, sl_expr symbol) {
    const sl_shape_map *map = self;
    uint32_t id = sl_expr_id(symbol);
    if (id >= map->capacity || !map->values[id]) return symbol;
    return sl_shape_map_expr(map, map->values[id]);
}

sl_expr sl_shape_map_expr(const sl_shape_map *map, sl_expr expr) {
    if (!map->count || sl_expr_is_const(expr, NULL)) return expr;
    return sl_expr_substitute(map->context, expr, NULL, 0, resolve_symbol, (void *)map);
}

bool sl_shape_map_add(sl_shape_map *map, sl_expr symbol, sl_expr value) {
    uint32_t id = sl_expr_id(symbol);
    value = sl_shape_map_expr(map, value);
    if (!sl_expr_is_fresh(symbol) || (id < map->capacity && map->values[id]) || sl_expr_uses_symbol(value, symbol)) return false;
    if (id >= map->capacity) {
        size_t capacity = map->capacity ? map->capacity : 64;
        while (capacity <= id) capacity *= 2;
        sl_expr *values = SL_NEW_ARRAY(map->arena, sl_expr, capacity);
        if (map->capacity) memcpy(values, map->values, map->capacity * sizeof *values);
        map->values = values;
        map->capacity = capacity;
    }
    map->values[id] = value;
    map->count++;
    return true;
}

static bool is_fresh_symbol(sl_expr expr) { return sl_expr_get_kind(expr) == SL_EXPR_SYMBOL && sl_expr_is_fresh(expr); }

int sl_shape_map_unify(sl_shape_map *map, sl_type from, sl_type to) {
    int added = 0;
    if (!sl_type_is_tensor(from) || !sl_type_is_tensor(to) || !sl_type_is_ranked(from) || !sl_type_is_ranked(to)) return 0;
    if (sl_type_rank(from) != sl_type_rank(to)) return 0;
    for (int d = 0; d < sl_type_rank(from); d++) {
        sl_expr dim = sl_shape_map_expr(map, sl_type_dim(from, d));
        if (is_fresh_symbol(dim)) added += sl_shape_map_add(map, dim, sl_type_dim(to, d));
    }
    return added;
}

sl_type sl_shape_map_type(const sl_shape_map *map, sl_type type) {
    sl_type_kind kind = sl_type_get_kind(type);
    if (kind == SL_TYPE_LIST || kind == SL_TYPE_OPTIONAL) {
        sl_type item = sl_shape_map_type(map, sl_type_item(type));
        if (item == sl_type_item(type)) return type;
        return kind == SL_TYPE_LIST ? sl_type_list(map->context, item) : sl_type_optional(map->context, item);
    }
    if ((kind != SL_TYPE_TENSOR && kind != SL_TYPE_BUFFER) || !sl_type_is_ranked(type)) return type;
    sl_expr dims[SL_MAX_RANK];
    bool changed = false;
    int rank = sl_type_rank(type);
    for (int d = 0; d < rank; d++) {
        dims[d] = sl_shape_map_expr(map, sl_type_dim(type, d));
        changed |= dims[d] != sl_type_dim(type, d);
    }
    return changed ? sl_type_with_dims(map->context, type, rank, dims) : type;
}

sl_attr sl_shape_map_attr(const sl_shape_map *map, sl_attr attr) {
    switch (sl_attr_get_kind(attr)) {
    case SL_ATTR_EXPR: {
        sl_expr expr = sl_shape_map_expr(map, sl_attr_get_expr(attr));
        return expr == sl_attr_get_expr(attr) ? attr : sl_attr_expr(map->context, expr);
    }
    case SL_ATTR_TYPE: {
        sl_type type = sl_shape_map_type(map, sl_attr_get_type(attr));
        return type == sl_attr_get_type(attr) ? attr : sl_attr_type(map->context, type);
    }
    case SL_ATTR_ARRAY: {
        int count = sl_attr_count(attr);
        sl_attr *items = NULL;
        for (int i = 0; i < count; i++) {
            sl_attr item = sl_shape_map_attr(map, sl_attr_item(attr, i));
            if (item == sl_attr_item(attr, i)) continue;
            if (!items) {
                items = SL_NEW_ARRAY(map->arena, sl_attr, (size_t)count);
                for (int j = 0; j < count; j++) items[j] = sl_attr_item(attr, j);
            }
            items[i] = item;
        }
        return items ? sl_attr_array(map->context, count, items) : attr;
    }
    case SL_ATTR_MAP: {
        int count = sl_attr_count(attr);
        sl_expr results[SL_MAX_RANK];
        bool changed = false;
        if (count > SL_MAX_RANK) return attr;
        for (int i = 0; i < count; i++) {
            results[i] = sl_shape_map_expr(map, sl_attr_map_result(attr, i));
            changed |= results[i] != sl_attr_map_result(attr, i);
        }
        return changed ? sl_attr_map(map->context, sl_attr_map_loops(attr), count, results) : attr;
    }
    case SL_ATTR_BOOL: case SL_ATTR_INT: case SL_ATTR_FLOAT: case SL_ATTR_STRING: case SL_ATTR_INTS: case SL_ATTR_DATA: case SL_ATTR_ENCODING:
        return attr;
    }
    return attr;
}

static bool apply_value(const sl_shape_map *map, sl_value *value) {
    sl_type type = sl_shape_map_type(map, sl_value_type(value));
    if (type == sl_value_type(value)) return false;
    sl_value_set_type(value, type);
    return true;
}

bool sl_shape_map_apply_op(const sl_shape_map *map, sl_op *op) {
    bool changed = false;
    if (!map->count) return false;
    for (int r = 0; r < sl_op_result_count(op); r++) changed |= apply_value(map, sl_op_result(op, r));
    for (int g = 0; g < sl_op_region_count(op); g++) {
        sl_block *block = sl_op_body(op, g);
        for (int a = 0; block && a < sl_block_argument_count(block); a++) changed |= apply_value(map, sl_block_argument(block, a));
    }
    for (int i = 0; i < sl_op_attr_count(op); i++) {
        const char *name;
        sl_attr old = sl_op_attr_at(op, i, &name), attr = sl_shape_map_attr(map, old);
        if (attr == old) continue;
        sl_op_set_attr(op, name, attr);   /* same name: the order of attributes stays */
        changed = true;
    }
    return changed;
}

typedef struct apply_state { const sl_shape_map *map; int64_t changed; } apply_state;

static bool apply_visit(void *self, sl_op *op) {
    apply_state *state = self;
    state->changed += sl_shape_map_apply_op(state->map, op);
    return true;
}

int64_t sl_shape_map_apply(const sl_shape_map *map, sl_op *root) {
    apply_state state = {map, 0};
    if (map->count) sl_op_walk(root, apply_visit, &state);
    return state.changed;
}

static bool has_dims(sl_type type) { return (sl_type_is_tensor(type) || sl_type_is_buffer(type)) && sl_type_is_ranked(type); }

typedef struct binder_query { const sl_op *op; bool binds; } binder_query;

static bool uses_symbol(sl_type type, sl_expr symbol) {
    if ((!sl_type_is_tensor(type) && !sl_type_is_buffer(type)) || !sl_type_is_ranked(type)) return false;
    for (int d = 0; d < sl_type_rank(type); d++)
        if (sl_expr_uses_symbol(sl_type_dim(type, d), symbol)) return true;
    return false;
}

static void query_binds(void *self, sl_expr symbol) {
    binder_query *query = self;
    bool known = !sl_expr_is_fresh(symbol);
    for (int i = 0; i < sl_op_operand_count(query->op); i++) known |= uses_symbol(sl_value_type(sl_op_operand(query->op, i)), symbol);
    query->binds |= !known;
}

bool sl_op_may_bind(const sl_op *op) {
    binder_query query = {op, false};
    bool binds = sl_op_has_trait(op, SL_TRAIT_BINDS) && !(sl_op_get_kind(op) == SL_OP_tensor_reshape && sl_op_operand_count(op) == 1);
    for (int i = 0; binds && i < sl_op_result_count(op); i++) {
        sl_type type = sl_value_type(sl_op_result(op, i));
        if (!has_dims(type)) continue;
        for (int d = 0; d < sl_type_rank(type); d++) sl_expr_visit_symbols(sl_type_dim(type, d), query_binds, &query);
    }
    return query.binds;
}
