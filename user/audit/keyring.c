// SPDX-License-Identifier: GPL-2.0-only
#include "audit/keyring.h"

#include <stdlib.h>
#include <string.h>

const struct signer_key *keyring_find(const struct keyring *keyring, const char *id)
{
	for (size_t i = 0; i < keyring->given_count; i++)
		if (!strcmp(signer_key_id(keyring->given[i]), id))
			return keyring->given[i];
	for (size_t i = 0; i < keyring->named_count; i++)
		if (!keyring->named_by[i] && !strcmp(signer_key_id(keyring->named[i]), id))
			return keyring->named[i];
	return NULL;
}

void keyring_note(struct keyring *keyring, const char *line, size_t length, uint64_t seal)
{
	const char *at = memmem(line, length, ",\"public\":\"", 11);
	char public[SIGNER_PUBLIC];
	struct signer_key *key;

	if (!at || (size_t)(line + length - at) < 11 + SIGNER_PUBLIC)
		return;
	memcpy(public, at + 11, SIGNER_PUBLIC - 1);
	public[SIGNER_PUBLIC - 1] = '\0';
	if (signer_key_parse(public, &key))
		return;
	if (keyring->named_count == keyring->room) {
		keyring->room = keyring->room ? 2 * keyring->room : 8;
		keyring->named = realloc(keyring->named, keyring->room * sizeof(struct signer_key *));
		keyring->named_by = realloc(keyring->named_by, keyring->room * sizeof(uint64_t));
		if (!keyring->named || !keyring->named_by)
			abort();
	}
	keyring->named_by[keyring->named_count] = seal;
	keyring->named[keyring->named_count++] = key;
}

void keyring_sign(struct keyring *keyring, uint64_t seal)
{
	for (size_t i = 0; i < keyring->named_count; i++)
		if (keyring->named_by[i] && keyring->named_by[i] <= seal)
			keyring->named_by[i] = 0;
}

void keyring_free(struct keyring *keyring)
{
	for (size_t i = 0; i < keyring->named_count; i++)
		signer_key_free(keyring->named[i]);
	free(keyring->named);
	free(keyring->named_by);
	*keyring = (struct keyring){0};
}
