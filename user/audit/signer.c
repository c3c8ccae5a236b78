// SPDX-License-Identifier: GPL-2.0-only
#include "audit/signer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/sha256.h"

#define PATH_ROOM 4096
#define KEY_BYTES 32
#define SIGNATURE_BYTES 64

struct signer {
	EVP_PKEY *key;
	char id[SIGNER_ID];
};

struct signer_key {
	EVP_PKEY *key;
	char id[SIGNER_ID];
};

void signer_close(struct signer *signer)
{
	if (!signer)
		return;
	EVP_PKEY_free(signer->key);
	free(signer);
}

static void close_signer(struct signer **signer)
{
	signer_close(*signer);
}

/* -EINVAL: it is no key of this kind. */
static int name_key(const EVP_PKEY *key, char id[SIGNER_ID])
{
	uint8_t bytes[KEY_BYTES], digest[SHA256_BYTES];
	size_t length = sizeof(bytes);

	if (EVP_PKEY_id(key) != EVP_PKEY_ED25519 || !EVP_PKEY_get_raw_public_key(key, bytes, &length) ||
	    length != sizeof(bytes))
		return -EINVAL;
	sha256(bytes, sizeof(bytes), digest);
	hex_print(digest, (SIGNER_ID - 1) / 2, id);
	return 0;
}

/* ---- files --------------------------------------------------------------------------------------------------- */

static int write_key(const char *path, mode_t mode, EVP_PKEY *key, bool private)
{
	BIO *text = BIO_new(BIO_s_mem());
	int error = -ENOMEM;
	char *bytes;

	if (text && (private ? PEM_write_bio_PrivateKey(text, key, NULL, NULL, 0, NULL, NULL)
			     : PEM_write_bio_PUBKEY(text, key))) {
		long length = BIO_get_mem_data(text, &bytes);

		error = file_replace(path, mode, bytes, (size_t)length);
	}
	BIO_free(text); /* which cleanses it */
	return error;
}

int signer_publish(const struct signer *signer, const char *folder)
{
	char path[PATH_ROOM];

	if (snprintf(path, sizeof(path), "%s/%s.pem", folder, signer->id) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	return access(path, F_OK) ? write_key(path, 0640, signer->key, false) : 0;
}

static int read_private(const char *path, struct signer *signer)
{
	_cleanup_close_ int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_fclose_ FILE *file = NULL;
	struct stat status;

	if (descriptor < 0 || fstat(descriptor, &status))
		return -errno;
	if (status.st_mode & 077)
		return -EPERM;
	file = fdopen(descriptor, "r");
	if (!file)
		return -ENOMEM;
	(void)TAKE_FD(descriptor);
	signer->key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
	if (!signer->key)
		return ferror(file) ? -EIO : -EINVAL; /* a disk that cannot be read now has damaged nothing */
	return name_key(signer->key, signer->id);
}

int signer_read(const char *path, struct signer **ret_signer)
{
	_cleanup_(close_signer) struct signer *signer = calloc(1, sizeof(*signer));
	int error = signer ? read_private(path, signer) : -ENOMEM;

	if (!error)
		*ret_signer = TAKE_PTR(signer);
	return error;
}

static int explain_key(struct problem *problem, int error, const char *path)
{
	if (error == -EPERM)
		return problem_set(problem, error, "%s can be read by others than its owner: chmod 600, or remove it",
				   path);
	return problem_set(problem, error, "cannot read %s: %s", path, strerror(-error));
}

int signer_new(struct problem *problem, struct signer **ret_signer)
{
	_cleanup_(close_signer) struct signer *signer = calloc(1, sizeof(*signer));

	if (signer)
		signer->key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	if (!signer || !signer->key || name_key(signer->key, signer->id)) {
		problem_set(problem, -ENOMEM, "cannot make an Ed25519 key");
		return -ENOMEM;
	}
	*ret_signer = TAKE_PTR(signer);
	return 0;
}

int signer_save(const struct signer *signer, const char *path, const char *folder, struct problem *problem)
{
	int error = signer_publish(signer, folder);

	if (error)
		return problem_set(problem, error, "cannot write the public key to %s: %s", folder, strerror(-error));
	error = write_key(path, 0600, signer->key, true);
	return error ? problem_set(problem, error, "cannot write %s: %s", path, strerror(-error)) : 0;
}

static int set_aside(const char *path)
{
	char aside[PATH_ROOM];

	if (snprintf(aside, sizeof(aside), "%s.damaged", path) >= (int)sizeof(aside))
		return -ENAMETOOLONG;
	return rename(path, aside) ? -errno : 0;
}

int signer_open(const char *path, const char *folder, struct problem *problem, struct signer **ret_signer,
		bool *ret_damaged)
{
	_cleanup_(close_signer) struct signer *signer = calloc(1, sizeof(*signer));
	int error = signer ? read_private(path, signer) : -ENOMEM;
	bool damaged = error == -EINVAL;

	if (damaged) {
		error = set_aside(path);
		error = error ? error : -ENOENT;
	}
	if (error == -ENOENT) {
		signer_close(TAKE_PTR(signer));
		error = signer_new(problem, &signer);
		if (!error)
			error = signer_save(signer, path, folder, problem);
	} else if (error) {
		return explain_key(problem, error, path);
	} else {
		error = signer_publish(signer, folder);
		if (error)
			problem_set(problem, error, "cannot write the public key to %s: %s", folder, strerror(-error));
	}
	if (error)
		return error;
	*ret_damaged = damaged;
	*ret_signer = TAKE_PTR(signer);
	return 0;
}

static void print_public(const EVP_PKEY *key, char public[SIGNER_PUBLIC])
{
	uint8_t bytes[KEY_BYTES];
	size_t length = sizeof(bytes);

	if (!EVP_PKEY_get_raw_public_key(key, bytes, &length))
		abort();
	hex_print(bytes, sizeof(bytes), public);
}

void signer_public(const struct signer *signer, char public[SIGNER_PUBLIC])
{
	print_public(signer->key, public);
}

const char *signer_id(const struct signer *signer)
{
	return signer->id;
}

void signer_sign(const struct signer *signer, const void *bytes, size_t length, char signature[SIGNER_SIGNATURE])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	uint8_t made[SIGNATURE_BYTES];
	size_t room = sizeof(made);

	if (!context || EVP_DigestSignInit(context, NULL, NULL, NULL, signer->key) <= 0 ||
	    EVP_DigestSign(context, made, &room, bytes, length) <= 0 || room != sizeof(made))
		abort(); /* without memory */
	EVP_MD_CTX_free(context);
	hex_print(made, sizeof(made), signature);
}

