/* manager.c: runs passes over a module; the only place that verifies, prints, times, dumps, resets scratch and writes reproducers.
 *
 * Order of work for each pass: print-before, (reproducer wanted: clone the module), run, verify, print-after, dump, reset scratch. The first failure ends
 * the run; the reproducer is then the IR as it was before the failing pass, headed by the command that runs the rest of the pipeline:
 *     // RUN: sluice opt %s --passes=fuse,tile
 * Invariant: everything that outlives one pass hangs off run->arena, so that running out of memory anywhere loses nothing. */
#include "passes_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

typedef struct decision { const char *pass, *place, *what, *reason; } decision;

typedef struct pipeline_run {
    sl_module *module;
    const sl_pipeline_options *options;
    sl_arena *arena, *scratch;
    const char *current;                /* name of the running pass */
    SL_VEC(const sl_pass_info *) passes;
    SL_VEC(decision) decisions;
    SL_VEC(sl_pass_timing) timings;
} pipeline_run;

void sl_pipeline_options_init(sl_pipeline_options *options) {
    memset(options, 0, sizeof *options);
    options->verify_each = true;
}

void sl_pass_decide(sl_pass_context *pass, sl_op *op, const char *what, const char *reason) {
    if (pass->decision) pass->decision(pass->decision_self, op, what, reason);
}

bool sl_pass_dense_fallback(sl_pass_context *pass, sl_op *op, const char *reason) {
    pass->fallbacks++;
    if (pass->quiet) return false;
    sl_pass_decide(pass, op, "dense", reason);
    sl_op_report(op, pass->deny_dense ? SL_SEVERITY_ERROR : SL_SEVERITY_REMARK, "runs dense: %s", reason);
    return pass->deny_dense;
}

static void record_decision(void *self, sl_op *op, const char *what, const char *reason) {
    pipeline_run *run = self;
    sl_text place;
    sl_text_init(&place, run->arena);
    if (op) sl_loc_describe(&place, sl_op_loc(op));
    decision made = {run->current, place.length ? place.data : "", sl_arena_strdup(run->arena, what), sl_arena_strdup(run->arena, reason)};
    SL_PUSH(run->arena, &run->decisions, made);
}

/* Calls visit for each non-empty, trimmed part of a comma-separated list. */
static sl_status for_each_name(const char *list, sl_status (*visit)(void *self, const char *name, size_t length), void *self) {
    while (list && *list) {
        size_t length = strcspn(list, ",");
        const char *name = list;
        size_t size = length;
        while (size && (*name == ' ' || *name == '\n')) name++, size--;
        while (size && (name[size - 1] == ' ' || name[size - 1] == '\n')) size--;
        if (size) SL_TRY(visit(self, name, size));
        list += length + (list[length] == ',');
    }
    return NULL;
}

static sl_status unknown_pass(pipeline_run *run, const char *name, size_t length) {
    sl_text known;
    sl_text_init(&known, run->arena);
    for (int i = 0; i < sl_pass_count(); i++) sl_text_append(&known, "%s%s", i ? ", " : "", sl_pass_at(i)->name);
    return SL_ERROR(SL_INVALID_ARGUMENT, "there is no pass '%.*s'; the passes are: %s", (int)length, name, known.data);
}

static sl_status add_pass(void *self, const char *name, size_t length) {
    pipeline_run *run = self;
    if (length == strlen("default") && memcmp(name, "default", length) == 0) return for_each_name(sl_pipeline_default(), add_pass, run);
    const sl_pass_info *info = sl_pass_find(name, length);
    if (!info) return unknown_pass(run, name, length);
    SL_PUSH(run->arena, &run->passes, info);
    return NULL;
}

static sl_status check_name(void *self, const char *name, size_t length) {
    if (length == 3 && memcmp(name, "all", 3) == 0) return NULL;
    return sl_pass_find(name, length) ? NULL : unknown_pass(self, name, length);
}

static bool list_has(const char *list, const char *name) {
    size_t want = strlen(name);
    while (list && *list) {
        size_t length = strcspn(list, ",");
        if ((length == 3 && memcmp(list, "all", 3) == 0) || (length == want && memcmp(list, name, want) == 0)) return true;
        list += length + (list[length] == ',');
    }
    return false;
}

