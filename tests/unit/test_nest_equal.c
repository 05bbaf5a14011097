/* test_nest_equal.c: random tensor programs mean the same after choose-layout, lower-to-nest and fuse.
 *
 * Each seed builds a function of elementwise ops, views, reductions, softmax and norms, products, convolutions, pools, lookups and branches over tensors with
 * static and symbolic dims, evaluates it, runs the passes and evaluates again. Lowering (strict) and fusing keep every bit (a NaN may change its bits); choose-layout
 * sums a convolution in another order and is held to a tolerance.
 *     test_nest_equal [first seed [count [show]]]   prints the modules of a seed that fails, with a third argument of all. */
#include "check.h"
#include "sluice/passes.h"

#include <math.h>
#include <stdlib.h>

typedef struct random_state { uint64_t state; } random_state;

static uint32_t next_random(random_state *r) {
    r->state = r->state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(r->state >> 33);
}
static int below(random_state *r, int n) { return n <= 0 ? 0 : (int)(next_random(r) % (uint32_t)n); }

#define MAX_VALUES 256
#define MAX_OUTPUTS 8
typedef struct generator {
    random_state random;
    sl_context *context;
    sl_module *module;
    sl_block *block;
    sl_builder builder;
    sl_value *values[MAX_VALUES];      /* f32 tensors */
    int count;
    int base;                          /* values before it are visible everywhere */
} generator;

static bool show_all;                 /* print modules also of seeds that pass */

static const int64_t symbol_values[] = {3, 2, 1};
static const char *const symbol_names[] = {"B", "S", "U"};

static int64_t value_of(generator *g, sl_expr expr);
static bool atom_value(void *self, sl_expr atom, int64_t *value) {
    (void)self;
    for (int i = 0; i < 3; i++)
        if (strcmp(sl_expr_symbol_name(atom), symbol_names[i]) == 0) return *value = symbol_values[i], true;
    return false;
}
static int64_t value_of(generator *g, sl_expr expr) {
    int64_t value = 0;
    CHECK(sl_expr_evaluate(expr, atom_value, g, &value));
    return value;
}

static sl_expr constant(generator *g, int64_t value) { return sl_expr_const(g->context, value); }
static sl_expr random_dim(generator *g) {
    static const int64_t sizes[] = {1, 2, 3, 4, 6, 5};
    if (below(&g->random, 4) == 0) return sl_expr_symbol(g->context, symbol_names[below(&g->random, 3)]);
    return constant(g, sizes[below(&g->random, 6)]);
}
static sl_type f32_type(generator *g, int rank, const sl_expr *dims) { return sl_type_tensor(g->context, SL_ELEMENT_f32, rank, dims); }
static sl_type type_of(sl_value *value) { return sl_value_type(value); }
static int rank_of(sl_value *value) { return sl_type_rank(type_of(value)); }

static sl_value *pick(generator *g) { return g->values[below(&g->random, 3) ? g->count - 1 - below(&g->random, g->count < 6 ? g->count : 6) : below(&g->random, g->count)]; }
static sl_value *pick_rank(generator *g, int least) {
    for (int tries = 0; tries < 20; tries++) {
        sl_value *value = pick(g);
        if (rank_of(value) >= least) return value;
    }
    return NULL;
}
static void push(generator *g, sl_value *value) {
    if (!value) { CHECK(!"an op could not be built"); return; }
    if (g->count < MAX_VALUES && sl_type_element(type_of(value)) == SL_ELEMENT_f32) g->values[g->count++] = value;
}
static sl_value *input(generator *g, sl_type type) { return sl_block_add_argument(g->block, type); }
static sl_value *build(generator *g, sl_op_kind kind, int operands, sl_value *const *values, sl_type type, int attrs, const sl_named_attr *attr) {
    return sl_op_result(sl_build(&g->builder, kind, operands, values, 1, &type, attrs, attr), 0);
}
static sl_value *inferred(generator *g, sl_op_kind kind, int operands, sl_value *const *values, int attrs, const sl_named_attr *attr) {
    sl_op *op = sl_build_inferred(&g->builder, kind, operands, values, attrs, attr);
    return op ? sl_op_result(op, 0) : NULL;
}
static sl_value *broadcast(generator *g, sl_value *value, sl_type type) {
    return build(g, SL_OP_tensor_broadcast, 1, &value, sl_type_with_element(g->context, type, sl_type_element(type_of(value))), 0, NULL);
}
static sl_value *reshape(generator *g, sl_value *value, int rank, const sl_expr *dims) {
    return build(g, SL_OP_tensor_reshape, 1, &value, sl_type_with_dims(g->context, type_of(value), rank, dims), 0, NULL);
}
static sl_value *scalar(generator *g, double value, sl_type like) {
    sl_type type = sl_type_tensor(g->context, SL_ELEMENT_f32, 0, NULL);
    return broadcast(g, sl_build_constant_float(&g->builder, type, value), like);
}
static sl_value *binary(generator *g, sl_op_kind kind, sl_value *a, sl_value *b) { return sl_build_binary(&g->builder, kind, a, b); }
static sl_attr axes_attr(generator *g, int count, const int64_t *axes) { return sl_attr_ints(g->context, count, axes); }

