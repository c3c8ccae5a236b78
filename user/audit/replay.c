// SPDX-License-Identifier: GPL-2.0-only
#include "audit/replay.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "audit/record.h"
#include "base/address.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "compile/intern.h"
#include "policy/prefix.h"
#include "policy/reference.h"
#include "policy/region.h"

const char *const replay_outcome_words[REPLAY_OUTCOMES] = {
	[REPLAY_SAME] = "same",
	[REPLAY_DENIED] = "allowed-to-denied",
	[REPLAY_ALLOWED] = "denied-to-allowed",
	[REPLAY_MOVED] = "moved",
	[REPLAY_OF_THE_MOMENT] = "of-the-moment",
	[REPLAY_UNANSWERABLE] = "unanswerable",
	[REPLAY_SPLIT] = "split-prefix",
};

/* Decisions of one service that have been made, by class; NULL: not yet. */
struct replay_service {
	struct decision **by_class;
};

/* Classes that addresses of a range have. */
struct replay_range {
	uint16_t *classes;
	size_t count;
};

struct replay {
	const struct policy *policy;
	struct intern range_keys;
	struct replay_range *ranges; /* by number of the key */
	size_t range_room;
	struct effective *effective;
	struct source_trees *trees;
	struct replay_service *services;
};

static void close_replay(struct replay **replay)
{
	replay_close(*replay);
}

void replay_close(struct replay *replay)
{
	if (!replay)
		return;
	for (size_t s = 0; replay->services && s < replay->policy->service_count; s++) {
		struct decision **by_class = replay->services[s].by_class;

		for (size_t c = 0; by_class && c < replay->trees->classes.count; c++)
			decision_free(by_class[c]);
		free(by_class);
	}
	free(replay->services);
	for (size_t i = 0; i < replay->range_keys.count; i++)
		free(replay->ranges[i].classes);
	free(replay->ranges);
	intern_free(&replay->range_keys);
	source_trees_release(replay->trees);
	effective_free(replay->effective);
	free(replay);
}

int replay_open(const struct policy *policy, int64_t now, struct replay **ret_replay)
{
	_cleanup_(close_replay) struct replay *replay = calloc(1, sizeof(*replay));
	int error = replay ? decide(policy, NULL, now, &replay->effective) : -ENOMEM;

	if (error)
		return error;
	replay->policy = policy;
	replay->trees = source_trees_of(policy, NULL);
	replay->services = calloc(policy->service_count + 1, sizeof(*replay->services));
	if (!replay->services)
		return -ENOMEM;
	*ret_replay = TAKE_PTR(replay);
	return 0;
}

/* ---- who asks what ------------------------------------------------------------------------------------------- */

static size_t find_service(const struct policy *policy, const struct replay_question *question)
{
	const struct named services = NAMED("service", policy->services, policy->service_count);

	if (!question->has_address)
		return named_find(&services, question->service);
	for (size_t s = 0; s < policy->service_count; s++)
		for (size_t a = 0; a < policy->services[s].address_count; a++) {
			const struct service_address *at = &policy->services[s].addresses[a];

			if (policy->services[s].protocol == question->protocol && at->port == question->port &&
			    address_equal(&at->address, &question->address))
				return s;
		}
	return POLICY_NONE;
}

/* SIZE_MAX: the policy has no such class. */
static size_t recorded_class(const struct replay *replay, size_t service, const struct replay_question *question)
{
	const struct policy *policy = replay->policy;
	const struct named tenants = NAMED("tenant", policy->tenants, policy->tenant_count);
	const struct classes *classes = &replay->trees->classes;
	struct class class = {.family = address_family(question->has_address
							       ? &question->address
							       : &policy->services[service].addresses[0].address)};

	if (!strcmp(question->tenant, "unknown")) {
		class.tenant = POLICY_UNKNOWN_TENANT;
		return classes_find(classes, &class);
	}
	class.tenant = named_find(&tenants, question->tenant);
	if (class.tenant == POLICY_NONE || region_parse(question->region, &class.region))
		return SIZE_MAX;
	for (size_t c = 2; c < classes->count; c++)
		if (!class_compare(&classes->items[c], &class))
			return c;
	return SIZE_MAX;
}

