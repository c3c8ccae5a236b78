// SPDX-License-Identifier: GPL-2.0-only
#include "audit/census.h"

#include <errno.h>
#include <stdlib.h>

#include "kernel/counters.h"

struct census {
	/* Two looks: numbers given out at the first, up to where the rings were filled at the second. */
	struct counters_cpu *taken;
	uint64_t *filled[USHER_RINGS]; /* by CPU */
	enum { LOOK_AT_NUMBERS, LOOK_AT_RINGS, WAIT_FOR_THEM } next;
};

int census_new(struct census **ret_census)
{
	struct census *census = calloc(1, sizeof(*census));

	bool whole = census;

	if (census) {
		census->taken = calloc(counters_cpus(), sizeof(*census->taken));
		whole = census->taken;
	}
	for (int ring = 0; ring < USHER_RINGS && whole; ring++) {
		census->filled[ring] = calloc(counters_cpus(), sizeof(*census->filled[ring]));
		whole = census->filled[ring];
	}
	if (!whole) {
		census_free(census);
		return -ENOMEM;
	}
	*ret_census = census;
	return 0;
}

void census_free(struct census *census)
{
	if (!census)
		return;
	for (int ring = 0; ring < USHER_RINGS; ring++)
		free(census->filled[ring]);
	free(census->taken);
	free(census);
}

/* Has every event been read that has one of the numbers taken at the first look? */
static bool all_come(const struct census *census, const struct events *events)
{
	for (int ring = 0; ring < USHER_RINGS; ring++)
		if (!events_are_released(events, (enum usher_ring)ring, census->filled[ring]))
			return false;
	return true;
}

int census_look(struct census *census, const struct program *program, const struct events *events, bool *ret_is_over)
{
	bool is_over = false;
	int error = 0;

	switch (census->next) {
	case LOOK_AT_NUMBERS:
		error = counters_sequences(program, census->taken, counters_cpus());
		if (!error)
			census->next = LOOK_AT_RINGS;
		break;
	case LOOK_AT_RINGS:
		for (int ring = 0; ring < USHER_RINGS; ring++)
			events_filled(events, (enum usher_ring)ring, census->filled[ring]);
		census->next = WAIT_FOR_THEM;
		break;
	case WAIT_FOR_THEM:
		is_over = all_come(census, events);
		if (is_over)
			census->next = LOOK_AT_NUMBERS;
		break;
	}
	*ret_is_over = is_over;
	return error;
}

uint64_t census_taken(const struct census *census, uint32_t cpu, enum usher_ring ring)
{
	return census->taken[cpu].rings[ring].taken;
}
