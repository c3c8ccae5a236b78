// SPDX-License-Identifier: GPL-2.0-only
#include "judge.h"

#include <string.h>

static const struct ref_region nowhere;

/* ---- regions and names ------------------------------------------------------------------------------------- */

static bool named(const struct ref_names *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++)
		if (!strcmp(names->items[i], name))
			return true;
	return false;
}

static bool is_unknown(const struct ref_region *region)
{
	return !region->country[0];
}

/* Wholly inside one of the regions: the country itself, or exactly that part of it. */
static bool certainly_inside(const struct ref_region *region, const struct ref_regions *list)
{
	if (is_unknown(region))
		return list->unknown;
	for (size_t i = 0; i < list->count; i++) {
		const struct ref_region *item = &list->items[i];

		if (!strcmp(item->country, region->country) && (!item->part[0] || !strcmp(item->part, region->part)))
			return true;
	}
	return false;
}

/* Nowhere near any of them: another country, or another part where both name one. Unknown is never outside. */
static bool certainly_outside(const struct ref_region *region, const struct ref_regions *list)
{
	if (is_unknown(region))
		return false;
	for (size_t i = 0; i < list->count; i++) {
		const struct ref_region *item = &list->items[i];

		if (strcmp(item->country, region->country))
			continue;
		if (!item->part[0] || !region->part[0] || !strcmp(item->part, region->part))
			return false;
	}
	return true;
}

/* ---- does a rule apply? ------------------------------------------------------------------------------------ */

static bool takes_away(const struct ref_rule *rule)
{
	return rule->effect == REF_DENY || rule->effect == REF_DENY_BACKENDS || rule->effect == REF_REQUIRE;
}

static bool applies(const struct ref_rule *rule, const struct ref_service *service, const struct ref_client *client)
{
	const struct ref_regions *regions = &rule->client_regions;

	if (rule->services.given && !named(&rule->services, service->name))
		return false;
	if (rule->tenants.given && !named(&rule->tenants, client->tenant))
		return false;
	if (rule->effect == REF_ALLOW && !rule->tenants.given && !strcmp(client->tenant, "unknown"))
		return false;
	if (!regions->given)
		return true;
	return takes_away(rule) ? !certainly_outside(&client->region, regions)
				: certainly_inside(&client->region, regions);
}

static const struct ref_rule *first(const struct ref_policy *policy, enum ref_effect effect,
				    const struct ref_service *service, const struct ref_client *client)
{
	for (size_t i = 0; i < policy->rule_count; i++)
		if (policy->rules[i].effect == effect && applies(&policy->rules[i], service, client))
			return &policy->rules[i];
	return NULL;
}

/* ---- who may answer? --------------------------------------------------------------------------------------- */

enum label_state { LABEL_MISSING, LABEL_LAPSED, LABEL_GOOD };

static enum label_state label_of(const struct ref_version *version, const char *name)
{
	for (size_t i = 0; i < version->label_count; i++)
		if (!strcmp(version->labels[i].name, name))
			return version->labels[i].lapsed ? LABEL_LAPSED : LABEL_GOOD;
	return LABEL_MISSING;
}

/* "3.1.0" of any model, or "model@3.1.0". */
static bool names_version(const struct ref_names *names, const struct ref_version *version)
{
	for (size_t i = 0; i < names->count; i++) {
		const char *at = strchr(names->items[i], '@');
		const char *name = at ? at + 1 : names->items[i];
		size_t length = at ? (size_t)(at - names->items[i]) : 0;

		if (strcmp(name, version->name))
			continue;
		if (!at || (strlen(version->model) == length && !strncmp(names->items[i], version->model, length)))
			return true;
	}
	return false;
}

/* All the keys that are given hold, apart from labels. */
static bool matches_but_labels(const struct ref_match *match, const struct ref_backend *backend)
{
	const struct ref_version *version = backend->version;

	if (match->regions.given && !certainly_inside(&backend->region, &match->regions))
		return false;
	if (match->models.given && !named(&match->models, version->model))
		return false;
	if (match->versions.given && !names_version(&match->versions, version))
		return false;
	if (match->backends.given && !named(&match->backends, backend->name))
		return false;
	if (match->stages.given && !named(&match->stages, version->stage))
		return false;
	return !match->score_given || (version->validated && version->score >= match->score_min);
}

static enum label_state labels_of(const struct ref_match *match, const struct ref_version *version)
{
	enum label_state worst = LABEL_GOOD;

	for (size_t i = 0; i < match->labels.count; i++) {
		enum label_state state = label_of(version, match->labels.items[i]);

		if (state < worst)
			worst = state;
	}
	return worst;
}

