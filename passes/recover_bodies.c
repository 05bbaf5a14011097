/* recover_bodies.c: the bodies of branches: what only the form at hand reads, gathered backwards from where it ends, cloned onto packed rows.
 *
 * Every member knows along which axis of its result the rows run, and, when it computes all experts at once, along which axis they run: both follow from its readers (recover_axes.c). In the
 * body of one branch the axis of rows has the packed rows and the axis of experts is gone: stacked weights become slices, a batched product an ordinary one. Whatever enters a member and is none
 * is a row tensor when it is read row by row, else it is used where it is. */
#include "recover.h"

#include <string.h>

/* ---- setting up ---- */

void sl_bodies_init(sl_bodies *bodies, sl_pass_context *pass, int branches, sl_expr rows) {
    memset(bodies, 0, sizeof *bodies);
    bodies->pass = pass;
    bodies->c = sl_module_context(pass->module);
    bodies->branches = branches;
    bodies->rows = rows;
}

void sl_bodies_add_root(sl_bodies *bodies, sl_op *user, int operand, int side, int rows, int experts) {
    SL_PUSH(bodies->pass->scratch, &bodies->roots, (sl_body_root){user, operand, side, rows, experts});
}

static uint32_t *slot_of(sl_bodies *bodies, const sl_op *op) {
    size_t id = sl_op_id(op);
    if (id >= bodies->capacity) {
        size_t capacity = sl_module_op_count(bodies->pass->module) + 1024;
        while (capacity <= id) capacity *= 2;
        uint32_t *grown = SL_NEW_ARRAY(bodies->pass->scratch, uint32_t, capacity);
        if (bodies->capacity) memcpy(grown, bodies->index, bodies->capacity * sizeof *grown);
        bodies->index = grown;
        bodies->capacity = capacity;
    }
    return &bodies->index[id];
}

static const sl_member *member_of(sl_bodies *bodies, const sl_op *op) {
    uint32_t slot = op ? *slot_of(bodies, op) : 0;
    return slot ? &bodies->members.data[slot - 1] : NULL;
}

static const sl_row_source *source_of(const sl_bodies *bodies, const sl_value *value) {
    for (size_t i = 0; i < bodies->sources.count; i++)
        if (bodies->sources.data[i].value == value) return &bodies->sources.data[i];
    return NULL;
}

/* ---- stacks ---- */

static const sl_row_source *stack_of(const sl_bodies *bodies, const sl_value *value) {
    for (size_t i = 0; i < bodies->stacks.count; i++)
        if (bodies->stacks.data[i].value == value) return &bodies->stacks.data[i];
    return NULL;
}

/* The axis of rows along which a value is the same within each branch, since it is made of stacks alone; -1. */
static int stack_axis(const sl_bodies *bodies, const sl_value *value) {
    const sl_op *op = sl_value_op(value);
    if (!bodies->stacks.count || !op) return -1;
    const sl_row_source *stack = stack_of(bodies, value);
    if (stack) return stack->axis;
    sl_op_kind kind = sl_op_get_kind(op);
    if ((kind != SL_OP_tensor_reshape && kind != SL_OP_tensor_transpose && kind != SL_OP_arith_cast) || sl_op_operand_count(op) != 1) return -1;
    int axis = stack_axis(bodies, sl_op_operand(op, 0));
    for (int d = 0; axis >= 0 && d < sl_type_rank(sl_value_type(value)); d++)
        if (sl_recover_axis(op, 0, d) == axis) return d;
    return -1;
}

/* Which ops depend on stacks: only those are different from branch to branch. */
static void mark_by_branch(sl_bodies *bodies, sl_op *last) {
    if (!bodies->stacks.count) return;
    bodies->by_branch = SL_NEW_ARRAY(bodies->pass->scratch, bool, (size_t)sl_module_op_count(bodies->pass->module) + 1);
    for (sl_op *op = sl_block_first(sl_op_block(last)); op && op != last; op = sl_op_next(op)) {
        bool found = sl_op_result_count(op) == 1 && stack_of(bodies, sl_op_result(op, 0));
        for (int i = 0; i < sl_op_operand_count(op) && !found; i++) found = sl_value_op(sl_op_operand(op, i)) && bodies->by_branch[sl_op_id(sl_value_op(sl_op_operand(op, i)))];
        bodies->by_branch[sl_op_id(op)] = found;
    }
}

