// SPDX-License-Identifier: GPL-2.0-only
/* Of a service: where it turns when its backends are full. */
#include "policy/parse.h"
#include "policy/policy.h"
#include "policy/region.h"

#define OPEN_AT 1.0
#define SHED_STEPS 4
#define SHED_STEPS_MAX 10
#define CLOSE_AT 0.7
#define OPEN_FOR_S 5
#define CLOSE_FOR_S 30

/* One step: a tier, or, at the end, shedding. */
static void read_step(struct document *document, struct node node, const struct policy *policy, bool last,
		      struct service *service)
{
	enum { REGION, SHED, STEPS, FIELDS };
	static const char *const words[] = {"lowest-priority"};
	struct field fields[FIELDS] = {{.key = "region"}, {.key = "shed"}, {.key = "steps"}};
	size_t ignored;

	if (read_object(document, node, fields, FIELDS))
		return;
	if (fields[REGION].given == fields[SHED].given) {
		node_error(document, node, "is one of \"region\" (a tier of backends) and \"shed\"");
		return;
	}
	if (fields[REGION].given && fields[STEPS].given)
		node_error(document, fields[STEPS].value, "a tier opens in one step");
	if (fields[REGION].given) {
		if (service->tier_count < USHER_TIERS_MAX)
			read_regions(document, fields[REGION].value, policy, &service->tiers[service->tier_count++],
				     NULL);
		else
			node_error(document, node, "there are more than %d tiers", USHER_TIERS_MAX);
		return;
	}
	if (!last)
		node_error(document, node, "tenants are shed when the last tier is full: nothing comes after it");
	if (!read_choice(document, fields[SHED].value, words, 1, &ignored))
		service->shed_steps = SHED_STEPS;
	if (fields[STEPS].given)
		read_count(document, fields[STEPS].value, 1, SHED_STEPS_MAX, &service->shed_steps);
}

static void read_levels(struct document *document, struct node node, struct service *service)
{
	enum { OPEN_LEVEL, CLOSE_LEVEL, OPEN_FOR, CLOSE_FOR, FIELDS };
	struct field fields[FIELDS] = {
		{.key = "open_at"}, {.key = "close_at"}, {.key = "open_for"}, {.key = "close_for"}};

	if (read_object(document, node, fields, FIELDS))
		return;
	if (fields[OPEN_LEVEL].given)
		read_number(document, fields[OPEN_LEVEL].value, 0.05, 100, &service->open_at);
	if (fields[CLOSE_LEVEL].given)
		read_number(document, fields[CLOSE_LEVEL].value, 0.01, 100, &service->close_at);
	if (service->close_at >= service->open_at)
		node_error(document, fields[CLOSE_LEVEL].given ? fields[CLOSE_LEVEL].value : node,
			   "closes at %g, where it opens at %g", service->close_at, service->open_at);
	read_seconds(document, &fields[OPEN_FOR], 1, 3600, &service->open_for_s);
	read_seconds(document, &fields[CLOSE_FOR], 1, 3600, &service->close_for_s);
}

void read_overflow(struct document *document, const struct field *overflow, const struct field *surge,
		   const struct policy *policy, struct service *service)
{
	struct node *items;
	size_t count;

	service->open_at = OPEN_AT;
	service->close_at = CLOSE_AT;
	service->open_for_s = OPEN_FOR_S;
	service->close_for_s = CLOSE_FOR_S;
	if (surge->given && !overflow->given)
		key_error(document, surge->value, "there is no \"overflow\" that it could be about");
	if (surge->given)
		read_levels(document, surge->value, service);
	if (!overflow->given || read_list(document, overflow->value, 1, USHER_TIERS_MAX + 1, &items, &count))
		return;
	service->tiers = arena_array(document->arena, count, sizeof(*service->tiers));
	for (size_t i = 0; i < count; i++)
		read_step(document, items[i], policy, i + 1 == count, service);
}

size_t service_tier(const struct policy *policy, size_t service, size_t backend)
{
	const struct service *served = &policy->services[service];

	for (size_t t = 0; t < served->tier_count; t++)
		if (region_inside(&policy->backends[backend].region, &served->tiers[t]))
			return t + 1;
	return 0;
}
