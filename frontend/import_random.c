/* import_random.c: random numbers. The stream is Sluice's own: the same seed gives the same numbers in every run, but not those of other engines. */
#include "import_internal.h"
#include <string.h>

static sl_value *random_tensor(im_node *n, const char *distribution, double first, double second, sl_element element, int rank, const sl_expr *dims)
{
    if (!sl_element_is_float(element)) im_fail(n, "random numbers must be floating-point, not %s", sl_element_name(element));
    im_attrs attrs = {0};
    im_attr(&attrs, "distribution", sl_attr_string(n->context, distribution));
    im_attr(&attrs, "first", sl_attr_float(n->context, first));
    im_attr(&attrs, "second", sl_attr_float(n->context, second));
    /* Without a seed every node has its own stream. */
    int64_t seed = im_param(n, "seed") ? im_to_int(im_float(n, "seed", 0)) : (int64_t)(sl_hash_bytes(n->node->name, strlen(n->node->name), 0) >> 1);
    im_attr(&attrs, "seed", sl_attr_int(n->context, seed));
    return im_typed(n, SL_OP_tensor_random, 0, NULL, im_tensor_type(n, element, rank, dims), &attrs);
}

static void random_shaped(im_node *n, const char *distribution, double first, double second)
{
    int64_t shape[SL_MAX_RANK];
    sl_expr dims[SL_MAX_RANK];
    int rank = im_ints(n, "shape", shape, SL_MAX_RANK);
    if (rank < 0) im_fail(n, "attribute 'shape' is missing");
    for (int i = 0; i < rank; i++) dims[i] = im_expr(n, shape[i]);
    im_out(n, 0, random_tensor(n, distribution, first, second, im_element_param(n, "dtype", SL_ELEMENT_f32), rank, dims));
}

static void random_like(im_node *n, const char *distribution, double first, double second)
{
    sl_value *x = im_in(n, 0);
    im_out(n, 0, random_tensor(n, distribution, first, second, im_element_param(n, "dtype", im_element(x)), im_rank(x), im_dims(x)));
}

void im_op_random_uniform(im_node *n) { random_shaped(n, "uniform", im_float(n, "low", 0), im_float(n, "high", 1)); }
void im_op_random_normal(im_node *n) { random_shaped(n, "normal", im_float(n, "mean", 0), im_float(n, "scale", 1)); }
void im_op_random_uniform_like(im_node *n) { random_like(n, "uniform", im_float(n, "low", 0), im_float(n, "high", 1)); }
void im_op_random_normal_like(im_node *n) { random_like(n, "normal", im_float(n, "mean", 0), im_float(n, "scale", 1)); }

void im_op_bernoulli(im_node *n)
{
    sl_value *x = im_in(n, 0);
    sl_value *u = random_tensor(n, "uniform", 0, 1, SL_ELEMENT_f32, im_rank(x), im_dims(x));
    im_out(n, 0, im_cast(n, im_compare(n, "lt", u, im_cast(n, x, SL_ELEMENT_f32)), im_element_param(n, "dtype", im_element(x))));
}

/* Each sample is the number of cumulated probabilities that a uniform number exceeds. */
void im_op_multinomial(im_node *n)
{
    sl_value *x = im_in(n, 0);
    im_need_rank(n, x, "the input", 2, 2);
    int64_t samples = im_int(n, "sample_size", 1), axes[1] = {1};
    im_attrs attrs = {0};
    im_attr(&attrs, "axis", sl_attr_int(n->context, 1));
    im_attr(&attrs, "kind", sl_attr_string(n->context, "sum"));
    sl_value *probability = im_softmax(n, im_cast(n, x, SL_ELEMENT_f32), 1, axes, false);
    sl_value *cumulated = im_op1(n, SL_OP_tensor_cumulate, 1, &probability, &attrs);
    sl_value *u = random_tensor(n, "uniform", 0, 1, SL_ELEMENT_f32, 2, (sl_expr[]){im_dim(x, 0), im_expr(n, samples)});
    sl_value *beyond = im_cast(n, im_compare(n, "gt", im_unsqueeze(n, u, 2), im_unsqueeze(n, cumulated, 1)), SL_ELEMENT_i64);
    sl_value *count = im_reduce1(n, beyond, "sum", 2, false);
    count = im_min(n, count, im_from_dim(n, sl_expr_sub(n->context, im_dim(x, 1), im_expr(n, 1))));
    im_out(n, 0, im_cast(n, count, im_element_param(n, "dtype", SL_ELEMENT_i32)));
}