/* ---- members ---- */

/* A stack of what single branches made: a concat along the axis of experts. */
static bool is_stack(const sl_bodies *bodies, const sl_op *op, int experts) {
    if (sl_op_get_kind(op) != SL_OP_tensor_concat || experts < 0 || sl_op_int(op, "axis", -1) != experts || sl_op_operand_count(op) != bodies->branches) return false;
    for (int i = 0; i < sl_op_operand_count(op); i++)
        if (!sl_expr_equals_const(sl_type_dim(sl_value_type(sl_op_operand(op, i)), experts), 1)) return false;
    return true;
}

/* What `member` needs of its operand. */
static sl_member demand(const sl_bodies *bodies, const sl_member *member, int operand) {
    sl_member need = {member->op, member->side, SL_AXIS_WHOLE, SL_AXIS_WHOLE, 0};
    if (is_stack(bodies, member->op, member->experts)) {
        need.side = operand;
        need.rows = member->rows;
        return need;
    }
    if (member->rows >= 0) need.rows = sl_recover_axis(member->op, operand, member->rows);
    if (need.rows >= 0 && stack_axis(bodies, sl_op_operand(member->op, operand)) == need.rows) {
        need.experts = need.rows, need.uniform = need.rows + 1, need.rows = SL_AXIS_WHOLE;
        return need;
    }
    if (need.rows >= 0 && sl_recover_uniform(sl_op_operand(member->op, operand), need.rows)) need.uniform = need.rows + 1, need.rows = SL_AXIS_WHOLE;
    if (member->experts >= 0) need.experts = sl_recover_axis(member->op, operand, member->experts);
    return need;
}

static bool same_demand(const sl_member *x, const sl_member *y) { return x->side == y->side && x->rows == y->rows && x->experts == y->experts; }

/* What all readers of the op's result agree to need; false when one is outside, or they differ. */
static bool needed(sl_bodies *bodies, sl_op *op, sl_member *need) {
    bool any = false;
    if (sl_op_result_count(op) != 1) return false;
    for (sl_use *use = sl_value_first_use(sl_op_result(op, 0)); use; use = sl_use_next(use)) {
        sl_op *user = sl_use_user(use);
        const sl_member *member = member_of(bodies, user);
        sl_member found = {0};
        bool hit = false;
        if (member) found = demand(bodies, member, sl_use_index(use)), hit = true;
        for (size_t i = 0; i < bodies->roots.count && !hit; i++) {
            const sl_body_root *root = &bodies->roots.data[i];
            if (root->user == user && root->operand == sl_use_index(use)) found = (sl_member){user, root->side, root->rows, root->experts, 0}, hit = true;
        }
        if (bodies->loosely) found.rows = 0;
        if (!hit || (found.rows < 0 && found.experts < 0) || (any && !same_demand(&found, need))) return false;
        /* Without an axis of experts what every branch reads is the same for all: computed once, for all rows. */
        if (found.side == SL_SIDE_EVERY && found.experts < 0 && !(bodies->by_branch && bodies->by_branch[sl_op_id(op)])) return false;
        *need = found;
        any = true;
    }
    need->op = op;
    return any;
}

