/* import_moe.c: com.microsoft MoE, ONNX Runtime's mixture of experts: softmax of the router's logits, the k largest, weighted sum of the experts' results. It becomes a partition by the picks and a switch with
 * one body per expert, whose weights are slices of the stacked ones. What ONNX Runtime 1.31 computes on CPU is what is meant: weights lie in memory as experts x outputs x inputs, whatever their shape
 * says (the older shape experts x inputs x outputs names the same bytes); gelu is the tanh form; fused swiglu has gate and linear part in turn. */
#include "import_internal.h"
#include <string.h>

enum { MAX_EXPERTS = 4096 };

typedef struct mixture {
    im_node *n;
    int64_t experts, hidden, inner, first;      /* first: outputs of the first product */
    const char *activation;
    bool swiglu;
    double alpha, beta, limit;                  /* of swiglu; limit 0: none */
    sl_value *w1, *b1, *w2, *b2, *w3, *b3;
} mixture;

/* Stacked weights as experts x outputs x inputs. */
static sl_value *stacked(mixture *m, int input, int64_t outputs, int64_t inputs, const char *what) {
    im_node *n = m->n;
    sl_value *w = im_in(n, input);
    im_need_rank(n, w, what, 3, 3);
    int64_t experts = im_static_dim(n, w, 0, what), rows = im_static_dim(n, w, 1, what), columns = im_static_dim(n, w, 2, what);
    if (experts != m->experts) im_fail(n, "%s are for %lld experts, the router has %lld: experts spread over several machines are not supported", what, (long long)experts, (long long)m->experts);
    if (!((rows == outputs && columns == inputs) || (rows == inputs && columns == outputs)))
        im_fail(n, "%s must be %lld x %lld x %lld, but are %lld x %lld x %lld", what, (long long)m->experts, (long long)outputs, (long long)inputs, (long long)experts, (long long)rows, (long long)columns);
    sl_expr dims[3] = {im_expr(n, experts), im_expr(n, outputs), im_expr(n, inputs)};
    return im_reshape(n, w, 3, dims);
}

static sl_value *bias(mixture *m, int input, int64_t outputs, const char *what) {
    im_node *n = m->n;
    sl_value *b = im_optional(n, input);
    if (!b) return NULL;
    im_need_rank(n, b, what, 2, 2);
    if (im_static_dim(n, b, 0, what) != m->experts || im_static_dim(n, b, 1, what) != outputs) im_fail(n, "%s must be %lld x %lld", what, (long long)m->experts, (long long)outputs);
    return b;
}

/* x times one expert's weights, plus its bias. */
static sl_value *layer(mixture *m, sl_value *x, sl_value *weights, sl_value *biases, int64_t expert) {
    im_node *n = m->n;
    sl_value *w = im_squeeze(n, im_slice_axis(n, weights, 0, im_expr(n, expert), im_expr(n, 1), 1), 0);
    sl_value *y = im_linear(n, x, w, 1);
    return biases ? im_add(n, y, im_squeeze(n, im_slice_axis(n, biases, 0, im_expr(n, expert), im_expr(n, 1), 1), 0)) : y;
}

static sl_value *activate(mixture *m, sl_value *h) {
    im_node *n = m->n;
    if (m->swiglu) {
        sl_expr dims[3] = {im_dim(h, 0), im_expr(n, m->inner), im_expr(n, 2)};
        sl_value *pairs = im_reshape(n, h, 3, dims);
        sl_value *gate = im_squeeze(n, im_slice_axis(n, pairs, 2, im_expr(n, 0), im_expr(n, 1), 1), 2), *linear = im_squeeze(n, im_slice_axis(n, pairs, 2, im_expr(n, 1), im_expr(n, 1), 1), 2);
        if (m->limit > 0) {
            gate = im_min(n, gate, im_like(n, gate, m->limit));
            linear = im_clamp(n, linear, -m->limit, m->limit);
        }
        sl_value *swish = im_mul(n, gate, im_sigmoid(n, im_binary_with(n, SL_OP_arith_mul, gate, m->alpha)));
        return im_mul(n, swish, im_binary_with(n, SL_OP_arith_add, linear, m->beta));
    }
    if (!strcmp(m->activation, "relu")) return im_max(n, h, im_like(n, h, 0));
    if (!strcmp(m->activation, "gelu")) return im_gelu(n, h, true);
    if (!strcmp(m->activation, "silu")) return im_mul(n, h, im_sigmoid(n, h));
    return h;
}

static sl_value *expert(mixture *m, sl_value *x, int64_t e) {
    sl_value *h = activate(m, layer(m, x, m->w1, m->b1, e));
    if (m->w3) h = im_mul(m->n, h, layer(m, x, m->w3, m->b3, e));
    return layer(m, h, m->w2, m->b2, e);
}

static void read_attributes(mixture *m) {
    im_node *n = m->n;
    m->activation = im_string(n, "activation_type", "relu");
    m->swiglu = !strcmp(m->activation, "swiglu");
    if (!m->swiglu && strcmp(m->activation, "relu") != 0 && strcmp(m->activation, "gelu") != 0 && strcmp(m->activation, "silu") != 0 && strcmp(m->activation, "identity") != 0)
        im_fail(n, "attribute 'activation_type' must be relu, gelu, silu, swiglu or identity, but is '%s'", m->activation);
    if (im_int(n, "use_sparse_mixer", 0)) im_fail(n, "attribute 'use_sparse_mixer' is not supported: write the router as nodes and the experts as Route");
    int64_t fusion = im_int(n, "swiglu_fusion", 0);
    if (m->swiglu && fusion != 1) im_fail(n, "swiglu needs swiglu_fusion = 1 (gate and linear part in turn), not %lld", (long long)fusion);
    m->alpha = im_float(n, "activation_alpha", 1);
    m->beta = im_float(n, "activation_beta", 0);
    m->limit = im_float(n, "swiglu_limit", 0);
}

