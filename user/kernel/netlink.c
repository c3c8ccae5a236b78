/* SPDX-License-Identifier: GPL-2.0-only */
#include "kernel/netlink.h"

#include <errno.h>
#include <sys/socket.h>

#include <netlink/netlink.h>

#include "base/address.h"

int netlink_ask(struct nl_sock *questions, struct nl_msg *message, int (*found)(struct nl_msg *, void *), void *context)
{
	nl_socket_modify_cb(questions, NL_CB_VALID, NL_CB_CUSTOM, found, context);
	if (nl_send_auto(questions, message) < 0)
		return -EIO;
	return nl_recvmsgs_default(questions) < 0 ? -ENOENT : 0;
}

bool netlink_address(struct nlattr *attribute, int family, struct usher_address *ret_address)
{
	if (!attribute || nla_len(attribute) != (family == AF_INET ? 4 : 16))
		return false;
	address_from_bytes(family, nla_data(attribute), ret_address);
	return true;
}

uint16_t netlink_mtu(struct nlattr *attribute)
{
	uint32_t mtu = nla_get_u32(attribute);

	return mtu > UINT16_MAX ? UINT16_MAX : (uint16_t)mtu;
}
