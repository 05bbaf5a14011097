/* expr.c: construction and normalisation of interned expressions. Queries, substitution and text are in expr_query.c.
 *
 * Normal form: a sum of terms, each a non-zero coefficient times a sorted list of atoms; terms in graded lexicographic order (sl_expr_compare_monomials),
 * so the constant comes last and the order suits polynomial division. One exception to full expansion bounds the work: a product that would have more
 * than MOST_PRODUCT_TERMS terms keeps its sums as factors.
 *
 * Division by a constant is split into the part that divides exactly and a remainder (5*x + 9 by 4 is x + 2 + floordiv(x + 1, 4)), common factors are
 * cancelled and nested divisions by constants merged, so that the sizes of strided convolutions compare equal however they were written. ceildiv by a
 * positive constant is kept as floordiv. */
#include "context_internal.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PRODUCT_TERMS = 256, MOST_DIVISION_STEPS = 64 };

/* ---- order ---- */

static int three_way(int64_t a, int64_t b) { return (a > b) - (a < b); }

static int compare_factors(const sl_expr_term *a, const sl_expr_term *b) {
    for (int i = 0; i < a->factor_count && i < b->factor_count; i++) {
        int order = sl_expr_compare(a->factors[i], b->factors[i]);
        if (order) return order;
    }
    return three_way(a->factor_count, b->factor_count);
}

int sl_expr_compare_monomials(const sl_expr_term *a, const sl_expr_term *b) {
    if (a->factor_count != b->factor_count) return b->factor_count - a->factor_count;
    return compare_factors(a, b);
}

int sl_expr_compare(sl_expr a, sl_expr b) {
    if (a == b) return 0;
    if (a->kind != b->kind) return (int)a->kind - (int)b->kind;
    switch (a->kind) {
    case SL_EXPR_CONST:
    case SL_EXPR_LOOP: return three_way(a->number, b->number);
    case SL_EXPR_SYMBOL:
        if (a->fresh != b->fresh) return a->fresh - b->fresh;
        return a->fresh ? three_way(a->number, b->number) : strcmp(a->name, b->name);
    case SL_EXPR_SUM:
        for (int i = 0; i < a->term_count && i < b->term_count; i++) {
            int order = sl_expr_compare_monomials(&a->terms[i], &b->terms[i]);
            if (!order) order = three_way(a->terms[i].coefficient, b->terms[i].coefficient);
            if (order) return order;
        }
        return three_way(a->term_count, b->term_count);
    case SL_EXPR_FLOORDIV:
    case SL_EXPR_CEILDIV:
    case SL_EXPR_MOD:
    case SL_EXPR_MIN:
    case SL_EXPR_MAX:
    case SL_EXPR_BCAST: {
        int order = sl_expr_compare(a->operands[0], b->operands[0]);
        return order ? order : sl_expr_compare(a->operands[1], b->operands[1]);
    }
    }
    return 0;
}

/* ---- interning ---- */

static bool expr_equal(const void *key, const void *item) {
    const struct sl_expr_data *a = key, *b = item;
    if (a->kind != b->kind || a->number != b->number || a->name != b->name || a->term_count != b->term_count || a->operands[0] != b->operands[0] ||
        a->operands[1] != b->operands[1])
        return false;
    for (int t = 0; t < a->term_count; t++) {
        const sl_expr_term *left = &a->terms[t], *right = &b->terms[t];
        if (left->coefficient != right->coefficient || left->factor_count != right->factor_count) return false;
        for (int i = 0; i < left->factor_count; i++)
            if (left->factors[i] != right->factors[i]) return false;
    }
    return true;
}

static void note_part(struct sl_expr_data *whole, sl_expr part) {
    whole->uses_loops |= part->uses_loops;
    whole->uses_symbols |= part->uses_symbols;
    if (__builtin_add_overflow(whole->size, part->size, &whole->size)) whole->size = UINT32_MAX;
}

