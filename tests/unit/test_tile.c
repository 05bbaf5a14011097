/* test_tile.c: every strategy of the pass `tile` against the reference evaluator: functions of tensor ops are built, evaluated, compiled and run on the same random inputs. Extents go
 * around the sizes at which code changes form: below a vector, a vector, full tiles, tiles and a remainder; unknown ones too. */
#include "check.h"
#include "sluice/codegen.h"
#include "sluice/passes.h"
#include "sluice/runtime.h"

#include <math.h>
#include <stdlib.h>

enum { MAX_INPUTS = 8 };

#define FIXTURE_FIELDS                                                                        \
    int constants_from;                      /* inputs from here on become constants */       \
    int64_t budget;                          /* of memory, 0: none */                         \
    double tolerance;                                                                         \
    int spoiled;                             /* input with NaN, infinities, denormals, -0 among its elements, or -1 */ \
    int64_t symbols[4];                      /* values of A, B, C, D */
#include "kernel_fixture.h"

/* ---- building ---- */

static void begin(fixture *f, const char *name) {
    f->tolerance = 1e-4, f->spoiled = -1;
    begin_module(f, name);
}

static sl_value *input32(fixture *f, int rank, const int64_t *dims) { return input(f, SL_ELEMENT_f32, rank, dims); }

static sl_value *typed(fixture *f, sl_op_kind kind, sl_value *operand, sl_type type) {
    return sl_op_result(sl_build(&f->builder, kind, operand ? 1 : 0, &operand, 1, &type, 0, NULL), 0);
}
static sl_value *reshape(fixture *f, sl_value *x, int rank, const int64_t *dims) {
    return typed(f, SL_OP_tensor_reshape, x, shape(f, sl_type_element(sl_value_type(x)), rank, dims));
}
static sl_value *unary(fixture *f, sl_op_kind kind, sl_value *x) { return sl_build_unary(&f->builder, kind, x); }

static sl_attr text(fixture *f, const char *value) { return sl_attr_string(f->context, value); }

static sl_value *reduce(fixture *f, const char *kind, sl_value *x, int count, const int64_t *axes) {
    sl_named_attr attrs[2] = {{"axes", ints(f, count, axes)}, {"kind", text(f, kind)}};
    return build(f, SL_OP_tensor_reduce, 1, &x, 2, attrs);
}

static sl_value *transpose(fixture *f, sl_value *x, int count, const int64_t *perm) {
    sl_named_attr attr = {"perm", ints(f, count, perm)};
    return build(f, SL_OP_tensor_transpose, 1, &x, 1, &attr);
}

/* left_sum and right_sum hold the one summed axis of each side; batch axes lead. */
static sl_value *contract(fixture *f, sl_value *a, sl_value *b, int batch, int64_t left_sum, int64_t right_sum) {
    static const int64_t axes[4] = {0, 1, 2, 3};
    sl_value *operands[2] = {a, b};
    sl_named_attr attrs[4] = {{"left_batch", ints(f, batch, axes)}, {"right_batch", ints(f, batch, axes)}, {"left_sum", ints(f, 1, &left_sum)}, {"right_sum", ints(f, 1, &right_sum)}};
    return build(f, SL_OP_tensor_contract, 2, operands, 4, attrs);
}

/* The reduced axis `axis` comes back with extent 1 and repeats. */
static sl_value *spread(fixture *f, sl_value *reduced, sl_value *x, int axis) {
    sl_type type = sl_value_type(x);
    sl_expr dims[SL_MAX_RANK];
    int rank = sl_type_rank(type);
    for (int i = 0; i < rank; i++) dims[i] = i == axis ? sl_expr_const(f->context, 1) : sl_type_dim(type, i);
    return like(f, typed(f, SL_OP_tensor_reshape, reduced, sl_type_tensor(f->context, sl_type_element(type), rank, dims)), x);
}

static sl_value *softmax(fixture *f, sl_value *x, int axis) {
    int64_t axes[1] = {axis};
    sl_value *shifted = unary(f, SL_OP_arith_exp, binary(f, SL_OP_arith_sub, x, spread(f, reduce(f, "max", x, 1, axes), x, axis)));
    return binary(f, SL_OP_arith_div, shifted, spread(f, reduce(f, "sum", shifted, 1, axes), x, axis));
}

static sl_value *layer_norm(fixture *f, sl_value *x, int axis, double count) {
    int64_t axes[1] = {axis};
    sl_value *mean = reduce(f, "sum", x, 1, axes);
    mean = binary(f, SL_OP_arith_mul, mean, number(f, 1 / count, mean));
    sl_value *centred = binary(f, SL_OP_arith_sub, x, spread(f, mean, x, axis));
    sl_value *variance = reduce(f, "sum", binary(f, SL_OP_arith_mul, centred, centred), 1, axes);
    variance = binary(f, SL_OP_arith_add, binary(f, SL_OP_arith_mul, variance, number(f, 1 / count, variance)), number(f, 1e-5, variance));
    return binary(f, SL_OP_arith_div, centred, spread(f, unary(f, SL_OP_arith_sqrt, variance), x, axis));
}

