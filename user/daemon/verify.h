/* SPDX-License-Identifier: GPL-2.0-only */
/* Verification in words. */
#ifndef USHER_DAEMON_VERIFY_H
#define USHER_DAEMON_VERIFY_H

#include "base/json.h"
#include "govern/facts.h"

#define VERIFY_SENTENCE 512

/* "fra-1 says that it serves 3.2.0, and not 3.1.0" */
const char *verify_sentence(const struct backend *backend, const struct verification *verification,
			    char text[VERIFY_SENTENCE]);
/* "state", "expected", "found"|null, "cause"|null, "cause_text"|null, "age_seconds"|null: of its last answer. now: CLOCK_MONOTONIC. */
void verify_report(struct json *to, const struct backend *backend, const struct verification *verification,
		   int64_t now);
/* The same as an object of this key; null: the policy asks for none. */
void verify_add(struct json *to, const char *key, const struct backend *backend,
		const struct verification *verification, int64_t now);

#endif
