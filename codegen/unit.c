/* unit.c: see unit.h. IR is read and LLVM IR emitted on the calling thread only (contexts of the IR are not thread-safe); passes and code generation, which take
 * nearly all the time, run on several threads, each with target machines of its own. LLVM objects hang off the build's arena. */
#include "unit.h"
#include "llvm_bridge.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- canonical text ---- */

static void number_value(sl_batch *batch, const sl_value *value) { batch->numbers[sl_value_id(value)] = ++batch->next_number; }

static void key_of(sl_batch *batch, sl_text *out, sl_op *op, uint32_t base) {
    sl_text_append(out, "%s", sl_op_name(op));
    for (int i = 0; i < sl_op_operand_count(op); ++i) sl_text_append(out, " %u", batch->numbers[sl_value_id(sl_op_operand(op, i))] - base);
    for (int i = 0; i < sl_op_attr_count(op); ++i) {
        const char *name;
        sl_attr attr = sl_op_attr_at(op, i, &name);
        if (!strcmp(name, "sym_name") || !strcmp(name, "reason")) continue;
        sl_text_append(out, " %s=", name);
        sl_attr_print(out, attr);
    }
    for (int i = 0; i < sl_op_result_count(op); ++i) {
        number_value(batch, sl_op_result(op, i));
        sl_text_append(out, " :");
        sl_type_print(out, sl_value_type(sl_op_result(op, i)));
    }
    for (int r = 0; r < sl_op_region_count(op); ++r) {
        sl_block *block = sl_op_body(op, r);
        sl_text_append(out, "{");
        for (int i = 0; i < sl_block_argument_count(block); ++i) {
            number_value(batch, sl_block_argument(block, i));
            sl_text_append(out, " ");
            sl_type_print(out, sl_value_type(sl_block_argument(block, i)));
        }
        sl_text_append(out, "\n");
        for (sl_op *inner = sl_block_first(block); inner; inner = sl_op_next(inner)) key_of(batch, out, inner, base);
        sl_text_append(out, "}");
    }
    sl_text_append(out, "\n");
}

void sl_batch_key(sl_batch *batch, sl_text *out, sl_op *op) { key_of(batch, out, op, batch->next_number); }

/* ---- aliasing of buffers ---- */

static const sl_value *root_of(const sl_value *value) {
    for (const sl_op *op = sl_value_op(value); op && sl_op_get_kind(op) == SL_OP_kernel_view; op = sl_value_op(value)) value = sl_op_operand(op, 0);
    return value;
}

typedef struct shared_search { const char *name; uint8_t *bits; int count; } shared_search;

/* An output may overlap what shares its root buffer, and its in_place input. */
static bool visit_launch(void *self, sl_op *op) {
    shared_search *search = self;
    if (sl_op_get_kind(op) != SL_OP_kernel_launch || strcmp(sl_op_string(op, "callee", ""), search->name)) return true;
    int count = sl_op_operand_count(op), inputs = (int)sl_op_int(op, "inputs", 0), pairs;
    const int64_t *in_place = sl_op_ints(op, "in_place", &pairs);
    for (int p = 0; p + 1 < pairs; p += 2) {
        int64_t both[2] = {in_place[p] + inputs, in_place[p + 1]};
        for (int i = 0; i < 2; ++i)
            if (both[i] >= 0 && both[i] < search->count) search->bits[both[i] / 8] |= (uint8_t)(1u << (both[i] % 8));
    }
    for (int output = inputs; output < count && output < search->count; ++output)
        for (int other = 0; other < count && other < search->count; ++other) {
            if (other == output || root_of(sl_op_operand(op, output)) != root_of(sl_op_operand(op, other))) continue;
            search->bits[output / 8] |= (uint8_t)(1u << (output % 8));
            search->bits[other / 8] |= (uint8_t)(1u << (other % 8));
        }
    return true;
}

