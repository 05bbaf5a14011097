/* fuse_merge.c: elementwise nests go into the bodies of the nests that read them.
 *
 * For consumer C that reads result t of elementwise P at index e(C's loops): P's loops are what e says at P's result map, so P's own accesses, with that
 * put in, become accesses of C and P's body is copied in front of C's. In program order, so that a chain has collapsed when its end is reached:
 *   inline     all readers of P are C: P is gone. Free when C reads each element once; else the work done again has to win against the memory. Not across an edge of bytes
 *              between two products (is_narrow_edge).
 *   keep       others read P too, and C is elementwise over the same points: one nest gives both results.
 *   duplicate  P is cheap, all its readers are nests that can take it: each computes it for itself.
 * Not into contractions, whose register tile wants plain operands; not where C reads outside of its bounds (padding is not P's value there); and what can
 * finish a contraction as its epilogue does not leave it for a reduction. */
#include "fuse.h"

#include <string.h>

#define MAX_ACCESSES 8          /* points of P that one point of C reads */
#define MAX_BODY 256            /* ops in a merged body */
#define MAX_DUPLICATES 4        /* consumers that compute a duplicate */
#define MAX_DUPLICATE_COST 6    /* scalar operations of one */

static int body_size(const sl_op *nest) {
    int count = 0;
    for (sl_op *op = sl_block_first(sl_nest_body(nest)); op; op = sl_op_next(op)) count++;
    return count;
}

/* An elementwise nest each of whose loops is where its result maps say: for result r, the dim that holds each loop. */
static bool is_mergeable_producer(const sl_fuse *fuse, const sl_op *nest) {
    if (!sl_fuse_is_free(fuse, nest) || !sl_nest_is_elementwise(nest)) return false;
    int loops = sl_nest_loop_count(nest);
    for (int r = 0; r < sl_op_result_count(nest); r++) {
        sl_attr map = sl_nest_result_map(nest, r);
        if (sl_value_has_uses(sl_nest_running(nest, r)) || !sl_map_is_projection(map)) return false;
        int plain = 0;
        for (int d = 0; d < sl_attr_count(map); d++) plain += sl_expr_plain_loop(sl_attr_map_result(map, d)) >= 0;
        if (plain != loops) return false;
    }
    return true;
}

/* P's loops for C's operand that reads P. */
static void loops_at(const sl_op *producer, int result, const sl_expr *index, sl_expr *substitution) {
    sl_attr map = sl_nest_result_map(producer, result);
    for (int d = 0, n = sl_attr_count(map); d < n; d++) {
        int loop = sl_expr_plain_loop(sl_attr_map_result(map, d));
        if (loop >= 0) substitution[loop] = index[d];
    }
}

static bool reads(const sl_op *consumer, const sl_op *producer, int operand) { return sl_value_op(sl_op_operand(consumer, operand)) == producer; }

/* Operands of C with one key read P at the same point: C's map, and where P has the result that is read. */
typedef struct access_key { sl_attr map, result_map; } access_key;

static access_key key_of(const sl_op *consumer, const sl_op *producer, int operand) {
    return (access_key){sl_nest_map(consumer, operand), sl_nest_result_map(producer, sl_value_index(sl_op_operand(consumer, operand)))};
}

static int find_access(const access_key *keys, int count, access_key key) {
    int a = 0;
    while (a < count && (keys[a].map != key.map || keys[a].result_map != key.result_map)) a++;
    return a;
}

/* Whether C can take P at all. `copies`: at how many distinct points P would be computed for one of C's. */
static bool can_take(const sl_op *consumer, const sl_op *producer, int *copies) {
    int seen = 0, count = sl_op_operand_count(consumer);
    access_key keys[MAX_ACCESSES];
    if (sl_nest_is_contraction(consumer, NULL)) return false;
    for (int r = 0; r < sl_op_result_count(producer); r++)
        if (sl_nest_captures(consumer, sl_op_result(producer, r))) return false;
    for (int k = 0; k < count; k++) {
        if (!reads(consumer, producer, k)) continue;
        if (sl_nest_outside(consumer, k)) return false;
        int a = find_access(keys, seen, key_of(consumer, producer, k));
        if (a < seen) continue;
        if (seen == MAX_ACCESSES) return false;
        keys[seen++] = key_of(consumer, producer, k);
    }
    *copies = seen;
    return seen > 0 && count + seen * sl_op_operand_count(producer) <= SL_NEST_MAX_OPERANDS && body_size(consumer) + seen * body_size(producer) <= MAX_BODY;
}

