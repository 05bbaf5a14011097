/* plan_memory.c: pass plan-memory: a place for every kernel.alloc that is no program output.
 *
 * In:  functions with buffers.
 * Out: by what the size depends on, an alloc gets
 *      constants        `offset` in the static part of the arena: best fit, largest first, over the live intervals (lifetime.h); 64-byte aligned. Two allocs whose
 *                       intervals meet never overlap in memory.
 *      input symbols    `slot`: allocs with disjoint lives share a slot, which is as large as its largest alloc; the sizes are summed when a run starts.
 *      limited symbols  as if each were at its limit (row numbers of branches), with the size noted in `elements`
 *      other symbols    `dynamic` and `slot` (numbered apart): a block that grows when the alloc is reached; shared by allocs with disjoint lives.
 * Allocs that come with a slot (stacks and carried values of loops) keep it alone. The peak is recorded as a decision and checked against the memory budget. */
#include "lifetime.h"
#include "passes_internal.h"

#include <stdlib.h>
#include <string.h>

enum { alignment = 64 };

typedef struct place { sl_op *op; sl_interval life; int64_t size, offset; sl_expr bytes; double estimate; } place;
typedef struct slot { int64_t end; sl_expr bytes; double estimate; } slot;

typedef struct limited { sl_expr symbol, limit; } limited;

typedef struct planner {
    sl_pass_context *pass;
    sl_context *context;
    sl_op *func;
    bool *input_symbol;       /* by expr id */
    size_t symbol_capacity;
    SL_VEC(place) fixed;
    SL_VEC(place) symbolic;
    SL_VEC(place) dynamic;
    SL_VEC(limited) limits;    /* of symbols that the run binds */
    bool failed;
} planner;

/* ---- which symbols come with the inputs ---- */
static void note_input(void *self, sl_expr symbol) {
    planner *p = self;
    size_t id = sl_expr_id(symbol);
    if (id >= p->symbol_capacity) {
        size_t capacity = p->symbol_capacity ? p->symbol_capacity : 256;
        while (capacity <= id) capacity *= 2;
        bool *grown = SL_NEW_ARRAY(p->pass->scratch, bool, capacity);
        if (p->symbol_capacity) memcpy(grown, p->input_symbol, p->symbol_capacity);
        p->input_symbol = grown;
        p->symbol_capacity = capacity;
    }
    p->input_symbol[id] = true;
}

typedef struct query { const planner *p; bool inputs_only; } query;

static void query_symbol(void *self, sl_expr symbol) {
    query *q = self;
    size_t id = sl_expr_id(symbol);
    q->inputs_only &= id < q->p->symbol_capacity && q->p->input_symbol[id];
}

static bool inputs_only(const planner *p, sl_expr expr) {
    query q = {p, true};
    sl_expr_visit_symbols(expr, query_symbol, &q);
    return q.inputs_only;
}

/* Every symbol as a typical size, to compare symbolic sizes. */
static bool typical_value(void *self, sl_expr atom, int64_t *value) {
    (void)self, (void)atom;
    *value = 128;
    return true;
}

/* ---- sizes with symbols that have a limit ---- */
static bool note_limit(void *self, sl_op *op) {
    planner *p = self;
    sl_attr limit = sl_op_get_kind(op) == SL_OP_kernel_bind ? sl_op_attr(op, "limit") : NULL;
    limited found = {limit ? sl_attr_get_expr(sl_op_attr(op, "symbol")) : NULL, limit ? sl_attr_get_expr(limit) : NULL};
    if (limit) SL_PUSH(p->pass->scratch, &p->limits, found);
    return true;
}

/* Inner binds come later, and their limits name outer symbols: found from the back. */
static sl_expr limit_of(void *self, sl_expr symbol) {
    const planner *p = self;
    for (size_t i = p->limits.count; i-- > 0;)
        if (p->limits.data[i].symbol == symbol) return sl_expr_substitute(p->context, p->limits.data[i].limit, NULL, 0, limit_of, self);
    return symbol;
}

/* A sum of products of symbols with positive coefficients never shrinks when a symbol grows. */
static bool grows(sl_expr expr) {
    for (int t = 0; t < sl_expr_term_count(expr); t++) {
        if (sl_expr_term_coefficient(expr, t) < 0) return false;
        for (int f = 0; f < sl_expr_term_factor_count(expr, t); f++)
            if (sl_expr_get_kind(sl_expr_term_factor(expr, t, f)) != SL_EXPR_SYMBOL) return false;
    }
    return true;
}

