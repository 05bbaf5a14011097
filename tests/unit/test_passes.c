/* test_passes.c: what text tests can't show of the passes: every allocation failure in the default pipeline, time on large graphs, and that memory plans never let two
 * live buffers overlap. */
#include "sluice/passes.h"
#include "text_module.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const sl_machine machine = {
    .triple = "x86_64-pc-linux-gnu", .cpu = "x86-64-v3", .features = "+avx2,+fma", .vector_bits = 256, .vector_registers = 16, .fma = true, .gather = true,
    .l1_bytes = 32 << 10, .l2_bytes = 1 << 20, .l3_bytes = 16 << 20, .threads = 2, .peak_gflops = 80, .l1_gbps = 200, .l2_gbps = 80, .l3_gbps = 30, .dram_gbps = 15,
    .launch_us = 2,
};

static sl_status run(sl_module *module, const char *pipeline) {
    sl_pipeline_options options;
    sl_pipeline_options_init(&options);
    options.machine = &machine;
    return sl_pipeline_run(module, pipeline, &options);
}

/* A convolution with a batch norm, a branch, a loop with a stack, a computed shape, a data-dependent op. */
static const char everything[] =
    "core.func @main(%x: tensor<N x 2 x 6 x 6 x f32>, %c: tensor<i1>, %v: tensor<S x f32>) -> (tensor<N x 72 x f32>, tensor<?1 x f32>, tensor<3 x S x f32>, tensor<1 x ?2 x i64>) {\n"
    "  %w = core.constant {value = data<tensor<2 x 2 x 1 x 1 x f32>>[2.0, 3.0, 4.0, 5.0]} : () -> tensor<2 x 2 x 1 x 1 x f32>\n"
    "  %scale = core.constant {value = data<tensor<2 x 1 x 1 x f32>>[2.0, 5.0]} : () -> tensor<2 x 1 x 1 x f32>\n"
    "  %y = tensor.conv(%x, %w) {dilations = ints[1, 1], groups = 1, pads_high = ints[0, 0], pads_low = ints[0, 0], strides = ints[1, 1]} : (tensor<N x 2 x 6 x 6 x f32>, tensor<2 x 2 x 1 x 1 x f32>) -> tensor<N x 2 x 6 x 6 x f32>\n"
    "  %b = tensor.broadcast(%scale) : (tensor<2 x 1 x 1 x f32>) -> tensor<N x 2 x 6 x 6 x f32>\n"
    "  %m = arith.mul(%y, %b) : (tensor<N x 2 x 6 x 6 x f32>, tensor<N x 2 x 6 x 6 x f32>) -> tensor<N x 2 x 6 x 6 x f32>\n"
    "  %s = tensor.from_dims {dims = [expr(N), expr(72)]} : () -> tensor<2 x i64>\n"
    "  %r = tensor.reshape(%m, %s) : (tensor<N x 2 x 6 x 6 x f32>, tensor<2 x i64>) -> tensor<?3 x ?4 x f32>\n"
    "  %e = arith.exp(%r) : (tensor<?3 x ?4 x f32>) -> tensor<?3 x ?4 x f32>\n"
    "  %i = tensor.if(%c) : (tensor<i1>) -> tensor<?1 x f32> ({\n"
    "    %t = arith.tanh(%v) : (tensor<S x f32>) -> tensor<S x f32>\n"
    "    tensor.yield(%t) : (tensor<S x f32>)\n"
    "  }, {\n"
    "    %k = core.constant {value = data<tensor<2 x f32>>[2.0, 1.0]} : () -> tensor<2 x f32>\n"
    "    tensor.yield(%k) : (tensor<2 x f32>)\n"
    "  })\n"
    "  %n = core.constant {value = data<tensor<i64>>[3]} : () -> tensor<i64>\n"
    "  %g = core.constant {value = data<tensor<i1>>[true]} : () -> tensor<i1>\n"
    "  %l, %st = tensor.loop(%n, %g, %v) {carried = 1} : (tensor<i64>, tensor<i1>, tensor<S x f32>) -> (tensor<S x f32>, tensor<?5 x S x f32>) ({ ^(%it: tensor<i64>, %go: tensor<i1>, %a: tensor<?6 x f32>):\n"
    "    %d = arith.add(%a, %a) : (tensor<?6 x f32>, tensor<?6 x f32>) -> tensor<?6 x f32>\n"
    "    tensor.yield(%go, %d, %d) : (tensor<i1>, tensor<?6 x f32>, tensor<?6 x f32>)\n"
    "  })\n"
    "  %nz = tensor.nonzero(%l) : (tensor<S x f32>) -> tensor<1 x ?2 x i64>\n"
    "  core.return(%e, %i, %st, %nz) : (tensor<?3 x ?4 x f32>, tensor<?1 x f32>, tensor<?5 x S x f32>, tensor<1 x ?2 x i64>)\n}\n";

