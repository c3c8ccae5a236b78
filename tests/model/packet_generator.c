// SPDX-License-Identifier: GPL-2.0-only
#include "packet_generator.h"

#include <netinet/in.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const uint8_t gateway_mac[6] = {2, 0, 0, 0, 0, 1};

/* ---- addresses --------------------------------------------------------------------------------------------- */

static struct usher_address any_address(struct random *random, bool ipv6)
{
	struct usher_address address = {.bytes = {[10] = 0xff, [11] = 0xff}};

	for (size_t i = ipv6 ? 0 : 12; i < 16; i++)
		address.bytes[i] = (uint8_t)random_next(random);
	if (ipv6 && random_chance(random, 80))
		memcpy(address.bytes, (const uint8_t[]){0x20, 0x01, 0x0d, 0xb8}, 4);
	else if (!ipv6 && random_chance(random, 80))
		address.bytes[12] = (uint8_t)random_between(random, 18, 24);
	return address;
}

/* The number before or after, where the edges of prefixes are. */
static void step(struct usher_address *address, int by)
{
	for (size_t i = 16; i-- > 12;) {
		uint8_t before = address->bytes[i];

		address->bytes[i] = (uint8_t)(before + by);
		if (by > 0 ? before != 0xff : before != 0)
			return;
	}
}

/* In a prefix: anywhere, its first or its last address, or just outside. */
static struct usher_address client_address(struct random *random, const struct ref_policy *policy, bool ipv6)
{
	const struct ref_prefix *prefix = NULL;

	for (int tries = 0; policy->prefix_count && tries < 4; tries++) {
		prefix = &policy->prefixes[random_below(random, policy->prefix_count)];
		if (ref_is_ipv4(&prefix->address) != ipv6)
			break;
		prefix = NULL;
	}
	if (!prefix || random_chance(random, 8))
		return any_address(random, ipv6);
	struct usher_address address = prefix->address;
	uint32_t where = random_below(random, 100);

	for (unsigned int bit = prefix->bits; bit < 128; bit++) {
		uint8_t mask = (uint8_t)(0x80u >> (bit % 8));

		if (where < 20 ? where >= 10 : random_chance(random, 50))
			address.bytes[bit / 8] |= mask;
	}
	if (where < 5)
		step(&address, -1);
	else if (where >= 15 && where < 20)
		step(&address, 1);
	return address;
}

static void client_mac(struct random *random, uint8_t mac[6])
{
	memcpy(mac, (const uint8_t[]){2, 0, 0, 1, 0, 0}, 6);
	mac[5] = (uint8_t)random_below(random, 200);
}

/* ---- plans ------------------------------------------------------------------------------------------------- */

static uint16_t some_port(struct random *random)
{
	return (uint16_t)(random_chance(random, 50) ? random_between(random, 1, 65535)
						    : random_between(random, 40000, 40003));
}

static void plan_link(struct random *random, struct frame_plan *plan)
{
	memcpy(plan->destination_mac, gateway_mac, 6);
	client_mac(random, plan->source_mac);
	plan->hop_limit =
		(uint8_t)(random_chance(random, 96) ? random_between(random, 30, 255) : random_below(random, 3));
	plan->traffic_class = (uint8_t)(random_chance(random, 80) ? 0 : random_next(random));
	plan->id = (uint16_t)random_next(random);
	plan->fragment = random_chance(random, 50) ? 0x4000 : 0;
	plan->window = (uint16_t)random_next(random);
	plan->sequence = (uint32_t)random_next(random);
	plan->acknowledgement = (uint32_t)random_next(random);
	plan->payload = random_chance(random, 60) ? 0 : random_below(random, 120);
	plan->tcp_option_bytes = random_chance(random, 70) ? 0 : 4 * random_below(random, 11);
	plan->trailer = random_chance(random, 90) ? 0 : random_below(random, 20);
	plan->no_checksum = random_chance(random, 20);
}

static void plan_headers(struct random *random, struct frame_plan *plan)
{
	static const uint8_t kinds[] = {IPPROTO_DSTOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS, IPPROTO_HOPOPTS};

	if (!random_chance(random, 8))
		return;
	if (!plan->ipv6) {
		plan->option_bytes = 4 * random_between(random, 1, 10);
		memset(plan->options, 1, plan->option_bytes);
		return;
	}
	plan->extension_count = random_between(random, 1, COUNT(plan->extensions));
	for (size_t i = 0; i < plan->extension_count; i++) {
		plan->extensions[i] =
			i || random_chance(random, 50) ? kinds[random_below(random, i ? 3 : 4)] : IPPROTO_HOPOPTS;
		plan->extension_units[i] = (uint8_t)random_below(random, 3);
	}
}

