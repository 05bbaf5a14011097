/* onnx_tensor.c: TensorProto and SparseTensorProto to tensors with complete, packed data whose size fits the shape.
 *
 * Data is borrowed where its layout in the message (or the mapped side file) is that of the result; other typed fields are converted. */
#include "onnx.pb-c.h"
#include "read_internal.h"
#include <stdlib.h>
#include <string.h>

bool sl_tensor_size(sl_reader *reader, const sl_place *place, const char *what, sl_element element, int rank, const int64_t *shape, int64_t *count,
                    int64_t *bytes) {
    *count = 1;
    bool empty = false, fits = true;
    for (int i = 0; i < rank; i++) {
        if (shape[i] < 0) return sl_reader_error(reader, place, "%s: dimension %d is negative (%lld)", what, i, (long long)shape[i]);
        empty |= shape[i] == 0;
    }
    for (int i = 0; i < rank && !empty; i++) fits = fits && sl_size_mul(*count, shape[i], count);
    if (empty) *count = 0;
    *bytes = fits ? sl_element_bytes(element, *count) : -1;
    if (*bytes < 0) return sl_reader_error(reader, place, "%s: its size doesn't fit in 64 bits", what);
    return true;
}

const void *sl_tensor_adopt(sl_reader *reader, sl_element element, const void *data, int64_t size) {
    if (element == SL_ELEMENT_i1) {
        const uint8_t *bytes = data;
        int64_t i = 0;
        while (i < size && bytes[i] <= 1) i++;
        if (i < size) {
            uint8_t *clean = sl_arena_alloc(reader->arena, (size_t)size);
            for (i = 0; i < size; i++) clean[i] = bytes[i] != 0;
            return clean;
        }
    }
    size_t alignment = (size_t)sl_element_bits(element) / 8;
    if (alignment > 1 && (uintptr_t)data % alignment) return sl_arena_copy(reader->arena, data, (size_t)size);
    return data;
}

static const char *describe(sl_reader *reader, const char *name) {
    return name && *name ? sl_arena_printf(reader->arena, "tensor '%.200s'", name) : "tensor";
}

static bool read_shape(sl_reader *reader, const sl_place *place, const char *what, size_t rank, const int64_t *dims, sl_graph_tensor *tensor) {
    if (rank > SL_MAX_RANK) return sl_reader_unsupported(reader, place, "%s: rank %zu is more than %d", what, rank, SL_MAX_RANK);
    tensor->rank = (int)rank;
    if (rank) memcpy(tensor->shape, dims, rank * sizeof(*dims));
    return true;
}

static bool read_element(sl_reader *reader, const sl_place *place, const char *what, int number, sl_element *element) {
    if (sl_element_from_onnx(number, element)) return true;
    const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value(&onnx__tensor_proto__data_type__descriptor, number);
    if (known && number) return sl_reader_unsupported(reader, place, "%s: element type %s isn't supported", what, known->name);
    return sl_reader_error(reader, place, "%s: %d isn't an ONNX element type", what, number);
}

static bool parse_integer(const char *text, int64_t *value) {
    char *end;
    if (!text || *text < '0' || *text > '9') return false;
    *value = strtoll(text, &end, 10);
    return *end == 0 && *value != INT64_MAX;
}

static bool read_external(sl_reader *reader, const Onnx__TensorProto *message, const sl_place *place, const char *what, sl_graph_tensor *tensor) {
    const char *location = NULL;
    int64_t offset = 0, length = tensor->size, got;
    for (size_t i = 0; i < message->n_external_data; i++) {
        const char *key = message->external_data[i]->key, *value = message->external_data[i]->value;
        if (!key || !value) return sl_reader_error(reader, place, "%s: an external_data entry lacks its key or value", what);
        if (strcmp(key, "location") == 0) location = value;
        else if (strcmp(key, "offset") == 0 && !parse_integer(value, &offset))
            return sl_reader_error(reader, place, "%s: external offset '%.50s' isn't a size", what, value);
        else if (strcmp(key, "length") == 0 && !parse_integer(value, &length))
            return sl_reader_error(reader, place, "%s: external length '%.50s' isn't a size", what, value);
    }
    if (!location) return sl_reader_error(reader, place, "%s: external data without a location", what);
    if (tensor->element == SL_ELEMENT_str) return sl_reader_unsupported(reader, place, "%s: strings can't be external data", what);
    if (length != tensor->size)
        return sl_reader_error(reader, place, "%s: %lld bytes of external data, but its shape needs %lld", what, (long long)length, (long long)tensor->size);
    tensor->absent = sl_side_file_lacks(reader, place, location, offset, length);
    if (tensor->absent) return true;
    tensor->data = sl_side_file_range(reader, place, location, offset, length, &got);
    return tensor->data != NULL;
}

/* Where typed data of an element type lies. */
typedef enum data_field { FIELD_FLOAT, FIELD_INT32, FIELD_STRING, FIELD_INT64, FIELD_DOUBLE, FIELD_UINT64 } data_field;

