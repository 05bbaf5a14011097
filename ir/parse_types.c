/* parse_types.c: expressions and types of the text form. Recursive descent; every recursion goes through sl_parse_enter. */
#include "parse_internal.h"
#include <string.h>

/* ---- expressions ---- */

static bool name_is(const sl_token *token, const char *name) {
    return token->kind == SL_TOKEN_NAME && strlen(name) == token->length && memcmp(token->text, name, token->length) == 0;
}

/* d0, d1, ...: loop indices. */
static bool loop_index(const sl_token *token, int *index) {
    if (token->kind != SL_TOKEN_NAME || token->length < 2 || token->length > 6 || token->text[0] != 'd') return false;
    int value = 0;
    for (size_t i = 1; i < token->length; i++) {
        if (token->text[i] < '0' || token->text[i] > '9') return false;
        value = value * 10 + (token->text[i] - '0');
    }
    if (token->text[1] == '0' && token->length > 2) return false;
    *index = value;
    return true;
}

static sl_expr parse_function(sl_parser *parser, sl_expr_kind kind) {
    sl_parse_advance(parser);
    if (!sl_parse_expect(parser, '(', "after the function's name")) return NULL;
    sl_expr left = sl_parse_expr(parser);
    if (!left || !sl_parse_expect(parser, ',', "between the function's two arguments")) return NULL;
    sl_token divisor_at = parser->token;
    sl_expr right = sl_parse_expr(parser);
    if (!right || !sl_parse_expect(parser, ')', "after the function's arguments")) return NULL;
    int64_t divisor;
    bool divides = kind == SL_EXPR_FLOORDIV || kind == SL_EXPR_CEILDIV || kind == SL_EXPR_MOD;
    if (divides && sl_expr_is_const(right, &divisor) && divisor <= 0) {
        sl_parse_error(parser, &divisor_at, "a divisor must be positive, not %lld", (long long)divisor);
        return NULL;
    }
    return sl_expr_binary(parser->context, kind, left, right);
}

static sl_expr parse_factor(sl_parser *parser, bool negative) {
    static const struct { const char *name; sl_expr_kind kind; } functions[] = {
        {"floordiv", SL_EXPR_FLOORDIV}, {"ceildiv", SL_EXPR_CEILDIV}, {"mod", SL_EXPR_MOD},
        {"min", SL_EXPR_MIN}, {"max", SL_EXPR_MAX}, {"bcast", SL_EXPR_BCAST},
    };
    sl_token token = parser->token;
    sl_expr expr = NULL;
    int index;
    if (token.kind == SL_TOKEN_INT) {
        int64_t value;
        if (!sl_parse_int_token(parser, negative, &value)) return NULL;
        sl_parse_advance(parser);
        return sl_expr_const(parser->context, value);
    }
    if (token.kind == SL_TOKEN_FRESH || token.kind == SL_TOKEN_STRING) {
        size_t length = token.length;
        const char *name = token.kind == SL_TOKEN_FRESH ? sl_arena_strndup(parser->scratch, token.text, length) : NULL;
        if (name) sl_parse_advance(parser);
        else if (!sl_parse_string(parser, &name, &length)) return NULL;
        if (!length) {
            sl_parse_error(parser, &token, "a shape symbol needs a name");
            return NULL;
        }
        expr = sl_expr_symbol(parser->context, name);
    } else if (loop_index(&token, &index)) {
        sl_parse_advance(parser);
        expr = sl_expr_loop(parser->context, index);
    } else if (token.kind == SL_TOKEN_NAME && !name_is(&token, "x")) {
        for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]) && !expr; i++)
            if (name_is(&token, functions[i].name) && !(expr = parse_function(parser, functions[i].kind))) return NULL;
        if (!expr) {
            expr = sl_expr_symbol(parser->context, sl_arena_strndup(parser->scratch, token.text, token.length));
            sl_parse_advance(parser);
        }
    } else if (sl_parse_accept(parser, '(')) {
        expr = sl_parse_expr(parser);
        if (!expr || !sl_parse_expect(parser, ')', "to close the expression")) return NULL;
    } else {
        sl_parse_unexpected(parser, "an expression");
        return NULL;
    }
    return negative ? sl_expr_mul(parser->context, sl_expr_const(parser->context, -1), expr) : expr;
}

static sl_expr parse_term(sl_parser *parser, bool negative) {
    sl_expr product = parse_factor(parser, negative);
    while (product && sl_parse_accept(parser, '*')) {
        sl_expr factor = parse_factor(parser, sl_parse_accept(parser, '-'));
        if (!factor) return NULL;
        product = sl_expr_mul(parser->context, product, factor);
    }
    return product;
}

sl_expr sl_parse_expr(sl_parser *parser) {
    if (!sl_parse_enter(parser)) return NULL;
    sl_expr sum = parse_term(parser, sl_parse_accept(parser, '-'));
    while (sum && (sl_parse_is(parser, '+') || sl_parse_is(parser, '-'))) {
        bool negative = sl_parse_is(parser, '-');
        sl_parse_advance(parser);
        sl_expr term = parse_term(parser, negative);
        if (!term) {
            sum = NULL;
            break;
        }
        sum = sl_expr_add(parser->context, sum, term);
    }
    sl_parse_leave(parser);
    return sum;
}

