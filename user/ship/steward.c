// SPDX-License-Identifier: GPL-2.0-only
#include "ship/steward.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cap-ng.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "audit/segment.h"
#include "edge/rights.h"
#include "ship/sender.h"

#define CORE 3
#define REST (1 * CLOCK_SECOND) /* between a sender and the next */
#define LINE_ROOM 4096
#define PATH_ROOM 4096

struct child {
	int socket; /* -1: there is none */
	pid_t pid;
	int64_t born;
};

struct steward {
	const struct ship_options *options;
	const struct credentials *credentials;
	struct ship_status *const *statuses;
	int state; /* the folder */
	pid_t daemon;
	struct child children[SHIP_DESTINATIONS_MAX];
};

/* ---- what a child asks --------------------------------------------------------------------------------------- */

static int send_answer(int socket, const struct steward_answer *answer, int file)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec part = {(void *)(uintptr_t)answer, sizeof(*answer)};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	struct cmsghdr *attached;

	if (file >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control.room);
		attached = CMSG_FIRSTHDR(&message);
		attached->cmsg_level = SOL_SOCKET;
		attached->cmsg_type = SCM_RIGHTS;
		attached->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(attached), &file, sizeof(int));
	}
	return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

/* It may be compressed, or go, between its being listed and opened: -ENOENT. */
static int open_file(const char *folder, const struct segment_name *segment, struct steward_answer *answer)
{
	char path[PATH_ROOM], line[LINE_ROOM];
	struct chain_segment first;
	size_t length;
	int file;

	if (snprintf(path, sizeof(path), "%s/%s%s", folder, segment->name, segment->plain ? "" : SEGMENT_COMPRESSED) >=
	    (int)sizeof(path))
		return -ENAMETOOLONG;
	file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (file < 0)
		return -errno;
	answer->number = segment->number;
	answer->compressed = !segment->plain;
	if (!segment_first_line(folder, segment->name, sizeof(line), line, &length) &&
	    chain_type(line, length) == CHAIN_SEGMENT && !chain_parse_segment(line, length, &first))
		memcpy(answer->log, first.log, sizeof(answer->log));
	return file;
}

static uint64_t size_of(const char *folder, const struct segment_name *segment)
{
	char path[PATH_ROOM];
	struct stat status;

	if (snprintf(path, sizeof(path), "%s/%s%s", folder, segment->name, segment->plain ? "" : SEGMENT_COMPRESSED) >=
		    (int)sizeof(path) ||
	    stat(path, &status))
		return 0;
	return (uint64_t)status.st_size;
}

/* The first segment from this number on: its file, or -errno. */
static int open_from(const char *folder, uint32_t number, struct steward_answer *answer)
{
	_cleanup_(segments_free) struct segments segments = {0};
	int file = -ENOENT, error = segments_list(folder, &segments);
	size_t i = 0;

	if (error)
		return error;
	while (i < segments.count && segments.items[i].number < number)
		i++;
	if (i < segments.count)
		file = open_file(folder, &segments.items[i++], answer);
	for (; file >= 0 && i < segments.count; i++)
		answer->behind += size_of(folder, &segments.items[i]);
	return file;
}

/* False: it says what cannot be said, or is gone. */
static bool serve(const struct steward *steward, size_t i)
{
	const struct destination *destination = &steward->options->destinations[i];
	int socket = steward->children[i].socket;
	struct steward_question question;
	struct steward_answer answer = {0};
	_cleanup_close_ int file = -1;

	if (recv(socket, &question, sizeof(question), MSG_DONTWAIT | MSG_TRUNC) != (ssize_t)sizeof(question))
		return false;
	question.cursor.log[CHAIN_LOG - 1] = '\0';
	if (question.verb == STEWARD_OPEN) {
		file = open_from(steward->options->audit_dir, question.number, &answer);
		answer.error = file < 0 ? file : 0;
	} else if (question.verb == STEWARD_SAVE && strspn(question.cursor.log, "0123456789abcdef") == CHAIN_LOG - 1) {
		answer.error = cursor_write(steward->state, destination->id, destination->text, &question.cursor);
	} else {
		return false;
	}
	return !send_answer(socket, &answer, file);
}

int steward_ask(int socket, const struct steward_question *question, struct steward_answer *ret_answer, int *ret_file)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec part = {ret_answer, sizeof(*ret_answer)};
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.room)};
	struct cmsghdr *attached;

	if (send(socket, question, sizeof(*question), MSG_NOSIGNAL) < 0 ||
	    recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != (ssize_t)sizeof(*ret_answer))
		return -ENOTCONN;
	attached = CMSG_FIRSTHDR(&message);
	*ret_file = -1;
	if (attached && attached->cmsg_type == SCM_RIGHTS)
		memcpy(ret_file, CMSG_DATA(attached), sizeof(int));
	return 0;
}

/* ---- children ------------------------------------------------------------------------------------------------ */

static void note(struct ship_status *status, const char *text)
{
	snprintf(status->error, sizeof(status->error), "%s", text);
	status->error_at = clock_realtime();
	status->errors++;
}

