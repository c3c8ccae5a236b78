// SPDX-License-Identifier: GPL-2.0-only
/* Names through the edge as a process: what it is told to ask DNS for, what name servers make of it, and what the core takes of that. */
#include "edge/edge.h"

#include <sys/mman.h>

#include "usher/flow_hash.h"

#include "base/address.h"
#include "base/array.h"
#include "base/clock.h"
#include "served.h"

#define TYPE_A 1
#define TYPE_AAAA 28
#define ANSWER_MAX 65535

enum how {
	HOW_ANSWERS,
	HOW_NXDOMAIN,
	HOW_SERVFAIL,
	HOW_SILENT,
	HOW_GARBAGE,
	HOW_OTHER_QUESTION,
	HOW_OTHER_OWNER,
	HOW_LOOP,
	HOW_CUT,
	HOW_DAMAGED,
};

/* What the server does, told by the test. */
struct said {
	enum how how;
	int ipv4, ipv6; /* how many addresses there are */
	int questions;
};

static struct said *said;
static struct edge *edge;
static pid_t server;
static uint16_t port;
static uint32_t round_number = 10;

/* ---- a name server ------------------------------------------------------------------------------------------- */

static size_t put(uint8_t *to, size_t at, unsigned int value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		to[at + i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
	return at + bytes;
}

static size_t question_end(const uint8_t *query, size_t length)
{
	size_t at = 12;

	while (at < length && query[at])
		at += query[at] + 1u;
	return at + 5;
}

static size_t put_address(uint8_t *to, size_t at, int type, int i)
{
	size_t length = type == TYPE_A ? 4 : 16;

	at = put(to, at, said->how == HOW_OTHER_OWNER ? 0x0161 : 0xc00c, 2); /* the name of the question, or "a" */
	if (said->how == HOW_OTHER_OWNER)
		at = put(to, at, 0, 1);
	at = put(to, at, (unsigned int)type, 2);
	at = put(to, at, 1, 2);
	at = put(to, at, 60, 4);
	at = put(to, at, (unsigned int)length, 2);
	memset(to + at, 0, length);
	to[at] = type == TYPE_A ? 10 : 0x20;
	to[at + length - 2] = (uint8_t)(i >> 8);
	to[at + length - 1] = (uint8_t)i;
	return at + length;
}

static size_t answer(const uint8_t *query, size_t length, uint8_t *to, bool tcp)
{
	static uint64_t random = 7;
	size_t end = question_end(query, length), at = end;
	int type = query[end - 4] << 8 | query[end - 3];
	int count = type == TYPE_A ? said->ipv4 : said->ipv6;
	unsigned int flags = 0x8180;

	memcpy(to, query, end);
	if (said->how == HOW_NXDOMAIN || said->how == HOW_SERVFAIL) {
		flags |= said->how == HOW_NXDOMAIN ? 3u : 2u;
		count = 0;
	}
	if (!tcp && (said->how == HOW_CUT || count > 20)) {
		flags |= 0x0200;
		count = 0;
	}
	put(to, 2, flags, 2);
	put(to, 4, 1, 2);
	put(to, 6, said->how == HOW_LOOP ? 1u : (unsigned int)count, 2);
	put(to, 8, 0, 4);
	if (said->how == HOW_OTHER_QUESTION)
		to[13] ^= 1;
	if (said->how == HOW_LOOP) { /* a name that points at itself */
		at = put(to, at, 0xc000 | (unsigned int)at, 2);
		return put(to, at, 0x00010001, 4);
	}
	for (int i = 0; i < count; i++)
		at = put_address(to, at, type, i);
	if (said->how == HOW_GARBAGE)
		memset(to + 2, 0xff, at - 2);
	for (int n = 0; said->how == HOW_DAMAGED && n < 3; n++) {
		random = usher_mix64(random + 1);
		to[2 + random % (at - 2)] = (uint8_t)(random >> 40);
	}
	if (said->how == HOW_DAMAGED && random & 1)
		at = end + (random >> 8) % (at - end + 1);
	return at;
}

/* Both questions may come by one connection, or the second by a datagram while it is open: so each has a process of its own. */
static void serve_tcp(int listener)
{
	static uint8_t query[2 + 512], text[2 + ANSWER_MAX];
	int client = accept(listener, NULL, NULL);

	if (client < 0 || fork()) {
		close(client);
		return;
	}
	while (client >= 0 && recv(client, query, 2, MSG_WAITALL) == 2) {
		size_t length = (size_t)query[0] << 8 | query[1];

		if (length > 512 || recv(client, query + 2, length, MSG_WAITALL) != (ssize_t)length)
			break;
		length = answer(query + 2, length, text + 2, true);
		put(text, 0, (unsigned int)length, 2);
		if (send(client, text, 2 + length, MSG_NOSIGNAL) <= 0)
			break;
	}
	_exit(0);
}

static void serve_names(int datagrams, int listener)
{
	static uint8_t query[512], text[ANSWER_MAX];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		struct pollfd files[] = {{.fd = datagrams, .events = POLLIN}, {.fd = listener, .events = POLLIN}};
		struct sockaddr_in client;
		socklen_t size = sizeof(client);
		ssize_t got;

		poll(files, 2, -1);
		if (files[1].revents)
			serve_tcp(listener);
		if (!files[0].revents)
			continue;
		got = recvfrom(datagrams, query, sizeof(query), 0, (struct sockaddr *)&client, &size);
		if (got < 17)
			continue;
		said->questions++;
		if (said->how != HOW_SILENT)
			sendto(datagrams, text, answer(query, (size_t)got, text, false), 0, (struct sockaddr *)&client,
			       size);
	}
}