/* ---- gathering ---- */
static void add_alloc(planner *p, sl_op *op, sl_interval life) {
    sl_type type = sl_value_type(sl_op_result(op, 0));
    int element_bytes = (sl_element_bits(sl_type_element(type)) + 7) / 8;   /* elements of less than a byte are not packed in program memory */
    int64_t estimate;
    sl_expr elements = sl_type_count(p->context, type);
    if (grows(elements)) {
        sl_expr most = sl_expr_substitute(p->context, elements, NULL, 0, limit_of, p);
        if (most != elements && inputs_only(p, most)) sl_op_set_attr(op, "elements", sl_attr_expr(p->context, elements = most));
    }
    place found = {.op = op, .life = life, .bytes = sl_expr_mul(p->context, elements, sl_expr_const(p->context, element_bytes))};
    found.estimate = sl_expr_evaluate(found.bytes, typical_value, NULL, &estimate) ? (double)estimate : 1e15;
    if (sl_expr_is_const(found.bytes, &found.size)) {
        bool counted = sl_op_attr(op, "elements") || sl_type_static_count(type) >= 0;
        if (!counted || found.size < 0 || found.size > INT64_MAX - alignment) {
            sl_op_report(op, SL_SEVERITY_ERROR, "the size of a value does not fit in 64 bits");
            p->failed = true;
            return;
        }
        found.size = (found.size + alignment - 1) / alignment * alignment;
        SL_PUSH(p->pass->scratch, &p->fixed, found);
    } else if (inputs_only(p, found.bytes)) {
        SL_PUSH(p->pass->scratch, &p->symbolic, found);
    } else {
        SL_PUSH(p->pass->scratch, &p->dynamic, found);
    }
}

/* ---- constants: offsets ---- */
static int larger_first(const void *a, const void *b) {
    const place *x = a, *y = b;
    if (x->size != y->size) return x->size < y->size ? 1 : -1;
    if (x->life.start != y->life.start) return x->life.start < y->life.start ? -1 : 1;   /* a total order: the plan never depends on qsort */
    return sl_op_id(x->op) < sl_op_id(y->op) ? -1 : 1;
}

static bool meet(sl_interval a, sl_interval b) { return a.start <= b.end && b.start <= a.end; }

/* The tightest gap among the placed ones (sorted by offset) that live at the same time, else the end. */
static int64_t best_gap(const place *wanted, place *const *placed, size_t count) {
    int64_t top = 0, best = -1, best_size = INT64_MAX;
    for (size_t i = 0; i < count; i++) {
        if (!meet(wanted->life, placed[i]->life)) continue;
        int64_t gap = placed[i]->offset - top;
        if (gap >= wanted->size && gap < best_size) {
            best = top;
            best_size = gap;
        }
        if (placed[i]->offset + placed[i]->size > top) top = placed[i]->offset + placed[i]->size;
    }
    return best >= 0 ? best : top;
}

static int64_t plan_fixed(planner *p) {
    int64_t peak = 0;
    size_t count = p->fixed.count;
    if (count) qsort(p->fixed.data, count, sizeof *p->fixed.data, larger_first);
    place **placed = SL_NEW_ARRAY(p->pass->scratch, place *, count + 1);
    for (size_t i = 0; i < count; i++) {
        place *it = &p->fixed.data[i];
        int64_t end;
        it->offset = it->size ? best_gap(it, placed, i) : 0;
        if (!sl_size_add(it->offset, it->size, &end)) {
            sl_op_report(it->op, SL_SEVERITY_ERROR, "the memory of the program does not fit in 64 bits");
            p->failed = true;
            return 0;
        }
        if (end > peak) peak = end;
        size_t at = i;
        for (; at > 0 && placed[at - 1]->offset > it->offset; at--) placed[at] = placed[at - 1];
        placed[at] = it;
        sl_op_set_attr(it->op, "offset", sl_attr_int(p->context, it->offset));
        p->pass->changes++;
    }
    return peak;
}

/* ---- symbols: slots ---- */
static int earlier_first(const void *a, const void *b) {
    const place *x = a, *y = b;
    if (x->life.start != y->life.start) return x->life.start < y->life.start ? -1 : 1;
    return sl_op_id(x->op) < sl_op_id(y->op) ? -1 : 1;
}

