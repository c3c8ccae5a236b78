/* SPDX-License-Identifier: GPL-2.0-only */
/* How flows end: each whose opening has a record of its own has one of its end, with what was sent on in between. */
#define HOST_FLOW_ENDS true
#include "host.h"

#include "kernel/counters.h"
#include "kernel/events.h"
#include "kernel/mapping.h"

#define TCP_FIN 0x01
#define BACKEND_NEXT 5000u
#define CLIENT_NEXT 1001u
#define HEADERS 40 /* bytes of IPv4 and TCP */
#define DIRECT_POLICY                                                                                                  \
	"{\"apiVersion\": \"usher/v1\", \"metadata\": {\"name\": \"test\", \"revision\": 1},"                          \
	"\"tenants\": {\"acme\": {\"sources\": [{\"prefix\": \"203.0.113.0/24\", \"region\": \"DE\"}]}},"              \
	"\"models\": {\"m\": {\"versions\": {\"1\": {\"stage\": \"production\"}}}},"                                   \
	"\"backends\": {\"b1\": {\"address\": \"10.1.0.11:443\", \"serves\": \"m@1\", \"region\": \"DE\","             \
	"  \"forward\": \"l2\", \"health\": false}},"                                                                  \
	"\"services\": {\"s\": {\"address\": \"198.51.100.10:443\", \"protocol\": \"tcp\", \"model\": \"m\"},"         \
	"  \"u\": {\"address\": \"198.51.100.10:443\", \"protocol\": \"udp\", \"model\": \"m\"}},"                     \
	"\"rules\": [{\"id\": \"ok\", \"when\": {\"tenant\": [\"acme\"]}, \"allow\": true}]}"

static struct host host;
static struct events *events;

static int begin(void **state)
{
	(void)state;
	host_open(&host);
	assert_int_equal(events_open(host.program, &events), 0);
	catalog_free(host_publish(&host, HOST_POLICY));
	return 0;
}

static int end(void **state)
{
	(void)state;
	events_close(events);
	host_close(&host);
	return 0;
}

/* ---- packets ------------------------------------------------------------------------------------------------- */

struct connection {
	struct host_packet client, backend; /* what each sends, flags aside */
};

/* The client's SYN, and where it came out. False: it did not. */
static bool try_flow(const char *client, uint16_t port, struct connection *connection)
{
	static char nat[INET_ADDRSTRLEN];
	uint8_t out[256];

	connection->client = host_syn(client, port);
	if (host_send_many(&host, &connection->client, 1, out) != XDP_TX)
		return false;
	inet_ntop(AF_INET, out + 26, nat, sizeof(nat));
	connection->backend = (struct host_packet){.source = "10.1.0.11",
						   .destination = nat,
						   .source_port = 8000,
						   .destination_port = (uint16_t)(out[34] << 8 | out[35]),
						   .source_mac = host_backend_mac};
	return true;
}

static void begin_flow(uint16_t port, struct connection *connection)
{
	assert_true(try_flow("203.0.113.10", port, connection));
}

static void say(struct host_packet *packet, uint8_t flags, uint32_t sequence, uint32_t acknowledgement)
{
	packet->flags = flags;
	packet->sequence = sequence;
	packet->acknowledgement = acknowledgement;
	assert_int_equal(host_send(&host, packet), XDP_TX);
}

static void from_client(struct connection *connection, uint8_t flags)
{
	say(&connection->client, flags, CLIENT_NEXT, BACKEND_NEXT + 1);
}

static void from_backend(struct connection *connection, uint8_t flags)
{
	say(&connection->backend, flags, BACKEND_NEXT + 1, CLIENT_NEXT);
}

/* Behind its SYN: SYN-ACK, ACK. */
static void prove_flow(struct connection *connection)
{
	say(&connection->backend, FRAME_TCP_SYN | HOST_ACK, BACKEND_NEXT, CLIENT_NEXT);
	from_client(connection, HOST_ACK);
}

static void open_flow(uint16_t port, struct connection *connection)
{
	begin_flow(port, connection);
	prove_flow(connection);
}

/* ---- what is on record --------------------------------------------------------------------------------------- */

/* All forward entries have long been silent. */
static void age(void)
{
	struct mapping flows;

	assert_int_equal(mapping_open(program_map(host.program, "flows"), sizeof(struct usher_flow), true, &flows), 0);
	for (size_t line = 0; line < flows.entries; line++) {
		struct usher_flow *flow = &((struct usher_flow *)flows.bytes)[line];

		if (USHER_TAG_STATUS(flow->tag) >= USHER_FLOW_HALF_OPEN && !(flow->tag & USHER_TAG_RETURN))
			flow->value.forward.seen = (uint16_t)(flow->value.forward.seen - 7000);
	}
	mapping_close(&flows);
}

