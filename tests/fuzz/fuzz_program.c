/* fuzz_program.c: valid random programs. The input's bytes are choices: the types of some inputs, then ops on what there is so far. The program runs in the
 * reference evaluator and, compiled by the default pipeline, in a session with two threads; results must agree, and a second run must give the same bits.
 *
 * What "agree" means: compiled code may round differently (other sums, polynomial exp), so values carry the number of inexact steps behind them. Ops that jump
 * (comparisons, rounding, casts to integers) or amplify (division, logarithms) take exact values only; the tolerance grows with the largest magnitude that the
 * evaluator saw. Values without inexact steps must be equal to the bit (up to the sign of NaN).
 */
#include "driver.h"
#include "fuzz.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_INPUTS = 4, MOST_VALUES = 64, MOST_STEPS = 14, MOST_OUTPUTS = 6, MOST_INEXACT = 3 };

typedef struct choices { const uint8_t *data; size_t size, at; } choices;

/* 0 once the bytes are used up. */
static int pick(choices *from, int count) { return from->at < from->size ? from->data[from->at++] % count : 0; }

typedef struct item { sl_value *value; int inexact; } item;

typedef struct generator {
    choices choices;
    sl_context *context;
    sl_module *module;
    sl_arena *arena;
    sl_builder builder;
    item items[MOST_VALUES];
    int count;
    sl_type inputs[MOST_INPUTS];
    int input_count;
    int64_t symbols[2];            /* values of B and S */
    bool strict;                   /* compile without algebra that changes rounding */
} generator;

static void add(generator *g, sl_value *value, int inexact) {
    if (g->count < MOST_VALUES) g->items[g->count++] = (item){value, inexact};
}

static sl_type type_of(const item *it) { return sl_value_type(it->value); }

/* Every second time one of the last three, so that programs grow deep. */
static item *any(generator *g) {
    bool recent = pick(&g->choices, 2) && g->count > 3;
    return &g->items[recent ? g->count - 1 - pick(&g->choices, 3) : pick(&g->choices, g->count)];
}

static sl_expr pick_dim(generator *g) {
    static const int sizes[] = {1, 2, 3, 4, 5, 7, 8, 16, 17, 33, 1, 64};
    int at = pick(&g->choices, 16);
    if (at >= 12) return sl_expr_symbol(g->context, at % 2 ? "B" : "S");
    return sl_expr_const(g->context, sizes[at]);
}

/* At most 4096 elements for the largest symbols, to be quick. */
static bool small(sl_type type) {
    int64_t count = 1;
    for (int i = 0; i < sl_type_rank(type); i++) count *= sl_expr_const_or(sl_type_dim(type, i), 24);
    return count <= 4096;
}

static sl_type pick_type(generator *g, sl_element element) {
    sl_expr dims[4];
    int rank = pick(&g->choices, 5);
    for (int i = 0; i < rank; i++) dims[i] = pick_dim(g);
    sl_type type = sl_type_tensor(g->context, element, rank, dims);
    while (!small(type)) type = sl_type_tensor(g->context, element, --rank, dims);
    return type;
}

static sl_value *build(generator *g, sl_op_kind kind, int count, sl_value *const *operands, sl_type type, int attr_count, const sl_named_attr *attrs) {
    return sl_op_result(sl_build(&g->builder, kind, count, operands, 1, &type, attr_count, attrs), 0);
}

static sl_value *build_inferred(generator *g, sl_op_kind kind, int count, sl_value *const *operands, int attr_count, const sl_named_attr *attrs) {
    sl_op *op = sl_build_inferred(&g->builder, kind, count, operands, attr_count, attrs);
    return op ? sl_op_result(op, 0) : NULL;
}

static sl_attr constant_data(generator *g, sl_type type) {
    void *data;
    sl_attr attr = sl_attr_data_zero(g->context, type, &data);
    for (int64_t i = 0, count = sl_type_static_count(type); i < count; i++) sl_element_store_float(sl_type_element(type), data, i, (pick(&g->choices, 64) - 32) / 16.0);
    return attr;
}

/* ---- steps: each adds a value, or does nothing when it does not apply ---- */

