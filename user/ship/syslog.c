// SPDX-License-Identifier: GPL-2.0-only
/*
 * An outlet to a syslog server: RFC 5424 messages, counted by octets (RFC 5425, RFC 6587), over TLS or TCP.
 *
 * The protocol has no answer. So a line is taken to be taken when the other side's kernel has acknowledged its bytes and the connection
 * has stood for OUTLET_HOLD since. A server that dies breaks its connections: what it had not made safe by then is sent again, unless it had held
 * it back for longer than that. That is what can be lost.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "ship/outlet.h"
#include "ship/stream.h"

#define BUFFER (256u << 10) /* beyond that it takes no further line */
#define PARCEL_LINES 256

struct mark {
	uint64_t end;  /* in the text that was put */
	uint64_t wire; /* on the wire */
	int64_t since; /* CLOCK_MONOTONIC: acknowledged */
};

struct outlet {
	const struct outlet_setup *setup;
	struct stream *stream;
	struct json text; /* what was put and not written, from `at` on */
	size_t at;
	uint64_t put, written; /* bytes of it since the beginning */
	/* Numbers of parcels: those before were put, written, acknowledged, and have been so for long enough. */
	uint64_t put_to, written_to, known_to, held_to;
	uint64_t acknowledged; /* bytes on the wire */
	int64_t moved;	       /* CLOCK_MONOTONIC: written or acknowledged last */
	struct mark marks[WINDOW_PARCELS];
};

static struct mark *mark(struct outlet *outlet, uint64_t number)
{
	return &outlet->marks[number % WINDOW_PARCELS];
}

static void close_outlet(struct outlet *outlet)
{
	if (!outlet)
		return;
	stream_close(outlet->stream);
	json_free(&outlet->text);
	free(outlet);
}

static int open_outlet(const struct outlet_setup *setup, struct problem *problem, struct outlet **ret_outlet)
{
	struct outlet *outlet = calloc(1, sizeof(*outlet));
	const struct destination *to = setup->destination;
	int error;

	if (!outlet)
		return problem_set(problem, -ENOMEM, "no memory");
	outlet->setup = setup;
	error = stream_open(to->host, to->port, to->tls ? setup->credentials->context : NULL, OUTLET_PATIENCE, problem,
			    &outlet->stream);
	if (error) {
		close_outlet(outlet);
		return error;
	}
	outlet->put_to = outlet->written_to = outlet->known_to = outlet->held_to = setup->window->next;
	outlet->moved = clock_monotonic();
	*ret_outlet = outlet;
	return 0;
}

static int put(struct outlet *outlet, const struct consignment *consignment, uint64_t number, struct problem *problem)
{
	size_t before = outlet->text.length;

	(void)problem;
	if (before - outlet->at >= BUFFER)
		return -EAGAIN;
	if (outlet->at >= BUFFER) {
		before -= outlet->at;
		memmove(outlet->text.bytes, outlet->text.bytes + outlet->at, before);
		outlet->text.length = before;
		outlet->at = 0;
	}
	consignment_syslog(consignment, &outlet->setup->sender, &outlet->text);
	outlet->put += outlet->text.length - before;
	outlet->put_to = number + 1;
	mark(outlet, number)->end = outlet->put;
	return 0;
}

/* As much as goes. */
static int write_out(struct outlet *outlet, struct problem *problem)
{
	while (outlet->at < outlet->text.length) {
		ssize_t got = stream_write(outlet->stream, outlet->text.bytes + outlet->at,
					   outlet->text.length - outlet->at, problem);

		if (got == -EAGAIN)
			return 0;
		if (got < 0)
			return (int)got;
		outlet->at += (size_t)got;
		outlet->written += (uint64_t)got;
		outlet->moved = clock_monotonic();
		for (; outlet->written_to < outlet->put_to && mark(outlet, outlet->written_to)->end <= outlet->written;
		     outlet->written_to++)
			mark(outlet, outlet->written_to)->wire = stream_sent(outlet->stream);
	}
	json_clear(&outlet->text);
	outlet->at = 0;
	return 0;
}

static void see_what_was_taken(struct outlet *outlet, int64_t now)
{
	uint64_t acknowledged = stream_acknowledged(outlet->stream);

	if (acknowledged > outlet->acknowledged)
		outlet->moved = now;
	outlet->acknowledged = acknowledged;
	for (; outlet->known_to < outlet->written_to && mark(outlet, outlet->known_to)->wire <= acknowledged;
	     outlet->known_to++)
		mark(outlet, outlet->known_to)->since = now;
	while (outlet->held_to < outlet->known_to && now - mark(outlet, outlet->held_to)->since >= OUTLET_HOLD)
		window_taken(outlet->setup->window, outlet->held_to++);
}

static int work(struct outlet *outlet, int wait_ms, struct problem *note, struct problem *problem)
{
	int error = write_out(outlet, problem);
	bool waits = outlet->at < outlet->text.length;
	int64_t now;

	(void)note;
	if (error)
		return error;
	if (wait_ms || waits)
		stream_wait(outlet->stream, waits, wait_ms ? wait_ms : 1);
	/* Only of one that stands is anything taken. */
	error = stream_listen(outlet->stream, problem);
	if (error)
		return error;
	now = clock_monotonic();
	see_what_was_taken(outlet, now);
	if ((waits || outlet->known_to < outlet->put_to) && now - outlet->moved >= OUTLET_STALL)
		return problem_set(problem, -ETIMEDOUT, "it has taken nothing for %lld s",
				   (long long)(OUTLET_STALL / CLOCK_SECOND));
	if (outlet->known_to == outlet->put_to)
		outlet->moved = now;
	return 0;
}

static bool connected(const struct outlet *outlet)
{
	return outlet != NULL;
}

const struct outlet_kind outlet_syslog = {PARCEL_LINES, open_outlet, close_outlet, put, work, connected};
