/* verify_tensor.c: verify hooks of the tensor ops without regions.
 *
 * Invariants: results have the inferred types (where there is an infer hook) or fit the operand as stated in the table; word attributes hold a known word; what
 * the sizes are known to be lies in bounds. Ops without a verify hook of their own are compared with their inferred types by verify.c.
 */
#include "op_hooks.h"

static bool check_tensor(const sl_op *op, const sl_value *value, const char *what) {
    if (sl_type_is_tensor(sl_value_type(value)))
        return true;
    sl_op_report(op, SL_SEVERITY_ERROR, "%s: the %s must be a tensor, not %s", sl_op_name(op), what, sl_type_text(sl_op_context(op), sl_value_type(value)));
    return false;
}

/* Operand 0 and result 0 are tensors of one element type. */
static bool check_unary(const sl_op *op) {
    const sl_value *x = sl_op_operand(op, 0), *result = sl_op_result(op, 0);
    if (!check_tensor(op, x, "operand") || !check_tensor(op, result, "result"))
        return false;
    if (sl_type_element(sl_value_type(x)) == sl_type_element(sl_value_type(result)))
        return true;
    sl_op_report(op, SL_SEVERITY_ERROR, "%s: the element type can't change from %s to %s", sl_op_name(op), sl_element_name(sl_type_element(sl_value_type(x))),
                 sl_element_name(sl_type_element(sl_value_type(result))));
    return false;
}

bool sl_verify_broadcast(const sl_op *op) {
    if (!check_unary(op))
        return false;
    sl_context *context = sl_op_context(op);
    sl_type from = sl_value_type(sl_op_operand(op, 0)), to = sl_value_type(sl_op_result(op, 0));
    if (!sl_type_is_ranked(to)) {
        sl_op_report(op, SL_SEVERITY_ERROR, "tensor.broadcast: the result's rank must be known");
        return false;
    }
    if (!sl_type_is_ranked(from))
        return true;
    int shift = sl_type_rank(to) - sl_type_rank(from);
    bool ok = shift >= 0;
    for (int axis = 0; ok && axis < sl_type_rank(from); axis++)
        ok = sl_expr_equals_const(sl_type_dim(from, axis), 1) || !sl_dims_conflict(sl_type_dim(from, axis), sl_type_dim(to, axis + shift));
    if (!ok)
        sl_op_report(op, SL_SEVERITY_ERROR, "tensor.broadcast: %s can't be broadcast to %s", sl_type_text(context, from), sl_type_text(context, to));
    return ok;
}

bool sl_verify_reshape(const sl_op *op) {
    if (!check_unary(op))
        return false;
    sl_context *context = sl_op_context(op);
    sl_type from = sl_value_type(sl_op_operand(op, 0)), to = sl_value_type(sl_op_result(op, 0));
    if (sl_op_operand_count(op) == 2) {
        sl_type shape = sl_value_type(sl_op_operand(op, 1));
        if (!sl_type_is_tensor(shape) || !sl_element_is_integer(sl_type_element(shape)) || (sl_type_is_ranked(shape) && sl_type_rank(shape) != 1)) {
            sl_op_report(op, SL_SEVERITY_ERROR, "tensor.reshape: the shape operand must be a 1-d integer tensor, not %s", sl_type_text(context, shape));
            return false;
        }
        int64_t length = sl_type_is_ranked(shape) ? sl_type_static_dim(shape, 0) : -1;
        if (length >= 0 && sl_type_is_ranked(to) && length != sl_type_rank(to)) {
            sl_op_report(op, SL_SEVERITY_ERROR, "tensor.reshape: the shape operand has %lld entries, the result has rank %d", (long long)length, sl_type_rank(to));
            return false;
        }
    } else if (!sl_type_is_ranked(to)) {
        sl_op_report(op, SL_SEVERITY_ERROR, "tensor.reshape: the result's rank must be known when there is no shape operand");
        return false;
    }
    if (sl_type_is_ranked(from) && sl_type_is_ranked(to) && sl_dims_conflict(sl_type_count(context, from), sl_type_count(context, to))) {
        sl_op_report(op, SL_SEVERITY_ERROR, "tensor.reshape: %s and %s have different numbers of elements", sl_type_text(context, from), sl_type_text(context, to));
        return false;
    }
    return true;
}

