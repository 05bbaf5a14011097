/* eval_move.c: evaluation of tensor ops that move elements or make them from shapes: each computes where every result element comes from and copies. */
#include "eval_internal.h"
#include "sluice/random.h"
#include <math.h>
#include <string.h>

static sl_tensor *alloc_result(sl_eval *eval, const sl_op *op) {
    int64_t shape[SL_MAX_RANK];
    int rank = sl_eval_result_shape(eval, op, 0, shape);
    return sl_eval_alloc(eval, op, sl_eval_result_element(op, 0), rank, shape);
}

/* ---- broadcast, reshape, transpose, slice ---- */

static void broadcast_into(sl_eval *eval, const sl_op *op, const sl_tensor *x, sl_tensor *result) {
    int64_t own[SL_MAX_RANK], from[SL_MAX_RANK] = {0}, to[SL_MAX_RANK];
    int shift = result->rank - x->rank;
    if (shift < 0) sl_eval_fail(eval, op, "rank %d can't be broadcast to rank %d", x->rank, result->rank);
    sl_strides(x->rank, x->shape, own);
    sl_strides(result->rank, result->shape, to);
    for (int axis = 0; axis < x->rank; axis++) {
        if (x->shape[axis] != 1 && x->shape[axis] != result->shape[axis + shift])
            sl_eval_fail(eval, op, "axis %d of size %lld can't be broadcast to %lld", axis, (long long)x->shape[axis], (long long)result->shape[axis + shift]);
        from[axis + shift] = x->shape[axis] == 1 ? 0 : own[axis];
    }
    sl_copy_strided(x->element, result->rank, result->shape, result->data, 0, to, x->data, 0, from);
}

static sl_tensor *broadcast(sl_eval *eval, const sl_op *op) {
    sl_tensor *result = alloc_result(eval, op);
    broadcast_into(eval, op, sl_eval_operand(eval, op, 0), result);
    return result;
}

/* The sizes held by a 1-d integer operand. */
static int shape_operand(sl_eval *eval, const sl_op *op, int index, int64_t *shape) {
    const sl_tensor *tensor = sl_eval_operand(eval, op, index);
    if (tensor->rank != 1 || tensor->shape[0] > SL_MAX_RANK || !sl_element_is_integer(tensor->element))
        sl_eval_fail(eval, op, "operand %d must be a 1-d integer tensor of at most %d sizes", index, SL_MAX_RANK);
    for (int i = 0; i < tensor->shape[0]; i++) {
        shape[i] = sl_element_load_int(tensor->element, tensor->data, i);
        if (shape[i] < 0) sl_eval_fail(eval, op, "the size of axis %d is %lld", i, (long long)shape[i]);
    }
    return (int)tensor->shape[0];
}

static sl_tensor *reshape(sl_eval *eval, const sl_op *op) {
    const sl_tensor *x = sl_eval_operand(eval, op, 0);
    int64_t shape[SL_MAX_RANK];
    int rank = sl_op_operand_count(op) > 1 ? shape_operand(eval, op, 1, shape) : sl_eval_result_shape(eval, op, 0, shape);
    int64_t count = 1, given = sl_tensor_count(x);
    bool fits = true;
    for (int axis = 0; axis < rank && fits && count != 0; axis++) fits = sl_size_mul(count, shape[axis], &count);
    for (int axis = 0; axis < rank; axis++)
        if (shape[axis] == 0) count = 0;
    if ((!fits && count != 0) || count != given) {
        sl_text text;
        sl_text_init(&text, eval->frame);
        for (int axis = 0; axis < rank; axis++) sl_text_append(&text, "%s%lld", axis ? " x " : "", (long long)shape[axis]);
        sl_eval_fail(eval, op, "%lld elements can't be reshaped to %s", (long long)given, rank ? text.data : "rank 0");
    }
    sl_eval_check_shape(eval, op, rank, shape);
    return sl_eval_alias(eval, x, x->element, rank, shape);
}

