/* side_file.c: files that a model names: external data and safetensors. They must be regular files inside of the model's own folder: no absolute path,
 * no "..", and no symbolic link that leads out of it. Each is mapped once. */
#include "read_internal.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const char *folder_of(sl_reader *reader) {
    const char *slash = strrchr(reader->path, '/');
    if (!slash) return ".";
    return slash == reader->path ? "/" : sl_arena_strndup(reader->arena, reader->path, (size_t)(slash - reader->path));
}

static bool has_dot_dot(const char *name) {
    for (const char *part = name; part; part = strchr(part, '/'), part = part ? part + 1 : NULL)
        if (strncmp(part, "..", 2) == 0 && (part[2] == 0 || part[2] == '/')) return true;
    return false;
}

const sl_side_file *sl_side_file_open(sl_reader *reader, const sl_place *place, const char *name) {
    for (size_t i = 0; i < reader->side_files.count; i++)
        if (strcmp(reader->side_files.data[i].name, name) == 0) return reader->side_files.data[i].data ? &reader->side_files.data[i] : NULL;
    /* A failure is remembered too, so that it is reported once and not for every tensor. */
    sl_side_file file = {.name = sl_arena_strdup(reader->arena, name)};
    SL_PUSH(reader->arena, &reader->side_files, file);
    size_t index = reader->side_files.count - 1;
    const char *problem = NULL;
    if (!*name) problem = "its name is empty";
    else if (name[0] == '/') problem = "an absolute path; side files must lie in the model's folder";
    else if (has_dot_dot(name)) problem = "a path with '..'; side files must lie in the model's folder";
    char root[PATH_MAX], resolved[PATH_MAX];
    if (!problem && !realpath(folder_of(reader), root)) problem = strerror(errno);
    if (!problem && !realpath(sl_arena_printf(reader->arena, "%s/%s", root, name), resolved))
        problem = errno == ENOENT || errno == ENOTDIR ? "there is no such file beside the model" : strerror(errno);
    if (!problem) {
        size_t length = strcmp(root, "/") == 0 ? 0 : strlen(root);
        if (strncmp(resolved, root, length) != 0 || resolved[length] != '/') problem = "a symbolic link leads out of the model's folder";
    }
    if (problem) {
        sl_reader_error(reader, place, "side file '%s': %s", name, problem);
        return NULL;
    }
    file.path = sl_arena_strdup(reader->arena, resolved);
    sl_status status = sl_file_map(reader->arena, resolved, &file.data, &file.size);
    if (status) {
        sl_reader_error(reader, place, "side file '%s': %s", name, sl_status_message(status));
        sl_status_free(status);
        return NULL;
    }
    reader->side_files.data[index] = file;
    return &reader->side_files.data[index];
}

const char *sl_side_file_lacks(sl_reader *reader, const sl_place *place, const char *name, int64_t offset, int64_t length) {
    if (!reader->absent_weights || !reader->in_initializers || offset < 0 || length < 0) return NULL;
    const sl_side_file *file = sl_side_file_open(reader, place, name);
    if (!file || (offset <= file->size && length <= file->size - offset)) return NULL;
    return sl_arena_printf(reader->arena, "side file '%s' has %lld bytes, but the tensor wants %lld bytes at offset %lld", name, (long long)file->size, (long long)length, (long long)offset);
}

const uint8_t *sl_side_file_range(sl_reader *reader, const sl_place *place, const char *name, int64_t offset, int64_t length, int64_t *size) {
    const sl_side_file *file = sl_side_file_open(reader, place, name);
    if (!file) return NULL;   /* reported for the first tensor that named it */
    if (offset < 0 || length < -1 || offset > file->size || (length >= 0 && length > file->size - offset)) {
        sl_reader_error(reader, place, "side file '%s' has %lld bytes, but the tensor wants %lld bytes at offset %lld", name, (long long)file->size,
                        (long long)length, (long long)offset);
        return NULL;
    }
    *size = length >= 0 ? length : file->size - offset;
    return file->data + offset;
}
