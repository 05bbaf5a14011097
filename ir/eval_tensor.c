/* eval_tensor.c: dense tensors of the evaluator: creation, conversion from and to constants, strided copies. */
#include "eval_internal.h"
#include <string.h>

int64_t sl_tensor_count(const sl_tensor *tensor) {
    int64_t count = 1;
    for (int axis = 0; axis < tensor->rank; axis++)
        if (!sl_size_mul(count, tensor->shape[axis], &count)) return INT64_MAX;
    return count;
}

bool sl_shape_within(int rank, const int64_t *shape, int64_t limit) {
    int64_t count = 1;
    for (int axis = 0; axis < rank; axis++)
        if (shape[axis] < 0 || (shape[axis] > 0 && !sl_size_mul(count, shape[axis], &count)) || count > limit) return false;
    return true;
}

sl_tensor *sl_tensor_alloc(sl_arena *arena, sl_element element, int rank, const int64_t *shape) {
    sl_tensor *tensor = SL_NEW(arena, sl_tensor);
    tensor->element = element;
    tensor->rank = rank;
    for (int axis = 0; axis < rank; axis++) tensor->shape[axis] = shape[axis];
    int64_t count = sl_tensor_count(tensor);
    if (count > INT64_MAX / 16) sl_out_of_memory();
    tensor->size = sl_element_bytes(element, count);
    tensor->data = sl_arena_alloc_aligned(arena, (size_t)tensor->size + 1, 64);
    return tensor;
}

sl_tensor *sl_tensor_from_attr(sl_arena *arena, sl_attr data) {
    sl_type type = sl_attr_get_type(data);
    int64_t shape[SL_MAX_RANK];
    int rank = sl_type_rank(type);
    for (int axis = 0; axis < rank; axis++) shape[axis] = sl_type_static_dim(type, axis);
    sl_element element = sl_type_element(type);
    const void *bytes = sl_attr_data_bytes(data);
    int width = sl_element_bits(element) / 8;
    if (!sl_attr_data_is_splat(data) && (width <= 1 || (uintptr_t)bytes % (uintptr_t)width == 0)) {   /* shares the bytes: values are not written to */
        sl_tensor *tensor = SL_NEW(arena, sl_tensor);
        tensor->element = element;
        tensor->rank = rank;
        memcpy(tensor->shape, shape, sizeof(int64_t) * (size_t)rank);
        tensor->data = (void *)bytes;
        tensor->size = sl_attr_data_size(data);
        return tensor;
    }
    sl_tensor *tensor = sl_tensor_alloc(arena, element, rank, shape);
    int64_t count = sl_tensor_count(tensor);
    if (!sl_attr_data_is_splat(data)) {   /* not aligned: part of a mapped file */
        if (tensor->size > 0) memcpy(tensor->data, bytes, (size_t)tensor->size);
        return tensor;
    }
    if (count > 0) sl_copy_elements(element, tensor->data, 0, bytes, 0, 1);
    for (int64_t done = 1; done < count;) {   /* doubling */
        int64_t run = done < count - done ? done : count - done;
        sl_copy_elements(element, tensor->data, done, tensor->data, 0, run);
        done += run;
    }
    return tensor;
}

sl_attr sl_tensor_to_attr(sl_context *context, const sl_tensor *tensor) {
    return sl_attr_data_copy(context, sl_type_tensor_static(context, tensor->element, tensor->rank, tensor->shape), tensor->data, tensor->size);
}

void sl_strides(int rank, const int64_t *shape, int64_t *strides) {
    int64_t stride = 1;
    for (int axis = rank - 1; axis >= 0; axis--) {
        strides[axis] = stride;
        stride *= shape[axis] > 0 ? shape[axis] : 1;
    }
}

bool sl_next_index(int rank, const int64_t *shape, int64_t *index) {
    for (int axis = rank - 1; axis >= 0; axis--) {
        if (++index[axis] < shape[axis]) return true;
        index[axis] = 0;
    }
    return false;
}

static bool is_packed(sl_element element) { return sl_element_bits(element) < 8; }

void sl_copy_elements(sl_element element, void *to, int64_t to_index, const void *from, int64_t from_index, int64_t count) {
    if (is_packed(element)) {
        for (int64_t i = 0; i < count; i++) sl_element_store_int(element, to, to_index + i, sl_element_load_int(element, from, from_index + i));
        return;
    }
    int64_t width = sl_element_bits(element) / 8;
    if (count > 0) memmove((char *)to + to_index * width, (const char *)from + from_index * width, (size_t)(count * width));
}

#define COPY_RUN(type)                                                                                          \
    for (int64_t i = 0; i < count; i++)                                                                         \
        memcpy((char *)to + (to_base + i * to_stride) * (int64_t)sizeof(type), (const char *)from + (from_base + i * from_stride) * (int64_t)sizeof(type), \
               sizeof(type))

static void copy_run(sl_element element, int64_t count, void *to, int64_t to_base, int64_t to_stride, const void *from, int64_t from_base, int64_t from_stride) {
    if (to_stride == 1 && from_stride == 1) {
        sl_copy_elements(element, to, to_base, from, from_base, count);
        return;
    }
    switch (sl_element_bits(element)) {
    case 8: COPY_RUN(uint8_t); break;
    case 16: COPY_RUN(uint16_t); break;
    case 32: COPY_RUN(uint32_t); break;
    case 64: COPY_RUN(uint64_t); break;
    default:
        for (int64_t i = 0; i < count; i++) sl_copy_elements(element, to, to_base + i * to_stride, from, from_base + i * from_stride, 1);
    }
}

void sl_copy_strided(sl_element element, int rank, const int64_t *shape, void *to, int64_t to_base, const int64_t *to_strides, const void *from,
                     int64_t from_base, const int64_t *from_strides) {
    int64_t index[SL_MAX_RANK] = {0};
    for (int axis = 0; axis < rank; axis++)
        if (shape[axis] == 0) return;
    if (rank == 0) {
        sl_copy_elements(element, to, to_base, from, from_base, 1);
        return;
    }
    do {
        int64_t to_position = to_base, from_position = from_base;
        for (int axis = 0; axis < rank - 1; axis++) {
            to_position += index[axis] * to_strides[axis];
            from_position += index[axis] * from_strides[axis];
        }
        copy_run(element, shape[rank - 1], to, to_position, to_strides[rank - 1], from, from_position, from_strides[rank - 1]);
    } while (sl_next_index(rank - 1, shape, index));
}
