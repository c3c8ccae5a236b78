// SPDX-License-Identifier: GPL-2.0-only
/*
 * An outlet to systemd-journald, by its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL). libsystemd speaks it too, but where there is no
 * journal its functions do nothing and return 0 (sd_journal_send(3)): of what they have taken nobody knows whether anyone has.
 *
 * A line is taken when it is in journald's socket. The service manager holds that open while journald is restarted.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "ship/outlet.h"

#define JOURNALD_SOCKET "/run/systemd/journal/socket"
#define PARCEL_LINES 256

struct outlet {
	const struct outlet_setup *setup;
	int socket;
	struct json entry;
	uint64_t put_to; /* number of the parcel after the last one that was put */
	bool full;
};

static void close_outlet(struct outlet *outlet)
{
	if (!outlet)
		return;
	if (outlet->socket >= 0)
		close(outlet->socket);
	json_free(&outlet->entry);
	free(outlet);
}

static int open_outlet(const struct outlet_setup *setup, struct problem *problem, struct outlet **ret_outlet)
{
	static const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = JOURNALD_SOCKET};
	struct outlet *outlet = calloc(1, sizeof(*outlet));
	int error;

	if (!outlet)
		return problem_set(problem, -ENOMEM, "no memory");
	outlet->setup = setup;
	outlet->put_to = setup->window->next;
	outlet->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (outlet->socket < 0 || connect(outlet->socket, (const struct sockaddr *)&address, sizeof(address))) {
		error = -errno;
		close_outlet(outlet);
		return problem_set(problem, error, "no connection to " JOURNALD_SOCKET ": %s", strerror(-error));
	}
	*ret_outlet = outlet;
	return 0;
}

/* What no datagram has room for goes as a file of memory that nobody can change any more. */
static int send_file(const struct outlet *outlet)
{
	_cleanup_close_ int file = memfd_create("usher-entry", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr message = {.msg_control = &control, .msg_controllen = sizeof(control.room)};
	struct cmsghdr *attached = CMSG_FIRSTHDR(&message);
	ssize_t got;

	if (file < 0)
		return -errno;
	got = write(file, outlet->entry.bytes, outlet->entry.length);
	if (got != (ssize_t)outlet->entry.length)
		return got < 0 ? -errno : -EIO;
	if (fcntl(file, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_WRITE | F_SEAL_SEAL))
		return -errno;
	attached->cmsg_level = SOL_SOCKET;
	attached->cmsg_type = SCM_RIGHTS;
	attached->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(attached), &file, sizeof(int));
	return sendmsg(outlet->socket, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int put(struct outlet *outlet, const struct consignment *consignment, uint64_t number, struct problem *problem)
{
	int error = 0;

	json_clear(&outlet->entry);
	consignment_journald(consignment, &outlet->entry);
	if (send(outlet->socket, outlet->entry.bytes, outlet->entry.length, MSG_NOSIGNAL) < 0)
		error = errno == EMSGSIZE || errno == ENOBUFS ? send_file(outlet) : -errno;
	outlet->full = error == -EAGAIN;
	if (error == -EAGAIN)
		return error;
	if (error)
		return problem_set(problem, error, "journald takes nothing: %s", strerror(-error));
	outlet->put_to = number + 1;
	return 0;
}

static int work(struct outlet *outlet, int wait_ms, struct problem *note, struct problem *problem)
{
	(void)note;
	(void)problem;
	if (outlet->put_to)
		window_taken_through(outlet->setup->window, outlet->put_to - 1);
	if (wait_ms || outlet->full)
		poll(&(struct pollfd){.fd = outlet->full ? outlet->socket : -1, .events = POLLOUT}, 1,
		     wait_ms ? wait_ms : 10);
	return 0;
}

static bool connected(const struct outlet *outlet)
{
	return outlet != NULL;
}

const struct outlet_kind outlet_journald = {PARCEL_LINES, open_outlet, close_outlet, put, work, connected};
