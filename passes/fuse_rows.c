/* fuse_rows.c: groups of kind `rows`: reductions and elementwise nests over shared outer loops (softmax, norms, means, pools with what follows).
 *
 * The space is the rows (the parallel loops of the first reduction) and the inner loops (its reduced loops, in their order). A member runs over
 *   the rows                      elementwise, one value a row;
 *   rows and inner, reducing      all inner loops reduced, in the same order: one value a row;
 *   rows and inner, elementwise   one value a point;
 * and in the group its loops are numbered rows first (d0..dR-1), then inner. The group's attribute `rows` is R. Values made inside are touched at the same
 * point (or by a reduction over the row's points) only, so one row of the group needs nothing of another.
 *
 * From each reduction that is still free the group grows until nothing fits: first readers of its values and nests that reduce what it reads, then
 * elementwise nests that make what it reads. */
#include "fuse.h"

#include <string.h>

#define MAX_USES 32          /* users of one value that are looked at */

static bool open_space(sl_fuse *fuse, sl_op *seed, sl_fuse_space *space) {
    sl_fuse_member member = {.nest = seed};
    memset(space, 0, sizeof *space);
    int loops = sl_nest_loop_count(seed);
    for (int reduced = 0; reduced < 2; reduced++) {
        for (int i = 0; i < loops; i++) {
            if (sl_nest_is_reduced(seed, i) != (reduced == 1)) continue;
            member.substitution[i] = sl_expr_loop(fuse->context, space->count);
            member.loops |= 1u << space->count;
            space->bounds[space->count++] = sl_nest_bound(seed, i);
        }
        if (!reduced) space->rows = space->count;
    }
    sl_fuse_add(fuse, space, &member);
    return space->rows < space->count;
}

/* Elementwise over the rows or everything, or reducing all inner loops in their order. */
static bool has_row_form(const sl_fuse_space *space, const sl_fuse_member *member) {
    uint32_t rows = (1u << space->rows) - 1, all = space->count == 32 ? ~0u : (1u << space->count) - 1;
    int inner = space->rows;
    if (sl_nest_is_elementwise(member->nest)) return member->loops == rows || member->loops == all;
    for (int i = 0, n = sl_nest_loop_count(member->nest); i < n; i++) {
        int loop = sl_expr_plain_loop(member->substitution[i]);
        if (loop < 0 || sl_nest_is_reduced(member->nest, i) != (loop >= space->rows)) return false;
        if (loop >= space->rows && loop != inner++) return false;
    }
    return member->loops == all;
}

static bool add_if_fits(sl_fuse *fuse, sl_fuse_space *space, sl_op *nest, const char **reason) {
    sl_fuse_member member;
    if (!sl_fuse_is_free(fuse, nest) || sl_fuse_is_member(space, nest) || sl_nest_is_contraction(nest, NULL)) return false;
    if (!sl_fuse_align(fuse, space, nest, &member) || !has_row_form(space, &member)) return false;
    if (!sl_fuse_accepts(fuse, space, nest, reason)) return false;
    sl_fuse_add(fuse, space, &member);
    return true;
}

static bool grow_by_users(sl_fuse *fuse, sl_fuse_space *space, sl_value *value, bool reductions_only, const char **reason) {
    sl_op *users[MAX_USES];
    int count = 0;
    bool grew = false;
    for (sl_use *use = sl_value_first_use(value); use && count < MAX_USES; use = sl_use_next(use)) {
        sl_op *user = sl_use_user(use);
        if (sl_fuse_is_free(fuse, user) && !(reductions_only && sl_nest_is_elementwise(user))) users[count++] = user;
    }
    sl_fuse_sort(fuse, users, count);
    for (int i = 0; i < count; i++) grew |= add_if_fits(fuse, space, users[i], reason);
    return grew;
}

static bool grow_forward(sl_fuse *fuse, sl_fuse_space *space, const char **reason) {
    bool grew = false;
    for (int m = 0; m < space->member_count; m++) {
        sl_op *nest = space->members[m].nest;
        for (int r = 0; r < sl_op_result_count(nest); r++) grew |= grow_by_users(fuse, space, sl_op_result(nest, r), false, reason);
        for (int k = 0; k < sl_op_operand_count(nest); k++) grew |= grow_by_users(fuse, space, sl_op_operand(nest, k), true, reason);
    }
    return grew;
}

static bool grow_backward(sl_fuse *fuse, sl_fuse_space *space, const char **reason) {
    bool grew = false;
    for (int m = 0; m < space->member_count; m++) {
        sl_op *nest = space->members[m].nest;
        for (int k = 0; k < sl_op_operand_count(nest); k++) {
            sl_op *maker = sl_value_op(sl_op_operand(nest, k));
            if (sl_nest_is_generic(maker) && sl_nest_is_elementwise(maker)) grew |= add_if_fits(fuse, space, maker, reason);
        }
    }
    return grew;
}

static void finish(sl_fuse *fuse, sl_fuse_space *space, sl_op *seed, const char *reason) {
    sl_op *ops[SL_FUSE_MAX_MEMBERS], *anchor_nest = NULL;
    int anchor = 0;
    for (int i = 0; i < space->member_count; i++) {
        sl_fuse_member *member = &space->members[i];
        sl_op *old = member->nest;
        bool reduced[SL_NEST_MAX_LOOPS] = {0};
        int64_t order = sl_fuse_order(fuse, old);
        int count = member->loops == (1u << space->rows) - 1 ? space->rows : space->count;
        if (!sl_nest_is_elementwise(old))
            for (int l = space->rows; l < space->count; l++) reduced[l] = true;
        sl_builder builder = sl_builder_before(old);
        member->nest = sl_nest_rewrite(&builder, old, member->substitution, count, space->bounds, reduced);
        sl_fuse_set_order(fuse, member->nest, order);
        if (old == seed) anchor_nest = member->nest;
    }
    int count = sl_fuse_with(fuse, space, NULL, ops);
    if (!sl_fuse_can_join(fuse, ops, count)) return;       /* was found joinable; rewriting keeps every dependence */
    while (ops[anchor] != anchor_nest) anchor++;
    sl_fuse_make_group(fuse, ops, count, anchor, "rows", space->rows, reason);
}

void sl_fuse_rows(sl_fuse *fuse) {
    sl_fuse_space *space = SL_NEW(fuse->arena, sl_fuse_space);
    SL_VEC(sl_op *) seeds = {0};
    for (sl_op *op = sl_block_first(fuse->block); op; op = sl_op_next(op))
        if (sl_nest_is_generic(op) && !sl_nest_is_elementwise(op) && !sl_nest_is_contraction(op, NULL)) SL_PUSH(fuse->arena, &seeds, op);
    for (size_t i = 0; i < seeds.count; i++) {
        const char *reason = NULL;
        sl_op *seed = seeds.data[i];
        if (!seed || !open_space(fuse, seed, space)) continue;
        while (grow_forward(fuse, space, &reason) || grow_backward(fuse, space, &reason)) {}
        if (space->member_count < 2) continue;
        for (size_t k = i + 1; k < seeds.count; k++)       /* rewriting replaces the ops: forget those that are taken */
            if (seeds.data[k] && sl_fuse_is_member(space, seeds.data[k])) seeds.data[k] = NULL;
        finish(fuse, space, seed, reason);
    }
}
