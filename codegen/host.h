/* host.h: emission of the host side of a program: prepare and run (see abi.h), and what the program's table needs to know about them.
 *
 * Symbols live in frame->symbols: one slot per shape symbol in the order met, then a hidden slot for the arena offset of each memory slot whose size depends on
 * symbols. Prepare binds the symbols of the inputs and computes the offsets; run binds the others as it meets them. */
#ifndef SLUICE_HOST_H
#define SLUICE_HOST_H

#include "emit.h"
#include "emit_abi.h"

#define SL_HOST_PREPARE "sluice_program_prepare"
#define SL_HOST_RUN "sluice_program_run"

/* What reports know of a launch: the branch site that it is in (-1: none); whether host code states its dense work by itself. */
typedef struct sl_host_site { int branch, members; bool conditional; } sl_host_site;
typedef struct sl_host_branch { sl_op *op; int parent, members, index; } sl_host_branch;

typedef struct sl_host {
    sl_module *module;
    sl_op *func;                               /* core.func with `buffers` */
    const char *(*kernel_symbol)(void *self, const char *callee);   /* NULL when there is no such kernel */
    void *self;

    SL_VEC(sl_expr) symbols;                   /* index is the symbol's slot */
    SL_VEC(sl_attr) constants;
    SL_VEC(sl_op *) launches;                  /* in launch sites' order */
    SL_VEC(sl_host_site) sites;                /* one per launch */
    SL_VEC(sl_host_branch) branches;           /* in kernel.branch sites' order */
    SL_VEC(sl_op *) binds;                     /* kernel.bind with attribute dense */
    /* Inside of kernel.each a site stands for `members` sites one after the other, one for each value of the indices around, of which `member` is meant now (NULL: 0). */
    int members, each;                         /* each: of the innermost kernel.each */
    LLVMValueRef member;
    int64_t queue_launches, queue_words;       /* most that one flush can find, and their arguments */
    int branch_members;                        /* of the branch site around */
    int depth, branch, next_branch;            /* while emitting: kernel.ifs around; branch site around, and of the next kernel.if (-1: none) */
    SL_VEC(sl_op *) allocs;                    /* all of them */
    SL_VEC(int64_t) slots;                     /* memory slots with symbolic sizes; hidden symbol = symbols.count + index, final before emission */
    int dynamic_slots, call_slots;             /* of allocs; of calls, numbered behind them */
    int output_count;

    /* during emission of a function */
    LLVMValueRef frame, symbol_values, services, constant_table, arena, inputs;
    LLVMValueRef pointer_area, integer_area, tensor_area, call_area, shape_area;   /* stack space for arguments of calls, shared by all of them */
} sl_host;

/* Emits prepare and run into the emitter's module. False after reports. */
bool sl_emit_program(sl_emitter *e, sl_host *host);
/* i64: index of the member meant now of sites that begin at `base`. */
LLVMValueRef sl_host_site_index(sl_emitter *e, int64_t base);

/* ---- emit_expr.c ---- */
/* i64 value of a shape expression. With `overflow` (an i1 so far, updated) the arithmetic is checked. */
LLVMValueRef sl_emit_host_expr(sl_emitter *e, sl_expr expr, LLVMValueRef *overflow);
/* Slot of a symbol; met for the first time it gets a new one. */
int sl_host_symbol(sl_emitter *e, sl_expr symbol);
LLVMValueRef sl_host_symbol_load(sl_emitter *e, int slot);
void sl_host_symbol_store(sl_emitter *e, int slot, LLVMValueRef value);
/* Bytes that a buffer type takes. */
LLVMValueRef sl_host_bytes(sl_emitter *e, sl_type type, LLVMValueRef *overflow);

/* ---- emit_counts.c ---- */
void sl_host_branch_site(sl_emitter *e, sl_op *op);
/* What a launch (the last one of `launches`) reads of weights when that depends on the run, and what it would do without skipping when that is known here. */
void sl_host_launch_counts(sl_emitter *e, sl_op *op);
/* A kernel.if with what it leaves out counted: see emit_counts.c. */
void sl_host_counted_if(sl_emitter *e, sl_op *op);

/* ---- emit_prepare.c ---- */
void sl_emit_prepare(sl_emitter *e);
/* The alloc's place: slots index, or -1 when it has none in the arena. */
int sl_host_slot_index(const sl_host *host, const sl_op *alloc);

/* ---- emit_host.c ---- */
/* Opens a function of the host side: entry block, frame fields. */
LLVMValueRef sl_host_begin(sl_emitter *e, const char *name, int parameters);
/* Leaves the function with `code` where `condition` is true; goes on in a new block. */
void sl_host_leave_if(sl_emitter *e, LLVMValueRef condition, LLVMValueRef code);
/* Calls services.fail with the message and leaves where `condition` is true. */
void sl_host_fail_if(sl_emitter *e, LLVMValueRef condition, int code, const char *message);
/* "node 'x' (Op): message". */
const char *sl_host_located(sl_emitter *e, const sl_op *op, const char *message);
LLVMValueRef sl_host_service(sl_emitter *e, int field, LLVMTypeRef result, int count, LLVMTypeRef *types, LLVMValueRef *arguments);
/* frame->inputs[index]. */
LLVMValueRef sl_host_input(sl_emitter *e, int index);

#endif
