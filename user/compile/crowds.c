// SPDX-License-Identifier: GPL-2.0-only
#include "compile/crowds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "usher/ring_hash.h"

#include "base/array.h"
#include "base/cleanup.h"
#include "compile/fit.h"
#include "compile/ring.h"
#include "govern/slow_start.h"

/* More than this share of error is told. */
#define ERROR_TOLD 0.01
/* Below this, rings are not made smaller to make room for others. */
#define RING_CAP_LEAST 8192

/* By what they are told apart, in front of a bit for each backend of the model. */
struct crowd_key {
	uint64_t model, version, slow_start_ms;
	uint64_t start[USHER_BACKENDS_MAX / 64];
};

void crowds_free(struct crowds *crowds)
{
	intern_free(&crowds->keys);
	free(crowds->items);
	rings_free(&crowds->rings);
}

/* ---- rings -------------------------------------------------------------------------------------------------- */

/* Sized by every backend that serves the model, so that it stays when one is taken out for a while. */
static uint32_t size_of_ring(const struct crowds *crowds, size_t model)
{
	const struct effective *effective = crowds->effective;
	size_t first = effective->serving_first[model], end = effective->serving_first[model + 1];
	uint32_t least = UINT32_MAX;
	uint64_t sum = 0;

	for (size_t i = first; i < end; i++) {
		uint32_t weight = crowds->effective->policy->backends[effective->serving[i]].capacity;

		sum += weight;
		if (weight < least)
			least = weight;
	}
	uint32_t size = ring_size(end - first, sum, least);

	return size < crowds->ring_cap ? size : crowds->ring_cap;
}

static void tell_error(struct crowds *crowds, size_t service, double error, uint32_t size)
{
	const struct place *place = &crowds->effective->policy->services[service].place;

	/* What passes by itself is no fault of the policy. */
	if (error <= ERROR_TOLD || crowds->warming)
		return;
	diagnostics_add(crowds->diagnostics, SEVERITY_WARNING, place->line, place->column, "",
			"service \"%s\": a share is %.1f %% off what the capacities ask for; a ring has %u slots",
			crowds->effective->policy->services[service].name, error * 100, size);
}

static int ring_room(struct crowds *crowds, size_t lines)
{
	struct rings *rings = &crowds->rings;

	size_t slots = (rings->line_count + lines) * 32;

	if (slots > USHER_RING_SLOTS_MAX && crowds->ring_cap > RING_CAP_LEAST)
		return -ENOSPC;
	if (fit(crowds->diagnostics, "ring slots", slots, USHER_RING_SLOTS_MAX))
		return -E2BIG;
	while (rings->line_capacity < rings->line_count + lines) {
		size_t capacity = rings->line_capacity ? rings->line_capacity * 2 : 1024;
		void *larger = realloc(rings->lines, capacity * sizeof(*rings->lines));

		if (!larger)
			return -ENOMEM;
		rings->lines = larger;
		rings->line_capacity = capacity;
	}
	return 0;
}

/* key: size and members, by which a compilation before may have made it. */
static int new_ring(struct crowds *crowds, const struct ring_member *key, size_t count, uint32_t size,
		    double *ret_error)
{
	const struct rings *known = crowds->known;
	struct rings *rings = &crowds->rings;
	size_t lines = size / 32,
	       before = known ? intern_find(&known->keys, key, (count + 1) * sizeof(*key)) : SIZE_MAX;
	int error = ring_room(crowds, lines);

	if (error)
		return error;
	uint16_t *slots = rings->lines[rings->line_count].value;

	if (before != SIZE_MAX) {
		memcpy(slots, known->lines[known->first[before]].value, size * sizeof(*slots));
		*ret_error = known->error[before];
	} else {
		error = ring_fill(key + 1, count, size, slots);
		if (error)
			return error;
		*ret_error = ring_error(key + 1, count, size, slots);
	}
	rings->line_count += lines;
	return 0;
}

