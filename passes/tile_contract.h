/* tile_contract.h: the plan of a contraction kernel, shared by tile_contract.c (choice and loops), tile_pack.c (packing at run time), tile_epilogue.c (what follows the sum), tile_weights.c
 * and pack.c (packing of constants while compiling).
 *
 * C[b, m, n] = sum over k of A[b, m, k] * B[b, k, n]: the anchor's loops by role. The lanes walk n, so that B and C are vectors and A is broadcast. All four groups of loops are
 * flat sets; what does not walk flat (convolution windows, permuted layouts) is divided out where it is read.
 */
#ifndef SLUICE_TILE_CONTRACT_H
#define SLUICE_TILE_CONTRACT_H

#include "tile_internal.h"

#define TILE_K_SLOT 900                      /* loop atom that stands for the flat k index while addresses are worked out */

/* A slice of a weight of k x n elements, packed as a whole: the element (first_k, first_n) is where B begins. */
typedef struct pack_whole { bool shared; int64_t k, n, first_k, first_n, k_stride, n_stride; } pack_whole;

typedef enum contract_a { CONTRACT_A_DIRECT, CONTRACT_A_PACKED, CONTRACT_A_WINDOW } contract_a;
typedef enum contract_b { CONTRACT_B_CONSTANT, CONTRACT_B_DIRECT, CONTRACT_B_PACKED } contract_b;

typedef struct contract_window contract_window;
typedef struct contract_statistic contract_statistic;

enum { CONTRACT_FEW = 4, STATISTIC_ROWS = 96 };   /* up to so many rows the time is that of reading the weights; rows of a block whose columns wait in scratch */

typedef struct contract {
    tile_group group;
    sl_op *anchor, *gather;                  /* gather: nest that fetches the rows of A by their numbers, or NULL */
    sl_op *twin;                             /* second product of the same rows, or NULL: half of each panel's vectors are the anchor's columns, the others the twin's */
    int left, right;                         /* operands of the anchor: A and B */
    sl_element accumulator;
    int loop_count;
    sl_expr loops[SL_NEST_MAX_LOOPS];        /* identity */
    int batch[SL_NEST_MAX_LOOPS], m[SL_NEST_MAX_LOOPS], n[SL_NEST_MAX_LOOPS], k[SL_NEST_MAX_LOOPS];
    int batch_count, m_count, n_count, k_count;
    sl_expr batch_extent, m_extent, n_extent, k_extent;
    int64_t m_known, n_known, k_known;       /* -1: unknown until run time */
    tile_space a_space, b_space, twin_space, c_space;
    int batch_set, m_set, n_set;             /* -1: none */
    int free_sets;                           /* sets from here on are those of k, changed as needed */
    contract_a a_mode;
    contract_b b_mode;
    bool a_plain;                            /* A could be read in place */
    int rows, column_vectors, width;         /* register tile; width = column_vectors * lanes */
    int columns;                             /* of n in a panel: width, or half of it with a twin */
    int panels_at_once;                      /* Q: panels in one tile, when rows are few */
    sl_expr panels;                          /* of all of n */
    int few[CONTRACT_FEW + 1];               /* panels at once for so many rows, where the run decides how many there are; 0: no way of its own */
    int64_t block_rows;                      /* rows of a task's block, a multiple of `rows` unless it is all */
    int64_t panels_per_task;
    bool rows_stream;                        /* a task takes some rows through all panels */
    int64_t k_block;                         /* 0: k in one piece */
    sl_expr k_low, k_high;                   /* of the block of k at hand */
    const char *tile_reason;
    sl_value *packed;                        /* B as a packed constant (a tensor value) */
    bool packed_batch;                       /* which has a leading batch index */
    pack_whole whole;                        /* B is one of several overlapping slices of a weight, which share one packing of all of it */
    sl_expr pick;                            /* of several stacked weights: number of the one that is meant, over symbols; NULL: one */
    int64_t picks;                           /* how many */
    sl_value *a_scratch, *b_scratch, *c_scratch, *a_tag;   /* a_tag: number of the block whose rows are in a_scratch; NULL: packed for every task */
    sl_element a_element, b_element;         /* of what the inner loop loads */
    int64_t a_pitch;                         /* elements from row to row in a_scratch */
    bool columns_masked;                     /* n is no multiple of the panel width */
    bool heavy;                              /* epilogue as a loop over a tile in scratch */
    int dot;                                 /* products of narrow factors a lane and step (kernel.dot); 1: fma on the accumulator's type */
    sl_element a_narrow;                     /* left factors as the inner loop wants them */
    int64_t a_shift;                         /* what is added to left factors to bring them into a_narrow's range: 128, -128 or 0 */
    int64_t k_padded;                        /* k_known rounded up to groups */
    sl_value *starts;                        /* constant start values of the sums, one a column: they take a_shift out again; NULL: 0 */
    bool matrix;                             /* on matrix tiles (tile_matrix.c) */
    int tile_height;                         /* rows of one */
    int statistic_count;                     /* reductions of the columns by chunks (statistics.h) */
    contract_statistic *statistics;
    int64_t chunk;                           /* columns of one; a task's */
    sl_expr statistic_low, statistic_group;  /* the task's first row and its chunk */
    sl_expr statistic_row;                   /* in the task's block, at which an epilogue is */
    sl_value *statistic_scratch;             /* NULL: the matrix is stored, and read back */
    contract_window *window;                 /* tile_window.c's plan */
    int64_t rectangle_width, rectangle_step; /* a tile's row i is rectangle_step * (i / rectangle_width) + i % rectangle_width behind its first; width 0: i */
} contract;

