/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Evidence: a part of the audit log in one file of lines that verifies by itself, elsewhere.
 *
 *   {"time":…,"type":"evidence","format":2,"usher":…,"log":…,"since":…,"until":…,"seal":…,"hash":…}   what was asked for, and the seal before
 *   {"type":"evidence-key","key":…,"public":…}                                                      of each key that has signed some of it
 *   …                                                                                               the policies that those lines name (evidence_policies.h)
 *   …                                                                                               lines of the log, byte by byte
 *   {"type":"evidence-end","lines":…,"records":…,"hash":…}   how many those are, and how many of the range; SHA-256 of all bytes before
 *
 * 1. A seal closes a batch, over exact bytes (chain.h): so the lines are whole batches, all that there are from the one with the first record
 *    of the range to the one with the last. The last line of the log in it is a checkpoint of the seal before it: what is not signed yet
 *    is not in it. Whoever made the file can be anybody: the lines prove themselves.
 * 2. So that one sees that nothing of the range is missing at its ends, the batch before is in it, and those up to a seal at or after its end;
 *    or a segment's first line, that says which times are before. That holds as far as the gateway's clock was not set back.
 * 3. Of what lies before, only the hash is in it: that it was the same log's is proven by nothing else than what comes after it.
 * 4. The last line may be signed, `,"key":…,"signature":…` over its text before that: it says who has made the file, and of the records no more
 *    than the checkpoints do.
 */
#ifndef USHER_AUDIT_EVIDENCE_H
#define USHER_AUDIT_EVIDENCE_H

#include <stdio.h>

#include "audit/evidence_policies.h"
#include "audit/verify.h"

/* The policy of a digest with its geography files (bundle.h), to be freed. Returns 0 or -errno. */
typedef int evidence_policy_source(const char digest[SHA256_HEX], void *context, char **ret_bytes, size_t *ret_length);

struct evidence_request {
	const char *folder;
	const char *since, *until;   /* as clock_print, "": any */
	const struct signer *signer; /* or NULL */
	int64_t now;
	const char *usher;		/* version */
	evidence_policy_source *policy; /* NULL: none is put in */
	void *policy_context;
};

struct evidence_summary {
	uint64_t first_seal, last_seal, lines, records,
		bytes;			   /* records: of the range, decisions, operations and gaps */
	size_t keys, keys_missing;	   /* keys whose public half does not lie beside the log */
	size_t policies, policies_missing; /* that lines name; whose text is not at hand, or not of that digest */
	char signed_time[CLOCK_TEXT];	   /* of the checkpoint */
	bool ends_early;		   /* the log, as far as it is signed, does not go on to the end of the range */
};

/* Returns 0; -ENOENT: there is no log; -ENODATA: nothing of the range is signed; -EBADMSG: the log has not the form; or -errno. */
int evidence_write(const struct evidence_request *request, FILE *to, struct evidence_summary *ret_summary);

/* What was found in one. */
struct evidence {
	char made[CLOCK_TEXT], log[CHAIN_LOG], since[CLOCK_TEXT],
		until[CLOCK_TEXT]; /* of what says so itself; "": any */
	uint64_t seal, records;
	struct signer_key **keys;
	size_t key_count;
	size_t policies, policies_named; /* whose text is in it and has its digest; that its lines name */
	bool has_beginning, has_end;	 /* by its lines' times nothing of the range is before, after what is in it */
	/* Who has signed its last line ("": nobody), over what, and how. */
	char signer[SIGNER_ID], signature_text[SIGNER_SIGNATURE];
	const char *signature;
	size_t signed_length;
	uint64_t end_line;
	const char *lines; /* of the log */
	size_t length;
	uint64_t before; /* lines before these */
	uint8_t hash[SHA256_BYTES];
	const void *mapped;
	size_t mapped_length;
};

/* Returns 0; -EINVAL: it is none; or -errno. Its form, and what its last line says of the others, is judged: findings. */
int evidence_read(const char *path, verify_found *found, void *context, struct evidence *ret_evidence);
void evidence_release(struct evidence *evidence);
/* The rest of it: the lines, and who has signed the last one. As verify_folder. */
int evidence_verify(const struct evidence *evidence, const char *name, const struct verify_trust *trust,
		    verify_found *found, void *context, struct verify_summary *ret_summary);

#endif
