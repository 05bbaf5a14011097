/* element.c: the table of element types, and loading and storing single elements of any numeric type: the one place that knows their bit layouts.
 *
 * Small float formats are described by a table row and share one rounding routine, which rounds a double directly (going through float first would
 * round twice). Sub-byte integers are packed with the first element in the lowest bits. Memory may be unaligned (mapped files), hence memcpy. */
#include "sluice/element.h"
#include "sluice/memory.h"
#include <assert.h>
#include <math.h>
#include <string.h>

/* ---- elements ---- */

typedef struct element_info { const char *name; int bits; char class_; int onnx; } element_info;

static const element_info elements[SL_ELEMENT_COUNT] = {
#define SL_ELEMENT_ROW(name, bits, class_, onnx) {#name, bits, #class_[0], onnx},
    SL_ELEMENT_TYPES(SL_ELEMENT_ROW)
#undef SL_ELEMENT_ROW
};

const char *sl_element_name(sl_element element) { return elements[element].name; }
int sl_element_bits(sl_element element) { return elements[element].bits; }
bool sl_element_is_float(sl_element element) { return elements[element].class_ == 'F'; }
bool sl_element_is_integer(sl_element element) { return elements[element].class_ == 'I' || elements[element].class_ == 'U'; }
bool sl_element_is_signed(sl_element element) { return elements[element].class_ == 'I'; }
int sl_element_to_onnx(sl_element element) { return elements[element].onnx; }

bool sl_element_parse(const char *name, size_t length, sl_element *element) {
    for (int i = 0; i < SL_ELEMENT_COUNT; i++) {
        if (strlen(elements[i].name) == length && memcmp(elements[i].name, name, length) == 0) {
            *element = (sl_element)i;
            return true;
        }
    }
    return false;
}

bool sl_element_from_onnx(int onnx_type, sl_element *element) {
    for (int i = 0; i < SL_ELEMENT_COUNT; i++) {
        if (onnx_type && elements[i].onnx == onnx_type) {
            *element = (sl_element)i;
            return true;
        }
    }
    return false;
}

int64_t sl_element_bytes(sl_element element, int64_t count) {
    int bits = elements[element].bits;
    int64_t total;
    if (count < 0) return -1;
    if (bits < 8) return count / (8 / bits) + (count % (8 / bits) != 0);
    return sl_size_mul(count, bits / 8, &total) ? total : -1;
}

/* ---- codecs ---- */

typedef struct float_format {
    int bits, mantissa, bias;
    uint32_t largest;    /* code of the largest finite magnitude */
    int32_t infinity;    /* code, or -1 when the format has none */
    uint32_t nan;
    bool unsigned_zero;  /* "uz": the code of minus zero is the only NaN */
} float_format;

static const float_format half_format = {16, 10, 15, 0x7BFF, 0x7C00, 0x7E00, false};
static const float_format bfloat_format = {16, 7, 127, 0x7F7F, 0x7F80, 0x7FC0, false};

static const float_format *f8_format(sl_element element) {
    static const float_format e4m3 = {8, 3, 7, 0x7E, -1, 0x7F, false}, e5m2 = {8, 2, 15, 0x7B, 0x7C, 0x7E, false};
    static const float_format e4m3fnuz = {8, 3, 8, 0x7F, -1, 0x80, true}, e5m2fnuz = {8, 2, 16, 0x7F, -1, 0x80, true};
    switch ((int)element) {
    case SL_ELEMENT_f8e4m3: return &e4m3;
    case SL_ELEMENT_f8e5m2: return &e5m2;
    case SL_ELEMENT_f8e4m3fnuz: return &e4m3fnuz;
    case SL_ELEMENT_f8e5m2fnuz: return &e5m2fnuz;
    }
    assert(!"not an 8-bit float");
    return &e4m3;
}

/* Nearest even. Relies on the default rounding mode of rint. */
static uint32_t encode(const float_format *format, double value, bool saturate) {
    uint32_t sign = signbit(value) ? 1u << (format->bits - 1) : 0;
    if (isnan(value)) return format->unsigned_zero ? format->nan : sign | format->nan;
    double magnitude = fabs(value);
    uint32_t code;
    int exponent = 0;
    if (!isinf(magnitude)) {
        frexp(magnitude, &exponent);
        exponent--;   /* magnitude in [2^exponent, 2^(exponent + 1)) */
    }
    if (isinf(magnitude) || exponent + format->bias > 1 << (format->bits - 1 - format->mantissa)) {
        code = UINT32_MAX;
    } else {
        int least = 1 - format->bias, scale = (exponent > least ? exponent : least) - format->mantissa;
        int64_t digits = (int64_t)rint(ldexp(magnitude, -scale));
        /* A carry out of the digits moves into the exponent field by itself, also from subnormal to normal. */
        int64_t wide = magnitude == 0 || exponent < least ? digits
                                                          : ((int64_t)(exponent + format->bias) << format->mantissa) + digits - (1 << format->mantissa);
        code = (uint32_t)wide;
    }
    if (code > format->largest) {
        if (saturate) code = format->largest;
        else if (format->infinity >= 0) code = (uint32_t)format->infinity;
        else return format->unsigned_zero ? format->nan : sign | format->nan;
    }
    return code == 0 && format->unsigned_zero ? 0 : sign | code;
}

