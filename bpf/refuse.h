/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Answers that say no: TCP resets, ICMP "administratively prohibited" and "too big".
 *
 * 1. Nobody answers a reset, so two refusing ends cannot play ping-pong (RFC 9293, 3.5.2).
 * 2. Answers are capped a class, CPU and tick: a spoofed flood gets no amplifier and no mirror.
 * 3. A reset is built anew from nothing but its struct, so its bytes are the same whatever options came in.
 */
#ifndef USHER_BPF_REFUSE_H
#define USHER_BPF_REFUSE_H

#include "checksum.h"
#include "flow.h"
#include "link.h"

#define REFUSE_HOP_LIMIT 64
#define REFUSE_RESET_LENGTH(is_ipv6)                                                                                   \
	((is_ipv6 ? (__u32)sizeof(struct ipv6hdr) : (__u32)sizeof(struct iphdr)) + (__u32)sizeof(struct tcphdr))
#define REFUSE_QUOTE_AFTER_IPV4 8	      /* RFC 792 */
#define REFUSE_QUOTE_IPV6_MAX (1280 - 40 - 8) /* RFC 4443, 2.4 (c) */

/* A reset as the end that gets it will see it. */
struct reset {
	struct usher_flow_key path;
	__u32 sequence;
	__u32 acknowledgement;
	__u32 frame_length; /* of what it replaces */
	__u8 flags;
	__u8 is_ipv6;
	__u8 receiver_mac[ETH_ALEN];
	__u8 sender_mac[ETH_ALEN];
	__u8 network; /* offset of the IP header */
	__u8 padding[5];
};
USHER_ASSERT_SIZE(struct reset, 72);

static __always_inline void refuse_ipv4(struct iphdr *ip, const struct usher_flow_key *path, __u8 protocol,
					__u16 length)
{
	const __u16 *words = (const __u16 *)ip;
	__u64 sum = 0;

	*(__u16 *)ip = PARSE_BE16(0x4500);
	ip->tot_len = PARSE_BE16(length);
	ip->id = 0;
	ip->frag_off = PARSE_BE16(0x4000); /* do not fragment: then the id may be 0 (RFC 6864) */
	ip->ttl = REFUSE_HOP_LIMIT;
	ip->protocol = protocol;
	ip->check = 0;
	ip->saddr = path->source.words[3];
	ip->daddr = path->destination.words[3];
	for (__u32 i = 0; i < sizeof(*ip) / 2; i++)
		sum += words[i];
	ip->check = (__u16)~checksum_fold(sum);
}

static __always_inline void refuse_ipv6(struct ipv6hdr *ip, const struct usher_flow_key *path, __u8 protocol,
					__u16 payload)
{
	*(__u32 *)ip = PARSE_BE32(0x60000000);
	ip->payload_len = PARSE_BE16(payload);
	ip->nexthdr = protocol;
	ip->hop_limit = REFUSE_HOP_LIMIT;
	__builtin_memcpy(&ip->saddr, &path->source, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, &path->destination, sizeof(ip->daddr));
}

static __always_inline void refuse_tcp(struct tcphdr *tcp, const struct reset *reset)
{
	__u32 *words = (__u32 *)tcp;
	__u64 sum = checksum_pseudo(&reset->path.source, &reset->path.destination, reset->is_ipv6, IPPROTO_TCP,
				    sizeof(*tcp));

	words[0] = reset->path.ports;
	words[1] = PARSE_BE32(reset->sequence);
	words[2] = PARSE_BE32(reset->acknowledgement);
	words[3] = PARSE_BE32((__u32)(sizeof(*tcp) / 4) << 28 | (__u32)reset->flags << 16);
	words[4] = 0;
	for (int i = 0; i < 4; i++)
		sum += words[i];
	tcp->check = (__u16)~checksum_fold(sum);
}

