/* emit_prepare.c: prepare(frame, arena_bytes): checks the inputs' shapes against the model's, binds the shape symbols in them, and lays out the arena.
 *
 * Binding: a dim that is a bare symbol binds it when first met; later dims with it are compared. A dim that is linear in one unbound symbol ("2*B + 1") is
 * solved for it. All other dims are compared once every symbol has a value. Layout: first the part with static offsets, then every slot whose size
 * depends on symbols, each on a 64-byte boundary; sizes are computed with checked arithmetic. */
#include "host.h"
#include <string.h>

#define B e->builder

typedef struct binding { sl_emitter *e; uint8_t *bound; int unbound; sl_expr last; } binding;

static LLVMValueRef input_dim(sl_emitter *e, int input, int dim) {
    LLVMValueRef shape = sl_abi_load(e, SL_STRUCT_tensor, sl_host_input(e, input), SL_FIELD_tensor_shape);
    return LLVMBuildLoad2(B, e->i64, sl_abi_element(e, e->i64, shape, dim), "");
}

static void mismatch_unless(sl_emitter *e, LLVMValueRef same, int input, int dim, LLVMValueRef found, LLVMValueRef wanted) {
    LLVMBasicBlockRef bad = sl_emit_block(e, "mismatch"), good = sl_emit_block(e, "fits");
    LLVMBuildCondBr(B, same, good, bad);
    LLVMPositionBuilderAtEnd(B, bad);
    LLVMTypeRef types[5] = {e->pointer, e->i32, e->i32, e->i64, e->i64};
    LLVMValueRef arguments[5] = {e->host->frame, LLVMConstInt(e->i32, (unsigned long long)input, false), LLVMConstInt(e->i32, (unsigned long long)dim, true), found, wanted};
    LLVMBuildRet(B, sl_host_service(e, SL_FIELD_services_mismatch, e->i32, 5, types, arguments));
    LLVMPositionBuilderAtEnd(B, good);
}

static void check_dim(sl_emitter *e, int input, int dim, LLVMValueRef wanted) {
    LLVMValueRef found = input_dim(e, input, dim);
    mismatch_unless(e, LLVMBuildICmp(B, LLVMIntEQ, found, wanted, ""), input, dim, found, wanted);
}

static void count_unbound(void *self, sl_expr symbol) {
    binding *b = self;
    int slot = sl_host_symbol(b->e, symbol);
    if (b->bound[slot]) return;
    b->unbound++;
    b->last = symbol;
}

/* coefficient * symbol + rest == dim, where nothing else of rest is unbound. */
static bool solve(sl_emitter *e, binding *b, int input, int dim, sl_expr expr) {
    int at = -1;
    if (sl_expr_get_kind(expr) != SL_EXPR_SUM) return false;
    for (int t = 0; t < sl_expr_term_count(expr); ++t)
        for (int f = 0; f < sl_expr_term_factor_count(expr, t); ++f) {
            sl_expr factor = sl_expr_term_factor(expr, t, f);
            if (!sl_expr_uses_symbol(factor, b->last)) continue;
            if (at >= 0 || factor != b->last || sl_expr_term_factor_count(expr, t) != 1) return false;
            at = t;
        }
    if (at < 0) return false;
    int64_t by = sl_expr_term_coefficient(expr, at);
    if (by <= 0) return false;
    sl_context *context = sl_module_context(e->host->module);
    sl_expr rest = sl_expr_sub(context, expr, sl_expr_mul(context, sl_expr_const(context, by), b->last));
    LLVMValueRef found = input_dim(e, input, dim), difference = LLVMBuildSub(B, found, sl_emit_host_expr(e, rest, NULL), "");
    LLVMValueRef value = LLVMBuildSDiv(B, difference, sl_emit_i64(e, by), "");
    LLVMValueRef whole = LLVMBuildICmp(B, LLVMIntEQ, LLVMBuildMul(B, value, sl_emit_i64(e, by), ""), difference, "");
    LLVMValueRef natural = LLVMBuildICmp(B, LLVMIntSGE, difference, sl_emit_i64(e, 0), "");
    sl_text text;
    sl_text_init(&text, e->arena);
    const char *name = sl_value_name(sl_block_argument(sl_op_body(e->host->func, 0), input));
    sl_attr names = sl_op_attr(e->host->func, "input_names");
    if (names && input < sl_attr_count(names)) name = sl_attr_get_string(sl_attr_item(names, input));
    sl_text_append(&text, "input '%s': dim %d must be ", name ? name : "?", dim);
    sl_expr_print(&text, expr);
    sl_text_append(&text, " of some %s", sl_expr_symbol_name(b->last));
    sl_host_fail_if(e, LLVMBuildNot(B, LLVMBuildAnd(B, whole, natural, ""), ""), SL_INVALID_ARGUMENT, text.data);
    int slot = sl_host_symbol(e, b->last);
    sl_host_symbol_store(e, slot, value);
    b->bound[slot] = 1;
    return true;
}

