/* run_reference.c: runs ONNX test directories through import and the reference evaluator, which pins the import table's semantics apart from the
 * compiler. Usage: run_reference [--quiet] DIR...   prints one line per directory:
 *     name: pass | pass (bound) | skip: reason | import: first diagnostic | run: diagnostic | wrong: output i ...
 * Operands that must be known while importing (axes, sizes, ...) are model inputs in many of these tests. When a model does not import as it is, small
 * inputs are made constants by their test values and it is tried again; what then passes is marked `bound`.
 * Sums in bf16 may differ in the last places, which is more than the tests' tolerance; 2^-6 is allowed there. Models with random numbers are compared by
 * shape and type alone: the stream is Sluice's own.
 * The last line counts. Exit status 0 when nothing was wrong (failing to import is no error: it has a reason). */
#include "sluice/graph.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct messages { char first[512]; int count; } messages;

static void keep_first(void *self, const sl_diag *diag)
{
    messages *m = self;
    if (diag->severity != SL_SEVERITY_ERROR || m->count++) return;
    snprintf(m->first, sizeof m->first, "(%s) %s", diag->place.op ? diag->place.op : "", diag->message);
}

enum { MAX_VALUES = 64 };

typedef struct outcome { char text[640]; } outcome;

static bool exists(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file) fclose(file);
    return file != NULL;
}

static void note(outcome *o, sl_status status, const char *stage, const messages *m)
{
    snprintf(o->text, sizeof o->text, "%s: %s", stage, m->count ? m->first : sl_status_message(status));
    sl_status_free(status);
}

static bool close_enough(const sl_tensor *got, const sl_tensor *want, double rtol, double atol, char *text, size_t size)
{
    if (got->element != want->element) return snprintf(text, size, "element %s, expected %s", sl_element_name(got->element), sl_element_name(want->element)), false;
    bool same = got->rank == want->rank;
    for (int i = 0; i < got->rank && same; i++) same = got->shape[i] == want->shape[i];
    if (!same) {
        int n = snprintf(text, size, "shape [");
        for (int i = 0; i < got->rank; i++) n += snprintf(text + n, size - (size_t)n, " %lld", (long long)got->shape[i]);
        n += snprintf(text + n, size - (size_t)n, " ], expected [");
        for (int i = 0; i < want->rank; i++) n += snprintf(text + n, size - (size_t)n, " %lld", (long long)want->shape[i]);
        snprintf(text + n, size - (size_t)n, " ]");
        return false;
    }
    int64_t count = sl_tensor_count(got), wrong = 0;
    if (got->element == SL_ELEMENT_bf16 && rtol < 0x1p-6) rtol = 0x1p-6;
    for (int64_t i = 0; i < count; i++) {
        bool equal;
        if (sl_element_is_float(got->element)) {
            double a = sl_element_load_float(got->element, got->data, i), b = sl_element_load_float(want->element, want->data, i);
            equal = a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= atol + rtol * fabs(b);
            if (!equal && !wrong++) snprintf(text, size, "element %lld is %g, expected %g", (long long)i, a, b);
        } else {
            int64_t a = sl_element_load_int(got->element, got->data, i), b = sl_element_load_int(want->element, want->data, i);
            equal = a == b;
            if (!equal && !wrong++) snprintf(text, size, "element %lld is %lld, expected %lld", (long long)i, (long long)a, (long long)b);
        }
    }
    if (wrong) {
        size_t n = strlen(text);
        snprintf(text + n, size - n, " (%lld of %lld differ)", (long long)wrong, (long long)count);
    }
    return wrong == 0;
}

static int load_values(sl_arena *arena, const char *folder, const char *kind, sl_tensor **values, outcome *o)
{
    int count = 0;
    char path[4096];
    for (;; count++) {
        snprintf(path, sizeof path, "%s/%s_%d.pb", folder, kind, count);
        if (count == MAX_VALUES || !exists(path)) return count;
        const char *name;
        sl_status status = sl_tensor_proto_read(arena, path, &values[count], &name);
        if (status) {
            snprintf(o->text, sizeof o->text, "skip: %s", sl_status_message(status));
            sl_status_free(status);
            return -1;
        }
    }
}

/* Small inputs by name and value, to be made constants. */
typedef struct bound_inputs { int count; const char *names[MAX_VALUES]; const sl_tensor *values[MAX_VALUES]; } bound_inputs;

static bool small_input(const sl_tensor *tensor)
{
    return tensor->element != SL_ELEMENT_str && sl_tensor_count(tensor) <= 16 && tensor->rank <= 1;
}

static void bind_small(sl_arena *arena, const sl_model *model, const char *folder, bound_inputs *bound)
{
    sl_tensor *inputs[MAX_VALUES];
    outcome ignored;
    int count = load_values(arena, folder, "input", inputs, &ignored);
    for (int i = 0; i < count && i < model->graph->input_count; i++) {
        if (!small_input(inputs[i])) continue;
        bound->names[bound->count] = model->graph->inputs[i].name;
        bound->values[bound->count++] = inputs[i];
    }
}

static bool find_random(void *self, sl_op *op)
{
    bool *found = self;
    *found |= sl_op_has_trait(op, SL_TRAIT_RANDOM);
    return !*found;
}

