/* emit_host.c: the host function of a program: run(frame). Straight code with calls through the services table; every service that can fail is followed by a
 * branch that leaves the function. See kernel.def for what host code may hold, and abi.def for the structs.
 *
 * Arguments of launches and calls (pointer arrays, scalars, tensor descriptions, shapes) are written into stack areas that all sites share: they are
 * consumed before the service returns. This code runs once per op of the model, so it is compiled by LLVM's fast code generator. */
#include "host.h"
#include "sluice/runtime.h"
#include <string.h>

#define B e->builder

/* ---- helpers ---- */

LLVMValueRef sl_host_input(sl_emitter *e, int index) { return sl_abi_element(e, sl_abi_type(e, SL_STRUCT_tensor), e->host->inputs, index); }

LLVMValueRef sl_host_begin(sl_emitter *e, const char *name, int parameters) {
    sl_host *host = e->host;
    LLVMTypeRef types[2] = {e->pointer, e->pointer};
    LLVMValueRef function = LLVMAddFunction(e->module, name, LLVMFunctionType(e->i32, types, (unsigned)parameters, false));
    sl_emit_function_attributes(e, function);
    e->function = function;
    LLVMPositionBuilderAtEnd(B, LLVMAppendBasicBlockInContext(e->context, function, "entry"));
    host->frame = LLVMGetParam(function, 0);
    host->symbol_values = sl_abi_load(e, SL_STRUCT_frame, host->frame, SL_FIELD_frame_symbols);
    host->services = sl_abi_load(e, SL_STRUCT_frame, host->frame, SL_FIELD_frame_services);
    host->constant_table = sl_abi_load(e, SL_STRUCT_frame, host->frame, SL_FIELD_frame_constants);
    host->arena = sl_abi_load(e, SL_STRUCT_frame, host->frame, SL_FIELD_frame_arena);
    host->inputs = sl_abi_load(e, SL_STRUCT_frame, host->frame, SL_FIELD_frame_inputs);
    return function;
}

LLVMValueRef sl_host_service(sl_emitter *e, int field, LLVMTypeRef result, int count, LLVMTypeRef *types, LLVMValueRef *arguments) {
    LLVMValueRef function = sl_abi_load(e, SL_STRUCT_services, e->host->services, field);
    return LLVMBuildCall2(B, LLVMFunctionType(result, types, (unsigned)count, false), function, arguments, (unsigned)count, "");
}

void sl_host_leave_if(sl_emitter *e, LLVMValueRef condition, LLVMValueRef code) {
    LLVMBasicBlockRef leave = sl_emit_block(e, "leave"), next = sl_emit_block(e, "next");
    LLVMBuildCondBr(B, condition, leave, next);
    LLVMPositionBuilderAtEnd(B, leave);
    LLVMBuildRet(B, code);
    LLVMPositionBuilderAtEnd(B, next);
}

void sl_host_fail_if(sl_emitter *e, LLVMValueRef condition, int code, const char *message) {
    LLVMBasicBlockRef bad = sl_emit_block(e, "fail"), next = sl_emit_block(e, "next");
    LLVMBuildCondBr(B, condition, bad, next);
    LLVMPositionBuilderAtEnd(B, bad);
    LLVMTypeRef types[3] = {e->pointer, e->i32, e->pointer};
    LLVMValueRef arguments[3] = {e->host->frame, LLVMConstInt(e->i32, (unsigned long long)code, false), sl_emit_string(e, message)};
    LLVMBuildRet(B, sl_host_service(e, SL_FIELD_services_fail, e->i32, 3, types, arguments));
    LLVMPositionBuilderAtEnd(B, next);
}

const char *sl_host_located(sl_emitter *e, const sl_op *op, const char *message) {
    sl_text text;
    sl_text_init(&text, e->arena);
    if (sl_loc_count(sl_op_loc(op)) > 0) {
        sl_loc_describe(&text, sl_op_loc(op));
        sl_text_append(&text, ": ");
    }
    sl_text_append(&text, "%s", message);
    return text.data;
}

