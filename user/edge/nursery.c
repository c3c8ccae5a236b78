// SPDX-License-Identifier: GPL-2.0-only
#include "edge/nursery.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "edge/rights.h"
#include "edge/worker.h"

#define SOCKET 3
#define PAGE 4
#define REST_MS 1000 /* between a worker and the next */
#define BACKLOG 16

/* While there is still the right to take any port. -1: /metrics is not to be, or cannot be, served. */
static int listen_for_http(const struct edge_options *options)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(options->port)};
	_cleanup_close_ int listener = -1;
	const int yes = 1;

	if (!options->address[0])
		return -1;
	if (inet_pton(AF_INET, options->address, &address.sin_addr) == 1) {
		listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (listener >= 0 && !setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) &&
		    !bind(listener, (const struct sockaddr *)&address, sizeof(address)) && !listen(listener, BACKLOG))
			return TAKE_FD(listener);
	} else {
		errno = EINVAL;
	}
	/* Health must not depend on a port that is taken. */
	log_error("/metrics cannot be served on %s:%u: %s", options->address, options->port, strerror(errno));
	return -1;
}

/* Waits until the worker has ended: true, or the core has let go: false. */
static bool outlive(pid_t worker)
{
	_cleanup_close_ int file = (int)syscall(SYS_pidfd_open, worker, 0); /* without a wrapper before glibc 2.36 */
	struct pollfd files[] = {{.fd = file, .events = POLLIN}, {.fd = SOCKET}};

	if (file < 0)
		return false;
	while (poll(files, 2, -1) < 0)
		if (errno != EINTR)
			return false;
	return !(files[1].revents & (POLLHUP | POLLERR));
}

static void say_how_it_ended(int status)
{
	if (WIFSIGNALED(status))
		log_error("the edge was ended by signal %d (%s); another one begins", WTERMSIG(status),
			  strsignal(WTERMSIG(status)));
	else
		log_error("the edge ended with status %d; another one begins", WEXITSTATUS(status));
}

/* Returns whether the core is still there. */
static bool raise_worker(const struct edge_options *options, int listener)
{
	int status = 0;
	bool again;
	pid_t pid = fork();

	if (pid < 0) {
		log_error("cannot fork the edge: %s", strerror(errno));
		return poll(&(struct pollfd){.fd = SOCKET}, 1, REST_MS) == 0;
	}
	if (!pid)
		_exit(worker_run(SOCKET, PAGE, listener, options->ca_file ? options->ca_file : EDGE_CA_FILE));
	again = outlive(pid);
	if (!again)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!again)
		return false;
	/* A worker that finds the core gone ends just before we find the same. */
	if (poll(&(struct pollfd){.fd = SOCKET}, 1, 0))
		return false;
	say_how_it_ended(status);
	return poll(&(struct pollfd){.fd = SOCKET}, 1, REST_MS) == 0;
}

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

int nursery_run(const struct edge_options *options, int socket, int page)
{
	int listener, error;

	reset_signals();
	prctl(PR_SET_NAME, "usherd-nursery");
	error = rights_keep_files(socket, page);
	if (error) {
		log_error("cannot begin the edge: %s", strerror(-error));
		return EXIT_FAILURE;
	}
	listener = listen_for_http(options);
	error = rights_drop();
	if (error) {
		log_error("the edge cannot give up its rights: %s", strerror(-error));
		return EXIT_FAILURE;
	}
	while (raise_worker(options, listener))
		;
	return EXIT_SUCCESS;
}
