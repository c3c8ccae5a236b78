/* SPDX-License-Identifier: GPL-2.0-only */
/* Source prefixes as the search trees of abi.h. */
#ifndef USHER_COMPILE_SOURCES_H
#define USHER_COMPILE_SOURCES_H

#include "usher/abi.h"

#include "base/arena.h"
#include "base/sha256.h"
#include "compile/classes.h"

/*
 * The trees of both families, and what they are made of: the policy's tenants alone, so that another generation of the same policy
 * has the same. Shared: freed when the last holder has let go.
 */
struct source_trees {
	struct arena arena;
	size_t holders;
	uint64_t serial; /* no two in a process have the same */
	char policy_digest[65];
	struct classes classes;
	struct usher_source4_line *source4;
	struct usher_source6_line *source6;
	struct usher_line16 *source4_classes, *source6_classes;
	size_t source4_lines, source6_lines, source4_class_lines, source6_class_lines;
	uint8_t digest[SHA256_BYTES]; /* of all that */
};

/* `before`: may be NULL; is returned, held once more, if it is of this very policy. */
struct source_trees *source_trees_of(const struct policy *policy, struct source_trees *before);
/* The class of an address, as these trees have it. */
size_t source_trees_find(const struct source_trees *trees, const struct usher_address *address);
void source_trees_release(struct source_trees *trees);

#endif