static LLVMValueRef i32_of(sl_emitter *e, int64_t value) { return LLVMConstInt(e->i32, (unsigned long long)value, true); }

static void leave_if_failed(sl_emitter *e, LLVMValueRef code) { sl_host_leave_if(e, LLVMBuildICmp(B, LLVMIntNE, code, i32_of(e, 0), ""), code); }

static void leave_if_null(sl_emitter *e, LLVMValueRef pointer) { sl_host_leave_if(e, LLVMBuildICmp(B, LLVMIntEQ, pointer, LLVMConstNull(e->pointer), ""), i32_of(e, 1)); }

/* ---- memory ---- */

static void store_shape(sl_emitter *e, LLVMValueRef area, sl_type type) {
    for (int d = 0; d < sl_type_rank(type); ++d) LLVMBuildStore(B, sl_emit_host_expr(e, sl_type_dim(type, d), NULL), sl_abi_element(e, e->i64, area, d));
}

static LLVMValueRef emit_alloc(sl_emitter *e, sl_op *op) {
    sl_host *host = e->host;
    sl_type type = sl_value_type(sl_op_result(op, 0));
    if (sl_op_attr(op, "output")) {
        store_shape(e, host->shape_area, type);
        LLVMTypeRef types[4] = {e->pointer, e->i32, e->i32, e->pointer};
        LLVMValueRef arguments[4] = {host->frame, i32_of(e, sl_op_int(op, "output", 0)), i32_of(e, sl_type_rank(type)), host->shape_area};
        LLVMValueRef pointer = sl_host_service(e, SL_FIELD_services_output, e->pointer, 4, types, arguments);
        leave_if_null(e, pointer);
        return pointer;
    }
    if (sl_op_bool(op, "dynamic", false)) {
        LLVMValueRef overflow = LLVMConstInt(e->i1, 0, false), bytes = sl_host_bytes(e, type, &overflow);
        bytes = LLVMBuildSelect(B, overflow, sl_emit_i64(e, -1), bytes, "");   /* refused by the service */
        LLVMTypeRef types[3] = {e->pointer, e->i32, e->i64};
        LLVMValueRef arguments[3] = {host->frame, i32_of(e, sl_op_int(op, "slot", 0)), bytes};
        LLVMValueRef pointer = sl_host_service(e, SL_FIELD_services_dynamic, e->pointer, 3, types, arguments);
        leave_if_null(e, pointer);
        return pointer;
    }
    int slot = sl_host_slot_index(host, op);
    LLVMValueRef offset = slot >= 0 ? sl_host_symbol_load(e, (int)host->symbols.count + slot) : sl_emit_i64(e, sl_op_int(op, "offset", 0));
    return LLVMBuildGEP2(B, e->i8, host->arena, &offset, 1, "");
}

static LLVMValueRef emit_view(sl_emitter *e, sl_op *op) {
    sl_attr offset = sl_op_attr(op, "offset");
    LLVMValueRef base = sl_emit_get(e, sl_op_operand(op, 0));
    if (!offset) return base;
    return sl_emit_address(e, sl_type_element(sl_value_type(sl_op_result(op, 0))), base, sl_emit_host_expr(e, sl_attr_get_expr(offset), NULL));
}

static LLVMValueRef emit_host_constant(sl_emitter *e, sl_op *op) {
    sl_host *host = e->host;
    sl_type type = sl_value_type(sl_op_result(op, 0));
    if (sl_type_is_scalar(type) || sl_type_is_vector(type)) return sl_emit_constant(e, op);
    sl_attr data = sl_op_attr(op, "value");
    size_t index = 0;
    while (index < host->constants.count && host->constants.data[index] != data) ++index;
    if (index == host->constants.count) SL_PUSH(e->arena, &host->constants, data);
    return LLVMBuildLoad2(B, e->pointer, sl_abi_element(e, e->pointer, host->constant_table, (int64_t)index), "");
}

