/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the packets of a TCP flow say of it: answered, asked, closed by one end or by both, reset.
 *
 * 1. Through NAT the backend is believed: its packets come from an address of the operator's own, to a port that only it has been
 *    shown. A client's FIN or RST counts if its sequence number is near the place that the client was last seen at, which is noted
 *    when it asks and when it is answered: 1 MiB of 4 GiB. Who guesses addresses and ports must then guess about 4,000 times more, and
 *    what he wins is that usher forgets the flow if both ends are silent for FLOW_TICKS_TCP_CLOSED. Where his reset is one that the
 *    backend looks at, it asks back (RFC 5961, 3), and 2. restores the flow.
 *    An upload may run ahead of its acknowledgements by more than that: its data is timed up to TCP_FAR ahead, but moves the place only
 *    when it is near; further ahead, the backend's next acknowledgement says where the client is.
 * 2. A packet after a client's reset takes it back: an end that took the reset sends nothing more, or resets once more.
 * 3. A handshake is reset by nobody but the backend that refuses it: a client's kernel resets what a backend's TIME_WAIT answers,
 *    and tries again.
 * 4. A SYN on an open NAT flow goes to the flow's backend, under the flow's decision, which is judged as that of any packet: what
 *    comes back is an acknowledgement that a live client ignores and a new one resets (RFC 5961, 4), and then the SYN's
 *    retransmission begins a flow of its own. A backend that answers with a SYN-ACK has no connection there any more: that answer is
 *    dropped, and the next SYN begins a flow of its own. So no connection opens under another's decision and record.
 * 5. In direct return nobody here sees the backend's answer: a SYN begins anew, and a reset, near or not, is worth as little as
 *    a FIN. A flow that is forgotten too early is adopted again by its next packet.
 */
#ifndef USHER_BPF_TCP_H
#define USHER_BPF_TCP_H

#include "flow_entry.h"
#include "latency.h"

#define TCP_NEAR (1u << 20)
#define TCP_NEAR_BEHIND (1u << 16) /* of it: an end may answer what was sent before the last place */

#define TCP_FAR (1u << 24)

#define TCP_OVER (USHER_TCP_CLIENT_FIN | USHER_TCP_BACKEND_FIN)

static __always_inline bool tcp_is_over(__u8 tcp)
{
	return (tcp & TCP_OVER) == TCP_OVER;
}

/* LIVE: quiet or not. */
static __always_inline bool tcp_has_status(const struct flow_hit *hit, __u32 status)
{
	return status == USHER_FLOW_LIVE ? flow_is_live(hit->ref.tag) : USHER_TAG_STATUS(hit->ref.tag) == status;
}

static __always_inline bool tcp_is_nat(const struct flow_hit *hit)
{
	return hit->value.forward.nat_port_be;
}

/* Is there a backend that can say whether the flow still exists, or is this its handshake? Then a SYN does not begin another. */
static __always_inline bool tcp_is_vouched(const struct flow_hit *hit)
{
	__u8 tcp = hit->value.forward.tcp;

	if (tcp_is_over(tcp) || tcp & (USHER_TCP_RESET | USHER_TCP_ADOPTED))
		return false;
	return tcp_has_status(hit, USHER_FLOW_HALF_OPEN) || (tcp_has_status(hit, USHER_FLOW_LIVE) && tcp_is_nat(hit));
}

static __always_inline struct usher_flow_moment *tcp_moment(const struct desk *desk)
{
	__u32 line = desk->hit.ref.line;

	return bpf_map_lookup_elem(&flow_moments, &line);
}

/* Does a client's packet come from about where the client was last seen? */
static __always_inline bool tcp_is_near(const struct packet *packet, const struct usher_flow_moment *moment)
{
	return packet->sequence - (moment->client_next - TCP_NEAR_BEHIND) < TCP_NEAR;
}

static __always_inline void tcp_set(const struct desk *desk, __u8 clear, __u8 set)
{
	flow_update(&desk->hit.ref, 1, (__u64)clear << 48, (__u64)set << 48);
}

/* ---- from the client ------------------------------------------------------------------------------------- */

