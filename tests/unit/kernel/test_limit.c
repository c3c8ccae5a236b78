/* SPDX-License-Identifier: GPL-2.0-only */
/* Limits of a tenant: how fast it may open flows, how many may be active, how many bits they may carry; others do not notice. */
#include "host.h"

#include <pthread.h>

#include "base/clock.h"
#include "kernel/counters.h"
#include "kernel/flows.h"
#include "kernel/mapping.h"

/* Direct return: the client's acknowledgement is proof enough, so that one end makes an open flow. */
#define DIRECT_FOR(limits, others, rules)                                                                              \
	"{\"apiVersion\": \"usher/v1\","                                                                               \
	"\"tenants\": {\"acme\": {\"sources\": [{\"prefix\": \"203.0.113.0/24\", \"region\": \"DE\"}]" limits "},"     \
	"  \"labs\": {\"sources\": [{\"prefix\": \"192.0.2.0/24\", \"region\": \"US\"}" others "},"                    \
	"\"models\": {\"m\": {\"versions\": {\"1\": {\"stage\": \"production\"}}}},"                                   \
	"\"backends\": {\"b1\": {\"address\": \"10.1.0.11:443\", \"serves\": \"m@1\", \"region\": \"DE\","             \
	"  \"forward\": \"l2\"}},"                                                                                     \
	"\"services\": {\"s\": {\"address\": \"198.51.100.10:443\", \"protocol\": \"tcp\", \"model\": \"m\"}},"        \
	"\"rules\": [" rules "{\"id\": \"ok\", \"allow\": true}]}"
#define DIRECT(limits) DIRECT_FOR(limits, "]}", "")

#define BURST 5
#define FLOOD 100000
#define ACTIVE 20
#define QUIET_TICKS 57 /* FLOW_TICKS_ACTIVE and one */
#define CLOSED_TICKS 4
#define HANDSHAKE_TICKS 6  /* in which a flow that is half open is forgotten */
#define SWEEP_US 2000000   /* a small table is swept several times in that */
#define RATE 80000000ULL   /* bits a second: 10 MB */
#define BUCKET (RATE / 80) /* bytes: 100 ms */
#define FRAME_BYTES 60
#define FLOOD_PORTS 1000 /* each second one of them becomes a flow, which its other packets then belong to */

/* A host of its own for each test, given back also if the test fails. */
static int begin(void **state)
{
	struct host *host = malloc(sizeof(*host));

	assert_non_null(host);
	host_open(host);
	*state = host;
	return 0;
}

static int end(void **state)
{
	host_close(*state);
	free(*state);
	return 0;
}

static uint64_t refused(const struct host *host)
{
	struct usher_tenant_state *states = calloc(USHER_TENANT_IDS, sizeof(*states));
	uint64_t sum = 0;

	assert_non_null(states);
	assert_int_equal(flows_tenants(host->program, states), 0);
	for (size_t i = 0; i < USHER_TENANT_IDS; i++)
		sum += states[i].new_flows_refused;
	free(states);
	return sum;
}

static struct usher_tenant_state acme(const struct host *host)
{
	struct usher_tenant_state *states = calloc(USHER_TENANT_IDS, sizeof(*states)), state = {0};

	assert_non_null(states);
	assert_int_equal(flows_tenants(host->program, states), 0);
	for (size_t i = 0; i < USHER_TENANT_IDS; i++)
		if (states[i].half_open || states[i].live || states[i].packets_refused ||
		    states[i].active_flows_refused)
			state = states[i];
	free(states);
	return state;
}

static int64_t active(const struct host *host)
{
	struct usher_tenant_state state = acme(host);

	return state.half_open + state.live;
}

static int send_flags(const struct host *host, uint16_t port, uint8_t flags)
{
	struct host_packet packet = host_syn("203.0.113.10", port);

	packet.flags = flags;
	return host_send(host, &packet);
}

/* A flow whose handshake is over. */
static int open_flow(const struct host *host, uint16_t port)
{
	int action = send_flags(host, port, FRAME_TCP_SYN);

	if (action == XDP_TX)
		assert_int_equal(send_flags(host, port, HOST_ACK), XDP_TX);
	return action;
}

