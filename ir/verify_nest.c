/* verify_nest.c: verify hooks of the family nest.
 *
 * Invariants of nest.generic: one bound, one iterator per loop; one map per operand and result, over all loops and with as many results as the tensor has dims;
 * result maps use no reduction index; one scalar init per result; block arguments are the operands' scalars, then one running value of init's element type per
 * result; the body holds only scalar arith, constants, dims, index and extract, and yields one value of init's element type per result.
 */
#include "op_hooks.h"
#include <string.h>

static int rank_of(sl_type type) {
    return (sl_type_is_tensor(type) || sl_type_is_scalar(type)) && sl_type_is_ranked(type) ? sl_type_rank(type) : -1;
}

static bool is_scalar_of(sl_type type, sl_element element) {
    return sl_type_is_scalar(type) && sl_type_element(type) == element;
}

static bool check_map(const sl_op *op, int index, int loops, sl_type type, const char *what, int number) {
    sl_attr map = sl_attr_item(sl_op_attr(op, "maps"), index);
    if (sl_attr_map_loops(map) != loops) {
        sl_op_report(op, SL_SEVERITY_ERROR, "nest.generic: the map of %s %d is over %d loops, the nest has %d", what, number, sl_attr_map_loops(map), loops);
        return false;
    }
    if (rank_of(type) < 0 || sl_attr_count(map) != rank_of(type)) {
        sl_op_report(op, SL_SEVERITY_ERROR, "nest.generic: the map of %s %d gives %d positions; its type is %s", what, number, sl_attr_count(map),
                     sl_type_text(sl_op_context(op), type));
        return false;
    }
    return true;
}

static bool check_outside(const sl_op *op) {
    sl_attr outside = sl_op_attr(op, "outside");
    if (!outside)
        return true;
    if (sl_attr_get_kind(outside) != SL_ATTR_ARRAY || sl_attr_count(outside) != sl_op_operand_count(op)) {
        sl_op_report(op, SL_SEVERITY_ERROR, "nest.generic: `outside` must have one entry per operand");
        return false;
    }
    for (int i = 0; i < sl_attr_count(outside); i++) {
        sl_attr item = sl_attr_item(outside, i);
        bool none = sl_attr_get_kind(item) == SL_ATTR_BOOL && !sl_attr_get_bool(item);
        if (none || (sl_attr_get_kind(item) == SL_ATTR_DATA && is_scalar_of(sl_attr_get_type(item), sl_type_element(sl_value_type(sl_op_operand(op, i))))))
            continue;
        sl_op_report(op, SL_SEVERITY_ERROR, "nest.generic: entry %d of `outside` must be false or a scalar of the operand's element type", i);
        return false;
    }
    return true;
}

static bool check_body_op(const sl_op *op, int loops) {
    bool ok = true;
    switch (sl_op_get_kind(op)) {
    case SL_OP_nest_index:
        if (sl_op_int(op, "loop", -1) < 0 || sl_op_int(op, "loop", -1) >= loops) {
            sl_op_report(op, SL_SEVERITY_ERROR, "nest.index: loop %lld of a nest with %d loops", (long long)sl_op_int(op, "loop", -1), loops);
            ok = false;
        }
        if (!is_scalar_of(sl_value_type(sl_op_result(op, 0)), SL_ELEMENT_i64)) {
            sl_op_report(op, SL_SEVERITY_ERROR, "nest.index: the result must be a scalar i64");
            ok = false;
        }
        break;
    case SL_OP_nest_extract: case SL_OP_nest_yield: case SL_OP_core_constant: case SL_OP_core_dim:
        break;
    default:   /* of every family: only arithmetic may stand in a body */
        if (strcmp(sl_op_get_info(op)->family, "arith") != 0) {
            sl_op_report(op, SL_SEVERITY_ERROR, "%s can't stand in the body of a nest.generic", sl_op_name(op));
            return false;
        }
    }
    for (int i = 0; i < sl_op_result_count(op); i++) {
        if (!sl_type_is_scalar(sl_value_type(sl_op_result(op, i)))) {
            sl_op_report(op, SL_SEVERITY_ERROR, "%s: values in the body of a nest.generic are scalars, not %s", sl_op_name(op),
                         sl_type_text(sl_op_context(op), sl_value_type(sl_op_result(op, i))));
            ok = false;
        }
    }
    return ok;
}

