/* read_json_graph.c: Sluice's own JSON graph, described in docs/graph-format.md, to sl_model. Tensors are in json_tensor.c. A broken part is reported and
 * left out while the rest is still read, so that one run shows several errors. */
#include "read_internal.h"
#include <string.h>

static bool wrong_kind(sl_reader *reader, const sl_json *value, const char *wanted) {
    return sl_json_error(reader, value, "expected %s, found %s", wanted, sl_json_kind_name(value));
}

/* ---- types and values ---- */

static bool read_type(sl_reader *reader, const sl_json *value, int depth, sl_type *type) {
    bool good = true;
    *type = NULL;
    if (value->kind != SL_JSON_OBJECT) return wrong_kind(reader, value, "a type (an object)");
    if (depth > SL_READ_MOST_TYPE_DEPTH) return sl_json_error(reader, value, "the type is nested too deeply");
    const sl_json *list = sl_json_get(value, "list"), *optional = sl_json_get(value, "optional"), *element_name = sl_json_get(value, "type");
    const sl_json *shape = sl_json_get(value, "shape");
    if ((list != NULL) + (optional != NULL) + (element_name != NULL) > 1)
        return sl_json_error(reader, value, "a type has only one of \"type\", \"list\" and \"optional\"");
    if (list || optional) {
        static const char *const keys[] = {"type", "shape", "list", "optional", NULL};
        const sl_json *inner = list ? list : optional;
        sl_type item;
        if (inner->kind == SL_JSON_OBJECT) good = sl_json_members(reader, inner, keys);
        if (!good || !read_type(reader, inner, depth + 1, &item)) return false;
        if (!item) return sl_json_error(reader, inner, "the type of the items is missing");
        *type = list ? sl_type_list(reader->context, item) : sl_type_optional(reader->context, item);
        return true;
    }
    sl_element element;
    if (!element_name) return !shape || sl_json_error(reader, shape, "a \"shape\" needs a \"type\" beside it");
    if (!sl_json_element(reader, element_name, &element)) return false;
    if (!shape || shape->kind == SL_JSON_NULL) {
        *type = sl_type_unranked(reader->context, element);
        return true;
    }
    if (shape->kind != SL_JSON_ARRAY) return wrong_kind(reader, shape, "an array of dimensions");
    if (shape->count > SL_MAX_RANK) return sl_json_error(reader, shape, "rank %d is more than %d", shape->count, SL_MAX_RANK);
    sl_expr dims[SL_MAX_RANK];
    for (int i = 0; i < shape->count; i++) {
        const sl_json *dim = &shape->items[i];
        if (dim->is_integer && dim->integer >= 0) dims[i] = sl_expr_const(reader->context, dim->integer);
        else if (dim->kind == SL_JSON_NULL) dims[i] = sl_expr_fresh(reader->context);
        else if (dim->kind == SL_JSON_STRING && dim->length && dim->text[0] != '?') dims[i] = sl_expr_symbol(reader->context, dim->text);
        else if (dim->kind == SL_JSON_STRING && dim->length) dims[i] = sl_expr_fresh(reader->context);
        else good = sl_json_error(reader, dim, "a dimension is a number that isn't negative, a symbol's name or null");
    }
    if (good) *type = sl_type_tensor(reader->context, element, shape->count, dims);
    return good;
}

static bool read_value_info(sl_reader *reader, const sl_json *value, bool plain, sl_value_info *info) {
    static const char *const keys[] = {"name", "type", "shape", "list", "optional", NULL};
    bool good = true;
    info->place = sl_reader_json_place(reader, value);
    const sl_json *name = value;
    if (!(plain && value->kind == SL_JSON_STRING)) {
        if (value->kind != SL_JSON_OBJECT) return wrong_kind(reader, value, plain ? "a value (an object) or a name" : "a value (an object)");
        good = sl_json_members(reader, value, keys);
        name = sl_json_member(reader, value, "name", SL_JSON_STRING, &good);
        good &= read_type(reader, value, 0, &info->type);
        if (!name && good) return sl_json_error(reader, value, "the value needs a \"name\"");
    }
    if (!name) return false;
    if (!name->length) return sl_json_error(reader, name, "a value's name can't be empty");
    info->name = sl_reader_intern(reader, name->text);
    return good;
}