static void run_set(sl_arena *arena, sl_module *module, const char *folder, const bound_inputs *bound, double rtol, double atol, messages *m, outcome *o)
{
    sl_tensor *inputs[MAX_VALUES], *expected[MAX_VALUES], *outputs[MAX_VALUES];
    int input_count = load_values(arena, folder, "input", inputs, o), output_count = input_count < 0 ? -1 : load_values(arena, folder, "output", expected, o);
    if (output_count < 0) return;
    int kept = 0;
    for (int i = 0; i < input_count; i++)
        if (!bound->count || !small_input(inputs[i])) inputs[kept++] = inputs[i];
    input_count = kept;
    sl_eval_options options;
    sl_eval_options_init(&options);
    m->count = 0;
    sl_status status = sl_eval_function(module, "main", arena, &options, input_count, (const sl_tensor *const *)inputs, output_count, outputs);
    if (status) {
        note(o, status, "run", m);
        return;
    }
    bool random = false;
    sl_block_walk(sl_module_body(module), find_random, &random);
    for (int i = 0; i < output_count; i++) {
        char text[400];
        if (random && outputs[i]->element == expected[i]->element && outputs[i]->rank == expected[i]->rank &&
            !memcmp(outputs[i]->shape, expected[i]->shape, sizeof(int64_t) * (size_t)outputs[i]->rank)) continue;
        if (close_enough(outputs[i], expected[i], rtol, atol, text, sizeof text)) continue;
        snprintf(o->text, sizeof o->text, "wrong: output %d: %s", i, text);
        return;
    }
}

static void run_directory(const char *folder, outcome *o, bool dump)
{
    strcpy(o->text, "pass");
    sl_allocator allocator = sl_allocator_system();
    messages m = {0};
    sl_diag_sink sink = {.handler = keep_first, .self = &m};
    sl_context *context = sl_context_create(&allocator, &sink);
    sl_arena *arena = sl_arena_create(&allocator, 0);
    char path[4096];
    double rtol = 1e-3, atol = 1e-7;
    snprintf(path, sizeof path, "%s/tolerance", folder);
    FILE *file = fopen(path, "r");
    if (file) {
        if (fscanf(file, "%lf %lf", &rtol, &atol) != 2) rtol = 1e-3, atol = 1e-7;
        fclose(file);
    }
    if (atol < 1e-5) atol = 1e-5;
    snprintf(path, sizeof path, "%s/model.onnx", folder);
    sl_model *model = NULL;
    sl_module *module = NULL;
    bound_inputs bound = {0};
    sl_status status = sl_model_read_file(context, arena, path, SL_FORMAT_AUTO, &model);
    if (status) {
        note(o, status, "read", &m);
        goto done;
    }
    status = sl_import_model(context, model, NULL, &module);
    if (status) {
        messages again = {0};
        sink.self = &again;
        snprintf(path, sizeof path, "%s/test_data_set_0", folder);
        bind_small(arena, model, path, &bound);
        sl_import_options options = {.constant_count = bound.count, .constant_names = bound.names, .constant_values = bound.values};
        sl_status second = bound.count ? sl_import_model(context, model, &options, &module) : SL_ERROR(SL_UNSUPPORTED, "nothing to bind");
        if (!second) {
            sl_status_free(status);
            status = NULL;
            strcpy(o->text, "pass (bound)");
        }
        sl_status_free(second);
        sink.self = &m;
    }
    if (status) {
        note(o, status, "import", &m);
    } else if ((status = sl_module_verify(module)) != NULL) {
        note(o, status, "verify", &m);
    } else {
        for (volatile int set = 0; set < 100; set++) {
            snprintf(path, sizeof path, "%s/test_data_set_%d", folder, set);
            char probe[4200];
            snprintf(probe, sizeof probe, "%s/output_0.pb", path);
            if (!exists(probe) || strncmp(o->text, "pass", 4) != 0) break;
            sl_guard guard;
            if (SL_GUARD_ENTER(&guard)) {
                run_set(arena, module, path, &bound, rtol, atol, &m, o);
                sl_guard_leave(&guard);
            }
        }
    }
done:
    if (dump && module) {
        sl_guard guard;
        if (SL_GUARD_ENTER(&guard)) {
            sl_text text;
            sl_text_init(&text, arena);
            sl_print_options options;
            sl_print_options_init(&options);
            sl_module_print(&text, module, &options);
            fputs(text.data, stdout);
            sl_guard_leave(&guard);
        }
    }
    if (module) sl_module_destroy(module);
    sl_arena_destroy(arena);
    sl_context_destroy(context);
}

int main(int argc, char **argv)
{
    int passed = 0, wrong = 0, total = 0;
    bool quiet = false, dump = false;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--quiet")) quiet = true;
        else if (!strcmp(argv[i], "--dump")) dump = true;
        else {
            outcome o;
            size_t length = strlen(argv[i]);
            while (length > 1 && argv[i][length - 1] == '/') argv[i][--length] = 0;
            fflush(stdout);
            run_directory(argv[i], &o, dump);
            total++;
            passed += !strncmp(o.text, "pass", 4);
            wrong += !strncmp(o.text, "wrong", 5) || !strncmp(o.text, "verify", 6);
            const char *name = strrchr(argv[i], '/');
            if (!quiet || strncmp(o.text, "pass", 4) != 0) printf("%s: %s\n", name ? name + 1 : argv[i], o.text);
        }
    }
    printf("%d of %d pass, %d wrong\n", passed, total, wrong);
    return wrong != 0;
}
