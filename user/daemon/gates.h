/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every gate of the policy in force, once for each of its subjects: what has been read for it, the state it is in, and
 * what that makes of the subject.
 *
 * 1. A gate's state is kept by name, through policies and restarts; its evidence as long as it measures the same.
 * 2. A transition is on the disk before it is in force.
 * 3. Where that was and cannot be read any more, gates that deny something begin by denying it (gate.h, 8).
 */
#ifndef USHER_DAEMON_GATES_H
#define USHER_DAEMON_GATES_H

#include "base/sha256.h"
#include "edge/edge.h"
#include "govern/evidence.h"
#include "govern/facts.h"
#include "policy/policy.h"

struct gate_instance {
	char gate_name[USHER_NAME_MAX + 1], subject_name[VERSION_TEXT];
	char measures[SHA256_HEX]; /* what, of whom, and where it is read */
	size_t gate, subject;	   /* of the policy */
	size_t first, series;	   /* of the list of series */
	struct gate state;
	struct gate_outcome outcome; /* of the last step */
	bool stepped;		     /* has there been one, by this daemon? */
	struct evidence *evidence;
	struct gate_estimate estimate; /* that comes of it */
};

/* An evaluator, as far as it is known. */
struct gate_feed {
	size_t first, count; /* of the list of series */
	bool asked;
	struct cause cause; /* of the last reading */
	int64_t read_at;    /* CLOCK_MONOTONIC ns of the last one without; 0: none */
};

struct gates {
	struct gate_instance *items; /* by gate, then subject */
	size_t count;
	/* What denied and is not judged by this policy: a policy that is tried and taken back ends no denial. */
	struct gate_instance *kept;
	size_t kept_count;
	struct edge_series *series; /* by evaluator, then instance */
	struct edge_value *values;  /* of them, as they are told, before they are confirmed */
	size_t series_count;
	struct gate_feed *feeds; /* by evaluator */
	size_t feed_count;
	int64_t lost_at; /* what an earlier daemon knew cannot be read, and that since then: seconds; 0: it can */
};

/* Those of this policy; states and evidence are those of `before`, which may be NULL. Returns 0 or -ENOMEM. */
int gates_new(const struct policy *policy, const struct gates *before, struct gates **ret_gates);
void gates_free(struct gates *gates);
/* What they say of the policy's versions, backends and services. */
void gates_fill(const struct gates *gates, const struct policy *policy, struct facts *facts);
/* Where the edge reads an evaluator. */
struct edge_evaluator gates_evaluator(const struct gates *gates, const struct policy *policy, size_t evaluator);
/* A fact of kind VALUES or EVALUATED, of this list. now: as in evidence.h. Returns whether an evaluator has been read. */
bool gates_take(struct gates *gates, const struct policy *policy, const struct edge_fact *fact, int64_t now);
/* After a pause in which nobody measured. now: seconds. */
void gates_resume(struct gates *gates, int64_t now);
/* Steps all of them; changed: called for each that makes a transition. now: seconds. */
void gates_step(struct gates *gates, const struct policy *policy, int64_t now,
		void (*changed)(void *context, const struct gate_instance *instance), void *context);
/* POLICY_NONE: there is none of these names. */
size_t gates_find(const struct gates *gates, const char *gate, const char *subject);
/* Does it keep its subject from anything at the moment? A gate that only alerts does not. */
bool gate_acts(const struct policy *policy, const struct gate_instance *instance);

#endif
