/* test_narrow.c: contractions of narrow factors (bf16, bytes) on every kind of dot product instruction that code is made for, each forced by its target, against the reference
 * evaluator: bytes exactly, bf16 exactly where all sums are exact and within the stated rounding else. Extents go from 1 to 3 tiles in all directions, with K that is no
 * multiple of a group. Matrix tiles are run everywhere: where the CPU has none, by an emulator of their instructions, to which CPUs that have them are compared. */
#include "check.h"
#include "matrix_emulator.h"
#include "sluice/codegen.h"
#include "sluice/passes.h"
#include "sluice/runtime.h"

#include <math.h>
#include <stdlib.h>

enum { MAX_INPUTS = 4 };

typedef enum fill_kind { FILL_EXACT, FILL_RANDOM, FILL_EXTREME, FILL_SPECIAL, FILL_DENORMAL } fill_kind;

#define FIXTURE_FIELDS                                                          \
    bool fewer;                              /* sizes: a sample of them */      \
    const char *target;                                                         \
    fill_kind filling;                                                          \
    bool matrix;                             /* products of this case are expected on matrix tiles */
#include "kernel_fixture.h"

/* ---- running ---- */

static bool symbol_value(void *self, sl_expr atom, int64_t *value) {
    *value = *(const int64_t *)self;
    return sl_expr_get_kind(atom) == SL_EXPR_SYMBOL;
}

static void fill(const fixture *f, sl_tensor *x) {
    /* Infinity times a denormal is left out: where denormals count as 0 it is NaN. */
    static const double special[] = {INFINITY, -INFINITY, NAN, 0, -0.0, 1, 2}, denormal[] = {1e-40, -1e-39, 9e-41, 0, -2e-38, 1};
    for (int64_t i = 0, n = sl_tensor_count(x); i < n; i++) {
        if (!sl_element_is_float(x->element)) {
            int bits = sl_element_bits(x->element), small = bits < 32 ? bits : 8, low = sl_element_is_signed(x->element) ? -(1 << (small - 1)) : 0, span = 1 << small;
            int value = f->filling == FILL_EXTREME ? (rand() % 8 ? low + span - 1 : low) : low + (bits < 16 ? rand() % span : rand() & 0xffff);
            sl_element_store_int(x->element, x->data, i, bits == 32 ? rand() % 2001 - 1000 : value);
        } else if (f->filling == FILL_EXACT) {
            sl_element_store_float(x->element, x->data, i, rand() % 17 - 8);
        } else if (f->filling == FILL_SPECIAL && rand() % 9 == 0) {
            sl_element_store_float(x->element, x->data, i, special[(size_t)rand() % (sizeof special / sizeof *special)]);
        } else if (f->filling == FILL_DENORMAL && rand() % 3 == 0) {
            sl_element_store_float(x->element, x->data, i, denormal[(size_t)rand() % (sizeof denormal / sizeof *denormal)]);
        } else {
            sl_element_store_float(x->element, x->data, i, rand() / (double)RAND_MAX * 2 - 1);
        }
    }
}

static double number_of(sl_element element, const void *data, int64_t i) { return sl_element_is_float(element) ? sl_element_load_float(element, data, i) : (double)sl_element_load_int(element, data, i); }

/* `scale`: of the sums' terms, for floats: what rounding may add up to. */
static void compare(const fixture *f, const sl_tensor *want, const void *got, double scale, const char *what) {
    for (int64_t i = 0, n = sl_tensor_count(want); i < n; i++) {
        bool same;
        if (sl_element_is_float(want->element)) {
            double a = sl_element_load_float(want->element, want->data, i), b = sl_element_load_float(want->element, got, i);
            same = a == b || (isnan(a) && isnan(b)) || (f->filling != FILL_EXACT && fabs(a - b) <= scale);
        } else {
            same = sl_element_load_int(want->element, want->data, i) == sl_element_load_int(want->element, got, i);
        }
        if (same) continue;
        fprintf(stderr, "%s on %s, %d threads, %s: element %" PRId64 " is %.9g, not %.9g\n", f->name, f->target, f->threads, what, i, number_of(want->element, got, i), number_of(want->element, want->data, i));
        check_failures++;
        return;
    }
}

