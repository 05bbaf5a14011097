/* verify_kernel.c: verify hooks of the family kernel.
 *
 * Invariants: a kernel's arguments are buffers and i64 scalars, the last three i64 (first task, end task, worker); a launch fits its kernel; carried values of
 * loops keep their types; loads and masks have as many lanes as their result.
 */
#include "op_hooks.h"

static bool is_i64(sl_type type) {
    return sl_type_is_scalar(type) && sl_type_element(type) == SL_ELEMENT_i64;
}

bool sl_verify_kernel_func(const sl_op *op) {
    if (!sl_verify_terminator(op, 0, SL_OP_kernel_yield, SL_OP_kernel_yield))
        return false;
    bool ok = true;
    const sl_block *body = sl_op_body(op, 0);
    int count = sl_block_argument_count(body);
    bool scalars = false;
    if (!sl_op_parent(op) || sl_op_get_kind(sl_op_parent(op)) != SL_OP_core_module) {
        sl_op_report(op, SL_SEVERITY_ERROR, "kernel.func: a kernel stands in a module, nowhere else");
        ok = false;
    }
    if (count < 3) {
        sl_op_report(op, SL_SEVERITY_ERROR, "kernel.func: the last three arguments must be first task, end task and worker; there are %d arguments", count);
        return false;
    }
    for (int i = 0; i < count; i++) {
        sl_type type = sl_value_type(sl_block_argument(body, i));
        scalars |= is_i64(type);
        if (is_i64(type) || (sl_type_is_buffer(type) && !scalars))
            continue;
        sl_op_report(op, SL_SEVERITY_ERROR, "kernel.func: argument %d is %s; expected buffers, then i64 scalars", i, sl_type_text(sl_op_context(op), type));
        ok = false;
    }
    for (int i = count - 3; i < count && ok; i++) {
        if (!is_i64(sl_value_type(sl_block_argument(body, i)))) {
            sl_op_report(op, SL_SEVERITY_ERROR, "kernel.func: argument %d must be i64", i);
            ok = false;
        }
    }
    int64_t scratch = sl_op_int(op, "scratch", 0);
    if (scratch < 0) {
        sl_op_report(op, SL_SEVERITY_ERROR, "kernel.func: scratch is %lld bytes", (long long)scratch);
        ok = false;
    }
    return ok;
}

static bool check_inputs(const sl_op *op) {
    int64_t inputs = sl_op_int(op, "inputs", 0);
    int operands = sl_op_operand_count(op);
    if (inputs < 0 || inputs > operands || (sl_op_result_count(op) > 0 && inputs != operands)) {
        sl_op_report(op, SL_SEVERITY_ERROR, "%s: `inputs` is %lld with %d operands and %d results; outputs are either results or operands", sl_op_name(op),
                     (long long)inputs, operands, sl_op_result_count(op));
        return false;
    }
    return true;
}

bool sl_verify_kernel_launch(const sl_op *op) {
    if (!check_inputs(op) || !sl_verify_array(op, "dims", -1, SL_ATTR_EXPR))
        return false;
    const char *name = sl_op_string(op, "callee", "");
    const sl_op *callee = sl_module_find(sl_op_module(op), name);
    if (!callee || sl_op_get_kind(callee) != SL_OP_kernel_func) {
        sl_op_report(op, SL_SEVERITY_ERROR, "kernel.launch: there is no kernel @%s", name);
        return false;
    }
    const sl_block *body = sl_op_body(callee, 0);
    int operands = sl_op_operand_count(op), results = sl_op_result_count(op), dims = sl_attr_count(sl_op_attr(op, "dims"));
    if (!body || sl_block_argument_count(body) != operands + results + dims + 3) {
        sl_op_report(op, SL_SEVERITY_ERROR, "kernel.launch: @%s takes %d arguments; the launch gives %d buffers, %d dims and the 3 of every launch", name,
                     body ? sl_block_argument_count(body) : 0, operands + results, dims);
        return false;
    }
    bool ok = true;
    for (int i = 0; i < operands + results; i++) {
        sl_type given = sl_value_type(i < operands ? sl_op_operand(op, i) : sl_op_result(op, i - operands)), taken = sl_value_type(sl_block_argument(body, i));
        bool memory = (sl_type_is_tensor(given) || sl_type_is_buffer(given)) && sl_type_is_buffer(taken);
        if (memory && sl_type_element(given) == sl_type_element(taken))
            continue;
        sl_op_report(op, SL_SEVERITY_ERROR, "kernel.launch: argument %d of @%s is %s, the launch gives %s", i, name, sl_type_text(sl_op_context(op), taken),
                     sl_type_text(sl_op_context(op), given));
        ok = false;
    }
    int pairs = 0;
    const int64_t *in_place = sl_op_ints(op, "in_place", &pairs);
    int64_t inputs = sl_op_int(op, "inputs", 0), outputs = operands + results - inputs;
    for (int i = 0; i < pairs; i++) {
        if (pairs % 2 != 0 || in_place[i] < 0 || in_place[i] >= (i % 2 ? inputs : outputs)) {
            sl_op_report(op, SL_SEVERITY_ERROR, "kernel.launch: `in_place` must hold pairs of an output number and an input number");
            return false;
        }
    }
    return ok;
}

