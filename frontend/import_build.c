/* import_build.c: short forms for building primitives: elementwise with NumPy broadcasting, movement, reduction, contraction. Ops whose operands are
 * constants and whose results are small are folded at once (see fold), so that shapes computed in the model are known to later nodes. */
#include "import_internal.h"
#include <math.h>
#include <string.h>

enum { FOLD_INTEGERS = 4096, FOLD_FLOATS = 256 };

void im_attr(im_attrs *attrs, const char *name, sl_attr attr) { attrs->list[attrs->count++] = (sl_named_attr){name, attr}; }

/* Replaces an op by constants when that is cheap; a broadcast of floats stays, because a scalar is worth more than its copies. */
static void fold(im_node *n, sl_op *op, sl_value **results)
{
    int count = sl_op_result_count(op);
    for (int i = 0; i < count; i++) results[i] = sl_op_result(op, i);
    if (!sl_op_has_trait(op, SL_TRAIT_PURE) || sl_op_get_kind(op) == SL_OP_core_constant || count == 0 || count > 4) return;
    for (int i = 0; i < sl_op_operand_count(op); i++)
        if (!sl_value_constant(sl_op_operand(op, i))) return;
    bool data_dependent = false;
    for (int i = 0; i < count; i++) {
        sl_type type = sl_value_type(results[i]);
        if (!sl_type_is_tensor(type) || !sl_type_is_ranked(type)) return;
        int64_t elements = sl_type_static_count(type);
        bool floating = sl_element_is_float(sl_type_element(type));
        if (elements < 0) data_dependent = true;
        if (elements > (floating ? FOLD_FLOATS : FOLD_INTEGERS)) return;
        if (floating && sl_op_get_kind(op) == SL_OP_tensor_broadcast && elements > 1) return;
    }
    if (data_dependent)
        for (int i = 0; i < sl_op_operand_count(op); i++)
            if (sl_type_static_count(sl_value_type(sl_op_operand(op, i))) > FOLD_INTEGERS) return;
    sl_attr values[4];
    if (!sl_op_fold_constant(op, FOLD_INTEGERS, values)) return;
    for (int i = 0; i < count; i++) results[i] = sl_build_constant(n->builder, values[i]);
    sl_op_erase(op);
}

/* Sizes that the model computes or lists may be negative: caught here, where every type is made. */
static void check_dims(im_node *n, sl_type type)
{
    if (!sl_type_is_tensor(type) || !sl_type_is_ranked(type)) return;
    for (int i = 0; i < sl_type_rank(type); i++)
        if (sl_expr_const_or(sl_type_dim(type, i), 0) < 0) im_fail(n, "dim %d of a result would be %lld", i, (long long)sl_expr_const_or(sl_type_dim(type, i), 0));
}

sl_op *im_op(im_node *n, sl_op_kind kind, int count, sl_value *const *operands, const im_attrs *attrs)
{
    sl_infer_request request = {.context = n->context, .kind = kind, .operand_count = count, .operands = operands,
                                .attr_count = attrs ? attrs->count : 0, .attrs = attrs ? attrs->list : NULL};
    const sl_op_info *info = sl_op_info_get(kind);
    if (!info->infer) im_fail(n, "internal: %s has no type inference", info->full_name);
    if (!info->infer(&request)) im_fail(n, "%s", request.message ? request.message : "operand types do not fit");
    for (int i = 0; i < request.result_count; i++) check_dims(n, request.results[i]);
    return sl_build(n->builder, kind, count, operands, request.result_count, request.results, request.attr_count, request.attrs);
}

sl_value *im_op1(im_node *n, sl_op_kind kind, int count, sl_value *const *operands, const im_attrs *attrs)
{
    sl_value *results[SL_MAX_RANK];
    fold(n, im_op(n, kind, count, operands, attrs), results);
    return results[0];
}

sl_value *im_typed(im_node *n, sl_op_kind kind, int count, sl_value *const *operands, sl_type type, const im_attrs *attrs)
{
    sl_value *results[SL_MAX_RANK];
    check_dims(n, type);
    fold(n, sl_build(n->builder, kind, count, operands, 1, &type, attrs ? attrs->count : 0, attrs ? attrs->list : NULL), results);
    return results[0];
}

