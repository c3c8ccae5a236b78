// SPDX-License-Identifier: GPL-2.0-only
#include "edge/promtext.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/array.h"
#include "edge/promsets.h"
#include "edge/promshipping.h"
#include "govern/facts.h"
#include "govern/rollout.h"
#include "kernel/latency.h"

#define REASON(number, name, verdict, label, text) [number] = {label, USHER_VERDICT_##verdict},
static const struct {
	const char *label;
	uint8_t verdict;
} reasons[USHER_REASON_MAX] = {USHER_REASONS(REASON)};
#undef REASON

#define VERDICT(number, name, label, text) [number] = label,
static const char *const verdicts[] = {USHER_VERDICTS(VERDICT)};
#undef VERDICT

void promtext_line(struct json *to, const char *format, ...)
{
	char text[1024];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	json_raw(to, text, length < (int)sizeof(text) ? (size_t)length : sizeof(text) - 1);
	json_raw(to, "\n", 1);
}

void promtext_family(struct json *to, const char *name, const char *type, const char *help)
{
	promtext_line(to, "# HELP %s %s", name, help);
	promtext_line(to, "# TYPE %s %s", name, type);
}

static void single(struct json *to, const char *name, const char *type, const char *help, uint64_t value)
{
	promtext_family(to, name, type, help);
	promtext_line(to, "%s %llu", name, (unsigned long long)value);
}

/* Names are [a-z0-9._-], so no label needs to be escaped. */
static const char *service_name(const struct edge_page *page, size_t service)
{
	return service == USHER_SERVICE_NONE ? "" : page->services[service];
}

static bool has_service(const struct edge_page *page, size_t service)
{
	return service == USHER_SERVICE_NONE || page->services[service][0];
}

static void print_received(struct json *to, const struct edge_page *page)
{
	promtext_family(to, "usher_received_packets_total", "counter",
			"Packets that came in; service \"\" is the host's own.");
	for (size_t s = 0; s <= USHER_SERVICES_MAX; s++)
		if (has_service(page, s))
			promtext_line(to, "usher_received_packets_total{service=\"%s\"} %llu", service_name(page, s),
				      (unsigned long long)page->counters.received[s].packets);
	promtext_family(to, "usher_received_bytes_total", "counter", "Their bytes, Ethernet header included.");
	for (size_t s = 0; s <= USHER_SERVICES_MAX; s++)
		if (has_service(page, s))
			promtext_line(to, "usher_received_bytes_total{service=\"%s\"} %llu", service_name(page, s),
				      (unsigned long long)page->counters.received[s].bytes);
}

static void print_verdicts(struct json *to, const struct edge_page *page)
{
	promtext_family(to, "usher_verdict_packets_total", "counter", "Packets by what became of them, and why.");
	for (size_t s = 0; s <= USHER_SERVICES_MAX; s++) {
		for (size_t r = 0; r < USHER_REASON_MAX && has_service(page, s); r++) {
			const struct usher_counter *counter = &page->counters.verdicts[s * USHER_REASON_MAX + r];

			if (reasons[r].label && counter->packets)
				promtext_line(
					to,
					"usher_verdict_packets_total{service=\"%s\",verdict=\"%s\",reason=\"%s\"} %llu",
					service_name(page, s), verdicts[reasons[r].verdict], reasons[r].label,
					(unsigned long long)counter->packets);
		}
	}
}

static const char *const rings[USHER_RINGS] = {[USHER_RING_EVENTS] = "events", [USHER_RING_REQUIRED] = "required"};

/* CPUs that have given none are left out. */
static void print_numbers(struct json *to, const struct edge_page *page, enum edge_numbers which, const char *name,
			  const char *help)
{
	promtext_family(to, name, "counter", help);
	for (uint64_t cpu = 0; cpu < page->audit_cpus && cpu < EDGE_CPUS_MAX; cpu++)
		for (size_t ring = 0; ring < USHER_RINGS; ring++)
			if (page->audit_numbers[cpu][ring][EDGE_TAKEN])
				promtext_line(to, "%s{ring=\"%s\",cpu=\"%llu\"} %llu", name, rings[ring],
					      (unsigned long long)cpu,
					      (unsigned long long)page->audit_numbers[cpu][ring][which]);
}