/* One run; `offset` moves the inputs off their alignment. The outputs' bytes go to `out`. */
static void run(const fixture *f, sluice_program *program, int inputs, const sl_tensor *const *in, int64_t offset, const sl_tensor *want, void *out) {
    sluice_session_options options;
    sluice_session *session;
    DLTensor given[MAX_INPUTS], got = {0};
    sluice_session_options_init(&options);
    options.threads = f->threads;
    for (int i = 0; i < inputs; i++) {
        size_t bytes = (size_t)sl_tensor_count(in[i]) * (size_t)sl_element_bits(in[i]->element) / 8, step = (size_t)sl_element_bits(in[i]->element) / 8;
        char *moved = sl_arena_alloc(f->arena, bytes + 256);
        memcpy(moved + (size_t)offset * step, in[i]->data, bytes);
        given[i] = (DLTensor){moved + (size_t)offset * step, {1, 0}, in[i]->rank, data_type(in[i]->element), (int64_t *)in[i]->shape, NULL, 0};
    }
    CHECK_INT(sluice_session_create(program, &options, &session), 0);
    int code = sluice_session_run(session, given, inputs, &got, 1);
    CHECK_INT(code, 0);
    if (!code) memcpy(out, got.data, (size_t)sl_tensor_count(want) * (size_t)sl_element_bits(want->element) / 8);
    sluice_session_destroy(session);
}

static bool has_op(const sl_block *block, sl_op_kind kind) {
    for (sl_op *op = sl_block_first(block); op; op = sl_op_next(op)) {
        if (sl_op_get_kind(op) == kind) return true;
        for (int i = 0; i < sl_op_region_count(op); i++)
            if (sl_region_block(sl_op_region(op, i)) && has_op(sl_op_body(op, i), kind)) return true;
    }
    return false;
}

/* Operand 1 becomes a constant. Operand 0's first dim may be the symbol A, here `rows`: then row 0 is run alone, too, and must have the same bits. */
static void finish(fixture *f, sl_value *value, int64_t rows, double scale, bool dot) {
    sl_build(&f->builder, SL_OP_core_return, 1, &value, 0, NULL, 0, NULL);
    sl_tensor *in[MAX_INPUTS], *want[1];
    int inputs = sl_block_argument_count(f->body);
    sl_eval_options evaluation;
    sl_eval_options_init(&evaluation);
    for (int i = 0; i < inputs; i++) {
        sl_type type = sl_value_type(sl_block_argument(f->body, i));
        int64_t dims[SL_MAX_RANK];
        for (int d = 0; d < sl_type_rank(type); d++) CHECK(sl_expr_evaluate(sl_type_dim(type, d), symbol_value, &rows, &dims[d]));
        in[i] = sl_tensor_alloc(f->arena, sl_type_element(type), sl_type_rank(type), dims);
        fill(f, in[i]);
    }
    bool good = ok(f, sl_module_verify(f->module)) && ok(f, sl_eval_function(f->module, "main", f->arena, &evaluation, inputs, (const sl_tensor *const *)in, 1, want));
    sl_builder here = sl_builder_before(sl_block_first(f->body));
    sl_value_replace_all_uses(sl_block_argument(f->body, 1), sl_build_constant(&here, sl_tensor_to_attr(f->context, in[1])));
    sl_pipeline_options pipeline;
    sl_pipeline_options_init(&pipeline);
    pipeline.machine = &f->machine, pipeline.threads = f->threads;
    sl_codegen_options codegen = {.machine = &f->machine, .compile_threads = 1};
    sluice_program *program = NULL;
    good = good && ok(f, sl_pipeline_run(f->module, sl_pipeline_default(), &pipeline));
    bool matrix = dot && f->matrix;
    if (good && (dot && !matrix) != has_op(sl_module_body(f->module), SL_OP_kernel_dot)) {
        fprintf(stderr, "%s on %s: expected %s dot product instructions\n", f->name, f->target, dot ? "some" : "no");
        check_failures++;
    }
    if (good && matrix != has_op(sl_module_body(f->module), SL_OP_kernel_matrix_dot)) {
        fprintf(stderr, "%s on %s: expected %s matrix tiles\n", f->name, f->target, matrix ? "some" : "no");
        check_failures++;
    }
    if (good && ok(f, sl_codegen_jit(f->module, &codegen, &f->allocator, NULL, &program))) {
        size_t bytes = (size_t)sl_tensor_count(want[0]) * (size_t)sl_element_bits(want[0]->element) / 8;
        char *first = sl_arena_alloc(f->arena, bytes), *second = sl_arena_alloc(f->arena, bytes);
        run(f, program, inputs, (const sl_tensor *const *)in, 0, want[0], first);
        compare(f, want[0], first, scale, "whole");
        run(f, program, inputs, (const sl_tensor *const *)in, 1, want[0], second);
        if (memcmp(first, second, bytes)) fprintf(stderr, "%s on %s: other bits from unaligned inputs\n", f->name, f->target), check_failures++;
        bool symbolic = !sl_type_is_static(sl_value_type(sl_block_argument(f->body, 0)));
        if (symbolic) {
            sl_tensor row = *in[0], part = *want[0];
            row.shape[0] = part.shape[0] = 1;
            const sl_tensor *alone[MAX_INPUTS] = {&row};
            for (int i = 1; i < inputs; i++) alone[i] = in[i];
            run(f, program, inputs, alone, 0, &part, second);
            if (memcmp(first, second, bytes / (size_t)rows)) fprintf(stderr, "%s on %s: a row alone has other bits\n", f->name, f->target), check_failures++;
        }
        sluice_program_destroy(program);
    }
    sl_module_destroy(f->module);
}

