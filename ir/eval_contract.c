/* eval_contract.c: evaluation of tensor.contract and tensor.conv.
 *
 * Both become products of matrices: left[m][k] (times) right[k][n], the operands copied into that order first; a convolution does so for a chunk of output
 * positions at a time. Every element is summed over ascending k with one fused multiply-add per step from 0, in f32 for f32 and narrower, in f64 for f64, modulo
 * 2^64 for integers (wrapped to the accumulator's type at the end, which is the same). k runs over contracted axes in the order in which they are given, of a
 * convolution over the weight's axes in memory order: channel, kernel for nchw; kernel, channel for nhwc, where f32 channels in whole blocks of 16 are summed block by block: block, kernel,
 * channel of the block (what a register tile reads of a block stays in L1).
 */
#include "eval_internal.h"
#include <math.h>
#include <string.h>

enum { chunk = 128 };

/* fmaf is one instruction where the compiler may assume FMA; the same bits either way. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define FMA_CLONES __attribute__((target_clones("arch=haswell", "default")))
#else
#define FMA_CLONES
#endif

#define MULTIPLY_ADD_INTEGER(a, b, c) ((int64_t)((uint64_t)(c) + (uint64_t)(a) * (uint64_t)(b)))

#define DEFINE_PRODUCT(name, type, multiply_add)                                                                                   \
    FMA_CLONES static void name(const type *left, const type *right, type *out, int64_t m, int64_t n, int64_t k, int64_t out_row) { \
        for (int64_t n0 = 0; n0 < n; n0 += chunk) {                                                                                \
            int64_t run = n - n0 < chunk ? n - n0 : chunk;                                                                         \
            for (int64_t i = 0; i < m; i++) {                                                                                      \
                type sums[chunk] = {0};                                                                                            \
                for (int64_t p = 0; p < k; p++) {                                                                                  \
                    type a = left[i * k + p];                                                                                      \
                    const type *b = right + p * n + n0;                                                                            \
                    for (int64_t j = 0; j < run; j++) sums[j] = multiply_add(a, b[j], sums[j]);                                    \
                }                                                                                                                  \
                memcpy(out + i * out_row + n0, sums, sizeof(type) * (size_t)run);                                                  \
            }                                                                                                                      \
        }                                                                                                                          \
    }
DEFINE_PRODUCT(product_f32, float, fmaf)
DEFINE_PRODUCT(product_f64, double, fma)
DEFINE_PRODUCT(product_i64, int64_t, MULTIPLY_ADD_INTEGER)

/* The type that the arithmetic runs in. */
typedef enum domain { domain_f32, domain_f64, domain_i64 } domain;

static size_t domain_size(domain d) { return d == domain_f32 ? sizeof(float) : 8; }

static void multiply(domain d, const void *left, const void *right, void *out, int64_t m, int64_t n, int64_t k, int64_t out_row) {
    switch (d) {
    case domain_f32: product_f32(left, right, out, m, n, k, out_row); break;
    case domain_f64: product_f64(left, right, out, m, n, k, out_row); break;
    case domain_i64: product_i64(left, right, out, m, n, k, out_row); break;
    }
}

/* Elements start, start + stride, ... converted to the domain. */
static void load_run(domain d, const sl_tensor *x, int64_t start, int64_t stride, int64_t count, void *out, int64_t to) {
    sl_lane lanes[SL_LANES];
    if (d == domain_f32 && x->element == SL_ELEMENT_f32 && stride == 1) {
        memcpy((float *)out + to, (const float *)x->data + start, sizeof(float) * (size_t)count);
        return;
    }
    for (int64_t i = 0; i < count; i += SL_LANES) {
        int run = count - i < SL_LANES ? (int)(count - i) : SL_LANES;
        sl_lanes_load(x->element, x->data, start + i * stride, stride, run, lanes);
        switch (d) {
        case domain_f32:
            for (int k = 0; k < run; k++) ((float *)out)[to + i + k] = (float)lanes[k].f;
            break;
        case domain_f64:
            for (int k = 0; k < run; k++) ((double *)out)[to + i + k] = lanes[k].f;
            break;
        case domain_i64:
            for (int k = 0; k < run; k++) ((int64_t *)out)[to + i + k] = lanes[k].i;
            break;
        }
    }
}

