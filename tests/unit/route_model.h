/* route_model.h: tests of routed models: a model's text put together from pieces ('...' stands for "..."), compiled with counters, run, and compared with the reference
 * evaluator. Weights are small exact binary fractions, so that sums of products are exact and the evaluator's bits are the compiled program's. */
#ifndef SLUICE_TESTS_ROUTE_MODEL_H
#define SLUICE_TESTS_ROUTE_MODEL_H

#include "check.h"
#include "driver.h"
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>

typedef struct route_text { char *data; size_t length, capacity; } route_text;
typedef struct route_model { route_text inputs, weights, nodes; const char *outputs; char *text; } route_model;

/* Text of two numbers; good for the next seven calls. */
static inline const char *name_of(const char *format, int a, int b) {
    static char names[8][64];
    static int next;
    char *name = names[next++ % 8];
    snprintf(name, sizeof names[0], format, a, b);
    return name;
}

typedef struct route_value { char name[32]; char element; int rank; int64_t shape[4]; void *data; } route_value;    /* element: f (f32), i (i64), b (i1) */

static inline __attribute__((format(printf, 2, 3))) void put(route_text *t, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char piece[4096];
    size_t length = (size_t)vsnprintf(piece, sizeof piece, format, arguments);
    va_end(arguments);
    CHECK(length < sizeof piece);
    if (length >= sizeof piece) length = sizeof piece - 1;
    for (size_t i = 0; i < length; i++)
        if (piece[i] == '\'') piece[i] = '"';
    if (t->length + length + 1 > t->capacity) t->data = realloc(t->data, t->capacity = 2 * (t->length + length + 1));
    memcpy(t->data + t->length, piece, length + 1);
    t->length += length;
}

/* Writes a comma before all but the first entry. */
static inline void next_entry(route_text *t) {
    if (t->length && !strchr("[{", t->data[t->length - 1])) put(t, ", ");
}

static inline void add_input(route_model *m, const char *name, const char *type, const char *shape) {
    next_entry(&m->inputs);
    put(&m->inputs, "{'name': '%s', 'type': '%s', 'shape': [%s]}", name, type, shape);
}

/* Multiples of 1/8 in [-1/2, 1/2]. */
static inline float small_number(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (float)((int)(*state >> 60) % 9 - 4) / 8.0f;
}

static inline void add_weight(route_model *m, const char *name, int rows, int columns, uint64_t seed) {
    uint64_t state = seed * 77 + 5;
    next_entry(&m->weights);
    put(&m->weights, "'%s': {'type': 'f32', 'shape': [%d, %d], 'data': [", name, rows, columns);
    for (int i = 0; i < rows * columns; i++) put(&m->weights, "%s%g", i ? "," : "", (double)small_number(&state));
    put(&m->weights, "]}");
}

/* The same numbers, NaN from row `good_rows` or column `good_columns` on. */
static inline void add_partial(route_model *m, const char *name, int rows, int columns, int good_rows, int good_columns, uint64_t seed) {
    uint64_t state = seed * 77 + 5;
    next_entry(&m->weights);
    put(&m->weights, "'%s': {'type': 'f32', 'shape': [%d, %d], 'data': [", name, rows, columns);
    for (int i = 0; i < rows * columns; i++) {
        float number = small_number(&state);
        if (i / columns < good_rows && i % columns < good_columns) put(&m->weights, "%s%g", i ? "," : "", (double)number);
        else put(&m->weights, "%s'nan'", i ? "," : "");
    }
    put(&m->weights, "]}");
}

/* A convolution's weights, filters x channels x side x side. */
static inline void add_filter(route_model *m, const char *name, int filters, int channels, int side, uint64_t seed, bool poison) {
    uint64_t state = seed * 77 + 5;
    next_entry(&m->weights);
    put(&m->weights, "'%s': {'type': 'f32', 'shape': [%d, %d, %d, %d], ", name, filters, channels, side, side);
    if (poison) put(&m->weights, "'fill': 'nan'}");
    for (int i = 0; i < filters * channels * side * side && !poison; i++) put(&m->weights, "%s%g", i ? "," : "'data': [", (double)small_number(&state) / side);
    if (!poison) put(&m->weights, "]}");
}

