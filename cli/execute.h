/* execute.h: one way to run a model for the commands: compiled, or by the reference evaluator. */
#ifndef SLUICE_EXECUTE_H
#define SLUICE_EXECUTE_H

#include "cli.h"

typedef struct cli_model {
    sluice_context *host;
    sl_compilation compilation;   /* arena NULL once it belongs to the program */
    bool reference;
    sluice_program *program;
    sluice_session *session;
    sl_arena *arena;              /* for results of the evaluator and descriptions */
    int input_count, output_count;
    sluice_value_description *inputs, *outputs;
    double compile_milliseconds;
} cli_model;

/* Loads, and compiles unless `reference`. On failure the message is printed and the status returned; close in any case. */
SL_MUST_USE sl_status cli_model_open(cli_model *model, const char *path, const cli_options *options, bool reference, bool counters);
void cli_model_close(cli_model *model);
SL_MUST_USE sl_status cli_model_run(cli_model *model, const DLTensor *inputs, DLTensor *outputs);
/* Tensors of "NAME=FILE", "FILE" and "NAME=random", in the order of the model's inputs; an error when one is missing. */
SL_MUST_USE sl_status cli_read_inputs(cli_model *model, int count, const char *const *inputs, sl_tensor **tensors);
int cli_model_find_input(const cli_model *model, const char *name);

/* Compares as NumPy's allclose with NaN equal to NaN. False with words in `why` (of `size` bytes). */
bool cli_compare(const DLTensor *got, const sl_tensor *want, double rtol, double atol, char *why, size_t size);

/* report.c: what the last run executed, kernel by kernel and branch by branch, against the same run without skipping. */
void cli_report(cli_model *model, bool json);

#endif