/* ---- constants ---- */

sl_value *im_constant(im_node *n, sl_element element, int rank, const int64_t *dims, const void *data)
{
    sl_type type = sl_type_tensor_static(n->context, element, rank, dims);
    int64_t count = sl_type_static_count(type);
    return sl_build_constant(n->builder, sl_attr_data_copy(n->context, type, data, sl_element_bytes(element, count)));
}

sl_value *im_ints_constant(im_node *n, int count, const int64_t *values)
{
    int64_t dims[1] = {count};
    return im_constant(n, SL_ELEMENT_i64, 1, dims, values);
}

sl_value *im_floats_constant(im_node *n, sl_element element, int rank, const int64_t *dims, const double *values)
{
    sl_type type = sl_type_tensor_static(n->context, element, rank, dims);
    void *data;
    sl_attr attr = sl_attr_data_zero(n->context, type, &data);
    int64_t count = sl_type_static_count(type);
    for (int64_t i = 0; i < count; i++) sl_element_store_float(element, data, i, values[i]);
    return sl_build_constant(n->builder, attr);
}

sl_value *im_scalar(im_node *n, sl_element element, double value)
{
    sl_type type = sl_type_tensor(n->context, element, 0, NULL);
    void *data;
    sl_attr attr = sl_attr_data_zero(n->context, type, &data);
    if (sl_element_is_float(element)) sl_element_store_float(element, data, 0, value);
    else sl_element_store_int(element, data, 0, im_to_int(value));
    return sl_build_constant(n->builder, attr);
}

sl_value *im_scalar_int(im_node *n, sl_element element, int64_t value)
{
    sl_type type = sl_type_tensor(n->context, element, 0, NULL);
    void *data;
    sl_attr attr = sl_attr_data_zero(n->context, type, &data);
    if (sl_element_is_float(element)) sl_element_store_float(element, data, 0, (double)value);
    else sl_element_store_int(element, data, 0, value);
    return sl_build_constant(n->builder, attr);
}

sl_value *im_like(im_node *n, const sl_value *x, double value) { return im_scalar(n, im_element(x), value); }

sl_value *im_tensor_constant(im_node *n, const sl_graph_tensor *tensor)
{
    if (tensor->element == SL_ELEMENT_str) im_fail(n, "string tensors are not supported");
    if (tensor->absent) im_fail(n, "%s: only weights of the graph itself may be absent", tensor->absent);
    sl_type type = sl_type_tensor_static(n->context, tensor->element, tensor->rank, tensor->shape);
    return sl_build_constant(n->builder, sl_attr_data(n->context, type, tensor->data, tensor->size));
}

sl_value *im_from_dims(im_node *n, int count, const sl_expr *dims)
{
    int64_t values[64];
    bool known = count <= 64;
    for (int i = 0; i < count && known; i++) known = sl_expr_is_const(dims[i], &values[i]);
    if (known) return im_ints_constant(n, count, values);
    im_attrs attrs = {0};
    im_attr(&attrs, "dims", sl_attr_exprs(n->context, count, dims));
    return im_op1(n, SL_OP_tensor_from_dims, 0, NULL, &attrs);
}

sl_value *im_from_dim(im_node *n, sl_expr dim)
{
    int64_t value;
    if (sl_expr_is_const(dim, &value)) return im_scalar_int(n, SL_ELEMENT_i64, value);
    im_attrs attrs = {0};
    im_attr(&attrs, "dims", sl_attr_exprs(n->context, 1, &dim));
    im_attr(&attrs, "scalar", sl_attr_bool(n->context, true));
    return im_op1(n, SL_OP_tensor_from_dims, 0, NULL, &attrs);
}