bool sl_verify_generic(const sl_op *op) {
    int operands = sl_op_operand_count(op), results = sl_op_result_count(op);
    if (!sl_verify_array(op, "bounds", -1, SL_ATTR_EXPR))
        return false;
    int loops = sl_attr_count(sl_op_attr(op, "bounds"));
    if (!sl_verify_array(op, "iterators", loops, SL_ATTR_STRING) || !sl_verify_array(op, "maps", operands + results, SL_ATTR_MAP) ||
        !sl_verify_array(op, "init", results, SL_ATTR_DATA))
        return false;
    bool ok = check_outside(op);
    sl_attr iterators = sl_op_attr(op, "iterators"), init = sl_op_attr(op, "init");
    for (int i = 0; i < loops; i++) {
        const char *word = sl_attr_get_string(sl_attr_item(iterators, i));
        if (strcmp(word, "parallel") != 0 && strcmp(word, "reduction") != 0) {
            sl_op_report(op, SL_SEVERITY_ERROR, "nest.generic: iterator %d is \"%s\", expected parallel or reduction", i, word);
            ok = false;
        }
        int64_t bound;
        sl_expr expr = sl_op_expr_at(op, "bounds", i);
        if ((sl_expr_is_const(expr, &bound) && bound < 0) || sl_expr_uses_any_loop(expr)) {
            sl_op_report(op, SL_SEVERITY_ERROR, "nest.generic: bound %d is %s, which is no size", i, sl_expr_text(sl_op_context(op), expr));
            ok = false;
        }
    }
    const sl_op *yield = sl_verify_terminator(op, 0, SL_OP_nest_yield, SL_OP_nest_yield);
    if (!yield)
        return false;
    const sl_block *body = sl_op_body(op, 0);
    if (sl_block_argument_count(body) != operands + results || sl_op_operand_count(yield) != results) {
        sl_op_report(op, SL_SEVERITY_ERROR, "nest.generic: with %d operands and %d results the body takes %d arguments and yields %d values; it has %d and %d",
                     operands, results, operands + results, results, sl_block_argument_count(body), sl_op_operand_count(yield));
        return false;
    }
    for (int i = 0; i < operands; i++) {
        sl_type type = sl_value_type(sl_op_operand(op, i)), argument = sl_value_type(sl_block_argument(body, i));
        ok &= check_map(op, i, loops, type, "operand", i);
        if (rank_of(type) >= 0 && !is_scalar_of(argument, sl_type_element(type))) {
            sl_op_report(op, SL_SEVERITY_ERROR, "nest.generic: block argument %d must be %s, not %s", i, sl_element_name(sl_type_element(type)),
                         sl_type_text(sl_op_context(op), argument));
            ok = false;
        }
    }
    for (int i = 0; i < results; i++) {
        sl_type type = sl_value_type(sl_op_result(op, i)), start = sl_attr_get_type(sl_attr_item(init, i));
        if (!sl_type_is_tensor(type)) {
            sl_op_report(op, SL_SEVERITY_ERROR, "nest.generic: result %d must be a tensor", i);
            return false;
        }
        if (!check_map(op, operands + i, loops, type, "result", i)) {
            ok = false;
            continue;
        }
        sl_attr map = sl_attr_item(sl_op_attr(op, "maps"), operands + i);
        for (int d = 0; d < loops; d++) {
            bool reduction = sl_attr_get_string(sl_attr_item(iterators, d))[0] == 'r';
            for (int j = 0; reduction && j < sl_attr_count(map); j++) {
                if (sl_expr_uses_loop(sl_attr_map_result(map, j), d)) {
                    sl_op_report(op, SL_SEVERITY_ERROR, "nest.generic: the map of result %d uses the reduction index d%d", i, d);
                    ok = false;
                }
            }
        }
        if (!sl_type_is_scalar(start)) {
            sl_op_report(op, SL_SEVERITY_ERROR, "nest.generic: init %d must be a scalar, not %s", i, sl_type_text(sl_op_context(op), start));
            ok = false;
            continue;
        }
        sl_type argument = sl_value_type(sl_block_argument(body, operands + i)), yielded = sl_value_type(sl_op_operand(yield, i));
        if (argument != start || yielded != start) {
            sl_op_report(op, SL_SEVERITY_ERROR, "nest.generic: init %d is %s; its block argument (%s) and yielded value (%s) must be the same", i,
                         sl_type_text(sl_op_context(op), start), sl_type_text(sl_op_context(op), argument), sl_type_text(sl_op_context(op), yielded));
            ok = false;
        }
    }
    for (const sl_op *child = sl_block_first(body); child; child = sl_op_next(child))
        ok &= check_body_op(child, loops);
    return ok;
}

