/* pipeline.c: the table of passes and the default pipeline.
 *
 *     import -> infer-shapes -> recover-integers -> simplify -> recover-routing -> split-branches           tensor level: whole tensors, value semantics
 *            -> choose-layout -> choose-precision -> simplify -> bound-memory
 *            -> lower-to-nest -> fuse                                                  nest level: loop nests on tensors, grouped into kernels
 *            -> tile -> bufferize -> plan-memory                                       kernel level: explicit loops and memory; what codegen takes
 *
 * The second simplify folds the transposes of weights that choose-layout inserts, and their conversions, and cancels those of activations that meet. */
#include "passes_internal.h"

#include <string.h>

static const sl_pass_info pass_table[] = {
#define SL_PASS(name, suffix, doc) {name, sl_pass_##suffix, doc},
#include "passes.def"
#undef SL_PASS
};

int sl_pass_count(void) { return (int)(sizeof pass_table / sizeof pass_table[0]); }

const sl_pass_info *sl_pass_at(int index) { return &pass_table[index]; }

const sl_pass_info *sl_pass_find(const char *name, size_t length) {
    for (int i = 0; i < sl_pass_count(); i++)
        if (strlen(pass_table[i].name) == length && memcmp(pass_table[i].name, name, length) == 0) return &pass_table[i];
    return NULL;
}

const char *sl_pipeline_default(void) {
    return "infer-shapes,recover-integers,simplify,recover-routing,split-branches,choose-layout,choose-precision,simplify,drop-absent,bound-memory,lower-to-nest,fuse,tile,bufferize,plan-memory";
}