sl_value *im_fill(im_node *n, sl_value *scalar, int rank, const sl_expr *dims)
{
    sl_type type = im_tensor_type(n, im_element(scalar), rank, dims);
    sl_attr data = sl_value_constant(scalar);
    check_dims(n, type);
    if (data && sl_type_is_static(type) && sl_type_static_count(type) >= 0) {
        if (!sl_element_is_float(im_element(scalar))) return sl_build_constant_int(n->builder, type, sl_attr_data_int(data, 0));
        return sl_build_constant_float(n->builder, type, sl_attr_data_float(data, 0));
    }
    return im_broadcast(n, scalar, rank, dims);
}

/* ---- elementwise ---- */

void im_broadcast_all(im_node *n, int count, sl_value **values)
{
    int rank = 0;
    sl_expr dims[SL_MAX_RANK];
    for (int i = 0; i < count; i++)
        if (im_rank(values[i]) > rank) rank = im_rank(values[i]);
    for (int d = 0; d < rank; d++) {
        dims[d] = im_expr(n, 1);
        for (int i = 0; i < count; i++) {
            int axis = d - rank + im_rank(values[i]);
            if (axis >= 0) dims[d] = im_bcast_dim(n, dims[d], im_dim(values[i], axis));
        }
    }
    for (int i = 0; i < count; i++) values[i] = im_broadcast(n, values[i], rank, dims);
}

void im_broadcast_pair(im_node *n, sl_value **a, sl_value **b)
{
    sl_value *values[2] = {*a, *b};
    im_broadcast_all(n, 2, values);
    *a = values[0];
    *b = values[1];
}

sl_value *im_unary(im_node *n, sl_op_kind kind, sl_value *x) { return im_op1(n, kind, 1, &x, NULL); }

static void check_elements(im_node *n, const sl_value *a, const sl_value *b)
{
    if (im_element(a) != im_element(b))
        im_fail(n, "operands have different element types: %s and %s", sl_element_name(im_element(a)), sl_element_name(im_element(b)));
}

sl_value *im_binary(im_node *n, sl_op_kind kind, sl_value *a, sl_value *b)
{
    check_elements(n, a, b);
    im_broadcast_pair(n, &a, &b);
    return im_op1(n, kind, 2, (sl_value *[]){a, b}, NULL);
}

sl_value *im_binary_with(im_node *n, sl_op_kind kind, sl_value *a, double b) { return im_binary(n, kind, a, im_like(n, a, b)); }

sl_value *im_compare(im_node *n, const char *predicate, sl_value *a, sl_value *b)
{
    check_elements(n, a, b);
    im_broadcast_pair(n, &a, &b);
    im_attrs attrs = {0};
    im_attr(&attrs, "predicate", sl_attr_string(n->context, predicate));
    return im_op1(n, SL_OP_arith_cmp, 2, (sl_value *[]){a, b}, &attrs);
}

sl_value *im_select(im_node *n, sl_value *condition, sl_value *a, sl_value *b)
{
    check_elements(n, a, b);
    if (im_element(condition) != SL_ELEMENT_i1) im_fail(n, "the condition must be boolean, but is %s", sl_element_name(im_element(condition)));
    sl_value *values[3] = {condition, a, b};
    im_broadcast_all(n, 3, values);
    return im_op1(n, SL_OP_arith_select, 3, values, NULL);
}

sl_value *im_cast(im_node *n, sl_value *x, sl_element element)
{
    if (im_element(x) == element) return x;
    return im_typed(n, SL_OP_arith_cast, 1, &x, sl_type_with_element(n->context, sl_value_type(x), element), NULL);
}

sl_value *im_sigmoid(im_node *n, sl_value *x)
{
    sl_value *e = im_unary(n, SL_OP_arith_exp, im_unary(n, SL_OP_arith_neg, x));
    return im_div(n, im_like(n, x, 1), im_binary_with(n, SL_OP_arith_add, e, 1));
}

sl_value *im_gelu(im_node *n, sl_value *x, bool tanh_form)
{
    sl_value *half = im_binary_with(n, SL_OP_arith_mul, x, 0.5), *inner;
    if (tanh_form) {
        sl_value *cube = im_mul(n, im_mul(n, x, x), x);
        inner = im_binary_with(n, SL_OP_arith_mul, im_add(n, x, im_binary_with(n, SL_OP_arith_mul, cube, 0.044715)), sqrt(2 / M_PI));
        inner = im_unary(n, SL_OP_arith_tanh, inner);
    } else {
        inner = im_unary(n, SL_OP_arith_erf, im_binary_with(n, SL_OP_arith_mul, x, sqrt(0.5)));
    }
    return im_mul(n, half, im_binary_with(n, SL_OP_arith_add, inner, 1));
}

