/* test_api.c: the host API as a host program uses it: shapes decided by the input, any strides, the caller's memory, several sessions and threads, limits, counters,
 * and a clear answer to every wrong call. */
#include "api_model.h"
#include <pthread.h>
#include <stdlib.h>

#define LAYERS \
    JSON_GRAPH(JSON_INPUT("x", "f32", "\"n\", 4"), "\"y\"", "\"w\": {\"type\": \"f32\", \"data\": [[1, 2], [3, 4], [5, 6], [7, 8]]}", \
               JSON_NODE("MatMul", "\"x\", \"w\"", "\"h\"") ", " JSON_NODE("Relu", "\"h\"", "\"y\""))

typedef struct fixture { sluice_context *context; sluice_program *program; sluice_session *session; } fixture;

static fixture begin(const char *json, const sluice_session_options *options) {
    fixture f = {0};
    CHECK_INT(sluice_context_create(NULL, &f.context), SLUICE_OK);
    f.program = api_compile(f.context, json);
    if (f.program) CHECK_INT(sluice_session_create(f.program, options, &f.session), SLUICE_OK);
    return f;
}

static void end(fixture *f) {
    sluice_session_destroy(f->session);
    sluice_program_destroy(f->program);
    sluice_context_destroy(f->context);
}

static void test_descriptions(void) {
    fixture f = begin(LAYERS, NULL);
    sluice_value_description value;
    CHECK_INT(sluice_program_input_count(f.program), 1);
    CHECK_INT(sluice_program_output_count(f.program), 1);
    CHECK_INT(sluice_program_input(f.program, 0, &value), SLUICE_OK);
    CHECK_TEXT(value.name, "x");
    CHECK_INT(value.rank, 2);
    CHECK_INT(value.dims[0], -1);
    CHECK_TEXT(value.symbols[0], "n");
    CHECK_INT(value.dims[1], 4);
    CHECK_INT(value.dtype.code, 2);
    CHECK_INT(value.dtype.bits, 32);
    CHECK_INT(sluice_program_output(f.program, 0, &value), SLUICE_OK);
    CHECK_INT(value.dims[1], 2);
    CHECK_INT(sluice_program_output(f.program, 1, &value), SLUICE_INVALID_ARGUMENT);
    CHECK_INT(sluice_program_input(f.program, -1, &value), SLUICE_INVALID_ARGUMENT);
    CHECK_INT(sluice_program_find_input(f.program, "x"), 0);
    CHECK_INT(sluice_program_find_input(f.program, "y"), -1);
    CHECK_INT(sluice_program_find_output(f.program, "y"), 0);
    end(&f);
}

/* One program, many sizes, none of them compiled for; 0 rows are a size, too. */
static void test_sizes(void) {
    fixture f = begin(LAYERS, NULL);
    static const int64_t sizes[] = {3, 1, 64, 0, 17, 1};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        int64_t shape[2] = {sizes[s], 4};
        float x[64 * 4];
        for (int i = 0; i < 64 * 4; i++) x[i] = (float)(i % 7) - 3;
        DLTensor input = api_tensor(x, api_f32, 2, shape), output = {0};
        CHECK_INT(sluice_session_run(f.session, &input, 1, &output, 1), SLUICE_OK);
        CHECK_INT(output.ndim, 2);
        CHECK_INT(output.shape[0], sizes[s]);
        CHECK_INT(output.shape[1], 2);
        for (int64_t i = 0; i < sizes[s]; i++) {
            float want = x[4 * i] + 3 * x[4 * i + 1] + 5 * x[4 * i + 2] + 7 * x[4 * i + 3];
            CHECK(((float *)output.data)[2 * i] == (want > 0 ? want : 0));
        }
    }
    end(&f);
}

