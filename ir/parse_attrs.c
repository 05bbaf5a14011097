/* parse_attrs.c: attributes, constant data, blobs and locations of the text form.
 *
 * Large constants stand as data<type>@"name" and their bytes follow in a section `blob "name" = hex "..."` at the end. The attribute is made at its
 * first mention with zeroed storage, which the section fills in. All blobs together can't be larger than half of the text, so a hostile type
 * can't ask for more memory than its file is long.
 */
#include "parse_internal.h"
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers ---- */

typedef struct number { bool is_float; bool negative; uint64_t magnitude; double value; } number;

static bool parse_number(sl_parser *parser, number *out) {
    *out = (number){.negative = sl_parse_accept(parser, '-')};
    sl_token token = parser->token;
    if (token.kind == SL_TOKEN_INT) {
        for (size_t i = 0; i < token.length; i++) {
            uint64_t digit = (uint64_t)(token.text[i] - '0');
            if (out->magnitude > (UINT64_MAX - digit) / 10) return sl_parse_error(parser, &token, "this integer does not fit in 64 bits");
            out->magnitude = out->magnitude * 10 + digit;
        }
        out->value = (double)out->magnitude;
    } else if (token.kind == SL_TOKEN_FLOAT) {
        out->is_float = true;
        if (token.length > 400) return sl_parse_error(parser, &token, "this number has too many digits");
        char *digits = sl_arena_strndup(parser->scratch, token.text, token.length), *point = strchr(digits, '.');
        if (point) *point = *localeconv()->decimal_point;   /* strtod reads the decimal point of the process's locale */
        out->value = strtod(digits, NULL);
    } else if (sl_parse_is_name(parser, "inf")) {
        out->is_float = true;
        out->value = INFINITY;
    } else if (sl_parse_is_name(parser, "nan")) {
        out->is_float = true;
        out->value = NAN;
    } else {
        return sl_parse_unexpected(parser, "a number");
    }
    if (out->negative) out->value = -out->value;
    sl_parse_advance(parser);
    return true;
}

/* ---- constant data ---- */

/* Stores one literal; the element type decides what is allowed. `token` is where it stands. */
static bool store_element(sl_parser *parser, const sl_token *token, sl_element element, void *data, int64_t index, const number *value) {
    if (sl_element_is_float(element)) {
        /* Storing saturates 8-bit floats; a written infinity is meant as one. */
        if (sl_element_bits(element) == 8 && isinf(value->value)) ((uint8_t *)data)[index] = sl_float_to_f8(element, (float)value->value, false);
        else sl_element_store_float(element, data, index, value->value);
        return true;
    }
    if (value->is_float) return sl_parse_error(parser, token, "a floating-point value in data of element type %s", sl_element_name(element));
    uint64_t limit = element == SL_ELEMENT_u64 ? UINT64_MAX : (uint64_t)INT64_MAX + value->negative;
    if (value->magnitude > limit) return sl_parse_error(parser, token, "this value does not fit in %s", sl_element_name(element));
    int64_t bits = (int64_t)(value->negative ? 0 - value->magnitude : value->magnitude);
    sl_element_store_int(element, data, index, bits);
    if (sl_element_load_int(element, data, index) != bits) return sl_parse_error(parser, token, "this value does not fit in %s", sl_element_name(element));
    return true;
}

static bool parse_element_value(sl_parser *parser, sl_element element, number *out) {
    bool truth = sl_parse_is_name(parser, "true");
    if (element != SL_ELEMENT_i1 || (!truth && !sl_parse_is_name(parser, "false"))) return parse_number(parser, out);
    *out = (number){.magnitude = truth, .value = truth};
    sl_parse_advance(parser);
    return true;
}