sl_value *im_clamp(im_node *n, sl_value *x, double low, double high)
{
    return im_min(n, im_max(n, x, im_like(n, x, low)), im_like(n, x, high));
}

/* ---- movement ---- */

sl_value *im_broadcast(im_node *n, sl_value *x, int rank, const sl_expr *dims)
{
    sl_type type = im_tensor_type(n, im_element(x), rank, dims);
    if (type == sl_value_type(x)) return x;
    return im_typed(n, SL_OP_tensor_broadcast, 1, &x, type, NULL);
}

sl_value *im_reshape(im_node *n, sl_value *x, int rank, const sl_expr *dims)
{
    sl_type type = im_tensor_type(n, im_element(x), rank, dims);
    if (type == sl_value_type(x)) return x;
    int64_t from = sl_type_static_count(sl_value_type(x)), to = sl_type_static_count(type);
    if (from >= 0 && to >= 0 && from != to) im_fail(n, "%lld elements do not reshape to %lld", (long long)from, (long long)to);
    return im_typed(n, SL_OP_tensor_reshape, 1, &x, type, NULL);
}

sl_value *im_unsqueeze(im_node *n, sl_value *x, int axis)
{
    int rank = im_rank(x) + 1;
    if (rank > SL_MAX_RANK) im_fail(n, "a tensor of %d dims is needed, at most %d are possible", rank, SL_MAX_RANK);
    sl_expr dims[SL_MAX_RANK + 1];
    for (int i = 0, k = 0; i < rank; i++) dims[i] = i == axis ? im_expr(n, 1) : im_dim(x, k++);
    return im_reshape(n, x, rank, dims);
}

sl_value *im_unsqueeze_to(im_node *n, sl_value *x, int rank, int axis)
{
    sl_expr dims[SL_MAX_RANK];
    for (int i = 0; i < rank; i++) dims[i] = i == axis ? im_dim(x, 0) : im_expr(n, 1);
    return im_reshape(n, x, rank, dims);
}

sl_value *im_squeeze(im_node *n, sl_value *x, int axis)
{
    sl_expr dims[SL_MAX_RANK];
    int rank = 0;
    for (int i = 0; i < im_rank(x); i++)
        if (i != axis) dims[rank++] = im_dim(x, i);
    return im_reshape(n, x, rank, dims);
}

sl_value *im_rank0(im_node *n, sl_value *x, const char *what)
{
    int64_t count = sl_type_static_count(sl_value_type(x));
    if (count >= 0 && count != 1) im_fail(n, "%s must have one element, but has %lld", what, (long long)count);
    return im_reshape(n, x, 0, NULL);
}

sl_value *im_transpose(im_node *n, sl_value *x, const int *perm)
{
    int64_t axes[SL_MAX_RANK];
    bool identity = true;
    for (int i = 0; i < im_rank(x); i++) {
        axes[i] = perm[i];
        identity &= perm[i] == i;
    }
    if (identity) return x;
    im_attrs attrs = {0};
    im_attr(&attrs, "perm", sl_attr_ints(n->context, im_rank(x), axes));
    return im_op1(n, SL_OP_tensor_transpose, 1, &x, &attrs);
}

sl_value *im_swap(im_node *n, sl_value *x, int a, int b)
{
    int perm[SL_MAX_RANK];
    for (int i = 0; i < im_rank(x); i++) perm[i] = i == a ? b : i == b ? a : i;
    return im_transpose(n, x, perm);
}

sl_value *im_move_axis(im_node *n, sl_value *x, int from, int to)
{
    int perm[SL_MAX_RANK], k = 0;
    for (int i = 0; i < im_rank(x); i++) {
        if (k == from) k++;
        perm[i] = i == to ? from : k++;
    }
    return im_transpose(n, x, perm);
}