/* ---- launches and calls ---- */

static void emit_launch(sl_emitter *e, sl_op *op) {
    sl_host *host = e->host;
    const char *callee = sl_op_string(op, "callee", ""), *symbol = host->kernel_symbol(host->self, callee);
    if (!symbol) {
        sl_emit_fail(e, op, NULL, "kernel.launch names the kernel '%s', which is not in the module", callee);
        return;
    }
    LLVMValueRef function = LLVMGetNamedFunction(e->module, symbol);
    LLVMTypeRef kernel_types[5] = {e->pointer, e->pointer, e->i64, e->i64, e->pointer};
    if (!function) function = LLVMAddFunction(e->module, symbol, LLVMFunctionType(e->nothing, kernel_types, 5, false));
    for (int i = 0; i < sl_op_operand_count(op); ++i)
        LLVMBuildStore(B, sl_emit_get(e, sl_op_operand(op, i)), sl_abi_element(e, e->pointer, host->pointer_area, i));
    sl_attr dims = sl_op_attr(op, "dims"), grain = sl_op_attr(op, "grain"), work = sl_op_attr(op, "work");
    for (int i = 0; dims && i < sl_attr_count(dims); ++i)
        LLVMBuildStore(B, sl_emit_host_expr(e, sl_attr_get_expr(sl_attr_item(dims, i)), NULL), sl_abi_element(e, e->i64, host->integer_area, i));
    bool queued = sl_op_bool(op, "queued", false);
    LLVMTypeRef types[10] = {e->pointer, e->i32, e->pointer, e->pointer, e->pointer, e->i64, e->i64, e->i64, e->i32, e->i32};
    LLVMValueRef arguments[10] = {
        host->frame, LLVMBuildTrunc(B, sl_host_site_index(e, (int64_t)host->launches.count), e->i32, ""), function, host->pointer_area, host->integer_area,
        sl_emit_host_expr(e, sl_attr_get_expr(sl_op_attr(op, "tasks")), NULL), grain ? sl_emit_host_expr(e, sl_attr_get_expr(grain), NULL) : sl_emit_i64(e, 1),
        work ? sl_emit_host_expr(e, sl_attr_get_expr(work), NULL) : sl_emit_i64(e, 0),
        i32_of(e, sl_op_operand_count(op)), i32_of(e, dims ? sl_attr_count(dims) : 0),
    };
    int64_t words = (int64_t)host->each * (sl_op_operand_count(op) + (dims ? sl_attr_count(dims) : 0));
    if (queued && host->each > host->queue_launches) host->queue_launches = host->each;
    if (queued && words > host->queue_words) host->queue_words = words;
    for (int i = 0; i < host->members; ++i) {
        sl_host_site site = {host->branch < 0 ? -1 : host->branch + i / (host->members / host->branch_members), host->members, false};
        SL_PUSH(e->arena, &host->launches, op);
        SL_PUSH(e->arena, &host->sites, site);
    }
    sl_host_launch_counts(e, op);
    leave_if_failed(e, sl_host_service(e, queued ? SL_FIELD_services_queue : SL_FIELD_services_launch, e->i32, queued ? 10 : 8, types, arguments));
}

/* Parameters of a call as a constant array in the module. */
static LLVMValueRef constant_array(sl_emitter *e, LLVMTypeRef type, LLVMValueRef *items, int count) {
    if (!count) return LLVMConstNull(e->pointer);
    LLVMValueRef global = LLVMAddGlobal(e->module, LLVMArrayType2(type, (uint64_t)count), "parameters");
    LLVMSetInitializer(global, LLVMConstArray2(type, items, (uint64_t)count));
    LLVMSetLinkage(global, LLVMPrivateLinkage);
    LLVMSetGlobalConstant(global, true);
    return global;
}

