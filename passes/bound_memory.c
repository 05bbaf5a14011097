/* bound_memory.c: a chain of windowed ops in bands of rows, where a memory budget asks for it (depth-first execution).
 *
 * The early activations of a convolutional network are large, and each is alive in whole while the next is made. When the estimated peak is above the budget, a segment of the
 * network is cut into bands of rows of its last value: for each band all ops of the segment run on the rows that the band needs (windows overlap: the rows between bands are
 * computed twice), and the bands are put together by a concat in place. What is alive at once is then the segment's ends and one band of what lies between.
 *
 *     cuts          positions at which one value alone is alive (besides inputs and constants); a segment lies between two of them
 *     may be banded channels-last convolutions and pools, elementwise ops, broadcasts, concats of channels, a transpose of what enters; one image; sizes known
 *     choice        around the op at the peak: of all segments and numbers of bands that get below the budget the one with the least work done twice; again until nothing is above
 *
 * In and out: tensor level, behind choose-layout. Every element is computed from the same elements in the same order as before: results keep every bit. Without a budget, or
 * below it, nothing changes. When nothing gets below, nothing changes either: a remark says how far bands would go, and plan-memory refuses. */
#include "nest_build.h"
#include "passes_internal.h"

#include <math.h>
#include <string.h>

enum { MAX_REACH = 48 };                     /* cuts from one end of a segment to the other */

typedef struct cut { int position; sl_value *value; } cut;      /* behind the op at `position`; value NULL: the beginning */
typedef struct rows { int64_t low, high; } rows;

typedef struct bound {
    sl_pass_context *pass;
    sl_context *context;
    sl_arena *arena;
    sl_op **ops;
    int count;
    int *position; size_t ids;               /* by op id */
    cut *cuts; int cut_count;
    int *begin, *end;                        /* of ops[i]'s result: first position that writes its memory, last one that reads it */
    double *bytes;                           /* of ops[i]'s result: 0 when it has no memory of its own */
    rows *need; sl_value **made;             /* by position, of the band at hand */
} bound;

typedef struct plan { int from, to; int64_t bands; double peak, extra; } plan;       /* cuts; 0 bands: none */

/* ---- facts ---- */

static int position_of(const bound *b, const sl_op *op) { return op && sl_op_id(op) < b->ids ? b->position[sl_op_id(op)] : -1; }

static int maker_of(const bound *b, const sl_value *value) { return position_of(b, sl_value_op(value)); }

static bool is_constant(const sl_value *value) { return sl_value_op(value) && sl_op_get_kind(sl_value_op(value)) == SL_OP_core_constant; }

/* Channels last, one image, sizes known. */
static bool is_image(const sl_value *value) {
    sl_type type = sl_value_type(value);
    if (!sl_type_is_tensor(type) || !sl_type_is_ranked(type) || sl_type_rank(type) != 4 || sl_type_static_dim(type, 0) != 1) return false;
    for (int d = 1; d < 4; d++)
        if (sl_type_static_dim(type, d) < 1) return false;
    return sl_element_bits(sl_type_element(type)) >= 8;
}

static int64_t height(const sl_value *value) { return sl_type_static_dim(sl_value_type(value), 1); }

static bool is_view(const sl_op *op) {
    sl_op_kind kind = sl_op_get_kind(op);
    return kind == SL_OP_tensor_broadcast || kind == SL_OP_tensor_slice || kind == SL_OP_tensor_transpose || kind == SL_OP_tensor_pad || kind == SL_OP_tensor_reshape;
}

/* Its operands are made in their parts of the result. */
static bool is_in_place(const sl_op *op) {
    if (sl_op_get_kind(op) != SL_OP_tensor_concat) return false;
    for (int d = 0; d < sl_op_int(op, "axis", 0); d++)
        if (sl_type_static_dim(sl_value_type(sl_op_result(op, 0)), d) != 1) return false;
    return true;
}

static bool is_part(const sl_op *op) {
    if (sl_op_result_count(op) != 1) return false;
    sl_use *use = sl_value_first_use(sl_op_result(op, 0));
    return use && !sl_use_next(use) && is_in_place(sl_use_user(use));
}