bool sl_verify_kernel_call(const sl_op *op) {
    if (!check_inputs(op))
        return false;
    if (!*sl_op_string(op, "routine", "")) {
        sl_op_report(op, SL_SEVERITY_ERROR, "kernel.call: the routine's name is empty");
        return false;
    }
    return !sl_op_attr(op, "floats") || sl_verify_array(op, "floats", -1, SL_ATTR_FLOAT);
}

bool sl_verify_kernel_for(const sl_op *op) {
    bool ok = true;
    for (int i = 0; i < 3; i++) {
        if (!is_i64(sl_value_type(sl_op_operand(op, i)))) {
            sl_op_report(op, SL_SEVERITY_ERROR, "kernel.for: lower, upper and step must be i64");
            ok = false;
            break;
        }
    }
    const sl_op *yield = sl_verify_terminator(op, 0, SL_OP_kernel_yield, SL_OP_kernel_yield);
    if (!yield)
        return false;
    const sl_block *body = sl_op_body(op, 0);
    int carried = sl_op_operand_count(op) - 3;
    if (sl_op_result_count(op) != carried || sl_block_argument_count(body) != carried + 1 || sl_op_operand_count(yield) != carried) {
        sl_op_report(op, SL_SEVERITY_ERROR, "kernel.for: with %d carried values the block takes %d arguments, yields %d and there are %d results; found %d, %d and %d",
                     carried, carried + 1, carried, carried, sl_block_argument_count(body), sl_op_operand_count(yield), sl_op_result_count(op));
        return false;
    }
    if (!is_i64(sl_value_type(sl_block_argument(body, 0)))) {
        sl_op_report(op, SL_SEVERITY_ERROR, "kernel.for: block argument 0 must be i64");
        ok = false;
    }
    for (int i = 0; i < carried; i++) {
        sl_type type = sl_value_type(sl_op_operand(op, i + 3));
        if (sl_value_type(sl_block_argument(body, i + 1)) == type && sl_value_type(sl_op_operand(yield, i)) == type && sl_value_type(sl_op_result(op, i)) == type)
            continue;
        sl_op_report(op, SL_SEVERITY_ERROR, "kernel.for: carried value %d starts as %s and must keep this type", i, sl_type_text(sl_op_context(op), type));
        ok = false;
    }
    return ok;
}

bool sl_verify_kernel_load(const sl_op *op) {
    sl_type buffer = sl_value_type(sl_op_operand(op, 0)), offset = sl_value_type(sl_op_operand(op, 1)), result = sl_value_type(sl_op_result(op, 0));
    if (!sl_type_is_buffer(buffer) || !is_i64(offset)) {
        sl_op_report(op, SL_SEVERITY_ERROR, "kernel.load: expected a buffer and an i64 offset, found %s and %s", sl_type_text(sl_op_context(op), buffer),
                     sl_type_text(sl_op_context(op), offset));
        return false;
    }
    if ((!sl_type_is_scalar(result) && !sl_type_is_vector(result)) || sl_type_element(result) != sl_type_element(buffer)) {
        sl_op_report(op, SL_SEVERITY_ERROR, "kernel.load: the result must be a scalar or vector of %s, not %s", sl_element_name(sl_type_element(buffer)),
                     sl_type_text(sl_op_context(op), result));
        return false;
    }
    if (sl_op_operand_count(op) == 2)
        return true;
    sl_type mask = sl_value_type(sl_op_operand(op, 2));
    if (sl_type_is_vector(result) && sl_type_is_vector(mask) && sl_type_element(mask) == SL_ELEMENT_i1 && sl_type_lanes(mask) == sl_type_lanes(result))
        return true;
    sl_op_report(op, SL_SEVERITY_ERROR, "kernel.load: the mask must be a vector of i1 with the result's lanes, not %s", sl_type_text(sl_op_context(op), mask));
    return false;
}
