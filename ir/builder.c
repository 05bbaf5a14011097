/* builder.c: creation of ops at an insertion point, the short forms, cloning and inlining. Nothing here verifies; see ir.h for that. */
#include "op_internal.h"
#include <string.h>

sl_builder sl_builder_at_end(sl_module *module, sl_block *block) {
    return (sl_builder){module, block, NULL, sl_loc_unknown(module->context)};
}

sl_builder sl_builder_before(sl_op *op) { return (sl_builder){op->module, op->block, op, op->loc}; }
sl_builder sl_builder_after(sl_op *op) { return (sl_builder){op->module, op->block, op->next, op->loc}; }

sl_op *sl_build(sl_builder *builder, sl_op_kind kind, int operand_count, sl_value *const *operands, int result_count,
                const sl_type *result_types, int attr_count, const sl_named_attr *attrs) {
    int regions = sl_op_info_get(kind)->regions;
    sl_op *op = sl_op_create(builder->module, kind, builder->loc, operand_count, operands, result_count, result_types, attr_count, attrs,
                             regions < 0 ? 0 : regions);
    if (builder->block) sl_op_link(op, builder->block, builder->before);
    return op;
}

sl_op *sl_build_inferred(sl_builder *builder, sl_op_kind kind, int operand_count, sl_value *const *operands, int attr_count,
                         const sl_named_attr *attrs) {
    const sl_op_info *info = sl_op_info_get(kind);
    assert(info->infer && "this op's result types can't be inferred: use sl_build");
    sl_infer_request request = {.context = builder->module->context, .kind = kind, .operand_count = operand_count, .operands = operands,
                                .attr_count = attr_count, .attrs = attrs};
    if (!info->infer(&request)) {
        sl_place place = {0};
        if (builder->loc) place = sl_loc_place(builder->loc);
        sl_diag_report(sl_context_sink(builder->module->context), SL_SEVERITY_ERROR, &place, "%s: %s", info->full_name,
                       request.message ? request.message : "result types can't be inferred");
        return NULL;
    }
    return sl_build(builder, kind, operand_count, operands, request.result_count, request.results, attr_count, attrs);
}

/* ---- short forms ---- */

sl_value *sl_build_constant(sl_builder *builder, sl_attr data) {
    sl_type type = sl_attr_get_type(data);
    sl_named_attr value = {"value", data};
    return sl_op_result(sl_build(builder, SL_OP_core_constant, 0, NULL, 1, &type, 1, &value), 0);
}

static sl_value *sl_build_constant_of(sl_builder *builder, sl_type type, sl_attr data) {
    sl_named_attr value = {"value", data};
    return sl_op_result(sl_build(builder, SL_OP_core_constant, 0, NULL, 1, &type, 1, &value), 0);
}

sl_value *sl_build_constant_int(sl_builder *builder, sl_type type, int64_t value) {
    sl_context *context = builder->module->context;
    sl_element element = sl_type_element(type);
    if (sl_element_is_float(element)) return sl_build_constant_float(builder, type, (double)value);
    if (!sl_type_is_tensor(type)) {
        /* Not through a double: i64 holds more than 53 bits. */
        uint64_t storage = 0;
        sl_element_store_int(element, &storage, 0, value);
        sl_type scalar = sl_type_scalar(context, element);
        return sl_build_constant_of(builder, type, sl_attr_data_copy(context, scalar, &storage, sl_element_bytes(element, 1)));
    }
    if (value >= -(INT64_C(1) << 53) && value <= INT64_C(1) << 53)
        return sl_build_constant_of(builder, type, sl_attr_data_splat(context, type, (double)value));
    void *data;
    sl_attr attr = sl_attr_data_zero(context, type, &data);
    for (int64_t i = 0, count = sl_type_static_count(type); i < count; i++) sl_element_store_int(element, data, i, value);
    return sl_build_constant_of(builder, type, attr);
}

sl_value *sl_build_constant_float(sl_builder *builder, sl_type type, double value) {
    sl_context *context = builder->module->context;
    sl_element element = sl_type_element(type);
    if (sl_type_is_tensor(type)) return sl_build_constant_of(builder, type, sl_attr_data_splat(context, type, value));
    uint64_t storage = 0;
    sl_element_store_float(element, &storage, 0, value);
    sl_type scalar = sl_type_scalar(context, element);
    return sl_build_constant_of(builder, type, sl_attr_data_copy(context, scalar, &storage, sl_element_bytes(element, 1)));
}

sl_value *sl_build_unary(sl_builder *builder, sl_op_kind kind, sl_value *operand) {
    return sl_op_result(sl_build(builder, kind, 1, &operand, 1, &operand->type, 0, NULL), 0);
}

sl_value *sl_build_binary(sl_builder *builder, sl_op_kind kind, sl_value *left, sl_value *right) {
    sl_value *operands[] = {left, right};
    return sl_op_result(sl_build(builder, kind, 2, operands, 1, &left->type, 0, NULL), 0);
}

