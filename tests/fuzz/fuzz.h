/* fuzz.h: what the fuzz targets share. Each target defines LLVMFuzzerTestOneInput; with -DSLUICE_FUZZ=ON (clang) libFuzzer drives it, else replay.c, which runs
 * saved inputs (corpora, crashes) in every build. A target calls FUZZ_CHECK for what must hold whatever the input is. */
#ifndef SLUICE_TESTS_FUZZ_H
#define SLUICE_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(condition, ...)                                                     \
    do {                                                                               \
        if (!(condition)) {                                                            \
            fprintf(stderr, "%s:%d: failed: %s: ", __FILE__, __LINE__, #condition);    \
            fprintf(stderr, __VA_ARGS__);                                              \
            fputc('\n', stderr);                                                       \
            __builtin_trap();                                                          \
        }                                                                              \
    } while (0)

#endif
