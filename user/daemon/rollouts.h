/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The roll-outs of the policy in force: where each stands, and what it has seen.
 *
 * 1. A roll-out is kept by name, through policies and restarts, as long as service, versions (with their digests) and
 *    steps are the same; otherwise it begins anew. If only what a step has to rest on is another, that begins anew. Of one
 *    that a policy does not have is kept that it is paused, rolled back or aborted: a policy that is tried and taken back
 *    ends no stop. If where they stood cannot be read any more, they stand still at 0 until an operator's word.
 * 2. A step forward is on the disk before it is in force. One back is in force even if it cannot be written down.
 * 3. What the kernel counts is looked at as differences between two looks of one daemon at one incarnation of a backend:
 *    what happened while nobody looked is not counted, nor is what a number meant before.
 */
#ifndef USHER_DAEMON_ROLLOUTS_H
#define USHER_DAEMON_ROLLOUTS_H

#include "base/json.h"
#include "base/sha256.h"
#include "compile/tables.h"
#include "govern/facts.h"
#include "govern/rollout.h"
#include "kernel/counters.h"
#include "policy/policy.h"
#include "daemon/gates.h"
#include "daemon/protocol.h"

#define ROLLOUT_USER 64

/* An operator's last order, as long as it is what led to the state. */
struct rollout_word {
	bool given;
	uint32_t uid;
	char user[ROLLOUT_USER]; /* "": has no name */
	char why[PROTOCOL_WHY_MAX + 1];
};

struct rollout_instance {
	char name[USHER_NAME_MAX + 1];
	char what[SHA256_HEX];	/* service, versions, steps */
	char terms[SHA256_HEX]; /* what a step has to rest on */
	size_t rollout;		/* of the policy */
	struct rollout state;
	struct rollout_outcome outcome; /* of the last look */
	bool in_force;			/* at it */
	int64_t since;			/* ns since 1970: of state and step; 0: not known yet */
	struct rollout_word word;
	bool lost; /* where it stood is, and nobody has said since what is to become of it */
};

struct rollouts {
	struct rollout_instance *items; /* by policy index */
	size_t count;
	struct rollout_instance *kept; /* stopped, and not of this policy; at 0 %. USHER_ROLLOUTS_MAX of them at most */
	size_t kept_count;
	bool lost;	       /* what an earlier daemon knew cannot be read */
	struct rollouts_seen { /* by backend number */
		bool seen;
		uint16_t incarnation;
		uint64_t flows, since; /* the counter, and what it has grown by since the look before */
	} * seen;
};

/* Those of this policy; where they stand is from `before`, which may be NULL. Returns 0 or -ENOMEM. */
int rollouts_new(const struct policy *policy, const struct rollouts *before, struct rollouts **ret_rollouts);
void rollouts_free(struct rollouts *rollouts);
/* What they say of the policy's services. */
void rollouts_fill(const struct rollouts *rollouts, const struct policy *policy, struct facts *facts);
/* NULL: there is none of that name. */
struct rollout_instance *rollouts_find(const struct rollouts *rollouts, const char *name);
/* Takes note of what is counted now. */
void rollouts_count(struct rollouts *rollouts, const struct catalog *catalog, const struct counters *counters);
/* The same while nobody looks at them: what they come to meanwhile does not count. */
void rollouts_count_nothing(struct rollouts *rollouts);
/* The flows that backends of this version were given between the last two of those notes. */
uint64_t rollouts_flows(const struct rollouts *rollouts, const struct policy *policy, const struct catalog *catalog,
			size_t version);
/* What the gates that it needs say. ret_needs: room for USHER_ROLLOUT_NEEDS_MAX. */
void rollouts_needs(const struct policy *policy, const struct gates *gates, const struct rollout_policy *rollout,
		    struct rollout_need *ret_needs);
/* The gate's instance for the new version, or NULL. */
const struct gate_instance *rollouts_gate(const struct policy *policy, const struct gates *gates,
					  const struct rollout_policy *rollout, size_t need);

/* As text for the state folder, and back: -EINVAL if it is not one of ours, -ENOMEM. */
void rollouts_print(struct json *to, const struct rollouts *rollouts);
int rollouts_parse(const char *text, size_t length, struct rollouts **ret_rollouts);

#endif
