/* diag.h: diagnostics, what the user must read, with a location in a model or text file.
 *
 * Passes and importers report as many as they find and then return a failed status. A diagnostic prints as
 *     path:line:col: error: message            (text IR, JSON; followed by the source line and a caret)
 *     model.onnx: node 'conv1' (Conv): error: message
 */
#ifndef SLUICE_DIAG_H
#define SLUICE_DIAG_H

#include "sluice/memory.h"

typedef enum sl_severity { SL_SEVERITY_NOTE, SL_SEVERITY_REMARK, SL_SEVERITY_WARNING, SL_SEVERITY_ERROR } sl_severity;

/* Where something stands: a position in a text file, or a named node in a model, or both. All strings are borrowed (interned). */
typedef struct sl_place {
    const char *file;     /* may be NULL */
    int line, column;     /* from 1; 0 when unknown */
    const char *node;     /* ONNX node name, or NULL */
    const char *op;       /* ONNX op type, or NULL */
} sl_place;

typedef struct sl_diag {
    sl_severity severity;
    sl_place place;
    const char *message;
    const char *source_line;  /* text of the line the place names, when known; else NULL */
    struct sl_diag *notes;    /* attached notes, linked by next */
    struct sl_diag *next;
} sl_diag;

/* Called once per reported diagnostic; the diag and its strings live only during the call. */
typedef void (*sl_diag_handler)(void *self, const sl_diag *diag);

typedef struct sl_diag_sink {
    sl_diag_handler handler;  /* NULL drops diagnostics (they are still counted) */
    void *self;
    int64_t error_count, warning_count;
} sl_diag_sink;

SL_PRINTF(4, 5) void sl_diag_report(sl_diag_sink *sink, sl_severity severity, const sl_place *place, const char *format, ...);
/* Same with the source line for the caret. */
SL_PRINTF(5, 6) void sl_diag_report_line(sl_diag_sink *sink, sl_severity severity, const sl_place *place, const char *source_line, const char *format, ...);

/* Renders a diagnostic as the lines shown above, each ending in a newline. */
void sl_diag_render(sl_text *out, const sl_diag *diag);

#endif