static uint8_t opening_flags(struct random *random)
{
	static const uint8_t others[] = {FRAME_ACK,
					 FRAME_ACK | FRAME_PSH,
					 FRAME_RST,
					 FRAME_FIN | FRAME_ACK,
					 FRAME_SYN | FRAME_ACK,
					 FRAME_RST | FRAME_ACK,
					 FRAME_SYN | FRAME_URG};

	return random_chance(random, 85) ? FRAME_SYN : others[random_below(random, COUNT(others))];
}

/* A client stays with its router: answers follow one that moves, but at most once a tick, and here time has none. */
static void stay_with_router(struct frame_plan *plan)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < sizeof(plan->source.bytes); i++)
		sum = (uint8_t)(sum * 31 + plan->source.bytes[i]);
	plan->source_mac[5] = sum % 200;
}

/* What begins a flow, or would like to. False: the policy has no service to try. */
static bool plan_opening(struct random *random, const struct ref_policy *policy, struct frame_plan *plan)
{
	if (!policy->service_count)
		return false;
	const struct ref_service *service = &policy->services[random_below(random, policy->service_count)];
	const struct ref_endpoint *to = &service->addresses[random_below(random, service->address_count)];

	plan->ipv6 = to->ipv6;
	plan->source = client_address(random, policy, to->ipv6);
	stay_with_router(plan);
	plan->destination = to->address;
	plan->protocol = service->protocol;
	plan->source_port = some_port(random);
	plan->destination_port = to->port;
	plan->flags = opening_flags(random);
	return true;
}

static uint8_t later_flags(struct random *random)
{
	static const uint8_t some[] = {FRAME_SYN,
				       FRAME_FIN | FRAME_ACK,
				       FRAME_RST,
				       FRAME_RST | FRAME_ACK,
				       FRAME_SYN | FRAME_ACK,
				       FRAME_ACK | FRAME_URG,
				       FRAME_FIN | FRAME_ACK | FRAME_PSH};

	if (random_chance(random, 70))
		return random_chance(random, 50) ? FRAME_ACK : FRAME_ACK | FRAME_PSH;
	return some[random_below(random, COUNT(some))];
}

/* Where the client is, or about there, or at an edge of what counts as that. */
static uint32_t client_sequence(struct random *random, const struct ref_flow *flow)
{
	static const int32_t edges[] = {-65537, -65536, 983039, 983040, (1 << 24) - 1, 1 << 24};

	if (random_chance(random, 60))
		return flow->client_next + random_below(random, 2000);
	if (random_chance(random, 50))
		return flow->client_next + (uint32_t)edges[random_below(random, COUNT(edges))];
	return (uint32_t)random_next(random);
}

static void plan_later(struct random *random, const struct ref_flow *flow, struct frame_plan *plan)
{
	plan->ipv6 = flow->ipv6;
	plan->source = flow->client;
	memcpy(plan->source_mac, flow->client_mac, sizeof(plan->source_mac));
	plan->destination = flow->service_address;
	plan->protocol = flow->protocol;
	plan->source_port = flow->client_port;
	plan->destination_port = flow->service_port;
	plan->flags = later_flags(random);
	plan->sequence = client_sequence(random, flow);
	if (random_chance(random, 60))
		plan->acknowledgement = flow->backend_next;
}

static void plan_return(struct random *random, const struct ref_flow *flow, struct frame_plan *plan)
{
	plan->ipv6 = flow->ipv6;
	plan->source = flow->backend_address;
	plan->destination = flow->nat_address;
	plan->protocol = flow->protocol;
	plan->source_port = flow->backend_port;
	plan->destination_port = flow->nat_port;
	plan->flags = random_chance(random, flow->status == REF_HALF_OPEN ? 70 : 10) ? FRAME_SYN | FRAME_ACK
										     : later_flags(random);
	if (random_chance(random, 60))
		plan->acknowledgement = client_sequence(random, flow);
	if (random_chance(random, 60))
		plan->sequence = flow->backend_next - 1;
}

