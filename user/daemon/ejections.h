/* SPDX-License-Identifier: GPL-2.0-only */
/* The backends of those models that outliers are looked for in: who is out, and what has been seen of them. */
#ifndef USHER_DAEMON_EJECTIONS_H
#define USHER_DAEMON_EJECTIONS_H

#include "base/json.h"
#include "govern/ejection.h"
#include "govern/facts.h"

struct ejection_instance {
	char name[USHER_NAME_MAX + 1]; /* of the backend */
	size_t backend;		       /* of the policy */
	uint16_t number, incarnation;  /* that its totals were counted under; USHER_NONE: none were taken */
	struct ejection state;
	struct ejection_finding finding; /* while it is out, unless a daemon before this one put it there */
	bool found;
};

struct ejections {
	struct ejection_instance *items; /* by name */
	size_t count;
};

/* Those of this policy, where those of these names in `before`, which may be NULL, are. Returns 0 or -ENOMEM. */
int ejections_new(const struct policy *policy, const struct ejections *before, struct ejections **ret_ejections);
void ejections_free(struct ejections *ejections);
void ejections_fill(const struct ejections *ejections, struct facts *facts);
/* NULL: outliers are not looked for in its model. */
struct ejection_instance *ejections_find(const struct ejections *ejections, const char *backend);

/* What has been found, in words: "7 of 50 connections failed, 1 of 200 of its peers'". */
#define EJECTION_TEXT 160
const char *ejection_print(const struct ejection_finding *finding, char text[EJECTION_TEXT]);
/* The same as members of an object: signal, failed, samples, of peers too. */
void ejection_describe(struct json *to, const struct ejection_finding *finding);

/* As text, for the next daemon. */
void ejections_print(struct json *to, const struct ejections *ejections);
/* Of these only names and states. Returns 0, -ENOMEM, or -EINVAL if they are none of ours. */
int ejections_parse(const char *text, size_t length, struct ejections **ret_ejections);

#endif
