/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lines of a log in the order in which they were written, one after the other: what is wrong with them, and what they prove (verify.h, 1 to 3 and 5).
 * Where they come from is for who hands them over.
 */
#ifndef USHER_AUDIT_VERIFIER_H
#define USHER_AUDIT_VERIFIER_H

#include "audit/keyring.h"
#include "audit/sequences.h"
#include "audit/verify.h"

struct verifier {
	const struct verify_trust *trust;
	verify_found *found;
	void *context;
	struct verify_summary summary;
	struct chain chain;
	bool chained; /* there is a chain to go on with */
	char log[CHAIN_LOG];

	const char *segment;
	uint64_t line, batch_line; /* from 1; where the batch begins */
	uint64_t begun;		   /* line that the segment begins with; 0: not here */

	struct sequences sequences;
	struct keyring keyring;
	struct chain_segment front; /* of the first segment */
	uint64_t
		shortened_by; /* the seal of the record that says why there is none before it; 0: there is no such record */

	size_t next_witness; /* by seal */
	size_t *witnesses;   /* in the order of their seals */
};

void verifier_open(const struct verify_trust *trust, verify_found *found, void *context, struct verifier *ret_verifier);
void verifier_close(struct verifier *verifier);

__attribute__((format(printf, 4, 5))) void verifier_find(struct verifier *verifier, uint64_t first, uint64_t last,
							 const char *format, ...);

/* The next line, verifier->line, without what ends it. */
void verifier_take_line(struct verifier *verifier, const char *line, size_t length);
/* The same line if a segment, which should have this number, begins with it, before it is taken. Returns 0 or -ENOMEM. */
int verifier_begin_segment(struct verifier *verifier, const char *line, size_t length, uint32_t number);
/* The first and the last time that is told of. */
void verifier_note_time(struct verifier *verifier, const char *line, size_t length);

/* The witnesses of this seal, which is the log's: those of seals before it cannot be met any more. */
void verifier_meet_witnesses(struct verifier *verifier, uint64_t seal, const uint8_t hash[SHA256_BYTES]);
/* Those of seals before it are of a part that is not at hand. */
void verifier_pass_witnesses(struct verifier *verifier, uint64_t seal);
/* The log is at its end: those that are left miss something. */
void verifier_miss_witnesses(struct verifier *verifier);

#endif
