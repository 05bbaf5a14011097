/* import_route.c: Sluice's own routing operator: rows of tensors go to the branches that keys name, each branch runs on its packed rows, and the results
 * are merged. docs/graph-format.md describes it for authors of models. */
#include "import_internal.h"
#include <string.h>

enum { MAX_BRANCHES = 4096, MAX_TENSORS = 64 };

/* The plan that the first input's keys make. */
static sl_value *partition(im_node *n, sl_value *keys, int64_t branches) {
    if (!sl_element_is_integer(im_element(keys)) || im_rank(keys) < 1 || im_rank(keys) > 2) im_fail(n, "the keys must be integers, one per row or rows x choices");
    sl_type type = sl_type_partition(n->context, (int)branches);
    return sl_op_result(sl_build(n->builder, SL_OP_route_partition, 1, &keys, 1, &type, 0, NULL), 0);
}

/* Input: keys. Attribute branches: how many. */
void im_op_route_count(im_node *n) {
    int64_t branches = im_int(n, "branches", -1);
    if (branches < 1 || branches > MAX_BRANCHES) im_fail(n, "attribute 'branches' must be a number from 1 to %d", MAX_BRANCHES);
    sl_value *plan = partition(n, im_in(n, 0), branches);
    sl_expr count = sl_expr_const(n->context, branches);
    sl_type type = im_tensor_type(n, SL_ELEMENT_i64, 1, &count);
    im_out(n, 0, sl_op_result(sl_build(n->builder, SL_OP_route_count, 1, &plan, 1, &type, 0, NULL), 0));
}

/* Inputs: keys (rows, or rows x choices), then `rows` row tensors; with `weighted` the weights; with merge "keep" one old value per output. */
void im_op_route(im_node *n)
{
    sl_context *context = n->context;
    const sl_param *branches = im_param(n, "branches");
    if (!branches || branches->kind != SL_PARAM_GRAPHS || branches->count < 1 || branches->count > MAX_BRANCHES)
        im_fail(n, "attribute 'branches' must be a list of 1 to %d graphs", MAX_BRANCHES);
    const char *merge = im_string(n, "merge", "place");
    bool keep = !strcmp(merge, "keep"), add = !strcmp(merge, "add"), weighted = im_bool(n, "weighted", false);
    if (!keep && !add && strcmp(merge, "place") != 0) im_fail(n, "attribute 'merge' must be place, add or keep, but is '%s'", merge);
    if (weighted && !add) im_fail(n, "weights go with merge add only");
    int results = n->output_count;
    int64_t rows = im_int(n, "rows", n->input_count - 1 - weighted - (keep ? results : 0));
    if (rows < 0 || results < 1 || results > MAX_TENSORS || 1 + rows + weighted + (keep ? results : 0) != n->input_count || n->input_count > MAX_TENSORS)
        im_fail(n, "the operands must be keys, row tensors%s%s", weighted ? ", weights" : "", keep ? ", one old value per output" : "");

    sl_value *operands[MAX_TENSORS];
    for (int i = 0; i < n->input_count; i++) operands[i] = im_in(n, i);
    sl_value *keys = operands[0];
    operands[0] = partition(n, keys, branches->count);
    sl_expr count = im_dim(keys, 0);

    im_attrs attrs = {0};
    im_attr(&attrs, "rows", sl_attr_int(context, rows));
    im_attr(&attrs, "merge", sl_attr_string(context, merge));
    if (weighted) im_attr(&attrs, "weighted", sl_attr_bool(context, true));
    sl_attr words = im_words(n, "state", results);
    if (words) im_attr(&attrs, "state", words);
    /* The bodies decide the types of the results, so they go into a provisional op first. */
    sl_op *provisional = sl_build(n->builder, SL_OP_route_switch, n->input_count, operands, 0, NULL, attrs.count, attrs.list);
    sl_type types[MAX_TENSORS] = {NULL};
    for (int b = 0; b < (int)branches->count; b++) {
        const sl_graph *graph = branches->graphs[b];
        if (graph->state_count) im_fail(n, "states are declared by the model and by bodies of loops, not by a branch");
        if (graph->output_count != results) im_fail(n, "branch %d has %d outputs, the node has %d", b, graph->output_count, results);
        sl_block *block = sl_region_block(sl_op_add_region(provisional));
        sl_expr packed = sl_expr_fresh(context);
        const im_item *inputs[MAX_TENSORS], *outputs[MAX_TENSORS];
        for (int i = 0; i < rows; i++) {
            sl_value *whole = operands[1 + i];
            sl_expr dims[SL_MAX_RANK];
            im_need_rank(n, whole, "a row tensor", 1, -1);
            for (int d = 0; d < im_rank(whole); d++) dims[d] = d ? im_dim(whole, d) : packed;
            inputs[i] = im_item_tensor(n, sl_block_add_argument(block, im_tensor_type(n, im_element(whole), im_rank(whole), dims)));
        }
        if (!im_graph_into(n, graph, block, (int)rows, inputs, outputs)) im_fail(n, "a node of branch %d failed", b);
        sl_value *yields[MAX_TENSORS];
        for (int i = 0; i < results; i++) {
            if (outputs[i]->kind != IM_TENSOR) im_fail(n, "output %d of branch %d is no tensor", i, b);
            yields[i] = outputs[i]->value;
            im_need_rank(n, yields[i], "a branch's output", 1, -1);
            if (im_dim(yields[i], 0) != packed) im_fail(n, "output %d of branch %d must have the branch's rows as its leading dim", i, b);
            sl_expr dims[SL_MAX_RANK];
            for (int d = 0; d < im_rank(yields[i]); d++) dims[d] = d ? im_dim(yields[i], d) : count;
            sl_type type = im_tensor_type(n, im_element(yields[i]), im_rank(yields[i]), dims);
            if (types[i] && types[i] != type) im_fail(n, "output %d of branch %d has another type than that of branch 0", i, b);
            types[i] = type;
        }
        im_yield(n, block, results, yields);
    }
    sl_op *op = sl_build(n->builder, SL_OP_route_switch, n->input_count, operands, results, types, attrs.count, attrs.list);
    for (int b = 0; b < (int)branches->count; b++) {
        sl_block *from = sl_op_body(provisional, b), *to = sl_region_block(sl_op_add_region(op));
        sl_value *arguments[MAX_TENSORS];
        for (int i = 0; i < rows; i++) arguments[i] = sl_block_add_argument(to, sl_value_type(sl_block_argument(from, i)));
        sl_builder at = sl_builder_at_end(n->builder->module, to);
        sl_block_inline(&at, from, arguments);
    }
    sl_op_erase(provisional);
    for (int i = 0; i < results; i++) im_out(n, i, sl_op_result(op, i));
}
