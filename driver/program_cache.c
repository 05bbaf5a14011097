/* program_cache.c: the cache of whole programs. An entry is a program file (sluice/program_file.h) named by the hash of its key:
 *
 *     <hash>.slp    the program; its meta holds the whole key and, for each file that it was made from, what told that file's contents
 *     <hash>.ok     "verified": device, inode, size, change time of the .slp, and the boot; its own time is when the entry was last used
 *
 * Key: compiler build, target with its caches and thread count, every option that changes code, the model's folder and identity (bindings_key below). Entries are
 * compared by key, not by hash. Sources are checked by identity: small files by content, large ones by device, inode, size and times, because reading 500 MB takes
 * longer than loading may. A file whose times are younger than a tenth of a second is not told apart from its next version, so nothing is stored for it.
 *
 * Damage: header, descriptions, code and integer constants are verified in every load. Weights are too, unless the .ok file says that exactly this inode, unchanged
 * since (change times can't be set by programs) and in this boot (a crash may lose data that was not written out), has been verified. What does not verify is compiled
 * again and replaced.
 *
 * Many processes: entries are written to temporary files and renamed; a mapped entry lives on when it is replaced or evicted. Entries that belong to other users
 * are not loaded: they hold code. Limit: after a store the least recently used files of the folder go until the sum fits. */
#include "program_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SMALL_SOURCE = 4 << 20 };
static const int64_t default_limit = INT64_C(8) << 30;

/* ---- identities ---- */

static int64_t nanoseconds(struct timespec time) { return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec; }

static bool is_fresh(const struct stat *info) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t limit = nanoseconds(now) - 100000000;
    return nanoseconds(info->st_mtim) > limit || nanoseconds(info->st_ctim) > limit;
}

const char *sl_source_identity(sl_arena *arena, const char *path, bool *fresh) {
    *fresh = false;
    struct stat info;
    if (stat(path, &info) || !S_ISREG(info.st_mode)) return "";
    if (info.st_size <= SMALL_SOURCE) {
        const uint8_t *data;
        int64_t size;
        sl_status status = sl_file_read(arena, path, SMALL_SOURCE, &data, &size);
        if (!status) return sl_arena_printf(arena, "content %lld %016llx", (long long)size, (unsigned long long)sl_checksum_of(data, (size_t)size));
        sl_status_free(status);
        return "";
    }
    *fresh = is_fresh(&info);
    return sl_arena_printf(arena, "file %llx %llx %lld %lld %lld", (unsigned long long)info.st_dev, (unsigned long long)info.st_ino, (long long)info.st_size,
                           (long long)nanoseconds(info.st_mtim), (long long)nanoseconds(info.st_ctim));
}

/* ---- keys ---- */

/* Every option that changes the program. The size is checked so that a new option stops the build here: decide whether it belongs into the key. */
_Static_assert(sizeof(sluice_compile_options) == 184, "a new compile option: does the program depend on it? then add it to options_key");
static void options_key(sl_text *key, const sluice_compile_options *options) {
    const char *const texts[] = {options->format, options->target, options->pipeline, options->deny, options->precision, options->kernel};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        sl_text_append_quoted(key, texts[i] ? texts[i] : "");
        sl_text_append(key, "%c", texts[i] ? '\n' : '-');
    }
    sl_text_append(key, "threads %d verify %d strict %d absent %d memory %lld\n", options->threads, options->verify, options->strict, options->absent_weights, (long long)options->memory_budget);
    for (int i = 0; options->bindings && options->bindings[i]; i++) {
        sl_text_append_quoted(key, options->bindings[i]);
        sl_text_append(key, "\n");
    }
}

