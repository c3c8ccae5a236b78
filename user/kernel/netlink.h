/* SPDX-License-Identifier: GPL-2.0-only */
/* Questions to the kernel over a netlink socket, and what its answers are made of. */
#ifndef USHER_KERNEL_NETLINK_H
#define USHER_KERNEL_NETLINK_H

#include <stdbool.h>
#include <stdint.h>

#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/socket.h>

#include "usher/abi.h"

static inline void cleanup_message(struct nl_msg **message)
{
	nlmsg_free(*message);
}

/*
 * Sends one question and hands the answer, which the kernel gives at once, to `found`. Returns 0, -EIO: it could not be sent, or
 * -ENOENT: there is no answer. libnl's own error numbers mean nothing to our callers.
 */
int netlink_ask(struct nl_sock *questions, struct nl_msg *message, int (*found)(struct nl_msg *, void *),
		void *context);

/* An address of this family (AF_INET, AF_INET6). False: the attribute is not there, or of another size. */
bool netlink_address(struct nlattr *attribute, int family, struct usher_address *ret_address);

/* An MTU as tables have it, in bytes: at most 65,535. */
uint16_t netlink_mtu(struct nlattr *attribute);

#endif
