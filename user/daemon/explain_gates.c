// SPDX-License-Identifier: GPL-2.0-only
/* Of `explain`: the gates that stand in somebody's way. */
#include "daemon/gate_report.h"
#include "daemon/inquiry.h"

/* Is this candidate one of those that the gate keeps out, or lessens? */
static bool is_kept(const struct inquiry *inquiry, const struct candidate *candidate, const void *what)
{
	const struct gate_instance *instance = what;
	const struct gate_policy *gate = &inquiry->policy->gates[instance->gate];
	const struct backend *backend = &inquiry->policy->backends[candidate->backend];

	if (gate->on == GATE_ON_SERVICE)
		return candidate->start_reason == USHER_REASON_GATE_BREACHED;
	if ((gate->on == GATE_ON_VERSION ? backend->version : candidate->backend) != instance->subject)
		return false;
	if (gate->action == GATE_QUARANTINE)
		return candidate->constraint_reason == USHER_REASON_GATE_BREACHED;
	return !candidate->constraint_reason && !candidate->start_reason;
}

/* Gates on services say something of their own service alone. */
static bool concerns(const struct inquiry *inquiry, const struct gate_instance *instance, size_t service)
{
	return gate_acts(inquiry->policy, instance) &&
	       (inquiry->policy->gates[instance->gate].on != GATE_ON_SERVICE || instance->subject == service);
}

void explain_gates(struct inquiry *inquiry, const struct shortlist *list, size_t service)
{
	const struct gates *gates = inquiry->core->standing.gates;
	char names[INQUIRY_NAMES], text[GATE_SENTENCE];

	for (size_t i = 0; i < gates->count; i++)
		if (concerns(inquiry, &gates->items[i], service) &&
		    inquiry_names(inquiry, list, is_kept, &gates->items[i], names))
			inquiry_step(inquiry, "who-may-answer", NULL, "gate %s (%s)",
				     gate_sentence(inquiry->policy, &gates->items[i], text), names);
}

static bool stands_in_the_way(const struct inquiry *inquiry, const struct gate_instance *instance)
{
	const struct decision *decision = inquiry->decision;
	char names[INQUIRY_NAMES];

	if (concerns(inquiry, instance, inquiry->service) &&
	    inquiry_names(inquiry, decision->own, is_kept, instance, names))
		return true;
	return decision->reroute_rule != POLICY_NONE &&
	       concerns(inquiry, instance, inquiry->policy->rules[decision->reroute_rule].reroute) &&
	       inquiry_names(inquiry, decision->rerouted, is_kept, instance, names);
}

void explain_gate_list(struct inquiry *inquiry)
{
	const struct gates *gates = inquiry->core->standing.gates;

	json_array_begin(inquiry->to, "gates");
	for (size_t i = 0; i < gates->count; i++) {
		const struct gate_instance *instance = &gates->items[i];

		if (!stands_in_the_way(inquiry, instance))
			continue;
		json_object_begin(inquiry->to, NULL);
		gate_report_subject(inquiry->to, inquiry->policy, instance);
		gate_report_state(inquiry->to, &inquiry->policy->gates[instance->gate], instance);
		json_object_end(inquiry->to);
	}
	json_array_end(inquiry->to);
}
