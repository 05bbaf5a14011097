/* drop_absent.c: pass drop-absent: weights that the model's files do not hold (--absent-weights).
 *
 * In: a function whose last arguments, as many as its attribute `absent` says, are such weights. By now gates, limits and paths that are constants have been decided, and what they leave out is gone.
 * Out: those arguments are gone, too. One that something still reads is an error that names the weight and the reader. */
#include "passes_internal.h"

sl_status sl_pass_drop_absent(sl_pass_context *pass) {
    bool needed = false;
    for (sl_op *func = sl_block_first(sl_module_body(pass->module)); func; func = sl_op_next(func)) {
        int absent = sl_op_get_kind(func) == SL_OP_core_func ? (int)sl_op_int(func, "absent", 0) : 0;
        if (!absent) continue;
        sl_block *body = sl_op_body(func, 0);
        int count = sl_block_argument_count(body);
        for (int i = count - absent; i < count; i++) {
            sl_value *weight = sl_block_argument(body, i);
            sl_use *use = sl_value_first_use(weight);
            if (!use) continue;
            const char *name = sl_value_name(weight);
            sl_op_report(sl_use_user(use), SL_SEVERITY_ERROR, "needs the weight '%s', which is not in the model's files: give them whole, or fix the inputs that decide whether this runs (--constant)", name ? name : "?");
            needed = true;
        }
        if (needed) continue;
        sl_attr names = sl_op_attr(func, "input_names");
        for (int i = count; i-- > count - absent;) sl_block_erase_argument(body, i);
        if (names && sl_attr_count(names) == count) {
            sl_attr *kept = SL_NEW_ARRAY(pass->scratch, sl_attr, (size_t)count + 1);
            for (int i = 0; i < count - absent; i++) kept[i] = sl_attr_item(names, i);
            sl_op_set_attr(func, "input_names", sl_attr_array(sl_module_context(pass->module), count - absent, kept));
        }
        sl_op_set_attr(func, "absent", NULL);
        pass->changes += absent;
    }
    return needed ? SL_PASS_FAILED("drop-absent") : NULL;
}
