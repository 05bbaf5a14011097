/* test_op.c: the IR's objects: use lists, operand and attribute edits, erasing, replacing, cloning, inlining, walks, symbols. */
#include "check.h"
#include "op_internal.h"

typedef struct fixture {
    sl_allocator allocator;
    sl_diag_sink sink;
    sl_context *context;
    sl_module *module;
    sl_type f32;
    sl_block *body;           /* of a function with two f32 arguments */
    sl_value *a, *b;
    sl_builder builder;
} fixture;

static void begin(fixture *f) {
    *f = (fixture){.allocator = sl_allocator_system()};
    f->context = sl_context_create(&f->allocator, &f->sink);
    f->module = sl_module_create(f->context);
    f->f32 = sl_type_scalar(f->context, SL_ELEMENT_f32);
    sl_builder top = sl_builder_at_end(f->module, sl_module_body(f->module));
    sl_named_attr name = {"sym_name", sl_attr_string(f->context, "f")};
    sl_op *function = sl_build(&top, SL_OP_core_func, 0, NULL, 0, NULL, 1, &name);
    f->body = sl_op_body(function, 0);
    f->a = sl_block_add_argument(f->body, f->f32);
    f->b = sl_block_add_argument(f->body, f->f32);
    f->builder = sl_builder_at_end(f->module, f->body);
}

static void end(fixture *f) {
    sl_module_destroy(f->module);
    sl_context_destroy(f->context);
}

static void check_valid(fixture *f) {
    sl_status status = sl_module_verify(f->module);
    CHECK(status == NULL);
    sl_status_free(status);
}

static void close_function(fixture *f, int count, sl_value *const *values) { sl_build(&f->builder, SL_OP_core_return, count, values, 0, NULL, 0, NULL); }

static void use_lists_follow_operands(void) {
    fixture f;
    begin(&f);
    sl_value *sum = sl_build_binary(&f.builder, SL_OP_arith_add, f.a, f.a);
    CHECK_INT(sl_value_use_count(f.a), 2);
    CHECK_INT(sl_use_index(sl_value_first_use(f.a)), 0);
    CHECK_INT(sl_use_index(sl_use_next(sl_value_first_use(f.a))), 1);
    sl_op_set_operand(sl_value_op(sum), 0, f.b);
    CHECK(sl_value_has_one_use(f.a) && sl_value_has_one_use(f.b));
    sl_value *product = sl_build_binary(&f.builder, SL_OP_arith_mul, sum, f.b);
    sl_value_replace_all_uses(f.b, f.a);
    CHECK(!sl_value_has_uses(f.b));
    CHECK_INT(sl_value_use_count(f.a), 3);
    CHECK(sl_op_operand(sl_value_op(product), 1) == f.a);
    close_function(&f, 1, &product);
    check_valid(&f);
    end(&f);
}

static bool first_operand(void *self, sl_op *user, int operand) {
    (void)self;
    (void)user;
    return operand == 0;
}

static void uses_can_be_replaced_selectively(void) {
    fixture f;
    begin(&f);
    sl_value *sum = sl_build_binary(&f.builder, SL_OP_arith_add, f.a, f.a);
    sl_value_replace_uses_if(f.a, f.b, first_operand, NULL);
    CHECK(sl_op_operand(sl_value_op(sum), 0) == f.b && sl_op_operand(sl_value_op(sum), 1) == f.a);
    close_function(&f, 0, NULL);
    check_valid(&f);
    end(&f);
}

static void operands_can_be_inserted_and_erased(void) {
    fixture f;
    begin(&f);
    sl_type tensor = sl_type_tensor(f.context, SL_ELEMENT_f32, 1, (sl_expr[]){sl_expr_const(f.context, 2)});
    sl_value *x = sl_block_add_argument(f.body, tensor), *y = sl_block_add_argument(f.body, tensor);
    sl_named_attr axis = {"axis", sl_attr_int(f.context, 0)};
    sl_type result = sl_type_tensor(f.context, SL_ELEMENT_f32, 1, (sl_expr[]){sl_expr_const(f.context, 14)});
    sl_op *concat = sl_build(&f.builder, SL_OP_tensor_concat, 1, &x, 1, &result, 1, &axis);
    for (int i = 0; i < 6; i++) sl_op_insert_operand(concat, i % 2 ? 0 : sl_op_operand_count(concat), i % 2 ? x : y);
    CHECK_INT(sl_op_operand_count(concat), 7);
    CHECK_INT(sl_value_use_count(x), 4);
    CHECK_INT(sl_value_use_count(y), 3);
    close_function(&f, 0, NULL);
    check_valid(&f);
    while (sl_op_operand_count(concat) > 1) sl_op_erase_operand(concat, 1);
    CHECK(sl_op_operand(concat, 0) == x && sl_value_has_one_use(x) && !sl_value_has_uses(y));
    sl_value_set_type(sl_op_result(concat, 0), tensor);
    check_valid(&f);
    end(&f);
}

