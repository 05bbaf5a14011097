/* choose_layout.c: convolutions and what lies between them go channels-last (nhwc), with transposes only at the edges.
 *
 * The register tile wants output channels in vector lanes, and a channels-last tensor has them next to each other. Ops that can work in either order
 * (elementwise, broadcast, concat, pad, slice, take, pool, conv, reductions that keep the order of what is left) form connected components, linked by the
 * tensors of one rank that go from one to the next. Each component with a convolution is priced both ways by the cost model: as it is, or channels-last plus the
 * transposes of all tensors that enter or leave it. A transpose that moves only dims of extent 1 is a reshape and costs nothing. Constant weights are
 * transposed here (kernel x C/groups x M); other constants by the simplify that follows.
 *
 * Afterwards transpose(reshape(transpose(x))) with a reshape that merges dims becomes reshape(transpose(x)), or reshape(x) when everything is back in x's
 * order: what is left of flattening a feature map to a sequence (vision transformers), or of putting together the pixels of a transposed convolution.
 *
 * In and out: tensor level. Regions of control flow are blocks of their own. */
#include "nest_query.h"
#include "data_move.h"
#include "passes_internal.h"

#include <string.h>

typedef struct layout {
    sl_pass_context *pass;
    sl_context *context;
    sl_arena *arena;
    sl_op **ops; int *parent; int count;        /* the block's ops that can work in either order, union-find over them */
    int *number; size_t numbers;                /* by op id: place in ops, or -1 */
    sl_value **last; size_t lasts;              /* by value id: its channels-last form, or NULL */
} layout;

/* ---- axes ---- */

/* Where axis a of N x C x spatial is in N x spatial x C. */
static int to_last_axis(int rank, int axis) { return axis == 0 ? 0 : axis == 1 ? rank - 1 : axis - 1; }

static void last_perm(int rank, int64_t *perm) {
    for (int a = 0; a < rank; a++) perm[to_last_axis(rank, a)] = a;
}

static void first_perm(int rank, int64_t *perm) {
    for (int a = 0; a < rank; a++) perm[a] = to_last_axis(rank, a);
}

static sl_type permuted_type(layout *l, sl_type type, const int64_t *perm) {
    sl_expr dims[SL_MAX_RANK];
    int rank = sl_type_rank(type);
    for (int d = 0; d < rank; d++) dims[d] = sl_type_dim(type, (int)perm[d]);
    return sl_type_with_dims(l->context, type, rank, dims);
}

static bool moves_units_only(sl_type type, const int64_t *perm) {
    int64_t before = -1;
    for (int d = 0; d < sl_type_rank(type); d++) {
        if (sl_expr_equals_const(sl_type_dim(type, (int)perm[d]), 1)) continue;
        if (perm[d] < before) return false;
        before = perm[d];
    }
    return true;
}

static sl_value *build_permuted(layout *l, sl_builder *builder, sl_value *value, const int64_t *perm) {
    sl_type type = permuted_type(l, sl_value_type(value), perm);
    int rank = sl_type_rank(type);
    sl_named_attr attr = {"perm", sl_attr_ints(l->context, rank, perm)};
    if (moves_units_only(sl_value_type(value), perm)) {
        if (type == sl_value_type(value)) return value;
        return sl_op_result(sl_build(builder, SL_OP_tensor_reshape, 1, &value, 1, &type, 0, NULL), 0);
    }
    sl_op *maker = sl_value_op(value);
    if (maker && sl_op_get_kind(maker) == SL_OP_tensor_transpose) {          /* undo rather than do again */
        int count;
        const int64_t *inner = sl_op_ints(maker, "perm", &count);
        bool identity = true;
        for (int d = 0; d < rank; d++) identity &= inner[perm[d]] == d;
        if (identity) return sl_op_operand(maker, 0);
    }
    return sl_op_result(sl_build(builder, SL_OP_tensor_transpose, 1, &value, 1, &type, 1, &attr), 0);
}

/* ---- which ops ---- */

static int rank_of(const sl_value *value) {
    sl_type type = sl_value_type(value);
    return sl_type_is_tensor(type) && sl_type_is_ranked(type) ? sl_type_rank(type) : -1;
}

static bool is_first_layout(const sl_op *op) { return strcmp(sl_op_string(op, "layout", "nchw"), "nchw") == 0; }

