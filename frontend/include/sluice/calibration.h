/* calibration.h: ranges of activations from sample inputs, as a JSON file: what `--precision=int8` needs.
 *
 *     {"format": "sluice-calibration", "version": 1, "ranges": {"/conv1/Conv": [-2.1, 2.64], ...}}
 *
 * Keys name the op that reads the activation: the ONNX node's name, with #2, #3, ... when it became several ops. */
#ifndef SLUICE_CALIBRATION_H
#define SLUICE_CALIBRATION_H

#include "sluice/memory.h"
#include "sluice/status.h"

typedef struct sl_calibrated_range { const char *name; double low, high; } sl_calibrated_range;
typedef struct sl_calibration { sl_calibrated_range *ranges; int count; } sl_calibration;

/* Everything hangs off the arena. Faults are located errors. */
SL_MUST_USE sl_status sl_calibration_read(sl_arena *arena, const char *path, sl_calibration *calibration);
SL_MUST_USE sl_status sl_calibration_write(sl_arena *arena, const char *path, const sl_calibration *calibration);

#endif
