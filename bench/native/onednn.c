/* onednn.c: oneDNN (C API, version 2) as a peer for the suites of bench/compare.py, by ctypes. Built when libdnnl is found.
 *
 * A peer is one primitive with constant weights: they are reordered once, into the format that the primitive asks for (format `any`); what is timed is the primitive's execution
 * alone. Debian's build runs on OpenMP: the number of threads is set before the primitive is made and before every run. Sources and results stay in plain row-major order for
 * matmul; a convolution's are as asked for: `any` gives oneDNN its own blocked layout, which it would keep between the layers of a network.
 */
#include <dnnl.h>
#include <omp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PEER_API __attribute__((visibility("default")))

enum { KIND_F32, KIND_BF16, KIND_U8S8 };                    /* u8s8: u8 sources, s8 weights, f32 results */
enum { LAYOUT_ANY, LAYOUT_CHANNELS_FIRST, LAYOUT_CHANNELS_LAST };

typedef struct onednn_peer {
    int threads;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_desc_t description;
    dnnl_primitive_t primitive;
    dnnl_memory_t source, weights, bias, result;
    dnnl_memory_t plain_source, plain_result;               /* at the caller's memory, when the primitive's layout is another */
    const char *implementation;
} onednn_peer;

typedef struct onednn_convolution {                         /* as the caller gives it: batch, channels ...; weights are [out][in / groups][height][width] */
    int64_t batch, in, out, height, width, kernel_height, kernel_width, stride_height, stride_width, pad_top, pad_left, pad_bottom, pad_right, dilation_height, dilation_width, groups;
    int32_t kind, layout, relu, threads;
} onednn_convolution;

PEER_API onednn_peer *onednn_matmul(int kind, int64_t m, int64_t n, int64_t k, int threads, void *source, const void *weights, const float *bias, void *result);
PEER_API onednn_peer *onednn_conv(const onednn_convolution *shape, void *source, const void *weights, const float *bias, void *result);
PEER_API int onednn_run(onednn_peer *peer, int64_t count);
PEER_API int onednn_load_source(onednn_peer *peer);
PEER_API int onednn_store_result(onednn_peer *peer);
PEER_API const char *onednn_implementation(const onednn_peer *peer);
PEER_API void onednn_version_of(int32_t version[3]);
PEER_API void onednn_destroy(onednn_peer *peer);

#define TRY(call) do { if ((call) != dnnl_success) goto failed; } while (0)

static dnnl_data_type_t source_type(int kind) { return kind == KIND_BF16 ? dnnl_bf16 : kind == KIND_U8S8 ? dnnl_u8 : dnnl_f32; }
static dnnl_data_type_t weights_type(int kind) { return kind == KIND_BF16 ? dnnl_bf16 : kind == KIND_U8S8 ? dnnl_s8 : dnnl_f32; }

static int reorder(onednn_peer *peer, dnnl_memory_t from, dnnl_memory_t to) {
    const dnnl_memory_desc_t *from_desc, *to_desc;
    dnnl_primitive_desc_t description = NULL;
    dnnl_primitive_t primitive = NULL;
    omp_set_num_threads(peer->threads);
    TRY(dnnl_memory_get_memory_desc(from, &from_desc));
    TRY(dnnl_memory_get_memory_desc(to, &to_desc));
    TRY(dnnl_reorder_primitive_desc_create(&description, from_desc, peer->engine, to_desc, peer->engine, NULL));
    TRY(dnnl_primitive_create(&primitive, description));
    dnnl_exec_arg_t arguments[2] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
    TRY(dnnl_primitive_execute(primitive, peer->stream, 2, arguments));
    TRY(dnnl_stream_wait(peer->stream));
    dnnl_primitive_destroy(primitive);
    dnnl_primitive_desc_destroy(description);
    return 0;
failed:
    dnnl_primitive_destroy(primitive);
    dnnl_primitive_desc_destroy(description);
    return 1;
}

/* Memory for operand `what` of the primitive: the caller's, when the layouts agree; else its own, and *plain is at the caller's. */
static int place(onednn_peer *peer, dnnl_query_t what, const dnnl_memory_desc_t *plain_desc, void *data, dnnl_memory_t *own, dnnl_memory_t *plain) {
    const dnnl_memory_desc_t *wanted = dnnl_primitive_desc_query_md(peer->description, what, 0);
    if (dnnl_memory_desc_equal(wanted, plain_desc)) {
        TRY(dnnl_memory_create(own, plain_desc, peer->engine, data));
        return 0;
    }
    TRY(dnnl_memory_create(own, wanted, peer->engine, DNNL_MEMORY_ALLOCATE));
    TRY(dnnl_memory_create(plain, plain_desc, peer->engine, data));
    return 0;
failed:
    return 1;
}

