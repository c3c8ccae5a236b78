/* SPDX-License-Identifier: GPL-2.0-only */
/* The keys that a checkpoint may be signed with: those that were given, and those that the log itself names, once a checkpoint has signed that. */
#ifndef USHER_AUDIT_KEYRING_H
#define USHER_AUDIT_KEYRING_H

#include <stddef.h>
#include <stdint.h>

#include "audit/signer.h"

struct keyring {
	struct signer_key *const *given;
	size_t given_count;
	struct signer_key **named;
	uint64_t *named_by; /* the seal that has to be signed before the key counts; 0: it is */
	size_t named_count, room;
};

/* NULL: it is not known. */
const struct signer_key *keyring_find(const struct keyring *keyring, const char *id);
/* A line of a batch of this seal that names the key that comes next; one that names none is left alone. */
void keyring_note(struct keyring *keyring, const char *line, size_t length, uint64_t seal);
/* All up to this seal is signed by a key that counts. */
void keyring_sign(struct keyring *keyring, uint64_t seal);
void keyring_free(struct keyring *keyring);

#endif
