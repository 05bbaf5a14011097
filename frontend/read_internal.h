/* read_internal.h: what the model readers share: error reporting with places, positions in JSON texts, side files, tensor data.
 *
 * A reader function returns false (or NULL) after it has reported what is wrong; its caller gives up on that part and may go on with others, so that
 * one run shows several errors. Everything is allocated in the model's arena. */
#ifndef SLUICE_READ_INTERNAL_H
#define SLUICE_READ_INTERNAL_H

#include "json.h"
#include "sluice/graph.h"

enum {
    SL_READ_MOST_ERRORS = 20,         /* reported; the rest is only counted */
    SL_READ_MOST_GRAPH_DEPTH = 64,    /* nesting of If/Loop/Scan bodies */
    SL_READ_MOST_TYPE_DEPTH = 16,     /* sequence of optional of ... */
};
#define SL_READ_LARGEST_DENSE (INT64_C(1) << 31)   /* bytes that a sparse tensor may expand to */

typedef struct sl_side_file { const char *name, *path; const uint8_t *data; int64_t size; } sl_side_file;

/* One tensor of a safetensors file. */
typedef struct sl_safetensor { const char *name; sl_element element; int rank; int64_t shape[SL_MAX_RANK]; const uint8_t *data; int64_t size; } sl_safetensor;
typedef struct sl_safetensors { const char *name; int count; const sl_safetensor *tensors; } sl_safetensors;

typedef struct sl_position { const void *key; const sl_json *value; } sl_position;

typedef struct sl_reader {
    sl_context *context;              /* NULL while a lone tensor is read: then types and locations aren't made */
    sl_arena *arena;
    sl_diag_sink *sink;               /* may be NULL: errors only reach the status */
    const char *path;
    int64_t error_count;
    bool absent_weights;              /* sl_read_options */
    bool in_initializers;             /* what is read now may be absent: not attributes, nor parts of sparse tensors */
    bool unsupported;                 /* every error so far was about something well-formed but not implemented */
    const char *first_error;
    const sl_json_document *json;     /* the text being read, for positions and carets */
    SL_VEC(sl_side_file) side_files;
    SL_VEC(const sl_safetensors *) safetensors;
    sl_position *positions;           /* from protobuf messages that were made from JSON to their text; open addressing */
    size_t position_count, position_capacity;
} sl_reader;

void sl_reader_init(sl_reader *reader, sl_context *context, sl_arena *arena, const char *path);
/* OK when nothing was reported, else a status that quotes the first error. */
SL_MUST_USE sl_status sl_reader_finish(const sl_reader *reader, const char *what);

/* Both return false. */
SL_PRINTF(3, 4) bool sl_reader_error(sl_reader *reader, const sl_place *place, const char *format, ...);
SL_PRINTF(3, 4) bool sl_reader_unsupported(sl_reader *reader, const sl_place *place, const char *format, ...);
SL_PRINTF(3, 4) void sl_reader_warning(sl_reader *reader, const sl_place *place, const char *format, ...);
SL_PRINTF(3, 4) bool sl_json_error(sl_reader *reader, const sl_json *value, const char *format, ...);

sl_place sl_reader_place(const sl_reader *reader);                                  /* the file alone */
sl_place sl_reader_json_place(const sl_reader *reader, const sl_json *value);
/* The place of a message: its position in the JSON text that it was made from, else the file. */
sl_place sl_reader_message_place(const sl_reader *reader, const void *message);
void sl_reader_note_position(sl_reader *reader, const void *message, const sl_json *value);
const char *sl_reader_intern(sl_reader *reader, const char *text);                  /* in the context when there is one */
const char *sl_reader_intern_n(sl_reader *reader, const char *text, size_t length);

/* ---- side files: read-only mappings of files inside of the model's folder ---- */
/* Why the bytes are not in the file, when that is allowed and the file ends before them; else NULL. */
const char *sl_side_file_lacks(sl_reader *reader, const sl_place *place, const char *name, int64_t offset, int64_t length);
const sl_side_file *sl_side_file_open(sl_reader *reader, const sl_place *place, const char *name);
/* `length` bytes at `offset`; length -1: all the rest. Checks the bounds. */
const uint8_t *sl_side_file_range(sl_reader *reader, const sl_place *place, const char *name, int64_t offset, int64_t length, int64_t *size);
const sl_safetensors *sl_safetensors_open(sl_reader *reader, const sl_place *place, const char *name);
const sl_safetensor *sl_safetensors_find(const sl_safetensors *file, const char *name);

/* ---- tensors ---- */
/* Elements of a shape, or false (reported, `what` names the tensor) for a negative dim or 64-bit overflow of elements or bytes. */
bool sl_tensor_size(sl_reader *reader, const sl_place *place, const char *what, sl_element element, int rank, const int64_t *shape, int64_t *count,
                    int64_t *bytes);
/* Takes packed bytes as a tensor's data: copies when they are too weakly aligned for the element, makes booleans 0 or 1. */
const void *sl_tensor_adopt(sl_reader *reader, sl_element element, const void *data, int64_t size);

/* ---- formats ---- */
sl_graph *sl_read_json_graph(sl_reader *reader, const sl_json *root, sl_model *model);
/* Tensors of the JSON graph (json_tensor.c). `name`: of the initializer, or NULL for an attribute. */
bool sl_json_tensor(sl_reader *reader, const sl_json *value, const char *name, sl_graph_tensor *tensor);
bool sl_json_element(sl_reader *reader, const sl_json *value, sl_element *element);
bool sl_json_is_tensor(const sl_json *value);
bool sl_json_float(const sl_json *value, double *result);                           /* a number, or "inf", "-inf", "nan" */
/* Refuses members that aren't among the NULL-terminated `allowed` (or "doc"). */
bool sl_json_members(sl_reader *reader, const sl_json *object, const char *const *allowed);
/* The member, which must be of `kind` when it is there; *good turns false otherwise. */
const sl_json *sl_json_member(sl_reader *reader, const sl_json *object, const char *key, sl_json_kind kind, bool *good);
void sl_safetensors_take(sl_reader *reader, const sl_safetensor *source, const char *name, sl_graph_tensor *tensor);
bool sl_read_onnx(sl_reader *reader, const uint8_t *data, size_t size, sl_model *model);
bool sl_read_onnx_json(sl_reader *reader, const sl_json *root, sl_model *model);
struct Onnx__ModelProto;
struct Onnx__TensorProto;
struct Onnx__SparseTensorProto;
bool sl_onnx_convert_model(sl_reader *reader, const struct Onnx__ModelProto *message, sl_model *model);
bool sl_onnx_convert_tensor(sl_reader *reader, const struct Onnx__TensorProto *message, const sl_place *place, sl_graph_tensor *tensor);
bool sl_onnx_convert_sparse(sl_reader *reader, const struct Onnx__SparseTensorProto *message, const sl_place *place, sl_graph_tensor *tensor);
/* Unpacks a message after checking its wire format. NULL after a report. `descriptor` is a ProtobufCMessageDescriptor. */
void *sl_onnx_unpack(sl_reader *reader, const void *descriptor, const uint8_t *data, size_t size);

/* ---- checks common to all formats ---- */
/* Names are defined once and before use (nodes are put in order); a name that nothing defines and cycles are reported. */
bool sl_model_check(sl_reader *reader, sl_model *model);
/* A name for a node that the file leaves unnamed. */
const char *sl_reader_node_name(sl_reader *reader, const char *name, const char *op, int number);

#endif
