// SPDX-License-Identifier: GPL-2.0-only
#include "govern/decide.h"

#include <errno.h>
#include <stdlib.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/date.h"
#include "policy/policy.h"
#include "govern/slow_start.h"
#include "govern/surge.h"

static void free_effective(struct effective **effective)
{
	effective_free(*effective);
}

void effective_free(struct effective *effective)
{
	if (!effective)
		return;
	free(effective->backends);
	free(effective->lapsed_labels);
	free(effective->version_shares);
	free(effective->rollouts);
	free(effective->rerouted);
	free(effective->open);
	free(effective->floors);
	free(effective->browns);
	free(effective->serving);
	free(effective->serving_first);
	free(effective);
}

/* calloc, but never NULL for nothing. */
static void *allocate(size_t count, size_t size)
{
	return calloc(count ? count : 1, size);
}

/* Has this date passed? If not, the effective policy changes when it does. */
static bool lapsed(struct effective *effective, int64_t end_of_day, int64_t now)
{
	if (date_passed(end_of_day, now))
		return true;
	if (end_of_day && end_of_day < INT64_MAX && end_of_day + 1 < effective->next_change)
		effective->next_change = end_of_day + 1;
	return false;
}

static void decide_labels(struct effective *effective, int64_t now)
{
	for (size_t v = 0; v < effective->policy->version_count; v++) {
		const struct version *version = &effective->policy->versions[v];

		for (size_t n = 0; n < version->label_count; n++)
			if (lapsed(effective, version->labels[n].expires, now))
				effective->lapsed_labels[v] |= 1ULL << n;
	}
}

bool facts_quarantined(const struct facts *facts, const struct policy *policy, size_t backend)
{
	size_t version = policy->backends[backend].version;

	return (backend < facts->backend_count && facts->backends[backend].quarantined) ||
	       (version < facts->version_count && facts->versions[version].quarantined);
}

static bool is_gated(const struct facts *facts, const struct policy *policy, size_t backend)
{
	size_t version = policy->backends[backend].version;

	return (backend < facts->backend_count && facts->backends[backend].gated) ||
	       (version < facts->version_count && facts->versions[version].gated);
}

static uint32_t whole_or(uint32_t share)
{
	return share ? share : 100;
}

/* The lowest priority that is served when so many are shed; strangers have one as well. */
static uint32_t floor_of(const struct policy *policy, uint32_t shed)
{
	_cleanup_free_ uint32_t *priorities = calloc(policy->tenant_count + 1, sizeof(*priorities));

	if (!priorities)
		abort();
	for (size_t t = 0; t < policy->tenant_count; t++)
		priorities[t] = policy->tenants[t].priority;
	return surge_floor(priorities, policy->tenant_count + 1, shed);
}

/* The lowest priority of all sheds nobody below it, so that a floor of it is none. */
static void decide_shedding(struct effective *effective, size_t service, const struct service_facts *facts)
{
	uint32_t lowest = floor_of(effective->policy, facts->shed);

	if (facts->shed)
		effective->floors[service] = lowest;
	if (floor_of(effective->policy, facts->shed + 1) != lowest)
		effective->browns[service] = (struct effective_brown){lowest, facts->shed_part};
}

/* Shares of versions and services; facts that do not reach them leave them whole. */
static void decide_gates(struct effective *effective, const struct facts *facts)
{
	const struct policy *policy = effective->policy;

	for (size_t v = 0; v < policy->version_count; v++)
		effective->version_shares[v] =
			whole_or(facts && v < facts->version_count ? facts->versions[v].share : 0);
	for (size_t s = 0; s < policy->service_count; s++)
		effective->rerouted[s] = facts && s < facts->service_count && facts->services[s].rerouted;
	for (size_t s = 0; facts && s < policy->service_count && s < facts->service_count; s++) {
		effective->open[s] = facts->services[s].open;
		if (facts->services[s].shed || facts->services[s].shed_part)
			decide_shedding(effective, s, &facts->services[s]);
	}
}

