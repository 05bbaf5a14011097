/* import_sequence.c: sequences and optionals, resolved while importing: a sequence is a list of values known by number, an optional is there or not. */
#include "import_internal.h"
#include <string.h>

static const im_item *list_in(im_node *n, int index)
{
    const im_item *item = im_item_in(n, index);
    if (item->kind == IM_OPTIONAL && item->count == 1) item = item->items[0];
    if (item->kind != IM_LIST) im_fail(n, "operand %d must be a sequence", index);
    return item;
}

static int64_t list_position(im_node *n, int operand, int64_t count, int64_t otherwise, int64_t last)
{
    if (!im_has(n, operand)) return otherwise;
    int64_t at = im_need_int(n, im_in(n, operand), "the position in the sequence");
    if (at < -count || at > last) im_fail(n, "position %lld is outside of a sequence of %lld", (long long)at, (long long)count);
    return at < 0 ? at + count : at;
}

void im_op_sequence_empty(im_node *n) { im_item_out(n, 0, im_item_list(n, 0, NULL)); }

void im_op_sequence_construct(im_node *n)
{
    for (int i = 0; i < n->input_count; i++) im_item_in(n, i);
    im_item_out(n, 0, im_item_list(n, n->input_count, n->inputs));
}

void im_op_sequence_at(im_node *n)
{
    const im_item *list = list_in(n, 0);
    int64_t at = list_position(n, 1, list->count, 0, list->count - 1);
    im_item_out(n, 0, list->items[at]);
}

void im_op_sequence_insert(im_node *n)
{
    const im_item *list = list_in(n, 0), *item = im_item_in(n, 1);
    int64_t at = list_position(n, 2, list->count, list->count, list->count);
    const im_item **items = SL_NEW_ARRAY(n->arena, const im_item *, list->count + 1);
    for (int i = 0; i <= list->count; i++) items[i] = i < at ? list->items[i] : i == at ? item : list->items[i - 1];
    im_item_out(n, 0, im_item_list(n, list->count + 1, items));
}

void im_op_sequence_erase(im_node *n)
{
    const im_item *list = list_in(n, 0);
    if (list->count == 0) im_fail(n, "the sequence is empty");
    int64_t at = list_position(n, 1, list->count, list->count - 1, list->count - 1);
    const im_item **items = SL_NEW_ARRAY(n->arena, const im_item *, list->count);
    for (int i = 0, k = 0; i < list->count; i++)
        if (i != at) items[k++] = list->items[i];
    im_item_out(n, 0, im_item_list(n, list->count - 1, items));
}

void im_op_sequence_length(im_node *n) { im_out(n, 0, im_scalar_int(n, SL_ELEMENT_i64, list_in(n, 0)->count)); }

void im_op_split_to_sequence(im_node *n)
{
    sl_value *x = im_in(n, 0);
    int axis = im_axis(n, im_int(n, "axis", 0), im_rank(x));
    int64_t size = im_static_dim(n, x, axis, "the split axis"), sizes[4096];
    bool keep = true;
    int count;
    if (im_has(n, 1)) {
        sl_value *split = im_in(n, 1);
        count = im_need_ints(n, split, "the split sizes", sizes, 4096);
        if (im_rank(split) == 0) {                                /* equal chunks, the last one may be smaller */
            int64_t chunk = sizes[0];
            if (chunk <= 0 || (size + chunk - 1) / chunk > 4096) im_fail(n, "between 1 and 4096 parts are possible");
            count = (int)((size + chunk - 1) / chunk);
            for (int i = 0; i < count; i++) sizes[i] = i + 1 < count ? chunk : size - chunk * (count - 1);
        }
    } else {
        keep = im_bool(n, "keepdims", true);
        if (size > 4096) im_fail(n, "more than 4096 parts");
        count = (int)size;
        for (int i = 0; i < count; i++) sizes[i] = 1;
    }
    const im_item **items = SL_NEW_ARRAY(n->arena, const im_item *, count + 1);
    int64_t start = 0;
    for (int i = 0; i < count; i++) {
        if (sizes[i] < 0 || sizes[i] > size - start) im_fail(n, "the split sizes add up to more than %lld", (long long)size);
        sl_value *part = im_slice_axis(n, x, axis, im_expr(n, start), im_expr(n, sizes[i]), 1);
        items[i] = im_item_tensor(n, keep ? part : im_squeeze(n, part, axis));
        start += sizes[i];
    }
    if (start != size) im_fail(n, "the split sizes add up to %lld, the axis has %lld", (long long)start, (long long)size);
    im_item_out(n, 0, im_item_list(n, count, items));
}