/* ---- running ---- */

static bool symbol_value(void *self, sl_expr atom, int64_t *value) {
    const fixture *f = self;
    if (sl_expr_get_kind(atom) != SL_EXPR_SYMBOL) return false;
    *value = f->symbols[sl_expr_symbol_name(atom)[0] - 'A'];
    return true;
}

static void fill(fixture *f, sl_tensor *x) {
    (void)f;
    for (int64_t i = 0, n = sl_tensor_count(x); i < n; i++) {
        if (sl_element_is_float(x->element)) sl_element_store_float(x->element, x->data, i, rand() / (double)RAND_MAX * 2 - 1);
        else sl_element_store_int(x->element, x->data, i, x->element == SL_ELEMENT_i1 ? rand() & 1 : rand() % 4);
    }
}

static void spoil(sl_tensor *x) {
    const double specials[] = {NAN, INFINITY, -INFINITY, 1e-40, -1e-40, -0.0, 3e38, -3e38};
    for (int64_t i = 0, n = sl_tensor_count(x); i < n; i++)
        if (rand() % 40 == 0) sl_element_store_float(x->element, x->data, i, specials[rand() % 8]);
}

static void compare(fixture *f, const sl_tensor *want, const DLTensor *got) {
    int bad = 0;
    if (got->ndim != want->rank) bad = 1;
    for (int i = 0; i < want->rank && !bad; i++) bad = got->shape[i] != want->shape[i];
    for (int64_t i = 0, n = sl_tensor_count(want); i < n && !bad; i++) {
        if (sl_element_is_float(want->element)) {
            double a = sl_element_load_float(want->element, want->data, i), b = sl_element_load_float(want->element, got->data, i);
            bad = !(fabs(a - b) <= f->tolerance * (1 + fabs(a))) && !(isnan(a) && isnan(b)) && a != b;
        } else {
            bad = sl_element_load_int(want->element, want->data, i) != sl_element_load_int(want->element, got->data, i);
        }
        if (bad) fprintf(stderr, "%s on %s, %d threads, constants from %d: element %" PRId64 " differs\n", f->name, f->machine.cpu, f->threads, f->constants_from, i);
    }
    check_failures += bad;
}

static void run(fixture *f, sluice_program *program, int inputs, const sl_tensor *const *in, int outputs, sl_tensor *const *want) {
    sluice_session_options options;
    sluice_session *session;
    DLTensor given[MAX_INPUTS], got[4] = {0};
    sluice_session_options_init(&options);
    options.threads = f->threads;
    for (int i = 0; i < inputs; i++) given[i] = (DLTensor){in[i]->data, {1, 0}, in[i]->rank, data_type(in[i]->element), (int64_t *)in[i]->shape, NULL, 0};
    CHECK_INT(sluice_session_create(program, &options, &session), 0);
    int code = sluice_session_run(session, given, inputs, got, outputs);
    if (code) fprintf(stderr, "%s\n", f->name);
    CHECK_INT(code, 0);
    for (int i = 0; i < outputs && !code; i++) compare(f, want[i], &got[i]);
    sluice_session_destroy(session);
}

static void finish(fixture *f, int outputs, sl_value *const *values) {
    sl_build(&f->builder, SL_OP_core_return, outputs, values, 0, NULL, 0, NULL);
    sl_tensor *in[MAX_INPUTS], *want[4];
    int inputs = sl_block_argument_count(f->body);
    sl_eval_options evaluation;
    sl_eval_options_init(&evaluation);
    for (int i = 0; i < inputs; i++) {
        sl_type type = sl_value_type(sl_block_argument(f->body, i));
        int64_t dims[SL_MAX_RANK];
        for (int d = 0; d < sl_type_rank(type); d++) CHECK(sl_expr_evaluate(sl_type_dim(type, d), symbol_value, f, &dims[d]));
        in[i] = sl_tensor_alloc(f->arena, sl_type_element(type), sl_type_rank(type), dims);
        fill(f, in[i]);
        if (i == f->spoiled) spoil(in[i]);
    }
    bool good = ok(f, sl_module_verify(f->module)) && ok(f, sl_eval_function(f->module, "main", f->arena, &evaluation, inputs, (const sl_tensor *const *)in, outputs, want));
    for (int i = f->constants_from; i < inputs; i++) {
        sl_value *argument = sl_block_argument(f->body, i);
        if (!sl_type_is_static(sl_value_type(argument))) continue;
        sl_builder here = sl_builder_before(sl_block_first(f->body));
        sl_value_replace_all_uses(argument, sl_build_constant(&here, sl_tensor_to_attr(f->context, in[i])));
    }
    sl_pipeline_options pipeline;
    sl_pipeline_options_init(&pipeline);
    pipeline.machine = &f->machine, pipeline.threads = f->threads, pipeline.memory_budget = f->budget;
    sl_codegen_options codegen = {.machine = &f->machine, .compile_threads = 1};
    sluice_program *program = NULL;
    good = good && ok(f, sl_pipeline_run(f->module, sl_pipeline_default(), &pipeline)) && ok(f, sl_codegen_jit(f->module, &codegen, &f->allocator, NULL, &program));
    if (good) {
        run(f, program, inputs, (const sl_tensor *const *)in, outputs, want);
        sluice_program_destroy(program);
    }
    sl_module_destroy(f->module);
}
static void finish1(fixture *f, sl_value *value) { finish(f, 1, &value); }

