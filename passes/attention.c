/* attention.c: finding attention among nests; see attention.h.
 *
 * The chain is followed from its end to its start. All tensors between the two contractions have the scores' shape, or that less the keys: for every nest the loops are
 * expressed in the dims of that shape, through the operand that has it, and then what one nest reads must be what the other wrote, at the same place. So heads may be
 * folded into a dim or not, keys and values shared by several heads, results stored in any order. */
#include "attention.h"

#include <math.h>

/* A nest's loops as dims of the scores' shape (loop atom t: dim t). */
typedef struct place { const sl_op *nest; int loops; sl_expr dims[SL_NEST_MAX_LOOPS]; } place;

static bool settle(sl_context *context, place *p, const sl_op *nest, sl_attr map, sl_type type) {
    *p = (place){.nest = nest, .loops = sl_nest_loop_count(nest)};
    for (int t = 0, n = sl_attr_count(map); t < n; t++) {
        int loop = sl_expr_plain_loop(sl_attr_map_result(map, t));
        if (loop < 0) {
            if (!sl_expr_equals_const(sl_attr_map_result(map, t), 0) || !sl_expr_equals_const(sl_type_dim(type, t), 1)) return false;
        } else {
            if (p->dims[loop] || sl_nest_bound(nest, loop) != sl_type_dim(type, t)) return false;
            p->dims[loop] = sl_expr_loop(context, t);
        }
    }
    return true;
}

static bool covers_all(const place *p) {
    for (int i = 0; i < p->loops; i++)
        if (!p->dims[i]) return false;
    return true;
}

static bool same_place(sl_context *context, sl_attr a, const place *in_a, sl_attr b, const place *in_b) {
    if (sl_attr_count(a) != sl_attr_count(b)) return false;
    for (int t = 0, n = sl_attr_count(a); t < n; t++)
        if (sl_expr_substitute(context, sl_attr_map_result(a, t), in_a->dims, in_a->loops, NULL, NULL) !=
            sl_expr_substitute(context, sl_attr_map_result(b, t), in_b->dims, in_b->loops, NULL, NULL)) return false;
    return true;
}

static sl_op *maker(const sl_op *nest, int operand) {
    sl_op *op = sl_value_op(sl_op_operand(nest, operand));
    return sl_nest_is_generic(op) && sl_op_result_count(op) == 1 && sl_op_block(op) == sl_op_block(nest) && !sl_nest_outside(nest, operand) ? op : NULL;
}

static bool is_f32(const sl_value *value) { return sl_type_element(sl_value_type(value)) == SL_ELEMENT_f32; }

static bool read_by_only(const sl_value *value, const sl_op *a, const sl_op *b) {
    for (sl_use *use = sl_value_first_use(value); use; use = sl_use_next(use))
        if (sl_use_user(use) != a && sl_use_user(use) != b) return false;
    return true;
}

/* The body is `kind` of two operands' elements: their numbers. */
static bool is_binary(const sl_op *nest, const sl_value *value, sl_op_kind kind, int *first, int *second) {
    sl_op *op = sl_value_op(value);
    if (!op || sl_op_get_kind(op) != kind || sl_op_operand_count(nest) != 2) return false;
    for (int i = 0; i < 2; i++)
        if (sl_op_operand(op, 0) == sl_nest_argument(nest, i) && sl_op_operand(op, 1) == sl_nest_argument(nest, 1 - i)) {
            *first = i, *second = 1 - i;
            return true;
        }
    return false;
}

/* A reduction of its only operand over one loop, from `init` on. The dim that is reduced, or -1. */
static int reduced_dim(sl_context *context, const sl_op *nest, sl_combiner combiner, double init, place *p) {
    sl_value *term;
    if (!nest || sl_op_operand_count(nest) != 1 || sl_nest_reduced_count(nest) != 1 || !is_f32(sl_op_result(nest, 0))) return -1;
    if (sl_nest_combiner(nest, 0, &term) != combiner || term != sl_nest_argument(nest, 0) || sl_attr_data_float(sl_nest_init(nest, 0), 0) != init) return -1;
    if (!settle(context, p, nest, sl_nest_map(nest, 0), sl_value_type(sl_op_operand(nest, 0))) || !covers_all(p)) return -1;
    for (int i = 0; i < p->loops; i++)
        if (sl_nest_is_reduced(nest, i)) return sl_expr_plain_loop(p->dims[i]);
    return -1;
}

