/* SPDX-License-Identifier: GPL-2.0-only */
#include "kernel/neighbours.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/socket.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/cleanup.h"
#include "kernel/netlink.h"
#include "kernel/route.h"

#define ASK_AGAIN CLOCK_SECOND		 /* while there is no answer */
#define FRESHEN (5 * CLOCK_SECOND)	 /* a neighbour is asked whether it is still there, behind the same MAC */
#define ROUTES_AGAIN (30 * CLOCK_SECOND) /* in case a notification was lost */
#define PATHS_APART CLOCK_SECOND	 /* however many reports of routers come */
#define SETTLE_ASKS 2
#define USABLE (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE)

struct target {
	struct usher_address address;
	struct route route; /* its interface 0: by none of ours */
	bool path_due;
	bool resolved;
	uint16_t state; /* NUD_*, as heard last of the route's `via` */
	uint8_t flags;	/* NTF_* */
	uint8_t mac[6];
	uint8_t asks; /* since it was resolved last, up to SETTLE_ASKS */
	int64_t ask_at;
};

/* An interface of ours. */
struct link {
	uint32_t index;
	uint8_t mac[6];
	bool mac_known;
	uint16_t mtu; /* 0: not known */
};

struct neighbours {
	struct nl_sock *news;	   /* notifications */
	struct nl_sock *questions; /* and their answers */
	struct link links[USHER_INTERFACES_MAX];
	size_t link_count;
	struct target *targets; /* sorted by address */
	size_t count;
	bool routes_due, paths_due, changed;
	int64_t routes_at, paths_at;
};

/* ---- reading messages ------------------------------------------------------------------------------------- */

static void set_resolved(struct neighbours *neighbours, struct target *target, const uint8_t *mac)
{
	if (target->resolved != !!mac || (mac && memcmp(target->mac, mac, 6)))
		neighbours->changed = true;
	if (target->resolved && !mac)
		target->ask_at = 0; /* whoever is gone may be back any second */
	target->resolved = !!mac;
	if (mac)
		memcpy(target->mac, mac, 6);
	else
		target->state = NUD_NONE;
}

static struct link *find_link(const struct neighbours *neighbours, uint32_t index)
{
	for (size_t i = 0; i < neighbours->link_count; i++)
		if (neighbours->links[i].index == index)
			return (struct link *)&neighbours->links[i];
	return NULL;
}

/* RTM_NEWNEIGH, RTM_DELNEIGH: asked for, or as news. */
static void read_neighbour(struct neighbours *neighbours, struct nlmsghdr *header)
{
	struct ndmsg *message = nlmsg_data(header);
	struct nlattr *attributes[NDA_MAX + 1];
	struct usher_address address;
	const uint8_t *mac = NULL;

	if (nlmsg_parse(header, sizeof(*message), attributes, NDA_MAX, NULL) ||
	    !find_link(neighbours, (uint32_t)message->ndm_ifindex) ||
	    (message->ndm_family != AF_INET && message->ndm_family != AF_INET6) ||
	    !netlink_address(attributes[NDA_DST], message->ndm_family, &address))
		return;
	if (header->nlmsg_type == RTM_NEWNEIGH && message->ndm_state & USABLE && attributes[NDA_LLADDR] &&
	    nla_len(attributes[NDA_LLADDR]) == 6)
		mac = nla_data(attributes[NDA_LLADDR]);
	for (size_t i = 0; i < neighbours->count; i++)
		if (neighbours->targets[i].route.interface == (uint32_t)message->ndm_ifindex &&
		    address_equal(&neighbours->targets[i].route.via, &address)) {
			set_resolved(neighbours, &neighbours->targets[i], mac);
			neighbours->targets[i].state = mac ? message->ndm_state : NUD_NONE;
			neighbours->targets[i].flags = message->ndm_flags;
		}
}

