/* test_support.c: status, arenas, guards, text, files, diagnostics, locations. */
#include "check.h"
#include "sluice/context.h"
#include <stdlib.h>
#include <unistd.h>

static void status_carries_code_and_message(void) {
    sl_status status = SL_ERROR(SL_IO, "can't read %d", 7);
    status = sl_status_annotate(status, "model '%s'", "a");
    CHECK_INT(sl_status_code(status), SL_IO);
    CHECK_TEXT(sl_status_message(status), "model 'a': can't read 7");
    sl_status_free(status);
    CHECK_INT(sl_status_code(NULL), SL_OK);
    /* A refused request is no reason to leave out what was asked for: words for the error itself are usually still to be had. */
    status = sl_status_annotate(SL_ERROR(SL_OUT_OF_MEMORY, "no memory for %d bytes", 9), "more");
    CHECK_INT(sl_status_code(status), SL_OUT_OF_MEMORY);
    CHECK_TEXT(sl_status_message(status), "more: no memory for 9 bytes");
    sl_status_free(status);
}

static void count_down(void *argument) { ++*(int *)argument; }

static void arena_aligns_zeroes_grows_and_cleans_up(void) {
    sl_allocator system = sl_allocator_system();
    sl_arena *arena = sl_arena_create(&system, 0);
    int cleaned = 0;
    sl_arena_on_destroy(arena, count_down, &cleaned);
    for (size_t size = 1; size < 200000; size = size * 3 + 1) {
        unsigned char *bytes = sl_arena_alloc_aligned(arena, size, 64);
        CHECK((uintptr_t)bytes % 64 == 0);
        for (size_t i = 0; i < size; i++) {
            if (bytes[i]) {
                CHECK(!"zeroed");
                break;
            }
        }
        memset(bytes, 0xAA, size);
    }
    SL_VEC(int) numbers = {0};
    for (int i = 0; i < 10000; i++) SL_PUSH(arena, &numbers, i);
    for (int i = 0; i < 10000; i++)
        if (numbers.data[i] != i) CHECK(!"vector keeps its items");
    sl_arena_reset(arena);
    CHECK_INT(cleaned, 1);
    char *text = sl_arena_printf(arena, "%s-%d", "a", 3);
    CHECK_TEXT(text, "a-3");
    sl_arena_on_destroy(arena, count_down, &cleaned);
    sl_arena_destroy(arena);
    CHECK_INT(cleaned, 2);
}

/* Data of all sizes between others, twice: blocks for data are opened, filled up, and forgotten by a reset. */
static void arena_keeps_constant_data_together(void) {
    static const size_t sizes[] = {1, 100, 16 << 10, 70001, 3 << 20, 147456, 9437184, 600 << 10, 40 << 20, 65, 2 << 20};
    enum { COUNT = sizeof sizes / sizeof sizes[0] };
    sl_allocator allocator = sl_allocator_system();
    sl_arena *arena = sl_arena_create(&allocator, 0);
    sl_guard guard;
    if (!SL_GUARD_ENTER(&guard)) abort();
    for (int round = 0; round < 2; round++) {
        unsigned char *data[COUNT], *between[COUNT];
        for (int i = 0; i < COUNT; i++) {
            data[i] = sl_arena_alloc_data(arena, sizes[i]), between[i] = sl_arena_alloc(arena, 333);
            CHECK((uintptr_t)data[i] % 64 == 0);
            bool zero = true;
            for (size_t at = 0; at < sizes[i]; at++) zero &= data[i][at] == 0;
            CHECK(zero);
            memset(data[i], i + 1, sizes[i]), memset(between[i], 100 + i, 333);
        }
        for (int i = 0; i < COUNT; i++) {
            CHECK_INT(data[i][0], i + 1);
            CHECK_INT(data[i][sizes[i] - 1], i + 1);
            CHECK_INT(between[i][0], 100 + i);
            CHECK_INT(between[i][332], 100 + i);
        }
        sl_arena_reset(arena);
    }
    sl_guard_leave(&guard);
    sl_arena_destroy(arena);
}

