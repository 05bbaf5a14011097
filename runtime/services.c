/* services.c: what generated host code calls: launches, routines, memory during the run, errors. */
#include "runtime_internal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t now_nanoseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* The first error of a run is the one that is told. */
static int32_t record(sluice_session *session, sl_code code, const char *message) {
    if (session->run_code == SLUICE_OK) {
        session->run_code = (sluice_code)code;
        snprintf(session->run_error, sizeof session->run_error, "%s", message);
    }
    return 1;
}

static int32_t record_status(sluice_session *session, sl_status status) {
    record(session, sl_status_code(status), sl_status_message(status));
    sl_status_free(status);
    return 1;
}

static int32_t service_fail(sl_abi_frame *frame, int32_t code, const char *message) { return record(frame->session, (sl_code)code, message); }

static int32_t record_assert(sluice_session *session, int32_t kernel, const char *message) {
    const char *location = session->program->table->kernels[kernel].location;
    char text[sizeof session->run_error];
    snprintf(text, sizeof text, "%s%s%s", location ? location : "", location && *location ? ": " : "", message);
    return record(session, SL_RUN_TIME, text);
}

static int32_t service_launch(sl_abi_frame *frame, int32_t kernel, sl_kernel_fn function, void *const *buffers, const int64_t *scalars, int64_t tasks,
                              int64_t grain, int64_t work) {
    sluice_session *session = frame->session;
    int64_t start = session->counts ? now_nanoseconds() : 0;
    const char *message = sl_pool_run(session->pool, function, buffers, scalars, tasks, grain, 4);
    if (session->counts) {
        sl_kernel_count *count = &session->counts[kernel];
        count->runs++;
        count->work += work;
        count->nanoseconds += now_nanoseconds() - start;
    }
    return message ? record_assert(session, kernel, message) : 0;
}

static int32_t service_queue(sl_abi_frame *frame, int32_t kernel, sl_kernel_fn function, void *const *buffers, const int64_t *scalars, int64_t tasks, int64_t grain, int64_t work,
                             int32_t buffer_count, int32_t scalar_count) {
    sluice_session *session = frame->session;
    (void)grain;                       /* worked out for all that is queued together */
    if (session->counts) {
        session->counts[kernel].runs++;
        session->counts[kernel].work += work;
    }
    sl_status status = sl_group_add(session, kernel, function, buffers, scalars, tasks, work, buffer_count, scalar_count);
    return status ? record_status(session, status) : 0;
}

static int32_t service_flush(sl_abi_frame *frame, int32_t padding) {
    sluice_session *session = frame->session;
    int64_t start = session->counts ? now_nanoseconds() : 0, count = session->queue.job_count;
    int32_t kernel = sl_group_first_kernel(session);
    const char *message;
    sl_status status = sl_group_run(session, padding, &message);
    if (status) return record_status(session, status);
    if (session->counts && count) sl_group_count_time(session, count, now_nanoseconds() - start);
    return message ? record_assert(session, kernel, message) : 0;
}

static int32_t service_call(sl_abi_frame *frame, const sl_abi_call *call) {
    sl_routine_fn function = sl_routine_function(call->routine);
    if (!function) return record(frame->session, SL_INTERNAL, "the program calls a routine that this runtime lacks");
    sl_abi_tensor *tensors = call->tensors;
    sl_routine_call request = {.frame = frame, .call = call, .in = tensors, .out = tensors + call->inputs};
    return function(&request);
}

static void *service_dynamic(sl_abi_frame *frame, int32_t slot, int64_t bytes) {
    sluice_session *session = frame->session;
    if (bytes < 0) {
        record(session, SL_OVERFLOW, "a tensor's size does not fit in 64 bits");
        return NULL;
    }
    sl_status status = sl_session_grow(session, &session->dynamic[slot], bytes > 0 ? bytes : 1, SL_GROW_KEEP, "a tensor whose size the run decided");
    if (status) record_status(session, status);
    return status ? NULL : session->dynamic[slot].data;
}