static void bind_inputs(sl_emitter *e) {
    sl_host *host = e->host;
    sl_block *block = sl_op_body(host->func, 0);
    int inputs = sl_block_argument_count(block);
    binding b = {.e = e, .bound = SL_NEW_ARRAY(e->arena, uint8_t, host->symbols.count + 1)};
    typedef struct pending { int input, dim; sl_expr expr; } pending;
    SL_VEC(pending) rest = {0};
    for (int i = 0; i < inputs; ++i) {
        sl_type type = sl_value_type(sl_block_argument(block, i));
        if (!sl_type_is_ranked(type)) continue;
        int rank = sl_type_rank(type);
        LLVMValueRef found = sl_abi_load(e, SL_STRUCT_tensor, sl_host_input(e, i), SL_FIELD_tensor_rank);
        LLVMValueRef same = LLVMBuildICmp(B, LLVMIntEQ, found, LLVMConstInt(e->i32, (unsigned long long)rank, false), "");
        mismatch_unless(e, same, i, -1, LLVMBuildSExt(B, found, e->i64, ""), sl_emit_i64(e, rank));
        for (int d = 0; d < rank; ++d) {
            sl_expr dim = sl_type_dim(type, d);
            int64_t fixed;
            if (sl_expr_is_const(dim, &fixed)) {
                check_dim(e, i, d, sl_emit_i64(e, fixed));
            } else if (sl_expr_get_kind(dim) == SL_EXPR_SYMBOL && !b.bound[sl_host_symbol(e, dim)]) {
                sl_host_symbol_store(e, sl_host_symbol(e, dim), input_dim(e, i, d));
                b.bound[sl_host_symbol(e, dim)] = 1;
            } else {
                pending item = {i, d, dim};
                SL_PUSH(e->arena, &rest, item);
            }
        }
    }
    bool progress = true;
    while (progress && rest.count) {
        progress = false;
        size_t kept = 0;
        for (size_t p = 0; p < rest.count; ++p) {
            pending item = rest.data[p];
            b.unbound = 0;
            sl_expr_visit_symbols(item.expr, count_unbound, &b);
            if (b.unbound == 0) check_dim(e, item.input, item.dim, sl_emit_host_expr(e, item.expr, NULL)), progress = true;
            else if (b.unbound == 1 && solve(e, &b, item.input, item.dim, item.expr)) progress = true;
            else rest.data[kept++] = item;
        }
        rest.count = kept;
    }
    if (rest.count) {
        sl_text text;
        sl_text_init(&text, e->arena);
        sl_expr_print(&text, rest.data[0].expr);
        sl_emit_fail(e, host->func, NULL, "dim %d of input %d is %s, from which the symbols in it can't be found", rest.data[0].dim, rest.data[0].input, text.data);
    }
}