static void emit(const pipeline_run *run, const char *text) {
    if (run->options->print) run->options->print(run->options->print_self, text);
}

static void print_module(pipeline_run *run, const char *when, const char *pass, int64_t changes) {
    if (!run->options->print) return;
    sl_print_options print;
    sl_print_options_init(&print);
    print.locations = false;
    print.blobs = false;
    sl_text text;
    sl_text_init(&text, run->scratch);
    if (changes < 0) sl_text_append(&text, "// ---- %s %s ----\n", when, pass);
    else sl_text_append(&text, "// ---- %s %s (%lld changes) ----\n", when, pass, (long long)changes);
    sl_module_print(&text, run->module, &print);
    emit(run, text.data);
}

static sl_status dump_file(pipeline_run *run, const char *name, const char *data, size_t size) {
    return sl_file_write_atomic(sl_arena_printf(run->scratch, "%s/%s", run->options->dump_dir, name), data, size);
}

static sl_status dump_module(pipeline_run *run, int number, const char *name) {
    if (!run->options->dump_dir) return NULL;
    sl_print_options print;
    sl_print_options_init(&print);
    print.locations = true;
    print.blobs = false;
    sl_text text;
    sl_text_init(&text, run->scratch);
    sl_module_print(&text, run->module, &print);
    return dump_file(run, sl_arena_printf(run->scratch, "%02d-%s.sl", number, name), text.data, text.length);
}

static sl_status dump_decisions(pipeline_run *run) {
    if (!run->options->dump_dir) return NULL;
    sl_text text;
    sl_text_init(&text, run->scratch);
    for (size_t i = 0; i < run->decisions.count; i++) {
        const decision *d = &run->decisions.data[i];
        sl_text_append(&text, "%s: %s%s%s: %s\n", d->pass, d->place, *d->place ? ": " : "", d->what, d->reason);
    }
    return dump_file(run, "decisions.txt", text.data ? text.data : "", text.length);
}

/* Best effort: the error that led here counts, so a reproducer that cannot be written only adds a note to it. */
static sl_status write_reproducer(pipeline_run *run, sl_module *before, size_t failed, sl_status status) {
    sl_print_options print;
    sl_print_options_init(&print);
    print.locations = true;
    print.blobs = true;
    sl_text text;
    sl_text_init(&text, run->arena);
    sl_text_append(&text, "// RUN: sluice opt %%s --passes=");
    for (size_t i = failed; i < run->passes.count; i++) sl_text_append(&text, "%s%s", i == failed ? "" : ",", run->passes.data[i]->name);
    sl_text_append(&text, "\n");
    sl_module_print(&text, before, &print);
    sl_status written = sl_file_write_atomic(run->options->reproducer, text.data, text.length);
    if (written) {
        status = sl_status_annotate(status, "(no reproducer: %s)", sl_status_message(written));
        sl_status_free(written);
        return status;
    }
    return sl_status_annotate(status, "(reproducer: %s)", run->options->reproducer);
}

static void print_decisions(pipeline_run *run) {
    sl_text text;
    sl_text_init(&text, run->scratch);
    for (size_t i = 0; i < run->decisions.count; i++) {
        const decision *d = &run->decisions.data[i];
        if (list_has(run->options->print_decisions, d->pass)) sl_text_append(&text, "%s: %s%s%s: %s\n", d->pass, d->place, *d->place ? ": " : "", d->what, d->reason);
    }
    if (text.length) emit(run, text.data);
}

static double now_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec * 1e-6;
}