sl_value *im_concat(im_node *n, int axis, int count, sl_value *const *parts)
{
    if (count == 1) return parts[0];
    for (int i = 1; i < count; i++) check_elements(n, parts[0], parts[i]);
    im_attrs attrs = {0};
    im_attr(&attrs, "axis", sl_attr_int(n->context, axis));
    return im_op1(n, SL_OP_tensor_concat, count, parts, &attrs);
}

sl_value *im_slice(im_node *n, sl_value *x, const sl_expr *starts, const sl_expr *sizes, const int64_t *steps)
{
    int rank = im_rank(x);
    int64_t ones[SL_MAX_RANK];
    bool identity = true;
    for (int i = 0; i < rank; i++) {
        ones[i] = steps ? steps[i] : 1;
        identity &= sl_expr_equals_const(starts[i], 0) && ones[i] == 1 && sizes[i] == im_dim(x, i);
    }
    if (identity) return x;
    im_attrs attrs = {0};
    im_attr(&attrs, "starts", sl_attr_exprs(n->context, rank, starts));
    im_attr(&attrs, "steps", sl_attr_ints(n->context, rank, ones));
    return im_typed(n, SL_OP_tensor_slice, 1, &x, im_tensor_type(n, im_element(x), rank, sizes), &attrs);
}

sl_value *im_slice_axis(im_node *n, sl_value *x, int axis, sl_expr start, sl_expr size, int64_t step)
{
    sl_expr starts[SL_MAX_RANK], sizes[SL_MAX_RANK];
    int64_t steps[SL_MAX_RANK];
    for (int i = 0; i < im_rank(x); i++) {
        starts[i] = i == axis ? start : im_expr(n, 0);
        sizes[i] = i == axis ? size : im_dim(x, i);
        steps[i] = i == axis ? step : 1;
    }
    return im_slice(n, x, starts, sizes, steps);
}

sl_value *im_flip(im_node *n, sl_value *x, int axis)
{
    return im_slice_axis(n, x, axis, sl_expr_sub(n->context, im_dim(x, axis), im_expr(n, 1)), im_dim(x, axis), -1);
}

sl_value *im_pad(im_node *n, sl_value *x, sl_value *fill, const sl_expr *low, const sl_expr *high, const char *mode)
{
    bool nothing = true;
    for (int i = 0; i < im_rank(x); i++) nothing &= sl_expr_equals_const(low[i], 0) && sl_expr_equals_const(high[i], 0);
    if (nothing) return x;
    check_elements(n, x, fill);
    im_attrs attrs = {0};
    im_attr(&attrs, "low", sl_attr_exprs(n->context, im_rank(x), low));
    im_attr(&attrs, "high", sl_attr_exprs(n->context, im_rank(x), high));
    im_attr(&attrs, "mode", sl_attr_string(n->context, mode));
    return im_op1(n, SL_OP_tensor_pad, 2, (sl_value *[]){x, fill}, &attrs);
}

static sl_value *indexed(im_node *n, sl_op_kind kind, sl_value *x, sl_value *indices, int axis)
{
    if (!sl_element_is_integer(im_element(indices))) im_fail(n, "indices must be integers, but are %s", sl_element_name(im_element(indices)));
    im_attrs attrs = {0};
    im_attr(&attrs, "axis", sl_attr_int(n->context, axis));
    return im_op1(n, kind, 2, (sl_value *[]){x, indices}, &attrs);
}

sl_value *im_take(im_node *n, sl_value *x, sl_value *indices, int axis) { return indexed(n, SL_OP_tensor_take, x, indices, axis); }

sl_value *im_gather_elements(im_node *n, sl_value *x, sl_value *indices, int axis)
{
    return indexed(n, SL_OP_tensor_gather_elements, x, indices, axis);
}

sl_value *im_iota(im_node *n, sl_element element, int rank, const sl_expr *dims, int axis)
{
    im_attrs attrs = {0};
    im_attr(&attrs, "axis", sl_attr_int(n->context, axis));
    return im_typed(n, SL_OP_tensor_iota, 0, NULL, im_tensor_type(n, element, rank, dims), &attrs);
}

