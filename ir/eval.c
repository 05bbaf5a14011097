/* eval.c: the reference evaluator: entry points, values, shape symbols, limits, and the walk over ops. The one semantics of the IR; written to be read, fast
 * enough for whole models. The other parts: eval_lanes.c (arithmetic), eval_move/gather/reduce/contract/search.c (tensor ops), eval_control.c, eval_route.c,
 * eval_nest.c, fold.c.
 *
 * Input: a verified module. Whatever it holds, an evaluation ends with results or with an error at the op that is at fault: sizes are checked against
 * max_elements before memory is taken, work against max_steps, shapes of all values against their types.
 */
#include "eval_internal.h"
#include <stdio.h>
#include <string.h>

enum { most_nesting = 200 };

void sl_eval_options_init(sl_eval_options *options) {
    *options = (sl_eval_options){.max_elements = 1ll << 28, .max_steps = 10000000};
}

/* ---- failing ---- */

void sl_eval_fail(sl_eval *eval, const sl_op *op, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    eval->message = sl_arena_strdup(eval->frame, text);
    if (op && !eval->quiet) sl_op_report(op, SL_SEVERITY_ERROR, "%s", text);
    longjmp(eval->failed, 1);
}

void sl_eval_step(sl_eval *eval, const sl_op *op, int64_t units) {
    eval->steps += 1 + units / 4096;
    if (eval->steps > eval->options->max_steps)
        sl_eval_fail(eval, op, "the evaluation takes more than %lld steps", (long long)eval->options->max_steps);
}

/* ---- symbols ---- */

static sl_eval_symbol *symbol_slot(sl_eval *eval, sl_expr symbol) {
    uint32_t id = sl_expr_id(symbol);
    while (eval->symbols.count <= id) SL_PUSH(eval->frame, &eval->symbols, (sl_eval_symbol){false, 0});
    return &eval->symbols.data[id];
}

void sl_eval_bind(sl_eval *eval, sl_expr symbol, int64_t value) {
    sl_eval_symbol *slot = symbol_slot(eval, symbol);
    slot->bound = true;
    slot->value = value;
    SL_PUSH(eval->frame, &eval->trail, sl_expr_id(symbol));
}

static bool symbol_value(void *self, sl_expr atom, int64_t *value) {
    if (sl_expr_get_kind(atom) != SL_EXPR_SYMBOL) return false;
    sl_eval_symbol *slot = symbol_slot(self, atom);
    *value = slot->value;
    return slot->bound;
}

bool sl_eval_expr(sl_eval *eval, sl_expr expr, int64_t *value) {
    return sl_expr_is_const(expr, value) || sl_expr_evaluate(expr, symbol_value, eval, value);
}

int64_t sl_eval_expr_or_fail(sl_eval *eval, const sl_op *op, sl_expr expr) {
    int64_t value;
    if (!sl_eval_expr(eval, expr, &value))
        sl_eval_fail(eval, op, "the size %s can't be computed: a symbol in it has no value yet, or it overflows", sl_expr_text(eval->context, expr));
    return value;
}

size_t sl_eval_scope_begin(sl_eval *eval) { return eval->trail.count; }

void sl_eval_scope_end(sl_eval *eval, size_t mark) {
    while (eval->trail.count > mark) eval->symbols.data[eval->trail.data[--eval->trail.count]].bound = false;
}

/* ---- values ---- */

static void format_shape(const sl_tensor *tensor, char *text, size_t size) {
    size_t length = 0;
    text[0] = '\0';
    for (int axis = 0; axis < tensor->rank && length + 24 < size; axis++)
        length += (size_t)snprintf(text + length, size - length, "%lld x ", (long long)tensor->shape[axis]);
    snprintf(text + length, size - length, "%s", sl_element_name(tensor->element));
}

static _Noreturn void fail_type(sl_eval *eval, const sl_op *op, const sl_tensor *tensor, sl_type type, const char *what, int index) {
    char shape[256];
    format_shape(tensor, shape, sizeof shape);
    sl_eval_fail(eval, op, "%s%s%s %d is %s, which does not fit its type %s", op ? sl_op_name(op) : "", op ? ": " : "", what, index, shape,
                 sl_type_text(eval->context, type));
}

