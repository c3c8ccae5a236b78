// SPDX-License-Identifier: GPL-2.0-only
/* Of `explain`: how far the service gives way to load. */
#include "daemon/inquiry.h"

void explain_surge(struct inquiry *inquiry)
{
	const struct surge_instance *instance = surges_find(inquiry->core->standing.surges, inquiry->service);
	const struct service_facts *facts = &inquiry->core->facts.services[inquiry->service];

	if (!instance)
		return;
	if (instance->measure.known)
		inquiry_step(
			inquiry, "who-may-answer", NULL,
			"load over capacity is %.2f, known of %zu of %zu backends: %u of %u overflow tiers are open",
			instance->outcome.ratio, instance->measure.known, instance->measure.backends, facts->open,
			instance->settings.tiers - 1);
	else
		inquiry_step(inquiry, "who-may-answer", NULL,
			     "nobody's load is known: %u of %u overflow tiers are open, as they were", facts->open,
			     instance->settings.tiers - 1);
	if (facts->shed)
		inquiry_step(inquiry, "who-may-answer", NULL,
			     "tenants of a priority below %u are shed: their new connections are dropped",
			     inquiry->core->effective->floors[inquiry->service]);
	if (inquiry->core->effective->browns[inquiry->service].part)
		inquiry_step(inquiry, "who-may-answer", NULL,
			     "%u %% of the new connections of tenants of priority %u are shed: %s",
			     inquiry->core->effective->browns[inquiry->service].part,
			     inquiry->core->effective->browns[inquiry->service].priority,
			     inquiry->policy->services[inquiry->service].sticky_client ? "the same clients' each time"
										       : "drawn for each");
}
