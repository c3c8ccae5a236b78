/* SPDX-License-Identifier: GPL-2.0-only */
/* Resets that a revocation still owes, as they arrive at the other end of the cable. */
#include "host.h"

#include "base/clock.h"
#include "kernel/events.h"
#include "kernel/flows.h"
#include "kernel/inject.h"

#define CLIENT "203.0.113.10"
#define NEXT_FOR_CLIENT 5000u  /* sequence number that the client waits for */
#define NEXT_FOR_BACKEND 1001u /* and the backend */

static struct host host;
static struct injector *injector;
static struct events *events;
static int listener;

static int begin(void **state)
{
	(void)state;
	host_open(&host);
	catalog_free(host_publish(&host, HOST_POLICY));
	assert_int_equal(injector_open(host.program, &injector), 0);
	assert_int_equal(events_open(host.program, &events), 0);
	listener = host_listen_at("peer0");
	return 0;
}

static int end(void **state)
{
	(void)state;
	close(listener);
	events_close(events);
	injector_close(injector);
	host_close(&host);
	return 0;
}

static struct host_packet from_client(uint8_t flags)
{
	struct host_packet packet = host_syn(CLIENT, 40000);

	packet.flags = flags;
	packet.sequence = NEXT_FOR_BACKEND;
	packet.acknowledgement = NEXT_FOR_CLIENT;
	return packet;
}

static int take_flow(const struct flow_view *flow, void *context)
{
	*(struct flow_view *)context = *flow;
	return 1;
}

/* What the backend sends: to the NAT address and port of the flow. */
static struct host_packet from_backend(void)
{
	struct flow_view flow = {0};

	assert_int_equal(flows_each(host.program, take_flow, &flow), 1);
	return (struct host_packet){.source = "10.1.0.11",
				    .destination = "10.0.0.2",
				    .source_port = 8000,
				    .destination_port = ntohs(flow.value.nat_port_be),
				    .flags = HOST_ACK,
				    .sequence = NEXT_FOR_CLIENT,
				    .acknowledgement = NEXT_FOR_BACKEND,
				    .source_mac = host_backend_mac};
}

/* A flow begins, policy forbids it, and this packet is the first to find out. Returns its record. */
static struct usher_event cut_by(const struct host_packet *packet)
{
	const struct usher_event *event;

	catalog_free(host_publish(&host, HOST_POLICY_CUT));
	host_send(&host, packet);
	while ((event = events_next(events, USHER_RING_EVENTS)))
		if (event->reason == USHER_REASON_REVOKED)
			return *event;
	fail_msg("no record of a revocation");
	return (struct usher_event){0};
}

static void begin_flow(void)
{
	struct host_packet syn = host_syn(CLIENT, 40000);

	assert_int_equal(host_send(&host, &syn), XDP_TX);
}

static void note(const struct usher_event *event, int64_t now)
{
	injector_note(injector, event, publisher_nat_address(host.publisher, event->generation, event->nat_index),
		      publisher_backend(host.publisher, event->backend, event->incarnation), now);
}