/* ---- cases ---- */

static sl_value *contract(fixture *f, sl_value *a, sl_value *b, bool transposed) {
    sl_value *operands[2] = {a, b};
    sl_element sums = sl_type_element(sl_value_type(a)) == SL_ELEMENT_bf16 ? SL_ELEMENT_f32 : SL_ELEMENT_i32;
    sl_attr none = ints(f, 0, NULL);
    sl_named_attr attrs[5] = {{"left_batch", none}, {"right_batch", none}, {"left_sum", INTS(f, 1)}, {"right_sum", INTS(f, transposed ? 1 : 0)},
                              {"result_element", sl_attr_type(f->context, sl_type_scalar(f->context, sums))}};
    return build(f, SL_OP_tensor_contract, 2, operands, 5, attrs);
}

/* rows below 0: unknown when compiling; 5 for -1, else as many when running. */
static void case_matmul(fixture *f, sl_element a, sl_element b, int64_t rows, int64_t n, int64_t k, bool transposed, fill_kind filling, bool dot) {
    static const char *const fillings[] = {"exact", "random", "extreme", "special", "denormal"};
    begin_module(f, sl_arena_printf(f->arena, "%s x %s %ldx%ldx%ld %s%s", sl_element_name(a), sl_element_name(b), (long)rows, (long)n, (long)k, fillings[filling], transposed ? " transposed" : ""));
    f->filling = filling;
    f->matrix = a == SL_ELEMENT_bf16 ? f->machine.amx_bf16 : f->machine.amx_int8 && (rows < 0 || rows > 4);
    sl_value *x = input(f, a, DIMS(rows < 0 ? -1 : rows, k)), *w = transposed ? input(f, b, DIMS(n, k)) : input(f, b, DIMS(k, n));
    sl_value *c = contract(f, x, w, transposed);
    sl_element sums = sl_type_element(sl_value_type(c));
    c = binary(f, SL_OP_arith_add, c, like(f, input(f, sums, DIMS(n)), c));
    if (sums == SL_ELEMENT_i32 && k % 2 == 0) {          /* a requantizing epilogue */
        sl_type real = sl_type_with_element(f->context, sl_value_type(c), SL_ELEMENT_f32), byte = sl_type_with_element(f->context, real, SL_ELEMENT_u8);
        c = sl_op_result(sl_build(&f->builder, SL_OP_arith_cast, 1, &c, 1, &real, 0, NULL), 0);
        c = binary(f, SL_OP_arith_mul, c, number(f, 1.0 / 512, c));
        c = binary(f, SL_OP_arith_add, sl_build_unary(&f->builder, SL_OP_arith_round, c), number(f, 100, c));
        c = binary(f, SL_OP_arith_min, binary(f, SL_OP_arith_max, c, number(f, 0, c)), number(f, 255, c));
        c = sl_op_result(sl_build(&f->builder, SL_OP_arith_cast, 1, &c, 1, &byte, 0, NULL), 0);
    }
    finish(f, c, rows == -1 ? 5 : rows < 0 ? -rows : rows, 1e-5 * sqrt((double)k) * 4, dot);
}

