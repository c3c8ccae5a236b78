/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who is in each pool of the policy. What a source says counts as a whole: unless all of it is within the policy's bounds, the members
 * stay as they are, for as long as that lasts. Who is named no more leaves: he gets no new connections, and is a member until `linger` has
 * passed, or until his place or his address is needed.
 *
 * Pure; who looks at files and hears of DNS is in core_pools.c.
 */
#ifndef USHER_DAEMON_POOLS_H
#define USHER_DAEMON_POOLS_H

#include "base/json.h"
#include "policy/members.h"

#define POOL_PROBLEM 512
/* What one name can have: as many as the edge tells, a few at a time. */
#define POOL_ADDRESSES_ROOM (2 * (USHER_POOL_MEMBERS_MAX + 1) + 4)

/* By what a file is known to be another one. */
struct pool_file {
	uint64_t device, inode;
	int64_t size, modified, changed; /* times in ns; all 0: not looked at */
};

struct pool_state {
	char name[USHER_NAME_MAX + 1];
	struct member_list members;
	int64_t good_at;	    /* when its source was good last, ns since 1970; 0: never */
	char problem[POOL_PROBLEM]; /* why what it says does not count; "": it does, or has not been asked */
	struct pool_file file;
	int64_t look_at, retry_at; /* CLOCK_MONOTONIC; retry_at: after members could not be put in force */
	/* What DNS has said: as far as it has been heard, and whether that is all and waits to be judged. */
	struct usher_address *addresses; /* NULL, or POOL_ADDRESSES_ROOM */
	size_t address_count;
	bool heard;
};

struct pools {
	struct pool_state *items; /* in the order of the policy's */
	size_t count;
};

/* Of a policy, with those members of `before` (or NULL) that its bounds allow; same: it is of the same document, so that what was heard
 * under the one before counts as well. 0 or -ENOMEM. */
int pools_new(const struct policy *policy, const struct pools *before, bool same, struct pools **ret_pools);
void pools_free(struct pools *pools);
/* Puts the members among the policy's backends. */
void pools_expand(const struct pools *pools, struct policy *policy);

/* The members of a pool once its source has named others; now: ns since 1970. */
int pool_follow(const struct pool *pool, const struct member_list *before, const struct member_list *named, int64_t now,
		struct member_list *ret_after);
/* Those whose time to leave has not come yet. */
int pool_expire(const struct member_list *before, int64_t now, struct member_list *ret_after);

/* name, word */
#define POOL_CHANGES(X)                                                                                                \
	X(JOINED, "joined")                                                                                            \
	X(CHANGED, "changed")                                                                                          \
	X(LEAVING, "leaving")                                                                                          \
	X(RETURNED, "returned")                                                                                        \
	X(LEFT, "left")

enum pool_change {
#define X(name, word) POOL_##name,
	POOL_CHANGES(X)
#undef X
		POOL_CHANGES_COUNT
};
extern const char *const pool_change_words[POOL_CHANGES_COUNT];

/* Calls `tell` of each member that is not what it was, by name; of one that has left with what it was. Returns how many. */
size_t pool_compare(const struct member_list *before, const struct member_list *after,
		    void (*tell)(void *context, enum pool_change change, const struct member_facts *member),
		    void *context);

/* Text for the state folder, and back: 0, -ENOMEM, or -EINVAL. */
void pools_print(struct json *to, const struct pools *pools);
int pools_parse(const char *text, size_t length, struct pools **ret_pools);

#endif
