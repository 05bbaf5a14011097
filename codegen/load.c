/* load.c: the only user of ORC. Objects go to an LLJIT's linking layer; symbols outside of them are the library functions of emit.h, defined at their absolute
 * addresses in this process. */
#include "load.h"
#include "llvm_bridge.h"
#include <llvm-c/LLJIT.h>
#include <llvm-c/Orc.h>
#include <stdio.h>
#include <string.h>

struct sl_loaded {
    sl_allocator allocator;
    LLVMOrcLLJITRef jit;
    char message[512];   /* the last error that ORC reported aside */
};

/* ORC reports why linking failed here, and only "failed to materialize" in the error of the lookup. */
static void on_error(void *self, LLVMErrorRef error) {
    sl_loaded *code = self;
    char *message = LLVMGetErrorMessage(error);
    snprintf(code->message, sizeof(code->message), "%s", message);
    LLVMDisposeErrorMessage(message);
}

static sl_status define_library(sl_loaded *code) {
    LLVMOrcCSymbolMapPair pairs[128];
    size_t count = 0;
    for (; count < (size_t)sl_library_function_count && count < 128; ++count) {
        pairs[count].Name = LLVMOrcLLJITMangleAndIntern(code->jit, sl_library_functions[count].name);
        pairs[count].Sym.Address = (LLVMOrcExecutorAddress)(uintptr_t)sl_library_functions[count].address;
        pairs[count].Sym.Flags = (LLVMJITSymbolFlags){LLVMJITSymbolGenericFlagsExported | LLVMJITSymbolGenericFlagsCallable, 0};
    }
    LLVMOrcMaterializationUnitRef unit = LLVMOrcAbsoluteSymbols(pairs, count);   /* takes the names */
    LLVMErrorRef error = LLVMOrcJITDylibDefine(LLVMOrcLLJITGetMainJITDylib(code->jit), unit);
    if (error) LLVMOrcDisposeMaterializationUnit(unit);
    return sl_llvm_status(error, "defining library functions");
}

sl_status sl_loaded_create(sl_batch *batch, const sl_allocator *allocator, sl_loaded **result) {
    sl_loaded *code = sl_allocate(allocator, sizeof(*code), 16);
    if (!code) return SL_ERROR(SL_OUT_OF_MEMORY, "no memory for loaded code");
    code->allocator = *allocator;
    sl_status status = sl_llvm_status(LLVMOrcCreateLLJIT(&code->jit, NULL), "creating the JIT");
    if (!status) {
        LLVMOrcExecutionSessionSetErrorReporter(LLVMOrcLLJITGetExecutionSession(code->jit), on_error, code);
        status = define_library(code);
    }
    for (size_t i = 0; !status && i < batch->units.count; ++i) {
        sl_unit *unit = batch->units.data[i];
        LLVMMemoryBufferRef object = unit->object;
        unit->object = NULL;   /* the JIT's from here on, whether it succeeds or not */
        status = sl_llvm_status(LLVMOrcLLJITAddObjectFile(code->jit, LLVMOrcLLJITGetMainJITDylib(code->jit), object), "loading an object");
    }
    if (status) sl_loaded_destroy(code);
    else *result = code;
    return status;
}

sl_status sl_loaded_find(sl_loaded *code, const char *symbol, void **address) {
    LLVMOrcExecutorAddress found = 0;
    sl_status status = sl_llvm_status(LLVMOrcLLJITLookup(code->jit, &found, symbol), "linking");
    if (status && code->message[0]) status = sl_status_annotate(status, "%s", code->message);
    *address = (void *)(uintptr_t)found;
    return status;
}

void sl_loaded_destroy(sl_loaded *code) {
    if (!code) return;
    if (code->jit) LLVMConsumeError(LLVMOrcDisposeLLJIT(code->jit));
    sl_allocator allocator = code->allocator;
    sl_deallocate(&allocator, code, sizeof(*code));
}
