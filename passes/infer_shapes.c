/* infer_shapes.c: pass infer-shapes: one forward walk that re-infers every type from the function's arguments on.
 *
 * In:  a verified module at the tensor level.
 * Out: the same computation. Result types are what the rows' infer hooks say; shapes that the model computes are static forms (resolve_dynamic.c); a fresh
 *      symbol remains only where the dim is really known while running. Loops have trip_count where it is known.
 *
 * Method: a substitution of fresh symbols (shape_map.h) grows while walking; each op first gets the substitution, then is resolved or re-inferred: where its
 * type has a fresh symbol and inference knows better, the symbol is substituted; a new fresh symbol from inference never replaces an old one. For a loop the
 * carried dims are first left symbolic; those that the body gives back unchanged (the largest consistent set, by iteration) are substituted by the initial dims
 * and the body is walked once more. At the end the substitution is applied to the whole function, since earlier ops may hold symbols that later ones solved. */
#include "passes_internal.h"
#include "resolve_dynamic.h"

#include <string.h>

typedef struct inferer {
    sl_pass_context *pass;
    sl_context *context;
    sl_shape_map map;
    int depth;                 /* region depth of the walk */
    uint16_t *symbol_depth;    /* by expr id: 1 + depth at which a fresh symbol was first seen */
    size_t symbol_capacity;
    bool failed;
} inferer;

/* ---- which symbols are visible where ---- */
static void note_symbol(void *self, sl_expr symbol) {
    inferer *in = self;
    uint32_t id = sl_expr_id(symbol);
    if (!sl_expr_is_fresh(symbol)) return;
    if (id >= in->symbol_capacity) {
        size_t capacity = in->symbol_capacity ? in->symbol_capacity : 256;
        while (capacity <= id) capacity *= 2;
        uint16_t *grown = SL_NEW_ARRAY(in->pass->scratch, uint16_t, capacity);
        if (in->symbol_capacity) memcpy(grown, in->symbol_depth, in->symbol_capacity * sizeof *grown);
        in->symbol_depth = grown;
        in->symbol_capacity = capacity;
    }
    if (!in->symbol_depth[id]) in->symbol_depth[id] = (uint16_t)(1 + in->depth);
}

static bool has_dims(sl_type type) { return (sl_type_is_tensor(type) || sl_type_is_buffer(type)) && sl_type_is_ranked(type); }

static void note_value(inferer *in, const sl_value *value) {
    sl_type type = sl_value_type(value);
    if (!has_dims(type)) return;
    for (int d = 0; d < sl_type_rank(type); d++) sl_expr_visit_symbols(sl_type_dim(type, d), note_symbol, in);
}

typedef struct visibility { const inferer *in; int depth; bool visible; } visibility;

static void check_symbol(void *self, sl_expr symbol) {
    visibility *v = self;
    uint32_t id = sl_expr_id(symbol);
    if (!sl_expr_is_fresh(symbol)) return;
    v->visible &= id < v->in->symbol_capacity && v->in->symbol_depth[id] && v->in->symbol_depth[id] <= 1 + v->depth;
}

/* Whether every fresh symbol of expr is bound at or outside of the current depth. */
static bool is_visible(const inferer *in, sl_expr expr) {
    visibility v = {in, in->depth, true};
    sl_expr_visit_symbols(expr, check_symbol, &v);
    return v.visible;
}

static bool is_fresh(sl_expr expr) { return sl_expr_get_kind(expr) == SL_EXPR_SYMBOL && sl_expr_is_fresh(expr); }

static void set_type(inferer *in, sl_value *value, sl_type type) {
    if (sl_value_type(value) == type) return;
    sl_value_set_type(value, type);
    in->pass->changes++;
}

/* ---- merging an op's type with what was inferred ---- */
static sl_expr merge_dim(inferer *in, const sl_op *op, int axis, sl_expr old, sl_expr inferred) {
    int64_t a, b;
    if (old == inferred) return old;
    if (!is_visible(in, inferred)) return old;    /* made up by the hook: the old dim is as good */
    if (is_fresh(old)) return sl_shape_map_add(&in->map, old, inferred) ? inferred : old;
    if (sl_expr_is_const(old, &a) && sl_expr_is_const(inferred, &b)) {
        sl_op_report(op, SL_SEVERITY_ERROR, "result has dimension %lld on axis %d, but its operands make it %lld", (long long)a, axis, (long long)b);
        in->failed = true;
        return old;
    }
    return inferred;
}

