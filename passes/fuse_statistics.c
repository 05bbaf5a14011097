/* fuse_statistics.c: reductions over the columns of a sum of products, taken while its tiles are in registers: largest and least value, sum, sum of squares, and sum of exp(x - r) with a
 * value r of the row (softmax, log-softmax, log-sum-exp). When nothing else reads the matrix, it is never stored.
 *
 * A row's columns are cut into chunks of a fixed size. Nests in the group of the contraction make one value of each chunk and row,
 *     %m[row, chunk] = max x[row, C * chunk + j] over j          %s[row, chunk] = sum exp(x[row, C * chunk + j] - finite(%m[row, chunk])) over j
 * and a nest for each reduction puts chunks together: most = max %m; total = sum %s * exp(finite(%m) - r). finite() is 0 for an infinite maximum, so that no infinity is subtracted from
 * itself. Chunks depend on nothing but the number of columns: results do not depend on rows, tiles or threads. Sums go in another order than that of one loop, so this is not done
 * under --strict.
 *
 * Found by what nests compute and where they read, through elementwise nests in between; decided by the cost model. */
#include "fuse.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 768, LEAST_COLUMNS = 2 * CHUNK, MOST_VALUES = 16, MOST_MATCHES = 8, MOST_OPS = SL_FUSE_MAX_MEMBERS - STATISTICS_KINDS };

typedef struct match {
    sl_op *nest;                                 /* the reduction */
    int kind;
    sl_expr index[SL_MAX_RANK];                  /* where it reads the matrix, in its loops */
    sl_value *row;                               /* r, and where it is read */
    sl_expr row_index[SL_MAX_RANK];
} match;

typedef struct statistics {
    sl_fuse *fuse;
    sl_op *holder;                               /* the group, or the lone contraction */
    sl_value *matrix;
    int64_t columns;
    match matches[MOST_MATCHES];
    int match_count;
    sl_op *between[MOST_VALUES];                 /* elementwise nests on the way */
    int between_count;
    bool dies;                                   /* nothing else reads the matrix */
    sl_value *parts[STATISTICS_KINDS];           /* chunks' values */
} statistics;

/* ---- finding ---- */

/* A value in a nest's body, and the nest's loops in those of the reduction. */
typedef struct seen { const sl_op *nest; sl_value *value; sl_expr loops[SL_NEST_MAX_LOOPS]; } seen;

static int operand_of(const seen *at) { return sl_value_op(at->value) ? -1 : sl_value_index(at->value); }

static void index_of(const statistics *s, const seen *at, int operand, sl_expr *index) {
    sl_attr map = sl_nest_map(at->nest, operand);
    for (int i = 0, n = sl_attr_count(map); i < n; i++)
        index[i] = sl_expr_substitute(s->fuse->context, sl_attr_map_result(map, i), at->loops, sl_nest_loop_count(at->nest), NULL, NULL);
}

/* While the value is an operand that an elementwise nest makes and that is not the matrix: into that nest. */
static bool follow(const statistics *s, seen *at, int summed) {
    for (int steps = 0; steps < 4; steps++) {
        int operand = operand_of(at);
        if (operand < 0) return true;
        if (operand >= sl_op_operand_count(at->nest) || sl_nest_outside(at->nest, operand)) return false;
        sl_value *tensor = sl_op_operand(at->nest, operand);
        sl_op *maker = sl_value_op(tensor);
        sl_expr index[SL_MAX_RANK];
        bool by_column = false;
        index_of(s, at, operand, index);
        for (int i = 0; i < sl_type_rank(sl_value_type(tensor)); i++) by_column |= sl_expr_uses_loop(index[i], summed);
        if (tensor == s->matrix || !by_column || !sl_fuse_is_free(s->fuse, maker) || !sl_nest_is_elementwise(maker)) return true;
        seen next = {.nest = maker, .value = sl_nest_yielded(maker, sl_value_index(tensor))};
        sl_attr made = sl_nest_result_map(maker, sl_value_index(tensor));
        for (int i = 0, n = sl_attr_count(made); i < n; i++) {
            int loop = sl_expr_plain_loop(sl_attr_map_result(made, i));
            if (loop >= 0 && next.loops[loop]) return false;
            if (loop >= 0) next.loops[loop] = index[i];
            else if (!sl_expr_equals_const(sl_attr_map_result(made, i), 0)) return false;
        }
        for (int i = 0, n = sl_nest_loop_count(maker); i < n; i++)
            if (!next.loops[i]) return false;
        *at = next;
    }
    return false;
}

