/* tile_internal.h: shared by the files of the pass `tile`: the kernel emitter and the evaluator of nests at a point or a vector of points.
 *
 * Index spaces. A kernel is emitted over *canonical* loops: atoms d0, d1, ... shared by all nests of the group (each nest's own loops are expressed in them). Canonical
 * loops are gathered into *sets*: neighbours that can be walked as one flat loop. While code is emitted every set has a `base`: its flat index as an expression over
 * *kernel variables* (loop atoms from TILE_VARIABLE on, each a value of type i64 in the kernel) and possibly over TILE_LANE, the atom that counts 0, 1, ... over the lanes of
 * a vector. So an access becomes one expression over kernel variables; its coefficient of TILE_LANE says whether it is a scalar, a vector of neighbours or a gather.
 *
 * Values. A value of scalar type is the same in all lanes; a vector holds one element per lane. Every emitted pure op sits in the outermost loop in which its operands
 * exist (`level`), so nothing is left for loop-invariant code motion to find; expressions and reads are emitted once per level.
 *
 * A read of a tensor that another nest of the group makes evaluates that nest there and then, unless the value was bound before (row intermediates, accumulators).
 */
#ifndef SLUICE_TILE_INTERNAL_H
#define SLUICE_TILE_INTERNAL_H

#include "nest_build.h"
#include "passes_internal.h"

#define TILE_MAX_LOOPS 64            /* canonical loops */
#define TILE_MAX_SETS 64
#define TILE_MAX_DEPTH 40
#define TILE_MAX_NESTS 64
#define TILE_LANE 1000               /* loop atom: lane number */
#define TILE_VARIABLE 1001           /* loop atoms from here on: kernel variables */

typedef struct tile_set {
    int count;
    int loops[SL_NEST_MAX_LOOPS];    /* canonical, outermost first */
    sl_expr extents[SL_NEST_MAX_LOOPS];
    sl_expr extent;                  /* product */
    sl_expr base;                    /* flat index of lane 0, over kernel variables */
    bool lane;                       /* the lanes walk this set */
    bool aligned;                    /* base is a multiple of the lane count, and so is the innermost extent: a vector never crosses it */
} tile_set;

typedef struct tile_key { uint64_t hash; int count; const void **parts; sl_value *value; } tile_key;

typedef struct tile_scope {
    sl_op *op;                       /* kernel.for or kernel.if that holds the block; NULL for the kernel's own */
    sl_block *block;
    SL_VEC(tile_key) memo;
    int variables;                   /* variables known when it was opened */
    uint32_t epoch;                  /* names the scope among all that there have been */
} tile_scope;

typedef struct tile_argument { sl_value *tensor; sl_expr expr; sl_value *value; } tile_argument;

/* Where a value of the group has been stored for later passes over the row. */
typedef struct tile_stored {
    sl_value *tensor, *buffer;
    bool row[SL_MAX_RANK];           /* dims that the row fixes: not part of the place in the buffer */
    bool lanes;                      /* one element per lane at each place */
} tile_stored;

typedef struct tile_kernel {
    sl_pass_context *pass;
    sl_context *context;
    sl_module *module;
    sl_arena *arena;
    const sl_machine *machine;
    sl_op *group;                    /* nest.group or lone nest.generic */
    sl_op *draft;                    /* kernel.func under construction, arguments in order of discovery */
    sl_builder builder;
    tile_scope scopes[TILE_MAX_DEPTH];
    int depth;                       /* innermost scope */
    int floor;                       /* nothing is emitted further out than this */
    uint32_t epochs;
    SL_VEC(tile_argument) inputs;
    SL_VEC(tile_argument) outputs;
    SL_VEC(tile_argument) dims;
    sl_value *first, *end, *worker;
    SL_VEC(sl_value *) variables;    /* of TILE_VARIABLE + i */
    tile_set sets[TILE_MAX_SETS];
    int set_count, canonical_count;
    int lanes;
    sl_value *mask;                  /* lanes that exist, NULL: all */
    int64_t scratch;                 /* bytes handed out */
    SL_VEC(tile_stored) stored;
    SL_VEC(sl_expr) proven;          /* canonical positions known to be inside (loops trimmed to where they are) */
    sl_expr extents[TILE_MAX_LOOPS]; /* of canonical loops */
    const char *failure;             /* set when the group can't be emitted this way; the draft is then thrown away */
    int frames;                      /* nested evaluations */
    sl_value *whole, *whole_real;    /* an integer that is at hand as f32 too: its cast to f32 is that */
    bool reciprocals;                /* a vector divided by a value of the row is multiplied by its reciprocal (not when rounding must be kept) */
} tile_kernel;