static const struct decision *decision_for(struct replay *replay, size_t service, size_t class_number)
{
	struct replay_service *of = &replay->services[service];
	const struct classes *classes = &replay->trees->classes;
	const struct class *class = &classes->items[class_number];
	size_t owner = replay->policy->services[service].tenant;

	if (!of->by_class)
		of->by_class = calloc(classes->count + 1, sizeof(struct decision *));
	if (!of->by_class)
		abort();
	if (!of->by_class[class_number])
		of->by_class[class_number] =
			decision_make(replay->effective, service, owner == POLICY_NONE ? class->tenant : owner,
				      &class->region, class->family);
	return of->by_class[class_number];
}

/* ---- what would come of it ----------------------------------------------------------------------------------- */

enum kind { WAS_ALLOWED, WAS_DENIED, WAS_NEITHER };

/* As a flow began; an adopted one is decided like a new one. What comes later (confirmed, reaffirmed, revoked) is neither: it goes by who may
 * continue, and its flow has been counted. */
static enum kind kind_of(uint8_t reason)
{
	switch (reason) {
	case USHER_REASON_ADMITTED:
	case USHER_REASON_REROUTED:
	case USHER_REASON_ADOPTED:
		return WAS_ALLOWED;
	case USHER_REASON_DENY_RULE:
	case USHER_REASON_NO_ALLOW_RULE:
	case USHER_REASON_NO_BACKEND:
	case USHER_REASON_REQUIRE_RULE:
	case USHER_REASON_DENY_BACKENDS:
	case USHER_REASON_EVIDENCE_EXPIRED:
	case USHER_REASON_ADDRESS_FAMILY:
	case USHER_REASON_NO_SHARE:
		return WAS_DENIED;
	default:
		return WAS_NEITHER;
	}
}

/* The part of a name that all members of a pool have, with its dot; 0: it is no member's. */
static size_t pool_part(const struct policy *policy, const char *backend)
{
	for (size_t p = 0; p < policy->pool_count; p++) {
		size_t length = strlen(policy->pools[p].name);

		if (!strncmp(policy->pools[p].name, backend, length) && backend[length] == '.')
			return length + 1;
	}
	return 0;
}

/* What of the policy keeps new flows from the candidate, or 0. Which overflow tiers are open and how far a roll-out is, are the moment's. */
static uint8_t hindrance(const struct policy *policy, const struct shortlist *list, const struct candidate *candidate)
{
	const struct rollout_policy *rollout = list->rollout == POLICY_NONE ? NULL : &policy->rollouts[list->rollout];
	size_t version = policy->backends[candidate->backend].version;

	if (candidate->constraint_reason)
		return candidate->constraint_reason;
	if (candidate->start_reason != USHER_REASON_NO_SHARE)
		return 0;
	return rollout && (rollout->from == version || rollout->to == version) ? 0 : USHER_REASON_NO_SHARE;
}

/* Could a flow begin at the backend of this name, and if not, why? For the members of a pool, which nobody asks here, one of each region
 * stands in: one that could is enough. */
static bool may_begin(const struct policy *policy, const struct shortlist *list, const char *backend,
		      struct replay_answer *answer)
{
	size_t part = pool_part(policy, backend);

	answer->reason = USHER_REASON_NO_BACKEND;
	answer->rule = POLICY_NONE;
	for (size_t i = 0; i < list->count; i++) {
		const struct candidate *candidate = &list->candidates[i];
		const char *name = policy->backends[candidate->backend].name;

		if (part ? strncmp(name, backend, part) != 0 : strcmp(name, backend) != 0)
			continue;
		answer->reason = hindrance(policy, list, candidate);
		answer->rule = candidate->rule;
		answer->rollout = answer->reason == USHER_REASON_NO_SHARE ? list->rollout : POLICY_NONE;
		if (!answer->reason)
			return true;
	}
	return false;
}

/* Who was rerouted may be again, in a moment like that one. What that list does not have may be the service's own. */
static bool is_kept(const struct replay *replay, const struct replay_question *question,
		    const struct decision *decision, struct replay_answer *why)
{
	bool again = question->reason == USHER_REASON_REROUTED && decision->rerouted;
	const struct shortlist *list = again ? decision->rerouted : decision->answering;

	return may_begin(replay->policy, list, question->backend, why) ||
	       (why->reason == USHER_REASON_NO_BACKEND &&
		may_begin(replay->policy, decision->own, question->backend, why));
}

