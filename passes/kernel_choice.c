/* kernel_choice.c: see kernel_choice.h. */
#include "sluice/kernel_choice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_WORDS = 8 };
typedef struct row { const char *name; size_t offset; int least, most; const char *words[MOST_WORDS]; } row;

static const row rows[] = {
#define SL_KERNEL_WORD(field, name, doc, ...) {name, offsetof(sl_kernel_choice, field), 0, 0, {__VA_ARGS__}},
#define SL_KERNEL_NUMBER(field, name, least, most, doc) {name, offsetof(sl_kernel_choice, field), least, most, {NULL}},
#include "sluice/kernel_choice.def"
#undef SL_KERNEL_WORD
#undef SL_KERNEL_NUMBER
};
enum { ROWS = sizeof rows / sizeof *rows };

static sl_status unknown_name(const char *name, int length) {
    char known[512] = "";
    for (int i = 0; i < ROWS; i++) snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "", rows[i].name);
    return SL_ERROR(SL_INVALID_ARGUMENT, "'%.*s' is nothing that can be chosen of kernels; known are %s", length, name, known);
}

static sl_status wrong_value(const row *r, const char *value, int length) {
    char known[256] = "";
    for (int i = 0; i < MOST_WORDS && r->words[i]; i++) snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "", r->words[i]);
    if (!r->words[0]) snprintf(known, sizeof known, "numbers from %d to %d", r->least, r->most);
    return SL_ERROR(SL_INVALID_ARGUMENT, "kernel choice '%s' can't be '%.*s'; it takes %s", r->name, length, value, known);
}

static sl_status set(const row *r, const char *value, int length, int *field) {
    for (int i = 0; i < MOST_WORDS && r->words[i]; i++) {
        if ((int)strlen(r->words[i]) != length || strncmp(r->words[i], value, (size_t)length) != 0) continue;
        *field = i + 1;
        return NULL;
    }
    char *end;
    long number = length > 0 && length < 10 && *value >= '0' && *value <= '9' ? strtol(value, &end, 10) : -1;
    if (r->words[0] || number < r->least || number > r->most || end != value + length) return wrong_value(r, value, length);
    *field = (int)number;
    return NULL;
}

sl_status sl_kernel_choice_parse(const char *text, sl_kernel_choice *choice) {
    memset(choice, 0, sizeof *choice);
    while (text && *text) {
        int length = (int)strcspn(text, ","), name = (int)strcspn(text, "=,");
        const row *r = NULL;
        for (int i = 0; i < ROWS && !r; i++)
            if ((int)strlen(rows[i].name) == name && strncmp(rows[i].name, text, (size_t)name) == 0) r = &rows[i];
        if (!r) return unknown_name(text, name);
        bool given = name < length;
        SL_TRY(set(r, given ? text + name + 1 : "", given ? length - name - 1 : 0, (int *)(void *)((char *)choice + r->offset)));
        text += length + (text[length] == ',');
    }
    return NULL;
}

sl_status sl_kernel_choice_check(const sl_kernel_choice *choice, const sl_machine *machine) {
    if (choice->dot == SL_DOT_PAIRS && !machine->int8_pairs && !machine->bf16_pairs)
        return SL_ERROR(SL_INVALID_ARGUMENT, "kernel choice 'dot=pairs': the target has no instruction that sums pairs of products (x86-64 has, for bytes; AVX512-BF16 for bf16)");
    if (choice->dot == SL_DOT_QUADS && !machine->int8_dot)
        return SL_ERROR(SL_INVALID_ARGUMENT, "kernel choice 'dot=quads': the target has no instruction that sums four products of bytes (AVX512-VNNI, AVX-VNNI, Arm's dotprod)");
    return NULL;
}
