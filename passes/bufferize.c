/* bufferize.c: pass bufferize: a function over tensors becomes a host function over buffers.
 *
 * In:  core.func whose body holds what tile leaves: kernel.launch and kernel.call on tensors, core.constant, tensor.reshape, tensor.from_dims, tensor.concat along
 *      leading dims, tensor.if, tensor.loop, core.guard, core.return.
 * Out: the host code described at the head of ops/kernel.def: one kernel.alloc per result, views for reshapes, kernel.if and kernel.while for control flow, program
 *      outputs written straight into the caller's memory.
 *
 * The walk is in program order, so that operands are buffers when an op is reached, and tracks which shape symbols are bound: a kernel.call with an unbound dim in
 * an output makes its outputs itself. Control flow is in bufferize_control.c and bufferize_loop.c, outputs in bufferize_output.c, reuse of dying inputs in
 * bufferize_reuse.c. */
#include "bufferize_internal.h"

#include <string.h>

/* ---- symbols ---- */
bool sl_bufferize_is_bound(const sl_bufferizer *bz, sl_expr symbol) {
    uint32_t id = sl_expr_id(symbol);
    return id < bz->bound_capacity && bz->bound[id];
}

void sl_bufferize_set_bound(sl_bufferizer *bz, sl_expr symbol, bool bound) {
    uint32_t id = sl_expr_id(symbol);
    if (id >= bz->bound_capacity) {
        size_t capacity = bz->bound_capacity ? bz->bound_capacity : 256;
        while (capacity <= id) capacity *= 2;
        uint8_t *grown = SL_NEW_ARRAY(bz->pass->scratch, uint8_t, capacity);
        if (bz->bound_capacity) memcpy(grown, bz->bound, bz->bound_capacity);
        bz->bound = grown;
        bz->bound_capacity = capacity;
    }
    bz->bound[id] = bound;
}

typedef struct symbol_query { sl_bufferizer *bz; bool all; } symbol_query;

static void query_symbol(void *self, sl_expr symbol) {
    symbol_query *query = self;
    query->all &= sl_bufferize_is_bound(query->bz, symbol);
}

static void bind_symbol(void *self, sl_expr symbol) { sl_bufferize_set_bound(self, symbol, true); }

bool sl_bufferize_all_bound(const sl_bufferizer *bz, sl_expr expr) {
    symbol_query query = {(sl_bufferizer *)bz, true};
    sl_expr_visit_symbols(expr, query_symbol, &query);
    return query.all;
}

static bool type_is_bound(const sl_bufferizer *bz, sl_type type) {
    bool all = true;
    for (int d = 0; d < sl_type_rank(type); d++) all &= sl_bufferize_all_bound(bz, sl_type_dim(type, d));
    return all;
}

static void bind_type(sl_bufferizer *bz, sl_type type) {
    if (!sl_type_is_ranked(type)) return;
    for (int d = 0; d < sl_type_rank(type); d++) sl_expr_visit_symbols(sl_type_dim(type, d), bind_symbol, bz);
}

/* A symbol without a value here is a bug of an earlier pass: it dropped or moved what binds it. */
static void check_bound(sl_bufferizer *bz, const sl_op *op, sl_expr expr) {
    if (sl_bufferize_all_bound(bz, expr)) return;
    sl_text text;
    sl_text_init(&text, bz->pass->scratch);
    sl_expr_print(&text, expr);
    sl_op_report(op, SL_SEVERITY_ERROR, "%s mentions a symbol that has no value here: %s", sl_op_name(op), text.data);
    bz->failed = true;
}

/* ---- building host code ---- */
sl_type sl_buffer_type(sl_bufferizer *bz, sl_type tensor) {
    return sl_type_buffer(bz->context, sl_type_element(tensor), sl_type_rank(tensor), sl_type_dims(tensor));
}

sl_value *sl_bufferize_alloc(sl_bufferizer *bz, sl_builder *builder, sl_type buffer) {
    sl_op *op = sl_build(builder, SL_OP_kernel_alloc, 0, NULL, 1, &buffer, 0, NULL);
    if (!type_is_bound(bz, buffer)) {
        sl_text text;
        sl_text_init(&text, bz->pass->scratch);
        sl_type_print(&text, buffer);
        sl_op_report(op, SL_SEVERITY_ERROR, "the size of %s depends on a symbol that has no value where the memory is needed", text.data);
        bz->failed = true;
    }
    return sl_op_result(op, 0);
}

