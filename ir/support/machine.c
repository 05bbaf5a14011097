/* machine.c: facts about machines: the running one, and named ones that code can be built for.
 *
 * Invariants: `cpu` is always a baseline ("x86-64", "generic") and `features` lists what code may use beyond it, one "+name" each, from the tables below
 * (names are LLVM's, but nothing of LLVM is needed here). So a build never contains an instruction of a CPU model that was assumed rather than
 * detected: a hypervisor that masks AVX-512 out of a Zen 4 gets no AVX-512. What scheduling should aim at is `tune`.
 *
 * The rates are roofline constants, within some ten per cent at best; decisions that need better ones measure (costmodel's later work). */
#include "sluice/machine.h"
#include "machine_tables.h"
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>



static bool has(uint64_t features, sl_feature feature) { return (features >> feature & 1) != 0; }

/* ---- from a feature set to the description ---- */

static const char *features_text(sl_arena *arena, sl_arch arch, uint64_t features) {
    sl_text text;
    sl_text_init(&text, arena);
    for (int i = 0; i < SL_FEATURE_COUNT; ++i)
        if (sl_features[i].arch == arch && has(features, (sl_feature)i)) sl_text_append(&text, "%s+%s", text.length ? "," : "", sl_features[i].name);
    return text.data ? text.data : "";
}

static void fill_vectors(sl_machine *machine, sl_arch arch, uint64_t features, bool wide_pipes, double ghz) {
    if (arch == SL_ARCH_AARCH64) {
        machine->vector_bits = 128;
        machine->vector_registers = 32;
        machine->fma = true;
        machine->int8_dot = has(features, SL_FEATURE_dotprod);
        machine->peak_gflops = ghz * 16;
        machine->l1_gbps = ghz * 32;
    } else {
        bool avx512 = has(features, SL_FEATURE_avx512f) && has(features, SL_FEATURE_avx512vl) && has(features, SL_FEATURE_avx512bw) &&
                      has(features, SL_FEATURE_avx512dq);
        bool avx2 = has(features, SL_FEATURE_avx2);
        machine->vector_bits = avx512 ? 512 : avx2 ? 256 : 128;
        machine->vector_registers = avx512 ? 32 : 16;
        machine->fma = has(features, SL_FEATURE_fma);
        machine->wide_fma = avx512 && wide_pipes && machine->fma;
        machine->masked_memory = avx512;
        machine->gather = avx512;
        machine->int8_dot = avx512 ? has(features, SL_FEATURE_avx512vnni) : avx2 && has(features, SL_FEATURE_avxvnni);
        machine->int8_left_unsigned = true;
        machine->int8_pairs = true;
        const sl_cpu *tuned = sl_cpu_find(machine->tune, strlen(machine->tune));
        machine->bf16_pairs = avx512 && has(features, SL_FEATURE_avx512bf16);
        machine->bf16_dot = machine->bf16_pairs && !(tuned && tuned->slow_bf16);
        machine->amx_bf16 = avx512 && has(features, SL_FEATURE_amx_bf16);
        machine->amx_int8 = avx512 && has(features, SL_FEATURE_amx_int8);
        double flops_per_cycle = machine->fma ? (avx512 && wide_pipes ? 64 : 32) : machine->vector_bits == 256 ? 16 : 8;
        machine->peak_gflops = ghz * flops_per_cycle;
        machine->l1_gbps = ghz * (avx512 && wide_pipes ? 128 : avx2 ? 64 : 32);
    }
    machine->l2_gbps = machine->l1_gbps / 2;
    machine->l3_gbps = machine->l1_gbps / 5;
    machine->dram_gbps = 20;
    machine->launch_us = 3;
}

static void fill_defaults(sl_machine *machine, sl_arch arch) {
    memset(machine, 0, sizeof(*machine));
    machine->triple = arch == SL_ARCH_AARCH64 ? "aarch64-unknown-linux-gnu" : "x86_64-pc-linux-gnu";
    machine->cpu = arch == SL_ARCH_AARCH64 ? "generic" : "x86-64";
    machine->tune = machine->cpu;
    machine->l1_bytes = 32 << 10;
    machine->l2_bytes = 1 << 20;
    machine->l3_bytes = 16 << 20;
    machine->threads = 4;
}

/* ---- the running machine ---- */

static bool read_line(const char *path, char *buffer, size_t size) {
    FILE *file = fopen(path, "re");
    if (!file) return false;
    bool ok = fgets(buffer, (int)size, file) != NULL;
    fclose(file);
    return ok;
}