/* Fills in tensor number `index` of the call; `data` NULL: the routine makes it. Returns where its shape is. */
static LLVMValueRef store_tensor(sl_emitter *e, int index, sl_type type, LLVMValueRef data) {
    sl_host *host = e->host;
    LLVMValueRef tensor = sl_abi_element(e, sl_abi_type(e, SL_STRUCT_tensor), host->tensor_area, index);
    LLVMValueRef shape = sl_abi_element(e, e->i64, host->shape_area, (int64_t)index * SL_MAX_RANK);
    if (data && sl_type_is_scalar(type)) {   /* a scalar operand: passed as a tensor of rank 0, its value in the shape area */
        LLVMValueRef value = data;
        if (sl_type_element(type) == SL_ELEMENT_i1) value = LLVMBuildZExt(B, value, e->i8, "");
        LLVMBuildStore(B, value, shape);
        data = shape;
    } else if (data) {
        store_shape(e, shape, type);
    }
    sl_abi_store(e, SL_STRUCT_tensor, tensor, SL_FIELD_tensor_data, data ? data : LLVMConstNull(e->pointer));
    sl_abi_store(e, SL_STRUCT_tensor, tensor, SL_FIELD_tensor_shape, shape);
    sl_abi_store(e, SL_STRUCT_tensor, tensor, SL_FIELD_tensor_rank, i32_of(e, sl_type_is_ranked(type) ? sl_type_rank(type) : 0));
    sl_abi_store(e, SL_STRUCT_tensor, tensor, SL_FIELD_tensor_element, i32_of(e, sl_type_element(type)));
    return shape;
}

/* After a call that made result `type`: fresh symbols get their values; a dim that was known must be as it was. */
static void bind_result(sl_emitter *e, sl_op *op, sl_type type, LLVMValueRef shape) {
    for (int d = 0; d < sl_type_rank(type); ++d) {
        sl_expr dim = sl_type_dim(type, d);
        LLVMValueRef made = LLVMBuildLoad2(B, e->i64, sl_abi_element(e, e->i64, shape, d), "");
        if (sl_expr_get_kind(dim) == SL_EXPR_SYMBOL && sl_expr_is_fresh(dim)) {
            sl_host_symbol_store(e, sl_host_symbol(e, dim), made);
        } else {
            LLVMValueRef differs = LLVMBuildICmp(B, LLVMIntNE, made, sl_emit_host_expr(e, dim, NULL), "");
            sl_host_fail_if(e, differs, SL_RUN_TIME, sl_host_located(e, op, "the result's shape is not the one that the model states"));
        }
    }
}

