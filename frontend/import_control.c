/* import_control.c: If, Loop, Scan. Nested graphs become regions; values of the enclosing graphs are captured.
 *
 * Types are not known before the bodies are imported, so a body goes into a provisional op first and moves to the final one afterwards (finish).
 * Loop: carried values start with the types of their initial values; when the body yields another size the dimension becomes a fresh symbol and the
 * body is imported again, until the types are stable.
 * If: results whose sizes differ get fresh symbols. When ranks or element types differ, the nodes that depend on the If are imported into both
 * branches (sinking), so that each is typed by itself.
 * Sequences are resolved while importing: a Loop that carries one is unrolled, which needs a known trip count. */
#include "import_internal.h"
#include <string.h>

enum { MAX_UNROLL = 1024, MAX_CARRIED = 512 };

void im_yield(im_node *n, sl_block *block, int count, sl_value *const *values)
{
    sl_builder b = sl_builder_at_end(n->builder->module, block);
    b.loc = n->builder->loc;
    sl_build(&b, SL_OP_tensor_yield, count, values, 0, NULL, 0, NULL);
}

static sl_value *condition(im_node *n, sl_value *value)
{
    if (im_element(value) != SL_ELEMENT_i1) im_fail(n, "the condition must be boolean, but is %s", sl_element_name(im_element(value)));
    return im_rank0(n, value, "the condition");
}

static const sl_graph *graph_param(im_node *n, const char *name)
{
    const sl_param *p = im_param(n, name);
    if (!p || p->kind != SL_PARAM_GRAPH || !p->graph) im_fail(n, "attribute '%s' must be a graph", name);
    return p->graph;
}

_Noreturn static void fail_silently(im_node *n) { im_mute(n, true); im_fail(n, "a node of the body failed"); }

/* The final op with the regions of a provisional one. */
static sl_op *finish(im_node *n, sl_op *provisional, int operand_count, sl_value *const *operands, int result_count, const sl_type *types, const im_attrs *attrs)
{
    sl_op *op = sl_build(n->builder, sl_op_get_kind(provisional), operand_count, operands, result_count, types, attrs ? attrs->count : 0, attrs ? attrs->list : NULL);
    for (int r = 0; r < sl_op_region_count(provisional); r++) {
        sl_block *from = sl_op_body(provisional, r), *to = sl_op_body(op, r);
        int count = sl_block_argument_count(from);
        sl_value **arguments = SL_NEW_ARRAY(n->arena, sl_value *, count + 1);
        for (int i = 0; i < count; i++) arguments[i] = sl_block_add_argument(to, sl_value_type(sl_block_argument(from, i)));
        sl_builder b = sl_builder_at_end(n->builder->module, to);
        sl_block_inline(&b, from, arguments);
    }
    sl_op_erase(provisional);
    return op;
}

/* The common type of two values of one rank and element: equal dims stay, others become fresh symbols. */
static sl_type merge_types(im_node *n, sl_type a, sl_type b)
{
    if (a == b) return a;
    sl_expr dims[SL_MAX_RANK];
    int rank = sl_type_rank(a);
    for (int i = 0; i < rank; i++) dims[i] = sl_type_dim(a, i) == sl_type_dim(b, i) ? sl_type_dim(a, i) : sl_expr_fresh(n->context);
    return sl_type_tensor(n->context, sl_type_element(a), rank, dims);
}

/* ---- If ---- */

/* Symbols that an op inside of a region binds mean nothing outside of it. They are the fresh ones made since the region was begun: expressions are
 * numbered as they are made. */
typedef struct symbol_search { uint32_t since; bool found; } symbol_search;

static void look_at_symbol(void *self, sl_expr symbol)
{
    symbol_search *search = self;
    if (sl_expr_is_fresh(symbol) && sl_expr_id(symbol) >= search->since) search->found = true;
}

static uint32_t region_mark(im_node *n) { return sl_expr_id(sl_expr_fresh(n->context)); }

