/* npy.c: NumPy's .npy files. bfloat16 and 8-bit floats have no NumPy dtype of their own and are written as unsigned integers of their width. */
#include "cli.h"
#include "sluice/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct { const char *descr; sl_element element; } descriptors[] = {
    {"f8", SL_ELEMENT_f64}, {"f4", SL_ELEMENT_f32}, {"f2", SL_ELEMENT_f16}, {"b1", SL_ELEMENT_i1}, {"i1", SL_ELEMENT_i8}, {"i2", SL_ELEMENT_i16},
    {"i4", SL_ELEMENT_i32}, {"i8", SL_ELEMENT_i64}, {"u1", SL_ELEMENT_u8}, {"u2", SL_ELEMENT_u16}, {"u4", SL_ELEMENT_u32}, {"u8", SL_ELEMENT_u64},
};

/* The text behind 'key': in the header dictionary, or NULL. */
static const char *header_value(const char *header, const char *key) {
    char quoted[32];
    snprintf(quoted, sizeof quoted, "'%s'", key);
    const char *at = strstr(header, quoted);
    at = at ? strchr(at + strlen(quoted), ':') : NULL;
    if (!at) return NULL;
    do at++; while (*at == ' ');
    return at;
}

sl_status cli_npy_read(sl_arena *arena, const char *path, sl_tensor **result) {
    const uint8_t *data;
    int64_t size;
    SL_TRY(sl_file_map(arena, path, &data, &size));
    if (size < 12 || memcmp(data, "\x93NUMPY", 6) != 0) return SL_ERROR(SL_INVALID_MODEL, "%s: not a .npy file", path);
    int64_t start = data[6] == 1 ? 10 : 12;
    int64_t length = data[6] == 1 ? data[8] | data[9] << 8 : (int64_t)(data[8] | data[9] << 8 | data[10] << 16 | (uint32_t)data[11] << 24);
    if (length > size - start) return SL_ERROR(SL_INVALID_MODEL, "%s: the header is cut off", path);
    const char *header = sl_arena_strndup(arena, (const char *)data + start, (size_t)length);
    const char *descr = header_value(header, "descr"), *order = header_value(header, "fortran_order"), *shape = header_value(header, "shape");
    if (!descr || !order || !shape || *descr != '\'' || *shape != '(') return SL_ERROR(SL_INVALID_MODEL, "%s: the header lacks descr, fortran_order or shape", path);
    bool known = false;
    sl_element element = SL_ELEMENT_f32;
    for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors && !known; i++) {
        known = strncmp(descr + 2, descriptors[i].descr, 2) == 0 && descr[4] == '\'';
        element = descriptors[i].element;
    }
    if (!known || (descr[1] != '<' && descr[1] != '|' && descr[1] != '='))
        return SL_ERROR(SL_UNSUPPORTED, "%s: dtype %.*s is not supported (little-endian numbers and bool are)", path, (int)strcspn(descr + 1, "'") + 2, descr);
    int64_t dims[SL_MAX_RANK], count = 1;
    int rank = 0;
    for (const char *at = shape + 1; *at && *at != ')';) {
        char *end;
        long long dim = strtoll(at, &end, 10);
        if (end == at || dim < 0 || rank == SL_MAX_RANK || !sl_size_mul(count, dim, &count)) return SL_ERROR(SL_INVALID_MODEL, "%s: bad shape in the header", path);
        dims[rank++] = dim;
        for (at = end; *at == ',' || *at == ' ';) at++;
    }
    int64_t bytes = sl_element_bytes(element, count);
    if (count > INT64_MAX / 8 || bytes > size - start - length)
        return SL_ERROR(SL_INVALID_MODEL, "%s: %lld bytes of data, the shape needs %lld", path, (long long)(size - start - length), (long long)bytes);
    const uint8_t *elements = data + start + length;
    sl_tensor *tensor = SL_NEW(arena, sl_tensor);
    *tensor = (sl_tensor){.element = element, .rank = rank, .size = bytes};
    memcpy(tensor->shape, dims, sizeof(int64_t) * (size_t)rank);
    if (strncmp(order, "True", 4) != 0) {
        tensor->data = sl_arena_copy(arena, elements, (size_t)bytes);
    } else {
        /* column-major: walk the row-major positions and pick */
        int64_t width = sl_element_bits(element) / 8, index[SL_MAX_RANK] = {0};
        uint8_t *to = tensor->data = sl_arena_alloc(arena, (size_t)bytes);
        for (int64_t i = 0; i < count; i++) {
            int64_t from = 0, stride = 1;
            for (int d = 0; d < rank; d++) {
                from += index[d] * stride;
                stride *= dims[d];
            }
            memcpy(to + i * width, elements + from * width, (size_t)width);
            for (int d = rank - 1; d >= 0 && ++index[d] == dims[d]; d--) index[d] = 0;
        }
    }
    *result = tensor;
    return NULL;
}

