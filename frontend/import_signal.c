/* import_signal.c: Fourier transforms as products with cosine and sine matrices, windows, mel weights. */
#include "import_internal.h"
#include <math.h>
#include <string.h>

enum { MAX_TRANSFORM = 8192 };

/* rows x columns matrix of cos or sin of 2 pi row column / length, the product reduced modulo length before the angle is taken. */
static sl_value *angle_matrix(im_node *n, sl_element element, int64_t rows, int64_t columns, int64_t length, bool sine, const double *row_scale)
{
    int64_t dims[2] = {rows, columns};
    if (rows * columns > (INT64_C(1) << 24)) im_fail(n, "a transform of %lld by %lld elements is too large", (long long)rows, (long long)columns);
    double *values = SL_NEW_ARRAY(n->arena, double, (size_t)rows * (size_t)columns + 1);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++) {
            double angle = 2 * M_PI * (double)(r * c % length) / (double)length;
            values[r * columns + c] = (sine ? sin(angle) : cos(angle)) * (row_scale ? row_scale[r] : 1);
        }
    return im_floats_constant(n, element, 2, dims, values);
}

static sl_value *complex_part(im_node *n, sl_value *x, int index)
{
    int last = im_rank(x) - 1;
    return im_squeeze(n, im_slice_axis(n, x, last, im_expr(n, index), im_expr(n, 1), 1), last);
}

/* Transforms the last axis of re (and im, or NULL), of size `in` (a power spectrum's `length` apart), to `out` frequencies. */
static void transform(im_node *n, sl_value *re, sl_value *imaginary, int64_t length, int64_t out, bool inverse, sl_value **out_re, sl_value **out_im)
{
    int64_t in = im_static_dim(n, re, im_rank(re) - 1, "the transform");
    int axis = im_rank(re) - 1;
    if (length <= 0 || length > MAX_TRANSFORM) im_fail(n, "transforms of 1 to %d elements are possible", MAX_TRANSFORM);
    if (in > length) {
        re = im_slice_axis(n, re, axis, im_expr(n, 0), im_expr(n, length), 1);
        if (imaginary) imaginary = im_slice_axis(n, imaginary, axis, im_expr(n, 0), im_expr(n, length), 1);
        in = length;
    }
    sl_element element = im_element(re);
    sl_value *cosine = angle_matrix(n, element, in, out, length, false, NULL), *sine = angle_matrix(n, element, in, out, length, true, NULL);
    sl_value *a = im_linear(n, re, cosine, 0), *b = im_linear(n, re, sine, 0);
    if (!inverse) b = im_unary(n, SL_OP_arith_neg, b);
    if (imaginary) {
        sl_value *c = im_linear(n, imaginary, sine, 0), *d = im_linear(n, imaginary, cosine, 0);
        a = inverse ? im_sub(n, a, c) : im_add(n, a, c);
        b = im_add(n, b, d);
    }
    if (inverse) {
        a = im_binary_with(n, SL_OP_arith_div, a, (double)length);
        b = im_binary_with(n, SL_OP_arith_div, b, (double)length);
    }
    *out_re = a;
    *out_im = b;
}

static sl_value *as_complex(im_node *n, sl_value *re, sl_value *imaginary)
{
    int rank = im_rank(re);
    return im_concat(n, rank, 2, (sl_value *[]){im_unsqueeze(n, re, rank), im_unsqueeze(n, imaginary, rank)});
}

