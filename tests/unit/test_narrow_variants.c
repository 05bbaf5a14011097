/* test_narrow_variants.c: products of bf16 and of bytes in every form in which they are multiplied, forced by --kernel=dot=..., for every instruction set that this machine has, against
 * the reference evaluator.
 *
 * Every number of rows and of columns from 1 to 3 register tiles, every number of terms from 1 to 3 unrolled steps of four; rows that are views at odd elements with another distance,
 * or lie the other way round in memory; addresses aligned to an element only. bf16: small integers, whose sums are exact in any order, so that all forms must agree with the evaluator
 * bit by bit; NaN, infinities and -0 among them, or denormals (which some instructions take for 0). Bytes: whole range, with its ends in every other place, where an instruction that
 * saturates its intermediate sums would show; exact. */
#include "kernel_variants.h"

typedef struct factors { const char *name, *a, *b, *sum; sl_element element; bool bytes, b_signed; } factors;

static void constant(sl_text *text, const char *name, int64_t rows, int64_t columns, const factors *f) {
    sl_text_append(text, "  %%%s = core.constant {value = data<tensor<%lld x %lld x %s>>[", name, (long long)rows, (long long)columns, f->b);
    int low = f->b_signed ? -128 : 0;
    for (int64_t i = 0; i < rows * columns; i++) {
        int value = !f->bytes ? rand() % 17 - 8 : rand() % 2 ? (rand() % 2 ? low : low + 255) : low + rand() % 256;
        sl_text_append(text, f->bytes ? "%s%d" : "%s%d.0", i ? ", " : "", value);
    }
    sl_text_append(text, "]} : () -> tensor<%lld x %lld x %s>\n", (long long)rows, (long long)columns, f->b);
}

/* One product of %x<number> (m x k, or k x m when it lies the other way round) with weights of its own. */
static void product(world *w, sl_text *text, const factors *f, const char *x, int number, const char *m, int k, int n, bool turned) {
    constant(text, sl_arena_printf(w->arena, "w%d", number), turned ? n : k, turned ? k : n, f);
    const char *left = sl_arena_printf(w->arena, turned ? "%2$d x %1$s" : "%1$s x %2$d", m, k), *right = sl_arena_printf(w->arena, "%d x %d", turned ? n : k, turned ? k : n);
    sl_text_append(text, "  %%c%d = tensor.contract(%s, %%w%d) {left_batch = ints[], left_sum = ints[%d], result_element = %s, right_batch = ints[], right_sum = ints[%d]} : (tensor<%s x %s>, tensor<%s x %s>) "
                         "-> tensor<%s x %d x %s>\n", number, x, number, turned ? 0 : 1, f->sum, turned ? 1 : 0, left, f->a, right, f->b, m, n, f->sum);
}

typedef struct listing { sl_text yields, types; int count; } listing;

static void yield(listing *list, int number, const char *m, int n, const factors *f) {
    sl_text_append(&list->yields, "%s%%c%d", list->count ? ", " : "", number);
    sl_text_append(&list->types, "%stensor<%s x %d x %s>", list->count++ ? ", " : "", m, n, f->sum);
}

static subject *close_subject(world *w, const factors *f, const char *name, const char *dims, sl_text *text, listing *list) {
    const char *whole = sl_arena_printf(w->arena, "core.func @main(%%x: tensor<%s x %s>) -> (%s) {\n%s  core.return(%s) : (%s)\n}\n", dims, f->a, list->types.data, text->data, list->yields.data, list->types.data);
    subject *s = new_subject(w, sl_arena_printf(w->arena, "%s, %s", f->name, name), whole, 1, 0);
    s->element = f->element;
    return s;
}

static void add_fillings(subject *s, const factors *f, int64_t rows, int64_t columns) {
    RUN(s, FILL_EXACT, 2, 0, 0, rows, columns);
    if (f->bytes) return;
    RUN(s, FILL_EXACT_SPECIAL, 2, 0, 0, rows, columns);
    RUN(s, FILL_EXACT_DENORMAL, 2, 0, 0, rows, columns);
}

