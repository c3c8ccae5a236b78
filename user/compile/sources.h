/* SPDX-License-Identifier: GPL-2.0-only */
/* Source prefixes as the search trees of abi.h. */
#ifndef USHER_COMPILE_SOURCES_H
#define USHER_COMPILE_SOURCES_H

#include "usher/abi.h"

#include "base/arena.h"
#include "base/sha256.h"
#include "compile/classes.h"
#include "compile/networks.h"

/* Of one family: the first address of each interval, and what holds from there on. */
struct source_tree {
	int family;
	struct usher_source4_line *lines4; /* one of the two */
	struct usher_source6_line *lines6;
	struct usher_line16 *classes, *lengths; /* the second: bits of the prefix, or NULL */
	size_t line_count, value_line_count;
};

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
	struct source_tree classes4, classes6;	 /* what the kernel is given */
	struct networks networks;		 /* and this, which says no more than classes4 */
	struct source_tree prefixes4, prefixes6; /* with the bits of the prefix, which only records need */
	uint8_t digest[SHA256_BYTES];		 /* of what the kernel is given */
};

/* `before`: may be NULL; is returned, held once more, if it is of this very policy. */
struct source_trees *source_trees_of(const struct policy *policy, struct source_trees *before);
/* The class of an address, as these trees have it. */
size_t source_trees_find(const struct source_trees *trees, const struct usher_address *address);
/* How many bits the prefix has that says that it is of this class: 0..128; of an IPv4 one 96..128. False: there is none. */
bool source_trees_prefix(const struct source_trees *trees, const struct usher_address *address, size_t class_id,
			 uint8_t *ret_bits);
/* The classes that addresses of a prefix have; `bits` as above, of an IPv4 prefix 96 at least. ret_classes: to be freed; each once, in the
 * order of their first addresses. */
void source_trees_within(const struct source_trees *trees, const struct usher_address *address, uint8_t bits,
			 uint16_t **ret_classes, size_t *ret_count);
void source_trees_release(struct source_trees *trees);

#endif
