// SPDX-License-Identifier: GPL-2.0-only
#include "edge/worker.h"

#include <errno.h>
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

#include <microhttpd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "edge/evaluators.h"
#include "edge/names.h"
#include "edge/probe.h"
#include "edge/promtext.h"
#include "edge/rights.h"
#include "edge/scrape.h"
#include "edge/transfers.h"

#define CONNECTIONS_MAX 16
#define CONNECTION_SECONDS 10u
#define COPY_TRIES 200 /* a millisecond apart */
#define TRANSFERS_MOST (PROBES_OPEN_MAX + SCRAPES_OPEN_MAX + USHER_EVALUATORS_MAX)
#define KEPT_MOST (2 * USHER_BACKENDS_MAX + USHER_EVALUATORS_MAX)
#define FILES_SPARE (PROBES_OPEN_MAX + CONNECTIONS_MAX + 64) /* probes by TCP, /metrics, the rest */
#define CORE_MARK UINT64_MAX
#define HTTP_MARK (UINT64_MAX - 1)
#define TRANSFERS_MARK (UINT64_MAX - 2)
#define NAMES_MARK (UINT64_MAX - 3)

struct worker {
	int socket, epoll;
	const struct edge_page *page;
	struct edge_page *copy;
	struct transfers *transfers;
	struct probes *probes;
	struct scrapes *scrapes;
	struct evaluators *evaluators;
	struct names *names;
	struct MHD_Daemon *http;
	uint32_t round;
};

/* ---- /metrics ------------------------------------------------------------------------------------------------ */

/* A copy that the core did not write to meanwhile. */
static bool copy_page(struct worker *worker)
{
	for (int i = 0; i < COPY_TRIES; i++) {
		uint64_t before = __atomic_load_n(&worker->page->sequence, __ATOMIC_ACQUIRE);

		if (before & 1) {
			poll(NULL, 0, 1);
			continue;
		}
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
	if (strcmp(path, "/metrics") != 0 || (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0))
		return answer_with(connection, MHD_HTTP_NOT_FOUND, "text/plain", missing, sizeof(missing) - 1,
				   MHD_RESPMEM_PERSISTENT);
	if (!copy_page(worker))
		return answer_with(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "text/plain", busy, sizeof(busy) - 1,
				   MHD_RESPMEM_PERSISTENT);
	promtext_print(&text, worker->copy);
	return answer_with(connection, MHD_HTTP_OK, "text/plain; version=0.0.4", text.bytes, text.length,
			   MHD_RESPMEM_MUST_FREE);
}

static int serve_http(struct worker *worker, int listener)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = HTTP_MARK};
	const union MHD_DaemonInfo *information;

	if (listener < 0)
		return 0;
	worker->http = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, answer, worker, MHD_OPTION_LISTEN_SOCKET,
					listener, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
					MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_SECONDS, MHD_OPTION_END);
	if (!worker->http)
		return -EIO;
	information = MHD_get_daemon_info(worker->http, MHD_DAEMON_INFO_EPOLL_FD);
	if (!information || epoll_ctl(worker->epoll, EPOLL_CTL_ADD, information->epoll_fd, &event))
		return -EIO;
	return 0;
}

/* ---- the core ------------------------------------------------------------------------------------------------ */

static bool tell(const struct worker *worker, struct edge_fact fact)
{
	fact.round = worker->round;
	return send(worker->socket, &fact, sizeof(fact), MSG_NOSIGNAL) == (ssize_t)sizeof(fact);
}

static bool report(void *context, uint32_t target, struct cause cause)
{
	return tell(context, (struct edge_fact){.kind = EDGE_FACT_HEALTH,
						.target = target,
						.up = cause.kind == CAUSE_NONE,
						.cause = cause.kind,
						.number = cause.number});
}

static bool report_source(void *context, uint32_t source, enum edge_source_kind kind, struct cause cause,
			  const struct scrape_result *result)
{
	struct edge_fact fact = {.kind = kind == EDGE_SOURCE_LOAD ? EDGE_FACT_LOAD : EDGE_FACT_IDENTITY,
				 .target = source,
				 .up = cause.kind == CAUSE_NONE,
				 .cause = cause.kind,
				 .number = cause.number};

	if (fact.up && kind == EDGE_SOURCE_LOAD)
		fact.load = result->load;
	else if (fact.up)
		fact.identity = result->identity;
	return tell(context, fact);
}

