/* lower_to_nest_ops.c: reductions, sums of products, windows and lookups as nests.
 *
 * Loop order: parallel loops first, in the order of the result (for a convolution with groups the channel loop is split in groups x channels of a group),
 * then the reduction loops in the order in which the op adds up: reduced axes, summed axes, of a convolution the weights' axes in memory order (nhwc: kernel, channel, where f32 channels come in whole blocks of 16 a block first; nchw: channel, kernel). A reduction whose extents are
 * all 1 has no reduction loop left; its body then combines with the start value as a constant. */
#include "lower_to_nest.h"

#include <string.h>

static sl_element accumulator_of(sl_element element) {
    if (sl_element_is_float(element) && sl_element_bits(element) < 32) return SL_ELEMENT_f32;
    return element;
}

static sl_op_kind combine_kind(const char *kind) {
    if (strcmp(kind, "sum") == 0) return SL_OP_arith_add;
    if (strcmp(kind, "prod") == 0) return SL_OP_arith_mul;
    if (strcmp(kind, "max") == 0) return SL_OP_arith_max;
    if (strcmp(kind, "min") == 0) return SL_OP_arith_min;
    return strcmp(kind, "and") == 0 ? SL_OP_arith_and : SL_OP_arith_or;
}

/* The running value of result 0 and, at the end, what to yield: without reduction loops the running value is the constant start, and the conversion to
 * the result's element is explicit. */
static sl_value *running_value(sl_builder *body, const sl_op *nest, sl_attr start) {
    return sl_nest_reduced_count(nest) ? sl_nest_running(nest, 0) : sl_build_scalar(body, start);
}

static void yield_total(sl_builder *body, const sl_op *nest, sl_value *total) {
    if (!sl_nest_reduced_count(nest)) total = sl_build_cast(body, total, sl_type_element(sl_value_type(sl_op_result(nest, 0))));
    sl_lower_yield(body, 1, &total);
}

/* Adds the result with `start` as its init if there is a reduction, else with the default. */
static void add_total(sl_nest_spec *spec, sl_type type, const sl_expr *index, sl_attr start) {
    sl_spec_result(spec, type, index, sl_spec_has_reduction(spec) ? start : NULL);
}

static bool has_value(const int64_t *values, int count, int64_t value) {
    for (int i = 0; i < count; i++)
        if (values[i] == value) return true;
    return false;
}

sl_op *sl_lower_reduce(sl_op *op) {
    sl_nest_spec spec;
    sl_context *context = sl_op_context(op);
    sl_value *x = sl_op_operand(op, 0);
    sl_type type = sl_value_type(x);
    sl_expr index[SL_MAX_RANK], result_index[SL_MAX_RANK];
    int count, kept = 0, rank = sl_type_rank(type);
    const int64_t *axes = sl_op_ints(op, "axes", &count);
    const char *kind = sl_op_string(op, "kind", "sum");
    sl_element element = sl_type_element(type), accumulator = accumulator_of(element);
    sl_spec_init(&spec, context);
    for (int d = 0; d < rank; d++)
        if (!has_value(axes, count, d)) index[d] = result_index[kept++] = sl_spec_loop(&spec, sl_type_dim(type, d), false);
    for (int i = 0; i < count; i++) index[axes[i]] = sl_spec_loop(&spec, sl_type_dim(type, (int)axes[i]), true);
    sl_attr start = sl_scalar_identity(context, accumulator, kind);
    sl_lower_input input = sl_lower_input_add(&spec, x, index, NULL, false);
    add_total(&spec, sl_value_type(sl_op_result(op, 0)), result_index, start);
    sl_builder builder = sl_builder_before(op);
    sl_op *nest = sl_spec_build(&spec, &builder);
    sl_builder body = sl_builder_at_end(builder.module, sl_nest_body(nest));
    sl_value *term = sl_build_cast(&body, sl_lower_input_value(&body, nest, &input), accumulator);
    yield_total(&body, nest, sl_build_binary(&body, combine_kind(kind), running_value(&body, nest, start), term));
    return nest;
}

