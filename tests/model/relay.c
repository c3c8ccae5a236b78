// SPDX-License-Identifier: GPL-2.0-only
#include "relay.h"

#include <linux/bpf.h>
#include <netinet/in.h>
#include <string.h>

#include "way.h"

/* The packet that an error is about. */
struct quote {
	size_t network, transport; /* offsets in the frame */
	size_t length;		   /* from its transport header to the end of the error */
	uint8_t protocol;
	struct usher_address source, destination;
	uint16_t source_port, destination_port;
};

static struct usher_address address_at(const uint8_t *bytes, bool ipv6)
{
	struct usher_address address = {.bytes = {[10] = 0xff, [11] = 0xff}};

	memcpy(address.bytes + (ipv6 ? 0 : 12), bytes, ipv6 ? 16 : 4);
	return address;
}

/* False: it is no error, or does not show which flow it is about. */
static bool read_quote(const struct step *step, struct quote *quote)
{
	const struct wire *wire = &step->wire;
	const uint8_t *icmp = step->frame->bytes + wire->transport, *ip = icmp + 8;
	size_t header = wire->ipv6 ? 40 : 20;

	if (wire->segment < 8 + header + 8)
		return false;
	if (wire->ipv6 ? icmp[0] < 1 || icmp[0] > 4 : icmp[0] != 3 && icmp[0] != 11 && icmp[0] != 12)
		return false;
	if (ip[0] >> 4 != (wire->ipv6 ? 6 : 4))
		return false;
	if (!wire->ipv6) {
		header = (size_t)(ip[0] & 0xf) * 4;
		if (header < 20 || frame_get16(ip + 6) & 0x1fff) /* ports are in the first fragment alone */
			return false;
	}
	if (wire->segment < 8 + header + 8)
		return false;
	quote->network = wire->transport + 8;
	quote->transport = quote->network + header;
	quote->length = wire->segment - 8 - header;
	quote->protocol = ip[wire->ipv6 ? 6 : 9];
	quote->source = address_at(ip + (wire->ipv6 ? 8 : 12), wire->ipv6);
	quote->destination = address_at(ip + (wire->ipv6 ? 24 : 16), wire->ipv6);
	quote->source_port = frame_get16(ip + header);
	quote->destination_port = frame_get16(ip + header + 2);
	return (quote->protocol == IPPROTO_TCP || quote->protocol == IPPROTO_UDP) &&
	       ref_same_address(&quote->source, &wire->destination);
}

/* The flow that the quoted packet is of; ret_to_backend: it was sent by the service, not by usher in the client's place. */
static struct ref_flow *quoted_flow(const struct step *step, const struct quote *quote, bool *ret_to_backend)
{
	for (size_t i = 0; i < step->gateway->flow_count; i++) {
		struct ref_flow *flow = &step->gateway->flows[i];

		if (flow->protocol != quote->protocol)
			continue;
		if (flow->service_port == quote->source_port && flow->client_port == quote->destination_port &&
		    ref_same_address(&flow->service_address, &quote->source) &&
		    ref_same_address(&flow->client, &quote->destination)) {
			*ret_to_backend = true;
			return flow;
		}
		if (flow->nat_port && flow->nat_port == quote->source_port &&
		    flow->backend_port == quote->destination_port &&
		    ref_same_address(&flow->nat_address, &quote->source) &&
		    ref_same_address(&flow->backend_address, &quote->destination)) {
			*ret_to_backend = false;
			return flow;
		}
	}
	return NULL;
}

static void translate(struct step *step, const struct quote *quote, struct rewrite_link link,
		      const struct rewrite_path *inner)
{
	struct rewrite_quote at = {quote->network, quote->transport, quote->length, quote->protocol};

	step->to->output = *step->frame;
	rewrite_error(&step->wire, link, &at, inner, &step->to->output);
}

static void relay_to_backend(struct step *step, const struct quote *quote, const struct ref_flow *flow)
{
	const struct ref_backend *backend = way_to(step->gateway, flow);
	struct rewrite_path there = way_path(flow),
			    inner = {there.destination, there.source, there.destination_port, there.source_port};

	if (!backend) {
		step_drop(step, USHER_REASON_NEXT_HOP);
		return;
	}
	if (!way_fits(step, backend)) { /* nobody is told about errors */
		step_drop(step, USHER_REASON_TOO_BIG);
		return;
	}
	step_end(step, USHER_REASON_ICMP_RELAYED, XDP_TX);
	struct rewrite_link link = {backend->mac, backend->own_mac};

	if (!flow->l2) {
		translate(step, quote, link, &inner);
		return;
	}
	step->to->output = *step->frame;
	rewrite_direct(&step->wire, link, &step->to->output);
	way_tunnel(step, backend);
}

static void relay_to_client(struct step *step, const struct quote *quote, const struct ref_flow *flow)
{
	struct rewrite_path inner = {flow->client, flow->service_address, flow->client_port, flow->service_port};

	step_end(step, USHER_REASON_ICMP_RELAYED, XDP_TX);
	translate(step, quote, (struct rewrite_link){flow->client_mac, step->frame->bytes}, &inner);
}

void relay(struct step *step)
{
	struct ref_flow *flow = NULL;
	struct quote quote;
	bool to_backend;

	if (read_quote(step, &quote) && !wire_bad_source(&step->wire))
		flow = quoted_flow(step, &quote, &to_backend);
	if (!flow) {
		step_end(step, USHER_REASON_ICMP_TO_HOST, XDP_PASS);
		return;
	}
	step->to->service = flow->service;
	if (flow->status == REF_CUT || flow->epoch != step->gateway->epoch)
		step_drop(step, USHER_REASON_ICMP_UNJUDGED);
	else if (step->wire.hop_limit <= 1)
		step_drop(step, USHER_REASON_TTL_EXPIRED);
	else if (to_backend)
		relay_to_backend(step, &quote, flow);
	else
		relay_to_client(step, &quote, flow);
}
