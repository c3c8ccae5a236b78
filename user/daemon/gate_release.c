// SPDX-License-Identifier: GPL-2.0-only
/* Of the verb `release`: an operator lets go of what a gate holds. What it has measured is counted anew from then on. */
#include <errno.h>
#include <string.h>

#include "base/utf8.h"
#include "policy/suggestion.h"
#include "daemon/gate_report.h"
#include "daemon/request.h"

struct target {
	const char *gate, *subject, *why;
};

static int read_target(const struct request *request, struct answer *answer, struct target *target)
{
	static const char *const keys[] = {"version", "backend", "service"};
	size_t given = 0;

	for (size_t i = 0; i < GATE_SUBJECTS; i++) {
		const char *text;
		int error = protocol_string(request->frame, keys[i], &text);

		if (error == -EINVAL)
			return answer_error(answer, PROTOCOL_USAGE, "the request's %s is no string", keys[i]);
		if (error)
			continue;
		target->subject = text;
		given++;
	}
	if (given != 1)
		return answer_error(answer, PROTOCOL_USAGE,
				    "a gate is released on one version, backend or service; the request names %s",
				    given ? "several" : "none");
	if (protocol_string(request->frame, "why", &target->why) || !utf8_is_line(target->why, PROTOCOL_WHY_MAX))
		return answer_error(answer, PROTOCOL_USAGE,
				    "why: one line of 1 to %d bytes of UTF-8 is expected, without control characters",
				    PROTOCOL_WHY_MAX);
	return PROTOCOL_OK;
}

static int unknown(const struct core *core, const struct target *target, struct answer *answer)
{
	const struct policy *policy = core->policy;
	const char *near =
		policy ? suggestion_find(target->gate, policy->gates, policy->gate_count, sizeof(*policy->gates))
		       : NULL;

	if (near && !strcmp(near, target->gate))
		return answer_error(answer, PROTOCOL_USAGE, "gate %s does not judge %s", target->gate, target->subject);
	return answer_error(answer, PROTOCOL_USAGE, "the policy has no gate %s%s%s%s", target->gate,
			    near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static void record(struct core *core, const struct request *request, const struct target *target,
		   const struct gate_instance *instance)
{
	struct json *to = journal_operation(core->journal, "release", &request->actor);

	gate_report_subject(to, core->policy, instance);
	json_string(to, "why", target->why);
	if (journal_operation_end(core->journal))
		core_problem(core, "the audit log in %s cannot be written", core->options->audit_dir);
}

int request_release_gate(struct core *core, const struct request *request, struct answer *answer)
{
	struct target target = {0};
	struct gate_instance *instance;
	struct gate before;
	size_t index;
	int status;

	if (protocol_string(request->frame, "gate", &target.gate))
		return answer_error(answer, PROTOCOL_USAGE, "the request's gate is no string");
	status = read_target(request, answer, &target);
	if (status)
		return status;
	index = core->policy ? gates_find(core->standing.gates, target.gate, target.subject) : POLICY_NONE;
	if (index == POLICY_NONE)
		return unknown(core, &target, answer);
	instance = &core->standing.gates->items[index];
	before = instance->state;
	answer_text(answer, "was", gate_state_names[before.state]);
	answer_boolean(answer, "changed", before.state != GATE_OK);
	if (gate_release(&instance->state, core_gate_clock(core) / 1000)) {
		if (core_gates_save(core) || core_refresh(core)) {
			instance->state = before;
			core->dirty = true;
			core->gates_unsaved = true; /* until that is on the disk again */
			core_gates_save(core);
			return answer_error(answer, PROTOCOL_FAILED,
					    "it cannot be put in force, so nothing has changed; `usher show` says why");
		}
		record(core, request, &target, instance);
	}
	answer_number(answer, "generation", publisher_active(core->publisher)->number);
	answer_number(answer, "epoch", publisher_active(core->publisher)->epoch);
	return PROTOCOL_OK;
}
