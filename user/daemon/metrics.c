// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "daemon/core.h"
#include "kernel/flows.h"

static void name_services(const struct core *core, struct edge_page *page)
{
	memset(page->services, 0, sizeof(page->services));
	for (size_t s = 0; core->catalog && s < USHER_SERVICES_MAX; s++)
		if (core->catalog->services[s].name)
			snprintf(page->services[s], EDGE_NAME, "%s", core->catalog->services[s].name);
}

static void name_tenants(const struct core *core, struct edge_page *page)
{
	memset(page->tenants, 0, sizeof(page->tenants));
	for (size_t t = 0; core->catalog && t < USHER_TENANT_IDS; t++)
		if (core->catalog->tenants[t])
			snprintf(page->tenants[t], EDGE_NAME, "%s", core->catalog->tenants[t]);
}

/* What is stale is not known. */
static void name_load(const struct core *core, size_t index, struct edge_backend *to)
{
	const struct load_facts *facts = &core->facts.backends[index].load;
	const double figures[EDGE_FIGURES] = {facts->waiting, facts->running, facts->use, facts->start_time};
	const struct load_source *source = &core->policy->backends[index].load;

	to->scraped = source->server != LOAD_NOT_SCRAPED;
	to->scrape_fresh = core_load_is_fresh(source, facts, clock_monotonic());
	for (size_t i = 0; i < EDGE_FIGURES; i++)
		to->load[i] = to->scrape_fresh ? figures[i] : NAN;
}

static void name_backend(const struct core *core, size_t number, struct edge_backend *to)
{
	const struct catalog_backend *from = &core->catalog->backends[number];
	const struct effective_backend *effective;
	const struct backend *backend;
	struct balance_view balance;
	size_t index;

	if (!from->name || core_backend(core, from->name, &index))
		return;
	backend = &core->policy->backends[index];
	effective = &core->effective->backends[index];
	snprintf(to->name, EDGE_NAME, "%s", from->name);
	snprintf(to->model, EDGE_NAME, "%s", from->model);
	snprintf(to->version, EDGE_NAME, "%s", from->version);
	memcpy(to->region, from->region, sizeof(to->region));
	to->health = backend->health.probe != HEALTH_PROBE_NONE ? (uint8_t)core->facts.backends[index].health
								: EDGE_UNCHECKED;
	to->draining = core->facts.backends[index].draining;
	to->quarantined = facts_quarantined(&core->facts, core->policy, index);
	to->starts = effective_starts(core->effective, index);
	to->continues = !effective->constraint_reason;
	to->nat = backend->forward == USHER_FORWARD_NAT;
	to->capacity = backend->capacity;
	to->judged = policy_outlier(core->policy, index)->signals != 0;
	to->ejected = effective->ejected != 0;
	to->verifies = backend->verify.given;
	to->verified = core->facts.backends[index].verification.state == VERIFICATION_VERIFIED;
	name_load(core, index, to);
	balance_view(core->balance, (uint16_t)number, &balance);
	to->balance = balance.basis == LOAD_BASIS_UNTOLD ? NAN : balance.now;
	if (USHER_FORWARD_IS_TUNNEL(backend->forward))
		to->path_mtu = effective->next_hop.mtu;
}

static void name_rollouts(const struct core *core, struct edge_page *page)
{
	memset(page->rollouts, 0, sizeof(page->rollouts));
	for (size_t r = 0; core->policy && r < core->policy->rollout_count; r++) {
		const struct rollout_policy *rollout = &core->policy->rollouts[r];
		const struct version *version = &core->policy->versions[rollout->to];
		struct edge_rollout *to = &page->rollouts[r];

		snprintf(to->name, EDGE_NAME, "%s", rollout->name);
		snprintf(to->service, EDGE_NAME, "%s", core->policy->services[rollout->service].name);
		snprintf(to->model, EDGE_NAME, "%s", core->policy->models[version->model].name);
		snprintf(to->version, EDGE_NAME, "%s", version->name);
		to->state = core->standing.rollouts->items[r].state.state;
		to->share = rollout_share(&rollout->settings, &core->standing.rollouts->items[r].state);
	}
}

static void name_gates(const struct core *core, struct edge_page *page)
{
	page->gate_count = core->policy ? (uint32_t)core->standing.gates->count : 0;
	for (size_t i = 0; i < page->gate_count; i++) {
		const struct gate_instance *instance = &core->standing.gates->items[i];
		const struct gate_outcome *outcome = &instance->outcome;
		bool measured = outcome->age >= 0;
		struct edge_gate *to = &page->gates[i];

		*to = (struct edge_gate){.on = (uint8_t)core->policy->gates[instance->gate].on,
					 .state = instance->state.state,
					 .acts = gate_acts(core->policy, instance),
					 .alert = outcome->alert || instance->state.state != GATE_OK,
					 .value = measured ? outcome->last.point : NAN,
					 .low = measured ? outcome->last.low : NAN,
					 .high = measured ? outcome->last.high : NAN,
					 .samples = measured ? outcome->last.samples : NAN,
					 .age = measured ? (double)outcome->age : NAN};
		snprintf(to->gate, sizeof(to->gate), "%s", instance->gate_name);
		snprintf(to->subject, sizeof(to->subject), "%s", instance->subject_name);
	}
}

