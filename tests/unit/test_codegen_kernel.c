/* test_codegen_kernel.c: kernels' control flow, memory and vector ops against values worked out here; host programs (symbols, arena, launches, calls, branches,
 * loops, outputs) through a session; targets that must not use more than they have; what can't be compiled fails with a message. */
#include "codegen_check.h"
#include "sluice/runtime.h"
#include <math.h>

#define V "vector<8 x f32>"
#define P "buffer<? x f32>"
#define TAIL ", %first: i64, %end: i64, %worker: i64) {\n"
#define CONST(name, value) "  %" name " = core.constant {value = data<i64>[" value "]} : () -> i64\n"

static const char kernels[] =
    /* y = 2 x + 1 for n elements, one task per 8, the last one masked */
    "kernel.func @affine(%x: " P ", %y: " P ", %n: i64" TAIL CONST("one", "1") CONST("eight", "8")
    "  %two = core.constant {value = data<f32>[2.0]} : () -> " V "\n  %ones = core.constant {value = data<f32>[1.0]} : () -> " V "\n"
    "  kernel.for(%first, %end, %one) : (i64, i64, i64) ({ ^(%t: i64):\n"
    "    %at = arith.mul(%t, %eight) : (i64, i64) -> i64\n    %left = arith.sub(%n, %at) : (i64, i64) -> i64\n    %m = kernel.mask(%left) : (i64) -> vector<8 x i1>\n"
    "    %v = kernel.load(%x, %at, %m) : (" P ", i64, vector<8 x i1>) -> " V "\n    %r = arith.fma(%v, %two, %ones) : (" V ", " V ", " V ") -> " V "\n"
    "    kernel.store(%r, %y, %at, %m) : (" V ", " P ", i64, vector<8 x i1>)\n    kernel.yield\n  })\n  kernel.yield\n}\n"
    /* the same under another name */
    "kernel.func @affine_again(%x: " P ", %y: " P ", %n: i64" TAIL CONST("one", "1") CONST("eight", "8")
    "  %two = core.constant {value = data<f32>[2.0]} : () -> " V "\n  %ones = core.constant {value = data<f32>[1.0]} : () -> " V "\n"
    "  kernel.for(%first, %end, %one) : (i64, i64, i64) ({ ^(%t: i64):\n"
    "    %at = arith.mul(%t, %eight) : (i64, i64) -> i64\n    %left = arith.sub(%n, %at) : (i64, i64) -> i64\n    %m = kernel.mask(%left) : (i64) -> vector<8 x i1>\n"
    "    %v = kernel.load(%x, %at, %m) : (" P ", i64, vector<8 x i1>) -> " V "\n    %r = arith.fma(%v, %two, %ones) : (" V ", " V ", " V ") -> " V "\n"
    "    kernel.store(%r, %y, %at, %m) : (" V ", " P ", i64, vector<8 x i1>)\n    kernel.yield\n  })\n  kernel.yield\n}\n"
    /* reductions of 7 lanes, insert, extract, shuffle, lanes, scratch, offset, prefetch */
    "kernel.func @lanes(%x: " P ", %y: " P ", %z: buffer<? x i64>" TAIL CONST("zero", "0") CONST("one", "1") CONST("two", "2") CONST("three", "3") CONST("four", "4") CONST("ten", "10")
    "  %v = kernel.load(%x, %zero) : (" P ", i64) -> vector<7 x f32>\n"
    "  %sum = kernel.reduce(%v) {kind = \"sum\"} : (vector<7 x f32>) -> f32\n  kernel.store(%sum, %y, %zero) : (f32, " P ", i64)\n"
    "  %prod = kernel.reduce(%v) {kind = \"prod\"} : (vector<7 x f32>) -> f32\n  kernel.store(%prod, %y, %one) : (f32, " P ", i64)\n"
    "  %max = kernel.reduce(%v) {kind = \"max\"} : (vector<7 x f32>) -> f32\n  kernel.store(%max, %y, %two) : (f32, " P ", i64)\n"
    "  %min = kernel.reduce(%v) {kind = \"min\"} : (vector<7 x f32>) -> f32\n  kernel.store(%min, %y, %three) : (f32, " P ", i64)\n"
    "  %set = kernel.insert(%v, %sum, %two) : (vector<7 x f32>, f32, i64) -> vector<7 x f32>\n  %lane = kernel.extract(%set, %two) : (vector<7 x f32>, i64) -> f32\n"
    "  kernel.store(%lane, %y, %four) : (f32, " P ", i64)\n  %mix = kernel.shuffle(%v, %set) {lanes = ints[6, 9, -1, 0]} : (vector<7 x f32>, vector<7 x f32>) -> vector<4 x f32>\n"
    "  %moved = kernel.offset(%y, %ten) : (" P ", i64) -> " P "\n  %s = kernel.scratch {offset = 128} : () -> " P "\n  kernel.store(%mix, %s, %one) : (vector<4 x f32>, " P ", i64)\n"
    "  %back = kernel.load(%s, %one) : (" P ", i64) -> vector<4 x f32>\n  kernel.store(%back, %moved, %zero) : (vector<4 x f32>, " P ", i64)\n"
    "  %iota = kernel.lanes : () -> vector<5 x i64>\n  kernel.store(%iota, %z, %zero) : (vector<5 x i64>, buffer<? x i64>, i64)\n"
    "  kernel.prefetch(%x, %ten) {level = 2} : (" P ", i64)\n  kernel.yield\n}\n"
    /* gather and scatter with masks; a collision: the later lane wins */
    "kernel.func @move(%x: " P ", %at: buffer<? x i64>, %on: buffer<? x i1>, %y: " P TAIL CONST("zero", "0")
    "  %o = kernel.load(%at, %zero) : (buffer<? x i64>, i64) -> vector<8 x i64>\n  %m = kernel.load(%on, %zero) : (buffer<? x i1>, i64) -> vector<8 x i1>\n"
    "  %g = kernel.gather(%x, %o, %m) : (" P ", vector<8 x i64>, vector<8 x i1>) -> " V "\n"
    "  kernel.scatter(%g, %y, %o, %m) : (" V ", " P ", vector<8 x i64>, vector<8 x i1>)\n  kernel.yield\n}\n"
    /* carried values through a loop, an unrolled loop and a branch; an assertion */
    "kernel.func @control(%x: " P ", %y: " P ", %n: i64" TAIL CONST("zero", "0") CONST("one", "1") CONST("four", "4")
    "  %fz = core.constant {value = data<f32>[0.0]} : () -> f32\n"
    "  %s, %c = kernel.for(%zero, %n, %one, %fz, %zero) : (i64, i64, i64, f32, i64) -> (f32, i64) ({ ^(%i: i64, %sum: f32, %count: i64):\n"
    "    %v = kernel.load(%x, %i) : (" P ", i64) -> f32\n    %neg = arith.cmp(%v, %fz) {predicate = \"lt\"} : (f32, f32) -> i1\n"
    "    %a, %b = kernel.if(%neg) : (i1) -> (f32, i64) ({\n      %k = arith.add(%count, %one) : (i64, i64) -> i64\n      kernel.yield(%sum, %k) : (f32, i64)\n    }, {\n"
    "      %t = arith.add(%sum, %v) : (f32, f32) -> f32\n      kernel.yield(%t, %count) : (f32, i64)\n    })\n    kernel.yield(%a, %b) : (f32, i64)\n  })\n"
    "  kernel.store(%s, %y, %zero) : (f32, " P ", i64)\n  %cf = arith.cast(%c) : (i64) -> f32\n  kernel.store(%cf, %y, %one) : (f32, " P ", i64)\n"
    "  %u = kernel.for(%zero, %four, %one, %fz) {unroll = true} : (i64, i64, i64, f32) -> f32 ({ ^(%i: i64, %sum: f32):\n"
    "    %f = arith.cast(%i) : (i64) -> f32\n    %t = arith.add(%sum, %f) : (f32, f32) -> f32\n    kernel.yield(%t) : (f32)\n  })\n  kernel.store(%u, %y, %four) : (f32, " P ", i64)\n"
    "  %few = arith.cmp(%c, %four) {predicate = \"lt\"} : (i64, i64) -> i1\n  kernel.assert(%few) {message = \"too many negative numbers\"} : (i1)\n"
    "  %any = arith.cmp(%n, %zero) {predicate = \"gt\"} : (i64, i64) -> i1\n  kernel.assert(%any) {message = \"no numbers\"} : (i1)\n  kernel.yield\n}\n";