/* `key` borrows its terms. */
static sl_expr intern_expr(sl_context *context, struct sl_expr_data *key) {
    uint64_t hash = sl_hash_mix(sl_hash_mix((uint64_t)key->kind, (uint64_t)key->number), (uintptr_t)key->name);
    key->size = 1;
    for (int i = 0; i < 2 && key->operands[i]; i++) {
        hash = sl_hash_mix(hash, key->operands[i]->hash);
        note_part(key, key->operands[i]);
    }
    for (int t = 0; t < key->term_count; t++) {
        hash = sl_hash_mix(hash, (uint64_t)key->terms[t].coefficient);
        for (int i = 0; i < key->terms[t].factor_count; i++) {
            hash = sl_hash_mix(hash, key->terms[t].factors[i]->hash);
            note_part(key, key->terms[t].factors[i]);
        }
    }
    key->hash = hash;
    sl_expr expr = sl_intern_find(&context->exprs, hash, expr_equal, key);
    if (expr) return expr;
    if (key->size > SL_EXPR_MAX_SIZE) return sl_expr_fresh(context);
    if (key->term_count) {
        sl_expr_term *terms = sl_arena_copy(context->arena, key->terms, (size_t)key->term_count * sizeof(*terms));
        for (int t = 0; t < key->term_count; t++)
            terms[t].factors = sl_arena_copy(context->arena, terms[t].factors, (size_t)terms[t].factor_count * sizeof(sl_expr));
        key->terms = terms;
    }
    key->id = context->expr_count++;
    expr = sl_arena_copy(context->arena, key, sizeof(*key));
    sl_intern_add(context->arena, &context->exprs, hash, expr);
    return expr;
}

sl_expr sl_expr_const(sl_context *context, int64_t value) {
    struct sl_expr_data key = {.kind = SL_EXPR_CONST, .number = value};
    return intern_expr(context, &key);
}

sl_expr sl_expr_symbol(sl_context *context, const char *name) {
    struct sl_expr_data key = {.kind = SL_EXPR_SYMBOL, .uses_symbols = true, .name = sl_context_intern(context, name)};
    size_t digits = name[0] == '?' ? strspn(name + 1, "0123456789") : 0;
    if (digits && digits <= 17 && name[1 + digits] == 0 && (name[1] != '0' || digits == 1)) {
        key.fresh = true;
        key.number = strtoll(name + 1, NULL, 10);
        if (key.number >= context->next_fresh) context->next_fresh = key.number + 1;
    }
    return intern_expr(context, &key);
}

sl_expr sl_expr_fresh(sl_context *context) {
    char *name = sl_arena_printf(context->arena, "?%lld", (long long)context->next_fresh);
    return sl_expr_symbol(context, name);   /* moves next_fresh on */
}

sl_expr sl_expr_loop(sl_context *context, int index) {
    struct sl_expr_data key = {.kind = SL_EXPR_LOOP, .number = index, .uses_loops = true};
    return intern_expr(context, &key);
}

/* ---- sums and products ---- */

int sl_expr_terms(sl_expr expr, sl_expr_term *self_term, sl_expr *self_factor, const sl_expr_term **terms) {
    *terms = self_term;
    if (expr->kind == SL_EXPR_SUM) {
        *terms = expr->terms;
        return expr->term_count;
    }
    if (expr->kind == SL_EXPR_CONST) {
        *self_term = (sl_expr_term){.coefficient = expr->number};
        return expr->number != 0;
    }
    *self_factor = expr;
    *self_term = (sl_expr_term){.coefficient = 1, .factor_count = 1, .factors = self_factor};
    return 1;
}

static int order_terms(const void *a, const void *b) { return sl_expr_compare_monomials(a, b); }