struct seen {
	unsigned int openings, ends;
	struct usher_flow_end end; /* the last one */
	struct usher_event opening;
};

static void look(uint16_t port, struct seen *seen)
{
	for (int ring = 0; ring < USHER_RINGS; ring++) {
		const struct usher_event *event;

		while ((event = events_next(events, (enum usher_ring)ring))) {
			if (event->client_port_be != htons(port))
				continue;
			if (event->ended) {
				seen->ends++;
				memcpy(&seen->end, event, sizeof(seen->end));
			} else if (event->reason != USHER_REASON_CONFIRMED && event->reason != USHER_REASON_REVOKED) {
				seen->openings++;
				seen->opening = *event;
			}
		}
	}
	events_release(events);
}

/* Until the flow has ended, and whether anything comes after that. */
static struct seen await_end(uint16_t port)
{
	struct seen seen = {0};

	for (int i = 0; i < 100 && !seen.ends; i++) {
		usleep(20000);
		look(port, &seen);
	}
	usleep(500000); /* two passes of the sweep */
	look(port, &seen);
	return seen;
}

static void assert_ended(uint16_t port, enum usher_ended how, uint64_t packets_to, uint64_t packets_from)
{
	struct seen seen = await_end(port);

	assert_int_equal(seen.openings, 1);
	assert_int_equal(seen.ends, 1);
	assert_int_equal(seen.end.event.ended, how);
	assert_int_equal(seen.end.packets_to, packets_to);
	assert_int_equal(seen.end.bytes_to, packets_to * HEADERS);
	assert_int_equal(seen.end.packets_from, packets_from);
	assert_int_equal(seen.end.bytes_from, packets_from * HEADERS);
	assert_int_equal(seen.end.generation, seen.opening.generation);
	assert_int_equal(seen.end.event.backend, seen.opening.backend);
	assert_int_equal(seen.end.event.incarnation, seen.opening.incarnation);
	assert_int_equal(seen.end.event.tenant, seen.opening.tenant);
	assert_int_equal(seen.end.event.service, seen.opening.service);
	assert_int_equal(seen.end.event.target, seen.opening.target);
	assert_int_equal(seen.end.event.nat_port_be, seen.opening.nat_port_be);
	assert_int_equal(seen.end.event.ring, seen.opening.ring);
	assert_memory_equal(&seen.end.event.client, &seen.opening.client, sizeof(seen.opening.client));
	assert_true(seen.end.seen >= seen.end.begun);
	assert_in_range(seen.end.begun, seen.opening.time - 20000000, seen.opening.time + 20000000);
}

/* ---- tests --------------------------------------------------------------------------------------------------- */

static void test_closed_by_the_client(void **state)
{
	struct connection connection;

	(void)state;
	open_flow(2001, &connection);
	from_client(&connection, HOST_ACK | TCP_FIN);
	from_backend(&connection, HOST_ACK | TCP_FIN);
	from_client(&connection, HOST_ACK);
	age();
	assert_ended(2001, USHER_ENDED_CLOSED_BY_CLIENT, 4, 2);
}

static void test_closed_by_the_backend(void **state)
{
	struct connection connection;

	(void)state;
	open_flow(2002, &connection);
	from_backend(&connection, HOST_ACK | TCP_FIN);
	from_client(&connection, HOST_ACK | TCP_FIN);
	from_client(&connection, FRAME_TCP_RESET); /* after both have closed: it was closed */
	age();
	assert_ended(2002, USHER_ENDED_CLOSED_BY_BACKEND, 4, 2);
}

static void test_reset_by_either_end(void **state)
{
	struct connection connection;

	(void)state;
	open_flow(2003, &connection);
	from_client(&connection, FRAME_TCP_RESET);
	age();
	assert_ended(2003, USHER_ENDED_RESET_BY_CLIENT, 3, 1);
	open_flow(2004, &connection);
	from_client(&connection, HOST_ACK | TCP_FIN);
	from_backend(&connection, FRAME_TCP_RESET);
	age();
	assert_ended(2004, USHER_ENDED_RESET_BY_BACKEND, 3, 2);
	begin_flow(2005, &connection); /* refused */
	from_backend(&connection, FRAME_TCP_RESET | HOST_ACK);
	age();
	assert_ended(2005, USHER_ENDED_RESET_BY_BACKEND, 1, 1);
}

/* A client's reset that was none: it goes on, and ends otherwise. */
static void test_a_reset_that_was_taken_back(void **state)
{
	struct connection connection;

	(void)state;
	open_flow(2006, &connection);
	from_client(&connection, FRAME_TCP_RESET);
	from_client(&connection, HOST_ACK);
	age();
	assert_ended(2006, USHER_ENDED_TIMED_OUT, 4, 1);
}

