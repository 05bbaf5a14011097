/* routine_select.c: routines that pick elements: topk, nonzero, unique, nonmax_suppression. Values are compared as double for floats (exact for every float type) and as
 * 64-bit integers for integers. */
#include "runtime_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One comparable element: an integer type's value in `i`, a float's in `f`. */
typedef struct key { double f; int64_t i; int64_t position; } key;

static key load_key(sl_element element, const void *data, int64_t index, int64_t position) {
    key result = {.position = position};
    if (sl_element_is_float(element)) result.f = sl_element_load_float(element, data, index);
    else {
        result.i = sl_element_load_int(element == SL_ELEMENT_i1 ? SL_ELEMENT_u8 : element, data, index);
        if (element == SL_ELEMENT_u64) result.i ^= INT64_MIN;   /* order of unsigned as order of signed */
    }
    return result;
}

/* NaN sorts above everything, as NumPy does. */
static int compare_values(const key *a, const key *b) {
    if (a->i != b->i) return a->i < b->i ? -1 : 1;
    bool a_nan = isnan(a->f), b_nan = isnan(b->f);
    if (a_nan || b_nan) return a_nan - b_nan;
    return (a->f > b->f) - (a->f < b->f);
}

static int ascending(const void *a, const void *b) {
    const key *left = a, *right = b;
    int order = compare_values(left, right);
    return order ? order : (left->position > right->position) - (left->position < right->position);
}

static int descending(const void *a, const void *b) {
    const key *left = a, *right = b;
    int order = compare_values(right, left);
    return order ? order : (left->position > right->position) - (left->position < right->position);
}

/* Temporary memory of a routine: the extra dynamic block would outlive its use, so it comes straight from the session's allocator. */
static void *borrow(const sl_routine_call *call, int64_t count, size_t size) {
    sluice_session *session = call->frame->session;
    int64_t bytes;
    if (!sl_size_mul(count > 0 ? count : 1, (int64_t)size, &bytes)) return sl_routine_fail(call, SL_OVERFLOW, "the operand is too large"), NULL;
    void *memory = sl_allocate(&session->allocator, (size_t)bytes, 16);
    if (!memory) sl_routine_fail(call, SL_OUT_OF_MEMORY, "no memory for %lld temporary bytes", (long long)bytes);
    return memory;
}

static void give_back(const sl_routine_call *call, void *memory, int64_t count, size_t size) {
    sluice_session *session = call->frame->session;
    sl_deallocate(&session->allocator, memory, (size_t)(count > 0 ? count : 1) * size);
}

/* Moves the k first of the order to the front, sorted: a heap of size k, so O(n log k). */
static void select_first(key *keys, int64_t count, int64_t k, int (*order)(const void *, const void *)) {
    if (k < count) {
        /* max-heap (by order) of the k best so far in keys[0..k) */
        for (int64_t start = k / 2 - 1; start >= 0; start--) {
            for (int64_t parent = start;;) {
                int64_t child = 2 * parent + 1;
                if (child >= k) break;
                if (child + 1 < k && order(&keys[child], &keys[child + 1]) < 0) child++;
                if (order(&keys[parent], &keys[child]) >= 0) break;
                key swap = keys[parent]; keys[parent] = keys[child]; keys[child] = swap;
                parent = child;
            }
        }
        for (int64_t i = k; i < count; i++) {
            if (order(&keys[i], &keys[0]) >= 0) continue;
            keys[0] = keys[i];
            for (int64_t parent = 0;;) {
                int64_t child = 2 * parent + 1;
                if (child >= k) break;
                if (child + 1 < k && order(&keys[child], &keys[child + 1]) < 0) child++;
                if (order(&keys[parent], &keys[child]) >= 0) break;
                key swap = keys[parent]; keys[parent] = keys[child]; keys[child] = swap;
                parent = child;
            }
        }
    }
    qsort(keys, (size_t)k, sizeof *keys, order);
}