/* Why this rule takes the backend away, or 0. */
static uint8_t removal(const struct ref_rule *rule, const struct ref_backend *backend)
{
	enum label_state labels = labels_of(&rule->match, backend->version);
	bool matches = matches_but_labels(&rule->match, backend);

	if (rule->effect == REF_DENY_BACKENDS)
		return matches && labels == LABEL_GOOD ? USHER_REASON_DENY_BACKENDS : 0;
	if (!matches || labels == LABEL_MISSING)
		return USHER_REASON_REQUIRE_RULE;
	return labels == LABEL_LAPSED ? USHER_REASON_EVIDENCE_EXPIRED : 0;
}

static bool serves(const struct ref_backend *backend, const struct ref_service *service)
{
	return !strcmp(backend->version->model, service->model);
}

/* ---- one decision, step by step ---------------------------------------------------------------------------- */

/* Candidates fall step by step; the step that takes the last one gives the reason. */
struct candidates {
	ref_backends left;
	uint8_t reason;
	const struct ref_rule *rule;
};

static void take(struct candidates *candidates, ref_backends taken, uint8_t reason, const struct ref_rule *rule)
{
	if (!(candidates->left & taken))
		return;
	candidates->left &= ~taken;
	if (candidates->left)
		return;
	candidates->reason = reason;
	candidates->rule = rule;
}

static struct candidates everyone(const struct ref_policy *policy, const struct ref_service *service)
{
	struct candidates candidates = {.reason = USHER_REASON_NO_BACKEND};

	for (size_t i = 0; i < policy->backend_count; i++)
		if (serves(&policy->backends[i], service))
			candidates.left |= 1ULL << i;
	return candidates;
}

static void take_by_rule(const struct ref_policy *policy, struct candidates *candidates, const struct ref_rule *rule)
{
	static const uint8_t reasons[] = {USHER_REASON_EVIDENCE_EXPIRED, USHER_REASON_DENY_BACKENDS,
					  USHER_REASON_REQUIRE_RULE};

	for (size_t r = 0; r < sizeof(reasons); r++) {
		ref_backends taken = 0;

		for (size_t i = 0; i < policy->backend_count; i++)
			if (removal(rule, &policy->backends[i]) == reasons[r])
				taken |= 1ULL << i;
		take(candidates, taken, reasons[r], rule);
	}
}

/* Leaves the constraint set. also: a second service whose rules apply as well, or NULL. */
static void constrain(const struct ref_policy *policy, struct candidates *candidates, const struct ref_service *service,
		      const struct ref_service *also, const struct ref_client *client)
{
	ref_backends lapsed = 0, quarantined = 0, gated = 0, unverified = 0, other_family = 0;

	for (size_t i = 0; i < policy->rule_count; i++) {
		const struct ref_rule *rule = &policy->rules[i];

		if (rule->effect != REF_REQUIRE && rule->effect != REF_DENY_BACKENDS)
			continue;
		if (applies(rule, service, client) || (also && applies(rule, also, client)))
			take_by_rule(policy, candidates, rule);
	}
	for (size_t i = 0; i < policy->backend_count; i++) {
		if (policy->backends[i].version->validated && policy->backends[i].version->validation_lapsed)
			lapsed |= 1ULL << i;
		if (policy->backends[i].quarantined || policy->backends[i].version->quarantined)
			quarantined |= 1ULL << i;
		if (policy->backends[i].gated || policy->backends[i].version->gated)
			gated |= 1ULL << i;
		if (policy->backends[i].verify && !policy->backends[i].verified)
			unverified |= 1ULL << i;
		if (policy->backends[i].ipv6 != client->ipv6 && !policy->backends[i].tunnel)
			other_family |= 1ULL << i;
	}
	take(candidates, lapsed, USHER_REASON_EVIDENCE_EXPIRED, NULL);
	take(candidates, other_family, USHER_REASON_ADDRESS_FAMILY, NULL);
	take(candidates, quarantined, USHER_REASON_QUARANTINED, NULL);
	take(candidates, gated, USHER_REASON_GATE_BREACHED, NULL);
	take(candidates, unverified, USHER_REASON_UNVERIFIED, NULL);
}

static uint32_t share_of(const struct ref_rule *split, const struct ref_backend *backend)
{
	for (size_t i = 0; i < split->share_count; i++)
		if (!strcmp(split->shares[i].version, backend->version->name))
			return split->shares[i].weight;
	return 0;
}

static size_t tier_of(const struct ref_service *service, const struct ref_backend *backend)
{
	for (size_t t = 0; t < service->tier_count; t++)
		if (certainly_inside(&backend->region, &service->tiers[t]))
			return t + 1;
	return 0;
}