/* To an address of usher's, or to nobody it knows. */
static void plan_stray(struct random *random, const struct ref_policy *policy, struct frame_plan *plan)
{
	static const uint8_t protocols[] = {IPPROTO_TCP,    IPPROTO_UDP, IPPROTO_ICMP,
					    IPPROTO_ICMPV6, IPPROTO_GRE, IPPROTO_NONE};

	if (random_chance(random, 50) && policy->nat_count) {
		plan->destination = policy->nat[random_below(random, policy->nat_count)];
		plan->ipv6 = !ref_is_ipv4(&plan->destination);
		plan->source = client_address(random, policy, plan->ipv6);
		if (random_chance(random, 50) && policy->backend_count) {
			const struct ref_backend *from = &policy->backends[random_below(random, policy->backend_count)];

			if (from->ipv6 == plan->ipv6) {
				plan->source = from->address;
				plan->source_port = from->port;
			}
		}
	} else if (!plan_opening(random, policy, plan) || random_chance(random, 40)) {
		plan->ipv6 = random_chance(random, 50);
		plan->source = client_address(random, policy, plan->ipv6);
		plan->destination = any_address(random, plan->ipv6);
	}
	if (random_chance(random, 70))
		plan->destination_port = some_port(random);
	if (!plan->source_port)
		plan->source_port = some_port(random);
	if (!plan->protocol || random_chance(random, 60))
		plan->protocol = protocols[random_below(random, random_chance(random, 60) ? 2 : COUNT(protocols))];
	plan->flags = later_flags(random);
}

/* ---- errors -------------------------------------------------------------------------------------------------- */

/* A packet of the flow's, as whoever met it on its way saw it: from the service to the client, or from usher to the backend. */
static void plan_quoted(struct random *random, const struct ref_flow *flow, struct frame_plan *plan)
{
	bool to_backend = flow->nat_port && random_chance(random, 50);

	plan->ipv6 = flow->ipv6;
	plan->protocol = flow->protocol;
	plan->source = to_backend ? flow->nat_address : flow->service_address;
	plan->destination = to_backend ? flow->backend_address : flow->client;
	plan->source_port = to_backend ? flow->nat_port : flow->service_port;
	plan->destination_port = to_backend ? flow->backend_port : flow->client_port;
	plan->flags = later_flags(random);
	if (random_chance(random, 5))
		plan->fragment = (uint16_t)random_next(random);
	switch (random_below(random, 30)) { /* of no flow */
	case 0:
		plan->source_port++;
		break;
	case 1:
		plan->destination_port++;
		break;
	case 2:
		plan->protocol = plan->protocol == IPPROTO_TCP ? IPPROTO_UDP : IPPROTO_TCP;
		break;
	case 3:
		step(&plan->destination, 1);
		break;
	}
}

/* An ICMP error about it, sent to where that packet came from by somebody on its way. */
static void make_error(struct random *random, const struct gateway *gateway, const struct ref_flow *flow,
		       struct frame *ret_frame)
{
	struct frame_plan about = {0}, plan = {0};
	struct frame quoted;
	uint8_t type;
	size_t most;

	plan_link(random, &about);
	about.trailer = 0;
	plan_quoted(random, flow, &about);
	if (random_chance(random, 20))
		plan_headers(random, &about);
	frame_build(&about, &quoted);
	plan_link(random, &plan);
	plan.ipv6 = flow->ipv6;
	plan.source = random_chance(random, 30) ? about.destination : any_address(random, plan.ipv6);
	plan.destination = about.source;
	if (random_chance(random, 3)) {
		const struct ref_flow *other = &gateway->flows[random_below(random, gateway->flow_count)];

		if (other->ipv6 == plan.ipv6)
			plan.destination = other->service_address;
	}
	plan_headers(random, &plan);
	type = plan.ipv6 ? (uint8_t)random_between(random, 1, 4)
			 : (const uint8_t[]){3, 11, 12}[random_below(random, 3)];
	if (random_chance(random, 4))
		type = (uint8_t)random_next(random);
	most = (plan.ipv6 ? 40 : 20 + about.option_bytes) + 8;
	most = random_chance(random, 30)   ? most
	       : random_chance(random, 70) ? 1232
					   : random_below(random, (uint32_t)most + 20);
	frame_build_error(&plan, type, (uint8_t)random_below(random, 16), &quoted, most, ret_frame);
}

/* ---- damage ------------------------------------------------------------------------------------------------ */

static void flip_bit(struct random *random, struct frame *frame)
{
	size_t within = frame->length < 100 || random_chance(random, 20) ? frame->length : 100;
	size_t at = random_below(random, within);

	if (at < 6 || at >= 12) /* a client stays with its router, as above */
		frame->bytes[at] ^= (uint8_t)(1u << random_below(random, 8));
}

static void bad_source(struct random *random, struct frame *frame)
{
	static const uint8_t sources4[][4] = {{0, 0, 0, 0},	    {0, 1, 2, 3},   {127, 0, 0, 1},	 {224, 0, 0, 1},
					      {239, 255, 255, 255}, {240, 0, 0, 1}, {255, 255, 255, 255}};
	static const uint8_t sources6[][16] = {{0},
					       {[15] = 1},
					       {[15] = 2},
					       {0xff, 2, [15] = 1},
					       {0xfe, 0x80, [15] = 1},
					       {[10] = 0xff, [11] = 0xff, [12] = 20, [15] = 1},
					       {[12] = 20, [15] = 1}};

	if (frame_get16(frame->bytes + 12) == 0x86dd) {
		if (random_chance(random, 20))
			memcpy(frame->bytes + 22, frame->bytes + 38, 16);
		else
			memcpy(frame->bytes + 22, sources6[random_below(random, COUNT(sources6))], 16);
	} else if (random_chance(random, 20)) {
		memcpy(frame->bytes + 26, frame->bytes + 30, 4);
	} else {
		memcpy(frame->bytes + 26, sources4[random_below(random, COUNT(sources4))], 4);
	}
}

