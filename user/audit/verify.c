// SPDX-License-Identifier: GPL-2.0-only
#include "audit/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "audit/hole.h"
#include "audit/segment.h"
#include "audit/verifier.h"
#include "base/cleanup.h"

#define TRIES 16
#define NEXT_LINE_ROOM 4096

/* Zeros in a line of the newest segment, behind all that is known to have been on the disk: one finding for what a power cut leaves. */
static bool take_hole(struct verifier *verifier, const char *folder, uint32_t number)
{
	if (!hole_is_unsynced(folder, verifier->log, verifier->chain.seals, number))
		return false;
	verifier_find(verifier, verifier->line + 1, verifier->line + 1,
		      "zeros, behind seal %" PRIu64 ": none after that is known to have been on the disk. A power cut "
		      "leaves this of what was not synced, and so could an edit; usherd sets it and what follows aside",
		      verifier->chain.seals);
	return true;
}

/* last: nothing comes after it, so that its end may still be being written. */
static int take_segment(struct verifier *verifier, const char *folder, const struct segment_text *text, uint32_t number,
			bool last)
{
	const char *line = text->bytes, *end = text->bytes + text->length, *newline;
	const char *zero = last ? memchr(line, '\0', text->length) : NULL;
	bool hole = false;
	int error;

	verifier->line = 0;
	verifier->batch_line = 1;
	for (; line < end; line = newline + 1) {
		newline = memchr(line, '\n', (size_t)(end - line));
		if (!newline)
			break;
		if (zero && zero < newline) {
			hole = take_hole(verifier, folder, number);
			zero = NULL;
			if (hole)
				break;
		}
		verifier->line++;
		if (verifier->line == 1) {
			error = verifier_begin_segment(verifier, line, (size_t)(newline - line), number);
			if (error)
				return error;
			verifier_note_time(verifier, line, (size_t)(newline - line));
		}
		verifier_take_line(verifier, line, (size_t)(newline - line));
	}
	verifier->summary.lines += verifier->line;
	if (text->damaged)
		verifier_find(verifier, verifier->line + 1, verifier->line + 1,
			      "the compressed file is damaged: what it held from here on cannot be read");
	else if (!verifier->line && !hole)
		verifier_find(verifier, 0, 0, "the segment is empty");
	else if (last)
		verifier->summary.unsealed_lines = verifier->chain.lines + (line < end);
	else if (verifier->chain.lines || line < end)
		verifier_find(verifier, verifier->batch_line, verifier->line + (line < end),
			      "nothing seals the end of the segment");
	else if (verifier->summary.signed_seal + 1 != verifier->summary.last_seal)
		verifier_find(verifier, verifier->line, verifier->line,
			      "no checkpoint that holds signs the end of the segment");
	return 0;
}

/* A log that does not begin at its beginning says itself why, and has signed that. */
static void judge_beginning(struct verifier *verifier, const struct segments *segments)
{
	uint32_t first = verifier->summary.first_segment;

	if (first <= 1)
		return;
	verifier->segment = segments->items[0].name;
	if (!verifier->shortened_by)
		verifier_find(
			verifier, 0, 0,
			"the log begins with segment %u, and no record in it says that the one before it was deleted",
			first);
	else if (verifier->shortened_by > verifier->summary.signed_seal)
		verifier_find(verifier, 0, 0,
			      "the log begins with segment %u, and the record that the one before it was deleted is "
			      "not signed",
			      first);
	else
		verifier->summary.deleted = first - 1;
}

/* One of them. -ESTALE: it was the first, and has been deleted since they were listed. */
static int take_file(struct verifier *verifier, const char *folder, const struct segments *segments, size_t i)
{
	const struct segment_name *name = &segments->items[i];
	struct segment_text text;
	int error = segment_read(folder, name->name, &text);

	if (error)
		return error == -ENOENT && !i ? -ESTALE : error;
	verifier->segment = name->name;
	if (!verifier->summary.segments)
		verifier->summary.first_segment = name->number;
	if (i && name->number != segments->items[i - 1].number + 1)
		verifier_find(verifier, 0, 0, "segment %u stands where %u is due", name->number,
			      segments->items[i - 1].number + 1);
	error = take_segment(verifier, folder, &text, name->number, i + 1 == segments->count);
	segment_release(&text);
	verifier->summary.segments++;
	return error;
}

/* What comes after the range: only that it goes on from there. */
static int meet_next(struct verifier *verifier, const char *folder, const struct segment_name *name, uint32_t due)
{
	char line[NEXT_LINE_ROOM] = "";
	size_t length = 0;
	int error = segment_first_line(folder, name->name, sizeof(line), line, &length);

	if (error == -ENOMEM)
		return error;
	verifier->segment = name->name;
	verifier->line = 1;
	if (name->number != due)
		verifier_find(verifier, 0, 0, "segment %u stands where %u is due", name->number, due);
	return verifier_begin_segment(verifier, line, error ? 0 : length, name->number);
}

static int take_range(struct verifier *verifier, const char *folder, const struct segments *segments,
		      struct verify_range range)
{
	size_t i = 0;
	int error = 0;

	while (i < segments->count && segments->items[i].number < range.first)
		i++;
	if (range.last != UINT32_MAX && (!segments->count || segments->items[segments->count - 1].number < range.last))
		return -ERANGE;
	for (; !error && i < segments->count && segments->items[i].number <= range.last; i++)
		error = take_file(verifier, folder, segments, i);
	if (error)
		return error;
	if (i < segments->count)
		return meet_next(verifier, folder, &segments->items[i], range.last + 1);
	verifier_miss_witnesses(verifier);
	return 0;
}

int verify_range(const char *folder, struct verify_range range, const struct verify_trust *trust, verify_found *found,
		 void *context, struct verify_summary *ret_summary)
{
	_cleanup_(verifier_close) struct verifier verifier;
	_cleanup_(segments_free) struct segments segments = {0};
	int error = -ESTALE;

	verifier_open(trust, found, context, &verifier);
	for (int tries = 0; error == -ESTALE && tries < TRIES; tries++) {
		segments_free(&segments);
		error = segments_list(folder, &segments);
		if (!error)
			error = take_range(&verifier, folder, &segments, range);
	}
	if (error)
		return error;
	if (segments.count && segments.items[0].number >= range.first)
		judge_beginning(&verifier, &segments);
	*ret_summary = verifier.summary;
	return 0;
}

int verify_folder(const char *folder, const struct verify_trust *trust, verify_found *found, void *context,
		  struct verify_summary *ret_summary)
{
	return verify_range(folder, VERIFY_ALL, trust, found, context, ret_summary);
}
