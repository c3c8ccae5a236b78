/* SPDX-License-Identifier: GPL-2.0-only */
#include "kernel/events.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/bpf.h>

#include "base/array.h"
#include "base/cleanup.h"

struct ring {
	unsigned long *consumer; /* a page of its own, ours to write */
	const unsigned long *producer;
	const char *data;	/* mapped twice in a row, so that no record is broken by the end */
	unsigned long position; /* up to here we have read */
	unsigned long foreseen; /* up to here we have looked */
	unsigned long known;	/* up to here it was filled, when we looked at the producer last */
	size_t page;
};

struct events {
	struct ring rings[USHER_RINGS];
};

static void ring_close(struct ring *ring)
{
	if (ring->consumer)
		munmap(ring->consumer, ring->page);
	if (ring->producer)
		munmap((void *)(uintptr_t)ring->producer, ring->page + 2 * USHER_EVENT_RING_BYTES);
}

static int ring_open(int map, struct ring *ring)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *bytes;

	if (map < 0)
		return map;
	ring->page = page;
	bytes = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
	if (bytes == MAP_FAILED)
		return -errno;
	ring->consumer = bytes;
	bytes = mmap(NULL, page + 2 * USHER_EVENT_RING_BYTES, PROT_READ, MAP_SHARED, map, (off_t)page);
	if (bytes == MAP_FAILED)
		return -errno;
	ring->producer = bytes;
	ring->data = (const char *)bytes + page;
	ring->position = ring->foreseen = *ring->consumer;
	return 0;
}

void events_close(struct events *events)
{
	if (!events)
		return;
	for (size_t i = 0; i < USHER_RINGS; i++)
		ring_close(&events->rings[i]);
	free(events);
}

static void cleanup_events(struct events **events)
{
	events_close(*events);
}

int events_open(const struct program *program, struct events **ret_events)
{
	static const char *const maps[USHER_RINGS] = {
		[USHER_RING_EVENTS] = "events", [USHER_RING_REQUIRED] = "events_required"};
	_cleanup_(cleanup_events) struct events *events = calloc(1, sizeof(*events));

	if (!events)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_COUNT(maps); i++) {
		int r = ring_open(program_map(program, maps[i]), &events->rings[i]);

		if (r)
			return r;
	}
	*ret_events = TAKE_PTR(events);
	return 0;
}

/* Is there something from `position` on? Who reads the producer's place takes its cache line from the CPU that writes there, for each packet. */
static bool is_filled(struct ring *ring, unsigned long position)
{
	if (position >= ring->known)
		ring->known = __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE);
	return position < ring->known;
}

/* The next record from `position` on, which moves behind it; NULL: none yet. */
static const struct usher_event *read_record(struct ring *ring, unsigned long *position)
{
	while (is_filled(ring, *position)) {
		const char *record = ring->data + (*position & (USHER_EVENT_RING_BYTES - 1));
		uint32_t header = __atomic_load_n((const uint32_t *)(const void *)record, __ATOMIC_ACQUIRE);
		uint32_t length = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);

		/* Records after one that is being written are not looked at: their order is the order of the ring. */
		if (header & BPF_RINGBUF_BUSY_BIT)
			return NULL;
		*position += (length + BPF_RINGBUF_HDR_SZ + 7) & ~7ul;
		if (!(header & BPF_RINGBUF_DISCARD_BIT) && length >= sizeof(struct usher_event))
			return (const void *)(record + BPF_RINGBUF_HDR_SZ);
	}
	return NULL;
}

const struct usher_event *events_next(struct events *events, enum usher_ring which)
{
	return read_record(&events->rings[which], &events->rings[which].position);
}

const struct usher_event *events_foresee(struct events *events, enum usher_ring which)
{
	return read_record(&events->rings[which], &events->rings[which].foreseen);
}

void events_release(struct events *events)
{
	for (size_t i = 0; i < USHER_RINGS; i++)
		__atomic_store_n(events->rings[i].consumer, events->rings[i].position, __ATOMIC_RELEASE);
}

void events_rewind(struct events *events)
{
	for (size_t i = 0; i < USHER_RINGS; i++)
		events->rings[i].position = *events->rings[i].consumer;
}

uint64_t events_produced(const struct events *events, enum usher_ring which)
{
	return __atomic_load_n(events->rings[which].producer, __ATOMIC_ACQUIRE);
}

uint64_t events_released(const struct events *events, enum usher_ring which)
{
	return *events->rings[which].consumer;
}

size_t events_waiting(const struct events *events, enum usher_ring which)
{
	const struct ring *ring = &events->rings[which];

	return __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE) - *ring->consumer;
}
