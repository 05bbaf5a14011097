/* verify_control.c: verify hooks of structured control flow: tensor.if, tensor.loop, route.partition, route.switch.
 *
 * Invariants: region, argument, yield and result counts match; what flows from operands into block arguments, from yields into results and round a loop has
 * agreeing types (the element types equal, ranks and constant dims not in conflict).
 */
#include "op_hooks.h"
#include <string.h>

static bool fail_flow(const sl_op *op, const char *from, int index, sl_type got, const char *to, sl_type want) {
    sl_op_report(op, SL_SEVERITY_ERROR, "%s: %s %d has type %s, which does not fit the %s of type %s", sl_op_name(op), from, index,
                 sl_type_text(sl_op_context(op), got), to, sl_type_text(sl_op_context(op), want));
    return false;
}

static bool check_scalar_operand(const sl_op *op, int index, sl_element element, const char *what) {
    sl_type type = sl_value_type(sl_op_operand(op, index));
    bool scalar = sl_type_is_scalar(type) || (sl_type_is_tensor(type) && (!sl_type_is_ranked(type) || sl_type_rank(type) == 0));
    if (scalar && sl_type_element(type) == element)
        return true;
    sl_op_report(op, SL_SEVERITY_ERROR, "%s: the %s must be a rank-0 %s, not %s", sl_op_name(op), what, sl_element_name(element),
                 sl_type_text(sl_op_context(op), type));
    return false;
}

bool sl_verify_if(const sl_op *op) {
    bool ok = check_scalar_operand(op, 0, SL_ELEMENT_i1, "condition") && sl_verify_state_words(op);
    for (int region = 0; region < 2; region++) {
        const sl_op *yield = sl_verify_terminator(op, region, SL_OP_tensor_yield, SL_OP_tensor_yield);
        if (!yield) {
            ok = false;
            continue;
        }
        if (sl_block_argument_count(sl_op_body(op, region)) != 0) {
            sl_op_report(op, SL_SEVERITY_ERROR, "tensor.if: a branch takes no arguments");
            ok = false;
        }
        if (sl_op_operand_count(yield) != sl_op_result_count(op)) {
            sl_op_report(op, SL_SEVERITY_ERROR, "tensor.if: branch %d yields %d values, the op has %d results", region, sl_op_operand_count(yield),
                         sl_op_result_count(op));
            ok = false;
            continue;
        }
        for (int i = 0; i < sl_op_result_count(op); i++) {
            sl_type got = sl_value_type(sl_op_operand(yield, i)), want = sl_value_type(sl_op_result(op, i));
            if (sl_types_conflict(got, want))
                ok = fail_flow(op, region ? "value of branch 1, number" : "value of branch 0, number", i, got, "result", want);
        }
    }
    return ok;
}

/* A stack of values of type `item`: one leading dim more. */
static bool stack_conflicts(sl_type stack, sl_type item) {
    if (!sl_type_is_tensor(stack) || !sl_type_is_tensor(item) || sl_type_element(stack) != sl_type_element(item))
        return true;
    if (!sl_type_is_ranked(stack) || !sl_type_is_ranked(item))
        return false;
    if (sl_type_rank(stack) != sl_type_rank(item) + 1)
        return true;
    for (int axis = 0; axis < sl_type_rank(item); axis++)
        if (sl_dims_conflict(sl_type_dim(stack, axis + 1), sl_type_dim(item, axis)))
            return true;
    return false;
}

