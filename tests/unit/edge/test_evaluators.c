// SPDX-License-Identifier: GPL-2.0-only
/* Evaluators that are good, bad and hostile, over real sockets: what is told of each, in which order, and why not. */
#include "edge/evaluators.h"

#include <errno.h>
#include <sys/epoll.h>

#include "base/array.h"
#include "base/clock.h"
#include "edge/exposition.h"
#include "evaluated.h"
#include "served.h"
#include "turns.h"

#define MOST 16
#define SERIES_MOST 64

static struct evaluators *evaluators;
static struct transfers *transfers;
static int epoll;

/* Of each evaluator. */
static struct told {
	int times, good;
	struct cause cause;
	uint32_t next; /* series whose value is told next */
	struct edge_value values[SERIES_MOST];
} told[MOST];
static uint32_t counts[MOST];
static int deaf_after; /* facts that are still taken; -1: all */

static bool report(void *context, const struct edge_fact *fact)
{
	struct told *of = &told[fact->target];

	(void)context;
	assert_true(fact->target < MOST);
	if (!deaf_after)
		return false;
	if (deaf_after > 0)
		deaf_after--;
	assert_int_equal(fact->up, fact->cause == CAUSE_NONE);
	if (fact->kind == EDGE_FACT_VALUES) {
		/* Every series once, in order. */
		assert_int_equal(fact->number, of->next);
		for (uint32_t i = 0; i < EDGE_VALUES && of->next < counts[fact->target]; i++)
			of->values[of->next++] = fact->values[i];
		return true;
	}
	assert_int_equal(fact->kind, EDGE_FACT_EVALUATED);
	assert_int_equal(of->next, fact->up ? counts[fact->target] : 0);
	of->next = 0;
	of->times++;
	of->good += (int)fact->up;
	of->cause = (struct cause){(enum cause_kind)fact->cause, fact->number};
	return true;
}

static int begin(void **state)
{
	struct epoll_event event = {.events = EPOLLIN};

	(void)state;
	memset(told, 0, sizeof(told));
	deaf_after = -1;
	epoll = epoll_create1(EPOLL_CLOEXEC);
	assert_int_equal(transfers_new(USHER_EVALUATORS_MAX, 0, EDGE_CA_FILE, &transfers), 0);
	assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, transfers_fd(transfers), &event), 0);
	return evaluators_new(transfers, report, NULL, &evaluators);
}

static int end(void **state)
{
	(void)state;
	evaluators_free(evaluators);
	transfers_free(transfers);
	close(epoll);
	return 0;
}

static void watch(const struct edge_evaluator *list, uint32_t count, const struct edge_series *series)
{
	for (uint32_t i = 0; i < count; i++) {
		counts[i] = list[i].count;
		told[i].next = 0;
	}
	assert_int_equal(evaluators_watch(evaluators, list, count, series, clock_monotonic()), 0);
}

static int64_t step(int64_t now)
{
	return evaluators_run(evaluators, now);
}

static void run(int milliseconds)
{
	run_turns(milliseconds, transfers, epoll, step);
}

/* ---- servers ------------------------------------------------------------------------------------------------------ */

#define HEAD(type) "HTTP/1.1 200 OK\r\nContent-Type: " type "\r\nConnection: close\r\n\r\n"
#define REPLY(rows) "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[" rows "]}}"

static void behave_page(struct peer *peer)
{
	peer_listen(peer);
	peer_say(peer, HEAD("text/plain; version=0.0.4"));
	for (int i = 0; i < 10; i++) {
		char line[64];

		snprintf(line, sizeof(line), "score{version=\"v%d\"} %d\nscore{version=\"v%d\",pod=\"1\"} 100\n", i, i,
			 i);
		peer_say(peer, line);
	}
}

static void behave_html(struct peer *peer)
{
	peer_listen(peer);
	peer_say(peer, HEAD("text/html") "<html>");
}

static void behave_broken(struct peer *peer)
{
	peer_listen(peer);
	peer_say(peer, HEAD("text/plain") "score 3\nscore 1 2 3\n");
}

static void behave_cut(struct peer *peer)
{
	peer_listen(peer);
	peer_say(peer, HEAD("application/openmetrics-text; version=1.0.0") "# TYPE score gauge\nscore 1\n");
}