/* As if the last packet of each flow had come so long ago, and its client had sent a FIN or not. */
static void let_pass(const struct host *host, uint16_t ticks, uint8_t tcp)
{
	struct mapping lines = {0};
	struct usher_flow *flows;

	assert_int_equal(mapping_open(program_map(host->program, "flows"), sizeof(*flows), true, &lines), 0);
	flows = lines.bytes;
	for (size_t i = 0; i < lines.entries; i++)
		if (USHER_TAG_STATUS(flows[i].tag) >= USHER_FLOW_HALF_OPEN) {
			flows[i].value.forward.seen = (uint16_t)(flows[i].value.forward.seen - ticks);
			flows[i].value.forward.tcp |= tcp;
		}
	mapping_close(&lines);
}

static void test_beyond_the_burst_new_flows_are_refused(void **state)
{
	struct host *host = *state;
	struct host_packet packet;
	unsigned int passed = 0;

	catalog_free(host_publish(host, DIRECT(", \"limits\": {\"new_flows_per_second\": 1, \"burst\": 5}")));
	for (uint16_t n = 0; n < 100; n++) {
		packet = host_syn("203.0.113.10", (uint16_t)(2000 + n));
		passed += host_send(host, &packet) == XDP_TX;
	}
	assert_int_equal(send_flags(host, 2000, HOST_ACK), XDP_TX);
	/* One more for each second that this took. */
	assert_in_range(passed, BURST, 50);
	assert_int_equal(refused(host), 100 - passed);
	/* Emptied to the last, the bucket stays so under a flood; the open flow and the other tenant go on. */
	for (uint16_t n = 0; n < FLOOD_PORTS; n++) {
		packet = host_syn("203.0.113.10", (uint16_t)(10000 + n));
		host_send_many(host, &packet, FLOOD / FLOOD_PORTS, NULL);
	}
	assert_true(refused(host) > FLOOD / 2);
	let_pass(host, HANDSHAKE_TICKS, 0); /* as long as it may take on a busy machine */
	usleep(SWEEP_US);
	assert_int_equal(send_flags(host, 2000, HOST_ACK), XDP_TX);
	assert_int_equal(active(host), 1);
	packet = host_syn("192.0.2.10", 2000);
	assert_int_equal(host_send(host, &packet), XDP_TX);
	/* No limit any more. */
	catalog_free(host_publish(host, DIRECT("")));
	packet = host_syn("203.0.113.10", 9500);
	assert_int_equal(host_send(host, &packet), XDP_TX);
}

/* ---- active flows --------------------------------------------------------------------------------------------- */

static void begin_active(struct host *host)
{
	catalog_free(host_publish(host, DIRECT(", \"limits\": {\"active_flows\": 20}")));
	for (uint16_t n = 0; n < ACTIVE; n++)
		assert_int_equal(open_flow(host, (uint16_t)(2000 + n)), XDP_TX);
	assert_int_equal(active(host), ACTIVE);
	assert_int_equal(open_flow(host, 3000), XDP_DROP);
}

/* In direct return a server's close is not seen: flows of clients that just went away are left behind. */
static void test_who_leaves_unseen_takes_nobodys_place(void **state)
{
	struct host_packet other = host_syn("192.0.2.10", 2000);
	struct host *host = *state;

	begin_active(host);
	assert_int_equal(acme(host).active_flows_refused, 1);
	assert_int_equal(host_send(host, &other), XDP_TX); /* another tenant's */
	let_pass(host, QUIET_TICKS - 10, 0);
	usleep(SWEEP_US);
	assert_int_equal(open_flow(host, 3001), XDP_DROP); /* silent, but not for long enough */
	let_pass(host, 10, 0);
	usleep(SWEEP_US);
	assert_int_equal(active(host), 0);
	for (uint16_t n = 0; n < ACTIVE; n++)
		assert_int_equal(open_flow(host, (uint16_t)(4000 + n)), XDP_TX);
	assert_int_equal(open_flow(host, 3002), XDP_DROP);
}