static bool read_values(sl_reader *reader, const sl_json *list, bool plain, int *count, const sl_value_info **result) {
    if (!list) return true;
    sl_value_info *infos = SL_NEW_ARRAY(reader->arena, sl_value_info, (size_t)list->count);
    bool good = true;
    for (int i = 0; i < list->count; i++) good &= read_value_info(reader, &list->items[i], plain, &infos[i]);
    *count = list->count;
    *result = infos;
    return good;
}

/* ---- attributes ---- */

static sl_graph *read_graph(sl_reader *reader, const sl_json *value, int depth);

static bool all_of_kind(const sl_json *list, sl_json_kind kind) {
    for (int i = 0; i < list->count; i++)
        if (list->items[i].kind != kind) return false;
    return true;
}

/* Floats beside the integers, too: which of them ONNX wants isn't known here. */
static bool read_numbers(sl_reader *reader, const sl_json *list, bool floats, bool integers, sl_param *param) {
    int64_t *ints = SL_NEW_ARRAY(reader->arena, int64_t, (size_t)list->count);
    double *numbers = SL_NEW_ARRAY(reader->arena, double, (size_t)list->count);
    for (int i = 0; i < list->count; i++) {
        const sl_json *item = &list->items[i];
        if (!sl_json_float(item, &numbers[i]) || (item->kind == SL_JSON_STRING && !floats)) return wrong_kind(reader, item, "a number");
        if (integers && !item->is_integer) return wrong_kind(reader, item, "an integer that fits in 64 bits");
        ints[i] = item->integer;
        floats |= !item->is_integer;
    }
    param->kind = floats ? SL_PARAM_FLOATS : SL_PARAM_INTS;
    param->count = list->count;
    param->ints = ints;
    param->floats = numbers;
    return true;
}

static bool read_strings(sl_reader *reader, const sl_json *list, sl_param *param) {
    sl_graph_string *strings = SL_NEW_ARRAY(reader->arena, sl_graph_string, (size_t)list->count);
    for (int i = 0; i < list->count; i++) {
        if (list->items[i].kind != SL_JSON_STRING) return wrong_kind(reader, &list->items[i], "a string");
        strings[i] = (sl_graph_string){list->items[i].text, (int64_t)list->items[i].length};
    }
    param->kind = SL_PARAM_STRINGS;
    param->count = list->count;
    param->strings = strings;
    return true;
}

static bool read_array(sl_reader *reader, const sl_json *value, sl_param *param) {
    if (value->count && all_of_kind(value, SL_JSON_STRING)) return read_strings(reader, value, param);
    if (all_of_kind(value, SL_JSON_NUMBER)) return read_numbers(reader, value, false, false, param);
    return sl_json_error(reader, value, "an attribute's array holds only numbers or only strings; other lists are written {\"tensors\": [...]} or {\"graphs\": [...]}");
}

static bool read_tensor_list(sl_reader *reader, const sl_json *list, sl_param *param) {
    sl_graph_tensor *tensors = SL_NEW_ARRAY(reader->arena, sl_graph_tensor, (size_t)list->count);
    const sl_graph_tensor **pointers = SL_NEW_ARRAY(reader->arena, const sl_graph_tensor *, (size_t)list->count);
    bool good = true;
    for (int i = 0; i < list->count; i++) {
        good &= sl_json_tensor(reader, &list->items[i], NULL, &tensors[i]);
        pointers[i] = &tensors[i];
    }
    param->kind = SL_PARAM_TENSORS;
    param->count = list->count;
    param->tensors = pointers;
    return good;
}

