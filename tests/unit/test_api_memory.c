/* test_api_memory.c: allocation failure through the host API. A model is compiled, given a session and run with the n-th request for memory refused (once, or from
 * then on), for every n. Each time all calls must either succeed or say SLUICE_OUT_OF_MEMORY, every block must be given back with its size, and what was
 * there before the failing call must still work. */
#include "api_model.h"
#include <stdlib.h>

#define MODEL \
    JSON_GRAPH(JSON_INPUT("x", "f32", "\"n\", 4") ", " JSON_INPUT("c", "bool", ""), "\"y\"", "\"w\": {\"type\": \"f32\", \"data\": [[1, 2], [3, 4], [5, 6], [7, 8]]}", \
               JSON_NODE("MatMul", "\"x\", \"w\"", "\"h\"") ", " JSON_NODE("NonZero", "\"h\"", "\"z\"") ", " JSON_NODE("Shape", "\"z\"", "\"s\"") ", " \
               "{\"op\": \"If\", \"name\": \"choose\", \"inputs\": [\"c\"], \"outputs\": [\"b\"], \"attributes\": {" \
               "\"then\": {\"nodes\": [" JSON_NODE("Relu", "\"h\"", "\"r\"") "], \"outputs\": [\"r\"]}, \"else\": {\"nodes\": [], \"outputs\": [\"h\"]}}}, " \
               "{\"op\": \"Cast\", \"inputs\": [\"s\"], \"outputs\": [\"f\"], \"attributes\": {\"to\": {\"element\": \"f32\"}}}, " JSON_NODE("Add", "\"b\", \"f\"", "\"y\""))

typedef struct ledger { int64_t requests, fail_at, blocks, bytes; bool forever; } ledger;

/* Every block carries its size in front, so that a wrong old_size is noticed. */
static void *resize(void *self, void *pointer, size_t old_size, size_t new_size, size_t alignment) {
    ledger *book = self;
    enum { HEAD = 64 };
    if (pointer) {
        size_t size;
        memcpy(&size, (char *)pointer - HEAD, sizeof size);
        if (size != old_size) {
            fprintf(stderr, "a block of %zu bytes is said to have %zu\n", size, old_size);
            check_failures++;
            old_size = size;
        }
    }
    char *block = NULL;
    if (new_size > 0) {
        book->requests++;
        bool refused = book->fail_at > 0 && (book->forever ? book->requests >= book->fail_at : book->requests == book->fail_at);
        if (refused || alignment > 64 || posix_memalign((void **)&block, 64, new_size + HEAD) != 0) return NULL;
        memcpy(block, &new_size, sizeof new_size);
        memset(block + HEAD, 0xA5, new_size);
        book->blocks++;
        book->bytes += (int64_t)new_size;
    }
    if (pointer) {
        if (block) memcpy(block + HEAD, pointer, old_size < new_size ? old_size : new_size);
        free((char *)pointer - HEAD);
        book->blocks--;
        book->bytes -= (int64_t)old_size;
    }
    return block ? block + HEAD : NULL;
}

static bool run_once(sluice_session *session, int64_t rows, bool taken) {
    float x[32];
    for (int i = 0; i < 32; i++) x[i] = (float)(i % 5) - 2;
    int64_t shape[2] = {rows, 4}, none[1] = {0};
    DLTensor inputs[2] = {api_tensor(x, api_f32, 2, shape), api_tensor(&taken, (DLDataType){6, 8, 1}, 0, none)}, output = {0};
    sluice_code code = sluice_session_run(session, inputs, 2, &output, 1);
    if (code != SLUICE_OK) {
        CHECK_INT(code, SLUICE_OUT_OF_MEMORY);
        return false;
    }
    CHECK_INT(output.shape[0], rows);
    float h[16], counts[2] = {2, 0};
    for (int64_t i = 0; i < rows; i++)
        for (int k = 0; k < 2; k++) {
            h[2 * i + k] = 0;
            for (int j = 0; j < 4; j++) h[2 * i + k] += x[4 * i + j] * (float)(2 * j + k + 1);
            counts[1] += h[2 * i + k] != 0;
        }
    for (int64_t i = 0; i < 2 * rows; i++) {
        float want = (taken && h[i] < 0 ? 0 : h[i]) + counts[i % 2];
        if (((float *)output.data)[i] != want) {
            fprintf(stderr, "element %d is %g, expected %g\n", (int)i, (double)((float *)output.data)[i], (double)want);
            check_failures++;
        }
    }
    return true;
}

