// SPDX-License-Identifier: GPL-2.0-only
/*
 * The verbs `quarantine` and `release`: a version, or one backend, is taken out of every constraint set, or put back. Kept by name,
 * as drains are: whatever policy comes, its quarantine goes on until somebody releases it.
 *
 * 1. What an answer says has happened is on the disk and in force, or will be with the publish that the start waits for.
 * 2. What could not be put in force is not kept either: asking again is trying again.
 */
#include "daemon/quarantine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "policy/suggestion.h"
#include "daemon/request.h"
#include "daemon/show.h"

static char *copy(const char *text)
{
	char *bytes = text ? strdup(text) : NULL;

	if (text && !bytes)
		abort();
	return bytes;
}

/* ---- what it is about ---------------------------------------------------------------------------------------- */

struct target {
	const char *name; /* as struct state_quarantine has it */
	bool backend;
	bool known; /* to the policy */
	const char *why;
};

/* Does the policy have such a version, or such a backend? */
static bool is_known(const struct core *core, const char *name)
{
	size_t index;

	if (strchr(name, '@'))
		return core->policy && version_find(core->policy, name) != POLICY_NONE;
	return !core_backend(core, name, &index);
}

static int not_a_version(const struct core *core, const struct target *target, struct answer *answer)
{
	const struct policy *policy = core->policy;
	char text[VERSION_TEXT];

	if (target->known)
		return answer_error(answer, PROTOCOL_USAGE, "%s is a backend, not a version: say --backend %s",
				    target->name, target->name);
	for (size_t v = 0; policy && v < policy->version_count; v++)
		if (!strcmp(policy->versions[v].name, target->name))
			return answer_error(answer, PROTOCOL_USAGE,
					    "a version is named MODEL@VERSION, not %s; did you mean %s?", target->name,
					    version_print(policy, v, text));
	return answer_error(answer, PROTOCOL_USAGE, "a version is named MODEL@VERSION, not %s", target->name);
}

static int read_target(const struct core *core, const struct request *request, struct answer *answer,
		       struct target *target)
{
	const char *version = NULL, *backend = NULL;

	if (protocol_string(request->frame, "version", &version) == -EINVAL ||
	    protocol_string(request->frame, "backend", &backend) == -EINVAL || !version == !backend) {
		answer_error(answer, PROTOCOL_USAGE, "the request names no version and no backend, or both");
		return PROTOCOL_USAGE;
	}
	if (protocol_string(request->frame, "why", &target->why) || !utf8_is_line(target->why, PROTOCOL_WHY_MAX)) {
		answer_error(answer, PROTOCOL_USAGE,
			     "why: one line of 1 to %d bytes of UTF-8 is expected, without control characters",
			     PROTOCOL_WHY_MAX);
		return PROTOCOL_USAGE;
	}
	target->backend = backend;
	target->name = backend ? backend : version;
	target->known = is_known(core, target->name);
	/* One name is never both: each is found only where it is asked for. */
	if (version && !strchr(version, '@'))
		return not_a_version(core, target, answer);
	if (backend && strchr(backend, '@'))
		return answer_error(answer, PROTOCOL_USAGE, "%s is no name of a backend", backend);
	return PROTOCOL_OK;
}

static const char *nearest_backend(const struct core *core, const char *name)
{
	return core->policy ? suggestion_find(name, core->policy->backends, core->policy->backend_count,
					      sizeof(*core->policy->backends))
			    : NULL;
}

/* By its two halves: a version of another model is another version. */
static const char *nearest_version(const struct policy *policy, const char *name, char text[VERSION_TEXT])
{
	const char *at = strchr(name, '@'), *near_model, *near = NULL;
	char model[USHER_NAME_MAX + 1];

	snprintf(model, sizeof(model), "%.*s", (int)(at - name), name);
	near_model =
		policy ? suggestion_find(model, policy->models, policy->model_count, sizeof(*policy->models)) : NULL;
	for (size_t m = 0; near_model && m < policy->model_count; m++) {
		const struct index_list *versions = &policy->models[m].versions;

		if (!strcmp(policy->models[m].name, near_model) && versions->count)
			near = suggestion_find(at + 1, &policy->versions[versions->items[0]], versions->count,
					       sizeof(*policy->versions));
	}
	if (!near)
		return NULL;
	snprintf(text, VERSION_TEXT, "%s@%s", near_model, near);
	return text;
}

