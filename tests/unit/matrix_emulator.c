/* matrix_emulator.c: see matrix_emulator.h. */
#include "matrix_emulator.h"

#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

static _Thread_local matrix_tile tiles[8];
static atomic_uint_least64_t count;

uint64_t matrix_emulator_count(void) { return atomic_load(&count); }

/* ---- arithmetic ---- */

static float flushed(float value) { return fpclassify(value) == FP_SUBNORMAL ? copysignf(0, value) : value; }

static float bf16_at(uint16_t bits) {
    uint32_t word = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &word, 4);
    return flushed(value);
}

void matrix_emulate_bf16(matrix_tile *sum, const matrix_tile *left, const matrix_tile *right) {
    for (int m = 0; m < sum->rows; m++)
        for (int n = 0; n < sum->bytes / 4; n++) {
            float parts[2] = {0, 0}, old;
            for (int k = 0; k < left->bytes / 4; k++)
                for (int j = 0; j < 2; j++) parts[j] = flushed(fmaf(bf16_at(left->h[m][2 * k + j]), bf16_at(right->h[k][2 * n + j]), parts[j]));
            memcpy(&old, &sum->w[m][n], 4);
            float result = flushed(flushed(old) + flushed(parts[0] + parts[1]));
            memcpy(&sum->w[m][n], &result, 4);
        }
}

static void emulate_bytes(matrix_tile *sum, const matrix_tile *left, const matrix_tile *right, bool left_signed, bool right_signed) {
    for (int m = 0; m < sum->rows; m++)
        for (int n = 0; n < sum->bytes / 4; n++)
            for (int k = 0; k < left->bytes; k++) {
                uint8_t a = left->b[m][k], b = right->b[k / 4][4 * n + k % 4];
                sum->w[m][n] += (uint32_t)((left_signed ? (int8_t)a : a) * (right_signed ? (int8_t)b : b));
            }
}

#ifdef __x86_64__
#include <ucontext.h>

/* ---- decoding ---- */

static const int registers[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

/* The address of a memory operand; `stride`: of tile loads, what the index register holds. Returns the bytes that mod/rm and what follows it take. */
static int decode_address(const uint8_t *at, const greg_t *r, int base_high, int index_high, uint8_t **address, int64_t *stride) {
    int mode = at[0] >> 6, rm = at[0] & 7, length = 1, base = rm | base_high;
    int32_t wide = 0;
    *stride = 0;
    if (rm == 4) {
        int index = (at[1] >> 3 & 7) | index_high;
        base = (at[1] & 7) | base_high;
        length = 2;
        if (index != 4) *stride = r[registers[index]] << (at[1] >> 6);
    }
    int64_t where = mode == 0 && (base & 7) == 5 ? 0 : r[registers[base]];
    if (mode == 1) where += (int8_t)at[length], length += 1;
    if (mode == 2 || (mode == 0 && (base & 7) == 5)) memcpy(&wide, at + length, 4), where += wide, length += 4;
    *address = (uint8_t *)where;             /* rip-relative operands are not made */
    return length;
}

static void configure(const uint8_t *config) {
    for (int i = 0; i < 8; i++) {
        memset(&tiles[i], 0, sizeof tiles[i]);
        tiles[i].rows = config[48 + i];
        memcpy(&tiles[i].bytes, config + 16 + 2 * i, 2);
    }
}

/* Length of the instruction at `at`, or 0 when it is none of ours. */
static int emulate(const uint8_t *at, const greg_t *r) {
    if (at[0] != 0xc4 || (at[1] & 0x1f) != 2 || (at[2] & 0x84)) return 0;       /* three-byte VEX, map 0F38, W0, 128 bits */
    int prefix = at[2] & 3, third = ~at[2] >> 3 & 15, opcode = at[3], modrm = at[4], length = 1;       /* prefix: 0 none, 1 66, 2 F3, 3 F2 */
    int base_high = at[1] & 0x20 ? 0 : 8, index_high = at[1] & 0x40 ? 0 : 8, target = modrm >> 3 & 7, other = modrm & 7;
    uint8_t *address = NULL;
    int64_t stride = 0;
    bool memory = modrm < 0xc0;
    if (memory) length = decode_address(at + 4, r, base_high, index_high, &address, &stride);
    if (opcode == 0x49 && memory && prefix == 0) configure(address);
    else if (opcode == 0x49 && modrm == 0xc0 && prefix == 0) memset(tiles, 0, sizeof tiles);
    else if (opcode == 0x49 && !memory && prefix == 3) memset(tiles[target].b, 0, sizeof tiles[target].b);
    else if (opcode == 0x4b && memory && prefix == 3) {
        memset(tiles[target].b, 0, sizeof tiles[target].b);
        for (int i = 0; i < tiles[target].rows; i++) memcpy(tiles[target].b[i], address + i * stride, tiles[target].bytes);
    } else if (opcode == 0x4b && memory && prefix == 2) {
        for (int i = 0; i < tiles[target].rows; i++) memcpy(address + i * stride, tiles[target].b[i], tiles[target].bytes);
    } else if (opcode == 0x5c && !memory && prefix == 2) matrix_emulate_bf16(&tiles[target], &tiles[other], &tiles[third & 7]);
    else if (opcode == 0x5e && !memory) emulate_bytes(&tiles[target], &tiles[other], &tiles[third & 7], prefix == 3 || prefix == 2, prefix == 3 || prefix == 1);
    else return 0;
    return 4 + length;
}

static void handle(int number, siginfo_t *info, void *context) {
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    int length = emulate((const uint8_t *)r[REG_RIP], r);
    (void)info;
    if (length) {
        r[REG_RIP] += length;
        atomic_fetch_add(&count, 1);
        return;
    }
    signal(number, SIG_DFL);                 /* comes again, and ends the process */
}

bool matrix_emulator_install(void) {
    struct sigaction action = {0};
    action.sa_sigaction = handle, action.sa_flags = SA_SIGINFO | SA_NODEFER;
    return sigaction(SIGILL, &action, NULL) == 0;
}
#else
bool matrix_emulator_install(void) { return false; }
#endif
