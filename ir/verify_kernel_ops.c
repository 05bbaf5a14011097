/* verify_kernel_ops.c: verify hooks of the kernel ops on memory, vectors and of kernel.if and kernel.while.
 *
 * Invariants: offsets are i64 (gather, scatter: vectors of i64 or i32); what is loaded or stored has the buffer's element type; masks are vectors of i1 with the
 * lanes of what they mask; carried values keep kind, element type and lanes (a buffer is carried as a pointer, so its dims may change).
 */
#include "op_hooks.h"

static sl_type operand_type(const sl_op *op, int index) { return sl_value_type(sl_op_operand(op, index)); }
static sl_type result_type(const sl_op *op) { return sl_value_type(sl_op_result(op, 0)); }

static bool is_i64(sl_type type) { return sl_type_is_scalar(type) && sl_type_element(type) == SL_ELEMENT_i64; }

static bool fail(const sl_op *op, const char *what, sl_type found) {
    sl_op_report(op, SL_SEVERITY_ERROR, "%s: %s, found %s", sl_op_name(op), what, sl_type_text(sl_op_context(op), found));
    return false;
}

static bool check_buffer(const sl_op *op, int operand) {
    return sl_type_is_buffer(operand_type(op, operand)) || fail(op, "expected a buffer", operand_type(op, operand));
}

static bool check_offset(const sl_op *op, int operand) {
    return is_i64(operand_type(op, operand)) || fail(op, "the offset must be i64", operand_type(op, operand));
}

/* Operand `operand`, when it is there, masks lanes of `masked`. */
static bool check_mask(const sl_op *op, int operand, sl_type masked) {
    if (operand >= sl_op_operand_count(op)) return true;
    sl_type mask = operand_type(op, operand);
    if (sl_type_is_vector(mask) && sl_type_is_vector(masked) && sl_type_element(mask) == SL_ELEMENT_i1 && sl_type_lanes(mask) == sl_type_lanes(masked)) return true;
    return fail(op, "the mask must be a vector of i1 with the value's lanes", mask);
}

static bool same_kind(sl_type a, sl_type b) {
    if (sl_type_get_kind(a) != sl_type_get_kind(b)) return false;
    if (!sl_type_is_scalar(a) && !sl_type_is_vector(a) && !sl_type_is_buffer(a)) return a == b;
    return sl_type_element(a) == sl_type_element(b) && (!sl_type_is_vector(a) || sl_type_lanes(a) == sl_type_lanes(b));
}

/* ---- memory ---- */

bool sl_verify_kernel_alloc(const sl_op *op) {
    sl_type type = result_type(op);
    return (sl_type_is_buffer(type) && sl_type_is_ranked(type)) || fail(op, "the result must be a buffer with a shape", type);
}

bool sl_verify_kernel_view(const sl_op *op) {
    return check_buffer(op, 0) && (sl_type_is_buffer(result_type(op)) || fail(op, "the result must be a buffer", result_type(op)));
}

bool sl_verify_kernel_copy(const sl_op *op) {
    if (!check_buffer(op, 0) || !check_buffer(op, 1)) return false;
    return sl_type_element(operand_type(op, 0)) == sl_type_element(operand_type(op, 1)) ||
           fail(op, "both buffers must have one element type", operand_type(op, 1));
}

bool sl_verify_kernel_bind(const sl_op *op) {
    if (!check_offset(op, 0)) return false;
    sl_expr symbol = sl_attr_get_expr(sl_op_attr(op, "symbol"));
    if (sl_expr_get_kind(symbol) == SL_EXPR_SYMBOL) return true;
    sl_op_report(op, SL_SEVERITY_ERROR, "kernel.bind: %s is no symbol", sl_expr_text(sl_op_context(op), symbol));
    return false;
}

bool sl_verify_kernel_store(const sl_op *op) {
    sl_type value = operand_type(op, 0);
    if (!sl_type_is_scalar(value) && !sl_type_is_vector(value)) return fail(op, "expected a scalar or vector to store", value);
    if (!check_buffer(op, 1) || !check_offset(op, 2) || !check_mask(op, 3, value)) return false;
    return sl_type_element(value) == sl_type_element(operand_type(op, 1)) || fail(op, "the buffer must have the value's element type", operand_type(op, 1));
}

