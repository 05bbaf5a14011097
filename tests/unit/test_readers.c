/* test_readers.c: the three readers on small real models (tests/data, made by make.py there) and on hostile input. */
#include "check.h"
#include "sluice/graph.h"
#include <stdlib.h>
#include <unistd.h>

#define DATA SLUICE_SOURCE_DIR "/tests/data/"

typedef struct fixture {
    sl_context *context;
    sl_arena *arena;
    sl_diag_sink sink;
    sl_text log;
    sl_model *model;
    sl_status status;
} fixture;

static void render(void *self, const sl_diag *diag) { sl_diag_render(self, diag); }

static void begin(fixture *f) {
    sl_allocator system = sl_allocator_system();
    *f = (fixture){.arena = sl_arena_create(&system, 0)};
    sl_text_init(&f->log, f->arena);
    f->sink = (sl_diag_sink){.handler = render, .self = &f->log};
    f->context = sl_context_create(&system, &f->sink);
}

static void end(fixture *f) {
    sl_status_free(f->status);
    sl_context_destroy(f->context);
    sl_arena_destroy(f->arena);
}

static sl_model *read_file(fixture *f, const char *name) {
    begin(f);
    f->status = sl_model_read_file(f->context, f->arena, sl_arena_printf(f->arena, DATA "%s", name), SL_FORMAT_AUTO, &f->model);
    return f->model;
}

static sl_model *read_bytes(fixture *f, const char *path, const void *data, size_t size) {
    begin(f);
    f->status = sl_model_read_memory(f->context, f->arena, path, data, size, SL_FORMAT_AUTO, &f->model);
    return f->model;
}

static const char *type_text(fixture *f, sl_type type) {
    sl_text text;
    sl_text_init(&text, f->arena);
    if (type) sl_type_print(&text, type);
    return text.data;
}

static const sl_graph_tensor *initializer(const sl_graph *graph, const char *name) {
    for (int i = 0; i < graph->initializer_count; i++)
        if (strcmp(graph->initializers[i]->name, name) == 0) return graph->initializers[i];
    fprintf(stderr, "no initializer %s\n", name);
    check_failures++;
    static const sl_graph_tensor none;
    return &none;
}

static const sl_param *param(const sl_node *node, const char *name) {
    for (int i = 0; i < node->param_count; i++)
        if (strcmp(node->params[i].name, name) == 0) return &node->params[i];
    fprintf(stderr, "no attribute %s\n", name);
    check_failures++;
    static const sl_param none;
    return &none;
}

/* ---- good files ---- */

static void the_same_model_in_three_onnx_forms(void) {
    static const char *const files[] = {"mlp.onnx", "mlp_onnx.json", "mlp_onnx_plain.json"};
    for (int i = 0; i < 3; i++) {
        fixture f;
        const sl_model *model = read_file(&f, files[i]);
        if (!model) {
            fprintf(stderr, "%s: %s\n%s", files[i], sl_status_message(f.status), f.log.data);
            check_failures++;
            end(&f);
            continue;
        }
        const sl_graph *graph = model->graph;
        CHECK_INT(model->ir_version, 10);
        CHECK_TEXT(model->producer, "sluice tests");
        CHECK(model->opset_count == 1 && model->opsets[0].version == 21 && !*model->opsets[0].domain);
        CHECK_INT(graph->node_count, 2);
        CHECK_TEXT(graph->nodes[0].name, "fc");
        CHECK_TEXT(graph->nodes[1].name, "Relu_1");
        CHECK_TEXT(type_text(&f, graph->inputs[0].type), "tensor<batch x 4 x f32>");
        CHECK(param(&graph->nodes[0], "alpha")->kind == SL_PARAM_FLOAT && param(&graph->nodes[0], "alpha")->f == 0.5);
        CHECK(param(&graph->nodes[0], "transB")->kind == SL_PARAM_INT && param(&graph->nodes[0], "transB")->i == 0);
        CHECK(((const float *)initializer(graph, "w")->data)[11] == 11 && initializer(graph, "w")->size == 48);
        CHECK(((const float *)initializer(graph, "b")->data)[2] == 2);
        CHECK(((const uint16_t *)initializer(graph, "half")->data)[1] == 0xC000);
        CHECK(initializer(graph, "nibbles")->size == 2 && ((const uint8_t *)initializer(graph, "nibbles")->data)[0] == 0xE1);
        CHECK_INT(f.sink.error_count + f.sink.warning_count, 0);
        CHECK(i == 0 || graph->nodes[0].place.line > 0);   /* made from text: the place has a line */
        end(&f);
    }
}