static int32_t topk(const sl_routine_call *call, int64_t k) {
    const int64_t *ints = call->call->ints;
    int axis = (int)ints[0];
    bool largest = ints[1] != 0;
    const sl_abi_tensor *x = &call->in[0];
    sl_abi_tensor *values = &call->out[0], *positions = &call->out[1];
    const int64_t *shape = x->shape;
    int64_t outer = 1, inner = 1, length = shape[axis];
    for (int d = 0; d < axis; d++) outer *= shape[d];
    for (int d = axis + 1; d < x->rank; d++) inner *= shape[d];
    if (k < 0 || k > length) return sl_routine_fail(call, SL_RUN_TIME, "k is %lld, but the axis has %lld elements", (long long)k, (long long)length);
    if (k == 0) return 0;
    key *keys = borrow(call, length, sizeof *keys);
    if (!keys) return 1;
    int size = sl_element_memory_bytes((sl_element)x->element);
    for (int64_t o = 0; o < outer; o++) {
        for (int64_t i = 0; i < inner; i++) {
            for (int64_t j = 0; j < length; j++) keys[j] = load_key((sl_element)x->element, x->data, (o * length + j) * inner + i, j);
            select_first(keys, length, k, largest ? descending : ascending);
            for (int64_t j = 0; j < k; j++) {
                int64_t to = (o * k + j) * inner + i, from = (o * length + keys[j].position) * inner + i;
                memcpy((uint8_t *)values->data + to * size, (const uint8_t *)x->data + from * size, (size_t)size);
                ((int64_t *)positions->data)[to] = keys[j].position;
            }
        }
    }
    give_back(call, keys, length, sizeof *keys);
    return 0;
}

int32_t sl_routine_topk(const sl_routine_call *call) {
    const int64_t *shape = call->out[0].shape;
    const int64_t *ints = call->call->ints;
    return topk(call, shape[ints[0]]);
}

int32_t sl_routine_topk_dynamic(const sl_routine_call *call) {
    int64_t k = sl_element_load_int((sl_element)call->in[1].element, call->in[1].data, 0);
    const int64_t *ints = call->call->ints, *x_shape = call->in[0].shape;
    int64_t shape[SL_RUNTIME_MAX_RANK];
    memcpy(shape, x_shape, sizeof(int64_t) * (size_t)call->in[0].rank);
    if (k < 0 || k > shape[ints[0]]) return sl_routine_fail(call, SL_RUN_TIME, "k is %lld, but the axis has %lld elements", (long long)k, (long long)shape[ints[0]]);
    shape[ints[0]] = k;
    if (!sl_routine_make_output(call, 0, call->in[0].rank, shape) || !sl_routine_make_output(call, 1, call->in[0].rank, shape)) return 1;
    return topk(call, k);
}

static bool is_nonzero(sl_element element, const void *data, int64_t index) {
    return sl_element_is_float(element) ? sl_element_load_float(element, data, index) != 0 : sl_element_load_int(element == SL_ELEMENT_i1 ? SL_ELEMENT_u8 : element, data, index) != 0;
}

int32_t sl_routine_nonzero(const sl_routine_call *call) {
    const sl_abi_tensor *x = &call->in[0];
    const int64_t *x_shape = x->shape;
    int64_t total = sl_abi_tensor_count(x), count = 0;
    for (int64_t i = 0; i < total; i++) count += is_nonzero((sl_element)x->element, x->data, i);
    int64_t shape[2] = {x->rank, count};
    int64_t *out = sl_routine_make_output(call, 0, 2, shape);
    if (!out) return 1;
    int64_t found = 0, index[SL_RUNTIME_MAX_RANK] = {0};
    for (int64_t i = 0; i < total; i++) {
        if (is_nonzero((sl_element)x->element, x->data, i)) {
            for (int d = 0; d < x->rank; d++) out[d * count + found] = index[d];
            found++;
        }
        for (int d = x->rank - 1; d >= 0 && ++index[d] == x_shape[d]; d--) index[d] = 0;
    }
    return 0;
}

