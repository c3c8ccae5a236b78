// SPDX-License-Identifier: GPL-2.0-only
/* Steward and sender as they run: each line arrives, in order, through the death of the sender, of the receiver and of the daemon, from plain files
 * and compressed ones; and what was deleted before it was sent is said. */
#include "ship/ship.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "audit/keeper.h"
#include "audit/segment.h"
#include "base/cleanup.h"
#include "ship/cursor.h"

#define LIMIT (60 * CLOCK_SECOND) /* of any wait */
#define MOST 4096

struct text {
	char *bytes;
	size_t length, room;
};

static char folder[64], audit_dir[96], state_dir[96], key[96];
static struct record_stamp stamp;
static struct ledger *ledger;
static struct keeper *keeper;
static struct ship_options options;
static struct ship *ship;
static int listener, server;
static struct text received;  /* of this connection */
static char *lines[MOST * 8]; /* that came, in order */
static size_t line_count;
static uint32_t numbered;

/* ---- the log ------------------------------------------------------------------------------------------------- */

static void write_log(int batches)
{
	char text[256];
	int length;

	for (int i = 0; i < batches; i++) {
		length = snprintf(text, sizeof(text),
				  "{\"time\":\"2026-03-01T12:00:00.123Z\",\"type\":\"decision\",\"sequence\":%u}\n",
				  numbered++);
		assert_int_equal(ledger_append(ledger, &stamp, text, (size_t)length, 1, NULL, 0), 0);
	}
	assert_int_equal(ledger_checkpoint(ledger, &stamp), 0);
}

/* Every line that is there, to be freed by free_lines. */
static size_t read_log(char *ret_lines[MOST])
{
	_cleanup_(segments_free) struct segments segments = {0};
	size_t count = 0;

	assert_int_equal(segments_list(audit_dir, &segments), 0);
	for (size_t i = 0; i < segments.count; i++) {
		struct segment_text text;
		const char *at, *newline;

		assert_int_equal(segment_read(audit_dir, segments.items[i].name, &text), 0);
		for (at = text.bytes; at < text.bytes + text.length; at = newline + 1) {
			newline = memchr(at, '\n', (size_t)(text.bytes + text.length - at));
			assert_non_null(newline);
			assert_true(count < MOST);
			ret_lines[count++] = strndup(at, (size_t)(newline - at));
		}
		segment_release(&text);
	}
	return count;
}

static void free_lines(char **of, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(of[i]);
}

/* ---- the receiver -------------------------------------------------------------------------------------------- */

static void take_frames(void)
{
	size_t at = 0;
	char *end;

	while (at < received.length) {
		char *space = memchr(received.bytes + at, ' ', received.length - at);
		size_t length;
		const char *json;

		if (!space)
			break;
		length = strtoul(received.bytes + at, &end, 10);
		assert_ptr_equal(end, space);
		if (received.length - (size_t)(space + 1 - received.bytes) < length)
			break;
		json = memmem(space, length, " - {", 4);
		assert_non_null(json);
		assert_true(line_count < sizeof(lines) / sizeof(lines[0]));
		lines[line_count++] = strndup(json + 3, length - (size_t)(json + 3 - (space + 1)));
		at = (size_t)(space + 1 - received.bytes) + length;
	}
	memmove(received.bytes, received.bytes + at, received.length - at);
	received.length -= at;
}

static void hang_up(void)
{
	if (server >= 0)
		close(server);
	server = -1;
	received.length = 0;
}

static void receive(int wait_ms)
{
	struct pollfd files[] = {{.fd = listener, .events = POLLIN}, {.fd = server, .events = POLLIN}};
	ssize_t got;

	poll(files, 2, wait_ms);
	if (files[0].revents) {
		hang_up();
		server = accept(listener, NULL, NULL);
		return;
	}
	if (!files[1].revents)
		return;
	if (received.room - received.length < 65536) {
		received.room += 1u << 20;
		received.bytes = realloc(received.bytes, received.room + 1);
		assert_non_null(received.bytes);
	}
	got = recv(server, received.bytes + received.length, received.room - received.length, 0);
	if (got <= 0) {
		hang_up();
		return;
	}
	received.length += (size_t)got;
	received.bytes[received.length] = '\0';
	take_frames();
}