static void test_strides(void) {
    fixture f = begin(LAYERS, NULL);
    float by_columns[4][3] = {{1, 2, 3}, {0, 1, 0}, {-1, 0, 1}, {2, 2, 2}}, rows[3][4], backwards[3][4];
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 4; k++) backwards[2 - i][k] = rows[i][k] = by_columns[k][i];
    int64_t shape[2] = {3, 4}, transposed[2] = {1, 3}, reversed[2] = {-4, 1}, zero[2] = {0, 1}, padded[2] = {5, 1};
    DLTensor plain = api_tensor(rows, api_f32, 2, shape), output = {0};
    CHECK_INT(sluice_session_run(f.session, &plain, 1, &output, 1), SLUICE_OK);
    float want[6];
    memcpy(want, output.data, sizeof want);
    float wide[3][5];
    for (int i = 0; i < 3; i++) memcpy(wide[i], rows[i], sizeof rows[i]);
    unsigned char odd[sizeof rows + 9];
    memcpy(odd + 9, rows, sizeof rows);
    DLTensor forms[] = {api_tensor(by_columns, api_f32, 2, shape), api_tensor(backwards[2], api_f32, 2, shape), api_tensor(wide, api_f32, 2, shape), api_tensor(odd + 1, api_f32, 2, shape)};
    forms[0].strides = transposed;
    forms[1].strides = reversed;
    forms[2].strides = padded;
    forms[3].byte_offset = 8;      /* and no multiple of 4 */
    for (int i = 0; i < 4; i++) {
        memset(&output, 0, sizeof output);
        CHECK_INT(sluice_session_run(f.session, &forms[i], 1, &output, 1), SLUICE_OK);
        CHECK(memcmp(want, output.data, sizeof want) == 0);
    }
    DLTensor same_row = api_tensor(rows[1], api_f32, 2, shape);   /* one row three times */
    same_row.strides = zero;
    memset(&output, 0, sizeof output);
    CHECK_INT(sluice_session_run(f.session, &same_row, 1, &output, 1), SLUICE_OK);
    for (int i = 0; i < 3; i++) CHECK(memcmp((float *)output.data + 2 * i, want + 2, 2 * sizeof(float)) == 0);
    end(&f);
}

static void test_outputs_of_the_caller(void) {
    fixture f = begin(LAYERS, NULL);
    float x[8] = {1, 1, 1, 1, 2, 2, 2, 2}, y[5] = {9, 9, 9, 9, 9};
    int64_t shape[2] = {2, 4}, good[2] = {2, 2}, wrong[2] = {3, 2}, strides[2] = {1, 2}, row_major[2] = {2, 1};
    DLTensor input = api_tensor(x, api_f32, 2, shape), output = api_tensor(y, api_f32, 2, good);
    CHECK_INT(sluice_session_run(f.session, &input, 1, &output, 1), SLUICE_OK);
    CHECK(output.data == y && y[0] == 16 && y[1] == 20 && y[2] == 32 && y[3] == 40 && y[4] == 9);
    output.strides = row_major;
    CHECK_INT(sluice_session_run(f.session, &input, 1, &output, 1), SLUICE_OK);

    DLTensor bad[5];
    for (int i = 0; i < 5; i++) bad[i] = api_tensor(y, api_f32, 2, good);
    bad[0].shape = wrong;
    bad[1].ndim = 1;
    bad[2].dtype = api_f64;
    bad[3].strides = strides;
    bad[4].device.device_type = 2;
    for (int i = 0; i < 5; i++) {
        memset(y, 0, sizeof y);
        CHECK_INT(sluice_session_run(f.session, &input, 1, &bad[i], 1), SLUICE_INVALID_ARGUMENT);
        CHECK_CONTAINS(sluice_last_error(f.context), "'y'");
        for (int k = 0; k < 5; k++) CHECK(y[k] == 0);
    }
    /* A failed run spoils nothing. */
    CHECK_INT(sluice_session_run(f.session, &input, 1, &output, 1), SLUICE_OK);
    CHECK(y[3] == 40);
    end(&f);
}