static sl_type outside_type(im_node *n, sl_type type, uint32_t mark)
{
    if (!sl_type_is_tensor(type) || !sl_type_is_ranked(type)) return type;
    sl_expr dims[SL_MAX_RANK];
    for (int i = 0; i < sl_type_rank(type); i++) {
        symbol_search search = {.since = mark};
        sl_expr_visit_symbols(sl_type_dim(type, i), look_at_symbol, &search);
        dims[i] = search.found ? sl_expr_fresh(n->context) : sl_type_dim(type, i);
    }
    return sl_type_tensor(n->context, sl_type_element(type), sl_type_rank(type), dims);
}

static bool same_form(const im_item *a, const im_item *b)
{
    if (a->kind != b->kind) return false;
    switch (a->kind) {
    case IM_TENSOR: {
        sl_type s = sl_value_type(a->value), t = sl_value_type(b->value);
        if (sl_type_element(s) != sl_type_element(t)) return false;
        return sl_type_is_ranked(s) && sl_type_is_ranked(t) ? sl_type_rank(s) == sl_type_rank(t) : s == t;
    }
    case IM_LIST:
    case IM_OPTIONAL:
        if (a->count != b->count) return false;
        for (int i = 0; i < a->count; i++)
            if (!same_form(a->items[i], b->items[i])) return false;
        return true;
    case IM_TEXT:
    case IM_BROKEN: return a == b;
    }
    return false;
}

/* Collects the tensors of items, lists opened, to be yielded. */
static int flatten(im_node *n, const im_item *item, sl_value **values, int count)
{
    if (item->kind == IM_TENSOR) {
        if (count == MAX_CARRIED) im_fail(n, "more than %d results", MAX_CARRIED);
        values[count++] = item->value;
    }
    for (int i = 0; i < item->count; i++) count = flatten(n, item->items[i], values, count);
    return count;
}

/* The same form with other tensors. */
static const im_item *rebuild(im_node *n, const im_item *form, sl_value *const *values, int *next)
{
    if (form->kind == IM_TENSOR) return im_item_tensor(n, values[(*next)++]);
    if (form->kind == IM_TEXT || form->kind == IM_BROKEN) return form;
    im_item *item = SL_NEW(n->arena, im_item);
    const im_item **items = SL_NEW_ARRAY(n->arena, const im_item *, form->count + 1);
    for (int i = 0; i < form->count; i++) items[i] = rebuild(n, form->items[i], values, next);
    *item = *form;
    item->items = items;
    return item;
}

static void finish_if(im_node *n, uint32_t mark, sl_op *provisional, sl_value *key, int count, const im_item *const *then_items, const im_item *const *else_items, const im_item **results)
{
    sl_value **values[2] = {SL_NEW_ARRAY(n->arena, sl_value *, MAX_CARRIED), SL_NEW_ARRAY(n->arena, sl_value *, MAX_CARRIED)};
    sl_type *types = SL_NEW_ARRAY(n->arena, sl_type, MAX_CARRIED);
    int total = 0, other = 0;
    for (int i = 0; i < count; i++) {
        total = flatten(n, then_items[i], values[0], total);
        other = flatten(n, else_items[i], values[1], other);
    }
    if (total != other) im_fail(n, "the branches give sequences of different lengths");
    for (int i = 0; i < total; i++) {
        sl_type a = sl_value_type(values[0][i]), b = sl_value_type(values[1][i]);
        if (sl_type_element(a) != sl_type_element(b)) im_fail(n, "result %d is %s in one branch and %s in the other", i, sl_element_name(sl_type_element(a)), sl_element_name(sl_type_element(b)));
        bool ranked = sl_type_is_ranked(a) && sl_type_is_ranked(b) && sl_type_rank(a) == sl_type_rank(b);
        types[i] = ranked ? outside_type(n, merge_types(n, a, b), mark) : sl_type_unranked(n->context, sl_type_element(a));
    }
    im_yield(n, sl_op_body(provisional, 0), total, values[0]);
    im_yield(n, sl_op_body(provisional, 1), total, values[1]);
    sl_attr words = count == n->output_count && total == count ? im_words(n, "state", count) : NULL;
    im_attrs attrs = {0};
    if (words) im_attr(&attrs, "state", words);
    sl_op *op = finish(n, provisional, 1, &key, total, types, &attrs);
    sl_value **made = SL_NEW_ARRAY(n->arena, sl_value *, total + 1);
    for (int i = 0; i < total; i++) made[i] = sl_op_result(op, i);
    int next = 0;
    for (int i = 0; i < count; i++) results[i] = rebuild(n, then_items[i], made, &next);
}

