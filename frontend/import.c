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
#include "import_internal.h"
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

enum { MAX_NESTING = 200, MAX_OUTPUTS = 4096 };

/* ---- the table ---- */

typedef struct table_row { const char *op, *domain; int since, until; im_function function; const char *note; } table_row;
static const table_row table[] = {
#define SL_IMPORT(op, domain, since, until, function, note) {op, domain, since, until, im_op_##function, note},
#include "import.def"
#undef SL_IMPORT
};
enum { TABLE_SIZE = sizeof(table) / sizeof(table[0]) };

int sl_import_table_size(void) { return TABLE_SIZE; }

sl_import_info sl_import_table_row(int index)
{
    const table_row *row = &table[index];
    return (sl_import_info){row->op, row->domain, row->since, row->until, row->note};
}

static const char *canonical_domain(const char *domain) { return !domain || strcmp(domain, "ai.onnx") == 0 ? "" : domain; }

/* The row for an operator at a version; *known says whether any version of it is in the table. */
static const table_row *find_row(const char *op, const char *domain, int64_t version, bool *known)
{
    *known = false;
    for (int i = 0; i < TABLE_SIZE; i++) {
        const table_row *row = &table[i];
        if (strcmp(row->op, op) != 0 || strcmp(row->domain, domain) != 0) continue;
        *known = true;
        if (version >= row->since && (row->until == 0 || version <= row->until)) return row;
    }
    return NULL;
}

/* ---- state ---- */

typedef struct frame {                    /* of an inlined model-local function */
    struct frame *outer;
    const sl_graph_function *function;
    int param_count; const sl_param *params;         /* the call's, already resolved */
} frame;

typedef struct slot { const char *name; const im_item *item; } slot;

struct im_scope {
    im_scope *outer;                       /* names not found here are looked up there; NULL in functions */
    const sl_node *nodes; int node_count;  /* of the graph; NULL in scopes that only add names */
    int output_count; const sl_value_info *outputs;
    bool *done;                            /* per node: imported or claimed by a sinking */
    int next;                              /* first node not yet passed */
    slot *slots; size_t slot_count, capacity;
};

struct sl_import {
    sl_context *context;
    const sl_model *model;
    const sl_import_options *options;
    sl_module *module;
    sl_arena *arena;
    sl_builder builder;
    jmp_buf *failure;                      /* where im_fail goes */
    frame *frame;
    int depth, muted;
    bool failed;
};

static uint64_t hash_name(const char *name) { return sl_hash_bytes(name, strlen(name), 0); }

static slot *find_slot(const im_scope *scope, const char *name)
{
    if (scope->capacity == 0) return NULL;
    for (size_t i = hash_name(name) & (scope->capacity - 1);; i = (i + 1) & (scope->capacity - 1))
        if (!scope->slots[i].name || strcmp(scope->slots[i].name, name) == 0) return &scope->slots[i];
}

static void scope_define(sl_import *im, im_scope *scope, const char *name, const im_item *item)
{
    if ((scope->slot_count + 1) * 2 > scope->capacity) {
        im_scope old = *scope;
        scope->capacity = old.capacity ? old.capacity * 2 : 32;
        scope->slots = SL_NEW_ARRAY(im->arena, slot, scope->capacity);
        for (size_t i = 0; i < old.capacity; i++)
            if (old.slots[i].name) *find_slot(scope, old.slots[i].name) = old.slots[i];
    }
    slot *found = find_slot(scope, name);
    if (!found->name) scope->slot_count++;
    *found = (slot){name, item};
}

static const im_item *scope_find(const im_scope *scope, const char *name)
{
    for (; scope; scope = scope->outer) {
        const slot *found = find_slot(scope, name);
        if (found && found->name) return found->item;
    }
    return NULL;
}

static im_scope *scope_create(sl_import *im, im_scope *outer)
{
    im_scope *scope = SL_NEW(im->arena, im_scope);
    scope->outer = outer;
    return scope;
}

