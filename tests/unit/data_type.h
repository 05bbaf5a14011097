/* data_type.h: an element type as DLPack writes it. */
#ifndef SLUICE_TESTS_DATA_TYPE_H
#define SLUICE_TESTS_DATA_TYPE_H

#include "sluice/ir.h"
#include "sluice/sluice.h"

static DLDataType data_type(sl_element e) {
    uint8_t code = e == SL_ELEMENT_i1 ? 6 : e == SL_ELEMENT_bf16 ? 4 : sl_element_is_float(e) ? 2 : sl_element_is_signed(e) ? 0 : 1;
    return (DLDataType){code, (uint8_t)sl_element_bits(e), 1};
}

#endif
