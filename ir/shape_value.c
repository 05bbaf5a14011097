/* shape_value.c: sl_value_as_exprs: what a small integer tensor holds, as expressions over shape symbols.
 *
 * Exporters write shapes as computations (Shape, Gather, Unsqueeze, Concat, Reshape; sizes through float and back). This walk follows such a chain from its end to
 * the constants and shapes that it starts from and carries one expression per element. An element that is not known stays unknown by itself, so that the known
 * elements of a partly known tensor can still be picked. Floats are carried as expression / positive integer, which covers scale factors and floor(a / b).
 *
 * Bounds: tensors of at most 64 elements with static shapes; every value is resolved once per call (memo), at most 256 values and 100 ops deep. Scratch memory goes
 * back at the end of the call.
 */
#include "op_internal.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { most_elements = 64, most_values = 256, most_depth = 100, most_denominator = 1 << 20 };

typedef struct number { sl_expr numerator; int64_t denominator; } number;   /* numerator NULL: unknown */

typedef struct entry {
    const sl_value *value;
    int count;          /* -1: nothing known */
    number *elements;
} entry;

typedef struct resolver {
    sl_context *context;
    sl_arena *arena;
    entry *entries[most_values];
    int entry_count;
} resolver;

static const entry *resolve(resolver *state, sl_value *value, int depth);

static number whole(sl_expr expr) { return (number){expr, 1}; }
static number unknown(void) { return (number){NULL, 1}; }
static number whole_const(resolver *state, int64_t value) { return whole(sl_expr_const(state->context, value)); }

static bool is_const(number value, int64_t *constant) {
    return value.numerator && value.denominator == 1 && sl_expr_is_const(value.numerator, constant);
}

/* ---- elements: arithmetic ---- */

static number reduced(resolver *state, sl_expr numerator, int64_t denominator) {
    if (denominator == 1) return whole(numerator);
    for (int64_t factor = 2; factor <= denominator && factor < 64; factor++)
        while (denominator % factor == 0 && sl_expr_is_multiple_of(numerator, factor)) {
            numerator = sl_expr_divide_exact(state->context, numerator, sl_expr_const(state->context, factor));
            if (!numerator) return unknown();
            denominator /= factor;
        }
    return (number){numerator, denominator};
}

static number from_float(resolver *state, double value) {
    int64_t denominator = 1;
    while (value != floor(value) && denominator < most_denominator) {
        value *= 2;
        denominator *= 2;
    }
    if (!(fabs(value) < 0x1p53) || value != floor(value)) return unknown();
    return reduced(state, sl_expr_const(state->context, (int64_t)value), denominator);
}

/* a and b over one denominator, which is returned; 0 when it grows too large. */
static int64_t common(resolver *state, number a, number b, sl_expr *left, sl_expr *right) {
    int64_t denominator = a.denominator * b.denominator;
    if (denominator > most_denominator) return 0;
    *left = sl_expr_mul(state->context, a.numerator, sl_expr_const(state->context, b.denominator));
    *right = sl_expr_mul(state->context, b.numerator, sl_expr_const(state->context, a.denominator));
    return denominator;
}

static bool at_least(sl_expr expr, int64_t least) {
    int64_t bound;
    return sl_expr_lower_bound(expr, true, &bound) && bound >= least;
}

static number divide(resolver *state, number a, number b, bool floating) {
    sl_context *context = state->context;
    int64_t constant;
    if (floating) {
        if (!sl_expr_is_const(b.numerator, &constant)) {
            sl_expr exact = b.denominator == 1 && a.denominator == 1 ? sl_expr_divide_exact(context, a.numerator, b.numerator) : NULL;
            return exact ? whole(exact) : unknown();
        }
        if (constant <= 0 || constant > most_denominator || a.denominator * constant > most_denominator) return unknown();
        return reduced(state, sl_expr_mul(context, a.numerator, sl_expr_const(context, b.denominator)), a.denominator * constant);
    }
    int64_t left;
    if (is_const(a, &left) && is_const(b, &constant))
        return whole_const(state, constant == 0 ? 0 : constant == -1 ? (int64_t)(0 - (uint64_t)left) : left / constant);
    if (!at_least(a.numerator, 0) || !at_least(b.numerator, 1)) return unknown();   /* otherwise truncation differs from floor */
    return whole(sl_expr_floordiv(context, a.numerator, b.numerator));
}

