// SPDX-License-Identifier: GPL-2.0-only
#include "ship/sender.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "edge/rights.h"
#include "ship/calls.h"
#include "ship/outlet.h"
#include "ship/reader.h"
#include "ship/steward.h"

#define LOOK (250 * CLOCK_MILLISECOND) /* how often it asks for the next segment */
#define IDLE_MS 100
#define SAVE_APART CLOCK_SECOND
#define REST_LEAST (500 * CLOCK_MILLISECOND) /* between a connection that failed and the next */
#define REST_MOST (15 * CLOCK_SECOND)
#define LINES_A_TURN 512

struct sender {
	const struct sender_setup *setup;
	const struct outlet_kind *kind;
	int socket;
	struct cursor cursor; /* all before it was taken */
	bool unsaved;
	int64_t saved; /* these two CLOCK_MONOTONIC */
	int64_t looked;
	struct reader *reader; /* NULL: of no segment yet */
	uint32_t segment;
	char log[CHAIN_LOG];
	uint64_t behind; /* bytes of segments after it */
	struct consignment line;
	bool has_line; /* that is read, and not handed over */
	struct window window;
};

/* ---- what it says of itself ---------------------------------------------------------------------------------- */

static void say_error(struct sender *sender, const char *text)
{
	struct ship_status *status = sender->setup->status;

	snprintf(status->error, sizeof(status->error), "%s", text);
	status->error_at = clock_realtime();
	status->errors++;
}

static void say_state(struct sender *sender)
{
	struct ship_status *status = sender->setup->status;
	const struct window *window = &sender->window;

	status->segment = sender->cursor.segment;
	status->offset = sender->cursor.offset;
	status->behind = sender->reader ? reader_left(sender->reader) + sender->behind : sender->behind;
	status->oldest = !window_is_empty(window) ? window->parcels[window->first % WINDOW_PARCELS].begun
			 : sender->has_line	  ? sender->line.time
						  : 0;
	status->looked = clock_monotonic();
}

/* ---- the log ------------------------------------------------------------------------------------------------- */

static int ask(struct sender *sender, enum steward_verb verb, uint32_t number, struct steward_answer *ret_answer,
	       int *ret_file)
{
	const struct steward_question question = {.verb = verb, .number = number, .cursor = sender->cursor};
	int error = steward_ask(sender->socket, &question, ret_answer, ret_file);

	if (error)
		exit(EXIT_SUCCESS); /* nobody is left to send for */
	return ret_answer->error;
}

static void forget_reader(struct sender *sender)
{
	reader_close(sender->reader);
	sender->reader = NULL;
	sender->has_line = false;
	sender->looked = 0;
}

static void count_lost(struct sender *sender, uint32_t first, uint32_t next)
{
	char text[SHIP_ERROR_TEXT];

	sender->setup->status->lost_segments += next - first;
	snprintf(text, sizeof(text), "segments %u to %u of the log were deleted before all of them was sent", first,
		 next - 1);
	say_error(sender, text);
}

/* From this segment on, at this place of it if it is that one. Returns 0, -ENOENT: there is none; or -errno. */
static int begin_segment(struct sender *sender, const struct cursor *at)
{
	struct steward_answer answer;
	struct cursor place = *at;
	int file, error = ask(sender, STEWARD_OPEN, at->segment, &answer, &file);

	if (error || file < 0)
		return error ? error : -EPROTO;
	/* Nothing is in it yet. */
	if (!answer.log[0]) {
		close(file);
		return -ENOENT;
	}
	if (at->log[0] && strcmp(at->log, answer.log) != 0) {
		/* Another log: from its beginning. */
		close(file);
		if (!at->segment)
			return -ESTALE;
		say_error(sender, "the log is another one than was sent before: it is sent from its beginning");
		sender->cursor = (struct cursor){0};
		return begin_segment(sender, &sender->cursor);
	}
	if (answer.number != at->segment) {
		if (at->segment)
			count_lost(sender, at->segment, answer.number);
		place = (struct cursor){.segment = answer.number};
	}
	forget_reader(sender);
	sender->segment = answer.number;
	sender->behind = answer.behind;
	memcpy(sender->log, answer.log, sizeof(sender->log));
	error = reader_open(file, answer.compressed, &place, &sender->reader);
	if (error != -ESTALE)
		return error;
	/* After a power cut the disk may have less than was sent. */
	say_error(sender, "the log is not what was sent before: its file is sent from its beginning");
	place.offset = 0;
	error = ask(sender, STEWARD_OPEN, answer.number, &answer, &file);
	return error || file < 0 ? -ESTALE : reader_open(file, answer.compressed, &place, &sender->reader);
}

