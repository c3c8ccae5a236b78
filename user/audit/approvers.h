/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who has to approve a policy before it comes into force on this host, and whether they have.
 *
 * 1. The keys are those of files of the host's, read once, at the start; nothing that a client says adds or takes away one.
 * 2. An approval counts once for each key, and each key is there once: two signatures of one approver are one.
 * 3. A signature counts if it is an approver's over the statement (policy/statement.h) of exactly these bytes, and for exactly this purpose.
 */
#ifndef USHER_AUDIT_APPROVERS_H
#define USHER_AUDIT_APPROVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/signature.h"
#include "base/problem.h"

#define APPROVERS_MAX 16
#define APPROVER_NAME 64 /* with the final NUL */
#define APPROVER_FILE ".pem"

struct approvers;

/* Signatures of one policy. */
struct approval {
	uint64_t instead_of; /* by a rollback, of the change of this number; 0: the policy as such */
	bool kept;	     /* they were judged when the policy came into force, and are judged again */
	size_t count;
	struct {
		uint8_t bytes[SIGNATURE_BYTES];
		char by[APPROVER_NAME]; /* as they were judged last; "": nobody's */
	} signatures[APPROVERS_MAX];
};

/*
 * Reads NAME.pem, an Ed25519 public key each, from the folder; files whose names end otherwise are not looked at. Folder and files must be
 * root's or the caller's, and written by nobody else. needed: how many have to approve. Returns 0, or -errno with a sentence.
 */
int approvers_open(const char *folder, uint32_t needed, struct problem *problem, struct approvers **ret_approvers);
void approvers_close(struct approvers *approvers);
uint32_t approvers_needed(const struct approvers *approvers);
size_t approvers_count(const struct approvers *approvers);
/* In the order of their names. */
const char *approvers_name(const struct approvers *approvers, size_t index);

/*
 * Is the policy of these bytes (policy/bundle.h) approved? Fills in whose the signatures are. A signature that is nobody's is an error, unless they are
 * kept ones: an approver may have gone since. Returns 0, or -EKEYREJECTED with a sentence that says which signature is wrong, or who has
 * approved and how many are missing.
 */
int approvers_judge(const struct approvers *approvers, const char *bytes, size_t length, struct approval *approval,
		    struct problem *problem);
/* Names of those whose signatures they are, each once, ", " between them; "nobody". */
#define APPROVAL_NAMES (APPROVERS_MAX * (APPROVER_NAME + 1))
const char *approval_names(const struct approval *approval, char text[APPROVAL_NAMES]);

#endif