sl_value *sl_bufferize_view(sl_builder *builder, sl_value *buffer, sl_type type) {
    if (sl_value_type(buffer) == type) return buffer;
    return sl_op_result(sl_build(builder, SL_OP_kernel_view, 1, &buffer, 1, &type, 0, NULL), 0);
}

void sl_bufferize_copy(sl_builder *builder, sl_value *from, sl_value *to) {
    sl_value *operands[] = {from, to};
    sl_build(builder, SL_OP_kernel_copy, 2, operands, 0, NULL, 0, NULL);
}

sl_value *sl_bufferize_dim(sl_builder *builder, sl_expr expr) {
    sl_context *context = sl_module_context(builder->module);
    sl_type type = sl_type_scalar(context, SL_ELEMENT_i64);
    sl_named_attr attr = {"value", sl_attr_expr(context, expr)};
    return sl_op_result(sl_build(builder, SL_OP_core_dim, 0, NULL, 1, &type, 1, &attr), 0);
}

static sl_value *constant_i64(sl_builder *builder, int64_t value) {
    return sl_build_constant_int(builder, sl_type_scalar(sl_module_context(builder->module), SL_ELEMENT_i64), value);
}

sl_value *sl_bufferize_load(sl_builder *builder, sl_value *buffer) {
    sl_type type = sl_type_scalar(sl_module_context(builder->module), sl_type_element(sl_value_type(buffer)));
    sl_value *operands[] = {buffer, constant_i64(builder, 0)};
    return sl_op_result(sl_build(builder, SL_OP_kernel_load, 2, operands, 1, &type, 0, NULL), 0);
}

void sl_bufferize_store(sl_builder *builder, sl_value *scalar, sl_value *buffer, int64_t offset) {
    sl_value *operands[] = {scalar, buffer, constant_i64(builder, offset)};
    sl_build(builder, SL_OP_kernel_store, 3, operands, 0, NULL, 0, NULL);
}

void sl_bufferize_bind(sl_bufferizer *bz, sl_builder *builder, sl_expr symbol, sl_value *value) {
    sl_named_attr attr = {"symbol", sl_attr_expr(bz->context, symbol)};
    sl_build(builder, SL_OP_kernel_bind, 1, &value, 0, NULL, 1, &attr);
    sl_bufferize_set_bound(bz, symbol, true);
}

sl_value *sl_bufferize_base(sl_value *value) {
    while (sl_value_op(value) && sl_op_get_kind(sl_value_op(value)) == SL_OP_kernel_view) value = sl_op_operand(sl_value_op(value), 0);
    return value;
}

sl_op *sl_bufferize_local_alloc(sl_value *value, const sl_block *block) {
    for (sl_op *op = sl_value_op(value); op; op = sl_value_op(sl_op_operand(op, 0))) {
        if (sl_op_get_kind(op) == SL_OP_kernel_view && !sl_op_attr(op, "offset")) continue;
        bool plain = sl_op_get_kind(op) == SL_OP_kernel_alloc && sl_op_block(op) == block && sl_op_attr_count(op) == 0;
        return plain ? op : NULL;
    }
    return NULL;
}

void sl_bufferize_redirect(sl_op *alloc, sl_value *memory) {
    sl_builder builder = sl_builder_before(alloc);
    sl_value *seen = sl_bufferize_view(&builder, memory, sl_value_type(sl_op_result(alloc, 0)));
    sl_op_replace(alloc, &seen);
}

/* ---- ops ---- */
static void replace_with(sl_bufferizer *bz, sl_op *op, sl_value *value) {
    sl_op_replace(op, &value);
    bz->pass->changes++;
}

