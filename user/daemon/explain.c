// SPDX-License-Identifier: GPL-2.0-only
/* The verb `explain`: the running program's own verdict on a packet, and step by step what led there. */
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "kernel/flows.h"
#include "policy/policy.h"
#include "daemon/inquiry.h"
#include "daemon/quarantine.h"

#define CLIENT_PORT 40000 /* if none is named */
#define STEP_TEXT 1024
#define NAMES_MAX 4 /* of backends in a sentence */

static const char *const sentences[USHER_REASON_MAX] = {
#define X(number, name, verdict, label, text) [number] = text,
	USHER_REASONS(X)
#undef X
};

/* ---- the question --------------------------------------------------------------------------------------------- */

/* The service that is meant by a name, or by an address with a port. */
static int find_service(struct inquiry *inquiry, const char *text, uint8_t protocol, struct answer *answer)
{
	const struct policy *policy = inquiry->policy;
	int family = address_family(&inquiry->question.client);
	struct usher_address address = {0};
	uint16_t port = 0;
	bool by_address = !endpoint_parse(text, &address, &port) && port;
	size_t found = 0;

	for (size_t s = 0; s < policy->service_count; s++) {
		const struct service *service = &policy->services[s];

		if ((protocol && service->protocol != protocol) || (!by_address && strcmp(service->name, text) != 0))
			continue;
		for (size_t a = 0; a < service->address_count; a++) {
			const struct service_address *candidate = &service->addresses[a];

			if (by_address ? !address_equal(&candidate->address, &address) || candidate->port != port
				       : address_family(&candidate->address) != family)
				continue;
			inquiry->service = s;
			inquiry->question.service = candidate->address;
			inquiry->question.service_port = candidate->port;
			inquiry->question.protocol = service->protocol;
			found++;
			break;
		}
	}
	if (found == 1)
		return PROTOCOL_OK;
	if (found)
		return answer_error(answer, PROTOCOL_USAGE, "that is a TCP and a UDP service; say which");
	for (size_t s = 0; s < policy->service_count && !by_address; s++)
		if (!strcmp(policy->services[s].name, text))
			return answer_error(answer, PROTOCOL_USAGE,
					    "the service has no address of the client's family%s",
					    protocol ? " and that protocol" : "");
	return answer_error(answer, PROTOCOL_USAGE, "the policy has no such service");
}

static int read_question(struct inquiry *inquiry, const struct request *request, struct answer *answer)
{
	const char *client, *service, *protocol = NULL;
	uint8_t number = 0;

	if (protocol_string(request->frame, "client", &client) ||
	    endpoint_parse(client, &inquiry->question.client, &inquiry->question.client_port))
		return answer_error(answer, PROTOCOL_USAGE, "the client is not an address");
	if (!inquiry->question.client_port)
		inquiry->question.client_port = CLIENT_PORT;
	if (protocol_string(request->frame, "service", &service) ||
	    protocol_string(request->frame, "protocol", &protocol) == -EINVAL)
		return answer_error(answer, PROTOCOL_USAGE, "the request names no service");
	if (protocol) {
		number = !strcmp(protocol, "tcp") ? IPPROTO_TCP : !strcmp(protocol, "udp") ? IPPROTO_UDP : 0;
		if (!number)
			return answer_error(answer, PROTOCOL_USAGE, "a protocol is tcp or udp");
	}
	return find_service(inquiry, service, number, answer);
}

/* ---- the answer ----------------------------------------------------------------------------------------------- */

static const char *rule_name(const struct inquiry *inquiry, size_t rule)
{
	return rule == POLICY_NONE ? NULL : inquiry->policy->rules[rule].id;
}

void inquiry_step(struct inquiry *inquiry, const char *step, const char *rule, const char *format, ...)
{
	char text[STEP_TEXT];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	json_object_begin(inquiry->to, NULL);
	json_string(inquiry->to, "step", step);
	json_string(inquiry->to, "text", text);
	json_string(inquiry->to, "rule", rule);
	json_object_end(inquiry->to);
}

