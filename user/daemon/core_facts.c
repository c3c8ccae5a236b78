// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "policy/policy.h"
#include "daemon/core.h"

int core_backend(const struct core *core, const char *name, size_t *ret_index)
{
	size_t low = 0, high = core->policy ? core->policy->backend_count : 0;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = strcmp(name, core->policy->backends[middle].name);

		if (!order) {
			*ret_index = middle;
			return 0;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return -ENOENT;
}

static bool same_next_hop(const struct next_hop *a, const struct next_hop *b)
{
	return a->resolved == b->resolved && a->interface == b->interface && a->mtu == b->mtu &&
	       a->mtu_source == b->mtu_source && address_equal(&a->source, &b->source) &&
	       !memcmp(a->mac, b->mac, sizeof(a->mac)) && !memcmp(a->own_mac, b->own_mac, sizeof(a->own_mac));
}

/* How a path came to be what it is now, once for each that a router has narrowed and once when that is forgotten. */
static void note_path(const struct backend *backend, const struct next_hop *before, const struct next_hop *after)
{
	bool was = before->mtu_source == MTU_OF_ROUTER, is = after->mtu_source == MTU_OF_ROUTER;

	if (!USHER_FORWARD_IS_TUNNEL(backend->forward) || !after->resolved || was == is)
		return;
	if (is)
		log_info("backend %s: a router on the way takes packets of up to %u bytes", backend->name, after->mtu);
	else if (before->resolved)
		log_info("backend %s: packets of up to %u bytes are tried again", backend->name, after->mtu);
}

void core_next_hops(struct core *core)
{
	for (size_t i = 0; i < core->program->attachment_count; i++) {
		uint32_t interface = core->program->attachments[i].index;
		uint8_t mac[6];
		uint16_t mtu;

		if (neighbours_own_link(core->neighbours, interface, mac, &mtu))
			program_set_interface(core->program, interface, mac, mtu);
	}
	for (size_t b = 0; core->policy && b < core->policy->backend_count; b++) {
		struct next_hop next_hop = {0};

		neighbours_next_hop(core->neighbours, &core->policy->backends[b].address, &next_hop);
		if (!same_next_hop(&next_hop, &core->facts.backends[b].next_hop)) {
			note_path(&core->policy->backends[b], &core->facts.backends[b].next_hop, &next_hop);
			core->facts.backends[b].next_hop = next_hop;
			core->dirty = true;
		}
	}
}

void core_fact(struct core *core, const struct edge_fact *fact)
{
	enum health_state state = fact->up ? HEALTH_UP : HEALTH_DOWN;
	struct cause cause = {(enum cause_kind)fact->cause, fact->number};
	const struct backend *backend;
	struct backend_facts *facts;
	char text[CAUSE_TEXT];

	if (fact->round != core->watch_round || fact->target >= core->watched_count)
		return;
	backend = &core->policy->backends[core->watched[fact->target]];
	facts = &core->facts.backends[core->watched[fact->target]];
	facts->cause = cause;
	if (facts->health == state)
		return;
	facts->health = state;
	core->dirty = true;
	if (!quota_take(&core->verdict_lines, clock_monotonic()))
		return;
	if (fact->up)
		log_info("backend %s is up", backend->name);
	else
		log_info("backend %s is down: %s", backend->name, cause_print(cause, backend->health.path, text));
}

void core_verdicts_unsaid(struct core *core)
{
	uint32_t unsaid = quota_missed(&core->verdict_lines, clock_monotonic());

	if (unsaid)
		log_info("%u more changes of backends' health were not logged one by one", unsaid);
}

static void free_identities(struct identities **identities)
{
	identities_free(*identities);
}

int core_recall_able(const struct core *core, const struct policy *policy, const struct facts *facts)
{
	const struct identities *before = core->state->identities;
	_cleanup_(free_identities) struct identities *after = NULL;
	_cleanup_(numbers_free) struct numbers numbers = {0};
	int error = before ? identities_next(before, policy, 0, &after, &numbers) : 0;

	if (error)
		return error == -ENOSPC ? 0 : error; /* the compiler says it better */
	for (size_t b = 0; after && b < facts->backend_count; b++) {
		uint16_t number = numbers.backends[b];

		/* Another incarnation is another backend. */
		bool same = after->backends.items[number].incarnation == before->backends.items[number].incarnation;

		facts->backends[b].able_since = same ? core->state->able_since[number] : 0;
	}
	return 0;
}

int core_note_able(struct core *core, const struct effective *effective, const struct identities *after)
{
	const struct identities *before = core->state->identities;
	_cleanup_(free_identities) struct identities *same = NULL;
	_cleanup_(numbers_free) struct numbers numbers = {0};
	int error = identities_next(after, effective->policy, 0, &same, &numbers);

	if (error)
		return error;
	for (size_t i = 0; i < USHER_BACKENDS_MAX; i++)
		if (!before || before->backends.items[i].incarnation != after->backends.items[i].incarnation)
			core->state->able_since[i] = 0;
	/* Who has not been asked yet is not unable: a restart begins no slow start. */
	for (size_t b = 0; !core->patience && b < effective->policy->backend_count; b++)
		core->state->able_since[numbers.backends[b]] = effective->backends[b].able_since;
	return 0;
}

void core_recall_orders(const struct core *core, const struct policy *policy, struct facts *facts)
{
	const struct state *state = core->state;
	char name[VERSION_TEXT];

	for (size_t b = 0; b < policy->backend_count; b++) {
		facts->backends[b].draining =
			policy->backends[b].leaving || state_is_drained(state, policy->backends[b].name);
		facts->backends[b].quarantined = state_quarantine(state, policy->backends[b].name);
	}
	for (size_t v = 0; v < policy->version_count; v++)
		facts->versions[v].quarantined = state_quarantine(state, version_print(policy, v, name));
}

int core_carry_facts(const struct core *core, const struct policy *policy, struct facts *ret_facts)
{
	struct facts facts = {.backends = calloc(policy->backend_count + 1, sizeof(*facts.backends)),
			      .backend_count = policy->backend_count,
			      .versions = calloc(policy->version_count + 1, sizeof(*facts.versions)),
			      .version_count = policy->version_count,
			      .services = calloc(policy->service_count + 1, sizeof(*facts.services)),
			      .service_count = policy->service_count};
	size_t before;
	int error =
		facts.backends && facts.versions && facts.services ? core_recall_able(core, policy, &facts) : -ENOMEM;

	if (error) {
		free(facts.backends);
		free(facts.versions);
		free(facts.services);
		return error;
	}
	core_recall_orders(core, policy, &facts);
	for (size_t b = 0; b < policy->backend_count; b++) {
		const struct backend *backend = &policy->backends[b];
		struct backend_facts *to = &facts.backends[b];

		neighbours_next_hop(core->neighbours, &backend->address, &to->next_hop);
		core_recall_verification(core, backend, &to->verification);
		if (core_backend(core, backend->name, &before))
			continue;
		if (core_asks_the_same(backend, &core->policy->backends[before]))
			to->verification = core->facts.backends[before].verification;
		/* Also where it is probed in another way from now on: what is known holds until the first answer to that. */
		if (address_equal(&core->policy->backends[before].address, &backend->address) &&
		    core->policy->backends[before].port == backend->port) {
			to->health = core->facts.backends[before].health;
			to->cause = core->facts.backends[before].cause;
			to->load = core->facts.backends[before].load;
		}
	}
	*ret_facts = facts;
	return 0;
}

static void check_paths(struct core *core)
{
	for (size_t b = 0; !core->paths && b < core->policy->backend_count; b++)
		if (USHER_FORWARD_IS_TUNNEL(core->policy->backends[b].forward)) {
			core_problem(core, "what routers inside tunnels say of the path MTU is not heard: %s",
				     strerror(-core->paths_error));
			return;
		}
}

static struct edge_target target_of(const struct backend *backend)
{
	const struct health *health = &backend->health;
	struct edge_target target = {.address = backend->address,
				     .port = health->port ? health->port : backend->port,
				     .probe = (uint8_t)health->probe,
				     .verify = health->verify,
				     .interval_ms = health->interval_ms,
				     .timeout_ms = health->timeout_ms,
				     .rise = health->rise,
				     .fall = health->fall,
				     .jitter = health->jitter,
				     .status_count = (uint16_t)health->status_count};

	for (size_t i = 0; i < health->status_count; i++)
		target.status[i] = health->status[i];
	snprintf(target.host, sizeof(target.host), "%s", health->host ? health->host : "");
	snprintf(target.path, sizeof(target.path), "%s", health->path ? health->path : "");
	return target;
}

void core_watch(struct core *core)
{
	const struct policy *policy = core->policy;
	struct edge_target *targets = calloc(policy->backend_count + 1, sizeof(*targets));
	struct edge_source *sources = calloc(2 * policy->backend_count + 1, sizeof(*sources));
	struct edge_evaluator *evaluators = calloc(policy->evaluator_count + 1, sizeof(*evaluators));
	struct edge_name *names = calloc(policy->pool_count + 1, sizeof(*names));
	struct usher_address *addresses = calloc(policy->backend_count + 1, sizeof(*addresses));
	size_t *watched = calloc(policy->backend_count + 1, sizeof(*watched));
	size_t *scraped = calloc(2 * policy->backend_count + 1, sizeof(*scraped));
	struct edge_list list = {.items = {[EDGE_TARGETS] = targets,
					   [EDGE_SOURCES] = sources,
					   [EDGE_EVALUATORS] = evaluators,
					   [EDGE_SERIES] = core->standing.gates->series,
					   [EDGE_NAMES] = names},
				 .counts[EDGE_EVALUATORS] = (uint32_t)policy->evaluator_count,
				 .counts[EDGE_SERIES] = (uint32_t)core->standing.gates->series_count};

	if (!targets || !sources || !evaluators || !names || !addresses || !watched || !scraped)
		abort();
	for (size_t b = 0; b < policy->backend_count; b++) {
		const struct backend *backend = &policy->backends[b];

		addresses[b] = backend->address;
		if (backend->health.probe != HEALTH_PROBE_NONE) {
			watched[list.counts[EDGE_TARGETS]] = b;
			targets[list.counts[EDGE_TARGETS]++] = target_of(backend);
		}
		if (backend->load.server != LOAD_NOT_SCRAPED) {
			scraped[list.counts[EDGE_SOURCES]] = b;
			sources[list.counts[EDGE_SOURCES]++] = core_source(backend);
		}
		if (backend->verify.given) {
			scraped[list.counts[EDGE_SOURCES]] = b;
			sources[list.counts[EDGE_SOURCES]++] = core_identity_source(backend);
		}
	}
	for (size_t e = 0; e < policy->evaluator_count; e++)
		evaluators[e] = gates_evaluator(core->standing.gates, policy, e);
	list.counts[EDGE_NAMES] = core_pools_names(core, names);
	free(core->watched);
	free(core->scraped);
	core->watched = watched;
	core->watched_count = list.counts[EDGE_TARGETS];
	core->scraped = scraped;
	core->scraped_count = list.counts[EDGE_SOURCES];
	int error = neighbours_watch(core->neighbours, addresses, policy->backend_count);

	if (error)
		core_problem(core, "cannot watch the next hops of backends: %s", strerror(-error));
	neighbours_tick(core->neighbours, clock_monotonic());
	check_paths(core);
	error = edge_watch(core->edge, &list, ++core->watch_round);
	if (error)
		core_problem(core, "the edge does not take its list of backends: %s", strerror(-error));
	free(targets);
	free(sources);
	free(evaluators);
	free(names);
	free(addresses);
}

bool core_settled(const struct core *core)
{
	for (size_t b = 0; core->policy && b < core->policy->backend_count; b++) {
		const struct backend *backend = &core->policy->backends[b];

		if (backend->health.probe != HEALTH_PROBE_NONE && core->facts.backends[b].health == HEALTH_UNKNOWN)
			return false;
		if (backend->verify.given && !core->facts.backends[b].verification.asked &&
		    core->facts.backends[b].verification.state != VERIFICATION_VERIFIED)
			return false;
		if (!core->facts.backends[b].next_hop.resolved &&
		    !neighbours_settled(core->neighbours, &backend->address))
			return false;
	}
	return true;
}
