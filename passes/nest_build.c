/* nest_build.c: making and rewriting nest.generic ops; see nest_build.h. */
#include "nest_build.h"
#include "shape_map.h"

#include <assert.h>
#include <math.h>
#include <string.h>

void sl_spec_init(sl_nest_spec *spec, sl_context *context) {
    spec->context = context;
    spec->loop_count = spec->operand_count = spec->result_count = 0;
    spec->reason = NULL;
}

sl_expr sl_spec_loop(sl_nest_spec *spec, sl_expr bound, bool reduced) {
    if (sl_expr_equals_const(bound, 1)) return sl_expr_const(spec->context, 0);
    assert(spec->loop_count < SL_NEST_MAX_LOOPS && "rank is at most 16, so parallel and reduced loops together are at most 32");
    spec->bounds[spec->loop_count] = bound;
    spec->reduced[spec->loop_count] = reduced;
    return sl_expr_loop(spec->context, spec->loop_count++);
}

void sl_spec_loops_over(sl_nest_spec *spec, sl_type type, sl_expr *index) {
    for (int i = 0, rank = sl_type_rank(type); i < rank; i++) index[i] = sl_spec_loop(spec, sl_type_dim(type, i), false);
}

bool sl_spec_has_reduction(const sl_nest_spec *spec) {
    for (int i = 0; i < spec->loop_count; i++)
        if (spec->reduced[i]) return true;
    return false;
}

static void set_access(sl_nest_access *access, sl_value *value, sl_type type, const sl_expr *index, sl_attr constant) {
    access->value = value, access->type = type, access->constant = constant;
    for (int i = 0, rank = sl_type_rank(type); i < rank; i++) access->index[i] = index[i];
}

int sl_spec_operand(sl_nest_spec *spec, sl_value *value, const sl_expr *index, sl_attr outside) {
    sl_type type = sl_value_type(value);
    size_t bytes = (size_t)sl_type_rank(type) * sizeof(*index);
    for (int i = 0; i < spec->operand_count; i++) {
        const sl_nest_access *old = &spec->operands[i];
        if (old->value == value && old->constant == outside && memcmp(old->index, index, bytes) == 0) return i;
    }
    assert(spec->operand_count < SL_NEST_MAX_OPERANDS && "callers that merge nests check the room first");
    set_access(&spec->operands[spec->operand_count], value, type, index, outside);
    return spec->operand_count++;
}

int sl_spec_result(sl_nest_spec *spec, sl_type type, const sl_expr *index, sl_attr init) {
    assert(spec->result_count < SL_NEST_MAX_RESULTS);
    if (!init) init = sl_scalar_int(spec->context, sl_type_element(type), 0);
    set_access(&spec->results[spec->result_count], NULL, type, index, init);
    return spec->result_count++;
}

sl_op *sl_spec_build(const sl_nest_spec *spec, sl_builder *builder) {
    sl_context *context = spec->context;
    sl_attr loops[SL_NEST_MAX_LOOPS], iterators[SL_NEST_MAX_LOOPS], maps[SL_NEST_MAX_OPERANDS + SL_NEST_MAX_RESULTS];
    sl_attr outside[SL_NEST_MAX_OPERANDS], inits[SL_NEST_MAX_RESULTS];
    sl_value *operands[SL_NEST_MAX_OPERANDS];
    sl_type types[SL_NEST_MAX_RESULTS];
    bool any_outside = false;
    for (int i = 0; i < spec->loop_count; i++) {
        loops[i] = sl_attr_expr(context, spec->bounds[i]);
        iterators[i] = sl_attr_string(context, spec->reduced[i] ? "reduction" : "parallel");
    }
    for (int i = 0; i < spec->operand_count; i++) {
        const sl_nest_access *access = &spec->operands[i];
        operands[i] = access->value;
        maps[i] = sl_attr_map(context, spec->loop_count, sl_type_rank(access->type), access->index);
        outside[i] = access->constant ? access->constant : sl_attr_bool(context, false);
        any_outside |= access->constant != NULL;
    }
    for (int i = 0; i < spec->result_count; i++) {
        const sl_nest_access *access = &spec->results[i];
        types[i] = access->type;
        inits[i] = access->constant;
        maps[spec->operand_count + i] = sl_attr_map(context, spec->loop_count, sl_type_rank(access->type), access->index);
    }
    sl_named_attr attrs[6] = {
        {"bounds", sl_attr_array(context, spec->loop_count, loops)},
        {"iterators", sl_attr_array(context, spec->loop_count, iterators)},
        {"maps", sl_attr_array(context, spec->operand_count + spec->result_count, maps)},
        {"init", sl_attr_array(context, spec->result_count, inits)},
    };
    int count = 4;
    if (any_outside) attrs[count++] = (sl_named_attr){"outside", sl_attr_array(context, spec->operand_count, outside)};
    if (spec->reason) attrs[count++] = (sl_named_attr){"reason", sl_attr_string(context, spec->reason)};
    sl_op *nest = sl_build(builder, SL_OP_nest_generic, spec->operand_count, operands, spec->result_count, types, count, attrs);
    sl_block *body = sl_nest_body(nest);
    for (int i = 0; i < spec->operand_count; i++)
        sl_block_add_argument(body, sl_type_scalar(context, sl_type_element(spec->operands[i].type)));
    for (int i = 0; i < spec->result_count; i++) sl_block_add_argument(body, sl_attr_get_type(inits[i]));
    return nest;
}

