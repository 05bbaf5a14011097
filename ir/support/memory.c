/* memory.c: allocators, arenas and the out-of-memory guard.
 *
 * An arena is a list of blocks, newest first; an allocation bumps the newest block or opens another (twice as large up to a limit; an allocation that
 * doesn't fit a usual block gets one of its own). Memory is zeroed when it is handed out, since a reset arena reuses its first block. Cleanups form a
 * list inside of the arena itself, so registering one allocates: when that fails the cleanup runs at once, so that the resource isn't lost. */
#include "sluice/memory.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20 };

/* ---- allocators ---- */

/* Large blocks hold weights, which are streamed: with small pages the look-up of addresses takes up to a third of the time. A hint only. */
static void prefer_huge_pages(void *pointer, size_t size) {
#ifdef MADV_HUGEPAGE
    const uintptr_t page = HUGE_PAGE;
    uintptr_t from = ((uintptr_t)pointer + page - 1) / page * page, to = ((uintptr_t)pointer + size) / page * page;
    if (size >= 2 * page && to > from) (void)madvise((void *)from, to - from, MADV_HUGEPAGE);
#else
    (void)pointer, (void)size;
#endif
}

static void *system_resize(void *self, void *pointer, size_t old_size, size_t new_size, size_t alignment) {
    (void)self;
    if (new_size == 0) {
        free(pointer);
        return NULL;
    }
    if (alignment <= _Alignof(max_align_t)) return realloc(pointer, new_size);
    if (new_size > SIZE_MAX - alignment) return NULL;
    void *fresh = aligned_alloc(alignment, (new_size + alignment - 1) / alignment * alignment);
    if (fresh) prefer_huge_pages(fresh, new_size);
    if (fresh && pointer) {
        memcpy(fresh, pointer, old_size < new_size ? old_size : new_size);
        free(pointer);
    }
    return fresh;
}

sl_allocator sl_allocator_system(void) { return (sl_allocator){NULL, system_resize}; }

static void *failing_resize(void *self, void *pointer, size_t old_size, size_t new_size, size_t alignment) {
    sl_failing_allocator *state = self;
    if (new_size) {
        state->count++;
        if (state->fail_at > 0 && (state->count == state->fail_at || (state->forever && state->count > state->fail_at))) return NULL;
    }
    return state->base.resize(state->base.self, pointer, old_size, new_size, alignment);
}

sl_allocator sl_allocator_failing(sl_failing_allocator *state) {
    if (!state->base.resize) state->base = sl_allocator_system();
    return (sl_allocator){state, failing_resize};
}

void *sl_allocate(const sl_allocator *allocator, size_t size, size_t alignment) {
    if (size == 0) size = 1;
    void *pointer = allocator->resize(allocator->self, NULL, 0, size, alignment);
    if (pointer) memset(pointer, 0, size);
    return pointer;
}

void sl_deallocate(const sl_allocator *allocator, void *pointer, size_t size) {
    if (pointer) allocator->resize(allocator->self, pointer, size, 0, 1);
}

/* ---- guards ---- */

static _Thread_local sl_guard *innermost;

void sl_guard_push(sl_guard *guard) {
    guard->outer = innermost;
    innermost = guard;
}

void sl_guard_leave(sl_guard *guard) {
    assert(innermost == guard && "guards must be left innermost first");
    innermost = guard->outer;
}

_Noreturn void sl_out_of_memory(void) {
    sl_guard *guard = innermost;
    assert(guard && "out of memory outside of an SL_GUARD: the entry point forgot it");
    if (!guard) __builtin_trap();
    innermost = guard->outer;
    longjmp(guard->target, 1);
}

/* ---- arenas ---- */

enum { DEFAULT_BLOCK = 16 << 10, LARGEST_USUAL_BLOCK = 4 << 20, BLOCK_ALIGNMENT = 64, USUAL_ALIGNMENT = 16,
       SMALLEST_DATA = 16 << 10, FIRST_DATA_BLOCK = 2 * HUGE_PAGE, LARGEST_DATA_BLOCK = 16 * HUGE_PAGE };

typedef struct block {
    struct block *older;
    size_t size;   /* of the whole allocation, this head included */
    size_t used;   /* offset of the first free byte */
} block;

typedef struct cleanup {
    struct cleanup *older;
    void (*run)(void *);
    void *argument;
} cleanup;

