// SPDX-License-Identifier: GPL-2.0-only
#include "audit/report_policies.h"

#include <stdlib.h>
#include <string.h>

#include "audit/cell.h"
#include "base/array.h"

bool report_policies_concern(const struct fields *fields)
{
	static const char *const activities[] = {"apply", "rollback", "confirm", "start"};

	/* The daemon's own start has no policy. */
	for (size_t i = 0; fields->values[FIELDS_POLICY_DIGEST].at && i < ARRAY_COUNT(activities); i++)
		if (fields_is(fields, FIELDS_ACTIVITY, activities[i]))
			return true;
	return false;
}

/* ---- those that decisions name -------------------------------------------------------------------------------- */

static struct report_policy *find(struct report_policies *policies, const char *digest)
{
	if (policies->count && !strcmp(policies->items[policies->latest].digest, digest))
		return &policies->items[policies->latest];
	for (size_t i = 0; i < policies->count; i++) {
		if (strcmp(policies->items[i].digest, digest) != 0)
			continue;
		policies->latest = i;
		return &policies->items[i];
	}
	return NULL;
}

void report_policies_name(struct report_policies *policies, struct arena *arena, const struct fields *fields,
			  uint64_t count)
{
	struct cell digest, revision;
	const char *text = cell_text(fields, FIELDS_POLICY_DIGEST, &digest);

	if (!fields->values[FIELDS_POLICY_DIGEST].at || find(policies, text))
		return;
	if (policies->count == REPORT_POLICIES) {
		policies->left_out += count;
		return;
	}
	policies->items = array_grow(policies->items, policies->count, &policies->room, sizeof(*policies->items));
	policies->latest = policies->count;
	policies->items[policies->count++] = (struct report_policy){
		.digest = arena_strndup(arena, text, strlen(text)),
		.revision = arena_printf(arena, "%s", cell_text(fields, FIELDS_POLICY_REVISION, &revision)),
	};
}

/* ---- how they came into force --------------------------------------------------------------------------------- */

static void forget(struct report_policy *policy, enum report_policy_past past)
{
	free(policy->past[past].line);
	policy->past[past].line = NULL;
}

static void keep(struct report_policy *policy, const struct fields *fields, const char *line, size_t length)
{
	enum report_policy_past past = fields_is(fields, FIELDS_ACTIVITY, "confirm") ? REPORT_CONFIRMED
				       : fields->values[FIELDS_ACTOR].at	     ? REPORT_ORDERED
										     : REPORT_BY_ITSELF;

	forget(policy, past);
	if (past == REPORT_ORDERED) {
		forget(policy, REPORT_BY_ITSELF);
		forget(policy, REPORT_CONFIRMED);
	}
	policy->past[past].line = strndup(line, length);
	policy->past[past].length = length;
	if (!policy->past[past].line)
		abort();
}

static void enter(struct report_list *list, struct arena *arena, const struct fields *fields)
{
	struct cell time, activity, revision, digest, generation, file, actor, why, approvers;
	const char *const cells[] = {cell_text(fields, FIELDS_ACTIVITY, &activity),
				     cell_text(fields, FIELDS_POLICY_REVISION, &revision),
				     cell_text(fields, FIELDS_POLICY_DIGEST, &digest),
				     cell_text(fields, FIELDS_GENERATION, &generation),
				     cell_text(fields, FIELDS_FILE, &file),
				     cell_actor(fields, &actor),
				     cell_text(fields, FIELDS_WHY, &why),
				     cell_approvers(fields, &approvers)};

	report_list_add(list, arena, cell_time(fields, &time), cells, ARRAY_COUNT(cells));
}

void report_policies_take(struct report_policies *policies, struct arena *arena, const char *since, const char *line,
			  size_t length)
{
	struct report_policy *policy;
	struct cell digest, time;
	struct fields fields;

	fields_read(line, length, &fields);
	if (!report_policies_concern(&fields))
		return;
	policy = find(policies, cell_text(&fields, FIELDS_POLICY_DIGEST, &digest));
	if (policy && !fields_is(&fields, FIELDS_ACTIVITY, "confirm"))
		policy->known = true;
	if (strcmp(cell_time(&fields, &time), since) >= 0)
		enter(&policies->changes, arena, &fields);
	else if (policy)
		keep(policy, &fields, line, length);
}

/* ---- as a list ------------------------------------------------------------------------------------------------ */

static int by_time(const void *a, const void *b)
{
	const struct report_entry *left = a, *right = b;

	return strcmp(left->time, right->time);
}

static void list_unknown(const struct report_policies *policies, struct arena *arena, struct report_list *list)
{
	for (size_t i = 0; i < policies->count; i++) {
		const struct report_policy *policy = &policies->items[i];
		const char *const cells[] = {
			"not in this log", policy->revision, policy->digest, "-", "-", "-", "-", "-"};

		if (!policy->known)
			report_list_add(list, arena, "-", cells, ARRAY_COUNT(cells));
	}
}

static void list_past(const struct report_policies *policies, struct arena *arena, struct report_list *list)
{
	size_t before = list->count;
	struct fields fields;

	for (size_t i = 0; i < policies->count; i++)
		for (size_t p = 0; p < REPORT_PASTS; p++) {
			if (!policies->items[i].past[p].line)
				continue;
			fields_read(policies->items[i].past[p].line, policies->items[i].past[p].length, &fields);
			enter(list, arena, &fields);
		}
	if (list->count > before)
		qsort(list->entries + before, list->count - before, sizeof(*list->entries), by_time);
}

void report_policies_list(const struct report_policies *policies, struct arena *arena, struct report_list *list)
{
	list_unknown(policies, arena, list);
	list_past(policies, arena, list);
	report_list_append(list, &policies->changes);
}

void report_policies_free(struct report_policies *policies)
{
	for (size_t i = 0; i < policies->count; i++)
		for (size_t p = 0; p < REPORT_PASTS; p++)
			forget(&policies->items[i], (enum report_policy_past)p);
	free(policies->items);
	report_list_free(&policies->changes);
}
