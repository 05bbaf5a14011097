/* eval_search.c: evaluation of ops that search: topk, nonzero, unique, nonmax_suppression. Order of values: numbers, then NaN above all. */
#include "eval_internal.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One comparable element with its position. Integers in `lane.i`, u64 shifted so that signed order is its order. */
typedef struct item { sl_lane lane; int64_t position; bool floating; } item;

static item load_item(const sl_tensor *x, int64_t index, int64_t position) {
    item result = {.position = position, .floating = sl_element_is_float(x->element)};
    sl_lanes_load(x->element, x->data, index, 1, 1, &result.lane);
    if (x->element == SL_ELEMENT_u64) result.lane.i = (int64_t)((uint64_t)result.lane.i ^ (1ull << 63));
    return result;
}

static int compare_items(const item *a, const item *b) {
    if (!a->floating) return (a->lane.i > b->lane.i) - (a->lane.i < b->lane.i);
    bool a_nan = isnan(a->lane.f), b_nan = isnan(b->lane.f);
    if (a_nan || b_nan) return a_nan - b_nan;
    return (a->lane.f > b->lane.f) - (a->lane.f < b->lane.f);
}

static int by_position(const item *a, const item *b) { return (a->position > b->position) - (a->position < b->position); }

static int ascending(const void *a, const void *b) {
    int order = compare_items(a, b);
    return order ? order : by_position(a, b);
}

static int descending(const void *a, const void *b) {
    int order = compare_items(b, a);
    return order ? order : by_position(a, b);
}

static void not_strings(sl_eval *eval, const sl_op *op, const sl_tensor *x) {
    if (x->element == SL_ELEMENT_str) sl_eval_fail(eval, op, "%s is not defined on strings", sl_op_name(op));
}

static void topk(sl_eval *eval, const sl_op *op, sl_eval_value *results) {
    const sl_tensor *x = sl_eval_operand(eval, op, 0);
    int64_t k = sl_eval_scalar_int(eval, op, 1), axis = sl_op_int(op, "axis", 0), shape[SL_MAX_RANK], outer = 1, inner = 1;
    not_strings(eval, op, x);
    if (axis < 0 || axis >= x->rank) sl_eval_fail(eval, op, "axis %lld is out of range for rank %d", (long long)axis, x->rank);
    int64_t length = x->shape[axis];
    if (k < 0 || k > length) sl_eval_fail(eval, op, "k is %lld, but axis %lld has %lld elements", (long long)k, (long long)axis, (long long)length);
    memcpy(shape, x->shape, sizeof shape);
    shape[axis] = k;
    for (int d = 0; d < axis; d++) outer *= x->shape[d];
    for (int d = (int)axis + 1; d < x->rank; d++) inner *= x->shape[d];
    sl_tensor *values = results[0].tensor = sl_eval_alloc(eval, op, x->element, x->rank, shape);
    sl_tensor *positions = results[1].tensor = sl_eval_alloc(eval, op, SL_ELEMENT_i64, x->rank, shape);
    item *items = SL_NEW_ARRAY(eval->arena, item, (size_t)length + 1);
    for (int64_t o = 0; o < outer && k > 0; o++) {
        for (int64_t i = 0; i < inner; i++) {
            for (int64_t j = 0; j < length; j++) items[j] = load_item(x, (o * length + j) * inner + i, j);
            qsort(items, (size_t)length, sizeof *items, sl_op_bool(op, "largest", true) ? descending : ascending);
            for (int64_t j = 0; j < k; j++) {
                int64_t to = (o * k + j) * inner + i;
                sl_copy_elements(x->element, values->data, to, x->data, (o * length + items[j].position) * inner + i, 1);
                ((int64_t *)positions->data)[to] = items[j].position;
            }
        }
    }
    sl_eval_step(eval, op, sl_tensor_count(x));
}

static void nonzero(sl_eval *eval, const sl_op *op, sl_eval_value *results) {
    const sl_tensor *x = sl_eval_operand(eval, op, 0);
    not_strings(eval, op, x);
    int64_t count = sl_tensor_count(x), found = 0, index[SL_MAX_RANK] = {0};
    bool floating = sl_element_is_float(x->element);
    sl_lane lane;
    for (int64_t i = 0; i < count; i++) {
        sl_lanes_load(x->element, x->data, i, 1, 1, &lane);
        found += floating ? lane.f != 0 : lane.i != 0;
    }
    int64_t shape[2] = {x->rank, found}, next = 0;
    sl_tensor *result = results[0].tensor = sl_eval_alloc(eval, op, SL_ELEMENT_i64, 2, shape);
    for (int64_t i = 0; i < count; i++) {
        sl_lanes_load(x->element, x->data, i, 1, 1, &lane);
        if (floating ? lane.f != 0 : lane.i != 0) {
            for (int d = 0; d < x->rank; d++) ((int64_t *)result->data)[d * found + next] = index[d];
            next++;
        }
        sl_next_index(x->rank, x->shape, index);
    }
    sl_eval_step(eval, op, count);
}

