// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/paths.h"

#include <time.h> /* that linux/errqueue.h relies on */

#include <errno.h>
#include <linux/errqueue.h>
#include <linux/filter.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/address.h"
#include "base/array.h"
#include "base/cleanup.h"

#define ROOM (1 << 16) /* for reports that wait */

static const struct {
	int family, protocol;
} outer[] = {{AF_INET, IPPROTO_IPIP},  {AF_INET, IPPROTO_IPV6},	 {AF_INET, IPPROTO_UDP},
	     {AF_INET6, IPPROTO_IPIP}, {AF_INET6, IPPROTO_IPV6}, {AF_INET6, IPPROTO_UDP}};

struct paths {
	int sockets[ARRAY_COUNT(outer)]; /* -1: a family that the host does not have */
};

void paths_close(struct paths *paths)
{
	for (size_t i = 0; paths && i < ARRAY_COUNT(outer); i++)
		if (paths->sockets[i] >= 0)
			close(paths->sockets[i]);
	free(paths);
}

static void cleanup_paths(struct paths **paths)
{
	paths_close(*paths);
}

static int open_socket(int family, int protocol, int *ret_socket)
{
	static struct sock_filter none = BPF_STMT(BPF_RET | BPF_K, 0);
	static const struct sock_fprog filter = {.len = 1, .filter = &none};
	static const int room = ROOM, on = 1;
	_cleanup_close_ int file = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);

	if (file < 0)
		return -errno;
	if (setsockopt(file, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) ||
	    setsockopt(file, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)) ||
	    (family == AF_INET ? setsockopt(file, IPPROTO_IP, IP_RECVERR, &on, sizeof(on))
			       : setsockopt(file, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on))))
		return -errno;
	*ret_socket = TAKE_FD(file);
	return 0;
}

int paths_open(struct paths **ret_paths)
{
	_cleanup_(cleanup_paths) struct paths *paths = malloc(sizeof(*paths));

	if (!paths)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_COUNT(outer); i++)
		paths->sockets[i] = -1;
	for (size_t i = 0; i < ARRAY_COUNT(outer); i++) {
		int error = open_socket(outer[i].family, outer[i].protocol, &paths->sockets[i]);

		if (error && error != -EAFNOSUPPORT)
			return error;
	}
	*ret_paths = TAKE_PTR(paths);
	return 0;
}

static bool says_too_big(const struct sock_extended_err *error)
{
	if (error->ee_origin == SO_EE_ORIGIN_ICMP)
		return error->ee_type == ICMP_DEST_UNREACH && error->ee_code == ICMP_FRAG_NEEDED;
	return error->ee_origin == SO_EE_ORIGIN_ICMP6 && error->ee_type == ICMPV6_PKT_TOOBIG;
}

/* The next error that waits. Returns 0, or -errno if there is none; receiver: of the packet that it is about, if it was too big. */
static int read_error(int file, struct usher_address *receiver, bool *ret_too_big)
{
	struct sockaddr_storage name = {0};
	_Alignas(struct cmsghdr) char control[256];
	struct msghdr message = {.msg_name = &name,
				 .msg_namelen = sizeof(name),
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};

	*ret_too_big = false;
	if (recvmsg(file, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
		return -errno;
	for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part))
		if (((part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_RECVERR) ||
		     (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_RECVERR)) &&
		    part->cmsg_len >= CMSG_LEN(sizeof(struct sock_extended_err)))
			*ret_too_big = says_too_big((const struct sock_extended_err *)CMSG_DATA(part));
	if (name.ss_family == AF_INET)
		address_from_bytes(AF_INET, &((const struct sockaddr_in *)&name)->sin_addr, receiver);
	else if (name.ss_family == AF_INET6)
		address_from_bytes(AF_INET6, &((const struct sockaddr_in6 *)&name)->sin6_addr, receiver);
	else
		*ret_too_big = false;
	return 0;
}

void paths_read(struct paths *paths, void (*found)(void *context, const struct usher_address *receiver), void *context)
{
	for (size_t i = 0; i < ARRAY_COUNT(outer); i++)
		for (int n = 0; paths->sockets[i] >= 0 && n < PATHS_AT_ONCE; n++) {
			struct usher_address receiver;
			bool too_big;

			if (read_error(paths->sockets[i], &receiver, &too_big))
				break;
			if (too_big)
				found(context, &receiver);
		}
}