/* Sums from the domain to result elements start, start + stride, ...: wrapped or rounded to the accumulator first, then converted. */
static void store_run(domain d, sl_element accumulator, const void *sums, int64_t from, int64_t count, sl_tensor *result, int64_t start, int64_t stride) {
    sl_lane lanes[SL_LANES];
    sl_lane_op narrow = sl_lane_op_cast(SL_ELEMENT_i64, accumulator), cast = sl_lane_op_cast(accumulator, result->element);
    const sl_lane *operands[3] = {lanes};
    for (int64_t i = 0; i < count; i += SL_LANES) {
        int run = count - i < SL_LANES ? (int)(count - i) : SL_LANES;
        switch (d) {
        case domain_f32:
            for (int k = 0; k < run; k++) lanes[k].f = ((const float *)sums)[from + i + k];
            break;
        case domain_f64:
            for (int k = 0; k < run; k++) lanes[k].f = ((const double *)sums)[from + i + k];
            break;
        case domain_i64:
            for (int k = 0; k < run; k++) lanes[k].i = ((const int64_t *)sums)[from + i + k];
            sl_lanes_apply(&narrow, run, operands, lanes);
            break;
        }
        if (accumulator != result->element) sl_lanes_apply(&cast, run, operands, lanes);
        sl_lanes_store(result->element, result->data, start + i * stride, stride, run, lanes);
    }
}

static sl_element accumulator_of(const sl_op *op, sl_element element) {
    sl_attr attr = sl_op_attr(op, "accumulate");
    if (attr) return sl_type_element(sl_attr_get_type(attr));
    if (sl_element_bits(element) >= 32) return element;
    return sl_element_is_float(element) ? SL_ELEMENT_f32 : SL_ELEMENT_i32;
}

static domain domain_of(sl_element accumulator) {
    return !sl_element_is_float(accumulator) ? domain_i64 : accumulator == SL_ELEMENT_f64 ? domain_f64 : domain_f32;
}

static void count_work(sl_eval *eval, const sl_op *op, int64_t batch, int64_t m, int64_t n, int64_t k) {
    int64_t work;
    if (!sl_size_mul(batch, m, &work) || !sl_size_mul(work, n, &work) || !sl_size_mul(work, k, &work)) work = INT64_MAX / 2;
    sl_eval_step(eval, op, work / 16);   /* a multiply-add here takes a sixteenth of an interpreted point */
    if (eval->options->counts) eval->options->counts->multiply_adds += work;
}

/* Axes of x in a new order, as a dense array of the domain. */
static void *permuted(sl_eval *eval, domain d, const sl_tensor *x, const int *order) {
    int64_t count = sl_tensor_count(x), own[SL_MAX_RANK], strides[SL_MAX_RANK], shape[SL_MAX_RANK], index[SL_MAX_RANK] = {0};
    void *out = sl_arena_alloc_aligned(eval->arena, domain_size(d) * (size_t)count + 1, 64);
    if (count == 0) return out;
    sl_strides(x->rank, x->shape, own);
    for (int axis = 0; axis < x->rank; axis++) {
        shape[axis] = x->shape[order[axis]];
        strides[axis] = own[order[axis]];
    }
    int64_t inner = x->rank ? shape[x->rank - 1] : 1, to = 0;
    do {
        int64_t from = 0;
        for (int axis = 0; axis < x->rank - 1; axis++) from += index[axis] * strides[axis];
        load_run(d, x, from, x->rank ? strides[x->rank - 1] : 1, inner, out, to);
        to += inner;
    } while (sl_next_index(x->rank - 1, shape, index));
    return out;
}

static bool holds(const int64_t *axes, int count, int64_t axis) {
    for (int i = 0; i < count; i++)
        if (axes[i] == axis) return true;
    return false;
}

/* Types of unknown rank leave the axes unchecked until now. */
static void check_axes(sl_eval *eval, const sl_op *op, const sl_tensor *x, const int64_t *batch, int batch_count, const int64_t *sum, int sum_count) {
    uint32_t seen = 0;
    for (int i = 0; i < batch_count + sum_count; i++) {
        int64_t axis = i < batch_count ? batch[i] : sum[i - batch_count];
        if (axis < 0 || axis >= x->rank || (seen >> axis & 1)) sl_eval_fail(eval, op, "axis %lld does not fit an operand of rank %d", (long long)axis, x->rank);
        seen |= 1u << axis;
    }
}

