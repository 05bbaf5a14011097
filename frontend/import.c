/* import.c: the driver of the import: a model as read becomes core.func @main.
 *
 * Names of the model resolve through scopes: one per graph, nested graphs look outwards (values captured by regions), bodies of model-local
 * functions are closed. A node is imported by its table row (import.def); its function leaves by im_fail, which ends in call_guarded here: the
 * node's outputs are marked broken and nodes that read them are passed over in silence, so that one run reports every independent mistake.
 * Before anything is built all nodes are looked up, and every operator that the table lacks is reported once.
 *
 * Output invariant: @main's block arguments are the model's inputs that are no initializers, in order; every op carries the location of the
 * node it came from; results carry the tensor names of the model.
 */
#include "import_driver.h"
#include <stdio.h>
#include <string.h>

static uint64_t hash_name(const char *name) { return sl_hash_bytes(name, strlen(name), 0); }

static im_slot *find_slot(const im_scope *scope, const char *name)
{
    if (scope->capacity == 0) return NULL;
    for (size_t i = hash_name(name) & (scope->capacity - 1);; i = (i + 1) & (scope->capacity - 1))
        if (!scope->slots[i].name || strcmp(scope->slots[i].name, name) == 0) return &scope->slots[i];
}

void im_scope_define(sl_import *im, im_scope *scope, const char *name, const im_item *item)
{
    if ((scope->slot_count + 1) * 2 > scope->capacity) {
        im_scope old = *scope;
        scope->capacity = old.capacity ? old.capacity * 2 : 32;
        scope->slots = SL_NEW_ARRAY(im->arena, im_slot, scope->capacity);
        for (size_t i = 0; i < old.capacity; i++)
            if (old.slots[i].name) *find_slot(scope, old.slots[i].name) = old.slots[i];
    }
    im_slot *found = find_slot(scope, name);
    if (!found->name) scope->slot_count++;
    *found = (im_slot){name, item};
}

static const im_item *scope_find(const im_scope *scope, const char *name)
{
    for (; scope; scope = scope->outer) {
        const im_slot *found = find_slot(scope, name);
        if (found && found->name) return found->item;
    }
    return NULL;
}

im_scope *im_scope_create(sl_import *im, im_scope *outer)
{
    im_scope *scope = SL_NEW(im->arena, im_scope);
    scope->outer = outer;
    return scope;
}

SL_PRINTF(3, 4) void im_report(sl_import *im, const sl_place *place, const char *format, ...)
{
    if (im->muted) return;                 /* a guess that may fail: its caller decides */
    im->failed = true;
    va_list arguments;
    va_start(arguments, format);
    char buffer[1024];
    vsnprintf(buffer, sizeof buffer, format, arguments);
    va_end(arguments);
    sl_diag_report(sl_context_sink(im->context), SL_SEVERITY_ERROR, place, "%s", buffer);
}

sl_place im_node_place(const sl_import *im, const sl_node *node)
{
    sl_place place = node->place;
    if (!place.file) place.file = im->model->path;
    place.node = node->name;
    place.op = node->op;
    return place;
}

_Noreturn void im_fail(im_node *n, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char buffer[1024];
    vsnprintf(buffer, sizeof buffer, format, arguments);
    va_end(arguments);
    sl_place place = im_node_place(n->import, n->node);
    im_report(n->import, &place, "%s", buffer);
    longjmp(*n->import->failure, 1);
}

_Noreturn void im_fail_constant(im_node *n, const char *what) { im_fail(n, "%s must be constant (known while importing)", what); }

void im_mute(im_node *n, bool muted) { n->import->muted += muted ? 1 : -1; }

bool im_is_muted(im_node *n) { return n->import->muted > 0; }

bool im_is_freed(im_node *n, const sl_graph *body, int carried, int axis)
{
    for (size_t i = 0; i < n->import->freed.count; i++) {
        const im_freed *f = &n->import->freed.data[i];
        if (f->body == body && f->carried == carried && f->axis == axis) return true;
    }
    return false;
}

