/* routine_move.c: routines that move elements with positions known only at run time: scatter, gather, slices, pads, ranges, shapes. */
#include "runtime_internal.h"

#include <math.h>
#include <string.h>

static int64_t load_index(const sl_abi_tensor *tensor, int64_t i) { return sl_element_load_int((sl_element)tensor->element, tensor->data, i); }

static void strides_of(const sl_abi_tensor *tensor, int64_t *strides) {
    const int64_t *shape = tensor->shape;
    int64_t stride = 1;
    for (int d = tensor->rank - 1; d >= 0; d--) {
        strides[d] = stride;
        stride *= shape[d];
    }
}

/* Steps a multi-index through `shape` in row-major order. */
static void advance(int64_t *index, const int64_t *shape, int rank) {
    for (int d = rank - 1; d >= 0 && ++index[d] == shape[d]; d--) index[d] = 0;
}

enum { REDUCE_NONE, REDUCE_ADD, REDUCE_MUL, REDUCE_MAX, REDUCE_MIN };

static void combine(sl_element element, void *to, int64_t to_index, const void *from, int64_t from_index, int64_t reduction, int size) {
    if (reduction == REDUCE_NONE) {
        memcpy((uint8_t *)to + to_index * size, (const uint8_t *)from + from_index * size, (size_t)size);
        return;
    }
    if (sl_element_is_float(element)) {
        double old = sl_element_load_float(element, to, to_index), new = sl_element_load_float(element, from, from_index), value = 0;
        switch (reduction) {
        case REDUCE_ADD: value = old + new; break;
        case REDUCE_MUL: value = old * new; break;
        case REDUCE_MAX: value = isnan(old) || isnan(new) ? NAN : fmax(old, new); break;
        default: value = isnan(old) || isnan(new) ? NAN : fmin(old, new); break;
        }
        sl_element_store_float(element, to, to_index, value);   /* the double sum or product of two floats rounds to the same float */
        return;
    }
    bool boolean = element == SL_ELEMENT_i1;
    sl_element as = boolean ? SL_ELEMENT_u8 : element;
    int64_t old = sl_element_load_int(as, to, to_index), new = sl_element_load_int(as, from, from_index), value;
    bool less = element == SL_ELEMENT_u64 ? (uint64_t)old < (uint64_t)new : old < new;
    switch (reduction) {
    case REDUCE_ADD: value = boolean ? (old | new) : (int64_t)((uint64_t)old + (uint64_t)new); break;
    case REDUCE_MUL: value = boolean ? (old & new) : (int64_t)((uint64_t)old * (uint64_t)new); break;
    case REDUCE_MAX: value = less ? new : old; break;
    default: value = less ? old : new; break;
    }
    sl_element_store_int(as, to, to_index, value);
}

int32_t sl_routine_scatter_elements(const sl_routine_call *call) {
    const sl_abi_tensor *x = &call->in[0], *indices = &call->in[1], *updates = &call->in[2], *out = &call->out[0];
    const int64_t *ints = call->call->ints, *shape = x->shape, *update_shape = updates->shape;
    int axis = (int)ints[0], size = sl_element_memory_bytes((sl_element)x->element);
    if (out->data != x->data) memcpy(out->data, x->data, (size_t)(sl_abi_tensor_count(x) * size));
    int64_t strides[SL_RUNTIME_MAX_RANK], index[SL_RUNTIME_MAX_RANK] = {0}, count = sl_abi_tensor_count(updates);
    strides_of(x, strides);
    for (int d = 0; d < x->rank; d++)
        if (d != axis && update_shape[d] > shape[d])
            return sl_routine_fail(call, SL_RUN_TIME, "the updates are larger than the data along axis %d (%lld against %lld)", d, (long long)update_shape[d], (long long)shape[d]);
    for (int64_t i = 0; i < count; i++, advance(index, update_shape, x->rank)) {
        int64_t at = load_index(indices, i);
        if (at < 0) at += shape[axis];
        if (at < 0 || at >= shape[axis])
            return sl_routine_fail(call, SL_RUN_TIME, "index %lld is out of range for axis %d of size %lld", (long long)load_index(indices, i), axis, (long long)shape[axis]);
        int64_t to = at * strides[axis];
        for (int d = 0; d < x->rank; d++)
            if (d != axis) to += index[d] * strides[d];
        combine((sl_element)x->element, out->data, to, updates->data, i, ints[1], size);
    }
    return 0;
}