const uint8_t *sl_batch_shared_buffers(sl_batch *batch, sl_op *func) {
    int count = sl_block_argument_count(sl_op_body(func, 0));
    shared_search search = {sl_op_string(func, "sym_name", ""), SL_NEW_ARRAY(batch->arena, uint8_t, (size_t)count / 8 + 1), count};
    for (sl_op *op = sl_block_first(sl_module_body(batch->module)); op; op = sl_op_next(op))
        if (sl_op_get_kind(op) == SL_OP_core_func) sl_op_walk(op, visit_launch, &search);
    return search.bits;
}

/* ---- units ---- */

static void dispose(void *argument) {
    sl_unit *unit = argument;
    if (unit->object) LLVMDisposeMemoryBuffer(unit->object);
    if (!unit->broken) {
        if (unit->module) LLVMDisposeModule(unit->module);
        if (unit->context) LLVMContextDispose(unit->context);
    }
    sl_status_free(unit->status);
}

sl_unit *sl_batch_add(sl_batch *batch, const char *name) {
    sl_unit *unit = SL_NEW(batch->arena, sl_unit);
    unit->name = name;
    unit->optimize = true;
    sl_arena_on_destroy(batch->arena, dispose, unit);
    SL_PUSH(batch->arena, &batch->units, unit);
    return unit;
}

void sl_batch_init(sl_batch *batch, sl_arena *arena, sl_module *module, const sl_codegen_options *options) {
    memset(batch, 0, sizeof(*batch));
    batch->arena = arena;
    batch->module = module;
    batch->options = options;
    batch->cache.directory = options->cache_dir;
    const sl_machine *machine = options->machine;
    batch->target_key = sl_arena_printf(arena, "%s\n%s cpu %s tune %s features %s\npasses %s\n", sl_cache_compiler_id(arena), machine->triple, machine->cpu,
                                        machine->tune ? machine->tune : "", machine->features, sl_llvm_passes());
    batch->values = SL_NEW_ARRAY(arena, LLVMValueRef, (size_t)sl_module_value_count(module) + 1);
    batch->numbers = SL_NEW_ARRAY(arena, uint32_t, (size_t)sl_module_value_count(module) + 1);
    batch->by_op = SL_NEW_ARRAY(arena, sl_unit *, (size_t)sl_module_op_count(module) + 1);
}

bool sl_batch_find_cached(sl_batch *batch, sl_unit *unit) {
    const uint8_t *object;
    int64_t size;
    if (!sl_cache_load(&batch->cache, batch->arena, unit->key, unit->key_length, &object, &size)) return false;
    unit->object = LLVMCreateMemoryBufferWithMemoryRangeCopy((const char *)object, (size_t)size, unit->symbol);
    unit->cached = true;
    return unit->object != NULL;
}

static sl_status emit_kernel(sl_batch *batch, sl_unit *unit, sl_op *func, const uint8_t *shared) {
    unit->context = LLVMContextCreate();
    sl_llvm_watch(unit->context);
    sl_emitter e;
    sl_emitter_open(&e, batch->arena, batch->options->machine, unit->context, unit->symbol);
    unit->module = e.module;
    e.values = batch->values;
    bool good = sl_emit_kernel(&e, func, unit->symbol, shared);
    sl_emitter_close(&e);
    if (!good) return SL_ERROR(SL_UNSUPPORTED, "kernel '%s' can't be compiled", unit->name);
    return sl_status_annotate(sl_llvm_verify(unit->module), "kernel '%s'", unit->name);
}