/* The value is the matrix's element at [rows, summed]. */
static bool is_element(const statistics *s, const seen *at, int summed, sl_expr *index) {
    int operand = operand_of(at), rank = sl_type_rank(sl_value_type(s->matrix));
    if (operand < 0 || operand >= sl_op_operand_count(at->nest) || sl_op_operand(at->nest, operand) != s->matrix) return false;
    index_of(s, at, operand, index);
    uint32_t used = 0;
    for (int i = 0; i < rank; i++) {
        int loop = sl_expr_plain_loop(index[i]);
        if (loop < 0 ? !sl_expr_equals_const(index[i], 0) || !sl_expr_equals_const(sl_type_dim(sl_value_type(s->matrix), i), 1) : (used >> loop & 1) || (loop == summed) != (i == rank - 1)) return false;
        if (loop >= 0) used |= 1u << loop;
    }
    return true;
}

static bool split(const seen *at, sl_op_kind kind, seen *a, seen *b) {
    sl_op *op = sl_value_op(at->value);
    if (!op || sl_op_get_kind(op) != kind) return false;
    *a = *at, a->value = sl_op_operand(op, 0);
    if (b) *b = *at, b->value = sl_op_operand(op, 1);
    return true;
}

static bool match_term(const statistics *s, match *m, seen term, sl_combiner combiner, int summed) {
    seen a, b;
    sl_expr again[SL_MAX_RANK];
    if (!follow(s, &term, summed)) return false;
    if (is_element(s, &term, summed, m->index)) {
        m->kind = combiner == SL_COMBINE_MAX ? STATISTICS_MAX : combiner == SL_COMBINE_MIN ? STATISTICS_MIN : STATISTICS_SUM;
        return combiner == SL_COMBINE_MAX || combiner == SL_COMBINE_MIN || combiner == SL_COMBINE_SUM;
    }
    if (combiner != SL_COMBINE_SUM) return false;
    if (split(&term, SL_OP_arith_mul, &a, &b)) {
        m->kind = STATISTICS_SQUARES;
        return follow(s, &a, summed) && follow(s, &b, summed) && is_element(s, &a, summed, m->index) && is_element(s, &b, summed, again) &&
               memcmp(again, m->index, (size_t)sl_type_rank(sl_value_type(s->matrix)) * sizeof(*again)) == 0;
    }
    if (!split(&term, SL_OP_arith_exp, &a, NULL) || !follow(s, &a, summed)) return false;
    term = a;
    if (!split(&term, SL_OP_arith_sub, &a, &b) || !follow(s, &a, summed) || !is_element(s, &a, summed, m->index)) return false;
    int row = operand_of(&b);
    if (row < 0 || row >= sl_op_operand_count(b.nest) || sl_nest_outside(b.nest, row) || sl_op_operand(b.nest, row) == s->matrix) return false;
    index_of(s, &b, row, m->row_index);
    m->row = sl_op_operand(b.nest, row), m->kind = STATISTICS_POWERS;
    for (int i = 0; i < sl_type_rank(sl_value_type(m->row)); i++)
        if (sl_expr_uses_loop(m->row_index[i], summed)) return false;
    return sl_type_element(sl_value_type(m->row)) == SL_ELEMENT_f32;
}