/* ---- cases ---- */

static void case_contract(fixture *f, int64_t m, int64_t k, int64_t n, bool ta, bool tb, int epilogue, sl_element element) {
    begin(f, sl_arena_printf(f->arena, "contract %ldx%ldx%ld %d%d epilogue %d %s", (long)m, (long)n, (long)k, ta, tb, epilogue, sl_element_name(element)));
    if (element == SL_ELEMENT_f16 || element == SL_ELEMENT_bf16) f->tolerance = 3e-2;
    sl_value *a = ta ? input(f, element, DIMS(k, m)) : input(f, element, DIMS(m, k)), *b = tb ? input(f, element, DIMS(n, k)) : input(f, element, DIMS(k, n));
    sl_value *c = contract(f, a, b, 0, ta ? 0 : 1, tb ? 1 : 0);
    if (epilogue >= 1) c = binary(f, SL_OP_arith_add, c, like(f, input(f, element, DIMS(n)), c));
    if (epilogue == 2) c = binary(f, SL_OP_arith_mul, c, unary(f, SL_OP_arith_erf, c));
    if (epilogue == 3) c = binary(f, SL_OP_arith_max, binary(f, SL_OP_arith_add, c, input(f, element, DIMS(m, n))), number(f, 0, c));
    finish1(f, c);
}

static void case_conv(fixture *f, bool nhwc, int64_t n, int64_t c, int64_t size, int64_t m, int64_t window, int64_t stride, int64_t pad, int64_t dilation, int64_t groups) {
    begin(f, sl_arena_printf(f->arena, "conv %s %ld channels %ld window %ld stride %ld groups %ld", nhwc ? "nhwc" : "nchw", (long)c, (long)m, (long)window, (long)stride, (long)groups));
    sl_value *x = nhwc ? input32(f, DIMS(n, size, size + 2, c)) : input32(f, DIMS(n, c, size, size + 2));
    sl_value *w = nhwc ? input32(f, DIMS(window, window, c / groups, m)) : input32(f, DIMS(m, c / groups, window, window));
    sl_value *operands[2] = {x, w};
    sl_named_attr attrs[6] = {{"strides", INTS(f, stride, stride)}, {"dilations", INTS(f, dilation, dilation)}, {"pads_low", INTS(f, pad, pad)}, {"pads_high", INTS(f, pad, pad)},
                              {"groups", sl_attr_int(f->context, groups)}, {"layout", text(f, nhwc ? "nhwc" : "nchw")}};
    sl_value *y = build(f, SL_OP_tensor_conv, 2, operands, 6, attrs);
    sl_value *bias = nhwc ? input32(f, DIMS(m)) : input32(f, DIMS(m, 1, 1));
    y = binary(f, SL_OP_arith_add, y, like(f, bias, y));
    finish1(f, binary(f, SL_OP_arith_max, y, number(f, 0, y)));
}

/* Depthwise, channels last; bit by bit (a single channel is no depthwise convolution: it may be summed by lanes). epilogue 1: bias and a clamp; 2: a costly one. */
static void case_depthwise(fixture *f, int64_t n, int64_t channels, int64_t height, int64_t width, int64_t taps, int64_t stride, int64_t dilation, int64_t pad, int epilogue, int spoiled) {
    begin(f, sl_arena_printf(f->arena, "depthwise %ldx%ld, %ld channels, taps %ld, stride %ld, dilation %ld, pad %ld, epilogue %d%s", (long)height, (long)width, (long)channels, (long)taps,
                             (long)stride, (long)dilation, (long)pad, epilogue, spoiled >= 0 ? ", specials" : ""));
    f->tolerance = epilogue == 2 || channels == 1 ? 1e-5 : 0, f->spoiled = spoiled;
    sl_value *operands[2] = {input32(f, DIMS(n, height, width, channels)), input32(f, DIMS(taps, taps, 1, channels))};
    sl_named_attr attrs[6] = {{"strides", INTS(f, stride, stride)}, {"dilations", INTS(f, dilation, dilation)}, {"pads_low", INTS(f, pad, pad)}, {"pads_high", INTS(f, pad, pad)},
                              {"groups", sl_attr_int(f->context, channels)}, {"layout", text(f, "nhwc")}};
    sl_value *y = build(f, SL_OP_tensor_conv, 2, operands, 6, attrs);
    if (epilogue) y = binary(f, SL_OP_arith_add, y, like(f, input32(f, DIMS(channels)), y));
    if (epilogue == 1) y = binary(f, SL_OP_arith_min, binary(f, SL_OP_arith_max, y, number(f, 0, y)), number(f, 0.5, y));
    if (epilogue == 2) y = binary(f, SL_OP_arith_mul, y, unary(f, SL_OP_arith_erf, y));
    finish1(f, y);
}

