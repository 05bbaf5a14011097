/* recover_requantize.c: what lies between sums of bytes and the next bytes, in few instructions; part of the pass recover-integers (not with --strict).
 *
 * In: QuantizeLinear as it is imported, u8(round(y / s) + z), whose y scales sums of products that the pass has recovered, adds a bias, perhaps a second branch and a clamp:
 *
 *     y = f32(i) * a + b          or sums, differences, maxima and minima of such
 *
 * Out: u8(round(f32(i) * (a / s) + (b / s + z))): the division is folded into the constants, each multiplication and addition becomes one fma, a clamp to what the bytes can hold
 * anyway goes. Rounding in other places moves a result by one step where the exact value lies next to a tie, like the sums in i32 themselves (docs/precision.md).
 *
 * A quantization of anything else keeps its division. */
#include "choose_precision.h"

#include <math.h>
#include <string.h>

enum { DEPTH = 8, MOST_CHANNELS = 1 << 16 };     /* DEPTH: of the tree of sums and clamps */

typedef struct requantize {
    sl_pass_context *pass;
    sl_context *context;
    sl_builder here;
    double factor;                   /* 1 / s */
    double low, high;                /* what the bytes hold, in steps */
} requantize;

static bool is_kind(const sl_value *value, sl_op_kind kind) { return sl_value_op(value) && sl_op_get_kind(sl_value_op(value)) == kind; }
static sl_value *operand(const sl_value *value, int index) { return sl_op_operand(sl_value_op(value), index); }

/* The constant that a value is or can be computed to be now (a dequantized bias); NULL: none. What was computed takes the op's place. */
static sl_attr folded(sl_value *value, int depth) {
    sl_attr data = sl_value_constant(value);
    sl_op *op = sl_value_op(value);
    int64_t count = sl_type_is_tensor(sl_value_type(value)) ? sl_type_static_count(sl_value_type(value)) : -1;
    if (data || !op || depth == 0 || sl_op_result_count(op) != 1 || sl_op_operand_count(op) == 0 || count < 1 || count > MOST_CHANNELS) return data;
    for (int i = 0; i < sl_op_operand_count(op); i++)
        if (!folded(sl_op_operand(op, i), depth - 1)) return NULL;
    if (!sl_op_fold_constant(op, MOST_CHANNELS, &data)) return NULL;
    sl_builder here = sl_builder_before(op);
    sl_value_replace_all_uses(value, sl_build_constant(&here, data));
    return data;
}

/* An f32 constant, repeated or not; its elements in *data and the type in which they are repeated. */
static bool is_constant(sl_value *value, sl_attr *data, sl_type *type) {
    while (is_kind(value, SL_OP_tensor_broadcast)) value = operand(value, 0);
    *type = sl_value_type(value);
    *data = folded(value, DEPTH);
    return *data && sl_type_is_tensor(*type) && sl_type_is_static(*type) && sl_type_element(*type) == SL_ELEMENT_f32 && sl_type_element(sl_attr_get_type(*data)) == SL_ELEMENT_f32;
}

static bool is_number(sl_value *value, double *number) {
    sl_attr data;
    sl_type type;
    if (!is_constant(value, &data, &type)) return false;
    int64_t count = 1;
    for (int i = 0; i < sl_type_rank(type); i++) count *= sl_type_static_dim(type, i);
    *number = count ? sl_attr_data_float(data, 0) : 0;
    return sl_attr_data_is_splat(data) || count == 1;
}

/* factor * constant + offset, broadcast like `like`. */
static sl_value *moved_constant(requantize *r, sl_value *constant, double factor, double offset) {
    sl_attr data;
    sl_type type;
    if (!is_constant(constant, &data, &type)) return NULL;
    sl_value *result;
    if (sl_attr_data_is_splat(data)) {
        result = sl_build_constant(&r->here, sl_attr_data_splat(r->context, type, (float)(sl_attr_data_float(data, 0) * factor + offset)));
    } else {
        void *numbers;
        sl_attr moved = sl_attr_data_zero(r->context, type, &numbers);
        for (int64_t i = 0, n = sl_attr_data_size(data) / 4; i < n; i++) ((float *)numbers)[i] = (float)(sl_attr_data_float(data, i) * factor + offset);
        result = sl_build_constant(&r->here, moved);
    }
    return precision_broadcast(&r->here, result, sl_value_type(constant));
}

static bool constant_like(sl_value *value) {
    sl_attr data;
    sl_type type;
    return is_constant(value, &data, &type);
}

static bool is_tree(const sl_value *value) { return is_kind(value, SL_OP_arith_add) || is_kind(value, SL_OP_arith_sub) || is_kind(value, SL_OP_arith_max) || is_kind(value, SL_OP_arith_min); }

static bool is_scaled(const sl_value *value) { return is_kind(value, SL_OP_arith_mul) && (constant_like(operand(value, 0)) || constant_like(operand(value, 1))); }

