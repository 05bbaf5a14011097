/* session.c: sessions: memory, inputs and outputs, one run after another. */
#include "runtime_internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ALIGNMENT = 64, HUGE_PAGE = 2 << 20 };

static sluice_code fail(sluice_session *session, sl_status status) { return sl_host_fail(session->context, status); }

sl_status sl_session_grow(sluice_session *session, sl_block_memory *block, int64_t size, sl_grow grow, const char *what) {
    if (size <= block->size) return NULL;
    /* Half as much again, so that a slowly growing sequence (a key/value cache) does not allocate in every run. */
    int64_t wanted = size;
    if (block->size > 0 && !sl_size_add(size, size / 2, &wanted)) wanted = size;
    int64_t limit = session->options.memory_limit;
    if (limit > 0 && session->bytes - block->size + wanted > limit) wanted = size;
    if (limit > 0 && session->bytes - block->size + wanted > limit)
        return SL_ERROR(SL_OUT_OF_MEMORY, "%s needs %lld bytes; with the %lld in use that exceeds the session's memory limit of %lld", what,
                        (long long)size, (long long)(session->bytes - block->size), (long long)limit);
    const size_t alignment = wanted >= 2 * HUGE_PAGE ? HUGE_PAGE : ALIGNMENT;
    if (grow == SL_GROW_KEEP) {
        void *data = session->allocator.resize(session->allocator.self, block->data, (size_t)block->size, (size_t)wanted, alignment);
        if (!data) return SL_ERROR(SL_OUT_OF_MEMORY, "no memory: %s needs %lld bytes", what, (long long)size);
        session->bytes -= block->size;
        block->data = data;
    } else {
        sl_deallocate(&session->allocator, block->data, (size_t)block->size);
        session->bytes -= block->size;
        *block = (sl_block_memory){0};
        block->data = session->allocator.resize(session->allocator.self, NULL, 0, (size_t)wanted, alignment);
    }
    if (!block->data) return SL_ERROR(SL_OUT_OF_MEMORY, "no memory: %s needs %lld bytes", what, (long long)size);
    block->size = wanted;
    session->bytes += wanted;
    if (session->bytes > session->peak_bytes) session->peak_bytes = session->bytes;
    if (wanted >= 2 * HUGE_PAGE) {
        uintptr_t from = ((uintptr_t)block->data + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
        uintptr_t to = ((uintptr_t)block->data + (uintptr_t)wanted) / HUGE_PAGE * HUGE_PAGE;
        if (to > from) (void)madvise((void *)from, to - from, MADV_HUGEPAGE);   /* a hint */
    }
    return NULL;
}

void sluice_session_options_init(sluice_session_options *options) {
    memset(options, 0, sizeof *options);
    options->spin_microseconds = -1;
}

void sluice_session_destroy(sluice_session *session) {
    if (!session) return;
    const sl_program_table *table = session->program->table;
    sl_allocator allocator = session->allocator;
    sl_pool_destroy(session->pool);
    sl_deallocate(&allocator, session->arena.data, (size_t)session->arena.size);
    sl_block_memory *const queue[] = {&session->queue.jobs, &session->queue.words, &session->queue.order, &session->cursors};
    for (int i = 0; i < 4; i++) sl_deallocate(&allocator, queue[i]->data, (size_t)queue[i]->size);
    for (int32_t i = 0; session->dynamic && i < table->dynamic_slot_count; i++) sl_deallocate(&allocator, session->dynamic[i].data, (size_t)session->dynamic[i].size);
    for (int32_t i = 0; session->outputs && i < table->output_count; i++) sl_deallocate(&allocator, session->outputs[i].data, (size_t)session->outputs[i].size);
    for (int32_t i = 0; session->staging && i < table->input_count; i++) sl_deallocate(&allocator, session->staging[i].data, (size_t)session->staging[i].size);
#define FREE_TABLE(field, count) sl_deallocate(&allocator, session->field, sizeof(*session->field) * (size_t)(count))
    FREE_TABLE(dynamic, table->dynamic_slot_count);
    FREE_TABLE(outputs, table->output_count);
    FREE_TABLE(staging, table->input_count);
    FREE_TABLE(symbols, table->symbol_count);
    FREE_TABLE(inputs, table->input_count);
    FREE_TABLE(input_shapes, table->input_count);
    FREE_TABLE(output_shapes, table->output_count);
    FREE_TABLE(output_made, table->output_count);
    FREE_TABLE(counts, table->kernel_count);
    FREE_TABLE(dense, table->kernel_count * SL_ABI_DENSE_FIELDS);
    FREE_TABLE(branches, table->branch_count * SL_ABI_BRANCH_FIELDS);
#undef FREE_TABLE
    sl_deallocate(&allocator, session, sizeof *session);
}

sluice_code sluice_session_create(sluice_program *program, const sluice_session_options *options, sluice_session **result) {
    if (!program || !result) return SLUICE_INVALID_ARGUMENT;
    *result = NULL;
    const sl_program_table *table = program->table;
    sluice_session *session = sl_allocate(&program->allocator, sizeof *session, ALIGNMENT);
    if (!session) return sl_host_fail(program->context, SL_ERROR(SL_OUT_OF_MEMORY, "no memory for a session"));
    session->context = program->context;
    session->program = program;
    session->allocator = program->allocator;
    if (options) session->options = *options; else sluice_session_options_init(&session->options);
    if (session->options.threads < 0) {
        int32_t threads = session->options.threads;
        sluice_session_destroy(session);
        return sl_host_fail(program->context, SL_ERROR(SL_INVALID_ARGUMENT, "%d threads asked for", threads));
    }
    if (session->options.schedule < 0 || session->options.schedule >= SLUICE_SCHEDULE_COUNT) {
        int32_t schedule = session->options.schedule;
        sluice_session_destroy(session);
        return sl_host_fail(program->context, SL_ERROR(SL_INVALID_ARGUMENT, "there is no schedule %d", schedule));
    }
    if (session->options.threads == 0) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        session->options.threads = cores > 0 ? (int32_t)cores : 1;
    }
    if (session->options.spin_microseconds < 0) session->options.spin_microseconds = 50;
    bool complete = true;
    sl_status queue = sl_group_reserve(session, table->queue_launches, table->queue_words);
#define NEW_TABLE(field, count)                                                                                                   \
    if ((count) > 0) {                                                                                                            \
        session->field = sl_allocate(&session->allocator, sizeof(*session->field) * (size_t)(count), 16);                         \
        complete = complete && session->field;                                                                                    \
    }
    NEW_TABLE(dynamic, table->dynamic_slot_count)
    NEW_TABLE(outputs, table->output_count)
    NEW_TABLE(staging, table->input_count)
    NEW_TABLE(symbols, table->symbol_count)
    NEW_TABLE(inputs, table->input_count)
    NEW_TABLE(input_shapes, table->input_count)
    NEW_TABLE(output_shapes, table->output_count)
    NEW_TABLE(output_made, table->output_count)
    if (session->options.counters) {
        NEW_TABLE(counts, table->kernel_count)
        NEW_TABLE(dense, table->kernel_count * SL_ABI_DENSE_FIELDS)
        NEW_TABLE(branches, table->branch_count * SL_ABI_BRANCH_FIELDS)
    }
#undef NEW_TABLE
    sl_status status = queue ? queue : complete ? sl_pool_create(&session->allocator, session->options.threads, session->options.pin != 0,
                                                 session->options.spin_microseconds, table->scratch_bytes, &session->pool)
                                : SL_ERROR(SL_OUT_OF_MEMORY, "no memory for a session");
    if (status) {
        sluice_session_destroy(session);
        return sl_host_fail(program->context, status);
    }
    *result = session;
    return SLUICE_OK;
}

