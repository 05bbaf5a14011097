/* test_shape_value.c: shapes computed in a model become expressions: the chains that exporters write, and what must stay unknown. */
#include "text_module.h"
#include <stdlib.h>

/* What the operand of the function's core.return holds, as text; "unknown" when it is not known. */
static const char *value_of(const char *body) {
    static char result[1024];
    static char source[1 << 14];
    snprintf(source, sizeof source, "core.func @main(%%x: tensor<B x S x 768 x f32>, %%u: tensor<2 x i64>, %%d: tensor<i64>, %%f: tensor<?900 x i64>) {\n%s}\n", body);
    text_module text;
    if (!text_module_open(&text, source)) {
        fprintf(stderr, "%s\n%s\n", source, text.messages);
        text_module_close(&text);
        return "no module";
    }
    sl_op *end = sl_block_last(sl_op_body(sl_module_find(text.module, "main"), 0));
    sl_expr exprs[64];
    int count = sl_value_as_exprs(sl_op_operand(end, 0), exprs, 64);
    sl_text out;
    sl_text_init(&out, text.arena);
    sl_text_append(&out, count < 0 ? "unknown" : "[");
    for (int i = 0; i < count; i++) {
        if (i) sl_text_append(&out, ", ");
        sl_expr_print(&out, exprs[i]);
    }
    if (count >= 0) sl_text_append(&out, "]");
    snprintf(result, sizeof result, "%s", out.data);
    text_module_close(&text);
    return result;
}

#define SHAPE "  %shape = tensor.from_dims {dims = [expr(B), expr(S), expr(768)]} : () -> tensor<3 x i64>\n"
#define CONSTANT(name, type, values) "  %" name " = core.constant {value = data<" type ">" values "} : () -> " type "\n"

static void pytorch_view_chain(void) {
    /* x.view(B, S, 12, 64): Shape, Gather, Unsqueeze, Concat with constants */
    CHECK_TEXT(value_of(SHAPE CONSTANT("zero", "tensor<i64>", "[0]") CONSTANT("one", "tensor<i64>", "[-2]")
                        "  %b = tensor.take(%shape, %zero) {axis = 0} : (tensor<3 x i64>, tensor<i64>) -> tensor<i64>\n"
                        "  %s = tensor.take(%shape, %one) {axis = 0} : (tensor<3 x i64>, tensor<i64>) -> tensor<i64>\n"
                        "  %b1 = tensor.reshape(%b) : (tensor<i64>) -> tensor<1 x i64>\n"
                        "  %s1 = tensor.reshape(%s) : (tensor<i64>) -> tensor<1 x i64>\n"
                        CONSTANT("heads", "tensor<2 x i64>", "[12, 64]")
                        "  %all = tensor.concat(%b1, %s1, %heads) {axis = 0} : (tensor<1 x i64>, tensor<1 x i64>, tensor<2 x i64>) -> tensor<4 x i64>\n"
                        "  core.return(%all) : (tensor<4 x i64>)\n"),
               "[B, S, 12, 64]");
}

static void slices_and_products(void) {
    CHECK_TEXT(value_of(SHAPE "  %tail = tensor.slice(%shape) {starts = [expr(1)], steps = ints[1]} : (tensor<3 x i64>) -> tensor<2 x i64>\n"
                        "  %n = tensor.reduce(%tail) {axes = ints[0], kind = \"prod\"} : (tensor<2 x i64>) -> tensor<i64>\n  core.return(%n) : (tensor<i64>)\n"),
               "[768*S]");
    CHECK_TEXT(value_of(SHAPE "  %back = tensor.slice(%shape) {starts = [expr(2)], steps = ints[-1]} : (tensor<3 x i64>) -> tensor<3 x i64>\n  core.return(%back) : (tensor<3 x i64>)\n"),
               "[768, S, B]");
    CHECK_TEXT(value_of(SHAPE "  %n = tensor.reduce(%shape) {axes = ints[0], kind = \"sum\"} : (tensor<3 x i64>) -> tensor<i64>\n  core.return(%n) : (tensor<i64>)\n"),
               "[B + S + 768]");
    CHECK_TEXT(value_of(SHAPE CONSTANT("a", "tensor<1 x i64>", "[-2]") CONSTANT("b", "tensor<1 x i64>", "[9223372036854775807]") CONSTANT("c", "tensor<1 x i64>", "[1]")
                        "  %tail = tensor.slice_dynamic(%shape, %a, %b, %c) {axes = ints[0]} : (tensor<3 x i64>, tensor<1 x i64>, tensor<1 x i64>, tensor<1 x i64>) -> tensor<2 x i64>\n"
                        "  core.return(%tail) : (tensor<2 x i64>)\n"),
               "[S, 768]");
}

