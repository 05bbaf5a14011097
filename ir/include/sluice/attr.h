/* attr.h: interned immutable attributes; equality is pointer equality (except data, which compares by identity of its blob and type).
 *
 *   true false                bool          42            int            0.5  nan  inf  -inf        float (f64)
 *   "text"                    string        [a, b]        array          tensor<4 x f32>            type
 *   expr(2*B + 1)             expression    ints[1, 2]    dense int64    map(d0, d1)[d1, d0 + 1]    index map
 *   data<tensor<2 x f32>>[1.0, 2.0]                       constant data, printed in full when small
 *   data<tensor<4 x f32>>splat(0.0)                       every element the same
 *   data<tensor<512 x 512 x f32>>@"blob3"                 large constant data, by name in the module's blob table
 *   #csr   #nm<2, 4>                                      encoding: name plus attribute arguments
 */
#ifndef SLUICE_ATTR_H
#define SLUICE_ATTR_H

#include "sluice/type.h"

typedef enum sl_attr_kind {
    SL_ATTR_BOOL, SL_ATTR_INT, SL_ATTR_FLOAT, SL_ATTR_STRING, SL_ATTR_TYPE, SL_ATTR_EXPR, SL_ATTR_ARRAY, SL_ATTR_INTS, SL_ATTR_MAP,
    SL_ATTR_DATA, SL_ATTR_ENCODING,
} sl_attr_kind;

sl_attr sl_attr_bool(sl_context *context, bool value);
sl_attr sl_attr_int(sl_context *context, int64_t value);
sl_attr sl_attr_float(sl_context *context, double value);
sl_attr sl_attr_string(sl_context *context, const char *text);
sl_attr sl_attr_string_n(sl_context *context, const char *text, size_t length);
sl_attr sl_attr_type(sl_context *context, sl_type type);
sl_attr sl_attr_expr(sl_context *context, sl_expr expr);
sl_attr sl_attr_array(sl_context *context, int count, const sl_attr *items);
sl_attr sl_attr_ints(sl_context *context, int count, const int64_t *values);
sl_attr sl_attr_exprs(sl_context *context, int count, const sl_expr *values);       /* array of expr */
sl_attr sl_attr_strings(sl_context *context, int count, const char *const *values); /* array of string */
/* Index map: from `loops` loop indices to `count` expressions. */
sl_attr sl_attr_map(sl_context *context, int loops, int count, const sl_expr *results);
/* Constant data of a static tensor or scalar type: row-major packed elements. `data` is borrowed and must outlive the context (arena, mapped
 * file); sl_attr_data_copy copies it into the context. `size` must be sl_element_bytes(element, count). */
sl_attr sl_attr_data(sl_context *context, sl_type type, const void *data, int64_t size);
sl_attr sl_attr_data_copy(sl_context *context, sl_type type, const void *data, int64_t size);
sl_attr sl_attr_data_zero(sl_context *context, sl_type type, void **writable);      /* new zeroed storage to fill in before first use */
sl_attr sl_attr_data_splat(sl_context *context, sl_type type, double value);        /* every element the same; stored once (see is_splat) */
sl_attr sl_attr_data_splat_int(sl_context *context, sl_type type, int64_t value);   /* exact for all 64-bit values */
sl_attr sl_attr_encoding(sl_context *context, const char *name, int count, const sl_attr *arguments);

sl_attr_kind sl_attr_get_kind(sl_attr attr);
bool sl_attr_get_bool(sl_attr attr);
int64_t sl_attr_get_int(sl_attr attr);
double sl_attr_get_float(sl_attr attr);
const char *sl_attr_get_string(sl_attr attr);
sl_type sl_attr_get_type(sl_attr attr);                   /* TYPE, DATA */
sl_expr sl_attr_get_expr(sl_attr attr);
int sl_attr_count(sl_attr attr);                          /* ARRAY, INTS, MAP results, ENCODING arguments */
sl_attr sl_attr_item(sl_attr attr, int index);            /* ARRAY, ENCODING */
const int64_t *sl_attr_get_ints(sl_attr attr);
int sl_attr_map_loops(sl_attr attr);
sl_expr sl_attr_map_result(sl_attr attr, int index);
const char *sl_attr_encoding_name(sl_attr attr);
/* DATA: bytes of all elements; for a splat, of one element. */
bool sl_attr_data_is_splat(sl_attr attr);
const void *sl_attr_data_bytes(sl_attr attr);
int64_t sl_attr_data_size(sl_attr attr);
/* Element `index` (row-major) converted; works for splats and packed sub-byte elements. */
double sl_attr_data_float(sl_attr attr, int64_t index);
int64_t sl_attr_data_int(sl_attr attr, int64_t index);

/* Shortest decimal that reads back as the same value of the element type (f64: the same double); always has '.', 'e' or is nan, inf, -inf. */
void sl_float_print(sl_text *out, double value, sl_element element);
void sl_attr_print(sl_text *out, sl_attr attr);           /* full form; large data prints as @blob by the module printer */

#endif