static void emit_call(sl_emitter *e, sl_op *op) {
    sl_host *host = e->host;
    const char *name = sl_op_string(op, "routine", "");
    int routine = sl_routine_find(name), operands = sl_op_operand_count(op), results = sl_op_result_count(op), inputs = (int)sl_op_int(op, "inputs", operands);
    if (routine < 0) {
        sl_emit_fail(e, op, NULL, "the runtime has no routine '%s'", name);
        return;
    }
    LLVMValueRef shapes[64];
    if (operands + results > 64) {
        sl_emit_fail(e, op, NULL, "a call with %d tensors (most: 64)", operands + results);
        return;
    }
    for (int i = 0; i < operands; ++i) store_tensor(e, i, sl_value_type(sl_op_operand(op, i)), sl_emit_get(e, sl_op_operand(op, i)));
    for (int i = 0; i < results; ++i) shapes[i] = store_tensor(e, operands + i, sl_value_type(sl_op_result(op, i)), NULL);

    int int_count = 0, float_count = 0;
    const int64_t *ints = sl_op_ints(op, "ints", &int_count);
    sl_attr floats = sl_op_attr(op, "floats");
    LLVMValueRef *items = SL_NEW_ARRAY(e->arena, LLVMValueRef, (size_t)int_count + 1);
    for (int i = 0; i < int_count; ++i) items[i] = sl_emit_i64(e, ints[i]);
    LLVMValueRef int_array = constant_array(e, e->i64, items, int_count);
    float_count = floats ? sl_attr_count(floats) : 0;
    items = SL_NEW_ARRAY(e->arena, LLVMValueRef, (size_t)float_count + 1);
    for (int i = 0; i < float_count; ++i) items[i] = LLVMConstReal(e->f64, sl_attr_get_float(sl_attr_item(floats, i)));
    LLVMValueRef float_array = constant_array(e, e->f64, items, float_count);

    LLVMValueRef call = host->call_area;
    sl_abi_store(e, SL_STRUCT_call, call, SL_FIELD_call_routine, i32_of(e, routine));
    sl_abi_store(e, SL_STRUCT_call, call, SL_FIELD_call_inputs, i32_of(e, inputs));
    sl_abi_store(e, SL_STRUCT_call, call, SL_FIELD_call_outputs, i32_of(e, operands + results - inputs));
    sl_abi_store(e, SL_STRUCT_call, call, SL_FIELD_call_slot, i32_of(e, host->dynamic_slots + host->call_slots));
    sl_abi_store(e, SL_STRUCT_call, call, SL_FIELD_call_tensors, host->tensor_area);
    sl_abi_store(e, SL_STRUCT_call, call, SL_FIELD_call_ints, int_array);
    sl_abi_store(e, SL_STRUCT_call, call, SL_FIELD_call_floats, float_array);
    sl_abi_store(e, SL_STRUCT_call, call, SL_FIELD_call_int_count, i32_of(e, int_count));
    sl_abi_store(e, SL_STRUCT_call, call, SL_FIELD_call_float_count, i32_of(e, float_count));
    sl_text location;
    sl_text_init(&location, e->arena);
    sl_loc_describe(&location, sl_op_loc(op));
    sl_abi_store(e, SL_STRUCT_call, call, SL_FIELD_call_location, sl_emit_string(e, location.data ? location.data : ""));
    host->call_slots += operands + results - inputs;
    LLVMTypeRef types[2] = {e->pointer, e->pointer};
    LLVMValueRef arguments[2] = {host->frame, call};
    leave_if_failed(e, sl_host_service(e, SL_FIELD_services_call, e->i32, 2, types, arguments));
    for (int i = 0; i < results; ++i) {
        LLVMValueRef tensor = sl_abi_element(e, sl_abi_type(e, SL_STRUCT_tensor), host->tensor_area, operands + i);
        sl_emit_set(e, sl_op_result(op, i), sl_abi_load(e, SL_STRUCT_tensor, tensor, SL_FIELD_tensor_data));
        if (sl_type_is_ranked(sl_value_type(sl_op_result(op, i)))) bind_result(e, op, sl_value_type(sl_op_result(op, i)), shapes[i]);
    }
}

/* ---- loops ---- */