static bool fits(const sl_bodies *bodies, const sl_member *member) {
    sl_op *op = member->op;
    sl_op_kind kind = sl_op_get_kind(op);
    sl_type type = sl_value_type(sl_op_result(op, 0));
    if (!sl_op_has_trait(op, SL_TRAIT_PURE) || sl_op_region_count(op) || !sl_op_operand_count(op) || !sl_type_is_tensor(type) || !sl_type_is_ranked(type)) return false;
    if (bodies->loosely) return true;
    if (member->experts >= 0 && (kind == SL_OP_tensor_conv || kind == SL_OP_tensor_pool)) return false;
    bool any = kind == SL_OP_tensor_broadcast && member->rows >= 0;
    for (int i = 0; i < sl_op_operand_count(op); i++) {
        sl_member need = demand(bodies, member, i);
        if (need.rows == SL_AXIS_MIXED || need.experts == SL_AXIS_MIXED) return false;
        any |= need.rows >= 0 || (member->rows < 0 && need.experts >= 0);
    }
    return any;
}

static bool add_tensor(sl_bodies *bodies, sl_value *value, int axis, int experts, int64_t expert) {
    for (size_t i = 0; i < bodies->tensors.count; i++) {
        const sl_row_tensor *t = &bodies->tensors.data[i];
        if (t->value == value && t->axis == axis && t->experts == experts && t->expert == expert) return true;
    }
    if (bodies->tensors.count == SL_RECOVER_MAX_ROW_TENSORS) return bodies->trouble = "too many values enter the bodies", false;
    SL_PUSH(bodies->pass->scratch, &bodies->tensors, (sl_row_tensor){value, axis, experts, expert, NULL});
    return true;
}

/* What is needed of a value and no member computes: a row tensor, when rows run along it. */
static bool add_entering(sl_bodies *bodies, sl_value *value, const sl_member *need) {
    const sl_row_source *source = source_of(bodies, value);
    if (source && need->rows < 0) return bodies->trouble = "a body mixes rows", false;
    if (source) return add_tensor(bodies, source->source, source->axis, -1, 0);
    if (need->rows < 0 || member_of(bodies, sl_value_op(value))) return true;
    if (sl_type_dim(sl_value_type(value), need->rows) != bodies->rows) return bodies->trouble = "a body reads rows that are not those of the routing", false;
    for (int64_t e = 0; e < (need->experts >= 0 ? bodies->branches : 1); e++)
        if (!add_tensor(bodies, value, need->rows, need->experts, need->experts >= 0 ? e : 0)) return false;
    return true;
}

bool sl_bodies_gather(sl_bodies *bodies, sl_op *last) {
    int scanned = 0;
    mark_by_branch(bodies, last);
    for (sl_op *op = sl_op_previous(last); op && scanned < SL_RECOVER_MAX_SCAN; op = sl_op_previous(op), scanned++) {
        sl_member member;
        if (!needed(bodies, op, &member) || source_of(bodies, sl_op_result(op, 0)) || stack_of(bodies, sl_op_result(op, 0)) || !fits(bodies, &member)) continue;
        SL_PUSH(bodies->pass->scratch, &bodies->members, member);
        *slot_of(bodies, op) = (uint32_t)bodies->members.count;
    }
    for (size_t i = 0; i < bodies->roots.count && !bodies->loosely; i++) {
        const sl_body_root *root = &bodies->roots.data[i];
        sl_member need = {root->user, root->side, root->rows, root->experts, 0};
        if (!add_entering(bodies, sl_op_operand(root->user, root->operand), &need)) return false;
    }
    for (size_t i = bodies->members.count; i-- > 0 && !bodies->loosely;)
        for (int k = 0; k < sl_op_operand_count(bodies->members.data[i].op); k++) {
            sl_member need = demand(bodies, &bodies->members.data[i], k);
            if (!add_entering(bodies, sl_op_operand(bodies->members.data[i].op, k), &need)) return false;
        }
    return true;
}

/* ---- pricing ---- */

static double extent(sl_expr dim) { return (double)sl_expr_const_or(dim, 128); }

double sl_recover_row_elements(sl_type type, int rows) {
    double count = 1;
    for (int d = 0; d < sl_type_rank(type); d++)
        if (d != rows) count *= extent(sl_type_dim(type, d));
    return count;
}