static void behave_short(struct peer *peer)
{
	peer_listen(peer);
	peer_say(peer, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\nscore 1\n");
}

static void behave_endless(struct peer *peer)
{
	static const char line[] =
		"# nothing to see here, and so it goes on and on and on and on and on and on and on\n";

	peer_listen(peer);
	peer_say(peer, HEAD("text/plain"));
	while (peer_say(peer, line))
		;
}

static void behave_moved(struct peer *peer)
{
	peer_listen(peer);
	peer_say(peer, "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n");
}

static void behave_no_http(struct peer *peer)
{
	peer_listen(peer);
	peer_say(peer, "score 1\nscore 2\n");
}

static void behave_no_reply(struct peer *peer)
{
	peer_listen(peer);
	peer_say(peer, HEAD("application/json") "{\"status\":\"success\"}");
}

static void behave_wrong_query(struct peer *peer)
{
	peer_listen(peer);
	peer_say(peer, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n{\"status\":\"error\"}");
}

static void say_reply(struct peer *peer, const char *reply)
{
	char head[128];

	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
		 strlen(reply));
	peer_say(peer, head);
	peer_say(peer, reply);
}

/* Answers each query on one connection with what came before it. */
static void behave_prometheus(struct peer *peer)
{
	char reply[256];

	if (write(peer->said, "<new>", 5) < 0)
		_exit(1);
	for (int i = 1;; i++) {
		peer_listen(peer);
		snprintf(reply, sizeof(reply),
			 REPLY("{\"metric\":{\"le\":\"1\"},\"values\":[[1700000000,\"7\"],[1700000001.5,\"%d\"]]}"), i);
		say_reply(peer, reply);
	}
}

/* The second query goes wrong. */
static void behave_failing(struct peer *peer)
{
	peer_listen(peer);
	say_reply(peer, REPLY(""));
	peer_listen(peer);
	say_reply(peer, "{\"status\":\"error\",\"errorType\":\"timeout\"}");
}

/* Each reply only just in time. */
static void behave_dripping(struct peer *peer)
{
	for (;;) {
		peer_listen(peer);
		poll(NULL, 0, 200);
		say_reply(peer, REPLY(""));
	}
}

/* ---- tests -------------------------------------------------------------------------------------------------------- */

static void make_scores(struct edge_series *series, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char version[8];

		snprintf(version, sizeof(version), "v%zu", i);
		series[i] = SERIES("score", "version", version);
	}
}

static void assert_scores(const struct told *of, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		assert_true(i < 10 ? of->values[i].value == 100 + (double)i : isnan(of->values[i].value));
		assert_int_equal(of->values[i].samples, i < 10 ? 2 : 0);
	}
}

static void test_a_page_is_read(void **state)
{
	struct served served = served_begin(behave_page, NULL);
	struct edge_evaluator list[2] = {evaluator_at(served.port, EVALUATOR_PAGE, "/metrics", 3),
					 evaluator_at(served.port, EVALUATOR_PAGE, "/metrics", 11)};
	struct edge_series series[14];

	(void)state;
	make_scores(series, 3);
	make_scores(series + 3, 11);
	list[1].first = 3;
	watch(list, 2, series);
	run(450);
	for (size_t i = 0; i < 2; i++) {
		assert_in_range(told[i].times, 3, 6);
		assert_int_equal(told[i].good, told[i].times);
		assert_scores(&told[i], list[i].count);
	}
	served_end(&served);
}

static void test_why_one_cannot_be_read(void **state)
{
	static const struct {
		void (*behave)(struct peer *peer);
		enum evaluator_protocol protocol;
		struct cause cause;
	} cases[] = {
		{behave_html, EVALUATOR_PAGE, {CAUSE_TYPE, 0}},
		{behave_broken, EVALUATOR_PAGE, {CAUSE_PAGE, 2}},
		{behave_cut, EVALUATOR_PAGE, {CAUSE_PAGE, 3}},
		{behave_short, EVALUATOR_PAGE, {CAUSE_CLOSED, 0}},
		{behave_endless, EVALUATOR_PAGE, {CAUSE_BODY, EXPOSITION_PAGE_MAX}},
		{behave_moved, EVALUATOR_PAGE, {CAUSE_STATUS, 302}},
		{behave_busy, EVALUATOR_PAGE, {CAUSE_STATUS, 503}},
		{behave_hanging, EVALUATOR_PAGE, {CAUSE_TIMEOUT, 300}},
		{behave_no_reply, EVALUATOR_PROMETHEUS, {CAUSE_REPLY, 0}},
		{behave_page, EVALUATOR_PROMETHEUS, {CAUSE_REPLY, 0}},
		{behave_wrong_query, EVALUATOR_PROMETHEUS, {CAUSE_STATUS, 400}},
		{behave_moved, EVALUATOR_PROMETHEUS, {CAUSE_STATUS, 302}},
		{behave_endless, EVALUATOR_PROMETHEUS, {CAUSE_BODY, 4 << 20}},
		{behave_hanging, EVALUATOR_PROMETHEUS, {CAUSE_TIMEOUT, 300}},
		{behave_failing, EVALUATOR_PROMETHEUS, {CAUSE_REPLY, 0}},
	};
	struct edge_evaluator list[ARRAY_COUNT(cases) + 1];
	struct served served[ARRAY_COUNT(cases) + 1];
	struct edge_series series[2];

	(void)state;
	assert_true(ARRAY_COUNT(list) <= MOST);
	make_scores(series, 2);
	for (size_t i = 0; i < ARRAY_COUNT(list); i++) {
		bool known = i < ARRAY_COUNT(cases);

		served[i] = served_begin(known ? cases[i].behave : behave_no_http, NULL);
		list[i] = evaluator_at(served[i].port, known ? cases[i].protocol : EVALUATOR_PAGE, "", 2);
		if (known && cases[i].behave == behave_endless)
			list[i].timeout_ms = 5000;
		strcpy(list[i].path, list[i].protocol == EVALUATOR_PAGE ? "/metrics" : "");
	}
	watch(list, ARRAY_COUNT(list), series);
	for (size_t i = 0, tries = 0; i < ARRAY_COUNT(list) && tries < 80; tries++) {
		run(100);
		while (i < ARRAY_COUNT(list) && told[i].times)
			i++;
	}
	for (size_t i = 0; i < ARRAY_COUNT(list); i++) {
		assert_true(told[i].times);
		assert_int_equal(told[i].good, 0);
		if (i < ARRAY_COUNT(cases)) {
			assert_int_equal(told[i].cause.kind, cases[i].cause.kind);
			assert_int_equal(told[i].cause.number, cases[i].cause.number);
		} else {
			assert_int_equal(told[i].cause.kind, CAUSE_GARBAGE);
		}
		served_end(&served[i]);
	}
}