static void print_audit(struct json *to, const struct edge_page *page)
{
	print_numbers(to, page, EDGE_TAKEN, "usher_audit_taken_total",
		      "Numbers given to records since the program was loaded: each is stored, lost, or waits.");
	print_numbers(to, page, EDGE_STORED, "usher_audit_stored_total", "Numbers with a record in the log.");
	print_numbers(to, page, EDGE_LOST, "usher_audit_lost_total", "Numbers in gap records.");
	promtext_family(to, "usher_audit_refused_total", "counter", "Decisions that found no room in their ring.");
	for (size_t i = 0; i < USHER_RINGS; i++)
		promtext_line(to, "usher_audit_refused_total{ring=\"%s\"} %llu", rings[i],
			      (unsigned long long)page->counters.sequences[i].lost);
	single(to, "usher_audit_records_total", "counter", "Records written.", page->audit_written);
	single(to, "usher_audit_gaps_total", "counter", "Gap records written.", page->audit_gaps);
	single(to, "usher_audit_write_errors_total", "counter", "Writes to the log that failed.", page->audit_errors);
	single(to, "usher_audit_segment_errors_total", "counter",
	       "Closed files of the log that could not be compressed or deleted.", page->audit_segment_errors);
	single(to, "usher_audit_witness_errors_total", "counter",
	       "Signatures that could not be written to the witness's file.", page->audit_witness_errors);
	single(to, "usher_audit_segments_lost_total", "counter",
	       "Files of the log that were deleted, or lost to a disk that failed, while they were written to.",
	       page->audit_segments_lost);
	single(to, "usher_audit_waiting_bytes", "gauge", "Records and decisions that are not in the log yet.",
	       page->audit_waiting_bytes);
	single(to, "usher_audit_behind_seconds", "gauge",
	       "How long a record waits for the log, or for the disk, or did so in the last minute.",
	       page->audit_behind_ms / 1000);
	single(to, "usher_audit_unsynced_bytes", "gauge", "Bytes of the log that are not on the disk yet.",
	       page->audit_unsynced_bytes);
	if (!page->audit_disk_size)
		return;
	single(to, "usher_audit_disk_free_bytes", "gauge", "Room on the disk of the log.", page->audit_disk_free);
	single(to, "usher_audit_disk_size_bytes", "gauge", "Size of that disk.", page->audit_disk_size);
}

static void print_tenants(struct json *to, const struct edge_page *page)
{
	const struct usher_tenant_state *state = page->tenant_states;

	promtext_family(to, "usher_tenant_active_flows", "gauge",
			"Flows that count as active, those half open among them.");
	for (size_t t = 0; t < USHER_TENANT_IDS; t++)
		if (page->tenants[t][0])
			promtext_line(to, "usher_tenant_active_flows{tenant=\"%s\"} %lld", page->tenants[t],
				      (long long)(state[t].half_open + state[t].live));
	promtext_family(to, "usher_tenant_half_open_flows", "gauge", "Flows whose handshake is not proven.");
	for (size_t t = 0; t < USHER_TENANT_IDS; t++)
		if (page->tenants[t][0])
			promtext_line(to, "usher_tenant_half_open_flows{tenant=\"%s\"} %lld", page->tenants[t],
				      (long long)state[t].half_open);
	promtext_family(to, "usher_tenant_refused_packets_total", "counter", "Packets beyond a limit of their tenant.");
	for (size_t t = 0; t < USHER_TENANT_IDS; t++) {
		const struct {
			const char *limit;
			uint64_t packets;
		} refused[] = {{"new_flows_per_second", state[t].new_flows_refused},
			       {"active_flows", state[t].active_flows_refused},
			       {"bits_per_second", state[t].packets_refused}};

		for (size_t l = 0; l < ARRAY_COUNT(refused) && page->tenants[t][0]; l++)
			if (refused[l].packets)
				promtext_line(to, "usher_tenant_refused_packets_total{tenant=\"%s\",limit=\"%s\"} %llu",
					      page->tenants[t], refused[l].limit,
					      (unsigned long long)refused[l].packets);
	}
}

