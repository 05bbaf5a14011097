/* kernel_variants.h: what the tests of forced kernel strategies share: a module in text with the inputs that it is run on and what the evaluator makes of them (subject), compiled for a
 * target with --kernel=VARIANT through the public API and compared; the variant must be seen in a kernel's `reason`, else a flag that forces nothing would make a test that tests nothing. */
#ifndef SLUICE_TESTS_KERNEL_VARIANTS_H
#define SLUICE_TESTS_KERNEL_VARIANTS_H

#include "check.h"
#include "data_type.h"
#include "sluice/codegen.h"
#include "sluice/kernel_choice.h"
#include "sluice/sluice_compiler.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST_INPUTS = 4, MOST_OUTPUTS = 256, MOST_RUNS = 320 };

/* What the elements of a run's inputs are: plain random numbers; these with NaN, infinities, denormals, -0 and (where the order of sums is fixed) huge numbers among them; small integers, whose sums are exact in any
 * order, alone, with infinities and NaN, or with denormals; for integers the whole range, with its ends in every other place. */
typedef enum fill_kind { FILL_RANDOM, FILL_SPECIAL, FILL_EXACT, FILL_EXACT_SPECIAL, FILL_EXACT_DENORMAL } fill_kind;

typedef struct target { const char *name; int lanes; bool fma; } target;
/* says: in the reason of some kernel. rounds: sums go in another order than the evaluator's, `subject.rounding` applies. */
typedef struct variant { const char *kernel, *says; bool rounds; } variant;

/* A module in text, the sizes that it is run with, and what the evaluator makes of them. */
typedef struct subject {
    const char *name, *text;
    double tolerance, rounding;              /* of variants that keep the order of sums, and of those that do not */
    sl_element element;                      /* of the inputs */
    int inputs, outputs, runs;
    struct { int64_t dims[MOST_INPUTS][4]; int ranks[MOST_INPUTS]; fill_kind filling; sl_tensor *in[MOST_INPUTS]; sl_tensor **want; } run[MOST_RUNS];
} subject;

typedef struct world { sl_allocator allocator; sl_arena *arena; sl_context *context; sl_diag_sink sink; sluice_context *host; int compiled; } world;

static void report(void *self, const sl_diag *diag) {
    world *w = self;
    sl_text text;
    sl_text_init(&text, w->arena);
    sl_diag_render(&text, diag);
    fputs(text.data, stderr);
}

static void open_world(world *w) {
    *w = (world){.allocator = sl_allocator_system()};
    w->arena = sl_arena_create(&w->allocator, 0);
    w->sink = (sl_diag_sink){report, w, 0, 0};
    w->context = sl_context_create(&w->allocator, &w->sink);
    CHECK_INT(sluice_context_create(NULL, &w->host), SLUICE_OK);
}

static void close_world(world *w) {
    sluice_context_destroy(w->host);
    sl_context_destroy(w->context);
    sl_arena_destroy(w->arena);
}

/* ---- subjects ---- */

static double random_number(void) { return (float)(rand() / (double)RAND_MAX * 2 - 1); }

static void fill_integers(sl_tensor *x) {
    int bits = sl_element_bits(x->element), low = sl_element_is_signed(x->element) ? -(1 << (bits - 1)) : 0, high = low + (1 << bits) - 1;
    for (int64_t i = 0, n = sl_tensor_count(x); i < n; i++) sl_element_store_int(x->element, x->data, i, rand() % 2 ? (rand() % 2 ? low : high) : low + rand() % (high - low + 1));
}

/* huge: numbers of which two overflow, for sums whose order is fixed. */
static void fill(sl_tensor *x, fill_kind filling, bool huge) {
    static const double odd[] = {NAN, INFINITY, -INFINITY, 1e-40, -1e-42, -0.0, 3e38, -3e38}, exact_odd[] = {NAN, INFINITY, -INFINITY, -0.0}, denormal[] = {1e-39, -1e-40, -0.0, 5e-39};
    if (sl_element_is_integer(x->element)) {
        fill_integers(x);
        return;
    }
    for (int64_t i = 0, n = sl_tensor_count(x); i < n; i++) {
        double value = filling >= FILL_EXACT ? rand() % 17 - 8 : random_number();
        if (filling == FILL_SPECIAL && rand() % 23 == 0) value = odd[rand() % (huge ? 8 : 6)];
        if (filling == FILL_EXACT_SPECIAL && rand() % 41 == 0) value = exact_odd[rand() % 4];
        if (filling == FILL_EXACT_DENORMAL && rand() % 3 == 0) value = denormal[rand() % 4];
        sl_element_store_float(x->element, x->data, i, value);
    }
}