static sl_tensor *contract(sl_eval *eval, const sl_op *op) {
    const sl_tensor *left = sl_eval_operand(eval, op, 0), *right = sl_eval_operand(eval, op, 1);
    int batch_count, sum_count, left_free = 0, right_free = 0, left_order[SL_MAX_RANK], right_order[SL_MAX_RANK], rank = 0;
    const int64_t *left_batch = sl_op_ints(op, "left_batch", &batch_count), *right_batch = sl_op_ints(op, "right_batch", &batch_count);
    const int64_t *left_sum = sl_op_ints(op, "left_sum", &sum_count), *right_sum = sl_op_ints(op, "right_sum", &sum_count);
    int64_t shape[2 * SL_MAX_RANK], batch = 1, m = 1, n = 1, k = 1;
    check_axes(eval, op, left, left_batch, batch_count, left_sum, sum_count);
    check_axes(eval, op, right, right_batch, batch_count, right_sum, sum_count);
    for (int i = 0; i < batch_count; i++) {
        if (left->shape[left_batch[i]] != right->shape[right_batch[i]])
            sl_eval_fail(eval, op, "batch sizes differ: %lld and %lld", (long long)left->shape[left_batch[i]], (long long)right->shape[right_batch[i]]);
        batch *= shape[rank++] = left->shape[left_batch[i]];
        left_order[i] = (int)left_batch[i];
        right_order[i] = (int)right_batch[i];
    }
    for (int axis = 0; axis < left->rank; axis++) {
        if (holds(left_batch, batch_count, axis) || holds(left_sum, sum_count, axis)) continue;
        m *= shape[rank++] = left->shape[axis];
        left_order[batch_count + left_free++] = axis;
    }
    for (int axis = 0; axis < right->rank; axis++) {
        if (holds(right_batch, batch_count, axis) || holds(right_sum, sum_count, axis)) continue;
        n *= shape[rank++] = right->shape[axis];
        right_order[batch_count + sum_count + right_free++] = axis;
    }
    for (int i = 0; i < sum_count; i++) {
        if (left->shape[left_sum[i]] != right->shape[right_sum[i]])
            sl_eval_fail(eval, op, "contracted sizes differ: %lld and %lld", (long long)left->shape[left_sum[i]], (long long)right->shape[right_sum[i]]);
        k *= left->shape[left_sum[i]];
        left_order[batch_count + left_free + i] = (int)left_sum[i];
        right_order[batch_count + i] = (int)right_sum[i];
    }
    if (rank > SL_MAX_RANK) sl_eval_fail(eval, op, "the result would have rank %d", rank);
    sl_tensor *result = sl_eval_alloc(eval, op, sl_eval_result_element(op, 0), rank, shape);
    count_work(eval, op, batch, m, n, k);
    sl_element accumulator = accumulator_of(op, left->element);
    domain d = domain_of(accumulator);
    char *a = permuted(eval, d, left, left_order), *b = permuted(eval, d, right, right_order);
    int64_t rows = m < 64 ? m : 64;
    void *sums = sl_arena_alloc_aligned(eval->arena, domain_size(d) * (size_t)(rows * n) + 1, 64);
    for (int64_t group = 0; group < batch; group++) {
        for (int64_t i = 0; i < m; i += 64) {
            int64_t run = m - i < 64 ? m - i : 64;
            multiply(d, a + (group * m + i) * k * (int64_t)domain_size(d), b + group * k * n * (int64_t)domain_size(d), sums, run, n, k, n);
            store_run(d, accumulator, sums, 0, run * n, result, (group * m + i) * n, 1);
        }
    }
    return result;
}

/* ---- convolution ---- */

typedef struct conv_shape {
    int spatial, first_spatial, channel_axis;     /* of x and the result */
    const int64_t *strides, *dilations, *low;
    int64_t kernel[SL_MAX_RANK], out[SL_MAX_RANK], taps, positions;
    bool channels_last;
} conv_shape;

const int64_t *sl_eval_window_ints(sl_eval *eval, const sl_op *op, const char *name, int count, int64_t least) {
    int found;
    const int64_t *values = sl_op_ints(op, name, &found);
    if (found != count) sl_eval_fail(eval, op, "`%s` has %d entries for %d spatial axes", name, found, count);
    for (int i = 0; i < count; i++)
        if (values[i] < least || values[i] > INT32_MAX) sl_eval_fail(eval, op, "entry %d of `%s` is out of range: %lld", i, name, (long long)values[i]);
    return values;
}