static bool read_graph_list(sl_reader *reader, const sl_json *list, int depth, sl_param *param) {
    sl_graph **graphs = SL_NEW_ARRAY(reader->arena, sl_graph *, (size_t)list->count);
    bool good = true;
    for (int i = 0; i < list->count; i++) good &= (graphs[i] = read_graph(reader, &list->items[i], depth + 1)) != NULL;
    param->kind = SL_PARAM_GRAPHS;
    param->count = list->count;
    param->graphs = graphs;
    return good;
}

/* {"kind": value}, where the kind is said outright. */
static bool read_explicit(sl_reader *reader, const sl_json *value, int depth, sl_param *param) {
    const sl_json *inner = value->count == 1 ? &value->items[0] : NULL;
    const char *kind = inner ? inner->key : "";
    bool list = inner && inner->kind == SL_JSON_ARRAY;
    if (strcmp(kind, "element") == 0) {
        sl_element element;
        if (!sl_json_element(reader, inner, &element)) return false;
        param->kind = SL_PARAM_INT;
        param->i = sl_element_to_onnx(element);
        return true;
    }
    if (strcmp(kind, "value") == 0) {
        param->kind = SL_PARAM_TYPE;
        return read_type(reader, inner, 0, &param->type);
    }
    if (strcmp(kind, "float") == 0) {
        param->kind = SL_PARAM_FLOAT;
        return sl_json_float(inner, &param->f) || wrong_kind(reader, inner, "a number");
    }
    if (strcmp(kind, "floats") == 0) return list ? read_numbers(reader, inner, true, false, param) : wrong_kind(reader, inner, "an array");
    if (strcmp(kind, "ints") == 0) return list ? read_numbers(reader, inner, false, true, param) : wrong_kind(reader, inner, "an array");
    if (strcmp(kind, "strings") == 0) return list ? read_strings(reader, inner, param) : wrong_kind(reader, inner, "an array");
    if (strcmp(kind, "tensors") == 0) return list ? read_tensor_list(reader, inner, param) : wrong_kind(reader, inner, "an array");
    if (strcmp(kind, "graphs") == 0) return list ? read_graph_list(reader, inner, depth, param) : wrong_kind(reader, inner, "an array");
    return sl_json_error(reader, value, "an attribute that is an object must be a graph (with \"nodes\"), a tensor (with \"data\", \"fill\", \"file\" or "
                                        "\"safetensors\"), or one of {\"element\"}, {\"value\"}, {\"float\"}, {\"floats\"}, {\"ints\"}, {\"strings\"}, "
                                        "{\"tensors\"}, {\"graphs\"}");
}

static bool read_param(sl_reader *reader, const sl_json *value, const sl_node *node, int depth, sl_param *param) {
    const char *name = value->key;
    if (strcmp(node->op, "If") == 0 && strcmp(name, "then") == 0) name = "then_branch";
    if (strcmp(node->op, "If") == 0 && strcmp(name, "else") == 0) name = "else_branch";
    param->name = sl_reader_intern(reader, name);
    param->place = sl_reader_json_place(reader, value);
    param->place.node = node->name;
    param->place.op = node->op;
    switch (value->kind) {
    case SL_JSON_NULL: return sl_json_error(reader, value, "an attribute can't be null; leave it out");
    case SL_JSON_BOOL:
        param->kind = SL_PARAM_INT;
        param->i = value->boolean;
        return true;
    case SL_JSON_NUMBER:
        param->kind = value->is_integer ? SL_PARAM_INT : SL_PARAM_FLOAT;
        param->i = value->integer;
        param->f = value->number;
        return true;
    case SL_JSON_STRING:
        param->kind = SL_PARAM_STRING;
        param->s = value->text;
        param->s_length = (int64_t)value->length;
        return true;
    case SL_JSON_ARRAY: return read_array(reader, value, param);
    case SL_JSON_OBJECT: break;
    }
    if (sl_json_get(value, "nodes")) {
        param->kind = SL_PARAM_GRAPH;
        return (param->graph = read_graph(reader, value, depth + 1)) != NULL;
    }
    if (sl_json_is_tensor(value)) {
        sl_graph_tensor *tensor = SL_NEW(reader->arena, sl_graph_tensor);
        param->kind = SL_PARAM_TENSOR;
        param->tensor = tensor;
        return sl_json_tensor(reader, value, NULL, tensor);
    }
    return read_explicit(reader, value, depth, param);
}