static const struct catalog_class *class_of(const struct inquiry *inquiry)
{
	const struct catalog *catalog = inquiry->core->catalog;

	return catalog && inquiry->answer.class_id < catalog->class_count ? &catalog->classes[inquiry->answer.class_id]
									  : NULL;
}

static const char *tenant_of(const struct inquiry *inquiry)
{
	const struct catalog *catalog = inquiry->core->catalog;
	const char *name =
		catalog && inquiry->answer.tenant < USHER_TENANT_IDS ? catalog->tenants[inquiry->answer.tenant] : NULL;

	return name ? name : "unknown";
}

static const struct catalog_backend *backend_of(const struct inquiry *inquiry)
{
	const struct catalog *catalog = inquiry->core->catalog;

	if (!catalog || inquiry->answer.backend >= USHER_BACKENDS_MAX ||
	    !catalog->backends[inquiry->answer.backend].name)
		return NULL;
	return &catalog->backends[inquiry->answer.backend];
}

static size_t count_bits(const uint64_t *bits, size_t count)
{
	size_t found = 0;

	for (size_t w = 0; w < (count + 63) / 64; w++)
		found += (size_t)__builtin_popcountll(bits[w]);
	return found;
}

size_t inquiry_names(const struct inquiry *inquiry, const struct shortlist *list,
		     bool (*takes)(const struct inquiry *inquiry, const struct candidate *candidate, const void *what),
		     const void *what, char names[INQUIRY_NAMES])
{
	size_t count = 0, length = 0;

	names[0] = '\0';
	for (size_t i = 0; list && i < list->count; i++) {
		if (!takes(inquiry, &list->candidates[i], what))
			continue;
		if (count++ < NAMES_MAX)
			length += (size_t)snprintf(names + length, INQUIRY_NAMES - length, "%s%s", length ? ", " : "",
						   inquiry->policy->backends[list->candidates[i].backend].name);
	}
	if (count > NAMES_MAX)
		snprintf(names + length, INQUIRY_NAMES - length, " and %zu more", count - NAMES_MAX);
	return count;
}

/* Did it fall to this quarantine, and to nothing before? */
static bool is_quarantined(const struct inquiry *inquiry, const struct candidate *candidate, const void *quarantine)
{
	return candidate->constraint_reason == USHER_REASON_QUARANTINED &&
	       quarantine_covers(quarantine, inquiry->policy, candidate->backend);
}

/* Who has quarantined it, when and why, with those of the list that nothing else took out before; nothing if there are none. */
static void add_quarantine_step(struct inquiry *inquiry, const struct state_quarantine *quarantine,
				const struct shortlist *list)
{
	char names[INQUIRY_NAMES], who[QUARANTINE_WHO], time[CLOCK_TEXT];

	if (inquiry_names(inquiry, list, is_quarantined, quarantine, names))
		inquiry_step(inquiry, "who-may-answer", NULL,
			     "%s is in quarantine, by %s since %s, which takes out %s: %s", quarantine->name,
			     quarantine_who(quarantine, who), clock_print(quarantine->since, time), names,
			     quarantine->why);
}

static void add_quarantine_steps(struct inquiry *inquiry, const struct shortlist *list)
{
	const struct state *state = inquiry->core->state;

	for (size_t q = 0; q < state->quarantine_count; q++)
		add_quarantine_step(inquiry, &state->quarantines[q], list);
}

