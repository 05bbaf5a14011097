/* read_model.c: entry points of the readers: format detection by content, the reader's error reporting, positions.
 *
 * Detection: a text that starts with '{' (after blanks or a byte order mark) is JSON, and then Sluice's own graph when it says so ("format") or has
 * nodes at its top level, else ONNX; no ONNX protobuf starts with that byte. Anything else is taken for ONNX in binary form, whose wire format is
 * checked as a whole; a few other well-known files are recognised to say what they are. */
#include "read_internal.h"
#include <string.h>

/* ---- reader ---- */

void sl_reader_init(sl_reader *reader, sl_context *context, sl_arena *arena, const char *path) {
    *reader = (sl_reader){.context = context, .arena = arena, .sink = context ? sl_context_sink(context) : NULL};
    reader->path = sl_reader_intern(reader, path);
}

const char *sl_reader_intern_n(sl_reader *reader, const char *text, size_t length) {
    return reader->context ? sl_context_intern_n(reader->context, text, length) : sl_arena_strndup(reader->arena, text, length);
}

const char *sl_reader_intern(sl_reader *reader, const char *text) { return sl_reader_intern_n(reader, text, strlen(text)); }

SL_PRINTF(4, 0) static void report(sl_reader *reader, sl_severity severity, const sl_place *place, const char *format, va_list arguments) {
    const char *message = sl_arena_vprintf(reader->arena, format, arguments);
    if (severity == SL_SEVERITY_ERROR && reader->error_count++ == 0) {
        sl_text first;
        sl_text_init(&first, reader->arena);
        if (place->line > 0) sl_text_append(&first, "line %d: ", place->line);
        if (place->node) sl_text_append(&first, "node '%s': ", place->node);
        sl_text_append(&first, "%s", message);
        reader->first_error = first.data;
    }
    if (!reader->sink || reader->error_count > SL_READ_MOST_ERRORS) return;
    const char *line = NULL;
    if (reader->json && place->line > 0) {
        size_t start = reader->json->lines.data[place->line - 1];
        line = sl_json_line(reader->json, reader->arena, start);
    }
    if (line) sl_diag_report_line(reader->sink, severity, place, line, "%s", message);
    else sl_diag_report(reader->sink, severity, place, "%s", message);
}

bool sl_reader_error(sl_reader *reader, const sl_place *place, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    report(reader, SL_SEVERITY_ERROR, place, format, arguments);
    va_end(arguments);
    reader->unsupported = false;
    return false;
}

bool sl_reader_unsupported(sl_reader *reader, const sl_place *place, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    bool only = reader->error_count == 0 || reader->unsupported;
    report(reader, SL_SEVERITY_ERROR, place, format, arguments);
    va_end(arguments);
    reader->unsupported = only;
    return false;
}

void sl_reader_warning(sl_reader *reader, const sl_place *place, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    report(reader, SL_SEVERITY_WARNING, place, format, arguments);
    va_end(arguments);
}

bool sl_json_error(sl_reader *reader, const sl_json *value, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const char *message = sl_arena_vprintf(reader->arena, format, arguments);
    va_end(arguments);
    sl_text pointer;
    sl_text_init(&pointer, reader->arena);
    sl_json_pointer(&pointer, value);
    sl_place place = sl_reader_json_place(reader, value);
    return sl_reader_error(reader, &place, "%s%s%s", pointer.data, pointer.length ? ": " : "", message);
}

sl_status sl_reader_finish(const sl_reader *reader, const char *what) {
    if (!reader->error_count) return NULL;
    sl_code code = reader->unsupported ? SL_UNSUPPORTED : SL_INVALID_MODEL;
    if (reader->error_count == 1) return SL_ERROR(code, "%s '%s' can't be read: %s", what, reader->path, reader->first_error);
    return SL_ERROR(code, "%s '%s' can't be read: %lld errors, the first: %s", what, reader->path, (long long)reader->error_count, reader->first_error);
}

sl_place sl_reader_place(const sl_reader *reader) { return (sl_place){.file = reader->path}; }

sl_place sl_reader_json_place(const sl_reader *reader, const sl_json *value) {
    sl_place place = {.file = reader->path};
    if (value && reader->json) sl_json_position(reader->json, value->offset, &place.line, &place.column);
    return place;
}

