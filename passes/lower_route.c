/* lower_route.c: pass lower-route: partitions and switches over them become tensor ops that really skip.
 *
 * In:  the tensor level. Out: the same without the family route.
 *
 * Per branch b of a switch: nonzero(keys == b) gives the (row, choice) pairs in row order; a tensor.if on their number packs the rows (take), runs the body on them and
 * merges what it yields into the results so far (scatter_nd in row order); without rows it gives the results so far, so an empty branch costs one comparison per key.
 * Merging follows the evaluator: branches in ascending order, rows in order within a branch, sums in the element type. Thus a row's bits depend on nothing but the row,
 * its branches and its weights. A key beyond the branches fails the run by a guard on the number of such keys. */
#include "passes_internal.h"
#include "shape_map.h"
#include "resolve_dynamic.h"

#include <string.h>

typedef struct router {
    sl_pass_context *pass;
    sl_context *c;
    sl_shape_map map;
    SL_VEC(sl_op *) ops;
    SL_VEC(sl_op *) partitions;      /* erased at the end: counts and switches read their keys */
    bool failed;
} router;

static sl_type tensor_type(const router *r, sl_element element, int rank, const sl_expr *dims) { return sl_type_tensor(r->c, element, rank, dims); }
static sl_expr constant(const router *r, int64_t value) { return sl_expr_const(r->c, value); }

static sl_value *build(sl_builder *b, sl_op_kind kind, int count, sl_value *const *operands, sl_type type, int attr_count, const sl_named_attr *attrs) {
    return sl_op_result(sl_build(b, kind, count, operands, 1, &type, attr_count, attrs), 0);
}

static sl_value *splat(const router *r, sl_builder *b, sl_type type, double value) {
    sl_type scalar = sl_type_tensor(r->c, sl_type_element(type), 0, NULL);
    sl_value *one = sl_build_constant(b, sl_attr_data_splat(r->c, scalar, value));
    return build(b, SL_OP_tensor_broadcast, 1, &one, type, 0, NULL);
}

static sl_value *keys_of(sl_value *plan) {
    sl_op *op = sl_value_op(plan);
    return op && sl_op_get_kind(op) == SL_OP_route_partition ? sl_op_operand(op, 0) : NULL;
}

/* i1 of the keys' shape: keys <predicate> value, compared as i64. */
static sl_value *compare_keys(const router *r, sl_builder *b, sl_value *keys, const char *predicate, int64_t value) {
    sl_value *wide = sl_build_cast(b, keys, SL_ELEMENT_i64);
    return sl_build_compare(b, predicate, wide, splat(r, b, sl_value_type(wide), (double)value));
}

/* Positions of the true elements, rank x ?n, and ?n. */
static sl_value *positions(const router *r, sl_builder *b, sl_value *mask, sl_expr *count) {
    sl_expr dims[2] = {constant(r, sl_type_rank(sl_value_type(mask))), *count = sl_expr_fresh(r->c)};
    return build(b, SL_OP_tensor_nonzero, 1, &mask, tensor_type(r, SL_ELEMENT_i64, 2, dims), 0, NULL);
}

/* Row `index` of the positions. */
static sl_value *position_row(const router *r, sl_builder *b, sl_value *where, sl_expr count, int index) {
    sl_expr dims[2] = {constant(r, 1), count}, starts[2] = {constant(r, index), constant(r, 0)};
    int64_t steps[2] = {1, 1};
    sl_named_attr attrs[] = {{"starts", sl_attr_exprs(r->c, 2, starts)}, {"steps", sl_attr_ints(r->c, 2, steps)}};
    sl_value *row = build(b, SL_OP_tensor_slice, 1, &where, tensor_type(r, SL_ELEMENT_i64, 2, dims), 2, attrs);
    return build(b, SL_OP_tensor_reshape, 1, &row, tensor_type(r, SL_ELEMENT_i64, 1, &count), 0, NULL);
}

static void lower_partition(router *r, sl_op *op) {
    sl_builder b = sl_builder_before(op);
    sl_value *keys = sl_op_operand(op, 0);
    sl_expr count;
    positions(r, &b, compare_keys(r, &b, keys, "ge", sl_type_branches(sl_value_type(sl_op_result(op, 0)))), &count);
    sl_build_guard(&b, count, constant(r, 0), "a row is sent to a branch that does not exist");
}