static number remainder_of(resolver *state, number a, number b, bool sign_of_divisor) {
    int64_t left, right;
    if (is_const(a, &left) && is_const(b, &right)) {
        if (right == 0 || right == -1) return whole_const(state, 0);
        int64_t rest = left % right;
        if (sign_of_divisor && rest != 0 && (rest < 0) != (right < 0)) rest += right;
        return whole_const(state, rest);
    }
    if (a.denominator != 1 || b.denominator != 1 || !at_least(b.numerator, 1) || (!sign_of_divisor && !at_least(a.numerator, 0))) return unknown();
    return whole(sl_expr_mod(state->context, a.numerator, b.numerator));
}

/* -1, 0, 1 by a - b where its sign can be proved; 2 when not. *or_equal: -1 or 1 may also be 0. */
static int sign_of_difference(resolver *state, number a, number b, bool *or_equal) {
    sl_expr left, right;
    int64_t value;
    *or_equal = false;
    if (!common(state, a, b, &left, &right)) return 2;
    sl_expr difference = sl_expr_sub(state->context, left, right);
    if (sl_expr_is_const(difference, &value)) return value > 0 ? 1 : value < 0 ? -1 : 0;
    if (sl_expr_lower_bound(difference, false, &value) && value >= 0) {
        *or_equal = value == 0;
        return 1;
    }
    if (sl_expr_lower_bound(sl_expr_sub(state->context, right, left), false, &value) && value >= 0) {
        *or_equal = value == 0;
        return -1;
    }
    return 2;
}

static number compare(resolver *state, const char *predicate, number a, number b) {
    bool or_equal;
    int sign = sign_of_difference(state, a, b, &or_equal);
    int result = -1;
    if (sign == 2) return unknown();
    if (strcmp(predicate, "eq") == 0) result = sign == 0 ? 1 : or_equal ? -1 : 0;
    else if (strcmp(predicate, "ne") == 0) result = sign == 0 ? 0 : or_equal ? -1 : 1;
    else if (strcmp(predicate, "lt") == 0) result = sign >= 0 ? 0 : or_equal ? -1 : 1;
    else if (strcmp(predicate, "gt") == 0) result = sign <= 0 ? 0 : or_equal ? -1 : 1;
    else if (strcmp(predicate, "le") == 0) result = sign <= 0 ? 1 : or_equal ? -1 : 0;
    else if (strcmp(predicate, "ge") == 0) result = sign >= 0 ? 1 : or_equal ? -1 : 0;
    return result < 0 ? unknown() : whole_const(state, result);
}

/* To an integer as arith.cast does: toward zero. */
static number truncated(resolver *state, number a) {
    int64_t value;
    if (a.denominator == 1) return a;
    if (sl_expr_is_const(a.numerator, &value)) return whole_const(state, value / a.denominator);
    if (!at_least(a.numerator, 0)) return unknown();
    return whole(sl_expr_floordiv(state->context, a.numerator, sl_expr_const(state->context, a.denominator)));
}

static number cast_number(resolver *state, const sl_op *op, number a) {
    sl_element from = sl_type_element(sl_value_type(sl_op_operand(op, 0))), to = sl_type_element(sl_value_type(sl_op_result(op, 0)));
    int64_t value;
    if (to == SL_ELEMENT_i1) {
        if (sl_expr_is_const(a.numerator, &value)) return whole_const(state, value != 0);
        return sl_expr_lower_bound(a.numerator, false, &value) && value > 0 ? whole_const(state, 1) : unknown();
    }
    if (sl_element_is_float(from) && !sl_element_is_float(to)) a = truncated(state, a);
    if (!a.numerator || sl_element_bits(to) >= 32) return a;
    /* Narrow types hold what fits exactly; symbols might not. */
    if (!is_const(a, &value) || sl_element_is_float(to)) return a.denominator == 1 && sl_expr_is_const(a.numerator, &value) && llabs(value) <= 256 ? a : unknown();
    int bits = sl_element_bits(to);
    int64_t low = sl_element_is_signed(to) ? -(1ll << (bits - 1)) : 0, high = sl_element_is_signed(to) ? (1ll << (bits - 1)) - 1 : (1ll << bits) - 1;
    return value >= low && value <= high ? a : unknown();
}