static bool match_reduction(const statistics *s, sl_op *nest, match *m) {
    sl_value *term;
    int summed = -1;
    *m = (match){.nest = nest};
    if (!sl_fuse_is_free(s->fuse, nest) || sl_op_result_count(nest) != 1 || sl_nest_reduced_count(nest) != 1 || sl_nest_is_contraction(nest, NULL)) return false;
    if (sl_type_element(sl_value_type(sl_op_result(nest, 0))) != SL_ELEMENT_f32 || sl_nest_captures(nest, NULL)) return false;
    seen at = {.nest = nest};
    for (int i = 0, n = sl_nest_loop_count(nest); i < n; i++) {
        at.loops[i] = sl_expr_loop(s->fuse->context, i);
        if (sl_nest_is_reduced(nest, i)) summed = i;
    }
    sl_combiner combiner = sl_nest_combiner(nest, 0, &term);
    if (!term || combiner == SL_COMBINE_FMA) return false;
    at.value = term;
    if (!match_term(s, m, at, combiner, summed)) return false;
    for (int i = 0, n = sl_nest_loop_count(nest); i < n; i++) {          /* no loop that the matrix does not have */
        bool used = false;
        for (int d = 0; d < sl_type_rank(sl_value_type(s->matrix)); d++) used |= sl_expr_plain_loop(m->index[d]) == i;
        if (!used) return false;
    }
    return true;
}

static bool is_matched(const statistics *s, const sl_op *op) {
    for (int i = 0; i < s->match_count; i++)
        if (s->matches[i].nest == op) return true;
    return false;
}

static bool is_between(const statistics *s, const sl_op *op) {
    for (int i = 0; i < s->between_count; i++)
        if (s->between[i] == op) return true;
    return false;
}

static void find_among_users(statistics *s, sl_value *value) {
    int seen_uses = 0;
    for (sl_use *use = sl_value_first_use(value); use && seen_uses < 32; use = sl_use_next(use), seen_uses++) {
        sl_op *user = sl_use_user(use);
        match m;
        if (!sl_fuse_is_free(s->fuse, user) || is_matched(s, user) || is_between(s, user)) continue;
        if (sl_nest_is_elementwise(user)) {
            if (s->between_count < MOST_VALUES && sl_nest_loop_count(user) > 0) s->between[s->between_count++] = user;
        } else if (s->match_count < MOST_MATCHES && match_reduction(s, user, &m)) {
            s->matches[s->match_count++] = m;
        }
    }
}

/* Whether all who read the op's results are reductions found, or are themselves not needed. */
static bool only_feeds(const statistics *s, const sl_value *value, int depth) {
    for (sl_use *use = sl_value_first_use(value); use; use = sl_use_next(use)) {
        sl_op *user = sl_use_user(use);
        if (is_matched(s, user)) continue;
        if (depth > 4 || !is_between(s, user)) return false;
        for (int i = 0; i < sl_op_result_count(user); i++)
            if (!only_feeds(s, sl_op_result(user, i), depth + 1)) return false;
    }
    return true;
}

static void find(statistics *s) {
    find_among_users(s, s->matrix);
    for (int i = 0; i < s->between_count; i++)
        for (int r = 0; r < sl_op_result_count(s->between[i]); r++) find_among_users(s, sl_op_result(s->between[i], r));
    s->dies = only_feeds(s, s->matrix, 0);
}

/* ---- the new nests ---- */

static int64_t chunk_count(const statistics *s) { return (s->columns + CHUNK - 1) / CHUNK; }

static sl_value *binary(sl_builder *b, sl_op_kind kind, sl_value *x, sl_value *y) { return sl_build_binary(b, kind, x, y); }

