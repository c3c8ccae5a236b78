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
	struct record_account *written, *kept; /* as `now` was when it was written, and was kept, last */
	struct record_account now[];	       /* cpu * USHER_RINGS + ring */
};

int gaps_new(size_t cpus, struct gaps **ret_gaps)
{
	struct gaps *gaps = calloc(1, sizeof(*gaps) + 3 * cpus * USHER_RINGS * sizeof(gaps->now[0]));

	if (!gaps)
		return -ENOMEM;
	gaps->cpus = cpus;
	gaps->written = gaps->now + cpus * USHER_RINGS;
	gaps->kept = gaps->written + cpus * USHER_RINGS;
	*ret_gaps = gaps;
	return 0;
}

void gaps_free(struct gaps *gaps)
{
	free(gaps);
}

static bool is_there(const struct gaps *gaps, uint64_t cpu, enum usher_ring ring)
{
	return cpu < gaps->cpus && ring < USHER_RINGS;
}

static struct record_account *account_of(struct gaps *gaps, uint64_t cpu, enum usher_ring ring)
{
	return is_there(gaps, cpu, ring) ? &gaps->now[cpu * USHER_RINGS + ring] : NULL;
}

bool gaps_recorded(const struct gaps *gaps, uint32_t cpu, enum usher_ring ring, uint64_t sequence)
{
	return is_there(gaps, cpu, ring) && sequence < gaps->now[cpu * USHER_RINGS + ring].next;
}

struct record_account gaps_account(const struct gaps *gaps, uint32_t cpu, enum usher_ring ring)
{
	return is_there(gaps, cpu, ring) ? gaps->written[cpu * USHER_RINGS + ring] : (struct record_account){0};
}

static void copy(const struct gaps *gaps, struct record_account *to, const struct record_account *from)
{
	memcpy(to, from, gaps->cpus * USHER_RINGS * sizeof(*to));
}

void gaps_write(struct gaps *gaps)
{
	copy(gaps, gaps->written, gaps->now);
	gaps->written_found = gaps->found;
}

void gaps_keep(struct gaps *gaps)
{
	copy(gaps, gaps->kept, gaps->written);
	gaps->kept_found = gaps->written_found;
}

void gaps_return(struct gaps *gaps)
{
	copy(gaps, gaps->now, gaps->kept);
	gaps->found = gaps->kept_found;
	gaps_write(gaps);
}

struct gap_totals gaps_totals(const struct gaps *gaps)
{
	return gaps->kept_found;
}

void gaps_position(const struct gaps *gaps, struct json *to, const struct record_stamp *stamp)
{
	record_position(to, stamp, gaps->now, gaps->cpus);
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
	struct record_account *account = account_of(gaps, cpu, ring);

	if (account && due > account->next)
		account->next = due;
}

/* What was lost before a position. */
static void set_lost(struct gaps *gaps, uint64_t cpu, enum usher_ring ring, uint64_t lost)
{
	struct record_account *account = account_of(gaps, cpu, ring);

	if (account)
		account->lost = lost;
}

typedef void learn_number(struct gaps *gaps, uint64_t cpu, enum usher_ring ring, uint64_t number);

/* One array of a position record, if this line is one. */
static bool learn_array(struct gaps *gaps, const char *line, const char *key, enum usher_ring ring, learn_number *learn)
{
	const char *at = strstr(line, key);
	uint64_t number;

	if (!at)
		return false;
	at += strlen(key);
	for (uint64_t cpu = 0; *at && *at != ']' && sscanf(at, "%" SCNu64, &number) == 1; cpu++) {
		learn(gaps, cpu, ring, number);
		at += strcspn(at, ",]");
		at += *at == ',';
	}
	return true;
}

static bool learn_position(struct gaps *gaps, const char *line)
{
	learn_array(gaps, line, "\"lost_events\":[", USHER_RING_EVENTS, set_lost);
	learn_array(gaps, line, "\"lost_required\":[", USHER_RING_REQUIRED, set_lost);
	return learn_array(gaps, line, "\"next_events\":[", USHER_RING_EVENTS, raise_next) &&
	       learn_array(gaps, line, "\"next_required\":[", USHER_RING_REQUIRED, raise_next);
}

