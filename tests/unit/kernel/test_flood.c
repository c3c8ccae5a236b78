/* SPDX-License-Identifier: GPL-2.0-only */
/* What is too much to be recorded one by one: when it is counted instead, when the count is on record, and that none gets lost. */
#define HOST_RECORDS_MAX 10
#include "host.h"

#include "base/cleanup.h"
#include "kernel/counters.h"
#include "kernel/events.h"

#define OWN_RECORDS 10	  /* of new flows in a tick */
#define OWN_REFUSED 2	  /* of refusals */
#define TICK_US (1 << 20) /* a little less than a tick */
#define TENANTS 140
#define SERVICES 128
#define FLOOD_ROOM 16384 /* USHER_FLOODS_MAX */

struct sum {
	uint64_t alone, together, records; /* decisions by records of their own, in others, and how many of these */
	uint64_t without_tenant;
};

/* Adds what is in the rings. */
static void read_rings(struct events *events, uint8_t reason, struct sum *sum)
{
	for (int ring = 0; ring < USHER_RINGS; ring++) {
		const struct usher_event *event;

		while ((event = events_next(events, (enum usher_ring)ring))) {
			assert_true(event->aggregated || event->count == 1);
			if (event->reason != reason)
				continue;
			if (!event->aggregated) {
				sum->alone++;
				continue;
			}
			assert_int_equal(event->backend, USHER_NONE);
			assert_int_equal(event->flow_tag, 0);
			sum->together += event->count;
			sum->records++;
			if (event->tenant == USHER_NONE)
				sum->without_tenant += event->count;
		}
	}
	events_release(events);
}

/* Until `wanted` decisions are on record, or far too much time has passed. */
static struct sum read_until(const struct host *host, uint8_t reason, uint64_t wanted)
{
	struct sum sum = {0};
	struct events *events;

	assert_int_equal(events_open(host->program, &events), 0);
	for (int i = 0; i < 100 && sum.alone + sum.together < wanted; i++) {
		read_rings(events, reason, &sum);
		usleep(100000);
	}
	usleep(TICK_US); /* what would be too much would come now */
	read_rings(events, reason, &sum);
	events_close(events);
	return sum;
}

static uint64_t lost(const struct host *host)
{
	struct counters *counters = malloc(sizeof(*counters));
	uint64_t sum;

	assert_non_null(counters);
	assert_int_equal(counters_read(host->program, counters), 0);
	sum = counters->sequences[USHER_RING_EVENTS].lost + counters->sequences[USHER_RING_REQUIRED].lost;
	free(counters);
	return sum;
}

static void test_beyond_the_budget_refusals_are_recorded_together(void **state)
{
	struct host_packet stranger = host_dropped("198.18.0.10");
	struct host host;
	struct sum sum;

	(void)state;
	host_open(&host);
	catalog_free(host_publish(&host, HOST_POLICY));
	host_send_many(&host, &stranger, 5000, NULL);
	sum = read_until(&host, USHER_REASON_DENY_RULE, 5000);
	assert_int_equal(sum.alone + sum.together, 5000);
	assert_in_range(sum.alone, OWN_REFUSED, 3 * OWN_REFUSED); /* that may have taken until the next tick */
	assert_in_range(sum.records, 1, 3);
	assert_int_equal(lost(&host), 0);
	host_close(&host);
}

/* New flows have another budget than refusals have, and each tenant its own; a required audit lets none pass beyond it. */
static void test_each_tenant_and_kind_has_a_budget_of_its_own(void **state)
{
	unsigned int acme = 0, strict = 0;
	struct host host;
	struct sum sum;

	(void)state;
	host_open(&host);
	catalog_free(host_publish(&host, HOST_POLICY));
	for (uint16_t n = 0; n < 100; n++) {
		struct host_packet packet = host_syn("203.0.113.10", (uint16_t)(2000 + n));
		struct host_packet required = host_syn("192.0.2.10", (uint16_t)(2000 + n));
		struct host_packet stranger = host_dropped("198.18.0.10");

		host_send(&host, &stranger);
		acme += host_send(&host, &packet) == XDP_TX;
		strict += host_send(&host, &required) == XDP_TX;
	}
	assert_int_equal(acme, 100);
	assert_in_range(strict, OWN_RECORDS, 2 * OWN_RECORDS);
	sum = read_until(&host, USHER_REASON_ADMITTED, acme + strict);
	assert_int_equal(sum.alone + sum.together, acme + strict);
	assert_in_range(sum.alone, 2 * OWN_RECORDS, 4 * OWN_RECORDS);
	assert_int_equal(sum.alone - strict + sum.together, acme); /* all of the other one's are records of their own */
	host_close(&host);
}