static sl_type merge_type(inferer *in, const sl_op *op, sl_type old, sl_type inferred) {
    sl_expr dims[SL_MAX_RANK];
    if (old == inferred || !has_dims(inferred)) return has_dims(old) ? old : inferred;
    if (!has_dims(old)) return inferred;
    if (sl_type_rank(old) != sl_type_rank(inferred)) {
        sl_op_report(op, SL_SEVERITY_ERROR, "result has rank %d, but its operands make it %d", sl_type_rank(old), sl_type_rank(inferred));
        in->failed = true;
        return old;
    }
    for (int d = 0; d < sl_type_rank(old); d++) dims[d] = merge_dim(in, op, d, sl_type_dim(old, d), sl_type_dim(inferred, d));
    return sl_type_with_dims(in->context, inferred, sl_type_rank(inferred), dims);
}

/* Element-wise ops demand one shape. Dims of two operands that differ are assumed equal: a fresh one is substituted, else a guard is placed and the operand is
 * seen under the first one's shape. Contractions only need the guard. */
static void align_elementwise(inferer *in, sl_op *op) {
    sl_type first = sl_value_type(sl_op_operand(op, 0));
    sl_builder builder = sl_builder_before(op);
    for (int i = 1; i < sl_op_operand_count(op); i++) {
        sl_value *value = sl_op_operand(op, i);
        sl_type type = sl_value_type(value);
        if (!has_dims(first) || !has_dims(type) || sl_type_rank(first) != sl_type_rank(type)) continue;
        bool differs = false;
        for (int d = 0; d < sl_type_rank(type); d++) {
            sl_expr a = sl_shape_map_expr(&in->map, sl_type_dim(first, d)), b = sl_shape_map_expr(&in->map, sl_type_dim(type, d));
            if (a == b || (sl_expr_is_const(a, NULL) && sl_expr_is_const(b, NULL))) continue;
            if (is_fresh(b) && sl_shape_map_add(&in->map, b, a)) continue;
            if (is_fresh(a) && sl_shape_map_add(&in->map, a, b)) continue;
            sl_build_guard(&builder, a, b, "operands of an elementwise operation have different shapes");
            differs = true;
        }
        first = sl_shape_map_type(&in->map, first);
        set_type(in, sl_op_operand(op, 0), sl_shape_map_type(&in->map, sl_value_type(sl_op_operand(op, 0))));
        set_type(in, value, sl_shape_map_type(&in->map, type));
        if (!differs) continue;
        sl_type same = sl_type_with_element(in->context, first, sl_type_element(type));
        sl_op_set_operand(op, i, sl_op_result(sl_build(&builder, SL_OP_tensor_reshape, 1, &value, 1, &same, 0, NULL), 0));
        in->pass->changes++;
    }
}

static void guard_contraction(inferer *in, sl_op *op) {
    static const char *const pairs[2][2] = {{"left_batch", "right_batch"}, {"left_sum", "right_sum"}};
    sl_type left = sl_value_type(sl_op_operand(op, 0)), right = sl_value_type(sl_op_operand(op, 1));
    sl_op *before = sl_op_previous(op);
    if (!has_dims(left) || !has_dims(right) || (before && sl_op_get_kind(before) == SL_OP_core_guard)) return;
    sl_builder builder = sl_builder_before(op);
    for (int p = 0; p < 2; p++) {
        int count, other;
        const int64_t *l = sl_op_ints(op, pairs[p][0], &count), *r = sl_op_ints(op, pairs[p][1], &other);
        for (int i = 0; i < count && i < other; i++) {
            sl_expr a = sl_type_dim(left, (int)l[i]), b = sl_type_dim(right, (int)r[i]);
            if (a == b || (sl_expr_is_const(a, NULL) && sl_expr_is_const(b, NULL))) continue;
            sl_build_guard(&builder, a, b, "the sizes of the summed or paired dimensions of a product differ");
            in->pass->changes++;
        }
    }
}

