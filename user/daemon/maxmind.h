/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * MaxMind databases, through libmaxminddb. Format: "MaxMind DB File Format Specification", version 2.0.
 */
#ifndef USHER_DAEMON_MAXMIND_H
#define USHER_DAEMON_MAXMIND_H

#include <stddef.h>

#include "base/json.h"

#define MAXMIND_SENTENCE 512

/*
 * Appends the networks of the database as lines of a geography file, at most `room` bytes: the country of each network, with the first
 * of its subdivisions if there is one. Neighbours with the same answer come as one. Networks without country, and those of
 * what ISO 3166-1 has no code for, are left out: a client from there is unknown. ret_left_out: how many of these the database
 * has an entry for. Returns 0 or -EINVAL with a sentence.
 */
int maxmind_read(const char *path, size_t room, struct json *to, size_t *ret_left_out,
		 char ret_sentence[MAXMIND_SENTENCE]);

#endif