static sl_status run_pass(pipeline_run *run, size_t index) {
    const sl_pipeline_options *options = run->options;
    const sl_pass_info *info = run->passes.data[index];
    run->current = info->name;
    sl_pass_context pass = {
        .machine = options->machine, .threads = options->threads > 0 ? options->threads : options->machine->threads, .module = run->module,
        .scratch = run->scratch, .decision = record_decision, .decision_self = run, .memory_budget = options->memory_budget, .strict = options->strict, .deny_dense = options->deny_dense,
        .precision = options->precision, .ranges = options->ranges, .range_count = options->range_count, .kernel = options->kernel,
        .profile = options->profile,
    };
    if (list_has(options->print_before, info->name)) print_module(run, "before", info->name, -1);
    double start = now_ms();
    sl_status status = info->run(&pass);
    sl_pass_timing timing = {info->name, now_ms() - start, pass.changes};
    SL_PUSH(run->arena, &run->timings, timing);
    if (status) return status;
    if (options->verify_each) {
        status = sl_module_verify(run->module);
        if (status) {
            print_module(run, "invalid after", info->name, pass.changes);
            return sl_status_annotate(status, "invalid IR after the pass %s", info->name);
        }
    }
    bool print = list_has(options->print_after, info->name) || options->print_change == SL_PRINT_ALWAYS ||
                 (options->print_change == SL_PRINT_ON_CHANGE && pass.changes > 0);
    if (print) print_module(run, "after", info->name, pass.changes);
    SL_TRY(dump_module(run, (int)index + 1, info->name));
    return NULL;
}

static void print_timing(pipeline_run *run) {
    if (!run->options->timing) return;
    double total = 0;
    sl_text text;
    sl_text_init(&text, run->scratch);
    sl_text_append(&text, "%-16s %12s %10s\n", "pass", "ms", "changes");
    for (size_t i = 0; i < run->timings.count; i++) {
        const sl_pass_timing *timing = &run->timings.data[i];
        sl_text_append(&text, "%-16s %12.3f %10lld\n", timing->pass, timing->milliseconds, (long long)timing->changes);
        total += timing->milliseconds;
    }
    sl_text_append(&text, "%-16s %12.3f\n", "total", total);
    emit(run, text.data);
}

static void destroy_module(void *module) { sl_module_destroy(module); }

static sl_status run_passes(pipeline_run *run, const char *pipeline) {
    const sl_pipeline_options *options = run->options;
    SL_TRY(for_each_name(pipeline, add_pass, run));
    SL_TRY(for_each_name(options->print_before, check_name, run));
    SL_TRY(for_each_name(options->print_after, check_name, run));
    SL_TRY(for_each_name(options->print_decisions, check_name, run));
    if (options->dump_dir) {
        if (mkdir(options->dump_dir, 0777) != 0 && errno != EEXIST)
            return SL_ERROR(SL_IO, "can't make the folder %s: %s", options->dump_dir, strerror(errno));
        SL_TRY(dump_module(run, 0, "input"));
    }
    if (options->verify_each) SL_TRY(sl_status_annotate(sl_module_verify(run->module), "invalid IR before the first pass"));
    sl_status status = NULL;
    for (size_t i = 0; i < run->passes.count && !status; i++) {
        sl_module *before = NULL;
        if (options->reproducer) {
            before = sl_module_clone(run->module);
            sl_arena_on_destroy(run->scratch, destroy_module, before);
        }
        status = run_pass(run, i);
        if (status && before) status = write_reproducer(run, before, i, status);
        sl_arena_reset(run->scratch);
    }
    sl_status dumped = dump_decisions(run);
    print_decisions(run);
    print_timing(run);
    if (!status) return dumped;
    sl_status_free(dumped);
    return status;
}

/* The guard sits in a function of its own with no other locals, so that nothing can be clobbered by the jump. */
static sl_status run_guarded(pipeline_run *run, const char *pipeline) {
    sl_guard guard;
    if (SL_GUARD_ENTER(&guard)) {
        sl_status status = run_passes(run, pipeline);
        sl_guard_leave(&guard);
        return status;
    }
    return SL_ERROR(SL_OUT_OF_MEMORY, "out of memory in the compiler's passes");
}

sl_status sl_pipeline_run(sl_module *module, const char *pipeline, const sl_pipeline_options *options) {
    const sl_allocator *allocator = sl_context_allocator(sl_module_context(module));
    pipeline_run run = {.module = module, .options = options};
    run.arena = sl_arena_create(allocator, 0);
    run.scratch = run.arena ? sl_arena_create(allocator, 0) : NULL;
    sl_status status = run.scratch ? run_guarded(&run, pipeline) : SL_ERROR(SL_OUT_OF_MEMORY, "out of memory in the compiler's passes");
    if (run.scratch) sl_arena_destroy(run.scratch);
    if (run.arena) sl_arena_destroy(run.arena);
    return status;
}
