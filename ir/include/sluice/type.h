/* type.h: interned types; equality is pointer equality.
 *
 *   f64 f32 f16 bf16 f8e4m3 f8e5m2 f8e4m3fnuz f8e5m2fnuz   i1 i2 i4 i8 i16 i32 i64   u2 u4 u8 u16 u32 u64   str
 *   tensor<B x 128 x f32>            dims are expressions; `tensor<f32>` is rank 0; `tensor<* x f32>` has unknown rank
 *   tensor<768 x 768 x f32, #csr>    an encoding attribute for sparse and low-bit storage
 *   vector<16 x f32>
 *   buffer<B x 128 x f32>            memory, row-major contiguous; `buffer<? x f32>` is a bare pointer to elements
 *   partition<4>                     a routing plan with 4 branches over rows
 *   list<T>  optional<T>             ONNX sequences and optionals
 *   token
 *
 * i1 is boolean, stored as one byte (0 or 1). i2/u2/i4/u4 tensors are packed little end first in constants and at the API (ONNX's order).
 */
#ifndef SLUICE_TYPE_H
#define SLUICE_TYPE_H

#include "sluice/element.h"
#include "sluice/expr.h"

typedef const struct sl_type_data *sl_type;
typedef const struct sl_attr_data *sl_attr;

typedef enum sl_type_kind {
    SL_TYPE_SCALAR, SL_TYPE_TENSOR, SL_TYPE_VECTOR, SL_TYPE_BUFFER, SL_TYPE_PARTITION, SL_TYPE_LIST, SL_TYPE_OPTIONAL, SL_TYPE_TOKEN,
} sl_type_kind;

#define SL_MAX_RANK 16

sl_type sl_type_scalar(sl_context *context, sl_element element);
sl_type sl_type_tensor(sl_context *context, sl_element element, int rank, const sl_expr *dims);
sl_type sl_type_tensor_encoded(sl_context *context, sl_element element, int rank, const sl_expr *dims, sl_attr encoding);
sl_type sl_type_tensor_static(sl_context *context, sl_element element, int rank, const int64_t *dims);
sl_type sl_type_unranked(sl_context *context, sl_element element);
sl_type sl_type_vector(sl_context *context, sl_element element, int lanes);
sl_type sl_type_buffer(sl_context *context, sl_element element, int rank, const sl_expr *dims);
sl_type sl_type_pointer(sl_context *context, sl_element element);          /* buffer<? x element> */
sl_type sl_type_partition(sl_context *context, int branches);
sl_type sl_type_list(sl_context *context, sl_type item);
sl_type sl_type_optional(sl_context *context, sl_type item);
sl_type sl_type_token(sl_context *context);
/* The same shape with another element, or another shape with the same element and kind. Works on scalars, vectors, tensors, buffers. */
sl_type sl_type_with_element(sl_context *context, sl_type type, sl_element element);
sl_type sl_type_with_dims(sl_context *context, sl_type type, int rank, const sl_expr *dims);

sl_type_kind sl_type_get_kind(sl_type type);
bool sl_type_is_tensor(sl_type type);
bool sl_type_is_scalar(sl_type type);
bool sl_type_is_vector(sl_type type);
bool sl_type_is_buffer(sl_type type);
sl_element sl_type_element(sl_type type);                  /* scalar, tensor, vector, buffer */
bool sl_type_is_ranked(sl_type type);                      /* tensor or buffer with known rank; scalars count as rank 0 */
int sl_type_rank(sl_type type);                            /* 0 for scalars; asserts ranked */
sl_expr sl_type_dim(sl_type type, int axis);
const sl_expr *sl_type_dims(sl_type type);
bool sl_type_is_static(sl_type type);                      /* all dims constant */
int64_t sl_type_static_dim(sl_type type, int axis);        /* -1 when not constant */
int64_t sl_type_static_count(sl_type type);                /* elements, -1 when not static or too large for int64 */
sl_expr sl_type_count(sl_context *context, sl_type type);  /* product of dims */
sl_attr sl_type_encoding(sl_type type);                    /* NULL when dense */
int sl_type_lanes(sl_type type);                           /* vector */
int sl_type_branches(sl_type type);                        /* partition */
sl_type sl_type_item(sl_type type);                        /* list, optional */
void sl_type_print(sl_text *out, sl_type type);

#endif
