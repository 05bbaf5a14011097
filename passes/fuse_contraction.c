/* fuse_contraction.c: groups of kind `contraction`: a sum of products and the elementwise nests that finish its result.
 *
 * The group is the anchor (position 0), then the epilogue nests in order. An epilogue nest runs over the anchor's parallel loops, in the anchor's numbering
 * (d0..dP-1), and touches values of the group at its own point only; what it reads from outside (bias, residual, mask) it may read anywhere. The anchor's
 * operands are not computed inside, with one exception: a nest that only gathers rows of another tensor (the packed rows of a routed branch) stands before the anchor, so that
 * the kernel fetches the rows by their numbers and no packed copy is made; contractions that share such rows each have their own.
 * A second product of the anchor's rows by other weights, which only the epilogue reads, joins as the anchor's twin: one pass over the rows gives both. Anchors are taken from the last to the first, so that an op that could finish two of them finishes the later. */
#include "fuse.h"

#include <string.h>

#define MAX_USES 32          /* users of one value that are looked at */

static bool parallel_first(const sl_op *nest) {
    bool reduced = false;
    for (int i = 0, n = sl_nest_loop_count(nest); i < n; i++) {
        if (reduced && !sl_nest_is_reduced(nest, i)) return false;
        reduced |= sl_nest_is_reduced(nest, i);
    }
    return true;
}

/* The space of an anchor's parallel loops with the anchor in it. */
static void open_space(sl_fuse *fuse, sl_op *anchor, sl_fuse_space *space) {
    sl_fuse_member member = {.nest = anchor};
    memset(space, 0, sizeof *space);
    int loops = sl_nest_loop_count(anchor);
    for (int i = 0; i < loops; i++) {
        member.substitution[i] = sl_expr_loop(fuse->context, i);
        if (sl_nest_is_reduced(anchor, i)) continue;
        space->bounds[space->count++] = sl_nest_bound(anchor, i);
        member.loops |= 1u << i;
    }
    space->rows = space->count;
    sl_fuse_add(fuse, space, &member);
}

static bool fits(sl_fuse *fuse, const sl_fuse_space *space, sl_op *nest, sl_fuse_member *member) {
    if (!sl_fuse_is_free(fuse, nest) || sl_fuse_is_member(space, nest) || !sl_nest_is_elementwise(nest)) return false;
    return sl_fuse_align(fuse, space, nest, member) && member->loops == space->members[0].loops;
}

bool sl_fuse_is_epilogue(sl_fuse *fuse, sl_op *nest) {
    for (int i = 0; i < sl_op_operand_count(nest); i++) {
        sl_op *anchor = sl_value_op(sl_op_operand(nest, i));
        sl_fuse_member member;
        sl_fuse_space space;
        if (!sl_fuse_is_free(fuse, anchor) || !sl_nest_is_contraction(anchor, NULL) || !parallel_first(anchor)) continue;
        open_space(fuse, anchor, &space);
        if (fits(fuse, &space, nest, &member)) return true;
    }
    return false;
}

/* The first nest in block order that reads a value of the group and may join; NULL when there is none. */
static sl_op *next_epilogue(sl_fuse *fuse, const sl_fuse_space *space, sl_fuse_member *found, const char **reason) {
    sl_op *best = NULL;
    for (int m = 0; m < space->member_count; m++) {
        sl_op *maker = space->members[m].nest;
        for (int r = 0; r < sl_op_result_count(maker); r++) {
            int seen = 0;
            for (sl_use *use = sl_value_first_use(sl_op_result(maker, r)); use && seen < MAX_USES; use = sl_use_next(use), seen++) {
                sl_fuse_member member;
                const char *why;
                sl_op *user = sl_use_user(use);
                if (user == best || !fits(fuse, space, user, &member)) continue;
                if (best && sl_fuse_order(fuse, best) < sl_fuse_order(fuse, user)) continue;
                if (!sl_fuse_accepts(fuse, space, user, &why)) continue;
                best = user, *found = member, *reason = why;
            }
        }
    }
    return best;
}