static void test_kernels(const char *machine) {
    bench b;
    bench_open(&b, machine);
    if (!bench_compile(&b, kernels, NULL)) {
        bench_close(&b);
        return;
    }
    CHECK_INT(sl_kernels_distinct(b.kernels), 4);
    float x[64], y[64];
    int64_t n = 13;
    for (int i = 0; i < 64; ++i) x[i] = (float)i - 3, y[i] = 99;
    bench_run(&b, "affine_again", (void *[]){x, y}, &n, 2);
    for (int i = 0; i < 64; ++i) CHECK(y[i] == (i < 13 ? 2 * x[i] + 1 : 99));

    float seven[] = {3, -1, 0.5f, 8, 1e8f, -1e8f, 2}, out[32];
    int64_t iota[8] = {0};
    bench_run(&b, "lanes", (void *[]){seven, out, iota}, NULL, 1);
    /* 7 -> 4: 0+4, 1+5, 2+6, 3; 4 -> 2; 2 -> 1 */
    volatile float p0 = seven[0] + seven[4], p1 = seven[1] + seven[5], p2 = seven[2] + seven[6], q0 = p0 + p2, q1 = p1 + seven[3];
    CHECK(out[0] == q0 + q1);
    CHECK(out[2] == 1e8f && out[3] == -1e8f && out[4] == out[0]);
    CHECK(out[10] == 2 && out[11] == out[0] && out[13] == 3);
    for (int i = 0; i < 5; ++i) CHECK_INT(iota[i], i);
    seven[6] = NAN;
    bench_run(&b, "lanes", (void *[]){seven, out, iota}, NULL, 1);
    CHECK(isnan(out[2]) && isnan(out[3]));

    int64_t at[] = {5, 0, 7, 7, 2, 1, 3, 60};
    uint8_t on[] = {1, 1, 1, 1, 0, 1, 1, 0};
    for (int i = 0; i < 64; ++i) x[i] = (float)i, y[i] = -1;
    bench_run(&b, "move", (void *[]){x, at, on, y}, NULL, 1);
    for (int i = 0; i < 64; ++i) CHECK(y[i] == (i == 5 || i == 0 || i == 7 || i == 1 || i == 3 ? x[i] : -1));

    float mixed[] = {1, -2, 3, -4, 5, -6, 7, -8};
    n = 6;
    CHECK(bench_run(&b, "control", (void *[]){mixed, y}, &n, 1) == NULL);
    CHECK(y[0] == 9 && y[1] == 3 && y[4] == 6);
    n = 8;
    CHECK_TEXT(bench_run(&b, "control", (void *[]){mixed, y}, &n, 1), "too many negative numbers");
    n = 0;
    CHECK_TEXT(bench_run(&b, "control", (void *[]){mixed, y}, &n, 1), "no numbers");
    CHECK(y[0] == 0 && y[1] == 0);
    bench_close(&b);
}