/* The rank that an op works on when it can do so in either order, else 0. */
static int working_rank(const sl_op *op) {
    sl_op_kind kind = sl_op_get_kind(op);
    int operands = sl_op_operand_count(op);
    if (operands == 0 || sl_op_result_count(op) != 1) return 0;
    int rank = kind == SL_OP_tensor_reduce ? rank_of(sl_op_operand(op, 0)) : rank_of(sl_op_result(op, 0));
    if (rank < 3) return 0;
    if (sl_op_has_trait(op, SL_TRAIT_ELEMENTWISE) || kind == SL_OP_tensor_concat) {
        for (int i = 0; i < operands; i++)
            if (rank_of(sl_op_operand(op, i)) != rank) return 0;
        return rank;
    }
    if (kind == SL_OP_tensor_broadcast) return rank_of(sl_op_operand(op, 0)) >= 0 ? rank : 0;
    if (kind == SL_OP_tensor_conv || kind == SL_OP_tensor_pool) return is_first_layout(op) && rank_of(sl_op_operand(op, 0)) == rank ? rank : 0;
    if (kind == SL_OP_tensor_pad || kind == SL_OP_tensor_slice) return rank_of(sl_op_operand(op, 0)) == rank ? rank : 0;
    if (kind == SL_OP_tensor_take) return rank_of(sl_op_operand(op, 0)) == rank && rank_of(sl_op_operand(op, 1)) == 1 ? rank : 0;
    if (kind == SL_OP_tensor_reduce) {
        int count, before = -1;
        const int64_t *axes = sl_op_ints(op, "axes", &count);
        for (int a = 0; a < rank; a++) {
            bool gone = false;
            for (int i = 0; i < count; i++) gone |= axes[i] == a;
            if (gone) continue;
            if (to_last_axis(rank, a) < before) return 0;
            before = to_last_axis(rank, a);
        }
        return rank;
    }
    return 0;
}

/* Whether operand i carries a tensor of the op's rank through (and not weights, positions or a fill). */
static bool is_data_operand(const sl_op *op, int i) {
    if (sl_op_has_trait(op, SL_TRAIT_ELEMENTWISE) || sl_op_get_kind(op) == SL_OP_tensor_concat) return true;
    if (sl_op_get_kind(op) == SL_OP_tensor_broadcast) return rank_of(sl_op_operand(op, 0)) == rank_of(sl_op_result(op, 0));
    return i == 0;
}

static int number_of(const layout *l, const sl_op *op) {
    return op && sl_op_id(op) < l->numbers ? l->number[sl_op_id(op)] : -1;
}

static int find(layout *l, int i) {
    while (l->parent[i] != i) i = l->parent[i] = l->parent[l->parent[i]];
    return i;
}

static void collect(layout *l, sl_block *block) {
    int capacity = 0;
    l->numbers = sl_module_op_count(l->pass->module);
    l->number = SL_NEW_ARRAY(l->arena, int, l->numbers + 1);
    for (size_t i = 0; i < l->numbers; i++) l->number[i] = -1;
    for (sl_op *op = sl_block_first(block); op; op = sl_op_next(op)) capacity++;
    l->ops = SL_NEW_ARRAY(l->arena, sl_op *, capacity + 1);
    l->parent = SL_NEW_ARRAY(l->arena, int, capacity + 1);
    l->count = 0;
    for (sl_op *op = sl_block_first(block); op; op = sl_op_next(op)) {
        int rank = working_rank(op);
        if (!rank) continue;
        int n = l->count++;
        l->ops[n] = op, l->parent[n] = n, l->number[sl_op_id(op)] = n;
        for (int i = 0; i < sl_op_operand_count(op); i++) {
            int maker = number_of(l, sl_value_op(sl_op_operand(op, i)));
            if (maker < 0 || !is_data_operand(op, i) || rank_of(sl_op_operand(op, i)) != rank) continue;
            if (sl_op_get_kind(l->ops[maker]) == SL_OP_tensor_reduce) continue;      /* its result is not in either order */
            l->parent[find(l, n)] = find(l, maker);
        }
    }
}

/* ---- price ---- */

static bool belongs(layout *l, const sl_op *op, int root) {
    int n = number_of(l, op);
    return n >= 0 && find(l, n) == root;
}

