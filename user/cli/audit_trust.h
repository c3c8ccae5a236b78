/* SPDX-License-Identifier: GPL-2.0-only */
/* What `usher audit` believes when it judges signatures: keys, and checkpoints that were kept elsewhere. */
#ifndef USHER_CLI_AUDIT_TRUST_H
#define USHER_CLI_AUDIT_TRUST_H

#include "audit/verify.h"

#define AUDIT_TRUST_MAX 64 /* keys; files of witnesses */

/* Zeroed: nothing. Paths are borrowed. */
struct audit_trust {
	struct signer_key *keys[AUDIT_TRUST_MAX];
	size_t key_count;
	bool own_keys; /* the log's, or the evidence's: nobody has said which */
	const char *witness_paths[AUDIT_TRUST_MAX];
	size_t path_count;
	struct chain_checkpoint *witnesses;
	size_t witness_count, witness_room;
};

void audit_trust_free(struct audit_trust *trust);

/* These return CLI_OK or, having said what is wrong, another status. */
int audit_trust_key(struct audit_trust *trust, const char *path);
int audit_trust_witness(struct audit_trust *trust, const char *path); /* which is read by audit_trust_witnesses */
/* Without a key so far, those that lie beside the log: better than none. Then the witnesses, which are judged by them, with the log's own head. */
int audit_trust_folder(struct audit_trust *trust, const char *folder);
int audit_trust_witnesses(struct audit_trust *trust);
/* Without a key so far, these, which are copied. */
void audit_trust_own(struct audit_trust *trust, struct signer_key *const *keys, size_t count);

struct verify_trust audit_trust_given(const struct audit_trust *trust);

#endif
