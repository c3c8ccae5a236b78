// SPDX-License-Identifier: GPL-2.0-only
#include "audit/gaps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/chain.h"
#include "audit/segment.h"
#include "base/cleanup.h"

struct gaps {
	size_t cpus;
	struct gap_totals found, written_found, kept_found;
	uint64_t *written, *kept; /* as `next` was when it was written, and was kept, last */
	uint64_t next[];	  /* cpu * USHER_RINGS + ring */
};

int gaps_new(size_t cpus, struct gaps **ret_gaps)
{
	struct gaps *gaps = calloc(1, sizeof(*gaps) + 3 * cpus * USHER_RINGS * sizeof(gaps->next[0]));

	if (!gaps)
		return -ENOMEM;
	gaps->cpus = cpus;
	gaps->written = gaps->next + cpus * USHER_RINGS;
	gaps->kept = gaps->written + cpus * USHER_RINGS;
	*ret_gaps = gaps;
	return 0;
}

void gaps_free(struct gaps *gaps)
{
	free(gaps);
}

static uint64_t *next_of(struct gaps *gaps, uint32_t cpu, enum usher_ring ring)
{
	return cpu < gaps->cpus && ring < USHER_RINGS ? &gaps->next[cpu * USHER_RINGS + ring] : NULL;
}

bool gaps_recorded(const struct gaps *gaps, uint32_t cpu, enum usher_ring ring, uint64_t sequence)
{
	return cpu < gaps->cpus && ring < USHER_RINGS && sequence < gaps->next[cpu * USHER_RINGS + ring];
}

static void copy(const struct gaps *gaps, uint64_t *to, const uint64_t *from)
{
	memcpy(to, from, gaps->cpus * USHER_RINGS * sizeof(*to));
}

void gaps_write(struct gaps *gaps)
{
	copy(gaps, gaps->written, gaps->next);
	gaps->written_found = gaps->found;
}

void gaps_keep(struct gaps *gaps)
{
	copy(gaps, gaps->kept, gaps->written);
	gaps->kept_found = gaps->written_found;
}

void gaps_return(struct gaps *gaps)
{
	copy(gaps, gaps->next, gaps->kept);
	gaps->found = gaps->kept_found;
	gaps_write(gaps);
}

struct gap_totals gaps_totals(const struct gaps *gaps)
{
	return gaps->kept_found;
}

void gaps_position(const struct gaps *gaps, struct json *to, const struct record_stamp *stamp)
{
	record_position(to, stamp, gaps->next, gaps->cpus);
}

/* ---- what is in the log already ----------------------------------------------------------------------------- */

enum lesson { LESSON_NOTHING, LESSON_THIS_BOOT, LESSON_POSITION };

static bool number_after(const char *line, const char *key, uint64_t *ret_number)
{
	const char *at = strstr(line, key);

	return at && sscanf(at + strlen(key), "%" SCNu64, ret_number) == 1;
}

static void raise_next(struct gaps *gaps, uint64_t cpu, enum usher_ring ring, uint64_t due)
{
	uint64_t *next = cpu < gaps->cpus ? next_of(gaps, (uint32_t)cpu, ring) : NULL;

	if (next && due > *next)
		*next = due;
}

/* The array of a position record, if this line is one. */
static bool learn_position(struct gaps *gaps, const char *line, const char *key, enum usher_ring ring)
{
	const char *at = strstr(line, key);
	uint64_t due;

	if (!at)
		return false;
	at += strlen(key);
	for (uint64_t cpu = 0; *at && *at != ']' && sscanf(at, "%" SCNu64, &due) == 1; cpu++) {
		raise_next(gaps, cpu, ring, due);
		at += strcspn(at, ",]");
		at += *at == ',';
	}
	return true;
}

/* Lines are our own: no name in them can hold a quotation mark that is not escaped. */
static enum lesson learn_line(struct gaps *gaps, const char *line, const char *boot)
{
	uint64_t cpu, sequence;