/* ---- host programs ---- */

static const char program[] =
    "core.func @main(%x: buffer<B x 4 x f32>, %w: buffer<(2*S + 1) x f32>) {buffers = true, input_names = [\"x\", \"w\"], output_names = [\"y\", \"places\", \"rounds\"]} {\n"
    "  %k = core.constant {value = data<tensor<4 x f32>>[1.0, 2.0, 3.0, 4.0]} : () -> buffer<4 x f32>\n"
    "  %t = kernel.alloc {slot = 0} : () -> buffer<B x 4 x f32>\n  %fixed = kernel.alloc {offset = 128, slot = 1} : () -> buffer<4 x f32>\n"
    "  core.guard {left = expr(mod(B, 2)), right = expr(0), message = \"the batch must be even\"}\n"
    "  kernel.launch(%x, %k, %t) {callee = \"scale\", dims = [expr(4*B)], inputs = 2, tasks = expr(B), work = expr(4*B)} : (buffer<B x 4 x f32>, buffer<4 x f32>, buffer<B x 4 x f32>)\n"
    "  %y = kernel.alloc {output = 0} : () -> buffer<(B + S) x 4 x f32>\n"
    "  %y0 = kernel.view(%y) {offset = expr(4*S)} : (buffer<(B + S) x 4 x f32>) -> buffer<B x 4 x f32>\n  kernel.copy(%t, %y0) : (buffer<B x 4 x f32>, buffer<B x 4 x f32>)\n"
    "  %found = kernel.call(%x) {inputs = 1, routine = \"nonzero\"} : (buffer<B x 4 x f32>) -> buffer<2 x ?1 x i64>\n"
    "  %places = kernel.alloc {output = 1} : () -> buffer<2 x ?1 x i64>\n  kernel.copy(%found, %places) : (buffer<2 x ?1 x i64>, buffer<2 x ?1 x i64>)\n"
    /* rounds: halve the number of non-zeros until it is below 2 */
    "  %n = core.dim {value = expr(?1)} : () -> i64\n  %zero = core.constant {value = data<i64>[0]} : () -> i64\n  %one = core.constant {value = data<i64>[1]} : () -> i64\n"
    "  %two = core.constant {value = data<i64>[2]} : () -> i64\n"
    "  %l, %r = kernel.while(%n, %zero) : (i64, i64) -> (i64, i64) ({ ^(%a: i64, %b: i64):\n    %go = arith.cmp(%a, %two) {predicate = \"ge\"} : (i64, i64) -> i1\n"
    "    kernel.yield(%go, %a, %b) : (i1, i64, i64)\n  }, { ^(%a: i64, %b: i64):\n    %h = arith.div(%a, %two) : (i64, i64) -> i64\n    %c = arith.add(%b, %one) : (i64, i64) -> i64\n"
    "    kernel.yield(%h, %c) : (i64, i64)\n  })\n"
    "  %odd = arith.cmp(%l, %one) {predicate = \"eq\"} : (i64, i64) -> i1\n"
    "  %result = kernel.if(%odd) : (i1) -> i64 ({\n    kernel.yield(%r) : (i64)\n  }, {\n    %minus = core.constant {value = data<i64>[-1]} : () -> i64\n    kernel.yield(%minus) : (i64)\n  })\n"
    "  %rounds = kernel.alloc {output = 2} : () -> buffer<i64>\n  kernel.store(%result, %rounds, %zero) : (i64, buffer<i64>, i64)\n"
    "  core.return\n}\n"
    "kernel.func @scale(%x: " P ", %k: " P ", %y: " P ", %n: i64" TAIL CONST("zero", "0") CONST("one", "1") CONST("four", "4")
    "  %f = kernel.load(%k, %zero) : (" P ", i64) -> vector<4 x f32>\n  kernel.for(%first, %end, %one) : (i64, i64, i64) ({ ^(%i: i64):\n"
    "    %at = arith.mul(%i, %four) : (i64, i64) -> i64\n    %v = kernel.load(%x, %at) : (" P ", i64) -> vector<4 x f32>\n"
    "    %r = arith.mul(%v, %f) : (vector<4 x f32>, vector<4 x f32>) -> vector<4 x f32>\n    kernel.store(%r, %y, %at) : (vector<4 x f32>, " P ", i64)\n"
    "    kernel.yield\n  })\n  kernel.yield\n}\n";