static void test_nobody_says_how(void **state)
{
	struct connection connection;

	(void)state;
	open_flow(2007, &connection);
	age();
	assert_ended(2007, USHER_ENDED_TIMED_OUT, 2, 1);
	open_flow(2008, &connection);
	from_backend(&connection, HOST_ACK | TCP_FIN);
	age();
	assert_ended(2008, USHER_ENDED_HALF_CLOSED, 2, 2);
	begin_flow(2009, &connection);
	age();
	assert_ended(2009, USHER_ENDED_NOT_PROVEN, 1, 0);
}

static void test_a_backend_that_has_forgotten(void **state)
{
	struct connection connection;

	(void)state;
	open_flow(2010, &connection);
	connection.backend.flags = FRAME_TCP_SYN | HOST_ACK;
	connection.backend.sequence = 777;
	assert_int_equal(host_send(&host, &connection.backend), XDP_DROP);
	age();
	assert_ended(2010, USHER_ENDED_FORGOTTEN, 2, 1);
}

static void test_cut_by_policy(void **state)
{
	struct connection connection;

	(void)state;
	open_flow(2011, &connection);
	catalog_free(host_publish(&host, HOST_POLICY_CUT));
	connection.client.flags = HOST_ACK;
	assert_int_equal(host_send(&host, &connection.client),
			 XDP_TX); /* turned into the backend's reset: not sent on */
	age();
	assert_ended(2011, USHER_ENDED_REVOKED, 2, 1);
}

/* A flow that a new SYN takes the place of ends first. */
static void test_replaced_by_a_new_syn(void **state)
{
	struct connection connection;
	struct seen seen = {0};

	(void)state;
	catalog_free(host_publish(&host, DIRECT_POLICY));
	connection.client = host_syn("203.0.113.10", 2012);
	from_client(&connection, FRAME_TCP_SYN);
	from_client(&connection, HOST_ACK);
	from_client(&connection, FRAME_TCP_SYN);
	look(2012, &seen);
	assert_int_equal(seen.openings, 2);
	assert_int_equal(seen.ends, 1);
	assert_int_equal(seen.end.event.ended, USHER_ENDED_REPLACED);
	assert_int_equal(seen.end.packets_to, 2);
	assert_int_equal(seen.end.event.nat_port_be, 0);
	from_client(&connection, HOST_ACK);
	from_client(&connection, HOST_ACK | TCP_FIN);
	age();
	seen = await_end(2012);
	assert_int_equal(seen.ends, 1);
	assert_int_equal(seen.end.event.ended, USHER_ENDED_CLOSED_BY_CLIENT);
	assert_int_equal(seen.end.packets_to, 3);
	assert_int_equal(seen.end.packets_from, 0);
}

/* What has to make room for others: one half-open flow more than there may be, each time. */
static void test_evicted(void **state)
{
	unsigned int openings = 0, ends = 0, evicted = 0;
	const struct usher_event *event;

	(void)state;
	for (uint16_t n = 0; n < HOST_HALF_OPEN_MAX + 200; n++) {
		struct host_packet syn = host_syn("203.0.113.77", (uint16_t)(10000 + n));

		host_send(&host, &syn);
	}
	age();
	for (int i = 0; i < 100 && (!openings || ends < openings); i++) {
		usleep(20000);
		while ((event = events_next(events, USHER_RING_EVENTS))) {
			ends += event->ended != 0;
			evicted += event->ended == USHER_ENDED_EVICTED;
			openings += !event->ended && event->reason == USHER_REASON_ADMITTED;
		}
		events_release(events);
	}
	assert_true(openings > 200);
	assert_int_equal(ends, openings);
	assert_true(evicted > 0);
}

/* A line is left, but none for the way back: the refusal is on record, and there is nothing that could end. */
static void test_what_finds_no_way_back_does_not_end(void **state)
{
	struct counters *counters = calloc(1, sizeof(*counters));
	unsigned int begun = 0, openings = 0, ends = 0;
	const struct usher_event *event;
	struct mapping flows;

	(void)state;
	assert_non_null(counters);
	assert_int_equal(mapping_open(program_map(host.program, "flows"), sizeof(struct usher_flow), true, &flows), 0);
	((struct usher_flow *)flows.bytes)[0].tag = USHER_FLOW_BUSY; /* an odd number of them remains */
	mapping_close(&flows);
	for (unsigned int n = 0; n < 4000; n++) {
		struct connection connection;

		if (!try_flow("203.0.113.10", (uint16_t)(3000 + n), &connection))
			continue;
		prove_flow(&connection);
		begun++;
	}
	assert_int_equal(begun, (HOST_FLOW_LINES - 1) / 2);
	assert_int_equal(counters_read(host.program, counters), 0);
	assert_true(counters->flows.deleted > 0); /* lines that were taken for a moment */
	free(counters);
	usleep(500000);
	while ((event = events_next(events, USHER_RING_EVENTS))) {
		ends += event->ended != 0;
		openings += !event->ended && event->reason != USHER_REASON_CONFIRMED;
	}
	assert_int_equal(openings, 4000);
	assert_int_equal(ends, 0);
}

