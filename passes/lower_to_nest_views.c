/* lower_to_nest_views.c: pure views as index arithmetic.
 *
 * A consumer that reads value v at index e (expressions over its loops) reads transpose(x) as x at the permuted e, slice(x) as x at start + step*e,
 * and so on, so that the view itself never becomes memory. A reshape is passed when its index follows without dividing loop indices: splitting
 * dims always, merging dims when the index is a sum whose parts provably stay within the inner dims (d0*64 + d1 with d1 < 64).
 *
 * Reads that may leave the bounds (padding): a view is passed only when an index is outside of the view exactly if it is outside of its operand. */
#include "lower_to_nest.h"

#include <string.h>

/* L = q*divisor + r with 0 <= r < divisor provable from the loops' bounds. */
static bool split_by(const sl_nest_spec *spec, sl_expr linear, sl_expr divisor, sl_expr *quotient, sl_expr *remainder) {
    sl_context *context = spec->context;
    sl_expr q = sl_expr_const(context, 0), r = q;
    int64_t constant_divisor;
    for (int t = 0, n = sl_expr_term_count(linear); t < n; t++) {
        int64_t coefficient = sl_expr_term_coefficient(linear, t);
        int factors = sl_expr_term_factor_count(linear, t);
        if (factors == 0 && sl_expr_is_const(divisor, &constant_divisor)) {
            if (coefficient < 0 || constant_divisor <= 0) return false;
            q = sl_expr_add(context, q, sl_expr_const(context, coefficient / constant_divisor));
            r = sl_expr_add(context, r, sl_expr_const(context, coefficient % constant_divisor));
            continue;
        }
        sl_expr term = sl_expr_const(context, coefficient);
        for (int f = 0; f < factors; f++) term = sl_expr_mul(context, term, sl_expr_term_factor(linear, t, f));
        sl_expr exact = sl_expr_divide_exact(context, term, divisor);
        if (exact) q = sl_expr_add(context, q, exact);
        else r = sl_expr_add(context, r, term);
    }
    /* room = divisor - 1 - max(r); every loop coefficient must be known not to be negative */
    sl_expr one = sl_expr_const(context, 1), room = sl_expr_sub(context, divisor, one), rest = r;
    for (int i = 0; i < spec->loop_count; i++) {
        sl_expr coefficient;
        int64_t bound;
        if (!sl_expr_uses_loop(rest, i)) continue;
        if (!sl_expr_split_linear(context, rest, i, &coefficient, &rest) || sl_expr_uses_any_loop(coefficient)) return false;
        if (!sl_expr_lower_bound(coefficient, true, &bound) || bound < 0) return false;
        room = sl_expr_sub(context, room, sl_expr_mul(context, coefficient, sl_expr_sub(context, spec->bounds[i], one)));
    }
    int64_t low;
    if (sl_expr_uses_any_loop(rest) || !sl_expr_lower_bound(rest, true, &low) || low < 0) return false;
    room = sl_expr_sub(context, room, rest);
    if (!sl_expr_lower_bound(room, true, &low) || low < 0) return false;
    *quotient = q, *remainder = r;
    return true;
}

typedef struct dim_list { int count; int axes[SL_MAX_RANK]; } dim_list;

static bool list_real_dims(sl_type type, dim_list *list) {
    list->count = 0;
    for (int i = 0, rank = sl_type_rank(type); i < rank; i++) {
        if (sl_expr_equals_const(sl_type_dim(type, i), 0)) return false;
        if (!sl_expr_equals_const(sl_type_dim(type, i), 1)) list->axes[list->count++] = i;
    }
    return true;
}

