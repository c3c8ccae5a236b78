// SPDX-License-Identifier: GPL-2.0-only
/*
 * Client and server of the emulated machines, which have no Python.
 *
 *   stream serve PORT...           sends back what it is sent, each connection in a process of its own; says "ready"
 *   stream echo HOST PORT BYTES    sends as many, fewer at SIGTERM, and must get the same back; exit status 0 if so. Says how many.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define PORTS_MAX 64
#define CHUNK 65536
#define PATIENCE_SECONDS 20

static void die(const char *what)
{
	fprintf(stderr, "stream: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

/* Byte number `at` of every stream. 251 is prime, so that no segment looks like the one before. */
static unsigned char byte_at(size_t at)
{
	return (unsigned char)(at % 251);
}

/* ---- server ------------------------------------------------------------------------------------------------- */

static int listen_at(const char *port)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)atoi(port))};
	int listener = socket(AF_INET6, SOCK_STREAM, 0), no = 0, yes = 1;

	if (listener < 0 || setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no)) ||
	    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) ||
	    bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 64))
		die(port);
	return listener;
}

static void answer(int connection)
{
	static char bytes[CHUNK];
	ssize_t length;

	while ((length = read(connection, bytes, sizeof(bytes))) > 0)
		for (ssize_t sent = 0, part; sent < length; sent += part) {
			part = write(connection, bytes + sent, (size_t)(length - sent));
			if (part < 0)
				exit(EXIT_FAILURE);
		}
	exit(EXIT_SUCCESS);
}

static void serve(int count, char **ports)
{
	struct pollfd listeners[PORTS_MAX];

	if (count > PORTS_MAX)
		exit(EXIT_FAILURE);
	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < count; i++)
		listeners[i] = (struct pollfd){.fd = listen_at(ports[i]), .events = POLLIN};
	puts("ready");
	fflush(stdout);
	while (poll(listeners, (nfds_t)count, -1) > 0)
		for (int i = 0; i < count; i++) {
			int connection = listeners[i].revents ? accept(listeners[i].fd, NULL, NULL) : -1;

			if (connection >= 0 && !fork())
				answer(connection);
			if (connection >= 0)
				close(connection);
		}
}

/* ---- client ------------------------------------------------------------------------------------------------- */

static int connect_to(const char *host, const char *port)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)atoi(port))};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = six.sin6_port};
	bool is_six = inet_pton(AF_INET6, host, &six.sin6_addr) == 1;
	struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
	int connection = socket(is_six ? AF_INET6 : AF_INET, SOCK_STREAM, 0);

	/* Connecting, too, takes at most that long: tcp(7). */
	if (connection >= 0)
		setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (!is_six && inet_pton(AF_INET, host, &four.sin_addr) != 1)
		die(host);
	if (connection < 0 || connect(connection, is_six ? (struct sockaddr *)&six : (struct sockaddr *)&four,
				      is_six ? sizeof(six) : sizeof(four)))
		die(host);
	return connection;
}

/* Sends what the socket takes. Returns the number of bytes sent so far. */
static size_t put(int connection, size_t sent, size_t total)
{
	unsigned char bytes[CHUNK];
	size_t length = total - sent < sizeof(bytes) ? total - sent : sizeof(bytes);
	ssize_t part;

	for (size_t i = 0; i < length; i++)
		bytes[i] = byte_at(sent + i);
	part = send(connection, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (part < 0 && errno != EAGAIN)
		die("send");
	sent += part < 0 ? 0 : (size_t)part;
	if (sent == total)
		shutdown(connection, SHUT_WR);
	return sent;
}

/* Takes what is there. Returns the number of bytes got so far, or exits at the first wrong one. */
static size_t take(int connection, size_t got)
{
	unsigned char bytes[CHUNK];
	ssize_t part = recv(connection, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (part < 0 && errno == EAGAIN)
		return got;
	if (part <= 0) {
		errno = part ? errno : EPIPE;
		die("receive");
	}
	for (ssize_t i = 0; i < part; i++)
		if (bytes[i] != byte_at(got + (size_t)i)) {
			errno = EILSEQ;
			die("receive");
		}
	return got + (size_t)part;
}

static volatile sig_atomic_t enough;

static void set_enough(int number)
{
	enough = number;
}

static void echo(const char *host, const char *port, size_t total)
{
	int connection = connect_to(host, port);
	size_t sent = 0, got = 0;

	signal(SIGTERM, set_enough);
	while (got < total) {
		struct pollfd events = {.fd = connection, .events = POLLIN};
		int ready;

		if (enough && sent < total) {
			total = sent;
			shutdown(connection, SHUT_WR);
		}
		if (sent < total)
			events.events |= POLLOUT;
		ready = poll(&events, 1, PATIENCE_SECONDS * 1000);
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0) {
			errno = ETIMEDOUT;
			die("nothing moves");
		}
		if (sent < total && events.revents & POLLOUT)
			sent = put(connection, sent, total);
		if (events.revents & (POLLIN | POLLERR | POLLHUP))
			got = take(connection, got);
	}
	printf("%zu\n", got);
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "serve"))
		serve(argc - 2, argv + 2);
	else if (argc == 5 && !strcmp(argv[1], "echo"))
		echo(argv[2], argv[3], strtoul(argv[4], NULL, 10));
	else
		return 2;
	return EXIT_SUCCESS;
}
