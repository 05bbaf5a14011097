/* read_onnx_json.c: ONNX in protobuf's JSON form. One generic routine makes messages from JSON by protobuf-c's descriptors, as protobuf's own parsers
 * do: field names in camelCase or as in the .proto, 64-bit integers as numbers or strings, bytes in base64, enums by name or number, and floats that JSON
 * lacks as "NaN", "Infinity", "-Infinity". Where each message stands in the text is noted, for later errors. */
#include "onnx.pb-c.h"
#include "read_internal.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool same_name(const char *key, const char *field) {
    if (strcmp(key, field) == 0) return true;
    for (; *field; key++, field++) {
        char c = *field;
        if (c == '_' && field[1]) {
            c = *++field;
            if (c >= 'a' && c <= 'z') c = (char)(c - 'a' + 'A');
        }
        if (*key != c) return false;
    }
    return *key == 0;
}

static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *type, const char *key) {
    for (unsigned i = 0; i < type->n_fields; i++)
        if (same_name(key, type->fields[i].name)) return &type->fields[i];
    return NULL;
}

static bool wrong_kind(sl_reader *reader, const sl_json *value, const char *wanted) {
    return sl_json_error(reader, value, "expected %s, found %s", wanted, sl_json_kind_name(value));
}

static bool read_integer(sl_reader *reader, const sl_json *value, int64_t least, uint64_t most, uint64_t *result) {
    const char *wanted = "an integer (a number or a string of digits)";
    if (value->kind != SL_JSON_NUMBER && value->kind != SL_JSON_STRING) return wrong_kind(reader, value, wanted);
    if (value->length == 0 || value->length > 24) return sl_json_error(reader, value, "expected %s", wanted);
    char digits[32] = {0}, *end;
    memcpy(digits, value->text, value->length);
    bool negative = digits[0] == '-';
    errno = 0;
    *result = negative ? (uint64_t)strtoll(digits, &end, 10) : strtoull(digits, &end, 10);
    if (*end && value->kind == SL_JSON_NUMBER && value->number == floor(value->number) && fabs(value->number) < 9007199254740992.0) {
        *result = (uint64_t)(int64_t)value->number;   /* 1e3 and 2.0 are integers too, as for protobuf */
        negative = value->number < 0;
        *end = 0;
    }
    if (*end || !(digits[0] == '-' || (digits[0] >= '0' && digits[0] <= '9'))) return sl_json_error(reader, value, "expected %s", wanted);
    if (errno == ERANGE || (negative ? (int64_t)*result < least : *result > most)) return sl_json_error(reader, value, "the integer is out of range");
    return true;
}

static bool read_number(sl_reader *reader, const sl_json *value, double *result) {
    if (value->kind == SL_JSON_NUMBER) {
        *result = value->number;
        return true;
    }
    if (value->kind != SL_JSON_STRING) return wrong_kind(reader, value, "a number");
    if (strcmp(value->text, "NaN") == 0) *result = NAN;
    else if (strcmp(value->text, "Infinity") == 0) *result = INFINITY;
    else if (strcmp(value->text, "-Infinity") == 0) *result = -INFINITY;
    else {
        char *end;
        *result = strtod(value->text, &end);
        if (!value->length || *end) return sl_json_error(reader, value, "expected a number, found the string \"%.40s\"", value->text);
    }
    return true;
}

static bool read_base64(sl_reader *reader, const sl_json *value, ProtobufCBinaryData *result) {
    if (value->kind != SL_JSON_STRING) return wrong_kind(reader, value, "a string of base64");
    uint8_t *bytes = sl_arena_alloc_uninitialized(reader->arena, value->length / 4 * 3 + 4);
    size_t count = 0, length = value->length;
    while (length && value->text[length - 1] == '=') length--;
    if (value->length - length > 2 || length % 4 == 1) return sl_json_error(reader, value, "the base64 text has an impossible length");
    uint32_t group = 0;
    int bits = 0;
    for (size_t i = 0; i < length; i++) {
        char c = value->text[i];
        int digit = c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ? c - 'a' + 26 : c >= '0' && c <= '9' ? c - '0' + 52
                    : c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
        if (digit < 0) return sl_json_error(reader, value, "character %zu isn't base64", i);
        group = group << 6 | (uint32_t)digit;
        bits += 6;
        if (bits >= 8) bytes[count++] = (uint8_t)(group >> (bits -= 8));
    }
    *result = (ProtobufCBinaryData){count, bytes};
    return true;
}

static bool read_enum(sl_reader *reader, const sl_json *value, const ProtobufCEnumDescriptor *type, int32_t *result) {
    uint64_t number;
    if (value->kind == SL_JSON_STRING && !(value->text[0] >= '0' && value->text[0] <= '9')) {
        const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value_by_name(type, value->text);
        if (!known) return sl_json_error(reader, value, "\"%.60s\" isn't a %s", value->text, type->short_name);
        *result = known->value;
        return true;
    }
    if (!read_integer(reader, value, INT32_MIN, INT32_MAX, &number)) return false;
    *result = (int32_t)number;
    return true;
}

static void *read_message(sl_reader *reader, const sl_json *value, const ProtobufCMessageDescriptor *type);