/* ---- public keys --------------------------------------------------------------------------------------------- */

int signer_key_parse(const char *public, struct signer_key **ret_key)
{
	uint8_t bytes[KEY_BYTES];
	struct signer_key *key;

	if (hex_parse(public, sizeof(bytes), bytes))
		return -EINVAL;
	key = calloc(1, sizeof(*key));
	if (key)
		key->key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, bytes, sizeof(bytes));
	if (!key || !key->key || name_key(key->key, key->id)) {
		signer_key_free(key);
		return -EINVAL;
	}
	*ret_key = key;
	return 0;
}

int signer_key_read(const char *path, struct signer_key **ret_key)
{
	struct signer_key *key = calloc(1, sizeof(*key));
	_cleanup_fclose_ FILE *file = NULL;

	if (!key)
		return -ENOMEM;
	file = fopen(path, "re");
	if (!file) {
		int error = -errno;

		signer_key_free(key);
		return error;
	}
	key->key = PEM_read_PUBKEY(file, NULL, NULL, NULL);
	if (!key->key || name_key(key->key, key->id)) {
		signer_key_free(key);
		return ferror(file) ? -EIO : -EINVAL;
	}
	*ret_key = key;
	return 0;
}

void signer_key_free(struct signer_key *key)
{
	if (!key)
		return;
	EVP_PKEY_free(key->key);
	free(key);
}

const char *signer_key_id(const struct signer_key *key)
{
	return key->id;
}

void signer_key_public(const struct signer_key *key, char public[SIGNER_PUBLIC])
{
	print_public(key->key, public);
}

bool signer_key_verifies(const struct signer_key *key, const void *bytes, size_t length, const char *signature)
{
	uint8_t given[SIGNATURE_BYTES];
	EVP_MD_CTX *context;
	bool good;

	if (hex_parse(signature, sizeof(given), given))
		return false;
	context = EVP_MD_CTX_new();
	if (!context)
		abort();
	good = EVP_DigestVerifyInit(context, NULL, NULL, NULL, key->key) > 0 &&
	       EVP_DigestVerify(context, given, sizeof(given), bytes, length) > 0;
	EVP_MD_CTX_free(context);
	return good;
}