static void add_decision_steps(struct inquiry *inquiry)
{
	const struct decision *decision = inquiry->decision;
	const struct policy *policy = inquiry->policy;
	const struct shortlist *own = decision->own, *rerouted = decision->rerouted;
	bool denied = decision->reason == USHER_REASON_DENY_RULE,
	     nobody = decision->reason == USHER_REASON_NO_ALLOW_RULE;

	if (denied || nobody) {
		inquiry_step(inquiry, "may-ask", rule_name(inquiry, decision->rule), "no: %s",
			     sentences[decision->reason]);
		return;
	}
	inquiry_step(inquiry, "may-ask", rule_name(inquiry, decision->allow_rule), "yes, by an allow rule");
	inquiry_step(inquiry, "who-may-answer",
		     decision->reason < USHER_REASON_DENY_RULE ? NULL : rule_name(inquiry, decision->rule),
		     "%zu of %zu backends of model %s are in the constraint set, %zu in the start set",
		     count_bits(own->may_continue, own->count), own->count,
		     policy->models[policy->services[inquiry->service].model].name,
		     count_bits(own->may_start, own->count));
	add_quarantine_steps(inquiry, own);
	explain_gates(inquiry, own, inquiry->service);
	explain_verification(inquiry, own);
	explain_ejection(inquiry, own);
	explain_surge(inquiry);
	if (decision->reason == USHER_REASON_REROUTED)
		inquiry_step(inquiry, "who-may-answer", rule_name(inquiry, decision->reroute_rule),
			     "none of them: rerouted to service %s, where %zu backends may start",
			     policy->services[decision->target].name, count_bits(rerouted->may_start, rerouted->count));
	if (decision->reroute_rule != POLICY_NONE) {
		add_quarantine_steps(inquiry, rerouted);
		explain_gates(inquiry, rerouted, policy->rules[decision->reroute_rule].reroute);
		explain_verification(inquiry, rerouted);
		explain_ejection(inquiry, rerouted);
	}
}

static void add_choice_steps(struct inquiry *inquiry)
{
	const struct decision *decision = inquiry->decision;
	const struct shortlist *list = decision->answering;
	const struct catalog_backend *backend = backend_of(inquiry);
	bool sticky = inquiry->policy->services[decision->target].sticky_client;

	if (!backend || inquiry->answer.reason >= USHER_REASON_DENY_RULE)
		return;
	if (list && list->rollout != POLICY_NONE && inquiry->answer.arm < list->arm_count)
		explain_rollout(inquiry, list);
	else if (list && list->split != POLICY_NONE && inquiry->answer.arm < list->arm_count)
		inquiry_step(inquiry, "which-arm", rule_name(inquiry, list->split),
			     "version %s, one of %zu arms, drawn by the %s", backend->version, list->arm_count,
			     sticky ? "client's address, so it stays" : "flow's addresses and ports");
	else
		inquiry_step(inquiry, "which-arm", NULL, "all versions together: no split applies");
	inquiry_step(inquiry, "which-backend", NULL, "%s (%s@%s in %s), slot %u of its ring", backend->name,
		     backend->model, backend->version, backend->region, inquiry->answer.ring_slot);
	explain_balance_step(inquiry, backend->name);
}

static const struct tenant_limits *limits_of(const struct inquiry *inquiry)
{
	const struct policy *policy = inquiry->policy;

	for (size_t t = 0; t < policy->tenant_count; t++)
		if (!strcmp(policy->tenants[t].name, tenant_of(inquiry)))
			return &policy->tenants[t].limits;
	return &policy->unknown_limits;
}

/* What the tenant may open is no part of the program's answer: a question takes nothing from a limit, and is not refused by one. */
static void add_limit_steps(struct inquiry *inquiry)
{
	const struct tenant_limits *limits = limits_of(inquiry);
	_cleanup_free_ struct usher_tenant_state *states = NULL;
	const struct usher_tenant_state *state;
	long long active;

	if (inquiry->answer.reason >= USHER_REASON_DENY_RULE)
		return;
	if (limits->new_flows_per_second)
		inquiry_step(inquiry, "within-limits", NULL, "%llu new flows a second, in bursts of up to %llu",
			     (unsigned long long)limits->new_flows_per_second, (unsigned long long)limits->burst);
	if (limits->active_flows) {
		states = calloc(USHER_TENANT_IDS, sizeof(*states));
		if (!states)
			abort();
		flows_tenants(inquiry->core->program, states);
		state = &states[inquiry->answer.tenant % USHER_TENANT_IDS];
		active = state->half_open + state->live;
		inquiry_step(inquiry, "within-limits", NULL, "%llu active flows, %lld now%s",
			     (unsigned long long)limits->active_flows, active,
			     active >= (long long)limits->active_flows ? ": a new one is refused until one ends" : "");
	}
	if (limits->bits_per_second)
		inquiry_step(inquiry, "within-limits", NULL, "%llu bits a second in all flows together",
			     (unsigned long long)limits->bits_per_second);
}

