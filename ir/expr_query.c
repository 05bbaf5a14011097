/* expr_query.c: what can be asked of expressions: structure, bounds, divisibility, substitution, evaluation, text. Expressions are at most
 * SL_EXPR_MAX_SIZE nodes as a tree, so plain recursion is safe. */
#include "context_internal.h"
#include <assert.h>
#include <string.h>

/* ---- structure ---- */

sl_expr_kind sl_expr_get_kind(sl_expr expr) { return expr->kind; }

bool sl_expr_is_const(sl_expr expr, int64_t *value) {
    if (expr->kind != SL_EXPR_CONST) return false;
    if (value) *value = expr->number;
    return true;
}

int64_t sl_expr_const_or(sl_expr expr, int64_t otherwise) { return expr->kind == SL_EXPR_CONST ? expr->number : otherwise; }
bool sl_expr_equals_const(sl_expr expr, int64_t value) { return expr->kind == SL_EXPR_CONST && expr->number == value; }

const char *sl_expr_symbol_name(sl_expr expr) {
    assert(expr->kind == SL_EXPR_SYMBOL);
    return expr->name;
}

bool sl_expr_is_fresh(sl_expr expr) { return expr->fresh; }

int sl_expr_loop_index(sl_expr expr) {
    assert(expr->kind == SL_EXPR_LOOP);
    return (int)expr->number;
}

int sl_expr_term_count(sl_expr expr) {
    if (expr->kind == SL_EXPR_SUM) return expr->term_count;
    return expr->kind != SL_EXPR_CONST || expr->number != 0;
}

int64_t sl_expr_term_coefficient(sl_expr expr, int term) {
    assert(term >= 0 && term < sl_expr_term_count(expr));
    if (expr->kind == SL_EXPR_SUM) return expr->terms[term].coefficient;
    return expr->kind == SL_EXPR_CONST ? expr->number : 1;
}

int sl_expr_term_factor_count(sl_expr expr, int term) {
    assert(term >= 0 && term < sl_expr_term_count(expr));
    if (expr->kind == SL_EXPR_SUM) return expr->terms[term].factor_count;
    return expr->kind != SL_EXPR_CONST;
}

sl_expr sl_expr_term_factor(sl_expr expr, int term, int factor) {
    assert(factor >= 0 && factor < sl_expr_term_factor_count(expr, term));
    return expr->kind == SL_EXPR_SUM ? expr->terms[term].factors[factor] : expr;
}

sl_expr sl_expr_operand(sl_expr expr, int index) {
    assert(expr->kind >= SL_EXPR_FLOORDIV && index >= 0 && index < 2);
    return expr->operands[index];
}

uint32_t sl_expr_id(sl_expr expr) { return expr->id; }

bool sl_expr_uses_any_loop(sl_expr expr) { return expr->uses_loops; }

static bool uses_atom(sl_expr expr, sl_expr_kind kind, int64_t number, sl_expr symbol) {
    if (kind == SL_EXPR_LOOP ? !expr->uses_loops : !expr->uses_symbols) return false;
    if (expr->kind == kind) return kind == SL_EXPR_LOOP ? expr->number == number : expr == symbol;
    for (int t = 0; t < expr->term_count; t++)
        for (int i = 0; i < expr->terms[t].factor_count; i++)
            if (uses_atom(expr->terms[t].factors[i], kind, number, symbol)) return true;
    for (int i = 0; i < 2 && expr->operands[i]; i++)
        if (uses_atom(expr->operands[i], kind, number, symbol)) return true;
    return false;
}

bool sl_expr_uses_loop(sl_expr expr, int loop) { return uses_atom(expr, SL_EXPR_LOOP, loop, NULL); }
bool sl_expr_uses_symbol(sl_expr expr, sl_expr symbol) { return uses_atom(expr, SL_EXPR_SYMBOL, 0, symbol); }

