/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The backends of a model, judged by what rules ask for and by the facts of the moment. All decisions with the same criteria share it.
 *
 * Candidates fall step by step, and the step that takes the last one gives the refusal its reason and its rule:
 *   rules that take away, in the order of the document (EVIDENCE_EXPIRED if a require asks for labels that are there but
 *   lapsed, otherwise REQUIRE_RULE or DENY_BACKENDS; if one rule takes the last ones for both, REQUIRE_RULE);
 *   an expired validation; the address family; quarantine; a gate; verification; a split or roll-out without a share for them; draining; health;
 *   reachability.
 * Those up to verification make the constraint set, all of them the start set.
 */
#ifndef USHER_COMPILE_SHORTLIST_H
#define USHER_COMPILE_SHORTLIST_H

#include "govern/decide.h"
#include "compile/ruling.h"

struct candidate {
	size_t backend;		   /* policy index */
	uint8_t constraint_reason; /* 0: in the constraint set; otherwise why not (enum usher_reason) */
	uint8_t start_reason;	   /* 0: in the start set too; NO_SHARE is one of the reasons */
	size_t rule;		   /* that removed it, or POLICY_NONE */
};

struct decision_arm {
	size_t version; /* or POLICY_NONE: all versions together (no split) */
	uint32_t weight;
};

struct shortlist {
	uint32_t number;	/* among those of `struct shortlists` */
	const size_t *backends; /* every backend of the model */
	size_t count;
	uint64_t *may_continue, *may_start; /* bit i % 64 of word i / 64: backends[i] */
	uint8_t reason;			    /* 0: somebody may start; otherwise what took the last one */
	size_t rule;			    /* that did, or POLICY_NONE */
	size_t split;			    /* or POLICY_NONE; without effect if there is a roll-out */
	size_t rollout;			    /* of the policy, whose arms these are, or POLICY_NONE */
	struct decision_arm *arms;	    /* with at least one backend in the start set */
	size_t arm_count;
	const struct candidate *candidates; /* how each backend was judged, or NULL: not kept */
};

/* May backends[i] continue? May it start in the arm? */
bool shortlist_continues(const struct shortlist *list, size_t i);
bool shortlist_starts(const struct shortlist *list, const struct policy *policy, size_t i,
		      const struct decision_arm *arm);

/* Each is made once. */
struct shortlists {
	const struct effective *effective;
	const struct rulings *rulings;
	bool keep_candidates;
	struct arena arena;
	struct intern keys;	  /* model, slow start, rerouted, roll-out, whose tiers, criteria */
	struct shortlist **items; /* by number */
	size_t capacity;
};

/* That of these criteria for the backends of a service; CRITERIA_NONE: NULL. Services with the same model and slow start share it. */
const struct shortlist *shortlists_find(struct shortlists *lists, size_t service, size_t criteria);
/* Forgets all if they are so many that making some again weighs less; says whether. */
bool shortlists_trim(struct shortlists *lists);
void shortlists_free(struct shortlists *lists);

#endif
