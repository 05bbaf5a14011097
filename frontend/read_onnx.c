/* read_onnx.c: ONNX messages to sl_model. The messages come from a binary file or, made by read_onnx_json.c, from a JSON text; then places carry lines. */
#include "onnx.pb-c.h"
#include "read_internal.h"
#include <limits.h>
#include <string.h>

static const char *text_or(sl_reader *reader, const char *text, const char *otherwise) { return sl_reader_intern(reader, text ? text : otherwise); }

/* The default domain has two spellings. */
static const char *domain_of(sl_reader *reader, const char *domain) {
    return sl_reader_intern(reader, !domain || strcmp(domain, "ai.onnx") == 0 ? "" : domain);
}

static bool fits_int(sl_reader *reader, const sl_place *place, const char *what, size_t count) {
    return count <= INT_MAX || sl_reader_error(reader, place, "%zu %s are too many", count, what);
}

static const char *const *intern_all(sl_reader *reader, size_t count, char *const *texts) {
    const char **result = SL_NEW_ARRAY(reader->arena, const char *, count);
    for (size_t i = 0; i < count; i++) result[i] = sl_reader_intern(reader, texts[i]);
    return result;
}

/* ---- types ---- */

static sl_expr read_dim(sl_reader *reader, const Onnx__TensorShapeProto__Dimension *dim) {
    if (dim->has_dim_value && dim->dim_value >= 0) return sl_expr_const(reader->context, dim->dim_value);
    /* A name that starts like a fresh symbol's could clash with one: such a dim is just unknown. */
    if (dim->dim_param && dim->dim_param[0] && dim->dim_param[0] != '?') return sl_expr_symbol(reader->context, dim->dim_param);
    return sl_expr_fresh(reader->context);
}

static bool read_type(sl_reader *reader, const sl_place *place, const char *name, const Onnx__TypeProto *message, int depth, sl_type *type) {
    *type = NULL;
    if (!message) return true;
    if (depth > SL_READ_MOST_TYPE_DEPTH) return sl_reader_unsupported(reader, place, "value '%.200s': its type is nested too deeply", name);
    sl_type item = NULL;
    if (message->sequence_type) {
        if (!read_type(reader, place, name, message->sequence_type->elem_type, depth + 1, &item)) return false;
        if (item) *type = sl_type_list(reader->context, item);
        return true;
    }
    if (message->optional_type) {
        if (!read_type(reader, place, name, message->optional_type->elem_type, depth + 1, &item)) return false;
        if (item) *type = sl_type_optional(reader->context, item);
        return true;
    }
    if (message->map_type || message->opaque_type || message->sparse_tensor_type)
        return sl_reader_unsupported(reader, place, "value '%.200s': %s types aren't supported", name,
                                     message->map_type ? "map" : message->opaque_type ? "opaque" : "sparse tensor");
    if (!message->tensor_type || !message->tensor_type->elem_type) return true;
    int number = message->tensor_type->elem_type;
    sl_element element;
    if (!sl_element_from_onnx(number, &element)) {
        const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value(&onnx__tensor_proto__data_type__descriptor, number);
        if (known) return sl_reader_unsupported(reader, place, "value '%.200s': element type %s isn't supported", name, known->name);
        return sl_reader_error(reader, place, "value '%.200s': %d isn't an ONNX element type", name, number);
    }
    const Onnx__TensorShapeProto *shape = message->tensor_type->shape;
    if (!shape) {
        *type = sl_type_unranked(reader->context, element);
        return true;
    }
    if (shape->n_dim > SL_MAX_RANK)
        return sl_reader_unsupported(reader, place, "value '%.200s': rank %zu is more than %d", name, shape->n_dim, SL_MAX_RANK);
    sl_expr dims[SL_MAX_RANK];
    for (size_t i = 0; i < shape->n_dim; i++) dims[i] = read_dim(reader, shape->dim[i]);
    *type = sl_type_tensor(reader->context, element, (int)shape->n_dim, dims);
    return true;
}