double sl_bodies_products(const sl_bodies *bodies) {
    double sum = sl_bodies_products_of(bodies, SL_SIDE_EVERY);
    for (int side = 0; side < bodies->branches; side++) sum += sl_bodies_products_of(bodies, side);
    return sum;
}

double sl_bodies_products_of(const sl_bodies *bodies, int side) {
    double sum = 0;
    for (size_t i = 0; i < bodies->members.count; i++) {
        const sl_member *member = &bodies->members.data[i];
        if (member->side != side) continue;
        sl_op_kind kind = sl_op_get_kind(member->op);
        if ((kind != SL_OP_tensor_contract && kind != SL_OP_tensor_conv) || member->rows < 0) continue;
        double count = sl_recover_row_elements(sl_value_type(sl_op_result(member->op, 0)), member->rows);
        sl_type right = sl_value_type(sl_op_operand(member->op, 1));
        if (kind == SL_OP_tensor_conv) {
            bool nhwc = strcmp(sl_op_string(member->op, "layout", "nchw"), "nhwc") == 0;
            for (int d = 0; d < sl_type_rank(right); d++)
                if (d != (nhwc ? sl_type_rank(right) - 1 : 0)) count *= extent(sl_type_dim(right, d));
        } else {
            int sums;
            const int64_t *axes = sl_op_ints(member->op, "right_sum", &sums);
            for (int s = 0; s < sums; s++) count *= extent(sl_type_dim(right, (int)axes[s]));
        }
        sum += count;
    }
    return sum;
}

double sl_bodies_moved(const sl_bodies *bodies, sl_type result) {
    double moved = sl_recover_row_elements(result, 0);
    for (size_t i = 0; i < bodies->tensors.count; i++) {
        const sl_row_tensor *t = &bodies->tensors.data[i];
        double elements = sl_recover_row_elements(sl_value_type(t->value), t->axis);
        moved += t->experts >= 0 ? elements / extent(sl_type_dim(sl_value_type(t->value), t->experts)) / bodies->branches : elements;
    }
    return moved;
}

/* ---- cloning ---- */

typedef struct cloning {
    sl_bodies *bodies;
    sl_builder *b;
    int branch;
    sl_expr packed;
    sl_value_map *map;             /* values of members to those of the body */
    sl_block *body;
    sl_op *anchor;                 /* what does not depend on rows is built before it */
} cloning;

/* `type` as the body has it: packed rows, no experts. */
static sl_type project(const cloning *c, sl_type type, int rows, int experts) {
    sl_expr dims[SL_MAX_RANK];
    int rank = 0;
    for (int d = 0; d < sl_type_rank(type); d++)
        if (d != experts) dims[rank++] = d == rows ? c->packed : sl_type_dim(type, d);
    return sl_type_with_dims(c->bodies->c, type, rank, dims);
}

/* The packed rows of tensor `number`, with their axis where it was. */
static sl_value *argument(cloning *c, size_t number) {
    const sl_row_tensor *t = &c->bodies->tensors.data[number];
    sl_value *value = sl_block_argument(c->body, (int)number);
    int axis = t->axis - (t->experts >= 0 && t->experts < t->axis), rank = sl_type_rank(sl_value_type(value));
    if (axis == 0) return value;
    sl_expr dims[SL_MAX_RANK];
    int64_t perm[SL_MAX_RANK];
    for (int d = 0; d < rank; d++) {
        perm[d] = d < axis ? d + 1 : d == axis ? 0 : d;
        dims[d] = sl_type_dim(sl_value_type(value), (int)perm[d]);
    }
    sl_named_attr attr = {"perm", sl_attr_ints(c->bodies->c, rank, perm)};
    return sl_recover_op(c->b, SL_OP_tensor_transpose, 1, &value, sl_type_with_dims(c->bodies->c, sl_value_type(value), rank, dims), 1, &attr);
}