/* A transpose of what a convolution reads is made in front of it (windows want channels last). */
static bool is_copied(const sl_op *op) {
    if (sl_op_get_kind(op) != SL_OP_tensor_transpose) return false;
    for (sl_use *use = sl_value_first_use(sl_op_result(op, 0)); use; use = sl_use_next(use)) {
        const sl_op *user = sl_use_user(use);
        if (sl_op_get_kind(user) == SL_OP_tensor_conv) return true;
    }
    return false;
}

/* Elementwise ops finish what makes their operand, and views are read in place: what has one reader of that kind has no memory of its own. */
static bool has_memory(const bound *b, const sl_op *op) {
    if (sl_op_result_count(op) != 1 || sl_op_get_kind(op) == SL_OP_core_constant) return false;
    if (is_view(op)) return is_copied(op);
    sl_use *use = sl_value_first_use(sl_op_result(op, 0));
    if (!use || sl_use_next(use)) return use != NULL;
    const sl_op *user = sl_use_user(use);
    if (sl_op_get_kind(user) == SL_OP_core_return || position_of(b, user) < 0) return false;
    return !is_part(op) && !(sl_op_has_trait(user, SL_TRAIT_ELEMENTWISE) && sl_value_type(sl_op_result(user, 0)) == sl_value_type(sl_op_result(op, 0)));
}

static double bytes_of(const sl_value *value) {
    int64_t count = sl_type_static_count(sl_value_type(value));
    return count < 0 ? 0 : (double)count * sl_element_bits(sl_type_element(sl_value_type(value))) / 8;
}

static void measure(bound *b) {
    for (int i = b->count - 1; i >= 0; i--) {
        sl_op *op = b->ops[i];
        b->bytes[i] = has_memory(b, op) ? bytes_of(sl_op_result(op, 0)) : 0, b->begin[i] = b->end[i] = i;
        for (int o = 0; is_in_place(op) && o < sl_op_operand_count(op); o++) {
            int maker = maker_of(b, sl_op_operand(op, o));
            if (maker >= 0 && maker < b->begin[i]) b->begin[i] = maker;
        }
        for (int r = 0; r < sl_op_result_count(op); r++)
            for (sl_use *use = sl_value_first_use(sl_op_result(op, r)); use; use = sl_use_next(use)) {
                int user = position_of(b, sl_use_user(use));
                int end = user < 0 ? b->count : b->bytes[user] > 0 || sl_op_result_count(b->ops[user]) != 1 || is_part(b->ops[user]) ? user : b->end[user];      /* what has no memory reads later */
                if (end > b->end[i]) b->end[i] = end;
            }
    }
}

static double live_at(const bound *b, int position) {
    double live = 0;
    for (int i = 0; i < b->count; i++)
        if (b->begin[i] <= position && b->end[i] >= position) live += b->bytes[i];
    return live;
}

static void find_cuts(bound *b) {
    b->cuts = SL_NEW_ARRAY(b->arena, cut, b->count + 1);
    b->cut_count = 0;
    b->cuts[b->cut_count++] = (cut){-1, NULL};
    int *last = SL_NEW_ARRAY(b->arena, int, b->count + 1);      /* last direct reader */
    for (int i = 0; i < b->count; i++) {
        last[i] = -1;
        for (int r = 0; r < sl_op_result_count(b->ops[i]); r++)
            for (sl_use *use = sl_value_first_use(sl_op_result(b->ops[i], r)); use; use = sl_use_next(use)) {
                int user = position_of(b, sl_use_user(use));
                if (user < 0) user = b->count;
                if (user > last[i]) last[i] = user;
            }
    }
    for (int p = 0; p < b->count; p++) {
        int crossing = 0, found = -1;
        for (int i = 0; i <= p && crossing < 2; i++)
            if (last[i] > p && sl_op_get_kind(b->ops[i]) != SL_OP_core_constant && !(is_view(b->ops[i]) && is_constant(sl_op_operand(b->ops[i], 0)))) crossing++, found = i;
        if (crossing != 1 || sl_op_result_count(b->ops[found]) != 1 || !is_image(sl_op_result(b->ops[found], 0)) || b->bytes[found] == 0 || is_view(b->ops[found])) continue;
        sl_value *value = sl_op_result(b->ops[found], 0);
        if (b->cuts[b->cut_count - 1].value == value) b->cuts[b->cut_count - 1].position = p;
        else b->cuts[b->cut_count++] = (cut){p, value};
    }
}