static void test_what_is_refused_for_want_of_a_record_is_counted(void **state)
{
	unsigned int passed = 0;
	struct host host;
	struct sum sum;

	(void)state;
	host_open(&host);
	catalog_free(host_publish(&host, HOST_POLICY));
	for (uint16_t n = 0; n < 100; n++) {
		struct host_packet required = host_syn("192.0.2.10", (uint16_t)(2000 + n));

		passed += host_send(&host, &required) == XDP_TX;
	}
	sum = read_until(&host, USHER_REASON_AUDIT_BUDGET, 100 - passed);
	assert_int_equal(sum.alone, 0);
	assert_int_equal(sum.together, 100 - passed);
	host_close(&host);
}

static char *crowded_policy(void)
{
	char *text = NULL;
	size_t length;
	FILE *to = open_memstream(&text, &length);

	assert_non_null(to);
	fputs("{\"apiVersion\": \"usher/v1\", \"tenants\": {", to);
	for (int t = 0; t < TENANTS; t++)
		fprintf(to, "%s\"t%d\": {\"sources\": [{\"prefix\": \"20.%d.0.0/16\", \"region\": \"DE\"}]}",
			t ? ", " : "", t, t);
	fputs("}, \"models\": {\"m\": {\"versions\": {\"1\": {\"stage\": \"production\"}}}}, \"backends\": {\"b1\": "
	      "{\"address\": \"10.1.0.11:8000\", \"serves\": \"m@1\", \"region\": \"DE\"}}, \"services\": {",
	      to);
	for (int s = 0; s < SERVICES; s++)
		fprintf(to, "%s\"s%d\": {\"address\": \"198.51.100.%d:443\", \"protocol\": \"tcp\", \"model\": \"m\"}",
			s ? ", " : "", s, s + 1);
	fputs("}, \"rules\": [{\"id\": \"no\", \"deny\": true, \"answer\": \"drop\"}], "
	      "\"nat\": {\"addresses\": [\"10.0.0.2\"]}}",
	      to);
	assert_int_equal(fclose(to), 0);
	return text;
}

/* More clients and services than are told apart: what finds no room is counted by its reason. */
static void test_a_full_table_of_floods_loses_no_count(void **state)
{
	_cleanup_free_ char *policy = crowded_policy();
	struct host host;
	struct sum sum;

	(void)state;
	host_open(&host);
	catalog_free(host_publish(&host, policy));
	for (int s = 0; s < SERVICES; s++)
		for (int t = 0; t < TENANTS; t++) {
			char client[32], service[32];
			struct host_packet packet = host_syn(client, 1000);

			snprintf(client, sizeof(client), "20.%d.0.1", t);
			snprintf(service, sizeof(service), "198.51.100.%d", s + 1);
			packet.destination = service;
			host_send(&host, &packet);
		}
	sum = read_until(&host, USHER_REASON_DENY_RULE, SERVICES * TENANTS);
	assert_int_equal(sum.alone + sum.together, SERVICES * TENANTS);
	assert_true(sum.alone < SERVICES * TENANTS - FLOOD_ROOM);
	assert_true(sum.records <= FLOOD_ROOM + 1);
	printf("# %llu on record alone, %llu with others in %llu records, of these %llu by their reason alone\n",
	       (unsigned long long)sum.alone, (unsigned long long)sum.together, (unsigned long long)sum.records,
	       (unsigned long long)sum.without_tenant);
	assert_int_equal(lost(&host), 0);
	host_close(&host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_beyond_the_budget_refusals_are_recorded_together),
		cmocka_unit_test(test_each_tenant_and_kind_has_a_budget_of_its_own),
		cmocka_unit_test(test_what_is_refused_for_want_of_a_record_is_counted),
		cmocka_unit_test(test_a_full_table_of_floods_loses_no_count),
	};

	if (host_begin())
		return host_skip(sizeof(tests) / sizeof(tests[0]));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
