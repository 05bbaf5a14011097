/* test_matrix.c: the kernel ops on matrix tiles, one by one in kernels of text IR: loads and stores of tiles with few rows and bytes, sums of all kinds, against arithmetic written out here. Where the CPU has
 * the tiles it runs them, bit for bit as the emulator computes, so both stand for each other; elsewhere the emulator runs. Other targets refuse the ops with a message. */
#include "codegen_check.h"
#include "matrix_emulator.h"
#include <math.h>

#define TARGET "x86-64-v4,+amx-bf16,+amx-int8"
#define ARGUMENTS(left, sum) "(%a: buffer<? x " left ">, %b: buffer<? x " left ">, %c: buffer<? x " sum ">, %rows: i64, %pitch: i64, %first: i64, %end: i64, %worker: i64) {\n"

/* c (rows x 16, `pitch` apart) += a (rows x 64 bytes, `pitch` apart) * b, twice over: with the sum in tile 2 and, from zero, in tile 0, which goes 16 columns behind. */
#define KERNEL(name, kind, left, sum, depth) \
    "kernel.func @" name ARGUMENTS(left, sum) \
    "  %zero = core.constant {value = data<i64>[0]} : () -> i64\n  %behind = core.constant {value = data<i64>[16]} : () -> i64\n  %line = core.constant {value = data<i64>[" depth "]} : () -> i64\n" \
    "  kernel.matrix_config(%rows) {bytes = ints[64, 64, 64, 64, 64, 64, 64, 64], rows = ints[0, 16, 0, 16, 0, 16, 16, 16]} : (i64)\n" \
    "  kernel.matrix_load(%c, %zero, %pitch) {tile = 2} : (buffer<? x " sum ">, i64, i64)\n  kernel.matrix_load(%a, %zero, %pitch) {tile = 4} : (buffer<? x " left ">, i64, i64)\n" \
    "  kernel.matrix_load(%b, %zero, %line) {tile = 7} : (buffer<? x " left ">, i64, i64)\n  kernel.matrix_load(%c, %zero, %pitch) {tile = 0} : (buffer<? x " sum ">, i64, i64)\n" \
    "  kernel.matrix_zero {tile = 0}\n  kernel.matrix_dot {kind = \"" kind "\", left = 4, right = 7, sum = 2}\n  kernel.matrix_dot {kind = \"" kind "\", left = 4, right = 7, sum = 0}\n" \
    "  kernel.matrix_store(%c, %zero, %pitch) {tile = 2} : (buffer<? x " sum ">, i64, i64)\n  kernel.matrix_store(%c, %behind, %pitch) {tile = 0} : (buffer<? x " sum ">, i64, i64)\n" \
    "  kernel.matrix_release\n  kernel.yield\n}\n"

static const char kernels[] = KERNEL("bf16", "bf16", "bf16", "f32", "32") KERNEL("s8s8", "s8s8", "i8", "i32", "64") KERNEL("s8u8", "s8u8", "u8", "i32", "64")
    KERNEL("u8s8", "u8s8", "u8", "i32", "64") KERNEL("u8u8", "u8u8", "u8", "i32", "64");

static uint16_t random_bf16(int kind) {
    static const float special[] = {INFINITY, -INFINITY, NAN, 0, -0.0f, 1e-40f, -3e-39f, 1e38f, -3e38f};
    float value = (float)rand() / (float)RAND_MAX * 2 - 1;
    uint32_t word;
    if (kind == 1) value = ldexpf(value, rand() % 200 - 100);
    if (kind == 2 && rand() % 6 == 0) value = special[(size_t)rand() % (sizeof special / sizeof *special)];
    memcpy(&word, &value, 4);
    return (uint16_t)(word >> 16);
}

static bool same_float(uint32_t a, uint32_t b) {
    float x, y;
    memcpy(&x, &a, 4), memcpy(&y, &b, 4);
    return a == b || (isnan(x) && isnan(y));
}

