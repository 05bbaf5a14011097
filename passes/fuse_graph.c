/* fuse_graph.c: order of ops in a block, legality of computing several at one place, making groups, costs.
 *
 * Positions are numbers with gaps, so that an op put in or moved keeps the numbering; when a gap is used up the block is numbered anew. Scans between two
 * ops stop after MAX_SPAN ops, which keeps the pass near-linear; what lies farther apart stays apart. */
#include "fuse.h"

#include <stdlib.h>
#include <string.h>

#define GAP ((int64_t)1 << 16)
#define MAX_SPAN 1024

static void reserve(sl_fuse *fuse, size_t id) {
    if (id < fuse->capacity) return;
    size_t capacity = (id + 1) * 2;
    int64_t *order = SL_NEW_ARRAY(fuse->arena, int64_t, capacity);
    uint32_t *marks = SL_NEW_ARRAY(fuse->arena, uint32_t, capacity);
    if (fuse->capacity) {
        memcpy(order, fuse->order, fuse->capacity * sizeof *order);
        memcpy(marks, fuse->marks, fuse->capacity * sizeof *marks);
    }
    fuse->order = order, fuse->marks = marks, fuse->capacity = capacity;
}

void sl_fuse_number_block(sl_fuse *fuse) {
    int64_t position = 0;
    for (sl_op *op = sl_block_first(fuse->block); op; op = sl_op_next(op)) sl_fuse_set_order(fuse, op, position += GAP);
}

int64_t sl_fuse_order(sl_fuse *fuse, const sl_op *op) {
    reserve(fuse, sl_op_id(op));
    return fuse->order[sl_op_id(op)];
}

void sl_fuse_set_order(sl_fuse *fuse, const sl_op *op, int64_t order) {
    reserve(fuse, sl_op_id(op));
    fuse->order[sl_op_id(op)] = order;
}

void sl_fuse_sort(sl_fuse *fuse, sl_op **ops, int count) {
    for (int i = 1; i < count; i++) {
        sl_op *op = ops[i];
        int j = i;
        for (; j > 0 && sl_fuse_order(fuse, ops[j - 1]) > sl_fuse_order(fuse, op); j--) ops[j] = ops[j - 1];
        ops[j] = op;
    }
}

bool sl_fuse_is_free(const sl_fuse *fuse, const sl_op *op) { return sl_nest_is_generic(op) && sl_op_block(op) == fuse->block; }

/* ---- legality ---- */

static uint32_t mark_of(sl_fuse *fuse, const sl_op *op) {
    reserve(fuse, sl_op_id(op));
    return fuse->marks[sl_op_id(op)];
}

static void set_mark(sl_fuse *fuse, const sl_op *op, uint32_t mark) {
    reserve(fuse, sl_op_id(op));
    fuse->marks[sl_op_id(op)] = mark;
}

typedef struct depends_query { sl_fuse *fuse; uint32_t low; } depends_query;

/* Stops at an op that reads a value of a marked op. */
static bool reads_no_marked(void *self, sl_op *op) {
    depends_query *query = self;
    for (int i = 0; i < sl_op_operand_count(op); i++) {
        sl_op *maker = sl_value_op(sl_op_operand(op, i));
        if (maker && mark_of(query->fuse, maker) >= query->low) return false;
    }
    return true;
}

static bool depends(sl_fuse *fuse, sl_op *op, uint32_t low) {
    depends_query query = {fuse, low};
    return !sl_op_walk(op, reads_no_marked, &query);
}

static bool sees_fresh(sl_type type) {
    if (!sl_type_is_tensor(type) || !sl_type_is_ranked(type)) return true;
    for (int i = 0; i < sl_type_rank(type); i++)
        if (sl_expr_get_kind(sl_type_dim(type, i)) == SL_EXPR_SYMBOL && sl_expr_is_fresh(sl_type_dim(type, i))) return true;
    return false;
}

