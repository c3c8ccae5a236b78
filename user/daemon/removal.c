// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/removal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "daemon/core.h"
#include "daemon/presence.h"
#include "daemon/protocol.h"

#define STOP_PATIENCE_MS 10000
#define STOP_STEP_MS 20

/* Ends the daemon that listens there, and waits until it has let go of the socket. 0 also if none does. */
static int stop_daemon(const char *path, struct problem *problem)
{
	struct ucred peer = {0};
	socklen_t length = sizeof(peer);
	_cleanup_close_ int connection = -1;
	char byte;
	int r = protocol_connect(path, STOP_STEP_MS, &connection);

	if (r == -ENOENT || r == -ECONNREFUSED)
		return 0;
	if (r)
		return problem_set(problem, r, "cannot reach the daemon at %s: %s", path, strerror(-r));
	if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &length) || peer.pid <= 0)
		return problem_set(problem, -EPERM, "cannot tell which process listens at %s", path);
	if (kill(peer.pid, SIGTERM) && errno != ESRCH)
		return problem_set(problem, -errno, "cannot end the daemon (process %d): %s", (int)peer.pid,
				   strerror(errno));
	for (int waited = 0; waited < STOP_PATIENCE_MS; waited += STOP_STEP_MS)
		if (recv(connection, &byte, 1, 0) >= 0 || (errno != EAGAIN && errno != EINTR))
			return 0;
	return problem_set(problem, -ETIMEDOUT, "the daemon (process %d) does not end: look at its log", (int)peer.pid);
}

/* A daemon closes its socket some moments before it lets go of the pins. */
static int detach(const struct removal *removal, struct problem *problem)
{
	const struct timespec step = {.tv_nsec = STOP_STEP_MS * 1000000L};
	int r = program_detach(removal->pin_dir, problem);

	for (int waited = 0; r == -EBUSY && removal->socket && waited < STOP_PATIENCE_MS; waited += STOP_STEP_MS) {
		nanosleep(&step, NULL);
		r = program_detach(removal->pin_dir, problem);
	}
	if (r == -EBUSY && !removal->socket)
		return problem_set(
			problem, r,
			"a daemon lives and holds the pins in %s: end it first (`systemctl stop usherd`), or say "
			"`usher detach --stop`",
			removal->pin_dir);
	return r;
}

static bool has_state(const char *folder)
{
	char path[4096];
	int length = snprintf(path, sizeof(path), "%s/state.json", folder);

	return length > 0 && length < (int)sizeof(path) && !access(path, F_OK);
}

static void note_damage(void *context, const char *sentence)
{
	core_problem(context, "%s", sentence);
}

static int withdraw(const struct removal *removal, const struct interfaces *interfaces, size_t *ret_count,
		    struct problem *problem)
{
	struct options options = {.program.interfaces = *interfaces, .state_dir = removal->state_dir};
	struct core core = {.options = &options};
	bool left = false;
	char names[INTERFACES_TEXT];
	size_t count = 0;
	int r = state_open(removal->state_dir, note_damage, &core, problem, &core.state);

	for (size_t i = 0; i < interfaces->count; i++)
		left |= interfaces->items[i].index && if_nametoindex(interfaces->items[i].name);
	if (!r && core.state->added_count && !left) {
		count = core.state->added_count; /* they went with the interfaces */
		core.state->added_count = 0;
	}
	if (!r && core.state->added_count) {
		r = addresses_open(interfaces, &core.addresses);
		if (r)
			problem_set(problem, r, "cannot take the addresses off %s: %s",
				    interfaces_print(interfaces, names), strerror(-r));
		else
			count = core.state->added_count;
		if (!r)
			presence_withdraw(&core);
	}
	if (!r && core.state->added_count)
		r = problem_set(problem, -EIO, "%zu addresses are still on %s", core.state->added_count,
				interfaces_print(interfaces, names));
	if (!r && count)
		r = state_save(core.state);
	addresses_close(core.addresses);
	state_close(core.state);
	for (size_t i = 0; i < core.problem_count; i++)
		free(core.problems[i]);
	*ret_count = count;
	return r;
}

int removal_run(const struct removal *removal, struct problem *problem, struct removed *ret_removed)
{
	struct removed removed = {0};
	const struct interfaces *interfaces = &removal->interfaces;
	int r = removal->socket ? stop_daemon(removal->socket, problem) : 0;

	if (r)
		return r;
	program_interfaces(removal->pin_dir, &removed.interfaces);
	r = detach(removal, problem);
	if (!interfaces->count)
		interfaces = &removed.interfaces;
	if (!r && interfaces->count && has_state(removal->state_dir))
		r = withdraw(removal, interfaces, &removed.addresses, problem);
	if (!r)
		*ret_removed = removed;
	return r;
}
