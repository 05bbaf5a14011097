/* text.c: LLVM IR or assembly of a whole module of kernel IR, in one LLVM module so that the text can be given to LLVM's tools. IR is shown as the passes left
 * it, that is, what the code generator gets. Kernels keep their names here. */
#include "jit.h"
#include "llvm_bridge.h"
#include "unit.h"
#include <string.h>

static const char *own_name(void *self, const char *callee) {
    sl_op *func = sl_module_find(self, callee);
    return func ? callee : NULL;
}

static sl_status emit_all(sl_batch *batch, sl_unit *unit) {
    unit->context = LLVMContextCreate();
    sl_llvm_watch(unit->context);
    sl_emitter e;
    sl_emitter_open(&e, batch->arena, batch->options->machine, unit->context, "sluice");
    unit->module = e.module;
    e.values = batch->values;
    bool good = true;
    for (sl_op *op = sl_block_first(sl_module_body(batch->module)); op && good; op = sl_op_next(op))
        if (sl_op_get_kind(op) == SL_OP_kernel_func) good = sl_emit_kernel(&e, op, sl_op_string(op, "sym_name", ""), sl_batch_shared_buffers(batch, op));
    sl_op *entry = sl_codegen_entry(batch->module);
    if (good && entry && sl_op_bool(entry, "buffers", false)) {
        sl_host *host = SL_NEW(batch->arena, sl_host);
        host->module = batch->module;
        host->func = entry;
        host->kernel_symbol = own_name;
        host->self = batch->module;
        good = sl_emit_program(&e, host);
    }
    sl_emitter_close(&e);
    if (!good) return SL_ERROR(SL_UNSUPPORTED, "the module can't be compiled");
    return sl_llvm_verify(unit->module);
}

static sl_status write_text(sl_batch *batch, bool assembly, sl_text *out) {
    sl_unit *unit = sl_batch_add(batch, "module");
    SL_TRY(emit_all(batch, unit));
    LLVMTargetMachineRef machine;
    SL_TRY(sl_llvm_target_machine(batch->options->machine, true, &machine));
    sl_status status = sl_llvm_optimize(unit->module, machine, &unit->broken);
    if (!status && assembly) status = sl_llvm_compile(unit->module, machine, true, &unit->object, &unit->broken);
    LLVMDisposeTargetMachine(machine);
    if (status) return status;
    if (assembly) {
        sl_text_append_bytes(out, LLVMGetBufferStart(unit->object), LLVMGetBufferSize(unit->object));
        return NULL;
    }
    char *text = LLVMPrintModuleToString(unit->module);
    size_t length = strlen(text);
    char *copy = sl_arena_strndup(batch->arena, text, length);
    LLVMDisposeMessage(text);
    sl_text_append_bytes(out, copy, length);
    return NULL;
}

sl_status sl_codegen_text(sl_module *module, const sl_codegen_options *options, bool assembly, sl_text *out) {
    sl_llvm_initialize();
    sl_arena *volatile scratch = sl_arena_create(sl_arena_allocator(out->arena), 0);
    if (!scratch) return SL_ERROR(SL_OUT_OF_MEMORY, "no memory to generate code");
    volatile sl_status status = NULL;
    sl_guard guard;
    if (SL_GUARD_ENTER(&guard)) {
        sl_codegen_options plain = *options;
        plain.cache_dir = NULL;
        sl_batch batch;
        sl_batch_init(&batch, scratch, module, &plain);
        status = write_text(&batch, assembly, out);
        sl_guard_leave(&guard);
    } else {
        status = SL_ERROR(SL_OUT_OF_MEMORY, "no memory to generate code");
    }
    sl_arena_destroy(scratch);
    return status;
}
