/* import_sample.c: operators that read images at computed places: GridSample, AffineGrid, RoiAlign, MaxRoiPool, DeformConv. All of them gather at flat
 * positions (gather_elements or take) and weigh what they got; places outside read as zero through a mask. */
#include "import_internal.h"
#include <math.h>
#include <string.h>

#define OP(kind, a) im_unary(n, SL_OP_arith_##kind, (a))
#define WITH(kind, a, b) im_binary_with(n, SL_OP_arith_##kind, (a), (b))

typedef enum padding { ZEROS, BORDER, REFLECTION } padding;

/* One spatial axis of the places: coordinates of shape N x P (P places an image), in elements. */
typedef struct place_axis { sl_value *at; sl_expr size; } place_axis;

static sl_value *of_size(im_node *n, sl_expr size, sl_element element) { return im_cast(n, im_from_dim(n, size), element); }

/* Mirrors coordinates at the borders until they are inside of [low, high]. */
static sl_value *reflect(im_node *n, sl_value *x, sl_value *low, sl_value *high)
{
    sl_value *span = im_max(n, im_sub(n, high, low), im_like(n, x, 1e-20)), *twice = WITH(mul, span, 2);
    sl_value *d = im_binary(n, SL_OP_arith_rem, OP(abs, im_sub(n, x, low)), twice);
    return im_add(n, low, im_min(n, d, im_sub(n, twice, d)));
}

/* Floating positions that are whole numbers, as indices inside of the axis; *inside tells which were so before (ZEROS only). */
static sl_value *whole_index(im_node *n, sl_value *at, sl_expr size, padding how, bool align, sl_value **inside)
{
    sl_element element = im_element(at);
    sl_value *zero = im_like(n, at, 0), *last = WITH(sub, of_size(n, size, element), 1);
    if (how == ZEROS) {
        sl_value *in = im_binary(n, SL_OP_arith_and, im_compare(n, "ge", at, zero), im_compare(n, "le", at, last));
        *inside = *inside ? im_binary(n, SL_OP_arith_and, *inside, in) : in;
    } else if (how == REFLECTION) {
        at = align ? reflect(n, at, zero, last) : reflect(n, at, im_like(n, at, -0.5), WITH(add, last, 0.5));
        at = OP(round, at);
    }
    return im_cast(n, im_min(n, im_max(n, at, zero), last), SL_ELEMENT_i64);
}

/* x (N x C x P') read at flat positions (N x P): N x C x P. */
static sl_value *read_at(im_node *n, sl_value *x, sl_value *flat)
{
    sl_expr dims[3] = {im_dim(flat, 0), im_dim(x, 1), im_dim(flat, 1)};
    return im_gather_elements(n, x, im_broadcast(n, im_unsqueeze(n, flat, 1), 3, dims), 2);
}

/* Interpolates x (N x C x spatial) at places given per axis as N x P: N x C x P. Taps per axis: 1 (coordinates are whole), 2 linear, 4 cubic. */
static sl_value *interpolate(im_node *n, sl_value *x, int axes, const place_axis *places, int taps, padding how, bool align)
{
    sl_expr dims[3] = {im_dim(x, 0), im_dim(x, 1), im_product(n, im_dims(x), 2, im_rank(x))};
    sl_value *flat_x = im_reshape(n, x, 3, dims), *sum = NULL, *base[SL_MAX_RANK], *ratio[SL_MAX_RANK];
    int64_t corners = 1;
    for (int i = 0; i < axes; i++) {
        base[i] = taps == 1 ? places[i].at : OP(floor, places[i].at);
        ratio[i] = taps == 1 ? NULL : im_sub(n, places[i].at, base[i]);
        corners *= taps;
    }
    for (int64_t corner = 0; corner < corners; corner++) {
        sl_value *inside = NULL, *flat = NULL, *weight = NULL;
        int64_t rest = corner;
        for (int i = 0; i < axes; i++) {
            int tap = (int)(rest % taps);
            rest /= taps;
            int offset = taps == 4 ? tap - 1 : tap;
            sl_value *index = whole_index(n, offset ? WITH(add, base[i], offset) : base[i], places[i].size, how, align, &inside);
            flat = flat ? im_add(n, im_mul(n, flat, im_from_dim(n, places[i].size)), index) : index;
            if (taps == 1) continue;
            sl_value *w;
            if (taps == 2) {
                w = tap ? ratio[i] : im_sub(n, im_like(n, ratio[i], 1), ratio[i]);
            } else {
                const double a = -0.75;
                sl_value *d = OP(abs, WITH(sub, ratio[i], offset));
                if (offset == 0 || offset == 1) w = WITH(add, im_mul(n, WITH(sub, WITH(mul, d, a + 2), a + 3), im_mul(n, d, d)), 1);
                else w = WITH(sub, im_mul(n, WITH(add, im_mul(n, WITH(sub, WITH(mul, d, a), 5 * a), d), 8 * a), d), 4 * a);
            }
            weight = weight ? im_mul(n, weight, w) : w;
        }
        sl_value *value = read_at(n, flat_x, flat);
        if (inside) value = im_select(n, im_unsqueeze(n, inside, 1), value, im_like(n, value, 0));
        if (weight) value = im_mul(n, value, im_unsqueeze(n, weight, 1));
        sum = sum ? im_add(n, sum, value) : value;
    }
    return sum;
}