/* Several products at once, each with weights of its own; or (batch 0) rows that lie across: one product of the left operand's columns. */
static void case_strided(fixture *f, sl_element a, sl_element b, int64_t batch, int64_t rows, int64_t n, int64_t k, bool dot) {
    begin_module(f, sl_arena_printf(f->arena, "%s x %s %ld times %ldx%ldx%ld, batch or across", sl_element_name(a), sl_element_name(b), (long)batch, (long)rows, (long)n, (long)k));
    f->filling = FILL_EXACT;
    f->matrix = a == SL_ELEMENT_bf16 ? f->machine.amx_bf16 : f->machine.amx_int8 && rows > 4;
    sl_value *x = batch ? input(f, a, DIMS(batch, rows, k)) : input(f, a, DIMS(k, rows)), *w = batch ? input(f, b, DIMS(batch, k, n)) : input(f, b, DIMS(k, n)), *operands[2] = {x, w};
    sl_element sums = a == SL_ELEMENT_bf16 ? SL_ELEMENT_f32 : SL_ELEMENT_i32;
    sl_attr outer = batch ? INTS(f, 0) : ints(f, 0, NULL);
    sl_named_attr attrs[5] = {{"left_batch", outer}, {"right_batch", outer}, {"left_sum", INTS(f, batch ? 2 : 0)}, {"right_sum", INTS(f, batch ? 1 : 0)},
                              {"result_element", sl_attr_type(f->context, sl_type_scalar(f->context, sums))}};
    sl_value *c = build(f, SL_OP_tensor_contract, 2, operands, 5, attrs);
    finish(f, binary(f, SL_OP_arith_add, c, like(f, input(f, sums, DIMS(n)), c)), rows, 0, dot);
}

static void case_conv(fixture *f, sl_element a, sl_element b, int64_t channels, int64_t outputs, int64_t window, int64_t stride, int64_t pad, double padding, bool dot) {
    begin_module(f, sl_arena_printf(f->arena, "%s x %s conv %ld to %ld window %ld stride %ld", sl_element_name(a), sl_element_name(b), (long)channels, (long)outputs, (long)window, (long)stride));
    f->filling = FILL_EXACT;
    f->matrix = a == SL_ELEMENT_bf16 ? f->machine.amx_bf16 : f->machine.amx_int8;
    sl_value *x = input(f, a, DIMS(1, 9, 11, channels)), *w = input(f, b, DIMS(window, window, channels, outputs));
    sl_type scalar = sl_type_tensor(f->context, a, 0, NULL);
    sl_value *pads[2] = {x, sl_build_constant(&f->builder, sl_attr_data_splat(f->context, scalar, padding))};
    sl_expr zero = sl_expr_const(f->context, 0), some = sl_expr_const(f->context, pad);
    sl_attr amounts[4] = {sl_attr_expr(f->context, zero), sl_attr_expr(f->context, some), sl_attr_expr(f->context, some), sl_attr_expr(f->context, zero)};
    sl_named_attr pad_attrs[3] = {{"low", sl_attr_array(f->context, 4, amounts)}, {"high", sl_attr_array(f->context, 4, amounts)}, {"mode", sl_attr_string(f->context, "constant")}};
    sl_value *padded = pad ? build(f, SL_OP_tensor_pad, 2, pads, 3, pad_attrs) : x;
    sl_value *operands[2] = {padded, w};
    sl_element sums = a == SL_ELEMENT_bf16 ? SL_ELEMENT_f32 : SL_ELEMENT_i32;
    sl_named_attr attrs[7] = {{"strides", INTS(f, stride, stride)}, {"dilations", INTS(f, 1, 1)}, {"pads_low", INTS(f, 0, 0)}, {"pads_high", INTS(f, 0, 0)}, {"groups", sl_attr_int(f->context, 1)},
                              {"layout", sl_attr_string(f->context, "nhwc")}, {"result_element", sl_attr_type(f->context, sl_type_scalar(f->context, sums))}};
    sl_value *y = build(f, SL_OP_tensor_conv, 2, operands, 7, attrs);
    finish(f, binary(f, SL_OP_arith_add, y, like(f, input(f, sums, DIMS(outputs)), y)), 1, 0, dot);
}

