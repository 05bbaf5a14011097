/* import_attention.c: attention and its kin: Attention (with GQA, masks, caches, windows), FlexAttention, LinearAttention, RotaryEmbedding,
 * CausalConvWithState, SwiGLU. Everything is contractions and elementwise ops that later passes fuse. */
#include "import_internal.h"
#include <math.h>
#include <string.h>

/* batch x tokens x (heads*size) as batch x heads x tokens x size. */
static sl_value *split_heads(im_node *n, sl_value *x, int64_t heads)
{
    sl_expr size = heads > 0 ? sl_expr_divide_exact(n->context, im_dim(x, 2), im_expr(n, heads)) : NULL;
    if (!size) im_fail(n, "the hidden size does not divide by %lld heads", (long long)heads);
    return im_swap(n, im_reshape(n, x, 4, (sl_expr[]){im_dim(x, 0), im_dim(x, 1), im_expr(n, heads), size}), 1, 2);
}

static sl_value *join_heads(im_node *n, sl_value *x)
{
    sl_value *y = im_swap(n, x, 1, 2);
    return im_reshape(n, y, 3, (sl_expr[]){im_dim(y, 0), im_dim(y, 1), sl_expr_mul(n->context, im_dim(y, 2), im_dim(y, 3))});
}

/* q (B x Hq x S x D) times k (B x Hk x L x D) over `sum` axis of k, each key head serving Hq/Hk query heads. Nothing is repeated: the query heads of one
 * key head are more rows of its product. */
static sl_value *grouped_product(im_node *n, sl_value *q, sl_value *k, int k_sum)
{
    sl_context *context = n->context;
    sl_expr heads = im_dim(q, 1), key_heads = im_dim(k, 1);
    im_contraction how = {.result = SL_ELEMENT_COUNT, .batch_count = 2, .left_batch = {0, 1}, .right_batch = {0, 1}, .sum_count = 1, .left_sum = {3}, .right_sum = {k_sum}};
    sl_expr batch = im_bcast_dim(n, im_dim(q, 0), im_dim(k, 0));
    q = im_broadcast(n, q, 4, (sl_expr[]){batch, heads, im_dim(q, 2), im_dim(q, 3)});
    k = im_broadcast(n, k, 4, (sl_expr[]){batch, key_heads, im_dim(k, 2), im_dim(k, 3)});
    if (heads == key_heads) return im_contract(n, q, k, &how);
    sl_expr group = sl_expr_divide_exact(context, heads, key_heads), rows = im_dim(q, 2);
    if (!group) im_fail(n, "the query heads are no multiple of the key heads");
    sl_value *y = im_contract(n, im_reshape(n, q, 4, (sl_expr[]){batch, key_heads, sl_expr_mul(context, group, rows), im_dim(q, 3)}), k, &how);
    return im_reshape(n, y, 4, (sl_expr[]){batch, heads, rows, im_dim(y, 3)});
}

/* query position (with the offset) minus key position as ... x S x L; offset rank 0 or B x 1 x 1 x 1. */
static sl_value *distance(im_node *n, sl_expr rows, sl_expr columns, sl_value *offset)
{
    sl_value *i = im_unsqueeze_to(n, im_iota1(n, SL_ELEMENT_i64, rows), 2, 0), *j = im_unsqueeze_to(n, im_iota1(n, SL_ELEMENT_i64, columns), 2, 1);
    return im_sub(n, im_add(n, i, offset), j);
}

/* The mask padded to the key length with "off". */
static sl_value *padded_mask(im_node *n, sl_value *mask, sl_expr columns)
{
    int rank = im_rank(mask);
    sl_expr have = im_dim(mask, rank - 1);
    if (have == columns || im_is_one(have)) return mask;
    sl_expr low[SL_MAX_RANK], high[SL_MAX_RANK];
    for (int i = 0; i < rank; i++) low[i] = high[i] = im_expr(n, 0);
    high[rank - 1] = sl_expr_sub(n->context, columns, have);
    int64_t known;
    if (!sl_expr_is_const(high[rank - 1], &known)) return mask;    /* symbolic: taken as equal, broadcast checks it */
    return im_pad(n, mask, im_element(mask) == SL_ELEMENT_i1 ? im_scalar_int(n, SL_ELEMENT_i1, 0) : im_like(n, mask, -INFINITY), low, high, "constant");
}