static bool can_band(const bound *b, const sl_op *op, int first) {
    sl_op_kind kind = sl_op_get_kind(op);
    if (kind == SL_OP_core_constant) return true;
    if (sl_op_result_count(op) != 1 || !is_image(sl_op_result(op, 0)) || sl_op_region_count(op)) return false;
    if (kind == SL_OP_tensor_conv || kind == SL_OP_tensor_pool)
        return strcmp(sl_op_string(op, "layout", "nchw"), "nhwc") == 0 && is_image(sl_op_operand(op, 0)) && (kind == SL_OP_tensor_pool || maker_of(b, sl_op_operand(op, 1)) < first || is_constant(sl_op_operand(op, 1)));
    if (kind == SL_OP_tensor_transpose) return maker_of(b, sl_op_operand(op, 0)) < first && sl_op_ints(op, "perm", NULL)[0] == 0;
    if (kind == SL_OP_tensor_broadcast) return maker_of(b, sl_op_operand(op, 0)) < first || is_constant(sl_op_operand(op, 0)) || is_image(sl_op_operand(op, 0));
    if (kind == SL_OP_tensor_concat && sl_op_int(op, "axis", 0) != 3) return false;
    if (!sl_op_has_trait(op, SL_TRAIT_ELEMENTWISE) && kind != SL_OP_tensor_concat) return false;
    for (int i = 0; i < sl_op_operand_count(op); i++)
        if (!is_image(sl_op_operand(op, i))) return false;
    return true;
}

/* ---- rows ---- */

static void want(bound *b, const sl_value *value, int first, int64_t low, int64_t high) {
    int maker = maker_of(b, value);
    if (maker < first || is_constant(value)) return;
    rows *need = &b->need[maker];
    if (need->low >= need->high) *need = (rows){low, high};
    if (low < need->low) need->low = low;
    if (high > need->high) need->high = high;
}

/* Input rows of a window op for rows low..high-1 of its result, as far as they exist; how many are missing before and behind. */
static rows window_rows(const sl_op *op, int64_t low, int64_t high, int64_t *before, int64_t *behind) {
    bool conv = sl_op_get_kind(op) == SL_OP_tensor_conv;
    int64_t taps = conv ? sl_type_static_dim(sl_value_type(sl_op_operand(op, 1)), 0) : sl_op_ints(op, "window", NULL)[0], size = height(sl_op_operand(op, 0));
    int64_t step = sl_op_ints(op, "strides", NULL)[0], dilation = sl_op_ints(op, "dilations", NULL)[0], pad = sl_op_ints(op, "pads_low", NULL)[0];
    rows need = {low * step - pad, (high - 1) * step - pad + dilation * (taps - 1) + 1};
    *before = need.low < 0 ? -need.low : 0, *behind = need.high > size ? need.high - size : 0;
    need.low += *before, need.high -= *behind;
    return need;
}

/* Rows that each op from `first` to `last` makes for rows low..high-1 of `result`. False: a band would read padding only. */
static bool find_rows(bound *b, int first, int last, const sl_value *result, int64_t low, int64_t high) {
    for (int i = first; i <= last; i++) b->need[i] = (rows){0, 0};
    want(b, result, first, low, high);
    for (int i = last; i >= first; i--) {
        sl_op *op = b->ops[i];
        rows need = b->need[i];
        sl_op_kind kind = sl_op_get_kind(op);
        if (kind == SL_OP_core_constant || need.low >= need.high) continue;
        if (kind == SL_OP_tensor_conv || kind == SL_OP_tensor_pool) {
            int64_t before, behind;
            rows input = window_rows(op, need.low, need.high, &before, &behind);
            if (input.low >= input.high) return false;
            want(b, sl_op_operand(op, 0), first, input.low, input.high);
            continue;
        }
        for (int o = 0; o < sl_op_operand_count(op); o++) {
            sl_value *operand = sl_op_operand(op, o);
            if (!is_image(operand)) continue;
            if (height(operand) == height(sl_op_result(op, 0))) want(b, operand, first, need.low, need.high);
            else want(b, operand, first, 0, 1);
        }
    }
    return true;
}