sl_expr sl_expr_from_terms(sl_context *context, size_t count, sl_expr_term *terms) {
    if (count > 1) qsort(terms, count, sizeof(*terms), order_terms);
    size_t kept = 0;
    for (size_t t = 0; t < count; t++) {
        if (terms[t].coefficient == 0) continue;
        if (kept && sl_expr_compare_monomials(&terms[kept - 1], &terms[t]) == 0) {
            int64_t sum;
            /* A sum that doesn't fit stays as two like terms: it fails when it is evaluated. */
            if (!__builtin_add_overflow(terms[kept - 1].coefficient, terms[t].coefficient, &sum)) {
                terms[kept - 1].coefficient = sum;
                if (sum == 0) kept--;
                continue;
            }
        }
        terms[kept++] = terms[t];
    }
    if (kept == 0) return sl_expr_const(context, 0);
    if (kept == 1 && terms[0].factor_count == 0) return sl_expr_const(context, terms[0].coefficient);
    if (kept == 1 && terms[0].factor_count == 1 && terms[0].coefficient == 1) return terms[0].factors[0];
    if (kept > SL_EXPR_MAX_SIZE) return sl_expr_fresh(context);
    struct sl_expr_data key = {.kind = SL_EXPR_SUM, .term_count = (int)kept, .terms = terms};
    return intern_expr(context, &key);
}

/* The storage behind terms under construction; it stays in the context, so callers keep it small. */
static sl_expr_term *new_terms(sl_context *context, size_t count) { return SL_NEW_ARRAY(context->arena, sl_expr_term, count); }

static sl_expr add_scaled(sl_context *context, sl_expr a, sl_expr b, int64_t scale) {
    sl_expr_term self[2];
    sl_expr factor[2];
    const sl_expr_term *left, *right;
    size_t n = (size_t)sl_expr_terms(a, &self[0], &factor[0], &left), m = (size_t)sl_expr_terms(b, &self[1], &factor[1], &right);
    if (m == 0) return a;
    if (n == 0 && scale == 1) return b;
    sl_expr_term few[8], *terms = n + m <= 8 ? few : new_terms(context, n + m);
    for (size_t i = 0; i < n; i++) terms[i] = left[i];
    for (size_t i = 0; i < m; i++) {
        terms[n + i] = right[i];
        if (__builtin_mul_overflow(right[i].coefficient, scale, &terms[n + i].coefficient)) {
            /* Only INT64_MIN * -1: as a product with a constant factor. */
            return add_scaled(context, a, sl_expr_mul(context, b, sl_expr_const(context, scale)), 1);
        }
    }
    return sl_expr_from_terms(context, n + m, terms);
}

sl_expr sl_expr_add(sl_context *context, sl_expr a, sl_expr b) { return add_scaled(context, a, b, 1); }
sl_expr sl_expr_sub(sl_context *context, sl_expr a, sl_expr b) {
    return a == b ? sl_expr_const(context, 0) : add_scaled(context, a, b, -1);
}

static int order_factors(const void *a, const void *b) { return sl_expr_compare(*(const sl_expr *)a, *(const sl_expr *)b); }

/* Product of two terms; factors are new storage. */
static sl_expr_term multiply_terms(sl_context *context, const sl_expr_term *a, const sl_expr_term *b) {
    sl_expr_term product = {.factor_count = a->factor_count + b->factor_count};
    sl_expr extra = NULL;
    if (__builtin_mul_overflow(a->coefficient, b->coefficient, &product.coefficient)) {
        product.coefficient = a->coefficient;
        extra = sl_expr_const(context, b->coefficient);
        product.factor_count++;
    }
    if (!extra && (a->factor_count == 0 || b->factor_count == 0)) {
        product.factors = a->factor_count ? a->factors : b->factors;
        return product;
    }
    sl_expr *factors = SL_NEW_ARRAY(context->arena, sl_expr, (size_t)product.factor_count);
    int n = 0;
    for (int i = 0; i < a->factor_count; i++) factors[n++] = a->factors[i];
    for (int i = 0; i < b->factor_count; i++) factors[n++] = b->factors[i];
    if (extra) factors[n++] = extra;
    qsort(factors, (size_t)n, sizeof(*factors), order_factors);
    product.factors = factors;
    return product;
}

