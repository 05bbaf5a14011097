/* runtime.h: how a compiler hands a program table to the runtime; not for host programs. */
#ifndef SLUICE_RUNTIME_H
#define SLUICE_RUNTIME_H

#include "sluice/abi.h"
#include "sluice/memory.h"
#include "sluice/sluice.h"

/* Routine numbers: SL_ROUTINE(name, doc) rows of routines.def. -1 when there is none of that name. */
int sl_routine_find(const char *name);
int sl_routine_count(void);
const char *sl_routine_name(int index);

/* Wraps a table. `release(owner)` is called when the program is destroyed; on failure ownership stays with the caller. */
SL_MUST_USE sl_status sl_program_create(const sl_program_table *table, const sl_allocator *allocator, void (*release)(void *owner), void *owner,
                                        sluice_program **program);

/* The context behind the host API, shared with the compiler's entry points. */
const sl_allocator *sl_host_allocator(const sluice_context *context);
/* Stores the status' message as the context's last error, frees it, returns its code. */
sluice_code sl_host_fail(sluice_context *context, sl_status status);
/* Hands text to the context's diagnostic callback. */
void sl_host_diagnostic(sluice_context *context, const char *text);
void sl_program_set_context(sluice_program *program, sluice_context *context);

#endif