static double work_of_row(const sl_op *op) {
    sl_type type = sl_value_type(sl_op_result(op, 0));
    double elements = (double)sl_type_static_count(type) / (double)sl_type_static_dim(type, 1), each = 1;
    sl_type other = sl_op_operand_count(op) > 1 ? sl_value_type(sl_op_operand(op, 1)) : NULL;
    if (sl_op_get_kind(op) == SL_OP_tensor_conv) each = (double)sl_type_static_count(other) / (double)sl_type_static_dim(other, 3);
    if (sl_op_get_kind(op) == SL_OP_tensor_pool) each = (double)(sl_op_ints(op, "window", NULL)[0] * sl_op_ints(op, "window", NULL)[1]);
    return elements * each;
}

/* ---- choice ---- */

/* What is alive beside a segment while it runs: its ends and what goes past it (nothing: cuts). */
static void price(bound *b, const cut *from, const cut *to, int64_t bands, plan *found) {
    int first = from->position + 1, last = to->position;
    int64_t total = height(to->value), step = (total + bands - 1) / bands;
    double base = bytes_of(to->value), worst = 0, work = 0, whole = 0;
    int maker = maker_of(b, to->value);
    if (from->value) base += bytes_of(from->value);
    for (int64_t low = 0; low < total; low += step) {
        if (!find_rows(b, first, last, to->value, low, low + step < total ? low + step : total)) return;
        for (int p = first; p <= last; p++) {
            double live = 0;
            const rows *made = &b->need[p];
            if (made->high > made->low && sl_op_get_kind(b->ops[p]) != SL_OP_core_constant) work += work_of_row(b->ops[p]) * (double)(made->high - made->low);
            for (int i = first; i <= p; i++) {
                const rows *need = &b->need[i];
                if (i == maker || b->end[i] < p || b->bytes[i] == 0 || need->high <= need->low) continue;
                if (is_view(b->ops[i])) live += bytes_of(sl_op_operand(b->ops[i], 0));      /* copied as a whole */
                else live += b->bytes[i] * (double)(need->high - need->low) / (double)height(sl_op_result(b->ops[i], 0));
            }
            if (live > worst) worst = live;
        }
    }
    for (int p = first; p <= last; p++)
        if (sl_op_get_kind(b->ops[p]) != SL_OP_core_constant) whole += work_of_row(b->ops[p]) * (double)height(sl_op_result(b->ops[p], 0));
    *found = (plan){.bands = (total + step - 1) / step, .peak = base + worst, .extra = whole > 0 ? work / whole - 1 : 0};
}

/* The segment around `peak` that gets below the budget with the least work done twice; else the one that gets furthest. */
static plan choose(bound *b, int peak, double budget) {
    static const int64_t counts[] = {2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 48, 64};
    plan best = {.peak = INFINITY};
    for (int from = 0; from < b->cut_count && b->cuts[from].position < peak; from++)
        for (int to = from + 1; to < b->cut_count && to - from <= MAX_REACH; to++) {
            if (b->cuts[to].position < peak) continue;
            bool good = true;
            int first = b->cuts[from].position + 1;
            for (int i = first; i <= b->cuts[to].position && good; i++) good = can_band(b, b->ops[i], first);
            if (!good) break;
            for (size_t n = 0; n < sizeof counts / sizeof counts[0]; n++) {
                plan here = {.peak = INFINITY};
                if (counts[n] > height(b->cuts[to].value)) break;
                price(b, &b->cuts[from], &b->cuts[to], counts[n], &here);
                here.from = from, here.to = to;
                bool fits = here.peak <= budget, best_fits = best.peak <= budget;
                if (fits ? !best_fits || here.extra + 0.002 * (double)here.bands < best.extra + 0.002 * (double)best.bands : !best_fits && here.peak < best.peak) best = here;
                if (fits) break;                     /* more bands only cost more */
            }
        }
    return best;
}

/* ---- bands ---- */

static sl_type with_rows(bound *b, sl_type type, int axis, int64_t count) {
    sl_expr dims[SL_MAX_RANK];
    for (int d = 0; d < sl_type_rank(type); d++) dims[d] = d == axis ? sl_expr_const(b->context, count) : sl_type_dim(type, d);
    return sl_type_with_dims(b->context, type, sl_type_rank(type), dims);
}