static void step_unary(generator *g) {
    static const sl_op_kind exact[] = {SL_OP_arith_neg, SL_OP_arith_abs, SL_OP_arith_sign, SL_OP_arith_ceil, SL_OP_arith_floor, SL_OP_arith_round, SL_OP_arith_trunc};
    static const sl_op_kind inexact[] = {SL_OP_arith_sqrt, SL_OP_arith_exp, SL_OP_arith_log, SL_OP_arith_log1p, SL_OP_arith_expm1, SL_OP_arith_sin, SL_OP_arith_cos,
                                         SL_OP_arith_tanh, SL_OP_arith_erf, SL_OP_arith_atan, SL_OP_arith_sinh, SL_OP_arith_asinh};
    item *x = any(g);
    sl_element element = sl_type_element(type_of(x));
    if (element == SL_ELEMENT_i1) {
        add(g, sl_build_unary(&g->builder, SL_OP_arith_not, x->value), 0);
    } else if (!sl_element_is_float(element)) {
        add(g, sl_build_unary(&g->builder, exact[pick(&g->choices, 3)], x->value), 0);
    } else if (pick(&g->choices, 2) && x->inexact < MOST_INEXACT) {
        int at = pick(&g->choices, 12);
        bool amplifies = at == 0 || at == 2 || at == 3;
        if (!amplifies || !x->inexact) add(g, sl_build_unary(&g->builder, inexact[at], x->value), x->inexact + 1);
    } else {
        int at = pick(&g->choices, 7);
        if (at < 2 || !x->inexact) add(g, sl_build_unary(&g->builder, exact[at], x->value), x->inexact);
    }
}

/* Another value of x's type: one that is there, a splat constant, or x. */
static item partner(generator *g, const item *x) {
    sl_type type = type_of(x);
    int start = pick(&g->choices, g->count);
    for (int i = 0; i < g->count; i++) {
        item *other = &g->items[(start + i) % g->count];
        if (type_of(other) == type && other->value != x->value) return *other;
    }
    if (!sl_type_is_static(type)) return *x;
    double value = (pick(&g->choices, 17) - 8) / 4.0;
    if (!sl_element_is_float(sl_type_element(type))) value = trunc(value);
    return (item){sl_build_constant_float(&g->builder, type, value), 0};
}

static void step_binary(generator *g) {
    static const sl_op_kind numeric[] = {SL_OP_arith_add, SL_OP_arith_sub, SL_OP_arith_mul, SL_OP_arith_max, SL_OP_arith_min, SL_OP_arith_div};
    static const sl_op_kind logical[] = {SL_OP_arith_and, SL_OP_arith_or, SL_OP_arith_xor};
    item *x = any(g), y = partner(g, x);
    sl_element element = sl_type_element(type_of(x));
    int inexact = x->inexact > y.inexact ? x->inexact : y.inexact;
    if (element == SL_ELEMENT_i1) {
        add(g, sl_build_binary(&g->builder, logical[pick(&g->choices, 3)], x->value, y.value), 0);
        return;
    }
    int at = pick(&g->choices, 6);
    if (at == 5 && y.inexact) return;
    if (at == 5 && sl_element_is_float(element) && !g->strict) inexact++;   /* division by a constant becomes a product with its reciprocal */
    add(g, sl_build_binary(&g->builder, numeric[at], x->value, y.value), inexact);
}

static void step_select(generator *g) {
    static const char *const predicates[] = {"eq", "ne", "lt", "le", "gt", "ge"};
    item *x = any(g), y = partner(g, x);
    if (x->inexact || y.inexact || sl_type_element(type_of(x)) == SL_ELEMENT_i1) return;
    sl_value *condition = sl_build_compare(&g->builder, predicates[pick(&g->choices, 6)], x->value, y.value);
    add(g, condition, 0);
    add(g, sl_build_select(&g->builder, condition, x->value, y.value), 0);
}

