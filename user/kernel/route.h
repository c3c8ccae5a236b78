/* SPDX-License-Identifier: GPL-2.0-only */
/* The way to an address, by the host's routing table. */
#ifndef USHER_KERNEL_ROUTE_H
#define USHER_KERNEL_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include <netlink/socket.h>

#include "usher/abi.h"

struct route {
	struct usher_address via;    /* gateway, or the address itself */
	struct usher_address source; /* that the host would send from; all 0: none */
	uint32_t interface;
	uint16_t mtu;	  /* of the route, in bytes; 0: that of the interface */
	bool mtu_learned; /* from a router, for a while */
};

/* Returns 0, -ENOENT: there is no way that leads to one host, -EIO or -ENOMEM. */
int route_ask(struct nl_sock *questions, const struct usher_address *to, struct route *ret_route);

#endif
