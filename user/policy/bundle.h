/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A policy's text and the geography files that it names, as one run of bytes: what `usher apply` sends, what the state folder keeps and
 * what a rollback puts in force again, so that a policy means the same whatever has become of the files since.
 *
 *   TEXT  { NUL "usher-file " STATUS " " LENGTH-OF-NAME " " LENGTH "\n" NAME BYTES }*
 *
 * A text has no NUL. STATUS is `read`, or `unread` with a sentence on why instead of the file's bytes.
 */
#ifndef USHER_POLICY_BUNDLE_H
#define USHER_POLICY_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>

#include "usher/limits.h"

#include "base/arena.h"
#include "base/json.h"

#define BUNDLE_BYTES_MAX (USHER_POLICY_BYTES_MAX + USHER_GEO_BYTES_MAX + (1u << 20))

struct bundle_file {
	const char *name; /* as the policy has it */
	const char *bytes;
	size_t length;
	bool read;
};

struct bundle {
	const char *text;
	size_t length;
	struct bundle_file items[USHER_GEO_FILES_MAX];
	size_t count;
};

/* Points into the bytes; names are copied. A text alone is a bundle. Returns 0, or -EINVAL: not what bundle_attach makes. */
int bundle_split(const char *bytes, size_t length, struct arena *arena, struct bundle *ret_bundle);
/* NULL if there is none of that name. */
const struct bundle_file *bundle_find(const struct bundle *bundle, const char *name);
/* Appends one to a text. */
void bundle_attach(struct json *to, const struct bundle_file *file);

#endif
