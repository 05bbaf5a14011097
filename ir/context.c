/* context.c: the owner of everything interned; strings and locations live here, the rest in type.c, attr.c and expr.c. */
#include "context_internal.h"
#include <assert.h>
#include <string.h>

/* ---- intern tables ---- */

const void *sl_intern_find(const sl_intern_table *table, uint64_t hash, bool (*equal)(const void *key, const void *item), const void *key) {
    if (!table->capacity) return NULL;
    size_t mask = table->capacity - 1;
    for (size_t i = hash & mask; table->items[i]; i = (i + 1) & mask)
        if (table->hashes[i] == hash && equal(key, table->items[i])) return table->items[i];
    return NULL;
}

static void place_item(sl_intern_table *table, uint64_t hash, const void *item) {
    size_t mask = table->capacity - 1, i = hash & mask;
    while (table->items[i]) i = (i + 1) & mask;
    table->hashes[i] = hash;
    table->items[i] = item;
}

void sl_intern_add(sl_arena *arena, sl_intern_table *table, uint64_t hash, const void *item) {
    if (table->count * 4 >= table->capacity * 3) {
        sl_intern_table larger = {.capacity = table->capacity ? table->capacity * 2 : 64, .count = table->count};
        larger.hashes = SL_NEW_ARRAY(arena, uint64_t, larger.capacity);
        larger.items = SL_NEW_ARRAY(arena, const void *, larger.capacity);
        for (size_t i = 0; i < table->capacity; i++)
            if (table->items[i]) place_item(&larger, table->hashes[i], table->items[i]);
        *table = larger;
    }
    place_item(table, hash, item);
    table->count++;
}

/* ---- life cycle ---- */

sl_context *sl_context_create(const sl_allocator *allocator, sl_diag_sink *sink) {
    sl_arena *arena = sl_arena_create(allocator, 0);
    if (!arena) return NULL;
    sl_guard guard;
    if (!SL_GUARD_ENTER(&guard)) {
        sl_arena_destroy(arena);
        return NULL;
    }
    sl_context *context = SL_NEW(arena, sl_context);
    context->allocator = *allocator;
    context->arena = arena;
    context->sink = sink ? sink : &context->own_sink;
    context->unknown_loc = SL_NEW(arena, struct sl_loc_data);
    sl_guard_leave(&guard);
    return context;
}

void sl_context_destroy(sl_context *context) {
    if (context) sl_arena_destroy(context->arena);
}

sl_arena *sl_context_arena(sl_context *context) { return context->arena; }
const sl_allocator *sl_context_allocator(sl_context *context) { return &context->allocator; }
sl_diag_sink *sl_context_sink(sl_context *context) { return context->sink; }

/* ---- strings ---- */

typedef struct string_key { const char *text; size_t length; } string_key;

static bool string_equal(const void *key, const void *item) {
    const string_key *wanted = key;
    const sl_interned_string *string = item;
    return string->length == wanted->length && memcmp(string->text, wanted->text, wanted->length) == 0;
}

const char *sl_context_intern_n(sl_context *context, const char *text, size_t length) {
    string_key key = {text, length};
    uint64_t hash = sl_hash_bytes(text, length, 1);
    const sl_interned_string *string = sl_intern_find(&context->strings, hash, string_equal, &key);
    if (!string) {
        sl_interned_string *fresh = sl_arena_alloc(context->arena, sizeof(*fresh) + length + 1);
        fresh->length = length;
        if (length) memcpy(fresh->text, text, length);
        sl_intern_add(context->arena, &context->strings, hash, fresh);
        string = fresh;
    }
    return string->text;
}

const char *sl_context_intern(sl_context *context, const char *text) { return sl_context_intern_n(context, text, strlen(text)); }

/* ---- locations ---- */

static bool loc_equal(const void *key, const void *item) {
    const struct sl_loc_data *a = key, *b = item;
    return a->kind == b->kind && a->file == b->file && a->node == b->node && a->op == b->op && a->line == b->line && a->column == b->column &&
           a->count == b->count && (a->count == 0 || memcmp(a->parts, b->parts, (size_t)a->count * sizeof(sl_loc)) == 0);
}

static sl_loc intern_loc(sl_context *context, struct sl_loc_data *key) {
    uint64_t hash = sl_hash_mix(key->kind, (uintptr_t)key->file);
    hash = sl_hash_mix(sl_hash_mix(hash, (uintptr_t)key->node), (uintptr_t)key->op);
    hash = sl_hash_mix(sl_hash_mix(hash, (uint64_t)key->line), (uint64_t)key->column);
    for (int i = 0; i < key->count; i++) hash = sl_hash_mix(hash, (uintptr_t)key->parts[i]);
    sl_loc loc = sl_intern_find(&context->locs, hash, loc_equal, key);
    if (loc) return loc;
    if (key->count) key->parts = sl_arena_copy(context->arena, key->parts, (size_t)key->count * sizeof(sl_loc));
    loc = sl_arena_copy(context->arena, key, sizeof(*key));
    sl_intern_add(context->arena, &context->locs, hash, loc);
    return loc;
}

