/* attr.c: interned attributes.
 *
 * Constant data comes in three ways. Small data (at most SMALL_DATA bytes) and data that is copied anyway are interned by content, so that equal small
 * constants are one pointer. Large borrowed data is interned by its address and never read here. Storage that the caller still fills in
 * (sl_attr_data_zero) isn't interned at all. */
#include "context_internal.h"
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALL_DATA = 64, LARGEST_HASHED_COPY = 1 << 20 };

static bool attr_equal(const void *key, const void *item) {
    const struct sl_attr_data *a = key, *b = item;
    if (a->kind != b->kind || a->splat != b->splat || a->by_identity != b->by_identity || a->count != b->count || a->loops != b->loops ||
        a->integer != b->integer || a->text != b->text || a->type != b->type || a->expr != b->expr)
        return false;
    size_t count = (size_t)a->count;
    switch (a->kind) {
    case SL_ATTR_BOOL:
    case SL_ATTR_INT:
    case SL_ATTR_STRING:
    case SL_ATTR_TYPE:
    case SL_ATTR_EXPR: return true;
    case SL_ATTR_FLOAT: return memcmp(&a->number, &b->number, sizeof(double)) == 0;   /* bits: nan equals itself, 0 isn't -0 */
    case SL_ATTR_ARRAY:
    case SL_ATTR_ENCODING: return count == 0 || memcmp(a->items, b->items, count * sizeof(sl_attr)) == 0;
    case SL_ATTR_INTS: return count == 0 || memcmp(a->ints, b->ints, count * sizeof(int64_t)) == 0;
    case SL_ATTR_MAP: return count == 0 || memcmp(a->results, b->results, count * sizeof(sl_expr)) == 0;
    case SL_ATTR_DATA: return a->by_identity ? a->bytes == b->bytes : a->integer == 0 || memcmp(a->bytes, b->bytes, (size_t)a->integer) == 0;
    }
    return false;
}

/* `key` borrows its arrays; they are copied when the attribute is new (data bytes unless they compare by identity). */
static sl_attr intern_attr(sl_context *context, struct sl_attr_data *key) {
    uint64_t hash = sl_hash_mix(sl_hash_mix((uint64_t)key->kind, (uint64_t)key->integer), (uintptr_t)key->text);
    hash = sl_hash_mix(sl_hash_mix(hash, (uintptr_t)key->type), (uintptr_t)key->expr ^ (uint64_t)key->loops << 32 ^ (uint64_t)key->count);
    size_t count = (size_t)key->count;
    const void *array = NULL;
    size_t array_size = 0;
    switch (key->kind) {
    case SL_ATTR_BOOL:
    case SL_ATTR_INT:
    case SL_ATTR_STRING:
    case SL_ATTR_TYPE:
    case SL_ATTR_EXPR: break;
    case SL_ATTR_FLOAT: array = &key->number, array_size = sizeof(double); break;
    case SL_ATTR_ARRAY:
    case SL_ATTR_ENCODING: array = key->items, array_size = count * sizeof(sl_attr); break;
    case SL_ATTR_INTS: array = key->ints, array_size = count * sizeof(int64_t); break;
    case SL_ATTR_MAP: array = key->results, array_size = count * sizeof(sl_expr); break;
    case SL_ATTR_DATA:
        if (key->by_identity) hash = sl_hash_mix(hash, (uintptr_t)key->bytes);
        else array = key->bytes, array_size = (size_t)key->integer;
        break;
    }
    if (array) hash = sl_hash_bytes(array, array_size, hash);
    sl_attr attr = sl_intern_find(&context->attrs, hash, attr_equal, key);
    if (attr) return attr;
    if (array && key->kind != SL_ATTR_FLOAT) {
        void *copy = sl_arena_alloc_aligned(context->arena, array_size, 64);
        memcpy(copy, array, array_size);
        if (key->items) key->items = copy;
        if (key->ints) key->ints = copy;
        if (key->results) key->results = copy;
        if (key->kind == SL_ATTR_DATA) key->bytes = copy;
    }
    attr = sl_arena_copy(context->arena, key, sizeof(*key));
    sl_intern_add(context->arena, &context->attrs, hash, attr);
    return attr;
}

/* ---- construction ---- */