static void test_wrong_calls(void) {
    fixture f = begin(LAYERS, NULL);
    float x[8] = {0};
    int64_t shape[2] = {2, 4}, wrong[2] = {2, 3}, negative[2] = {-2, 4}, huge[2] = {INT64_MAX / 2, 4};
    DLTensor good = api_tensor(x, api_f32, 2, shape), output = {0};
    struct { DLTensor input; const char *says; } bad[] = {
        {api_tensor(x, api_f64, 2, shape), "must be f32"}, {api_tensor(x, api_f32, 1, shape), "rank"}, {api_tensor(x, api_f32, 2, wrong), "axis 1 must be 4, but is 3"},
        {api_tensor(x, api_f32, 2, negative), "negative"}, {api_tensor(NULL, api_f32, 2, shape), "no data"}, {api_tensor(x, api_f32, 99, shape), "rank"},
        {api_tensor(x, api_f32, -1, shape), "rank"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_INT(sluice_session_run(f.session, &bad[i].input, 1, &output, 1), SLUICE_INVALID_ARGUMENT);
        CHECK_CONTAINS(sluice_last_error(f.context), "'x'");
        CHECK_CONTAINS(sluice_last_error(f.context), bad[i].says);
    }
    DLTensor elsewhere = good, enormous = api_tensor(x, api_f32, 2, huge);
    elsewhere.device.device_type = 2;
    CHECK_INT(sluice_session_run(f.session, &elsewhere, 1, &output, 1), SLUICE_INVALID_ARGUMENT);
    CHECK_INT(sluice_session_run(f.session, &enormous, 1, &output, 1), SLUICE_OVERFLOW);
    CHECK_INT(sluice_session_run(f.session, &good, 0, &output, 1), SLUICE_INVALID_ARGUMENT);
    CHECK_INT(sluice_session_run(f.session, &good, 1, &output, 0), SLUICE_INVALID_ARGUMENT);
    CHECK_INT(sluice_session_run(f.session, NULL, 1, &output, 1), SLUICE_INVALID_ARGUMENT);
    CHECK_INT(sluice_session_run(NULL, &good, 1, &output, 1), SLUICE_INVALID_ARGUMENT);
    CHECK_INT(sluice_session_create(NULL, NULL, &f.session), SLUICE_INVALID_ARGUMENT);
    sluice_session_options options;
    sluice_session_options_init(&options);
    options.threads = -1;
    sluice_session *none = NULL;
    CHECK_INT(sluice_session_create(f.program, &options, &none), SLUICE_INVALID_ARGUMENT);
    CHECK(none == NULL);
    sluice_program *program = NULL;
    CHECK_INT(sluice_compile_file(f.context, "/nowhere/model.onnx", NULL, &program), SLUICE_NOT_FOUND);
    CHECK_CONTAINS(sluice_last_error(f.context), "/nowhere/model.onnx");
    CHECK_INT(sluice_compile_memory(f.context, "m.json", "{", 1, NULL, &program), SLUICE_INVALID_MODEL);
    CHECK_CONTAINS(sluice_last_error(f.context), "m.json:1");
    CHECK_INT(sluice_compile_memory(NULL, "m.json", "{", 1, NULL, &program), SLUICE_INVALID_ARGUMENT);
    CHECK(program == NULL);
    CHECK_INT(sluice_session_run(f.session, &good, 1, &output, 1), SLUICE_OK);
    end(&f);
}

/* Enough rows that the work is divided, and a row softmax after it. */
#define WIDE JSON_GRAPH(JSON_INPUT("x", "f32", "\"n\", 64"), "\"y\"", "\"w\": {\"type\": \"f32\", \"shape\": [64, 96], \"fill\": 0.37}, \"b\": {\"type\": \"f32\", \"shape\": [96], \"fill\": 0.1}", \
                        JSON_NODE("MatMul", "\"x\", \"w\"", "\"h\"") ", " JSON_NODE("Add", "\"h\", \"b\"", "\"a\"") ", " JSON_NODE("Tanh", "\"a\"", "\"t\"") ", " JSON_NODE("Softmax", "\"t\"", "\"y\""))

static void fill(float *x, int count, unsigned seed) {
    for (int i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = (float)(seed >> 8) / (float)(1 << 24) - 0.5f;
    }
}

enum { ROWS = 301 };