void im_free_dim(im_node *n, const sl_graph *body, int carried, int axis)
{
    if (!im_is_freed(n, body, carried, axis)) SL_PUSH(n->import->arena, &n->import->freed, (im_freed){body, carried, axis});
}

/* ---- nodes ---- */

const im_item *im_broken_item(sl_import *im)
{
    im_item *item = SL_NEW(im->arena, im_item);
    item->kind = IM_BROKEN;
    return item;
}

/* The one place with a setjmp for im_fail; nothing here is changed after it. */
static bool call_guarded(sl_import *im, im_function function, im_node *n)
{
    jmp_buf target;
    jmp_buf *const outer = im->failure;
    im->failure = &target;
    if (setjmp(target) == 0) {
        function(n);
        if (n->asked < n->input_count) im_fail(n, "%d operands given, but this version of the operator takes no more than %d with these attributes", n->input_count, n->asked);
        im->failure = outer;
        return true;
    }
    im->failure = outer;
    return false;
}

/* Attributes with references to the enclosing function's replaced by the caller's, or left out where the caller has none. */
static void resolve_params(sl_import *im, const sl_node *node, int *count, const sl_param **params)
{
    bool any = false;
    for (int i = 0; i < node->param_count; i++) any |= node->params[i].ref != NULL;
    *count = node->param_count;
    *params = node->params;
    if (!any) return;
    sl_param *list = SL_NEW_ARRAY(im->arena, sl_param, node->param_count);
    *count = 0;
    *params = list;
    for (int i = 0; i < node->param_count; i++) {
        const sl_param *p = &node->params[i];
        if (!p->ref) {
            list[(*count)++] = *p;
            continue;
        }
        const sl_param *value = NULL;
        for (int k = 0; im->frame && k < im->frame->param_count && !value; k++)
            if (strcmp(im->frame->params[k].name, p->ref) == 0) value = &im->frame->params[k];
        for (int k = 0; im->frame && k < im->frame->function->param_count && !value; k++)
            if (strcmp(im->frame->function->params[k].name, p->ref) == 0) value = &im->frame->function->params[k];
        if (!value) continue;
        list[*count] = *value;
        list[(*count)++].name = p->name;
    }
}

bool im_import_nodes(sl_import *im, im_scope *scope);

static bool import_function_call(sl_import *im, im_node *n, const sl_graph_function *function)
{
    sl_place place = im_node_place(im, n->node);
    if (++im->depth > IM_MAX_NESTING) {
        im_report(im, &place, "model-local functions call each other more than %d deep (or without end)", IM_MAX_NESTING);
        im->depth--;
        return false;
    }
    im_frame inner = {im->frame, function, n->param_count, n->params};
    im_scope *scope = im_scope_create(im, NULL);
    for (int i = 0; i < function->input_count; i++)
        if (i < n->input_count && n->inputs[i]) im_scope_define(im, scope, function->inputs[i], n->inputs[i]);
        else im_scope_define(im, scope, function->inputs[i], NULL);
    scope->nodes = function->nodes;
    scope->node_count = function->node_count;
    scope->done = SL_NEW_ARRAY(im->arena, bool, function->node_count + 1);
    im->frame = &inner;
    bool good = im_import_nodes(im, scope);
    im->frame = inner.outer;
    im->depth--;
    for (int i = 0; i < n->output_count && i < function->output_count; i++) {
        n->outputs[i] = scope_find(scope, function->outputs[i]);
        if (!n->outputs[i] && good) {
            im_report(im, &place, "function %s does not compute its output '%s'", function->name, function->outputs[i]);
            good = false;
        }
    }
    return good;
}

void im_define_output(sl_import *im, im_scope *scope, const char *name, const im_item *item)
{
    if (item->kind == IM_TENSOR && !im->frame && !sl_value_name(item->value)) sl_value_set_name(item->value, sl_context_intern(im->context, name));
    im_scope_define(im, scope, name, item);
}

