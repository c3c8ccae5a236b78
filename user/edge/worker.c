// SPDX-License-Identifier: GPL-2.0-only
#include "edge/worker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cap-ng.h>
#include <microhttpd.h>
#include <seccomp.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "edge/probe.h"
#include "edge/promtext.h"

#define NOBODY 65534
#define CONNECTIONS_MAX 16
#define CORE_MARK UINT64_MAX
#define HTTP_MARK (UINT64_MAX - 1)

struct worker {
	int socket, epoll;
	const struct edge_page *page;
	struct edge_page *copy;
	struct probes *probes;
	struct MHD_Daemon *http;
	uint32_t round;
};

/* ---- rights -------------------------------------------------------------------------------------------------- */

/* No file is opened and no program started from here on; what is not named fails with EPERM. */
static int restrict_calls(void)
{
	static const int calls[] = {
		SCMP_SYS(read),	       SCMP_SYS(write),	       SCMP_SYS(readv),	      SCMP_SYS(writev),
		SCMP_SYS(recvfrom),    SCMP_SYS(recvmsg),      SCMP_SYS(sendto),      SCMP_SYS(sendmsg),
		SCMP_SYS(socket),      SCMP_SYS(connect),      SCMP_SYS(accept4),     SCMP_SYS(accept),
		SCMP_SYS(shutdown),    SCMP_SYS(getsockopt),   SCMP_SYS(setsockopt),  SCMP_SYS(getsockname),
		SCMP_SYS(getpeername), SCMP_SYS(close),	       SCMP_SYS(epoll_wait),  SCMP_SYS(epoll_pwait),
		SCMP_SYS(epoll_ctl),   SCMP_SYS(fcntl),	       SCMP_SYS(fstat),	      SCMP_SYS(newfstatat),
		SCMP_SYS(mmap),	       SCMP_SYS(munmap),       SCMP_SYS(mremap),      SCMP_SYS(mprotect),
		SCMP_SYS(madvise),     SCMP_SYS(brk),	       SCMP_SYS(futex),	      SCMP_SYS(clock_gettime),
		SCMP_SYS(getpid),      SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask),
		SCMP_SYS(restart_syscall), SCMP_SYS(poll),     SCMP_SYS(exit),	      SCMP_SYS(exit_group),
		SCMP_SYS(getrandom),   SCMP_SYS(gettid),       SCMP_SYS(tgkill),
	};
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int error = filter ? 0 : -ENOMEM;

	for (size_t i = 0; i < ARRAY_COUNT(calls) && !error; i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	if (!error)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return error;
}

static int drop_rights(void)
{
	prctl(PR_SET_DUMPABLE, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	if (!geteuid()) {
		if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY))
			return -errno;
	}
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_apply(CAPNG_SELECT_CAPS) < 0)
		return -EPERM;
	return restrict_calls();
}

/* ---- /metrics ------------------------------------------------------------------------------------------------ */

/* A copy that the core did not write to meanwhile. */
static bool copy_page(struct worker *worker)
{
	for (int i = 0; i < 1000; i++) {
		uint64_t before = __atomic_load_n(&worker->page->sequence, __ATOMIC_ACQUIRE);

		if (before & 1)
			continue;
		memcpy(worker->copy, worker->page, sizeof(*worker->copy));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&worker->page->sequence, __ATOMIC_RELAXED) == before)
			return true;
	}
	return false;
}

static enum MHD_Result answer_with(struct MHD_Connection *connection, unsigned int status, const char *type,
				   void *bytes, size_t length, enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(length, bytes, mode);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *path, const char *method,
			      const char *version, const char *upload, size_t *upload_length, void **request)
{
	static char missing[] = "only /metrics is here\n", busy[] = "the counters are being written\n";
	struct worker *worker = context;
	struct json text = {0};

	(void)version;
	(void)upload;
	(void)upload_length;
	(void)request;
	if (strcmp(path, "/metrics") != 0 || strcmp(method, "GET") != 0)
		return answer_with(connection, MHD_HTTP_NOT_FOUND, "text/plain", missing, sizeof(missing) - 1,
				   MHD_RESPMEM_PERSISTENT);
	if (!copy_page(worker))
		return answer_with(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "text/plain", busy, sizeof(busy) - 1,
				   MHD_RESPMEM_PERSISTENT);
	promtext_print(&text, worker->copy);
	return answer_with(connection, MHD_HTTP_OK, "text/plain; version=0.0.4", text.bytes, text.length,
			   MHD_RESPMEM_MUST_FREE);
}

static int listen_for_http(struct worker *worker, const struct edge_options *options)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(options->port)};
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = HTTP_MARK};
	const union MHD_DaemonInfo *information;

	if (!options->address[0])
		return 0;
	if (inet_pton(AF_INET, options->address, &address.sin_addr) != 1)
		return -EINVAL;
	worker->http = MHD_start_daemon(MHD_USE_EPOLL, options->port, NULL, NULL, answer, worker, MHD_OPTION_SOCK_ADDR,
					&address, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
					MHD_OPTION_CONNECTION_TIMEOUT, 10u, MHD_OPTION_END);
	if (!worker->http)
		return errno ? -errno : -EADDRINUSE;
	information = MHD_get_daemon_info(worker->http, MHD_DAEMON_INFO_EPOLL_FD);
	if (!information || epoll_ctl(worker->epoll, EPOLL_CTL_ADD, information->epoll_fd, &event))
		return -errno;
	return 0;
}

