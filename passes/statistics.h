/* statistics.h: values of chunks of a row that a contraction's kernel makes of its columns: nests of a group of kind `contraction` that fuse (fuse_statistics.c) builds and tile
 * (tile_statistics.c) runs on registers. Such a nest reduces its last loop only; its first operand is the matrix, read at [rows, chunk * C + j]; results are [rows, chunk]. */
#ifndef SLUICE_STATISTICS_H
#define SLUICE_STATISTICS_H

typedef enum sl_statistics {
    STATISTICS_MAX, STATISTICS_MIN, STATISTICS_SUM, STATISTICS_SQUARES,
    STATISTICS_POWERS,                   /* exp(x - the chunk's maximum, 0 for an infinite one): the second operand is that of STATISTICS_MAX */
    STATISTICS_KINDS,
} sl_statistics;

#endif
