/* SPDX-License-Identifier: GPL-2.0-only */
/* Approvals of a policy as they are given on the command line: files with a signature each, and why it comes. */
#ifndef USHER_CLI_SIGNATURES_H
#define USHER_CLI_SIGNATURES_H

#include <json-c/json.h>

#include "audit/approvers.h"

/* What apply and rollback share: --why TEXT, and --signature FILE, up to APPROVERS_MAX times. */
struct reasons {
	const char *why; /* or NULL */
	struct approval approval;
};

#define REASONS_OPTIONS                                                                                                \
	{"why", required_argument, NULL, 'w'},                                                                         \
	{                                                                                                              \
		"signature", required_argument, NULL, 'g'                                                              \
	}

/* Takes one of these options. Returns CLI_OK, or the exit status after a message. */
int reasons_take(int letter, const char *value, struct reasons *reasons);
/* Adds them to a request. */
void reasons_add(const struct reasons *reasons, struct json_object *request);
/* Reads one signature more. Returns CLI_OK, or the exit status after a message that names the file. */
int signature_take(const char *path, struct approval *approval);

#endif
