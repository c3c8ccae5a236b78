/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Decisions that are on record, put to another policy: who would be denied that was allowed, allowed that was denied, and whose backend
 * could not be given to a new flow any more. Pure.
 *
 * 1. What is compared is policy with policy: every backend of the other policy counts as healthy and free. A refusal that came of the
 *    moment (drains, probes, quarantine, gates, surges, limits) says nothing about a policy, and is counted apart. A backend that rules take
 *    away, or that a split or roll-out gives no share, makes it moved. One that still has a share does not, however small: who gets which
 *    of several, nobody can tell. Nor does a closed overflow tier, the step of a roll-out between its two versions, or a reroute that is
 *    not in use.
 * 2. A client is classified anew, by its address, with the trees that the kernel would be given. Where the record has not all of it, but a range
 *    that it is in (the source prefix that classified it, or its network), whatever the other policy makes of addresses in that range may
 *    have become of it: if that is one outcome, it is this one. If not, the decision cannot be answered (REPLAY_SPLIT), but for one
 *    case: where only the network is on record, and some of it has tenant and region of the record.
 *    Then, and where the record has no range, these two stand in, if the other policy has them.
 * 3. Whom the other policy's pools will have nobody knows: one of each region and family stands in (policy_assume_members).
 */
#ifndef USHER_AUDIT_REPLAY_H
#define USHER_AUDIT_REPLAY_H

#include "compile/decision.h"
#include "compile/sources.h"

enum replay_outcome {
	REPLAY_SAME,
	REPLAY_DENIED,	      /* was allowed */
	REPLAY_ALLOWED,	      /* was denied */
	REPLAY_MOVED,	      /* would be answered, but no new flow by this backend */
	REPLAY_OF_THE_MOMENT, /* nothing that a policy decides */
	REPLAY_UNANSWERABLE,  /* who it was, the other policy cannot tell */
	REPLAY_SPLIT,	      /* of its range, the other policy answers one part like this and another like that */
	REPLAY_OUTCOMES,
};
extern const char *const replay_outcome_words[REPLAY_OUTCOMES];

/* What the record says; texts may be "" where it says nothing. */
struct replay_question {
	uint8_t reason; /* enum usher_reason */
	char tenant[USHER_NAME_MAX + 1], region[8], service[USHER_NAME_MAX + 1], backend[USHER_NAME_MAX + 1];
	bool has_client;
	struct usher_address client;
	bool has_range;	    /* that the client is in, and `client` is the first address of */
	bool by_prefix;	    /* it is as narrow as the source prefix was, at least */
	uint8_t range_bits; /* of 128 */
	bool has_address;   /* that it called */
	struct usher_address address;
	uint16_t port;
	uint8_t protocol;
};

struct replay_answer {
	enum replay_outcome outcome;
	uint8_t reason; /* of the other policy, enum usher_reason; of a range that it answers for several: of one of them */
	size_t rule;	  /* of it, that is responsible, or POLICY_NONE */
	size_t rollout;	  /* the same, of a backend without a share */
	bool by_recorded; /* tenant and region are those of the record */
};

struct replay;

/* Returns 0 or -ENOMEM. The policy must outlive it. */
int replay_open(const struct policy *policy, int64_t now, struct replay **ret_replay);
void replay_close(struct replay *replay);
void replay_ask(struct replay *replay, const struct replay_question *question, struct replay_answer *ret_answer);

/* A line of the log. Returns 0 and how many decisions it stands for; -ENOENT: it is no decision; -EINVAL: it cannot be read. */
int replay_parse(const char *line, size_t length, struct replay_question *ret_question, uint64_t *ret_count);

#endif