sl_status sl_batch_kernels(sl_batch *batch) {
    for (sl_op *func = sl_block_first(sl_module_body(batch->module)); func; func = sl_op_next(func)) {
        if (sl_op_get_kind(func) != SL_OP_kernel_func) continue;
        int64_t scratch = sl_op_int(func, "scratch", 0);
        if (scratch > batch->scratch_bytes) batch->scratch_bytes = scratch;
        const uint8_t *shared = sl_batch_shared_buffers(batch, func);
        sl_text key;
        sl_text_init(&key, batch->arena);
        sl_text_append(&key, "%sshared", batch->target_key);
        for (int i = 0, count = sl_block_argument_count(sl_op_body(func, 0)); i < count; ++i)
            if (shared[i / 8] >> (i % 8) & 1) sl_text_append(&key, " %d", i);
        sl_text_append(&key, "\n");
        sl_batch_key(batch, &key, func);

        sl_unit *unit = NULL;
        for (size_t i = 0; i < batch->units.count && !unit; ++i) {
            sl_unit *other = batch->units.data[i];
            if (other->key_length == key.length && !memcmp(other->key, key.data, key.length)) unit = other;
        }
        if (!unit) {
            char name[33];
            sl_cache_name(key.data, key.length, name);
            unit = sl_batch_add(batch, sl_op_string(func, "sym_name", ""));
            unit->symbol = sl_arena_printf(batch->arena, "sluice_kernel_%s", name);
            unit->key = key.data;
            unit->key_length = key.length;
            if (!sl_batch_find_cached(batch, unit)) SL_TRY(emit_kernel(batch, unit, func, shared));
        }
        batch->by_op[sl_op_id(func)] = unit;
    }
    return NULL;
}

/* ---- compiling ---- */

typedef struct work { sl_unit **units; size_t count; const sl_machine *machine; atomic_size_t next; } work;

static void compile_unit(sl_unit *unit, LLVMTargetMachineRef machine) {
    if (unit->optimize) unit->status = sl_llvm_optimize(unit->module, machine, &unit->broken);
    if (!unit->status) unit->status = sl_llvm_compile(unit->module, machine, false, &unit->object, &unit->broken);
    unit->status = sl_status_annotate(unit->status, "kernel '%s'", unit->name);
    if (unit->broken) return;
    LLVMDisposeModule(unit->module);
    LLVMContextDispose(unit->context);
    unit->module = NULL;
    unit->context = NULL;
}

static void *worker(void *argument) {
    work *all = argument;
    LLVMTargetMachineRef machines[2] = {NULL, NULL};   /* plain, optimizing */
    for (size_t i; (i = atomic_fetch_add(&all->next, 1)) < all->count;) {
        sl_unit *unit = all->units[i];
        LLVMTargetMachineRef *machine = &machines[unit->optimize];
        if (!*machine) unit->status = sl_llvm_target_machine(all->machine, unit->optimize, machine);
        if (*machine) compile_unit(unit, *machine);
        if (unit->broken) *machine = NULL;   /* left behind with what LLVM was doing */
    }
    for (int i = 0; i < 2; ++i)
        if (machines[i]) LLVMDisposeTargetMachine(machines[i]);
    return NULL;
}

static int by_size(const void *a, const void *b) {
    const sl_unit *x = *(sl_unit *const *)a, *y = *(sl_unit *const *)b;
    return x->key_length < y->key_length ? 1 : x->key_length > y->key_length ? -1 : strcmp(x->symbol, y->symbol);
}

sl_status sl_batch_compile(sl_batch *batch) {
    work all = {.units = SL_NEW_ARRAY(batch->arena, sl_unit *, batch->units.count + 1), .machine = batch->options->machine};
    for (size_t i = 0; i < batch->units.count; ++i)
        if (!batch->units.data[i]->object) all.units[all.count++] = batch->units.data[i];
    qsort(all.units, all.count, sizeof(*all.units), by_size);   /* the long ones first, so that none is left at the end */
    int threads = batch->options->compile_threads > 0 ? batch->options->compile_threads : batch->options->machine->threads;
    if (threads > 32) threads = 32;
    pthread_t handles[32];
    int started = 0;
    while (started < threads - 1 && (size_t)started + 1 < all.count && !pthread_create(&handles[started], NULL, worker, &all)) ++started;
    worker(&all);
    for (int i = 0; i < started; ++i) pthread_join(handles[i], NULL);
    sl_status first = NULL;
    for (size_t i = 0; i < all.count; ++i) {
        sl_unit *unit = all.units[i];
        if (unit->status && !first) {
            first = unit->status;
            unit->status = NULL;
        } else if (unit->object && unit->key) {
            sl_cache_store(&batch->cache, batch->arena, unit->key, unit->key_length, LLVMGetBufferStart(unit->object), LLVMGetBufferSize(unit->object));
        }
    }
    return first;
}
