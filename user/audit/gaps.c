// SPDX-License-Identifier: GPL-2.0-only
#include "audit/gaps.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define SEGMENTS_READ 2

struct gaps {
	size_t cpus;
	uint64_t next[]; /* cpu * USHER_RINGS + ring */
};

int gaps_new(size_t cpus, struct gaps **ret_gaps)
{
	struct gaps *gaps = calloc(1, sizeof(*gaps) + cpus * USHER_RINGS * sizeof(gaps->next[0]));

	if (!gaps)
		return -ENOMEM;
	gaps->cpus = cpus;
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

/* ---- what is in the log already ----------------------------------------------------------------------------- */

static bool number_after(const char *line, const char *key, uint64_t *ret_number)
{
	const char *at = strstr(line, key);

	return at && sscanf(at + strlen(key), "%" SCNu64, ret_number) == 1;
}

static void learn_line(struct gaps *gaps, const char *line, const char *boot)
{
	enum usher_ring ring = strstr(line, "\"ring\":\"required\"") ? USHER_RING_REQUIRED : USHER_RING_EVENTS;
	uint64_t cpu, sequence, *next;

	if (!strstr(line, boot) || !number_after(line, "\"cpu\":", &cpu) ||
	    (!number_after(line, "\"sequence\":", &sequence) && !number_after(line, "\"last\":", &sequence)))
		return;
	next = next_of(gaps, (uint32_t)cpu, ring);
	if (next && sequence >= *next)
		*next = sequence + 1;
}

static int is_segment(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return length > 6 && !strcmp(entry->d_name + length - 6, ".jsonl");
}

int gaps_learn(struct gaps *gaps, const char *folder, uint64_t boot_id)
{
	struct dirent **entries;
	int count = scandir(folder, &entries, is_segment, alphasort), error = 0;
	char boot[64];

	if (count < 0)
		return -errno;
	snprintf(boot, sizeof(boot), "\"boot\":\"%016" PRIx64 "\"", boot_id);
	/* The newest one may be empty: it was begun by who asks. */
	for (int i = count > SEGMENTS_READ ? count - SEGMENTS_READ - 1 : 0; i < count; i++) {
		char path[4096];
		_cleanup_fclose_ FILE *file = NULL;
		_cleanup_free_ char *line = NULL;
		size_t room = 0;

		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		file = fopen(path, "re");
		if (!file) {
			error = -errno;
			continue;
		}
		while (getline(&line, &room, file) > 0)
			learn_line(gaps, line, boot);
	}
	for (int i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
	return error;
}

/* ---- what comes --------------------------------------------------------------------------------------------- */

bool gaps_seen(struct gaps *gaps, uint32_t cpu, enum usher_ring ring, uint64_t sequence, struct record_gap *ret_gap)
{
	uint64_t *next = next_of(gaps, cpu, ring);
	bool gap;

	if (!next || sequence < *next)
		return false;
	gap = sequence > *next;
	if (gap)
		*ret_gap = (struct record_gap){cpu, ring, *next, sequence - 1};
	*next = sequence + 1;
	return gap;
}

bool gaps_ended(struct gaps *gaps, uint32_t cpu, enum usher_ring ring, uint64_t taken, struct record_gap *ret_gap)
{
	uint64_t *next = next_of(gaps, cpu, ring);

	if (!next || taken <= *next)
		return false;
	*ret_gap = (struct record_gap){cpu, ring, *next, taken - 1};
	*next = taken;
	return true;
}
