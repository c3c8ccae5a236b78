// SPDX-License-Identifier: GPL-2.0-only
#include "edge/probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/address.h"
#include "base/clock.h"
#include "edge/probe_http.h"
#include "edge/probe_tcp.h"

#define SPREAD 97 /* the first probes of many targets begin one after the other, within this many ms */
#define LATER (100 * CLOCK_MILLISECOND) /* when we ourselves lack something */

/* One that is down may hang: such probes have room of their own. */
enum standing { TRUSTED, DOUBTED, STANDINGS };

struct probe {
	struct edge_target target;
	int socket;		   /* -1: no probe by TCP is under way */
	struct transfer *transfer; /* NULL: none by HTTP is */
	enum standing begun_as;	   /* of the one under way */
	int64_t begin_at;	   /* next probe */
	int64_t give_up_at;
	uint32_t good, bad; /* in a row */
	bool known, up;
	bool waited;	    /* has had its first wait, which is its own */
	struct cause cause; /* of being down */
	bool told;	    /* verdict and cause have been reported */
};

struct probes {
	int epoll;
	struct transfers *transfers;
	struct transfer_owner owner;
	bool (*report)(void *context, uint32_t target, struct cause cause);
	void *context;
	struct probe *items;
	uint32_t count;
	uint32_t open[STANDINGS];
	uint32_t turn[STANDINGS]; /* whose turn it is, among those that wait */
	uint64_t random;
};

static void judge(struct probes *probes, uint32_t target, struct cause cause, int64_t now);

static void transfer_done(void *context, uint64_t mark, const struct transfer_result *result)
{
	struct probes *probes = context;
	struct probe *probe = &probes->items[mark];

	probe->transfer = NULL;
	probes->open[probe->begun_as]--;
	judge(probes, (uint32_t)mark, probe_http_judge(&probe->target, result), clock_monotonic());
}

int probes_new(int epoll, struct transfers *transfers,
	       bool (*report)(void *context, uint32_t target, struct cause cause), void *context,
	       struct probes **ret_probes)
{
	struct probes *probes = calloc(1, sizeof(*probes));

	if (!probes)
		return -ENOMEM;
	*probes = (struct probes){.epoll = epoll, .transfers = transfers, .report = report, .context = context};
	probes->owner = (struct transfer_owner){.done = transfer_done, .context = probes};
	if (getrandom(&probes->random, sizeof(probes->random), 0) != sizeof(probes->random) || !probes->random)
		probes->random = 1;
	*ret_probes = probes;
	return 0;
}

static bool under_way(const struct probe *probe)
{
	return probe->socket >= 0 || probe->transfer;
}

