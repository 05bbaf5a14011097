/* import_moe.c: com.microsoft MoE, ONNX Runtime's mixture of experts: softmax of the router's logits, the k largest, weighted sum of the experts' results. It becomes a partition by the picks and a switch with
 * one body per expert, whose weights are slices of the stacked ones. What ONNX Runtime 1.31 computes on CPU is what is meant: weights lie in memory as experts x outputs x inputs, whatever their shape
 * says (the older shape experts x inputs x outputs names the same bytes); gelu is the tanh form; fused swiglu has gate and linear part in turn.
 *
 * QMoE is the same with weights of 2, 4 or 8 bits, (q - zero point) * scale by output or by block of inputs: constants, which are multiplied out here. Probabilities are divided by the sum of the picks',
 * whatever `normalize_routing_weights` says: so does ONNX Runtime, whose kernels for 8 bits round activations besides, which is not meant. */
#include "import_internal.h"
#include <string.h>

enum { MAX_EXPERTS = 4096 };

typedef struct mixture {
    im_node *n;
    int64_t experts, hidden, inner, first;      /* first: outputs of the first product */
    const char *activation;
    bool swiglu, normalizes;
    double alpha, beta, limit;                  /* of swiglu; limit 0: none */
    sl_value *w1, *b1, *w2, *b2, *w3, *b3;
    sl_value *mixing;                           /* tokens x experts: the weights of the picks, when they are not the probabilities; or NULL */
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
    m->normalizes = im_bool(n, "normalize_routing_weights", false);
    m->alpha = im_float(n, "activation_alpha", 1);
    m->beta = im_float(n, "activation_beta", 0);
    m->limit = im_float(n, "swiglu_limit", 0);
}

/* x, the router's logits, attributes; `inputs` of the second product's weights. */
static int64_t begin(mixture *m, sl_value *down, int64_t per_byte)
{
    im_node *n = m->n;
    sl_value *x = im_in(n, 0), *logits = im_in(n, 1);
    read_attributes(m);
    im_need_rank(n, x, "the input", 2, 3);
    im_need_rank(n, logits, "the router's logits", 2, 2);
    im_need_rank(n, down, "fc2_experts_weights", 3, 3);
    m->experts = im_static_dim(n, logits, 1, "the router's logits");
    m->hidden = im_static_dim(n, x, im_rank(x) - 1, "the input");
    int64_t k = im_int(n, "k", 1), size;
    if (m->experts < 1 || m->experts > MAX_EXPERTS || m->hidden < 1) im_fail(n, "there must be 1 to %d experts", MAX_EXPERTS);
    if (k < 1 || k > m->experts) im_fail(n, "attribute 'k' must be a number from 1 to %lld", (long long)m->experts);
    if (!sl_size_mul(im_static_dim(n, down, 1, "fc2_experts_weights"), im_static_dim(n, down, 2, "fc2_experts_weights"), &size) || !sl_size_mul(size, per_byte, &size) || size / m->hidden < 1 || size / m->hidden > INT32_MAX)
        im_fail(n, "fc2_experts_weights do not fit rows of %lld", (long long)m->hidden);
    m->inner = size / m->hidden;
    m->first = m->swiglu ? 2 * m->inner : m->inner;
    return k;
}