static number evaluate(resolver *state, const sl_op *op, const number *arguments) {
    sl_context *context = state->context;
    number a = arguments[0], b = arguments[1], c = arguments[2];
    bool floating = sl_element_is_float(sl_type_element(sl_value_type(sl_op_operand(op, 0))));
    bool boolean = sl_type_element(sl_value_type(sl_op_operand(op, 0))) == SL_ELEMENT_i1;
    sl_expr left, right;
    int64_t denominator, value, other;
    sl_op_kind kind = sl_op_get_kind(op);
    if (kind == SL_OP_arith_select) {
        if (is_const(a, &value)) return value ? b : c;
        return b.numerator == c.numerator && b.denominator == c.denominator ? b : unknown();
    }
    if (kind == SL_OP_arith_and || kind == SL_OP_arith_or) {   /* one side may decide */
        if (!boolean) return unknown();
        bool decides = kind == SL_OP_arith_or;
        if ((is_const(a, &value) && (value != 0) == decides) || (is_const(b, &value) && (value != 0) == decides)) return whole_const(state, decides);
        return is_const(a, &value) && is_const(b, &other) ? whole_const(state, !decides) : unknown();
    }
    for (int i = 0; i < sl_op_operand_count(op); i++)
        if (!arguments[i].numerator) return unknown();
    /* As the value of another kind of op: not known. The list is of those that exporters compute shapes with. */
    if (kind == SL_OP_arith_add || kind == SL_OP_arith_sub) {
        denominator = common(state, a, b, &left, &right);
        if (!denominator) return unknown();
        return reduced(state, kind == SL_OP_arith_add ? sl_expr_add(context, left, right) : sl_expr_sub(context, left, right), denominator);
    }
    if (kind == SL_OP_arith_mul) {
        denominator = a.denominator * b.denominator;
        return denominator > most_denominator ? unknown() : reduced(state, sl_expr_mul(context, a.numerator, b.numerator), denominator);
    }
    if (kind == SL_OP_arith_max || kind == SL_OP_arith_min) {
        denominator = common(state, a, b, &left, &right);
        if (!denominator) return unknown();
        return reduced(state, kind == SL_OP_arith_max ? sl_expr_max(context, left, right) : sl_expr_min(context, left, right), denominator);
    }
    if (kind == SL_OP_arith_div) return divide(state, a, b, floating);
    if (kind == SL_OP_arith_rem || kind == SL_OP_arith_mod) return remainder_of(state, a, b, kind == SL_OP_arith_mod);
    if (kind == SL_OP_arith_neg) return (number){sl_expr_sub(context, sl_expr_const(context, 0), a.numerator), a.denominator};
    if (kind == SL_OP_arith_abs) {
        if (at_least(a.numerator, 0)) return a;
        return sl_expr_is_const(a.numerator, &value) && value != INT64_MIN ? (number){sl_expr_const(context, llabs(value)), a.denominator} : unknown();
    }
    if (kind == SL_OP_arith_floor) return whole(sl_expr_floordiv(context, a.numerator, sl_expr_const(context, a.denominator)));
    if (kind == SL_OP_arith_ceil) return whole(sl_expr_ceildiv(context, a.numerator, sl_expr_const(context, a.denominator)));
    if (kind == SL_OP_arith_trunc) return truncated(state, a);
    if (kind == SL_OP_arith_round) return a.denominator == 1 ? a : unknown();
    if (kind == SL_OP_arith_not) return boolean && is_const(a, &value) ? whole_const(state, !value) : unknown();
    if (kind == SL_OP_arith_cmp) return compare(state, sl_op_string(op, "predicate", ""), a, b);
    if (kind == SL_OP_arith_cast) return cast_number(state, op, a);
    return unknown();
}

/* ---- tensors ---- */

/* Static shape of at most 64 elements; the count, or -1. */
static int small_shape(sl_type type, int64_t *dims, int *rank) {
    if ((!sl_type_is_tensor(type) && !sl_type_is_scalar(type)) || !sl_type_is_ranked(type)) return -1;
    sl_element element = sl_type_element(type);
    if (element == SL_ELEMENT_str) return -1;
    int64_t count = sl_type_static_count(type);
    if (count < 0 || count > most_elements) return -1;
    *rank = sl_type_rank(type);
    for (int axis = 0; axis < *rank; axis++) dims[axis] = sl_type_static_dim(type, axis);
    return (int)count;
}