static void lower_count(router *r, sl_op *op) {
    sl_builder b = sl_builder_before(op);
    sl_value *keys = keys_of(sl_op_operand(op, 0));
    int branches = sl_type_branches(sl_value_type(sl_op_operand(op, 0))), rank = sl_type_rank(sl_value_type(keys));
    sl_value **counts = SL_NEW_ARRAY(r->pass->scratch, sl_value *, (size_t)branches + 1);
    int64_t axes[2] = {0, 1};
    sl_expr one = constant(r, 1);
    sl_named_attr attrs[] = {{"axes", sl_attr_ints(r->c, rank, axes)}, {"kind", sl_attr_string(r->c, "sum")}}, axis = {"axis", sl_attr_int(r->c, 0)};
    for (int i = 0; i < branches; i++) {
        sl_value *hits = sl_build_cast(&b, compare_keys(r, &b, keys, "eq", i), SL_ELEMENT_i64);
        sl_value *sum = build(&b, SL_OP_tensor_reduce, 1, &hits, tensor_type(r, SL_ELEMENT_i64, 0, NULL), 2, attrs);
        counts[i] = build(&b, SL_OP_tensor_reshape, 1, &sum, tensor_type(r, SL_ELEMENT_i64, 1, &one), 0, NULL);
    }
    sl_value *all = build(&b, SL_OP_tensor_concat, branches, counts, sl_value_type(sl_op_result(op, 0)), 1, &axis);
    sl_op_replace(op, &all);
}

/* One weight per packed row, in the rows' element and shape. */
static sl_value *packed_weights(const router *r, sl_builder *b, sl_value *weights, sl_value *where, sl_expr count, sl_type like) {
    int rank = sl_type_rank(sl_value_type(weights));
    sl_expr dims[SL_MAX_RANK] = {count, constant(r, rank)};
    int64_t perm[2] = {1, 0};
    sl_named_attr order = {"perm", sl_attr_ints(r->c, 2, perm)}, batch = {"batch_dims", sl_attr_int(r->c, 0)};
    sl_value *at = build(b, SL_OP_tensor_transpose, 1, &where, tensor_type(r, SL_ELEMENT_i64, 2, dims), 1, &order);
    sl_value *operands[] = {weights, at};
    sl_value *taken = build(b, SL_OP_tensor_gather_nd, 2, operands, tensor_type(r, sl_type_element(sl_value_type(weights)), 1, &count), 1, &batch);
    taken = sl_build_cast(b, taken, sl_type_element(like));
    for (int d = 1; d < sl_type_rank(like); d++) dims[d] = constant(r, 1);
    taken = build(b, SL_OP_tensor_reshape, 1, &taken, tensor_type(r, sl_type_element(like), sl_type_rank(like), dims), 0, NULL);
    return build(b, SL_OP_tensor_broadcast, 1, &taken, like, 0, NULL);
}

static void lower_branch(router *r, sl_builder *b, sl_op *op, sl_value *keys, int branch, sl_value **results) {
    int rows = (int)sl_op_int(op, "rows", 0), count = sl_op_result_count(op);
    bool add = strcmp(sl_op_string(op, "merge", ""), "add") == 0, weighted = sl_op_bool(op, "weighted", false);
    sl_expr packed, one = constant(r, 1);
    sl_value *where = positions(r, b, compare_keys(r, b, keys, "eq", branch), &packed);
    sl_named_attr dims[] = {{"dims", sl_attr_exprs(r->c, 1, &packed)}, {"scalar", sl_attr_bool(r->c, true)}};
    sl_value *number = build(b, SL_OP_tensor_from_dims, 0, NULL, tensor_type(r, SL_ELEMENT_i64, 0, NULL), 2, dims);
    sl_value *some = sl_build_compare(b, "gt", number, splat(r, b, sl_value_type(number), 0));

    sl_type *types = SL_NEW_ARRAY(r->pass->scratch, sl_type, (size_t)count + 1);
    for (int i = 0; i < count; i++) types[i] = sl_value_type(results[i]);
    sl_op *made = sl_build(b, SL_OP_tensor_if, 1, &some, count, types, 0, NULL);
    sl_builder inside = sl_builder_at_end(r->pass->module, sl_op_body(made, 0)), otherwise = sl_builder_at_end(r->pass->module, sl_op_body(made, 1));
    inside.loc = otherwise.loc = b->loc;

    sl_block *body = sl_op_body(op, branch);
    sl_value **arguments = SL_NEW_ARRAY(r->pass->scratch, sl_value *, (size_t)rows + 1), **merged = SL_NEW_ARRAY(r->pass->scratch, sl_value *, (size_t)count + 1);
    sl_value *row_numbers = position_row(r, &inside, where, packed, 0);
    sl_named_attr axis = {"axis", sl_attr_int(r->c, 0)};
    for (int i = 0; i < rows; i++) {
        sl_value *operands[] = {sl_op_operand(op, 1 + i), row_numbers};
        sl_type whole = sl_value_type(operands[0]);
        sl_expr shape[SL_MAX_RANK];
        for (int d = 0; d < sl_type_rank(whole); d++) shape[d] = d ? sl_type_dim(whole, d) : packed;
        sl_type type = sl_type_with_dims(r->c, whole, sl_type_rank(whole), shape);
        sl_shape_map_unify(&r->map, sl_value_type(sl_block_argument(body, i)), type);
        arguments[i] = build(&inside, SL_OP_tensor_take, 2, operands, type, 1, &axis);
    }
    sl_block_inline(&inside, body, arguments);
    sl_op *yield = sl_block_terminator(sl_op_body(made, 0));
    inside = sl_builder_before(yield);
    inside.loc = b->loc;
    sl_expr index_dims[2] = {packed, one};
    sl_value *index = build(&inside, SL_OP_tensor_reshape, 1, &row_numbers, tensor_type(r, SL_ELEMENT_i64, 2, index_dims), 0, NULL);
    sl_named_attr reduction = {"reduction", sl_attr_string(r->c, add ? "add" : "none")};
    for (int i = 0; i < count; i++) {
        sl_value *value = sl_op_operand(yield, i);
        if (weighted) {
            sl_value *factor = packed_weights(r, &inside, sl_op_operand(op, 1 + rows), where, packed, sl_value_type(value));
            value = sl_build_binary(&inside, SL_OP_arith_mul, value, factor);
        }
        sl_value *operands[] = {results[i], index, value};
        merged[i] = build(&inside, SL_OP_tensor_scatter_nd, 3, operands, types[i], 1, &reduction);
    }
    sl_op_erase(yield);
    inside = sl_builder_at_end(r->pass->module, sl_op_body(made, 0));
    inside.loc = b->loc;
    sl_build(&inside, SL_OP_tensor_yield, count, merged, 0, NULL, 0, NULL);
    sl_build(&otherwise, SL_OP_tensor_yield, count, results, 0, NULL, 0, NULL);
    for (int i = 0; i < count; i++) results[i] = sl_op_result(made, i);
}

