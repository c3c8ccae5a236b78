/* SPDX-License-Identifier: GPL-2.0-only */
/* The verb `explain`, as its parts see it. */
#ifndef USHER_DAEMON_INQUIRY_H
#define USHER_DAEMON_INQUIRY_H

#include "compile/decision.h"
#include "kernel/explain.h"
#include "daemon/request.h"

struct inquiry {
	struct core *core;
	struct json *to;
	struct explain_question question;
	struct usher_explanation answer;
	const struct policy *policy;
	size_t service;		   /* policy index */
	struct decision *decision; /* NULL: the service is not in the policy */
};

/* One line of "steps". */
void inquiry_step(struct inquiry *inquiry, const char *step, const char *rule, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#define INQUIRY_NAMES 320
/* The backends of the list that `takes` is true of, the first few by name; returns how many they are. */
size_t inquiry_names(const struct inquiry *inquiry, const struct shortlist *list,
		     bool (*takes)(const struct inquiry *inquiry, const struct candidate *candidate, const void *what),
		     const void *what, char names[INQUIRY_NAMES]);

/* Backends of the list that verification takes out: what they say that they serve. */
void explain_verification(struct inquiry *inquiry, const struct shortlist *list);
/* Backends of the list that are outliers. */
void explain_ejection(struct inquiry *inquiry, const struct shortlist *list);
/* Which tiers are open, and who is shed. */
void explain_surge(struct inquiry *inquiry);
/* What gates have to do with the backends of the list: steps of who-may-answer. list may be NULL. */
void explain_gates(struct inquiry *inquiry, const struct shortlist *list, size_t service);
/* Of two candidates, which and by which loads: a step, and the answer's own figures. */
void explain_balance_step(struct inquiry *inquiry, const char *chosen);
void explain_balance(struct inquiry *inquiry);
/* The gates that keep one of the candidates, or a service's new connections, from it: a list of its own. */
void explain_gate_list(struct inquiry *inquiry);

/* The roll-out that sets the shares of the service which answers: a step of which-arm. */
void explain_rollout(struct inquiry *inquiry, const struct shortlist *list);
/* The same as "rollout", or null. */
void explain_rollout_field(struct inquiry *inquiry);

#endif