static void attributes_stay_sorted(void) {
    fixture f;
    begin(&f);
    sl_op *function = sl_block_parent(f.body);
    sl_op_set_attr(function, "output_names", sl_attr_strings(f.context, 0, NULL));
    sl_op_set_attr(function, "buffers", sl_attr_bool(f.context, false));
    sl_op_set_attr(function, "input_names", sl_attr_strings(f.context, 2, (const char *[]){"a", "b"}));
    const char *name;
    CHECK_INT(sl_op_attr_count(function), 4);
    sl_op_attr_at(function, 0, &name);
    CHECK_TEXT(name, "buffers");
    sl_op_attr_at(function, 3, &name);
    CHECK_TEXT(name, "sym_name");
    CHECK(!sl_op_bool(function, "buffers", true));
    CHECK_INT(sl_op_int(function, "buffers", 7), 7);
    sl_op_set_attr(function, "buffers", NULL);
    sl_op_set_attr(function, "buffers", NULL);
    CHECK_INT(sl_op_attr_count(function), 3);
    CHECK(!sl_op_attr(function, "buffers"));
    close_function(&f, 0, NULL);
    check_valid(&f);
    end(&f);
}

static void replacing_keeps_the_name(void) {
    fixture f;
    begin(&f);
    sl_value *sum = sl_build_binary(&f.builder, SL_OP_arith_add, f.a, f.b);
    sl_value_set_name(sum, "conv1/out");
    sl_builder before = sl_builder_before(sl_value_op(sum));
    sl_value *product = sl_build_binary(&before, SL_OP_arith_mul, f.a, f.b);
    sl_value *user = sl_build_unary(&f.builder, SL_OP_arith_neg, sum);
    sl_op_replace(sl_value_op(sum), &product);
    CHECK(sl_op_operand(sl_value_op(user), 0) == product);
    CHECK_TEXT(sl_value_name(product), "conv1/out");
    close_function(&f, 1, &user);
    check_valid(&f);
    end(&f);
}

/* A tensor.if whose first region negates a and whose second yields b. */
static sl_op *build_if(fixture *f) {
    sl_type boolean = sl_type_tensor(f->context, SL_ELEMENT_i1, 0, NULL);
    sl_value *condition = sl_block_add_argument(f->body, boolean);
    sl_op *branch = sl_build(&f->builder, SL_OP_tensor_if, 1, &condition, 1, &f->f32, 0, NULL);
    sl_builder inner = sl_builder_at_end(f->module, sl_op_body(branch, 0));
    sl_value *negated = sl_build_unary(&inner, SL_OP_arith_neg, f->a);
    sl_build(&inner, SL_OP_tensor_yield, 1, &negated, 0, NULL, 0, NULL);
    inner = sl_builder_at_end(f->module, sl_op_body(branch, 1));
    sl_build(&inner, SL_OP_tensor_yield, 1, &f->b, 0, NULL, 0, NULL);
    return branch;
}

static void erasing_drops_nested_uses(void) {
    fixture f;
    begin(&f);
    sl_op *branch = build_if(&f);
    CHECK(sl_value_has_uses(f.a) && sl_value_is_outside(f.a, branch));
    CHECK(!sl_value_is_outside(sl_op_result(sl_block_first(sl_op_body(branch, 0)), 0), branch));
    CHECK(sl_block_contains(f.body, sl_block_first(sl_op_body(branch, 0))));
    sl_op_erase(branch);
    CHECK(!sl_value_has_uses(f.a) && !sl_value_has_uses(f.b));
    CHECK(sl_block_first(f.body) == NULL);
    close_function(&f, 0, NULL);
    check_valid(&f);
    end(&f);
}