static void lower_switch(router *r, sl_op *op) {
    sl_builder b = sl_builder_before(op);
    sl_value *keys = keys_of(sl_op_operand(op, 0));
    int rows = (int)sl_op_int(op, "rows", 0), count = sl_op_result_count(op);
    bool keep = strcmp(sl_op_string(op, "merge", ""), "keep") == 0;
    sl_value **results = SL_NEW_ARRAY(r->pass->scratch, sl_value *, (size_t)count + 1);
    for (int i = 0; i < count; i++) results[i] = keep ? sl_op_operand(op, 1 + rows + i) : splat(r, &b, sl_value_type(sl_op_result(op, i)), 0);
    for (int branch = 0; branch < sl_op_region_count(op); branch++) lower_branch(r, &b, op, keys, branch, results);
    sl_pass_decide(r->pass, op, "route", sl_arena_printf(r->pass->scratch, "%d branches, each on its packed rows behind a test of their number; merged by scatter", sl_op_region_count(op)));
    sl_op_replace(op, results);
}

static bool collect(void *self, sl_op *op) {
    router *r = self;
    if (strcmp(sl_op_get_info(op)->family, "route") == 0 && sl_op_get_kind(op) != SL_OP_route_yield) SL_PUSH(r->pass->scratch, &r->ops, op);
    return true;
}

static void lower_op(router *r, sl_op *op) {
    sl_op_kind kind = sl_op_get_kind(op);
    if (kind == SL_OP_route_partition) {
        lower_partition(r, op);
        SL_PUSH(r->pass->scratch, &r->partitions, op);
    } else if (!keys_of(sl_op_operand(op, 0))) {
        sl_op_report(op, SL_SEVERITY_ERROR, "%s needs a plan that a route.partition of the same function makes", sl_op_name(op));
        r->failed = true;
        return;
    } else if (kind == SL_OP_route_count) {
        lower_count(r, op);
    } else {
        lower_switch(r, op);
    }
    r->pass->changes++;
}

sl_status sl_pass_lower_route(sl_pass_context *pass) {
    router r = {.pass = pass, .c = sl_module_context(pass->module)};
    for (sl_op *func = sl_block_first(sl_module_body(pass->module)); func && !r.failed; func = sl_op_next(func)) {
        if (sl_op_get_kind(func) != SL_OP_core_func || sl_op_bool(func, "buffers", false)) continue;
        r.ops.count = r.partitions.count = 0;
        sl_shape_map_init(&r.map, r.c, pass->scratch);
        sl_op_walk(func, collect, &r);
        /* Outer switches first: what was nested in a body moves along and is met later. Partitions stay until their users are gone. */
        for (size_t i = 0; i < r.ops.count && !r.failed; i++) lower_op(&r, r.ops.data[i]);
        for (size_t i = 0; i < r.partitions.count && !r.failed; i++) sl_op_erase(r.partitions.data[i]);
        sl_shape_map_apply(&r.map, func);
    }
    return r.failed ? SL_PASS_FAILED("lower-route") : NULL;
}