static sl_value *reduce(generator *g, sl_value *x, int count, const int64_t *axes, const char *kind) {
    sl_named_attr attrs[] = {{"axes", axes_attr(g, count, axes)}, {"kind", sl_attr_string(g->context, kind)}};
    return inferred(g, SL_OP_tensor_reduce, 1, &x, 2, attrs);
}
/* Reduced over trailing axes from `axis` on, put back as ones, broadcast to x. */
static sl_value *row_value(generator *g, sl_value *x, int axis, const char *kind, bool mean) {
    int64_t axes[SL_MAX_RANK];
    sl_expr dims[SL_MAX_RANK];
    int count = 0, rank = rank_of(x);
    double points = 1;
    for (int d = 0; d < rank; d++) dims[d] = d < axis ? sl_type_dim(type_of(x), d) : constant(g, 1);
    for (int d = axis; d < rank; d++) axes[count++] = d, points *= (double)value_of(g, sl_type_dim(type_of(x), d));
    sl_value *row = reshape(g, reduce(g, x, count, axes, kind), rank, dims);
    if (mean) row = binary(g, SL_OP_arith_div, row, scalar(g, points, type_of(row)));
    return row;
}
static sl_value *softmax(generator *g, sl_value *x, bool logarithm) {
    int axis = rank_of(x) - 1;
    sl_value *d = binary(g, SL_OP_arith_sub, x, broadcast(g, row_value(g, x, axis, "max", false), type_of(x)));
    sl_value *e = sl_build_unary(&g->builder, SL_OP_arith_exp, d), *sum = row_value(g, e, axis, "sum", false);
    if (logarithm) return binary(g, SL_OP_arith_sub, d, broadcast(g, sl_build_unary(&g->builder, SL_OP_arith_log, sum), type_of(x)));
    return binary(g, SL_OP_arith_div, e, broadcast(g, sum, type_of(x)));
}
static sl_value *layer_norm(generator *g, sl_value *x) {
    int axis = 1 + below(&g->random, rank_of(x) - 1);
    sl_value *d = binary(g, SL_OP_arith_sub, x, broadcast(g, row_value(g, x, axis, "sum", true), type_of(x)));
    sl_value *variance = row_value(g, binary(g, SL_OP_arith_mul, d, d), axis, "sum", true);
    variance = binary(g, SL_OP_arith_add, variance, scalar(g, 1e-3, type_of(variance)));
    sl_value *y = binary(g, SL_OP_arith_div, d, broadcast(g, sl_build_unary(&g->builder, SL_OP_arith_sqrt, variance), type_of(x)));
    int rank = rank_of(x);
    sl_expr last = sl_type_dim(type_of(x), rank - 1);
    sl_value *gain = input(g, f32_type(g, 1, &last)), *shift = input(g, f32_type(g, 1, &last));
    y = binary(g, SL_OP_arith_mul, y, broadcast(g, gain, type_of(x)));
    return binary(g, SL_OP_arith_add, y, broadcast(g, shift, type_of(x)));
}

static sl_value *transpose(generator *g, sl_value *x, const int64_t *perm) {
    sl_named_attr attr = {"perm", sl_attr_ints(g->context, rank_of(x), perm)};
    return inferred(g, SL_OP_tensor_transpose, 1, &x, 1, &attr);
}