/* All that can be read of this segment is read: is there a next one? Returns 0, -EAGAIN or -errno. */
static int next_segment(struct sender *sender)
{
	const struct cursor next = {.segment = sender->segment + 1};
	struct steward_answer answer;
	int64_t now = clock_monotonic();
	int file, error;

	if (now - sender->looked < LOOK)
		return -EAGAIN;
	sender->looked = now;
	error = ask(sender, STEWARD_OPEN, next.segment, &answer, &file);
	if (file >= 0)
		close(file);
	if (error)
		return error == -ENOENT ? -EAGAIN : error;
	/* What came between the last look and the end of it. */
	reader_finish(sender->reader);
	return 0;
}

/* Sees to it that there is a line, if there is one. Returns 0, -EAGAIN, or -errno, said. */
static int pull(struct sender *sender)
{
	const char *line;
	uint64_t offset;
	size_t length;
	int error = 0;

	if (sender->has_line)
		return 0;
	if (!sender->reader) {
		if (clock_monotonic() - sender->looked < LOOK)
			return -EAGAIN;
		sender->looked = clock_monotonic();
		error = begin_segment(sender, &sender->cursor);
	}
	while (!error) {
		error = reader_next(sender->reader, &line, &length, &offset);
		if (!error)
			break;
		if (error == -EAGAIN && reader_is_finished(sender->reader)) {
			const struct cursor next = {.segment = sender->segment + 1};

			error = begin_segment(sender, &next);
		} else if (error == -EAGAIN) {
			error = next_segment(sender);
		}
	}
	if (error == -EAGAIN || error == -ENOENT)
		return -EAGAIN;
	if (error) {
		char text[SHIP_ERROR_TEXT];

		snprintf(text, sizeof(text), "segment %u of the log cannot be read: %s", sender->segment,
			 strerror(-error));
		say_error(sender, text);
		forget_reader(sender);
		return error;
	}
	consignment_read(line, length, &sender->line);
	memcpy(sender->line.log, sender->log, sizeof(sender->log));
	sender->line.segment = sender->segment;
	sender->line.offset = offset;
	sender->has_line = true;
	return 0;
}

/* ---- sending ------------------------------------------------------------------------------------------------- */

static void save(struct sender *sender, bool now)
{
	struct steward_answer answer;
	int file, error;

	if (!sender->unsaved || (!now && clock_monotonic() - sender->saved < SAVE_APART))
		return;
	error = ask(sender, STEWARD_SAVE, 0, &answer, &file);
	sender->saved = clock_monotonic();
	if (error) {
		char text[SHIP_ERROR_TEXT];

		snprintf(text, sizeof(text), "its cursor cannot be written: %s", strerror(-error));
		say_error(sender, text);
	} else {
		sender->unsaved = false;
	}
}

static void advance(struct sender *sender)
{
	struct ship_status *status = sender->setup->status;
	struct window_parcel sum;

	if (!window_advance(&sender->window, &sum))
		return;
	sender->cursor = sum.after;
	sender->unsaved = true;
	status->lines += sum.lines;
	status->bytes += sum.bytes;
}