	if (!strstr(line, boot))
		return LESSON_NOTHING;
	/* A seal names the numbers of both rings; each of them has a line of its own. */
	if (chain_type(line, strlen(line)) == CHAIN_SEAL)
		return LESSON_THIS_BOOT;
	if (learn_position(gaps, line, "\"next_events\":[", USHER_RING_EVENTS) &&
	    learn_position(gaps, line, "\"next_required\":[", USHER_RING_REQUIRED))
		return LESSON_POSITION;
	if (number_after(line, "\"cpu\":", &cpu) &&
	    (number_after(line, "\"sequence\":", &sequence) || number_after(line, "\"last\":", &sequence)))
		raise_next(gaps, cpu, strstr(line, "\"ring\":\"required\"") ? USHER_RING_REQUIRED : USHER_RING_EVENTS,
			   sequence + 1);
	return LESSON_THIS_BOOT;
}

static int learn_segment(struct gaps *gaps, const char *folder, const char *name, const char *boot,
			 enum lesson *ret_lesson)
{
	_cleanup_(segment_release) struct segment_text text = {0};
	_cleanup_fclose_ FILE *file = NULL;
	_cleanup_free_ char *line = NULL;
	enum lesson most = LESSON_NOTHING;
	size_t room = 0;
	int error = segment_read(folder, name, &text);

	if (error)
		return error;
	if (!text.length) { /* the newest one is: it was begun by who asks. It says nothing of those before it */
		*ret_lesson = LESSON_THIS_BOOT;
		return 0;
	}
	file = fmemopen((void *)(uintptr_t)text.bytes, text.length, "re");
	if (!file)
		return -errno;
	while (getline(&line, &room, file) > 0) {
		enum lesson lesson = learn_line(gaps, line, boot);

		if (lesson > most)
			most = lesson;
	}
	if (ferror(file))
		return -EIO;
	*ret_lesson = most;
	return 0;
}

int gaps_learn(struct gaps *gaps, const char *folder, uint64_t boot_id)
{
	_cleanup_(segments_free) struct segments segments = {0};
	enum lesson lesson = LESSON_THIS_BOOT;
	int error = segments_list(folder, &segments);
	char boot[64];

	snprintf(boot, sizeof(boot), "\"boot\":\"%016" PRIx64 "\"", boot_id);
	for (size_t i = segments.count; i-- > 0 && !error && lesson == LESSON_THIS_BOOT;)
		error = learn_segment(gaps, folder, segments.items[i].name, boot, &lesson);
	gaps_write(gaps);
	gaps_keep(gaps);
	return error;
}

/* ---- what comes --------------------------------------------------------------------------------------------- */

/* The numbers from the one that is due to before `end` are missing. */
static void find(struct gaps *gaps, uint32_t cpu, enum usher_ring ring, uint64_t end, struct record_gap *ret_gap)
{
	uint64_t first = *next_of(gaps, cpu, ring);

	*ret_gap = (struct record_gap){cpu, ring, first, end - 1};
	gaps->found.gaps++;
	gaps->found.numbers += end - first;
}

bool gaps_seen(struct gaps *gaps, uint32_t cpu, enum usher_ring ring, uint64_t sequence, struct record_gap *ret_gap)
{
	uint64_t *next = next_of(gaps, cpu, ring);
	bool gap;

	if (!next || sequence < *next)
		return false;
	gap = sequence > *next;
	if (gap)
		find(gaps, cpu, ring, sequence, ret_gap);
	*next = sequence + 1;
	return gap;
}

bool gaps_ended(struct gaps *gaps, uint32_t cpu, enum usher_ring ring, uint64_t taken, struct record_gap *ret_gap)
{
	uint64_t *next = next_of(gaps, cpu, ring);

	if (!next || taken <= *next)
		return false;
	find(gaps, cpu, ring, taken, ret_gap);
	*next = taken;
	return true;
}
