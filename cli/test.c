/* test.c: `sluice test`: ONNX test directories: model.onnx beside test_data_set_<n>/input_<i>.pb and output_<i>.pb.
 *
 * Operands that must be known while compiling (axes, sizes, ...) are model inputs in many of ONNX's tests. When a model does not compile as it is, its small
 * inputs are made constants by their values in the first data set and it is tried again; a test that passes so says which inputs were bound.
 * Models with random numbers are compared by shapes and types alone, since the stream is Sluice's own.
 *
 * On a wrong result the first diverging op is named: the model is evaluated by the reference, then compiled once more with every intermediate tensor as an
 * output, and the two are compared in program order. */
#include "execute.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0;
}

typedef struct observed { sl_op *op; int result; sl_tensor tensor; } observed;
typedef struct observer { sl_arena *arena; SL_VEC(observed) seen; sl_block *top; } observer;

static void observe(void *self, sl_op *op, int result, const sl_tensor *tensor) {
    observer *into = self;
    if (sl_op_block(op) != into->top) return;
    observed item = {op, result, *tensor};
    item.tensor.data = sl_arena_copy(into->arena, tensor->data, (size_t)tensor->size);
    SL_PUSH(into->arena, &into->seen, item);
}

/* Makes every tensor of @main's top block an output, in order; returns how many. */
static int expose_intermediates(sl_module *module, sl_arena *arena, sl_op ***ops, int **results) {
    sl_op *function = sl_module_find(module, "main");
    sl_block *block = sl_op_body(function, 0);
    sl_op *end = sl_block_terminator(block);
    while (sl_op_operand_count(end) > 0) sl_op_erase_operand(end, 0);
    sl_op_set_attr(function, "output_names", NULL);
    sl_op_set_attr(function, "output_types", NULL);
    SL_VEC(sl_op *) list = {0};
    SL_VEC(int) numbers = {0};
    for (sl_op *op = sl_block_first(block); op != end; op = sl_op_next(op)) {
        if (sl_op_get_kind(op) == SL_OP_core_constant) continue;
        for (int r = 0; r < sl_op_result_count(op); r++) {
            sl_value *value = sl_op_result(op, r);
            if (!sl_type_is_tensor(sl_value_type(value)) || !sl_type_is_ranked(sl_value_type(value))) continue;
            sl_op_insert_operand(end, sl_op_operand_count(end), value);
            SL_PUSH(arena, &list, op);
            SL_PUSH(arena, &numbers, r);
        }
    }
    *ops = list.data;
    *results = numbers.data;
    return (int)list.count;
}

/* Prints the first op whose compiled result differs from the reference's. */
static sl_status find_divergence(const char *model_path, const cli_options *options, int input_count, const DLTensor *inputs, sl_tensor *const *tensors) {
    cli_model reference;
    sl_status status = cli_model_open(&reference, model_path, options, true, false);
    if (!status) {
        sl_module *module = reference.compilation.module;
        observer into = {.arena = reference.arena, .top = sl_op_body(sl_module_find(module, "main"), 0)};
        sl_eval_options eval;
        sl_eval_options_init(&eval);
        eval.observe = observe;
        eval.self = &into;
        sl_tensor **outputs = SL_NEW_ARRAY(reference.arena, sl_tensor *, (size_t)reference.output_count);
        status = sl_eval_function(module, "main", reference.arena, &eval, input_count, (const sl_tensor *const *)tensors, reference.output_count, outputs);
        sl_op **ops = NULL;
        int *results = NULL;
        int count = status ? 0 : expose_intermediates(module, reference.arena, &ops, &results);
        /* Lowering replaces the ops: remember how they describe themselves. */
        const char **names = SL_NEW_ARRAY(reference.arena, const char *, (size_t)count);
        for (int i = 0; i < count; i++) {
            sl_text text;
            sl_text_init(&text, reference.arena);
            sl_text_append(&text, "%s, from ", sl_op_name(ops[i]));
            sl_loc_describe(&text, sl_op_loc(ops[i]));
            names[i] = text.data;
        }
        if (!status) status = sl_compilation_lower(&reference.compilation);
        if (!status) status = sl_compilation_generate(&reference.compilation, &reference.program);
        sluice_session_options session;
        sluice_session_options_init(&session);
        if (!status && sluice_session_create(reference.program, &session, &reference.session) != SLUICE_OK) status = SL_ERROR(SL_OUT_OF_MEMORY, "no session");
        DLTensor *got = SL_NEW_ARRAY(reference.arena, DLTensor, (size_t)count);
        if (!status && sluice_session_run(reference.session, inputs, input_count, got, count) != SLUICE_OK) status = SL_ERROR(SL_RUN_TIME, "%s", sluice_last_error(reference.host));
        bool found = false;
        for (int i = 0; !status && !found && i < count; i++) {
            for (size_t k = 0; k < into.seen.count && !found; k++) {
                char why[512];
                if (into.seen.data[k].op != ops[i] || into.seen.data[k].result != results[i]) continue;
                found = !cli_compare(&got[i], &into.seen.data[k].tensor, options->rtol, options->atol, why, sizeof why);
                if (found) printf("  first diverging op: %s: %s\n", names[i], why);
            }
        }
        if (!status && !found) printf("  every op agrees with the reference evaluator when compiled with all intermediate results kept: the fault is in fusion, or in the import of an op\n");
    }
    cli_model_close(&reference);
    return status;
}

