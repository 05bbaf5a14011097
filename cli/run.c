/* run.c: `sluice run`: inputs from files, outputs as a summary or as files, times, what was executed, accuracy. */
#include "execute.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A made-up input: uniform in [0, 1) for floats, small non-negative integers else; the same every time. Unbound dims are 1. */
static sl_tensor *make_up(cli_model *model, int index) {
    const sluice_value_description *value = &model->inputs[index];
    sl_element element;
    if (value->rank < 0 || !cli_element_of(value->dtype, &element)) return NULL;
    int64_t shape[SL_MAX_RANK], count = 1;
    for (int d = 0; d < value->rank; d++) {
        shape[d] = value->dims[d] >= 0 ? value->dims[d] : 1;
        count *= shape[d];
    }
    sl_tensor *tensor = sl_tensor_alloc(model->arena, element, value->rank, shape);
    uint64_t state = 0x9E3779B97F4A7C15u + (uint64_t)index;
    for (int64_t i = 0; i < count; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        if (sl_element_is_float(element)) sl_element_store_float(element, tensor->data, i, (double)(state >> 40) / (1 << 24));
        else sl_element_store_int(element, tensor->data, i, (int64_t)(state >> 62) & (element == SL_ELEMENT_i1 ? 1 : 3));
    }
    return tensor;
}

sl_status cli_read_inputs(cli_model *model, int count, const char *const *inputs, sl_tensor **tensors) {
    for (int i = 0; i < count; i++) {
        const char *text = inputs[i], *equals = strchr(text, '=');
        const char *file = equals ? equals + 1 : text;
        int index = 0;
        if (equals) {
            const char *name = sl_arena_strndup(model->arena, text, (size_t)(equals - text));
            index = cli_model_find_input(model, name);
            if (index < 0) {
                sl_text known;
                sl_text_init(&known, model->arena);
                for (int k = 0; k < model->input_count; k++) sl_text_append(&known, "%s'%s'", k ? ", " : "", model->inputs[k].name);
                return SL_ERROR(SL_INVALID_ARGUMENT, "the model has no input '%s'; it has %s", name, known.data ? known.data : "none");
            }
        } else if (model->input_count != 1) {
            return SL_ERROR(SL_INVALID_ARGUMENT, "the model has %d inputs: write --input NAME=%s", model->input_count, file);
        }
        if (strcmp(file, "random") == 0) tensors[index] = make_up(model, index);
        else SL_TRY(cli_tensor_read(model->arena, file, &tensors[index]));
    }
    for (int i = 0; i < model->input_count; i++)
        if (!tensors[i]) return SL_ERROR(SL_INVALID_ARGUMENT, "input '%s' is missing: give --input %s=FILE.npy, or %s=random", model->inputs[i].name, model->inputs[i].name, model->inputs[i].name);
    return NULL;
}

static void print_output(const char *name, const DLTensor *tensor) {
    sl_element element;
    printf("%s: ", name);
    if (!cli_element_of(tensor->dtype, &element)) {
        printf("?\n");
        return;
    }
    int64_t count = 1;
    printf("%s[", sl_element_name(element));
    for (int d = 0; d < tensor->ndim; d++) {
        printf("%s%lld", d ? ", " : "", (long long)tensor->shape[d]);
        count *= tensor->shape[d];
    }
    printf("] =");
    const void *data = (const uint8_t *)tensor->data + tensor->byte_offset;
    for (int64_t i = 0; i < count && i < 8; i++) {
        if (sl_element_is_float(element)) printf(" %.7g", sl_element_load_float(element, data, i));
        else printf(" %lld", (long long)sl_element_load_int(element, data, i));
    }
    printf("%s\n", count > 8 ? " ..." : "");
}