static void make_unary(generator *g) {
    static const sl_op_kind kinds[] = {SL_OP_arith_neg, SL_OP_arith_abs, SL_OP_arith_tanh, SL_OP_arith_floor, SL_OP_arith_erf, SL_OP_arith_sin};
    push(g, sl_build_unary(&g->builder, kinds[below(&g->random, 6)], pick(g)));
}
/* A value of x's dims: an old one, x, a scalar, a broadcast input or a broadcast part of x. */
static sl_value *partner(generator *g, sl_value *x) {
    sl_type type = type_of(x);
    int rank = rank_of(x), first = below(&g->random, rank + 1);
    sl_expr dims[SL_MAX_RANK];
    switch (below(&g->random, 6)) {
    case 0: return x;
    case 1: return scalar(g, below(&g->random, 9) * 0.25 - 1, type);
    case 2: case 3:
        for (int i = g->count - 1; i >= 0; i--)
            if (g->values[i] != x && type_of(g->values[i]) == type) return g->values[i];
        return scalar(g, 1.5, type);
    default:
        for (int d = first; d < rank; d++) dims[d - first] = below(&g->random, 3) ? sl_type_dim(type, d) : constant(g, 1);
        return broadcast(g, input(g, f32_type(g, rank - first, dims)), type);
    }
}
static void make_binary(generator *g) {
    static const sl_op_kind kinds[] = {SL_OP_arith_add, SL_OP_arith_sub, SL_OP_arith_mul, SL_OP_arith_max, SL_OP_arith_add};
    sl_value *x = pick(g);
    push(g, binary(g, kinds[below(&g->random, 5)], x, partner(g, x)));
}
static void make_select(generator *g) {
    sl_value *x = pick(g), *y = partner(g, x);
    push(g, sl_build_select(&g->builder, sl_build_compare(&g->builder, "gt", x, partner(g, x)), y, x));
}
static void make_transpose(generator *g) {
    sl_value *x = pick_rank(g, 2);
    int64_t perm[SL_MAX_RANK];
    if (!x) return;
    int rank = rank_of(x);
    for (int d = 0; d < rank; d++) perm[d] = d;
    for (int d = rank - 1; d > 0; d--) {
        int e = below(&g->random, d + 1);
        int64_t swap = perm[d];
        perm[d] = perm[e], perm[e] = swap;
    }
    push(g, transpose(g, x, perm));
}
static void make_reshape(generator *g) {
    sl_value *x = pick(g);
    sl_type type = type_of(x);
    int rank = rank_of(x), at = below(&g->random, rank), count = 0;
    sl_expr dims[SL_MAX_RANK];
    int what = below(&g->random, 3);
    int64_t extent = rank ? sl_type_static_dim(type, at) : -1;
    for (int d = 0; d < rank; d++) {
        if (what == 0 && d == at && d + 1 < rank) {
            dims[count++] = sl_expr_mul(g->context, sl_type_dim(type, d), sl_type_dim(type, d + 1));
            d++;
        } else if (what == 1 && d == at && extent > 0 && extent % 2 == 0 && rank < 5) {
            dims[count++] = constant(g, 2), dims[count++] = constant(g, extent / 2);
        } else if (what == 2 && d == at && rank < 5) {
            dims[count++] = constant(g, 1), dims[count++] = sl_type_dim(type, d);
        } else {
            dims[count++] = sl_type_dim(type, d);
        }
    }
    push(g, reshape(g, x, count, dims));
}
static void make_slice(generator *g) {
    sl_value *x = pick_rank(g, 1);
    if (!x) return;
    sl_type type = type_of(x);
    int rank = rank_of(x);
    sl_expr starts[SL_MAX_RANK], dims[SL_MAX_RANK];
    int64_t steps[SL_MAX_RANK];
    for (int d = 0; d < rank; d++) {
        int64_t extent = sl_type_static_dim(type, d), start = 0;
        starts[d] = constant(g, 0), dims[d] = sl_type_dim(type, d), steps[d] = 1;
        if (extent < 2 || below(&g->random, 2)) continue;
        start = below(&g->random, (int)extent);
        steps[d] = below(&g->random, 3) == 0 ? -1 : 1 + below(&g->random, 2);
        int64_t room = steps[d] < 0 ? start + 1 : (extent - start + steps[d] - 1) / steps[d];
        starts[d] = constant(g, start), dims[d] = constant(g, 1 + below(&g->random, (int)room));
    }
    sl_named_attr attrs[] = {{"starts", sl_attr_exprs(g->context, rank, starts)}, {"steps", sl_attr_ints(g->context, rank, steps)}};
    push(g, build(g, SL_OP_tensor_slice, 1, &x, sl_type_with_dims(g->context, type, rank, dims), 2, attrs));
}
static void make_pad(generator *g) {
    static const char *const modes[] = {"constant", "constant", "constant", "edge"};
    sl_value *x = pick_rank(g, 1);
    if (!x) return;
    int rank = rank_of(x);
    sl_expr low[SL_MAX_RANK], high[SL_MAX_RANK];
    for (int d = 0; d < rank; d++) low[d] = constant(g, below(&g->random, 3) == 0), high[d] = constant(g, below(&g->random, 3) == 0);
    sl_value *operands[2] = {x, sl_build_constant_float(&g->builder, sl_type_tensor(g->context, SL_ELEMENT_f32, 0, NULL), below(&g->random, 2) * 0.5)};
    sl_named_attr attrs[] = {{"low", sl_attr_exprs(g->context, rank, low)}, {"high", sl_attr_exprs(g->context, rank, high)},
                             {"mode", sl_attr_string(g->context, modes[below(&g->random, 4)])}};
    push(g, inferred(g, SL_OP_tensor_pad, 2, operands, 3, attrs));
}
static void make_reduce(generator *g) {
    static const char *const kinds[] = {"sum", "max", "min", "prod"};
    sl_value *x = pick_rank(g, 1);
    if (!x) return;
    int64_t axes[SL_MAX_RANK];
    int count = 0;
    for (int d = 0; d < rank_of(x); d++)
        if (below(&g->random, 2)) axes[count++] = d;
    if (count) push(g, reduce(g, x, count, axes, kinds[below(&g->random, 4)]));
}
static void make_arg_reduce(generator *g) {
    sl_value *x = pick_rank(g, 1);
    if (!x) return;
    sl_named_attr attrs[] = {{"axis", sl_attr_int(g->context, below(&g->random, rank_of(x)))}, {"kind", sl_attr_string(g->context, below(&g->random, 2) ? "max" : "min")},
                             {"last", sl_attr_bool(g->context, below(&g->random, 2))}};
    sl_value *at = inferred(g, SL_OP_tensor_arg_reduce, 1, &x, 3, attrs);
    push(g, sl_build_cast(&g->builder, at, SL_ELEMENT_f32));
}
static void make_rows(generator *g) {
    sl_value *x = pick_rank(g, 2);
    if (!x) return;
    int what = below(&g->random, 4);
    push(g, what == 0 ? layer_norm(g, x) : what == 3 ? row_value(g, x, 1, "sum", true) : softmax(g, x, what == 1));
}
static sl_value *contract(generator *g, sl_value *a, sl_value *b, int batches, const int64_t *ab, const int64_t *bb, int64_t as, int64_t bs) {
    sl_value *operands[2] = {a, b};
    sl_named_attr attrs[] = {{"left_batch", axes_attr(g, batches, ab)}, {"right_batch", axes_attr(g, batches, bb)}, {"left_sum", axes_attr(g, 1, &as)},
                             {"right_sum", axes_attr(g, 1, &bs)}};
    return inferred(g, SL_OP_tensor_contract, 2, operands, 4, attrs);
}
static void make_linear(generator *g) {
    sl_value *x = pick_rank(g, 1);
    if (!x) return;
    int rank = rank_of(x);
    sl_expr dims[2] = {sl_type_dim(type_of(x), rank - 1), constant(g, 2 + 2 * below(&g->random, 3))}, flat[2] = {constant(g, 1), dims[0]}, wide[SL_MAX_RANK];
    bool flatten = rank == 3 && below(&g->random, 2);
    sl_value *w = input(g, f32_type(g, 2, dims)), *y = x;
    if (flatten) {
        flat[0] = sl_expr_mul(g->context, sl_type_dim(type_of(x), 0), sl_type_dim(type_of(x), 1));
        y = reshape(g, x, 2, flat);
    }
    y = contract(g, y, w, 0, NULL, NULL, rank_of(y) - 1, 0);
    if (below(&g->random, 3)) y = binary(g, SL_OP_arith_add, y, broadcast(g, input(g, f32_type(g, 1, &dims[1])), type_of(y)));
    if (flatten) {
        for (int d = 0; d < 2; d++) wide[d] = sl_type_dim(type_of(x), d);
        wide[2] = dims[1];
        y = reshape(g, y, 3, wide);
    }
    if (below(&g->random, 2)) y = binary(g, SL_OP_arith_mul, y, sl_build_unary(&g->builder, SL_OP_arith_tanh, y));
    push(g, y);
}
/* Twice as many positions: a product that makes both, put next to each other, with a bias (a transposed convolution). */
static void make_upsample(generator *g) {
    sl_value *x = pick_rank(g, 3);
    if (!x || rank_of(x) != 3) return;
    sl_type type = type_of(x);
    sl_expr dims[3] = {sl_type_dim(type, 2), constant(g, 1 + below(&g->random, 4)), constant(g, 2)}, out[3], bias[2] = {dims[1], constant(g, 1)};
    sl_value *y = contract(g, x, input(g, f32_type(g, 3, dims)), 0, NULL, NULL, 2, 0);
    y = transpose(g, y, (int64_t[]){0, 2, 1, 3});
    out[0] = sl_type_dim(type, 0), out[1] = dims[1], out[2] = sl_expr_mul(g->context, sl_type_dim(type, 1), constant(g, 2));
    y = reshape(g, y, 3, out);
    if (below(&g->random, 2)) y = transpose(g, y, (int64_t[]){0, 2, 1}), bias[1] = bias[0], bias[0] = constant(g, 1);
    y = binary(g, SL_OP_arith_add, y, broadcast(g, input(g, f32_type(g, 2, bias)), type_of(y)));
    push(g, y);
}
/* [.., S, H*D] as heads, times itself, softmax, back. */
static void make_attention(generator *g) {
    sl_value *x = pick_rank(g, 3);
    if (!x || rank_of(x) != 3) return;
    sl_type type = type_of(x);
    int64_t width = sl_type_static_dim(type, 2);
    if (width < 2 || width % 2) return;
    sl_expr dims[4] = {sl_type_dim(type, 0), sl_type_dim(type, 1), constant(g, 2), constant(g, width / 2)};
    sl_value *q = reshape(g, x, 4, dims), *heads = transpose(g, q, (int64_t[]){0, 2, 1, 3});
    q = binary(g, SL_OP_arith_mul, heads, scalar(g, 0.5, type_of(heads)));
    sl_value *keys = below(&g->random, 2) ? heads : binary(g, SL_OP_arith_mul, heads, scalar(g, 0.75, type_of(heads)));
    sl_value *scores = contract(g, q, keys, 2, (int64_t[]){0, 1}, (int64_t[]){0, 1}, 3, 3);
    if (below(&g->random, 2)) scores = binary(g, SL_OP_arith_add, scores, partner(g, scores));
    sl_value *mixed = contract(g, softmax(g, scores, false), heads, 2, (int64_t[]){0, 1}, (int64_t[]){0, 1}, 3, 2);
    push(g, reshape(g, transpose(g, mixed, (int64_t[]){0, 2, 1, 3}), 3, sl_type_dims(type)));
}
static sl_value *image(generator *g) {
    for (int i = g->count - 1; i >= 0; i--)
        if (rank_of(g->values[i]) == 4 && sl_type_static_dim(type_of(g->values[i]), 2) >= 3 && sl_type_static_dim(type_of(g->values[i]), 3) >= 3 &&
            sl_type_static_dim(type_of(g->values[i]), 1) >= 1) return g->values[i];
    sl_expr dims[4] = {random_dim(g), constant(g, 2 + 2 * below(&g->random, 2)), constant(g, 5 + below(&g->random, 3)), constant(g, 6)};
    return input(g, f32_type(g, 4, dims));
}
static void make_window(generator *g) {
    sl_value *x = image(g);
    sl_type type = type_of(x);
    int64_t channels = sl_type_static_dim(type, 1), size = 1 + 2 * below(&g->random, 2), groups = below(&g->random, 2) ? 1 : channels % 2 ? channels : below(&g->random, 2) ? channels : 2;
    int64_t strides[2] = {1 + below(&g->random, 2), 1}, dilations[2] = {1, 1}, pads[2] = {below(&g->random, 2), below(&g->random, 2)}, window[2] = {size, 2};
    sl_named_attr attrs[8] = {{"strides", axes_attr(g, 2, strides)}, {"dilations", axes_attr(g, 2, dilations)}, {"pads_low", axes_attr(g, 2, pads)},
                              {"pads_high", axes_attr(g, 2, pads)}};
    sl_value *y;
    if (below(&g->random, 3) == 0) {
        static const char *const kinds[] = {"max", "sum", "min"};
        attrs[4] = (sl_named_attr){"kind", sl_attr_string(g->context, kinds[below(&g->random, 3)])};
        attrs[5] = (sl_named_attr){"window", axes_attr(g, 2, window)};
        y = inferred(g, SL_OP_tensor_pool, 1, &x, 6, attrs);
        if (below(&g->random, 2)) y = binary(g, SL_OP_arith_mul, y, scalar(g, 0.25, type_of(y)));
    } else {
        sl_expr dims[4] = {constant(g, groups * (1 + below(&g->random, 3))), constant(g, channels / groups), constant(g, size), constant(g, 3)}, bias[3];
        sl_value *operands[2] = {x, input(g, f32_type(g, 4, dims))};
        attrs[4] = (sl_named_attr){"groups", sl_attr_int(g->context, groups)};
        y = inferred(g, SL_OP_tensor_conv, 2, operands, 5, attrs);
        bias[0] = dims[0], bias[1] = bias[2] = constant(g, 1);
        y = binary(g, SL_OP_arith_add, y, broadcast(g, input(g, f32_type(g, 3, bias)), type_of(y)));
        if (below(&g->random, 2)) y = binary(g, SL_OP_arith_max, y, scalar(g, 0, type_of(y)));
        if (type_of(y) == type && below(&g->random, 2)) y = binary(g, SL_OP_arith_add, y, x);
    }
    push(g, y);
    if (below(&g->random, 4) == 0) push(g, reduce(g, y, 2, (int64_t[]){2, 3}, "sum"));
}
static void make_take(generator *g) {
    sl_value *x = pick_rank(g, 1);
    if (!x) return;
    int axis = below(&g->random, rank_of(x));
    int64_t extent = value_of(g, sl_type_dim(type_of(x), axis)), at[3];
    int rank = below(&g->random, 3) ? 1 : 0;
    sl_type type = sl_type_tensor_static(g->context, SL_ELEMENT_i64, rank, (int64_t[]){3});
    if (extent == 0) return;
    for (int i = 0; i < 3; i++) at[i] = below(&g->random, (int)(2 * extent)) - extent;
    sl_value *operands[2] = {x, sl_build_constant(&g->builder, sl_attr_data_copy(g->context, type, at, rank ? 24 : 8))};
    sl_named_attr attr = {"axis", sl_attr_int(g->context, axis)};
    push(g, inferred(g, SL_OP_tensor_take, 2, operands, 1, &attr));
}
static void make_gather(generator *g) {
    sl_value *x = pick_rank(g, 1);
    if (!x) return;
    int axis = below(&g->random, rank_of(x));
    if (value_of(g, sl_type_dim(type_of(x), axis)) == 0) return;
    sl_named_attr attr = {"axis", sl_attr_int(g->context, axis)};
    sl_type indices = sl_type_with_element(g->context, type_of(x), SL_ELEMENT_i64);
    sl_value *operands[2] = {x, NULL};
    operands[1] = build(g, SL_OP_tensor_iota, 0, NULL, indices, 1, &attr);
    operands[1] = sl_build_unary(&g->builder, SL_OP_arith_not, operands[1]);      /* -1 - i: from the end */
    push(g, inferred(g, SL_OP_tensor_gather_elements, 2, operands, 1, &attr));
}
static void make_concat(generator *g) {
    sl_value *x = pick_rank(g, 1);
    if (!x) return;
    sl_value *operands[2] = {x, partner(g, x)};
    sl_named_attr attr = {"axis", sl_attr_int(g->context, below(&g->random, rank_of(x)))};
    push(g, inferred(g, SL_OP_tensor_concat, 2, operands, 1, &attr));
}
static void make_cast(generator *g) {
    static const sl_element elements[] = {SL_ELEMENT_f16, SL_ELEMENT_bf16, SL_ELEMENT_i32};
    sl_value *x = sl_build_cast(&g->builder, pick(g), elements[below(&g->random, 3)]);
    if (below(&g->random, 2) && rank_of(x) > 0 && sl_type_element(type_of(x)) != SL_ELEMENT_i32) x = reduce(g, x, 1, (int64_t[]){0}, "sum");
    push(g, sl_build_cast(&g->builder, x, SL_ELEMENT_f32));
}
static void make_dim(generator *g) {
    sl_value *x = pick_rank(g, 1);
    if (!x) return;
    sl_expr dim = sl_type_dim(type_of(x), 0);
    sl_named_attr attrs[] = {{"dims", sl_attr_exprs(g->context, 1, &dim)}, {"scalar", sl_attr_bool(g->context, true)}};
    sl_value *size = build(g, SL_OP_tensor_from_dims, 0, NULL, sl_type_tensor(g->context, SL_ELEMENT_i64, 0, NULL), 2, attrs);
    push(g, binary(g, SL_OP_arith_mul, x, broadcast(g, sl_build_cast(&g->builder, size, SL_ELEMENT_f32), type_of(x))));
}