/* Vectors of positions for `lanes` lanes. */
static bool check_positions(const sl_op *op, int operand, sl_type value) {
    sl_type positions = operand_type(op, operand);
    bool fits = sl_type_is_vector(positions) && (sl_type_element(positions) == SL_ELEMENT_i64 || sl_type_element(positions) == SL_ELEMENT_i32) &&
                sl_type_lanes(positions) == sl_type_lanes(value);
    return fits || fail(op, "the offsets must be a vector of i64 or i32 with the value's lanes", positions);
}

bool sl_verify_kernel_gather(const sl_op *op) {
    sl_type value = result_type(op);
    if (!sl_type_is_vector(value)) return fail(op, "the result must be a vector", value);
    if (!check_buffer(op, 0) || !check_positions(op, 1, value) || !check_mask(op, 2, value)) return false;
    return sl_type_element(value) == sl_type_element(operand_type(op, 0)) || fail(op, "the buffer must have the result's element type", operand_type(op, 0));
}

bool sl_verify_kernel_scatter(const sl_op *op) {
    sl_type value = operand_type(op, 0);
    if (!sl_type_is_vector(value)) return fail(op, "expected a vector to store", value);
    if (!check_buffer(op, 1) || !check_positions(op, 2, value) || !check_mask(op, 3, value)) return false;
    return sl_type_element(value) == sl_type_element(operand_type(op, 1)) || fail(op, "the buffer must have the value's element type", operand_type(op, 1));
}

bool sl_verify_kernel_offset(const sl_op *op) {
    if (!check_buffer(op, 0) || !check_offset(op, 1)) return false;
    sl_type type = result_type(op);
    return (sl_type_is_buffer(type) && sl_type_element(type) == sl_type_element(operand_type(op, 0))) ||
           fail(op, "the result must be a buffer of the operand's element type", type);
}

bool sl_verify_kernel_scratch(const sl_op *op) {
    if (!sl_type_is_buffer(result_type(op))) return fail(op, "the result must be a buffer", result_type(op));
    int64_t offset = sl_op_int(op, "offset", 0);
    if (offset >= 0 && offset % 64 == 0) return true;
    sl_op_report(op, SL_SEVERITY_ERROR, "kernel.scratch: the offset %lld is no multiple of 64", (long long)offset);
    return false;
}

bool sl_verify_kernel_prefetch(const sl_op *op) {
    if (!check_buffer(op, 0) || !check_offset(op, 1)) return false;
    int64_t level = sl_op_int(op, "level", 1);
    if (level >= 1 && level <= 3) return true;
    sl_op_report(op, SL_SEVERITY_ERROR, "kernel.prefetch: level %lld, expected 1 to 3", (long long)level);
    return false;
}

/* ---- vectors ---- */

bool sl_verify_kernel_splat(const sl_op *op) {
    sl_type from = operand_type(op, 0), to = result_type(op);
    if (!sl_type_is_scalar(from)) return fail(op, "expected a scalar", from);
    return (sl_type_is_vector(to) && sl_type_element(to) == sl_type_element(from)) || fail(op, "the result must be a vector of the operand's type", to);
}

bool sl_verify_kernel_exp2(const sl_op *op) {
    sl_type from = operand_type(op, 0);
    bool lanes = sl_type_is_scalar(from) || sl_type_is_vector(from);
    return (lanes && sl_type_element(from) == SL_ELEMENT_f32) || fail(op, "expected f32, a scalar or a vector", from);
}

bool sl_verify_kernel_lanes(const sl_op *op) {
    sl_type to = result_type(op);
    return (sl_type_is_vector(to) && sl_element_is_integer(sl_type_element(to))) || fail(op, "the result must be a vector of integers", to);
}

bool sl_verify_kernel_mask(const sl_op *op) {
    sl_type to = result_type(op);
    if (!is_i64(operand_type(op, 0))) return fail(op, "the number of lanes must be i64", operand_type(op, 0));
    return (sl_type_is_vector(to) && sl_type_element(to) == SL_ELEMENT_i1) || fail(op, "the result must be a vector of i1", to);
}

