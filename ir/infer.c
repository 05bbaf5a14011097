/* infer.c: what the infer hooks share: reading requests, comparing and merging types; and sl_op_infer. */
#include "op_hooks.h"
#include <string.h>

bool sl_dims_conflict(sl_expr a, sl_expr b) {
    int64_t left, right;
    return sl_expr_is_const(a, &left) && sl_expr_is_const(b, &right) && left != right;
}

sl_expr sl_dim_merge(sl_expr a, sl_expr b) {
    if (a == b || sl_expr_is_const(a, NULL))
        return a;
    if (sl_expr_is_const(b, NULL))
        return b;
    return sl_expr_is_fresh(a) ? b : a;
}

bool sl_shapes_conflict(sl_type a, sl_type b) {
    if (sl_type_get_kind(a) != sl_type_get_kind(b))
        return true;
    if (sl_type_is_vector(a))
        return sl_type_lanes(a) != sl_type_lanes(b);
    if (!sl_type_is_tensor(a) && !sl_type_is_buffer(a))
        return false;
    if (!sl_type_is_ranked(a) || !sl_type_is_ranked(b))
        return false;
    int rank = sl_type_rank(a);
    if (rank != sl_type_rank(b))
        return true;
    for (int axis = 0; axis < rank; axis++)
        if (sl_dims_conflict(sl_type_dim(a, axis), sl_type_dim(b, axis)))
            return true;
    return false;
}

bool sl_types_conflict(sl_type a, sl_type b) {
    if (a == b)
        return false;
    if (sl_shapes_conflict(a, b))
        return true;
    switch (sl_type_get_kind(a)) {
    case SL_TYPE_SCALAR: case SL_TYPE_TENSOR: case SL_TYPE_VECTOR: case SL_TYPE_BUFFER:
        return sl_type_element(a) != sl_type_element(b);
    case SL_TYPE_PARTITION:
        return sl_type_branches(a) != sl_type_branches(b);
    case SL_TYPE_LIST: case SL_TYPE_OPTIONAL:
        return sl_types_conflict(sl_type_item(a), sl_type_item(b));
    case SL_TYPE_TOKEN:
        return false;
    }
    return false;
}

sl_type sl_types_merge(sl_context *context, sl_type a, sl_type b) {
    if (a == b || !sl_type_is_tensor(a) || !sl_type_is_tensor(b))
        return a;
    if (!sl_type_is_ranked(a))
        return sl_type_is_ranked(b) ? sl_type_with_element(context, b, sl_type_element(a)) : a;
    if (!sl_type_is_ranked(b))
        return a;
    sl_expr dims[SL_MAX_RANK];
    int rank = sl_type_rank(a);
    for (int axis = 0; axis < rank; axis++)
        dims[axis] = sl_dim_merge(sl_type_dim(a, axis), sl_type_dim(b, axis));
    return sl_type_with_dims(context, a, rank, dims);
}

const char *sl_type_text(sl_context *context, sl_type type) {
    sl_text text;
    sl_text_init(&text, sl_context_arena(context));
    sl_type_print(&text, type);
    return text.data;
}

const char *sl_expr_text(sl_context *context, sl_expr expr) {
    sl_text text;
    sl_text_init(&text, sl_context_arena(context));
    sl_expr_print(&text, expr);
    return text.data;
}

sl_type sl_infer_operand(const sl_infer_request *request, int index) {
    return sl_value_type(request->operands[index]);
}

bool sl_infer_tensor(sl_infer_request *request, int index) {
    if (index >= request->operand_count)
        return sl_infer_fail(request, "operand %d is missing", index);
    if (!sl_type_is_tensor(sl_infer_operand(request, index)))
        return sl_infer_fail(request, "operand %d must be a tensor, not %s", index, sl_type_text(request->context, sl_infer_operand(request, index)));
    return true;
}

static sl_attr infer_attr_of(sl_infer_request *request, const char *name, sl_attr_kind kind, const char *what) {
    sl_attr attr = sl_infer_attr(request, name);
    if (attr && sl_attr_get_kind(attr) == kind)
        return attr;
    sl_infer_fail(request, attr ? "attribute `%s` must be %s" : "attribute `%s` (%s) is missing", name, what);
    return NULL;
}

bool sl_infer_int(sl_infer_request *request, const char *name, int64_t *value) {
    sl_attr attr = infer_attr_of(request, name, SL_ATTR_INT, "an integer");
    if (!attr)
        return false;
    *value = sl_attr_get_int(attr);
    return true;
}

bool sl_infer_axis(sl_infer_request *request, const char *name, int rank, int *axis) {
    int64_t value;
    if (!sl_infer_int(request, name, &value))
        return false;
    if (value < 0 || value >= rank)
        return sl_infer_fail(request, "%s %lld is out of range for rank %d", name, (long long)value, rank);
    *axis = (int)value;
    return true;
}