static double decode(const float_format *format, uint32_t bits) {
    uint32_t sign = bits >> (format->bits - 1) & 1, code = bits & ((1u << (format->bits - 1)) - 1);
    if (format->unsigned_zero && bits == format->nan) return NAN;
    if (code > format->largest) return (int32_t)code == format->infinity ? (sign ? -INFINITY : INFINITY) : (sign ? -NAN : NAN);
    uint32_t exponent = code >> format->mantissa, digits = code & ((1u << format->mantissa) - 1);
    double magnitude = exponent ? ldexp(digits + (1u << format->mantissa), (int)exponent - format->bias - format->mantissa)
                                : ldexp(digits, 1 - format->bias - format->mantissa);
    return sign ? -magnitude : magnitude;
}

float sl_half_to_float(uint16_t bits) { return (float)decode(&half_format, bits); }
uint16_t sl_float_to_half(float value) { return (uint16_t)encode(&half_format, value, false); }

float sl_bfloat_to_float(uint16_t bits) {
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, 4);
    return value;
}

uint16_t sl_float_to_bfloat(float value) { return (uint16_t)encode(&bfloat_format, value, false); }
float sl_f8_to_float(sl_element element, uint8_t bits) { return (float)decode(f8_format(element), bits); }
uint8_t sl_float_to_f8(sl_element element, float value, bool saturate) { return (uint8_t)encode(f8_format(element), value, saturate); }

#define LOAD(type)                                                       \
    type loaded;                                                         \
    memcpy(&loaded, (const char *)data + index * (int64_t)sizeof(type), sizeof(type))

#define STORE(type, expression)                                          \
    do {                                                                 \
        type stored = (expression);                                      \
        memcpy((char *)data + index * (int64_t)sizeof(type), &stored, sizeof(type)); \
    } while (0)

static unsigned load_packed(const void *data, int64_t index, int bits) {
    int each = 8 / bits;
    return ((const uint8_t *)data)[index / each] >> (index % each * bits) & ((1u << bits) - 1);
}

static void store_packed(void *data, int64_t index, int bits, unsigned value) {
    int each = 8 / bits, shift = (int)(index % each) * bits;
    uint8_t *byte = (uint8_t *)data + index / each;
    unsigned mask = ((1u << bits) - 1) << shift;
    *byte = (uint8_t)((*byte & ~mask) | (value << shift & mask));
}

/* Truncates toward zero into [low, high]; NaN gives 0. */
static int64_t to_integer(double value, int64_t low, int64_t high) {
    if (isnan(value)) return 0;
    if (value <= (double)low) return low;
    if (value >= (double)high) return high;   /* (double)INT64_MAX is 2^63: everything below it fits */
    return (int64_t)value;
}

double sl_element_load_float(sl_element element, const void *data, int64_t index) {
    switch (element) {
    case SL_ELEMENT_f64: { LOAD(double); return loaded; }
    case SL_ELEMENT_f32: { LOAD(float); return loaded; }
    case SL_ELEMENT_f16: { LOAD(uint16_t); return decode(&half_format, loaded); }
    case SL_ELEMENT_bf16: { LOAD(uint16_t); return sl_bfloat_to_float(loaded); }
    case SL_ELEMENT_f8e4m3:
    case SL_ELEMENT_f8e5m2:
    case SL_ELEMENT_f8e4m3fnuz:
    case SL_ELEMENT_f8e5m2fnuz: return decode(f8_format(element), ((const uint8_t *)data)[index]);
    case SL_ELEMENT_u64: { LOAD(uint64_t); return (double)loaded; }
    case SL_ELEMENT_i1: case SL_ELEMENT_i2: case SL_ELEMENT_i4: case SL_ELEMENT_i8: case SL_ELEMENT_i16: case SL_ELEMENT_i32:
    case SL_ELEMENT_i64: case SL_ELEMENT_u2: case SL_ELEMENT_u4: case SL_ELEMENT_u8: case SL_ELEMENT_u16: case SL_ELEMENT_u32:
        return (double)sl_element_load_int(element, data, index);
    case SL_ELEMENT_str:
    case SL_ELEMENT_COUNT: break;
    }
    assert(!"strings have no numeric value");
    return 0;
}

