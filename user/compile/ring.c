// SPDX-License-Identifier: GPL-2.0-only
#include "compile/ring.h"

#include <errno.h>
#include <stdlib.h>

#include "usher/abi.h"

#include "base/cleanup.h"

#define SLOTS_PER_MEMBER 512	     /* fewer than 1 % of the slots then change hands needlessly when one leaves; */
#define SLOTS_FOR_MEMBERS (1u << 18) /* with so many slots also where there are fewer for each */
#define SLOTS_PER_SHARE 128	     /* of the smallest one: rounding is then below 1 % */

struct walk {
	uint32_t position, step;
	uint32_t credit;
};

/* The least power of two that is at least this, within what a ring may be. */
static uint32_t power_of_two(uint64_t least)
{
	uint32_t size = 1;

	while (size < least && size < USHER_RING_SIZE_MAX)
		size *= 2;
	return size;
}

uint32_t ring_size(size_t count, uint64_t weight_sum, uint32_t weight_min)
{
	uint64_t for_members = (uint64_t)power_of_two(count) * SLOTS_PER_MEMBER;
	uint32_t by_count = power_of_two(for_members < SLOTS_FOR_MEMBERS ? for_members : SLOTS_FOR_MEMBERS);
	uint32_t by_share = power_of_two(weight_sum * SLOTS_PER_SHARE / weight_min);

	if (count == 1)
		return 32; /* one line of slots */
	return by_count > by_share ? by_count : by_share;
}

int ring_fill(const struct ring_member *members, size_t count, uint32_t size, uint16_t *ret_slots)
{
	_cleanup_free_ struct walk *walks = calloc(count, sizeof(*walks));
	_cleanup_free_ uint64_t *taken = calloc(size / 64 + 1, sizeof(*taken)); /* a bit for each slot */
	uint32_t weight_max = 0, filled = 0;

	if (!walks || !taken)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		uint64_t hash = usher_mix64(members[i].seed);

		walks[i].position = (uint32_t)hash & (size - 1);
		walks[i].step = ((uint32_t)(hash >> 32) & (size - 1)) | 1; /* odd: it comes by every slot */
		if (members[i].weight > weight_max)
			weight_max = members[i].weight;
	}
	for (size_t i = 0; filled < size; i = i + 1 < count ? i + 1 : 0) {
		struct walk *walk = &walks[i];

		walk->credit += members[i].weight;
		if (walk->credit < weight_max)
			continue;
		walk->credit -= weight_max;
		while (taken[walk->position / 64] >> (walk->position % 64) & 1)
			walk->position = (walk->position + walk->step) & (size - 1);
		taken[walk->position / 64] |= 1ULL << (walk->position % 64);
		ret_slots[walk->position] = members[i].backend;
		filled++;
	}
	return 0;
}

double ring_error(const struct ring_member *members, size_t count, uint32_t size, const uint16_t *slots)
{
	static _Thread_local uint32_t got[USHER_BACKENDS_MAX];
	uint64_t sum = 0;
	double worst = 0;

	for (size_t i = 0; i < count; i++) {
		got[members[i].backend] = 0;
		sum += members[i].weight;
	}
	for (uint32_t s = 0; s < size; s++)
		got[slots[s]]++;
	for (size_t i = 0; i < count; i++) {
		double asked = (double)members[i].weight / (double)sum;
		double error = (double)got[members[i].backend] / size / asked - 1;

		if (error < 0)
			error = -error;
		if (error > worst)
			worst = error;
	}
	return worst;
}