static int begin(void **state)
{
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int datagrams = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), listener = socket(AF_INET, SOCK_STREAM, 0);
	struct edge_options options = {.port = 0};
	struct problem problem = {0};
	socklen_t size = sizeof(here);

	(void)state;
	said = mmap(NULL, sizeof(*said), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (said == MAP_FAILED || bind(listener, (struct sockaddr *)&here, size) || listen(listener, 8) ||
	    getsockname(listener, (struct sockaddr *)&here, &size) || bind(datagrams, (struct sockaddr *)&here, size))
		return -1;
	port = ntohs(here.sin_port);
	server = fork();
	if (!server)
		serve_names(datagrams, listener);
	close(datagrams);
	close(listener);
	return edge_start(&options, &problem, &edge);
}

static int end(void **state)
{
	(void)state;
	edge_close(edge);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	return 0;
}

/* ---- what the edge says of it -------------------------------------------------------------------------------- */

struct heard {
	struct edge_fact fact; /* RESOLVED */
	struct usher_address addresses[EDGE_ADDRESSES_MAX + EDGE_ADDRESSES];
};

static int next_fact(int milliseconds, struct edge_fact *ret_fact)
{
	int64_t until = clock_monotonic() + milliseconds * CLOCK_MILLISECOND;

	while (clock_monotonic() < until) {
		struct pollfd file = {.fd = edge_fd(edge), .events = POLLIN};
		int error = poll(&file, 1, 20) > 0 ? edge_read(edge, ret_fact) : -EAGAIN;

		if (error != -EAGAIN)
			return error;
	}
	return -ETIME;
}

static struct edge_name name_of(const char *text)
{
	struct edge_name name = {
		.port = port, .families = EDGE_IPV4 | EDGE_IPV6, .every_ms = 60000, .timeout_ms = 3000};

	assert_int_equal(address_parse("127.0.0.1", &name.server), 0);
	snprintf(name.name, sizeof(name.name), "%s", text);
	return name;
}

static void hear(struct heard *heard)
{
	uint32_t first = 0;

	do {
		assert_int_equal(next_fact(8000, &heard->fact), 0);
		if (heard->fact.round != round_number)
			continue;
		if (heard->fact.kind == EDGE_FACT_ADDRESSES) {
			assert_int_equal(heard->fact.number, first);
			memcpy(heard->addresses + first, heard->fact.addresses, sizeof(heard->fact.addresses));
			first += EDGE_ADDRESSES;
		}
	} while (heard->fact.round != round_number || heard->fact.kind != EDGE_FACT_RESOLVED);
}

/* Asks anew: it is another question each time. */
static struct heard *ask(struct said what, uint32_t timeout_ms)
{
	static struct heard heard;
	struct edge_name name = name_of("gpus.example.com");
	const struct edge_list list = {.items[EDGE_NAMES] = &name, .counts[EDGE_NAMES] = 1};

	*said = what;
	name.timeout_ms = timeout_ms;
	name.every_ms += ++round_number;
	assert_int_equal(edge_watch(edge, &list, round_number), 0);
	hear(&heard);
	return &heard;
}