static void step_cast(generator *g) {
    static const sl_element elements[] = {SL_ELEMENT_f32, SL_ELEMENT_f64, SL_ELEMENT_f16, SL_ELEMENT_bf16, SL_ELEMENT_i64, SL_ELEMENT_i32, SL_ELEMENT_i8, SL_ELEMENT_u8, SL_ELEMENT_i1};
    item *x = any(g);
    if (!x->inexact) add(g, sl_build_cast(&g->builder, x->value, elements[pick(&g->choices, 9)]), 0);
}

static void step_broadcast(generator *g) {
    item *x = any(g);
    sl_type type = type_of(x);
    sl_expr dims[SL_MAX_RANK];
    int rank = sl_type_rank(type), more = rank < 4 ? pick(&g->choices, 2) : 0;
    for (int i = 0; i < more; i++) dims[i] = pick_dim(g);
    for (int i = 0; i < rank; i++) dims[more + i] = sl_expr_equals_const(sl_type_dim(type, i), 1) ? pick_dim(g) : sl_type_dim(type, i);
    sl_type to = sl_type_with_dims(g->context, type, more + rank, dims);
    if (small(to)) add(g, build(g, SL_OP_tensor_broadcast, 1, &x->value, to, 0, NULL), x->inexact);
}

static void step_transpose(generator *g) {
    item *x = any(g);
    int rank = sl_type_rank(type_of(x));
    int64_t perm[SL_MAX_RANK];
    for (int i = 0; i < rank; i++) perm[i] = i;
    for (int i = rank - 1; i > 0; i--) {
        int j = pick(&g->choices, i + 1);
        int64_t kept = perm[i];
        perm[i] = perm[j];
        perm[j] = kept;
    }
    sl_named_attr attr = {"perm", sl_attr_ints(g->context, rank, perm)};
    sl_value *result = build_inferred(g, SL_OP_tensor_transpose, 1, &x->value, 1, &attr);
    if (result) add(g, result, x->inexact);
}

/* Merges two neighbouring dims, flattens, or puts in a 1. */
static void step_reshape(generator *g) {
    item *x = any(g);
    sl_type type = type_of(x);
    sl_expr dims[SL_MAX_RANK];
    int rank = sl_type_rank(type), count = 0, at = rank > 0 ? pick(&g->choices, rank) : 0, how = pick(&g->choices, 3);
    if (how == 0 || rank < 2) {
        if (rank >= 4) return;
        for (int i = 0; i < rank; i++) {
            if (i == at) dims[count++] = sl_expr_const(g->context, 1);
            dims[count++] = sl_type_dim(type, i);
        }
        if (rank == 0) dims[count++] = sl_expr_const(g->context, 1);
    } else if (how == 1) {
        dims[count++] = sl_type_count(g->context, type);
    } else {
        if (at == rank - 1) at--;
        for (int i = 0; i < rank; i++) {
            if (i == at) dims[count++] = sl_expr_mul(g->context, sl_type_dim(type, i), sl_type_dim(type, i + 1));
            else if (i != at + 1) dims[count++] = sl_type_dim(type, i);
        }
    }
    add(g, build(g, SL_OP_tensor_reshape, 1, &x->value, sl_type_with_dims(g->context, type, count, dims), 0, NULL), x->inexact);
}

static void step_slice(generator *g) {
    item *x = any(g);
    sl_type type = type_of(x);
    int rank = sl_type_rank(type);
    sl_expr dims[SL_MAX_RANK], starts[SL_MAX_RANK];
    int64_t steps[SL_MAX_RANK];
    for (int i = 0; i < rank; i++) {
        int64_t size = sl_expr_const_or(sl_type_dim(type, i), -1);
        dims[i] = sl_type_dim(type, i);
        starts[i] = sl_expr_const(g->context, 0);
        steps[i] = 1;
        if (size < 1) continue;
        int64_t first = pick(&g->choices, (int)size), step = pick(&g->choices, 3) + 1;
        if (pick(&g->choices, 4) == 0) step = -step;
        int64_t room = step > 0 ? (size - 1 - first) / step + 1 : first / -step + 1;
        dims[i] = sl_expr_const(g->context, 1 + pick(&g->choices, (int)room));
        starts[i] = sl_expr_const(g->context, first);
        steps[i] = step;
    }
    sl_named_attr attrs[] = {{"starts", sl_attr_exprs(g->context, rank, starts)}, {"steps", sl_attr_ints(g->context, rank, steps)}};
    add(g, build(g, SL_OP_tensor_slice, 1, &x->value, sl_type_with_dims(g->context, type, rank, dims), 2, attrs), x->inexact);
}

