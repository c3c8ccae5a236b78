// SPDX-License-Identifier: GPL-2.0-only
#include "gateway.h"

#include <linux/bpf.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "relay.h"
#include "tcp.h"
#include "way.h"

/* A client's acknowledgement counts as proof if it is this little beyond the backend's SYN. */
#define PROOF_WINDOW 65536u

/* ---- flows --------------------------------------------------------------------------------------------------- */

static struct ref_flow *client_flow(struct step *step)
{
	for (size_t i = 0; i < step->gateway->flow_count; i++) {
		struct ref_flow *flow = &step->gateway->flows[i];

		if (flow->protocol == step->wire.protocol && flow->client_port == step->wire.source_port &&
		    flow->service_port == step->wire.destination_port &&
		    ref_same_address(&flow->client, &step->wire.source) &&
		    ref_same_address(&flow->service_address, &step->wire.destination))
			return flow;
	}
	return NULL;
}

static struct ref_flow *backend_flow(struct step *step)
{
	for (size_t i = 0; i < step->gateway->flow_count; i++) {
		struct ref_flow *flow = &step->gateway->flows[i];

		if (flow->nat_port && flow->protocol == step->wire.protocol &&
		    flow->backend_port == step->wire.source_port && flow->nat_port == step->wire.destination_port &&
		    ref_same_address(&flow->backend_address, &step->wire.source) &&
		    ref_same_address(&flow->nat_address, &step->wire.destination))
			return flow;
	}
	return NULL;
}

static void forget(struct gateway *gateway, struct ref_flow *flow)
{
	*flow = gateway->flows[--gateway->flow_count];
}

/* Does the policy keep the flow where it is? */
static bool kept(const struct gateway *gateway, const struct ref_flow *flow)
{
	const struct ref_service *service =
		ref_service_at(gateway->policy, &flow->service_address, flow->service_port, flow->protocol);
	const struct ref_backend *backend = gateway_backend(gateway, flow->backend, flow->incarnation);

	if (!service || !backend || gateway_service_number(gateway, service->name) != flow->service)
		return false;
	struct ref_client client = ref_classify(gateway->policy, &flow->client, service);
	struct ref_judgement judgement = ref_judge(gateway->policy, service, &client);

	return judgement.may_continue >> (backend - gateway->policy->backends) & 1;
}

bool gateway_published(struct gateway *gateway, char fault[160])
{
	for (size_t i = 0; i < gateway->flow_count; i++) {
		const struct ref_flow *flow = &gateway->flows[i];

		if (flow->status != REF_CUT && flow->epoch == gateway->epoch && !kept(gateway, flow)) {
			snprintf(fault, 160, "the epoch is still %u, and a flow to backend %u is no longer allowed",
				 gateway->epoch, flow->backend);
			return false;
		}
	}
	return true;
}

/* ---- a client's packet --------------------------------------------------------------------------------------- */

static void to_backend(struct step *step, struct ref_flow *flow, uint8_t reason)
{
	const struct ref_backend *backend = way_to(step->gateway, flow);
	struct rewrite_path path = way_path(flow);

	if (step->wire.hop_limit <= 1) {
		step_drop(step, USHER_REASON_TTL_EXPIRED);
		return;
	}
	if (!backend) {
		step_drop(step, USHER_REASON_NEXT_HOP);
		return;
	}
	if (!way_fits(step, backend)) {
		way_too_big(step, backend);
		return;
	}
	tcp_client_says(step, flow);
	step_end(step, reason, XDP_TX);
	step->to->output = *step->frame;
	struct rewrite_link link = {backend->mac, backend->own_mac};

	if (flow->l2)
		rewrite_direct(&step->wire, link, &step->to->output);
	else
		rewrite_translate(&step->wire, link, &path, &step->to->output);
	way_tunnel(step, backend);
}

static void cut_client(struct step *step, struct ref_flow *flow)
{
	const struct ref_backend *backend = way_to(step->gateway, flow);
	struct rewrite_path path = way_path(flow);

	if (flow->protocol == IPPROTO_UDP) {
		forget(step->gateway, flow);
		step_refuse(step, USHER_REASON_REVOKED);
		return;
	}
	flow->status = REF_CUT;
	if (!backend) {
		step_refuse(step, USHER_REASON_REVOKED);
		return;
	}
	step_end(step, USHER_REASON_REVOKED, XDP_TX);
	step_reset_receiver(step, &path, backend->mac, backend->own_mac);
	way_tunnel(step, backend);
}

