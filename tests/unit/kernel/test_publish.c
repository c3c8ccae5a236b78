/* SPDX-License-Identifier: GPL-2.0-only */
/* A policy in force: what packets meet, what is counted, what is asked, and what becomes of flows. */
#include "host.h"

#include "base/clock.h"
#include "kernel/counters.h"
#include "kernel/events.h"
#include "kernel/explain.h"
#include "kernel/flows.h"

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

static uint64_t verdicts_of(const struct counters *counters, enum usher_reason reason)
{
	uint64_t packets = 0;

	for (size_t s = 0; s <= USHER_SERVICES_MAX; s++)
		packets += counters->verdicts[s * USHER_REASON_MAX + reason].packets;
	return packets;
}

static struct counters *counted(void)
{
	struct counters *counters = malloc(sizeof(*counters));

	assert_non_null(counters);
	assert_int_equal(counters_read(host.program, counters), 0);
	return counters;
}

static void test_generations_take_turns(void **state)
{
	uint32_t slot;

	(void)state;
	assert_int_equal(publisher_active(host.publisher)->number, 0);
	catalog_free(host_publish(&host, HOST_POLICY));
	slot = publisher_slot(host.publisher);
	assert_int_equal(publisher_active(host.publisher)->number, 1);
	for (uint64_t number = 2; number < 6; number++) {
		catalog_free(host_publish(&host, number % 2 ? HOST_POLICY : HOST_POLICY_CUT));
		assert_int_equal(publisher_active(host.publisher)->number, number);
		assert_int_equal(publisher_slot(host.publisher), slot ^ (number % 2 == 0));
	}
}

static void test_what_does_not_fit_changes_nothing(void **state)
{
	struct tables tables = {.class_count = USHER_CLASSES_MAX + 1};
	uint32_t slot;

	(void)state;
	catalog_free(host_publish(&host, HOST_POLICY));
	slot = publisher_slot(host.publisher);
	assert_int_equal(publish(host.publisher, &tables), -E2BIG);
	assert_int_equal(publisher_slot(host.publisher), slot);
	assert_int_equal(publisher_active(host.publisher)->number, 1);
}

static void test_who_a_number_was(void **state)
{
	struct usher_address nat;
	const struct usher_address *found;
	uint16_t id = USHER_BACKENDS_MAX, incarnation;

	(void)state;
	address_parse("10.0.0.2", &nat);
	catalog_free(host_publish(&host, HOST_POLICY));
	for (uint16_t b = 0; b < USHER_BACKENDS_MAX; b++)
		if (publisher_backends(host.publisher, publisher_slot(host.publisher))[b].port_be)
			id = b;
	assert_int_not_equal(id, USHER_BACKENDS_MAX);
	incarnation = publisher_backends(host.publisher, publisher_slot(host.publisher))[id].incarnation;
	assert_int_equal(ntohs(publisher_backend(host.publisher, id, incarnation)->port_be), 8000);
	assert_null(publisher_backend(host.publisher, id, (uint16_t)(incarnation + 1)));
	assert_null(publisher_backend(host.publisher, USHER_NONE, incarnation));
	found = publisher_nat_address(host.publisher, 1, 0);
	assert_true(found && address_equal(found, &nat));
	assert_true(publisher_nat_address(host.publisher, 0, 0) == found);
	assert_null(publisher_nat_address(host.publisher, 1, 7));
	assert_null(publisher_nat_address(host.publisher, 1, 0xff));
	/* Of a generation that is in neither slot any more nobody knows it here. */
	catalog_free(host_publish(&host, HOST_POLICY));
	catalog_free(host_publish(&host, HOST_POLICY));
	assert_null(publisher_nat_address(host.publisher, 1, 0));
	assert_non_null(publisher_nat_address(host.publisher, 2, 0));
	assert_non_null(publisher_nat_address(host.publisher, 3, 0));
}