static data_field field_of(sl_element element) {
    switch (element) {
    case SL_ELEMENT_f32: return FIELD_FLOAT;
    case SL_ELEMENT_f64: return FIELD_DOUBLE;
    case SL_ELEMENT_i64: return FIELD_INT64;
    case SL_ELEMENT_u32:
    case SL_ELEMENT_u64: return FIELD_UINT64;
    case SL_ELEMENT_str: return FIELD_STRING;
    case SL_ELEMENT_f16: case SL_ELEMENT_bf16: case SL_ELEMENT_f8e4m3: case SL_ELEMENT_f8e5m2: case SL_ELEMENT_f8e4m3fnuz: case SL_ELEMENT_f8e5m2fnuz:
    case SL_ELEMENT_i1: case SL_ELEMENT_i2: case SL_ELEMENT_i4: case SL_ELEMENT_i8: case SL_ELEMENT_i16: case SL_ELEMENT_i32: case SL_ELEMENT_u2:
    case SL_ELEMENT_u4: case SL_ELEMENT_u8: case SL_ELEMENT_u16:
    case SL_ELEMENT_COUNT: return FIELD_INT32;
    }
    return FIELD_INT32;
}

/* int32_data holds bit patterns of floats, whole integers, and bytes of packed sub-byte integers. */
static bool narrow_int32(sl_reader *reader, const Onnx__TensorProto *message, sl_graph_tensor *tensor) {
    int bits = sl_element_bits(tensor->element);
    if (bits == 32) {
        tensor->data = message->int32_data;
        return true;
    }
    uint8_t *bytes = sl_arena_alloc(reader->arena, (size_t)tensor->size);
    for (size_t i = 0; i < message->n_int32_data; i++) {
        uint16_t value = (uint16_t)message->int32_data[i];
        if (bits == 16) memcpy(bytes + 2 * i, &value, 2);
        else bytes[i] = tensor->element == SL_ELEMENT_i1 ? message->int32_data[i] != 0 : (uint8_t)value;
    }
    tensor->data = bytes;
    return true;
}

static bool read_typed(sl_reader *reader, const Onnx__TensorProto *message, const sl_place *place, const char *what, int64_t count, sl_graph_tensor *tensor) {
    data_field field = field_of(tensor->element);
    size_t found = 0;
    int64_t wanted = field == FIELD_INT32 && sl_element_bits(tensor->element) < 8 ? tensor->size : count;
    switch (field) {
    case FIELD_FLOAT: found = message->n_float_data; break;
    case FIELD_INT32: found = message->n_int32_data; break;
    case FIELD_STRING: found = message->n_string_data; break;
    case FIELD_INT64: found = message->n_int64_data; break;
    case FIELD_DOUBLE: found = message->n_double_data; break;
    case FIELD_UINT64: found = message->n_uint64_data; break;
    }
    if (found != (uint64_t)wanted)
        return sl_reader_error(reader, place, "%s: %zu values of type %s, but its shape needs %lld", what, found, sl_element_name(tensor->element),
                               (long long)wanted);
    switch (field) {
    case FIELD_FLOAT: tensor->data = message->float_data; break;
    case FIELD_INT32: return narrow_int32(reader, message, tensor);
    case FIELD_INT64: tensor->data = message->int64_data; break;
    case FIELD_DOUBLE: tensor->data = message->double_data; break;
    case FIELD_UINT64:
        tensor->data = message->uint64_data;
        if (tensor->element == SL_ELEMENT_u32) {
            uint32_t *narrow = SL_NEW_ARRAY(reader->arena, uint32_t, found);
            for (size_t i = 0; i < found; i++) narrow[i] = (uint32_t)message->uint64_data[i];
            tensor->data = narrow;
        }
        break;
    case FIELD_STRING: {
        sl_graph_string *strings = SL_NEW_ARRAY(reader->arena, sl_graph_string, found);
        for (size_t i = 0; i < found; i++) {
            const ProtobufCBinaryData *bytes = &message->string_data[i];
            strings[i] = (sl_graph_string){sl_arena_strndup(reader->arena, (const char *)bytes->data, bytes->len), (int64_t)bytes->len};
        }
        tensor->data = strings;
        tensor->size = (int64_t)(found * sizeof(*strings));
        break;
    }
    }
    return true;
}

bool sl_onnx_convert_tensor(sl_reader *reader, const Onnx__TensorProto *message, const sl_place *place, sl_graph_tensor *tensor) {
    const char *what = describe(reader, message->name);
    int64_t count;
    tensor->name = sl_reader_intern(reader, message->name ? message->name : "");
    tensor->place = *place;
    if (message->segment) return sl_reader_unsupported(reader, place, "%s: it is in segments, or no plain tensor but a sequence; neither is supported", what);
    if (!message->has_data_type) return sl_reader_error(reader, place, "%s: its element type is missing", what);
    if (!read_element(reader, place, what, message->data_type, &tensor->element)) return false;
    if (!read_shape(reader, place, what, message->n_dims, message->dims, tensor)) return false;
    if (!sl_tensor_size(reader, place, what, tensor->element, tensor->rank, tensor->shape, &count, &tensor->size)) return false;
    bool raw = message->has_raw_data && message->raw_data.len;
    if (message->has_data_location && message->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL) {
        if (!read_external(reader, message, place, what, tensor)) return false;
    } else if (raw) {
        if (tensor->element == SL_ELEMENT_str) return sl_reader_error(reader, place, "%s: strings can't be raw data", what);
        if (message->raw_data.len != (uint64_t)tensor->size)
            return sl_reader_error(reader, place, "%s: %zu bytes of raw data, but its shape needs %lld", what, message->raw_data.len, (long long)tensor->size);
        tensor->data = message->raw_data.data;
    } else if (!read_typed(reader, message, place, what, count, tensor)) {
        return false;
    }
    if (tensor->element != SL_ELEMENT_str) tensor->data = tensor->size ? sl_tensor_adopt(reader, tensor->element, tensor->data, tensor->size) : "";
    return true;
}