/* An op that may bind a shape symbol can't go past ops that use the symbol without reading its results. */
static bool is_movable(const sl_op *op) {
    if (sl_nest_is_generic(op) || sl_op_get_kind(op) == SL_OP_nest_group) return true;
    if (sl_op_has_trait(op, SL_TRAIT_TERMINATOR)) return false;
    for (int i = 0; i < sl_op_result_count(op); i++)
        if (sees_fresh(sl_value_type(sl_op_result(op, i)))) return false;
    return true;
}

bool sl_fuse_can_join(sl_fuse *fuse, sl_op *const *ops, int count) {
    fuse->stamp += 2;
    uint32_t member = fuse->stamp, dependent = fuse->stamp + 1;
    int span = 0, left = count;
    fuse->moved.count = 0;
    for (int i = 0; i < count; i++) set_mark(fuse, ops[i], member);
    for (sl_op *op = ops[0]; op && left > 0; op = sl_op_next(op)) {
        if (++span > MAX_SPAN) return false;
        if (mark_of(fuse, op) == member) {
            left--;
            if (fuse->moved.count && depends(fuse, op, dependent)) return false;
        } else if (depends(fuse, op, member)) {
            if (!is_movable(op)) return false;
            set_mark(fuse, op, dependent);
            SL_PUSH(fuse->arena, &fuse->moved, op);
        }
    }
    return left == 0;
}

void sl_fuse_move_after(sl_fuse *fuse, sl_op *place) {
    sl_op *next = sl_op_next(place);
    int64_t position = sl_fuse_order(fuse, place), limit = next ? sl_fuse_order(fuse, next) : INT64_MAX;
    for (size_t i = 0; i < fuse->moved.count; i++) {
        if (next) sl_op_move_before(fuse->moved.data[i], next);
        else sl_op_move_to_end(fuse->moved.data[i], fuse->block);
        sl_fuse_set_order(fuse, fuse->moved.data[i], ++position);
    }
    fuse->moved.count = 0;
    if (position >= limit) sl_fuse_number_block(fuse);
}

/* ---- groups ---- */

static bool is_outside_user(void *self, sl_op *user, int operand) {
    (void)operand;
    return !sl_block_contains(self, user);
}

static bool used_outside(const sl_value *value, sl_block *body) {
    for (sl_use *use = sl_value_first_use(value); use; use = sl_use_next(use))
        if (!sl_block_contains(body, sl_use_user(use))) return true;
    return false;
}

sl_op *sl_fuse_make_group(sl_fuse *fuse, sl_op *const *ops, int count, int anchor, const char *kind, int rows, const char *reason) {
    sl_context *context = fuse->context;
    SL_VEC(sl_value *) values = {0};
    SL_VEC(sl_type) types = {0};
    sl_loc locs[SL_FUSE_MAX_MEMBERS];
    /* a first op without results holds the region while it is filled; only then is it known what is used outside */
    sl_builder builder = sl_builder_after(ops[count - 1]);
    sl_op *holder = sl_build(&builder, SL_OP_nest_group, 0, NULL, 0, NULL, 0, NULL);
    sl_block *body = sl_op_body(holder, 0);
    int64_t position = sl_fuse_order(fuse, ops[count - 1]);
    for (int i = 0; i < count; i++) {
        locs[i] = sl_op_loc(ops[i]);
        sl_op_move_to_end(ops[i], body);
    }
    for (int i = 0; i < count; i++) {
        for (int r = 0; r < sl_op_result_count(ops[i]); r++) {
            sl_value *value = sl_op_result(ops[i], r);
            if (!used_outside(value, body)) continue;
            SL_PUSH(fuse->arena, &values, value);
            SL_PUSH(fuse->arena, &types, sl_value_type(value));
        }
    }
    sl_named_attr attrs[5] = {
        {"anchor", sl_attr_int(context, anchor)}, {"kind", sl_attr_string(context, kind)}, {"reason", sl_attr_string(context, reason)},
        {"rows", sl_attr_int(context, rows)},
    };
    builder.loc = sl_loc_fused(context, count, locs);
    sl_op *group = sl_build(&builder, SL_OP_nest_group, 0, NULL, (int)values.count, types.data, rows > 0 ? 4 : 3, attrs);
    for (size_t i = 0; i < values.count; i++) {
        sl_value_set_name(sl_op_result(group, (int)i), sl_value_name(values.data[i]));
        sl_value_replace_uses_if(values.data[i], sl_op_result(group, (int)i), is_outside_user, body);
    }
    for (int i = 0; i < count; i++) sl_op_move_to_end(ops[i], sl_op_body(group, 0));
    sl_builder end = sl_builder_at_end(builder.module, sl_op_body(group, 0));
    sl_build(&end, SL_OP_nest_yield, (int)values.count, values.data, 0, NULL, 0, NULL);
    sl_op_erase(holder);
    sl_fuse_set_order(fuse, group, position);
    sl_fuse_move_after(fuse, group);
    fuse->pass->changes++;
    sl_pass_decide(fuse->pass, group, kind, reason);
    return group;
}