/* The flat K set, or K in the pieces in which `space` walks contiguously (returns their number; they are sets free_sets, ...). */
int contract_flat_k(tile_kernel *k, contract *c, sl_expr base);
int contract_split_k(tile_kernel *k, contract *c, const tile_space *space);

/* ---- tile_dot.c ---- */
/* Sets dot, a_narrow, a_shift and k_padded: by what instruction narrow factors are multiplied on this machine. */
void contract_choose_dot(tile_kernel *k, contract *c);
/* Whether rows of A can be read in place by groups. */
bool contract_dot_direct(tile_kernel *k, const contract *c);
/* An element of A as the inner loop wants it. */
sl_value *contract_dot_left(tile_kernel *k, const contract *c, sl_value *element);
/* One step of the inner loop: sum + dot(group of A at `a`, groups of B at `b`). */
sl_value *contract_load_group(tile_kernel *k, const contract *c, sl_value *buffer, sl_expr index);
sl_value *contract_load_columns(tile_kernel *k, const contract *c, sl_value *buffer, sl_expr index);
sl_value *contract_dot(tile_kernel *k, sl_value *sum, sl_value *group, sl_value *columns);
/* Start value of the sums of vector v of the tile's columns. */
sl_value *contract_start(tile_kernel *k, const contract *c, sl_expr panel, int v);
/* Lanes for copying rows of A into scratch: all that a register holds of narrow elements where that works. */
int contract_copy_lanes(tile_kernel *k, const contract *c);

/* ---- tile_matrix.c ---- */
/* Whether the products go to matrix tiles; sets dot, the tile, and what contract_choose_dot sets. */
bool contract_plan_matrix(tile_kernel *k, contract *c);
/* Whether tiles can be loaded from A in place. */
bool contract_matrix_direct(tile_kernel *k, const contract *c);
/* Rows that take as long as `rows` do: weights of a tile have to be loaded, too. */
double contract_matrix_rows(double rows);
/* Around all tasks, and the rows of a block in between. */
void contract_matrix_begin(tile_kernel *k, contract *c);
void contract_emit_matrix_rows(tile_kernel *k, contract *c, sl_expr m_low, sl_expr m_high, sl_expr panel);
void contract_matrix_end(tile_kernel *k);

/* ---- tile_pack.c ---- */
/* Rows m_low .. m_high of A into a_scratch as [row][k] in the accumulator's type. */
void contract_pack_a(tile_kernel *k, contract *c, sl_expr m_low, sl_expr m_high);
/* Panel `panel` of B into b_scratch as [k][width], zero beyond n. */
void contract_pack_b(tile_kernel *k, contract *c, sl_expr panel);
/* A square of k->lanes vectors, transposed in registers. */
void contract_transpose(tile_kernel *k, sl_value **rows);

/* ---- tile_window.c ---- */
/* A plan for convolutions with constant weights over rectangles of pixels; false when it is none. Chooses the tile and the tasks. */
bool contract_plan_window(tile_kernel *k, contract *c);
void contract_emit_window(tile_kernel *k, contract *c, tile_launch *launch);
const char *contract_window_reason(tile_kernel *k, const contract *c);

