/* precision.c: what the options say about precision, as the pass choose-precision takes it. */
#include "driver.h"
#include "sluice/calibration.h"

#include <string.h>

static const struct { const char *name; sl_precision precision; } precisions[] = {
    {"f32", SL_PRECISION_F32}, {"bf16", SL_PRECISION_BF16}, {"int8", SL_PRECISION_INT8}, {"observe", SL_PRECISION_OBSERVE},   /* the last one is what `sluice calibrate` runs */
};

sl_status sl_compilation_precision(sl_compilation *compilation, sl_pipeline_options *pipeline) {
    const char *name = compilation->options->precision, *file = compilation->options->calibration;
    if (!name) name = "f32";
    size_t at = 0, count = sizeof precisions / sizeof *precisions;
    while (at < count && strcmp(precisions[at].name, name) != 0) at++;
    if (at == count) return SL_ERROR(SL_INVALID_ARGUMENT, "unknown precision '%s'; known are f32, bf16 and int8", name);
    pipeline->precision = precisions[at].precision;
    if (file && pipeline->precision != SL_PRECISION_INT8) return SL_ERROR(SL_INVALID_ARGUMENT, "a calibration is for precision int8, not %s", name);
    if (pipeline->precision != SL_PRECISION_INT8) return NULL;
    if (!file) return NULL;                     /* matrix products by ranges of their rows */
    sl_guard guard;
    if (!SL_GUARD_ENTER(&guard)) return SL_ERROR(SL_OUT_OF_MEMORY, "no memory to read '%s'", file);
    sl_calibration calibration;
    sl_status status = sl_calibration_read(compilation->arena, file, &calibration);
    if (!status) {
        sl_range *ranges = SL_NEW_ARRAY(compilation->arena, sl_range, (size_t)calibration.count + 1);
        for (int i = 0; i < calibration.count; i++) ranges[i] = (sl_range){calibration.ranges[i].name, calibration.ranges[i].low, calibration.ranges[i].high};
        pipeline->ranges = ranges, pipeline->range_count = calibration.count;
    }
    sl_guard_leave(&guard);
    return status;
}
