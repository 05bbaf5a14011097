/* verify_core.c: verify hooks of the families core and arith.
 *
 * Invariants: a module holds functions and kernels with distinct names; a function ends with core.return and its name lists match its signature; a constant's
 * data fits its result; elementwise ops have one shape, and one element type except cmp, select, cast and bitcast.
 */
#include "op_hooks.h"

bool sl_verify_module(const sl_op *op) {
    bool ok = true;
    const sl_block *body = sl_op_body(op, 0);
    for (const sl_op *child = body ? sl_block_first(body) : NULL; child; child = sl_op_next(child)) {
        sl_op_kind kind = sl_op_get_kind(child);
        if (kind != SL_OP_core_func && kind != SL_OP_kernel_func) {
            sl_op_report(child, SL_SEVERITY_ERROR, "a module holds functions and kernels, not %s", sl_op_name(child));
            ok = false;
            continue;
        }
        const char *name = sl_op_string(child, "sym_name", NULL);
        if (name && sl_module_find(sl_op_module(op), name) != child) {
            sl_op_report(child, SL_SEVERITY_ERROR, "the name @%s is used twice in the module", name);
            ok = false;
        }
    }
    return ok;
}

bool sl_verify_func(const sl_op *op) {
    const char *name = sl_op_string(op, "sym_name", "");
    bool ok = true;
    if (!*name) {
        sl_op_report(op, SL_SEVERITY_ERROR, "core.func: the name is empty");
        ok = false;
    }
    if (!sl_op_parent(op) || sl_op_get_kind(sl_op_parent(op)) != SL_OP_core_module) {
        sl_op_report(op, SL_SEVERITY_ERROR, "core.func: a function stands in a module, nowhere else");
        ok = false;
    }
    const sl_op *end = sl_verify_terminator(op, 0, SL_OP_core_return, SL_OP_core_return);
    if (!end)
        return false;
    const sl_block *body = sl_op_body(op, 0);
    bool buffers = sl_op_bool(op, "buffers", false);
    if (sl_op_int(op, "absent", 0) < 0 || sl_op_int(op, "absent", 0) > sl_block_argument_count(body)) {
        sl_op_report(op, SL_SEVERITY_ERROR, "core.func: `absent` must be a number of arguments, there are %d", sl_block_argument_count(body));
        ok = false;
    }
    if (sl_op_attr(op, "input_names") && !buffers)
        ok &= sl_verify_array(op, "input_names", sl_block_argument_count(body), SL_ATTR_STRING);
    if (sl_op_attr(op, "output_names"))
        ok &= sl_verify_array(op, "output_names", buffers ? -1 : sl_op_operand_count(end), SL_ATTR_STRING);
    if (sl_op_attr(op, "output_types"))
        ok &= sl_verify_array(op, "output_types", buffers ? -1 : sl_op_operand_count(end), SL_ATTR_TYPE);
    ok &= sl_verify_func_state(op, end);
    return ok;
}

bool sl_verify_return(const sl_op *op) {
    const sl_op *parent = sl_op_parent(op);
    if (!parent || sl_op_get_kind(parent) != SL_OP_core_func) {
        sl_op_report(op, SL_SEVERITY_ERROR, "core.return ends a core.func, nothing else");
        return false;
    }
    if (sl_op_bool(parent, "buffers", false) && sl_op_operand_count(op) > 0) {
        sl_op_report(op, SL_SEVERITY_ERROR, "core.return: a function on buffers returns no values");
        return false;
    }
    return true;
}

bool sl_verify_constant(const sl_op *op) {
    sl_type data = sl_attr_get_type(sl_op_attr(op, "value")), type = sl_value_type(sl_op_result(op, 0));
    sl_context *context = sl_op_context(op);
    bool fits;
    if (sl_type_is_vector(type))
        fits = sl_type_is_scalar(data) && sl_type_element(data) == sl_type_element(type);
    else if (sl_type_is_buffer(type) && sl_type_is_tensor(data))
        fits = sl_type_is_ranked(type) && sl_type_rank(type) == sl_type_rank(data) && sl_type_element(type) == sl_type_element(data) &&
               sl_type_static_count(type) == sl_type_static_count(data);
    else
        fits = sl_type_is_static(data) && !sl_types_conflict(data, type) && sl_type_is_static(type);
    if (!fits)
        sl_op_report(op, SL_SEVERITY_ERROR, "core.constant: data of type %s does not make a result of type %s", sl_type_text(context, data),
                     sl_type_text(context, type));
    return fits;
}

/* A shape expression is over symbols only. */
static bool check_no_loops(const sl_op *op, const char *name) {
    sl_expr expr = sl_attr_get_expr(sl_op_attr(op, name));
    if (!sl_expr_uses_any_loop(expr)) return true;
    sl_op_report(op, SL_SEVERITY_ERROR, "%s: %s has loop indices; a shape expression is over symbols only", sl_op_name(op), sl_expr_text(sl_op_context(op), expr));
    return false;
}

