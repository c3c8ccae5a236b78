/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * NAT: the pool of source addresses, the order of ports, what happens when there is none left, and a flow whose two directions
 * are on different CPUs.
 */
#define HOST_FLOW_LINES (1u << 18)
#define HOST_HALF_OPEN_MAX (1u << 20)
#include "host.h"

#include <pthread.h>

#include "kernel/counters.h"
#include "kernel/events.h"
#include "kernel/mapping.h"

#define PORTS (65536 - 1024)
#define ONE_ADDRESS "\"10.0.0.2\""
#define THREE_ADDRESSES "\"10.0.0.2\", \"10.0.0.3\", \"10.0.0.4\""
#define POLICY(addresses)                                                                                              \
	"{\"apiVersion\": \"usher/v1\","                                                                               \
	"\"tenants\": {\"acme\": {\"sources\": [{\"prefix\": \"203.0.0.0/16\", \"region\": \"DE\"}]}},"                \
	"\"models\": {\"a\": {\"versions\": {\"1\": {\"stage\": \"production\"}}}, \"b\": {\"versions\": {\"1\": "     \
	"{\"stage\": \"production\"}}}},"                                                                              \
	"\"backends\": {\"b1\": {\"address\": \"10.1.0.11:8000\", \"serves\": \"a@1\", \"region\": \"DE\","            \
	"  \"health\": false},"                                                                                        \
	"  \"b2\": {\"address\": \"10.1.0.12:8000\", \"serves\": \"b@1\", \"region\": \"DE\", \"health\": false}},"    \
	"\"services\": {\"a\": {\"address\": \"198.51.100.10:53\", \"protocol\": \"udp\", \"model\": \"a\"},"          \
	"  \"b\": {\"address\": \"198.51.100.11:53\", \"protocol\": \"udp\", \"model\": \"b\"},"                       \
	"  \"t\": {\"address\": \"198.51.100.10:443\", \"protocol\": \"tcp\", \"model\": \"a\"}},"                     \
	"\"rules\": [{\"id\": \"ok\", \"when\": {\"tenant\": [\"acme\"]}, \"allow\": true}],"                          \
	"\"nat\": {\"addresses\": [" addresses "]}}"

static struct host host;

static int begin(void **state)
{
	(void)state;
	host_open(&host);
	return 0;
}

static int end(void **state)
{
	(void)state;
	host_close(&host);
	return 0;
}

/* ---- packets ------------------------------------------------------------------------------------------------- */

struct exchange {
	struct frame frame;
	uint32_t acknowledgement;
	struct {
		struct usher_address source, destination;
		uint16_t source_port, destination_port;
	} out;
};

static struct usher_address address(const char *text)
{
	struct usher_address address;

	assert_int_equal(address_parse(text, &address), 0);
	return address;
}

static struct usher_address address_at(const uint8_t *at)
{
	struct usher_address address = {.bytes = {[10] = 0xff, [11] = 0xff}};

	memcpy(address.bytes + 12, at, 4);
	return address;
}

/* The XDP action, or -1. To be called from any thread. */
static int pass(struct exchange *exchange)
{
	uint8_t bytes[FRAME_MAX], out[256] = {0};
	uint32_t acknowledgement = htonl(exchange->acknowledgement);
	struct xdp_md context = {.ingress_ifindex = host.program->attachments[0].index};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = bytes, .data_out = out, .data_size_out = sizeof(out),
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = 1);

	memcpy(exchange->frame.source_mac, host_client_mac, 6);
	memcpy(exchange->frame.destination_mac, host_own_mac, 6);
	run.data_size_in = context.data_end = (__u32)frame_write(&exchange->frame, bytes);
	if (exchange->frame.protocol == IPPROTO_TCP)
		memcpy(bytes + 14 + 20 + 8, &acknowledgement, sizeof(acknowledgement));
	if (bpf_prog_test_run_opts(program_xdp(host.program), &run))
		return -1;
	exchange->out.source = address_at(out + 26);
	exchange->out.destination = address_at(out + 30);
	exchange->out.source_port = (uint16_t)(out[34] << 8 | out[35]);
	exchange->out.destination_port = (uint16_t)(out[36] << 8 | out[37]);
	return (int)run.retval;
}

/* The first datagram of client number `n` to a service; out: as the backend gets it. */
static int ask(const char *service, uint32_t n, struct exchange *exchange)
{
	*exchange = (struct exchange){.frame = {.source = address("203.0.0.0"),
						.destination = address(service),
						.source_port = (uint16_t)(1024 + n % 60000),
						.destination_port = 53,
						.protocol = IPPROTO_UDP}};
	exchange->frame.source.bytes[14] = (uint8_t)(1 + n / 60000);
	exchange->frame.source.bytes[15] = 1;
	return pass(exchange);
}