/* Free slots: one of the same size, else the nearest in size. */
static int pick_slot(const slot *slots, size_t count, const place *wanted) {
    int best = -1;
    double best_ratio = 0;
    for (size_t s = 0; s < count; s++) {
        if (slots[s].end >= wanted->life.start) continue;
        if (slots[s].bytes == wanted->bytes) return (int)s;
        double ratio = slots[s].estimate > wanted->estimate ? slots[s].estimate / (wanted->estimate + 1) : wanted->estimate / (slots[s].estimate + 1);
        if (best >= 0 && ratio >= best_ratio) continue;
        best = (int)s;
        best_ratio = ratio;
    }
    return best;
}

static int64_t plan_slots(planner *p, place *places, size_t count, int64_t first, bool dynamic) {
    SL_VEC(slot) slots = {0};
    if (count) qsort(places, count, sizeof *places, earlier_first);
    for (size_t i = 0; i < count; i++) {
        place *it = &places[i];
        int at = pick_slot(slots.data, slots.count, it);
        if (at < 0) {
            slot fresh = {-1, it->bytes, it->estimate};
            SL_PUSH(p->pass->scratch, &slots, fresh);
            at = (int)slots.count - 1;
        }
        slot *s = &slots.data[at];
        s->end = it->life.end;
        if (it->estimate > s->estimate) {
            s->estimate = it->estimate;
            s->bytes = it->bytes;
        }
        sl_op_set_attr(it->op, "slot", sl_attr_int(p->context, first + at));
        if (dynamic) sl_op_set_attr(it->op, "dynamic", sl_attr_bool(p->context, true));
        p->pass->changes++;
    }
    return (int64_t)slots.count;
}

static void plan_function(planner *p) {
    sl_block *body = sl_op_body(p->func, 0);
    sl_lifetimes *lifetimes = sl_lifetimes_compute(p->func, p->pass->scratch, 0);
    int64_t given = 0, sum = 0;
    for (int i = 0; i < sl_block_argument_count(body); i++) {
        sl_type type = sl_value_type(sl_block_argument(body, i));
        for (int d = 0; d < sl_type_rank(type); d++) sl_expr_visit_symbols(sl_type_dim(type, d), note_input, p);
    }
    sl_op_walk(p->func, note_limit, p);
    for (int i = 0; i < sl_lifetimes_alloc_count(lifetimes); i++) {
        sl_op *op = sl_lifetimes_alloc(lifetimes, i);
        if (sl_op_attr(op, "output")) continue;
        if (!sl_op_attr(op, "slot") && !sl_op_attr(op, "offset")) add_alloc(p, op, sl_lifetimes_interval(lifetimes, i));
        else if (sl_op_bool(op, "dynamic", false) && sl_op_int(op, "slot", 0) >= given) given = sl_op_int(op, "slot", 0) + 1;
    }
    if (p->failed) return;
    for (size_t i = 0; i < p->fixed.count; i++)
        if (!sl_size_add(sum, p->fixed.data[i].size, &sum)) sum = INT64_MAX;
    int64_t peak = plan_fixed(p);
    int64_t slots = plan_slots(p, p->symbolic.data, p->symbolic.count, 0, false);
    int64_t dynamic = plan_slots(p, p->dynamic.data, p->dynamic.count, given, true);
    if (p->failed) return;
    sl_arena *scratch = p->pass->scratch;
    sl_pass_decide(p->pass, p->func, "peak", sl_arena_printf(scratch, "%lld bytes for %zu buffers of fixed size (%lld bytes without sharing); %zu buffers of symbolic size in %lld slots; "
                   "%zu buffers of data-dependent size in %lld growing blocks, %lld more for loops", (long long)peak, p->fixed.count, (long long)sum, p->symbolic.count,
                   (long long)slots, p->dynamic.count, (long long)dynamic, (long long)given));
    if (p->pass->memory_budget > 0 && peak > p->pass->memory_budget) {
        sl_op_report(p->func, SL_SEVERITY_ERROR, "the program needs %lld bytes of memory for intermediate results; the budget is %lld", (long long)peak, (long long)p->pass->memory_budget);
        p->failed = true;
    }
}

sl_status sl_pass_plan_memory(sl_pass_context *pass) {
    bool failed = false;
    for (sl_op *func = sl_block_first(sl_module_body(pass->module)); func; func = sl_op_next(func)) {
        if (sl_op_get_kind(func) != SL_OP_core_func || !sl_op_bool(func, "buffers", false)) continue;
        planner p = {.pass = pass, .context = sl_module_context(pass->module), .func = func};
        plan_function(&p);
        failed |= p.failed;
    }
    return failed ? SL_PASS_FAILED("plan-memory") : NULL;
}