/* A weight that must never be read. */
static inline void add_poison(route_model *m, const char *name, int rows, int columns) {
    next_entry(&m->weights);
    put(&m->weights, "'%s': {'type': 'f32', 'shape': [%d, %d], 'fill': 'nan'}", name, rows, columns);
}

static inline void add_constant(route_model *m, const char *name, const char *type, const char *data) {
    next_entry(&m->weights);
    put(&m->weights, "'%s': {'type': '%s', 'data': %s}", name, type, data);
}

/* node(m, "MatMul", "'a', 'b'", "c", "'axis': 1") */
static inline void put_node(route_text *t, const char *op, const char *inputs, const char *outputs, const char *attributes) {
    next_entry(t);
    put(t, "{'op': '%s', 'inputs': [%s], 'outputs': [%s]", op, inputs, outputs);
    if (attributes) put(t, ", 'attributes': {%s}", attributes);
    put(t, "}");
}
static inline void add_node(route_model *m, const char *op, const char *inputs, const char *outputs, const char *attributes) { put_node(&m->nodes, op, inputs, outputs, attributes); }

/* The same in one line: say(t, "h = MatMul x w%d | 'axis': 1", layer). "-" is an input that is left out; several outputs stand before the "=". */
static inline __attribute__((format(printf, 2, 3))) void say(route_text *t, const char *format, ...) {
    char line[1024], outputs[512] = "", inputs[1024] = "", op[64] = "";
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    CHECK(length > 0 && (size_t)length < sizeof line);
    char *attributes = strstr(line, " | "), *equals = strstr(line, " = ");
    if (attributes) *attributes = 0, attributes += 3;
    CHECK(equals != NULL);
    if (!equals) return;
    *equals = 0;
    for (char *word = strtok(line, " "); word; word = strtok(NULL, " ")) snprintf(outputs + strlen(outputs), sizeof outputs - strlen(outputs), "%s'%s'", *outputs ? ", " : "", word);
    for (char *word = strtok(equals + 3, " "); word; word = strtok(NULL, " ")) {
        if (!*op) snprintf(op, sizeof op, "%s", word);
        else snprintf(inputs + strlen(inputs), sizeof inputs - strlen(inputs), "%s'%s'", *inputs ? ", " : "", strcmp(word, "-") ? word : "");
    }
    next_entry(t);
    put(t, "{'op': '%s', 'inputs': [%s], 'outputs': [%s]%s", op, inputs, outputs, strncmp(op, "Route", 5) ? "" : ", 'domain': 'sluice'");
    if (attributes) put(t, ", 'attributes': {%s}", attributes);
    put(t, "}");
}

/* If: open_if, the nodes of the first body, else_if, the nodes of the other, close_if. */
static inline void open_if(route_text *t, const char *condition, const char *output) {
    next_entry(t);
    put(t, "{'op': 'If', 'inputs': ['%s'], 'outputs': ['%s'], 'attributes': {'then': {'nodes': [", condition, output);
}
static inline void else_if(route_text *t, const char *then_output) { put(t, "], 'outputs': ['%s']}, 'else': {'nodes': [", then_output); }
static inline void close_if(route_text *t, const char *else_output) { put(t, "], 'outputs': ['%s']}}}", else_output); }

static inline void open_route(route_text *t, const char *name, const char *inputs, const char *output) {
    next_entry(t);
    put(t, "{'op': 'Route', 'domain': 'sluice', 'name': '%s', 'inputs': [%s], 'outputs': ['%s'], 'attributes': {'branches': {'graphs': [", name, inputs, output);
}
static inline void close_route(route_text *t, const char *attributes) { put(t, "]}%s%s}}", attributes ? ", " : "", attributes ? attributes : ""); }
static inline void open_body(route_text *t, const char *inputs) {
    next_entry(t);
    put(t, "{'inputs': [%s], 'nodes': [", inputs);
}
static inline void close_body(route_text *t, const char *outputs) { put(t, "], 'outputs': [%s]}", outputs); }

