/* verify_kernel_matrix.c: verify hooks of the kernel ops on matrix tiles: tile numbers, their shapes, and buffers of elements that tiles can hold. */
#include "op_hooks.h"

enum { TILES = 8 };

static bool check_tile(const sl_op *op, const char *name) {
    int64_t tile = sl_op_int(op, name, 0);
    if (tile >= 0 && tile < TILES) return true;
    sl_op_report(op, SL_SEVERITY_ERROR, "%s: `%s` is %lld, expected 0 to 7", sl_op_name(op), name, (long long)tile);
    return false;
}

static bool check_i64(const sl_op *op, int operand) {
    sl_type type = sl_value_type(sl_op_operand(op, operand));
    if (sl_type_is_scalar(type) && sl_type_element(type) == SL_ELEMENT_i64) return true;
    sl_op_report(op, SL_SEVERITY_ERROR, "%s: operand %d must be i64, found %s", sl_op_name(op), operand, sl_type_text(sl_op_context(op), type));
    return false;
}

static bool check_sizes(const sl_op *op, const char *name, int64_t least, int64_t most, int64_t step) {
    int count;
    const int64_t *sizes = sl_op_ints(op, name, &count);
    bool fits = count == TILES;
    for (int i = 0; i < count; i++) fits &= sizes[i] >= least && sizes[i] <= most && sizes[i] % step == 0;
    if (!fits) sl_op_report(op, SL_SEVERITY_ERROR, "%s: `%s` takes 8 multiples of %lld from %lld to %lld", sl_op_name(op), name, (long long)step, (long long)least, (long long)most);
    return fits;
}

bool sl_verify_kernel_matrix_config(const sl_op *op) {
    if (sl_op_operand_count(op) && !check_i64(op, 0)) return false;
    return check_sizes(op, "rows", sl_op_operand_count(op) ? 0 : 1, 16, 1) && check_sizes(op, "bytes", 4, 64, 4);
}

bool sl_verify_kernel_matrix_zero(const sl_op *op) { return check_tile(op, "tile"); }

bool sl_verify_kernel_matrix_load(const sl_op *op) {
    sl_type type = sl_value_type(sl_op_operand(op, 0));
    int bits = sl_type_is_buffer(type) ? sl_element_bits(sl_type_element(type)) : 0;
    if (bits != 8 && bits != 16 && bits != 32) {
        sl_op_report(op, SL_SEVERITY_ERROR, "%s: expected a buffer of elements of 8, 16 or 32 bits, found %s", sl_op_name(op), sl_type_text(sl_op_context(op), type));
        return false;
    }
    return check_i64(op, 1) && check_i64(op, 2) && check_tile(op, "tile");
}

bool sl_verify_kernel_matrix_store(const sl_op *op) { return sl_verify_kernel_matrix_load(op); }

bool sl_verify_kernel_matrix_dot(const sl_op *op) {
    return check_tile(op, "sum") && check_tile(op, "left") && check_tile(op, "right") && sl_verify_word(op, "kind", "bf16 s8s8 s8u8 u8s8 u8u8");
}