/* ---- control flow ---- */
static void infer_block(inferer *in, sl_block *block);

static void infer_region(inferer *in, sl_block *block) {
    in->depth++;
    for (int a = 0; a < sl_block_argument_count(block); a++) {
        sl_value *argument = sl_block_argument(block, a);
        set_type(in, argument, sl_shape_map_type(&in->map, sl_value_type(argument)));
        note_value(in, argument);
    }
    infer_block(in, block);
    in->depth--;
}

static sl_value *yielded(sl_block *block, int index) { return sl_op_operand(sl_block_terminator(block), index); }

/* Takes `type` for a result of control flow where its dims are visible outside. */
static void merge_result(inferer *in, sl_op *op, int index, sl_type type) {
    sl_value *result = sl_op_result(op, index);
    sl_type old = sl_value_type(result);
    sl_expr dims[SL_MAX_RANK];
    if (!has_dims(type)) return;
    for (int d = 0; d < sl_type_rank(type); d++) {
        dims[d] = sl_type_dim(type, d);
        if (is_visible(in, dims[d])) continue;
        bool keep = has_dims(old) && sl_type_rank(old) == sl_type_rank(type);
        dims[d] = keep ? sl_type_dim(old, d) : sl_expr_fresh(in->context);
        sl_expr_visit_symbols(dims[d], note_symbol, in);
    }
    set_type(in, result, merge_type(in, op, old, sl_type_with_dims(in->context, type, sl_type_rank(type), dims)));
}

static void infer_if(inferer *in, sl_op *op) {
    sl_block *blocks[2] = {sl_op_body(op, 0), sl_op_body(op, 1)};
    sl_attr condition = sl_value_constant(sl_op_operand(op, 0));
    for (int g = 0; g < 2; g++) infer_region(in, blocks[g]);
    for (int i = 0; i < sl_op_result_count(op); i++) {
        sl_type types[2];
        for (int g = 0; g < 2; g++) types[g] = sl_shape_map_type(&in->map, sl_value_type(yielded(blocks[g], i)));
        if (condition && sl_attr_data_size(condition) > 0) {
            merge_result(in, op, i, types[sl_attr_data_int(condition, 0) ? 0 : 1]);
            continue;
        }
        if (!has_dims(types[0]) || !has_dims(types[1]) || sl_type_rank(types[0]) != sl_type_rank(types[1])) continue;
        sl_type old = sl_value_type(sl_op_result(op, i));
        sl_expr dims[SL_MAX_RANK];
        bool keep = has_dims(old) && sl_type_rank(old) == sl_type_rank(types[0]);
        for (int d = 0; d < sl_type_rank(types[0]); d++) {
            dims[d] = sl_type_dim(types[0], d);
            if (dims[d] == sl_type_dim(types[1], d) && is_visible(in, dims[d])) continue;
            dims[d] = keep ? sl_type_dim(old, d) : sl_expr_fresh(in->context);
            if (keep && !is_fresh(dims[d]) && sl_expr_is_const(sl_type_dim(types[0], d), NULL) && sl_expr_is_const(sl_type_dim(types[1], d), NULL))
                dims[d] = sl_expr_fresh(in->context);   /* the branches disagree, so a declared dim can't hold for both */
            sl_expr_visit_symbols(dims[d], note_symbol, in);
        }
        sl_type merged = sl_type_with_dims(in->context, types[0], sl_type_rank(types[0]), dims);
        sl_shape_map_unify(&in->map, old, merged);
        set_type(in, sl_op_result(op, i), merged);
    }
}