/* ---- types ---- */

static bool current_element(const sl_parser *parser, sl_element *element) {
    return parser->token.kind == SL_TOKEN_NAME && sl_element_parse(parser->token.text, parser->token.length, element);
}

static bool parse_element(sl_parser *parser, sl_element *element) {
    if (!current_element(parser, element)) return sl_parse_unexpected(parser, "an element type such as f32");
    sl_parse_advance(parser);
    return true;
}

static bool expect_separator(sl_parser *parser) {
    if (!sl_parse_is_name(parser, "x")) return sl_parse_unexpected(parser, "` x ` after a dimension");
    sl_parse_advance(parser);
    return true;
}

/* Dims and element: {dim "x"} element. */
static bool parse_shape(sl_parser *parser, sl_expr *dims, int *rank, sl_element *element) {
    *rank = 0;
    while (!current_element(parser, element)) {
        sl_token at = parser->token;
        if (*rank == SL_MAX_RANK) return sl_parse_error(parser, &at, "more than %d dimensions", SL_MAX_RANK);
        sl_expr dim = sl_parse_expr(parser);
        int64_t value;
        if (!dim) return false;
        if (sl_expr_is_const(dim, &value) && value < 0) return sl_parse_error(parser, &at, "a dimension can't be negative (%lld)", (long long)value);
        if (sl_expr_uses_any_loop(dim)) return sl_parse_error(parser, &at, "a dimension can't use loop indices");
        if (!expect_separator(parser)) return false;
        dims[(*rank)++] = dim;
    }
    sl_parse_advance(parser);
    return true;
}

static sl_type parse_tensor(sl_parser *parser) {
    sl_element element;
    if (sl_parse_accept(parser, '*')) {
        if (!expect_separator(parser) || !parse_element(parser, &element)) return NULL;
        return sl_type_unranked(parser->context, element);
    }
    sl_expr dims[SL_MAX_RANK];
    int rank;
    if (!parse_shape(parser, dims, &rank, &element)) return NULL;
    if (!sl_parse_accept(parser, ',')) return sl_type_tensor(parser->context, element, rank, dims);
    if (!sl_parse_is(parser, '#')) {
        sl_parse_unexpected(parser, "an encoding such as #csr");
        return NULL;
    }
    sl_attr encoding = sl_parse_encoding(parser);
    return encoding ? sl_type_tensor_encoded(parser->context, element, rank, dims, encoding) : NULL;
}

static sl_type parse_vector(sl_parser *parser) {
    int lanes;
    sl_element element;
    if (!sl_parse_small_int(parser, "a vector's lane count", 1, 4096, &lanes) || !expect_separator(parser) || !parse_element(parser, &element)) return NULL;
    return sl_type_vector(parser->context, element, lanes);
}

static sl_type parse_buffer(sl_parser *parser) {
    sl_expr dims[SL_MAX_RANK];
    int rank;
    sl_element element;
    if (sl_parse_accept(parser, '?')) {
        if (!expect_separator(parser) || !parse_element(parser, &element)) return NULL;
        return sl_type_pointer(parser->context, element);
    }
    return parse_shape(parser, dims, &rank, &element) ? sl_type_buffer(parser->context, element, rank, dims) : NULL;
}

static sl_type parse_partition(sl_parser *parser) {
    int branches;
    return sl_parse_small_int(parser, "a partition's branch count", 1, 1 << 20, &branches) ? sl_type_partition(parser->context, branches) : NULL;
}

static sl_type parse_list(sl_parser *parser) {
    sl_type item = sl_parse_type(parser);
    return item ? sl_type_list(parser->context, item) : NULL;
}

static sl_type parse_optional(sl_parser *parser) {
    sl_type item = sl_parse_type(parser);
    return item ? sl_type_optional(parser->context, item) : NULL;
}

sl_type sl_parse_type(sl_parser *parser) {
    static const struct { const char *name; sl_type (*parse)(sl_parser *parser); } forms[] = {
        {"tensor", parse_tensor}, {"vector", parse_vector}, {"buffer", parse_buffer},
        {"partition", parse_partition}, {"list", parse_list}, {"optional", parse_optional},
    };
    sl_element element;
    if (current_element(parser, &element)) {
        sl_parse_advance(parser);
        return sl_type_scalar(parser->context, element);
    }
    if (sl_parse_is_name(parser, "token")) {
        sl_parse_advance(parser);
        return sl_type_token(parser->context);
    }
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (!sl_parse_is_name(parser, forms[i].name)) continue;
        if (!sl_parse_enter(parser)) return NULL;
        sl_parse_advance(parser);
        sl_type type = NULL;
        if (sl_parse_expect(parser, '<', "after the type's name")) {
            type = forms[i].parse(parser);
            if (type && !sl_parse_expect(parser, '>', "to close the type")) type = NULL;
        }
        sl_parse_leave(parser);
        return type;
    }
    sl_parse_unexpected(parser, "a type");
    return NULL;
}