static sl_value *slice_rows(bound *b, sl_builder *builder, sl_value *value, int axis, int64_t low, int64_t high) {
    sl_type type = sl_value_type(value), part = with_rows(b, type, axis, high - low);
    sl_expr starts[SL_MAX_RANK];
    int64_t steps[SL_MAX_RANK];
    if (part == type) return value;
    for (int d = 0; d < sl_type_rank(type); d++) starts[d] = sl_expr_const(b->context, d == axis ? low : 0), steps[d] = 1;
    sl_named_attr attrs[] = {{"starts", sl_attr_exprs(b->context, sl_type_rank(type), starts)}, {"steps", sl_attr_ints(b->context, sl_type_rank(type), steps)}};
    return sl_op_result(sl_build(builder, SL_OP_tensor_slice, 1, &value, 1, &part, 2, attrs), 0);
}

/* Rows low..high-1 of an image: out of what this band made of it, or of the whole. */
static sl_value *rows_of(bound *b, sl_builder *builder, sl_value *value, int first, int64_t low, int64_t high) {
    int maker = maker_of(b, value);
    if (maker < first || is_constant(value)) return slice_rows(b, builder, value, 1, low, high);
    return slice_rows(b, builder, b->made[maker], 1, low - b->need[maker].low, high - b->need[maker].low);
}

static sl_attr changed_ints(bound *b, sl_attr attr, int64_t first) {
    int64_t values[SL_MAX_RANK];
    int count = sl_attr_count(attr);
    for (int i = 0; i < count; i++) values[i] = i ? sl_attr_get_ints(attr)[i] : first;
    return sl_attr_ints(b->context, count, values);
}

static sl_value *band_op(bound *b, sl_builder *builder, sl_op *op, int first, rows need) {
    sl_op_kind kind = sl_op_get_kind(op);
    int operands = sl_op_operand_count(op), count = 0;
    sl_value **values = SL_NEW_ARRAY(b->arena, sl_value *, (size_t)operands + 1), *result = sl_op_result(op, 0);
    sl_type type = with_rows(b, sl_value_type(result), 1, need.high - need.low);
    sl_named_attr attrs[24];
    int64_t before = 0, behind = 0;
    bool window = kind == SL_OP_tensor_conv || kind == SL_OP_tensor_pool;
    for (int i = 0; i < operands; i++) {
        sl_value *operand = sl_op_operand(op, i);
        values[i] = operand;
        if (window && i == 0) {
            rows input = window_rows(op, need.low, need.high, &before, &behind);
            values[i] = rows_of(b, builder, operand, first, input.low, input.high);
        } else if (kind == SL_OP_tensor_transpose) {
            values[i] = slice_rows(b, builder, operand, (int)sl_op_ints(op, "perm", NULL)[1], need.low, need.high);
        } else if (!window && is_image(operand)) {
            bool all = height(operand) == height(result);
            values[i] = rows_of(b, builder, operand, first, all ? need.low : 0, all ? need.high : 1);
        }
    }
    for (int i = 0; i < sl_op_attr_count(op) && count < 24; i++) {
        sl_named_attr *attr = &attrs[count++];
        attr->attr = sl_op_attr_at(op, i, &attr->name);
        if (window && strcmp(attr->name, "pads_low") == 0) attr->attr = changed_ints(b, attr->attr, before);
        if (window && strcmp(attr->name, "pads_high") == 0) attr->attr = changed_ints(b, attr->attr, behind);
    }
    return sl_op_result(sl_build(builder, kind, operands, values, 1, &type, count, attrs), 0);
}

static void apply(bound *b, const plan *chosen) {
    const cut *from = &b->cuts[chosen->from], *to = &b->cuts[chosen->to];
    int first = from->position + 1, last = to->position, parts = 0;
    int64_t total = height(to->value), step = (total + chosen->bands - 1) / chosen->bands;
    sl_value **bands = SL_NEW_ARRAY(b->arena, sl_value *, (size_t)chosen->bands + 1);
    sl_builder builder = sl_builder_before(sl_op_next(b->ops[last]));
    for (int64_t low = 0; low < total; low += step) {
        find_rows(b, first, last, to->value, low, low + step < total ? low + step : total);
        for (int i = first; i <= last; i++) {
            if (sl_op_get_kind(b->ops[i]) == SL_OP_core_constant || b->need[i].low >= b->need[i].high) continue;
            builder.loc = sl_op_loc(b->ops[i]);
            b->made[i] = band_op(b, &builder, b->ops[i], first, b->need[i]);
        }
        bands[parts++] = b->made[maker_of(b, to->value)];
    }
    sl_type type = sl_value_type(to->value);
    sl_named_attr axis = {"axis", sl_attr_int(b->context, 1)};
    sl_op *whole = sl_build(&builder, SL_OP_tensor_concat, parts, bands, 1, &type, 1, &axis);
    sl_value *result = sl_op_result(whole, 0);
    sl_value_set_name(result, sl_value_name(to->value));
    sl_value_replace_all_uses(to->value, result);
}

