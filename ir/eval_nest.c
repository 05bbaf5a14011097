/* eval_nest.c: evaluation of nest.generic and nest.group.
 *
 * The body becomes a list of instructions on registers of lanes. One parallel loop (the longest) runs along the lanes, the other parallel loops outside, the
 * reduction loops inside in their order; so every result element combines its points exactly in the order that the op states. Maps that are linear in the loop
 * indices are reduced to coefficients once; others are evaluated for every lane.
 */
#include "eval_internal.h"
#include <string.h>

enum { most_loops = 2 * SL_MAX_RANK };

/* Where an operand is read or a result written. */
typedef struct access {
    sl_tensor *tensor;
    sl_attr map;
    bool linear;
    bool inside;                                       /* never leaves the tensor's bounds */
    const sl_lane *outside;                            /* what a read out of bounds gives, or NULL */
    int64_t coefficient[SL_MAX_RANK][most_loops], base[SL_MAX_RANK];   /* per dim */
    int64_t strides[SL_MAX_RANK], step;                /* flat position per lane */
} access;

typedef struct instruction {
    const sl_op *op;
    sl_lane_op lane_op;
    int operand_count, operands[SL_MAX_RANK + 1];      /* registers; of nest.extract the positions */
    int result;
    const sl_tensor *source;                           /* nest.extract */
} instruction;

typedef struct nest {
    sl_eval *eval;
    const sl_op *op;
    int loops, lane_loop;                              /* -1: no parallel loop, one lane */
    int64_t bounds[most_loops], index[most_loops];
    bool reduction[most_loops];
    access *accesses;                                  /* operands, then results */
    int operand_count, result_count, register_count, instruction_count;
    sl_lane (*registers)[SL_LANES];
    instruction *instructions;
    int *yields;                                       /* registers */
} nest;

/* ---- maps ---- */

static bool loop_value(void *self, sl_expr atom, int64_t *value) {
    nest *n = self;
    if (sl_expr_get_kind(atom) == SL_EXPR_LOOP) {
        int loop = sl_expr_loop_index(atom);
        *value = loop < n->loops ? n->index[loop] : 0;
        return loop < n->loops;
    }
    return sl_eval_expr(n->eval, atom, value);
}

/* The expression as base + sum of coefficient * d_loop; false when it is not of this form. */
static bool split(nest *n, sl_expr expr, int64_t *coefficients, int64_t *base) {
    sl_context *context = n->eval->context;
    for (int loop = 0; loop < n->loops; loop++) {
        sl_expr coefficient, rest;
        coefficients[loop] = 0;
        if (!sl_expr_uses_loop(expr, loop)) continue;
        if (!sl_expr_split_linear(context, expr, loop, &coefficient, &rest) || sl_expr_uses_any_loop(coefficient) ||
            !sl_eval_expr(n->eval, coefficient, &coefficients[loop]))
            return false;
        expr = rest;
    }
    return !sl_expr_uses_any_loop(expr) && sl_eval_expr(n->eval, expr, base);
}

static void prepare_access(nest *n, access *a, sl_tensor *tensor, sl_attr map) {
    a->tensor = tensor;
    a->map = map;
    if (tensor->element == SL_ELEMENT_str) sl_eval_fail(n->eval, n->op, "nest.generic is not defined on strings");
    if (sl_attr_count(map) != tensor->rank) sl_eval_fail(n->eval, n->op, "a map gives %d positions for rank %d", sl_attr_count(map), tensor->rank);
    sl_strides(tensor->rank, tensor->shape, a->strides);
    a->linear = a->inside = true;
    a->step = 0;
    for (int d = 0; d < tensor->rank; d++) {
        if (!split(n, sl_attr_map_result(map, d), a->coefficient[d], &a->base[d])) {
            a->linear = a->inside = false;
            return;
        }
        __int128 low = a->base[d], high = a->base[d];
        for (int loop = 0; loop < n->loops; loop++) {
            if (n->bounds[loop] <= 1) a->coefficient[d][loop] = 0;   /* d_loop is 0 */
            __int128 reach = (__int128)a->coefficient[d][loop] * (n->bounds[loop] > 0 ? n->bounds[loop] - 1 : 0);
            if (reach < 0) low += reach;
            else high += reach;
        }
        a->inside = a->inside && low >= 0 && high < tensor->shape[d];
        if (low < -(1ll << 40) || high > (1ll << 40)) sl_eval_fail(n->eval, n->op, "a map reaches out of all bounds");
        if (n->lane_loop >= 0) a->step += a->coefficient[d][n->lane_loop] * a->strides[d];
    }
}