/* Column `index` of the last axis of a grid N x ... x k as N x P. */
static sl_value *grid_axis(im_node *n, sl_value *grid, int index)
{
    int rank = im_rank(grid);
    sl_value *column = im_slice_axis(n, grid, rank - 1, im_expr(n, index), im_expr(n, 1), 1);
    return im_reshape(n, column, 2, (sl_expr[]){im_dim(grid, 0), im_product(n, im_dims(grid), 1, rank - 1)});
}

void im_op_grid_sample(im_node *n)
{
    sl_value *x = im_in(n, 0), *grid = im_in(n, 1);
    im_need_rank(n, x, "X", 3, -1);
    int spatial = im_rank(x) - 2;
    if (im_rank(grid) != spatial + 2) im_fail(n, "the grid must have rank %d", spatial + 2);
    const char *mode = im_string(n, "mode", "linear"), *pad = im_string(n, "padding_mode", "zeros");
    bool align = im_bool(n, "align_corners", false), nearest = !strcmp(mode, "nearest"), cubic = !strcmp(mode, "cubic") || !strcmp(mode, "bicubic");
    if (!nearest && !cubic && strcmp(mode, "linear") != 0 && strcmp(mode, "bilinear") != 0) im_fail(n, "mode '%s' is not supported", mode);
    padding how = !strcmp(pad, "border") ? BORDER : !strcmp(pad, "reflection") ? REFLECTION : ZEROS;
    if (how == ZEROS && strcmp(pad, "zeros") != 0) im_fail(n, "padding_mode '%s' is not supported", pad);
    sl_element element = im_element(x), work = sl_element_bits(element) == 64 && sl_element_is_float(element) ? SL_ELEMENT_f64 : SL_ELEMENT_f32;
    x = im_cast(n, x, work);
    grid = im_cast(n, grid, work);
    place_axis places[SL_MAX_RANK] = {{0}};
    for (int i = 0; i < spatial; i++) {
        /* The grid lists the last axis first. */
        sl_expr size = im_dim(x, i + 2);
        sl_value *length = of_size(n, size, work), *at = WITH(add, grid_axis(n, grid, spatial - 1 - i), 1), *last = WITH(sub, length, 1);
        at = align ? WITH(mul, im_mul(n, at, last), 0.5) : WITH(mul, WITH(sub, im_mul(n, at, length), 1), 0.5);
        if (nearest) at = OP(round, at);
        if (how == BORDER && !cubic) at = im_min(n, im_max(n, at, im_like(n, at, 0)), last);
        if (how == REFLECTION && !cubic) at = align ? reflect(n, at, im_like(n, at, 0), last) : reflect(n, at, im_like(n, at, -0.5), WITH(add, last, 0.5));
        if (how == REFLECTION && nearest) at = OP(round, at);
        places[i] = (place_axis){at, size};
    }
    sl_value *y = interpolate(n, x, spatial, places, nearest ? 1 : cubic ? 4 : 2, how, align);
    sl_expr dims[SL_MAX_RANK] = {im_dim(x, 0), im_dim(x, 1)};
    for (int i = 0; i < spatial; i++) dims[i + 2] = im_dim(grid, i + 1);
    im_out(n, 0, im_cast(n, im_reshape(n, y, spatial + 2, dims), element));
}

