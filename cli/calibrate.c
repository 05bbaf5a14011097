/* calibrate.c: `sluice calibrate`: runs a model on sample inputs and writes what its activations ranged over, for --precision=int8.
 *
 * The model is compiled with two more outputs for each sum of products, the least and the greatest of what it reads (the pass choose-precision makes them); the ranges are their
 * extremes over all samples. The n-th --input of a name belongs to the n-th sample; an input given once belongs to all. */
#include "execute.h"
#include "sluice/calibration.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Inputs of sample `sample`: of those with one name the sample's own, or the only one. */
static int pick_inputs(const cli_options *options, int sample, const char **picked, int *samples) {
    int count = 0;
    for (int i = 0; i < options->inputs_count; i++) {
        size_t length = strcspn(options->inputs[i], "=");
        int before = 0, all = 0;
        bool named = options->inputs[i][length] == '=';
        for (int k = 0; k < options->inputs_count; k++) {
            bool same = named ? strncmp(options->inputs[k], options->inputs[i], length + 1) == 0 : !strchr(options->inputs[k], '=');
            all += same, before += same && k < i;
        }
        if (samples && all > *samples) *samples = all;
        if (before == sample || all == 1) picked[count++] = options->inputs[i];
    }
    return count;
}

static sl_status calibrate(cli_model *model, const cli_options *options) {
    const char *picked[CLI_MAX_LIST], *prefix = "range:";
    int samples = 1, first = model->output_count;
    pick_inputs(options, 0, picked, &samples);
    while (first > 0 && strncmp(model->outputs[first - 1].name, prefix, strlen(prefix)) == 0) first--;
    int count = (model->output_count - first) / 2;
    if (count == 0) return SL_ERROR(SL_UNSUPPORTED, "nothing to calibrate: the model has no sums of products of f32 activations and constant weights outside of branches");
    sl_calibration calibration = {SL_NEW_ARRAY(model->arena, sl_calibrated_range, (size_t)count), count};
    for (int i = 0; i < count; i++) {
        const char *name = model->outputs[first + 2 * i].name + strlen(prefix);
        calibration.ranges[i] = (sl_calibrated_range){sl_arena_strndup(model->arena, name, strlen(name) - strlen(":low")), INFINITY, -INFINITY};
    }
    DLTensor *inputs = SL_NEW_ARRAY(model->arena, DLTensor, (size_t)model->input_count), *outputs = SL_NEW_ARRAY(model->arena, DLTensor, (size_t)model->output_count);
    for (int sample = 0; sample < samples; sample++) {
        sl_tensor **tensors = SL_NEW_ARRAY(model->arena, sl_tensor *, (size_t)model->input_count);
        int given = pick_inputs(options, sample, picked, NULL);
        SL_TRY(cli_read_inputs(model, given, picked, tensors));
        for (int i = 0; i < model->input_count; i++) inputs[i] = cli_tensor_view(tensors[i]);
        memset(outputs, 0, sizeof *outputs * (size_t)model->output_count);
        SL_TRY(cli_model_run(model, inputs, outputs));
        for (int i = 0; i < count; i++) {
            float low = *(const float *)outputs[first + 2 * i].data, high = *(const float *)outputs[first + 2 * i + 1].data;
            sl_calibrated_range *range = &calibration.ranges[i];
            if (!isfinite(low) || !isfinite(high)) return SL_ERROR(SL_INVALID_ARGUMENT, "sample %d: what %s reads is not finite, so it has no range", sample + 1, range->name);
            range->low = fmin(range->low, low), range->high = fmax(range->high, high);
        }
    }
    SL_TRY(sl_calibration_write(model->arena, options->output, &calibration));
    printf("%s: %d ranges from %d sample%s\n", options->output, count, samples, samples == 1 ? "" : "s");
    return NULL;
}

int cli_calibrate(const cli_options *options) {
    if (options->file_count != 1 || !options->output) return cli_error("calibrate needs one model and -o FILE; see `sluice calibrate --help`"), EXIT_USAGE;
    static cli_options observing;   /* large; the process has one command */
    observing = *options;
    observing.precision = "observe";
    cli_model model;
    sl_status status = cli_model_open(&model, options->files[0], &observing, false, false);
    sl_guard guard;
    if (!status) {
        if (SL_GUARD_ENTER(&guard)) {
            status = calibrate(&model, options);
            sl_guard_leave(&guard);
        } else {
            status = SL_ERROR(SL_OUT_OF_MEMORY, "no memory");
        }
    }
    int code = cli_fail(status);
    cli_model_close(&model);
    return code;
}
