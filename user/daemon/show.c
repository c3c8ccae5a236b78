// SPDX-License-Identifier: GPL-2.0-only
/* What is in force, live: the verbs `show` and `status`. */
#include "daemon/show.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"
#include "policy/policy.h"

#define LIMIT_DEFAULT 1000
#define LIMIT_MAX 1000000

/* ---- parts ---------------------------------------------------------------------------------------------------- */

void show_counter(struct json *to, const char *key, const struct usher_counter *counter)
{
	json_object_begin(to, key);
	json_unsigned(to, "packets", counter->packets);
	json_unsigned(to, "bytes", counter->bytes);
	json_object_end(to);
}

void show_verdicts(struct json *to, const struct usher_counter *at)
{
	static const char *const verdicts[] = {
#define X(number, name, label, text) [number] = label,
		USHER_VERDICTS(X)
#undef X
	};

	json_object_begin(to, "verdicts");
	for (size_t v = 0; v < ARRAY_COUNT(verdicts); v++) {
		bool any = false;

		for (uint8_t r = 0; r < USHER_REASON_MAX; r++) {
			if (!at[r].packets || strcmp(record_verdict(r), verdicts[v]) != 0)
				continue;
			if (!any)
				json_object_begin(to, verdicts[v]);
			any = true;
			show_counter(to, record_reason(r), &at[r]);
		}
		if (any)
			json_object_end(to);
	}
	json_object_end(to);
}

/* ---- the verbs ------------------------------------------------------------------------------------------------ */

static const struct {
	const char *word;
	bool list;
	void (*show)(struct question *question);
} words[] = {
	{"services", true, show_services},
	{"tenants", true, show_tenants},
	{"models", true, show_models},
	{"backends", true, show_backends},
	{"routes", true, show_routes},
	{"quarantines", true, quarantine_list},
	{"gates", true, show_gates},
	{"evaluators", true, show_evaluators},
	{"surges", true, show_surges},
	{"rollouts", true, show_rollouts},
	{"ejections", true, show_ejections},
	{"flows", true, show_flows},
	{"facts", true, show_facts},
	{"pools", true, show_pools},
	{"shipping", true, show_shipping},
	{"stats", false, show_stats},
	{"generation", false, show_generation},
};

int request_show(struct core *core, const struct request *request, struct answer *answer)
{
	struct question question = {
		.core = core, .to = &answer->body, .limit = LIMIT_DEFAULT, .identities = core->state->identities};
	const char *what;
	size_t w = 0;

	if (protocol_string(request->frame, "what", &what) ||
	    protocol_string(request->frame, "service", &question.service) == -EINVAL ||
	    protocol_integer(request->frame, "limit", 1, LIMIT_MAX, &question.limit) == -EINVAL)
		return answer_error(answer, PROTOCOL_USAGE, "the request does not say what to show");
	while (w < ARRAY_COUNT(words) && strcmp(words[w].word, what) != 0)
		w++;
	if (w == ARRAY_COUNT(words))
		return answer_error(answer, PROTOCOL_USAGE, "there is no such thing to show");
	question.counters = malloc(sizeof(*question.counters));
	if (!question.counters)
		abort();
	if (counters_read(core->program, question.counters)) {
		free(question.counters);
		return answer_error(answer, PROTOCOL_FAILED, "the counters cannot be read");
	}
	answer->has_body = true;
	json_object_begin(&answer->body, NULL);
	if (words[w].list)
		json_array_begin(&answer->body, words[w].word);
	else
		json_object_begin(&answer->body, words[w].word);
	if (question.identities)
		words[w].show(&question);
	if (words[w].list)
		json_array_end(&answer->body);
	else
		json_object_end(&answer->body);
	json_object_end(&answer->body);
	free(question.counters);
	return PROTOCOL_OK;
}

/* Generic, if one of the interfaces has it. */
static enum attach_mode slowest_mode(const struct program *program)
{
	for (size_t i = 0; i < program->attachment_count; i++)
		if (program->attachments[i].mode == ATTACH_GENERIC)
			return ATTACH_GENERIC;
	return ATTACH_NATIVE;
}

int request_status(struct core *core, const struct request *request, struct answer *answer)
{
	const struct usher_generation *active = publisher_active(core->publisher);
	struct json_object *problems = json_object_new_array();
	char names[INTERFACES_TEXT];

	(void)request;
	for (size_t i = 0; i < core->problem_count; i++)
		json_object_array_add(problems, json_object_new_string(core->problems[i]));
	answer_text(answer, "version", USHER_VERSION);
	answer_number(answer, "pid", (uint64_t)getpid());
	answer_time(answer, "since", core->started);
	answer_text(answer, "interface", interfaces_print(&core->options->program.interfaces, names));
	answer_text(answer, "mode", attach_mode_name(slowest_mode(core->program)));
	answer_number(answer, "generation", active->number);
	answer_number(answer, "epoch", active->epoch);
	answer_text(answer, "digest", core->policy ? core->policy->digest : NULL);
	answer_text(answer, "name", core->policy ? core->policy->name : NULL);
	answer_number(answer, "revision", core->policy ? core->policy->revision : 0);
	answer_boolean(answer, "closed", core->closed);
	answer_text(answer, "pin_dir", core->program->pin_dir);
	answer_text(answer, "audit_file", journal_path(core->journal));
	answer_number(answer, "edge_pid", (uint64_t)edge_pid(core->edge));
	json_object_object_add(answer->frame, "problems", problems);
	if (core->state->confirm_by)
		answer_time(answer, "confirm_by", core->state->confirm_by);
	return PROTOCOL_OK;
}