static void add_steps(struct inquiry *inquiry)
{
	const struct catalog_class *class = class_of(inquiry);
	bool owned = inquiry->policy->services[inquiry->service].tenant != POLICY_NONE;

	json_array_begin(inquiry->to, "steps");
	inquiry_step(inquiry, "who", NULL, "tenant %s%s, client region %s", tenant_of(inquiry),
		     owned ? " (who owns the service)" : "", class ? class->region : "unknown");
	if (inquiry->decision) {
		add_decision_steps(inquiry);
		add_choice_steps(inquiry);
		add_limit_steps(inquiry);
	}
	inquiry_step(
		inquiry, "verdict",
		rule_name(inquiry, inquiry->answer.route.rule == USHER_NONE ? POLICY_NONE : inquiry->answer.route.rule),
		"%s: %s", record_reason(inquiry->answer.reason),
		inquiry->answer.reason < USHER_REASON_MAX && sentences[inquiry->answer.reason]
			? sentences[inquiry->answer.reason]
			: "");
	json_array_end(inquiry->to);
}

static void add_candidates(struct inquiry *inquiry, const struct shortlist *list, size_t service)
{
	for (size_t i = 0; list && i < list->count; i++) {
		const struct candidate *candidate = &list->candidates[i];
		const struct backend *backend = &inquiry->policy->backends[candidate->backend];
		uint8_t reason = candidate->constraint_reason ? candidate->constraint_reason : candidate->start_reason;
		char region[8];

		region_print(&backend->region, region);
		json_object_begin(inquiry->to, NULL);
		json_string(inquiry->to, "backend", backend->name);
		json_string(inquiry->to, "version", inquiry->policy->versions[backend->version].name);
		json_string(inquiry->to, "region", region);
		json_string(inquiry->to, "state",
			    candidate->constraint_reason ? "out"
			    : candidate->start_reason	 ? "continue"
							 : "start");
		if (!reason)
			json_number(inquiry->to, "weight_percent",
				    effective_percent(inquiry->core->effective, service, candidate->backend));
		json_string(inquiry->to, "reason", reason ? record_reason(reason) : NULL);
		json_string(inquiry->to, "rule", rule_name(inquiry, candidate->rule));
		json_string(inquiry->to, "service", inquiry->policy->services[service].name);
		json_object_end(inquiry->to);
	}
}

static void add_quarantines(struct inquiry *inquiry)
{
	const struct state *state = inquiry->core->state;
	const struct decision *decision = inquiry->decision;
	char names[INQUIRY_NAMES];

	json_array_begin(inquiry->to, "quarantines");
	for (size_t q = 0; q < state->quarantine_count; q++)
		if (inquiry_names(inquiry, decision->own, is_quarantined, &state->quarantines[q], names) ||
		    inquiry_names(inquiry, decision->rerouted, is_quarantined, &state->quarantines[q], names))
			quarantine_add(inquiry->to, NULL, &state->quarantines[q]);
	json_array_end(inquiry->to);
}

