/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What TCP through NAT shows: how long a flow is remembered after what its ends have said, and what is noted of its backend. Waits
 * make latencies longer than they would be, never shorter: nothing here fails because a machine is slow.
 */
#include "host.h"

#include <time.h>

#include "kernel/counters.h"
#include "kernel/latency.h"
#include "kernel/mapping.h"

#define FIN 0x01
#define SYN FRAME_TCP_SYN
#define RST FRAME_TCP_RESET
#define ACK HOST_ACK

static struct host host;
static struct mapping flows;
static uint16_t nat_port; /* of the flow that began last */
static uint8_t router;	  /* last byte of the MAC address that the client comes by; 0: the usual one */
static uint8_t answer_to; /* the same of what the last packet left as */

static int begin(void **state)
{
	(void)state;
	host_open(&host);
	catalog_free(host_publish(&host, HOST_POLICY));
	assert_int_equal(mapping_open(program_map(host.program, "flows"), sizeof(struct usher_flow), true, &flows), 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	mapping_close(&flows);
	host_close(&host);
	return 0;
}

/* ---- packets ------------------------------------------------------------------------------------------------- */

static int pass(const char *from, uint16_t from_port, const char *to, uint16_t to_port, uint8_t flags,
		uint32_t sequence, uint32_t acknowledgement, size_t payload)
{
	struct frame frame = {.source_port = from_port,
			      .destination_port = to_port,
			      .protocol = IPPROTO_TCP,
			      .tcp_flags = flags,
			      .sequence = sequence};
	uint8_t bytes[FRAME_MAX + 100] = {0}, out[256];
	struct xdp_md context = {.ingress_ifindex = host.program->attachments[0].index};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = bytes, .data_out = out, .data_size_out = sizeof(out),
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = 1);
	uint16_t length = htons((uint16_t)(40 + payload));

	memcpy(frame.source_mac, host_client_mac, 6);
	if (router)
		frame.source_mac[5] = router;
	memcpy(frame.destination_mac, host_own_mac, 6);
	assert_int_equal(address_parse(from, &frame.source), 0);
	assert_int_equal(address_parse(to, &frame.destination), 0);
	frame_write(&frame, bytes);
	memcpy(bytes + 14 + 2, &length, sizeof(length)); /* no one looks at the checksums */
	acknowledgement = htonl(acknowledgement);
	memcpy(bytes + 14 + 20 + 8, &acknowledgement, sizeof(acknowledgement));
	run.data_size_in = context.data_end = (__u32)(payload > 6 ? 54 + payload : 60);
	assert_int_equal(bpf_prog_test_run_opts(program_xdp(host.program), &run), 0);
	answer_to = out[5];
	if (run.retval == XDP_TX && flags == SYN)
		nat_port = (uint16_t)(out[34] << 8 | out[35]);
	return (int)run.retval;
}

static void client(uint16_t port, uint8_t flags, uint32_t sequence, size_t payload)
{
	assert_int_equal(pass("203.0.113.10", port, "198.51.100.10", 443, flags, sequence, 5001, payload), XDP_TX);
}

static void backend(uint8_t flags, uint32_t sequence, uint32_t acknowledgement, size_t payload)
{
	assert_int_equal(pass("10.1.0.11", 8000, "10.0.0.2", nat_port, flags, sequence, acknowledgement, payload),
			 XDP_TX);
}

/* The client's next byte is 1001, the backend's 5001. */
static void open_flow(uint16_t port)
{
	client(port, SYN, 1000, 0);
	backend(SYN | ACK, 5000, 1001, 0);
	client(port, ACK, 1001, 0);
}

static void pause_ms(long ms)
{
	const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&time, NULL);
}

/* ---- what is noted of the backend ------------------------------------------------------------------------------ */

static struct usher_backend_figures figures(void)
{
	struct counters *counters = calloc(1, sizeof(*counters));
	struct usher_backend_figures all = {0};

	assert_non_null(counters);
	assert_int_equal(counters_read(host.program, counters), 0);
	all = counters->figures[0]; /* the only one */
	free(counters);
	return all;
}

/* None of the latencies is in a bucket that ends at or before so many milliseconds. */
static void all_above(const struct usher_latency *latency, double ms)
{
	for (size_t i = 0; latency_bound(i) <= ms / 1000; i++)
		assert_int_equal(latency->bucket[i], 0);
}