static DLTensor tensor(void *data, int rank, int64_t *shape) {
    return (DLTensor){.data = data, .device = {1, 0}, .ndim = rank, .dtype = {2, 32, 1}, .shape = shape};
}

static void test_program(void) {
    sluice_context *context;
    CHECK_INT(sluice_context_create(NULL, &context), 0);
    bench b;
    bench_open(&b, "host");
    sluice_program *compiled = NULL;
    if (bench_parse(&b, program)) {
        sl_codegen_options options = {.machine = &b.machine};
        bench_ok(sl_codegen_jit(b.module, &options, &b.allocator, NULL, &compiled));
    }
    bench_close(&b);   /* the program stands alone */
    if (!compiled) return;
    sl_program_set_context(compiled, context);
    CHECK_INT(sluice_program_input_count(compiled), 2);
    sluice_value_description description;
    CHECK_INT(sluice_program_input(compiled, 1, &description), 0);
    CHECK_TEXT(description.name, "w");
    CHECK_TEXT(description.symbols[0], "2*S + 1");
    sluice_session *session;
    sluice_session_options options;
    sluice_session_options_init(&options);
    options.threads = 2;
    CHECK_INT(sluice_session_create(compiled, &options, &session), 0);
    for (int64_t batch = 2; batch <= 6; batch += 2) {
        float x[32], w[7] = {0};
        int64_t nonzero = 0, shape[2] = {batch, 4}, width[1] = {7};
        for (int i = 0; i < 4 * batch; ++i) x[i] = (float)(i % 3), nonzero += i % 3 != 0;
        DLTensor inputs[2] = {tensor(x, 2, shape), tensor(w, 1, width)}, outputs[3] = {{0}};
        int code = sluice_session_run(session, inputs, 2, outputs, 3);
        if (code) fprintf(stderr, "%s\n", sluice_last_error(context));
        CHECK_INT(code, 0);
        if (code) break;
        CHECK_INT(outputs[0].shape[0], batch + 3);
        CHECK_INT(outputs[1].shape[1], nonzero);
        for (int i = 0; i < 4 * batch; ++i) CHECK(((float *)outputs[0].data)[12 + i] == x[i] * (float)(i % 4 + 1));
        int64_t rounds = 0, left = nonzero;
        while (left >= 2) left /= 2, ++rounds;
        CHECK_INT(*(int64_t *)outputs[2].data, left == 1 ? rounds : -1);
    }
    float x[32] = {0}, w[8] = {0};
    int64_t shape[2] = {2, 5}, width[1] = {7}, batch3[2] = {3, 4}, even[1] = {8};
    DLTensor wrong[2] = {tensor(x, 2, shape), tensor(w, 1, width)}, outputs[3] = {{0}};
    CHECK(sluice_session_run(session, wrong, 2, outputs, 3) != 0);
    CHECK_CONTAINS(sluice_last_error(context), "input 'x'");
    wrong[0] = tensor(x, 2, batch3);
    CHECK(sluice_session_run(session, wrong, 2, outputs, 3) != 0);
    CHECK_CONTAINS(sluice_last_error(context), "the batch must be even");
    shape[1] = 4;
    wrong[0] = tensor(x, 2, shape);
    wrong[1] = tensor(w, 1, even);
    CHECK(sluice_session_run(session, wrong, 2, outputs, 3) != 0);
    CHECK_CONTAINS(sluice_last_error(context), "input 'w': dim 0 must be 2*S + 1 of some S");
    sluice_session_destroy(session);
    sluice_program_destroy(compiled);
    sluice_context_destroy(context);
}

