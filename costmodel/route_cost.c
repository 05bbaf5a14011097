/* route_cost.c: packed bodies, bodies on all rows with a choice by row, or one body in place for the whole batch.
 *
 * With a share s of the work needed (s = 1: every row goes to every branch):
 *     packed(s) = sort + bodies on s of the rows, each started by itself + one pass that merges
 *     select    = bodies on all rows and the choice, in one pass
 *     whole     = one body on all rows
 * packed(s) grows with s, so there is one threshold. It is found by halving; a schedule that no expected share asks for is not kept. A whole batch is worth a test of its own when
 * what it saves, times how often it happens, is more than 3 %.
 * Bodies with products are a lot of code and work, so that select is kept beside packing only where a profile has seen shares that ask for it, and it saves more than 3 % there. */
#include "sluice/route_cost.h"

static const double sort_us_per_row = 0.004, least_gain = 0.03, product_efficiency = 0.85;

static double merge_us(const sl_machine *machine, int threads, const sl_route_work *work) {
    sl_work merge;
    sl_work_init(&merge);
    merge.read_bytes = work->rows * (work->result_bytes + 16), merge.write_bytes = work->rows * work->result_bytes;
    merge.working_set = merge.read_bytes + merge.write_bytes;
    merge.parallel_tasks = work->rows;
    return sl_cost_predict(machine, threads, &merge);
}

static double bodies_us(const sl_machine *machine, int threads, const sl_route_work *work, double share, double launches) {
    sl_work bodies;
    sl_work_init(&bodies);
    bodies.flops = work->rows * share * work->row_flops;
    bodies.read_bytes = work->rows * share * work->packed_bytes;
    bodies.working_set = bodies.read_bytes;
    bodies.parallel_tasks = work->rows * share;
    bodies.launches = launches;
    if (!work->light) bodies.vector_efficiency = product_efficiency;
    return sl_cost_predict(machine, threads, &bodies);
}

static double packed_us(const sl_machine *machine, int threads, const sl_route_work *work, double share) {
    return work->rows * sort_us_per_row + bodies_us(machine, threads, work, share, work->branches) + merge_us(machine, threads, work);
}

static double select_us(const sl_machine *machine, int threads, const sl_route_work *work) {
    sl_work select;
    sl_work_init(&select);
    /* Values of several branches meet in registers: rows come in once, results go out once. */
    double bytes = work->packed_bytes / (work->branches > 0 ? work->branches : 1);
    select.flops = work->rows * work->row_flops;
    if (!work->light) select.vector_efficiency = product_efficiency;
    select.read_bytes = work->rows * (bytes + 8);
    select.working_set = select.read_bytes;
    select.parallel_tasks = work->rows;
    return sl_cost_predict(machine, threads, &select);
}

/* The share from which on packed rows cost more than `select`: 0 or 1 when it is always so or never. */
static double find_threshold(const sl_machine *machine, int threads, const sl_route_work *work, double select) {
    double low = 0, high = 1;
    if (packed_us(machine, threads, work, 0) >= select) return 0;
    if (packed_us(machine, threads, work, 1) <= select) return 1;
    for (int i = 0; i < 20; i++) {
        double middle = (low + high) / 2;
        if (packed_us(machine, threads, work, middle) < select) low = middle;
        else high = middle;
    }
    return high;
}

sl_route_choice sl_cost_choose_route(const sl_machine *machine, int threads, sl_arena *arena, const sl_route_work *work) {
    double packed = packed_us(machine, threads, work, work->share), select = select_us(machine, threads, work), merge = merge_us(machine, threads, work);
    sl_route_choice choice = {.packed = true, .threshold = 1};
    const char *rows = sl_arena_printf(arena, "%.0f rows, %.2f of the work needed (%s)", work->rows, work->share, work->source);
    const char *how = NULL;
    if (work->light) {
        choice.threshold = find_threshold(machine, threads, work, select);
        choice.select = choice.threshold < work->most, choice.packed = !choice.select || choice.threshold > work->least;
        if (!choice.packed)
            how = sl_arena_printf(arena, "select: the bodies on all rows, %.2f us against %.2f us packed", select, packed);
        else if (choice.select)
            how = sl_arena_printf(arena, "packed below %.2f of the work, select from there on: %.2f us packed against %.2f us", choice.threshold, packed, select);
        else
            how = sl_arena_printf(arena, "packed: %.2f us against %.2f us with the bodies on all rows", packed, select);
    } else if (work->any_row && work->profiled) {
        double threshold = find_threshold(machine, threads, work, select), most = work->most < 1 ? work->most : 1, highest = packed_us(machine, threads, work, most);
        choice.select = threshold < work->most && highest - select > least_gain * highest;
        if (choice.select) choice.threshold = threshold, choice.packed = threshold > work->least;
        if (!choice.packed) how = sl_arena_printf(arena, "select: the bodies on all rows, %.2f us against %.2f us packed", select, packed);
        else if (choice.select) how = sl_arena_printf(arena, "packed below %.2f of the work, select from there on: %.2f us packed against %.2f us", threshold, packed, select);
        else how = sl_arena_printf(arena, "packed: %.2f us against %.2f us with the bodies on all rows", packed, select);
    } else {
        how = sl_arena_printf(arena, "packed: %.2f us, bodies with products or more run on rows that need them only", packed);
    }
    /* All rows one way: one body in place, no sort made use of, no packing, no merge. */
    double share = work->branches > 0 ? 1.0 / work->branches : 1, otherwise = packed_us(machine, threads, work, share);
    if (!choice.packed || (choice.select && share >= choice.threshold)) otherwise = select;
    double in_place = bodies_us(machine, threads, work, share, 1), saved = otherwise - in_place;
    if (!work->light) saved = merge;
    if (saved > 0 && otherwise > 0 && work->whole * saved / otherwise > least_gain) choice.whole = true;
    choice.reason = sl_arena_printf(arena, "%s; %s%s", how, rows,
                                    choice.whole ? sl_arena_printf(arena, "; a whole batch one way (%.0f %% of runs) %s: saves %.2f us", 100 * work->whole,
                                                                   work->light ? "runs that body in place" : "is not merged", saved) : "");
    return choice;
}
