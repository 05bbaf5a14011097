/* op_table.h: the one declarative list of ops (ir/ops/ops.def) expanded to enum, names, schemas and hooks.
 *
 * Row:       SL_OP(family, name, operands, results, regions, traits, infer, verify, doc)
 *            operands/results: N, or SL_AT_LEAST(n), or SL_BETWEEN(n, m). infer/verify: a hook's suffix or `none`; the functions are
 *            sl_infer_<suffix> and sl_verify_<suffix> (declared from the table, defined in ir/infer_*.c and ir/verify_*.c).
 * Attribute: SL_OP_ATTR(family, name, attribute, KIND, required|optional, doc), following its op's row. KIND is an sl_attr_kind suffix.
 * Constraint: SL_OP_WHERE(family, name, predicate), following its op's row: a named predicate of ir/constraints.def, whose sentence
 *            diagnostics print.
 */
#ifndef SLUICE_OP_TABLE_H
#define SLUICE_OP_TABLE_H

#include "sluice/attr.h"

typedef enum sl_op_kind {
#define SL_OP(family, name, operands, results, regions, traits, infer, verify, doc) SL_OP_##family##_##name,
#define SL_OP_ATTR(family, name, attribute, kind, need, doc)
#define SL_OP_WHERE(family, name, predicate)
#include "sluice/ops/ops.def"
#undef SL_OP
#undef SL_OP_ATTR
#undef SL_OP_WHERE
    SL_OP_COUNT
} sl_op_kind;

enum {
    SL_TRAIT_NONE = 0,
    SL_TRAIT_PURE = 1u << 0,          /* no effect but its results; may be folded, deduplicated, dropped */
    SL_TRAIT_ELEMENTWISE = 1u << 1,   /* on scalars, vectors and tensors alike; all operands and results have one shape */
    SL_TRAIT_COMMUTATIVE = 1u << 2,
    SL_TRAIT_TERMINATOR = 1u << 3,
    SL_TRAIT_ISOLATED = 1u << 4,      /* its regions capture nothing */
    SL_TRAIT_SYMBOL = 1u << 5,        /* named by attribute sym_name */
    SL_TRAIT_RANDOM = 1u << 6,        /* not to be deduplicated or folded */
    SL_TRAIT_ALIAS = 1u << 7,         /* result may share the first operand's memory (reshape, view) */
    SL_TRAIT_BINDS = 1u << 8,         /* may give fresh symbols in its result types their values: not dead while a symbol is mentioned elsewhere */
};

typedef struct sl_count_range { int16_t least, most; } sl_count_range;   /* most -1: unbounded */

typedef struct sl_op sl_op;
typedef struct sl_value sl_value;
typedef struct sl_infer_request sl_infer_request;
typedef struct sl_op_info sl_op_info;

typedef struct sl_attr_info { const char *name; sl_attr_kind kind; bool required; const char *doc; } sl_attr_info;
typedef struct sl_constraint_info { const char *name; const char *sentence; bool (*holds)(const sl_op *op); } sl_constraint_info;

/* Sets result types from operand types and attributes. On failure calls sl_infer_fail and returns false. */
typedef bool (*sl_infer_fn)(sl_infer_request *request);
/* Reports every violation by sl_op_report and returns false when there was any. Counts, attribute kinds and table constraints are checked before. */
typedef bool (*sl_verify_fn)(const sl_op *op);

struct sl_op_info {
    const char *family, *name, *full_name;
    sl_op_kind kind;
    sl_count_range operands, results;
    int regions;                      /* -1: any number */
    uint32_t traits;
    sl_infer_fn infer;                /* NULL: result types must be given */
    sl_verify_fn verify;              /* may be NULL */
    const char *doc;
    const sl_attr_info *attrs; int attr_count;
    const sl_constraint_info *const *constraints; int constraint_count;
};

struct sl_infer_request {
    sl_context *context;
    sl_op_kind kind;
    int operand_count;
    sl_value *const *operands;        /* for their types and constants */
    int attr_count;
    const struct sl_named_attr *attrs;
    int result_count;                 /* in: 0. out */
    sl_type results[SL_MAX_RANK];     /* out */
    const char *message;              /* out, when it failed; allocated in the context's arena */
};
SL_PRINTF(2, 3) bool sl_infer_fail(sl_infer_request *request, const char *format, ...);   /* returns false */
sl_attr sl_infer_attr(const sl_infer_request *request, const char *name);

const sl_op_info *sl_op_info_get(sl_op_kind kind);
bool sl_op_kind_find(const char *full_name, size_t length, sl_op_kind *kind);

#endif