/* relu(r @ up) @ down of input r. */
static inline void add_feed_forward(route_text *t, const char *up, const char *down) {
    char inputs[128];
    open_body(t, "{'name': 'r'}");
    snprintf(inputs, sizeof inputs, "'r', '%s'", up);
    put_node(t, "MatMul", inputs, "'h'", NULL);
    put_node(t, "Relu", "'h'", "'a'", NULL);
    snprintf(inputs, sizeof inputs, "'a', '%s'", down);
    put_node(t, "MatMul", inputs, "'o'", NULL);
    close_body(t, "'o'");
}

static inline const char *model_text(route_model *m, const char *outputs) {
    route_text t = {0};
    put(&t, "{'format': 'sluice-graph', 'version': 1, 'opset': 21, 'inputs': [");
    size_t length = t.length + m->inputs.length + m->weights.length + m->nodes.length + strlen(outputs) + 128;
    m->text = malloc(length);
    char quoted[2048];
    size_t n = strlen(outputs);
    for (size_t i = 0; i <= n && i < sizeof quoted; i++) quoted[i] = outputs[i] == '\'' ? '"' : outputs[i];
    snprintf(m->text, length, "%s%s], \"initializers\": {%s}, \"nodes\": [%s], \"outputs\": [%s]}", t.data, m->inputs.data ? m->inputs.data : "", m->weights.data ? m->weights.data : "",
             m->nodes.data ? m->nodes.data : "", quoted);
    free(t.data);
    return m->text;
}

static inline void model_free(route_model *m) {
    free(m->inputs.data);
    free(m->weights.data);
    free(m->nodes.data);
    free(m->text);
}

/* ---- running ---- */
enum { ROUTE_MOST_OUTPUTS = 16, ROUTE_MOST_INPUTS = 16 };
typedef struct route_run { sluice_context *context; sluice_program *program; sluice_session *session; const char *text; DLTensor output, outputs[ROUTE_MOST_OUTPUTS]; } route_run;

static inline void run_open(route_run *run, const char *text, int threads) {
    *run = (route_run){.text = text};
    CHECK_INT(sluice_context_create(NULL, &run->context), SLUICE_OK);
    if (sluice_compile_memory(run->context, "model.json", text, strlen(text), NULL, &run->program) != SLUICE_OK) {
        fprintf(stderr, "%s\n", sluice_last_error(run->context));
        CHECK(!"the model compiles");
        return;
    }
    sluice_session_options options;
    sluice_session_options_init(&options);
    options.threads = threads;
    options.counters = 1;
    CHECK_INT(sluice_session_create(run->program, &options, &run->session), SLUICE_OK);
}

static inline void run_close(route_run *run) {
    sluice_session_destroy(run->session);
    sluice_program_destroy(run->program);
    sluice_context_destroy(run->context);
}

static inline DLTensor run_tensor(const route_value *value) {
    DLTensor tensor = {.data = value->data, .device = {1, 0}, .ndim = value->rank, .dtype = value->element == 'f' ? (DLDataType){2, 32, 1} : value->element == 'b' ? (DLDataType){6, 8, 1} : (DLDataType){0, 64, 1}};
    tensor.shape = (int64_t *)(uintptr_t)value->shape;
    return tensor;
}

/* Runs on values in the order of the model's inputs; the outputs are in run->outputs, and the first one in run->output, until the next run. */
static inline sluice_code run_once(route_run *run, const route_value *values, int count) {
    DLTensor inputs[ROUTE_MOST_INPUTS];
    if (!run->session) return SLUICE_INTERNAL;
    for (int i = 0; i < count; i++) inputs[i] = run_tensor(&values[i]);
    memset(run->outputs, 0, sizeof run->outputs);
    sluice_code code = sluice_session_run(run->session, inputs, count, run->outputs, sluice_program_output_count(run->program));
    run->output = run->outputs[0];
    return code;
}

