/* main.c: `sluice`: dispatches to a command. */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct command_row { const char *name, *usage, *doc; unsigned bit; int (*run)(const cli_options *options); const char *example; } command_row;

static const command_row commands[] = {
    {"run", "sluice run MODEL [--input NAME=FILE]... [options]", "compile a model and run it", CLI_RUN, cli_run,
     "sluice run model.onnx --input x=x.npy --report\n  sluice run model.json --input x=random --shape batch=8 --repeat 20"},
    {"compile", "sluice compile MODEL [--emit ir|llvm|asm] [-o FILE] [options]", "compile a model: check it, or write it as a program, an object or text", CLI_COMPILE, cli_compile,
     "sluice compile model.onnx -o model.slp && sluice run model.slp --input x=x.npy\n  sluice compile model.onnx -o model.o --header model.h --target aarch64\n  sluice compile model.onnx --emit=asm -o model.s --target x86-64-v3"},
    {"opt", "sluice opt FILE [--passes LIST] [-o FILE] [options]", "run passes over a model or text IR and print the IR", CLI_OPT, cli_opt,
     "sluice opt in.sl --passes=simplify,fuse -o out.sl\n  sluice opt model.onnx --passes=infer-shapes,simplify"},
    {"test", "sluice test DIR... [options]", "run ONNX test directories (model.onnx, test_data_set_*/): exit 0 only when all pass", CLI_TEST, cli_test,
     "sluice test node/test_add"},
    {"inspect", "sluice inspect MODEL [options]", "say what a model holds: ops, shapes, parameters, work, branches, zeros", CLI_INSPECT, cli_inspect, "sluice inspect model.onnx"},
    {"calibrate", "sluice calibrate MODEL --input NAME=FILE... -o FILE [options]", "run a model on samples and write the ranges of its activations, for --precision=int8", CLI_CALIBRATE, cli_calibrate,
     "sluice calibrate model.onnx --input x=first.npy --input x=second.npy -o ranges.json\n  sluice run model.onnx --input x=x.npy --precision=int8 --calibration=ranges.json"},
    {"ops", "sluice ops [--onnx] [--json]", "list the ops of the IR, or the ONNX ops that can be imported", CLI_OPS, cli_ops, "sluice ops --onnx"},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

void cli_error(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "sluice: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
}

int cli_exit_code(sluice_code code) {
    switch (code) {
    case SLUICE_OK: return EXIT_OK;
    case SLUICE_INVALID_ARGUMENT: return EXIT_USAGE;
    case SLUICE_INVALID_MODEL:
    case SLUICE_UNSUPPORTED: return EXIT_MODEL;
    case SLUICE_NOT_FOUND:
    case SLUICE_IO:
    case SLUICE_OUT_OF_MEMORY:
    case SLUICE_OVERFLOW: return EXIT_SYSTEM;
    case SLUICE_RUN_TIME: return EXIT_RUN;
    case SLUICE_INTERNAL: return EXIT_SYSTEM;
    }
    return EXIT_SYSTEM;
}

/* The first error that was printed with its place: what failed afterwards says it again, and the user should not read it twice. */
typedef struct printed_error { char text[4096]; } printed_error;

static void print_diagnostic(void *self, const char *text) {
    printed_error *printed = self;
    fputs(text, stderr);
    if (!printed->text[0] && strstr(text, "error: ")) snprintf(printed->text, sizeof printed->text, "%s", text);
}

static printed_error *the_printed_error(void) {
    static printed_error printed;   /* the process has one command */
    return &printed;
}

int cli_fail(sl_status status) {
    if (!status) return EXIT_OK;
    const char *message = sl_status_message(status), *printed = the_printed_error()->text;
    if (!message[0] || strncmp(printed, message, strlen(message)) != 0) cli_error("%s", message);
    int code = cli_exit_code((sluice_code)sl_status_code(status));
    sl_status_free(status);
    return code;
}

sluice_context *cli_context_create(void) {
    sluice_context_options options;
    sluice_context_options_init(&options);
    options.diagnostic = print_diagnostic;
    options.diagnostic_self = the_printed_error();
    sluice_context *context;
    if (sluice_context_create(&options, &context) != SLUICE_OK) {
        cli_error("no memory");
        exit(EXIT_SYSTEM);
    }
    return context;
}

double cli_now_milliseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static void help(void) {
    printf("sluice %s: compiles neural networks that skip work\n\nUsage: sluice COMMAND ...\n\nCommands:\n", sluice_version());
    for (int i = 0; i < COMMANDS; i++) printf("  %-9s %s\n", commands[i].name, commands[i].doc);
    printf("\n`sluice COMMAND --help` shows a command's options. MODEL is an .onnx file, ONNX as JSON, a Sluice JSON graph, text IR (.sl),\nor, for `run`, a compiled program (.slp).\n"
           "\nExit codes: 0 success; 1 a test or comparison failed; 2 wrong command line; 3 the model or an input is bad or unsupported;\n"
           "4 a file, memory or the machine refused; 5 the compiled program failed while running.\n");
}

int main(int argc, char **argv) {
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        help();
        return argc < 2 ? EXIT_USAGE : EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("sluice %s\n", sluice_version());
        return EXIT_OK;
    }
    for (int i = 0; i < COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) != 0) continue;
        static cli_options options;   /* large; main runs once */
        if (!cli_options_parse(&options, commands[i].bit, commands[i].name, argc - 2, argv + 2)) return EXIT_USAGE;
        if (options.help) {
            printf("sluice %s: %s\n\nUsage: %s\n", commands[i].name, commands[i].doc, commands[i].usage);
            cli_options_help(commands[i].bit);
            printf("\nExample:\n  %s\n", commands[i].example);
            return EXIT_OK;
        }
        sl_allocator system = sl_allocator_system();
        sl_arena *arena = options.constants_count ? sl_arena_create(&system, 0) : NULL;   /* for the process */
        if (options.constants_count) {
            sl_status status = arena ? cli_constants(&options, arena) : SL_ERROR(SL_OUT_OF_MEMORY, "no memory");
            if (status && arena) sl_arena_destroy(arena);
            if (status) return cli_fail(status);
        }
        int code = commands[i].run(&options);
        if (arena) sl_arena_destroy(arena);
        if (fflush(stdout) != 0 || ferror(stdout)) {
            cli_error("can't write to standard output");
            return EXIT_SYSTEM;
        }
        return code;
    }
    cli_error("unknown command '%s'; `sluice --help` lists them", argv[1]);
    return EXIT_USAGE;
}
