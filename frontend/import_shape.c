/* import_shape.c: operators that make or change shapes: Shape, Reshape, Expand, Squeeze, Flatten, Tile, Range, fills, Trilu, DepthToSpace.
 * A shape operand that is known as expressions ends up in result types; only the others make data-dependent ops. */
#include "import_internal.h"
#include <string.h>

void im_op_identity(im_node *n) { im_item_out(n, 0, im_item_in(n, 0)); }

void im_op_constant(im_node *n)
{
    for (int i = 0; i < n->param_count; i++) {
        const sl_param *p = &n->params[i];
        int64_t count = p->count;
        if (!strcmp(p->name, "value") && p->kind == SL_PARAM_TENSOR) {
            if (p->tensor->element == SL_ELEMENT_str) {
                im_item *item = SL_NEW(n->arena, im_item);
                item->kind = IM_TEXT;
                item->text = p->tensor;
                im_item_out(n, 0, item);
                return;
            }
            im_out(n, 0, im_tensor_constant(n, p->tensor));
            return;
        }
        if (!strcmp(p->name, "value_int")) {
            im_out(n, 0, im_scalar_int(n, SL_ELEMENT_i64, im_int(n, "value_int", 0)));
            return;
        }
        if (!strcmp(p->name, "value_float")) {
            im_out(n, 0, im_scalar(n, SL_ELEMENT_f32, im_float(n, "value_float", 0)));
            return;
        }
        if (!strcmp(p->name, "value_ints") && (p->kind == SL_PARAM_INTS || count == 0)) {
            im_out(n, 0, im_constant(n, SL_ELEMENT_i64, 1, &count, p->ints));
            return;
        }
        if (!strcmp(p->name, "value_floats") && (p->kind == SL_PARAM_FLOATS || count == 0)) {
            im_out(n, 0, im_floats_constant(n, SL_ELEMENT_f32, 1, &count, p->floats));
            return;
        }
        if (!strncmp(p->name, "value", 5)) im_fail(n, "attribute '%s': this kind of constant is not supported", p->name);
    }
    im_fail(n, "no value attribute");
}

void im_op_shape(im_node *n)
{
    sl_value *x = im_any_rank(n, 0);
    if (!sl_type_is_ranked(sl_value_type(x))) {
        if (im_param(n, "start") || im_param(n, "end")) im_fail(n, "start and end need an operand of known rank");
        im_out(n, 0, im_op1(n, SL_OP_tensor_shape_of, 1, &x, NULL));
        return;
    }
    int rank = im_rank(x);
    int64_t start = im_int(n, "start", 0), end = im_int(n, "end", rank);
    if (start < 0) start += rank;
    if (end < 0) end += rank;
    start = start < 0 ? 0 : start > rank ? rank : start;
    end = end < start ? start : end > rank ? rank : end;
    im_out(n, 0, im_from_dims(n, (int)(end - start), rank ? im_dims(x) + start : NULL));
}

void im_op_size(im_node *n)
{
    sl_value *x = im_in(n, 0);
    im_out(n, 0, im_from_dim(n, sl_type_count(n->context, sl_value_type(x))));
}

/* ---- Reshape ---- */

static sl_value *reshape_dynamic(im_node *n, sl_value *x, sl_value *shape, int rank, bool allow_zero)
{
    shape = im_cast(n, shape, SL_ELEMENT_i64);
    if (!allow_zero) {
        sl_expr own[SL_MAX_RANK];
        for (int i = 0; i < rank; i++) own[i] = i < im_rank(x) ? im_dim(x, i) : im_expr(n, 0);
        shape = im_select(n, im_compare(n, "eq", shape, im_like(n, shape, 0)), im_from_dims(n, rank, own), shape);
    }
    sl_value *open = im_compare(n, "eq", shape, im_like(n, shape, -1));
    sl_value *rest = im_reduce1(n, im_select(n, open, im_like(n, shape, 1), shape), "prod", 0, false);
    sl_value *filled = im_div(n, im_from_dim(n, sl_type_count(n->context, sl_value_type(x))), rest);
    shape = im_select(n, open, filled, shape);
    sl_expr dims[SL_MAX_RANK];
    for (int i = 0; i < rank; i++) dims[i] = sl_expr_fresh(n->context);
    return im_typed(n, SL_OP_tensor_reshape, 2, (sl_value *[]){x, shape}, im_tensor_type(n, im_element(x), rank, dims), NULL);
}

