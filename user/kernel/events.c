// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/events.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "kernel/counters.h"
#include "kernel/mapping.h"

/* Of one CPU. */
struct ring {
	struct usher_event_ring *ends;
	const struct usher_event *slots; /* mapped twice in a row, so that no record is broken by the end */
	uint64_t known;			 /* up to here it was filled, when we looked last */
};

/* Somebody's way through the rings of all CPUs, in the order of time. */
struct way {
	uint64_t *places; /* by CPU */
	size_t cpu;	  /* whose records are the next ones, */
	uint64_t end;	  /* up to this place */
	uint64_t until;	  /* and this time */
};

struct rings {
	struct ring *cpus;
	struct way read, foreseen;
};

struct events {
	struct mapping ends;
	size_t cpus, slots;
	struct rings rings[USHER_RINGS];
};

/* ---- memory ------------------------------------------------------------------------------------------------ */

static size_t ring_bytes(const struct events *events)
{
	return events->slots * sizeof(struct usher_event);
}

static void close_rings(const struct events *events, struct rings *rings)
{
	for (size_t cpu = 0; rings->cpus && cpu < events->cpus; cpu++)
		if (rings->cpus[cpu].slots)
			munmap((void *)(uintptr_t)rings->cpus[cpu].slots, 2 * ring_bytes(events));
	free(rings->cpus);
	free(rings->read.places);
	free(rings->foreseen.places);
}

void events_close(struct events *events)
{
	if (!events)
		return;
	for (size_t i = 0; i < USHER_RINGS; i++)
		close_rings(events, &events->rings[i]);
	mapping_close(&events->ends);
	free(events);
}

static void cleanup_events(struct events **events)
{
	events_close(*events);
}