void im_op_affine_grid(im_node *n)
{
    sl_value *theta = im_in(n, 0);
    sl_expr size[64];
    int rank = im_exprs(n, im_in(n, 1), size, 64);
    if (rank < 0) im_fail_constant(n, "the size");
    if (rank != 4 && rank != 5) im_fail(n, "the size must have 4 or 5 entries");
    int spatial = rank - 2;
    bool align = im_bool(n, "align_corners", false);
    sl_element element = im_element(theta);
    /* Homogeneous coordinates, last axis first: (x, y, 1) or (x, y, z, 1). */
    sl_value *parts[4];
    sl_expr dims[5];
    for (int i = 0; i < spatial; i++) dims[i] = size[i + 2];
    dims[spatial] = im_expr(n, 1);
    for (int i = 0; i < spatial; i++) {
        sl_value *at = im_iota1(n, element, size[i + 2]), *length = of_size(n, size[i + 2], element);
        if (align) at = WITH(sub, WITH(mul, im_div(n, at, im_max(n, WITH(sub, length, 1), im_like(n, at, 1))), 2), 1);
        else at = WITH(sub, im_div(n, WITH(add, WITH(mul, at, 2), 1), length), 1);
        parts[spatial - 1 - i] = im_broadcast(n, im_unsqueeze_to(n, at, spatial + 1, i), spatial + 1, dims);
    }
    parts[spatial] = im_broadcast(n, im_like(n, theta, 1), spatial + 1, dims);
    sl_value *base = im_concat(n, spatial, spatial + 1, parts);
    im_contraction how = {.result = SL_ELEMENT_COUNT, .sum_count = 1, .left_sum = {2}, .right_sum = {spatial}};
    sl_value *y = im_contract(n, theta, base, &how);              /* N x spatial count x spatial dims */
    im_out(n, 0, im_move_axis(n, y, 1, spatial + 1));
}

/* ---- regions of interest ---- */

/* Sampling positions along one axis: R x (bins*samples), and the validity mask of RoiAlign (outside by more than one element: zero). */
static sl_value *roi_positions(im_node *n, sl_value *start, sl_value *bin, int64_t bins, int64_t samples)
{
    sl_element element = im_element(start);
    int64_t count = bins * samples;
    double *offsets = SL_NEW_ARRAY(n->arena, double, count);
    for (int64_t i = 0; i < count; i++) offsets[i] = (double)(i / samples) + ((double)(i % samples) + 0.5) / (double)samples;
    sl_value *steps = im_unsqueeze(n, im_floats_constant(n, element, 1, &count, offsets), 0);
    return im_add(n, im_unsqueeze(n, start, 1), im_mul(n, im_unsqueeze(n, bin, 1), steps));
}