static int ring_of(struct crowds *crowds, const struct ring_member *members, size_t count, uint32_t size,
		   size_t service, uint32_t *ret_first)
{
	struct rings *rings = &crowds->rings;
	size_t before = rings->keys.count, number;

	/* Members of a ring of another size are another ring's; no member's weight is 0, so the size can be told apart. */
	_cleanup_free_ struct ring_member *key = calloc(count + 1, sizeof(*key));

	if (!key)
		return -ENOMEM;
	key[0].seed = size;
	memcpy(key + 1, members, count * sizeof(*members));
	number = intern(&rings->keys, key, (count + 1) * sizeof(*key));
	if (number == before) {
		uint32_t first = (uint32_t)rings->line_count;
		double off;
		int error = new_ring(crowds, key, count, size, &off);

		if (error)
			return error;
		rings->first = array_grow(rings->first, number, &rings->first_capacity, sizeof(*rings->first));
		rings->error = array_grow(rings->error, number, &rings->error_capacity, sizeof(*rings->error));
		rings->first[number] = first;
		rings->error[number] = off;
		tell_error(crowds, service, off, size);
	}
	*ret_first = rings->first[number] * 32;
	return 0;
}

/* ---- crowds ------------------------------------------------------------------------------------------------- */

/* service: whose ring it is. */
static size_t members_of(struct crowds *crowds, size_t service, const struct decision_arm *arm,
			 const struct shortlist *list, struct ring_member *members)
{
	const struct policy *policy = crowds->effective->policy;
	size_t kept = 0;

	crowds->warming = false;
	for (size_t i = 0; i < list->count; i++) {
		size_t backend = list->backends[i];

		if (!shortlist_starts(list, policy, i, arm))
			continue;
		if (effective_part(crowds->effective, service, backend) < SLOW_START_WHOLE)
			crowds->warming = true;
		members[kept++] = (struct ring_member){.seed = usher_name_seed(policy->backends[backend].name),
						       .weight = effective_weight(crowds->effective, service, backend),
						       .backend = crowds->numbers->backends[backend]};
	}
	return kept;
}

static int crowd_ring(struct crowds *crowds, size_t service, const struct decision_arm *arm,
		      const struct shortlist *list, struct crowd *ret_crowd)
{
	_cleanup_free_ struct ring_member *members = calloc(list->count + 1, sizeof(*members));
	size_t kept;

	if (!members)
		return -ENOMEM;
	kept = members_of(crowds, service, arm, list, members);
	ret_crowd->ring_size = kept > 1 ? size_of_ring(crowds, crowds->effective->policy->services[service].model) : 32;
	return ring_of(crowds, members, kept, ret_crowd->ring_size, service, &ret_crowd->ring);
}

int crowds_find(struct crowds *crowds, size_t service, const struct decision_arm *arm, const struct shortlist *list,
		struct crowd *ret_crowd)
{
	const struct service *target = &crowds->effective->policy->services[service];
	struct crowd_key key = {
		.model = target->model, .version = arm->version, .slow_start_ms = target->slow_start_ms};
	size_t before = crowds->keys.count, number;
	int error;

	for (size_t i = 0; i < list->count; i++)
		if (shortlist_starts(list, crowds->effective->policy, i, arm))
			key.start[i / 64] |= 1ULL << (i % 64);
	number = intern(&crowds->keys, &key,
			offsetof(struct crowd_key, start) + (list->count + 63) / 64 * sizeof(uint64_t));
	if (number < before) {
		*ret_crowd = crowds->items[number];
		return 0;
	}
	error = crowd_ring(crowds, service, arm, list, ret_crowd);
	if (error)
		return error;
	crowds->items = array_grow(crowds->items, number, &crowds->capacity, sizeof(*crowds->items));
	crowds->items[number] = *ret_crowd;
	return 0;
}