static void read_link(struct neighbours *neighbours, struct nlmsghdr *header)
{
	struct ifinfomsg *message = nlmsg_data(header);
	struct link *link = find_link(neighbours, (uint32_t)message->ifi_index);
	struct nlattr *attributes[IFLA_MAX + 1];

	if (!link || nlmsg_parse(header, sizeof(*message), attributes, IFLA_MAX, NULL))
		return;
	neighbours->routes_due = true;
	if (attributes[IFLA_MTU]) {
		uint16_t mtu = netlink_mtu(attributes[IFLA_MTU]);

		neighbours->changed |= mtu != link->mtu;
		link->mtu = mtu;
	}
	if (!attributes[IFLA_ADDRESS] || nla_len(attributes[IFLA_ADDRESS]) != 6)
		return;
	if (!link->mac_known || memcmp(link->mac, nla_data(attributes[IFLA_ADDRESS]), 6))
		neighbours->changed = true;
	memcpy(link->mac, nla_data(attributes[IFLA_ADDRESS]), 6);
	link->mac_known = true;
}

static int read_news(struct nl_msg *message, void *context)
{
	struct neighbours *neighbours = context;
	struct nlmsghdr *header = nlmsg_hdr(message);

	switch (header->nlmsg_type) {
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		read_neighbour(neighbours, header);
		break;
	case RTM_NEWLINK:
	case RTM_DELLINK:
		read_link(neighbours, header);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		neighbours->routes_due = true;
		break;
	default:
		break;
	}
	return NL_OK;
}

/* ---- asking ----------------------------------------------------------------------------------------------- */

static void ask_route(struct neighbours *neighbours, struct target *target)
{
	const struct route before = target->route;
	struct route route;

	if (route_ask(neighbours->questions, &target->address, &route) || !find_link(neighbours, route.interface)) {
		target->route.interface = 0;
	} else {
		target->route = route;
		if (route.mtu != before.mtu || route.mtu_learned != before.mtu_learned ||
		    !address_equal(&route.source, &before.source))
			neighbours->changed = true;
	}
	if (target->route.interface == before.interface &&
	    (!before.interface || address_equal(&target->route.via, &before.via)))
		return;
	target->asks = 0;
	target->ask_at = 0;
	set_resolved(neighbours, target, NULL);
}

/* Of a neighbour (or of its absence) as the kernel has it now. */
static void ask_neighbour(struct neighbours *neighbours, struct target *target)
{
	_cleanup_(cleanup_message) struct nl_msg *message = nlmsg_alloc_simple(RTM_GETNEIGH, NLM_F_REQUEST);
	unsigned int length;
	const void *bytes = address_bytes(&target->route.via, &length);
	struct ndmsg neighbour = {.ndm_family = (unsigned char)address_family(&target->route.via),
				  .ndm_ifindex = (int)target->route.interface};

	if (!message || nlmsg_append(message, &neighbour, sizeof(neighbour), NLMSG_ALIGNTO) ||
	    nla_put(message, NDA_DST, (int)length, bytes))
		return;
	if (netlink_ask(neighbours->questions, message, read_news, neighbours))
		set_resolved(neighbours, target, NULL);
}

/*
 * Makes the kernel look for it: one that it does not know as a packet would (NTF_USE), one that it knows by asking it at once. Our
 * packets do not pass the kernel, which would otherwise go on believing in a MAC that is no more for up to a minute: 45 s
 * reachable, 5 s delay, 3 s of questions (net/core/neighbour.c, neigh_add() and neigh_timer_handler()). A static one stays what
 * the host's operator has made it: since Linux 5.16 NTF_USE would end that.
 */