static void make_ops(generator *g, int count, bool nested);

static void make_if(generator *g, bool nested) {
    if (nested) return;
    sl_value *x = pick(g), *condition = input(g, sl_type_tensor(g->context, SL_ELEMENT_i1, 0, NULL));
    sl_type type = type_of(x);
    sl_op *op = sl_build(&g->builder, SL_OP_tensor_if, 1, &condition, 1, &type, 0, NULL);
    sl_builder outer = g->builder;
    for (int r = 0; r < 2; r++) {
        int visible = g->count;
        sl_value *result = x;
        g->builder = sl_builder_at_end(g->module, sl_op_body(op, r));
        make_ops(g, 3, true);
        for (int i = visible; i < g->count; i++)
            if (type_of(g->values[i]) == type) result = g->values[i];
        sl_build(&g->builder, SL_OP_tensor_yield, 1, &result, 0, NULL, 0, NULL);
        g->count = visible;
    }
    g->builder = outer;
    push(g, sl_op_result(op, 0));
}

static void make_ops(generator *g, int count, bool nested) {
    for (int i = 0; i < count; i++) {
        switch (below(&g->random, 27)) {
        case 0: case 1: make_unary(g); break;
        case 2: case 3: case 4: case 5: make_binary(g); break;
        case 6: make_select(g); break;
        case 7: case 8: make_transpose(g); break;
        case 9: case 10: make_reshape(g); break;
        case 11: make_slice(g); break;
        case 12: make_pad(g); break;
        case 13: make_reduce(g); break;
        case 14: make_arg_reduce(g); break;
        case 15: case 16: make_rows(g); break;
        case 17: case 18: make_linear(g); break;
        case 19: make_attention(g); break;
        case 20: case 21: make_window(g); break;
        case 22: make_take(g); break;
        case 23: make_concat(g); break;
        case 24: make_cast(g); break;
        case 25: make_upsample(g); break;
        default:
            if (below(&g->random, 3) == 0) make_if(g, nested);
            else if (below(&g->random, 2)) make_dim(g);
            else make_gather(g);
        }
    }
}