/* Position of one dim at the current index. */
static int64_t position_of(nest *n, const access *a, int d) {
    int64_t position;
    if (a->linear) {
        position = a->base[d];
        for (int loop = 0; loop < n->loops; loop++) position += a->coefficient[d][loop] * n->index[loop];
        return position;
    }
    if (!sl_expr_evaluate(sl_attr_map_result(a->map, d), loop_value, n, &position))
        sl_eval_fail(n->eval, n->op, "a map can't be evaluated: %s", sl_expr_text(n->eval->context, sl_attr_map_result(a->map, d)));
    return position;
}

/* Flat position at the current index; false: out of bounds. */
static bool flat_position(nest *n, const access *a, int64_t *flat) {
    bool inside = true;
    *flat = 0;
    for (int d = 0; d < a->tensor->rank; d++) {
        int64_t position = position_of(n, a, d);
        inside = inside && position >= 0 && position < a->tensor->shape[d];
        if (inside) *flat += position * a->strides[d];
    }
    return inside;
}

/* Whether all lanes from the current index on are in bounds (linear maps: the ends tell). */
static bool run_inside(nest *n, const access *a, int count) {
    if (a->inside) return true;
    if (!a->linear) return false;
    for (int d = 0; d < a->tensor->rank; d++) {
        int64_t first = position_of(n, a, d), last = first + (n->lane_loop >= 0 ? a->coefficient[d][n->lane_loop] * (count - 1) : 0);
        if (first < 0 || first >= a->tensor->shape[d] || last < 0 || last >= a->tensor->shape[d]) return false;
    }
    return true;
}

static void load_operand(nest *n, const access *a, int number, int count, sl_lane *lanes) {
    int64_t flat;
    if (run_inside(n, a, count)) {
        flat_position(n, a, &flat);
        sl_lanes_load(a->tensor->element, a->tensor->data, flat, a->step, count, lanes);
        return;
    }
    int64_t start = n->lane_loop >= 0 ? n->index[n->lane_loop] : 0;
    for (int k = 0; k < count; k++) {
        if (n->lane_loop >= 0) n->index[n->lane_loop] = start + k;
        if (flat_position(n, a, &flat)) sl_lanes_load(a->tensor->element, a->tensor->data, flat, 1, 1, &lanes[k]);
        else if (a->outside) lanes[k] = *a->outside;
        else sl_eval_fail(n->eval, n->op, "nest.generic reads operand %d outside of its bounds", number);
    }
    if (n->lane_loop >= 0) n->index[n->lane_loop] = start;
}

static void store_result(nest *n, const access *a, int number, int count, const sl_lane *lanes) {
    int64_t flat, start = n->lane_loop >= 0 ? n->index[n->lane_loop] : 0;
    if (run_inside(n, a, count)) {
        flat_position(n, a, &flat);
        sl_lanes_store(a->tensor->element, a->tensor->data, flat, a->step, count, lanes);
        return;
    }
    for (int k = 0; k < count; k++) {
        if (n->lane_loop >= 0) n->index[n->lane_loop] = start + k;
        if (!flat_position(n, a, &flat)) sl_eval_fail(n->eval, n->op, "nest.generic writes result %d outside of its bounds", number);
        sl_lanes_store(a->tensor->element, a->tensor->data, flat, 1, 1, &lanes[k]);
    }
    if (n->lane_loop >= 0) n->index[n->lane_loop] = start;
}

/* ---- body ---- */

static void fill_lanes(sl_lane *lanes, sl_lane value) {
    for (int k = 0; k < SL_LANES; k++) lanes[k] = value;
}