bool sl_verify_nest_index(const sl_op *op) {
    const sl_op *parent = sl_op_parent(op);
    if (parent && sl_op_get_kind(parent) == SL_OP_nest_generic)   /* which checks the loop's number */
        return true;
    sl_op_report(op, SL_SEVERITY_ERROR, "nest.index stands in the body of a nest.generic only");
    return false;
}

bool sl_verify_extract(const sl_op *op) {
    sl_type source = sl_value_type(sl_op_operand(op, 0)), result = sl_value_type(sl_op_result(op, 0));
    const sl_op *parent = sl_op_parent(op);
    bool ok = parent && sl_op_get_kind(parent) == SL_OP_nest_generic;
    if (!ok)
        sl_op_report(op, SL_SEVERITY_ERROR, "nest.extract stands in the body of a nest.generic only");
    if (!sl_type_is_tensor(source) || !sl_type_is_ranked(source) || sl_op_operand_count(op) != 1 + sl_type_rank(source)) {
        sl_op_report(op, SL_SEVERITY_ERROR, "nest.extract: expected a tensor and one position per dim, found %s and %d positions",
                     sl_type_text(sl_op_context(op), source), sl_op_operand_count(op) - 1);
        return false;
    }
    for (int i = 1; i < sl_op_operand_count(op); i++) {
        if (!is_scalar_of(sl_value_type(sl_op_operand(op, i)), SL_ELEMENT_i64)) {
            sl_op_report(op, SL_SEVERITY_ERROR, "nest.extract: position %d must be a scalar i64", i - 1);
            ok = false;
        }
    }
    if (!is_scalar_of(result, sl_type_element(source))) {
        sl_op_report(op, SL_SEVERITY_ERROR, "nest.extract: the result must be %s, not %s", sl_element_name(sl_type_element(source)),
                     sl_type_text(sl_op_context(op), result));
        ok = false;
    }
    return ok;
}

bool sl_verify_group(const sl_op *op) {
    bool ok = sl_verify_word(op, "kind", "pointwise rows contraction attention");
    if (sl_op_operand_count(op) != 0) {
        sl_op_report(op, SL_SEVERITY_ERROR, "nest.group: a group captures what it uses and has no operands");
        ok = false;
    }
    const sl_op *yield = sl_verify_terminator(op, 0, SL_OP_nest_yield, SL_OP_nest_yield);
    if (!yield)
        return false;
    const sl_block *body = sl_op_body(op, 0);
    int64_t nests = 0;
    for (const sl_op *child = sl_block_first(body); child; child = sl_op_next(child)) {
        sl_op_kind kind = sl_op_get_kind(child);
        nests += kind == SL_OP_nest_generic;
        if (kind != SL_OP_nest_generic && kind != SL_OP_nest_yield) {
            sl_op_report(child, SL_SEVERITY_ERROR, "%s can't stand in a nest.group", sl_op_name(child));
            ok = false;
        }
    }
    int64_t anchor = sl_op_int(op, "anchor", -1);
    if (anchor < 0 || anchor >= nests) {
        sl_op_report(op, SL_SEVERITY_ERROR, "nest.group: the anchor is %lld, but there are %lld nests", (long long)anchor, (long long)nests);
        ok = false;
    }
    int64_t twin = sl_op_int(op, "twin", -1);
    if (sl_op_attr(op, "twin") && (twin < 0 || twin >= nests || twin == anchor)) {
        sl_op_report(op, SL_SEVERITY_ERROR, "nest.group: the twin is %lld; expected one of %lld nests other than the anchor", (long long)twin, (long long)nests);
        ok = false;
    }
    if (sl_block_argument_count(body) != 0) {
        sl_op_report(op, SL_SEVERITY_ERROR, "nest.group: the region takes no arguments");
        ok = false;
    }
    if (sl_op_operand_count(yield) != sl_op_result_count(op)) {
        sl_op_report(op, SL_SEVERITY_ERROR, "nest.group: yields %d values, has %d results", sl_op_operand_count(yield), sl_op_result_count(op));
        return false;
    }
    for (int i = 0; i < sl_op_result_count(op); i++) {
        sl_type got = sl_value_type(sl_op_operand(yield, i)), want = sl_value_type(sl_op_result(op, i));
        if (sl_types_conflict(got, want)) {
            sl_op_report(op, SL_SEVERITY_ERROR, "nest.group: result %d has type %s, but %s is yielded", i, sl_type_text(sl_op_context(op), want),
                         sl_type_text(sl_op_context(op), got));
            ok = false;
        }
    }
    return ok;
}
