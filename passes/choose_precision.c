/* choose_precision.c: pass choose-precision: sums of products in fewer bits, when the user asks for it (--precision). Without that it changes nothing.
 *
 * In, out: the tensor level, f32 models; weights are constants by now. Each tensor.contract and tensor.conv with constant weights is priced both ways: arithmetic at the rate that the
 * machine has for narrow factors, against the conversion of the activations; bytes of weights and activations. What does not win stays f32, and so does what can't be converted; each
 * site's decision says which and why.
 *
 *     bf16   both operands rounded to bf16 (the weights now, the activations while running), sums in f32
 *     int8   activations to u8 by a range from calibration, or without one by a range of each row; weights to i8 by output channel, sums exact in i32 (precision_int8.c)
 *
 * With SL_PRECISION_OBSERVE the function gets two more outputs for each site, the least and the greatest activation: calibration is a run of such a program. */
#include "choose_precision.h"
#include "nest_query.h"

#include <math.h>
#include <string.h>

typedef struct conversion { sl_attr from, to; } conversion;      /* of weights that several ops read */

typedef struct precision_pass {
    sl_pass_context *pass;
    SL_VEC(precision_site) sites;
    SL_VEC(conversion) converted;
} precision_pass;

static bool is_f32(const sl_value *value) { return sl_type_is_tensor(sl_value_type(value)) && sl_type_is_ranked(sl_value_type(value)) && sl_type_element(sl_value_type(value)) == SL_ELEMENT_f32; }

static const char *site_name(precision_pass *p, const sl_op *op) {
    sl_text text;
    sl_text_init(&text, p->pass->scratch);
    sl_loc_describe(&text, sl_op_loc(op));
    const char *base = text.length ? text.data : sl_op_name(op);
    int again = 0;
    size_t length = strlen(base);
    for (size_t i = 0; i < p->sites.count; i++) {
        const char *other = p->sites.data[i].name;
        again += strncmp(other, base, length) == 0 && (other[length] == 0 || other[length] == '#');
    }
    return again ? sl_arena_printf(p->pass->scratch, "%s#%d", base, again + 1) : sl_arena_strdup(p->pass->scratch, base);
}

static void collect(precision_pass *p, sl_block *block, bool nested) {
    for (sl_op *op = sl_block_first(block); op; op = sl_op_next(op)) {
        for (int i = 0; i < sl_op_region_count(op); i++)
            if (sl_region_block(sl_op_region(op, i))) collect(p, sl_op_body(op, i), true);
        sl_op_kind kind = sl_op_get_kind(op);
        if ((kind != SL_OP_tensor_contract && kind != SL_OP_tensor_conv) || !is_f32(sl_op_operand(op, 0)) || !is_f32(sl_op_operand(op, 1)) || !is_f32(sl_op_result(op, 0))) continue;
        sl_attr accumulate = sl_op_attr(op, "accumulate");
        if (accumulate && sl_type_element(sl_attr_get_type(accumulate)) != SL_ELEMENT_f32) continue;
        precision_site site = {op, -1, site_name(p, op), nested};
        for (int i = 1; i >= 0 && site.weights < 0; i--) {
            sl_attr data = sl_value_constant(sl_op_operand(op, i));
            if (data && !sl_value_constant(sl_op_operand(op, 1 - i))) site.weights = i;
        }
        SL_PUSH(p->pass->scratch, &p->sites, site);
    }
}

/* ---- cost ---- */

enum { MATRIX_BF16 = 8 };                  /* half of what the tiles could: their operands come from L2 */

/* Rate of products of narrow factors over that of f32 products. */
static double rate_of(const sl_machine *machine, sl_precision precision) {
    if (precision == SL_PRECISION_BF16) return machine->amx_bf16 ? MATRIX_BF16 : machine->bf16_dot ? 2 : 1;
    return machine->amx_int8 ? 2 * MATRIX_BF16 : machine->int8_dot ? 4 : machine->int8_pairs ? 1.6 : 1;
}

