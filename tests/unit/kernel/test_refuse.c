/* SPDX-License-Identifier: GPL-2.0-only */
/* How often usher says no: so many answers a class of clients, CPU and tick; what is beyond is dropped in silence, and counted. */
#define HOST_REPLIES_MAX 3
#include "host.h"

#include "base/clock.h"
#include "kernel/counters.h"

/* Nobody may ask; everybody gets an answer to that. */
#define POLICY                                                                                                         \
	"{\"apiVersion\": \"usher/v1\","                                                                               \
	"\"tenants\": {\"acme\": {\"sources\": [{\"prefix\": \"203.0.113.0/24\", \"region\": \"DE\"}]},"               \
	"  \"labs\": {\"sources\": [{\"prefix\": \"192.0.2.0/24\", \"region\": \"US\"}]}},"                            \
	"\"models\": {\"m\": {\"versions\": {\"1\": {\"stage\": \"production\"}}}},"                                   \
	"\"backends\": {\"b1\": {\"address\": \"10.1.0.11:443\", \"serves\": \"m@1\", \"region\": \"DE\","             \
	"  \"forward\": \"l2\"}},"                                                                                     \
	"\"services\": {\"t\": {\"address\": \"198.51.100.10:443\", \"protocol\": \"tcp\", \"model\": \"m\"},"         \
	"  \"u\": {\"address\": \"198.51.100.10:443\", \"protocol\": \"udp\", \"model\": \"m\"}},"                     \
	"\"rules\": [{\"id\": \"no\", \"deny\": true}]}"

#define ASKED 1000
#define TICK ((int64_t)1 << USHER_TICK_SHIFT)

static int begin(void **state)
{
	struct host *host = malloc(sizeof(*host));

	assert_non_null(host);
	host_open(host);
	catalog_free(host_publish(host, POLICY));
	*state = host;
	return 0;
}

static int end(void **state)
{
	host_close(*state);
	free(*state);
	return 0;
}

static unsigned int ask(const struct host *host, const char *client, uint8_t protocol, unsigned int times)
{
	uint8_t bytes[FRAME_MAX], out[256];
	struct xdp_md context = {.ingress_ifindex = host->program->attachments[0].index};
	struct frame frame = {
		.source_port = 2000, .destination_port = 443, .protocol = protocol, .tcp_flags = FRAME_TCP_SYN};
	unsigned int answered = 0;

	memcpy(frame.source_mac, host_client_mac, 6);
	memcpy(frame.destination_mac, host_own_mac, 6);
	assert_int_equal(address_parse(client, &frame.source), 0);
	assert_int_equal(address_parse("198.51.100.10", &frame.destination), 0);
	context.data_end = (__u32)frame_write(&frame, bytes);
	for (unsigned int i = 0; i < times; i++) {
		LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = bytes, .data_size_in = context.data_end, .data_out = out,
			    .data_size_out = sizeof(out), .ctx_in = &context, .ctx_size_in = sizeof(context),
			    .repeat = 1);

		assert_int_equal(bpf_prog_test_run_opts(program_xdp(host->program), &run), 0);
		assert_true(run.retval == XDP_TX || run.retval == XDP_DROP);
		answered += run.retval == XDP_TX;
	}
	return answered;
}

static struct usher_flow_counter counted(const struct host *host)
{
	struct counters *counters = malloc(sizeof(*counters));
	struct usher_flow_counter flows;

	assert_non_null(counters);
	assert_int_equal(counters_read(host->program, counters), 0);
	flows = counters->flows;
	free(counters);
	return flows;
}

static void hold_the_cap(const struct host *host, uint8_t protocol)
{
	int64_t begun = clock_monotonic();
	unsigned int answered = ask(host, "203.0.113.10", protocol, ASKED);

	/* Of each tick that has begun meanwhile. */
	assert_in_range(answered, HOST_REPLIES_MAX, HOST_REPLIES_MAX * ((clock_monotonic() - begun) / TICK + 2));
	assert_int_equal(counted(host).replies, answered);
	assert_int_equal(counted(host).replies_suppressed, ASKED - answered);
	/* Another class is not answered the less for it. */
	assert_in_range(ask(host, "192.0.2.10", protocol, HOST_REPLIES_MAX), HOST_REPLIES_MAX, HOST_REPLIES_MAX);
	usleep(1200000);
	assert_in_range(ask(host, "203.0.113.10", protocol, 1), 1, 1);
}

static void test_resets_are_capped(void **state)
{
	hold_the_cap(*state, IPPROTO_TCP);
}

static void test_icmp_is_capped(void **state)
{
	hold_the_cap(*state, IPPROTO_UDP);
}

/* Both come from one budget. */
static void test_all_answers_are_capped_together(void **state)
{
	int64_t begun = clock_monotonic();
	unsigned int answered = 0;

	for (int i = 0; i < ASKED / 2; i++)
		answered += ask(*state, "203.0.113.10", IPPROTO_TCP, 1) + ask(*state, "203.0.113.10", IPPROTO_UDP, 1);
	assert_in_range(answered, HOST_REPLIES_MAX, HOST_REPLIES_MAX * ((clock_monotonic() - begun) / TICK + 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_resets_are_capped, begin, end),
		cmocka_unit_test_setup_teardown(test_icmp_is_capped, begin, end),
		cmocka_unit_test_setup_teardown(test_all_answers_are_capped_together, begin, end),
	};

	if (host_begin())
		return host_skip(sizeof(tests) / sizeof(tests[0]));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
