// SPDX-License-Identifier: GPL-2.0-only
#include "ship/ship.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "ship/credentials.h"
#include "ship/steward.h"

struct ship {
	int socket;
	pid_t steward; /* 0: it has ended */
	size_t count;
	struct ship_status *statuses[SHIP_DESTINATIONS_MAX]; /* each a mapping of its own */
};

static void cleanup_ship(struct ship **ship)
{
	if (!*ship)
		return;
	for (size_t i = 0; i < (*ship)->count; i++)
		munmap((*ship)->statuses[i], sizeof(struct ship_status));
	free(*ship);
}

static int map_statuses(struct ship *ship, size_t count)
{
	while (ship->count < count) {
		void *page = mmap(NULL, sizeof(struct ship_status), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
				  -1, 0);

		if (page == MAP_FAILED)
			return -errno;
		ship->statuses[ship->count++] = page;
	}
	return 0;
}

static int fork_steward(struct ship *ship, const struct ship_options *options, const struct credentials *credentials)
{
	int pair[2], error;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	pid = fork();
	if (pid < 0) {
		error = -errno;
		close(pair[0]);
		close(pair[1]);
		return error;
	}
	if (!pid) {
		close(pair[0]);
		_exit(steward_run(options, credentials, pair[1], ship->statuses));
	}
	close(pair[1]);
	ship->socket = pair[0];
	ship->steward = pid;
	/* What is forked after it has no business there. */
	for (size_t i = 0; i < ship->count; i++)
		madvise(ship->statuses[i], sizeof(struct ship_status), MADV_DONTFORK);
	return 0;
}

static bool need_tls(const struct ship_options *options)
{
	bool need = options->ca_file || options->cert_file;

	for (size_t i = 0; i < options->count; i++)
		need |= options->destinations[i].tls;
	return need;
}

int ship_start(const struct ship_options *options, struct problem *problem, struct ship **ret_ship)
{
	_cleanup_(credentials_free) struct credentials credentials = {0};
	_cleanup_(cleanup_ship) struct ship *ship = NULL;
	int error = 0;

	if (!options->count) {
		*ret_ship = NULL;
		return 0;
	}
	if (need_tls(options))
		error = credentials_read(options->ca_file, options->cert_file, options->key_file, problem,
					 &credentials);
	if (error)
		return error;
	ship = calloc(1, sizeof(*ship));
	if (!ship)
		return problem_set(problem, -ENOMEM, "no memory");
	error = map_statuses(ship, options->count);
	if (!error)
		error = fork_steward(ship, options, &credentials);
	if (error)
		return problem_set(problem, error, "cannot begin to send records elsewhere: %s", strerror(-error));
	*ret_ship = TAKE_PTR(ship);
	return 0;
}

void ship_begin(struct ship *ship)
{
	if (ship && send(ship->socket, "", 1, MSG_NOSIGNAL) < 0)
		return; /* ship_is_alive tells */
}

void ship_close(struct ship *ship)
{
	if (!ship)
		return;
	close(ship->socket);
	while (ship->steward && waitpid(ship->steward, NULL, 0) < 0 && errno == EINTR)
		;
	cleanup_ship(&ship);
}

bool ship_is_alive(struct ship *ship)
{
	if (ship->steward && waitpid(ship->steward, NULL, WNOHANG) == ship->steward)
		ship->steward = 0;
	return ship->steward != 0;
}

void ship_status(const struct ship *ship, size_t destination, struct ship_status *ret_status)
{
	char *text = ret_status->error;

	*ret_status = *(volatile struct ship_status *)ship->statuses[destination];
	text[SHIP_ERROR_TEXT - 1] = '\0';
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}