static void name_surges(const struct core *core, struct edge_page *page)
{
	page->surge_count = core->policy ? (uint32_t)core->standing.surges->count : 0;
	for (size_t i = 0; i < page->surge_count; i++) {
		const struct surge_instance *instance = &core->standing.surges->items[i];
		const struct service_facts *facts = &core->facts.services[instance->service];

		page->surges[i] = (struct edge_surge){
			.tiers = instance->settings.tiers - 1,
			.open = facts->open,
			.sheds = surge_whole(&instance->settings, instance->settings.sheds),
			.shed = facts->shed,
			.shed_part = facts->shed_part,
			.ratio = instance->state.stepped && instance->measure.known ? instance->outcome.ratio : NAN};
		snprintf(page->surges[i].service, EDGE_NAME, "%s", instance->name);
	}
}

static void name_pools(const struct core *core, struct edge_page *page)
{
	page->pool_count = core->policy ? (uint32_t)core->standing.pools->count : 0;
	for (size_t i = 0; i < page->pool_count; i++) {
		const struct pool_state *state = &core->standing.pools->items[i];
		struct edge_pool *to = &page->pools[i];

		*to = (struct edge_pool){.members = (uint32_t)state->members.count,
					 .most = core->policy->pools[i].most,
					 .good = state->good_at && !*state->problem};
		for (size_t m = 0; m < state->members.count; m++)
			to->leaving += state->members.items[m].leave_by != 0;
		snprintf(to->name, EDGE_NAME, "%s", state->name);
	}
}

static void name_evaluators(const struct core *core, struct edge_page *page)
{
	int64_t now = clock_monotonic();

	page->evaluator_count = core->policy ? (uint32_t)core->policy->evaluator_count : 0;
	for (size_t e = 0; e < page->evaluator_count; e++) {
		const struct evaluator *evaluator = &core->policy->evaluators[e];
		const struct gate_feed *feed = &core->standing.gates->feeds[e];

		snprintf(page->evaluators[e], EDGE_NAME, "%s", evaluator->name);
		page->evaluators_fresh[e] =
			feed->read_at && now - feed->read_at <= evaluator->stale_after_ms * CLOCK_MILLISECOND;
	}
}

static void count_numbers(const struct core *core, struct edge_page *page)
{
	size_t cpus = counters_cpus() < EDGE_CPUS_MAX ? counters_cpus() : EDGE_CPUS_MAX;
	_cleanup_free_ struct journal_account *accounts = calloc(cpus * USHER_RINGS, sizeof(*accounts));

	if (!accounts)
		abort();
	if (journal_accounts(core->journal, accounts, cpus))
		return;
	page->audit_cpus = cpus;
	for (size_t i = 0; i < cpus * USHER_RINGS; i++) {
		uint64_t *numbers = page->audit_numbers[i / USHER_RINGS][i % USHER_RINGS];

		numbers[EDGE_TAKEN] = accounts[i].taken;
		numbers[EDGE_STORED] = accounts[i].stored;
		numbers[EDGE_LOST] = accounts[i].lost;
	}
}

void metrics_update(struct core *core)
{
	const struct usher_generation *active = publisher_active(core->publisher);
	struct counters *counters = malloc(sizeof(*counters));
	const struct usher_flow_counter *flows;
	struct journal_totals totals;
	struct edge_page *page;

	if (!counters)
		abort();
	/* Read first: the page must not stay half written for as long as that takes. */
	if (!counters_read(core->program, counters)) {
		journal_totals(core->journal, &totals);
		flows = &counters->flows;
		page = edge_page_begin(core->edge);
		page->generation = active->number;
		page->epoch = active->epoch;
		page->policy_revision = core->policy ? core->policy->revision : 0;
		page->closed = core->closed;
		page->quarantines = core->state->quarantine_count;
		page->flows = flows->inserted - flows->expired - flows->evicted - flows->deleted;
		page->audit_written = totals.written;
		page->audit_gaps = totals.gaps;
		page->audit_errors = totals.write_errors;
		page->audit_segment_errors = totals.keeper_errors;
		page->audit_witness_errors = totals.witness_errors;
		page->audit_segments_lost = totals.segments_lost;
		page->audit_waiting_bytes = totals.waiting_bytes;
		page->audit_unsynced_bytes = totals.unsynced;
		page->audit_behind_ms = (uint64_t)(totals.behind / CLOCK_MILLISECOND);
		page->audit_disk_free = totals.disk_free;
		page->audit_disk_size = totals.disk_size;
		page->counters = *counters;
		count_numbers(core, page);
		name_services(core, page);
		name_tenants(core, page);
		name_rollouts(core, page);
		flows_tenants(core->program, page->tenant_states);
		name_gates(core, page);
		name_evaluators(core, page);
		name_surges(core, page);
		name_pools(core, page);
		shipping_name(core, page);
		memset(page->backends, 0, sizeof(page->backends));
		for (size_t b = 0; core->policy && core->catalog && b < USHER_BACKENDS_MAX; b++)
			name_backend(core, b, &page->backends[b]);
		edge_page_end(core->edge);
	}
	free(counters);
}