static sl_tensor *transpose(sl_eval *eval, const sl_op *op) {
    const sl_tensor *x = sl_eval_operand(eval, op, 0);
    int count;
    const int64_t *perm = sl_op_ints(op, "perm", &count);
    if (count != x->rank) sl_eval_fail(eval, op, "perm has %d entries for rank %d", count, x->rank);
    int64_t own[SL_MAX_RANK], from[SL_MAX_RANK], to[SL_MAX_RANK], shape[SL_MAX_RANK];
    sl_strides(x->rank, x->shape, own);
    for (int axis = 0; axis < x->rank; axis++) {
        shape[axis] = x->shape[perm[axis]];
        from[axis] = own[perm[axis]];
    }
    sl_tensor *result = sl_eval_alloc(eval, op, x->element, x->rank, shape);
    sl_strides(x->rank, shape, to);
    sl_copy_strided(x->element, x->rank, shape, result->data, 0, to, x->data, 0, from);
    return result;
}

/* Copies shape[] elements from `starts` in steps of `steps`; all inside of x. */
static sl_tensor *take_slice(sl_eval *eval, const sl_op *op, const sl_tensor *x, const int64_t *starts, const int64_t *steps, const int64_t *shape) {
    int64_t own[SL_MAX_RANK], from[SL_MAX_RANK], to[SL_MAX_RANK], base = 0;
    sl_tensor *result = sl_eval_alloc(eval, op, x->element, x->rank, shape);
    sl_strides(x->rank, x->shape, own);
    sl_strides(x->rank, shape, to);
    for (int axis = 0; axis < x->rank; axis++) {
        base += starts[axis] * own[axis];
        from[axis] = shape[axis] > 1 ? steps[axis] * own[axis] : 0;
    }
    sl_copy_strided(x->element, x->rank, shape, result->data, 0, to, x->data, base, from);
    return result;
}

static sl_tensor *slice(sl_eval *eval, const sl_op *op) {
    const sl_tensor *x = sl_eval_operand(eval, op, 0);
    int64_t starts[SL_MAX_RANK], shape[SL_MAX_RANK], last;
    int count, rank = sl_eval_result_shape(eval, op, 0, shape);
    const int64_t *steps = sl_op_ints(op, "steps", &count);
    if (rank != x->rank) sl_eval_fail(eval, op, "a slice keeps the rank %d", x->rank);
    for (int axis = 0; axis < rank; axis++) {
        starts[axis] = sl_eval_expr_or_fail(eval, op, sl_op_expr_at(op, "starts", axis));
        if (shape[axis] == 0) continue;
        if (__builtin_mul_overflow(shape[axis] - 1, steps[axis], &last) || __builtin_add_overflow(last, starts[axis], &last) || starts[axis] < 0 ||
            starts[axis] >= x->shape[axis] || last < 0 || last >= x->shape[axis])
            sl_eval_fail(eval, op, "%lld elements from %lld in steps of %lld leave axis %d of size %lld", (long long)shape[axis], (long long)starts[axis],
                         (long long)steps[axis], axis, (long long)x->shape[axis]);
    }
    for (int axis = 0; axis < rank; axis++)
        if (shape[axis] == 0) memset(starts, 0, sizeof starts);   /* nothing is read */
    return take_slice(eval, op, x, starts, steps, shape);
}

static sl_tensor *slice_dynamic(sl_eval *eval, const sl_op *op) {
    const sl_tensor *x = sl_eval_operand(eval, op, 0);
    int64_t starts[SL_MAX_RANK] = {0}, steps[SL_MAX_RANK], shape[SL_MAX_RANK];
    for (int axis = 0; axis < x->rank; axis++) {
        steps[axis] = 1;
        shape[axis] = x->shape[axis];
    }
    int count;
    const int64_t *axes = sl_op_ints(op, "axes", &count);
    for (int k = 1; k < 4; k++) {
        const sl_tensor *operand = sl_eval_operand(eval, op, k);
        if (operand->rank != 1 || operand->shape[0] != count || !sl_element_is_integer(operand->element))
            sl_eval_fail(eval, op, "operand %d must hold one integer for each of %d axes", k, count);
    }
    for (int i = 0; i < count; i++) {
        if (axes[i] < 0 || axes[i] >= x->rank) sl_eval_fail(eval, op, "axis %lld is out of range for rank %d", (long long)axes[i], x->rank);
        int64_t bounds[3], size = x->shape[axes[i]];
        for (int k = 0; k < 3; k++) {
            const sl_tensor *operand = sl_eval_operand(eval, op, k + 1);
            bounds[k] = sl_element_load_int(operand->element, operand->data, i);
        }
        int64_t start = bounds[0], end = bounds[1], step = bounds[2];
        if (step == 0) sl_eval_fail(eval, op, "the step of axis %lld is 0", (long long)axes[i]);
        if (start < 0) start += size;
        if (end < 0) end += size;
        int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
        start = start < 0 ? 0 : start > high ? high : start;
        end = end < low ? low : end > high ? high : end;
        int64_t span = step > 0 ? end - start : start - end;
        shape[axes[i]] = span <= 0 || size == 0 ? 0 : step == INT64_MIN ? 1 : (span - 1) / (step > 0 ? step : -step) + 1;
        starts[axes[i]] = shape[axes[i]] ? start : 0;
        steps[axes[i]] = step;
    }
    return take_slice(eval, op, x, starts, steps, shape);
}

