/* import_access.c: what an import function reads of its node: attributes, operands, types, values known while importing. */
#include "import_internal.h"
#include <math.h>
#include <string.h>

/* ---- attributes ---- */

const sl_param *im_param(im_node *n, const char *name)
{
    for (int i = 0; i < n->param_count; i++)
        if (strcmp(n->params[i].name, name) == 0) return &n->params[i];
    return NULL;
}

static const sl_param *typed_param(im_node *n, const char *name, sl_param_kind kind, const char *kind_name)
{
    const sl_param *p = im_param(n, name);
    if (p && p->kind != kind) im_fail(n, "attribute '%s' must be %s", name, kind_name);
    return p;
}

int64_t im_int(im_node *n, const char *name, int64_t otherwise)
{
    const sl_param *p = typed_param(n, name, SL_PARAM_INT, "an integer");
    return p ? p->i : otherwise;
}

bool im_bool(im_node *n, const char *name, bool otherwise) { return im_int(n, name, otherwise) != 0; }

double im_float(im_node *n, const char *name, double otherwise)
{
    const sl_param *p = im_param(n, name);
    if (p && p->kind == SL_PARAM_INT) return (double)p->i;        /* JSON writers drop the ".0" */
    p = typed_param(n, name, SL_PARAM_FLOAT, "a float");
    return p ? p->f : otherwise;
}

const char *im_string(im_node *n, const char *name, const char *otherwise)
{
    const sl_param *p = typed_param(n, name, SL_PARAM_STRING, "a string");
    return p ? p->s : otherwise;
}

int im_ints(im_node *n, const char *name, int64_t *values, int capacity)
{
    const sl_param *p = im_param(n, name);
    if (!p) return -1;
    if (p->kind == SL_PARAM_FLOATS && p->count == 0) return 0;    /* an empty list has no kind in JSON */
    p = typed_param(n, name, SL_PARAM_INTS, "a list of integers");
    if (p->count > capacity) im_fail(n, "attribute '%s' has %lld entries, at most %d are possible", name, (long long)p->count, capacity);
    for (int64_t i = 0; i < p->count; i++) values[i] = p->ints[i];
    return (int)p->count;
}

sl_attr im_words(im_node *n, const char *name, int count)
{
    const sl_param *p = im_param(n, name);
    if (!p) return NULL;
    p = typed_param(n, name, SL_PARAM_STRINGS, "a list of strings");
    if (p->count != count) im_fail(n, "attribute '%s' has %lld entries; it must have one for each of the %d outputs", name, (long long)p->count, count);
    const char **words = SL_NEW_ARRAY(n->arena, const char *, count + 1);
    for (int i = 0; i < count; i++) words[i] = sl_arena_strndup(n->arena, p->strings[i].bytes, (size_t)p->strings[i].length);
    return sl_attr_strings(n->context, count, words);
}

sl_element im_element_param(im_node *n, const char *name, sl_element otherwise)
{
    if (!im_param(n, name)) return otherwise;
    int64_t number = im_int(n, name, 0);
    sl_element element;
    if (number <= 0 || number > 1000 || !sl_element_from_onnx((int)number, &element))
        im_fail(n, "attribute '%s': data type %lld is not supported", name, (long long)number);
    return element;
}

/* ---- operands and outputs ---- */

/* What an import function never asks about, the operator does not have. */
static void ask(im_node *n, int index)
{
    if (n->asked <= index) n->asked = index + 1;
}

bool im_has(im_node *n, int index)
{
    ask(n, index);
    return index < n->input_count && n->inputs[index] && !(n->inputs[index]->kind == IM_OPTIONAL && n->inputs[index]->count == 0);
}

const im_item *im_item_in(im_node *n, int index)
{
    ask(n, index);
    if (index >= n->input_count || !n->inputs[index]) im_fail(n, "operand %d is missing", index);
    return n->inputs[index];
}