/* Register that holds a value of the body, or a new one that is filled with a captured scalar. */
static int register_of(nest *n, const sl_value **values, const sl_value *value) {
    for (int i = n->register_count - 1; i >= 0; i--)
        if (values[i] == value) return i;
    const sl_tensor *tensor = sl_eval_value_tensor(n->eval, n->op, value);
    if (sl_tensor_count(tensor) != 1) sl_eval_fail(n->eval, n->op, "the body uses a whole tensor as a scalar");
    sl_lane lane;
    sl_lanes_load(tensor->element, tensor->data, 0, 1, 1, &lane);
    fill_lanes(n->registers[n->register_count], lane);
    values[n->register_count] = value;
    return n->register_count++;
}

static void add_instruction(nest *n, const sl_value **values, const sl_op *op) {
    sl_op_kind kind = sl_op_get_kind(op);
    const sl_value *result = sl_op_result(op, 0);
    if (kind == SL_OP_core_constant || kind == SL_OP_core_dim) {   /* once, not per point */
        sl_lane lane = {.i = 0};
        if (kind == SL_OP_core_dim) {
            lane.i = sl_eval_expr_or_fail(n->eval, op, sl_attr_get_expr(sl_op_attr(op, "value")));
        } else {
            sl_attr data = sl_op_attr(op, "value");
            sl_lanes_load(sl_type_element(sl_attr_get_type(data)), sl_attr_data_bytes(data), 0, 1, 1, &lane);
        }
        fill_lanes(n->registers[n->register_count], lane);
        values[n->register_count++] = result;
        return;
    }
    instruction *added = &n->instructions[n->instruction_count];
    int first = 0;
    added->op = op;
    if (kind == SL_OP_nest_extract) {
        added->source = sl_eval_value_tensor(n->eval, op, sl_op_operand(op, 0));
        if (added->source->rank != sl_op_operand_count(op) - 1) sl_eval_fail(n->eval, op, "nest.extract takes one position per dim");
        first = 1;
    } else if (kind != SL_OP_nest_index) {
        if (strcmp(sl_op_get_info(op)->family, "arith") != 0) sl_eval_fail(n->eval, op, "%s can't stand in the body of a nest.generic", sl_op_name(op));
        added->lane_op = sl_lane_op_of(op);
    }
    added->operand_count = sl_op_operand_count(op) - first;
    for (int i = 0; i < added->operand_count; i++) added->operands[i] = register_of(n, values, sl_op_operand(op, first + i));
    added->result = n->register_count;
    values[n->register_count++] = result;
    n->instruction_count++;
}

static void extract_lanes(nest *n, const instruction *at, int count) {
    const sl_tensor *x = at->source;
    int64_t strides[SL_MAX_RANK];
    sl_strides(x->rank, x->shape, strides);
    for (int k = 0; k < count; k++) {
        int64_t flat = 0;
        for (int d = 0; d < x->rank; d++) {
            int64_t position = n->registers[at->operands[d]][k].i;
            if (position < 0) position += x->shape[d];
            if (position < 0 || position >= x->shape[d])
                sl_eval_fail(n->eval, at->op, "index %lld is out of range for axis %d of size %lld", (long long)n->registers[at->operands[d]][k].i, d, (long long)x->shape[d]);
            flat += position * strides[d];
        }
        sl_lanes_load(x->element, x->data, flat, 1, 1, &n->registers[at->result][k]);
    }
}

static void run_body(nest *n, int count) {
    for (int i = 0; i < n->instruction_count; i++) {
        const instruction *at = &n->instructions[i];
        sl_lane *result = n->registers[at->result];
        sl_op_kind kind = sl_op_get_kind(at->op);
        if (kind == SL_OP_nest_index) {
            int loop = (int)sl_op_int(at->op, "loop", 0);
            for (int k = 0; k < count; k++) result[k].i = n->index[loop] + (loop == n->lane_loop ? k : 0);
        } else if (kind == SL_OP_nest_extract) {
            extract_lanes(n, at, count);
        } else {
            const sl_lane *operands[3] = {NULL};
            for (int k = 0; k < at->operand_count && k < 3; k++) operands[k] = n->registers[at->operands[k]];
            sl_lanes_apply(&at->lane_op, count, operands, result);
        }
    }
}

