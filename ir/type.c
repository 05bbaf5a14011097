/* type.c: interned types. A type is looked up by a key on the stack and copied into the context when it is new. */
#include "context_internal.h"
#include <assert.h>
#include <string.h>

/* ---- construction ---- */

static bool type_equal(const void *key, const void *item) {
    const struct sl_type_data *a = key, *b = item;
    return a->kind == b->kind && a->element == b->element && a->rank == b->rank && a->encoding == b->encoding && a->number == b->number &&
           a->item == b->item && (a->rank <= 0 || memcmp(a->dims, b->dims, (size_t)a->rank * sizeof(sl_expr)) == 0);
}

static sl_type intern_type(sl_context *context, struct sl_type_data *key) {
    uint64_t hash = sl_hash_mix((uint64_t)key->kind * 64 + key->element, (uint64_t)key->rank);
    hash = sl_hash_mix(sl_hash_mix(hash, (uintptr_t)key->encoding), (uint64_t)key->number ^ (uintptr_t)key->item);
    for (int i = 0; i < key->rank; i++) hash = sl_hash_mix(hash, (uintptr_t)key->dims[i]);
    sl_type type = sl_intern_find(&context->types, hash, type_equal, key);
    if (type) return type;
    key->dims = key->rank > 0 ? sl_arena_copy(context->arena, key->dims, (size_t)key->rank * sizeof(sl_expr)) : NULL;
    type = sl_arena_copy(context->arena, key, sizeof(*key));
    sl_intern_add(context->arena, &context->types, hash, type);
    return type;
}

sl_type sl_type_scalar(sl_context *context, sl_element element) {
    struct sl_type_data key = {.kind = SL_TYPE_SCALAR, .element = element};
    return intern_type(context, &key);
}

sl_type sl_type_tensor(sl_context *context, sl_element element, int rank, const sl_expr *dims) {
    return sl_type_tensor_encoded(context, element, rank, dims, NULL);
}

sl_type sl_type_tensor_encoded(sl_context *context, sl_element element, int rank, const sl_expr *dims, sl_attr encoding) {
    assert(rank >= 0 && rank <= SL_MAX_RANK && "callers check ranks from files");
    struct sl_type_data key = {.kind = SL_TYPE_TENSOR, .element = element, .rank = rank, .dims = dims, .encoding = encoding};
    return intern_type(context, &key);
}

sl_type sl_type_tensor_static(sl_context *context, sl_element element, int rank, const int64_t *dims) {
    sl_expr exprs[SL_MAX_RANK];
    assert(rank >= 0 && rank <= SL_MAX_RANK);
    for (int i = 0; i < rank; i++) exprs[i] = sl_expr_const(context, dims[i]);
    return sl_type_tensor(context, element, rank, exprs);
}

sl_type sl_type_unranked(sl_context *context, sl_element element) {
    struct sl_type_data key = {.kind = SL_TYPE_TENSOR, .element = element, .rank = -1};
    return intern_type(context, &key);
}

sl_type sl_type_vector(sl_context *context, sl_element element, int lanes) {
    struct sl_type_data key = {.kind = SL_TYPE_VECTOR, .element = element, .number = lanes};
    return intern_type(context, &key);
}

sl_type sl_type_buffer(sl_context *context, sl_element element, int rank, const sl_expr *dims) {
    assert(rank >= 0 && rank <= SL_MAX_RANK);
    struct sl_type_data key = {.kind = SL_TYPE_BUFFER, .element = element, .rank = rank, .dims = dims};
    return intern_type(context, &key);
}

sl_type sl_type_pointer(sl_context *context, sl_element element) {
    struct sl_type_data key = {.kind = SL_TYPE_BUFFER, .element = element, .rank = -1};
    return intern_type(context, &key);
}

sl_type sl_type_partition(sl_context *context, int branches) {
    struct sl_type_data key = {.kind = SL_TYPE_PARTITION, .number = branches};
    return intern_type(context, &key);
}

sl_type sl_type_list(sl_context *context, sl_type item) {
    struct sl_type_data key = {.kind = SL_TYPE_LIST, .item = item};
    return intern_type(context, &key);
}

sl_type sl_type_optional(sl_context *context, sl_type item) {
    struct sl_type_data key = {.kind = SL_TYPE_OPTIONAL, .item = item};
    return intern_type(context, &key);
}

sl_type sl_type_token(sl_context *context) {
    struct sl_type_data key = {.kind = SL_TYPE_TOKEN};
    return intern_type(context, &key);
}

sl_type sl_type_with_element(sl_context *context, sl_type type, sl_element element) {
    assert(type->kind <= SL_TYPE_BUFFER && "only shaped types have an element");
    struct sl_type_data key = *type;
    key.element = element;
    return intern_type(context, &key);
}

sl_type sl_type_with_dims(sl_context *context, sl_type type, int rank, const sl_expr *dims) {
    assert(rank >= 0 && rank <= SL_MAX_RANK);
    struct sl_type_data key = *type;
    switch (type->kind) {
    case SL_TYPE_SCALAR:
        if (rank == 0) return type;
        key.kind = SL_TYPE_TENSOR;   /* a scalar with dims can only be a tensor */
        break;
    case SL_TYPE_VECTOR: {
        int64_t lanes = 1;
        for (int i = 0; i < rank; i++) lanes *= sl_expr_const_or(dims[i], 0);
        return sl_type_vector(context, type->element, (int)lanes);
    }
    case SL_TYPE_TENSOR:
    case SL_TYPE_BUFFER: break;
    case SL_TYPE_PARTITION:
    case SL_TYPE_LIST:
    case SL_TYPE_OPTIONAL:
    case SL_TYPE_TOKEN: assert(!"only shaped types have dims"); return type;
    }
    key.rank = rank;
    key.dims = dims;
    return intern_type(context, &key);
}