static void external_data_is_mapped(void) {
    fixture f;
    const sl_model *model = read_file(&f, "external.onnx");
    CHECK(model != NULL);
    if (model) CHECK(((const float *)initializer(model->graph, "w")->data)[5] == 5);
    end(&f);
}

static void nodes_are_put_in_order_with_what_bodies_capture(void) {
    fixture f;
    const sl_model *model = read_file(&f, "unordered.onnx");
    CHECK(model != NULL);
    if (model) {
        CHECK_TEXT(model->graph->nodes[0].name, "abs");
        CHECK_TEXT(model->graph->nodes[1].name, "choose");
        CHECK_TEXT(param(&model->graph->nodes[1], "then_branch")->graph->nodes[0].inputs[0], "late");
    }
    end(&f);
}

static void functions_sparse_initializers_and_sequences(void) {
    fixture f;
    const sl_model *model = read_file(&f, "function.onnx");
    CHECK(model != NULL);
    if (model) {
        CHECK_INT(model->function_count, 1);
        CHECK_TEXT(model->functions[0].nodes[0].op, "Constant");   /* sorted too */
        const sl_graph_tensor *sparse = initializer(model->graph, "s");
        const float *values = sparse->data;
        CHECK(sparse->rank == 2 && values[0] == 0 && values[1] == 3 && values[5] == 4);
        CHECK_CONTAINS(type_text(&f, model->graph->inputs[0].type), "list<tensor<?");
    }
    end(&f);
}

static void every_form_of_the_json_graph(void) {
    fixture f;
    const sl_model *model = read_file(&f, "graph.json");
    if (!model) {
        fprintf(stderr, "%s\n", f.log.data);
        check_failures++;
        end(&f);
        return;
    }
    const sl_graph *graph = model->graph;
    CHECK_INT(model->opset_count, 3);
    CHECK_TEXT(type_text(&f, graph->inputs[0].type), "tensor<batch x 2 x f32>");
    CHECK_TEXT(type_text(&f, graph->inputs[1].type), "tensor<i1>");
    CHECK_TEXT(type_text(&f, graph->inputs[3].type), "optional<tensor<* x i64>>");
    CHECK(graph->outputs[0].type == NULL);
    CHECK(((const float *)initializer(graph, "fc1.weight")->data)[3] == 4);
    CHECK(initializer(graph, "bias")->element == SL_ELEMENT_f16);
    CHECK(((const float *)initializer(graph, "raw")->data)[1] == 1);
    CHECK(((const int8_t *)initializer(graph, "nested")->data)[1] == -128);
    CHECK(((const uint64_t *)initializer(graph, "flat")->data)[0] == UINT64_MAX);
    CHECK(initializer(graph, "scalar")->rank == 0 && *(const float *)initializer(graph, "scalar")->data < -1e38f);
    CHECK(initializer(graph, "filled")->size == 3 && sl_element_load_int(SL_ELEMENT_i4, initializer(graph, "filled")->data, 4) == -3);
    CHECK_TEXT(((const sl_graph_string *)initializer(graph, "words")->data)[1].bytes, "\xC3\xA9");
    CHECK_INT(initializer(graph, "none")->size, 0);
    CHECK_TEXT(graph->nodes[0].op, "Abs");
    CHECK_TEXT(graph->nodes[0].inputs[1], "");
    CHECK(param(&graph->nodes[1], "else_branch")->graph->node_count == 1);
    const sl_node *node = &graph->nodes[2];
    CHECK(param(node, "i")->i == 9007199254740993);
    CHECK(param(node, "f")->kind == SL_PARAM_FLOAT && param(node, "t")->i == 1);
    CHECK(param(node, "ints")->kind == SL_PARAM_INTS && param(node, "ints")->ints[1] == -2 && param(node, "ints")->floats[1] == -2);
    CHECK(param(node, "floats")->kind == SL_PARAM_FLOATS && param(node, "strings")->count == 2);
    CHECK(param(node, "element")->i == 10 && param(node, "explicit")->kind == SL_PARAM_FLOAT && param(node, "explicit")->f == 3);
    CHECK(param(node, "none")->kind == SL_PARAM_FLOATS && param(node, "inf")->floats[0] > 1e300);
    CHECK_TEXT(type_text(&f, param(node, "value")->type), "tensor<2 x f32>");
    CHECK(param(node, "tensors")->tensors[0]->rank == 0 && param(node, "graphs")->count == 1);
    end(&f);
}