static int finish(onednn_peer *peer, const dnnl_memory_desc_t *source_desc, void *source, const dnnl_memory_desc_t *weights_desc, const void *weights, const dnnl_memory_desc_t *bias_desc,
                  const float *bias, const dnnl_memory_desc_t *result_desc, void *result) {
    dnnl_memory_t plain_weights = NULL;
    TRY(dnnl_primitive_desc_query(peer->description, dnnl_query_impl_info_str, 0, (void *)&peer->implementation));
    TRY(dnnl_primitive_create(&peer->primitive, peer->description));
    if (place(peer, dnnl_query_src_md, source_desc, source, &peer->source, &peer->plain_source) || place(peer, dnnl_query_dst_md, result_desc, result, &peer->result, &peer->plain_result))
        goto failed;
    TRY(dnnl_memory_create(&plain_weights, weights_desc, peer->engine, (void *)(uintptr_t)weights));
    TRY(dnnl_memory_create(&peer->weights, dnnl_primitive_desc_query_md(peer->description, dnnl_query_weights_md, 0), peer->engine, DNNL_MEMORY_ALLOCATE));
    if (reorder(peer, plain_weights, peer->weights)) goto failed;
    if (bias) TRY(dnnl_memory_create(&peer->bias, bias_desc, peer->engine, (void *)(uintptr_t)bias));
    dnnl_memory_destroy(plain_weights);
    return 0;
failed:
    dnnl_memory_destroy(plain_weights);
    return 1;
}

static onednn_peer *begin(int threads) {
    onednn_peer *peer = calloc(1, sizeof *peer);
    if (!peer) return NULL;
    peer->threads = threads;
    omp_set_num_threads(threads);
    if (dnnl_engine_create(&peer->engine, dnnl_cpu, 0) == dnnl_success && dnnl_stream_create(&peer->stream, peer->engine, dnnl_stream_default_flags) == dnnl_success) return peer;
    onednn_destroy(peer);
    return NULL;
}

/* result[m, n] = source[m, k] weights[k, n] (+ bias[n]), all row-major. The caller's memory stays in use. NULL: not to be had. */
onednn_peer *onednn_matmul(int kind, int64_t m, int64_t n, int64_t k, int threads, void *source, const void *weights, const float *bias, void *result) {
    onednn_peer *peer = begin(threads);
    if (!peer) return NULL;
    dnnl_memory_desc_t source_desc, weights_desc, any_weights, bias_desc, result_desc;
    dnnl_matmul_desc_t operation;
    TRY(dnnl_memory_desc_init_by_tag(&source_desc, 2, (dnnl_dims_t){m, k}, source_type(kind), dnnl_ab));
    TRY(dnnl_memory_desc_init_by_tag(&weights_desc, 2, (dnnl_dims_t){k, n}, weights_type(kind), dnnl_ab));
    TRY(dnnl_memory_desc_init_by_tag(&any_weights, 2, (dnnl_dims_t){k, n}, weights_type(kind), dnnl_format_tag_any));
    TRY(dnnl_memory_desc_init_by_tag(&bias_desc, 2, (dnnl_dims_t){1, n}, dnnl_f32, dnnl_ab));
    TRY(dnnl_memory_desc_init_by_tag(&result_desc, 2, (dnnl_dims_t){m, n}, dnnl_f32, dnnl_ab));
    TRY(dnnl_matmul_desc_init(&operation, &source_desc, &any_weights, bias ? &bias_desc : NULL, &result_desc));
    TRY(dnnl_primitive_desc_create(&peer->description, &operation, NULL, peer->engine, NULL));
    if (finish(peer, &source_desc, source, &weights_desc, weights, &bias_desc, bias, &result_desc, result)) goto failed;
    return peer;
failed:
    onednn_destroy(peer);
    return NULL;
}

