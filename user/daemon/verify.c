// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/verify.h"

#include <stdio.h>

#include "base/clock.h"

static const char *silence(const struct backend *backend, const struct verification *verification,
			   char text[CAUSE_TEXT])
{
	return verification->cause.kind == CAUSE_NONE ? "no answer"
						      : cause_print(verification->cause, backend->verify.path, text);
}

const char *verify_sentence(const struct backend *backend, const struct verification *verification,
			    char text[VERIFY_SENTENCE])
{
	const char *expected = backend->verify.equals;
	char why[CAUSE_TEXT];

	switch ((enum verification_state)verification->state) {
	case VERIFICATION_VERIFIED:
		snprintf(text, VERIFY_SENTENCE, "%s serves %s, as it should", backend->name, expected);
		break;
	case VERIFICATION_MISMATCHED:
		snprintf(text, VERIFY_SENTENCE, "%s says that it serves %s, and not %s", backend->name,
			 verification->found, expected);
		break;
	case VERIFICATION_STALE:
		snprintf(text, VERIFY_SENTENCE, "%s has not said for %u ms what it serves: %s", backend->name,
			 backend->verify.stale_after_ms, silence(backend, verification, why));
		break;
	case VERIFICATION_RESTARTED:
		snprintf(text, VERIFY_SENTENCE, "%s has started anew, and has not said since what it serves",
			 backend->name);
		break;
	case VERIFICATION_UNASKED:
	case VERIFICATION_STATES:
		snprintf(text, VERIFY_SENTENCE, "%s has not said yet that it serves %s: %s", backend->name, expected,
			 silence(backend, verification, why));
		break;
	}
	return text;
}

void verify_report(struct json *to, const struct backend *backend, const struct verification *verification, int64_t now)
{
	char text[CAUSE_TEXT];
	bool failed = verification->cause.kind != CAUSE_NONE;

	json_string(to, "state", verification_state_names[verification->state]);
	json_string(to, "expected", backend->verify.equals);
	json_string(to, "found", *verification->found ? verification->found : NULL);
	json_string(to, "cause", failed ? cause_words[verification->cause.kind] : NULL);
	json_string(to, "cause_text", failed ? cause_print(verification->cause, backend->verify.path, text) : NULL);
	if (verification->answered_at)
		json_number(to, "age_seconds", (double)(now - verification->answered_at) / CLOCK_SECOND);
	else
		json_null(to, "age_seconds");
}

void verify_add(struct json *to, const char *key, const struct backend *backend,
		const struct verification *verification, int64_t now)
{
	if (!backend->verify.given) {
		json_null(to, key);
		return;
	}
	json_object_begin(to, key);
	verify_report(to, backend, verification, now);
	json_object_end(to);
}
