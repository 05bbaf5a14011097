/* test_import.c: the driver of the import: names and scopes, overrides of inputs, control flow whose types must be found, errors. The semantics of single
 * operators are held by ONNX's node tests (tests/conformance). */
#include "check.h"
#include "sluice/graph.h"
#include <stdlib.h>

typedef struct fixture {
    sl_context *context;
    sl_arena *arena;
    sl_diag_sink sink;
    sl_text log;
    sl_module *module;
} fixture;

static void render(void *self, const sl_diag *diag) { sl_diag_render(self, diag); }

static void import(fixture *f, const char *json, const sl_import_options *options) {
    sl_allocator system = sl_allocator_system();
    *f = (fixture){.arena = sl_arena_create(&system, 0)};
    sl_text_init(&f->log, f->arena);
    f->sink = (sl_diag_sink){.handler = render, .self = &f->log};
    f->context = sl_context_create(&system, &f->sink);
    sl_model *model = NULL;
    sl_status status = sl_model_read_memory(f->context, f->arena, "test.json", json, strlen(json), SL_FORMAT_JSON_GRAPH, &model);
    if (!status) status = sl_import_model(f->context, model, options, &f->module);
    if (!status) status = sl_module_verify(f->module);
    if (status && !f->log.length) sl_text_append(&f->log, "%s", sl_status_message(status));
    sl_status_free(status);
}

static void end(fixture *f) {
    if (f->module) sl_module_destroy(f->module);
    sl_context_destroy(f->context);
    sl_arena_destroy(f->arena);
}

static sl_tensor *floats(fixture *f, int rank, const int64_t *shape, const float *values) {
    sl_tensor *tensor = sl_tensor_alloc(f->arena, SL_ELEMENT_f32, rank, shape);
    memcpy(tensor->data, values, (size_t)tensor->size);
    return tensor;
}

static sl_tensor *boolean(fixture *f, bool value) {
    sl_tensor *tensor = sl_tensor_alloc(f->arena, SL_ELEMENT_i1, 0, NULL);
    *(uint8_t *)tensor->data = value;
    return tensor;
}

static sl_tensor *integer(fixture *f, int64_t value) {
    sl_tensor *tensor = sl_tensor_alloc(f->arena, SL_ELEMENT_i64, 0, NULL);
    *(int64_t *)tensor->data = value;
    return tensor;
}

/* Output 0 as text: shape and values. */
static const char *run(fixture *f, int count, const sl_tensor *const *inputs) {
    sl_text text;
    sl_text_init(&text, f->arena);
    if (!f->module) return f->log.data;
    sl_eval_options options;
    sl_eval_options_init(&options);
    sl_tensor *output;
    sl_status status = sl_eval_function(f->module, "main", f->arena, &options, count, inputs, 1, &output);
    if (status) {
        sl_text_append(&text, "%s: %s", sl_status_message(status), f->log.length ? f->log.data : "");
        sl_status_free(status);
        return text.data;
    }
    for (int i = 0; i < output->rank; i++) sl_text_append(&text, "%lldx", (long long)output->shape[i]);
    for (int64_t i = 0; i < sl_tensor_count(output); i++) sl_text_append(&text, " %g", sl_element_load_float(output->element, output->data, i));
    return text.data;
}

static const float counting[] = {1, 2, 3, 4, 5, 6, 7, 8};

static void every_unsupported_operator_is_reported_once(void) {
    fixture f;
    import(&f, "{\"format\": \"sluice-graph\", \"version\": 1, \"opset\": 21, \"inputs\": [{\"name\": \"x\", \"type\": \"f32\", \"shape\": [2]}], \"outputs\": [\"c\"], \"nodes\": ["
               "{\"op\": \"Frobnicate\", \"name\": \"first\", \"inputs\": [\"x\"], \"outputs\": [\"a\"]},"
               "{\"op\": \"Frobnicate\", \"inputs\": [\"a\"], \"outputs\": [\"b\"]},"
               "{\"op\": \"TfIdfVectorizer\", \"inputs\": [\"b\"], \"outputs\": [\"c\"]}]}", NULL);
    CHECK(!f.module);
    CHECK_CONTAINS(f.log.data, "'first' (Frobnicate)");
    CHECK_CONTAINS(f.log.data, "operator Frobnicate is not supported (used by 2 nodes)");
    CHECK_CONTAINS(f.log.data, "operator TfIdfVectorizer is not supported");
    CHECK_INT(f.sink.error_count, 2);
    end(&f);
}