static inline int64_t output_count(const route_run *run) {
    int64_t count = 1;
    for (int d = 0; d < run->output.ndim; d++) count *= run->output.shape[d];
    return count;
}

static inline bool output_is_finite(const route_run *run) {
    const float *data = run->output.data;
    for (int64_t i = 0; i < output_count(run); i++)
        if (!isfinite(data[i])) return false;
    return data != NULL;
}

/* Multiply-adds of all sums of products, executed or without skipping. */
static inline int64_t products(const route_run *run, bool dense) {
    int64_t sum = 0;
    for (int i = 0; i < sluice_session_counter_count(run->session); i++) {
        sluice_counter counter;
        CHECK_INT(sluice_session_counter(run->session, i, &counter), SLUICE_OK);
        if (counter.products) sum += dense ? counter.dense_work : counter.work;
    }
    return sum;
}

static inline int64_t weight_bytes(const route_run *run, bool dense) {
    int64_t sum = 0;
    for (int i = 0; i < sluice_session_counter_count(run->session); i++) {
        sluice_counter counter;
        CHECK_INT(sluice_session_counter(run->session, i, &counter), SLUICE_OK);
        sum += dense ? counter.dense_weight_bytes : counter.weight_bytes;
    }
    return sum;
}

static inline sluice_branch_counter branch(const route_run *run, int index) {
    sluice_branch_counter counter = {0};
    CHECK_INT(sluice_session_branch(run->session, index, &counter), SLUICE_OK);
    return counter;
}

/* Launches in a branch. */
static inline int64_t launches(const route_run *run, int index) {
    int64_t sum = 0;
    for (int i = 0; i < sluice_session_counter_count(run->session); i++) {
        sluice_counter counter;
        CHECK_INT(sluice_session_counter(run->session, i, &counter), SLUICE_OK);
        if (counter.branch == index) sum += counter.runs;
    }
    return sum;
}

static inline bool count_sort(void *self, sl_op *op) {
    *(int *)self += sl_op_get_kind(op) == SL_OP_kernel_call && !strcmp(sl_op_string(op, "routine", ""), "partition");
    return true;
}

#define ROUTE_STRETCHES "infer-shapes,simplify,recover-routing,split-branches,simplify"    /* passes that part a model at its decisions */

/* Calls `visit` for the ops of the run's model behind these passes (NULL: all of them). */
static inline void walk_passed(const route_run *run, const char *pipeline, bool (*visit)(void *self, sl_op *op), void *self) {
    sl_compilation c;
    sluice_compile_options options;
    sluice_compile_options_init(&options);
    if (pipeline) options.pipeline = pipeline;
    sl_status status = sl_compilation_begin(&c, run->context, &options);
    if (!status) {
        status = sl_compilation_load(&c, "model.json", run->text, strlen(run->text));
        if (!status) status = sl_compilation_lower(&c);
        if (!status) sl_op_walk(sl_module_op(c.module), visit, self);
        sl_compilation_end(&c);
    }
    CHECK(!status);
    sl_status_free(status);
}

/* Sorts of keys that the compiled program holds. */
static inline int sorts_in(const route_run *run) {
    int sorts = 0;
    walk_passed(run, NULL, count_sort, &sorts);
    return sorts;
}

