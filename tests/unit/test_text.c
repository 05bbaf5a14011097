/* test_text.c: the text form under hostile input, without memory, and at size. Its grammar is tested by tests/ir. */
#include "check.h"
#include "sluice/ir.h"
#include <stdlib.h>
#include <time.h>

typedef struct messages { char text[1 << 16]; size_t length; int count; } messages;

static void collect(void *self, const sl_diag *diag) {
    messages *all = self;
    int written = snprintf(all->text + all->length, sizeof(all->text) - all->length, "%d:%d: %s\n", diag->place.line, diag->place.column, diag->message);
    if (written > 0 && all->length + (size_t)written < sizeof(all->text)) all->length += (size_t)written;
    all->count++;
}

/* Parses, and when that works prints, parses again and prints again: both prints must be equal. Returns the code of the first parse. */
static sl_code run(const sl_allocator *allocator, const char *text, size_t length, messages *out) {
    *out = (messages){0};
    sl_diag_sink sink = {.handler = collect, .self = out};
    sl_context *context = sl_context_create(allocator, &sink);
    if (!context) return SL_OUT_OF_MEMORY;
    sl_module *volatile module = NULL, *volatile again = NULL;
    sl_arena *volatile arena = NULL;
    volatile sl_code code = SL_OUT_OF_MEMORY;
    sl_guard guard;
    if (SL_GUARD_ENTER(&guard)) {
        sl_module *made = NULL;
        sl_status status = sl_module_parse(context, "t.sl", text, length, &made);
        module = made;
        code = sl_status_code(status);
        sl_status_free(status);
        if (code == SL_OK) {
            code = SL_OUT_OF_MEMORY;
            status = sl_module_verify(made);
            sl_status_free(status);
            arena = sl_arena_create(allocator, 0);
            if (!arena) sl_out_of_memory();
            sl_text first, second;
            sl_text_init(&first, arena);
            sl_module_print(&first, made, NULL);
            status = sl_module_parse(context, "again.sl", first.data, first.length, &made);
            again = made;
            code = sl_status_code(status);
            CHECK(code == SL_OK || code == SL_OUT_OF_MEMORY);
            sl_status_free(status);
            if (code == SL_OK) {
                sl_text_init(&second, arena);
                sl_module_print(&second, made, NULL);
                CHECK_TEXT(second.data, first.data);
            }
        }
        sl_guard_leave(&guard);
    } else {
        code = SL_OUT_OF_MEMORY;
    }
    sl_module_destroy(module);
    sl_module_destroy(again);
    sl_arena_destroy(arena);
    sl_context_destroy(context);
    return code;
}

static char *repeat(const char *head, const char *item, int count, const char *tail) {
    size_t a = strlen(head), b = strlen(item), c = strlen(tail);
    char *text = malloc(a + b * (size_t)count + c + 1), *at = text;
    memcpy(at, head, a);
    at += a;
    for (int i = 0; i < count; i++, at += b) memcpy(at, item, b);
    memcpy(at, tail, c + 1);
    return text;
}

static void deep_nesting_is_an_error(void) {
    static const char *const forms[][3] = {
        {"core.func @f(%x: ", "list<", ""},
        {"core.func @f() {\n%x = core.dim {value = expr(", "(", ""},
        {"core.func @f() {\n%x = core.dim {value = expr(", "min(1, ", ""},
        {"core.func @f() {\n%x = core.dim {value = ", "[", ""},
        {"core.func @f() {\n%x = core.dim {value = ", "#a<", ""},
        {"core.func @f(%c: tensor<i1>) {\n", "tensor.if(%c) ({\n", ""},
        {"", "core.func @f() {\n", ""},
    };
    sl_allocator system = sl_allocator_system();
    messages out;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        char *text = repeat(forms[i][0], forms[i][1], 10000, forms[i][2]);
        CHECK_INT(run(&system, text, strlen(text), &out), SL_INVALID_MODEL);
        CHECK_CONTAINS(out.text, "nested more than 256 levels deep");
        CHECK_INT(out.count, 1);
        free(text);
    }
}

static void errors_stop_after_twenty(void) {
    sl_allocator system = sl_allocator_system();
    messages out;
    char *text = repeat("core.func @f() {\n", "  tensor.gone\n", 1000, "  core.return\n}\n");
    CHECK_INT(run(&system, text, strlen(text), &out), SL_INVALID_MODEL);
    CHECK_INT(out.count, 21);
    CHECK_CONTAINS(out.text, "21:3: there is no op `tensor.gone`");
    CHECK_CONTAINS(out.text, "20 errors; the rest of the text was not read");
    free(text);
}