/* ---- targets and failures ---- */

static const char *text_for(bench *b, const char *machine, bool assembly) {
    bench_open(b, machine);
    sl_text text;
    sl_text_init(&text, b->arena);
    if (!bench_parse(b, kernels)) return "";
    sl_codegen_options options = {.machine = &b->machine};
    bench_ok(sl_codegen_text(b->module, &options, assembly, &text));
    return text.data ? text.data : "";
}

static void test_targets(void) {
    bench b;
    const char *text = text_for(&b, "x86-64", true);
    CHECK_CONTAINS(text, "affine");
    CHECK(!strstr(text, "%ymm") && !strstr(text, "%zmm") && !strstr(text, "vmov") && !strstr(text, "vfmadd"));
    bench_close(&b);
    text = text_for(&b, "x86-64-v3", true);
    CHECK_CONTAINS(text, "%ymm");
    CHECK(!strstr(text, "%zmm") && !strstr(text, "{%k") && !strstr(text, "%xmm16"));
    bench_close(&b);
    text = text_for(&b, "znver4,-avx512f", true);
    CHECK(strstr(text, "%ymm") && !strstr(text, "%zmm") && !strstr(text, "{%k") && !strstr(text, "%xmm16"));
    bench_close(&b);
    text = text_for(&b, "aarch64", true);
    CHECK_CONTAINS(text, "fmla");
    bench_close(&b);
    text = text_for(&b, "x86-64-v4", false);
    CHECK_CONTAINS(text, "@affine.body");
    CHECK_CONTAINS(text, "noalias");
    bench_close(&b);
}

