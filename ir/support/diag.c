/* diag.c: reporting and rendering of diagnostics. A message is formatted into a fixed buffer on the stack, so that reporting needs no memory; longer
 * ones end in "...". */
#include "sluice/diag.h"
#include <stdio.h>
#include <string.h>

enum { LONGEST_MESSAGE = 4096, LONGEST_SHOWN_LINE = 160 };

SL_PRINTF(5, 0) static void report(sl_diag_sink *sink, sl_severity severity, const sl_place *place, const char *source_line, const char *format,
                                   va_list arguments) {
    if (severity == SL_SEVERITY_ERROR) sink->error_count++;
    if (severity == SL_SEVERITY_WARNING) sink->warning_count++;
    if (!sink->handler) return;
    char message[LONGEST_MESSAGE];
    int length = vsnprintf(message, sizeof(message), format, arguments);
    if (length >= (int)sizeof(message)) memcpy(message + sizeof(message) - 4, "...", 4);
    sl_diag diag = {.severity = severity, .message = length < 0 ? format : message, .source_line = source_line};
    if (place) diag.place = *place;
    sink->handler(sink->self, &diag);
}

void sl_diag_report(sl_diag_sink *sink, sl_severity severity, const sl_place *place, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    report(sink, severity, place, NULL, format, arguments);
    va_end(arguments);
}

void sl_diag_report_line(sl_diag_sink *sink, sl_severity severity, const sl_place *place, const char *source_line, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    report(sink, severity, place, source_line, format, arguments);
    va_end(arguments);
}

static const char *severity_name(sl_severity severity) {
    switch (severity) {
    case SL_SEVERITY_NOTE: return "note";
    case SL_SEVERITY_REMARK: return "remark";
    case SL_SEVERITY_WARNING: return "warning";
    case SL_SEVERITY_ERROR: return "error";
    }
    return "error";
}

/* The line and a caret under `column`; of a long line only the part around it. */
static void render_line(sl_text *out, const char *line, int column) {
    size_t length = strcspn(line, "\r\n"), start = 0, position = column > 0 ? (size_t)column - 1 : 0;
    if (position > length) position = length;
    if (length > LONGEST_SHOWN_LINE && position > LONGEST_SHOWN_LINE / 2) start = position - LONGEST_SHOWN_LINE / 2;
    size_t end = length - start > LONGEST_SHOWN_LINE ? start + LONGEST_SHOWN_LINE : length;
    while (start > 0 && start < end && ((unsigned char)line[start] & 0xC0) == 0x80) start++;   /* not inside of a UTF-8 sequence */
    while (end < length && end > start && ((unsigned char)line[end] & 0xC0) == 0x80) end--;
    sl_text_append(out, "  %s", start ? "..." : "");
    sl_text_append_bytes(out, line + start, end - start);
    sl_text_append(out, "%s\n", end < length ? "..." : "");
    if (column <= 0) return;
    sl_text_append(out, "  %s", start ? "   " : "");
    for (size_t i = start; i < position; i++) {
        unsigned char c = (unsigned char)line[i];
        if ((c & 0xC0) != 0x80) sl_text_append_bytes(out, c == '\t' ? "\t" : " ", 1);
    }
    sl_text_append(out, "^\n");
}

void sl_diag_render(sl_text *out, const sl_diag *diag) {
    const sl_place *place = &diag->place;
    if (place->file) {
        sl_text_append(out, "%s:", place->file);
        if (place->line > 0) sl_text_append(out, "%d:", place->line);
        if (place->line > 0 && place->column > 0) sl_text_append(out, "%d:", place->column);
        sl_text_append(out, " ");
    }
    if (place->node) {
        sl_text_append(out, "node '%s'", place->node);
        if (place->op) sl_text_append(out, " (%s)", place->op);
        sl_text_append(out, ": ");
    }
    sl_text_append(out, "%s: %s\n", severity_name(diag->severity), diag->message);
    if (diag->source_line) render_line(out, diag->source_line, place->column);
    for (const sl_diag *note = diag->notes; note; note = note->next) sl_diag_render(out, note);
}