SL_PRINTF(3, 4) static void report(sl_import *im, const sl_place *place, const char *format, ...)
{
    im->failed = true;
    if (im->muted) return;
    va_list arguments;
    va_start(arguments, format);
    char buffer[1024];
    vsnprintf(buffer, sizeof buffer, format, arguments);
    va_end(arguments);
    sl_diag_report(sl_context_sink(im->context), SL_SEVERITY_ERROR, place, "%s", buffer);
}

static sl_place node_place(const sl_import *im, const sl_node *node)
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
    sl_place place = node_place(n->import, n->node);
    report(n->import, &place, "%s", buffer);
    longjmp(*n->import->failure, 1);
}

_Noreturn void im_fail_constant(im_node *n, const char *what) { im_fail(n, "%s must be constant (known while importing)", what); }

void im_mute(im_node *n, bool muted) { n->import->muted += muted ? 1 : -1; }

/* ---- versions ---- */

static int64_t domain_version(const sl_import *im, const char *domain)
{
    const sl_opset *opsets = im->model->opsets;
    int count = im->model->opset_count;
    const struct frame *f = im->frame;
    if (f && f->function->opset_count) opsets = f->function->opsets, count = f->function->opset_count;
    for (int i = 0; i < count; i++)
        if (strcmp(canonical_domain(opsets[i].domain), domain) == 0) return opsets[i].version;
    return domain[0] ? 1 : -1;
}

static const sl_graph_function *find_function(const sl_import *im, const sl_node *node)
{
    for (int i = 0; i < im->model->function_count; i++) {
        const sl_graph_function *f = &im->model->functions[i];
        if (strcmp(f->name, node->op) == 0 && strcmp(canonical_domain(f->domain), canonical_domain(node->domain)) == 0) return f;
    }
    return NULL;
}

/* ---- the look-up of all operators before anything is built ---- */

typedef struct missing { const char *op, *domain; int count; const sl_node *first; int64_t version; bool known; } missing;
typedef struct survey { sl_import *im; SL_VEC(missing) missing; SL_VEC(const sl_graph_function *) seen; } survey;

static void survey_nodes(survey *s, int count, const sl_node *nodes, int depth);

static void survey_graph(survey *s, const sl_graph *graph, int depth) { survey_nodes(s, graph->node_count, graph->nodes, depth + 1); }

static void survey_function(survey *s, const sl_graph_function *function, int depth)
{
    for (size_t i = 0; i < s->seen.count; i++)
        if (s->seen.data[i] == function) return;
    SL_PUSH(s->im->arena, &s->seen, function);
    frame inner = {.outer = s->im->frame, .function = function};
    s->im->frame = &inner;
    survey_nodes(s, function->node_count, function->nodes, depth + 1);
    s->im->frame = inner.outer;
}

static void survey_nodes(survey *s, int count, const sl_node *nodes, int depth)
{
    if (depth > MAX_NESTING) {
        sl_place place = {.file = s->im->model->path};
        if (!s->im->failed) report(s->im, &place, "graphs are nested more than %d deep", MAX_NESTING);
        return;
    }
    for (int i = 0; i < count; i++) {
        const sl_node *node = &nodes[i];
        const sl_graph_function *function = find_function(s->im, node);
        if (function) {
            survey_function(s, function, depth);
        } else {
            const char *domain = canonical_domain(node->domain);
            int64_t version = domain_version(s->im, domain);
            bool known;
            const table_row *row = version < 0 ? NULL : find_row(node->op, domain, version, &known);
            if (version < 0) known = false;
            if (!row) {
                size_t k = 0;
                while (k < s->missing.count && (strcmp(s->missing.data[k].op, node->op) != 0 || strcmp(s->missing.data[k].domain, domain) != 0)) k++;
                if (k < s->missing.count) s->missing.data[k].count++;
                else SL_PUSH(s->im->arena, &s->missing, (missing){node->op, domain, 1, node, version, known});
            }
        }
        for (int p = 0; p < node->param_count; p++) {
            if (node->params[p].kind == SL_PARAM_GRAPH && node->params[p].graph) survey_graph(s, node->params[p].graph, depth);
            if (node->params[p].kind == SL_PARAM_GRAPHS)
                for (int64_t g = 0; g < node->params[p].count; g++) survey_graph(s, node->params[p].graphs[g], depth);
        }
    }
}

