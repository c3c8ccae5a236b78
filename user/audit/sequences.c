// SPDX-License-Identifier: GPL-2.0-only
#include "audit/sequences.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "usher/abi.h"

#include "audit/chain.h"

#define CPUS_MAX 65536
#define FRONT 256 /* bytes of a line in which our own keys stand */

/* Of one CPU and ring. */
struct sequence_track {
	uint64_t next; /* that is due */
	bool known;
	uint64_t first, last; /* of this batch */
	bool seen;	      /* in this batch */
};

void sequences_free(struct sequences *sequences)
{
	free(sequences->tracks);
	*sequences = (struct sequences){0};
}

static struct sequence_track *find_track(const struct sequences *sequences, uint64_t cpu, enum usher_ring ring)
{
	return cpu < sequences->cpus ? &sequences->tracks[cpu * USHER_RINGS + ring] : NULL;
}

/* The same, made if there is none; NULL: no such CPU. */
static struct sequence_track *track_of(struct sequences *sequences, uint64_t cpu, enum usher_ring ring)
{
	size_t cpus = cpu + 1;

	if (cpu >= CPUS_MAX)
		return NULL;
	if (cpus > sequences->cpus) {
		sequences->tracks = realloc(sequences->tracks, cpus * USHER_RINGS * sizeof(*sequences->tracks));
		if (!sequences->tracks)
			abort();
		for (size_t i = sequences->cpus * USHER_RINGS; i < cpus * USHER_RINGS; i++)
			sequences->tracks[i] = (struct sequence_track){.known = sequences->from_zero};
		sequences->cpus = cpus;
	}
	return find_track(sequences, cpu, ring);
}

void sequences_note_boot(struct sequences *sequences, const char *line, size_t length)
{
	const char *at = chain_value(line, length < FRONT ? length : FRONT, "boot");

	if (!at || *at++ != '"')
		return;
	if ((size_t)(line + length - at) < SEQUENCES_BOOT - 1 || !memcmp(at, sequences->boot, SEQUENCES_BOOT - 1))
		return;
	sequences->from_zero = sequences->boot[0];
	memcpy(sequences->boot, at, SEQUENCES_BOOT - 1);
	for (size_t i = 0; i < sequences->cpus * USHER_RINGS; i++)
		sequences->tracks[i] = (struct sequence_track){.known = sequences->from_zero};
}

static enum usher_ring ring_of(const char *line, size_t length)
{
	static const char required[] = "\"required\"";
	const char *at = chain_value(line, length, "ring");

	return at && (size_t)(line + length - at) >= sizeof(required) - 1 && !memcmp(at, required, sizeof(required) - 1)
		       ? USHER_RING_REQUIRED
		       : USHER_RING_EVENTS;
}

const char *sequences_take(struct sequences *sequences, const char *line, size_t length, bool gap,
			   char text[SEQUENCES_TEXT])
{
	size_t front = length < FRONT ? length : FRONT;
	const char *fault = NULL;
	uint64_t cpu, first, last;
	struct sequence_track *track;

	if (chain_number(line, front, "cpu", &cpu) || chain_number(line, front, gap ? "first" : "sequence", &first) ||
	    (gap && chain_number(line, front, "last", &last)) ||
	    !(track = track_of(sequences, cpu, ring_of(line, front))))
		return "a record without a number";
	if (!gap)
		last = first;
	if (track->known && first != track->next) {
		snprintf(text, SEQUENCES_TEXT,
			 "CPU %" PRIu64 " goes on with number %" PRIu64 " where %" PRIu64 " is due", cpu, first,
			 track->next);
		fault = text;
	}
	if (!track->seen)
		track->first = first;
	track->seen = track->known = true;
	track->last = last;
	track->next = last + 1;
	return fault;
}

/* One of them: {"cpu":0,"ring":"events","first":1,"last":2} */
static bool is_named(const struct sequences *sequences, const char *text, size_t length)
{
	const struct sequence_track *track;
	uint64_t cpu, first, last;

	if (chain_number(text, length, "cpu", &cpu) || chain_number(text, length, "first", &first) ||
	    chain_number(text, length, "last", &last))
		return false;
	track = find_track(sequences, cpu, ring_of(text, length));
	return track && track->seen && track->first == first && track->last == last;
}

bool sequences_are_named(const struct sequences *sequences, const char *line, size_t length)
{
	static const char key[] = ",\"sequences\":[";
	const char *at = memmem(line, length, key, sizeof(key) - 1), *end = line + length, *close;
	size_t named = 0, seen = 0;

	for (size_t i = 0; i < sequences->cpus * USHER_RINGS; i++)
		seen += sequences->tracks[i].seen;
	if (!at)
		return false;
	for (at += sizeof(key) - 1; at < end && *at != ']'; at = close + 1, named++) {
		at += *at == ',';
		close = memchr(at, '}', (size_t)(end - at));
		if (!close || *at != '{' || !is_named(sequences, at, (size_t)(close + 1 - at)))
			return false;
	}
	return named == seen;
}

void sequences_end_batch(struct sequences *sequences)
{
	for (size_t i = 0; i < sequences->cpus * USHER_RINGS; i++)
		sequences->tracks[i].seen = false;
}
