/* kernel_fixture.h: functions of tensor ops under construction, for tests that compile them pass by pass and compare with the evaluator. A test adds fields of its own: it defines
 * FIXTURE_FIELDS before it includes this. */
#ifndef SLUICE_TESTS_KERNEL_FIXTURE_H
#define SLUICE_TESTS_KERNEL_FIXTURE_H

#include "check.h"
#include "data_type.h"
#include "sluice/codegen.h"
#include "sluice/passes.h"
#include "sluice/runtime.h"

typedef struct fixture {
    sl_allocator allocator;
    sl_arena *arena;
    sl_diag_sink sink;
    sl_context *context;
    sl_machine machine;
    int threads;
    const char *name;
    sl_module *module;
    sl_builder builder;
    sl_block *body;
    FIXTURE_FIELDS
} fixture;

static void report(void *self, const sl_diag *diag) {
    fixture *f = self;
    sl_text text;
    sl_text_init(&text, f->arena);
    sl_diag_render(&text, diag);
    fputs(text.data, stderr);
}

static bool ok(fixture *f, sl_status status) {
    if (!status) return true;
    fprintf(stderr, "%s: %s\n", f->name, sl_status_message(status));
    check_failures++;
    sl_status_free(status);
    return false;
}

static void begin_module(fixture *f, const char *name) {
    f->name = name;
    f->module = sl_module_create(f->context);
    sl_builder top = sl_builder_at_end(f->module, sl_module_body(f->module));
    sl_named_attr attr = {"sym_name", sl_attr_string(f->context, "main")};
    f->body = sl_op_body(sl_build(&top, SL_OP_core_func, 0, NULL, 0, NULL, 1, &attr), 0);
    f->builder = sl_builder_at_end(f->module, f->body);
}

/* A dim: 0 or more is static, -1 to -4 the symbols A to D. */
static sl_type shape(fixture *f, sl_element element, int rank, const int64_t *dims) {
    static const char *const names[] = {"A", "B", "C", "D"};
    sl_expr exprs[SL_MAX_RANK];
    for (int i = 0; i < rank; i++) exprs[i] = dims[i] >= 0 ? sl_expr_const(f->context, dims[i]) : sl_expr_symbol(f->context, names[-dims[i] - 1]);
    return sl_type_tensor(f->context, element, rank, exprs);
}
#define DIMS(...) (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]){__VA_ARGS__}

static sl_value *input(fixture *f, sl_element element, int rank, const int64_t *dims) { return sl_block_add_argument(f->body, shape(f, element, rank, dims)); }
static sl_value *like(fixture *f, sl_value *x, sl_value *other) {
    sl_type type = sl_type_with_element(f->context, sl_value_type(other), sl_type_element(sl_value_type(x)));
    return sl_op_result(sl_build(&f->builder, SL_OP_tensor_broadcast, 1, &x, 1, &type, 0, NULL), 0);
}

static sl_value *number(fixture *f, double value, sl_value *other) {
    sl_type type = sl_type_tensor(f->context, sl_type_element(sl_value_type(other)), 0, NULL);
    return like(f, sl_build_constant(&f->builder, sl_attr_data_splat(f->context, type, value)), other);
}

static sl_value *binary(fixture *f, sl_op_kind kind, sl_value *a, sl_value *b) { return sl_build_binary(&f->builder, kind, a, b); }

static sl_attr ints(fixture *f, int count, const int64_t *values) { return sl_attr_ints(f->context, count, values); }
#define INTS(f, ...) ints(f, DIMS(__VA_ARGS__))

static sl_value *build(fixture *f, sl_op_kind kind, int operands, sl_value *const *values, int attrs, const sl_named_attr *named) {
    sl_op *op = sl_build_inferred(&f->builder, kind, operands, values, attrs, named);
    CHECK(op != NULL);
    return sl_op_result(op, 0);
}

#endif