static void open_listing(world *w, sl_text *text, listing *list) {
    list->count = 0;
    sl_text_init(text, w->arena), sl_text_init(&list->yields, w->arena), sl_text_init(&list->types, w->arena);
}

static subject *by_columns(world *w, const factors *f, int columns) {
    sl_text text;
    listing list;
    open_listing(w, &text, &list);
    for (int n = 2; n <= 3 * columns; n++) {
        product(w, &text, f, "%x", n, "5", 23, n, false);
        yield(&list, n, "5", n, f);
    }
    subject *s = close_subject(w, f, "by columns", "5 x 23", &text, &list);
    add_fillings(s, f, 5, 23);
    return s;
}

static subject *by_rows_and_terms(world *w, const factors *f, int rows) {
    enum { TERMS = 48 };
    sl_text text;
    listing list;
    open_listing(w, &text, &list);
    int high = 3 * rows + 1;
    for (int step = 0; step < 3 * rows + TERMS - 1; step++) {
        int m = step < 3 * rows ? step + 1 : 4, k = step < 3 * rows ? 13 : step - 3 * rows + 2;
        sl_text_append(&text, "  %%s%d = tensor.slice(%%x) {starts = [expr(1), expr(3)], steps = ints[1, 1]} : (tensor<%d x 53 x %s>) -> tensor<%d x %d x %s>\n", step, high, f->a, m, k, f->a);
        const char *count = sl_arena_printf(w->arena, "%d", m);
        product(w, &text, f, sl_arena_printf(w->arena, "%%s%d", step), step, count, k, 21, false);
        yield(&list, step, count, 21, f);
    }
    subject *s = close_subject(w, f, "views, by rows and terms", sl_arena_printf(w->arena, "%d x 53", high), &text, &list);
    add_fillings(s, f, high, 53);
    return s;
}

static subject *transposed(world *w, const factors *f, int rows) {
    sl_text text;
    listing list;
    open_listing(w, &text, &list);
    for (int m = 1; m <= 3 * rows; m++) {
        const char *count = sl_arena_printf(w->arena, "%d", m);
        sl_text_append(&text, "  %%s%d = tensor.slice(%%x) {starts = [expr(2), expr(1)], steps = ints[1, 1]} : (tensor<18 x %d x %s>) -> tensor<15 x %d x %s>\n", m, 3 * rows + 2, f->a, m, f->a);
        product(w, &text, f, sl_arena_printf(w->arena, "%%s%d", m), m, count, 15, 19, true);
        yield(&list, m, count, 19, f);
    }
    subject *s = close_subject(w, f, "transposed operands", sl_arena_printf(w->arena, "18 x %d", 3 * rows + 2), &text, &list);
    add_fillings(s, f, 18, 3 * rows + 2);
    return s;
}

/* The run decides how many rows there are; sums are long. */
static subject *by_rows_of_the_run(world *w, const factors *f, int rows) {
    sl_text text;
    listing list;
    open_listing(w, &text, &list);
    product(w, &text, f, "%x", 0, "M", 301, 35, false);
    yield(&list, 0, "M", 35, f);
    subject *s = close_subject(w, f, "rows of the run", "M x 301", &text, &list);
    for (int m = 1; m <= 3 * rows; m++) add_fillings(s, f, m, 301);
    return s;
}

/* What the target can't do is an error that says so; it would be silent slow code otherwise. */
static void refuses(world *w, const char *cpu, const char *kernel) {
    static const char text[] = "core.func @main(%x: tensor<2 x f32>) -> (tensor<2 x f32>) {\n  core.return(%x) : (tensor<2 x f32>)\n}\n";
    sluice_compile_options options;
    sluice_compile_options_init(&options);
    options.format = "sl", options.target = cpu, options.kernel = kernel;
    sluice_program *program = NULL;
    CHECK_INT(sluice_compile_memory(w->host, "none", text, strlen(text), &options, &program), SLUICE_INVALID_ARGUMENT);
    CHECK_CONTAINS(sluice_last_error(w->host), "has no instruction");
    sluice_program_destroy(program);
}

typedef struct narrow_target { target target; bool bf16_pairs, pairs, quads, only_bf16; } narrow_target;     /* only_bf16: bytes are as for another */