/* Compiles with the nth allocation failing. True when there were fewer than n. */
static bool compile_failing_at(const char *source, int64_t n, bool forever, int64_t *failures) {
    sl_failing_allocator state = {.base = sl_allocator_system()};
    sl_allocator allocator = sl_allocator_failing(&state);
    sl_context *context = sl_context_create(&allocator, NULL);
    sl_module *module = NULL;
    CHECK(context != NULL);
    sl_status status = sl_module_parse(context, "test.sl", source, strlen(source), &module);
    CHECK(!status);
    int64_t before = state.count;
    state.fail_at = before + n;
    state.forever = forever;
    status = run(module, "default");
    bool done = state.count < state.fail_at;
    if (status) {
        CHECK_INT(sl_status_code(status), SL_OUT_OF_MEMORY);
        (*failures)++;
    }
    sl_status_free(status);
    state.fail_at = 0;
    sl_module_destroy(module);
    sl_context_destroy(context);
    return done;
}

static void test_every_allocation_failure_is_reported(void) {
    char source[8192];
    snprintf(source, sizeof source, "%s", everything);
    /* The signature follows the body: what is returned has fresh dims here. */
    char *declared = strstr(source, "(tensor<N x 72 x f32>, tensor<?1 x f32>, tensor<3 x S x f32>");
    CHECK(declared != NULL);
    memcpy(declared, "(tensor<?3 x ?4 x f32>,tensor<?1 x f32>,tensor<?5 x S x f32>", strlen("(tensor<?3 x ?4 x f32>,tensor<?1 x f32>,tensor<?5 x S x f32>"));
    int64_t failures = 0, n = 1;
    while (n < 4000 && !compile_failing_at(source, n, n % 2, &failures)) n++;
    CHECK(n < 4000);
    CHECK(failures > 3);
}

/* ---- time ---- */
static void append(char **at, const char *format, int a, int b) { *at += sprintf(*at, format, a, b, a, b); }

static double simplify_seconds(int layers) {
    size_t size = 4096 + (size_t)layers * 512;
    char *source = malloc(size), *at = source;
    at += sprintf(at, "core.func @main(%%m0: tensor<B x 8 x f32>) -> (tensor<B x 8 x f32>) {\n  %%z = core.constant {value = data<tensor<f32>>[0.0]} : () -> tensor<f32>\n"
                      "  %%c = tensor.broadcast(%%z) : (tensor<f32>) -> tensor<B x 8 x f32>\n");
    for (int i = 0; i < layers; i++) {
        append(&at, "  %%a%d = arith.add(%%m%d, %%c) : (tensor<B x 8 x f32>, tensor<B x 8 x f32>) -> tensor<B x 8 x f32>\n", i, i);
        append(&at, "  %%e%d = arith.exp(%%a%d) : (tensor<B x 8 x f32>) -> tensor<B x 8 x f32>\n", i, i);
        append(&at, "  %%f%d = arith.exp(%%a%d) : (tensor<B x 8 x f32>) -> tensor<B x 8 x f32>\n", i, i);
        at += sprintf(at, "  %%m%d = arith.mul(%%e%d, %%f%d) : (tensor<B x 8 x f32>, tensor<B x 8 x f32>) -> tensor<B x 8 x f32>\n", i + 1, i, i);
    }
    sprintf(at, "  core.return(%%m%d) : (tensor<B x 8 x f32>)\n}\n", layers);
    sl_allocator allocator = sl_allocator_system();
    sl_context *context = sl_context_create(&allocator, NULL);
    sl_module *module = NULL;
    sl_status status = sl_module_parse(context, "test.sl", source, strlen(source), &module);
    CHECK(!status);
    clock_t start = clock();
    status = run(module, "infer-shapes,simplify");
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    CHECK(!status);
    int ops = 0;
    sl_op *func = sl_module_find(module, "main");
    for (sl_op *op = sl_block_first(sl_op_body(func, 0)); op; op = sl_op_next(op)) ops++;
    CHECK_INT(ops, 2 * layers + 1);   /* the additions of zero and the second exponentials are gone */
    sl_module_destroy(module);
    sl_context_destroy(context);
    free(source);
    return seconds;
}