/* `bytes` of a map from `offset` on, twice. */
static int map_twice(int map, size_t bytes, size_t offset, const void **ret_bytes)
{
	char *at = mmap(NULL, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return -errno;
	for (size_t i = 0; i < 2; i++)
		if (mmap(at + i * bytes, bytes, PROT_READ, MAP_SHARED | MAP_FIXED, map, (off_t)offset) == MAP_FAILED) {
			int error = -errno;

			munmap(at, 2 * bytes);
			return error;
		}
	*ret_bytes = at;
	return 0;
}

static int open_rings(struct events *events, int map, enum usher_ring which)
{
	struct rings *rings = &events->rings[which];

	rings->cpus = calloc(events->cpus, sizeof(*rings->cpus));
	rings->read.places = calloc(events->cpus, sizeof(*rings->read.places));
	rings->foreseen.places = calloc(events->cpus, sizeof(*rings->foreseen.places));
	if (!rings->cpus || !rings->read.places || !rings->foreseen.places)
		return -ENOMEM;
	for (size_t cpu = 0; cpu < events->cpus; cpu++) {
		struct ring *ring = &rings->cpus[cpu];
		size_t index = USHER_EVENT_RING(cpu, which);
		const void *bytes = NULL;
		int r = map_twice(map, ring_bytes(events), index * ring_bytes(events), &bytes);

		if (r)
			return r;
		ring->slots = bytes;
		ring->ends = (struct usher_event_ring *)events->ends.bytes + index;
		ring->known = rings->read.places[cpu] = rings->foreseen.places[cpu] = ring->ends->tail;
	}
	return 0;
}

int events_open(const struct program *program, struct events **ret_events)
{
	_cleanup_(cleanup_events) struct events *events = calloc(1, sizeof(*events));
	int map = program_map(program, "events"), r;

	if (!events)
		return -ENOMEM;
	events->cpus = counters_cpus();
	events->slots = program->boot.event_slots;
	r = mapping_open(program_map(program, "event_rings"), sizeof(struct usher_event_ring), true, &events->ends);
	if (!r && events->ends.entries != events->cpus * USHER_RINGS)
		r = -EPROTO;
	for (size_t i = 0; i < USHER_RINGS && !r; i++)
		r = open_rings(events, map, (enum usher_ring)i);
	if (r)
		return r;
	*ret_events = TAKE_PTR(events);
	return 0;
}

/* ---- records ----------------------------------------------------------------------------------------------- */

static const struct usher_event *record_at(const struct events *events, const struct ring *ring, uint64_t place)
{
	return ring->slots + (place & (events->slots - 1));
}

static uint64_t slots_of(const struct usher_event *event)
{
	return event->ended ? 2 : 1;
}

/*
 * Whose record is the oldest, and how far that CPU's are the next ones? Until another's are older, and no further than was known when all
 * were looked at: nobody's records wait because another CPU makes more all the while. Only here it is looked for new ones, since who reads
 * the place of a CPU's head takes its cache line from that CPU. Times are those of the kernel's ticks, so there are many records between two looks.
 */
static const struct usher_event *find_oldest(const struct events *events, struct rings *rings, struct way *way)
{
	const struct usher_event *oldest = NULL;

	way->end = 0;
	way->until = UINT64_MAX;
	for (size_t cpu = 0; cpu < events->cpus; cpu++) {
		struct ring *ring = &rings->cpus[cpu];
		const struct usher_event *event;

		if (way->places[cpu] >= ring->known)
			ring->known = __atomic_load_n(&ring->ends->head, __ATOMIC_ACQUIRE);
		if (way->places[cpu] >= ring->known)
			continue;
		event = record_at(events, ring, way->places[cpu]);
		if (!oldest || event->time < oldest->time) {
			way->until = oldest ? oldest->time : UINT64_MAX;
			way->cpu = cpu;
			way->end = ring->known;
			oldest = event;
		} else if (event->time < way->until) {
			way->until = event->time;
		}
	}
	return oldest;
}

static const struct usher_event *read_record(const struct events *events, struct rings *rings, struct way *way)
{
	const struct usher_event *event = NULL;

	if (way->places[way->cpu] < way->end)
		event = record_at(events, &rings->cpus[way->cpu], way->places[way->cpu]);
	if (!event || event->time > way->until)
		event = find_oldest(events, rings, way);
	if (event)
		way->places[way->cpu] += slots_of(event);
	return event;
}

const struct usher_event *events_next(struct events *events, enum usher_ring which)
{
	return read_record(events, &events->rings[which], &events->rings[which].read);
}

const struct usher_event *events_foresee(struct events *events, enum usher_ring which)
{
	return read_record(events, &events->rings[which], &events->rings[which].foreseen);
}

void events_release(struct events *events)
{
	for (size_t i = 0; i < USHER_RINGS; i++)
		for (size_t cpu = 0; cpu < events->cpus; cpu++) {
			struct usher_event_ring *ends = events->rings[i].cpus[cpu].ends;
			uint64_t place = events->rings[i].read.places[cpu];

			if (ends->tail != place)
				__atomic_store_n(&ends->tail, place, __ATOMIC_RELEASE);
		}
}

void events_rewind(struct events *events)
{
	for (size_t i = 0; i < USHER_RINGS; i++) {
		struct rings *rings = &events->rings[i];

		for (size_t cpu = 0; cpu < events->cpus; cpu++)
			rings->read.places[cpu] = rings->cpus[cpu].ends->tail;
		rings->read.end = 0;
	}
}

/* ---- places ------------------------------------------------------------------------------------------------ */

void events_filled(const struct events *events, enum usher_ring which, uint64_t *ret_places)
{
	for (size_t cpu = 0; cpu < events->cpus; cpu++)
		ret_places[cpu] = __atomic_load_n(&events->rings[which].cpus[cpu].ends->head, __ATOMIC_ACQUIRE);
}

bool events_are_released(const struct events *events, enum usher_ring which, const uint64_t *places)
{
	for (size_t cpu = 0; cpu < events->cpus; cpu++)
		if (events->rings[which].cpus[cpu].ends->tail < places[cpu])
			return false;
	return true;
}

size_t events_waiting_bytes(const struct events *events)
{
	size_t slots = 0;

	for (size_t i = 0; i < USHER_RINGS; i++)
		for (size_t cpu = 0; cpu < events->cpus; cpu++) {
			const struct usher_event_ring *ends = events->rings[i].cpus[cpu].ends;

			slots += __atomic_load_n(&ends->head, __ATOMIC_ACQUIRE) - ends->tail;
		}
	return slots * sizeof(struct usher_event);
}

size_t events_waiting(const struct events *events)
{
	size_t waiting = 0;

	for (size_t i = 0; i < USHER_RINGS; i++)
		for (size_t cpu = 0; cpu < events->cpus; cpu++) {
			const struct ring *ring = &events->rings[i].cpus[cpu];
			uint64_t head = __atomic_load_n(&ring->ends->head, __ATOMIC_ACQUIRE), place = ring->ends->tail;

			for (; place < head; waiting++)
				place += slots_of(record_at(events, ring, place));
		}
	return waiting;
}