sl_status cli_npy_write(sl_arena *arena, const char *path, const DLTensor *tensor) {
    sl_element element;
    if (!cli_element_of(tensor->dtype, &element)) return SL_ERROR(SL_UNSUPPORTED, "%s: the output's element type can't be written as .npy", path);
    const char *descr = NULL;
    for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++)
        if (descriptors[i].element == element) descr = descriptors[i].descr;
    if (!descr) descr = sl_element_bits(element) == 16 ? "u2" : "u1";
    int64_t count = 1;
    sl_text text;
    sl_text_init(&text, arena);
    sl_text_append(&text, "{'descr': '%c%s', 'fortran_order': False, 'shape': (", descr[1] == '1' ? '|' : '<', descr);
    for (int d = 0; d < tensor->ndim; d++) {
        sl_text_append(&text, "%lld,%s", (long long)tensor->shape[d], d + 1 < tensor->ndim ? " " : "");
        count *= tensor->shape[d];
    }
    sl_text_append(&text, "), }");
    while ((10 + text.length + 1) % 64 != 0) sl_text_append(&text, " ");
    sl_text_append(&text, "\n");
    int64_t bytes = sl_element_bytes(element, count);
    uint8_t *file = sl_arena_alloc(arena, 10 + text.length + (size_t)bytes);
    memcpy(file, "\x93NUMPY\x01\x00", 8);
    file[8] = (uint8_t)text.length;
    file[9] = (uint8_t)(text.length >> 8);
    memcpy(file + 10, text.data, text.length);
    if (bytes > 0) memcpy(file + 10 + text.length, (const uint8_t *)tensor->data + tensor->byte_offset, (size_t)bytes);
    return sl_file_write_atomic(path, file, 10 + text.length + (size_t)bytes);
}

sl_status cli_tensor_read(sl_arena *arena, const char *path, sl_tensor **tensor) {
    size_t length = strlen(path);
    const char *name;
    if (length > 3 && strcmp(path + length - 3, ".pb") == 0) return sl_tensor_proto_read(arena, path, tensor, &name);
    return cli_npy_read(arena, path, tensor);
}

DLTensor cli_tensor_view(const sl_tensor *tensor) {
    static const struct { uint8_t code, bits; } codes[SL_ELEMENT_COUNT] = {
        [SL_ELEMENT_f64] = {2, 64}, [SL_ELEMENT_f32] = {2, 32}, [SL_ELEMENT_f16] = {2, 16}, [SL_ELEMENT_bf16] = {4, 16}, [SL_ELEMENT_f8e4m3] = {10, 8},
        [SL_ELEMENT_f8e4m3fnuz] = {11, 8}, [SL_ELEMENT_f8e5m2] = {12, 8}, [SL_ELEMENT_f8e5m2fnuz] = {13, 8}, [SL_ELEMENT_i1] = {6, 8}, [SL_ELEMENT_i2] = {0, 2},
        [SL_ELEMENT_i4] = {0, 4}, [SL_ELEMENT_i8] = {0, 8}, [SL_ELEMENT_i16] = {0, 16}, [SL_ELEMENT_i32] = {0, 32}, [SL_ELEMENT_i64] = {0, 64},
        [SL_ELEMENT_u2] = {1, 2}, [SL_ELEMENT_u4] = {1, 4}, [SL_ELEMENT_u8] = {1, 8}, [SL_ELEMENT_u16] = {1, 16}, [SL_ELEMENT_u32] = {1, 32}, [SL_ELEMENT_u64] = {1, 64},
    };
    return (DLTensor){.data = tensor->data, .device = {1, 0}, .ndim = tensor->rank, .dtype = {codes[tensor->element].code, codes[tensor->element].bits, 1},
                      .shape = (int64_t *)(uintptr_t)tensor->shape};
}

bool cli_element_of(DLDataType type, sl_element *element) {
    for (int i = 0; i < SL_ELEMENT_COUNT; i++) {
        sl_tensor probe = {.element = (sl_element)i};
        DLTensor view = cli_tensor_view(&probe);
        if (i == SL_ELEMENT_str || view.dtype.code != type.code || view.dtype.bits != type.bits) continue;
        *element = (sl_element)i;
        return true;
    }
    return false;
}