/* ---- rows gathered by the kernel ---- */

/* Copies rows of a tensor that is not made here: one nest.extract at a row number that is data. */
static bool is_row_gather(sl_fuse *fuse, sl_op *nest) {
    int extracts = 0;
    if (!sl_fuse_is_free(fuse, nest) || !sl_nest_is_elementwise(nest) || sl_op_result_count(nest) != 1 || sl_op_operand_count(nest) != 1) return false;
    for (sl_op *op = sl_block_first(sl_nest_body(nest)); op; op = sl_op_next(op)) {
        sl_op_kind kind = sl_op_get_kind(op);
        if (kind == SL_OP_nest_extract) {
            /* the row number is the nest's operand, what follows are loops */
            for (int i = 1; i < sl_op_operand_count(op); i++) {
                sl_op *index = sl_value_op(sl_op_operand(op, i));
                if (i == 1 ? sl_op_operand(op, i) != sl_nest_argument(nest, 0) : !index || sl_op_get_kind(index) != SL_OP_nest_index) return false;
            }
            extracts++;
        } else if (kind != SL_OP_nest_index && kind != SL_OP_nest_yield) {
            return false;
        }
    }
    sl_attr map = sl_nest_result_map(nest, 0);
    for (int d = 0; d < sl_attr_count(map); d++)
        if (sl_expr_plain_loop(sl_attr_map_result(map, d)) != d) return false;
    return extracts == 1 && sl_attr_count(map) == sl_nest_loop_count(nest);
}

/* Whether a contraction walks the rows of its left operand as one loop and sums over all that is in them. */
static bool sums_rows_of(sl_op *anchor, const sl_value *rows) {
    sl_contraction info;
    if (!sl_nest_is_contraction(anchor, &info) || sl_op_operand(anchor, info.left) != rows || sl_op_operand(anchor, info.right) == rows || info.n_count == 0) return false;
    sl_attr map = sl_nest_map(anchor, info.left);
    for (int d = 0; d < sl_attr_count(map); d++) {
        int loop = sl_expr_plain_loop(sl_attr_map_result(map, d));
        if (loop < 0 || info.roles[loop] != (d ? SL_ROLE_K : SL_ROLE_M)) return false;
    }
    return !sl_nest_outside(anchor, info.left);
}

/* The gather that makes the anchor's rows, when all who read them are such contractions; NULL otherwise. */
static sl_op *gather_of(sl_fuse *fuse, sl_op *anchor) {
    sl_contraction info;
    sl_nest_is_contraction(anchor, &info);
    sl_value *rows = sl_op_operand(anchor, info.left);
    sl_op *nest = sl_value_op(rows);
    if (!nest || !is_row_gather(fuse, nest) || sl_type_rank(sl_value_type(rows)) < 2) return NULL;
    int seen = 0;
    for (sl_use *use = sl_value_first_use(rows); use; use = sl_use_next(use))
        if (++seen > MAX_USES || !sums_rows_of(sl_use_user(use), rows)) return NULL;
    return nest;
}

/* A gather of the anchor's own (and its twin's). */
static sl_op *own_gather(sl_fuse *fuse, sl_op *anchor, sl_op *twin, sl_op *gather) {
    sl_contraction info;
    bool others = false;
    for (sl_use *use = sl_value_first_use(sl_op_result(gather, 0)); use; use = sl_use_next(use)) others |= sl_use_user(use) != anchor && sl_use_user(use) != twin;
    if (!others) return gather;
    sl_nest_is_contraction(anchor, &info);
    sl_builder builder = sl_builder_after(gather);
    sl_op *copy = sl_op_clone(&builder, gather, sl_value_map_create(fuse->arena));
    sl_fuse_set_order(fuse, copy, sl_fuse_order(fuse, gather));
    sl_op_set_operand(anchor, info.left, sl_op_result(copy, 0));
    if (twin) sl_op_set_operand(twin, info.left, sl_op_result(copy, 0));
    return copy;
}