static sl_value *fetch(cloning *c, sl_value *value, const sl_member *need) {
    const sl_row_source *source = source_of(c->bodies, value);
    if (!source) {
        sl_value *mapped = member_of(c->bodies, sl_value_op(value)) ? sl_value_map_get(c->map, value) : NULL;
        if (mapped) return mapped;
    }
    if (source || need->rows >= 0) {
        sl_value *from = source ? source->source : value;
        int axis = source ? source->axis : need->rows, experts = source ? -1 : need->experts;
        for (size_t i = 0; i < c->bodies->tensors.count; i++) {
            const sl_row_tensor *t = &c->bodies->tensors.data[i];
            if (t->value == from && t->axis == axis && t->experts == experts && t->expert == (experts >= 0 ? c->branch : 0)) return argument(c, i);
        }
    }
    sl_builder outside = sl_builder_before(c->anchor);
    if (need->uniform && stack_axis(c->bodies, value) < 0) {
        sl_value *once = sl_recover_slice(&outside, value, need->uniform - 1, 0);
        return need->experts < 0 ? once : sl_recover_slice(&outside, once, need->experts - (need->experts > need->uniform - 1), c->branch);
    }
    if (need->experts < 0) return value;
    const sl_row_source *stack = stack_of(c->bodies, value);
    if (stack) {    /* its slice, with the dims that the gathered ones have */
        sl_type type = project(c, sl_value_type(value), -1, stack->axis);
        return sl_recover_reshape(&outside, sl_recover_slice(&outside, stack->source, 0, c->branch), type);
    }
    return sl_recover_slice(&outside, value, need->experts, c->branch);
}

int sl_recover_attrs_without(sl_context *context, const sl_op *op, int experts, const int *flow, sl_named_attr *attrs) {
    int count = sl_op_attr_count(op);
    for (int i = 0; i < count; i++) {
        attrs[i].attr = sl_op_attr_at(op, i, &attrs[i].name);
        if (experts < 0) continue;
        const char *name = attrs[i].name;
        int items;
        bool left = !strncmp(name, "left_", 5), right = !strncmp(name, "right_", 6);
        if (left || right || !strcmp(name, "axes")) {
            const int64_t *axes = sl_op_ints(op, name, &items);
            int64_t kept[SL_MAX_RANK];
            int kept_count = 0, gone = flow[right ? 1 : 0];
            for (int k = 0; k < items; k++)
                if (axes[k] != gone) kept[kept_count++] = axes[k] - (gone >= 0 && axes[k] > gone);
            attrs[i].attr = sl_attr_ints(context, kept_count, kept);
        } else if (!strcmp(name, "perm")) {
            const int64_t *perm = sl_op_ints(op, name, &items);
            int64_t kept[SL_MAX_RANK];
            int kept_count = 0;
            for (int k = 0; k < items; k++)
                if (k != experts) kept[kept_count++] = perm[k] - (perm[k] > flow[0]);
            attrs[i].attr = sl_attr_ints(context, kept_count, kept);
        } else if (!strcmp(name, "steps")) {
            const int64_t *steps = sl_op_ints(op, name, &items);
            int64_t kept[SL_MAX_RANK];
            int kept_count = 0;
            for (int k = 0; k < items; k++)
                if (k != experts) kept[kept_count++] = steps[k];
            attrs[i].attr = sl_attr_ints(context, kept_count, kept);
        } else if (!strcmp(name, "starts") || !strcmp(name, "low") || !strcmp(name, "high")) {
            sl_expr kept[SL_MAX_RANK];
            int kept_count = 0, rank = sl_attr_count(attrs[i].attr);
            for (int k = 0; k < rank; k++)
                if (k != experts) kept[kept_count++] = sl_op_expr_at(op, name, k);
            attrs[i].attr = sl_attr_exprs(context, kept_count, kept);
        } else if (!strcmp(name, "axis")) {
            int64_t axis = sl_op_int(op, name, 0);
            attrs[i].attr = sl_attr_int(context, axis - (flow[0] >= 0 && axis > flow[0]));
        }
    }
    return count;
}

