/* test_eval.c: the evaluator beyond values (those are in tests/ir/run): symbols bound from inputs, located errors, limits, observation, counts, memory. */
#include "text_module.h"
#include <stdlib.h>

typedef struct run_result { sl_code code; char message[512]; } run_result;

/* Runs @main with one f32 input of the given shape (rank < 0: none); the only output, if any, comes back in *output. */
static run_result run_main(text_module *text, const sl_eval_options *options, int rank, const int64_t *shape, sl_tensor **output) {
    run_result result = {SL_OK, ""};
    sl_tensor *input = rank < 0 ? NULL : sl_tensor_alloc(text->arena, SL_ELEMENT_f32, rank, shape);
    for (int64_t i = 0; input && i < sl_tensor_count(input); i++) ((float *)input->data)[i] = (float)i;
    const sl_tensor *inputs[] = {input};
    sl_status status = sl_eval_function(text->module, "main", text->arena, options, rank < 0 ? 0 : 1, inputs, output ? 1 : 0, output);
    result.code = sl_status_code(status);
    if (status) snprintf(result.message, sizeof result.message, "%s", sl_status_message(status));
    sl_status_free(status);
    return result;
}

static void symbols_bind_from_the_inputs_shape(void) {
    text_module text;
    CHECK(text_module_open(&text, "core.func @main(%x: tensor<B x (2*S) x f32>, %y: tensor<S x f32>) {\n"
                                  "  %d = tensor.from_dims {dims = [expr(B), expr(S), expr(B*S)]} : () -> tensor<3 x i64>\n"
                                  "  core.return(%d) : (tensor<3 x i64>)\n}\n"));
    sl_tensor *x = sl_tensor_alloc(text.arena, SL_ELEMENT_f32, 2, (int64_t[]){3, 10}), *y = sl_tensor_alloc(text.arena, SL_ELEMENT_f32, 1, (int64_t[]){5}), *output = NULL;
    const sl_tensor *inputs[] = {x, y};
    sl_status status = sl_eval_function(text.module, "main", text.arena, NULL, 2, inputs, 1, &output);
    CHECK(status == NULL);
    CHECK_INT(((int64_t *)output->data)[0], 3);
    CHECK_INT(((int64_t *)output->data)[1], 5);
    CHECK_INT(((int64_t *)output->data)[2], 15);
    /* 2*S must be 10: an expression is checked although it stands before the input that binds S */
    inputs[1] = sl_tensor_alloc(text.arena, SL_ELEMENT_f32, 1, (int64_t[]){4});
    status = sl_eval_function(text.module, "main", text.arena, NULL, 2, inputs, 1, &output);
    CHECK_INT(sl_status_code(status), SL_RUN_TIME);
    CHECK_CONTAINS(sl_status_message(status), "argument 0 is 3 x 10 x f32, but axis 1 should be 2*S = 8");
    sl_status_free(status);
    text_module_close(&text);
}

static void calls_that_do_not_fit_are_refused(void) {
    text_module text;
    CHECK(text_module_open(&text, "core.func @main(%x: tensor<B x 4 x f32>) {\n  core.return(%x) : (tensor<B x 4 x f32>)\n}\n"));
    sl_tensor *output = NULL;
    run_result result = run_main(&text, NULL, 1, (int64_t[]){4}, &output);
    CHECK_CONTAINS(result.message, "argument 0 is 4 x f32, which does not fit its type tensor<B x 4 x f32>");
    result = run_main(&text, NULL, 2, (int64_t[]){4, 5}, &output);
    CHECK_CONTAINS(result.message, "axis 1 should be 4 = 4");
    result = run_main(&text, NULL, -1, NULL, &output);
    CHECK_CONTAINS(result.message, "the function takes 1 inputs, 0 are given");
    result = run_main(&text, NULL, 2, (int64_t[]){4, 4}, NULL);
    CHECK_CONTAINS(result.message, "returns 1 values, 0 are asked for");
    sl_status status = sl_eval_function(text.module, "other", text.arena, NULL, 0, NULL, 0, NULL);
    CHECK_INT(sl_status_code(status), SL_NOT_FOUND);
    sl_status_free(status);
    text_module_close(&text);
}

