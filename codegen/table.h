/* table.h: the program table that the runtime gets, and the program's constants. */
#ifndef SLUICE_TABLE_H
#define SLUICE_TABLE_H

#include "host.h"
#include "sluice/program_file.h"

/* The table (all but prepare and run) and what its constants are, in `arena` (the program's). `borrow`: constant data outlives the program, so what is aligned is used where it lies. */
SL_MUST_USE sl_status sl_table_make(sl_arena *arena, const sl_host *host, int64_t scratch_bytes, bool borrow, sl_compiled *compiled);

#endif
