// SPDX-License-Identifier: GPL-2.0-only
/* usherd: starts everything in order, then goes round its loop until it is told to end. Traffic does not need it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "kernel/flows.h"
#include "daemon/change.h"
#include "daemon/core.h"
#include "daemon/file.h"
#include "daemon/metrics.h"
#include "daemon/presence.h"
#include "daemon/sandbox.h"
#include "daemon/server.h"

#define TICK (20 * CLOCK_MILLISECOND) /* of the loop: how long a record may wait in its ring */
#define SECOND_TICKS (CLOCK_SECOND / TICK)
#define REFRESH_APART (100 * CLOCK_MILLISECOND) /* between publishes that facts alone have led to */

struct daemon {
	struct core core;
	struct server *server;
	int epoll, timer, signals;
	uint64_t ticks;
	int64_t refreshed;
	bool log_failed;
	bool ending;
};

/* ---- start ---------------------------------------------------------------------------------------------------- */

static void note_damage(void *context, const char *sentence)
{
	core_problem(context, "%s", sentence);
}

static int fail(const struct problem *problem, int error)
{
	log_error("%s", *problem->text ? problem->text : strerror(-error));
	return error;
}

/* Before all else: from here on the edge is another process. */
static int start_edge(struct core *core)
{
	struct problem problem = {0};
	int error = edge_start(&core->options->edge, &problem, &core->edge);

	return error ? fail(&problem, error) : 0;
}

static int start_kernel(struct core *core, struct problem *problem)
{
	int error = program_load(&core->options->program, problem, &core->program);

	if (!error)
		error = publisher_open(core->program, problem, &core->publisher);
	if (error)
		return error;
	error = injector_open(core->program, &core->injector);
	if (!error)
		error = neighbours_open(core->program->interface, &core->neighbours);
	if (!error)
		error = addresses_open(core->program->interface, &core->addresses);
	return error ? problem_set(problem, error, "cannot watch interface %s: %s", core->options->interface,
				   strerror(-error))
		     : 0;
}

static int start_records(struct core *core, struct problem *problem)
{
	int error = state_open(core->options->state_dir, note_damage, core, problem, &core->state);

	if (!error)
		error = journal_open(core->program, core->publisher, core->options->audit_dir, problem, &core->journal);
	return error;
}

/* Flows name backends by number and incarnation: neither may come to mean another backend, even if the state is lost. */
static int keep_incarnations(struct core *core)
{
	_cleanup_free_ uint16_t *found = calloc(USHER_BACKENDS_MAX, sizeof(*found));
	struct identities *identities = NULL;
	int error = found ? 0 : -ENOMEM;

	if (core->state->identities || !core->program->adopted)
		return error;
	if (!error)
		error = flows_incarnations(core->program, found);
	if (!error)
		error = identities_new(&identities);
	for (size_t b = 0; !error && b < USHER_BACKENDS_MAX; b++)
		identities->backends.items[b].incarnation = found[b];
	core->state->identities = identities;
	return error;
}

/* ---- the first policy ----------------------------------------------------------------------------------------- */

static int read_start_policy(struct core *core, char **ret_text, size_t *ret_length, char digest[SHA256_HEX])
{
	int error = file_read(core->options->policy, USHER_POLICY_BYTES_MAX + 1, ret_text, ret_length);

	if (error)
		core_problem(core, "%s cannot be read: %s", core->options->policy, strerror(-error));
	else
		sha256_hex(*ret_text, *ret_length, digest);
	return error;
}

/* The policy of --policy. */
static int load_given(struct core *core, const char *text, size_t length, const char *digest)
{
	struct diagnostics diagnostics = {.file = core->options->policy};
	struct problem problem = {0};
	int error = change_start(core, core->options->policy, text, length, &diagnostics, &problem);

	if (error) {
		diagnostics_print(&diagnostics, stderr);
		core_problem(core, "%s is not in force: %s", core->options->policy,
			     diagnostics.errors ? "it has errors" : problem.text);
	} else {
		memcpy(core->state->start_digest, digest, SHA256_HEX);
		state_save(core->state);
	}
	diagnostics_free(&diagnostics);
	return error;
}

/* The policy that was in force last. */
static int load_last(struct core *core)
{
	const struct state_entry *entry = &core->state->history[0];
	struct diagnostics diagnostics = {0};
	struct problem problem = {0};
	struct core_result result;
	_cleanup_free_ char *text = NULL;
	size_t length;
	int error;

	if (!core->state->history_count)
		return -ENOENT;
	error = state_read_policy(core->state, entry->bytes_digest, &text, &length);
	if (error) {
		core_problem(core, "policy-%s.json in %s: %s", entry->bytes_digest, core->options->state_dir,
			     error == -EBADMSG ? "it is damaged, and was renamed to .damaged" : strerror(-error));
		return error;
	}
	diagnostics.file = entry->file;
	error = core_load(core, entry->file, text, length, false, &diagnostics, &problem, &result);
	if (error)
		core_problem(core, "the last policy, %s, is not in force: %s", entry->file,
			     diagnostics.errors ? "it has errors" : problem.text);
	diagnostics_free(&diagnostics);
	return error;
}

