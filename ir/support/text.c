/* text.c: growable text on an arena, formatted strings, and the hash used for interning and cache keys. */
#include "sluice/memory.h"
#include <stdio.h>
#include <string.h>

char *sl_arena_vprintf(sl_arena *arena, const char *format, va_list arguments) {
    va_list copy;
    va_copy(copy, arguments);
    int length = vsnprintf(NULL, 0, format, copy);
    va_end(copy);
    if (length < 0) length = 0;
    char *text = sl_arena_alloc(arena, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    return text;
}

char *sl_arena_printf(sl_arena *arena, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *text = sl_arena_vprintf(arena, format, arguments);
    va_end(arguments);
    return text;
}

void sl_text_init(sl_text *text, sl_arena *arena) {
    *text = (sl_text){.arena = arena, .capacity = 64};
    text->data = sl_arena_alloc(arena, text->capacity);
}

/* Makes room for `extra` bytes and the terminator. */
static void reserve(sl_text *text, size_t extra) {
    if (extra > SIZE_MAX / 4) sl_out_of_memory();
    while (text->capacity - text->length <= extra) text->data = sl_arena_grow(text->arena, text->data, &text->capacity, 1);
}

void sl_text_append_bytes(sl_text *text, const char *bytes, size_t count) {
    reserve(text, count);
    if (count) memcpy(text->data + text->length, bytes, count);
    text->length += count;
    text->data[text->length] = 0;
}

void sl_text_append(sl_text *text, const char *format, ...) {
    va_list arguments, copy;
    va_start(arguments, format);
    va_copy(copy, arguments);
    size_t room = text->capacity - text->length;
    int length = vsnprintf(text->data + text->length, room, format, copy);
    va_end(copy);
    if (length > 0 && (size_t)length >= room) {
        reserve(text, (size_t)length);
        vsnprintf(text->data + text->length, (size_t)length + 1, format, arguments);
    }
    if (length > 0) text->length += (size_t)length;
    va_end(arguments);
}

void sl_text_append_quoted(sl_text *text, const char *string) {
    sl_text_append_bytes(text, "\"", 1);
    for (const unsigned char *c = (const unsigned char *)string; *c; c++) {
        if (*c == '"' || *c == '\\') sl_text_append(text, "\\%c", *c);
        else if (*c == '\n') sl_text_append_bytes(text, "\\n", 2);
        else if (*c < 0x20 || *c == 0x7f) sl_text_append(text, "\\x%02X", *c);
        else sl_text_append_bytes(text, (const char *)c, 1);   /* UTF-8 passes through */
    }
    sl_text_append_bytes(text, "\"", 1);
}

/* Multiply-and-fold over 8-byte words; the tail is padded with zeros and the length is mixed in. */
static uint64_t mix(uint64_t hash, uint64_t word) {
    __uint128_t product = (__uint128_t)(hash ^ word) * 0x9E3779B97F4A7C15u;
    return (uint64_t)product ^ (uint64_t)(product >> 64) ^ 0x2545F4914F6CDD1Du;
}

uint64_t sl_hash_bytes(const void *data, size_t size, uint64_t seed) {
    const uint8_t *bytes = data;
    uint64_t hash = mix(seed ^ 0xA0761D6478BD642Fu, size);
    for (; size >= 8; size -= 8, bytes += 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        hash = mix(hash, word);
    }
    if (size) {
        uint64_t word = 0;
        memcpy(&word, bytes, size);
        hash = mix(hash, word);
    }
    return mix(hash, hash >> 29);
}
