// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/ejections.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "kernel/latency.h"
#include "policy/policy.h"
#include "daemon/kept.h"

static void free_ejections(struct ejections **ejections)
{
	ejections_free(*ejections);
}

void ejections_free(struct ejections *ejections)
{
	if (!ejections)
		return;
	free(ejections->items);
	free(ejections);
}

static int by_name(const void *name, const void *item)
{
	return strcmp(name, ((const struct ejection_instance *)item)->name);
}

static const struct ejection_instance *find(const struct ejections *ejections, const char *name)
{
	return ejections ? bsearch(name, ejections->items, ejections->count, sizeof(*ejections->items), by_name) : NULL;
}

static void make(const struct policy *policy, size_t backend, const struct ejections *before,
		 struct ejection_instance *instance)
{
	const struct ejection_instance *known = find(before, policy->backends[backend].name);

	if (known)
		*instance = *known;
	else
		instance->number = USHER_NONE;
	snprintf(instance->name, sizeof(instance->name), "%s", policy->backends[backend].name);
	instance->backend = backend;
}

int ejections_new(const struct policy *policy, const struct ejections *before, struct ejections **ret_ejections)
{
	_cleanup_(free_ejections) struct ejections *ejections = calloc(1, sizeof(*ejections));
	size_t count = 0;

	if (!ejections)
		return -ENOMEM;
	for (size_t b = 0; b < policy->backend_count; b++)
		count += policy_outlier(policy, b)->signals != 0;
	ejections->items = calloc(count + 1, sizeof(*ejections->items));
	if (!ejections->items)
		return -ENOMEM;
	for (size_t b = 0; b < policy->backend_count; b++)
		if (policy_outlier(policy, b)->signals)
			make(policy, b, before, &ejections->items[ejections->count++]);
	*ret_ejections = TAKE_PTR(ejections);
	return 0;
}

/* Who has gone first has the lowest number. */
static uint32_t rank_of(const struct ejections *ejections, size_t instance)
{
	const struct ejection *state = &ejections->items[instance].state;
	uint32_t rank = 1;

	for (size_t i = 0; i < ejections->count; i++)
		if (ejections->items[i].state.out &&
		    (ejections->items[i].state.since < state->since ||
		     (i < instance && ejections->items[i].state.since == state->since)))
			rank++;
	return rank;
}

void ejections_fill(const struct ejections *ejections, struct facts *facts)
{
	for (size_t b = 0; b < facts->backend_count; b++)
		facts->backends[b].ejected = 0;
	for (size_t i = 0; ejections && i < ejections->count; i++)
		if (ejections->items[i].state.out)
			facts->backends[ejections->items[i].backend].ejected = rank_of(ejections, i);
}

struct ejection_instance *ejections_find(const struct ejections *ejections, const char *backend)
{
	return (struct ejection_instance *)find(ejections, backend);
}

const char *ejection_print(const struct ejection_finding *finding, char text[EJECTION_TEXT])
{
	static const char *const what[] = {
		[OUTLIER_CONNECT] = "connections were refused or not answered",
		[OUTLIER_RESETS] = "requests were broken off",
		[OUTLIER_GIVEN_UP] = "requests were given up by their clients",
	};

	if (finding->signal == OUTLIER_FIRST_BYTE)
		snprintf(text, EJECTION_TEXT,
			 "%.0f of %.0f answers began after more than %.3g s, unlike those of its peers",
			 finding->own.successes, finding->own.trials, latency_bound(finding->slow_bucket));
	else
		snprintf(text, EJECTION_TEXT, "%.0f of %.0f %s, of its peers' %.0f of %.0f", finding->own.successes,
			 finding->own.trials, what[finding->signal], finding->peers.successes, finding->peers.trials);
	return text;
}

void ejection_describe(struct json *to, const struct ejection_finding *finding)
{
	char text[EJECTION_TEXT];

	json_string(to, "signal", outlier_signal_words[finding->signal]);
	json_number(to, "failures", finding->own.successes);
	json_number(to, "samples", finding->own.trials);
	if (finding->signal == OUTLIER_FIRST_BYTE) {
		json_null(to, "peer_failures");
		json_number(to, "slower_than_seconds", latency_bound(finding->slow_bucket));
	} else {
		json_number(to, "peer_failures", finding->peers.successes);
		json_null(to, "slower_than_seconds");
	}
	json_number(to, "peer_samples", finding->peers.trials);
	json_string(to, "text", ejection_print(finding, text));
}

/* ---- text ---------------------------------------------------------------------------------------------------- */

void ejections_print(struct json *to, const struct ejections *ejections)
{
	json_array_begin(to, NULL);
	for (size_t i = 0; ejections && i < ejections->count; i++) {
		const struct ejection *state = &ejections->items[i].state;

		if (!state->since)
			continue;
		json_object_begin(to, NULL);
		json_string(to, "backend", ejections->items[i].name);
		json_boolean(to, "out", state->out);
		json_integer(to, "since", state->since);
		json_integer(to, "until", state->until);
		json_unsigned(to, "doublings", state->doublings);
		json_object_end(to);
	}
	json_array_end(to);
}

static int begin(void *context, size_t count)
{
	struct ejections *ejections = context;

	ejections->items = calloc(count + 1, sizeof(*ejections->items));
	return ejections->items ? 0 : -ENOMEM;
}

static int parse_instance(void *context, struct json_object *object)
{
	struct ejections *ejections = context;
	struct ejection_instance *instance = &ejections->items[ejections->count++];
	struct json_object *out = kept_member(object, "out", json_type_boolean);
	int64_t since, until, doublings;

	instance->number = USHER_NONE;
	if (!out || kept_text(object, "backend", instance->name, sizeof(instance->name)) ||
	    kept_integer(object, "since", INT64_MAX, &since) || kept_integer(object, "until", INT64_MAX, &until) ||
	    kept_integer(object, "doublings", EJECTION_DOUBLINGS_MAX, &doublings))
		return -EINVAL;
	instance->state.out = json_object_get_boolean(out) != 0;
	instance->state.since = since;
	instance->state.until = until;
	instance->state.doublings = (uint32_t)doublings;
	if (ejections->count > 1 && strcmp(instance[-1].name, instance->name) >= 0)
		return -EINVAL;
	return ejection_is_sound(&instance->state) ? 0 : -EINVAL;
}

int ejections_parse(const char *text, size_t length, struct ejections **ret_ejections)
{
	struct ejections *ejections = calloc(1, sizeof(*ejections));
	int error = ejections ? kept_list(text, length, USHER_BACKENDS_MAX, begin, parse_instance, ejections) : -ENOMEM;

	if (error)
		ejections_free(ejections);
	else
		*ret_ejections = ejections;
	return error;
}
