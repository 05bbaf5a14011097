/* json.c: see json.h. The walk over the text relies on cJSON having accepted it: it only has to find where the next value starts. Nesting is limited
 * before cJSON sees the text, which keeps its recursion and ours shallow. */
#include "json.h"
#include <assert.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_DEPTH = 900, LONGEST_LINE = 1 << 20 };   /* cJSON itself stops at 1000 */

typedef struct walker {
    sl_arena *arena;
    const char *text;
    size_t size, at;
    const char *problem;       /* first value that JSON allows and we refuse */
    size_t problem_at;
} walker;

static void find_lines(sl_arena *arena, sl_json_document *document) {
    SL_PUSH(arena, &document->lines, 0);
    for (const char *from = document->text, *end = from + document->size; (from = memchr(from, '\n', (size_t)(end - from)));) {
        from++;
        SL_PUSH(arena, &document->lines, (size_t)(from - document->text));
        if (from == end) break;
    }
}

static size_t string_end(const char *text, size_t size, size_t at) {   /* at: the opening quote; gives the offset behind the closing one */
    for (at++; at < size && text[at] != '"'; at++)
        if (text[at] == '\\') at++;
    return at < size ? at + 1 : size;
}

/* The first bracket that opens a level too many. */
static bool is_too_deep(const char *text, size_t size, size_t *offset) {
    int depth = 0;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (c == '"') {
            i = string_end(text, size, i) - 1;
        } else if (c == '{' || c == '[') {
            if (++depth > MOST_DEPTH) {
                *offset = i;
                return true;
            }
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return false;
}

static void skip_blank(walker *walk) {
    while (walk->at < walk->size && (unsigned char)walk->text[walk->at] <= ' ') walk->at++;
}

static void expect(walker *walk, char c) {
    skip_blank(walk);
    assert(walk->at < walk->size && walk->text[walk->at] == c && "cJSON accepted the text");
    (void)c;
    walk->at++;
}

static void refuse(walker *walk, size_t offset, const char *problem) {
    if (walk->problem) return;
    walk->problem = problem;
    walk->problem_at = offset;
}

static int order_keys(const void *a, const void *b) { return strcmp((*(const sl_json *const *)a)->key, (*(const sl_json *const *)b)->key); }

static void check_keys(walker *walk, const sl_json *object) {
    const sl_json **sorted = SL_NEW_ARRAY(walk->arena, const sl_json *, (size_t)object->count);
    for (int i = 0; i < object->count; i++) sorted[i] = &object->items[i];
    qsort(sorted, (size_t)object->count, sizeof(*sorted), order_keys);
    for (int i = 1; i < object->count; i++)
        if (strcmp(sorted[i - 1]->key, sorted[i]->key) == 0)
            refuse(walk, sorted[i]->offset > sorted[i - 1]->offset ? sorted[i]->offset : sorted[i - 1]->offset,
                   sl_arena_printf(walk->arena, "duplicate key \"%.200s\" in one object", sorted[i]->key));
}

static void fill_number(walker *walk, const cJSON *item, sl_json *out) {
    size_t end = walk->at;
    bool integer = true;
    for (; end < walk->size && strchr("0123456789+-eE.", walk->text[end]) && walk->text[end]; end++)
        integer &= walk->text[end] == '-' || (walk->text[end] >= '0' && walk->text[end] <= '9');
    out->kind = SL_JSON_NUMBER;
    out->text = walk->text + walk->at;
    out->length = end - walk->at;
    out->number = item->valuedouble;
    if (!isfinite(out->number)) refuse(walk, walk->at, "number too large for a double");
    walk->at = end;
    if (!integer || out->length > 20) return;
    char digits[24] = {0};
    memcpy(digits, out->text, out->length);
    errno = 0;
    out->integer = strtoll(digits, NULL, 10);
    out->is_integer = errno == 0;
}

static void fill(walker *walk, const cJSON *item, const sl_json *parent, sl_json *out) {
    skip_blank(walk);
    out->offset = walk->at;
    out->parent = parent;
    if (cJSON_IsNumber(item)) {
        fill_number(walk, item, out);
    } else if (cJSON_IsString(item)) {
        out->kind = SL_JSON_STRING;
        out->text = item->valuestring;
        out->length = strlen(item->valuestring);
        walk->at = string_end(walk->text, walk->size, walk->at);
    } else if (cJSON_IsArray(item) || cJSON_IsObject(item)) {
        bool object = cJSON_IsObject(item);
        out->kind = object ? SL_JSON_OBJECT : SL_JSON_ARRAY;
        size_t count = 0;
        for (const cJSON *child = item->child; child; child = child->next) count++;
        if (count > INT32_MAX) {
            refuse(walk, walk->at, "more than 2^31 - 1 values in one array or object");
            walk->at = walk->size;   /* nothing behind can be read */
            return;
        }
        sl_json *items = SL_NEW_ARRAY(walk->arena, sl_json, count);
        out->items = items;
        out->count = (int)count;
        expect(walk, object ? '{' : '[');
        for (const cJSON *child = item->child; child; child = child->next, items++) {
            if (object) {
                skip_blank(walk);
                items->key = child->string;
                walk->at = string_end(walk->text, walk->size, walk->at);
                expect(walk, ':');
            }
            fill(walk, child, out, items);
            if (walk->problem && walk->at >= walk->size) return;
            if (child->next) expect(walk, ',');
        }
        expect(walk, object ? '}' : ']');
        if (object && count > 1) check_keys(walk, out);
    } else {
        out->kind = cJSON_IsNull(item) ? SL_JSON_NULL : SL_JSON_BOOL;
        out->boolean = cJSON_IsTrue(item);
        walk->at += cJSON_IsFalse(item) ? 5 : 4;
    }
}

static void delete_tree(void *tree) { cJSON_Delete(tree); }

const sl_json_document *sl_json_parse(sl_arena *arena, const char *text, size_t size, sl_json_fault *fault) {
    sl_json_document *document = SL_NEW(arena, sl_json_document);
    *document = (sl_json_document){.text = text, .size = size};
    find_lines(arena, document);
    if (is_too_deep(text, size, &fault->offset)) {
        fault->message = sl_arena_printf(arena, "nested deeper than %d levels", MOST_DEPTH);
        return document;
    }
    const char *stop = NULL;
    cJSON *tree = cJSON_ParseWithLengthOpts(text, size, &stop, false);
    if (!tree) {
        size_t at = stop && stop >= text ? (size_t)(stop - text) : 0;
        if (at > size) at = size;
        fault->offset = at;
        unsigned char c = at < size ? (unsigned char)text[at] : 0;
        if (at + 1 >= size && !(c == ']' || c == '}')) fault->message = "not valid JSON: the text ends too early (is the file cut off?)";
        else if (c > ' ' && c < 0x7f) fault->message = sl_arena_printf(arena, "not valid JSON: unexpected '%c'", c);
        else fault->message = sl_arena_printf(arena, "not valid JSON: unexpected byte 0x%02X", c);
        return document;
    }
    sl_arena_on_destroy(arena, delete_tree, tree);   /* strings of our tree are borrowed from cJSON's */
    walker walk = {.arena = arena, .text = text, .size = size};
    if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) walk.at = 3;   /* byte order mark, which cJSON skips too */
    sl_json *root = SL_NEW(arena, sl_json);
    fill(&walk, tree, NULL, root);
    skip_blank(&walk);
    if (!walk.problem && walk.at < size) refuse(&walk, walk.at, "something follows the end of the JSON value");
    if (walk.problem) {
        *fault = (sl_json_fault){walk.problem_at, walk.problem};
        return document;
    }
    document->root = root;
    return document;
}