static int unknown(const struct core *core, const struct target *target, const char *near, struct answer *answer)
{
	char text[VERSION_TEXT];

	if (!near)
		near = target->backend ? nearest_backend(core, target->name)
				       : nearest_version(core->policy, target->name, text);
	return answer_error(answer, PROTOCOL_USAGE, "the policy has no %s %s%s%s%s",
			    target->backend ? "backend" : "version", target->name, near ? "; did you mean " : "",
			    near ? near : "", near ? "?" : "");
}

/* ---- what comes of it ---------------------------------------------------------------------------------------- */

static uint64_t count_backends(const struct core *core, const struct state_quarantine *quarantine)
{
	uint64_t count = 0;

	for (size_t b = 0; core->policy && b < core->policy->backend_count; b++)
		count += quarantine_covers(quarantine, core->policy, b);
	return count;
}

/* quarantine: the one that there is, or that there was until now; NULL: none. */
static int report(const struct core *core, const struct state_quarantine *quarantine, bool changed,
		  struct answer *answer)
{
	const struct usher_generation *active = publisher_active(core->publisher);

	answer_number(answer, "generation", active->number);
	answer_number(answer, "epoch", active->epoch);
	answer_boolean(answer, "changed", changed);
	if (changed && core->patience)
		answer_boolean(answer, "pending", true);
	if (!quarantine)
		return PROTOCOL_OK;
	answer_number(answer, "backends", count_backends(core, quarantine));
	answer_text(answer, "why", quarantine->why);
	answer_time(answer, "since", quarantine->since);
	answer_number(answer, "uid", quarantine->uid);
	answer_text(answer, "user", quarantine->user);
	return PROTOCOL_OK;
}

static void record(struct core *core, const char *activity, const struct request *request, const struct target *target)
{
	struct json *to = journal_operation(core->journal, activity, &request->actor);
	const char *at = strchr(target->name, '@');

	if (target->backend) {
		json_string(to, "backend", target->name);
	} else {
		json_format(to, "model", "%.*s", (int)(at - target->name), target->name);
		json_string(to, "version", at + 1);
	}
	json_string(to, "why", target->why);
	core_record_generation(core, to);
	if (journal_operation_end(core->journal))
		core_problem(core, "the audit log in %s cannot be written", core->options->audit_dir);
}

static int carry_out(struct core *core, struct answer *answer)
{
	int error = state_save(core->state);

	if (error)
		return answer_error(answer, PROTOCOL_FAILED,
				    "cannot write the state folder %s: %s; nothing has changed",
				    core->options->state_dir, strerror(-error));
	if (core_refresh(core))
		return answer_error(answer, PROTOCOL_FAILED,
				    "cannot publish, so nothing has changed; `usher show` says why");
	return PROTOCOL_OK;
}

/* The state is again what it was before. */
static void undone(struct core *core)
{
	int error = state_save(core->state);

	if (error)
		core_problem(core, "cannot write the state folder %s: %s", core->options->state_dir, strerror(-error));
	core->dirty = true;
}

/* ---- the verbs ----------------------------------------------------------------------------------------------- */

int request_quarantine(struct core *core, const struct request *request, struct answer *answer)
{
	const struct state_quarantine *there;
	struct state_quarantine quarantine;
	struct target target;
	int status = read_target(core, request, answer, &target);

	if (status)
		return status;
	there = state_quarantine(core->state, target.name);
	if (there) /* its why stays with who said it, and when */
		return report(core, there, false, answer);
	if (!target.known)
		return unknown(core, &target, NULL, answer);
	quarantine = (struct state_quarantine){.name = copy(target.name),
					       .why = copy(target.why),
					       .since = clock_realtime(),
					       .uid = request->actor.uid,
					       .user = copy(request->actor.user)};
	state_begin_quarantine(core->state, &quarantine);
	status = carry_out(core, answer);
	if (status) {
		state_end_quarantine(core->state, target.name, &quarantine);
		state_quarantine_free(&quarantine);
		undone(core);
		return status;
	}
	record(core, "quarantine", request, &target);
	return report(core, state_quarantine(core->state, target.name), true, answer);
}