/* Index of one group: dims `from` (f0..f1 of its list) and `to` (t0..t1) hold the same elements. */
static bool group_index(const sl_nest_spec *spec, sl_type from, const dim_list *f, int f0, int f1, sl_type to, const dim_list *t, int t0, int t1,
                        const sl_expr *index, sl_expr *result) {
    sl_context *context = spec->context;
    sl_expr linear = sl_expr_const(context, 0);
    if (f0 == f1) return true;
    for (int j = t0; j < t1; j++)
        linear = sl_expr_add(context, sl_expr_mul(context, linear, sl_type_dim(to, t->axes[j])), index[t->axes[j]]);
    for (int i = f1 - 1; i > f0; i--) {
        sl_expr quotient, remainder;
        if (!split_by(spec, linear, sl_type_dim(from, f->axes[i]), &quotient, &remainder)) return false;
        result[f->axes[i]] = remainder;
        linear = quotient;
    }
    result[f->axes[f0]] = linear;
    return true;
}

bool sl_lower_reshape_index(const sl_nest_spec *spec, sl_type from, sl_type to, const sl_expr *index, sl_expr *result) {
    sl_context *context = spec->context;
    dim_list f, t;
    if (!list_real_dims(from, &f) || !list_real_dims(to, &t)) return false;
    for (int i = 0, rank = sl_type_rank(from); i < rank; i++) result[i] = sl_expr_const(context, 0);
    int i = 0, j = 0;
    while (i < f.count && j < t.count) {
        int f0 = i, t0 = j;
        sl_expr a = sl_type_dim(from, f.axes[i++]), b = sl_type_dim(to, t.axes[j++]);
        while (a != b) {
            int64_t ca, cb;
            bool more_a = sl_expr_divide_exact(context, b, a) != NULL, more_b = sl_expr_divide_exact(context, a, b) != NULL;
            if (!more_a && !more_b && sl_expr_is_const(a, &ca) && sl_expr_is_const(b, &cb)) more_a = ca < cb, more_b = !more_a;
            if (!more_a && !more_b) {              /* can't tell where the group ends: all that is left is one group */
                i = f.count, j = t.count;
                break;
            }
            if (more_a && i < f.count) a = sl_expr_mul(context, a, sl_type_dim(from, f.axes[i++]));
            else if (more_b && j < t.count) b = sl_expr_mul(context, b, sl_type_dim(to, t.axes[j++]));
            else { i = f.count, j = t.count; break; }
        }
        if (!group_index(spec, from, &f, f0, i, to, &t, t0, j, index, result)) return false;
    }
    return i == f.count && j == t.count;           /* a symbolic dim left over is 1 only at run time: not provable */
}

/* ---- one step through each kind of view; false: not passable for this consumer ---- */

static void step_transpose(const sl_op *op, const sl_expr *index, sl_expr *result) {
    int count;
    const int64_t *perm = sl_op_ints(op, "perm", &count);
    for (int d = 0; d < count; d++) result[perm[d]] = index[d];
}

static void step_broadcast(sl_context *context, const sl_op *op, const sl_expr *index, sl_expr *result) {
    sl_type from = sl_value_type(sl_op_operand(op, 0)), to = sl_value_type(sl_op_result(op, 0));
    int rank = sl_type_rank(from), lead = sl_type_rank(to) - rank;
    for (int d = 0; d < rank; d++) {
        sl_expr dim = sl_type_dim(from, d);
        if (sl_expr_equals_const(dim, 1)) result[d] = sl_expr_const(context, 0);
        else if (dim == sl_type_dim(to, lead + d)) result[d] = index[lead + d];
        else result[d] = sl_expr_min(context, index[lead + d], sl_expr_sub(context, dim, sl_expr_const(context, 1)));   /* 1 or equal at run time */
    }
}

static void step_slice(sl_context *context, const sl_op *op, const sl_expr *index, sl_expr *result) {
    int count;
    const int64_t *steps = sl_op_ints(op, "steps", &count);
    for (int d = 0; d < count; d++)
        result[d] = sl_expr_add(context, sl_op_expr_at(op, "starts", d), sl_expr_mul(context, sl_expr_const(context, steps[d]), index[d]));
}