bool sl_onnx_convert_sparse(sl_reader *reader, const Onnx__SparseTensorProto *message, const sl_place *place, sl_graph_tensor *tensor) {
    if (!message->values || !message->indices) return sl_reader_error(reader, place, "sparse tensor without values or indices");
    sl_graph_tensor values = {0}, indices = {0};
    if (!sl_onnx_convert_tensor(reader, message->values, place, &values) || !sl_onnx_convert_tensor(reader, message->indices, place, &indices)) return false;
    const char *what = describe(reader, message->values->name);
    int64_t count;
    *tensor = values;
    if (!read_shape(reader, place, what, message->n_dims, message->dims, tensor)) return false;
    if (!sl_tensor_size(reader, place, what, values.element, tensor->rank, tensor->shape, &count, &tensor->size)) return false;
    int bits = sl_element_bits(values.element);
    if (values.element == SL_ELEMENT_str || bits < 8) return sl_reader_unsupported(reader, place, "%s: sparse tensors of this type aren't supported", what);
    if (tensor->size > SL_READ_LARGEST_DENSE)
        return sl_reader_unsupported(reader, place, "%s: a sparse tensor of %lld bytes when expanded is too large", what, (long long)tensor->size);
    int64_t entries = values.rank == 1 ? values.shape[0] : -1;
    bool linear = indices.rank == 1 && indices.shape[0] == entries;
    bool coordinates = indices.rank == 2 && indices.shape[0] == entries && indices.shape[1] == tensor->rank;
    if (entries < 0 || indices.element != SL_ELEMENT_i64 || !(linear || coordinates))
        return sl_reader_error(reader, place, "%s: values and indices of the sparse tensor don't fit together", what);
    uint8_t *dense = sl_arena_alloc_aligned(reader->arena, (size_t)tensor->size, 64);
    const int64_t *index = indices.data;
    for (int64_t i = 0; i < entries; i++) {
        int64_t at = linear ? index[i] : 0;
        bool inside = linear ? at >= 0 && at < count : true;
        for (int k = 0; !linear && k < tensor->rank; k++) {
            int64_t coordinate = index[i * tensor->rank + k];
            inside = inside && coordinate >= 0 && coordinate < tensor->shape[k];
            at = inside ? at * tensor->shape[k] + coordinate : 0;
        }
        if (!inside) return sl_reader_error(reader, place, "%s: index %lld of the sparse tensor is outside of its shape", what, (long long)i);
        memcpy(dense + at * (bits / 8), (const uint8_t *)values.data + i * (bits / 8), (size_t)bits / 8);
    }
    tensor->data = dense;
    return true;
}

/* ---- tensors of test data ---- */

static sl_status read_tensor_file(sl_arena *arena, const char *path, sl_tensor **result, const char **name) {
    sl_reader reader;
    sl_reader_init(&reader, NULL, arena, path);
    const uint8_t *data;
    int64_t size;
    SL_TRY(sl_file_map(arena, path, &data, &size));
    sl_place place = sl_reader_place(&reader);
    Onnx__TensorProto *message = sl_onnx_unpack(&reader, &onnx__tensor_proto__descriptor, data, (size_t)size);
    sl_graph_tensor tensor = {0};
    if (message) sl_onnx_convert_tensor(&reader, message, &place, &tensor);
    SL_TRY(sl_reader_finish(&reader, "tensor"));
    sl_tensor *out = SL_NEW(arena, sl_tensor);
    out->element = tensor.element;
    out->rank = tensor.rank;
    memcpy(out->shape, tensor.shape, sizeof(out->shape));
    out->size = tensor.size;
    out->data = sl_arena_copy(arena, tensor.data, (size_t)tensor.size);   /* a tensor's data is writable, the mapping isn't */
    *result = out;
    if (name) *name = tensor.name;
    return NULL;
}

sl_status sl_tensor_proto_read(sl_arena *arena, const char *path, sl_tensor **tensor, const char **name) {
    sl_guard guard;
    if (!SL_GUARD_ENTER(&guard)) return SL_ERROR(SL_OUT_OF_MEMORY, "out of memory");
    sl_status status = read_tensor_file(arena, path, tensor, name);
    sl_guard_leave(&guard);
    return status;
}