/* A window for each channel, bytes, sums in i32 and what makes bytes of them. padding -1: none; else around the image. */
static void case_depthwise(fixture *f, sl_element a, int64_t channels, int64_t window, int64_t stride, int64_t pad, fill_kind filling, bool scaled) {
    begin_module(f, sl_arena_printf(f->arena, "%s depthwise %ld window %ld stride %ld pad %ld%s", sl_element_name(a), (long)channels, (long)window, (long)stride, (long)pad, scaled ? ", scaled" : ""));
    f->filling = filling;
    sl_value *operands[2] = {input(f, a, DIMS(2, 9, 37, channels)), input(f, SL_ELEMENT_i8, DIMS(window, window, 1, channels))};
    sl_named_attr attrs[7] = {{"strides", INTS(f, stride, stride)}, {"dilations", INTS(f, 1, 1)}, {"pads_low", INTS(f, pad, pad)}, {"pads_high", INTS(f, pad, pad)},
                              {"groups", sl_attr_int(f->context, channels)}, {"layout", sl_attr_string(f->context, "nhwc")}, {"result_element", sl_attr_type(f->context, sl_type_scalar(f->context, SL_ELEMENT_i32))}};
    sl_value *y = build(f, SL_OP_tensor_conv, 2, operands, 7, attrs);
    y = binary(f, SL_OP_arith_add, y, like(f, input(f, SL_ELEMENT_i32, DIMS(channels)), y));
    if (scaled) {
        sl_type real = sl_type_with_element(f->context, sl_value_type(y), SL_ELEMENT_f32), byte = sl_type_with_element(f->context, real, SL_ELEMENT_u8);
        y = sl_op_result(sl_build(&f->builder, SL_OP_arith_cast, 1, &y, 1, &real, 0, NULL), 0);
        y = sl_build_unary(&f->builder, SL_OP_arith_round, binary(f, SL_OP_arith_mul, y, number(f, 1.0 / 256, y)));
        y = sl_op_result(sl_build(&f->builder, SL_OP_arith_cast, 1, &y, 1, &byte, 0, NULL), 0);
    }
    finish(f, y, 0, 0, false);
}