/* Results: position, then the extreme value itself (not used outside; it is the comparison's memory). A NaN is the extreme, the first of them (the last with `last`). */
sl_op *sl_lower_arg_reduce(sl_op *op) {
    sl_nest_spec spec;
    sl_context *context = sl_op_context(op);
    sl_value *x = sl_op_operand(op, 0);
    sl_type type = sl_value_type(x), result = sl_value_type(sl_op_result(op, 0));
    sl_expr index[SL_MAX_RANK], result_index[SL_MAX_RANK];
    int axis = (int)sl_op_int(op, "axis", 0), kept = 0, rank = sl_type_rank(type);
    const char *kind = sl_op_string(op, "kind", "max");
    bool last = sl_op_bool(op, "last", false), maximum = strcmp(kind, "max") == 0;
    sl_element element = sl_type_element(type);
    sl_spec_init(&spec, context);
    for (int d = 0; d < rank; d++)
        if (d != axis) index[d] = result_index[kept++] = sl_spec_loop(&spec, sl_type_dim(type, d), false);
    index[axis] = sl_spec_loop(&spec, sl_type_dim(type, axis), true);
    sl_lower_input input = sl_lower_input_add(&spec, x, index, NULL, true);
    sl_spec_result(&spec, result, result_index, NULL);
    bool reduces = sl_spec_has_reduction(&spec);
    if (reduces) sl_spec_result(&spec, sl_type_with_element(context, result, element), result_index, sl_scalar_identity(context, element, kind));
    sl_builder builder = sl_builder_before(op);
    sl_op *nest = sl_spec_build(&spec, &builder);
    sl_builder body = sl_builder_at_end(builder.module, sl_nest_body(nest));
    sl_type scalar = sl_type_scalar(context, SL_ELEMENT_i64);
    if (!reduces) {
        sl_value *zero = sl_build_constant_int(&body, scalar, 0);
        sl_lower_yield(&body, 1, &zero);
        return nest;
    }
    sl_value *value = sl_lower_input_value(&body, nest, &input), *best = sl_nest_running(nest, 1);
    sl_value *better = sl_build_compare(&body, maximum ? (last ? "ge" : "gt") : (last ? "le" : "lt"), value, best);
    if (sl_element_is_float(element)) {
        sl_type boolean = sl_type_scalar(context, SL_ELEMENT_i1);
        sl_value *nan = sl_op_result(sl_build(&body, SL_OP_arith_isnan, 1, &value, 1, &boolean, 0, NULL), 0);
        if (!last) {
            sl_value *best_nan = sl_op_result(sl_build(&body, SL_OP_arith_isnan, 1, &best, 1, &boolean, 0, NULL), 0);
            nan = sl_build_binary(&body, SL_OP_arith_and, nan, sl_build_unary(&body, SL_OP_arith_not, best_nan));
        }
        better = sl_build_binary(&body, SL_OP_arith_or, better, nan);
    }
    sl_value *position = sl_emit_expr(&body, index[axis]);
    sl_value *yields[2] = {sl_build_select(&body, better, position, sl_nest_running(nest, 0)), sl_build_select(&body, better, value, best)};
    sl_lower_yield(&body, 2, yields);
    return nest;
}

static sl_element element_attr(const sl_op *op, const char *name, sl_element otherwise) {
    sl_attr attr = sl_op_attr(op, name);
    return attr ? sl_type_element(sl_attr_get_type(attr)) : otherwise;
}

static sl_element contract_accumulator(const sl_op *op, sl_element element) {
    if (!sl_element_is_float(element) && sl_element_bits(element) < 32) return element_attr(op, "accumulate", SL_ELEMENT_i32);
    return element_attr(op, "accumulate", accumulator_of(element));
}

/* Builds running + a * b. */
static sl_op *build_product(sl_op *op, sl_nest_spec *spec, const sl_lower_input *left, const sl_lower_input *right, sl_element accumulator,
                            const sl_expr *result_index) {
    sl_attr start = sl_scalar_int(spec->context, accumulator, 0);
    add_total(spec, sl_value_type(sl_op_result(op, 0)), result_index, start);
    sl_builder builder = sl_builder_before(op);
    sl_op *nest = sl_spec_build(spec, &builder);
    sl_builder body = sl_builder_at_end(builder.module, sl_nest_body(nest));
    sl_value *a = sl_build_cast(&body, sl_lower_input_value(&body, nest, left), accumulator);
    sl_value *b = sl_build_cast(&body, sl_lower_input_value(&body, nest, right), accumulator);
    sl_value *running = running_value(&body, nest, start), *total;
    if (sl_element_is_float(accumulator)) {
        sl_value *operands[3] = {a, b, running};
        sl_type scalar = sl_type_scalar(spec->context, accumulator);
        total = sl_op_result(sl_build(&body, SL_OP_arith_fma, 3, operands, 1, &scalar, 0, NULL), 0);
    } else {
        total = sl_build_binary(&body, SL_OP_arith_add, running, sl_build_binary(&body, SL_OP_arith_mul, a, b));
    }
    yield_total(&body, nest, total);
    return nest;
}