/* Offset of the slice that row `row` of an index tensor addresses, behind `batch` leading dims; -1 after a failure. */
static int64_t slice_offset(const sl_routine_call *call, const sl_abi_tensor *x, const sl_abi_tensor *indices, int64_t row, int64_t depth, int batch, const int64_t *strides) {
    const int64_t *shape = x->shape;
    int64_t offset = 0;
    for (int64_t j = 0; j < depth; j++) {
        int64_t given = load_index(indices, row * depth + j), limit = shape[batch + j], at = given < 0 ? given + limit : given;
        if (at < 0 || at >= limit) {
            sl_routine_fail(call, SL_RUN_TIME, "index %lld is out of range for axis %d of size %lld", (long long)given, (int)(batch + j), (long long)limit);
            return -1;
        }
        offset += at * strides[batch + j];
    }
    return offset;
}

int32_t sl_routine_scatter_nd(const sl_routine_call *call) {
    const sl_abi_tensor *x = &call->in[0], *indices = &call->in[1], *updates = &call->in[2], *out = &call->out[0];
    const int64_t *ints = call->call->ints, *index_shape = indices->shape, *shape = x->shape;
    int size = sl_element_memory_bytes((sl_element)x->element);
    if (out->data != x->data) memcpy(out->data, x->data, (size_t)(sl_abi_tensor_count(x) * size));
    int64_t strides[SL_RUNTIME_MAX_RANK], depth = index_shape[indices->rank - 1], slice = 1;
    strides_of(x, strides);
    if (depth > x->rank) return sl_routine_fail(call, SL_RUN_TIME, "indices address %lld axes, the data has %d", (long long)depth, x->rank);
    for (int d = (int)depth; d < x->rank; d++) slice *= shape[d];
    int64_t rows = depth > 0 ? sl_abi_tensor_count(indices) / depth : 1;
    if (sl_abi_tensor_count(updates) != rows * slice)
        return sl_routine_fail(call, SL_RUN_TIME, "%lld updates for %lld slices of %lld elements", (long long)sl_abi_tensor_count(updates), (long long)rows, (long long)slice);
    for (int64_t row = 0; row < rows; row++) {
        int64_t offset = slice_offset(call, x, indices, row, depth, 0, strides);
        if (offset < 0) return 1;
        for (int64_t i = 0; i < slice; i++) combine((sl_element)x->element, out->data, offset + i, updates->data, row * slice + i, ints[0], size);
    }
    return 0;
}

int32_t sl_routine_gather_nd(const sl_routine_call *call) {
    const sl_abi_tensor *x = &call->in[0], *indices = &call->in[1], *out = &call->out[0];
    const int64_t *ints = call->call->ints, *index_shape = indices->shape, *shape = x->shape;
    int batch = (int)ints[0], size = sl_element_memory_bytes((sl_element)x->element);
    int64_t strides[SL_RUNTIME_MAX_RANK], depth = index_shape[indices->rank - 1], batches = 1, rows = 1, slice = 1, per_batch = 1;
    strides_of(x, strides);
    for (int d = 0; d < batch; d++) batches *= shape[d];
    for (int d = batch; d < indices->rank - 1; d++) rows *= index_shape[d];
    for (int d = batch; d < x->rank; d++) per_batch *= shape[d];
    for (int d = batch + (int)depth; d < x->rank; d++) slice *= shape[d];
    for (int64_t b = 0; b < batches; b++) {
        for (int64_t row = 0; row < rows; row++) {
            int64_t offset = slice_offset(call, x, indices, b * rows + row, depth, batch, strides);
            if (offset < 0) return 1;
            memcpy((uint8_t *)out->data + (b * rows + row) * slice * size, (const uint8_t *)x->data + (b * per_batch + offset) * size, (size_t)(slice * size));
        }
    }
    return 0;
}