static void case_pool(fixture *f, const char *kind, bool nhwc, int64_t channels) {
    begin(f, "pool");
    sl_value *x = nhwc ? input32(f, DIMS(2, 9, 11, channels)) : input32(f, DIMS(2, channels, 9, 11));
    sl_named_attr attrs[7] = {{"kind", text(f, kind)}, {"window", INTS(f, 3, 3)}, {"strides", INTS(f, 2, 2)}, {"dilations", INTS(f, 1, 1)}, {"pads_low", INTS(f, 1, 1)},
                              {"pads_high", INTS(f, 1, 1)}, {"layout", text(f, nhwc ? "nhwc" : "nchw")}};
    finish1(f, build(f, SL_OP_tensor_pool, 1, &x, 7, attrs));
}

static void case_reduce(fixture *f, const char *kind, sl_element element, int rank, const int64_t *dims, int count, const int64_t *axes) {
    begin(f, sl_arena_printf(f->arena, "reduce %s rank %d first axis %ld", kind, rank, (long)axes[0]));
    if (element == SL_ELEMENT_f16) f->tolerance = 1e-2;
    finish1(f, reduce(f, kind, input(f, element, rank, dims), count, axes));
}

static void case_rows(fixture *f, int64_t rows, int64_t n, bool norm, bool yields_sum) {
    begin(f, sl_arena_printf(f->arena, "%s of %ld rows of %ld", norm ? "layer norm" : "softmax", (long)rows, (long)n));
    sl_value *x = input32(f, DIMS(rows, 3, n)), *s = binary(f, SL_OP_arith_add, x, input32(f, DIMS(rows, 3, n)));
    sl_value *values[2] = {norm ? layer_norm(f, s, 2, n < 0 ? (double)f->symbols[-n - 1] : (double)n) : softmax(f, s, 2), s};
    finish(f, yields_sum ? 2 : 1, values);
}

static void case_axis(fixture *f) {
    begin(f, "softmax over a middle axis");
    finish1(f, softmax(f, input32(f, DIMS(3, 7, 40)), 1));
    begin(f, "arg_reduce");
    sl_value *x = input32(f, DIMS(3, 50, 20));
    sl_named_attr attrs[3] = {{"axis", sl_attr_int(f->context, 1)}, {"kind", text(f, "max")}, {"last", sl_attr_bool(f->context, true)}};
    sl_value *values[2] = {build(f, SL_OP_tensor_arg_reduce, 1, &x, 3, attrs)};
    attrs[0].attr = sl_attr_int(f->context, 2);
    values[1] = build(f, SL_OP_tensor_arg_reduce, 1, &x, 2, attrs);
    finish(f, 2, values);
}

static void case_pointwise(fixture *f, sl_element element, int64_t rows, int64_t n) {
    begin(f, sl_arena_printf(f->arena, "pointwise %s %ldx%ld", sl_element_name(element), (long)rows, (long)n));
    if (element == SL_ELEMENT_f16 || element == SL_ELEMENT_bf16) f->tolerance = 3e-2;
    sl_value *x = input(f, element, DIMS(rows, n)), *y = input(f, element, DIMS(n)), *z = input(f, element, DIMS(rows, 1));
    finish1(f, binary(f, SL_OP_arith_add, binary(f, SL_OP_arith_mul, x, like(f, y, x)), like(f, z, x)));
}

static void case_moves(fixture *f) {
    begin(f, "transpose of two");
    finish1(f, transpose(f, input32(f, DIMS(40, 50)), DIMS(1, 0)));
    begin(f, "transpose to channels last");
    finish1(f, transpose(f, input32(f, DIMS(2, 3, 70)), DIMS(0, 2, 1)));
    begin(f, "transpose of heads");
    finish1(f, transpose(f, input32(f, DIMS(2, 9, 33, 5)), DIMS(0, 2, 1, 3)));
    for (int axis = 0; axis < 2; axis++) {
        begin(f, "take");
        sl_value *operands[2] = {input32(f, DIMS(9, 70)), input(f, SL_ELEMENT_i64, DIMS(-1, 4))};
        sl_named_attr attr = {"axis", sl_attr_int(f->context, axis)};
        finish1(f, build(f, SL_OP_tensor_take, 2, operands, 1, &attr));
        begin(f, "concat");
        sl_value *parts[3] = {input32(f, DIMS(5, 7)), input32(f, DIMS(5, 7)), input32(f, DIMS(5, 7))};
        finish1(f, build(f, SL_OP_tensor_concat, 3, parts, 1, &attr));
    }
    static const char *const modes[] = {"constant", "reflect", "edge", "wrap"};
    for (int i = 0; i < 4; i++) {
        begin(f, modes[i]);
        sl_value *x = input32(f, DIMS(5, 37));
        sl_value *operands[2] = {x, sl_build_constant(&f->builder, sl_attr_data_splat(f->context, sl_type_tensor(f->context, SL_ELEMENT_f32, 0, NULL), 2.5))};
        sl_expr low[2] = {sl_expr_const(f->context, 1), sl_expr_const(f->context, 3)}, high[2] = {sl_expr_const(f->context, 2), sl_expr_const(f->context, 2)};
        sl_named_attr attrs[3] = {{"low", sl_attr_exprs(f->context, 2, low)}, {"high", sl_attr_exprs(f->context, 2, high)}, {"mode", text(f, modes[i])}};
        finish1(f, build(f, SL_OP_tensor_pad, 2, operands, 3, attrs));
    }
}