sl_value *im_any_rank(im_node *n, int index)
{
    const im_item *item = im_item_in(n, index);
    if (item->kind == IM_OPTIONAL && item->count == 1) item = item->items[0];
    if (item->kind == IM_TEXT) im_fail(n, "operand %d is a string tensor: strings are not supported here", index);
    if (item->kind != IM_TENSOR) im_fail(n, "operand %d must be a tensor, but is %s", index, item->kind == IM_LIST ? "a sequence" : "an empty optional");
    if (sl_type_element(sl_value_type(item->value)) == SL_ELEMENT_str) im_fail(n, "operand %d is a string tensor: strings are not supported here", index);
    return item->value;
}

sl_value *im_in(im_node *n, int index)
{
    sl_value *value = im_any_rank(n, index);
    if (!sl_type_is_ranked(sl_value_type(value))) im_fail(n, "operand %d has an unknown rank; declare its shape (--shape name=...)", index);
    return value;
}

sl_value *im_optional(im_node *n, int index) { return im_has(n, index) ? im_in(n, index) : NULL; }

bool im_wants(im_node *n, int index) { return index < n->output_count && n->node->outputs[index] && n->node->outputs[index][0]; }

const im_item *im_item_tensor(im_node *n, sl_value *value)
{
    im_item *item = SL_NEW(n->arena, im_item);
    item->kind = IM_TENSOR;
    item->value = value;
    return item;
}

const im_item *im_item_list(im_node *n, int count, const im_item *const *items)
{
    im_item *item = SL_NEW(n->arena, im_item);
    item->kind = IM_LIST;
    item->count = count;
    if (count) item->items = sl_arena_copy(n->arena, items, sizeof(*items) * (size_t)count);
    return item;
}

void im_item_out(im_node *n, int index, const im_item *item)
{
    if (index < n->output_count) n->outputs[index] = item;
}

void im_out(im_node *n, int index, sl_value *value) { im_item_out(n, index, im_item_tensor(n, value)); }

/* ---- types ---- */

sl_element im_element(const sl_value *value) { return sl_type_element(sl_value_type(value)); }
bool im_is_float(const sl_value *value) { return sl_element_is_float(im_element(value)); }
int im_rank(const sl_value *value) { return sl_type_rank(sl_value_type(value)); }

sl_expr im_dim_of(im_node *n, const sl_value *value, int axis)
{
    sl_type type = sl_value_type(value);
    if (!sl_type_is_ranked(type) || axis < 0 || axis >= sl_type_rank(type))
        im_fail(n, "a tensor of rank %d was found where dim %d is needed", sl_type_is_ranked(type) ? sl_type_rank(type) : -1, axis);
    return sl_type_dim(type, axis);
}

const sl_expr *im_dims(const sl_value *value) { return sl_type_dims(sl_value_type(value)); }
sl_expr im_expr(im_node *n, int64_t value) { return sl_expr_const(n->context, value); }
bool im_is_one(sl_expr expr) { return sl_expr_equals_const(expr, 1); }

int64_t im_static_dim(im_node *n, const sl_value *value, int axis, const char *what)
{
    im_dim(value, axis);
    int64_t dim = sl_type_static_dim(sl_value_type(value), axis);
    if (dim < 0) im_fail(n, "%s: dim %d must be known while compiling (give it with --shape)", what, axis);
    return dim;
}

sl_type im_tensor_type(im_node *n, sl_element element, int rank, const sl_expr *dims)
{
    if (rank > SL_MAX_RANK) im_fail(n, "a tensor of %d dims is needed, at most %d are possible", rank, SL_MAX_RANK);
    return sl_type_tensor(n->context, element, rank, dims);
}

int im_axis(im_node *n, int64_t axis, int rank)
{
    if (axis < -rank || axis >= rank) im_fail(n, "axis %lld is out of range for rank %d", (long long)axis, rank);
    return (int)(axis < 0 ? axis + rank : axis);
}

int im_axes(im_node *n, int count, const int64_t *axes, int rank, int64_t *sorted)
{
    bool seen[SL_MAX_RANK] = {false};
    for (int i = 0; i < count; i++) {
        int axis = im_axis(n, axes[i], rank);
        if (seen[axis]) im_fail(n, "axis %d is listed twice", axis);
        seen[axis] = true;
    }
    int result = 0;
    for (int axis = 0; axis < rank; axis++)
        if (seen[axis]) sorted[result++] = axis;
    return result;
}

