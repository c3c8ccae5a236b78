// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/loop.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/change.h"
#include "daemon/metrics.h"

#define TICK (20 * CLOCK_MILLISECOND) /* how long a record may wait in its ring */
#define SECOND_TICKS (CLOCK_SECOND / TICK)
#define TEND_TICKS (100 * CLOCK_MILLISECOND / TICK)
#define POOLS_TICKS (100 * CLOCK_MILLISECOND / TICK)
#define REFRESH_APART (100 * CLOCK_MILLISECOND) /* between publishes that facts alone have led to */

static void see_event(const struct usher_event *event, const struct usher_address *nat,
		      const struct usher_backend *backend, void *context)
{
	struct core *core = context;

	if (!event->ended && event->reason == USHER_REASON_REVOKED)
		injector_note(core->injector, event, nat, backend, clock_monotonic());
}

static void note_path(void *context, const struct usher_address *receiver)
{
	neighbours_path(context, receiver);
}

static void follow_paths(struct core *core, int64_t now)
{
	if (core->paths)
		paths_read(core->paths, note_path, core->neighbours);
	neighbours_paths(core->neighbours, now);
}

static void drain(struct loop *loop)
{
	alarms_log(&loop->alarms, loop->core, journal_drain(loop->core->journal, see_event, loop->core));
}

static void refresh_deadline(struct core *core, int64_t now)
{
	uint64_t deadline = 0;

	if (core->policy && core->policy->loss_after_ms)
		deadline = (uint64_t)(now + core->policy->loss_after_ms * CLOCK_MILLISECOND);
	publisher_deadline(core->publisher, deadline);
}

static void refresh_if_due(struct loop *loop, int64_t now)
{
	struct core *core = loop->core;

	if (core->patience) {
		if (!core_settled(core) && now < core->patience)
			return;
		core->patience = 0;
		core->dirty = true;
	}
	if (neighbours_changed(core->neighbours))
		core_next_hops(core);
	if (!core->dirty || now - loop->refreshed < REFRESH_APART)
		return;
	loop->refreshed = now;
	core_refresh(core);
}

static void every_second(struct loop *loop, int64_t now)
{
	struct core *core = loop->core;
	int64_t realtime = clock_realtime();

	neighbours_tick(core->neighbours, now);
	alarms_log(&loop->alarms, core, journal_tick(core->journal));
	alarms_look(&loop->alarms, core, clock_monotonic());
	server_tick(loop->server, now);
	metrics_update(core);
	core_verdicts_unsaid(core);
	core_gates_tick(core);
	core_verify_tick(core);
	core_rollouts_tick(core);
	core_ejections_tick(core);
	core_surges_tick(core);
	revisions_tick(core, now);
	shipping_tick(core);
	if (core->state->confirm_by && realtime >= core->state->confirm_by)
		change_unconfirmed(core);
	if (core->effective && core->effective->next_change <= realtime / CLOCK_SECOND)
		core->dirty = true;
}

static void tick(struct loop *loop)
{
	int64_t now = clock_monotonic();
	uint64_t missed;

	if (read(loop->timer, &missed, sizeof(missed)) < 0)
		return;
	drain(loop);
	injector_run(loop->core->injector, now);
	refresh_deadline(loop->core, now);
	follow_paths(loop->core, now);
	if (loop->ticks % (BALANCE_EVERY / TICK) == 0)
		balance_tick(loop->core, now);
	if (loop->ticks % TEND_TICKS == 0)
		alarms_keeper(&loop->alarms, loop->core, journal_tend(loop->core->journal));
	if (loop->ticks % POOLS_TICKS == 0)
		core_pools_tick(loop->core);
	if (loop->ticks++ % SECOND_TICKS == 0)
		every_second(loop, now);
}

static void listen_to_edge(struct loop *loop)
{
	static void (*const takers[])(struct core * core, const struct edge_fact *fact) = {
		[EDGE_FACT_HEALTH] = core_fact,
		[EDGE_FACT_LOAD] = core_load_fact,
		[EDGE_FACT_IDENTITY] = core_identity_fact,
		[EDGE_FACT_VALUES] = core_gates_fact,
		[EDGE_FACT_EVALUATED] = core_gates_fact,
		[EDGE_FACT_ADDRESSES] = core_pools_fact,
		[EDGE_FACT_RESOLVED] = core_pools_fact,
	};
	struct edge_fact fact;
	int error;

	while (!(error = edge_read(loop->core->edge, &fact)) || error == -EPROTO)
		if (!error)
			takers[fact.kind](loop->core, &fact);
	if (error == -EAGAIN)
		return;
	if (error == -ENOTCONN) {
		log_error("the edge is gone for good; traffic goes on, and this daemon ends");
		loop->ending = true;
	} else {
		core_problem(loop->core, "the edge does not take its list of backends: %s", strerror(-error));
	}
}

static void serve(struct loop *loop, const void *pointer)
{
	struct core *core = loop->core;

	if (server_ready(loop->server, pointer))
		return;
	if (pointer == &loop->timer)
		tick(loop);
	else if (pointer == core->edge)
		listen_to_edge(loop);
	else if (pointer == core->neighbours)
		neighbours_read(core->neighbours);
	else
		loop->ending = true; /* a signal */
}

static int add(struct loop *loop, int fd, void *pointer)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = pointer};

	return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

int loop_open(struct core *core, struct problem *problem, struct loop *loop)
{
	const struct itimerspec every = {.it_value = {.tv_nsec = TICK}, .it_interval = {.tv_nsec = TICK}};
	sigset_t signals;
	int error = 0;

	*loop = (struct loop){.core = core, .epoll = -1, .timer = -1, .signals = -1};
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	loop->signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	loop->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (loop->epoll < 0 || loop->signals < 0 || loop->timer < 0 || timerfd_settime(loop->timer, 0, &every, NULL))
		return problem_set(problem, -errno, "cannot set up the event loop: %s", strerror(errno));
	error = add(loop, loop->signals, &loop->signals);
	if (!error)
		error = add(loop, loop->timer, &loop->timer);
	if (!error)
		error = add(loop, edge_fd(core->edge), core->edge);
	if (!error)
		error = add(loop, neighbours_fd(core->neighbours), core->neighbours);
	if (error)
		return problem_set(problem, error, "cannot set up the event loop: %s", strerror(-error));
	return server_open(core->options->socket, core, loop->epoll, problem, &loop->server);
}

void loop_run(struct loop *loop)
{
	struct epoll_event events[32];

	while (!loop->ending) {
		int count = epoll_wait(loop->epoll, events, ARRAY_COUNT(events), -1);

		for (int i = 0; i < count; i++)
			serve(loop, events[i].data.ptr);
		refresh_if_due(loop, clock_monotonic());
	}
	drain(loop);
}

void loop_close(struct loop *loop)
{
	server_close(loop->server);
	if (loop->epoll >= 0)
		close(loop->epoll);
	if (loop->timer >= 0)
		close(loop->timer);
	if (loop->signals >= 0)
		close(loop->signals);
}
