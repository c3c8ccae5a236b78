/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The policies in evidence: what the digests mean that its records name.
 *
 *   {"type":"evidence-policy","digest":…,"name":…,"revision":…,"files":…,"text":…}   a document, byte by byte, as a string
 *   {"type":"evidence-file","name":…,"text":…}                                     each of the geography files that came with it
 *
 * The digest is worked out from these bytes as the daemon did it. The records that name it are in the chain, so it is the policy that they mean,
 * whoever has put it there.
 */
#ifndef USHER_AUDIT_EVIDENCE_POLICIES_H
#define USHER_AUDIT_EVIDENCE_POLICIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "base/sha256.h"

/* Digests that lines of the log name, in the order in which they do so first. Zeroed: none. */
struct evidence_policies {
	char (*digests)[SHA256_HEX];
	size_t count, room, latest;
};
void evidence_policies_note(struct evidence_policies *policies, const char *line, size_t length);
bool evidence_policies_have(const struct evidence_policies *policies, const char digest[SHA256_HEX]);
void evidence_policies_free(struct evidence_policies *policies);

/* bytes: a policy with its geography files (bundle.h). Adds its lines. Returns 0; -EINVAL: it has another digest, or what is no text, and
 * nothing was added. */
int evidence_policy_print(struct json *to, const char digest[SHA256_HEX], const char *bytes, size_t length);

struct evidence_policy {
	char digest[SHA256_HEX];
	bool holds; /* it is what was printed, and of this digest */
	size_t length, lines;
};
/* at: where a line begins. False: none of a policy. */
bool evidence_policy_read(const char *at, const char *end, struct evidence_policy *ret_policy);

#endif