static bool read_value_infos(sl_reader *reader, const char *what, size_t count, Onnx__ValueInfoProto *const *messages, int *result_count,
                             const sl_value_info **result) {
    sl_place file = sl_reader_place(reader);
    if (!fits_int(reader, &file, what, count)) return false;
    sl_value_info *infos = SL_NEW_ARRAY(reader->arena, sl_value_info, count);
    bool good = true;
    for (size_t i = 0; i < count; i++) {
        infos[i].place = sl_reader_message_place(reader, messages[i]);
        infos[i].name = text_or(reader, messages[i]->name, "");
        if (!*infos[i].name) good = sl_reader_error(reader, &infos[i].place, "graph %s %zu has no name", what, i);
        else good &= read_type(reader, &infos[i].place, infos[i].name, messages[i]->type, 0, &infos[i].type);
    }
    *result_count = (int)count;
    *result = infos;
    return good;
}

/* ---- attributes ---- */

static sl_graph *convert_graph(sl_reader *reader, const Onnx__GraphProto *message, int depth);

/* Files older than IR version 2 leave the type out. */
static Onnx__AttributeProto__AttributeType kind_of(const Onnx__AttributeProto *message) {
    if (message->has_type && message->type != ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED) return message->type;
    if (message->has_f) return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
    if (message->has_i) return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
    if (message->has_s) return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING;
    if (message->t) return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR;
    if (message->g) return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH;
    if (message->n_floats) return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS;
    if (message->n_ints) return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
    if (message->n_strings) return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS;
    if (message->n_tensors) return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSORS;
    if (message->n_graphs) return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPHS;
    return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED;
}

static bool missing(sl_reader *reader, const sl_param *param, const char *what) {
    return sl_reader_error(reader, &param->place, "attribute '%.200s' says it is %s but holds none", param->name, what);
}

/* A reference has a type and no value. */
static bool convert_reference(sl_reader *reader, const Onnx__AttributeProto *message, sl_param *param) {
    param->ref = sl_reader_intern(reader, message->ref_attr_name);
    static const struct { Onnx__AttributeProto__AttributeType from; sl_param_kind to; } kinds[] = {
        {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT, SL_PARAM_FLOAT},     {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT, SL_PARAM_INT},
        {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING, SL_PARAM_STRING},   {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR, SL_PARAM_TENSOR},
        {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH, SL_PARAM_GRAPH},     {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS, SL_PARAM_FLOATS},
        {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS, SL_PARAM_INTS},       {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS, SL_PARAM_STRINGS},
        {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSORS, SL_PARAM_TENSORS}, {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPHS, SL_PARAM_GRAPHS},
        {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TYPE_PROTO, SL_PARAM_TYPE}, {ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__SPARSE_TENSOR, SL_PARAM_TENSOR},
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        if (kinds[i].from == kind_of(message)) {
            param->kind = kinds[i].to;
            return true;
        }
    }
    return sl_reader_error(reader, &param->place, "attribute '%.200s' refers to '%.200s' without a known type", param->name, param->ref);
}

static bool convert_strings(sl_reader *reader, const Onnx__AttributeProto *message, sl_param *param) {
    sl_graph_string *strings = SL_NEW_ARRAY(reader->arena, sl_graph_string, message->n_strings);
    for (size_t i = 0; i < message->n_strings; i++)
        strings[i] = (sl_graph_string){sl_arena_strndup(reader->arena, (const char *)message->strings[i].data, message->strings[i].len),
                                       (int64_t)message->strings[i].len};
    param->kind = SL_PARAM_STRINGS;
    param->count = (int64_t)message->n_strings;
    param->strings = strings;
    return true;
}

static bool convert_lists(sl_reader *reader, const Onnx__AttributeProto *message, int depth, bool graphs, sl_param *param) {
    size_t count = graphs ? message->n_graphs : message->n_tensors;
    sl_graph_tensor *tensors = SL_NEW_ARRAY(reader->arena, sl_graph_tensor, graphs ? 0 : count);
    const sl_graph_tensor **pointers = SL_NEW_ARRAY(reader->arena, const sl_graph_tensor *, graphs ? 0 : count);
    sl_graph **list = SL_NEW_ARRAY(reader->arena, sl_graph *, graphs ? count : 0);
    for (size_t i = 0; i < count; i++) {
        if (graphs) {
            if (!(list[i] = convert_graph(reader, message->graphs[i], depth + 1))) return false;
        } else {
            pointers[i] = &tensors[i];
            if (!sl_onnx_convert_tensor(reader, message->tensors[i], &param->place, &tensors[i])) return false;
        }
    }
    param->kind = graphs ? SL_PARAM_GRAPHS : SL_PARAM_TENSORS;
    param->count = (int64_t)count;
    param->tensors = pointers;
    param->graphs = list;
    return true;
}