/* The symbol with the least id that is at least `from`. */
static void find_symbol(sl_expr expr, uint32_t from, sl_expr *best) {
    if (!expr->uses_symbols) return;
    if (expr->kind == SL_EXPR_SYMBOL) {
        if (expr->id >= from && (!*best || expr->id < (*best)->id)) *best = expr;
        return;
    }
    for (int t = 0; t < expr->term_count; t++)
        for (int i = 0; i < expr->terms[t].factor_count; i++) find_symbol(expr->terms[t].factors[i], from, best);
    for (int i = 0; i < 2 && expr->operands[i]; i++) find_symbol(expr->operands[i], from, best);
}

void sl_expr_visit_symbols(sl_expr expr, void (*visit)(void *self, sl_expr symbol), void *self) {
    /* By increasing id: each once, with no memory for a set. */
    for (uint32_t from = 0;;) {
        sl_expr symbol = NULL;
        find_symbol(expr, from, &symbol);
        if (!symbol) return;
        visit(self, symbol);
        from = symbol->id + 1;
    }
}

bool sl_expr_split_linear(sl_context *context, sl_expr expr, int loop, sl_expr *coefficient, sl_expr *rest) {
    sl_expr_term self;
    sl_expr factor, sum = sl_expr_const(context, 0), others = sum;
    const sl_expr_term *terms;
    int count = sl_expr_terms(expr, &self, &factor, &terms);
    for (int t = 0; t < count; t++) {
        sl_expr product = sl_expr_const(context, terms[t].coefficient);
        int uses = 0;
        for (int i = 0; i < terms[t].factor_count; i++) {
            sl_expr part = terms[t].factors[i];
            if (part->kind == SL_EXPR_LOOP && part->number == loop && uses++ == 0) continue;
            if (sl_expr_uses_loop(part, loop)) return false;
            product = sl_expr_mul(context, product, part);
        }
        if (uses) sum = sl_expr_add(context, sum, product);
        else others = sl_expr_add(context, others, product);
    }
    if (coefficient) *coefficient = sum;
    if (rest) *rest = others;
    return true;
}

/* ---- substitution and evaluation ---- */

sl_expr sl_expr_substitute(sl_context *context, sl_expr expr, const sl_expr *loops, int count, sl_expr_symbol_fn symbol, void *self) {
    if (!(expr->uses_loops && count > 0) && !(expr->uses_symbols && symbol)) return expr;
    switch (expr->kind) {
    case SL_EXPR_CONST: return expr;
    case SL_EXPR_LOOP: return expr->number < count && loops[expr->number] ? loops[expr->number] : expr;
    case SL_EXPR_SYMBOL: {
        sl_expr replacement = symbol ? symbol(self, expr) : NULL;
        return replacement ? replacement : expr;
    }
    case SL_EXPR_SUM: {
        sl_expr sum = sl_expr_const(context, 0);
        for (int t = 0; t < expr->term_count; t++) {
            sl_expr product = sl_expr_const(context, expr->terms[t].coefficient);
            for (int i = 0; i < expr->terms[t].factor_count; i++)
                product = sl_expr_mul(context, product, sl_expr_substitute(context, expr->terms[t].factors[i], loops, count, symbol, self));
            sum = sl_expr_add(context, sum, product);
        }
        return sum;
    }
    case SL_EXPR_FLOORDIV:
    case SL_EXPR_CEILDIV:
    case SL_EXPR_MOD:
    case SL_EXPR_MIN:
    case SL_EXPR_MAX:
    case SL_EXPR_BCAST:
        return sl_expr_binary(context, expr->kind, sl_expr_substitute(context, expr->operands[0], loops, count, symbol, self),
                              sl_expr_substitute(context, expr->operands[1], loops, count, symbol, self));
    }
    return expr;
}