static sl_attr parse_data_list(sl_parser *parser, sl_type type, int64_t count) {
    SL_VEC(number) values = {0};
    SL_VEC(sl_token) tokens = {0};
    sl_element element = sl_type_element(type);
    sl_token open = parser->token;
    sl_parse_advance(parser);
    while (!sl_parse_is(parser, ']')) {
        number value;
        if (values.count && !sl_parse_expect(parser, ',', "between elements")) return NULL;
        SL_PUSH(parser->scratch, &tokens, parser->token);
        if (!parse_element_value(parser, element, &value)) return NULL;
        SL_PUSH(parser->scratch, &values, value);
    }
    sl_parse_advance(parser);
    if ((int64_t)values.count != count) {
        sl_parse_error(parser, &open, "%lld elements for a type with %lld", (long long)values.count, (long long)count);
        return NULL;
    }
    int64_t size = sl_element_bytes(element, count);
    void *data = sl_arena_alloc(parser->scratch, (size_t)size + 8);
    for (size_t i = 0; i < values.count; i++)
        if (!store_element(parser, &tokens.data[i], element, data, (int64_t)i, &values.data[i])) return NULL;
    return sl_attr_data_copy(parser->context, type, data, size);
}

static sl_attr parse_data_splat(sl_parser *parser, sl_type type, int64_t count) {
    enum { LARGEST_FILLED = 1 << 20 };
    number value;
    sl_element element = sl_type_element(type);
    sl_parse_advance(parser);
    if (!sl_parse_expect(parser, '(', "after splat")) return NULL;
    sl_token token = parser->token;
    uint64_t storage = 0;
    if (!parse_element_value(parser, element, &value) || !sl_parse_expect(parser, ')', "after the element")) return NULL;
    if (!store_element(parser, &token, element, &storage, 0, &value)) return NULL;
    if (sl_element_is_float(element) || value.magnitude <= UINT64_C(1) << 53) return sl_attr_data_splat(parser->context, type, value.value);
    /* sl_attr_data_splat goes through a double, which can't hold this integer. */
    if (count > LARGEST_FILLED) {
        sl_parse_error(parser, &token, "a splat of so large an integer may have at most %d elements", LARGEST_FILLED);
        return NULL;
    }
    void *data;
    sl_attr attr = sl_attr_data_zero(parser->context, type, &data);
    for (int64_t i = 0; i < count; i++) store_element(parser, &token, element, data, i, &value);
    return attr;
}

static sl_attr parse_data_blob(sl_parser *parser, sl_type type, int64_t count) {
    sl_token token = parser->token;
    size_t length = token.length;
    const char *name = *token.text == '"' ? sl_token_unquote(parser->scratch, token.text, token.length, &length)
                                          : sl_arena_strndup(parser->scratch, token.text, token.length);
    if (!name) {
        sl_parse_error(parser, &token, "malformed blob name");
        return NULL;
    }
    sl_parse_advance(parser);
    for (sl_parse_blob *blob = parser->blobs; blob; blob = blob->next) {
        if (strcmp(blob->name, name) != 0) continue;
        if (sl_attr_get_type(blob->attr) == type) return blob->attr;
        sl_parse_error(parser, &token, "blob \"%s\" was mentioned with another type on line %d", name, blob->token.line);
        return NULL;
    }
    int64_t size = sl_element_bytes(sl_type_element(type), count);
    if (size > (int64_t)(parser->length / 2) - parser->blob_bytes) {
        sl_parse_error(parser, &token, "blob \"%s\" has %lld bytes, which this text is too short to hold", name, (long long)size);
        return NULL;
    }
    parser->blob_bytes += size;
    sl_parse_blob *blob = SL_NEW(parser->scratch, sl_parse_blob);
    blob->name = name;
    blob->token = token;
    blob->attr = sl_attr_data_zero(parser->context, type, &blob->bytes);
    blob->next = parser->blobs;
    parser->blobs = blob;
    return blob->attr;
}