static void clones_map_what_they_hold(void) {
    fixture f;
    begin(&f);
    sl_op *branch = build_if(&f);
    sl_value_map *map = sl_value_map_create(sl_module_arena(f.module));
    sl_value_map_set(map, f.a, f.b);
    sl_op *copy = sl_op_clone(&f.builder, branch, map);
    CHECK(sl_value_map_get(map, sl_op_result(branch, 0)) == sl_op_result(copy, 0));
    CHECK(sl_op_operand(sl_block_first(sl_op_body(copy, 0)), 0) == f.b);
    CHECK(sl_op_operand(sl_block_first(sl_op_body(branch, 0)), 0) == f.a);
    CHECK(sl_op_operand(sl_block_last(sl_op_body(copy, 0)), 0) == sl_op_result(sl_block_first(sl_op_body(copy, 0)), 0));
    close_function(&f, 0, NULL);
    check_valid(&f);
    sl_module *whole = sl_module_clone(f.module);
    sl_status status = sl_module_verify(whole);
    CHECK(status == NULL);
    sl_status_free(status);
    CHECK(sl_module_find(whole, "f") && sl_module_find(whole, "f") != sl_module_find(f.module, "f"));
    sl_module_destroy(whole);
    end(&f);
}

static void inlining_replaces_arguments(void) {
    fixture f;
    begin(&f);
    sl_type partition = sl_type_partition(f.context, 1), rows = sl_type_tensor(f.context, SL_ELEMENT_f32, 1, (sl_expr[]){sl_expr_symbol(f.context, "B")});
    sl_value *operands[] = {sl_block_add_argument(f.body, partition), sl_block_add_argument(f.body, rows)};
    sl_named_attr attrs[] = {{"rows", sl_attr_int(f.context, 1)}, {"merge", sl_attr_string(f.context, "place")}};
    sl_op *choice = sl_build(&f.builder, SL_OP_route_switch, 2, operands, 1, &rows, 2, attrs);
    CHECK_INT(sl_op_region_count(choice), 0);
    sl_block *inside = sl_region_block(sl_op_add_region(choice));
    CHECK(sl_op_body(choice, 0) == inside);
    sl_value *packed = sl_block_add_argument(inside, rows);
    sl_builder inner = sl_builder_at_end(f.module, inside);
    sl_value *negated = sl_build_unary(&inner, SL_OP_arith_neg, packed);
    sl_build(&inner, SL_OP_route_yield, 1, &negated, 0, NULL, 0, NULL);
    close_function(&f, 1, (sl_value *[]){sl_op_result(choice, 0)});
    check_valid(&f);
    sl_builder before = sl_builder_before(choice);
    sl_block_inline(&before, inside, &operands[1]);
    sl_op *yield = sl_op_previous(choice);
    CHECK(sl_block_first(inside) == NULL && sl_op_get_kind(yield) == SL_OP_route_yield);
    sl_value *result = sl_op_operand(yield, 0);
    sl_op_erase(yield);
    sl_op_replace(choice, &result);
    CHECK(sl_op_operand(sl_value_op(result), 0) == operands[1]);
    check_valid(&f);
    end(&f);
}

typedef struct walk_state { int seen; } walk_state;

static bool count_and_erase_negations(void *self, sl_op *op) {
    walk_state *state = self;
    state->seen++;
    if (sl_op_get_kind(op) == SL_OP_arith_neg && !sl_value_has_uses(sl_op_result(op, 0))) sl_op_erase(op);
    return true;
}

static bool stop_at_yield(void *self, sl_op *op) {
    walk_state *state = self;
    state->seen++;
    return sl_op_get_kind(op) != SL_OP_tensor_yield;
}

static void walks_survive_erasing(void) {
    fixture f;
    begin(&f);
    for (int i = 0; i < 4; i++) sl_build_unary(&f.builder, SL_OP_arith_neg, f.a);
    build_if(&f);
    close_function(&f, 0, NULL);
    walk_state state = {0};
    CHECK(sl_block_walk(f.body, count_and_erase_negations, &state));
    CHECK_INT(state.seen, 4 + 1 + 3 + 1);
    CHECK(sl_op_get_kind(sl_block_first(f.body)) == SL_OP_tensor_if);
    state.seen = 0;
    CHECK(!sl_block_walk(f.body, stop_at_yield, &state));
    CHECK_INT(state.seen, 3);
    end(&f);
}

