// SPDX-License-Identifier: GPL-2.0-only
#include "audit/ending.h"

#include <string.h>

#include "audit/segment.h"
#include "base/cleanup.h"

/* Its first line. Returns 0 or -ENOMEM. */
static int begin(struct ending *ending, const char *line, size_t length)
{
	struct chain_segment segment;

	if (chain_type(line, length) != CHAIN_SEGMENT || chain_parse_segment(line, length, &segment)) {
		ending->is_unchained = true;
		return 0;
	}
	memcpy(ending->log, segment.log, sizeof(ending->log));
	ending->has_seal = segment.has_previous;
	return chain_open(segment.seal, segment.previous, &ending->chain);
}

/* line: up to `next`, of which `length` bytes without what ends it. */
static void take(struct ending *ending, const char *line, size_t length, const char *next)
{
	struct chain_seal seal;

	if (chain_type(line, length) == CHAIN_CHECKPOINT)
		ending->signed_for = ending->chain.seals + 1; /* and the one that seals it */
	if (chain_type(line, length) != CHAIN_SEAL) {
		chain_add(&ending->chain, line, (size_t)(next - line), 1);
		return;
	}
	chain_take_seal(&ending->chain, line, length, &seal);
	ending->is_broken |= seal.bad_form || seal.bad_hash || seal.bad_number || seal.bad_lines;
	ending->has_seal |= !seal.bad_form;
}

void ending_follow(struct ending *ending, const char *bytes, size_t length)
{
	const char *end = bytes + length, *next;

	for (const char *line = bytes; line < end; line = next) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));

		next = newline ? newline + 1 : end;
		take(ending, line, (size_t)((newline ? newline : end) - line), next);
	}
}

int ending_read(const char *folder, const char *name, struct ending *ret_ending)
{
	_cleanup_(segment_release) struct segment_text text = {0};
	struct ending ending = {0};
	int error = segment_read(folder, name, &text);

	if (error)
		return error;
	ending.is_broken = text.damaged;
	ending.is_unchained = !text.length;
	if (text.length) {
		const char *newline = memchr(text.bytes, '\n', text.length);

		error = begin(&ending, text.bytes, newline ? (size_t)(newline - text.bytes) : text.length);
		if (error)
			return error;
	}
	if (!ending.is_unchained)
		ending_follow(&ending, text.bytes, text.length);
	*ret_ending = ending;
	return 0;
}