/* Gives `expr` the value, or checks it where it has one. */
static void bind_or_check(sl_eval *eval, const sl_op *op, sl_expr expr, int64_t value) {
    int64_t known;
    if (!sl_eval_expr(eval, expr, &known)) {
        if (sl_expr_get_kind(expr) != SL_EXPR_SYMBOL) sl_eval_fail(eval, op, "the size %s can't be computed", sl_expr_text(eval->context, expr));
        sl_eval_bind(eval, expr, value);
    } else if (known != value) {
        sl_eval_fail(eval, op, "the slice has a size or place of %lld where %lld is expected", (long long)value, (long long)known);
    }
}

void sl_eval_bind_slice(sl_eval *eval, const sl_op *op) {
    const sl_tensor *positions[2] = {sl_eval_operand(eval, op, 0), sl_eval_operand(eval, op, 1)};
    int count = sl_attr_count(sl_op_attr(op, "dims"));
    for (int i = 0; i < count; i++) {
        int64_t at[2], dim = sl_eval_expr_or_fail(eval, op, sl_op_expr_at(op, "dims", i));
        for (int k = 0; k < 2; k++) {
            if (sl_tensor_count(positions[k]) != count) sl_eval_fail(eval, op, "operand %d must hold one integer for each of %d axes", k, count);
            at[k] = sl_element_load_int(positions[k]->element, positions[k]->data, i);
            if (at[k] < 0) at[k] += dim;
            at[k] = at[k] < 0 ? 0 : at[k] > dim ? dim : at[k];
        }
        bind_or_check(eval, op, sl_op_expr_at(op, "begins", i), at[0]);
        bind_or_check(eval, op, sl_op_expr_at(op, "sizes", i), at[1] > at[0] ? at[1] - at[0] : 0);
    }
}

static sl_tensor *concat(sl_eval *eval, const sl_op *op) {
    const sl_tensor *first = sl_eval_operand(eval, op, 0);
    int64_t axis = sl_op_int(op, "axis", 0), shape[SL_MAX_RANK], to[SL_MAX_RANK], from[SL_MAX_RANK], offset = 0;
    if (axis < 0 || axis >= first->rank) sl_eval_fail(eval, op, "axis %lld is out of range for rank %d", (long long)axis, first->rank);
    memcpy(shape, first->shape, sizeof shape);
    for (int i = 1; i < sl_op_operand_count(op); i++) {
        const sl_tensor *x = sl_eval_operand(eval, op, i);
        bool fits = x->rank == first->rank && x->element == first->element;
        for (int d = 0; fits && d < x->rank; d++) fits = d == axis || x->shape[d] == shape[d];
        if (!fits) sl_eval_fail(eval, op, "operands 0 and %d differ in more than axis %lld", i, (long long)axis);
        if (!sl_size_add(shape[axis], x->shape[axis], &shape[axis])) sl_eval_fail(eval, op, "the sum of the sizes overflows");
    }
    sl_tensor *result = sl_eval_alloc(eval, op, first->element, first->rank, shape);
    sl_strides(first->rank, shape, to);
    for (int i = 0; i < sl_op_operand_count(op); i++) {
        const sl_tensor *x = sl_eval_operand(eval, op, i);
        sl_strides(x->rank, x->shape, from);
        sl_copy_strided(x->element, x->rank, x->shape, result->data, offset * to[axis], to, x->data, 0, from);
        offset += x->shape[axis];
    }
    return result;
}

