/* kernel_choice.h: kernel strategies forced from outside (--kernel=NAME=VALUE,...), for tests and for looking into performance; the table is kernel_choice.def. */
#ifndef SLUICE_KERNEL_CHOICE_H
#define SLUICE_KERNEL_CHOICE_H

#include "sluice/machine.h"
#include "sluice/status.h"

/* One field a row of the table; 0: the compiler chooses. Words count from 1 in the order of the table, see the enums below. */
typedef struct sl_kernel_choice {
#define SL_KERNEL_WORD(field, name, doc, ...) int field;
#define SL_KERNEL_NUMBER(field, name, least, most, doc) int field;
#include "sluice/kernel_choice.def"
#undef SL_KERNEL_WORD
#undef SL_KERNEL_NUMBER
} sl_kernel_choice;

enum { SL_STRATEGY_ATTENTION = 1, SL_STRATEGY_DEPTHWISE, SL_STRATEGY_CONTRACT, SL_STRATEGY_ROWS, SL_STRATEGY_LOOPS, SL_STRATEGY_GENERAL };
enum { SL_CHOICE_OFF = 1, SL_CHOICE_ON };
enum { SL_ORIENTATION_PLAIN = 1, SL_ORIENTATION_SWAPPED };
enum { SL_LEFT_DIRECT = 1, SL_LEFT_PACKED };
enum { SL_MATRIX_OFF = 1, SL_MATRIX_ON };
enum { SL_DOT_OFF = 1, SL_DOT_PAIRS, SL_DOT_QUADS };
enum { SL_RIGHT_CONSTANT = 1, SL_RIGHT_DIRECT, SL_RIGHT_PACKED };
enum { SL_ROW_LANES_INSIDE = 1, SL_ROW_LANES_ACROSS, SL_ROW_LANES_NONE };

/* Reads "name=value,..."; NULL or "" forces nothing. An unknown name or value is an error that lists the known ones. */
SL_MUST_USE sl_status sl_kernel_choice_parse(const char *text, sl_kernel_choice *choice);
/* An error when the machine has no instruction for what is forced. */
SL_MUST_USE sl_status sl_kernel_choice_check(const sl_kernel_choice *choice, const sl_machine *machine);

#endif