static void all(fixture *f) {
    static const int64_t rows[] = {1, 2, 4, 13, 31, 40, -1}, columns[] = {1, 16, 31, 33, 70, 97}, depths[] = {1, 2, 3, 5, 8, 63, 130};
    const sl_element bf16 = SL_ELEMENT_bf16, i8 = SL_ELEMENT_i8, u8 = SL_ELEMENT_u8;
    bool bf16_dot = f->machine.bf16_dot || f->machine.amx_bf16, byte_dot = f->machine.int8_dot || f->machine.int8_pairs, pairs = f->machine.int8_pairs;
    for (int i = 0; i < 7; i++)
        for (int j = f->fewer ? i % 3 : 0; j < 6; j += f->fewer ? 3 : 1) {
            int64_t n = columns[j], k[4] = {depths[(i + j) % 7], depths[(i + j + 3) % 7], depths[(i + j + 5) % 7], depths[(i + 2 * j + 1) % 7]};
            bool transposed = (i + j) % 2 != 0;
            /* Without columns or without a sum it is no product of matrices. */
            case_matmul(f, bf16, bf16, rows[i], n, k[0], transposed, FILL_EXACT, bf16_dot && n > 1 && k[0] > 1);
            case_matmul(f, u8, i8, rows[i], n, k[1], transposed, FILL_RANDOM, byte_dot && n > 1 && k[1] > 1);
            case_matmul(f, i8, i8, rows[i], n, k[2], transposed, FILL_RANDOM, byte_dot && n > 1 && k[2] > 1);
            case_matmul(f, u8, u8, rows[i], n, k[3], transposed, FILL_RANDOM, pairs && n > 1 && k[3] > 1);
        }
    for (int random = 0; random < 2; random++) {
        case_matmul(f, bf16, bf16, 29, 70, 514, random, FILL_RANDOM, bf16_dot);
        case_matmul(f, bf16, bf16, -1, 40, 1000, random, FILL_RANDOM, bf16_dot);
        case_matmul(f, bf16, bf16, 7, 33, 31, random, FILL_SPECIAL, bf16_dot);
        case_matmul(f, bf16, bf16, 7, 33, 32, random, FILL_DENORMAL, bf16_dot);
        case_matmul(f, bf16, bf16, 60, 64, 9000, random, FILL_EXACT, bf16_dot);      /* k in blocks */
        case_matmul(f, u8, i8, 17, 35, 9001, random, FILL_EXTREME, byte_dot);
        case_matmul(f, i8, i8, 30, 40, 12001, random, FILL_EXTREME, byte_dot);
        case_matmul(f, u8, u8, 17, 35, 9001, random, FILL_EXTREME, pairs);
    }
    for (int64_t batch = 0; batch < 4; batch += 3) {
        case_strided(f, bf16, bf16, batch, 21, 50, 64, bf16_dot);
        case_strided(f, bf16, bf16, batch, 3, 37, 33, bf16_dot);
        case_strided(f, u8, i8, batch, 37, 140, 128, byte_dot);
        case_strided(f, i8, i8, batch, 19, 20, 130, byte_dot);
    }
    case_conv(f, bf16, bf16, 3, 20, 3, 1, 1, 0, bf16_dot);
    case_conv(f, bf16, bf16, 64, 33, 3, 2, 1, 0, bf16_dot);
    case_conv(f, bf16, bf16, 34, 17, 1, 1, 0, 0, bf16_dot);
    case_conv(f, u8, i8, 3, 20, 3, 1, 1, 131, byte_dot);
    case_conv(f, u8, i8, 65, 33, 3, 2, 1, 7, byte_dot);
    case_conv(f, i8, i8, 64, 70, 3, 1, 1, -3, byte_dot);
    case_conv(f, u8, i8, 64, 70, 1, 1, 0, 0, byte_dot);
    case_conv(f, u8, u8, 20, 40, 5, 1, 2, 1, pairs);
    static const int64_t channels[] = {2, 15, 16, 33, 48};
    for (int i = 0; i < 5; i++) {
        case_depthwise(f, i % 2 ? i8 : u8, channels[i], 3, 1 + i % 2, 1, FILL_RANDOM, i % 3 != 0);
        case_depthwise(f, i % 2 ? u8 : i8, channels[i], 3, 2 - i % 2, i % 2, FILL_EXTREME, i % 3 == 0);
    }
    case_depthwise(f, u8, 17, 16, 1, 7, FILL_EXTREME, false);          /* the longest whose sums are exact in f32 */
    case_depthwise(f, u8, 17, 5, 1, 2, FILL_RANDOM, true);
}

