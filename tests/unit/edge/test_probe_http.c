/* SPDX-License-Identifier: GPL-2.0-only */
/* Probes by HTTP and HTTPS, of servers that are good, bad and hostile: which verdict, for which cause, and at what cost. */
/* Runs alone: it looks at how long that takes. */
#include "edge/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "base/address.h"
#include "base/array.h"
#include "base/clock.h"
#include "served.h"

static struct probes *probes;
static struct transfers *transfers;
static struct identity known; /* whom usher trusts */
static char ca_file[64];
static int epoll, reports;
static uint32_t last_target;
static struct cause last;

#define NAME "scorer.example.com"

static bool report(void *context, uint32_t target, struct cause cause)
{
	(void)context;
	reports++;
	last_target = target;
	last = cause;
	return true;
}

static int begin_all(void **state)
{
	(void)state;
	/* What an environment may say, and nobody wants here. */
	setenv("http_proxy", "http://127.0.0.1:9", 1);
	setenv("https_proxy", "http://127.0.0.1:9", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:9", 1);
	known = identity_make("DNS:" NAME ",IP:127.0.0.1", 100);
	identities_save(&known, 1, ca_file);
	return 0;
}

static int end_all(void **state)
{
	(void)state;
	unlink(ca_file);
	identity_free(&known);
	return 0;
}

static int begin(void **state)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = UINT64_MAX};

	(void)state;
	reports = 0;
	epoll = epoll_create1(EPOLL_CLOEXEC);
	assert_int_equal(transfers_new(PROBES_OPEN_MAX, 0, ca_file, &transfers), 0);
	assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, transfers_fd(transfers), &event), 0);
	return probes_new(epoll, transfers, report, NULL, &probes);
}

static int end(void **state)
{
	(void)state;
	probes_free(probes);
	transfers_free(transfers);
	close(epoll);
	return 0;
}

static struct edge_target target_at(uint16_t port)
{
	struct edge_target target = {.port = port,
				     .probe = HEALTH_PROBE_HTTP,
				     .verify = 1,
				     .interval_ms = 100,
				     .timeout_ms = 400,
				     .rise = 2,
				     .fall = 2,
				     .path = "/ready"};

	assert_int_equal(address_parse("127.0.0.1", &target.address), 0);
	return target;
}

static struct edge_target tls_target_at(uint16_t port)
{
	struct edge_target target = target_at(port);

	target.probe = HEALTH_PROBE_HTTPS;
	target.timeout_ms = 2000;
	return target;
}

/* One round, as the worker makes it. */
static void turn(void)
{
	struct epoll_event events[16];
	int64_t now = clock_monotonic(), until = probes_run(probes, now);
	int count;

	if (transfers_due(transfers) < until)
		until = transfers_due(transfers);
	count = epoll_wait(epoll, events, 16, until <= now ? 0 : (int)((until - now) / CLOCK_MILLISECOND) + 1);
	for (int i = 0; i < count; i++)
		if (events[i].data.u64 != UINT64_MAX)
			probes_ready(probes, (uint32_t)events[i].data.u64, clock_monotonic());
	transfers_run(transfers);
}

/* Until there are so many reports; how long it took, in ms. */
static int64_t run_until(int wanted, int64_t patience_ms)
{
	int64_t began = clock_monotonic();

	while (reports < wanted && clock_monotonic() - began < patience_ms * CLOCK_MILLISECOND)
		turn();
	return (clock_monotonic() - began) / CLOCK_MILLISECOND;
}

static void expect_first(const struct edge_target *target, enum cause_kind kind, int32_t number)
{
	reports = 0;
	assert_int_equal(probes_watch(probes, NULL, 0, clock_monotonic()), 0);
	assert_int_equal(probes_watch(probes, target, 1, clock_monotonic()), 0);
	run_until(1, 5000);
	assert_int_equal(reports, 1);
	if (last.kind != kind || last.number != number)
		fail_msg("%s %d, not %s %d", cause_words[last.kind], last.number, cause_words[kind], number);
}

static void expect_of(void (*behave)(struct peer *peer), enum cause_kind kind, int32_t number)
{
	struct served served = served_begin(behave, NULL);
	struct edge_target target = target_at(served.port);

	expect_first(&target, kind, number);
	served_end(&served);
}

/* ---- good and bad ------------------------------------------------------------------------------------------------ */

