/* SPDX-License-Identifier: GPL-2.0-only */
/* Names that stand for something else in the document: resolved to its index, or reported. */
#ifndef USHER_POLICY_REFERENCE_H
#define USHER_POLICY_REFERENCE_H

#include "policy/reader.h"

/* What may be referred to: `count` structs that begin with their names, `stride` bytes each, sorted by name. */
struct named {
	const char *what; /* "tenant", for messages */
	const void *items;
	size_t count, stride;
};

#define NAMED(what_, items_, count_) ((struct named){what_, items_, count_, sizeof(*(items_))})

/* POLICY_NONE if nothing has that name. */
size_t named_find(const struct named *named, const char *name);
/* `; did you mean "x"?`, or "". */
const char *did_you_mean(struct document *document, const char *word, const struct named *named);

/* A string that names one of the items. Returns 0 or -EINVAL. */
int read_reference(struct document *document, struct node node, const struct named *named, size_t *ret_index);
/* A list of them; what could be resolved is in the result even if something could not. Returns 0 or -EINVAL. */
int read_references(struct document *document, struct node node, const struct named *named,
		    struct index_list *ret_list);
/* "model@version". */
int read_version_reference(struct document *document, struct node node, const struct policy *policy,
			   size_t *ret_version);
int read_version_references(struct document *document, struct node node, const struct policy *policy,
			    struct index_list *ret_list);
/* The versions of one model, by their own names. */
struct named versions_of(const struct policy *policy, size_t model);

/* Sorted; the indices must be distinct. */
void index_list_make(struct document *document, const size_t *indices, size_t count, struct index_list *ret_list);

#endif
