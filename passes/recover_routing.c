/* recover_routing.c: pass recover-routing: finds decisions in graphs that exporters flattened, and says where it found one that stays dense.
 *
 * In, out: the tensor level. Recovered: `select(condition of a row, f(rows), g(rows))`, what Where over two bodies becomes: both were computed for all rows. It turns into a
 * route.switch with two branches, so that each row runs its own side only. Selects inside of a side are recovered in its body: flattened exits nest.
 *
 * A side's body is what nobody else reads, gathered backwards from the select, as long as every op works on each row by itself (operand_demand). What enters it is a row tensor
 * when it is read row by row, else it is used where it is. Skipping differs from computing both sides only where the value not selected is computed from NaN or infinity, or faults;
 * `strict` keeps the select.
 *
 * A select is worth it when its bodies' multiply-adds per row outweigh what packing and merging move. */
#include "passes_internal.h"

#include <string.h>

enum { MAX_SCAN = 2048, MAX_ROW_TENSORS = 32, MOVE_COST = 8 };    /* multiply-adds that moving one element costs */

typedef enum demand { NOT_BY_ROWS, WHOLE, BY_ROWS } demand;

typedef struct recovery {
    sl_pass_context *pass;
    sl_context *c;
    uint8_t *member;             /* by op id: 1 of side 0, 2 of side 1 */
    size_t capacity;
    SL_VEC(sl_op *) list;        /* members of the select at hand, last first */
    bool failed;
} recovery;

/* ---- row by row ---- */

static bool has_axis(const sl_op *op, const char *name, int64_t axis) {
    int count;
    const int64_t *axes = sl_op_ints(op, name, &count);
    for (int i = 0; i < count; i++)
        if (axes[i] == axis) return true;
    return false;
}

static sl_type type_of(const sl_op *op, int operand) { return sl_value_type(sl_op_operand(op, operand)); }

static bool is_row_tensor(sl_type type) { return sl_type_is_tensor(type) && sl_type_is_ranked(type) && sl_type_rank(type) > 0; }

static bool same_rows(sl_type a, sl_type b) { return is_row_tensor(a) && is_row_tensor(b) && sl_type_dim(a, 0) == sl_type_dim(b, 0); }

/* How `op` reads an operand when its result is computed row by row. */
static demand operand_demand(const sl_op *op, int operand) {
    sl_type result = sl_value_type(sl_op_result(op, 0)), type = type_of(op, operand);
    sl_op_kind kind = sl_op_get_kind(op);
    if (sl_op_result_count(op) != 1 || !is_row_tensor(result) || sl_op_region_count(op) || !sl_op_has_trait(op, SL_TRAIT_PURE)) return NOT_BY_ROWS;
    demand rows = same_rows(type, result) ? BY_ROWS : NOT_BY_ROWS;
    if (sl_op_has_trait(op, SL_TRAIT_ELEMENTWISE)) return rows;
    if (kind == SL_OP_tensor_broadcast) {
        bool common = sl_type_is_ranked(type) && (sl_type_rank(type) < sl_type_rank(result) || sl_expr_equals_const(sl_type_dim(type, 0), 1));
        return common ? WHOLE : rows;
    }
    if (kind == SL_OP_tensor_contract) {
        int batches;
        const int64_t *left = sl_op_ints(op, "left_batch", &batches), *right = sl_op_ints(op, "right_batch", &batches);
        if (batches) return left[0] == 0 && right[0] == 0 ? rows : NOT_BY_ROWS;
        if (has_axis(op, "left_sum", 0)) return NOT_BY_ROWS;
        return operand ? WHOLE : rows;
    }
    if (kind == SL_OP_tensor_conv) return operand ? WHOLE : rows;
    if (kind == SL_OP_tensor_pool) return rows;
    if (kind == SL_OP_tensor_reduce) return has_axis(op, "axes", 0) ? NOT_BY_ROWS : rows;
    if (kind == SL_OP_tensor_arg_reduce || kind == SL_OP_tensor_cumulate || kind == SL_OP_tensor_concat || kind == SL_OP_tensor_gather_elements)
        return sl_op_int(op, "axis", 0) == 0 ? NOT_BY_ROWS : rows;
    if (kind == SL_OP_tensor_reshape) return sl_op_operand_count(op) == 1 ? rows : NOT_BY_ROWS;
    if (kind == SL_OP_tensor_transpose) {
        int count;
        return sl_op_ints(op, "perm", &count)[0] == 0 ? rows : NOT_BY_ROWS;
    }
    if (kind == SL_OP_tensor_slice) {
        int count;
        return sl_expr_equals_const(sl_op_expr_at(op, "starts", 0), 0) && sl_op_ints(op, "steps", &count)[0] == 1 ? rows : NOT_BY_ROWS;
    }
    if (kind == SL_OP_tensor_pad) {
        bool kept = sl_expr_equals_const(sl_op_expr_at(op, "low", 0), 0) && sl_expr_equals_const(sl_op_expr_at(op, "high", 0), 0);
        return operand ? WHOLE : kept ? rows : NOT_BY_ROWS;
    }
    if (kind == SL_OP_tensor_take) {
        bool lookup = sl_op_int(op, "axis", 0) == 0;    /* rows of a table, by row */
        return operand == (lookup ? 1 : 0) ? rows : WHOLE;
    }
    return NOT_BY_ROWS;
}

