/* machine_tables.c: the CPU models that can be named as a target, each as the set of features that code for it may use, and the family and model numbers
 * by which CPUID tells them apart (Intel's and AMD's published tables). Tables only. */
#include "machine_tables.h"
#include <string.h>

#define SL_BIT(id) (UINT64_C(1) << SL_FEATURE_##id)
#define SL_NEEDS_SSE41 (SL_BIT(sse3) | SL_BIT(ssse3) | SL_BIT(sse4_1))
#define SL_NEEDS_SSE42 (SL_NEEDS_SSE41 | SL_BIT(sse4_2))
#define SL_NEEDS_AVX (SL_NEEDS_SSE42 | SL_BIT(avx))
#define SL_NEEDS_AVX2 (SL_NEEDS_AVX | SL_BIT(avx2))
#define SL_NEEDS_AVX512 (SL_NEEDS_AVX2 | SL_BIT(avx512f) | SL_BIT(f16c) | SL_BIT(fma))

const sl_feature_info sl_features[SL_FEATURE_COUNT] = {
#define SL_FEATURE_ROW(id, name, arch, leaf, subleaf, reg, bit, xcr0, needs) {name, SL_ARCH_##arch, leaf, subleaf, reg, bit, xcr0, needs},
    SL_FEATURES(SL_FEATURE_ROW)
#undef SL_FEATURE_ROW
};

#define V2 (SL_NEEDS_SSE42 | SL_BIT(popcnt) | SL_BIT(cx16))
#define V3 (V2 | SL_NEEDS_AVX2 | SL_BIT(bmi) | SL_BIT(bmi2) | SL_BIT(f16c) | SL_BIT(fma) | SL_BIT(lzcnt) | SL_BIT(movbe))
#define V4 (V3 | SL_BIT(avx512f) | SL_BIT(avx512bw) | SL_BIT(avx512cd) | SL_BIT(avx512dq) | SL_BIT(avx512vl))
#define ICELAKE (V4 | SL_BIT(avx512vnni) | SL_BIT(avx512ifma) | SL_BIT(avx512vbmi) | SL_BIT(avx512vbmi2) | SL_BIT(avx512bitalg) | SL_BIT(avx512vpopcntdq))
#define SAPPHIRE (ICELAKE | SL_BIT(avx512bf16) | SL_BIT(avx512fp16) | SL_BIT(avxvnni) | SL_BIT(amx_tile) | SL_BIT(amx_bf16) | SL_BIT(amx_int8))
#define ARM_V82 (SL_BIT(neon) | SL_BIT(lse) | SL_BIT(fullfp16) | SL_BIT(dotprod))

static const sl_cpu cpus[] = {
    {"x86-64", SL_ARCH_X86, 0, false, false},
    {"x86-64-v2", SL_ARCH_X86, V2, false, false},
    {"x86-64-v3", SL_ARCH_X86, V3, false, false},
    {"x86-64-v4", SL_ARCH_X86, V4, true, false},
    {"haswell", SL_ARCH_X86, V3, false, false},
    {"skylake", SL_ARCH_X86, V3, false, false},
    {"alderlake", SL_ARCH_X86, V3 | SL_BIT(avxvnni), false, false},
    {"skylake-avx512", SL_ARCH_X86, V4, true, false},
    {"cascadelake", SL_ARCH_X86, V4 | SL_BIT(avx512vnni), true, false},
    {"cooperlake", SL_ARCH_X86, V4 | SL_BIT(avx512vnni) | SL_BIT(avx512bf16), true, true},
    {"icelake-server", SL_ARCH_X86, ICELAKE, true, false},
    {"sapphirerapids", SL_ARCH_X86, SAPPHIRE, true, true},
    {"znver1", SL_ARCH_X86, V3, false, false},
    {"znver2", SL_ARCH_X86, V3, false, false},
    {"znver3", SL_ARCH_X86, V3, false, false},
    {"znver4", SL_ARCH_X86, ICELAKE | SL_BIT(avx512bf16), false, false},
    {"znver5", SL_ARCH_X86, ICELAKE | SL_BIT(avx512bf16) | SL_BIT(avxvnni), true, false},
    {"aarch64", SL_ARCH_AARCH64, SL_BIT(neon), false, false},
    {"neoverse-n1", SL_ARCH_AARCH64, ARM_V82, false, false},
    {"neoverse-v1", SL_ARCH_AARCH64, ARM_V82 | SL_BIT(i8mm) | SL_BIT(bf16), false, false},
    {"neoverse-v2", SL_ARCH_AARCH64, ARM_V82 | SL_BIT(i8mm) | SL_BIT(bf16), false, false},
    {"apple-m1", SL_ARCH_AARCH64, ARM_V82, false, false},
};

const sl_cpu *sl_cpu_find(const char *name, size_t length) {
    for (size_t i = 0; i < sizeof(cpus) / sizeof(cpus[0]); ++i)
        if (strlen(cpus[i].name) == length && !memcmp(cpus[i].name, name, length)) return &cpus[i];
    return NULL;
}

const sl_x86_model sl_x86_models[] = {
    {"AuthenticAMD", 0x17, 0x00, 0x2f, "znver1"}, {"AuthenticAMD", 0x17, 0x30, 0xff, "znver2"},
    {"AuthenticAMD", 0x19, 0x00, 0x0f, "znver3"}, {"AuthenticAMD", 0x19, 0x10, 0x1f, "znver4"},
    {"AuthenticAMD", 0x19, 0x20, 0x5f, "znver3"}, {"AuthenticAMD", 0x19, 0x60, 0xff, "znver4"},
    {"AuthenticAMD", 0x1a, 0x00, 0xff, "znver5"},
    {"GenuineIntel", 6, 0x3c, 0x3c, "haswell"}, {"GenuineIntel", 6, 0x3f, 0x3f, "haswell"}, {"GenuineIntel", 6, 0x45, 0x46, "haswell"},
    {"GenuineIntel", 6, 0x4e, 0x4e, "skylake"}, {"GenuineIntel", 6, 0x5e, 0x5e, "skylake"}, {"GenuineIntel", 6, 0x8e, 0x8e, "skylake"},
    {"GenuineIntel", 6, 0x9e, 0x9e, "skylake"}, {"GenuineIntel", 6, 0x55, 0x55, "skylake-avx512"},
    {"GenuineIntel", 6, 0x6a, 0x6a, "icelake-server"}, {"GenuineIntel", 6, 0x6c, 0x6c, "icelake-server"},
    {"GenuineIntel", 6, 0x8f, 0x8f, "sapphirerapids"}, {"GenuineIntel", 6, 0xcf, 0xcf, "sapphirerapids"},
    {"GenuineIntel", 6, 0x97, 0x9a, "alderlake"}, {"GenuineIntel", 6, 0xb7, 0xbf, "alderlake"},
};
const int SL_X86_MODEL_COUNT = (int)(sizeof(sl_x86_models) / sizeof(sl_x86_models[0]));
