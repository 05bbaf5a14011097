/* import_activation.c: activation functions, softmax and its relatives, dropout. Each becomes elementwise primitives (and reductions): the passes
 * fuse them into their producers. */
#include "import_internal.h"
#include <math.h>
#include <string.h>
#include <strings.h>

#define WITH(kind, a, b) im_binary_with(n, SL_OP_arith_##kind, (a), (b))
#define UN(kind, a) im_unary(n, SL_OP_arith_##kind, (a))

static sl_value *relu(im_node *n, sl_value *x) { return WITH(max, x, 0); }
static sl_value *positive(im_node *n, sl_value *x) { return im_compare(n, "gt", x, im_like(n, x, 0)); }
static sl_value *elu(im_node *n, sl_value *x, double alpha) { return im_select(n, positive(n, x), x, WITH(mul, UN(expm1, x), alpha)); }
static sl_value *leaky(im_node *n, sl_value *x, double alpha)
{
    return im_select(n, im_compare(n, "lt", x, im_like(n, x, 0)), WITH(mul, x, alpha), x);
}
static sl_value *hard_sigmoid(im_node *n, sl_value *x, double alpha, double beta) { return im_clamp(n, WITH(add, WITH(mul, x, alpha), beta), 0, 1); }
/* log(1 + exp(x)) without overflow. */
static sl_value *softplus(im_node *n, sl_value *x) { return im_add(n, relu(n, x), UN(log1p, UN(exp, UN(neg, UN(abs, x))))); }
static sl_value *softsign(im_node *n, sl_value *x) { return im_div(n, x, WITH(add, UN(abs, x), 1)); }
static sl_value *thresholded(im_node *n, sl_value *x, double alpha)
{
    return im_select(n, im_compare(n, "gt", x, im_like(n, x, alpha)), x, im_like(n, x, 0));
}

/* Attributes default per function when NAN. */
sl_value *im_activation(im_node *n, const char *name, double alpha, double beta, sl_value *x)
{
    if (!strcasecmp(name, "Tanh")) return UN(tanh, x);
    if (!strcasecmp(name, "Sigmoid")) return im_sigmoid(n, x);
    if (!strcasecmp(name, "Relu")) return relu(n, x);
    if (!strcasecmp(name, "Affine")) return WITH(add, WITH(mul, x, isnan(alpha) ? 1 : alpha), isnan(beta) ? 0 : beta);
    if (!strcasecmp(name, "LeakyRelu")) return leaky(n, x, isnan(alpha) ? 0.01 : alpha);
    if (!strcasecmp(name, "ThresholdedRelu")) return thresholded(n, x, isnan(alpha) ? 1 : alpha);
    if (!strcasecmp(name, "ScaledTanh")) return WITH(mul, UN(tanh, WITH(mul, x, isnan(beta) ? 1 : beta)), isnan(alpha) ? 1 : alpha);
    if (!strcasecmp(name, "HardSigmoid")) return hard_sigmoid(n, x, isnan(alpha) ? 0.2 : alpha, isnan(beta) ? 0.5 : beta);
    if (!strcasecmp(name, "Elu")) return elu(n, x, isnan(alpha) ? 1 : alpha);
    if (!strcasecmp(name, "Softsign")) return softsign(n, x);
    if (!strcasecmp(name, "Softplus")) return softplus(n, x);
    im_fail(n, "activation function '%s' is not supported", name);
}

void im_op_relu(im_node *n) { im_out(n, 0, relu(n, im_in(n, 0))); }
void im_op_sigmoid(im_node *n) { im_out(n, 0, im_sigmoid(n, im_in(n, 0))); }
void im_op_leaky_relu(im_node *n) { im_out(n, 0, leaky(n, im_in(n, 0), im_float(n, "alpha", 0.01))); }
void im_op_elu(im_node *n) { im_out(n, 0, elu(n, im_in(n, 0), im_float(n, "alpha", 1))); }
void im_op_hard_sigmoid(im_node *n) { im_out(n, 0, hard_sigmoid(n, im_in(n, 0), im_float(n, "alpha", 0.2), im_float(n, "beta", 0.5))); }
void im_op_softplus(im_node *n) { im_out(n, 0, softplus(n, im_in(n, 0))); }
void im_op_softsign(im_node *n) { im_out(n, 0, softsign(n, im_in(n, 0))); }
void im_op_thresholded_relu(im_node *n) { im_out(n, 0, thresholded(n, im_in(n, 0), im_float(n, "alpha", 1))); }