/* Facts that do not reach a service know nothing of its roll-out: the new version gets nothing. */
static void decide_rollouts(struct effective *effective, const struct facts *facts)
{
	const struct policy *policy = effective->policy;

	for (size_t s = 0; s < policy->service_count; s++)
		effective->rollouts[s].rollout = POLICY_NONE;
	for (size_t r = 0; r < policy->rollout_count; r++) {
		const struct rollout_policy *rollout = &policy->rollouts[r];
		uint32_t share = rollout->settings.steps[0];

		if (facts)
			share = rollout->service < facts->service_count
					? facts->services[rollout->service].rollout_share
					: 0;
		effective->rollouts[rollout->service] = (struct effective_rollout){
			r,
			{{.version = rollout->from, .weight = 100 - share}, {.version = rollout->to, .weight = share}}};
	}
}

static uint8_t start_reason(const struct backend *backend, const struct backend_facts *facts,
			    const struct next_hop *next_hop)
{
	if (facts->draining)
		return USHER_REASON_DRAINING;
	if (backend->health.probe != HEALTH_PROBE_NONE && facts->health != HEALTH_UP)
		return USHER_REASON_UNHEALTHY;
	if (!next_hop->resolved)
		return USHER_REASON_UNREACHABLE;
	return 0;
}

/* A tunnel has two ends: no address to send from is as bad as nowhere to send to. */
static void drop_sourceless(const struct backend *backend, struct next_hop *next_hop)
{
	static const struct usher_address none;

	if (USHER_FORWARD_IS_TUNNEL(backend->forward) && address_equal(&next_hop->source, &none))
		next_hop->resolved = false;
}

static void decide_backends(struct effective *effective, const struct facts *facts, int64_t now)
{
	static const struct backend_facts nothing;

	for (size_t b = 0; b < effective->policy->backend_count; b++) {
		const struct backend *backend = &effective->policy->backends[b];
		const struct version *version = &effective->policy->versions[backend->version];
		struct effective_backend *to = &effective->backends[b];
		const struct backend_facts *known = &nothing;

		if (version->validated && lapsed(effective, version->validation_expires, now))
			to->constraint_reason = USHER_REASON_EVIDENCE_EXPIRED;
		to->share = effective->version_shares[backend->version];
		if (!facts)
			continue;
		if (!to->constraint_reason && facts_quarantined(facts, effective->policy, b))
			to->constraint_reason = USHER_REASON_QUARANTINED;
		if (!to->constraint_reason && is_gated(facts, effective->policy, b))
			to->constraint_reason = USHER_REASON_GATE_BREACHED;
		if (b < facts->backend_count)
			known = &facts->backends[b];
		if (!to->constraint_reason && backend->verify.given &&
		    known->verification.state != VERIFICATION_VERIFIED)
			to->constraint_reason = USHER_REASON_UNVERIFIED;
		to->share = to->share * whole_or(known->share) / 100;
		to->next_hop = known->next_hop;
		drop_sourceless(backend, &to->next_hop);
		to->start_reason = start_reason(backend, known, &to->next_hop);
		to->ejected = policy_outlier(effective->policy, b)->signals ? known->ejected : 0;
		/* A clock that was set back must not keep it waiting. */
		if (effective_starts(effective, b))
			to->able_since = known->able_since && known->able_since < now ? known->able_since : now;
	}
}

bool effective_starts(const struct effective *effective, size_t backend)
{
	const struct effective_backend *of = &effective->backends[backend];

	return !of->constraint_reason && !of->start_reason && !of->ejected;
}

static size_t model_of(const struct policy *policy, size_t backend)
{
	return policy->versions[policy->backends[backend].version].model;
}

