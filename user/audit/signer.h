/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ed25519 keys (RFC 8032) of the audit log, by libcrypto, in PEM files that other tools read as well: the private one is the daemon's
 * alone (PKCS #8, mode 0600), the public one (SubjectPublicKeyInfo) lies beside the log as ID.pem. ID is the beginning of the SHA-256 of
 * the public key's 32 bytes.
 */
#ifndef USHER_AUDIT_SIGNER_H
#define USHER_AUDIT_SIGNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/problem.h"

#define SIGNER_ID 17	     /* with the final NUL */
#define SIGNER_SIGNATURE 129 /* hexadecimal, with the final NUL */

struct signer;

/*
 * Reads the private key in `path`, or makes one, and sees to its public one in `folder`. A file that holds none is renamed to PATH.damaged, and
 * a new key made: ret_damaged. Returns 0, or -errno with a sentence.
 */
int signer_open(const char *path, const char *folder, struct problem *problem, struct signer **ret_signer,
		bool *ret_damaged);
/* Reads it, and makes none: 0; -EPERM: it can be read by others than its owner; -EINVAL: it is none of these; or -errno. */
int signer_read(const char *path, struct signer **ret_signer);
void signer_close(struct signer *signer);
/* Another key, in memory alone until it is saved: 0 or -errno; with a sentence. */
int signer_new(struct problem *problem, struct signer **ret_signer);
int signer_save(const struct signer *signer, const char *path, const char *folder, struct problem *problem);
/* Sees to the public one in `folder`: 0 or -errno. */
int signer_publish(const struct signer *signer, const char *folder);
#define SIGNER_PUBLIC 65 /* hexadecimal, with the final NUL */
void signer_public(const struct signer *signer, char public[SIGNER_PUBLIC]);
const char *signer_id(const struct signer *signer);
void signer_sign(const struct signer *signer, const void *bytes, size_t length, char signature[SIGNER_SIGNATURE]);

/* Public keys. */
struct signer_key;
/* From 64 hexadecimal digits: 0 or -EINVAL. */
int signer_key_parse(const char *public, struct signer_key **ret_key);
/* From a PEM file: 0; -EINVAL: it is no Ed25519 key; or -errno. */
int signer_key_read(const char *path, struct signer_key **ret_key);
void signer_key_free(struct signer_key *key);
const char *signer_key_id(const struct signer_key *key);
void signer_key_public(const struct signer_key *key, char public[SIGNER_PUBLIC]);
/* signature: 128 hexadecimal digits. */
bool signer_key_verifies(const struct signer_key *key, const void *bytes, size_t length, const char *signature);

#endif