/* take with a constant single index that is provably inside: the axis becomes that index. */
static bool take_position(const sl_op *op, int64_t *position) {
    sl_attr constant = sl_value_constant(sl_op_operand(op, 1));
    sl_type type = sl_value_type(sl_op_operand(op, 0));
    if (!constant || !sl_type_is_ranked(type) || sl_type_static_count(sl_attr_get_type(constant)) != 1) return false;
    int64_t extent = sl_type_static_dim(type, (int)sl_op_int(op, "axis", 0)), at = sl_attr_data_int(constant, 0);
    if (at < 0 && extent >= 0) at += extent;
    if (at < 0) return false;
    if (extent >= 0 ? at >= extent : at > 0) return false;
    if (extent < 0) return false;                      /* an empty dim must fail the run, which nest.extract sees to */
    *position = at;
    return true;
}

static void step_take(sl_context *context, const sl_op *op, int64_t position, const sl_expr *index, sl_expr *result) {
    int axis = (int)sl_op_int(op, "axis", 0), rank = sl_type_rank(sl_value_type(sl_op_operand(op, 0)));
    int inner = sl_type_rank(sl_value_type(sl_op_operand(op, 1)));
    for (int d = 0; d < rank; d++)
        result[d] = d < axis ? index[d] : d == axis ? sl_expr_const(context, position) : index[d + inner - 1];
}

static bool same_scalar(sl_attr a, sl_attr b) {
    int64_t size = sl_attr_data_size(a);
    return sl_type_element(sl_attr_get_type(a)) == sl_type_element(sl_attr_get_type(b)) && size == sl_attr_data_size(b) &&
           memcmp(sl_attr_data_bytes(a), sl_attr_data_bytes(b), (size_t)size) == 0;
}

/* The constant fill of a pad as a scalar of the element type, or NULL. */
static sl_attr pad_fill(sl_context *context, const sl_op *op) {
    sl_attr fill = sl_value_constant(sl_op_operand(op, 1));
    sl_element element = sl_type_element(sl_value_type(sl_op_operand(op, 0)));
    if (!fill || strcmp(sl_op_string(op, "mode", ""), "constant") != 0) return NULL;
    if (sl_element_is_float(element)) return sl_scalar_float(context, element, sl_attr_data_float(fill, 0));
    return sl_scalar_int(context, element, sl_attr_data_int(fill, 0));
}

static bool step_pad(sl_context *context, const sl_op *op, const sl_expr *index, sl_attr *outside, sl_expr *result) {
    sl_attr fill = pad_fill(context, op);
    int rank = sl_type_rank(sl_value_type(sl_op_operand(op, 0)));
    if (!fill) return false;
    for (int d = 0; d < rank; d++) {
        sl_expr low = sl_op_expr_at(op, "low", d), high = sl_op_expr_at(op, "high", d);
        int64_t least;
        /* behind an index that may itself be outside, only pure growth keeps outside outside */
        if (*outside && (!sl_expr_lower_bound(low, false, &least) || least < 0 || !sl_expr_lower_bound(high, false, &least) || least < 0)) return false;
        result[d] = sl_expr_sub(context, index[d], low);
    }
    if (*outside && !same_scalar(*outside, fill)) return false;
    *outside = *outside ? *outside : fill;
    return true;
}

bool sl_lower_is_view(const sl_op *op) {
    int64_t position;
    sl_op_kind kind = sl_op_get_kind(op);
    if (kind == SL_OP_tensor_transpose || kind == SL_OP_tensor_broadcast || kind == SL_OP_tensor_slice)
        return sl_type_is_ranked(sl_value_type(sl_op_operand(op, 0))) && sl_type_is_ranked(sl_value_type(sl_op_result(op, 0)));
    if (kind == SL_OP_tensor_take) return take_position(op, &position);
    if (kind == SL_OP_tensor_pad) return sl_type_is_ranked(sl_value_type(sl_op_operand(op, 0))) && pad_fill(sl_op_context(op), op) != NULL;
    return false;
}