void im_op_reshape(im_node *n)
{
    sl_value *x = im_in(n, 0), *shape = im_in(n, 1);
    bool allow_zero = im_bool(n, "allowzero", false);
    sl_expr dims[64];
    int rank = im_exprs(n, shape, dims, 64);
    if (rank > SL_MAX_RANK) im_fail(n, "the shape has %d dims, at most %d are possible", rank, SL_MAX_RANK);
    if (rank < 0) {
        int64_t length = im_rank(shape) == 1 ? sl_type_static_dim(sl_value_type(shape), 0) : -1;
        if (length < 0 || length > SL_MAX_RANK) im_fail(n, "the number of dims of the shape operand must be known");
        im_out(n, 0, reshape_dynamic(n, x, shape, (int)length, allow_zero));
        return;
    }
    int open = -1;
    sl_expr rest = im_expr(n, 1), total = sl_type_count(n->context, sl_value_type(x));
    bool same_zero = false;
    for (int i = 0; i < rank; i++) {
        int64_t value;
        if (sl_expr_is_const(dims[i], &value)) {
            if (value == 0 && !allow_zero) {
                if (i >= im_rank(x)) im_fail(n, "the shape copies dim %d, but the operand has rank %d", i, im_rank(x));
                dims[i] = im_dim(x, i);
            } else if (value == -1) {
                if (open >= 0) im_fail(n, "the shape has more than one -1");
                open = i;
                continue;
            } else if (value < 0) {
                im_fail(n, "the shape has dim %lld", (long long)value);
            }
        }
        same_zero |= sl_expr_equals_const(dims[i], 0);
        rest = sl_expr_mul(n->context, rest, dims[i]);
    }
    if (open >= 0) {
        if (same_zero) {
            dims[open] = im_expr(n, 0);
        } else {
            int64_t t, r;
            sl_expr exact = sl_expr_divide_exact(n->context, total, rest);
            if (!exact && sl_expr_is_const(total, &t) && sl_expr_is_const(rest, &r)) im_fail(n, "%lld elements do not divide by %lld", (long long)t, (long long)r);
            dims[open] = exact ? exact : sl_expr_floordiv(n->context, total, rest);
        }
    }
    im_out(n, 0, im_reshape(n, x, rank, dims));
}

void im_op_flatten(im_node *n)
{
    sl_value *x = im_in(n, 0);
    int rank = im_rank(x);
    int64_t axis = im_int(n, "axis", 1);
    if (axis < 0) axis += rank;
    if (axis < 0 || axis > rank) im_fail(n, "axis %lld is out of range for rank %d", (long long)axis, rank);
    sl_expr dims[2] = {im_product(n, im_dims(x), 0, (int)axis), im_product(n, im_dims(x), (int)axis, rank)};
    im_out(n, 0, im_reshape(n, x, 2, dims));
}

/* Axes as attribute before version 13, as operand since. */
static int squeeze_axes(im_node *n, int64_t *axes)
{
    if (n->opset < 13) return im_ints(n, "axes", axes, SL_MAX_RANK);
    return im_has(n, 1) ? im_need_ints(n, im_in(n, 1), "the axes", axes, SL_MAX_RANK) : -1;
}

void im_op_squeeze(im_node *n)
{
    sl_value *x = im_in(n, 0);
    int64_t axes[SL_MAX_RANK];
    int count = squeeze_axes(n, axes), rank = im_rank(x), kept = 0;
    if (count >= 0) count = im_axes(n, count, axes, rank, axes);
    sl_expr dims[SL_MAX_RANK];
    for (int i = 0, k = 0; i < rank; i++) {
        bool listed = count >= 0 ? k < count && axes[k] == i : im_is_one(im_dim(x, i));
        k += count >= 0 && listed;
        if (!listed) dims[kept++] = im_dim(x, i);
        else if (sl_expr_is_const(im_dim(x, i), NULL) && !im_is_one(im_dim(x, i))) im_fail(n, "axis %d can't be squeezed: its size is not 1", i);
    }
    im_out(n, 0, im_reshape(n, x, kept, dims));
}

