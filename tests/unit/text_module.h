/* text_module.h: unit tests on modules given as text: a context with a sink that keeps its messages, parsing, verification. */
#ifndef SLUICE_TESTS_TEXT_MODULE_H
#define SLUICE_TESTS_TEXT_MODULE_H

#include "check.h"
#include "sluice/ir.h"

typedef struct text_module {
    sl_context *context;
    sl_module *module;
    sl_arena *arena;
    sl_diag_sink sink;
    char messages[1 << 14];
    size_t length;
} text_module;

static inline void text_module_keep(void *self, const sl_diag *diag) {
    text_module *text = self;
    int written = snprintf(text->messages + text->length, sizeof text->messages - text->length, "%d: %s\n", diag->place.line, diag->message);
    if (written > 0 && text->length + (size_t)written < sizeof text->messages) text->length += (size_t)written;
}

static inline void text_module_close(text_module *text) {
    sl_module_destroy(text->module);
    sl_arena_destroy(text->arena);
    sl_context_destroy(text->context);
}

/* False when the text does not parse or verify; the messages then tell why. */
static inline bool text_module_open(text_module *text, const char *source) {
    *text = (text_module){0};
    sl_allocator allocator = sl_allocator_system();
    text->sink = (sl_diag_sink){.handler = text_module_keep, .self = text};
    text->context = sl_context_create(&allocator, &text->sink);
    text->arena = sl_arena_create(&allocator, 0);
    sl_status status = sl_module_parse(text->context, "test.sl", source, strlen(source), &text->module);
    if (!status) status = sl_module_verify(text->module);
    bool ok = status == NULL;
    sl_status_free(status);
    return ok;
}

/* Op number `index` (from 0) of function @main. */
static inline sl_op *text_module_op(const text_module *text, int index) {
    sl_op *op = sl_block_first(sl_op_body(sl_module_find(text->module, "main"), 0));
    while (op && index-- > 0) op = sl_op_next(op);
    return op;
}

#endif