/* They are open all the same, and count again when they speak: even beyond the limit, which is one of new flows. */
static void test_quiet_flows_go_on(void **state)
{
	struct host *host = *state;

	begin_active(host);
	let_pass(host, QUIET_TICKS, 0);
	usleep(SWEEP_US);
	assert_int_equal(active(host), 0);
	assert_int_equal(open_flow(host, 4000), XDP_TX);
	for (uint16_t n = 0; n < ACTIVE; n++)
		assert_int_equal(send_flags(host, (uint16_t)(2000 + n), HOST_ACK), XDP_TX);
	assert_int_equal(active(host), ACTIVE + 1);
	assert_int_equal(open_flow(host, 4001), XDP_DROP);
}

static void test_closed_flows_do_not_count(void **state)
{
	struct host *host = *state;

	begin_active(host);
	assert_int_equal(send_flags(host, 2000, HOST_ACK | 0x01), XDP_TX);
	assert_int_equal(active(host), ACTIVE - 1);
	assert_int_equal(send_flags(host, 2001, 0x04), XDP_TX);
	assert_int_equal(active(host), ACTIVE - 2);
	assert_int_equal(open_flow(host, 4000), XDP_TX);
	assert_int_equal(open_flow(host, 4001), XDP_TX);
	assert_int_equal(open_flow(host, 4002), XDP_DROP);
	/* A close that was seen by half, and then nothing. */
	let_pass(host, CLOSED_TICKS, 0x01);
	usleep(SWEEP_US);
	assert_int_equal(active(host), 0);
}

/* A SYN takes the place of the flow that has its addresses and ports: a tombstone, which counts nowhere, leaves none. */
static void test_a_tombstone_leaves_no_place(void **state)
{
	struct host *host = *state;

	begin_active(host);
	catalog_free(host_publish(
		host, DIRECT_FOR(", \"limits\": {\"active_flows\": 20}", "]}", "{\"id\": \"cut\", \"deny\": true}, ")));
	send_flags(host, 2000, HOST_ACK);
	catalog_free(host_publish(host, DIRECT(", \"limits\": {\"active_flows\": 20}")));
	assert_int_equal(active(host), ACTIVE - 1);
	assert_int_equal(open_flow(host, 4000), XDP_TX);
	assert_int_equal(send_flags(host, 2000, FRAME_TCP_SYN), XDP_DROP);
	assert_int_equal(active(host), ACTIVE);
}

/* Nor does the flow of another tenant, whose prefix it was. */
static void test_what_was_anothers_leaves_no_place(void **state)
{
	struct host *host = *state;

	catalog_free(host_publish(host, DIRECT("")));
	assert_int_equal(open_flow(host, 2000), XDP_TX);
	catalog_free(host_publish(host, DIRECT_FOR("",
						   ", {\"prefix\": \"203.0.113.10/32\", \"region\": \"DE\"}], "
						   "\"limits\": {\"active_flows\": 1}}",
						   "")));
	assert_int_equal(open_flow(host, 3000), XDP_TX);
	assert_int_equal(send_flags(host, 2000, FRAME_TCP_SYN), XDP_DROP);
}

/* However flows end, the account comes back to nothing: half open, live, quiet, replaced, expired. */
static void test_no_account_drifts(void **state)
{
	struct host *host = *state;

	catalog_free(host_publish(host, DIRECT("")));
	for (int round = 0; round < 3; round++) {
		for (uint16_t n = 0; n < 200; n++) {
			send_flags(host, (uint16_t)(2000 + n), FRAME_TCP_SYN);
			if (n % 4)
				send_flags(host, (uint16_t)(2000 + n), HOST_ACK);
			if (n % 3 == 0)
				send_flags(host, (uint16_t)(2000 + n), HOST_ACK | 0x01);
			if (n % 5 == 0)
				send_flags(host, (uint16_t)(2000 + n), FRAME_TCP_SYN);
			if (n % 7 == 0)
				send_flags(host, (uint16_t)(2000 + n), 0x04);
		}
		assert_true(active(host) > 0);
		let_pass(host, QUIET_TICKS, 0);
		usleep(SWEEP_US);
		assert_int_equal(active(host), 0);
	}
	let_pass(host, 7000, 0);
	usleep(SWEEP_US);
	assert_int_equal(active(host), 0);
	assert_int_equal(acme(host).half_open, 0);
}