static void print_backends(struct json *to, const struct edge_page *page)
{
	static const struct {
		const char *name, *help;
	} counters[] = {
		{"usher_backend_flows_total", "Flows admitted to the backend."},
		{"usher_backend_sent_packets_total", "Packets sent to the backend."},
		{"usher_backend_sent_bytes_total", "Bytes sent to the backend."},
		{"usher_backend_received_packets_total", "Packets from the backend; none in direct return."},
		{"usher_backend_received_bytes_total", "Bytes from the backend; none in direct return."},
	};

	for (size_t c = 0; c < ARRAY_COUNT(counters); c++) {
		promtext_family(to, counters[c].name, "counter", counters[c].help);
		for (size_t b = 0; b < USHER_BACKENDS_MAX; b++) {
			const struct usher_backend_counter *counter = &page->counters.backends[b];
			const uint64_t values[] = {counter->flows, counter->packets_to, counter->bytes_to,
						   counter->packets_from, counter->bytes_from};

			if (page->backends[b].name[0])
				promtext_line(to, "%s{backend=\"%s\"} %llu", counters[c].name, page->backends[b].name,
					      (unsigned long long)values[c]);
		}
	}
	promtext_family(to, "usher_backend_info", "gauge", "What a backend serves, and where.");
	for (size_t b = 0; b < USHER_BACKENDS_MAX; b++) {
		const struct edge_backend *backend = &page->backends[b];

		if (backend->name[0])
			promtext_line(to,
				      "usher_backend_info{backend=\"%s\",model=\"%s\",version=\"%s\",region=\"%s\"} 1",
				      backend->name, backend->model, backend->version, backend->region);
	}
	promtext_family(to, "usher_backend_up", "gauge", "Does its health check succeed? Not there if it has none.");
	for (size_t b = 0; b < USHER_BACKENDS_MAX; b++)
		if (page->backends[b].name[0] && page->backends[b].health != EDGE_UNCHECKED)
			promtext_line(to, "usher_backend_up{backend=\"%s\"} %d", page->backends[b].name,
				      page->backends[b].health == HEALTH_UP);
	promtext_family(to, "usher_backend_starts", "gauge", "May it be given new flows?");
	for (size_t b = 0; b < USHER_BACKENDS_MAX; b++)
		if (page->backends[b].name[0])
			promtext_line(to, "usher_backend_starts{backend=\"%s\"} %u", page->backends[b].name,
				      page->backends[b].starts);
	promtext_family(to, "usher_backend_quarantined", "gauge",
			"Is it in quarantine, by itself or with its version?");
	for (size_t b = 0; b < USHER_BACKENDS_MAX; b++)
		if (page->backends[b].name[0])
			promtext_line(to, "usher_backend_quarantined{backend=\"%s\"} %u", page->backends[b].name,
				      page->backends[b].quarantined);
	promtext_family(to, "usher_backend_verified", "gauge",
			"Does it say that it serves what it should? Not there if it is not asked.");
	for (size_t b = 0; b < USHER_BACKENDS_MAX; b++)
		if (page->backends[b].name[0] && page->backends[b].verifies)
			promtext_line(to, "usher_backend_verified{backend=\"%s\"} %u", page->backends[b].name,
				      page->backends[b].verified);
	promtext_family(to, "usher_backend_ejected", "gauge",
			"Is it left out as an outlier? Not there if outliers are not looked for.");
	for (size_t b = 0; b < USHER_BACKENDS_MAX; b++)
		if (page->backends[b].name[0] && page->backends[b].judged)
			promtext_line(to, "usher_backend_ejected{backend=\"%s\"} %u", page->backends[b].name,
				      page->backends[b].ejected);
	promtext_family(to, "usher_backend_path_mtu_bytes", "gauge",
			"What the path to the backend takes; forward ipip, gue.");
	for (size_t b = 0; b < USHER_BACKENDS_MAX; b++)
		if (page->backends[b].name[0] && page->backends[b].path_mtu)
			promtext_line(to, "usher_backend_path_mtu_bytes{backend=\"%s\"} %u", page->backends[b].name,
				      page->backends[b].path_mtu);
}

/* What the backends' own metrics say. */
static void print_loads(struct json *to, const struct edge_page *page)
{
	static const struct {
		const char *name, *help;
	} figures[EDGE_FIGURES] = {
		{"usher_backend_requests_waiting",
		 "Requests queued, by the backend's own metrics; not there if unknown."},
		{"usher_backend_requests_running", "Requests worked on, the same."},
		{"usher_backend_use_ratio", "How full its cache or GPU is, 0 to 1, the same."},
		{"usher_backend_start_time_seconds", "Since when its process runs, the same."},
	};

	promtext_family(to, "usher_backend_telemetry_fresh", "gauge",
			"Have its metrics been read lately? Not there if the policy has none.");
	for (size_t b = 0; b < USHER_BACKENDS_MAX; b++)
		if (page->backends[b].name[0] && page->backends[b].scraped)
			promtext_line(to, "usher_backend_telemetry_fresh{backend=\"%s\"} %u", page->backends[b].name,
				      page->backends[b].scrape_fresh);
	for (size_t f = 0; f < EDGE_FIGURES; f++) {
		promtext_family(to, figures[f].name, "gauge", figures[f].help);
		for (size_t b = 0; b < USHER_BACKENDS_MAX; b++)
			if (page->backends[b].name[0] && page->backends[b].scraped && !isnan(page->backends[b].load[f]))
				promtext_line(to, "%s{backend=\"%s\"} %.15g", figures[f].name, page->backends[b].name,
					      page->backends[b].load[f]);
	}
}

