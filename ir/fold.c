/* fold.c: sl_op_fold_constant: one pure op on constants, through the reference evaluator, so that folding can't differ from running.
 *
 * Elementwise ops, broadcasts and reshapes of splats are done on a single element and stay splats, whatever their size.
 */
#include "eval_internal.h"
#include <string.h>

typedef struct fold_job {
    sl_op *op;
    sl_eval *eval;
    sl_eval_value *results;
} fold_job;

static bool run_guarded(fold_job *job) {
    if (setjmp(job->eval->failed)) return false;
    sl_eval_op(job->eval, job->op, job->results);
    return true;
}

static bool is_foldable(const sl_op *op) {
    if (!sl_op_has_trait(op, SL_TRAIT_PURE) || sl_op_has_trait(op, SL_TRAIT_RANDOM) || sl_op_region_count(op) != 0 || sl_op_get_kind(op) == SL_OP_core_constant)
        return false;
    const char *family = sl_op_get_info(op)->family;
    return strcmp(family, "arith") == 0 || strcmp(family, "tensor") == 0 || strcmp(family, "core") == 0;
}

/* Whether all operands are splats and the op maps splats to splats; then one element is computed. */
static bool is_splat_op(const sl_op *op, sl_attr *constants) {
    sl_op_kind kind = sl_op_get_kind(op);
    bool moves = (kind == SL_OP_tensor_broadcast || kind == SL_OP_tensor_transpose || kind == SL_OP_tensor_slice ||
                  (kind == SL_OP_tensor_reshape && sl_op_operand_count(op) == 1));
    if (!moves && !sl_op_has_trait(op, SL_TRAIT_ELEMENTWISE)) return false;
    for (int i = 0; i < sl_op_operand_count(op); i++) {
        int64_t count = sl_type_static_count(sl_attr_get_type(constants[i]));
        if (count < 1 || (count != 1 && !sl_attr_data_is_splat(constants[i]))) return false;
    }
    return sl_op_operand_count(op) > 0;
}

/* Data of `type` with every element as element 0 of `one`. */
static sl_attr splat_of(sl_context *context, sl_type type, const sl_tensor *one) {
    if (sl_type_is_vector(type)) type = sl_type_scalar(context, sl_type_element(type));
    int64_t count = sl_type_static_count(type);
    sl_element element = sl_type_element(type);
    /* A splat is made from a double, which holds every element but wide integers. */
    bool exact = sl_element_is_float(element) || sl_element_bits(element) <= 32;
    if (!exact) {
        int64_t value = sl_element_load_int(element, one->data, 0);
        exact = value > -(1ll << 53) && value < (1ll << 53);
    }
    if (exact) return sl_attr_data_splat(context, type, sl_element_load_float(element, one->data, 0));
    if (count > 1 << 16) return NULL;
    void *data;
    sl_attr attr = sl_attr_data_zero(context, type, &data);
    for (int64_t i = 0; i < count; i++) sl_copy_elements(element, data, i, one->data, 0, 1);
    return attr;
}

/* Data for a result: its own type where that is static, else (an inferred symbol that turned out constant) the computed shape. */
static bool finish(sl_op *op, int64_t max_elements, const sl_eval_value *values, bool splat, sl_attr *results) {
    sl_context *context = sl_op_context(op);
    for (int i = 0; i < sl_op_result_count(op); i++) {
        const sl_tensor *tensor = values[i].tensor;
        sl_type type = sl_value_type(sl_op_result(op, i));
        if (!tensor || tensor->element != sl_type_element(type)) return false;
        if (splat || sl_type_is_vector(type)) {
            results[i] = splat_of(context, type, tensor);
            if (!results[i]) return false;
            continue;
        }
        int64_t count = sl_tensor_count(tensor);
        if (count > max_elements) return false;
        if (sl_type_is_scalar(type)) {
            results[i] = sl_attr_data_copy(context, type, tensor->data, tensor->size);
            continue;
        }
        sl_type computed = sl_type_tensor_static(context, tensor->element, tensor->rank, tensor->shape);
        if (sl_types_conflict(type, computed)) return false;
        results[i] = sl_attr_data_copy(context, computed, tensor->data, tensor->size);
    }
    return true;
}