/* Useful share of vector lanes of a convolution with `lanes`-wide vectors over `extent` elements in a row. */
static double lane_share(double extent, int lanes) {
    double vectors = (double)(int64_t)((extent + lanes - 1) / lanes);
    return vectors > 0 ? extent / (vectors * lanes) : 1;
}

typedef struct price { sl_work first, last; int convs; int transposes; } price;

static void price_transpose(sl_work *work, sl_type type) {
    double bytes = sl_estimate_bytes(type);
    work->read_bytes += bytes, work->write_bytes += bytes, work->working_set += 2 * bytes, work->launches += 1;
}

static bool is_transpose(const sl_op *op, const int64_t *perm, int rank) {
    int count;
    if (!op || sl_op_get_kind(op) != SL_OP_tensor_transpose) return false;
    const int64_t *own = sl_op_ints(op, "perm", &count);
    if (count != rank) return false;
    for (int d = 0; d < rank; d++)
        if (own[d] != perm[d]) return false;
    return true;
}

/* A tensor that enters is transposed for channels last; one that comes out of a transpose from channels last needs none, but does so for channels first. */
static void price_entry(price *p, const sl_value *value) {
    int64_t perm[SL_MAX_RANK];
    int rank = rank_of(value);
    last_perm(rank, perm);
    if (moves_units_only(sl_value_type(value), perm)) return;
    first_perm(rank, perm);
    bool arrives = is_transpose(sl_value_op(value), perm, rank);
    price_transpose(arrives ? &p->first : &p->last, sl_value_type(value));
    p->transposes += !arrives;
}

/* The same for a tensor that leaves. */
static void price_exit(layout *l, price *p, const sl_value *value, int root) {
    int64_t perm[SL_MAX_RANK];
    int rank = rank_of(value);
    bool first = false, last = false;
    last_perm(rank, perm);
    if (moves_units_only(sl_value_type(value), perm)) return;
    for (sl_use *use = sl_value_first_use(value); use; use = sl_use_next(use)) {
        if (belongs(l, sl_use_user(use), root) && is_data_operand(sl_use_user(use), sl_use_index(use))) continue;
        if (is_transpose(sl_use_user(use), perm, rank)) last = true;
        else first = true;
    }
    if (first) price_transpose(&p->last, sl_value_type(value));
    if (last) price_transpose(&p->first, sl_value_type(value));
    p->transposes += first;
}

static void price_conv(layout *l, price *p, sl_op *op, double *first_time, double *last_time) {
    sl_type x = sl_value_type(sl_op_operand(op, 0)), w = sl_value_type(sl_op_operand(op, 1)), y = sl_value_type(sl_op_result(op, 0));
    int lanes = l->pass->machine->vector_bits / 32, rank = sl_type_rank(y);
    double per_output = sl_estimate_elements(w) / sl_estimate_expr(sl_type_dim(w, 0)), flops = 2 * sl_estimate_elements(y) * per_output;
    double bytes = sl_estimate_bytes(x) + sl_estimate_bytes(w);
    /* channels first: lanes lie along a row of the image, weights can't be read as panels and rows of neighbours overlap; half the rate at best */
    *first_time += flops / (0.5 * lane_share(sl_estimate_expr(sl_type_dim(y, rank - 1)), lanes > 0 ? lanes : 1));
    *last_time += flops / lane_share(sl_estimate_expr(sl_type_dim(y, 1)), lanes > 0 ? lanes : 1);
    p->first.flops += flops, p->last.flops += flops;
    p->first.read_bytes += bytes, p->last.read_bytes += bytes;
    p->first.write_bytes += sl_estimate_bytes(y), p->last.write_bytes += sl_estimate_bytes(y);
    p->first.parallel_tasks += sl_estimate_elements(y), p->last.parallel_tasks += sl_estimate_elements(y);
    p->convs++;
}