/* P's points are C's points one to one: each of C's loops stands alone at one dim of what it reads. */
static bool is_same_space(const sl_op *consumer, const sl_op *producer) {
    int loops = sl_nest_loop_count(consumer);
    if (loops != sl_nest_loop_count(producer)) return false;
    for (int k = 0; k < sl_op_operand_count(consumer); k++) {
        sl_expr substitution[SL_NEST_MAX_LOOPS] = {0}, index[SL_MAX_RANK];
        uint32_t seen = 0;
        if (!reads(consumer, producer, k)) continue;
        sl_attr map = sl_nest_map(consumer, k);
        for (int d = 0; d < sl_attr_count(map); d++) index[d] = sl_attr_map_result(map, d);
        loops_at(producer, sl_value_index(sl_op_operand(consumer, k)), index, substitution);
        for (int i = 0; i < loops; i++) {
            int loop = substitution[i] ? sl_expr_plain_loop(substitution[i]) : -1;
            if (loop < 0 || (seen & (1u << loop)) || sl_nest_bound(consumer, loop) != sl_nest_bound(producer, i)) return false;
            seen |= 1u << loop;
        }
    }
    return true;
}

/* Copies P's body for one access to the end of C's new body; gives the values that it yields. `arguments`: C's new operand number for each of P's. */
static void inline_body(sl_fuse *fuse, sl_builder *body, const sl_op *merged, const sl_op *producer, const int *arguments, const sl_expr *substitution,
                        sl_value **yields) {
    sl_value_map *map = sl_value_map_create(fuse->arena);
    sl_op *first = NULL;
    int results = sl_op_result_count(producer);
    for (int k = 0; k < sl_op_operand_count(producer); k++) sl_value_map_set(map, sl_nest_argument(producer, k), sl_nest_argument(merged, arguments[k]));
    for (sl_op *op = sl_block_first(sl_nest_body(producer)); op; op = sl_op_next(op)) {
        if (sl_op_get_kind(op) == SL_OP_nest_yield) continue;
        sl_op *copy = sl_op_clone(body, op, map);
        if (!first) first = copy;
    }
    for (int r = 0; r < results; r++) {
        sl_value *value = sl_value_map_get_or_same(map, sl_nest_yielded(producer, r));
        yields[r] = value;
    }
    if (!first) return;
    for (sl_op *op = first, *next; op; op = next) {
        next = sl_op_next(op);
        if (sl_op_get_kind(op) != SL_OP_nest_index) continue;
        sl_builder before = sl_builder_before(op);
        sl_value *old = sl_op_result(op, 0), *value = sl_emit_expr(&before, substitution[sl_op_int(op, "loop", 0)]);
        for (int r = 0; r < results; r++)
            if (yields[r] == old) yields[r] = value;
        sl_op_replace(op, &value);
    }
}

/* A result index over C's loops of P's result, for `keep`. */
static void kept_index(sl_fuse *fuse, const sl_op *producer, int result, const sl_expr *substitution, sl_expr *index) {
    sl_attr map = sl_nest_result_map(producer, result);
    for (int d = 0, n = sl_attr_count(map); d < n; d++)
        index[d] = sl_expr_substitute(fuse->context, sl_attr_map_result(map, d), substitution, sl_nest_loop_count(producer), NULL, NULL);
}

static const char *joined_reason(sl_fuse *fuse, const sl_op *producer, const sl_op *consumer) {
    const char *a = sl_op_string(producer, "reason", NULL), *b = sl_op_string(consumer, "reason", NULL);
    return a && b && strcmp(a, b) != 0 && strlen(a) + strlen(b) < 200 ? sl_arena_printf(fuse->arena, "%s + %s", a, b) : b ? b : a;
}

static bool only_read_by(const sl_value *value, const sl_op *consumer) {
    for (sl_use *use = sl_value_first_use(value); use; use = sl_use_next(use))
        if (sl_use_user(use) != consumer) return false;
    return true;
}