void im_op_selu(im_node *n)
{
    double alpha = im_float(n, "alpha", 1.67326319217681884765625), gamma = im_float(n, "gamma", 1.05070102214813232421875);
    im_out(n, 0, WITH(mul, elu(n, im_in(n, 0), alpha), gamma));
}

void im_op_celu(im_node *n)
{
    sl_value *x = im_in(n, 0);
    double alpha = im_float(n, "alpha", 1);
    im_out(n, 0, im_select(n, positive(n, x), x, WITH(mul, UN(expm1, WITH(div, x, alpha)), alpha)));
}

/* The slope's dims belong to the trailing axes, or, as older exporters have it, to the channel axis. */
void im_op_prelu(im_node *n)
{
    sl_value *x = im_in(n, 0), *slope = im_in(n, 1);
    if (im_rank(slope) == 1 && im_rank(x) > 2 && !im_is_one(im_dim(slope, 0)) && im_dim(slope, 0) == im_dim(x, 1) && im_dim(x, im_rank(x) - 1) != im_dim(slope, 0))
        slope = im_unsqueeze_to(n, slope, im_rank(x), 1);
    im_out(n, 0, im_select(n, im_compare(n, "lt", x, im_like(n, x, 0)), im_mul(n, x, slope), x));
}

void im_op_hard_swish(im_node *n)
{
    sl_value *x = im_in(n, 0);
    im_out(n, 0, im_mul(n, x, hard_sigmoid(n, x, 1.0 / 6, 0.5)));
}

void im_op_mish(im_node *n)
{
    sl_value *x = im_in(n, 0);
    im_out(n, 0, im_mul(n, x, UN(tanh, softplus(n, x))));
}

void im_op_swish(im_node *n)
{
    sl_value *x = im_in(n, 0);
    double alpha = im_float(n, "alpha", 1);
    im_out(n, 0, im_mul(n, x, im_sigmoid(n, alpha == 1 ? x : WITH(mul, x, alpha))));
}

void im_op_quick_gelu(im_node *n)
{
    sl_value *x = im_in(n, 0);
    im_out(n, 0, im_mul(n, x, im_sigmoid(n, WITH(mul, x, im_float(n, "alpha", 1.702)))));
}

void im_op_gelu(im_node *n)
{
    const char *form = im_string(n, "approximate", "none");
    if (strcmp(form, "none") != 0 && strcmp(form, "tanh") != 0) im_fail(n, "attribute 'approximate' must be none or tanh, but is '%s'", form);
    im_out(n, 0, im_gelu(n, im_in(n, 0), form[0] == 't'));
}

/* com.microsoft: bias added first. */
void im_op_bias_gelu(im_node *n) { im_out(n, 0, im_gelu(n, im_add(n, im_in(n, 0), im_in(n, 1)), false)); }
void im_op_fast_gelu(im_node *n)
{
    sl_value *x = im_in(n, 0);
    if (im_has(n, 1)) x = im_add(n, x, im_in(n, 1));
    im_out(n, 0, im_gelu(n, x, true));
}

void im_op_shrink(im_node *n)
{
    sl_value *x = im_in(n, 0);
    double bias = im_float(n, "bias", 0), lambda = im_float(n, "lambd", 0.5);
    sl_value *below = im_compare(n, "lt", x, im_like(n, x, -lambda)), *above = im_compare(n, "gt", x, im_like(n, x, lambda));
    im_out(n, 0, im_select(n, below, WITH(add, x, bias), im_select(n, above, WITH(sub, x, bias), im_like(n, x, 0))));
}