/* ---- tile_emit.c: kernels, loops, expressions, values ---- */
tile_kernel *tile_kernel_begin(sl_pass_context *pass, sl_op *group);
void tile_kernel_drop(tile_kernel *k);
typedef struct tile_launch {
    const char *name, *reason;
    sl_expr tasks, grain;
    double task_cost;                /* estimated cycles of one task, for the grain */
    sl_expr work, bytes;             /* may be NULL */
    int in_place_count;
    int64_t in_place[16];
} tile_launch;
/* Closes the kernel, makes kernel.func and kernel.launch, replaces the group. */
void tile_kernel_finish(tile_kernel *k, const tile_launch *launch);
sl_value *tile_fail(tile_kernel *k, const char *why, sl_element element);   /* notes the failure; a placeholder value */

sl_expr tile_const(tile_kernel *k, int64_t value);
sl_expr tile_add(tile_kernel *k, sl_expr a, sl_expr b);
sl_expr tile_mul(tile_kernel *k, sl_expr a, sl_expr b);
sl_expr tile_lane_expr(tile_kernel *k);
sl_expr tile_variable(tile_kernel *k, sl_value *value);         /* a new kernel variable for an i64 value */
int tile_level_of(tile_kernel *k, const sl_value *value);
int tile_level_of_expr(tile_kernel *k, sl_expr expr);
sl_value *tile_index(tile_kernel *k, sl_expr expr);             /* i64 of an expression without TILE_LANE */
sl_value *tile_index_lanes(tile_kernel *k, sl_expr expr);       /* vector of i64 */
sl_value *tile_i64(tile_kernel *k, int64_t value);

sl_value *tile_for(tile_kernel *k, sl_value *lower, sl_value *upper, sl_value *step, int count, sl_value *const *start, sl_value **carried);
void tile_end(tile_kernel *k, int count, sl_value *const *yields, sl_value **results);
void tile_if(tile_kernel *k, sl_value *condition, int count, const sl_type *types);   /* opens region 0 */
void tile_else(tile_kernel *k, int count, sl_value *const *yields);

sl_value *tile_argument_of(tile_kernel *k, sl_value *tensor);   /* pointer argument of an input tensor */
int tile_output(tile_kernel *k, sl_value *result);              /* declares an output (a result of the group op); its number */
sl_value *tile_output_pointer(tile_kernel *k, int output);
sl_value *tile_scratch(tile_kernel *k, sl_element element, int64_t bytes);

sl_type tile_type(tile_kernel *k, sl_element element, bool vector);
bool tile_is_vector(const sl_value *value);
sl_value *tile_splat(tile_kernel *k, sl_value *value);          /* as a vector of k->lanes; the value itself when it is one */
/* An op whose result has `element`; scalar when all operands are, else a vector. Placed at the operands' level. */
sl_value *tile_op(tile_kernel *k, sl_op_kind kind, sl_element element, int count, sl_value *const *operands, int attr_count, const sl_named_attr *attrs);
sl_value *tile_binary(tile_kernel *k, sl_op_kind kind, sl_value *a, sl_value *b);
sl_value *tile_compare(tile_kernel *k, const char *predicate, sl_value *a, sl_value *b);
sl_value *tile_select(tile_kernel *k, sl_value *condition, sl_value *a, sl_value *b);
sl_value *tile_cast(tile_kernel *k, sl_value *value, sl_element element);
sl_value *tile_constant(tile_kernel *k, sl_attr scalar);        /* scalar constant at the kernel's start */
sl_value *tile_mask_first(tile_kernel *k, sl_value *count);     /* lanes below count */
sl_value *tile_reduce(tile_kernel *k, const char *kind, sl_value *vector);
void tile_assert(tile_kernel *k, sl_value *condition, const char *message);
bool tile_not_negative(sl_expr expr);                           /* by its form; loop atoms and symbols are not negative */
/* Loads and stores at the innermost point (no memo, no motion). `index` is an expression over kernel variables and TILE_LANE. */
sl_value *tile_load(tile_kernel *k, sl_value *buffer, sl_expr index, sl_value *mask);
sl_value *tile_load_at(tile_kernel *k, int level, sl_value *buffer, sl_expr index, sl_value *mask);   /* of memory that nothing in the kernel writes */
void tile_store(tile_kernel *k, sl_value *value, sl_value *buffer, sl_expr index, sl_value *mask);
void tile_prefetch(tile_kernel *k, sl_value *buffer, sl_expr index);
sl_value *tile_pointer(tile_kernel *k, sl_value *buffer, sl_expr offset);    /* kernel.offset at the offset's level */
/* Insertion at a level: returns the old point. */
sl_builder tile_at_level(tile_kernel *k, int level);