static void learn_gap(struct gaps *gaps, uint64_t cpu, enum usher_ring ring, uint64_t first, uint64_t last)
{
	struct record_account *account = account_of(gaps, cpu, ring);

	if (account && first <= last)
		account->lost += last - first + 1;
	raise_next(gaps, cpu, ring, last + 1);
}

/* Lines are our own: no name in them can hold a quotation mark that is not escaped. */
static enum lesson learn_line(struct gaps *gaps, const char *line, const char *boot)
{
	enum usher_ring ring = strstr(line, "\"ring\":\"required\"") ? USHER_RING_REQUIRED : USHER_RING_EVENTS;
	uint64_t cpu, first, last;

	if (!strstr(line, boot))
		return LESSON_NOTHING;
	/* A seal names the numbers of both rings; each of them has a line of its own. */
	if (chain_type(line, strlen(line)) == CHAIN_SEAL)
		return LESSON_THIS_BOOT;
	if (learn_position(gaps, line))
		return LESSON_POSITION;
	if (!number_after(line, "\"cpu\":", &cpu))
		return LESSON_THIS_BOOT;
	if (number_after(line, "\"sequence\":", &last))
		raise_next(gaps, cpu, ring, last + 1);
	else if (number_after(line, "\"first\":", &first) && number_after(line, "\"last\":", &last))
		learn_gap(gaps, cpu, ring, first, last);
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

/* What `now` has of a segment, with what newer ones have. */
static void add_segment(struct gaps *gaps, struct record_account *newer)
{
	for (size_t i = 0; i < gaps->cpus * USHER_RINGS; i++) {
		if (gaps->now[i].next > newer[i].next)
			newer[i].next = gaps->now[i].next;
		newer[i].lost += gaps->now[i].lost;
		gaps->now[i] = (struct record_account){0};
	}
}

int gaps_learn(struct gaps *gaps, const char *folder, uint64_t boot_id)
{
	_cleanup_(segments_free) struct segments segments = {0};
	enum lesson lesson = LESSON_THIS_BOOT;
	int error = segments_list(folder, &segments);
	char boot[64];

	snprintf(boot, sizeof(boot), "\"boot\":\"%016" PRIx64 "\"", boot_id);
	for (size_t i = segments.count; i-- > 0 && !error && lesson == LESSON_THIS_BOOT;) {
		error = learn_segment(gaps, folder, segments.items[i].name, boot, &lesson);
		add_segment(gaps, gaps->kept);
	}
	gaps_return(gaps);
	return error;
}

/* ---- what comes --------------------------------------------------------------------------------------------- */

/* The numbers from the one that is due to before `end` are missing. */
static void find(struct gaps *gaps, uint32_t cpu, enum usher_ring ring, uint64_t end, struct record_gap *ret_gap)
{
	struct record_account *account = account_of(gaps, cpu, ring);

	*ret_gap = (struct record_gap){cpu, ring, account->next, end - 1};
	gaps->found.gaps++;
	gaps->found.numbers += end - account->next;
	account->lost += end - account->next;
	account->next = end;
}

bool gaps_seen(struct gaps *gaps, uint32_t cpu, enum usher_ring ring, uint64_t sequence, struct record_gap *ret_gap)
{
	struct record_account *account = account_of(gaps, cpu, ring);
	bool gap;

	if (!account || sequence < account->next)
		return false;
	gap = sequence > account->next;
	if (gap)
		find(gaps, cpu, ring, sequence, ret_gap);
	account->next = sequence + 1;
	return gap;
}

bool gaps_ended(struct gaps *gaps, uint32_t cpu, enum usher_ring ring, uint64_t taken, struct record_gap *ret_gap)
{
	const struct record_account *account = account_of(gaps, cpu, ring);

	if (!account || taken <= account->next)
		return false;
	find(gaps, cpu, ring, taken, ret_gap);
	return true;
}