sl_loc sl_loc_unknown(sl_context *context) { return context->unknown_loc; }

sl_loc sl_loc_file(sl_context *context, const char *file, int line, int column) {
    struct sl_loc_data key = {.kind = SL_LOC_FILE, .file = sl_context_intern(context, file), .line = line, .column = column};
    return intern_loc(context, &key);
}

sl_loc sl_loc_node(sl_context *context, const char *file, const char *node, const char *op_type) {
    struct sl_loc_data key = {.kind = SL_LOC_NODE, .node = sl_context_intern(context, node)};
    if (file) key.file = sl_context_intern(context, file);
    if (op_type) key.op = sl_context_intern(context, op_type);
    return intern_loc(context, &key);
}

enum { MOST_PARTS = 64 };   /* a fused op made from more keeps the first ones */

sl_loc sl_loc_fused(sl_context *context, int count, const sl_loc *parts) {
    sl_loc kept[MOST_PARTS];
    int kept_count = 0;
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < sl_loc_count(parts[i]) && kept_count < MOST_PARTS; k++) {
            sl_loc part = sl_loc_part(parts[i], k);
            bool seen = false;
            for (int j = 0; j < kept_count; j++) seen |= kept[j] == part;
            if (!seen) kept[kept_count++] = part;
        }
    }
    if (kept_count == 0) return context->unknown_loc;
    if (kept_count == 1) return kept[0];
    struct sl_loc_data key = {.kind = SL_LOC_FUSED, .count = kept_count, .parts = kept};
    return intern_loc(context, &key);
}

int sl_loc_count(sl_loc loc) { return loc->kind == SL_LOC_FUSED ? loc->count : loc->kind != SL_LOC_UNKNOWN; }

sl_loc sl_loc_part(sl_loc loc, int index) {
    if (loc->kind != SL_LOC_FUSED) return loc;
    assert(index >= 0 && index < loc->count);
    return loc->parts[index];
}

sl_place sl_loc_place(sl_loc loc) {
    if (loc->kind == SL_LOC_FUSED) loc = loc->parts[0];
    return (sl_place){.file = loc->file, .line = loc->line, .column = loc->column, .node = loc->node, .op = loc->op};
}

static void print_part(sl_text *out, sl_loc loc) {
    switch (loc->kind) {
    case SL_LOC_UNKNOWN: sl_text_append(out, "loc(unknown)"); break;
    case SL_LOC_FILE:
        sl_text_append(out, "loc(");
        sl_text_append_quoted(out, loc->file);
        sl_text_append(out, ":%d:%d)", loc->line, loc->column);
        break;
    case SL_LOC_NODE: {
        sl_text_append(out, "loc(");
        sl_text_append_quoted(out, loc->node);
        bool plain = loc->op && *loc->op && (*loc->op < '0' || *loc->op > '9');
        for (const char *c = loc->op; plain && *c; c++)
            plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '_';
        if (loc->op) sl_text_append(out, ":");
        if (plain) sl_text_append(out, "%s", loc->op);
        else if (loc->op) sl_text_append_quoted(out, loc->op);
        sl_text_append(out, ")");
        break;
    }
    case SL_LOC_FUSED: assert(!"fused locations are flat"); break;
    }
}

void sl_loc_print(sl_text *out, sl_loc loc) {
    if (loc->kind != SL_LOC_FUSED) {
        print_part(out, loc);
        return;
    }
    sl_text_append(out, "loc[");
    for (int i = 0; i < loc->count; i++) {
        if (i) sl_text_append(out, ", ");
        print_part(out, loc->parts[i]);
    }
    sl_text_append(out, "]");
}

void sl_loc_describe(sl_text *out, sl_loc loc) {
    int count = sl_loc_count(loc);
    if (!count) sl_text_append(out, "unknown location");
    for (int i = 0; i < count; i++) {
        sl_loc part = sl_loc_part(loc, i);
        if (i) sl_text_append(out, " + ");
        if (part->kind == SL_LOC_NODE && part->op) sl_text_append(out, "node '%s' (%s)", part->node, part->op);
        else if (part->kind == SL_LOC_NODE) sl_text_append(out, "node '%s'", part->node);
        else sl_text_append(out, "%s:%d:%d", part->file, part->line, part->column);
    }
}
