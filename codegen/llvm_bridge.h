/* llvm_bridge.h: LLVM's process-wide set-up, its consuming error handles as statuses, target machines, and the one call that turns a module into an object. */
#ifndef SLUICE_LLVM_BRIDGE_H
#define SLUICE_LLVM_BRIDGE_H

#include "sluice/machine.h"
#include "sluice/status.h"
#include <llvm-c/Core.h>
#include <llvm-c/Error.h>
#include <llvm-c/TargetMachine.h>

/* Registers targets; once per process, any thread. */
void sl_llvm_initialize(void);
/* Consumes the error. */
SL_MUST_USE sl_status sl_llvm_status(LLVMErrorRef error, const char *what);
/* `optimize` false: the fast, plain code generator (host code). Dispose of it with LLVMDisposeTargetMachine. */
SL_MUST_USE sl_status sl_llvm_target_machine(const sl_machine *machine, bool optimize, LLVMTargetMachineRef *result);
/* Makes errors that the context's modules meet in the code generator end up in sl_llvm_compile's status; call once per context. */
void sl_llvm_watch(LLVMContextRef context);
/* Text of the pass pipeline, which is part of cache keys. */
const char *sl_llvm_passes(void);
/* Runs the passes (if `optimize`). LLVM's fatal errors become statuses; the module is then unusable and must not be disposed of (see llvm_bridge.c). */
SL_MUST_USE sl_status sl_llvm_optimize(LLVMModuleRef module, LLVMTargetMachineRef machine, bool *broken);
SL_MUST_USE sl_status sl_llvm_compile(LLVMModuleRef module, LLVMTargetMachineRef machine, bool assembly, LLVMMemoryBufferRef *result, bool *broken);
/* NULL, or what is wrong with the module: our bug. */
SL_MUST_USE sl_status sl_llvm_verify(LLVMModuleRef module);

#endif
