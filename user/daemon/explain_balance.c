// SPDX-License-Identifier: GPL-2.0-only
/* Which of two candidates a service that is balanced by load takes, and by which loads. */
#include "usher/load.h"

#include "daemon/inquiry.h"

static double share(__u64 load)
{
	return (double)load / (1u << USHER_LOAD_SHIFT);
}

static const struct catalog_backend *rival_of(const struct inquiry *inquiry)
{
	const struct catalog *catalog = inquiry->core->catalog;
	uint16_t rival = inquiry->answer.rival;

	return catalog && rival < USHER_BACKENDS_MAX && catalog->backends[rival].name ? &catalog->backends[rival]
										      : NULL;
}

void explain_balance_step(struct inquiry *inquiry, const char *chosen)
{
	const struct catalog_backend *rival = rival_of(inquiry);
	double load = share(inquiry->answer.load), other = share(inquiry->answer.rival_load);

	if (!inquiry->policy->services[inquiry->decision->target].least_load)
		return;
	if (rival)
		inquiry_step(inquiry, "which-backend", NULL,
			     "of two candidates the less loaded%s: %s at %.1f %% of its capacity, %s at %.1f %%",
			     load < other ? "" : " (as loaded as the other, and drawn first)", chosen, 100 * load,
			     rival->name, 100 * other);
	else
		inquiry_step(inquiry, "which-backend", NULL,
			     "both candidates are the same, or their loads have not been told yet: the first");
}

void explain_balance(struct inquiry *inquiry)
{
	const struct catalog_backend *rival = rival_of(inquiry);

	json_string(inquiry->to, "rival", rival ? rival->name : NULL);
	if (rival) {
		json_number(inquiry->to, "load", share(inquiry->answer.load));
		json_number(inquiry->to, "rival_load", share(inquiry->answer.rival_load));
	} else {
		json_null(inquiry->to, "load");
		json_null(inquiry->to, "rival_load");
	}
}
