// SPDX-License-Identifier: GPL-2.0-only
#include "cli/audit_trust.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/head.h"
#include "audit/ledger.h"
#include "base/cleanup.h"
#include "cli/verbs.h"

#define PATH_ROOM 4096
#define WITNESSES_MAX 10000000

void audit_trust_free(struct audit_trust *trust)
{
	for (size_t i = 0; i < trust->key_count; i++)
		signer_key_free(trust->keys[i]);
	free(trust->witnesses);
}

int audit_trust_key(struct audit_trust *trust, const char *path)
{
	int error =
		trust->key_count == AUDIT_TRUST_MAX ? -E2BIG : signer_key_read(path, &trust->keys[trust->key_count]);

	if (error)
		return cli_fail(CLI_SYSTEM, "%s: %s", path,
				error == -EINVAL ? "that is no Ed25519 public key" : strerror(-error));
	trust->key_count++;
	return CLI_OK;
}

static int is_key(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return length == SIGNER_ID - 1 + 4 && !strcmp(entry->d_name + length - 4, ".pem");
}

/* The keys that lie beside the log: better than none. */
static int add_own_keys(struct audit_trust *trust, const char *folder)
{
	struct dirent **entries;
	int count = scandir(folder, &entries, is_key, alphasort), status = CLI_OK;
	char path[PATH_ROOM];

	if (count < 0)
		return cli_fail(CLI_SYSTEM, "%s: %s", folder, strerror(errno));
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		if (status == CLI_OK)
			status = audit_trust_key(trust, path);
		free(entries[i]);
	}
	free(entries);
	trust->own_keys = true;
	return status;
}

static const struct signer_key *key_of(const struct audit_trust *trust, const char *id)
{
	for (size_t i = 0; i < trust->key_count; i++)
		if (!strcmp(signer_key_id(trust->keys[i]), id))
			return trust->keys[i];
	return NULL;
}

static void add_witness(struct audit_trust *trust, const struct chain_checkpoint *checkpoint)
{
	if (trust->witness_count == trust->witness_room) {
		trust->witness_room = trust->witness_room ? 2 * trust->witness_room : 64;
		trust->witnesses = reallocarray(trust->witnesses, trust->witness_room, sizeof(*trust->witnesses));
		if (!trust->witnesses)
			abort();
	}
	trust->witnesses[trust->witness_count++] = *checkpoint;
}

/* Checkpoints, one a line. Those of keys that are not known cannot be judged: of the log's own head that is no matter. */
static int add_witnesses(struct audit_trust *trust, const char *path, bool own)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	_cleanup_free_ char *line = NULL;
	size_t room = 0, good = 0;
	ssize_t got;

	if (!file)
		return own && errno == ENOENT ? CLI_OK : cli_fail(CLI_SYSTEM, "%s: %s", path, strerror(errno));
	for (int number = 1; (got = getline(&line, &room, file)) > 0; number++) {
		size_t length = (size_t)got - (line[got - 1] == '\n');
		struct chain_checkpoint checkpoint;
		const struct signer_key *key;

		if (chain_parse_checkpoint(line, length, &checkpoint)) {
			/* A write that failed, or a crash of who keeps them, has left half a line. */
			fprintf(stderr, "usher audit: %s:%d: that is no checkpoint, and is passed over\n", path,
				number);
			continue;
		}
		good++;
		key = key_of(trust, checkpoint.key);
		if (!key && own)
			continue;
		if (!key)
			return cli_fail(CLI_SYSTEM, "%s:%d: its key %s is not among those given", path, number,
					checkpoint.key);
		if (!signer_key_verifies(key, line, checkpoint.signed_length, checkpoint.signature))
			return cli_fail(CLI_NO, "%s:%d: its signature does not hold", path, number);
		if (trust->witness_count == WITNESSES_MAX)
			return cli_fail(CLI_SYSTEM, "%s: more than %d checkpoints", path, WITNESSES_MAX);
		add_witness(trust, &checkpoint);
	}
	return good || own ? CLI_OK : cli_fail(CLI_SYSTEM, "%s: there is no checkpoint in it", path);
}

int audit_trust_witness(struct audit_trust *trust, const char *path)
{
	if (trust->path_count == AUDIT_TRUST_MAX)
		return cli_fail(CLI_SYSTEM, "%s: more than %d files of witnesses", path, AUDIT_TRUST_MAX);
	trust->witness_paths[trust->path_count++] = path;
	return CLI_OK;
}

int audit_trust_witnesses(struct audit_trust *trust)
{
	int status = CLI_OK;

	for (size_t i = 0; !status && i < trust->path_count; i++)
		status = add_witnesses(trust, trust->witness_paths[i], false);
	return status;
}

int audit_trust_folder(struct audit_trust *trust, const char *folder)
{
	char head[PATH_ROOM];
	int status = trust->key_count ? CLI_OK : add_own_keys(trust, folder);

	if (!status)
		status = audit_trust_witnesses(trust);
	snprintf(head, sizeof(head), "%s/" HEAD_FILE, folder);
	return status ? status : add_witnesses(trust, head, true);
}

void audit_trust_own(struct audit_trust *trust, struct signer_key *const *keys, size_t count)
{
	char public[SIGNER_PUBLIC];

	if (trust->key_count)
		return;
	trust->own_keys = true;
	for (size_t i = 0; i < count && trust->key_count < AUDIT_TRUST_MAX; i++) {
		signer_key_public(keys[i], public);
		if (!signer_key_parse(public, &trust->keys[trust->key_count]))
			trust->key_count++;
	}
}

struct verify_trust audit_trust_given(const struct audit_trust *trust)
{
	return (struct verify_trust){trust->keys, trust->key_count, trust->witnesses, trust->witness_count};
}
