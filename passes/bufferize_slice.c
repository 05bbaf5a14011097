/* bufferize_slice.c: tensor.bind_slice to host code: positions are read, counted from the end where negative, clamped, and bound; an expression that has a value already is compared
 * instead. Memory that grows with a slice of fixed dims is planned for all of the dim. */
#include "bufferize_internal.h"

typedef struct binder { sl_bufferizer *bz; sl_builder b; sl_op *op; sl_type i64; } binder;

static sl_value *number(binder *s, int64_t value) { return sl_build_constant_int(&s->b, s->i64, value); }

static sl_value *smaller_or(binder *s, const char *predicate, sl_value *value, sl_value *bound) {
    return sl_build_select(&s->b, sl_build_compare(&s->b, predicate, value, bound), bound, value);
}

static sl_value *position(binder *s, int operand, int index, sl_value *dim) {
    sl_value *buffer = sl_op_operand(s->op, operand), *operands[] = {buffer, number(s, index)};
    sl_type type = sl_type_scalar(s->bz->context, sl_type_element(sl_value_type(buffer)));
    sl_value *at = sl_build_cast(&s->b, sl_op_result(sl_build(&s->b, SL_OP_kernel_load, 2, operands, 1, &type, 0, NULL), 0), SL_ELEMENT_i64);
    sl_value *zero = number(s, 0), *behind = sl_build_binary(&s->b, SL_OP_arith_add, at, dim);
    at = sl_build_select(&s->b, sl_build_compare(&s->b, "lt", at, zero), behind, at);
    return smaller_or(s, "gt", smaller_or(s, "lt", at, zero), dim);
}

static void bind_or_check(binder *s, sl_expr expr, sl_value *value, sl_expr dim, bool weights) {
    sl_context *context = s->bz->context;
    bool fresh = sl_expr_get_kind(expr) == SL_EXPR_SYMBOL && !sl_bufferize_is_bound(s->bz, expr);
    sl_expr symbol = fresh ? expr : sl_expr_fresh(context);
    sl_named_attr attrs[3] = {{"symbol", sl_attr_expr(context, symbol)}};
    int count = 1;
    if (weights) attrs[count++] = (sl_named_attr){"dense", sl_attr_expr(context, dim)};
    if (sl_expr_is_const(dim, NULL)) attrs[count++] = (sl_named_attr){"limit", sl_attr_expr(context, dim)};
    sl_build(&s->b, SL_OP_kernel_bind, 1, &value, 0, NULL, count, attrs);
    sl_bufferize_set_bound(s->bz, symbol, true);
    if (!fresh) sl_build_guard(&s->b, symbol, expr, "a slice is not as large as its use expects, or not at the place");
}

void sl_bufferize_bind_slice(sl_bufferizer *bz, sl_op *op) {
    binder s = {bz, sl_builder_before(op), op, sl_type_scalar(bz->context, SL_ELEMENT_i64)};
    for (int i = 0; i < sl_attr_count(sl_op_attr(op, "dims")); i++) {
        sl_expr dim = sl_op_expr_at(op, "dims", i), begin = sl_op_expr_at(op, "begins", i);
        sl_value *extent = sl_bufferize_dim(&s.b, dim);
        sl_value *from = position(&s, 0, i, extent), *to = position(&s, 1, i, extent);
        sl_value *size = smaller_or(&s, "lt", sl_build_binary(&s.b, SL_OP_arith_sub, to, from), number(&s, 0));
        if (!sl_expr_is_const(begin, NULL)) bind_or_check(&s, begin, from, dim, false);
        bind_or_check(&s, sl_op_expr_at(op, "sizes", i), size, dim, sl_op_bool(op, "weights", false));
    }
    sl_op_erase(op);
    bz->pass->changes++;
}
