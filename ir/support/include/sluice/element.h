/* element.h: element types of tensors, shared by the IR and the runtime: names, widths, and codecs. */
#ifndef SLUICE_ELEMENT_H
#define SLUICE_ELEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* name, bits, class (F float, I signed, U unsigned, B boolean, S string), ONNX TensorProto data type or 0 */
#define SL_ELEMENT_TYPES(X)                                                                                                  \
    X(f64, 64, F, 11) X(f32, 32, F, 1) X(f16, 16, F, 10) X(bf16, 16, F, 16) X(f8e4m3, 8, F, 17) X(f8e5m2, 8, F, 19)          \
    X(f8e4m3fnuz, 8, F, 18) X(f8e5m2fnuz, 8, F, 20) X(i1, 8, B, 9) X(i2, 2, I, 26) X(i4, 4, I, 22) X(i8, 8, I, 3)            \
    X(i16, 16, I, 5) X(i32, 32, I, 6) X(i64, 64, I, 7) X(u2, 2, U, 25) X(u4, 4, U, 21) X(u8, 8, U, 2) X(u16, 16, U, 4)        \
    X(u32, 32, U, 12) X(u64, 64, U, 13) X(str, 64, S, 8)

typedef enum sl_element {
#define SL_ELEMENT_ENUM(name, bits, class_, onnx) SL_ELEMENT_##name,
    SL_ELEMENT_TYPES(SL_ELEMENT_ENUM)
#undef SL_ELEMENT_ENUM
    SL_ELEMENT_COUNT
} sl_element;

const char *sl_element_name(sl_element element);
bool sl_element_parse(const char *name, size_t length, sl_element *element);
int sl_element_bits(sl_element element);                   /* storage bits of one element: 8 for i1, 4 for i4 */
bool sl_element_is_float(sl_element element);
bool sl_element_is_integer(sl_element element);            /* signed or unsigned, not i1 */
bool sl_element_is_signed(sl_element element);             /* signed integers */
bool sl_element_from_onnx(int onnx_type, sl_element *element);
int sl_element_to_onnx(sl_element element);
/* Bytes of `count` packed elements. */
int64_t sl_element_bytes(sl_element element, int64_t count);

/* Element codecs, shared by folding, evaluation and import: any element type except str. Rounding is to nearest even; float to integer
 * truncates toward zero and saturates; narrowing of integers wraps; f8 saturates (as ONNX's default). */
double sl_element_load_float(sl_element element, const void *data, int64_t index);
int64_t sl_element_load_int(sl_element element, const void *data, int64_t index);      /* u64 as the bit pattern */
void sl_element_store_float(sl_element element, void *data, int64_t index, double value);
void sl_element_store_int(sl_element element, void *data, int64_t index, int64_t value);
float sl_half_to_float(uint16_t bits);
uint16_t sl_float_to_half(float value);
float sl_bfloat_to_float(uint16_t bits);
uint16_t sl_float_to_bfloat(float value);
float sl_f8_to_float(sl_element element, uint8_t bits);
uint8_t sl_float_to_f8(sl_element element, float value, bool saturate);

#endif
