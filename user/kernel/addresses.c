/* SPDX-License-Identifier: GPL-2.0-only */
#include "kernel/addresses.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/socket.h>

#include "base/address.h"
#include "base/cleanup.h"

struct addresses {
	struct nl_sock *socket;
	struct interfaces interfaces;
};

void addresses_close(struct addresses *addresses)
{
	if (!addresses)
		return;
	nl_socket_free(addresses->socket);
	free(addresses);
}

static void cleanup_addresses(struct addresses **addresses)
{
	addresses_close(*addresses);
}

static void cleanup_cache(struct nl_cache **cache)
{
	nl_cache_free(*cache);
}

static void cleanup_addr(struct rtnl_addr **address)
{
	rtnl_addr_put(*address);
}

static void cleanup_nl_addr(struct nl_addr **address)
{
	nl_addr_put(*address);
}

/* libnl has error numbers of its own; these are the ones that can come here. */
static int to_errno(int error)
{
	switch (-error) {
	case 0:
		return 0;
	case NLE_EXIST:
		return -EEXIST;
	case NLE_NOADDR:
	case NLE_OBJ_NOTFOUND:
		return -ENOENT;
	case NLE_PERM:
	case NLE_NOACCESS:
		return -EPERM;
	case NLE_NODEV:
		return -ENODEV;
	case NLE_NOMEM:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

int addresses_open(const struct interfaces *interfaces, struct addresses **ret_addresses)
{
	_cleanup_(cleanup_addresses) struct addresses *addresses = calloc(1, sizeof(*addresses));
	int error;

	if (!addresses)
		return -ENOMEM;
	addresses->interfaces = *interfaces;
	addresses->socket = nl_socket_alloc();
	if (!addresses->socket)
		return -ENOMEM;
	error = to_errno(nl_connect(addresses->socket, NETLINK_ROUTE));
	if (error)
		return error;
	*ret_addresses = TAKE_PTR(addresses);
	return 0;
}

/* Does an interface have the address? In a network: with a prefix that is not all of it. Returns 1, 0, or -errno. */
static int look_for(struct addresses *addresses, const struct usher_address *address, bool in_network)
{
	_cleanup_(cleanup_cache) struct nl_cache *cache = NULL;
	const void *bytes;
	unsigned int length;
	int error = to_errno(rtnl_addr_alloc_cache(addresses->socket, &cache));

	if (error)
		return error;
	bytes = address_bytes(address, &length);
	for (struct nl_object *object = nl_cache_get_first(cache); object; object = nl_cache_get_next(object)) {
		struct rtnl_addr *entry = (struct rtnl_addr *)object;
		struct nl_addr *local = rtnl_addr_get_local(entry);

		if (local && nl_addr_get_len(local) == length &&
		    !memcmp(nl_addr_get_binary_addr(local), bytes, length) &&
		    (!in_network || rtnl_addr_get_prefixlen(entry) < (int)length * 8))
			return 1;
	}
	return 0;
}

int addresses_owned(struct addresses *addresses, const struct usher_address *address)
{
	return look_for(addresses, address, false);
}

int addresses_in_network(struct addresses *addresses, const struct usher_address *address)
{
	return look_for(addresses, address, true);
}

static int host_address(uint32_t interface, const struct usher_address *address, struct rtnl_addr **ret_address)
{
	_cleanup_(cleanup_addr) struct rtnl_addr *entry = rtnl_addr_alloc();
	_cleanup_(cleanup_nl_addr) struct nl_addr *local = NULL;
	unsigned int length;
	const void *bytes = address_bytes(address, &length);

	local = nl_addr_build(address_family(address), bytes, length);
	if (!entry || !local)
		return -ENOMEM;
	nl_addr_set_prefixlen(local, (int)length * 8);
	rtnl_addr_set_ifindex(entry, (int)interface);
	if (rtnl_addr_set_local(entry, local))
		return -EINVAL;
	rtnl_addr_set_flags(entry, IFA_F_NODAD);
	/* Deprecated (RFC 4862, 5.5.4): answered to, but never what the host itself sends from. */
	if (address_family(address) == AF_INET6) {
		rtnl_addr_set_valid_lifetime(entry, UINT32_MAX);
		rtnl_addr_set_preferred_lifetime(entry, 0);
	}
	*ret_address = TAKE_PTR(entry);
	return 0;
}

static int add(struct addresses *addresses, uint32_t interface, const struct usher_address *address)
{
	_cleanup_(cleanup_addr) struct rtnl_addr *entry = NULL;
	int error = host_address(interface, address, &entry);

	if (!error)
		error = to_errno(rtnl_addr_add(addresses->socket, entry, 0));
	return error == -EEXIST ? 0 : error;
}

static int take_off(struct addresses *addresses, uint32_t interface, const struct usher_address *address)
{
	_cleanup_(cleanup_addr) struct rtnl_addr *entry = NULL;
	int error = host_address(interface, address, &entry);

	if (!error)
		error = to_errno(rtnl_addr_delete(addresses->socket, entry, 0));
	return error == -ENOENT ? 0 : error;
}

static int on_each(struct addresses *addresses, const struct usher_address *address,
		   int (*change)(struct addresses *, uint32_t, const struct usher_address *))
{
	int first = 0;

	for (size_t i = 0; i < addresses->interfaces.count; i++) {
		int error = change(addresses, addresses->interfaces.items[i].index, address);

		first = first ? first : error;
	}
	return first;
}

int addresses_add(struct addresses *addresses, const struct usher_address *address)
{
	return on_each(addresses, address, add);
}

int addresses_remove(struct addresses *addresses, const struct usher_address *address)
{
	return on_each(addresses, address, take_off);
}