static void test_it_is_asked_properly(void **state)
{
	struct served served = served_begin(behave_good, NULL);
	struct edge_target target = target_at(served.port);
	char asked[4096], wanted[64];
	ssize_t length;

	(void)state;
	strcpy(target.path, "/v2/../health/ready?deep=1&x=%20");
	expect_first(&target, CAUSE_NONE, 0);
	length = read(served.said, asked, sizeof(asked) - 1);
	assert_true(length > 0);
	asked[length] = '\0';
	assert_non_null(strstr(asked, "GET /v2/../health/ready?deep=1&x=%20 HTTP/1.1\r\n"));
	snprintf(wanted, sizeof(wanted), "\r\nHost: 127.0.0.1:%u\r\n", served.port);
	assert_non_null(strstr(asked, wanted));
	assert_null(strcasestr(asked, "Accept-Encoding"));
	assert_null(strcasestr(asked, "Cookie"));
	assert_null(strcasestr(asked, "Authorization"));

	strcpy(target.host, NAME);
	expect_first(&target, CAUSE_NONE, 0);
	length = read(served.said, asked, sizeof(asked) - 1);
	assert_true(length > 0);
	asked[length] = '\0';
	assert_non_null(strstr(asked, "\r\nHost: " NAME "\r\n"));
	served_end(&served);
}

static void test_it_rises_and_falls(void **state)
{
	struct served served = served_begin(behave_good, NULL);
	struct edge_target target = target_at(served.port);

	(void)state;
	expect_first(&target, CAUSE_NONE, 0);
	served_end(&served);
	assert_in_range(run_until(2, 3000), 80, 400); /* two of two */
	assert_int_equal(reports, 2);
	assert_int_equal(last.kind, CAUSE_REFUSED);
	assert_int_equal(last.number, ECONNREFUSED);
	/* Another cause is reported, and is no other verdict. */
	served = served_begin_at(target.port, behave_busy, NULL);
	run_until(3, 3000);
	assert_int_equal(reports, 3);
	assert_int_equal(last.kind, CAUSE_STATUS);
	assert_int_equal(last.number, 503);
	served_end(&served);
	served = served_begin_at(target.port, behave_good, NULL);
	assert_in_range(run_until(4, 3000), 80, 400);
	assert_int_equal(reports, 4);
	assert_int_equal(last.kind, CAUSE_NONE);
	run_until(5, 300); /* nothing new, nothing said */
	assert_int_equal(reports, 4);
	served_end(&served);
}

static void behave_moved(struct peer *peer)
{
	peer_listen(peer);
	peer_say(peer, "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/elsewhere\r\nContent-Length: 0\r\n\r\n");
}

static void behave_empty(struct peer *peer)
{
	peer_listen(peer);
	peer_say(peer, "HTTP/1.1 204 No Content\r\n\r\n");
}