/* shares = powers / total, powers = exp(input - most). The dim of the keys, or -1. */
static int match_softmax(sl_context *context, sl_attention *a) {
    int of_powers, of_total, of_input, of_most;
    place shares, powers, most, total;
    if (!sl_nest_is_elementwise(a->shares) || !is_binary(a->shares, sl_nest_yielded(a->shares, 0), SL_OP_arith_div, &of_powers, &of_total)) return -1;
    a->powers = maker(a->shares, of_powers), a->total = maker(a->shares, of_total);
    if (!a->powers || !a->total || !sl_nest_is_elementwise(a->powers)) return -1;
    sl_op *exp = sl_value_op(sl_nest_yielded(a->powers, 0));
    if (!exp || sl_op_get_kind(exp) != SL_OP_arith_exp || !is_binary(a->powers, sl_op_operand(exp, 0), SL_OP_arith_sub, &of_input, &of_most)) return -1;
    a->most = maker(a->powers, of_most);
    a->input = sl_op_operand(a->powers, of_input);
    int dim = reduced_dim(context, a->most, SL_COMBINE_MAX, -INFINITY, &most);
    if (dim < 0 || sl_op_operand(a->most, 0) != a->input || sl_nest_outside(a->powers, of_input) || !is_f32(a->input)) return -1;
    if (reduced_dim(context, a->total, SL_COMBINE_SUM, 0, &total) != dim || sl_op_operand(a->total, 0) != sl_op_result(a->powers, 0)) return -1;
    if (!settle(context, &powers, a->powers, sl_nest_map(a->powers, of_input), sl_value_type(a->input)) || !covers_all(&powers)) return -1;
    if (!settle(context, &shares, a->shares, sl_nest_map(a->shares, of_powers), sl_value_type(a->input)) || !covers_all(&shares)) return -1;
    if (!same_place(context, sl_nest_result_map(a->powers, 0), &powers, sl_nest_map(a->powers, of_input), &powers)) return -1;
    if (!same_place(context, sl_nest_map(a->powers, of_most), &powers, sl_nest_result_map(a->most, 0), &most)) return -1;
    if (!same_place(context, sl_nest_result_map(a->shares, 0), &shares, sl_nest_map(a->shares, of_powers), &shares)) return -1;
    if (!same_place(context, sl_nest_map(a->shares, of_total), &shares, sl_nest_result_map(a->total, 0), &total)) return -1;
    if (!is_f32(sl_op_result(a->powers, 0)) || !is_f32(sl_op_result(a->shares, 0))) return -1;
    bool closed = read_by_only(a->input, a->most, a->powers) && read_by_only(sl_op_result(a->powers, 0), a->total, a->shares) &&
                  read_by_only(sl_op_result(a->most, 0), a->powers, NULL) && read_by_only(sl_op_result(a->total, 0), a->shares, NULL);
    return closed ? dim : -1;
}

/* The contraction behind the softmax's input. */
static bool match_scores(sl_context *context, sl_attention *a) {
    sl_op *op = sl_value_op(a->input);
    place finish;
    if (!sl_nest_is_generic(op) || sl_op_result_count(op) != 1 || sl_op_block(op) != sl_op_block(a->product)) return false;
    a->scores = op;
    if (sl_nest_is_contraction(op, NULL)) return true;
    a->finish = op, a->scores = NULL;
    if (!sl_nest_is_elementwise(op) || !settle(context, &finish, op, sl_nest_result_map(op, 0), sl_value_type(a->input)) || !covers_all(&finish)) return false;
    for (int i = 0; i < sl_op_operand_count(op); i++) {
        sl_op *made = maker(op, i);
        if (!made || !sl_nest_is_contraction(made, NULL) || sl_value_type(sl_op_result(made, 0)) != sl_value_type(a->input)) continue;
        if (!read_by_only(sl_op_result(made, 0), op, NULL) || sl_nest_map(op, i) != sl_nest_result_map(op, 0) || sl_nest_captures(op, sl_op_result(made, 0))) continue;
        if (a->scores) return false;
        a->scores = made;
    }
    return a->scores != NULL;
}

static bool uses(const sl_op *nest, int operand, int loop) { return sl_map_uses_loop(sl_nest_map(nest, operand), loop); }