static void compare(const struct replay *replay, const struct replay_question *question,
		    const struct decision *decision, struct replay_answer *answer)
{
	bool was = kind_of(question->reason) == WAS_ALLOWED, is = decision->answering;

	answer->reason = decision->reason;
	answer->rule = decision->rule;
	answer->outcome = was == is ? REPLAY_SAME : was ? REPLAY_DENIED : REPLAY_ALLOWED;
	if (was && is && question->backend[0]) {
		struct replay_answer why = *answer;

		if (!is_kept(replay, question, decision, &why)) {
			*answer = why;
			answer->outcome = REPLAY_MOVED;
		}
	}
}

static const struct replay_range *range_of(struct replay *replay, const struct replay_question *question)
{
	struct {
		struct usher_address address;
		uint64_t bits;
	} key = {question->client, question->range_bits};
	size_t before = replay->range_keys.count, number = intern(&replay->range_keys, &key, sizeof(key));
	struct replay_range *range;

	if (number == before) {
		replay->ranges = array_grow(replay->ranges, before, &replay->range_room, sizeof(*replay->ranges));
		range = &replay->ranges[number];
		source_trees_within(replay->trees, &key.address, question->range_bits, &range->classes, &range->count);
	}
	return &replay->ranges[number];
}

/* Is it one outcome, whoever of the range it was? */
static bool compare_range(struct replay *replay, const struct replay_question *question, size_t service,
			  const struct replay_range *range, struct replay_answer *answer)
{
	for (size_t i = 0; i < range->count; i++) {
		struct replay_answer one = *answer;

		compare(replay, question, decision_for(replay, service, range->classes[i]), &one);
		if (i && one.outcome != answer->outcome)
			return false;
		if (!i)
			*answer = one;
	}
	return true;
}

static bool is_among(const struct replay_range *range, size_t class_number)
{
	for (size_t i = 0; i < range->count; i++)
		if (range->classes[i] == class_number)
			return true;
	return false;
}

/* As the record has it, which says no more of who it was, or of a range that is not all one. */
static enum replay_outcome ask_by_recorded(struct replay *replay, const struct replay_question *question,
					   size_t service, const struct replay_range *range,
					   struct replay_answer *answer)
{
	size_t class_number = recorded_class(replay, service, question);

	if (class_number == SIZE_MAX)
		return REPLAY_UNANSWERABLE;
	if (range && !is_among(range, class_number))
		return REPLAY_SPLIT;
	answer->by_recorded = true;
	compare(replay, question, decision_for(replay, service, class_number), answer);
	return answer->outcome;
}

void replay_ask(struct replay *replay, const struct replay_question *question, struct replay_answer *ret_answer)
{
	const struct replay_answer none = {
		.outcome = REPLAY_OF_THE_MOMENT, .rule = POLICY_NONE, .rollout = POLICY_NONE};
	struct replay_answer answer = none;
	const struct replay_range *range = NULL;
	enum replay_outcome outcome;
	size_t service;

	*ret_answer = none;
	if (kind_of(question->reason) == WAS_NEITHER)
		return;
	service = find_service(replay->policy, question);
	if (service == POLICY_NONE) { /* to the host, where nobody listens */
		ret_answer->outcome = kind_of(question->reason) == WAS_ALLOWED ? REPLAY_DENIED : REPLAY_SAME;
		ret_answer->reason = USHER_REASON_NOT_FOR_SERVICE;
		return;
	}
	if (question->has_client) {
		size_t class_number = source_trees_find(replay->trees, &question->client);

		compare(replay, question, decision_for(replay, service, class_number), ret_answer);
		return;
	}
	if (question->has_range)
		range = range_of(replay, question);
	if (range && compare_range(replay, question, service, range, &answer)) {
		*ret_answer = answer;
		return;
	}
	answer = none;
	outcome = range && question->by_prefix ? REPLAY_SPLIT
					       : ask_by_recorded(replay, question, service, range, &answer);
	*ret_answer = answer;
	ret_answer->outcome = outcome;
}

/* ---- lines --------------------------------------------------------------------------------------------------- */

static const char *text_behind(const char *line, size_t length, const char *key, size_t *ret_length)
{
	const char *at = memmem(line, length, key, strlen(key)), *end;

	if (!at)
		return NULL;
	at += strlen(key);
	end = memchr(at, '"', (size_t)(line + length - at));
	if (!end)
		return NULL;
	*ret_length = (size_t)(end - at);
	return at;
}