static void hang_up(struct probes *probes, struct probe *probe)
{
	if (!under_way(probe))
		return;
	if (probe->transfer)
		transfer_end(probe->transfer);
	else
		close(probe->socket); /* which also takes it out of the epoll set */
	probe->transfer = NULL;
	probe->socket = -1;
	probes->open[probe->begun_as]--;
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

/* ---- a new list -------------------------------------------------------------------------------------------------- */

/* Are both asked the same? */
static bool same_question(const struct edge_target *a, const struct edge_target *b)
{
	return a->port == b->port && a->probe == b->probe && a->verify == b->verify &&
	       address_equal(&a->address, &b->address) && a->status_count == b->status_count &&
	       !memcmp(a->status, b->status, a->status_count * sizeof(a->status[0])) && !strcmp(a->host, b->host) &&
	       !strcmp(a->path, b->path);
}

/* Mostly the one after that which was found last. */
static struct probe *find(const struct probes *probes, const struct edge_target *target, uint32_t *hint)
{
	for (uint32_t i = 0; i < probes->count; i++) {
		uint32_t at = (*hint + i) % probes->count;

		if (same_question(&probes->items[at].target, target)) {
			*hint = at + 1;
			return &probes->items[at];
		}
	}
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
	probe->waited = before->waited;
	probe->cause = before->cause;
	probe->good = before->good;
	probe->bad = before->bad;
	probe->begin_at = before->begin_at < latest ? before->begin_at : latest;
	if (before->transfer)
		transfer_mark(before->transfer, target);
	else if (before->socket < 0 || epoll_ctl(probes->epoll, EPOLL_CTL_MOD, before->socket, &event))
		return;
	probe->give_up_at = before->give_up_at;
	probe->begun_as = before->begun_as;
	probe->socket = before->socket;
	probe->transfer = before->transfer;
	before->socket = -1;
	before->transfer = NULL;
}

int probes_watch(struct probes *probes, const struct edge_target *targets, uint32_t count, int64_t now)
{
	struct probe *items = calloc(count + 1, sizeof(*items));
	uint32_t hint = 0;

	if (!items)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		struct probe *before = find(probes, &targets[i], &hint);

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
	memset(probes->turn, 0, sizeof(probes->turn));
	return 0;
}

/* ---- verdicts ---------------------------------------------------------------------------------------------------- */

static void tell(struct probes *probes, uint32_t target)
{
	struct probe *probe = &probes->items[target];

	if (probe->known && !probe->told)
		probe->told = probes->report(probes->context, target, probe->cause);
}

/* xorshift64: spreads, and keeps no secret. */
static uint64_t next_random(struct probes *probes)
{
	probes->random ^= probes->random << 13;
	probes->random ^= probes->random >> 7;
	probes->random ^= probes->random << 17;
	return probes->random;
}

/* Of a target, always the same: FNV-1a. */
static uint64_t own_number(const struct edge_target *target)
{
	uint64_t hash = 0xcbf29ce484222325u ^ target->port;

	for (size_t i = 0; i < sizeof(target->address.bytes); i++)
		hash = (hash ^ target->address.bytes[i]) * 0x100000001b3u;
	return hash ^ hash >> 32;
}

/* Until the next probe. Jitter moves each wait to either side by chance; the first one is shortened by a part that is the target's
 * own, so that those of one list do not go in step even before chance has told them apart. */
static int64_t wait_for_next(struct probes *probes, struct probe *probe)
{
	int64_t interval = probe->target.interval_ms * CLOCK_MILLISECOND;
	uint64_t span = (uint64_t)interval / 1000 * probe->target.jitter;

	if (!probe->waited) {
		probe->waited = true;
		return interval - (int64_t)(own_number(&probe->target) % (span + 1));
	}
	return interval - (int64_t)span + (int64_t)(next_random(probes) % (2 * span + 1));
}

/* A probe is over, and hung up. */
static void judge(struct probes *probes, uint32_t target, struct cause cause, int64_t now)
{
	struct probe *probe = &probes->items[target];
	bool good = cause.kind == CAUSE_NONE, up = probe->up;

	if (cause.kind == CAUSE_OURS) {
		probe->begin_at = now + LATER;
		return;
	}
	probe->begin_at = now + wait_for_next(probes, probe);
	probe->good = good ? probe->good + (probe->good < UINT32_MAX) : 0;
	probe->bad = good ? 0 : probe->bad + (probe->bad < UINT32_MAX);
	/* Of a backend that nothing is known of, the first probe decides. */
	if (!probe->known)
		up = good;
	else if (good && probe->good >= probe->target.rise)
		up = true;
	else if (!good && probe->bad >= probe->target.fall)
		up = false;
	/* Of one that is down, the latest failure is the cause. */
	if (up || good)
		cause = up ? (struct cause){CAUSE_NONE, 0} : probe->cause;
	if (probe->known && up == probe->up && cause_equal(cause, probe->cause))
		return;
	probe->known = true;
	probe->up = up;
	probe->cause = cause;
	probe->told = false;
	tell(probes, target);
}

/* ---- the schedule ------------------------------------------------------------------------------------------------ */

static enum standing standing_of(const struct probe *probe)
{
	return probe->known && !probe->up && !probe->good ? DOUBTED : TRUSTED;
}

static bool has_room(const struct probes *probes, enum standing standing)
{
	return probes->open[TRUSTED] + probes->open[DOUBTED] < PROBES_OPEN_MAX &&
	       (standing == TRUSTED || probes->open[DOUBTED] < PROBES_DOUBTED_MAX);
}

static void begin(struct probes *probes, uint32_t target, int64_t now)
{
	struct probe *probe = &probes->items[target];
	struct cause cause = {CAUSE_OURS, 0};
	bool begun;

	if (probe->target.probe == HEALTH_PROBE_TCP)
		begun = probe_tcp_begin(probes->epoll, &probe->target, target, &probe->socket, &cause);
	else
		begun = probe_http_begin(probes->transfers, &probe->target, &probes->owner, target, &probe->transfer);
	if (!begun) {
		judge(probes, target, cause, now);
		return;
	}
	probe->give_up_at = now + probe->target.timeout_ms * CLOCK_MILLISECOND;
	probe->begun_as = standing_of(probe);
	probes->open[probe->begun_as]++;
}

/* Begins what is due while there is room, from the one on whose turn it is. Returns whether one has to wait. */
static bool begin_due(struct probes *probes, enum standing standing, int64_t now)
{
	uint32_t first = probes->turn[standing];

	for (uint32_t i = 0; i < probes->count; i++) {
		uint32_t target = (first + i) % probes->count;
		struct probe *probe = &probes->items[target];

		if (under_way(probe) || probe->begin_at > now || standing_of(probe) != standing)
			continue;
		probes->turn[standing] = target;
		if (!has_room(probes, standing))
			return true;
		begin(probes, target, now);
		probes->turn[standing] = (target + 1) % probes->count;
	}
	return false;
}

void probes_ready(struct probes *probes, uint32_t target, int64_t now)
{
	struct probe *probe;
	struct cause cause;

	if (target >= probes->count || probes->items[target].socket < 0)
		return;
	probe = &probes->items[target];
	cause = probe_tcp_judge(probe->socket);
	if (cause.kind == CAUSE_UNREACHABLE && cause.number == ETIMEDOUT)
		cause = (struct cause){CAUSE_TIMEOUT, (int32_t)probe->target.timeout_ms};
	hang_up(probes, probe);
	judge(probes, target, cause, now);
}

int64_t probes_run(struct probes *probes, int64_t now)
{
	int64_t next = now + CLOCK_SECOND;

	for (uint32_t i = 0; i < probes->count; i++) {
		struct probe *probe = &probes->items[i];

		if (under_way(probe) && probe->give_up_at <= now) {
			hang_up(probes, probe);
			judge(probes, i, (struct cause){CAUSE_TIMEOUT, (int32_t)probe->target.timeout_ms}, now);
		}
		tell(probes, i);
	}
	/* Those that wait for room get it when another one has ended, which is an event or a time to give up. */
	begin_due(probes, TRUSTED, now);
	begin_due(probes, DOUBTED, now);
	for (uint32_t i = 0; i < probes->count; i++) {
		const struct probe *probe = &probes->items[i];
		int64_t at = under_way(probe) ? probe->give_up_at : probe->begin_at;

		if (probe->known && !probe->told)
			at = now + LATER;
		if (at > now && at < next)
			next = at;
	}
	return next;
}