/* Inputs: x (tokens x hidden, or batch x sequence x hidden), router logits (tokens x experts), then weights and biases of the products 1, 2 and, when the experts have a gate, 3. */
void im_op_moe(im_node *n)
{
    mixture m = {.n = n};
    sl_context *context = n->context;
    sl_value *x = im_in(n, 0), *logits = im_in(n, 1);
    read_attributes(&m);
    im_need_rank(n, x, "the input", 2, 3);
    im_need_rank(n, logits, "the router's logits", 2, 2);
    im_need_rank(n, im_in(n, 4), "fc2_experts_weights", 3, 3);
    int rank = im_rank(x);
    m.experts = im_static_dim(n, logits, 1, "the router's logits");
    m.hidden = im_static_dim(n, x, rank - 1, "the input");
    int64_t k = im_int(n, "k", 1), size;
    if (m.experts < 1 || m.experts > MAX_EXPERTS || m.hidden < 1) im_fail(n, "there must be 1 to %d experts", MAX_EXPERTS);
    if (k < 1 || k > m.experts) im_fail(n, "attribute 'k' must be a number from 1 to %lld", (long long)m.experts);
    if (!sl_size_mul(im_static_dim(n, im_in(n, 4), 1, "fc2_experts_weights"), im_static_dim(n, im_in(n, 4), 2, "fc2_experts_weights"), &size) || size / m.hidden < 1 || size / m.hidden > INT32_MAX)
        im_fail(n, "fc2_experts_weights do not fit rows of %lld", (long long)m.hidden);
    m.inner = size / m.hidden;
    m.first = m.swiglu ? 2 * m.inner : m.inner;
    m.w1 = stacked(&m, 2, m.first, m.hidden, "fc1_experts_weights");
    m.b1 = bias(&m, 3, m.first, "fc1_experts_bias");
    m.w2 = stacked(&m, 4, m.hidden, m.inner, "fc2_experts_weights");
    m.b2 = bias(&m, 5, m.hidden, "fc2_experts_bias");
    if (im_has(n, 6)) {
        if (m.swiglu) im_fail(n, "swiglu with swiglu_fusion = 1 has its gate in fc1; fc3_experts_weights must be left out");
        m.w3 = stacked(&m, 6, m.inner, m.hidden, "fc3_experts_weights");
        m.b3 = bias(&m, 7, m.inner, "fc3_experts_bias");
    }

    sl_expr flat[2] = {im_product(n, im_dims(x), 0, rank - 1), im_dim(x, rank - 1)}, *whole = SL_NEW_ARRAY(n->arena, sl_expr, (size_t)rank);
    memcpy(whole, im_dims(x), (size_t)rank * sizeof *whole);
    sl_value *rows = im_reshape(n, x, 2, flat);
    int64_t axis = 1;
    sl_value *probabilities = im_softmax(n, im_cast(n, logits, SL_ELEMENT_f32), 1, &axis, false);
    im_attrs attrs = {0};
    im_attr(&attrs, "axis", sl_attr_int(context, 1));
    im_attr(&attrs, "largest", sl_attr_bool(context, true));
    sl_op *best = im_op(n, SL_OP_tensor_topk, 2, (sl_value *[]){probabilities, im_scalar_int(n, SL_ELEMENT_i64, k)}, &attrs);
    sl_value *weights = sl_op_result(best, 0), *keys = sl_op_result(best, 1);
    if (im_bool(n, "normalize_routing_weights", false)) weights = im_div(n, weights, im_reduce1(n, weights, "sum", 1, true));

    sl_type plan_type = sl_type_partition(context, (int)m.experts);
    sl_value *plan = sl_op_result(sl_build(n->builder, SL_OP_route_partition, 1, &keys, 1, &plan_type, 0, NULL), 0), *operands[] = {plan, rows, weights};
    im_attrs how = {0};
    im_attr(&how, "rows", sl_attr_int(context, 1));
    im_attr(&how, "merge", sl_attr_string(context, "add"));
    im_attr(&how, "weighted", sl_attr_bool(context, true));
    sl_type type = sl_value_type(rows);
    sl_op *made = sl_build(n->builder, SL_OP_route_switch, 3, operands, 1, &type, how.count, how.list);
    sl_builder saved = *n->builder;
    for (int64_t e = 0; e < m.experts; e++) {
        sl_block *body = sl_region_block(sl_op_add_region(made));
        sl_expr dims[2] = {sl_expr_fresh(context), flat[1]};
        sl_value *packed = sl_block_add_argument(body, im_tensor_type(n, im_element(rows), 2, dims));
        *n->builder = sl_builder_at_end(saved.module, body);
        n->builder->loc = saved.loc;
        sl_value *y = expert(&m, packed, e);
        im_yield(n, body, 1, &y);
    }
    *n->builder = saved;
    im_out(n, 0, im_reshape(n, sl_op_result(made, 0), rank, whole));
}

void im_op_qmoe(im_node *n)
{
    im_fail(n, "quantized experts are not supported: dequantize the weights and use MoE, or write the experts as Route with DequantizeLinear");
}
