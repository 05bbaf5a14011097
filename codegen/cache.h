/* cache.h: compiled objects on disk, found by the content that they were made from. */
#ifndef SLUICE_CACHE_H
#define SLUICE_CACHE_H

#include "sluice/memory.h"

typedef struct sl_cache { const char *directory; } sl_cache;   /* directory NULL: no cache */

/* `key` is all that the object depends on. True and the object's bytes (in the arena) when there is a sound entry with exactly this key. */
bool sl_cache_load(const sl_cache *cache, sl_arena *arena, const char *key, size_t key_length, const uint8_t **object, int64_t *size);
/* Never fails: an entry that can't be written is not there next time. */
void sl_cache_store(const sl_cache *cache, sl_arena *arena, const char *key, size_t key_length, const void *object, size_t size);
/* What identifies the compiler itself in keys: version, LLVM's version, and the build id of the running binary where it has one. */
const char *sl_cache_compiler_id(sl_arena *arena);
/* Name of the entry for a key: 32 hexadecimal digits. */
void sl_cache_name(const char *key, size_t key_length, char name[33]);

#endif