/* ---- tile_weights.c ---- */
/* Whether elements of the space are read behind a condition (a window's border). */
bool contract_has_guard(const tile_space *space);
/* Whether B is a constant of known extents that can be packed while compiling. */
bool contract_can_pack(tile_kernel *k, contract *c);
/* Sets `packed`, `starts` and `packed_batch`: B in the layout that the chosen tile reads. False when an offset is not known while compiling. */
bool contract_pack_weights(tile_kernel *k, contract *c, tile_cache *cache);

/* ---- tile_statistics.c ---- */
/* Finds the group's statistics: they are no epilogue. False when they are not as fuse makes them. */
bool contract_find_statistics(tile_kernel *k, contract *c);
bool contract_is_statistic(const contract *c, const sl_op *nest);
/* Scratch for the block's rows; keeps one vector of columns at the bases in place; the task's values from what was kept. */
void contract_statistics_scratch(tile_kernel *k, contract *c, int64_t rows);
void contract_statistics_update(tile_kernel *k, contract *c);
void contract_statistics_write(tile_kernel *k, contract *c, sl_expr m_low, sl_expr rows, sl_expr group);

/* ---- tile_address.c ---- */
/* What the inner loop reads: element i is at pointers[i] + differences[i] + step * k. */
typedef struct contract_address { sl_value *pointers[64]; sl_expr differences[64]; sl_expr step; } contract_address;
/* Rows m_base, ... of A (scratch begins with row m_low); the vectors of the columns of B from panel `panel` on. */
void contract_address_rows(tile_kernel *k, contract *c, int rows, sl_expr m_low, sl_expr m_base, contract_address *address);
void contract_address_columns(tile_kernel *k, contract *c, sl_expr panel, contract_address *address);
/* Where row `row` of A in place begins, and vector v of a packed panel. */
sl_expr contract_row_offset(tile_kernel *k, contract *c, sl_expr row);
sl_expr contract_panel_offset(tile_kernel *k, const contract *c, sl_expr panel, int v);

/* ---- tile_contract.c ---- */
/* Whether all rows of A in place have one distance. */
bool contract_rows_flat(tile_kernel *k, const contract *c);
sl_value *contract_multiply_add(tile_kernel *k, sl_value *a, sl_value *b, sl_value *sum);

/* ---- tile_epilogue.c ---- */
bool contract_epilogue_is_heavy(const contract *c);
/* The tile's accumulators (row-major, column_vectors * panels_at_once a row) through the epilogue into the outputs. */
void contract_epilogue(tile_kernel *k, contract *c, int rows, sl_expr m_base, sl_expr panel, sl_value *const *accumulators);

/* Asks for what the epilogue of the tile will read of tensors as large as the result (a residual): called before the sum, which hides the way from L3 or memory. */
void contract_prefetch_epilogue(tile_kernel *k, contract *c, int rows, sl_expr m_base, sl_expr panel);

/* The same for `count` rows (an expression) of sums in c_scratch, row by row. */
void contract_epilogue_rows(tile_kernel *k, contract *c, sl_expr m_base, sl_expr count, sl_expr panel);

/* ---- pack.c ---- */
typedef struct pack_layout {
    const int64_t *batch, *n, *k;            /* element offsets into the source: of each batch index, each n, each k (they add up) */
    int64_t batch_count, n_count, k_count, panels;
    int width, group;
    int64_t k_padded;                        /* zeros up to here, a multiple of the group */
    int pitch, first;                        /* columns of a packed row and the first one that is written, when panels hold columns of several constants; pitch 0: width */
    sl_element element;                      /* of the result; the source is converted when it differs */
} pack_layout;
/* pack_whole.c: whether B is a slice of a constant matrix whose slices overlap, so that packing each by itself would copy (see there). */
bool pack_find_whole(tile_kernel *k, const tile_cache *cache, const contract *c, pack_whole *whole);
/* [batch][panel][k_padded / group][width][group], zero beyond n and k; a new constant of rank 1. */
sl_attr pack_constant(sl_context *context, sl_attr source, const pack_layout *layout);
/* Two constants in the same panels, their layouts alike but for `first`. */
sl_attr pack_constants(sl_context *context, const sl_attr *sources, const pack_layout *layouts);
/* i32 [batch][panels * width]: `factor` times the sum of each column, wrapping. */
sl_attr pack_column_sums(sl_context *context, sl_attr source, const pack_layout *layout, int64_t factor);

#endif