/* Dims grow by concat, pad and products: keep what a few ops can reach small. */
static bool is_small(generator *g) {
    for (int i = 0; i < g->count; i++) {
        int64_t elements = 1;
        for (int d = 0; d < rank_of(g->values[i]); d++) elements *= value_of(g, sl_type_dim(type_of(g->values[i]), d));
        if (elements > 20000) return false;
    }
    return true;
}

static sl_module *generate(sl_context *context, uint64_t seed, int ops) {
    generator g = {.random = {seed * 7919 + 17}, .context = context, .module = sl_module_create(context)};
    sl_builder top = sl_builder_at_end(g.module, sl_module_body(g.module));
    sl_named_attr name = {"sym_name", sl_attr_string(context, "main")};
    g.block = sl_op_body(sl_build(&top, SL_OP_core_func, 0, NULL, 0, NULL, 1, &name), 0);
    g.builder = sl_builder_at_end(g.module, g.block);
    for (int i = 0; i < 2; i++) {
        sl_expr dims[4];
        int rank = 2 + below(&g.random, 3);
        for (int d = 0; d < rank; d++) dims[d] = random_dim(&g);
        push(&g, input(&g, f32_type(&g, rank, dims)));
    }
    for (int i = 0; i < ops && g.count < MAX_VALUES - 8 && is_small(&g); i++) make_ops(&g, 1, false);
    sl_value *outputs[MAX_OUTPUTS];
    int count = 0;
    for (int i = g.count - 1; i >= 0 && count < MAX_OUTPUTS - 1; i--)
        if (!sl_value_has_uses(g.values[i])) outputs[count++] = g.values[i];
    outputs[count++] = g.values[below(&g.random, g.count)];
    sl_build(&g.builder, SL_OP_core_return, count, outputs, 0, NULL, 0, NULL);
    return g.module;
}