/* Has it waited for an answer for so long that it is the reason to close? */
static __always_inline void tcp_blame(const struct desk *desk, const struct usher_flow_moment *moment)
{
	struct usher_backend_figures *figures;

	if (!(desk->hit.value.forward.tcp & USHER_TCP_ASKED) ||
	    latency_stamp() - moment->asked < USHER_FIRST_BYTE_PATIENCE)
		return;
	figures = latency_figures(desk->hit.value.forward.backend);
	if (figures)
		__sync_fetch_and_add(&figures->first_byte_timeouts, 1);
}

/* A FIN or RST of the client. */
__noinline int tcp_client_ends(struct desk *desk)
{
	const struct usher_flow_moment *moment = desk ? tcp_moment(desk) : NULL;
	__u8 tcp, ended;

	if (!desk || !moment || !tcp_has_status(&desk->hit, USHER_FLOW_LIVE))
		return 0;
	if (tcp_is_nat(&desk->hit) && !tcp_is_near(&desk->packet, moment))
		return 0;
	tcp = desk->hit.value.forward.tcp;
	ended = desk->packet.tcp_flags & TCP_RST ? USHER_TCP_RESET : USHER_TCP_CLIENT_FIN;
	if (tcp & ended)
		return 0;
	if (!(tcp & (TCP_OVER | USHER_TCP_RESET)))
		tcp_blame(desk, moment);
	tcp_set(desk, 0, ended);
	flow_figures_close(desk->hit.ref.line,
			   ended == USHER_TCP_RESET ? USHER_CLOSING_CLIENT_RESET : USHER_CLOSING_CLIENT_FIN);
	/* In direct return there is nobody else whose close would be seen. */
	if (!tcp_is_nat(&desk->hit) || ended == USHER_TCP_RESET || tcp_is_over(tcp | ended))
		flow_rest(&desk->hit.ref);
	return 0;
}

/* It was reset, and speaks. */
__noinline int tcp_revive(struct desk *desk)
{
	if (desk && !tcp_is_over(desk->hit.value.forward.tcp)) {
		tcp_set(desk, USHER_TCP_RESET, 0);
		flow_wake(&desk->hit.ref);
	}
	return 0;
}

/* The first byte of what the client wants. */
__noinline int tcp_ask(struct desk *desk)
{
	struct usher_flow_moment *moment = desk ? tcp_moment(desk) : NULL;

	if (!desk || !moment || !tcp_has_status(&desk->hit, USHER_FLOW_LIVE))
		return 0;
	if (tcp_is_near(&desk->packet, moment)) {
		moment->client_next = desk->packet.sequence;
	} else if (desk->packet.sequence - moment->client_next >= TCP_FAR) {
		tcp_set(desk, 0, USHER_TCP_LOST);
		return 0;
	}
	moment->asked = latency_stamp();
	tcp_set(desk, 0, USHER_TCP_ASKED);
	return 0;
}

/* A client's packet, on its way to the backend. */
static __always_inline void tcp_from_client(struct desk *desk)
{
	const struct packet *packet = &desk->packet;
	__u8 tcp = desk->hit.value.forward.tcp;

	if (packet->tcp_flags & (TCP_FIN | TCP_RST))
		tcp_client_ends(desk);
	else if (tcp & USHER_TCP_RESET)
		tcp_revive(desk);
	if (packet->payload && !(tcp & (USHER_TCP_ASKED | USHER_TCP_LOST)) && tcp_is_nat(&desk->hit))
		tcp_ask(desk);
}

/* ---- from the backend ------------------------------------------------------------------------------------ */