/* Does this packet prove that its sender has heard the backend's answer? In direct return nobody here could tell. */
static bool proves(const struct step *step, const struct ref_flow *flow)
{
	if ((step->wire.flags & (FRAME_ACK | FRAME_SYN | FRAME_RST)) != FRAME_ACK)
		return false;
	if (flow->l2)
		return gateway_backend(step->gateway, flow->backend, flow->incarnation);
	return flow->answered && way_to(step->gateway, flow) &&
	       step->wire.acknowledgement - flow->backend_next < PROOF_WINDOW;
}

/* Does a client's packet begin another flow where this one is? */
static bool begins_anew(const struct step *step, const struct ref_flow *flow)
{
	if (flow->protocol == IPPROTO_UDP || (step->wire.flags & (FRAME_SYN | FRAME_ACK)) != FRAME_SYN)
		return false;
	if (flow->status == REF_CUT || flow->reset || flow->adopted || (flow->client_fin && flow->backend_fin))
		return true;
	return flow->status == REF_LIVE && (flow->l2 || !way_to(step->gateway, flow));
}

static const struct usher_event *event_of(const struct step *step, uint8_t reason)
{
	for (size_t i = 0; i < step->run->event_count && i < 4; i++)
		if (step->run->events[i].reason == reason)
			return &step->run->events[i];
	return NULL;
}

/* What was adopted must be heard in two seconds. When a second begins for the program, the model need not know. */
static bool is_heard_again(const struct step *step, const struct ref_flow *flow)
{
	return !flow->adopted || flow->later || event_of(step, USHER_REASON_CONFIRMED);
}

static void follow_client(struct step *step, struct ref_flow *flow)
{
	uint8_t reason = USHER_REASON_ESTABLISHED;

	if (flow->status == REF_CUT) {
		if (step->wire.flags & FRAME_RST)
			to_backend(step, flow, USHER_REASON_REVOKED_TAIL);
		else
			step_refuse(step, USHER_REASON_REVOKED_TAIL);
		return;
	}
	if (flow->epoch != step->gateway->epoch) {
		if (!kept(step->gateway, flow)) {
			cut_client(step, flow);
			return;
		}
		flow->epoch = step->gateway->epoch;
		reason = USHER_REASON_REAFFIRMED;
	}
	if (flow->protocol == IPPROTO_TCP && flow->status == REF_HALF_OPEN && proves(step, flow) &&
	    is_heard_again(step, flow)) {
		flow->status = REF_LIVE;
		reason = USHER_REASON_CONFIRMED;
	}
	to_backend(step, flow, reason);
}

/* ---- a new flow ---------------------------------------------------------------------------------------------- */

static void check_record(struct step *step, const struct usher_event *event, const struct ref_client *client,
			 const struct ref_judgement *judgement)
{
	const struct catalog *catalog = step->gateway->catalog;
	const char *rule = event->rule < catalog->rule_count ? catalog->rules[event->rule] : "";
	const char *tenant = event->tenant < USHER_TENANT_IDS ? catalog->tenants[event->tenant] : NULL;

	if (strcmp(rule, judgement->rule ? judgement->rule->id : "") != 0)
		step_blame(step, "the record names rule '%s', not '%s'", rule,
			   judgement->rule ? judgement->rule->id : "");
	if (!tenant || strcmp(tenant, client->tenant) != 0)
		step_blame(step, "the record names tenant '%s', not '%s'", tenant ? tenant : "", client->tenant);
	if (event->generation != step->gateway->generation)
		step_blame(step, "the record names generation %llu", (unsigned long long)event->generation);
	if (event->target != gateway_service_number(step->gateway, judgement->target->name))
		step_blame(step, "the record names another target");
}

static bool opens(const struct step *step)
{
	return step->wire.protocol == IPPROTO_UDP || (step->wire.flags & (FRAME_SYN | FRAME_ACK)) == FRAME_SYN;
}

/* Only who begins goes by loads: what the load was when an adopted flow began nobody remembers. */
static ref_backends choices_of(const struct step *step, const struct ref_judgement *judgement)
{
	if (judgement->target->least_load && opens(step))
		return ring_choose_least(step->gateway->rings, judgement, &step->wire, step->gateway->loads);
	return ring_choose(step->gateway->rings, judgement, &step->wire);
}