/* A product whose batches are the rows, with the operand `stack` that is the same for all of them: the rows of the other one are free then. */
static sl_value *clone_product(cloning *c, const sl_member *member, int stack, int stack_rows, sl_value *const *operands) {
    enum { LEFT = 100, RIGHT = 200 };
    sl_op *op = member->op;
    sl_context *context = c->bodies->c;
    int batches, sums, kept = 0, rank = 0, other = 1 - stack;
    const int64_t *batch[2] = {sl_op_ints(op, "left_batch", &batches), sl_op_ints(op, "right_batch", &batches)}, *sum[2] = {sl_op_ints(op, "left_sum", &sums), sl_op_ints(op, "right_sum", &sums)};
    int64_t new_batch[2][SL_MAX_RANK], new_sum[2][SL_MAX_RANK], perm[SL_MAX_RANK];
    int wanted[SL_MAX_RANK], made[SL_MAX_RANK], made_count = 0;    /* dims of the result as it was, and as it comes: batches by number, free dims by operand and axis */
    for (int i = 0; i < batches; i++) {
        wanted[rank++] = i;
        if (batch[stack][i] == stack_rows) continue;
        new_batch[0][kept] = batch[other][i];
        new_batch[1][kept++] = batch[stack][i] - (batch[stack][i] > stack_rows);
        made[made_count++] = i;
    }
    for (int i = 0; i < sums; i++) new_sum[0][i] = sum[other][i], new_sum[1][i] = sum[stack][i] - (sum[stack][i] > stack_rows);
    for (int pass = 0; pass < 2; pass++)
        for (int from = 0; from < 2; from++) {
            int which = pass ? from : from ? stack : other;    /* pass 0: as it comes, the other one first */
            sl_type type = sl_value_type(sl_op_operand(op, which));
            for (int d = 0; d < sl_type_rank(type); d++) {
                int number = -1;
                bool summed = false;
                for (int i = 0; i < batches; i++)
                    if (batch[which][i] == d) number = i;
                for (int i = 0; i < sums; i++) summed |= sum[which][i] == d;
                if (summed) continue;
                if (number < 0 && pass) wanted[rank++] = (which ? RIGHT : LEFT) + d;
                if (number < 0 && !pass) made[made_count++] = (which ? RIGHT : LEFT) + d;
                if (number >= 0 && !pass && which == other && batch[stack][number] == stack_rows) made[made_count++] = number;
            }
        }
    sl_type projected = project(c, sl_value_type(sl_op_result(op, 0)), member->rows, member->experts);
    sl_expr dims[SL_MAX_RANK];
    bool same = true;
    for (int d = 0; d < rank; d++) {
        for (int k = 0; k < rank; k++)
            if (made[k] == wanted[d]) perm[d] = k, dims[k] = sl_type_dim(projected, d);
        same &= perm[d] == d;
    }
    sl_named_attr attrs[8];
    int count = 0;
    for (int i = 0; i < sl_op_attr_count(op); i++) {
        sl_attr attr = sl_op_attr_at(op, i, &attrs[count].name);
        bool lists = !strncmp(attrs[count].name, "left_", 5) || !strncmp(attrs[count].name, "right_", 6);
        if (!lists) attrs[count++].attr = attr;
    }
    attrs[count++] = (sl_named_attr){"left_batch", sl_attr_ints(context, kept, new_batch[0])};
    attrs[count++] = (sl_named_attr){"right_batch", sl_attr_ints(context, kept, new_batch[1])};
    attrs[count++] = (sl_named_attr){"left_sum", sl_attr_ints(context, sums, new_sum[0])};
    attrs[count++] = (sl_named_attr){"right_sum", sl_attr_ints(context, sums, new_sum[1])};
    sl_value *ordered[] = {operands[other], operands[stack]};
    sl_value *product = sl_recover_op(c->b, SL_OP_tensor_contract, 2, ordered, sl_type_with_dims(context, projected, rank, dims), count, attrs);
    sl_named_attr attr = {"perm", sl_attr_ints(context, rank, perm)};
    return same ? product : sl_recover_op(c->b, SL_OP_tensor_transpose, 1, &product, projected, 1, &attr);
}

