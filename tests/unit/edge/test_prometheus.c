// SPDX-License-Identifier: GPL-2.0-only
/* Debian's Prometheus server, asked as an evaluator. It scrapes a page of the test's own each second. */
#include "edge/evaluators.h"

#include <errno.h>
#include <ftw.h>
#include <sys/epoll.h>

#include "base/array.h"
#include "base/clock.h"
#include "evaluated.h"
#include "served.h"
#include "turns.h"

#define PROGRAM "/usr/bin/prometheus"
#define WAIT_MS 60000 /* for what takes a second or two on an idle machine */
#define STALE_MS 6000

enum { SCORE, STRANGE, HALF, ALL, NO_NUMBER, MISSING, WANTED };

static struct evaluators *evaluators;
static struct transfers *transfers;
static int epoll;
static int times, next;
static struct cause cause;
static struct edge_value values[WANTED + EDGE_VALUES], complete[WANTED];

static bool report(void *context, const struct edge_fact *fact)
{
	(void)context;
	if (fact->kind == EDGE_FACT_VALUES) {
		assert_int_equal(fact->number, next);
		memcpy(&values[next], fact->values, sizeof(fact->values));
		next += EDGE_VALUES;
		return true;
	}
	if (fact->up)
		memcpy(complete, values, sizeof(complete));
	next = 0;
	times++;
	cause = (struct cause){(enum cause_kind)fact->cause, fact->number};
	return true;
}

static int64_t step(int64_t now)
{
	return evaluators_run(evaluators, now);
}

static void run(int milliseconds)
{
	run_turns(milliseconds, transfers, epoll, step);
}

static void behave_page(struct peer *peer)
{
	static const char page[] =
		"# TYPE score gauge\nscore{version=\"v2\",pod=\"0\"} 41.5\nscore{version=\"v2\",pod=\"1\"} 1\n"
		"score{version=\"v3\"} 7\nscore{version=\"a \\\"b\\\"\\\\\\n+&{}\xc3\xa9\"} 3\n"
		"# TYPE t histogram\nt_bucket{le=\"0.5\"} 4\nt_bucket{le=\"+Inf\"} 9\nt_sum 1\nt_count 9\n"
		"bad NaN\n";
	char head[128];

	for (;;) {
		peer_listen(peer);
		snprintf(head, sizeof(head),
			 "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: %zu\r\n\r\n",
			 strlen(page));
		peer_say(peer, head);
		peer_say(peer, page);
	}
}

/* ---- the server --------------------------------------------------------------------------------------------------- */

struct server {
	char folder[64];
	pid_t process;
	uint16_t port;
};

static uint16_t free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
	close(listener);
	return ntohs(address.sin_port);
}

static struct server server_begin(uint16_t page)
{
	struct server server = {.folder = "/tmp/usher-test-prometheus-XXXXXX", .port = free_port()};
	char file[96], config[128], data[128], listen[96];
	FILE *to;

	assert_non_null(mkdtemp(server.folder));
	snprintf(file, sizeof(file), "%s/config.yml", server.folder);
	snprintf(config, sizeof(config), "--config.file=%s", file);
	snprintf(data, sizeof(data), "--storage.tsdb.path=%s/data", server.folder);
	snprintf(listen, sizeof(listen), "--web.listen-address=127.0.0.1:%u", server.port);
	to = fopen(file, "w");
	assert_non_null(to);
	fprintf(to,
		"global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
		"scrape_configs: [{job_name: page, static_configs: [{targets: ['127.0.0.1:%u']}]}]\n",
		page);
	fclose(to);
	server.process = fork();
	if (!server.process) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(PROGRAM, PROGRAM, config, data, listen, "--web.route-prefix=/prom", "--log.level=error", NULL);
		_exit(127);
	}
	return server;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *at)
{
	(void)status;
	(void)kind;
	(void)at;
	return remove(path);
}

static void server_end(struct server *server)
{
	kill(server->process, SIGKILL);
	waitpid(server->process, NULL, 0);
	nftw(server->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- the test ----------------------------------------------------------------------------------------------------- */

static void wait_until(bool (*holds)(void))
{
	for (int waited = 0; waited < WAIT_MS; waited += 50) {
		if (holds())
			return;
		run(50);
	}
	fail_msg("not within %d ms; %d readings, the last one %s", WAIT_MS, times, cause_words[cause.kind]);
}

static bool has_score(void)
{
	return times && cause.kind == CAUSE_NONE && !isnan(complete[SCORE].value);
}

static bool has_aged(void)
{
	return complete[SCORE].age_ms >= 3000 && !isnan(complete[SCORE].value);
}

static bool has_no_score(void)
{
	return cause.kind == CAUSE_NONE && isnan(complete[SCORE].value);
}

static bool is_refused(void)
{
	return cause.kind == CAUSE_REFUSED;
}

static bool is_missing(void)
{
	return cause.kind == CAUSE_STATUS && cause.number == 404;
}

static void test_a_prometheus_server_is_read(void **state)
{
	const struct edge_series series[WANTED] = {
		[SCORE] = SERIES("score", "version", "v2"),
		[STRANGE] = SERIES("score", "version", "a \"b\"\\\n+&{}\xc3\xa9", "job", "page"),
		[HALF] = BUCKET("t_bucket", 0.5),
		[ALL] = BUCKET("t_bucket", INFINITY),
		[NO_NUMBER] = SERIES("bad"),
		[MISSING] = SERIES("score", "version", "v4"),
	};
	struct served page = served_begin(behave_page, NULL);
	struct server server = server_begin(page.port);
	struct edge_evaluator evaluator = evaluator_at(server.port, EVALUATOR_PROMETHEUS, "/prom", WANTED);

	(void)state;
	evaluator.every_ms = 200;
	evaluator.timeout_ms = 5000;
	evaluator.stale_after_ms = STALE_MS;
	assert_int_equal(evaluators_watch(evaluators, &evaluator, 1, series, clock_monotonic()), 0);
	wait_until(has_score);
	run(500); /* a reading that was under way when the first page came in may have some of it */
	assert_true(complete[SCORE].value == 42.5);
	assert_int_equal(complete[SCORE].samples, 2);
	assert_true(complete[SCORE].age_ms < STALE_MS);
	assert_true(complete[STRANGE].value == 3);
	assert_true(complete[HALF].value == 4);
	assert_true(complete[ALL].value == 9);
	assert_true(isnan(complete[NO_NUMBER].value));
	assert_int_equal(complete[NO_NUMBER].samples, 1);
	assert_true(isnan(complete[MISSING].value));
	assert_int_equal(complete[MISSING].samples, 0);
	/* Nobody measures any more: what was measured ages, and is missing at last, though the server replies. */
	served_end(&page);
	wait_until(has_aged);
	wait_until(has_no_score);
	strcpy(evaluator.path, "/other");
	assert_int_equal(evaluators_watch(evaluators, &evaluator, 1, series, clock_monotonic()), 0);
	wait_until(is_missing);
	server_end(&server);
	wait_until(is_refused);
}

static int begin(void **state)
{
	struct epoll_event event = {.events = EPOLLIN};

	(void)state;
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_prometheus_server_is_read, begin, end),
	};

	if (access(PROGRAM, X_OK)) {
		printf("1..1\nok 1 - test_a_prometheus_server_is_read # SKIP no " PROGRAM " (package prometheus)\n");
		return 0;
	}
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
