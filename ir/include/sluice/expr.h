/* expr.h: integer expressions over shape symbols and loop indices.
 *
 * One representation serves three needs: dimensions of types ("B", "2*S + 1"), index maps of nest ops (over loop indices d0, d1, ...),
 * and sizes that compiled code evaluates at run start. Expressions are interned in the context and kept in a normal form (a sum of
 * monomials with integer coefficients over atoms; atoms are symbols, loop indices, and the non-polynomial forms below), so that
 * structural equality is pointer equality: B*4*S == 4*S*B.
 *
 * Division and modulus are floor division and the non-negative modulus of a positive divisor. `bcast(a, b)` is NumPy's broadcast of two
 * dimensions: b where a is 1, else a. All shape symbols are non-negative.
 *
 * Text:  expr   = ["-"] term {("+" | "-") term}         term = factor {"*" factor}
 *        factor = integer | symbol | d<i> | "(" expr ")" | (floordiv | ceildiv | mod | min | max | bcast) "(" expr "," expr ")"
 *        symbol = identifier | ?<n> | "quoted text" (any name that would read as something else: x, d3, min, with spaces)
 *
 * Arithmetic that would overflow 64 bits is kept as a product with a constant factor or as two like terms, so that it fails when it is evaluated
 * and never wraps. An expression that would need more than SL_EXPR_MAX_SIZE nodes (hostile shape arithmetic) becomes a fresh symbol.
 */
#ifndef SLUICE_EXPR_H
#define SLUICE_EXPR_H

#include "sluice/memory.h"

#define SL_EXPR_MAX_SIZE 4096

typedef struct sl_context sl_context;
typedef const struct sl_expr_data *sl_expr;

typedef enum sl_expr_kind {
    SL_EXPR_CONST,     /* integer */
    SL_EXPR_SYMBOL,    /* named shape symbol, e.g. B, or fresh, printed ?3 */
    SL_EXPR_LOOP,      /* loop index d<i> of the enclosing nest op */
    SL_EXPR_SUM,       /* sum of terms: coefficient * product of atoms */
    SL_EXPR_FLOORDIV, SL_EXPR_CEILDIV, SL_EXPR_MOD, SL_EXPR_MIN, SL_EXPR_MAX, SL_EXPR_BCAST,  /* binary atoms */
} sl_expr_kind;

sl_expr sl_expr_const(sl_context *context, int64_t value);
sl_expr sl_expr_symbol(sl_context *context, const char *name);
sl_expr sl_expr_fresh(sl_context *context);                     /* a new symbol, ?N, never returned before in this context */
sl_expr sl_expr_loop(sl_context *context, int index);
sl_expr sl_expr_add(sl_context *context, sl_expr a, sl_expr b);
sl_expr sl_expr_sub(sl_context *context, sl_expr a, sl_expr b);
sl_expr sl_expr_mul(sl_context *context, sl_expr a, sl_expr b);
sl_expr sl_expr_floordiv(sl_context *context, sl_expr a, sl_expr b);
sl_expr sl_expr_ceildiv(sl_context *context, sl_expr a, sl_expr b);
sl_expr sl_expr_mod(sl_context *context, sl_expr a, sl_expr b);
sl_expr sl_expr_min(sl_context *context, sl_expr a, sl_expr b);
sl_expr sl_expr_max(sl_context *context, sl_expr a, sl_expr b);
sl_expr sl_expr_bcast(sl_context *context, sl_expr a, sl_expr b);
sl_expr sl_expr_binary(sl_context *context, sl_expr_kind kind, sl_expr a, sl_expr b);

sl_expr_kind sl_expr_get_kind(sl_expr expr);
bool sl_expr_is_const(sl_expr expr, int64_t *value);            /* value may be NULL */
int64_t sl_expr_const_or(sl_expr expr, int64_t otherwise);
bool sl_expr_equals_const(sl_expr expr, int64_t value);
const char *sl_expr_symbol_name(sl_expr expr);                  /* SYMBOL: "B"; fresh: "?3" */
bool sl_expr_is_fresh(sl_expr expr);
int sl_expr_loop_index(sl_expr expr);
/* SUM: terms; term t is coefficient(t) times factors(t, i), i < factor_count(t). A constant term has no factors. A non-SUM atom is seen
 * as one term with coefficient 1; a CONST as one term without factors (zero: no terms). */
int sl_expr_term_count(sl_expr expr);
int64_t sl_expr_term_coefficient(sl_expr expr, int term);
int sl_expr_term_factor_count(sl_expr expr, int term);
sl_expr sl_expr_term_factor(sl_expr expr, int term, int factor);
sl_expr sl_expr_operand(sl_expr expr, int index);               /* the binary atoms: 0 or 1 */

/* As a linear form in loop index `loop`: expr == coefficient*d_loop + rest, neither containing d_loop. False when not linear in it. */
bool sl_expr_split_linear(sl_context *context, sl_expr expr, int loop, sl_expr *coefficient, sl_expr *rest);
bool sl_expr_uses_loop(sl_expr expr, int loop);
bool sl_expr_uses_any_loop(sl_expr expr);
bool sl_expr_uses_symbol(sl_expr expr, sl_expr symbol);
/* Calls visit once for each distinct symbol. */
void sl_expr_visit_symbols(sl_expr expr, void (*visit)(void *self, sl_expr symbol), void *self);

/* Replaces loop indices d_i by loops[i] (NULL entry or i >= count keeps it) and symbols through `symbol` (NULL keeps all). */
typedef sl_expr (*sl_expr_symbol_fn)(void *self, sl_expr symbol);
sl_expr sl_expr_substitute(sl_context *context, sl_expr expr, const sl_expr *loops, int count, sl_expr_symbol_fn symbol, void *self);

/* Evaluates; false on an unknown symbol, overflow or division by zero. */
typedef bool (*sl_expr_value_fn)(void *self, sl_expr atom, int64_t *value);   /* atom: SYMBOL or LOOP */
bool sl_expr_evaluate(sl_expr expr, sl_expr_value_fn value, void *self, int64_t *result);

/* What can be proved with symbols >= 0 (>= 1 when `positive`): bounds, and whether a is a multiple of k. */
bool sl_expr_lower_bound(sl_expr expr, bool positive, int64_t *bound);
bool sl_expr_is_multiple_of(sl_expr expr, int64_t factor);
/* Exact quotient when it can be proved (B*768 / 12 -> B*64), else NULL. */
sl_expr sl_expr_divide_exact(sl_context *context, sl_expr expr, sl_expr divisor);

void sl_expr_print(sl_text *out, sl_expr expr);
uint32_t sl_expr_id(sl_expr expr);                              /* dense, for side tables */

#endif