/* ---- pad ---- */

/* Where position p of an axis of `size` elements reads from, p counted from the first element; -1: the fill. */
static int64_t pad_source(const char *mode, int64_t p, int64_t size) {
    if (p >= 0 && p < size) return p;
    switch (mode[0]) {
    case 'e': return p < 0 ? 0 : size - 1;
    case 'w': p %= size; return p < 0 ? p + size : p;
    case 'r': {
        if (size == 1) return 0;
        int64_t period = 2 * (size - 1);
        p %= period;
        if (p < 0) p += period;
        return p < size ? p : period - p;
    }
    default: return -1;
    }
}

static sl_tensor *pad_by(sl_eval *eval, const sl_op *op, const sl_tensor *x, const sl_tensor *fill, const int64_t *low, const int64_t *high) {
    const char *mode = sl_op_string(op, "mode", "constant");
    if (sl_tensor_count(fill) != 1 || fill->element != x->element) sl_eval_fail(eval, op, "the fill must be one element of x's type");
    int64_t shape[SL_MAX_RANK], *sources[SL_MAX_RANK], own[SL_MAX_RANK];
    for (int axis = 0; axis < x->rank; axis++)
        if (__builtin_add_overflow(x->shape[axis], low[axis], &shape[axis]) || __builtin_add_overflow(shape[axis], high[axis], &shape[axis]) || shape[axis] < 0)
            sl_eval_fail(eval, op, "axis %d of size %lld can't be padded by %lld and %lld", axis, (long long)x->shape[axis], (long long)low[axis], (long long)high[axis]);
    sl_tensor *result = sl_eval_alloc(eval, op, x->element, x->rank, shape);
    int64_t count = sl_tensor_count(result);
    if (count == 0) return result;
    sl_strides(x->rank, x->shape, own);
    for (int axis = 0; axis < x->rank; axis++) {
        sources[axis] = SL_NEW_ARRAY(eval->arena, int64_t, (size_t)shape[axis]);
        if (x->shape[axis] == 0 && mode[0] != 'c') sl_eval_fail(eval, op, "axis %d is empty: mode %s has nothing to repeat", axis, mode);
        for (int64_t i = 0; i < shape[axis]; i++) sources[axis][i] = pad_source(mode, i - low[axis], x->shape[axis]);
    }
    int64_t index[SL_MAX_RANK] = {0}, to = 0;
    do {
        int64_t from = 0;
        bool inside = true;
        for (int axis = 0; axis < x->rank; axis++) {
            inside = inside && sources[axis][index[axis]] >= 0;
            from += sources[axis][index[axis]] * own[axis];
        }
        if (inside) sl_copy_elements(x->element, result->data, to, x->data, from, 1);
        else sl_copy_elements(x->element, result->data, to, fill->data, 0, 1);
        to++;
    } while (sl_next_index(x->rank, shape, index));
    return result;
}

static sl_tensor *pad(sl_eval *eval, const sl_op *op) {
    const sl_tensor *x = sl_eval_operand(eval, op, 0), *fill = sl_eval_operand(eval, op, 1);
    int64_t low[SL_MAX_RANK], high[SL_MAX_RANK];
    for (int axis = 0; axis < x->rank; axis++) {
        sl_expr before = sl_op_expr_at(op, "low", axis), after = sl_op_expr_at(op, "high", axis);
        if (!before || !after) sl_eval_fail(eval, op, "no padding is given for axis %d", axis);
        low[axis] = sl_eval_expr_or_fail(eval, op, before);
        high[axis] = sl_eval_expr_or_fail(eval, op, after);
    }
    return pad_by(eval, op, x, fill, low, high);
}

