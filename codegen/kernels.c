/* kernels.c: kernels of a module as callable functions, without a program around them. */
#include "llvm_bridge.h"
#include "load.h"
#include <string.h>

typedef struct entry { const char *name; sl_kernel_fn function; } entry;
struct sl_kernels { sl_arena *arena; sl_loaded code; entry *entries; size_t count; int cached, distinct; };

static sl_status load_kernels(sl_module *module, const sl_codegen_options *options, sl_arena *scratch, sl_kernels *kernels) {
    sl_batch batch;
    sl_batch_init(&batch, scratch, module, options);
    SL_TRY(sl_batch_kernels(&batch));
    kernels->distinct = (int)batch.units.count;
    for (size_t i = 0; i < batch.units.count; ++i) kernels->cached += batch.units.data[i]->cached;
    SL_TRY(sl_batch_compile(&batch));
    SL_TRY(sl_loaded_create(&batch, &kernels->code));
    kernels->entries = SL_NEW_ARRAY(kernels->arena, entry, (size_t)sl_module_op_count(module) + 1);
    for (sl_op *op = sl_block_first(sl_module_body(module)); op; op = sl_op_next(op)) {
        if (sl_op_get_kind(op) != SL_OP_kernel_func) continue;
        void *address;
        SL_TRY(sl_loaded_find(&kernels->code, batch.by_op[sl_op_id(op)]->symbol, &address));
        entry *found = &kernels->entries[kernels->count++];
        found->name = sl_arena_strdup(kernels->arena, sl_op_string(op, "sym_name", ""));
        memcpy(&found->function, &address, sizeof(address));
    }
    return NULL;
}

sl_status sl_codegen_kernels(sl_module *module, const sl_codegen_options *options, const sl_allocator *allocator, sl_kernels **result) {
    sl_llvm_initialize();
    sl_arena *volatile scratch = sl_arena_create(allocator, 0), *volatile arena = scratch ? sl_arena_create(allocator, 0) : NULL;
    sl_kernels *volatile kernels = NULL;
    volatile sl_status status = NULL;
    sl_guard guard;
    if (arena && SL_GUARD_ENTER(&guard)) {
        kernels = SL_NEW(arena, sl_kernels);
        kernels->arena = arena;
        status = load_kernels(module, options, scratch, kernels);
        sl_guard_leave(&guard);
    } else {
        status = SL_ERROR(SL_OUT_OF_MEMORY, "no memory to generate code");
    }
    if (scratch) sl_arena_destroy(scratch);
    if (!status) {
        *result = kernels;
    } else if (arena) {
        if (kernels) sl_loaded_destroy(&kernels->code);
        sl_arena_destroy(arena);
    }
    return status;
}

sl_kernel_fn sl_kernels_find(const sl_kernels *kernels, const char *name) {
    for (size_t i = 0; i < kernels->count; ++i)
        if (!strcmp(kernels->entries[i].name, name)) return kernels->entries[i].function;
    return NULL;
}

int sl_kernels_cached(const sl_kernels *kernels) { return kernels->cached; }
int sl_kernels_distinct(const sl_kernels *kernels) { return kernels->distinct; }

void sl_kernels_destroy(sl_kernels *kernels) {
    if (!kernels) return;
    sl_loaded_destroy(&kernels->code);
    sl_arena_destroy(kernels->arena);
}