/* First plain symbols bind, then the other dims are checked. */
static void bind_shape(sl_eval *eval, const sl_op *op, const sl_tensor *tensor, sl_type type, const char *what, int index) {
    if (sl_type_is_vector(type) || sl_type_element(type) != tensor->element) fail_type(eval, op, tensor, type, what, index);
    if (!sl_type_is_ranked(type)) return;
    if (sl_type_rank(type) != tensor->rank) fail_type(eval, op, tensor, type, what, index);
    for (int axis = 0; axis < tensor->rank; axis++) {
        sl_expr dim = sl_type_dim(type, axis);
        if (sl_expr_get_kind(dim) == SL_EXPR_SYMBOL && !symbol_slot(eval, dim)->bound) sl_eval_bind(eval, dim, tensor->shape[axis]);
    }
    for (int axis = 0; axis < tensor->rank; axis++) {
        int64_t expected;
        if (!sl_eval_expr(eval, sl_type_dim(type, axis), &expected) || expected == tensor->shape[axis]) continue;
        char shape[256];
        format_shape(tensor, shape, sizeof shape);
        sl_eval_fail(eval, op, "%s%s%s %d is %s, but axis %d should be %s = %lld", op ? sl_op_name(op) : "", op ? ": " : "", what, index, shape, axis,
                     sl_expr_text(eval->context, sl_type_dim(type, axis)), (long long)expected);
    }
}

void sl_eval_set(sl_eval *eval, const sl_op *op, sl_value *value, sl_eval_value content) {
    if (content.tensor) {
        bool argument = sl_value_op(value) == NULL;
        bind_shape(eval, op, content.tensor, sl_value_type(value), argument ? "argument" : "result", sl_value_index(value));
        if (!argument && eval->options->observe) eval->options->observe(eval->options->self, sl_value_op(value), sl_value_index(value), content.tensor);
    }
    eval->values[sl_value_id(value)] = content;
}

sl_tensor *sl_eval_value_tensor(sl_eval *eval, const sl_op *op, const sl_value *value) {
    sl_tensor *tensor = eval->values ? eval->values[sl_value_id(value)].tensor : NULL;
    if (!tensor) sl_eval_fail(eval, op, "an operand of %s has no value that can be evaluated", sl_op_name(op));
    return tensor;
}

sl_tensor *sl_eval_operand(sl_eval *eval, const sl_op *op, int index) {
    return eval->folded ? eval->folded[index] : sl_eval_value_tensor(eval, op, sl_op_operand(op, index));
}

int sl_eval_result_shape(sl_eval *eval, const sl_op *op, int index, int64_t *shape) {
    sl_type type = sl_value_type(sl_op_result(op, index));
    if (sl_type_is_vector(type)) return 0;   /* folding of splats */
    if (!sl_type_is_ranked(type)) sl_eval_fail(eval, op, "the rank of %s's result is not known", sl_op_name(op));
    for (int axis = 0; axis < sl_type_rank(type); axis++) {
        shape[axis] = sl_eval_expr_or_fail(eval, op, sl_type_dim(type, axis));
        if (shape[axis] < 0)
            sl_eval_fail(eval, op, "axis %d of the result has the negative size %s = %lld", axis, sl_expr_text(eval->context, sl_type_dim(type, axis)),
                         (long long)shape[axis]);
    }
    return sl_type_rank(type);
}

sl_element sl_eval_result_element(const sl_op *op, int index) { return sl_type_element(sl_value_type(sl_op_result(op, index))); }

void sl_eval_check_shape(sl_eval *eval, const sl_op *op, int rank, const int64_t *shape) {
    for (int axis = 0; axis < rank; axis++)
        if (shape[axis] < 0) sl_eval_fail(eval, op, "axis %d would get the negative size %lld", axis, (long long)shape[axis]);
    if (!sl_shape_within(rank, shape, eval->options->max_elements))
        sl_eval_fail(eval, op, "%s makes a tensor of more than %lld elements", sl_op_name(op), (long long)eval->options->max_elements);
}

sl_tensor *sl_eval_alloc(sl_eval *eval, const sl_op *op, sl_element element, int rank, const int64_t *shape) {
    sl_eval_check_shape(eval, op, rank, shape);
    return sl_tensor_alloc(eval->arena, element, rank, shape);
}