sl_op *sl_lower_contract(sl_op *op) {
    sl_nest_spec spec;
    sl_value *left = sl_op_operand(op, 0), *right = sl_op_operand(op, 1);
    sl_type left_type = sl_value_type(left), right_type = sl_value_type(right);
    sl_expr left_index[SL_MAX_RANK], right_index[SL_MAX_RANK], result_index[SL_MAX_RANK];
    int batches, sums, right_count, placed = 0;
    const int64_t *left_batch = sl_op_ints(op, "left_batch", &batches), *right_batch = sl_op_ints(op, "right_batch", &right_count);
    const int64_t *left_sum = sl_op_ints(op, "left_sum", &sums), *right_sum = sl_op_ints(op, "right_sum", &right_count);
    sl_spec_init(&spec, sl_op_context(op));
    for (int i = 0; i < batches; i++) {
        sl_expr loop = sl_spec_loop(&spec, sl_type_dim(left_type, (int)left_batch[i]), false);
        left_index[left_batch[i]] = right_index[right_batch[i]] = result_index[placed++] = loop;
    }
    for (int d = 0; d < sl_type_rank(left_type); d++)
        if (!has_value(left_batch, batches, d) && !has_value(left_sum, sums, d))
            left_index[d] = result_index[placed++] = sl_spec_loop(&spec, sl_type_dim(left_type, d), false);
    for (int d = 0; d < sl_type_rank(right_type); d++)
        if (!has_value(right_batch, batches, d) && !has_value(right_sum, sums, d))
            right_index[d] = result_index[placed++] = sl_spec_loop(&spec, sl_type_dim(right_type, d), false);
    for (int i = 0; i < sums; i++)
        left_index[left_sum[i]] = right_index[right_sum[i]] = sl_spec_loop(&spec, sl_type_dim(left_type, (int)left_sum[i]), true);
    sl_lower_input a = sl_lower_input_add(&spec, left, left_index, NULL, true), b = sl_lower_input_add(&spec, right, right_index, NULL, true);
    return build_product(op, &spec, &a, &b, contract_accumulator(op, sl_type_element(left_type)), result_index);
}

/* ---- windows ---- */

typedef struct window {
    int spatial, first;                /* number of spatial axes and the first of them in x */
    int channel;                       /* channel axis of x */
    const int64_t *strides, *dilations, *low, *high;
} window;

static window window_of(const sl_op *op) {
    int count;
    int rank = sl_type_rank(sl_value_type(sl_op_operand(op, 0)));
    bool last = strcmp(sl_op_string(op, "layout", "nchw"), "nhwc") == 0;
    return (window){
        .spatial = rank - 2, .first = last ? 1 : 2, .channel = last ? rank - 1 : 1,
        .strides = sl_op_ints(op, "strides", &count), .dilations = sl_op_ints(op, "dilations", &count),
        .low = sl_op_ints(op, "pads_low", &count), .high = sl_op_ints(op, "pads_high", &count),
    };
}

/* Position in x of kernel position k for output position o along spatial axis s. */
static sl_expr window_position(sl_context *context, const window *w, int s, sl_expr o, sl_expr k) {
    sl_expr at = sl_expr_add(context, sl_expr_mul(context, o, sl_expr_const(context, w->strides[s])),
                             sl_expr_mul(context, k, sl_expr_const(context, w->dilations[s])));
    return sl_expr_sub(context, at, sl_expr_const(context, w->low[s]));
}

static bool window_pads(const window *w) {
    for (int s = 0; s < w->spatial; s++)
        if (w->low[s] > 0 || w->high[s] > 0) return true;
    return false;
}

/* Channels that are summed over the whole window before the next ones, so that their pixels stay in L1 (tile_window.c); 0: all. A single tap has the same order without blocks. */
static int64_t convolution_block(const window *w, sl_type x, sl_type weights, sl_expr inner) {
    int64_t channels = sl_expr_const_or(inner, -1), block = sl_conv_channel_block(w->first == 1, w->spatial, sl_type_element(x), sl_type_element(weights), channels);
    bool single = true;
    for (int s = 0; s < w->spatial && w->first == 1; s++) single &= sl_type_static_dim(weights, s) == 1;
    return single || channels < 1 || block == channels ? 0 : block;
}