static void damage(struct random *random, struct frame *frame)
{
	bool ipv6 = frame_get16(frame->bytes + 12) == 0x86dd;
	uint8_t *ip = frame->bytes + 14, *transport = ip + (ipv6 ? 40 : (ip[0] & 0xf) * 4);

	switch (random_below(random, 14)) {
	case 0:
		frame->length = random_between(random, 14, (uint32_t)frame->length);
		break;
	case 1: /* header length, version or class */
		ip[0] = (uint8_t)random_next(random);
		break;
	case 2: /* total or payload length */
		frame_put16(ip + (ipv6 ? 4 : 2),
			    (uint16_t)random_below(random, random_chance(random, 80) ? 200 : 65536));
		break;
	case 3: /* fragments; of IPv6, flow label or payload length */
		ip[6] = (uint8_t)random_next(random);
		break;
	case 4: /* protocol or next header */
		ip[ipv6 ? 6 : 9] =
			(uint8_t)(random_chance(random, 50) ? random_next(random)
							    : (const uint8_t[]){44, 51, 135, 139, 253, 59, 6, 17, 0, 43,
										60}[random_below(random, 11)]);
		break;
	case 5: /* the first byte behind the IP header: a port, or the next header's kind */
		transport[0] = (uint8_t)random_next(random);
		break;
	case 6: /* its second: a port, or an extension's length */
		transport[1] = (uint8_t)random_next(random);
		break;
	case 7: /* source port, or UDP length */
		frame_put16(transport + (random_chance(random, 50) ? 0 : 4), (uint16_t)random_below(random, 3));
		break;
	case 8: /* TCP: data offset; UDP: payload */
		transport[12] = (uint8_t)random_next(random);
		break;
	case 9: /* TCP: flags */
		transport[13] = (uint8_t)random_next(random);
		break;
	case 10: /* an address to which the frame is not */
		frame->bytes[0] |= random_chance(random, 50) ? 1 : 0;
		frame_put16(frame->bytes + 12,
			    (const uint16_t[]){0x0806, 0x8100, 0x88a8, 0x86dd, 0x0800}[random_below(random, 5)]);
		break;
	case 11:
		bad_source(random, frame);
		break;
	default:
		for (uint32_t n = random_between(random, 1, 3); n; n--)
			flip_bit(random, frame);
	}
}

/* One or two, now and then more than anyone keeps. */
static void put_tags(struct random *random, struct frame *frame)
{
	uint32_t count = random_chance(random, 5) ? 3 : random_between(random, 1, 2);

	for (uint32_t i = 0; i < count; i++) {
		uint8_t tag[4];

		frame_put16(tag, random_chance(random, 70) ? 0x8100 : 0x88a8);
		frame_put16(tag + 2, (uint16_t)random_next(random));
		frame_insert_tags(tag, sizeof(tag), frame);
	}
}

/* ---- the next packet --------------------------------------------------------------------------------------- */

static void plan_packet(struct random *random, const struct gateway *gateway, const struct ref_flow *flow,
			uint32_t kind, struct frame_plan *plan)
{
	plan_link(random, plan);
	if (kind < 42 && flow)
		plan_later(random, flow, plan);
	else if (kind < 62 && flow && flow->nat_port)
		plan_return(random, flow, plan);
	else if (kind >= 92 || !plan_opening(random, gateway->policy, plan))
		plan_stray(random, gateway->policy, plan);
	plan_headers(random, plan);
}

void packet_generate(struct random *random, const struct gateway *gateway, struct frame *ret_frame)
{
	const struct ref_flow *flow =
		gateway->flow_count ? &gateway->flows[random_below(random, gateway->flow_count)] : NULL;
	uint32_t kind = random_below(random, 100);
	struct frame_plan plan = {0};

	if (kind < 8 && flow) {
		make_error(random, gateway, flow, ret_frame);
	} else {
		plan_packet(random, gateway, flow, kind, &plan);
		frame_build(&plan, ret_frame);
	}
	if (random_chance(random, 7))
		damage(random, ret_frame);
	if (random_chance(random, 25) && ret_frame->length >= 12)
		put_tags(random, ret_frame);
}
