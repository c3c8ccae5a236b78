// SPDX-License-Identifier: GPL-2.0-only
#include "receiver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"

#define FOLDER "/run/systemd/journal"
#define CONNECTIONS 8
#define ROOM (4u << 20)
#define NUMBER "\"sequence\":"

/* One after the other, each with what it has said. */
struct connection {
	int file;
	size_t length;
	char *bytes;
};

static pid_t process;

struct receiver *receiver_map(const char *path)
{
	_cleanup_close_ int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *receiver;

	if (file < 0 || ftruncate(file, sizeof(struct receiver)))
		return NULL;
	receiver = mmap(NULL, sizeof(struct receiver), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	return receiver == MAP_FAILED ? NULL : receiver;
}

bool receiver_has(const struct receiver *receiver, enum receiver_kind kind, uint64_t number)
{
	return *(const volatile uint64_t *)&receiver->numbers[kind][number % RECEIVER_NUMBERS] == number;
}

/* ---- what comes ---------------------------------------------------------------------------------------------- */

static void take(struct receiver *receiver, enum receiver_kind kind, const char *bytes, size_t length)
{
	const char *at = bytes, *end = bytes + length;

	while ((at = memmem(at, (size_t)(end - at), NUMBER, strlen(NUMBER)))) {
		uint64_t number = 0;

		for (at += strlen(NUMBER); at < end && *at >= '0' && *at <= '9'; at++)
			number = number * 10 + (uint64_t)(*at - '0');
		if (at < end)
			receiver->numbers[kind][number % RECEIVER_NUMBERS] = number;
	}
}

static void listen_to(struct receiver *receiver, struct connection *connection)
{
	ssize_t got = recv(connection->file, connection->bytes + connection->length, ROOM - connection->length, 0);

	if (got > 0) {
		connection->length += (size_t)got;
		take(receiver, RECEIVER_SYSLOG, connection->bytes, connection->length);
		return;
	}
	close(connection->file);
	free(connection->bytes);
	*connection = (struct connection){.file = -1};
}

static void welcome(int listener, struct connection connections[CONNECTIONS])
{
	int file = accept(listener, NULL, NULL);
	size_t i = 0;

	while (i < CONNECTIONS - 1 && connections[i].file >= 0)
		i++;
	if (connections[i].file >= 0)
		close(connections[i].file);
	free(connections[i].bytes);
	connections[i] = (struct connection){.file = file, .bytes = malloc(ROOM)};
	if (!connections[i].bytes)
		abort();
}

/* An entry, or a file of memory that has one. */
static void take_entry(struct receiver *receiver, int socket)
{
	static char bytes[ROOM];
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = {bytes, sizeof(bytes)};
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t got = recvmsg(socket, &message, 0);
	struct cmsghdr *attached = got < 0 ? NULL : CMSG_FIRSTHDR(&message);
	_cleanup_close_ int file = -1;

	if (attached && attached->cmsg_type == SCM_RIGHTS) {
		memcpy(&file, CMSG_DATA(attached), sizeof(int));
		got = pread(file, bytes, sizeof(bytes), 0);
	}
	if (got > 0)
		take(receiver, RECEIVER_JOURNALD, bytes, (size_t)got);
}

static void serve(struct receiver *receiver, int listener, int journal)
{
	struct connection connections[CONNECTIONS];

	for (size_t i = 0; i < CONNECTIONS; i++)
		connections[i] = (struct connection){.file = -1};
	for (;;) {
		struct pollfd files[CONNECTIONS + 2] = {{.fd = listener, .events = POLLIN},
							{.fd = journal, .events = POLLIN}};

		for (size_t i = 0; i < CONNECTIONS; i++)
			files[i + 2] = (struct pollfd){.fd = connections[i].file, .events = POLLIN};
		poll(files, CONNECTIONS + 2, -1);
		for (size_t i = 0; i < CONNECTIONS; i++)
			if (files[i + 2].revents)
				listen_to(receiver, &connections[i]);
		if (files[1].revents)
			take_entry(receiver, journal);
		if (files[0].revents)
			welcome(listener, connections);
	}
}

/* ---- beginning ----------------------------------------------------------------------------------------------- */

static int open_listener(uint16_t *ret_port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	_cleanup_close_ int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t length = sizeof(address);

	if (file < 0 || bind(file, (struct sockaddr *)&address, sizeof(address)) || listen(file, CONNECTIONS) ||
	    getsockname(file, (struct sockaddr *)&address, &length))
		return -errno;
	*ret_port = ntohs(address.sin_port);
	return TAKE_FD(file);
}

static int open_journal(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = FOLDER "/socket"};
	_cleanup_close_ int file = -1;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/run", "tmpfs", 0, "mode=755") || mkdir("/run/systemd", 0755) || mkdir(FOLDER, 0755))
		return -errno;
	file = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (file < 0 || bind(file, (struct sockaddr *)&address, sizeof(address)) || chmod(address.sun_path, 0666))
		return -errno;
	return TAKE_FD(file);
}

int receiver_begin(const char *path)
{
	struct receiver *receiver = receiver_map(path);
	_cleanup_close_ int listener = -1, journal = -1;

	if (!receiver)
		return -EIO;
	listener = open_listener(&receiver->port);
	if (listener < 0)
		return listener;
	journal = open_journal();
	if (journal < 0)
		return journal;
	process = fork();
	if (!process) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(receiver, listener, journal);
	}
	munmap(receiver, sizeof(*receiver));
	return process < 0 ? -errno : 0;
}

void receiver_end(void)
{
	if (process <= 0)
		return;
	kill(process, SIGKILL);
	waitpid(process, NULL, 0);
}