/* Copies an input with any strides, or with packed sub-byte elements, to row-major program memory. */
static void stage_input(const DLTensor *tensor, sl_element element, int64_t count, uint8_t *to) {
    int bits = sl_element_bits(element), size = sl_element_memory_bytes(element);
    const uint8_t *from = (const uint8_t *)tensor->data + tensor->byte_offset;
    if (bits < 8) {
        for (int64_t i = 0; i < count; i++) sl_element_store_int(SL_ELEMENT_i8, to, i, sl_element_load_int(element, from, i));
        return;
    }
    int64_t index[SL_RUNTIME_MAX_RANK] = {0};
    for (int64_t i = 0; i < count; i++) {
        int64_t offset = 0;
        for (int d = 0; d < tensor->ndim; d++) offset += index[d] * tensor->strides[d];
        memcpy(to + i * size, from + offset * size, (size_t)size);
        for (int d = tensor->ndim - 1; d >= 0 && ++index[d] == tensor->shape[d]; d--) index[d] = 0;
    }
}

static sl_status bind_input(sluice_session *session, int32_t index, const DLTensor *tensor) {
    const sl_abi_value *value = &session->program->table->inputs[index];
    sl_element element;
    if (tensor->device.device_type != 1)
        return SL_ERROR(SL_INVALID_ARGUMENT, "input '%s' is on DLPack device type %d; this program runs on the CPU (type 1)", value->name, tensor->device.device_type);
    if (!sl_element_from_dlpack(tensor->dtype, &element) || (int32_t)element != value->element)
        return SL_ERROR(SL_INVALID_ARGUMENT, "input '%s' must be %s, but is DLPack type code %d with %d bits", value->name, sl_element_name((sl_element)value->element),
                        tensor->dtype.code, tensor->dtype.bits);
    if (tensor->ndim < 0 || tensor->ndim > SL_RUNTIME_MAX_RANK)
        return SL_ERROR(SL_INVALID_ARGUMENT, "input '%s' has rank %d; at most %d can be used", value->name, tensor->ndim, SL_RUNTIME_MAX_RANK);
    if (value->rank >= 0 && tensor->ndim != value->rank)
        return SL_ERROR(SL_INVALID_ARGUMENT, "input '%s' must have rank %d, but has rank %d", value->name, value->rank, tensor->ndim);
    int64_t count = 1;
    bool contiguous = true;
    for (int d = 0; d < tensor->ndim; d++) {
        int64_t size = tensor->shape[d];
        if (size < 0) return SL_ERROR(SL_INVALID_ARGUMENT, "input '%s' has the negative dim %lld at axis %d", value->name, (long long)size, d);
        if (value->rank >= 0 && value->dims[d] >= 0 && value->dims[d] != size)
            return SL_ERROR(SL_INVALID_ARGUMENT, "input '%s': axis %d must be %lld, but is %lld", value->name, d, (long long)value->dims[d], (long long)size);
        if (!sl_size_mul(count, size, &count)) return SL_ERROR(SL_OVERFLOW, "input '%s' has more elements than 64 bits can count", value->name);
        session->input_shapes[index][d] = size;
    }
    if (tensor->strides) {
        int64_t stride = 1;
        for (int d = tensor->ndim - 1; d >= 0; d--) {
            if (tensor->shape[d] != 1 && tensor->strides[d] != stride) contiguous = false;
            stride *= tensor->shape[d];
        }
    }
    if (count > 0 && !tensor->data) return SL_ERROR(SL_INVALID_ARGUMENT, "input '%s' has no data", value->name);
    sl_abi_tensor *argument = &session->inputs[index];
    argument->shape = session->input_shapes[index];
    argument->rank = tensor->ndim;
    argument->element = value->element;
    argument->data = tensor->data ? (uint8_t *)tensor->data + tensor->byte_offset : NULL;
    int size = sl_element_memory_bytes(element);
    if (count > 0 && (!contiguous || sl_element_bits(element) < 8 || (uintptr_t)argument->data % (uintptr_t)size != 0)) {
        if (sl_element_bits(element) < 8 && !contiguous) return SL_ERROR(SL_INVALID_ARGUMENT, "input '%s' of packed %s can't be strided", value->name, sl_element_name(element));
        int64_t bytes;
        if (!sl_size_mul(count, size, &bytes)) return SL_ERROR(SL_OVERFLOW, "input '%s' is too large", value->name);
        SL_TRY(sl_session_grow(session, &session->staging[index], bytes, SL_GROW_DROP, "a row-major copy of a strided input"));
        if (contiguous && sl_element_bits(element) >= 8) memcpy(session->staging[index].data, argument->data, (size_t)bytes);
        else stage_input(tensor, element, count, session->staging[index].data);
        argument->data = session->staging[index].data;
    }
    return NULL;
}

