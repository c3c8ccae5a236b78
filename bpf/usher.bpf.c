// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pipeline. A packet goes down it once, sees one generation, and is counted once:
 *
 *   parse -> classify -> flow -+-> follow (known flow) -> forward
 *                              +-> admit  (new flow)   -> route -> record -> forward | refuse
 *                              +-> relay  (ICMP error that quotes a flow) -> forward
 */
#include "expire.h"
#include "relay.h"

/* Is this a question and not traffic? Only the daemon knows the token, and nothing from a wire carries metadata. */
static __always_inline bool usher_is_dry_run(const struct xdp_md *ctx)
{
	const struct usher_dry_run *dry_run = (void *)(long)ctx->data_meta;

	return (void *)(dry_run + 1) <= (void *)(long)ctx->data && dry_run->token == usher_boot.dry_run_token;
}

/* The service at the packet's destination, into packet->service. False: there is none. */
static __always_inline bool usher_find_service(struct packet *packet)
{
	const struct usher_generation *generation = generation_of(packet);
	const struct usher_endpoint *endpoint;

	if (packet->service != USHER_SERVICE_NONE)
		return true;
	if (!generation)
		return false;
	endpoint = classify_endpoint(generation, packet->slot, &packet->key.destination,
				     packet->key.destination_port_be, packet->key.protocol);
	if (!endpoint || endpoint->kind != USHER_ENDPOINT_SERVICE)
		return false;
	packet->service = endpoint->service;
	return true;
}

/*
 * To whom is it? UNDECIDED: to an address of services; USHER_REASON_RETURNED: to a NAT address; otherwise why it goes no further,
 * with the service that it is counted under.
 */
static __always_inline int usher_receive(struct xdp_md *ctx, struct packet *packet)
{
	const void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	const struct usher_endpoint *endpoint;
	const struct usher_generation *generation;
	int reason;

	if (!parse_destination(data, end, packet))
		return USHER_REASON_NOT_FOR_SERVICE;
	generation = generation_read(packet);
	if (!generation || !generation->number)
		return USHER_REASON_NOT_FOR_SERVICE;
	endpoint = classify_endpoint(generation, packet->slot, &packet->key.destination, 0, 0);
	if (!endpoint)
		return USHER_REASON_NOT_FOR_SERVICE;
	reason = parse_packet(data, end, packet);
	if (endpoint->kind == USHER_ENDPOINT_NAT)
		return reason == UNDECIDED ? USHER_REASON_RETURNED : reason;
	if (packet->key.destination_port_be && packet->key.destination_port_be == endpoint->first_port_be &&
	    packet->key.protocol == endpoint->first_protocol)
		packet->service = endpoint->first_service;
	if (reason != UNDECIDED && packet->key.destination_port_be && !usher_find_service(packet))
		return USHER_REASON_NOT_FOR_SERVICE;
	return reason;
}

/* A packet of no flow, or of one that is not simply to be sent on. `missed`: what flow_find said. */
static __always_inline int usher_decide(struct xdp_md *ctx, struct desk *desk, int missed)
{
	struct packet *packet = &desk->packet;
	bool found = usher_find_service(packet);

	account_received(packet);
	if (!found)
		return USHER_REASON_NOT_FOR_SERVICE;
	if (missed == -EAGAIN)
		return USHER_REASON_FLOW_CONTENDED;
	if (missed)
		desk->hit.ref.tag = 0;
	return missed || follow_begins(desk) ? admit(ctx, desk) : follow_client(ctx, desk);
}

/*
 * A client's packet. That of a flow which has been judged by what is in force takes the shortest way: an endpoint that goes raises
 * the epoch, so the flow alone says which service this is.
 */
static __always_inline int usher_steer(struct xdp_md *ctx, struct desk *desk)
{
	struct packet *packet = &desk->packet;
	int missed = -ENOENT, reason = USHER_REASON_ESTABLISHED | FOLLOW_ON;

	if (!packet->dry_run) {
		packet->hash = flow_hash(&packet->key);
		flow_figures_fetch(flow_home(packet->hash)); /* most are at home */
		missed = flow_find(&packet->key, packet->hash, &desk->hit.ref, &desk->hit.value);
	}
	if (!missed && follow_is_settled(packet, &desk->hit)) {
		packet->service = desk->hit.value.forward.service;
		account_received(packet);
	} else {
		reason = usher_decide(ctx, desk, missed);
	}
	return reason & FOLLOW_ON ? follow_send(ctx, desk, reason & ~FOLLOW_ON) : reason;
}

SEC("xdp")
int usher(struct xdp_md *ctx)
{
	__u32 number = usher_is_dry_run(ctx);
	struct desk *desk = bpf_map_lookup_elem(&desks, &number);
	struct packet *packet;
	int reason;

	if (!desk)
		return XDP_PASS;
	packet = &desk->packet;
	packet_begin(packet, ctx->data_end - ctx->data, number);
	reason = usher_receive(ctx, packet);
	packet->now = flow_tick();
	if (reason == USHER_REASON_ICMP_TO_HOST)
		reason = relay(ctx, desk);
	if (reason == UNDECIDED)
		reason = usher_steer(ctx, desk);
	else if (reason == USHER_REASON_RETURNED)
		reason = follow_backend(ctx, desk);
	else
		account_received(packet);
	account_verdict(packet, reason);
	return reason < USHER_REASON_ADMITTED ? XDP_PASS : (int)packet->action;
}

/* Sends out frames that the daemon makes, in live-frames mode of BPF_PROG_TEST_RUN. */
SEC("xdp")
int usher_inject(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_TX;
}

char LICENSE[] SEC("license") = "GPL";
