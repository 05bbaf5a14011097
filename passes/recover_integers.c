/* recover_integers.c: pass recover-integers: sums of products that models write with quantized operands become sums of products of bytes.
 *
 * In, out: the tensor level, straight after import. Recovered are the two forms in which ONNX writes them,
 *
 *     float     f32(q - z) * s  on both operands of a product or convolution (DequantizeLinear around MatMul, Gemm, Conv)
 *     integer   (q - z) in i32  on both operands (MatMulInteger, ConvInteger, QLinearMatMul, QLinearConv)
 *
 * where q holds bytes and the right operand is constant. With weights v = q - z in i8 (an asymmetric u8 weight is moved there when it fits)
 *
 *     sum (q - z) v = sum q v - z * sum v
 *
 * so bytes are multiplied as they are, and z times the column's sum, which is known now, is taken away afterwards. z may be computed (DynamicQuantizeLinear). A convolution's padding,
 * 0 before, becomes the byte z. The float form then multiplies by the scales: it adds in i32 where the model would round in f32, so `strict` leaves it alone; the integer form is exact.
 * Quantizations of what became of such sums follow (recover_requantize.c).
 *
 * Every product of this kind has a decision `integers`: recovered, or why not. */
#include "choose_precision.h"

#include <string.h>

/* (q - zero) * scale */
typedef struct quantized {
    sl_value *q;                     /* bytes */
    sl_value *zero;                  /* i32 of rank 0, or NULL: 0 */
    sl_value *scale;                 /* f32 that was broadcast, or NULL in the integer form */
} quantized;

static bool is_kind(const sl_value *value, sl_op_kind kind) { return sl_value_op(value) && sl_op_get_kind(sl_value_op(value)) == kind; }
static sl_value *operand(const sl_value *value, int index) { return sl_op_operand(sl_value_op(value), index); }
static sl_element element_of(const sl_value *value) { return sl_type_element(sl_value_type(value)); }
static bool is_byte(sl_element element) { return element == SL_ELEMENT_i8 || element == SL_ELEMENT_u8; }

static sl_value *behind_broadcast(sl_value *value) {
    while (is_kind(value, SL_OP_tensor_broadcast)) value = operand(value, 0);
    return value;
}

/* i32 `value` as q - zero. Small constants are folded on import: weights may be numbers of any type by now. */
static bool match_centred(sl_value *value, bool weights, quantized *out) {
    if (is_kind(value, SL_OP_arith_sub)) {
        out->zero = behind_broadcast(operand(value, 1));
        value = operand(value, 0);
    }
    if (is_kind(value, SL_OP_arith_cast)) value = operand(value, 0);
    out->q = value;
    return (is_byte(element_of(value)) || (weights && sl_value_constant(value))) && (!out->zero || element_of(out->zero) == SL_ELEMENT_i32);
}

static bool match_dequantized(sl_value *value, bool weights, quantized *out) {
    if (element_of(value) != SL_ELEMENT_f32 || !is_kind(value, SL_OP_arith_mul)) return false;
    out->scale = behind_broadcast(operand(value, 1));
    value = operand(value, 0);
    if (is_kind(value, SL_OP_arith_cast) && element_of(operand(value, 0)) == SL_ELEMENT_i32) value = operand(value, 0);
    return match_centred(value, weights, out);
}

/* ---- constants ---- */

/* The constant behind casts, reshapes and broadcasts that repeat nothing. */
static sl_attr constant_behind(sl_value *value) {
    while (is_kind(value, SL_OP_arith_cast) || is_kind(value, SL_OP_tensor_reshape)) value = operand(value, 0);
    return sl_value_constant(value);
}

/* Different elements that a parameter may have. */
static int64_t count_of(sl_attr data) {
    sl_type type = sl_attr_get_type(data);
    if (sl_attr_data_is_splat(data)) return 1;
    int64_t count = 1;
    for (int i = 0; sl_type_is_tensor(type) && i < sl_type_rank(type); i++) count *= sl_type_static_dim(type, i);
    return count;
}

/* A parameter of the weights with one element, or one for each output channel in their order. */
static bool by_channel(sl_value *parameter, const precision_site *site, const precision_channels *c, sl_attr *data) {
    sl_type type = sl_value_type(parameter), w = sl_value_type(sl_op_operand(site->op, site->weights));
    *data = constant_behind(parameter);
    if (!*data || !sl_type_is_static(type)) return false;
    int64_t count = count_of(*data);
    if (count == 1) return true;
    if (count != c->count) return false;
    /* Its one dim of more than one element must be the channels' dim of the weights, counted from the right. */
    int64_t inner = 1;
    for (int d = sl_type_rank(type) - 1, at = sl_type_rank(w) - 1; d >= 0; d--, at--) {
        if (sl_type_static_dim(type, d) == count) return inner == c->inner && at >= 0 && sl_type_static_dim(w, at) == count;
        if (at >= 0) inner *= sl_type_static_dim(w, at);
    }
    return false;
}

