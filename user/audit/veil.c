// SPDX-License-Identifier: GPL-2.0-only
#include "audit/veil.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/sha256.h"

#define PATH_ROOM 4096
#define HEAD "usher-client-keys/1\n"
#define KEY_LINE 128 /* bytes, at most */
#define IPV4_BITS 24
#define IPV6_BITS 48

struct veil {
	char path[PATH_ROOM];
	struct client_privacy privacy;
	struct veil_keys keys; /* as they are on the disk */
};

void veil_keys_release(struct veil_keys *keys)
{
	if (keys->items)
		OPENSSL_cleanse(keys->items, keys->count * sizeof(*keys->items));
	free(keys->items);
	*keys = (struct veil_keys){0};
}

static struct veil_keys take_keys(struct veil_keys *keys)
{
	struct veil_keys taken = *keys;

	*keys = (struct veil_keys){0};
	return taken;
}

/* ---- the file ------------------------------------------------------------------------------------------------ */

static int read_key(const char *line, struct veil_key *key)
{
	char bytes[2 * VEIL_KEY + 1], id[VEIL_ID];
	int read = 0;

	if (sscanf(line, "%16[0-9a-f] %64[0-9a-f] %" SCNd64 " %" SCNd64 "%n", id, bytes, &key->created, &key->destroy,
		   &read) != 4 ||
	    line[read] != '\n' || strlen(id) != VEIL_ID - 1 || strlen(bytes) != 2 * VEIL_KEY)
		return -EBADMSG;
	memcpy(key->id, id, sizeof(id));
	hex_parse(bytes, VEIL_KEY, key->bytes);
	OPENSSL_cleanse(bytes, sizeof(bytes));
	return key->created < 0 || key->destroy < key->created ? -EBADMSG : 0;
}

int veil_keys_read(const char *path, struct veil_keys *ret_keys)
{
	_cleanup_(veil_keys_release) struct veil_keys keys = {.items = calloc(VEIL_KEYS_MAX, sizeof(*keys.items))};
	_cleanup_fclose_ FILE *file = NULL;
	char line[256];
	int error = 0;

	if (!keys.items)
		return -ENOMEM;
	file = fopen(path, "re");
	if (!file)
		return -errno;
	if (!fgets(line, sizeof(line), file) || strcmp(line, HEAD) != 0)
		error = -EBADMSG;
	while (!error && fgets(line, sizeof(line), file))
		error = keys.count == VEIL_KEYS_MAX ? -EBADMSG : read_key(line, &keys.items[keys.count++]);
	OPENSSL_cleanse(line, sizeof(line));
	if (ferror(file))
		error = -EIO; /* a disk that cannot be read now has damaged nothing */
	if (error)
		return error;
	*ret_keys = take_keys(&keys);
	return 0;
}

static int write_keys(const char *path, const struct veil_keys *keys)
{
	size_t room = sizeof(HEAD) + (keys->count * KEY_LINE);
	char *text = malloc(room), bytes[2 * VEIL_KEY + 1];
	int length, error;

	if (!text)
		return -ENOMEM;
	length = snprintf(text, room, HEAD);
	for (size_t i = 0; i < keys->count; i++) {
		const struct veil_key *key = &keys->items[i];

		hex_print(key->bytes, VEIL_KEY, bytes);
		length += snprintf(text + length, room - (size_t)length, "%s %s %" PRId64 " %" PRId64 "\n", key->id,
				   bytes, key->created, key->destroy);
	}
	error = file_replace(path, 0600, text, (size_t)length);
	OPENSSL_cleanse(bytes, sizeof(bytes));
	OPENSSL_cleanse(text, room);
	free(text);
	return error;
}

int veil_open(const char *path, struct problem *problem, struct veil **ret_veil, bool *ret_damaged)
{
	struct veil *veil = calloc(1, sizeof(*veil));
	char aside[PATH_ROOM + 16];
	bool damaged;
	int error;

	if (!veil)
		return problem_set(problem, -ENOMEM, "no memory");
	if (snprintf(veil->path, sizeof(veil->path), "%s", path) >= (int)sizeof(veil->path)) {
		free(veil);
		return problem_set(problem, -ENAMETOOLONG, "%s is too long a path", path);
	}
	error = veil_keys_read(path, &veil->keys);
	damaged = error == -EBADMSG;
	snprintf(aside, sizeof(aside), "%s.damaged", path);
	if (damaged)
		error = rename(path, aside) ? -errno : 0;
	if (error && error != -ENOENT) {
		free(veil);
		return problem_set(problem, error, "cannot read %s: %s", path, strerror(-error));
	}
	veil->privacy.mode = veil->keys.count || damaged ? CLIENT_HMAC : CLIENT_PLAIN;
	*ret_damaged = damaged;
	*ret_veil = veil;
	return 0;
}

void veil_close(struct veil *veil)
{
	if (!veil)
		return;
	veil_keys_release(&veil->keys);
	free(veil);
}

void veil_set(struct veil *veil, const struct client_privacy *privacy)
{
	veil->privacy = *privacy;
}

/* ---- keys ---------------------------------------------------------------------------------------------------- */