/* ---- queries ---- */

sl_type_kind sl_type_get_kind(sl_type type) { return type->kind; }
bool sl_type_is_tensor(sl_type type) { return type->kind == SL_TYPE_TENSOR; }
bool sl_type_is_scalar(sl_type type) { return type->kind == SL_TYPE_SCALAR; }
bool sl_type_is_vector(sl_type type) { return type->kind == SL_TYPE_VECTOR; }
bool sl_type_is_buffer(sl_type type) { return type->kind == SL_TYPE_BUFFER; }

sl_element sl_type_element(sl_type type) {
    assert(type->kind <= SL_TYPE_BUFFER && "only shaped types have an element");
    return type->element;
}

bool sl_type_is_ranked(sl_type type) {
    return type->kind == SL_TYPE_SCALAR || ((type->kind == SL_TYPE_TENSOR || type->kind == SL_TYPE_BUFFER) && type->rank >= 0);
}

int sl_type_rank(sl_type type) {
    assert(sl_type_is_ranked(type));
    return type->rank;
}

sl_expr sl_type_dim(sl_type type, int axis) {
    assert(sl_type_is_ranked(type) && axis >= 0 && axis < type->rank);
    return type->dims[axis];
}

const sl_expr *sl_type_dims(sl_type type) { return type->dims; }

bool sl_type_is_static(sl_type type) {
    if (type->kind == SL_TYPE_VECTOR) return true;
    if (!sl_type_is_ranked(type)) return false;
    for (int i = 0; i < type->rank; i++)
        if (!sl_expr_is_const(type->dims[i], NULL)) return false;
    return true;
}

int64_t sl_type_static_dim(sl_type type, int axis) { return sl_expr_const_or(sl_type_dim(type, axis), -1); }

int64_t sl_type_static_count(sl_type type) {
    if (type->kind == SL_TYPE_VECTOR) return type->number;
    if (!sl_type_is_static(type)) return -1;
    int64_t count = 1;
    bool fits = true;
    for (int i = 0; i < type->rank; i++) {
        int64_t dim = sl_expr_const_or(type->dims[i], -1);
        if (dim < 0) return -1;
        if (dim == 0) return 0;   /* empty, whatever the others are */
        fits = fits && sl_size_mul(count, dim, &count);
    }
    return fits ? count : -1;
}

sl_expr sl_type_count(sl_context *context, sl_type type) {
    if (type->kind == SL_TYPE_VECTOR) return sl_expr_const(context, type->number);
    sl_expr count = sl_expr_const(context, 1);
    assert(sl_type_is_ranked(type));
    for (int i = 0; i < type->rank; i++) count = sl_expr_mul(context, count, type->dims[i]);
    return count;
}

sl_attr sl_type_encoding(sl_type type) { return type->encoding; }

int sl_type_lanes(sl_type type) {
    assert(type->kind == SL_TYPE_VECTOR);
    return type->number;
}

int sl_type_branches(sl_type type) {
    assert(type->kind == SL_TYPE_PARTITION);
    return type->number;
}

sl_type sl_type_item(sl_type type) {
    assert(type->kind == SL_TYPE_LIST || type->kind == SL_TYPE_OPTIONAL);
    return type->item;
}

/* ---- text ---- */

static void print_shaped(sl_text *out, const char *head, const char *unranked, sl_type type) {
    sl_text_append(out, "%s<", head);
    if (type->rank < 0) sl_text_append(out, "%s x ", unranked);
    for (int i = 0; i < type->rank; i++) {
        sl_expr dim = type->dims[i];
        int64_t value;
        bool plain = sl_expr_get_kind(dim) != SL_EXPR_SUM && !(sl_expr_is_const(dim, &value) && value < 0);
        sl_text_append(out, plain ? "" : "(");
        sl_expr_print(out, dim);
        sl_text_append(out, plain ? " x " : ") x ");
    }
    sl_text_append(out, "%s", sl_element_name(type->element));
    if (type->encoding) {
        sl_text_append(out, ", ");
        sl_attr_print(out, type->encoding);
    }
    sl_text_append(out, ">");
}

void sl_type_print(sl_text *out, sl_type type) {
    switch (type->kind) {
    case SL_TYPE_SCALAR: sl_text_append(out, "%s", sl_element_name(type->element)); break;
    case SL_TYPE_TENSOR: print_shaped(out, "tensor", "*", type); break;
    case SL_TYPE_BUFFER: print_shaped(out, "buffer", "?", type); break;
    case SL_TYPE_VECTOR: sl_text_append(out, "vector<%d x %s>", type->number, sl_element_name(type->element)); break;
    case SL_TYPE_PARTITION: sl_text_append(out, "partition<%d>", type->number); break;
    case SL_TYPE_LIST:
    case SL_TYPE_OPTIONAL:
        sl_text_append(out, type->kind == SL_TYPE_LIST ? "list<" : "optional<");
        sl_type_print(out, type->item);
        sl_text_append(out, ">");
        break;
    case SL_TYPE_TOKEN: sl_text_append(out, "token"); break;
    }
}
