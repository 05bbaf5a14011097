/* jit.c: a module of kernel IR to a program: units for the kernels and the host code, compiled in parallel, linked, described in a table, and loaded into this
 * process or handed to who writes it down.
 *
 * The program owns its loaded code, an arena with its table and the constants that had to be copied, and the model's arena with the constants that had not. */
#include "jit.h"
#include "llvm_bridge.h"
#include "load.h"
#include "sluice/runtime.h"
#include "table.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

typedef struct owner { sl_allocator allocator; sl_arena *arena, *model_arena; sl_loaded_image code; } owner;

static void release(void *argument) {
    owner *own = argument;
    sl_image_unload(&own->code);
    sl_arena *arena = own->arena, *model = own->model_arena;
    if (model) sl_arena_destroy(model);
    sl_arena_destroy(arena);   /* `own` lies in it */
}

static double milliseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

sl_op *sl_codegen_entry(sl_module *module) {
    sl_op *main = sl_module_find(module, "main"), *found = NULL;
    if (main && sl_op_get_kind(main) == SL_OP_core_func) return main;
    for (sl_op *op = sl_block_first(sl_module_body(module)); op; op = sl_op_next(op))
        if (sl_op_get_kind(op) == SL_OP_core_func) {
            if (found) return NULL;
            found = op;
        }
    return found;
}

static const char *kernel_symbol(void *self, const char *callee) {
    sl_batch *batch = self;
    sl_op *func = sl_module_find(batch->module, callee);
    return func && batch->by_op[sl_op_id(func)] ? batch->by_op[sl_op_id(func)]->symbol : NULL;
}

/* Host code is keyed by its LLVM IR, which holds all that it depends on. */
static sl_status emit_host(sl_batch *batch, sl_host *host) {
    sl_unit *unit = sl_batch_add(batch, sl_op_string(host->func, "sym_name", "main"));
    unit->symbol = SL_HOST_RUN;
    unit->optimize = false;
    unit->context = LLVMContextCreate();
    sl_llvm_watch(unit->context);
    sl_emitter e;
    sl_emitter_open(&e, batch->arena, batch->options->machine, unit->context, "host");
    unit->module = e.module;
    e.values = batch->values;
    bool good = sl_emit_program(&e, host);
    sl_emitter_close(&e);
    if (!good) return SL_ERROR(SL_UNSUPPORTED, "function '%s' can't be compiled", unit->name);
    SL_TRY(sl_status_annotate(sl_llvm_verify(unit->module), "function '%s'", unit->name));
    if (!batch->cache.directory) return NULL;
    char *text = LLVMPrintModuleToString(unit->module);
    unit->key = sl_arena_printf(batch->arena, "%s%s", batch->target_key, text);
    unit->key_length = strlen(unit->key);
    LLVMDisposeMessage(text);
    sl_batch_find_cached(batch, unit);
    return NULL;
}

static void report(const sl_batch *batch, const double *times) {
    const sl_codegen_options *options = batch->options;
    if (!options->timing || !options->print) return;
    size_t cached = 0, kernels = 0;
    for (size_t i = 0; i < batch->units.count; ++i) cached += batch->units.data[i]->cached;
    for (sl_op *op = sl_block_first(sl_module_body(batch->module)); op; op = sl_op_next(op)) kernels += sl_op_get_kind(op) == SL_OP_kernel_func;
    char text[256];
    snprintf(text, sizeof(text), "codegen: %zu kernels, %zu units (%zu from the cache); emit %.1f ms, compile %.1f ms, link %.1f ms, constants %.1f ms, store %.1f ms\n", kernels,
             batch->units.count, cached, times[1] - times[0], times[2] - times[1], times[3] - times[2], times[4] - times[3], times[5] - times[4]);
    options->print(options->print_self, text);
}

static sl_status build_program(sl_module *module, const sl_codegen_options *options, sl_arena *scratch, owner *own, sluice_program **program) {
    double times[6] = {milliseconds()};
    sl_batch batch;
    sl_batch_init(&batch, scratch, module, options);
    sl_host host = {.module = module, .func = sl_codegen_entry(module), .kernel_symbol = kernel_symbol, .self = &batch};
    if (!host.func) return SL_ERROR(SL_INVALID_ARGUMENT, "the module has no function 'main' to compile");
    if (!sl_op_bool(host.func, "buffers", false)) return SL_ERROR(SL_INVALID_ARGUMENT, "function '%s' is not lowered to buffers yet", sl_op_string(host.func, "sym_name", ""));
    SL_TRY(sl_batch_kernels(&batch));
    SL_TRY(emit_host(&batch, &host));
    times[1] = milliseconds();
    SL_TRY(sl_batch_compile(&batch));
    times[2] = milliseconds();
    sl_linked linked;
    SL_TRY(sl_batch_link(&batch, scratch, &linked));
    sl_compiled compiled = {.image = &linked.image, .prepare = sl_linked_find(&linked, SL_HOST_PREPARE), .run = sl_linked_find(&linked, SL_HOST_RUN)};
    if (compiled.prepare < 0 || compiled.run < 0) return SL_ERROR(SL_INTERNAL, "the compiled code lacks its host functions");
    times[3] = milliseconds();
    SL_TRY(sl_table_make(own->arena, &host, batch.scratch_bytes, own->model_arena != NULL, &compiled));
    times[4] = milliseconds();
    if (options->compiled) SL_TRY(options->compiled(options->compiled_self, &compiled));
    times[5] = milliseconds();
    report(&batch, times);
    if (!program) return NULL;
    SL_TRY(sl_image_load(&linked.image, &own->code));
    sl_program_table *table = sl_arena_copy(own->arena, compiled.table, sizeof *table);
    void *address = own->code.base + compiled.prepare;
    memcpy(&table->prepare, &address, sizeof address);
    address = own->code.base + compiled.run;
    memcpy(&table->run, &address, sizeof address);
    return sl_program_create(table, &own->allocator, release, own, program);
}

sl_status sl_codegen_jit(sl_module *module, const sl_codegen_options *options, const sl_allocator *allocator, sl_arena *model_arena, sluice_program **program) {
    sl_llvm_initialize();
    sl_arena *volatile scratch = sl_arena_create(allocator, 0), *volatile arena = scratch ? sl_arena_create(allocator, 0) : NULL;
    owner *volatile own = NULL;
    volatile sl_status status = NULL;
    sl_guard guard;
    if (!arena) {
        status = SL_ERROR(SL_OUT_OF_MEMORY, "no memory to generate code");
    } else if (SL_GUARD_ENTER(&guard)) {
        own = SL_NEW(arena, owner);
        own->allocator = *allocator;
        own->arena = arena;
        own->model_arena = model_arena;
        status = build_program(module, options, scratch, own, program);
        sl_guard_leave(&guard);
    } else {
        status = SL_ERROR(SL_OUT_OF_MEMORY, "no memory to generate code");
    }
    if (scratch) sl_arena_destroy(scratch);
    if (status || !program) {
        if (own) sl_image_unload(&own->code);
        if (arena) sl_arena_destroy(arena);
    }
    return status;
}