/* ---- positions of messages made from JSON ---- */

static size_t position_slot(const sl_position *positions, size_t capacity, const void *key) {
    size_t slot = ((uintptr_t)key >> 4) * 0x9E3779B97F4A7C15u >> 20 & (capacity - 1);
    while (positions[slot].key && positions[slot].key != key) slot = (slot + 1) & (capacity - 1);
    return slot;
}

void sl_reader_note_position(sl_reader *reader, const void *message, const sl_json *value) {
    if (reader->position_count * 2 >= reader->position_capacity) {
        size_t capacity = reader->position_capacity ? reader->position_capacity * 2 : 256;
        sl_position *larger = SL_NEW_ARRAY(reader->arena, sl_position, capacity);
        for (size_t i = 0; i < reader->position_capacity; i++)
            if (reader->positions[i].key) larger[position_slot(larger, capacity, reader->positions[i].key)] = reader->positions[i];
        reader->positions = larger;
        reader->position_capacity = capacity;
    }
    reader->positions[position_slot(reader->positions, reader->position_capacity, message)] = (sl_position){message, value};
    reader->position_count++;
}

sl_place sl_reader_message_place(const sl_reader *reader, const void *message) {
    const sl_json *value = NULL;
    if (reader->position_capacity) value = reader->positions[position_slot(reader->positions, reader->position_capacity, message)].value;
    return sl_reader_json_place(reader, value);
}

const char *sl_reader_node_name(sl_reader *reader, const char *name, const char *op, int number) {
    if (name && *name) return sl_reader_intern(reader, name);
    return sl_reader_intern(reader, sl_arena_printf(reader->arena, "%s_%d", op, number));
}

/* ---- formats ---- */

/* Other files that people may hand in, by their first bytes. */
static const struct { const char *magic; int length, offset; const char *what; } known_files[] = {
    {"PK\x03\x04", 4, 0, "a zip archive (a PyTorch or Keras file?); export the model to ONNX first"},
    {"\x80\x02", 2, 0, "a Python pickle (an old PyTorch file?); export the model to ONNX first"},
    {"GGUF", 4, 0, "a GGUF file, which holds weights without a graph"},
    {"TFL3", 4, 4, "a TensorFlow Lite model; convert it to ONNX first"},
    {"\x89HDF", 4, 0, "an HDF5 file (a Keras model?); convert it to ONNX first"},
    {"ORTM", 4, 4, "an ONNX Runtime model (.ort); use the .onnx file that it was made from"},
    {"\x7f" "ELF", 4, 0, "a program or library"},
    {"SLUICE-PROGRAM\r\n", 16, 0, "a compiled program; `sluice run` takes it as it is"},
    {"\x89PNG", 4, 0, "an image"},
    {"\x93NUMPY", 6, 0, "a NumPy array"},
    {"\x1f\x8b", 2, 0, "compressed with gzip; unpack it first"},
    {"version https://git-lfs", 23, 0, "a Git LFS pointer; fetch the file itself with `git lfs pull`"},
};

static bool is_other_file(sl_reader *reader, const uint8_t *data, size_t size) {
    sl_place place = sl_reader_place(reader);
    if (size == 0) {
        sl_reader_error(reader, &place, "the file is empty");
        return true;
    }
    for (size_t i = 0; i < sizeof(known_files) / sizeof(*known_files); i++) {
        size_t offset = (size_t)known_files[i].offset, length = (size_t)known_files[i].length;
        if (size >= offset + length && memcmp(data + offset, known_files[i].magic, length) == 0) {
            sl_reader_error(reader, &place, "not a model: this is %s", known_files[i].what);
            return true;
        }
    }
    if (size > 10 && data[8] == '{' && data[7] == 0 && data[6] == 0) {
        sl_reader_error(reader, &place, "not a model: this looks like a safetensors file, which holds weights without a graph");
        return true;
    }
    return false;
}

static bool starts_as_json(const uint8_t *data, size_t size) {
    size_t at = size >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    /* Tabs and newlines may start a protobuf as well (fields 1 and 2), so they count as blanks only in front of a brace. */
    while (at < size && (data[at] == ' ' || data[at] == '\t' || data[at] == '\r' || data[at] == '\n')) at++;
    return at < size && data[at] == '{';
}

