/* recover_routing.c: pass recover-routing: finds decisions in graphs that exporters flattened, and says where it found one that stays dense.
 *
 * In, out: the tensor level. Each form has a file of its own (recover.h lists them); all of them end in route.partition and route.switch, so that a row runs its own bodies only.
 *
 * A body is what nobody else reads, gathered backwards from where the form ends, as long as every op works on each row by itself. What enters it is a row tensor when it is read row by row, else it is
 * used where it is. Rows may run along two leading axes (recover_flatten.c). Skipping differs from computing everything only where a value that is left out is NaN or infinite, or faults; `strict` keeps such code. */
#include "recover.h"

typedef bool (*form)(sl_pass_context *pass, sl_op *op, bool *failed);

/* The forms that an op of this kind may end. */
bool sl_recover_forms(sl_pass_context *pass, sl_op *op, bool *failed) {
    static const struct { sl_op_kind kind; form form; } forms[] = {
        {SL_OP_arith_select, sl_recover_select},
        {SL_OP_arith_add, sl_recover_dense}, {SL_OP_arith_add, sl_recover_loop}, {SL_OP_tensor_reduce, sl_recover_dense}, {SL_OP_tensor_contract, sl_recover_dense}, {SL_OP_tensor_contract, sl_recover_gathered}, {SL_OP_tensor_contract, sl_recover_onehot},
        {SL_OP_tensor_scatter_nd, sl_recover_loop}, {SL_OP_tensor_scatter_elements, sl_recover_loop},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (sl_op_get_kind(op) == forms[i].kind && forms[i].form(pass, op, failed)) return true;
    return false;
}

/* Rows along two axes come first: along one of them a form might be found, too, which skips only where all rows of the other axis agree. What neither way finds is reported once. */
static bool recover_op(sl_pass_context *pass, sl_op *op, bool *failed) {
    sl_op_kind kind = sl_op_get_kind(op);
    bool flat = kind == SL_OP_arith_select || kind == SL_OP_arith_add || kind == SL_OP_tensor_reduce || kind == SL_OP_tensor_contract;
    int before = pass->fallbacks;
    pass->quiet = true;
    bool found = flat && sl_recover_flattened(pass, op, failed);
    pass->quiet = false;
    if (found) return true;
    bool missed = pass->fallbacks > before;
    before = pass->fallbacks;
    if (sl_recover_forms(pass, op, failed)) return true;
    if (missed && pass->fallbacks == before) sl_recover_flattened(pass, op, failed);
    return false;
}

/* From the last op on: the outermost decision of a nest comes first and takes the inner ones along into its bodies, where they are met next. */
static void recover_block(sl_pass_context *pass, sl_block *block, bool *failed) {
    for (sl_op *op = sl_block_first(block), *next; op; op = next) {
        next = sl_op_next(op);
        sl_recover_if(pass, op);
    }
    for (sl_op *op = sl_block_last(block), *previous; op; op = previous) {
        sl_op *next = sl_op_next(op);
        for (int g = 0; g < sl_op_region_count(op); g++)
            if (sl_region_block(sl_op_region(op, g))) recover_block(pass, sl_op_body(op, g), failed);
        bool changed = recover_op(pass, op, failed);
        /* What was before the op may be gone, and a switch be in its place: go on from what stands behind. */
        previous = !changed ? sl_op_previous(op) : next ? sl_op_previous(next) : sl_block_last(block);
    }
}

sl_status sl_pass_recover_routing(sl_pass_context *pass) {
    bool failed = false;
    for (sl_op *func = sl_block_first(sl_module_body(pass->module)); func; func = sl_op_next(func))
        if (sl_op_get_kind(func) == SL_OP_core_func && !sl_op_bool(func, "buffers", false)) recover_block(pass, sl_op_body(func, 0), &failed);
    return failed ? SL_PASS_FAILED("recover-routing") : NULL;
}