static void test_the_handshake_is_timed_once(void **state)
{
	struct usher_backend_figures now;

	(void)state;
	client(1, SYN, 1000, 0);
	pause_ms(40);
	client(1, SYN, 1000, 0); /* retransmitted: the client waits since the first */
	backend(SYN | ACK, 5000, 1001, 0);
	backend(SYN | ACK, 5000, 1001, 0);
	client(1, ACK, 1001, 0);
	backend(SYN | ACK, 5000, 1001, 0);
	now = figures();
	assert_int_equal(latency_total(&now.connect), 1);
	all_above(&now.connect, 33.554432);
	assert_true(latency_sum(&now.connect) >= 0.040);
	assert_true(latency_quantile(&now.connect, 0.5) > 0.033);
	assert_int_equal(latency_total(&now.first_byte), 0);
}

static void test_each_request_is_timed(void **state)
{
	struct usher_backend_figures now;

	(void)state;
	open_flow(1);
	for (uint32_t n = 0; n < 3; n++) {
		client(1, ACK, 1001 + 200 * n, 100);
		pause_ms(20);
		client(1, ACK, 1101 + 200 * n, 100); /* the same request */
		backend(ACK, 5001 + 60 * n, 1201 + 200 * n, 0);
		now = figures();
		assert_int_equal(latency_total(&now.first_byte), n);
		backend(ACK, 5001 + 60 * n, 1201 + 200 * n, 30);
		backend(ACK, 5031 + 60 * n, 1201 + 200 * n, 30); /* the same answer */
		now = figures();
		assert_int_equal(latency_total(&now.first_byte), n + 1);
	}
	all_above(&now.first_byte, 16.777216);
	assert_true(latency_sum(&now.first_byte) >= 0.060);
}

static void test_a_backend_that_speaks_first_answers_nothing(void **state)
{
	struct usher_backend_figures now;

	(void)state;
	open_flow(1);
	backend(ACK, 5001, 1001, 30);
	now = figures();
	assert_int_equal(latency_total(&now.first_byte), 0);
	client(1, ACK, 0x80000000, 30); /* somebody else's */
	backend(ACK, 5031, 1001, 30);
	now = figures();
	assert_int_equal(latency_total(&now.first_byte), 0);
}

/* Bytes under way hide where the client is: a flow is not lost sight of for good. */
static void test_uploads_that_run_ahead_are_timed(void **state)
{
	struct usher_backend_figures now;
	uint32_t next = 1001;

	(void)state;
	open_flow(1);
	for (uint32_t n = 1; n <= 3; n++) {
		client(1, ACK, next, 100);
		backend(ACK, 5001, next + 100, 30); /* begins to answer before all has come */
		next += 4 << 20;
		client(1, ACK, next, 100);
		backend(ACK, 5031, next + 100, 30);
		now = figures();
		assert_int_equal(latency_total(&now.first_byte), 2 * n);
		next += 100u << 20;
		client(1, ACK, next, 100);	   /* too far */
		backend(ACK, 5061, next + 100, 0); /* was not */
		next += 100;
	}
	client(1, FIN | ACK, next, 0);
	backend(FIN | ACK, 5061, next + 1, 0);
	client(1, SYN, 1, 0);
	backend(SYN | ACK, 5000, 2, 0); /* of another flow, since the FIN counted: it goes through */
}

static void test_failures_are_told_apart(void **state)
{
	struct usher_backend_figures now;

	(void)state;
	client(1, SYN, 1000, 0);
	backend(RST | ACK, 0, 1001, 0);
	backend(RST | ACK, 0, 1001, 0);
	now = figures();
	assert_int_equal(now.refused, 1);
	assert_int_equal(latency_total(&now.connect), 0);

	open_flow(2);
	backend(RST, 5001, 0, 0);
	client(2, ACK, 1001, 50); /* was on its way */
	backend(RST, 5001, 0, 0);
	now = figures();
	assert_int_equal(now.resets, 1);

	open_flow(3); /* closed by both: what is reset then is late */
	client(3, FIN | ACK, 1001, 0);
	backend(FIN | ACK, 5001, 1002, 0);
	backend(RST, 5002, 0, 0);

	open_flow(8); /* the client has closed: whoever does that with something unread gets a reset when he likes */
	client(8, FIN | ACK, 1001, 0);
	backend(RST | ACK, 5001, 1002, 0);
	open_flow(9); /* the same after its reset */
	client(9, RST, 1001, 0);
	backend(RST | ACK, 5001, 1001, 0);
	now = figures();
	assert_int_equal(now.resets, 1);

	open_flow(4); /* closes at once */
	client(4, ACK, 1001, 50);
	client(4, FIN | ACK, 1051, 0);

	open_flow(5); /* has its answer */
	client(5, ACK, 1001, 50);
	pause_ms(1100);
	backend(ACK, 5001, 1051, 10);
	client(5, FIN | ACK, 1051, 0);
	now = figures();
	assert_int_equal(now.first_byte_timeouts, 0);

	open_flow(6); /* gives up */
	client(6, ACK, 1001, 50);
	pause_ms(1100);
	client(6, FIN | ACK, 1051, 0);
	client(6, FIN | ACK, 1051, 0);
	client(6, RST, 1052, 0);
	open_flow(7);
	client(7, ACK, 1001, 50);
	pause_ms(1100);
	client(7, RST, 1051, 0);
	now = figures();
	assert_int_equal(now.first_byte_timeouts, 2);
	assert_int_equal(now.refused, 1);
	assert_int_equal(now.resets, 1);
	assert_int_equal(now.connect_timeouts, 0);
}

