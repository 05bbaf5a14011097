/* random.h: the counter-based generator behind tensor.random, shared by evaluator and runtime: Philox 4x32-10 (Salmon et al., "Parallel Random Numbers: As
 * Easy as 1, 2, 3", 2011). Element i depends on (seed, i) alone, so any order of generation gives the same tensor. */
#ifndef SLUICE_RANDOM_H
#define SLUICE_RANDOM_H

#include <stdint.h>

/* Uniform in [0, 1), multiples of 2^-24. */
double sl_random_uniform(uint64_t seed, uint64_t index);
/* Standard normal by Box and Muller's transform of elements 2i and 2i + 1. */
double sl_random_normal(uint64_t seed, uint64_t index);

#endif