int32_t sl_routine_cumulate(const sl_routine_call *call) {
    const sl_abi_tensor *x = &call->in[0], *out = &call->out[0];
    const int64_t *ints = call->call->ints, *shape = x->shape;
    int axis = (int)ints[0];
    bool product = ints[1] != 0, exclusive = ints[2] != 0, reverse = ints[3] != 0;
    sl_element element = (sl_element)x->element;
    bool real = sl_element_is_float(element);
    int64_t outer = 1, inner = 1, length = shape[axis];
    for (int d = 0; d < axis; d++) outer *= shape[d];
    for (int d = axis + 1; d < x->rank; d++) inner *= shape[d];
    for (int64_t o = 0; o < outer; o++) {
        for (int64_t i = 0; i < inner; i++) {
            double sum = product ? 1 : 0;
            uint64_t whole = product ? 1 : 0;
            for (int64_t step = 0; step < length; step++) {
                int64_t at = (o * length + (reverse ? length - 1 - step : step)) * inner + i;
                double before = sum;
                uint64_t whole_before = whole;
                if (real) {
                    double value = sl_element_load_float(element, x->data, at);
                    sum = product ? sum * value : sum + value;
                    if (element != SL_ELEMENT_f64) sum = (float)sum;   /* one f32 rounding a step, as the evaluator */
                    sl_element_store_float(element, out->data, at, exclusive ? before : sum);
                } else {
                    uint64_t value = (uint64_t)sl_element_load_int(element, x->data, at);
                    whole = product ? whole * value : whole + value;
                    sl_element_store_int(element, out->data, at, (int64_t)(exclusive ? whole_before : whole));
                }
            }
        }
    }
    return 0;
}

int32_t sl_routine_slice_dynamic(const sl_routine_call *call) {
    const sl_abi_tensor *x = &call->in[0];
    const int64_t *axes = call->call->ints, *x_shape = x->shape;
    int rank = x->rank, size = sl_element_memory_bytes((sl_element)x->element);
    int64_t start[SL_RUNTIME_MAX_RANK] = {0}, step[SL_RUNTIME_MAX_RANK], shape[SL_RUNTIME_MAX_RANK], strides[SL_RUNTIME_MAX_RANK], index[SL_RUNTIME_MAX_RANK] = {0};
    strides_of(x, strides);
    for (int d = 0; d < rank; d++) {
        step[d] = 1;
        shape[d] = x_shape[d];
    }
    for (int i = 0; i < call->call->int_count; i++) {
        int axis = (int)axes[i];
        int64_t length = x_shape[axis], from = load_index(&call->in[1], i), to = load_index(&call->in[2], i), by = load_index(&call->in[3], i);
        if (by == 0) return sl_routine_fail(call, SL_RUN_TIME, "the step of axis %d is 0", axis);
        if (from < 0) from += from < -length ? -from : length;   /* very negative: clamps to 0, no overflow */
        if (to < 0) to = to < -length ? (by < 0 ? -1 : 0) : to + length;
        int64_t low = by < 0 ? -1 : 0, high = by < 0 ? length - 1 : length;
        from = from < 0 ? 0 : from > high ? high : from;
        to = to < low ? low : to > length ? length : to;
        int64_t span = by > 0 ? to - from : from - to, pace = by > 0 ? by : by == INT64_MIN ? INT64_MAX : -by;
        start[axis] = from;
        step[axis] = by;
        shape[axis] = span > 0 ? (span - 1) / pace + 1 : 0;
    }
    uint8_t *out = sl_routine_make_output(call, 0, rank, shape);
    if (!out) return 1;
    int64_t count = sl_abi_tensor_count(&call->out[0]);
    for (int64_t i = 0; i < count; i++, advance(index, shape, rank)) {
        int64_t from = 0;
        for (int d = 0; d < rank; d++) from += (start[d] + (shape[d] > 1 ? index[d] * step[d] : 0)) * strides[d];
        memcpy(out + i * size, (const uint8_t *)x->data + from * size, (size_t)size);
    }
    return 0;
}

enum { PAD_CONSTANT, PAD_REFLECT, PAD_EDGE, PAD_WRAP };

/* Source position of padded position `at` (already shifted by the low pad) on an axis of `length`; -1 for the fill. */
static int64_t pad_source(int64_t at, int64_t length, int64_t mode) {
    if (at >= 0 && at < length) return at;
    if (mode == PAD_CONSTANT || length == 0) return -1;
    if (mode == PAD_EDGE) return at < 0 ? 0 : length - 1;
    if (mode == PAD_WRAP) return ((at % length) + length) % length;
    if (length == 1) return 0;
    int64_t period = 2 * (length - 1), folded = ((at % period) + period) % period;
    return folded < length ? folded : period - folded;
}

