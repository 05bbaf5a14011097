/* route_cost.h: how rows that branches share out are best worked on. */
#ifndef SLUICE_ROUTE_COST_H
#define SLUICE_ROUTE_COST_H

#include "sluice/cost.h"

typedef struct sl_route_work {
    double rows;               /* of the batch */
    int branches;              /* that compute something */
    double row_flops;          /* of one row in all those branches together */
    double packed_bytes;       /* read and written by the bodies for one row that goes to all of them */
    double result_bytes;       /* of one row of the results */
    bool light;                /* the bodies hold elementwise work only */
    bool any_row;              /* the bodies may run on rows that don't need them: each row by itself, nothing that can fail; true for light ones */
    bool profiled;             /* share, least and most were seen, not guessed */
    double share;              /* expected part of the work that is needed, 0..1 */
    double least, most;        /* what the share was and will be between; 0 and 1 when nothing is known */
    double whole;              /* how often all rows go one way, 0..1 */
    const char *source;        /* of the expectation, for the reason */
} sl_route_work;

typedef struct sl_route_choice {
    bool packed, select;       /* schedules that are kept: bodies on packed rows; all bodies on all rows, then a choice by row */
    double threshold;          /* with both: from this share on, select */
    bool whole;                /* a test whether all rows go one way comes first */
    const char *reason;
} sl_route_choice;

/* The schedules to keep and why. Products are computed for rows that don't need them only where a profile has seen so large a share of rows that need them that packing and merging cost more. */
sl_route_choice sl_cost_choose_route(const sl_machine *machine, int threads, sl_arena *arena, const sl_route_work *work);

#endif