/* One run: `pitch` counts elements of c, and of a. What lies outside of the rows must stay. */
static void check_kind(bench *b, const char *name, int rows, int fill) {
    enum { PITCH = 70, FILLER = 0x5a5a5a5a };
    bool bf16 = !strcmp(name, "bf16");
    static uint32_t sums[16 * PITCH + 64];
    static uint8_t a[16 * PITCH * 2 + 64];
    matrix_tile left = {.rows = (uint8_t)rows, .bytes = 64}, right = {.rows = 16, .bytes = 64}, want[2] = {{.rows = (uint8_t)rows, .bytes = 64}, {.rows = (uint8_t)rows, .bytes = 64}};
    for (int i = 0; i < (int)(sizeof sums / sizeof *sums); i++) sums[i] = FILLER;
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 64; j++) left.b[i][j] = (uint8_t)rand(), right.b[i][j] = (uint8_t)rand();
    for (int i = 0; i < 16; i++)
        for (int j = 0; bf16 && j < 32; j++) left.h[i][j] = random_bf16(fill), right.h[i][j] = random_bf16(fill);
    for (int i = 0; i < rows; i++) {
        memcpy(a + i * PITCH * (bf16 ? 2 : 1), left.b[i], 64);
        for (int j = 0; j < 16; j++) want[0].w[i][j] = sums[i * PITCH + j] = bf16 ? (uint32_t)random_bf16(fill) << 16 : (uint32_t)rand() * 2654435761u;
    }
    for (int i = 0; i < 2; i++) {
        if (bf16) matrix_emulate_bf16(&want[i], &left, &right);
        for (int m = 0; m < rows && !bf16; m++)
            for (int n = 0; n < 16; n++)
                for (int k = 0; k < 64; k++) {
                    int x = left.b[m][k], y = right.b[k / 4][4 * n + k % 4];
                    want[i].w[m][n] += (uint32_t)((name[0] == 's' ? (int8_t)x : x) * (name[2] == 's' ? (int8_t)y : y));
                }
    }
    bench_run(b, name, (void *[]){a, right.b, sums}, (int64_t[]){rows, PITCH}, 1);
    for (int m = 0; m < 16; m++)
        for (int j = 0; j < PITCH; j++) {
            uint32_t got = sums[m * PITCH + j], expected = m < rows && j < 32 ? want[j / 16].w[m][j % 16] : FILLER;
            if (bf16 && m < rows && j < 32 ? same_float(got, expected) : got == expected) continue;
            fprintf(stderr, "%s, %d rows, fill %d: (%d, %d) is %08x, not %08x\n", name, rows, fill, m, j, got, expected);
            check_failures++;
            return;
        }
}

static void keep_message(void *self, const sl_diag *diag) { sl_diag_render(self, diag); }

static void check_refused(const char *target, const char *text, const char *message) {
    bench b;
    bench_open(&b, target);
    sl_codegen_options options = {.machine = &b.machine};
    sl_text said;
    sl_text_init(&said, b.arena);
    b.sink = (sl_diag_sink){keep_message, &said, 0, 0};
    CHECK(bench_parse(&b, text));
    sl_status status = sl_codegen_kernels(b.module, &options, &b.allocator, &b.kernels);
    CHECK(status && said.data && strstr(said.data, message));
    if (status) sl_status_free(status);
    if (b.module) sl_module_destroy(b.module);
    sl_context_destroy(b.context);
    sl_arena_destroy(b.arena);
}

int main(void) {
    bench b;
    check_refused("x86-64-v4", kernels, "amx-tile");
    check_refused("x86-64-v4,+amx-int8", KERNEL("bf16", "bf16", "bf16", "f32", "32"), "amx-bf16");
    sl_machine here;
    bench_open(&b, TARGET);
    sl_machine_detect(b.arena, &here);
    const char *lacks = sl_machine_lacks(&b.machine, &here);
    bool emulated = lacks && !strncmp(lacks, "amx-", 4) && matrix_emulator_install();
    if (lacks && !emulated) {
        printf("not run, this CPU lacks %s\n", lacks);
        return check_failures ? check_result() : 77;
    }
    static const char *const kinds[] = {"bf16", "s8s8", "s8u8", "u8s8", "u8u8"};
    if (bench_compile(&b, kernels, NULL))
        for (int rows = 1; rows <= 16; rows++)
            for (int kind = 0; kind < 5; kind++)
                for (int fill = 0; fill < (kind == 0 ? 3 : 1); fill++) check_kind(&b, kinds[kind], rows, fill);
    bench_close(&b);
    printf("%s\n", emulated ? "by the emulator" : "on the CPU's tiles");
    CHECK((matrix_emulator_count() > 0) == emulated);
    return check_result();
}