typedef struct outcome { bool passed; sl_code code; char message[1024]; char bound[256]; } outcome;

/* Which input files are bound to constants: one flag per file. */
typedef struct bound_files { bool is[CLI_MAX_LIST]; int count; } bound_files;

static bool find_random(void *self, sl_op *op) {
    bool *found = self;
    *found |= sl_op_has_trait(op, SL_TRAIT_RANDOM);
    return !*found;
}

/* Whether the model at `path` draws random numbers; decided only after a comparison failed. */
static bool draws_random(const char *path, const cli_options *options) {
    cli_model model;
    bool found = false;
    sl_status status = cli_model_open(&model, path, options, true, false);
    if (!status) sl_block_walk(sl_module_body(model.compilation.module), find_random, &found);
    sl_status_free(status);
    cli_model_close(&model);
    return found;
}

static bool same_shape(const DLTensor *got, const sl_tensor *want) {
    sl_element element;
    bool same = cli_element_of(got->dtype, &element) && element == want->element && got->ndim == want->rank;
    for (int d = 0; same && d < want->rank; d++) same = got->shape[d] == want->shape[d];
    return same;
}

static sl_status run_set(cli_model *model, const char *model_path, const char *folder, const cli_options *options, const bound_files *bound, outcome *result) {
    sl_tensor **tensors = SL_NEW_ARRAY(model->arena, sl_tensor *, (size_t)model->input_count);
    DLTensor *inputs = SL_NEW_ARRAY(model->arena, DLTensor, (size_t)model->input_count), *outputs = SL_NEW_ARRAY(model->arena, DLTensor, (size_t)model->output_count);
    for (int i = 0, file = 0; i < model->input_count; i++, file++) {
        while (file < CLI_MAX_LIST && bound->is[file]) file++;
        SL_TRY(cli_tensor_read(model->arena, sl_arena_printf(model->arena, "%s/input_%d.pb", folder, file), &tensors[i]));
        inputs[i] = cli_tensor_view(tensors[i]);
    }
    SL_TRY(cli_model_run(model, inputs, outputs));
    for (int i = 0; i < model->output_count; i++) {
        sl_tensor *want;
        char why[512];
        const char *path = sl_arena_printf(model->arena, "%s/output_%d.pb", folder, i);
        if (!exists(path)) break;   /* ONNX keeps no data for outputs that it does not check */
        SL_TRY(cli_tensor_read(model->arena, path, &want));
        if (cli_compare(&outputs[i], want, options->rtol, options->atol, why, sizeof why)) continue;
        if (same_shape(&outputs[i], want) && draws_random(model_path, options)) continue;
        snprintf(result->message, sizeof result->message, "output %d ('%s') is wrong: %s", i, model->outputs[i].name, why);
        result->passed = false;
        if (!model->reference) {
            printf("FAIL %s: %s\n", folder, result->message);
            sl_status status = find_divergence(model_path, options, model->input_count, inputs, tensors);
            if (status) printf("  the first diverging op could not be found: %s\n", sl_status_message(status));
            sl_status_free(status);
        }
        return NULL;
    }
    return NULL;
}

/* Adds "name=[values]" for each small input of the first data set to the options. */
static void bind_small(const char *directory, cli_options *options, sl_arena *arena, bound_files *bound, outcome *result) {
    for (int i = 0; i < CLI_MAX_LIST && options->shapes_count < CLI_MAX_LIST; i++) {
        const char *path = sl_arena_printf(arena, "%s/test_data_set_0/input_%d.pb", directory, i), *name;
        sl_tensor *tensor;
        if (!exists(path)) return;
        sl_status status = sl_tensor_proto_read(arena, path, &tensor, &name);
        if (status || tensor->rank > 1 || sl_tensor_count(tensor) > 16 || tensor->element == SL_ELEMENT_str || !name || !name[0]) {
            sl_status_free(status);
            continue;
        }
        sl_text text;
        sl_text_init(&text, arena);
        sl_text_append(&text, "%s=[", name);
        for (int64_t k = 0; k < sl_tensor_count(tensor); k++) {
            if (sl_element_is_float(tensor->element)) sl_text_append(&text, "%s%.17g", k ? "," : "", sl_element_load_float(tensor->element, tensor->data, k));
            else sl_text_append(&text, "%s%lld", k ? "," : "", (long long)sl_element_load_int(tensor->element, tensor->data, k));
        }
        sl_text_append(&text, "]");
        options->shapes[options->shapes_count++] = text.data;
        bound->is[i] = true;
        size_t used = strlen(result->bound);
        snprintf(result->bound + used, sizeof result->bound - used, "%s%s", used ? ", " : "", name);
        bound->count++;
    }
}

