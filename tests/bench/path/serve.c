// SPDX-License-Identifier: GPL-2.0-only
/*
 * serve PORT[,PORT...] NAMESPACE...: all backends in one process. It listens on each port in each of the network namespaces (paths as
 * in /run/netns); the backend's number, which each answer names, is its namespace's place in the list. Says "ready", then serves until
 * it is ended. One process, so that a hundred backends cost no more switching between tasks than one.
 */
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORTS_MAX 16
#define EVENTS 256

/* A listener, or a connection that it gave. */
struct peer {
	int fd;
	bool is_listener, is_wrong, is_closed;
	uint32_t backend;
	size_t got; /* bytes of the question */
	uint64_t up, down, head;
	struct wire_question question;
	struct wire_answer answer;
};

static unsigned char pattern[2 * WIRE_PERIOD];
static int poll_fd;

static void watch(struct peer *peer, int operation, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = peer};

	if (epoll_ctl(poll_fd, operation, peer->fd, &event)) {
		perror("serve: epoll_ctl");
		exit(1);
	}
}

static struct peer *peer_new(int fd, uint32_t backend, bool is_listener)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	if (!peer)
		exit(1);
	peer->fd = fd;
	peer->backend = backend;
	peer->is_listener = is_listener;
	watch(peer, EPOLL_CTL_ADD, EPOLLIN);
	return peer;
}

static int listen_at(uint16_t port, uint32_t backend)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) ||
	    bind(fd, (struct sockaddr *)&any, sizeof(any)) || listen(fd, 4096))
		return -errno;
	peer_new(fd, backend, true);
	return 0;
}

static void take(const struct peer *listener)
{
	int fd, yes = 1;

	while ((fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
		peer_new(fd, listener->backend, false);
	}
}

/* One read; false when nothing more is there or the other end has gone. */
static bool hear(struct peer *peer)
{
	static unsigned char body[4 * WIRE_PERIOD];
	size_t want = sizeof(peer->question) - peer->got;
	ssize_t n;

	if (want) {
		n = recv(peer->fd, (unsigned char *)&peer->question + peer->got, want, 0);
		if (n > 0)
			peer->got += (size_t)n;
		if (peer->got == sizeof(peer->question)) {
			peer->is_wrong = peer->question.kind != WIRE_QUESTION;
			peer->up = 0;
		}
	} else {
		want = peer->question.upload - peer->up < sizeof(body) ? peer->question.upload - peer->up
								       : sizeof(body);
		n = recv(peer->fd, body, want, 0);
		for (size_t done = 0; n > 0 && done < (size_t)n;) {
			size_t part = (size_t)n - done < WIRE_PERIOD ? (size_t)n - done : WIRE_PERIOD;

			peer->is_wrong |= memcmp(body + done, pattern + (peer->up + done) % WIRE_PERIOD, part) != 0;
			done += part;
		}
		if (n > 0)
			peer->up += (uint64_t)n;
	}
	if (n == 0 || (n < 0 && errno != EAGAIN))
		peer->is_closed = true;
	return n > 0;
}

/* Sends what is due; false when the socket takes no more. */
static bool say(struct peer *peer)
{
	ssize_t n;

	while (peer->head < sizeof(peer->answer) || peer->down < peer->answer.download) {
		if (peer->head < sizeof(peer->answer)) {
			n = send(peer->fd, (unsigned char *)&peer->answer + peer->head,
				 sizeof(peer->answer) - peer->head,
				 MSG_NOSIGNAL | (peer->answer.download ? MSG_MORE : 0));
			peer->head += n > 0 ? (uint64_t)n : 0;
		} else {
			uint64_t left = peer->answer.download - peer->down;

			n = send(peer->fd, pattern + peer->down % WIRE_PERIOD, left < WIRE_PERIOD ? left : WIRE_PERIOD,
				 MSG_NOSIGNAL);
			peer->down += n > 0 ? (uint64_t)n : 0;
		}
		if (n < 0) {
			peer->is_closed |= errno != EAGAIN;
			return false;
		}
	}
	return true;
}

static void converse(struct peer *peer, uint32_t events)
{
	bool is_answering = events & EPOLLOUT;

	for (;;) {
		if (is_answering) {
			if (!say(peer))
				break;
			peer->got = 0;
			is_answering = false;
			if (events & EPOLLOUT)
				watch(peer, EPOLL_CTL_MOD, EPOLLIN);
			events = 0;
		}
		/* As long as there is a whole question to answer; what is not there yet will be told of. */
		if (!hear(peer))
			break;
		if (peer->got < sizeof(peer->question) || (peer->up < peer->question.upload && !peer->is_wrong))
			continue;
		peer->answer = (struct wire_answer){.kind = WIRE_ANSWER,
						    .number = peer->question.number,
						    .backend = peer->is_wrong ? WIRE_WRONG : peer->backend,
						    .download = peer->question.download};
		peer->head = peer->down = 0;
		is_answering = true;
	}
	if (peer->is_closed) {
		close(peer->fd);
		free(peer);
	} else if (is_answering && !(events & EPOLLOUT)) {
		watch(peer, EPOLL_CTL_MOD, EPOLLOUT);
	}
}

static int open_listeners(char *ports, char **namespaces, int count)
{
	uint16_t port[PORTS_MAX];
	int ports_count = 0;

	for (char *word = strtok(ports, ","); word && ports_count < PORTS_MAX; word = strtok(NULL, ","))
		port[ports_count++] = (uint16_t)atoi(word);
	for (int i = 0; i < count; i++) {
		int fd = open(namespaces[i], O_RDONLY | O_CLOEXEC), error;

		if (fd < 0 || setns(fd, CLONE_NEWNET)) {
			fprintf(stderr, "serve: %s: %s\n", namespaces[i], strerror(errno));
			return -errno;
		}
		close(fd);
		for (int p = 0; p < ports_count; p++) {
			error = listen_at(port[p], (uint32_t)i);
			if (error) {
				fprintf(stderr, "serve: port %u in %s: %s\n", port[p], namespaces[i], strerror(-error));
				return error;
			}
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct rlimit files;
	struct epoll_event events[EVENTS];

	if (argc < 3) {
		fprintf(stderr, "usage: serve PORT[,PORT...] NAMESPACE...\n");
		return 2;
	}
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	wire_pattern(pattern);
	poll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (poll_fd < 0 || open_listeners(argv[1], argv + 2, argc - 2))
		return 1;
	puts("ready");
	fflush(stdout);
	for (;;) {
		int count = epoll_wait(poll_fd, events, EVENTS, -1);

		for (int i = 0; i < count; i++) {
			struct peer *peer = events[i].data.ptr;

			if (peer->is_listener)
				take(peer);
			else
				converse(peer, events[i].events);
		}
	}
}
