/* test_codegen_arith.c: every arith op, compiled for every element type, as scalars and vectors of 4, 16 and an odd 7 lanes, against the reference evaluator, on
 * values that include all the special ones. Exact, except that functions such as exp may differ by the bounds that codegen/math*.c state; all vector
 * widths must give the bits of the scalar form. The same for lesser targets that this machine can run. */
#include "codegen_check.h"
#include <math.h>

enum { COUNT = 16 * 7 * 24 };

static uint64_t random_state = 88172645463325252u;
static uint64_t next_random(void) {
    random_state ^= random_state << 13, random_state ^= random_state >> 7, random_state ^= random_state << 17;
    return random_state;
}

/* Buffers hold one element per 1, 2, 4 or 8 bytes: sub-byte integers are unpacked. */
static int memory_bytes(sl_element element) { return sl_element_bits(element) < 8 ? 1 : sl_element_bits(element) / 8; }

static double get(sl_element element, const void *data, int i) {
    if (sl_element_bits(element) < 8) return sl_element_is_signed(element) ? ((const int8_t *)data)[i] : ((const uint8_t *)data)[i];
    return sl_element_load_float(element, data, i);
}

static void fill(sl_element element, uint8_t *data, int seed) {
    static const double special[] = {0, -0.0, 1, -1, 2, -2, 3, 0.5, -0.5, 1.5, 2.5, -2.5, 100, -7, 7, 1e10, -1e10, 1e-10, 1e30, 1e-40, -1e-40, 3e38, -3e38, 127, 128, -128,
                                     255, 256, 65504, 65520, 448, 464, 2147483647.0, 2147483648.0, -2147483648.0, 9.3e18, -9.3e18, 0.25, 88.7, -88, -103.9, INFINITY, -INFINITY, NAN};
    enum { SPECIALS = sizeof(special) / sizeof(special[0]) };
    int bytes = memory_bytes(element), bits = sl_element_bits(element);
    random_state = 88172645463325252u + (uint64_t)seed * 7919;
    for (int i = 0; i < COUNT; ++i) {
        uint64_t word = next_random();
        if (sl_element_is_float(element)) {
            int which = seed == 0 ? i % SPECIALS : seed == 1 ? i / SPECIALS % SPECIALS : (int)(word % SPECIALS);
            if (i < SPECIALS * SPECIALS && SPECIALS * SPECIALS <= COUNT) sl_element_store_float(element, data, i, special[which]);
            else if (i % 3 == 0 && bytes < 8) memcpy(data + i * bytes, &word, (size_t)bytes);
            else sl_element_store_float(element, data, i, ((double)(int64_t)word / 9.3e18) * pow(2, (double)((word >> 20) % 12)));
            continue;
        }
        int64_t value = i % 5 == 0 ? (int64_t)(word % 9) - 4 : i % 5 == 1 ? (int64_t)((uint64_t)1 << 63) >> (word % 64) : (int64_t)(word >> (word % 60));
        if (element == SL_ELEMENT_i1) value = (word & 1);
        else if (bits < 64 && sl_element_is_signed(element)) value = (int64_t)((uint64_t)value << (64 - bits)) >> (64 - bits);
        else if (bits < 64) value = (int64_t)((uint64_t)value << (64 - bits) >> (64 - bits));
        memcpy(data + i * bytes, &value, (size_t)bytes);
    }
}

static sl_tensor *tensor_of(sl_arena *arena, sl_element element, const void *data) {
    int64_t shape[1] = {COUNT};
    sl_tensor *tensor = sl_tensor_alloc(arena, element, 1, shape);
    if (sl_element_bits(element) < 8)
        for (int i = 0; i < COUNT; ++i) sl_element_store_int(element, tensor->data, i, ((const int8_t *)data)[i]);
    else memcpy(tensor->data, data, (size_t)tensor->size);
    return tensor;
}

/* One row per result that a kernel stores. */
typedef struct job { const char *op, *attrs; int inputs; sl_element element, result; bool select; } job;