/* Outputs as operands: allocs, and the op again without results. */
static void bufferize_destination(sl_bufferizer *bz, sl_op *op) {
    sl_builder builder = sl_builder_before(op);
    int inputs = sl_op_operand_count(op), outputs = sl_op_result_count(op), attr_count = sl_op_attr_count(op);
    sl_value **operands = SL_NEW_ARRAY(bz->pass->scratch, sl_value *, (size_t)(inputs + outputs + 1));
    sl_named_attr *attrs = SL_NEW_ARRAY(bz->pass->scratch, sl_named_attr, (size_t)(attr_count + 1));
    for (int i = 0; i < inputs; i++) operands[i] = sl_op_operand(op, i);
    for (int i = 0; i < outputs; i++) {
        sl_value *memory = sl_bufferize_alloc(bz, &builder, sl_buffer_type(bz, sl_value_type(sl_op_result(op, i))));
        if (sl_value_name(sl_op_result(op, i))) sl_value_set_name(memory, sl_value_name(sl_op_result(op, i)));
        operands[inputs + i] = memory;
    }
    for (int i = 0; i < attr_count; i++) attrs[i].attr = sl_op_attr_at(op, i, &attrs[i].name);
    sl_build(&builder, sl_op_get_kind(op), inputs + outputs, operands, 0, NULL, attr_count, attrs);
    sl_op_replace(op, operands + inputs);
    bz->pass->changes++;
}

static void bufferize_call(sl_bufferizer *bz, sl_op *op) {
    bool known = true;
    for (int i = 0; i < sl_op_result_count(op); i++) {
        sl_type type = sl_value_type(sl_op_result(op, i));
        if (sl_type_is_ranked(type)) {
            known &= type_is_bound(bz, type);
            continue;
        }
        sl_op_report(op, SL_SEVERITY_ERROR, "a routine's result has no known rank");
        bz->failed = true;
        return;
    }
    if (known) {
        bufferize_destination(bz, op);
        return;
    }
    for (int i = 0; i < sl_op_result_count(op); i++) {
        sl_type type = sl_value_type(sl_op_result(op, i));
        bind_type(bz, type);
        sl_value_set_type(sl_op_result(op, i), sl_buffer_type(bz, type));
    }
    bz->pass->changes++;
}

static void bufferize_from_dims(sl_bufferizer *bz, sl_op *op) {
    sl_builder builder = sl_builder_before(op);
    sl_type type = sl_value_type(sl_op_result(op, 0));
    sl_value *memory = sl_bufferize_alloc(bz, &builder, sl_buffer_type(bz, type));
    int count = sl_attr_count(sl_op_attr(op, "dims"));
    for (int i = 0; i < count; i++) {
        check_bound(bz, op, sl_op_expr_at(op, "dims", i));
        sl_value *value = sl_bufferize_dim(&builder, sl_op_expr_at(op, "dims", i));
        sl_bufferize_store(&builder, sl_build_cast(&builder, value, sl_type_element(type)), memory, i);
    }
    replace_with(bz, op, memory);
}

/* Operands follow one another in memory when all dims before the axis are 1: each is copied into (or made in) its part. */
static void bufferize_concat(sl_bufferizer *bz, sl_op *op) {
    sl_builder builder = sl_builder_before(op);
    sl_type type = sl_value_type(sl_op_result(op, 0));
    int axis = (int)sl_op_int(op, "axis", 0);
    for (int d = 0; d < axis; d++) {
        if (sl_expr_equals_const(sl_type_dim(type, d), 1)) continue;
        sl_op_report(op, SL_SEVERITY_ERROR, "tensor.concat along axis %d behind a dimension that is not 1 must become a launch before bufferize", axis);
        bz->failed = true;
        return;
    }
    sl_value *memory = sl_bufferize_alloc(bz, &builder, sl_buffer_type(bz, type));
    sl_expr at = sl_expr_const(bz->context, 0);
    for (int i = 0; i < sl_op_operand_count(op); i++) {
        sl_value *part = sl_op_operand(op, i);
        sl_type part_type = sl_value_type(part);
        sl_named_attr attr = {"offset", sl_attr_expr(bz->context, at)};
        sl_value *place = sl_op_result(sl_build(&builder, SL_OP_kernel_view, 1, &memory, 1, &part_type, 1, &attr), 0);
        sl_bufferize_copy(&builder, part, place);
        at = sl_expr_add(bz->context, at, sl_type_count(bz->context, part_type));
    }
    replace_with(bz, op, memory);
}