static void a_lone_tensor_is_read(void) {
    sl_allocator system = sl_allocator_system();
    sl_arena *arena = sl_arena_create(&system, 0);
    sl_tensor *tensor = NULL;
    const char *name = NULL;
    CHECK(!sl_tensor_proto_read(arena, DATA "tensor.pb", &tensor, &name));
    CHECK(tensor && tensor->rank == 2 && tensor->element == SL_ELEMENT_i64 && ((int64_t *)tensor->data)[1] == -2);
    CHECK_TEXT(name, "in");
    sl_status status = sl_tensor_proto_read(arena, DATA "external.bin", &tensor, &name);
    CHECK(status != NULL);
    sl_status_free(status);
    sl_arena_destroy(arena);
}

/* ---- bad input ---- */

/* Reads a text that must be refused with a diagnostic that contains `part`. */
static void refuse_as(const char *path, const char *text, const char *part, int line) {
    fixture f;
    read_bytes(&f, path, text, strlen(text));
    if (f.model || !f.status || !f.sink.error_count || !strstr(f.log.data, part)) {
        fprintf(stderr, "%s:%d: expected a refusal with \"%s\", got %s\n%s\n", __FILE__, line, part, sl_status_message(f.status), f.log.data);
        check_failures++;
    }
    end(&f);
}
#define REFUSE(text, part) refuse_as(DATA "inline.json", (text), (part), __LINE__)
#define HEAD "{\"format\": \"sluice-graph\", \"version\": 1, \"opset\": 21, "
#define WITH(parts) HEAD "\"outputs\": [], \"nodes\": [], " parts "}"
#define TENSOR(body) WITH("\"initializers\": {\"w\": {" body "}}")
#define NODES(nodes) HEAD "\"inputs\": [{\"name\": \"x\"}], \"outputs\": [\"x\"], \"nodes\": [" nodes "]}"

static void json_syntax_errors_have_a_caret(void) {
    REFUSE("{\n  \"format\" \"x\"\n}", "inline.json:2:12: error: not valid JSON: unexpected '\"'\n    \"format\" \"x\"\n             ^\n");
    REFUSE("{\"a\": [1, 2", "too early");
    REFUSE("{} x", "something follows the end");
    REFUSE("{\"a\": 1e999}", "too large");
    REFUSE("{\"a\": 1, \"b\": 2, \"a\": 3}", "inline.json:1:23: error: duplicate key \"a\"");
    REFUSE("[1]", "error");
    REFUSE("", "the file is empty");
    REFUSE("{}", "not a model");
    REFUSE("{\"graph\": 3}", "expected an object (GraphProto), found an integer");
}

