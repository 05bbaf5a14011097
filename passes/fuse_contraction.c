/* fuse_contraction.c: groups of kind `contraction`: a sum of products and the elementwise nests that finish its result.
 *
 * The group is the anchor (position 0), then the epilogue nests in order. An epilogue nest runs over the anchor's parallel loops, in the anchor's numbering
 * (d0..dP-1), and touches values of the group at its own point only; what it reads from outside (bias, residual, mask) it may read anywhere. The anchor's
 * operands are not computed inside. Anchors are taken from the last to the first, so that an op that could finish two of them finishes the later. */
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
    int count = sl_fuse_with(fuse, space, NULL, ops);
    if (!sl_fuse_can_join(fuse, ops, count)) return;       /* was found joinable; rewriting keeps every dependence */
    sl_fuse_make_group(fuse, ops, count, 0, "contraction", 0, reason);
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
        if (space->member_count > 1) finish(fuse, space, reason);
    }
}