static void independent_mistakes_are_all_reported(void) {
    fixture f;
    import(&f, "{\"format\": \"sluice-graph\", \"version\": 1, \"opset\": 21, \"inputs\": [{\"name\": \"x\", \"type\": \"f32\", \"shape\": [2, 3]}], \"outputs\": [\"c\", \"e\"], \"nodes\": ["
               "{\"op\": \"Transpose\", \"name\": \"bad_perm\", \"inputs\": [\"x\"], \"outputs\": [\"a\"], \"attributes\": {\"perm\": [0, 0]}},"
               "{\"op\": \"Relu\", \"name\": \"behind\", \"inputs\": [\"a\"], \"outputs\": [\"c\"]},"
               "{\"op\": \"MatMul\", \"name\": \"bad_dims\", \"inputs\": [\"x\", \"x\"], \"outputs\": [\"e\"]}]}", NULL);
    CHECK(!f.module);
    CHECK_CONTAINS(f.log.data, "'bad_perm' (Transpose): error: axis 0 is listed twice");
    CHECK_CONTAINS(f.log.data, "'bad_dims' (MatMul): error: the inner dims of the product differ: 3 (left) and 2 (right)");
    CHECK(!strstr(f.log.data, "behind"));
    end(&f);
}

static void negative_sizes_are_errors(void) {
    fixture f;
    import(&f, "{\"format\": \"sluice-graph\", \"version\": 1, \"opset\": 21, \"inputs\": [{\"name\": \"x\", \"type\": \"f32\", \"shape\": [1]}], \"outputs\": [\"y\"],"
               "\"initializers\": {\"shape\": {\"type\": \"i64\", \"data\": [-4]}}, \"nodes\": ["
               "{\"op\": \"Expand\", \"name\": \"grow\", \"inputs\": [\"x\", \"shape\"], \"outputs\": [\"y\"]}]}", NULL);
    CHECK(!f.module);
    CHECK_CONTAINS(f.log.data, "'grow' (Expand): error: dim 0 of a result would be -4");
    end(&f);
}

/* y = x reshaped by a shape that the model computes: it must end up in the types alone. */
static const char reshape_model[] =
    "{\"format\": \"sluice-graph\", \"version\": 1, \"opset\": 21, \"inputs\": [{\"name\": \"x\", \"type\": \"f32\", \"shape\": [\"B\", 4]}], \"outputs\": [\"y\"],"
    "\"initializers\": {\"zero\": {\"type\": \"i64\", \"data\": [0]}, \"two\": {\"type\": \"i64\", \"data\": [2]}, \"rest\": {\"type\": \"i64\", \"data\": [-1]}}, \"nodes\": ["
    "{\"op\": \"Shape\", \"inputs\": [\"x\"], \"outputs\": [\"shape\"]},"
    "{\"op\": \"Gather\", \"inputs\": [\"shape\", \"zero\"], \"outputs\": [\"batch\"]},"
    "{\"op\": \"Concat\", \"inputs\": [\"batch\", \"two\", \"rest\"], \"outputs\": [\"target\"], \"attributes\": {\"axis\": 0}},"
    "{\"op\": \"Reshape\", \"inputs\": [\"x\", \"target\"], \"outputs\": [\"y\"]}]}";