static bool evaluate_sum(sl_expr expr, sl_expr_value_fn value, void *self, int64_t *result) {
    __int128 sum = 0;
    for (int t = 0; t < expr->term_count; t++) {
        int64_t product = expr->terms[t].coefficient, factor;
        bool overflow = false, zero = false;
        for (int i = 0; i < expr->terms[t].factor_count; i++) {
            if (!sl_expr_evaluate(expr->terms[t].factors[i], value, self, &factor)) return false;
            zero |= factor == 0;
            overflow |= __builtin_mul_overflow(product, factor, &product);
        }
        if (zero) continue;   /* 0 times anything is 0, in whatever order the factors stand */
        if (overflow) return false;
        sum += product;
    }
    *result = (int64_t)sum;
    return sum == *result;
}

bool sl_expr_evaluate(sl_expr expr, sl_expr_value_fn value, void *self, int64_t *result) {
    int64_t a, b;
    switch (expr->kind) {
    case SL_EXPR_CONST: *result = expr->number; return true;
    case SL_EXPR_SYMBOL:
    case SL_EXPR_LOOP: return value && value(self, expr, result);
    case SL_EXPR_SUM: return evaluate_sum(expr, value, self, result);
    case SL_EXPR_FLOORDIV:
    case SL_EXPR_CEILDIV:
    case SL_EXPR_MOD:
    case SL_EXPR_MIN:
    case SL_EXPR_MAX:
    case SL_EXPR_BCAST: break;
    }
    if (!sl_expr_evaluate(expr->operands[0], value, self, &a) || !sl_expr_evaluate(expr->operands[1], value, self, &b)) return false;
    switch (expr->kind) {
    case SL_EXPR_FLOORDIV:
    case SL_EXPR_CEILDIV:
    case SL_EXPR_MOD: {
        if (b <= 0) return false;
        int64_t rest = a % b < 0 ? a % b + b : a % b, floor = a / b - (a % b < 0);
        *result = expr->kind == SL_EXPR_MOD ? rest : floor + (expr->kind == SL_EXPR_CEILDIV && rest != 0);
        return true;
    }
    case SL_EXPR_MIN: *result = a < b ? a : b; return true;
    case SL_EXPR_MAX: *result = a > b ? a : b; return true;
    case SL_EXPR_BCAST: *result = a == 1 ? b : a; return true;
    case SL_EXPR_CONST:
    case SL_EXPR_SYMBOL:
    case SL_EXPR_LOOP:
    case SL_EXPR_SUM: break;
    }
    return false;
}

/* ---- bounds and divisibility ---- */

static sl_expr_range range_unknown(void) { return (sl_expr_range){0}; }

static sl_expr_range range_of_term(const sl_expr_term *term, bool positive) {
    sl_expr_range product = {true, true, 1, 1};
    for (int i = 0; i < term->factor_count; i++) {
        sl_expr_range factor = sl_expr_get_range(term->factors[i], positive);
        if (!factor.has_low || factor.low < 0) return range_unknown();
        product.has_low &= !__builtin_mul_overflow(product.low, factor.low, &product.low);
        product.has_high &= factor.has_high && !__builtin_mul_overflow(product.high, factor.high, &product.high);
    }
    int64_t low = 0, high = 0;
    product.has_low &= !__builtin_mul_overflow(product.low, term->coefficient, &low);
    product.has_high &= !__builtin_mul_overflow(product.high, term->coefficient, &high);
    if (term->coefficient >= 0) return (sl_expr_range){product.has_low, product.has_high, low, high};
    return (sl_expr_range){product.has_high, product.has_low, high, low};
}

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }   /* b > 0 */