static void kernel_text(sl_text *text, const char *name, const job *jobs, int count, int lanes) {
    static const char *const operands[] = {"%a", "%b", "%c"};
    sl_element element = jobs[0].element;
    const char *type = sl_element_name(element);
    sl_text_append(text, "kernel.func @%s(", name);
    for (int i = 0; i < 3; ++i) sl_text_append(text, "%%in%d: buffer<? x %s>, ", i, type);
    sl_text_append(text, "%%cond: buffer<? x i1>");
    for (int i = 0; i < count; ++i) sl_text_append(text, ", %%out%d: buffer<? x %s>", i, sl_element_name(jobs[i].result));
    sl_text_append(text, ", %%first: i64, %%end: i64, %%worker: i64) {\n  %%step = core.constant {value = data<i64>[%d]} : () -> i64\n", lanes ? lanes : 1);
    sl_text_append(text, "  kernel.for(%%first, %%end, %%step) : (i64, i64, i64) ({ ^(%%i: i64):\n");
    char value[64], result[64], condition[64];
    snprintf(value, sizeof value, lanes ? "vector<%d x %s>" : "%.0d%s", lanes, type);
    snprintf(condition, sizeof condition, lanes ? "vector<%d x i1>" : "%.0di1", lanes);
    for (int i = 0; i < 3; ++i) sl_text_append(text, "    %s = kernel.load(%%in%d, %%i) : (buffer<? x %s>, i64) -> %s\n", operands[i], i, type, value);
    sl_text_append(text, "    %%k = kernel.load(%%cond, %%i) : (buffer<? x i1>, i64) -> %s\n", condition);
    for (int i = 0; i < count; ++i) {
        snprintf(result, sizeof result, lanes ? "vector<%d x %s>" : "%.0d%s", lanes, sl_element_name(jobs[i].result));
        sl_text_append(text, "    %%r%d = %s(", i, jobs[i].op);
        if (jobs[i].select) sl_text_append(text, "%%k, ");
        for (int k = 0; k < jobs[i].inputs; ++k) sl_text_append(text, "%s%s", k ? ", " : "", operands[k]);
        sl_text_append(text, ") %s : (", jobs[i].attrs);
        if (jobs[i].select) sl_text_append(text, "%s, ", condition);
        for (int k = 0; k < jobs[i].inputs; ++k) sl_text_append(text, "%s%s", k ? ", " : "", value);
        sl_text_append(text, ") -> %s\n", result);
        sl_text_append(text, "    kernel.store(%%r%d, %%out%d, %%i) : (%s, buffer<? x %s>, i64)\n", i, i, result, sl_element_name(jobs[i].result));
    }
    sl_text_append(text, "    kernel.yield\n  })\n  kernel.yield\n}\n");
}

static void function_text(sl_text *text, const job *j, int number) {
    sl_text_append(text, "core.func @f%d(", number);
    for (int k = 0; k < j->inputs; ++k) sl_text_append(text, "%s%%%c: tensor<%d x %s>", k ? ", " : "", 'a' + k, COUNT, sl_element_name(j->element));
    if (j->select) sl_text_append(text, ", %%k: tensor<%d x i1>", COUNT);
    sl_text_append(text, ") -> (tensor<%d x %s>) {\n  %%r = %s(", COUNT, sl_element_name(j->result), j->op);
    if (j->select) sl_text_append(text, "%%k, ");
    for (int k = 0; k < j->inputs; ++k) sl_text_append(text, "%s%%%c", k ? ", " : "", 'a' + k);
    sl_text_append(text, ") %s : (", j->attrs);
    if (j->select) sl_text_append(text, "tensor<%d x i1>, ", COUNT);
    for (int k = 0; k < j->inputs; ++k) sl_text_append(text, "%stensor<%d x %s>", k ? ", " : "", COUNT, sl_element_name(j->element));
    sl_text_append(text, ") -> tensor<%d x %s>\n  core.return(%%r) : (tensor<%d x %s>)\n}\n", COUNT, sl_element_name(j->result), COUNT, sl_element_name(j->result));
}

/* Ulps that results may be off: 0 for exact ops. f64 functions are the C library's on both sides. */
static double allowed(const job *j) {
    static const char *const functions[] = {"exp", "log", "log1p", "expm1", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "pow"};
    if (!sl_element_is_float(j->element)) return 0;
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); ++i)
        if (!strcmp(j->op + 6, functions[i])) {
            if (j->element == SL_ELEMENT_f64) return 0;
            if (j->element != SL_ELEMENT_f32) return 1;
            return i == 12 ? 2.5 : i == 0 || i == 3 || i == 16 ? 2 : 1;
        }
    return 0;
}