static void json_graphs_that_break_the_format(void) {
    REFUSE("{\"format\": \"other\", \"nodes\": []}", "not \"sluice-graph\"");
    REFUSE("{\"format\": \"sluice-graph\", \"version\": 2}", "version 2");
    REFUSE("{\"format\": \"sluice-graph\", \"version\": 1, \"nodes\": [], \"outputs\": []}", "\"opset\" is missing");
    REFUSE("{\"format\": \"sluice-graph\", \"version\": 1, \"opset\": 1.5, \"nodes\": [], \"outputs\": []}", "/opset: expected an opset version");
    REFUSE(HEAD "\"nodes\": []}", "needs \"nodes\" and \"outputs\"");
    REFUSE(WITH("\"inptus\": []"), "/inptus: unknown key \"inptus\"; expected one of:");
    REFUSE(WITH("\"inputs\": [{\"name\": \"x\", \"type\": \"f33\"}]"), "/inputs/0/type: \"f33\" isn't an element type");
    REFUSE(WITH("\"inputs\": [{\"name\": \"x\", \"type\": \"f32\", \"shape\": [-1]}]"), "/inputs/0/shape/0: a dimension is");
    REFUSE(WITH("\"inputs\": [{\"name\": \"x\", \"type\": \"f32\", \"shape\": [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}]"), "rank 17 is more than 16");
    REFUSE(WITH("\"inputs\": [{\"type\": \"f32\"}]"), "/inputs/0: the value needs a \"name\"");
    REFUSE(WITH("\"inputs\": [{\"name\": \"x\"}, {\"name\": \"x\"}]"), "'x' is defined twice");
    REFUSE(NODES("{\"op\": 3}"), "/nodes/0/op: expected a string, found an integer");
    REFUSE(NODES("{\"op\": \"Abs\", \"inputs\": [3], \"outputs\": [\"y\"]}"), "/nodes/0/inputs/0: expected a value's name or null");
    REFUSE(NODES("{\"op\": \"Abs\", \"name\": \"a\", \"inputs\": [\"q\"], \"outputs\": [\"y\"]}"), "node 'a' (Abs): error: its input 'q' is defined nowhere");
    REFUSE(NODES("{\"op\": \"Abs\", \"inputs\": [\"x\"], \"outputs\": [\"x\"]}"), "'x' is defined twice");
    REFUSE(NODES("{\"op\": \"Abs\", \"name\": \"a\", \"inputs\": [\"c\"], \"outputs\": [\"b\"]}, {\"op\": \"Abs\", \"name\": \"d\", \"inputs\": [\"b\"], "
                 "\"outputs\": [\"c\"]}"), "the nodes form a cycle: 'd' -> 'a' -> 'd'");
    REFUSE(NODES("{\"op\": \"Abs\", \"name\": \"a\", \"inputs\": [\"b\"], \"outputs\": [\"b\"]}"), "cycle: 'a' -> 'a'");
    REFUSE(NODES("{\"op\": \"A\", \"outputs\": [], \"attributes\": {\"k\": null}}"), "can't be null");
    REFUSE(NODES("{\"op\": \"A\", \"outputs\": [], \"attributes\": {\"k\": [1, \"a\"]}}"), "only numbers or only strings");
    REFUSE(NODES("{\"op\": \"A\", \"outputs\": [], \"attributes\": {\"k\": {\"ints\": [1.5]}}}"), "/nodes/0/attributes/k/ints/0: expected an integer");
    REFUSE(NODES("{\"op\": \"If\", \"outputs\": [], \"attributes\": {\"then\": {\"nodes\": [], \"outputs\": [\"q\"]}}}"), "'q' is defined nowhere");
    REFUSE(HEAD "\"nodes\": [], \"outputs\": [\"y\"]}", "the output 'y' is defined nowhere");
}

