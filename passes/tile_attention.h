/* tile_attention.h: the plan of an attention kernel, shared by tile_attention.c (scores, shares, sums) and tile_attention_keys.c (packing of keys). */
#ifndef SLUICE_TILE_ATTENTION_H
#define SLUICE_TILE_ATTENTION_H

#include "attention.h"
#include "tile_contract.h"

enum { ATTEND_VECTORS = 2, ATTEND_TILES = 3 };   /* vectors of a panel: keys in scores, columns in the second product; sizes of tiles of queries */

typedef struct attend {
    sl_attention a;
    tile_group group;
    sl_expr loops[SL_NEST_MAX_LOOPS];        /* identity */
    int loop_count;                          /* with the columns' */
    int sets[SL_NEST_MAX_LOOPS];             /* of each loop */
    int query_set, key_set, depth_set, column_set;
    sl_expr queries, keys;
    sl_value *limits;                        /* a constant: keys that each block of queries reaches; NULL: all */
    sl_expr reach;                           /* of the task */
    sl_value *clears;                        /* a constant: keys of each block of queries before which the mask repeats one value; NULL: none */
    sl_expr clear;                           /* of the task */
    sl_attr repeated[8];                     /* the values, by operand of `finish`; NULL: read it */
    bool is_clear;                           /* of the panels at hand */
    int64_t visited;                         /* with limits: (query, key) pairs of all blocks */
    int64_t depth, columns, block, keys_at_once;
    int width, tile_rows[ATTEND_TILES];
    int64_t query_pitch, score_pitch, output_pitch;
    int64_t key_slots;                       /* blocks of keys that stay packed */
    sl_value *key_tags;                      /* per slot: which block of which rows is packed there; NULL: packed for every task */
    sl_value *query_scratch, *key_scratch, *score_scratch, *output_scratch, *most, *here_most, *sums, *factors;   /* sums: a vector a row */
    sl_expr query_low, span;                 /* the task's first query, how many it has */
    sl_expr owner;                           /* number of the keys that the task's rows have */
    sl_expr key_block, key_low, here, panels;    /* of the block of keys */
    sl_value *key_panels;                    /* where its keys are packed */
    bool single;                             /* all keys are one block */
} attend;

sl_value *attend_number(tile_kernel *k, double value);
sl_expr attend_variable(tile_kernel *k, sl_expr expr);           /* its value as a kernel variable */
sl_expr attend_count(tile_kernel *k, sl_expr end);               /* opens a loop 0, 1, ... below `end`: its variable */
sl_expr attend_lanes(tile_kernel *k, sl_expr base);              /* base + lane */
/* Element of an operand of one of the contractions at the bases in place. */
sl_value *attend_operand(tile_kernel *k, sl_op *nest, int operand, const sl_expr *loops);

/* Packs the block of keys at hand and sets key_panels, unless a task before this one that the thread had in the same go did. */
void attend_pack_keys(tile_kernel *k, attend *t);

#endif
