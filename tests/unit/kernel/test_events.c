// SPDX-License-Identifier: GPL-2.0-only
/* The rings of all CPUs as one: in the order of time, nobody waits for another, records that the end of a ring breaks are whole. */
#include "kernel/events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "kernel/boot.h"
#include "kernel/counters.h"
#include "kernel/mapping.h"

#include "loaded.h"

#define SLOTS 64
#define NOTHING 0

static struct program program;
static struct mapping rings, slots;
static struct events *events;

static int begin(void **state)
{
	const struct usher_boot boot = {.abi_version = USHER_ABI_VERSION,
					.flow_lines = 1024,
					.jiffy_ns = clock_jiffy(),
					.event_slots = SLOTS,
					.interfaces = {1}};

	(void)state;
	return loaded(usher_bpf__open(), &boot, &program) ||
	       mapping_open(program_map(&program, "event_rings"), sizeof(struct usher_event_ring), true, &rings) ||
	       mapping_open(program_map(&program, "events"), sizeof(struct usher_event), true, &slots) ||
	       events_open(&program, &events);
}

static int end(void **state)
{
	(void)state;
	events_close(events);
	mapping_close(&rings);
	mapping_close(&slots);
	usher_bpf__destroy(program.skeleton);
	return 0;
}

static struct usher_event_ring *ring_of(uint32_t cpu)
{
	return (struct usher_event_ring *)rings.bytes + USHER_EVENT_RING(cpu, USHER_RING_EVENTS);
}

static struct usher_event *slot_of(uint32_t cpu, uint64_t place)
{
	return (struct usher_event *)slots.bytes + USHER_EVENT_RING(cpu, USHER_RING_EVENTS) * SLOTS + place % SLOTS;
}

/* As the CPU does it. */
static void record(uint32_t cpu, uint64_t time)
{
	struct usher_event_ring *ring = ring_of(cpu);
	struct usher_event *event = slot_of(cpu, ring->next);

	*event = (struct usher_event){.time = time, .cpu = (uint16_t)cpu, .sequence = ring->sequence.taken++};
	ring->next++;
	__atomic_store_n(&ring->head, ring->next, __ATOMIC_RELEASE);
}

/* Of the next record; NOTHING: there is none. */
static uint64_t next_time(void)
{
	const struct usher_event *event = events_next(events, USHER_RING_EVENTS);

	return event ? event->time : NOTHING;
}

static void foresee_all(void)
{
	while (events_foresee(events, USHER_RING_EVENTS))
		;
}

static void records_come_in_the_order_of_time(void **state)
{
	(void)state;
	if (counters_cpus() < 2)
		skip();
	record(0, 5);
	assert_int_equal(next_time(), 5);
	assert_int_equal(next_time(), NOTHING);
	for (uint64_t time = 10; time <= 14; time++)
		record(time % 2, time);
	foresee_all();
	for (uint64_t time = 10; time <= 12; time++)
		assert_int_equal(next_time(), time);
	events_rewind(events);
	assert_int_equal(events_waiting(events), 6);
	assert_int_equal(next_time(), 5);
	for (uint64_t time = 10; time <= 14; time++)
		assert_int_equal(next_time(), time);
	assert_int_equal(next_time(), NOTHING);
	events_release(events);
	assert_int_equal(events_waiting(events), 0);
}

/* One CPU has new records whenever somebody looks, another has one that is older than those. */
static void nobody_waits_for_a_cpu_that_never_rests(void **state)
{
	uint64_t time = 100, came = 0;

	(void)state;
	if (counters_cpus() < 2)
		skip();
	record(0, time++);
	assert_int_equal(next_time(), 100);
	record(0, time++);
	foresee_all();
	record(1, time++);
	for (int i = 0; i < 10 && came != 102; i++) {
		record(0, time++);
		foresee_all();
		came = next_time();
		events_release(events);
	}
	assert_int_equal(came, 102);
}

static void the_end_of_a_ring_breaks_no_record(void **state)
{
	struct usher_event_ring *ring = ring_of(0);
	struct usher_flow_end whole = {
		.event = {.time = 7, .ended = USHER_ENDED_TIMED_OUT}, .begun = 11, .bytes_from = 12};
	const struct usher_event *event;

	(void)state;
	ring->tail = ring->head = ring->next = SLOTS - 1;
	events_close(events);
	assert_int_equal(events_open(&program, &events), 0); /* which goes on where the one before stood */
	*slot_of(0, SLOTS - 1) = whole.event;
	memcpy(slot_of(0, SLOTS), &whole.begun, USHER_FLOW_END_REST);
	ring->next += 2;
	ring->head += 2;
	record(0, 8);
	assert_int_equal(events_waiting(events), 2);
	assert_int_equal(events_waiting_bytes(events), 3 * sizeof(struct usher_event));
	event = events_next(events, USHER_RING_EVENTS);
	assert_non_null(event);
	assert_memory_equal(event, &whole, sizeof(whole));
	assert_int_equal(next_time(), 8);
	assert_int_equal(next_time(), NOTHING);
	events_release(events);
	assert_int_equal(ring->tail, SLOTS + 2);
}

static void what_was_there_is_released_when_every_cpus_is(void **state)
{
	uint64_t *filled = calloc(counters_cpus(), sizeof(*filled));

	(void)state;
	assert_non_null(filled);
	if (counters_cpus() < 2)
		skip();
	record(0, 1);
	record(1, 2);
	events_filled(events, USHER_RING_EVENTS, filled);
	record(0, 3);
	assert_false(events_are_released(events, USHER_RING_EVENTS, filled));
	assert_int_equal(next_time(), 1);
	events_release(events);
	assert_false(events_are_released(events, USHER_RING_EVENTS, filled));
	assert_int_equal(next_time(), 2);
	assert_false(events_are_released(events, USHER_RING_EVENTS, filled)); /* read is not released */
	events_release(events);
	assert_true(events_are_released(events, USHER_RING_EVENTS, filled));
	free(filled);
}

static void rings_have_their_part_of_what_there_may_be(void **state)
{
	(void)state;
	assert_int_equal(boot_event_slots(1), USHER_EVENT_SLOTS_MAX);
	assert_int_equal(boot_event_slots(8), USHER_EVENT_SLOTS_MAX);
	assert_int_equal(boot_event_slots(9), USHER_EVENT_SLOTS_MAX / 2);
	assert_int_equal(boot_event_slots(64), USHER_EVENT_SLOTS / 64);
	assert_int_equal(boot_event_slots(1024), USHER_EVENT_SLOTS_MIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(records_come_in_the_order_of_time, begin, end),
		cmocka_unit_test_setup_teardown(nobody_waits_for_a_cpu_that_never_rests, begin, end),
		cmocka_unit_test_setup_teardown(the_end_of_a_ring_breaks_no_record, begin, end),
		cmocka_unit_test_setup_teardown(what_was_there_is_released_when_every_cpus_is, begin, end),
		cmocka_unit_test(rings_have_their_part_of_what_there_may_be),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (geteuid() != 0) {
		printf("1..1\nok 1 # SKIP needs root\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