static void test_threads_give_the_same_bits(void) {
    static float x[ROWS * 64], want[ROWS * 96];
    fill(x, ROWS * 64, 7);
    int64_t shape[2] = {ROWS, 64};
    for (int threads = 1; threads <= 4; threads++) {
        sluice_session_options options;
        sluice_session_options_init(&options);
        options.threads = threads;
        fixture f = begin(WIDE, &options);
        DLTensor input = api_tensor(x, api_f32, 2, shape), output = {0};
        for (int again = 0; again < 2; again++) {
            CHECK_INT(sluice_session_run(f.session, &input, 1, &output, 1), SLUICE_OK);
            if (threads == 1 && !again) memcpy(want, output.data, sizeof want);
            else CHECK(memcmp(want, output.data, sizeof want) == 0);
        }
        end(&f);
    }
}

typedef struct client { sluice_program *program; const float *x; const float *want; int64_t rows; int wrong; } client;

static void *run_client(void *argument) {
    client *self = argument;
    sluice_session_options options;
    sluice_session_options_init(&options);
    options.threads = 2;
    sluice_session *session;
    if (sluice_session_create(self->program, &options, &session) != SLUICE_OK) return self->wrong++, NULL;
    for (int i = 0; i < 40; i++) {
        int64_t rows = i % 2 ? self->rows : 1, shape[2] = {rows, 64};
        DLTensor input = api_tensor((void *)(uintptr_t)self->x, api_f32, 2, shape), output = {0};
        if (sluice_session_run(session, &input, 1, &output, 1) != SLUICE_OK) self->wrong++;
        else self->wrong += memcmp(self->want, output.data, sizeof(float) * 96 * (size_t)rows) != 0;
    }
    sluice_session_destroy(session);
    return NULL;
}

static void test_two_sessions_in_two_threads(void) {
    fixture f = begin(WIDE, NULL);
    static float x[2][ROWS * 64], want[2][ROWS * 96];
    client clients[2];
    for (int i = 0; i < 2; i++) {
        fill(x[i], ROWS * 64, 11u + (unsigned)i);
        int64_t shape[2] = {ROWS, 64};
        DLTensor input = api_tensor(x[i], api_f32, 2, shape), output = {0};
        CHECK_INT(sluice_session_run(f.session, &input, 1, &output, 1), SLUICE_OK);
        memcpy(want[i], output.data, sizeof want[i]);
        clients[i] = (client){f.program, x[i], want[i], ROWS - 100 * i, 0};
    }
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) CHECK_INT(pthread_create(&threads[i], NULL, run_client, &clients[i]), 0);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        CHECK_INT(clients[i].wrong, 0);
    }
    end(&f);
}

static void test_memory_limit(void) {
    sluice_session_options options;
    sluice_session_options_init(&options);
    options.threads = 1;
    options.memory_limit = 64 << 10;
    fixture f = begin(WIDE, &options);
    static float x[ROWS * 64];
    int64_t few[2] = {4, 64}, many[2] = {ROWS, 64};
    DLTensor small = api_tensor(x, api_f32, 2, few), large = api_tensor(x, api_f32, 2, many), output = {0};
    CHECK_INT(sluice_session_run(f.session, &small, 1, &output, 1), SLUICE_OK);
    memset(&output, 0, sizeof output);
    CHECK_INT(sluice_session_run(f.session, &large, 1, &output, 1), SLUICE_OUT_OF_MEMORY);
    CHECK_CONTAINS(sluice_last_error(f.context), "limit of 65536");
    memset(&output, 0, sizeof output);
    CHECK_INT(sluice_session_run(f.session, &small, 1, &output, 1), SLUICE_OK);
    CHECK(sluice_session_peak_bytes(f.session) > 0 && sluice_session_peak_bytes(f.session) <= options.memory_limit);
    end(&f);
}