static void price_component(layout *l, int root, const int *members, int count, price *p) {
    double first_time = 0, last_time = 0;
    memset(p, 0, sizeof *p);
    sl_work_init(&p->first);
    sl_work_init(&p->last);
    for (int m = 0; m < count; m++) {
        sl_op *op = l->ops[members[m]];
        if (sl_op_get_kind(op) == SL_OP_tensor_conv) price_conv(l, p, op, &first_time, &last_time);
        for (int i = 0; i < sl_op_operand_count(op); i++) {
            sl_value *value = sl_op_operand(op, i);
            if (is_data_operand(op, i) && rank_of(value) >= 3 && !belongs(l, sl_value_op(value), root) && !sl_value_constant(value)) price_entry(p, value);
        }
        if (sl_op_get_kind(op) != SL_OP_tensor_reduce) price_exit(l, p, sl_op_result(op, 0), root);
    }
    p->first.working_set += p->first.read_bytes + p->first.write_bytes;
    p->last.working_set += p->last.read_bytes + p->last.write_bytes;
    p->first.launches += p->convs - 1, p->last.launches += p->convs - 1;
    if (first_time > 0) p->first.vector_efficiency = p->first.flops / first_time;
    if (last_time > 0) p->last.vector_efficiency = p->last.flops / last_time;
}

/* ---- conversion ---- */

static sl_value *known_last(const layout *l, const sl_value *value) { return sl_value_id(value) < l->lasts ? l->last[sl_value_id(value)] : NULL; }

static void set_last(layout *l, const sl_value *value, sl_value *last) {
    size_t id = sl_value_id(value);
    if (id >= l->lasts) {
        size_t size = (id + 1) * 2;
        sl_value **grown = SL_NEW_ARRAY(l->arena, sl_value *, size);
        if (l->lasts) memcpy(grown, l->last, l->lasts * sizeof *grown);
        l->last = grown, l->lasts = size;
    }
    l->last[id] = last;
}

/* The channels-last form of a value; for one from outside it is made where the value is first needed. */
static sl_value *to_last(layout *l, sl_builder *builder, sl_value *value) {
    int64_t perm[SL_MAX_RANK];
    sl_value *last = known_last(l, value);
    if (last) return last;
    last_perm(rank_of(value), perm);
    last = build_permuted(l, builder, value, perm);
    set_last(l, value, last);
    return last;
}

/* Rank `rank` with leading dims of 1. */
static sl_value *with_rank(layout *l, sl_builder *builder, sl_value *value, int rank) {
    sl_expr dims[SL_MAX_RANK];
    sl_type type = sl_value_type(value);
    int lead = rank - sl_type_rank(type);
    if (lead == 0) return value;
    for (int d = 0; d < rank; d++) dims[d] = d < lead ? sl_expr_const(l->context, 1) : sl_type_dim(type, d - lead);
    type = sl_type_with_dims(l->context, type, rank, dims);
    return sl_op_result(sl_build(builder, SL_OP_tensor_reshape, 1, &value, 1, &type, 0, NULL), 0);
}

/* Weights M x C/groups x kernel to kernel x C/groups x M; constants now, whatever their size. */
static sl_value *convert_weights(layout *l, sl_builder *builder, sl_value *weights) {
    int64_t perm[SL_MAX_RANK];
    int rank = rank_of(weights);
    for (int s = 0; s < rank - 2; s++) perm[s] = 2 + s;
    perm[rank - 2] = 1, perm[rank - 1] = 0;
    sl_value *moved = build_permuted(l, builder, weights, perm);
    sl_op *op = sl_value_op(moved);
    sl_attr data = sl_value_constant(weights), folded = data ? sl_data_transpose(l->context, data, sl_value_type(moved), perm) : NULL;
    if (!folded) return moved;
    sl_value *constant = sl_build_constant(builder, folded);
    sl_value_set_name(constant, sl_value_name(weights));
    sl_op_replace(op, &constant);
    return constant;
}

static sl_attr permuted_array(layout *l, const sl_op *op, const char *name, const int64_t *perm) {
    sl_attr old = sl_op_attr(op, name), items[SL_MAX_RANK];
    int64_t values[SL_MAX_RANK];
    int count = sl_attr_count(old);
    if (sl_attr_get_kind(old) == SL_ATTR_INTS) {
        for (int i = 0; i < count; i++) values[i] = sl_attr_get_ints(old)[perm[i]];
        return sl_attr_ints(l->context, count, values);
    }
    for (int i = 0; i < count; i++) items[i] = sl_attr_item(old, (int)perm[i]);
    return sl_attr_array(l->context, count, items);
}

static sl_attr moved_axes(layout *l, const sl_op *op, int rank) {
    int64_t moved[SL_MAX_RANK];
    int count;
    const int64_t *axes = sl_op_ints(op, "axes", &count);
    for (int i = 0; i < count; i++) {
        int j = i, axis = to_last_axis(rank, (int)axes[i]);
        for (; j > 0 && moved[j - 1] > axis; j--) moved[j] = moved[j - 1];
        moved[j] = axis;
    }
    return sl_attr_ints(l->context, count, moved);
}