/* Which of the lines came, each where it came first, is exactly these. */
static void expect_lines(char **wanted, size_t count, bool all_in_order)
{
	size_t next = 0;

	for (size_t i = 0; i < line_count; i++) {
		size_t known = 0;

		if (next < count && !strcmp(lines[i], wanted[next])) {
			next++;
			continue;
		}
		while (known < next && strcmp(lines[i], wanted[known]) != 0)
			known++;
		if (known == next && all_in_order)
			fail_msg("line %zu is neither the next nor one that came before: %s", i, lines[i]);
	}
	assert_int_equal(next, count);
}

/* ---- both ---------------------------------------------------------------------------------------------------- */

static void begin_shipping(void)
{
	struct problem problem = {0};

	assert_int_equal(ship_start(&options, &problem, &ship), 0);
	ship_begin(ship);
}

static void end_shipping(void)
{
	ship_close(ship);
	ship = NULL;
	hang_up();
}

/* Until all that is in the log was taken. */
static void wait_until_taken(void)
{
	int64_t deadline = clock_monotonic() + LIMIT;
	struct ship_status status;

	do {
		receive(20);
		ship_status(ship, 0, &status);
		assert_true(ship_is_alive(ship));
		assert_true(clock_monotonic() < deadline);
	} while (!status.connected || status.behind || status.oldest);
}

/* Until so many lines have come. */
static void wait_for_lines(size_t count)
{
	int64_t deadline = clock_monotonic() + LIMIT;

	while (line_count < count) {
		receive(20);
		assert_true(clock_monotonic() < deadline);
	}
}

static int begin(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	struct problem problem = {0};
	struct ledger_found found;
	char text[64];

	(void)state;
	strcpy(folder, "/tmp/usher-ship-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(audit_dir, sizeof(audit_dir), "%s/audit", folder);
	snprintf(state_dir, sizeof(state_dir), "%s/state", folder);
	snprintf(key, sizeof(key), "%s/state/key", folder);
	if (mkdir(state_dir, 0700))
		return -1;
	stamp = (struct record_stamp){.realtime = clock_realtime(), .boot_id = 1};
	assert_int_equal(ledger_open(audit_dir, key, &stamp, &problem, &ledger, &found), 0);
	assert_int_equal(keeper_new(ledger, &keeper), 0);
	ledger_limit(ledger, &(struct store_limits){.bytes = 20000, .age = 3600 * CLOCK_SECOND});
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	server = -1;
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 4) ||
	    getsockname(listener, (struct sockaddr *)&address, &length))
		return -1;
	options = (struct ship_options){.count = 1, .facility = 16, .audit_dir = audit_dir, .state_dir = state_dir};
	snprintf(text, sizeof(text), "syslog+tcp://127.0.0.1:%d", ntohs(address.sin_port));
	line_count = 0;
	numbered = 0;
	return destination_parse(text, &options.destinations[0]);
}