static void symbols_follow_edits(void) {
    fixture f;
    begin(&f);
    sl_op *first = sl_module_find(f.module, "f");
    CHECK(first && !sl_module_find(f.module, "g"));
    sl_builder top = sl_builder_at_end(f.module, sl_module_body(f.module));
    sl_op *made[100];
    for (int i = 0; i < 100; i++) {
        char text[16];
        snprintf(text, sizeof(text), "k%d", i);
        sl_named_attr name = {"sym_name", sl_attr_string(f.context, text)};
        made[i] = sl_build(&top, SL_OP_core_func, 0, NULL, 0, NULL, 1, &name);
        CHECK(sl_module_find(f.module, text) == made[i]);
    }
    sl_op_set_attr(made[5], "sym_name", sl_attr_string(f.context, "renamed"));
    CHECK(!sl_module_find(f.module, "k5") && sl_module_find(f.module, "renamed") == made[5]);
    sl_op_erase(made[6]);
    CHECK(!sl_module_find(f.module, "k6") && sl_module_find(f.module, "k7") == made[7]);
    end(&f);
}

static void constants_keep_all_bits(void) {
    fixture f;
    begin(&f);
    sl_type i64 = sl_type_scalar(f.context, SL_ELEMENT_i64), row = sl_type_tensor_static(f.context, SL_ELEMENT_i64, 1, (int64_t[]){3});
    sl_value *scalar = sl_build_constant_int(&f.builder, i64, INT64_MAX), *tensor = sl_build_constant_int(&f.builder, row, INT64_MIN + 1);
    sl_value *vector = sl_build_constant_float(&f.builder, sl_type_vector(f.context, SL_ELEMENT_f16, 8), 0.5);
    CHECK_INT(sl_attr_data_int(sl_value_constant(scalar), 0), INT64_MAX);
    CHECK_INT(sl_attr_data_int(sl_value_constant(tensor), 2), INT64_MIN + 1);
    CHECK(sl_attr_data_float(sl_value_constant(vector), 0) == 0.5);
    CHECK(sl_build_cast(&f.builder, scalar, SL_ELEMENT_i64) == scalar);
    CHECK(sl_type_element(sl_value_type(sl_build_cast(&f.builder, scalar, SL_ELEMENT_i8))) == SL_ELEMENT_i8);
    close_function(&f, 0, NULL);
    check_valid(&f);
    end(&f);
}

static void the_verifier_finds_broken_links(void) {
    fixture f;
    begin(&f);
    sl_value *sum = sl_build_binary(&f.builder, SL_OP_arith_add, f.a, f.b);
    sl_value *late = sl_build_unary(&f.builder, SL_OP_arith_neg, sum);
    close_function(&f, 1, &late);
    check_valid(&f);
    sl_op_move_before(sl_value_op(late), sl_value_op(sum));
    CHECK(!sl_op_verify(sl_value_op(late)) && sl_op_verify(sl_value_op(sum)));
    sl_status status = sl_module_verify(f.module);
    CHECK_INT(sl_status_code(status), SL_INVALID_MODEL);
    sl_status_free(status);
    sl_op_move_before(sl_value_op(sum), sl_value_op(late));
    check_valid(&f);
    f.a->first_use = f.a->last_use = NULL;
    status = sl_module_verify(f.module);
    CHECK(status != NULL);
    sl_status_free(status);
    end(&f);
}

int main(void) {
    sl_guard guard;
    if (!SL_GUARD_ENTER(&guard)) return 2;
    use_lists_follow_operands();
    uses_can_be_replaced_selectively();
    operands_can_be_inserted_and_erased();
    attributes_stay_sorted();
    replacing_keeps_the_name();
    erasing_drops_nested_uses();
    clones_map_what_they_hold();
    inlining_replaces_arguments();
    walks_survive_erasing();
    symbols_follow_edits();
    constants_keep_all_bits();
    the_verifier_finds_broken_links();
    sl_guard_leave(&guard);
    return check_result();
}