static void read_map(sl_nest_access *access, sl_attr map) {
    for (int i = 0, n = sl_attr_count(map); i < n; i++) access->index[i] = sl_attr_map_result(map, i);
}

void sl_spec_read(sl_nest_spec *spec, const sl_op *nest) {
    sl_spec_init(spec, sl_op_context(nest));
    spec->loop_count = sl_nest_loop_count(nest);
    spec->operand_count = sl_op_operand_count(nest);
    spec->result_count = sl_op_result_count(nest);
    assert(spec->loop_count <= SL_NEST_MAX_LOOPS && spec->operand_count <= SL_NEST_MAX_OPERANDS && spec->result_count <= SL_NEST_MAX_RESULTS);
    for (int i = 0; i < spec->loop_count; i++) spec->bounds[i] = sl_nest_bound(nest, i), spec->reduced[i] = sl_nest_is_reduced(nest, i);
    for (int i = 0; i < spec->operand_count; i++) {
        sl_nest_access *access = &spec->operands[i];
        access->value = sl_op_operand(nest, i);
        access->type = sl_value_type(access->value);
        access->constant = sl_nest_outside(nest, i);
        read_map(access, sl_nest_map(nest, i));
    }
    for (int i = 0; i < spec->result_count; i++) {
        sl_nest_access *access = &spec->results[i];
        access->value = NULL;
        access->type = sl_value_type(sl_op_result(nest, i));
        access->constant = sl_nest_init(nest, i);
        read_map(access, sl_nest_result_map(nest, i));
    }
    spec->reason = sl_op_string(nest, "reason", NULL);
}

static void substitute_access(sl_nest_spec *spec, sl_nest_access *access, const sl_expr *substitution, int old_count) {
    for (int i = 0, rank = sl_type_rank(access->type); i < rank; i++)
        access->index[i] = sl_expr_substitute(spec->context, access->index[i], substitution, old_count, NULL, NULL);
}

void sl_spec_substitute(sl_nest_spec *spec, const sl_expr *substitution, int count, const sl_expr *bounds, const bool *reduced) {
    int old_count = spec->loop_count;
    for (int i = 0; i < spec->operand_count; i++) substitute_access(spec, &spec->operands[i], substitution, old_count);
    for (int i = 0; i < spec->result_count; i++) substitute_access(spec, &spec->results[i], substitution, old_count);
    spec->loop_count = count;
    for (int i = 0; i < count; i++) spec->bounds[i] = bounds[i], spec->reduced[i] = reduced[i];
}