/* Row-major strides. */
static void strides_of(const int64_t *dims, int rank, int64_t *strides) {
    int64_t stride = 1;
    for (int axis = rank - 1; axis >= 0; axis--) {
        strides[axis] = stride;
        stride *= dims[axis];
    }
}

/* result[i...] = source[base + sum of i * stride], for ops that only move elements. */
static void gather(entry *result, const int64_t *dims, int rank, const entry *source, int64_t base, const int64_t *strides) {
    for (int i = 0; i < result->count; i++) {
        int64_t position = base, rest = i;
        for (int axis = rank - 1; axis >= 0; axis--) {
            position += rest % dims[axis] * strides[axis];
            rest /= dims[axis];
        }
        if (position >= 0 && position < source->count) result->elements[i] = source->elements[position];
    }
}

static bool const_element(const entry *source, int index, int64_t *value) {
    return source && index < source->count && is_const(source->elements[index], value);
}

static void slice_elements(resolver *state, entry *result, const sl_op *op, int depth) {
    const entry *x = resolve(state, sl_op_operand(op, 0), depth);
    int64_t dims[SL_MAX_RANK], from[SL_MAX_RANK], strides[SL_MAX_RANK], base = 0;
    int rank, source_rank;
    if (!x || small_shape(sl_value_type(sl_op_operand(op, 0)), from, &source_rank) < 0 || small_shape(sl_value_type(sl_op_result(op, 0)), dims, &rank) < 0 ||
        rank != source_rank)
        return;
    strides_of(from, rank, strides);
    if (sl_op_get_kind(op) == SL_OP_tensor_slice) {
        int count;
        const int64_t *steps = sl_op_ints(op, "steps", &count);
        for (int axis = 0; axis < rank; axis++) {
            int64_t start;
            sl_expr expr = sl_op_expr_at(op, "starts", axis);
            if (axis >= count || !expr || !sl_expr_is_const(expr, &start) || llabs(start) > most_elements || llabs(steps[axis]) > INT32_MAX) return;
            base += start * strides[axis];
            strides[axis] *= steps[axis];
        }
    } else {
        const entry *starts = resolve(state, sl_op_operand(op, 1), depth), *steps = resolve(state, sl_op_operand(op, 3), depth);
        int count;
        const int64_t *axes = sl_op_ints(op, "axes", &count);
        for (int i = 0; i < count; i++) {
            int64_t start, step;
            if (!const_element(starts, i, &start) || !const_element(steps, i, &step) || step == 0 || llabs(step) > INT32_MAX) return;
            int64_t size = from[axes[i]];
            if (start < 0) start += size;
            start = start < 0 ? 0 : step > 0 ? (start > size ? size : start) : start > size - 1 ? size - 1 : start;
            base += start * strides[axes[i]];
            strides[axes[i]] *= step;
        }
    }
    gather(result, dims, rank, x, base, strides);
}

static void take_elements(resolver *state, entry *result, const sl_op *op, int depth) {
    const entry *x = resolve(state, sl_op_operand(op, 0), depth), *indices = resolve(state, sl_op_operand(op, 1), depth);
    int64_t from[SL_MAX_RANK];
    int rank, axis = (int)sl_op_int(op, "axis", 0);
    if (!x || !indices || small_shape(sl_value_type(sl_op_operand(op, 0)), from, &rank) < 0 || axis < 0 || axis >= rank) return;
    int64_t inner = 1, size = from[axis];
    for (int d = axis + 1; d < rank; d++) inner *= from[d];
    for (int i = 0; i < result->count && indices->count > 0 && inner > 0; i++) {
        int64_t index, outer = i / (inner * indices->count);
        if (!is_const(indices->elements[i / inner % indices->count], &index)) continue;
        if (index < 0) index += size;
        if (index >= 0 && index < size) result->elements[i] = x->elements[(outer * size + index) * inner + i % inner];
    }
}

