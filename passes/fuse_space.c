/* fuse_space.c: how nests lie in a space of shared loops.
 *
 * A space has loops s0..sn-1. For every value that a member touches it is known at which expressions over these loops. Another nest that touches the same value
 * at plain loops of its own is aligned by that: its loop is what the space has there. Values computed inside decide first, since the nest must touch them at
 * exactly the point where they are; what it reads from outside may then be read anywhere. */
#include "fuse.h"

#include <string.h>

static const sl_fuse_known *find_known(const sl_fuse_space *space, const sl_value *value) {
    for (size_t i = 0; i < space->known.count; i++)
        if (space->known.data[i].value == value) return &space->known.data[i];
    return NULL;
}

bool sl_fuse_is_member(const sl_fuse_space *space, const sl_op *op) {
    for (int i = 0; i < space->member_count; i++)
        if (space->members[i].nest == op) return true;
    return false;
}

/* Access `number` of a nest: operands, then results. */
static sl_value *access_value(const sl_op *nest, int number) {
    int operands = sl_op_operand_count(nest);
    return number < operands ? sl_op_operand(nest, number) : sl_op_result(nest, number - operands);
}

static uint32_t loops_in(sl_expr expr, int count) {
    uint32_t mask = 0;
    for (int i = 0; i < count; i++)
        if (sl_expr_uses_loop(expr, i)) mask |= 1u << i;
    return mask;
}

static void derive(const sl_op *nest, int number, const sl_fuse_known *known, sl_expr *substitution) {
    sl_attr map = sl_nest_map(nest, number);
    sl_type type = sl_value_type(known->value);
    for (int d = 0, n = sl_attr_count(map); d < n; d++) {
        int loop = sl_expr_plain_loop(sl_attr_map_result(map, d));
        if (loop < 0 || substitution[loop] || !sl_expr_uses_any_loop(known->index[d])) continue;
        if (!known->inside && sl_expr_plain_loop(known->index[d]) < 0) continue;      /* a window's position covers no dim */
        if (sl_nest_bound(nest, loop) == sl_type_dim(type, d)) substitution[loop] = known->index[d];
    }
}

static bool touches_at(sl_fuse *fuse, const sl_op *nest, int number, const sl_expr *substitution, const sl_expr *index) {
    sl_attr map = sl_nest_map(nest, number);
    int loops = sl_nest_loop_count(nest);
    for (int d = 0, n = sl_attr_count(map); d < n; d++)
        if (sl_expr_substitute(fuse->context, sl_attr_map_result(map, d), substitution, loops, NULL, NULL) != index[d]) return false;
    return number >= sl_op_operand_count(nest) || !sl_nest_outside(nest, number);
}

/* Members that read results of `nest` must do so where it computes them, and none at positions known only at run time. */
static bool members_agree(sl_fuse *fuse, const sl_fuse_space *space, sl_op *nest, const sl_expr *substitution) {
    int operands = sl_op_operand_count(nest), loops = sl_nest_loop_count(nest);
    for (int r = 0; r < sl_op_result_count(nest); r++) {
        sl_value *value = sl_op_result(nest, r);
        if (!find_known(space, value)) continue;
        sl_attr map = sl_nest_map(nest, operands + r);
        sl_expr index[SL_MAX_RANK];
        for (int d = 0, n = sl_attr_count(map); d < n; d++)
            index[d] = sl_expr_substitute(fuse->context, sl_attr_map_result(map, d), substitution, loops, NULL, NULL);
        for (int m = 0; m < space->member_count; m++) {
            const sl_fuse_member *member = &space->members[m];
            for (int k = 0; k < sl_op_operand_count(member->nest); k++)
                if (sl_op_operand(member->nest, k) == value && !touches_at(fuse, member->nest, k, member->substitution, index)) return false;
        }
    }
    for (int m = 0; m < space->member_count; m++)
        for (int r = 0; r < sl_op_result_count(nest); r++)
            if (sl_nest_captures(space->members[m].nest, sl_op_result(nest, r))) return false;
    return true;
}

bool sl_fuse_align(sl_fuse *fuse, const sl_fuse_space *space, sl_op *nest, sl_fuse_member *member) {
    int loops = sl_nest_loop_count(nest), accesses = sl_op_operand_count(nest) + sl_op_result_count(nest);
    memset(member, 0, sizeof *member);
    member->nest = nest;
    for (int inside = 1; inside >= 0; inside--) {
        for (int i = 0; i < accesses; i++) {
            const sl_fuse_known *known = find_known(space, access_value(nest, i));
            if (known && known->inside == (inside == 1)) derive(nest, i, known, member->substitution);
        }
    }
    for (int i = 0; i < loops; i++) {
        sl_expr to = member->substitution[i];
        if (!to) return false;
        uint32_t mask = loops_in(to, space->count);
        int plain = sl_expr_plain_loop(to);
        if ((member->loops & mask) || (plain >= 0 && space->bounds[plain] != sl_nest_bound(nest, i))) return false;
        member->loops |= mask;
    }
    for (int i = 0; i < accesses; i++) {
        const sl_fuse_known *known = find_known(space, access_value(nest, i));
        if (known && known->inside && !touches_at(fuse, nest, i, member->substitution, known->index)) return false;
    }
    for (size_t i = 0; i < space->known.count; i++)
        if (space->known.data[i].inside && sl_nest_captures(nest, space->known.data[i].value)) return false;
    return members_agree(fuse, space, nest, member->substitution);
}

void sl_fuse_add(sl_fuse *fuse, sl_fuse_space *space, const sl_fuse_member *member) {
    sl_op *nest = member->nest;
    int operands = sl_op_operand_count(nest), loops = sl_nest_loop_count(nest);
    space->members[space->member_count++] = *member;
    for (int i = 0; i < operands + sl_op_result_count(nest); i++) {
        sl_value *value = access_value(nest, i);
        sl_fuse_known entry = {.value = value, .inside = i >= operands}, *known = (sl_fuse_known *)find_known(space, value);
        sl_attr map = sl_nest_map(nest, i);
        if (known && (known->inside || !entry.inside)) continue;
        for (int d = 0, n = sl_attr_count(map); d < n; d++)
            entry.index[d] = sl_expr_substitute(fuse->context, sl_attr_map_result(map, d), member->substitution, loops, NULL, NULL);
        if (known) *known = entry;
        else SL_PUSH(fuse->arena, &space->known, entry);
    }
}

int sl_fuse_with(sl_fuse *fuse, const sl_fuse_space *space, sl_op *extra, sl_op **ops) {
    int count = 0;
    for (int i = 0; i < space->member_count; i++) ops[count++] = space->members[i].nest;
    if (extra) ops[count++] = extra;
    sl_fuse_sort(fuse, ops, count);
    return count;
}

bool sl_fuse_accepts(sl_fuse *fuse, const sl_fuse_space *space, sl_op *nest, const char **reason) {
    sl_op *ops[SL_FUSE_MAX_MEMBERS + 1];
    sl_work together, apart, alone;
    if (space->member_count == SL_FUSE_MAX_MEMBERS) return false;
    int count = sl_fuse_with(fuse, space, nest, ops);
    if (!sl_fuse_can_join(fuse, ops, count)) return false;
    sl_fuse_work(fuse, ops, count, &together);
    count = sl_fuse_with(fuse, space, NULL, ops);
    sl_fuse_work(fuse, ops, count, &apart);
    sl_fuse_work(fuse, &nest, 1, &alone);
    sl_fuse_work_add(&apart, &alone);
    return sl_fuse_prefers(fuse, &together, &apart, false, reason);
}