static bool may_start(const struct ref_judgement *judgement, size_t backend)
{
	bool may = false;

	for (size_t a = 0; a < judgement->arm_count; a++)
		may |= judgement->arms[a].backends >> backend & 1;
	return may;
}

/* The packet's flow, if it goes to this backend. */
static struct ref_flow begin_flow(const struct step *step, uint16_t backend, uint16_t incarnation)
{
	return (struct ref_flow){.ipv6 = step->wire.ipv6,
				 .protocol = step->wire.protocol,
				 .client = step->wire.source,
				 .service_address = step->wire.destination,
				 .client_port = step->wire.source_port,
				 .service_port = step->wire.destination_port,
				 .service = (uint16_t)step->to->service,
				 .backend = backend,
				 .incarnation = incarnation,
				 .epoch = step->gateway->epoch};
}

/* The flow as the record says the program made it, if that was one of the choices. */
static bool make_flow(struct step *step, const struct usher_event *event, const struct ref_judgement *judgement,
		      struct ref_flow *ret_flow)
{
	const struct ref_backend *backend = gateway_backend(step->gateway, event->backend, event->incarnation);
	ref_backends choices = choices_of(step, judgement);
	struct ref_flow flow = begin_flow(step, event->backend, event->incarnation);

	flow.nat_port = ntohs(event->nat_port_be);
	flow.adopted = event->reason == USHER_REASON_ADOPTED;
	flow.line = event->flow_line;
	if (!backend || !(choices >> (backend - step->gateway->policy->backends) & 1)) {
		step_blame(step, "backend %u is not the one that policy and the flow's hash mean", event->backend);
		return false;
	}
	if (!may_start(judgement, (size_t)(backend - step->gateway->policy->backends)))
		step_blame(step, "backend %u may not start flows", event->backend);
	if (judgement->target->least_load)
		step->gateway->loads[backend - step->gateway->policy->backends].opened++;
	flow.l2 = backend->l2;
	flow.backend_address = backend->address;
	flow.backend_port = backend->port;
	memcpy(flow.client_mac, step->frame->bytes + 6, 6);
	if (flow.l2 != !flow.nat_port)
		step_blame(step, "a NAT port where there should be none, or none where there should be one");
	if (flow.nat_port) {
		/* Which address the index means the output says: it is the source. */
		const uint8_t *output = step->run->output.bytes + step->wire.network + (flow.ipv6 ? 8 : 12);

		flow.nat_address = (struct usher_address){.bytes = {[10] = 0xff, [11] = 0xff}};
		memcpy(flow.nat_address.bytes + (flow.ipv6 ? 0 : 12), output, flow.ipv6 ? 16 : 4);
		if (!ref_is_nat(step->gateway->policy, &flow.nat_address))
			step_blame(step, "the packet leaves from an address that is no NAT address");
	}
	*ret_flow = flow;
	return true;
}

static bool has_mode(const struct step *step, ref_backends choices, bool l2)
{
	for (size_t i = 0; i < step->gateway->policy->backend_count; i++)
		if (choices >> i & 1 && step->gateway->policy->backends[i].l2 == l2)
			return true;
	return false;
}

/* The end of a flow that nobody knows goes to one of the backends that the flow could have had, and leaves nothing behind. */
static void pass_stray_end(struct step *step, const struct ref_judgement *judgement)
{
	ref_backends choices = choices_of(step, judgement);

	for (uint16_t number = 0; number < USHER_BACKENDS_MAX; number++) {
		uint16_t incarnation = step->gateway->catalog->backends[number].incarnation;
		const struct ref_backend *backend = gateway_backend(step->gateway, number, incarnation);
		struct ref_flow flow = begin_flow(step, number, incarnation);

		if (!backend || !backend->l2 || !(choices >> (backend - step->gateway->policy->backends) & 1))
			continue;
		flow.l2 = true;
		flow.backend_address = backend->address;
		flow.backend_port = backend->port;
		to_backend(step, &flow, USHER_REASON_STRAY_END);
		if (step->to->output.length == step->run->output.length &&
		    !memcmp(step->to->output.bytes, step->run->output.bytes, step->run->output.length))
			return;
	}
}