/* ---- running ---- */

static void fill(sl_tensor *tensor, random_state *r) {
    for (int64_t i = 0, n = sl_tensor_count(tensor); i < n; i++) {
        if (tensor->element == SL_ELEMENT_f32) sl_element_store_float(tensor->element, tensor->data, i, (below(r, 4001) - 2000) / 1024.0);
        else sl_element_store_int(tensor->element, tensor->data, i, below(r, 2));
    }
}

static bool evaluate(sl_arena *arena, sl_module *module, uint64_t seed, sl_tensor **outputs, int *output_count) {
    generator g = {.context = sl_module_context(module)};
    random_state r = {seed};
    sl_eval_options options;
    sl_eval_options_init(&options);
    sl_block *block = sl_op_body(sl_module_find(module, "main"), 0);
    int inputs = sl_block_argument_count(block);
    const sl_tensor **values = SL_NEW_ARRAY(arena, const sl_tensor *, inputs + 1);
    for (int i = 0; i < inputs; i++) {
        sl_type type = type_of(sl_block_argument(block, i));
        int64_t shape[SL_MAX_RANK];
        for (int d = 0; d < sl_type_rank(type); d++) shape[d] = value_of(&g, sl_type_dim(type, d));
        sl_tensor *tensor = sl_tensor_alloc(arena, sl_type_element(type), sl_type_rank(type), shape);
        fill(tensor, &r);
        values[i] = tensor;
    }
    *output_count = sl_op_operand_count(sl_block_last(block));
    sl_status status = sl_eval_function(module, "main", arena, &options, inputs, values, *output_count, outputs);
    if (status) fprintf(stderr, "seed %" PRIu64 ": %s\n", seed, sl_status_message(status));
    bool ok = status == NULL;
    sl_status_free(status);
    return ok;
}

