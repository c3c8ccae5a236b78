/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reports of routers inside tunnels that a packet was too big for what comes behind them (ICMP "fragmentation needed", ICMPv6
 * "packet too big"). They are sent to us, whose address the outer header names; a path that is not learned from them is a black
 * hole (RFC 2003, 5.1; RFC 2473, 7.1; RFC 4459, 3.2).
 *
 * 1. The host learns: the path MTU becomes an exception of its route, with a floor and an age of the operator's choice
 *    (net.ipv4.route.min_pmtu and mtu_expires, net.ipv6.route.mtu_expires), outlives this process, and comes back with the route
 *    (neighbours.h). But it takes reports only of packets that a socket may have sent, and ours pass its sockets by: so there is a
 *    raw one for each protocol that an outer header names (net/ipv4/raw.c, raw_err(); net/ipv6/raw.c, rawv6_err()).
 * 2. A report is believed as far as the host believes it. That gives forgers nothing: a report that quotes an echo reply has always
 *    narrowed the host's paths (net/ipv4/icmp.c, icmp_err(); net/ipv6/icmp.c, icmpv6_err()). To ask for more of the inner packet would
 *    lose true ones: routers may quote as little as 8 bytes behind the outer header (RFC 792), which do not reach to its addresses.
 * 3. No byte of a report is parsed here, and each costs one call; the sockets take no packets.
 */
#ifndef USHER_KERNEL_PATHS_H
#define USHER_KERNEL_PATHS_H

#include "usher/abi.h"

struct paths;

/* Needs CAP_NET_RAW, now and not later. Returns 0 or -errno. */
int paths_open(struct paths **ret_paths);
void paths_close(struct paths *paths);
/* Names the receivers of packets that were too big since it was called last: what the host knows of the path there may have changed.
 * At most PATHS_AT_ONCE reports of a socket are read; the rest, as far as there is room, waits for the next call. */
#define PATHS_AT_ONCE 16
void paths_read(struct paths *paths, void (*found)(void *context, const struct usher_address *receiver), void *context);

#endif