static bool same(sl_element element, double got, double want, double ulps, const void *got_data, const void *want_data, int i) {
    if (!sl_element_is_float(element)) {
        if (sl_element_bits(element) < 8) return ((const uint8_t *)got_data)[i] == (uint8_t)sl_element_load_int(element, want_data, i);
        return sl_element_load_int(element, got_data, i) == sl_element_load_int(element, want_data, i);
    }
    if (isnan(want) || isnan(got)) return isnan(want) && isnan(got);
    if (got == want) return true;
    if (ulps == 0 || isinf(want) || isinf(got)) {
        /* The largest float and infinity are neighbours: a function may round to either when the value lies between. */
        return ulps > 0 && element == SL_ELEMENT_f32 && fmin(fabs(got), fabs(want)) >= 3.4028233e38;
    }
    int digits = element == SL_ELEMENT_f32 ? 24 : element == SL_ELEMENT_f16 ? 11 : element == SL_ELEMENT_bf16 ? 8 : element == SL_ELEMENT_f8e4m3 || element == SL_ELEMENT_f8e4m3fnuz ? 4 : 3;
    int least = element == SL_ELEMENT_f32 || element == SL_ELEMENT_bf16 ? -126 : element == SL_ELEMENT_f16 || element == SL_ELEMENT_f8e5m2 ? -14 : -8;
    int exponent;
    frexp(want, &exponent);
    double unit = ldexp(1, (exponent - 1 > least ? exponent - 1 : least) - digits + 1);
    return fabs(got - want) <= ulps * unit;
}

static int add_jobs(job *jobs, sl_element element) {
    static const char *const both[] = {"add", "sub", "mul", "div", "rem", "mod", "pow", "max", "min"}, *const integral[] = {"and", "or", "xor", "shl", "shr"};
    static const char *const unary_float[] = {"ceil", "floor", "round", "trunc", "sqrt", "exp", "log", "log1p", "expm1", "sin", "cos", "tan", "asin", "acos",
                                              "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf"};
    static const char *const predicates[] = {"eq", "ne", "lt", "le", "gt", "ge"};
    static char names[64][24], attrs[8][32];
    int n = 0, name = 0;
#define NAME(text) (snprintf(names[name], sizeof names[0], "arith.%s", text), names[name++])
    bool is_float = sl_element_is_float(element), is_bool = element == SL_ELEMENT_i1;
    if (!is_bool)
        for (size_t i = 0; i < 9; ++i) jobs[n++] = (job){NAME(both[i]), "", 2, element, element, false};
    if (!is_float)
        for (size_t i = 0; i < (is_bool ? 3u : 5u); ++i) jobs[n++] = (job){NAME(integral[i]), "", 2, element, element, false};
    if (!is_bool) {
        jobs[n++] = (job){NAME("neg"), "", 1, element, element, false};
        jobs[n++] = (job){NAME("abs"), "", 1, element, element, false};
        jobs[n++] = (job){NAME("sign"), "", 1, element, element, false};
    }
    if (!is_float) jobs[n++] = (job){NAME("not"), "", 1, element, element, false};
    for (size_t i = 0; is_float && i < 22; ++i) jobs[n++] = (job){NAME(unary_float[i]), "", 1, element, element, false};
    if (is_float) {
        jobs[n++] = (job){NAME("isnan"), "", 1, element, SL_ELEMENT_i1, false};
        jobs[n++] = (job){NAME("isinf"), "", 1, element, SL_ELEMENT_i1, false};
        jobs[n++] = (job){NAME("fma"), "", 3, element, element, false};
    }
    for (int i = 0; i < 6; ++i) {
        snprintf(attrs[i], sizeof attrs[0], "{predicate = \"%s\"}", predicates[i]);
        jobs[n++] = (job){"arith.cmp", attrs[i], 2, element, SL_ELEMENT_i1, false};
    }
    jobs[n++] = (job){"arith.select", "", 2, element, element, true};
    for (int to = 0; to < SL_ELEMENT_str; ++to)
        if (to != (int)element) jobs[n++] = (job){"arith.cast", "", 1, element, (sl_element)to, false};
    if (is_float) {
        for (int to = SL_ELEMENT_f8e4m3; to <= SL_ELEMENT_f8e5m2fnuz; ++to)
            if (to != (int)element) jobs[n++] = (job){"arith.cast", "{saturate = false}", 1, element, (sl_element)to, false};
    }
#undef NAME
    return n;
}