void im_op_if(im_node *n)
{
    sl_value *key = condition(n, im_in(n, 0));
    const sl_graph *branch[2] = {graph_param(n, "then_branch"), graph_param(n, "else_branch")};
    const im_item **items[2];
    int64_t known;
    for (int b = 0; b < 2; b++) {
        items[b] = SL_NEW_ARRAY(n->arena, const im_item *, branch[b]->output_count + 1);
        if (branch[b]->state_count) im_fail(n, "states are declared by the model and by bodies of loops, not by a branch");
        if (branch[b]->output_count != n->output_count) im_fail(n, "the branches must have %d outputs, one has %d", n->output_count, branch[b]->output_count);
    }
    if (im_known_int(n, key, &known)) {
        if (!im_graph_inline(n, branch[!known], 0, NULL, items[0])) fail_silently(n);
        for (int i = 0; i < n->output_count; i++) im_item_out(n, i, items[0][i]);
        return;
    }
    uint32_t mark = region_mark(n);
    sl_op *op = sl_build(n->builder, SL_OP_tensor_if, 1, &key, 0, NULL, 0, NULL);
    for (int b = 0; b < 2; b++)
        if (!im_graph_into(n, branch[b], sl_op_body(op, b), 0, NULL, items[b])) fail_silently(n);
    bool same = true;
    for (int i = 0; i < n->output_count; i++) same &= !im_wants(n, i) || same_form(items[0][i], items[1][i]);
    if (!same) {
        sl_builder after = *n->builder;
        n->builder->before = op;
        n->builder->block = sl_op_block(op);
        im_sinking plan = im_sink_plan(n);
        *n->builder = after;
        const im_item **sunk[2], **results = SL_NEW_ARRAY(n->arena, const im_item *, plan.name_count + 1);
        for (int b = 0; b < 2; b++) {
            sunk[b] = SL_NEW_ARRAY(n->arena, const im_item *, plan.name_count + 1);
            if (!im_sink_into(n, &plan, sl_op_body(op, b), items[b], sunk[b])) fail_silently(n);
        }
        finish_if(n, mark, op, key, plan.name_count, sunk[0], sunk[1], results);
        im_sink_finish(n, &plan, results);
        return;
    }
    const im_item **results = SL_NEW_ARRAY(n->arena, const im_item *, n->output_count + 1);
    finish_if(n, mark, op, key, n->output_count, items[0], items[1], results);
    for (int i = 0; i < n->output_count; i++) im_item_out(n, i, results[i]);
}

/* ---- Loop and Scan share the loop whose carried types are found by trial ---- */

typedef struct loop_spec {
    const sl_graph *body;
    int carried, extra;                    /* graph inputs after the first two of Loop: carried values; Scan: carried, then `extra` slices */
    sl_value *start[MAX_CARRIED];
    sl_value *trip, *go_on;                /* rank 0 */
    sl_expr count;                         /* known number of iterations, or NULL */
    bool scan;
    sl_value *scanned[MAX_CARRIED]; int scan_axis[MAX_CARRIED]; bool scan_reverse[MAX_CARRIED];
} loop_spec;

static sl_value **loop_operands(im_node *n, const loop_spec *spec)
{
    sl_value **operands = SL_NEW_ARRAY(n->arena, sl_value *, spec->carried + 2);
    operands[0] = spec->trip;
    operands[1] = spec->go_on;
    for (int i = 0; i < spec->carried; i++) operands[i + 2] = spec->start[i];
    return operands;
}