static void use_neighbour(struct neighbours *neighbours, const struct target *target)
{
	bool known = target->state & (NUD_REACHABLE | NUD_STALE);
	_cleanup_(cleanup_message) struct nl_msg *message = nlmsg_alloc_simple(
		RTM_NEWNEIGH, NLM_F_REQUEST | NLM_F_ACK | NLM_F_REPLACE | (known ? 0 : NLM_F_CREATE));
	unsigned int length;
	const void *bytes = address_bytes(&target->route.via, &length);
	struct ndmsg neighbour = {.ndm_family = (unsigned char)address_family(&target->route.via),
				  .ndm_ifindex = (int)target->route.interface,
				  .ndm_state = known ? NUD_PROBE : NUD_NONE,
				  .ndm_flags = known ? target->flags & NTF_ROUTER : NTF_USE};

	if (!message || target->state & (NUD_PERMANENT | NUD_NOARP) ||
	    nlmsg_append(message, &neighbour, sizeof(neighbour), NLMSG_ALIGNTO) ||
	    nla_put(message, NDA_DST, (int)length, bytes))
		return;
	if (nl_send_auto(neighbours->questions, message) >= 0)
		nl_wait_for_ack(neighbours->questions); /* gone meanwhile: asked for again in a second */
}

/* ---- the outside ------------------------------------------------------------------------------------------ */

void neighbours_close(struct neighbours *neighbours)
{
	if (!neighbours)
		return;
	nl_socket_free(neighbours->news);
	nl_socket_free(neighbours->questions);
	free(neighbours->targets);
	free(neighbours);
}

static void cleanup_neighbours(struct neighbours **neighbours)
{
	neighbours_close(*neighbours);
}

static void ask_link(struct neighbours *neighbours, uint32_t index)
{
	_cleanup_(cleanup_message) struct nl_msg *message = nlmsg_alloc_simple(RTM_GETLINK, NLM_F_REQUEST);
	struct ifinfomsg link = {.ifi_index = (int)index};

	if (message && !nlmsg_append(message, &link, sizeof(link), NLMSG_ALIGNTO))
		netlink_ask(neighbours->questions, message, read_news, neighbours);
}

int neighbours_open(const struct interfaces *interfaces, struct neighbours **ret_neighbours)
{
	_cleanup_(cleanup_neighbours) struct neighbours *neighbours = calloc(1, sizeof(*neighbours));

	if (!neighbours)
		return -ENOMEM;
	for (size_t i = 0; i < interfaces->count; i++)
		neighbours->links[neighbours->link_count++].index = interfaces->items[i].index;
	neighbours->news = nl_socket_alloc();
	neighbours->questions = nl_socket_alloc();
	if (!neighbours->news || !neighbours->questions)
		return -ENOMEM;
	nl_socket_disable_seq_check(neighbours->news);
	nl_socket_modify_cb(neighbours->news, NL_CB_VALID, NL_CB_CUSTOM, read_news, neighbours);
	nl_socket_disable_auto_ack(neighbours->questions);
	if (nl_connect(neighbours->news, NETLINK_ROUTE) || nl_connect(neighbours->questions, NETLINK_ROUTE) ||
	    nl_socket_add_memberships(neighbours->news, RTNLGRP_NEIGH, RTNLGRP_LINK, RTNLGRP_IPV4_ROUTE,
				      RTNLGRP_IPV6_ROUTE, 0) ||
	    nl_socket_set_nonblocking(neighbours->news) || nl_socket_set_buffer_size(neighbours->news, 1 << 20, 0))
		return -EIO;
	for (size_t i = 0; i < neighbours->link_count; i++)
		ask_link(neighbours, neighbours->links[i].index);
	neighbours->routes_due = true;
	*ret_neighbours = TAKE_PTR(neighbours);
	return 0;
}

int neighbours_fd(const struct neighbours *neighbours)
{
	return nl_socket_get_fd(neighbours->news);
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct usher_address)); /* the address comes first in a target */
}

static struct target *find(const struct neighbours *neighbours, const struct usher_address *address)
{
	if (!neighbours->count)
		return NULL;
	return bsearch(address, neighbours->targets, neighbours->count, sizeof(*neighbours->targets), compare);
}

int neighbours_watch(struct neighbours *neighbours, const struct usher_address *addresses, size_t count)
{
	struct target *targets = calloc(count + 1, sizeof(*targets));
	size_t used = 0;

	if (!targets)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const struct target *known = find(neighbours, &addresses[i]);

		targets[i] = known ? *known : (struct target){.address = addresses[i]};
	}
	qsort(targets, count, sizeof(*targets), compare);
	for (size_t i = 0; i < count; i++)
		if (!used || compare(&targets[used - 1], &targets[i]))
			targets[used++] = targets[i];
	free(neighbours->targets);
	neighbours->targets = targets;
	neighbours->count = used;
	neighbours->routes_due = true;
	return 0;
}