/* Whether a factor can be put into constants everywhere below; *sums counts the integer sums scaled there. */
static bool takes_factor(sl_value *value, int depth, int *sums) {
    if (constant_like(value)) return true;
    if (is_scaled(value)) {
        sl_value *x = operand(value, constant_like(operand(value, 1)) ? 0 : 1);
        *sums += is_kind(x, SL_OP_arith_cast) && sl_element_is_integer(sl_type_element(sl_value_type(operand(x, 0))));
        return true;
    }
    return depth < DEPTH && is_tree(value) && takes_factor(operand(value, 0), depth + 1, sums) && takes_factor(operand(value, 1), depth + 1, sums);
}

static sl_value *fma_of(requantize *r, sl_value *a, sl_value *b, sl_value *c) {
    sl_value *operands[3] = {a, b, c};
    sl_type type = sl_value_type(a);
    return sl_op_result(sl_build(&r->here, SL_OP_arith_fma, 3, operands, 1, &type, 0, NULL), 0);
}

/* value * factor + offset. `last`: nothing follows but the rounding and the cast, which saturates. */
static sl_value *scaled(requantize *r, sl_value *value, double offset, bool last) {
    if (constant_like(value)) return moved_constant(r, value, r->factor, offset);
    if (is_scaled(value)) {
        int side = constant_like(operand(value, 1)) ? 1 : 0;
        sl_value *x = operand(value, 1 - side), *c = moved_constant(r, operand(value, side), r->factor, 0);
        if (offset == 0) return sl_build_binary(&r->here, SL_OP_arith_mul, x, c);
        sl_type type = sl_type_tensor(r->context, SL_ELEMENT_f32, 0, NULL);
        return fma_of(r, x, c, precision_broadcast(&r->here, sl_build_constant(&r->here, sl_attr_data_splat(r->context, type, offset)), sl_value_type(x)));
    }
    sl_op_kind kind = sl_op_get_kind(sl_value_op(value));
    sl_value *a = operand(value, 0), *b = operand(value, 1);
    if (kind == SL_OP_arith_max || kind == SL_OP_arith_min) {
        double bound;
        for (int i = 0; i < 2 && last; i++) {
            if (!is_number(i ? a : b, &bound)) continue;
            bound = bound * r->factor + offset;
            if (kind == SL_OP_arith_max ? bound <= r->low : bound >= r->high) return scaled(r, i ? b : a, offset, true);
        }
        a = scaled(r, a, offset, false), b = scaled(r, b, offset, false);
        return sl_build_binary(&r->here, kind, a, b);
    }
    /* The offset goes to a constant, if there is one. */
    bool first = constant_like(a) || (!constant_like(b) && is_tree(a));
    a = scaled(r, a, first ? offset : 0, false), b = scaled(r, b, first ? 0 : kind == SL_OP_arith_sub ? -offset : offset, false);
    if (kind == SL_OP_arith_sub) return sl_build_binary(&r->here, kind, a, b);
    if (is_kind(a, SL_OP_arith_mul)) return fma_of(r, operand(a, 0), operand(a, 1), b);
    if (is_kind(b, SL_OP_arith_mul)) return fma_of(r, operand(b, 0), operand(b, 1), a);
    return sl_build_binary(&r->here, kind, a, b);
}

/* cast(add(round(div(y, s)), z)) or cast(round(div(y, s))). */
static bool visit(requantize *r, sl_op *cast) {
    sl_value *value = sl_op_operand(cast, 0);
    sl_element to = sl_type_element(sl_value_type(sl_op_result(cast, 0)));
    if ((to != SL_ELEMENT_u8 && to != SL_ELEMENT_i8) || !sl_type_is_tensor(sl_value_type(value)) || sl_type_element(sl_value_type(value)) != SL_ELEMENT_f32) return false;
    double zero = 0, scale;
    if (is_kind(value, SL_OP_arith_add)) {
        if (!is_number(operand(value, 1), &zero)) return false;
        value = operand(value, 0);
    }
    if (!is_kind(value, SL_OP_arith_round) || !is_kind(operand(value, 0), SL_OP_arith_div)) return false;
    value = operand(value, 0);
    int sums = 0;
    if (!is_number(operand(value, 1), &scale) || !(scale > 0) || !isfinite(1 / scale) || !takes_factor(operand(value, 0), 0, &sums) || sums == 0) return false;
    r->here = sl_builder_before(cast), r->factor = 1 / scale;
    r->low = to == SL_ELEMENT_i8 ? -128 : 0, r->high = to == SL_ELEMENT_i8 ? 127 : 255;
    sl_value *steps = scaled(r, operand(value, 0), zero, true);
    sl_op_set_operand(cast, 0, sl_build_unary(&r->here, SL_OP_arith_round, steps));
    sl_pass_decide(r->pass, cast, "requantized", "the scales of sums and of the bytes that they become in one");
    r->pass->changes++;
    return true;
}

void recover_requantize(sl_pass_context *pass, sl_block *block) {
    requantize r = {.pass = pass, .context = sl_module_context(pass->module)};
    for (sl_op *op = sl_block_first(block), *next; op; op = next) {
        next = sl_op_next(op);
        for (int i = 0; i < sl_op_region_count(op); i++)
            if (sl_region_block(sl_op_region(op, i))) recover_requantize(pass, sl_op_body(op, i));
        if (sl_op_get_kind(op) == SL_OP_arith_cast) visit(&r, op);
    }
}
