/* machine.h: what passes and the code generator know of the machine that the code will run on. */
#ifndef SLUICE_MACHINE_H
#define SLUICE_MACHINE_H

#include "sluice/memory.h"

typedef struct sl_machine {
    const char *triple;        /* LLVM target triple, e.g. x86_64-pc-linux-gnu */
    const char *cpu;           /* LLVM CPU name of the baseline that `features` adds to: x86-64, generic */
    const char *tune;          /* LLVM CPU name that scheduling aims at, e.g. znver4; grants no instructions */
    const char *features;      /* LLVM feature string, e.g. +avx2,+fma: exactly what code may use beyond the baseline */
    int vector_bits;           /* widest vector that pays: 512, 256, 128 */
    int vector_registers;      /* architectural vector registers at that width: 32, 16 */
    bool fma, masked_memory;   /* fused multiply-add; per-lane masked loads and stores are cheap (AVX-512, SVE) or emulated (AVX2: vmaskmov) */
    bool wide_fma;             /* two FMAs of 512 bits a cycle, next to two loads */
    bool gather;               /* hardware gather */
    bool int8_dot;             /* sums of four products of bytes in one instruction (VNNI, SDOT) */
    bool int8_left_unsigned;   /* whose left factor is u8 (VNNI), not i8 (SDOT) */
    bool int8_pairs;           /* pairs of i16 products (PMADDWD), for machines without int8_dot */
    bool bf16_pairs;           /* sums of two products of bf16 in one instruction (VDPBF16PS) */
    bool bf16_dot;             /* VDPBF16PS at more than the rate of f32 FMAs: Intel's has half of it, there bf16 is widened */
    bool amx_bf16, amx_int8;   /* matrix tiles, granted to this process by the operating system */
    int64_t l1_bytes, l2_bytes, l3_bytes;   /* per core, per core, shared */
    int threads;               /* default thread count */
    double peak_gflops;        /* one core, f32 FMA (2 flops each): a roofline constant */
    double l1_gbps, l2_gbps, l3_gbps, dram_gbps;  /* one core */
    double launch_us;          /* one parallel launch */
} sl_machine;

/* The running machine (CPUID, /sys caches); strings are copied into the arena. */
void sl_machine_detect(sl_arena *arena, sl_machine *machine);
/* By name: host, x86-64 (SSE2), x86-64-v3 (AVX2+FMA), x86-64-v4 (AVX-512), aarch64 (NEON); or an LLVM CPU name with features "znver4,+x,-y". False
 * when the name is unknown. */
bool sl_machine_named(sl_arena *arena, const char *name, sl_machine *machine);
/* Whether code for `code` runs on `host`: NULL, or the first feature that is lacking. */
const char *sl_machine_lacks(const sl_machine *code, const sl_machine *host);

#endif