static void pad(const sl_abi_tensor *x, const int64_t *low, const void *fill, int64_t mode, const int64_t *shape, uint8_t *out) {
    int rank = x->rank, size = sl_element_memory_bytes((sl_element)x->element);
    const int64_t *x_shape = x->shape;
    int64_t strides[SL_RUNTIME_MAX_RANK], index[SL_RUNTIME_MAX_RANK] = {0}, count = 1;
    strides_of(x, strides);
    for (int d = 0; d < rank; d++) count *= shape[d];
    for (int64_t i = 0; i < count; i++, advance(index, shape, rank)) {
        int64_t from = 0;
        for (int d = 0; d < rank && from >= 0; d++) {
            int64_t at = pad_source(index[d] - low[d], x_shape[d], mode);
            from = at < 0 ? -1 : from + at * strides[d];
        }
        memcpy(out + i * size, from < 0 ? (const uint8_t *)fill : (const uint8_t *)x->data + from * size, (size_t)size);
    }
}

int32_t sl_routine_pad(const sl_routine_call *call) {
    const int64_t *ints = call->call->ints;
    pad(&call->in[0], ints + 1, call->in[1].data, ints[0], call->out[0].shape, call->out[0].data);
    return 0;
}

int32_t sl_routine_pad_dynamic(const sl_routine_call *call) {
    const sl_abi_tensor *x = &call->in[0], *pads = &call->in[1];
    const int64_t *ints = call->call->ints, *x_shape = x->shape;
    int64_t low[SL_RUNTIME_MAX_RANK], shape[SL_RUNTIME_MAX_RANK];
    if (sl_abi_tensor_count(pads) != 2 * x->rank) return sl_routine_fail(call, SL_RUN_TIME, "%lld pads for rank %d", (long long)sl_abi_tensor_count(pads), x->rank);
    for (int d = 0; d < x->rank; d++) {
        low[d] = load_index(pads, d);
        int64_t high = load_index(pads, x->rank + d);
        if (low[d] > INT32_MAX || high > INT32_MAX || low[d] < -x_shape[d] || high < -x_shape[d] || x_shape[d] + low[d] + high < 0)
            return sl_routine_fail(call, SL_RUN_TIME, "pads %lld and %lld do not fit axis %d of size %lld", (long long)low[d], (long long)high, d, (long long)x_shape[d]);
        shape[d] = x_shape[d] + low[d] + high;
        if (ints[0] != PAD_CONSTANT && x_shape[d] == 0 && shape[d] > 0) return sl_routine_fail(call, SL_RUN_TIME, "axis %d is empty and can't be padded from itself", d);
    }
    uint8_t *out = sl_routine_make_output(call, 0, x->rank, shape);
    if (!out) return 1;
    pad(x, low, call->in[2].data, ints[0], shape, out);
    return 0;
}

int32_t sl_routine_range(const sl_routine_call *call) {
    sl_element element = (sl_element)call->out[0].element;
    int64_t count = 0;
    if (sl_element_is_float(element)) {
        double start = sl_element_load_float(element, call->in[0].data, 0), limit = sl_element_load_float(element, call->in[1].data, 0),
               delta = sl_element_load_float(element, call->in[2].data, 0), steps = ceil((limit - start) / delta);
        if (!(delta != 0) || !isfinite(steps) || steps > 1e15) return sl_routine_fail(call, SL_RUN_TIME, "no range leads from %g to %g by %g", start, limit, delta);
        count = steps > 0 ? (int64_t)steps : 0;
        void *out = sl_routine_make_output(call, 0, 1, &count);
        if (!out) return 1;
        for (int64_t i = 0; i < count; i++) sl_element_store_float(element, out, i, element == SL_ELEMENT_f64 ? start + (double)i * delta : (float)start + (float)i * (float)delta);
        return 0;
    }
    int64_t start = load_index(&call->in[0], 0), limit = load_index(&call->in[1], 0), delta = load_index(&call->in[2], 0);
    if (delta == 0) return sl_routine_fail(call, SL_RUN_TIME, "the step of a range is 0");
    if (delta > 0 ? limit > start : limit < start) {
        uint64_t span = delta > 0 ? (uint64_t)limit - (uint64_t)start : (uint64_t)start - (uint64_t)limit, pace = delta > 0 ? (uint64_t)delta : 0 - (uint64_t)delta;
        uint64_t steps = (span - 1) / pace + 1;
        if (steps > (uint64_t)INT64_MAX / 8) return sl_routine_fail(call, SL_OVERFLOW, "a range of %llu elements is too large", (unsigned long long)steps);
        count = (int64_t)steps;
    }
    void *out = sl_routine_make_output(call, 0, 1, &count);
    if (!out) return 1;
    for (int64_t i = 0; i < count; i++) sl_element_store_int(element, out, i, (int64_t)((uint64_t)start + (uint64_t)i * (uint64_t)delta));
    return 0;
}