static void step_concat(generator *g) {
    item *x = any(g), y = partner(g, x);
    int rank = sl_type_rank(type_of(x));
    if (!rank) return;
    sl_named_attr axis = {"axis", sl_attr_int(g->context, pick(&g->choices, rank))};
    sl_value *operands[] = {x->value, y.value, x->value};
    sl_value *result = build_inferred(g, SL_OP_tensor_concat, 2 + pick(&g->choices, 2), operands, 1, &axis);
    if (result && small(sl_value_type(result))) add(g, result, x->inexact > y.inexact ? x->inexact : y.inexact);
}

static void step_pad(generator *g) {
    static const char *const modes[] = {"constant", "edge"};
    item *x = any(g);
    int rank = sl_type_rank(type_of(x));
    sl_expr low[SL_MAX_RANK], high[SL_MAX_RANK];
    for (int i = 0; i < rank; i++) {
        bool fixed = sl_expr_const_or(sl_type_dim(type_of(x), i), 0) > 0;   /* of an empty axis there is no edge */
        low[i] = sl_expr_const(g->context, fixed ? pick(&g->choices, 3) : 0);
        high[i] = sl_expr_const(g->context, fixed ? pick(&g->choices, 3) : 0);
    }
    sl_type scalar = sl_type_tensor(g->context, sl_type_element(type_of(x)), 0, NULL);
    sl_value *operands[] = {x->value, sl_build_constant_float(&g->builder, scalar, 1)};
    sl_named_attr attrs[] = {{"low", sl_attr_exprs(g->context, rank, low)}, {"high", sl_attr_exprs(g->context, rank, high)},
                             {"mode", sl_attr_string(g->context, modes[pick(&g->choices, 2)])}};
    sl_value *result = build_inferred(g, SL_OP_tensor_pad, 2, operands, 3, attrs);
    if (result && small(sl_value_type(result))) add(g, result, x->inexact);
}

static sl_value *reduce(generator *g, sl_value *x, const char *kind, int count, const int64_t *axes) {
    sl_named_attr attrs[] = {{"axes", sl_attr_ints(g->context, count, axes)}, {"kind", sl_attr_string(g->context, kind)}};
    return build_inferred(g, SL_OP_tensor_reduce, 1, &x, 2, attrs);
}

static void step_reduce(generator *g) {
    static const char *const numeric[] = {"sum", "max", "min", "prod"}, *const logical[] = {"and", "or"};
    item *x = any(g);
    sl_element element = sl_type_element(type_of(x));
    int64_t axes[SL_MAX_RANK];
    int count = 0;
    for (int i = 0; i < sl_type_rank(type_of(x)); i++)
        if (pick(&g->choices, 2)) axes[count++] = i;
    int at = pick(&g->choices, 4);
    bool rounds = sl_element_is_float(element) && (at == 0 || at == 3);
    int64_t elements = sl_type_static_count(type_of(x));
    if (at == 3 && sl_element_is_float(element) && (elements < 0 || elements > 16)) at = 0;   /* long products overflow in one order and not in another */
    if (rounds && x->inexact >= MOST_INEXACT) return;
    sl_value *result = reduce(g, x->value, element == SL_ELEMENT_i1 ? logical[at % 2] : numeric[at], count, axes);
    if (result) add(g, result, x->inexact + rounds);
}

