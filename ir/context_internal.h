/* context_internal.h: bodies of the interned things (types, expressions, attributes, locations) and of the context that owns them. */
#ifndef SLUICE_CONTEXT_INTERNAL_H
#define SLUICE_CONTEXT_INTERNAL_H

#include "sluice/context.h"

/* Open-addressing set of immutable items on the context's arena. */
typedef struct sl_intern_table {
    uint64_t *hashes;
    const void **items;   /* NULL: free */
    size_t count, capacity;
} sl_intern_table;

/* An item that is equal to `key`, else NULL. */
const void *sl_intern_find(const sl_intern_table *table, uint64_t hash, bool (*equal)(const void *key, const void *item), const void *key);
void sl_intern_add(sl_arena *arena, sl_intern_table *table, uint64_t hash, const void *item);
/* Order-dependent combination of hashes. */
static inline uint64_t sl_hash_mix(uint64_t hash, uint64_t value) {
    hash = (hash ^ value) * 0x9E3779B97F4A7C15u;
    return hash ^ (hash >> 32);
}

struct sl_context {
    sl_allocator allocator;
    sl_arena *arena;
    sl_diag_sink *sink;
    sl_diag_sink own_sink;   /* used when the creator gave none: drops, but counts */
    sl_intern_table strings, exprs, types, attrs, locs;
    uint32_t expr_count;
    int64_t next_fresh;
    sl_loc unknown_loc;
};

typedef struct sl_interned_string { size_t length; char text[]; } sl_interned_string;

/* ---- expr ---- */

typedef struct sl_expr_term {
    int64_t coefficient;           /* never 0 */
    int factor_count;              /* 0: the constant term */
    const sl_expr *factors;        /* in sl_expr_compare order */
} sl_expr_term;

struct sl_expr_data {
    sl_expr_kind kind;
    bool uses_loops, uses_symbols, fresh;
    uint32_t id;
    uint32_t size;                 /* nodes of the expression written out as a tree, saturating */
    uint64_t hash;
    int64_t number;                /* CONST: value; LOOP: index; fresh SYMBOL: its number */
    const char *name;              /* SYMBOL, interned */
    int term_count;                /* SUM; in order of descending degree, the constant last */
    const sl_expr_term *terms;
    sl_expr operands[2];           /* binary atoms */
};

/* The terms of any expression, as sl_expr_term_count promises. `self_term` and `self_factor` are the storage for a non-sum. */
int sl_expr_terms(sl_expr expr, sl_expr_term *self_term, sl_expr *self_factor, const sl_expr_term **terms);
/* Total order that depends on structure only, so that printed text doesn't depend on the order of creation. */
int sl_expr_compare(sl_expr a, sl_expr b);
int sl_expr_compare_monomials(const sl_expr_term *a, const sl_expr_term *b);
/* Interval of values with symbols >= 0 (or >= 1) and loop indices >= 0. */
typedef struct sl_expr_range { bool has_low, has_high; int64_t low, high; } sl_expr_range;
sl_expr_range sl_expr_get_range(sl_expr expr, bool positive);
/* Sum of any terms (coefficients may be 0, monomials may repeat), interned. */
sl_expr sl_expr_from_terms(sl_context *context, size_t count, sl_expr_term *terms);

/* ---- type ---- */

struct sl_type_data {
    sl_type_kind kind;
    sl_element element;
    int rank;                      /* tensor, buffer; -1: unranked tensor or bare pointer */
    const sl_expr *dims;
    sl_attr encoding;
    int number;                    /* vector: lanes; partition: branches */
    sl_type item;                  /* list, optional */
};

/* ---- attr ---- */

struct sl_attr_data {
    sl_attr_kind kind;
    bool splat;
    bool by_identity;              /* DATA: compared by address of its bytes, not by their content */
    int count;                     /* items, ints, map results */
    int loops;                     /* MAP */
    int64_t integer;               /* INT, BOOL; DATA: size in bytes; STRING: length */
    double number;
    const char *text;              /* STRING, ENCODING: name; interned */
    sl_type type;
    sl_expr expr;
    const sl_attr *items;
    const int64_t *ints;
    const sl_expr *results;
    const void *bytes;
};

/* ---- loc ---- */

typedef enum sl_loc_kind { SL_LOC_UNKNOWN, SL_LOC_FILE, SL_LOC_NODE, SL_LOC_FUSED } sl_loc_kind;

struct sl_loc_data {
    sl_loc_kind kind;
    const char *file, *node, *op;  /* interned */
    int line, column;
    int count;                     /* FUSED */
    const sl_loc *parts;
};

#endif