static bool report_fact(void *context, const struct edge_fact *fact)
{
	return tell(context, *fact);
}

/* Reads one order. 0, -EAGAIN, or an error that ends the edge. */
static int receive_order(struct worker *worker, struct edge_order *ret_order, int *ret_file)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct edge_order order;
	struct iovec part = {&order, sizeof(order)};
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.room)};
	ssize_t got = recvmsg(worker->socket, &message, MSG_CMSG_CLOEXEC);
	struct cmsghdr *attached;
	int file;

	/* The core has let go; reset: of facts that it had not read, too. */
	if (!got || (got < 0 && errno == ECONNRESET))
		return -ENOTCONN;
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? -EAGAIN : -errno;
	attached = CMSG_FIRSTHDR(&message);
	if (!attached || attached->cmsg_level != SOL_SOCKET || attached->cmsg_type != SCM_RIGHTS ||
	    attached->cmsg_len != CMSG_LEN(sizeof(int)))
		return -EPROTO;
	memcpy(&file, CMSG_DATA(attached), sizeof(int));
	if (got != sizeof(order) || message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		close(file);
		return -EPROTO;
	}
	*ret_order = order;
	*ret_file = file;
	return 0;
}

static bool targets_make_sense(const struct edge_target *targets, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (targets[i].probe <= HEALTH_PROBE_NONE || targets[i].probe >= HEALTH_PROBES ||
		    targets[i].status_count > USHER_HEALTH_STATUS_MAX || targets[i].jitter > 1000 ||
		    targets[i].host[USHER_HEALTH_HOST_MAX] || targets[i].path[USHER_HEALTH_PATH_MAX])
			return false;
	return true;
}

static bool ends_within(const char *text, size_t room)
{
	return memchr(text, '\0', room);
}

static bool load_makes_sense(const struct edge_source *source)
{
	return source->server > LOAD_NOT_SCRAPED && source->server < LOAD_SERVERS_COUNT &&
	       ends_within(source->waiting, sizeof(source->waiting)) &&
	       ends_within(source->running, sizeof(source->running)) && ends_within(source->use, sizeof(source->use));
}

static bool sources_make_sense(const struct edge_source *sources, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct edge_source *source = &sources[i];

		if (source->kind >= EDGE_SOURCE_KINDS || !source->every_ms ||
		    !ends_within(source->host, sizeof(source->host)) ||
		    !ends_within(source->path, sizeof(source->path)) ||
		    (source->kind == EDGE_SOURCE_LOAD && !load_makes_sense(source)) ||
		    !ends_within(source->pointer, sizeof(source->pointer)) ||
		    !ends_within(source->equals, sizeof(source->equals)))
			return false;
	}
	return true;
}

static bool series_makes_sense(const struct edge_series *series)
{
	if (series->label_count > USHER_SERIES_LABELS_MAX || !ends_within(series->name, sizeof(series->name)))
		return false;
	for (uint32_t i = 0; i < series->label_count; i++)
		if (!ends_within(series->labels[i].name, sizeof(series->labels[i].name)) ||
		    !ends_within(series->labels[i].value, sizeof(series->labels[i].value)))
			return false;
	return true;
}

static bool evaluators_make_sense(const struct edge_list *list)
{
	const struct edge_evaluator *evaluators = list->items[EDGE_EVALUATORS];
	const struct edge_series *series = list->items[EDGE_SERIES];
	uint32_t count = list->counts[EDGE_SERIES];

	for (uint32_t i = 0; i < list->counts[EDGE_EVALUATORS]; i++)
		if (evaluators[i].protocol >= EVALUATOR_PROTOCOLS || !evaluators[i].every_ms ||
		    !evaluators[i].timeout_ms || evaluators[i].first > count ||
		    evaluators[i].count > count - evaluators[i].first ||
		    !ends_within(evaluators[i].host, sizeof(evaluators[i].host)) ||
		    !ends_within(evaluators[i].path, sizeof(evaluators[i].path)))
			return false;
	for (uint32_t i = 0; i < count; i++)
		if (!series_makes_sense(&series[i]))
			return false;
	return true;
}