static bool equal(const sl_tensor *a, const sl_tensor *b, double tolerance) {
    if (a->rank != b->rank || a->element != b->element || memcmp(a->shape, b->shape, (size_t)a->rank * sizeof(int64_t)) != 0) return false;
    for (int64_t i = 0, n = sl_tensor_count(a); i < n; i++) {
        double x = sl_element_load_float(a->element, a->data, i), y = sl_element_load_float(b->element, b->data, i);
        if (isnan(x) ? isnan(y) : x == y) continue;
        if (tolerance == 0 || !(fabs(x - y) <= tolerance * (1 + fabs(x)))) {
            fprintf(stderr, "element %" PRId64 " of %" PRId64 ": %.9g, was %.9g\n", i, n, y, x);
            return false;
        }
    }
    return true;
}

static void print_module(sl_arena *arena, const char *title, sl_module *module) {
    sl_text text;
    sl_print_options options;
    sl_print_options_init(&options);
    sl_text_init(&text, arena);
    sl_module_print(&text, module, &options);
    fprintf(stderr, "---- %s ----\n%s\n", title, text.data);
}

static void show_diag(void *self, const sl_diag *diag) {
    (void)self;
    fprintf(stderr, "%s%s%s: %s\n", diag->place.file ? diag->place.file : "", diag->place.node ? " " : "", diag->place.node ? diag->place.node : "", diag->message);
}