/* What may stay as it is: host code that control flow put there before its body was reached, and what its owner handles. */
static bool is_host_op(const sl_op *op) {
    sl_op_kind kind = sl_op_get_kind(op);
    const char *family = sl_op_get_info(op)->family;
    if (strcmp(family, "arith") == 0) return sl_op_result_count(op) == 1 && sl_type_is_scalar(sl_value_type(sl_op_result(op, 0)));
    return strcmp(family, "kernel") == 0 || kind == SL_OP_core_dim || kind == SL_OP_tensor_yield || kind == SL_OP_route_yield;
}

static void bufferize_op(sl_bufferizer *bz, sl_op *op) {
    sl_op_kind kind = sl_op_get_kind(op);
    if (kind == SL_OP_core_constant) {
        sl_value *result = sl_op_result(op, 0);
        if (sl_type_is_tensor(sl_value_type(result))) sl_value_set_type(result, sl_buffer_type(bz, sl_value_type(result)));
    } else if (kind == SL_OP_kernel_launch && sl_op_result_count(op)) {
        bufferize_destination(bz, op);
    } else if (kind == SL_OP_kernel_call && sl_op_result_count(op)) {
        bufferize_call(bz, op);
    } else if (kind == SL_OP_tensor_from_dims) {
        bufferize_from_dims(bz, op);
    } else if (kind == SL_OP_tensor_reshape && sl_op_operand_count(op) == 1) {
        sl_builder builder = sl_builder_before(op);
        replace_with(bz, op, sl_bufferize_view(&builder, sl_op_operand(op, 0), sl_buffer_type(bz, sl_value_type(sl_op_result(op, 0)))));
    } else if (kind == SL_OP_tensor_bind_slice) {
        sl_bufferize_bind_slice(bz, op);
    } else if (kind == SL_OP_tensor_concat) {
        bufferize_concat(bz, op);
    } else if (kind == SL_OP_tensor_if) {
        sl_bufferize_if(bz, op);
    } else if (kind == SL_OP_tensor_loop) {
        sl_bufferize_loop(bz, op);
    } else if (kind == SL_OP_route_dispatch) {
        sl_bufferize_dispatch(bz, op);
    } else if (kind == SL_OP_core_return) {
        sl_bufferize_return(bz, op);
    } else if (kind == SL_OP_core_guard) {
        check_bound(bz, op, sl_attr_get_expr(sl_op_attr(op, "left")));
        check_bound(bz, op, sl_attr_get_expr(sl_op_attr(op, "right")));
    } else if (!is_host_op(op)) {
        sl_op_report(op, SL_SEVERITY_ERROR, "%s can't be given memory: it should have become a kernel or a routine call before bufferize", sl_op_name(op));
        bz->failed = true;
    }
}

void sl_bufferize_block(sl_bufferizer *bz, sl_block *block) {
    for (sl_op *op = sl_block_first(block), *next; op && !bz->failed; op = next) {
        next = sl_op_next(op);
        bufferize_op(bz, op);
    }
}

static void bufferize_function(sl_bufferizer *bz, sl_op *func) {
    sl_block *body = sl_op_body(func, 0);
    for (int i = 0; i < sl_block_argument_count(body); i++) {
        sl_value *argument = sl_block_argument(body, i);
        sl_type type = sl_value_type(argument);
        if (!sl_type_is_tensor(type) || !sl_type_is_ranked(type)) {
            sl_op_report(func, SL_SEVERITY_ERROR, "input %d of the function must be a tensor of known rank", i);
            bz->failed = true;
            return;
        }
        bind_type(bz, type);
        sl_value_set_type(argument, sl_buffer_type(bz, type));
    }
    sl_bufferize_block(bz, body);
    if (bz->failed) return;
    sl_op_set_attr(func, "buffers", sl_attr_bool(bz->context, true));
    bz->pass->changes += sl_bufferize_reuse(bz->pass, func);
}

sl_status sl_pass_bufferize(sl_pass_context *pass) {
    bool failed = false;
    for (sl_op *func = sl_block_first(sl_module_body(pass->module)); func; func = sl_op_next(func)) {
        if (sl_op_get_kind(func) != SL_OP_core_func || sl_op_bool(func, "buffers", false)) continue;
        sl_bufferizer bz = {.pass = pass, .context = sl_module_context(pass->module), .module = pass->module};
        bufferize_function(&bz, func);
        failed |= bz.failed;
    }
    return failed ? SL_PASS_FAILED("bufferize") : NULL;
}