static sl_value *finite_of(sl_builder *b, sl_value *x) {
    sl_context *context = sl_module_context(b->module);
    sl_type type = sl_value_type(x), truth = sl_type_scalar(context, SL_ELEMENT_i1);
    sl_value *infinite = sl_op_result(sl_build(b, SL_OP_arith_isinf, 1, &x, 1, &truth, 0, NULL), 0);
    sl_value *operands[3] = {infinite, sl_build_scalar(b, sl_scalar_float(context, SL_ELEMENT_f32, 0)), x};
    return sl_op_result(sl_build(b, SL_OP_arith_select, 3, operands, 1, &type, 0, NULL), 0);
}

static void yield(sl_builder *b, sl_value *value) { sl_build(b, SL_OP_nest_yield, 1, &value, 0, NULL, 0, NULL); }

static double identity_of(int kind) { return kind == STATISTICS_MAX ? -INFINITY : kind == STATISTICS_MIN ? INFINITY : 0; }

static sl_value *combine(sl_builder *b, int kind, sl_value *running, sl_value *term) {
    return binary(b, kind == STATISTICS_MAX ? SL_OP_arith_max : kind == STATISTICS_MIN ? SL_OP_arith_min : SL_OP_arith_add, running, term);
}

/* One value of each row and chunk, of the matrix as it is called inside of the group. */
static sl_op *build_part(statistics *s, sl_builder *here, sl_value *matrix, int kind) {
    sl_context *context = s->fuse->context;
    sl_type type = sl_value_type(matrix);
    int rank = sl_type_rank(type);
    sl_nest_spec spec;
    sl_expr dims[SL_MAX_RANK], index[SL_MAX_RANK], place[SL_MAX_RANK];
    sl_spec_init(&spec, context);
    for (int i = 0; i + 1 < rank; i++) dims[i] = sl_type_dim(type, i), index[i] = place[i] = sl_spec_loop(&spec, dims[i], false);
    dims[rank - 1] = sl_expr_const(context, chunk_count(s));
    place[rank - 1] = sl_spec_loop(&spec, dims[rank - 1], false);
    index[rank - 1] = sl_expr_add(context, sl_expr_mul(context, place[rank - 1], sl_expr_const(context, CHUNK)), sl_spec_loop(&spec, sl_expr_const(context, CHUNK), true));
    double outside = kind == STATISTICS_POWERS ? -INFINITY : identity_of(kind);
    sl_spec_operand(&spec, matrix, index, s->columns % CHUNK ? sl_scalar_float(context, SL_ELEMENT_f32, outside) : NULL);
    if (kind == STATISTICS_POWERS) sl_spec_operand(&spec, s->parts[STATISTICS_MAX], place, NULL);
    sl_spec_result(&spec, sl_type_tensor(context, SL_ELEMENT_f32, rank, dims), place, sl_scalar_float(context, SL_ELEMENT_f32, identity_of(kind)));
    sl_op *nest = sl_spec_build(&spec, here);
    sl_builder body = sl_builder_at_end(here->module, sl_nest_body(nest));
    sl_value *term = sl_nest_argument(nest, 0);
    if (kind == STATISTICS_SQUARES) term = binary(&body, SL_OP_arith_mul, term, term);
    if (kind == STATISTICS_POWERS) term = sl_build_unary(&body, SL_OP_arith_exp, binary(&body, SL_OP_arith_sub, term, finite_of(&body, sl_nest_argument(nest, 1))));
    yield(&body, combine(&body, kind, sl_nest_running(nest, 0), term));
    s->parts[kind] = sl_op_result(nest, 0);
    return nest;
}

