/* bufferize_reuse.c: kernel.launch writes over an input that dies there, where the kernel allows it (attribute in_place, which goes afterwards).
 *
 * Legal when the input is the whole of one local alloc of the same block and size that nothing uses later, every operand of the launch that may be this memory is
 * allowed for the output, and the output is a plain alloc too. Lifetimes are kept up to date, so chains of launches share one alloc. */
#include "bufferize_internal.h"
#include "lifetime.h"

static sl_expr byte_count(sl_context *context, sl_type type) {
    return sl_expr_mul(context, sl_type_count(context, type), sl_expr_const(context, (sl_element_bits(sl_type_element(type)) + 7) / 8));
}

static bool is_pair(const int64_t *pairs, int count, int64_t output, int64_t input) {
    for (int i = 0; i + 1 < count; i += 2)
        if (pairs[i] == output && pairs[i + 1] == input) return true;
    return false;
}

static int alloc_index(const sl_lifetimes *lifetimes, sl_value *value) {
    sl_op *op = sl_value_op(value);
    int index = op && sl_op_get_kind(op) == SL_OP_kernel_alloc && sl_op_attr_count(op) == 0 ? sl_lifetimes_only_alloc(lifetimes, value) : -1;
    return index >= 0 && sl_lifetimes_alloc(lifetimes, index) == op ? index : -1;
}

static bool try_pair(sl_lifetimes *lifetimes, sl_op *launch, const int64_t *pairs, int pair_count, int64_t output, int64_t input) {
    sl_context *context = sl_op_context(launch);
    int64_t inputs = sl_op_int(launch, "inputs", 0);
    sl_value *value = sl_op_operand(launch, (int)input), *target = sl_op_operand(launch, (int)(inputs + output));
    int gone = alloc_index(lifetimes, target), kept = sl_lifetimes_only_alloc(lifetimes, value);
    if (gone < 0 || kept < 0 || kept == gone) return false;
    sl_op *alloc = sl_lifetimes_alloc(lifetimes, kept);
    if (sl_op_block(alloc) != sl_op_block(launch) || sl_op_attr_count(alloc) != 0) return false;
    if (sl_lifetimes_interval(lifetimes, kept).end > sl_lifetimes_position(lifetimes, launch) + 1) return false;   /* + 1: the launch's end */
    sl_type from = sl_value_type(sl_op_result(alloc, 0)), to = sl_value_type(target);
    if (byte_count(context, from) != byte_count(context, sl_value_type(value)) || byte_count(context, from) != byte_count(context, to)) return false;
    for (int i = 0; i < inputs; i++)
        if (sl_lifetimes_may_alias(lifetimes, sl_op_operand(launch, i), value) && !is_pair(pairs, pair_count, output, i)) return false;
    sl_op *old = sl_value_op(target);
    sl_lifetimes_merge(lifetimes, kept, gone);
    /* A view of its own with the output's type: element types may differ, and dims do. */
    sl_builder builder = sl_builder_before(old);
    sl_value *memory = sl_op_result(alloc, 0), *seen = memory;
    sl_type type = sl_value_type(target);
    if (sl_value_type(memory) != type) seen = sl_op_result(sl_build(&builder, SL_OP_kernel_view, 1, &memory, 1, &type, 0, NULL), 0);
    if (seen != memory) sl_lifetimes_add_alias(lifetimes, seen, memory);
    sl_value_replace_all_uses(target, seen);
    sl_op_erase(old);
    return true;
}

typedef struct reuse_state { sl_op **data; size_t count, capacity; sl_arena *arena; } reuse_state;

static bool collect(void *self, sl_op *op) {
    reuse_state *state = self;
    if (sl_op_get_kind(op) == SL_OP_kernel_launch && sl_op_attr(op, "in_place")) SL_PUSH(state->arena, state, op);
    return true;
}

int64_t sl_bufferize_reuse(sl_pass_context *pass, sl_op *func) {
    reuse_state state = {.arena = pass->scratch};
    int64_t reused = 0;
    sl_op_walk(func, collect, &state);
    if (!state.count) return 0;
    size_t outputs = 0;
    for (size_t i = 0; i < state.count; i++) outputs += (size_t)sl_op_operand_count(state.data[i]);
    sl_lifetimes *lifetimes = sl_lifetimes_compute(func, pass->scratch, outputs);
    for (size_t i = 0; i < state.count; i++) {
        sl_op *launch = state.data[i];
        int pair_count;
        const int64_t *pairs = sl_op_ints(launch, "in_place", &pair_count);
        int64_t done = -1;
        for (int p = 0; p + 1 < pair_count; p += 2) {
            if (pairs[p] == done || !try_pair(lifetimes, launch, pairs, pair_count, pairs[p], pairs[p + 1])) continue;
            done = pairs[p];
            reused++;
        }
        sl_op_set_attr(launch, "in_place", NULL);
    }
    if (reused) sl_pass_decide(pass, func, "in_place", sl_arena_printf(pass->scratch, "%lld outputs written over inputs that die", (long long)reused));
    return reused;
}
