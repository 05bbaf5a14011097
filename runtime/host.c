/* host.c: the context behind the host API: allocator, last error, diagnostics. */
#include "runtime_internal.h"

#include <stdio.h>
#include <string.h>

static void *host_resize(void *self, void *pointer, size_t old_size, size_t new_size, size_t alignment) {
    const sluice_context_options *options = self;
    return options->resize(options->allocator_self, pointer, old_size, new_size, alignment);
}

const char *sluice_version(void) { return SLUICE_VERSION; }

void sluice_context_options_init(sluice_context_options *options) { memset(options, 0, sizeof *options); }

sluice_code sluice_context_create(const sluice_context_options *options, sluice_context **result) {
    if (!result) return SLUICE_INVALID_ARGUMENT;
    *result = NULL;
    sluice_context_options copy;
    if (options) copy = *options; else sluice_context_options_init(&copy);
    sl_allocator first = copy.resize ? (sl_allocator){&copy, host_resize} : sl_allocator_system();
    sluice_context *context = sl_allocate(&first, sizeof *context, 16);
    if (!context) return SLUICE_OUT_OF_MEMORY;
    context->options = copy;
    /* The allocator's self must outlive this call: it points at the copy inside the context. */
    context->allocator = copy.resize ? (sl_allocator){&context->options, host_resize} : first;
    *result = context;
    return SLUICE_OK;
}

void sluice_context_destroy(sluice_context *context) {
    if (!context) return;
    sluice_context_options options = context->options;
    sl_allocator allocator = options.resize ? (sl_allocator){&options, host_resize} : context->allocator;
    sl_deallocate(&allocator, context, sizeof *context);
}

const char *sluice_last_error(const sluice_context *context) { return context ? context->error : ""; }

const sl_allocator *sl_host_allocator(const sluice_context *context) { return &context->allocator; }

sluice_code sl_host_fail(sluice_context *context, sl_status status) {
    sluice_code code = (sluice_code)sl_status_code(status);
    if (status && context) snprintf(context->error, sizeof context->error, "%s", sl_status_message(status));
    sl_status_free(status);
    return code;
}

void sl_host_diagnostic(sluice_context *context, const char *text) {
    if (context && context->options.diagnostic) context->options.diagnostic(context->options.diagnostic_self, text);
}