void im_op_unsqueeze(im_node *n)
{
    sl_value *x = im_in(n, 0);
    int64_t axes[SL_MAX_RANK];
    int count = squeeze_axes(n, axes);
    if (count < 0) im_fail(n, "the axes are missing");
    int rank = im_rank(x) + count;
    if (rank > SL_MAX_RANK) im_fail(n, "the result would have %d dims, at most %d are possible", rank, SL_MAX_RANK);
    count = im_axes(n, count, axes, rank, axes);
    sl_expr dims[SL_MAX_RANK];
    for (int i = 0, k = 0, source = 0; i < rank; i++) {
        bool fresh = k < count && axes[k] == i;
        k += fresh;
        dims[i] = fresh ? im_expr(n, 1) : im_dim(x, source++);
    }
    im_out(n, 0, im_reshape(n, x, rank, dims));
}

void im_op_transpose(im_node *n)
{
    sl_value *x = im_in(n, 0);
    int rank = im_rank(x), perm[SL_MAX_RANK];
    int64_t listed[SL_MAX_RANK], sorted[SL_MAX_RANK];
    int count = im_ints(n, "perm", listed, SL_MAX_RANK);
    if (count >= 0 && count != rank) im_fail(n, "attribute 'perm' has %d entries for rank %d", count, rank);
    if (count >= 0) im_axes(n, count, listed, rank, sorted);
    for (int i = 0; i < rank; i++) perm[i] = count >= 0 ? im_axis(n, listed[i], rank) : rank - 1 - i;
    im_out(n, 0, im_transpose(n, x, perm));
}

/* ---- Expand, Tile, fills ---- */

void im_op_expand(im_node *n)
{
    sl_value *x = im_in(n, 0), *shape = im_in(n, 1);
    sl_expr wanted[64], dims[SL_MAX_RANK];
    int count = im_exprs(n, shape, wanted, 64);
    if (count < 0) {
        im_out(n, 0, im_op1(n, SL_OP_tensor_expand_dynamic, 2, (sl_value *[]){x, im_cast(n, shape, SL_ELEMENT_i64)}, NULL));
        return;
    }
    int rank = count > im_rank(x) ? count : im_rank(x);
    if (rank > SL_MAX_RANK) im_fail(n, "the shape has %d dims, at most %d are possible", rank, SL_MAX_RANK);
    for (int i = 0; i < rank; i++) {
        int own = i - rank + im_rank(x), other = i - rank + count;
        dims[i] = im_bcast_dim(n, own >= 0 ? im_dim(x, own) : im_expr(n, 1), other >= 0 ? wanted[other] : im_expr(n, 1));
    }
    im_out(n, 0, im_broadcast(n, x, rank, dims));
}

/* Each repeated axis gets a neighbour that is broadcast, then both become one. */
void im_op_tile(im_node *n)
{
    sl_value *x = im_in(n, 0);
    int rank = im_rank(x);
    sl_expr repeats[64], split[SL_MAX_RANK], repeated[SL_MAX_RANK], dims[SL_MAX_RANK];
    int count = im_exprs(n, im_in(n, 1), repeats, 64), wide = 0;
    if (count < 0) im_fail_constant(n, "the repeats");
    if (count != rank) im_fail(n, "%d repeats for rank %d", count, rank);
    for (int i = 0; i < rank; i++) {
        if (wide + 2 > SL_MAX_RANK) im_fail(n, "too many dims");
        if (!im_is_one(repeats[i])) split[wide] = im_expr(n, 1), repeated[wide++] = repeats[i];
        split[wide] = repeated[wide] = im_dim(x, i);
        wide++;
        dims[i] = sl_expr_mul(n->context, repeats[i], im_dim(x, i));
    }
    im_out(n, 0, im_reshape(n, im_broadcast(n, im_reshape(n, x, wide, split), wide, repeated), rank, dims));
}

