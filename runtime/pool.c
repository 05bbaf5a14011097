/* pool.c: worker threads of a session.
 *
 * A launch publishes a job and bumps `generation`. Every thread owns a contiguous share of the tasks (so that weights stay in the cache of the core that
 * used them last run) and takes it in a few chunks from an atomic cursor; when its share is done it helps the others with theirs, which matters on a
 * machine whose cores do not run at one speed. What a task computes does not depend on who runs it.
 *
 * A worker takes part in a job by passing its gate, which is open while the job has tasks left; the caller closes the gate when it finds no more tasks and waits
 * for those inside only. So a worker that has no core at the moment (a busy machine) or wakes late costs nothing: the others do its share. The fields of the job
 * are written while the gate is closed and nobody is inside, and are read behind the gate.
 *
 * Sleeping: a worker that saw no job for spin_microseconds registers as a sleeper and waits on the futex of `generation`. The caller wakes only
 * when there are sleepers. Both sides use sequentially consistent operations on generation and sleepers, so a wake-up can't be lost.
 */
#include "pool.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { CACHE_LINE = 64, MAX_THREADS = 1024 };
enum { GATE_OPEN = 1 << 16 };     /* the bits below count the workers inside */

typedef struct share { _Alignas(CACHE_LINE) atomic_llong next; int64_t end; } share;

typedef struct member {
    sl_abi_worker worker;
    sl_pool *pool;
    pthread_t thread;
    bool started;
} member;

struct sl_pool {
    sl_allocator allocator;
    int threads;
    int spin_microseconds;
    bool pin;
    int64_t scratch_bytes;
    member *members;               /* threads; 0 is the caller */
    share *shares;
    /* the job in progress */
    sl_kernel_fn kernel;
    void *const *buffers;
    const int64_t *scalars;
    int64_t chunk;
    _Alignas(CACHE_LINE) atomic_uint generation;
    _Alignas(CACHE_LINE) atomic_uint gate;
    _Alignas(CACHE_LINE) atomic_int sleepers;
    atomic_bool stop;
};

static inline void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t now_nanoseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void futex_wait(atomic_uint *word, unsigned value) { syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0); }
static void futex_wake(atomic_uint *word) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0); }

static void work(sl_pool *pool, int self) {
    sl_abi_worker *worker = &pool->members[self].worker;
    for (int turn = 0; turn < pool->threads; turn++) {
        share *source = &pool->shares[(self + turn) % pool->threads];
        for (;;) {
            int64_t first = atomic_fetch_add_explicit(&source->next, pool->chunk, memory_order_relaxed);
            if (first >= source->end) break;
            int64_t end = first + pool->chunk < source->end ? first + pool->chunk : source->end;
            pool->kernel(pool->buffers, pool->scalars, first, end, worker);
        }
    }
}

static void *worker_main(void *argument) {
    member *self = argument;
    sl_pool *pool = self->pool;
    unsigned seen = 0;
    for (;;) {
        int64_t deadline = 0;
        unsigned spins = 0;
        while (atomic_load(&pool->generation) == seen) {
            relax();
            if (++spins % 64 != 0) continue;
            int64_t now = now_nanoseconds();
            if (deadline == 0) deadline = now + (int64_t)pool->spin_microseconds * 1000;
            if (now < deadline) continue;
            atomic_fetch_add(&pool->sleepers, 1);
            if (atomic_load(&pool->generation) == seen) futex_wait(&pool->generation, seen);
            atomic_fetch_sub(&pool->sleepers, 1);
            deadline = 0;
        }
        seen = atomic_load(&pool->generation);
        if (atomic_load(&pool->stop)) return NULL;
        unsigned gate = atomic_load(&pool->gate);
        while ((gate & GATE_OPEN) && !atomic_compare_exchange_weak(&pool->gate, &gate, gate + 1)) {}
        if (!(gate & GATE_OPEN)) continue;         /* too late for this job */
        work(pool, (int)self->worker.index);
        atomic_fetch_sub_explicit(&pool->gate, 1, memory_order_release);
    }
}

static void pin_to(pthread_t thread, int index) {
    cpu_set_t allowed, one;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
    int count = CPU_COUNT(&allowed);
    if (count == 0) return;
    int wanted = index % count;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &allowed) || wanted-- != 0) continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        pthread_setaffinity_np(thread, sizeof one, &one);   /* a refusal costs speed only */
        return;
    }
}

