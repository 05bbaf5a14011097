/* tile_call.c: tensor ops that stay whole until here: routines of the runtime (kernel.call), and concatenation as one copying kernel. */
#include "tile_internal.h"

#include <string.h>

/* ---- routines ---- */

typedef struct call {
    const char *routine;
    SL_VEC(int64_t) ints;
    double floats[4];
    int float_count;
} call;

static int64_t which(const char *name, const char *const *names) {
    for (int i = 0; names[i]; i++)
        if (strcmp(name, names[i]) == 0) return i;
    return -1;
}

static void put(sl_pass_context *pass, call *c, int64_t value) { SL_PUSH(pass->scratch, &c->ints, value); }

static bool has_unknown_dim(sl_type type) {
    if (!sl_type_is_ranked(type)) return true;
    for (int i = 0; i < sl_type_rank(type); i++)
        if (sl_expr_is_fresh(sl_type_dim(type, i))) return true;
    return false;
}

static bool pad_is_known(const sl_op *op) {
    sl_attr low = sl_op_attr(op, "low");
    for (int i = 0; i < sl_attr_count(low); i++)
        if (!sl_expr_is_const(sl_attr_get_expr(sl_attr_item(low, i)), NULL)) return false;
    return true;
}

/* Fills in the call; false when the op is not one of a routine. */
static bool describe(sl_pass_context *pass, sl_op *op, call *c) {
    static const char *const reductions[] = {"none", "add", "mul", "max", "min", NULL};
    static const char *const modes[] = {"constant", "reflect", "edge", "wrap", NULL};
    sl_op_kind kind = sl_op_get_kind(op);
    if (kind == SL_OP_tensor_topk) {
        c->routine = has_unknown_dim(sl_value_type(sl_op_result(op, 0))) ? "topk_dynamic" : "topk";
        put(pass, c, sl_op_int(op, "axis", 0)), put(pass, c, sl_op_bool(op, "largest", true));
    } else if (kind == SL_OP_tensor_nonzero) {
        c->routine = "nonzero";
    } else if (kind == SL_OP_tensor_unique) {
        c->routine = "unique";
        put(pass, c, sl_op_int(op, "axis", -1)), put(pass, c, sl_op_bool(op, "sorted", true));
    } else if (kind == SL_OP_tensor_nonmax_suppression) {
        c->routine = "nonmax_suppression";
        put(pass, c, sl_op_bool(op, "center_point", false));
    } else if (kind == SL_OP_tensor_random) {
        c->routine = "random";
        put(pass, c, strcmp(sl_op_string(op, "distribution", ""), "normal") == 0), put(pass, c, sl_op_int(op, "seed", 0));
        c->floats[0] = sl_op_float(op, "first", 0), c->floats[1] = sl_op_float(op, "second", 1), c->float_count = 2;
    } else if (kind == SL_OP_tensor_determinant) {
        c->routine = "determinant";
    } else if (kind == SL_OP_tensor_scatter_elements) {
        c->routine = "scatter_elements";
        put(pass, c, sl_op_int(op, "axis", 0)), put(pass, c, which(sl_op_string(op, "reduction", "none"), reductions));
    } else if (kind == SL_OP_tensor_scatter_nd) {
        c->routine = "scatter_nd";
        put(pass, c, which(sl_op_string(op, "reduction", "none"), reductions));
    } else if (kind == SL_OP_tensor_gather_nd) {
        c->routine = "gather_nd";
        put(pass, c, sl_op_int(op, "batch_dims", 0));
    } else if (kind == SL_OP_tensor_cumulate) {
        c->routine = "cumulate";
        put(pass, c, sl_op_int(op, "axis", 0)), put(pass, c, strcmp(sl_op_string(op, "kind", "sum"), "prod") == 0);
        put(pass, c, sl_op_bool(op, "exclusive", false)), put(pass, c, sl_op_bool(op, "reverse", false));
    } else if (kind == SL_OP_tensor_slice_dynamic) {
        int count;
        const int64_t *axes = sl_op_ints(op, "axes", &count);
        c->routine = "slice_dynamic";
        for (int i = 0; i < count; i++) put(pass, c, axes[i]);
    } else if (kind == SL_OP_tensor_pad_dynamic) {
        c->routine = "pad_dynamic";
        put(pass, c, which(sl_op_string(op, "mode", "constant"), modes));
    } else if (kind == SL_OP_tensor_pad && pad_is_known(op)) {
        sl_attr low = sl_op_attr(op, "low");
        c->routine = "pad";
        put(pass, c, which(sl_op_string(op, "mode", "constant"), modes));
        for (int i = 0; i < sl_attr_count(low); i++) put(pass, c, sl_expr_const_or(sl_attr_get_expr(sl_attr_item(low, i)), 0));
    } else if (kind == SL_OP_tensor_range) {
        c->routine = "range";
    } else if (kind == SL_OP_tensor_fill) {
        c->routine = "fill";
    } else if (kind == SL_OP_tensor_expand_dynamic) {
        c->routine = "expand_dynamic";
    } else if (kind == SL_OP_tensor_reshape && sl_op_operand_count(op) == 2) {
        c->routine = "reshape_dynamic";
    } else if (kind == SL_OP_tensor_shape_of) {
        c->routine = "shape_of";
    } else if (kind == SL_OP_route_sort) {
        c->routine = "partition";
        put(pass, c, sl_op_int(op, "branches", 0));
    } else {
        return false;
    }
    return true;
}

