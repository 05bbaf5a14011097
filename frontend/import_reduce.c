/* import_reduce.c: reductions, arg reductions and cumulative operators. */
#include "import_internal.h"
#include <math.h>
#include <string.h>

/* Axes from the attribute (before `operand_since`) or operand 1; none given: all axes, or no reduction with noop_with_empty_axes. */
static int reduce_axes(im_node *n, const sl_value *x, int operand_since, int64_t *axes)
{
    int rank = im_rank(x), count;
    int64_t listed[SL_MAX_RANK];
    if (n->opset < operand_since) count = im_ints(n, "axes", listed, SL_MAX_RANK);
    else count = im_has(n, 1) ? im_need_ints(n, im_in(n, 1), "the axes", listed, SL_MAX_RANK) : -1;
    if (count <= 0) {
        if (n->opset >= operand_since && im_bool(n, "noop_with_empty_axes", false)) return 0;
        for (int i = 0; i < rank; i++) axes[i] = i;
        return rank;
    }
    return im_axes(n, count, listed, rank, axes);
}

typedef enum reduction { SUM, MEAN, PROD, MAX, MIN, L1, L2, SUM_SQUARE, LOG_SUM, LOG_SUM_EXP } reduction;

static void reduce(im_node *n, reduction what, int operand_since)
{
    sl_value *x = im_in(n, 0), *y = NULL;
    int64_t axes[SL_MAX_RANK];
    int count = reduce_axes(n, x, operand_since, axes);
    bool keep = im_bool(n, "keepdims", true);
    switch (what) {
    case SUM: y = im_reduce(n, x, "sum", count, axes, keep); break;
    case MEAN: y = count ? im_mean(n, x, count, axes, keep) : x; break;
    case PROD: y = im_reduce(n, x, "prod", count, axes, keep); break;
    case MAX:
    case MIN: {
        bool boolean = im_element(x) == SL_ELEMENT_i1;
        y = im_reduce(n, x, what == MAX ? boolean ? "or" : "max" : boolean ? "and" : "min", count, axes, keep);
        break;
    }
    case L1: y = im_reduce(n, im_unary(n, SL_OP_arith_abs, x), "sum", count, axes, keep); break;
    case SUM_SQUARE: y = im_reduce(n, im_mul(n, x, x), "sum", count, axes, keep); break;
    case L2: {
        sl_element element = im_element(x);
        sl_value *wide = sl_element_is_float(element) ? x : im_cast(n, x, SL_ELEMENT_f64);
        y = im_cast(n, im_unary(n, SL_OP_arith_sqrt, im_reduce(n, im_mul(n, wide, wide), "sum", count, axes, keep)), element);
        break;
    }
    case LOG_SUM: y = im_unary(n, SL_OP_arith_log, im_reduce(n, x, "sum", count, axes, keep)); break;
    case LOG_SUM_EXP: {
        /* Shifted by the largest, unless that is infinite. */
        sl_value *top = im_reduce(n, x, "max", count, axes, true);
        top = im_select(n, im_unary(n, SL_OP_arith_isinf, top), im_like(n, top, 0), top);
        sl_value *sum = im_reduce(n, im_unary(n, SL_OP_arith_exp, im_sub(n, x, top)), "sum", count, axes, true);
        y = im_add(n, im_unary(n, SL_OP_arith_log, sum), top);
        if (!keep && count) {
            sl_expr dims[SL_MAX_RANK];
            int rank = 0;
            for (int i = 0, k = 0; i < im_rank(x); i++) {
                bool reduced = k < count && axes[k] == i;
                k += reduced;
                if (!reduced) dims[rank++] = im_dim(x, i);
            }
            y = im_reshape(n, y, rank, dims);
        }
        break;
    }
    }
    im_out(n, 0, y);
}

void im_op_reduce_sum(im_node *n) { reduce(n, SUM, 13); }
void im_op_reduce_mean(im_node *n) { reduce(n, MEAN, 18); }
void im_op_reduce_prod(im_node *n) { reduce(n, PROD, 18); }
void im_op_reduce_max(im_node *n) { reduce(n, MAX, 18); }
void im_op_reduce_min(im_node *n) { reduce(n, MIN, 18); }
void im_op_reduce_l1(im_node *n) { reduce(n, L1, 18); }
void im_op_reduce_l2(im_node *n) { reduce(n, L2, 18); }
void im_op_reduce_sum_square(im_node *n) { reduce(n, SUM_SQUARE, 18); }
void im_op_reduce_log_sum(im_node *n) { reduce(n, LOG_SUM, 18); }
void im_op_reduce_log_sum_exp(im_node *n) { reduce(n, LOG_SUM_EXP, 18); }

static void arg(im_node *n, bool largest)
{
    sl_value *x = im_in(n, 0);
    int axis = im_axis(n, im_int(n, "axis", 0), im_rank(x));
    sl_value *y = im_arg(n, x, axis, largest, im_bool(n, "select_last_index", false));
    im_out(n, 0, im_bool(n, "keepdims", true) ? im_unsqueeze(n, y, axis) : y);
}

void im_op_argmax(im_node *n) { arg(n, true); }
void im_op_argmin(im_node *n) { arg(n, false); }

static void cumulate(im_node *n, const char *kind)
{
    sl_value *x = im_in(n, 0);
    int axis = im_axis(n, im_need_int(n, im_in(n, 1), "the axis"), im_rank(x));
    im_attrs attrs = {0};
    im_attr(&attrs, "axis", sl_attr_int(n->context, axis));
    im_attr(&attrs, "kind", sl_attr_string(n->context, kind));
    if (im_bool(n, "exclusive", false)) im_attr(&attrs, "exclusive", sl_attr_bool(n->context, true));
    if (im_bool(n, "reverse", false)) im_attr(&attrs, "reverse", sl_attr_bool(n->context, true));
    im_out(n, 0, im_op1(n, SL_OP_tensor_cumulate, 1, &x, &attrs));
}

void im_op_cumsum(im_node *n) { cumulate(n, "sum"); }
void im_op_cumprod(im_node *n) { cumulate(n, "prod"); }

void im_op_det(im_node *n)
{
    sl_value *x = im_in(n, 0);
    im_out(n, 0, im_op1(n, SL_OP_tensor_determinant, 1, &x, NULL));
}