static void json_tensors_that_do_not_fit(void) {
    REFUSE(TENSOR("\"type\": \"f32\", \"shape\": [2], \"data\": [1]"), "/initializers/w/data: expected 2 entries, found 1");
    REFUSE(TENSOR("\"type\": \"f32\", \"data\": [[1, 2], [3]]"), "/initializers/w/data/1: expected 2 entries, found 1");
    REFUSE(TENSOR("\"type\": \"i8\", \"data\": [128]"), "128 doesn't fit in i8");
    REFUSE(TENSOR("\"type\": \"u8\", \"data\": [-1]"), "doesn't fit in u8");
    REFUSE(TENSOR("\"type\": \"i64\", \"data\": [9223372036854775808]"), "doesn't fit in i64");
    REFUSE(TENSOR("\"type\": \"i64\", \"data\": [1.5]"), "doesn't fit in i64");
    REFUSE(TENSOR("\"type\": \"f32\", \"data\": [\"one\"]"), "expected a number");
    REFUSE(TENSOR("\"type\": \"f32\", \"shape\": [4611686018427387904, 4], \"data\": [1]"), "doesn't fit in 64 bits");
    REFUSE(TENSOR("\"type\": \"f32\", \"shape\": [1000000000000], \"data\": [1]"), "more than \"data\" holds");
    REFUSE(TENSOR("\"type\": \"f32\", \"shape\": [1000000000000], \"fill\": 1"), "too large");
    REFUSE(TENSOR("\"type\": \"f32\", \"shape\": [2]"), "exactly one of");
    REFUSE(TENSOR("\"data\": [1]"), "needs a \"type\"");
    REFUSE(TENSOR("\"type\": \"f32\", \"shape\": [2], \"file\": \"absent.bin\""), "no such file beside the model");
    REFUSE(TENSOR("\"type\": \"f32\", \"shape\": [2], \"file\": \"../../CMakeLists.txt\""), "a path with '..'");
    REFUSE(TENSOR("\"type\": \"f32\", \"shape\": [2], \"file\": \"/etc/passwd\""), "an absolute path");
    REFUSE(TENSOR("\"type\": \"f32\", \"shape\": [2], \"file\": \".\""), "side file '.'");
    REFUSE(TENSOR("\"type\": \"f32\", \"shape\": [200], \"file\": \"external.bin\""), "has 56 bytes, but the tensor wants 800 bytes at offset 0");
    REFUSE(TENSOR("\"type\": \"f32\", \"shape\": [2], \"file\": \"external.bin\", \"offset\": 9223372036854775807"), "wants 8 bytes at offset");
    REFUSE(TENSOR("\"type\": \"f32\", \"shape\": [2], \"file\": \"external.bin\", \"length\": 7"), "needs 8 bytes");
    REFUSE(TENSOR("\"safetensors\": \"weights.safetensors\""), "holds no tensor 'w'");
    REFUSE(TENSOR("\"safetensors\": \"weights.safetensors\", \"name\": \"fc1.bias\", \"type\": \"f32\""), "as f16, not f32");
    REFUSE(TENSOR("\"safetensors\": \"weights.safetensors\", \"name\": \"fc1.bias\", \"shape\": [3]"), "another shape");
    REFUSE(TENSOR("\"safetensors\": \"external.bin\""), "isn't a safetensors file or is cut off");
}

