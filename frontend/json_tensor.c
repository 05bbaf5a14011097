/* json_tensor.c: tensors of the JSON graph: inline data, a fill value, raw bytes of a side file, an entry of a safetensors file. Also the small helpers for
 * reading checked members that read_json_graph.c shares. The format is described in docs/graph-format.md. */
#include "read_internal.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- members ---- */

bool sl_json_members(sl_reader *reader, const sl_json *object, const char *const *allowed) {
    bool good = true;
    for (int i = 0; i < object->count; i++) {
        const char *const *key = allowed;
        while (*key && strcmp(*key, object->items[i].key) != 0) key++;
        if (*key || strcmp(object->items[i].key, "doc") == 0) continue;
        sl_text list;
        sl_text_init(&list, reader->arena);
        for (key = allowed; *key; key++) sl_text_append(&list, "%s%s", key == allowed ? "" : ", ", *key);
        good = sl_json_error(reader, &object->items[i], "unknown key \"%.60s\"; expected one of: %s", object->items[i].key, list.data);
    }
    return good;
}

const sl_json *sl_json_member(sl_reader *reader, const sl_json *object, const char *key, sl_json_kind kind, bool *good) {
    static const char *const names[] = {"null", "a boolean", "a number", "a string", "an array", "an object"};
    const sl_json *member = sl_json_get(object, key);
    if (!member || member->kind == kind) return member;
    *good = sl_json_error(reader, member, "expected %s, found %s", names[kind], sl_json_kind_name(member));
    return NULL;
}

static const struct { const char *name; sl_element element; } other_names[] = {
    {"float64", SL_ELEMENT_f64}, {"float32", SL_ELEMENT_f32}, {"float16", SL_ELEMENT_f16}, {"bfloat16", SL_ELEMENT_bf16}, {"double", SL_ELEMENT_f64},
    {"float", SL_ELEMENT_f32}, {"half", SL_ELEMENT_f16}, {"float8_e4m3fn", SL_ELEMENT_f8e4m3}, {"float8_e5m2", SL_ELEMENT_f8e5m2},
    {"float8_e4m3fnuz", SL_ELEMENT_f8e4m3fnuz}, {"float8_e5m2fnuz", SL_ELEMENT_f8e5m2fnuz}, {"bool", SL_ELEMENT_i1}, {"int2", SL_ELEMENT_i2},
    {"int4", SL_ELEMENT_i4}, {"int8", SL_ELEMENT_i8}, {"int16", SL_ELEMENT_i16}, {"int32", SL_ELEMENT_i32}, {"int64", SL_ELEMENT_i64},
    {"uint2", SL_ELEMENT_u2}, {"uint4", SL_ELEMENT_u4}, {"uint8", SL_ELEMENT_u8}, {"uint16", SL_ELEMENT_u16}, {"uint32", SL_ELEMENT_u32},
    {"uint64", SL_ELEMENT_u64}, {"string", SL_ELEMENT_str},
};

bool sl_json_element(sl_reader *reader, const sl_json *value, sl_element *element) {
    if (value->kind != SL_JSON_STRING) return sl_json_error(reader, value, "expected an element type such as \"f32\", found %s", sl_json_kind_name(value));
    if (sl_element_parse(value->text, value->length, element)) return true;
    for (size_t i = 0; i < sizeof(other_names) / sizeof(*other_names); i++) {
        if (strcmp(other_names[i].name, value->text) == 0) {
            *element = other_names[i].element;
            return true;
        }
    }
    return sl_json_error(reader, value, "\"%.60s\" isn't an element type; expected one such as \"f32\", \"i64\" or \"bool\"", value->text);
}

bool sl_json_float(const sl_json *value, double *result) {
    if (value->kind == SL_JSON_NUMBER) *result = value->number;
    else if (value->kind != SL_JSON_STRING) return false;
    else if (strcmp(value->text, "inf") == 0) *result = INFINITY;
    else if (strcmp(value->text, "-inf") == 0) *result = -INFINITY;
    else if (strcmp(value->text, "nan") == 0) *result = NAN;
    else return false;
    return true;
}

/* ---- inline data ---- */