/* Evaluates a body without inputs that must fail with `part` in a message at line `line`. */
static void expect_failure(const char *body, int line, const char *part) {
    char source[4096], place[32];
    snprintf(source, sizeof source, "core.func @main() {\n%s  core.return\n}\n", body);
    text_module text;
    bool ok = text_module_open(&text, source);
    if (!ok) fprintf(stderr, "%s\n%s", source, text.messages);
    CHECK(ok);
    if (ok) {
        run_result result = run_main(&text, NULL, -1, NULL, NULL);
        CHECK_INT(result.code, SL_RUN_TIME);
        CHECK_CONTAINS(text.messages, part);
        snprintf(place, sizeof place, "%d: ", line);
        CHECK(strncmp(text.messages, place, strlen(place)) == 0);
    }
    text_module_close(&text);
}

#define CONSTANT(name, type, values) "  %" name " = core.constant {value = data<" type ">" values "} : () -> " type "\n"

static void run_time_faults_are_located(void) {
    expect_failure(CONSTANT("x", "tensor<3 x f32>", "[1.0, 2.0, 3.0]") CONSTANT("i", "tensor<i64>", "[-4]")
                   "  %y = tensor.take(%x, %i) {axis = 0} : (tensor<3 x f32>, tensor<i64>) -> tensor<f32>\n",
                   4, "index -4 is out of range for axis 0 of size 3");
    expect_failure(CONSTANT("x", "tensor<6 x f32>", "splat(0.0)") CONSTANT("s", "tensor<2 x i64>", "[4, 2]")
                   "  %y = tensor.reshape(%x, %s) : (tensor<6 x f32>, tensor<2 x i64>) -> tensor<?1 x ?2 x f32>\n",
                   4, "6 elements can't be reshaped to 4 x 2");
    expect_failure(CONSTANT("k", "tensor<2 x i64>", "[0, 2]") "  %p = route.partition(%k) : (tensor<2 x i64>) -> partition<2>\n", 3, "row 1 goes to branch 2, but there are 2");
    expect_failure("  core.guard {left = expr(1), message = \"one is two\", right = expr(2)}\n", 2, "one is two (1 = 1, 2 = 2)");
    expect_failure("  %d = core.dim {value = expr(N)} : () -> i64\n", 2, "the size N can't be computed");
    expect_failure(CONSTANT("x", "tensor<2 x f32>", "[1.0, 2.0]")
                   "  %y = nest.generic(%x) {bounds = [expr(2)], init = [data<f32>[0.0]], iterators = [\"parallel\"], maps = [map(d0)[d0 + 1], map(d0)[d0]]} : "
                   "(tensor<2 x f32>) -> tensor<2 x f32> ({ ^(%a: f32, %o: f32):\n    nest.yield(%a) : (f32)\n  })\n",
                   3, "nest.generic reads operand 0 outside of its bounds");
    expect_failure(CONSTANT("x", "tensor<2 x f32>", "[1.0, 2.0]") CONSTANT("one", "tensor<i64>", "[1]") CONSTANT("two", "tensor<i64>", "[2]")
                   "  %k = arith.xor(%one, %two) : (tensor<i64>, tensor<i64>) -> tensor<i64>\n  %v, %i = tensor.topk(%x, %k) {axis = 0, largest = true} : (tensor<2 x f32>, tensor<i64>) -> (tensor<?1 x f32>, tensor<?1 x i64>)\n",
                   6, "k is 3, but axis 0 has 2 elements");
}

static void limits_stop_what_would_not_end(void) {
    expect_failure(CONSTANT("n", "tensor<i64>", "[-1]") CONSTANT("c", "tensor<i1>", "[true]")
                   "  tensor.loop(%n, %c) {carried = 0} : (tensor<i64>, tensor<i1>) -> () ({ ^(%i: tensor<i64>, %g: tensor<i1>):\n    tensor.yield(%g) : (tensor<i1>)\n  })\n",
                   4, "the evaluation takes more than 10000000 steps");
    expect_failure(CONSTANT("x", "tensor<i8>", "[1]") CONSTANT("s", "tensor<3 x i64>", "[100000, 100000, 100000]")
                   "  %y = tensor.fill(%x, %s) : (tensor<i8>, tensor<3 x i64>) -> tensor<?1 x ?2 x ?3 x i8>\n",
                   4, "tensor.fill makes a tensor of more than 268435456 elements");
    expect_failure(CONSTANT("x", "tensor<i8>", "[1]") CONSTANT("s", "tensor<3 x i64>", "[9223372036854775807, 9223372036854775807, 2]")
                   "  %y = tensor.fill(%x, %s) : (tensor<i8>, tensor<3 x i64>) -> tensor<?1 x ?2 x ?3 x i8>\n",
                   4, "tensor.fill makes a tensor of more than");
    text_module text;
    CHECK(text_module_open(&text, "core.func @main(%x: tensor<N x N x f32>) {\n"
                                  "  %y = tensor.contract(%x, %x) {left_batch = ints[], left_sum = ints[1], right_batch = ints[], right_sum = ints[0]} : "
                                  "(tensor<N x N x f32>, tensor<N x N x f32>) -> tensor<N x N x f32>\n  core.return(%y) : (tensor<N x N x f32>)\n}\n"));
    sl_eval_options options;
    sl_eval_options_init(&options);
    options.max_steps = 20;   /* 65536 multiply-adds count as one step */
    sl_tensor *output = NULL;
    CHECK_INT(run_main(&text, &options, 2, (int64_t[]){64, 64}, &output).code, SL_OK);
    CHECK_CONTAINS(run_main(&text, &options, 2, (int64_t[]){128, 128}, &output).message, "more than 20 steps");
    sl_eval_counts counts = {0};
    options.counts = &counts;
    CHECK_INT(run_main(&text, &options, 2, (int64_t[]){10, 10}, &output).code, SL_OK);
    CHECK_INT(counts.multiply_adds, 1000);
    text_module_close(&text);
}

