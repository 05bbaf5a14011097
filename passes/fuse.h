/* fuse.h: shared by the files of the pass fuse. */
#ifndef SLUICE_FUSE_H
#define SLUICE_FUSE_H

#include "nest_build.h"
#include "passes_internal.h"
#include "statistics.h"

typedef struct sl_fuse {
    sl_pass_context *pass;
    sl_context *context;
    sl_arena *arena;
    sl_block *block;                    /* being worked on */
    int64_t *order;                     /* by op id: position in the block, increasing, with gaps */
    uint32_t *marks;                    /* by op id, against `stamp` */
    size_t capacity;                    /* of both */
    uint32_t stamp;
    SL_VEC(sl_op *) moved;              /* out of sl_fuse_can_join */
} sl_fuse;

/* ---- order and legality (fuse_graph.c) ---- */
void sl_fuse_number_block(sl_fuse *fuse);
int64_t sl_fuse_order(sl_fuse *fuse, const sl_op *op);
void sl_fuse_set_order(sl_fuse *fuse, const sl_op *op, int64_t order);
/* Sorts ops of the block into block order. */
void sl_fuse_sort(sl_fuse *fuse, sl_op **ops, int count);
/* Whether ops (sorted) may be computed together at the place of the last: no way leads out of them and back in. What stands between them and depends on
 * them is left in fuse->moved, to go after the last. */
bool sl_fuse_can_join(sl_fuse *fuse, sl_op *const *ops, int count);
/* Moves fuse->moved, as sl_fuse_can_join left it, to after `place`. */
void sl_fuse_move_after(sl_fuse *fuse, sl_op *place);
/* A nest of the block that fuse may still take: nest.generic directly in it. */
bool sl_fuse_is_free(const sl_fuse *fuse, const sl_op *op);
/* Wraps ops (sorted, just found joinable) in a nest.group. `rows` 0: not of kind rows. */
sl_op *sl_fuse_make_group(sl_fuse *fuse, sl_op *const *ops, int count, int anchor, const char *kind, int rows, const char *reason);

/* ---- costs ---- */
/* Work of computing the ops as one kernel. */
void sl_fuse_work(sl_fuse *fuse, sl_op *const *ops, int count, sl_work *work);
/* Flops of one run of a nest's body, in terms of the machine's peak. */
double sl_fuse_body_flops(const sl_op *nest);
/* a := a then b */
void sl_fuse_work_add(sl_work *a, const sl_work *b);
/* True when `together` is predicted not to lose against `apart`; what costs nothing extra is the default, work done again must win. */
bool sl_fuse_prefers(sl_fuse *fuse, const sl_work *together, const sl_work *apart, bool recomputes, const char **reason);

/* ---- spaces: loops that several nests share, and where each value lies in them (fuse_space.c) ---- */
#define SL_FUSE_MAX_MEMBERS 32
typedef struct sl_fuse_known { sl_value *value; bool inside; sl_expr index[SL_MAX_RANK]; } sl_fuse_known;
typedef struct sl_fuse_member {
    sl_op *nest;
    sl_expr substitution[SL_NEST_MAX_LOOPS];     /* of the nest's loops, over the space's */
    uint32_t loops;                              /* mask of the space's loops that it runs over */
} sl_fuse_member;
typedef struct sl_fuse_space {
    int count, rows;                             /* loops; the first `rows` are shared by all members */
    sl_expr bounds[SL_NEST_MAX_LOOPS];
    int member_count;
    sl_fuse_member members[SL_FUSE_MAX_MEMBERS];
    SL_VEC(sl_fuse_known) known;
} sl_fuse_space;
/* Finds how the nest's loops lie in the space, through values that are known there: every loop is a loop of the space (or, for a value stored at a sum of
 * loops, that sum), none twice, extents equal; a value computed inside is touched at the same point only. */
bool sl_fuse_align(sl_fuse *fuse, const sl_fuse_space *space, sl_op *nest, sl_fuse_member *member);
bool sl_fuse_is_member(const sl_fuse_space *space, const sl_op *op);
/* Adds an aligned nest: its results are known inside, its operands outside. */
void sl_fuse_add(sl_fuse *fuse, sl_fuse_space *space, const sl_fuse_member *member);
/* The members with one more, sorted; their count. */
int sl_fuse_with(sl_fuse *fuse, const sl_fuse_space *space, sl_op *extra, sl_op **ops);
/* Whether adding the nest is legal and pays. */
bool sl_fuse_accepts(sl_fuse *fuse, const sl_fuse_space *space, sl_op *nest, const char **reason);

/* ---- the steps, each over one block; they count into pass->changes ---- */
void sl_fuse_merge(sl_fuse *fuse);          /* fuse_merge.c: elementwise nests into their consumers' bodies */
void sl_fuse_attention(sl_fuse *fuse);      /* fuse_attention.c: contraction, softmax, contraction */
void sl_fuse_contractions(sl_fuse *fuse);   /* fuse_contraction.c: epilogues */
void sl_fuse_statistics(sl_fuse *fuse);     /* fuse_statistics.c: reductions of a contraction's columns */
void sl_fuse_rows(sl_fuse *fuse);           /* fuse_rows.c: reductions and elementwise nests over shared rows */
/* Whether elementwise nest `nest` could be an epilogue of a contraction whose result it reads. */
bool sl_fuse_is_epilogue(sl_fuse *fuse, sl_op *nest);

#endif