static sl_choice price(sl_pass_context *pass, const precision_site *site, sl_precision precision) {
    enum { BF16_ROUNDING = 6, QUANTIZING = 10 };              /* operations for each activation */
    static const char *const names[2][2] = {{"f32", "bf16"}, {"f32", "int8"}};
    bool bytes = precision == SL_PRECISION_INT8;
    double x = sl_estimate_elements(sl_value_type(sl_op_operand(site->op, 1 - site->weights))), out = sl_estimate_elements(sl_value_type(sl_op_result(site->op, 0)));
    double w = sl_estimate_elements(sl_value_type(sl_op_operand(site->op, site->weights))), narrow = bytes ? 1 : 2;
    precision_channels channels;
    double outputs = precision_find_channels(pass, site, &channels) ? (double)channels.count : 1;
    sl_work works[2];
    for (int i = 0; i < 2; i++) sl_work_init(&works[i]), works[i].parallel_tasks = 64;
    works[0].flops = 2 * out * w / outputs;
    works[0].read_bytes = 4 * (x + w), works[0].write_bytes = 4 * out;
    works[1].flops = works[0].flops / rate_of(pass->machine, precision) + x * (bytes ? QUANTIZING : BF16_ROUNDING) + (bytes ? 4 * out : 0);
    works[1].read_bytes = narrow * (x + w) + 4 * x, works[1].write_bytes = 4 * out + narrow * x;
    works[0].working_set = 4 * (w + x), works[1].working_set = narrow * (w + x);
    return sl_cost_choose(pass->machine, pass->threads, pass->scratch, 2, names[bytes], works);
}

/* NULL, or why the site has to stay f32. */
static const char *obstacle(const precision_site *site) {
    if (site->weights < 0) return "f32: no operand is a constant weight";
    if (sl_op_get_kind(site->op) == SL_OP_tensor_conv) {
        if (site->weights != 1) return "f32: the weights are computed";
        sl_type w = sl_value_type(sl_op_operand(site->op, 1));
        bool last = strcmp(sl_op_string(site->op, "layout", "nchw"), "nhwc") == 0;
        int64_t channels = sl_expr_const_or(sl_type_dim(w, last ? sl_type_rank(w) - 2 : 1), 0);
        if (sl_op_int(site->op, "groups", 1) > 1 && channels < 8) return "f32: a depthwise convolution has no sums to speak of";
    }
    return NULL;
}

/* ---- bf16 ---- */

static sl_attr to_bf16(precision_pass *p, sl_attr from) {
    for (size_t i = 0; i < p->converted.count; i++)
        if (p->converted.data[i].from == from) return p->converted.data[i].to;
    sl_context *context = sl_module_context(p->pass->module);
    sl_type type = sl_type_with_element(context, sl_attr_get_type(from), SL_ELEMENT_bf16);
    if (sl_attr_data_is_splat(from)) return sl_attr_data_splat(context, type, sl_attr_data_float(from, 0));
    const uint8_t *bytes = sl_attr_data_bytes(from);
    int64_t count = sl_attr_data_size(from) / 4;
    void *out;
    sl_attr to = sl_attr_data_zero(context, type, &out);
    uint16_t *halves = out;
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, bytes + 4 * i, 4);
        if ((bits & 0x7fffffff) > 0x7f800000) halves[i] = (uint16_t)(bits >> 16 | 0x40);      /* NaN stays NaN */
        else halves[i] = (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    }
    conversion made = {from, to};
    SL_PUSH(p->pass->scratch, &p->converted, made);
    return to;
}

static void convert_bf16(precision_pass *p, const precision_site *site) {
    sl_op *op = site->op;
    sl_context *context = sl_op_context(op);
    sl_builder here = sl_builder_before(op);
    sl_value *weights = sl_op_operand(op, site->weights), *x = sl_op_operand(op, 1 - site->weights);
    sl_value *narrow = sl_build_constant(&here, to_bf16(p, sl_value_constant(weights)));
    sl_value_set_name(narrow, sl_value_name(weights));
    sl_op_set_operand(op, site->weights, narrow);
    sl_op_set_operand(op, 1 - site->weights, sl_build_cast(&here, x, SL_ELEMENT_bf16));
    sl_op_set_attr(op, "result_element", sl_attr_type(context, sl_type_scalar(context, SL_ELEMENT_f32)));
}

/* ---- observing ---- */

static sl_value *extreme(sl_builder *here, sl_value *x, const char *kind) {
    sl_context *context = sl_module_context(here->module);
    int64_t axes[SL_MAX_RANK];
    int rank = sl_type_rank(sl_value_type(x));
    for (int i = 0; i < rank; i++) axes[i] = i;
    sl_type type = sl_type_tensor(context, SL_ELEMENT_f32, 0, NULL);
    sl_named_attr attrs[2] = {{"axes", sl_attr_ints(context, rank, axes)}, {"kind", sl_attr_string(context, kind)}};
    return sl_op_result(sl_build(here, SL_OP_tensor_reduce, 1, &x, 1, &type, 2, attrs), 0);
}