/* ---- rewriting ---- */

typedef struct recovery {
    sl_pass_context *pass;
    sl_context *context;
    precision_site site;
    precision_channels channels;
    quantized x, w;
    sl_attr weights, weight_zero, weight_scale;     /* weight_zero and weight_scale may be NULL */
    bool floating;
} recovery;

static int64_t parameter_int(sl_attr data, int64_t channel) { return !data ? 0 : count_of(data) == 1 ? sl_attr_data_int(data, 0) : sl_attr_data_int(data, channel); }

static bool is_zero(sl_attr data) {
    for (int64_t i = 0, n = count_of(data); i < n; i++)
        if (sl_attr_data_int(data, i)) return false;
    return true;
}

/* q - zero as i8; false when one does not fit. */
static bool move_weights(recovery *r, sl_attr *moved, sl_attr *sums) {
    const precision_channels *c = &r->channels;
    void *bytes, *totals;
    *moved = sl_attr_data_zero(r->context, sl_type_with_element(r->context, sl_attr_get_type(r->weights), SL_ELEMENT_i8), &bytes);
    *sums = sl_attr_data_zero(r->context, sl_type_tensor(r->context, SL_ELEMENT_i32, c->rank, c->dims), &totals);
    if (sl_type_element(sl_attr_get_type(r->weights)) == SL_ELEMENT_i8 && !sl_attr_data_is_splat(r->weights) && (!r->weight_zero || is_zero(r->weight_zero))) {
        const int8_t *from = sl_attr_data_bytes(r->weights);
        memcpy(bytes, from, (size_t)c->total);
        for (int64_t i = 0, channel = 0; i < c->total; i += c->inner, channel = channel + 1 == c->count ? 0 : channel + 1) {
            uint32_t sum = 0;
            for (int64_t j = 0; j < c->inner; j++) sum += (uint32_t)from[i + j];
            ((uint32_t *)totals)[channel] += sum;
        }
        return true;
    }
    for (int64_t i = 0; i < c->total; i++) {
        int64_t channel = i / c->inner % c->count;
        double q = sl_attr_data_float(r->weights, i);
        int64_t value = (int64_t)q - parameter_int(r->weight_zero, channel);
        if (q != (double)(int64_t)q || value < -128 || value > 127) return false;
        ((int8_t *)bytes)[i] = (int8_t)value;
        ((int32_t *)totals)[channel] += (int32_t)value;
    }
    return true;
}

static sl_value *scales(recovery *r, sl_builder *here) {
    const precision_channels *c = &r->channels;
    sl_attr x = constant_behind(r->x.scale);
    if (x && count_of(x) == 1) {                     /* one constant for both */
        void *numbers;
        sl_attr product = sl_attr_data_zero(r->context, sl_type_tensor(r->context, SL_ELEMENT_f32, c->rank, c->dims), &numbers);
        for (int64_t i = 0; i < c->count; i++)
            ((float *)numbers)[i] = (float)sl_attr_data_float(x, 0) * (float)sl_attr_data_float(r->weight_scale, count_of(r->weight_scale) == 1 ? 0 : i);
        return sl_build_constant(here, product);
    }
    return NULL;
}

static void rewrite(recovery *r, sl_attr moved, sl_attr sums) {
    sl_op *op = r->site.op;
    sl_builder here = sl_builder_before(op);
    sl_value *q = r->x.q, *zero = r->x.zero, *result = sl_op_result(op, 0);
    sl_attr zero_data = zero ? constant_behind(zero) : NULL;
    if (zero_data) {
        int64_t number = sl_attr_data_int(zero_data, 0);
        zero = number ? sl_build_constant_int(&here, sl_type_tensor(r->context, SL_ELEMENT_i32, 0, NULL), number) : NULL;
    }
    sl_type type = sl_value_type(result), whole = sl_type_with_element(r->context, type, SL_ELEMENT_i32);
    if (zero && sl_op_get_kind(op) == SL_OP_tensor_conv) q = precision_pad(&here, op, q, sl_build_cast(&here, zero, element_of(q)));
    sl_value *constant = sl_build_constant(&here, moved);
    sl_value_set_name(constant, sl_value_name(r->w.q));
    sl_op_set_operand(op, r->site.weights, constant);
    sl_op_set_operand(op, 1 - r->site.weights, q);
    sl_op_set_attr(op, "result_element", sl_attr_type(r->context, sl_type_scalar(r->context, SL_ELEMENT_i32)));
    sl_op_set_attr(op, "accumulate", NULL);
    sl_builder after = sl_builder_after(op);
    sl_value *placeholder = sl_build_constant(&after, sl_attr_data_splat(r->context, sl_type_tensor(r->context, sl_type_element(type), 0, NULL), 0)), *y = result;
    sl_value_replace_all_uses(result, placeholder);
    sl_value_set_type(result, whole);
    if (zero) {
        sl_value *columns = precision_broadcast(&after, sl_build_constant(&after, sums), whole);
        y = sl_build_binary(&after, SL_OP_arith_sub, y, sl_build_binary(&after, SL_OP_arith_mul, precision_broadcast(&after, zero, whole), columns));
    }
    if (r->floating) y = sl_build_binary(&after, SL_OP_arith_mul, sl_build_cast(&after, y, SL_ELEMENT_f32), precision_broadcast(&after, scales(r, &after), type));
    sl_value_replace_all_uses(placeholder, y);
    sl_op_erase(sl_value_op(placeholder));
}