static sl_tensor *pad_dynamic(sl_eval *eval, const sl_op *op) {
    const sl_tensor *x = sl_eval_operand(eval, op, 0), *pads = sl_eval_operand(eval, op, 1);
    int64_t amounts[2 * SL_MAX_RANK];
    if (pads->rank != 1 || pads->shape[0] != 2 * x->rank || !sl_element_is_integer(pads->element)) sl_eval_fail(eval, op, "rank %d needs %d amounts of padding", x->rank, 2 * x->rank);
    for (int i = 0; i < 2 * x->rank; i++) amounts[i] = sl_element_load_int(pads->element, pads->data, i);
    return pad_by(eval, op, x, sl_eval_operand(eval, op, 2), amounts, amounts + x->rank);
}

/* ---- made from shapes ---- */

static void store_number(sl_element element, void *data, int64_t index, double value, int64_t integer) {
    if (sl_element_is_float(element)) sl_element_store_float(element, data, index, value);
    else sl_element_store_int(element, data, index, integer);
}

static sl_tensor *iota(sl_eval *eval, const sl_op *op) {
    sl_tensor *result = alloc_result(eval, op);
    int axis = (int)sl_op_int(op, "axis", 0);
    int64_t strides[SL_MAX_RANK], count = sl_tensor_count(result);
    sl_strides(result->rank, result->shape, strides);
    for (int64_t i = 0; i < count; i++) {
        int64_t position = i / strides[axis] % result->shape[axis];
        store_number(result->element, result->data, i, (double)position, position);
    }
    return result;
}

static sl_tensor *range(sl_eval *eval, const sl_op *op) {
    const sl_tensor *operands[3];
    for (int i = 0; i < 3; i++) {
        operands[i] = sl_eval_operand(eval, op, i);
        if (sl_tensor_count(operands[i]) != 1 || operands[i]->element != operands[0]->element || operands[i]->element == SL_ELEMENT_str)
            sl_eval_fail(eval, op, "operand %d must be one number of the start's type", i);
    }
    sl_element element = operands[0]->element;
    int64_t length = 0;
    if (sl_element_is_float(element)) {
        double start = sl_element_load_float(element, operands[0]->data, 0), limit = sl_element_load_float(element, operands[1]->data, 0);
        double delta = sl_element_load_float(element, operands[2]->data, 0), steps = ceil((limit - start) / delta);
        if (delta == 0 || !(steps < 1e15)) sl_eval_fail(eval, op, "the range from %g to %g in steps of %g does not end", start, limit, delta);
        length = steps > 0 ? (int64_t)steps : 0;
        sl_tensor *result = sl_eval_alloc(eval, op, element, 1, &length);
        for (int64_t i = 0; i < length; i++) sl_element_store_float(element, result->data, i, start + (double)i * delta);
        return result;
    }
    int64_t start = sl_element_load_int(element, operands[0]->data, 0), limit = sl_element_load_int(element, operands[1]->data, 0);
    int64_t delta = sl_element_load_int(element, operands[2]->data, 0);
    if (delta == 0) sl_eval_fail(eval, op, "the step of the range is 0");
    if (delta > 0 ? start < limit : start > limit) {
        uint64_t span = delta > 0 ? (uint64_t)limit - (uint64_t)start : (uint64_t)start - (uint64_t)limit;
        uint64_t stride = delta > 0 ? (uint64_t)delta : 0 - (uint64_t)delta, steps = (span - 1) / stride + 1;
        length = steps > INT64_MAX ? INT64_MAX : (int64_t)steps;
    }
    sl_tensor *result = sl_eval_alloc(eval, op, element, 1, &length);
    for (int64_t i = 0; i < length; i++) sl_element_store_int(element, result->data, i, (int64_t)((uint64_t)start + (uint64_t)i * (uint64_t)delta));
    return result;
}

static sl_tensor *fill(sl_eval *eval, const sl_op *op) {
    const sl_tensor *value = sl_eval_operand(eval, op, 0);
    int64_t shape[SL_MAX_RANK];
    int rank = shape_operand(eval, op, 1, shape);
    sl_tensor *result = sl_eval_alloc(eval, op, value->element, rank, shape);
    broadcast_into(eval, op, value, result);
    return result;
}