/* ---- nodes and graphs ---- */

static bool read_names(sl_reader *reader, const sl_json *list, int *count, const char *const **result) {
    if (!list) return true;
    const char **names = SL_NEW_ARRAY(reader->arena, const char *, (size_t)list->count);
    bool good = true;
    for (int i = 0; i < list->count; i++) {
        const sl_json *item = &list->items[i];
        if (item->kind != SL_JSON_STRING && item->kind != SL_JSON_NULL) good = wrong_kind(reader, item, "a value's name or null");
        names[i] = sl_reader_intern(reader, item->kind == SL_JSON_STRING ? item->text : "");
    }
    *count = list->count;
    *result = names;
    return good;
}

static bool read_node(sl_reader *reader, const sl_json *value, int number, int depth, sl_node *node) {
    static const char *const keys[] = {"op", "domain", "name", "inputs", "outputs", "attributes", NULL};
    if (value->kind != SL_JSON_OBJECT) return wrong_kind(reader, value, "a node (an object)");
    bool good = sl_json_members(reader, value, keys);
    const sl_json *op = sl_json_member(reader, value, "op", SL_JSON_STRING, &good), *domain = sl_json_member(reader, value, "domain", SL_JSON_STRING, &good);
    const sl_json *name = sl_json_member(reader, value, "name", SL_JSON_STRING, &good);
    const sl_json *attributes = sl_json_member(reader, value, "attributes", SL_JSON_OBJECT, &good);
    if (good && (!op || !op->length)) good = sl_json_error(reader, value, "the node needs an \"op\"");
    if (!good) return false;
    node->op = sl_reader_intern(reader, op->text);
    node->domain = sl_reader_intern(reader, !domain || strcmp(domain->text, "ai.onnx") == 0 ? "" : domain->text);
    node->name = sl_reader_node_name(reader, name ? name->text : NULL, node->op, number);
    node->place = sl_reader_json_place(reader, value);
    node->place.node = node->name;
    node->place.op = node->op;
    node->loc = sl_loc_node(reader->context, reader->path, node->name, node->op);
    good &= read_names(reader, sl_json_member(reader, value, "inputs", SL_JSON_ARRAY, &good), &node->input_count, &node->inputs);
    good &= read_names(reader, sl_json_member(reader, value, "outputs", SL_JSON_ARRAY, &good), &node->output_count, &node->outputs);
    if (!attributes) return good;
    sl_param *params = SL_NEW_ARRAY(reader->arena, sl_param, (size_t)attributes->count);
    for (int i = 0; i < attributes->count; i++) good &= read_param(reader, &attributes->items[i], node, depth, &params[i]);
    node->param_count = attributes->count;
    node->params = params;
    return good;
}