struct sl_arena {
    sl_allocator allocator;
    block *newest;
    cleanup *cleanups;
    size_t block_size;   /* of the next usual block */
    block *data;         /* that sl_arena_alloc_data bumps; NULL: none yet */
    size_t data_size;    /* of the next one */
};

static block *block_create(const sl_allocator *allocator, size_t size, size_t alignment) {
    block *fresh = allocator->resize(allocator->self, NULL, 0, size, alignment);
    if (!fresh) return NULL;
    *fresh = (block){.older = NULL, .size = size, .used = sizeof(block)};
    return fresh;
}

sl_arena *sl_arena_create(const sl_allocator *allocator, size_t block_size) {
    if (block_size == 0) block_size = DEFAULT_BLOCK;
    if (block_size < 1024) block_size = 1024;
    /* The arena's own record is the first thing in its first block. */
    block *first = block_create(allocator, block_size, BLOCK_ALIGNMENT);
    if (!first) return NULL;
    sl_arena *arena = (sl_arena *)((char *)first + (first->used + USUAL_ALIGNMENT - 1) / USUAL_ALIGNMENT * USUAL_ALIGNMENT);
    first->used = (size_t)((char *)(arena + 1) - (char *)first);
    *arena = (sl_arena){.allocator = *allocator, .newest = first, .cleanups = NULL, .block_size = block_size, .data_size = FIRST_DATA_BLOCK};
    return arena;
}

static void run_cleanups(sl_arena *arena) {
    /* A cleanup may not register others, but popping before running keeps even that harmless. */
    while (arena->cleanups) {
        cleanup *last = arena->cleanups;
        arena->cleanups = last->older;
        last->run(last->argument);
    }
}

void sl_arena_destroy(sl_arena *arena) {
    if (!arena) return;
    run_cleanups(arena);
    sl_allocator allocator = arena->allocator;   /* the arena lies inside of its oldest block */
    for (block *current = arena->newest, *older; current; current = older) {
        older = current->older;
        allocator.resize(allocator.self, current, current->size, 0, BLOCK_ALIGNMENT);
    }
}

void sl_arena_reset(sl_arena *arena) {
    run_cleanups(arena);
    block *current = arena->newest;
    while (current->older) {
        block *older = current->older;
        arena->allocator.resize(arena->allocator.self, current, current->size, 0, BLOCK_ALIGNMENT);
        current = older;
    }
    current->used = (size_t)((char *)(arena + 1) - (char *)current);
    arena->newest = current, arena->data = NULL;
}

const sl_allocator *sl_arena_allocator(const sl_arena *arena) { return &arena->allocator; }

/* A block that is not bumped by usual allocations goes behind the one that is. The oldest block stays last since it holds the arena. */
static void keep_behind(sl_arena *arena, block *fresh) {
    block *current = arena->newest;
    if (current->older) {
        fresh->older = current->older;
        current->older = fresh;
    } else {
        fresh->older = current;
        arena->newest = fresh;
    }
}

/* NULL when the allocator refuses. Not zeroed. */
static void *take(sl_arena *arena, size_t size, size_t alignment) {
    block *current = arena->newest;
    size_t start = (current->used + alignment - 1) / alignment * alignment;   /* blocks themselves are 64-byte aligned */
    if (start > current->size || size > current->size - start) {
        size_t head = (sizeof(block) + alignment - 1) / alignment * alignment;
        if (size > SIZE_MAX / 2) return NULL;
        bool own = size > arena->block_size / 4;
        block *fresh = block_create(&arena->allocator, own ? head + size : arena->block_size, BLOCK_ALIGNMENT);
        if (!fresh) return NULL;
        if (own && current->size - current->used > size / 8 + 256) {
            keep_behind(arena, fresh);       /* the usual block is bumped on; the large one is full */
        } else {
            fresh->older = current;
            arena->newest = fresh;
        }
        if (!own && arena->block_size < LARGEST_USUAL_BLOCK) arena->block_size *= 2;
        current = fresh;
        start = head;
    }
    current->used = start + size;
    return (char *)current + start;
}

