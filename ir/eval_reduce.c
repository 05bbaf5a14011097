/* eval_reduce.c: evaluation of reductions, running reductions, windows and determinants.
 *
 * A reduction goes over its operand once in row-major order, so each result combines its elements left to right. The accumulator of floats narrower than f32 is
 * f32; the result is rounded to the element type at the end.
 */
#include "eval_internal.h"
#include <math.h>
#include <string.h>

static sl_element accumulator_of(sl_element element) {
    return sl_element_is_float(element) && sl_element_bits(element) < 32 ? SL_ELEMENT_f32 : element;
}

static sl_op_kind reduction_kind(const char *kind) {
    static const struct { const char *name; sl_op_kind kind; } kinds[] = {
        {"sum", SL_OP_arith_add}, {"prod", SL_OP_arith_mul}, {"max", SL_OP_arith_max}, {"min", SL_OP_arith_min}, {"and", SL_OP_arith_and}, {"or", SL_OP_arith_or},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, kind) == 0) return kinds[i].kind;
    return SL_OP_arith_add;
}

/* What a reduction of nothing gives. */
static sl_lane identity_of(sl_op_kind kind, sl_element element) {
    bool floating = sl_element_is_float(element);
    sl_lane lane = {.i = 0};
    int bits = sl_element_bits(element);
    bool is_signed = sl_element_is_signed(element);
    if (kind == SL_OP_arith_mul) {
        if (floating) lane.f = 1;
        else lane.i = 1;
    } else if (kind == SL_OP_arith_and) {
        lane.i = 1;
    } else if (kind == SL_OP_arith_max || kind == SL_OP_arith_min) {
        bool lowest = kind == SL_OP_arith_max;
        if (floating) lane.f = lowest ? -INFINITY : INFINITY;
        else if (is_signed) lane.i = lowest ? INT64_MIN >> (64 - bits) : INT64_MAX >> (64 - bits);
        else lane.i = lowest ? 0 : (int64_t)(UINT64_MAX >> (64 - bits));
    } else if (floating) {
        lane.f = 0;
    }
    return lane;
}

static void accumulate(const sl_lane_op *lane_op, sl_lane *sum, sl_lane value) {
    const sl_lane *operands[3] = {sum, &value, &value};
    sl_lanes_apply(lane_op, 1, operands, sum);
}

static void store_all(const sl_tensor *result, sl_element from, sl_lane *lanes) {
    sl_lane_op cast = sl_lane_op_cast(from, result->element);
    int64_t count = sl_tensor_count(result);
    for (int64_t start = 0; start < count; start += SL_LANES) {
        int run = count - start < SL_LANES ? (int)(count - start) : SL_LANES;
        const sl_lane *operands[3] = {lanes + start};
        if (from != result->element) sl_lanes_apply(&cast, run, operands, lanes + start);
        sl_lanes_store(result->element, result->data, start, 1, run, lanes + start);
    }
}

