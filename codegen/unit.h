/* unit.h: units of compilation. A unit is one kernel (or the host functions) as an LLVM module in a context of its own, on its way to an object.
 *
 * Identical kernels share a unit: a unit's key is the canonical text of its kernel (local value numbers, no name, no locations), the aliasing of its buffers,
 * the target and the compiler's identity. The key names the unit's symbol and its entry in the object cache. */
#ifndef SLUICE_UNIT_H
#define SLUICE_UNIT_H

#include "cache.h"
#include "emit.h"
#include "sluice/codegen.h"

typedef struct sl_unit {
    const char *symbol;            /* of the kernel */
    const char *name;              /* of the first kernel that it was made from, for messages */
    const char *key;
    size_t key_length;
    bool optimize, cached, broken;
    LLVMContextRef context;        /* until compiled */
    LLVMModuleRef module;
    LLVMMemoryBufferRef object;    /* once compiled */
    sl_status status;
} sl_unit;

typedef struct sl_batch {
    sl_arena *arena;
    sl_module *module;
    const sl_codegen_options *options;
    sl_cache cache;
    const char *target_key;        /* common head of all keys */
    LLVMValueRef *values;          /* shared by emitters: function bodies are isolated from each other */
    uint32_t *numbers;             /* of values, for canonical text */
    uint32_t next_number;
    SL_VEC(sl_unit *) units;
    sl_unit **by_op;               /* by sl_op_id of the kernel.func */
    int64_t scratch_bytes;
} sl_batch;

void sl_batch_init(sl_batch *batch, sl_arena *arena, sl_module *module, const sl_codegen_options *options);
/* Bits of buffer arguments that may overlap others in some launch of `func`, one per argument. */
const uint8_t *sl_batch_shared_buffers(sl_batch *batch, sl_op *func);
/* A unit for each distinct kernel.func; emitted where the cache has no object. */
SL_MUST_USE sl_status sl_batch_kernels(sl_batch *batch);
/* A unit without key and code yet, its context registered with the arena. */
sl_unit *sl_batch_add(sl_batch *batch, const char *name);
/* Looks the unit's key up in the cache. */
bool sl_batch_find_cached(sl_batch *batch, sl_unit *unit);
/* Compiles all units that have no object, on several threads. */
SL_MUST_USE sl_status sl_batch_compile(sl_batch *batch);
/* Canonical text of an op with all that is in it. */
void sl_batch_key(sl_batch *batch, sl_text *out, sl_op *op);

#endif
