/* routine_partition.c: the counting sort behind routed rows (route.sort). Three passes over the keys:
 *
 *   1. count the choices of each branch, checking keys;
 *   2. sums: starts[b] is where branch b begins, cursors where its next choice goes;
 *   3. in row order, give each choice its packed position; a row's choices are taken in ascending order of branch, so that position, branch and slot need no sort later.
 *
 * Few keys are sorted by the caller, with cursors in `starts`, shifted by one entry. Many are split into one range of rows a thread: each counts its own, the sums run over branches and within them over
 * ranges, and each range places its rows from there, so that positions are those of the one range. The ranges' cursors are the session's (kept from run to run). */
#include "runtime_internal.h"

#include <string.h>

/* Choices from which on a second thread pays: about ten microseconds of counting and placing. */
enum { MANY_CHOICES = 8192, MOST_RANGES = 64 };

typedef struct sort {
    sl_element element;
    const void *keys;
    int64_t rows, choices, branches, ranges;
    int64_t *row, *position, *branch, *slot;
    int64_t *cursors;                 /* ranges x pitch; of branch b at b */
    int64_t pitch;                    /* entries of a range, on lines of its own */
    int64_t wrong[MOST_RANGES];       /* first choice of the range whose key is no branch, or -1 */
} sort;

/* Keys as i64, whatever their type: u64 above the signed range is no branch either way, so it may wrap to "too large". */
static inline int64_t key_at(sl_element element, const void *keys, int64_t index) {
    if (element == SL_ELEMENT_i64) return ((const int64_t *)keys)[index];
    if (element == SL_ELEMENT_i32) return ((const int32_t *)keys)[index];
    int64_t key = sl_element_load_int(element, keys, index);
    return element == SL_ELEMENT_u64 && key < 0 ? INT64_MAX : key;
}

static int64_t first_row(const sort *s, int64_t range) { return s->rows * range / s->ranges; }

/* Choices of each branch in rows first .. end, added to counts; the first wrong choice, or -1. */
static int64_t count_range(const sort *s, int64_t first, int64_t end, int64_t *counts) {
    for (int64_t i = first * s->choices; i < end * s->choices; i++) {
        int64_t key = key_at(s->element, s->keys, i);
        if (key >= s->branches) return i;
        if (key >= 0) counts[key]++;
    }
    return -1;
}

static void place_range(const sort *s, int64_t first_of_range, int64_t end, int64_t *cursors) {
    int64_t *position = s->position, *branch = s->branch, *slot = s->slot, choices = s->choices;
    if (choices == 1) {
        for (int64_t r = first_of_range; r < end; r++) {
            int64_t key = key_at(s->element, s->keys, r);
            branch[r] = key < 0 ? -1 : key, slot[r] = 0, position[r] = -1;
            if (key >= 0) position[r] = cursors[key]++, s->row[position[r]] = r;
        }
        return;
    }
    for (int64_t r = first_of_range; r < end; r++) {
        int64_t first = r * choices, used = 0;
        for (int64_t j = 0; j < choices; j++) {
            int64_t key = key_at(s->element, s->keys, first + j), to = used;
            if (key < 0) continue;
            for (; to > 0 && branch[first + to - 1] > key; to--) {
                branch[first + to] = branch[first + to - 1];
                position[first + to] = position[first + to - 1];
                slot[first + to] = slot[first + to - 1];
            }
            branch[first + to] = key;
            position[first + to] = cursors[key];
            slot[first + to] = j;
            s->row[cursors[key]++] = r;
            used++;
        }
        for (int64_t j = 0; j < choices && used < choices; j++) {
            if (key_at(s->element, s->keys, first + j) >= 0) continue;
            branch[first + used] = position[first + used] = -1;
            slot[first + used++] = j;
        }
    }
}

static void count_ranges(void *const *buffers, const int64_t *scalars, int64_t first, int64_t end, sl_abi_worker *worker) {
    sort *s = (sort *)buffers;
    (void)scalars, (void)worker;
    for (int64_t range = first; range < end; range++) s->wrong[range] = count_range(s, first_row(s, range), first_row(s, range + 1), s->cursors + range * s->pitch);
}