static void report_missing(survey *s)
{
    for (size_t i = 0; i < s->missing.count; i++) {
        const missing *m = &s->missing.data[i];
        sl_place place = node_place(s->im, m->first);
        char others[64] = "";
        if (m->count > 1) snprintf(others, sizeof others, " (used by %d nodes)", m->count);
        if (m->version < 0) {
            report(s->im, &place, "operator %s%s: the model imports no version of the domain '%s'", m->op, others, m->domain[0] ? m->domain : "ai.onnx");
        } else if (m->known) {
            report(s->im, &place, "operator %s is not supported in version %lld of its domain%s", m->op, (long long)m->version, others);
        } else {
            report(s->im, &place, "operator %s%s%s is not supported%s: there is no row for it in the import table (see `sluice ops`)",
                   m->domain, m->domain[0] ? "." : "", m->op, others);
        }
    }
}

/* ---- nodes ---- */

static const im_item *broken_item(sl_import *im)
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

static bool import_nodes(sl_import *im, im_scope *scope);

static bool import_function_call(sl_import *im, im_node *n, const sl_graph_function *function)
{
    sl_place place = node_place(im, n->node);
    if (++im->depth > MAX_NESTING) {
        report(im, &place, "model-local functions call each other more than %d deep (or without end)", MAX_NESTING);
        im->depth--;
        return false;
    }
    frame inner = {im->frame, function, n->param_count, n->params};
    im_scope *scope = scope_create(im, NULL);
    for (int i = 0; i < function->input_count; i++)
        if (i < n->input_count && n->inputs[i]) scope_define(im, scope, function->inputs[i], n->inputs[i]);
        else scope_define(im, scope, function->inputs[i], NULL);
    scope->nodes = function->nodes;
    scope->node_count = function->node_count;
    scope->done = SL_NEW_ARRAY(im->arena, bool, function->node_count + 1);
    im->frame = &inner;
    bool good = import_nodes(im, scope);
    im->frame = inner.outer;
    im->depth--;
    for (int i = 0; i < n->output_count && i < function->output_count; i++) {
        n->outputs[i] = scope_find(scope, function->outputs[i]);
        if (!n->outputs[i] && good) {
            report(im, &place, "function %s does not compute its output '%s'", function->name, function->outputs[i]);
            good = false;
        }
    }
    return good;
}

static void define_output(sl_import *im, im_scope *scope, const char *name, const im_item *item)
{
    if (item->kind == IM_TENSOR && !im->frame && !sl_value_name(item->value)) sl_value_set_name(item->value, sl_context_intern(im->context, name));
    scope_define(im, scope, name, item);
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
            const slot *found = find_slot(s, node->inputs[i]);
            if (found && found->name) defined = true, inputs[i] = found->item;
        }
        if (!defined) {
            sl_place place = node_place(im, node);
            report(im, &place, "operand %d, '%s', is not defined before this node", i, node->inputs[i]);
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
    bool good = gather_inputs(im, scope, n);
    if (good) {
        sl_loc outer_loc = im->builder.loc;
        sl_builder saved = im->builder;
        struct frame *saved_frame = im->frame;
        int saved_depth = im->depth, saved_muted = im->muted;
        im->builder.loc = node->loc ? node->loc : sl_loc_node(im->context, im->model->path, node->name, node->op);
        const sl_graph_function *function = find_function(im, node);
        if (function) {
            good = import_function_call(im, n, function);
        } else {
            const char *domain = canonical_domain(node->domain);
            n->opset = domain_version(im, domain);
            bool known;
            const table_row *row = find_row(node->op, domain, n->opset, &known);
            good = row && call_guarded(im, row->function, n);
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
            sl_place place = node_place(im, node);
            report(im, &place, "output %d, '%s', is not supported by the import of %s", i, node->outputs[i], node->op);
            good = false;
        }
        define_output(im, scope, node->outputs[i], good ? n->outputs[i] : broken_item(im));
    }
    if (!good) im->failed = true;
    return good;
}