void im_op_roi_align(im_node *n)
{
    sl_value *x = im_in(n, 0), *rois = im_in(n, 1), *batch = im_cast(n, im_in(n, 2), SL_ELEMENT_i64);
    im_need_rank(n, x, "X", 4, 4);
    im_need_rank(n, rois, "the regions", 2, 2);
    int64_t height = im_int(n, "output_height", 1), width = im_int(n, "output_width", 1), samples = im_int(n, "sampling_ratio", 0);
    double scale = im_float(n, "spatial_scale", 1);
    bool half = n->opset >= 16 && strcmp(im_string(n, "coordinate_transformation_mode", "half_pixel"), "half_pixel") == 0;
    bool max = !strcmp(im_string(n, "mode", "avg"), "max");
    if (samples <= 0) im_fail(n, "attribute 'sampling_ratio' must be given: a number of samples that depends on the regions is not supported");
    if (height < 1 || width < 1 || height * samples > 65536 || width * samples > 65536) im_fail(n, "the output size is out of range");
    sl_element element = im_element(x);
    sl_expr regions = im_dim(rois, 0), h = im_dim(x, 2), w = im_dim(x, 3), channels = im_dim(x, 1);
    sl_value *edge[4];
    for (int i = 0; i < 4; i++) {
        edge[i] = im_squeeze(n, im_slice_axis(n, rois, 1, im_expr(n, i), im_expr(n, 1), 1), 1);
        edge[i] = WITH(mul, edge[i], scale);
        if (half) edge[i] = WITH(sub, edge[i], 0.5);
    }
    sl_value *rw = im_sub(n, edge[2], edge[0]), *rh = im_sub(n, edge[3], edge[1]);
    if (!half) rw = WITH(max, rw, 1), rh = WITH(max, rh, 1);
    sl_value *ys = roi_positions(n, edge[1], WITH(div, rh, (double)height), height, samples);      /* R x PH */
    sl_value *xs = roi_positions(n, edge[0], WITH(div, rw, (double)width), width, samples);        /* R x PW */
    sl_value *valid[2], *low[2], *high[2], *ratio[2], *at[2] = {ys, xs};
    sl_expr sizes[2] = {h, w};
    for (int i = 0; i < 2; i++) {
        sl_value *length = of_size(n, sizes[i], element), *last = WITH(sub, length, 1);
        valid[i] = im_binary(n, SL_OP_arith_and, im_compare(n, "ge", at[i], im_like(n, at[i], -1)), im_compare(n, "le", at[i], length));
        sl_value *inside = im_min(n, WITH(max, at[i], 0), last), *floor = OP(floor, inside);
        ratio[i] = im_sub(n, inside, floor);
        low[i] = im_cast(n, floor, SL_ELEMENT_i64);
        high[i] = im_cast(n, im_min(n, WITH(add, floor, 1), last), SL_ELEMENT_i64);
    }
    /* Rows of channels: (N*H*W) x C, read at R x PH x PW. */
    sl_value *rows = im_reshape(n, im_move_axis(n, x, 1, 3), 2, (sl_expr[]){im_product(n, (sl_expr[]){im_dim(x, 0), h, w}, 0, 3), channels});
    sl_value *image = im_unsqueeze(n, im_unsqueeze(n, im_mul(n, batch, im_from_dim(n, sl_expr_mul(n->context, h, w))), 1), 2);
    sl_value *result = NULL, *one = im_like(n, x, 1);
    for (int corner = 0; corner < 4; corner++) {
        sl_value *y_at = im_unsqueeze(n, corner & 2 ? high[0] : low[0], 2), *x_at = im_unsqueeze(n, corner & 1 ? high[1] : low[1], 1);
        sl_value *flat = im_add(n, im_add(n, im_mul(n, y_at, im_from_dim(n, w)), x_at), image);
        sl_value *wy = im_unsqueeze(n, corner & 2 ? ratio[0] : im_sub(n, one, ratio[0]), 2), *wx = im_unsqueeze(n, corner & 1 ? ratio[1] : im_sub(n, one, ratio[1]), 1);
        sl_value *term = im_mul(n, im_take(n, rows, flat, 0), im_unsqueeze(n, im_mul(n, wy, wx), 3));
        result = !result ? term : max ? im_max(n, result, term) : im_add(n, result, term);
    }
    sl_value *ok = im_binary(n, SL_OP_arith_and, im_unsqueeze(n, valid[0], 2), im_unsqueeze(n, valid[1], 1));
    result = im_select(n, im_unsqueeze(n, ok, 3), result, im_like(n, result, 0));
    sl_expr split[6] = {regions, im_expr(n, height), im_expr(n, samples), im_expr(n, width), im_expr(n, samples), channels};
    result = im_reshape(n, result, 6, split);
    int64_t axes[2] = {2, 4};
    result = max ? im_reduce(n, result, "max", 2, axes, false) : im_mean(n, result, 2, axes, false);
    im_out(n, 0, im_move_axis(n, result, 3, 1));
}

/* ---- DeformConv: samples at moved places, then a product with the weights ---- */