static subject *new_subject(world *w, const char *name, const char *text, int inputs, double tolerance) {
    subject *s = SL_NEW(w->arena, subject);
    s->name = name, s->text = text, s->inputs = inputs, s->tolerance = s->rounding = tolerance, s->element = SL_ELEMENT_f32;
    return s;
}

/* One more run: `dims` in order, ranks many for each input. */
static void add_run(subject *s, fill_kind filling, int rank_a, int rank_b, int rank_c, const int64_t *dims) {
    if (s->runs == MOST_RUNS) abort();
    const int ranks[3] = {rank_a, rank_b, rank_c};
    for (int i = 0, at = 0; i < s->inputs; i++)
        for (int d = 0; d < ranks[i]; d++) s->run[s->runs].ranks[i] = ranks[i], s->run[s->runs].dims[i][d] = dims[at++];
    s->run[s->runs++].filling = filling;
}
#define RUN(s, filling, a, b, c, ...) add_run(s, filling, a, b, c, (const int64_t[]){__VA_ARGS__})

static void evaluate(world *w, subject *s) {
    sl_module *module = NULL;
    sl_status status = sl_module_parse(w->context, s->name, s->text, strlen(s->text), &module);
    if (!status) status = sl_module_verify(module);
    if (!status) s->outputs = sl_op_operand_count(sl_block_terminator(sl_op_body(sl_module_find(module, "main"), 0)));
    for (int r = 0; r < s->runs && !status; r++) {
        for (int i = 0; i < s->inputs; i++) {
            s->run[r].in[i] = sl_tensor_alloc(w->arena, s->element, s->run[r].ranks[i], s->run[r].dims[i]);
            fill(s->run[r].in[i], s->run[r].filling, s->tolerance == 0 && s->rounding == 0);
        }
        s->run[r].want = SL_NEW_ARRAY(w->arena, sl_tensor *, (size_t)s->outputs);
        sl_eval_options options;
        sl_eval_options_init(&options);
        status = sl_eval_function(module, "main", w->arena, &options, s->inputs, (const sl_tensor *const *)s->run[r].in, s->outputs, s->run[r].want);
    }
    if (status) fprintf(stderr, "%s: %s\n", s->name, sl_status_message(status));
    CHECK(!status);
    sl_status_free(status);
    if (module) sl_module_destroy(module);
}

/* ---- running ---- */

static bool differs(double a, double b, double tolerance, fill_kind filling) {
    if (isnan(a) || isnan(b)) return isnan(a) != isnan(b);
    if (filling == FILL_EXACT_DENORMAL) return fabs(a - b) > 1e-36;      /* denormals may count as 0 */
    if (tolerance == 0) return a != b;
    if (filling == FILL_SPECIAL && (isinf(a) || isinf(b) || fabs(a) > 1e37)) return isinf(a) && isinf(b) && a != b;      /* sums in another order overflow elsewhere */
    return fabs(a - b) > tolerance * (1 + fabs(b) + (filling == FILL_SPECIAL ? 1e30 : 0));
}

static double number_at(const sl_tensor *x, const void *data, int64_t i) {
    return sl_element_is_float(x->element) ? sl_element_load_float(x->element, data, i) : (double)sl_element_load_int(x->element, data, i);
}