static sl_value *both(im_node *n, sl_value *a, sl_value *b) { return a && b ? im_binary(n, SL_OP_arith_and, a, b) : a ? a : b; }

void im_op_attention(im_node *n)
{
    sl_value *q = im_in(n, 0), *k = im_in(n, 1), *v = im_in(n, 2), *mask = im_optional(n, 3), *past_k = im_optional(n, 4), *past_v = im_optional(n, 5);
    sl_value *valid = im_optional(n, 6);
    bool flat = im_rank(q) == 3;
    sl_element element = im_element(q);
    if (flat) {
        q = split_heads(n, q, im_int(n, "q_num_heads", 0));
        k = split_heads(n, k, im_int(n, "kv_num_heads", 0));
        v = split_heads(n, v, im_int(n, "kv_num_heads", 0));
    }
    im_need_rank(n, q, "Q", 4, 4);
    im_need_rank(n, k, "K", 4, 4);
    im_need_rank(n, v, "V", 4, 4);
    if (!past_k != !past_v) im_fail(n, "past_key and past_value must be given together");
    sl_expr past = past_k ? im_dim(past_k, 2) : im_expr(n, 0);
    if (past_k) {
        k = im_concat(n, 2, 2, (sl_value *[]){past_k, k});
        v = im_concat(n, 2, 2, (sl_value *[]){past_v, v});
    }
    im_out(n, 1, k);
    im_out(n, 2, v);

    sl_value *factor;
    bool narrow = sl_element_bits(element) < 32;
    if (im_param(n, "scale") && im_float(n, "scale", 0) != 0) {
        double scale = im_float(n, "scale", 1);
        factor = im_scalar(n, element, narrow ? sqrt(scale) : scale);
    } else {
        int64_t size;
        if (!sl_expr_is_const(im_dim(q, 3), &size)) im_fail(n, "the head size must be known while compiling");
        factor = im_scalar(n, element, narrow ? sqrt(1 / sqrt((double)size)) : 1 / sqrt((double)size));
    }
    /* In narrow floats both sides are scaled, so that the product does not overflow. */
    sl_value *scores = grouped_product(n, im_mul(n, q, factor), narrow ? im_mul(n, k, factor) : k, 3), *exposed = scores;
    int64_t mode = im_int(n, "qk_matmul_output_mode", 0);
    double cap = im_float(n, "softcap", 0);
    if (cap > 0) {
        scores = im_binary_with(n, SL_OP_arith_mul, im_unary(n, SL_OP_arith_tanh, im_binary_with(n, SL_OP_arith_div, scores, cap)), cap);
        if (mode == 1) exposed = scores;
    }

    sl_expr rows = im_dim(scores, 2), columns = im_dim(scores, 3);
    int64_t left = im_int(n, "left_window_size", -1), right = im_int(n, "right_window_size", -1);
    bool causal = im_bool(n, "is_causal", false);
    sl_value *allowed = NULL, *bias = NULL;
    if (mask) {
        mask = padded_mask(n, mask, columns);
        if (im_element(mask) == SL_ELEMENT_i1) allowed = mask;
        else bias = im_cast(n, mask, element);
    }
    sl_value *lengths = valid ? im_unsqueeze_to(n, im_cast(n, valid, SL_ELEMENT_i64), 4, 0) : NULL;
    if (causal || left >= 0 || right >= 0) {
        sl_value *offset = lengths && !past_k ? im_sub(n, lengths, im_from_dim(n, rows)) : im_from_dim(n, past);
        sl_value *d = distance(n, rows, columns, offset);
        if (causal) allowed = both(n, allowed, im_compare(n, "ge", d, im_like(n, d, 0)));
        if (left >= 0) allowed = both(n, allowed, im_compare(n, "le", d, im_like(n, d, (double)left)));
        if (right >= 0) allowed = both(n, allowed, im_compare(n, "ge", d, im_like(n, d, -(double)right)));
    }
    if (lengths) allowed = both(n, allowed, im_compare(n, "lt", im_unsqueeze_to(n, im_iota1(n, SL_ELEMENT_i64, columns), 4, 3), lengths));
    sl_value *off = im_scalar(n, element, -INFINITY);
    if (bias) scores = im_add(n, scores, bias);
    if (allowed) scores = im_select(n, allowed, scores, off);
    if (mode == 2) exposed = scores;

    sl_element work = im_element_param(n, "softmax_precision", element);
    int64_t axes[1] = {3};
    sl_value *logits = im_cast(n, scores, work), *weights;
    bool may_be_empty = mask || lengths || left >= 0 || right >= 0;
    if (may_be_empty) {
        /* A row without any key gives zeros: its largest logit is -inf. */
        sl_value *top = im_reduce(n, logits, "max", 1, axes, true), *empty = im_compare(n, "eq", top, im_scalar(n, work, -INFINITY));
        sl_value *e = im_unary(n, SL_OP_arith_exp, im_sub(n, logits, im_select(n, empty, im_scalar(n, work, 0), top)));
        sl_value *sum = im_reduce(n, e, "sum", 1, axes, true);
        weights = im_div(n, e, im_select(n, empty, im_scalar(n, work, 1), sum));
    } else {
        weights = im_softmax(n, logits, 1, axes, false);
    }
    weights = im_cast(n, weights, element);
    if (mode == 3) exposed = weights;
    sl_value *y = grouped_product(n, weights, v, 2);
    im_out(n, 0, flat ? join_heads(n, y) : y);
    im_out(n, 3, exposed);
}