/* Looks the operands up; false when one is broken or missing (the latter is reported). */
static bool gather_inputs(sl_import *im, im_scope *scope, im_node *n)
{
    const sl_node *node = n->node;
    const im_item **inputs = SL_NEW_ARRAY(im->arena, const im_item *, node->input_count + 1);
    bool good = true;
    for (int i = 0; i < node->input_count; i++) {
        if (!node->inputs[i] || !node->inputs[i][0]) continue;
        bool defined = false;
        for (const im_scope *s = scope; s && !defined; s = s->outer) {
            const im_slot *found = find_slot(s, node->inputs[i]);
            if (found && found->name) defined = true, inputs[i] = found->item;
        }
        if (!defined) {
            sl_place place = im_node_place(im, node);
            im_report(im, &place, "operand %d, '%s', is not defined before this node", i, node->inputs[i]);
            good = false;
        } else if (inputs[i] && inputs[i]->kind == IM_BROKEN) {
            good = false;
        }
    }
    n->input_count = node->input_count;
    n->inputs = inputs;
    while (n->input_count && !inputs[n->input_count - 1]) n->input_count--;
    return good;
}

static bool import_node(sl_import *im, im_scope *scope, const sl_node *node)
{
    im_node *n = SL_NEW(im->arena, im_node);
    *n = (im_node){.import = im, .context = im->context, .arena = im->arena, .builder = &im->builder, .scope = scope, .node = node};
    n->output_count = node->output_count;
    n->outputs = SL_NEW_ARRAY(im->arena, const im_item *, node->output_count + 1);
    resolve_params(im, node, &n->param_count, &n->params);
    bool good = ++im->imported <= im->budget && gather_inputs(im, scope, n);
    if (good) {
        sl_loc outer_loc = im->builder.loc;
        sl_builder saved = im->builder;
        struct im_frame *saved_frame = im->frame;
        int saved_depth = im->depth, saved_muted = im->muted;
        im->builder.loc = node->loc ? node->loc : sl_loc_node(im->context, im->model->path, node->name, node->op);
        const sl_graph_function *function = im_find_local(im, node);
        if (function) {
            good = import_function_call(im, n, function);
        } else {
            const char *domain = im_domain(node->domain);
            n->opset = im_domain_version(im, domain);
            im_function import = im_find_function(node->op, domain, n->opset);
            good = import && call_guarded(im, import, n);
        }
        if (!good) {
            im->builder = saved;
            im->frame = saved_frame;
            im->depth = saved_depth;
            im->muted = saved_muted;
        }
        im->builder.loc = outer_loc;
    }
    for (int i = 0; i < node->output_count; i++) {
        if (!node->outputs[i] || !node->outputs[i][0]) continue;
        if (good && !n->outputs[i]) {
            sl_place place = im_node_place(im, node);
            im_report(im, &place, "output %d, '%s', is not supported by the import of %s", i, node->outputs[i], node->op);
            good = false;
        }
        im_define_output(im, scope, node->outputs[i], good ? n->outputs[i] : im_broken_item(im));
    }
    if (!good && !im->muted) im->failed = true;
    return good;
}

bool im_import_nodes(sl_import *im, im_scope *scope)
{
    bool good = true;
    for (int i = 0; i < scope->node_count; i++) {
        if (scope->done[i]) continue;
        scope->done[i] = true;
        if (!import_node(im, scope, &scope->nodes[i])) good = false;
    }
    return good;
}

/* ---- graphs ---- */

static const im_item *item_of_value(sl_import *im, sl_value *value)
{
    im_item *item = SL_NEW(im->arena, im_item);
    item->kind = IM_TENSOR;
    item->value = value;
    return item;
}