sl_status sl_pool_create(const sl_allocator *allocator, int threads, bool pin, int spin_microseconds, int64_t scratch_bytes, sl_pool **result) {
    if (threads < 1 || threads > MAX_THREADS) return SL_ERROR(SL_INVALID_ARGUMENT, "%d threads asked for; 1 to %d can be had", threads, MAX_THREADS);
    sl_pool *pool = sl_allocate(allocator, sizeof *pool, CACHE_LINE);
    if (!pool) return SL_ERROR(SL_OUT_OF_MEMORY, "no memory for a thread pool");
    pool->allocator = *allocator;
    pool->threads = threads;
    pool->pin = pin;
    /* More threads than cores: a spinning worker would only keep a working one from its core. */
    pool->spin_microseconds = threads > sysconf(_SC_NPROCESSORS_ONLN) ? 0 : spin_microseconds;
    pool->scratch_bytes = (scratch_bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    pool->members = sl_allocate(allocator, sizeof(member) * (size_t)threads, CACHE_LINE);
    pool->shares = sl_allocate(allocator, sizeof(share) * (size_t)threads, CACHE_LINE);
    bool complete = pool->members && pool->shares;
    for (int i = 0; complete && i < threads; i++) {
        pool->members[i].pool = pool;
        pool->members[i].worker.index = i;
        if (pool->scratch_bytes > 0) {
            pool->members[i].worker.scratch = sl_allocate(allocator, (size_t)pool->scratch_bytes, CACHE_LINE);
            complete = pool->members[i].worker.scratch != NULL;
        }
    }
    if (!complete) {
        sl_pool_destroy(pool);
        return SL_ERROR(SL_OUT_OF_MEMORY, "no memory for the scratch of %d threads (%lld bytes each)", threads, (long long)scratch_bytes);
    }
    for (int i = 1; i < threads; i++) {
        int error = pthread_create(&pool->members[i].thread, NULL, worker_main, &pool->members[i]);
        if (error) {
            sl_pool_destroy(pool);
            return SL_ERROR(SL_IO, "can't start worker thread %d: %s", i, strerror(error));
        }
        pool->members[i].started = true;
        if (pin) pin_to(pool->members[i].thread, i);
    }
    *result = pool;
    return NULL;
}

void sl_pool_destroy(sl_pool *pool) {
    if (!pool) return;
    atomic_store(&pool->stop, true);
    atomic_fetch_add(&pool->generation, 1);
    futex_wake(&pool->generation);
    for (int i = 0; pool->members && i < pool->threads; i++) {
        if (pool->members[i].started) pthread_join(pool->members[i].thread, NULL);
        if (pool->members[i].worker.scratch) sl_deallocate(&pool->allocator, pool->members[i].worker.scratch, (size_t)pool->scratch_bytes);
    }
    if (pool->members) sl_deallocate(&pool->allocator, pool->members, sizeof(member) * (size_t)pool->threads);
    if (pool->shares) sl_deallocate(&pool->allocator, pool->shares, sizeof(share) * (size_t)pool->threads);
    sl_allocator allocator = pool->allocator;
    sl_deallocate(&allocator, pool, sizeof *pool);
}

int sl_pool_threads(const sl_pool *pool) { return pool->threads; }

static const char *take_message(sl_pool *pool, int threads) {
    const char *message = NULL;
    for (int i = 0; i < threads; i++) {
        if (pool->members[i].worker.message && !message) message = pool->members[i].worker.message;
        pool->members[i].worker.message = NULL;
    }
    return message;
}

const char *sl_pool_run(sl_pool *pool, sl_kernel_fn kernel, void *const *buffers, const int64_t *scalars, int64_t tasks, int64_t grain, int chunks) {
    if (tasks <= 0) return NULL;
    if (grain < 1) grain = 1;
    int threads = pool->threads;
    if (threads == 1 || tasks <= grain || tasks == 1) {
        kernel(buffers, scalars, 0, tasks, &pool->members[0].worker);
        return take_message(pool, 1);
    }
    int64_t chunk = tasks / ((int64_t)threads * chunks);
    pool->chunk = chunk > grain ? chunk : grain;
    pool->kernel = kernel;
    pool->buffers = buffers;
    pool->scalars = scalars;
    int64_t base = tasks / threads, extra = tasks % threads, first = 0;
    for (int i = 0; i < threads; i++) {
        atomic_store_explicit(&pool->shares[i].next, first, memory_order_relaxed);
        first += base + (i < extra);
        pool->shares[i].end = first;
    }
    atomic_store(&pool->gate, GATE_OPEN);
    atomic_fetch_add(&pool->generation, 1);
    if (atomic_load(&pool->sleepers) > 0) futex_wake(&pool->generation);
    work(pool, 0);
    atomic_fetch_sub(&pool->gate, GATE_OPEN);
    for (unsigned spins = 0; atomic_load_explicit(&pool->gate, memory_order_acquire) > 0; spins++) {
        relax();
        if (spins > 4096) sched_yield();   /* a worker lost its core: let it have ours */
    }
    return take_message(pool, threads);
}