static uint32_t word_at(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void expect_reset(const uint8_t destination_mac[6], const char *source, uint16_t source_port,
			 const char *destination, uint16_t destination_port, uint32_t sequence)
{
	uint8_t frame[2048];
	struct in_addr address;

	assert_true(host_hear(listener, frame) >= 54);
	assert_memory_equal(frame, destination_mac, 6);
	assert_memory_equal(frame + 6, host_own_mac, 6);
	inet_pton(AF_INET, source, &address);
	assert_memory_equal(frame + 26, &address, 4);
	inet_pton(AF_INET, destination, &address);
	assert_memory_equal(frame + 30, &address, 4);
	assert_int_equal(frame[34] << 8 | frame[35], source_port);
	assert_int_equal(frame[36] << 8 | frame[37], destination_port);
	assert_int_equal(word_at(frame + 38), sequence);
	assert_int_equal(frame[47], FRAME_TCP_RESET);
}

static void expect_silence(void)
{
	uint8_t frame[2048];

	assert_int_equal(host_hear(listener, frame), 0);
}

static void test_a_silent_client_is_reset(void **state)
{
	struct host_packet data = from_client(HOST_ACK);
	int64_t now = clock_monotonic();
	struct usher_event event;

	(void)state;
	begin_flow();
	event = cut_by(&data); /* which resets the backend */
	assert_int_equal(event.cut, USHER_CUT_BACKEND);
	assert_int_equal(event.client_next, NEXT_FOR_CLIENT);
	note(&event, now);
	assert_int_equal(injector_run(injector, now), now + INJECT_AFTER);
	expect_silence(); /* not before its time */
	assert_int_equal(injector_run(injector, now + INJECT_AFTER), INT64_MAX);
	expect_reset(host_client_mac, "198.51.100.10", 443, CLIENT, 40000, NEXT_FOR_CLIENT);
	expect_silence(); /* the backend has had its own */
	injector_run(injector, now + 10 * INJECT_AFTER);
	expect_silence(); /* once is enough */
}

static void test_a_silent_backend_is_reset(void **state)
{
	int64_t now = clock_monotonic();
	struct host_packet answer;
	struct usher_event event;

	(void)state;
	begin_flow();
	answer = from_backend();
	event = cut_by(&answer);
	assert_int_equal(event.cut, USHER_CUT_CLIENT);
	assert_int_equal(event.backend_next, NEXT_FOR_BACKEND);
	note(&event, now);
	injector_run(injector, now + INJECT_AFTER);
	expect_reset(host_backend_mac, "10.0.0.2", answer.destination_port, "10.1.0.11", 8000, NEXT_FOR_BACKEND);
	expect_silence();
}

static void test_who_has_spoken_since_is_left_alone(void **state)
{
	struct host_packet data = from_client(HOST_ACK);
	int64_t now = clock_monotonic();
	struct usher_event event;

	(void)state;
	begin_flow();
	event = cut_by(&data);
	note(&event, now);
	assert_int_equal(host_send(&host, &data), XDP_TX); /* answered with a reset by the program itself */
	injector_run(injector, now + INJECT_AFTER);
	expect_silence();
}

static void test_a_flow_that_began_anew_is_left_alone(void **state)
{
	struct host_packet data = from_client(HOST_ACK);
	int64_t now = clock_monotonic();
	struct usher_event event;

	(void)state;
	begin_flow();
	event = cut_by(&data);
	note(&event, now);
	catalog_free(host_publish(&host, HOST_POLICY));
	begin_flow(); /* the same client and port, allowed again */
	injector_run(injector, now + INJECT_AFTER);
	expect_silence();
}

static void test_without_a_sequence_number_nothing_is_guessed(void **state)
{
	struct host_packet data = from_client(0);
	int64_t now = clock_monotonic();
	struct usher_event event;

	(void)state;
	begin_flow();
	data.flags = FRAME_TCP_SYN; /* retransmitted: it acknowledges nothing */
	data.acknowledgement = 0;
	event = cut_by(&data);
	assert_int_equal(event.client_next, 0);
	note(&event, now);
	injector_run(injector, now + INJECT_AFTER);
	expect_silence();
}

static void test_many_debts_are_paid_in_time(void **state)
{
	struct host_packet data = from_client(HOST_ACK);
	struct usher_event event;
	int64_t next = 0;

	(void)state;
	begin_flow();
	event = cut_by(&data);
	event.flow_tag ^= 0x10000; /* flows that have gone: nothing is sent for them */
	for (int64_t now = 1; now <= 5000; now++) {
		note(&event, now * CLOCK_MILLISECOND);
		next = injector_run(injector, now * CLOCK_MILLISECOND);
	}
	assert_int_equal(next, 4901 * CLOCK_MILLISECOND + INJECT_AFTER); /* a hundred wait */
	assert_int_equal(injector_run(injector, 10000 * CLOCK_MILLISECOND), INT64_MAX);
	expect_silence();
}

static void test_events_that_make_no_sense_are_ignored(void **state)
{
	struct usher_event event;

	(void)state;
	memset(&event, 0xff, sizeof(event));
	note(&event, 1);
	event.protocol = IPPROTO_TCP;
	note(&event, 1);
	assert_int_equal(injector_run(injector, 2 * INJECT_AFTER), INT64_MAX);
	expect_silence();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_silent_client_is_reset, begin, end),
		cmocka_unit_test_setup_teardown(test_a_silent_backend_is_reset, begin, end),
		cmocka_unit_test_setup_teardown(test_who_has_spoken_since_is_left_alone, begin, end),
		cmocka_unit_test_setup_teardown(test_a_flow_that_began_anew_is_left_alone, begin, end),
		cmocka_unit_test_setup_teardown(test_without_a_sequence_number_nothing_is_guessed, begin, end),
		cmocka_unit_test_setup_teardown(test_many_debts_are_paid_in_time, begin, end),
		cmocka_unit_test_setup_teardown(test_events_that_make_no_sense_are_ignored, begin, end),
	};

	if (host_begin())
		return host_skip(sizeof(tests) / sizeof(tests[0]));
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