/* Tolerance 0: strict, and every bit the same. */
static bool check_pipeline(sl_arena *arena, sl_module *original, const char *passes, uint64_t seed, double tolerance, sl_tensor **expected, int count) {
    sl_machine machine;
    sl_pipeline_options options;
    sl_tensor *outputs[MAX_OUTPUTS];
    sl_machine_named(arena, "x86-64-v3", &machine);
    machine.threads = 2;
    sl_pipeline_options_init(&options);
    options.machine = &machine;
    options.threads = 2;
    options.strict = tolerance == 0;
    sl_module *module = sl_module_clone(original);
    sl_status status = sl_pipeline_run(module, passes, &options);
    bool ok = status == NULL;
    if (status) fprintf(stderr, "seed %" PRIu64 ", %s: %s\n", seed, passes, sl_status_message(status));
    sl_status_free(status);
    ok = ok && evaluate(arena, module, seed, outputs, &count);
    for (int i = 0; ok && i < count; i++) {
        ok = equal(expected[i], outputs[i], tolerance);
        if (!ok) fprintf(stderr, "seed %" PRIu64 ", %s: output %d differs\n", seed, passes, i);
    }
    if (!ok || show_all) {
        print_module(arena, "before", original);
        print_module(arena, passes, module);
    }
    sl_module_destroy(module);
    return ok;
}

static bool run_seed(uint64_t seed) {
    sl_allocator allocator = sl_allocator_system();
    sl_diag_sink sink = {.handler = show_diag};
    sl_context *context = sl_context_create(&allocator, &sink);
    sl_arena *arena = sl_arena_create(&allocator, 0);
    sl_tensor *expected[MAX_OUTPUTS];
    int count;
    sl_guard guard;
    volatile bool ok = false;
    if (SL_GUARD_ENTER(&guard)) {
        sl_module *module = generate(context, seed, 4 + (int)(seed % 20));
        sl_status status = sl_module_verify(module);
        if (status) fprintf(stderr, "seed %" PRIu64 ": %s\n", seed, sl_status_message(status));
        if (!status && evaluate(arena, module, seed, expected, &count))
            ok = check_pipeline(arena, module, "lower-to-nest", seed, 0, expected, count) &&
                 check_pipeline(arena, module, "lower-to-nest,fuse", seed, 0, expected, count) &&
                 check_pipeline(arena, module, "choose-layout", seed, 1e-4, expected, count) &&
                 check_pipeline(arena, module, "choose-layout,lower-to-nest,fuse", seed, 1e-4, expected, count);
        else print_module(arena, "generated", module);
        sl_status_free(status);
        sl_module_destroy(module);
        sl_guard_leave(&guard);
    }
    sl_arena_destroy(arena);
    sl_context_destroy(context);
    return ok;
}

int main(int argc, char **argv) {
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1, count = argc > 2 ? strtoull(argv[2], NULL, 10) : argc > 1 ? 1 : 4000;
    show_all = argc > 3;
    for (uint64_t seed = first; seed < first + count; seed++) {
        if (run_seed(seed)) continue;
        fprintf(stderr, "seed %" PRIu64 " failed\n", seed);
        check_failures++;
        if (check_failures >= 3) break;
    }
    return check_result();
}