static void route(mixture *m, int64_t k)
{
    im_node *n = m->n;
    sl_context *context = n->context;
    sl_value *x = im_in(n, 0), *logits = im_in(n, 1);
    int rank = im_rank(x);
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
    if (m->mixing) weights = im_gather_elements(n, im_cast(n, m->mixing, SL_ELEMENT_f32), keys, 1);
    if (m->normalizes) weights = im_div(n, weights, im_reduce1(n, weights, "sum", 1, true));

    sl_type plan_type = sl_type_partition(context, (int)m->experts);
    sl_value *plan = sl_op_result(sl_build(n->builder, SL_OP_route_partition, 1, &keys, 1, &plan_type, 0, NULL), 0), *operands[] = {plan, rows, weights};
    im_attrs how = {0};
    im_attr(&how, "rows", sl_attr_int(context, 1));
    im_attr(&how, "merge", sl_attr_string(context, "add"));
    im_attr(&how, "weighted", sl_attr_bool(context, true));
    sl_type type = sl_value_type(rows);
    sl_op *made = sl_build(n->builder, SL_OP_route_switch, 3, operands, 1, &type, how.count, how.list);
    sl_builder saved = *n->builder;
    for (int64_t e = 0; e < m->experts; e++) {
        sl_block *body = sl_region_block(sl_op_add_region(made));
        sl_expr dims[2] = {sl_expr_fresh(context), flat[1]};
        sl_value *packed = sl_block_add_argument(body, im_tensor_type(n, im_element(rows), 2, dims));
        *n->builder = sl_builder_at_end(saved.module, body);
        n->builder->loc = saved.loc;
        sl_value *y = expert(m, packed, e);
        im_yield(n, body, 1, &y);
    }
    *n->builder = saved;
    im_out(n, 0, im_reshape(n, sl_op_result(made, 0), rank, whole));
}

/* Inputs: x (tokens x hidden, or batch x sequence x hidden), router logits (tokens x experts), then weights and biases of the products 1, 2 and, when the experts have a gate, 3. */
void im_op_moe(im_node *n)
{
    mixture m = {.n = n};
    int64_t k = begin(&m, im_in(n, 4), 1);
    m.w1 = stacked(&m, 2, m.first, m.hidden, "fc1_experts_weights");
    m.b1 = bias(&m, 3, m.first, "fc1_experts_bias");
    m.w2 = stacked(&m, 4, m.hidden, m.inner, "fc2_experts_weights");
    m.b2 = bias(&m, 5, m.hidden, "fc2_experts_bias");
    if (im_has(n, 6)) {
        if (m.swiglu) im_fail(n, "swiglu with swiglu_fusion = 1 has its gate in fc1; fc3_experts_weights must be left out");
        m.w3 = stacked(&m, 6, m.inner, m.hidden, "fc3_experts_weights");
        m.b3 = bias(&m, 7, m.inner, "fc3_experts_bias");
    }
    route(&m, k);
}

/* ---- QMoE ---- */

/* An input that must be a constant with these dims. `data` NULL: it is left out. */
static sl_attr quantized_part(mixture *m, int input, const char *what, int rank, const int64_t *dims)
{
    im_node *n = m->n;
    sl_value *value = im_optional(n, input);
    if (!value) return NULL;
    sl_attr data = sl_value_constant(value);
    if (!data) im_fail(n, "%s must be a constant: quantized weights are multiplied out when compiling", what);
    bool fits = im_rank(value) == rank;
    for (int d = 0; d < rank && fits; d++) fits = im_static_dim(n, value, d, what) == dims[d];
    if (!fits && rank == 3) im_fail(n, "%s must be %lld x %lld x %lld", what, (long long)dims[0], (long long)dims[1], (long long)dims[2]);
    if (!fits) im_fail(n, "%s must be %lld x %lld", what, (long long)dims[0], (long long)dims[1]);
    return data;
}

/* Number `index` of a row of packed ones that starts at element `row`, the first one in the low bits. */
static int64_t packed_number(sl_attr data, int64_t row, int64_t index, int bits)
{
    int64_t byte = sl_attr_data_int(data, row + index * bits / 8) & 255;
    return byte >> (index * bits % 8) & ((1 << bits) - 1);
}