static sl_value *clone(cloning *c, const sl_member *member) {
    enum { MAX_OPERANDS = 64, MAX_ATTRS = 16 };
    sl_op *op = member->op;
    int count = sl_op_operand_count(op), stack = -1;
    sl_type type = sl_value_type(sl_op_result(op, 0)), projected = project(c, type, member->rows, member->experts);
    if (is_stack(c->bodies, op, member->experts)) {
        sl_member need = demand(c->bodies, member, c->branch);
        return sl_recover_reshape(c->b, fetch(c, sl_op_operand(op, c->branch), &need), projected);
    }
    sl_value **operands = SL_NEW_ARRAY(c->bodies->pass->scratch, sl_value *, (size_t)count + 1);
    int *flow = SL_NEW_ARRAY(c->bodies->pass->scratch, int, (size_t)count + MAX_OPERANDS);
    for (int i = 0; i < count; i++) {
        sl_member need = demand(c->bodies, member, i);
        operands[i] = fetch(c, sl_op_operand(op, i), &need);
        flow[i] = need.experts;
        int rows = need.uniform - 1;
        if (rows < 0) continue;
        bool stacked = stack_axis(c->bodies, sl_op_operand(op, i)) >= 0;
        if (sl_op_get_kind(op) == SL_OP_tensor_contract && stacked && sl_recover_axis(op, 1 - i, member->rows) >= 0 && stack_axis(c->bodies, sl_op_operand(op, 1 - i)) < 0) stack = i;
        else {    /* the same for every row */
            int experts = stacked ? -1 : need.experts, at = rows - (experts >= 0 && experts < rows);
            sl_type spread = project(c, sl_value_type(sl_op_operand(op, i)), rows, experts);
            sl_expr dims[SL_MAX_RANK];
            for (int d = 0; d < sl_type_rank(spread); d++) dims[d] = d == at ? sl_expr_const(c->bodies->c, 1) : sl_type_dim(spread, d);
            operands[i] = sl_recover_reshape(c->b, operands[i], sl_type_with_dims(c->bodies->c, spread, sl_type_rank(spread), dims));
            operands[i] = sl_recover_op(c->b, SL_OP_tensor_broadcast, 1, &operands[i], spread, 0, NULL);
        }
        if (stacked) flow[i] = -1;
    }
    if (stack >= 0) {
        sl_member need = demand(c->bodies, member, 1 - stack);
        operands[1 - stack] = fetch(c, sl_op_operand(op, 1 - stack), &need);
        return clone_product(c, member, stack, sl_recover_axis(op, stack, member->rows), operands);
    }
    if (sl_op_get_kind(op) == SL_OP_tensor_broadcast) {
        if (member->experts >= 0 && flow[0] < 0) {    /* the dim that the experts were spread along */
            sl_type from = sl_value_type(operands[0]);
            int lead = sl_type_rank(type) - sl_type_rank(from), at = member->experts - lead;
            if (at >= 0) {
                sl_expr dims[SL_MAX_RANK];
                for (int d = 0, k = 0; d < sl_type_rank(from); d++)
                    if (d != at) dims[k++] = sl_type_dim(from, d);
                operands[0] = sl_recover_reshape(c->b, operands[0], sl_type_with_dims(c->bodies->c, from, sl_type_rank(from) - 1, dims));
            }
        }
        if (sl_value_type(operands[0]) == projected) return operands[0];
    }
    if (sl_op_get_kind(op) == SL_OP_tensor_reshape) return sl_recover_reshape(c->b, operands[0], projected);
    sl_named_attr attrs[MAX_ATTRS];
    int attr_count = sl_recover_attrs_without(c->bodies->c, op, member->experts, flow, attrs);
    return sl_recover_op(c->b, sl_op_get_kind(op), count, operands, projected, attr_count, attrs);
}