const sl_json *sl_json_get(const sl_json *object, const char *key) {
    if (!object || object->kind != SL_JSON_OBJECT) return NULL;
    for (int i = 0; i < object->count; i++)
        if (strcmp(object->items[i].key, key) == 0) return &object->items[i];
    return NULL;
}

static size_t line_of(const sl_json_document *document, size_t offset) {
    size_t low = 0, high = document->lines.count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (document->lines.data[middle] <= offset) low = middle;
        else high = middle;
    }
    return low;
}

void sl_json_position(const sl_json_document *document, size_t offset, int *line, int *column) {
    size_t index = line_of(document, offset), distance = offset - document->lines.data[index];
    *line = index < INT32_MAX ? (int)index + 1 : INT32_MAX;
    *column = distance < INT32_MAX ? (int)distance + 1 : INT32_MAX;
}

const char *sl_json_line(const sl_json_document *document, sl_arena *arena, size_t offset) {
    size_t start = document->lines.data[line_of(document, offset)];
    const char *end = memchr(document->text + start, '\n', document->size - start);
    size_t length = (end ? (size_t)(end - document->text) : document->size) - start;
    return length > LONGEST_LINE ? NULL : sl_arena_strndup(arena, document->text + start, length);
}

void sl_json_pointer(sl_text *out, const sl_json *value) {
    if (!value->parent) return;
    sl_json_pointer(out, value->parent);
    if (value->key) sl_text_append(out, "/%.100s", value->key);
    else sl_text_append(out, "/%td", value - value->parent->items);
}

const char *sl_json_kind_name(const sl_json *value) {
    switch (value->kind) {
    case SL_JSON_NULL: return "null";
    case SL_JSON_BOOL: return "a boolean";
    case SL_JSON_NUMBER: return value->is_integer ? "an integer" : "a number";
    case SL_JSON_STRING: return "a string";
    case SL_JSON_ARRAY: return "an array";
    case SL_JSON_OBJECT: return "an object";
    }
    return "something else";
}