static void emit_while(sl_emitter *e, sl_op *op) {
    sl_block *test = sl_op_body(op, 0), *body = sl_op_body(op, 1);
    int count = sl_op_operand_count(op);
    LLVMValueRef *phis = SL_NEW_ARRAY(e->arena, LLVMValueRef, (size_t)count + 1);
    LLVMBasicBlockRef before = LLVMGetInsertBlock(B), head = sl_emit_block(e, "while"), inside = sl_emit_block(e, "body"), after = sl_emit_block(e, "done");
    int depth = e->host->depth;
    e->host->depth = 0;   /* what each iteration skips is counted in it */
    LLVMBuildBr(B, head);
    LLVMPositionBuilderAtEnd(B, head);
    for (int i = 0; i < count; ++i) {
        LLVMValueRef start = sl_emit_get(e, sl_op_operand(op, i));
        phis[i] = LLVMBuildPhi(B, LLVMTypeOf(start), "");
        LLVMAddIncoming(phis[i], &start, &before, 1);
        sl_emit_set(e, sl_block_argument(test, i), phis[i]);
    }
    sl_emit_block_ops(e, test);
    sl_op *yield = sl_block_last(test);
    LLVMBuildCondBr(B, sl_emit_get(e, sl_op_operand(yield, 0)), inside, after);
    for (int i = 0; i + 1 < sl_op_operand_count(yield); ++i) {
        LLVMValueRef value = sl_emit_get(e, sl_op_operand(yield, i + 1));
        if (i < sl_block_argument_count(body)) sl_emit_set(e, sl_block_argument(body, i), value);
        if (i < sl_op_result_count(op)) sl_emit_set(e, sl_op_result(op, i), value);
    }
    LLVMPositionBuilderAtEnd(B, inside);
    sl_emit_block_ops(e, body);
    sl_op *next = sl_block_last(body);
    LLVMBasicBlockRef end = LLVMGetInsertBlock(B);
    for (int i = 0; i < count; ++i) {
        LLVMValueRef value = sl_emit_get(e, sl_op_operand(next, i));
        LLVMAddIncoming(phis[i], &value, &end, 1);
    }
    e->host->depth = depth;
    LLVMBuildBr(B, head);
    LLVMMoveBasicBlockAfter(after, end);
    LLVMPositionBuilderAtEnd(B, after);
}

LLVMValueRef sl_host_site_index(sl_emitter *e, int64_t base) {
    LLVMValueRef first = sl_emit_i64(e, base);
    return e->host->member ? LLVMBuildAdd(B, first, e->host->member, "") : first;
}

static void emit_each(sl_emitter *e, sl_op *op) {
    sl_host *host = e->host;
    int64_t count = sl_op_int(op, "count", 1);
    int members = host->members, each = host->each;
    if (count * members > 1 << 20) {
        sl_emit_fail(e, op, NULL, "switches inside of switches with more than a million branches together");
        return;
    }
    LLVMValueRef around = host->member;
    LLVMBasicBlockRef before = LLVMGetInsertBlock(B), body = sl_emit_block(e, "each"), after = sl_emit_block(e, "done");
    LLVMBuildBr(B, body);
    LLVMPositionBuilderAtEnd(B, body);
    LLVMValueRef index = LLVMBuildPhi(B, e->i64, ""), zero = sl_emit_i64(e, 0);
    LLVMAddIncoming(index, &zero, &before, 1);
    sl_host_symbol_store(e, sl_host_symbol(e, sl_attr_get_expr(sl_op_attr(op, "symbol"))), index);
    host->members = members * (int)count;
    host->each = (int)count;
    host->member = around ? LLVMBuildAdd(B, LLVMBuildMul(B, around, sl_emit_i64(e, count), ""), index, "") : index;
    sl_emit_block_ops(e, sl_op_body(op, 0));
    host->members = members;
    host->each = each;
    host->member = around;
    LLVMBasicBlockRef end = LLVMGetInsertBlock(B);
    LLVMValueRef next = LLVMBuildAdd(B, index, sl_emit_i64(e, 1), "");
    LLVMAddIncoming(index, &next, &end, 1);
    LLVMBuildCondBr(B, LLVMBuildICmp(B, LLVMIntSLT, next, sl_emit_i64(e, count), ""), body, after);
    LLVMMoveBasicBlockAfter(after, end);
    LLVMPositionBuilderAtEnd(B, after);
}

static void emit_flush(sl_emitter *e, sl_op *op) {
    LLVMTypeRef types[2] = {e->pointer, e->i32};
    LLVMValueRef arguments[2] = {e->host->frame, i32_of(e, sl_op_int(op, "padding", 0))};
    leave_if_failed(e, sl_host_service(e, SL_FIELD_services_flush, e->i32, 2, types, arguments));
}

/* ---- ops ---- */

