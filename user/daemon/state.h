/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What survives a reboot, in one folder:
 *   state.json            numbers, drains, quarantines, history; its first line holds the SHA-256 of the rest
 *   state-copy.json       the same, written before it: what an operator has ordered must not be lost with one file
 *   gates.json            what gates are and have measured; sealed in the same way (gates_text.h)
 *   revisions.json        which policies are kept (revisions.h); sealed as well
 *   policy-DIGEST.json    each of them as it was given, with its geography files, under the SHA-256 of its bytes
 *
 * Files are replaced whole (written beside, synced, renamed). One that is not what it should be is renamed to NAME.damaged and
 * said; nothing is read from it.
 */
#ifndef USHER_DAEMON_STATE_H
#define USHER_DAEMON_STATE_H

#include <stdbool.h>

#include "audit/approvers.h"
#include "base/json.h"
#include "base/problem.h"
#include "base/sha256.h"
#include "compile/identities.h"
#include "govern/verification.h"

#define STATE_HISTORY_MAX 64
#define STATE_FILE_NAME 256

struct state_entry {
	char bytes_digest[SHA256_HEX]; /* of the text as given: names its file */
	char digest[SHA256_HEX];       /* of the policy */
	uint64_t number;	       /* of the change: 1, 2, ... none twice */
	char *name;		       /* of its metadata, or NULL */
	uint64_t revision;
	char *file;	 /* as the operator called it */
	int64_t applied; /* ns since 1970 */
	char verb[16];	 /* "apply", "rollback", "start" */
	uint32_t uid;
	char *user; /* or NULL */
	uint64_t generation;
	bool confirmed;
	char *why; /* or NULL */
	struct approval approval;
};

/* An operator has taken this out, and has said why. */
struct state_quarantine {
	char *name;    /* MODEL@VERSION, or of a backend, in which there is no '@' */
	char *why;     /* 1 to PROTOCOL_WHY_MAX bytes */
	int64_t since; /* ns since 1970 */
	uint32_t uid;
	char *user; /* or NULL */
};

/* What is kept of a backend's verification. */
struct state_verification {
	char name[USHER_NAME_MAX + 1]; /* of the backend */
	char expects[SHA256_HEX];      /* what it was asked, and where */
	uint8_t state;		       /* enum verification_state */
	double start_time;	       /* of its process; NAN: not known */
	int64_t good_at;	       /* when it last said what it should: ns since 1970; 0: never, or nobody knows */
	char found[VERIFICATION_FOUND];
};

struct state {
	char *folder;
	const char *damage; /* what comes of it that state.json was damaged; NULL: it was not */
	/* Of the generation that was published last; 0: none. */
	uint64_t generation;
	uint32_t epoch;
	bool judged;
	uint8_t judgement[SHA256_BYTES];
	struct identities *identities; /* or NULL */
	char start_digest[SHA256_HEX]; /* bytes of the --policy that was taken last; "": none */
	uint64_t changes;	       /* number of the last one */
	uint64_t approved_revision;    /* the greatest that was approved, put in force and confirmed; 0: none */
	int64_t confirm_by;	       /* ns since 1970: then entry 0 goes unless it is confirmed; 0: it is */
	struct state_entry history[STATE_HISTORY_MAX]; /* newest first; entry 0 is in force */
	size_t history_count;
	/* By backend number: since when that backend, as the identities have it, could start flows, in seconds; 0: it could not. */
	int64_t able_since[USHER_BACKENDS_MAX];
	char **drains; /* names of backends */
	size_t drain_count, drain_capacity;
	struct state_quarantine *quarantines; /* oldest first; of whatever the policy does not have any more as well */
	size_t quarantine_count, quarantine_capacity;
	struct state_verification *verifications;
	size_t verification_count, verification_capacity;
	struct usher_address *added; /* addresses that usher has put on the interface */
	size_t added_count, added_capacity;
	/* Where the services of the policy in force listen: what stays closed while there is no policy. */
	struct state_service {
		struct usher_address address;
		uint16_t port;
		uint8_t protocol;
	} * services;
	size_t service_count, service_capacity;
};

/* Makes the folder (mode 0700) and reads what is there. damage: sentences about what was set aside, one call each. Returns 0,
 * or -errno with a sentence. */
int state_open(const char *folder, void (*damage)(void *context, const char *sentence), void *context,
	       struct problem *problem, struct state **ret_state);
void state_close(struct state *state);
/* Writes state.json, and its copy. Returns 0 or -errno. */
int state_save(const struct state *state);

/* Another file of the folder whose first line holds the SHA-256 of the rest. Returns 0, or -errno. */
int state_write_sealed(const struct state *state, const char *name, const struct json *text);
/* Reads it: 0, and the rest within `bytes`, which is to be freed; -ENOENT; -EBADMSG: it is damaged; or -errno. */
int state_read_sealed(const struct state *state, const char *name, char **ret_bytes, const char **ret_text,
		      size_t *ret_length);
/* It is damaged: renamed to NAME.damaged. */
void state_set_aside(const struct state *state, const char *name);
/* Is there a NAME.damaged? */
bool state_was_set_aside(const struct state *state, const char *name);

/* Keeps the text of a policy; one that is kept already stays as it is. Returns 0 or -errno. */
int state_keep_policy(const struct state *state, const char *bytes, size_t length, char ret_digest[SHA256_HEX]);
/* Deletes the text, which no entry may name. Returns 0 or -errno. */
int state_drop_policy(const struct state *state, const char digest[SHA256_HEX]);
/* Does an entry name it? */
bool state_names_policy(const struct state *state, const char digest[SHA256_HEX]);
/* Reads it again: 0, -ENOENT, -EBADMSG if it was damaged (and is set aside), or -errno. */
int state_read_policy(const struct state *state, const char digest[SHA256_HEX], char **ret_bytes, size_t *ret_length);
/* Puts an entry, whose strings are then the state's, before all others, and gives it its number; forgets the oldest, whose text stays. */
void state_push(struct state *state, const struct state_entry *entry);
/* The entry that a revision number or the beginning of a digest (4 digits at least) means: 0 or -ENOENT. */
int state_find(const struct state *state, const char *revision, size_t *ret_index);

bool state_is_drained(const struct state *state, const char *backend);
/* Returns whether that changed anything. */
bool state_set_drained(struct state *state, const char *backend, bool drained);

/* By name, as struct state_quarantine has it; NULL: there is none. Valid until a quarantine begins or ends. */
const struct state_quarantine *state_quarantine(const struct state *state, const char *name);
/* Begins one, whose strings are then the state's; there must be none of that name. */
void state_begin_quarantine(struct state *state, const struct state_quarantine *quarantine);
/* Ends one, whose strings are then the caller's: false if there was none. */
bool state_end_quarantine(struct state *state, const char *name, struct state_quarantine *ret_quarantine);
/* By the backend's name; NULL: nothing is kept. Valid until the next is. */
const struct state_verification *state_verification(const struct state *state, const char *backend);
/* In the place of what there was of that backend. */
void state_keep_verification(struct state *state, const struct state_verification *verification);
void state_quarantine_free(struct state_quarantine *quarantine);

#endif