int sl_host_slot_index(const sl_host *host, const sl_op *alloc) {
    if (sl_op_attr(alloc, "offset") || sl_op_attr(alloc, "output") || sl_op_bool(alloc, "dynamic", false)) return -1;
    /* An alloc without a plan (memory not planned) has a slot of its own; such numbers are negative. */
    int64_t slot = sl_op_int(alloc, "slot", -1 - (int64_t)sl_op_id(alloc));
    for (size_t i = 0; i < host->slots.count; ++i)
        if (host->slots.data[i] == slot) return (int)i;
    return -1;
}

/* Bytes of an alloc's place: of its type, or of as many elements as plan-memory says. */
static LLVMValueRef alloc_bytes(sl_emitter *e, sl_op *alloc, LLVMValueRef *overflow) {
    sl_type type = sl_value_type(sl_op_result(alloc, 0));
    sl_attr elements = sl_op_attr(alloc, "elements");
    if (!elements) return sl_host_bytes(e, type, overflow);
    sl_expr count = sl_attr_get_expr(elements);
    return sl_host_bytes(e, sl_type_buffer(sl_module_context(e->host->module), sl_type_element(type), 1, &count), overflow);
}

static void layout_arena(sl_emitter *e, LLVMValueRef arena_bytes) {
    sl_host *host = e->host;
    int64_t fixed = 0;
    for (size_t i = 0; i < host->allocs.count; ++i) {
        sl_op *alloc = host->allocs.data[i];
        sl_attr elements = sl_op_attr(alloc, "elements");
        int64_t count = elements ? sl_expr_const_or(sl_attr_get_expr(elements), -1) : sl_type_static_count(sl_value_type(sl_op_result(alloc, 0)));
        int64_t offset = sl_op_int(alloc, "offset", -1), bytes, end;
        if (!sl_op_attr(alloc, "offset")) continue;
        if (offset < 0 || count < 0 || !sl_size_mul(count, sl_emit_element_bytes(sl_type_element(sl_value_type(sl_op_result(alloc, 0)))), &bytes) ||
            !sl_size_add(offset, bytes, &end) || end > INT64_MAX - 64) {
            sl_emit_fail(e, alloc, NULL, "an alloc with an offset needs a static size that fits in 64 bits");
            return;
        }
        if (end > fixed) fixed = end;
    }
    LLVMValueRef at = sl_emit_i64(e, (fixed + 63) & ~INT64_C(63)), overflow = LLVMConstInt(e->i1, 0, false), mask = sl_emit_i64(e, ~INT64_C(63));
    for (size_t s = 0; s < host->slots.count; ++s) {
        LLVMValueRef size = NULL;
        for (size_t i = 0; i < host->allocs.count; ++i) {
            sl_op *alloc = host->allocs.data[i];
            if (sl_host_slot_index(host, alloc) != (int)s) continue;
            LLVMValueRef bytes = alloc_bytes(e, alloc, &overflow);
            size = size ? sl_emit_intrinsic2(e, "llvm.smax", size, bytes) : bytes;
        }
        sl_host_symbol_store(e, (int)(host->symbols.count + s), at);
        overflow = LLVMBuildOr(B, overflow, LLVMBuildICmp(B, LLVMIntSGT, size, sl_emit_i64(e, INT64_C(1) << 56), ""), "");
        at = LLVMBuildAnd(B, LLVMBuildAdd(B, LLVMBuildAdd(B, at, size, ""), sl_emit_i64(e, 63), ""), mask, "");
        overflow = LLVMBuildOr(B, overflow, LLVMBuildICmp(B, LLVMIntSGT, at, sl_emit_i64(e, INT64_C(1) << 57), ""), "");
    }
    sl_host_fail_if(e, overflow, SL_OVERFLOW, "with inputs of these shapes the sizes of intermediate tensors do not fit in 64 bits");
    LLVMBuildStore(B, at, arena_bytes);
}

void sl_emit_prepare(sl_emitter *e) {
    LLVMValueRef function = sl_host_begin(e, SL_HOST_PREPARE, 2);
    bind_inputs(e);
    if (!e->failed) layout_arena(e, LLVMGetParam(function, 1));
    LLVMBuildRet(B, LLVMConstInt(e->i32, 0, false));
}
