// SPDX-License-Identifier: GPL-2.0-only
#include "edge/edge.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "edge/exposition.h"
#include "edge/nursery.h"

#define READS_IN_A_ROW 1024 /* then others get their turn, whatever the edge has to say */

const struct edge_list_bounds edge_list_bounds[EDGE_LISTS] = {
	[EDGE_TARGETS] = {sizeof(struct edge_target), USHER_BACKENDS_MAX},
	[EDGE_SOURCES] = {sizeof(struct edge_source), 2 * USHER_BACKENDS_MAX},
	[EDGE_EVALUATORS] = {sizeof(struct edge_evaluator), USHER_EVALUATORS_MAX},
	[EDGE_SERIES] = {sizeof(struct edge_series), USHER_SERIES_MAX},
	[EDGE_NAMES] = {sizeof(struct edge_name), USHER_POOLS_MAX},
};

struct edge {
	int socket;
	uint32_t reads;
	pid_t nursery, worker;
	struct edge_page *page;
	struct edge_order order; /* the last one, for an edge that is born after it */
	int targets;		 /* its file, or -1 */
	/* Of each evaluator of it. */
	uint32_t series_counts[USHER_EVALUATORS_MAX];
};

/* A memory file of this size; it can be mapped read-only by whoever gets `ret_reader`. */
static int make_page(int *ret_reader, struct edge_page **ret_page)
{
	_cleanup_close_ int file = memfd_create("usher-metrics", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	char path[64];
	void *page;
	int reader;

	if (file < 0 || ftruncate(file, sizeof(struct edge_page)))
		return -errno;
	page = mmap(NULL, sizeof(struct edge_page), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (page == MAP_FAILED)
		return -errno;
	/* No new writable mapping from here on: F_SEAL_FUTURE_WRITE, since Linux 5.1. */
	if (fcntl(file, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL)) {
		munmap(page, sizeof(struct edge_page));
		return -errno;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	reader = open(path, O_RDONLY | O_CLOEXEC);
	if (reader < 0) {
		munmap(page, sizeof(struct edge_page));
		return -errno;
	}
	*ret_reader = reader;
	*ret_page = page;
	return 0;
}

int edge_start(const struct edge_options *options, struct problem *problem, struct edge **ret_edge)
{
	_cleanup_free_ struct edge *edge = calloc(1, sizeof(*edge));
	_cleanup_close_ int reader = -1;
	struct edge_page *page = NULL;
	int pair[2], error;
	pid_t pid;

	if (!edge)
		return problem_set(problem, -ENOMEM, "no memory");
	error = make_page(&reader, &page);
	if (error)
		return problem_set(problem, error, "cannot make the memory file for /metrics: %s", strerror(-error));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair))
		return problem_set(problem, -errno, "cannot make a socketpair: %s", strerror(errno));
	pid = fork();
	if (pid < 0) {
		error = -errno;
		close(pair[0]);
		close(pair[1]);
		return problem_set(problem, error, "cannot fork the edge: %s", strerror(-error));
	}
	if (!pid) {
		close(pair[0]);
		munmap(page, sizeof(*page)); /* which could be written through */
		_exit(nursery_run(options, pair[1], reader));
	}
	close(pair[1]);
	edge->socket = pair[0];
	edge->nursery = pid;
	edge->page = page;
	edge->targets = -1;
	*ret_edge = TAKE_PTR(edge);
	return 0;
}

void edge_close(struct edge *edge)
{
	if (!edge)
		return;
	close(edge->socket);
	while (waitpid(edge->nursery, NULL, 0) < 0 && errno == EINTR)
		;
	if (edge->targets >= 0)
		close(edge->targets);
	munmap(edge->page, sizeof(*edge->page));
	free(edge);
}

pid_t edge_pid(const struct edge *edge)
{
	return edge->worker;
}

int edge_fd(const struct edge *edge)
{
	return edge->socket;
}

static int write_all(int file, const void *bytes, size_t length)
{
	size_t written = 0;

	while (written < length) {
		ssize_t got = write(file, (const char *)bytes + written, length - written);

		if (got <= 0)
			return got ? -errno : -EIO;
		written += (size_t)got;
	}
	return 0;
}

static int list_file(const struct edge_list *list, int *ret_file)
{
	_cleanup_close_ int file = memfd_create("usher-targets", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int error;

	if (file < 0)
		return -errno;
	for (size_t i = 0; i < EDGE_LISTS; i++) {
		error = write_all(file, list->items[i], list->counts[i] * edge_list_bounds[i].size);
		if (error)
			return error;
	}
	if (fcntl(file, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_WRITE | F_SEAL_SEAL))
		return -errno;
	*ret_file = TAKE_FD(file);
	return 0;
}

static int hand_over(const struct edge *edge)
{
	struct edge_order order = edge->order;
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec part = {&order, sizeof(order)};
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.room)};
	struct cmsghdr *attached = CMSG_FIRSTHDR(&message);

	attached->cmsg_level = SOL_SOCKET;
	attached->cmsg_type = SCM_RIGHTS;
	attached->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(attached), &edge->targets, sizeof(int));
	return sendmsg(edge->socket, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int edge_watch(struct edge *edge, const struct edge_list *list, uint32_t round)
{
	int file = -1, error = list_file(list, &file);

	if (error)
		return error;
	if (edge->targets >= 0)
		close(edge->targets);
	edge->targets = file;
	edge->order.round = round;
	memcpy(edge->order.counts, list->counts, sizeof(edge->order.counts));
	for (uint32_t i = 0; i < list->counts[EDGE_EVALUATORS]; i++)
		edge->series_counts[i] = ((const struct edge_evaluator *)list->items[EDGE_EVALUATORS])[i].count;
	/* The first edge gets it when it has said that it is there. */
	return edge->worker ? hand_over(edge) : 0;
}

static bool load_makes_sense(const struct edge_load *load)
{
	for (size_t i = 0; i < EDGE_FIGURES; i++)
		if (!isnan(load->figures[i]) && (!isfinite(load->figures[i]) || load->figures[i] < 0))
			return false;
	for (size_t i = 0; i < load->finding_count && i < EDGE_FINDINGS_MAX; i++)
		if (load->findings[i].code >= EDGE_FINDING_CODES)
			return false;
	return load->server < LOAD_SERVERS_COUNT && load->finding_count <= EDGE_FINDINGS_MAX;
}

static bool identity_makes_sense(const struct edge_identity *identity)
{
	size_t length = strnlen(identity->found, sizeof(identity->found));

	for (size_t i = 0; i < length; i++)
		if (identity->found[i] < ' ' || identity->found[i] > '~')
			return false;
	return length < sizeof(identity->found) && identity->matches <= 1;
}

static bool values_make_sense(const struct edge *edge, const struct edge_fact *fact)
{
	if (!fact->up || fact->number < 0 || (uint32_t)fact->number >= edge->series_counts[fact->target])
		return false;
	for (size_t i = 0; i < EDGE_VALUES; i++)
		if ((!isnan(fact->values[i].value) && !isfinite(fact->values[i].value)) ||
		    fact->values[i].type > EXPOSITION_STATESET)
			return false;
	return true;
}

static bool name_makes_sense(const struct edge *edge, const struct edge_fact *fact)
{
	if (fact->round == edge->order.round && fact->target >= edge->order.counts[EDGE_NAMES])
		return false;
	if (fact->kind == EDGE_FACT_ADDRESSES && (!fact->up || fact->number % EDGE_ADDRESSES))
		return false;
	return !fact->up || (fact->number >= 0 && fact->number <= EDGE_ADDRESSES_MAX);
}

/* The edge is not trusted: of what it says, only what makes sense is taken. */
static bool makes_sense(const struct edge *edge, const struct edge_fact *fact)
{
	if (fact->kind == EDGE_FACT_BORN)
		return fact->target > 1 && fact->target <= INT32_MAX && !fact->up;
	if (fact->up > 1 || fact->cause >= CAUSE_KINDS || fact->up != (fact->cause == CAUSE_NONE))
		return false;
	if (fact->kind == EDGE_FACT_LOAD)
		return load_makes_sense(&fact->load) &&
		       (fact->round != edge->order.round || fact->target < edge->order.counts[EDGE_SOURCES]);
	if (fact->kind == EDGE_FACT_IDENTITY)
		return identity_makes_sense(&fact->identity) &&
		       (fact->round != edge->order.round || fact->target < edge->order.counts[EDGE_SOURCES]);
	if (fact->kind == EDGE_FACT_EVALUATED || fact->kind == EDGE_FACT_VALUES)
		return fact->round != edge->order.round ||
		       (fact->target < edge->order.counts[EDGE_EVALUATORS] &&
			(fact->kind == EDGE_FACT_EVALUATED || values_make_sense(edge, fact)));
	if (fact->kind == EDGE_FACT_ADDRESSES || fact->kind == EDGE_FACT_RESOLVED)
		return name_makes_sense(edge, fact);
	return fact->kind == EDGE_FACT_HEALTH &&
	       (fact->round != edge->order.round || fact->target < edge->order.counts[EDGE_TARGETS]);
}

int edge_read(struct edge *edge, struct edge_fact *ret_fact)
{
	struct edge_fact fact;
	ssize_t got;
	int error;

	if (++edge->reads > READS_IN_A_ROW) {
		edge->reads = 0;
		return -EAGAIN;
	}
	got = recv(edge->socket, &fact, sizeof(fact), MSG_TRUNC);
	if (!got)
		return -ENOTCONN;
	if (got < 0) {
		edge->reads = 0;
		return errno == EAGAIN || errno == EINTR ? -EAGAIN : -ENOTCONN;
	}
	if (got != sizeof(fact) || !makes_sense(edge, &fact))
		return -EPROTO;
	if (fact.kind != EDGE_FACT_BORN) {
		*ret_fact = fact;
		return 0;
	}
	edge->worker = (pid_t)fact.target;
	error = edge->targets >= 0 ? hand_over(edge) : 0;
	if (error)
		return error == -EAGAIN ? -ENOBUFS : error;
	return -EAGAIN;
}

struct edge_page *edge_page_begin(struct edge *edge)
{
	__atomic_store_n(&edge->page->sequence, edge->page->sequence | 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return edge->page;
}

void edge_page_end(struct edge *edge)
{
	__atomic_store_n(&edge->page->sequence, edge->page->sequence + 1, __ATOMIC_RELEASE);
}