static void read_conv(sl_eval *eval, const sl_op *op, const sl_tensor *x, const sl_tensor *w, conv_shape *conv) {
    conv->spatial = x->rank - 2;
    if (conv->spatial < 1 || w->rank != x->rank) sl_eval_fail(eval, op, "x has rank %d and w rank %d", x->rank, w->rank);
    conv->channels_last = strcmp(sl_op_string(op, "layout", "nchw"), "nhwc") == 0;
    conv->first_spatial = conv->channels_last ? 1 : 2;
    conv->channel_axis = conv->channels_last ? x->rank - 1 : 1;
    conv->strides = sl_eval_window_ints(eval, op, "strides", conv->spatial, 1);
    conv->dilations = sl_eval_window_ints(eval, op, "dilations", conv->spatial, 1);
    conv->low = sl_eval_window_ints(eval, op, "pads_low", conv->spatial, INT32_MIN);
    const int64_t *high = sl_eval_window_ints(eval, op, "pads_high", conv->spatial, INT32_MIN);
    conv->taps = conv->positions = 1;
    for (int s = 0; s < conv->spatial; s++) {
        conv->kernel[s] = w->shape[(conv->channels_last ? 0 : 2) + s];
        int64_t size = x->shape[conv->first_spatial + s], room = size + conv->low[s] + high[s] - ((conv->kernel[s] - 1) * conv->dilations[s] + 1);
        if (room < 0) sl_eval_fail(eval, op, "the window does not fit spatial axis %d of size %lld", s, (long long)size);
        conv->out[s] = room / conv->strides[s] + 1;
        conv->taps *= conv->kernel[s];
        if (!sl_size_mul(conv->positions, conv->out[s], &conv->positions)) sl_eval_fail(eval, op, "the result is too large");
    }
}

int64_t sl_conv_channel_block(bool channels_last, int spatial, sl_element x, sl_element weights, int64_t channels) {
    enum { block = 16 };
    return channels_last && spatial >= 2 && x == SL_ELEMENT_f32 && weights == SL_ELEMENT_f32 && channels > block && channels % block == 0 ? block : channels;
}

/* The weights of a convolution as [output channel][k], k in the order of the sum. */
static char *arrange_weights(sl_eval *eval, domain d, const sl_tensor *w, bool channels_last, int64_t block) {
    static const int blocked_order[] = {3, 1, 0, 2};
    int order[SL_MAX_RANK], rank = w->rank;
    int64_t channels = channels_last ? w->shape[rank - 2] : 0;
    if (channels_last && block != channels) {        /* tap, block, channel of the block, output */
        sl_tensor blocked = {w->element, 4, {1, channels / block, block, w->shape[rank - 1]}, w->data, w->size};
        for (int s = 0; s < rank - 2; s++) blocked.shape[0] *= w->shape[s];
        return permuted(eval, d, &blocked, blocked_order);
    }
    for (int axis = 0; axis < rank; axis++) order[axis] = channels_last ? (axis + rank - 1) % rank : axis;   /* outputs first */
    return permuted(eval, d, w, order);
}

/* Row `tap` of the patch matrix: what the tap reads of one channel plane (starting at `base`) for output positions first..first+count-1; 0 outside. */
static void load_tap(const conv_shape *conv, domain d, const sl_tensor *x, const int64_t *strides, int64_t base, const int64_t *tap, int64_t first, int64_t count,
                     void *out, int64_t to) {
    int64_t index[SL_MAX_RANK], rest = first;
    for (int s = conv->spatial - 1; s >= 0; s--) {
        index[s] = rest % conv->out[s];
        rest /= conv->out[s];
    }
    int last = conv->spatial - 1;
    memset((char *)out + to * (int64_t)domain_size(d), 0, domain_size(d) * (size_t)count);
    while (count > 0) {
        int64_t run = conv->out[last] - index[last] < count ? conv->out[last] - index[last] : count, start = base;
        bool inside = true;
        for (int s = 0; s < last; s++) {
            int64_t at = index[s] * conv->strides[s] - conv->low[s] + tap[s] * conv->dilations[s];
            inside = inside && at >= 0 && at < x->shape[conv->first_spatial + s];
            if (inside) start += at * strides[conv->first_spatial + s];
        }
        int64_t size = x->shape[conv->first_spatial + last], stride = conv->strides[last];
        int64_t at = index[last] * stride - conv->low[last] + tap[last] * conv->dilations[last];
        int64_t skip = at < 0 ? (-at + stride - 1) / stride : 0;                               /* positions that still read left of x */
        int64_t end = at >= size ? 0 : (size - at + stride - 1) / stride;                      /* first that reads right of x */
        if (end > run) end = run;
        if (inside && skip < end)
            load_run(d, x, start + (at + skip * stride) * strides[conv->first_spatial + last], stride * strides[conv->first_spatial + last], end - skip, out, to + skip);
        to += run;
        count -= run;
        index[last] += run;
        for (int s = last; s > 0 && index[s] == conv->out[s]; s--) {
            index[s] = 0;
            index[s - 1]++;
        }
    }
}

