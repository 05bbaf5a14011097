/* machine_tables.h: CPU features, CPU models and how CPUID names them; see machine_tables.c. Private to machine.c. */
#ifndef SLUICE_MACHINE_TABLES_H
#define SLUICE_MACHINE_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum sl_arch { SL_ARCH_X86, SL_ARCH_AARCH64 } sl_arch;

/* One row per feature that code may use: identifier, LLVM name, architecture, where it is found (x86: CPUID leaf, subleaf, register a b c d = 0..3, bit,
 * XCR0 bits that the system must have enabled; aarch64: hwcap word 1 or 2, bit), and the features it needs. */
#define SL_XCR0_AVX 0x6
#define SL_XCR0_AVX512 0xe6
#define SL_XCR0_AMX 0x60000
#define SL_FEATURES(X) \
    X(sse3, "sse3", X86, 1, 0, 2, 0, 0, 0) \
    X(ssse3, "ssse3", X86, 1, 0, 2, 9, 0, SL_BIT(sse3)) \
    X(sse4_1, "sse4.1", X86, 1, 0, 2, 19, 0, SL_BIT(sse3) | SL_BIT(ssse3)) \
    X(sse4_2, "sse4.2", X86, 1, 0, 2, 20, 0, SL_NEEDS_SSE41) \
    X(popcnt, "popcnt", X86, 1, 0, 2, 23, 0, 0) \
    X(cx16, "cx16", X86, 1, 0, 2, 13, 0, 0) \
    X(movbe, "movbe", X86, 1, 0, 2, 22, 0, 0) \
    X(lzcnt, "lzcnt", X86, 0x80000001u, 0, 2, 5, 0, 0) \
    X(bmi, "bmi", X86, 7, 0, 1, 3, 0, 0) \
    X(bmi2, "bmi2", X86, 7, 0, 1, 8, 0, 0) \
    X(avx, "avx", X86, 1, 0, 2, 28, SL_XCR0_AVX, SL_NEEDS_SSE42) \
    X(f16c, "f16c", X86, 1, 0, 2, 29, SL_XCR0_AVX, SL_NEEDS_AVX) \
    X(fma, "fma", X86, 1, 0, 2, 12, SL_XCR0_AVX, SL_NEEDS_AVX) \
    X(avx2, "avx2", X86, 7, 0, 1, 5, SL_XCR0_AVX, SL_NEEDS_AVX) \
    X(avx512f, "avx512f", X86, 7, 0, 1, 16, SL_XCR0_AVX512, SL_NEEDS_AVX2) \
    X(avx512cd, "avx512cd", X86, 7, 0, 1, 28, SL_XCR0_AVX512, SL_NEEDS_AVX512) \
    X(avx512bw, "avx512bw", X86, 7, 0, 1, 30, SL_XCR0_AVX512, SL_NEEDS_AVX512) \
    X(avx512dq, "avx512dq", X86, 7, 0, 1, 17, SL_XCR0_AVX512, SL_NEEDS_AVX512) \
    X(avx512vl, "avx512vl", X86, 7, 0, 1, 31, SL_XCR0_AVX512, SL_NEEDS_AVX512) \
    X(avx512ifma, "avx512ifma", X86, 7, 0, 1, 21, SL_XCR0_AVX512, SL_NEEDS_AVX512) \
    X(avx512vbmi, "avx512vbmi", X86, 7, 0, 2, 1, SL_XCR0_AVX512, SL_NEEDS_AVX512 | SL_BIT(avx512bw)) \
    X(avx512vbmi2, "avx512vbmi2", X86, 7, 0, 2, 6, SL_XCR0_AVX512, SL_NEEDS_AVX512 | SL_BIT(avx512bw)) \
    X(avx512vnni, "avx512vnni", X86, 7, 0, 2, 11, SL_XCR0_AVX512, SL_NEEDS_AVX512) \
    X(avx512bitalg, "avx512bitalg", X86, 7, 0, 2, 12, SL_XCR0_AVX512, SL_NEEDS_AVX512 | SL_BIT(avx512bw)) \
    X(avx512vpopcntdq, "avx512vpopcntdq", X86, 7, 0, 2, 14, SL_XCR0_AVX512, SL_NEEDS_AVX512) \
    X(avx512bf16, "avx512bf16", X86, 7, 1, 0, 5, SL_XCR0_AVX512, SL_NEEDS_AVX512 | SL_BIT(avx512bw)) \
    X(avx512fp16, "avx512fp16", X86, 7, 0, 3, 23, SL_XCR0_AVX512, SL_NEEDS_AVX512 | SL_BIT(avx512bw) | SL_BIT(avx512dq) | SL_BIT(avx512vl)) \
    X(avxvnni, "avxvnni", X86, 7, 1, 0, 4, SL_XCR0_AVX, SL_NEEDS_AVX2) \
    X(amx_tile, "amx-tile", X86, 7, 0, 3, 24, SL_XCR0_AMX, 0) \
    X(amx_bf16, "amx-bf16", X86, 7, 0, 3, 22, SL_XCR0_AMX, SL_BIT(amx_tile)) \
    X(amx_int8, "amx-int8", X86, 7, 0, 3, 25, SL_XCR0_AMX, SL_BIT(amx_tile)) \
    X(neon, "neon", AARCH64, 1, 0, 0, 1, 0, 0) \
    X(lse, "lse", AARCH64, 1, 0, 0, 8, 0, 0) \
    X(fullfp16, "fullfp16", AARCH64, 1, 0, 0, 10, 0, SL_BIT(neon)) \
    X(dotprod, "dotprod", AARCH64, 1, 0, 0, 20, 0, SL_BIT(neon)) \
    X(i8mm, "i8mm", AARCH64, 2, 0, 0, 13, 0, SL_BIT(neon)) \
    X(bf16, "bf16", AARCH64, 2, 0, 0, 14, 0, SL_BIT(neon))

typedef enum sl_feature {
#define SL_FEATURE_ENUM(id, name, arch, leaf, subleaf, reg, bit, xcr0, needs) SL_FEATURE_##id,
    SL_FEATURES(SL_FEATURE_ENUM)
#undef SL_FEATURE_ENUM
    SL_FEATURE_COUNT
} sl_feature;

typedef struct sl_feature_info {
    const char *name;
    sl_arch arch;
    uint32_t leaf, subleaf;
    uint8_t reg, bit;
    uint32_t xcr0;
    uint64_t needs;               /* closed under itself */
} sl_feature_info;
extern const sl_feature_info sl_features[SL_FEATURE_COUNT];

/* wide_pipes: two 512-bit FMA units; slow_bf16: VDPBF16PS at half the rate of f32 FMAs (measured on Sapphire Rapids) */
typedef struct sl_cpu { const char *name; sl_arch arch; uint64_t features; bool wide_pipes, slow_bf16; } sl_cpu;
const sl_cpu *sl_cpu_find(const char *name, size_t length);     /* NULL when unknown */

typedef struct sl_x86_model { const char *vendor; uint32_t family, first, last; const char *cpu; } sl_x86_model;
extern const sl_x86_model sl_x86_models[];
extern const int SL_X86_MODEL_COUNT;

#endif