/* Those in tiers that are not open, of backends that share one arm. One that nobody stands before is. */
static ref_backends beyond_tiers(const struct ref_policy *policy, ref_backends left, const struct ref_service *service)
{
	size_t open = service->open, first_one = SIZE_MAX;
	ref_backends beyond = 0;

	for (size_t i = 0; i < policy->backend_count; i++)
		if (left >> i & 1 && tier_of(service, &policy->backends[i]) < first_one)
			first_one = tier_of(service, &policy->backends[i]);
	if (first_one != SIZE_MAX && first_one > open)
		open = first_one;
	for (size_t i = 0; i < policy->backend_count; i++)
		if (left >> i & 1 && tier_of(service, &policy->backends[i]) > open)
			beyond |= 1ULL << i;
	return beyond;
}

/* The outliers among these that may be left out, in the order in which they went. */
static ref_backends outliers(const struct ref_policy *policy, ref_backends left)
{
	ref_backends out = 0;
	uint32_t most = left ? policy->backends[__builtin_ctzll(left)].version->outliers : 0;

	for (;;) {
		size_t next = SIZE_MAX;

		for (size_t i = 0; i < policy->backend_count; i++)
			if (left >> i & 1 && !(out >> i & 1) && policy->backends[i].ejected &&
			    (next == SIZE_MAX || policy->backends[i].ejected < policy->backends[next].ejected))
				next = i;
		if (next == SIZE_MAX ||
		    100.0 * (__builtin_popcountll(out) + 1) / __builtin_popcountll(left) > (double)most)
			return out;
		out |= 1ULL << next;
	}
}

static ref_backends beyond_tiers_of_arms(const struct ref_policy *policy, ref_backends left,
					 const struct ref_service *service, const struct ref_rule *split)
{
	ref_backends beyond = 0;

	if (!split)
		return beyond_tiers(policy, left, service);
	for (size_t s = 0; s < split->share_count; s++) {
		ref_backends arm = 0;

		for (size_t i = 0; i < policy->backend_count; i++)
			if (left >> i & 1 && !strcmp(policy->backends[i].version->name, split->shares[s].version))
				arm |= 1ULL << i;
		beyond |= beyond_tiers(policy, arm, service);
	}
	return beyond;
}

/* Leaves the start set. */
static void restrain(const struct ref_policy *policy, struct candidates *candidates, const struct ref_service *service,
		     const struct ref_rule *split)
{
	ref_backends no_share = 0, draining = 0, down = 0, unreachable = 0;

	for (size_t i = 0; i < policy->backend_count; i++) {
		const struct ref_backend *backend = &policy->backends[i];

		if (split && !share_of(split, backend))
			no_share |= 1ULL << i;
		if (backend->draining)
			draining |= 1ULL << i;
		if (backend->down)
			down |= 1ULL << i;
		if (backend->unreachable)
			unreachable |= 1ULL << i;
	}
	if (service->rerouted)
		take(candidates, candidates->left, USHER_REASON_GATE_BREACHED, NULL);
	take(candidates, no_share, USHER_REASON_NO_SHARE, split);
	take(candidates, draining, USHER_REASON_DRAINING, NULL);
	take(candidates, down, USHER_REASON_UNHEALTHY, NULL);
	take(candidates, unreachable, USHER_REASON_UNREACHABLE, NULL);
	take(candidates, outliers(policy, candidates->left), USHER_REASON_EJECTED, NULL);
	take(candidates, beyond_tiers_of_arms(policy, candidates->left, service, split), USHER_REASON_TIER_CLOSED,
	     NULL);
}

static void fill_arms(const struct ref_policy *policy, ref_backends start, const struct ref_rule *split,
		      struct ref_judgement *judgement)
{
	if (!split && start)
		judgement->arms[judgement->arm_count++] = (struct ref_arm){.weight = 1, .backends = start};
	for (size_t s = 0; split && s < split->share_count; s++) {
		struct ref_arm arm = {.version = split->shares[s].version, .weight = split->shares[s].weight};
		const struct ref_version *version = NULL;

		for (size_t i = 0; i < policy->backend_count; i++)
			if (start >> i & 1 && !strcmp(policy->backends[i].version->name, arm.version)) {
				arm.backends |= 1ULL << i;
				version = policy->backends[i].version;
			}
		if (version)
			arm.weight *= version->share ? version->share : 100;
		if (arm.weight && arm.backends)
			judgement->arms[judgement->arm_count++] = arm;
	}
}

static void judge_reroute(const struct ref_policy *policy, const struct ref_service *service,
			  const struct ref_client *client, struct ref_judgement *judgement)
{
	const struct ref_rule *reroute = first(policy, REF_REROUTE, service, client);

	if (!reroute)
		return;
	const struct ref_service *target = ref_service_named(policy, reroute->reroute);

	if (first(policy, REF_DENY, target, client) || !first(policy, REF_ALLOW, target, client))
		return;
	const struct ref_rule *split = first(policy, REF_SPLIT, target, client);
	struct candidates candidates = everyone(policy, target);

	constrain(policy, &candidates, target, service, client);
	judgement->may_continue |= candidates.left;
	restrain(policy, &candidates, target, split);
	if (judgement->arm_count || !candidates.left)
		return;
	fill_arms(policy, candidates.left, split, judgement);
	judgement->reason = USHER_REASON_REROUTED;
	judgement->rule = reroute;
	judgement->target = target;
}