/* The reduction, over the chunks' values. */
static sl_value *build_whole(statistics *s, const match *m) {
    sl_context *context = s->fuse->context;
    int rank = sl_type_rank(sl_value_type(s->matrix));
    sl_nest_spec spec;
    sl_expr loops[SL_NEST_MAX_LOOPS], index[SL_MAX_RANK];
    sl_builder here = sl_builder_before(m->nest);
    here.loc = sl_op_loc(m->nest);
    sl_spec_init(&spec, context);
    int summed = -1, count = sl_nest_loop_count(m->nest);
    for (int i = 0; i < count; i++) {
        if (sl_nest_is_reduced(m->nest, i)) summed = i;
        else loops[i] = sl_spec_loop(&spec, sl_nest_bound(m->nest, i), false);
    }
    loops[summed] = sl_spec_loop(&spec, sl_expr_const(context, chunk_count(s)), true);
    for (int i = 0; i < rank; i++) index[i] = sl_expr_substitute(context, m->index[i], loops, count, NULL, NULL);
    sl_spec_operand(&spec, s->parts[m->kind], index, NULL);
    if (m->kind == STATISTICS_POWERS) {
        sl_expr row[SL_MAX_RANK];
        for (int i = 0; i < sl_type_rank(sl_value_type(m->row)); i++) row[i] = sl_expr_substitute(context, m->row_index[i], loops, count, NULL, NULL);
        sl_spec_operand(&spec, s->parts[STATISTICS_MAX], index, NULL);
        sl_spec_operand(&spec, m->row, row, NULL);
    }
    sl_attr made = sl_nest_result_map(m->nest, 0);
    for (int i = 0, n = sl_attr_count(made); i < n; i++) index[i] = sl_expr_substitute(context, sl_attr_map_result(made, i), loops, count, NULL, NULL);
    sl_spec_result(&spec, sl_value_type(sl_op_result(m->nest, 0)), index, sl_nest_init(m->nest, 0));
    sl_op *nest = sl_spec_build(&spec, &here);
    sl_builder body = sl_builder_at_end(here.module, sl_nest_body(nest));
    sl_value *term = sl_nest_argument(nest, 0);
    if (m->kind == STATISTICS_POWERS) {
        /* A chunk without any share adds nothing, however far below the others it lies. */
        sl_value *zero = sl_build_scalar(&body, sl_scalar_float(context, SL_ELEMENT_f32, 0)), *compared[2] = {term, zero};
        sl_type truth = sl_type_scalar(context, SL_ELEMENT_i1), type = sl_value_type(term);
        sl_named_attr equal = {"predicate", sl_attr_string(context, "eq")};
        sl_value *none = sl_op_result(sl_build(&body, SL_OP_arith_cmp, 2, compared, 1, &truth, 1, &equal), 0);
        sl_value *factor = sl_build_unary(&body, SL_OP_arith_exp, binary(&body, SL_OP_arith_sub, finite_of(&body, sl_nest_argument(nest, 1)), sl_nest_argument(nest, 2)));
        sl_value *chosen[3] = {none, zero, binary(&body, SL_OP_arith_mul, term, factor)};
        term = sl_op_result(sl_build(&body, SL_OP_arith_select, 3, chosen, 1, &type, 0, NULL), 0);
    }
    bool one = chunk_count(s) == 1;              /* nothing is reduced then */
    yield(&body, combine(&body, m->kind, one ? sl_build_scalar(&body, sl_nest_init(m->nest, 0)) : sl_nest_running(nest, 0), term));
    sl_value *result = sl_op_result(nest, 0);
    sl_value_set_name(result, sl_value_name(sl_op_result(m->nest, 0)));
    sl_op_replace(m->nest, &result);
    return result;
}

/* ---- deciding and doing ---- */

static int members_of(const sl_op *holder, sl_op **ops) {
    if (sl_nest_is_generic(holder)) return ops[0] = (sl_op *)holder, 1;
    int count = sl_group_nest_count(holder);
    for (int i = 0; i < count && i < MOST_OPS; i++) ops[i] = sl_group_nest(holder, i);
    return count;
}

