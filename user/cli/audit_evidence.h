/* SPDX-License-Identifier: GPL-2.0-only */
/* Evidence (audit/evidence.h), made for `usher audit export` and judged for `usher audit verify`. Each returns an exit status. */
#ifndef USHER_CLI_AUDIT_EVIDENCE_H
#define USHER_CLI_AUDIT_EVIDENCE_H

#include "audit/filter.h"
#include "cli/audit_trust.h"

/* The range of the filter. path: as output_open has it. key: the file of a private key that signs it, or NULL.
 * state_folder: where the daemon keeps policies. */
int audit_evidence_write(const char *folder, const struct filter *range, const char *path, const char *key,
			 const char *state_folder);
/* Without a key that is trusted, those in the file are. */
int audit_evidence_verify(const char *path, struct audit_trust *trust);

#endif