static void test_a_prometheus_is_asked_query_after_query(void **state)
{
	struct served served = served_begin(behave_prometheus, NULL);
	struct edge_evaluator evaluator = evaluator_at(served.port, EVALUATOR_PROMETHEUS, "/prom", 4);
	const struct edge_series series[] = {SERIES("a", "m", "x y"), BUCKET("t_bucket", 1), BUCKET("t_bucket", 2),
					     SERIES("b")};
	char asked[65536] = "";
	const char *at = asked;
	static const char *const wanted[] = {
		"<new>GET /prom/api/v1/query?query=a%7Bm%3D%22x%20y%22%7D%5B60s%5D HTTP/1.1\r\n",
		"GET /prom/api/v1/query?query=t_bucket%7B%7D%5B60s%5D HTTP/1.1\r\n",
		"GET /prom/api/v1/query?query=b%7B%7D%5B60s%5D HTTP/1.1\r\n"};

	(void)state;
	evaluator.every_ms = 60000;
	watch(&evaluator, 1, series);
	run(300);
	assert_int_equal(told[0].good, 1);
	assert_true(told[0].values[0].value == 1);
	assert_true(told[0].values[1].value == 2);
	assert_true(isnan(told[0].values[2].value));
	assert_true(told[0].values[3].value == 3);
	assert_int_equal(told[0].values[0].type, EXPOSITION_UNKNOWN);
	assert_int_equal(told[0].values[0].age_ms, UINT32_MAX); /* of 2023 */
	assert_true(read(served.said, asked, sizeof(asked) - 1) > 0);
	for (size_t i = 0; i < ARRAY_COUNT(wanted); i++) {
		at = strstr(at, wanted[i]);
		assert_non_null(at);
		at++;
	}
	assert_null(strstr(at, "<new>"));
	assert_null(strstr(at, "GET"));
	served_end(&served);
}

/* What is dripped is stale before it is complete, and the round ends. */
static void test_a_round_has_an_end(void **state)
{
	struct served served = served_begin(behave_dripping, NULL);
	struct edge_evaluator evaluator = evaluator_at(served.port, EVALUATOR_PROMETHEUS, "", 60);
	struct edge_series series[60];

	(void)state;
	make_scores(series, 60);
	evaluator.stale_after_ms = 1000;
	watch(&evaluator, 1, series);
	run(1700);
	assert_int_equal(told[0].times, 1);
	assert_int_equal(told[0].cause.kind, CAUSE_TIMEOUT);
	assert_int_equal(told[0].cause.number, 1000);
	served_end(&served);
}

/* The first of its list hangs, and so do most: the others are asked in time. */
static void test_hanging_ones_keep_nobody(void **state)
{
	struct served hanging = served_begin(behave_hanging, NULL), good = served_begin(behave_page, NULL);
	struct edge_evaluator list[MOST];
	struct edge_series series[10];

	(void)state;
	make_scores(series, 10);
	for (size_t i = 0; i < MOST; i++) {
		list[i] = evaluator_at(i % 8 == 7 ? good.port : hanging.port, (enum evaluator_protocol)(i % 2 == 0), "",
				       10);
		if (list[i].protocol == EVALUATOR_PAGE)
			strcpy(list[i].path, "/metrics");
		list[i].timeout_ms = 5000;
	}
	watch(list, MOST, series);
	run(1000);
	for (size_t i = 0; i < MOST; i++)
		assert_true(i % 8 == 7 ? told[i].good >= 6 : !told[i].times);
	served_end(&hanging);
	served_end(&good);
}

