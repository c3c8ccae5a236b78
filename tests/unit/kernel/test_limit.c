/* SPDX-License-Identifier: GPL-2.0-only */
/* How fast a tenant may open flows: the burst, what comes after it, and that others do not notice. */
#include "host.h"

#include "kernel/flows.h"

#define POLICY(limits)                                                                                                 \
	"{\"apiVersion\": \"usher/v1\","                                                                               \
	"\"tenants\": {\"acme\": {\"sources\": [{\"prefix\": \"203.0.113.0/24\", \"region\": \"DE\"}]" limits "},"     \
	"  \"labs\": {\"sources\": [{\"prefix\": \"192.0.2.0/24\", \"region\": \"US\"}]}},"                            \
	"\"models\": {\"m\": {\"versions\": {\"1\": {\"stage\": \"production\"}}}},"                                   \
	"\"backends\": {\"b1\": {\"address\": \"10.1.0.11:8000\", \"serves\": \"m@1\", \"region\": \"DE\"}},"          \
	"\"services\": {\"s\": {\"address\": \"198.51.100.10:443\", \"protocol\": \"tcp\", \"model\": \"m\"}},"        \
	"\"rules\": [{\"id\": \"ok\", \"allow\": true}], \"nat\": {\"addresses\": [\"10.0.0.2\"]}}"

#define BURST 5
#define FLOOD 1000000
#define FLOOD_PORTS 1000 /* each second one of them becomes a flow, which its other packets then belong to */

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

static void test_beyond_the_burst_new_flows_are_refused(void **state)
{
	struct host host;
	struct host_packet packet;
	unsigned int passed = 0;

	(void)state;
	host_open(&host);
	catalog_free(host_publish(&host, POLICY(", \"limits\": {\"new_flows_per_second\": 1, \"burst\": 5}")));
	for (uint16_t n = 0; n < 100; n++) {
		packet = host_syn("203.0.113.10", (uint16_t)(2000 + n));
		passed += host_send(&host, &packet) == XDP_TX;
	}
	/* One more for each second that this took. */
	assert_in_range(passed, BURST, 50);
	assert_int_equal(refused(&host), 100 - passed);
	/* Emptied to the last, the bucket stays so under a flood; the open flow and the other tenant go on. */
	for (uint16_t n = 0; n < FLOOD_PORTS; n++) {
		packet = host_syn("203.0.113.10", (uint16_t)(10000 + n));
		host_send_many(&host, &packet, FLOOD / FLOOD_PORTS, NULL);
	}
	assert_true(refused(&host) > FLOOD / 2);
	packet = host_syn("203.0.113.10", 2000);
	assert_int_equal(host_send(&host, &packet), XDP_TX);
	packet = host_syn("192.0.2.10", 2000);
	assert_int_equal(host_send(&host, &packet), XDP_TX);
	/* No limit any more. */
	catalog_free(host_publish(&host, POLICY("")));
	packet = host_syn("203.0.113.10", 9500);
	assert_int_equal(host_send(&host, &packet), XDP_TX);
	host_close(&host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_beyond_the_burst_new_flows_are_refused)};

	if (host_begin())
		return host_skip(sizeof(tests) / sizeof(tests[0]));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
