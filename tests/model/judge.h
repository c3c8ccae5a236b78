/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the rules say of one (service, tenant, region, address family), read off the document word by word: no tables,
 * no order of evaluation but the one that the design states. "How a decision is made" in the design is its source.
 */
#ifndef USHER_MODEL_JUDGE_H
#define USHER_MODEL_JUDGE_H

#include "document.h"

#define REF_BACKENDS_MAX 64

/* Backends by position in policy->backends. */
typedef uint64_t ref_backends;

struct ref_arm {
	const char *version; /* NULL: all versions together */
	uint32_t weight;
	ref_backends backends; /* that may start; never empty, but for `shed` */
	bool shed;	       /* who draws it gets nothing */
};

#define REF_SHED (1ULL << (REF_BACKENDS_MAX - 1)) /* among choices: to be shed */

struct ref_judgement {
	uint8_t reason; /* ADMITTED, REROUTED or the refusal */
	bool silent;
	const struct ref_rule *rule; /* that decided, or NULL */
	const struct ref_service *target;
	ref_backends may_continue;
	size_t arm_count;
	struct ref_arm arms[USHER_ARMS_MAX + 1];
};

struct ref_client {
	const char *tenant; /* "unknown" */
	struct ref_region region;
	bool ipv6;
};

/* Longest prefix wins; on a service with a tenant of its own that tenant replaces the prefix's. */
struct ref_client ref_classify(const struct ref_policy *policy, const struct usher_address *source,
			       const struct ref_service *service);
struct ref_judgement ref_judge(const struct ref_policy *policy, const struct ref_service *service,
			       const struct ref_client *client);

#endif