static void build_body(sl_bodies *bodies, sl_op *made, sl_op *anchor, int branch, sl_type result) {
    cloning c = {.bodies = bodies, .branch = branch, .packed = sl_expr_fresh(bodies->c), .map = sl_value_map_create(bodies->pass->scratch), .anchor = anchor};
    c.body = sl_region_block(sl_op_add_region(made));
    for (size_t i = 0; i < bodies->tensors.count; i++) {
        sl_type type = sl_value_type(bodies->tensors.data[i].packed);
        sl_expr dims[SL_MAX_RANK];
        for (int d = 0; d < sl_type_rank(type); d++) dims[d] = d ? sl_type_dim(type, d) : c.packed;
        sl_block_add_argument(c.body, sl_type_with_dims(bodies->c, type, sl_type_rank(type), dims));
    }
    sl_builder b = sl_builder_at_end(bodies->pass->module, c.body);
    c.b = &b;
    for (size_t i = bodies->members.count; i-- > 0;) {
        const sl_member *member = &bodies->members.data[i];
        if (member->side != SL_SIDE_EVERY && member->side != branch) continue;
        b.loc = sl_op_loc(member->op);
        sl_value_map_set(c.map, sl_op_result(member->op, 0), clone(&c, member));
    }
    b.loc = sl_op_loc(anchor);
    for (size_t i = 0; i < bodies->roots.count; i++) {
        const sl_body_root *root = &bodies->roots.data[i];
        if (root->side != SL_SIDE_EVERY && root->side != branch) continue;
        sl_member need = {root->user, root->side, root->rows, root->experts, 0};
        sl_value *value = fetch(&c, sl_op_operand(root->user, root->operand), &need);
        value = sl_recover_lead(&b, value, root->rows - (root->experts >= 0 && root->experts < root->rows));
        sl_expr dims[SL_MAX_RANK];
        for (int d = 0; d < sl_type_rank(result); d++) dims[d] = d ? sl_type_dim(result, d) : c.packed;
        value = sl_recover_reshape(&b, value, sl_type_with_dims(bodies->c, result, sl_type_rank(result), dims));
        sl_build(&b, SL_OP_route_yield, 1, &value, 0, NULL, 0, NULL);
        return;
    }
}

sl_value *sl_bodies_build(sl_bodies *bodies, sl_op *anchor, const sl_routing *routing, sl_type result) {
    sl_builder b = sl_builder_before(anchor);
    sl_context *context = bodies->c;
    sl_type plan_type = sl_type_partition(context, bodies->branches);
    int tensors = (int)bodies->tensors.count, count = 1;
    sl_value **operands = SL_NEW_ARRAY(bodies->pass->scratch, sl_value *, (size_t)tensors + 3), *keys = routing->keys;
    operands[0] = sl_op_result(sl_build(&b, SL_OP_route_partition, 1, &keys, 1, &plan_type, 0, NULL), 0);
    for (int i = 0; i < tensors; i++) {
        sl_row_tensor *t = &bodies->tensors.data[i];
        sl_value *value = t->experts >= 0 ? sl_recover_slice(&b, t->value, t->experts, t->expert) : t->value;
        t->packed = sl_recover_lead(&b, value, t->axis - (t->experts >= 0 && t->experts < t->axis));
        operands[count++] = t->packed;
    }
    if (routing->weights) operands[count++] = routing->weights;
    if (routing->old) operands[count++] = routing->old;
    sl_named_attr attrs[] = {{"rows", sl_attr_int(context, tensors)}, {"merge", sl_attr_string(context, routing->merge)}, {"weighted", sl_attr_bool(context, true)}};
    sl_op *made = sl_build(&b, SL_OP_route_switch, count, operands, 1, &result, routing->weights ? 3 : 2, attrs);
    for (int branch = 0; branch < bodies->branches; branch++) build_body(bodies, made, made, branch, result);
    return sl_op_result(made, 0);
}
