/* matrix_emulator.h: AMX's tile instructions carried out by a handler of SIGILL, so that code for matrix tiles can be run and tested on any x86-64 machine (slowly: some microseconds an instruction).
 *
 * Decodes the VEX forms that the code generator makes: ldtilecfg, tilerelease, tilezero, tileloadd, tilestored, tdpbf16ps, tdpb[su][su]d. Any other illegal instruction ends the process as it would
 * have without the handler. One thread's tiles are its own. The arithmetic of tdpbf16ps is that of Intel's manual: even and odd k apart from 0, by FMA, denormals 0; where a CPU has the instructions
 * `test_matrix` compares the emulator with them. */
#ifndef SLUICE_TESTS_MATRIX_EMULATOR_H
#define SLUICE_TESTS_MATRIX_EMULATOR_H

#include <stdbool.h>
#include <stdint.h>

/* Installs the handler. Instructions emulated so far: the second. */
bool matrix_emulator_install(void);
uint64_t matrix_emulator_count(void);

typedef struct matrix_tile { uint8_t rows; uint16_t bytes; union { uint8_t b[16][64]; uint16_t h[16][32]; uint32_t w[16][16]; }; } matrix_tile;
/* What the handler does for tdpbf16ps. */
void matrix_emulate_bf16(matrix_tile *sum, const matrix_tile *left, const matrix_tile *right);

#endif