static void build_call(sl_pass_context *pass, sl_op *op, const call *c) {
    sl_context *context = sl_module_context(pass->module);
    int inputs = sl_op_operand_count(op), results = sl_op_result_count(op);
    sl_value **operands = SL_NEW_ARRAY(pass->scratch, sl_value *, (size_t)inputs + 1), **values = SL_NEW_ARRAY(pass->scratch, sl_value *, (size_t)results + 1);
    sl_type *types = SL_NEW_ARRAY(pass->scratch, sl_type, (size_t)results + 1);
    for (int i = 0; i < inputs; i++) operands[i] = sl_op_operand(op, i);
    for (int i = 0; i < results; i++) types[i] = sl_value_type(sl_op_result(op, i));
    sl_attr floats[4];
    for (int i = 0; i < c->float_count; i++) floats[i] = sl_attr_float(context, c->floats[i]);
    sl_named_attr attrs[4] = {{"routine", sl_attr_string(context, c->routine)}, {"inputs", sl_attr_int(context, inputs)}};
    int count = 2;
    if (c->ints.count) attrs[count++] = (sl_named_attr){"ints", sl_attr_ints(context, (int)c->ints.count, c->ints.data)};
    if (c->float_count) attrs[count++] = (sl_named_attr){"floats", sl_attr_array(context, c->float_count, floats)};
    sl_builder here = sl_builder_before(op);
    sl_op *built = sl_build(&here, SL_OP_kernel_call, inputs, operands, results, types, count, attrs);
    for (int i = 0; i < results; i++) {
        values[i] = sl_op_result(built, i);
        sl_value_set_name(values[i], sl_value_name(sl_op_result(op, i)));
    }
    sl_op_replace(op, values);
    pass->changes++;
}

/* ---- concatenation ---- */

typedef struct part { sl_value *from, *to; sl_expr read, write; int set; int loop; } part;

static void copy_part(tile_kernel *k, void *self, int copies, const sl_expr *bases) {
    part *p = self;
    sl_value *values[16];
    for (int u = 0; u < copies; u++) values[u] = tile_load(k, p->from, tile_add(k, p->read, bases[u]), k->mask);
    for (int u = 0; u < copies; u++) tile_store(k, values[u], p->to, tile_add(k, p->write, bases[u]), k->mask);
}

