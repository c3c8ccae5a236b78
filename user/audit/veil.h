/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How clients' addresses are put on record: as they are, cut to their network, or as pseudonyms: HMAC-SHA256 (RFC 2104) of the 16 bytes of
 * the address (IPv4 ones mapped) with a key that is the daemon's alone, its first 16 bytes in hexadecimal digits.
 *
 * 1. A key is used for `every`, and destroyed `keep` after that: from then on nobody can tell whose its pseudonyms are. Who knows the key can
 *    try all addresses; without it, one person's connections can be told to be one's within a key's time, and no more.
 * 2. Without a key that is on the disk there is no pseudonym, and no address either.
 * 3. Of an address that is not on record as it is, nothing else tells more than its /24 or /48 does: a policy's prefix that is longer is left
 *    out of the record (veil_tells).
 * 4. Keys that are there mean pseudonyms until a policy says otherwise: a daemon that has not read one yet reveals nobody.
 */
#ifndef USHER_AUDIT_VEIL_H
#define USHER_AUDIT_VEIL_H

#include "base/json.h"
#include "base/problem.h"
#include "policy/model.h"

#define VEIL_KEY 32
#define VEIL_ID 17	  /* with the final NUL */
#define VEIL_PSEUDONYM 33 /* the same */
#define VEIL_KEYS_MAX 1024

struct veil_key {
	char id[VEIL_ID];
	uint8_t bytes[VEIL_KEY];
	int64_t created, destroy; /* seconds since 1970 */
};

struct veil_keys {
	struct veil_key *items; /* the newest last */
	size_t count;
};

/* Of a file of keys: 0; -ENOENT; -EBADMSG: it is damaged; or -errno. */
int veil_keys_read(const char *path, struct veil_keys *ret_keys);
void veil_keys_release(struct veil_keys *keys);
const char *veil_pseudonym(const struct veil_key *key, const struct usher_address *address, char text[VEIL_PSEUDONYM]);

struct veil;

/* path: of the file of keys, which need not be there. One that is damaged is renamed to PATH.damaged: ret_damaged. Returns 0, or -errno with a
 * sentence. */
int veil_open(const char *path, struct problem *problem, struct veil **ret_veil, bool *ret_damaged);
void veil_close(struct veil *veil);
void veil_set(struct veil *veil, const struct client_privacy *privacy);

/* What became of keys. */
struct veil_turn {
	char made[VEIL_ID]; /* "": none */
	size_t destroyed;   /* how many */
	char destroyed_last[VEIL_ID];
};
/* Makes and destroys those that are due at `now`, seconds since 1970. Returns 0, or -errno: nothing has changed, but in a file whose name could not be
 * brought to the disk, which the next turn writes again. */
int veil_turn(struct veil *veil, int64_t now, struct veil_turn *ret_turn);

/* Are clients' addresses on record as they are? veil may be NULL. */
bool veil_is_open(const struct veil *veil);
/* A client's address and port as an object; veil NULL: as they are. */
void veil_client(const struct veil *veil, struct json *to, const char *key, const struct usher_address *address,
		 uint16_t port);

/* May it be on record that a client is in this prefix (bits of 128)? Not where it says more of the address than its network would. */
bool veil_tells(const struct veil *veil, const struct usher_address *address, uint8_t bits);

#endif