/* exp(x - max) / sum(exp(x - max)) along the last axis: what fusion has to keep together. */
static void step_softmax(generator *g) {
    item *x = any(g);
    sl_type type = type_of(x);
    int rank = sl_type_rank(type);
    if (rank < 1 || sl_type_element(type) != SL_ELEMENT_f32 || x->inexact >= MOST_INEXACT) return;
    sl_expr kept[SL_MAX_RANK];
    for (int i = 0; i < rank; i++) kept[i] = i == rank - 1 ? sl_expr_const(g->context, 1) : sl_type_dim(type, i);
    sl_type row = sl_type_with_dims(g->context, type, rank, kept);
    int64_t last = rank - 1;
    sl_value *most = reduce(g, x->value, "max", 1, &last);
    most = build(g, SL_OP_tensor_reshape, 1, &most, row, 0, NULL);
    most = build(g, SL_OP_tensor_broadcast, 1, &most, type, 0, NULL);
    sl_value *raised = sl_build_unary(&g->builder, SL_OP_arith_exp, sl_build_binary(&g->builder, SL_OP_arith_sub, x->value, most));
    sl_value *total = reduce(g, raised, "sum", 1, &last);
    total = build(g, SL_OP_tensor_reshape, 1, &total, row, 0, NULL);
    total = build(g, SL_OP_tensor_broadcast, 1, &total, type, 0, NULL);
    add(g, sl_build_binary(&g->builder, SL_OP_arith_div, raised, total), x->inexact + 1);
}

/* x times a constant weight over x's last axis, or x times itself. */
static void step_contract(generator *g) {
    item *x = any(g);
    sl_type type = type_of(x);
    int rank = sl_type_rank(type);
    int64_t none[1] = {0}, last = rank - 1, zero = 0;
    if (rank < 1 || sl_type_element(type) == SL_ELEMENT_i1 || !sl_element_is_float(sl_type_element(type)) || x->inexact >= MOST_INEXACT) return;
    int64_t depth = sl_expr_const_or(sl_type_dim(type, rank - 1), -1);
    sl_value *operands[] = {x->value, x->value};
    int batch = 0;
    int64_t right = last;
    if (depth > 0 && pick(&g->choices, 3)) {
        sl_type weight = sl_type_tensor_static(g->context, sl_type_element(type), 2, (int64_t[]){depth, 1 + pick(&g->choices, 40)});
        operands[1] = sl_build_constant(&g->builder, constant_data(g, weight));
        right = zero;
    } else if (rank == 3) {
        batch = 1;
    }
    sl_named_attr attrs[] = {{"left_batch", sl_attr_ints(g->context, batch, none)}, {"right_batch", sl_attr_ints(g->context, batch, none)},
                             {"left_sum", sl_attr_ints(g->context, 1, &last)}, {"right_sum", sl_attr_ints(g->context, 1, &right)}};
    sl_value *result = build_inferred(g, SL_OP_tensor_contract, 2, operands, 4, attrs);
    if (result && small(sl_value_type(result))) add(g, result, x->inexact + 1);
}

static void step_take(generator *g) {
    item *x = any(g);
    int rank = sl_type_rank(type_of(x)), axis = rank ? pick(&g->choices, rank) : 0;
    int64_t size = rank ? sl_expr_const_or(sl_type_dim(type_of(x), axis), 0) : 0;
    if (size < 1) return;
    int64_t count = 1 + pick(&g->choices, 6), indices[8];
    for (int64_t i = 0; i < count; i++) indices[i] = pick(&g->choices, (int)(2 * size)) - size;
    sl_type type = sl_type_tensor_static(g->context, SL_ELEMENT_i64, 1, &count);
    sl_value *operands[] = {x->value, sl_build_constant(&g->builder, sl_attr_data_copy(g->context, type, indices, count * 8))};
    sl_named_attr attr = {"axis", sl_attr_int(g->context, axis)};
    sl_value *result = build_inferred(g, SL_OP_tensor_take, 2, operands, 1, &attr);
    if (result && small(sl_value_type(result))) add(g, result, x->inexact);
}

static void step_iota(generator *g) {
    sl_type type = pick_type(g, pick(&g->choices, 2) ? SL_ELEMENT_f32 : SL_ELEMENT_i64);
    if (sl_type_rank(type) < 1) return;
    sl_named_attr attr = {"axis", sl_attr_int(g->context, pick(&g->choices, sl_type_rank(type)))};
    add(g, build(g, SL_OP_tensor_iota, 0, NULL, type, 1, &attr), 0);
}