sl_value *im_iota1(im_node *n, sl_element element, sl_expr count) { return im_iota(n, element, 1, &count, 0); }

/* ---- reduction and contraction ---- */

sl_value *im_reduce(im_node *n, sl_value *x, const char *kind, int count, const int64_t *axes, bool keep)
{
    if (count == 0) return x;
    im_attrs attrs = {0};
    im_attr(&attrs, "axes", sl_attr_ints(n->context, count, axes));
    im_attr(&attrs, "kind", sl_attr_string(n->context, kind));
    sl_value *y = im_op1(n, SL_OP_tensor_reduce, 1, &x, &attrs);
    if (!keep) return y;
    sl_expr dims[SL_MAX_RANK];
    int rank = im_rank(x);
    for (int i = 0, k = 0; i < rank; i++) {
        bool reduced = k < count && axes[k] == i;
        dims[i] = reduced ? im_expr(n, 1) : im_dim(x, i);
        k += reduced;
    }
    return im_reshape(n, y, rank, dims);
}

sl_value *im_reduce1(im_node *n, sl_value *x, const char *kind, int axis, bool keep)
{
    int64_t axes[1] = {axis};
    return im_reduce(n, x, kind, 1, axes, keep);
}

sl_value *im_count_of(im_node *n, sl_value *x, int count, const int64_t *axes, sl_element element)
{
    sl_expr product = im_expr(n, 1);
    for (int i = 0; i < count; i++) product = sl_expr_mul(n->context, product, im_dim(x, (int)axes[i]));
    int64_t known;
    if (sl_expr_is_const(product, &known)) return im_scalar(n, element, (double)known);
    return im_cast(n, im_from_dim(n, product), element);
}

sl_value *im_mean(im_node *n, sl_value *x, int count, const int64_t *axes, bool keep)
{
    /* Narrow floats: the sum may leave their range, and so may the count. */
    sl_element element = im_element(x);
    bool narrow = sl_element_is_float(element) && sl_element_bits(element) < 32;
    sl_value *wide = narrow ? im_cast(n, x, SL_ELEMENT_f32) : x;
    sl_value *mean = im_div(n, im_reduce(n, wide, "sum", count, axes, keep), im_count_of(n, wide, count, axes, im_element(wide)));
    return im_cast(n, mean, element);
}

sl_value *im_softmax(im_node *n, sl_value *x, int count, const int64_t *axes, bool logarithm)
{
    sl_value *shifted = im_sub(n, x, im_reduce(n, x, "max", count, axes, true));
    sl_value *e = im_unary(n, SL_OP_arith_exp, shifted);
    sl_value *sum = im_reduce(n, e, "sum", count, axes, true);
    return logarithm ? im_sub(n, shifted, im_unary(n, SL_OP_arith_log, sum)) : im_div(n, e, sum);
}

sl_value *im_arg(im_node *n, sl_value *x, int axis, bool largest, bool last)
{
    im_attrs attrs = {0};
    im_attr(&attrs, "axis", sl_attr_int(n->context, axis));
    im_attr(&attrs, "kind", sl_attr_string(n->context, largest ? "max" : "min"));
    if (last) im_attr(&attrs, "last", sl_attr_bool(n->context, true));
    return im_op1(n, SL_OP_tensor_arg_reduce, 1, &x, &attrs);
}

sl_value *im_contract(im_node *n, sl_value *left, sl_value *right, const im_contraction *how)
{
    check_elements(n, left, right);
    sl_context *context = n->context;
    im_attrs attrs = {0};
    im_attr(&attrs, "left_batch", sl_attr_ints(context, how->batch_count, how->left_batch));
    im_attr(&attrs, "right_batch", sl_attr_ints(context, how->batch_count, how->right_batch));
    im_attr(&attrs, "left_sum", sl_attr_ints(context, how->sum_count, how->left_sum));
    im_attr(&attrs, "right_sum", sl_attr_ints(context, how->sum_count, how->right_sum));
    if (how->result != SL_ELEMENT_COUNT && how->result != im_element(left))
        im_attr(&attrs, "result_element", sl_attr_type(context, sl_type_scalar(context, how->result)));
    return im_op1(n, SL_OP_tensor_contract, 2, (sl_value *[]){left, right}, &attrs);
}