static const im_item *modified(im_node *n, const char *name, const im_item *item)
{
    const sl_param *p = im_param(n, name);
    if (!p) return item;
    if (p->kind != SL_PARAM_GRAPH || p->graph->output_count != 1) im_fail(n, "attribute '%s' must be a graph with one output", name);
    const im_item *result[1];
    if (!im_graph_inline(n, p->graph, 1, &item, result) || result[0]->kind != IM_TENSOR) im_fail(n, "the graph '%s' failed", name);
    return result[0];
}

void im_op_flex_attention(im_node *n)
{
    sl_value *q = im_in(n, 0), *k = im_in(n, 1), *v = im_in(n, 2);
    im_need_rank(n, q, "Q", 4, 4);
    im_need_rank(n, k, "K", 4, 4);
    im_need_rank(n, v, "V", 4, 4);
    sl_element element = im_element(q), work = im_element_param(n, "softmax_precision", element == SL_ELEMENT_f64 ? element : SL_ELEMENT_f32);
    double scale = 1 / sqrt((double)im_static_dim(n, q, 3, "the head size"));
    scale = im_float(n, "scale", scale);
    sl_value *scores = im_binary_with(n, SL_OP_arith_mul, grouped_product(n, im_cast(n, q, work), im_cast(n, k, work), 3), scale);
    int64_t axes[1] = {3};
    scores = modified(n, "score_mod", im_item_tensor(n, scores))->value;
    sl_value *weights = modified(n, "prob_mod", im_item_tensor(n, im_softmax(n, scores, 1, axes, false)))->value;
    im_out(n, 0, im_cast(n, grouped_product(n, weights, im_cast(n, v, work), 2), element));
}

/* ---- LinearAttention: a loop over tokens with a state per key head ---- */