/* ---- two products of the same rows ---- */

static bool same_map(sl_attr a, sl_attr b) {
    int count = sl_attr_count(a);
    if (count != sl_attr_count(b)) return false;
    for (int d = 0; d < count; d++)
        if (sl_attr_map_result(a, d) != sl_attr_map_result(b, d)) return false;
    return true;
}

static bool is_weight(const sl_value *value) {
    sl_attr data = sl_value_constant(value);
    sl_type type = sl_value_type(value);
    return data && !sl_attr_data_is_splat(data) && sl_type_static_count(type) > 0 && sl_element_is_float(sl_type_element(type)) && sl_element_bits(sl_type_element(type)) >= 32;      /* narrow ones have tiles of their own */
}

/* Whether `other` multiplies the anchor's rows by weights of its own, loop for loop as the anchor does. */
static bool is_twin(sl_fuse *fuse, const sl_op *anchor, sl_op *other) {
    sl_contraction info, info_other;
    if (other == anchor || !sl_fuse_is_free(fuse, other) || !sl_nest_is_contraction(anchor, &info) || !sl_nest_is_contraction(other, &info_other)) return false;
    if (info.left != info_other.left || info.right != info_other.right || info.batch_count || info.m_count == 0 || info.n_count == 0) return false;
    if (sl_op_operand_count(anchor) != 2 || sl_op_operand_count(other) != 2 || sl_nest_loop_count(anchor) != sl_nest_loop_count(other)) return false;
    if (sl_op_operand(anchor, info.left) != sl_op_operand(other, info.left) || sl_nest_outside(anchor, info.left) || sl_nest_outside(other, info.left)) return false;
    sl_value *weight = sl_op_operand(anchor, info.right), *weight_other = sl_op_operand(other, info.right);
    if (!is_weight(weight) || !is_weight(weight_other) || sl_value_type(weight) != sl_value_type(weight_other)) return false;
    for (int i = 0; i < sl_nest_loop_count(anchor); i++)
        if (sl_nest_bound(anchor, i) != sl_nest_bound(other, i) || sl_nest_is_reduced(anchor, i) != sl_nest_is_reduced(other, i)) return false;
    return sl_nest_map(anchor, 0) == sl_nest_map(other, 0) && sl_nest_map(anchor, 1) == sl_nest_map(other, 1) && sl_nest_result_map(anchor, 0) == sl_nest_result_map(other, 0) &&
           sl_value_type(sl_op_result(anchor, 0)) == sl_value_type(sl_op_result(other, 0));
}

/* A product that the anchor's epilogue reads, element by element and alone, and that goes over the same rows: both are done in one pass (a gated layer's gate and up). */
static sl_op *twin_of(sl_fuse *fuse, const sl_fuse_space *space) {
    sl_op *anchor = space->members[0].nest;
    for (int m = 1; m < space->member_count; m++) {
        sl_op *reader = space->members[m].nest;
        for (int i = 0; i < sl_op_operand_count(reader); i++) {
            sl_value *value = sl_op_operand(reader, i);
            sl_op *other = sl_value_op(value);
            if (!other || !is_twin(fuse, anchor, other)) continue;
            bool alone = true;
            for (sl_use *use = sl_value_first_use(value); use && alone; use = sl_use_next(use)) {
                sl_op *user = sl_use_user(use);
                alone = sl_fuse_is_member(space, user) && user != anchor && !sl_nest_captures(user, value);
                for (int k = 0; alone && k < sl_op_operand_count(user); k++)
                    if (sl_op_operand(user, k) == value) alone = same_map(sl_nest_map(user, k), sl_nest_result_map(other, 0)) && !sl_nest_outside(user, k);
            }
            if (alone) return other;
        }
    }
    return NULL;
}