void sl_emit_host_op(sl_emitter *e, sl_op *op) {
    switch ((int)sl_op_get_kind(op)) {
    case SL_OP_core_constant: sl_emit_set(e, sl_op_result(op, 0), emit_host_constant(e, op)); return;
    case SL_OP_core_dim: sl_emit_set(e, sl_op_result(op, 0), sl_emit_host_expr(e, sl_attr_get_expr(sl_op_attr(op, "value")), NULL)); return;
    case SL_OP_core_guard: {
        LLVMValueRef left = sl_emit_host_expr(e, sl_attr_get_expr(sl_op_attr(op, "left")), NULL), right = sl_emit_host_expr(e, sl_attr_get_expr(sl_op_attr(op, "right")), NULL);
        sl_host_fail_if(e, LLVMBuildICmp(B, LLVMIntNE, left, right, ""), SL_RUN_TIME, sl_host_located(e, op, sl_op_string(op, "message", "")));
        return;
    }
    case SL_OP_kernel_alloc: sl_emit_set(e, sl_op_result(op, 0), emit_alloc(e, op)); return;
    case SL_OP_kernel_view: sl_emit_set(e, sl_op_result(op, 0), emit_view(e, op)); return;
    case SL_OP_kernel_copy: {
        LLVMValueRef bytes = sl_host_bytes(e, sl_value_type(sl_op_operand(op, 0)), NULL);
        LLVMBuildMemCpy(B, sl_emit_get(e, sl_op_operand(op, 1)), 1, sl_emit_get(e, sl_op_operand(op, 0)), 1, bytes);
        return;
    }
    case SL_OP_kernel_bind: {
        sl_host_symbol_store(e, sl_host_symbol(e, sl_attr_get_expr(sl_op_attr(op, "symbol"))), sl_emit_get(e, sl_op_operand(op, 0)));
        return;
    }
    case SL_OP_kernel_launch: emit_launch(e, op); return;
    case SL_OP_kernel_call: emit_call(e, op); return;
    case SL_OP_kernel_while: emit_while(e, op); return;
    case SL_OP_kernel_each: emit_each(e, op); return;
    case SL_OP_kernel_flush: emit_flush(e, op); return;
    case SL_OP_kernel_if: sl_host_counted_if(e, op); return;
    case SL_OP_kernel_branch: sl_host_branch_site(e, op); return;
    case SL_OP_kernel_load: case SL_OP_kernel_store: sl_emit_memory_op(e, op); return;
    case SL_OP_kernel_assert:
        sl_host_fail_if(e, LLVMBuildNot(B, sl_emit_get(e, sl_op_operand(op, 0)), ""), SL_RUN_TIME, sl_host_located(e, op, sl_op_string(op, "message", "")));
        return;
    }
    sl_emit_fail(e, op, NULL, "%s can't be compiled in host code (did the pipeline run to its end?)", sl_op_name(op));
}

/* ---- the whole ---- */

typedef struct survey { sl_emitter *e; int pointers, integers, tensors; bool has_call; } survey;

static void meet_symbol(void *self, sl_expr symbol) { sl_host_symbol(self, symbol); }

static void meet_type(sl_emitter *e, sl_type type) {
    if (!sl_type_is_ranked(type)) return;
    for (int d = 0; d < sl_type_rank(type); ++d) sl_expr_visit_symbols(sl_type_dim(type, d), meet_symbol, e);
}

static void meet_attr(sl_emitter *e, sl_attr attr) {
    if (sl_attr_get_kind(attr) == SL_ATTR_EXPR) sl_expr_visit_symbols(sl_attr_get_expr(attr), meet_symbol, e);
    if (sl_attr_get_kind(attr) == SL_ATTR_ARRAY)
        for (int i = 0; i < sl_attr_count(attr); ++i) meet_attr(e, sl_attr_item(attr, i));
}