sl_tensor *sl_eval_alias(sl_eval *eval, const sl_tensor *tensor, sl_element element, int rank, const int64_t *shape) {
    sl_tensor *alias = SL_NEW(eval->arena, sl_tensor);
    *alias = *tensor;
    alias->element = element;
    alias->rank = rank;
    memmove(alias->shape, shape, sizeof(int64_t) * (size_t)rank);
    return alias;
}

int64_t sl_eval_scalar_int(sl_eval *eval, const sl_op *op, int index) {
    const sl_tensor *tensor = sl_eval_operand(eval, op, index);
    if (sl_tensor_count(tensor) != 1 || sl_element_is_float(tensor->element) || tensor->element == SL_ELEMENT_str)
        sl_eval_fail(eval, op, "operand %d of %s must be one integer", index, sl_op_name(op));
    return sl_element_load_int(tensor->element, tensor->data, 0);
}

static void destroy_child(void *child) {
    sl_eval_child *self = child;
    if (self->arena) sl_arena_destroy(self->arena);
    self->arena = NULL;
}

sl_arena *sl_eval_child_arena(sl_eval *eval) {
    sl_eval_child *child = SL_NEW(eval->frame, sl_eval_child);
    sl_arena_on_destroy(eval->frame, destroy_child, child);
    child->arena = sl_arena_create(sl_arena_allocator(eval->frame), 0);
    if (!child->arena) sl_out_of_memory();
    child->next = eval->children;
    eval->children = child;
    return child->arena;
}

void sl_eval_child_destroy(sl_eval *eval, sl_arena *arena) {
    for (sl_eval_child **link = &eval->children; *link; link = &(*link)->next) {
        if ((*link)->arena != arena) continue;
        destroy_child(*link);
        *link = (*link)->next;
        return;
    }
}

/* ---- ops ---- */

static void eval_core(sl_eval *eval, const sl_op *op, sl_eval_value *results) {
    sl_expr left, right;
    int64_t a, b;
    switch ((int)sl_op_get_kind(op)) {
    case SL_OP_core_constant: {
        sl_attr data = sl_op_attr(op, "value");
        sl_type type = sl_attr_get_type(data);
        int64_t shape[SL_MAX_RANK];
        for (int axis = 0; axis < sl_type_rank(type); axis++) shape[axis] = sl_type_static_dim(type, axis);
        sl_eval_check_shape(eval, op, sl_type_rank(type), shape);
        results[0].tensor = sl_tensor_from_attr(eval->arena, data);
        break;
    }
    case SL_OP_core_dim:
        results[0].tensor = sl_eval_alloc(eval, op, SL_ELEMENT_i64, 0, NULL);
        *(int64_t *)results[0].tensor->data = sl_eval_expr_or_fail(eval, op, sl_attr_get_expr(sl_op_attr(op, "value")));
        break;
    case SL_OP_core_guard:
        left = sl_attr_get_expr(sl_op_attr(op, "left"));
        right = sl_attr_get_expr(sl_op_attr(op, "right"));
        a = sl_eval_expr_or_fail(eval, op, left);
        b = sl_eval_expr_or_fail(eval, op, right);
        if (a != b)
            sl_eval_fail(eval, op, "%s (%s = %lld, %s = %lld)", sl_op_string(op, "message", "guard failed"), sl_expr_text(eval->context, left), (long long)a,
                         sl_expr_text(eval->context, right), (long long)b);
        break;
    default: sl_eval_fail(eval, op, "%s can't be evaluated here", sl_op_name(op));
    }
}

void sl_eval_op(sl_eval *eval, sl_op *op, sl_eval_value *results) {
    const char *family = sl_op_get_info(op)->family;
    sl_eval_step(eval, op, 0);
    if (strcmp(family, "arith") == 0) sl_eval_arith(eval, op, results);
    else if (strcmp(family, "tensor") == 0) sl_eval_tensor_op(eval, op, results);
    else if (strcmp(family, "core") == 0) eval_core(eval, op, results);
    else if (strcmp(family, "route") == 0) sl_eval_route(eval, op, results);
    else if (sl_op_get_kind(op) == SL_OP_nest_generic) sl_eval_nest(eval, op, results);
    else if (sl_op_get_kind(op) == SL_OP_nest_group) sl_eval_group(eval, op, results);
    else sl_eval_fail(eval, op, "%s can't be evaluated here", sl_op_name(op));
}