/* data<type>[...] | data<type>splat(v) | data<type>@"blob" */
static sl_attr parse_data(sl_parser *parser) {
    sl_parse_advance(parser);
    if (!sl_parse_expect(parser, '<', "after data")) return NULL;
    sl_token type_at = parser->token;
    sl_type type = sl_parse_type(parser);
    if (!type || !sl_parse_expect(parser, '>', "after the data's type")) return NULL;
    int64_t count = -1;
    if (sl_type_is_scalar(type)) count = 1;
    else if (sl_type_is_tensor(type) && sl_type_is_ranked(type) && sl_type_is_static(type)) count = sl_type_static_count(type);
    if (count < 0 || count > INT64_MAX / 16) {
        sl_parse_error(parser, &type_at, "data needs a scalar type or a tensor type with constant dimensions of a sane size");
        return NULL;
    }
    if (sl_type_element(type) == SL_ELEMENT_str) {
        sl_parse_error(parser, &type_at, "data can't hold strings");
        return NULL;
    }
    if (sl_parse_is(parser, '[')) return parse_data_list(parser, type, count);
    if (sl_parse_is_name(parser, "splat")) return parse_data_splat(parser, type, count);
    if (parser->token.kind == SL_TOKEN_SYMBOL) return parse_data_blob(parser, type, count);
    sl_parse_unexpected(parser, "`[`, `splat(` or `@\"blob\"`");
    return NULL;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool sl_parse_blob_section(sl_parser *parser) {
    sl_parse_advance(parser);
    sl_token name_at = parser->token;
    const char *name;
    size_t length;
    if (!sl_parse_string(parser, &name, &length) || !sl_parse_expect(parser, '=', "after the blob's name")) return false;
    if (!sl_parse_is_name(parser, "hex")) return sl_parse_unexpected(parser, "`hex \"...\"`");
    sl_parse_advance(parser);
    sl_token token = parser->token;
    if (token.kind != SL_TOKEN_STRING) return sl_parse_unexpected(parser, "the blob's bytes as a string of hexadecimal digits");
    sl_parse_advance(parser);
    sl_parse_blob *blob = parser->blobs;
    while (blob && strcmp(blob->name, name) != 0) blob = blob->next;
    if (!blob) return sl_parse_error(parser, &name_at, "blob \"%s\" is used nowhere", name);
    if (!blob->bytes) return sl_parse_error(parser, &name_at, "blob \"%s\" is given twice", name);
    size_t size = (size_t)sl_attr_data_size(blob->attr);
    uint8_t *bytes = blob->bytes;
    blob->bytes = NULL;
    if (token.length - 2 != size * 2)
        return sl_parse_error(parser, &token, "blob \"%s\" has %zu hexadecimal digits, expected %zu", name, token.length - 2, size * 2);
    for (size_t i = 0; i < size; i++) {
        int high = hex_digit(token.text[1 + 2 * i]), low = hex_digit(token.text[2 + 2 * i]);
        if (high < 0 || low < 0) return sl_parse_error(parser, &token, "blob \"%s\" has a character that is no hexadecimal digit at position %zu", name, 2 * i);
        bytes[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}

/* ---- attributes ---- */

/* item {"," item} up to `close`, which is taken. */
static bool parse_attr_list(sl_parser *parser, char close, const sl_attr **items, int *count) {
    SL_VEC(sl_attr) found = {0};
    while (!sl_parse_is(parser, close)) {
        if (found.count && !sl_parse_expect(parser, ',', "between items")) return false;
        sl_attr item = sl_parse_attr(parser);
        if (!item) return false;
        SL_PUSH(parser->scratch, &found, item);
    }
    sl_parse_advance(parser);
    *items = found.data;
    *count = (int)found.count;
    return true;
}

sl_attr sl_parse_encoding(sl_parser *parser) {
    sl_parse_advance(parser);
    sl_token name = parser->token;
    const sl_attr *items = NULL;
    int count = 0;
    if (name.kind != SL_TOKEN_NAME) {
        sl_parse_unexpected(parser, "an encoding's name after `#`");
        return NULL;
    }
    sl_parse_advance(parser);
    if (sl_parse_accept(parser, '<') && !parse_attr_list(parser, '>', &items, &count)) return NULL;
    return sl_attr_encoding(parser->context, sl_arena_strndup(parser->scratch, name.text, name.length), count, items);
}

static sl_attr parse_ints(sl_parser *parser) {
    SL_VEC(int64_t) values = {0};
    sl_parse_advance(parser);
    if (!sl_parse_expect(parser, '[', "after ints")) return NULL;
    while (!sl_parse_is(parser, ']')) {
        int64_t value;
        if (values.count && !sl_parse_expect(parser, ',', "between integers")) return NULL;
        if (!sl_parse_int(parser, &value)) return NULL;
        SL_PUSH(parser->scratch, &values, value);
    }
    sl_parse_advance(parser);
    return sl_attr_ints(parser->context, (int)values.count, values.data);
}

static sl_attr parse_map(sl_parser *parser) {
    enum { MOST_LOOPS = 64 };
    SL_VEC(sl_expr) results = {0};
    int loops = 0;
    sl_parse_advance(parser);
    if (!sl_parse_expect(parser, '(', "after map")) return NULL;
    while (!sl_parse_is(parser, ')')) {
        char expected[16] = "d";
        if (loops && !sl_parse_expect(parser, ',', "between loop indices")) return NULL;
        if (loops == MOST_LOOPS) {
            sl_parse_error(parser, &parser->token, "more than %d loop indices", MOST_LOOPS);
            return NULL;
        }
        if (loops >= 10) expected[1] = (char)('0' + loops / 10), expected[2] = (char)('0' + loops % 10);
        else expected[1] = (char)('0' + loops);
        if (!sl_parse_is_name(parser, expected)) {
            sl_parse_error(parser, &parser->token, "loop indices are named in order: expected `%s`", expected);
            return NULL;
        }
        sl_parse_advance(parser);
        loops++;
    }
    sl_parse_advance(parser);
    if (!sl_parse_expect(parser, '[', "before the map's results")) return NULL;
    while (!sl_parse_is(parser, ']')) {
        if (results.count && !sl_parse_expect(parser, ',', "between the map's results")) return NULL;
        sl_expr result = sl_parse_expr(parser);
        if (!result) return NULL;
        SL_PUSH(parser->scratch, &results, result);
    }
    sl_parse_advance(parser);
    return sl_attr_map(parser->context, loops, (int)results.count, results.data);
}

static sl_attr parse_expr_attr(sl_parser *parser) {
    sl_parse_advance(parser);
    if (!sl_parse_expect(parser, '(', "after expr")) return NULL;
    sl_expr expr = sl_parse_expr(parser);
    return expr && sl_parse_expect(parser, ')', "after the expression") ? sl_attr_expr(parser->context, expr) : NULL;
}

static sl_attr parse_array(sl_parser *parser) {
    const sl_attr *items;
    int count;
    sl_parse_advance(parser);
    return parse_attr_list(parser, ']', &items, &count) ? sl_attr_array(parser->context, count, items) : NULL;
}

static sl_attr parse_number_attr(sl_parser *parser) {
    sl_token at = parser->token;
    number value;
    if (!parse_number(parser, &value)) return NULL;
    if (value.is_float) return sl_attr_float(parser->context, value.value);
    if (value.magnitude > (uint64_t)INT64_MAX + value.negative) {
        sl_parse_error(parser, &at, "this integer does not fit in 64 bits with a sign");
        return NULL;
    }
    return sl_attr_int(parser->context, (int64_t)(value.negative ? 0 - value.magnitude : value.magnitude));
}

static sl_attr parse_attr(sl_parser *parser) {
    static const struct { const char *name; sl_attr (*parse)(sl_parser *parser); } forms[] = {
        {"expr", parse_expr_attr}, {"ints", parse_ints}, {"map", parse_map}, {"data", parse_data}, {"inf", parse_number_attr}, {"nan", parse_number_attr},
    };
    if (sl_parse_is(parser, '[')) return parse_array(parser);
    if (sl_parse_is(parser, '#')) return sl_parse_encoding(parser);
    if (sl_parse_is(parser, '-') || parser->token.kind == SL_TOKEN_INT || parser->token.kind == SL_TOKEN_FLOAT) return parse_number_attr(parser);
    if (parser->token.kind == SL_TOKEN_STRING) {
        const char *text;
        size_t length;
        return sl_parse_string(parser, &text, &length) ? sl_attr_string_n(parser->context, text, length) : NULL;
    }
    bool truth = sl_parse_is_name(parser, "true");
    if (truth || sl_parse_is_name(parser, "false")) {
        sl_parse_advance(parser);
        return sl_attr_bool(parser->context, truth);
    }
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        if (sl_parse_is_name(parser, forms[i].name)) return forms[i].parse(parser);
    if (parser->token.kind != SL_TOKEN_NAME) {
        sl_parse_unexpected(parser, "an attribute value");
        return NULL;
    }
    sl_type type = sl_parse_type(parser);
    return type ? sl_attr_type(parser->context, type) : NULL;
}

sl_attr sl_parse_attr(sl_parser *parser) {
    if (!sl_parse_enter(parser)) return NULL;
    sl_attr attr = parse_attr(parser);
    sl_parse_leave(parser);
    return attr;
}

/* ---- locations: loc(unknown) | loc("file":line:column) | loc("node"[:OpType]) | loc[loc, ...] ---- */

static sl_loc parse_one_loc(sl_parser *parser) {
    const char *name, *op = NULL;
    size_t length;
    if (sl_parse_is_name(parser, "unknown")) {
        sl_parse_advance(parser);
        return sl_parse_expect(parser, ')', "after the location") ? sl_loc_unknown(parser->context) : NULL;
    }
    if (!sl_parse_string(parser, &name, &length)) return NULL;
    if (sl_parse_accept(parser, ':')) {
        int line, column;
        if (parser->token.kind == SL_TOKEN_INT) {
            if (!sl_parse_small_int(parser, "a line", 0, INT32_MAX, &line) || !sl_parse_expect(parser, ':', "between line and column") ||
                !sl_parse_small_int(parser, "a column", 0, INT32_MAX, &column) || !sl_parse_expect(parser, ')', "after the location"))
                return NULL;
            return sl_loc_file(parser->context, name, line, column);
        }
        if (parser->token.kind == SL_TOKEN_STRING) {
            if (!sl_parse_string(parser, &op, &length)) return NULL;
        } else if (parser->token.kind == SL_TOKEN_NAME) {
            op = sl_arena_strndup(parser->scratch, parser->token.text, parser->token.length);
            sl_parse_advance(parser);
        } else {
            sl_parse_unexpected(parser, "a line number or an ONNX op type");
            return NULL;
        }
    }
    return sl_parse_expect(parser, ')', "after the location") ? sl_loc_node(parser->context, NULL, name, op) : NULL;
}

sl_loc sl_parse_loc(sl_parser *parser) {
    sl_parse_advance(parser);
    if (sl_parse_accept(parser, '(')) return parse_one_loc(parser);
    if (!sl_parse_expect(parser, '[', "or `(` after loc")) return NULL;
    SL_VEC(sl_loc) parts = {0};
    while (!sl_parse_is(parser, ']')) {
        if (parts.count && !sl_parse_expect(parser, ',', "between locations")) return NULL;
        if (!sl_parse_is_name(parser, "loc")) {
            sl_parse_unexpected(parser, "`loc(`");
            return NULL;
        }
        sl_parse_advance(parser);
        if (!sl_parse_expect(parser, '(', "after loc")) return NULL;   /* fused locations are flat: no loc[ in here */
        sl_loc part = parse_one_loc(parser);
        if (!part) return NULL;
        SL_PUSH(parser->scratch, &parts, part);
    }
    sl_parse_advance(parser);
    return sl_loc_fused(parser->context, (int)parts.count, parts.data);
}