static void load_first(struct core *core)
{
	_cleanup_free_ char *text = NULL;
	char digest[SHA256_HEX] = "";
	size_t length = 0;
	bool given = core->options->policy && !read_start_policy(core, &text, &length, digest);
	int error = -ENOENT;

	core->patience = clock_monotonic() + START_PATIENCE;
	/* What was applied since the last start is newer than the file of that start. */
	if (!given || !strcmp(digest, core->state->start_digest))
		error = load_last(core);
	if (error && given)
		error = load_given(core, text, length, digest);
	if (error && given && strcmp(digest, core->state->start_digest) != 0)
		error = load_last(core);
	if (!error)
		return;
	core->patience = 0;
	if (core->program->adopted && publisher_active(core->publisher)->number) {
		core->closed = true;
		core_problem(
			core,
			"no policy could be read: the generation in the kernel stays in force until one is applied");
	} else {
		core_close_services(core);
	}
}

/* ---- loop ----------------------------------------------------------------------------------------------------- */

static void see_event(const struct usher_event *event, const struct usher_address *nat,
		      const struct usher_backend *backend, void *context)
{
	struct core *core = context;

	if (event->reason == USHER_REASON_REVOKED)
		injector_note(core->injector, event, nat, backend, clock_monotonic());
}

static void drain(struct daemon *daemon)
{
	int error = journal_drain(daemon->core.journal, see_event, &daemon->core);

	if (error && !daemon->log_failed)
		core_problem(&daemon->core, "the audit log in %s cannot be written: %s; records wait in memory",
			     daemon->core.options->audit_dir, strerror(-error));
	daemon->log_failed = error;
}

static void refresh_deadline(struct core *core, int64_t now)
{
	uint64_t deadline = 0;

	if (core->policy && core->policy->loss_after_ms)
		deadline = (uint64_t)(now + core->policy->loss_after_ms * CLOCK_MILLISECOND);
	publisher_deadline(core->publisher, deadline);
}

static void refresh_if_due(struct daemon *daemon, int64_t now)
{
	struct core *core = &daemon->core;

	if (core->patience) {
		if (!core_settled(core) && now < core->patience)
			return;
		core->patience = 0;
		core->dirty = true;
	}
	if (neighbours_changed(core->neighbours))
		core_next_hops(core);
	if (!core->dirty || now - daemon->refreshed < REFRESH_APART)
		return;
	daemon->refreshed = now;
	core_refresh(core);
}

static void every_second(struct daemon *daemon, int64_t now)
{
	struct core *core = &daemon->core;
	int64_t realtime = clock_realtime();

	neighbours_tick(core->neighbours, now);
	journal_tick(core->journal);
	server_tick(daemon->server, now);
	metrics_update(core);
	if (core->state->confirm_by && realtime >= core->state->confirm_by)
		change_unconfirmed(core);
	if (core->effective && core->effective->next_change <= realtime / CLOCK_SECOND)
		core->dirty = true;
}

static void tick(struct daemon *daemon)
{
	int64_t now = clock_monotonic();
	uint64_t missed;

	if (read(daemon->timer, &missed, sizeof(missed)) < 0)
		return;
	drain(daemon);
	injector_run(daemon->core.injector, now);
	refresh_deadline(&daemon->core, now);
	if (daemon->ticks++ % SECOND_TICKS == 0)
		every_second(daemon, now);
}

static void listen_to_edge(struct daemon *daemon)
{
	struct edge_fact fact;
	int error;

	while (!(error = edge_read(daemon->core.edge, &fact)) || error == -EPROTO)
		if (!error)
			core_fact(&daemon->core, &fact);
	if (error == -EAGAIN)
		return;
	if (error == -ENOTCONN) {
		log_error("the edge is gone for good; traffic goes on, and this daemon ends");
		daemon->ending = true;
	} else {
		core_problem(&daemon->core, "the edge does not take its list of backends: %s", strerror(-error));
	}
}

static void serve(struct daemon *daemon, const void *pointer)
{
	struct core *core = &daemon->core;

	if (server_ready(daemon->server, pointer))
		return;
	if (pointer == &daemon->timer)
		tick(daemon);
	else if (pointer == core->edge)
		listen_to_edge(daemon);
	else if (pointer == core->neighbours)
		neighbours_read(core->neighbours);
	else
		daemon->ending = true; /* a signal */
}

