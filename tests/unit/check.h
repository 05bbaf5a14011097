/* check.h: what a unit test needs. A failed CHECK prints file:line and goes on; main ends with `return check_result();`. */
#ifndef SLUICE_TESTS_CHECK_H
#define SLUICE_TESTS_CHECK_H

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int check_failures;

#define CHECK(condition)                                                                       \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);            \
            check_failures++;                                                                  \
        }                                                                                      \
    } while (0)

#define CHECK_INT(actual, expected)                                                            \
    do {                                                                                       \
        int64_t actual_ = (int64_t)(actual), expected_ = (int64_t)(expected);                  \
        if (actual_ != expected_) {                                                            \
            fprintf(stderr, "%s:%d: %s is %" PRId64 ", expected %" PRId64 "\n", __FILE__, __LINE__, #actual, actual_, expected_); \
            check_failures++;                                                                  \
        }                                                                                      \
    } while (0)

#define CHECK_TEXT(actual, expected)                                                           \
    do {                                                                                       \
        const char *actual_ = (actual), *expected_ = (expected);                               \
        if (!actual_ || strcmp(actual_, expected_) != 0) {                                     \
            fprintf(stderr, "%s:%d: %s is\n  %s\nexpected\n  %s\n", __FILE__, __LINE__, #actual, actual_ ? actual_ : "(null)", expected_); \
            check_failures++;                                                                  \
        }                                                                                      \
    } while (0)

#define CHECK_CONTAINS(actual, part)                                                           \
    do {                                                                                       \
        const char *actual_ = (actual), *part_ = (part);                                       \
        if (!actual_ || !strstr(actual_, part_)) {                                             \
            fprintf(stderr, "%s:%d: %s is\n  %s\nand lacks\n  %s\n", __FILE__, __LINE__, #actual, actual_ ? actual_ : "(null)", part_); \
            check_failures++;                                                                  \
        }                                                                                      \
    } while (0)

static inline int check_result(void) {
    if (check_failures) fprintf(stderr, "%d checks failed\n", check_failures);
    return check_failures != 0;
}

#endif
