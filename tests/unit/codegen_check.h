/* codegen_check.h: compiling a module of kernel IR text in a unit test and calling its kernels. */
#ifndef SLUICE_TESTS_CODEGEN_CHECK_H
#define SLUICE_TESTS_CODEGEN_CHECK_H

#include "check.h"
#include "sluice/codegen.h"
#include <stdlib.h>

typedef struct bench {
    sl_allocator allocator;
    sl_arena *arena;
    sl_diag_sink sink;
    sl_context *context;
    sl_machine machine;
    sl_module *module;
    sl_kernels *kernels;
} bench;

static void bench_diag(void *self, const sl_diag *diag) {
    bench *b = self;
    sl_text text;
    sl_text_init(&text, b->arena);
    sl_diag_render(&text, diag);
    fputs(text.data, stderr);
}

static void bench_open(bench *b, const char *machine) {
    memset(b, 0, sizeof(*b));
    b->allocator = sl_allocator_system();
    b->arena = sl_arena_create(&b->allocator, 0);
    b->sink = (sl_diag_sink){bench_diag, b, 0, 0};
    b->context = sl_context_create(&b->allocator, &b->sink);
    CHECK(sl_machine_named(b->arena, machine, &b->machine));
}

static bool bench_ok(sl_status status) {
    if (!status) return true;
    fprintf(stderr, "%s\n", sl_status_message(status));
    check_failures++;
    sl_status_free(status);
    return false;
}

static bool bench_parse(bench *b, const char *text) {
    sl_guard guard;
    volatile bool ok = false;
    if (SL_GUARD_ENTER(&guard)) {
        ok = bench_ok(sl_module_parse(b->context, "test.sl", text, strlen(text), &b->module)) && bench_ok(sl_module_verify(b->module));
        sl_guard_leave(&guard);
    }
    if (!ok) fprintf(stderr, "%s\n", text);
    return ok;
}

static inline bool bench_compile(bench *b, const char *text, const char *cache_dir) {
    if (!bench_parse(b, text)) return false;
    sl_codegen_options options = {.machine = &b->machine, .cache_dir = cache_dir};
    return bench_ok(sl_codegen_kernels(b->module, &options, &b->allocator, &b->kernels));
}

/* Runs tasks [0, tasks) of kernel `name` on this thread; the message of a failed assertion, or NULL. */
static inline const char *bench_run(bench *b, const char *name, void *const *buffers, const int64_t *scalars, int64_t tasks) {
    static _Alignas(64) char scratch[1 << 20];
    sl_abi_worker worker = {.scratch = scratch};
    sl_kernel_fn function = sl_kernels_find(b->kernels, name);
    CHECK(function != NULL);
    if (function) function(buffers, scalars, 0, tasks, &worker);
    return worker.message;
}

static inline void bench_close(bench *b) {
    sl_kernels_destroy(b->kernels);
    if (b->module) sl_module_destroy(b->module);
    sl_context_destroy(b->context);
    sl_arena_destroy(b->arena);
}

#endif
