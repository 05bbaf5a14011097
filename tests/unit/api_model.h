/* api_model.h: tests of the host API: models given as JSON text, compiled from memory; tensors on the stack. */
#ifndef SLUICE_TESTS_API_MODEL_H
#define SLUICE_TESTS_API_MODEL_H

#include "check.h"
#include "sluice/sluice_compiler.h"
#include <stdbool.h>

#define JSON_GRAPH(inputs, outputs, initializers, nodes) \
    "{\"format\": \"sluice-graph\", \"version\": 1, \"opset\": 21, \"inputs\": [" inputs "], \"outputs\": [" outputs "], \"initializers\": {" initializers "}, \"nodes\": [" nodes "]}"
#define JSON_INPUT(name, type, shape) "{\"name\": \"" name "\", \"type\": \"" type "\", \"shape\": [" shape "]}"
#define JSON_NODE(op, inputs, outputs) "{\"op\": \"" op "\", \"name\": \"the " op "\", \"inputs\": [" inputs "], \"outputs\": [" outputs "]}"

static const DLDataType api_f32 = {2, 32, 1}, api_f64 = {2, 64, 1}, api_i64 = {0, 64, 1}, api_i4 = {0, 4, 1};

static inline DLTensor api_tensor(void *data, DLDataType type, int rank, int64_t *shape) {
    return (DLTensor){.data = data, .device = {1, 0}, .ndim = rank, .dtype = type, .shape = shape};
}

/* Checks that it compiles; NULL with a failed check otherwise. */
static inline sluice_program *api_compile(sluice_context *context, const char *json) {
    sluice_program *program = NULL;
    sluice_code code = sluice_compile_memory(context, "test.json", json, strlen(json), NULL, &program);
    if (code != SLUICE_OK) fprintf(stderr, "%s\n", sluice_last_error(context));
    CHECK_INT(code, SLUICE_OK);
    return program;
}

#endif