static const char *folder_of(sl_arena *arena, const char *path) {
    char resolved[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const char *folder = slash == path ? "/" : slash ? sl_arena_strndup(arena, path, (size_t)(slash - path)) : ".";
    return realpath(folder, resolved) ? sl_arena_strdup(arena, resolved) : folder;
}

void sl_program_cache_open(sl_compilation *compilation, const char *folder, const char *path, const void *data, size_t size, sl_program_cache *cache) {
    const sluice_compile_options *options = compilation->options;
    const sl_machine *machine = &compilation->machine;
    sl_arena *arena = compilation->arena;
    *cache = (sl_program_cache){0};
    bool watched = options->print_before || options->print_after || options->print_changed || options->dump_dir || options->reproducer || options->print_decisions;
    if (!folder || watched) return;   /* who wants to see the passes needs them to run */
    bool fresh = false;
    const char *identity = data ? sl_arena_printf(arena, "content %zu %016llx", size, (unsigned long long)sl_checksum_of(data, size)) : sl_source_identity(arena, path, &fresh);
    bool fresh_ranges = false, fresh_profile = false;
    const char *ranges = options->calibration ? sl_source_identity(arena, options->calibration, &fresh_ranges) : "none";
    const char *profile = options->profile ? sl_source_identity(arena, options->profile, &fresh_profile) : "none";
    if (!*identity || !*ranges || !*profile) return;
    fresh |= fresh_ranges || fresh_profile;
    sl_text key;
    sl_text_init(&key, arena);
    sl_text_append(&key, "%s\n%s cpu %s tune %s features %s\n", sl_compiler_id(arena), machine->triple, machine->cpu, machine->tune ? machine->tune : "", machine->features);
    sl_text_append(&key, "caches %lld %lld %lld threads %d\n", (long long)machine->l1_bytes, (long long)machine->l2_bytes, (long long)machine->l3_bytes, machine->threads);
    options_key(&key, options);
    sl_text_append_quoted(&key, folder_of(arena, path));   /* side files lie there */
    sl_text_append(&key, "\nmodel %s\ncalibration %s\nprofile %s\n", identity, ranges, profile);
    char name[40];
    snprintf(name, sizeof name, "%016llx%016llx", (unsigned long long)sl_hash_bytes(key.data, key.length, 0x5151), (unsigned long long)sl_hash_bytes(key.data, key.length, 0xC0DE));
    cache->folder = folder;
    cache->key = key.data;
    cache->entry = sl_arena_printf(arena, "%s/%s.slp", folder, name);
    cache->store = !fresh;
    if (!data) cache->source = (sl_program_source){path, identity};
}

sl_program_origin sl_compilation_origin(sl_compilation *compilation, const sl_program_cache *cache) {
    sl_arena *arena = compilation->arena;
    int side = compilation->model ? compilation->model->side_file_count : 0;
    sl_program_source *sources = SL_NEW_ARRAY(arena, sl_program_source, (size_t)side + 2);
    int64_t count = 0;
    if (cache && cache->source.path) sources[count++] = cache->source;
    for (int i = 0; i < side; i++) {
        bool fresh;
        const char *path = compilation->model->side_files[i];
        sources[count++] = (sl_program_source){path, sl_source_identity(arena, path, &fresh)};
        if (fresh) sources[count - 1].identity = "";   /* matches nothing */
    }
    return (sl_program_origin){.compiler = sl_compiler_id(arena), .triple = compilation->machine.triple, .features = compilation->machine.features,
                               .key = cache && cache->key ? cache->key : "", .diagnostics = compilation->diagnostics.data ? compilation->diagnostics.data : "",
                               .source_count = count, .sources = sources};
}

/* ---- the note that an entry was verified ---- */

static const char *note_path(sl_arena *arena, const char *entry) { return sl_arena_printf(arena, "%.*sok", (int)strlen(entry) - 3, entry); }

static const char *note_text(sl_arena *arena, const struct stat *info) {
    char id[64] = "";
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file) {
        if (!fgets(id, sizeof id, file)) id[0] = 0;
        fclose(file);
    }
    return sl_arena_printf(arena, "verified %llx %llx %lld %lld\n%s", (unsigned long long)info->st_dev, (unsigned long long)info->st_ino, (long long)info->st_size,
                           (long long)nanoseconds(info->st_ctim), id);
}

static bool is_noted(sl_arena *arena, const char *entry, const struct stat *info) {
    const uint8_t *data;
    int64_t size;
    sl_status status = sl_file_read(arena, note_path(arena, entry), 4096, &data, &size);
    bool noted = !status && strcmp((const char *)data, note_text(arena, info)) == 0;
    sl_status_free(status);
    return noted;
}