/* What was emitted before, by a key of pointers: searched from `level` outwards; kept until the scope of that level closes. */
sl_value *tile_memo_get(tile_kernel *k, int level, int count, const void *const *parts);
void tile_memo_put(tile_kernel *k, int level, int count, const void *const *parts, sl_value *value);

/* ---- tile_value.c: nests evaluated at canonical positions ---- */
sl_expr tile_convert(tile_kernel *k, sl_expr canonical);        /* canonical loops to kernel variables */
sl_expr tile_offset(tile_kernel *k, sl_type type, const sl_expr *positions);   /* canonical row-major element offset */
/* The nest's yielded value number `result`, with loop i of the nest at loops[i] (canonical); cast to the result tensor's element. */
sl_value *tile_evaluate(tile_kernel *k, sl_op *nest, int result, const sl_expr *loops);
/* A set of running values to evaluate a reduction's body with. */
typedef struct tile_frame {
    sl_op *nest;
    const sl_expr *loops;
    sl_value *const *running;        /* per result, may be NULL */
    sl_value_map *values;
} tile_frame;
void tile_frame_init(tile_kernel *k, tile_frame *frame, sl_op *nest, const sl_expr *loops, sl_value *const *running);
sl_value *tile_frame_value(tile_kernel *k, tile_frame *frame, sl_value *value);
void tile_frame_all(tile_kernel *k, tile_frame *frame);         /* evaluates a long body in order */
sl_value *tile_read(tile_kernel *k, sl_value *tensor, const sl_expr *positions, sl_attr outside);
/* Later reads of `tensor` at these canonical positions give `value` (while the innermost scope is open). */
void tile_bind(tile_kernel *k, sl_value *tensor, const sl_expr *positions, sl_value *value);
void tile_write(tile_kernel *k, int output, const sl_expr *positions, sl_value *value);
void tile_result_positions(tile_kernel *k, sl_op *nest, int result, const sl_expr *loops, sl_expr *positions);
/* The loops of the nest that makes `tensor`, from the positions at which it is read; false when its result map can't be turned around. */
bool tile_loops_at(tile_kernel *k, sl_value *tensor, const sl_expr *positions, sl_expr *loops);
/* Elements kept for later passes: where tile_keep stores them, reads find them. */
void tile_keep(tile_kernel *k, const tile_stored *stored, const sl_expr *positions, sl_value *value);
/* The position operand of nest.extract as a canonical expression; NULL when it is data. */
sl_expr tile_position_expr(tile_kernel *k, sl_value *value, const sl_expr *loops);
sl_attr tile_splat_constant(tile_kernel *k, const sl_value *tensor);   /* the scalar that all elements of a constant are, or NULL */
bool tile_is_inside(tile_kernel *k, const sl_value *tensor);    /* made by a nest of the group */

