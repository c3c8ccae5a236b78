// SPDX-License-Identifier: GPL-2.0-only
/* Metrics of backends, fetched from servers that are good, bad and hostile: what is known of each, why not, and that none keeps the others. */
#include "edge/scrape.h"

#include <errno.h>
#include <math.h>
#include <sys/epoll.h>

#include "base/address.h"
#include "base/array.h"
#include "base/clock.h"
#include "edge/load.h"
#include "served.h"
#include "turns.h"

#define SOURCES_MAX 128

static struct scrapes *scrapes;
static struct transfers *transfers;
static int epoll;

/* What was told last of each source, and how often. */
static struct told {
	int times, good;
	struct cause cause;
	struct edge_load load;
	struct edge_identity identity;
} told[SOURCES_MAX];
static bool deaf; /* the core takes nothing */

static bool report(void *context, uint32_t source, enum edge_source_kind kind, struct cause cause,
		   const struct scrape_result *result)
{
	(void)context;
	assert_true(source < SOURCES_MAX);
	if (deaf)
		return false;
	told[source].times++;
	told[source].cause = cause;
	if (kind == EDGE_SOURCE_LOAD)
		told[source].load = result->load;
	else
		told[source].identity = result->identity;
	told[source].good += cause.kind == CAUSE_NONE;
	return true;
}

static int begin(void **state)
{
	struct epoll_event event = {.events = EPOLLIN};

	(void)state;
	memset(told, 0, sizeof(told));
	deaf = false;
	epoll = epoll_create1(EPOLL_CLOEXEC);
	assert_int_equal(transfers_new(SCRAPES_OPEN_MAX, SOURCES_MAX, EDGE_CA_FILE, &transfers), 0);
	assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, transfers_fd(transfers), &event), 0);
	return scrapes_new(transfers, report, NULL, &scrapes);
}

static int end(void **state)
{
	(void)state;
	scrapes_free(scrapes);
	transfers_free(transfers);
	close(epoll);
	return 0;
}

static struct edge_source source_at(uint16_t port)
{
	struct edge_source source;

	memset(&source, 0, sizeof(source));
	source.port = port;
	source.server = LOAD_VLLM;
	source.every_ms = 100;
	source.timeout_ms = 300;
	strcpy(source.path, "/metrics");
	assert_int_equal(address_parse("127.0.0.1", &source.address), 0);
	return source;
}

static void watch(const struct edge_source *sources, uint32_t count)
{
	assert_int_equal(scrapes_watch(scrapes, sources, count, clock_monotonic()), 0);
}

static int64_t step(int64_t now)
{
	return scrapes_run(scrapes, now);
}

static void run(int milliseconds)
{
	run_turns(milliseconds, transfers, epoll, step);
}

/* ---- servers ------------------------------------------------------------------------------------------------------ */

#define HEAD(type) "HTTP/1.1 200 OK\r\nContent-Type: " type "\r\nConnection: close\r\n\r\n"
#define PAGE                                                                                                           \
	"# TYPE vllm:num_requests_waiting gauge\nvllm:num_requests_waiting 3\n"                                        \
	"# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{engine=\"0\"} 4\n"                          \
	"vllm:num_requests_running{engine=\"1\"} 5\n"                                                                  \
	"# TYPE vllm:kv_cache_usage_perc gauge\nvllm:kv_cache_usage_perc 0.25\nprocess_start_time_seconds "            \
	"1700000000\n"

static void behave_vllm(struct peer *peer)
{
	peer_listen(peer);
	peer_say(peer, HEAD("text/plain; version=0.0.4") PAGE);
}