/* Imports the body once with carried values of the given types. Yields go to values: condition, carried, scanned. */
static sl_op *try_body(im_node *n, const loop_spec *spec, const sl_type *types, const im_item **outputs, bool *good)
{
    sl_value **operands = loop_operands(n, spec);
    im_attrs attrs = {0};
    im_attr(&attrs, "carried", sl_attr_int(n->context, spec->carried));
    sl_op *op = sl_build(n->builder, SL_OP_tensor_loop, spec->carried + 2, operands, 0, NULL, attrs.count, attrs.list);
    sl_block *block = sl_op_body(op, 0);
    sl_value *iteration = sl_block_add_argument(block, sl_type_tensor(n->context, SL_ELEMENT_i64, 0, NULL));
    sl_value *running = sl_block_add_argument(block, sl_type_tensor(n->context, SL_ELEMENT_i1, 0, NULL));
    const im_item **inputs = SL_NEW_ARRAY(n->arena, const im_item *, spec->carried + spec->extra + 2);
    int count = 0;
    if (!spec->scan) {
        inputs[count++] = im_item_tensor(n, iteration);
        inputs[count++] = im_item_tensor(n, running);
    }
    for (int i = 0; i < spec->carried; i++) inputs[count++] = im_item_tensor(n, sl_block_add_argument(block, types[i]));
    sl_builder saved = *n->builder;
    n->builder->block = block;
    n->builder->before = NULL;
    for (int i = 0; i < spec->extra; i++) {
        sl_value *at = iteration;
        if (spec->scan_reverse[i]) at = im_sub(n, im_from_dim(n, sl_expr_sub(n->context, im_dim(spec->scanned[i], spec->scan_axis[i]), im_expr(n, 1))), iteration);
        inputs[count++] = im_item_tensor(n, im_take(n, spec->scanned[i], at, spec->scan_axis[i]));
    }
    *good = im_graph_into(n, spec->body, block, count, inputs, outputs);
    *n->builder = saved;
    return op;
}

static sl_value *tensor_of(im_node *n, const im_item *item, const char *what)
{
    if (item->kind != IM_TENSOR) im_fail(n, "%s must be a tensor", what);
    if (!sl_type_is_ranked(sl_value_type(item->value))) im_fail(n, "%s has an unknown rank", what);
    return item->value;
}

/* Numbers of the carried values that the body declares as states. */
static sl_attr loop_states(im_node *n, const loop_spec *spec)
{
    const sl_graph *body = spec->body;
    int first_in = spec->scan ? 0 : 2, first_out = spec->scan ? 0 : 1;
    int64_t *numbers = SL_NEW_ARRAY(n->arena, int64_t, body->state_count);
    for (int i = 0; i < body->state_count; i++) {
        const sl_graph_state *state = &body->states[i];
        int found = -1;
        for (int k = 0; k < spec->carried && first_in + k < body->input_count && first_out + k < body->output_count; k++)
            if (!strcmp(body->inputs[first_in + k].name, state->input) && !strcmp(body->outputs[first_out + k].name, state->output)) found = k;
        if (found < 0) im_fail(n, "state '%s': '%s' of the body is not carried on by its output '%s'", state->input, state->input, state->output);
        numbers[i] = found;
    }
    return sl_attr_ints(n->context, body->state_count, numbers);
}