/* Turns the frame into `reset`. Returns the XDP action. */
__noinline int refuse_send_reset(struct xdp_md *ctx, const struct reset *reset)
{
	void *data, *end, *network;
	__u32 headers;

	if (!reset)
		return XDP_DROP;
	headers = PARSE_NETWORK(reset) + (reset->is_ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	if (bpf_xdp_adjust_tail(ctx, (int)(headers + sizeof(struct tcphdr)) - (int)reset->frame_length))
		return XDP_DROP;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	network = data + PARSE_NETWORK(reset);
	if (data + sizeof(struct ethhdr) > end)
		return XDP_DROP;
	if (reset->is_ipv6) {
		if (network + sizeof(struct ipv6hdr) + sizeof(struct tcphdr) > end)
			return XDP_DROP;
		refuse_ipv6(network, &reset->path, IPPROTO_TCP, sizeof(struct tcphdr));
		refuse_tcp(network + sizeof(struct ipv6hdr), reset);
	} else {
		if (network + sizeof(struct iphdr) + sizeof(struct tcphdr) > end)
			return XDP_DROP;
		refuse_ipv4(network, &reset->path, IPPROTO_TCP, sizeof(struct iphdr) + sizeof(struct tcphdr));
		refuse_tcp(network + sizeof(struct iphdr), reset);
	}
	link_address(data, reset->receiver_mac, reset->sender_mac);
	return XDP_TX;
}

static __always_inline void refuse_turn(const struct usher_flow_key *from, struct usher_flow_key *to)
{
	to->source = from->destination;
	to->destination = from->source;
	to->ports = from->ports << 16 | from->ports >> 16;
}

/* The reset that a closed port would answer with (RFC 9293, 3.5.2). A function of its own, since its callers have deep chains below
 * them. Returns the XDP action. */
__noinline int refuse_tcp_sender(struct xdp_md *ctx, const struct packet *packet)
{
	struct reset reset = {};

	if (!packet)
		return XDP_DROP;
	reset.is_ipv6 = packet->is_ipv6;
	reset.frame_length = packet->length;
	reset.network = packet->network;
	refuse_turn(&packet->key, &reset.path);
	__builtin_memcpy(reset.receiver_mac, packet->sender_mac, ETH_ALEN);
	__builtin_memcpy(reset.sender_mac, packet->receiver_mac, ETH_ALEN);
	if (packet->tcp_flags & TCP_ACK) {
		reset.sequence = packet->acknowledgement;
		reset.flags = TCP_RST;
	} else {
		reset.acknowledgement = packet->sequence + packet->payload + !!(packet->tcp_flags & TCP_SYN);
		reset.flags = TCP_RST | TCP_ACK;
	}
	return refuse_send_reset(ctx, &reset);
}

/*
 * Sum of a frame from here to its end, which is a multiple of 4 away. A function of its own because the verifier would
 * otherwise follow what comes after it anew for each length: 39,362 instructions instead of a tenth of that.
 */
__noinline __u64 refuse_sum(struct xdp_md *ctx, __u32 offset)
{
	const void *from = (void *)(long)ctx->data + (offset & 0xff), *end = (void *)(long)ctx->data_end;
	__u64 sum = 0;

	for (int i = 0; i < (REFUSE_QUOTE_IPV6_MAX + 8) / 4; i++) {
		if (from + 4 > end)
			break;
		sum += *(const __u32 *)from;
		from += 4;
	}
	return sum;
}

struct refuse_icmp_header {
	__u8 type, code;
	__u16 checksum;
	__u32 mtu_be; /* of "too big" */
};

/*
 * ICMP around the packet: what was its IP header becomes the quote, and new headers go in front. `mtu`: of the packets that do
 * get through (RFC 1191; RFC 4443, 3.2), or 0 to say "communication administratively prohibited" (RFC 1812, 5.2.7.1;
 * RFC 4443, 3.1). Returns the XDP action.
 */
__noinline int refuse_by_icmp(struct xdp_md *ctx, const struct packet *packet, __u32 mtu)
{
	struct refuse_icmp_header *icmp;
	struct usher_flow_key path = {};
	__u32 front, quote, offset;
	void *data, *end, *network;
	__u64 pseudo = 0;
	__u16 checksum;

	if (!packet)
		return XDP_DROP;
	refuse_turn(&packet->key, &path);
	front = sizeof(*icmp) + (packet->is_ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	offset = PARSE_NETWORK(packet);
	quote = packet->transport - offset + REFUSE_QUOTE_AFTER_IPV4;
	if (packet->is_ipv6) {
		quote = packet->ip_length;
		quote = (quote > REFUSE_QUOTE_IPV6_MAX ? REFUSE_QUOTE_IPV6_MAX : quote) & ~3u;
	}
	if (bpf_xdp_adjust_tail(ctx, (int)(offset + quote) - (int)packet->length) ||
	    bpf_xdp_adjust_head(ctx, -(int)front))
		return XDP_DROP;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	network = link_push(data, end, packet, sizeof(struct iphdr), packet->is_ipv6);
	if (!network)
		return XDP_DROP;
	if (packet->is_ipv6) {
		icmp = network + sizeof(struct ipv6hdr);
		if ((void *)(icmp + 1) > end)
			return XDP_DROP;
		refuse_ipv6(network, &path, IPPROTO_ICMPV6, (__u16)(sizeof(*icmp) + quote));
		*icmp = (struct refuse_icmp_header){.type = mtu ? 2 : 1, .code = !mtu, .mtu_be = PARSE_BE32(mtu)};
		pseudo = checksum_pseudo(&path.source, &path.destination, true, IPPROTO_ICMPV6, sizeof(*icmp) + quote);
	} else {
		icmp = network + sizeof(struct iphdr);
		if ((void *)(icmp + 1) > end)
			return XDP_DROP;
		refuse_ipv4(network, &path, IPPROTO_ICMP, (__u16)(front + quote));
		*icmp = (struct refuse_icmp_header){.type = 3, .code = mtu ? 4 : 13, .mtu_be = PARSE_BE32(mtu)};
	}
	link_address(data, packet->sender_mac, packet->receiver_mac);
	front += offset - (__u32)sizeof(*icmp);
	checksum = (__u16)~checksum_fold(pseudo + refuse_sum(ctx, front));
	/* A call makes the verifier forget where the frame is. */
	icmp = (void *)(long)ctx->data + (front & 0xff);
	if ((void *)(icmp + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	icmp->checksum = checksum;
	return XDP_TX;
}

/* Is there an answer left in this class's budget? */
static __always_inline bool refuse_within_cap(const struct packet *packet, __u32 class_id)
{
	struct usher_flow_counter *counter = flow_counter();
	struct usher_replies *budget;

	if (class_id ==
	    USHER_NONE) /* of a flow whose client has changed its class: a budget of its own would be no better */
		class_id = packet->is_ipv6 ? USHER_CLASS_UNKNOWN6 : USHER_CLASS_UNKNOWN4;
	budget = bpf_map_lookup_elem(&replies, &class_id);
	if (!budget || !counter)
		return false;
	if (budget->tick != packet->now) {
		budget->tick = packet->now;
		budget->sent = 0;
	}
	if (budget->sent >= usher_boot.replies_max) {
		counter->replies_suppressed++;
		return false;
	}
	budget->sent++;
	counter->replies++;
	return true;
}

/* Says no to whoever sent this packet, if it may be answered. Returns the XDP action. */
static __always_inline int refuse_sender(struct xdp_md *ctx, const struct packet *packet, __u32 class_id)
{
	bool is_tcp = packet->key.protocol == IPPROTO_TCP;

	if (is_tcp && packet->tcp_flags & TCP_RST)
		return XDP_DROP;
	if (packet->dry_run)
		return XDP_TX;
	if (!refuse_within_cap(packet, class_id))
		return XDP_DROP;
	return is_tcp ? refuse_tcp_sender(ctx, packet) : refuse_by_icmp(ctx, packet, 0);
}

/* Tells the sender how much would get through. Returns the XDP action. */
__noinline int refuse_too_big(struct xdp_md *ctx, const struct packet *packet, __u32 class_id, __u32 mtu)
{
	if (!packet || packet->dry_run || !refuse_within_cap(packet, class_id))
		return XDP_DROP;
	return refuse_by_icmp(ctx, packet, mtu);
}

#endif