void im_op_dft(im_node *n)
{
    sl_value *x = im_in(n, 0);
    int rank = im_rank(x);
    int64_t axis_number = n->opset < 20 ? im_int(n, "axis", 1) : im_has(n, 2) ? im_need_int(n, im_in(n, 2), "the axis") : -2;
    int axis = im_axis(n, axis_number, rank);
    bool inverse = im_bool(n, "inverse", false), onesided = im_bool(n, "onesided", false);
    if (axis == rank - 1) im_fail(n, "the axis can't be the one of real and imaginary parts");
    bool is_complex = sl_expr_equals_const(im_dim(x, rank - 1), 2);
    int64_t in = im_static_dim(n, x, axis, "the transform");
    int64_t length = im_has(n, 1) ? im_need_int(n, im_in(n, 1), "the length") : inverse && onesided ? 2 * (in - 1) : in;
    sl_value *re = im_move_axis(n, complex_part(n, x, 0), axis, rank - 2), *imaginary = is_complex ? im_move_axis(n, complex_part(n, x, 1), axis, rank - 2) : NULL;
    sl_value *a, *b;
    if (inverse && onesided) {
        /* Half a spectrum of a real signal: all frequencies but the first, and the middle one, count twice. */
        if (length <= 0 || length > MAX_TRANSFORM) im_fail(n, "transforms of 1 to %d elements are possible", MAX_TRANSFORM);
        int64_t half = length / 2 + 1;
        if (in > half) {
            re = im_slice_axis(n, re, rank - 2, im_expr(n, 0), im_expr(n, half), 1);
            if (imaginary) imaginary = im_slice_axis(n, imaginary, rank - 2, im_expr(n, 0), im_expr(n, half), 1);
            in = half;
        }
        double *scale = SL_NEW_ARRAY(n->arena, double, in + 1);
        for (int64_t k = 0; k < in; k++) scale[k] = (k == 0 || 2 * k == length ? 1 : 2) / (double)length;
        a = im_linear(n, re, angle_matrix(n, im_element(x), in, length, length, false, scale), 0);
        if (imaginary) a = im_sub(n, a, im_linear(n, imaginary, angle_matrix(n, im_element(x), in, length, length, true, scale), 0));
        im_out(n, 0, im_unsqueeze(n, im_move_axis(n, a, rank - 2, axis), rank - 1));
        return;
    }
    transform(n, re, imaginary, length, onesided ? length / 2 + 1 : length, inverse, &a, &b);
    im_out(n, 0, as_complex(n, im_move_axis(n, a, rank - 2, axis), im_move_axis(n, b, rank - 2, axis)));
}

void im_op_stft(im_node *n)
{
    sl_value *x = im_in(n, 0), *window = im_optional(n, 2);
    im_need_rank(n, x, "the signal", 2, 3);
    if (im_rank(x) == 2) x = im_unsqueeze(n, x, 2);
    int64_t step = im_need_int(n, im_in(n, 1), "the frame step");
    int64_t length = im_has(n, 3) ? im_need_int(n, im_in(n, 3), "the frame length") : window ? im_static_dim(n, window, 0, "the window") : im_static_dim(n, x, 1, "the signal");
    if (step <= 0 || length <= 0 || length > MAX_TRANSFORM) im_fail(n, "frame step and length must be positive, the length at most %d", MAX_TRANSFORM);
    sl_expr span = sl_expr_sub(n->context, im_dim(x, 1), im_expr(n, length));
    sl_expr frames = sl_expr_add(n->context, sl_expr_floordiv(n->context, span, im_expr(n, step)), im_expr(n, 1));
    sl_value *start = im_unsqueeze_to(n, im_binary_with(n, SL_OP_arith_mul, im_iota1(n, SL_ELEMENT_i64, frames), (double)step), 2, 0);
    sl_value *index = im_add(n, start, im_unsqueeze_to(n, im_iota1(n, SL_ELEMENT_i64, im_expr(n, length)), 2, 1));
    sl_value *framed = im_take(n, x, index, 1);                   /* batch x frames x length x parts */
    bool is_complex = sl_expr_equals_const(im_dim(framed, 3), 2);
    sl_value *re = complex_part(n, framed, 0), *imaginary = is_complex ? complex_part(n, framed, 1) : NULL, *a, *b;
    if (window) {
        re = im_mul(n, re, window);
        if (imaginary) imaginary = im_mul(n, imaginary, window);
    }
    transform(n, re, imaginary, length, im_bool(n, "onesided", true) ? length / 2 + 1 : length, false, &a, &b);
    im_out(n, 0, as_complex(n, a, b));
}