/* Builds the loop; results: carried values, then stacks. Returns how many. */
static int build_loop(im_node *n, const loop_spec *spec, sl_value **results)
{
    const sl_graph *body = spec->body;
    int skip = spec->scan ? 0 : 1, scans = body->output_count - spec->carried - skip;
    if (scans < 0) im_fail(n, "the body has %d outputs, at least %d are needed", body->output_count, spec->carried + skip);
    uint32_t mark = region_mark(n);
    sl_type *types = SL_NEW_ARRAY(n->arena, sl_type, spec->carried + 1);
    for (int i = 0; i < spec->carried; i++) {
        sl_type start = sl_value_type(spec->start[i]);
        sl_expr dims[SL_MAX_RANK];
        for (int d = 0; d < sl_type_rank(start); d++) dims[d] = im_is_freed(n, body, i, d) ? sl_expr_fresh(n->context) : sl_type_dim(start, d);
        types[i] = sl_type_tensor(n->context, sl_type_element(start), sl_type_rank(start), dims);
    }
    const im_item **outputs = SL_NEW_ARRAY(n->arena, const im_item *, body->output_count + 1);
    for (int round = 0;; round++) {
        bool good, stable = true;
        if (round == 0) im_mute(n, true);
        sl_op *op = try_body(n, spec, types, outputs, &good);
        if (round == 0) im_mute(n, false);
        if (!good) {
            if (round > 0 || im_is_muted(n)) fail_silently(n);   /* inside of a guess the outer one is given up: two tries at every depth would be too many */
            /* Perhaps it fails only because sizes were taken as fixed: try with all of them free, and say what is wrong then. */
            sl_op_erase(op);
            for (int i = 0; i < spec->carried; i++) {
                sl_expr dims[SL_MAX_RANK];
                for (int d = 0; d < sl_type_rank(types[i]); d++) dims[d] = sl_expr_fresh(n->context);
                types[i] = sl_type_tensor(n->context, sl_type_element(types[i]), sl_type_rank(types[i]), dims);
            }
            continue;
        }
        for (int i = 0; i < spec->carried; i++) {
            sl_type yielded = sl_value_type(tensor_of(n, outputs[i + skip], "a carried value"));
            if (yielded == types[i]) continue;
            if (sl_type_rank(yielded) != sl_type_rank(types[i])) im_fail(n, "carried value %d has rank %d before and %d after an iteration", i, sl_type_rank(types[i]), sl_type_rank(yielded));
            if (sl_type_element(yielded) != sl_type_element(types[i]))
                im_fail(n, "carried value %d is %s before and %s after an iteration", i, sl_element_name(sl_type_element(types[i])), sl_element_name(sl_type_element(yielded)));
            sl_expr dims[SL_MAX_RANK];
            bool changed = false;
            for (int d = 0; d < sl_type_rank(types[i]); d++) {
                sl_expr now = sl_type_dim(types[i], d);
                bool free_already = sl_expr_get_kind(now) == SL_EXPR_SYMBOL && sl_expr_is_fresh(now) && sl_expr_id(now) >= mark;
                dims[d] = now == sl_type_dim(yielded, d) || free_already ? now : sl_expr_fresh(n->context);
                if (dims[d] != now) {
                    changed = true;
                    im_free_dim(n, body, i, d);
                }
            }
            types[i] = sl_type_tensor(n->context, sl_type_element(types[i]), sl_type_rank(types[i]), dims);
            stable &= !changed;
        }
        if (!stable) {
            sl_op_erase(op);
            continue;
        }
        /* Stable: yield and finish. A loop whose condition is the constant true, or its own input, runs the whole trip. */
        sl_builder saved = *n->builder;
        n->builder->block = sl_op_body(op, 0);
        n->builder->before = NULL;
        sl_value **yields = SL_NEW_ARRAY(n->arena, sl_value *, spec->carried + scans + 1);
        yields[0] = spec->scan ? im_scalar_int(n, SL_ELEMENT_i1, 1) : condition(n, tensor_of(n, outputs[0], "the condition"));
        *n->builder = saved;
        int64_t first = 0, next = 0;
        bool whole = spec->count && im_known_int(n, spec->go_on, &first) && first &&
                     ((im_known_int(n, yields[0], &next) && next) || yields[0] == sl_block_argument(sl_op_body(op, 0), 1));
        sl_type *result_types = SL_NEW_ARRAY(n->arena, sl_type, spec->carried + scans + 1);
        sl_expr length = whole ? spec->count : sl_expr_fresh(n->context);
        if (spec->carried + scans > MAX_CARRIED) im_fail(n, "more than %d results", MAX_CARRIED);
        for (int i = 0; i < spec->carried; i++) {
            yields[i + 1] = outputs[i + skip]->value;
            result_types[i] = outside_type(n, types[i], mark);
            if (types[i] == sl_value_type(spec->start[i]) && types[i] == sl_value_type(yields[i + 1])) result_types[i] = types[i];
        }
        for (int i = 0; i < scans; i++) {
            sl_value *value = tensor_of(n, outputs[spec->carried + skip + i], "a scanned value");
            yields[spec->carried + 1 + i] = value;
            sl_expr dims[SL_MAX_RANK + 1] = {length};
            sl_type item = outside_type(n, sl_value_type(value), mark);
            if (sl_type_rank(item) == SL_MAX_RANK) im_fail(n, "a stack would have more than %d dims", SL_MAX_RANK);
            for (int d = 0; d < sl_type_rank(item); d++) dims[d + 1] = sl_type_dim(item, d);
            result_types[spec->carried + i] = sl_type_tensor(n->context, sl_type_element(item), sl_type_rank(item) + 1, dims);
        }
        im_yield(n, sl_op_body(op, 0), 1 + spec->carried + scans, yields);
        im_attrs attrs = {0};
        im_attr(&attrs, "carried", sl_attr_int(n->context, spec->carried));
        if (whole) im_attr(&attrs, "trip_count", sl_attr_expr(n->context, spec->count));
        if (body->state_count) im_attr(&attrs, "state", loop_states(n, spec));
        op = finish(n, op, spec->carried + 2, loop_operands(n, spec), spec->carried + scans, result_types, &attrs);
        for (int i = 0; i < body->state_count; i++)     /* messages about a state name it */
            for (int k = 0; k < spec->carried; k++)
                if (!strcmp(body->inputs[k + (spec->scan ? 0 : 2)].name, body->states[i].input)) sl_value_set_name(sl_block_argument(sl_op_body(op, 0), 2 + k), sl_context_intern(n->context, body->states[i].input));
        for (int i = 0; i < spec->carried + scans; i++) results[i] = sl_op_result(op, i);
        return spec->carried + scans;
    }
}