static void onnx_json_that_is_mistyped(void) {
#define ONNX(graph) "{\"irVersion\": \"10\", \"opsetImport\": [{\"version\": 21}], \"graph\": {" graph "}}"
    REFUSE(ONNX("\"node\": 3"), "/graph/node: expected an array, found an integer");
    REFUSE(ONNX("\"node\": [{\"opType\": 3}]"), "/graph/node/0/opType: expected a string");
    REFUSE(ONNX("\"node\": [{}]"), "node 0 has no op_type");
    REFUSE(ONNX("\"initializer\": [{\"name\": \"w\", \"dims\": [2], \"dataType\": 1, \"rawData\": \"AA==\"}]"), "tensor 'w': 1 bytes of raw data, but its shape needs 8");
    REFUSE(ONNX("\"initializer\": [{\"name\": \"w\", \"dims\": [\"2x\"], \"dataType\": 1}]"), "expected an integer");
    REFUSE(ONNX("\"initializer\": [{\"name\": \"w\", \"dims\": [\"99999999999999999999\"], \"dataType\": 1}]"), "out of range");
    REFUSE(ONNX("\"initializer\": [{\"name\": \"w\", \"dims\": [2], \"dataType\": 1, \"rawData\": \"A*==\"}]"), "isn't base64");
    REFUSE(ONNX("\"initializer\": [{\"name\": \"w\", \"dims\": [1], \"dataType\": \"COMPLEX64\"}]"), "element type COMPLEX64 isn't supported");
    REFUSE(ONNX("\"initializer\": [{\"name\": \"w\", \"dims\": [1], \"dataType\": 99}]"), "99 isn't an ONNX element type");
    REFUSE(ONNX("\"initializer\": [{\"name\": \"w\", \"dims\": [-1], \"dataType\": 1}]"), "dimension 0 is negative");
    REFUSE(ONNX("\"initializer\": [{\"name\": \"w\", \"dims\": [2], \"dataType\": 1, \"floatData\": [1]}]"), "1 values of type f32, but its shape needs 2");
    REFUSE(ONNX("\"initializer\": [{\"name\": \"w\", \"dims\": [4294967296, 4294967296], \"dataType\": 1}]"), "doesn't fit in 64 bits");
    REFUSE(ONNX("\"initializer\": [{\"name\": \"w\", \"dims\": [2], \"dataType\": 1, \"dataLocation\": \"EXTERNAL\", \"externalData\": [{\"key\": \"location\", "
                "\"value\": \"../x\"}]}]"), "a path with '..'");
    REFUSE(ONNX("\"node\": [{\"opType\": \"A\", \"attribute\": [{\"name\": \"k\", \"type\": \"GRAPH\"}]}]"), "says it is a graph but holds none");
    REFUSE(ONNX("\"node\": [{\"opType\": \"A\", \"attribute\": [{\"name\": \"k\", \"type\": \"WRONG\"}]}]"), "isn't a AttributeType");
    REFUSE(ONNX("\"node\": [{\"opType\": \"A\", \"attribute\": [{\"name\": \"k\", \"i\": 1, \"type\": 2}, {\"name\": \"k\", \"i\": 1, \"type\": 2}]}]"), "given twice");
    REFUSE("{\"graph\": {}}", "imports no opset");
#undef ONNX
}

static void other_files_are_recognised(void) {
    REFUSE("PK\x03\x04 zip", "a zip archive");
    REFUSE("GGUF....", "a GGUF file");
    REFUSE("hello world, this is no model", "not a valid ModelProto protobuf: byte 2: an unknown wire type");
    REFUSE("\x08", "cut off");
    REFUSE("\x3a\x7f\x0a", "127 bytes are announced, but only 1 are left");
    REFUSE("\x08\x01", "has no graph");
}

static void deep_nesting_is_refused_without_recursion(void) {
    enum { DEPTH = 10000 };
    char *text = malloc(DEPTH * 120 + 1000);
    /* Brackets alone; nested If bodies in the JSON graph; both far deeper than any stack should have to take. */
    memset(text, '[', DEPTH);
    memcpy(text, "{\"a\":", 5);
    text[DEPTH] = 0;
    REFUSE(text, "nested deeper than 900 levels");
    for (int levels = 70; levels <= DEPTH; levels += DEPTH - 70) {
        size_t at = (size_t)sprintf(text, HEAD "\"outputs\": [], \"nodes\": [");
        for (int i = 0; i < levels; i++)
            at += (size_t)sprintf(text + at, "{\"op\": \"If\", \"outputs\": [], \"attributes\": {\"then\": {\"outputs\": [], \"nodes\": [");
        for (int i = 0; i < levels; i++) at += (size_t)sprintf(text + at, "]}}}");
        sprintf(text + at, "]}");
        REFUSE(text, levels == 70 ? "graphs are nested more than 64 deep" : "nested deeper than 900 levels");
    }
    free(text);
}

