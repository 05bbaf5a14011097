/* constants.c: --constant NAME=VALUE becomes a binding "NAME=<shape>[values]", which the compiler reads; see sluice_compile_options.bindings. */
#include "cli.h"

#include <string.h>

static bool has_suffix(const char *text, const char *suffix) {
    size_t length = strlen(text), end = strlen(suffix);
    return length >= end && strcmp(text + length - end, suffix) == 0;
}

static sl_status from_file(sl_arena *arena, const char *name, const char *path, const char **binding) {
    sl_tensor *tensor;
    sl_text text;
    SL_TRY(cli_tensor_read(arena, path, &tensor));
    if (tensor->element == SL_ELEMENT_str) return SL_ERROR(SL_UNSUPPORTED, "%s holds strings; a constant must be numbers", path);
    sl_text_init(&text, arena);
    sl_text_append(&text, "%s=<", name);
    for (int d = 0; d < tensor->rank; d++) sl_text_append(&text, "%s%lld", d ? "," : "", (long long)tensor->shape[d]);
    sl_text_append(&text, ">[");
    for (int64_t i = 0; i < sl_tensor_count(tensor); i++) {
        if (sl_element_is_float(tensor->element)) sl_text_append(&text, "%s%.17g", i ? "," : "", sl_element_load_float(tensor->element, tensor->data, i));
        else sl_text_append(&text, "%s%lld", i ? "," : "", (long long)sl_element_load_int(tensor->element, tensor->data, i));
    }
    sl_text_append(&text, "]");
    *binding = text.data;
    return NULL;
}

static sl_status convert(cli_options *options, sl_arena *arena) {
    for (int i = 0; i < options->constants_count; i++) {
        const char *given = options->constants[i], *equals = strchr(given, '='), *binding = given;
        if (!equals || equals == given || !equals[1]) return SL_ERROR(SL_INVALID_ARGUMENT, "'%s' is no constant: write --constant NAME=VALUE, where VALUE is a number, [values] or a .npy file", given);
        if (options->shapes_count == CLI_MAX_LIST) return SL_ERROR(SL_INVALID_ARGUMENT, "more than %d constants and shapes", CLI_MAX_LIST);
        const char *name = sl_arena_strndup(arena, given, (size_t)(equals - given)), *value = equals + 1;
        if (has_suffix(value, ".npy") || has_suffix(value, ".pb")) SL_TRY(from_file(arena, name, value, &binding));
        else if (*value != '[' && *value != '<') binding = sl_arena_printf(arena, "%s=[%s]", name, value);
        options->shapes[options->shapes_count++] = binding;
    }
    return NULL;
}

sl_status cli_constants(cli_options *options, sl_arena *arena) {
    sl_guard guard;
    if (!SL_GUARD_ENTER(&guard)) return SL_ERROR(SL_OUT_OF_MEMORY, "no memory");
    sl_status status = convert(options, arena);
    sl_guard_leave(&guard);
    return status;
}