/* ---- loops ---- */

/* Next index of the loops of one kind, the last innermost; false after the last. The lane loop is left alone. */
static bool next_of(nest *n, bool reduction) {
    for (int loop = n->loops - 1; loop >= 0; loop--) {
        if (n->reduction[loop] != reduction || loop == n->lane_loop) continue;
        if (++n->index[loop] < n->bounds[loop]) return true;
        n->index[loop] = 0;
    }
    return false;
}

static void run_points(nest *n, int count, const sl_lane *starts, sl_lane (*yielded)[SL_LANES]) {
    for (int r = 0; r < n->result_count; r++) fill_lanes(n->registers[n->operand_count + r], starts[r]);
    bool any = true;
    for (int loop = 0; loop < n->loops; loop++) any = any && !(n->reduction[loop] && n->bounds[loop] == 0);
    if (any) do {
        for (int i = 0; i < n->operand_count; i++) load_operand(n, &n->accesses[i], i, count, n->registers[i]);
        run_body(n, count);
        for (int r = 0; r < n->result_count; r++) memcpy(yielded[r], n->registers[n->yields[r]], sizeof(sl_lane) * (size_t)count);
        for (int r = 0; r < n->result_count; r++) memcpy(n->registers[n->operand_count + r], yielded[r], sizeof(sl_lane) * (size_t)count);
    } while (next_of(n, true));
}

static void read_loops(nest *n) {
    sl_attr bounds = sl_op_attr(n->op, "bounds"), iterators = sl_op_attr(n->op, "iterators");
    n->loops = sl_attr_count(bounds);
    n->lane_loop = -1;
    if (n->loops > most_loops) sl_eval_fail(n->eval, n->op, "a nest of %d loops", n->loops);
    int64_t points = 1;
    for (int loop = 0; loop < n->loops; loop++) {
        n->bounds[loop] = sl_eval_expr_or_fail(n->eval, n->op, sl_attr_get_expr(sl_attr_item(bounds, loop)));
        n->reduction[loop] = sl_attr_get_string(sl_attr_item(iterators, loop))[0] == 'r';
        if (n->bounds[loop] < 0) sl_eval_fail(n->eval, n->op, "loop %d has the negative bound %lld", loop, (long long)n->bounds[loop]);
        if (!sl_size_mul(points, n->bounds[loop], &points)) points = INT64_MAX / 2;
        if (!n->reduction[loop] && (n->lane_loop < 0 || n->bounds[loop] >= n->bounds[n->lane_loop])) n->lane_loop = loop;
    }
    sl_eval_step(n->eval, n->op, points);
}