static bool is_json_graph(const sl_json *root) {
    const sl_json *format = sl_json_get(root, "format");
    if (format) return true;
    return sl_json_get(root, "nodes") != NULL;
}

static bool read_json(sl_reader *reader, const uint8_t *data, size_t size, sl_model_format format, sl_model *model) {
    sl_json_fault fault;
    const sl_json_document *document = reader->json = sl_json_parse(reader->arena, (const char *)data, size, &fault);
    if (!document->root) {
        sl_place place = {.file = reader->path};
        sl_json_position(document, fault.offset, &place.line, &place.column);
        return sl_reader_error(reader, &place, "%s", fault.message);
    }
    if (document->root->kind != SL_JSON_OBJECT) return sl_json_error(reader, document->root, "a model must be an object, found %s", sl_json_kind_name(document->root));
    if (format == SL_FORMAT_AUTO) format = is_json_graph(document->root) ? SL_FORMAT_JSON_GRAPH : SL_FORMAT_ONNX_JSON;
    if (format == SL_FORMAT_JSON_GRAPH) return (model->graph = sl_read_json_graph(reader, document->root, model)) != NULL;
    return sl_read_onnx_json(reader, document->root, model);
}

static sl_status read_memory(sl_context *context, sl_arena *arena, const char *path, const void *data, size_t size, const sl_read_options *options, sl_model **model) {
    sl_reader reader;
    sl_model_format format = options->format;
    sl_reader_init(&reader, context, arena, path ? path : "model");
    reader.absent_weights = options->absent_weights;
    sl_model *result = SL_NEW(arena, sl_model);
    result->path = reader.path;
    result->producer = "";
    bool json = format == SL_FORMAT_JSON_GRAPH || format == SL_FORMAT_ONNX_JSON || (format == SL_FORMAT_AUTO && starts_as_json(data, size));
    bool read = !is_other_file(&reader, data, size) && (json ? read_json(&reader, data, size, format, result) : sl_read_onnx(&reader, data, size, result));
    if (read && !reader.error_count) sl_model_check(&reader, result);
    if (reader.error_count > SL_READ_MOST_ERRORS) {
        sl_place place = sl_reader_place(&reader);
        sl_diag_report(reader.sink, SL_SEVERITY_NOTE, &place, "%lld more errors aren't shown", (long long)(reader.error_count - SL_READ_MOST_ERRORS));
    }
    SL_TRY(sl_reader_finish(&reader, "model"));
    if (!read) return SL_ERROR(SL_INTERNAL, "model '%s' can't be read", reader.path);
    const char **paths = SL_NEW_ARRAY(arena, const char *, reader.side_files.count + 1);
    for (size_t i = 0; i < reader.side_files.count; i++)
        if (reader.side_files.data[i].data) paths[result->side_file_count++] = reader.side_files.data[i].path;
    result->side_files = paths;
    *model = result;
    return NULL;
}

sl_status sl_model_read(sl_context *context, sl_arena *arena, const char *path, const void *data, size_t size, const sl_read_options *options, sl_model **model) {
    *model = NULL;
    sl_guard guard;
    if (!SL_GUARD_ENTER(&guard)) return SL_ERROR(SL_OUT_OF_MEMORY, "out of memory");
    const uint8_t *mapped;
    int64_t length;
    sl_status status = data ? NULL : sl_file_map(arena, path, &mapped, &length);
    if (status) {
        sl_place place = {.file = sl_context_intern(context, path)};
        sl_diag_report(sl_context_sink(context), SL_SEVERITY_ERROR, &place, "%s", sl_status_message(status));
    } else {
        status = read_memory(context, arena, path, data ? data : mapped, data ? size : (size_t)length, options, model);
    }
    sl_guard_leave(&guard);
    return status;
}

sl_status sl_model_read_memory(sl_context *context, sl_arena *arena, const char *path, const void *data, size_t size, sl_model_format format,
                               sl_model **model) {
    return sl_model_read(context, arena, path, data ? data : "", size, &(sl_read_options){.format = format}, model);
}

sl_status sl_model_read_file(sl_context *context, sl_arena *arena, const char *path, sl_model_format format, sl_model **model) {
    return sl_model_read(context, arena, path, NULL, 0, &(sl_read_options){.format = format}, model);
}
