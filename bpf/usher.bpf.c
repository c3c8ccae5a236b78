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

/* A function of its own, so that what comes after it is verified once and not for every shape of a packet. */
__noinline int usher_parse(struct xdp_md *ctx, struct packet *packet)
{
	return packet ? parse_packet((void *)(long)ctx->data, (void *)(long)ctx->data_end, packet)
		      : USHER_REASON_IP_HEADER;
}

/*
 * Whose packet is it? UNDECIDED with the service in packet->service; USHER_REASON_RETURNED if it came to a NAT address;
 * otherwise why it goes no further.
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
	reason = usher_parse(ctx, packet);
	if (endpoint->kind == USHER_ENDPOINT_NAT)
		return reason == UNDECIDED ? USHER_REASON_RETURNED : reason;
	if (!packet->key.destination_port_be)
		return reason == UNDECIDED ? USHER_REASON_NOT_FOR_SERVICE : reason;
	endpoint = classify_endpoint(generation, packet->slot, &packet->key.destination,
				     packet->key.destination_port_be, packet->key.protocol);
	if (!endpoint)
		return USHER_REASON_NOT_FOR_SERVICE;
	packet->service = endpoint->service;
	return reason;
}

/* Which flow is it of, and what becomes of it? */
static __always_inline int usher_decide(struct xdp_md *ctx, struct desk *desk)
{
	struct packet *packet = &desk->packet;

	desk->hit.ref.tag = 0;
	if (packet->dry_run)
		return admit(ctx, desk);
	packet->hash = flow_hash(&packet->key);
	switch (flow_find(&packet->key, packet->hash, &desk->hit.ref, &desk->hit.value)) {
	case -EAGAIN:
		return USHER_REASON_FLOW_CONTENDED;
	case -ENOENT:
		desk->hit.ref.tag = 0;
		return admit(ctx, desk);
	}
	return follow_begins(desk) ? admit(ctx, desk) : follow_client(ctx, desk);
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
	*packet = (struct packet){.length = ctx->data_end - ctx->data,
				  .service = USHER_SERVICE_NONE,
				  .action = XDP_DROP,
				  .dry_run = (__u8)number};
	reason = usher_receive(ctx, packet);
	packet->now = flow_tick();
	if (reason == USHER_REASON_ICMP_TO_HOST)
		reason = relay(ctx, desk);
	if (reason == USHER_REASON_RETURNED) {
		reason = follow_backend(ctx, desk);
	} else {
		account_received(packet);
		if (reason == UNDECIDED)
			reason = usher_decide(ctx, desk);
	}
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