static void write_note(sl_arena *arena, const char *entry, const struct stat *info) {
    const char *text = note_text(arena, info);
    sl_status_free(sl_file_write_atomic(note_path(arena, entry), text, strlen(text)));
}

/* ---- finding ---- */

static bool same_file(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size && nanoseconds(a->st_ctim) == nanoseconds(b->st_ctim);
}

static bool sources_unchanged(sl_arena *arena, const sl_program_origin *origin, const sl_program_cache *cache) {
    for (int64_t i = 0; i < origin->source_count; i++) {
        bool fresh;
        const sl_program_source *source = &origin->sources[i];
        /* The model's own identity is in the key. */
        if (cache->source.path && i == 0) continue;
        if (!*source->identity || strcmp(sl_source_identity(arena, source->path, &fresh), source->identity) != 0) return false;
    }
    return true;
}

bool sl_program_cache_find(sl_compilation *compilation, const sl_program_cache *cache, sluice_program **program) {
    sl_arena *arena = compilation->arena;
    struct stat before, after;
    if (!cache->folder || stat(cache->entry, &before) || !S_ISREG(before.st_mode)) return false;
    if (before.st_uid != geteuid() || (before.st_mode & (S_IWGRP | S_IWOTH))) return false;
    sl_program_file file;
    sl_status status = sl_program_file_open(sl_host_allocator(compilation->host), cache->entry, NULL, 0, &file);
    bool found = false;
    if (!status) {
        bool noted = is_noted(arena, cache->entry, &before);
        const char *diagnostics = NULL;
        if (strcmp(file.origin.key, cache->key) == 0 && sources_unchanged(arena, &file.origin, cache)) {
            diagnostics = sl_arena_strdup(arena, file.origin.diagnostics);
            status = sl_program_file_load(&file, noted ? SL_VERIFY_ALL_BUT_BULK : SL_VERIFY_ALL, program);
            found = !status;
        }
        sl_program_file_close(&file);
        if (found) {
            if (noted) (void)utimensat(AT_FDCWD, note_path(arena, cache->entry), NULL, 0);
            else if (!stat(cache->entry, &after) && same_file(&before, &after)) write_note(arena, cache->entry, &after);
            if (*diagnostics) sl_host_diagnostic(compilation->host, diagnostics);
        }
    }
    const sluice_compile_options *options = compilation->options;
    if (options->timing && options->print) {
        const char *outcome = found ? "found" : status ? sl_status_message(status) : "stale";
        options->print(options->print_self, sl_arena_printf(arena, "program cache: %s%s\n", outcome, found ? "" : "; compiling again"));
    }
    sl_status_free(status);
    return found;
}

/* ---- storing ---- */

typedef struct entry { char name[128]; int64_t bytes, used; } entry;

static int by_use(const void *a, const void *b) {
    const entry *x = a, *y = b;
    return x->used < y->used ? -1 : x->used > y->used;
}

static bool has_suffix(const char *name, const char *suffix) {
    size_t length = strlen(name), end = strlen(suffix);
    return length > end && strcmp(name + length - end, suffix) == 0;
}

typedef SL_VEC(entry) entry_list;

static void list_entries(sl_arena *arena, DIR *open, const char *folder, entry_list *entries, int64_t *total) {
    for (struct dirent *item; (item = readdir(open));) {
        struct stat info, note;
        entry found = {.bytes = 0};
        bool program = has_suffix(item->d_name, ".slp"), object = has_suffix(item->d_name, ".slo"), temporary = has_suffix(item->d_name, ".tmp");
        if ((!program && !object && !temporary) || strlen(item->d_name) >= sizeof found.name) continue;
        if (fstatat(dirfd(open), item->d_name, &info, AT_SYMLINK_NOFOLLOW) || !S_ISREG(info.st_mode)) continue;
        if (temporary) {   /* of a process that was killed */
            if (nanoseconds(info.st_mtim) < (int64_t)time(NULL) * 1000000000 - INT64_C(3600000000000)) unlinkat(dirfd(open), item->d_name, 0);
            continue;
        }
        memcpy(found.name, item->d_name, strlen(item->d_name) + 1);
        found.bytes = info.st_size;
        found.used = nanoseconds(info.st_mtim);
        if (program && !stat(note_path(arena, sl_arena_printf(arena, "%s/%s", folder, item->d_name)), &note)) found.used = nanoseconds(note.st_mtim);
        *total += found.bytes;
        SL_PUSH(arena, entries, found);
    }
}

