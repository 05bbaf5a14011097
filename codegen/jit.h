/* jit.h: what jit.c shares with text.c: how a module's host function is found. */
#ifndef SLUICE_JIT_H
#define SLUICE_JIT_H

#include "host.h"

/* The entry point: core.func `main`, else the only one. NULL when there is none after bufferize. */
sl_op *sl_codegen_entry(sl_module *module);

#endif