static sl_tensor *reduce(sl_eval *eval, const sl_op *op) {
    const sl_tensor *x = sl_eval_operand(eval, op, 0);
    int axes_count, rank = 0;
    const int64_t *axes = sl_op_ints(op, "axes", &axes_count);
    int64_t shape[SL_MAX_RANK], kept[SL_MAX_RANK], strides[SL_MAX_RANK] = {0};
    bool removed[SL_MAX_RANK] = {false};
    for (int i = 0; i < axes_count; i++) {
        if (axes[i] < 0 || axes[i] >= x->rank) sl_eval_fail(eval, op, "axis %lld is out of range for rank %d", (long long)axes[i], x->rank);
        removed[axes[i]] = true;
    }
    for (int d = 0; d < x->rank; d++)
        if (!removed[d]) shape[rank++] = x->shape[d];
    sl_tensor *result = sl_eval_alloc(eval, op, x->element, rank, shape);
    sl_strides(rank, shape, kept);
    for (int d = 0, k = 0; d < x->rank; d++)
        if (!removed[d]) strides[d] = kept[k++];
    sl_op_kind kind = reduction_kind(sl_op_string(op, "kind", "sum"));
    sl_element accumulator = accumulator_of(x->element);
    sl_lane_op lane_op = sl_lane_op_binary(kind, accumulator);
    int64_t results = sl_tensor_count(result), count = sl_tensor_count(x);
    sl_lane *sums = SL_NEW_ARRAY(eval->arena, sl_lane, (size_t)results + 1);
    sl_lane start = identity_of(kind, x->element);
    for (int64_t i = 0; i < results; i++) sums[i] = start;
    int64_t index[SL_MAX_RANK] = {0}, inner = x->rank ? x->shape[x->rank - 1] : 1, step = x->rank ? strides[x->rank - 1] : 0;
    sl_lane lanes[SL_LANES];
    for (int64_t done = 0; done < count; done += inner) {   /* one run along the last axis at a time */
        int64_t target = 0;
        for (int d = 0; d < x->rank - 1; d++) target += index[d] * strides[d];
        for (int64_t i = 0; i < inner; i += SL_LANES) {
            int run = inner - i < SL_LANES ? (int)(inner - i) : SL_LANES;
            sl_lanes_load(x->element, x->data, done + i, 1, run, lanes);
            if (step == 1) {   /* each lane has a sum of its own */
                const sl_lane *operands[3] = {sums + target + i, lanes, lanes};
                sl_lanes_apply(&lane_op, run, operands, sums + target + i);
            } else if (kind == SL_OP_arith_add && accumulator == SL_ELEMENT_f32) {
                float sum = (float)sums[target].f;
                for (int k = 0; k < run; k++) sum += (float)lanes[k].f;
                sums[target].f = sum;
            } else {
                for (int k = 0; k < run; k++) accumulate(&lane_op, &sums[target + (i + k) * step], lanes[k]);
            }
        }
        sl_next_index(x->rank - 1, x->shape, index);
    }
    store_all(result, accumulator, sums);
    sl_eval_step(eval, op, count);
    return result;
}

static sl_tensor *arg_reduce(sl_eval *eval, const sl_op *op) {
    const sl_tensor *x = sl_eval_operand(eval, op, 0);
    int axis = (int)sl_op_int(op, "axis", 0), rank = 0;
    bool largest = strcmp(sl_op_string(op, "kind", "max"), "max") == 0, last = sl_op_bool(op, "last", false);
    int64_t shape[SL_MAX_RANK], outer = 1, inner = 1;
    if (axis < 0 || axis >= x->rank) sl_eval_fail(eval, op, "axis %d is out of range for rank %d", axis, x->rank);
    for (int d = 0; d < x->rank; d++) {
        if (d < axis) outer *= x->shape[d];
        if (d > axis) inner *= x->shape[d];
        if (d != axis) shape[rank++] = x->shape[d];
    }
    int64_t length = x->shape[axis];
    sl_tensor *result = sl_eval_alloc(eval, op, SL_ELEMENT_i64, rank, shape);
    if (length == 0 && outer * inner > 0) sl_eval_fail(eval, op, "axis %d is empty: it has no extreme", axis);
    bool floating = sl_element_is_float(x->element);
    sl_lane_op better = {.kind = SL_OP_arith_cmp, .from = x->element, .to = SL_ELEMENT_i1, .predicate = largest ? SL_PREDICATE_gt : SL_PREDICATE_lt};
    if (last) better.predicate = largest ? SL_PREDICATE_ge : SL_PREDICATE_le;
    for (int64_t o = 0; o < outer; o++) {
        for (int64_t i = 0; i < inner; i++) {
            sl_lane best, candidate, wins;
            int64_t position = 0;
            sl_lanes_load(x->element, x->data, o * length * inner + i, 1, 1, &best);
            for (int64_t k = 1; k < length; k++) {
                sl_lanes_load(x->element, x->data, (o * length + k) * inner + i, 1, 1, &candidate);
                const sl_lane *operands[3] = {&candidate, &best};
                sl_lanes_apply(&better, 1, operands, &wins);
                if (floating && isnan(best.f)) wins.i = last && isnan(candidate.f);   /* a NaN is the extreme, as in NumPy */
                else if (floating && isnan(candidate.f)) wins.i = 1;
                if (!wins.i) continue;
                best = candidate;
                position = k;
            }
            ((int64_t *)result->data)[o * inner + i] = position;
        }
    }
    sl_eval_step(eval, op, sl_tensor_count(x));
    return result;
}

