// SPDX-License-Identifier: GPL-2.0-only
#include "edge/probe.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/address.h"
#include "base/clock.h"

#define OPEN_MAX 256 /* connections under way at once */
#define SPREAD 97    /* the first probes of many targets begin one after the other, within this many ms */

struct probe {
	struct edge_target target;
	int socket;	   /* -1: none under way */
	int64_t begin_at;  /* next probe */
	int64_t give_up_at;
	uint32_t good, bad; /* in a row */
	bool known, up;
};

struct probes {
	int epoll;
	void (*report)(void *context, uint32_t target, bool up);
	void *context;
	struct probe *items;
	uint32_t count, open;
};

int probes_new(int epoll, void (*report)(void *context, uint32_t target, bool up), void *context,
	       struct probes **ret_probes)
{
	struct probes *probes = calloc(1, sizeof(*probes));

	if (!probes)
		return -ENOMEM;
	*probes = (struct probes){.epoll = epoll, .report = report, .context = context};
	*ret_probes = probes;
	return 0;
}

static void hang_up(struct probes *probes, struct probe *probe)
{
	if (probe->socket < 0)
		return;
	close(probe->socket); /* which also takes it out of the epoll set */
	probe->socket = -1;
	probes->open--;
}

void probes_free(struct probes *probes)
{
	if (!probes)
		return;
	for (uint32_t i = 0; i < probes->count; i++)
		hang_up(probes, &probes->items[i]);
	free(probes->items);
	free(probes);
}

static const struct probe *find(const struct probes *probes, const struct edge_target *target)
{
	for (uint32_t i = 0; i < probes->count; i++)
		if (probes->items[i].target.port == target->port &&
		    address_equal(&probes->items[i].target.address, &target->address))
			return &probes->items[i];
	return NULL;
}

int probes_watch(struct probes *probes, const struct edge_target *targets, uint32_t count)
{
	struct probe *items = calloc(count + 1, sizeof(*items));
	int64_t now = clock_monotonic();

	if (!items)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		const struct probe *before = find(probes, &targets[i]);

		items[i].target = targets[i];
		items[i].socket = -1;
		items[i].begin_at = now + i % SPREAD * CLOCK_MILLISECOND;
		if (!before || !before->known)
			continue;
		items[i].known = true;
		items[i].up = before->up;
		items[i].good = before->good;
		items[i].bad = before->bad;
	}
	for (uint32_t i = 0; i < probes->count; i++)
		hang_up(probes, &probes->items[i]);
	free(probes->items);
	probes->items = items;
	probes->count = count;
	/* The core does not know which of the new list's positions were known before. */
	for (uint32_t i = 0; i < count; i++)
		if (items[i].known)
			probes->report(probes->context, i, items[i].up);
	return 0;
}

static void judge(struct probes *probes, uint32_t target, bool good, int64_t now)
{
	struct probe *probe = &probes->items[target];
	bool up = probe->up;

	hang_up(probes, probe);
	probe->begin_at = now + probe->target.interval_ms * CLOCK_MILLISECOND;
	probe->good = good ? probe->good + (probe->good < UINT32_MAX) : 0;
	probe->bad = good ? 0 : probe->bad + (probe->bad < UINT32_MAX);
	/* Of a backend that nothing is known of, the first probe decides. */
	if (!probe->known)
		up = good;
	else if (good && probe->good >= probe->target.rise)
		up = true;
	else if (!good && probe->bad >= probe->target.fall)
		up = false;
	if (probe->known && up == probe->up)
		return;
	probe->known = true;
	probe->up = up;
	probes->report(probes->context, target, up);
}

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

static void begin(struct probes *probes, uint32_t target, int64_t now)
{
	/* Closed with a reset: a probe must leave no TIME_WAIT behind. */
	static const struct linger at_once = {.l_onoff = 1};
	struct probe *probe = &probes->items[target];
	struct epoll_event event = {.events = EPOLLOUT, .data.u64 = target};
	struct sockaddr_storage address;
	socklen_t length = socket_address(&probe->target, &address);

	probe->socket = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (probe->socket < 0) {
		judge(probes, target, false, now);
		return;
	}
	probes->open++;
	setsockopt(probe->socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	probe->give_up_at = now + probe->target.timeout_ms * CLOCK_MILLISECOND;
	if (!connect(probe->socket, (const struct sockaddr *)&address, length))
		judge(probes, target, true, now);
	else if (errno != EINPROGRESS || epoll_ctl(probes->epoll, EPOLL_CTL_ADD, probe->socket, &event))
		judge(probes, target, false, now);
}

void probes_ready(struct probes *probes, uint32_t target, int64_t now)
{
	socklen_t length = sizeof(int);
	int error = 0;

	if (target >= probes->count || probes->items[target].socket < 0)
		return;
	if (getsockopt(probes->items[target].socket, SOL_SOCKET, SO_ERROR, &error, &length))
		error = errno;
	judge(probes, target, !error, now);
}

int64_t probes_run(struct probes *probes, int64_t now)
{
	int64_t next = now + CLOCK_SECOND;

	for (uint32_t i = 0; i < probes->count; i++) {
		struct probe *probe = &probes->items[i];

		if (probe->socket >= 0 && probe->give_up_at <= now)
			judge(probes, i, false, now);
		if (probe->socket < 0 && probe->begin_at <= now && probes->open < OPEN_MAX)
			begin(probes, i, now);
		int64_t at = probe->socket >= 0 ? probe->give_up_at : probe->begin_at;

		if (at < next)
			next = at;
	}
	return next;
}
