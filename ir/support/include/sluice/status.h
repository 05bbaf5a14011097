/* status.h: the must-use result of calls that can fail.
 *
 * A status is NULL when the call succeeded and otherwise an owned heap object with a code, the source position that raised it and a message
 * for the user. It travels up by SL_TRY and is freed exactly once by whoever handles it. When no memory is left for the object itself a
 * shared immortal out-of-memory status is returned, so raising an error never fails.
 *
 * Messages that a user must read with a place in a model go through diag.h; the status of such a call then only says that it failed.
 */
#ifndef SLUICE_STATUS_H
#define SLUICE_STATUS_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

typedef enum sl_code {
    SL_OK = 0,
    SL_INVALID_ARGUMENT = 1,  /* the caller broke the API's contract: wrong type, shape, option */
    SL_INVALID_MODEL = 2,     /* the file is malformed or inconsistent */
    SL_UNSUPPORTED = 3,       /* well-formed, but outside of what is implemented */
    SL_NOT_FOUND = 4,         /* missing file, symbol or name */
    SL_IO = 5,                /* the operating system refused: read, write, full disk */
    SL_OUT_OF_MEMORY = 6,
    SL_OVERFLOW = 7,          /* a size does not fit in 64 bits or exceeds a stated limit */
    SL_RUN_TIME = 8,          /* a compiled program found bad data: index out of range, shape guard */
    SL_INTERNAL = 9,          /* our bug */
} sl_code;

typedef struct sl_status_object *sl_status;

#define SL_MUST_USE __attribute__((warn_unused_result))
#define SL_PRINTF(format_index, first_argument) __attribute__((format(printf, format_index, first_argument)))

/* Makes an error status. `file` is borrowed forever (pass __FILE__). */
SL_MUST_USE SL_PRINTF(4, 5) sl_status sl_status_make(sl_code code, const char *file, int line, const char *format, ...);
SL_MUST_USE sl_status sl_status_make_v(sl_code code, const char *file, int line, const char *format, va_list arguments);
#define SL_ERROR(code, ...) sl_status_make((code), __FILE__, __LINE__, __VA_ARGS__)

/* Queries on a possibly NULL (OK) status. The message lives as long as the status. */
sl_code sl_status_code(sl_status status);
const char *sl_status_message(sl_status status);
const char *sl_code_name(sl_code code);

/* Prepends "context: " to the message; takes and returns ownership. OK stays OK. */
SL_MUST_USE SL_PRINTF(2, 3) sl_status sl_status_annotate(sl_status status, const char *format, ...);
void sl_status_free(sl_status status);

#define SL_TRY(expression)                    \
    do {                                      \
        sl_status sl_try_ = (expression);     \
        if (sl_try_) return sl_try_;          \
    } while (0)

#endif