int64_t sl_element_load_int(sl_element element, const void *data, int64_t index) {
    switch (element) {
    case SL_ELEMENT_f64: case SL_ELEMENT_f32: case SL_ELEMENT_f16: case SL_ELEMENT_bf16: case SL_ELEMENT_f8e4m3: case SL_ELEMENT_f8e5m2:
    case SL_ELEMENT_f8e4m3fnuz: case SL_ELEMENT_f8e5m2fnuz:
        return to_integer(sl_element_load_float(element, data, index), INT64_MIN, INT64_MAX);
    case SL_ELEMENT_i1: return ((const uint8_t *)data)[index] != 0;
    case SL_ELEMENT_i2: return (int64_t)(load_packed(data, index, 2) ^ 2) - 2;
    case SL_ELEMENT_i4: return (int64_t)(load_packed(data, index, 4) ^ 8) - 8;
    case SL_ELEMENT_u2: return load_packed(data, index, 2);
    case SL_ELEMENT_u4: return load_packed(data, index, 4);
    case SL_ELEMENT_i8: return ((const int8_t *)data)[index];
    case SL_ELEMENT_u8: return ((const uint8_t *)data)[index];
    case SL_ELEMENT_i16: { LOAD(int16_t); return loaded; }
    case SL_ELEMENT_u16: { LOAD(uint16_t); return loaded; }
    case SL_ELEMENT_i32: { LOAD(int32_t); return loaded; }
    case SL_ELEMENT_u32: { LOAD(uint32_t); return loaded; }
    case SL_ELEMENT_i64:
    case SL_ELEMENT_u64: { LOAD(int64_t); return loaded; }
    case SL_ELEMENT_str:
    case SL_ELEMENT_COUNT: break;
    }
    assert(!"strings have no numeric value");
    return 0;
}

void sl_element_store_float(sl_element element, void *data, int64_t index, double value) {
    switch (element) {
    case SL_ELEMENT_f64: STORE(double, value); return;
    case SL_ELEMENT_f32: STORE(float, (float)value); return;
    case SL_ELEMENT_f16: STORE(uint16_t, (uint16_t)encode(&half_format, value, false)); return;
    case SL_ELEMENT_bf16: STORE(uint16_t, (uint16_t)encode(&bfloat_format, value, false)); return;
    case SL_ELEMENT_f8e4m3:
    case SL_ELEMENT_f8e5m2:
    case SL_ELEMENT_f8e4m3fnuz:
    case SL_ELEMENT_f8e5m2fnuz: ((uint8_t *)data)[index] = (uint8_t)encode(f8_format(element), value, true); return;
    case SL_ELEMENT_i1: ((uint8_t *)data)[index] = value != 0; return;
    case SL_ELEMENT_u64:
        if (value >= 9223372036854775808.0) STORE(uint64_t, value >= 18446744073709551616.0 ? UINT64_MAX : (uint64_t)value);
        else STORE(int64_t, to_integer(value, 0, INT64_MAX));
        return;
    case SL_ELEMENT_i2: case SL_ELEMENT_i4: case SL_ELEMENT_i8: case SL_ELEMENT_i16: case SL_ELEMENT_i32: case SL_ELEMENT_i64: {
        int bits = sl_element_bits(element);
        int64_t high = INT64_MAX >> (64 - bits);
        sl_element_store_int(element, data, index, to_integer(value, -high - 1, high));
        return;
    }
    case SL_ELEMENT_u2: case SL_ELEMENT_u4: case SL_ELEMENT_u8: case SL_ELEMENT_u16: case SL_ELEMENT_u32:
        sl_element_store_int(element, data, index, to_integer(value, 0, (INT64_C(1) << sl_element_bits(element)) - 1));
        return;
    case SL_ELEMENT_str:
    case SL_ELEMENT_COUNT: break;
    }
    assert(!"strings have no numeric value");
}

void sl_element_store_int(sl_element element, void *data, int64_t index, int64_t value) {
    switch (element) {
    case SL_ELEMENT_f32: STORE(float, (float)value); return;   /* not through double: one rounding */
    case SL_ELEMENT_f64: case SL_ELEMENT_f16: case SL_ELEMENT_bf16: case SL_ELEMENT_f8e4m3: case SL_ELEMENT_f8e5m2: case SL_ELEMENT_f8e4m3fnuz:
    case SL_ELEMENT_f8e5m2fnuz: sl_element_store_float(element, data, index, (double)value); return;
    case SL_ELEMENT_i1: ((uint8_t *)data)[index] = value != 0; return;
    case SL_ELEMENT_i2:
    case SL_ELEMENT_u2: store_packed(data, index, 2, (unsigned)value & 3); return;
    case SL_ELEMENT_i4:
    case SL_ELEMENT_u4: store_packed(data, index, 4, (unsigned)value & 15); return;
    case SL_ELEMENT_i8:
    case SL_ELEMENT_u8: ((uint8_t *)data)[index] = (uint8_t)value; return;
    case SL_ELEMENT_i16:
    case SL_ELEMENT_u16: STORE(uint16_t, (uint16_t)value); return;
    case SL_ELEMENT_i32:
    case SL_ELEMENT_u32: STORE(uint32_t, (uint32_t)value); return;
    case SL_ELEMENT_i64:
    case SL_ELEMENT_u64: STORE(int64_t, value); return;
    case SL_ELEMENT_str:
    case SL_ELEMENT_COUNT: break;
    }
    assert(!"strings have no numeric value");
}