/* Hands over what there is and what there is room for. Returns how many lines, or -errno with a sentence. */
static int hand_over(struct sender *sender, struct outlet *outlet, struct problem *problem)
{
	struct window *window = &sender->window;
	int lines = 0, error = 0;

	while (lines < LINES_A_TURN && window_has_room(window, sender->kind->parcel) && !pull(sender)) {
		struct cursor after = {.segment = sender->segment};

		error = sender->kind->put(outlet, &sender->line, window_number(window, sender->kind->parcel), problem);
		if (error)
			break;
		memcpy(after.log, sender->log, sizeof(after.log));
		reader_place(sender->reader, &after);
		window_add(window, sender->kind->parcel, &after, sender->line.time, sender->line.length + 1);
		sender->has_line = false;
		lines++;
	}
	window_close(window);
	return error && error != -EAGAIN ? error : lines;
}

/* As long as the connection holds. Returns -errno with a sentence. */
static int follow(struct sender *sender, struct outlet *outlet, struct problem *problem)
{
	for (;;) {
		struct problem note = {0};
		int lines = hand_over(sender, outlet, problem);
		int error = lines < 0 ? lines : sender->kind->work(outlet, lines ? 0 : IDLE_MS, &note, problem);

		if (*note.text)
			say_error(sender, note.text);
		advance(sender);
		save(sender, false);
		sender->setup->status->connected = !error && sender->kind->connected(outlet);
		say_state(sender);
		if (error)
			return error;
	}
}

/* One connection, from the cursor on until it breaks. */
static void attempt(struct sender *sender, const struct outlet_setup *setup)
{
	struct ship_status *status = sender->setup->status;
	struct outlet *outlet = NULL;
	struct problem problem = {0};

	if (!sender->kind->open(setup, &problem, &outlet))
		follow(sender, outlet, &problem);
	sender->kind->close(outlet);
	say_error(sender, problem.text);
	status->connected = 0;
	status->repeats += !window_is_empty(&sender->window);
	window_clear(&sender->window);
	forget_reader(sender);
	save(sender, true);
}

/* Meanwhile it is known how long the log has waited. */
static void rest(struct sender *sender, int64_t duration)
{
	int64_t until = clock_monotonic() + duration, left;

	while ((left = until - clock_monotonic()) > 0) {
		pull(sender);
		say_state(sender);
		if (left > LOOK)
			left = LOOK;
		/* The steward says nothing unasked: it has let go. */
		if (poll(&(struct pollfd){.fd = sender->socket, .events = POLLIN}, 1,
			 (int)((left + CLOCK_MILLISECOND - 1) / CLOCK_MILLISECOND)) > 0)
			exit(EXIT_SUCCESS);
	}
}

int sender_run(int socket, const struct sender_setup *setup)
{
	static const struct outlet_kind *const kinds[] = {[DESTINATION_JOURNALD] = &outlet_journald,
							  [DESTINATION_SYSLOG] = &outlet_syslog,
							  [DESTINATION_KAFKA] = &outlet_kafka};
	struct sender *sender = calloc(1, sizeof(*sender));
	struct outlet_setup own = {.destination = setup->destination,
				   .credentials = setup->credentials,
				   .sender = {.facility = setup->facility, .pid = setup->pid}};
	int64_t pause = REST_LEAST;

	prctl(PR_SET_NAME, "usherd-ship");
	if (!sender)
		return EXIT_FAILURE;
	sender->setup = setup;
	sender->socket = socket;
	sender->kind = kinds[setup->destination->kind];
	sender->cursor = setup->cursor;
	own.window = &sender->window;
	gethostname(own.sender.host, sizeof(own.sender.host) - 1);
	if (rights_drop() || rights_end_with_parent() || calls_restrict(setup->destination->kind)) {
		say_error(sender, "the process that sends to it cannot give up its rights");
		return EXIT_FAILURE;
	}
	for (;;) {
		uint64_t before = setup->status->lines;

		attempt(sender, &own);
		pause = setup->status->lines > before ? REST_LEAST : pause;
		rest(sender, pause);
		pause = pause * 2 < REST_MOST ? pause * 2 : REST_MOST;
	}
}