sl_expr sl_expr_mul(sl_context *context, sl_expr a, sl_expr b) {
    int64_t left_value, right_value, product;
    if (sl_expr_is_const(a, &left_value) && sl_expr_is_const(b, &right_value) && !__builtin_mul_overflow(left_value, right_value, &product))
        return sl_expr_const(context, product);
    if (sl_expr_equals_const(a, 1)) return b;
    if (sl_expr_equals_const(b, 1)) return a;
    if ((uint64_t)a->size + b->size > SL_EXPR_MAX_SIZE) return sl_expr_fresh(context);
    sl_expr_term self[2];
    sl_expr factor[2];
    const sl_expr_term *left, *right;
    size_t n = (size_t)sl_expr_terms(a, &self[0], &factor[0], &left), m = (size_t)sl_expr_terms(b, &self[1], &factor[1], &right);
    if (n * m > MOST_PRODUCT_TERMS && n > 1 && m > 1) {
        sl_expr pair[2] = {a, b};
        qsort(pair, 2, sizeof(*pair), order_factors);
        sl_expr_term whole = {.coefficient = 1, .factor_count = 2, .factors = pair};
        return sl_expr_from_terms(context, 1, &whole);
    }
    sl_expr_term few[8], *terms = n * m <= 8 ? few : new_terms(context, n * m);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < m; k++) terms[i * m + k] = multiply_terms(context, &left[i], &right[k]);
    return sl_expr_from_terms(context, n * m, terms);
}

/* ---- division ---- */

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

static uint64_t magnitude(int64_t value) { return value < 0 ? 0 - (uint64_t)value : (uint64_t)value; }