void im_op_deform_conv(im_node *n)
{
    sl_value *x = im_in(n, 0), *w = im_in(n, 1), *offset = im_in(n, 2), *mask = im_optional(n, 4);
    im_need_rank(n, x, "X", 4, 4);
    im_need_rank(n, w, "the weights", 4, 4);
    int64_t kernel[2] = {im_static_dim(n, w, 2, "the kernel"), im_static_dim(n, w, 3, "the kernel")};
    im_window window;
    im_window_read(n, x, kernel, &window);
    int64_t groups = im_int(n, "group", 1), offset_groups = im_int(n, "offset_group", 1), places = kernel[0] * kernel[1];
    int64_t channels = im_static_dim(n, x, 1, "the channels"), outputs = im_static_dim(n, w, 0, "the channels");
    if (groups <= 0 || offset_groups <= 0 || channels % groups || outputs % groups || channels % offset_groups || window.symbolic) im_fail(n, "groups or pads do not fit");
    sl_expr batch = im_dim(x, 0), oh = im_dim(offset, 2), ow = im_dim(offset, 3), each = im_expr(n, channels / offset_groups);
    sl_element element = im_element(x);
    sl_value *samples[64];
    if (offset_groups > 64) im_fail(n, "more than 64 offset groups");
    for (int64_t g = 0; g < offset_groups; g++) {
        place_axis at[2] = {{0}};
        sl_expr six[6] = {batch, im_expr(n, offset_groups), im_expr(n, places), im_expr(n, 2), oh, ow};
        sl_value *own = im_squeeze(n, im_slice_axis(n, im_reshape(n, offset, 6, six), 1, im_expr(n, g), im_expr(n, 1), 1), 1);      /* N x K x 2 x OH x OW */
        for (int axis = 0; axis < 2; axis++) {
            sl_value *moved = im_squeeze(n, im_slice_axis(n, own, 2, im_expr(n, axis), im_expr(n, 1), 1), 2);                       /* N x K x OH x OW */
            double *taps = SL_NEW_ARRAY(n->arena, double, places);
            for (int64_t k = 0; k < places; k++) taps[k] = (double)((axis ? k % kernel[1] : k / kernel[1]) * window.dilations[axis] - window.low[axis]);
            sl_value *tap = im_unsqueeze_to(n, im_floats_constant(n, element, 1, &places, taps), 4, 1);
            sl_value *walk = im_unsqueeze_to(n, WITH(mul, im_iota1(n, element, axis ? ow : oh), (double)window.strides[axis]), 4, axis + 2);
            sl_value *position = im_add(n, im_add(n, moved, tap), walk);
            at[axis] = (place_axis){im_reshape(n, position, 2, (sl_expr[]){batch, im_product(n, im_dims(position), 1, 4)}), im_dim(x, axis + 2)};
        }
        sl_value *part = im_slice_axis(n, x, 1, im_expr(n, g * (channels / offset_groups)), each, 1);
        sl_value *read = im_reshape(n, interpolate(n, part, 2, at, 2, ZEROS, true), 5, (sl_expr[]){batch, each, im_expr(n, places), oh, ow});
        if (mask) {
            sl_value *own_mask = im_reshape(n, mask, 5, (sl_expr[]){batch, im_expr(n, offset_groups), im_expr(n, places), oh, ow});
            read = im_mul(n, read, im_slice_axis(n, own_mask, 1, im_expr(n, g), im_expr(n, 1), 1));
        }
        samples[g] = read;
    }
    sl_value *columns = im_concat(n, 1, (int)offset_groups, samples);                                                               /* N x C x K x OH x OW */
    sl_value *weights = im_reshape(n, w, 3, (sl_expr[]){im_expr(n, outputs), im_dim(w, 1), im_expr(n, places)});
    sl_value *parts[256];
    if (groups > 256) im_fail(n, "more than 256 groups");
    for (int64_t g = 0; g < groups; g++) {
        sl_value *own = im_slice_axis(n, columns, 1, im_expr(n, g * (channels / groups)), im_expr(n, channels / groups), 1);
        sl_value *own_weights = im_slice_axis(n, weights, 0, im_expr(n, g * (outputs / groups)), im_expr(n, outputs / groups), 1);
        im_contraction how = {.result = SL_ELEMENT_COUNT, .sum_count = 2, .left_sum = {1, 2}, .right_sum = {1, 2}};
        parts[g] = im_move_axis(n, im_contract(n, own, own_weights, &how), 3, 1);                                                   /* N x OH x OW x M -> N x M x OH x OW */
    }
    sl_value *y = im_concat(n, 1, (int)groups, parts);
    if (im_has(n, 3)) y = im_add(n, y, im_unsqueeze_to(n, im_in(n, 3), 4, 1));
    im_out(n, 0, y);
}