static void test_failures(void) {
    bench b;
    sl_kernels *loaded = NULL;
    static const char strings[] = "kernel.func @s(%x: buffer<? x str>, %y: buffer<? x str>" TAIL CONST("zero", "0")
                                  "  %v = kernel.load(%x, %zero) : (buffer<? x str>, i64) -> str\n  kernel.store(%v, %y, %zero) : (str, buffer<? x str>, i64)\n  kernel.yield\n}\n";
    bench_open(&b, "host");
    b.sink.handler = NULL;
    if (bench_parse(&b, strings)) {
        sl_codegen_options options = {.machine = &b.machine};
        sl_status status = sl_codegen_kernels(b.module, &options, &b.allocator, &loaded);
        CHECK_INT(sl_status_code(status), SL_UNSUPPORTED);
        CHECK_CONTAINS(sl_status_message(status), "kernel 's'");
        sl_status_free(status);
        CHECK(b.sink.error_count > 0);
    }
    bench_close(&b);
    sl_machine machine;
    sl_allocator allocator = sl_allocator_system();
    sl_arena *arena = sl_arena_create(&allocator, 0);
    CHECK(!sl_machine_named(arena, "pentium9", &machine));
    CHECK(!sl_machine_named(arena, "znver4,+magic", &machine));
    CHECK(sl_machine_named(arena, "sapphirerapids", &machine));
    sl_machine least;
    CHECK(sl_machine_named(arena, "x86-64", &least));
    CHECK(sl_machine_lacks(&machine, &least) != NULL);
    CHECK(sl_machine_lacks(&least, &machine) == NULL);
    CHECK(sl_machine_named(arena, "aarch64", &least));
    CHECK(sl_machine_lacks(&least, &machine) != NULL);
    sl_arena_destroy(arena);
}

/* Fails the nth allocation for every n until the compilation goes through: each failure must be a clean status. */
static void test_out_of_memory(void) {
    bool done = false;
    for (int64_t at = 1; !done && at < 2000; ++at) {
        sl_failing_allocator state = {.base = sl_allocator_system(), .fail_at = at};
        bench b;
        bench_open(&b, "host");
        b.sink.handler = NULL;
        sl_kernels *loaded = NULL;
        if (!bench_parse(&b, kernels)) break;
        sl_allocator failing = sl_allocator_failing(&state);
        sl_codegen_options options = {.machine = &b.machine};
        sl_status status = sl_codegen_kernels(b.module, &options, &failing, &loaded);
        done = !status;
        if (status) CHECK_INT(sl_status_code(status), SL_OUT_OF_MEMORY);
        sl_status_free(status);
        sl_kernels_destroy(loaded);
        bench_close(&b);
    }
    CHECK(done);
}

int main(void) {
    test_kernels("host");
#if defined(__x86_64__)
    test_kernels("x86-64");
#endif
    test_program();
    test_targets();
    test_failures();
    test_out_of_memory();
    return check_result();
}