/* unique: slices along `axis` are compared lexicographically; sort slice numbers, then number the groups. */
typedef struct slices { const sl_abi_tensor *x; int64_t outer, length, inner; } slices;

static int compare_slices(const slices *s, int64_t a, int64_t b) {
    for (int64_t o = 0; o < s->outer; o++) {
        for (int64_t i = 0; i < s->inner; i++) {
            key left = load_key((sl_element)s->x->element, s->x->data, (o * s->length + a) * s->inner + i, 0);
            key right = load_key((sl_element)s->x->element, s->x->data, (o * s->length + b) * s->inner + i, 0);
            int order = compare_values(&left, &right);
            if (order) return order;
        }
    }
    return 0;
}

static void merge_sort(const slices *s, int64_t *items, int64_t *spare, int64_t count) {
    for (int64_t width = 1; width < count; width *= 2) {
        for (int64_t low = 0; low < count; low += 2 * width) {
            int64_t middle = low + width < count ? low + width : count, high = low + 2 * width < count ? low + 2 * width : count;
            int64_t a = low, b = middle, to = low;
            while (a < middle && b < high) spare[to++] = compare_slices(s, items[b], items[a]) < 0 ? items[b++] : items[a++];
            while (a < middle) spare[to++] = items[a++];
            while (b < high) spare[to++] = items[b++];
        }
        memcpy(items, spare, sizeof *items * (size_t)count);
    }
}