static void read_caches(sl_machine *machine) {
    for (int i = 0; i < 8; ++i) {
        char path[128], text[64];
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu0/cache/index%d/type", i);
        if (!read_line(path, text, sizeof(text))) break;
        if (text[0] == 'I') continue;
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu0/cache/index%d/level", i);
        if (!read_line(path, text, sizeof(text))) continue;
        int level = atoi(text);
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu0/cache/index%d/size", i);
        if (!read_line(path, text, sizeof(text))) continue;
        char *unit;
        int64_t size = strtoll(text, &unit, 10);
        if (size <= 0 || size > INT64_C(1) << 30) continue;
        size <<= *unit == 'K' ? 10 : *unit == 'M' ? 20 : 0;
        if (level == 1) machine->l1_bytes = size;
        if (level == 2) machine->l2_bytes = size;
        if (level == 3) machine->l3_bytes = size;
    }
}

/* Distinct physical cores that this process may run on, limited by the control group's CPU quota. */
static int count_cores(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set)) return 1;
    int seen[CPU_SETSIZE], count = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (!CPU_ISSET(cpu, &set)) continue;
        char path[128], text[64];
        int core = cpu, package = 0;
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/topology/core_id", cpu);
        if (read_line(path, text, sizeof(text))) core = atoi(text);
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/topology/physical_package_id", cpu);
        if (read_line(path, text, sizeof(text))) package = atoi(text);
        int key = package * 65536 + core, i = 0;
        while (i < count && seen[i] != key) ++i;
        if (i == count) seen[count++] = key;
    }
    char text[64];
    long long quota, period;
    if (read_line("/sys/fs/cgroup/cpu.max", text, sizeof(text)) && sscanf(text, "%lld %lld", &quota, &period) == 2 && quota > 0 && period > 0) {
        int limit = (int)((quota + period - 1) / period);
        if (limit >= 1 && limit < count) count = limit;
    }
    return count > 0 ? count : 1;
}

static double read_ghz(void) {
    char text[256];
    if (read_line("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", text, sizeof(text))) {
        double ghz = atof(text) / 1e6;
        if (ghz > 0.5 && ghz < 8) return ghz;
    }
    FILE *file = fopen("/proc/cpuinfo", "re");
    double ghz = 0;
    while (file && fgets(text, sizeof(text), file))
        if (!strncmp(text, "cpu MHz", 7) && strchr(text, ':')) {
            ghz = atof(strchr(text, ':') + 1) / 1e3;
            break;
        }
    if (file) fclose(file);
    return ghz > 0.5 && ghz < 8 ? ghz : 2.5;
}

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>