static void convert(layout *l, sl_op *op) {
    sl_builder builder = sl_builder_before(op);
    sl_op_kind kind = sl_op_get_kind(op);
    int rank = working_rank(op), operands = sl_op_operand_count(op), attr_count = 0;
    int64_t perm[SL_MAX_RANK];
    sl_value **values = SL_NEW_ARRAY(l->arena, sl_value *, operands);
    sl_named_attr attrs[16];
    last_perm(rank, perm);
    for (int i = 0; i < operands; i++) {
        sl_value *value = sl_op_operand(op, i);
        if (kind == SL_OP_tensor_broadcast) values[i] = to_last(l, &builder, with_rank(l, &builder, value, rank));
        else if (kind == SL_OP_tensor_conv && i == 1) values[i] = convert_weights(l, &builder, value);
        else values[i] = is_data_operand(op, i) ? to_last(l, &builder, value) : value;
    }
    for (int i = 0; i < sl_op_attr_count(op) && attr_count < 15; i++) {
        sl_named_attr *attr = &attrs[attr_count];
        attr->attr = sl_op_attr_at(op, i, &attr->name);
        if (strcmp(attr->name, "layout") == 0) continue;
        attr_count++;
        if (strcmp(attr->name, "axis") == 0) attr->attr = sl_attr_int(l->context, to_last_axis(rank, (int)sl_op_int(op, "axis", 0)));
        else if (kind == SL_OP_tensor_reduce && strcmp(attr->name, "axes") == 0) attr->attr = moved_axes(l, op, rank);
        else if (kind == SL_OP_tensor_pad && strcmp(attr->name, "mode") != 0) attr->attr = permuted_array(l, op, attr->name, perm);
        else if (kind == SL_OP_tensor_slice) attr->attr = permuted_array(l, op, attr->name, perm);
    }
    if (kind == SL_OP_tensor_conv || kind == SL_OP_tensor_pool) attrs[attr_count++] = (sl_named_attr){"layout", sl_attr_string(l->context, "nhwc")};
    sl_value *old = sl_op_result(op, 0);
    sl_type type = kind == SL_OP_tensor_reduce ? sl_value_type(old) : permuted_type(l, sl_value_type(old), perm);
    sl_value *made = sl_op_result(sl_build(&builder, kind, operands, values, 1, &type, attr_count, attrs), 0);
    sl_value_set_name(made, sl_value_name(old));
    if (kind == SL_OP_tensor_reduce) sl_value_replace_all_uses(old, made);
    else set_last(l, old, made);
    l->pass->changes++;
}

/* Readers outside of the component get the value in the old order; then the old op goes. */
static void release(layout *l, sl_op *op) {
    sl_value *old = sl_op_result(op, 0);
    if (sl_value_has_uses(old)) {
        int64_t perm[SL_MAX_RANK];
        sl_builder builder = sl_builder_before(op);
        first_perm(rank_of(old), perm);
        sl_value *first = build_permuted(l, &builder, known_last(l, old), perm);
        sl_value_replace_all_uses(old, first);
    }
    sl_op_erase(op);
}

static void decide_component(layout *l, int root, const int *members, int count) {
    static const char *const names[] = {"channels first", "channels last"};
    price p;
    price_component(l, root, members, count, &p);
    if (!p.convs) return;
    sl_work works[2] = {p.first, p.last};
    sl_choice choice = sl_cost_choose(l->pass->machine, l->pass->threads, l->arena, 2, names, works);
    const char *reason = sl_arena_printf(l->arena, "%s (%d ops, %d convolutions, %d transposes at the edges)", choice.reason, count, p.convs, p.transposes);
    sl_pass_decide(l->pass, l->ops[members[0]], names[choice.index], reason);
    if (choice.index == 0) return;
    l->lasts = 0;               /* what another component made of a value may stand behind this one's ops, or in another block */
    for (int m = 0; m < count; m++) convert(l, l->ops[members[m]]);
    for (int m = count - 1; m >= 0; m--) release(l, l->ops[members[m]]);
}

/* ---- transpose(reshape(transpose(x))) ---- */