static void print_balance(struct json *to, const struct edge_page *page)
{
	promtext_family(
		to, "usher_backend_balance_load_ratio", "gauge",
		"Share of its capacity that least-load takes it to use; not there where no service is balanced so.");
	for (size_t b = 0; b < USHER_BACKENDS_MAX; b++)
		if (page->backends[b].name[0] && !isnan(page->backends[b].balance))
			promtext_line(to, "usher_backend_balance_load_ratio{backend=\"%s\"} %.15g",
				      page->backends[b].name, page->backends[b].balance);
}

/* ---- gates --------------------------------------------------------------------------------------------------- */

static void gate_line(struct json *to, const char *name, const struct edge_gate *gate, double value)
{
	if (!isnan(value))
		promtext_line(to, "%s{gate=\"%s\",on=\"%s\",subject=\"%s\"} %.15g", name, gate->gate,
			      gate_subject_names[gate->on], gate->subject, value);
}

static void print_gates(struct json *to, const struct edge_page *page)
{
	static const struct {
		const char *name, *help;
	} families[] = {
		{"usher_gate_state", "0 ok, 1 breached, 2 without data for too long."},
		{"usher_gate_acts", "Does it keep its subject from anything?"},
		{"usher_gate_alert", "Is it not ok, or without data for too long?"},
		{"usher_gate_value", "The figure last measured."},
		{"usher_gate_low", "Lower end of its 95 % interval."},
		{"usher_gate_high", "Upper end of its 95 % interval."},
		{"usher_gate_samples", "Samples that it rests on."},
		{"usher_gate_age_seconds", "How old it is."},
	};

	for (size_t f = 0; page->gate_count && f < ARRAY_COUNT(families); f++) {
		promtext_family(to, families[f].name, "gauge", families[f].help);
		for (size_t i = 0; i < page->gate_count && i < USHER_GATE_SUBJECTS_MAX; i++) {
			const struct edge_gate *gate = &page->gates[i];
			const double values[] = {gate->state, gate->acts, gate->alert,	 gate->value,
						 gate->low,   gate->high, gate->samples, gate->age};

			gate_line(to, families[f].name, gate, values[f]);
		}
	}
	if (page->evaluator_count)
		promtext_family(to, "usher_evaluator_fresh", "gauge", "Has it been read lately?");
	for (size_t e = 0; e < page->evaluator_count && e < USHER_EVALUATORS_MAX; e++)
		promtext_line(to, "usher_evaluator_fresh{evaluator=\"%s\"} %u", page->evaluators[e],
			      page->evaluators_fresh[e]);
}

/* ---- what NAT shows of a backend ------------------------------------------------------------------------------ */

static bool has_figures(const struct edge_backend *backend)
{
	return backend->name[0] && backend->nat;
}

static void print_buckets(struct json *to, const char *name, const char *backend, const struct usher_latency *latency)
{
	unsigned long long below = 0;
	char bound[32];

	for (size_t i = 0; i < USHER_LATENCY_BUCKETS; i++) {
		below += latency->bucket[i];
		if (isinf(latency_bound(i)))
			snprintf(bound, sizeof(bound), "+Inf");
		else
			snprintf(bound, sizeof(bound), "%.10g", latency_bound(i));
		promtext_line(to, "%s_bucket{backend=\"%s\",le=\"%s\"} %llu", name, backend, bound, below);
	}
	promtext_line(to, "%s_sum{backend=\"%s\"} %.10g", name, backend, latency_sum(latency));
	promtext_line(to, "%s_count{backend=\"%s\"} %llu", name, backend, below);
}

static void print_latencies(struct json *to, const struct edge_page *page)
{
	promtext_family(to, "usher_backend_connect_seconds", "histogram",
			"SYN to SYN-ACK of the backend; forward nat.");
	for (size_t b = 0; b < USHER_BACKENDS_MAX; b++)
		if (has_figures(&page->backends[b]))
			print_buckets(to, "usher_backend_connect_seconds", page->backends[b].name,
				      &page->counters.figures[b].connect);
	promtext_family(to, "usher_backend_first_byte_seconds", "histogram",
			"First byte from the client since the backend spoke, to the backend's next; forward nat.");
	for (size_t b = 0; b < USHER_BACKENDS_MAX; b++)
		if (has_figures(&page->backends[b]))
			print_buckets(to, "usher_backend_first_byte_seconds", page->backends[b].name,
				      &page->counters.figures[b].first_byte);
}

