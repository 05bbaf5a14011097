/* tile_task.c: groups read, kernels named, tasks decoded. */
#include "tile_internal.h"

#include <string.h>

bool tile_group_read(sl_op *op, tile_group *group) {
    *group = (tile_group){.kind = "lone", .twin = -1};
    if (sl_nest_is_generic(op)) {
        group->nests[group->nest_count++] = op;
        if (sl_op_result_count(op) > TILE_MAX_NESTS) return false;
        for (int i = 0; i < sl_op_result_count(op); i++) group->yields[group->yield_count++] = sl_op_result(op, i);
        return true;
    }
    if (sl_op_get_kind(op) != SL_OP_nest_group) return false;
    group->kind = sl_op_string(op, "kind", "pointwise");
    group->anchor = (int)sl_op_int(op, "anchor", 0);
    group->twin = (int)sl_op_int(op, "twin", -1);
    for (sl_op *inner = sl_block_first(sl_op_body(op, 0)); inner; inner = sl_op_next(inner)) {
        if (sl_op_get_kind(inner) == SL_OP_nest_yield) {
            if (sl_op_operand_count(inner) > TILE_MAX_NESTS) return false;
            for (int i = 0; i < sl_op_operand_count(inner); i++) {
                sl_value *value = sl_op_operand(inner, i);
                if (!tile_maker(value) || sl_op_parent(tile_maker(value)) != op) return false;
                group->yields[group->yield_count++] = value;
            }
        } else if (sl_nest_is_generic(inner) && group->nest_count < TILE_MAX_NESTS) {
            group->nests[group->nest_count++] = inner;
        } else {
            return false;
        }
    }
    return group->nest_count > 0 && group->yield_count > 0 && group->anchor >= 0 && group->anchor < group->nest_count && group->twin < group->nest_count;
}

void tile_task_loop(tile_kernel *k, int count, const sl_expr *counts, sl_expr *indices) {
    sl_expr task = tile_variable(k, tile_for(k, k->first, k->end, tile_i64(k, 1), 0, NULL, NULL));
    for (int i = count - 1; i >= 0; i--) {
        if (sl_expr_equals_const(counts[i], 1)) {
            indices[i] = tile_const(k, 0);
            continue;
        }
        bool last = true;                                    /* no larger digit is left: no modulus */
        for (int j = 0; j < i; j++) last &= sl_expr_equals_const(counts[j], 1);
        indices[i] = last ? task : sl_expr_mod(k->context, task, counts[i]);
        /* A digit becomes a variable of its own, so that expressions over it stay linear. */
        if (sl_expr_get_kind(indices[i]) != SL_EXPR_LOOP) indices[i] = tile_variable(k, tile_index(k, indices[i]));
        if (!last) {
            task = sl_expr_floordiv(k->context, task, counts[i]);
            if (sl_expr_get_kind(task) != SL_EXPR_LOOP) task = tile_variable(k, tile_index(k, task));
        }
    }
}

/* ---- names ---- */

static const char *word_of(sl_op_kind kind) {
    if (kind == SL_OP_arith_cast || kind == SL_OP_arith_bitcast || kind == SL_OP_arith_cmp || kind == SL_OP_arith_select) return NULL;
    const char *name = strchr(sl_op_info_get(kind)->full_name, '.');
    return name && strncmp(sl_op_info_get(kind)->full_name, "arith.", 6) == 0 ? name + 1 : NULL;
}

static void append_once(sl_text *text, size_t start, const char *word) {
    if (text->length - start > 40) return;
    size_t length = strlen(word);
    for (const char *at = text->data + start; (at = strstr(at, word)); at++)
        if (at[-1] == '_' && (at[length] == '_' || !at[length])) return;
    sl_text_append(text, "_%s", word);
}

/* What the nests compute, in their own words: distinct operations in order. */
const char *tile_name(tile_kernel *k, const tile_group *group, const char *prefix) {
    sl_text text;
    sl_text_init(&text, k->arena);
    sl_text_append(&text, "%s", prefix);
    size_t start = text.length;
    for (int i = 0; i < group->nest_count; i++) {
        if (strncmp(prefix, "contract", 8) == 0 && (i == group->anchor || i == group->twin)) continue;
        bool reduced = sl_nest_reduced_count(group->nests[i]) > 0;
        for (sl_op *op = sl_block_first(sl_nest_body(group->nests[i])); op; op = sl_op_next(op)) {
            const char *word = sl_op_get_kind(op) == SL_OP_nest_extract ? "take" : word_of(sl_op_get_kind(op));
            if (!word) continue;
            if (reduced && op == sl_value_op(sl_nest_yielded(group->nests[i], 0))) {
                if (strcmp(word, "add") == 0) word = "sum";
                append_once(&text, start, sl_arena_printf(k->arena, "reduce%s", word));
            } else {
                append_once(&text, start, word);
            }
        }
    }
    if (text.length == start) sl_text_append(&text, "_copy");
    return text.data;
}
