/* data_move.c: constant data under another type or order of axes. The transpose works on squares of the two axes that are contiguous in the input and in the output,
 * so that both sides use whole cache lines: weights of large models are transposed while compiling. */
#include "data_move.h"

#include <string.h>

enum { square = 16 };

bool sl_data_splat(sl_attr data, double *splat) {
    sl_type type = sl_attr_get_type(data);
    int64_t count = sl_type_is_scalar(type) ? 1 : sl_type_static_count(type);
    sl_element element = sl_type_element(type);
    if (count < 1 || element == SL_ELEMENT_str) return false;
    bool integer = !sl_element_is_float(element);
    if (!sl_attr_data_is_splat(data)) {
        int64_t bytes = sl_element_bytes(element, 1);
        if (sl_element_bits(element) < 8 ? count > 1 : count > 64) return false;
        const char *first = sl_attr_data_bytes(data);
        for (int64_t i = 1; i < count; i++)
            if (memcmp(first, first + i * bytes, (size_t)bytes) != 0) return false;
    }
    if (integer && (sl_attr_data_int(data, 0) > (INT64_C(1) << 53) || sl_attr_data_int(data, 0) < -(INT64_C(1) << 53))) return false;
    *splat = sl_attr_data_float(data, 0);
    return true;
}

sl_attr sl_data_with_type(sl_context *context, sl_attr data, sl_type type) {
    double splat;
    if (sl_attr_data_is_splat(data)) {
        if (sl_data_splat(data, &splat)) return sl_attr_data_splat(context, type, splat);
        void *bytes;
        sl_attr made = sl_attr_data_zero(context, type, &bytes);
        for (int64_t i = 0; i < sl_type_static_count(type); i++) sl_element_store_int(sl_type_element(type), bytes, i, sl_attr_data_int(data, 0));
        return made;
    }
    return sl_attr_data(context, type, sl_attr_data_bytes(data), sl_attr_data_size(data));   /* the context keeps the bytes */
}

typedef struct plane { int64_t rows, columns, row_in, row_out, column_in; int64_t size; } plane;   /* strides in bytes; columns are contiguous in the output */

static void move_plane(char *out, const char *in, const plane *p) {
    for (int64_t r = 0; r < p->rows; r += square)
        for (int64_t c = 0; c < p->columns; c += square)
            for (int64_t i = r; i < r + square && i < p->rows; i++) {
                const char *from = in + i * p->row_in + c * p->column_in;
                char *to = out + i * p->row_out + c * p->size;
                int64_t count = p->columns - c < square ? p->columns - c : square;
                if (p->size == 4)
                    for (int64_t j = 0; j < count; j++) memcpy(to + j * 4, from + j * p->column_in, 4);
                else
                    for (int64_t j = 0; j < count; j++) memcpy(to + j * p->size, from + j * p->column_in, (size_t)p->size);
            }
}

sl_attr sl_data_transpose(sl_context *context, sl_attr data, sl_type to, const int64_t *perm) {
    sl_type from = sl_attr_get_type(data);
    sl_element element = sl_type_element(to);
    int rank = sl_type_rank(to), row = -1;
    int64_t in[SL_MAX_RANK] = {0}, out[SL_MAX_RANK] = {0}, dims[SL_MAX_RANK] = {0}, by_axis[SL_MAX_RANK] = {0}, index[SL_MAX_RANK] = {0}, size = sl_element_bytes(element, 1);
    if (sl_attr_data_is_splat(data) || rank == 0 || sl_type_static_count(to) == 0) return sl_data_with_type(context, data, to);
    if (sl_element_bits(element) < 8 || element == SL_ELEMENT_str) return NULL;
    for (int64_t d = rank - 1, stride = size; d >= 0; d--) {
        by_axis[d] = stride;
        stride *= sl_type_static_dim(from, (int)d);
    }
    for (int64_t d = rank - 1, stride = size; d >= 0; d--) {
        dims[d] = sl_type_static_dim(to, (int)d);
        in[d] = by_axis[perm[d]];
        out[d] = stride;
        stride *= dims[d];
        if (d < rank - 1 && (row < 0 || in[d] < in[row])) row = (int)d;   /* the output axis that moves least in the input */
    }
    void *bytes;
    sl_attr made = sl_attr_data_zero(context, to, &bytes);
    plane p = {1, dims[rank - 1], 0, 0, in[rank - 1], size};
    if (row >= 0) p.rows = dims[row], p.row_in = in[row], p.row_out = out[row];
    for (bool more = true; more;) {
        int64_t from_offset = 0, to_offset = 0;
        for (int d = 0; d < rank - 1; d++) {
            from_offset += index[d] * in[d];
            to_offset += index[d] * out[d];
        }
        move_plane((char *)bytes + to_offset, (const char *)sl_attr_data_bytes(data) + from_offset, &p);
        more = false;
        for (int d = rank - 2; d >= 0 && !more; d--) {
            if (d == row) continue;
            more = ++index[d] < dims[d];
            if (!more) index[d] = 0;
        }
    }
    return made;
}