static void pads_that_go_through_two_dims(void) {
    /* PyTorch's pad: [1, 2, 3, 4] -> 2 x 2, rows reversed, transposed, flattened */
    CHECK_TEXT(value_of(CONSTANT("p", "tensor<4 x i64>", "[1, 2, 3, 4]") "  %m = tensor.reshape(%p) : (tensor<4 x i64>) -> tensor<2 x 2 x i64>\n"
                        "  %r = tensor.slice(%m) {starts = [expr(1), expr(0)], steps = ints[-1, 1]} : (tensor<2 x 2 x i64>) -> tensor<2 x 2 x i64>\n"
                        "  %t = tensor.transpose(%r) {perm = ints[1, 0]} : (tensor<2 x 2 x i64>) -> tensor<2 x 2 x i64>\n"
                        "  %flat = tensor.reshape(%t) : (tensor<2 x 2 x i64>) -> tensor<4 x i64>\n  core.return(%flat) : (tensor<4 x i64>)\n"),
               "[3, 1, 4, 2]");
}

static void sizes_through_floats(void) {
    /* floor(S * 2 + 1) / 4 as an exporter of Resize writes it */
    CHECK_TEXT(value_of("  %s = tensor.from_dims {dims = [expr(S)]} : () -> tensor<1 x i64>\n  %f0 = arith.cast(%s) : (tensor<1 x i64>) -> tensor<1 x f32>\n"
                        CONSTANT("half", "tensor<1 x f32>", "[0.5]") "  %h = arith.mul(%f0, %half) : (tensor<1 x f32>, tensor<1 x f32>) -> tensor<1 x f32>\n"
                        "  %fl = arith.floor(%h) : (tensor<1 x f32>) -> tensor<1 x f32>\n  %i = arith.cast(%fl) : (tensor<1 x f32>) -> tensor<1 x i64>\n  core.return(%i) : (tensor<1 x i64>)\n"),
               "[floordiv(S, 2)]");
    CHECK_TEXT(value_of("  %s = tensor.from_dims {dims = [expr(S)]} : () -> tensor<1 x i64>\n  %f0 = arith.cast(%s) : (tensor<1 x i64>) -> tensor<1 x f32>\n"
                        CONSTANT("k", "tensor<1 x f32>", "[1.5]") CONSTANT("q", "tensor<1 x f32>", "[3.0]")
                        "  %h = arith.mul(%f0, %k) : (tensor<1 x f32>, tensor<1 x f32>) -> tensor<1 x f32>\n  %g = arith.div(%h, %q) : (tensor<1 x f32>, tensor<1 x f32>) -> tensor<1 x f32>\n"
                        "  %c = arith.ceil(%g) : (tensor<1 x f32>) -> tensor<1 x f32>\n  %i = arith.cast(%c) : (tensor<1 x f32>) -> tensor<1 x i64>\n  core.return(%i) : (tensor<1 x i64>)\n"),
               "[floordiv(S + 1, 2)]");
}

static void expand_with_minus_one(void) {
    /* Where(Equal(shape, -1), ones, shape): a size is never -1 */
    CHECK_TEXT(value_of("  %shape = tensor.from_dims {dims = [expr(B), expr(-1), expr(7)]} : () -> tensor<3 x i64>\n" CONSTANT("m", "tensor<3 x i64>", "splat(-1)")
                        CONSTANT("ones", "tensor<3 x i64>", "splat(1)") "  %e = arith.cmp(%shape, %m) {predicate = \"eq\"} : (tensor<3 x i64>, tensor<3 x i64>) -> tensor<3 x i1>\n"
                        "  %w = arith.select(%e, %ones, %shape) : (tensor<3 x i1>, tensor<3 x i64>, tensor<3 x i64>) -> tensor<3 x i64>\n  core.return(%w) : (tensor<3 x i64>)\n"),
               "[B, 1, 7]");
}

static void integer_arithmetic(void) {
    CHECK_TEXT(value_of("  %s = tensor.from_dims {dims = [expr(S)], scalar = true} : () -> tensor<i64>\n" CONSTANT("k", "tensor<i64>", "[12]")
                        "  %q = arith.div(%s, %k) : (tensor<i64>, tensor<i64>) -> tensor<i64>\n  %m = arith.mod(%s, %k) : (tensor<i64>, tensor<i64>) -> tensor<i64>\n"
                        "  %p = arith.mul(%q, %m) : (tensor<i64>, tensor<i64>) -> tensor<i64>\n  core.return(%p) : (tensor<i64>)\n"),
               "[floordiv(S, 12)*mod(S, 12)]");
    /* -7 / 2 truncates, and so may not become a floor division */
    CHECK_TEXT(value_of(CONSTANT("a", "tensor<i64>", "[-7]") CONSTANT("k", "tensor<i64>", "[2]") "  %q = arith.div(%a, %k) : (tensor<i64>, tensor<i64>) -> tensor<i64>\n  core.return(%q) : (tensor<i64>)\n"),
               "[-3]");
    CHECK_TEXT(value_of("  %s = tensor.from_dims {dims = [expr(S - 9)], scalar = true} : () -> tensor<i64>\n" CONSTANT("k", "tensor<i64>", "[2]")
                        "  %q = arith.div(%s, %k) : (tensor<i64>, tensor<i64>) -> tensor<i64>\n  core.return(%q) : (tensor<i64>)\n"),
               "unknown");
}