static void prepare(bound *b, sl_block *block) {
    b->count = 0, b->ids = sl_module_op_count(b->pass->module);
    for (sl_op *op = sl_block_first(block); op; op = sl_op_next(op)) b->count++;
    b->ops = SL_NEW_ARRAY(b->arena, sl_op *, b->count + 1);
    b->position = SL_NEW_ARRAY(b->arena, int, b->ids + 1);
    for (size_t i = 0; i < b->ids; i++) b->position[i] = -1;
    b->count = 0;
    for (sl_op *op = sl_block_first(block); op && sl_op_next(op); op = sl_op_next(op)) {       /* not the terminator */
        b->position[sl_op_id(op)] = b->count;
        b->ops[b->count++] = op;
    }
    b->begin = SL_NEW_ARRAY(b->arena, int, b->count + 1), b->end = SL_NEW_ARRAY(b->arena, int, b->count + 1), b->bytes = SL_NEW_ARRAY(b->arena, double, b->count + 1);
    b->need = SL_NEW_ARRAY(b->arena, rows, b->count + 1), b->made = SL_NEW_ARRAY(b->arena, sl_value *, b->count + 1);
    measure(b);
    find_cuts(b);
}

static void bound_function(sl_pass_context *pass, sl_op *function) {
    double budget = (double)pass->memory_budget;
    for (int round = 0; round < 16; round++) {
        bound b = {.pass = pass, .context = sl_module_context(pass->module), .arena = pass->scratch};
        prepare(&b, sl_op_body(function, 0));
        int peak = -1;
        double most = 0;
        for (int p = 0; p < b.count; p++) {
            double live = live_at(&b, p);
            if (live > most) most = live, peak = p;
        }
        if (most <= budget) return;
        /* What plan-memory finds in the end can be a fifth above the estimate: bands that leave room are preferred. */
        plan chosen = {.peak = INFINITY};
        static const double shares[] = {0.75, 0.88, 1};
        for (int i = 0; i < 3; i++) {
            chosen = choose(&b, peak, shares[i] * budget);
            if (chosen.peak <= shares[i] * budget) break;
        }
        if (chosen.peak > budget || chosen.bands < 2) {
            if (chosen.peak < most && chosen.bands > 1)
                sl_op_report(b.ops[peak], SL_SEVERITY_REMARK, "about %.0f bytes are alive here; in bands of rows it would be about %.0f at the least, which is more than the budget of %lld", most, chosen.peak, (long long)pass->memory_budget);
            else
                sl_op_report(b.ops[peak], SL_SEVERITY_REMARK, "about %.0f bytes are alive here, more than the budget of %lld, and nothing around it can run in bands of rows", most, (long long)pass->memory_budget);
            return;
        }
        sl_pass_decide(pass, b.ops[peak], "bands", sl_arena_printf(pass->scratch, "%lld bands of rows over %d ops: about %.0f bytes alive instead of %.0f (budget %lld), %.1f %% of the work done twice",
                       (long long)chosen.bands, b.cuts[chosen.to].position - b.cuts[chosen.from].position, chosen.peak, most, (long long)pass->memory_budget, 100 * chosen.extra));
        apply(&b, &chosen);
        sl_block_erase_dead(sl_op_body(function, 0));
        pass->changes++;
    }
}

sl_status sl_pass_bound_memory(sl_pass_context *pass) {
    if (pass->memory_budget <= 0) return NULL;
    for (sl_op *function = sl_block_first(sl_module_body(pass->module)); function; function = sl_op_next(function))
        if (sl_op_get_kind(function) == SL_OP_core_func && !sl_op_bool(function, "buffers", false)) bound_function(pass, function);
    return NULL;
}