/* ---- unique ---- */

/* Slices along an axis: element (o, i) of slice s lies at (o * length + s) * inner + i. */
typedef struct slices { const sl_tensor *x; int64_t outer, length, inner; } slices;

static int compare_slices(const slices *s, int64_t a, int64_t b) {
    for (int64_t o = 0; o < s->outer; o++) {
        for (int64_t i = 0; i < s->inner; i++) {
            item left = load_item(s->x, (o * s->length + a) * s->inner + i, 0), right = load_item(s->x, (o * s->length + b) * s->inner + i, 0);
            int order = compare_items(&left, &right);
            if (order) return order;
        }
    }
    return 0;
}

static void merge_sort(const slices *s, int64_t *order, int64_t *spare, int64_t count) {
    if (count < 2) return;
    int64_t half = count / 2, a = 0, b = half, to = 0;
    merge_sort(s, order, spare, half);
    merge_sort(s, order + half, spare, count - half);
    while (a < half && b < count) spare[to++] = compare_slices(s, order[b], order[a]) < 0 ? order[b++] : order[a++];
    while (a < half) spare[to++] = order[a++];
    while (b < count) spare[to++] = order[b++];
    memcpy(order, spare, sizeof *order * (size_t)count);
}

static void unique(sl_eval *eval, const sl_op *op, sl_eval_value *results) {
    const sl_tensor *x = sl_eval_operand(eval, op, 0);
    bool flat = sl_op_attr(op, "axis") == NULL, sorted = sl_op_bool(op, "sorted", true);
    int64_t axis = sl_op_int(op, "axis", 0), shape[SL_MAX_RANK];
    not_strings(eval, op, x);
    slices s = {x, 1, flat ? sl_tensor_count(x) : 0, 1};
    if (!flat) {
        if (axis < 0 || axis >= x->rank) sl_eval_fail(eval, op, "axis %lld is out of range for rank %d", (long long)axis, x->rank);
        s.length = x->shape[axis];
        for (int d = 0; d < axis; d++) s.outer *= x->shape[d];
        for (int d = (int)axis + 1; d < x->rank; d++) s.inner *= x->shape[d];
    }
    int64_t n = s.length, groups = 0;
    int64_t *order = SL_NEW_ARRAY(eval->arena, int64_t, (size_t)n + 1), *spare = SL_NEW_ARRAY(eval->arena, int64_t, (size_t)n + 1);
    int64_t *group = SL_NEW_ARRAY(eval->arena, int64_t, (size_t)n + 1), *first = SL_NEW_ARRAY(eval->arena, int64_t, (size_t)n + 1);
    for (int64_t i = 0; i < n; i++) order[i] = i;
    merge_sort(&s, order, spare, n);
    for (int64_t i = 0; i < n; i++) {   /* the sort is stable: a run begins with its first appearance */
        if (i == 0 || compare_slices(&s, order[i - 1], order[i]) != 0) first[groups++] = order[i];
        group[order[i]] = groups - 1;
    }
    if (!sorted) {   /* number the groups by first appearance */
        int64_t next = 0;
        for (int64_t i = 0; i < n; i++) spare[i] = -1;
        for (int64_t i = 0; i < n; i++)
            if (spare[group[i]] < 0) spare[group[i]] = next++;
        for (int64_t i = 0; i < n; i++) group[i] = spare[group[i]];
        memcpy(order, first, sizeof *first * (size_t)groups);
        for (int64_t g = 0; g < groups; g++) first[spare[g]] = order[g];
    }
    memcpy(shape, x->shape, sizeof shape);
    shape[flat ? 0 : axis] = groups;
    results[0].tensor = sl_eval_alloc(eval, op, x->element, flat ? 1 : x->rank, shape);
    for (int g = 1; g < 4; g++) results[g].tensor = sl_eval_alloc(eval, op, SL_ELEMENT_i64, 1, g == 2 ? &n : &groups);
    int64_t *firsts = results[1].tensor->data, *inverse = results[2].tensor->data, *counts = results[3].tensor->data;
    for (int64_t i = 0; i < n; i++) {
        inverse[i] = group[i];
        counts[group[i]]++;
    }
    for (int64_t g = 0; g < groups; g++) {
        firsts[g] = first[g];
        for (int64_t o = 0; o < s.outer; o++)
            sl_copy_elements(x->element, results[0].tensor->data, (o * groups + g) * s.inner, x->data, (o * n + first[g]) * s.inner, s.inner);
    }
    sl_eval_step(eval, op, sl_tensor_count(x));
}

