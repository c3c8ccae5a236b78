// SPDX-License-Identifier: GPL-2.0-only
#include "govern/verification.h"

#include <math.h>
#include <stdio.h>

const char *const verification_state_names[VERIFICATION_STATES] = {
	[VERIFICATION_UNASKED] = "unasked",	  [VERIFICATION_VERIFIED] = "verified",
	[VERIFICATION_MISMATCHED] = "mismatched", [VERIFICATION_STALE] = "stale",
	[VERIFICATION_RESTARTED] = "restarted",
};

static bool enter(struct verification *verification, enum verification_state state)
{
	bool changed = verification->state != state;

	verification->state = (uint8_t)state;
	return changed;
}

bool verification_answer(struct verification *verification, bool matches, const char *found, int64_t at)
{
	verification->asked = true;
	verification->cause = (struct cause){CAUSE_NONE, 0};
	verification->answered_at = at;
	snprintf(verification->found, sizeof(verification->found), "%s", found);
	if (!matches)
		return enter(verification, VERIFICATION_MISMATCHED);
	/* What the process before it said is nothing that this one has. */
	if (at < verification->began_at)
		return false;
	verification->good_at = at;
	return enter(verification, VERIFICATION_VERIFIED);
}

bool verification_silence(struct verification *verification, struct cause cause)
{
	verification->asked = true;
	verification->cause = cause;
	return false;
}

bool verification_process(struct verification *verification, double start_time, int64_t read_at)
{
	bool other = !isnan(verification->start_time) && fabs(start_time - verification->start_time) > 0;

	if (isnan(start_time) || read_at < verification->began_at)
		return false;
	verification->start_time = start_time;
	if (!other)
		return false;
	verification->began_at = read_at;
	if (verification->state != VERIFICATION_VERIFIED && verification->state != VERIFICATION_STALE)
		return false;
	return enter(verification, VERIFICATION_RESTARTED);
}

bool verification_tick(struct verification *verification, int64_t stale_after, int64_t now)
{
	if (verification->state != VERIFICATION_VERIFIED || now - verification->good_at <= stale_after)
		return false;
	return enter(verification, VERIFICATION_STALE);
}