static bool bind_guarded(const char *directory, cli_options *options, sl_arena *arena, bound_files *bound, outcome *result) {
    sl_guard guard;
    if (!SL_GUARD_ENTER(&guard)) return false;
    bind_small(directory, options, arena, bound, result);
    sl_guard_leave(&guard);
    return bound->count > 0;
}

static sl_status run_sets(cli_model *model, const char *model_path, const char *directory, const cli_options *options, const bound_files *bound, outcome *result) {
    char folder[4096];
    sl_guard guard;
    if (!SL_GUARD_ENTER(&guard)) return SL_ERROR(SL_OUT_OF_MEMORY, "no memory to run %s", directory);
    sl_status status = NULL;
    int sets = 0;
    for (result->passed = true; result->passed && !status; sets++) {
        snprintf(folder, sizeof folder, "%s/test_data_set_%d", directory, sets);
        if (!exists(folder)) break;
        status = run_set(model, model_path, folder, options, bound, result);
    }
    sl_guard_leave(&guard);
    if (!status && sets == 0) status = SL_ERROR(SL_NOT_FOUND, "%s: no test_data_set_0 in this folder", directory);
    return status;
}

static sl_status run_directory(const char *directory, const cli_options *options, outcome *result) {
    char model_path[4096];
    snprintf(model_path, sizeof model_path, "%s/model.onnx", directory);
    if (!exists(model_path)) return SL_ERROR(SL_NOT_FOUND, "%s: no model.onnx in this folder", directory);
    cli_model model;
    bound_files none = {0}, bound = {0};
    sl_status status = cli_model_open(&model, model_path, options, options->reference, false);
    sl_code code = sl_status_code(status);
    if (!status) {
        status = run_sets(&model, model_path, directory, options, &none, result);
    } else if (code == SL_INVALID_MODEL || code == SL_UNSUPPORTED) {
        cli_options own = *options;
        sl_allocator system = sl_allocator_system();
        sl_arena *scratch = sl_arena_create(&system, 0);
        cli_model again = {0};
        if (scratch && bind_guarded(directory, &own, scratch, &bound, result)) {
            sl_status second = cli_model_open(&again, model_path, &own, own.reference, false);
            if (second) {
                sl_status_free(second);
                result->bound[0] = 0;
            } else {
                sl_status_free(status);
                status = run_sets(&again, model_path, directory, &own, &bound, result);
            }
            cli_model_close(&again);
        }
        if (scratch) sl_arena_destroy(scratch);
    }
    cli_model_close(&model);
    return status;
}

/* One JSON line. */
static void write_summary(FILE *summary, const char *directory, const char *word, const char *message) {
    sl_allocator system = sl_allocator_system();
    sl_arena *arena = sl_arena_create(&system, 0);
    sl_guard guard;
    if (arena && SL_GUARD_ENTER(&guard)) {
        sl_text text;
        sl_text_init(&text, arena);
        sl_text_append(&text, "{\"test\": ");
        sl_text_append_quoted(&text, directory);
        sl_text_append(&text, ", \"result\": \"%s\", \"message\": ", word);
        sl_text_append_quoted(&text, message);
        fprintf(summary, "%s}\n", text.data);
        fflush(summary);
        sl_guard_leave(&guard);
    }
    if (arena) sl_arena_destroy(arena);
}

int cli_test(const cli_options *options) {
    if (options->file_count == 0) return cli_error("test needs directories; see `sluice test --help`"), EXIT_USAGE;
    FILE *summary = NULL;
    if (options->summary && !(summary = fopen(options->summary, "w"))) return cli_error("can't write %s", options->summary), EXIT_SYSTEM;
    int failed = 0, code = EXIT_OK;
    for (int i = 0; i < options->file_count; i++) {
        outcome result = {0};
        sl_status status = run_directory(options->files[i], options, &result);
        const char *word = "pass";
        if (status) {
            result.passed = false;
            result.code = sl_status_code(status);
            snprintf(result.message, sizeof result.message, "%s", sl_status_message(status));
            sl_status_free(status);
            word = result.code == SL_UNSUPPORTED ? "unsupported" : "error";
            printf("FAIL %s: %s\n", options->files[i], result.message);
        } else if (!result.passed) {
            word = "wrong";
            if (options->reference) printf("FAIL %s: %s\n", options->files[i], result.message);
        } else {
            if (result.bound[0]) snprintf(result.message, sizeof result.message, "bound: %s", result.bound);
            printf("PASS %s%s%s%s\n", options->files[i], result.bound[0] ? " (bound: " : "", result.bound, result.bound[0] ? ")" : "");
        }
        if (!result.passed) {
            failed++;
            int own = result.code == SL_OK ? EXIT_FAILED : cli_exit_code((sluice_code)result.code);
            code = options->file_count == 1 ? own : EXIT_FAILED;
        }
        if (summary) write_summary(summary, options->files[i], word, result.message);
    }
    if (summary && fclose(summary) != 0) return cli_error("can't write %s", options->summary), EXIT_SYSTEM;
    if (options->file_count > 1) printf("%d passed, %d failed\n", options->file_count - failed, failed);
    return code;
}
