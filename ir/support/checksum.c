/* checksum.c: eight lanes of xor, rotate and odd multiply over 64-byte stripes. Every step is a bijection of the lane, so a single changed word always shows; the
 * rotation carries changes of the top bits (signs of floats) down, which a product alone would not. */
#include "sluice/memory.h"
#include <string.h>

enum { STRIPE = 64 };

void sl_checksum_init(sl_checksum *sum) {
    for (int i = 0; i < 8; i++) sum->lanes[i] = 0x9E3779B97F4A7C15u * (uint64_t)(i + 1);
    sum->stripes = 0;
}

static inline uint64_t step(uint64_t lane, uint64_t word) {
    uint64_t mixed = lane ^ word;
    return (mixed << 29 | mixed >> 35) * 0xD6E8FEB86659FD93u;
}

static void add_stripes(sl_checksum *sum, const uint8_t *data, size_t count) {
    uint64_t lanes[8], words[8];
    memcpy(lanes, sum->lanes, sizeof lanes);
    for (size_t i = 0; i < count; i++, data += STRIPE) {
        memcpy(words, data, STRIPE);
        for (int k = 0; k < 8; k++) lanes[k] = step(lanes[k], words[k]);
    }
    memcpy(sum->lanes, lanes, sizeof lanes);
    sum->stripes += count;
}

void sl_checksum_add(sl_checksum *sum, const void *data, size_t size) {
    add_stripes(sum, data, size / STRIPE);
    if (size % STRIPE == 0) return;
    uint8_t last[STRIPE] = {0};
    memcpy(last, (const uint8_t *)data + size / STRIPE * STRIPE, size % STRIPE);
    add_stripes(sum, last, 1);
}

uint64_t sl_checksum_value(const sl_checksum *sum) {
    uint64_t value = sum->stripes * 0xA0761D6478BD642Fu;
    for (int i = 0; i < 8; i++) value = step(value, sum->lanes[i]);
    return value ^ value >> 31;
}

uint64_t sl_checksum_of(const void *data, size_t size) {
    sl_checksum sum;
    sl_checksum_init(&sum);
    sl_checksum_add(&sum, data, size);
    return sl_checksum_value(&sum);
}
