// SPDX-License-Identifier: GPL-2.0-only
/* Evaluators through the edge as a process: what is handed to it, what it says, and what the core takes of that. */
#include "edge/edge.h"

#include <errno.h>
#include <sys/syscall.h>

#include "base/array.h"
#include "base/clock.h"
#include "edge/exposition.h"
#include "evaluated.h"
#include "served.h"

#define ROUND 7

static struct edge *edge;
static struct served served;

static void behave_page(struct peer *peer)
{
	peer_listen(peer);
	peer_say(peer, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n# TYPE a gauge\n"
		       "a{n=\"0\"} 10\na{n=\"1\"} 11\na{n=\"2\"} 12\na{n=\"3\"} 13\na{n=\"4\"} 14\na{n=\"5\"} NaN\n");
}

static int begin(void **state)
{
	struct edge_options options = {.port = 0};
	struct problem problem = {0};

	(void)state;
	served = served_begin(behave_page, NULL);
	return edge_start(&options, &problem, &edge);
}

static int end(void **state)
{
	(void)state;
	edge_close(edge);
	served_end(&served);
	return 0;
}

static int wait_for_fact(int milliseconds, struct edge_fact *ret_fact)
{
	int64_t until = clock_monotonic() + milliseconds * CLOCK_MILLISECOND;

	while (clock_monotonic() < until) {
		struct pollfd file = {.fd = edge_fd(edge), .events = POLLIN};

		if (poll(&file, 1, 20) > 0) {
			int error = edge_read(edge, ret_fact);

			if (error != -EAGAIN)
				return error;
		}
	}
	return -ETIME;
}

static void wait_for_worker(pid_t other_than)
{
	struct edge_fact fact;

	for (int i = 0; i < 250 && (!edge_pid(edge) || edge_pid(edge) == other_than); i++)
		wait_for_fact(20, &fact);
	assert_true(edge_pid(edge) && edge_pid(edge) != other_than);
}

static void watch(const struct edge_evaluator *evaluators, uint32_t count, const struct edge_series *series,
		  uint32_t series_count)
{
	const struct edge_list list = {.items = {[EDGE_EVALUATORS] = evaluators, [EDGE_SERIES] = series},
				       .counts = {[EDGE_EVALUATORS] = count, [EDGE_SERIES] = series_count}};

	assert_int_equal(edge_watch(edge, &list, ROUND), 0);
}

static void make_series(struct edge_series series[6])
{
	for (int i = 0; i < 6; i++) {
		char number[8];

		snprintf(number, sizeof(number), "%d", i);
		series[i] = SERIES("a", "n", number);
	}
}

static void test_values_come_to_the_core(void **state)
{
	struct edge_evaluator list[2] = {evaluator_at(served.port, EVALUATOR_PAGE, "/metrics", 1),
					 evaluator_at(served.port, EVALUATOR_PAGE, "/metrics", 5)};
	struct edge_series series[6];
	struct edge_fact fact;
	int values[2] = {0}, evaluated[2] = {0};

	(void)state;
	make_series(series);
	list[1].first = 1;
	list[0].every_ms = list[1].every_ms = 60000;
	watch(list, 2, series, 6);
	while (!evaluated[0] || !evaluated[1]) {
		assert_int_equal(wait_for_fact(5000, &fact), 0);
		assert_int_equal(fact.round, ROUND);
		assert_in_range(fact.target, 0, 1);
		assert_int_equal(fact.up, 1);
		if (fact.kind == EDGE_FACT_EVALUATED) {
			evaluated[fact.target]++;
			continue;
		}
		assert_int_equal(fact.kind, EDGE_FACT_VALUES);
		assert_int_equal(fact.number, values[fact.target]);
		assert_false(evaluated[fact.target]);
		values[fact.target] += EDGE_VALUES;
		for (uint32_t i = 0; i < EDGE_VALUES; i++) {
			uint32_t at = list[fact.target].first + (uint32_t)fact.number + i;

			if ((uint32_t)fact.number + i >= list[fact.target].count)
				break;
			assert_true(at < 5 ? fact.values[i].value == 10 + at : isnan(fact.values[i].value));
			assert_int_equal(fact.values[i].samples, 1);
			assert_int_equal(fact.values[i].type, EXPOSITION_GAUGE);
		}
	}
	assert_int_equal(values[0], 4);
	assert_int_equal(values[1], 8);
	/* The next edge reads them again. */
	assert_int_equal(kill(edge_pid(edge), SIGKILL), 0);
	evaluated[0] = 0;
	while (!evaluated[0]) {
		assert_int_equal(wait_for_fact(5000, &fact), 0);
		evaluated[0] += fact.kind == EDGE_FACT_EVALUATED;
	}
}