sl_attr sl_attr_bool(sl_context *context, bool value) {
    struct sl_attr_data key = {.kind = SL_ATTR_BOOL, .integer = value};
    return intern_attr(context, &key);
}

sl_attr sl_attr_int(sl_context *context, int64_t value) {
    struct sl_attr_data key = {.kind = SL_ATTR_INT, .integer = value};
    return intern_attr(context, &key);
}

sl_attr sl_attr_float(sl_context *context, double value) {
    struct sl_attr_data key = {.kind = SL_ATTR_FLOAT, .number = value};
    return intern_attr(context, &key);
}

sl_attr sl_attr_string_n(sl_context *context, const char *text, size_t length) {
    struct sl_attr_data key = {.kind = SL_ATTR_STRING, .text = sl_context_intern_n(context, text, length), .integer = (int64_t)length};
    return intern_attr(context, &key);
}

sl_attr sl_attr_string(sl_context *context, const char *text) { return sl_attr_string_n(context, text, strlen(text)); }

sl_attr sl_attr_type(sl_context *context, sl_type type) {
    struct sl_attr_data key = {.kind = SL_ATTR_TYPE, .type = type};
    return intern_attr(context, &key);
}

sl_attr sl_attr_expr(sl_context *context, sl_expr expr) {
    struct sl_attr_data key = {.kind = SL_ATTR_EXPR, .expr = expr};
    return intern_attr(context, &key);
}

sl_attr sl_attr_array(sl_context *context, int count, const sl_attr *items) {
    struct sl_attr_data key = {.kind = SL_ATTR_ARRAY, .count = count, .items = count ? items : NULL};
    return intern_attr(context, &key);
}

sl_attr sl_attr_ints(sl_context *context, int count, const int64_t *values) {
    struct sl_attr_data key = {.kind = SL_ATTR_INTS, .count = count, .ints = count ? values : NULL};
    return intern_attr(context, &key);
}

sl_attr sl_attr_exprs(sl_context *context, int count, const sl_expr *values) {
    sl_attr *items = SL_NEW_ARRAY(context->arena, sl_attr, (size_t)count);
    for (int i = 0; i < count; i++) items[i] = sl_attr_expr(context, values[i]);
    return sl_attr_array(context, count, items);
}

sl_attr sl_attr_strings(sl_context *context, int count, const char *const *values) {
    sl_attr *items = SL_NEW_ARRAY(context->arena, sl_attr, (size_t)count);
    for (int i = 0; i < count; i++) items[i] = sl_attr_string(context, values[i]);
    return sl_attr_array(context, count, items);
}

sl_attr sl_attr_map(sl_context *context, int loops, int count, const sl_expr *results) {
    struct sl_attr_data key = {.kind = SL_ATTR_MAP, .loops = loops, .count = count, .results = count ? results : NULL};
    return intern_attr(context, &key);
}

sl_attr sl_attr_encoding(sl_context *context, const char *name, int count, const sl_attr *arguments) {
    struct sl_attr_data key = {.kind = SL_ATTR_ENCODING, .text = sl_context_intern(context, name), .count = count, .items = count ? arguments : NULL};
    return intern_attr(context, &key);
}

static void check_data(sl_type type, int64_t size) {
    (void)type, (void)size;
    assert(sl_type_static_count(type) >= 0 && "constant data needs a static type");
    assert(size == sl_element_bytes(sl_type_element(type), sl_type_static_count(type)) && "constant data of the wrong size");
}

sl_attr sl_attr_data(sl_context *context, sl_type type, const void *data, int64_t size) {
    check_data(type, size);
    struct sl_attr_data key = {.kind = SL_ATTR_DATA, .type = type, .bytes = data, .integer = size, .by_identity = size > SMALL_DATA};
    return intern_attr(context, &key);
}

sl_attr sl_attr_data_copy(sl_context *context, sl_type type, const void *data, int64_t size) {
    check_data(type, size);
    if (size <= LARGEST_HASHED_COPY) {
        struct sl_attr_data key = {.kind = SL_ATTR_DATA, .type = type, .bytes = data, .integer = size};
        return intern_attr(context, &key);
    }
    void *copy = sl_arena_alloc_data(context->arena, (size_t)size);
    memcpy(copy, data, (size_t)size);
    return sl_attr_data(context, type, copy, size);
}