/* Its backend's answer, by which the flow is live; `out`, if the answer reaches the client. */
static bool answers(const struct exchange *asked, struct exchange *answer)
{
	*answer = (struct exchange){.frame = {.source = asked->out.destination,
					      .destination = asked->out.source,
					      .source_port = asked->out.destination_port,
					      .destination_port = asked->out.source_port,
					      .protocol = IPPROTO_UDP}};
	return pass(answer) == XDP_TX && answer->out.destination_port == asked->frame.source_port;
}

static void wipe(void)
{
	struct mapping flows;

	assert_int_equal(mapping_open(program_map(host.program, "flows"), sizeof(struct usher_flow), true, &flows), 0);
	memset(flows.bytes, 0, flows.size * flows.entries);
	mapping_close(&flows);
}

static uint64_t counted(uint8_t reason)
{
	struct counters *counters = calloc(1, sizeof(*counters));
	uint64_t sum = 0;

	assert_non_null(counters);
	assert_int_equal(counters_read(host.program, counters), 0);
	for (size_t service = 0; service <= USHER_SERVICES_MAX; service++)
		sum += counters->verdicts[service * USHER_REASON_MAX + reason].packets;
	free(counters);
	return sum;
}

/* ---- tests --------------------------------------------------------------------------------------------------- */

static void test_the_pool_is_used_evenly(void **state)
{
	struct exchange exchange;
	unsigned int by_address[5] = {0};

	(void)state;
	catalog_free(host_publish(&host, POLICY(THREE_ADDRESSES)));
	for (uint32_t n = 0; n < 6000; n++) {
		assert_int_equal(ask("198.51.100.10", n, &exchange), XDP_TX);
		assert_in_range(exchange.out.source.bytes[15], 2, 4);
		by_address[exchange.out.source.bytes[15]]++;
	}
	for (size_t a = 2; a <= 4; a++)
		assert_in_range(by_address[a], 1900, 2100);
}

static void test_a_port_given_back_is_the_last_to_be_given_out(void **state)
{
	static bool used[65536];
	struct exchange exchange;
	uint16_t last = 0, steps = 0;

	(void)state;
	catalog_free(host_publish(&host, POLICY(ONE_ADDRESS)));
	for (uint32_t n = 0; n < 60000; n++) {
		if (n % 5000 == 0)
			wipe(); /* all are over */
		assert_int_equal(ask("198.51.100.10", n, &exchange), XDP_TX);
		assert_true(exchange.out.source_port >= 1024);
		assert_false(used[exchange.out.source_port]);
		used[exchange.out.source_port] = true;
		steps = (uint16_t)(steps + (abs(exchange.out.source_port - last) < 16));
		last = exchange.out.source_port;
	}
	assert_true(steps < 600); /* by chance 30; who has seen one port can not tell the next */
}

static void test_no_port_is_left(void **state)
{
	struct exchange exchange, first, other, answer;
	const struct usher_event *event;
	struct events *events;
	uint32_t n = 0, admitted = 0, refused = 0;
	bool recorded = false;

	(void)state;
	catalog_free(host_publish(&host, POLICY(ONE_ADDRESS)));
	assert_int_equal(ask("198.51.100.10", n++, &first), XDP_TX);
	assert_true(answers(&first, &answer));
	/* Nearly all ports are found at once; the last few take a few goes. */
	for (admitted = 1; admitted < PORTS && n < 3 * PORTS; n++)
		admitted += ask("198.51.100.10", n, &exchange) == XDP_TX && answers(&exchange, &answer);
	assert_int_equal(admitted, PORTS);
	refused = n - admitted;
	assert_int_equal(counted(USHER_REASON_NAT_PORTS), refused);

	assert_int_equal(events_open(host.program, &events), 0);
	while ((event = events_next(events, USHER_RING_EVENTS)))
		;
	assert_int_equal(ask("198.51.100.10", n, &exchange), XDP_DROP);
	assert_int_equal(counted(USHER_REASON_NAT_PORTS), refused + 1);
	while ((event = events_next(events, USHER_RING_EVENTS)))
		recorded |= event->reason == USHER_REASON_NAT_PORTS &&
			    event->client_port_be == htons(exchange.frame.source_port);
	assert_true(recorded);
	events_close(events);

	/* Towards another backend the same ports are free, and who has one keeps it. */
	assert_int_equal(ask("198.51.100.11", n, &other), XDP_TX);
	assert_int_equal(ask("198.51.100.10", 0, &exchange), XDP_TX);
	assert_int_equal(exchange.out.source_port, first.out.source_port);
	assert_true(answers(&first, &answer));

	/* More addresses, more ports. */
	catalog_free(host_publish(&host, POLICY(THREE_ADDRESSES)));
	for (uint32_t more = n + 1; more < n + 1000; more++) {
		assert_int_equal(ask("198.51.100.10", more, &exchange), XDP_TX);
		assert_int_not_equal(exchange.out.source.bytes[15], 2);
	}
}