/* Counting sort: stable, so that the backends of a model stay in order. */
static void group_by_model(struct effective *effective)
{
	const struct policy *policy = effective->policy;
	size_t *first = effective->serving_first;

	for (size_t b = 0; b < policy->backend_count; b++)
		first[model_of(policy, b) + 1]++;
	for (size_t m = 0; m < policy->model_count; m++)
		first[m + 1] += first[m];
	for (size_t b = policy->backend_count; b-- > 0;)
		effective->serving[--first[model_of(policy, b) + 1]] = b;
	/* Each entry m + 1 has moved from the end of model m to its beginning. */
	for (size_t m = 0; m < policy->model_count; m++)
		first[m] = first[m + 1];
	first[policy->model_count] = policy->backend_count;
}

/* ---- slow start ---------------------------------------------------------------------------------------------- */

uint32_t effective_part(const struct effective *effective, size_t service, size_t backend)
{
	uint32_t part;

	if (effective->all_warm)
		return SLOW_START_WHOLE;
	part = slow_start_part(effective->policy->services[service].slow_start_ms,
			       effective->backends[backend].able_since, effective->now) *
	       effective->backends[backend].share / 100;
	return part ? part : 1;
}

double effective_percent(const struct effective *effective, size_t service, size_t backend)
{
	return 100.0 * effective_part(effective, service, backend) / SLOW_START_WHOLE;
}

uint32_t effective_weight(const struct effective *effective, size_t service, size_t backend)
{
	return effective->policy->backends[backend].capacity * effective_part(effective, service, backend);
}

/* When does the first backend of this service take its next step? */
static void time_steps(struct effective *effective, const struct service *service)
{
	const size_t *first = &effective->serving_first[service->model];

	for (size_t i = first[0]; service->slow_start_ms && i < first[1]; i++) {
		const struct effective_backend *backend = &effective->backends[effective->serving[i]];
		int64_t next;

		if (!backend->able_since)
			continue;
		next = slow_start_next(service->slow_start_ms, backend->able_since, effective->now);
		if (next < effective->next_change)
			effective->next_change = next;
	}
}

int decide(const struct policy *policy, const struct facts *facts, int64_t now, struct effective **ret_effective)
{
	_cleanup_(free_effective) struct effective *effective = calloc(1, sizeof(*effective));

	if (!effective)
		return -ENOMEM;
	effective->policy = policy;
	effective->next_change = INT64_MAX;
	effective->now = now;
	effective->all_warm = !facts;
	effective->backends = allocate(policy->backend_count, sizeof(*effective->backends));
	effective->lapsed_labels = allocate(policy->version_count, sizeof(*effective->lapsed_labels));
	effective->version_shares = allocate(policy->version_count, sizeof(*effective->version_shares));
	effective->rollouts = allocate(policy->service_count, sizeof(*effective->rollouts));
	effective->rerouted = allocate(policy->service_count, sizeof(*effective->rerouted));
	effective->open = allocate(policy->service_count, sizeof(*effective->open));
	effective->floors = allocate(policy->service_count, sizeof(*effective->floors));
	effective->browns = allocate(policy->service_count, sizeof(*effective->browns));
	effective->serving = allocate(policy->backend_count, sizeof(*effective->serving));
	effective->serving_first = allocate(policy->model_count + 1, sizeof(*effective->serving_first));
	if (!effective->backends || !effective->lapsed_labels || !effective->version_shares || !effective->rollouts ||
	    !effective->rerouted || !effective->open || !effective->floors || !effective->browns ||
	    !effective->serving || !effective->serving_first)
		return -ENOMEM;
	decide_labels(effective, now);
	decide_gates(effective, facts);
	decide_rollouts(effective, facts);
	decide_backends(effective, facts, now);
	group_by_model(effective);
	for (size_t s = 0; facts && s < policy->service_count; s++)
		time_steps(effective, &policy->services[s]);
	*ret_effective = TAKE_PTR(effective);
	return 0;
}