static bool store_integer(sl_reader *reader, const sl_json *value, sl_element element, void *data, int64_t index) {
    if (value->kind == SL_JSON_BOOL && element == SL_ELEMENT_i1) {
        sl_element_store_int(element, data, index, value->boolean);
        return true;
    }
    if (value->kind != SL_JSON_NUMBER) return sl_json_error(reader, value, "expected an integer, found %s", sl_json_kind_name(value));
    int bits = sl_element_bits(element);
    int64_t number = value->integer;
    bool fits = value->is_integer;
    if (element == SL_ELEMENT_u64 && !fits && value->length <= 20 && value->text[0] != '-') {   /* between 2^63 and 2^64 */
        char digits[24] = {0}, *end;
        memcpy(digits, value->text, value->length);
        errno = 0;
        number = (int64_t)strtoull(digits, &end, 10);
        fits = errno == 0 && *end == 0;
    } else if (fits && element == SL_ELEMENT_i1) {
        fits = number == 0 || number == 1;
    } else if (fits && sl_element_is_signed(element)) {
        int64_t most = INT64_MAX >> (64 - bits);
        fits = number >= -most - 1 && number <= most;
    } else if (fits) {
        fits = number >= 0 && (bits == 64 || number < INT64_C(1) << bits);
    }
    if (!fits) return sl_json_error(reader, value, "%.*s doesn't fit in %s", (int)(value->length < 40 ? value->length : 40), value->text, sl_element_name(element));
    sl_element_store_int(element, data, index, number);
    return true;
}

static bool store(sl_reader *reader, const sl_json *value, sl_element element, void *data, int64_t index) {
    if (element == SL_ELEMENT_str) {
        if (value->kind != SL_JSON_STRING) return sl_json_error(reader, value, "expected a string, found %s", sl_json_kind_name(value));
        ((sl_graph_string *)data)[index] = (sl_graph_string){value->text, (int64_t)value->length};
        return true;
    }
    if (!sl_element_is_float(element)) return store_integer(reader, value, element, data, index);
    double number;
    if (!sl_json_float(value, &number))
        return sl_json_error(reader, value, "expected a number (or \"inf\", \"-inf\", \"nan\"), found %s", sl_json_kind_name(value));
    sl_element_store_float(element, data, index, number);
    return true;
}

/* Recursion is at most SL_MAX_RANK deep. */
static bool fill_nested(sl_reader *reader, const sl_json *value, sl_element element, int rank, const int64_t *shape, void *data, int64_t *index) {
    if (rank == 0) return store(reader, value, element, data, (*index)++);
    if (value->kind != SL_JSON_ARRAY) return sl_json_error(reader, value, "expected an array of %lld, found %s", (long long)shape[0], sl_json_kind_name(value));
    if (value->count != shape[0]) return sl_json_error(reader, value, "expected %lld entries, found %d", (long long)shape[0], value->count);
    for (int i = 0; i < value->count; i++)
        if (!fill_nested(reader, &value->items[i], element, rank - 1, shape + 1, data, index)) return false;
    return true;
}

/* The values that an inline array can hold at most, so that a small file can't ask for enormous memory: its own count. */
static bool read_data(sl_reader *reader, const sl_json *object, const sl_json *data, bool shaped, sl_graph_tensor *tensor) {
    const sl_json *level = data;
    int rank = 0;
    int64_t shape[SL_MAX_RANK];
    for (; level->kind == SL_JSON_ARRAY; level = &level->items[0]) {
        if (rank == SL_MAX_RANK) return sl_json_error(reader, level, "data is nested more than %d deep", SL_MAX_RANK);
        shape[rank++] = level->count;
        if (!level->count) break;
    }
    if (!shaped) {
        tensor->rank = rank;
        memcpy(tensor->shape, shape, sizeof(shape));
    }
    int64_t count, index = 0;
    if (!sl_tensor_size(reader, &tensor->place, "tensor", tensor->element, tensor->rank, tensor->shape, &count, &tensor->size)) return false;
    /* Every element is written in the text, so the text's length bounds the memory. */
    if ((uint64_t)count > reader->json->size) return sl_json_error(reader, object, "the shape wants %lld values, more than \"data\" holds", (long long)count);
    if (tensor->element == SL_ELEMENT_str) tensor->size = count * (int64_t)sizeof(sl_graph_string);
    void *storage = sl_arena_alloc_aligned(reader->arena, (size_t)tensor->size, 64);
    tensor->data = storage;
    bool flat = rank == 1 && tensor->rank != 1;
    if (flat) return fill_nested(reader, data, tensor->element, 1, &count, storage, &index);
    return fill_nested(reader, data, tensor->element, tensor->rank, tensor->shape, storage, &index);
}