void im_op_constant_of_shape(im_node *n)
{
    sl_value *shape = im_in(n, 0);
    const sl_param *value = im_param(n, "value");
    if (value && value->kind != SL_PARAM_TENSOR) im_fail(n, "attribute 'value' must be a tensor");
    sl_value *scalar = value ? im_rank0(n, im_tensor_constant(n, value->tensor), "attribute 'value'") : im_scalar(n, SL_ELEMENT_f32, 0);
    sl_expr dims[64];
    int rank = im_exprs(n, shape, dims, 64);
    if (rank > SL_MAX_RANK) im_fail(n, "the shape has %d dims, at most %d are possible", rank, SL_MAX_RANK);
    for (int i = 0; i < rank; i++)
        if (sl_expr_const_or(dims[i], 0) < 0) im_fail(n, "the shape has a negative dim");
    if (rank >= 0) im_out(n, 0, im_fill(n, scalar, rank, dims));
    else im_out(n, 0, im_op1(n, SL_OP_tensor_fill, 2, (sl_value *[]){scalar, im_cast(n, shape, SL_ELEMENT_i64)}, NULL));
}

void im_op_range(im_node *n)
{
    sl_value *start = im_rank0(n, im_in(n, 0), "start"), *limit = im_rank0(n, im_in(n, 1), "limit"), *delta = im_rank0(n, im_in(n, 2), "delta");
    sl_expr first, end;
    int64_t step;
    if (!im_is_float(start) && im_exprs(n, start, &first, 1) == 1 && im_exprs(n, limit, &end, 1) == 1 && im_known_int(n, delta, &step) && step != 0 && step != INT64_MIN) {
        sl_expr span = step > 0 ? sl_expr_sub(n->context, end, first) : sl_expr_sub(n->context, first, end);
        sl_expr count = sl_expr_ceildiv(n->context, span, im_expr(n, step > 0 ? step : -step));
        int64_t bound;
        if (!sl_expr_lower_bound(count, false, &bound) || bound < 0) count = sl_expr_max(n->context, count, im_expr(n, 0));
        sl_value *iota = im_iota1(n, im_element(start), count);
        if (step != 1) iota = im_mul(n, iota, im_scalar_int(n, im_element(start), step));
        im_out(n, 0, sl_expr_equals_const(first, 0) ? iota : im_add(n, iota, start));
        return;
    }
    im_out(n, 0, im_op1(n, SL_OP_tensor_range, 3, (sl_value *[]){start, limit, delta}, NULL));
}

/* column - row, i64, for the last two dims. */
static sl_value *diagonal_number(im_node *n, sl_expr rows, sl_expr columns)
{
    sl_value *row = im_unsqueeze_to(n, im_iota1(n, SL_ELEMENT_i64, rows), 2, 0), *column = im_unsqueeze_to(n, im_iota1(n, SL_ELEMENT_i64, columns), 2, 1);
    return im_sub(n, column, row);
}

void im_op_eye_like(im_node *n)
{
    sl_value *x = im_in(n, 0);
    im_need_rank(n, x, "the operand", 2, 2);
    sl_value *k = im_scalar_int(n, SL_ELEMENT_i64, im_int(n, "k", 0));
    im_out(n, 0, im_cast(n, im_compare(n, "eq", diagonal_number(n, im_dim(x, 0), im_dim(x, 1)), k), im_element_param(n, "dtype", im_element(x))));
}

void im_op_trilu(im_node *n)
{
    sl_value *x = im_in(n, 0);
    int rank = im_rank(x);
    im_need_rank(n, x, "the operand", 2, -1);
    sl_value *k = im_has(n, 1) ? im_rank0(n, im_in(n, 1), "k") : im_scalar_int(n, SL_ELEMENT_i64, 0);
    sl_value *keep = im_compare(n, im_bool(n, "upper", true) ? "ge" : "le", diagonal_number(n, im_dim(x, rank - 2), im_dim(x, rank - 1)), k);
    im_out(n, 0, im_select(n, keep, x, im_like(n, x, 0)));
}

/* ---- blocks of space and channels ---- */