static void *service_output(sl_abi_frame *frame, int32_t index, int32_t rank, const int64_t *shape) {
    sluice_session *session = frame->session;
    const sl_abi_value *value = &session->program->table->outputs[index];
    DLTensor *caller = &session->caller_outputs[index];
    sl_element element = (sl_element)value->element;
    int64_t count = 1, bytes;
    for (int32_t d = 0; d < rank; d++)
        if (shape[d] < 0 || !sl_size_mul(count, shape[d], &count)) return record(session, SL_OVERFLOW, "an output's size does not fit in 64 bits"), NULL;
    if (!sl_size_mul(count, sl_element_memory_bytes(element), &bytes)) return record(session, SL_OVERFLOW, "an output's size does not fit in 64 bits"), NULL;
    memcpy(session->output_shapes[index], shape, sizeof(int64_t) * (size_t)rank);
    bool own = caller->data == NULL || sl_element_bits(element) < 8 || caller->data == session->outputs[index].data;
    if (caller->data && caller->data != session->outputs[index].data) {
        sl_element given;
        bool fits = sl_element_from_dlpack(caller->dtype, &given) && given == element && caller->ndim == rank && caller->device.device_type == 1;
        for (int32_t d = 0; fits && d < rank; d++) fits = caller->shape[d] == shape[d];
        int64_t stride = 1;
        for (int32_t d = rank - 1; fits && caller->strides && d >= 0; d--) {
            fits = shape[d] == 1 || caller->strides[d] == stride;
            stride *= shape[d];
        }
        if (!fits) {
            char text[256];
            size_t used = (size_t)snprintf(text, sizeof text, "output '%s' is a row-major %s tensor in the CPU's memory (device type 1) of shape [", value->name, sl_element_name(element));
            for (int32_t d = 0; d < rank && used < sizeof text; d++) used += (size_t)snprintf(text + used, sizeof text - used, "%s%lld", d ? ", " : "", (long long)shape[d]);
            if (used < sizeof text) snprintf(text + used, sizeof text - used, "]; the memory given for it does not fit");
            record(session, SL_INVALID_ARGUMENT, text);
            return NULL;
        }
    }
    session->output_made[index] = 1;
    if (!own) return (uint8_t *)caller->data + caller->byte_offset;
    sl_status status = sl_session_grow(session, &session->outputs[index], bytes > 0 ? bytes : 1, SL_GROW_DROP, "an output");
    if (status) {
        record_status(session, status);
        return NULL;
    }
    if (caller->data == NULL || sl_element_bits(element) >= 8) {
        caller->data = session->outputs[index].data;
        caller->device = (DLDevice){1, 0};
        caller->ndim = rank;
        caller->dtype = sl_element_to_dlpack(element);
        caller->shape = session->output_shapes[index];
        caller->strides = NULL;
        caller->byte_offset = 0;
    }
    return session->outputs[index].data;
}

static int32_t service_mismatch(sl_abi_frame *frame, int32_t input, int32_t dim, int64_t found, int64_t wanted) {
    sluice_session *session = frame->session;
    const sl_abi_value *value = &session->program->table->inputs[input];
    const char *symbol = dim >= 0 && dim < value->rank && value->dims[dim] < 0 ? value->symbols[dim] : NULL;
    char text[sizeof session->run_error];
    if (dim < 0)
        snprintf(text, sizeof text, "input '%s': rank is %lld, but the model wants %lld", value->name, (long long)found, (long long)wanted);
    else
        snprintf(text, sizeof text, "input '%s': dim %d is %lld, but the model wants %lld%s%s%s", value->name, (int)dim, (long long)found, (long long)wanted,
                 symbol ? " (" : "", symbol ? symbol : "", symbol ? ")" : "");
    return record(session, SL_INVALID_ARGUMENT, text);
}

const sl_abi_services sl_runtime_services = {
    .launch = (void *)service_launch, .queue = (void *)service_queue, .flush = (void *)service_flush, .call = (void *)service_call, .dynamic = (void *)service_dynamic, .output = (void *)service_output, .fail = (void *)service_fail,
    .mismatch = (void *)service_mismatch,
};

void *sl_routine_make_output(const sl_routine_call *call, int index, int rank, const int64_t *shape) {
    sl_abi_tensor *out = &call->out[index];
    int64_t bytes = sl_element_memory_bytes((sl_element)out->element);
    if (out->data) {   /* the compiler knew the shape and gave memory for it */
        bool same = out->rank == rank;
        for (int d = 0; same && d < rank; d++) same = ((const int64_t *)out->shape)[d] == shape[d];
        return same ? out->data : (sl_routine_fail(call, SL_RUN_TIME, "the result does not have the shape that the model needs"), NULL);
    }
    for (int d = 0; d < rank; d++)
        if (!sl_size_mul(bytes, shape[d], &bytes)) return sl_routine_fail(call, SL_OVERFLOW, "the result's size does not fit in 64 bits"), NULL;
    void *data = service_dynamic(call->frame, call->call->slot + index, bytes);
    if (!data) return NULL;
    memcpy(out->shape, shape, sizeof(int64_t) * (size_t)rank);
    out->rank = rank;
    out->data = data;
    return data;
}

int32_t sl_routine_fail(const sl_routine_call *call, sl_code code, const char *format, ...) {
    char text[512];
    const char *location = call->call->location;
    size_t used = location && *location ? (size_t)snprintf(text, sizeof text, "%s: ", location) : 0;
    va_list arguments;
    va_start(arguments, format);
    if (used < sizeof text) vsnprintf(text + used, sizeof text - used, format, arguments);
    va_end(arguments);
    return record(call->frame->session, code, text);
}

int64_t sl_abi_tensor_count(const sl_abi_tensor *tensor) {
    int64_t count = 1;
    const int64_t *shape = tensor->shape;
    for (int d = 0; d < tensor->rank; d++) count *= shape[d];
    return count;
}

static const struct { const char *name; sl_routine_fn function; } routines[] = {
#define SL_ROUTINE(name, makes, doc) {#name, sl_routine_##name},
#include "sluice/routines.def"
#undef SL_ROUTINE
};

int sl_routine_count(void) { return (int)(sizeof routines / sizeof *routines); }
const char *sl_routine_name(int index) { return routines[index].name; }
sl_routine_fn sl_routine_function(int index) { return index >= 0 && index < sl_routine_count() ? routines[index].function : NULL; }

int sl_routine_find(const char *name) {
    for (int i = 0; i < sl_routine_count(); i++)
        if (strcmp(routines[i].name, name) == 0) return i;
    return -1;
}