/* One branch as it is, the other negated. */
static void step_if(generator *g) {
    item *x = any(g);
    sl_type scalar = sl_type_tensor(g->context, SL_ELEMENT_i1, 0, NULL), type = type_of(x);
    if (sl_type_element(type) == SL_ELEMENT_i1) return;
    sl_value *condition = NULL;
    for (int i = 0; i < g->count && !condition; i++)
        if (type_of(&g->items[i]) == scalar) condition = g->items[i].value;
    if (!condition) condition = sl_build_constant_int(&g->builder, scalar, pick(&g->choices, 2));
    sl_op *op = sl_build(&g->builder, SL_OP_tensor_if, 1, &condition, 1, &type, 0, NULL);
    for (int branch = 0; branch < 2; branch++) {
        sl_builder inner = sl_builder_at_end(g->module, sl_op_body(op, branch));
        sl_value *value = branch ? x->value : sl_build_unary(&inner, SL_OP_arith_neg, x->value);
        sl_build(&inner, SL_OP_tensor_yield, 1, &value, 0, NULL, 0, NULL);
    }
    add(g, sl_op_result(op, 0), x->inexact);
}

/* ---- a program ---- */

static int make_program(generator *g, int *inexact) {
    static void (*const steps[])(generator *g) = {step_unary, step_binary, step_binary, step_select, step_cast, step_broadcast, step_transpose, step_reshape, step_slice,
                                                  step_concat, step_pad, step_reduce, step_reduce, step_softmax, step_contract, step_contract, step_take, step_iota, step_if};
    static const sl_element elements[] = {SL_ELEMENT_f32, SL_ELEMENT_f32, SL_ELEMENT_f32, SL_ELEMENT_f32, SL_ELEMENT_f64, SL_ELEMENT_i64, SL_ELEMENT_i32, SL_ELEMENT_i1};
    sl_builder top = sl_builder_at_end(g->module, sl_module_body(g->module));
    sl_named_attr name = {"sym_name", sl_attr_string(g->context, "main")};
    sl_op *function = sl_build(&top, SL_OP_core_func, 0, NULL, 0, NULL, 1, &name);
    sl_block *body = sl_op_body(function, 0);
    g->builder = sl_builder_at_end(g->module, body);
    g->strict = pick(&g->choices, 2);
    g->symbols[0] = pick(&g->choices, 25);
    g->symbols[1] = 1 + pick(&g->choices, 20);
    g->input_count = 1 + pick(&g->choices, MOST_INPUTS);
    const char *names[MOST_INPUTS + 2] = {"i0", "i1", "i2", "i3"};
    /* The first input binds both symbols, so that every later type may use them. */
    for (int i = 0; i < g->input_count; i++) {
        sl_element element = elements[pick(&g->choices, 8)];
        sl_expr both[] = {sl_expr_symbol(g->context, "B"), sl_expr_symbol(g->context, "S")};
        g->inputs[i] = i == 0 ? sl_type_tensor(g->context, element, 2, both) : pick_type(g, element);
        add(g, sl_block_add_argument(body, g->inputs[i]), 0);
    }
    sl_op_set_attr(function, "input_names", sl_attr_strings(g->context, g->input_count, names));
    int count = 1 + pick(&g->choices, MOST_STEPS);
    for (int i = 0; i < count; i++) steps[pick(&g->choices, (int)(sizeof steps / sizeof *steps))](g);
    sl_value *outputs[MOST_OUTPUTS];
    int output_count = 0;
    for (int i = g->count - 1; i >= 0 && output_count < MOST_OUTPUTS; i--) {
        if (sl_value_has_uses(g->items[i].value) && i != g->count - 1) continue;
        outputs[output_count] = g->items[i].value;
        inexact[output_count++] = g->items[i].inexact;
    }
    sl_build(&g->builder, SL_OP_core_return, output_count, outputs, 0, NULL, 0, NULL);
    return output_count;
}

static bool symbol_value(void *self, sl_expr atom, int64_t *value) {
    const generator *g = self;
    *value = g->symbols[sl_expr_symbol_name(atom)[0] == 'S'];
    return true;
}

