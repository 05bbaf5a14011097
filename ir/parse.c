/* parse.c: modules, ops, regions and value names of the text form (docs/ir.md), and error recovery.
 *
 * Ops are made as they are read: a value is visible from the op behind its definition to the end of its region, so what parses is in dominance order.
 * After an error in an op the parser goes on at the next line that starts like an op, or at the brace that closes the region, and defines the
 * failed op's results as unknown, whose uses raise no further errors. The module is thrown away when there was any error.
 */
#include "parse_internal.h"
#include <stdio.h>
#include <string.h>

/* ---- errors and tokens ---- */

static const char *line_of(sl_parser *parser, const sl_token *token) {
    const char *start = token->text, *end = token->text;
    while (start > parser->text && start[-1] != '\n') start--;
    while (end < parser->text + parser->length && *end != '\n') end++;
    return sl_arena_strndup(parser->scratch, start, (size_t)(end - start));
}

static void stop(sl_parser *parser) {
    parser->stopped = true;
    parser->lexer.at = parser->lexer.end;
    parser->token.kind = SL_TOKEN_END;
    parser->token.punctuation = '\0';
}

bool sl_parse_error(sl_parser *parser, const sl_token *at, const char *format, ...) {
    if (parser->stopped) return false;
    parser->errors++;
    char message[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    sl_place place = {.file = parser->file, .line = at->line, .column = at->column};
    sl_diag_sink *sink = sl_context_sink(parser->context);
    sl_diag_report_line(sink, SL_SEVERITY_ERROR, &place, line_of(parser, at), "%s", message);
    if (parser->errors < SL_PARSE_MAX_ERRORS) return false;
    sl_diag_report(sink, SL_SEVERITY_NOTE, &place, "%d errors; the rest of the text was not read", parser->errors);
    stop(parser);
    return false;
}

void sl_parse_advance(sl_parser *parser) {
    if (!parser->stopped) parser->token = sl_lexer_next(&parser->lexer);
}

bool sl_parse_is(const sl_parser *parser, char punctuation) { return parser->token.punctuation == punctuation; }

bool sl_parse_is_name(const sl_parser *parser, const char *name) {
    return parser->token.kind == SL_TOKEN_NAME && strlen(name) == parser->token.length && memcmp(parser->token.text, name, parser->token.length) == 0;
}

bool sl_parse_accept(sl_parser *parser, char punctuation) {
    if (!sl_parse_is(parser, punctuation)) return false;
    sl_parse_advance(parser);
    return true;
}

static bool unexpected(sl_parser *parser, const char *expected, const char *where) {
    sl_token *token = &parser->token;
    if (token->kind == SL_TOKEN_BAD) return sl_parse_error(parser, token, "%s", token->message);
    const char *space = *where ? " " : "";
    if (token->kind == SL_TOKEN_END) return sl_parse_error(parser, token, "expected %s%s%s, found the end of the text", expected, space, where);
    const char *sigil = token->kind == SL_TOKEN_VALUE ? "%" : token->kind == SL_TOKEN_SYMBOL ? "@" : "";
    int shown = token->length < 40 ? (int)token->length : 40;
    return sl_parse_error(parser, token, "expected %s%s%s, found `%s%.*s`", expected, space, where, sigil, shown, token->text);
}

bool sl_parse_unexpected(sl_parser *parser, const char *expected) { return unexpected(parser, expected, ""); }

bool sl_parse_expect(sl_parser *parser, char punctuation, const char *what) {
    char expected[] = {'`', punctuation, '`', '\0'};
    return sl_parse_accept(parser, punctuation) || unexpected(parser, expected, what);
}

bool sl_parse_enter(sl_parser *parser) {
    if (parser->depth++ < SL_PARSE_MAX_DEPTH) return true;
    sl_parse_error(parser, &parser->token, "nested more than %d levels deep", SL_PARSE_MAX_DEPTH);
    stop(parser);
    parser->depth--;
    return false;
}

void sl_parse_leave(sl_parser *parser) { parser->depth--; }

bool sl_parse_string(sl_parser *parser, const char **text, size_t *length) {
    sl_token token = parser->token;
    if (token.kind != SL_TOKEN_STRING) return sl_parse_unexpected(parser, "a string");
    *text = sl_token_unquote(parser->scratch, token.text, token.length, length);
    if (!*text) return sl_parse_error(parser, &token, "malformed escape in this string: \\\" \\\\ \\n \\t and \\xHH (not \\x00) are known");
    sl_parse_advance(parser);
    return true;
}

bool sl_parse_int_token(sl_parser *parser, bool negative, int64_t *value) {
    uint64_t magnitude = 0, limit = (uint64_t)INT64_MAX + negative;
    if (parser->token.kind != SL_TOKEN_INT) return sl_parse_unexpected(parser, "an integer");
    for (size_t i = 0; i < parser->token.length; i++) {
        uint64_t digit = (uint64_t)(parser->token.text[i] - '0');
        if (magnitude > (limit - digit) / 10) return sl_parse_error(parser, &parser->token, "this integer does not fit in 64 bits with a sign");
        magnitude = magnitude * 10 + digit;
    }
    *value = (int64_t)(negative ? 0 - magnitude : magnitude);
    return true;
}

bool sl_parse_int(sl_parser *parser, int64_t *value) {
    bool negative = sl_parse_accept(parser, '-');
    if (!sl_parse_int_token(parser, negative, value)) return false;
    sl_parse_advance(parser);
    return true;
}

bool sl_parse_small_int(sl_parser *parser, const char *what, int least, int most, int *value) {
    int64_t wide = 0;
    sl_token token = parser->token;
    if (!sl_parse_int(parser, &wide)) return false;
    if (wide < least || wide > most) return sl_parse_error(parser, &token, "%s must be from %d to %d", what, least, most);
    *value = (int)wide;
    return true;
}

/* ---- value names: a chained hash table, and a stack to take names out again at the end of their region ---- */

typedef struct name_entry {
    const char *name;
    size_t length;
    sl_value *value;          /* NULL: defined by an op that failed to parse */
    int line;
    struct name_entry *chain;
    uint32_t bucket;
} name_entry;

enum { NAME_BUCKETS = 4096 };

struct sl_parse_scope {
    name_entry *buckets[NAME_BUCKETS];
    SL_VEC(name_entry *) defined;
};

static name_entry *find_name(sl_parser *parser, const sl_token *token) {
    uint32_t bucket = (uint32_t)(sl_hash_bytes(token->text, token->length, 0) % NAME_BUCKETS);
    name_entry *entry = parser->scope->buckets[bucket];
    while (entry && (entry->length != token->length || memcmp(entry->name, token->text, token->length) != 0)) entry = entry->chain;
    return entry;
}

static bool all_digits(const sl_token *token) {
    for (size_t i = 0; i < token->length; i++)
        if (token->text[i] < '0' || token->text[i] > '9') return false;
    return true;
}

static void define_name(sl_parser *parser, const sl_token *token, sl_value *value) {
    name_entry *old = find_name(parser, token);
    if (old && value) sl_parse_error(parser, token, "%%%.*s is defined already, on line %d", (int)token->length, token->text, old->line);
    name_entry *entry = SL_NEW(parser->scratch, name_entry);
    *entry = (name_entry){.name = token->text, .length = token->length, .value = value, .line = token->line};
    entry->bucket = (uint32_t)(sl_hash_bytes(token->text, token->length, 0) % NAME_BUCKETS);
    entry->chain = parser->scope->buckets[entry->bucket];
    parser->scope->buckets[entry->bucket] = entry;
    SL_PUSH(parser->scratch, &parser->scope->defined, entry);
    if (value && !all_digits(token)) sl_value_set_name(value, sl_arena_strndup(parser->scratch, token->text, token->length));
}

static void forget_names(sl_parser *parser, size_t keep) {
    sl_parse_scope *scope = parser->scope;
    while (scope->defined.count > keep) {
        name_entry *entry = scope->defined.data[--scope->defined.count];
        scope->buckets[entry->bucket] = entry->chain;
    }
}

/* ---- pieces of ops ---- */

typedef SL_VEC(sl_token) token_list;
typedef SL_VEC(sl_type) type_list;
typedef SL_VEC(sl_named_attr) attr_list;

static bool parse_op(sl_parser *parser, sl_block *block);

static const char *type_text(sl_parser *parser, sl_type type) {
    sl_text text;
    sl_text_init(&text, parser->scratch);
    sl_type_print(&text, type);
    return text.data;
}

/* "(" [type {"," type}] ")" */
static bool parse_types(sl_parser *parser, type_list *types) {
    if (!sl_parse_expect(parser, '(', "before a list of types")) return false;
    size_t first = types->count;
    while (!sl_parse_is(parser, ')')) {
        if (types->count > first && !sl_parse_expect(parser, ',', "between types")) return false;
        sl_type type = sl_parse_type(parser);
        if (!type) return false;
        SL_PUSH(parser->scratch, types, type);
    }
    sl_parse_advance(parser);
    return true;
}

/* "{" [name "=" attribute {"," ...}] "}" */
static bool parse_attr_dictionary(sl_parser *parser, attr_list *attrs) {
    sl_parse_advance(parser);
    bool first = true;
    while (!sl_parse_is(parser, '}')) {
        if (!first && !sl_parse_expect(parser, ',', "between attributes")) return false;
        first = false;
        sl_token token = parser->token;
        if (token.kind != SL_TOKEN_NAME) return sl_parse_unexpected(parser, "an attribute's name");
        sl_parse_advance(parser);
        if (!sl_parse_expect(parser, '=', "after the attribute's name")) return false;
        sl_named_attr attr = {sl_arena_strndup(parser->scratch, token.text, token.length), sl_parse_attr(parser)};
        if (!attr.attr) return false;
        bool known = false;
        for (size_t i = 0; i < attrs->count; i++) known |= strcmp(attrs->data[i].name, attr.name) == 0;
        if (known) sl_parse_error(parser, &token, "attribute `%s` is given twice", attr.name);
        else SL_PUSH(parser->scratch, attrs, attr);
    }
    sl_parse_advance(parser);
    return true;
}

/* At a "{": whether it opens attributes (name "=") rather than a body. */
static bool at_attr_dictionary(const sl_parser *parser) {
    if (!sl_parse_is(parser, '{')) return false;
    sl_lexer ahead = parser->lexer;
    return sl_lexer_next(&ahead).kind == SL_TOKEN_NAME && sl_lexer_next(&ahead).punctuation == '=';
}

/* "(" [%name ":" type {"," ...}] ")": defines the names as new arguments of the block. */
static bool parse_arguments(sl_parser *parser, sl_block *block) {
    if (!sl_parse_expect(parser, '(', "before block arguments")) return false;
    bool first = true;
    while (!sl_parse_is(parser, ')')) {
        if (!first && !sl_parse_expect(parser, ',', "between block arguments")) return false;
        first = false;
        sl_token token = parser->token;
        if (token.kind != SL_TOKEN_VALUE) return sl_parse_unexpected(parser, "a block argument");
        sl_parse_advance(parser);
        sl_type type = NULL;
        if (!sl_parse_expect(parser, ':', "after the block argument") || !(type = sl_parse_type(parser))) {
            define_name(parser, &token, NULL);
            return false;
        }
        define_name(parser, &token, sl_block_add_argument(block, type));
    }
    sl_parse_advance(parser);
    return true;
}

/* Skips to what looks like the next op: a line that starts with %name or family.name, or the brace that closes this region (on a line of its
 * own; braces of attributes and inner regions are skipped). */
static void recover(sl_parser *parser, const char *stuck_at) {
    int braces = 0;
    if (parser->token.text == stuck_at) sl_parse_advance(parser);
    for (; parser->token.kind != SL_TOKEN_END; sl_parse_advance(parser)) {
        const sl_token *token = &parser->token;
        if (token->punctuation == '{') braces++;
        else if (token->punctuation == '}' && braces > 0) braces--;
        else if (token->punctuation == '}' && token->first_on_line) return;
        else if (braces == 0 && token->first_on_line &&
                 (token->kind == SL_TOKEN_VALUE || (token->kind == SL_TOKEN_NAME && memchr(token->text, '.', token->length)) || sl_parse_is_name(parser, "blob")))
            return;
    }
}

/* Ops up to the closing brace, which is taken. */
static bool parse_ops(sl_parser *parser, sl_block *block, const sl_token *open) {
    while (!sl_parse_is(parser, '}')) {
        if (parser->token.kind == SL_TOKEN_END) return sl_parse_error(parser, open, "this `{` is never closed");
        const char *start = parser->token.text;
        if (!parse_op(parser, block)) recover(parser, start);
    }
    sl_parse_advance(parser);
    return true;
}

/* "{" ["^" arguments ":"] ops "}" */
static bool parse_region(sl_parser *parser, sl_block *block) {
    sl_token open = parser->token;
    if (!sl_parse_expect(parser, '{', "to open a region")) return false;
    if (!sl_parse_enter(parser)) return false;
    size_t names = parser->scope->defined.count;
    bool fine = true;
    if (sl_parse_accept(parser, '^'))
        if (!parse_arguments(parser, block) || !sl_parse_expect(parser, ':', "after the block arguments")) recover(parser, NULL);
    fine = parse_ops(parser, block, &open);
    forget_names(parser, names);
    sl_parse_leave(parser);
    return fine;
}

/* "(" region {"," region} ")" */
static bool parse_regions(sl_parser *parser, sl_op *op, const sl_token *name) {
    int count = 0, expected = sl_op_get_info(op)->regions;
    if (sl_parse_accept(parser, '(')) {
        do {
            if (expected >= 0 && count == expected)
                return sl_parse_error(parser, &parser->token, "%s has %d region%s, here is one more", sl_op_name(op), expected, expected == 1 ? "" : "s");
            if (expected < 0) sl_op_add_region(op);
            if (!parse_region(parser, sl_op_body(op, count))) return false;
            count++;
        } while (sl_parse_accept(parser, ','));
        if (!sl_parse_expect(parser, ')', "after the regions")) return false;
    }
    if (expected < 0 || count == expected) return true;
    return sl_parse_error(parser, name, "%s has %d region%s, found %d", sl_op_name(op), expected, expected == 1 ? "" : "s", count);
}

static bool parse_trailing_loc(sl_parser *parser, sl_op *op) {
    if (!sl_parse_is_name(parser, "loc")) return true;
    sl_loc loc = sl_parse_loc(parser);
    if (!loc) return false;
    sl_op_set_loc(op, loc);
    return true;
}

/* ---- ops named by a symbol: family.name @symbol(arguments) [-> (types)] [{attributes}] {ops} ---- */

static bool parse_symbol_op(sl_parser *parser, sl_block *block, const sl_token *name, sl_op_kind kind) {
    sl_token symbol = parser->token;
    size_t length = symbol.length;
    const char *text = *symbol.text == '"' ? sl_token_unquote(parser->scratch, symbol.text, symbol.length, &length) : symbol.text;
    if (!text) return sl_parse_error(parser, &symbol, "malformed escape in this name");
    sl_parse_advance(parser);
    if (!sl_parse_enter(parser)) return false;
    size_t names = parser->scope->defined.count;
    attr_list attrs = {0};
    type_list returned = {0};
    sl_named_attr sym_name = {"sym_name", sl_attr_string_n(parser->context, text, length)};
    SL_PUSH(parser->scratch, &attrs, sym_name);
    sl_loc loc = sl_loc_file(parser->context, parser->file, name->line, name->column);
    sl_op *op = sl_op_create(parser->module, kind, loc, 0, NULL, 0, NULL, 1, attrs.data, 1);
    sl_op_link(op, block, NULL);
    sl_token arrow = parser->token, open;
    bool arrowed = false;
    bool fine = parse_arguments(parser, sl_op_body(op, 0));
    if (fine && parser->token.kind == SL_TOKEN_ARROW) {
        arrow = parser->token;
        arrowed = true;
        sl_parse_advance(parser);
        fine = parse_types(parser, &returned);
    }
    if (fine && at_attr_dictionary(parser)) fine = parse_attr_dictionary(parser, &attrs);
    for (size_t i = 1; i < attrs.count; i++) sl_op_set_attr(op, attrs.data[i].name, attrs.data[i].attr);
    open = parser->token;
    if (fine) fine = sl_parse_expect(parser, '{', "to open the body") && parse_ops(parser, sl_op_body(op, 0), &open);
    if (fine && arrowed) {
        const sl_op *last = sl_block_terminator(sl_op_body(op, 0));
        int count = last ? sl_op_operand_count(last) : -1;
        if (last && parser->errors == 0 && count != (int)returned.count)
            sl_parse_error(parser, &arrow, "%zu result types are stated, but %s has %d operands", returned.count, sl_op_name(last), count);
        for (int i = 0; i < count && count == (int)returned.count; i++) {
            sl_type found = sl_value_type(sl_op_operand(last, i));
            if (found != returned.data[i])
                sl_parse_error(parser, &arrow, "result %d is stated as %s, but %s gives %s", i, type_text(parser, returned.data[i]), sl_op_name(last),
                               type_text(parser, found));
        }
    }
    forget_names(parser, names);
    sl_parse_leave(parser);
    return fine && parse_trailing_loc(parser, op);
}

/* ---- ops in general ---- */

/* ":" "(" types ")" ["->" (type | "(" types ")")] */
static bool parse_signature(sl_parser *parser, type_list *operand_types, type_list *result_types) {
    if (!parse_types(parser, operand_types)) return false;
    if (parser->token.kind != SL_TOKEN_ARROW) return true;
    sl_parse_advance(parser);
    if (sl_parse_is(parser, '(')) return parse_types(parser, result_types);
    sl_type type = sl_parse_type(parser);
    if (!type) return false;
    SL_PUSH(parser->scratch, result_types, type);
    return true;
}

/* Everything behind "results =" and the name. */
static bool parse_plain_op(sl_parser *parser, sl_block *block, const sl_token *start, const sl_token *name, sl_op_kind kind, const token_list *results,
                           sl_op **made) {
    token_list operand_tokens = {0};
    SL_VEC(sl_value *) operands = {0};
    attr_list attrs = {0};
    type_list operand_types = {0}, result_types = {0};
    bool unknown_operands = false;
    sl_lexer ahead = parser->lexer;
    bool regions_only = sl_parse_is(parser, '(') && sl_lexer_next(&ahead).punctuation == '{';   /* neither operands, attributes nor types */
    if (!regions_only && sl_parse_accept(parser, '(')) {
        while (!sl_parse_is(parser, ')')) {
            if (operand_tokens.count && !sl_parse_expect(parser, ',', "between operands")) return false;
            sl_token token = parser->token;
            if (token.kind != SL_TOKEN_VALUE) return sl_parse_unexpected(parser, "an operand such as %x");
            name_entry *entry = find_name(parser, &token);
            if (!entry) sl_parse_error(parser, &token, "%%%.*s is not defined before this point", (int)token.length, token.text);
            if (entry && entry->value) SL_PUSH(parser->scratch, &operands, entry->value);
            else unknown_operands = true;
            SL_PUSH(parser->scratch, &operand_tokens, token);
            sl_parse_advance(parser);
        }
        sl_parse_advance(parser);
    }
    if (at_attr_dictionary(parser) && !parse_attr_dictionary(parser, &attrs)) return false;
    sl_token colon = parser->token;
    bool typed = sl_parse_accept(parser, ':');
    if (typed && !parse_signature(parser, &operand_types, &result_types)) return false;
    if (!typed && results->count) return sl_parse_unexpected(parser, "`:` and the op's types");
    if (typed && operand_types.count != operand_tokens.count)
        return sl_parse_error(parser, &colon, "%zu operands, but %zu operand types", operand_tokens.count, operand_types.count);
    if (result_types.count != results->count)
        return sl_parse_error(parser, start, "%zu result names, but %zu result types", results->count, result_types.count);
    for (size_t i = 0; typed && !unknown_operands && i < operands.count; i++) {
        sl_type found = sl_value_type(operands.data[i]);
        if (found != operand_types.data[i])
            sl_parse_error(parser, &operand_tokens.data[i], "%%%.*s is used as %s here, but was defined as %s", (int)operand_tokens.data[i].length,
                           operand_tokens.data[i].text, type_text(parser, operand_types.data[i]), type_text(parser, found));
    }
    int regions = sl_op_info_get(kind)->regions;
    sl_loc loc = sl_loc_file(parser->context, parser->file, start->line, start->column);
    sl_op *op = sl_op_create(parser->module, kind, loc, (int)operands.count, operands.data, (int)result_types.count, result_types.data,
                             (int)attrs.count, attrs.data, regions < 0 ? 0 : regions);
    sl_op_link(op, block, NULL);
    *made = op;
    return parse_regions(parser, op, name) && parse_trailing_loc(parser, op);
}

static bool parse_op(sl_parser *parser, sl_block *block) {
    sl_token start = parser->token;
    token_list results = {0};
    sl_op *op = NULL;
    bool fine = true;
    if (start.kind == SL_TOKEN_VALUE) {
        do {
            if (parser->token.kind != SL_TOKEN_VALUE) {
                fine = sl_parse_unexpected(parser, "a result's name");
                break;
            }
            SL_PUSH(parser->scratch, &results, parser->token);
            sl_parse_advance(parser);
        } while (sl_parse_accept(parser, ','));
        fine = fine && sl_parse_expect(parser, '=', "after the results");
    }
    sl_token name = parser->token;
    sl_op_kind kind = SL_OP_COUNT;
    if (fine && name.kind != SL_TOKEN_NAME) fine = sl_parse_unexpected(parser, "an op");
    if (fine && (!sl_op_kind_find(name.text, name.length, &kind) || kind == SL_OP_core_module))
        fine = kind == SL_OP_core_module ? sl_parse_error(parser, &name, "core.module is the whole text and is not written")
                                         : sl_parse_error(parser, &name, "there is no op `%.*s`", name.length < 80 ? (int)name.length : 80, name.text);
    if (fine) {
        sl_parse_advance(parser);
        bool symbol = parser->token.kind == SL_TOKEN_SYMBOL && (sl_op_info_get(kind)->traits & SL_TRAIT_SYMBOL);
        if (symbol && results.count) fine = sl_parse_error(parser, &name, "%s has no results", sl_op_info_get(kind)->full_name);
        else if (symbol) fine = parse_symbol_op(parser, block, &name, kind);
        else fine = parse_plain_op(parser, block, &start, &name, kind, &results, &op);
    }
    if (fine && !parser->token.first_on_line && !sl_parse_is(parser, '}') && parser->token.kind != SL_TOKEN_END)
        fine = sl_parse_unexpected(parser, "the end of the line");
    for (size_t i = 0; i < results.count; i++) define_name(parser, &results.data[i], op ? sl_op_result(op, (int)i) : NULL);
    return fine;
}

/* ---- modules ---- */

static void parse_text(sl_parser *parser) {
    sl_block *body = sl_module_body(parser->module);
    sl_parse_advance(parser);
    while (parser->token.kind != SL_TOKEN_END) {
        const char *start = parser->token.text;
        bool fine;
        if (sl_parse_is_name(parser, "blob")) fine = sl_parse_blob_section(parser);
        else if (sl_parse_is(parser, '}') && parser->errors) fine = (sl_parse_advance(parser), true);   /* left over from a failed body */
        else fine = parse_op(parser, body);
        while (!fine && parser->token.kind != SL_TOKEN_END) {
            recover(parser, start);
            start = parser->token.text;
            fine = !sl_parse_is(parser, '}');
        }
    }
    for (sl_parse_blob *blob = parser->blobs; blob; blob = blob->next)
        if (blob->bytes) sl_parse_error(parser, &blob->token, "blob \"%s\" has no section `blob \"%s\" = hex ...` in this text", blob->name, blob->name);
}

sl_status sl_module_parse(sl_context *context, const char *file, const char *text, size_t length, sl_module **module) {
    sl_module *volatile made = NULL;
    sl_arena *volatile scratch = NULL;
    sl_guard guard;
    *module = NULL;
    if (!SL_GUARD_ENTER(&guard)) {
        sl_module_destroy(made);
        sl_arena_destroy(scratch);
        return SL_ERROR(SL_OUT_OF_MEMORY, "no memory left while reading '%s'", file ? file : "text");
    }
    scratch = sl_arena_create(sl_context_allocator(context), 0);
    if (!scratch) sl_out_of_memory();
    made = sl_module_create(context);
    sl_parser *parser = SL_NEW(scratch, sl_parser);
    parser->context = context;
    parser->module = made;
    parser->scratch = scratch;
    parser->file = sl_context_intern(context, file ? file : "<text>");
    parser->text = text;
    parser->length = length;
    parser->scope = SL_NEW(scratch, sl_parse_scope);
    sl_lexer_init(&parser->lexer, text, length);
    parse_text(parser);
    int errors = parser->errors;
    sl_guard_leave(&guard);
    sl_arena_destroy(scratch);
    if (errors == 0) {
        *module = made;
        return NULL;
    }
    sl_module_destroy(made);
    return SL_ERROR(SL_INVALID_MODEL, "%d syntax error%s in '%s'", errors, errors == 1 ? "" : "s", file ? file : "text");
}