static const char *output_type(fixture *f) {
    sl_text text;
    sl_text_init(&text, f->arena);
    if (!f->module) return f->log.data;
    sl_op *end_op = sl_block_terminator(sl_op_body(sl_module_find(f->module, "main"), 0));
    sl_type_print(&text, sl_value_type(sl_op_operand(end_op, 0)));
    return text.data;
}

static void computed_shapes_become_types(void) {
    fixture f;
    import(&f, reshape_model, NULL);
    CHECK_TEXT(output_type(&f), "tensor<B x 2 x 2 x f32>");
    end(&f);
}

static void overrides_bind_symbols_and_shapes(void) {
    fixture f;
    const char *names[] = {"B"};
    int64_t values[] = {3};
    sl_import_options bind = {.bind_count = 1, .bind_names = names, .bind_values = values};
    import(&f, reshape_model, &bind);
    CHECK_TEXT(output_type(&f), "tensor<3 x 2 x 2 x f32>");
    end(&f);

    const char *inputs[] = {"x"};
    int ranks[] = {2};
    int64_t dims[] = {7, -1};
    const int64_t *shapes[] = {dims};
    sl_import_options shape = {.shape_count = 1, .shape_names = inputs, .shape_ranks = ranks, .shapes = shapes};
    import(&f, reshape_model, &shape);
    CHECK_TEXT(output_type(&f), "tensor<7 x 2 x 2 x f32>");
    end(&f);

    dims[1] = 5;
    import(&f, reshape_model, &shape);
    CHECK_CONTAINS(f.log.data, "the shape given for input 'x' has 5 at dim 1, the model declares 4");
    end(&f);
}

static void inputs_can_be_made_constants(void) {
    const char *model = "{\"format\": \"sluice-graph\", \"version\": 1, \"opset\": 21, \"inputs\": [{\"name\": \"x\", \"type\": \"f32\", \"shape\": [2, 2]},"
                        "{\"name\": \"axes\", \"type\": \"i64\", \"shape\": [1]}], \"outputs\": [\"y\"], \"nodes\": ["
                        "{\"op\": \"ReduceSum\", \"name\": \"sum\", \"inputs\": [\"x\", \"axes\"], \"outputs\": [\"y\"], \"attributes\": {\"keepdims\": 0}}]}";
    fixture f;
    import(&f, model, NULL);
    CHECK_CONTAINS(f.log.data, "'sum' (ReduceSum): error: the axes must be constant");
    end(&f);

    int64_t one = 1;
    const sl_tensor axes = {.element = SL_ELEMENT_i64, .rank = 1, .shape = {1}, .data = &one, .size = 8}, *values[] = {&axes};
    const char *names[] = {"axes"};
    sl_import_options options = {.constant_count = 1, .constant_names = names, .constant_values = values};
    import(&f, model, &options);
    int64_t shape[] = {2, 2};
    CHECK_TEXT(run(&f, 1, (const sl_tensor *[]){floats(&f, 2, shape, counting)}), "2x 3 7");
    end(&f);
}

/* The branches give ranks 1 and 2; what follows is imported into both. */
static const char ranks_model[] =
    "{\"format\": \"sluice-graph\", \"version\": 1, \"opset\": 21, \"inputs\": [{\"name\": \"c\", \"type\": \"i1\", \"shape\": []}, {\"name\": \"x\", \"type\": \"f32\", \"shape\": [2, 3]}],"
    "\"outputs\": [\"y\"], \"initializers\": {\"axes\": {\"type\": \"i64\", \"data\": [-1]}}, \"nodes\": ["
    "{\"op\": \"If\", \"inputs\": [\"c\"], \"outputs\": [\"h\"], \"attributes\": {"
    "\"then\": {\"nodes\": [{\"op\": \"ReduceSum\", \"inputs\": [\"x\"], \"outputs\": [\"t\"], \"attributes\": {\"keepdims\": 0}},"
    "{\"op\": \"Unsqueeze\", \"inputs\": [\"t\", \"axes\"], \"outputs\": [\"s\"]}], \"outputs\": [\"s\"]},"
    "\"else\": {\"nodes\": [], \"outputs\": [\"x\"]}}},"
    "{\"op\": \"Neg\", \"inputs\": [\"x\"], \"outputs\": [\"other\"]},"
    "{\"op\": \"ReduceSum\", \"inputs\": [\"h\", \"axes\"], \"outputs\": [\"r\"], \"attributes\": {\"keepdims\": 0}},"
    "{\"op\": \"ReduceMax\", \"inputs\": [\"r\"], \"outputs\": [\"m\"], \"attributes\": {\"keepdims\": 0}},"
    "{\"op\": \"ReduceMax\", \"inputs\": [\"other\"], \"outputs\": [\"o\"], \"attributes\": {\"keepdims\": 0}},"
    "{\"op\": \"Add\", \"inputs\": [\"m\", \"o\"], \"outputs\": [\"y\"]}]}";