/* Every operand is rows of dim_i * inner elements, the result rows of their sum: a task copies a piece of one row of each operand. */
static void concat(sl_pass_context *pass, sl_op *op) {
    tile_kernel *k = tile_kernel_begin(pass, op);
    sl_context *context = k->context;
    sl_type type = sl_value_type(sl_op_result(op, 0));
    sl_element element = sl_type_element(type);
    int axis = (int)sl_op_int(op, "axis", 0), rank = sl_type_rank(type), count = sl_op_operand_count(op), loop = 0;
    sl_expr outer = tile_const(k, 1), inner = tile_const(k, 1), one = tile_const(k, 1);
    for (int i = 0; i < axis; i++) outer = tile_mul(k, outer, sl_type_dim(type, i));
    for (int i = axis + 1; i < rank; i++) inner = tile_mul(k, inner, sl_type_dim(type, i));
    sl_expr row = tile_mul(k, inner, sl_type_dim(type, axis));
    bool narrow = sl_element_bits(element) < 8, odd = sl_element_is_float(element) && sl_element_bits(element) == 8;
    k->lanes = narrow || odd || k->machine->vector_bits < 128 ? 1 : k->machine->vector_bits / sl_element_bits(element);
    if (k->lanes > 64) k->lanes = 64;
    double elements = tile_estimate(outer) * tile_estimate(row);
    sl_expr pieces = one;
    if (!narrow && tile_estimate(outer) < 8 && tile_estimate(row) > 32768) pieces = sl_expr_ceildiv(context, row, tile_const(k, 16384));
    sl_expr counts[2] = {outer, pieces}, indices[2], tasks = tile_mul(k, outer, pieces);
    if (narrow) {
        tile_for(k, k->first, k->end, tile_i64(k, 1), 0, NULL, NULL);
        indices[0] = tile_variable(k, tile_for(k, tile_i64(k, 0), tile_index(k, outer), tile_i64(k, 1), 0, NULL, NULL)), indices[1] = tile_const(k, 0);
        tasks = one;
    } else {
        tile_task_loop(k, 2, counts, indices);
    }
    sl_expr at = tile_mul(k, indices[0], row), offset = tile_const(k, 0);
    int set = tile_add_set(k, 1, &loop, &row);
    for (int i = 0; i < count; i++) {
        sl_value *operand = sl_op_operand(op, i);
        sl_expr length = tile_mul(k, inner, sl_type_dim(sl_value_type(operand), axis)), low = tile_const(k, 0), high = length;
        if (sl_expr_equals_const(length, 0)) continue;
        if (!sl_expr_equals_const(pieces, 1)) {
            sl_expr piece = sl_expr_ceildiv(context, length, pieces);
            low = sl_expr_min(context, tile_mul(k, indices[1], piece), length);
            high = sl_expr_min(context, tile_add(k, low, piece), length);
        }
        part p = {tile_argument_of(k, operand), tile_output_pointer(k, 0), tile_mul(k, indices[0], length), tile_add(k, at, offset), set, loop};
        int64_t known = sl_expr_const_or(length, -1);
        tile_lane_loop(k, set, low, high, 1, known < 0 || known >= 4 * k->lanes ? 4 : 1, copy_part, &p);
        offset = tile_add(k, offset, length);
    }
    while (k->depth > 0) tile_end(k, 0, NULL, NULL);
    double cycles = elements / k->lanes * 2 / (tile_estimate(tasks) + 1);
    tile_launch launch = {.name = "concat", .tasks = tasks, .grain = tile_grain(k, cycles + 4), .work = tile_mul(k, outer, row)};
    launch.reason = sl_arena_printf(k->arena, "concat: %d operands copied row by row, %d lanes", count, k->lanes);
    tile_kernel_finish(k, &launch);
}

bool tile_call(sl_pass_context *pass, sl_op *op, bool *ok) {
    *ok = true;
    if (sl_op_get_kind(op) == SL_OP_tensor_concat) {
        if (sl_type_element(sl_value_type(sl_op_result(op, 0))) == SL_ELEMENT_str) {
            sl_op_report(op, SL_SEVERITY_ERROR, "no kernel can be made of strings");
            return *ok = false;
        }
        concat(pass, op);
        return true;
    }
    call c = {0};
    if (!describe(pass, op, &c)) return false;
    build_call(pass, op, &c);
    return true;
}