/* ---- other sources ---- */

static bool read_fill(sl_reader *reader, const sl_json *fill, sl_graph_tensor *tensor) {
    int64_t count;
    if (!sl_tensor_size(reader, &tensor->place, "tensor", tensor->element, tensor->rank, tensor->shape, &count, &tensor->size)) return false;
    if (tensor->element == SL_ELEMENT_str) return sl_json_error(reader, fill, "\"fill\" isn't for strings");
    if (tensor->size > SL_READ_LARGEST_DENSE) return sl_json_error(reader, fill, "a filled tensor of %lld bytes is too large", (long long)tensor->size);
    uint8_t *data = sl_arena_alloc_aligned(reader->arena, (size_t)tensor->size, 64);
    tensor->data = data;
    if (!count) return true;
    int bits = sl_element_bits(tensor->element);
    int64_t first = bits < 8 ? (count < 8 / bits ? count : 8 / bits) : 1;   /* elements of the first byte */
    for (int64_t i = 0; i < first; i++)
        if (!store(reader, fill, tensor->element, data, i)) return false;
    int64_t step = bits < 8 ? 1 : bits / 8;
    for (int64_t i = step; i < tensor->size; i += step) memcpy(data + i, data, (size_t)step);
    return true;
}

static bool read_file(sl_reader *reader, const sl_json *value, const sl_json *file, sl_graph_tensor *tensor) {
    bool good = true;
    const sl_json *offset = sl_json_member(reader, value, "offset", SL_JSON_NUMBER, &good);
    const sl_json *length = sl_json_member(reader, value, "length", SL_JSON_NUMBER, &good);
    int64_t count, size;
    if (!good) return false;
    if (offset && (!offset->is_integer || offset->integer < 0)) return sl_json_error(reader, offset, "the offset must be an integer that isn't negative");
    if (!sl_tensor_size(reader, &tensor->place, "tensor", tensor->element, tensor->rank, tensor->shape, &count, &tensor->size)) return false;
    if (tensor->element == SL_ELEMENT_str) return sl_json_error(reader, value, "strings can't lie in a raw file");
    if (length && (!length->is_integer || length->integer != tensor->size))
        return sl_json_error(reader, length, "the shape needs %lld bytes of %s", (long long)tensor->size, sl_element_name(tensor->element));
    sl_place place = sl_reader_json_place(reader, file);
    tensor->absent = sl_side_file_lacks(reader, &place, file->text, offset ? offset->integer : 0, tensor->size);
    if (tensor->absent) return true;
    const uint8_t *data = sl_side_file_range(reader, &place, file->text, offset ? offset->integer : 0, tensor->size, &size);
    if (data) tensor->data = sl_tensor_adopt(reader, tensor->element, data, size);
    return data != NULL;
}

void sl_safetensors_take(sl_reader *reader, const sl_safetensor *source, const char *name, sl_graph_tensor *tensor) {
    tensor->name = sl_reader_intern(reader, name);
    tensor->element = source->element;
    tensor->rank = source->rank;
    memcpy(tensor->shape, source->shape, sizeof(tensor->shape));
    tensor->size = source->size;
    tensor->data = sl_tensor_adopt(reader, source->element, source->data, source->size);
}