/* Largest set of fresh carried dims that the loop leaves as they were at the start. Adds them to the map; returns how many. */
static int solve_carried(inferer *in, sl_op *op, int carried) {
    sl_block *body = sl_op_body(op, 0);
    sl_arena *scratch = in->pass->scratch;
    typedef struct candidate { sl_expr symbol, start, next; bool out; } candidate;
    SL_VEC(candidate) candidates = {0};
    for (int i = 0; i < carried; i++) {
        sl_type argument = sl_value_type(sl_block_argument(body, 2 + i)), start = sl_value_type(sl_op_operand(op, 2 + i));
        sl_type next = sl_shape_map_type(&in->map, sl_value_type(yielded(body, 1 + i)));
        if (!has_dims(argument) || !has_dims(start) || !has_dims(next)) continue;
        if (sl_type_rank(argument) != sl_type_rank(start) || sl_type_rank(argument) != sl_type_rank(next)) continue;
        for (int d = 0; d < sl_type_rank(argument); d++) {
            sl_expr symbol = sl_shape_map_expr(&in->map, sl_type_dim(argument, d));
            if (!is_fresh(symbol)) continue;
            candidate found = {symbol, sl_shape_map_expr(&in->map, sl_type_dim(start, d)), sl_type_dim(next, d), false};
            if (found.start != symbol) SL_PUSH(scratch, &candidates, found);
        }
    }
    for (bool again = true; again;) {
        sl_shape_map trial;
        sl_shape_map_init(&trial, in->context, scratch);
        for (size_t i = 0; i < candidates.count; i++) {
            candidate *c = &candidates.data[i];
            if (!c->out) sl_shape_map_add(&trial, c->symbol, c->start);
        }
        again = false;
        for (size_t i = 0; i < candidates.count; i++) {
            candidate *c = &candidates.data[i];
            if (c->out || sl_shape_map_expr(&trial, c->next) == sl_shape_map_expr(&trial, c->start)) continue;
            /* Every use of the symbol is out, under another axis too. */
            for (size_t j = 0; j < candidates.count; j++) candidates.data[j].out |= candidates.data[j].symbol == c->symbol;
            again = true;
        }
    }
    int added = 0;
    for (size_t i = 0; i < candidates.count; i++)
        if (!candidates.data[i].out) added += sl_shape_map_add(&in->map, candidates.data[i].symbol, candidates.data[i].start);
    return added;
}

static bool is_constant_true(const sl_value *value) {
    sl_attr constant = sl_value_constant(value);
    return constant && sl_attr_data_size(constant) > 0 && sl_attr_data_int(constant, 0) != 0;
}

static void find_trip_count(inferer *in, sl_op *op) {
    sl_block *body = sl_op_body(op, 0);
    sl_expr trips;
    int64_t bound;
    sl_value *next = yielded(body, 0);
    if (sl_op_attr(op, "trip_count") || !is_constant_true(sl_op_operand(op, 1))) return;
    if (next != sl_block_argument(body, 1) && !is_constant_true(next)) return;
    if (sl_value_as_exprs(sl_op_operand(op, 0), &trips, 1) != 1) return;
    trips = sl_shape_map_expr(&in->map, trips);
    if (!sl_expr_lower_bound(trips, false, &bound) || bound < 0 || sl_expr_const_or(trips, 0) == INT64_MAX) return;
    sl_op_set_attr(op, "trip_count", sl_attr_expr(in->context, trips));
    in->pass->changes++;
}

static void infer_loop(inferer *in, sl_op *op) {
    sl_block *body = sl_op_body(op, 0);
    int carried = (int)sl_op_int(op, "carried", 0);
    for (int i = 0; i < carried; i++) {
        sl_value *argument = sl_block_argument(body, 2 + i);
        sl_type start = sl_value_type(sl_op_operand(op, 2 + i));
        if (has_dims(sl_value_type(argument)) || !has_dims(start)) continue;
        sl_expr dims[SL_MAX_RANK];     /* declared without a shape: assume the rank stays; the verifier objects when it does not */
        for (int d = 0; d < sl_type_rank(start); d++) dims[d] = sl_expr_fresh(in->context);
        set_type(in, argument, sl_type_with_dims(in->context, start, sl_type_rank(start), dims));
    }
    infer_region(in, body);
    if (solve_carried(in, op, carried)) infer_region(in, body);
    find_trip_count(in, op);
    for (int i = 0; i < carried; i++) {
        sl_type argument = sl_shape_map_type(&in->map, sl_value_type(sl_block_argument(body, 2 + i)));
        merge_result(in, op, i, argument);
    }
    for (int i = carried; i < sl_op_result_count(op); i++) {
        sl_type item = sl_shape_map_type(&in->map, sl_value_type(yielded(body, 1 + i)));
        if (!has_dims(item) || sl_type_rank(item) >= SL_MAX_RANK) continue;
        sl_expr dims[SL_MAX_RANK];
        sl_type old = sl_value_type(sl_op_result(op, i));
        bool keep = has_dims(old) && sl_type_rank(old) == sl_type_rank(item) + 1;
        sl_attr trips = sl_op_attr(op, "trip_count");
        dims[0] = trips ? sl_attr_get_expr(trips) : keep ? sl_type_dim(old, 0) : sl_expr_fresh(in->context);
        sl_expr_visit_symbols(dims[0], note_symbol, in);
        for (int d = 0; d < sl_type_rank(item); d++) dims[1 + d] = sl_type_dim(item, d);
        merge_result(in, op, i, sl_type_with_dims(in->context, item, sl_type_rank(item) + 1, dims));
    }
}