void im_op_concat_from_sequence(im_node *n)
{
    const im_item *list = list_in(n, 0);
    if (list->count == 0) im_fail(n, "the sequence is empty");
    bool fresh = im_bool(n, "new_axis", false);
    sl_value **parts = SL_NEW_ARRAY(n->arena, sl_value *, list->count);
    for (int i = 0; i < list->count; i++) {
        if (list->items[i]->kind != IM_TENSOR) im_fail(n, "the sequence must hold tensors");
        parts[i] = list->items[i]->value;
        if (im_rank(parts[i]) != im_rank(parts[0])) im_fail(n, "the tensors of the sequence differ in rank");
    }
    int axis = im_axis(n, im_int(n, "axis", 0), im_rank(parts[0]) + fresh);
    for (int i = 0; i < list->count && fresh; i++) parts[i] = im_unsqueeze(n, parts[i], axis);
    im_out(n, 0, im_concat(n, axis, list->count, parts));
}

/* The body once for each position; operands that are no sequences are the same for all. */
void im_op_sequence_map(im_node *n)
{
    const sl_param *p = im_param(n, "body");
    if (!p || p->kind != SL_PARAM_GRAPH) im_fail(n, "attribute 'body' must be a graph");
    int length = list_in(n, 0)->count, outputs = p->graph->output_count;
    n->asked = n->input_count;
    const im_item ***results = SL_NEW_ARRAY(n->arena, const im_item **, outputs + 1);
    for (int o = 0; o < outputs; o++) results[o] = SL_NEW_ARRAY(n->arena, const im_item *, length + 1);
    const im_item **inputs = SL_NEW_ARRAY(n->arena, const im_item *, n->input_count + 1), **made = SL_NEW_ARRAY(n->arena, const im_item *, outputs + 1);
    for (int i = 0; i < length; i++) {
        for (int k = 0; k < n->input_count; k++) {
            const im_item *item = im_item_in(n, k);
            if (item->kind == IM_LIST && item->count != length) im_fail(n, "the sequences differ in length");
            inputs[k] = item->kind == IM_LIST ? item->items[i] : item;
        }
        if (!im_graph_inline(n, p->graph, n->input_count, inputs, made)) im_fail(n, "the body failed for position %d", i);
        for (int o = 0; o < outputs; o++) results[o][i] = made[o];
    }
    for (int o = 0; o < outputs; o++) im_item_out(n, o, im_item_list(n, length, results[o]));
}

/* ---- optionals ---- */

void im_op_optional(im_node *n)
{
    im_item *item = SL_NEW(n->arena, im_item);
    item->kind = IM_OPTIONAL;
    if (im_has(n, 0) || (n->input_count && n->inputs[0])) {
        item->count = 1;
        item->items = n->inputs;
    }
    im_item_out(n, 0, item);
}

void im_op_optional_has_element(im_node *n) { im_out(n, 0, im_scalar_int(n, SL_ELEMENT_i1, im_has(n, 0))); }

void im_op_optional_get_element(im_node *n)
{
    const im_item *item = im_item_in(n, 0);
    if (item->kind == IM_OPTIONAL && item->count == 0) im_fail(n, "the optional is empty");
    im_item_out(n, 0, item->kind == IM_OPTIONAL ? item->items[0] : item);
}