/* Deletes what was not used for the longest time until the folder holds at most `limit` bytes; `keep` is the entry just written. */
static void evict(sl_arena *arena, const char *folder, int64_t limit, const char *keep) {
    DIR *open = opendir(folder);
    if (!open) return;
    entry_list entries = {0};
    int64_t total = 0;
    sl_guard guard;
    if (!SL_GUARD_ENTER(&guard)) {
        closedir(open);
        sl_out_of_memory();
    }
    list_entries(arena, open, folder, &entries, &total);
    sl_guard_leave(&guard);
    closedir(open);
    if (total > limit) qsort(entries.data, entries.count, sizeof *entries.data, by_use);
    for (size_t i = 0; i < entries.count && total > limit; i++) {
        const char *path = sl_arena_printf(arena, "%s/%s", folder, entries.data[i].name);
        if (strcmp(path, keep) == 0) continue;
        if (has_suffix(path, ".slp")) unlink(note_path(arena, path));
        if (unlink(path) == 0) total -= entries.data[i].bytes;
    }
}

static void make_folder(sl_arena *arena, const char *path) {
    char *copy = sl_arena_strdup(arena, path);
    for (char *at = copy + 1; *at; at++) {
        if (*at != '/') continue;
        *at = 0;
        mkdir(copy, 0700);
        *at = '/';
    }
    mkdir(copy, 0700);
}

const char *sl_program_temporary(sl_compilation *compilation, const char *path) {
    return sl_arena_printf(compilation->arena, "%s.%ld.%llx.tmp", path, (long)getpid(), (unsigned long long)(uintptr_t)compilation);
}

sl_status sl_program_save(const sl_program_writer *writer, const char *path, const char *temporary, unsigned mode, struct stat *info) {
    unlink(temporary);   /* of a process that was killed and had this number */
    int descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (descriptor < 0) return SL_ERROR(errno == ENOENT || errno == ENOTDIR ? SL_NOT_FOUND : SL_IO, "can't write '%s': %s", path, strerror(errno));
    sl_status status = sl_program_writer_write(writer, descriptor, path);
    if (!status && rename(temporary, path) != 0) status = SL_ERROR(SL_IO, "can't write '%s': %s", path, strerror(errno));
    if (!status && info && fstat(descriptor, info) != 0) info->st_size = -1;
    if (status) unlink(temporary);
    if (close(descriptor) != 0 && !status) status = SL_ERROR(SL_IO, "can't write '%s': %s", path, strerror(errno));
    return status;
}

void sl_program_cache_store(sl_compilation *compilation, const sl_program_cache *cache, const sl_compiled *compiled) {
    sl_arena *arena = compilation->arena;
    if (!cache->folder || !cache->store) return;
    if (cache->source.path) {   /* not what the program was made from, if it changed meanwhile */
        bool fresh;
        if (strcmp(sl_source_identity(arena, cache->source.path, &fresh), cache->source.identity) != 0 || fresh) return;
    }
    int64_t limit = compilation->options->cache_limit > 0 ? compilation->options->cache_limit : default_limit, bytes = 0;
    for (int32_t i = 0; i < compiled->table->constant_count; i++) bytes += compiled->constants[i].bytes;
    if (bytes > limit) return;
    make_folder(arena, cache->folder);
    sl_program_origin origin = sl_compilation_origin(compilation, cache);
    const sl_program_writer *writer = sl_program_writer_create(arena, compiled, &origin, NULL);
    struct stat info;
    sl_status status = sl_program_save(writer, cache->entry, sl_program_temporary(compilation, cache->entry), 0600, &info);
    if (status) {
        sl_host_diagnostic(compilation->host, sl_arena_printf(arena, "warning: the program was compiled but not cached: %s\n", sl_status_message(status)));
        sl_status_free(status);
        return;
    }
    if (info.st_size >= 0) write_note(arena, cache->entry, &info);   /* we know what we wrote */
    evict(arena, cache->folder, limit, cache->entry);
}