static void test_packets_are_decided_and_counted(void **state)
{
	struct host_packet allowed = host_syn("203.0.113.10", 40000), stranger = host_syn("198.18.0.10", 40000);
	struct host_packet elsewhere = host_syn("203.0.113.10", 40000), dropped = host_dropped("198.18.0.10");
	struct counters *counters;
	uint8_t frame[256];

	(void)state;
	assert_int_equal(host_send(&host, &allowed), XDP_PASS); /* no policy yet: not ours */
	catalog_free(host_publish(&host, HOST_POLICY));
	assert_int_equal(host_send_many(&host, &allowed, 1, frame), XDP_TX);
	assert_memory_equal(frame, host_backend_mac, 6);
	assert_int_equal(host_send_many(&host, &stranger, 1, frame), XDP_TX);
	assert_memory_equal(frame, host_client_mac, 6);
	assert_true(frame[14 + 20 + 13] & FRAME_TCP_RESET);
	elsewhere.destination = "198.51.100.200";
	assert_int_equal(host_send(&host, &elsewhere), XDP_PASS);
	assert_int_equal(host_send_many(&host, &dropped, 10, NULL), XDP_DROP);

	counters = counted();
	assert_int_equal(verdicts_of(counters, USHER_REASON_ADMITTED), 1);
	assert_int_equal(verdicts_of(counters, USHER_REASON_NO_ALLOW_RULE), 1);
	assert_int_equal(verdicts_of(counters, USHER_REASON_DENY_RULE), 10);
	assert_int_equal(verdicts_of(counters, USHER_REASON_NOT_FOR_SERVICE), 2);
	for (size_t s = 0; s <= USHER_SERVICES_MAX; s++) {
		uint64_t packets = 0, bytes = 0;

		for (size_t r = 0; r < USHER_REASON_MAX; r++) {
			packets += counters->verdicts[s * USHER_REASON_MAX + r].packets;
			bytes += counters->verdicts[s * USHER_REASON_MAX + r].bytes;
		}
		assert_int_equal(packets, counters->received[s].packets);
		assert_int_equal(bytes, counters->received[s].bytes);
	}
	assert_int_equal(counters->flows.inserted, 1);
	assert_int_equal(counters->sequences[USHER_RING_EVENTS].taken, 12);
	assert_int_equal(counters->sequences[USHER_RING_EVENTS].lost, 0);
	free(counters);
}

static void test_counters_of_a_number_begin_anew(void **state)
{
	struct host_packet dropped = host_dropped("198.18.0.10");
	struct counters *counters;

	(void)state;
	catalog_free(host_publish(&host, HOST_POLICY));
	host_send_many(&host, &dropped, 5, NULL);
	for (uint16_t service = 0; service < 4; service++)
		assert_int_equal(counters_reset_service(host.program, service), 0);
	assert_int_equal(counters_reset_backend(host.program, 0), 0);
	counters = counted();
	assert_int_equal(verdicts_of(counters, USHER_REASON_DENY_RULE), 0);
	free(counters);
}

static int take_flow(const struct flow_view *flow, void *context)
{
	struct flow_view *to = context;

	*to = *flow;
	return 1;
}

static void test_flows_are_seen_in_the_table(void **state)
{
	struct host_packet syn = host_syn("203.0.113.10", 40000);
	static struct usher_tenant_state states[USHER_TENANT_IDS];
	int64_t sum = 0;
	uint16_t incarnations[USHER_BACKENDS_MAX] = {0};
	struct usher_address address;
	struct flow_view flow = {0};

	(void)state;
	catalog_free(host_publish(&host, HOST_POLICY));
	assert_int_equal(flows_each(host.program, take_flow, &flow), 0);
	host_send(&host, &syn);
	assert_int_equal(flows_each(host.program, take_flow, &flow), 1);
	address_parse("203.0.113.10", &address);
	assert_true(address_equal(&flow.client, &address));
	assert_int_equal(flow.client_port, 40000);
	assert_int_equal(flow.service_port, 443);
	assert_int_equal(flow.protocol, IPPROTO_TCP);
	assert_int_equal(flow.status, USHER_FLOW_HALF_OPEN);
	assert_int_equal(flow.epoch, host.epoch);
	assert_true(flow.idle_seconds <= 2);
	assert_int_not_equal(flow.value.nat_port_be, 0);
	assert_int_equal(flows_tenants(host.program, states), 0);
	for (size_t t = 0; t < USHER_TENANT_IDS; t++)
		sum += states[t].half_open;
	assert_int_equal(sum, 1);
	assert_int_equal(flows_incarnations(host.program, incarnations), 0);
	assert_int_equal(incarnations[flow.value.backend], flow.value.incarnation);
}

