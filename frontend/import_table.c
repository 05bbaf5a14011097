/* import_table.c: the table of operators (import.def) and the survey of a model: before anything is built all its nodes are looked up, nested graphs and
 * called functions included, and every operator that the table lacks is reported once. */
#include "import_driver.h"
#include <stdio.h>
#include <string.h>

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

const char *im_domain(const char *domain) { return !domain || strcmp(domain, "ai.onnx") == 0 ? "" : domain; }

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

im_function im_find_function(const char *op, const char *domain, int64_t version)
{
    bool known;
    const table_row *row = find_row(op, domain, version, &known);
    return row ? row->function : NULL;
}

int64_t im_domain_version(const sl_import *im, const char *domain)
{
    const sl_opset *opsets = im->model->opsets;
    int count = im->model->opset_count;
    const im_frame *f = im->frame;
    if (f && f->function->opset_count) opsets = f->function->opsets, count = f->function->opset_count;
    for (int i = 0; i < count; i++)
        if (strcmp(im_domain(opsets[i].domain), domain) == 0) return opsets[i].version;
    return domain[0] ? 1 : -1;
}

const sl_graph_function *im_find_local(const sl_import *im, const sl_node *node)
{
    for (int i = 0; i < im->model->function_count; i++) {
        const sl_graph_function *f = &im->model->functions[i];
        if (strcmp(f->name, node->op) == 0 && strcmp(im_domain(f->domain), im_domain(node->domain)) == 0) return f;
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
    im_frame inner = {.outer = s->im->frame, .function = function};
    s->im->frame = &inner;
    survey_nodes(s, function->node_count, function->nodes, depth + 1);
    s->im->frame = inner.outer;
}

static void survey_nodes(survey *s, int count, const sl_node *nodes, int depth)
{
    if (depth > IM_MAX_NESTING) {
        sl_place place = {.file = s->im->model->path};
        if (!s->im->failed) im_report(s->im, &place, "graphs are nested more than %d deep", IM_MAX_NESTING);
        return;
    }
    for (int i = 0; i < count; i++) {
        const sl_node *node = &nodes[i];
        s->im->budget += 16;
        const sl_graph_function *function = im_find_local(s->im, node);
        if (function) {
            survey_function(s, function, depth);
        } else {
            const char *domain = im_domain(node->domain);
            int64_t version = im_domain_version(s->im, domain);
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
        sl_place place = im_node_place(s->im, m->first);
        char others[64] = "";
        if (m->count > 1) snprintf(others, sizeof others, " (used by %d nodes)", m->count);
        if (m->version < 0) {
            im_report(s->im, &place, "operator %s%s: the model imports no version of the domain '%s'", m->op, others, m->domain[0] ? m->domain : "ai.onnx");
        } else if (m->known) {
            im_report(s->im, &place, "operator %s is not supported in version %lld of its domain%s", m->op, (long long)m->version, others);
        } else {
            im_report(s->im, &place, "operator %s%s%s is not supported%s: there is no row for it in the import table (see `sluice ops --onnx`)",
                   m->domain, m->domain[0] ? "." : "", m->op, others);
        }
    }
}

void im_survey(sl_import *im)
{
    survey s = {.im = im};
    im->budget = IM_LEAST_BUDGET;
    survey_nodes(&s, im->model->graph->node_count, im->model->graph->nodes, 0);
    report_missing(&s);
}