/* Reads a shape operand; false after a failure. */
static bool read_shape(const sl_routine_call *call, const sl_abi_tensor *tensor, int64_t *shape, int *rank) {
    int64_t count = sl_abi_tensor_count(tensor);
    if (count > SL_RUNTIME_MAX_RANK) return sl_routine_fail(call, SL_UNSUPPORTED, "a shape of %lld dims; at most %d can be used", (long long)count, SL_RUNTIME_MAX_RANK), false;
    for (int64_t d = 0; d < count; d++) {
        shape[d] = load_index(tensor, d);
        if (shape[d] < 0) return sl_routine_fail(call, SL_RUN_TIME, "dim %lld of a shape is negative (%lld)", (long long)d, (long long)shape[d]), false;
    }
    *rank = (int)count;
    return true;
}

int32_t sl_routine_fill(const sl_routine_call *call) {
    int64_t shape[SL_RUNTIME_MAX_RANK];
    int rank, size = sl_element_memory_bytes((sl_element)call->out[0].element);
    if (!read_shape(call, &call->in[1], shape, &rank)) return 1;
    uint8_t *out = sl_routine_make_output(call, 0, rank, shape);
    if (!out) return 1;
    int64_t count = sl_abi_tensor_count(&call->out[0]);
    for (int64_t i = 0; i < count; i++) memcpy(out + i * size, call->in[0].data, (size_t)size);
    return 0;
}

int32_t sl_routine_expand_dynamic(const sl_routine_call *call) {
    const sl_abi_tensor *x = &call->in[0];
    const int64_t *x_shape = x->shape;
    int64_t shape[SL_RUNTIME_MAX_RANK], strides[SL_RUNTIME_MAX_RANK], index[SL_RUNTIME_MAX_RANK] = {0};
    int rank, size = sl_element_memory_bytes((sl_element)x->element);
    if (!read_shape(call, &call->in[1], shape, &rank)) return 1;
    int result_rank = rank > x->rank ? rank : x->rank;
    for (int d = result_rank - 1; d >= 0; d--) {
        int64_t asked = d - (result_rank - rank) >= 0 ? shape[d - (result_rank - rank)] : 1;
        int64_t have = d - (result_rank - x->rank) >= 0 ? x_shape[d - (result_rank - x->rank)] : 1;
        if (asked != have && asked != 1 && have != 1)
            return sl_routine_fail(call, SL_RUN_TIME, "dims %lld and %lld at axis %d do not broadcast", (long long)have, (long long)asked, d);
        shape[d] = asked == 1 ? have : asked;
    }
    strides_of(x, strides);
    uint8_t *out = sl_routine_make_output(call, 0, result_rank, shape);
    if (!out) return 1;
    int64_t count = sl_abi_tensor_count(&call->out[0]);
    for (int64_t i = 0; i < count; i++, advance(index, shape, result_rank)) {
        int64_t from = 0;
        for (int d = 0; d < x->rank; d++)
            if (x_shape[d] != 1) from += index[d + result_rank - x->rank] * strides[d];
        memcpy(out + i * size, (const uint8_t *)x->data + from * size, (size_t)size);
    }
    return 0;
}

int32_t sl_routine_reshape_dynamic(const sl_routine_call *call) {
    int64_t shape[SL_RUNTIME_MAX_RANK], count = 1, have = sl_abi_tensor_count(&call->in[0]);
    int rank, size = sl_element_memory_bytes((sl_element)call->in[0].element);
    if (!read_shape(call, &call->in[1], shape, &rank)) return 1;
    for (int d = 0; d < rank; d++)
        if (!sl_size_mul(count, shape[d], &count)) return sl_routine_fail(call, SL_OVERFLOW, "the shape's size does not fit in 64 bits");
    if (count != have) return sl_routine_fail(call, SL_RUN_TIME, "%lld elements can't take a shape of %lld", (long long)have, (long long)count);
    void *out = sl_routine_make_output(call, 0, rank, shape);
    if (!out) return 1;
    memcpy(out, call->in[0].data, (size_t)(count * size));
    return 0;
}

int32_t sl_routine_shape_of(const sl_routine_call *call) {
    if (call->in[0].rank > 0) memcpy(call->out[0].data, call->in[0].shape, sizeof(int64_t) * (size_t)call->in[0].rank);
    return 0;
}