static void consumers_sink_into_branches_of_different_rank(void) {
    int64_t shape[] = {2, 3};
    for (int taken = 0; taken < 2; taken++) {
        fixture f;
        import(&f, ranks_model, NULL);
        CHECK_TEXT(output_type(&f), "tensor<f32>");
        CHECK_TEXT(run(&f, 2, (const sl_tensor *[]){boolean(&f, taken), floats(&f, 2, shape, counting)}), taken ? " 20" : " 14");
        end(&f);
    }
}

/* A value that grows with each iteration gets a free dim. */
static const char growing_model[] =
    "{\"format\": \"sluice-graph\", \"version\": 1, \"opset\": 21, \"inputs\": [{\"name\": \"n\", \"type\": \"i64\", \"shape\": []}, {\"name\": \"x\", \"type\": \"f32\", \"shape\": [1, 2]}],"
    "\"outputs\": [\"y\"], \"nodes\": [{\"op\": \"Loop\", \"inputs\": [\"n\", \"\", \"x\"], \"outputs\": [\"y\"], \"attributes\": {\"body\": {"
    "\"inputs\": [{\"name\": \"i\"}, {\"name\": \"go\"}, {\"name\": \"v\"}], \"outputs\": [\"go\", \"w\"],"
    "\"nodes\": [{\"op\": \"Concat\", \"inputs\": [\"v\", \"x\"], \"outputs\": [\"w\"], \"attributes\": {\"axis\": 0}}]}}}]}";

static void carried_sizes_may_change(void) {
    int64_t shape[] = {1, 2};
    for (int64_t trips = 0; trips < 3; trips++) {
        fixture f;
        import(&f, growing_model, NULL);
        static const char *const expected[] = {"1x2x 1 2", "2x2x 1 2 1 2", "3x2x 1 2 1 2 1 2"};
        CHECK_TEXT(run(&f, 2, (const sl_tensor *[]){integer(&f, trips), floats(&f, 2, shape, counting)}), expected[trips]);
        end(&f);
    }
}

/* A sequence that a loop fills: unrolled, since the trip count is known. */
static void sequences_are_resolved(void) {
    fixture f;
    import(&f, "{\"format\": \"sluice-graph\", \"version\": 1, \"opset\": 21, \"inputs\": [{\"name\": \"x\", \"type\": \"f32\", \"shape\": [2]}], \"outputs\": [\"y\"],"
               "\"initializers\": {\"n\": {\"type\": \"i64\", \"shape\": [], \"data\": 3}}, \"nodes\": ["
               "{\"op\": \"SequenceEmpty\", \"inputs\": [], \"outputs\": [\"s\"]},"
               "{\"op\": \"Loop\", \"inputs\": [\"n\", \"\", \"s\"], \"outputs\": [\"t\"], \"attributes\": {\"body\": {"
               "\"inputs\": [{\"name\": \"i\"}, {\"name\": \"go\"}, {\"name\": \"v\"}], \"outputs\": [\"go\", \"w\"],"
               "\"nodes\": [{\"op\": \"SequenceInsert\", \"inputs\": [\"v\", \"x\"], \"outputs\": [\"w\"]}]}}},"
               "{\"op\": \"ConcatFromSequence\", \"inputs\": [\"t\"], \"outputs\": [\"y\"], \"attributes\": {\"axis\": 0}}]}", NULL);
    int64_t shape[] = {2};
    CHECK_TEXT(run(&f, 1, (const sl_tensor *[]){floats(&f, 1, shape, counting)}), "6x 1 2 1 2 1 2");
    end(&f);
}