static void test_asking_leaves_no_trace(void **state)
{
	struct explain_question question = {.client_port = 40000, .service_port = 443, .protocol = IPPROTO_TCP};
	struct usher_explanation explanation;
	struct counters *before, *after;

	(void)state;
	catalog_free(host_publish(&host, HOST_POLICY));
	address_parse("203.0.113.10", &question.client);
	address_parse("198.51.100.10", &question.service);
	before = counted();
	assert_int_equal(explain(host.program, &question, &explanation), 0);
	assert_int_equal(explanation.reason, USHER_REASON_ADMITTED);
	assert_int_equal(explanation.generation, 1);
	assert_int_not_equal(explanation.backend, USHER_NONE);
	address_parse("198.18.0.10", &question.client);
	assert_int_equal(explain(host.program, &question, &explanation), 0);
	assert_int_equal(explanation.reason, USHER_REASON_NO_ALLOW_RULE);
	assert_int_equal(explanation.backend, USHER_NONE);
	address_parse("2001:db8::1", &question.client);
	assert_int_equal(explain(host.program, &question, &explanation), -EAFNOSUPPORT);
	after = counted();
	assert_memory_equal(before, after, sizeof(*before));
	free(before);
	free(after);
}

static void test_past_the_deadline_nothing_new(void **state)
{
	struct host_packet syn = host_syn("203.0.113.10", 40000);
	const char *policy = HOST_POLICY_WITH(HOST_ALLOW);
	char text[4096];

	(void)state;
	snprintf(text, sizeof(text), "%.*s, \"controller_loss\": {\"after\": \"30s\", \"then\": \"deny-new\"}}",
		 (int)strlen(policy) - 1, policy);
	catalog_free(host_publish(&host, text));
	publisher_deadline(host.publisher, (uint64_t)(clock_monotonic() + 30 * CLOCK_SECOND));
	assert_int_equal(host_send(&host, &syn), XDP_TX);
	publisher_deadline(host.publisher, (uint64_t)(clock_monotonic() - CLOCK_SECOND));
	syn.source_port++;
	host_send(&host, &syn);
	struct counters *counters = counted();

	assert_int_equal(verdicts_of(counters, USHER_REASON_ADMITTED), 1);
	assert_int_equal(verdicts_of(counters, USHER_REASON_CONTROLLER_LOST), 1);
	free(counters);
	publisher_deadline(host.publisher, (uint64_t)(clock_monotonic() + 30 * CLOCK_SECOND));
	syn.source_port++;
	assert_int_equal(host_send(&host, &syn), XDP_TX);
	counters = counted();
	assert_int_equal(verdicts_of(counters, USHER_REASON_ADMITTED), 2);
	free(counters);
}

static void test_events_stay_until_they_are_released(void **state)
{
	struct host_packet dropped = host_dropped("198.18.0.10"), strict = host_dropped("192.0.2.10");
	const struct usher_event *event;
	struct events *events;

	(void)state;
	catalog_free(host_publish(&host, HOST_POLICY));
	assert_int_equal(events_open(host.program, &events), 0);
	assert_null(events_next(events, USHER_RING_EVENTS));
	host_send_many(&host, &dropped, 3, NULL);
	host_send_many(&host, &strict, 1, NULL);
	for (int round = 0; round < 2; round++) {
		for (uint64_t i = 0; i < 3; i++) {
			event = events_next(events, USHER_RING_EVENTS);
			assert_non_null(event);
			assert_int_equal(event->sequence, i);
			assert_int_equal(event->reason, USHER_REASON_DENY_RULE);
			assert_int_equal(event->generation, 1);
		}
		assert_null(events_next(events, USHER_RING_EVENTS));
		assert_non_null(events_next(events, USHER_RING_REQUIRED)); /* a ring to themselves */
		events_rewind(events);
	}
	assert_int_equal(events_waiting(events), 4);
	while (events_next(events, USHER_RING_EVENTS))
		;
	events_release(events);
	assert_int_equal(events_waiting(events), 1);
	events_close(events);
	assert_int_equal(events_open(host.program, &events), 0); /* the next daemon finds what this one left */
	assert_null(events_next(events, USHER_RING_EVENTS));
	assert_non_null(events_next(events, USHER_RING_REQUIRED));
	events_close(events);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_generations_take_turns, begin, end),
		cmocka_unit_test_setup_teardown(test_what_does_not_fit_changes_nothing, begin, end),
		cmocka_unit_test_setup_teardown(test_who_a_number_was, begin, end),
		cmocka_unit_test_setup_teardown(test_packets_are_decided_and_counted, begin, end),
		cmocka_unit_test_setup_teardown(test_counters_of_a_number_begin_anew, begin, end),
		cmocka_unit_test_setup_teardown(test_flows_are_seen_in_the_table, begin, end),
		cmocka_unit_test_setup_teardown(test_asking_leaves_no_trace, begin, end),
		cmocka_unit_test_setup_teardown(test_past_the_deadline_nothing_new, begin, end),
		cmocka_unit_test_setup_teardown(test_events_stay_until_they_are_released, begin, end),
	};

	if (host_begin())
		return host_skip(sizeof(tests) / sizeof(tests[0]));
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
