/* cost.c: the analytic roofline of cost.h and the register tile of contractions.
 *
 * Time of some work on t threads: the larger of arithmetic (flops over the peak of the threads that have something to do) and traffic (bytes over the bandwidth of the level
 * that the working set fits into), plus a launch for each parallel region. Caches are private and scale with threads; what lies below them is shared and scales less.
 *
 * Register tile: rows x column_vectors accumulators stay in registers with one row of B and one broadcast element of A:
 * rows*column_vectors + column_vectors + 1 <= registers. Among those tiles the one with the fewest cycles for the whole of C is taken: a step over k costs an FMA for each
 * accumulator, but no less than the FMA latency takes and no less than its loads take (where two FMAs and two loads go together each cycle, loads hold up FMAs before they fill their ports: what a
 * load costs there is fitted to times of eleven shapes on such a machine, where tiles of 6 x 4 vectors beat 14 x 2 by 5 to 15 % and 28 x 1 lost 40 %); what sticks out over the last column panel and a last tile of fewer rows count in full.
 */
#include "sluice/cost.h"

#include <math.h>

void sl_work_init(sl_work *work) { *work = (sl_work){.vector_efficiency = 1, .launches = 1, .parallel_tasks = 1}; }

/* GB/s of one thread for data that is touched within a working set of so many bytes, and how far more threads add to it. */
static double bandwidth(const sl_machine *machine, double working_set, double threads) {
    if (working_set <= (double)machine->l1_bytes) return machine->l1_gbps * threads;
    if (working_set <= (double)machine->l2_bytes) return machine->l2_gbps * threads;
    if (working_set <= (double)machine->l3_bytes) return machine->l3_gbps * (1 + 0.8 * (threads - 1));
    return machine->dram_gbps * (threads > 4 ? 3 : 1 + 0.6 * (threads - 1));
}

double sl_cost_predict(const sl_machine *machine, int threads, const sl_work *work) {
    double busy = work->parallel_tasks < threads ? work->parallel_tasks : threads, efficiency = work->vector_efficiency > 0.01 ? work->vector_efficiency : 0.01;
    if (busy < 1) busy = 1;
    double arithmetic = work->flops / (machine->peak_gflops * 1e3 * efficiency * busy);
    double traffic = (work->read_bytes + work->write_bytes) / (bandwidth(machine, work->working_set, busy) * 1e3);
    double body = arithmetic > traffic ? arithmetic : traffic;
    double alone = arithmetic * busy > traffic ? arithmetic * busy : (work->read_bytes + work->write_bytes) / (bandwidth(machine, work->working_set, 1) * 1e3);
    if (busy > 1 && alone < body + machine->launch_us) return alone + 0.2 * work->launches;     /* too little for a second thread */
    return body + work->launches * (busy > 1 ? machine->launch_us : 0.2);
}

static const char *size_text(sl_arena *arena, double bytes) {
    if (bytes >= 1e6) return sl_arena_printf(arena, "%.1f MB", bytes / 1e6);
    return sl_arena_printf(arena, "%.1f kB", bytes / 1e3);
}

sl_choice sl_cost_choose(const sl_machine *machine, int threads, sl_arena *arena, int count, const char *const *names, const sl_work *works) {
    double first = sl_cost_predict(machine, threads, &works[0]), best_cost = first, other_cost = INFINITY;
    int best = 0, other = count > 1 ? 1 : 0;
    for (int i = 1; i < count; i++) {
        double cost = sl_cost_predict(machine, threads, &works[i]);
        if (cost < best_cost && cost < 0.97 * first) best_cost = cost, best = i;
    }
    for (int i = 0; i < count; i++) {
        double cost = sl_cost_predict(machine, threads, &works[i]);
        if (i != best && cost < other_cost) other_cost = cost, other = i;
    }
    sl_choice choice = {.index = best, .cost = best_cost};
    double bytes = works[best].read_bytes + works[best].write_bytes, other_bytes = works[other].read_bytes + works[other].write_bytes;
    if (count < 2)
        choice.reason = sl_arena_printf(arena, "%s: %.2f us (%s)", names[best], best_cost, size_text(arena, bytes));
    else
        choice.reason = sl_arena_printf(arena, "%s: %.2f us against %.2f us %s (%s against %s)", names[best], best_cost, other_cost, names[other], size_text(arena, bytes),
                                        size_text(arena, other_bytes));
    return choice;
}