static void garbage_is_an_error(void) {
    static const char *const texts[] = {"\177ELF", "\xff\xfe\xfd", "}", "{", "core.func", "core.func @", "core.func @f(", "core.func @f(%x: tensor<", "%", "@\"", "\"", "blob \"b\" = hex \"0\"",
                                        "core.func @f() {\n  core.return\n} loc(", "= = =", "%a, %b, %c", "core.func @f() {\n %0 = core.constant {value = data<tensor<9223372036854775807 x f32>>splat(0.0)} : () -> f32\n}",
                                        "core.func @f() {\n %0 = core.constant {value = data<tensor<4611686018427387904 x 4 x f32>>[1.0]} : () -> f32\n}"};
    sl_allocator system = sl_allocator_system();
    messages out;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        CHECK_INT(run(&system, texts[i], strlen(texts[i]), &out), SL_INVALID_MODEL);
        CHECK(out.count > 0);
    }
    CHECK_INT(run(&system, "a\0b", 3, &out), SL_INVALID_MODEL);
    CHECK_INT(run(&system, "", 0, &out), SL_OK);
    CHECK_INT(run(&system, "// only a comment", 17, &out), SL_OK);
}

static const char sample[] =
    "core.func @main(%x: tensor<B x 4 x f32>, %c: tensor<i1>) -> (tensor<B x 4 x f32>) {input_names = [\"x\", \"c\"]} {\n"
    "  %w = core.constant {value = data<tensor<4 x f32>>[1.0, 2.0, 3.0, 4.0]} : () -> tensor<4 x f32>\n"
    "  %big = core.constant {value = data<tensor<66 x u8>>@\"b\"} : () -> tensor<66 x u8>\n"
    "  %y = tensor.if(%c) : (tensor<i1>) -> tensor<B x 4 x f32> ({\n"
    "    %n = arith.neg(%x) : (tensor<B x 4 x f32>) -> tensor<B x 4 x f32> loc(\"n\":Neg)\n"
    "    tensor.yield(%n) : (tensor<B x 4 x f32>)\n"
    "  }, {\n"
    "    tensor.yield(%x) : (tensor<B x 4 x f32>)\n"
    "  })\n"
    "  %d = core.dim {value = expr(min(2*B, floordiv(B, 3)) + 1)} : () -> i64\n"
    "  core.return(%y) : (tensor<B x 4 x f32>)\n"
    "}\n"
    "blob \"b\" = hex \"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f4041\"\n";

static void every_prefix_is_handled(void) {
    sl_allocator system = sl_allocator_system();
    messages out;
    CHECK_INT(run(&system, sample, strlen(sample), &out), SL_OK);
    CHECK_TEXT(out.text, "");
    for (size_t length = 1; length + 1 < strlen(sample); length++) {
        char *exact = malloc(length);   /* so that reading past the end is found */
        memcpy(exact, sample, length);
        CHECK_INT(run(&system, exact, length, &out), SL_INVALID_MODEL);
        free(exact);
    }
}

static void memory_may_run_out_anywhere(void) {
    messages out;
    int64_t steps = 0;
    for (int64_t at = 1;; at++) {
        sl_failing_allocator state = {.base = sl_allocator_system(), .fail_at = at, .forever = true};
        sl_allocator failing = sl_allocator_failing(&state);
        sl_code code = run(&failing, sample, strlen(sample), &out);
        if (code == SL_OK) break;
        CHECK_INT(code, SL_OUT_OF_MEMORY);
        steps++;
        if (at > 100000) break;
    }
    CHECK(steps > 3);
}

/* Models have ten thousand ops: parsing, verifying and printing of thirty thousand must take no time to speak of. The bound is loose, for sanitizers. */
static void large_modules_are_quick(void) {
    sl_allocator system = sl_allocator_system();
    messages out;
    size_t room = 30000 * 64 + 256;
    char *text = malloc(room);
    size_t length = (size_t)snprintf(text, room, "core.func @f(%%x: f32) {\n  %%0 = arith.neg(%%x) : (f32) -> f32\n");
    for (int i = 1; i < 30000; i++) length += (size_t)snprintf(text + length, room - length, "  %%%d = arith.add(%%%d, %%x) : (f32, f32) -> f32\n", i, i - 1);
    length += (size_t)snprintf(text + length, room - length, "  core.return\n}\n");
    clock_t start = clock();
    CHECK_INT(run(&system, text, length, &out), SL_OK);
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    printf("parse, verify, print, parse and print of 30000 ops: %.3f s\n", seconds);
    CHECK(seconds < 10);
    free(text);
}

int main(void) {
    deep_nesting_is_an_error();
    errors_stop_after_twenty();
    garbage_is_an_error();
    every_prefix_is_handled();
    memory_may_run_out_anywhere();
    large_modules_are_quick();
    return check_result();
}