sl_expr_range sl_expr_get_range(sl_expr expr, bool positive) {
    sl_expr_range a, b, result = range_unknown();
    switch (expr->kind) {
    case SL_EXPR_CONST: return (sl_expr_range){true, true, expr->number, expr->number};
    case SL_EXPR_SYMBOL: return (sl_expr_range){true, false, positive, 0};
    case SL_EXPR_LOOP: return (sl_expr_range){true, false, 0, 0};
    case SL_EXPR_SUM:
        result = (sl_expr_range){true, true, 0, 0};
        for (int t = 0; t < expr->term_count && (result.has_low || result.has_high); t++) {
            a = range_of_term(&expr->terms[t], positive);
            result.has_low &= a.has_low && !__builtin_add_overflow(result.low, a.low, &result.low);
            result.has_high &= a.has_high && !__builtin_add_overflow(result.high, a.high, &result.high);
        }
        return result;
    case SL_EXPR_FLOORDIV:
    case SL_EXPR_CEILDIV:
    case SL_EXPR_MOD:
    case SL_EXPR_MIN:
    case SL_EXPR_MAX:
    case SL_EXPR_BCAST: break;
    }
    a = sl_expr_get_range(expr->operands[0], positive);
    b = sl_expr_get_range(expr->operands[1], positive);
    bool natural = a.has_low && a.low >= 0, constant = b.has_low && b.has_high && b.low == b.high && b.low > 0;
    switch (expr->kind) {
    case SL_EXPR_FLOORDIV:
        if (constant) return (sl_expr_range){a.has_low, a.has_high, a.has_low ? floor_div(a.low, b.low) : 0, a.has_high ? floor_div(a.high, b.low) : 0};
        return natural ? (sl_expr_range){true, a.has_high, 0, a.high} : result;   /* divisors are at least 1 */
    case SL_EXPR_CEILDIV: return natural ? (sl_expr_range){true, a.has_high, a.low > 0, a.high} : result;
    case SL_EXPR_MOD:
        result = (sl_expr_range){true, b.has_high, 0, b.has_high ? b.high - 1 : 0};
        if (natural && a.has_high && (!result.has_high || a.high < result.high)) {
            result.has_high = true;
            result.high = a.high;
        }
        return result;
    case SL_EXPR_MIN:
        result.has_low = a.has_low && b.has_low;
        result.low = a.low < b.low ? a.low : b.low;
        result.has_high = a.has_high || b.has_high;
        result.high = !a.has_high ? b.high : !b.has_high ? a.high : a.high < b.high ? a.high : b.high;
        return result;
    case SL_EXPR_MAX:
        result.has_low = a.has_low || b.has_low;
        result.low = !a.has_low ? b.low : !b.has_low ? a.low : a.low > b.low ? a.low : b.low;
        result.has_high = a.has_high && b.has_high;
        result.high = a.high > b.high ? a.high : b.high;
        return result;
    case SL_EXPR_BCAST:
        result.has_low = a.has_low && b.has_low;
        result.low = a.low < b.low ? a.low : b.low;
        result.has_high = a.has_high && b.has_high;
        result.high = a.high > b.high ? a.high : b.high;
        return result;
    case SL_EXPR_CONST:
    case SL_EXPR_SYMBOL:
    case SL_EXPR_LOOP:
    case SL_EXPR_SUM: break;
    }
    return result;
}

bool sl_expr_lower_bound(sl_expr expr, bool positive, int64_t *bound) {
    sl_expr_range range = sl_expr_get_range(expr, positive);
    if (range.has_low && bound) *bound = range.low;
    return range.has_low;
}

