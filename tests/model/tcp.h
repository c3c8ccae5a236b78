/* SPDX-License-Identifier: GPL-2.0-only */
/* What a TCP flow has shown of itself: it decides whether a SYN begins anew. */
#ifndef USHER_MODEL_TCP_H
#define USHER_MODEL_TCP_H

#include "step.h"

/* Of packets that are sent on. */
void tcp_client_says(const struct step *step, struct ref_flow *flow);
void tcp_backend_says(const struct step *step, struct ref_flow *flow);
/* Is this the SYN-ACK of another connection than the open one that the flow is? It is over then. */
bool tcp_backend_forgot(const struct step *step, struct ref_flow *flow);

#endif
