/* SPDX-License-Identifier: GPL-2.0-only */
/* What `usher audit verify` has found, as it is shown: a line each or, with -j, an element each of an array that is begun. */
#ifndef USHER_CLI_AUDIT_FINDINGS_H
#define USHER_CLI_AUDIT_FINDINGS_H

#include "audit/verify.h"

/* Zeroed: nothing. json: with -j, freed by who has it. */
struct audit_findings {
	struct json json;
	uint64_t findings;
};

/* For verify_folder and its like; context: these. */
verify_found audit_findings_add;

#endif
