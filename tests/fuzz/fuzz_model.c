/* fuzz_model.c: model files. SLUICE_FUZZ_FORMAT says of which kind. Whatever the bytes are: reading and importing end with a module or with an error that was
 * reported. What the importer lets through the verifier may still refuse (element types that do not go together), at the node that it came from. */
#include "fuzz.h"
#include "sluice/graph.h"

typedef struct report { int errors; } report;

static void count(void *self, const sl_diag *diag) {
    report *all = self;
    all->errors += diag->severity == SL_SEVERITY_ERROR;
}

static void check(sl_context *context, sl_arena *arena, const report *seen, const uint8_t *data, size_t size) {
    sl_model *model;
    /* A folder that does not exist: side files are never found. */
    sl_status status = sl_model_read_memory(context, arena, "/nonexistent/model", data, size, SLUICE_FUZZ_FORMAT, &model);
    if (!status) {
        sl_module *module = NULL;
        sl_import_options options = {0};
        status = sl_import_model(context, model, &options, &module);
        if (!status) {
            status = sl_module_verify(module);
            FUZZ_CHECK(!status || seen->errors > 0, "invalid without a word: %s", sl_status_message(status));
            sl_module_destroy(module);
        } else {
            FUZZ_CHECK(seen->errors > 0 || *sl_status_message(status), "import failed without a word");
        }
    }
    FUZZ_CHECK(sl_status_code(status) != SL_INTERNAL, "%s", sl_status_message(status));
    sl_status_free(status);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    sl_allocator allocator = sl_allocator_system();
    report seen = {0};
    sl_diag_sink sink = {.handler = count, .self = &seen};
    sl_context *context = sl_context_create(&allocator, &sink);
    sl_arena *arena = sl_arena_create(&allocator, 0);
    sl_guard guard;
    if (context && arena && SL_GUARD_ENTER(&guard)) {
        check(context, arena, &seen, data, size);
        sl_guard_leave(&guard);
    }
    sl_arena_destroy(arena);
    sl_context_destroy(context);
    return 0;
}