/* Finds all symbols, allocs and the sizes of argument areas before anything is emitted. */
static bool survey_op(void *self, sl_op *op) {
    survey *s = self;
    sl_emitter *e = s->e;
    sl_host *host = e->host;
    for (int i = 0; i < sl_op_attr_count(op); ++i) {
        const char *name;
        meet_attr(e, sl_op_attr_at(op, i, &name));
    }
    for (int i = 0; i < sl_op_result_count(op); ++i) meet_type(e, sl_value_type(sl_op_result(op, i)));
    sl_op_kind kind = sl_op_get_kind(op);
    int operands = sl_op_operand_count(op), tensors = operands + sl_op_result_count(op);
    if (kind == SL_OP_kernel_launch) {
        if (operands > s->pointers) s->pointers = operands;
        sl_attr dims = sl_op_attr(op, "dims");
        if (dims && sl_attr_count(dims) > s->integers) s->integers = sl_attr_count(dims);
    } else if (kind == SL_OP_kernel_call) {
        if (tensors > s->tensors) s->tensors = tensors;
    } else if (kind == SL_OP_kernel_bind) {
        if (sl_op_attr(op, "dense")) SL_PUSH(e->arena, &host->binds, op);
    } else if (kind == SL_OP_kernel_alloc) {
        SL_PUSH(e->arena, &host->allocs, op);
        int output = (int)sl_op_int(op, "output", -1), slot = (int)sl_op_int(op, "slot", 0);
        if (output >= host->output_count) host->output_count = output + 1;
        if (sl_op_bool(op, "dynamic", false) && slot >= host->dynamic_slots) host->dynamic_slots = slot + 1;
        if (output < 0 && !sl_op_bool(op, "dynamic", false) && !sl_op_attr(op, "offset") && sl_host_slot_index(host, op) < 0)
            SL_PUSH(e->arena, &host->slots, sl_op_int(op, "slot", -1 - (int64_t)sl_op_id(op)));
    }
    return true;
}

static LLVMValueRef area(sl_emitter *e, LLVMTypeRef type, int count) {
    return LLVMBuildArrayAlloca(B, type, LLVMConstInt(e->i32, (unsigned long long)(count > 0 ? count : 1), false), "");
}

bool sl_emit_program(sl_emitter *e, sl_host *host) {
    e->host = host;
    host->depth = 0;
    host->members = host->branch_members = host->each = 1;
    host->member = NULL;
    host->branch = host->next_branch = -1;
    survey s = {.e = e, .tensors = 1};
    sl_block *block = sl_op_body(host->func, 0);
    for (int i = 0; i < sl_block_argument_count(block); ++i) meet_type(e, sl_value_type(sl_block_argument(block, i)));
    sl_op_walk(host->func, survey_op, &s);
    size_t symbols = host->symbols.count;

    sl_emit_prepare(e);
    if (e->failed) return false;
    sl_host_begin(e, SL_HOST_RUN, 1);
    host->pointer_area = area(e, e->pointer, s.pointers);
    host->integer_area = area(e, e->i64, s.integers);
    host->tensor_area = area(e, sl_abi_type(e, SL_STRUCT_tensor), s.tensors);
    host->shape_area = area(e, e->i64, s.tensors * SL_MAX_RANK);
    host->call_area = area(e, sl_abi_type(e, SL_STRUCT_call), 1);
    for (int i = 0; i < sl_block_argument_count(block); ++i) {
        sl_value *argument = sl_block_argument(block, i);
        LLVMValueRef data = sl_abi_load(e, SL_STRUCT_tensor, sl_host_input(e, i), SL_FIELD_tensor_data);
        if (sl_type_is_scalar(sl_value_type(argument))) data = sl_emit_load_element(e, sl_type_element(sl_value_type(argument)), data);
        sl_emit_set(e, argument, data);
    }
    sl_emit_block_ops(e, block);
    LLVMBuildRet(B, i32_of(e, 0));
    if (host->symbols.count != symbols) e->failed = true;   /* hidden slots would have moved: the survey missed a symbol */
    return !e->failed;
}
