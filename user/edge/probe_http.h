/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A probe by HTTP or HTTPS: GET, over a connection of its own, so that each goes through what a new client does: the backlog, the
 * handshake, the certificate. It is over with the head of the answer: bodies are not read. A redirect is the status that it has.
 */
#ifndef USHER_EDGE_PROBE_HTTP_H
#define USHER_EDGE_PROBE_HTTP_H

#include "edge/edge.h"
#include "edge/transfers.h"

/* Begins to ask. Returns true while it is under way: its owner is told, with `mark`, when it is over. False: CAUSE_OURS. */
bool probe_http_begin(struct transfers *transfers, const struct edge_target *target, const struct transfer_owner *owner,
		      uint64_t mark, struct transfer **ret_transfer);
/* What follows from how it ended. */
struct cause probe_http_judge(const struct edge_target *target, const struct transfer_result *result);

#endif