void sl_lower_resolve(const sl_nest_spec *spec, sl_value *value, const sl_expr *index, sl_attr outside, sl_lower_view *view) {
    sl_context *context = spec->context;
    sl_expr next[SL_MAX_RANK];
    view->base = value;
    view->outside = outside;
    memcpy(view->index, index, (size_t)sl_type_rank(sl_value_type(value)) * sizeof(*index));
    for (sl_op *op; (op = sl_value_op(view->base)) != NULL;) {
        sl_op_kind kind = sl_op_get_kind(op);
        bool reshape = kind == SL_OP_tensor_reshape && sl_op_operand_count(op) == 1;
        if (!reshape && !sl_lower_is_view(op)) break;
        if (view->outside && kind != SL_OP_tensor_transpose && kind != SL_OP_tensor_pad) break;
        if (kind == SL_OP_tensor_transpose) {
            step_transpose(op, view->index, next);
        } else if (kind == SL_OP_tensor_broadcast) {
            step_broadcast(context, op, view->index, next);
        } else if (kind == SL_OP_tensor_slice) {
            step_slice(context, op, view->index, next);
        } else if (kind == SL_OP_tensor_take) {
            int64_t position = 0;
            if (!take_position(op, &position)) break;
            step_take(context, op, position, view->index, next);
        } else if (kind == SL_OP_tensor_pad) {
            if (!step_pad(context, op, view->index, &view->outside, next)) break;
        } else {
            sl_type from = sl_value_type(sl_op_operand(op, 0)), to = sl_value_type(sl_op_result(op, 0));
            if (!sl_type_is_ranked(from) || !sl_type_is_ranked(to) || !sl_lower_reshape_index(spec, from, to, view->index, next)) break;
        }
        view->base = sl_op_operand(op, 0);
        memcpy(view->index, next, (size_t)sl_type_rank(sl_value_type(view->base)) * sizeof(*next));
    }
    if (view->outside) return;
    for (int d = 0, rank = sl_type_rank(sl_value_type(view->base)); d < rank; d++)
        if (sl_expr_equals_const(sl_type_dim(sl_value_type(view->base), d), 1)) view->index[d] = sl_expr_const(context, 0);
}

/* ---- inputs of bodies ---- */

/* Position in row-major order of a wholly constant index, or -1. */
static int64_t constant_position(sl_type type, const sl_expr *index) {
    int64_t position = 0, at;
    for (int d = 0, rank = sl_type_rank(type); d < rank; d++) {
        int64_t extent = sl_type_static_dim(type, d);
        if (!sl_expr_is_const(index[d], &at) || extent < 0 || at < 0 || at >= extent) return -1;
        position = position * extent + at;
    }
    return position;
}

static sl_attr element_of(sl_context *context, sl_attr data, int64_t position) {
    sl_element element = sl_type_element(sl_attr_get_type(data));
    if (sl_element_is_float(element)) return sl_scalar_float(context, element, sl_attr_data_float(data, position));
    return sl_scalar_int(context, element, sl_attr_data_int(data, position));
}

sl_lower_input sl_lower_input_add(sl_nest_spec *spec, sl_value *value, const sl_expr *index, sl_attr outside, bool whole) {
    sl_lower_view view;
    sl_lower_resolve(spec, value, index, outside, &view);
    sl_type type = sl_value_type(view.base);
    sl_lower_input input = {.operand = -1, .element = sl_type_element(type)};
    sl_op *op = sl_value_op(view.base);
    if (!whole && !view.outside && op) {
        int64_t position = constant_position(type, view.index);
        sl_attr constant = sl_value_constant(view.base);
        if (constant && input.element != SL_ELEMENT_str && (sl_attr_data_is_splat(constant) || position >= 0)) {
            input.constant = element_of(spec->context, constant, sl_attr_data_is_splat(constant) ? 0 : position);
            return input;
        }
        if (sl_op_get_kind(op) == SL_OP_tensor_from_dims && position >= 0) {
            input.dim = sl_op_expr_at(op, "dims", (int)position);
            return input;
        }
    }
    input.operand = sl_spec_operand(spec, view.base, view.index, view.outside);
    return input;
}

sl_value *sl_lower_input_value(sl_builder *body, const sl_op *nest, const sl_lower_input *input) {
    if (input->operand >= 0) return sl_nest_argument(nest, input->operand);
    if (input->constant) return sl_build_scalar(body, input->constant);
    return sl_build_cast(body, sl_emit_expr(body, input->dim), input->element);
}