/* One connection for many pages. */
static void behave_keeping(struct peer *peer)
{
	char head[128];

	if (write(peer->said, "<new>", 5) < 0)
		_exit(1);
	for (;;) {
		peer_listen(peer);
		snprintf(head, sizeof(head),
			 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n", strlen(PAGE));
		peer_say(peer, head);
		peer_say(peer, PAGE);
	}
}

static void behave_drifted(struct peer *peer)
{
	peer_listen(peer);
	peer_say(peer, HEAD("text/plain") "vllm_num_requests_waiting 1\n# TYPE vllm:num_requests_running counter\n"
					  "vllm:num_requests_running 7\nvllm:kv_cache_usage_perc 25\n");
}

static void behave_html(struct peer *peer)
{
	peer_listen(peer);
	peer_say(peer, HEAD("text/html") "<html>");
}

static void behave_broken(struct peer *peer)
{
	peer_listen(peer);
	peer_say(peer, HEAD("text/plain") "vllm:num_requests_waiting 3\nvllm:num_requests_running 1 2 3\n");
}

/* By OpenMetrics, whose end must be there. */
static void behave_cut(struct peer *peer)
{
	peer_listen(peer);
	peer_say(peer, HEAD("application/openmetrics-text; version=1.0.0") "# TYPE a gauge\na 1\n");
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

/* ---- tests -------------------------------------------------------------------------------------------------------- */

static void test_a_page_is_read(void **state)
{
	struct served served = served_begin(behave_vllm, NULL);
	struct edge_source source = source_at(served.port);

	(void)state;
	watch(&source, 1);
	run(450);
	assert_in_range(told[0].times, 3, 6);
	assert_int_equal(told[0].good, told[0].times);
	assert_true(told[0].load.figures[TELEMETRY_WAITING] == 3);
	assert_true(told[0].load.figures[TELEMETRY_RUNNING] == 9);
	assert_true(told[0].load.figures[TELEMETRY_USE] == 0.25);
	assert_true(told[0].load.figures[TELEMETRY_START_TIME] == 1700000000);
	assert_int_equal(told[0].load.server, LOAD_VLLM);
	assert_int_equal(told[0].load.finding_count, 0);
	served_end(&served);
}

static void test_presets_and_names_of_ones_own(void **state)
{
	struct served served = served_begin(behave_vllm, NULL);
	struct edge_source sources[3];

	(void)state;
	for (size_t i = 0; i < 3; i++)
		sources[i] = source_at(served.port);
	sources[0].server = LOAD_AUTO;
	sources[1].server = LOAD_OWN;
	strcpy(sources[1].running, "vllm:num_requests_waiting");
	strcpy(sources[1].waiting, "no_such_series");
	sources[2].server = LOAD_TGI;
	watch(sources, 3);
	run(250);
	assert_int_equal(told[0].load.server, LOAD_VLLM);
	assert_true(told[0].load.figures[TELEMETRY_RUNNING] == 9);
	assert_true(told[1].load.figures[TELEMETRY_RUNNING] == 3);
	assert_true(isnan(told[1].load.figures[TELEMETRY_WAITING]));
	assert_int_equal(told[1].load.finding_count, 1);
	assert_int_equal(told[1].load.findings[0].code, TELEMETRY_MISSING);
	assert_string_equal(load_series(&(struct load_source){.server = LOAD_OWN, .waiting = "no_such_series"},
					LOAD_OWN, told[1].load.findings[0].series),
			    "no_such_series");
	/* Another server's page says nothing, and that is no idleness. */
	assert_true(isnan(told[2].load.figures[TELEMETRY_WAITING]));
	assert_int_equal(told[2].load.finding_count, 2);
	assert_string_equal(
		load_series(&(struct load_source){.server = LOAD_TGI}, LOAD_TGI, told[2].load.findings[0].series),
		"tgi_queue_size");
	served_end(&served);
}

static void test_traps_are_found(void **state)
{
	static const struct {
		const char *word, *series;
	} wanted[] = {{"drifted", "vllm_num_requests_waiting"},
		      {"not-a-gauge", "vllm:num_requests_running"},
		      {"percentage", "vllm:kv_cache_usage_perc"}};
	struct served served = served_begin(behave_drifted, NULL);
	struct edge_source source = source_at(served.port);
	const struct load_source vllm = {.server = LOAD_VLLM};

	(void)state;
	watch(&source, 1);
	for (int i = 0; i < 40 && !told[0].good; i++)
		run(50);
	assert_true(told[0].load.figures[TELEMETRY_WAITING] == 1);
	assert_true(isnan(told[0].load.figures[TELEMETRY_RUNNING]));
	assert_true(isnan(told[0].load.figures[TELEMETRY_USE]));
	for (size_t i = 0; i < ARRAY_COUNT(wanted); i++) {
		bool found = false;

		for (size_t f = 0; f < told[0].load.finding_count; f++)
			found |= !strcmp(load_finding_word(told[0].load.findings[f].code), wanted[i].word) &&
				 !strcmp(load_series(&vllm, LOAD_VLLM, told[0].load.findings[f].series),
					 wanted[i].series);
		assert_true(found);
	}
	served_end(&served);
}

static void test_why_a_page_cannot_be_read(void **state)
{
	static const struct {
		void (*behave)(struct peer *peer);
		struct cause cause;
	} cases[] = {{behave_html, {CAUSE_TYPE, 0}},	    {behave_broken, {CAUSE_PAGE, 2}},
		     {behave_cut, {CAUSE_PAGE, 3}},	    {behave_endless, {CAUSE_BODY, EXPOSITION_PAGE_MAX}},
		     {behave_moved, {CAUSE_STATUS, 302}},   {behave_busy, {CAUSE_STATUS, 503}},
		     {behave_hanging, {CAUSE_TIMEOUT, 300}}};
	struct edge_source sources[ARRAY_COUNT(cases)];
	struct served served[ARRAY_COUNT(cases)];

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		served[i] = served_begin(cases[i].behave, NULL);
		sources[i] = source_at(served[i].port);
		if (cases[i].behave == behave_endless)
			sources[i].timeout_ms = 3000;
	}
	watch(sources, ARRAY_COUNT(cases));
	for (size_t i = 0, tries = 0; i < ARRAY_COUNT(cases) && tries < 80; tries++) {
		run(100);
		while (i < ARRAY_COUNT(cases) && told[i].times)
			i++;
	}
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		assert_true(told[i].times);
		assert_int_equal(told[i].good, 0);
		assert_int_equal(told[i].cause.kind, cases[i].cause.kind);
		assert_int_equal(told[i].cause.number, cases[i].cause.number);
		served_end(&served[i]);
	}
}

