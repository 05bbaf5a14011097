/* ceiling.c: what the machine can do at this moment, and calls without an interpreter between them: for the suites of bench/compare.py, by ctypes.
 *
 * A ceiling is the rate of a loop of independent multiply-adds on registers (f32 FMA; bf16 and 8-bit products on matrix tiles, or else dot products at the widest vectors that the CPU has), or of a
 * loop that reads a buffer, on as many threads as asked for, for about a millisecond: short enough to be run in every round beside what it is compared with. Threads start
 * together, each on a core of the list, and time themselves; the rate is all threads' work over the longest time. Loops are written in assembly so that no compiler can improve on them.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#ifdef __x86_64__
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#define BENCH_API __attribute__((visibility("default")))

enum { CEILING_F32, CEILING_BF16, CEILING_INT8, CEILING_READ, MAX_THREADS = 256 };

BENCH_API double bench_ceiling(int kind, int threads, double milliseconds, void *buffer, int64_t bytes, const int32_t *cpus, int32_t cpu_count);
BENCH_API int bench_repeat(int (*run)(void *, const void *, int32_t, void *, int32_t), void *session, const void *inputs, int32_t input_count, void *outputs,
                           int32_t output_count, int64_t count);

static double seconds_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

#ifdef __x86_64__
#define ZERO512(i) "vpxord %%zmm" #i ", %%zmm" #i ", %%zmm" #i "\n"
#define F32_512(i) "vfmadd231ps %%zmm30, %%zmm31, %%zmm" #i "\n"
#define BF16_512(i) "vdpbf16ps %%zmm30, %%zmm31, %%zmm" #i "\n"
#define INT8_512(i) "vpdpbusd %%zmm30, %%zmm31, %%zmm" #i "\n"
#define ZERO256(i) "vpxor %%ymm" #i ", %%ymm" #i ", %%ymm" #i "\n"
#define F32_256(i) "vfmadd231ps %%ymm14, %%ymm15, %%ymm" #i "\n"
#define ALL256(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define ALL512(X) ALL256(X) X(12) X(13) X(14) X(15) X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23)
#define CLOBBER512 "zmm0", "zmm1", "zmm2", "zmm3", "zmm4", "zmm5", "zmm6", "zmm7", "zmm8", "zmm9", "zmm10", "zmm11", "zmm12", "zmm13", "zmm14", "zmm15", "zmm16", "zmm17", \
    "zmm18", "zmm19", "zmm20", "zmm21", "zmm22", "zmm23", "zmm30", "zmm31"
#define LOOP512(name, OP) \
    __attribute__((target("avx512f"))) static void name(int64_t count) { \
        __asm__ volatile(ALL512(ZERO512) ZERO512(30) ZERO512(31) "1:\n" ALL512(OP) "dec %0\njnz 1b\n" : "+r"(count) : : CLOBBER512, "cc"); \
    }
LOOP512(f32_512, F32_512)
LOOP512(bf16_512, BF16_512)
LOOP512(int8_512, INT8_512)
__attribute__((target("avx2,fma"))) static void f32_256(int64_t count) {
    __asm__ volatile(ALL256(ZERO256) ZERO256(14) ZERO256(15) "1:\n" ALL256(F32_256) "dec %0\njnz 1b\n" : "+r"(count)
                     : : "ymm0", "ymm1", "ymm2", "ymm3", "ymm4", "ymm5", "ymm6", "ymm7", "ymm8", "ymm9", "ymm10", "ymm11", "ymm14", "ymm15", "cc");
}

/* Four products of whole tiles a step. Configuration: palette 1, 64 bytes a row (16 bits each from 16 on), 16 rows (from 48 on). */
static const uint8_t tile_config[64] __attribute__((aligned(64))) = {[0] = 1, [16] = 64, [18] = 64, [20] = 64, [22] = 64, [24] = 64, [26] = 64, [28] = 64, [30] = 64,
                                                                    [48] = 16, [49] = 16, [50] = 16, [51] = 16, [52] = 16, [53] = 16, [54] = 16, [55] = 16};
#define TILE_LOOP(name, op) \
    static void name(int64_t count) { \
        __asm__ volatile("ldtilecfg (%1)\n1:\n" op " %%tmm6, %%tmm4, %%tmm0\n" op " %%tmm7, %%tmm4, %%tmm1\n" op " %%tmm6, %%tmm5, %%tmm2\n" op " %%tmm7, %%tmm5, %%tmm3\n" \
                         "dec %0\njnz 1b\ntilerelease\n" : "+r"(count) : "r"(tile_config) : "cc", "memory"); \
    }
TILE_LOOP(bf16_tiles, "tdpbf16ps")
TILE_LOOP(int8_tiles, "tdpbusd")

/* Bit `bit` of CPUID 7's edx, and the system's permission to use tiles. */
static bool has_tiles(int bit) {
    uint32_t a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> bit & 1) && syscall(SYS_arch_prctl, 0x1023, 18) == 0;
}