static void define_initializers(sl_import *im, im_scope *scope, const sl_graph *graph)
{
    for (int i = 0; i < graph->initializer_count; i++) {
        const sl_graph_tensor *tensor = graph->initializers[i];
        if (tensor->element == SL_ELEMENT_str) {
            im_item *item = SL_NEW(im->arena, im_item);
            item->kind = IM_TEXT;
            item->text = tensor;
            im_scope_define(im, scope, tensor->name, item);
            continue;
        }
        sl_type type = sl_type_tensor_static(im->context, tensor->element, tensor->rank, tensor->shape);
        sl_value *value;
        if (!tensor->absent) value = sl_build_constant(&im->builder, sl_attr_data(im->context, type, tensor->data, tensor->size));
        else if (graph == im->model->graph) value = sl_block_add_argument(im->builder.block, type);    /* as an input, until it is known whether it is needed: drop-absent */
        else {
            im_report(im, &tensor->place, "%s: only weights of the graph itself may be absent", tensor->absent);
            continue;
        }
        sl_value_set_name(value, sl_context_intern(im->context, tensor->name));
        im_scope_define(im, scope, tensor->name, item_of_value(im, value));
    }
}

static im_scope *graph_scope(sl_import *im, im_scope *outer, const sl_graph *graph)
{
    im_scope *scope = im_scope_create(im, outer);
    scope->nodes = graph->nodes;
    scope->node_count = graph->node_count;
    scope->outputs = graph->outputs;
    scope->output_count = graph->output_count;
    scope->done = SL_NEW_ARRAY(im->arena, bool, graph->node_count + 1);
    return scope;
}

bool im_graph_outputs(sl_import *im, im_scope *scope, const sl_place *place, const im_item **outputs)
{
    bool good = true;
    for (int i = 0; i < scope->output_count; i++) {
        outputs[i] = scope_find(scope, scope->outputs[i].name);
        if (!outputs[i] && im->failed) {           /* its node was given up before it got here */
            good = false;
        } else if (!outputs[i]) {
            sl_place at = scope->outputs[i].place.file || !place ? scope->outputs[i].place : *place;
            if (!at.file) at.file = im->model->path;
            im_report(im, &at, "graph output '%s' is not computed by any node", scope->outputs[i].name);
            good = false;
        } else if (outputs[i]->kind == IM_BROKEN) {
            good = false;
        }
    }
    return good;
}

bool im_graph_inline(im_node *n, const sl_graph *graph, int input_count, const im_item *const *inputs, const im_item **outputs)
{
    sl_import *im = n->import;
    if (input_count != graph->input_count)
        im_fail(n, "the body '%s' has %d inputs, but is given %d", graph->name ? graph->name : "", graph->input_count, input_count);
    if (++im->depth > IM_MAX_NESTING) im_fail(n, "graphs are nested more than %d deep", IM_MAX_NESTING);
    im_scope *scope = graph_scope(im, n->scope, graph);
    define_initializers(im, scope, graph);
    for (int i = 0; i < input_count; i++) im_scope_define(im, scope, graph->inputs[i].name, inputs[i]);
    bool good = im_import_nodes(im, scope);
    sl_place place = im_node_place(im, n->node);
    good = im_graph_outputs(im, scope, &place, outputs) && good;
    im->depth--;
    return good;
}

bool im_graph_into(im_node *n, const sl_graph *graph, sl_block *block, int input_count, const im_item *const *inputs, const im_item **outputs)
{
    sl_builder saved = *n->builder;
    n->builder->block = block;
    n->builder->before = NULL;
    bool good = im_graph_inline(n, graph, input_count, inputs, outputs);
    *n->builder = saved;
    return good;
}

/* ---- inputs of the model ---- */

typedef struct binding { sl_expr symbol, value; } binding;
typedef struct bindings { sl_context *context; binding list[256]; int count; } bindings;

static sl_expr bound_symbol(void *self, sl_expr symbol)
{
    const bindings *b = self;
    for (int i = 0; i < b->count; i++)
        if (b->list[i].symbol == symbol) return b->list[i].value;
    return NULL;
}

static void bind(bindings *b, sl_expr symbol, int64_t value)
{
    if (sl_expr_get_kind(symbol) == SL_EXPR_SYMBOL && !bound_symbol(b, symbol) && b->count < 256)
        b->list[b->count++] = (binding){symbol, sl_expr_const(b->context, value)};
}