static void concat_elements(resolver *state, entry *result, const sl_op *op, int depth) {
    int64_t dims[SL_MAX_RANK], part[SL_MAX_RANK], offset = 0, inner = 1;
    int rank, part_rank, axis = (int)sl_op_int(op, "axis", 0);
    if (small_shape(sl_value_type(sl_op_result(op, 0)), dims, &rank) < 0 || axis < 0 || axis >= rank) return;
    for (int d = axis + 1; d < rank; d++) inner *= dims[d];
    for (int k = 0; k < sl_op_operand_count(op); k++) {
        int count = small_shape(sl_value_type(sl_op_operand(op, k)), part, &part_rank);
        if (count < 0 || part_rank != rank) return;
        const entry *x = resolve(state, sl_op_operand(op, k), depth);
        int64_t run = part[axis] * inner;
        for (int i = 0; x && i < count; i++) {
            int64_t target = i / run * dims[axis] * inner + offset + i % run;
            if (target < result->count) result->elements[target] = x->elements[i];
        }
        offset += run;
    }
}

static void broadcast_elements(resolver *state, entry *result, const sl_op *op, int depth) {
    const entry *x = resolve(state, sl_op_operand(op, 0), depth);
    int64_t dims[SL_MAX_RANK], from[SL_MAX_RANK], own[SL_MAX_RANK], strides[SL_MAX_RANK] = {0};
    int rank, source_rank;
    if (!x || small_shape(sl_value_type(sl_op_result(op, 0)), dims, &rank) < 0 || small_shape(sl_value_type(sl_op_operand(op, 0)), from, &source_rank) < 0 ||
        source_rank > rank)
        return;
    strides_of(from, source_rank, own);
    for (int axis = 0; axis < source_rank; axis++) strides[axis + rank - source_rank] = from[axis] == 1 ? 0 : own[axis];
    gather(result, dims, rank, x, 0, strides);
}

static void transpose_elements(resolver *state, entry *result, const sl_op *op, int depth) {
    const entry *x = resolve(state, sl_op_operand(op, 0), depth);
    int64_t dims[SL_MAX_RANK], from[SL_MAX_RANK], own[SL_MAX_RANK], strides[SL_MAX_RANK];
    int rank, source_rank, count;
    const int64_t *perm = sl_op_ints(op, "perm", &count);
    if (!x || small_shape(sl_value_type(sl_op_result(op, 0)), dims, &rank) < 0 || small_shape(sl_value_type(sl_op_operand(op, 0)), from, &source_rank) < 0 ||
        source_rank != rank || count != rank)
        return;
    strides_of(from, rank, own);
    for (int axis = 0; axis < rank; axis++) strides[axis] = own[perm[axis]];
    gather(result, dims, rank, x, 0, strides);
}

static void reduce_elements(resolver *state, entry *result, const sl_op *op, int depth) {
    const entry *x = resolve(state, sl_op_operand(op, 0), depth);
    const char *kind = sl_op_string(op, "kind", "");
    int64_t from[SL_MAX_RANK], strides[SL_MAX_RANK] = {0}, stride = 1;
    int rank, axes_count;
    const int64_t *axes = sl_op_ints(op, "axes", &axes_count);
    sl_op_kind step = strcmp(kind, "sum") == 0 ? SL_OP_arith_add : strcmp(kind, "prod") == 0 ? SL_OP_arith_mul : strcmp(kind, "max") == 0 ? SL_OP_arith_max
                    : strcmp(kind, "min") == 0 ? SL_OP_arith_min : SL_OP_COUNT;
    if (!x || step == SL_OP_COUNT || small_shape(sl_value_type(sl_op_operand(op, 0)), from, &rank) < 0) return;
    for (int axis = rank - 1; axis >= 0; axis--) {
        bool removed = false;
        for (int i = 0; i < axes_count; i++) removed |= axes[i] == axis;
        if (removed) continue;
        strides[axis] = stride;
        stride *= from[axis];
    }
    bool started[most_elements] = {false};
    for (int i = 0; i < result->count; i++) result->elements[i] = whole_const(state, step == SL_OP_arith_mul);   /* of nothing */
    for (int i = 0; i < x->count; i++) {
        int64_t target = 0, rest = i;
        for (int axis = rank - 1; axis >= 0; axis--) {
            target += rest % from[axis] * strides[axis];
            rest /= from[axis];
        }
        number *sum = &result->elements[target], a = *sum, b = x->elements[i];
        sl_expr left, right;
        int64_t denominator;
        if (!started[target]) {
            *sum = b;
            started[target] = true;
        } else if (!a.numerator || !b.numerator) {
            *sum = unknown();
        } else if (step == SL_OP_arith_mul) {
            denominator = a.denominator * b.denominator;
            *sum = denominator > most_denominator ? unknown() : reduced(state, sl_expr_mul(state->context, a.numerator, b.numerator), denominator);
        } else {
            denominator = common(state, a, b, &left, &right);
            *sum = !denominator ? unknown()
                 : reduced(state, step == SL_OP_arith_add ? sl_expr_add(state->context, left, right)
                                : step == SL_OP_arith_max ? sl_expr_max(state->context, left, right) : sl_expr_min(state->context, left, right), denominator);
        }
    }
    for (int i = 0; i < result->count && (step == SL_OP_arith_max || step == SL_OP_arith_min); i++)
        if (!started[i]) result->elements[i] = unknown();
}