static bool read_initializers(sl_reader *reader, const sl_json *object, const sl_json *files, sl_graph *graph) {
    SL_VEC(const sl_graph_tensor *) list = {0};
    bool good = true;
    for (int i = 0; object && i < object->count; i++) {
        sl_graph_tensor *tensor = SL_NEW(reader->arena, sl_graph_tensor);
        if (!object->items[i].key[0]) good = sl_json_error(reader, &object->items[i], "an initializer's name can't be empty");
        else {
            reader->in_initializers = true;
            good &= sl_json_tensor(reader, &object->items[i], object->items[i].key, tensor);
            reader->in_initializers = false;
        }
        SL_PUSH(reader->arena, &list, tensor);
    }
    int file_count = !files ? 0 : files->kind == SL_JSON_ARRAY ? files->count : 1;
    for (int f = 0; f < file_count; f++) {
        const sl_json *file = files->kind == SL_JSON_ARRAY ? &files->items[f] : files;
        if (file->kind != SL_JSON_STRING) return wrong_kind(reader, file, "the name of a safetensors file");
        sl_place place = sl_reader_json_place(reader, file);
        const sl_safetensors *index = sl_safetensors_open(reader, &place, file->text);
        if (!index) return false;
        for (int i = 0; i < index->count; i++) {
            sl_graph_tensor *tensor = SL_NEW(reader->arena, sl_graph_tensor);
            tensor->place = place;
            sl_safetensors_take(reader, &index->tensors[i], index->tensors[i].name, tensor);
            SL_PUSH(reader->arena, &list, tensor);
        }
    }
    if (list.count > INT32_MAX) return sl_json_error(reader, object ? object : files, "too many initializers");
    graph->initializer_count = (int)list.count;
    graph->initializers = list.data;
    return good;
}

/* {"past": "present"}: inputs and the outputs that replace them. */
static bool read_states(sl_reader *reader, const sl_json *object, sl_graph *graph) {
    if (!object) return true;
    sl_graph_state *states = SL_NEW_ARRAY(reader->arena, sl_graph_state, (size_t)object->count);
    for (int i = 0; i < object->count; i++) {
        const sl_json *item = &object->items[i];
        bool input = false, output = false;
        if (item->kind != SL_JSON_STRING) return wrong_kind(reader, item, "an output's name");
        for (int k = 0; k < graph->input_count; k++) input |= strcmp(graph->inputs[k].name, item->key) == 0;
        for (int k = 0; k < graph->output_count; k++) output |= strcmp(graph->outputs[k].name, item->text) == 0;
        if (!input || !output) return sl_json_error(reader, item, "a state is an input and the output that replaces it; the graph has no %s '%.100s'", input ? "output" : "input", input ? item->text : item->key);
        states[i] = (sl_graph_state){sl_reader_intern(reader, item->key), sl_reader_intern(reader, item->text), sl_reader_json_place(reader, item)};
    }
    graph->state_count = object->count;
    graph->states = states;
    return true;
}

/* Recursion is limited by `depth`. Members of the model's own object were checked by the caller. */
static sl_graph *read_graph(sl_reader *reader, const sl_json *value, int depth) {
    static const char *const keys[] = {"name", "inputs", "outputs", "initializers", "nodes", "state", NULL};
    bool good = true;
    if (value->kind != SL_JSON_OBJECT) {
        wrong_kind(reader, value, "a graph (an object)");
        return NULL;
    }
    if (depth > SL_READ_MOST_GRAPH_DEPTH) {
        sl_json_error(reader, value, "graphs are nested more than %d deep", SL_READ_MOST_GRAPH_DEPTH);
        return NULL;
    }
    if (depth > 1) good = sl_json_members(reader, value, keys);
    sl_graph *graph = SL_NEW(reader->arena, sl_graph);
    const sl_json *name = sl_json_member(reader, value, "name", SL_JSON_STRING, &good), *nodes = sl_json_member(reader, value, "nodes", SL_JSON_ARRAY, &good);
    const sl_json *outputs = sl_json_member(reader, value, "outputs", SL_JSON_ARRAY, &good);
    graph->name = sl_reader_intern(reader, name ? name->text : "");
    good &= read_values(reader, sl_json_member(reader, value, "inputs", SL_JSON_ARRAY, &good), false, &graph->input_count, &graph->inputs);
    good &= read_values(reader, outputs, true, &graph->output_count, &graph->outputs);
    good &= read_initializers(reader, sl_json_member(reader, value, "initializers", SL_JSON_OBJECT, &good),
                              depth == 1 ? sl_json_get(value, "safetensors") : NULL, graph);
    good = good && read_states(reader, sl_json_member(reader, value, "state", SL_JSON_OBJECT, &good), graph);
    if (good && (!nodes || !outputs)) good = sl_json_error(reader, value, "a graph needs \"nodes\" and \"outputs\"");
    if (!nodes) return NULL;
    sl_node *list = SL_NEW_ARRAY(reader->arena, sl_node, (size_t)nodes->count);
    for (int i = 0; i < nodes->count; i++) good &= read_node(reader, &nodes->items[i], i, depth, &list[i]);
    graph->node_count = nodes->count;
    graph->nodes = list;
    return good ? graph : NULL;
}

