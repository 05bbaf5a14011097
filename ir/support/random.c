/* random.c: Philox 4x32-10. Block n of a seed's stream gives the 32-bit words 4n .. 4n+3. */
#include "sluice/random.h"

#include <math.h>

static uint32_t philox_word(uint64_t seed, uint64_t index) {
    uint64_t block = index / 4;
    uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), 0, 0}, key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)0xD2511F53u * counter[0], b = (uint64_t)0xCD9E8D57u * counter[2];
        uint32_t next[4] = {(uint32_t)(b >> 32) ^ counter[1] ^ key[0], (uint32_t)b, (uint32_t)(a >> 32) ^ counter[3] ^ key[1], (uint32_t)a};
        for (int i = 0; i < 4; i++) counter[i] = next[i];
        key[0] += 0x9E3779B9u;
        key[1] += 0xBB67AE85u;
    }
    return counter[index % 4];
}

double sl_random_uniform(uint64_t seed, uint64_t index) { return (philox_word(seed, index) >> 8) * 0x1p-24; }

double sl_random_normal(uint64_t seed, uint64_t index) {
    double radius = 1 - sl_random_uniform(seed, 2 * index);   /* in (0, 1]: the logarithm is finite */
    double angle = sl_random_uniform(seed, 2 * index + 1);
    return sqrt(-2 * log(radius)) * cos(6.283185307179586 * angle);
}