static bool pays(statistics *s, sl_op *const *members, int count, const char **reason) {
    sl_work together, apart, rows, rest;
    sl_op *ops[MOST_MATCHES + MOST_VALUES];
    int all = 0, kept = 0, kinds = 0;
    sl_fuse_work(s->fuse, members, count, &apart);
    together = apart;
    for (int i = 0; i < s->between_count; i++) {
        bool needed = false;
        for (int r = 0; r < sl_op_result_count(s->between[i]); r++) needed |= !only_feeds(s, sl_op_result(s->between[i], r), 0);
        if (needed) ops[all++] = s->between[i];
    }
    kept = all;
    sl_fuse_work(s->fuse, ops, kept, &rest);
    for (int i = 0; i < s->match_count; i++) ops[all++] = s->matches[i].nest, kinds += 1 + (s->matches[i].kind == STATISTICS_POWERS);
    sl_fuse_work(s->fuse, ops, all, &rows);
    sl_fuse_work_add(&apart, &rows);
    double matrix = sl_estimate_bytes(sl_value_type(s->matrix)), parts = matrix / (double)s->columns * (double)chunk_count(s) * kinds;
    together.flops += rows.flops - rest.flops;
    together.write_bytes += parts - (s->dies ? matrix : 0);
    if (kept) sl_fuse_work_add(&together, &rest);
    sl_work wholes;
    sl_work_init(&wholes);
    wholes.read_bytes = parts, wholes.flops = 20 * parts / 4, wholes.parallel_tasks = parts / 4;
    sl_fuse_work_add(&together, &wholes);
    return sl_fuse_prefers(s->fuse, &together, &apart, false, reason);
}

/* The group's nests as they were before it was made; its results are theirs again. */
static void open_group(statistics *s) {
    sl_op *group = s->holder, *last = sl_block_last(sl_op_body(group, 0));
    sl_value **values = SL_NEW_ARRAY(s->fuse->arena, sl_value *, (size_t)sl_op_result_count(group) + 1);
    for (int i = 0; i < sl_op_result_count(group); i++) {
        values[i] = sl_op_operand(last, i);
        if (sl_op_result(group, i) == s->matrix) s->matrix = values[i];
    }
    for (sl_op *op = sl_block_first(sl_op_body(group, 0)), *next; op != last; op = next) {
        next = sl_op_next(op);
        sl_op_move_before(op, group);
    }
    sl_op_erase(last);
    sl_op_replace(group, values);
}

static void rewrite(statistics *s, sl_op **ops, int count, int anchor, const char *reason) {
    bool wanted[STATISTICS_KINDS] = {0};
    if (!sl_nest_is_generic(s->holder)) open_group(s);
    for (int i = 0; i < s->match_count; i++) wanted[s->matches[i].kind] = true;
    wanted[STATISTICS_MAX] |= wanted[STATISTICS_POWERS];
    for (int kind = 0; kind < STATISTICS_KINDS; kind++) {
        if (!wanted[kind]) continue;
        sl_builder here = sl_builder_after(ops[count - 1]);
        here.loc = sl_op_loc(ops[count - 1]);
        ops[count] = build_part(s, &here, s->matrix, kind);
        count++;
    }
    for (int i = 0; i < s->match_count; i++) {
        sl_value *old = sl_op_result(s->matches[i].nest, 0), *new = build_whole(s, &s->matches[i]);
        for (int j = i + 1; j < s->match_count; j++)
            if (s->matches[j].row == old) s->matches[j].row = new;
    }
    s->fuse->pass->changes += sl_block_erase_dead(s->fuse->block);
    sl_fuse_number_block(s->fuse);
    if (sl_fuse_can_join(s->fuse, ops, count)) sl_fuse_make_group(s->fuse, ops, count, anchor, "contraction", 0, reason);
    sl_fuse_number_block(s->fuse);
}