static sl_tensor *make_input(generator *g, sl_type type) {
    int64_t shape[SL_MAX_RANK];
    for (int i = 0; i < sl_type_rank(type); i++) FUZZ_CHECK(sl_expr_evaluate(sl_type_dim(type, i), symbol_value, g, &shape[i]), "input dim");
    sl_tensor *tensor = sl_tensor_alloc(g->arena, sl_type_element(type), sl_type_rank(type), shape);
    for (int64_t i = 0; i < sl_tensor_count(tensor); i++) {
        int value = pick(&g->choices, 129) - 64;
        if (sl_type_element(type) == SL_ELEMENT_i1) value &= 1;
        sl_element_store_float(tensor->element, tensor->data, i, sl_element_is_float(tensor->element) ? value / 32.0 + (double)(i % 7) / 8 : value % 6);
        if (sl_type_element(type) == SL_ELEMENT_i1) sl_element_store_int(tensor->element, tensor->data, i, value);
    }
    return tensor;
}

static void observe(void *self, sl_op *op, int result, const sl_tensor *tensor) {
    double *most = self;
    (void)op;
    (void)result;
    if (!sl_element_is_float(tensor->element)) return;
    for (int64_t i = 0; i < sl_tensor_count(tensor); i++) {
        double value = fabs(sl_element_load_float(tensor->element, tensor->data, i));
        if (isfinite(value) && value > *most) *most = value;
    }
}

static bool agree(double expected, double actual, bool exact, double most, sl_element element) {
    if (isnan(expected)) return isnan(actual) || (!exact && fabs(actual) > 1e30);
    if (expected == actual) return true;
    if (exact) return false;
    double limit = element == SL_ELEMENT_f16 ? 3e4 : 1e30;
    if (!isfinite(expected) || !isfinite(actual)) return (isnan(actual) || fabs(actual) > limit) && fabs(expected) > limit;
    double relative = element == SL_ELEMENT_f16 || element == SL_ELEMENT_bf16 ? 3e-2 : 1e-3;
    return fabs(expected - actual) <= relative * fabs(expected) + 2e-5 * (most + 1);
}

static DLDataType data_type(sl_element element) {
    uint8_t bits = (uint8_t)sl_element_bits(element);
    if (element == SL_ELEMENT_i1) return (DLDataType){6, 8, 1};
    if (element == SL_ELEMENT_bf16) return (DLDataType){4, 16, 1};
    if (sl_element_is_float(element)) return (DLDataType){2, bits, 1};
    return (DLDataType){sl_element_is_signed(element) ? 0 : 1, bits, 1};
}

static const char *module_text(sl_arena *arena, sl_module *module) {
    sl_text text;
    sl_text_init(&text, arena);
    sl_module_print(&text, module, NULL);
    return text.data;
}

static void compare(generator *g, const sl_tensor *expected, const DLTensor *actual, int output, bool exact, double most, const char *source) {
    FUZZ_CHECK(actual->ndim == expected->rank, "output %d has rank %d, expected %d\n%s", output, actual->ndim, expected->rank, source);
    for (int d = 0; d < expected->rank; d++)
        FUZZ_CHECK(actual->shape[d] == expected->shape[d], "output %d has size %lld on axis %d, expected %lld; B is %lld, S is %lld\n%s", output, (long long)actual->shape[d], d,
                   (long long)expected->shape[d], (long long)g->symbols[0], (long long)g->symbols[1], source);
    const char *data = (const char *)actual->data + actual->byte_offset;
    for (int64_t i = 0; i < sl_tensor_count(expected); i++) {
        bool same;
        if (sl_element_is_float(expected->element)) {
            same = agree(sl_element_load_float(expected->element, expected->data, i), sl_element_load_float(expected->element, data, i), exact, most, expected->element);
        } else {
            same = sl_element_load_int(expected->element, expected->data, i) == sl_element_load_int(expected->element, data, i);
        }
        FUZZ_CHECK(same, "output %d element %lld is %.9g, expected %.9g (%s); B is %lld, S is %lld\n%s", output, (long long)i, sl_element_load_float(expected->element, data, i),
                   sl_element_load_float(expected->element, expected->data, i), exact ? "exactly" : "about", (long long)g->symbols[0], (long long)g->symbols[1], source);
    }
}