static bool convert_param(sl_reader *reader, const Onnx__AttributeProto *message, const sl_place *node, int depth, sl_param *param) {
    sl_place place = sl_reader_message_place(reader, message);
    param->place = *node;
    if (place.line) param->place.line = place.line, param->place.column = place.column;
    param->name = text_or(reader, message->name, "");
    if (!*param->name) return sl_reader_error(reader, &param->place, "an attribute has no name");
    if (message->ref_attr_name && *message->ref_attr_name) return convert_reference(reader, message, param);
    sl_graph_tensor *tensor = NULL;
    switch (kind_of(message)) {
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT:
        param->kind = SL_PARAM_FLOAT;
        param->f = message->f;
        return true;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT:
        param->kind = SL_PARAM_INT;
        param->i = message->i;
        return true;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING:
        param->kind = SL_PARAM_STRING;
        param->s = sl_arena_strndup(reader->arena, (const char *)message->s.data, message->s.len);
        param->s_length = (int64_t)message->s.len;
        return true;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR:
        if (!message->t) return missing(reader, param, "a tensor");
        tensor = SL_NEW(reader->arena, sl_graph_tensor);
        param->kind = SL_PARAM_TENSOR;
        param->tensor = tensor;
        return sl_onnx_convert_tensor(reader, message->t, &param->place, tensor);
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__SPARSE_TENSOR:
        if (!message->sparse_tensor) return missing(reader, param, "a sparse tensor");
        tensor = SL_NEW(reader->arena, sl_graph_tensor);
        param->kind = SL_PARAM_TENSOR;
        param->tensor = tensor;
        return sl_onnx_convert_sparse(reader, message->sparse_tensor, &param->place, tensor);
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH:
        if (!message->g) return missing(reader, param, "a graph");
        param->kind = SL_PARAM_GRAPH;
        return (param->graph = convert_graph(reader, message->g, depth + 1)) != NULL;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TYPE_PROTO:
        if (!message->tp) return missing(reader, param, "a type");
        param->kind = SL_PARAM_TYPE;
        return read_type(reader, &param->place, param->name, message->tp, 0, &param->type);
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS:
        param->kind = SL_PARAM_INTS;
        param->count = (int64_t)message->n_ints;
        param->ints = message->ints;
        return true;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS: {
        double *floats = SL_NEW_ARRAY(reader->arena, double, message->n_floats);
        for (size_t i = 0; i < message->n_floats; i++) floats[i] = message->floats[i];
        param->kind = SL_PARAM_FLOATS;
        param->count = (int64_t)message->n_floats;
        param->floats = floats;
        return true;
    }
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS: return convert_strings(reader, message, param);
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSORS: return convert_lists(reader, message, depth, false, param);
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPHS: return convert_lists(reader, message, depth, true, param);
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__SPARSE_TENSORS:
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TYPE_PROTOS:
        return sl_reader_unsupported(reader, &param->place, "attribute '%.200s': lists of types or sparse tensors aren't supported", param->name);
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED:
    case _ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE_IS_INT_SIZE: break;
    }
    return sl_reader_error(reader, &param->place, "attribute '%.200s' has no value of a known type", param->name);
}

static bool convert_params(sl_reader *reader, size_t count, Onnx__AttributeProto *const *messages, const sl_place *place, int depth, int *param_count,
                           const sl_param **result) {
    if (!fits_int(reader, place, "attributes", count)) return false;
    sl_param *params = SL_NEW_ARRAY(reader->arena, sl_param, count);
    bool good = true;
    for (size_t i = 0; i < count; i++) {
        good &= convert_param(reader, messages[i], place, depth, &params[i]);
        for (size_t k = 0; k < i && i < 1000 && params[i].name; k++)   /* no op has more; a hostile file shall not cost a quadratic time */
            if (params[k].name == params[i].name) good = sl_reader_error(reader, &params[i].place, "attribute '%.200s' is given twice", params[i].name);
    }
    *param_count = (int)count;
    *result = params;
    return good;
}