bool sl_infer_ints(sl_infer_request *request, const char *name, int count, const int64_t **values, int *found) {
    sl_attr attr = infer_attr_of(request, name, SL_ATTR_INTS, "a list of integers");
    if (!attr)
        return false;
    if (count >= 0 && sl_attr_count(attr) != count)
        return sl_infer_fail(request, "attribute `%s` has %d entries, expected %d", name, sl_attr_count(attr), count);
    *values = sl_attr_get_ints(attr);
    if (found)
        *found = sl_attr_count(attr);
    return true;
}

bool sl_infer_exprs(sl_infer_request *request, const char *name, int count, sl_expr *values) {
    sl_attr attr = infer_attr_of(request, name, SL_ATTR_ARRAY, "an array of expressions");
    if (!attr)
        return false;
    if (sl_attr_count(attr) != count)
        return sl_infer_fail(request, "attribute `%s` has %d entries, expected %d", name, sl_attr_count(attr), count);
    for (int i = 0; i < count; i++) {
        sl_attr item = sl_attr_item(attr, i);
        if (sl_attr_get_kind(item) != SL_ATTR_EXPR)
            return sl_infer_fail(request, "entry %d of attribute `%s` must be an expression", i, name);
        values[i] = sl_attr_get_expr(item);
    }
    return true;
}

bool sl_infer_result(sl_infer_request *request, sl_type type) {
    request->results[request->result_count++] = type;
    return true;
}

bool sl_infer_rank_limit(sl_infer_request *request, int rank) {
    return rank <= SL_MAX_RANK || sl_infer_fail(request, "the result would have rank %d; at most %d is supported", rank, SL_MAX_RANK);
}

/* A hook makes new fresh symbols each time it runs. For an op that already has result types the symbols that it was given stay, so that
 * inferring again changes nothing: each new symbol maps to the dim that stands in its place. */
typedef struct symbol_map { sl_expr from[SL_MAX_RANK], to[SL_MAX_RANK]; int count; } symbol_map;

static bool type_uses_symbol(sl_type type, sl_expr symbol) {
    if (!sl_type_is_tensor(type) || !sl_type_is_ranked(type))
        return false;
    for (int axis = 0; axis < sl_type_rank(type); axis++)
        if (sl_expr_uses_symbol(sl_type_dim(type, axis), symbol))
            return true;
    return false;
}

static bool symbol_is_new(const sl_op *op, sl_expr symbol) {
    for (int i = 0; i < sl_op_operand_count(op); i++)
        if (type_uses_symbol(sl_value_type(sl_op_operand(op, i)), symbol))
            return false;
    return true;
}

static void map_symbols(const sl_op *op, sl_type inferred, sl_type present, symbol_map *map) {
    if (!sl_type_is_tensor(inferred) || !sl_type_is_ranked(inferred) || sl_shapes_conflict(inferred, present) || !sl_type_is_ranked(present))
        return;
    for (int axis = 0; axis < sl_type_rank(inferred); axis++) {
        sl_expr dim = sl_type_dim(inferred, axis);
        bool known = !sl_expr_is_fresh(dim) || !symbol_is_new(op, dim);
        for (int i = 0; i < map->count && !known; i++)
            known = map->from[i] == dim;
        if (known || map->count == SL_MAX_RANK)
            continue;
        map->from[map->count] = dim;
        map->to[map->count++] = sl_type_dim(present, axis);
    }
}

static sl_expr replace_symbol(void *self, sl_expr symbol) {
    const symbol_map *map = self;
    for (int i = 0; i < map->count; i++)
        if (map->from[i] == symbol)
            return map->to[i];
    return NULL;
}

bool sl_op_infer(const sl_op *op, sl_type *results, const char **message) {
    const sl_op_info *info = sl_op_get_info(op);
    sl_context *context = sl_op_context(op);
    if (!info->infer) {
        *message = "the op's result types can't be inferred";
        return false;
    }
    int operand_count = sl_op_operand_count(op);
    sl_value *few[16], **operands = few;
    if (operand_count > 16)
        operands = SL_NEW_ARRAY(sl_context_arena(context), sl_value *, (size_t)operand_count);
    for (int i = 0; i < operand_count; i++)
        operands[i] = sl_op_operand(op, i);
    sl_infer_request request = {.context = context, .kind = sl_op_get_kind(op), .operand_count = operand_count, .operands = operands,
                                .attr_count = op->attr_count, .attrs = op->attrs};
    if (!info->infer(&request)) {
        *message = request.message;
        return false;
    }
    if (request.result_count != sl_op_result_count(op)) {
        *message = "the number of results differs from what is inferred";
        return false;
    }
    symbol_map map = {.count = 0};
    for (int i = 0; i < request.result_count; i++)
        map_symbols(op, request.results[i], sl_value_type(sl_op_result(op, i)), &map);
    for (int i = 0; i < request.result_count; i++) {
        sl_type type = request.results[i];
        if (map.count && sl_type_is_tensor(type) && sl_type_is_ranked(type)) {
            sl_expr dims[SL_MAX_RANK];
            for (int axis = 0; axis < sl_type_rank(type); axis++)
                dims[axis] = sl_expr_substitute(context, sl_type_dim(type, axis), NULL, 0, replace_symbol, &map);
            type = sl_type_with_dims(context, type, sl_type_rank(type), dims);
        }
        results[i] = type;
    }
    return true;
}
