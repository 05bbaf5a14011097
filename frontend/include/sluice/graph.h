/* graph.h: a model file as read, before it means anything: what the three readers (JSON graph, ONNX as JSON, ONNX binary) produce and the import
 * table consumes. Everything lives in one arena; strings are NUL-terminated; file data is borrowed from mappings owned by the arena. */
#ifndef SLUICE_GRAPH_H
#define SLUICE_GRAPH_H

#include "sluice/ir.h"

typedef struct sl_graph sl_graph;
typedef struct sl_node sl_node;

typedef enum sl_param_kind {
    SL_PARAM_INT, SL_PARAM_FLOAT, SL_PARAM_STRING, SL_PARAM_TENSOR, SL_PARAM_GRAPH, SL_PARAM_INTS, SL_PARAM_FLOATS, SL_PARAM_STRINGS,
    SL_PARAM_TENSORS, SL_PARAM_GRAPHS, SL_PARAM_TYPE,
} sl_param_kind;

typedef struct sl_graph_tensor {          /* initializer or tensor attribute; data is complete and its size checked against the shape */
    const char *name;
    sl_element element;
    int rank;
    int64_t shape[SL_MAX_RANK];
    const void *data;                      /* row-major packed little-endian; for str: array of sl_graph_string */
    int64_t size;                          /* bytes */
    sl_place place;
    const char *absent;                    /* why its bytes are not in the files, when that was allowed; data is NULL then. Else NULL */
} sl_graph_tensor;

typedef struct sl_graph_string { const char *bytes; int64_t length; } sl_graph_string;

typedef struct sl_param {                 /* node attribute */
    const char *name;
    const char *ref;                       /* in bodies of model-local functions: takes its value from the caller's attribute of this name; else NULL */
    sl_param_kind kind;
    int64_t i;
    double f;
    const char *s; int64_t s_length;
    const sl_graph_tensor *tensor;
    sl_graph *graph;
    int64_t count;                         /* INTS, FLOATS, STRINGS, TENSORS, GRAPHS */
    const int64_t *ints;
    const double *floats;
    const sl_graph_string *strings;
    const sl_graph_tensor *const *tensors;
    sl_graph *const *graphs;
    sl_type type;                          /* TYPE: as in sl_value_info */
    sl_place place;
} sl_param;

typedef struct sl_value_info {            /* declared input or output */
    const char *name;
    sl_type type;                          /* NULL when the file declares none; symbolic dims by dim_param; unnamed unknown dims are fresh */
    sl_place place;
} sl_value_info;

struct sl_node {
    const char *name;                      /* never NULL: made up from op and number when the file has none */
    const char *op, *domain;               /* domain "" for ai.onnx */
    int input_count; const char *const *inputs;      /* "" for an omitted optional input */
    int output_count; const char *const *outputs;
    int param_count; const sl_param *params;
    sl_place place;
    sl_loc loc;
};

typedef struct sl_graph_state {           /* what output `output` holds comes back as input `input` in a later step */
    const char *input, *output;
    sl_place place;
} sl_graph_state;

struct sl_graph {
    const char *name;
    int input_count; const sl_value_info *inputs;
    int output_count; const sl_value_info *outputs;
    int initializer_count; const sl_graph_tensor *const *initializers;
    int node_count; const sl_node *nodes;
    int state_count; const sl_graph_state *states;   /* of a model, of a loop's body */
};

typedef struct sl_graph_function {        /* model-local function: inlined by the importer */
    const char *domain, *name;
    int input_count; const char *const *inputs;
    int output_count; const char *const *outputs;
    int param_count; const sl_param *params;         /* attribute defaults; a node attribute may refer to one (ref) */
    int node_count; const sl_node *nodes;
    int opset_count; const struct sl_opset *opsets;
} sl_graph_function;

typedef struct sl_opset { const char *domain; int64_t version; } sl_opset;

typedef struct sl_model {
    const char *path;                      /* for messages; folder of side files */
    int64_t ir_version;
    const char *producer;
    int opset_count; const sl_opset *opsets;
    sl_graph *graph;
    int function_count; const sl_graph_function *functions;
    int side_file_count; const char *const *side_files;   /* resolved paths of the other files that were read */
} sl_model;

typedef enum sl_model_format { SL_FORMAT_AUTO, SL_FORMAT_JSON_GRAPH, SL_FORMAT_ONNX_JSON, SL_FORMAT_ONNX } sl_model_format;

/* ---- readers (frontend/read_*.c). Report located diagnostics to the context's sink, then fail. `arena` must outlive modules imported from the model
 * (constant data is borrowed). Side files are resolved inside the folder of `path` only. */
typedef struct sl_read_options {
    sl_model_format format;
    bool absent_weights;                   /* weights of known type and shape may lie beyond the end of their file, or be missing in it: they must not be needed once the program is compiled */
} sl_read_options;
/* `data` NULL: the file at `path`. */
SL_MUST_USE sl_status sl_model_read(sl_context *context, sl_arena *arena, const char *path, const void *data, size_t size, const sl_read_options *options, sl_model **model);
SL_MUST_USE sl_status sl_model_read_file(sl_context *context, sl_arena *arena, const char *path, sl_model_format format, sl_model **model);
SL_MUST_USE sl_status sl_model_read_memory(sl_context *context, sl_arena *arena, const char *path, const void *data, size_t size,
                                           sl_model_format format, sl_model **model);
/* Reads one TensorProto file (.pb) of ONNX test data. */
SL_MUST_USE sl_status sl_tensor_proto_read(sl_arena *arena, const char *path, sl_tensor **tensor, const char **name);

/* ---- import (frontend/import*.c): one table row an op serves all formats ---- */
typedef struct sl_import_options {
    /* Replaces symbolic dims of inputs: pairs of symbol name and value ("batch", 8). */
    int bind_count; const char *const *bind_names; const int64_t *bind_values;
    /* Replaces whole input shapes: input name, rank, dims (-1 keeps the symbol). */
    int shape_count; const char *const *shape_names; const int *shape_ranks; const int64_t *const *shapes;
    /* Inputs made constants (axes, sizes, ... that must be known): they are no inputs of @main any more. The values are copied. */
    int constant_count; const char *const *constant_names; const sl_tensor *const *constant_values;
} sl_import_options;
/* Makes core.func @main. Every op has its node's location. Reports each unsupported op once with what is missing, then fails. */
SL_MUST_USE sl_status sl_import_model(sl_context *context, const sl_model *model, const sl_import_options *options, sl_module **module);

/* The import table, for `sluice ops` and docs. */
typedef struct sl_import_info { const char *op, *domain; int since, until; const char *note; } sl_import_info;   /* until 0: newest */
int sl_import_table_size(void);
sl_import_info sl_import_table_row(int index);

#endif