static bool names_make_sense(const struct edge_name *names, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (!names[i].every_ms || !names[i].timeout_ms || !names[i].families ||
		    names[i].families > (EDGE_IPV4 | EDGE_IPV6) || !ends_within(names[i].name, sizeof(names[i].name)))
			return false;
	return true;
}

static int watch(struct worker *worker, const struct edge_list *list)
{
	const struct edge_target *targets = list->items[EDGE_TARGETS];
	const struct edge_source *sources = list->items[EDGE_SOURCES];
	int64_t now = clock_monotonic();
	int error;

	if (!targets_make_sense(targets, list->counts[EDGE_TARGETS]) ||
	    !sources_make_sense(sources, list->counts[EDGE_SOURCES]) || !evaluators_make_sense(list) ||
	    !names_make_sense(list->items[EDGE_NAMES], list->counts[EDGE_NAMES]))
		return -EPROTO;
	names_watch(worker->names, list->items[EDGE_NAMES], list->counts[EDGE_NAMES], now);
	error = probes_watch(worker->probes, targets, list->counts[EDGE_TARGETS], now);
	if (!error)
		error = scrapes_watch(worker->scrapes, sources, list->counts[EDGE_SOURCES], now);
	return error ? error
		     : evaluators_watch(worker->evaluators, list->items[EDGE_EVALUATORS], list->counts[EDGE_EVALUATORS],
					list->items[EDGE_SERIES], now);
}

/* Where each list begins, and how long all of them are. Returns false if one is too long. */
static bool lay_out(const struct edge_order *order, size_t offsets[EDGE_LISTS], size_t *ret_length)
{
	size_t length = 0;

	for (size_t i = 0; i < EDGE_LISTS; i++) {
		if (order->counts[i] > edge_list_bounds[i].most)
			return false;
		offsets[i] = length;
		length += order->counts[i] * edge_list_bounds[i].size;
	}
	*ret_length = length;
	return true;
}

static int follow_order(struct worker *worker)
{
	_cleanup_close_ int file = -1;
	struct edge_order order = {0};
	struct edge_list list = {0};
	size_t offsets[EDGE_LISTS], length;
	struct stat status;
	char *bytes = NULL;
	int error = receive_order(worker, &order, &file);

	if (error)
		return error;
	if (!lay_out(&order, offsets, &length) || fstat(file, &status) || (size_t)status.st_size != length)
		return -EPROTO;
	if (length) {
		bytes = mmap(NULL, length, PROT_READ, MAP_PRIVATE, file, 0);
		if (bytes == MAP_FAILED)
			return -errno;
	}
	worker->round = order.round;
	for (size_t i = 0; bytes && i < EDGE_LISTS; i++) {
		list.items[i] = bytes + offsets[i];
		list.counts[i] = order.counts[i];
	}
	error = watch(worker, &list);
	if (bytes)
		munmap(bytes, length);
	return error;
}

/* ---- life ---------------------------------------------------------------------------------------------------- */

