/* wire.c: checks a protobuf against a message descriptor before protobuf-c unpacks it.
 *
 * protobuf-c recurses without limit and says only that it failed; this scan limits the depth and finds the byte and field at which a file is cut off,
 * mistyped or no protobuf at all. After it succeeds, unpacking fails only for lack of memory. */
#include "onnx.pb-c.h"
#include "read_internal.h"

enum { MOST_MESSAGE_DEPTH = 220 };   /* a nested graph takes three levels: graph, node, attribute */

typedef enum wire_type { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 } wire_type;

typedef struct frame {
    const struct frame *outer;
    const ProtobufCFieldDescriptor *field;   /* of the outer message, that holds this one */
    int64_t index;                           /* which of the repeated ones */
} frame;

typedef struct scanner {
    sl_reader *reader;
    const uint8_t *data;
    const char *name;                        /* of the root message, for messages */
} scanner;

static void describe_path(sl_text *out, const frame *at) {
    if (!at->field) return;
    describe_path(out, at->outer);
    sl_text_append(out, "%s%s", at->outer->field ? "." : "", at->field->name);
    if (at->field->label == PROTOBUF_C_LABEL_REPEATED) sl_text_append(out, "[%lld]", (long long)at->index);
}

static bool fail(scanner *scan, const frame *at, const uint8_t *where, const char *problem, const char *field) {
    sl_text path;
    sl_text_init(&path, scan->reader->arena);
    describe_path(&path, at);
    sl_place place = sl_reader_place(scan->reader);
    return sl_reader_error(scan->reader, &place, "not a valid %s protobuf: byte %td%s%s%s%s: %s", scan->name, where - scan->data,
                           path.length ? ", in " : "", path.data, field ? ", field " : "", field ? field : "", problem);
}

static bool read_varint(const uint8_t **at, const uint8_t *end, uint64_t *value) {
    *value = 0;
    for (int shift = 0; shift < 70 && *at < end; shift += 7) {
        uint8_t byte = *(*at)++;
        *value |= shift < 64 ? (uint64_t)(byte & 0x7F) << shift : 0;
        if (!(byte & 0x80)) return true;
    }
    return false;
}

static wire_type wire_of(ProtobufCType type) {
    switch (type) {
    case PROTOBUF_C_TYPE_INT32: case PROTOBUF_C_TYPE_SINT32: case PROTOBUF_C_TYPE_INT64: case PROTOBUF_C_TYPE_SINT64: case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_UINT64: case PROTOBUF_C_TYPE_BOOL: case PROTOBUF_C_TYPE_ENUM: return WIRE_VARINT;
    case PROTOBUF_C_TYPE_SFIXED32: case PROTOBUF_C_TYPE_FIXED32: case PROTOBUF_C_TYPE_FLOAT: return WIRE_32;
    case PROTOBUF_C_TYPE_SFIXED64: case PROTOBUF_C_TYPE_FIXED64: case PROTOBUF_C_TYPE_DOUBLE: return WIRE_64;
    case PROTOBUF_C_TYPE_STRING: case PROTOBUF_C_TYPE_BYTES: case PROTOBUF_C_TYPE_MESSAGE: return WIRE_BYTES;
    }
    return WIRE_BYTES;
}

static bool check_packed(scanner *scan, const frame *at, const ProtobufCFieldDescriptor *field, const uint8_t *data, uint64_t length) {
    wire_type each = wire_of(field->type);
    uint64_t value;
    if (each == WIRE_32 || each == WIRE_64)
        return length % (each == WIRE_32 ? 4 : 8) == 0 || fail(scan, at, data, "packed numbers of a length that isn't whole", field->name);
    for (const uint8_t *end = data + length; data < end;)
        if (!read_varint(&data, end, &value)) return fail(scan, at, data, "a packed number is cut off", field->name);
    return true;
}

static bool scan_message(scanner *scan, const frame *at, const ProtobufCMessageDescriptor *descriptor, const uint8_t *data, const uint8_t *end, int depth) {
    if (depth > MOST_MESSAGE_DEPTH) return fail(scan, at, data, "messages are nested too deeply", NULL);
    frame inner = {.outer = at};
    while (data < end) {
        const uint8_t *start = data;
        uint64_t tag, length;
        if (!read_varint(&data, end, &tag)) return fail(scan, at, start, "a field's tag is cut off", NULL);
        unsigned wire = tag & 7;
        if (tag >> 3 == 0 || tag >> 3 > (1u << 29) - 1) return fail(scan, at, start, "there is no field with this number", NULL);
        const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(descriptor, (unsigned)(tag >> 3));
        const char *name = field ? field->name : NULL;
        if (field) {
            bool scalar = wire_of(field->type) != WIRE_BYTES, packed = scalar && field->label == PROTOBUF_C_LABEL_REPEATED && wire == WIRE_BYTES;
            if (wire != wire_of(field->type) && !packed) return fail(scan, at, start, "the value has another wire type than the field", name);
        }
        switch (wire) {
        case WIRE_VARINT:
            if (!read_varint(&data, end, &length)) return fail(scan, at, start, "a number is cut off", name);
            break;
        case WIRE_64:
        case WIRE_32:
            length = wire == WIRE_32 ? 4 : 8;
            if ((uint64_t)(end - data) < length) return fail(scan, at, start, "a number is cut off", name);
            data += length;
            break;
        case WIRE_BYTES:
            if (!read_varint(&data, end, &length)) return fail(scan, at, start, "a length is cut off", name);
            if (length > (uint64_t)(end - data))
                return fail(scan, at, start, sl_arena_printf(scan->reader->arena, "%llu bytes are announced, but only %td are left (is the file cut off?)",
                                                             (unsigned long long)length, end - data), name);
            if (field && field->type == PROTOBUF_C_TYPE_MESSAGE) {
                const ProtobufCMessageDescriptor *type = field->descriptor;
                inner.index = inner.field == field ? inner.index + 1 : 0;
                inner.field = field;
                if (type->n_fields && !scan_message(scan, &inner, type, data, data + length, depth + 1)) return false;
            } else if (field && wire_of(field->type) != WIRE_BYTES) {
                if (!check_packed(scan, at, field, data, length)) return false;
            }
            data += length;
            break;
        default: return fail(scan, at, start, "an unknown wire type", name);
        }
    }
    return true;
}

static void *arena_alloc(void *arena, size_t size) { return sl_arena_alloc_uninitialized(arena, size); }
static void arena_free(void *arena, void *pointer) { (void)arena, (void)pointer; }

void *sl_onnx_unpack(sl_reader *reader, const void *descriptor, const uint8_t *data, size_t size) {
    const ProtobufCMessageDescriptor *type = descriptor;
    scanner scan = {reader, data, type->short_name};
    frame root = {0};
    if (!scan_message(&scan, &root, type, data, data + size, 0)) return NULL;
    ProtobufCAllocator allocator = {arena_alloc, arena_free, reader->arena};
    void *message = protobuf_c_message_unpack(type, &allocator, size, data);
    if (!message) {
        sl_place place = sl_reader_place(reader);
        sl_reader_error(reader, &place, "not a valid %s protobuf", type->short_name);
    }
    return message;
}
