/* SPDX-License-Identifier: GPL-2.0-only */
/* What a backend says it serves: a value in a JSON document of its own, compared with what the policy says. Pure. */
#ifndef USHER_EDGE_IDENTITY_H
#define USHER_EDGE_IDENTITY_H

#include "edge/edge.h"

#define IDENTITY_BODY_MAX 262144u /* bytes of an answer */

/*
 * Finds what `pointer` (RFC 6901) points to and compares it with `equals`: a string as it is, a number, true or false as JSON writes it.
 * Returns 0, and whether it is that, with what was found in printable ASCII; -EPROTO: this is no JSON; -ENOENT: nothing is there, or a
 * list, an object or null; -ENOMEM.
 */
int identity_read(const char *body, size_t length, const char *pointer, const char *equals,
		  struct edge_identity *ret_identity);

#endif