enum { NO_MASK, MASK_ADDED, MASK_CHOSEN, MASK_OF_KEYS, MASK_CAUSAL };

/* The last query sees all keys, the ones before it one key less each; `value` where it is open. */
static sl_value *causal_mask(fixture *f, int64_t queries, int64_t keys, double value) {
    float *mask = SL_NEW_ARRAY(f->arena, float, (size_t)(queries * keys));
    for (int64_t q = 0; q < queries; q++)
        for (int64_t at = 0; at < keys; at++) mask[q * keys + at] = (float)(at <= q + keys - queries ? value : -INFINITY);
    return sl_build_constant(&f->builder, sl_attr_data_copy(f->context, shape(f, SL_ELEMENT_f32, DIMS(queries, keys)), mask, queries * keys * (int64_t)sizeof(float)));
}

/* Heads folded into the last dim, as models have them; `shared`: all heads read the same keys and values. */
static void case_attention(fixture *f, int64_t queries, int64_t keys, int64_t depth, int64_t columns, int mask, bool shared) {
    begin(f, sl_arena_printf(f->arena, "attention of %ld queries and %ld keys, depth %ld, columns %ld, mask %d%s", (long)queries, (long)keys, (long)depth, (long)columns, mask,
                             shared ? ", shared keys" : ""));
    int64_t heads = shared ? 1 : 3;
    sl_value *q = input32(f, DIMS(2, queries, 3 * depth)), *k = input32(f, DIMS(2, keys, heads * depth)), *v = input32(f, DIMS(2, keys, heads * columns));
    q = transpose(f, reshape(f, q, DIMS(2, queries, 3, depth)), DIMS(0, 2, 1, 3));
    k = transpose(f, reshape(f, k, DIMS(2, keys, heads, depth)), DIMS(0, 2, 1, 3));
    v = transpose(f, reshape(f, v, DIMS(2, keys, heads, columns)), DIMS(0, 2, 1, 3));
    if (shared) {
        k = typed(f, SL_OP_tensor_broadcast, k, shape(f, SL_ELEMENT_f32, DIMS(2, 3, keys, depth)));
        v = typed(f, SL_OP_tensor_broadcast, v, shape(f, SL_ELEMENT_f32, DIMS(2, 3, keys, columns)));
    }
    sl_value *scores = contract(f, q, k, 2, 3, 3);
    scores = binary(f, SL_OP_arith_mul, scores, number(f, 0.125, scores));
    if (mask == MASK_ADDED) scores = binary(f, SL_OP_arith_add, scores, like(f, input32(f, DIMS(queries, keys)), scores));
    if (mask == MASK_CAUSAL) scores = binary(f, SL_OP_arith_add, scores, like(f, causal_mask(f, queries, keys, shared ? 0.5 : 0), scores));
    if (mask == MASK_OF_KEYS) scores = binary(f, SL_OP_arith_add, scores, like(f, input32(f, DIMS(2, 1, 1, keys)), scores));
    if (mask == MASK_CHOSEN) {
        sl_value *operands[3] = {like(f, input(f, SL_ELEMENT_i1, DIMS(2, 1, queries, keys)), scores), scores, number(f, -INFINITY, scores)};
        scores = build(f, SL_OP_arith_select, 3, operands, 0, NULL);
    }
    sl_value *o = contract(f, softmax(f, scores, 3), v, 2, 3, 2);
    finish1(f, reshape(f, transpose(f, o, DIMS(0, 2, 1, 3)), DIMS(2, queries, 3 * columns)));
}