/* ---- softmax ---- */

/* Before version 13 the axes from `axis` on count as one (default 1), since then one axis (default -1). */
static int softmax_axes(im_node *n, const sl_value *x, int64_t *axes)
{
    int rank = im_rank(x);
    if (n->opset >= 13) {
        axes[0] = im_axis(n, im_int(n, "axis", -1), rank);
        return 1;
    }
    int64_t axis = im_int(n, "axis", 1);
    int first = axis == rank ? rank : im_axis(n, axis, rank), count = 0;
    for (int i = first; i < rank; i++) axes[count++] = i;
    return count;
}

void im_op_softmax(im_node *n)
{
    sl_value *x = im_in(n, 0);
    int64_t axes[SL_MAX_RANK];
    int count = softmax_axes(n, x, axes);
    im_out(n, 0, im_softmax(n, x, count, axes, false));
}

void im_op_log_softmax(im_node *n)
{
    sl_value *x = im_in(n, 0);
    int64_t axes[SL_MAX_RANK];
    int count = softmax_axes(n, x, axes);
    im_out(n, 0, im_softmax(n, x, count, axes, true));
}

void im_op_hardmax(im_node *n)
{
    sl_value *x = im_in(n, 0), *flat = x;
    int64_t axes[SL_MAX_RANK];
    int count = softmax_axes(n, x, axes), axis = (int)axes[0], rank = im_rank(x);
    if (count > 1) {
        sl_expr dims[SL_MAX_RANK];
        for (int i = 0; i < axis; i++) dims[i] = im_dim(x, i);
        dims[axis] = im_product(n, im_dims(x), axis, rank);
        flat = im_reshape(n, x, axis + 1, dims);
    }
    sl_value *position = im_unsqueeze(n, im_arg(n, flat, axis, true, false), axis);
    sl_value *index = im_unsqueeze_to(n, im_iota1(n, SL_ELEMENT_i64, im_dim(flat, axis)), im_rank(flat), axis);
    sl_value *hot = im_cast(n, im_compare(n, "eq", position, index), im_element(x));
    im_out(n, 0, im_reshape(n, hot, rank, im_dims(x)));
}

/* ---- dropout ---- */

static sl_value *uniform(im_node *n, const sl_value *like, sl_element element, double low, double high)
{
    im_attrs attrs = {0};
    im_attr(&attrs, "distribution", sl_attr_string(n->context, "uniform"));
    im_attr(&attrs, "first", sl_attr_float(n->context, low));
    im_attr(&attrs, "second", sl_attr_float(n->context, high));
    im_attr(&attrs, "seed", sl_attr_int(n->context, im_int(n, "seed", 0)));
    return im_typed(n, SL_OP_tensor_random, 0, NULL, im_tensor_type(n, element, im_rank(like), im_dims(like)), &attrs);
}

/* Versions up to 10 only know inference. Later ones drop elements when training_mode is true. */
void im_op_dropout(im_node *n)
{
    sl_value *x = im_in(n, 0);
    int64_t training = 0;
    double ratio = 0.5;
    if (n->opset >= 12) {
        if (im_has(n, 1)) ratio = im_need_float(n, im_in(n, 1), "the ratio");
        if (im_has(n, 2)) training = im_need_int(n, im_in(n, 2), "training_mode");
    }
    sl_element mask_element = n->opset >= 10 ? SL_ELEMENT_i1 : im_element(x);
    if (!training || ratio == 0) {
        im_out(n, 0, x);
        if (im_wants(n, 1)) im_out(n, 1, im_fill(n, im_scalar_int(n, mask_element, 1), im_rank(x), im_dims(x)));
        return;
    }
    sl_value *mask = im_compare(n, "ge", uniform(n, x, SL_ELEMENT_f32, 0, 1), im_scalar(n, SL_ELEMENT_f32, ratio));
    im_out(n, 0, im_select(n, mask, WITH(div, x, 1 - ratio), im_like(n, x, 0)));
    if (im_wants(n, 1)) im_out(n, 1, mask);
}
