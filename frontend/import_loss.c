/* import_loss.c: NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss. Classes are axis 1; ignored targets count neither in the sum nor in the
 * weight that the mean divides by. */
#include "import_internal.h"
#include <string.h>

/* Loss of log probabilities (N x C x ...) at targets (N x ...). */
static sl_value *likelihood_loss(im_node *n, sl_value *log_probability, sl_value *target, sl_value *weight)
{
    const char *reduction = im_string(n, "reduction", "mean");
    bool mean = !strcmp(reduction, "mean");
    if (!mean && strcmp(reduction, "sum") != 0 && strcmp(reduction, "none") != 0) im_fail(n, "reduction '%s' is not supported", reduction);
    im_need_rank(n, log_probability, "the input", 2, -1);
    if (im_rank(target) != im_rank(log_probability) - 1) im_fail(n, "the target has rank %d, the input rank %d", im_rank(target), im_rank(log_probability));
    bool ignores = im_param(n, "ignore_index") != NULL;
    sl_value *index = im_cast(n, target, SL_ELEMENT_i64), *ignored = NULL;
    if (ignores) {
        ignored = im_compare(n, "eq", index, im_scalar_int(n, SL_ELEMENT_i64, im_int(n, "ignore_index", 0)));
        index = im_select(n, ignored, im_scalar_int(n, SL_ELEMENT_i64, 0), index);
    }
    sl_value *loss = im_unary(n, SL_OP_arith_neg, im_squeeze(n, im_gather_elements(n, log_probability, im_unsqueeze(n, index, 1), 1), 1));
    sl_value *factor = weight ? im_take(n, weight, index, 0) : NULL;
    if (ignored) factor = im_select(n, ignored, im_like(n, loss, 0), factor ? factor : im_like(n, loss, 1));
    if (factor) loss = im_mul(n, loss, factor);
    if (!mean && reduction[0] == 'n') return loss;
    int64_t axes[SL_MAX_RANK];
    int count = im_rank(loss);
    for (int i = 0; i < count; i++) axes[i] = i;
    sl_value *sum = im_reduce(n, loss, "sum", count, axes, false);
    if (!mean) return sum;
    return im_div(n, sum, factor ? im_reduce(n, im_broadcast(n, factor, count, im_dims(loss)), "sum", count, axes, false) : im_count_of(n, loss, count, axes, im_element(loss)));
}

void im_op_negative_log_likelihood_loss(im_node *n) { im_out(n, 0, likelihood_loss(n, im_in(n, 0), im_in(n, 1), im_optional(n, 2))); }

void im_op_softmax_cross_entropy_loss(im_node *n)
{
    int64_t axes[1] = {1};
    sl_value *x = im_in(n, 0);
    im_need_rank(n, x, "the input", 2, -1);
    sl_value *log_probability = im_softmax(n, x, 1, axes, true);
    im_out(n, 0, likelihood_loss(n, log_probability, im_in(n, 1), im_optional(n, 2)));
    im_out(n, 1, log_probability);
}