static void place_ranges(void *const *buffers, const int64_t *scalars, int64_t first, int64_t end, sl_abi_worker *worker) {
    const sort *s = (const sort *)buffers;
    (void)scalars, (void)worker;
    for (int64_t range = first; range < end; range++) place_range(s, first_row(s, range), first_row(s, range + 1), s->cursors + range * s->pitch);
}

static int32_t fail_at(const sl_routine_call *call, const sort *s, int64_t choice) {
    return sl_routine_fail(call, SL_RUN_TIME, "row %lld goes to branch %lld, but there are %lld", (long long)(choice / s->choices), (long long)key_at(s->element, s->keys, choice), (long long)s->branches);
}

/* Choices that go nowhere leave the end of `row` unwritten. */
static void clear_rest(const sort *s, int64_t used) { memset(s->row + used, 0, sizeof(int64_t) * (size_t)(s->rows * s->choices - used)); }

static int32_t sort_in_ranges(const sl_routine_call *call, sort *s, int64_t *starts) {
    sluice_session *session = call->frame->session;
    int64_t at = 0;
    s->pitch = (s->branches + 7) / 8 * 8;
    sl_status status = sl_session_grow(session, &session->cursors, s->ranges * s->pitch * (int64_t)sizeof(int64_t), SL_GROW_DROP, "the cursors of a partition");
    if (status) {
        int32_t failed = sl_routine_fail(call, sl_status_code(status), "%s", sl_status_message(status));
        sl_status_free(status);
        return failed;
    }
    s->cursors = session->cursors.data;
    memset(s->cursors, 0, sizeof(int64_t) * (size_t)(s->ranges * s->pitch));
    sl_pool_run(session->pool, count_ranges, (void *const *)s, NULL, s->ranges, 1, 1);
    for (int64_t range = 0; range < s->ranges; range++)
        if (s->wrong[range] >= 0) return fail_at(call, s, s->wrong[range]);
    for (int64_t b = 0; b < s->branches; b++) {
        starts[b] = at;
        for (int64_t range = 0; range < s->ranges; range++) {
            int64_t count = s->cursors[range * s->pitch + b];
            s->cursors[range * s->pitch + b] = at;
            at += count;
        }
    }
    starts[s->branches] = at;
    clear_rest(s, at);
    sl_pool_run(session->pool, place_ranges, (void *const *)s, NULL, s->ranges, 1, 1);
    return 0;
}

int32_t sl_routine_partition(const sl_routine_call *call) {
    const sl_abi_tensor *in = &call->in[0];
    const int64_t *shape = in->shape;
    const sluice_session *session = call->frame->session;
    int64_t *starts = call->out[0].data, threads = sl_pool_threads(session->pool);
    sort s = {.element = (sl_element)in->element == SL_ELEMENT_i1 ? SL_ELEMENT_u8 : (sl_element)in->element, .keys = in->data, .rows = shape[0], .choices = in->rank > 1 ? shape[1] : 1,
              .branches = ((const int64_t *)call->call->ints)[0], .row = call->out[1].data, .position = call->out[2].data, .branch = call->out[3].data, .slot = call->out[4].data};
    int64_t total = s.rows * s.choices, at = 0;
    s.ranges = threads < MOST_RANGES ? threads : MOST_RANGES;
    if (s.ranges > s.rows) s.ranges = s.rows;
    /* With more branches than rows in a range the sums over the ranges would cost more than they save. */
    if (s.ranges > 1 && total >= MANY_CHOICES && s.branches * s.ranges <= total / 4) return sort_in_ranges(call, &s, starts);
    memset(starts, 0, sizeof(int64_t) * (size_t)(s.branches + 1));
    int64_t wrong = count_range(&s, 0, s.rows, starts + 1);
    if (wrong >= 0) return fail_at(call, &s, wrong);
    /* starts[b + 1] becomes the cursor of branch b: where it begins now, where it ends after the last pass. */
    for (int64_t b = 0; b < s.branches; b++) {
        int64_t count = starts[b + 1];
        starts[b + 1] = at;
        at += count;
    }
    clear_rest(&s, at);
    place_range(&s, 0, s.rows, starts + 1);
    return 0;
}