bool sl_verify_dim(const sl_op *op) {
    return check_no_loops(op, "value") && sl_verify_inferred(op);
}

bool sl_verify_guard(const sl_op *op) {
    bool left = check_no_loops(op, "left");
    return check_no_loops(op, "right") && left;
}

/* Which ops a terminator may end regions of. */
bool sl_verify_yield(const sl_op *op) {
    static const struct { sl_op_kind yield, owners[6]; const char *names; } rules[] = {
        {SL_OP_tensor_yield, {SL_OP_tensor_if, SL_OP_tensor_loop, SL_OP_route_switch, SL_OP_COUNT}, "tensor.if, tensor.loop or route.switch"},
        {SL_OP_route_yield, {SL_OP_route_switch, SL_OP_route_dispatch, SL_OP_COUNT}, "route.switch or route.dispatch"},
        {SL_OP_nest_yield, {SL_OP_nest_generic, SL_OP_nest_group, SL_OP_COUNT}, "nest.generic or nest.group"},
        {SL_OP_kernel_yield, {SL_OP_kernel_func, SL_OP_kernel_for, SL_OP_kernel_if, SL_OP_kernel_each, SL_OP_kernel_while, SL_OP_COUNT}, "kernel.func, kernel.for, kernel.if, kernel.each or kernel.while"},
    };
    const sl_op *parent = sl_op_parent(op);
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (rules[i].yield != sl_op_get_kind(op)) continue;
        for (int k = 0; k < 6 && rules[i].owners[k] != SL_OP_COUNT; k++)
            if (parent && sl_op_get_kind(parent) == rules[i].owners[k]) return true;
        sl_op_report(op, SL_SEVERITY_ERROR, "%s: ends a region of %s, not of %s", sl_op_name(op), rules[i].names, parent ? sl_op_name(parent) : "nothing");
        return false;
    }
    return true;
}

static bool is_elementwise_type(sl_type type) {
    return sl_type_is_scalar(type) || sl_type_is_vector(type) || sl_type_is_tensor(type);
}

/* Every operand and result is a scalar, vector or tensor. */
static bool check_kinds(const sl_op *op) {
    for (int i = 0; i < sl_op_operand_count(op) + sl_op_result_count(op); i++) {
        bool operand = i < sl_op_operand_count(op);
        const sl_value *value = operand ? sl_op_operand(op, i) : sl_op_result(op, i - sl_op_operand_count(op));
        if (is_elementwise_type(sl_value_type(value)))
            continue;
        sl_op_report(op, SL_SEVERITY_ERROR, "%s: %s %d must be a scalar, vector or tensor, not %s", sl_op_name(op), operand ? "operand" : "result",
                     operand ? i : i - sl_op_operand_count(op), sl_type_text(sl_op_context(op), sl_value_type(value)));
        return false;
    }
    return true;
}

bool sl_verify_elementwise(const sl_op *op) {
    return check_kinds(op) && sl_verify_inferred(op);
}

bool sl_verify_cmp(const sl_op *op) {
    return check_kinds(op) && sl_verify_word(op, "predicate", "eq ne lt le gt ge") && sl_verify_inferred(op);
}

bool sl_verify_select(const sl_op *op) {
    return check_kinds(op) && sl_verify_inferred(op);
}

static bool check_same_shape(const sl_op *op) {
    sl_type from = sl_value_type(sl_op_operand(op, 0)), to = sl_value_type(sl_op_result(op, 0));
    if (!check_kinds(op))
        return false;
    if (!sl_shapes_conflict(from, to))
        return true;
    sl_op_report(op, SL_SEVERITY_ERROR, "%s: the shape can't change from %s to %s", sl_op_name(op), sl_type_text(sl_op_context(op), from),
                 sl_type_text(sl_op_context(op), to));
    return false;
}

bool sl_verify_cast(const sl_op *op) {
    if (!check_same_shape(op) || !sl_verify_word(op, "round", "nearest up down zero"))
        return false;
    sl_element from = sl_type_element(sl_value_type(sl_op_operand(op, 0))), to = sl_type_element(sl_value_type(sl_op_result(op, 0)));
    if (from != SL_ELEMENT_str && to != SL_ELEMENT_str)
        return true;
    sl_op_report(op, SL_SEVERITY_ERROR, "arith.cast: strings can't be converted");
    return false;
}

bool sl_verify_bitcast(const sl_op *op) {
    if (!check_same_shape(op))
        return false;
    sl_element from = sl_type_element(sl_value_type(sl_op_operand(op, 0))), to = sl_type_element(sl_value_type(sl_op_result(op, 0)));
    if (sl_element_bits(from) == sl_element_bits(to) && (from == SL_ELEMENT_str) == (to == SL_ELEMENT_str))
        return true;
    sl_op_report(op, SL_SEVERITY_ERROR, "arith.bitcast: %s and %s have different widths", sl_element_name(from), sl_element_name(to));
    return false;
}
