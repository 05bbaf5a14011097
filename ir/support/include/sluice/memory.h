/* memory.h: the explicit allocator, arenas with cleanups, growable arrays and text.
 *
 * Compiler-side memory (IR, import, passes, code generation) comes from arenas only. An arena allocation never returns NULL: when the
 * allocator refuses, control leaves through the arena's out-of-memory handler, a longjmp to the innermost SL_GUARD of the entry point that
 * was called (import, pass run, compile, print). Nothing is lost because everything hangs off arenas: memory by itself, other
 * resources (files, LLVM objects, mappings) by a cleanup registered right after they were acquired. No function between a guard and an
 * allocation may hold a lock or an unregistered resource.
 *
 * The runtime does not use arenas' longjmp: it calls sl_allocate and returns a status.
 */
#ifndef SLUICE_MEMORY_H
#define SLUICE_MEMORY_H

#include "sluice/status.h"
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* resize(self, NULL, n, align) allocates, resize(self, p, 0, _) frees, else reallocates. Returns NULL on failure. Alignment at most 64. */
typedef struct sl_allocator {
    void *self;
    void *(*resize)(void *self, void *pointer, size_t old_size, size_t new_size, size_t alignment);
} sl_allocator;

sl_allocator sl_allocator_system(void);
/* Fails the nth allocation (counted from 1) and, if `forever`, every later one: the failing-allocator sweep of the tests. */
typedef struct sl_failing_allocator { sl_allocator base; int64_t count; int64_t fail_at; bool forever; } sl_failing_allocator;
sl_allocator sl_allocator_failing(sl_failing_allocator *state);

void *sl_allocate(const sl_allocator *allocator, size_t size, size_t alignment);  /* zeroed; NULL on failure */
void sl_deallocate(const sl_allocator *allocator, void *pointer, size_t size);

typedef struct sl_arena sl_arena;

/* NULL on failure. `block_size` 0 picks a default. */
sl_arena *sl_arena_create(const sl_allocator *allocator, size_t block_size);
void sl_arena_destroy(sl_arena *arena);          /* runs cleanups in reverse order */
void sl_arena_reset(sl_arena *arena);            /* same, keeps the first block */
const sl_allocator *sl_arena_allocator(const sl_arena *arena);

/* Zeroed memory, 16-byte aligned (or as asked, at most 64). Leaves through the guard when there is none. */
void *sl_arena_alloc(sl_arena *arena, size_t size);
void *sl_arena_alloc_aligned(sl_arena *arena, size_t size, size_t alignment);
/* Zeroed, 64-byte aligned memory for constant data. From 16 kB on it lies in blocks of large pages: weights of some 100 kB that a kernel streams from L2 take a sixth more time in small ones. */
void *sl_arena_alloc_data(sl_arena *arena, size_t size);
void *sl_arena_alloc_uninitialized(sl_arena *arena, size_t size);   /* for large memory that is written at once; 64-byte aligned from 64 bytes on */
void *sl_arena_copy(sl_arena *arena, const void *data, size_t size);
char *sl_arena_strdup(sl_arena *arena, const char *text);
char *sl_arena_strndup(sl_arena *arena, const char *text, size_t length);
SL_PRINTF(2, 3) char *sl_arena_printf(sl_arena *arena, const char *format, ...);
SL_PRINTF(2, 0) char *sl_arena_vprintf(sl_arena *arena, const char *format, va_list arguments);
void sl_arena_on_destroy(sl_arena *arena, void (*cleanup)(void *), void *argument);
#define SL_NEW(arena, type) ((type *)sl_arena_alloc((arena), sizeof(type)))
#define SL_NEW_ARRAY(arena, type, count) ((type *)sl_arena_alloc_array((arena), (count), sizeof(type)))
void *sl_arena_alloc_array(sl_arena *arena, size_t count, size_t size);  /* checks the product */

/* The guard: where an arena's out-of-memory leads. Guards nest; an arena without one returns through abort only if a programmer forgot it
 * (asserted). Usage:
 *     sl_guard guard;
 *     if (SL_GUARD_ENTER(&guard)) { ...work...; sl_guard_leave(&guard); return status; }
 *     return SL_ERROR(SL_OUT_OF_MEMORY, ...);           // arrived by longjmp, guard already left
 * Guards are per thread (a thread-local stack head is the one permitted thread-local). Locals changed after SL_GUARD_ENTER and read after
 * the longjmp must be volatile. */
typedef struct sl_guard { jmp_buf target; struct sl_guard *outer; } sl_guard;
void sl_guard_push(sl_guard *guard);
void sl_guard_leave(sl_guard *guard);
#define SL_GUARD_ENTER(guard) (sl_guard_push(guard), setjmp((guard)->target) == 0)
_Noreturn void sl_out_of_memory(void);           /* jumps to the innermost guard */

/* Growable array on an arena:  SL_VEC(int) v = {0};  SL_PUSH(arena, &v, 3);  v.data[i], v.count.  */
#define SL_VEC(type) struct { type *data; size_t count, capacity; }
#define SL_PUSH(arena, vec, ...)                                                                                            \
    do {                                                                                                                    \
        if ((vec)->count == (vec)->capacity)                                                                                \
            (vec)->data = sl_arena_grow((arena), (vec)->data, &(vec)->capacity, sizeof(*(vec)->data));                      \
        (vec)->data[(vec)->count++] = (__VA_ARGS__);                                                                        \
    } while (0)
void *sl_arena_grow(sl_arena *arena, void *data, size_t *capacity, size_t element_size);

/* Growable text on an arena, always NUL-terminated. */
typedef struct sl_text { sl_arena *arena; char *data; size_t length, capacity; } sl_text;
void sl_text_init(sl_text *text, sl_arena *arena);
SL_PRINTF(2, 3) void sl_text_append(sl_text *text, const char *format, ...);
void sl_text_append_bytes(sl_text *text, const char *bytes, size_t count);
void sl_text_append_quoted(sl_text *text, const char *string);   /* "..." with \" \\ \n \xHH escapes */

/* Overflow-checked arithmetic on non-negative sizes; false when the result does not fit in int64. */
bool sl_size_mul(int64_t a, int64_t b, int64_t *result);
bool sl_size_add(int64_t a, int64_t b, int64_t *result);

/* Reads a whole file into the arena (or maps it read-only; unmapped by cleanup). `limit` bytes at most. */
SL_MUST_USE sl_status sl_file_read(sl_arena *arena, const char *path, int64_t limit, const uint8_t **data, int64_t *size);
SL_MUST_USE sl_status sl_file_map(sl_arena *arena, const char *path, const uint8_t **data, int64_t *size);
/* Writes to a temporary sibling and renames it over `path`, so that no half-written file is ever seen. */
SL_MUST_USE sl_status sl_file_write_atomic(const char *path, const void *data, size_t size);

uint64_t sl_hash_bytes(const void *data, size_t size, uint64_t seed);

/* Checksum of large data, near memory speed: against damage, not against an adversary. Fed in pieces; each but the last a multiple of 64 bytes, or else it counts
 * as filled up with zeros to one. Any change within one 64-bit word changes the sum. */
typedef struct sl_checksum { uint64_t lanes[8], stripes; } sl_checksum;
void sl_checksum_init(sl_checksum *sum);
void sl_checksum_add(sl_checksum *sum, const void *data, size_t size);
uint64_t sl_checksum_value(const sl_checksum *sum);
uint64_t sl_checksum_of(const void *data, size_t size);

#endif