static sl_tensor *conv(sl_eval *eval, const sl_op *op) {
    const sl_tensor *x = sl_eval_operand(eval, op, 0), *w = sl_eval_operand(eval, op, 1);
    conv_shape conv;
    read_conv(eval, op, x, w, &conv);
    int64_t groups = sl_op_int(op, "groups", 1), outputs = w->shape[conv.channels_last ? w->rank - 1 : 0], per_group = w->shape[conv.channels_last ? w->rank - 2 : 1];
    int64_t channels = x->shape[conv.channel_axis];
    if (groups < 1 || channels != per_group * groups || outputs % groups != 0)
        sl_eval_fail(eval, op, "x has %lld channels, w takes %lld per group in %lld groups and makes %lld", (long long)channels, (long long)per_group, (long long)groups,
                     (long long)outputs);
    int64_t shape[SL_MAX_RANK], strides[SL_MAX_RANK], to[SL_MAX_RANK], m = outputs / groups, k = per_group * conv.taps;
    shape[0] = x->shape[0];
    shape[conv.channel_axis] = outputs;
    for (int s = 0; s < conv.spatial; s++) shape[conv.first_spatial + s] = conv.out[s];
    sl_tensor *result = sl_eval_alloc(eval, op, sl_eval_result_element(op, 0), x->rank, shape);
    count_work(eval, op, x->shape[0], outputs, conv.positions, k);
    sl_element accumulator = accumulator_of(op, x->element);
    domain d = domain_of(accumulator);
    sl_strides(x->rank, x->shape, strides);
    sl_strides(x->rank, shape, to);
    int64_t block = sl_conv_channel_block(conv.channels_last, conv.spatial, x->element, w->element, per_group);
    char *weights = arrange_weights(eval, d, w, conv.channels_last, block);
    char *patch = sl_arena_alloc_aligned(eval->arena, domain_size(d) * (size_t)(k * chunk) + 1, 64);
    char *sums = sl_arena_alloc_aligned(eval->arena, domain_size(d) * (size_t)(m * chunk) + 1, 64);
    int64_t position_stride = to[conv.first_spatial + conv.spatial - 1], channel_stride = to[conv.channel_axis];
    for (int64_t image = 0; image < x->shape[0]; image++) {
        for (int64_t group = 0; group < groups; group++) {
            for (int64_t first = 0; first < conv.positions; first += chunk) {
                int64_t run = conv.positions - first < chunk ? conv.positions - first : chunk, row = 0;
                int64_t tap[SL_MAX_RANK] = {0};
                if (k > 0) do {
                    int64_t number = 0;
                    for (int s = 0; s < conv.spatial; s++) number = number * conv.kernel[s] + tap[s];
                    for (int64_t c = 0; c < per_group; c++) {
                        row = conv.channels_last ? (c / block * conv.taps + number) * block + c % block : c * conv.taps + number;
                        load_tap(&conv, d, x, strides, image * strides[0] + (group * per_group + c) * strides[conv.channel_axis], tap, first, run, patch, row * run);
                    }
                } while (sl_next_index(conv.spatial, conv.kernel, tap));
                multiply(d, weights + group * m * k * (int64_t)domain_size(d), patch, sums, m, run, k, run);
                for (int64_t i = 0; i < m; i++)
                    store_run(d, accumulator, sums, i * run, run, result, image * to[0] + (group * m + i) * channel_stride + first * position_stride, position_stride);
            }
        }
    }
    return result;
}

sl_tensor *sl_eval_contract(sl_eval *eval, const sl_op *op) {
    return sl_op_get_kind(op) == SL_OP_tensor_contract ? contract(eval, op) : conv(eval, op);
}
