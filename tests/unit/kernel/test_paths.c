/* SPDX-License-Identifier: GPL-2.0-only */
/* What a router says of packets that were too big for it, from its own network namespace, to the host that sent them. */
#include "watched.h"

#include <fcntl.h>

#include "kernel/paths.h"

#define QUOTE4 28 /* what RFC 792 wants: IP header and 8 bytes */
#define QUOTE6 48

static struct paths *paths;
/* Sockets in the router's namespace: raw ICMP, and one that sends datagrams. */
static int router4, router6, datagrams;

static const uint8_t protocols[] = {IPPROTO_IPIP, IPPROTO_IPV6, IPPROTO_UDP};

static void open_router(void)
{
	char path[64];
	int home = open("/proc/self/ns/net", O_RDONLY), there;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", other);
	there = open(path, O_RDONLY);
	assert_int_equal(setns(there, CLONE_NEWNET), 0);
	router4 = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	router6 = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
	datagrams = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(setns(home, CLONE_NEWNET), 0);
	assert_true(router4 >= 0 && router6 >= 0 && datagrams >= 0);
	close(home);
	close(there);
	host_run("ip -6 route add 2001:db8:2::/48 via 2001:db8:1::11");
}

static int begin(void **state)
{
	return begin_watch(state) || paths_open(&paths);
}

static int end(void **state)
{
	paths_close(paths);
	host_run("ip route flush cache");
	host_run("ip -6 route flush cache");
	return end_watch(state);
}

struct report {
	const char *from, *to; /* of the packet that was too big */
	uint8_t protocol;
	uint16_t mtu;
	size_t quoted; /* bytes; 0: as many as it takes */
};

static uint16_t sum_of(const uint8_t *bytes, size_t length)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < length; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void send_report(const struct report *report)
{
	const struct usher_address from = address_of(report->from), to = address_of(report->to);
	uint8_t bytes[8 + QUOTE6] = {0};
	size_t length;

	if (address_is_ipv4(&to)) {
		const struct sockaddr_in host = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr("10.1.0.1")};
		uint8_t *ip = bytes + 8;

		length = 8 + (report->quoted ? report->quoted : QUOTE4);
		memcpy(ip, (const uint8_t[]){0x45, 0, 1500 >> 8, 1500 & 0xff, 0, 0, 0x40, 0, 60, report->protocol}, 10);
		memcpy(ip + 12, from.bytes + 12, 4);
		memcpy(ip + 16, to.bytes + 12, 4);
		put16(ip + 10, sum_of(ip, 20));
		bytes[0] = 3;
		bytes[1] = 4;
		put16(bytes + 6, report->mtu);
		put16(bytes + 2, sum_of(bytes, length));
		assert_int_equal(sendto(router4, bytes, length, 0, (const struct sockaddr *)&host, sizeof(host)),
				 length);
	} else {
		struct sockaddr_in6 host = {.sin6_family = AF_INET6};

		length = 8 + (report->quoted ? report->quoted : QUOTE6);
		memcpy(bytes + 8, (const uint8_t[]){0x60, 0, 0, 0, 1460 >> 8, 1460 & 0xff, report->protocol, 60}, 8);
		memcpy(bytes + 16, from.bytes, 16);
		memcpy(bytes + 32, to.bytes, 16);
		bytes[0] = 2;
		put16(bytes + 6, report->mtu);
		assert_int_equal(inet_pton(AF_INET6, "2001:db8:1::1", &host.sin6_addr), 1);
		assert_int_equal(sendto(router6, bytes, length, 0, (const struct sockaddr *)&host, sizeof(host)),
				 length);
	}
}

static void note(void *context, const struct usher_address *receiver)
{
	(void)context;
	neighbours_path(neighbours, receiver);
}

/* As the daemon does, 50 times a second. */
static void expect_path(const char *text, uint16_t mtu, enum mtu_source source)
{
	int64_t until = clock_monotonic() + 3 * CLOCK_SECOND;

	while ((hop_to(text).mtu != mtu || hop_to(text).mtu_source != source) && clock_monotonic() < until) {
		paths_read(paths, note, NULL);
		neighbours_paths(neighbours, clock_monotonic());
		usleep(20000);
	}
	assert_int_equal(hop_to(text).mtu, mtu);
	assert_int_equal(hop_to(text).mtu_source, source);
}

static void watch_all(const char *const *texts, size_t count)
{
	watch(texts, count);
	for (size_t i = 0; i < count; i++) {
		assert_true(becomes(texts[i], true, 5));
		expect_path(texts[i], 1500, MTU_OF_INTERFACE);
	}
	neighbours_changed(neighbours);
}

static void test_each_tunnel_learns_its_path(void **state)
{
	static const char *const texts[] = {"10.2.0.1",	     "10.2.0.2",      "10.2.0.3",
					    "2001:db8:2::1", "2001:db8:2::2", "2001:db8:2::3"};

	(void)state;
	watch_all(texts, 6);
	for (size_t i = 0; i < 6; i++) {
		const struct report report = {i < 3 ? "10.1.0.1" : "2001:db8:1::1", texts[i], protocols[i % 3],
					      (uint16_t)(1400 - i), 0};

		send_report(&report);
		expect_path(texts[i], report.mtu, MTU_OF_ROUTER);
		assert_true(neighbours_changed(neighbours));
		for (size_t k = i + 1; k < 6; k++)
			expect_path(texts[k], 1500, MTU_OF_INTERFACE);
	}
}