void sl_eval_tensor_op(sl_eval *eval, sl_op *op, sl_eval_value *results) {
    switch ((int)sl_op_get_kind(op)) {
    case SL_OP_tensor_broadcast: case SL_OP_tensor_reshape: case SL_OP_tensor_transpose: case SL_OP_tensor_slice: case SL_OP_tensor_slice_dynamic:
    case SL_OP_tensor_concat: case SL_OP_tensor_pad: case SL_OP_tensor_pad_dynamic: case SL_OP_tensor_iota: case SL_OP_tensor_range:
    case SL_OP_tensor_fill: case SL_OP_tensor_expand_dynamic: case SL_OP_tensor_from_dims: case SL_OP_tensor_shape_of: case SL_OP_tensor_random:
        results[0].tensor = sl_eval_move(eval, op);
        break;
    case SL_OP_tensor_take: case SL_OP_tensor_gather_elements: case SL_OP_tensor_gather_nd: case SL_OP_tensor_scatter_elements: case SL_OP_tensor_scatter_nd:
        results[0].tensor = sl_eval_gather(eval, op);
        break;
    case SL_OP_tensor_reduce: case SL_OP_tensor_arg_reduce: case SL_OP_tensor_cumulate: case SL_OP_tensor_pool: case SL_OP_tensor_determinant:
        results[0].tensor = sl_eval_reduce(eval, op);
        break;
    case SL_OP_tensor_contract: case SL_OP_tensor_conv:
        results[0].tensor = sl_eval_contract(eval, op);
        break;
    case SL_OP_tensor_topk: case SL_OP_tensor_nonzero: case SL_OP_tensor_unique: case SL_OP_tensor_nonmax_suppression:
        sl_eval_search(eval, op, results);
        break;
    case SL_OP_tensor_if: sl_eval_if(eval, op, results); break;
    case SL_OP_tensor_loop: sl_eval_loop(eval, op, results); break;
    case SL_OP_tensor_bind_slice: sl_eval_bind_slice(eval, op); break;
    default: sl_eval_fail(eval, op, "%s can't be evaluated here", sl_op_name(op));
    }
}

const sl_op *sl_eval_block(sl_eval *eval, const sl_op *op, sl_block *block) {
    if (++eval->depth > most_nesting) sl_eval_fail(eval, op, "regions are nested more than %d deep", most_nesting);
    sl_op *last = NULL;
    for (sl_op *child = sl_block_first(block); child; child = sl_op_next(child)) {
        last = child;
        if (sl_op_has_trait(child, SL_TRAIT_TERMINATOR)) break;
        sl_eval_value few[8] = {{0}}, *results = few;
        int count = sl_op_result_count(child);
        if (count > 8) results = SL_NEW_ARRAY(eval->arena, sl_eval_value, (size_t)count);
        sl_eval_op(eval, child, results);
        for (int i = 0; i < count; i++) sl_eval_set(eval, child, sl_op_result(child, i), results[i]);
    }
    if (!last || !sl_op_has_trait(last, SL_TRAIT_TERMINATOR)) sl_eval_fail(eval, op, "a block without an end");
    eval->depth--;
    return last;
}

/* ---- entry ---- */

static sl_tensor *copy_out(sl_arena *arena, const sl_tensor *tensor) {
    sl_tensor *copy = sl_tensor_alloc(arena, tensor->element, tensor->rank, tensor->shape);
    if (copy->size > 0) memcpy(copy->data, tensor->data, (size_t)copy->size);
    return copy;
}

static bool is_aligned(const sl_tensor *tensor) {
    int width = sl_element_bits(tensor->element) / 8;
    return width <= 1 || (uintptr_t)tensor->data % (uintptr_t)width == 0;
}