/* Largest difference from the evaluator's output 0; NaN where one is NaN and the other is not. -1: it can't be evaluated. */
static inline double evaluator_difference(const route_run *run, const route_value *values, int count) {
    sl_compilation c;
    sluice_compile_options options;
    sluice_compile_options_init(&options);
    double worst = -1;
    sl_status status = sl_compilation_begin(&c, run->context, &options);
    if (status) return sl_status_free(status), -1;
    status = sl_compilation_load(&c, "model.json", run->text, strlen(run->text));
    if (!status) {
        const sl_tensor *inputs[ROUTE_MOST_INPUTS];
        sl_tensor *output[ROUTE_MOST_OUTPUTS];
        for (int i = 0; i < count; i++) {
            sl_tensor *tensor = sl_tensor_alloc(c.arena, values[i].element == 'f' ? SL_ELEMENT_f32 : values[i].element == 'b' ? SL_ELEMENT_i1 : SL_ELEMENT_i64, values[i].rank, values[i].shape);
            if (tensor->size) memcpy(tensor->data, values[i].data, (size_t)tensor->size);
            inputs[i] = tensor;
        }
        sl_eval_options eval;
        sl_eval_options_init(&eval);
        status = sl_eval_function(c.module, "main", c.arena, &eval, count, inputs, sluice_program_output_count(run->program), output);
        if (!status && sl_tensor_count(output[0]) == output_count(run)) {
            const float *want = output[0]->data, *have = run->output.data;
            worst = 0;
            for (int64_t i = 0; i < output_count(run); i++) worst = fmax(worst, fabs((double)want[i] - (double)have[i]));
            for (int64_t i = 0; i < output_count(run); i++)
                if (isnan(want[i]) != isnan(have[i])) worst = NAN;
        }
    }
    if (status) fprintf(stderr, "%s\n", sl_status_message(status));
    sl_status_free(status);
    sl_compilation_end(&c);
    return worst;
}

/* Kernels of the program that come from nodes with this in their names or ops; `products_only`: of sums of products. */
static inline int kernels_with(const route_run *run, bool products_only, const char *from) {
    int count = 0;
    for (int i = 0; i < sluice_session_counter_count(run->session); i++) {
        sluice_counter counter;
        CHECK_INT(sluice_session_counter(run->session, i, &counter), SLUICE_OK);
        count += (counter.products || !products_only) && strstr(counter.location, from) != NULL;
    }
    return count;
}

/* An allocator that counts into the int64_t at `self`. */
static inline void *count_allocations(void *self, void *pointer, size_t old_size, size_t new_size, size_t alignment) {
    sl_allocator system = sl_allocator_system();
    if (new_size > old_size) ++*(int64_t *)self;
    return system.resize(system.self, pointer, old_size, new_size, alignment);
}

/* Opens a run without counters in whose context every allocation is counted. */
static inline void run_open_counting(route_run *run, const char *text, int threads, int64_t *allocations) {
    *run = (route_run){.text = text};
    sluice_context_options options;
    sluice_context_options_init(&options);
    options.resize = count_allocations, options.allocator_self = allocations;
    CHECK_INT(sluice_context_create(&options, &run->context), SLUICE_OK);
    CHECK_INT(sluice_compile_memory(run->context, "model.json", text, strlen(text), NULL, &run->program), SLUICE_OK);
    sluice_session_options session;
    sluice_session_options_init(&session);
    session.threads = threads;
    CHECK_INT(sluice_session_create(run->program, &session, &run->session), SLUICE_OK);
}

static inline void fill_rows(float *data, int64_t count, uint64_t seed) {
    for (int64_t i = 0; i < count; i++) data[i] = small_number(&seed);
}

static inline void check_run(route_run *run, const route_value *values, int count) {
    sluice_code code = run_once(run, values, count);
    if (code != SLUICE_OK) fprintf(stderr, "%s\n", sluice_last_error(run->context));
    CHECK_INT(code, SLUICE_OK);
    CHECK(code == SLUICE_OK && output_is_finite(run));
}

static inline void check_same(route_run *run, const route_value *values, int count) {
    check_run(run, values, count);
    double difference = evaluator_difference(run, values, count);
    if (difference != 0) fprintf(stderr, "differs from the evaluator by %g\n", difference);
    CHECK(difference == 0);
}