/* ---- how long a flow is remembered ------------------------------------------------------------------------------ */

static struct usher_flow *flow_of(uint16_t port)
{
	struct usher_flow *lines = flows.bytes;

	for (size_t i = 0; i < flows.entries; i++)
		if (USHER_TAG_STATUS(lines[i].tag) >= USHER_FLOW_HALF_OPEN && !(lines[i].tag & USHER_TAG_RETURN) &&
		    lines[i].source_port_be == htons(port))
			return &lines[i];
	return NULL;
}

static struct usher_sweep sweep(void)
{
	struct {
		uint64_t timer[2];
		struct usher_sweep state;
	} sweeper;
	uint32_t zero = 0;

	assert_int_equal(bpf_map_lookup_elem(program_map(host.program, "sweepers"), &zero, &sweeper), 0);
	return sweeper.state;
}

static bool forgotten(uint16_t port)
{
	uint32_t began = sweep().passes;

	while (sweep().passes - began < 2)
		pause_ms(20);
	return !flow_of(port);
}

static void make_silent(uint16_t port, uint16_t ticks)
{
	struct usher_flow *flow = flow_of(port);

	assert_non_null(flow);
	flow->value.forward.seen = (uint16_t)(sweep().tick - ticks);
}

/* Has the flow gone when it has been silent for so many ticks? */
static bool forgotten_after(uint16_t port, uint16_t ticks)
{
	make_silent(port, ticks);
	return forgotten(port);
}

static void test_a_closed_flow_is_forgotten_in_seconds(void **state)
{
	(void)state;
	open_flow(1);
	client(1, FIN | ACK, 1001, 0);
	backend(FIN | ACK, 5001, 1002, 0);
	assert_true(forgotten_after(1, 6));
	open_flow(2);
	backend(RST, 5001, 0, 0);
	client(2, ACK, 1001, 0); /* does not bring it back */
	assert_true(forgotten_after(2, 6));
	open_flow(3);
	client(3, RST, 1001, 0);
	assert_true(forgotten_after(3, 6));
}

static void test_an_idle_flow_is_kept_for_hours(void **state)
{
	(void)state;
	open_flow(1);
	assert_false(forgotten_after(1, 6700));
	client(1, RST, 0x80000000, 0); /* a guess */
	client(1, FIN | ACK, 0x80000000, 0);
	assert_false(forgotten_after(1, 6700));
	client(1, RST, 1001 + 2000, 0); /* a good one, of which the backend thinks otherwise */
	backend(ACK, 5001, 1001, 0);
	assert_false(forgotten_after(1, 6700));
	assert_true(forgotten_after(1, 7000));
	client(2, SYN, 1000, 0);
	backend(ACK, 7, 7, 0);
	client(2, RST, 7, 0); /* in the handshake */
	client(2, SYN, 1000, 0);
	backend(SYN | ACK, 5000, 1001, 0);
	client(2, ACK, 1001, 0);
	assert_false(forgotten_after(2, 6700));
	open_flow(3); /* a SYN of somebody */
	client(3, SYN, 99, 0);
	assert_false(forgotten_after(3, 6700));
	open_flow(4);
	client(4, FIN | ACK, 1001, 0);
	assert_false(forgotten_after(4, 110));
	assert_true(forgotten_after(4, 130));
}

/* What ends a flow that was silent for longer than a closing one may be is a packet of it all the same. */
static void test_the_fin_of_a_silent_stream_is_its_last_packet(void **state)
{
	(void)state;
	open_flow(1);
	make_silent(1, 1000);
	client(1, FIN | ACK, 1001, 0);
	assert_false(forgotten(1));
	open_flow(2);
	make_silent(2, 1000);
	backend(FIN | ACK, 5001, 1001, 0);
	assert_false(forgotten(2));
}