/* Whether a size of one of the values' types is made of the symbol. */
static bool any_uses(const sl_value_info *values, int count, sl_expr symbol)
{
    for (int i = 0; i < count; i++) {
        sl_type type = values[i].type;
        if (!type || !sl_type_is_tensor(type) || !sl_type_is_ranked(type)) continue;
        for (int d = 0; d < sl_type_rank(type); d++)
            if (sl_expr_uses_symbol(sl_type_dim(type, d), symbol)) return true;
    }
    return false;
}

static bool collect_bindings(sl_import *im, const sl_graph *graph, bindings *b)
{
    const sl_import_options *o = im->options;
    bool good = true;
    for (int i = 0; o && i < o->bind_count; i++) {
        sl_expr symbol = sl_expr_symbol(im->context, o->bind_names[i]);
        bind(b, symbol, o->bind_values[i]);
        if (any_uses(graph->inputs, graph->input_count, symbol) || any_uses(graph->outputs, graph->output_count, symbol)) continue;
        sl_place place = {.file = im->model->path};
        im_report(im, &place, "a size is given for '%s', but no input is called so and no input has a dim of that name", o->bind_names[i]);
        good = false;
    }
    for (int s = 0; o && s < o->shape_count; s++) {
        const sl_value_info *info = NULL;
        for (int i = 0; i < graph->input_count; i++)
            if (strcmp(graph->inputs[i].name, o->shape_names[s]) == 0) info = &graph->inputs[i];
        sl_place place = {.file = im->model->path};
        if (!info) {
            im_report(im, &place, "a shape is given for '%s', but the model has no such input", o->shape_names[s]);
            good = false;
        } else if (info->type && sl_type_is_tensor(info->type) && sl_type_is_ranked(info->type)) {
            if (sl_type_rank(info->type) != o->shape_ranks[s]) {
                im_report(im, &place, "the shape given for input '%s' has %d dims, the model declares %d", info->name, o->shape_ranks[s], sl_type_rank(info->type));
                good = false;
                continue;
            }
            for (int d = 0; d < o->shape_ranks[s]; d++) {
                sl_expr dim = sl_type_dim(info->type, d);
                int64_t known;
                if (o->shapes[s][d] < 0) continue;
                if (sl_expr_is_const(dim, &known) && known != o->shapes[s][d]) {
                    im_report(im, &place, "the shape given for input '%s' has %lld at dim %d, the model declares %lld", info->name, (long long)o->shapes[s][d], d, (long long)known);
                    good = false;
                }
                bind(b, dim, o->shapes[s][d]);
            }
        }
    }
    return good;
}

/* The type of an input with all overrides; NULL after a report. */
static sl_type input_type(sl_import *im, const sl_value_info *info, bindings *b)
{
    sl_place place = info->place;
    if (!place.file) place.file = im->model->path;
    if (!info->type) return im_report(im, &place, "input '%s' has no declared type", info->name), NULL;
    if (!sl_type_is_tensor(info->type)) {
        im_report(im, &place, "input '%s' is a sequence or an optional: only tensors can be inputs of a compiled program", info->name);
        return NULL;
    }
    if (sl_type_element(info->type) == SL_ELEMENT_str) return im_report(im, &place, "input '%s' holds strings: string tensors are not supported", info->name), NULL;
    int rank;
    sl_expr dims[SL_MAX_RANK];
    if (!sl_type_is_ranked(info->type)) {
        const sl_import_options *o = im->options;
        int s = 0;
        while (o && s < o->shape_count && strcmp(o->shape_names[s], info->name) != 0) s++;
        if (!o || s == o->shape_count) return info->type;
        rank = o->shape_ranks[s];
        for (int d = 0; d < rank && d < SL_MAX_RANK; d++)
            dims[d] = o->shapes[s][d] < 0 ? sl_expr_fresh(im->context) : sl_expr_const(im->context, o->shapes[s][d]);
    } else {
        rank = sl_type_rank(info->type);
        for (int d = 0; d < rank; d++) dims[d] = sl_expr_substitute(im->context, sl_type_dim(info->type, d), NULL, 0, bound_symbol, b);
    }
    sl_type type = sl_type_tensor(im->context, sl_type_element(info->type), rank, dims);
    if (sl_type_is_static(type) && sl_type_static_count(type) < 0) im_report(im, &place, "input '%s' has more elements than 64 bits can count", info->name);
    return type;
}