/* Every number of rows, columns and terms from 1 to 3 tiles: one of them runs through all, the others jump. */
static void tails(fixture *f) {
    const sl_element bf16 = SL_ELEMENT_bf16, i8 = SL_ELEMENT_i8, u8 = SL_ELEMENT_u8;
    for (int i = 2; i <= 48; i++) {
        int64_t j = (i * 17) % 47 + 2, l = (i * 29) % 47 + 2;
        case_matmul(f, bf16, bf16, i, j, 2 * l, false, FILL_EXACT, true);
        case_matmul(f, bf16, bf16, j, l, 2 * i - 1, true, FILL_RANDOM, true);
        case_matmul(f, bf16, bf16, -(int64_t)i, l, 32 * (1 + i % 3), false, i % 2 ? FILL_EXACT : FILL_RANDOM, true);
        case_matmul(f, i % 2 ? i8 : u8, i8, i, j, 4 * l - i % 4, false, FILL_RANDOM, true);
        case_matmul(f, i % 2 ? i8 : u8, u8, j, i, 4 * l, true, FILL_RANDOM, true);
        case_matmul(f, u8, i8, -(int64_t)i, j, 64 * (1 + i % 3), true, FILL_EXTREME, true);
        if (i % 6 == 0) case_matmul(f, bf16, bf16, i, j, 3 * l, false, FILL_SPECIAL, true);
        if (i % 6 == 3) case_matmul(f, bf16, bf16, i, j, 3 * l, true, FILL_DENORMAL, true);
    }
    case_matmul(f, bf16, bf16, 100, 200, 512, false, FILL_RANDOM, true);
    case_matmul(f, bf16, bf16, 1, 200, 512, true, FILL_RANDOM, true);
    case_matmul(f, bf16, bf16, -700, 70, 96, false, FILL_EXACT, true);
    case_matmul(f, bf16, bf16, -700, 70, 70, true, FILL_EXACT, true);
    case_matmul(f, i8, i8, 700, 33, 64, true, FILL_RANDOM, true);
    case_matmul(f, u8, i8, 333, 64, 129, true, FILL_RANDOM, true);
}

static void on_target(const char *target, int threads, bool fewer) {
    fixture f = {.allocator = sl_allocator_system(), .threads = threads, .fewer = fewer, .target = target};
    f.arena = sl_arena_create(&f.allocator, 0);
    f.sink = (sl_diag_sink){report, &f, 0, 0};
    f.context = sl_context_create(&f.allocator, &f.sink);
    sl_machine here;
    sl_guard guard;
    if (SL_GUARD_ENTER(&guard)) {
        sl_machine_detect(f.arena, &here);
        CHECK(sl_machine_named(f.arena, target, &f.machine));
        const char *lacks = sl_machine_lacks(&f.machine, &here);
        if (lacks && !strncmp(lacks, "amx-", 4) && matrix_emulator_install()) lacks = NULL;
        if (!lacks && f.machine.amx_bf16) tails(&f);
        if (lacks) printf("%s: not run, this CPU lacks %s\n", target, lacks);
        else all(&f);
        sl_guard_leave(&guard);
    } else {
        CHECK(!"out of memory");
    }
    sl_context_destroy(f.context);
    sl_arena_destroy(f.arena);
}

int main(int count, char **arguments) {
    if (count > 1) {
        on_target(arguments[1], 2, false);
        return check_result();
    }
    on_target("host", 2, false);
    on_target("host,+amx-bf16,+amx-int8", 2, true);   /* matrix tiles, where there is AVX-512 */
    on_target("znver4", 1, true);                     /* VDPBF16PS, VPDPBUSD on 512 bits */
    on_target("znver4,-avx512bf16,-avx512vnni", 2, true);   /* widened; PMADDWD on 512 bits */
    on_target("sapphirerapids,-amx-tile,-avx512fp16", 2, true);
    on_target("alderlake", 2, true);                  /* VPDPBUSD on 256 bits */
    on_target("x86-64-v3", 2, true);                  /* PMADDWD on 256 bits */
    on_target("x86-64", 2, true);                     /* PMADDWD on 128 bits, no FMA */
    on_target("neoverse-n1", 2, true);                /* SDOT */
    on_target("aarch64", 2, true);
    return check_result();
}
