/* lifetime.h: when the buffers of a function with buffers are live, seen through views, branches and loops. */
#ifndef SLUICE_LIFETIME_H
#define SLUICE_LIFETIME_H

#include "sluice/ir.h"

typedef struct sl_lifetimes sl_lifetimes;
typedef struct sl_interval { int64_t start, end; } sl_interval;   /* positions of ops, both inside */

/* `new_values`: how many values may be made afterwards and told by sl_lifetimes_add_alias. */
sl_lifetimes *sl_lifetimes_compute(sl_op *func, sl_arena *arena, size_t new_values);
/* `made`, a new value, is the same memory as `value`. */
void sl_lifetimes_add_alias(sl_lifetimes *lifetimes, const sl_value *made, const sl_value *value);
/* The kernel.allocs of the function in program order. */
int sl_lifetimes_alloc_count(const sl_lifetimes *lifetimes);
sl_op *sl_lifetimes_alloc(const sl_lifetimes *lifetimes, int index);
sl_interval sl_lifetimes_interval(const sl_lifetimes *lifetimes, int index);
/* Position of an op; for ops with regions that of their beginning. */
int64_t sl_lifetimes_position(const sl_lifetimes *lifetimes, const sl_op *op);
/* The one alloc whose memory `value` is; -1 when it may be other memory too (an argument, a constant, a routine's result, one of several allocs). */
int sl_lifetimes_only_alloc(const sl_lifetimes *lifetimes, const sl_value *value);
/* Whether two values may share memory. */
bool sl_lifetimes_may_alias(const sl_lifetimes *lifetimes, const sl_value *a, const sl_value *b);
/* Alloc `gone` was replaced by the memory of alloc `kept`: unites their values and lifetimes. */
void sl_lifetimes_merge(sl_lifetimes *lifetimes, int kept, int gone);

#endif
