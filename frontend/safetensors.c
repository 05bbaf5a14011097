/* safetensors.c: the index of a safetensors file: 8 bytes of header length, a JSON header {"name": {"dtype", "shape", "data_offsets"}}, then the data.
 * Everything in the header is checked here, so that users of the index may trust shapes and ranges. */
#include "read_internal.h"
#include <stdlib.h>
#include <string.h>

static const struct { const char *name; sl_element element; } dtypes[] = {
    {"F64", SL_ELEMENT_f64}, {"F32", SL_ELEMENT_f32}, {"F16", SL_ELEMENT_f16}, {"BF16", SL_ELEMENT_bf16}, {"F8_E4M3", SL_ELEMENT_f8e4m3},
    {"F8_E5M2", SL_ELEMENT_f8e5m2}, {"I64", SL_ELEMENT_i64}, {"I32", SL_ELEMENT_i32}, {"I16", SL_ELEMENT_i16}, {"I8", SL_ELEMENT_i8},
    {"U64", SL_ELEMENT_u64}, {"U32", SL_ELEMENT_u32}, {"U16", SL_ELEMENT_u16}, {"U8", SL_ELEMENT_u8}, {"BOOL", SL_ELEMENT_i1},
};

/* One header entry. `base` is where the data begins, `size` its bytes. */
static bool read_entry(sl_reader *reader, const sl_place *place, const char *file, const sl_json *entry, const uint8_t *base, int64_t size,
                       sl_safetensor *tensor) {
    const sl_json *dtype = sl_json_get(entry, "dtype"), *shape = sl_json_get(entry, "shape"), *offsets = sl_json_get(entry, "data_offsets");
    const char *what = sl_arena_printf(reader->arena, "tensor '%.200s' of '%s'", entry->key, file);
    if (!dtype || dtype->kind != SL_JSON_STRING || !shape || shape->kind != SL_JSON_ARRAY || !offsets || offsets->kind != SL_JSON_ARRAY || offsets->count != 2)
        return sl_reader_error(reader, place, "%s: the header entry needs dtype, shape and data_offsets", what);
    bool known = false;
    for (size_t i = 0; i < sizeof(dtypes) / sizeof(*dtypes) && !known; i++) {
        known = strcmp(dtypes[i].name, dtype->text) == 0;
        tensor->element = dtypes[i].element;
    }
    if (!known) return sl_reader_unsupported(reader, place, "%s: element type '%.50s' isn't supported", what, dtype->text);
    if (shape->count > SL_MAX_RANK) return sl_reader_unsupported(reader, place, "%s: rank %d is more than %d", what, shape->count, SL_MAX_RANK);
    tensor->rank = shape->count;
    for (int i = 0; i < shape->count; i++) {
        if (!shape->items[i].is_integer) return sl_reader_error(reader, place, "%s: dimension %d isn't an integer", what, i);
        tensor->shape[i] = shape->items[i].integer;
    }
    int64_t count, bytes, start = offsets->items[0].integer, end = offsets->items[1].integer;
    if (!sl_tensor_size(reader, place, what, tensor->element, tensor->rank, tensor->shape, &count, &bytes)) return false;
    if (!offsets->items[0].is_integer || !offsets->items[1].is_integer || start < 0 || end < start || end > size)
        return sl_reader_error(reader, place, "%s: data_offsets [%lld, %lld] don't lie in the file's %lld data bytes", what, (long long)start, (long long)end,
                               (long long)size);
    if (end - start != bytes)
        return sl_reader_error(reader, place, "%s: data_offsets give %lld bytes, but its shape needs %lld", what, (long long)(end - start), (long long)bytes);
    tensor->name = entry->key;
    tensor->data = base + start;
    tensor->size = bytes;
    return true;
}

static int order_names(const void *a, const void *b) { return strcmp(((const sl_safetensor *)a)->name, ((const sl_safetensor *)b)->name); }

static bool read_index(sl_reader *reader, const sl_place *place, const sl_side_file *file, sl_safetensors *index) {
    if (file->size < 8) return sl_reader_error(reader, place, "safetensors file '%s' is cut off: %lld bytes", file->name, (long long)file->size);
    uint64_t length = 0;
    for (int i = 0; i < 8; i++) length |= (uint64_t)file->data[i] << (8 * i);
    if (length > (uint64_t)file->size - 8)
        return sl_reader_error(reader, place, "'%s' isn't a safetensors file or is cut off: its header claims %llu bytes of %lld", file->name,
                               (unsigned long long)length, (long long)file->size);
    sl_json_fault fault;
    const sl_json_document *header = sl_json_parse(reader->arena, (const char *)file->data + 8, (size_t)length, &fault);
    if (!header->root) return sl_reader_error(reader, place, "header of safetensors file '%s', byte %zu: %s", file->name, fault.offset + 8, fault.message);
    if (header->root->kind != SL_JSON_OBJECT) return sl_reader_error(reader, place, "header of safetensors file '%s' isn't an object", file->name);
    sl_safetensor *tensors = SL_NEW_ARRAY(reader->arena, sl_safetensor, (size_t)header->root->count);
    index->tensors = tensors;
    bool good = true;
    for (int i = 0; i < header->root->count; i++) {
        const sl_json *entry = &header->root->items[i];
        if (strcmp(entry->key, "__metadata__") == 0) continue;
        if (read_entry(reader, place, file->name, entry, file->data + 8 + length, file->size - 8 - (int64_t)length, &tensors[index->count])) index->count++;
        else good = false;
    }
    qsort(tensors, (size_t)index->count, sizeof(*tensors), order_names);
    return good;
}

const sl_safetensors *sl_safetensors_open(sl_reader *reader, const sl_place *place, const char *name) {
    for (size_t i = 0; i < reader->safetensors.count; i++)
        if (strcmp(reader->safetensors.data[i]->name, name) == 0) return reader->safetensors.data[i];
    const sl_side_file *file = sl_side_file_open(reader, place, name);
    if (!file) return NULL;
    sl_safetensors *index = SL_NEW(reader->arena, sl_safetensors);
    index->name = file->name;
    /* A bad file is remembered with what could be read, and has been reported. */
    read_index(reader, place, file, index);
    SL_PUSH(reader->arena, &reader->safetensors, index);
    return index;
}

const sl_safetensor *sl_safetensors_find(const sl_safetensors *file, const char *name) {
    sl_safetensor key = {.name = name};
    if (!file->count) return NULL;
    return bsearch(&key, file->tensors, (size_t)file->count, sizeof(*file->tensors), order_names);
}