static void refused_memory_leads_to_the_innermost_guard(void) {
    sl_failing_allocator state = {.base = sl_allocator_system(), .fail_at = 2};
    sl_allocator failing = sl_allocator_failing(&state);
    sl_arena *arena = sl_arena_create(&failing, 1024);
    sl_guard outer, inner;
    volatile int reached = 0;
    if (SL_GUARD_ENTER(&outer)) {
        if (SL_GUARD_ENTER(&inner)) {
            sl_arena_alloc(arena, 1 << 20);
            CHECK(!"refused");
            sl_guard_leave(&inner);
        } else {
            reached = 1;
        }
        sl_arena_alloc(arena, 1 << 20);   /* only the second was refused */
        sl_guard_leave(&outer);
    } else {
        CHECK(!"the outer guard isn't for the inner's failure");
    }
    CHECK_INT(reached, 1);
    sl_arena_destroy(arena);
    if (SL_GUARD_ENTER(&outer)) {
        sl_allocator system = sl_allocator_system();
        arena = sl_arena_create(&system, 0);
        sl_arena_alloc_array(arena, SIZE_MAX / 2, 16);
        CHECK(!"overflow of the product");
        sl_guard_leave(&outer);
    }
    sl_arena_destroy(arena);
}

/* Interns a few thousand things with an allocator that fails at its nth call; false when n was past the last call. */
static bool intern_with_failure(int64_t n) {
    sl_failing_allocator state = {.base = sl_allocator_system(), .fail_at = n, .forever = n % 2};
    sl_allocator failing = sl_allocator_failing(&state);
    sl_context *context = sl_context_create(&failing, NULL);
    if (!context) return true;
    sl_guard guard;
    if (SL_GUARD_ENTER(&guard)) {
        for (int i = 0; i < 3000; i++) {
            char name[16];
            snprintf(name, sizeof(name), "s%d", i);
            sl_attr_expr(context, sl_expr_add(context, sl_expr_symbol(context, name), sl_expr_const(context, i)));
        }
        sl_guard_leave(&guard);
    }
    sl_context_destroy(context);
    return state.count >= n;
}

static void context_survives_every_failed_allocation(void) {
    int64_t n = 1;
    while (n < 1000 && intern_with_failure(n)) n++;
    CHECK(n > 4 && n < 1000);
}

static void text_quotes_and_grows(void) {
    sl_allocator system = sl_allocator_system();
    sl_arena *arena = sl_arena_create(&system, 0);
    sl_text text;
    sl_text_init(&text, arena);
    sl_text_append_quoted(&text, "a\"b\\c\n\x01z");
    CHECK_TEXT(text.data, "\"a\\\"b\\\\c\\n\\x01z\"");
    for (int i = 0; i < 1000; i++) sl_text_append(&text, "%d,", i);
    CHECK_INT(text.length, strlen(text.data));
    CHECK_CONTAINS(text.data, ",998,999,");
    sl_arena_destroy(arena);
}

static void files_are_written_whole_and_read_back(void) {
    sl_allocator system = sl_allocator_system();
    sl_arena *arena = sl_arena_create(&system, 0);
    char folder[] = "/tmp/sluice_test_XXXXXX";
    CHECK(mkdtemp(folder) != NULL);
    char *path = sl_arena_printf(arena, "%s/file", folder);
    const uint8_t *data;
    int64_t size;
    sl_status status = sl_file_read(arena, path, 100, &data, &size);
    CHECK_INT(sl_status_code(status), SL_NOT_FOUND);
    sl_status_free(status);
    CHECK(!sl_file_write_atomic(path, "hello", 5));
    CHECK(!sl_file_write_atomic(path, "world!", 6));
    CHECK(!sl_file_read(arena, path, 100, &data, &size));
    CHECK_INT(size, 6);
    CHECK_TEXT((const char *)data, "world!");
    CHECK(!sl_file_map(arena, path, &data, &size));
    CHECK(size == 6 && memcmp(data, "world!", 6) == 0);
    status = sl_file_read(arena, path, 5, &data, &size);
    CHECK_INT(sl_status_code(status), SL_OVERFLOW);
    sl_status_free(status);
    status = sl_file_read(arena, folder, 5, &data, &size);
    CHECK_INT(sl_status_code(status), SL_IO);
    sl_status_free(status);
    status = sl_file_write_atomic(sl_arena_printf(arena, "%s/no/file", folder), "x", 1);
    CHECK(status != NULL);
    sl_status_free(status);
    unlink(path);
    CHECK(rmdir(folder) == 0);   /* no temporary is left */
    sl_arena_destroy(arena);
}