void im_op_depth_to_space(im_node *n)
{
    sl_value *x = im_in(n, 0);
    im_need_rank(n, x, "the operand", 4, 4);
    const char *mode = im_string(n, "mode", "DCR");
    bool crd = !strcmp(mode, "CRD");
    if (!crd && strcmp(mode, "DCR") != 0) im_fail(n, "attribute 'mode' must be DCR or CRD, but is '%s'", mode);
    int64_t b = im_int(n, "blocksize", 1);
    if (b <= 0 || b > 65536) im_fail(n, "attribute 'blocksize' must be between 1 and 65536");
    sl_expr block = im_expr(n, b), channels = sl_expr_divide_exact(n->context, im_dim(x, 1), im_expr(n, b * b));
    if (!channels) im_fail(n, "the channels must be a multiple of blocksize * blocksize");
    sl_expr split[6] = {im_dim(x, 0), crd ? channels : block, block, crd ? block : channels, im_dim(x, 2), im_dim(x, 3)};
    const int crd_perm[6] = {0, 1, 4, 2, 5, 3}, dcr_perm[6] = {0, 3, 4, 1, 5, 2};
    sl_expr dims[4] = {im_dim(x, 0), channels, sl_expr_mul(n->context, im_dim(x, 2), block), sl_expr_mul(n->context, im_dim(x, 3), block)};
    im_out(n, 0, im_reshape(n, im_transpose(n, im_reshape(n, x, 6, split), crd ? crd_perm : dcr_perm), 4, dims));
}

void im_op_space_to_depth(im_node *n)
{
    sl_value *x = im_in(n, 0);
    im_need_rank(n, x, "the operand", 4, 4);
    const char *mode = im_string(n, "mode", "DCR");
    bool crd = !strcmp(mode, "CRD");
    int64_t b = im_int(n, "blocksize", 1);
    if (b <= 0 || b > 65536) im_fail(n, "attribute 'blocksize' must be between 1 and 65536");
    sl_expr block = im_expr(n, b), height = sl_expr_divide_exact(n->context, im_dim(x, 2), block), width = sl_expr_divide_exact(n->context, im_dim(x, 3), block);
    if (!height || !width) im_fail(n, "height and width must be multiples of blocksize");
    sl_expr split[6] = {im_dim(x, 0), im_dim(x, 1), height, block, width, block};
    const int perm[6] = {0, 3, 5, 1, 2, 4}, crd_perm[6] = {0, 1, 3, 5, 2, 4};
    sl_expr dims[4] = {im_dim(x, 0), sl_expr_mul(n->context, im_dim(x, 1), im_expr(n, b * b)), height, width};
    im_out(n, 0, im_reshape(n, im_transpose(n, im_reshape(n, x, 6, split), crd ? crd_perm : perm), 4, dims));
}

/* Crops or pads each axis to the wanted size around its centre. */
void im_op_center_crop_pad(im_node *n)
{
    sl_value *x = im_in(n, 0);
    int rank = im_rank(x);
    sl_expr wanted[64], low[SL_MAX_RANK], high[SL_MAX_RANK];
    int64_t axes[SL_MAX_RANK];
    int count = im_exprs(n, im_in(n, 1), wanted, 64), listed = im_ints(n, "axes", axes, SL_MAX_RANK);
    if (count < 0) im_fail_constant(n, "the shape");
    if (listed < 0)
        for (listed = 0; listed < rank; listed++) axes[listed] = listed;
    if (listed != count) im_fail(n, "%d sizes for %d axes", count, listed);
    for (int i = 0; i < rank; i++) low[i] = high[i] = im_expr(n, 0);
    for (int i = 0; i < count; i++) {
        /* Padding gets floor of the half in front, cropping too: -floor(crop / 2). */
        int axis = im_axis(n, axes[i], rank);
        sl_expr more = sl_expr_sub(n->context, wanted[i], im_dim(x, axis)), two = im_expr(n, 2), zero = im_expr(n, 0);
        sl_expr front_pad = sl_expr_floordiv(n->context, sl_expr_max(n->context, more, zero), two);
        sl_expr front_crop = sl_expr_floordiv(n->context, sl_expr_max(n->context, sl_expr_sub(n->context, zero, more), zero), two);
        low[axis] = sl_expr_sub(n->context, front_pad, front_crop);
        high[axis] = sl_expr_sub(n->context, more, low[axis]);
    }
    im_out(n, 0, im_pad(n, x, im_like(n, x, 0), low, high, "constant"));
}