/* Names hold no character that JSON would escape. What is longer than it can be is none. */
static void take_text(const char *line, size_t length, const char *key, char *to, size_t room)
{
	size_t size;
	const char *text = text_behind(line, length, key, &size);

	if (!text || size >= room)
		size = 0;
	if (size)
		memcpy(to, text, size);
	to[size] = '\0';
}

static uint64_t number_at(const char *at, const char *end)
{
	uint64_t number = 0;

	for (int digits = 0; at < end && *at >= '0' && *at <= '9' && digits < 19; at++, digits++)
		number = number * 10 + (uint64_t)(*at - '0');
	return number;
}

static bool take_endpoint(const char *line, size_t length, const char *key, struct usher_address *ret_address,
			  uint16_t *ret_port)
{
	char text[ADDRESS_TEXT];
	size_t size;
	const char *at = text_behind(line, length, key, &size);

	if (!at || size >= sizeof(text))
		return false;
	memcpy(text, at, size);
	text[size] = '\0';
	if (address_parse(text, ret_address))
		return false;
	/* ","port":443} */
	at += size + 1;
	if (line + length - at < 9 || memcmp(at, ",\"port\":", 8) != 0)
		return false;
	*ret_port = (uint16_t)number_at(at + 8, line + length);
	return true;
}

/* The narrower of the network that is on record as the client's address, and the source prefix. Prefixes nest: one holds the other. */
static void take_range(const char *line, size_t length, struct replay_question *question)
{
	struct usher_address address;
	char prefix[PREFIX_TEXT];
	size_t size;
	const char *at = text_behind(line, length, ",\"src_endpoint\":{\"ip\":\"", &size);
	uint8_t bits;

	take_text(line, length, ",\"client_prefix\":\"", prefix, sizeof(prefix));
	if (!prefix_parse(prefix, strlen(prefix), &question->client, &question->range_bits))
		question->has_range = question->by_prefix = true;
	if (!at || size >= ADDRESS_TEXT || line + length - at < (ptrdiff_t)size + 9 ||
	    memcmp(at + size + 1, ",\"bits\":", 8) != 0)
		return;
	snprintf(prefix, sizeof(prefix), "%.*s/%u", (int)size, at,
		 (unsigned int)number_at(at + size + 9, line + length));
	if (prefix_parse(prefix, strlen(prefix), &address, &bits) ||
	    (question->has_range && bits <= question->range_bits))
		return;
	question->has_range = true;
	question->client = address;
	question->range_bits = bits;
}

static uint8_t reason_named(const char *label)
{
	for (unsigned int r = 0; r < USHER_REASON_MAX; r++)
		if (!strcmp(record_reason((uint8_t)r), label))
			return (uint8_t)r;
	return USHER_REASON_MAX;
}

int replay_parse(const char *line, size_t length, struct replay_question *ret_question, uint64_t *ret_count)
{
	struct replay_question question = {0};
	char reason[32], protocol[8];
	const char *count;
	uint16_t port;

	if (!memmem(line, length < 64 ? length : 64, ",\"type\":\"decision\"", 18))
		return -ENOENT;
	take_text(line, length, ",\"reason\":\"", reason, sizeof(reason));
	question.reason = reason_named(reason);
	if (question.reason == USHER_REASON_MAX)
		return -EINVAL;
	take_text(line, length, ",\"tenant\":\"", question.tenant, sizeof(question.tenant));
	take_text(line, length, ",\"client_region\":\"", question.region, sizeof(question.region));
	take_text(line, length, ",\"service\":\"", question.service, sizeof(question.service));
	take_text(line, length, ",\"backend\":\"", question.backend, sizeof(question.backend));
	take_text(line, length, "\"protocol_name\":\"", protocol, sizeof(protocol));
	question.protocol = !strcmp(protocol, "udp") ? IPPROTO_UDP : IPPROTO_TCP;
	question.has_client = take_endpoint(line, length, ",\"src_endpoint\":{\"ip\":\"", &question.client, &port);
	if (!question.has_client)
		take_range(line, length, &question);
	question.has_address =
		take_endpoint(line, length, ",\"dst_endpoint\":{\"ip\":\"", &question.address, &question.port);
	count = memmem(line, length, ",\"count\":", 9);
	*ret_count = count ? number_at(count + 9, line + length) : 1;
	*ret_question = question;
	return 0;
}