/* A protobuf of `levels` graphs, each in an attribute of the one around: built from the inside out. */
static size_t nested_protobuf(uint8_t *buffer, size_t capacity, int levels) {
    size_t start = capacity;   /* grows downward; tags: graph in attribute 6, attribute in node 5, node in graph 1 */
    static const uint8_t tags[3] = {6 << 3 | 2, 5 << 3 | 2, 1 << 3 | 2};
    for (int i = 0; i < levels * 3 + 1; i++) {
        size_t length = capacity - start;
        uint8_t head[12];
        int n = 0;
        /* The attribute needs a name and the type GRAPH, the node an op type. */
        static const uint8_t attribute[] = {1 << 3 | 2, 1, 'g', 0xA0, 1, 5}, node[] = {4 << 3 | 2, 2, 'I', 'f'};
        const uint8_t *more = i % 3 == 1 ? attribute : node;
        size_t more_size = i % 3 == 1 ? sizeof(attribute) : i % 3 == 2 ? sizeof(node) : 0;
        start -= more_size;
        memcpy(buffer + start, more, more_size);
        length += more_size;
        head[n++] = i == levels * 3 ? 7 << 3 | 2 : tags[i % 3];
        do {
            head[n++] = (uint8_t)(length & 0x7F) | (length > 0x7F ? 0x80 : 0);
            length >>= 7;
        } while (length);
        start -= (size_t)n;
        memcpy(buffer + start, head, (size_t)n);
    }
    memmove(buffer, buffer + start, capacity - start);
    return capacity - start;
}

static void deep_protobufs_are_refused_before_unpacking(void) {
    enum { CAPACITY = 1 << 20 };
    uint8_t *buffer = malloc(CAPACITY);
    static const struct { int levels; const char *part; } cases[] = {{66, "nested more than 64 deep"}, {100, "nested too deeply"}, {10000, "nested too deeply"}};
    for (int i = 0; i < 3; i++) {
        size_t size = nested_protobuf(buffer, CAPACITY - 8, cases[i].levels);
        static const uint8_t opset[] = {8 << 3 | 2, 2, 2 << 3, 21};
        memcpy(buffer + size, opset, sizeof(opset));
        fixture f;
        read_bytes(&f, "deep.onnx", buffer, size + sizeof(opset));
        CHECK(!f.model && f.status);
        CHECK_CONTAINS(f.log.data, cases[i].part);
        end(&f);
    }
    free(buffer);
}

static uint8_t *load(const char *name, size_t *size) {
    char path[4096];
    snprintf(path, sizeof(path), DATA "%s", name);
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(1 << 16);
    *size = file ? fread(bytes, 1, 1 << 16, file) : 0;
    if (file) fclose(file);
    CHECK(*size > 0);
    return bytes;
}

static void truncated_and_damaged_files_never_crash(void) {
    static const char *const files[] = {"mlp.onnx", "external.onnx", "unordered.onnx", "function.onnx", "mlp_onnx.json", "graph.json"};
    for (int i = 0; i < 6; i++) {
        size_t size;
        uint8_t *bytes = load(files[i], &size);
        bool text = bytes[0] == '{';
        while (text && size && bytes[size - 1] <= ' ') size--;
        fixture f;
        for (size_t n = 0; n < size; n += text ? 7 : 1) {
            read_bytes(&f, DATA "damaged", bytes, n);
            if (text) CHECK(!f.model && f.sink.error_count);
            CHECK((f.model != NULL) == (f.status == NULL));
            end(&f);
        }
        uint32_t random = 12345;
        for (int round = 0; round < 1500; round++) {
            size_t at = (random = random * 1664525 + 1013904223) % size;
            uint8_t before = bytes[at];
            bytes[at] = (uint8_t)(random >> 24);
            read_bytes(&f, DATA "damaged", bytes, size);
            CHECK((f.model != NULL) == (f.status == NULL) && (f.model != NULL) == (f.sink.error_count == 0));
            end(&f);
            bytes[at] = before;
        }
        free(bytes);
    }
}

