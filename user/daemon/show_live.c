// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "kernel/counters.h"
#include "kernel/flows.h"
#include "policy/policy.h"
#include "daemon/show.h"

/* ---- flows ---------------------------------------------------------------------------------------------------- */

static int add_flow(const struct flow_view *flow, void *context)
{
	static const char *const names[] = {[USHER_FLOW_HALF_OPEN] = "half-open",
					    [USHER_FLOW_LIVE] = "live",
					    [USHER_FLOW_CUT] = "cut",
					    [USHER_FLOW_QUIET] = "quiet"};
	struct question *question = context;
	const struct catalog *catalog = question->core->catalog;
	const char *service = catalog ? catalog->services[flow->value.service].name : NULL;
	const struct catalog_backend *backend =
		catalog && flow->value.backend < USHER_BACKENDS_MAX ? &catalog->backends[flow->value.backend] : NULL;
	const struct usher_address *nat =
		flow->value.nat_port_be ? publisher_nat_address(question->core->publisher, 0, flow->value.nat_index)
					: NULL;
	struct json *to = question->to;
	char text[ENDPOINT_TEXT];

	if (question->service && (!service || strcmp(service, question->service) != 0))
		return 0;
	json_object_begin(to, NULL);
	json_string(to, "client", endpoint_print(&flow->client, flow->client_port, text));
	json_string(to, "service_address", endpoint_print(&flow->service_address, flow->service_port, text));
	json_string(to, "protocol", flow->protocol == 6 ? "tcp" : "udp");
	json_string(to, "service", service);
	json_string(to, "tenant",
		    catalog && flow->value.tenant < USHER_TENANT_IDS ? catalog->tenants[flow->value.tenant] : NULL);
	json_string(to, "region",
		    catalog && flow->value.class_id < catalog->class_count
			    ? catalog->classes[flow->value.class_id].region
			    : NULL);
	json_string(to, "backend",
		    backend && backend->name && backend->incarnation == flow->value.incarnation ? backend->name : NULL);
	json_string(to, "status", names[flow->status]);
	json_string(to, "nat", nat ? endpoint_print(nat, __builtin_bswap16(flow->value.nat_port_be), text) : NULL);
	json_unsigned(to, "idle_seconds", flow->idle_seconds);
	json_unsigned(to, "epoch", flow->epoch);
	json_object_end(to);
	return --question->limit <= 0;
}

void show_flows(struct question *question)
{
	flows_each(question->core->program, add_flow, question);
}

/* ---- stats, generation ---------------------------------------------------------------------------------------- */

/* Of each CPU and ring that has given numbers. */
static void show_numbers(const struct question *question)
{
	static const char *const rings[USHER_RINGS] = {
		[USHER_RING_EVENTS] = "events", [USHER_RING_REQUIRED] = "required"};
	size_t count = counters_cpus() * USHER_RINGS;
	_cleanup_free_ struct journal_account *accounts = calloc(count, sizeof(*accounts));
	struct json *to = question->to;

	if (!accounts)
		abort();
	json_array_begin(to, "numbers");
	if (journal_accounts(question->core->journal, accounts, counters_cpus()))
		count = 0;
	for (size_t i = 0; i < count; i++) {
		if (!accounts[i].taken)
			continue;
		json_object_begin(to, NULL);
		json_unsigned(to, "cpu", i / USHER_RINGS);
		json_string(to, "ring", rings[i % USHER_RINGS]);
		json_unsigned(to, "taken", accounts[i].taken);
		json_unsigned(to, "stored", accounts[i].stored);
		json_unsigned(to, "lost", accounts[i].lost);
		json_unsigned(to, "waiting", accounts[i].waiting);
		json_object_end(to);
	}
	json_array_end(to);
}