static void behave_early(struct peer *peer)
{
	peer_listen(peer);
	peer_say(peer, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

static void test_the_status_decides(void **state)
{
	struct served moved = served_begin(behave_moved, NULL), busy = served_begin(behave_busy, NULL);
	struct edge_target target = target_at(moved.port);

	(void)state;
	expect_of(behave_busy, CAUSE_STATUS, 503);
	expect_of(behave_moved, CAUSE_STATUS, 302); /* and nobody goes there */
	expect_of(behave_empty, CAUSE_NONE, 0);
	expect_of(behave_early, CAUSE_NONE, 0);
	target.status[0] = 200;
	target.status[1] = 302;
	target.status_count = 2;
	expect_first(&target, CAUSE_NONE, 0);
	target.port = busy.port;
	expect_first(&target, CAUSE_STATUS, 503);
	target.status[1] = 503;
	expect_first(&target, CAUSE_NONE, 0);
	served_end(&moved);
	served_end(&busy);
}

/* ---- hostile ----------------------------------------------------------------------------------------------------- */

static void behave_trickling(struct peer *peer)
{
	peer_listen(peer);
	peer_say(peer, "HTTP/1.1 200 OK\r\nX-Slow: ");
	while (peer_say(peer, "x"))
		poll(NULL, 0, 20);
}

static void test_slow_ones_are_given_up(void **state)
{
	struct served served = served_begin(behave_hanging, NULL);
	struct edge_target target = target_at(served.port);
	int64_t began = clock_monotonic();

	(void)state;
	expect_first(&target, CAUSE_TIMEOUT, 400);
	assert_in_range((clock_monotonic() - began) / CLOCK_MILLISECOND, 395, 700);
	served_end(&served);
	expect_of(behave_trickling, CAUSE_TIMEOUT, 400);
}

static void behave_talking(struct peer *peer)
{
	peer_listen(peer);
	peer_say(peer, "HTTP/1.1 200 OK\r\n");
	while (peer_say(peer, "X-More: and more\r\n"))
		;
}

static void behave_one_long_line(struct peer *peer)
{
	static char much[4096];

	memset(much, 'x', sizeof(much));
	peer_listen(peer);
	peer_say(peer, "HTTP/1.1 200 OK\r\nX-More: ");
	while (peer_write(peer, much, sizeof(much)))
		;
}

static void behave_interim(struct peer *peer)
{
	peer_listen(peer);
	while (peer_say(peer, "HTTP/1.1 100 Continue\r\n\r\n"))
		;
}

static void test_a_head_has_an_end(void **state)
{
	(void)state;
	expect_of(behave_talking, CAUSE_HEAD, TRANSFER_HEAD_MAX);
	expect_of(behave_one_long_line, CAUSE_HEAD, TRANSFER_HEAD_MAX);
	expect_of(behave_interim, CAUSE_HEAD, TRANSFER_HEAD_MAX);
}

/* What has been sent before the client had enough of it. */
static void behave_huge(struct peer *peer)
{
	static char much[65536];
	char told[32];
	size_t sent = 0;

	peer_listen(peer);
	peer_say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n");
	while (peer_write(peer, much, sizeof(much)))
		sent += sizeof(much);
	if (write(peer->said, told, (size_t)snprintf(told, sizeof(told), "sent %zu\n", sent)) < 0)
		_exit(1);
}

static void behave_zipped(struct peer *peer)
{
	peer_listen(peer);
	peer_say(peer, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 12\r\n\r\n\x1f\x8b no gzip..");
}

static void behave_zipped_twice(struct peer *peer)
{
	peer_listen(peer);
	peer_say(peer,
		 "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\nc\r\n\x1f\x8b no gzip..\r\n0\r\n\r\n");
}

static void test_bodies_are_not_read(void **state)
{
	struct served served = served_begin(behave_huge, NULL);
	struct edge_target target = target_at(served.port);
	char said[8192] = "";
	size_t length = 0;

	(void)state;
	expect_first(&target, CAUSE_NONE, 0);
	probes_watch(probes, NULL, 0, clock_monotonic());
	for (int i = 0; i < 200 && !strstr(said, "sent "); i++) {
		ssize_t got = read(served.said, said + length, sizeof(said) - 1 - length);

		length += got > 0 ? (size_t)got : 0;
		said[length] = '\0';
		poll(NULL, 0, 10);
	}
	assert_non_null(strstr(said, "sent "));
	assert_true(strtoul(strstr(said, "sent ") + 5, NULL, 10) < 16 << 20); /* socket buffers, of both ends */
	served_end(&served);
	expect_of(behave_zipped, CAUSE_NONE, 0);
	expect_of(behave_zipped_twice, CAUSE_NONE, 0);
}

static void behave_closing(struct peer *peer)
{
	peer_listen(peer);
}

static void behave_half(struct peer *peer)
{
	peer_listen(peer);
	peer_say(peer, "HTTP/1.1 200 OK\r\nContent-Le");
}

static void behave_half_with_lines(struct peer *peer)
{
	peer_listen(peer);
	peer_say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n");
}

static void behave_foreign(struct peer *peer)
{
	peer_say(peer, "SSH-2.0-OpenSSH_9.2p1\r\n");
	peer_listen(peer);
	pause();
}

static void expect_broken(void (*behave)(struct peer *peer), enum cause_kind kind)
{
	struct served served = served_begin(behave, NULL);
	struct edge_target target = target_at(served.port);

	reports = 0;
	assert_int_equal(probes_watch(probes, &target, 1, clock_monotonic()), 0);
	run_until(1, 5000);
	if (reports != 1 || last.kind != kind)
		fail_msg("%d reports, %s %d, not %s", reports, cause_words[last.kind], last.number, cause_words[kind]);
	served_end(&served);
}

static void test_what_is_no_answer_is_none(void **state)
{
	struct edge_target target;
	struct served served;

	(void)state;
	expect_of(behave_closing, CAUSE_CLOSED, 0);
	expect_of(behave_half, CAUSE_CLOSED, 0);
	expect_of(behave_half_with_lines, CAUSE_CLOSED, 0);
	expect_broken(behave_foreign, CAUSE_GARBAGE);
	served = served_begin(behave_good, NULL);
	target = target_at(served.port);
	served_end(&served);
	expect_first(&target, CAUSE_REFUSED, ECONNREFUSED);
	/* An address that no host reaches by TCP, whatever its routes: a group. */
	address_parse("224.0.0.1", &target.address);
	expect_first(&target, CAUSE_UNREACHABLE, ENETUNREACH);
}

/* ---- TLS --------------------------------------------------------------------------------------------------------- */

static void test_certificates_are_verified(void **state)
{
	struct identity strange = identity_make("DNS:" NAME ",IP:127.0.0.1", 100);
	struct served good = served_begin(behave_good, &known), other = served_begin(behave_good, &strange);
	struct edge_target target = tls_target_at(good.port);

	(void)state;
	expect_first(&target, CAUSE_NONE, 0); /* by its address */
	strcpy(target.host, NAME);
	expect_first(&target, CAUSE_NONE, 0);
	strcpy(target.host, "other.example.com");
	expect_first(&target, CAUSE_CERTIFICATE, X509_V_ERR_HOSTNAME_MISMATCH);
	target.verify = 0;
	expect_first(&target, CAUSE_NONE, 0);
	target = tls_target_at(other.port);
	expect_first(&target, CAUSE_CERTIFICATE, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT);
	target.verify = 0;
	expect_first(&target, CAUSE_NONE, 0);
	served_end(&good);
	served_end(&other);
	identity_free(&strange);
}

static void test_a_certificate_expires(void **state)
{
	struct identity old = identity_make("DNS:" NAME ",IP:127.0.0.1", -1);
	struct served served = served_begin(behave_good, &old);
	struct edge_target target = tls_target_at(served.port);
	char path[64];

	(void)state;
	end(NULL);
	identities_save(&old, 1, path); /* which it would be trusted by */
	strcpy(ca_file, path);
	begin(NULL);
	expect_first(&target, CAUSE_CERTIFICATE, X509_V_ERR_CERT_HAS_EXPIRED);
	served_end(&served);
	unlink(path);
	identity_free(&old);
	identities_save(&known, 1, ca_file);
}

static void test_tls_is_not_http(void **state)
{
	struct served plain = served_begin(behave_good, NULL), tls = served_begin(behave_good, &known);
	struct edge_target target = tls_target_at(plain.port);

	(void)state;
	target.timeout_ms = 400;
	reports = 0;
	probes_watch(probes, &target, 1, clock_monotonic());
	run_until(1, 5000);
	assert_true(reports == 1 && (last.kind == CAUSE_TLS || last.kind == CAUSE_TIMEOUT));
	target = target_at(tls.port);
	reports = 0;
	probes_watch(probes, &target, 1, clock_monotonic());
	run_until(1, 5000);
	assert_true(reports == 1 && last.kind != CAUSE_NONE);
	served_end(&plain);
	served_end(&tls);
}

/* ---- many, and for long -------------------------------------------------------------------------------------------- */

static size_t open_descriptors(void)
{
	size_t count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* Lines of /proc/net/tcp with this port and that state. */
static size_t sockets_in(uint16_t port, unsigned int state)
{
	FILE *file = fopen("/proc/net/tcp", "re");
	unsigned int local, remote, is;
	char line[512];
	size_t count = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, " %*u: %*x:%x %*x:%x %x", &local, &remote, &is) == 3)
			count += is == state && (local == port || remote == port);
	fclose(file);
	return count;
}

/* Says all there is, and leaves it to the other end to hang up. */
static void behave_waiting(struct peer *peer)
{
	char rest[16];

	peer_listen(peer);
	peer_say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	while (recv(peer->socket, rest, sizeof(rest), 0) > 0)
		;
}

static void test_nothing_stays_behind(void **state)
{
	struct served plain = served_begin(behave_huge, NULL), tls = served_begin(behave_good, &known);
	struct served waiting = served_begin(behave_waiting, NULL);
	struct edge_target targets[3] = {target_at(plain.port), tls_target_at(tls.port), target_at(waiting.port)};
	int64_t until = clock_monotonic() + 2 * CLOCK_SECOND;
	size_t before = open_descriptors();

	(void)state;
	assert_int_equal(probes_watch(probes, targets, 3, clock_monotonic()), 0);
	while (clock_monotonic() < until)
		turn();
	assert_int_equal(reports, 3);
	assert_int_equal(last.kind, CAUSE_NONE);
	assert_int_equal(probes_watch(probes, NULL, 0, clock_monotonic()), 0);
	assert_int_equal(open_descriptors(), before);
	assert_int_equal(sockets_in(plain.port, 6), 0); /* TIME_WAIT, at either end */
	assert_int_equal(sockets_in(tls.port, 6), 0);
	assert_int_equal(sockets_in(waiting.port, 6), 0);
	served_end(&plain);
	served_end(&tls);
	served_end(&waiting);
}

static void test_those_that_hang_keep_nobody(void **state)
{
	static struct edge_target targets[601];
	struct served hanging = served_begin(behave_hanging, NULL);
	size_t before = open_descriptors(), most = 0;
	struct served good = served_begin(behave_good, NULL);
	int64_t until;

	(void)state;
	for (size_t i = 0; i < 600; i++) {
		targets[i] = target_at(hanging.port);
		snprintf(targets[i].path, sizeof(targets[i].path), "/%zu", i);
		targets[i].interval_ms = 600;
		targets[i].timeout_ms = 600;
	}
	targets[600] = target_at(good.port);
	assert_int_equal(probes_watch(probes, targets, 601, clock_monotonic()), 0);
	for (until = clock_monotonic() + 20 * CLOCK_SECOND; reports < 601 && clock_monotonic() < until;) {
		turn();
		most = open_descriptors() > most ? open_descriptors() : most;
	}
	assert_int_equal(reports, 601);
	assert_true(most <= before + 1 + PROBES_OPEN_MAX);
	/* The one that answers falls in time, though 600 others wait for their turns: 5 rounds of 600 ms. */
	served_end(&good);
	until = clock_monotonic() + 700 * CLOCK_MILLISECOND;
	while (reports < 602 && clock_monotonic() < until)
		turn();
	assert_int_equal(reports, 602);
	assert_int_equal(last_target, 600);
	assert_int_equal(probes_watch(probes, NULL, 0, clock_monotonic()), 0);
	assert_int_equal(open_descriptors(), before);
	served_end(&hanging);
}

static void test_a_new_list_keeps_what_is_under_way(void **state)
{
	struct served hanging = served_begin(behave_hanging, NULL), good = served_begin(behave_good, NULL);
	struct edge_target targets[2] = {target_at(hanging.port), target_at(good.port)};
	int64_t began = clock_monotonic();

	(void)state;
	assert_int_equal(probes_watch(probes, targets, 1, began), 0);
	while (clock_monotonic() < began + 200 * CLOCK_MILLISECOND)
		turn();
	targets[1] = targets[0];
	targets[0] = target_at(good.port);
	assert_int_equal(probes_watch(probes, targets, 2, clock_monotonic()), 0);
	run_until(2, 3000);
	assert_int_equal(reports, 2);
	assert_int_equal(last_target, 1); /* by its new number, at its old time */
	assert_int_equal(last.kind, CAUSE_TIMEOUT);
	assert_in_range((clock_monotonic() - began) / CLOCK_MILLISECOND, 395, 560);
	/* Another question is another target: what was known of the one before does not count. */
	reports = 0;
	strcpy(targets[1].path, "/other");
	targets[1].port = good.port;
	assert_int_equal(probes_watch(probes, targets, 2, clock_monotonic()), 0);
	run_until(2, 3000);
	assert_int_equal(last.kind, CAUSE_NONE);
	served_end(&hanging);
	served_end(&good);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_it_is_asked_properly, begin, end),
		cmocka_unit_test_setup_teardown(test_it_rises_and_falls, begin, end),
		cmocka_unit_test_setup_teardown(test_the_status_decides, begin, end),
		cmocka_unit_test_setup_teardown(test_slow_ones_are_given_up, begin, end),
		cmocka_unit_test_setup_teardown(test_a_head_has_an_end, begin, end),
		cmocka_unit_test_setup_teardown(test_bodies_are_not_read, begin, end),
		cmocka_unit_test_setup_teardown(test_what_is_no_answer_is_none, begin, end),
		cmocka_unit_test_setup_teardown(test_certificates_are_verified, begin, end),
		cmocka_unit_test_setup_teardown(test_a_certificate_expires, begin, end),
		cmocka_unit_test_setup_teardown(test_tls_is_not_http, begin, end),
		cmocka_unit_test_setup_teardown(test_nothing_stays_behind, begin, end),
		cmocka_unit_test_setup_teardown(test_those_that_hang_keep_nobody, begin, end),
		cmocka_unit_test_setup_teardown(test_a_new_list_keeps_what_is_under_way, begin, end),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, begin_all, end_all);
}