/* Whether each channel has a window of its own. */
static bool is_depthwise(const sl_op *op) {
    sl_type x = sl_value_type(sl_op_operand(op, 0));
    bool last = strcmp(sl_op_string(op, "layout", "nchw"), "nhwc") == 0;
    return sl_op_int(op, "groups", 1) == sl_expr_const_or(sl_type_dim(x, last ? sl_type_rank(x) - 1 : 1), 0);
}

/* NULL: recovered. "": no product of quantized values. */
static const char *recover(recovery *r) {
    sl_op *op = r->site.op;
    for (int i = 0; i < 2; i++) {
        sl_value *value = sl_op_operand(op, i);
        quantized found = {0};
        bool weights = i == r->site.weights;
        if (!(r->floating ? match_dequantized(value, weights, &found) : match_centred(value, weights, &found))) return "";
        *(weights ? &r->w : &r->x) = found;
    }
    if (r->floating && r->pass->strict) return "stays f32: sums in i32 round differently, and --strict is on";
    r->weights = sl_value_constant(r->w.q);
    if (!r->weights) return "its right operand is no constant";
    if (!precision_find_channels(r->pass, &r->site, &r->channels)) return "its output channels are no run of the weights' dims";
    sl_attr zero = r->x.zero ? constant_behind(r->x.zero) : NULL;
    if (r->x.zero && !(zero && count_of(zero) == 1) && sl_type_rank(sl_value_type(r->x.zero)) != 0) return "the activations' zero point is no scalar";
    if (r->w.zero && !by_channel(r->w.zero, &r->site, &r->channels, &r->weight_zero)) return "the weights' zero point is neither one number nor one for each output channel";
    if (r->floating) {
        sl_attr x = constant_behind(r->x.scale);
        if (!x || count_of(x) != 1) return "the activations' scale is no constant number";
        if (!by_channel(r->w.scale, &r->site, &r->channels, &r->weight_scale)) return "the weights' scale is neither one number nor one for each output channel";
    }
    int64_t terms = r->channels.total / r->channels.count;
    if (sl_op_get_kind(op) == SL_OP_tensor_conv && sl_op_int(op, "groups", 1) > 1 && terms < 64 && !is_depthwise(op)) return "a grouped convolution with short sums is not worth it";
    sl_attr moved, sums;
    if (!move_weights(r, &moved, &sums)) return "weights less their zero point do not fit i8";
    rewrite(r, moved, sums);
    return NULL;
}

static void visit(sl_pass_context *pass, sl_block *block) {
    for (sl_op *op = sl_block_first(block), *next; op; op = next) {
        next = sl_op_next(op);
        for (int i = 0; i < sl_op_region_count(op); i++)
            if (sl_region_block(sl_op_region(op, i))) visit(pass, sl_op_body(op, i));
        sl_op_kind kind = sl_op_get_kind(op);
        if (kind != SL_OP_tensor_contract && kind != SL_OP_tensor_conv) continue;
        sl_element a = element_of(sl_op_operand(op, 0)), b = element_of(sl_op_operand(op, 1)), result = element_of(sl_op_result(op, 0));
        bool integer = a == SL_ELEMENT_i32 && b == SL_ELEMENT_i32 && result == SL_ELEMENT_i32;
        if ((!integer && (a != SL_ELEMENT_f32 || b != SL_ELEMENT_f32 || result != SL_ELEMENT_f32)) || !sl_type_is_ranked(sl_value_type(sl_op_result(op, 0)))) continue;
        recovery r = {.pass = pass, .context = sl_module_context(pass->module), .site = {.op = op, .weights = 1}, .floating = !integer};
        const char *why = recover(&r);
        if (why && !*why) continue;
        sl_pass_decide(pass, op, "integers", why ? why : integer ? "sums of products of bytes in i32" : "sums of products of bytes in i32, then the scales");
        pass->changes += !why;
    }
}

sl_status sl_pass_recover_integers(sl_pass_context *pass) {
    for (sl_op *function = sl_block_first(sl_module_body(pass->module)); function; function = sl_op_next(function))
        if (sl_op_get_kind(function) == SL_OP_core_func && !sl_op_bool(function, "buffers", false)) {
            visit(pass, sl_op_body(function, 0));
            if (!pass->strict) recover_requantize(pass, sl_op_body(function, 0));
        }
    return NULL;
}