/* ---- nonmax_suppression ---- */

typedef struct box { float y1, x1, y2, x2; } box;

static box load_box(const float *data, bool center) {
    if (center) return (box){data[1] - data[3] / 2, data[0] - data[2] / 2, data[1] + data[3] / 2, data[0] + data[2] / 2};
    return (box){fminf(data[0], data[2]), fminf(data[1], data[3]), fmaxf(data[0], data[2]), fmaxf(data[1], data[3])};
}

/* Intersection over union. */
static float overlap(box a, box b) {
    float height = fminf(a.y2, b.y2) - fmaxf(a.y1, b.y1), width = fminf(a.x2, b.x2) - fmaxf(a.x1, b.x1);
    if (height <= 0 || width <= 0) return 0;
    float shared = height * width, both = (a.y2 - a.y1) * (a.x2 - a.x1) + (b.y2 - b.y1) * (b.x2 - b.x1) - shared;
    return both > 0 ? shared / both : 0;
}

static void nonmax_suppression(sl_eval *eval, const sl_op *op, sl_eval_value *results) {
    const sl_tensor *boxes = sl_eval_operand(eval, op, 0), *scores = sl_eval_operand(eval, op, 1), *thresholds[2];
    bool fits = boxes->rank == 3 && scores->rank == 3 && boxes->element == SL_ELEMENT_f32 && scores->element == SL_ELEMENT_f32 && boxes->shape[2] == 4 &&
                boxes->shape[0] == scores->shape[0] && boxes->shape[1] == scores->shape[2];
    for (int i = 0; i < 2; i++) {
        thresholds[i] = sl_eval_operand(eval, op, 3 + i);
        fits = fits && thresholds[i]->element == SL_ELEMENT_f32 && sl_tensor_count(thresholds[i]) == 1;
    }
    if (!fits) sl_eval_fail(eval, op, "expected f32 boxes (batch x boxes x 4), scores (batch x classes x boxes) and thresholds");
    float most_overlap = *(const float *)thresholds[0]->data, least_score = *(const float *)thresholds[1]->data;
    bool center = sl_op_bool(op, "center_point", false);
    int64_t most = sl_eval_scalar_int(eval, op, 2), count = boxes->shape[1];
    struct { int64_t *data; size_t count, capacity; } picked = {0};
    item *items = SL_NEW_ARRAY(eval->arena, item, (size_t)count + 1);
    for (int64_t b = 0; b < boxes->shape[0]; b++) {
        const float *corners = (const float *)boxes->data + b * count * 4;
        for (int64_t c = 0; c < scores->shape[1]; c++) {
            size_t candidates = 0, start = picked.count;
            for (int64_t i = 0; i < count; i++) {
                item candidate = load_item(scores, (b * scores->shape[1] + c) * count + i, i);
                if (candidate.lane.f > least_score) items[candidates++] = candidate;
            }
            qsort(items, candidates, sizeof *items, descending);
            for (size_t i = 0; i < candidates && (int64_t)((picked.count - start) / 3) < most; i++) {
                bool keep = true;
                for (size_t k = start; keep && k < picked.count; k += 3)
                    keep = !(overlap(load_box(corners + items[i].position * 4, center), load_box(corners + picked.data[k + 2] * 4, center)) > most_overlap);
                sl_eval_step(eval, op, (int64_t)(picked.count - start));
                if (!keep) continue;
                SL_PUSH(eval->arena, &picked, b);
                SL_PUSH(eval->arena, &picked, c);
                SL_PUSH(eval->arena, &picked, items[i].position);
            }
        }
    }
    int64_t shape[2] = {(int64_t)picked.count / 3, 3};
    results[0].tensor = sl_eval_alloc(eval, op, SL_ELEMENT_i64, 2, shape);
    if (picked.count) memcpy(results[0].tensor->data, picked.data, sizeof(int64_t) * picked.count);
}

void sl_eval_search(sl_eval *eval, const sl_op *op, sl_eval_value *results) {
    switch ((int)sl_op_get_kind(op)) {
    case SL_OP_tensor_topk: topk(eval, op, results); break;
    case SL_OP_tensor_nonzero: nonzero(eval, op, results); break;
    case SL_OP_tensor_unique: unique(eval, op, results); break;
    case SL_OP_tensor_nonmax_suppression: nonmax_suppression(eval, op, results); break;
    default: sl_eval_fail(eval, op, "%s can't be evaluated here", sl_op_name(op));
    }
}