static uint64_t read_xcr0(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

/* The 8 kB state of the matrix tiles is granted to a process on request (Linux 5.16), for all of its threads, also those that there are already; asking again does no harm. Everything that makes or loads
 * code for the running machine asks here first. Without the grant the first tile instruction would end in SIGILL. */
static bool ask_for_tiles(void) {
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}

static uint64_t detect_features(void) {
    uint32_t regs[4], highest = __get_cpuid_max(0, NULL);
    uint64_t xcr0 = 0, found = 0;
    if (__get_cpuid(1, &regs[0], &regs[1], &regs[2], &regs[3]) && (regs[2] >> 27 & 1)) xcr0 = read_xcr0();
    for (int i = 0; i < SL_FEATURE_COUNT; ++i) {
        const sl_feature_info *info = &sl_features[i];
        if (info->arch != SL_ARCH_X86 || (info->leaf < 0x80000000u && info->leaf > highest)) continue;
        if (!__get_cpuid_count(info->leaf, info->subleaf, &regs[0], &regs[1], &regs[2], &regs[3])) continue;
        if ((regs[info->reg] >> info->bit & 1) && (xcr0 & info->xcr0) == info->xcr0) found |= UINT64_C(1) << i;
    }
    const uint64_t tiles = UINT64_C(1) << SL_FEATURE_amx_tile | UINT64_C(1) << SL_FEATURE_amx_bf16 | UINT64_C(1) << SL_FEATURE_amx_int8;
    if ((found & tiles) && !ask_for_tiles()) found &= ~tiles;
    return found;
}

static const char *detect_tune(void) {
    uint32_t a, b, c, d;
    char vendor[13] = {0};
    if (!__get_cpuid(0, &a, &b, &c, &d)) return "x86-64";
    memcpy(vendor, &b, 4), memcpy(vendor + 4, &d, 4), memcpy(vendor + 8, &c, 4);
    if (!__get_cpuid(1, &a, &b, &c, &d)) return "x86-64";
    uint32_t family = a >> 8 & 15, model = a >> 4 & 15;
    if (family == 15) family += a >> 20 & 255;
    if (family >= 6) model |= a >> 12 & 0xf0;
    for (int i = 0; i < SL_X86_MODEL_COUNT; ++i) {
        const sl_x86_model *row = &sl_x86_models[i];
        if (!strcmp(row->vendor, vendor) && row->family == family && model >= row->first && model <= row->last) return row->cpu;
    }
    return "x86-64";
}
#elif defined(__aarch64__)
#include <sys/auxv.h>

static uint64_t detect_features(void) {
    uint64_t found = 0;
    unsigned long caps = getauxval(AT_HWCAP), caps2 = getauxval(AT_HWCAP2);
    for (int i = 0; i < SL_FEATURE_COUNT; ++i) {
        const sl_feature_info *info = &sl_features[i];
        if (info->arch != SL_ARCH_AARCH64) continue;
        if ((info->leaf == 1 ? caps : caps2) >> info->bit & 1) found |= UINT64_C(1) << i;
    }
    return found;
}

static const char *detect_tune(void) { return "generic"; }
#endif

void sl_machine_detect(sl_arena *arena, sl_machine *machine) {
#if defined(__x86_64__)
    const sl_arch arch = SL_ARCH_X86;
#elif defined(__aarch64__)
    const sl_arch arch = SL_ARCH_AARCH64;
#else
#error "Sluice runs on x86-64 and aarch64"
#endif
    fill_defaults(machine, arch);
    uint64_t features = detect_features();
    machine->tune = detect_tune();
    machine->features = features_text(arena, arch, features);
    const sl_cpu *known = sl_cpu_find(machine->tune, strlen(machine->tune));
    fill_vectors(machine, arch, features, known && known->wide_pipes, read_ghz());
    read_caches(machine);
    machine->threads = count_cores();
}

/* ---- named machines ---- */

static int find_feature(sl_arch arch, const char *name, size_t length) {
    for (int i = 0; i < SL_FEATURE_COUNT; ++i)
        if (sl_features[i].arch == arch && strlen(sl_features[i].name) == length && !memcmp(sl_features[i].name, name, length)) return i;
    return -1;
}

/* Adding a feature adds what it needs; removing one removes what needs it. */
static uint64_t close_features(uint64_t features, int changed, bool on) {
    if (on) return features | UINT64_C(1) << changed | sl_features[changed].needs;
    features &= ~(UINT64_C(1) << changed);
    for (int i = 0; i < SL_FEATURE_COUNT; ++i)
        if (sl_features[i].needs >> changed & 1) features &= ~(UINT64_C(1) << i);
    return features;
}

bool sl_machine_named(sl_arena *arena, const char *name, sl_machine *machine) {
    size_t length = strcspn(name, ",");
    uint64_t features;
    sl_arch arch;
    bool wide = false;
    if (length == 4 && !memcmp(name, "host", 4)) {
        sl_machine_detect(arena, machine);
        if (!name[length]) return true;
        arch = !strncmp(machine->triple, "aarch64", 7) ? SL_ARCH_AARCH64 : SL_ARCH_X86;
        features = 0;
        for (const char *at = machine->features; *at;) {
            size_t part = strcspn(at, ",");
            int feature = find_feature(arch, at + 1, part - 1);
            if (feature >= 0) features |= UINT64_C(1) << feature;
            at += part + (at[part] == ',');
        }
    } else {
        const sl_cpu *cpu = sl_cpu_find(name, length);
        if (!cpu) return false;
        arch = cpu->arch;
        features = cpu->features;
        wide = cpu->wide_pipes;
        fill_defaults(machine, arch);
        if (strcmp(cpu->name, "aarch64")) machine->tune = cpu->name;   /* the architecture's own name is no CPU of LLVM */
    }
    for (const char *at = name + length; *at == ',';) {
        ++at;
        size_t part = strcspn(at, ",");
        if (part < 2 || (*at != '+' && *at != '-')) return false;
        int feature = find_feature(arch, at + 1, part - 1);
        if (feature < 0) return false;
        features = close_features(features, feature, *at == '+');
        at += part;
    }
    int threads = machine->threads;
    machine->features = features_text(arena, arch, features);
    fill_vectors(machine, arch, features, wide, 2.5);
    machine->threads = threads;
    return true;
}

const char *sl_machine_lacks(const sl_machine *code, const sl_machine *host) {
    if (strncmp(code->triple, host->triple, strcspn(code->triple, "-") + 1)) return "another instruction set";
    sl_arch arch = !strncmp(code->triple, "aarch64", 7) ? SL_ARCH_AARCH64 : SL_ARCH_X86;
    for (const char *at = code->features; *at;) {
        size_t length = strcspn(at, ",");
        const char *end = at + length;
        bool found = *at != '+';
        for (const char *have = host->features; *have && !found;) {
            size_t part = strcspn(have, ",");
            found = part == length && !memcmp(have, at, length);
            have += part + (have[part] == ',');
        }
        if (!found) {
            int feature = find_feature(arch, at + 1, length - 1);
            if (arch == SL_ARCH_X86 && feature == SL_FEATURE_amx_tile) return "amx-tile, or the system does not grant it to this process";
            return feature >= 0 ? sl_features[feature].name : at;
        }
        at = end + (*end == ',');
    }
    return NULL;
}