/* Each must leave all paths as they are; the last one, which is right, shows that they have come. */
static void test_reports_that_say_nothing(void **state)
{
	static const char *const texts[] = {"10.2.0.4", "2001:db8:2::4", "10.2.0.5", "2001:db8:2::5"};
	static const struct report nothing[] = {
		{"10.1.0.99", "10.2.0.4", IPPROTO_IPIP, 1400, 0},
		{"10.1.0.1", "10.2.0.4", IPPROTO_TCP, 1400, 0},
		{"2001:db8:1::1", "2001:db8:2::4", IPPROTO_TCP, 1400, 0},
		{"10.1.0.1", "10.2.0.4", IPPROTO_UDP, 1501, 0},
		{"2001:db8:1::1", "2001:db8:2::4", IPPROTO_UDP, 1501, 0},
		{"10.1.0.1", "10.2.0.4", IPPROTO_IPIP, 9000, 0},
		{"2001:db8:1::1", "2001:db8:2::4", IPPROTO_IPIP, 9000, 0},
		{"10.1.0.1", "10.2.0.99", IPPROTO_IPIP, 1400, 0},
		{"2001:db8:1::1", "2001:db8:2::99", IPPROTO_IPIP, 1400, 0},
		{"2001:db8:1::1", "2001:db8:2::4", IPPROTO_IPV6, 600, 0}, /* no IPv6 path is that narrow */
	};

	(void)state;
	watch_all(texts, 4);
	for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++)
		send_report(&nothing[i]);
	for (size_t length = 1; length < QUOTE6; length++) {
		const struct report four = {"10.1.0.1", "10.2.0.4", IPPROTO_IPIP, 1400, length};
		const struct report six = {"2001:db8:1::1", "2001:db8:2::4", IPPROTO_IPV6, 1400, length};

		if (length < QUOTE4)
			send_report(&four);
		send_report(&six);
	}
	send_report(&(struct report){"10.1.0.1", "10.2.0.5", IPPROTO_IPIP, 1400, 0});
	send_report(&(struct report){"2001:db8:1::1", "2001:db8:2::5", IPPROTO_IPV6, 1400, 0});
	expect_path("10.2.0.5", 1400, MTU_OF_ROUTER);
	expect_path("2001:db8:2::5", 1400, MTU_OF_ROUTER);
	watch(texts, 4); /* asks for all routes again */
	expect_path("10.2.0.4", 1500, MTU_OF_INTERFACE);
	expect_path("2001:db8:2::4", 1500, MTU_OF_INTERFACE);
}

static void test_no_path_is_narrower_than_the_floor(void **state)
{
	static const char *const texts[] = {"10.2.0.6", "10.2.0.7"};

	(void)state;
	watch_all(texts, 2);
	send_report(&(struct report){"10.1.0.1", "10.2.0.6", IPPROTO_IPIP, 68, 0});
	expect_path("10.2.0.6", 552, MTU_OF_ROUTER);
	host_run("echo 1300 >/proc/sys/net/ipv4/route/min_pmtu");
	send_report(&(struct report){"10.1.0.1", "10.2.0.7", IPPROTO_IPIP, 68, 0});
	expect_path("10.2.0.7", 1300, MTU_OF_ROUTER);
	host_run("echo 552 >/proc/sys/net/ipv4/route/min_pmtu");
}

static void forget_after(int seconds)
{
	char text[128];

	snprintf(text, sizeof(text), "for v in 4 6; do echo %d >/proc/sys/net/ipv$v/route/mtu_expires; done", seconds);
	host_run(text);
}

static void test_what_was_learned_is_forgotten(void **state)
{
	static const char *const texts[] = {"10.2.0.8", "2001:db8:2::8"};

	(void)state;
	forget_after(2);
	watch_all(texts, 2);
	send_report(&(struct report){"10.1.0.1", texts[0], IPPROTO_IPIP, 1400, 0});
	send_report(&(struct report){"2001:db8:1::1", texts[1], IPPROTO_IPV6, 1400, 0});
	expect_path(texts[0], 1400, MTU_OF_ROUTER);
	expect_path(texts[1], 1400, MTU_OF_ROUTER);
	sleep(3);
	neighbours_changed(neighbours);
	neighbours_tick(neighbours, clock_monotonic() + 31 * CLOCK_SECOND); /* routes are asked for every 30 s */
	expect_path(texts[0], 1500, MTU_OF_INTERFACE);
	expect_path(texts[1], 1500, MTU_OF_INTERFACE);
	assert_true(neighbours_changed(neighbours));
	forget_after(600);
}