static bool try_matrix(sl_fuse *fuse, sl_op *holder, sl_value *matrix, const sl_op *maker) {
    sl_op *ops[SL_FUSE_MAX_MEMBERS];
    sl_type type = sl_value_type(matrix);
    int rank = sl_type_rank(type), anchor = sl_nest_is_generic(holder) ? 0 : (int)sl_op_int(holder, "anchor", 0), count;
    bool asked = fuse->pass->kernel.statistics == SL_CHOICE_ON;
    if (sl_type_element(type) != SL_ELEMENT_f32 || rank < 1 || sl_type_static_dim(type, rank - 1) < (asked ? 2 : LEAST_COLUMNS)) return false;
    count = members_of(holder, ops);
    if (count > MOST_OPS) return false;
    sl_contraction info;
    sl_op *sum = ops[anchor];
    if (!sl_nest_is_contraction(sum, &info) || info.windowed || info.n_count != 1 || (!sl_nest_is_generic(holder) && sl_op_attr(holder, "twin"))) return false;
    for (int i = 0; i < sl_op_operand_count(sum); i++)                       /* narrow factors have kernels of their own */
        if (sl_type_element(sl_value_type(sl_op_operand(sum, i))) != SL_ELEMENT_f32) return false;
    /* Columns are the sum's one loop of that role, alone in the matrix's last dim. */
    int loop = sl_expr_plain_loop(sl_attr_map_result(sl_nest_result_map(maker, sl_value_index(sl_nest_is_generic(holder) ? matrix : sl_op_operand(sl_block_last(sl_op_body(holder, 0)), sl_value_index(matrix)))), rank - 1));
    if (loop < 0 || info.roles[loop] != SL_ROLE_N) return false;
    sl_attr written = sl_nest_result_map(sum, 0);
    if (sl_attr_count(written) == 0 || sl_expr_plain_loop(sl_attr_map_result(written, sl_attr_count(written) - 1)) != loop) return false;
    statistics *s = SL_NEW(fuse->arena, statistics);
    *s = (statistics){.fuse = fuse, .holder = holder, .matrix = matrix, .columns = sl_type_static_dim(type, rank - 1)};
    find(s);
    const char *reason = "asked for (--kernel=statistics=on)";
    if (s->match_count == 0 || !(pays(s, ops, count, asked ? NULL : &reason) || asked)) return false;
    rewrite(s, ops, count, anchor, sl_arena_printf(fuse->arena, "%s; reductions of the columns in the sum's kernel%s", reason, s->dies ? ", which does not store them" : ""));
    return true;
}

static bool is_holder(sl_fuse *fuse, sl_op *op) {
    if (sl_fuse_is_free(fuse, op)) return sl_nest_is_contraction(op, NULL);
    return sl_op_get_kind(op) == SL_OP_nest_group && strcmp(sl_op_string(op, "kind", ""), "contraction") == 0;
}

static bool try_holder(sl_fuse *fuse, sl_op *holder) {
    for (int i = 0; i < sl_op_result_count(holder); i++) {
        sl_value *matrix = sl_op_result(holder, i);
        sl_op *maker = sl_nest_is_generic(holder) ? holder : sl_value_op(sl_op_operand(sl_block_last(sl_op_body(holder, 0)), i));
        if (try_matrix(fuse, holder, matrix, maker)) return true;
    }
    return false;
}

void sl_fuse_statistics(sl_fuse *fuse) {
    SL_VEC(sl_op *) holders = {0};
    bool changed = false;
    if (fuse->pass->strict || fuse->pass->kernel.statistics == SL_CHOICE_OFF) return;
    for (sl_op *op = sl_block_first(fuse->block); op; op = sl_op_next(op))
        if (is_holder(fuse, op)) SL_PUSH(fuse->arena, &holders, op);
    for (size_t i = 0; i < holders.count; i++) changed |= try_holder(fuse, holders.data[i]);
    if (!changed) return;
    sl_fuse_merge(fuse);                         /* what a reduction and the result read together is the result's alone now */
    fuse->pass->changes += sl_block_erase_dead(fuse->block);
    sl_fuse_number_block(fuse);
}