static void test_simplify_takes_time_in_proportion(void) {
    double small = simplify_seconds(2500), large = simplify_seconds(10000);
    CHECK(large < 20);
    CHECK(large < 16 * small + 0.5);   /* four times as many ops; quadratic work would show */
}

/* ---- plans ---- */
static uint32_t random_state = 1;
static int random_below(int n) {
    random_state = random_state * 1664525u + 1013904223u;
    return (int)(random_state >> 8) % n;
}

/* A program of launches with random inputs; sizes are constant, or a multiple of the symbol B. */
static void make_program(char *source, int launches, bool symbolic) {
    char *at = source;
    at += sprintf(at, "kernel.func @k(%%a: buffer<? x f32>, %%b: buffer<? x f32>, %%c: buffer<? x f32>, %%first: i64, %%end: i64, %%w: i64) {\n  kernel.yield()\n}\n"
                      "core.func @main(%%v0: tensor<%s>) -> (tensor<1 x f32>) {\n", symbolic ? "B x f32" : "7 x f32");
    char types[64][32];
    snprintf(types[0], sizeof types[0], "tensor<%s>", symbolic ? "B x f32" : "7 x f32");
    for (int i = 1; i <= launches; i++) {
        int a = random_below(i), b = i < 5 ? random_below(i) : i - 1 - random_below(4);
        if (i == launches) snprintf(types[i], sizeof types[i], "tensor<1 x f32>");
        else if (symbolic && random_below(3)) snprintf(types[i], sizeof types[i], "tensor<(%d*B) x f32>", 2 + random_below(5));
        else snprintf(types[i], sizeof types[i], "tensor<%d x f32>", 1 + random_below(400));
        at += sprintf(at, "  %%v%d = kernel.launch(%%v%d, %%v%d) {callee = \"k\", dims = [], in_place = ints[0, 0, 0, 1], inputs = 2, tasks = expr(1)} : (%s, %s) -> %s\n", i, a, b, types[a],
                      types[b], types[i]);
    }
    sprintf(at, "  core.return(%%v%d) : (tensor<1 x f32>)\n}\n", launches);
}

typedef struct use_span { sl_op *alloc; int first, last; } use_span;

static sl_op *alloc_of(sl_value *value) {
    while (sl_value_op(value) && sl_op_get_kind(sl_value_op(value)) == SL_OP_kernel_view) value = sl_op_operand(sl_value_op(value), 0);
    return sl_value_op(value) && sl_op_get_kind(sl_value_op(value)) == SL_OP_kernel_alloc ? sl_value_op(value) : NULL;
}

