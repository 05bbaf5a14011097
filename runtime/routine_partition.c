/* routine_partition.c: the counting sort behind routed rows (route.sort). Three passes over the keys, no memory of its own: cursors live in `starts`, shifted by one entry.
 *
 *   1. count the choices of each branch into starts[b + 1], checking keys;
 *   2. sums: starts[b] is where branch b begins;
 *   3. in row order, give each choice its packed position; a row's choices are taken in ascending order of branch, so that position, branch and slot need no sort later. */
#include "runtime_internal.h"

#include <string.h>

/* Keys as i64, whatever their type: u64 above the signed range is no branch either way, so it may wrap to "too large". */
static inline int64_t key_at(sl_element element, const void *keys, int64_t index) {
    if (element == SL_ELEMENT_i64) return ((const int64_t *)keys)[index];
    if (element == SL_ELEMENT_i32) return ((const int32_t *)keys)[index];
    int64_t key = sl_element_load_int(element, keys, index);
    return element == SL_ELEMENT_u64 && key < 0 ? INT64_MAX : key;
}

int32_t sl_routine_partition(const sl_routine_call *call) {
    const sl_abi_tensor *in = &call->in[0];
    const int64_t *shape = in->shape;
    sl_element element = (sl_element)in->element == SL_ELEMENT_i1 ? SL_ELEMENT_u8 : (sl_element)in->element;
    int64_t rows = shape[0], choices = in->rank > 1 ? shape[1] : 1, branches = ((const int64_t *)call->call->ints)[0];
    int64_t *starts = call->out[0].data, *row = call->out[1].data, *position = call->out[2].data, *branch = call->out[3].data, *slot = call->out[4].data;
    memset(starts, 0, sizeof(int64_t) * (size_t)(branches + 1));
    for (int64_t i = 0; i < rows * choices; i++) {
        int64_t key = key_at(element, in->data, i);
        if (key >= branches) return sl_routine_fail(call, SL_RUN_TIME, "row %lld goes to branch %lld, but there are %lld", (long long)(i / choices), (long long)key, (long long)branches);
        if (key >= 0) starts[key + 1]++;
    }
    /* starts[b + 1] becomes the cursor of branch b: where it begins now, where it ends after the last pass. */
    int64_t at = 0;
    for (int64_t b = 0; b < branches; b++) {
        int64_t count = starts[b + 1];
        starts[b + 1] = at;
        at += count;
    }
    for (int64_t i = at; i < rows * choices; i++) row[i] = 0;
    for (int64_t r = 0; r < rows; r++) {
        int64_t first = r * choices, used = 0;
        for (int64_t j = 0; j < choices; j++) {
            int64_t key = key_at(element, in->data, first + j), to = used;
            if (key < 0) continue;
            for (; to > 0 && branch[first + to - 1] > key; to--) {
                branch[first + to] = branch[first + to - 1];
                position[first + to] = position[first + to - 1];
                slot[first + to] = slot[first + to - 1];
            }
            branch[first + to] = key;
            position[first + to] = starts[key + 1];
            slot[first + to] = j;
            row[starts[key + 1]++] = r;
            used++;
        }
        for (int64_t j = 0; j < choices && used < choices; j++) {
            if (key_at(element, in->data, first + j) >= 0) continue;
            branch[first + used] = position[first + used] = -1;
            slot[first + used++] = j;
        }
    }
    return 0;
}