/* A loop with sequences or optionals: every iteration is imported by itself. */
static void unroll(im_node *n, const sl_graph *body, int carried, int64_t trips)
{
    const im_item **state = SL_NEW_ARRAY(n->arena, const im_item *, carried + 1), **outputs = SL_NEW_ARRAY(n->arena, const im_item *, body->output_count + 1);
    const im_item **inputs = SL_NEW_ARRAY(n->arena, const im_item *, carried + 2);
    int scans = body->output_count - carried - 1;
    if (scans < 0) im_fail(n, "the body has %d outputs, at least %d are needed", body->output_count, carried + 1);
    sl_value ***parts = SL_NEW_ARRAY(n->arena, sl_value **, scans + 1);
    for (int i = 0; i < carried; i++) state[i] = im_item_in(n, i + 2);
    for (int i = 0; i < scans; i++) parts[i] = SL_NEW_ARRAY(n->arena, sl_value *, trips + 1);
    int64_t done = 0;
    for (; done < trips; done++) {
        inputs[0] = im_item_tensor(n, im_scalar_int(n, SL_ELEMENT_i64, done));
        inputs[1] = im_item_tensor(n, im_scalar_int(n, SL_ELEMENT_i1, 1));
        for (int i = 0; i < carried; i++) inputs[i + 2] = state[i];
        if (!im_graph_inline(n, body, carried + 2, inputs, outputs)) fail_silently(n);
        for (int i = 0; i < carried; i++) state[i] = outputs[i + 1];
        for (int i = 0; i < scans; i++) parts[i][done] = im_unsqueeze(n, tensor_of(n, outputs[carried + 1 + i], "a scanned value"), 0);
        int64_t go_on;
        if (!im_known_int(n, tensor_of(n, outputs[0], "the condition"), &go_on)) im_fail_constant(n, "the condition of a loop that carries sequences");
        if (!go_on) {
            done++;
            break;
        }
    }
    for (int i = 0; i < carried; i++) im_item_out(n, i, state[i]);
    for (int i = 0; i < scans; i++) {
        if (done == 0) im_fail(n, "a loop that carries sequences and runs zero times can't stack values");
        im_out(n, carried + i, im_concat(n, 0, (int)done, parts[i]));
    }
}

