/* lex.c: the lexer of the text form: one pass over bytes, no look-ahead beyond two characters. Comments run from // to the end of the line. Bytes above
 * 0x7f stand only in strings and comments. */
#include "lex.h"
#include <string.h>

/* Not ctype.h: its functions depend on the locale. */
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
static bool is_word(char c) { return is_letter(c) || is_digit(c); }

void sl_lexer_init(sl_lexer *lexer, const char *text, size_t length) {
    *lexer = (sl_lexer){.text = text, .end = text + length, .at = text, .line_start = text, .line = 1};
}

static char peek(const sl_lexer *lexer, size_t ahead) { return (size_t)(lexer->end - lexer->at) > ahead ? lexer->at[ahead] : '\0'; }

/* Returns whether a line break was passed. */
static bool skip_blanks(sl_lexer *lexer) {
    bool broke = lexer->at == lexer->text;
    while (lexer->at < lexer->end) {
        char c = *lexer->at;
        if (c == '\n') {
            lexer->line++;
            lexer->line_start = ++lexer->at;
            broke = true;
        } else if (c == ' ' || c == '\t' || c == '\r') {
            lexer->at++;
        } else if (c == '/' && peek(lexer, 1) == '/') {
            while (lexer->at < lexer->end && *lexer->at != '\n') lexer->at++;
        } else {
            break;
        }
    }
    return broke;
}

static void skip_words(sl_lexer *lexer, bool dots) {
    while (is_word(peek(lexer, 0)) || (dots && peek(lexer, 0) == '.' && is_word(peek(lexer, 1)))) lexer->at++;
}

/* From the opening quote to behind the closing one; false when the line or the text ends before. */
static bool skip_string(sl_lexer *lexer) {
    for (lexer->at++; lexer->at < lexer->end && *lexer->at != '\n'; lexer->at++) {
        if (*lexer->at == '"') {
            lexer->at++;
            return true;
        }
        if (*lexer->at == '\\' && peek(lexer, 1) != '\n' && peek(lexer, 1) != '\0') lexer->at++;
    }
    return false;
}

static sl_token_kind scan_number(sl_lexer *lexer) {
    sl_token_kind kind = SL_TOKEN_INT;
    while (is_digit(peek(lexer, 0))) lexer->at++;
    if (peek(lexer, 0) == '.' && is_digit(peek(lexer, 1))) {
        kind = SL_TOKEN_FLOAT;
        lexer->at++;
        while (is_digit(peek(lexer, 0))) lexer->at++;
    } else if (peek(lexer, 0) == '.' && !is_word(peek(lexer, 1))) {
        kind = SL_TOKEN_FLOAT;
        lexer->at++;
    }
    size_t sign = peek(lexer, 1) == '+' || peek(lexer, 1) == '-' ? 1 : 0;
    if ((peek(lexer, 0) == 'e' || peek(lexer, 0) == 'E') && is_digit(peek(lexer, 1 + sign))) {
        kind = SL_TOKEN_FLOAT;
        lexer->at += 1 + sign;
        while (is_digit(peek(lexer, 0))) lexer->at++;
    }
    return kind;
}

static sl_token bad(sl_token token, const char *message) {
    token.kind = SL_TOKEN_BAD;
    token.message = message;
    return token;
}

sl_token sl_lexer_next(sl_lexer *lexer) {
    sl_token token = {.first_on_line = skip_blanks(lexer)};
    const char *start = lexer->at;
    token.text = start;
    token.line = lexer->line;
    token.column = (int)(start - lexer->line_start < INT32_MAX - 1 ? start - lexer->line_start + 1 : INT32_MAX);
    if (start == lexer->end) return token;
    char c = *start;
    if (is_letter(c)) {
        token.kind = SL_TOKEN_NAME;
        skip_words(lexer, true);
    } else if (is_digit(c)) {
        token.kind = scan_number(lexer);
        if (is_letter(peek(lexer, 0))) {
            skip_words(lexer, false);
            token.length = (size_t)(lexer->at - start);
            return bad(token, "a number runs into a word; dimensions are separated by ` x ` with spaces");
        }
    } else if (c == '%') {
        lexer->at++;
        token.kind = SL_TOKEN_VALUE;
        token.text = lexer->at;
        skip_words(lexer, true);
        token.length = (size_t)(lexer->at - token.text);
        return token.length ? token : bad(token, "`%` without a name");
    } else if (c == '@') {
        lexer->at++;
        token.kind = SL_TOKEN_SYMBOL;
        token.text = lexer->at;
        if (peek(lexer, 0) == '"') {
            if (!skip_string(lexer)) token = bad(token, "this string has no closing quote");
        } else {
            skip_words(lexer, true);
        }
        token.length = (size_t)(lexer->at - token.text);
        return token.length ? token : bad(token, "`@` without a name");
    } else if (c == '"') {
        token.kind = SL_TOKEN_STRING;
        if (!skip_string(lexer)) token = bad(token, "this string has no closing quote");
    } else if (c == '?' && is_digit(peek(lexer, 1))) {
        token.kind = SL_TOKEN_FRESH;
        lexer->at++;
        skip_words(lexer, false);
    } else if (c == '-' && peek(lexer, 1) == '>') {
        token.kind = SL_TOKEN_ARROW;
        lexer->at += 2;
    } else if (strchr("(){}[]<>,:=+-*#^?", c) && c) {
        token.kind = SL_TOKEN_PUNCTUATION;
        token.punctuation = c;
        lexer->at++;
    } else {
        /* One token for a whole run of such bytes, so that binary garbage is one error. */
        while (lexer->at < lexer->end && (unsigned char)*lexer->at > 0x7e) lexer->at++;
        if (lexer->at == start) lexer->at++;
        token = bad(token, "this character has no meaning here");
    }
    token.length = (size_t)(lexer->at - start);
    return token;
}

static int hex_value(char c) {
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

char *sl_token_unquote(sl_arena *arena, const char *text, size_t length, size_t *out_length) {
    char *out = sl_arena_alloc(arena, length + 1);
    size_t count = 0;
    for (size_t i = 1; i + 1 < length; i++) {
        char c = text[i];
        if (c == '\\') {
            if (++i + 1 >= length) return NULL;
            c = text[i];
            if (c == 'n') c = '\n';
            else if (c == 't') c = '\t';
            else if (c == 'x') {
                if (i + 3 >= length) return NULL;
                int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
                if (high < 0 || low < 0) return NULL;
                c = (char)(high * 16 + low);
                i += 2;
            } else if (c != '"' && c != '\\') return NULL;
        }
        if (c == '\0') return NULL;
        out[count++] = c;
    }
    *out_length = count;
    return out;
}