sl_value *sl_build_compare(sl_builder *builder, const char *predicate, sl_value *left, sl_value *right) {
    sl_context *context = builder->module->context;
    sl_value *operands[] = {left, right};
    sl_type type = sl_type_with_element(context, left->type, SL_ELEMENT_i1);
    sl_named_attr attr = {"predicate", sl_attr_string(context, predicate)};
    return sl_op_result(sl_build(builder, SL_OP_arith_cmp, 2, operands, 1, &type, 1, &attr), 0);
}

sl_value *sl_build_select(sl_builder *builder, sl_value *condition, sl_value *if_true, sl_value *if_false) {
    sl_value *operands[] = {condition, if_true, if_false};
    return sl_op_result(sl_build(builder, SL_OP_arith_select, 3, operands, 1, &if_true->type, 0, NULL), 0);
}

sl_value *sl_build_cast(sl_builder *builder, sl_value *operand, sl_element element) {
    if (sl_type_element(operand->type) == element) return operand;
    sl_type type = sl_type_with_element(builder->module->context, operand->type, element);
    return sl_op_result(sl_build(builder, SL_OP_arith_cast, 1, &operand, 1, &type, 0, NULL), 0);
}

/* ---- value maps: open addressing on the value's address ---- */

typedef struct sl_value_pair { const sl_value *from; sl_value *to; } sl_value_pair;

struct sl_value_map {
    sl_arena *arena;
    sl_value_pair *slots;
    size_t count, capacity;
};

sl_value_map *sl_value_map_create(sl_arena *arena) {
    sl_value_map *map = SL_NEW(arena, sl_value_map);
    map->arena = arena;
    map->capacity = 16;
    map->slots = SL_NEW_ARRAY(arena, sl_value_pair, map->capacity);
    return map;
}

/* The slot of `from`, or the empty one where it belongs. */
static sl_value_pair *sl_value_map_slot(sl_value_pair *slots, size_t capacity, const sl_value *from) {
    size_t at = (size_t)(((uintptr_t)from >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (capacity - 1);
    while (slots[at].from && slots[at].from != from) at = (at + 1) & (capacity - 1);
    return &slots[at];
}

void sl_value_map_set(sl_value_map *map, const sl_value *from, sl_value *to) {
    if ((map->count + 1) * 2 > map->capacity) {
        size_t capacity = map->capacity * 2;
        sl_value_pair *slots = SL_NEW_ARRAY(map->arena, sl_value_pair, capacity);
        for (size_t i = 0; i < map->capacity; i++)
            if (map->slots[i].from) *sl_value_map_slot(slots, capacity, map->slots[i].from) = map->slots[i];
        map->slots = slots;
        map->capacity = capacity;
    }
    sl_value_pair *slot = sl_value_map_slot(map->slots, map->capacity, from);
    if (!slot->from) map->count++;
    *slot = (sl_value_pair){from, to};
}

sl_value *sl_value_map_get(const sl_value_map *map, const sl_value *from) {
    return sl_value_map_slot(map->slots, map->capacity, from)->to;
}

sl_value *sl_value_map_get_or_same(const sl_value_map *map, sl_value *from) {
    sl_value *to = sl_value_map_get(map, from);
    return to ? to : from;
}

/* ---- cloning and inlining ---- */

sl_op *sl_op_clone(sl_builder *builder, const sl_op *op, sl_value_map *map) {
    sl_value *few_operands[16];
    sl_type few_types[16];
    sl_value **operands = op->operand_count <= 16 ? few_operands : SL_NEW_ARRAY(map->arena, sl_value *, (size_t)op->operand_count);
    sl_type *types = op->result_count <= 16 ? few_types : SL_NEW_ARRAY(map->arena, sl_type, (size_t)op->result_count);
    for (int i = 0; i < op->operand_count; i++) operands[i] = sl_value_map_get_or_same(map, op->operands[i].value);
    for (int i = 0; i < op->result_count; i++) types[i] = op->results[i].type;
    sl_op *copy = sl_op_create(builder->module, op->info->kind, op->loc, op->operand_count, operands, op->result_count, types, op->attr_count,
                               op->attrs, op->region_count);
    for (int i = 0; i < op->result_count; i++) {
        copy->results[i].name = op->results[i].name;
        sl_value_map_set(map, &op->results[i], &copy->results[i]);
    }
    for (int r = 0; r < op->region_count; r++) {
        const sl_block *from = op->regions[r]->block;
        sl_block *to = copy->regions[r]->block;
        for (size_t i = 0; i < from->arguments.count; i++) {
            sl_value *argument = sl_block_add_argument(to, from->arguments.data[i]->type);
            argument->name = from->arguments.data[i]->name;
            sl_value_map_set(map, from->arguments.data[i], argument);
        }
        sl_builder inner = sl_builder_at_end(builder->module, to);
        for (const sl_op *child = from->first; child; child = child->next) sl_op_clone(&inner, child, map);
    }
    if (builder->block) sl_op_link(copy, builder->block, builder->before);
    return copy;
}

void sl_block_inline(sl_builder *builder, sl_block *from, sl_value *const *arguments) {
    for (size_t i = 0; i < from->arguments.count; i++) sl_value_replace_all_uses(from->arguments.data[i], arguments[i]);
    while (from->first) {
        sl_op *op = from->first;
        sl_op_unlink(op);
        sl_op_link(op, builder->block, builder->before);
    }
}
