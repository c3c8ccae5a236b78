/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Members of pools: what a file or DNS says, held against the bounds of the policy, and put among its backends. Pure.
 *
 * 1. No member becomes a backend that its pool does not allow: its version is the pool's, its address is in the pool's prefixes, its
 *    region in the pool's regions, its port one of the pool's, and there are no more than the pool may have.
 * 2. A member's name is POOL.NAME, of which no backend of the document and no member of another pool can be.
 */
#ifndef USHER_POLICY_MEMBERS_H
#define USHER_POLICY_MEMBERS_H

#include "base/diagnostics.h"
#include "policy/model.h"

struct member_facts {
	char name[USHER_NAME_MAX + 1]; /* of the backend that it is */
	struct usher_address address;
	uint16_t port;
	uint32_t capacity;    /* 0: the pool's */
	struct region region; /* country "": the pool's */
	int64_t leave_by;     /* 0: it is named; otherwise it no longer is, and goes then: ns since 1970 */
};

struct member_list {
	struct member_facts *items; /* sorted by name; malloc'ed */
	size_t count;
};

void member_list_free(struct member_list *list);
int member_list_copy(const struct member_list *from, struct member_list *ret_list);
void member_list_sort(struct member_list *list);
/* NULL if there is none of that name. */
const struct member_facts *member_find(const struct member_list *list, const char *name);

#define MEMBER_SENTENCE 256
/* What keeps it from being a member, as the end of a sentence ("is not in ..."), or NULL: nothing. */
const char *member_refusal(const struct policy *policy, const struct pool *pool, const struct member_facts *member,
			   char text[MEMBER_SENTENCE]);

/*
 * A file of members:
 *   {"members": {"gpu-7": {"address": "10.1.0.17", "port": 8000, "region": "DE-HE", "capacity": 50}, ...}}
 * port, region and capacity are the pool's unless given. It counts as a whole: with anything wrong in it, each place of which is in
 * `diagnostics`, there is no list. Returns 0 or -EINVAL.
 */
int members_read(const struct policy *policy, const struct pool *pool, const char *bytes, size_t length,
		 struct diagnostics *diagnostics, struct member_list *ret_list);
/* The same of addresses, whose names are made of them: gpus.10.1.0.17-8000. sentence: what is wrong. Returns 0 or -EINVAL. */
int members_of_addresses(const struct policy *policy, const struct pool *pool, const struct usher_address *addresses,
			 size_t count, char sentence[MEMBER_SENTENCE], struct member_list *ret_list);

/*
 * Puts members among the backends of a policy that has just been parsed, lists by its pools. What refers to backends by their numbers
 * goes on meaning the same; gates on all backends judge members as well. The lists are within bounds.
 */
void policy_add_members(struct policy *policy, const struct member_list *lists);
/* The same with what a policy is checked and compared with where nobody knows whom its pools have: a member of each pool for each of its
 * regions and address families, called POOL.any. */
void policy_assume_members(struct policy *policy);

#endif