static void test_answers(void **state)
{
	struct heard *heard = ask((struct said){.ipv4 = 5, .ipv6 = 2}, 3000);
	char text[ADDRESS_TEXT];
	int ipv6 = 0;

	(void)state;
	assert_int_equal(heard->fact.cause, CAUSE_NONE);
	assert_int_equal(heard->fact.number, 7);
	for (int i = 0; i < 7; i++)
		ipv6 += !address_is_ipv4(&heard->addresses[i]);
	assert_int_equal(ipv6, 2);
	heard = ask((struct said){.ipv4 = 1}, 3000);
	assert_int_equal(heard->fact.number, 1);
	assert_string_equal(address_print(&heard->addresses[0], text), "10.0.0.0");
	heard = ask((struct said){.ipv6 = 3}, 3000);
	assert_int_equal(heard->fact.number, 3);
}

static void test_more_than_a_datagram(void **state)
{
	struct heard *heard = ask((struct said){.how = HOW_CUT, .ipv4 = 3, .ipv6 = 1}, 3000);

	(void)state;
	assert_int_equal(heard->fact.number, 4);
	heard = ask((struct said){.ipv4 = 1000}, 3000);
	assert_int_equal(heard->fact.number, 1000);
	/* More than anybody may have: as many as tell that there are too many. */
	heard = ask((struct said){.ipv4 = 4000, .ipv6 = 2200}, 3000);
	assert_int_equal(heard->fact.cause, CAUSE_NONE);
	assert_int_equal(heard->fact.number, EDGE_ADDRESSES_MAX);
}

static void test_no_answers(void **state)
{
	static const struct {
		enum how how;
		enum cause_kind cause;
	} cases[] = {
		{HOW_NXDOMAIN, CAUSE_NAME},	     {HOW_SERVFAIL, CAUSE_SERVERS},    {HOW_SILENT, CAUSE_TIMEOUT},
		{HOW_OTHER_QUESTION, CAUSE_TIMEOUT}, {HOW_OTHER_OWNER, CAUSE_ADDRESS}, {HOW_LOOP, CAUSE_ANSWER},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct heard *heard = ask((struct said){.how = cases[i].how, .ipv4 = 2, .ipv6 = 1}, 300);

		if (heard->fact.cause != cases[i].cause)
			fail_msg("case %d: cause %u, number %d", (int)cases[i].how, heard->fact.cause,
				 heard->fact.number);
		assert_int_equal(heard->fact.up, 0);
	}
	assert_int_equal(ask((struct said){0}, 3000)->fact.cause, CAUSE_ADDRESS);
	assert_int_not_equal(ask((struct said){.how = HOW_GARBAGE, .ipv4 = 2}, 300)->fact.cause, CAUSE_NONE);
}

/* Whatever comes, the edge lives, and says something that makes sense. */
static void test_damaged_answers(void **state)
{
	pid_t before = edge_pid(edge);
	int good = 0, bad = 0;

	(void)state;
	for (int i = 0; i < 200; i++) {
		struct heard *heard = ask((struct said){.how = HOW_DAMAGED, .ipv4 = 3, .ipv6 = 3}, 60);

		assert_true(heard->fact.cause != CAUSE_NONE || heard->fact.number <= 6);
		*(heard->fact.cause == CAUSE_NONE ? &good : &bad) += 1;
	}
	assert_true(good > 0 && bad > 0);
	assert_int_equal(edge_pid(edge), before);
}

/* The same name in another list is told again, and not asked again. */
static void test_another_list(void **state)
{
	struct edge_name names[2] = {name_of("a.example.com"), name_of("b.example.com")};
	const struct edge_list both = {.items[EDGE_NAMES] = names, .counts[EDGE_NAMES] = 2},
			       one = {.items[EDGE_NAMES] = &names[1], .counts[EDGE_NAMES] = 1};
	struct heard heard;
	int asked;

	(void)state;
	*said = (struct said){.ipv4 = 2};
	assert_int_equal(edge_watch(edge, &both, ++round_number), 0);
	hear(&heard);
	hear(&heard);
	asked = said->questions;
	assert_int_equal(asked, 4);
	assert_int_equal(edge_watch(edge, &one, ++round_number), 0);
	hear(&heard);
	assert_int_equal(heard.fact.target, 0);
	assert_int_equal(heard.fact.number, 2);
	assert_int_equal(said->questions, asked);
	names[1].families = 4; /* makes no sense: the edge ends, and the next one is not told it */
	assert_int_equal(edge_watch(edge, &both, ++round_number), 0);
	assert_int_not_equal(next_fact(500, &heard.fact), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),	     cmocka_unit_test(test_more_than_a_datagram),
		cmocka_unit_test(test_no_answers),   cmocka_unit_test(test_damaged_answers),
		cmocka_unit_test(test_another_list),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