void im_op_linear_attention(im_node *n)
{
    int64_t heads = im_int(n, "q_num_heads", 0), key_heads = im_int(n, "kv_num_heads", 0);
    const char *rule = im_string(n, "update_rule", "gated_delta");
    bool gated = !strncmp(rule, "gated", 5), delta = strstr(rule, "delta") != NULL;
    if (strcmp(rule, "linear") && strcmp(rule, "gated") && strcmp(rule, "delta") && strcmp(rule, "gated_delta")) im_fail(n, "update rule '%s' is not known", rule);
    if (heads <= 0 || key_heads <= 0 || heads % key_heads) im_fail(n, "q_num_heads must be a multiple of kv_num_heads");
    sl_element element = im_element(im_in(n, 0)), work = SL_ELEMENT_f32;
    /* batch x heads x tokens x size, then tokens first. */
    sl_value *q = im_move_axis(n, im_cast(n, split_heads(n, im_in(n, 0), heads), work), 2, 0);
    sl_value *k = im_move_axis(n, im_cast(n, split_heads(n, im_in(n, 1), key_heads), work), 2, 0);
    sl_value *v = im_move_axis(n, im_cast(n, split_heads(n, im_in(n, 2), key_heads), work), 2, 0), *decay = NULL, *beta = NULL;
    if (gated) decay = im_unary(n, SL_OP_arith_exp, im_move_axis(n, im_cast(n, split_heads(n, im_in(n, 4), key_heads), work), 2, 0));
    if (delta) beta = im_move_axis(n, im_cast(n, split_heads(n, im_in(n, 5), im_is_one(im_dim(im_in(n, 5), 2)) ? 1 : key_heads), work), 2, 0);
    sl_expr steps = im_dim(q, 0), batch = im_dim(q, 1), dk = im_dim(k, 3), dv = im_dim(v, 3), hk = im_expr(n, key_heads);
    sl_value *past = im_optional(n, 3);
    sl_element state_element = past ? im_element(past) : element;
    sl_value *start = im_broadcast(n, past ? im_cast(n, past, work) : im_scalar(n, work, 0), 4, (sl_expr[]){batch, hk, dk, dv});
    double scale = im_float(n, "scale", 0);
    if (scale == 0) scale = 1 / sqrt((double)im_static_dim(n, q, 3, "the head size"));

    sl_type state_type = sl_value_type(start), output_type = im_tensor_type(n, work, 4, (sl_expr[]){steps, batch, im_expr(n, heads), dv});
    im_attrs attrs = {0};
    im_attr(&attrs, "carried", sl_attr_int(n->context, 1));
    im_attr(&attrs, "trip_count", sl_attr_expr(n->context, steps));
    sl_value *operands[3] = {im_from_dim(n, steps), im_scalar_int(n, SL_ELEMENT_i1, 1), start};
    sl_op *loop = sl_build(n->builder, SL_OP_tensor_loop, 3, operands, 2, (sl_type[]){state_type, output_type}, attrs.count, attrs.list);
    sl_block *block = sl_op_body(loop, 0);
    sl_value *at = sl_block_add_argument(block, sl_type_tensor(n->context, SL_ELEMENT_i64, 0, NULL));
    sl_block_add_argument(block, sl_type_tensor(n->context, SL_ELEMENT_i1, 0, NULL));
    sl_value *state = sl_block_add_argument(block, state_type);
    sl_builder saved = *n->builder;
    n->builder->block = block;
    n->builder->before = NULL;
    sl_value *qt = im_take(n, q, at, 0), *kt = im_take(n, k, at, 0), *vt = im_take(n, v, at, 0);     /* batch x heads x size */
    if (gated) state = im_mul(n, state, im_unsqueeze(n, im_take(n, decay, at, 0), 3));
    sl_value *column = im_unsqueeze(n, kt, 3);
    if (delta) {
        sl_value *known = im_reduce1(n, im_mul(n, state, column), "sum", 2, false);
        vt = im_mul(n, im_take(n, beta, at, 0), im_sub(n, vt, known));
    }
    state = im_add(n, state, im_mul(n, column, im_unsqueeze(n, vt, 2)));
    sl_value *o = grouped_product(n, im_unsqueeze(n, qt, 2), state, 2);                              /* batch x heads x 1 x dv */
    o = im_binary_with(n, SL_OP_arith_mul, im_squeeze(n, o, 2), scale);
    sl_value *yields[3] = {im_scalar_int(n, SL_ELEMENT_i1, 1), state, o};
    *n->builder = saved;
    im_yield(n, block, 3, yields);
    sl_value *y = im_move_axis(n, sl_op_result(loop, 1), 0, 2);
    im_out(n, 0, im_cast(n, join_heads(n, y), element));
    im_out(n, 1, im_cast(n, sl_op_result(loop, 0), state_element));
}

/* ---- RotaryEmbedding ---- */