void show_stats(struct question *question)
{
	const struct counters *counters = question->counters;
	const struct usher_counter *others =
		&counters->verdicts[USHER_SERVICE_NONE * USHER_REASON_MAX + USHER_REASON_NOT_FOR_SERVICE];
	struct usher_counter received = {0}, *verdicts = calloc(USHER_REASON_MAX, sizeof(*verdicts));
	const struct usher_flow_counter *flows = &counters->flows;
	struct journal_totals totals;
	struct json *to = question->to;
	uint64_t taken = 0, lost = 0;

	if (!verdicts)
		abort();
	for (size_t s = 0; s <= USHER_SERVICES_MAX; s++) {
		received.packets += counters->received[s].packets;
		received.bytes += counters->received[s].bytes;
		for (size_t r = 0; r < USHER_REASON_MAX; r++) {
			verdicts[r].packets += counters->verdicts[s * USHER_REASON_MAX + r].packets;
			verdicts[r].bytes += counters->verdicts[s * USHER_REASON_MAX + r].bytes;
		}
	}
	received.packets -= others->packets;
	received.bytes -= others->bytes;
	verdicts[USHER_REASON_NOT_FOR_SERVICE].packets -= others->packets;
	for (size_t r = 0; r < USHER_RINGS; r++) {
		taken += counters->sequences[r].taken;
		lost += counters->sequences[r].lost;
	}
	journal_totals(question->core->journal, &totals);
	show_counter(to, "received", &received);
	show_counter(to, "not_for_service", others);
	show_verdicts(to, verdicts);
	json_object_begin(to, "flows");
	json_unsigned(to, "alive", flows->inserted - flows->expired - flows->evicted - flows->deleted);
	json_unsigned(to, "lines", question->core->program->boot.flow_lines);
	json_unsigned(to, "inserted", flows->inserted);
	json_unsigned(to, "expired", flows->expired);
	json_unsigned(to, "evicted", flows->evicted);
	json_unsigned(to, "replaced", flows->replaced);
	json_unsigned(to, "deleted", flows->deleted);
	json_unsigned(to, "replies", flows->replies);
	json_unsigned(to, "replies_suppressed", flows->replies_suppressed);
	json_object_end(to);
	json_object_begin(to, "audit");
	json_unsigned(to, "taken", taken);
	json_unsigned(to, "lost", lost);
	json_unsigned(to, "written", totals.written);
	json_unsigned(to, "gaps", totals.gaps);
	json_unsigned(to, "waiting", journal_waiting(question->core->journal));
	json_unsigned(to, "write_errors", totals.write_errors);
	json_unsigned(to, "compressed", totals.compressed);
	json_unsigned(to, "deleted", totals.deleted);
	json_unsigned(to, "segment_errors", totals.keeper_errors);
	json_unsigned(to, "witnessed", totals.witnessed);
	json_unsigned(to, "witness_errors", totals.witness_errors);
	json_unsigned(to, "segments_lost", totals.segments_lost);
	json_unsigned(to, "waiting_bytes", totals.waiting_bytes);
	json_unsigned(to, "unsynced_bytes", totals.unsynced);
	json_unsigned(to, "unsynced_max", totals.unsynced_max);
	json_unsigned(to, "behind_ms", (uint64_t)(totals.behind / CLOCK_MILLISECOND));
	json_string(to, "error", totals.error ? strerror(-totals.error) : NULL);
	json_string(to, "segment_error", totals.keeper_error ? strerror(-totals.keeper_error) : NULL);
	json_string(to, "witness_error", totals.witness_error ? strerror(-totals.witness_error) : NULL);
	json_unsigned(to, "disk_free", totals.disk_free);
	json_unsigned(to, "disk_size", totals.disk_size);
	show_numbers(question);
	json_object_end(to);
	free(verdicts);
}

void show_generation(struct question *question)
{
	const struct core *core = question->core;
	const struct usher_generation *active = publisher_active(core->publisher);
	int64_t next = core->effective ? core->effective->next_change : INT64_MAX;
	struct json *to = question->to;
	char text[CLOCK_TEXT];

	json_unsigned(to, "generation", active->number);
	json_unsigned(to, "epoch", active->epoch);
	json_string(to, "digest", core->policy ? core->policy->digest : NULL);
	json_string(to, "name", core->policy ? core->policy->name : NULL);
	json_unsigned(to, "revision", core->policy ? core->policy->revision : 0);
	json_string(to, "published", core->published ? clock_print(core->published, text) : NULL);
	json_unsigned(to, "slot", publisher_slot(core->publisher));
	json_boolean(to, "closed", core->closed);
	json_object_begin(to, "used");
	json_unsigned(to, "services", core->used.services);
	json_unsigned(to, "tenants", core->used.tenants);
	json_unsigned(to, "classes", core->used.classes);
	json_unsigned(to, "routes", core->used.routes);
	json_unsigned(to, "arms", core->used.arms);
	json_unsigned(to, "sets", core->used.sets);
	json_unsigned(to, "ring_slots", core->used.ring_slots);
	json_unsigned(to, "backends", core->used.backends);
	json_unsigned(to, "source4_keys", core->used.source4_keys);
	json_unsigned(to, "source6_keys", core->used.source6_keys);
	json_object_end(to);
	json_string(to, "next_change", next == INT64_MAX ? NULL : clock_print(next * CLOCK_SECOND, text));
}