static bool is_initializer(const sl_graph *graph, const char *name)
{
    for (int i = 0; i < graph->initializer_count; i++)
        if (strcmp(graph->initializers[i]->name, name) == 0) return true;
    return false;
}

static const sl_tensor *fixed_value(const sl_import *im, const char *name)
{
    for (int i = 0; im->options && i < im->options->constant_count; i++)
        if (strcmp(im->options->constant_names[i], name) == 0) return im->options->constant_values[i];
    return NULL;
}

/* An input that was made a constant is no state any more. */
static void declare_states(sl_import *im, const sl_graph *graph, sl_op *function, const sl_value_info *const *inputs, int input_count)
{
    int64_t *pairs = SL_NEW_ARRAY(im->arena, int64_t, 2 * graph->state_count + 1);
    int count = 0;
    for (int i = 0; i < graph->state_count; i++)
        for (int k = 0; k < input_count; k++) {
            if (strcmp(inputs[k]->name, graph->states[i].input) != 0) continue;
            pairs[count++] = k;
            for (int o = 0; o < graph->output_count; o++)
                if (strcmp(graph->outputs[o].name, graph->states[i].output) == 0) pairs[count] = o;
            count++;
        }
    if (count) sl_op_set_attr(function, "state", sl_attr_ints(im->context, count, pairs));
}

