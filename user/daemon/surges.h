/* SPDX-License-Identifier: GPL-2.0-only */
/* The services of a policy that give way to load: how far each is, and what it has come to. */
#ifndef USHER_DAEMON_SURGES_H
#define USHER_DAEMON_SURGES_H

#include "base/json.h"
#include "compile/tables.h"
#include "govern/facts.h"
#include "govern/surge.h"

struct surge_instance {
	char name[USHER_NAME_MAX + 1]; /* of the service */
	size_t service;		       /* of the policy */
	struct surge_settings settings;
	struct surge state;
	struct surge_measure measure; /* of the last step */
	struct surge_outcome outcome;
	/* Which backends somebody may be answered by there, as the tables in force have it: bit b % 64 of word b / 64. */
	uint64_t reach[USHER_BACKENDS_MAX / 64];
};

struct surges {
	struct surge_instance *items; /* by service; those without overflow are not among them */
	size_t count;
};

/* Those of this policy, where those of these names in `before`, which may be NULL, are. Returns 0 or -ENOMEM. */
int surges_new(const struct policy *policy, const struct surges *before, struct surges **ret_surges);
void surges_free(struct surges *surges);
void surges_fill(const struct surges *surges, struct facts *facts);
/* Notes whom the services reach: of tables that were made of this policy, as long as they have their catalog. */
void surges_note_reach(struct surges *surges, const struct policy *policy, const struct tables *tables);
/* NULL: the service has no overflow. */
const struct surge_instance *surges_find(const struct surges *surges, size_t service);

/* As text, for the next daemon. */
void surges_print(struct json *to, const struct surges *surges);
/* Of these only names, states and the rungs that there were. Returns 0, -ENOMEM, or -EINVAL if they are none of ours. */
int surges_parse(const char *text, size_t length, struct surges **ret_surges);

#endif