void *sl_arena_alloc_aligned(sl_arena *arena, size_t size, size_t alignment) {
    assert(alignment && alignment <= BLOCK_ALIGNMENT && (alignment & (alignment - 1)) == 0);
    if (alignment < USUAL_ALIGNMENT) alignment = USUAL_ALIGNMENT;
    void *pointer = take(arena, size ? size : 1, alignment);
    if (!pointer) sl_out_of_memory();
    return memset(pointer, 0, size ? size : 1);
}

void *sl_arena_alloc_data(sl_arena *arena, size_t size) {
    if (size < SMALLEST_DATA || size > LARGEST_DATA_BLOCK / 2) return sl_arena_alloc_aligned(arena, size, BLOCK_ALIGNMENT);
    size_t start = arena->data ? (arena->data->used + BLOCK_ALIGNMENT - 1) / BLOCK_ALIGNMENT * BLOCK_ALIGNMENT : 0;
    if (!arena->data || start > arena->data->size || size > arena->data->size - start) {
        while (arena->data_size < 2 * size) arena->data_size *= 2;
        block *fresh = block_create(&arena->allocator, arena->data_size, HUGE_PAGE);
        if (!fresh) return sl_arena_alloc_aligned(arena, size, BLOCK_ALIGNMENT);
        keep_behind(arena, fresh);
        if (arena->data_size < LARGEST_DATA_BLOCK) arena->data_size *= 2;
        arena->data = fresh;
        start = (sizeof(block) + BLOCK_ALIGNMENT - 1) / BLOCK_ALIGNMENT * BLOCK_ALIGNMENT;
    }
    arena->data->used = start + size;
    return memset((char *)arena->data + start, 0, size);
}

void *sl_arena_alloc(sl_arena *arena, size_t size) { return sl_arena_alloc_aligned(arena, size, USUAL_ALIGNMENT); }

void *sl_arena_alloc_array(sl_arena *arena, size_t count, size_t size) {
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) sl_out_of_memory();
    return sl_arena_alloc(arena, total);
}

void *sl_arena_alloc_uninitialized(sl_arena *arena, size_t size) {
    void *pointer = take(arena, size ? size : 1, size >= BLOCK_ALIGNMENT ? BLOCK_ALIGNMENT : USUAL_ALIGNMENT);
    if (!pointer) sl_out_of_memory();
    return pointer;
}

void *sl_arena_copy(sl_arena *arena, const void *data, size_t size) {
    void *pointer = sl_arena_alloc_uninitialized(arena, size);
    if (size) memcpy(pointer, data, size);
    return pointer;
}

char *sl_arena_strndup(sl_arena *arena, const char *text, size_t length) {
    char *copy = take(arena, length + 1, 1);
    if (!copy) sl_out_of_memory();
    if (length) memcpy(copy, text, length);
    copy[length] = 0;
    return copy;
}

char *sl_arena_strdup(sl_arena *arena, const char *text) { return sl_arena_strndup(arena, text, strlen(text)); }

void sl_arena_on_destroy(sl_arena *arena, void (*run)(void *), void *argument) {
    cleanup *entry = take(arena, sizeof(cleanup), USUAL_ALIGNMENT);
    if (!entry) {
        run(argument);
        sl_out_of_memory();
    }
    *entry = (cleanup){arena->cleanups, run, argument};
    arena->cleanups = entry;
}

void *sl_arena_grow(sl_arena *arena, void *data, size_t *capacity, size_t element_size) {
    size_t old = *capacity, larger = old ? old * 2 : 8;
    if (larger < old || larger > SIZE_MAX / 2 / element_size) sl_out_of_memory();
    *capacity = larger;
    /* The newest allocation of the newest block is extended in place, as when one array or text grows alone. */
    block *current = arena->newest;
    size_t extra = (larger - old) * element_size;
    if (old && (char *)data + old * element_size == (char *)current + current->used && current->size - current->used >= extra) {
        memset((char *)current + current->used, 0, extra);
        current->used += extra;
        return data;
    }
    char *fresh = sl_arena_alloc_array(arena, larger, element_size);
    if (old) memcpy(fresh, data, old * element_size);
    return fresh;
}

bool sl_size_mul(int64_t a, int64_t b, int64_t *result) { return !__builtin_mul_overflow(a, b, result) && *result >= 0; }

bool sl_size_add(int64_t a, int64_t b, int64_t *result) { return !__builtin_add_overflow(a, b, result) && *result >= 0; }
