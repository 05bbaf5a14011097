/* op_table.c: expands the op tables into sl_op_info records: attribute schemas, constraints and hooks. Everything is constant data.
 *
 * A row's attributes and constraints follow it, so each SL_OP closes the array of the row before it and opens its own. The arrays start with an empty
 * element because C has no empty ones.
 */
#include "op_internal.h"
#include <stdio.h>
#include <string.h>

/* ---- constraints ---- */

static bool sl_element_of(const sl_value *value, sl_element *element) {
    sl_type type = sl_value_type(value);
    if (!sl_type_is_scalar(type) && !sl_type_is_vector(type) && !sl_type_is_tensor(type)) return false;
    *element = sl_type_element(type);
    return true;
}

static bool sl_holds_for_operands(const sl_op *op, bool (*holds)(sl_element element)) {
    for (int i = 0; i < sl_op_operand_count(op); i++) {
        sl_element element;
        if (!sl_element_of(sl_op_operand(op, i), &element) || !holds(element)) return false;
    }
    return true;
}

static bool sl_element_is_numeric(sl_element element) { return sl_element_is_float(element) || sl_element_is_integer(element); }
static bool sl_element_is_integral(sl_element element) { return element == SL_ELEMENT_i1 || sl_element_is_integer(element); }

static bool sl_holds_numeric(const sl_op *op) { return sl_holds_for_operands(op, sl_element_is_numeric); }
static bool sl_holds_integral(const sl_op *op) { return sl_holds_for_operands(op, sl_element_is_integral); }
static bool sl_holds_floating(const sl_op *op) { return sl_holds_for_operands(op, sl_element_is_float); }

#define SL_CONSTRAINT(name, sentence) static const sl_constraint_info sl_constraint_##name = {#name, sentence, sl_holds_##name};
#include "sluice/constraints.def"
#undef SL_CONSTRAINT

/* ---- attribute schemas ---- */

#define SL_NEED_required true
#define SL_NEED_optional false
enum { sl_attrs_begin
#define SL_OP(family, name, operands, results, regions, traits, infer, verify, doc) \
    }; static const sl_attr_info sl_attrs_##family##_##name[] = { {0},
#define SL_OP_ATTR(family, name, attribute, kind, need, doc) {#attribute, SL_ATTR_##kind, SL_NEED_##need, doc},
#define SL_OP_WHERE(family, name, predicate)
#include "sluice/ops/ops.def"
#undef SL_OP
#undef SL_OP_ATTR
#undef SL_OP_WHERE
};

enum { sl_where_begin
#define SL_OP(family, name, operands, results, regions, traits, infer, verify, doc) \
    }; static const sl_constraint_info *const sl_where_##family##_##name[] = { NULL,
#define SL_OP_ATTR(family, name, attribute, kind, need, doc)
#define SL_OP_WHERE(family, name, predicate) &sl_constraint_##predicate,
#include "sluice/ops/ops.def"
#undef SL_OP
#undef SL_OP_ATTR
#undef SL_OP_WHERE
};

/* ---- rows ---- */

/* From here on `none` is no hook. */
#define sl_infer_none NULL
#define sl_verify_none NULL
#define SL_COUNT_BEHIND_FIRST(array) ((int)(sizeof(array) / sizeof(*(array))) - 1)

static const sl_op_info sl_op_infos[SL_OP_COUNT] = {
#define SL_OP(family_, name_, operands_, results_, regions_, traits_, infer_, verify_, doc_) \
    [SL_OP_##family_##_##name_] = {                                                          \
        .family = #family_, .name = #name_, .full_name = #family_ "." #name_,                \
        .kind = SL_OP_##family_##_##name_,                                                   \
        .operands = operands_, .results = results_, .regions = regions_, .traits = traits_,  \
        .infer = sl_infer_##infer_, .verify = sl_verify_##verify_, .doc = doc_,              \
        .attrs = sl_attrs_##family_##_##name_ + 1,                                           \
        .attr_count = SL_COUNT_BEHIND_FIRST(sl_attrs_##family_##_##name_),                   \
        .constraints = sl_where_##family_##_##name_ + 1,                                     \
        .constraint_count = SL_COUNT_BEHIND_FIRST(sl_where_##family_##_##name_),             \
    },
#define SL_OP_ATTR(family, name, attribute, kind, need, doc)
#define SL_OP_WHERE(family, name, predicate)
#include "sluice/ops/ops.def"
#undef SL_OP
#undef SL_OP_ATTR
#undef SL_OP_WHERE
};

const sl_op_info *sl_op_info_get(sl_op_kind kind) {
    assert(kind >= 0 && kind < SL_OP_COUNT && "not an op kind");
    return &sl_op_infos[kind];
}

bool sl_op_kind_find(const char *full_name, size_t length, sl_op_kind *kind) {
    for (int i = 0; i < SL_OP_COUNT; i++) {
        if (strncmp(sl_op_infos[i].full_name, full_name, length) == 0 && sl_op_infos[i].full_name[length] == '\0') {
            *kind = (sl_op_kind)i;
            return true;
        }
    }
    return false;
}

/* ---- inference requests ---- */

bool sl_infer_fail(sl_infer_request *request, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *message = sl_arena_alloc(sl_context_arena(request->context), length < 0 ? 1 : (size_t)length + 1);
    if (length >= 0) vsnprintf(message, (size_t)length + 1, format, again);
    va_end(again);
    request->message = message;
    return false;
}

sl_attr sl_infer_attr(const sl_infer_request *request, const char *name) {
    for (int i = 0; i < request->attr_count; i++)
        if (strcmp(request->attrs[i].name, name) == 0) return request->attrs[i].attr;
    return NULL;
}