static void print_failures(struct json *to, const struct edge_page *page)
{
	static const struct {
		const char *name, *help;
	} failures[] = {
		{"usher_backend_refused_total", "SYNs that the backend answered with a reset; forward nat."},
		{"usher_backend_resets_total", "Open connections that the backend reset; forward nat."},
		{"usher_backend_connect_timeouts_total", "Flows forgotten with their SYN unanswered; forward nat."},
		{"usher_backend_first_byte_timeouts_total",
		 "Connections that clients closed after waiting a second or more for a first byte; forward nat."},
	};

	for (size_t f = 0; f < ARRAY_COUNT(failures); f++) {
		promtext_family(to, failures[f].name, "counter", failures[f].help);
		for (size_t b = 0; b < USHER_BACKENDS_MAX; b++) {
			const struct usher_backend_figures *figures = &page->counters.figures[b];
			const uint64_t values[] = {figures->refused, figures->resets, figures->connect_timeouts,
						   figures->first_byte_timeouts};

			if (has_figures(&page->backends[b]))
				promtext_line(to, "%s{backend=\"%s\"} %llu", failures[f].name, page->backends[b].name,
					      (unsigned long long)values[f]);
		}
	}
}

/* ---- roll-outs ------------------------------------------------------------------------------------------------ */

static void print_rollouts(struct json *to, const struct edge_page *page)
{
	promtext_family(to, "usher_rollout_share_ratio", "gauge",
			"What part of its service's new flows the new version of a roll-out is given, 0 to 1.");
	for (size_t r = 0; r < USHER_ROLLOUTS_MAX && page->rollouts[r].name[0]; r++) {
		const struct edge_rollout *rollout = &page->rollouts[r];

		promtext_line(
			to, "usher_rollout_share_ratio{rollout=\"%s\",service=\"%s\",model=\"%s\",version=\"%s\"} %.2f",
			rollout->name, rollout->service, rollout->model, rollout->version, rollout->share / 100.0);
	}
	promtext_family(to, "usher_rollout_state", "gauge",
			"1 for the state that the roll-out is in, 0 for the others.");
	for (size_t r = 0; r < USHER_ROLLOUTS_MAX && page->rollouts[r].name[0]; r++)
		for (size_t s = 0; s < ROLLOUT_STATES; s++)
			promtext_line(to, "usher_rollout_state{rollout=\"%s\",state=\"%s\"} %d", page->rollouts[r].name,
				      rollout_state_names[s], page->rollouts[r].state == s);
}

void promtext_print(struct json *to, const struct edge_page *page)
{
	const struct usher_flow_counter *flows = &page->counters.flows;

	single(to, "usher_generation", "gauge", "Number of the generation in force.", page->generation);
	single(to, "usher_epoch", "gauge", "Epoch of the generation in force.", page->epoch);
	single(to, "usher_policy_revision", "gauge", "Revision of the policy in force.", page->policy_revision);
	single(to, "usher_closed", "gauge", "1: no valid policy; its services' packets are dropped.", page->closed);
	single(to, "usher_quarantines", "gauge",
	       "Quarantines in force, those of what the policy does not have among them.", page->quarantines);
	single(to, "usher_flows", "gauge", "Flows in the table.", page->flows);
	single(to, "usher_flows_inserted_total", "counter", "Flows that began.", flows->inserted);
	single(to, "usher_flows_expired_total", "counter", "Flows that ended by age.", flows->expired);
	single(to, "usher_flows_evicted_total", "counter", "Flows that made room: half open, or left in direct return.",
	       flows->evicted);
	single(to, "usher_flows_replaced_total", "counter", "Flows whose client began anew.", flows->replaced);
	single(to, "usher_flows_deleted_total", "counter", "Flows that were taken out.", flows->deleted);
	single(to, "usher_replies_total", "counter", "Resets and ICMP answers that refused or cut.", flows->replies);
	single(to, "usher_replies_suppressed_total", "counter", "Answers that the rate cap held back.",
	       flows->replies_suppressed);
	print_audit(to, page);
	promshipping_print(to, page);
	print_received(to, page);
	print_verdicts(to, page);
	print_tenants(to, page);
	print_backends(to, page);
	print_loads(to, page);
	print_balance(to, page);
	print_gates(to, page);
	promsets_print(to, page);
	print_latencies(to, page);
	print_failures(to, page);
	print_rollouts(to, page);
}
