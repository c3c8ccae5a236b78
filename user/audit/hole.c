// SPDX-License-Identifier: GPL-2.0-only
#include "audit/hole.h"

#include <errno.h>
#include <string.h>

#include "audit/chain.h"
#include "audit/head.h"
#include "audit/segment.h"
#include "base/cleanup.h"

bool hole_is_unsynced(const char *folder, const char *log, uint64_t seal, uint32_t segment)
{
	struct chain_checkpoint head = {0};
	int error = head_read(folder, &head);

	/* The first segment's first second is before the first head. */
	if (error)
		return error == -ENOENT && segment == 1;
	return head.seal <= seal && !strcmp(head.log, log);
}

/* Where a log has come to by its lines, as they say so. */
struct reached {
	char log[CHAIN_LOG];
	uint64_t seal;
};

/* By whole ones. Returns false: they do not begin with a segment's. */
static bool follow(const char *bytes, size_t length, struct reached *ret_reached)
{
	const char *line = bytes, *end = bytes + length, *newline;
	struct chain_segment segment;
	struct reached reached;

	newline = memchr(line, '\n', length);
	if (!newline || chain_type(line, (size_t)(newline - line)) != CHAIN_SEGMENT ||
	    chain_parse_segment(line, (size_t)(newline - line), &segment))
		return false;
	reached.seal = segment.seal;
	memcpy(reached.log, segment.log, sizeof(reached.log));
	for (; line < end; line = newline + 1) {
		newline = memchr(line, '\n', (size_t)(end - line));
		if (!newline)
			break;
		if (chain_type(line, (size_t)(newline - line)) == CHAIN_SEAL)
			chain_number(line, (size_t)(newline - line), "number", &reached.seal);
	}
	*ret_reached = reached;
	return true;
}

static bool follow_segment(const char *folder, const char *name, size_t until, struct reached *ret_reached)
{
	_cleanup_(segment_release) struct segment_text text = {0};

	return !segment_read(folder, name, &text) &&
	       follow(text.bytes, text.length < until ? text.length : until, ret_reached);
}

bool hole_is_unsynced_at(const char *folder, const char *name, size_t at)
{
	_cleanup_(segments_free) struct segments segments = {0};
	struct reached reached = {0};
	const struct segment_name *own;
	size_t i = 0;

	if (segments_list(folder, &segments))
		return false;
	while (i < segments.count && strcmp(segments.items[i].name, name) != 0)
		i++;
	if (i == segments.count)
		return false;
	own = &segments.items[i];
	/* Where its own first line is gone, it goes on from the one before it. */
	if (!follow_segment(folder, name, at, &reached) && own->number != 1 &&
	    (!i || own[-1].number + 1 != own->number || !follow_segment(folder, own[-1].name, SIZE_MAX, &reached)))
		return false;
	return hole_is_unsynced(folder, reached.log, reached.seal, own->number);
}