/* One round of waiting and working. 0, or an error that ends the edge. */
static int turn(struct worker *worker)
{
	struct epoll_event events[64];
	int64_t now = clock_monotonic(), wait = probes_run(worker->probes, now) - now;
	int64_t scrape_wait = scrapes_run(worker->scrapes, now) - now;
	int64_t evaluator_wait = evaluators_run(worker->evaluators, now) - now;
	int64_t name_wait = names_run(worker->names, now) - now;
	int count, error = 0;
	bool http = false, transfers = false;

	if (scrape_wait < wait)
		wait = scrape_wait;
	if (evaluator_wait < wait)
		wait = evaluator_wait;
	if (name_wait < wait)
		wait = name_wait;
	if (transfers_due(worker->transfers) - now < wait) /* asked last: the others begin transfers */
		wait = transfers_due(worker->transfers) - now;
	wait = wait < 0 ? 0 : (wait + CLOCK_MILLISECOND - 1) / CLOCK_MILLISECOND;
	count = epoll_wait(worker->epoll, events, ARRAY_COUNT(events), (int)wait);
	if (count < 0 && errno != EINTR)
		return -errno;
	now = clock_monotonic();
	for (int i = 0; i < count && !error; i++) {
		if (events[i].data.u64 == HTTP_MARK) {
			http = true;
		} else if (events[i].data.u64 == TRANSFERS_MARK) {
			transfers = true;
		} else if (events[i].data.u64 == NAMES_MARK) {
			continue; /* the next turn begins with them */
		} else if (events[i].data.u64 != CORE_MARK) {
			probes_ready(worker->probes, (uint32_t)events[i].data.u64, now);
		} else {
			error = follow_order(worker);
			if (!error)
				break; /* what else was ready belongs to the list before */
			if (error == -EAGAIN)
				error = 0;
		}
	}
	if (transfers || transfers_due(worker->transfers) <= now)
		transfers_run(worker->transfers);
	/* Also when there was nothing: it closes connections that take too long. */
	if (worker->http && (http || count <= 0))
		MHD_run(worker->http);
	return error;
}

static int make_askers(struct worker *worker, const char *ca_file)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = TRANSFERS_MARK};
	unsigned int files = rights_raise_files();
	/* To each source and evaluator one, as far as there are descriptors. */
	uint32_t kept = files > TRANSFERS_MOST + FILES_SPARE ? files - TRANSFERS_MOST - FILES_SPARE : 0;
	int error = transfers_new(TRANSFERS_MOST, kept < KEPT_MOST ? kept : KEPT_MOST, ca_file, &worker->transfers);

	if (error)
		return error;
	if (epoll_ctl(worker->epoll, EPOLL_CTL_ADD, transfers_fd(worker->transfers), &event))
		return -errno;
	error = probes_new(worker->epoll, worker->transfers, report, worker, &worker->probes);
	if (!error)
		error = scrapes_new(worker->transfers, report_source, worker, &worker->scrapes);
	if (!error)
		error = evaluators_new(worker->transfers, report_fact, worker, &worker->evaluators);
	if (!error)
		error = names_new(report_fact, worker, &worker->names);
	if (error)
		return error;
	event.data.u64 = NAMES_MARK;
	return epoll_ctl(worker->epoll, EPOLL_CTL_ADD, names_fd(worker->names), &event) ? -errno : 0;
}

static int begin(struct worker *worker, int page, int listener, const char *ca_file)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = CORE_MARK};
	int error = rights_end_with_parent();

	if (error)
		return error;
	worker->epoll = epoll_create1(EPOLL_CLOEXEC);
	worker->copy = calloc(1, sizeof(*worker->copy));
	if (worker->epoll < 0 || !worker->copy)
		return -ENOMEM;
	worker->page = mmap(NULL, sizeof(*worker->page), PROT_READ, MAP_SHARED, page, 0);
	if (worker->page == MAP_FAILED || epoll_ctl(worker->epoll, EPOLL_CTL_ADD, worker->socket, &event))
		return -errno;
	error = make_askers(worker, ca_file);
	if (!error)
		error = serve_http(worker, listener);
	if (!error)
		error = rights_restrict_calls();
	/* The core then hands over what to probe, to the first worker as to the tenth. */
	if (!error && !tell(worker, (struct edge_fact){.kind = EDGE_FACT_BORN, .target = (uint32_t)getpid()}))
		error = -ENOTCONN;
	return error;
}

int worker_run(int socket, int page, int listener, const char *ca_file)
{
	struct worker worker = {.socket = socket};
	int error;

	prctl(PR_SET_NAME, "usherd-edge");
	error = begin(&worker, page, listener, ca_file);
	while (!error)
		error = turn(&worker);
	if (error == -ENOTCONN)
		return EXIT_SUCCESS;
	log_error("the edge ends: %s", strerror(-error));
	return EXIT_FAILURE;
}
