/* split_branches.h: shared by the files of the pass split-branches. */
#ifndef SLUICE_SPLIT_BRANCHES_H
#define SLUICE_SPLIT_BRANCHES_H

#include "passes_internal.h"
#include "shape_map.h"

enum {
    SL_SPLIT_MAX_CHOICES = 4096,    /* of a row */
    SL_SPLIT_MAX_UNROLLED = 8,      /* choices whose sum is written out; more become a reduction */
};

/* Results of route.sort, in its order. */
enum { SL_PLAN_STARTS, SL_PLAN_ROWS, SL_PLAN_POSITION, SL_PLAN_BRANCH, SL_PLAN_SLOT };

typedef struct sl_plan {
    sl_op *partition, *sort;       /* no sort when the keys are constant */
    int branches, rank;            /* rank of the keys */
    int64_t choices;
    sl_expr rows, capacity;        /* rows; rows * choices */
    sl_value *values[5];
    int64_t *constant;             /* starts, then rows, of constant keys; else NULL */
} sl_plan;

typedef struct sl_splitter {
    sl_pass_context *pass;
    sl_context *c;
    sl_shape_map map;
    SL_VEC(sl_op *) ops;
    SL_VEC(sl_plan *) plans;
    int64_t sites;                 /* switches with several schedules so far */
} sl_splitter;

sl_value *sl_split_build(sl_builder *b, sl_op_kind kind, int count, sl_value *const *operands, sl_type type, int attr_count, const sl_named_attr *attrs);
/* `type` with another leading dim. */
sl_type sl_split_rows_type(const sl_splitter *s, sl_type type, sl_expr rows);
sl_value *sl_split_slice(const sl_splitter *s, sl_builder *b, sl_value *x, int axis, sl_expr start, sl_expr size);
sl_value *sl_split_take(const sl_splitter *s, sl_builder *b, sl_value *x, sl_value *rows);
void sl_split_inline(sl_splitter *s, sl_builder *b, sl_op *op, int branch, sl_value *rows, sl_value **yielded);

/* split_constant.c: keys known when compiling. */
bool sl_split_sort_constant(sl_splitter *s, sl_plan *plan, const sl_type *types);
/* The bodies that have rows as straight-line code before the switch; `packed` as that of a dispatch. */
void sl_split_constant(sl_splitter *s, sl_op *op, const sl_plan *plan, int computed, const int64_t *branches, sl_value **packed);

/* split_state.c: the switch that also pays what rows that go nowhere owe to states, as its branch 1; `op` itself when they owe nothing; NULL with a report when what makes the copies mixes rows. */
sl_op *sl_split_owed(sl_splitter *s, sl_op *op);

/* split_group.c: branches whose bodies differ in constants only. */
typedef struct sl_split_pick { sl_expr symbol; int64_t *numbers; } sl_split_pick;   /* value of the symbol for each member */
typedef struct sl_split_class {
    int count;
    int64_t *members;              /* branches, ascending */
    void *columns;                 /* split_group.c's: per member the constants that its body reads */
    SL_VEC(sl_split_pick) picks;
} sl_split_class;
/* Sorts branches into classes (room for `computed`); their number. Branch `alone` (-1: none) shares with no other. */
enum { SL_SPLIT_ALL_ALONE = -2 };     /* none share: other schedules of the same work name the branches one by one */
int sl_split_classes(sl_splitter *s, sl_op *op, int computed, const int64_t *branches, int alone, sl_split_class *classes);
/* Makes the body of the first member the one of all: it reads what differs from stacks, made before `outside`, through values made by `inside`. */
void sl_split_rebuild(sl_splitter *s, sl_op *op, sl_split_class *class, sl_builder *inside, sl_op *outside);

/* split_merge.c: replaces the switch by what each row gets. */
typedef struct sl_split_cheap { int branch; sl_value **values; } sl_split_cheap;    /* one value per result, with all rows */
typedef struct sl_split_merge {
    sl_op *op;
    const sl_plan *plan;
    int cheap_count;
    sl_split_cheap *cheap;
    sl_value **packed;             /* per result; NULL: nothing is computed */
} sl_split_merge;
void sl_split_merge_results(sl_splitter *s, const sl_split_merge *merge);
/* `value` for each element of `type`; `yes` in the rows whose value stands in relation `predicate` to the number, else `no`. */
sl_value *sl_split_splat(const sl_splitter *s, sl_builder *b, sl_type type, int64_t value);
sl_value *sl_split_select(const sl_splitter *s, sl_builder *b, sl_value *rows, const char *predicate, int64_t value, sl_value *yes, sl_value *no);

/* split_choice.c: the schedules of a switch. True when it is gone: computed without a dispatch. Else the dispatch to be built may stand beside others (`site`: the number that they
 * share, -1: none). */
typedef struct sl_split_decision { bool whole; int64_t site; } sl_split_decision;
bool sl_split_choose(sl_splitter *s, sl_plan *plan, const sl_split_merge *merge, int computed, const int64_t *branches, sl_split_decision *decision);
/* After the dispatch: the merge that follows only runs when several branches have rows. */
void sl_split_unless_whole(sl_splitter *s, const sl_split_merge *merge, int computed, const int64_t *branches);

#endif