/* The same where sums of products are not exact: relative to the largest output. */
static inline void check_close(route_run *run, const route_value *values, int count, double tolerance) {
    check_run(run, values, count);
    double difference = evaluator_difference(run, values, count), largest = 0;
    for (int64_t i = 0; i < output_count(run); i++) largest = fmax(largest, fabs((double)((const float *)run->output.data)[i]));
    if (!(difference >= 0 && difference <= tolerance * largest)) fprintf(stderr, "differs from the evaluator by %g, largest output %g\n", difference, largest);
    CHECK(difference >= 0 && difference <= tolerance * largest);
}

/* ---- each row's bits ---- */

static inline size_t value_element_size(const route_value *value) { return value->element == 'f' ? 4 : value->element == 'b' ? 1 : 8; }

/* values[i] with rows `order[0..count]` of axis `axis`; into `data`. */
static inline route_value rows_of(const route_value *value, int axis, const int *order, int count, void *data) {
    route_value part = *value;
    if (axis < 0) return part;
    size_t inner = value_element_size(value), outer = 1, all = (size_t)value->shape[axis];
    for (int d = 0; d < value->rank; d++) {
        if (d < axis) outer *= (size_t)value->shape[d];
        if (d > axis) inner *= (size_t)value->shape[d];
    }
    for (size_t o = 0; o < outer; o++)
        for (int r = 0; r < count; r++) memcpy((char *)data + (o * (size_t)count + (size_t)r) * inner, (const char *)value->data + (o * all + (size_t)order[r]) * inner, inner);
    part.shape[axis] = count;
    part.data = data;
    return part;
}

/* Output 0 of these rows alone and of the batch in other orders: the bits that each row has in the whole batch. axes[i]: where the rows run in values[i], -1 when it has none. Output rows are its first axis. */
static inline void check_rows(route_run *run, const route_value *values, int count, const int *axes, int rows) {
    route_value some[ROUTE_MOST_INPUTS];
    void *data[ROUTE_MOST_INPUTS] = {NULL};
    int *order = malloc(sizeof(int) * (size_t)rows);
    for (int i = 0; i < count; i++) {
        size_t size = value_element_size(&values[i]);
        for (int d = 0; d < values[i].rank; d++) size *= (size_t)values[i].shape[d];
        data[i] = malloc(size + 1);
    }
    CHECK_INT(run_once(run, values, count), SLUICE_OK);
    size_t row = (size_t)(output_count(run) / rows) * sizeof(float);
    char *whole = malloc(row * (size_t)rows + 1);
    CHECK_INT(run->output.shape[0], rows);
    memcpy(whole, run->output.data, row * (size_t)rows);
    for (int shuffle = -rows; shuffle < 3; shuffle++) {    /* below 0: one row alone */
        int n = shuffle < 0 ? 1 : rows;
        for (int r = 0; r < n; r++) order[r] = shuffle < 0 ? -1 - shuffle : shuffle == 0 ? rows - 1 - r : r;
        if (shuffle > 0) {
            uint64_t state = (uint64_t)shuffle * 77;
            for (int r = rows - 1; r > 0; r--) {
                state = state * 6364136223846793005u + 1442695040888963407u;
                int other = (int)((state >> 33) % (uint64_t)(r + 1)), kept = order[r];
                order[r] = order[other], order[other] = kept;
            }
        }
        for (int i = 0; i < count; i++) some[i] = rows_of(&values[i], axes[i], order, n, data[i]);
        CHECK_INT(run_once(run, some, count), SLUICE_OK);
        CHECK_INT(run->output.shape[0], n);
        bool same = true;
        for (int r = 0; r < n; r++) same &= memcmp((const char *)run->output.data + (size_t)r * row, whole + (size_t)order[r] * row, row) == 0;
        CHECK(same);
    }
    for (int i = 0; i < count; i++) free(data[i]);
    free(order), free(whole);
}

#endif