static bool plain_contraction(const sl_op *nest, sl_contraction *info) {
    if (!sl_nest_is_contraction(nest, info) || info->k_count != 1 || info->outside || info->accumulator != SL_ELEMENT_f32) return false;
    return is_f32(sl_op_operand(nest, 0)) && is_f32(sl_op_operand(nest, 1)) && is_f32(sl_op_result(nest, 0)) &&
           sl_attr_data_float(sl_nest_init(nest, 0), 0) == 0;
}

/* Loops: which of the scores' walks queries and keys, and how the product's lie in them. */
static bool match_loops(sl_context *context, sl_attention *a, int key_dim) {
    sl_contraction info;
    place scores, product;
    sl_type type = sl_value_type(a->input);
    int dims[SL_MAX_RANK], column = -1;
    if (!plain_contraction(a->scores, &info) || !settle(context, &scores, a->scores, sl_nest_result_map(a->scores, 0), type)) return false;
    a->loop_count = scores.loops, a->query_loop = -1, a->key_loop = -1, a->depth_loop = -1;
    for (int t = 0; t < sl_type_rank(type); t++) dims[t] = sl_expr_plain_loop(sl_attr_map_result(sl_nest_result_map(a->scores, 0), t));
    for (int i = 0; i < scores.loops; i++)
        if (!scores.dims[i]) a->depth_loop = i;
    a->key_loop = dims[key_dim];
    for (int t = sl_type_rank(type) - 1; t >= 0 && a->query_loop < 0; t--)
        if (t != key_dim) a->query_loop = dims[t];
    if (a->key_loop < 0 || a->query_loop < 0 || a->depth_loop < 0) return false;
    a->query = uses(a->scores, 0, a->query_loop) ? 0 : 1, a->key = 1 - a->query;
    if (!uses(a->scores, a->query, a->query_loop) || uses(a->scores, a->query, a->key_loop) || uses(a->scores, a->key, a->query_loop) || !uses(a->scores, a->key, a->key_loop)) return false;
    for (int i = 0; i < scores.loops; i++)
        if (i != a->key_loop && i != a->query_loop && i != a->depth_loop) a->rows[a->row_count++] = i;
    if (!settle(context, &product, a->product, sl_nest_map(a->product, a->share), type)) return false;
    for (int i = 0; i < product.loops; i++) {
        if (product.dims[i]) {
            int dim = sl_expr_plain_loop(product.dims[i]);
            if (sl_nest_is_reduced(a->product, i) != (dim == key_dim) || dims[dim] < 0) return false;
            if (dims[dim] == a->query_loop && uses(a->product, a->value, i)) return false;
            if (dims[dim] == a->key_loop && !uses(a->product, a->value, i)) return false;
            a->product_loops[i] = sl_expr_loop(context, dims[dim]);
        } else {
            if (column >= 0 || sl_nest_is_reduced(a->product, i)) return false;
            column = i;
            a->product_loops[i] = sl_expr_loop(context, a->loop_count);
        }
    }
    if (column < 0 || !uses(a->product, a->value, column)) return false;
    for (int t = 0; t < sl_type_rank(type); t++)         /* a loop that the shares' read leaves out would be summed or repeated */
        if (dims[t] >= 0 && sl_expr_plain_loop(sl_attr_map_result(sl_nest_map(a->product, a->share), t)) < 0) return false;
    a->depth = sl_nest_bound(a->scores, a->depth_loop), a->columns = sl_nest_bound(a->product, column);
    return true;
}

bool sl_attention_match(sl_context *context, sl_op *product, sl_attention *a) {
    sl_contraction info;
    if (!sl_nest_is_generic(product) || !plain_contraction(product, &info)) return false;
    for (int side = 0; side < 2; side++) {
        *a = (sl_attention){.product = product, .share = side, .value = 1 - side, .shares = maker(product, side)};
        if (!a->shares || !read_by_only(sl_op_result(a->shares, 0), product, NULL) || sl_op_operand(product, 1 - side) == sl_op_operand(product, side)) continue;
        int dim = match_softmax(context, a);
        if (dim >= 0 && match_scores(context, a) && match_loops(context, a, dim)) return true;
    }
    return false;
}

int sl_attention_nests(const sl_attention *a, sl_op **nests) {
    int count = 0;
    nests[count++] = a->scores;
    if (a->finish) nests[count++] = a->finish;
    nests[count++] = a->most, nests[count++] = a->powers, nests[count++] = a->total, nests[count++] = a->shares, nests[count++] = a->product;
    return count;
}