void im_op_rotary_embedding(im_node *n)
{
    sl_value *x = im_in(n, 0), *cosines = im_in(n, 1), *sines = im_in(n, 2);
    sl_value *input = x;
    bool flat = im_rank(x) == 3;
    /* batch x tokens x heads x size */
    if (flat) {
        int64_t heads = im_int(n, "num_heads", 0);
        sl_expr size = heads > 0 ? sl_expr_divide_exact(n->context, im_dim(x, 2), im_expr(n, heads)) : NULL;
        if (!size) im_fail(n, "attribute 'num_heads' must be given and divide the hidden size");
        x = im_reshape(n, x, 4, (sl_expr[]){im_dim(x, 0), im_dim(x, 1), im_expr(n, heads), size});
    } else {
        im_need_rank(n, x, "X", 4, 4);
        x = im_swap(n, x, 1, 2);
    }
    int64_t size = im_static_dim(n, x, 3, "the head size"), rotated = im_int(n, "rotary_embedding_dim", 0);
    if (rotated == 0) rotated = size;
    if (rotated % 2 || rotated > size) im_fail(n, "rotary_embedding_dim %lld does not fit a head size of %lld", (long long)rotated, (long long)size);
    if (im_has(n, 3)) {
        cosines = im_take(n, cosines, im_in(n, 3), 0);
        sines = im_take(n, sines, im_in(n, 3), 0);
    }
    im_need_rank(n, cosines, "the cosines", 3, 3);
    im_need_rank(n, sines, "the sines", 3, 3);
    cosines = im_unsqueeze(n, cosines, 2);
    sines = im_unsqueeze(n, sines, 2);
    sl_expr half = im_expr(n, rotated / 2), zero = im_expr(n, 0);
    bool interleaved = im_bool(n, "interleaved", false);
    sl_value *a = interleaved ? im_slice_axis(n, x, 3, zero, half, 2) : im_slice_axis(n, x, 3, zero, half, 1);
    sl_value *b = interleaved ? im_slice_axis(n, x, 3, im_expr(n, 1), half, 2) : im_slice_axis(n, x, 3, half, half, 1);
    sl_value *real = im_sub(n, im_mul(n, cosines, a), im_mul(n, sines, b)), *imaginary = im_add(n, im_mul(n, sines, a), im_mul(n, cosines, b));
    sl_value *y;
    if (interleaved) {
        y = im_concat(n, 4, 2, (sl_value *[]){im_unsqueeze(n, real, 4), im_unsqueeze(n, imaginary, 4)});
        y = im_reshape(n, y, 4, (sl_expr[]){im_dim(y, 0), im_dim(y, 1), im_dim(y, 2), im_expr(n, rotated)});
    } else {
        y = im_concat(n, 3, 2, (sl_value *[]){real, imaginary});
    }
    if (rotated < size) y = im_concat(n, 3, 2, (sl_value *[]){y, im_slice_axis(n, x, 3, im_expr(n, rotated), im_expr(n, size - rotated), 1)});
    im_out(n, 0, flat ? im_reshape(n, y, 3, im_dims(input)) : im_swap(n, y, 1, 2));
}

/* ---- the rest ---- */

void im_op_causal_conv_with_state(im_node *n)
{
    sl_value *x = im_in(n, 0), *w = im_in(n, 1);
    im_need_rank(n, x, "the input", 3, 3);
    im_need_rank(n, w, "the weights", 3, 3);
    int64_t k = im_static_dim(n, w, 2, "the kernel"), channels = im_static_dim(n, x, 1, "the channels");
    sl_expr carry = im_expr(n, k - 1);
    sl_value *past = im_has(n, 3) ? im_in(n, 3) : im_broadcast(n, im_like(n, x, 0), 3, (sl_expr[]){im_dim(x, 0), im_dim(x, 1), carry});
    sl_value *wide = k == 1 ? x : im_concat(n, 2, 2, (sl_value *[]){past, x});
    im_window window = {.spatial = 1, .kernel = {k}, .strides = {1}, .dilations = {1}};
    sl_value *y = im_conv(n, wide, w, &window, channels, SL_ELEMENT_COUNT);
    if (im_has(n, 2)) y = im_add(n, y, im_unsqueeze_to(n, im_in(n, 2), 3, 1));
    const char *activation = im_string(n, "activation", "none");
    if (!strcmp(activation, "silu") || !strcmp(activation, "swish")) y = im_mul(n, y, im_sigmoid(n, y));
    else if (strcmp(activation, "none") != 0) im_fail(n, "activation '%s' is not supported", activation);
    im_out(n, 0, y);
    im_out(n, 1, k == 1 ? past : im_slice_axis(n, wide, 2, sl_expr_sub(n->context, im_dim(wide, 2), carry), carry, 1));
}

void im_op_swiglu(im_node *n)
{
    sl_value *gate = im_in(n, 0);
    double alpha = im_float(n, "alpha", 1);
    sl_value *inner = alpha == 1 ? gate : im_binary_with(n, SL_OP_arith_mul, gate, alpha);
    im_out(n, 0, im_mul(n, im_mul(n, gate, im_sigmoid(n, inner)), im_in(n, 1)));
}