static bool import_nodes(sl_import *im, im_scope *scope)
{
    bool good = true;
    for (int i = 0; i < scope->node_count; i++) {
        if (scope->done[i]) continue;
        scope->done[i] = true;
        scope->next = i + 1;
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
            scope_define(im, scope, tensor->name, item);
            continue;
        }
        sl_type type = sl_type_tensor_static(im->context, tensor->element, tensor->rank, tensor->shape);
        sl_value *value = sl_build_constant(&im->builder, sl_attr_data(im->context, type, tensor->data, tensor->size));
        sl_value_set_name(value, sl_context_intern(im->context, tensor->name));
        scope_define(im, scope, tensor->name, item_of_value(im, value));
    }
}

static im_scope *graph_scope(sl_import *im, im_scope *outer, const sl_graph *graph)
{
    im_scope *scope = scope_create(im, outer);
    scope->nodes = graph->nodes;
    scope->node_count = graph->node_count;
    scope->outputs = graph->outputs;
    scope->output_count = graph->output_count;
    scope->done = SL_NEW_ARRAY(im->arena, bool, graph->node_count + 1);
    return scope;
}

static bool graph_outputs(sl_import *im, im_scope *scope, const sl_place *place, const im_item **outputs)
{
    bool good = true;
    for (int i = 0; i < scope->output_count; i++) {
        outputs[i] = scope_find(scope, scope->outputs[i].name);
        if (!outputs[i]) {
            sl_place at = scope->outputs[i].place.file || !place ? scope->outputs[i].place : *place;
            if (!at.file) at.file = im->model->path;
            report(im, &at, "graph output '%s' is not computed by any node", scope->outputs[i].name);
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
    if (++im->depth > MAX_NESTING) im_fail(n, "graphs are nested more than %d deep", MAX_NESTING);
    im_scope *scope = graph_scope(im, n->scope, graph);
    define_initializers(im, scope, graph);
    for (int i = 0; i < input_count; i++) scope_define(im, scope, graph->inputs[i].name, inputs[i]);
    bool good = import_nodes(im, scope);
    sl_place place = node_place(im, n->node);
    good = graph_outputs(im, scope, &place, outputs) && good;
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

/* ---- sinking: the nodes behind a conditional whose branches give different ranks are imported once in each branch ---- */

static bool name_in(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

typedef struct name_list { const char **data; size_t count, capacity; } name_list;

static bool graph_reads(const sl_graph *graph, const name_list *names);

static bool node_reads(const sl_node *node, const name_list *names)
{
    for (int i = 0; i < node->input_count; i++)
        if (node->inputs[i] && name_in(node->inputs[i], names->data, names->count)) return true;
    for (int p = 0; p < node->param_count; p++) {
        if (node->params[p].kind == SL_PARAM_GRAPH && node->params[p].graph && graph_reads(node->params[p].graph, names)) return true;
        for (int64_t g = 0; node->params[p].kind == SL_PARAM_GRAPHS && g < node->params[p].count; g++)
            if (graph_reads(node->params[p].graphs[g], names)) return true;
    }
    return false;
}

/* Shadowing inside of the graph is not looked at: a node too many is sunk at worst. */
static bool graph_reads(const sl_graph *graph, const name_list *names)
{
    for (int i = 0; i < graph->node_count; i++)
        if (node_reads(&graph->nodes[i], names)) return true;
    for (int i = 0; i < graph->output_count; i++)
        if (name_in(graph->outputs[i].name, names->data, names->count)) return true;
    return false;
}

/* Finds the nodes that depend on n's outputs, imports those behind n that do not, and says which graph outputs the dependent ones compute. */
im_sinking im_sink_plan(im_node *n)
{
    sl_import *im = n->import;
    im_scope *scope = n->scope;
    name_list names = {0};
    for (int i = 0; i < n->node->output_count; i++)
        if (im_wants(n, i)) SL_PUSH(im->arena, &names, n->node->outputs[i]);
    SL_VEC(const sl_node *) sunk = {0};
    for (int i = 0; i < scope->node_count; i++) {
        if (scope->done[i] || !node_reads(&scope->nodes[i], &names)) continue;
        scope->done[i] = true;
        SL_PUSH(im->arena, &sunk, &scope->nodes[i]);
        for (int k = 0; k < scope->nodes[i].output_count; k++)
            if (scope->nodes[i].outputs[k] && scope->nodes[i].outputs[k][0]) SL_PUSH(im->arena, &names, scope->nodes[i].outputs[k]);
    }
    if (!import_nodes(im, scope)) longjmp(*im->failure, 1);
    name_list outputs = {0};
    for (int i = 0; i < scope->output_count; i++)
        if (name_in(scope->outputs[i].name, names.data, names.count) && !name_in(scope->outputs[i].name, outputs.data, outputs.count))
            SL_PUSH(im->arena, &outputs, scope->outputs[i].name);
    return (im_sinking){(int)sunk.count, sunk.data, (int)outputs.count, outputs.data};
}

bool im_sink_into(im_node *n, const im_sinking *plan, sl_block *block, const im_item *const *outputs, const im_item **results)
{
    sl_import *im = n->import;
    if (++im->depth > 24) im_fail(n, "more than 24 conditionals in a row whose branches have different ranks");
    sl_builder saved = *n->builder;
    n->builder->block = block;
    n->builder->before = NULL;
    im_scope *scope = scope_create(im, n->scope);
    for (int i = 0; i < n->node->output_count; i++)
        if (im_wants(n, i)) scope_define(im, scope, n->node->outputs[i], outputs[i]);
    sl_node *nodes = SL_NEW_ARRAY(im->arena, sl_node, plan->node_count + 1);
    sl_value_info *infos = SL_NEW_ARRAY(im->arena, sl_value_info, plan->name_count + 1);
    for (int i = 0; i < plan->node_count; i++) nodes[i] = *plan->nodes[i];
    for (int i = 0; i < plan->name_count; i++) infos[i].name = plan->names[i];
    scope->nodes = nodes;
    scope->node_count = plan->node_count;
    scope->done = SL_NEW_ARRAY(im->arena, bool, plan->node_count + 1);
    scope->outputs = infos;
    scope->output_count = plan->name_count;
    bool good = import_nodes(im, scope);
    sl_place place = node_place(im, n->node);
    good = graph_outputs(im, scope, &place, results) && good;
    *n->builder = saved;
    im->depth--;
    return good;
}

void im_sink_finish(im_node *n, const im_sinking *plan, const im_item *const *results)
{
    for (int i = 0; i < plan->name_count; i++) define_output(n->import, n->scope, plan->names[i], results[i]);
    for (int i = 0; i < n->node->output_count; i++) {             /* n's own outputs: the result where it is a graph output, else never read again */
        if (!im_wants(n, i)) continue;
        for (int k = 0; k < plan->name_count; k++)
            if (strcmp(plan->names[k], n->node->outputs[i]) == 0) n->outputs[i] = results[k];
        if (!n->outputs[i]) n->outputs[i] = broken_item(n->import);
    }
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

static bool collect_bindings(sl_import *im, const sl_graph *graph, bindings *b)
{
    const sl_import_options *o = im->options;
    for (int i = 0; o && i < o->bind_count; i++) bind(b, sl_expr_symbol(im->context, o->bind_names[i]), o->bind_values[i]);
    bool good = true;
    for (int s = 0; o && s < o->shape_count; s++) {
        const sl_value_info *info = NULL;
        for (int i = 0; i < graph->input_count; i++)
            if (strcmp(graph->inputs[i].name, o->shape_names[s]) == 0) info = &graph->inputs[i];
        sl_place place = {.file = im->model->path};
        if (!info) {
            report(im, &place, "a shape is given for '%s', but the model has no such input", o->shape_names[s]);
            good = false;
        } else if (info->type && sl_type_is_tensor(info->type) && sl_type_is_ranked(info->type)) {
            if (sl_type_rank(info->type) != o->shape_ranks[s]) {
                report(im, &place, "the shape given for input '%s' has %d dims, the model declares %d", info->name, o->shape_ranks[s], sl_type_rank(info->type));
                good = false;
                continue;
            }
            for (int d = 0; d < o->shape_ranks[s]; d++) {
                sl_expr dim = sl_type_dim(info->type, d);
                int64_t known;
                if (o->shapes[s][d] < 0) continue;
                if (sl_expr_is_const(dim, &known) && known != o->shapes[s][d]) {
                    report(im, &place, "the shape given for input '%s' has %lld at dim %d, the model declares %lld", info->name, (long long)o->shapes[s][d], d, (long long)known);
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
    if (!info->type) return report(im, &place, "input '%s' has no declared type", info->name), NULL;
    if (!sl_type_is_tensor(info->type)) {
        report(im, &place, "input '%s' is a sequence or an optional: only tensors can be inputs of a compiled program", info->name);
        return NULL;
    }
    if (sl_type_element(info->type) == SL_ELEMENT_str) return report(im, &place, "input '%s' holds strings: string tensors are not supported", info->name), NULL;
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
    return sl_type_tensor(im->context, sl_type_element(info->type), rank, dims);
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

static bool import_main(sl_import *im)
{
    const sl_graph *graph = im->model->graph;
    sl_context *context = im->context;
    survey s = {.im = im};
    survey_nodes(&s, graph->node_count, graph->nodes, 0);
    report_missing(&s);

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

    const char **names = SL_NEW_ARRAY(im->arena, const char *, inputs.count + graph->output_count + 1);
    for (size_t i = 0; i < inputs.count; i++) names[i] = inputs.data[i]->name;
    const char **output_names = names + inputs.count;
    for (int i = 0; i < graph->output_count; i++) output_names[i] = graph->outputs[i].name;
    sl_attr *declared = SL_NEW_ARRAY(im->arena, sl_attr, graph->output_count + 1);
    bool all_declared = true;
    for (int i = 0; i < graph->output_count; i++) {
        if (graph->outputs[i].type) declared[i] = sl_attr_type(context, graph->outputs[i].type);
        else all_declared = false;
    }
    sl_named_attr attrs[] = {
        {"sym_name", sl_attr_string(context, "main")},
        {"input_names", sl_attr_strings(context, (int)inputs.count, names)},
        {"output_names", sl_attr_strings(context, graph->output_count, output_names)},
        {"output_types", all_declared ? sl_attr_array(context, graph->output_count, declared) : NULL},
    };
    im->builder = sl_builder_at_end(im->module, sl_module_body(im->module));
    im->builder.loc = sl_loc_file(context, im->model->path ? im->model->path : "", 0, 0);
    sl_op *function = sl_build(&im->builder, SL_OP_core_func, 0, NULL, 0, NULL, all_declared ? 4 : 3, attrs);
    sl_block *block = sl_op_body(function, 0);
    im->builder.block = block;
    im->builder.before = NULL;

    im_scope *scope = graph_scope(im, NULL, graph);
    for (size_t i = 0; i < inputs.count; i++) {
        sl_value *argument = sl_block_add_argument(block, types.data[i]);
        sl_value_set_name(argument, sl_context_intern(context, names[i]));
        scope_define(im, scope, names[i], item_of_value(im, argument));
    }
    define_initializers(im, scope, graph);
    for (int i = 0; i < graph->input_count; i++) {
        const sl_tensor *value = fixed_value(im, graph->inputs[i].name);
        if (value) scope_define(im, scope, graph->inputs[i].name, item_of_value(im, sl_build_constant(&im->builder, sl_tensor_to_attr(context, value))));
    }
    bool good = import_nodes(im, scope);
    const im_item **outputs = SL_NEW_ARRAY(im->arena, const im_item *, graph->output_count + 1);
    good = graph_outputs(im, scope, NULL, outputs) && good;
    if (!good) return false;
    sl_value **results = SL_NEW_ARRAY(im->arena, sl_value *, graph->output_count + 1);
    for (int i = 0; i < graph->output_count; i++) {
        sl_place place = graph->outputs[i].place;
        if (!place.file) place.file = im->model->path;
        const im_item *item = outputs[i];
        if (item->kind == IM_OPTIONAL && item->count == 1) item = item->items[0];
        if (item->kind != IM_TENSOR) {
            report(im, &place, "output '%s' is %s: only tensors can be outputs of a compiled program", graph->outputs[i].name,
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