/* Builds C with P inside, in C's place. With `keep` those results of P that others read come after C's and P goes too. Returns the new nest. */
static sl_op *merge(sl_fuse *fuse, sl_op *producer, sl_op *consumer, bool keep) {
    sl_nest_spec c, p, spec;
    int operand_of[SL_NEST_MAX_OPERANDS], access_of[SL_NEST_MAX_OPERANDS], arguments[MAX_ACCESSES][SL_NEST_MAX_OPERANDS], accesses = 0;
    sl_expr substitutions[MAX_ACCESSES][SL_NEST_MAX_LOOPS] = {{0}};
    access_key keys[MAX_ACCESSES];
    sl_value *yields[MAX_ACCESSES][SL_NEST_MAX_RESULTS], *values[SL_NEST_MAX_OPERANDS + SL_NEST_MAX_RESULTS];
    sl_spec_read(&c, consumer);
    sl_spec_read(&p, producer);
    sl_spec_init(&spec, fuse->context);
    spec.reason = joined_reason(fuse, producer, consumer);
    spec.loop_count = c.loop_count;
    memcpy(spec.bounds, c.bounds, sizeof c.bounds);
    memcpy(spec.reduced, c.reduced, sizeof c.reduced);
    for (int k = 0; k < c.operand_count; k++) {
        const sl_nest_access *access = &c.operands[k];
        operand_of[k] = access_of[k] = -1;
        if (!reads(consumer, producer, k)) {
            operand_of[k] = sl_spec_operand(&spec, access->value, access->index, access->constant);
            continue;
        }
        int a = find_access(keys, accesses, key_of(consumer, producer, k));
        access_of[k] = a;
        if (a < accesses) continue;
        keys[accesses++] = key_of(consumer, producer, k);
        loops_at(producer, sl_value_index(access->value), access->index, substitutions[a]);
        for (int q = 0; q < p.operand_count; q++) {
            sl_expr index[SL_MAX_RANK];
            for (int d = 0; d < sl_type_rank(p.operands[q].type); d++)
                index[d] = sl_expr_substitute(fuse->context, p.operands[q].index[d], substitutions[a], p.loop_count, NULL, NULL);
            arguments[a][q] = sl_spec_operand(&spec, p.operands[q].value, index, p.operands[q].constant);
        }
    }
    for (int r = 0; r < c.result_count; r++) sl_spec_result(&spec, c.results[r].type, c.results[r].index, c.results[r].constant);
    int kept[SL_NEST_MAX_RESULTS];
    for (int r = 0; r < p.result_count; r++) {
        sl_expr index[SL_MAX_RANK];
        kept[r] = -1;
        if (!keep || only_read_by(sl_op_result(producer, r), consumer)) continue;
        kept_index(fuse, producer, r, substitutions[0], index);
        kept[r] = sl_spec_result(&spec, p.results[r].type, index, p.results[r].constant);
    }
    sl_loc locs[2] = {sl_op_loc(producer), sl_op_loc(consumer)};
    sl_builder builder = sl_builder_before(consumer);
    builder.loc = sl_loc_fused(fuse->context, 2, locs);
    sl_op *merged = sl_spec_build(&spec, &builder);
    sl_builder body = sl_builder_at_end(builder.module, sl_nest_body(merged));
    for (int a = 0; a < accesses; a++) inline_body(fuse, &body, merged, producer, arguments[a], substitutions[a], yields[a]);
    for (int k = 0; k < c.operand_count; k++)
        values[k] = operand_of[k] >= 0 ? sl_nest_argument(merged, operand_of[k]) : yields[access_of[k]][sl_value_index(c.operands[k].value)];
    for (int r = 0; r < c.result_count; r++) values[c.operand_count + r] = sl_nest_running(merged, r);
    sl_block_inline(&body, sl_nest_body(consumer), values);
    sl_op *yield = sl_block_last(sl_nest_body(merged));
    for (int r = 0; r < p.result_count; r++) {
        if (kept[r] < 0) continue;
        sl_op_insert_operand(yield, kept[r], yields[0][r]);
        sl_value_set_name(sl_op_result(merged, kept[r]), sl_value_name(sl_op_result(producer, r)));
    }
    sl_fuse_set_order(fuse, merged, sl_fuse_order(fuse, consumer));
    for (int r = 0; r < c.result_count; r++) {
        values[r] = sl_op_result(merged, r);
        sl_value_set_name(values[r], sl_value_name(sl_op_result(consumer, r)));
    }
    sl_op_replace(consumer, values);
    for (int r = 0; r < p.result_count; r++)
        if (kept[r] >= 0) sl_value_replace_all_uses(sl_op_result(producer, r), sl_op_result(merged, kept[r]));
    bool used = false;
    for (int r = 0; r < sl_op_result_count(producer); r++) used |= sl_value_has_uses(sl_op_result(producer, r));
    if (!used) sl_op_erase(producer);
    fuse->pass->changes++;
    return merged;
}

static bool all_read_by(const sl_op *producer, const sl_op *consumer) {
    for (int r = 0; r < sl_op_result_count(producer); r++)
        if (!only_read_by(sl_op_result(producer, r), consumer)) return false;
    return true;
}