static void rows_are_routed(void) {
    fixture f;
    import(&f, "{\"format\": \"sluice-graph\", \"version\": 1, \"opset\": 21, \"inputs\": [{\"name\": \"x\", \"type\": \"f32\", \"shape\": [4, 1]}], \"outputs\": [\"y\"],"
               "\"initializers\": {\"keys\": {\"type\": \"i64\", \"data\": [1, 0, -1, 0]}}, \"nodes\": ["
               "{\"op\": \"Route\", \"domain\": \"sluice\", \"inputs\": [\"keys\", \"x\"], \"outputs\": [\"y\"], \"attributes\": {\"branches\": {\"graphs\": ["
               "{\"inputs\": [{\"name\": \"a\"}], \"nodes\": [{\"op\": \"Neg\", \"inputs\": [\"a\"], \"outputs\": [\"b\"]}], \"outputs\": [\"b\"]},"
               "{\"inputs\": [{\"name\": \"a\"}], \"nodes\": [], \"outputs\": [\"a\"]}]}}}]}", NULL);
    int64_t shape[] = {4, 1};
    CHECK_TEXT(run(&f, 1, (const sl_tensor *[]){floats(&f, 2, shape, counting)}), "4x1x 1 -2 0 -4");
    end(&f);
}

static void ops_carry_their_node(void) {
    fixture f;
    import(&f, "{\"format\": \"sluice-graph\", \"version\": 1, \"opset\": 21, \"inputs\": [{\"name\": \"x\", \"type\": \"f32\", \"shape\": [2]}], \"outputs\": [\"y\"], \"nodes\": ["
               "{\"op\": \"Softmax\", \"name\": \"head\", \"inputs\": [\"x\"], \"outputs\": [\"y\"]}]}", NULL);
    sl_block *block = sl_op_body(sl_module_find(f.module, "main"), 0);
    for (sl_op *op = sl_block_first(block); op != sl_block_terminator(block); op = sl_op_next(op)) CHECK_TEXT(sl_loc_place(sl_op_loc(op)).node, "head");
    CHECK_TEXT(sl_value_name(sl_op_operand(sl_block_terminator(block), 0)), "y");
    end(&f);
}

static void every_row_of_the_table_is_sound(void) {
    for (int i = 0; i < sl_import_table_size(); i++) {
        sl_import_info row = sl_import_table_row(i);
        CHECK(row.op[0] && row.since >= 1 && (row.until == 0 || row.until >= row.since));
        for (int k = 0; k < i; k++) {                      /* no two rows for one version */
            sl_import_info other = sl_import_table_row(k);
            if (strcmp(row.op, other.op) || strcmp(row.domain, other.domain)) continue;
            bool apart = (row.until && row.until < other.since) || (other.until && other.until < row.since);
            if (!apart) fprintf(stderr, "rows of %s overlap\n", row.op);
            CHECK(apart);
        }
    }
}

int main(void) {
    every_unsupported_operator_is_reported_once();
    independent_mistakes_are_all_reported();
    negative_sizes_are_errors();
    computed_shapes_become_types();
    overrides_bind_symbols_and_shapes();
    inputs_can_be_made_constants();
    consumers_sink_into_branches_of_different_rank();
    carried_sizes_may_change();
    sequences_are_resolved();
    rows_are_routed();
    ops_carry_their_node();
    every_row_of_the_table_is_sound();
    return check_result();
}