static void sizes_that_overflow_are_refused(void) {
    int64_t result;
    CHECK(sl_size_mul(1 << 20, 1 << 20, &result) && result == INT64_C(1) << 40);
    CHECK(!sl_size_mul(INT64_C(1) << 40, 1 << 30, &result));
    CHECK(!sl_size_add(INT64_MAX, 1, &result));
}

static void render(void *self, const sl_diag *diag) { sl_diag_render(self, diag); }

static void diagnostics_show_place_line_and_caret(void) {
    sl_allocator system = sl_allocator_system();
    sl_arena *arena = sl_arena_create(&system, 0);
    sl_text text;
    sl_text_init(&text, arena);
    sl_diag_sink sink = {.handler = render, .self = &text};
    sl_place place = {.file = "a.json", .line = 3, .column = 4};
    sl_diag_report_line(&sink, SL_SEVERITY_ERROR, &place, "\tabc\ndef", "wrong %s", "thing");
    sl_place node = {.file = "m.onnx", .node = "conv1", .op = "Conv"};
    sl_diag_report(&sink, SL_SEVERITY_WARNING, &node, "odd");
    CHECK_TEXT(text.data, "a.json:3:4: error: wrong thing\n  \tabc\n  \t  ^\nm.onnx: node 'conv1' (Conv): warning: odd\n");
    CHECK_INT(sink.error_count, 1);
    CHECK_INT(sink.warning_count, 1);
    char line[1001];
    memset(line, 'y', 1000);
    line[1000] = 0;
    text.length = 0;
    place.column = 500;
    sl_diag_report_line(&sink, SL_SEVERITY_ERROR, &place, line, "long");
    CHECK(text.length < 450);
    sl_arena_destroy(arena);
}

static void locations_fuse_without_doubles(void) {
    sl_allocator system = sl_allocator_system();
    sl_context *context = sl_context_create(&system, NULL);
    sl_loc conv = sl_loc_node(context, "m.onnx", "conv1", "Conv"), relu = sl_loc_node(context, "m.onnx", "relu1", "Relu");
    sl_loc file = sl_loc_file(context, "a.sl", 3, 4), unknown = sl_loc_unknown(context);
    CHECK(conv == sl_loc_node(context, "m.onnx", "conv1", "Conv"));
    sl_loc both = sl_loc_fused(context, 3, (sl_loc[]){conv, unknown, relu});
    sl_loc more = sl_loc_fused(context, 3, (sl_loc[]){both, conv, file});
    CHECK(sl_loc_fused(context, 2, (sl_loc[]){conv, conv}) == conv);
    CHECK(sl_loc_fused(context, 1, (sl_loc[]){unknown}) == unknown);
    CHECK_INT(sl_loc_count(more), 3);
    sl_text text;
    sl_text_init(&text, sl_context_arena(context));
    sl_loc_print(&text, more);
    CHECK_TEXT(text.data, "loc[loc(\"conv1\":Conv), loc(\"relu1\":Relu), loc(\"a.sl\":3:4)]");
    text.length = 0;
    sl_loc_describe(&text, both);
    CHECK_TEXT(text.data, "node 'conv1' (Conv) + node 'relu1' (Relu)");
    CHECK_TEXT(sl_loc_place(more).node, "conv1");
    sl_context_destroy(context);
}

int main(void) {
    status_carries_code_and_message();
    arena_aligns_zeroes_grows_and_cleans_up();
    arena_keeps_constant_data_together();
    refused_memory_leads_to_the_innermost_guard();
    context_survives_every_failed_allocation();
    text_quotes_and_grows();
    files_are_written_whole_and_read_back();
    sizes_that_overflow_are_refused();
    diagnostics_show_place_line_and_caret();
    locations_fuse_without_doubles();
    return check_result();
}