/* What a child has, it has of its parent: nothing but its socket and its page. */
static void become(struct steward *steward, size_t i, int socket, const struct cursor *cursor)
{
	const struct sender_setup setup = {.destination = &steward->options->destinations[i],
					   .credentials = steward->credentials,
					   .facility = steward->options->facility,
					   .pid = steward->daemon,
					   .cursor = *cursor,
					   .status = steward->statuses[i]};

	for (size_t other = 0; other < steward->options->count; other++)
		if (other != i)
			munmap(steward->statuses[other], sizeof(struct ship_status));
	if (dup3(socket, CORE, O_CLOEXEC) < 0 || close_range(CORE + 1, ~0u, 0))
		_exit(EXIT_FAILURE);
	_exit(sender_run(CORE, &setup));
}

static void raise_child(struct steward *steward, size_t i)
{
	const struct destination *destination = &steward->options->destinations[i];
	struct child *child = &steward->children[i];
	struct cursor cursor;
	int pair[2];
	int damaged = cursor_read(steward->state, destination->id, destination->text, &cursor);

	child->born = clock_monotonic();
	if (damaged < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		note(steward->statuses[i], damaged < 0 ? "its cursor cannot be read" : "no socketpair for it");
		return;
	}
	if (damaged)
		note(steward->statuses[i],
		     "its cursor was damaged, and was renamed to .damaged: the log is sent from its beginning");
	child->pid = fork();
	if (!child->pid)
		become(steward, i, pair[1], &cursor);
	close(pair[1]);
	if (child->pid < 0) {
		close(pair[0]);
		note(steward->statuses[i], "no process for it");
		return;
	}
	child->socket = pair[0];
}

static void end_child(struct steward *steward, size_t i)
{
	struct child *child = &steward->children[i];

	if (child->socket < 0)
		return;
	close(child->socket);
	child->socket = -1;
	kill(child->pid, SIGKILL);
	while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
		;
	steward->statuses[i]->connected = 0;
}

/* ---- life ---------------------------------------------------------------------------------------------------- */

static void reset_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN); /* a terminal's ^C and hang-up are the core's to follow */
	signal(SIGHUP, SIG_IGN);
	signal(SIGTERM, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
}

/* The daemon's user owns the log and the state: that is right enough. */
static int drop_rights(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0))
		return -errno;
	capng_clear(CAPNG_SELECT_BOTH);
	/* Children become another user, which takes two of them. */
	if (!geteuid() &&
	    capng_updatev(CAPNG_ADD, (capng_type_t)(CAPNG_EFFECTIVE | CAPNG_PERMITTED), CAP_SETUID, CAP_SETGID, -1))
		return -EPERM;
	return capng_apply(CAPNG_SELECT_CAPS) < 0 ? -EPERM : 0;
}

static bool open_state(struct steward *steward)
{
	steward->state = open(steward->options->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < steward->options->count && steward->state < 0; i++)
		note(steward->statuses[i], "the state folder cannot be opened");
	return steward->state >= 0;
}

/* Until the core has opened what is its own, and a steward of a daemon before it is gone: the state folder is locked. False: the core has ended. */
static bool wait_for_turn(struct steward *steward)
{
	char go;

	if (recv(CORE, &go, 1, 0) != 1)
		return false;
	while (!open_state(steward))
		if (poll(&(struct pollfd){.fd = CORE, .events = POLLIN}, 1, (int)(REST / CLOCK_MILLISECOND)) > 0)
			return false;
	while (flock(steward->state, LOCK_EX | LOCK_NB))
		if (poll(&(struct pollfd){.fd = CORE, .events = POLLIN}, 1, 50) > 0)
			return false;
	return true;
}

/* One round of waiting and serving. False: the core has let go. */
static bool turn(struct steward *steward)
{
	struct pollfd files[SHIP_DESTINATIONS_MAX + 1] = {{.fd = CORE, .events = POLLIN}};
	size_t count = steward->options->count;
	int64_t now = clock_monotonic();

	for (size_t i = 0; i < count; i++) {
		struct child *child = &steward->children[i];

		if (child->socket < 0 && now - child->born >= REST)
			raise_child(steward, i);
		files[i + 1] = (struct pollfd){.fd = child->socket, .events = POLLIN};
	}
	if (poll(files, (nfds_t)count + 1, (int)(REST / CLOCK_MILLISECOND)) < 0 && errno != EINTR)
		return false;
	if (files[0].revents)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!files[i + 1].revents || serve(steward, i))
			continue;
		note(steward->statuses[i], "the process that sends to it has ended; another one begins");
		end_child(steward, i);
	}
	return true;
}

int steward_run(const struct ship_options *options, const struct credentials *credentials, int socket,
		struct ship_status *const *statuses)
{
	struct steward steward = {
		.options = options, .credentials = credentials, .statuses = statuses, .state = -1, .daemon = getppid()};

	reset_signals();
	prctl(PR_SET_NAME, "usherd-steward");
	for (size_t i = 0; i < SHIP_DESTINATIONS_MAX; i++)
		steward.children[i] = (struct child){.socket = -1, .born = clock_monotonic() - REST};
	if (dup3(socket, CORE, O_CLOEXEC) < 0 || close_range(CORE + 1, ~0u, 0) || drop_rights() ||
	    rights_end_with_parent())
		return EXIT_FAILURE;
	if (!wait_for_turn(&steward))
		return EXIT_FAILURE;
	while (turn(&steward))
		;
	for (size_t i = 0; i < options->count; i++)
		end_child(&steward, i);
	return EXIT_SUCCESS;
}