/* However many hang, those that answer are asked in time. */
static void test_hanging_ones_keep_nobody(void **state)
{
	struct served hanging = served_begin(behave_hanging, NULL), good = served_begin(behave_vllm, NULL);
	struct edge_source sources[SOURCES_MAX];

	(void)state;
	for (size_t i = 0; i < SOURCES_MAX; i++) {
		sources[i] = source_at(i % 8 ? hanging.port : good.port);
		sources[i].timeout_ms = 1500;
		sources[i].path[8] = (char)('a' + i % 26);
		sources[i].path[9] = (char)('a' + i / 26);
	}
	watch(sources, SOURCES_MAX);
	run(3500); /* all have been asked, and 112 have not answered */
	memset(told, 0, sizeof(told));
	run(1000);
	for (size_t i = 0; i < SOURCES_MAX; i += 8)
		assert_true(told[i].good >= 5);
	served_end(&hanging);
	served_end(&good);
}

static void test_a_connection_is_kept(void **state)
{
	struct served served = served_begin(behave_keeping, NULL);
	struct edge_source source = source_at(served.port);
	char asked[65536] = "";
	int requests = 0, connections = 0;

	(void)state;
	watch(&source, 1);
	run(550);
	assert_true(told[0].good >= 3);
	assert_true(read(served.said, asked, sizeof(asked) - 1) > 0);
	for (const char *at = asked; (at = strstr(at, "GET /metrics")); at++)
		requests++;
	for (const char *at = asked; (at = strstr(at, "<new>")); at++)
		connections++;
	assert_true(requests >= 3);
	assert_int_equal(connections, 1);
	assert_null(strstr(asked, "Accept-Encoding"));
	served_end(&served);
}