/* A transpose behind a reshape that only merges dims moves in front of it, where it joins the one that is there: one transpose of x, or none. */
static bool join_transposes(layout *l, sl_op *op) {
    sl_op *reshape = sl_value_op(sl_op_operand(op, 0));
    if (!reshape || sl_op_get_kind(reshape) != SL_OP_tensor_reshape || sl_op_operand_count(reshape) != 1) return false;
    sl_op *inner = sl_value_op(sl_op_operand(reshape, 0));
    if (!inner || sl_op_get_kind(inner) != SL_OP_tensor_transpose) return false;
    sl_type from = sl_value_type(sl_op_operand(reshape, 0)), to = sl_value_type(sl_op_result(reshape, 0));
    int count, from_rank = sl_type_rank(from), to_rank = sl_type_rank(to), i = 0, placed = 0;
    const int64_t *first = sl_op_ints(inner, "perm", &count), *second = sl_op_ints(op, "perm", &count);
    int begin[SL_MAX_RANK], end[SL_MAX_RANK];
    int64_t perm[SL_MAX_RANK];
    for (int j = 0; j < to_rank; j++) {                 /* dim j of the reshape is dims begin..end-1 of the transposed x, merged */
        sl_expr product = sl_expr_const(l->context, 1);
        begin[j] = i;
        if (sl_expr_equals_const(sl_type_dim(to, j), 1) && i < from_rank && sl_expr_equals_const(sl_type_dim(from, i), 1)) i++;
        while (product != sl_type_dim(to, j) && i < from_rank) product = sl_expr_mul(l->context, product, sl_type_dim(from, i++));
        if (product != sl_type_dim(to, j)) return false;
        end[j] = i;
    }
    for (int k = i; k < from_rank; k++)
        if (!sl_expr_equals_const(sl_type_dim(from, k), 1)) return false;
    for (int d = 0; d < to_rank; d++)
        for (int k = begin[second[d]]; k < end[second[d]]; k++) perm[placed++] = first[k];
    for (int k = i; k < from_rank; k++) perm[placed++] = first[k];
    sl_builder builder = sl_builder_before(op);
    sl_type type = sl_value_type(sl_op_result(op, 0));
    sl_value *x = build_permuted(l, &builder, sl_op_operand(inner, 0), perm);
    sl_value *value = sl_op_result(sl_build(&builder, SL_OP_tensor_reshape, 1, &x, 1, &type, 0, NULL), 0);
    sl_value_set_name(value, sl_value_name(sl_op_result(op, 0)));
    sl_op_replace(op, &value);
    l->pass->changes++;
    return true;
}

static void layout_block(layout *l, sl_block *block) {
    for (sl_op *op = sl_block_first(block); op; op = sl_op_next(op)) {
        if (sl_op_get_kind(op) == SL_OP_nest_generic || sl_op_get_kind(op) == SL_OP_nest_group) continue;
        for (int i = 0; i < sl_op_region_count(op); i++)
            if (sl_region_block(sl_op_region(op, i))) layout_block(l, sl_op_body(op, i));
    }
    collect(l, block);
    int *next = SL_NEW_ARRAY(l->arena, int, l->count + 1), *head = SL_NEW_ARRAY(l->arena, int, l->count + 1);
    int *members = SL_NEW_ARRAY(l->arena, int, l->count + 1), ops = l->count;
    for (int n = 0; n < ops; n++) head[n] = -1;
    for (int n = ops - 1; n >= 0; n--) {
        int root = find(l, n);
        next[n] = head[root], head[root] = n;
    }
    for (int root = 0; root < ops; root++) {
        int count = 0;
        for (int n = head[root]; n >= 0; n = next[n]) members[count++] = n;
        if (count) decide_component(l, root, members, count);
    }
    for (sl_op *op = sl_block_first(block), *after; op; op = after) {
        after = sl_op_next(op);
        if (sl_op_get_kind(op) == SL_OP_tensor_transpose) join_transposes(l, op);
    }
}

sl_status sl_pass_choose_layout(sl_pass_context *pass) {
    layout l = {.pass = pass, .context = sl_module_context(pass->module), .arena = pass->scratch};
    for (sl_op *function = sl_block_first(sl_module_body(pass->module)); function; function = sl_op_next(function))
        if (sl_op_get_kind(function) == SL_OP_core_func && !sl_op_bool(function, "buffers", false)) layout_block(&l, sl_op_body(function, 0));
    return NULL;
}
