/* options.c: command-line options from the one table: parsing and help. */
#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum option_kind { KIND_FLAG, KIND_TEXT, KIND_NUMBER, KIND_REAL, KIND_LIST } option_kind;

typedef struct option_row {
    option_kind kind;
    const char *flag, *argument, *doc;
    unsigned commands;
    size_t offset, count_offset;
    long long initial, least;
    double initial_real;
} option_row;

#define AT(field) offsetof(cli_options, field)
static const option_row rows[] = {
#define CLI_FLAG(field, flag, commands, doc) {KIND_FLAG, flag, NULL, doc, commands, AT(field), 0, 0, 0, 0},
#define CLI_TEXT(field, flag, argument, commands, doc) {KIND_TEXT, flag, argument, doc, commands, AT(field), 0, 0, 0, 0},
#define CLI_NUMBER(field, flag, argument, initial, least, commands, doc) {KIND_NUMBER, flag, argument, doc, commands, AT(field), 0, initial, least, 0},
#define CLI_REAL(field, flag, argument, initial, commands, doc) {KIND_REAL, flag, argument, doc, commands, AT(field), 0, 0, 0, initial},
#define CLI_LIST(field, flag, argument, commands, doc) {KIND_LIST, flag, argument, doc, commands, AT(field), AT(field##_count), 0, 0, 0},
#include "options.def"
#undef CLI_FLAG
#undef CLI_TEXT
#undef CLI_NUMBER
#undef CLI_REAL
#undef CLI_LIST
};
enum { ROWS = sizeof rows / sizeof *rows };

static bool set(cli_options *options, const option_row *row, const char *value) {
    char *field = (char *)options + row->offset, *end;
    errno = 0;
    switch (row->kind) {
    case KIND_FLAG: *(bool *)field = true; return true;
    case KIND_TEXT: *(const char **)field = value; return true;
    case KIND_NUMBER: {
        long long number = strtoll(value, &end, 10);
        if (end == value || *end || errno || number < row->least) {
            cli_error("%s needs a whole number of at least %lld, not '%s'", row->flag, row->least, value);
            return false;
        }
        *(long long *)field = number;
        return true;
    }
    case KIND_REAL: {
        double number = strtod(value, &end);
        if (end == value || *end || !(number >= 0)) {
            cli_error("%s needs a non-negative number, not '%s'", row->flag, value);
            return false;
        }
        *(double *)field = number;
        return true;
    }
    case KIND_LIST: {
        int *count = (int *)((char *)options + row->count_offset);
        if (*count == CLI_MAX_LIST) {
            cli_error("more than %d times %s", CLI_MAX_LIST, row->flag);
            return false;
        }
        ((const char **)field)[(*count)++] = value;
        return true;
    }
    }
    return false;
}

bool cli_options_parse(cli_options *options, unsigned command, const char *command_name, int argc, char **argv) {
    memset(options, 0, sizeof *options);
    for (int i = 0; i < ROWS; i++) {
        if (rows[i].kind == KIND_NUMBER) *(long long *)((char *)options + rows[i].offset) = rows[i].initial;
        if (rows[i].kind == KIND_REAL) *(double *)((char *)options + rows[i].offset) = rows[i].initial_real;
    }
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        if (word[0] != '-' || strcmp(word, "-") == 0) {
            if (options->file_count == CLI_MAX_LIST) return cli_error("more than %d files", CLI_MAX_LIST), false;
            options->files[options->file_count++] = word;
            continue;
        }
        const char *equals = word[1] == '-' ? strchr(word, '=') : NULL;
        size_t length = equals ? (size_t)(equals - word) : strlen(word);
        const option_row *row = NULL;
        for (int k = 0; k < ROWS && !row; k++)
            if ((rows[k].commands & command) && strlen(rows[k].flag) == length && strncmp(rows[k].flag, word, length) == 0) row = &rows[k];
        if (!row) return cli_error("unknown option '%.*s'; see `sluice %s --help`", (int)length, word, command_name), false;
        if (row->kind == KIND_FLAG && equals) return cli_error("%s takes no value", row->flag), false;
        const char *value = equals ? equals + 1 : NULL;
        if (row->kind != KIND_FLAG && !value) {
            if (i + 1 == argc) return cli_error("%s needs %s", row->flag, row->argument), false;
            value = argv[++i];
        }
        if (!set(options, row, value)) return false;
    }
    return true;
}

void cli_options_help(unsigned command) {
    printf("\nOptions:\n");
    for (int i = 0; i < ROWS; i++) {
        if (!(rows[i].commands & command)) continue;
        char head[64];
        snprintf(head, sizeof head, "%s%s%s", rows[i].flag, rows[i].argument ? " " : "", rows[i].argument ? rows[i].argument : "");
        printf("  %-24s %s\n", head, rows[i].doc);
    }
}

void cli_compile_options(const cli_options *options, sluice_compile_options *compile, const char **bindings) {
    sluice_compile_options_init(compile);
    compile->format = options->format;
    compile->target = options->target;
    compile->threads = (int32_t)options->threads;
    for (int i = 0; i < options->shapes_count; i++) bindings[i] = options->shapes[i];
    bindings[options->shapes_count] = NULL;
    compile->bindings = bindings;
    compile->cache_dir = options->no_cache ? NULL : options->cache_dir ? options->cache_dir : getenv("SLUICE_CACHE_DIR");
    if (compile->cache_dir && !*compile->cache_dir) compile->cache_dir = NULL;
    compile->cache_limit = options->cache_limit <= INT64_MAX >> 20 ? options->cache_limit << 20 : INT64_MAX;
    compile->pipeline = options->passes;
    compile->print_before = options->print_before;
    compile->print_after = options->print_after;
    compile->print_changed = options->print_changed;
    compile->dump_dir = options->dump_dir;
    compile->reproducer = options->reproducer;
    compile->timing = options->timing;
    compile->verify = !options->no_verify;
    compile->strict = options->strict;
    compile->absent_weights = options->absent_weights;
    compile->deny = options->deny;
    compile->precision = options->precision;
    compile->calibration = options->calibration;
    compile->print_decisions = options->decisions;
    compile->profile = options->profile;
    compile->kernel = options->kernel;
    compile->memory_budget = options->memory_budget;
}