static bool works_by_rows(const sl_op *op) {
    if (sl_op_operand_count(op) == 0) return false;
    bool any = false;
    for (int i = 0; i < sl_op_operand_count(op); i++) {
        demand d = operand_demand(op, i);
        if (d == NOT_BY_ROWS) return false;
        any |= d == BY_ROWS;
    }
    return any || sl_op_get_kind(op) == SL_OP_tensor_broadcast;
}

/* ---- sides ---- */

static uint8_t *member_of(recovery *r, const sl_op *op) {
    size_t id = sl_op_id(op);
    if (id >= r->capacity) {
        size_t capacity = r->capacity ? r->capacity : 1024;
        while (capacity <= id) capacity *= 2;
        uint8_t *grown = SL_NEW_ARRAY(r->pass->scratch, uint8_t, capacity);
        if (r->capacity) memcpy(grown, r->member, r->capacity);
        r->member = grown;
        r->capacity = capacity;
    }
    return &r->member[id];
}

/* The side that alone reads the op's results, row by row unless `loosely`; -1: none. */
static int side_of(recovery *r, const sl_op *op, const sl_op *select, bool loosely) {
    int side = -1;
    for (int i = 0; i < sl_op_result_count(op); i++)
        for (sl_use *use = sl_value_first_use(sl_op_result(op, i)); use; use = sl_use_next(use)) {
            sl_op *user = sl_use_user(use);
            int found = user == select ? sl_use_index(use) - 1 : (int)*member_of(r, user) - 1;
            if (found < 0 || (side >= 0 && side != found)) return -1;
            if (user != select && !loosely && operand_demand(user, sl_use_index(use)) != BY_ROWS) return -1;
            side = found;
        }
    return side;
}

static void gather(recovery *r, sl_op *select, bool loosely) {
    int scanned = 0;
    r->list.count = 0;
    for (sl_op *op = sl_op_previous(select); op && scanned < MAX_SCAN; op = sl_op_previous(op), scanned++) {
        int side = side_of(r, op, select, loosely);
        if (side < 0 || (!loosely && !works_by_rows(op))) continue;
        if (loosely && (!sl_op_has_trait(op, SL_TRAIT_PURE) || sl_op_region_count(op))) continue;
        *member_of(r, op) = (uint8_t)(side + 1);
        SL_PUSH(r->pass->scratch, &r->list, op);
    }
}

static void forget(recovery *r) {
    for (size_t i = 0; i < r->list.count; i++) *member_of(r, r->list.data[i]) = 0;
    r->list.count = 0;
}

static double extent(sl_expr dim) { return (double)sl_expr_const_or(dim, 128); }

static double row_elements(sl_type type) {
    double count = 1;
    for (int d = 1; d < sl_type_rank(type); d++) count *= extent(sl_type_dim(type, d));
    return count;
}

/* Multiply-adds for each row. */
static double products_of(const sl_op *op) {
    sl_op_kind kind = sl_op_get_kind(op);
    if (kind != SL_OP_tensor_contract && kind != SL_OP_tensor_conv) return 0;
    double count = row_elements(sl_value_type(sl_op_result(op, 0)));
    sl_type right = type_of(op, 1);
    if (kind == SL_OP_tensor_conv) {
        bool nhwc = strcmp(sl_op_string(op, "layout", "nchw"), "nhwc") == 0;
        for (int d = 0; d < sl_type_rank(right); d++)
            if (d != (nhwc ? sl_type_rank(right) - 1 : 0)) count *= extent(sl_type_dim(right, d));
        return count;
    }
    int sums;
    const int64_t *axes = sl_op_ints(op, "right_sum", &sums);
    for (int i = 0; i < sums; i++) count *= extent(sl_type_dim(right, (int)axes[i]));
    return count;
}