void im_op_loop(im_node *n)
{
    loop_spec *spec = SL_NEW(n->arena, loop_spec);          /* large, and loops nest: not on the stack */
    spec->body = graph_param(n, "body");
    spec->carried = n->input_count > 2 ? n->input_count - 2 : 0;
    if (spec->carried > MAX_CARRIED) im_fail(n, "more than %d carried values", MAX_CARRIED);
    if (spec->body->input_count != spec->carried + 2) im_fail(n, "the body has %d inputs, %d are needed", spec->body->input_count, spec->carried + 2);
    spec->trip = im_has(n, 0) ? im_rank0(n, im_cast(n, im_in(n, 0), SL_ELEMENT_i64), "the trip count") : im_scalar_int(n, SL_ELEMENT_i64, -1);
    spec->go_on = im_has(n, 1) ? condition(n, im_in(n, 1)) : im_scalar_int(n, SL_ELEMENT_i1, 1);
    int64_t trips, first;
    bool lists = false;
    for (int i = 0; i < spec->carried; i++) lists |= im_item_in(n, i + 2)->kind != IM_TENSOR;
    if (lists) {
        if (!im_has(n, 0) || !im_known_int(n, spec->trip, &trips)) im_fail_constant(n, "the trip count of a loop that carries sequences");
        if (!im_known_int(n, spec->go_on, &first)) im_fail_constant(n, "the condition of a loop that carries sequences");
        if (trips > MAX_UNROLL) im_fail(n, "loops that carry sequences are unrolled, up to %d iterations", MAX_UNROLL);
        unroll(n, spec->body, spec->carried, first ? trips : 0);
        return;
    }
    for (int i = 0; i < spec->carried; i++) spec->start[i] = im_in(n, i + 2);
    sl_expr count;
    if (im_has(n, 0) && im_exprs(n, spec->trip, &count, 1) == 1) spec->count = sl_expr_const_or(count, 0) < 0 ? im_expr(n, 0) : count;
    sl_value **results = SL_NEW_ARRAY(n->arena, sl_value *, MAX_CARRIED);
    int total = build_loop(n, spec, results);
    for (int i = 0; i < total; i++) im_out(n, i, results[i]);
}

/* ---- Scan ---- */