/* Of a list that makes no sense nothing is done: the edge ends, and another one follows. */
static void test_lists_that_make_no_sense(void **state)
{
	const struct edge_evaluator good = evaluator_at(served.port, EVALUATOR_PAGE, "/metrics", 6);
	struct edge_series series[6], good_series[6];
	struct edge_fact fact;
	pid_t before;
	int error;

	(void)state;
	make_series(good_series);
	for (int i = 0; i < 9; i++) {
		struct edge_evaluator bad = good;

		memcpy(series, good_series, sizeof(series));
		wait_for_worker(0);
		before = edge_pid(edge);
		if (i == 0)
			bad.count = 7;
		else if (i == 1)
			bad.first = 1;
		else if (i == 2)
			bad.first = UINT32_MAX;
		else if (i == 3)
			bad.every_ms = 0;
		else if (i == 4)
			bad.protocol = EVALUATOR_PROTOCOLS;
		else if (i == 5)
			memset(bad.host, 'h', sizeof(bad.host));
		else if (i == 6)
			series[3].label_count = USHER_SERIES_LABELS_MAX + 1;
		else if (i == 7)
			memset(series[5].name, 'n', sizeof(series[5].name));
		else
			memset(series[2].labels[0].value, 'v', sizeof(series[2].labels[0].value));
		watch(&bad, 1, series, 6);
		wait_for_worker(before);
		/* The other one was handed the same, and does not live either. */
		watch(&good, 1, good_series, 6);
		do
			error = wait_for_fact(5000, &fact);
		while (!error && fact.kind != EDGE_FACT_EVALUATED);
		assert_int_equal(error, 0);
	}
}

/* The edge's end of the socket, as if it had been taken over: what makes no sense is not taken, whatever the order before it. */
static void test_facts_that_make_no_sense(void **state)
{
	const struct edge_fact good = {
		.round = ROUND,
		.up = 1,
		.kind = EDGE_FACT_VALUES,
		.number = 4,
		.values = {{.value = 1, .samples = 1}, {.value = NAN}, {.value = -1e300, .type = EXPOSITION_STATESET}}};
	struct edge_evaluator evaluator = evaluator_at(served.port, EVALUATOR_PAGE, "/metrics", 6);
	struct edge_series series[6];
	struct edge_fact fact;
	int handle, socket = -1;

	(void)state;
	make_series(series);
	evaluator.every_ms = 3600000;
	watch(&evaluator, 1, series, 6);
	do
		assert_int_equal(wait_for_fact(5000, &fact), 0);
	while (fact.kind != EDGE_FACT_EVALUATED);
	handle = (int)syscall(SYS_pidfd_open, edge_pid(edge), 0);
	assert_true(handle >= 0);
	for (int file = 3; file < 64 && socket < 0; file++) {
		int copy = (int)syscall(SYS_pidfd_getfd, handle, file, 0), kind = 0;
		socklen_t length = sizeof(kind);

		if (copy < 0)
			continue;
		if (!getsockopt(copy, SOL_SOCKET, SO_TYPE, &kind, &length) && kind == SOCK_SEQPACKET)
			socket = copy;
		else
			close(copy);
	}
	assert_true(socket >= 0);
	for (int i = 0; i < 14; i++) {
		fact = good;
		switch (i) {
		case 1:
			fact.number = 6;
			break;
		case 2:
			fact.number = -1;
			break;
		case 3:
			fact.target = 1;
			break;
		case 4:
			fact.target = UINT32_MAX;
			break;
		case 5:
			fact.values[3].value = INFINITY;
			break;
		case 6:
			fact.values[0].value = -INFINITY;
			break;
		case 7:
			fact.values[1].type = EXPOSITION_STATESET + 1;
			break;
		case 8:
			fact.up = 0;
			break;
		case 9:
			fact.up = 0;
			fact.cause = CAUSE_TIMEOUT;
			break;
		case 10:
			fact.kind = EDGE_FACT_EVALUATED;
			fact.cause = CAUSE_TIMEOUT;
			break;
		case 11:
			fact.kind = EDGE_FACT_EVALUATED;
			fact.target = 1;
			break;
		case 12:
			fact.kind = EDGE_FACT_EVALUATED;
			fact.up = 0;
			fact.cause = CAUSE_KINDS;
			break;
		default:
			break;
		}
		assert_int_equal(send(socket, &fact, sizeof(fact), MSG_NOSIGNAL), sizeof(fact));
		assert_int_equal(wait_for_fact(2000, &fact), i == 0 || i == 13 ? 0 : -EPROTO);
	}
	close(socket);
	close(handle);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_values_come_to_the_core, begin, end),
		cmocka_unit_test_setup_teardown(test_lists_that_make_no_sense, begin, end),
		cmocka_unit_test_setup_teardown(test_facts_that_make_no_sense, begin, end),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