static sl_tensor *cumulate(sl_eval *eval, const sl_op *op) {
    const sl_tensor *x = sl_eval_operand(eval, op, 0);
    int axis = (int)sl_op_int(op, "axis", 0);
    bool exclusive = sl_op_bool(op, "exclusive", false), reverse = sl_op_bool(op, "reverse", false);
    if (axis < 0 || axis >= x->rank) sl_eval_fail(eval, op, "axis %d is out of range for rank %d", axis, x->rank);
    sl_op_kind kind = reduction_kind(sl_op_string(op, "kind", "sum"));
    sl_element accumulator = accumulator_of(x->element);
    sl_lane_op lane_op = sl_lane_op_binary(kind, accumulator);
    int64_t outer = 1, inner = 1, length = x->shape[axis];
    for (int d = 0; d < axis; d++) outer *= x->shape[d];
    for (int d = axis + 1; d < x->rank; d++) inner *= x->shape[d];
    sl_tensor *result = sl_eval_alloc(eval, op, x->element, x->rank, x->shape);
    for (int64_t o = 0; o < outer; o++) {
        for (int64_t i = 0; i < inner; i++) {
            sl_lane sum = identity_of(kind, x->element), value;
            for (int64_t k = 0; k < length; k++) {
                int64_t position = (o * length + (reverse ? length - 1 - k : k)) * inner + i;
                sl_lanes_load(x->element, x->data, position, 1, 1, &value);
                if (exclusive) sl_lanes_store(x->element, result->data, position, 1, 1, &sum);
                accumulate(&lane_op, &sum, value);
                if (!exclusive) sl_lanes_store(x->element, result->data, position, 1, 1, &sum);
            }
        }
    }
    sl_eval_step(eval, op, sl_tensor_count(x));
    return result;
}

/* ---- windows ---- */


static sl_tensor *pool(sl_eval *eval, const sl_op *op) {
    const sl_tensor *x = sl_eval_operand(eval, op, 0);
    int spatial = x->rank - 2;
    if (spatial < 1) sl_eval_fail(eval, op, "x has rank %d; at least 3 is needed", x->rank);
    const int64_t *window = sl_eval_window_ints(eval, op, "window", spatial, 1), *strides = sl_eval_window_ints(eval, op, "strides", spatial, 1);
    const int64_t *dilations = sl_eval_window_ints(eval, op, "dilations", spatial, 1), *low = sl_eval_window_ints(eval, op, "pads_low", spatial, INT32_MIN);
    const int64_t *high = sl_eval_window_ints(eval, op, "pads_high", spatial, INT32_MIN);
    int first = strcmp(sl_op_string(op, "layout", "nchw"), "nhwc") == 0 ? 1 : 2;
    int64_t shape[SL_MAX_RANK], own[SL_MAX_RANK], taps = 1;
    memcpy(shape, x->shape, sizeof shape);
    sl_strides(x->rank, x->shape, own);
    for (int s = 0; s < spatial; s++) {
        int64_t room = x->shape[first + s] + low[s] + high[s] - ((window[s] - 1) * dilations[s] + 1);
        if (room < 0) sl_eval_fail(eval, op, "the window does not fit spatial axis %d of size %lld", s, (long long)x->shape[first + s]);
        shape[first + s] = room / strides[s] + 1;
        if (!sl_size_mul(taps, window[s], &taps)) sl_eval_fail(eval, op, "the window is too large");
    }
    sl_op_kind kind = reduction_kind(sl_op_string(op, "kind", "max"));
    sl_element accumulator = accumulator_of(x->element);
    sl_lane_op lane_op = sl_lane_op_binary(kind, accumulator), cast = sl_lane_op_cast(accumulator, x->element);
    sl_lane start = identity_of(kind, x->element);
    sl_tensor *result = sl_eval_alloc(eval, op, x->element, x->rank, shape);
    int64_t index[SL_MAX_RANK] = {0}, count = sl_tensor_count(result);
    sl_eval_step(eval, op, count < INT64_MAX / 2 / taps ? count * taps : INT64_MAX / 2);
    for (int64_t i = 0; i < count; i++) {
        sl_lane sum = start, value;
        int64_t tap[SL_MAX_RANK] = {0};
        do {
            int64_t position = 0;
            bool inside = true;
            for (int d = 0; d < x->rank; d++) {
                int s = d - first;
                int64_t coordinate = s < 0 || s >= spatial ? index[d] : index[d] * strides[s] - low[s] + tap[s] * dilations[s];
                inside = inside && coordinate >= 0 && coordinate < x->shape[d];
                if (inside) position += coordinate * own[d];
            }
            if (!inside) continue;
            sl_lanes_load(x->element, x->data, position, 1, 1, &value);
            accumulate(&lane_op, &sum, value);
        } while (sl_next_index(spatial, window, tap));
        const sl_lane *operands[3] = {&sum};
        if (accumulator != x->element) sl_lanes_apply(&cast, 1, operands, &sum);
        sl_lanes_store(x->element, result->data, i, 1, 1, &sum);
        sl_next_index(x->rank, shape, index);
    }
    return result;
}

