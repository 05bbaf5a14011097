/* cli.h: what the commands of `sluice` share: options from one table, files of arrays, exit codes. The command line is the one place that prints and exits. */
#ifndef SLUICE_CLI_H
#define SLUICE_CLI_H

#include "driver.h"

enum {                      /* exit codes, documented in --help and docs/cli.md */
    EXIT_OK = 0,
    EXIT_FAILED = 1,        /* a comparison or test failed */
    EXIT_USAGE = 2,         /* the command line is wrong */
    EXIT_MODEL = 3,         /* the model or an input is bad or unsupported */
    EXIT_SYSTEM = 4,        /* a file, memory or the machine refused */
    EXIT_RUN = 5,           /* the compiled program failed while running */
};
int cli_exit_code(sluice_code code);

enum { CLI_MAX_LIST = 256 };

typedef enum cli_command_bit {
    CLI_RUN = 1 << 0, CLI_COMPILE = 1 << 1, CLI_OPT = 1 << 2, CLI_TEST = 1 << 3, CLI_INSPECT = 1 << 4, CLI_OPS = 1 << 5, CLI_CALIBRATE = 1 << 6,
} cli_command_bit;

/* Values of all options of options.def: name -> field. */
typedef struct cli_options {
#define CLI_FLAG(field, flag, commands, doc) bool field;
#define CLI_TEXT(field, flag, argument, commands, doc) const char *field;
#define CLI_NUMBER(field, flag, argument, initial, least, commands, doc) long long field;
#define CLI_REAL(field, flag, argument, initial, commands, doc) double field;
#define CLI_LIST(field, flag, argument, commands, doc) const char *field[CLI_MAX_LIST]; int field##_count;
#include "options.def"
#undef CLI_FLAG
#undef CLI_TEXT
#undef CLI_NUMBER
#undef CLI_REAL
#undef CLI_LIST
    const char *files[CLI_MAX_LIST];
    int file_count;
} cli_options;

/* Parses argv behind the command's name. Prints what is wrong and returns false. */
bool cli_options_parse(cli_options *options, unsigned command, const char *command_name, int argc, char **argv);
void cli_options_help(unsigned command);

/* Makes bindings (in options->shapes) of the values of --constant; their texts live in the arena. */
SL_MUST_USE sl_status cli_constants(cli_options *options, sl_arena *arena);
/* Fills in the compiler's options from the command line's. `bindings` needs room for CLI_MAX_LIST + 1. */
void cli_compile_options(const cli_options *options, sluice_compile_options *compile, const char **bindings);
sluice_context *cli_context_create(void);   /* prints diagnostics to stderr; exits when there is no memory */

int cli_run(const cli_options *options);
int cli_compile(const cli_options *options);
int cli_opt(const cli_options *options);
int cli_test(const cli_options *options);
int cli_inspect(const cli_options *options);
int cli_ops(const cli_options *options);
int cli_calibrate(const cli_options *options);

SL_PRINTF(1, 2) void cli_error(const char *format, ...);
/* Prints the status' message, unless it was printed as a diagnostic before; frees it; returns its exit code (EXIT_OK for NULL). */
int cli_fail(sl_status status);

/* ---- .npy files (numpy.lib.format, versions 1.0 to 3.0) ---- */
SL_MUST_USE sl_status cli_npy_read(sl_arena *arena, const char *path, sl_tensor **tensor);
SL_MUST_USE sl_status cli_npy_write(sl_arena *arena, const char *path, const DLTensor *tensor);
/* One tensor from a file: .npy or .pb (TensorProto). */
SL_MUST_USE sl_status cli_tensor_read(sl_arena *arena, const char *path, sl_tensor **tensor);

/* A view of an sl_tensor for the host API; shape is borrowed. */
DLTensor cli_tensor_view(const sl_tensor *tensor);
bool cli_element_of(DLDataType type, sl_element *element);
double cli_now_milliseconds(void);

#endif