/* ---- costs ---- */

static bool is_one_of(const sl_op *op, sl_op *const *ops, int count) {
    for (int i = 0; i < count; i++)
        if (ops[i] == op) return true;
    return false;
}

static bool read_before(sl_op *const *ops, int at, int operand, const sl_value *value) {
    for (int i = 0; i <= at; i++)
        for (int k = 0, n = i == at ? operand : sl_op_operand_count(ops[i]); k < n; k++)
            if (sl_op_operand(ops[i], k) == value) return true;
    return false;
}

static bool escapes(const sl_value *value, sl_op *const *ops, int count) {
    for (sl_use *use = sl_value_first_use(value); use; use = sl_use_next(use))
        if (!is_one_of(sl_use_user(use), ops, count)) return true;
    return false;
}

/* Elementwise operations are not fused multiply-adds, and wait for each other in a chain: each counts as four of the flops of the machine's peak. */
double sl_fuse_body_flops(const sl_op *nest) { return (sl_nest_is_contraction(nest, NULL) ? 1 : 4) * sl_estimate_body(nest); }

void sl_fuse_work(sl_fuse *fuse, sl_op *const *ops, int count, sl_work *work) {
    (void)fuse;
    sl_work_init(work);
    for (int i = 0; i < count; i++) {
        double points = sl_estimate_points(ops[i]);
        work->flops += points * sl_fuse_body_flops(ops[i]);
        if (points > work->parallel_tasks) work->parallel_tasks = points;
        for (int k = 0; k < sl_op_operand_count(ops[i]); k++) {
            sl_value *value = sl_op_operand(ops[i], k);
            if (is_one_of(sl_value_op(value), ops, count) || read_before(ops, i, k, value)) continue;
            work->read_bytes += sl_estimate_bytes(sl_value_type(value));
        }
        for (int r = 0; r < sl_op_result_count(ops[i]); r++) {
            sl_value *value = sl_op_result(ops[i], r);
            if (escapes(value, ops, count)) work->write_bytes += sl_estimate_bytes(sl_value_type(value));
        }
    }
    work->working_set = work->read_bytes + work->write_bytes;
}

void sl_fuse_work_add(sl_work *a, const sl_work *b) {
    a->flops += b->flops, a->read_bytes += b->read_bytes, a->write_bytes += b->write_bytes;
    a->working_set = a->read_bytes + a->write_bytes;
    a->launches += b->launches;
    if (b->parallel_tasks > a->parallel_tasks) a->parallel_tasks = b->parallel_tasks;
}

bool sl_fuse_prefers(sl_fuse *fuse, const sl_work *together, const sl_work *apart, bool recomputes, const char **reason) {
    static const char *const names[2][2] = {{"fused", "apart"}, {"apart", "fused"}};
    sl_work works[2] = {recomputes ? *apart : *together, recomputes ? *together : *apart};
    sl_choice choice = sl_cost_choose(fuse->pass->machine, fuse->pass->threads, fuse->arena, 2, names[recomputes], works);
    if (reason) *reason = choice.reason;
    return (choice.index == 0) != recomputes;
}
