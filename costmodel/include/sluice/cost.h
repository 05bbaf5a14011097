/* cost.h: decisions. Passes describe the alternatives, the model picks one and says why. For now an analytic roofline (bytes per level, flops, launches). */
#ifndef SLUICE_COST_H
#define SLUICE_COST_H

#include "sluice/machine.h"

typedef struct sl_work {       /* what one way of doing something costs, over all of it */
    double flops;              /* floating operations, FMA counts 2 */
    double vector_efficiency;  /* useful lanes over issued lanes, 0..1 */
    double read_bytes, write_bytes;   /* that pass the level named by working_set */
    double working_set;        /* bytes touched again and again: decides the level that feeds the loop */
    double launches;           /* parallel regions started */
    double parallel_tasks;     /* independent tasks, for thread balance */
} sl_work;
void sl_work_init(sl_work *work);          /* zeros; efficiency 1, launches 1, tasks 1 */

/* Predicted microseconds on `threads` threads. */
double sl_cost_predict(const sl_machine *machine, int threads, const sl_work *work);

/* Picks the cheapest alternative; the first is the default and is left only for a win of more than 3 %. `reason` (in the arena) is printable:
 * "fuse: 12.1 us against 19.4 us apart (bytes 3.1 MB against 6.2 MB)". */
typedef struct sl_choice { int index; double cost; const char *reason; } sl_choice;
sl_choice sl_cost_choose(const sl_machine *machine, int threads, sl_arena *arena, int count, const char *const *names, const sl_work *works);

/* Register tile of a contraction C[m, n] += A[m, k] B[k, n] with B in panels `width` wide. */
typedef struct sl_tile { int rows; int column_vectors; int64_t k_block; const char *reason; } sl_tile;
/* Extents of -1 are unknown until run time. */
sl_tile sl_cost_choose_tile(const sl_machine *machine, sl_arena *arena, int64_t m, int64_t n, int64_t k, int element_bits);
/* Cycles of one step over k of a tile of `rows` x `columns` vectors. */
double sl_cost_tile_step(const sl_machine *machine, double rows, double columns);

/* Percent of empty tasks up to which a grid with as many tasks for every branch as the fullest one has costs less than finding each task's branch. */
int sl_cost_grid_padding(const sl_machine *machine);

#endif
