/* llvm_bridge.c: see llvm_bridge.h.
 *
 * LLVM reports trouble in four ways, all of which end in a sl_status here: LLVMErrorRef (passes, linking), strings (verifier, emission), diagnostics through the
 * context (whose default handler would end the process), and fatal errors. For the last, a process-wide handler jumps back to the thread's call in progress
 * when there is one; LLVM's objects of that call are then in an unknown state and are leaked on purpose (`broken`). Fatal errors of other users of LLVM in
 * the process keep their default. The handler and the jump target of the thread are the only mutable globals. */
#include "llvm_bridge.h"
#include <llvm-c/Analysis.h>
#include <llvm-c/ErrorHandling.h>
#include <llvm-c/Target.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

typedef struct trap { jmp_buf target; char message[512]; bool failed; } trap;
static _Thread_local trap *current_trap;

static void on_fatal(const char *reason) {
    if (!current_trap) return;   /* not ours: LLVM ends the process, as it would have */
    snprintf(current_trap->message, sizeof(current_trap->message), "%s", reason);
    longjmp(current_trap->target, 1);
}

static void initialize(void) {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeX86AsmParser();
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
    LLVMInitializeAArch64AsmParser();
    LLVMInstallFatalErrorHandler(on_fatal);
}

void sl_llvm_initialize(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, initialize);
}

sl_status sl_llvm_status(LLVMErrorRef error, const char *what) {
    if (!error) return NULL;
    char *message = LLVMGetErrorMessage(error);
    sl_status status = SL_ERROR(SL_INTERNAL, "%s: %s", what, message);
    LLVMDisposeErrorMessage(message);
    return status;
}

sl_status sl_llvm_target_machine(const sl_machine *machine, bool optimize, LLVMTargetMachineRef *result) {
    LLVMTargetRef target;
    char *message = NULL;
    if (LLVMGetTargetFromTriple(machine->triple, &target, &message)) {
        sl_status status = SL_ERROR(SL_UNSUPPORTED, "no code generator for %s: %s", machine->triple, message);
        LLVMDisposeMessage(message);
        return status;
    }
    *result = LLVMCreateTargetMachine(target, machine->triple, machine->cpu, machine->features, optimize ? LLVMCodeGenLevelDefault : LLVMCodeGenLevelNone, LLVMRelocPIC,
                                      LLVMCodeModelDefault);
    return *result ? NULL : SL_ERROR(SL_INTERNAL, "LLVM refuses the target %s", machine->triple);
}

static void on_diagnostic(LLVMDiagnosticInfoRef info, void *self) {
    (void)self;
    if (!current_trap || LLVMGetDiagInfoSeverity(info) != LLVMDSError) return;
    char *text = LLVMGetDiagInfoDescription(info);
    if (!current_trap->failed) snprintf(current_trap->message, sizeof(current_trap->message), "%s", text);
    current_trap->failed = true;
    LLVMDisposeMessage(text);
}

void sl_llvm_watch(LLVMContextRef context) { LLVMContextSetDiagnosticHandler(context, on_diagnostic, NULL); }

/* Few and cheap passes: kernels arrive as clean loops over vectors; what is left to do is sharing address arithmetic, folding it into addressing modes and
 * moving what is fixed out of loops. */
const char *sl_llvm_passes(void) {
    return "always-inline,function(early-cse<memssa>,instcombine<no-verify-fixpoint>,simplifycfg,loop-mssa(licm),early-cse,instsimplify)";
}

sl_status sl_llvm_optimize(LLVMModuleRef module, LLVMTargetMachineRef machine, bool *broken) {
    trap mine = {.failed = false};
    trap *outer = current_trap;
    if (setjmp(mine.target)) {
        current_trap = outer;
        *broken = true;
        return SL_ERROR(SL_INTERNAL, "LLVM gave up: %s", mine.message);
    }
    current_trap = &mine;
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    LLVMErrorRef error = LLVMRunPasses(module, sl_llvm_passes(), machine, options);
    LLVMDisposePassBuilderOptions(options);
    current_trap = outer;
    SL_TRY(sl_llvm_status(error, "optimizing"));
    return mine.failed ? SL_ERROR(SL_INTERNAL, "optimizing: %s", mine.message) : NULL;
}

sl_status sl_llvm_compile(LLVMModuleRef module, LLVMTargetMachineRef machine, bool assembly, LLVMMemoryBufferRef *result, bool *broken) {
    trap mine = {.failed = false};
    trap *outer = current_trap;
    if (setjmp(mine.target)) {
        current_trap = outer;
        *broken = true;
        return SL_ERROR(SL_INTERNAL, "LLVM gave up: %s", mine.message);
    }
    current_trap = &mine;
    char *message = NULL;
    LLVMMemoryBufferRef buffer = NULL;
    bool failed = LLVMTargetMachineEmitToMemoryBuffer(machine, module, assembly ? LLVMAssemblyFile : LLVMObjectFile, &message, &buffer);
    current_trap = outer;
    if (failed) {
        sl_status status = SL_ERROR(SL_INTERNAL, "generating code: %s", message);
        LLVMDisposeMessage(message);
        return status;
    }
    if (mine.failed) {
        LLVMDisposeMemoryBuffer(buffer);
        return SL_ERROR(SL_INTERNAL, "generating code: %s", mine.message);
    }
    *result = buffer;
    return NULL;
}

sl_status sl_llvm_verify(LLVMModuleRef module) {
    char *message = NULL;
    sl_status status = NULL;
    if (LLVMVerifyModule(module, LLVMReturnStatusAction, &message)) status = SL_ERROR(SL_INTERNAL, "the generated LLVM IR is wrong: %s", message);
    LLVMDisposeMessage(message);
    return status;
}
