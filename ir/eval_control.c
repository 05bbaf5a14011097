/* eval_control.c: evaluation of tensor.if and tensor.loop.
 *
 * A loop's iteration allocates in an arena of its own, which is emptied when the iteration ends; what is carried on is copied into one of two arenas that take
 * turns. So a loop needs memory for one iteration and its stacks, whatever the number of iterations.
 */
#include "eval_internal.h"
#include <string.h>

void sl_eval_if(sl_eval *eval, sl_op *op, sl_eval_value *results) {
    bool taken = sl_eval_scalar_int(eval, op, 0) != 0;
    size_t mark = sl_eval_scope_begin(eval);
    const sl_op *end = sl_eval_block(eval, op, sl_op_body(op, taken ? 0 : 1));
    for (int i = 0; i < sl_op_result_count(op); i++) results[i].tensor = sl_eval_operand(eval, end, i);
    sl_eval_scope_end(eval, mark);
}

static sl_tensor *scalar(sl_arena *arena, sl_element element, int64_t value) {
    sl_tensor *tensor = sl_tensor_alloc(arena, element, 0, NULL);
    sl_element_store_int(element, tensor->data, 0, value);
    return tensor;
}

static sl_tensor *copy_to(sl_arena *arena, const sl_tensor *tensor) {
    sl_tensor *copy = sl_tensor_alloc(arena, tensor->element, tensor->rank, tensor->shape);
    if (copy->size > 0) memcpy(copy->data, tensor->data, (size_t)copy->size);
    return copy;
}

/* Scanned values: kept one by one, put together at the end. */
typedef struct stack { SL_VEC(const sl_tensor *) items; } stack;

static sl_tensor *stack_up(sl_eval *eval, const sl_op *op, const stack *values, int result) {
    sl_type type = sl_value_type(sl_op_result(op, result));
    int64_t shape[SL_MAX_RANK] = {(int64_t)values->items.count};
    if (values->items.count == 0) {   /* dims that nothing tells are 0 */
        if (!sl_type_is_ranked(type)) sl_eval_fail(eval, op, "tensor.loop: no iteration ran, so the rank of stack %d is not known", result);
        for (int axis = 1; axis < sl_type_rank(type); axis++)
            if (!sl_eval_expr(eval, sl_type_dim(type, axis), &shape[axis])) shape[axis] = 0;
        return sl_eval_alloc(eval, op, sl_type_element(type), sl_type_rank(type), shape);
    }
    const sl_tensor *first = values->items.data[0];
    if (first->rank + 1 > SL_MAX_RANK) sl_eval_fail(eval, op, "tensor.loop: the rank of stack %d is more than %d", result, SL_MAX_RANK);
    memcpy(shape + 1, first->shape, sizeof(int64_t) * (size_t)first->rank);
    sl_tensor *whole = sl_eval_alloc(eval, op, first->element, first->rank + 1, shape);
    int64_t count = sl_tensor_count(first);
    for (size_t i = 0; i < values->items.count; i++) {
        const sl_tensor *item = values->items.data[i];
        if (item->rank != first->rank || memcmp(item->shape, first->shape, sizeof(int64_t) * (size_t)first->rank) != 0)
            sl_eval_fail(eval, op, "tensor.loop: scanned value %d changes its shape in iteration %zu", result, i);
        sl_copy_elements(first->element, whole->data, (int64_t)i * count, item->data, 0, count);
    }
    return whole;
}

void sl_eval_loop(sl_eval *eval, sl_op *op, sl_eval_value *results) {
    int carried = (int)sl_op_int(op, "carried", 0), result_count = sl_op_result_count(op);
    sl_block *body = sl_op_body(op, 0);
    int64_t trips = sl_eval_scalar_int(eval, op, 0), stacked = 0;
    bool go_on = sl_eval_scalar_int(eval, op, 1) != 0;
    sl_arena *outer = eval->arena, *iteration_arena = sl_eval_child_arena(eval), *turns[2] = {sl_eval_child_arena(eval), sl_eval_child_arena(eval)};
    sl_arena *stack_arena = sl_eval_child_arena(eval);
    sl_tensor **values = SL_NEW_ARRAY(outer, sl_tensor *, (size_t)carried + 1);
    stack *stacks = SL_NEW_ARRAY(outer, stack, (size_t)(result_count - carried) + 1);
    for (int i = 0; i < carried; i++) values[i] = sl_eval_operand(eval, op, 2 + i);
    size_t outer_mark = sl_eval_scope_begin(eval);
    for (int64_t iteration = 0; go_on && (trips < 0 || iteration < trips); iteration++) {
        size_t mark = sl_eval_scope_begin(eval);
        eval->arena = iteration_arena;
        sl_eval_step(eval, op, 0);
        sl_eval_set(eval, op, sl_block_argument(body, 0), (sl_eval_value){.tensor = scalar(iteration_arena, SL_ELEMENT_i64, iteration)});
        sl_eval_set(eval, op, sl_block_argument(body, 1), (sl_eval_value){.tensor = scalar(iteration_arena, SL_ELEMENT_i1, 1)});
        for (int i = 0; i < carried; i++) sl_eval_set(eval, op, sl_block_argument(body, 2 + i), (sl_eval_value){.tensor = values[i]});
        const sl_op *end = sl_eval_block(eval, op, body);
        go_on = sl_eval_scalar_int(eval, end, 0) != 0;
        sl_arena *next = turns[iteration % 2];
        sl_arena_reset(next);   /* held the values before last */
        for (int i = 0; i < carried; i++) values[i] = copy_to(next, sl_eval_operand(eval, end, 1 + i));
        for (int i = carried; i < result_count; i++) {
            const sl_tensor *item = sl_eval_operand(eval, end, 1 + i);
            stacked += sl_tensor_count(item) + 1;
            if (stacked > eval->options->max_elements) sl_eval_fail(eval, op, "tensor.loop stacks more than %lld elements", (long long)eval->options->max_elements);
            SL_PUSH(stack_arena, &stacks[i - carried].items, copy_to(stack_arena, item));
        }
        sl_eval_scope_end(eval, mark);
        sl_arena_reset(iteration_arena);
    }
    sl_eval_scope_end(eval, outer_mark);
    eval->arena = outer;
    for (int i = 0; i < carried; i++) results[i].tensor = copy_to(outer, values[i]);
    for (int i = carried; i < result_count; i++) results[i].tensor = stack_up(eval, op, &stacks[i - carried], i);
    sl_eval_child_destroy(eval, iteration_arena);
    sl_eval_child_destroy(eval, turns[0]);
    sl_eval_child_destroy(eval, turns[1]);
    sl_eval_child_destroy(eval, stack_arena);
}