/* Does it draw the arm of those who are shed? Where that is too close to call, its record says so. */
static bool is_shed(struct step *step, const struct ref_judgement *judgement)
{
	ref_backends choices = ring_choose(step->gateway->rings, judgement, &step->wire);

	return choices == REF_SHED || (choices & REF_SHED && event_of(step, USHER_REASON_SHED));
}

/* What a packet that cannot open a flow gets: only in direct return is it taken in. */
static uint8_t expected_admission(struct step *step, const struct ref_judgement *judgement)
{
	ref_backends choices = choices_of(step, judgement);
	bool adoptable = !(step->wire.flags & FRAME_SYN) && has_mode(step, choices, true);
	bool refusable = step->wire.flags & FRAME_SYN || has_mode(step, choices, false);
	uint8_t taken = step->wire.flags & (FRAME_FIN | FRAME_RST) ? USHER_REASON_STRAY_END : USHER_REASON_ADOPTED;

	if (opens(step))
		return judgement->reason;
	if (adoptable && refusable) { /* the draw of the arm is too close to call */
		bool unseen = step->wire.hop_limit <= 1 && step->wire.flags & FRAME_RST;
		bool sent =
			step->wire.hop_limit <= 1 || (taken == USHER_REASON_STRAY_END && step->run->action == XDP_TX);

		if (unseen)
			step->to->otherwise = USHER_REASON_NO_FLOW;
		return unseen || event_of(step, taken) || (sent && !event_of(step, USHER_REASON_NO_FLOW))
			       ? taken
			       : USHER_REASON_NO_FLOW;
	}
	return adoptable ? taken : USHER_REASON_NO_FLOW;
}

/* Does what the program sent say that the packet does not fit the way to one of these, as is the case? */
static bool too_big_for_one(struct step *step, ref_backends choices)
{
	for (size_t i = 0; i < step->gateway->policy->backend_count; i++) {
		const struct ref_backend *backend = &step->gateway->policy->backends[i];

		if (!(choices >> i & 1) || way_fits(step, backend))
			continue;
		way_too_big(step, backend);
		if (step->to->output.length == step->run->output.length &&
		    !memcmp(step->to->output.bytes, step->run->output.bytes, step->run->output.length))
			return true;
	}
	return false;
}

static void be_shed(struct ref_judgement *judgement, uint8_t *reason)
{
	*reason = USHER_REASON_SHED;
	judgement->rule = NULL;
	judgement->silent = true;
}

static void admit(struct step *step, const struct ref_service *service, struct ref_flow *old)
{
	struct ref_client client = ref_classify(step->gateway->policy, &step->wire.source, service);
	struct ref_judgement judgement = ref_judge(step->gateway->policy, service, &client);
	const struct usher_event *event;
	struct ref_flow flow;
	uint8_t reason = judgement.reason;

	if (step->gateway->deadline_passed && step->gateway->policy->deny_new)
		reason = USHER_REASON_CONTROLLER_LOST;
	else if (judgement.arm_count && is_shed(step, &judgement))
		be_shed(&judgement, &reason);
	else if (judgement.arm_count)
		reason = expected_admission(step, &judgement);
	if (reason >= USHER_REASON_DENY_RULE) {
		event = event_of(step, reason);
		if (event)
			check_record(step, event, &client, &judgement);
		else if (!(step->wire.protocol == IPPROTO_TCP && step->wire.flags & FRAME_RST))
			step_blame(step, "a refusal without a record");
		if (judgement.silent)
			step_drop(step, reason);
		else
			step_refuse(step, reason);
		return;
	}
	if (step->wire.hop_limit <= 1) {
		step_drop(step, USHER_REASON_TTL_EXPIRED);
		return;
	}
	if (reason == USHER_REASON_STRAY_END) {
		pass_stray_end(step, &judgement);
		return;
	}
	event = event_of(step, reason);
	if (!event && too_big_for_one(step, choices_of(step, &judgement)))
		return;
	if (!event || step->gateway->flow_count == REF_FLOWS_MAX) {
		step_blame(step, event ? "too many flows for this model" : "an admission without a record");
		return;
	}
	check_record(step, event, &client, &judgement);
	if (!make_flow(step, event, &judgement, &flow))
		return;
	if (old)
		forget(step->gateway, old);
	step->gateway->flows[step->gateway->flow_count] = flow;
	to_backend(step, &step->gateway->flows[step->gateway->flow_count++], reason);
}

/* ---- a backend's packet -------------------------------------------------------------------------------------- */