static bool read_safetensors(sl_reader *reader, const sl_json *file, const sl_json *entry, const char *name, bool typed, bool shaped, sl_graph_tensor *tensor) {
    sl_place place = sl_reader_json_place(reader, file);
    const char *wanted = entry ? entry->text : name;
    if (!wanted) return sl_json_error(reader, file, "\"name\" is missing: which tensor of the file?");
    const sl_safetensors *index = sl_safetensors_open(reader, &place, file->text);
    if (!index) return false;
    const sl_safetensor *found = sl_safetensors_find(index, wanted);
    if (!found && reader->absent_weights && reader->in_initializers && typed && shaped) {
        int64_t count;
        tensor->absent = sl_arena_printf(reader->arena, "'%s' holds no tensor '%.200s'", index->name, wanted);
        return sl_tensor_size(reader, &tensor->place, "tensor", tensor->element, tensor->rank, tensor->shape, &count, &tensor->size);
    }
    if (!found) return sl_json_error(reader, entry ? entry : file, "'%s' holds no tensor '%.200s'", index->name, wanted);
    if (typed && tensor->element != found->element)
        return sl_json_error(reader, file, "'%s' holds '%.200s' as %s, not %s", index->name, wanted, sl_element_name(found->element),
                             sl_element_name(tensor->element));
    bool same = tensor->rank == found->rank;
    for (int i = 0; same && i < found->rank; i++) same = tensor->shape[i] == found->shape[i];
    if (shaped && !same) return sl_json_error(reader, file, "'%s' holds '%.200s' with another shape", index->name, wanted);
    sl_safetensors_take(reader, found, tensor->name, tensor);
    return true;
}

bool sl_json_is_tensor(const sl_json *value) {
    return sl_json_get(value, "data") || sl_json_get(value, "fill") || sl_json_get(value, "file") || sl_json_get(value, "safetensors");
}

bool sl_json_tensor(sl_reader *reader, const sl_json *value, const char *name, sl_graph_tensor *tensor) {
    static const char *const keys[] = {"type", "shape", "data", "fill", "file", "offset", "length", "safetensors", "name", NULL};
    tensor->name = sl_reader_intern(reader, name ? name : "");
    tensor->place = sl_reader_json_place(reader, value);
    if (value->kind == SL_JSON_STRING && name) return read_safetensors(reader, value, NULL, name, false, false, tensor);
    if (value->kind != SL_JSON_OBJECT) return sl_json_error(reader, value, "expected a tensor (an object), found %s", sl_json_kind_name(value));
    bool good = sl_json_members(reader, value, keys);
    const sl_json *type = sl_json_get(value, "type"), *shape = sl_json_member(reader, value, "shape", SL_JSON_ARRAY, &good);
    const sl_json *data = sl_json_get(value, "data"), *fill = sl_json_get(value, "fill"), *file = sl_json_member(reader, value, "file", SL_JSON_STRING, &good);
    const sl_json *safetensors = sl_json_member(reader, value, "safetensors", SL_JSON_STRING, &good);
    const sl_json *entry = sl_json_member(reader, value, "name", SL_JSON_STRING, &good);
    if (!good) return false;
    if (type && !sl_json_element(reader, type, &tensor->element)) return false;
    if (shape && shape->count > SL_MAX_RANK) return sl_json_error(reader, shape, "rank %d is more than %d", shape->count, SL_MAX_RANK);
    for (int i = 0; shape && i < shape->count; i++) {
        if (!shape->items[i].is_integer || shape->items[i].integer < 0) return sl_json_error(reader, &shape->items[i], "a tensor's dimension must be an integer that isn't negative");
        tensor->shape[i] = shape->items[i].integer;
    }
    tensor->rank = shape ? shape->count : 0;
    if ((data != NULL) + (fill != NULL) + (file != NULL) + (safetensors != NULL) != 1)
        return sl_json_error(reader, value, "a tensor needs exactly one of \"data\", \"fill\", \"file\" and \"safetensors\"");
    if (safetensors) return read_safetensors(reader, safetensors, entry, name, type != NULL, shape != NULL, tensor);
    if (!type) return sl_json_error(reader, value, "a tensor needs a \"type\"");
    if (data) return read_data(reader, value, data, shape != NULL, tensor);
    if (!shape) return sl_json_error(reader, value, "a tensor in this form needs a \"shape\"");
    return fill ? read_fill(reader, fill, tensor) : read_file(reader, value, file, tensor);
}