void sl_eval_nest(sl_eval *eval, sl_op *op, sl_eval_value *results) {
    nest *n = SL_NEW(eval->arena, nest);
    n->eval = eval;
    n->op = op;
    n->operand_count = sl_op_operand_count(op);
    n->result_count = sl_op_result_count(op);
    read_loops(n);
    sl_block *body = sl_op_body(op, 0);
    int most_registers = n->operand_count + n->result_count, ops = 0;
    for (const sl_op *child = sl_block_first(body); child; child = sl_op_next(child)) {
        most_registers += sl_op_operand_count(child) + sl_op_result_count(child);
        ops++;
    }
    n->registers = sl_arena_alloc_array(eval->arena, (size_t)most_registers + 1, sizeof *n->registers);
    n->instructions = SL_NEW_ARRAY(eval->arena, instruction, (size_t)ops + 1);
    n->accesses = SL_NEW_ARRAY(eval->arena, access, (size_t)(n->operand_count + n->result_count));
    const sl_value **values = SL_NEW_ARRAY(eval->arena, const sl_value *, (size_t)most_registers + 1);
    sl_attr maps = sl_op_attr(op, "maps"), inits = sl_op_attr(op, "init"), outside = sl_op_attr(op, "outside");
    sl_lane *starts = SL_NEW_ARRAY(eval->arena, sl_lane, (size_t)n->result_count + 1);
    sl_element *accumulators = SL_NEW_ARRAY(eval->arena, sl_element, (size_t)n->result_count + 1);
    for (int i = 0; i < n->operand_count; i++) {
        prepare_access(n, &n->accesses[i], sl_eval_operand(eval, op, i), sl_attr_item(maps, i));
        if (outside && sl_attr_get_kind(sl_attr_item(outside, i)) == SL_ATTR_DATA) {
            sl_lane *lane = SL_NEW(eval->arena, sl_lane);
            sl_lanes_load(n->accesses[i].tensor->element, sl_attr_data_bytes(sl_attr_item(outside, i)), 0, 1, 1, lane);
            n->accesses[i].outside = lane;
        }
    }
    for (int r = 0; r < n->result_count; r++) {
        int64_t shape[SL_MAX_RANK];
        int rank = sl_eval_result_shape(eval, op, r, shape);
        results[r].tensor = sl_eval_alloc(eval, op, sl_eval_result_element(op, r), rank, shape);
        prepare_access(n, &n->accesses[n->operand_count + r], results[r].tensor, sl_attr_item(maps, n->operand_count + r));
        sl_attr init = sl_attr_item(inits, r);
        accumulators[r] = sl_type_element(sl_attr_get_type(init));
        if (accumulators[r] == SL_ELEMENT_str) sl_eval_fail(eval, op, "nest.generic is not defined on strings");
        sl_lanes_load(accumulators[r], sl_attr_data_bytes(init), 0, 1, 1, &starts[r]);
    }
    for (int i = 0; i < sl_block_argument_count(body); i++) values[n->register_count++] = sl_block_argument(body, i);
    const sl_op *end = sl_block_terminator(body);
    if (!end || n->register_count != n->operand_count + n->result_count || sl_op_operand_count(end) != n->result_count)
        sl_eval_fail(eval, op, "the body does not fit the nest");
    for (const sl_op *child = sl_block_first(body); child != end; child = sl_op_next(child)) add_instruction(n, values, child);
    n->yields = SL_NEW_ARRAY(eval->arena, int, (size_t)n->result_count + 1);
    for (int r = 0; r < n->result_count; r++) n->yields[r] = register_of(n, values, sl_op_operand(end, r));

    bool empty = false;
    for (int loop = 0; loop < n->loops; loop++) empty = empty || (!n->reduction[loop] && n->bounds[loop] == 0);
    if (empty) return;
    sl_lane (*yielded)[SL_LANES] = sl_arena_alloc_array(eval->arena, (size_t)n->result_count + 1, sizeof *yielded);
    int64_t lanes = n->lane_loop >= 0 ? n->bounds[n->lane_loop] : 1;
    do {
        for (int64_t start = 0; start < lanes; start += SL_LANES) {
            int count = lanes - start < SL_LANES ? (int)(lanes - start) : SL_LANES;
            if (n->lane_loop >= 0) n->index[n->lane_loop] = start;
            run_points(n, count, starts, yielded);
            for (int r = 0; r < n->result_count; r++) {
                sl_lane *final = n->registers[n->operand_count + r];
                sl_lane_op cast = sl_lane_op_cast(accumulators[r], results[r].tensor->element);
                const sl_lane *operands[3] = {final};
                if (accumulators[r] != results[r].tensor->element) sl_lanes_apply(&cast, count, operands, final);
                store_result(n, &n->accesses[n->operand_count + r], r, count, final);
            }
        }
    } while (next_of(n, false));
}

void sl_eval_group(sl_eval *eval, sl_op *op, sl_eval_value *results) {
    size_t mark = sl_eval_scope_begin(eval);
    const sl_op *end = sl_eval_block(eval, op, sl_op_body(op, 0));
    for (int i = 0; i < sl_op_result_count(op); i++) results[i].tensor = sl_eval_operand(eval, end, i);
    sl_eval_scope_end(eval, mark);
}