static void attentions(fixture *f) {
    case_attention(f, 37, 37, 64, 64, NO_MASK, false);
    case_attention(f, 37, 37, 64, 48, MASK_ADDED, true);
    case_attention(f, 70, 300, 32, 40, MASK_CHOSEN, false);          /* two blocks of keys, the last not full */
    case_attention(f, 5, 256, 20, 7, MASK_OF_KEYS, true);            /* depth that no vector divides */
    case_attention(f, 13, 1, 16, 16, MASK_CHOSEN, false);            /* rows without any finite score */
    case_attention(f, 1, 40, 64, 64, NO_MASK, false);
    case_attention(f, 150, 600, 16, 20, NO_MASK, true);              /* several blocks of queries share packed keys */
    case_attention(f, 150, 300, 32, 32, MASK_CAUSAL, false);
    case_attention(f, 133, 133, 32, 33, MASK_CAUSAL, true);
    static const int64_t unknown[][2] = {{1, 1}, {3, 31}, {23, 257}, {195, 513}};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        f->symbols[0] = unknown[i][0], f->symbols[1] = unknown[i][1];
        case_attention(f, -1, -2, 32, 32, (int)i, i & 1);
    }
    f->symbols[0] = 37;
    case_attention(f, -1, 37, 64, 64, NO_MASK, false);
}

static void contractions(fixture *f) {
    static const int64_t rows[] = {1, 2, 5, 12, 13, 37}, columns[] = {1, 7, 16, 33, 96};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (size_t j = 0; j < sizeof(columns) / sizeof(columns[0]); j++) case_contract(f, rows[i], 40, columns[j], false, false, (int)(i + j) % 4, SL_ELEMENT_f32);
    for (int t = 0; t < 4; t++) case_contract(f, 29, 48, 50, t & 1, t & 2, 3, SL_ELEMENT_f32), case_contract(f, 29, 19, 50, t & 1, t & 2, 1, SL_ELEMENT_f32);
    static const int64_t unknown[] = {1, 6, 23, 31};
    for (size_t i = 0; i < 4; i++) {
        f->symbols[0] = unknown[i], f->symbols[1] = 33, f->symbols[2] = 45;
        case_contract(f, -1, 48, 50, false, false, 2, SL_ELEMENT_f32);
        case_contract(f, -1, 48, 50, false, true, 1, SL_ELEMENT_f32);
    }
    case_contract(f, -1, -2, -3, false, false, 0, SL_ELEMENT_f32);
    case_contract(f, -1, -2, -3, false, true, 0, SL_ELEMENT_f32);
}

static void convolutions(fixture *f) {
    for (int nhwc = 0; nhwc < 2; nhwc++) {
        case_conv(f, nhwc, 2, 20, 9, 40, 3, 1, 1, 1, 1);
        case_conv(f, nhwc, 2, 20, 9, 40, 1, 1, 0, 1, 1);
        case_conv(f, nhwc, 2, 20, 9, 40, 1, 2, 0, 1, 1);
        case_conv(f, nhwc, 1, 3, 20, 24, 7, 2, 3, 1, 1);
        case_conv(f, nhwc, 2, 24, 9, 32, 3, 1, 1, 1, 2);
        case_conv(f, nhwc, 2, 40, 9, 40, 3, 2, 1, 1, 40);
        case_conv(f, nhwc, 1, 16, 12, 33, 3, 1, 2, 2, 1);
        case_pool(f, "max", nhwc, 20);
        case_pool(f, "sum", nhwc, 20);
    }
    f->symbols[0] = 3;
    case_conv(f, true, -1, 20, 9, 40, 3, 1, 1, 1, 1);
    case_conv(f, false, -1, 20, 9, 40, 3, 2, 1, 1, 20);
}

/* Rows of one to three tiles and a remainder, channels around the vector, windows that lie outside for a part and for the most part. */
static void depthwise(fixture *f) {
    static const int64_t widths[] = {1, 2, 7, 13, 14, 15, 28, 29, 41, 43, 58}, channels[] = {1, 3, 8, 16, 17, 32, 47, 64, 100};
    for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
        int64_t c = channels[i % (sizeof(channels) / sizeof(channels[0]))], w = widths[i];
        case_depthwise(f, 2, c, 5, w, 3, 1, 1, 1, (int)(i % 3), -1);
        if (i & 1) case_depthwise(f, 1, c, 6, 2 * w, 3, 2, 1, 1, 1, 0);
        else case_depthwise(f, 1, c + 1, 4, w, 5, 1, 1, 2, 1, 0);
    }
    for (size_t i = 0; i < sizeof(channels) / sizeof(channels[0]); i++) {
        if (i % 3 == 0) case_depthwise(f, 1, channels[i], 9, 21, 3, 1, 2, 2, 1, 0);
        if (i % 3 == 1) case_depthwise(f, 1, channels[i], 9, 33, 3, 1, 6, 6, 0, 0);
        if (i % 3 == 2) case_depthwise(f, 1, channels[i], 9, 12, 7, 3, 1, 0, 1, -1);
        if (i & 1) case_depthwise(f, 1, channels[i], 3, 4, 3, 1, 1, 4, 1, 0);
    }
    case_depthwise(f, 1, 32, 20, 120, 3, 1, 1, 1, 1, 0);
    case_depthwise(f, 1, 32, 20, 65, 3, 1, 18, 18, 1, -1);
    case_depthwise(f, 1, 32, 9, 14, 3, 1, 1, 1, 0, 1);      /* infinite weights meet the zeros around the image */
    f->symbols[0] = 3, f->symbols[1] = 40, f->symbols[2] = 19;
    case_depthwise(f, -1, 24, 8, 16, 3, 1, 1, 1, 1, -1);
    case_depthwise(f, -1, 24, -3, 16, 3, 2, 1, 1, 1, -1);
    case_depthwise(f, 1, 24, 8, -3, 3, 2, 1, 1, 1, -1);
}