static void unknown_elements_do_not_spread(void) {
    CHECK_TEXT(value_of("  %s = tensor.from_dims {dims = [expr(S)]} : () -> tensor<1 x i64>\n  %c = tensor.concat(%u, %s) {axis = 0} : (tensor<2 x i64>, tensor<1 x i64>) -> tensor<3 x i64>\n"
                        CONSTANT("two", "tensor<i64>", "[2]") "  %t = tensor.take(%c, %two) {axis = 0} : (tensor<3 x i64>, tensor<i64>) -> tensor<i64>\n  core.return(%t) : (tensor<i64>)\n"),
               "[S]");
    CHECK_TEXT(value_of("  %s = tensor.from_dims {dims = [expr(S)]} : () -> tensor<1 x i64>\n  %c = tensor.concat(%u, %s) {axis = 0} : (tensor<2 x i64>, tensor<1 x i64>) -> tensor<3 x i64>\n"
                        "  core.return(%c) : (tensor<3 x i64>)\n"),
               "unknown");
    CHECK_TEXT(value_of("  core.return(%d) : (tensor<i64>)\n"), "unknown");
    CHECK_TEXT(value_of("  core.return(%f) : (tensor<?900 x i64>)\n"), "unknown");
}

static void ranges_fills_and_branches(void) {
    CHECK_TEXT(value_of(CONSTANT("a", "tensor<i64>", "[2]") CONSTANT("b", "tensor<i64>", "[8]") CONSTANT("c", "tensor<i64>", "[3]")
                        "  %r = tensor.range(%a, %b, %c) : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<2 x i64>\n  core.return(%r) : (tensor<2 x i64>)\n"),
               "[2, 5]");
    CHECK_TEXT(value_of("  %r = tensor.iota {axis = 0} : () -> tensor<3 x i64>\n  core.return(%r) : (tensor<3 x i64>)\n"), "[0, 1, 2]");
    CHECK_TEXT(value_of("  %s = tensor.from_dims {dims = [expr(S)], scalar = true} : () -> tensor<i64>\n" CONSTANT("n", "tensor<1 x i64>", "[2]")
                        "  %r = tensor.fill(%s, %n) : (tensor<i64>, tensor<1 x i64>) -> tensor<2 x i64>\n  core.return(%r) : (tensor<2 x i64>)\n"),
               "[S, S]");
    CHECK_TEXT(value_of(SHAPE "  %zero = tensor.from_dims {dims = [expr(0)], scalar = true} : () -> tensor<i64>\n  %one = tensor.from_dims {dims = [expr(B + 1)], scalar = true} : () -> tensor<i64>\n"
                        "  %c = arith.cmp(%zero, %one) {predicate = \"lt\"} : (tensor<i64>, tensor<i64>) -> tensor<i1>\n"
                        "  %r = tensor.if(%c) : (tensor<i1>) -> tensor<3 x i64> ({\n    tensor.yield(%shape) : (tensor<3 x i64>)\n  }, {\n    %n = arith.neg(%shape) : (tensor<3 x i64>) -> tensor<3 x i64>\n"
                        "    tensor.yield(%n) : (tensor<3 x i64>)\n  })\n  core.return(%r) : (tensor<3 x i64>)\n"),
               "[B, S, 768]");
    CHECK_TEXT(value_of("  %r = tensor.shape_of(%x) : (tensor<B x S x 768 x f32>) -> tensor<3 x i64>\n  core.return(%r) : (tensor<3 x i64>)\n"), "[B, S, 768]");
}

/* Every op uses the one before it twice: 2^n paths, each value resolved once. The chain is longer than the limits, too. */
static void shared_chains_take_linear_time(void) {
    for (int length = 60; length <= 6000; length *= 10) {
        sl_arena *arena = NULL;
        sl_allocator allocator = sl_allocator_system();
        arena = sl_arena_create(&allocator, 0);
        sl_text source;
        sl_text_init(&source, arena);
        sl_text_append(&source, "core.func @main() {\n  %%v0 = tensor.from_dims {dims = [expr(S)], scalar = true} : () -> tensor<i64>\n");
        for (int i = 0; i < length; i++)
            sl_text_append(&source, "  %%v%d = arith.max(%%v%d, %%v%d) : (tensor<i64>, tensor<i64>) -> tensor<i64>\n", i + 1, i, i);
        sl_text_append(&source, "  core.return(%%v%d) : (tensor<i64>)\n}\n", length);
        text_module text;
        CHECK(text_module_open(&text, source.data));
        sl_op *end = sl_block_last(sl_op_body(sl_module_find(text.module, "main"), 0));
        sl_expr expr;
        int count = sl_value_as_exprs(sl_op_operand(end, 0), &expr, 1);
        CHECK_INT(count, length == 60 ? 1 : -1);
        if (count == 1) CHECK_TEXT(sl_expr_symbol_name(expr), "S");
        text_module_close(&text);
        sl_arena_destroy(arena);
    }
}

int main(void) {
    pytorch_view_chain();
    slices_and_products();
    pads_that_go_through_two_dims();
    sizes_through_floats();
    expand_with_minus_one();
    integer_arithmetic();
    unknown_elements_do_not_spread();
    ranges_fills_and_branches();
    shared_chains_take_linear_time();
    return check_result();
}