static void constant_elements(resolver *state, entry *result, const sl_op *op) {
    sl_attr data = sl_op_attr(op, "value");
    bool floating = sl_element_is_float(sl_type_element(sl_attr_get_type(data)));
    for (int i = 0; i < result->count; i++)
        result->elements[i] = floating ? from_float(state, sl_attr_data_float(data, i)) : whole_const(state, sl_attr_data_int(data, i));
}

static void count_elements(resolver *state, entry *result, const sl_op *op, int depth) {
    int64_t dims[SL_MAX_RANK], strides[SL_MAX_RANK];
    int rank, axis = (int)sl_op_int(op, "axis", 0);
    if (sl_op_get_kind(op) == SL_OP_tensor_iota) {
        if (small_shape(sl_value_type(sl_op_result(op, 0)), dims, &rank) < 0 || axis < 0 || axis >= rank) return;
        strides_of(dims, rank, strides);
        for (int i = 0; i < result->count; i++) result->elements[i] = whole_const(state, i / strides[axis] % dims[axis]);
        return;
    }
    const entry *start = resolve(state, sl_op_operand(op, 0), depth), *delta = resolve(state, sl_op_operand(op, 2), depth);
    if (!start || !delta || !start->elements[0].numerator || !delta->elements[0].numerator || start->elements[0].denominator != 1 ||
        delta->elements[0].denominator != 1)
        return;
    for (int i = 0; i < result->count; i++)
        result->elements[i] = whole(sl_expr_add(state->context, start->elements[0].numerator,
                                                sl_expr_mul(state->context, sl_expr_const(state->context, i), delta->elements[0].numerator)));
}

static void arith_elements(resolver *state, entry *result, const sl_op *op, int depth) {
    const entry *operands[3] = {NULL};
    int count = sl_op_operand_count(op);
    if (count > 3) return;
    bool needs_all = sl_op_get_kind(op) != SL_OP_arith_select && sl_op_get_kind(op) != SL_OP_arith_and && sl_op_get_kind(op) != SL_OP_arith_or;
    for (int k = 0; k < count; k++) {
        operands[k] = resolve(state, sl_op_operand(op, k), depth);
        if (operands[k] && operands[k]->count != result->count) operands[k] = NULL;
        if (!operands[k] && needs_all) return;
    }
    for (int i = 0; i < result->count; i++) {
        number arguments[3] = {unknown(), unknown(), unknown()};
        for (int k = 0; k < count; k++)
            if (operands[k]) arguments[k] = operands[k]->elements[i];
        result->elements[i] = evaluate(state, op, arguments);
    }
}