static void follow_backend(struct step *step)
{
	struct ref_flow *flow = backend_flow(step);
	const uint8_t *gateway_mac = step->frame->bytes;
	uint8_t reason = USHER_REASON_RETURNED;

	if (!flow) {
		step_drop(step, USHER_REASON_NAT_NO_FLOW);
		return;
	}
	struct rewrite_path path = {flow->service_address, flow->client, flow->service_port, flow->client_port};

	step->to->service = flow->service;
	if (flow->status == REF_CUT) {
		reason = USHER_REASON_REVOKED_TAIL;
		if (!(step->wire.flags & FRAME_RST)) {
			step_refuse(step, reason);
			return;
		}
	} else if (flow->epoch != step->gateway->epoch) {
		if (!kept(step->gateway, flow)) {
			step_end(step, USHER_REASON_REVOKED, XDP_DROP);
			if (flow->protocol == IPPROTO_UDP) {
				forget(step->gateway, flow);
				return;
			}
			flow->status = REF_CUT;
			step_reset_receiver(step, &path, flow->client_mac, gateway_mac);
			return;
		}
		flow->epoch = step->gateway->epoch;
	}
	if (tcp_backend_forgot(step, flow)) {
		step_drop(step, USHER_REASON_BACKEND_FORGOT);
		return;
	}
	if (step->wire.hop_limit <= 1) {
		step_drop(step, USHER_REASON_TTL_EXPIRED);
		return;
	}
	tcp_backend_says(step, flow);
	if (flow->protocol == IPPROTO_UDP)
		flow->status = REF_LIVE;
	step_end(step, reason, XDP_TX);
	step->to->output = *step->frame;
	rewrite_translate(&step->wire, (struct rewrite_link){flow->client_mac, gateway_mac}, &path, &step->to->output);
}

/* ---- the next packet ----------------------------------------------------------------------------------------- */

static void judge_packet(struct step *step)
{
	const struct ref_policy *policy = step->gateway->policy;
	const struct wire *wire = &step->wire;
	bool nat = ref_is_nat(policy, &wire->destination);
	const struct ref_service *service;
	struct ref_flow *flow;

	if (!wire->ip || (!nat && !ref_is_service_address(policy, &wire->destination))) {
		step_end(step, USHER_REASON_NOT_FOR_SERVICE, XDP_PASS);
		return;
	}
	if (wire->reason == USHER_REASON_ICMP_TO_HOST) {
		relay(step);
		return;
	}
	/* Nothing is wrong with a packet of another protocol; it is the host's. */
	if (!wire->reason && wire->protocol != IPPROTO_TCP && wire->protocol != IPPROTO_UDP) {
		step_end(step, USHER_REASON_NOT_FOR_SERVICE, XDP_PASS);
		return;
	}
	if (nat && !wire->reason) {
		follow_backend(step);
		return;
	}
	service = !nat && wire->ports && wire->destination_port
			  ? ref_service_at(policy, &wire->destination, wire->destination_port, wire->protocol)
			  : NULL;
	if (service)
		step->to->service = gateway_service_number(step->gateway, service->name);
	if (wire->reason && (service || nat || !wire->ports || !wire->destination_port)) {
		step_drop(step, wire->reason);
		return;
	}
	if (!service) {
		step_end(step, USHER_REASON_NOT_FOR_SERVICE, XDP_PASS);
		return;
	}
	flow = client_flow(step);
	if (flow && !begins_anew(step, flow))
		follow_client(step, flow);
	else
		admit(step, service, flow);
}

struct ref_flow *gateway_unproven(struct gateway *gateway, const struct frame *frame)
{
	struct step step = {.gateway = gateway, .frame = frame, .wire = wire_read(frame)};
	struct ref_flow *flow = step.wire.ip && !step.wire.reason ? client_flow(&step) : NULL;

	return flow && flow->adopted && flow->status == REF_HALF_OPEN ? flow : NULL;
}

void gateway_packet(struct gateway *gateway, const struct frame *frame, const struct kernel_run *run,
		    struct expectation *ret_expectation)
{
	struct step step = {.gateway = gateway, .frame = frame, .run = run, .to = ret_expectation};

	memset(ret_expectation, 0, offsetof(struct expectation, output));
	ret_expectation->fault[0] = '\0';
	ret_expectation->service = USHER_SERVICE_NONE;
	step.wire = wire_read(frame);
	judge_packet(&step);
}