static void infer_switch(inferer *in, sl_op *op) {
    for (int g = 0; g < sl_op_region_count(op); g++) infer_region(in, sl_op_body(op, g));
}

/* ---- the walk ---- */
static void infer_hooked(inferer *in, sl_op *op) {
    sl_type results[SL_MAX_RANK];
    const char *message = NULL;
    const sl_op_info *info = sl_op_get_info(op);
    sl_op_kind kind = sl_op_get_kind(op);
    if (kind == SL_OP_arith_cast || kind == SL_OP_arith_bitcast) {
        sl_type from = sl_value_type(sl_op_operand(op, 0)), to = sl_value_type(sl_op_result(op, 0));
        if (has_dims(from)) set_type(in, sl_op_result(op, 0), merge_type(in, op, to, sl_type_with_element(in->context, from, sl_type_element(to))));
        return;
    }
    if (!info->infer) return;
    if (!sl_op_infer(op, results, &message)) {
        sl_op_report(op, SL_SEVERITY_ERROR, "%s: %s", sl_op_name(op), message ? message : "its type can't be inferred");
        in->failed = true;
        return;
    }
    for (int i = 0; i < sl_op_result_count(op); i++) {
        sl_value *result = sl_op_result(op, i);
        set_type(in, result, merge_type(in, op, sl_value_type(result), results[i]));
    }
}

static void infer_op(inferer *in, sl_op *op) {
    sl_op_kind kind = sl_op_get_kind(op);
    if (sl_shape_map_apply_op(&in->map, op)) in->pass->changes++;
    sl_builder builder = sl_builder_before(op);
    sl_value *replacement = sl_resolve_dynamic(&builder, &in->map, op);
    if (replacement) {
        sl_op_replace(op, &replacement);
        in->pass->changes++;
        note_value(in, replacement);
        return;
    }
    if (kind == SL_OP_tensor_if) infer_if(in, op);
    else if (kind == SL_OP_tensor_loop) infer_loop(in, op);
    else if (kind == SL_OP_route_switch || kind == SL_OP_route_dispatch) infer_switch(in, op);
    else {
        if (sl_op_has_trait(op, SL_TRAIT_ELEMENTWISE)) align_elementwise(in, op);
        if (kind == SL_OP_tensor_contract) guard_contraction(in, op);
        infer_hooked(in, op);
    }
    for (int i = 0; i < sl_op_result_count(op); i++) note_value(in, sl_op_result(op, i));
}

static void infer_block(inferer *in, sl_block *block) {
    for (sl_op *op = sl_block_first(block), *next; op; op = next) {
        next = sl_op_next(op);
        infer_op(in, op);
    }
}

sl_status sl_pass_infer_shapes(sl_pass_context *pass) {
    inferer in = {.pass = pass, .context = sl_module_context(pass->module)};
    for (sl_op *func = sl_block_first(sl_module_body(pass->module)); func; func = sl_op_next(func)) {
        if (sl_op_get_kind(func) != SL_OP_core_func || sl_op_bool(func, "buffers", false)) continue;
        sl_shape_map_init(&in.map, in.context, pass->scratch);
        in.depth = -1;
        infer_region(&in, sl_op_body(func, 0));
        pass->changes += sl_shape_map_apply(&in.map, func);
    }
    return in.failed ? SL_PASS_FAILED("infer-shapes") : NULL;
}
