/* SPDX-License-Identifier: GPL-2.0-only */
/* A probe by TCP: a connection that comes about is a good one. It is closed with a reset, and leaves no TIME_WAIT behind. */
#ifndef USHER_EDGE_PROBE_TCP_H
#define USHER_EDGE_PROBE_TCP_H

#include "edge/edge.h"

/* Begins to connect. Returns true while it is under way: the socket is then watched by `epoll`, with `mark` as data. False: it is
 * over, for ret_cause. */
bool probe_tcp_begin(int epoll, const struct edge_target *target, uint64_t mark, int *ret_socket,
		     struct cause *ret_cause);
/* The socket is ready: how it ended. The caller closes it. */
struct cause probe_tcp_judge(int socket);

#endif
