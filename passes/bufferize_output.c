/* bufferize_output.c: core.return: program outputs are made in the caller's memory.
 *
 * A returned value that is the whole of a local alloc turns this alloc into the output's memory; one that comes out of a kernel.if is traced into both branches. An
 * input, a constant, memory of a loop or routine, and a value returned twice are copied. */
#include "bufferize_internal.h"

#include <string.h>

static sl_value *output_alloc(sl_bufferizer *bz, sl_builder *builder, sl_type type, int64_t number) {
    sl_named_attr attr = {"output", sl_attr_int(bz->context, number)};
    return sl_op_result(sl_build(builder, SL_OP_kernel_alloc, 0, NULL, 1, &type, 1, &attr), 0);
}

typedef struct dims_query { sl_type type; bool all; } dims_query;

static void query_dims(void *self, sl_expr symbol) {
    dims_query *query = self;
    bool found = !sl_expr_is_fresh(symbol);     /* named symbols come with the inputs */
    for (int d = 0; d < sl_type_rank(query->type); d++) found |= sl_expr_uses_symbol(sl_type_dim(query->type, d), symbol);
    query->all &= found;
}

/* Whether the sizes of `type` are surely known where memory of `alloc` is made. */
static bool known_at(sl_type type, sl_op *alloc) {
    dims_query query = {sl_value_type(sl_op_result(alloc, 0)), true};
    for (int d = 0; d < sl_type_rank(type); d++) sl_expr_visit_symbols(sl_type_dim(type, d), query_dims, &query);
    return query.all;
}

static bool make_in_place(sl_bufferizer *bz, sl_value *value, sl_block *block, sl_type type, int64_t number) {
    sl_op *alloc = sl_bufferize_local_alloc(value, block);
    if (!alloc || !known_at(type, alloc)) return false;
    sl_builder builder = sl_builder_before(alloc);
    sl_bufferize_redirect(alloc, output_alloc(bz, &builder, type, number));
    return true;
}

/* The kernel.if whose result `value` is, when nothing but the yield or return at hand uses it. */
static sl_op *sole_branch(sl_value *value, const sl_op *user) {
    sl_op *op = sl_value_op(value);
    if (!op || sl_op_get_kind(op) != SL_OP_kernel_if || sl_op_block(op) != sl_op_block(user)) return NULL;
    sl_use *use = sl_value_first_use(value);
    return use && !sl_use_next(use) && sl_use_user(use) == user ? op : NULL;
}

/* `value` is an operand of `end`, which ends its block. */
static void make_output(sl_bufferizer *bz, sl_value *value, sl_op *end, int64_t number) {
    sl_type type = sl_value_type(value);
    sl_op *branch = sole_branch(value, end);
    for (int g = 0; branch && g < 2; g++) {
        sl_op *yield = sl_block_terminator(sl_op_body(branch, g));
        make_output(bz, sl_op_operand(yield, sl_value_index(value)), yield, number);
    }
    if (branch) return;
    if (!sl_type_is_ranked(type)) {
        sl_op_report(end, SL_SEVERITY_ERROR, "output %lld has no known rank and is used by more than the function's end", (long long)number);
        bz->failed = true;
        return;
    }
    if (make_in_place(bz, value, sl_op_block(end), type, number)) return;
    sl_builder builder = sl_builder_before(end);
    sl_bufferize_copy(&builder, value, output_alloc(bz, &builder, type, number));
}

void sl_bufferize_return(sl_bufferizer *bz, sl_op *op) {
    int count = sl_op_operand_count(op);
    sl_op *func = sl_op_parent(op);
    sl_attr *types = SL_NEW_ARRAY(bz->pass->scratch, sl_attr, (size_t)(count + 1));
    for (int i = 0; i < count; i++) {
        sl_type type = sl_value_type(sl_op_operand(op, i));
        sl_element element = sl_type_element(type);
        types[i] = sl_attr_type(bz->context, sl_type_is_ranked(type) ? sl_type_tensor(bz->context, element, sl_type_rank(type), sl_type_dims(type))
                                                                     : sl_type_unranked(bz->context, element));
    }
    /* What the model declared may know less than what was inferred. */
    sl_op_set_attr(func, "output_types", sl_attr_array(bz->context, count, types));
    for (int i = 0; i < count; i++) make_output(bz, sl_op_operand(op, i), op, i);
    while (sl_op_operand_count(op)) sl_op_erase_operand(op, sl_op_operand_count(op) - 1);
    bz->pass->changes++;
}
