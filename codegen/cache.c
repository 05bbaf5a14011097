/* cache.c: the object cache. An entry is one file <hash of the key>.slo:
 *
 *     "SLUICE-OBJECT-1\n"  key length (u64)  object length (u64)  checksum (u64)  key  object
 *
 * Invariants: an entry is used only when its key equals the wanted key byte for byte and its checksum (over lengths, key and object) is right, so collisions,
 * truncation and bit rot cost a recompilation and nothing else. Entries are written to a temporary file and renamed, so readers see all or nothing and
 * concurrent writers don't disturb each other. Nothing here fails a compilation: no directory, no permission, a full disk mean no entry. */
#include "cache.h"
#include <elf.h>
#include <link.h>
#include <llvm-c/Core.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char magic[16] = {'S', 'L', 'U', 'I', 'C', 'E', '-', 'O', 'B', 'J', 'E', 'C', 'T', '-', '1', '\n'};
enum { HEADER = 16 + 3 * 8 };

void sl_cache_name(const char *key, size_t key_length, char name[33]) {
    snprintf(name, 33, "%016llx%016llx", (unsigned long long)sl_hash_bytes(key, key_length, 0x5151), (unsigned long long)sl_hash_bytes(key, key_length, 0xC0DE));
}

static const char *entry_path(const sl_cache *cache, sl_arena *arena, const char *key, size_t key_length) {
    char name[33];
    sl_cache_name(key, key_length, name);
    return sl_arena_printf(arena, "%s/%s.slo", cache->directory, name);
}

static uint64_t checksum(uint64_t key_length, uint64_t object_length, const uint8_t *body) {
    uint64_t sum = sl_hash_bytes(&key_length, 8, 0xABCD);
    sum = sl_hash_bytes(&object_length, 8, sum);
    return sl_hash_bytes(body, (size_t)(key_length + object_length), sum);
}

bool sl_cache_load(const sl_cache *cache, sl_arena *arena, const char *key, size_t key_length, const uint8_t **object, int64_t *size) {
    if (!cache->directory) return false;
    const uint8_t *data;
    int64_t length;
    sl_status status = sl_file_read(arena, entry_path(cache, arena, key, key_length), INT64_C(1) << 30, &data, &length);
    if (status) {
        sl_status_free(status);
        return false;
    }
    uint64_t fields[3];
    if (length < HEADER || memcmp(data, magic, sizeof(magic))) return false;
    memcpy(fields, data + 16, sizeof(fields));
    if (fields[0] != key_length || (uint64_t)length - HEADER < key_length || fields[1] != (uint64_t)length - HEADER - key_length) return false;
    if (memcmp(data + HEADER, key, key_length) || checksum(fields[0], fields[1], data + HEADER) != fields[2]) return false;
    *object = data + HEADER + key_length;
    *size = (int64_t)fields[1];
    return true;
}

/* Makes the directory and those above it, for the user alone. */
static void make_directory(sl_arena *arena, const char *path) {
    char *copy = sl_arena_strdup(arena, path);
    for (char *at = copy + 1; *at; ++at)
        if (*at == '/') {
            *at = 0;
            mkdir(copy, 0700);
            *at = '/';
        }
    mkdir(copy, 0700);
}

void sl_cache_store(const sl_cache *cache, sl_arena *arena, const char *key, size_t key_length, const void *object, size_t size) {
    if (!cache->directory) return;
    struct stat info;
    if (stat(cache->directory, &info)) make_directory(arena, cache->directory);
    size_t length = HEADER + key_length + size;
    uint8_t *data = sl_arena_alloc(arena, length);
    memcpy(data, magic, sizeof(magic));
    memcpy(data + HEADER, key, key_length);
    memcpy(data + HEADER + key_length, object, size);
    uint64_t fields[3] = {key_length, size, checksum(key_length, size, data + HEADER)};
    memcpy(data + 16, fields, sizeof(fields));
    sl_status_free(sl_file_write_atomic(entry_path(cache, arena, key, key_length), data, length));
}

/* ---- which compiler ---- */

typedef struct build_id { uintptr_t code; char text[65]; } build_id;

static int find_build_id(struct dl_phdr_info *info, size_t size, void *self) {
    (void)size;
    build_id *id = self;
    bool mine = false;
    for (int i = 0; i < info->dlpi_phnum; ++i) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + header->p_vaddr;
        mine |= header->p_type == PT_LOAD && id->code >= start && id->code < start + header->p_memsz;
    }
    if (!mine) return 0;
    for (int i = 0; i < info->dlpi_phnum; ++i) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type != PT_NOTE) continue;
        const uint8_t *at = (const uint8_t *)(info->dlpi_addr + header->p_vaddr), *end = at + header->p_memsz;
        while (at + sizeof(ElfW(Nhdr)) <= end) {
            const ElfW(Nhdr) *note = (const ElfW(Nhdr) *)at;
            const uint8_t *name = at + sizeof(*note), *bytes = name + ((note->n_namesz + 3u) & ~3u);
            if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && !memcmp(name, "GNU", 4) && bytes + note->n_descsz <= end) {
                for (unsigned b = 0; b < note->n_descsz && b < 32; ++b) snprintf(id->text + 2 * b, 3, "%02x", bytes[b]);
                return 1;
            }
            at = bytes + ((note->n_descsz + 3u) & ~3u);
        }
    }
    return 1;
}

const char *sl_cache_compiler_id(sl_arena *arena) {
    unsigned major, minor, patch;
    LLVMGetVersion(&major, &minor, &patch);
    build_id id = {.code = (uintptr_t)(void *)sl_cache_compiler_id};
    dl_iterate_phdr(find_build_id, &id);
    return sl_arena_printf(arena, "sluice %s llvm %u.%u.%u build %s", SLUICE_VERSION, major, minor, patch, id.text);
}