/* Work of C with P inside: what C reads of P is gone, P's operands and operations come in. */
static void merged_work(sl_fuse *fuse, sl_op *producer, sl_op *consumer, int copies, sl_work *work) {
    sl_op *both[2] = {producer, consumer};
    sl_fuse_work(fuse, both, 2, work);
    work->flops = sl_estimate_points(consumer) * (sl_fuse_body_flops(consumer) + copies * sl_fuse_body_flops(producer));
}

/* The last contraction whose sums the nest reads, or NULL. */
static sl_op *sums_of(sl_fuse *fuse, const sl_op *nest) {
    sl_op *last = NULL;
    for (int k = 0; k < sl_op_operand_count(nest); k++) {
        sl_op *maker = sl_value_op(sl_op_operand(nest, k));
        if (maker && sl_nest_is_contraction(maker, NULL) && (!last || sl_fuse_order(fuse, maker) > sl_fuse_order(fuse, last))) last = maker;
    }
    return last;
}

static int result_bits(const sl_op *nest) {
    int bits = 0;
    for (int r = 0; r < sl_op_result_count(nest); r++) {
        int here = sl_element_bits(sl_type_element(sl_value_type(sl_op_result(nest, r))));
        if (here > bits) bits = here;
    }
    return bits;
}

/* The one nest that reads all results of C and could take it, or NULL. */
static sl_op *only_taker(sl_fuse *fuse, const sl_op *consumer) {
    sl_use *use = sl_value_first_use(sl_op_result(consumer, 0));
    sl_op *user = use ? sl_use_user(use) : NULL;
    int copies;
    return user && sl_fuse_is_free(fuse, user) && sl_nest_is_elementwise(user) && all_read_by(consumer, user) && can_take(user, consumer, &copies) ? user : NULL;
}

/* Sums of a contraction become bytes. */
static bool makes_bytes(sl_fuse *fuse, const sl_op *nest) { return sl_nest_is_generic(nest) && sl_nest_is_elementwise(nest) && result_bits(nest) <= 8 && sums_of(fuse, nest); }

/* The bytes that P makes of sums are what should go through memory: where C widens them for a reader, that reader takes C first; and of several such producers a reader takes the
 * one whose sums are made last, with which it becomes their epilogue. */
static bool is_narrow_edge(sl_fuse *fuse, sl_op *producer, sl_op *consumer) {
    if (!makes_bytes(fuse, producer) || !sl_nest_is_elementwise(consumer)) return false;
    if (sums_of(fuse, consumer) || (result_bits(consumer) >= 16 && only_taker(fuse, consumer))) return true;
    for (int k = 0; k < sl_op_operand_count(consumer); k++) {
        sl_op *other = sl_value_op(sl_op_operand(consumer, k));
        int copies;
        if (other && other != producer && makes_bytes(fuse, other) && all_read_by(other, consumer) && is_mergeable_producer(fuse, other) && can_take(consumer, other, &copies) &&
            sl_fuse_order(fuse, sums_of(fuse, other)) > sl_fuse_order(fuse, sums_of(fuse, producer))) return true;
    }
    return false;
}

static bool wants_inline(sl_fuse *fuse, sl_op *producer, sl_op *consumer, int copies) {
    double consumed = sl_estimate_points(consumer) * copies, made = sl_estimate_points(producer);
    sl_work together, apart, second;
    bool reduces = !sl_nest_is_elementwise(consumer), recomputes = consumed > made * 1.01;
    if (reduces && sl_fuse_is_epilogue(fuse, producer)) return false;
    if (is_narrow_edge(fuse, producer, consumer)) return false;
    double body = sl_estimate_body(producer);
    if (recomputes) {
        if (body == 0 && sl_op_operand_count(producer) <= 1) return true;
        /* a value per row that is made from a reduction belongs to the row's group, where it is made once */
        for (int k = 0; body > 1 && k < sl_op_operand_count(producer); k++) {
            sl_op *maker = sl_value_op(sl_op_operand(producer, k));
            if (sl_nest_is_generic(maker) && !sl_nest_is_elementwise(maker)) return false;
        }
    }
    merged_work(fuse, producer, consumer, copies, &together);
    sl_fuse_work(fuse, &producer, 1, &apart);
    sl_fuse_work(fuse, &consumer, 1, &second);
    sl_fuse_work_add(&apart, &second);
    return sl_fuse_prefers(fuse, &together, &apart, recomputes, NULL);
}