static sl_tensor *expand_dynamic(sl_eval *eval, const sl_op *op) {
    const sl_tensor *x = sl_eval_operand(eval, op, 0);
    int64_t asked[SL_MAX_RANK], shape[SL_MAX_RANK];
    int count = shape_operand(eval, op, 1, asked), rank = count > x->rank ? count : x->rank;
    for (int axis = 0; axis < rank; axis++) {
        int64_t own = axis < rank - x->rank ? 1 : x->shape[axis - (rank - x->rank)], other = axis < rank - count ? 1 : asked[axis - (rank - count)];
        shape[axis] = own == 1 ? other : own;
        if (own != 1 && other != 1 && own != other) sl_eval_fail(eval, op, "axis %d of size %lld can't be expanded to %lld", axis, (long long)own, (long long)other);
    }
    sl_tensor *result = sl_eval_alloc(eval, op, x->element, rank, shape);
    broadcast_into(eval, op, x, result);
    return result;
}

static sl_tensor *from_dims(sl_eval *eval, const sl_op *op) {
    int64_t count = sl_attr_count(sl_op_attr(op, "dims"));
    bool scalar = sl_op_bool(op, "scalar", false);
    sl_tensor *result = sl_eval_alloc(eval, op, SL_ELEMENT_i64, scalar ? 0 : 1, &count);
    for (int i = 0; i < count; i++) ((int64_t *)result->data)[i] = sl_eval_expr_or_fail(eval, op, sl_op_expr_at(op, "dims", i));
    return result;
}

static sl_tensor *shape_of(sl_eval *eval, const sl_op *op) {
    const sl_tensor *x = sl_eval_operand(eval, op, 0);
    int64_t rank = x->rank;
    sl_tensor *result = sl_eval_alloc(eval, op, SL_ELEMENT_i64, 1, &rank);
    memcpy(result->data, x->shape, sizeof(int64_t) * (size_t)rank);
    return result;
}

static sl_tensor *random_numbers(sl_eval *eval, const sl_op *op) {
    sl_tensor *result = alloc_result(eval, op);
    if (!sl_element_is_float(result->element)) sl_eval_fail(eval, op, "random numbers are floats, not %s", sl_element_name(result->element));
    bool normal = strcmp(sl_op_string(op, "distribution", ""), "normal") == 0;
    double first = sl_op_float(op, "first", 0), second = sl_op_float(op, "second", 1);
    uint64_t seed = (uint64_t)sl_op_int(op, "seed", 0);
    int64_t count = sl_tensor_count(result);
    for (int64_t i = 0; i < count; i++) {
        double value = normal ? first + second * sl_random_normal(seed, (uint64_t)i) : first + (second - first) * sl_random_uniform(seed, (uint64_t)i);
        sl_element_store_float(result->element, result->data, i, value);
    }
    return result;
}

sl_tensor *sl_eval_move(sl_eval *eval, const sl_op *op) {
    sl_tensor *result = NULL;
    switch ((int)sl_op_get_kind(op)) {
    case SL_OP_tensor_broadcast: result = broadcast(eval, op); break;
    case SL_OP_tensor_reshape: result = reshape(eval, op); break;
    case SL_OP_tensor_transpose: result = transpose(eval, op); break;
    case SL_OP_tensor_slice: result = slice(eval, op); break;
    case SL_OP_tensor_slice_dynamic: result = slice_dynamic(eval, op); break;
    case SL_OP_tensor_concat: result = concat(eval, op); break;
    case SL_OP_tensor_pad: result = pad(eval, op); break;
    case SL_OP_tensor_pad_dynamic: result = pad_dynamic(eval, op); break;
    case SL_OP_tensor_iota: result = iota(eval, op); break;
    case SL_OP_tensor_range: result = range(eval, op); break;
    case SL_OP_tensor_fill: result = fill(eval, op); break;
    case SL_OP_tensor_expand_dynamic: result = expand_dynamic(eval, op); break;
    case SL_OP_tensor_from_dims: result = from_dims(eval, op); break;
    case SL_OP_tensor_shape_of: result = shape_of(eval, op); break;
    case SL_OP_tensor_random: result = random_numbers(eval, op); break;
    default: sl_eval_fail(eval, op, "%s can't be evaluated here", sl_op_name(op));
    }
    sl_eval_step(eval, op, sl_tensor_count(result));
    return result;
}
