// SPDX-License-Identifier: GPL-2.0-only
#include "edge/probe_tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/address.h"
#include "base/cleanup.h"

static socklen_t socket_address(const struct edge_target *target, struct sockaddr_storage *ret_address)
{
	unsigned int length;
	const void *bytes = address_bytes(&target->address, &length);

	memset(ret_address, 0, sizeof(*ret_address));
	if (address_is_ipv4(&target->address)) {
		struct sockaddr_in *ipv4 = (struct sockaddr_in *)ret_address;

		ipv4->sin_family = AF_INET;
		ipv4->sin_port = htons(target->port);
		memcpy(&ipv4->sin_addr, bytes, length);
		return sizeof(*ipv4);
	}
	struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)ret_address;

	ipv6->sin6_family = AF_INET6;
	ipv6->sin6_port = htons(target->port);
	memcpy(&ipv6->sin6_addr, bytes, length);
	return sizeof(*ipv6);
}

static struct cause cause_of(int error)
{
	if (!error)
		return (struct cause){CAUSE_NONE, 0};
	if (error == EADDRNOTAVAIL || error == EAGAIN)
		return (struct cause){CAUSE_OURS, 0};
	return (struct cause){error == ECONNREFUSED ? CAUSE_REFUSED : CAUSE_UNREACHABLE, error};
}

bool probe_tcp_begin(int epoll, const struct edge_target *target, uint64_t mark, int *ret_socket,
		     struct cause *ret_cause)
{
	static const struct linger at_once = {.l_onoff = 1};
	struct epoll_event event = {.events = EPOLLOUT, .data.u64 = mark};
	struct sockaddr_storage address;
	socklen_t length = socket_address(target, &address);
	_cleanup_close_ int file = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	*ret_cause = (struct cause){CAUSE_OURS, 0};
	if (file < 0)
		return false;
	setsockopt(file, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	if (!connect(file, (const struct sockaddr *)&address, length)) {
		*ret_cause = cause_of(0);
		return false;
	}
	if (errno != EINPROGRESS) {
		*ret_cause = cause_of(errno);
		return false;
	}
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, file, &event))
		return false;
	*ret_socket = TAKE_FD(file);
	return true;
}

struct cause probe_tcp_judge(int socket)
{
	socklen_t length = sizeof(int);
	int error = 0;

	if (getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &length))
		error = errno;
	return cause_of(error);
}