/* ---- model ---- */

static bool add_opset(sl_reader *reader, const sl_json *value, const char *domain, sl_opset *opset) {
    if (!value->is_integer || value->integer < 1) return wrong_kind(reader, value, "an opset version (an integer from 1)");
    if (strcmp(domain, "ai.onnx") == 0) domain = "";
    *opset = (sl_opset){sl_reader_intern(reader, domain), value->integer};
    return true;
}

static bool read_opsets(sl_reader *reader, const sl_json *root, sl_model *model) {
    bool good = true;
    const sl_json *single = sl_json_get(root, "opset"), *several = sl_json_member(reader, root, "opsets", SL_JSON_OBJECT, &good);
    if (good && !single && !several) return sl_json_error(reader, root, "\"opset\" is missing: the version of ONNX's ops, e.g. \"opset\": 21");
    sl_opset *opsets = SL_NEW_ARRAY(reader->arena, sl_opset, (size_t)(several ? several->count : 0) + 2);
    bool routing = false;
    if (single) good &= add_opset(reader, single, "", &opsets[model->opset_count++]);
    for (int i = 0; several && i < several->count; i++) {
        const char *domain = several->items[i].key;
        if (single && (!*domain || strcmp(domain, "ai.onnx") == 0)) good = sl_json_error(reader, &several->items[i], "the default domain's version is given by \"opset\" already");
        routing |= strcmp(domain, "sluice") == 0;
        good &= add_opset(reader, &several->items[i], domain, &opsets[model->opset_count++]);
    }
    if (!routing) opsets[model->opset_count++] = (sl_opset){sl_reader_intern(reader, "sluice"), 1};
    model->opsets = opsets;
    return good;
}

sl_graph *sl_read_json_graph(sl_reader *reader, const sl_json *root, sl_model *model) {
    static const char *const keys[] = {"format", "version", "name", "producer", "opset", "opsets", "safetensors", "inputs", "outputs", "initializers", "nodes",
                                       "state", NULL};
    bool good = true;
    const sl_json *format = sl_json_member(reader, root, "format", SL_JSON_STRING, &good), *version = sl_json_member(reader, root, "version", SL_JSON_NUMBER, &good);
    const sl_json *producer = sl_json_member(reader, root, "producer", SL_JSON_STRING, &good);
    if (!good) return NULL;
    if (!format) {
        sl_json_error(reader, root, "\"format\": \"sluice-graph\" is missing");
        return NULL;
    }
    if (strcmp(format->text, "sluice-graph") != 0) {
        sl_json_error(reader, format, "the format is \"%.60s\", not \"sluice-graph\"", format->text);
        return NULL;
    }
    if (!version || !version->is_integer || version->integer != 1) {
        if (version) sl_reader_unsupported(reader, &(sl_place){.file = reader->path}, "version %.*s of the graph format isn't known; this program reads version 1",
                                           (int)(version->length < 20 ? version->length : 20), version->text);
        else sl_json_error(reader, root, "\"version\": 1 is missing");
        return NULL;
    }
    good &= sl_json_members(reader, root, keys);
    model->producer = sl_reader_intern(reader, producer ? producer->text : "");
    good &= read_opsets(reader, root, model);
    sl_graph *graph = read_graph(reader, root, 1);
    return good ? graph : NULL;
}