void im_need_rank(im_node *n, const sl_value *value, const char *what, int least, int most)
{
    int rank = im_rank(value);
    if (rank < least || (most >= 0 && rank > most)) {
        if (least == most) im_fail(n, "%s must have rank %d, but has rank %d", what, least, rank);
        im_fail(n, "%s must have rank %d or more, but has rank %d", what, least, rank);
    }
}

sl_expr im_product(im_node *n, const sl_expr *dims, int first, int end)
{
    sl_expr product = im_expr(n, 1);
    for (int i = first; i < end; i++) product = sl_expr_mul(n->context, product, dims[i]);
    return product;
}

sl_expr im_bcast_dim(im_node *n, sl_expr a, sl_expr b)
{
    if (a == b || im_is_one(b)) return a;
    if (im_is_one(a)) return b;
    int64_t ca, cb;
    bool ka = sl_expr_is_const(a, &ca), kb = sl_expr_is_const(b, &cb);
    if (ka && kb) im_fail(n, "shapes do not broadcast: %lld against %lld", (long long)ca, (long long)cb);
    if (ka) return a;                                             /* the other one can only be 1 or the same */
    if (kb) return b;
    return sl_expr_bcast(n->context, a, b);
}

/* ---- known values ---- */

int im_exprs(im_node *n, sl_value *value, sl_expr *exprs, int capacity)
{
    sl_attr data = sl_value_constant(value);
    sl_type type = sl_value_type(value);
    if (data && sl_type_is_ranked(type) && sl_type_rank(type) <= 1) {
        int64_t count = sl_type_static_count(type);
        if (count < 0 || count > capacity) return -1;
        if (im_is_float(value)) return -1;
        for (int64_t i = 0; i < count; i++) exprs[i] = sl_expr_const(n->context, sl_attr_data_int(data, i));
        return (int)count;
    }
    return sl_value_as_exprs(value, exprs, capacity);
}

int im_known_ints(im_node *n, sl_value *value, int64_t *values, int capacity)
{
    sl_attr data = sl_value_constant(value);
    if (data) {
        int64_t count = sl_type_static_count(sl_value_type(value));
        if (count < 0 || count > capacity) return -1;
        for (int64_t i = 0; i < count; i++) values[i] = im_is_float(value) ? im_to_int(sl_attr_data_float(data, i)) : sl_attr_data_int(data, i);
        return (int)count;
    }
    if (capacity > 64) capacity = 64;
    sl_expr exprs[64];
    int count = im_exprs(n, value, exprs, capacity);
    for (int i = 0; i < count; i++)
        if (!sl_expr_is_const(exprs[i], &values[i])) return -1;
    return count;
}

int im_need_ints(im_node *n, sl_value *value, const char *what, int64_t *values, int capacity)
{
    int count = im_known_ints(n, value, values, capacity);
    if (count < 0) im_fail_constant(n, what);
    return count;
}

bool im_known_int(im_node *n, sl_value *value, int64_t *result) { return im_known_ints(n, value, result, 1) == 1; }

bool im_known_float(im_node *n, sl_value *value, double *result)
{
    sl_attr data = sl_value_constant(value);
    if (data && sl_type_static_count(sl_value_type(value)) == 1) {
        *result = sl_attr_data_float(data, 0);
        return true;
    }
    int64_t integer;
    if (!data && !im_is_float(value) && im_known_int(n, value, &integer)) {
        *result = (double)integer;
        return true;
    }
    return false;
}

int64_t im_to_int(double value)
{
    if (isnan(value)) return 0;
    return value >= 0x1p63 ? INT64_MAX : value < -0x1p63 ? INT64_MIN : (int64_t)value;
}

double im_need_float(im_node *n, sl_value *value, const char *what)
{
    double result;
    if (!im_known_float(n, value, &result)) im_fail_constant(n, what);
    return result;
}

int64_t im_need_int(im_node *n, sl_value *value, const char *what)
{
    int64_t result;
    if (!im_known_int(n, value, &result)) im_fail_constant(n, what);
    return result;
}
