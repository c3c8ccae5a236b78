/* SPDX-License-Identifier: GPL-2.0-only */
#include "kernel/route.h"

#include <errno.h>
#include <linux/rtnetlink.h>

#include <netlink/netlink.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "kernel/netlink.h"

/* What the kernel has learned or been told of the path: its MTU (RTAX_MTU; that of an exception has an end) and our address on it. */
static void read_path(struct nlattr **attributes, int family, struct route *route)
{
	struct nlattr *metrics[RTAX_MAX + 1];

	netlink_address(attributes[RTA_PREFSRC], family, &route->source);
	if (!attributes[RTA_METRICS] || nla_parse_nested(metrics, RTAX_MAX, attributes[RTA_METRICS], NULL) ||
	    !metrics[RTAX_MTU])
		return;
	route->mtu = netlink_mtu(metrics[RTAX_MTU]);
	if (attributes[RTA_CACHEINFO] && nla_len(attributes[RTA_CACHEINFO]) >= (int)sizeof(struct rta_cacheinfo))
		route->mtu_learned = ((struct rta_cacheinfo *)nla_data(attributes[RTA_CACHEINFO]))->rta_expires > 0;
}

static int read_route(struct nl_msg *message, void *context)
{
	struct route *route = context;
	struct nlmsghdr *header = nlmsg_hdr(message);
	struct rtmsg *answer = nlmsg_data(header);
	struct nlattr *attributes[RTA_MAX + 1];

	if (header->nlmsg_type != RTM_NEWROUTE || nlmsg_parse(header, sizeof(*answer), attributes, RTA_MAX, NULL) ||
	    answer->rtm_type != RTN_UNICAST || !attributes[RTA_OIF])
		return NL_OK;
	netlink_address(attributes[RTA_GATEWAY], answer->rtm_family, &route->via);
	if (attributes[RTA_VIA]) { /* an IPv4 route through an IPv6 gateway */
		struct rtvia *via = nla_data(attributes[RTA_VIA]);

		if (via->rtvia_family == AF_INET6 && nla_len(attributes[RTA_VIA]) >= (int)sizeof(*via) + 16)
			address_from_bytes(AF_INET6, via->rtvia_addr, &route->via);
	}
	read_path(attributes, answer->rtm_family, route);
	route->interface = nla_get_u32(attributes[RTA_OIF]);
	return NL_OK;
}

int route_ask(struct nl_sock *questions, const struct usher_address *to, struct route *ret_route)
{
	_cleanup_(cleanup_message) struct nl_msg *message = nlmsg_alloc_simple(RTM_GETROUTE, NLM_F_REQUEST);
	unsigned int length;
	const void *bytes = address_bytes(to, &length);
	struct rtmsg question = {.rtm_family = (unsigned char)address_family(to),
				 .rtm_dst_len = (unsigned char)(length * 8)};
	int error;

	*ret_route = (struct route){.via = *to};
	if (!message || nlmsg_append(message, &question, sizeof(question), NLMSG_ALIGNTO) ||
	    nla_put(message, RTA_DST, (int)length, bytes))
		return -ENOMEM;
	error = netlink_ask(questions, message, read_route, ret_route);
	return error ? error : ret_route->interface ? 0 : -ENOENT;
}