bool sl_verify_kernel_reduce(const sl_op *op) {
    sl_type from = operand_type(op, 0), to = result_type(op);
    if (!sl_verify_word(op, "kind", "sum prod max min and or")) return false;
    if (!sl_type_is_vector(from)) return fail(op, "expected a vector", from);
    return (sl_type_is_scalar(to) && sl_type_element(to) == sl_type_element(from)) || fail(op, "the result must be a scalar of the vector's type", to);
}

bool sl_verify_kernel_extract(const sl_op *op) {
    sl_type from = operand_type(op, 0), to = result_type(op);
    if (!sl_type_is_vector(from)) return fail(op, "expected a vector", from);
    if (!is_i64(operand_type(op, 1))) return fail(op, "the lane must be i64", operand_type(op, 1));
    return (sl_type_is_scalar(to) && sl_type_element(to) == sl_type_element(from)) || fail(op, "the result must be a scalar of the vector's type", to);
}

bool sl_verify_kernel_insert(const sl_op *op) {
    sl_type vector = operand_type(op, 0), value = operand_type(op, 1);
    if (!sl_type_is_vector(vector)) return fail(op, "expected a vector", vector);
    if (!sl_type_is_scalar(value) || sl_type_element(value) != sl_type_element(vector)) return fail(op, "expected a scalar of the vector's type", value);
    if (!is_i64(operand_type(op, 2))) return fail(op, "the lane must be i64", operand_type(op, 2));
    return result_type(op) == vector || fail(op, "the result must have the vector's type", result_type(op));
}

bool sl_verify_kernel_shuffle(const sl_op *op) {
    sl_type vector = operand_type(op, 0), to = result_type(op);
    int count;
    const int64_t *lanes = sl_op_ints(op, "lanes", &count);
    if (!sl_type_is_vector(vector)) return fail(op, "expected a vector", vector);
    if (operand_type(op, 1) != vector) return fail(op, "both operands must have one type", operand_type(op, 1));
    if (!sl_type_is_vector(to) || sl_type_element(to) != sl_type_element(vector) || sl_type_lanes(to) != count)
        return fail(op, "the result must be a vector of the operands' type with one lane per position", to);
    for (int i = 0; i < count; i++) {
        if (lanes[i] >= -1 && lanes[i] < 2 * sl_type_lanes(vector)) continue;
        sl_op_report(op, SL_SEVERITY_ERROR, "kernel.shuffle: position %lld of %d lanes", (long long)lanes[i], 2 * sl_type_lanes(vector));
        return false;
    }
    return true;
}

bool sl_verify_kernel_dot(const sl_op *op) {
    sl_type sum = operand_type(op, 0), group = operand_type(op, 1), columns = operand_type(op, 2);
    if (!sl_type_is_vector(sum) || (sl_type_element(sum) != SL_ELEMENT_f32 && sl_type_element(sum) != SL_ELEMENT_i32)) return fail(op, "the sums must be a vector of f32 or i32", sum);
    if (result_type(op) != sum) return fail(op, "the result must have the sums' type", result_type(op));
    for (int i = 1; i < 3; i++) {
        sl_type type = operand_type(op, i);
        sl_element element = sl_type_is_vector(type) ? sl_type_element(type) : SL_ELEMENT_str;
        bool fits = sl_type_element(sum) == SL_ELEMENT_f32 ? element == SL_ELEMENT_bf16 : sl_element_is_integer(element) && (sl_element_bits(element) == 8 || sl_element_bits(element) == 16);
        if (!fits) return fail(op, "factors must be vectors of bf16 for sums in f32, of integers of 8 or 16 bits for i32", type);
    }
    if (sl_type_lanes(columns) == sl_type_lanes(sum) * sl_type_lanes(group)) return true;
    return fail(op, "operand 2 must have as many elements as the sums have lanes times those of operand 1", columns);
}

/* ---- control ---- */