/* a0 - a1 cos(2 pi i / N) + a2 cos(4 pi i / N). */
static void window(im_node *n, double a0, double a1, double a2)
{
    sl_value *size = im_rank0(n, im_in(n, 0), "the size");
    sl_expr count;
    if (im_exprs(n, size, &count, 1) != 1) im_fail_constant(n, "the size");
    const sl_element f64 = SL_ELEMENT_f64;
    sl_value *length = im_cast(n, im_from_dim(n, count), f64);
    if (!im_bool(n, "periodic", true)) length = im_binary_with(n, SL_OP_arith_sub, length, 1);
    sl_value *angle = im_div(n, im_binary_with(n, SL_OP_arith_mul, im_iota1(n, f64, count), 2 * M_PI), length);
    sl_value *y = im_sub(n, im_scalar(n, f64, a0), im_binary_with(n, SL_OP_arith_mul, im_unary(n, SL_OP_arith_cos, angle), a1));
    if (a2 != 0) y = im_add(n, y, im_binary_with(n, SL_OP_arith_mul, im_unary(n, SL_OP_arith_cos, im_binary_with(n, SL_OP_arith_mul, angle, 2)), a2));
    im_out(n, 0, im_cast(n, y, im_element_param(n, "output_datatype", SL_ELEMENT_f32)));
}

void im_op_hann_window(im_node *n) { window(n, 0.5, 0.5, 0); }
void im_op_hamming_window(im_node *n) { window(n, 25.0 / 46, 21.0 / 46, 0); }
void im_op_blackman_window(im_node *n) { window(n, 0.42, 0.5, 0.08); }

void im_op_mel_weight_matrix(im_node *n)
{
    int64_t bins = im_need_int(n, im_in(n, 0), "the number of bins"), length = im_need_int(n, im_in(n, 1), "the transform's length"), rate = im_need_int(n, im_in(n, 2), "the rate");
    double low = im_need_float(n, im_in(n, 3), "the lower edge"), high = im_need_float(n, im_in(n, 4), "the upper edge");
    if (bins < 1 || bins > 65536 || length < 1 || length > (1 << 20) || rate < 1) im_fail(n, "sizes are out of range");
    int64_t rows = length / 2 + 1, dims[2] = {rows, bins};
    if (rows * bins > (INT64_C(1) << 26)) im_fail(n, "the matrix is too large");
    double *values = SL_NEW_ARRAY(n->arena, double, (size_t)(rows * bins) + 1);
    int64_t *edges = SL_NEW_ARRAY(n->arena, int64_t, bins + 2);
    double low_mel = 2595 * log10(1 + low / 700), step = (2595 * log10(1 + high / 700) - low_mel) / (double)(bins + 2);
    for (int64_t i = 0; i < bins + 2; i++) {
        double hertz = 700 * (pow(10, ((double)i * step + low_mel) / 2595) - 1);
        double edge = floor((double)(length + 1) * hertz / (double)rate);
        if (!(edge >= 0) || edge >= (double)rows + 1) im_fail(n, "the edges leave the spectrum");
        edges[i] = (int64_t)edge;
    }
    for (int64_t i = 0; i < bins; i++) {
        int64_t left = edges[i], centre = edges[i + 1], right = edges[i + 2];
        if (left == centre && centre < rows) values[centre * bins + i] = 1;
        for (int64_t j = left; left < centre && j <= centre && j < rows; j++) values[j * bins + i] = (double)(j - left) / (double)(centre - left);
        for (int64_t j = centre; j < right && j < rows; j++) values[j * bins + i] = (double)(right - j) / (double)(right - centre);
    }
    im_out(n, 0, im_floats_constant(n, im_element_param(n, "output_datatype", SL_ELEMENT_f32), 2, dims, values));
}