static int add(struct daemon *daemon, int fd, void *pointer)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = pointer};

	return epoll_ctl(daemon->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int open_loop(struct daemon *daemon, struct problem *problem)
{
	const struct itimerspec every = {.it_value = {.tv_nsec = TICK}, .it_interval = {.tv_nsec = TICK}};
	struct core *core = &daemon->core;
	sigset_t signals;
	int error = 0;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	daemon->epoll = epoll_create1(EPOLL_CLOEXEC);
	daemon->signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	daemon->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (daemon->epoll < 0 || daemon->signals < 0 || daemon->timer < 0 ||
	    timerfd_settime(daemon->timer, 0, &every, NULL))
		return problem_set(problem, -errno, "cannot set up the event loop: %s", strerror(errno));
	error = add(daemon, daemon->signals, &daemon->signals);
	if (!error)
		error = add(daemon, daemon->timer, &daemon->timer);
	if (!error)
		error = add(daemon, edge_fd(core->edge), core->edge);
	if (!error)
		error = add(daemon, neighbours_fd(core->neighbours), core->neighbours);
	if (error)
		return problem_set(problem, error, "cannot set up the event loop: %s", strerror(-error));
	return server_open(core->options->socket, core, daemon->epoll, problem, &daemon->server);
}

static void go_round(struct daemon *daemon)
{
	struct epoll_event events[32];

	while (!daemon->ending) {
		int count = epoll_wait(daemon->epoll, events, ARRAY_COUNT(events), -1);

		for (int i = 0; i < count; i++)
			serve(daemon, events[i].data.ptr);
		refresh_if_due(daemon, clock_monotonic());
	}
}

/* ---- life ----------------------------------------------------------------------------------------------------- */

static void record_life(struct core *core, const char *activity)
{
	struct json *record = journal_operation(core->journal, activity, NULL);

	json_string(record, "version", USHER_VERSION);
	json_integer(record, "pid", getpid());
	json_string(record, "interface", core->options->interface);
	json_unsigned(record, "generation", publisher_active(core->publisher)->number);
	if (journal_operation_end(core->journal))
		core_problem(core, "the audit log in %s cannot be written", core->options->audit_dir);
}

static int attach(struct core *core, struct problem *problem)
{
	struct problem note = {0};
	int error = program_attach(core->program, core->options->program.mode, &note, problem);

	if (!error && *note.text)
		core_problem(core, "%s", note.text);
	return error;
}

static int run(struct daemon *daemon)
{
	struct problem problem = {0};
	struct core *core = &daemon->core;
	int error = start_kernel(core, &problem);

	if (!error)
		error = start_records(core, &problem);
	if (!error)
		error = keep_incarnations(core);
	if (!error)
		error = open_loop(daemon, &problem);
	if (error)
		return fail(&problem, error);
	record_life(core, core->program->adopted ? "adopt" : "start");
	load_first(core);
	error = attach(core, &problem);
	if (!error)
		error = sandbox_enter(&problem);
	if (error)
		return fail(&problem, error);
	log_info("running on %s (%s XDP), generation %llu%s", core->options->interface,
		 attach_mode_name(core->program->mode), (unsigned long long)publisher_active(core->publisher)->number,
		 core->program->adopted ? ", taken over" : "");
	go_round(daemon);
	drain(daemon);
	record_life(core, "stop");
	log_info("ends; traffic goes on as the policy in force says");
	return 0;
}

static void let_go(struct daemon *daemon)
{
	struct core *core = &daemon->core;

	server_close(daemon->server);
	journal_close(core->journal);
	core_free_policy(core);
	free(core->watched);
	state_close(core->state);
	addresses_close(core->addresses);
	neighbours_close(core->neighbours);
	injector_close(core->injector);
	publisher_close(core->publisher);
	program_free(core->program);
	edge_close(core->edge);
	for (size_t i = 0; i < core->problem_count; i++)
		free(core->problems[i]);
}

/* Takes off what keeps traffic going without a daemon. */
static int detach(const struct options *options)
{
	struct core core = {.options = options};
	struct problem problem = {0};
	int error = program_detach(options->program.pin_dir, &problem);

	if (error)
		return fail(&problem, error);
	if (!options->program.interface)
		return 0;
	error = state_open(options->state_dir, note_damage, &core, &problem, &core.state);
	if (!error)
		error = addresses_open(options->program.interface, &core.addresses);
	if (!error) {
		presence_withdraw(&core);
		error = state_save(core.state);
	}
	state_close(core.state);
	addresses_close(core.addresses);
	return error ? fail(&problem, error) : 0;
}

int main(int argc, char **argv)
{
	struct daemon daemon = {.epoll = -1, .timer = -1, .signals = -1, .core = {.started = clock_realtime()}};
	struct options options;
	int status, error;

	log_name("usherd");
	if (options_parse(argc, argv, &options, &status))
		return status;
	if (options.detach)
		return detach(&options) ? 5 : 0;
	daemon.core.options = &options;
	error = start_edge(&daemon.core);
	if (!error)
		error = run(&daemon);
	let_go(&daemon);
	return error ? 5 : 0;
}