static void add_verdict(struct inquiry *inquiry)
{
	const struct usher_explanation *answer = &inquiry->answer;
	const struct catalog_class *class = class_of(inquiry);
	const struct catalog_backend *backend = backend_of(inquiry);
	const struct catalog *catalog = inquiry->core->catalog;
	bool rule = catalog && answer->route.rule < catalog->rule_count;
	const struct shortlist *list = inquiry->decision->answering;
	bool arm = list && answer->arm < list->arm_count;
	struct json *to = inquiry->to;
	char text[ENDPOINT_TEXT];

	json_string(to, "client", address_print(&inquiry->question.client, text));
	json_unsigned(to, "client_port", inquiry->question.client_port);
	json_string(to, "service", inquiry->policy->services[inquiry->service].name);
	json_string(to, "service_address",
		    endpoint_print(&inquiry->question.service, inquiry->question.service_port, text));
	json_string(to, "protocol", inquiry->question.protocol == IPPROTO_TCP ? "tcp" : "udp");
	json_unsigned(to, "generation", answer->generation);
	json_string(to, "verdict", record_verdict(answer->reason));
	json_string(to, "reason", record_reason(answer->reason));
	json_string(to, "sentence", answer->reason < USHER_REASON_MAX ? sentences[answer->reason] : NULL);
	json_string(to, "tenant", tenant_of(inquiry));
	json_string(to, "region", class ? class->region : "unknown");
	json_string(to, "rule", rule ? catalog->rules[answer->route.rule] : NULL);
	json_string(to, "target",
		    catalog && answer->route.target < USHER_SERVICES_MAX ? catalog->services[answer->route.target].name
									 : NULL);
	if (arm && list->arms[answer->arm].version != POLICY_NONE)
		json_string(to, "arm", inquiry->policy->versions[list->arms[answer->arm].version].name);
	else
		json_null(to, "arm");
	explain_rollout_field(inquiry);
	json_string(to, "version", backend ? backend->version : NULL);
	json_string(to, "backend", backend ? backend->name : NULL);
	json_string(to, "backend_address", backend ? endpoint_print(&backend->address, backend->port, text) : NULL);
	json_unsigned(to, "route", answer->route_id);
	json_unsigned(to, "ring_slot", answer->ring_slot);
	explain_balance(inquiry);
}

/* The steps are those of the compiler's own account of the rules, for the class that the program found. */
static struct decision *find_decision(const struct inquiry *inquiry)
{
	const struct policy *policy = inquiry->policy;
	const char *tenant = tenant_of(inquiry);
	const struct catalog_class *class = class_of(inquiry);
	size_t index = POLICY_UNKNOWN_TENANT;
	struct region region = {0};

	for (size_t t = 0; t < policy->tenant_count; t++)
		if (!strcmp(policy->tenants[t].name, tenant))
			index = t;
	if (class && strcmp(class->region, "unknown") != 0) {
		memcpy(region.country, class->region, 2);
		if (class->region[2])
			snprintf(region.subdivision, sizeof(region.subdivision), "%.3s", class->region + 3);
	}
	return decision_make(inquiry->core->effective, inquiry->service, index, &region,
			     address_family(&inquiry->question.client));
}

int request_explain(struct core *core, const struct request *request, struct answer *answer)
{
	struct inquiry inquiry = {.core = core, .to = &answer->body, .policy = core->policy};
	int status, error;

	if (!core->policy)
		return answer_error(answer, PROTOCOL_FAILED, "no policy is loaded");
	status = read_question(&inquiry, request, answer);
	if (status)
		return status;
	error = explain(core->program, &inquiry.question, &inquiry.answer);
	if (error)
		return answer_error(answer, PROTOCOL_FAILED, "the program in the kernel does not answer: %s",
				    strerror(-error));
	inquiry.decision = find_decision(&inquiry);
	answer->has_body = true;
	json_object_begin(inquiry.to, NULL);
	add_verdict(&inquiry);
	add_steps(&inquiry);
	json_array_begin(inquiry.to, "candidates");
	add_candidates(&inquiry, inquiry.decision->own, inquiry.service);
	if (inquiry.decision->reroute_rule != POLICY_NONE)
		add_candidates(&inquiry, inquiry.decision->rerouted,
			       inquiry.policy->rules[inquiry.decision->reroute_rule].reroute);
	json_array_end(inquiry.to);
	add_quarantines(&inquiry);
	explain_gate_list(&inquiry);
	json_object_end(inquiry.to);
	decision_free(inquiry.decision);
	return strcmp(record_verdict(inquiry.answer.reason), "forward") ? PROTOCOL_NEGATIVE : PROTOCOL_OK;
}