/* ---- nodes and graphs ---- */

static bool convert_node(sl_reader *reader, const Onnx__NodeProto *message, int number, int depth, sl_node *node) {
    node->place = sl_reader_message_place(reader, message);
    node->op = text_or(reader, message->op_type, "");
    node->name = sl_reader_node_name(reader, message->name, *node->op ? node->op : "node", number);
    node->place.node = node->name;
    if (!*node->op) return sl_reader_error(reader, &node->place, "node %d has no op_type", number);
    node->place.op = node->op;
    if (message->overload && *message->overload)   /* an overload is another function: see convert_function */
        node->op = sl_reader_intern(reader, sl_arena_printf(reader->arena, "%s:%s", node->op, message->overload));
    node->domain = domain_of(reader, message->domain);
    node->loc = sl_loc_node(reader->context, reader->path, node->name, node->op);
    if (!fits_int(reader, &node->place, "inputs", message->n_input) || !fits_int(reader, &node->place, "outputs", message->n_output)) return false;
    node->input_count = (int)message->n_input;
    node->inputs = intern_all(reader, message->n_input, message->input);
    node->output_count = (int)message->n_output;
    node->outputs = intern_all(reader, message->n_output, message->output);
    return convert_params(reader, message->n_attribute, message->attribute, &node->place, depth, &node->param_count, &node->params);
}

static bool convert_nodes(sl_reader *reader, size_t count, Onnx__NodeProto *const *messages, int depth, int *node_count, const sl_node **result) {
    sl_place file = sl_reader_place(reader);
    if (!fits_int(reader, &file, "nodes", count)) return false;
    sl_node *nodes = SL_NEW_ARRAY(reader->arena, sl_node, count);
    bool good = true;
    for (size_t i = 0; i < count; i++) good &= convert_node(reader, messages[i], (int)i, depth, &nodes[i]);
    *node_count = (int)count;
    *result = nodes;
    return good;
}

static sl_graph *convert_graph(sl_reader *reader, const Onnx__GraphProto *message, int depth) {
    sl_graph *graph = SL_NEW(reader->arena, sl_graph);
    sl_place place = sl_reader_message_place(reader, message);
    graph->name = text_or(reader, message->name, "");
    if (depth > SL_READ_MOST_GRAPH_DEPTH) {
        sl_reader_error(reader, &place, "graph '%.200s' is nested more than %d deep in other graphs", graph->name, SL_READ_MOST_GRAPH_DEPTH);
        return NULL;
    }
    bool good = read_value_infos(reader, "input", message->n_input, message->input, &graph->input_count, &graph->inputs);
    good &= read_value_infos(reader, "output", message->n_output, message->output, &graph->output_count, &graph->outputs);
    size_t count = message->n_initializer + message->n_sparse_initializer;
    if (!fits_int(reader, &place, "initializers", count)) return NULL;
    sl_graph_tensor *tensors = SL_NEW_ARRAY(reader->arena, sl_graph_tensor, count);
    const sl_graph_tensor **initializers = SL_NEW_ARRAY(reader->arena, const sl_graph_tensor *, count);
    for (size_t i = 0; i < count; i++) {
        bool sparse = i >= message->n_initializer;
        const void *source = sparse ? (const void *)message->sparse_initializer[i - message->n_initializer] : (const void *)message->initializer[i];
        sl_place at = sl_reader_message_place(reader, source);
        initializers[i] = &tensors[i];
        reader->in_initializers = !sparse;
        if (!(sparse ? sl_onnx_convert_sparse(reader, source, &at, &tensors[i]) : sl_onnx_convert_tensor(reader, source, &at, &tensors[i]))) good = false;
        else if (!*tensors[i].name) good = sl_reader_error(reader, &at, "initializer %zu has no name", i);
    }
    reader->in_initializers = false;
    graph->initializer_count = (int)count;
    graph->initializers = initializers;
    good &= convert_nodes(reader, message->n_node, message->node, depth, &graph->node_count, &graph->nodes);
    return good ? graph : NULL;
}