/* Source and result of the caller are plain in the order of `layout` (channels first for `any`): onednn_load_source and onednn_store_result copy between them and the primitive's. */
onednn_peer *onednn_conv(const onednn_convolution *shape, void *source, const void *weights, const float *bias, void *result) {
    onednn_peer *peer = begin(shape->threads);
    if (!peer) return NULL;
    const onednn_convolution *s = shape;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_post_ops_t post = NULL;
    dnnl_memory_desc_t source_desc, weights_desc, bias_desc, result_desc, any_source, any_weights, any_result;
    dnnl_convolution_desc_t operation;
    int64_t out_height = (s->height + s->pad_top + s->pad_bottom - (s->dilation_height * (s->kernel_height - 1) + 1)) / s->stride_height + 1;
    int64_t out_width = (s->width + s->pad_left + s->pad_right - (s->dilation_width * (s->kernel_width - 1) + 1)) / s->stride_width + 1;
    int grouped = s->groups > 1;
    dnnl_dims_t source_dims = {s->batch, s->in, s->height, s->width}, result_dims = {s->batch, s->out, out_height, out_width};
    dnnl_dims_t plain_weights = {s->out, s->in, s->kernel_height, s->kernel_width};
    dnnl_dims_t grouped_weights = {s->groups, s->out / s->groups, s->in / s->groups, s->kernel_height, s->kernel_width};
    dnnl_format_tag_t plain = s->layout == LAYOUT_CHANNELS_LAST ? dnnl_nhwc : dnnl_nchw, wanted = s->layout == LAYOUT_ANY ? dnnl_format_tag_any : plain;
    dnnl_data_type_t result_type = s->kind == KIND_BF16 ? dnnl_bf16 : dnnl_f32;
    TRY(dnnl_memory_desc_init_by_tag(&source_desc, 4, source_dims, source_type(s->kind), plain));
    TRY(dnnl_memory_desc_init_by_tag(&any_source, 4, source_dims, source_type(s->kind), wanted));
    TRY(dnnl_memory_desc_init_by_tag(&result_desc, 4, result_dims, result_type, plain));
    TRY(dnnl_memory_desc_init_by_tag(&any_result, 4, result_dims, result_type, wanted));
    TRY(dnnl_memory_desc_init_by_tag(&weights_desc, grouped ? 5 : 4, grouped ? grouped_weights : plain_weights, weights_type(s->kind), grouped ? dnnl_goihw : dnnl_oihw));
    TRY(dnnl_memory_desc_init_by_tag(&any_weights, grouped ? 5 : 4, grouped ? grouped_weights : plain_weights, weights_type(s->kind), dnnl_format_tag_any));
    TRY(dnnl_memory_desc_init_by_tag(&bias_desc, 1, (dnnl_dims_t){s->out}, dnnl_f32, dnnl_a));
    TRY(dnnl_dilated_convolution_forward_desc_init(&operation, dnnl_forward_inference, dnnl_convolution_auto, &any_source, &any_weights, bias ? &bias_desc : NULL, &any_result,
                                                   (dnnl_dims_t){s->stride_height, s->stride_width}, (dnnl_dims_t){s->dilation_height - 1, s->dilation_width - 1},
                                                   (dnnl_dims_t){s->pad_top, s->pad_left}, (dnnl_dims_t){s->pad_bottom, s->pad_right}));
    TRY(dnnl_primitive_attr_create(&attributes));
    if (s->relu) {
        TRY(dnnl_post_ops_create(&post));
        TRY(dnnl_post_ops_append_eltwise(post, 1, dnnl_eltwise_relu, 0, 0));
        TRY(dnnl_primitive_attr_set_post_ops(attributes, post));
    }
    TRY(dnnl_primitive_desc_create(&peer->description, &operation, attributes, peer->engine, NULL));
    if (finish(peer, &source_desc, source, &weights_desc, weights, &bias_desc, bias, &result_desc, result)) goto failed;
    dnnl_post_ops_destroy(post);
    dnnl_primitive_attr_destroy(attributes);
    return peer;
failed:
    if (post) dnnl_post_ops_destroy(post);
    if (attributes) dnnl_primitive_attr_destroy(attributes);
    onednn_destroy(peer);
    return NULL;
}

int onednn_run(onednn_peer *peer, int64_t count) {
    dnnl_exec_arg_t arguments[4] = {{DNNL_ARG_SRC, peer->source}, {DNNL_ARG_WEIGHTS, peer->weights}, {DNNL_ARG_DST, peer->result}, {DNNL_ARG_BIAS, peer->bias}};
    omp_set_num_threads(peer->threads);
    for (int64_t i = 0; i < count; i++)
        if (dnnl_primitive_execute(peer->primitive, peer->stream, peer->bias ? 4 : 3, arguments) != dnnl_success) return 1;
    return dnnl_stream_wait(peer->stream) != dnnl_success;
}

int onednn_load_source(onednn_peer *peer) { return peer->plain_source ? reorder(peer, peer->plain_source, peer->source) : 0; }
int onednn_store_result(onednn_peer *peer) { return peer->plain_result ? reorder(peer, peer->result, peer->plain_result) : 0; }
const char *onednn_implementation(const onednn_peer *peer) { return peer->implementation; }

void onednn_version_of(int32_t version[3]) {
    const dnnl_version_t *known = dnnl_version();
    version[0] = known->major, version[1] = known->minor, version[2] = known->patch;
}

void onednn_destroy(onednn_peer *peer) {
    if (!peer) return;
    dnnl_memory_t memories[] = {peer->source, peer->weights, peer->bias, peer->result, peer->plain_source, peer->plain_result};
    for (size_t i = 0; i < sizeof memories / sizeof *memories; i++) dnnl_memory_destroy(memories[i]);
    dnnl_primitive_destroy(peer->primitive);
    dnnl_primitive_desc_destroy(peer->description);
    dnnl_stream_destroy(peer->stream);
    dnnl_engine_destroy(peer->engine);
    free(peer);
}