/* Gaussian elimination with partial pivoting, in double. */
static double determinant_of(double *matrix, int64_t n) {
    double result = 1;
    for (int64_t c = 0; c < n; c++) {
        int64_t pivot = c;
        for (int64_t r = c + 1; r < n; r++)
            if (fabs(matrix[r * n + c]) > fabs(matrix[pivot * n + c])) pivot = r;
        if (matrix[pivot * n + c] == 0) return 0;
        if (pivot != c) {
            result = -result;
            for (int64_t k = 0; k < n; k++) {
                double swap = matrix[c * n + k];
                matrix[c * n + k] = matrix[pivot * n + k];
                matrix[pivot * n + k] = swap;
            }
        }
        result *= matrix[c * n + c];
        for (int64_t r = c + 1; r < n; r++) {
            double factor = matrix[r * n + c] / matrix[c * n + c];
            for (int64_t k = c; k < n; k++) matrix[r * n + k] -= factor * matrix[c * n + k];
        }
    }
    return result;
}

static sl_tensor *determinant(sl_eval *eval, const sl_op *op) {
    const sl_tensor *x = sl_eval_operand(eval, op, 0);
    if (x->rank < 2 || x->shape[x->rank - 1] != x->shape[x->rank - 2] || !sl_element_is_float(x->element))
        sl_eval_fail(eval, op, "the last two axes must be square matrices of floats");
    int64_t n = x->shape[x->rank - 1];
    sl_tensor *result = sl_eval_alloc(eval, op, x->element, x->rank - 2, x->shape);
    double *matrix = SL_NEW_ARRAY(eval->arena, double, (size_t)(n * n) + 1);
    int64_t count = sl_tensor_count(result);
    for (int64_t m = 0; m < count; m++) {
        for (int64_t i = 0; i < n * n; i++) matrix[i] = sl_element_load_float(x->element, x->data, m * n * n + i);
        sl_eval_step(eval, op, n * n);
        sl_element_store_float(x->element, result->data, m, determinant_of(matrix, n));
    }
    return result;
}

sl_tensor *sl_eval_reduce(sl_eval *eval, const sl_op *op) {
    if (sl_eval_operand(eval, op, 0)->element == SL_ELEMENT_str) sl_eval_fail(eval, op, "%s is not defined on strings", sl_op_name(op));
    switch ((int)sl_op_get_kind(op)) {
    case SL_OP_tensor_reduce: return reduce(eval, op);
    case SL_OP_tensor_arg_reduce: return arg_reduce(eval, op);
    case SL_OP_tensor_cumulate: return cumulate(eval, op);
    case SL_OP_tensor_pool: return pool(eval, op);
    case SL_OP_tensor_determinant: return determinant(eval, op);
    default: sl_eval_fail(eval, op, "%s can't be evaluated here", sl_op_name(op));
    }
}
