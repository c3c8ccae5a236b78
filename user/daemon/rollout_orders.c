// SPDX-License-Identifier: GPL-2.0-only
/*
 * The verb `rollout`: an operator pauses a roll-out, resumes, aborts or promotes it. What an answer says has happened is on
 * the disk and in force, or will be with the publish that the start waits for; what could not be put in force is not kept.
 */
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "policy/suggestion.h"
#include "daemon/request.h"
#include "daemon/rollout_report.h"

struct command {
	const char *name, *why;
	enum rollout_order order;
};

static int read_command(const struct request *request, struct answer *answer, struct command *command)
{
	const char *word;
	size_t order = 0;

	if (protocol_string(request->frame, "rollout", &command->name) ||
	    protocol_string(request->frame, "order", &word))
		return answer_error(answer, PROTOCOL_USAGE,
				    "the request does not say what is to become of which roll-out");
	if (protocol_string(request->frame, "why", &command->why) || !utf8_is_line(command->why, PROTOCOL_WHY_MAX))
		return answer_error(answer, PROTOCOL_USAGE,
				    "why: one line of 1 to %d bytes of UTF-8 is expected, without control characters",
				    PROTOCOL_WHY_MAX);
	while (order < ROLLOUT_ORDERS && strcmp(rollout_order_names[order], word) != 0)
		order++;
	if (order == ROLLOUT_ORDERS)
		return answer_error(answer, PROTOCOL_USAGE, "a roll-out cannot be told to %s", word);
	command->order = (enum rollout_order)order;
	return PROTOCOL_OK;
}

static int unknown(const struct core *core, const char *name, struct answer *answer)
{
	const struct policy *policy = core->policy;
	const char *near =
		policy ? suggestion_find(name, policy->rollouts, policy->rollout_count, sizeof(*policy->rollouts))
		       : NULL;

	return answer_error(answer, PROTOCOL_USAGE, "the policy has no roll-out %s%s%s%s", name,
			    near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

/* Why it is not done. */
static int refuse(const struct core *core, const struct rollout_instance *instance, const struct command *command,
		  const struct rollout_need *needs, enum rollout_answer why, struct answer *answer)
{
	const struct rollout_policy *rollout = &core->policy->rollouts[instance->rollout];
	const char *state = rollout_state_names[instance->state.state];
	bool again = instance->state.state == ROLLOUT_ROLLED_BACK || instance->state.state == ROLLOUT_ABORTED;

	if (why == ROLLOUT_OVER)
		return answer_error(answer, PROTOCOL_NEGATIVE, "roll-out %s is %s: there is nothing to %s%s",
				    instance->name, state, rollout_order_names[command->order],
				    again ? "; resume begins it anew" : "");
	for (size_t i = 0; i < rollout->settings.need_count; i++)
		if (needs[i].verdict == ROLLOUT_BAD)
			return answer_error(
				answer, PROTOCOL_NEGATIVE,
				"gate %s is breached, which would take it back at once; nothing has changed",
				core->policy->gates[rollout->needs[i]].name);
	return PROTOCOL_NEGATIVE;
}

static void report(const struct core *core, const struct rollout_instance *instance, bool changed,
		   struct answer *answer)
{
	const struct rollout_policy *rollout = &core->policy->rollouts[instance->rollout];
	const struct usher_generation *active = publisher_active(core->publisher);
	char version[VERSION_TEXT];

	answer_number(answer, "generation", active->number);
	answer_number(answer, "epoch", active->epoch);
	answer_boolean(answer, "changed", changed);
	if (changed && core->patience)
		answer_boolean(answer, "pending", true);
	answer_text(answer, "state", rollout_state_names[instance->state.state]);
	answer_text(answer, "version", version_print(core->policy, rollout->to, version));
	answer_number(answer, "share", rollout_share(&rollout->settings, &instance->state));
}

static void note_word(struct rollout_instance *instance, const struct request *request, const struct command *command)
{
	struct rollout_word *word = &instance->word;

	instance->since = clock_realtime();
	instance->lost = false;
	word->given = true;
	word->uid = request->actor.uid;
	snprintf(word->user, sizeof(word->user), "%s", request->actor.user ? request->actor.user : "");
	snprintf(word->why, sizeof(word->why), "%s", command->why);
}

/* It is again what it was before. */
static int undo(struct core *core, struct rollout_instance *instance, const struct rollout_instance *before,
		struct answer *answer, const char *failure)
{
	*instance = *before;
	core_rollouts_save(core);
	core->dirty = true;
	return answer_error(answer, PROTOCOL_FAILED, "%s; nothing has changed", failure);
}

int request_rollout(struct core *core, const struct request *request, struct answer *answer)
{
	struct rollout_need needs[USHER_ROLLOUT_NEEDS_MAX] = {{0}};
	struct rollout_instance *instance, before;
	const struct rollout_policy *rollout;
	struct command command;
	struct rollout_change change;
	enum rollout_answer said;
	int status = read_command(request, answer, &command);

	if (status)
		return status;
	instance = core->policy ? rollouts_find(core->standing.rollouts, command.name) : NULL;
	if (!instance)
		return unknown(core, command.name, answer);
	before = *instance;
	rollout = &core->policy->rollouts[instance->rollout];
	rollouts_needs(core->policy, core->standing.gates, rollout, needs);
	said = rollout_obey(&rollout->settings, &instance->state, command.order, needs);
	if (said == ROLLOUT_NOTHING) {
		report(core, instance, false, answer);
		return PROTOCOL_OK;
	}
	if (said != ROLLOUT_OBEYED)
		return refuse(core, instance, &command, needs, said, answer);
	note_word(instance, request, &command);
	if (core_rollouts_save(core))
		return undo(core, instance, &before, answer, "cannot write the state folder; `usher show` says why");
	if (core_refresh(core))
		return undo(core, instance, &before, answer, "cannot publish; `usher show` says why");
	change = (struct rollout_change){.what = rollout_order_names[command.order],
					 .was = (enum rollout_state)before.state.state,
					 .share_before = rollout_share(&rollout->settings, &before.state),
					 .watched = before.state.watched,
					 .flows = before.state.flows,
					 .actor = &request->actor,
					 .why = command.why};
	core_rollout_record(core, instance, &change);
	report(core, instance, true, answer);
	return PROTOCOL_OK;
}