/* Packs a sub-byte output (one byte an element in program memory) to ONNX's packing in place; then into the caller's memory, if it gave some. */
static sl_status finish_output(sluice_session *session, int32_t index, DLTensor *tensor) {
    const sl_abi_value *value = &session->program->table->outputs[index];
    if (!session->output_made[index]) return SL_ERROR(SL_INTERNAL, "the program did not write output '%s'", value->name);
    sl_element element = (sl_element)value->element;
    if (sl_element_bits(element) >= 8) return NULL;
    int64_t count = 1;
    for (int d = 0; d < tensor->ndim; d++) count *= tensor->shape[d];
    uint8_t *data = session->outputs[index].data;
    for (int64_t i = 0; i < count; i++) sl_element_store_int(element, data, i, (int8_t)data[i]);
    if (tensor->data != data) memcpy(tensor->data, data, (size_t)sl_element_bytes(element, count));
    return NULL;
}

static sl_status run(sluice_session *session, const DLTensor *inputs, int32_t input_count, DLTensor *outputs, int32_t output_count) {
    const sl_program_table *table = session->program->table;
    if (input_count != table->input_count) return SL_ERROR(SL_INVALID_ARGUMENT, "the program has %d inputs, %d were given", table->input_count, input_count);
    if (output_count != table->output_count) return SL_ERROR(SL_INVALID_ARGUMENT, "the program has %d outputs, %d were given", table->output_count, output_count);
    for (int32_t i = 0; i < input_count; i++) SL_TRY(bind_input(session, i, &inputs[i]));
    if (output_count > 0) memset(session->output_made, 0, (size_t)output_count);
    if (session->counts) memset(session->counts, 0, sizeof *session->counts * (size_t)table->kernel_count);
    if (session->dense) memset(session->dense, 0, sizeof *session->dense * (size_t)table->kernel_count * SL_ABI_DENSE_FIELDS);
    if (session->branches) memset(session->branches, 0, sizeof *session->branches * (size_t)table->branch_count * SL_ABI_BRANCH_FIELDS);
    session->queue.job_count = session->queue.word_count = 0;
    memset(session->schedules, 0, sizeof session->schedules);
    session->caller_outputs = outputs;
    session->run_code = SLUICE_OK;
    session->run_error[0] = 0;
    sl_abi_frame frame = {.constants = (void *)(uintptr_t)table->constants, .inputs = session->inputs, .symbols = session->symbols,
                          .services = (void *)(uintptr_t)&sl_runtime_services, .session = session, .dense = session->dense, .branches = session->branches};
    int64_t arena_bytes = 0;
    int32_t failed = table->prepare(&frame, &arena_bytes);
    if (!failed && arena_bytes < 0) return SL_ERROR(SL_OVERFLOW, "the memory that these input shapes need does not fit in 64 bits");
    if (!failed) {
        SL_TRY(sl_session_grow(session, &session->arena, arena_bytes, SL_GROW_DROP, "the arena"));
        frame.arena = session->arena.data;
        failed = table->run(&frame);
    }
    if (failed) {
        sl_code code = session->run_code == SLUICE_OK ? SL_RUN_TIME : (sl_code)session->run_code;
        return SL_ERROR(code, "%s", session->run_error[0] ? session->run_error : "the program failed without saying why");
    }
    for (int32_t i = 0; i < output_count; i++) SL_TRY(finish_output(session, i, &outputs[i]));
    return NULL;
}