static bool wants_keep(sl_fuse *fuse, sl_op *producer, sl_op *consumer) {
    sl_op *both[2] = {producer, consumer};
    sl_work together, apart, second;
    if (!sl_nest_is_elementwise(consumer) || !is_same_space(consumer, producer)) return false;
    if (sl_op_result_count(producer) + sl_op_result_count(consumer) > SL_NEST_MAX_RESULTS || sl_fuse_is_epilogue(fuse, producer)) return false;
    sl_fuse_sort(fuse, both, 2);
    if (!sl_fuse_can_join(fuse, both, 2)) return false;
    sl_fuse_work(fuse, both, 2, &together);
    sl_fuse_work(fuse, &producer, 1, &apart);
    sl_fuse_work(fuse, &consumer, 1, &second);
    sl_fuse_work_add(&apart, &second);
    return sl_fuse_prefers(fuse, &together, &apart, false, NULL);
}

/* All readers of P can take it and computing it in each of them beats storing it once. */
static bool wants_duplicates(sl_fuse *fuse, sl_op *producer) {
    sl_op *users[MAX_DUPLICATES];
    int count = 0;
    sl_work together, apart, next;
    if (sl_estimate_body(producer) > MAX_DUPLICATE_COST || sl_fuse_is_epilogue(fuse, producer)) return false;
    for (int k = 0; k < sl_op_operand_count(producer); k++) {
        sl_op *maker = sl_value_op(sl_op_operand(producer, k));
        if (sl_nest_is_generic(maker) && !sl_nest_is_elementwise(maker)) return false;
    }
    for (int r = 0; r < sl_op_result_count(producer); r++) {
        for (sl_use *use = sl_value_first_use(sl_op_result(producer, r)); use; use = sl_use_next(use)) {
            sl_op *user = sl_use_user(use);
            int i = 0, copies;
            while (i < count && users[i] != user) i++;
            if (i < count) continue;
            if (count == MAX_DUPLICATES || !sl_fuse_is_free(fuse, user) || !can_take(user, producer, &copies)) return false;
            users[count++] = user;
        }
    }
    sl_fuse_work(fuse, &producer, 1, &apart);
    for (int i = 0; i < count; i++) {
        sl_work alone, merged;
        int copies = 1;
        can_take(users[i], producer, &copies);
        sl_fuse_work(fuse, &users[i], 1, &alone);
        sl_fuse_work_add(&apart, &alone);
        sl_op *both[2] = {producer, users[i]};
        sl_fuse_work(fuse, both, 2, &merged);
        merged.flops = sl_estimate_points(users[i]) * (sl_fuse_body_flops(users[i]) + copies * sl_fuse_body_flops(producer));
        for (int r = 0; r < sl_op_result_count(producer); r++) merged.write_bytes -= sl_estimate_bytes(sl_value_type(sl_op_result(producer, r)));
        merged.working_set = merged.read_bytes + merged.write_bytes;
        next = merged;
        if (i == 0) together = next;
        else sl_fuse_work_add(&together, &next);
    }
    return count > 1 && sl_fuse_prefers(fuse, &together, &apart, true, NULL);
}

/* One merge into C, if any is wanted; `share` allows those that keep or duplicate what others read too. */
static sl_op *merge_one(sl_fuse *fuse, sl_op *consumer, bool share) {
    for (int k = 0; k < sl_op_operand_count(consumer); k++) {
        sl_op *producer = sl_value_op(sl_op_operand(consumer, k));
        int copies;
        if (!producer || producer == consumer || !is_mergeable_producer(fuse, producer) || !can_take(consumer, producer, &copies)) continue;
        if (all_read_by(producer, consumer)) {
            if (wants_inline(fuse, producer, consumer, copies)) return merge(fuse, producer, consumer, false);
        } else if (share && wants_duplicates(fuse, producer)) {
            return merge(fuse, producer, consumer, false);
        } else if (share && wants_keep(fuse, producer, consumer)) {
            sl_op *merged = merge(fuse, producer, consumer, true);
            sl_fuse_move_after(fuse, merged);
            return merged;
        }
    }
    return NULL;
}

/* Two sweeps: what seems to be read by several may, once they are one nest, be read by that alone. */
void sl_fuse_merge(sl_fuse *fuse) {
    for (int share = 0; share < 2; share++) {
        for (sl_op *op = sl_block_first(fuse->block), *next; op; op = next) {
            next = sl_op_next(op);
            if (!sl_nest_is_generic(op)) continue;
            for (sl_op *merged; (merged = merge_one(fuse, op, share == 1)) != NULL; op = merged) {}
            next = sl_op_next(op);
        }
    }
}