/* Half of all homes are locked, as by a CPU that stands still. */
static void lock_every_other_home(void)
{
	struct mapping flows;

	assert_int_equal(mapping_open(program_map(host.program, "flows"), sizeof(struct usher_flow), true, &flows), 0);
	for (size_t line = 1; line < flows.entries; line += 2)
		((struct usher_flow *)(void *)((char *)flows.bytes + line * flows.size))->hint |= 1;
	mapping_close(&flows);
}

/* Whoever has a line of his own is not refused because the home of the first port that was drawn is busy: he gets another port. */
static void test_a_port_whose_home_is_busy_is_passed_over(void **state)
{
	struct exchange exchange;
	uint32_t admitted = 0;

	(void)state;
	catalog_free(host_publish(&host, POLICY(ONE_ADDRESS)));
	lock_every_other_home();
	for (uint32_t n = 0; n < 1000; n++)
		admitted += ask("198.51.100.10", n, &exchange) == XDP_TX;
	assert_in_range(admitted, 400, 600); /* those whose own home is free; a quarter would have both */
	assert_int_equal(admitted + counted(USHER_REASON_FLOW_CONTENDED), 1000);
}

/* ---- two CPUs ------------------------------------------------------------------------------------------------ */

#define CONNECTIONS 20000
#define BEHIND 32 /* handshakes that are open at a time */

static struct {
	uint32_t port[CONNECTIONS]; /* as chosen by usher; 0: the SYN has not passed yet */
	uint32_t answered[CONNECTIONS];
	uint32_t wrong;
} both;

static void stay_on(size_t cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
}

static uint32_t await(uint32_t *word)
{
	uint32_t value;

	while (!(value = __atomic_load_n(word, __ATOMIC_ACQUIRE)))
		sched_yield();
	return value;
}

static void *answer_all(void *argument)
{
	(void)argument;
	stay_on(1);
	for (uint32_t n = 0; n < CONNECTIONS; n++) {
		struct exchange exchange = {.frame = {.source = address("10.1.0.11"),
						      .destination = address("10.0.0.2"),
						      .source_port = 8000,
						      .destination_port = (uint16_t)await(&both.port[n]),
						      .protocol = IPPROTO_TCP,
						      .tcp_flags = FRAME_TCP_SYN | HOST_ACK,
						      .sequence = n * 7919},
					    .acknowledgement = 1001};

		if (pass(&exchange) != XDP_TX || exchange.out.destination_port != 1024 + n ||
		    exchange.out.source_port != 443)
			__atomic_fetch_add(&both.wrong, 1, __ATOMIC_RELAXED);
		__atomic_store_n(&both.answered[n], 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void test_the_way_back_is_on_another_cpu(void **state)
{
	struct exchange exchange = {.frame = {.source = address("203.0.1.1"),
					      .destination = address("198.51.100.10"),
					      .destination_port = 443,
					      .protocol = IPPROTO_TCP}};
	pthread_t other;

	(void)state;
	catalog_free(host_publish(&host, POLICY(ONE_ADDRESS)));
	stay_on(0);
	assert_int_equal(pthread_create(&other, NULL, answer_all, NULL), 0);
	for (uint32_t n = 0; n < CONNECTIONS + BEHIND; n++) {
		if (n < CONNECTIONS) {
			exchange.frame.source_port = (uint16_t)(1024 + n);
			exchange.frame.tcp_flags = FRAME_TCP_SYN;
			exchange.frame.sequence = 1000;
			exchange.acknowledgement = 0;
			both.wrong += pass(&exchange) != XDP_TX;
			__atomic_store_n(&both.port[n], exchange.out.source_port, __ATOMIC_RELEASE);
		}
		if (n >= BEHIND) {
			await(&both.answered[n - BEHIND]);
			exchange.frame.source_port = (uint16_t)(1024 + n - BEHIND);
			exchange.frame.tcp_flags = HOST_ACK;
			exchange.frame.sequence = 1001;
			exchange.acknowledgement = (n - BEHIND) * 7919 + 1;
			both.wrong += pass(&exchange) != XDP_TX || exchange.out.source_port != both.port[n - BEHIND];
		}
	}
	pthread_join(other, NULL);
	assert_int_equal(both.wrong, 0);
	assert_int_equal(counted(USHER_REASON_ADMITTED), CONNECTIONS);
	assert_int_equal(counted(USHER_REASON_RETURNED), CONNECTIONS);
	assert_int_equal(counted(USHER_REASON_CONFIRMED), CONNECTIONS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_pool_is_used_evenly, begin, end),
		cmocka_unit_test_setup_teardown(test_a_port_given_back_is_the_last_to_be_given_out, begin, end),
		cmocka_unit_test_setup_teardown(test_no_port_is_left, begin, end),
		cmocka_unit_test_setup_teardown(test_a_port_whose_home_is_busy_is_passed_over, begin, end),
		cmocka_unit_test_setup_teardown(test_the_way_back_is_on_another_cpu, begin, end),
	};

	if (host_begin())
		return host_skip(sizeof(tests) / sizeof(tests[0]));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