/* ---- tile_space.c: accesses, collapsing, choice of the vector loop ---- */
typedef struct tile_access {
    sl_value *tensor;
    sl_expr offset;                  /* canonical */
    bool store;
    bool position;                   /* not an access: an index whose value is used (nest.index, guarded dimension) */
    bool division_ok;                /* position that may be taken from a flat index by division (a guard on an outer loop) */
    sl_element element;
} tile_access;
typedef struct tile_space {
    int loops;
    sl_expr extents[TILE_MAX_LOOPS];
    bool reduced[TILE_MAX_LOOPS];
    SL_VEC(tile_access) accesses;
    double body_cost;                /* scalar operations per point */
    bool lane_safe;                  /* all element types may be in vectors */
    int widest;                      /* bits of the widest element */
    const char *failure;
    int visits, depth;
} tile_space;
/* Everything that evaluating the nest with these loops reads, producers included; adds to `space`. */
void tile_collect(tile_kernel *k, tile_space *space, sl_op *nest, const sl_expr *loops);
void tile_collect_value(tile_kernel *k, tile_space *space, sl_op *nest, const sl_expr *loops, sl_value *body_value);
void tile_collect_write(tile_kernel *k, tile_space *space, sl_value *result, const sl_expr *positions);
/* Whether two neighbouring canonical loops walk all accesses as one. */
bool tile_can_collapse(tile_kernel *k, const tile_space *space, int outer, int inner, sl_expr inner_extent);
/* Makes a set of the loops listed (outermost first), base 0; its number. */
int tile_add_set(tile_kernel *k, int count, const int *loops, const sl_expr *extents);
/* Groups the loops into the fewest sets; returns how many were added (from k->set_count on). */
int tile_collapse(tile_kernel *k, const tile_space *space, int count, const int *loops);
/* Cost of one point when the lanes walk `loop`, which has `extent` values with what is collapsed into it: cycles per element, roughly. */
double tile_lane_cost(tile_kernel *k, const tile_space *space, int loop, sl_expr extent, int lanes);
int tile_lanes_for(tile_kernel *k, const tile_space *space);
double tile_estimate(sl_expr expr);
/* Whether a guard is needed for reading position `index` of a dimension of extent `dim`. */
bool tile_proves_inside(tile_kernel *k, sl_expr index, sl_expr dim, const sl_expr *extents, int loops);

/* Whether 0 times any element of the tensor is 0: integers, and constants without NaN or infinity. */
bool tile_is_finite(const sl_value *tensor);

/* Constants packed so far, so that a weight used twice in one way is packed once. */
typedef struct tile_packed { sl_attr source, packed; uint64_t layout; bool whole; } tile_packed;    /* whole: for slices that share it */
typedef struct tile_cache { SL_VEC(tile_packed) packed; } tile_cache;

/* A group's nests and what it yields. */
typedef struct tile_group {
    int nest_count;
    sl_op *nests[TILE_MAX_NESTS];
    int yield_count;
    sl_value *yields[TILE_MAX_NESTS];   /* values of nests, one per result of the group */
    const char *kind;
    int anchor, twin;                   /* twin: -1 none */
} tile_group;
bool tile_group_read(sl_op *op, tile_group *group);
sl_op *tile_maker(const sl_value *value);                       /* the nest that makes a value, NULL otherwise */

/* ---- strategies: each returns true when it replaced the op ---- */
bool tile_try_loops(sl_pass_context *pass, sl_op *op);          /* tile_pointwise.c: all nests elementwise */
bool tile_try_attention(sl_pass_context *pass, sl_op *op);      /* tile_attention.c: groups of that kind */
bool tile_try_rows(sl_pass_context *pass, sl_op *op);           /* tile_rows.c */
bool tile_try_depthwise(sl_pass_context *pass, sl_op *op);      /* tile_depthwise.c */
bool tile_try_contract(sl_pass_context *pass, tile_cache *cache, sl_op *op);   /* tile_contract.c */
bool tile_try_general(sl_pass_context *pass, sl_op *op);        /* tile_general.c: any lone nest */
bool tile_call(sl_pass_context *pass, sl_op *op, bool *ok);     /* tile_call.c: whole-tensor ops; false when `op` is none. ok: no error */

/* One stretch of the lanes' set: body(k, self, copy) with the set's base put in place, main part `unroll` vectors at a time, the rest under a mask. `low`, `high`:
 * expressions over kernel variables. `multiple`: high - low is known to be a multiple of this (1: nothing known). */
typedef void (*tile_body_fn)(tile_kernel *k, void *self, int copies, const sl_expr *bases);
void tile_lane_loop(tile_kernel *k, int set, sl_expr low, sl_expr high, int64_t multiple, int unroll, tile_body_fn body, void *self);

/* tile_task.c: from a task number to bases of sets. */
/* Emits the loop over tasks first..end; splits the task number over the listed sets' counts (outermost first). counts[i]: how many values index i takes. */
void tile_task_loop(tile_kernel *k, int count, const sl_expr *counts, sl_expr *indices);
sl_expr tile_grain(tile_kernel *k, double cycles_per_task);
const char *tile_name(tile_kernel *k, const tile_group *group, const char *prefix);
#endif