sl_attr sl_attr_data_zero(sl_context *context, sl_type type, void **writable) {
    int64_t size = sl_element_bytes(sl_type_element(type), sl_type_static_count(type));
    assert(size >= 0 && "constant data needs a static type");
    struct sl_attr_data *attr = SL_NEW(context->arena, struct sl_attr_data);
    attr->kind = SL_ATTR_DATA;
    attr->type = type;
    attr->integer = size;
    attr->by_identity = true;
    attr->bytes = *writable = sl_arena_alloc_data(context->arena, (size_t)size);
    return attr;
}

static sl_attr splat(sl_context *context, sl_type type, const uint8_t *element_bytes) {
    int64_t count = sl_type_static_count(type);
    assert(count >= 0 && "constant data needs a static type");
    /* One element (or none) has the same form whichever way it was made. */
    struct sl_attr_data key = {.kind = SL_ATTR_DATA, .type = type, .bytes = element_bytes, .splat = count > 1};
    key.integer = sl_element_bytes(type->element, count < 1 ? count : 1);
    return intern_attr(context, &key);
}

sl_attr sl_attr_data_splat(sl_context *context, sl_type type, double value) {
    uint8_t bytes[8] = {0};
    sl_element_store_float(sl_type_element(type), bytes, 0, value);
    return splat(context, type, bytes);
}

sl_attr sl_attr_data_splat_int(sl_context *context, sl_type type, int64_t value) {
    uint8_t bytes[8] = {0};
    sl_element_store_int(sl_type_element(type), bytes, 0, value);
    return splat(context, type, bytes);
}

/* ---- queries ---- */

sl_attr_kind sl_attr_get_kind(sl_attr attr) { return attr->kind; }

bool sl_attr_get_bool(sl_attr attr) {
    assert(attr->kind == SL_ATTR_BOOL);
    return attr->integer != 0;
}

int64_t sl_attr_get_int(sl_attr attr) {
    assert(attr->kind == SL_ATTR_INT);
    return attr->integer;
}

double sl_attr_get_float(sl_attr attr) {
    assert(attr->kind == SL_ATTR_FLOAT);
    return attr->number;
}

const char *sl_attr_get_string(sl_attr attr) {
    assert(attr->kind == SL_ATTR_STRING);
    return attr->text;
}

sl_type sl_attr_get_type(sl_attr attr) {
    assert(attr->kind == SL_ATTR_TYPE || attr->kind == SL_ATTR_DATA);
    return attr->type;
}

sl_expr sl_attr_get_expr(sl_attr attr) {
    assert(attr->kind == SL_ATTR_EXPR);
    return attr->expr;
}

int sl_attr_count(sl_attr attr) { return attr->count; }

sl_attr sl_attr_item(sl_attr attr, int index) {
    assert((attr->kind == SL_ATTR_ARRAY || attr->kind == SL_ATTR_ENCODING) && index >= 0 && index < attr->count);
    return attr->items[index];
}

const int64_t *sl_attr_get_ints(sl_attr attr) {
    assert(attr->kind == SL_ATTR_INTS);
    return attr->ints;
}

int sl_attr_map_loops(sl_attr attr) {
    assert(attr->kind == SL_ATTR_MAP);
    return attr->loops;
}

sl_expr sl_attr_map_result(sl_attr attr, int index) {
    assert(attr->kind == SL_ATTR_MAP && index >= 0 && index < attr->count);
    return attr->results[index];
}

const char *sl_attr_encoding_name(sl_attr attr) {
    assert(attr->kind == SL_ATTR_ENCODING);
    return attr->text;
}

bool sl_attr_data_is_splat(sl_attr attr) { return attr->splat; }

const void *sl_attr_data_bytes(sl_attr attr) {
    assert(attr->kind == SL_ATTR_DATA);
    return attr->bytes;
}

int64_t sl_attr_data_size(sl_attr attr) {
    assert(attr->kind == SL_ATTR_DATA);
    return attr->integer;
}

double sl_attr_data_float(sl_attr attr, int64_t index) {
    assert(attr->kind == SL_ATTR_DATA);
    return sl_element_load_float(attr->type->element, attr->bytes, attr->splat ? 0 : index);
}

int64_t sl_attr_data_int(sl_attr attr, int64_t index) {
    assert(attr->kind == SL_ATTR_DATA);
    return sl_element_load_int(attr->type->element, attr->bytes, attr->splat ? 0 : index);
}