static void fail_in_silence(void *self, sl_op *op, int result, const sl_tensor *tensor) {
    char *log = self;
    snprintf(log + strlen(log), 256 - strlen(log), "%s %d %lld; ", sl_op_name(op), result, (long long)sl_tensor_count(tensor));
}

static void every_result_is_observed(void) {
    text_module text;
    CHECK(text_module_open(&text, "core.func @main(%x: tensor<N x f32>) {\n  %y = arith.neg(%x) : (tensor<N x f32>) -> tensor<N x f32>\n"
                                  "  %k = core.constant {value = data<tensor<i64>>[1]} : () -> tensor<i64>\n"
                                  "  %v, %i = tensor.topk(%y, %k) {axis = 0, largest = true} : (tensor<N x f32>, tensor<i64>) -> (tensor<1 x f32>, tensor<1 x i64>)\n"
                                  "  core.return(%i) : (tensor<1 x i64>)\n}\n"));
    sl_eval_options options;
    char log[256] = "";
    sl_eval_options_init(&options);
    options.observe = fail_in_silence;
    options.self = log;
    sl_tensor *output = NULL;
    CHECK_INT(run_main(&text, &options, 1, (int64_t[]){3}, &output).code, SL_OK);
    CHECK_TEXT(log, "arith.neg 0 3; core.constant 0 1; tensor.topk 0 1; tensor.topk 1 1; ");
    text_module_close(&text);
}

/* Bytes in use now, and at most. */
typedef struct meter { sl_allocator base; int64_t now, most; } meter;

static void *metered(void *self, void *pointer, size_t old_size, size_t new_size, size_t alignment) {
    meter *m = self;
    void *result = m->base.resize(m->base.self, pointer, old_size, new_size, alignment);
    if (result || new_size == 0) m->now += (int64_t)new_size - (int64_t)old_size;
    if (m->now > m->most) m->most = m->now;
    return result;
}

/* A loop of many iterations needs memory for a few of them, not for all. */
static void loops_give_memory_back(void) {
    text_module text;
    CHECK(text_module_open(&text, "core.func @main(%x: tensor<N x f32>) {\n" CONSTANT("n", "tensor<i64>", "[1000]") CONSTANT("c", "tensor<i1>", "[true]")
                                  "  %y = tensor.loop(%n, %c, %x) {carried = 1} : (tensor<i64>, tensor<i1>, tensor<N x f32>) -> tensor<N x f32> ({ ^(%i: tensor<i64>, %g: tensor<i1>, %v: tensor<N x f32>):\n"
                                  "    %w = arith.add(%v, %v) : (tensor<N x f32>, tensor<N x f32>) -> tensor<N x f32>\n    %z = arith.sub(%w, %v) : (tensor<N x f32>, tensor<N x f32>) -> tensor<N x f32>\n"
                                  "    tensor.yield(%g, %z) : (tensor<i1>, tensor<N x f32>)\n  })\n  core.return(%y) : (tensor<N x f32>)\n}\n"));
    int64_t size = 20000;
    meter m = {.base = sl_allocator_system()};
    sl_allocator allocator = {&m, metered};
    sl_arena *arena = sl_arena_create(&allocator, 0);
    sl_tensor *input = sl_tensor_alloc(text.arena, SL_ELEMENT_f32, 1, &size), *output = NULL;
    for (int64_t i = 0; i < size; i++) ((float *)input->data)[i] = (float)i;
    const sl_tensor *inputs[] = {input};
    sl_status status = sl_eval_function(text.module, "main", arena, NULL, 1, inputs, 1, &output);
    CHECK(status == NULL);
    CHECK(m.most < 100 * size * 4);
    CHECK(m.now < 3 * size * 4);   /* the result */
    if (output) CHECK(((float *)output->data)[777] == 777);
    sl_status_free(status);
    sl_arena_destroy(arena);
    text_module_close(&text);
}