/* ---- bits ----------------------------------------------------------------------------------------------------- */

struct sender {
	const struct host *host;
	uint16_t port;
	size_t cpu;
	int64_t until;
	int error;
};

static void *keep_sending(void *context)
{
	struct sender *sender = context;
	uint8_t bytes[FRAME_BYTES];
	struct frame frame = {.source_port = sender->port,
			      .destination_port = 443,
			      .protocol = IPPROTO_TCP,
			      .tcp_flags = HOST_ACK,
			      .sequence = 1001};
	struct xdp_md ctx = {.ingress_ifindex = sender->host->program->attachments[0].index};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = bytes, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = 20);
	uint8_t room[FRAME_MAX];
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sender->cpu % (size_t)sysconf(_SC_NPROCESSORS_ONLN), &one);
	sched_setaffinity(0, sizeof(one), &one);
	memcpy(frame.destination_mac, host_own_mac, 6);
	address_parse("203.0.113.10", &frame.source);
	address_parse("198.51.100.10", &frame.destination);
	run.data_size_in = ctx.data_end = (__u32)frame_write(&frame, room);
	memcpy(bytes, room, sizeof(bytes));
	while (!sender->error && clock_monotonic() < sender->until)
		sender->error = bpf_prog_test_run_opts(program_xdp(sender->host->program), &run);
	return NULL;
}

static uint64_t forwarded_bytes(const struct host *host)
{
	struct counters *counters = malloc(sizeof(*counters));
	uint64_t sum = 0;

	assert_non_null(counters);
	assert_int_equal(counters_read(host->program, counters), 0);
	for (size_t s = 0; s <= USHER_SERVICES_MAX; s++)
		sum += counters->verdicts[s * USHER_REASON_MAX + USHER_REASON_ESTABLISHED].bytes;
	free(counters);
	return sum;
}

/* From all CPUs at once, far more than there is room for: what passes is rate x time and the bucket, and not much less. */
static void test_the_rate_is_that_of_all_cpus_together(void **state)
{
	struct sender senders[2];
	pthread_t threads[2];
	struct host *host = *state;
	int64_t begun, ended;
	uint64_t passed;

	catalog_free(host_publish(host, DIRECT(", \"limits\": {\"bits_per_second\": 80000000}")));
	begun = clock_monotonic();
	for (uint16_t i = 0; i < 2; i++) {
		assert_int_equal(open_flow(host, (uint16_t)(2000 + i)), XDP_TX);
		senders[i] = (struct sender){host, (uint16_t)(2000 + i), i, begun + 2 * CLOCK_SECOND, 0};
		assert_int_equal(pthread_create(&threads[i], NULL, keep_sending, &senders[i]), 0);
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(senders[i].error, 0);
	}
	ended = clock_monotonic();
	passed = forwarded_bytes(host);
	printf("# %llu bytes passed in %.3f s; the rate makes %llu, the bucket %llu more; %llu packets beyond\n",
	       (unsigned long long)passed, (double)(ended - begun) / 1e9,
	       (unsigned long long)((double)RATE / 8 * (double)(ended - begun) / 1e9), (unsigned long long)BUCKET,
	       (unsigned long long)acme(host).packets_refused);
	/* A jiffy of the clock, a packet each of the CPUs, and the rounding of what a byte costs. */
	assert_true((double)passed <=
		    (double)RATE / 8 * ((double)(ended - begun) / 1e9 + 0.02) * 1.001 + BUCKET + 1000);
	assert_true(acme(host).packets_refused > 0);
}