static void check_plan(sl_module *module) {
    use_span spans[256];
    int count = 0, position = 0;
    sl_op *func = sl_module_find(module, "main");
    for (sl_op *op = sl_block_first(sl_op_body(func, 0)); op; op = sl_op_next(op), position++) {
        if (sl_op_get_kind(op) != SL_OP_kernel_launch) continue;
        for (int i = 0; i < sl_op_operand_count(op); i++) {
            sl_op *alloc = alloc_of(sl_op_operand(op, i));
            int at = 0;
            if (!alloc || sl_op_attr(alloc, "output")) continue;
            while (at < count && spans[at].alloc != alloc) at++;
            if (at == count) spans[count++] = (use_span){alloc, position, position};
            spans[at].last = position;
        }
    }
    for (int i = 0; i < count; i++) {
        sl_op *a = spans[i].alloc;
        CHECK((sl_op_attr(a, "offset") != NULL) != (sl_op_attr(a, "slot") != NULL));
        CHECK_INT(sl_op_int(a, "offset", 0) % 64, 0);
        for (int j = 0; j < i; j++) {
            sl_op *b = spans[j].alloc;
            if (spans[i].first > spans[j].last || spans[j].first > spans[i].last) continue;
            if (sl_op_attr(a, "slot") && sl_op_attr(b, "slot")) CHECK(sl_op_int(a, "slot", 0) != sl_op_int(b, "slot", 0));
            if (!sl_op_attr(a, "offset") || !sl_op_attr(b, "offset")) continue;
            int64_t x = sl_op_int(a, "offset", 0), y = sl_op_int(b, "offset", 0);
            int64_t x_end = x + 4 * sl_type_static_count(sl_value_type(sl_op_result(a, 0))), y_end = y + 4 * sl_type_static_count(sl_value_type(sl_op_result(b, 0)));
            CHECK(x_end <= y || y_end <= x);
        }
    }
}

static void test_plans_keep_live_buffers_apart(void) {
    static char source[1 << 15];
    for (int i = 0; i < 300; i++) {
        text_module text;
        make_program(source, 3 + random_below(50), i % 2);
        CHECK(text_module_open(&text, source));
        sl_status status = run(text.module, "bufferize,plan-memory");
        CHECK(!status);
        sl_status_free(status);
        check_plan(text.module);
        text_module_close(&text);
    }
}

/* Values computed by launches in program order, as if each kernel added its inputs' tags: in-place reuse must never destroy a value that is read later. */
static void test_reuse_keeps_values_that_are_read_later(void) {
    static char source[1 << 15];
    for (int i = 0; i < 200; i++) {
        text_module before, after;
        int64_t want[64] = {1}, got[64], next = 0;
        static int64_t memory[4096];
        make_program(source, 3 + random_below(50), false);
        CHECK(text_module_open(&before, source));
        CHECK(text_module_open(&after, source));
        sl_status status = run(after.module, "bufferize");
        CHECK(!status);
        sl_status_free(status);
        sl_op *func = sl_module_find(before.module, "main");
        int64_t by_value[256] = {0};
        by_value[sl_value_id(sl_block_argument(sl_op_body(func, 0), 0)) % 256] = 1;
        for (sl_op *op = sl_block_first(sl_op_body(func, 0)); op; op = sl_op_next(op)) {
            if (sl_op_get_kind(op) != SL_OP_kernel_launch) continue;
            int64_t value = 3 * by_value[sl_value_id(sl_op_operand(op, 0)) % 256] + by_value[sl_value_id(sl_op_operand(op, 1)) % 256] + 7;
            by_value[sl_value_id(sl_op_result(op, 0)) % 256] = want[next++] = value % 1000003;
        }
        int64_t launches = next;
        next = 0;
        memset(memory, 0, sizeof memory);
        func = sl_module_find(after.module, "main");
        sl_value *input = sl_block_argument(sl_op_body(func, 0), 0);
        for (sl_op *op = sl_block_first(sl_op_body(func, 0)); op; op = sl_op_next(op)) {
            if (sl_op_get_kind(op) != SL_OP_kernel_launch) continue;
            int64_t inputs[2];
            for (int k = 0; k < 2; k++) {
                sl_op *alloc = alloc_of(sl_op_operand(op, k));
                inputs[k] = alloc ? memory[sl_op_id(alloc) % 4096] : sl_op_operand(op, k) == input ? 1 : -1;
            }
            memory[sl_op_id(alloc_of(sl_op_operand(op, 2))) % 4096] = got[next++] = (3 * inputs[0] + inputs[1] + 7) % 1000003;
        }
        CHECK_INT(next, launches);
        for (int64_t k = 0; k < launches && k < next; k++) CHECK_INT(got[k], want[k]);
        text_module_close(&before);
        text_module_close(&after);
    }
}

int main(void) {
    test_every_allocation_failure_is_reported();
    test_simplify_takes_time_in_proportion();
    test_plans_keep_live_buffers_apart();
    test_reuse_keeps_values_that_are_read_later();
    return check_result();
}
