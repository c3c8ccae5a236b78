// SPDX-License-Identifier: GPL-2.0-only
/* What is legal and suspicious of gates and evaluators. */
#include "policy/parse.h"
#include "policy/policy.h"

static bool is_used(const struct policy *policy, size_t evaluator)
{
	for (size_t g = 0; g < policy->gate_count; g++)
		if (policy->gates[g].evaluator == evaluator)
			return true;
	return false;
}

static bool has_reroute(const struct policy *policy, size_t service)
{
	for (size_t r = 0; r < policy->rule_count; r++) {
		const struct rule *rule = &policy->rules[r];

		if (rule->effect == RULE_REROUTE &&
		    (!rule->when.services.given || index_list_has(&rule->when.services, service)))
			return true;
	}
	return false;
}

static void suspect_gate(struct document *document, const struct policy *policy, const struct gate_policy *gate)
{
	const struct evaluator *evaluator = &policy->evaluators[gate->evaluator];
	uint32_t mark = gate->place.mark;

	if (!gate->subjects.count)
		mark_report(document, SEVERITY_WARNING, mark, "there is nothing that it judges");
	if (gate->window_s && (uint64_t)gate->window_s * 1000 < 2ull * evaluator->every_ms)
		mark_report(document, SEVERITY_WARNING, mark,
			    "its window of %u s has hardly two readings of evaluator \"%s\", one in %u ms: it will know nothing",
			    gate->window_s, evaluator->name, evaluator->every_ms);
	if (gate->figure != GATE_METRIC && !(gate->settings.min_samples > 0))
		mark_report(document, SEVERITY_WARNING, mark,
			    "without \"min_samples\" a handful of answers is evidence, as far as its interval goes");
	for (size_t i = 0; gate->action == GATE_REROUTE && i < gate->subjects.count; i++)
		if (!has_reroute(policy, gate->subjects.items[i]))
			mark_report(document, SEVERITY_WARNING, mark,
				    "no rule reroutes service \"%s\": when the gate is breached its new connections are refused",
				    policy->services[gate->subjects.items[i]].name);
}

void suspect_gates(struct document *document, const struct policy *policy)
{
	for (size_t e = 0; e < policy->evaluator_count; e++)
		if (!is_used(policy, e))
			mark_report(document, SEVERITY_WARNING, policy->evaluators[e].place.mark,
				    "no gate has it for its source: it is not read");
	for (size_t g = 0; g < policy->gate_count; g++)
		suspect_gate(document, policy, &policy->gates[g]);
}
