/* file.c: whole-file reading, read-only mapping and atomic writing. */
#include "sluice/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static sl_status file_error(int error, const char *verb, const char *path) {
    return SL_ERROR(error == ENOENT || error == ENOTDIR ? SL_NOT_FOUND : SL_IO, "can't %s '%s': %s", verb, path, strerror(error));
}

/* Opens a regular file and gives its size; *descriptor is -1 after a failure. */
static sl_status open_regular(const char *path, int *descriptor, int64_t *size) {
    /* O_NONBLOCK: opening a FIFO that was named as a model must not hang. */
    *descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*descriptor < 0) return file_error(errno, "open", path);
    struct stat info;
    sl_status status = NULL;
    if (fstat(*descriptor, &info) != 0) status = file_error(errno, "read", path);
    else if (S_ISDIR(info.st_mode)) status = SL_ERROR(SL_IO, "can't read '%s': it is a folder", path);
    else if (!S_ISREG(info.st_mode)) status = SL_ERROR(SL_IO, "can't read '%s': not a regular file", path);
    else *size = info.st_size;
    if (status) {
        close(*descriptor);
        *descriptor = -1;
    }
    return status;
}

static void close_descriptor(void *descriptor) { close((int)(intptr_t)descriptor); }

sl_status sl_file_read(sl_arena *arena, const char *path, int64_t limit, const uint8_t **data, int64_t *size) {
    int descriptor;
    SL_TRY(open_regular(path, &descriptor, size));
    if (*size > limit) {
        close(descriptor);
        return SL_ERROR(SL_OVERFLOW, "'%s' has %lld bytes, more than the limit of %lld", path, (long long)*size, (long long)limit);
    }
    /* The arena may leave by longjmp while the descriptor is open, so the buffer's arena owns the descriptor through a scratch arena. */
    sl_arena *scratch = sl_arena_create(sl_arena_allocator(arena), 1024);
    if (!scratch) {
        close(descriptor);
        sl_out_of_memory();
    }
    sl_guard guard;
    if (!SL_GUARD_ENTER(&guard)) {
        sl_arena_destroy(scratch);
        sl_out_of_memory();
    }
    sl_arena_on_destroy(scratch, close_descriptor, (void *)(intptr_t)descriptor);
    uint8_t *bytes = sl_arena_alloc_aligned(arena, (size_t)*size + 1, 64);   /* one more: texts are NUL-terminated */
    sl_status status = NULL;
    int64_t done = 0;
    while (done < *size) {
        ssize_t got = read(descriptor, bytes + done, (size_t)(*size - done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) status = file_error(errno, "read", path);
        if (got <= 0) break;
        done += got;
    }
    if (!status && done < *size) status = SL_ERROR(SL_IO, "can't read '%s': it shrank while it was read", path);
    sl_guard_leave(&guard);
    sl_arena_destroy(scratch);
    *data = bytes;
    return status;
}

typedef struct mapping { void *address; size_t size; } mapping;

static void unmap(void *argument) {
    mapping *map = argument;
    if (map->address) munmap(map->address, map->size);
}

sl_status sl_file_map(sl_arena *arena, const char *path, const uint8_t **data, int64_t *size) {
    /* The cleanup is registered first, still empty, so that nothing can fail between mapping and registering. */
    mapping *map = SL_NEW(arena, mapping);
    sl_arena_on_destroy(arena, unmap, map);
    int descriptor;
    SL_TRY(open_regular(path, &descriptor, size));
    if (*size == 0) {
        close(descriptor);
        *data = (const uint8_t *)"";
        return NULL;
    }
    void *address = mmap(NULL, (size_t)*size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    int error = errno;
    close(descriptor);
    if (address == MAP_FAILED) return file_error(error, "map", path);
    *map = (mapping){address, (size_t)*size};
    *data = address;
    return NULL;
}

sl_status sl_file_write_atomic(const char *path, const void *data, size_t size) {
    size_t length = strlen(path) + 48;
    char *temporary = malloc(length);
    if (!temporary) return SL_ERROR(SL_OUT_OF_MEMORY, "out of memory");
    /* Not mkstemp: it makes files private, and asking for the umask to undo that isn't safe with threads. */
    int descriptor = -1;
    for (unsigned attempt = 0; attempt < 100 && descriptor < 0; attempt++) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        snprintf(temporary, length, "%s.%ld-%ld-%u.tmp", path, (long)getpid(), now.tv_nsec, attempt);
        descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (descriptor < 0 && errno != EEXIST) break;
    }
    if (descriptor < 0) {
        sl_status status = file_error(errno, "create", temporary);
        free(temporary);
        return status;
    }
    sl_status status = NULL;
    const char *bytes = data;
    for (size_t done = 0; done < size && !status;) {
        ssize_t put = write(descriptor, bytes + done, size - done);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) status = file_error(errno, "write", path);
        else done += (size_t)put;
    }
    if (close(descriptor) != 0 && !status) status = file_error(errno, "write", path);
    if (!status && rename(temporary, path) != 0) status = file_error(errno, "write", path);
    if (status) unlink(temporary);
    free(temporary);
    return status;
}