/* Compares with the evaluator; with `keep` stores the results there instead, or compares with what is stored. */
static void run(world *w, const subject *s, const target *t, const variant *v, sluice_program *program, void **keep, bool store) {
    sluice_session_options options;
    sluice_session *session;
    sluice_session_options_init(&options);
    options.threads = 1;
    CHECK_INT(sluice_session_create(program, &options, &session), SLUICE_OK);
    int bad = 0;
    for (int r = 0; r < s->runs && !bad; r++) {
        DLTensor in[MOST_INPUTS], out[MOST_OUTPUTS];
        memset(out, 0, sizeof out);
        for (int i = 0; i < s->inputs; i++) {
            const sl_tensor *x = s->run[r].in[i];
            char *memory = sl_arena_alloc_aligned(w->arena, (size_t)x->size + 64, 64);
            size_t shift = (size_t)sl_element_bits(x->element) / 8 * (1 + 2 * (size_t)(r % 4));      /* aligned to an element and no more */
            memcpy(memory + shift, x->data, (size_t)x->size);
            in[i] = (DLTensor){memory + shift, {1, 0}, x->rank, data_type(x->element), (int64_t *)(uintptr_t)s->run[r].dims[i], NULL, 0};
        }
        sluice_code code = sluice_session_run(session, in, s->inputs, out, s->outputs);
        if (code) fprintf(stderr, "%s, %s, --kernel=%s: %s\n", s->name, t->name, v->kernel, sluice_last_error(w->host));
        CHECK_INT(code, SLUICE_OK);
        for (int o = 0, slot = r * s->outputs; o < s->outputs && !code; o++) {
            const sl_tensor *want = s->run[r].want[o];
            int64_t count = sl_tensor_count(want);
            const void *expected = want->data, *got = out[o].data;
            if (keep && store) keep[slot + o] = sl_arena_copy(w->arena, got, (size_t)(count ? count : 1) * (size_t)sl_element_bits(want->element) / 8);
            if (keep && !store && keep[slot + o]) expected = keep[slot + o];
            double tolerance = v->rounds ? s->rounding : keep && store && s->tolerance == 0 ? 1e-4 : s->tolerance;
            if (keep && store && s->run[r].filling == FILL_SPECIAL) continue;      /* a product that overflows does so before it is added */
            for (int64_t i = 0; i < count && bad < 3; i++) {
                double a = number_at(want, got, i), b = number_at(want, expected, i);
                if (differs(a, b, tolerance, s->run[r].filling)) {
                    fprintf(stderr, "%s, %s, --kernel=%s: run %d (first dims %lld %lld), output %d, element %lld is %.9g, expected %.9g\n", s->name, t->name, v->kernel, r,
                            (long long)s->run[r].dims[0][0], (long long)s->run[r].dims[0][1], o, (long long)i, a, b);
                    bad++;
                }
            }
        }
    }
    check_failures += bad;
    sluice_session_destroy(session);
}

static void try_variant(world *w, const subject *s, const target *t, const variant *v, void **keep, bool store) {
    sluice_compile_options options;
    sluice_compile_options_init(&options);
    options.format = "sl", options.target = t->name, options.kernel = v->kernel, options.verify = 0;
    sluice_program *program = NULL;
    sluice_code code = sluice_compile_memory(w->host, s->name, s->text, strlen(s->text), &options, &program);
    if (code) fprintf(stderr, "%s, %s, --kernel=%s: %s\n", s->name, t->name, v->kernel, sluice_last_error(w->host));
    CHECK_INT(code, SLUICE_OK);
    w->compiled++;
    if (!code) run(w, s, t, v, program, keep, store);
    sluice_program_destroy(program);
}

/* The variant must show in the reason of a kernel. */
static void see(world *w, const subject *s, const target *t, const variant *v) {
    char path[] = "/tmp/sluice-variant-XXXXXX";
    int descriptor = mkstemp(path);
    CHECK(descriptor >= 0);
    FILE *file = fdopen(descriptor, "w");
    fputs(s->text, file);
    fclose(file);
    sluice_compile_options options;
    sluice_compile_options_init(&options);
    options.format = "sl", options.target = t->name, options.kernel = v->kernel;
    char *text = NULL;
    CHECK_INT(sluice_compile_text(w->host, path, "ir", &options, &text), SLUICE_OK);
    bool found = text && strstr(text, v->says);
    if (!found) fprintf(stderr, "%s, %s: --kernel=%s: no kernel says '%s'\n", s->name, t->name, v->kernel, v->says);
    CHECK(found);
    sluice_text_free(text);
    remove(path);
}

static void try_all(world *w, subject *s, const target *t, const variant *variants, int count) {
    evaluate(w, s);
    void **keep = t->fma || s->tolerance ? NULL : SL_NEW_ARRAY(w->arena, void *, (size_t)(s->runs * s->outputs));
    for (int i = 0; i < count && check_failures < 10; i++) {
        try_variant(w, s, t, &variants[i], keep, i == 0);
        if (variants[i].says) see(w, s, t, &variants[i]);
    }
}

#define COUNT(array) (int)(sizeof(array) / sizeof *(array))

#endif