static void running_out_of_memory_is_a_status(void) {
    text_module text;
    CHECK(text_module_open(&text, "core.func @main(%x: tensor<N x f32>) {\n" CONSTANT("n", "tensor<i64>", "[3]") CONSTANT("c", "tensor<i1>", "[true]")
                                  "  %y, %s = tensor.loop(%n, %c, %x) {carried = 1} : (tensor<i64>, tensor<i1>, tensor<N x f32>) -> (tensor<N x f32>, tensor<3 x N x f32>) ({ ^(%i: tensor<i64>, %g: tensor<i1>, %v: tensor<N x f32>):\n"
                                  "    %w = arith.add(%v, %v) : (tensor<N x f32>, tensor<N x f32>) -> tensor<N x f32>\n    tensor.yield(%g, %w, %w) : (tensor<i1>, tensor<N x f32>, tensor<N x f32>)\n  })\n"
                                  "  core.return(%s) : (tensor<3 x N x f32>)\n}\n"));
    int64_t size = 40000, failures = 0;
    sl_tensor *input = sl_tensor_alloc(text.arena, SL_ELEMENT_f32, 1, &size), *output = NULL;
    const sl_tensor *inputs[] = {input};
    for (int64_t n = 1; n < 200; n++) {
        sl_failing_allocator failing = {.base = sl_allocator_system(), .fail_at = n};
        sl_allocator allocator = sl_allocator_failing(&failing);
        sl_arena *arena = sl_arena_create(&allocator, 0);
        if (!arena) continue;
        sl_guard guard;   /* as every entry point has one */
        if (SL_GUARD_ENTER(&guard)) {
            sl_status status = sl_eval_function(text.module, "main", arena, NULL, 1, inputs, 1, &output);
            if (status) CHECK_INT(sl_status_code(status), SL_OUT_OF_MEMORY);
            failures += status != NULL;
            sl_status_free(status);
            sl_guard_leave(&guard);
        } else {
            CHECK(!"sl_eval_function let an out-of-memory through");
        }
        bool done = failing.count < n;
        sl_arena_destroy(arena);
        if (done) break;
    }
    CHECK(failures > 5);
    text_module_close(&text);
}

/* ---- folding ---- */

/* Folds op `index` of @main; its results as text. */
static const char *folded(const char *body, int index, int64_t max_elements) {
    static char result[512];
    char source[4096];
    snprintf(source, sizeof source, "core.func @main(%%x: tensor<2 x f32>) {\n%s  core.return\n}\n", body);
    text_module text;
    snprintf(result, sizeof result, "no module");
    if (text_module_open(&text, source)) {
        sl_op *op = text_module_op(&text, index);
        sl_attr results[4];
        sl_text out;
        sl_text_init(&out, text.arena);
        if (!sl_op_fold_constant(op, max_elements, results)) {
            sl_text_append(&out, "not folded");
        } else {
            for (int i = 0; i < sl_op_result_count(op); i++) {
                if (i) sl_text_append(&out, "; ");
                sl_attr_print(&out, results[i]);
            }
        }
        snprintf(result, sizeof result, "%s", out.data);
    } else {
        fprintf(stderr, "%s\n%s", source, text.messages);
    }
    text_module_close(&text);
    return result;
}