/* Who is asked once an hour is known within seconds of being named. */
static void test_newcomers_do_not_wait_for_their_interval(void **state)
{
	struct served served = served_begin(behave_keeping, NULL);
	struct edge_source sources[2];

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(sources); i++) {
		sources[i] = source_at(served.port);
		sources[i].every_ms = 3600000;
		snprintf(sources[i].host, sizeof(sources[i].host), "scorer-%zu.example.com", i);
	}
	watch(sources, 2);
	run(3500);
	assert_int_equal(told[0].good, 1);
	assert_int_equal(told[1].good, 1);
	served_end(&served);
}

/* Each of more than are ever asked at a time has its own, and it stays. */
static void test_many_connections_are_kept(void **state)
{
	struct served served = served_begin(behave_keeping, NULL);
	struct edge_source sources[SOURCES_MAX];
	char asked[65536];
	int connections = 0;
	ssize_t got;

	(void)state;
	for (size_t i = 0; i < SOURCES_MAX; i++) {
		sources[i] = source_at(served.port);
		sources[i].every_ms = 500;
		sources[i].timeout_ms = 10000; /* one that is given up is a connection less */
		snprintf(sources[i].host, sizeof(sources[i].host), "scorer-%zu.example.com", i);
	}
	watch(sources, SOURCES_MAX);
	run(3000);
	for (size_t i = 0; i < SOURCES_MAX; i++)
		assert_true(told[i].good >= 2);
	while ((got = read(served.said, asked, sizeof(asked) - 1)) > 0) {
		asked[got] = '\0';
		for (const char *at = asked; (at = strstr(at, "<new>")); at++)
			connections++;
	}
	assert_int_equal(connections, SOURCES_MAX);
	served_end(&served);
}

/* A new list: what is known is told again with its age, under the new number; and what was not taken is told later. */
static void test_lists_follow_each_other(void **state)
{
	struct served served = served_begin(behave_vllm, NULL);
	struct edge_source sources[2] = {source_at(served.port), source_at(served.port)};

	(void)state;
	sources[0].every_ms = sources[1].every_ms = 60000;
	strcpy(sources[1].path, "/other");
	watch(sources, 1);
	run(200);
	assert_int_equal(told[0].times, 1);
	watch((struct edge_source[]){sources[1], sources[0]}, 2);
	run(50);
	assert_int_equal(told[1].times, 1);
	assert_in_range(told[1].load.age_ms, 100, 1000);
	assert_true(told[1].load.figures[TELEMETRY_WAITING] == 3);
	deaf = true;
	watch(sources, 1);
	run(150);
	deaf = false;
	run(150);
	assert_int_equal(told[0].cause.kind, CAUSE_NONE);
	assert_true(told[0].load.age_ms >= 200);
	served_end(&served);
}

static void test_every_preset_has_its_series(void **state)
{
	size_t count = 0;

	(void)state;
	for (size_t i = LOAD_OWN + 1; i < LOAD_SERVERS_COUNT; i++)
		assert_non_null(telemetry_preset(load_server_words[i]));
	while (telemetry_preset_at(count))
		count++;
	assert_int_equal(count, LOAD_SERVERS_COUNT - LOAD_OWN - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_page_is_read, begin, end),
		cmocka_unit_test_setup_teardown(test_presets_and_names_of_ones_own, begin, end),
		cmocka_unit_test_setup_teardown(test_traps_are_found, begin, end),
		cmocka_unit_test_setup_teardown(test_why_a_page_cannot_be_read, begin, end),
		cmocka_unit_test_setup_teardown(test_hanging_ones_keep_nobody, begin, end),
		cmocka_unit_test_setup_teardown(test_a_connection_is_kept, begin, end),
		cmocka_unit_test_setup_teardown(test_many_connections_are_kept, begin, end),
		cmocka_unit_test_setup_teardown(test_newcomers_do_not_wait_for_their_interval, begin, end),
		cmocka_unit_test_setup_teardown(test_lists_follow_each_other, begin, end),
		cmocka_unit_test(test_every_preset_has_its_series),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