static int end(void **state)
{
	char command[128];

	(void)state;
	end_shipping();
	keeper_free(keeper);
	ledger_close(ledger, &stamp);
	free_lines(lines, line_count);
	free(received.bytes);
	received = (struct text){0};
	close(listener);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

/* The process of that name whose parent's parent we are. */
static pid_t find_sender(void)
{
	DIR *all = opendir("/proc");
	const struct dirent *entry;
	pid_t found = 0;

	assert_non_null(all);
	while (!found && (entry = readdir(all))) {
		char path[64], name[64] = "";
		int pid = atoi(entry->d_name), parent = 0, grandparent = 0;
		FILE *file;

		if (pid <= 0)
			continue;
		for (int i = 0, at = pid; i < 2 && at > 0; i++, at = parent) {
			char of[64] = "";

			snprintf(path, sizeof(path), "/proc/%d/stat", at);
			file = fopen(path, "r");
			if (!file || fscanf(file, "%*d (%63[^)]) %*c %d", of, i ? &grandparent : &parent) != 2)
				parent = 0;
			if (file)
				fclose(file);
			if (!i)
				strcpy(name, of);
		}
		if (!strcmp(name, "usherd-ship") && grandparent == getpid())
			found = pid;
	}
	closedir(all);
	return found;
}

static void deaths(void **state)
{
	static char *wanted[MOST];
	struct ship_status status;
	size_t count;
	pid_t sender;

	(void)state;
	write_log(200);
	begin_shipping();
	wait_for_lines(100);
	/* The receiver, with what it had not even read. */
	hang_up();
	wait_for_lines(line_count + 200);
	/* The sender. */
	sender = find_sender();
	assert_true(sender > 0);
	assert_int_equal(kill(sender, SIGKILL), 0);
	write_log(100);
	wait_until_taken();
	ship_status(ship, 0, &status);
	assert_true(status.errors >= 1);
	count = read_log(wanted);
	expect_lines(wanted, count, true);
	free_lines(wanted, count);
	/* Now the cursor is at the end: who begins anew says nothing twice. */
	end_shipping();
	free_lines(lines, line_count);
	line_count = 0;
	begin_shipping();
	for (int64_t until = clock_monotonic() + CLOCK_SECOND; clock_monotonic() < until;)
		receive(20);
	assert_int_equal(line_count, 0);
	/* While nobody is there: more segments, all but the last compressed. */
	end_shipping();
	count = read_log(wanted);
	free_lines(wanted, count);
	write_log(300);
	for (int i = 0; i < 200; i++) {
		assert_int_equal(keeper_tick(keeper, &stamp), 0);
		usleep(1000);
	}
	begin_shipping();
	{
		size_t all = read_log(wanted);

		wait_for_lines(all - count);
		expect_lines(wanted + count, all - count, true);
		free_lines(wanted, all);
	}
}

static void remove_segment(const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", audit_dir, name);
	unlink(path);
	strcat(path, ".zst");
	unlink(path);
}

/* As if the first line of the log had been sent. */
static void sent_the_first_line(void)
{
	static char *now[MOST];
	size_t count = read_log(now);
	struct chain_segment first;
	struct cursor cursor = {.segment = 1};
	int state_folder = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(chain_parse_segment(now[0], strlen(now[0]), &first), 0);
	memcpy(cursor.log, first.log, sizeof(cursor.log));
	cursor.offset = strlen(now[0]) + 1;
	cursor.check = cursor_check(now[0], strlen(now[0]));
	assert_int_equal(cursor_write(state_folder, options.destinations[0].id, options.destinations[0].text, &cursor),
			 0);
	close(state_folder);
	free_lines(now, count);
}

static void what_was_deleted_is_said(void **state)
{
	_cleanup_(segments_free) struct segments segments = {0};
	static char *wanted[MOST];
	struct ship_status status;
	size_t count;

	(void)state;
	write_log(400);
	sent_the_first_line();
	assert_int_equal(segments_list(audit_dir, &segments), 0);
	assert_true(segments.count >= 5);
	for (size_t i = 0; i < 3; i++)
		remove_segment(segments.items[i].name);
	count = read_log(wanted);
	begin_shipping();
	wait_for_lines(count);
	expect_lines(wanted, count, true);
	free_lines(wanted, count);
	ship_status(ship, 0, &status);
	assert_int_equal(status.lost_segments, 3);
	assert_string_equal(status.error, "segments 1 to 3 of the log were deleted before all of them was sent");
}

/* A disk that has another line than was sent, after a power cut, or another log: from the beginning of what is there. */
static void expect_all_of_it(const char *error)
{
	static char *wanted[MOST];
	struct ship_status status;
	size_t count = read_log(wanted);

	begin_shipping();
	wait_for_lines(count);
	expect_lines(wanted, count, true);
	free_lines(wanted, count);
	ship_status(ship, 0, &status);
	assert_string_equal(status.error, error);
}

static void another_log(void **state)
{
	struct problem problem = {0};
	struct ledger_found found;
	char command[256];

	(void)state;
	write_log(2);
	sent_the_first_line();
	keeper_free(keeper);
	ledger_close(ledger, &stamp);
	snprintf(command, sizeof(command), "rm -rf %s", audit_dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(ledger_open(audit_dir, key, &stamp, &problem, &ledger, &found), 0);
	assert_int_equal(keeper_new(ledger, &keeper), 0);
	write_log(50);
	expect_all_of_it("the log is another one than was sent before: it is sent from its beginning");
}

static void another_line(void **state)
{
	_cleanup_(segments_free) struct segments segments = {0};
	char path[512];
	int file;

	(void)state;
	write_log(2);
	sent_the_first_line();
	assert_int_equal(segments_list(audit_dir, &segments), 0);
	snprintf(path, sizeof(path), "%s/%s", audit_dir, segments.items[0].name);
	file = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(file, "2027", 4, 9), 4); /* of its time */
	close(file);
	expect_all_of_it("the log is not what was sent before: its file is sent from its beginning");
}

static void a_damaged_cursor(void **state)
{
	char path[512];

	(void)state;
	write_log(2);
	sent_the_first_line();
	snprintf(path, sizeof(path), "%s/ship-%s.cursor", state_dir, options.destinations[0].id);
	assert_int_equal(truncate(path, 40), 0);
	expect_all_of_it("its cursor was damaged, and was renamed to .damaged: the log is sent from its beginning");
}

/* What nobody has sealed, in a file that others follow, is sent as well: it is in the log. */
static void a_file_that_ends_without_a_seal(void **state)
{
	static const char line[] = "{\"time\":\"2026-03-01T12:00:00.123Z\",\"type\":\"decision\",\"sequence\":99999}\n";
	_cleanup_(segments_free) struct segments segments = {0};
	static char *wanted[MOST];
	char path[512];
	size_t count;
	int file;

	(void)state;
	write_log(150);
	assert_int_equal(segments_list(audit_dir, &segments), 0);
	assert_true(segments.count >= 2);
	snprintf(path, sizeof(path), "%s/%s", audit_dir, segments.items[0].name);
	file = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(write(file, line, strlen(line)), strlen(line));
	close(file);
	count = read_log(wanted);
	begin_shipping();
	wait_for_lines(count);
	expect_lines(wanted, count, true);
	free_lines(wanted, count);
}

static void certificates_that_cannot_be_read(void **state)
{
	struct problem problem = {0};
	struct ship *other = NULL;

	(void)state;
	assert_int_equal(destination_parse("syslog+tls://127.0.0.1:1", &options.destinations[0]), 0);
	options.ca_file = "/nowhere/ca.pem";
	assert_int_equal(ship_start(&options, &problem, &other), -ENOENT);
	assert_string_equal(problem.text, "cannot read /nowhere/ca.pem: No such file or directory");
	options.ca_file = "/proc/self/status";
	assert_int_equal(ship_start(&options, &problem, &other), -EINVAL);
	assert_non_null(strstr(problem.text, "/proc/self/status has no certificates that can be used"));
	options.count = 0;
	assert_int_equal(ship_start(&options, &problem, &other), 0);
	assert_null(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(deaths, begin, end),
		cmocka_unit_test_setup_teardown(what_was_deleted_is_said, begin, end),
		cmocka_unit_test_setup_teardown(another_log, begin, end),
		cmocka_unit_test_setup_teardown(another_line, begin, end),
		cmocka_unit_test_setup_teardown(a_damaged_cursor, begin, end),
		cmocka_unit_test_setup_teardown(a_file_that_ends_without_a_seal, begin, end),
		cmocka_unit_test_setup_teardown(certificates_that_cannot_be_read, begin, end),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