/* ---- model ---- */

static bool convert_opsets(sl_reader *reader, const char *what, size_t count, Onnx__OperatorSetIdProto *const *messages, int *opset_count,
                           const sl_opset **result) {
    sl_opset *opsets = SL_NEW_ARRAY(reader->arena, sl_opset, count);
    sl_place file = sl_reader_place(reader);
    if (!fits_int(reader, &file, "opset imports", count)) return false;
    for (size_t i = 0; i < count; i++) {
        sl_place place = sl_reader_message_place(reader, messages[i]);
        opsets[i] = (sl_opset){domain_of(reader, messages[i]->domain), messages[i]->version};
        if (opsets[i].version < 1)
            return sl_reader_error(reader, &place, "%s: opset version %lld of domain '%.100s' isn't positive", what, (long long)opsets[i].version,
                                   opsets[i].domain);
        for (size_t k = 0; k < i && i < 1000; k++)
            if (opsets[k].domain == opsets[i].domain && opsets[k].version != opsets[i].version)
                return sl_reader_error(reader, &place, "%s: two opset versions of domain '%.100s': %lld and %lld", what, opsets[i].domain,
                                       (long long)opsets[k].version, (long long)opsets[i].version);
    }
    *opset_count = (int)count;
    *result = opsets;
    return true;
}

static bool convert_function(sl_reader *reader, const Onnx__FunctionProto *message, sl_graph_function *function) {
    sl_place place = sl_reader_message_place(reader, message);
    function->domain = domain_of(reader, message->domain);
    function->name = text_or(reader, message->name, "");
    if (!*function->name) return sl_reader_error(reader, &place, "a model-local function has no name");
    const char *what = sl_arena_printf(reader->arena, "function '%.200s'", function->name);
    if (message->overload && *message->overload)
        function->name = sl_reader_intern(reader, sl_arena_printf(reader->arena, "%s:%s", function->name, message->overload));
    if (!fits_int(reader, &place, "inputs", message->n_input) || !fits_int(reader, &place, "outputs", message->n_output)) return false;
    function->input_count = (int)message->n_input;
    function->inputs = intern_all(reader, message->n_input, message->input);
    function->output_count = (int)message->n_output;
    function->outputs = intern_all(reader, message->n_output, message->output);
    bool good = convert_params(reader, message->n_attribute_proto, message->attribute_proto, &place, 0, &function->param_count, &function->params);
    good &= convert_nodes(reader, message->n_node, message->node, 0, &function->node_count, &function->nodes);
    return good & convert_opsets(reader, what, message->n_opset_import, message->opset_import, &function->opset_count, &function->opsets);
}

bool sl_onnx_convert_model(sl_reader *reader, const Onnx__ModelProto *message, sl_model *model) {
    sl_place place = sl_reader_message_place(reader, message);
    if (!message->graph) return sl_reader_error(reader, &place, "the model has no graph%s", message->has_ir_version ? "" : "; is this an ONNX file?");
    model->ir_version = message->ir_version;
    model->producer = text_or(reader, message->producer_name, "");
    if (!message->n_opset_import) return sl_reader_error(reader, &place, "the model imports no opset (opset_import is empty), so its ops have no version");
    bool good = convert_opsets(reader, "model", message->n_opset_import, message->opset_import, &model->opset_count, &model->opsets);
    model->graph = convert_graph(reader, message->graph, 1);
    if (!fits_int(reader, &place, "functions", message->n_functions)) return false;
    sl_graph_function *functions = SL_NEW_ARRAY(reader->arena, sl_graph_function, message->n_functions);
    for (size_t i = 0; i < message->n_functions; i++) good &= convert_function(reader, message->functions[i], &functions[i]);
    model->function_count = (int)message->n_functions;
    model->functions = functions;
    return good && model->graph;
}

bool sl_read_onnx(sl_reader *reader, const uint8_t *data, size_t size, sl_model *model) {
    const Onnx__ModelProto *message = sl_onnx_unpack(reader, &onnx__model_proto__descriptor, data, size);
    return message && sl_onnx_convert_model(reader, message, model);
}