/* ---- register tiles ---- */

enum { FMA_LATENCY = 4, MAX_COLUMN_VECTORS = 4 };
static const double loads_per_cycle = 2, loop_overhead = 1;

double sl_cost_tile_step(const sl_machine *machine, double rows, double columns) {
    if (machine->wide_fma) {
        double arithmetic = rows * columns / 2, loads = (rows + columns) / 1.5, cycles = arithmetic > loads ? arithmetic : loads;
        cycles += (rows + columns) / 4;
        return (cycles > FMA_LATENCY ? cycles : FMA_LATENCY) + loop_overhead;
    }
    double arithmetic = rows * columns, loads = (rows + 2 * columns) / loads_per_cycle;      /* a full vector may take two load slots */
    double cycles = arithmetic > loads ? arithmetic : loads;
    return (cycles > FMA_LATENCY ? cycles : FMA_LATENCY) + loop_overhead;
}

static double tile_cycles(const sl_machine *machine, double m, double n, double rows, double columns, double lanes) {
    double panels = ceil(n / (columns * lanes)), full = floor(m / rows), rest = m - full * rows;
    return panels * (full * sl_cost_tile_step(machine, rows, columns) + (rest > 0 ? sl_cost_tile_step(machine, rest, columns) : 0));
}

sl_tile sl_cost_choose_tile(const sl_machine *machine, sl_arena *arena, int64_t m, int64_t n, int64_t k, int element_bits) {
    int registers = machine->vector_registers > 0 ? machine->vector_registers : 16;
    double lanes = machine->vector_bits / element_bits, best_cost = INFINITY, rows_of_m = m < 0 ? 96 : (double)m, columns_of_n = n < 0 ? 192 : (double)n;
    sl_tile tile = {.rows = 1, .column_vectors = 1, .k_block = k < 0 ? 0 : k};
    if (lanes < 1) lanes = 1;
    for (int columns = 1; columns <= MAX_COLUMN_VECTORS; columns++) {
        int most = (registers - 1 - columns) / columns;
        if (most < 1) break;
        if (columns > 1 && columns_of_n <= (columns - 1) * lanes) break;     /* a whole vector would be padding */
        for (int rows = most; rows >= 1; rows--) {
            if (m < 0 && rows * columns > 28) continue;                      /* tails are made of 16, 8, 4, 2 and 1 */
            double cost = tile_cycles(machine, rows_of_m, columns_of_n, rows, columns, lanes);
            if (columns == 2) cost *= 0.99;                                  /* even loads of A and B where there is nothing else in it */
            if (cost < best_cost * 0.9999) best_cost = cost, tile.rows = rows, tile.column_vectors = columns;
        }
    }
    double ideal = rows_of_m * columns_of_n / lanes / (machine->wide_fma ? 2 : 1);
    tile.reason = sl_arena_printf(arena, "tile %dx%d of %d registers, %.0f %% of the FMA rate for %lldx%lld", tile.rows, (int)(tile.column_vectors * lanes), registers,
                                  100 * ideal / best_cost, (long long)m, (long long)n);
    return tile;
}

/* A search over the branches costs about five misses of the branch predictor (70 cycles), an empty task a compare and a jump (3 cycles), and a range of tasks handed to a
 * thread holds 4 of them at least: 70 / (4 * 3) empty tasks for a full one would break even; an eighth of that leaves room for what is guessed here. */
int sl_cost_grid_padding(const sl_machine *machine) {
    (void)machine;
    return 70 * 100 / (4 * 3) / 8;
}