bool sl_verify_loop(const sl_op *op) {
    int64_t carried = sl_op_int(op, "carried", 0);
    bool ok = check_scalar_operand(op, 0, SL_ELEMENT_i64, "trip count");
    ok &= check_scalar_operand(op, 1, SL_ELEMENT_i1, "condition");
    const sl_op *yield = sl_verify_terminator(op, 0, SL_OP_tensor_yield, SL_OP_tensor_yield);
    if (!yield)
        return false;
    const sl_block *body = sl_op_body(op, 0);
    int results = sl_op_result_count(op);
    if (carried < 0 || sl_op_operand_count(op) != 2 + carried || sl_block_argument_count(body) != 2 + carried || results < carried ||
        sl_op_operand_count(yield) != 1 + results) {
        sl_op_report(op, SL_SEVERITY_ERROR,
                     "tensor.loop: with %lld carried values it takes %lld operands and %lld block arguments and yields a condition and one value per result; "
                     "it has %d operands, %d arguments, %d results and yields %d values",
                     (long long)carried, (long long)carried + 2, (long long)carried + 2, sl_op_operand_count(op), sl_block_argument_count(body), results,
                     sl_op_operand_count(yield));
        return false;
    }
    static const sl_element leading[] = {SL_ELEMENT_i64, SL_ELEMENT_i1};
    for (int i = 0; i < 2; i++) {
        sl_type type = sl_value_type(sl_block_argument(body, i));
        if (!sl_type_is_tensor(type) || !sl_type_is_ranked(type) || sl_type_rank(type) != 0 || sl_type_element(type) != leading[i]) {
            sl_op_report(op, SL_SEVERITY_ERROR, "tensor.loop: block argument %d (%s) must be tensor<%s>", i, i ? "condition" : "iteration", sl_element_name(leading[i]));
            ok = false;
        }
    }
    sl_type next = sl_value_type(sl_op_operand(yield, 0));
    if (!sl_type_is_tensor(next) || sl_type_element(next) != SL_ELEMENT_i1 || (sl_type_is_ranked(next) && sl_type_rank(next) != 0)) {
        sl_op_report(op, SL_SEVERITY_ERROR, "tensor.loop: the first yielded value must be the condition, a tensor<i1>");
        ok = false;
    }
    for (int i = 0; i < carried; i++) {
        sl_type start = sl_value_type(sl_op_operand(op, 2 + i)), argument = sl_value_type(sl_block_argument(body, 2 + i));
        sl_type yielded = sl_value_type(sl_op_operand(yield, 1 + i)), result = sl_value_type(sl_op_result(op, i));
        if (sl_types_conflict(start, argument))
            ok = fail_flow(op, "start value", i, start, "block argument", argument);
        if (sl_types_conflict(yielded, argument))
            ok = fail_flow(op, "yielded value", i, yielded, "block argument", argument);
        if (sl_types_conflict(yielded, result))
            ok = fail_flow(op, "yielded value", i, yielded, "result", result);
    }
    for (int i = (int)carried; i < results; i++)
        if (stack_conflicts(sl_value_type(sl_op_result(op, i)), sl_value_type(sl_op_operand(yield, 1 + i))))
            ok = fail_flow(op, "scanned value", i - (int)carried, sl_value_type(sl_op_operand(yield, 1 + i)), "stack", sl_value_type(sl_op_result(op, i)));
    return ok && sl_verify_loop_state(op, yield);
}

bool sl_verify_partition(const sl_op *op) {
    sl_type keys = sl_value_type(sl_op_operand(op, 0)), plan = sl_value_type(sl_op_result(op, 0));
    bool ok = true;
    if (!sl_type_is_tensor(keys) || !sl_element_is_integer(sl_type_element(keys)) ||
        (sl_type_is_ranked(keys) && sl_type_rank(keys) != 1 && sl_type_rank(keys) != 2)) {
        sl_op_report(op, SL_SEVERITY_ERROR, "route.partition: keys must be an integer tensor of rank 1 or 2, not %s", sl_type_text(sl_op_context(op), keys));
        ok = false;
    }
    if (sl_type_get_kind(plan) != SL_TYPE_PARTITION) {
        sl_op_report(op, SL_SEVERITY_ERROR, "route.partition: the result must be a partition, not %s", sl_type_text(sl_op_context(op), plan));
        ok = false;
    }
    return ok;
}

bool sl_verify_route_count(const sl_op *op) {
    sl_type plan = sl_value_type(sl_op_operand(op, 0)), counts = sl_value_type(sl_op_result(op, 0));
    bool fits = sl_type_get_kind(plan) == SL_TYPE_PARTITION && sl_type_is_tensor(counts) && sl_type_element(counts) == SL_ELEMENT_i64 && sl_type_is_ranked(counts) &&
                sl_type_rank(counts) == 1 && (sl_type_static_dim(counts, 0) < 0 || sl_type_static_dim(counts, 0) == sl_type_branches(plan));
    if (!fits)
        sl_op_report(op, SL_SEVERITY_ERROR, "route.count: makes one i64 per branch of a plan, not %s of %s", sl_type_text(sl_op_context(op), counts),
                     sl_type_text(sl_op_context(op), plan));
    return fits;
}