/* A rate is for flows that are open already, and goes when the policy takes it back. */
static void test_a_rate_comes_to_open_flows_and_goes(void **state)
{
	struct host_packet packet = host_syn("203.0.113.10", 2000), other = host_syn("192.0.2.10", 2000);
	uint32_t epoch;
	struct host *host = *state;

	packet.flags = other.flags = HOST_ACK;
	catalog_free(host_publish(host, DIRECT("")));
	open_flow(host, 2000);
	for (int i = 0; i < 3000; i++)
		assert_int_equal(host_send(host, &packet), XDP_TX);
	epoch = host->epoch;
	catalog_free(host_publish(host, DIRECT(", \"limits\": {\"bits_per_second\": 100000}")));
	assert_int_equal(host->epoch, epoch + 1);
	/* So many at once as there are hops. */
	for (int i = 0; i < 100 && !acme(host).packets_refused; i++)
		host_send_many(host, &packet, 50, NULL);
	assert_true(acme(host).packets_refused > 0);
	assert_int_equal(host_send(host, &other), XDP_TX); /* adopted */
	/* Another rate is not another judgement. */
	catalog_free(host_publish(host, DIRECT(", \"limits\": {\"bits_per_second\": 200000}")));
	assert_int_equal(host->epoch, epoch + 1);
	catalog_free(host_publish(host, DIRECT("")));
	assert_int_equal(host->epoch, epoch + 2);
	for (int i = 0; i < 3000; i++)
		assert_int_equal(host_send(host, &packet), XDP_TX);
}

/* A flood of SYNs beyond the rate of new flows takes no bits from the flows that are open. */
static void test_what_the_rate_refuses_takes_no_bits(void **state)
{
	struct host *host = *state;

	catalog_free(host_publish(host, DIRECT(", \"limits\": {\"new_flows_per_second\": 1, \"burst\": 1,"
					       " \"bits_per_second\": 100000}")));
	assert_int_equal(open_flow(host, 2000), XDP_TX);
	/* Several times what the bucket of bits holds. */
	for (uint16_t n = 0; n < 10000; n++)
		send_flags(host, (uint16_t)(10000 + n), FRAME_TCP_SYN);
	assert_true(acme(host).new_flows_refused > 5000);
	assert_int_equal(acme(host).packets_refused, 0);
	assert_int_equal(send_flags(host, 2000, HOST_ACK), XDP_TX);
}

/* And what there are no bits for takes no place from who may open a flow. */
static void test_what_the_bits_refuse_takes_no_flow(void **state)
{
	struct host_packet open = host_syn("203.0.113.10", 2000);
	struct host *host = *state;

	catalog_free(host_publish(host, DIRECT(", \"limits\": {\"new_flows_per_second\": 1, \"burst\": 50,"
					       " \"bits_per_second\": 100000}")));
	assert_int_equal(open_flow(host, 2000), XDP_TX);
	open.flags = HOST_ACK;
	while (!acme(host).packets_refused)
		host_send_many(host, &open, 50, NULL);
	for (uint16_t n = 0; n < 200; n++) {
		host_send_many(host, &open, 50, NULL); /* what has come into the bucket since */
		send_flags(host, (uint16_t)(10000 + n), FRAME_TCP_SYN);
	}
	assert_int_equal(acme(host).new_flows_refused, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_beyond_the_burst_new_flows_are_refused, begin, end),
		cmocka_unit_test_setup_teardown(test_who_leaves_unseen_takes_nobodys_place, begin, end),
		cmocka_unit_test_setup_teardown(test_quiet_flows_go_on, begin, end),
		cmocka_unit_test_setup_teardown(test_closed_flows_do_not_count, begin, end),
		cmocka_unit_test_setup_teardown(test_a_tombstone_leaves_no_place, begin, end),
		cmocka_unit_test_setup_teardown(test_what_was_anothers_leaves_no_place, begin, end),
		cmocka_unit_test_setup_teardown(test_no_account_drifts, begin, end),
		cmocka_unit_test_setup_teardown(test_the_rate_is_that_of_all_cpus_together, begin, end),
		cmocka_unit_test_setup_teardown(test_a_rate_comes_to_open_flows_and_goes, begin, end),
		cmocka_unit_test_setup_teardown(test_what_the_rate_refuses_takes_no_bits, begin, end),
		cmocka_unit_test_setup_teardown(test_what_the_bits_refuse_takes_no_flow, begin, end),
	};

	if (host_begin())
		return host_skip(sizeof(tests) / sizeof(tests[0]));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
