/* import_driver.h: the state of one import, shared by the driver's files: import.c (nodes, graphs, the model), import_table.c (the table of operators, the
 * survey of a model's operators), import_sink.c (nodes imported into both branches of a conditional). */
#ifndef SLUICE_IMPORT_DRIVER_H
#define SLUICE_IMPORT_DRIVER_H

#include "import_internal.h"
#include <setjmp.h>

enum { IM_MAX_NESTING = 200, IM_LEAST_BUDGET = 100000 };

typedef struct im_frame {                 /* of an inlined model-local function */
    struct im_frame *outer;
    const sl_graph_function *function;
    int param_count; const sl_param *params;         /* the call's, already resolved */
} im_frame;

typedef struct im_slot { const char *name; const im_item *item; } im_slot;

struct im_scope {
    im_scope *outer;                       /* names not found here are looked up there; NULL in functions */
    const sl_node *nodes; int node_count;  /* of the graph; none in scopes that only add names */
    int output_count; const sl_value_info *outputs;
    bool *done;                            /* per node: imported or claimed by a sinking */
    im_slot *slots; size_t slot_count, capacity;
};

/* Dims of a loop's carried values that were found to change from one iteration to the next: remembered for the next import of the same body, without
 * which loops in loops would take time exponential in their depth. */
typedef struct im_freed { const sl_graph *body; int carried, axis; } im_freed;

struct sl_import {
    sl_context *context;
    const sl_model *model;
    const sl_import_options *options;
    sl_module *module;
    sl_arena *arena;
    sl_builder builder;
    jmp_buf *failure;                      /* where im_fail goes */
    im_frame *frame;
    int depth, muted;
    SL_VEC(im_freed) freed;
    int64_t imported, budget;              /* nodes: bodies are imported again while types are sought, functions and sunk nodes per use */
    bool failed;
};

/* ---- import_table.c ---- */
const char *im_domain(const char *domain);                                  /* "" for ai.onnx */
int64_t im_domain_version(const sl_import *im, const char *domain);         /* -1: not imported by the model */
im_function im_find_function(const char *op, const char *domain, int64_t version);
const sl_graph_function *im_find_local(const sl_import *im, const sl_node *node);
/* Reports every operator that the table lacks, once each. */
void im_survey(sl_import *im);

/* ---- import.c ---- */
SL_PRINTF(3, 4) void im_report(sl_import *im, const sl_place *place, const char *format, ...);
sl_place im_node_place(const sl_import *im, const sl_node *node);
im_scope *im_scope_create(sl_import *im, im_scope *outer);
void im_scope_define(sl_import *im, im_scope *scope, const char *name, const im_item *item);
/* Also names the value after the tensor. */
void im_define_output(sl_import *im, im_scope *scope, const char *name, const im_item *item);
bool im_import_nodes(sl_import *im, im_scope *scope);
bool im_graph_outputs(sl_import *im, im_scope *scope, const sl_place *place, const im_item **outputs);
const im_item *im_broken_item(sl_import *im);

#endif