/* Reads `bytes` (a multiple of 2048) at `at` in four streams. */
__attribute__((target("avx2"))) static void read_256(const char *at, int64_t bytes) {
    int64_t quarter = bytes / 4, count = quarter / 64;
    const char *b = at + quarter, *c = b + quarter, *d = c + quarter;
    __asm__ volatile("1:\n"
                     "vmovups (%0), %%ymm0\nvmovups 32(%0), %%ymm1\nvmovups (%1), %%ymm2\nvmovups 32(%1), %%ymm3\n"
                     "vmovups (%2), %%ymm4\nvmovups 32(%2), %%ymm5\nvmovups (%3), %%ymm6\nvmovups 32(%3), %%ymm7\n"
                     "prefetcht0 2048(%0)\nprefetcht0 2048(%1)\nprefetcht0 2048(%2)\nprefetcht0 2048(%3)\n"
                     "add $64, %0\nadd $64, %1\nadd $64, %2\nadd $64, %3\ndec %4\njnz 1b\n"
                     : "+r"(at), "+r"(b), "+r"(c), "+r"(d), "+r"(count) : : "ymm0", "ymm1", "ymm2", "ymm3", "ymm4", "ymm5", "ymm6", "ymm7", "cc", "memory");
}
#endif

typedef struct ceiling_loop { void (*loop)(int64_t count); double work, cycles; } ceiling_loop;    /* multiply-adds of one step, and about how long it takes */

static ceiling_loop find_loop(int kind) {
#ifdef __x86_64__
    __builtin_cpu_init();
    bool wide = __builtin_cpu_supports("avx512f");
    if (kind == CEILING_F32 && wide) return (ceiling_loop){f32_512, 24 * 16, 24};
    if (kind == CEILING_F32 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return (ceiling_loop){f32_256, 12 * 8, 24};
    if (kind == CEILING_BF16 && has_tiles(22)) return (ceiling_loop){bf16_tiles, 4 * 16 * 16 * 32, 64};
    if (kind == CEILING_INT8 && has_tiles(25)) return (ceiling_loop){int8_tiles, 4 * 16 * 16 * 64, 64};
    if (kind == CEILING_BF16 && wide && __builtin_cpu_supports("avx512bf16")) return (ceiling_loop){bf16_512, 24 * 32, 24};
    if (kind == CEILING_INT8 && wide && __builtin_cpu_supports("avx512vnni")) return (ceiling_loop){int8_512, 24 * 64, 24};
#endif
    (void)kind;
    return (ceiling_loop){NULL, 0, 0};
}

typedef struct ceiling_run { ceiling_loop loop; int64_t count; const char *buffer; int64_t bytes; const int32_t *cpus; int32_t cpu_count; atomic_int waiting; atomic_bool start; } ceiling_run;
typedef struct ceiling_thread { ceiling_run *run; pthread_t thread; int index; double seconds; } ceiling_thread;

static void *thread_main(void *argument) {
    ceiling_thread *self = argument;
    ceiling_run *run = self->run;
    if (self->index > 0 && run->cpu_count > 0) {             /* the caller's core stays its own; a refusal costs speed only */
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(run->cpus[self->index % run->cpu_count], &one);
        pthread_setaffinity_np(pthread_self(), sizeof one, &one);
    }
    atomic_fetch_sub(&run->waiting, 1);
    while (!atomic_load(&run->start)) sched_yield();
    double start = seconds_now();
    if (run->loop.loop) run->loop.loop(run->count);
#ifdef __x86_64__
    else for (int64_t i = 0; i < run->count; i++) read_256(run->buffer + self->index * run->bytes, run->bytes);
#endif
    self->seconds = seconds_now() - start;
    return NULL;
}

static double rate(ceiling_run *run, int threads, double work) {
    ceiling_thread members[MAX_THREADS];
    double longest = 0;
    int started = 1;
    atomic_store(&run->waiting, threads - 1);
    for (int i = 0; i < threads; i++) members[i] = (ceiling_thread){.run = run, .index = i};
    while (started < threads && pthread_create(&members[started].thread, NULL, thread_main, &members[started]) == 0) started++;
    bool complete = started == threads;
    while (complete && atomic_load(&run->waiting) > 0) sched_yield();
    atomic_store(&run->start, true);
    if (complete) thread_main(&members[0]);
    for (int i = 1; i < started; i++) pthread_join(members[i].thread, NULL);
    for (int i = 0; i < threads; i++)
        if (members[i].seconds > longest) longest = members[i].seconds;
    return complete && longest > 0 ? work * (double)run->count * threads / longest : 0;
}

/* Multiply-adds per second of `kind`, or bytes per second read from `buffer` (each thread its part, over and over); 0 when the CPU has no such instructions. */
double bench_ceiling(int kind, int threads, double milliseconds, void *buffer, int64_t bytes, const int32_t *cpus, int32_t cpu_count) {
    ceiling_run run = {.cpus = cpus, .cpu_count = cpu_count};
    if (threads < 1 || threads > MAX_THREADS) return 0;
    if (kind == CEILING_READ) {
        run.buffer = buffer, run.bytes = bytes / threads / 2048 * 2048;
#ifdef __x86_64__
        if (!buffer || run.bytes <= 0 || !__builtin_cpu_supports("avx2")) return 0;
#else
        return 0;
#endif
        double one = 1e-3 * milliseconds * 1e10 / (double)run.bytes;         /* at 10 GB/s */
        run.count = one < 1 ? 1 : (int64_t)one;
        return rate(&run, threads, (double)run.bytes);
    }
    run.loop = find_loop(kind);
    if (!run.loop.loop) return 0;
    run.count = (int64_t)(1e-3 * milliseconds * 3e9 / run.loop.cycles) + 1;
    return rate(&run, threads, run.loop.work);
}

/* sluice_session_run, `count` times; the first error code. */
int bench_repeat(int (*run)(void *, const void *, int32_t, void *, int32_t), void *session, const void *inputs, int32_t input_count, void *outputs, int32_t output_count,
                 int64_t count) {
    int code = 0;
    for (int64_t i = 0; i < count && code == 0; i++) code = run(session, inputs, input_count, outputs, output_count);
    return code;
}