static void op_elements(resolver *state, entry *result, const sl_op *op, int index, int depth) {
    sl_op_kind kind = sl_op_get_kind(op);
    const entry *x;
    int64_t condition;
    if (strcmp(sl_op_get_info(op)->family, "arith") == 0) {
        arith_elements(state, result, op, depth);
        return;
    }
    switch ((int)kind) {   /* of all families the ops that shapes are made with; everything else is not known */
    case SL_OP_core_constant: constant_elements(state, result, op); break;
    case SL_OP_core_dim: result->elements[0] = whole(sl_attr_get_expr(sl_op_attr(op, "value"))); break;
    case SL_OP_tensor_from_dims:
        for (int i = 0; i < result->count; i++) {
            sl_expr expr = sl_op_expr_at(op, "dims", i);
            if (expr) result->elements[i] = whole(expr);
        }
        break;
    case SL_OP_tensor_shape_of: {
        sl_type type = sl_value_type(sl_op_operand(op, 0));
        for (int i = 0; sl_type_is_tensor(type) && sl_type_is_ranked(type) && i < result->count && i < sl_type_rank(type); i++)
            result->elements[i] = whole(sl_type_dim(type, i));
        break;
    }
    case SL_OP_tensor_reshape:
        x = resolve(state, sl_op_operand(op, 0), depth);
        for (int i = 0; x && x->count == result->count && i < x->count; i++) result->elements[i] = x->elements[i];
        break;
    case SL_OP_tensor_slice: case SL_OP_tensor_slice_dynamic: slice_elements(state, result, op, depth); break;
    case SL_OP_tensor_take: take_elements(state, result, op, depth); break;
    case SL_OP_tensor_concat: concat_elements(state, result, op, depth); break;
    case SL_OP_tensor_broadcast: case SL_OP_tensor_expand_dynamic: case SL_OP_tensor_fill: broadcast_elements(state, result, op, depth); break;
    case SL_OP_tensor_transpose: transpose_elements(state, result, op, depth); break;
    case SL_OP_tensor_reduce: reduce_elements(state, result, op, depth); break;
    case SL_OP_tensor_iota: case SL_OP_tensor_range: count_elements(state, result, op, depth); break;
    case SL_OP_tensor_if:
        x = resolve(state, sl_op_operand(op, 0), depth);
        if (const_element(x, 0, &condition)) {
            const sl_op *yield = sl_block_terminator(sl_op_body(op, condition ? 0 : 1));
            x = yield && index < sl_op_operand_count(yield) ? resolve(state, sl_op_operand(yield, index), depth) : NULL;
            for (int i = 0; x && x->count == result->count && i < x->count; i++) result->elements[i] = x->elements[i];
        }
        break;
    default: break;
    }
}

/* NULL when the value is too large, has no static shape or the limits are reached; else its elements, of which some or all may be unknown. */
static const entry *resolve(resolver *state, sl_value *value, int depth) {
    int64_t dims[SL_MAX_RANK];
    int rank, count = small_shape(sl_value_type(value), dims, &rank);
    if (count < 0) return NULL;
    for (int i = 0; i < state->entry_count; i++)
        if (state->entries[i]->value == value) return state->entries[i];
    if (state->entry_count == most_values || depth == most_depth) return NULL;
    entry *result = SL_NEW(state->arena, entry);
    result->value = value;
    result->count = count;
    result->elements = SL_NEW_ARRAY(state->arena, number, (size_t)count + 1);
    for (int i = 0; i <= count; i++) result->elements[i] = unknown();
    state->entries[state->entry_count++] = result;
    sl_op *op = sl_value_op(value);
    if (op) op_elements(state, result, op, sl_value_index(value), depth + 1);
    return result;
}

int sl_value_as_exprs(sl_value *value, sl_expr *exprs, int capacity) {
    int64_t dims[SL_MAX_RANK];
    int rank, count = small_shape(sl_value_type(value), dims, &rank);
    sl_op *op = sl_value_op(value);
    if (count < 0 || count > capacity || rank > 1 || !op || sl_element_is_float(sl_type_element(sl_value_type(value)))) return -1;
    sl_context *context = sl_op_context(op);
    sl_arena *arena = sl_arena_create(sl_context_allocator(context), 4096);
    if (!arena) sl_out_of_memory();
    sl_guard guard;
    bool known = true;
    if (SL_GUARD_ENTER(&guard)) {
        resolver *state = SL_NEW(arena, resolver);
        state->context = context;
        state->arena = arena;
        const entry *result = resolve(state, value, 0);
        for (int i = 0; i < count && known; i++) {
            known = result->elements[i].numerator && result->elements[i].denominator == 1;
            if (known) exprs[i] = result->elements[i].numerator;
        }
        sl_guard_leave(&guard);
        sl_arena_destroy(arena);
        return known ? count : -1;
    }
    sl_arena_destroy(arena);
    sl_out_of_memory();
}