static uint64_t gcd(uint64_t a, uint64_t b) {
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* quotient = term / divisor when the monomial and the coefficient divide exactly. */
static bool divide_term(sl_context *context, const sl_expr_term *term, const sl_expr_term *divisor, sl_expr_term *quotient) {
    if (divisor->coefficient == 0 || (divisor->coefficient == -1 && term->coefficient == INT64_MIN)) return false;
    if (term->coefficient % divisor->coefficient || term->factor_count < divisor->factor_count) return false;
    int count = term->factor_count - divisor->factor_count, kept = 0, next = 0;
    sl_expr *factors = count ? SL_NEW_ARRAY(context->arena, sl_expr, (size_t)count) : NULL;
    for (int i = 0; i < term->factor_count; i++) {
        if (next < divisor->factor_count && term->factors[i] == divisor->factors[next]) next++;
        else if (kept < count) factors[kept++] = term->factors[i];
        else return false;
    }
    if (next < divisor->factor_count) return false;
    *quotient = (sl_expr_term){.coefficient = term->coefficient / divisor->coefficient, .factor_count = count, .factors = factors};
    return true;
}

sl_expr sl_expr_divide_exact(sl_context *context, sl_expr expr, sl_expr divisor) {
    if (sl_expr_equals_const(divisor, 0)) return NULL;
    if (sl_expr_equals_const(divisor, 1)) return expr;
    if (expr == divisor) return sl_expr_const(context, 1);
    sl_expr_term self[2], step;
    sl_expr factor[2], quotient = sl_expr_const(context, 0);
    const sl_expr_term *terms, *leading;
    sl_expr_terms(divisor, &self[1], &factor[1], &leading);
    /* Long division: the order of terms is admissible, so each step takes the leading term away. */
    for (int i = 0; i < MOST_DIVISION_STEPS; i++) {
        if (sl_expr_terms(expr, &self[0], &factor[0], &terms) == 0) return quotient;
        if (!divide_term(context, &terms[0], &leading[0], &step)) return NULL;
        sl_expr part = sl_expr_from_terms(context, 1, &step);
        quotient = sl_expr_add(context, quotient, part);
        expr = sl_expr_sub(context, expr, sl_expr_mul(context, part, divisor));
    }
    return NULL;
}

static sl_expr intern_binary(sl_context *context, sl_expr_kind kind, sl_expr a, sl_expr b) {
    struct sl_expr_data key = {.kind = kind, .operands = {a, b}};
    return intern_expr(context, &key);
}

/* Splits expr into divisor * quotient + remainder for a divisor of one term. By a constant, coefficients are reduced below it too: the constant term to
 * [0, divisor), others toward zero, so that -x stays -x. */
static void split_by(sl_context *context, sl_expr expr, const sl_expr_term *divisor, sl_expr *quotient, sl_expr *remainder) {
    sl_expr_term self;
    sl_expr factor;
    const sl_expr_term *terms;
    size_t count = (size_t)sl_expr_terms(expr, &self, &factor, &terms);
    sl_expr_term *whole = new_terms(context, count), *rest = new_terms(context, count);
    for (size_t t = 0; t < count; t++) {
        whole[t].coefficient = 0;
        rest[t] = terms[t];
        if (divisor->factor_count) {
            if (divide_term(context, &terms[t], divisor, &whole[t])) rest[t].coefficient = 0;
        } else {
            whole[t] = terms[t];
            int64_t quotient_value = terms[t].factor_count ? terms[t].coefficient / divisor->coefficient
                                                           : floor_div(terms[t].coefficient, divisor->coefficient);
            whole[t].coefficient = quotient_value;
            rest[t].coefficient -= quotient_value * divisor->coefficient;
        }
    }
    *quotient = sl_expr_from_terms(context, count, whole);
    *remainder = sl_expr_from_terms(context, count, rest);
}

/* Greatest common factor of `value` and the coefficients of all terms but the constant one. */
static int64_t common_factor(sl_expr expr, int64_t value) {
    sl_expr_term self;
    sl_expr factor;
    const sl_expr_term *terms;
    int count = sl_expr_terms(expr, &self, &factor, &terms);
    uint64_t common = magnitude(value);
    for (int t = 0; t < count; t++)
        if (terms[t].factor_count) common = gcd(common, magnitude(terms[t].coefficient));
    return (int64_t)common;
}

/* expr == factor * scaled + offset, 0 <= offset < factor, for a factor that divides all non-constant coefficients. */
static sl_expr scale_down(sl_context *context, sl_expr expr, int64_t factor, int64_t *offset) {
    sl_expr_term divisor = {.coefficient = factor};
    sl_expr quotient, remainder;
    split_by(context, expr, &divisor, &quotient, &remainder);
    *offset = sl_expr_const_or(remainder, 0);
    return quotient;
}

/* A non-negative expr proved smaller than the divisor. */
static bool is_below(sl_context *context, sl_expr expr, sl_expr divisor) {
    int64_t bound, value;
    if (!sl_expr_lower_bound(expr, false, &bound) || bound < 0) return false;
    sl_expr_range range = sl_expr_get_range(expr, false);
    if (sl_expr_is_const(divisor, &value)) return range.has_high && range.high < value;
    sl_expr gap = sl_expr_sub(context, divisor, expr);
    return sl_expr_lower_bound(gap, false, &bound) && bound >= 1;
}

/* expr == floordiv(inner, divisor) + offset with constants divisor and offset. */
static bool is_shifted_division(sl_expr expr, sl_expr *inner, int64_t *divisor, int64_t *offset) {
    sl_expr_term self;
    sl_expr factor;
    const sl_expr_term *terms;
    int count = sl_expr_terms(expr, &self, &factor, &terms);
    if (count < 1 || count > 2 || terms[0].coefficient != 1 || terms[0].factor_count != 1) return false;
    if (count == 2 && terms[1].factor_count) return false;
    sl_expr atom = terms[0].factors[0];
    *offset = count == 2 ? terms[1].coefficient : 0;
    if (atom->kind != SL_EXPR_FLOORDIV || !sl_expr_is_const(atom->operands[1], divisor)) return false;
    *inner = atom->operands[0];
    return *divisor > 0;
}

sl_expr sl_expr_floordiv(sl_context *context, sl_expr a, sl_expr b) {
    int64_t left, value;
    if (sl_expr_equals_const(a, 0) || sl_expr_equals_const(b, 1)) return a;
    bool constant = sl_expr_is_const(b, &value);
    if (constant && value <= 0) return intern_binary(context, SL_EXPR_FLOORDIV, a, b);   /* not defined: fails when evaluated */
    if (constant && sl_expr_is_const(a, &left)) return sl_expr_const(context, floor_div(left, value));
    sl_expr exact = sl_expr_divide_exact(context, a, b);
    if (exact) return exact;
    sl_expr_term self;
    sl_expr factor, quotient, rest;
    const sl_expr_term *divisor;
    if (sl_expr_terms(b, &self, &factor, &divisor) != 1 || divisor->coefficient < 0)
        return is_below(context, a, b) ? sl_expr_const(context, 0) : intern_binary(context, SL_EXPR_FLOORDIV, a, b);
    split_by(context, a, divisor, &quotient, &rest);
    if (is_below(context, rest, b)) return quotient;
    if (constant) {
        int64_t common = common_factor(rest, value), offset, inner_divisor, shift, merged;
        if (common > 1) {
            rest = scale_down(context, rest, common, &offset);
            return sl_expr_add(context, quotient, sl_expr_floordiv(context, rest, sl_expr_const(context, value / common)));
        }
        sl_expr inner;
        if (is_shifted_division(rest, &inner, &inner_divisor, &offset) && !__builtin_mul_overflow(offset, inner_divisor, &shift) &&
            !__builtin_mul_overflow(value, inner_divisor, &merged)) {
            inner = sl_expr_add(context, inner, sl_expr_const(context, shift));
            return sl_expr_add(context, quotient, sl_expr_floordiv(context, inner, sl_expr_const(context, merged)));
        }
    }
    return sl_expr_add(context, quotient, intern_binary(context, SL_EXPR_FLOORDIV, rest, b));
}

sl_expr sl_expr_ceildiv(sl_context *context, sl_expr a, sl_expr b) {
    int64_t value;
    if (sl_expr_equals_const(a, 0) || sl_expr_equals_const(b, 1)) return a;
    if (sl_expr_is_const(b, &value) && value > 0)
        return sl_expr_floordiv(context, sl_expr_add(context, a, sl_expr_const(context, value - 1)), b);
    sl_expr exact = sl_expr_divide_exact(context, a, b);
    return exact ? exact : intern_binary(context, SL_EXPR_CEILDIV, a, b);
}

/* Replaces terms k * mod(x, d) by k * x where d is a multiple of `value`. NULL when there are none. */
static sl_expr drop_inner_mods(sl_context *context, sl_expr expr, int64_t value) {
    sl_expr_term self;
    sl_expr factor, result = expr;
    const sl_expr_term *terms;
    int count = sl_expr_terms(expr, &self, &factor, &terms);
    for (int t = 0; t < count; t++) {
        int64_t inner;
        if (terms[t].factor_count != 1 || terms[t].factors[0]->kind != SL_EXPR_MOD) continue;
        sl_expr mod = terms[t].factors[0];
        if (!sl_expr_is_const(mod->operands[1], &inner) || inner <= 0 || inner % value) continue;
        sl_expr change = sl_expr_sub(context, mod->operands[0], mod);
        result = sl_expr_add(context, result, sl_expr_mul(context, change, sl_expr_const(context, terms[t].coefficient)));
    }
    return result == expr ? NULL : result;
}

sl_expr sl_expr_mod(sl_context *context, sl_expr a, sl_expr b) {
    int64_t value;
    sl_expr zero = sl_expr_const(context, 0);
    if (sl_expr_equals_const(a, 0) || sl_expr_equals_const(b, 1)) return zero;
    bool constant = sl_expr_is_const(b, &value);
    if (constant && value <= 0) return intern_binary(context, SL_EXPR_MOD, a, b);
    if (sl_expr_divide_exact(context, a, b)) return zero;
    sl_expr_term self;
    sl_expr factor, quotient, rest = a;
    const sl_expr_term *divisor;
    if (sl_expr_terms(b, &self, &factor, &divisor) == 1 && divisor->coefficient > 0) split_by(context, a, divisor, &quotient, &rest);
    if (sl_expr_is_const(rest, NULL) && constant) return rest;   /* split_by left it in [0, value) */
    if (is_below(context, rest, b)) return rest;
    if (constant) {
        sl_expr simpler = drop_inner_mods(context, rest, value);
        if (simpler) return sl_expr_mod(context, simpler, b);
        int64_t common = common_factor(rest, value), offset;
        if (common > 1) {
            rest = sl_expr_mod(context, scale_down(context, rest, common, &offset), sl_expr_const(context, value / common));
            return sl_expr_add(context, sl_expr_mul(context, rest, sl_expr_const(context, common)), sl_expr_const(context, offset));
        }
    }
    return intern_binary(context, SL_EXPR_MOD, rest, b);
}

/* ---- minimum, maximum, broadcast: all three symmetric ---- */

static sl_expr intern_symmetric(sl_context *context, sl_expr_kind kind, sl_expr a, sl_expr b) {
    if (a->kind == kind && (a->operands[0] == b || a->operands[1] == b)) return a;
    if (b->kind == kind && (b->operands[0] == a || b->operands[1] == a)) return b;
    return sl_expr_compare(a, b) < 0 ? intern_binary(context, kind, a, b) : intern_binary(context, kind, b, a);
}

sl_expr sl_expr_min(sl_context *context, sl_expr a, sl_expr b) {
    int64_t bound;
    if (a == b) return a;
    if (sl_expr_lower_bound(sl_expr_sub(context, b, a), false, &bound) && bound >= 0) return a;
    if (sl_expr_lower_bound(sl_expr_sub(context, a, b), false, &bound) && bound >= 0) return b;
    return intern_symmetric(context, SL_EXPR_MIN, a, b);
}

sl_expr sl_expr_max(sl_context *context, sl_expr a, sl_expr b) {
    int64_t bound;
    if (a == b) return a;
    if (sl_expr_lower_bound(sl_expr_sub(context, b, a), false, &bound) && bound >= 0) return b;
    if (sl_expr_lower_bound(sl_expr_sub(context, a, b), false, &bound) && bound >= 0) return a;
    return intern_symmetric(context, SL_EXPR_MAX, a, b);
}

sl_expr sl_expr_bcast(sl_context *context, sl_expr a, sl_expr b) {
    int64_t bound;
    if (a == b || sl_expr_equals_const(b, 1)) return a;
    if (sl_expr_equals_const(a, 1)) return b;
    if (sl_expr_is_const(a, NULL)) return a;   /* not 1, so b must be 1 or the same */
    if (sl_expr_is_const(b, NULL)) return b;
    if (sl_expr_lower_bound(a, false, &bound) && bound >= 2) return a;
    if (sl_expr_lower_bound(b, false, &bound) && bound >= 2) return b;
    return intern_symmetric(context, SL_EXPR_BCAST, a, b);
}

sl_expr sl_expr_binary(sl_context *context, sl_expr_kind kind, sl_expr a, sl_expr b) {
    switch (kind) {
    case SL_EXPR_CONST:
    case SL_EXPR_SYMBOL:
    case SL_EXPR_LOOP: break;
    case SL_EXPR_SUM: return sl_expr_add(context, a, b);
    case SL_EXPR_FLOORDIV: return sl_expr_floordiv(context, a, b);
    case SL_EXPR_CEILDIV: return sl_expr_ceildiv(context, a, b);
    case SL_EXPR_MOD: return sl_expr_mod(context, a, b);
    case SL_EXPR_MIN: return sl_expr_min(context, a, b);
    case SL_EXPR_MAX: return sl_expr_max(context, a, b);
    case SL_EXPR_BCAST: return sl_expr_bcast(context, a, b);
    }
    assert(!"not a binary kind");
    return a;
}
