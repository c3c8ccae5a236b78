// SPDX-License-Identifier: GPL-2.0-only
#include "audit/verify_excerpt.h"

#include <errno.h>
#include <string.h>

#include "audit/verifier.h"
#include "base/cleanup.h"

/* A segment's first line stands behind a seal, and says which number it has; the one after it has the next. */
static int take_excerpt(struct verifier *verifier, const struct verify_excerpt *excerpt)
{
	const char *line = excerpt->bytes, *end = excerpt->bytes + excerpt->length, *newline;
	uint32_t number = 0;

	for (; line < end; line = newline + 1) {
		struct chain_segment segment;
		size_t length;
		int error;

		newline = memchr(line, '\n', (size_t)(end - line));
		if (!newline)
			return -EBADMSG;
		length = (size_t)(newline - line);
		verifier->line++;
		if (verifier->line == verifier->batch_line && chain_type(line, length) == CHAIN_SEGMENT &&
		    !chain_parse_segment(line, length, &segment)) {
			number = number ? number + 1 : segment.number;
			error = verifier_begin_segment(verifier, line, length, number);
			if (error)
				return error;
			verifier->summary.segments++;
		}
		if (!verifier->summary.first_time[0])
			verifier_note_time(verifier, line, length);
		verifier_take_line(verifier, line, length);
	}
	return 0;
}

int verify_excerpt(const struct verify_excerpt *excerpt, const struct verify_trust *trust, verify_found *found,
		   void *context, struct verify_summary *ret_summary)
{
	_cleanup_(verifier_close) struct verifier verifier;
	int error;

	verifier_open(trust, found, context, &verifier);
	verifier.chained = true;
	verifier.segment = excerpt->name;
	verifier.line = excerpt->before;
	verifier.batch_line = excerpt->before + 1;
	error = chain_open(excerpt->seal, excerpt->hash, &verifier.chain);
	if (error)
		return error;
	memcpy(verifier.log, excerpt->log, sizeof(verifier.log));
	verifier_pass_witnesses(&verifier, excerpt->seal);
	verifier_meet_witnesses(&verifier, excerpt->seal, excerpt->hash);
	error = take_excerpt(&verifier, excerpt);
	if (error)
		return error;
	verifier.summary.lines = verifier.line - excerpt->before;
	verifier.summary.unsealed_lines = verifier.chain.lines;
	if (!verifier.summary.last_seal || verifier.summary.signed_seal != verifier.summary.last_seal ||
	    !verifier.chain.lines)
		verifier_find(&verifier, verifier.line, verifier.line, "no checkpoint that holds signs the last seal");
	else if (verifier.chain.lines != 1)
		verifier_find(&verifier, verifier.batch_line, verifier.line,
			      "behind the last seal is more than the checkpoint that signs it: nothing proves that");
	*ret_summary = verifier.summary;
	return 0;
}