static void a_link_out_of_the_folder_is_refused(void) {
    char folder[] = "/tmp/sluice_readers_XXXXXX", outside[] = "/tmp/sluice_outside_XXXXXX", path[256], link[256];
    CHECK(mkdtemp(folder) != NULL);
    int descriptor = mkstemp(outside);
    CHECK(write(descriptor, "12345678", 8) == 8);
    close(descriptor);
    snprintf(path, sizeof(path), "%s/model.json", folder);
    snprintf(link, sizeof(link), "%s/w.bin", folder);
    CHECK(symlink(outside, link) == 0);
    refuse_as(path, TENSOR("\"type\": \"f32\", \"shape\": [2], \"file\": \"w.bin\""), "symbolic link leads out", __LINE__);
    unlink(link);
    unlink(outside);
    rmdir(folder);
}

static void missing_files_and_folders(void) {
    fixture f;
    read_file(&f, "no-such-model.onnx");
    CHECK_INT(sl_status_code(f.status), SL_NOT_FOUND);
    CHECK_CONTAINS(f.log.data, "No such file");
    end(&f);
    read_file(&f, "");
    CHECK_CONTAINS(f.log.data, "it is a folder");
    end(&f);
}

/* Reading leaks nothing and reports out-of-memory whichever allocation fails. */
static bool read_with_failure(const char *name, int64_t n) {
    sl_failing_allocator state = {.base = sl_allocator_system(), .fail_at = n, .forever = n % 2};
    sl_allocator failing = sl_allocator_failing(&state);
    sl_context *context = sl_context_create(&failing, NULL);
    sl_arena *arena = context ? sl_arena_create(&failing, 1024) : NULL;
    if (arena) {
        char path[4096];
        sl_model *model;
        snprintf(path, sizeof(path), DATA "%s", name);
        sl_status status = sl_model_read_file(context, arena, path, SL_FORMAT_AUTO, &model);
        CHECK(status ? sl_status_code(status) == SL_OUT_OF_MEMORY && !model : model != NULL);
        sl_status_free(status);
    }
    sl_arena_destroy(arena);
    sl_context_destroy(context);
    return state.count >= n;
}

static void every_failed_allocation_is_survived(void) {
    static const char *const files[] = {"mlp.onnx", "mlp_onnx.json", "graph.json", "function.onnx", "external.onnx"};
    for (int i = 0; i < 5; i++) {
        int64_t n = 1;
        while (n < 2000 && read_with_failure(files[i], n)) n++;
        CHECK(n > 3 && n < 2000);
    }
}

int main(void) {
    the_same_model_in_three_onnx_forms();
    external_data_is_mapped();
    nodes_are_put_in_order_with_what_bodies_capture();
    functions_sparse_initializers_and_sequences();
    every_form_of_the_json_graph();
    a_lone_tensor_is_read();
    json_syntax_errors_have_a_caret();
    json_graphs_that_break_the_format();
    json_tensors_that_do_not_fit();
    onnx_json_that_is_mistyped();
    other_files_are_recognised();
    deep_nesting_is_refused_without_recursion();
    deep_protobufs_are_refused_before_unpacking();
    truncated_and_damaged_files_never_crash();
    a_link_out_of_the_folder_is_refused();
    missing_files_and_folders();
    every_failed_allocation_is_survived();
    return check_result();
}