static void constants_fold_through_the_evaluator(void) {
    CHECK_TEXT(folded(CONSTANT("a", "tensor<2 x i8>", "[127, 3]") CONSTANT("b", "tensor<2 x i8>", "[1, 4]") "  %c = arith.add(%a, %b) : (tensor<2 x i8>, tensor<2 x i8>) -> tensor<2 x i8>\n", 2, 100),
               "data<tensor<2 x i8>>[-128, 7]");
    CHECK_TEXT(folded(CONSTANT("a", "f32", "[1.5]") "  %c = arith.neg(%a) : (f32) -> f32\n", 1, 100), "data<f32>[-1.5]");
    CHECK_TEXT(folded("  %a = core.constant {value = data<f32>[1.5]} : () -> vector<8 x f32>\n  %c = arith.neg(%a) : (vector<8 x f32>) -> vector<8 x f32>\n", 1, 100), "data<f32>[-1.5]");
    CHECK_TEXT(folded(CONSTANT("a", "tensor<4 x i32>", "[5, 3, 5, 1]")
                      "  %v, %f, %i, %n = tensor.unique(%a) {sorted = true} : (tensor<4 x i32>) -> (tensor<?1 x i32>, tensor<?1 x i64>, tensor<4 x i64>, tensor<?1 x i64>)\n", 1, 100),
               "data<tensor<3 x i32>>[1, 3, 5]; data<tensor<3 x i64>>[3, 1, 0]; data<tensor<4 x i64>>[2, 1, 2, 0]; data<tensor<3 x i64>>[1, 1, 2]");
}

static void splats_stay_splats_at_any_size(void) {
    const char *big = "tensor<65536 x 65536 x f32>";
    char body[1024];
    snprintf(body, sizeof body, "  %%a = core.constant {value = data<%s>splat(2.0)} : () -> %s\n  %%c = arith.mul(%%a, %%a) : (%s, %s) -> %s\n", big, big, big, big, big);
    CHECK_TEXT(folded(body, 1, 100), "data<tensor<65536 x 65536 x f32>>splat(4.0)");
    CHECK_TEXT(folded(CONSTANT("a", "tensor<i64>", "[-3]") "  %c = tensor.broadcast(%a) : (tensor<i64>) -> tensor<1000 x 1000 x i64>\n", 1, 100), "data<tensor<1000 x 1000 x i64>>splat(-3)");
}

static void what_can_not_be_folded_is_left(void) {
    CHECK_TEXT(folded("  %c = arith.neg(%x) : (tensor<2 x f32>) -> tensor<2 x f32>\n", 0, 100), "not folded");
    CHECK_TEXT(folded("  %c = tensor.iota {axis = 0} : () -> tensor<101 x i64>\n", 0, 100), "not folded");
    CHECK_TEXT(folded("  %c = tensor.iota {axis = 0} : () -> tensor<3 x i64>\n", 0, 100), "data<tensor<3 x i64>>[0, 1, 2]");
    CHECK_TEXT(folded("  %c = tensor.iota {axis = 0} : () -> tensor<N x i64>\n", 0, 100), "not folded");
    CHECK_TEXT(folded("  %c = tensor.random {distribution = \"normal\", first = 0.0, second = 1.0, seed = 1} : () -> tensor<2 x f32>\n", 0, 100), "not folded");
    CHECK_TEXT(folded(CONSTANT("a", "tensor<2 x f32>", "[1.0, 2.0]") CONSTANT("i", "tensor<i64>", "[5]")
                      "  %c = tensor.take(%a, %i) {axis = 0} : (tensor<2 x f32>, tensor<i64>) -> tensor<f32>\n", 2, 100), "not folded");   /* a fault of the run, not of the compiler */
}

/* ---- inference ---- */

static void inferring_again_keeps_fresh_symbols(void) {
    text_module text;
    CHECK(text_module_open(&text, "core.func @main(%x: tensor<B x 4 x f32>, %k: tensor<i64>) {\n"
                                  "  %v, %i = tensor.topk(%x, %k) {axis = 1, largest = true} : (tensor<B x 4 x f32>, tensor<i64>) -> (tensor<B x ?7 x f32>, tensor<B x ?7 x i64>)\n"
                                  "  %n = tensor.nonzero(%v) : (tensor<B x ?7 x f32>) -> tensor<2 x ?8 x i64>\n  core.return\n}\n"));
    for (int i = 0; i < 2; i++) {
        sl_op *op = text_module_op(&text, i);
        sl_type types[SL_MAX_RANK];
        const char *message = NULL;
        CHECK(sl_op_infer(op, types, &message));
        for (int r = 0; r < sl_op_result_count(op); r++) CHECK(types[r] == sl_value_type(sl_op_result(op, r)));
    }
    text_module_close(&text);
}

int main(void) {
    symbols_bind_from_the_inputs_shape();
    calls_that_do_not_fit_are_refused();
    run_time_faults_are_located();
    limits_stop_what_would_not_end();
    every_result_is_observed();
    loops_give_memory_back();
    running_out_of_memory_is_a_status();
    constants_fold_through_the_evaluator();
    splats_stay_splats_at_any_size();
    what_can_not_be_folded_is_left();
    inferring_again_keeps_fresh_symbols();
    return check_result();
}
