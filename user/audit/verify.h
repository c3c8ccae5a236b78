/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Has anybody edited the audit log? Goes through a folder's segments from the first byte to the last one.
 *
 * 1. Each seal is worked out anew, and a batch whose seal does not hold is named by segment and lines. The chain then goes on from what
 *    the seal says, so that one edit is one finding.
 * 2. Segments follow each other by number and by hash. Each CPU's numbers of each ring follow each other, in decisions and gaps, and are
 *    those that the seal names: nothing is missing that the kernel has numbered.
 * 3. A checkpoint counts if a known key has signed it: one of those that are given, or one that a log signed by a known key names as the
 *    next. It holds if it names the seal before it.
 * 4. A log begins with segment 1, or it has a record, signed, that the one before its first was deleted (retention.h), by number and seal.
 * 5. Witnesses are checkpoints that were kept elsewhere. The log has to have the seal that each names. Without any, whoever holds the
 *    private key, or cuts off the end of the log and its head, is not found out.
 */
#ifndef USHER_AUDIT_VERIFY_H
#define USHER_AUDIT_VERIFY_H

#include "audit/chain.h"

struct verify_finding {
	const char *segment;
	uint64_t first_line, last_line; /* from 1; 0: all of it */
	const char *text;
};

typedef void verify_found(const struct verify_finding *finding, void *context);

/* What is given: takes nothing over. */
struct verify_trust {
	struct signer_key *const *keys;
	size_t key_count;
	const struct chain_checkpoint *witnesses; /* whose signatures have been checked */
	size_t witness_count;
};

struct verify_summary {
	uint64_t segments, lines, decisions, operations, gaps, lost, seals, checkpoints, findings;
	uint64_t unsealed_lines; /* at the end: being written, or what a crash has left */
	uint64_t last_seal, signed_seal;
	uint32_t first_segment;
	uint32_t deleted; /* segments before that, which a signed record says have lived their time */
	char first_time[CLOCK_TEXT], last_time[CLOCK_TEXT], signed_time[CLOCK_TEXT]; /* "": none */
};

/* Segments by number, both ends included. Of a part of the log: its first line says what it goes on from, which the signatures in the part
 * confirm; numbers of events, and keys that the log names, are followed from there on; and the segment after it has to go on from its end. */
struct verify_range {
	uint32_t first, last;
};
#define VERIFY_ALL ((struct verify_range){0, UINT32_MAX})

/* These return 0, also where there are findings; or -errno. -ERANGE: the log does not go so far. */
int verify_range(const char *folder, struct verify_range range, const struct verify_trust *trust, verify_found *found,
		 void *context, struct verify_summary *ret_summary);
/* The same of all. */
int verify_folder(const char *folder, const struct verify_trust *trust, verify_found *found, void *context,
		  struct verify_summary *ret_summary);

#endif
