/* fuzz_text.c: text IR. Whatever the bytes are: parsing ends; a module that parses prints to text that reads back to the same print; a module that is valid
 * survives the default pipeline, and its @main, when it takes no inputs, can be evaluated (or each refuses with an error). */
#include "fuzz.h"
#include "sluice/passes.h"
#include <string.h>

static const char *print(sl_arena *arena, sl_module *module) {
    sl_text text;
    sl_text_init(&text, arena);
    sl_module_print(&text, module, NULL);
    return text.data;
}

static void evaluate(sl_module *module, sl_arena *arena) {
    sl_op *function = sl_module_find(module, "main");
    if (!function || sl_op_get_kind(function) != SL_OP_core_func || sl_block_argument_count(sl_op_body(function, 0)) != 0) return;
    int count = sl_op_operand_count(sl_block_terminator(sl_op_body(function, 0)));
    sl_tensor **outputs = SL_NEW_ARRAY(arena, sl_tensor *, (size_t)count + 1);
    sl_eval_options options;
    sl_eval_options_init(&options);
    options.max_elements = 1 << 14;
    options.max_steps = 2000;
    sl_status_free(sl_eval_function(module, "main", arena, &options, 0, NULL, count, outputs));
}

static void check(sl_context *context, sl_arena *arena, const uint8_t *data, size_t size) {
    sl_module *module, *again;
    sl_status status = sl_module_parse(context, "input.sl", (const char *)data, size, &module);
    if (status) {
        sl_status_free(status);
        return;
    }
    const char *first = print(arena, module);
    status = sl_module_parse(context, "printed.sl", first, strlen(first), &again);
    FUZZ_CHECK(!status, "%s\n%s", sl_status_message(status), first);
    const char *second = print(arena, again);
    FUZZ_CHECK(strcmp(first, second) == 0, "\n%s\nand then\n%s", first, second);
    sl_module_destroy(again);
    status = sl_module_verify(module);
    bool valid = !status;
    sl_status_free(status);
    if (valid) {
        evaluate(module, arena);
        sl_machine machine;
        sl_machine_detect(arena, &machine);
        sl_pipeline_options options;
        sl_pipeline_options_init(&options);
        options.machine = &machine;
        options.verify_each = true;
        status = sl_pipeline_run(module, sl_pipeline_default(), &options);
        FUZZ_CHECK(sl_status_code(status) != SL_INTERNAL, "%s\n%s", sl_status_message(status), first);
        sl_status_free(status);
    }
    sl_module_destroy(module);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    sl_allocator allocator = sl_allocator_system();
    sl_diag_sink sink = {0};
    sl_context *context = sl_context_create(&allocator, &sink);
    sl_arena *arena = sl_arena_create(&allocator, 0);
    sl_guard guard;
    if (context && arena && SL_GUARD_ENTER(&guard)) {
        check(context, arena, data, size);
        sl_guard_leave(&guard);
    }
    sl_arena_destroy(arena);
    sl_context_destroy(context);
    return 0;
}