/* ---- text ---- */

void sl_float_print(sl_text *out, double value, sl_element element) {
    if (isnan(value)) {
        sl_text_append(out, "nan");
        return;
    }
    if (isinf(value)) {
        sl_text_append(out, value < 0 ? "-inf" : "inf");
        return;
    }
    char digits[40];
    bool wide = element == SL_ELEMENT_f64;
    for (int precision = wide ? 15 : 5; precision <= (wide ? 17 : 9); precision++) {
        snprintf(digits, sizeof(digits), "%.*g", precision, value);
        if (wide ? strtod(digits, NULL) == value : strtof(digits, NULL) == (float)value) break;
    }
    bool marked = false;
    for (char *c = digits; *c; c++) {
        bool digit = (*c >= '0' && *c <= '9') || *c == '-' || *c == '+' || *c == 'e';
        if (!digit) *c = '.';   /* the decimal point of the process's locale */
        marked |= *c == '.' || *c == 'e';
    }
    sl_text_append(out, marked ? "%s" : "%s.0", digits);
}

static void print_element(sl_text *out, sl_attr attr, int64_t index) {
    sl_element element = attr->type->element;
    if (sl_element_is_float(element)) sl_float_print(out, sl_attr_data_float(attr, index), element);
    else if (element == SL_ELEMENT_i1) sl_text_append(out, sl_attr_data_int(attr, index) ? "true" : "false");
    else if (element == SL_ELEMENT_u64) sl_text_append(out, "%llu", (unsigned long long)sl_attr_data_int(attr, index));
    else sl_text_append(out, "%lld", (long long)sl_attr_data_int(attr, index));
}

static void print_data(sl_text *out, sl_attr attr) {
    sl_text_append(out, "data<");
    sl_type_print(out, attr->type);
    sl_text_append(out, ">%s", attr->splat ? "splat(" : "[");
    int64_t count = attr->splat ? 1 : sl_type_static_count(attr->type);
    for (int64_t i = 0; i < count; i++) {
        if (i) sl_text_append(out, ", ");
        print_element(out, attr, i);
    }
    sl_text_append(out, attr->splat ? ")" : "]");
}

static void print_items(sl_text *out, sl_attr attr) {
    for (int i = 0; i < attr->count; i++) {
        if (i) sl_text_append(out, ", ");
        sl_attr_print(out, attr->items[i]);
    }
}

void sl_attr_print(sl_text *out, sl_attr attr) {
    switch (attr->kind) {
    case SL_ATTR_BOOL: sl_text_append(out, attr->integer ? "true" : "false"); break;
    case SL_ATTR_INT: sl_text_append(out, "%lld", (long long)attr->integer); break;
    case SL_ATTR_FLOAT: sl_float_print(out, attr->number, SL_ELEMENT_f64); break;
    case SL_ATTR_STRING: sl_text_append_quoted(out, attr->text); break;
    case SL_ATTR_TYPE: sl_type_print(out, attr->type); break;
    case SL_ATTR_EXPR:
        sl_text_append(out, "expr(");
        sl_expr_print(out, attr->expr);
        sl_text_append(out, ")");
        break;
    case SL_ATTR_ARRAY:
        sl_text_append(out, "[");
        print_items(out, attr);
        sl_text_append(out, "]");
        break;
    case SL_ATTR_INTS:
        sl_text_append(out, "ints[");
        for (int i = 0; i < attr->count; i++) sl_text_append(out, i ? ", %lld" : "%lld", (long long)attr->ints[i]);
        sl_text_append(out, "]");
        break;
    case SL_ATTR_MAP:
        sl_text_append(out, "map(");
        for (int i = 0; i < attr->loops; i++) sl_text_append(out, i ? ", d%d" : "d%d", i);
        sl_text_append(out, ")[");
        for (int i = 0; i < attr->count; i++) {
            if (i) sl_text_append(out, ", ");
            sl_expr_print(out, attr->results[i]);
        }
        sl_text_append(out, "]");
        break;
    case SL_ATTR_DATA: print_data(out, attr); break;
    case SL_ATTR_ENCODING:
        sl_text_append(out, "#%s", attr->text);
        if (attr->count) {
            sl_text_append(out, "<");
            print_items(out, attr);
            sl_text_append(out, ">");
        }
        break;
    }
}