sl_op *sl_lower_conv(sl_op *op) {
    sl_nest_spec spec;
    sl_context *context = sl_op_context(op);
    sl_value *x = sl_op_operand(op, 0), *weights = sl_op_operand(op, 1);
    sl_type xt = sl_value_type(x), wt = sl_value_type(weights), rt = sl_value_type(sl_op_result(op, 0));
    sl_expr xi[SL_MAX_RANK], wi[SL_MAX_RANK], ri[SL_MAX_RANK];
    window w = window_of(op);
    bool last = w.first == 1;
    int w_out = last ? w.spatial + 1 : 0, w_in = last ? w.spatial : 1, w_first = last ? 0 : 2;
    int64_t groups = sl_op_int(op, "groups", 1);
    sl_expr group_count = sl_expr_const(context, groups), inner = sl_type_dim(wt, w_in);
    sl_expr per_group = sl_expr_divide_exact(context, sl_type_dim(wt, w_out), group_count);
    if (!per_group) return NULL;
    sl_expr group = sl_expr_const(context, 0);
    sl_spec_init(&spec, context);
    xi[0] = ri[0] = sl_spec_loop(&spec, sl_type_dim(rt, 0), false);
    for (int pass = 0; pass < 2; pass++) {
        if ((pass == 0) == last) {                         /* output positions: before the channel in nhwc, after it in nchw */
            for (int s = 0; s < w.spatial; s++) ri[w.first + s] = sl_spec_loop(&spec, sl_type_dim(rt, w.first + s), false);
        } else {
            if (groups > 1) group = sl_spec_loop(&spec, group_count, false);
            sl_expr m = sl_spec_loop(&spec, per_group, false);
            ri[w.channel] = wi[w_out] = sl_expr_add(context, sl_expr_mul(context, group, per_group), m);
        }
    }
    int64_t block = convolution_block(&w, xt, wt, inner);
    sl_expr number = block ? sl_spec_loop(&spec, sl_expr_const(context, sl_expr_const_or(inner, 0) / block), true) : NULL;
    for (int pass = 0; pass < 2; pass++) {                 /* the sum runs over the weights of one output channel as they lie in memory */
        if ((pass == 0) == last) {
            for (int s = 0; s < w.spatial; s++) wi[w_first + s] = sl_spec_loop(&spec, sl_type_dim(wt, w_first + s), true);
        } else {
            wi[w_in] = sl_spec_loop(&spec, block ? sl_expr_const(context, block) : inner, true);
            if (block) wi[w_in] = sl_expr_add(context, sl_expr_mul(context, number, sl_expr_const(context, block)), wi[w_in]);
        }
    }
    for (int s = 0; s < w.spatial; s++) xi[w.first + s] = window_position(context, &w, s, ri[w.first + s], wi[w_first + s]);
    xi[w.channel] = sl_expr_add(context, sl_expr_mul(context, group, inner), wi[w_in]);
    sl_element element = sl_type_element(xt);
    sl_attr outside = window_pads(&w) ? sl_scalar_int(context, element, 0) : NULL;
    sl_lower_input a = sl_lower_input_add(&spec, x, xi, outside, true), b = sl_lower_input_add(&spec, weights, wi, NULL, true);
    return build_product(op, &spec, &a, &b, contract_accumulator(op, element), ri);
}

sl_op *sl_lower_pool(sl_op *op) {
    sl_nest_spec spec;
    sl_context *context = sl_op_context(op);
    sl_value *x = sl_op_operand(op, 0);
    sl_type type = sl_value_type(x), result = sl_value_type(sl_op_result(op, 0));
    sl_expr xi[SL_MAX_RANK], ri[SL_MAX_RANK];
    window w = window_of(op);
    int count;
    const int64_t *extents = sl_op_ints(op, "window", &count);
    const char *kind = sl_op_string(op, "kind", "max");
    sl_element element = sl_type_element(type), accumulator = accumulator_of(element);
    sl_spec_init(&spec, context);
    sl_spec_loops_over(&spec, result, ri);
    xi[0] = ri[0], xi[w.channel] = ri[w.channel];
    for (int s = 0; s < w.spatial; s++) {
        sl_expr k = sl_spec_loop(&spec, sl_expr_const(context, extents[s]), true);
        xi[w.first + s] = window_position(context, &w, s, ri[w.first + s], k);
    }
    sl_attr start = sl_scalar_identity(context, accumulator, kind);
    sl_lower_input input = sl_lower_input_add(&spec, x, xi, window_pads(&w) ? sl_scalar_identity(context, element, kind) : NULL, false);
    add_total(&spec, result, ri, start);
    sl_builder builder = sl_builder_before(op);
    sl_op *nest = sl_spec_build(&spec, &builder);
    sl_builder body = sl_builder_at_end(builder.module, sl_nest_body(nest));
    sl_value *term = sl_build_cast(&body, sl_lower_input_value(&body, nest, &input), accumulator);
    yield_total(&body, nest, sl_build_binary(&body, combine_kind(kind), running_value(&body, nest, start), term));
    return nest;
}