bool sl_expr_is_multiple_of(sl_expr expr, int64_t factor) {
    if (factor == 0) return sl_expr_equals_const(expr, 0);
    if (factor == 1 || factor == -1) return true;
    sl_expr_term self;
    sl_expr self_factor;
    const sl_expr_term *terms;
    int count = sl_expr_terms(expr, &self, &self_factor, &terms);
    for (int t = 0; t < count; t++) {
        uint64_t left = factor < 0 ? 0 - (uint64_t)factor : (uint64_t)factor;   /* what is still to be found among the factors */
        for (int i = -1; i < terms[t].factor_count && left > 1; i++) {
            sl_expr part = i < 0 ? NULL : terms[t].factors[i];
            if (part && part->kind != SL_EXPR_CONST) {
                bool pair = part->kind == SL_EXPR_MIN || part->kind == SL_EXPR_MAX || part->kind == SL_EXPR_BCAST;
                if (left > INT64_MAX) return false;
                if (pair && sl_expr_is_multiple_of(part->operands[0], (int64_t)left) && sl_expr_is_multiple_of(part->operands[1], (int64_t)left)) left = 1;
                if (part->kind == SL_EXPR_SUM && sl_expr_is_multiple_of(part, (int64_t)left)) left = 1;
                continue;
            }
            int64_t value = part ? part->number : terms[t].coefficient;
            uint64_t a = left, b = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
            while (b) {
                uint64_t rest = a % b;
                a = b;
                b = rest;
            }
            left /= a;
        }
        if (left != 1) return false;
    }
    return true;
}

/* ---- text ---- */

/* Whether a symbol's name can stand unquoted: an identifier that isn't a word of the grammar of expressions and types. */
static bool is_plain_name(const char *name) {
    static const char *const reserved[] = {"x", "floordiv", "ceildiv", "mod", "min", "max", "bcast"};
    size_t length = strlen(name);
    sl_element element;
    if (!length || (name[0] >= '0' && name[0] <= '9') || sl_element_parse(name, length, &element)) return false;
    for (size_t i = 0; i < length; i++) {
        char c = name[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_')) return false;
    }
    for (size_t i = 0; i < sizeof(reserved) / sizeof(*reserved); i++)
        if (strcmp(name, reserved[i]) == 0) return false;
    return !(name[0] == 'd' && length > 1 && strspn(name + 1, "0123456789") == length - 1);
}

static void print_term(sl_text *out, const sl_expr_term *term, bool first) {
    bool negative = term->coefficient < 0;
    sl_text_append(out, first ? (negative ? "-" : "") : negative ? " - " : " + ");
    uint64_t magnitude = negative ? 0 - (uint64_t)term->coefficient : (uint64_t)term->coefficient;
    if (magnitude != 1 || term->factor_count == 0) sl_text_append(out, "%llu%s", (unsigned long long)magnitude, term->factor_count ? "*" : "");
    for (int i = 0; i < term->factor_count; i++) {
        sl_expr factor = term->factors[i];
        bool wrap = factor->kind == SL_EXPR_SUM || (factor->kind == SL_EXPR_CONST && factor->number < 0);
        sl_text_append(out, i ? "*%s" : "%s", wrap ? "(" : "");
        sl_expr_print(out, factor);
        if (wrap) sl_text_append(out, ")");
    }
}

void sl_expr_print(sl_text *out, sl_expr expr) {
    const char *name = NULL;
    switch (expr->kind) {
    case SL_EXPR_CONST: sl_text_append(out, "%lld", (long long)expr->number); return;
    case SL_EXPR_SYMBOL:
        if (expr->fresh || is_plain_name(expr->name)) sl_text_append(out, "%s", expr->name);
        else sl_text_append_quoted(out, expr->name);
        return;
    case SL_EXPR_LOOP: sl_text_append(out, "d%lld", (long long)expr->number); return;
    case SL_EXPR_SUM:
        for (int t = 0; t < expr->term_count; t++) print_term(out, &expr->terms[t], t == 0);
        return;
    case SL_EXPR_FLOORDIV: name = "floordiv"; break;
    case SL_EXPR_CEILDIV: name = "ceildiv"; break;
    case SL_EXPR_MOD: name = "mod"; break;
    case SL_EXPR_MIN: name = "min"; break;
    case SL_EXPR_MAX: name = "max"; break;
    case SL_EXPR_BCAST: name = "bcast"; break;
    }
    sl_text_append(out, "%s(", name);
    sl_expr_print(out, expr->operands[0]);
    sl_text_append(out, ", ");
    sl_expr_print(out, expr->operands[1]);
    sl_text_append(out, ")");
}