/* What an operator has said of a route is not taken for something that will be forgotten. */
static void test_a_route_that_says_it(void **state)
{
	static const char *const texts[] = {"10.2.0.9"};

	(void)state;
	host_run("ip route add 10.2.0.9 via 10.1.0.11 mtu lock 1450");
	watch(texts, 1);
	assert_true(becomes(texts[0], true, 5));
	expect_path(texts[0], 1450, MTU_OF_ROUTE);
	send_report(&(struct report){"10.1.0.1", texts[0], IPPROTO_IPIP, 1400, 0});
	usleep(100000);
	paths_read(paths, note, NULL);
	neighbours_paths(neighbours, clock_monotonic() + CLOCK_SECOND);
	expect_path(texts[0], 1450, MTU_OF_ROUTE); /* locked */
	host_run("ip route del 10.2.0.9");
}

static void count(void *context, const struct usher_address *receiver)
{
	(void)receiver;
	++*(int *)context;
}

static void test_many_reports_cost_little(void **state)
{
	static const char *const texts[] = {"10.2.0.10"};
	int64_t now = clock_monotonic() + 10 * CLOCK_SECOND;
	int found = 0;

	(void)state;
	watch_all(texts, 1);
	for (uint16_t i = 0; i < 200; i++)
		send_report(&(struct report){"10.1.0.1", texts[0], IPPROTO_IPIP, (uint16_t)(1400 - i), 0});
	paths_read(paths, count, &found);
	assert_int_equal(found, PATHS_AT_ONCE);
	for (found = PATHS_AT_ONCE; found == PATHS_AT_ONCE;) {
		found = 0;
		paths_read(paths, count, &found);
	}
	note(NULL, &(struct usher_address){0}); /* nobody watches that one */
	neighbours_paths(neighbours, now);
	assert_int_equal(hop_to(texts[0]).mtu, 1500);
	struct usher_address address = address_of(texts[0]);

	note(NULL, &address);
	neighbours_paths(neighbours, now);
	assert_int_equal(hop_to(texts[0]).mtu, 1201);
	send_report(&(struct report){"10.1.0.1", texts[0], IPPROTO_IPIP, 1100, 0});
	usleep(100000);
	note(NULL, &address);
	neighbours_paths(neighbours, now + CLOCK_SECOND - 1);
	assert_int_equal(hop_to(texts[0]).mtu, 1201);
	neighbours_paths(neighbours, now + CLOCK_SECOND);
	assert_int_equal(hop_to(texts[0]).mtu, 1100);
}

/* The sockets are for errors: datagrams to the host must not take the room for them. */
static void test_packets_crowd_no_report_out(void **state)
{
	static const char *const texts[] = {"10.2.0.11"};
	static const uint8_t bytes[1000];
	const struct sockaddr_in host = {
		.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = inet_addr("10.1.0.1")};

	(void)state;
	watch_all(texts, 1);
	for (int i = 0; i < 500; i++)
		sendto(datagrams, bytes, sizeof(bytes), 0, (const struct sockaddr *)&host, sizeof(host));
	send_report(&(struct report){"10.1.0.1", texts[0], IPPROTO_UDP, 1400, 0});
	expect_path(texts[0], 1400, MTU_OF_ROUTER);
}

/* So our sockets give no power to a forger that he has not got (paths.h, 2). */
static void test_the_host_believes_an_echo_reply_anyway(void **state)
{
	static const char *const texts[] = {"10.2.0.12", "2001:db8:2::12"};

	(void)state;
	watch(texts, 2);
	assert_true(becomes(texts[0], true, 5) && becomes(texts[1], true, 5));
	send_report(&(struct report){"10.1.0.1", texts[0], IPPROTO_ICMP, 1400, 0});
	send_report(&(struct report){"2001:db8:1::1", texts[1], IPPROTO_ICMPV6, 1400, 0});
	usleep(100000);
	watch(texts, 2);
	assert_int_equal(hop_to(texts[0]).mtu, 1400);
	assert_int_equal(hop_to(texts[1]).mtu, 1400);
}

static void test_the_capability_is_missing(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	if (!child) {
		struct paths *none = NULL;

		_exit(setresuid(65534, 65534, 65534) || paths_open(&none) != -EPERM || none);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_tunnel_learns_its_path, begin, end),
		cmocka_unit_test_setup_teardown(test_reports_that_say_nothing, begin, end),
		cmocka_unit_test_setup_teardown(test_no_path_is_narrower_than_the_floor, begin, end),
		cmocka_unit_test_setup_teardown(test_what_was_learned_is_forgotten, begin, end),
		cmocka_unit_test_setup_teardown(test_a_route_that_says_it, begin, end),
		cmocka_unit_test_setup_teardown(test_many_reports_cost_little, begin, end),
		cmocka_unit_test_setup_teardown(test_packets_crowd_no_report_out, begin, end),
		cmocka_unit_test_setup_teardown(test_the_host_believes_an_echo_reply_anyway, begin_watch, end_watch),
		cmocka_unit_test(test_the_capability_is_missing),
	};
	int failed;

	if (host_begin())
		return host_skip(sizeof(tests) / sizeof(tests[0]));
	move_peer();
	open_router();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	end_other();
	return failed;
}