void neighbours_read(struct neighbours *neighbours)
{
	int r;

	do
		r = nl_recvmsgs_default(neighbours->news);
	while (r == 0);
	/* The socket overflowed: what we know may be out of date. */
	if (r != -NLE_AGAIN) {
		neighbours->routes_due = true;
		for (size_t i = 0; i < neighbours->count; i++)
			ask_neighbour(neighbours, &neighbours->targets[i]);
	}
}

void neighbours_tick(struct neighbours *neighbours, int64_t now)
{
	if (neighbours->routes_due || now >= neighbours->routes_at) {
		neighbours->routes_due = false;
		neighbours->routes_at = now + ROUTES_AGAIN;
		for (size_t i = 0; i < neighbours->count; i++)
			ask_route(neighbours, &neighbours->targets[i]);
	}
	for (size_t i = 0; i < neighbours->count; i++) {
		struct target *target = &neighbours->targets[i];

		if (now < target->ask_at)
			continue;
		if (target->route.interface) {
			ask_neighbour(neighbours, target);
			use_neighbour(neighbours, target);
		}
		target->ask_at = now + (target->resolved ? FRESHEN : ASK_AGAIN);
		if (target->resolved)
			target->asks = SETTLE_ASKS;
		else if (target->asks < SETTLE_ASKS)
			target->asks++;
	}
}

void neighbours_path(struct neighbours *neighbours, const struct usher_address *address)
{
	struct target *target = find(neighbours, address);

	if (target)
		target->path_due = neighbours->paths_due = true;
}

void neighbours_paths(struct neighbours *neighbours, int64_t now)
{
	if (!neighbours->paths_due || now < neighbours->paths_at)
		return;
	neighbours->paths_due = false;
	neighbours->paths_at = now + PATHS_APART;
	for (size_t i = 0; i < neighbours->count; i++) {
		struct target *target = &neighbours->targets[i];

		if (target->path_due)
			ask_route(neighbours, target);
		target->path_due = false;
	}
}

bool neighbours_changed(struct neighbours *neighbours)
{
	bool changed = neighbours->changed;

	neighbours->changed = false;
	return changed;
}

void neighbours_next_hop(const struct neighbours *neighbours, const struct usher_address *address,
			 struct next_hop *ret_next_hop)
{
	const struct target *target = find(neighbours, address);
	const struct link *link = target ? find_link(neighbours, target->route.interface) : NULL;

	*ret_next_hop = (struct next_hop){0};
	if (!link || !target->resolved || !link->mac_known)
		return;
	ret_next_hop->resolved = true;
	ret_next_hop->interface = target->route.interface;
	ret_next_hop->source = target->route.source;
	ret_next_hop->mtu = target->route.mtu ? target->route.mtu : link->mtu;
	ret_next_hop->mtu_source = !target->route.mtu	       ? MTU_OF_INTERFACE
				   : target->route.mtu_learned ? MTU_OF_ROUTER
							       : MTU_OF_ROUTE;
	memcpy(ret_next_hop->mac, target->mac, 6);
	memcpy(ret_next_hop->own_mac, link->mac, 6);
}

bool neighbours_own_link(const struct neighbours *neighbours, uint32_t interface, uint8_t ret_mac[6], uint16_t *ret_mtu)
{
	const struct link *link = find_link(neighbours, interface);

	if (!link || !link->mac_known)
		return false;
	memcpy(ret_mac, link->mac, 6);
	*ret_mtu = link->mtu;
	return true;
}

bool neighbours_settled(const struct neighbours *neighbours, const struct usher_address *address)
{
	const struct target *target = find(neighbours, address);

	return !target || target->resolved || target->asks >= SETTLE_ASKS;
}