static void scan(im_node *n, sl_value *const *given, int given_count, sl_value **outputs)
{
    loop_spec *spec = SL_NEW(n->arena, loop_spec);
    spec->body = graph_param(n, "body");
    spec->scan = true;
    int64_t *in_axes = SL_NEW_ARRAY(n->arena, int64_t, MAX_CARRIED), *out_axes = SL_NEW_ARRAY(n->arena, int64_t, MAX_CARRIED);
    int64_t *in_directions = SL_NEW_ARRAY(n->arena, int64_t, MAX_CARRIED), *out_directions = SL_NEW_ARRAY(n->arena, int64_t, MAX_CARRIED);
    int64_t extra = im_int(n, "num_scan_inputs", 0);
    spec->extra = extra < 0 || extra > given_count ? 0 : (int)extra;
    spec->carried = given_count - spec->extra;
    int scans = spec->body->output_count - spec->carried;
    if (spec->extra < 1 || spec->carried < 0 || given_count > MAX_CARRIED || spec->body->input_count != given_count || scans < 0) im_fail(n, "the body does not fit num_scan_inputs and the operands");
    bool old = n->opset < 9;
    int nia = old ? -1 : im_ints(n, "scan_input_axes", in_axes, MAX_CARRIED), noa = old ? -1 : im_ints(n, "scan_output_axes", out_axes, MAX_CARRIED);
    int nid = im_ints(n, old ? "directions" : "scan_input_directions", in_directions, MAX_CARRIED), nod = old ? -1 : im_ints(n, "scan_output_directions", out_directions, MAX_CARRIED);
    if ((nia >= 0 && nia != spec->extra) || (nid >= 0 && nid != spec->extra) || (noa >= 0 && noa != scans) || (nod >= 0 && nod != scans)) im_fail(n, "axes or directions do not fit the scanned values");
    for (int i = 0; i < spec->carried; i++) spec->start[i] = given[i];
    for (int i = 0; i < spec->extra; i++) {
        spec->scanned[i] = given[spec->carried + i];
        spec->scan_axis[i] = im_axis(n, nia >= 0 ? in_axes[i] : 0, im_rank(spec->scanned[i]));
        spec->scan_reverse[i] = nid >= 0 && in_directions[i];
    }
    spec->count = im_dim(spec->scanned[0], spec->scan_axis[0]);
    spec->trip = im_from_dim(n, spec->count);
    spec->go_on = im_scalar_int(n, SL_ELEMENT_i1, 1);
    sl_value **results = SL_NEW_ARRAY(n->arena, sl_value *, MAX_CARRIED);
    int total = build_loop(n, spec, results);
    for (int i = 0; i < total; i++) {
        sl_value *value = results[i];
        int k = i - spec->carried;
        if (k >= 0 && nod >= 0 && out_directions[k]) value = im_flip(n, value, 0);
        if (k >= 0 && noa >= 0) value = im_move_axis(n, value, 0, im_axis(n, out_axes[k], im_rank(value)));
        outputs[i] = value;
    }
}

void im_op_scan(im_node *n)
{
    sl_value **given = SL_NEW_ARRAY(n->arena, sl_value *, MAX_CARRIED), **outputs = SL_NEW_ARRAY(n->arena, sl_value *, MAX_CARRIED);
    if (n->input_count > MAX_CARRIED) im_fail(n, "more than %d operands", MAX_CARRIED);
    int total = graph_param(n, "body")->output_count;
    if (total > MAX_CARRIED) im_fail(n, "more than %d results", MAX_CARRIED);
    for (int i = 0; i < n->input_count; i++) given[i] = im_in(n, i);
    scan(n, given, n->input_count, outputs);
    for (int i = 0; i < total; i++) im_out(n, i, outputs[i]);
}

/* Version 8: a leading batch dim everywhere, whose entries are scanned one by one, and optional lengths as operand 0. */
void im_op_scan_batched(im_node *n)
{
    if (im_has(n, 0)) im_fail(n, "sequence_lens are not supported");
    int count = n->input_count - 1, total = graph_param(n, "body")->output_count;
    if (count < 1 || count > MAX_CARRIED || total > MAX_CARRIED) im_fail(n, "operands are missing");
    int64_t batch = im_static_dim(n, im_in(n, 1), 0, "the batch of Scan version 8");
    if (batch < 1 || batch > MAX_UNROLL) im_fail(n, "batches of 1 to %d are possible", MAX_UNROLL);
    sl_value **parts = SL_NEW_ARRAY(n->arena, sl_value *, batch * total + 1);
    for (int64_t b = 0; b < batch; b++) {
        sl_value **given = SL_NEW_ARRAY(n->arena, sl_value *, count + 1), **outputs = SL_NEW_ARRAY(n->arena, sl_value *, MAX_CARRIED);
        for (int i = 0; i < count; i++) given[i] = im_squeeze(n, im_slice_axis(n, im_in(n, i + 1), 0, im_expr(n, b), im_expr(n, 1), 1), 0);
        scan(n, given, count, outputs);
        for (int i = 0; i < total; i++) parts[i * batch + b] = im_unsqueeze(n, outputs[i], 0);
    }
    for (int i = 0; i < total; i++) im_out(n, i, im_concat(n, 0, (int)batch, parts + i * batch));
}