sl_value *im_matmul(im_node *n, sl_value *left, sl_value *right, sl_element result)
{
    im_need_rank(n, left, "the left operand", 1, -1);
    im_need_rank(n, right, "the right operand", 1, -1);
    bool left_vector = im_rank(left) == 1, right_vector = im_rank(right) == 1;
    im_contraction how = {.result = result, .sum_count = 1};
    if (left_vector && right_vector) return im_contract(n, left, right, &how);
    int lr = im_rank(left), rr = im_rank(right);
    int right_k = right_vector ? 0 : rr - 2;
    int64_t lk = sl_type_static_dim(sl_value_type(left), lr - 1), rk = sl_type_static_dim(sl_value_type(right), right_k);
    if (lk >= 0 && rk >= 0 && lk != rk)
        im_fail(n, "the inner dims of the product differ: %lld (left) and %lld (right)", (long long)lk, (long long)rk);
    how.left_sum[0] = lr - 1;
    how.right_sum[0] = right_k;
    if (left_vector || rr <= 2) {
        /* One side is a vector or the right a plain matrix: a single contraction; a vector on the left of stacked matrices moves behind. */
        if (!left_vector) return im_contract(n, left, right, &how);
        sl_value *y = im_contract(n, right, left, &(im_contraction){.result = result, .sum_count = 1, .left_sum = {rr - 2}, .right_sum = {0}});
        return y;
    }
    /* Stacked matrices: batch dims are paired; a right side with one matrix only is used as that matrix, so that nothing is copied. */
    sl_expr batch[SL_MAX_RANK];
    int lb = lr - 2, rb = right_vector ? 0 : rr - 2, nb = lb > rb ? lb : rb;
    bool right_all_one = true;
    for (int i = 0; i < rb; i++) right_all_one &= im_is_one(im_dim(right, i));
    for (int i = 0; i < nb; i++) {
        int l = i - nb + lb, r = i - nb + rb;
        batch[i] = im_bcast_dim(n, l >= 0 ? im_dim(left, l) : im_expr(n, 1), r >= 0 ? im_dim(right, r) : im_expr(n, 1));
    }
    sl_expr dims[SL_MAX_RANK];
    if (right_all_one) {
        sl_value *matrix = im_reshape(n, right, 2, im_dims(right) + rb);
        sl_value *y = im_contract(n, left, matrix, &(im_contraction){.result = result, .sum_count = 1, .left_sum = {lr - 1}, .right_sum = {0}});
        if (nb == lb) return y;
        for (int i = 0; i < nb; i++) dims[i] = batch[i];
        dims[nb] = im_dim(left, lr - 2);
        dims[nb + 1] = im_dim(right, rr - 1);
        return im_reshape(n, y, nb + 2, dims);
    }
    for (int i = 0; i < nb; i++) dims[i] = batch[i];
    dims[nb] = im_dim(left, lr - 2);
    dims[nb + 1] = im_dim(left, lr - 1);
    left = im_broadcast(n, left, nb + 2, dims);
    dims[nb] = im_dim(right, rr - 2);
    dims[nb + 1] = im_dim(right, rr - 1);
    right = im_broadcast(n, right, nb + 2, dims);
    how.batch_count = nb;
    for (int i = 0; i < nb; i++) how.left_batch[i] = how.right_batch[i] = i;
    how.left_sum[0] = nb + 1;
    how.right_sum[0] = nb;
    return im_contract(n, left, right, &how);
}

sl_value *im_linear(im_node *n, sl_value *x, sl_value *w, int axis)
{
    im_contraction how = {.result = SL_ELEMENT_COUNT, .sum_count = 1, .left_sum = {im_rank(x) - 1}, .right_sum = {axis}};
    return im_contract(n, x, w, &how);
}