static int by_time(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Accuracy of arg-max over the last dim of the first output against class labels. */
static sl_status print_accuracy(cli_model *model, const char *path, const DLTensor *output) {
    sl_tensor *labels;
    SL_TRY(cli_tensor_read(model->arena, path, &labels));
    sl_element element;
    int64_t classes = output->ndim > 0 ? output->shape[output->ndim - 1] : 1, rows = 1;
    for (int d = 0; d + 1 < output->ndim; d++) rows *= output->shape[d];
    if (!cli_element_of(output->dtype, &element) || !sl_element_is_float(element) || sl_tensor_count(labels) != rows)
        return SL_ERROR(SL_INVALID_ARGUMENT, "%s holds %lld labels, the first output has %lld rows", path, (long long)sl_tensor_count(labels), (long long)rows);
    int64_t right = 0;
    for (int64_t r = 0; r < rows; r++) {
        int64_t best = 0;
        for (int64_t c = 1; c < classes; c++)
            if (sl_element_load_float(element, output->data, r * classes + c) > sl_element_load_float(element, output->data, r * classes + best)) best = c;
        right += best == sl_element_load_int(labels->element, labels->data, r);
    }
    printf("accuracy: %.2f %% (%lld of %lld)\n", 100.0 * (double)right / (double)rows, (long long)right, (long long)rows);
    return NULL;
}

static sl_status run_and_record(cli_model *model, const cli_options *options, const DLTensor *inputs, DLTensor *outputs, double *times, sluice_profile *profile) {
    for (long long i = 0; i < options->repeat; i++) {
        memset(outputs, 0, sizeof *outputs * (size_t)model->output_count);
        double start = cli_now_milliseconds();
        SL_TRY(cli_model_run(model, inputs, outputs));
        times[i] = cli_now_milliseconds() - start;
        if (profile && sluice_profile_record(profile, model->session) != SLUICE_OK) return SL_ERROR(SL_INTERNAL, "%s", sluice_last_error(model->host));
    }
    if (profile && sluice_profile_write(profile, options->profile_out) != SLUICE_OK) return SL_ERROR(SL_IO, "%s", sluice_last_error(model->host));
    return NULL;
}

static sl_status repeat(cli_model *model, const cli_options *options, const DLTensor *inputs, DLTensor *outputs, double *times) {
    sluice_profile *profile = NULL;
    if (options->profile_out && model->reference) return SL_ERROR(SL_INVALID_ARGUMENT, "--profile-out needs compiled code, not --reference");
    if (options->profile_out && sluice_profile_create(model->host, &profile) != SLUICE_OK) return SL_ERROR(SL_OUT_OF_MEMORY, "%s", sluice_last_error(model->host));
    sl_status status = run_and_record(model, options, inputs, outputs, times, profile);
    sluice_profile_destroy(profile);
    return status;
}

static sl_status run(cli_model *model, const cli_options *options, int *exit_code) {
    sl_tensor **tensors = SL_NEW_ARRAY(model->arena, sl_tensor *, (size_t)model->input_count);
    DLTensor *inputs = SL_NEW_ARRAY(model->arena, DLTensor, (size_t)model->input_count), *outputs = SL_NEW_ARRAY(model->arena, DLTensor, (size_t)model->output_count);
    SL_TRY(cli_read_inputs(model, options->inputs_count, options->inputs, tensors));
    for (int i = 0; i < model->input_count; i++) inputs[i] = cli_tensor_view(tensors[i]);
    double *times = SL_NEW_ARRAY(model->arena, double, (size_t)options->repeat);
    if (options->repeat > 1) {
        memset(outputs, 0, sizeof *outputs * (size_t)model->output_count);
        SL_TRY(cli_model_run(model, inputs, outputs));   /* warm-up */
    }
    SL_TRY(repeat(model, options, inputs, outputs, times));
    if (!options->report_json) for (int i = 0; i < model->output_count; i++) print_output(model->outputs[i].name, &outputs[i]);
    if (!model->reference && !options->report_json) {
        qsort(times, (size_t)options->repeat, sizeof *times, by_time);
        printf("time: %.3f ms", times[options->repeat / 2]);
        if (options->repeat > 1) printf(" median of %lld (least %.3f, most %.3f)", options->repeat, times[0], times[options->repeat - 1]);
        printf("; compiled in %.0f ms; memory %.1f MiB\n", model->compile_milliseconds, (double)sluice_session_peak_bytes(model->session) / 1048576.0);
    }
    if (options->output_dir) {
        if (mkdir(options->output_dir, 0777) != 0 && errno != EEXIST) return SL_ERROR(SL_IO, "can't make the folder %s: %s", options->output_dir, strerror(errno));
        for (int i = 0; i < model->output_count; i++) {
            char *name = sl_arena_strdup(model->arena, model->outputs[i].name);
            for (char *at = name; *at; at++)
                if (*at == '/' || *at == ':') *at = '_';
            SL_TRY(cli_npy_write(model->arena, sl_arena_printf(model->arena, "%s/%s.npy", options->output_dir, name), &outputs[i]));
        }
    }
    if (options->labels && model->output_count > 0) SL_TRY(print_accuracy(model, options->labels, &outputs[0]));
    if (options->expect && model->output_count > 0) {
        sl_tensor *want;
        char why[512];
        SL_TRY(cli_tensor_read(model->arena, options->expect, &want));
        if (cli_compare(&outputs[0], want, options->rtol, options->atol, why, sizeof why)) printf("as expected: %s\n", options->expect);
        else {
            cli_error("output '%s' differs from %s: %s", model->outputs[0].name, options->expect, why);
            *exit_code = EXIT_FAILED;
        }
    }
    if ((options->report || options->report_json) && !model->reference) cli_report(model, options->report_json);
    return NULL;
}

int cli_run(const cli_options *options) {
    if (options->file_count != 1) return cli_error("run needs one model; see `sluice run --help`"), EXIT_USAGE;
    cli_model model;
    int exit_code = EXIT_OK;
    sl_status status = cli_model_open(&model, options->files[0], options, options->reference, options->report || options->report_json || options->profile_out);
    if (!status) {
        sl_guard guard;
        if (SL_GUARD_ENTER(&guard)) {
            status = run(&model, options, &exit_code);
            sl_guard_leave(&guard);
        } else {
            status = SL_ERROR(SL_OUT_OF_MEMORY, "no memory");
        }
    }
    if (status) exit_code = cli_fail(status);
    cli_model_close(&model);
    return exit_code;
}
