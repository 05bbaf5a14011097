/* pool.h: one session's worker threads. A parallel launch splits tasks over the workers and the caller; idle workers spin for a while (a launch then costs
 * well under a microsecond) and sleep on a futex after that. */
#ifndef SLUICE_POOL_H
#define SLUICE_POOL_H

#include "sluice/abi.h"
#include "sluice/memory.h"

typedef struct sl_pool sl_pool;

/* threads >= 1 counts the caller. `scratch_bytes` per thread. */
SL_MUST_USE sl_status sl_pool_create(const sl_allocator *allocator, int threads, bool pin, int spin_microseconds, int64_t scratch_bytes, sl_pool **pool);
void sl_pool_destroy(sl_pool *pool);
int sl_pool_threads(const sl_pool *pool);
/* Runs the kernel for tasks [0, tasks); a thread takes its share in `chunks` pieces. Returns NULL, or the message of a failed kernel.assert. */
const char *sl_pool_run(sl_pool *pool, sl_kernel_fn kernel, void *const *buffers, const int64_t *scalars, int64_t tasks, int64_t grain, int chunks);

#endif