static void test_a_syn_that_nobody_answers_is_the_backends(void **state)
{
	struct usher_backend_figures now;

	(void)state;
	client(1, SYN, 1000, 0);
	assert_true(forgotten_after(1, 7));
	now = figures();
	assert_int_equal(now.connect_timeouts, 1);
	client(2, SYN, 1000, 0);
	backend(SYN | ACK, 5000, 1001, 0);
	assert_true(forgotten_after(2, 7)); /* the client's own */
	client(3, SYN, 1000, 0);
	backend(RST | ACK, 0, 1001, 0);
	assert_true(forgotten_after(3, 7));
	open_flow(4);
	assert_true(forgotten_after(4, 7000));
	now = figures();
	assert_int_equal(now.connect_timeouts, 1);
	assert_int_equal(now.refused, 1);
}

/* Other words in their place, of the same length. */
static void put(char *policy, const char *words, const char *others)
{
	char *at = strstr(policy, words);

	assert_non_null(at);
	assert_int_equal(strlen(words), strlen(others));
	memcpy(at, others, strlen(others));
}

/* Only the client is seen: its reset may be anybody's, and its backend's FIN is not seen. */
static void test_direct_return_believes_half(void **state)
{
	char *policy = strdup(HOST_POLICY);

	(void)state;
	put(policy, "\"health\": false}", "\"forward\": \"l2\"}");
	put(policy, "10.1.0.11:8000\",", "10.1.0.11:443\" ,");
	catalog_free(host_publish(&host, policy));
	free(policy);
	client(1, SYN, 1000, 0);
	client(1, ACK, 1001, 50);
	assert_false(forgotten_after(1, 6700));
	client(1, RST, 0x80000000, 0);
	assert_false(forgotten_after(1, 110));
	client(1, ACK, 1051, 50); /* speaks */
	assert_false(forgotten_after(1, 6700));
	client(1, FIN | ACK, 1101, 0);
	client(1, ACK, 1102, 0);
	assert_true(forgotten_after(1, 130));
}

/* ---- where answers go ------------------------------------------------------------------------------------------ */

/* A client's packet by a router, the first of its tick; then where an answer of the backend's goes, which acknowledges `next`. */
static uint8_t answered_to(uint8_t by, uint32_t sequence, uint32_t next)
{
	router = by;
	make_silent(1, 1);
	client(1, ACK, sequence, 0);
	router = 0;
	backend(ACK, 5001, next, 30);
	return answer_to;
}

/* A segment of clients that loses a router keeps its connections: answers go to the one that their packets come by now. */
static void test_answers_follow_the_clients_router(void **state)
{
	struct usher_flow *flow;

	(void)state;
	open_flow(1);
	assert_int_equal(answered_to(0, 1001, 1001), 0x0c);
	assert_int_equal(answered_to(0x0d, 1001, 1001), 0x0d);
	/* Not for who only knows addresses and ports. */
	assert_int_equal(answered_to(0x0e, 0x80000000, 1001), 0x0d);
	/* An upload that is far ahead has to be acknowledged first. */
	assert_int_equal(answered_to(0x0e, 1001 + (8 << 20), 1001 + (8 << 20)), 0x0d);
	assert_int_equal(answered_to(0x0e, 1001 + (8 << 20), 1001 + (8 << 20)), 0x0e);
	/* So with the interface: this one came by another. */
	flow = flow_of(1);
	flow->value.forward.interface = 3;
	assert_int_equal(answered_to(0x0e, 1001 + (8 << 20), 1001 + (8 << 20)), 0x0e);
	assert_int_equal(flow_of(1)->value.forward.interface, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_handshake_is_timed_once, begin, end),
		cmocka_unit_test_setup_teardown(test_each_request_is_timed, begin, end),
		cmocka_unit_test_setup_teardown(test_a_backend_that_speaks_first_answers_nothing, begin, end),
		cmocka_unit_test_setup_teardown(test_uploads_that_run_ahead_are_timed, begin, end),
		cmocka_unit_test_setup_teardown(test_failures_are_told_apart, begin, end),
		cmocka_unit_test_setup_teardown(test_a_closed_flow_is_forgotten_in_seconds, begin, end),
		cmocka_unit_test_setup_teardown(test_an_idle_flow_is_kept_for_hours, begin, end),
		cmocka_unit_test_setup_teardown(test_the_fin_of_a_silent_stream_is_its_last_packet, begin, end),
		cmocka_unit_test_setup_teardown(test_answers_follow_the_clients_router, begin, end),
		cmocka_unit_test_setup_teardown(test_direct_return_believes_half, begin, end),
		cmocka_unit_test_setup_teardown(test_a_syn_that_nobody_answers_is_the_backends, begin, end),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (host_begin())
		return host_skip(sizeof(tests) / sizeof(tests[0]));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