sluice_code sluice_session_run(sluice_session *session, const DLTensor *inputs, int32_t input_count, DLTensor *outputs, int32_t output_count) {
    if (!session || (input_count > 0 && !inputs) || (output_count > 0 && !outputs)) return SLUICE_INVALID_ARGUMENT;
    sl_status status = run(session, inputs, input_count, outputs, output_count);
    return status ? fail(session, status) : SLUICE_OK;
}

int64_t sluice_session_arena_bytes(const sluice_session *session) { return session->arena.size; }
int64_t sluice_session_peak_bytes(const sluice_session *session) { return session->peak_bytes; }

int64_t sluice_session_schedule_count(const sluice_session *session, sluice_schedule schedule) {
    return (int)schedule >= 0 && schedule < SLUICE_SCHEDULE_COUNT ? session->schedules[schedule] : 0;
}

int32_t sluice_session_counter_count(const sluice_session *session) { return session->counts ? session->program->table->kernel_count : 0; }

sluice_code sluice_session_counter(const sluice_session *session, int32_t index, sluice_counter *counter) {
    if (index < 0 || index >= sluice_session_counter_count(session))
        return sl_host_fail(session->context, SL_ERROR(SL_INVALID_ARGUMENT, "counter number %d asked for; the session has %d (sessions count when options.counters is set)",
                                                       index, sluice_session_counter_count(session)));
    const sl_abi_kernel *kernel = &session->program->table->kernels[index];
    const sl_kernel_count *count = &session->counts[index];
    const int64_t *dense = session->dense + (int64_t)index * SL_ABI_DENSE_FIELDS;
    bool counted = kernel->weight_bytes < 0;
    int64_t dense_runs = count->runs, dense_work = count->work;
    if (kernel->conditional) dense_work = dense[SL_ABI_DENSE_WORK], dense_runs = dense[SL_ABI_DENSE_RUNS];
    int64_t bytes = counted ? dense[SL_ABI_BYTES] : kernel->weight_bytes * count->runs;
    int64_t dense_bytes = counted ? dense[kernel->conditional ? SL_ABI_DENSE_BYTES : SL_ABI_BYTES] : kernel->weight_bytes * dense_runs;
    *counter = (sluice_counter){.op = kernel->name, .location = kernel->location, .runs = count->runs, .work = count->work, .dense_work = dense_work,
                                .weight_bytes = bytes, .nanoseconds = count->nanoseconds, .dense_runs = dense_runs,
                                .dense_weight_bytes = dense_bytes, .products = kernel->products, .branch = kernel->branch};
    return SLUICE_OK;
}

int32_t sluice_session_branch_count(const sluice_session *session) { return session->branches ? session->program->table->branch_count : 0; }

sluice_code sluice_session_branch(const sluice_session *session, int32_t index, sluice_branch_counter *counter) {
    if (index < 0 || index >= sluice_session_branch_count(session))
        return sl_host_fail(session->context, SL_ERROR(SL_INVALID_ARGUMENT, "branch number %d asked for; the session has %d (sessions count when options.counters is set)",
                                                       index, sluice_session_branch_count(session)));
    const sl_abi_branch *branch = &session->program->table->branches[index];
    const int64_t *count = session->branches + (int64_t)index * SL_ABI_BRANCH_FIELDS;
    *counter = (sluice_branch_counter){.location = branch->location, .index = branch->index, .parent = branch->parent, .runs = count[SL_ABI_BRANCH_RUNS],
                                       .rows = count[SL_ABI_BRANCH_ROWS], .dense_rows = count[SL_ABI_BRANCH_DENSE]};
    return SLUICE_OK;
}