static int by_value(const void *a, const void *b) {
    const int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

int32_t sl_routine_unique(const sl_routine_call *call) {
    const sl_abi_tensor *x = &call->in[0];
    const int64_t *ints = call->call->ints, *x_shape = x->shape;
    int axis = (int)ints[0];
    bool sorted = ints[1] != 0;
    slices s = {x, 1, sl_abi_tensor_count(x), 1};
    if (axis >= 0) {
        s.length = x_shape[axis];
        for (int d = 0; d < axis; d++) s.outer *= x_shape[d];
        for (int d = axis + 1; d < x->rank; d++) s.inner *= x_shape[d];
    }
    int64_t n = s.length;
    int64_t *memory = borrow(call, 4 * n, sizeof *memory);
    if (!memory) return 1;
    int64_t *order = memory, *spare = memory + n, *group = memory + 2 * n, *first = memory + 3 * n;
    for (int64_t i = 0; i < n; i++) order[i] = i;
    merge_sort(&s, order, spare, n);
    /* The sort is stable, so the first of each run is the first appearance. */
    int64_t groups = 0;
    for (int64_t i = 0; i < n; i++) {
        if (i == 0 || compare_slices(&s, order[i - 1], order[i]) != 0) first[groups++] = order[i];
        group[order[i]] = groups - 1;
    }
    if (!sorted) {
        /* renumber groups by first appearance: rank of each group's first position */
        memcpy(spare, first, sizeof *first * (size_t)groups);
        qsort(spare, (size_t)groups, sizeof *spare, by_value);
        for (int64_t i = 0; i < n; i++) {
            const int64_t *found = bsearch(&first[group[i]], spare, (size_t)groups, sizeof *spare, by_value);
            order[i] = found - spare;
        }
        memcpy(group, order, sizeof *group * (size_t)n);
        memcpy(first, spare, sizeof *first * (size_t)groups);
    }
    int64_t shape[SL_RUNTIME_MAX_RANK] = {groups};
    int rank = 1;
    if (axis >= 0) {
        rank = x->rank;
        memcpy(shape, x_shape, sizeof(int64_t) * (size_t)rank);
        shape[axis] = groups;
    }
    int32_t failed = 1;
    int size = sl_element_memory_bytes((sl_element)x->element);
    uint8_t *values = sl_routine_make_output(call, 0, rank, shape);
    int64_t *firsts = values ? sl_routine_make_output(call, 1, 1, &groups) : NULL;
    int64_t *inverse = firsts ? sl_routine_make_output(call, 2, 1, &n) : NULL;
    int64_t *counts = inverse ? sl_routine_make_output(call, 3, 1, &groups) : NULL;
    if (counts) {
        memset(counts, 0, sizeof *counts * (size_t)groups);
        for (int64_t i = 0; i < n; i++) {
            inverse[i] = group[i];
            counts[group[i]]++;
        }
        for (int64_t g = 0; g < groups; g++) {
            firsts[g] = first[g];
            for (int64_t o = 0; o < s.outer; o++)
                memcpy(values + (o * groups + g) * s.inner * size, (const uint8_t *)x->data + (o * n + first[g]) * s.inner * size, (size_t)(s.inner * size));
        }
        failed = 0;
    }
    give_back(call, memory, 4 * n, sizeof *memory);
    return failed;
}

typedef struct box { float y1, x1, y2, x2; } box;

static box load_box(const float *data, bool center) {
    if (center) return (box){data[1] - data[3] / 2, data[0] - data[2] / 2, data[1] + data[3] / 2, data[0] + data[2] / 2};
    return (box){fminf(data[0], data[2]), fminf(data[1], data[3]), fmaxf(data[0], data[2]), fmaxf(data[1], data[3])};
}

static float overlap(const box *a, const box *b) {
    float height = fminf(a->y2, b->y2) - fmaxf(a->y1, b->y1), width = fminf(a->x2, b->x2) - fmaxf(a->x1, b->x1);
    if (height <= 0 || width <= 0) return 0;
    float shared = height * width, both = (a->y2 - a->y1) * (a->x2 - a->x1) + (b->y2 - b->y1) * (b->x2 - b->x1) - shared;
    return both > 0 ? shared / both : 0;
}

int32_t sl_routine_nonmax_suppression(const sl_routine_call *call) {
    const int64_t *box_shape = call->in[0].shape, *score_shape = call->in[1].shape, *ints = call->call->ints;
    int64_t batches = box_shape[0], boxes = box_shape[1], classes = score_shape[1];
    int64_t most = *(const int64_t *)call->in[2].data;
    float iou = *(const float *)call->in[3].data, least = *(const float *)call->in[4].data;
    bool center = ints[0] != 0;
    if (most > boxes) most = boxes;
    if (most < 0) most = 0;
    int64_t room;
    if (!sl_size_mul(batches * classes, most * 3, &room)) return sl_routine_fail(call, SL_OVERFLOW, "too many boxes");
    key *keys = borrow(call, boxes, sizeof *keys);
    int64_t *picked = keys ? borrow(call, room, sizeof *picked) : NULL;
    if (!picked) {
        if (keys) give_back(call, keys, boxes, sizeof *keys);
        return 1;
    }
    int64_t count = 0;
    for (int64_t b = 0; b < batches; b++) {
        const float *corners = (const float *)call->in[0].data + b * boxes * 4;
        for (int64_t c = 0; c < classes; c++) {
            const float *scores = (const float *)call->in[1].data + (b * classes + c) * boxes;
            int64_t candidates = 0, start = count;
            for (int64_t i = 0; i < boxes; i++)
                if (scores[i] > least) keys[candidates++] = (key){.f = scores[i], .position = i};
            qsort(keys, (size_t)candidates, sizeof *keys, descending);
            for (int64_t i = 0; i < candidates && count - start < most; i++) {
                box candidate = load_box(corners + keys[i].position * 4, center);
                bool keep = true;
                for (int64_t j = start; keep && j < count; j++) {
                    box other = load_box(corners + picked[3 * j + 2] * 4, center);
                    keep = !(overlap(&candidate, &other) > iou);
                }
                if (!keep) continue;
                picked[3 * count] = b;
                picked[3 * count + 1] = c;
                picked[3 * count + 2] = keys[i].position;
                count++;
            }
        }
    }
    int64_t shape[2] = {count, 3};
    int64_t *out = sl_routine_make_output(call, 0, 2, shape);
    if (out) memcpy(out, picked, sizeof *out * 3 * (size_t)count);
    give_back(call, picked, room, sizeof *picked);
    give_back(call, keys, boxes, sizeof *keys);
    return out ? 0 : 1;
}