sl_op *sl_nest_rewrite(sl_builder *builder, sl_op *nest, const sl_expr *substitution, int count, const sl_expr *bounds, const bool *reduced) {
    sl_nest_spec spec;
    sl_value *values[SL_NEST_MAX_OPERANDS + SL_NEST_MAX_RESULTS];
    sl_spec_read(&spec, nest);
    int old_count = spec.loop_count, value_count = spec.operand_count + spec.result_count;
    sl_spec_substitute(&spec, substitution, count, bounds, reduced);
    sl_loc loc = builder->loc;
    builder->loc = sl_op_loc(nest);
    sl_op *copy = sl_spec_build(&spec, builder);
    builder->loc = loc;
    for (int i = 0; i < value_count; i++) values[i] = sl_block_argument(sl_nest_body(copy), i);
    sl_builder inside = sl_builder_at_end(builder->module, sl_nest_body(copy));
    sl_block_inline(&inside, sl_nest_body(nest), values);
    sl_body_substitute_loops(builder->module, sl_nest_body(copy), sl_block_first(sl_nest_body(copy)), substitution, old_count);
    for (int i = 0; i < spec.result_count; i++) {
        sl_value_set_name(sl_op_result(copy, i), sl_value_name(sl_op_result(nest, i)));
        values[i] = sl_op_result(copy, i);
    }
    sl_op_replace(nest, values);
    return copy;
}

/* ---- index expressions as values ---- */

static sl_value *emit_dim(sl_builder *builder, sl_expr expr) {
    sl_context *context = sl_module_context(builder->module);
    sl_type type = sl_type_scalar(context, SL_ELEMENT_i64);
    sl_named_attr attr = {"value", sl_attr_expr(context, expr)};
    return sl_op_result(sl_build(builder, SL_OP_core_dim, 0, NULL, 1, &type, 1, &attr), 0);
}

static sl_value *emit_floordiv(sl_builder *builder, sl_value *a, sl_value *b) {
    sl_value *remainder = sl_build_binary(builder, SL_OP_arith_mod, a, b);   /* has the divisor's sign, so the difference divides exactly */
    return sl_build_binary(builder, SL_OP_arith_div, sl_build_binary(builder, SL_OP_arith_sub, a, remainder), b);
}

static sl_value *emit_sum(sl_builder *builder, sl_expr expr) {
    sl_type type = sl_type_scalar(sl_module_context(builder->module), SL_ELEMENT_i64);
    sl_value *sum = NULL;
    for (int t = 0, n = sl_expr_term_count(expr); t < n; t++) {
        int64_t coefficient = sl_expr_term_coefficient(expr, t);
        sl_value *term = NULL;
        for (int f = 0, m = sl_expr_term_factor_count(expr, t); f < m; f++) {
            sl_value *factor = sl_emit_expr(builder, sl_expr_term_factor(expr, t, f));
            term = term ? sl_build_binary(builder, SL_OP_arith_mul, term, factor) : factor;
        }
        if (!term) term = sl_build_constant_int(builder, type, coefficient);
        else if (coefficient != 1) term = sl_build_binary(builder, SL_OP_arith_mul, term, sl_build_constant_int(builder, type, coefficient));
        sum = sum ? sl_build_binary(builder, SL_OP_arith_add, sum, term) : term;
    }
    return sum ? sum : sl_build_constant_int(builder, type, 0);
}

sl_value *sl_emit_expr(sl_builder *builder, sl_expr expr) {
    sl_context *context = sl_module_context(builder->module);
    sl_type type = sl_type_scalar(context, SL_ELEMENT_i64);
    int64_t constant;
    if (sl_expr_is_const(expr, &constant)) return sl_build_constant_int(builder, type, constant);
    if (!sl_expr_uses_any_loop(expr)) return emit_dim(builder, expr);
    sl_expr_kind kind = sl_expr_get_kind(expr);
    if (kind == SL_EXPR_LOOP) {
        sl_named_attr attr = {"loop", sl_attr_int(context, sl_expr_loop_index(expr))};
        return sl_op_result(sl_build(builder, SL_OP_nest_index, 0, NULL, 1, &type, 1, &attr), 0);
    }
    if (kind == SL_EXPR_SUM) return emit_sum(builder, expr);
    sl_value *a = sl_emit_expr(builder, sl_expr_operand(expr, 0)), *b = sl_emit_expr(builder, sl_expr_operand(expr, 1));
    switch (kind) {
    case SL_EXPR_CONST: case SL_EXPR_SYMBOL: case SL_EXPR_LOOP: case SL_EXPR_SUM: break;
    case SL_EXPR_FLOORDIV: return emit_floordiv(builder, a, b);
    case SL_EXPR_CEILDIV:
        return sl_build_unary(builder, SL_OP_arith_neg, emit_floordiv(builder, sl_build_unary(builder, SL_OP_arith_neg, a), b));
    case SL_EXPR_MOD: return sl_build_binary(builder, SL_OP_arith_mod, a, b);
    case SL_EXPR_MIN: return sl_build_binary(builder, SL_OP_arith_min, a, b);
    case SL_EXPR_MAX: return sl_build_binary(builder, SL_OP_arith_max, a, b);
    case SL_EXPR_BCAST:
        return sl_build_select(builder, sl_build_compare(builder, "eq", a, sl_build_constant_int(builder, type, 1)), b, a);
    }
    assert(!"atoms were handled above");
    return a;
}