static void destroy_module(void *module) { sl_module_destroy(module); }

static void run(sluice_context *host, sl_compilation *compilation, const uint8_t *data, size_t size) {
    generator *g = SL_NEW(compilation->arena, generator);
    g->choices = (choices){data, size, 0};
    g->context = compilation->context;
    g->arena = compilation->arena;
    g->module = compilation->module = sl_module_create(compilation->context);
    sl_arena_on_destroy(compilation->arena, destroy_module, compilation->module);
    int inexact[MOST_OUTPUTS], output_count = make_program(g, inexact);
    const char *source = module_text(g->arena, g->module);
    sl_status status = sl_module_verify(g->module);
    FUZZ_CHECK(!status, "the generator made an invalid module\n%s", source);

    const sl_tensor *inputs[MOST_INPUTS];
    DLTensor given[MOST_INPUTS] = {0}, got[MOST_OUTPUTS] = {0};
    for (int i = 0; i < g->input_count; i++) {
        inputs[i] = make_input(g, g->inputs[i]);
        given[i] = (DLTensor){.data = inputs[i]->data, .device = {1, 0}, .ndim = inputs[i]->rank, .dtype = data_type(inputs[i]->element), .shape = (int64_t *)(uintptr_t)inputs[i]->shape};
    }
    double most = 0;
    sl_tensor *expected[MOST_OUTPUTS];
    sl_eval_options options;
    sl_eval_options_init(&options);
    options.observe = observe;
    options.self = &most;
    status = sl_eval_function(g->module, "main", g->arena, &options, g->input_count, inputs, output_count, expected);
    bool refused = status != NULL;   /* a broadcast of a symbol that does not fit its value, or the like: the compiled program has to refuse, too */
    FUZZ_CHECK(!refused || sl_status_code(status) == SL_RUN_TIME || sl_status_code(status) == SL_INVALID_ARGUMENT, "the evaluator fails: %s\n%s", sl_status_message(status), source);
    sl_status_free(status);

    sluice_compile_options compile = *compilation->options;
    compile.strict = g->strict;
    compilation->options = &compile;
    status = sl_compilation_lower(compilation);
    FUZZ_CHECK(!status, "lowering fails: %s\n%s", sl_status_message(status), source);
    sluice_program *program = NULL;
    status = sl_compilation_generate(compilation, &program);
    FUZZ_CHECK(!status, "code generation fails: %s\n%s", sl_status_message(status), source);
    sluice_session_options session_options;
    sluice_session_options_init(&session_options);
    session_options.threads = 2;
    sluice_session *session = NULL;
    FUZZ_CHECK(sluice_session_create(program, &session_options, &session) == SLUICE_OK, "%s", sluice_last_error(host));
    for (int round = 0; round < 2; round++) {
        memset(got, 0, sizeof got);
        sluice_code code = sluice_session_run(session, given, g->input_count, got, output_count);
        FUZZ_CHECK(refused || code == SLUICE_OK, "the run fails: %s\n%s", sluice_last_error(host), source);
        for (int i = 0; i < output_count && !refused; i++) compare(g, expected[i], &got[i], i, !inexact[i], most, source);
    }
    sluice_session_destroy(session);
    sluice_program_destroy(program);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    sluice_context *host = NULL;
    if (sluice_context_create(NULL, &host) != SLUICE_OK) return 0;
    sluice_compile_options options;
    sluice_compile_options_init(&options);
    sl_compilation compilation;
    sl_status status = sl_compilation_begin(&compilation, host, &options);
    FUZZ_CHECK(!status, "%s", sl_status_message(status));
    sl_guard guard;
    if (SL_GUARD_ENTER(&guard)) {
        run(host, &compilation, data, size);
        sl_guard_leave(&guard);
    }
    sl_compilation_end(&compilation);
    sluice_context_destroy(host);
    return 0;
}