/* A FIN or RST of the backend. What resets a handshake answers its SYN; anything else there answers a packet of somebody's. */
__noinline int tcp_backend_ends(struct desk *desk)
{
	const struct packet *packet = desk ? &desk->packet : NULL;
	struct usher_backend_figures *figures;
	bool half_open;
	__u8 tcp;

	if (!desk || !packet)
		return 0;
	tcp = desk->hit.value.forward.tcp;
	half_open = tcp_has_status(&desk->hit, USHER_FLOW_HALF_OPEN);
	if (tcp_is_over(tcp) || (!half_open && !tcp_has_status(&desk->hit, USHER_FLOW_LIVE)))
		return 0;
	if (half_open && (tcp & USHER_TCP_ANSWERED || (packet->tcp_flags & (TCP_RST | TCP_ACK)) != (TCP_RST | TCP_ACK)))
		return 0;
	if (!(packet->tcp_flags & TCP_RST)) {
		tcp_set(desk, 0, USHER_TCP_BACKEND_FIN);
		flow_figures_close(desk->hit.ref.line, USHER_CLOSING_BACKEND_FIN);
		if (tcp & USHER_TCP_CLIENT_FIN)
			flow_rest(&desk->hit.ref);
		return 0;
	}
	tcp_set(desk, 0, TCP_OVER | USHER_TCP_RESET);
	if (!(tcp & USHER_TCP_RESET))
		flow_figures_close(desk->hit.ref.line, USHER_CLOSING_BACKEND_RESET);
	flow_rest(&desk->hit.ref);
	if (tcp & (USHER_TCP_CLIENT_FIN | USHER_TCP_RESET)) /* a client that closes can have itself reset */
		return 0;
	figures = latency_figures(desk->hit.value.forward.backend);
	if (figures)
		__sync_fetch_and_add(half_open ? &figures->refused : &figures->resets, 1);
	return 0;
}

/* Its SYN-ACK: what the client must acknowledge to prove that it is where it says. */
__noinline int tcp_answer(struct desk *desk)
{
	struct usher_flow_moment *moment = desk ? tcp_moment(desk) : NULL;

	if (!desk || !moment)
		return 0;
	if (!(desk->hit.value.forward.tcp & USHER_TCP_ANSWERED))
		latency_connected(desk->hit.value.forward.backend, desk->back.value.back.backend_next);
	moment->client_next = desk->packet.acknowledgement;
	flow_update(&desk->back.ref, 0, 0xffffffffULL << 32, (__u64)(desk->packet.sequence + 1) << 32);
	tcp_set(desk, 0, USHER_TCP_ANSWERED);
	return 0;
}

/* The first byte of what the client gets. */
__noinline int tcp_serve(struct desk *desk)
{
	struct usher_flow_moment *moment = desk ? tcp_moment(desk) : NULL;

	if (!desk || !moment)
		return 0;
	latency_served(desk->hit.value.forward.backend, moment->asked);
	if (desk->packet.tcp_flags & TCP_ACK)
		moment->client_next = desk->packet.acknowledgement;
	tcp_set(desk, USHER_TCP_ASKED, 0);
	return 0;
}

/* Where the client is. */
__noinline int tcp_find(struct desk *desk)
{
	struct usher_flow_moment *moment = desk ? tcp_moment(desk) : NULL;

	if (!desk || !moment || !(desk->packet.tcp_flags & TCP_ACK))
		return 0;
	moment->client_next = desk->packet.acknowledgement;
	tcp_set(desk, USHER_TCP_LOST, 0);
	return 0;
}

/* A SYN-ACK of an open flow that is not the one which opened it. The flow is over then. */
__noinline int tcp_is_forgotten(struct desk *desk)
{
	if (!desk || desk->packet.key.protocol != IPPROTO_TCP || !tcp_has_status(&desk->hit, USHER_FLOW_LIVE) ||
	    !(desk->packet.tcp_flags & TCP_ACK) || desk->packet.sequence + 1 == desk->back.value.back.backend_next)
		return false;
	tcp_set(desk, 0, TCP_OVER | USHER_TCP_RESET);
	flow_figures_close(desk->hit.ref.line, USHER_CLOSING_FORGOTTEN);
	flow_rest(&desk->hit.ref);
	return true;
}

/* A backend's packet, on its way to the client. */
static __always_inline void tcp_from_backend(struct desk *desk)
{
	const struct packet *packet = &desk->packet;
	__u8 tcp = desk->hit.value.forward.tcp;

	if (packet->tcp_flags & (TCP_FIN | TCP_RST))
		tcp_backend_ends(desk);
	else if (tcp & USHER_TCP_RESET)
		tcp_revive(desk);
	if (packet->tcp_flags & TCP_SYN) {
		if (packet->tcp_flags & TCP_ACK && tcp_has_status(&desk->hit, USHER_FLOW_HALF_OPEN))
			tcp_answer(desk);
	} else if (packet->payload && tcp & USHER_TCP_ASKED) {
		tcp_serve(desk);
	} else if (tcp & USHER_TCP_LOST) {
		tcp_find(desk);
	}
}

#endif
