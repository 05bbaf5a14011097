/* calibration.c: reads and writes calibration files; see calibration.h. */
#include "sluice/calibration.h"
#include "json.h"

#include <string.h>

static sl_status fault(const sl_json_document *document, const char *path, size_t offset, const char *message) {
    int line = 0, column = 0;
    sl_json_position(document, offset, &line, &column);
    return SL_ERROR(SL_INVALID_MODEL, "%s:%d:%d: error: %s", path, line, column, message);
}

sl_status sl_calibration_read(sl_arena *arena, const char *path, sl_calibration *calibration) {
    const uint8_t *data;
    int64_t size;
    sl_json_fault broken;
    *calibration = (sl_calibration){0};
    SL_TRY(sl_file_read(arena, path, INT64_C(1) << 28, &data, &size));
    const sl_json_document *document = sl_json_parse(arena, (const char *)data, (size_t)size, &broken);
    if (!document->root) return fault(document, path, broken.offset, broken.message);
    const sl_json *format = sl_json_get(document->root, "format"), *version = sl_json_get(document->root, "version"), *ranges = sl_json_get(document->root, "ranges");
    if (!format || format->kind != SL_JSON_STRING || strcmp(format->text, "sluice-calibration") != 0)
        return fault(document, path, document->root->offset, "this is no calibration: expected \"format\": \"sluice-calibration\"; `sluice calibrate` writes one");
    if (!version || version->kind != SL_JSON_NUMBER || version->number != 1) return fault(document, path, (version ? version : document->root)->offset, "expected \"version\": 1");
    if (!ranges || ranges->kind != SL_JSON_OBJECT) return fault(document, path, (ranges ? ranges : document->root)->offset, "expected \"ranges\", an object of [low, high] by op");
    calibration->ranges = SL_NEW_ARRAY(arena, sl_calibrated_range, (size_t)ranges->count + 1);
    for (int i = 0; i < ranges->count; i++) {
        const sl_json *range = &ranges->items[i];
        bool pair = range->kind == SL_JSON_ARRAY && range->count == 2 && range->items[0].kind == SL_JSON_NUMBER && range->items[1].kind == SL_JSON_NUMBER;
        if (!pair || range->items[0].number > range->items[1].number) return fault(document, path, range->offset, "a range is [low, high], two numbers in this order");
        calibration->ranges[calibration->count++] = (sl_calibrated_range){range->key, range->items[0].number, range->items[1].number};
    }
    return NULL;
}

sl_status sl_calibration_write(sl_arena *arena, const char *path, const sl_calibration *calibration) {
    sl_text text;
    sl_text_init(&text, arena);
    sl_text_append(&text, "{\"format\": \"sluice-calibration\", \"version\": 1, \"ranges\": {");
    for (int i = 0; i < calibration->count; i++) {
        const sl_calibrated_range *range = &calibration->ranges[i];
        sl_text_append(&text, "%s\n  \"", i ? "," : "");
        for (const char *at = range->name; *at; at++) {
            if (*at == '"' || *at == '\\') sl_text_append(&text, "\\%c", *at);
            else if ((unsigned char)*at < 32) sl_text_append(&text, "\\u%04x", *at);
            else sl_text_append(&text, "%c", *at);
        }
        sl_text_append(&text, "\": [%.9g, %.9g]", range->low, range->high);
    }
    sl_text_append(&text, "\n}}\n");
    return sl_file_write_atomic(path, text.data, text.length);
}
