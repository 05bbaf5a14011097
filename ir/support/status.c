/* status.c: heap-allocated error objects. The one shared object, for the moment when no memory is left, is immutable and never freed. */
#include "sluice/status.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sl_status_object {
    sl_code code;
    const char *file;
    int line;
    const char *message;   /* text, or a literal for the immortal object */
    char text[];
};

static const struct sl_status_object no_memory = {SL_OUT_OF_MEMORY, "", 0, "out of memory"};

static sl_status immortal(void) { return (sl_status)&no_memory; }

sl_status sl_status_make_v(sl_code code, const char *file, int line, const char *format, va_list arguments) {
    va_list copy;
    va_copy(copy, arguments);
    int length = vsnprintf(NULL, 0, format, copy);
    va_end(copy);
    if (length < 0) length = 0;
    sl_status status = malloc(sizeof(*status) + (size_t)length + 1);
    if (!status) return immortal();
    status->code = code == SL_OK ? SL_INTERNAL : code;
    status->file = file;
    status->line = line;
    status->message = status->text;
    status->text[0] = 0;
    vsnprintf(status->text, (size_t)length + 1, format, arguments);
    return status;
}

sl_status sl_status_make(sl_code code, const char *file, int line, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    sl_status status = sl_status_make_v(code, file, line, format, arguments);
    va_end(arguments);
    return status;
}

sl_code sl_status_code(sl_status status) { return status ? status->code : SL_OK; }

const char *sl_status_message(sl_status status) { return status ? status->message : "ok"; }

const char *sl_code_name(sl_code code) {
    switch (code) {
    case SL_OK: return "ok";
    case SL_INVALID_ARGUMENT: return "invalid argument";
    case SL_INVALID_MODEL: return "invalid model";
    case SL_UNSUPPORTED: return "unsupported";
    case SL_NOT_FOUND: return "not found";
    case SL_IO: return "input/output error";
    case SL_OUT_OF_MEMORY: return "out of memory";
    case SL_OVERFLOW: return "size overflow";
    case SL_RUN_TIME: return "run-time error";
    case SL_INTERNAL: return "internal error";
    }
    return "unknown";
}

sl_status sl_status_annotate(sl_status status, const char *format, ...) {
    if (!status || status == immortal()) return status;
    va_list arguments;
    va_start(arguments, format);
    va_list copy;
    va_copy(copy, arguments);
    int prefix = vsnprintf(NULL, 0, format, copy);
    va_end(copy);
    size_t old = strlen(status->message);
    sl_status longer = prefix < 0 ? NULL : malloc(sizeof(*longer) + (size_t)prefix + 2 + old + 1);
    if (longer) {
        longer->code = status->code;
        longer->file = status->file;
        longer->line = status->line;
        longer->message = longer->text;
        vsnprintf(longer->text, (size_t)prefix + 1, format, arguments);
        memcpy(longer->text + prefix, ": ", 2);
        memcpy(longer->text + prefix + 2, status->message, old + 1);
        free(status);
        status = longer;
    }
    va_end(arguments);
    return status;
}

void sl_status_free(sl_status status) {
    if (status && status != immortal()) free(status);
}