bool sl_verify_slice(const sl_op *op) {
    if (!check_unary(op))
        return false;
    sl_type from = sl_value_type(sl_op_operand(op, 0)), to = sl_value_type(sl_op_result(op, 0));
    if (!sl_type_is_ranked(from) || !sl_type_is_ranked(to) || sl_type_rank(from) != sl_type_rank(to)) {
        sl_op_report(op, SL_SEVERITY_ERROR, "tensor.slice: operand and result must have the same known rank");
        return false;
    }
    int rank = sl_type_rank(from), count;
    if (!sl_verify_array(op, "starts", rank, SL_ATTR_EXPR) || !sl_verify_ints(op, "steps", rank, INT64_MIN))
        return false;
    const int64_t *steps = sl_op_ints(op, "steps", &count);
    bool ok = true;
    for (int axis = 0; axis < rank; axis++) {
        int64_t start, size = sl_type_static_dim(to, axis), whole = sl_type_static_dim(from, axis), last;
        if (steps[axis] == 0) {
            sl_op_report(op, SL_SEVERITY_ERROR, "tensor.slice: the step of axis %d is 0", axis);
            ok = false;
        } else if (sl_expr_is_const(sl_op_expr_at(op, "starts", axis), &start) && size > 0 && whole >= 0) {
            bool inside = !__builtin_mul_overflow(size - 1, steps[axis], &last) && !__builtin_add_overflow(start, last, &last) && start >= 0 && start < whole &&
                          last >= 0 && last < whole;
            if (!inside) {
                sl_op_report(op, SL_SEVERITY_ERROR, "tensor.slice: %lld elements from %lld in steps of %lld leave axis %d of size %lld", (long long)size,
                             (long long)start, (long long)steps[axis], axis, (long long)whole);
                ok = false;
            }
        }
    }
    return ok;
}

bool sl_verify_transpose(const sl_op *op) {
    return sl_verify_inferred(op);
}

bool sl_verify_concat(const sl_op *op) {
    return sl_verify_inferred(op);
}

bool sl_verify_take(const sl_op *op) {
    return sl_verify_inferred(op);
}

bool sl_verify_pad(const sl_op *op) {
    return sl_verify_word(op, "mode", "constant reflect edge wrap") && sl_verify_inferred(op);
}

bool sl_verify_pad_dynamic(const sl_op *op) {
    return sl_verify_word(op, "mode", "constant reflect edge wrap") && sl_verify_inferred(op);
}

static bool check_integers(const sl_op *op, int operand) {
    sl_type type = sl_value_type(sl_op_operand(op, operand));
    if (sl_type_is_tensor(type) && sl_element_is_integer(sl_type_element(type)))
        return true;
    sl_op_report(op, SL_SEVERITY_ERROR, "%s: operand %d must be a tensor of integers, not %s", sl_op_name(op), operand, sl_type_text(sl_op_context(op), type));
    return false;
}

bool sl_verify_slice_dynamic(const sl_op *op) {
    return check_integers(op, 1) && check_integers(op, 2) && check_integers(op, 3) && sl_verify_inferred(op);
}

bool sl_verify_bind_slice(const sl_op *op) {
    if (!check_integers(op, 0) || !check_integers(op, 1)) return false;
    int count = sl_attr_count(sl_op_attr(op, "dims"));
    for (int i = 0; i < 2; i++) {
        sl_type type = sl_value_type(sl_op_operand(op, i));
        if (sl_type_is_ranked(type) && sl_type_rank(type) == 1 && !sl_dims_conflict(sl_type_dim(type, 0), sl_expr_const(sl_op_context(op), count))) continue;
        sl_op_report(op, SL_SEVERITY_ERROR, "tensor.bind_slice: operand %d must hold %d positions, not %s", i, count, sl_type_text(sl_op_context(op), type));
        return false;
    }
    return sl_verify_array(op, "dims", count, SL_ATTR_EXPR) && sl_verify_array(op, "begins", count, SL_ATTR_EXPR) && sl_verify_array(op, "sizes", count, SL_ATTR_EXPR);
}