static double products(const recovery *r) {
    double sum = 0;
    for (size_t i = 0; i < r->list.count; i++) sum += products_of(r->list.data[i]);
    return sum;
}

/* ---- conditions ---- */

/* One i1 for each row (rank 1, or dims of 1 behind the rows) behind a select's condition; NULL when it differs within a row. */
static sl_value *row_condition(const sl_op *select) {
    sl_value *condition = sl_op_operand(select, 0);
    sl_type result = sl_value_type(sl_op_result(select, 0));
    if (!is_row_tensor(result) || sl_expr_equals_const(sl_type_dim(result, 0), 1)) return NULL;
    sl_op *op = sl_value_op(condition);
    if (sl_type_rank(result) > 1 && op && sl_op_get_kind(op) == SL_OP_tensor_broadcast) condition = sl_op_operand(op, 0);
    sl_type type = sl_value_type(condition);
    if (!same_rows(type, result)) return NULL;
    for (int d = 1; d < sl_type_rank(type); d++)
        if (!sl_expr_equals_const(sl_type_dim(type, d), 1)) return NULL;
    return condition;
}

/* ---- the switch ---- */

static int find_value(sl_value *const *values, int count, const sl_value *value) {
    for (int i = 0; i < count; i++)
        if (values[i] == value) return i;
    return -1;
}

/* Row tensors that enter the bodies; -1: too many. */
static int find_row_tensors(recovery *r, sl_op *select, sl_value **values) {
    int count = 0;
    for (int side = 0; side < 2; side++) {
        sl_value *value = sl_op_operand(select, 1 + side);
        sl_op *op = sl_value_op(value);
        if (op && sl_op_block(op) == sl_op_block(select) && *member_of(r, op) == side + 1) continue;
        if (find_value(values, count, value) < 0) values[count++] = value;
    }
    for (size_t i = r->list.count; i-- > 0;) {
        sl_op *op = r->list.data[i];
        for (int k = 0; k < sl_op_operand_count(op); k++) {
            sl_value *value = sl_op_operand(op, k);
            sl_op *from = sl_value_op(value);
            if (operand_demand(op, k) != BY_ROWS || (from && *member_of(r, from)) || find_value(values, count, value) >= 0) continue;
            if (count == MAX_ROW_TENSORS) return -1;
            values[count++] = value;
        }
    }
    return count;
}

static sl_type with_rows(const recovery *r, sl_type type, sl_expr rows) {
    sl_expr dims[SL_MAX_RANK];
    for (int d = 0; d < sl_type_rank(type); d++) dims[d] = d ? sl_type_dim(type, d) : rows;
    return sl_type_with_dims(r->c, type, sl_type_rank(type), dims);
}

static void build_body(recovery *r, sl_op *made, sl_op *select, int branch, int count, sl_value *const *values) {
    int side = branch ? 0 : 1;    /* the condition is the key: branch 1 is what it selects */
    sl_block *body = sl_region_block(sl_op_add_region(made));
    sl_builder b = sl_builder_at_end(r->pass->module, body);
    sl_expr packed = sl_expr_fresh(r->c);
    sl_value_map *map = sl_value_map_create(r->pass->scratch), *rows = sl_value_map_create(r->pass->scratch);
    for (int i = 0; i < count; i++) sl_value_map_set(rows, values[i], sl_block_add_argument(body, with_rows(r, sl_value_type(values[i]), packed)));
    for (size_t i = r->list.count; i-- > 0;) {
        sl_op *op = r->list.data[i];
        if (*member_of(r, op) != side + 1) continue;
        b.loc = sl_op_loc(op);
        sl_op *copy = sl_op_clone(&b, op, map);
        /* A value may be read both by rows and whole. */
        for (int k = 0; k < sl_op_operand_count(op); k++) {
            sl_value *argument = operand_demand(op, k) == BY_ROWS ? sl_value_map_get(rows, sl_op_operand(op, k)) : NULL;
            if (argument) sl_op_set_operand(copy, k, argument);
        }
        sl_value_set_type(sl_op_result(copy, 0), with_rows(r, sl_value_type(sl_op_result(copy, 0)), packed));
    }
    sl_value *value = sl_op_operand(select, 1 + side), *yielded = sl_value_map_get(map, value);
    if (!yielded) yielded = sl_value_map_get(rows, value);
    b.loc = sl_op_loc(select);
    sl_build(&b, SL_OP_route_yield, 1, &yielded, 0, NULL, 0, NULL);
}

