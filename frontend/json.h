/* json.h: a JSON text as a tree whose values know where they stand. cJSON checks the syntax and decodes strings; a second walk over the text adds what
 * cJSON drops: positions, and integers beyond 2^53. */
#ifndef SLUICE_JSON_H
#define SLUICE_JSON_H

#include "sluice/memory.h"

typedef enum sl_json_kind { SL_JSON_NULL, SL_JSON_BOOL, SL_JSON_NUMBER, SL_JSON_STRING, SL_JSON_ARRAY, SL_JSON_OBJECT } sl_json_kind;

typedef struct sl_json {
    sl_json_kind kind;
    bool is_integer;               /* NUMBER written without fraction and exponent that fits int64 */
    bool boolean;
    int count;                     /* ARRAY, OBJECT */
    int64_t integer;
    double number;
    const char *text;              /* STRING: decoded, NUL-terminated; NUMBER: its token in the text, `length` bytes, not terminated */
    size_t length;
    const char *key;               /* of a member of an object */
    const struct sl_json *items, *parent;
    size_t offset;                 /* of its first byte in the text */
} sl_json;

typedef struct sl_json_document {
    const char *text;
    size_t size;
    const sl_json *root;
    SL_VEC(size_t) lines;          /* offset of each line's start */
} sl_json_document;

/* What is wrong with a text that isn't JSON. */
typedef struct sl_json_fault { size_t offset; const char *message; } sl_json_fault;

/* A document with root NULL and *fault set when the text isn't JSON or is nested too deeply. `text` is borrowed. */
const sl_json_document *sl_json_parse(sl_arena *arena, const char *text, size_t size, sl_json_fault *fault);
const sl_json *sl_json_get(const sl_json *object, const char *key);            /* NULL when absent or no object */
void sl_json_position(const sl_json_document *document, size_t offset, int *line, int *column);
/* The line that holds `offset`, copied to the arena; NULL when it is too long to show. */
const char *sl_json_line(const sl_json_document *document, sl_arena *arena, size_t offset);
/* /graph/nodes/3/inputs */
void sl_json_pointer(sl_text *out, const sl_json *value);
const char *sl_json_kind_name(const sl_json *value);                           /* "a string", for messages */

#endif
