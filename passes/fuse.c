/* fuse.c: groups nests into kernels.
 *
 * In: nest.generic ops as lower-to-nest leaves them. Out: fewer nest.generic ops with larger bodies, and nest.group ops (ir/ops/nest.def) of kind
 * `attention`, `contraction` and `rows`; a nest that joined nothing stays as it is. Values are what they were bit for bit: no sum is reassociated
 * but in step 4 (and the kernel made of an `attention` group rounds differently).
 *
 * For each block, innermost first, and never across a region's boundary:
 *   1. elementwise nests merge into the bodies of their readers (fuse_merge.c);
 *   2. a sum of products, the softmax of its rows and a sum of products with that become one pass over the keys (fuse_attention.c; not under --strict);
 *   3. sums of products take their epilogues (fuse_contraction.c);
 *   4. reductions over the columns of a sum of products are taken in its kernel, chunk by chunk (fuse_statistics.c; not under --strict);
 *   5. reductions gather what shares their rows (fuse_rows.c).
 * Every step asks the cost model, which is told bytes, operations and launches of both ways; its reason is kept in the group's attribute `reason`. */
#include "fuse.h"

static void fuse_block(sl_fuse *fuse, sl_block *block) {
    bool nests = false;
    for (sl_op *op = sl_block_first(block); op; op = sl_op_next(op)) {
        nests |= sl_nest_is_generic(op);
        if (sl_nest_is_generic(op) || sl_op_get_kind(op) == SL_OP_nest_group) continue;
        for (int i = 0; i < sl_op_region_count(op); i++)
            if (sl_region_block(sl_op_region(op, i))) fuse_block(fuse, sl_op_body(op, i));
    }
    if (!nests) return;
    fuse->block = block;
    sl_fuse_number_block(fuse);
    sl_fuse_merge(fuse);
    fuse->pass->changes += sl_block_erase_dead(block);
    sl_fuse_attention(fuse);
    sl_fuse_contractions(fuse);
    sl_fuse_statistics(fuse);
    sl_fuse_rows(fuse);
}

sl_status sl_pass_fuse(sl_pass_context *pass) {
    if (pass->kernel.fusion == SL_CHOICE_OFF) return NULL;
    sl_fuse fuse = {.pass = pass, .context = sl_module_context(pass->module), .arena = pass->scratch};
    for (sl_op *function = sl_block_first(sl_module_body(pass->module)); function; function = sl_op_next(function))
        if (sl_op_get_kind(function) == SL_OP_core_func && !sl_op_bool(function, "buffers", false)) fuse_block(&fuse, sl_op_body(function, 0));
    return NULL;
}