static void build_switch(recovery *r, sl_op *select, sl_value *condition, int count, sl_value *const *values) {
    sl_builder b = sl_builder_before(select);
    sl_type type = sl_value_type(sl_op_result(select, 0)), plan_type = sl_type_partition(r->c, 2);
    sl_expr rows = sl_type_dim(type, 0);
    sl_type flat = sl_type_tensor(r->c, SL_ELEMENT_i1, 1, &rows);
    if (sl_value_type(condition) != flat) condition = sl_op_result(sl_build(&b, SL_OP_tensor_reshape, 1, &condition, 1, &flat, 0, NULL), 0);
    sl_value *operands[1 + MAX_ROW_TENSORS], *keys = sl_build_cast(&b, condition, SL_ELEMENT_i64);
    operands[0] = sl_op_result(sl_build(&b, SL_OP_route_partition, 1, &keys, 1, &plan_type, 0, NULL), 0);
    for (int i = 0; i < count; i++) operands[1 + i] = values[i];
    sl_named_attr attrs[] = {{"rows", sl_attr_int(r->c, count)}, {"merge", sl_attr_string(r->c, "place")}};
    sl_op *made = sl_build(&b, SL_OP_route_switch, 1 + count, operands, 1, &type, 2, attrs);
    for (int branch = 0; branch < 2; branch++) build_body(r, made, select, branch, count, values);
    sl_value *result = sl_op_result(made, 0);
    sl_op_replace(select, &result);
    for (size_t i = 0; i < r->list.count; i++) sl_op_erase(r->list.data[i]);    /* last first, so users go before what they use */
    r->list.count = 0;
    r->pass->changes++;
}

/* ---- selects ---- */

static void consider(recovery *r, sl_op *select) {
    sl_value *condition = row_condition(select), *values[MAX_ROW_TENSORS];
    sl_arena *scratch = r->pass->scratch;
    if (!condition) return;
    gather(r, select, false);
    double work = products(r);
    if (work == 0) {
        forget(r);
        gather(r, select, true);
        double hidden = products(r);
        forget(r);
        if (hidden > 0) r->failed |= sl_pass_dense_fallback(r->pass, select, "what it selects from is computed for all rows: it mixes rows");
        return;
    }
    int count = find_row_tensors(r, select, values);
    double moved = row_elements(sl_value_type(sl_op_result(select, 0)));
    for (int i = 0; i < count; i++) moved += row_elements(sl_value_type(values[i]));
    const char *why = r->pass->strict ? "both sides are computed for all rows: skipping might differ where they meet NaN or infinity, and the mode is strict"
                      : count < 0     ? "both sides are computed for all rows: too many values enter them"
                      : work < MOVE_COST * moved
                          ? sl_arena_printf(scratch, "both sides are computed for all rows: %.0f multiply-adds a row are not worth moving %.0f elements", work, moved)
                          : NULL;
    if (why) {
        forget(r);
        r->failed |= sl_pass_dense_fallback(r->pass, select, why);
        return;
    }
    sl_pass_decide(r->pass, select, "routing", sl_arena_printf(scratch, "a select by row over bodies with %.0f multiply-adds a row becomes a switch; %.0f elements a row are moved for it", work, moved));
    build_switch(r, select, condition, count, values);
}

/* From the last op on: the outermost select of a nest comes first and takes the inner ones along into its bodies, where they are met next. */
static void recover_block(recovery *r, sl_block *block) {
    for (sl_op *op = sl_block_last(block), *previous; op; op = previous) {
        for (int g = 0; g < sl_op_region_count(op); g++)
            if (sl_region_block(sl_op_region(op, g))) recover_block(r, sl_op_body(op, g));
        sl_op *next = sl_op_next(op);
        if (sl_op_get_kind(op) == SL_OP_arith_select && sl_op_has_trait(op, SL_TRAIT_ELEMENTWISE)) consider(r, op);
        /* What was before the select may be gone, and a switch be in its place: go on from what stands behind. */
        previous = next ? sl_op_previous(next) : sl_block_last(block);
        if (previous == op) previous = sl_op_previous(op);    /* nothing changed */
    }
}

sl_status sl_pass_recover_routing(sl_pass_context *pass) {
    recovery r = {.pass = pass, .c = sl_module_context(pass->module)};
    for (sl_op *func = sl_block_first(sl_module_body(pass->module)); func; func = sl_op_next(func))
        if (sl_op_get_kind(func) == SL_OP_core_func && !sl_op_bool(func, "buffers", false)) recover_block(&r, sl_op_body(func, 0));
    return r.failed ? SL_PASS_FAILED("recover-routing") : NULL;
}