static void run_function(sl_eval *eval, sl_op *function, int input_count, const sl_tensor *const *inputs, int output_count, sl_tensor **outputs, sl_arena *arena) {
    sl_block *body = sl_op_body(function, 0);
    if (sl_op_bool(function, "buffers", false)) sl_eval_fail(eval, function, "a function on buffers can't be evaluated");
    if (sl_block_argument_count(body) != input_count)
        sl_eval_fail(eval, function, "the function takes %d inputs, %d are given", sl_block_argument_count(body), input_count);
    for (int pass = 0; pass < 2; pass++) {   /* all symbols first: an expression may use a symbol of a later input */
        for (int i = 0; i < input_count; i++) {
            const sl_tensor *input = inputs[i];
            sl_type type = sl_value_type(sl_block_argument(body, i));
            if (pass == 1) {
                sl_eval_set(eval, function, sl_block_argument(body, i), (sl_eval_value){.tensor = is_aligned(input) ? (sl_tensor *)input : copy_out(eval->frame, input)});
                continue;
            }
            sl_eval_check_shape(eval, function, input->rank, input->shape);
            int64_t bytes = sl_element_bytes(input->element, sl_tensor_count(input));
            if (input->size < bytes) sl_eval_fail(eval, function, "input %d has %lld bytes, its shape needs %lld", i, (long long)input->size, (long long)bytes);
            if (!sl_type_is_tensor(type) && !sl_type_is_scalar(type)) sl_eval_fail(eval, function, "input %d is no tensor", i);
            if (!sl_type_is_ranked(type) || sl_type_rank(type) != input->rank) continue;
            for (int axis = 0; axis < input->rank; axis++) {
                sl_expr dim = sl_type_dim(type, axis);
                if (sl_expr_get_kind(dim) == SL_EXPR_SYMBOL && !symbol_slot(eval, dim)->bound) sl_eval_bind(eval, dim, input->shape[axis]);
            }
        }
    }
    const sl_op *end = sl_eval_block(eval, function, body);
    if (sl_op_operand_count(end) != output_count)
        sl_eval_fail(eval, function, "the function returns %d values, %d are asked for", sl_op_operand_count(end), output_count);
    for (int i = 0; i < output_count; i++) outputs[i] = copy_out(arena, sl_eval_operand(eval, end, i));
}

/* In a function of its own so that nothing that is read after the jump was changed after setjmp. */
static bool run_guarded(sl_eval *eval, sl_op *function, int input_count, const sl_tensor *const *inputs, int output_count, sl_tensor **outputs, sl_arena *arena) {
    if (setjmp(eval->failed)) return false;
    run_function(eval, function, input_count, inputs, output_count, outputs, arena);
    return true;
}

static sl_status evaluate(sl_module *module, sl_op *function, sl_arena *frame, sl_arena *arena, const sl_eval_options *options, int input_count,
                          const sl_tensor *const *inputs, int output_count, sl_tensor **outputs) {
    sl_eval *eval = SL_NEW(frame, sl_eval);
    eval->context = sl_module_context(module);
    eval->options = options;
    eval->frame = eval->arena = frame;
    eval->value_count = sl_module_value_count(module);
    eval->values = SL_NEW_ARRAY(frame, sl_eval_value, (size_t)eval->value_count + 1);
    bool done = run_guarded(eval, function, input_count, inputs, output_count, outputs, arena);
    if (options->counts) options->counts->ops += eval->steps;
    return done ? NULL : SL_ERROR(SL_RUN_TIME, "evaluating @%s: %s", sl_op_string(function, "sym_name", ""), eval->message);
}

sl_status sl_eval_function(sl_module *module, const char *name, sl_arena *arena, const sl_eval_options *options, int input_count,
                           const sl_tensor *const *inputs, int output_count, sl_tensor **outputs) {
    sl_eval_options defaults;
    sl_eval_options_init(&defaults);
    sl_op *function = sl_module_find(module, name);
    if (!function || sl_op_get_kind(function) != SL_OP_core_func) return SL_ERROR(SL_NOT_FOUND, "the module has no function @%s", name);
    sl_arena *frame = sl_arena_create(sl_arena_allocator(arena), 0);
    if (!frame) return SL_ERROR(SL_OUT_OF_MEMORY, "no memory to evaluate @%s", name);
    sl_guard guard;
    if (!SL_GUARD_ENTER(&guard)) {
        sl_arena_destroy(frame);
        return SL_ERROR(SL_OUT_OF_MEMORY, "no memory left while evaluating @%s", name);
    }
    sl_status status = evaluate(module, function, frame, arena, options ? options : &defaults, input_count, inputs, output_count, outputs);
    sl_guard_leave(&guard);
    sl_arena_destroy(frame);
    return status;
}