void sl_body_substitute_loops(sl_module *module, sl_block *body, sl_op *first, const sl_expr *substitution, int count) {
    (void)module, (void)body;
    for (sl_op *op = first, *next; op; op = next) {
        next = sl_op_next(op);
        if (sl_op_get_kind(op) != SL_OP_nest_index) continue;
        int64_t loop = sl_op_int(op, "loop", 0);
        if (loop >= count || !substitution[loop]) continue;
        int plain = sl_expr_plain_loop(substitution[loop]);
        if (plain >= 0) {
            sl_op_set_attr(op, "loop", sl_attr_int(sl_op_context(op), plain));
            continue;
        }
        sl_builder builder = sl_builder_before(op);
        sl_value *value = sl_emit_expr(&builder, substitution[loop]);
        sl_op_replace(op, &value);
    }
}

/* ---- scalar constants ---- */

sl_attr sl_scalar_int(sl_context *context, sl_element element, int64_t value) {
    unsigned char bytes[8] = {0};
    if (sl_element_is_float(element)) sl_element_store_float(element, bytes, 0, (double)value);
    else sl_element_store_int(element, bytes, 0, value);
    return sl_attr_data_copy(context, sl_type_scalar(context, element), bytes, sl_element_bytes(element, 1));
}

sl_attr sl_scalar_float(sl_context *context, sl_element element, double value) {
    unsigned char bytes[8] = {0};
    sl_element_store_float(element, bytes, 0, value);
    return sl_attr_data_copy(context, sl_type_scalar(context, element), bytes, sl_element_bytes(element, 1));
}

static int64_t integer_extreme(sl_element element, bool highest) {
    int bits = sl_element_bits(element);
    if (element == SL_ELEMENT_i1) return highest;
    if (sl_element_is_signed(element)) {
        int64_t low = bits == 64 ? INT64_MIN : -((int64_t)1 << (bits - 1));
        return highest ? -(low + 1) : low;
    }
    return !highest ? 0 : bits == 64 ? -1 : ((int64_t)1 << bits) - 1;   /* u64 as its bit pattern */
}

/* 8-bit floats have no infinity in some formats: their largest finite value is what a stored infinity saturates to, which serves as well. */
static sl_attr extreme(sl_context *context, sl_element element, bool highest) {
    if (sl_element_is_float(element)) return sl_scalar_float(context, element, highest ? INFINITY : -INFINITY);
    return sl_scalar_int(context, element, integer_extreme(element, highest));
}

sl_attr sl_scalar_identity(sl_context *context, sl_element element, const char *kind) {
    if (strcmp(kind, "max") == 0) return extreme(context, element, false);
    if (strcmp(kind, "min") == 0) return extreme(context, element, true);
    if (strcmp(kind, "and") == 0) return sl_scalar_int(context, element, element == SL_ELEMENT_i1 ? 1 : -1);
    return sl_scalar_int(context, element, strcmp(kind, "prod") == 0);
}

sl_value *sl_build_scalar(sl_builder *builder, sl_attr scalar) { return sl_build_constant(builder, scalar); }

int64_t sl_block_erase_dead(sl_block *block) {
    int64_t count = 0;
    for (sl_op *op = sl_block_last(block), *previous; op; op = previous) {
        previous = sl_op_previous(op);
        bool used = !sl_op_has_trait(op, SL_TRAIT_PURE) || sl_op_may_bind(op);   /* its shape may be wanted: simplify has judged */
        for (int i = 0; i < sl_op_result_count(op) && !used; i++) used = sl_value_has_uses(sl_op_result(op, i));
        if (!used) {
            sl_op_erase(op);
            count++;
            continue;
        }
        for (int i = 0; i < sl_op_region_count(op); i++)
            if (sl_region_block(sl_op_region(op, i)) && sl_op_get_kind(op) != SL_OP_nest_generic) count += sl_block_erase_dead(sl_op_body(op, i));
    }
    return count;
}