/* Weights that come at run time. */
static void depthwise_unknown(fixture *f) {
    case_depthwise(f, 2, 32, 6, 15, 3, 1, 1, 1, 1, 0);
    case_depthwise(f, 1, 17, 6, 9, 3, 2, 1, 1, 0, 1);
    case_depthwise(f, 1, 48, 9, 30, 3, 1, 1, 0, 1, -1);
}

/* Dense windows with weights known while compiling: rectangles with narrow ones at the edges, several bands, few channels and many, bit by bit with NaN and infinities. */
static void case_window(fixture *f, int64_t n, int64_t channels, int64_t height, int64_t width, int64_t columns, int64_t taps, int64_t stride, int64_t dilation, int64_t pad, int epilogue) {
    begin(f, sl_arena_printf(f->arena, "window %ldx%ld, %ld to %ld channels, taps %ld, stride %ld, dilation %ld, pad %ld, epilogue %d", (long)height, (long)width, (long)channels, (long)columns,
                             (long)taps, (long)stride, (long)dilation, (long)pad, epilogue));
    f->tolerance = epilogue == 2 ? 1e-5 : 0, f->spoiled = 0;
    sl_value *operands[2] = {input32(f, DIMS(n, height, width, channels)), input32(f, DIMS(taps, taps, channels, columns))};
    sl_named_attr attrs[6] = {{"strides", INTS(f, stride, stride)}, {"dilations", INTS(f, dilation, dilation)}, {"pads_low", INTS(f, pad, pad)}, {"pads_high", INTS(f, pad, pad + 1)},
                              {"groups", sl_attr_int(f->context, 1)}, {"layout", text(f, "nhwc")}};
    sl_value *y = build(f, SL_OP_tensor_conv, 2, operands, 6, attrs);
    if (epilogue) y = binary(f, SL_OP_arith_add, y, like(f, input32(f, DIMS(columns)), y));
    if (epilogue == 1) y = binary(f, SL_OP_arith_max, y, number(f, 0, y));
    if (epilogue == 2) y = binary(f, SL_OP_arith_mul, y, unary(f, SL_OP_arith_erf, y));
    finish1(f, y);
}

static void windows(fixture *f) {
    static const int64_t widths[] = {2, 7, 13, 14, 15, 29, 43};
    for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
        case_window(f, 1, 3, 6, widths[i], 33, 3, 1, 1, 1, (int)(i % 3));
        case_window(f, 2, 1 + (int64_t)(i % 2) * 16, 9, widths[i] + 2, 16 + (int64_t)i, 3, 1 + (int64_t)(i % 2), 1, 1, 1);
    }
    case_window(f, 1, 20, 11, 14, 64, 3, 1, 2, 2, 0);
    case_window(f, 1, 64, 40, 28, 64, 3, 1, 1, 1, 1);
    case_window(f, 1, 5, 4, 5, 40, 3, 1, 1, 6, 0);
    case_window(f, 1, 3, 30, 30, 24, 7, 2, 1, 3, 2);
    f->symbols[0] = 3;
    case_window(f, -1, 3, 21, 17, 48, 5, 2, 1, 2, 1);
}

static sl_value *window_op(fixture *f, sl_value *x, sl_value *w, int64_t window, int64_t stride, int64_t dilation, int64_t pad) {
    sl_value *operands[2] = {x, w};
    sl_named_attr attrs[7] = {{"strides", INTS(f, stride, stride)}, {"dilations", INTS(f, dilation, dilation)}, {"pads_low", INTS(f, pad, pad)}, {"pads_high", INTS(f, pad, pad)}, {"layout", text(f, "nhwc")}};
    attrs[5] = w ? (sl_named_attr){"groups", sl_attr_int(f->context, 1)} : (sl_named_attr){"window", INTS(f, window, window)};
    attrs[6] = (sl_named_attr){"kind", text(f, "max")};
    return build(f, w ? SL_OP_tensor_conv : SL_OP_tensor_pool, w ? 2 : 1, operands, w ? 6 : 7, attrs);
}