static int make_key(const struct client_privacy *privacy, int64_t now, struct veil_key *ret_key)
{
	struct veil_key key = {.created = now, .destroy = now + privacy->every_s + (int64_t)privacy->keep_s};
	uint8_t id[(VEIL_ID - 1) / 2];

	if (getrandom(key.bytes, sizeof(key.bytes), 0) != (ssize_t)sizeof(key.bytes) ||
	    getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id))
		return -errno;
	hex_print(id, sizeof(id), key.id);
	*ret_key = key;
	return 0;
}

/* Those that have not come to their end. A policy that has become stricter holds for what is there. */
static void keep_keys(const struct veil *veil, int64_t now, struct veil_keys *to, struct veil_turn *turn)
{
	for (size_t i = 0; i < veil->keys.count; i++) {
		struct veil_key key = veil->keys.items[i];
		int64_t end = key.created + veil->privacy.every_s + (int64_t)veil->privacy.keep_s;

		if (veil->privacy.mode == CLIENT_HMAC && veil->privacy.every_s && end < key.destroy)
			key.destroy = end;
		if (key.destroy > now) {
			to->items[to->count++] = key;
			continue;
		}
		turn->destroyed++;
		memcpy(turn->destroyed_last, key.id, sizeof(key.id));
	}
}

static bool wants_key(const struct veil *veil, const struct veil_keys *keys, int64_t now)
{
	const struct veil_key *newest = keys->count ? &keys->items[keys->count - 1] : NULL;

	return veil->privacy.mode == CLIENT_HMAC && veil->privacy.every_s && keys->count < VEIL_KEYS_MAX &&
	       (!newest || newest->created + veil->privacy.every_s <= now || newest->created > now);
}

int veil_turn(struct veil *veil, int64_t now, struct veil_turn *ret_turn)
{
	_cleanup_(veil_keys_release) struct veil_keys keys = {.items = calloc(VEIL_KEYS_MAX + 1, sizeof(*keys.items))};
	struct veil_turn turn = {0};
	struct veil_key made;
	int error = 0;

	if (!keys.items)
		return -ENOMEM;
	keep_keys(veil, now, &keys, &turn);
	if (wants_key(veil, &keys, now)) {
		error = make_key(&veil->privacy, now, &made);
		if (error)
			return error;
		keys.items[keys.count++] = made;
		memcpy(turn.made, made.id, sizeof(turn.made));
	}
	if (turn.destroyed || *turn.made)
		error = write_keys(veil->path, &keys);
	if (error)
		return error;
	if (turn.destroyed || *turn.made) {
		veil_keys_release(&veil->keys);
		veil->keys = take_keys(&keys);
	}
	*ret_turn = turn;
	return 0;
}

/* ---- addresses ----------------------------------------------------------------------------------------------- */

const char *veil_pseudonym(const struct veil_key *key, const struct usher_address *address, char text[VEIL_PSEUDONYM])
{
	uint8_t code[SHA256_BYTES];
	unsigned int length = sizeof(code);

	if (!HMAC(EVP_sha256(), key->bytes, VEIL_KEY, (const unsigned char *)address, sizeof(*address), code, &length))
		abort();
	hex_print(code, (VEIL_PSEUDONYM - 1) / 2, text);
	return text;
}

static struct usher_address network_of(const struct usher_address *address, unsigned int bits)
{
	struct usher_address network = *address;
	uint8_t *bytes = (uint8_t *)&network;

	memset(bytes + bits / 8, 0, sizeof(network) - bits / 8);
	return network;
}

bool veil_is_open(const struct veil *veil)
{
	return !veil || veil->privacy.mode == CLIENT_PLAIN;
}

bool veil_tells(const struct veil *veil, const struct usher_address *address, uint8_t bits)
{
	return !veil || veil->privacy.mode == CLIENT_PLAIN ||
	       bits <= (address_is_ipv4(address) ? 96 + IPV4_BITS : IPV6_BITS);
}

void veil_client(const struct veil *veil, struct json *to, const char *key, const struct usher_address *address,
		 uint16_t port)
{
	enum client_address mode = veil ? veil->privacy.mode : CLIENT_PLAIN;
	bool ipv4 = address_is_ipv4(address);
	char text[ADDRESS_TEXT], pseudonym[VEIL_PSEUDONYM];
	struct usher_address network;

	json_object_begin(to, key);
	if (mode == CLIENT_PLAIN) {
		json_string(to, "ip", address_print(address, text));
	} else if (mode == CLIENT_TRUNCATED) {
		network = network_of(address, ipv4 ? 96 + IPV4_BITS : IPV6_BITS);
		json_string(to, "ip", address_print(&network, text));
		json_unsigned(to, "bits", ipv4 ? IPV4_BITS : IPV6_BITS);
	} else {
		const struct veil_key *with = veil->keys.count ? &veil->keys.items[veil->keys.count - 1] : NULL;

		json_null(to, "ip");
		json_string(to, "pseudonym", with ? veil_pseudonym(with, address, pseudonym) : NULL);
		json_string(to, "key", with ? with->id : NULL);
	}
	json_unsigned(to, "port", port);
	json_object_end(to);
}