/* Everything with the n-th request refused. True when there were fewer than n. */
static bool whole_story(int64_t n, bool forever, int64_t *failures) {
    ledger book = {.fail_at = n, .forever = forever};
    sluice_context_options options;
    sluice_context_options_init(&options);
    options.allocator_self = &book;
    options.resize = resize;
    sluice_context *context = NULL;
    sluice_program *program = NULL;
    sluice_session *session = NULL;
    bool good = false;
    sluice_code code = sluice_context_create(&options, &context);
    if (code == SLUICE_OK) code = sluice_compile_memory(context, "test.json", MODEL, strlen(MODEL), NULL, &program);
    if (code == SLUICE_OK) {
        sluice_session_options session_options;
        sluice_session_options_init(&session_options);
        session_options.threads = 2;
        session_options.counters = 1;
        code = sluice_session_create(program, &session_options, &session);
    } else {
        CHECK(program == NULL);
    }
    if (code == SLUICE_OK) {
        good = true;
        for (int i = 0; i < 3; i++)   /* all three, whatever became of the first */
            if (!run_once(session, (int64_t[]){2, 8, 3}[i], i < 2)) good = false;
        /* The failure was one of memory, not of the session: with memory it works again. */
        book.fail_at = 0;
        CHECK(run_once(session, 8, true));
    } else {
        CHECK(session == NULL);
        CHECK_INT(code, SLUICE_OUT_OF_MEMORY);
        if (code != SLUICE_OUT_OF_MEMORY && context) fprintf(stderr, "request %d: %s\n", (int)n, sluice_last_error(context));
        if (context) CHECK(sluice_last_error(context)[0]);
    }
    *failures += !good;
    bool done = good && book.requests < n;
    book.fail_at = 0;
    sluice_session_destroy(session);
    sluice_program_destroy(program);
    sluice_context_destroy(context);
    CHECK_INT(book.blocks, 0);
    CHECK_INT(book.bytes, 0);
    return done || (good && n == 0);
}

/* Model files: readers, side files, routing; compiled and thrown away. True when there were fewer than n requests. */
static bool compile_file(const char *path, int64_t n, int64_t *failures) {
    ledger book = {.fail_at = n};
    sluice_context_options options;
    sluice_context_options_init(&options);
    options.allocator_self = &book;
    options.resize = resize;
    sluice_context *context = NULL;
    sluice_program *program = NULL;
    sluice_code code = sluice_context_create(&options, &context);
    if (code == SLUICE_OK) code = sluice_compile_file(context, path, NULL, &program);
    if (code != SLUICE_OK) {
        CHECK_INT(code, SLUICE_OUT_OF_MEMORY);
        if (code != SLUICE_OUT_OF_MEMORY && context) fprintf(stderr, "%s, request %d: %s\n", path, (int)n, sluice_last_error(context));
        ++*failures;
    }
    sluice_program_destroy(program);
    sluice_context_destroy(context);
    CHECK_INT(book.blocks, 0);
    CHECK_INT(book.bytes, 0);
    return code == SLUICE_OK && book.requests < n;
}

int main(void) {
    int64_t failures = 0;
    static const char *const files[] = {"tests/data/external.onnx", "tests/data/mlp_onnx.json", "tests/data/unordered.onnx", "samples/digits/conv_exits.json"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", SLUICE_SOURCE_DIR, files[i]);
        int64_t n = 1;
        failures = 0;
        while (n < 5000 && check_failures < 20 && !compile_file(path, n, &failures)) n++;
        fprintf(stderr, "%s: %d requests, %d failures\n", files[i], (int)n, (int)failures);
        CHECK(n < 5000 && failures >= n / 2);
    }
    failures = 0;
    CHECK(whole_story(0, false, &failures));
    CHECK_INT(failures, 0);
    for (int forever = 0; forever < 2; forever++) {
        failures = 0;
        int64_t n = 1;
        while (n < 5000 && !whole_story(n, forever, &failures)) n++;
        fprintf(stderr, "%d requests, %d failures\n", (int)n, (int)failures);
        CHECK(n < 5000 && failures >= n / 2);
        if (check_failures > 20) break;
    }
    return check_result();
}