/* ---- the core ------------------------------------------------------------------------------------------------ */

static void report(void *context, uint32_t target, bool up)
{
	struct worker *worker = context;
	const struct edge_fact fact = {.round = worker->round, .target = target, .up = up};

	/* A core that does not read is one that has ended or is about to: then this process ends as well. */
	for (int i = 0; i < 1000 && send(worker->socket, &fact, sizeof(fact), MSG_NOSIGNAL) < 0 && errno == EAGAIN; i++)
		poll(&(struct pollfd){worker->socket, POLLOUT, 0}, 1, 10);
}

/* Reads one order. 0, -EAGAIN, or an error that ends the edge. */
static int receive_order(struct worker *worker, struct edge_order *ret_order, int *ret_file)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = {ret_order, sizeof(*ret_order)};
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.room)};
	ssize_t got = recvmsg(worker->socket, &message, MSG_CMSG_CLOEXEC);
	struct cmsghdr *attached;

	if (!got)
		return -ENOTCONN;
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? -EAGAIN : -errno;
	attached = CMSG_FIRSTHDR(&message);
	if (got != sizeof(*ret_order) || !attached || attached->cmsg_type != SCM_RIGHTS ||
	    attached->cmsg_len != CMSG_LEN(sizeof(int)))
		return -EPROTO;
	memcpy(ret_file, CMSG_DATA(attached), sizeof(int));
	return 0;
}

static int follow_order(struct worker *worker)
{
	_cleanup_close_ int file = -1;
	struct edge_order order;
	struct stat status;
	int error = receive_order(worker, &order, &file);
	size_t length;
	void *targets = NULL;

	if (error)
		return error;
	length = order.count * sizeof(struct edge_target);
	if (order.count > USHER_BACKENDS_MAX || fstat(file, &status) || (size_t)status.st_size != length)
		return -EPROTO;
	if (length) {
		targets = mmap(NULL, length, PROT_READ, MAP_PRIVATE, file, 0);
		if (targets == MAP_FAILED)
			return -errno;
	}
	worker->round = order.round;
	error = probes_watch(worker->probes, targets, order.count);
	if (length)
		munmap(targets, length);
	return error;
}

/* ---- life ---------------------------------------------------------------------------------------------------- */

static int run(struct worker *worker)
{
	struct epoll_event events[64];

	for (;;) {
		int64_t now = clock_monotonic(), next = probes_run(worker->probes, now);
		int count = epoll_wait(worker->epoll, events, ARRAY_COUNT(events),
				       (int)((next - now + CLOCK_MILLISECOND - 1) / CLOCK_MILLISECOND));
		bool http = false;

		if (count < 0 && errno != EINTR)
			return -errno;
		now = clock_monotonic();
		for (int i = 0; i < count; i++) {
			if (events[i].data.u64 == HTTP_MARK) {
				http = true;
			} else if (events[i].data.u64 != CORE_MARK) {
				probes_ready(worker->probes, (uint32_t)events[i].data.u64, now);
			} else {
				int error = follow_order(worker);

				if (error && error != -EAGAIN)
					return error;
				break; /* what else was ready belongs to the list before */
			}
		}
		if (worker->http && (http || !count))
			MHD_run(worker->http);
	}
}

static int begin(struct worker *worker, const struct edge_options *options, int page)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = CORE_MARK};
	int error;

	worker->epoll = epoll_create1(EPOLL_CLOEXEC);
	worker->copy = calloc(1, sizeof(*worker->copy));
	if (worker->epoll < 0 || !worker->copy)
		return -ENOMEM;
	worker->page = mmap(NULL, sizeof(*worker->page), PROT_READ, MAP_SHARED, page, 0);
	if (worker->page == MAP_FAILED || epoll_ctl(worker->epoll, EPOLL_CTL_ADD, worker->socket, &event))
		return -errno;
	error = probes_new(worker->epoll, report, worker, &worker->probes);
	if (error)
		return error;
	error = listen_for_http(worker, options);
	if (error)
		/* The main thing goes on without: health must not depend on a port that is taken. */
		log_error("/metrics cannot be served on %s:%u: %s", options->address, options->port, strerror(-error));
	return drop_rights();
}

int worker_run(const struct edge_options *options, int socket, int page)
{
	struct worker worker = {.socket = socket};
	int error;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN); /* a terminal's ^C is the core's to follow */
	signal(SIGTERM, SIG_DFL);
	prctl(PR_SET_NAME, "usherd-edge");
	error = begin(&worker, options, page);
	if (!error)
		error = run(&worker);
	if (error == -ENOTCONN)
		return EXIT_SUCCESS;
	log_error("the edge ends: %s", strerror(-error));
	return EXIT_FAILURE;
}