/* x and updates are tensors of one element type, the indices integers. */
static bool check_scatter(const sl_op *op) {
    if (!sl_verify_word(op, "reduction", "none add mul max min") || !check_tensor(op, sl_op_operand(op, 0), "operand") ||
        !check_tensor(op, sl_op_operand(op, 2), "updates") || !check_integers(op, 1))
        return false;
    sl_element x = sl_type_element(sl_value_type(sl_op_operand(op, 0))), updates = sl_type_element(sl_value_type(sl_op_operand(op, 2)));
    if (x != updates) {
        sl_op_report(op, SL_SEVERITY_ERROR, "%s: x holds %s, the updates %s", sl_op_name(op), sl_element_name(x), sl_element_name(updates));
        return false;
    }
    return sl_verify_inferred(op);
}

static bool check_axis(const sl_op *op) {
    sl_type x = sl_value_type(sl_op_operand(op, 0));
    int64_t axis = sl_op_int(op, "axis", 0);
    if (axis >= 0 && (!sl_type_is_ranked(x) || axis < sl_type_rank(x)))
        return true;
    sl_op_report(op, SL_SEVERITY_ERROR, "%s: axis %lld is out of range for %s", sl_op_name(op), (long long)axis, sl_type_text(sl_op_context(op), x));
    return false;
}

bool sl_verify_scatter_elements(const sl_op *op) {
    if (!check_scatter(op) || !check_axis(op))
        return false;
    sl_type x = sl_value_type(sl_op_operand(op, 0)), indices = sl_value_type(sl_op_operand(op, 1)), updates = sl_value_type(sl_op_operand(op, 2));
    if (!sl_shapes_conflict(indices, updates) && (!sl_type_is_ranked(x) || !sl_type_is_ranked(indices) || sl_type_rank(x) == sl_type_rank(indices)))
        return true;
    sl_op_report(op, SL_SEVERITY_ERROR, "tensor.scatter_elements: the indices (%s) must have the updates' shape (%s) and x's rank (%s)", sl_type_text(sl_op_context(op), indices),
                 sl_type_text(sl_op_context(op), updates), sl_type_text(sl_op_context(op), x));
    return false;
}

bool sl_verify_scatter_nd(const sl_op *op) {
    if (!check_scatter(op))
        return false;
    sl_type x = sl_value_type(sl_op_operand(op, 0)), indices = sl_value_type(sl_op_operand(op, 1));
    if (!sl_type_is_ranked(x) || !sl_type_is_ranked(indices))
        return true;
    int64_t depth = sl_type_rank(indices) > 0 ? sl_type_static_dim(indices, sl_type_rank(indices) - 1) : sl_type_rank(x) + 1;
    if (depth <= sl_type_rank(x))
        return true;
    sl_op_report(op, SL_SEVERITY_ERROR, "tensor.scatter_nd: the last dim of %s addresses more dims than %s has", sl_type_text(sl_op_context(op), indices),
                 sl_type_text(sl_op_context(op), x));
    return false;
}

static bool check_numeric(const sl_op *op) {
    sl_element element = sl_type_element(sl_value_type(sl_op_operand(op, 0)));
    if (sl_element_is_float(element) || sl_element_is_integer(element))
        return true;
    sl_op_report(op, SL_SEVERITY_ERROR, "%s: the element type must be numeric, not %s", sl_op_name(op), sl_element_name(element));
    return false;
}

bool sl_verify_arg_reduce(const sl_op *op) {
    return sl_verify_word(op, "kind", "max min") && sl_verify_inferred(op) && check_numeric(op);
}

bool sl_verify_cumulate(const sl_op *op) {
    return sl_verify_word(op, "kind", "sum prod") && check_tensor(op, sl_op_operand(op, 0), "operand") && check_axis(op) && sl_verify_inferred(op) && check_numeric(op);
}

bool sl_verify_random(const sl_op *op) {
    if (!sl_verify_word(op, "distribution", "uniform normal") || !check_tensor(op, sl_op_result(op, 0), "result"))
        return false;
    sl_type type = sl_value_type(sl_op_result(op, 0));
    if (sl_type_is_ranked(type) && sl_element_is_float(sl_type_element(type)))
        return true;
    sl_op_report(op, SL_SEVERITY_ERROR, "tensor.random: the result must be a tensor of floats with a shape, not %s", sl_type_text(sl_op_context(op), type));
    return false;
}