static void test_element(const char *machine, sl_element element, const int *widths, int width_count) {
    bench b;
    bench_open(&b, machine);
    job jobs[96];
    int count = add_jobs(jobs, element);
    sl_text text;
    sl_text_init(&text, b.arena);
    for (int w = 0; w < width_count; ++w) {
        char name[16];
        snprintf(name, sizeof name, "w%d", widths[w]);
        kernel_text(&text, name, jobs, count, widths[w]);
    }
    for (int i = 0; i < count; ++i) function_text(&text, &jobs[i], i);
    if (!bench_compile(&b, text.data, NULL)) {
        bench_close(&b);
        return;
    }
    uint8_t *inputs[4], *outputs[2][96];
    for (int i = 0; i < 3; ++i) fill(element, inputs[i] = sl_arena_alloc_aligned(b.arena, COUNT * 8, 64), i);
    fill(SL_ELEMENT_i1, inputs[3] = sl_arena_alloc_aligned(b.arena, COUNT * 8, 64), 5);
    for (int i = 0; i < 2 * count; ++i) outputs[i % 2][i / 2] = sl_arena_alloc_aligned(b.arena, COUNT * 8, 64);
    for (int w = 0; w < width_count; ++w) {
        void *buffers[100];
        for (int i = 0; i < 4; ++i) buffers[i] = inputs[i];
        for (int i = 0; i < count; ++i) buffers[4 + i] = outputs[w > 0][i];
        char name[16];
        snprintf(name, sizeof name, "w%d", widths[w]);
        bench_run(&b, name, buffers, NULL, COUNT);
        for (int i = 0; w > 0 && i < count; ++i) {
            int bytes = memory_bytes(jobs[i].result), bad = 0;
            for (int k = 0; k < COUNT && !bad; ++k) {
                double x = get(jobs[i].result, outputs[0][i], k), y = get(jobs[i].result, outputs[1][i], k);
                bad = memcmp(outputs[0][i] + k * bytes, outputs[1][i] + k * bytes, (size_t)bytes) && !(isnan(x) && isnan(y));
                if (bad) fprintf(stderr, "%s: %s of %s to %s: lane %d differs between width %d (%.9g) and %d (%.9g)\n", machine, jobs[i].op, sl_element_name(element),
                                 sl_element_name(jobs[i].result), k, widths[0], x, widths[w], y);
            }
            check_failures += bad;
        }
    }
    const sl_tensor *tensors[4];
    for (int i = 0; i < 3; ++i) tensors[i] = tensor_of(b.arena, element, inputs[i]);
    for (int i = 0; i < count; ++i) {
        char name[16];
        snprintf(name, sizeof name, "f%d", i);
        sl_eval_options options;
        sl_eval_options_init(&options);
        sl_tensor *want;
        tensors[jobs[i].inputs] = jobs[i].select ? tensor_of(b.arena, SL_ELEMENT_i1, inputs[3]) : tensors[jobs[i].inputs];
        sl_guard guard;
        if (!SL_GUARD_ENTER(&guard)) return;
        bool ok = bench_ok(sl_eval_function(b.module, name, b.arena, &options, jobs[i].inputs + jobs[i].select, tensors, 1, &want));
        sl_guard_leave(&guard);
        if (jobs[i].select) tensors[2] = tensor_of(b.arena, element, inputs[2]);
        for (int k = 0, shown = 0; ok && k < COUNT && shown < 3; ++k) {
            double got = get(jobs[i].result, outputs[0][i], k), right = sl_element_load_float(jobs[i].result, want->data, k);
            if (same(jobs[i].result, got, right, allowed(&jobs[i]), outputs[0][i], want->data, k)) continue;
            fprintf(stderr, "%s: %s%s of %s to %s: lane %d (%.9g, %.9g, %.9g) is %.9g, expected %.9g\n", machine, jobs[i].op, jobs[i].attrs, sl_element_name(element),
                    sl_element_name(jobs[i].result), k, get(element, inputs[0], k), get(element, inputs[1], k), get(element, inputs[2], k), got, right);
            check_failures++;
            shown++;
        }
    }
    bench_close(&b);
}