/* One value of the field's type to `at`. */
static bool read_value(sl_reader *reader, const sl_json *value, const ProtobufCFieldDescriptor *field, void *at) {
    uint64_t integer;
    double number;
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
        /* Element types are plain integers in the format; their names are understood as well. */
        if (value->kind == SL_JSON_STRING && (strcmp(field->name, "data_type") == 0 || strcmp(field->name, "elem_type") == 0))
            return read_enum(reader, value, &onnx__tensor_proto__data_type__descriptor, at);
        if (!read_integer(reader, value, INT32_MIN, INT32_MAX, &integer)) return false;
        *(int32_t *)at = (int32_t)integer;
        return true;
    case PROTOBUF_C_TYPE_INT64:
        if (!read_integer(reader, value, INT64_MIN, INT64_MAX, &integer)) return false;
        *(int64_t *)at = (int64_t)integer;
        return true;
    case PROTOBUF_C_TYPE_UINT64:
        if (!read_integer(reader, value, 0, UINT64_MAX, &integer)) return false;
        *(uint64_t *)at = integer;
        return true;
    case PROTOBUF_C_TYPE_FLOAT:
        if (!read_number(reader, value, &number)) return false;
        *(float *)at = (float)number;
        return true;
    case PROTOBUF_C_TYPE_DOUBLE: return read_number(reader, value, at);
    case PROTOBUF_C_TYPE_ENUM: return read_enum(reader, value, field->descriptor, at);
    case PROTOBUF_C_TYPE_STRING:
        if (value->kind != SL_JSON_STRING) return wrong_kind(reader, value, "a string");
        *(const char **)at = value->text;
        return true;
    case PROTOBUF_C_TYPE_BYTES: return read_base64(reader, value, at);
    case PROTOBUF_C_TYPE_MESSAGE: return (*(void **)at = read_message(reader, value, field->descriptor)) != NULL;
    case PROTOBUF_C_TYPE_SINT32: case PROTOBUF_C_TYPE_SFIXED32: case PROTOBUF_C_TYPE_SINT64: case PROTOBUF_C_TYPE_SFIXED64: case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32: case PROTOBUF_C_TYPE_FIXED64: case PROTOBUF_C_TYPE_BOOL: break;   /* not used by ONNX */
    }
    return sl_json_error(reader, value, "field %s has a type that isn't read", field->name);
}

static size_t size_of(const ProtobufCFieldDescriptor *field) {
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32: case PROTOBUF_C_TYPE_FLOAT: case PROTOBUF_C_TYPE_ENUM: return 4;
    case PROTOBUF_C_TYPE_STRING: case PROTOBUF_C_TYPE_MESSAGE: return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES: return sizeof(ProtobufCBinaryData);
    default: return 8;   /* 64-bit numbers; protobuf's other types don't occur */
    }
}

static bool read_field(sl_reader *reader, const sl_json *value, const ProtobufCFieldDescriptor *field, char *message) {
    if (value->kind == SL_JSON_NULL) return true;   /* as absent */
    bool flagged = field->type != PROTOBUF_C_TYPE_STRING && field->type != PROTOBUF_C_TYPE_MESSAGE;
    if (field->label != PROTOBUF_C_LABEL_REPEATED) {
        if (!read_value(reader, value, field, message + field->offset)) return false;
        if (flagged) *(protobuf_c_boolean *)(message + field->quantifier_offset) = true;
        return true;
    }
    if (value->kind != SL_JSON_ARRAY) return wrong_kind(reader, value, "an array");
    size_t size = size_of(field);
    char *items = sl_arena_alloc_array(reader->arena, (size_t)value->count, size);
    bool good = true;
    for (int i = 0; i < value->count; i++) good &= read_value(reader, &value->items[i], field, items + (size_t)i * size);
    *(void **)(message + field->offset) = items;
    *(size_t *)(message + field->quantifier_offset) = (size_t)value->count;
    return good;
}

/* Recursion is as deep as the text's nesting, which json.c limits. */
static void *read_message(sl_reader *reader, const sl_json *value, const ProtobufCMessageDescriptor *type) {
    if (value->kind != SL_JSON_OBJECT) {
        sl_json_error(reader, value, "expected an object (%s), found %s", type->short_name, sl_json_kind_name(value));
        return NULL;
    }
    char *message = sl_arena_alloc(reader->arena, type->sizeof_message);
    protobuf_c_message_init(type, message);
    sl_reader_note_position(reader, message, value);
    bool good = true;
    for (int i = 0; i < value->count && type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = find_field(type, value->items[i].key);
        if (field) {
            good &= read_field(reader, &value->items[i], field, message);
        } else {
            sl_place place = sl_reader_json_place(reader, &value->items[i]);
            sl_reader_warning(reader, &place, "%s has no field \"%.60s\"; ignored", type->short_name, value->items[i].key);
        }
    }
    return good ? message : NULL;
}

bool sl_read_onnx_json(sl_reader *reader, const sl_json *root, sl_model *model) {
    const sl_json *graph = sl_json_get(root, "graph");
    if (!graph)
        return sl_json_error(reader, root, "not a model: neither ONNX as JSON (no \"graph\") nor a Sluice graph (no \"format\": \"sluice-graph\" and no \"nodes\")");
    const Onnx__ModelProto *message = read_message(reader, root, &onnx__model_proto__descriptor);
    return message && sl_onnx_convert_model(reader, message, model);
}