/* A chain of windows with a residual, which fits into the budget only in bands of rows (plan-memory refuses it otherwise); bit by bit the evaluator's. */
static void case_bands(fixture *f, int64_t height, int64_t budget) {
    begin(f, sl_arena_printf(f->arena, "bands of %ld rows in %ld bytes", (long)height, (long)budget));
    f->tolerance = 0, f->budget = budget;
    sl_value *x = input32(f, DIMS(1, height, 20, 8)), *zero, *y = window_op(f, x, input32(f, DIMS(3, 3, 8, 16)), 3, 1, 1, 1);
    y = binary(f, SL_OP_arith_add, y, like(f, input32(f, DIMS(16)), y));
    sl_value *first = binary(f, SL_OP_arith_max, y, zero = number(f, 0, y));
    y = window_op(f, first, input32(f, DIMS(3, 3, 16, 16)), 3, 1, 2, 2);
    y = binary(f, SL_OP_arith_max, binary(f, SL_OP_arith_add, y, first), zero);
    y = window_op(f, y, NULL, 3, 2, 1, 1);
    y = window_op(f, y, input32(f, DIMS(3, 3, 16, 8)), 3, 2, 1, 1);
    finish1(f, y);
    f->budget = 0;
}

static void bands(fixture *f) {
    static const int64_t heights[] = {47, 48, 53};
    for (int i = 0; i < 3; i++) case_bands(f, heights[i], 70000), case_bands(f, heights[i], 45000);
}

static void row_groups(fixture *f) {
    static const int64_t lengths[] = {1, 8, 10, 16, 17, 100, 300};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        case_rows(f, 5, lengths[i], false, i & 1);
        case_rows(f, 2, lengths[i], true, i & 1);
    }
    f->symbols[0] = 3, f->symbols[1] = 70;
    case_rows(f, -1, -2, false, false);
    case_axis(f);
    static const char *const kinds[] = {"sum", "prod", "max", "min"};
    for (int i = 0; i < 4; i++) {
        case_reduce(f, kinds[i], SL_ELEMENT_f32, DIMS(7, 130), DIMS(1));
        case_reduce(f, kinds[i], SL_ELEMENT_f32, DIMS(7, 130), DIMS(0));
        case_reduce(f, kinds[i], SL_ELEMENT_f32, DIMS(3, 4, 50), DIMS(0, 2));
        case_reduce(f, kinds[i], SL_ELEMENT_f32, DIMS(100, 2), DIMS(1));
        case_reduce(f, kinds[i], SL_ELEMENT_i64, DIMS(5, 33), DIMS(1));
    }
    case_reduce(f, "sum", SL_ELEMENT_f16, DIMS(5, 33), DIMS(1));
    case_reduce(f, "and", SL_ELEMENT_i1, DIMS(5, 33), DIMS(1));
}

static void narrow_elements(fixture *f) {
    static const sl_element elements[] = {SL_ELEMENT_f64, SL_ELEMENT_f16, SL_ELEMENT_bf16, SL_ELEMENT_i8, SL_ELEMENT_u8, SL_ELEMENT_i32, SL_ELEMENT_i64};
    for (size_t i = 0; i < sizeof(elements) / sizeof(elements[0]); i++) {
        case_pointwise(f, elements[i], 3, 77);
        case_contract(f, 29, 48, 50, false, false, 0, elements[i]);
        case_contract(f, 29, 48, 50, false, true, 0, elements[i]);
    }
}

static void all(fixture *f) {
    contractions(f);
    convolutions(f);
    depthwise(f);
    windows(f);
    bands(f);
    row_groups(f);
    f->symbols[0] = 7, f->symbols[1] = 37;
    case_pointwise(f, SL_ELEMENT_f32, -1, -2);
    f->symbols[0] = 0;
    case_pointwise(f, SL_ELEMENT_f32, -1, -2);
    case_pointwise(f, SL_ELEMENT_f32, 3, 1000);
    f->symbols[0] = 3;
    case_moves(f);
    attentions(f);
    narrow_elements(f);
}

static void on_machine(const char *machine, int threads, int constants_from, void (*cases)(fixture *)) {
    fixture f = {.allocator = sl_allocator_system(), .threads = threads, .constants_from = constants_from};
    f.arena = sl_arena_create(&f.allocator, 0);
    f.sink = (sl_diag_sink){report, &f, 0, 0};
    f.context = sl_context_create(&f.allocator, &f.sink);
    sl_machine here;
    sl_guard guard;
    if (SL_GUARD_ENTER(&guard)) {
        sl_machine_detect(f.arena, &here);
        CHECK(sl_machine_named(f.arena, machine, &f.machine));
        if (!sl_machine_lacks(&f.machine, &here)) cases(&f);
        sl_guard_leave(&guard);
    } else {
        CHECK(!"out of memory");
    }
    sl_context_destroy(f.context);
    sl_arena_destroy(f.arena);
}

int main(void) {
    on_machine("host", 2, 1, all);
    on_machine("host", 1, MAX_INPUTS, contractions);
    on_machine("x86-64-v3", 2, 1, contractions);
    on_machine("x86-64-v3", 1, MAX_INPUTS, convolutions);
    on_machine("x86-64-v3", 1, 1, windows);
    on_machine("x86-64-v3", 1, 1, depthwise);
    on_machine("host", 2, MAX_INPUTS, depthwise_unknown);
    on_machine("x86-64-v3", 2, MAX_INPUTS, attentions);
    on_machine("x86-64", 1, 1, row_groups);
    return check_result();
}