/* Outputs `range:<site>:low` and `:high` behind the model's own. */
static void observe(precision_pass *p, sl_op *function) {
    sl_context *context = sl_module_context(p->pass->module);
    sl_op *last = sl_block_terminator(sl_op_body(function, 0));
    sl_builder here = sl_builder_before(last);
    sl_attr names = sl_op_attr(function, "output_names"), types = sl_op_attr(function, "output_types");
    SL_VEC(sl_attr) all_names = {0}, all_types = {0};
    int outputs = sl_op_operand_count(last);
    sl_arena *scratch = p->pass->scratch;
    for (int i = 0; i < outputs; i++) {
        SL_PUSH(scratch, &all_names, names ? sl_attr_item(names, i) : sl_attr_string(context, sl_arena_printf(scratch, "output%d", i)));
        SL_PUSH(scratch, &all_types, types ? sl_attr_item(types, i) : sl_attr_type(context, sl_value_type(sl_op_operand(last, i))));
    }
    for (size_t i = 0; i < p->sites.count; i++) {
        const precision_site *site = &p->sites.data[i];
        if (site->nested || obstacle(site)) continue;
        sl_value *x = sl_op_operand(site->op, 1 - site->weights);
        for (int end = 0; end < 2; end++) {
            sl_value *value = extreme(&here, x, end ? "max" : "min");
            SL_PUSH(scratch, &all_names, sl_attr_string(context, sl_arena_printf(scratch, "range:%s:%s", site->name, end ? "high" : "low")));
            SL_PUSH(scratch, &all_types, sl_attr_type(context, sl_value_type(value)));
            sl_op_insert_operand(last, sl_op_operand_count(last), value);
        }
        p->pass->changes++;
    }
    sl_op_set_attr(function, "output_names", sl_attr_array(context, (int)all_names.count, all_names.data));
    sl_op_set_attr(function, "output_types", sl_attr_array(context, (int)all_types.count, all_types.data));
}

/* ---- the pass ---- */

static const sl_range *range_of(const sl_pass_context *pass, const precision_site *site) {
    for (int i = 0; i < pass->range_count; i++)
        if (strcmp(pass->ranges[i].name, site->name) == 0) return &pass->ranges[i];
    return NULL;
}

static void decide(precision_pass *p, const precision_site *site) {
    sl_pass_context *pass = p->pass;
    sl_precision precision = pass->precision;
    const char *why = obstacle(site);
    const sl_range *range = NULL;
    if (!why && precision == SL_PRECISION_INT8) {
        precision_channels channels;
        range = range_of(pass, site);
        if (!range && (pass->ranges || !precision_has_rows(site))) why = pass->ranges ? "f32: the calibration has no range for it" : "f32: only rows of a matrix product have ranges of their own; it needs a calibration";
        else if (range && (!(range->low <= range->high) || !isfinite(range->low) || !isfinite(range->high))) why = "f32: its range in the calibration is not finite";
        else if (!precision_find_channels(pass, site, &channels)) why = "f32: its output channels are no run of the weights' dims";
    }
    if (why) {
        sl_pass_decide(pass, site->op, "precision", why);
        return;
    }
    sl_choice choice = price(pass, site, precision);
    sl_pass_decide(pass, site->op, "precision", choice.reason);
    if (choice.index == 0) return;
    if (precision == SL_PRECISION_BF16) convert_bf16(p, site);
    else if (range) precision_to_int8(pass, site, range);
    else precision_to_int8_by_row(pass, site);
    pass->changes++;
}

sl_status sl_pass_choose_precision(sl_pass_context *pass) {
    if (pass->precision == SL_PRECISION_F32) return NULL;
    for (sl_op *function = sl_block_first(sl_module_body(pass->module)); function; function = sl_op_next(function)) {
        if (sl_op_get_kind(function) != SL_OP_core_func || sl_op_bool(function, "buffers", false)) continue;
        precision_pass p = {.pass = pass};
        collect(&p, sl_op_body(function, 0), false);
        if (pass->precision == SL_PRECISION_OBSERVE) observe(&p, function);
        else
            for (size_t i = 0; i < p.sites.count; i++) decide(&p, &p.sites.data[i]);
    }
    return NULL;
}