static uint32_t priority_of(const struct ref_policy *policy, const char *tenant)
{
	for (size_t t = 0; t < policy->tenant_count; t++)
		if (!strcmp(policy->tenants[t].name, tenant))
			return policy->tenants[t].priority;
	return 0;
}

/* How many different priorities are below somebody's; SIZE_MAX: it is the highest, which is never shed. */
static size_t rank_of(const struct ref_policy *policy, const char *tenant)
{
	uint32_t own = priority_of(policy, tenant), lower = own > 0, highest = 0;

	for (size_t t = 0; t < policy->tenant_count; t++) {
		uint32_t priority = policy->tenants[t].priority;
		bool again = priority == 0;

		for (size_t u = 0; u < t; u++)
			again |= policy->tenants[u].priority == priority;
		lower += !again && priority < own;
		if (priority > highest)
			highest = priority;
	}
	return own < highest ? lower : SIZE_MAX;
}

/* Who would have been given a backend is given none. */
static void shed(const struct ref_policy *policy, const struct ref_service *service, const struct ref_client *client,
		 struct ref_judgement *judgement)
{
	size_t rank = rank_of(policy, service->tenant ? service->tenant : client->tenant);
	uint32_t all = 0;

	if (!judgement->arm_count)
		return;
	if (rank == service->shed && service->shed_part) {
		for (size_t a = 0; a < judgement->arm_count; a++) {
			all += judgement->arms[a].weight;
			judgement->arms[a].weight *= 100 - service->shed_part;
		}
		judgement->arms[judgement->arm_count++] =
			(struct ref_arm){.weight = all * service->shed_part, .shed = true};
	}
	if (rank >= service->shed)
		return;
	judgement->reason = USHER_REASON_SHED;
	judgement->silent = true;
	judgement->rule = NULL;
	judgement->target = service;
	judgement->arm_count = 0;
}

struct ref_judgement ref_judge(const struct ref_policy *policy, const struct ref_service *service,
			       const struct ref_client *client)
{
	struct ref_judgement judgement = {.target = service};
	const struct ref_rule *deny = first(policy, REF_DENY, service, client);
	const struct ref_rule *allow = first(policy, REF_ALLOW, service, client);

	if (deny || !allow) {
		judgement.reason = deny ? USHER_REASON_DENY_RULE : USHER_REASON_NO_ALLOW_RULE;
		judgement.rule = deny;
		judgement.silent = deny && deny->silent;
		return judgement;
	}
	const struct ref_rule *split = first(policy, REF_SPLIT, service, client);
	struct candidates candidates = everyone(policy, service);

	constrain(policy, &candidates, service, NULL, client);
	judgement.may_continue = candidates.left;
	restrain(policy, &candidates, service, split);
	fill_arms(policy, candidates.left, split, &judgement);
	judgement.reason = candidates.left ? USHER_REASON_ADMITTED : candidates.reason;
	judgement.rule = candidates.left ? allow : candidates.rule;
	judge_reroute(policy, service, client, &judgement);
	shed(policy, service, client, &judgement);
	return judgement;
}

/* ---- who asks? --------------------------------------------------------------------------------------------- */

static bool covers(const struct ref_prefix *prefix, const struct usher_address *address)
{
	for (unsigned int bit = 0; bit < prefix->bits; bit++) {
		unsigned int mask = 0x80u >> (bit % 8);

		if ((prefix->address.bytes[bit / 8] & mask) != (address->bytes[bit / 8] & mask))
			return false;
	}
	return true;
}

struct ref_client ref_classify(const struct ref_policy *policy, const struct usher_address *source,
			       const struct ref_service *service)
{
	struct ref_client client = {.tenant = "unknown", .region = nowhere, .ipv6 = !ref_is_ipv4(source)};
	const struct ref_prefix *best = NULL;

	for (size_t i = 0; i < policy->prefix_count; i++) {
		const struct ref_prefix *prefix = &policy->prefixes[i];

		if (ref_is_ipv4(&prefix->address) == client.ipv6 || !covers(prefix, source))
			continue;
		if (!best || prefix->bits > best->bits || (prefix->bits == best->bits && best->geo && !prefix->geo))
			best = prefix;
	}
	if (best) {
		client.tenant = best->tenant;
		client.region = best->region;
	}
	if (service->tenant)
		client.tenant = service->tenant;
	return client;
}