static bool fold(sl_op *op, sl_arena *arena, int64_t max_elements, sl_attr *results) {
    sl_context *context = sl_op_context(op);
    int operand_count = sl_op_operand_count(op);
    sl_attr *constants = SL_NEW_ARRAY(arena, sl_attr, (size_t)operand_count + 1);
    for (int i = 0; i < operand_count; i++) {
        constants[i] = sl_value_constant(sl_op_operand(op, i));
        if (!constants[i] || sl_type_element(sl_attr_get_type(constants[i])) == SL_ELEMENT_str) return false;
    }
    bool splat = is_splat_op(op, constants), elementwise = sl_op_has_trait(op, SL_TRAIT_ELEMENTWISE);
    for (int i = 0; i < sl_op_result_count(op); i++) {
        sl_type type = sl_value_type(sl_op_result(op, i));
        if (sl_type_get_kind(type) > SL_TYPE_VECTOR) return false;
        if (splat && !sl_type_is_vector(type) && !(sl_type_is_ranked(type) && sl_type_static_count(type) > 0)) splat = false;
    }
    for (int i = 0; i < sl_op_result_count(op) && !splat; i++) {
        sl_type type = sl_value_type(sl_op_result(op, i));
        int64_t count = sl_type_is_vector(type) || !sl_type_is_ranked(type) ? -1 : sl_type_static_count(type);
        if (sl_type_is_vector(type) && !elementwise) return false;
        if (count > max_elements) return false;
    }
    sl_tensor **operands = SL_NEW_ARRAY(arena, sl_tensor *, (size_t)operand_count + 1);
    for (int i = 0; i < operand_count; i++) {
        if (splat) {
            operands[i] = sl_tensor_alloc(arena, sl_type_element(sl_attr_get_type(constants[i])), 0, NULL);
            sl_copy_elements(operands[i]->element, operands[i]->data, 0, sl_attr_data_bytes(constants[i]), 0, 1);
        } else {
            sl_type type = sl_attr_get_type(constants[i]);
            int64_t shape[SL_MAX_RANK];
            for (int axis = 0; axis < sl_type_rank(type); axis++) shape[axis] = sl_type_static_dim(type, axis);
            if (!sl_shape_within(sl_type_rank(type), shape, 1ll << 28)) return false;
            operands[i] = sl_tensor_from_attr(arena, constants[i]);
        }
    }
    sl_eval_value *values = SL_NEW_ARRAY(arena, sl_eval_value, (size_t)sl_op_result_count(op) + 1);
    if (splat && !elementwise) {   /* moved, not changed */
        values[0].tensor = operands[0];
        return finish(op, max_elements, values, true, results);
    }
    sl_eval_options options;
    sl_eval_options_init(&options);
    options.max_elements = max_elements > 1 ? max_elements : 1;
    sl_eval *eval = SL_NEW(arena, sl_eval);
    eval->context = context;
    eval->options = &options;
    eval->frame = eval->arena = arena;
    eval->folded = operands;
    eval->quiet = true;
    fold_job job = {op, eval, values};
    return run_guarded(&job) && finish(op, max_elements, values, splat, results);
}

bool sl_op_fold_constant(sl_op *op, int64_t max_elements, sl_attr *results) {
    if (!is_foldable(op)) return false;
    for (int i = 0; i < sl_op_operand_count(op); i++)
        if (!sl_value_constant(sl_op_operand(op, i))) return false;
    sl_arena *arena = sl_arena_create(sl_context_allocator(sl_op_context(op)), 0);
    if (!arena) sl_out_of_memory();
    sl_guard guard;
    if (!SL_GUARD_ENTER(&guard)) {
        sl_arena_destroy(arena);
        sl_out_of_memory();
    }
    bool folded = fold(op, arena, max_elements, results);
    sl_guard_leave(&guard);
    sl_arena_destroy(arena);
    return folded;
}