/* Accuracy of f32 functions over a sweep of all exponents and signs, against the C library in f64. */
static void test_accuracy(const char *machine) {
    static const struct { const char *name; double (*reference)(double); double bound; const char *family; } rows[] = {
        {"exp", exp, 1.0}, {"expm1", expm1, 1.5}, {"tanh", tanh, 2.2}, {"erf", erf, 1.2}, {"log", log, 0.6}, {"log1p", log1p, 0.6}, {"sin", sin, 0.6}, {"cos", cos, 0.6},
        {"tan", tan, 0.6}, {"asin", asin, 0.6}, {"acos", acos, 0.6}, {"atan", atan, 0.6}, {"sinh", sinh, 0.6}, {"cosh", cosh, 0.6}, {"asinh", asinh, 0.6},
        {"acosh", acosh, 0.6}, {"atanh", atanh, 0.6}, {"exp2", exp2, 1.1, "kernel"},    /* the last one of what is at most 0 */
    };
    enum { ROWS = sizeof(rows) / sizeof(rows[0]), BLOCK = 1 << 14 };
    bench b;
    bench_open(&b, machine);
    sl_text text;
    sl_text_init(&text, b.arena);
    for (int r = 0; r < ROWS; ++r)
        sl_text_append(&text, "kernel.func @%s(%%x: buffer<? x f32>, %%y: buffer<? x f32>, %%first: i64, %%end: i64, %%worker: i64) {\n"
                              "  %%step = core.constant {value = data<i64>[16]} : () -> i64\n  kernel.for(%%first, %%end, %%step) : (i64, i64, i64) ({ ^(%%i: i64):\n"
                              "    %%a = kernel.load(%%x, %%i) : (buffer<? x f32>, i64) -> vector<16 x f32>\n    %%b = %s.%s(%%a) : (vector<16 x f32>) -> vector<16 x f32>\n"
                              "    kernel.store(%%b, %%y, %%i) : (vector<16 x f32>, buffer<? x f32>, i64)\n    kernel.yield\n  })\n  kernel.yield\n}\n", rows[r].name, rows[r].family ? rows[r].family : "arith", rows[r].name);
    if (bench_compile(&b, text.data, NULL)) {
        float *x = sl_arena_alloc_aligned(b.arena, BLOCK * 4, 64), *y = sl_arena_alloc_aligned(b.arena, BLOCK * 4, 64);
        for (int r = 0; r < ROWS; ++r) {
            double worst = 0, at = 0;
            uint32_t bits = 1;
            for (int block = 0; block < 24; ++block) {
                for (int i = 0; i < BLOCK; ++i, bits += 10923) memcpy(&x[i], &bits, 4), x[i] = rows[r].family ? -fabsf(x[i]) : x[i];   /* 24 * 2^14 steps of 2^32 / 393216 */
                bench_run(&b, rows[r].name, (void *[]){x, y}, NULL, BLOCK);
                for (int i = 0; i < BLOCK; ++i) {
                    double right = rows[r].reference(x[i]);
                    if (isnan(right) || isinf((float)right) || right == 0) {
                        bool fits = isnan(right) ? isnan(y[i]) : y[i] == (float)right || (isinf((float)right) && fabsf(y[i]) >= 3.4028233e38f);
                        if (!fits) fprintf(stderr, "%s: %s(%.9g) is %.9g, expected %.9g\n", machine, rows[r].name, (double)x[i], (double)y[i], right), check_failures++;
                        continue;
                    }
                    int exponent;
                    frexp(right, &exponent);
                    double unit = ldexp(1, (exponent - 1 > -126 ? exponent - 1 : -126) - 23), off = fabs(y[i] - right) / unit;
                    if (!(off <= worst)) worst = off, at = x[i];
                }
            }
            if (getenv("SLUICE_TEST_VERBOSE")) fprintf(stderr, "%s: %s: %.3f ulp at %.9g\n", machine, rows[r].name, worst, at);
            if (!(worst <= rows[r].bound)) fprintf(stderr, "%s: %s is off by %.3f ulp at %.9g (bound %.2f)\n", machine, rows[r].name, worst, at, rows[r].bound), check_failures++;
        }
    }
    bench_close(&b);
}

int main(int argc, char **argv) {
    static const int widths[] = {0, 16, 7, 4}, few[] = {0, 16};
    const char *only = argc > 1 ? argv[1] : NULL;
    for (int element = 0; element < SL_ELEMENT_str; ++element)
        if (!only || !strcmp(only, sl_element_name((sl_element)element))) test_element("host", (sl_element)element, widths, element == SL_ELEMENT_f32 ? 4 : 2);
    if (!only || !strcmp(only, "accuracy")) test_accuracy("host");
    /* The lesser x86 targets: the types whose code differs most. */
#if defined(__x86_64__)
    static const char *const targets[] = {"x86-64", "x86-64-v3"};
    for (int t = 0; t < 2 && !only; ++t) {
        sl_machine host, lesser;
        sl_allocator allocator = sl_allocator_system();
        sl_arena *arena = sl_arena_create(&allocator, 0);
        sl_machine_detect(arena, &host);
        bool runs = sl_machine_named(arena, targets[t], &lesser) && !sl_machine_lacks(&lesser, &host);
        sl_arena_destroy(arena);
        if (!runs) continue;
        test_element(targets[t], SL_ELEMENT_f32, few, 2);
        test_element(targets[t], SL_ELEMENT_f16, few, 2);
        test_element(targets[t], SL_ELEMENT_i8, few, 2);
    }
#endif
    return check_result();
}