static void test_counters(void) {
    sluice_session_options options;
    sluice_session_options_init(&options);
    options.counters = 1;
    fixture f = begin(WIDE, &options);
    static float x[ROWS * 64];
    int64_t shape[2] = {10, 64}, work = 0, bytes = 0;
    DLTensor input = api_tensor(x, api_f32, 2, shape), output = {0};
    sluice_counter counter;
    for (int again = 0; again < 2; again++) {   /* of the last run, not of all */
        CHECK_INT(sluice_session_run(f.session, &input, 1, &output, 1), SLUICE_OK);
        work = bytes = 0;
        CHECK(sluice_session_counter_count(f.session) >= 1);
        for (int i = 0; i < sluice_session_counter_count(f.session); i++) {
            CHECK_INT(sluice_session_counter(f.session, i, &counter), SLUICE_OK);
            CHECK_INT(counter.runs, 1);
            CHECK(counter.op && counter.location && counter.nanoseconds >= 0);
            work += counter.work;
            bytes += counter.weight_bytes;
        }
    }
    CHECK(work >= 10 * 64 * 96 && work < 2 * 10 * 64 * 96);
    CHECK(bytes >= 64 * 96 * 4);
    CHECK_INT(sluice_session_counter(f.session, sluice_session_counter_count(f.session), &counter), SLUICE_INVALID_ARGUMENT);
    end(&f);
    f = begin(WIDE, NULL);
    CHECK_INT(sluice_session_counter_count(f.session), 0);
    end(&f);
}

/* Two elements a byte, the first in the low bits; an odd count. */
static void test_packed_nibbles(void) {
    fixture f = begin(JSON_GRAPH(JSON_INPUT("x", "i4", "\"n\""), "\"y\"", "", "{\"op\": \"Transpose\", \"inputs\": [\"x\"], \"outputs\": [\"y\"]}"), NULL);
    uint8_t x[3] = {0x81, 0x7F, 0x03};
    int64_t shape[1] = {5};
    DLTensor input = api_tensor(x, api_i4, 1, shape), output = {0};
    CHECK_INT(sluice_session_run(f.session, &input, 1, &output, 1), SLUICE_OK);
    CHECK_INT(output.dtype.bits, 4);
    CHECK_INT(output.shape[0], 5);
    CHECK(memcmp(output.data, x, 2) == 0 && (((uint8_t *)output.data)[2] & 15) == 3);
    end(&f);
    f = begin(JSON_GRAPH(JSON_INPUT("x", "i4", "\"n\""), "\"y\"", "", "{\"op\": \"Cast\", \"inputs\": [\"x\"], \"outputs\": [\"y\"], \"attributes\": {\"to\": {\"element\": \"i64\"}}}"), NULL);
    memset(&output, 0, sizeof output);
    CHECK_INT(sluice_session_run(f.session, &input, 1, &output, 1), SLUICE_OK);
    static const int64_t want[5] = {1, -8, -1, 7, 3};
    CHECK_INT(output.dtype.bits, api_i64.bits);
    CHECK(memcmp(output.data, want, sizeof want) == 0);
    end(&f);
}

static void test_text(void) {
    fixture f = begin(LAYERS, NULL);
    char path[] = "/tmp/sluice-test-api-XXXXXX", *text = NULL;
    int file = mkstemp(path);
    FILE *stream = file < 0 ? NULL : fdopen(file, "w");
    CHECK(stream && fputs(LAYERS, stream) >= 0 && fclose(stream) == 0);
    CHECK_INT(sluice_compile_text(f.context, path, "ir", NULL, &text), SLUICE_OK);
    CHECK_CONTAINS(text, "kernel.launch");
    sluice_text_free(text);
    CHECK_INT(sluice_compile_text(f.context, path, "asm", NULL, &text), SLUICE_OK);
    CHECK_CONTAINS(text, ".text");
    sluice_text_free(text);
    CHECK_INT(sluice_compile_text(f.context, path, "fortran", NULL, &text), SLUICE_INVALID_ARGUMENT);
    CHECK(text == NULL);
    remove(path);
    end(&f);
}

int main(void) {
    test_descriptions();
    test_sizes();
    test_strides();
    test_outputs_of_the_caller();
    test_wrong_calls();
    test_threads_give_the_same_bits();
    test_two_sessions_in_two_threads();
    test_memory_limit();
    test_counters();
    test_packed_nibbles();
    test_text();
    return check_result();
}