/* ---- lookups ---- */

static sl_op *build_extract(sl_op *op, sl_nest_spec *spec, const sl_lower_input *looked_up, const sl_expr *positions) {
    sl_value *operands[SL_MAX_RANK + 1] = {sl_op_operand(op, 0)};
    sl_type type = sl_value_type(operands[0]);
    int axis = (int)sl_op_int(op, "axis", 0), rank = sl_type_rank(type);
    sl_builder builder = sl_builder_before(op);
    sl_op *nest = sl_spec_build(spec, &builder);
    sl_builder body = sl_builder_at_end(builder.module, sl_nest_body(nest));
    for (int d = 0; d < rank; d++)
        operands[1 + d] = d == axis ? sl_build_cast(&body, sl_lower_input_value(&body, nest, looked_up), SL_ELEMENT_i64) : sl_emit_expr(&body, positions[d]);
    sl_type scalar = sl_type_scalar(spec->context, sl_type_element(type));
    sl_value *value = sl_op_result(sl_build(&body, SL_OP_nest_extract, rank + 1, operands, 1, &scalar, 0, NULL), 0);
    sl_lower_yield(&body, 1, &value);
    return nest;
}

sl_op *sl_lower_take(sl_op *op) {
    sl_nest_spec spec;
    sl_type indices = sl_value_type(sl_op_operand(op, 1)), result = sl_value_type(sl_op_result(op, 0));
    sl_expr index[SL_MAX_RANK], positions[SL_MAX_RANK];
    int axis = (int)sl_op_int(op, "axis", 0), rank = sl_type_rank(sl_value_type(sl_op_operand(op, 0))), inner = sl_type_rank(indices);
    sl_spec_init(&spec, sl_op_context(op));
    sl_spec_loops_over(&spec, result, index);
    for (int d = 0; d < rank; d++) positions[d] = d < axis ? index[d] : d == axis ? NULL : index[d + inner - 1];
    sl_lower_input looked_up = sl_lower_input_add(&spec, sl_op_operand(op, 1), index + axis, NULL, false);
    sl_spec_result(&spec, result, index, NULL);
    return build_extract(op, &spec, &looked_up, positions);
}

sl_op *sl_lower_gather_elements(sl_op *op) {
    sl_nest_spec spec;
    sl_type result = sl_value_type(sl_op_result(op, 0));
    sl_expr index[SL_MAX_RANK];
    sl_spec_init(&spec, sl_op_context(op));
    sl_spec_loops_over(&spec, result, index);
    sl_lower_input looked_up = sl_lower_input_add(&spec, sl_op_operand(op, 1), index, NULL, false);
    sl_spec_result(&spec, result, index, NULL);
    return build_extract(op, &spec, &looked_up, index);
}

sl_op *sl_lower_iota(sl_op *op) {
    sl_nest_spec spec;
    sl_type result = sl_value_type(sl_op_result(op, 0));
    sl_expr index[SL_MAX_RANK];
    sl_spec_init(&spec, sl_op_context(op));
    sl_spec_loops_over(&spec, result, index);
    sl_spec_result(&spec, result, index, NULL);
    sl_builder builder = sl_builder_before(op);
    sl_op *nest = sl_spec_build(&spec, &builder);
    sl_builder body = sl_builder_at_end(builder.module, sl_nest_body(nest));
    sl_value *value = sl_build_cast(&body, sl_emit_expr(&body, index[sl_op_int(op, "axis", 0)]), sl_type_element(result));
    sl_lower_yield(&body, 1, &value);
    return nest;
}