/* What is in quarantine and not in the policy any more may be what was meant. */
static const char *nearest_quarantine(const struct state *state, const struct target *target)
{
	const char *near =
		suggestion_find(target->name, state->quarantines, state->quarantine_count, sizeof(*state->quarantines));

	return near && !strchr(near, '@') == target->backend ? near : NULL;
}

int request_release(struct core *core, const struct request *request, struct answer *answer)
{
	struct state_quarantine quarantine;
	struct target target;
	int status;

	if (json_object_object_get_ex(request->frame, "gate", NULL))
		return request_release_gate(core, request, answer);
	status = read_target(core, request, answer, &target);

	if (status)
		return status;
	if (!state_end_quarantine(core->state, target.name, &quarantine)) {
		if (target.known)
			return report(core, NULL, false, answer);
		return unknown(core, &target, nearest_quarantine(core->state, &target), answer);
	}
	status = carry_out(core, answer);
	if (status) {
		state_begin_quarantine(core->state, &quarantine);
		undone(core);
		return status;
	}
	record(core, "release", request, &target);
	status = report(core, &quarantine, true, answer);
	state_quarantine_free(&quarantine);
	return status;
}

/* ---- telling ------------------------------------------------------------------------------------------------- */

bool quarantine_covers(const struct state_quarantine *quarantine, const struct policy *policy, size_t backend)
{
	char name[VERSION_TEXT];

	return !strcmp(quarantine->name, policy->backends[backend].name) ||
	       !strcmp(quarantine->name, version_print(policy, policy->backends[backend].version, name));
}

const char *quarantine_who(const struct state_quarantine *quarantine, char text[QUARANTINE_WHO])
{
	if (quarantine->user)
		snprintf(text, QUARANTINE_WHO, "%s", quarantine->user);
	else
		snprintf(text, QUARANTINE_WHO, "uid %u", quarantine->uid);
	return text;
}

static void add_fields(struct json *to, const struct state_quarantine *quarantine)
{
	const char *at = strchr(quarantine->name, '@');
	char time[CLOCK_TEXT];

	if (at) {
		json_format(to, "model", "%.*s", (int)(at - quarantine->name), quarantine->name);
		json_string(to, "version", at + 1);
		json_null(to, "backend");
	} else {
		json_null(to, "model");
		json_null(to, "version");
		json_string(to, "backend", quarantine->name);
	}
	json_string(to, "why", quarantine->why);
	json_string(to, "since", clock_print(quarantine->since, time));
	json_unsigned(to, "uid", quarantine->uid);
	json_string(to, "user", quarantine->user);
}

void quarantine_add(struct json *to, const char *key, const struct state_quarantine *quarantine)
{
	if (!quarantine) {
		json_null(to, key);
		return;
	}
	json_object_begin(to, key);
	add_fields(to, quarantine);
	json_object_end(to);
}

void quarantine_list(struct question *question)
{
	const struct state *state = question->core->state;
	const struct policy *policy = question->core->policy;
	struct json *to = question->to;

	for (size_t q = 0; q < state->quarantine_count; q++) {
		const struct state_quarantine *quarantine = &state->quarantines[q];

		json_object_begin(to, NULL);
		add_fields(to, quarantine);
		json_boolean(to, "in_policy", is_known(question->core, quarantine->name));
		json_array_begin(to, "backends");
		for (size_t b = 0; policy && b < policy->backend_count; b++)
			if (quarantine_covers(quarantine, policy, b))
				json_string(to, NULL, policy->backends[b].name);
		json_array_end(to);
		json_object_end(to);
	}
}
