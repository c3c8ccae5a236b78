/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The chain of the audit log: batches of lines, each closed by a seal, and seals that are signed now and then. Pure, but for memory.
 *
 * 1. A seal's hash is SHA-256 over the hash before it, as 32 bytes, and then all bytes since the seal before it, from the batch's first
 *    line to the seal's own text up to `,"hash":`. So a byte that is changed, a line that is removed, added or moved, and a seal
 *    that is forged break the chain at the seal that follows.
 * 2. A segment begins with a line of type "segment", in the first batch, that repeats the hash before it; and it ends with a seal. So each
 *    can be checked by itself, and that none is missing by its neighbours.
 * 3. A checkpoint names a seal by number and hash, and is signed (Ed25519, over its text up to `,"signature":`). It is a line of a batch
 *    itself. Whoever has one that was kept elsewhere knows that nothing before it was rewritten since.
 *
 * Lines are as record.c prints them; whatever is not of that form is a line of no type, and counts as any other.
 */
#ifndef USHER_AUDIT_CHAIN_H
#define USHER_AUDIT_CHAIN_H

#include "audit/record.h"
#include "audit/signer.h"
#include "base/clock.h"
#include "base/sha256.h"

enum chain_type { CHAIN_RECORD, CHAIN_SEGMENT, CHAIN_CHECKPOINT, CHAIN_SEAL };
/* line: without what ends it. */
enum chain_type chain_type(const char *line, size_t length);
/* Is it of this type, where lines of ours have that? */
bool chain_is(const char *line, size_t length, const char *type);

/* Earliest and latest time of lines, as clock_print has them; "": of none. */
struct chain_span {
	char earliest[CLOCK_TEXT], latest[CLOCK_TEXT];
};

/* Where the chain has come to. */
struct chain {
	uint64_t seals; /* number of the last one; 0: there is none yet */
	uint64_t lines; /* since then */
	uint8_t hash[SHA256_BYTES];
	struct sha256_stream *stream; /* of what came since then, the hash before it */
	struct chain_span span; /* of lines that were added since it was opened or a segment was begun; seals aside */
};

/* From this seal on. Returns 0 or -ENOMEM. */
int chain_open(uint64_t seals, const uint8_t hash[SHA256_BYTES], struct chain *ret_chain);
void chain_close(struct chain *chain);

/* Whole lines, with what ends them; none of them a seal. */
void chain_add(struct chain *chain, const char *bytes, size_t length, uint64_t lines);

/* Numbers that a batch holds, of one CPU and ring. */
struct chain_range {
	uint32_t cpu;
	enum usher_ring ring;
	uint64_t first, last;
};
/* Adds a seal's line to `to`: the chain goes on from it. recovered: what it seals was found after a crash, its ranges are not known. */
void chain_seal(struct chain *chain, struct json *to, const struct record_stamp *stamp,
		const struct chain_range *ranges, size_t count, bool recovered);

/* A line of type "segment". previous NULL: there is none before it. span: of the one before it. */
void chain_print_segment(struct json *to, const struct record_stamp *stamp, uint32_t number, const char *log,
			 uint64_t seal, const uint8_t *previous, const struct chain_span *span, const char *key);
/* A line of type "checkpoint", of the last seal. */
void chain_print_checkpoint(const struct chain *chain, struct json *to, const struct record_stamp *stamp,
			    const char *log, const struct signer *signer);

/* ---- reading ------------------------------------------------------------------------------------------------- */

/* What a seal says, and what is wrong with it. */
struct chain_seal {
	uint64_t number, lines;
	uint8_t hash[SHA256_BYTES];
	bool bad_form, bad_number, bad_lines, bad_hash;
};
/* A seal's line, without what ends it. The chain goes on from what it says, right or wrong, unless it says nothing (bad_form). */
void chain_take_seal(struct chain *chain, const char *line, size_t length, struct chain_seal *ret_seal);

#define CHAIN_LOG 17 /* name of a log, hexadecimal, with the final NUL */

struct chain_segment {
	uint32_t number;
	uint64_t seal;
	bool has_previous;
	uint8_t previous[SHA256_BYTES];
	struct chain_span span; /* of the segment before it, as far as it says so */
	char log[CHAIN_LOG], key[SIGNER_ID];
};
/* These return 0, or -EINVAL: it is no such line. */
int chain_parse_segment(const char *line, size_t length, struct chain_segment *ret_segment);

struct chain_checkpoint {
	uint64_t seal;
	uint8_t hash[SHA256_BYTES];
	char log[CHAIN_LOG], key[SIGNER_ID];
	char time[CLOCK_TEXT];
	char signature[SIGNER_SIGNATURE];
	size_t signed_length; /* of the line */
};
int chain_parse_checkpoint(const char *line, size_t length, struct chain_checkpoint *ret_checkpoint);

/* What stands behind `"key":`, which is the first of all or comes after a comma. NULL: there is none. */
const char *chain_value(const char *line, size_t length, const char *key);
/* The number that stands there: 0 or -EINVAL. */
int chain_number(const char *line, size_t length, const char *key, uint64_t *ret_number);

#endif