static bool import_main(sl_import *im)
{
    const sl_graph *graph = im->model->graph;
    sl_context *context = im->context;
    im_survey(im);

    bindings *b = SL_NEW(im->arena, bindings);
    b->context = context;
    if (!collect_bindings(im, graph, b)) return false;
    SL_VEC(const sl_value_info *) inputs = {0};
    SL_VEC(sl_type) types = {0};
    for (int i = 0; i < graph->input_count; i++) {
        if (is_initializer(graph, graph->inputs[i].name)) continue;   /* a default value: taken as the constant that it is */
        if (fixed_value(im, graph->inputs[i].name)) continue;
        sl_type type = input_type(im, &graph->inputs[i], b);
        SL_PUSH(im->arena, &inputs, &graph->inputs[i]);
        SL_PUSH(im->arena, &types, type);
    }
    if (im->failed) return false;

    size_t absent = 0;
    for (int i = 0; i < graph->initializer_count; i++) absent += graph->initializers[i]->absent != NULL;
    const char **names = SL_NEW_ARRAY(im->arena, const char *, inputs.count + absent + graph->output_count + 1);
    for (size_t i = 0; i < inputs.count; i++) names[i] = inputs.data[i]->name;
    for (int i = 0, at = 0; i < graph->initializer_count; i++)
        if (graph->initializers[i]->absent) names[inputs.count + at++] = graph->initializers[i]->name;
    const char **output_names = names + inputs.count + absent;
    for (int i = 0; i < graph->output_count; i++) output_names[i] = graph->outputs[i].name;
    sl_attr *declared = SL_NEW_ARRAY(im->arena, sl_attr, graph->output_count + 1);
    bool all_declared = true;
    for (int i = 0; i < graph->output_count; i++) {
        if (graph->outputs[i].type) declared[i] = sl_attr_type(context, graph->outputs[i].type);
        else all_declared = false;
    }
    sl_named_attr attrs[] = {
        {"sym_name", sl_attr_string(context, "main")},
        {"input_names", sl_attr_strings(context, (int)(inputs.count + absent), names)},
        {"output_names", sl_attr_strings(context, graph->output_count, output_names)},
        {"output_types", all_declared ? sl_attr_array(context, graph->output_count, declared) : NULL},
    };
    im->builder = sl_builder_at_end(im->module, sl_module_body(im->module));
    im->builder.loc = sl_loc_file(context, im->model->path ? im->model->path : "", 0, 0);
    sl_op *function = sl_build(&im->builder, SL_OP_core_func, 0, NULL, 0, NULL, all_declared ? 4 : 3, attrs);
    if (absent) sl_op_set_attr(function, "absent", sl_attr_int(context, (int64_t)absent));
    declare_states(im, graph, function, inputs.data, (int)inputs.count);
    sl_block *block = sl_op_body(function, 0);
    im->builder.block = block;
    im->builder.before = NULL;

    im_scope *scope = graph_scope(im, NULL, graph);
    for (size_t i = 0; i < inputs.count; i++) {
        sl_value *argument = sl_block_add_argument(block, types.data[i]);
        sl_value_set_name(argument, sl_context_intern(context, names[i]));
        im_scope_define(im, scope, names[i], item_of_value(im, argument));
    }
    define_initializers(im, scope, graph);
    for (int i = 0; i < graph->input_count; i++) {
        const sl_tensor *value = fixed_value(im, graph->inputs[i].name);
        if (value) im_scope_define(im, scope, graph->inputs[i].name, item_of_value(im, sl_build_constant(&im->builder, sl_tensor_to_attr(context, value))));
    }
    bool good = im_import_nodes(im, scope);
    if (im->imported > im->budget) {
        sl_place place = {.file = im->model->path};
        im_report(im, &place, "the nested graphs and functions of the model come to more than %lld nodes", (long long)im->budget);
        return false;
    }
    const im_item **outputs = SL_NEW_ARRAY(im->arena, const im_item *, graph->output_count + 1);
    good = im_graph_outputs(im, scope, NULL, outputs) && good;
    if (!good) return false;
    sl_value **results = SL_NEW_ARRAY(im->arena, sl_value *, graph->output_count + 1);
    for (int i = 0; i < graph->output_count; i++) {
        sl_place place = graph->outputs[i].place;
        if (!place.file) place.file = im->model->path;
        const im_item *item = outputs[i];
        if (item->kind == IM_OPTIONAL && item->count == 1) item = item->items[0];
        if (item->kind != IM_TENSOR) {
            im_report(im, &place, "output '%s' is %s: only tensors can be outputs of a compiled program", graph->outputs[i].name,
                   item->kind == IM_LIST ? "a sequence" : item->kind == IM_TEXT ? "a string tensor" : "an empty optional");
            good = false;
            continue;
        }
        results[i] = item->value;
    }
    if (!good) return false;
    sl_build(&im->builder, SL_OP_core_return, graph->output_count, results, 0, NULL, 0, NULL);
    return !im->failed;
}

static sl_status import_guarded(sl_import *im)
{
    sl_guard guard;
    if (SL_GUARD_ENTER(&guard)) {
        im->arena = sl_context_arena(im->context);
        im->module = sl_module_create(im->context);
        bool good = import_main(im);
        sl_guard_leave(&guard);
        if (good) return NULL;
        return SL_ERROR(SL_INVALID_MODEL, "%s could not be imported", im->model->path ? im->model->path : "the model");
    }
    return SL_ERROR(SL_OUT_OF_MEMORY, "out of memory while importing");
}

sl_status sl_import_model(sl_context *context, const sl_model *model, const sl_import_options *options, sl_module **module)
{
    *module = NULL;
    if (!model->graph) return SL_ERROR(SL_INVALID_MODEL, "%s has no graph", model->path ? model->path : "the model");
    sl_import im = {.context = context, .model = model, .options = options};
    sl_status status = import_guarded(&im);
    if (status) {
        if (im.module) sl_module_destroy(im.module);
        return status;
    }
    *module = im.module;
    return NULL;
}