/* (q - zero point) * scale as experts x outputs x inputs in the type of the rows. */
static sl_value *dequantized(mixture *m, int weights, int scales, int zeros, int64_t outputs, int64_t inputs, const char *name, const char *bits_name)
{
    im_node *n = m->n;
    int64_t bits = im_int(n, bits_name, im_int(n, "expert_weight_bits", 4)), block = im_int(n, "block_size", 0), blocks = 1, total;
    if (bits != 2 && bits != 4 && bits != 8) im_fail(n, "%s has weights of %lld bits; 2, 4 and 8 are known", name, (long long)bits);
    if (block < 0 || (block && inputs % block)) im_fail(n, "%s: %lld inputs are no whole blocks of %lld", name, (long long)inputs, (long long)block);
    if (block) blocks = inputs / block;
    if (inputs * bits % 8) im_fail(n, "%s: %lld inputs of %lld bits are no whole bytes", name, (long long)inputs, (long long)bits);
    int64_t packed = inputs * bits / 8, zero_row = block ? (blocks * bits + 7) / 8 : (outputs * bits + 7) / 8;
    int rank = block ? 3 : 2;
    sl_attr q = quantized_part(m, weights, sl_arena_printf(n->arena, "%s_experts_weights", name), 3, (int64_t[]){m->experts, outputs, packed});
    sl_attr s = quantized_part(m, scales, sl_arena_printf(n->arena, "%s_scales", name), rank, (int64_t[]){m->experts, outputs, blocks});
    sl_attr z = quantized_part(m, zeros, sl_arena_printf(n->arena, "%s_zero_points", name), rank, block ? (int64_t[]){m->experts, outputs, zero_row} : (int64_t[]){m->experts, zero_row, 0});
    if (!q || !s) im_fail(n, "%s needs weights and scales", name);
    if (im_element(im_in(n, weights)) != SL_ELEMENT_u8) im_fail(n, "%s_experts_weights must be bytes (u8)", name);
    if (!sl_size_mul(m->experts, outputs, &total) || !sl_size_mul(total, inputs, &total) || total > INT32_MAX) im_fail(n, "%s has too many weights", name);
    float *data = SL_NEW_ARRAY(n->arena, float, (size_t)total);
    for (int64_t e = 0; e < m->experts; e++)
        for (int64_t o = 0; o < outputs; o++) {
            int64_t row = e * outputs + o;
            for (int64_t i = 0; i < inputs; i++) {
                int64_t at = block ? i / block : 0, zero = (int64_t)1 << (bits - 1);
                if (z) zero = block ? packed_number(z, row * zero_row, at, (int)bits) : packed_number(z, e * zero_row, o, (int)bits);
                data[row * inputs + i] = (float)(packed_number(q, row * packed, i, (int)bits) - zero) * (float)sl_attr_data_float(s, row * blocks + at);
            }
        }
    int64_t dims[3] = {m->experts, outputs, inputs};
    return im_cast(n, im_constant(n, SL_ELEMENT_f32, 3, dims, data), im_element(im_in(n, 0)));
}

/* Inputs: as MoE, with scales behind each weight (2 to 10), zero points (11 to 13), weights for the picks (14). */
void im_op_qmoe(im_node *n)
{
    mixture m = {.n = n};
    const char *type = im_string(n, "quant_type", "int");
    if (strcmp(type, "int") != 0) im_fail(n, "attribute 'quant_type' is '%s'; only 'int' is supported: dequantize the weights and use MoE", type);
    if (im_int(n, "weights_prepacked", -1) > 0) im_fail(n, "attribute 'weights_prepacked' is 1: weights in a layout of one execution provider can't be read");
    for (int i = 15; i < 20; i++)
        if (im_has(n, i)) im_fail(n, "input %d goes with other quantizations than 'int', and must be left out", i);
    int64_t bits = im_int(n, "fc2_expert_weight_bits", im_int(n, "expert_weight_bits", 4));
    int64_t k = begin(&m, im_in(n, 5), bits == 2 || bits == 4 ? 8 / bits : 1);
    m.w1 = dequantized(&m, 2, 3, 11, m.first, m.hidden, "fc1", "fc1_expert_weight_bits");
    m.b1 = bias(&m, 4, m.first, "fc1_experts_bias");
    m.w2 = dequantized(&m, 5, 6, 12, m.hidden, m.inner, "fc2", "fc2_expert_weight_bits");
    m.b2 = bias(&m, 7, m.hidden, "fc2_experts_bias");
    if (im_has(n, 8)) {
        if (m.swiglu) im_fail(n, "swiglu with swiglu_fusion = 1 has its gate in fc1; fc3_experts_weights must be left out");
        m.w3 = dequantized(&m, 8, 9, 13, m.inner, m.hidden, "fc3", "fc3_expert_weight_bits");
        m.b3 = bias(&m, 10, m.inner, "fc3_experts_bias");
    }
    m.mixing = im_optional(n, 14);
    m.normalizes |= !m.mixing;
    route(&m, k);
}