bool sl_verify_iota(const sl_op *op) {
    sl_type type = sl_value_type(sl_op_result(op, 0));
    if (!check_tensor(op, sl_op_result(op, 0), "result"))
        return false;
    int64_t axis = sl_op_int(op, "axis", 0);
    if (!sl_type_is_ranked(type) || axis < 0 || axis >= sl_type_rank(type)) {
        sl_op_report(op, SL_SEVERITY_ERROR, "tensor.iota: axis %lld is out of range for %s", (long long)axis, sl_type_text(sl_op_context(op), type));
        return false;
    }
    sl_element element = sl_type_element(type);
    if (sl_element_is_float(element) || sl_element_is_integer(element))
        return true;
    sl_op_report(op, SL_SEVERITY_ERROR, "tensor.iota: the element type must be numeric, not %s", sl_element_name(element));
    return false;
}

bool sl_verify_reduce(const sl_op *op) {
    if (!sl_verify_word(op, "kind", "sum prod max min and or") || !sl_verify_inferred(op))
        return false;
    const char *kind = sl_op_string(op, "kind", "");
    bool logical = kind[0] == 'a' || kind[0] == 'o';
    sl_element element = sl_type_element(sl_value_type(sl_op_operand(op, 0)));
    bool fits = logical ? element == SL_ELEMENT_i1 : sl_element_is_float(element) || sl_element_is_integer(element);
    if (!fits)
        sl_op_report(op, SL_SEVERITY_ERROR, "tensor.reduce: `%s` does not apply to %s", kind, sl_element_name(element));
    return fits;
}

/* The operands of a sum of products: numeric, both float or both integer. */
static bool check_products(const sl_op *op) {
    sl_element left = sl_type_element(sl_value_type(sl_op_operand(op, 0))), right = sl_type_element(sl_value_type(sl_op_operand(op, 1)));
    bool fits = sl_element_is_float(left) ? left == right : sl_element_is_integer(left) && sl_element_is_integer(right);
    if (!fits)
        sl_op_report(op, SL_SEVERITY_ERROR, "%s: can't multiply %s by %s", sl_op_name(op), sl_element_name(left), sl_element_name(right));
    sl_attr result = sl_op_attr(op, "result_element");
    if (fits && result && !sl_element_is_float(sl_type_element(sl_attr_get_type(result))) && !sl_element_is_integer(sl_type_element(sl_attr_get_type(result)))) {
        sl_op_report(op, SL_SEVERITY_ERROR, "%s: the result's element type must be numeric", sl_op_name(op));
        fits = false;
    }
    return fits;
}

bool sl_verify_contract(const sl_op *op) {
    if (!sl_verify_inferred(op) || !check_products(op))
        return false;
    sl_attr accumulate = sl_op_attr(op, "accumulate");
    if (!accumulate)
        return true;
    sl_type type = sl_attr_get_type(accumulate);
    bool fits = sl_type_is_scalar(type);
    sl_element element = fits ? sl_type_element(type) : SL_ELEMENT_f32, operand = sl_type_element(sl_value_type(sl_op_operand(op, 0)));
    if (sl_element_is_float(operand))
        fits = fits && (element == SL_ELEMENT_f32 || element == SL_ELEMENT_f64);
    else
        fits = fits && sl_element_is_integer(element) && sl_element_bits(element) >= 32;
    if (!fits || sl_element_bits(element) < sl_element_bits(operand)) {
        sl_op_report(op, SL_SEVERITY_ERROR, "tensor.contract: products of %s can't be accumulated in %s", sl_element_name(operand),
                     sl_type_text(sl_op_context(op), type));
        return false;
    }
    return true;
}

bool sl_verify_conv(const sl_op *op) {
    return sl_verify_word(op, "layout", "nchw nhwc") && sl_verify_inferred(op) && check_products(op);
}

bool sl_verify_pool(const sl_op *op) {
    return sl_verify_word(op, "layout", "nchw nhwc") && sl_verify_word(op, "kind", "max min sum") && sl_verify_inferred(op) && check_numeric(op);
}