static void add_op(sl_fuse *fuse, sl_op **ops, int *count, sl_op *op) {
    ops[(*count)++] = op;
    sl_fuse_sort(fuse, ops, *count);
}

static int position_of(sl_op *const *ops, int count, const sl_op *op) {
    int at = 0;
    while (at < count && ops[at] != op) at++;
    return at;
}

static void finish(sl_fuse *fuse, sl_fuse_space *space, const char *reason) {
    sl_op *ops[SL_FUSE_MAX_MEMBERS];
    bool reduced[SL_NEST_MAX_LOOPS] = {0};
    for (int i = 1; i < space->member_count; i++) {
        sl_fuse_member *member = &space->members[i];
        int64_t order = sl_fuse_order(fuse, member->nest);
        sl_builder builder = sl_builder_before(member->nest);
        member->nest = sl_nest_rewrite(&builder, member->nest, member->substitution, space->count, space->bounds, reduced);
        sl_fuse_set_order(fuse, member->nest, order);
    }
    sl_op *anchor = space->members[0].nest, *gather = gather_of(fuse, anchor);
    sl_op *twin = space->member_count + 1 < SL_FUSE_MAX_MEMBERS ? twin_of(fuse, space) : NULL;
    int count = 0, first = 0;
    if (twin) {
        count = sl_fuse_with(fuse, space, twin, ops);
        if (!sl_fuse_can_join(fuse, ops, count)) twin = NULL;
    }
    if (gather && space->member_count + 1 < SL_FUSE_MAX_MEMBERS) {
        count = sl_fuse_with(fuse, space, gather, ops);
        if (twin) add_op(fuse, ops, &count, twin);
        if (ops[0] == gather && sl_fuse_can_join(fuse, ops, count)) first = 1;
    }
    if (first && (ops[0] = own_gather(fuse, anchor, twin, gather)) != gather && !sl_fuse_can_join(fuse, ops, count)) return;
    if (!first) {
        count = sl_fuse_with(fuse, space, NULL, ops);
        if (twin) add_op(fuse, ops, &count, twin);
        if (count == 1 || !sl_fuse_can_join(fuse, ops, count)) return;       /* was found joinable; rewriting keeps every dependence */
    }
    if (twin) reason = reason ? sl_arena_printf(fuse->arena, "%s; two products in one pass over the rows", reason) : "two products in one pass over the rows";
    if (first) reason = reason ? sl_arena_printf(fuse->arena, "%s; rows gathered where they are read", reason) : "rows gathered where they are read: no packed copy";
    int anchor_at = position_of(ops, count, anchor), twin_at = twin ? position_of(ops, count, twin) : -1;
    sl_op *group = sl_fuse_make_group(fuse, ops, count, anchor_at, "contraction", 0, reason);
    if (twin) sl_op_set_attr(group, "twin", sl_attr_int(fuse->context, twin_at));
}

void sl_fuse_contractions(sl_fuse *fuse) {
    sl_fuse_space *space = SL_NEW(fuse->arena, sl_fuse_space);
    SL_VEC(sl_op *) anchors = {0};
    for (sl_op *op = sl_block_first(fuse->block); op; op = sl_op_next(op))
        if (sl_nest_is_contraction(op, NULL) && parallel_first(op)) SL_PUSH(fuse->arena, &anchors, op);
    for (size_t i = anchors.count; i-- > 0;) {
        const char *reason = NULL, *why;
        sl_fuse_member member;
        open_space(fuse, anchors.data[i], space);
        while (next_epilogue(fuse, space, &member, &why)) {
            sl_fuse_add(fuse, space, &member);
            reason = why;
        }
        if (space->member_count > 1 || gather_of(fuse, anchors.data[i])) finish(fuse, space, reason);
    }
}