static void try_form(world *w, const narrow_target *t, const factors *f, const char *form, const char *says) {
    const variant small = {sl_arena_printf(w->arena, "dot=%s,tile-rows=3,tile-vectors=1", form), says, false}, packed = {sl_arena_printf(w->arena, "dot=%s,a=packed,tile-rows=2,tile-vectors=2,panels=1", form), says, false};
    const variant own = {sl_arena_printf(w->arena, "dot=%s", form), says, false}, blocks = {sl_arena_printf(w->arena, "dot=%s,k-block=8,tile-rows=3", form), "k in blocks of 8", false};
    try_all(w, by_columns(w, f, t->target.lanes), &t->target, &small, 1);
    try_all(w, by_rows_and_terms(w, f, 3), &t->target, &small, 1);
    try_all(w, transposed(w, f, 3), &t->target, &packed, 1);
    try_all(w, by_rows_of_the_run(w, f, 14), &t->target, &own, 1);
    try_all(w, by_rows_of_the_run(w, f, 3), &t->target, &blocks, 1);
}

int main(void) {
    /* Forms by matrix tiles would be one more column. */
    static const narrow_target targets[] = {
        {{"znver4", 16, true}, true, true, true},                                  /* VDPBF16PS, VPDPBUSD and PMADDWD on 512 bits */
        {{"sapphirerapids,-amx-tile,-avx512fp16", 16, true}, true, true, true, true},    /* VDPBF16PS though it does not pay there */
        {{"x86-64-v4", 16, true}, false, true, false},
        {{"alderlake", 8, true}, false, true, true},                               /* VPDPBUSD on 256 bits */
        {{"x86-64-v3", 8, true}, false, true, false},
        {{"x86-64", 4, false}, false, true, false},                                /* PMADDWD on 128 bits */
        {{"neoverse-n1", 4, true}, false, false, true},                            /* SDOT */
        {{"aarch64", 4, true}, false, false, false},
    };
    static const factors bf16 = {"bf16 x bf16", "bf16", "bf16", "f32", SL_ELEMENT_bf16, false, true}, bytes[] = {
        {"u8 x i8", "u8", "i8", "i32", SL_ELEMENT_u8, true, true}, {"i8 x i8", "i8", "i8", "i32", SL_ELEMENT_i8, true, true}, {"u8 x u8", "u8", "u8", "i32", SL_ELEMENT_u8, true, false}};
    world w;
    open_world(&w);
    sl_machine host;
    sl_machine_detect(w.arena, &host);
    sl_guard guard;
    if (!SL_GUARD_ENTER(&guard)) return 1;
    for (int i = 0; i < COUNT(targets); i++) {
        const narrow_target *t = &targets[i];
        sl_machine machine;
        CHECK(sl_machine_named(w.arena, t->target.name, &machine));
        if (!t->pairs && !t->bf16_pairs) refuses(&w, t->target.name, "dot=pairs");
        if (!t->quads) refuses(&w, t->target.name, "dot=quads");
        if (sl_machine_lacks(&machine, &host)) continue;
        srand(11);
        if (!t->only_bf16) try_form(&w, t, &bf16, "off", "factors widened");
        if (t->bf16_pairs) try_form(&w, t, &bf16, "pairs", "sums of 2 products of bf16 and bf16");
        for (int b = 0; b < COUNT(bytes) && !t->only_bf16; b++) {
            if (b == i % COUNT(bytes)) try_form(&w, t, &bytes[b], "off", "factors widened");
            if (t->pairs) try_form(&w, t, &bytes[b], "pairs", bytes[b].b_signed ? "sums of 2 products of i16 and i8" : "sums of 2 products of i16 and u8");
            if (t->quads && bytes[b].b_signed) try_form(&w, t, &bytes[b], "quads", machine.int8_left_unsigned ? "sums of 4 products of u8 and i8" : "sums of 4 products of i8 and i8");
        }
    }
    sl_guard_leave(&guard);
    printf("%d programs\n", w.compiled);
    CHECK(w.compiled >= 20);
    close_world(&w);
    return check_result();
}
