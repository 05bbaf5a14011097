/* import_sink.c: sinking: the nodes behind a conditional whose branches give different ranks are imported once in each branch. */
#include "import_driver.h"
#include <string.h>

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
    if (!im_import_nodes(im, scope)) longjmp(*im->failure, 1);
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
    im_scope *scope = im_scope_create(im, n->scope);
    for (int i = 0; i < n->node->output_count; i++)
        if (im_wants(n, i)) im_scope_define(im, scope, n->node->outputs[i], outputs[i]);
    sl_node *nodes = SL_NEW_ARRAY(im->arena, sl_node, plan->node_count + 1);
    sl_value_info *infos = SL_NEW_ARRAY(im->arena, sl_value_info, plan->name_count + 1);
    for (int i = 0; i < plan->node_count; i++) nodes[i] = *plan->nodes[i];
    for (int i = 0; i < plan->name_count; i++) infos[i].name = plan->names[i];
    scope->nodes = nodes;
    scope->node_count = plan->node_count;
    scope->done = SL_NEW_ARRAY(im->arena, bool, plan->node_count + 1);
    scope->outputs = infos;
    scope->output_count = plan->name_count;
    bool good = im_import_nodes(im, scope);
    sl_place place = im_node_place(im, n->node);
    good = im_graph_outputs(im, scope, &place, results) && good;
    *n->builder = saved;
    im->depth--;
    return good;
}

void im_sink_finish(im_node *n, const im_sinking *plan, const im_item *const *results)
{
    for (int i = 0; i < plan->name_count; i++) im_define_output(n->import, n->scope, plan->names[i], results[i]);
    for (int i = 0; i < n->node->output_count; i++) {             /* n's own outputs: the result where it is a graph output, else never read again */
        if (!im_wants(n, i)) continue;
        for (int k = 0; k < plan->name_count; k++)
            if (strcmp(plan->names[k], n->node->outputs[i]) == 0) n->outputs[i] = results[k];
        if (!n->outputs[i]) n->outputs[i] = im_broken_item(n->import);
    }
}