/* A core that takes a fact now and then hears all of one round, in order, and its end. */
static void test_a_slow_core_hears_everything(void **state)
{
	struct served served = served_begin(behave_page, NULL);
	struct edge_evaluator evaluator = evaluator_at(served.port, EVALUATOR_PAGE, "/metrics", SERIES_MOST);
	struct edge_series series[SERIES_MOST];

	(void)state;
	make_scores(series, SERIES_MOST);
	deaf_after = 0;
	watch(&evaluator, 1, series);
	run(500);
	for (int i = 0; i < 17; i++) {
		assert_int_equal(told[0].times, 0);
		deaf_after = 1;
		run(40);
		assert_int_equal(deaf_after, 0);
	}
	assert_int_equal(told[0].good, 1);
	assert_scores(&told[0], SERIES_MOST);
	/* It was measured when it was read, not when it was told. */
	assert_true(told[0].values[SERIES_MOST - 1].age_ms >= 800);
	deaf_after = -1;
	run(250);
	assert_true(told[0].good >= 2);
	assert_true(told[0].values[0].age_ms < 200);
	served_end(&served);
}

/* A new list: what is known is told again with its age, under the new number; one that is asked for something else begins anew. */
static void test_lists_follow_each_other(void **state)
{
	struct served served = served_begin(behave_page, NULL), hanging = served_begin(behave_hanging, NULL);
	struct edge_evaluator list[2] = {evaluator_at(served.port, EVALUATOR_PAGE, "/metrics", 5),
					 evaluator_at(hanging.port, EVALUATOR_PAGE, "/metrics", 5)};
	struct edge_series series[11], other[5];
	char asked[65536] = "";
	int requests = 0;

	(void)state;
	make_scores(series, 11);
	list[0].every_ms = list[1].every_ms = 60000;
	list[1].timeout_ms = 800;
	watch(list, 2, series);
	run(200);
	assert_int_equal(told[0].good, 1);
	assert_int_equal(told[1].times, 0);
	watch((struct edge_evaluator[]){list[1], list[0]}, 2, series);
	run(50);
	assert_int_equal(told[1].good, 1);
	assert_in_range(told[1].values[0].age_ms, 100, 1000);
	assert_scores(&told[1], 5);
	/* The request that was under way ends under its new number. */
	run(800);
	assert_int_equal(told[0].times, 2);
	assert_int_equal(told[0].cause.kind, CAUSE_TIMEOUT);
	/* The same series at another place of the list are the same. */
	memcpy(other, series, sizeof(other));
	memcpy(series + 6, other, sizeof(other));
	list[0].first = 6;
	watch(list, 1, series);
	run(100);
	assert_int_equal(told[0].good, 2);
	assert_true(read(served.said, asked, sizeof(asked) - 1) > 0);
	for (const char *at = asked; (at = strstr(at, "GET /metrics")); at++)
		requests++;
	assert_int_equal(requests, 1);
	strcpy(series[10].labels[0].value, "v7");
	watch(list, 1, series);
	run(200);
	assert_int_equal(told[0].good, 3);
	assert_true(told[0].values[4].value == 107);
	watch(NULL, 0, NULL);
	run(50);
	served_end(&served);
	served_end(&hanging);
}

/* What nobody wants anything of is not asked. */
static void test_nothing_wanted_is_nothing_asked(void **state)
{
	struct served served = served_begin(behave_page, NULL);
	struct edge_evaluator evaluator = evaluator_at(served.port, EVALUATOR_PAGE, "/metrics", 0);
	char asked[64];

	(void)state;
	watch(&evaluator, 1, NULL);
	run(250);
	assert_int_equal(told[0].times, 0);
	assert_true(read(served.said, asked, sizeof(asked)) < 0);
	served_end(&served);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_page_is_read, begin, end),
		cmocka_unit_test_setup_teardown(test_why_one_cannot_be_read, begin, end),
		cmocka_unit_test_setup_teardown(test_a_prometheus_is_asked_query_after_query, begin, end),
		cmocka_unit_test_setup_teardown(test_a_round_has_an_end, begin, end),
		cmocka_unit_test_setup_teardown(test_hanging_ones_keep_nobody, begin, end),
		cmocka_unit_test_setup_teardown(test_a_slow_core_hears_everything, begin, end),
		cmocka_unit_test_setup_teardown(test_lists_follow_each_other, begin, end),
		cmocka_unit_test_setup_teardown(test_nothing_wanted_is_nothing_asked, begin, end),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
