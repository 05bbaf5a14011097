/* parse_internal.h: what the parser's files share. Parsing functions report their own error and then return false or NULL; callers pass that up to the
 * nearest op, which recovers (parse.c). */
#ifndef SLUICE_PARSE_INTERNAL_H
#define SLUICE_PARSE_INTERNAL_H

#include "lex.h"
#include "op_internal.h"

enum { SL_PARSE_MAX_ERRORS = 20, SL_PARSE_MAX_DEPTH = 256 };

/* Data named by @"blob": storage that its blob section fills in. */
typedef struct sl_parse_blob {
    const char *name;
    sl_attr attr;
    void *bytes;              /* to fill in; NULL once it was */
    sl_token token;           /* of the first mention */
    struct sl_parse_blob *next;
} sl_parse_blob;

typedef struct sl_parse_scope sl_parse_scope;

typedef struct sl_parser {
    sl_context *context;
    sl_module *module;
    sl_arena *scratch;
    const char *file;         /* interned */
    const char *text;
    size_t length;
    sl_lexer lexer;
    sl_token token;           /* current */
    int errors, depth;
    bool stopped;             /* too many errors or too deep: the rest of the text is not looked at */
    sl_parse_scope *scope;
    sl_parse_blob *blobs;
    int64_t blob_bytes;       /* asked for in all; bounded by the text's length, since it has to hold them */
} sl_parser;

/* ---- parse.c ---- */
SL_PRINTF(3, 4) bool sl_parse_error(sl_parser *parser, const sl_token *at, const char *format, ...);   /* returns false */
void sl_parse_advance(sl_parser *parser);
bool sl_parse_is(const sl_parser *parser, char punctuation);
bool sl_parse_is_name(const sl_parser *parser, const char *name);
bool sl_parse_accept(sl_parser *parser, char punctuation);
/* Reports "expected `)` to close ..., found ..."; `what` says where, e.g. "after the operands". */
bool sl_parse_expect(sl_parser *parser, char punctuation, const char *what);
bool sl_parse_unexpected(sl_parser *parser, const char *expected);      /* reports "expected <expected>, found <token>"; returns false */
/* Guard recursion: false with an error, and the parser stopped, when too deep. */
bool sl_parse_enter(sl_parser *parser);
void sl_parse_leave(sl_parser *parser);
/* A STRING token's text; reports malformed escapes. The string is in the scratch arena. */
bool sl_parse_string(sl_parser *parser, const char **text, size_t *length);
/* An optionally negative INT. */
bool sl_parse_int(sl_parser *parser, int64_t *value);
/* The current token, an unsigned INT, which may only be as low as 2^63 when negated. Does not advance. */
bool sl_parse_int_token(sl_parser *parser, bool negative, int64_t *value);
bool sl_parse_small_int(sl_parser *parser, const char *what, int least, int most, int *value);

/* ---- parse_types.c ---- */
sl_expr sl_parse_expr(sl_parser *parser);
sl_type sl_parse_type(sl_parser *parser);

/* ---- parse_attrs.c ---- */
sl_attr sl_parse_attr(sl_parser *parser);
sl_attr sl_parse_encoding(sl_parser *parser);     /* at the # */
sl_loc sl_parse_loc(sl_parser *parser);           /* at `loc` */
bool sl_parse_blob_section(sl_parser *parser);    /* at `blob` */

#endif
