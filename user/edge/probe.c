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
#define LATER (100 * CLOCK_MILLISECOND) /* when we ourselves lack something */

struct probe {
	struct edge_target target;
	int socket;	  /* -1: none under way */
	int64_t begin_at; /* next probe */
	int64_t give_up_at;
	uint32_t good, bad; /* in a row */
	bool known, up;
	bool told; /* the verdict has been reported */
};

struct probes {
	int epoll;
	bool (*report)(void *context, uint32_t target, bool up);
	void *context;
	struct probe *items;
	uint32_t count, open;
};

int probes_new(int epoll, bool (*report)(void *context, uint32_t target, bool up), void *context,
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

static struct probe *find(const struct probes *probes, const struct edge_target *target)
{
	for (uint32_t i = 0; i < probes->count; i++)
		if (probes->items[i].target.port == target->port &&
		    address_equal(&probes->items[i].target.address, &target->address))
			return &probes->items[i];
	return NULL;
}

/* What `before` is in the middle of goes on as target number `target`. */
static void carry(const struct probes *probes, struct probe *probe, struct probe *before, uint32_t target)
{
	struct epoll_event event = {.events = EPOLLOUT, .data.u64 = target};
	int64_t latest = before->begin_at - before->target.interval_ms * CLOCK_MILLISECOND +
			 probe->target.interval_ms * CLOCK_MILLISECOND;

	probe->known = before->known;
	probe->up = before->up;
	probe->good = before->good;
	probe->bad = before->bad;
	probe->begin_at = before->begin_at < latest ? before->begin_at : latest;
	if (before->socket < 0 || epoll_ctl(probes->epoll, EPOLL_CTL_MOD, before->socket, &event))
		return;
	probe->give_up_at = before->give_up_at;
	probe->socket = before->socket;
	before->socket = -1;
}

int probes_watch(struct probes *probes, const struct edge_target *targets, uint32_t count, int64_t now)
{
	struct probe *items = calloc(count + 1, sizeof(*items));

	if (!items)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		struct probe *before = find(probes, &targets[i]);

		items[i] = (struct probe){
			.target = targets[i], .socket = -1, .begin_at = now + i % SPREAD * CLOCK_MILLISECOND};
		if (before)
			carry(probes, &items[i], before, i);
	}
	for (uint32_t i = 0; i < probes->count; i++)
		hang_up(probes, &probes->items[i]);
	free(probes->items);
	probes->items = items;
	probes->count = count;
	return 0;
}

static void tell(struct probes *probes, uint32_t target)
{
	struct probe *probe = &probes->items[target];

	if (probe->known && !probe->told)
		probe->told = probes->report(probes->context, target, probe->up);
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
	probe->told = false;
	tell(probes, target);
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
	probe->begin_at = now + LATER;
	if (probe->socket < 0)
		return; /* our own want says nothing of the backend */
	probes->open++;
	setsockopt(probe->socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	probe->give_up_at = now + probe->target.timeout_ms * CLOCK_MILLISECOND;
	if (!connect(probe->socket, (const struct sockaddr *)&address, length))
		judge(probes, target, true, now);
	else if (errno == EADDRNOTAVAIL || errno == EAGAIN ||
		 (errno == EINPROGRESS && epoll_ctl(probes->epoll, EPOLL_CTL_ADD, probe->socket, &event)))
		hang_up(probes, probe);
	else if (errno != EINPROGRESS)
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
	bool crowded = false;

	for (uint32_t i = 0; i < probes->count; i++) {
		struct probe *probe = &probes->items[i];
		int64_t at;

		if (probe->socket >= 0 && probe->give_up_at <= now)
			judge(probes, i, false, now);
		/* Beyond OPEN_MAX it waits until one of the others has ended. */
		if (probe->socket < 0 && probe->begin_at <= now && probes->open < OPEN_MAX)
			begin(probes, i, now);
		crowded |= probe->socket < 0 && probe->begin_at <= now;
		tell(probes, i);
		at = probe->socket >= 0 ? probe->give_up_at : probe->begin_at;
		if (probe->known && !probe->told)
			at = now + LATER;
		if (at > now && at < next)
			next = at;
	}
	/* Some have given up since the first of those that wait was looked at. */
	return crowded && probes->open < OPEN_MAX ? now : next;
}
