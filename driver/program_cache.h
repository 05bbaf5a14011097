/* program_cache.h: whole compiled programs on disk, found by what they were made from. */
#ifndef SLUICE_PROGRAM_CACHE_H
#define SLUICE_PROGRAM_CACHE_H

#include "driver.h"
#include "sluice/program_writer.h"

#include <sys/stat.h>

typedef struct sl_program_cache {
    const char *folder;            /* NULL: no cache for this compilation */
    const char *key, *entry;       /* all that the program depends on but the sources' contents; the entry's path */
    bool store;                    /* false when a source changed too recently to be told from a later change */
    sl_program_source source;      /* the model itself; path NULL for one in memory */
} sl_program_cache;

/* Works out key and place for a model. `folder` as in the options' cache_dir, resolved. */
void sl_program_cache_open(sl_compilation *compilation, const char *folder, const char *path, const void *data, size_t size, sl_program_cache *cache);
/* A program from the cache, or false: none there, or one that is stale, damaged or not for this CPU. */
bool sl_program_cache_find(sl_compilation *compilation, const sl_program_cache *cache, sluice_program **program);
/* Writes an entry. Never fails the compilation: at most one warning. */
void sl_program_cache_store(sl_compilation *compilation, const sl_program_cache *cache, const sl_compiled *compiled);

/* Writes a program to `temporary` and renames it. `info` (may be NULL) describes the file then; its size is -1 when that is not known. */
SL_MUST_USE sl_status sl_program_save(const sl_program_writer *writer, const char *path, const char *temporary, unsigned mode, struct stat *info);
const char *sl_program_temporary(sl_compilation *compilation, const char *path);

/* What tells a file's contents: a hash of them for small files, else its device, inode, size and times. "" when it can't be read. `fresh`: it changed so recently
 * that a further change might leave the same times. */
const char *sl_source_identity(sl_arena *arena, const char *path, bool *fresh);
/* Origin of what this compilation makes, with the sources as they are now. */
sl_program_origin sl_compilation_origin(sl_compilation *compilation, const sl_program_cache *cache);

#endif