/* Tensors of one element type whose dims behind the leading one agree. */
static bool rows_conflict(sl_type a, sl_type b) {
    if (!sl_type_is_tensor(a) || !sl_type_is_tensor(b) || sl_type_element(a) != sl_type_element(b))
        return true;
    if (!sl_type_is_ranked(a) || !sl_type_is_ranked(b))
        return false;
    if (sl_type_rank(a) != sl_type_rank(b) || sl_type_rank(a) < 1)
        return true;
    for (int axis = 1; axis < sl_type_rank(a); axis++)
        if (sl_dims_conflict(sl_type_dim(a, axis), sl_type_dim(b, axis)))
            return true;
    return false;
}

bool sl_verify_switch(const sl_op *op) {
    sl_type plan = sl_value_type(sl_op_operand(op, 0));
    const char *merge = sl_op_string(op, "merge", "");
    bool weighted = sl_op_bool(op, "weighted", false), keep = strcmp(merge, "keep") == 0;
    int64_t rows = sl_op_int(op, "rows", 0);
    int results = sl_op_result_count(op);
    if (sl_type_get_kind(plan) != SL_TYPE_PARTITION) {
        sl_op_report(op, SL_SEVERITY_ERROR, "route.switch: operand 0 must be a partition, not %s", sl_type_text(sl_op_context(op), plan));
        return false;
    }
    if (!sl_verify_word(op, "merge", "place add keep"))
        return false;
    if (weighted && strcmp(merge, "add") != 0) {
        sl_op_report(op, SL_SEVERITY_ERROR, "route.switch: weights go with merge \"add\" only");
        return false;
    }
    if (!sl_verify_state_words(op))
        return false;
    if (sl_op_region_count(op) != sl_type_branches(plan)) {
        sl_op_report(op, SL_SEVERITY_ERROR, "route.switch: the plan has %d branches, the op has %d regions", sl_type_branches(plan), sl_op_region_count(op));
        return false;
    }
    if (rows < 0 || sl_op_operand_count(op) != 1 + rows + (weighted ? 1 : 0) + (keep ? results : 0)) {
        sl_op_report(op, SL_SEVERITY_ERROR, "route.switch: expected a plan, %lld row tensors%s%s, found %d operands", (long long)rows, weighted ? ", weights" : "",
                     keep ? ", one old value per result" : "", sl_op_operand_count(op));
        return false;
    }
    bool ok = true;
    for (int i = 0; i < results && keep; i++) {
        sl_type old = sl_value_type(sl_op_operand(op, 1 + (int)rows + i)), result = sl_value_type(sl_op_result(op, i));
        if (sl_types_conflict(old, result))
            ok = fail_flow(op, "old value", i, old, "result", result);
    }
    if (weighted) {
        sl_type weights = sl_value_type(sl_op_operand(op, 1 + (int)rows));
        if (!sl_type_is_tensor(weights) || !sl_element_is_float(sl_type_element(weights)) || (sl_type_is_ranked(weights) && sl_type_rank(weights) > 2)) {
            sl_op_report(op, SL_SEVERITY_ERROR, "route.switch: weights must be a floating-point tensor, rows x choices, not %s",
                         sl_type_text(sl_op_context(op), weights));
            ok = false;
        }
    }
    for (int region = 0; region < sl_op_region_count(op); region++) {
        const sl_op *yield = sl_verify_terminator(op, region, SL_OP_route_yield, SL_OP_tensor_yield);
        if (!yield) {
            ok = false;
            continue;
        }
        const sl_block *body = sl_op_body(op, region);
        if (sl_block_argument_count(body) != rows || sl_op_operand_count(yield) != results) {
            sl_op_report(op, SL_SEVERITY_ERROR, "route.switch: branch %d takes %d row tensors and yields %d values; the op has %lld and %d", region,
                         sl_block_argument_count(body), sl_op_operand_count(yield), (long long)rows, results);
            ok = false;
            continue;
        }
        for (int i = 0; i < rows; i++) {
            sl_type whole = sl_value_type(sl_op_operand(op, 1 + i)), packed = sl_value_type(sl_block_argument(body, i));
            if (rows_conflict(whole, packed))
                ok = fail_flow(op, "row tensor", i, whole, "block argument", packed);
        }
        for (int i = 0; i < results; i++) {
            sl_type packed = sl_value_type(sl_op_operand(yield, i)), result = sl_value_type(sl_op_result(op, i));
            if (rows_conflict(packed, result))
                ok = fail_flow(op, "yielded value", i, packed, "result", result);
        }
    }
    return ok;
}
