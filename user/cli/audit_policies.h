/* SPDX-License-Identifier: GPL-2.0-only */
/* The texts of policies that were in force, as the daemon keeps them in its state folder (daemon/revisions.h). */
#ifndef USHER_CLI_AUDIT_POLICIES_H
#define USHER_CLI_AUDIT_POLICIES_H

#include <stddef.h>

#include <json-c/json.h>

#include "base/sha256.h"

struct audit_policies {
	const char *folder;
	struct json_object *list;
};

/* Returns 0, -EBADMSG: its list is damaged; or -errno. */
int audit_policies_open(const char *folder, struct audit_policies *ret_policies);
void audit_policies_close(struct audit_policies *policies);
/* evidence_policy_source: context is one that is open. */
int audit_policies_text(const char digest[SHA256_HEX], void *context, char **ret_bytes, size_t *ret_length);

#endif