static void test_datagrams(void **state)
{
	struct host_packet ask = {.source = "203.0.113.10",
				  .destination = "198.51.100.10",
				  .source_port = 2013,
				  .destination_port = 443,
				  .protocol = IPPROTO_UDP};
	struct seen seen;

	(void)state;
	catalog_free(host_publish(&host, DIRECT_POLICY));
	for (int i = 0; i < 3; i++)
		assert_int_equal(host_send(&host, &ask), XDP_TX);
	age();
	seen = await_end(2013);
	assert_int_equal(seen.openings, 1);
	assert_int_equal(seen.ends, 1);
	assert_int_equal(seen.end.event.ended, USHER_ENDED_TIMED_OUT);
	assert_int_equal(seen.end.event.protocol, IPPROTO_UDP);
	assert_int_equal(seen.end.packets_to, 3);
	assert_int_equal(seen.end.bytes_to, 3 * 28);
}

/* The records of whose audit is required are in one ring, those of the others in the other one. */
static void test_the_ring_is_that_of_the_opening(void **state)
{
	struct host_packet syn = host_syn("192.0.2.10", 2014);
	struct seen seen;

	(void)state;
	assert_int_equal(host_send(&host, &syn), XDP_TX);
	age();
	seen = await_end(2014);
	assert_int_equal(seen.ends, 1);
	assert_int_equal(seen.opening.ring, USHER_RING_REQUIRED);
	assert_int_equal(seen.end.event.ring, USHER_RING_REQUIRED);
}

/* While nobody reads, what is over waits for room, unless it takes somebody's place. */
static void test_a_full_ring_delays_what_can_wait(void **state)
{
	struct counters *counters = calloc(1, sizeof(*counters));
	struct connection connection;
	struct host_packet refused = {.source = "198.18.0.10",
				      .destination = "198.51.100.10",
				      .source_port = 1,
				      .destination_port = 443,
				      .flags = FRAME_TCP_SYN};
	const struct usher_event *event;
	uint64_t lost;
	unsigned int ends = 0;

	(void)state;
	assert_non_null(counters);
	open_flow(2015, &connection);
	from_client(&connection, HOST_ACK | TCP_FIN);
	from_backend(&connection, HOST_ACK | TCP_FIN);
	refused.destination = "198.51.100.11"; /* what nobody answers */
	host_send_many(&host, &refused, 2 * (int)host.program->boot.event_slots, NULL);
	assert_int_equal(counters_read(host.program, counters), 0);
	lost = counters->sequences[USHER_RING_EVENTS].lost;
	assert_true(lost > 0);
	age();
	usleep(700000);
	assert_int_equal(counters_read(host.program, counters), 0);
	assert_int_equal(counters->sequences[USHER_RING_EVENTS].lost, lost);
	for (int i = 0; i < 100 && !ends; i++) {
		while ((event = events_next(events, USHER_RING_EVENTS)))
			ends += event->ended == USHER_ENDED_CLOSED_BY_CLIENT;
		events_release(events);
		usleep(20000);
	}
	assert_int_equal(ends, 1);
	free(counters);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_closed_by_the_client, begin, end),
		cmocka_unit_test_setup_teardown(test_closed_by_the_backend, begin, end),
		cmocka_unit_test_setup_teardown(test_reset_by_either_end, begin, end),
		cmocka_unit_test_setup_teardown(test_a_reset_that_was_taken_back, begin, end),
		cmocka_unit_test_setup_teardown(test_nobody_says_how, begin, end),
		cmocka_unit_test_setup_teardown(test_a_backend_that_has_forgotten, begin, end),
		cmocka_unit_test_setup_teardown(test_cut_by_policy, begin, end),
		cmocka_unit_test_setup_teardown(test_replaced_by_a_new_syn, begin, end),
		cmocka_unit_test_setup_teardown(test_evicted, begin, end),
		cmocka_unit_test_setup_teardown(test_what_finds_no_way_back_does_not_end, begin, end),
		cmocka_unit_test_setup_teardown(test_datagrams, begin, end),
		cmocka_unit_test_setup_teardown(test_the_ring_is_that_of_the_opening, begin, end),
		cmocka_unit_test_setup_teardown(test_a_full_ring_delays_what_can_wait, begin, end),
	};

	if (host_begin())
		return host_skip(sizeof(tests) / sizeof(*tests));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
