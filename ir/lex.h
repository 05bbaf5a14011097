/* lex.h: tokens of the text form (docs/ir.md). The lexer never fails: what is no token comes out as SL_TOKEN_BAD with a message. Tokens point into the
 * text, which must outlive them. */
#ifndef SLUICE_LEX_H
#define SLUICE_LEX_H

#include "sluice/memory.h"

typedef enum sl_token_kind {
    SL_TOKEN_END, SL_TOKEN_BAD,
    SL_TOKEN_NAME,            /* tensor.reshape, f32, B: identifiers joined by dots */
    SL_TOKEN_VALUE,           /* %x; text without the % */
    SL_TOKEN_SYMBOL,          /* @name or @"name"; text without the @, quotes included */
    SL_TOKEN_FRESH,           /* ?3; text with the ? */
    SL_TOKEN_INT,             /* 42; no sign */
    SL_TOKEN_FLOAT,           /* 0.5, 1e-3; no sign */
    SL_TOKEN_STRING,          /* "..." with quotes and escapes */
    SL_TOKEN_ARROW,           /* -> */
    SL_TOKEN_PUNCTUATION,     /* one of ( ) { } [ ] < > , : = + - * # ^ ? : the kind is in `punctuation` */
} sl_token_kind;

typedef struct sl_token {
    sl_token_kind kind;
    char punctuation;         /* 0 unless PUNCTUATION */
    bool first_on_line;
    const char *text;         /* not terminated */
    size_t length;
    int line, column;         /* from 1; columns count bytes */
    const char *message;      /* BAD */
} sl_token;

typedef struct sl_lexer {
    const char *text, *end, *at, *line_start;
    int line;
} sl_lexer;

void sl_lexer_init(sl_lexer *lexer, const char *text, size_t length);
sl_token sl_lexer_next(sl_lexer *lexer);
/* The text of a STRING token (or quoted SYMBOL text) with escapes resolved, in the arena; NULL when an escape is malformed or it holds a NUL. */
char *sl_token_unquote(sl_arena *arena, const char *text, size_t length, size_t *out_length);

#endif
