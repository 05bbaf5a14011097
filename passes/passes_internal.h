/* passes_internal.h: the functions behind passes.def. */
#ifndef SLUICE_PASSES_INTERNAL_H
#define SLUICE_PASSES_INTERNAL_H

#include "sluice/passes.h"

#define SL_PASS(name, suffix, doc) sl_status sl_pass_##suffix(sl_pass_context *pass);
#include "passes.def"
#undef SL_PASS

/* Records a decision when anyone listens. `op` may be NULL (a decision about the whole module). */
void sl_pass_decide(sl_pass_context *pass, sl_op *op, const char *what, const char *reason);

/* Says that something that could skip work stays dense, and why. True when that is an error (--deny=dense-fallback). */
SL_MUST_USE bool sl_pass_dense_fallback(sl_pass_context *pass, sl_op *op, const char *reason);

/* The status of a pass that has reported diagnostics. */
#define SL_PASS_FAILED(name) SL_ERROR(SL_INVALID_MODEL, name ": failed, see the diagnostics")

#endif
