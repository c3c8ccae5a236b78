/* SPDX-License-Identifier: GPL-2.0-only */
/* Numbers that a seed repeats on every machine: SplitMix64 (Steele, Lea, Flood, OOPSLA '14). */
#ifndef USHER_MODEL_RANDOM_H
#define USHER_MODEL_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
	uint64_t state;
};

static inline uint64_t random_next(struct random *random)
{
	uint64_t x = random->state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

/* Uniform in [0, n), n > 0; the bias of at most n / 2^32 is nobody's concern here. */
static inline uint32_t random_below(struct random *random, uint64_t n)
{
	return (uint32_t)(((random_next(random) >> 32) * n) >> 32);
}

static inline uint32_t random_between(struct random *random, uint32_t low, uint32_t high)
{
	return low + random_below(random, (uint64_t)high - low + 1);
}

static inline bool random_chance(struct random *random, unsigned int percent)
{
	return random_below(random, 100) < percent;
}

#endif
