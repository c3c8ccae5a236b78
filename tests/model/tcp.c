// SPDX-License-Identifier: GPL-2.0-only
#include "tcp.h"

#include <netinet/in.h>

/* Of the client's sequence numbers: 64 KiB before the last known place, and what is left of 1 MiB after it. */
static bool is_near(const struct step *step, const struct ref_flow *flow)
{
	int32_t ahead = (int32_t)(step->wire.sequence - flow->client_next);

	return ahead >= -65536 && ahead < 983040;
}

void tcp_client_says(const struct step *step, struct ref_flow *flow)
{
	bool believed = flow->l2 || is_near(step, flow);

	if (flow->protocol != IPPROTO_TCP)
		return;
	if (!(step->wire.flags & (FRAME_FIN | FRAME_RST))) {
		if (!flow->client_fin || !flow->backend_fin)
			flow->reset = false;
	} else if (believed && flow->status == REF_LIVE) {
		flow->reset |= (step->wire.flags & FRAME_RST) != 0;
		flow->client_fin |= !(step->wire.flags & FRAME_RST);
	}
	if (!step->wire.payload || flow->l2 || flow->asked || flow->lost || flow->status != REF_LIVE)
		return;
	if (believed)
		flow->client_next = step->wire.sequence;
	/* An upload is up to 16 MiB ahead of what is acknowledged. */
	flow->asked = believed || step->wire.sequence - flow->client_next < 1 << 24;
	flow->lost = !flow->asked;
}

void tcp_backend_says(const struct step *step, struct ref_flow *flow)
{
	uint8_t flags = step->wire.flags;
	bool half_open = flow->status == REF_HALF_OPEN, over = flow->client_fin && flow->backend_fin;

	if (flow->protocol != IPPROTO_TCP)
		return;
	if (!(flags & (FRAME_FIN | FRAME_RST))) {
		flow->reset = flow->reset && over;
	} else if (flow->status == REF_LIVE && !(flags & FRAME_RST)) {
		flow->backend_fin = true;
	} else if (flow->status == REF_LIVE ||
		   (half_open && !flow->answered && flags & FRAME_RST && flags & FRAME_ACK)) {
		flow->client_fin = flow->backend_fin = flow->reset = true;
	}
	if (half_open && flags & FRAME_SYN && flags & FRAME_ACK) {
		flow->answered = true;
		flow->backend_next = step->wire.sequence + 1;
		flow->client_next = step->wire.acknowledgement;
	} else if (step->wire.payload && flow->asked && !(flags & FRAME_SYN)) {
		flow->asked = false;
		if (flags & FRAME_ACK)
			flow->client_next = step->wire.acknowledgement;
	} else if (flow->lost && flags & FRAME_ACK && !(flags & FRAME_SYN)) {
		flow->lost = false;
		flow->client_next = step->wire.acknowledgement;
	}
}

bool tcp_backend_forgot(const struct step *step, struct ref_flow *flow)
{
	if (flow->protocol != IPPROTO_TCP || flow->status != REF_LIVE || !(step->wire.flags & FRAME_SYN) ||
	    !(step->wire.flags & FRAME_ACK) || step->wire.sequence + 1 == flow->backend_next)
		return false;
	flow->client_fin = flow->backend_fin = flow->reset = true;
	return true;
}