static bool is_condition(sl_type type) { return sl_type_is_scalar(type) && sl_type_element(type) == SL_ELEMENT_i1; }

bool sl_verify_kernel_assert(const sl_op *op) {
    return is_condition(operand_type(op, 0)) || fail(op, "the condition must be i1", operand_type(op, 0));
}

/* A region's arguments are like the values; it yields `skip` values, then values like them. */
static bool check_region(const sl_op *op, int region, int skip, int count, sl_type (*type_of)(const sl_op *op, int index), bool takes) {
    const sl_op *yield = sl_verify_terminator(op, region, SL_OP_kernel_yield, SL_OP_kernel_yield);
    if (!yield) return false;
    const sl_block *body = sl_op_body(op, region);
    if (sl_block_argument_count(body) != (takes ? count : 0) || sl_op_operand_count(yield) != skip + count) {
        sl_op_report(op, SL_SEVERITY_ERROR, "%s: region %d must take %d values and yield %d; it takes %d and yields %d", sl_op_name(op), region, takes ? count : 0,
                     skip + count, sl_block_argument_count(body), sl_op_operand_count(yield));
        return false;
    }
    for (int i = 0; i < count; i++) {
        sl_type want = type_of(op, i);
        if (takes && !same_kind(sl_value_type(sl_block_argument(body, i)), want))
            return fail(op, "a block argument must be like the value that it gets", sl_value_type(sl_block_argument(body, i)));
        if (!same_kind(operand_type(yield, skip + i), want)) return fail(op, "a yielded value must be like the result that it becomes", operand_type(yield, skip + i));
    }
    return true;
}

static sl_type result_at(const sl_op *op, int index) { return sl_value_type(sl_op_result(op, index)); }

bool sl_verify_kernel_if(const sl_op *op) {
    if (!is_condition(operand_type(op, 0))) return fail(op, "the condition must be i1", operand_type(op, 0));
    bool ok = check_region(op, 0, 0, sl_op_result_count(op), result_at, false);
    return check_region(op, 1, 0, sl_op_result_count(op), result_at, false) && ok;
}

bool sl_verify_kernel_while(const sl_op *op) {
    int count = sl_op_operand_count(op);
    if (sl_op_result_count(op) != count) {
        sl_op_report(op, SL_SEVERITY_ERROR, "kernel.while: %d start values and %d results", count, sl_op_result_count(op));
        return false;
    }
    for (int i = 0; i < count; i++)
        if (!same_kind(operand_type(op, i), result_at(op, i))) return fail(op, "a result must be like its start value", result_at(op, i));
    if (!check_region(op, 0, 1, count, operand_type, true) || !check_region(op, 1, 0, count, operand_type, true)) return false;
    sl_type condition = operand_type(sl_block_last(sl_op_body(op, 0)), 0);
    return is_condition(condition) || fail(op, "region 0 must yield its condition, i1, first", condition);
}

bool sl_verify_kernel_each(const sl_op *op) {
    if (!sl_verify_terminator(op, 0, SL_OP_kernel_yield, SL_OP_kernel_yield)) return false;
    sl_expr symbol = sl_attr_get_expr(sl_op_attr(op, "symbol"));
    if (sl_expr_get_kind(symbol) != SL_EXPR_SYMBOL) {
        sl_op_report(op, SL_SEVERITY_ERROR, "kernel.each: %s is no symbol", sl_expr_text(sl_op_context(op), symbol));
        return false;
    }
    if (sl_op_int(op, "count", 0) >= 1 && sl_op_int(op, "count", 0) <= INT32_MAX && sl_block_argument_count(sl_op_body(op, 0)) == 0) return true;
    sl_op_report(op, SL_SEVERITY_ERROR, "kernel.each: runs a region without arguments at least once, not %lld times", (long long)sl_op_int(op, "count", 0));
    return false;
}

bool sl_verify_kernel_flush(const sl_op *op) {
    int64_t padding = sl_op_int(op, "padding", 0);
    if (padding >= 0 && padding <= 10000) return true;
    sl_op_report(op, SL_SEVERITY_ERROR, "kernel.flush: padding is %lld percent", (long long)padding);
    return false;
}
