// SPDX-License-Identifier: GPL-2.0-only
/* Of `explain`: who does not serve what it should, or has not said so. */
#include "daemon/inquiry.h"
#include "daemon/verify.h"

#define SAID_MAX 4 /* one by one; the others are counted */

void explain_verification(struct inquiry *inquiry, const struct shortlist *list)
{
	size_t count = 0;

	for (size_t i = 0; list && i < list->count; i++) {
		const struct candidate *candidate = &list->candidates[i];
		char text[VERIFY_SENTENCE];

		if (candidate->constraint_reason != USHER_REASON_UNVERIFIED || count++ >= SAID_MAX)
			continue;
		inquiry_step(inquiry, "who-may-answer", NULL, "%s",
			     verify_sentence(&inquiry->policy->backends[candidate->backend],
					     &inquiry->core->facts.backends[candidate->backend].verification, text));
	}
	if (count > SAID_MAX)
		inquiry_step(inquiry, "who-may-answer", NULL, "%zu more backends are not verified", count - SAID_MAX);
}
