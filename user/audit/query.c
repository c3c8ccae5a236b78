// SPDX-License-Identifier: GPL-2.0-only
#include "audit/query.h"

#include <errno.h>
#include <string.h>

#include "audit/segment.h"
#include "base/cleanup.h"

#define FIRST_LINE_ROOM 4096
#define TRIES 16

struct query {
	const char *folder;
	const struct filter *filter;
	struct query_place *place;
	query_found *found;
	void *context;
	struct query_totals totals;
};

/* Does the segment after this one say that it holds nothing of the time in question? */
static bool can_be_skipped(const struct query *query, const struct segments *segments, size_t i)
{
	const struct segment_name *next = &segments->items[i + 1];
	char line[FIRST_LINE_ROOM];
	struct chain_segment first;
	size_t length;

	if (!query->filter->since[0] && !query->filter->until[0])
		return false;
	if (i + 1 == segments->count || next->number != segments->items[i].number + 1)
		return false;
	return !segment_first_line(query->folder, next->name, sizeof(line), line, &length) &&
	       chain_type(line, length) == CHAIN_SEGMENT && !chain_parse_segment(line, length, &first) &&
	       first.number == next->number && first.has_previous && !filter_may_match(query->filter, &first.span);
}

/* Behind the last seal that follows `from`. */
static const char *last_seal(const char *from, const char *end)
{
	const char *sealed = from, *newline;

	for (const char *line = from; line < end; line = newline + 1) {
		newline = memchr(line, '\n', (size_t)(end - line));
		if (!newline)
			break;
		if (chain_type(line, (size_t)(newline - line)) == CHAIN_SEAL)
			sealed = newline + 1;
	}
	return sealed;
}

/* newest: it may still be written to. A batch that has no seal yet is not in the log, and may be taken back. */
static int read_text(struct query *query, const struct segment_text *text, bool newest)
{
	const char *line = text->bytes, *end = text->bytes + text->length, *newline;
	enum filter_answer matches;
	int answer = 0;

	if (query->place->offset >= text->length)
		return 0;
	if (newest && query->place->chained)
		end = last_seal(line + query->place->offset, end);
	for (line += query->place->offset; line < end && !answer; line = newline + 1) {
		newline = memchr(line, '\n', (size_t)(end - line));
		if (!newline) /* being written: the rest of it comes later */
			break;
		query->totals.lines++;
		query->totals.bytes += (size_t)(newline + 1 - line);
		query->place->offset = (size_t)(newline + 1 - text->bytes);
		matches = filter_ask(query->filter, line, (size_t)(newline - line));
		query->totals.unknown += matches == FILTER_UNKNOWN;
		if (matches != FILTER_YES)
			continue;
		query->totals.found++;
		answer = query->found(line, (size_t)(newline - line), query->context);
	}
	return answer;
}

/* Older versions wrote without seals. */
static bool begins_chained(const struct segment_text *text)
{
	return text->length && chain_type(text->bytes, text->length) == CHAIN_SEGMENT;
}

/* One segment. Closed ones may get another name, or go, between one's listing them and reading them: *ret_again. */
static int read_segment(struct query *query, const struct segments *segments, size_t i, bool *ret_again)
{
	const struct segment_name *segment = &segments->items[i];
	struct segment_text text;
	int answer;

	if (segment->number != query->place->segment)
		*query->place = (struct query_place){.segment = segment->number};
	if (!query->place->offset && can_be_skipped(query, segments, i)) {
		query->totals.skipped++;
		return 0;
	}
	answer = segment_read_from(query->folder, segment->name, query->place->offset, &text);
	if (answer) {
		*ret_again = answer == -ENOENT;
		return answer;
	}
	query->totals.segments++;
	query->totals.damaged += text.damaged;
	if (!query->place->offset)
		query->place->chained = begins_chained(&text);
	answer = read_text(query, &text, i + 1 == segments->count);
	segment_release(&text);
	return answer;
}

/* All that there are, from the place on. */
static int read_folder(struct query *query, bool *ret_again)
{
	_cleanup_(segments_free) struct segments segments = {0};
	int answer = segments_list(query->folder, &segments);

	if (!answer && !segments.count)
		answer = -ENOENT;
	for (size_t i = 0; !answer && i < segments.count; i++)
		if (segments.items[i].number >= query->place->segment)
			answer = read_segment(query, &segments, i, ret_again);
	return answer;
}

int query_run(const char *folder, const struct filter *filter, struct query_place *place, query_found *found,
	      void *context, struct query_totals *totals)
{
	struct query query = {folder, filter, place, found, context, {0}};
	bool again = true;
	int answer = 0;

	for (int i = 0; again && i < TRIES; i++) {
		again = false;
		answer = read_folder(&query, &again);
	}
	if (totals) {
		totals->segments += query.totals.segments;
		totals->skipped += query.totals.skipped;
		totals->bytes += query.totals.bytes;
		totals->lines += query.totals.lines;
		totals->found += query.totals.found;
		totals->unknown += query.totals.unknown;
		totals->damaged += query.totals.damaged;
	}
	return answer;
}
