// SPDX-License-Identifier: GPL-2.0-only
#include "policy/region.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/country.h"
#include "policy/policy.h"
#include "policy/reference.h"

int region_parse(const char *text, struct region *ret_region)
{
	static const char capitals[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
			  alphanumerics[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	struct region region = {0};
	size_t length = strlen(text), subdivision = 0;

	if (length < 2 || strspn(text, capitals) < 2 || (text[2] && text[2] != '-'))
		return -EINVAL;
	if (text[2]) {
		subdivision = length - 3;
		if (!subdivision || subdivision > 3 || strspn(text + 3, alphanumerics) != subdivision)
			return -EINVAL;
	}
	memcpy(region.country, text, 2);
	memcpy(region.subdivision, text + length - subdivision, subdivision);
	if (!country_known(region.country))
		return -ENOENT;
	*ret_region = region;
	return 0;
}

int region_compare(const void *left, const void *right)
{
	/* Padded with zeros, so a country comes before its subdivisions. */
	return memcmp(left, right, sizeof(struct region));
}

/* The first item that is not before `region`. */
static size_t lower_bound(const struct region *region, const struct region_list *list)
{
	size_t low = 0, high = list->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (region_compare(&list->items[middle], region) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool has(const struct region_list *list, const struct region *region)
{
	size_t at = lower_bound(region, list);

	return at < list->count && !region_compare(&list->items[at], region);
}

bool region_inside(const struct region *inner, const struct region_list *list)
{
	struct region country = *inner;

	if (!inner->country[0])
		return false;
	memset(country.subdivision, 0, sizeof(country.subdivision));
	return has(list, inner) || has(list, &country);
}

bool region_may_be_inside(const struct region *region, const struct region_list *list)
{
	size_t at;

	if (!region->country[0] || region_inside(region, list))
		return true;
	if (region->subdivision[0])
		return false;
	at = lower_bound(region, list);
	return at < list->count && !strcmp(list->items[at].country, region->country);
}

void region_print(const struct region *region, char text[8])
{
	if (region->country[0])
		snprintf(text, 8, "%.2s%s%.3s", region->country, region->subdivision[0] ? "-" : "",
			 region->subdivision);
	else
		strcpy(text, "unknown");
}

/* ---- reading ------------------------------------------------------------------------------------------------ */

/* What to write for a code that is close to one: another country, or capitals. "" if nothing is near. */
static const char *code_meant(struct document *document, const char *text)
{
	char capitals[8] = "", country[3] = "";
	struct region region;
	const char *meant;

	if (strlen(text) >= sizeof(capitals))
		return "";
	for (size_t i = 0; text[i]; i++)
		capitals[i] = (char)toupper((unsigned char)text[i]);
	memcpy(country, capitals, 2);
	meant = country_meant(country);
	if (meant && (!capitals[2] || capitals[2] == '-'))
		return arena_printf(&document->scratch, "; did you mean \"%s%s\"?", meant, capitals + 2);
	if (strcmp(capitals, text) != 0 && !region_parse(capitals, &region))
		return arena_printf(&document->scratch, "; did you mean \"%s\"?", capitals);
	return "";
}

int read_region(struct document *document, struct node node, struct region *ret_region)
{
	const char *text;
	int error = read_string(document, node, &text);

	if (error)
		return error;
	error = region_parse(text, ret_region);
	if (!error)
		return 0;
	if (error == -ENOENT)
		node_error(document, node, "%s is no country of ISO 3166-1%s",
			   text_quote(&document->scratch, text, strcspn(text, "-")), code_meant(document, text));
	else
		node_error(document, node, "expected a region such as \"DE\" or \"DE-HE\", got %s%s",
			   node_describe(document, node), code_meant(document, text));
	return -EINVAL;
}

static int find_region_set(struct document *document, struct node node, const struct policy *policy, const char *text,
			   const struct region_set **ret_set)
{
	struct named sets = NAMED("region set", policy->region_sets, policy->region_set_count);
	size_t index = named_find(&sets, text);
	const char *near;

	if (index != POLICY_NONE) {
		*ret_set = &policy->region_sets[index];
		return 0;
	}
	near = code_meant(document, text);
	if (!*near)
		near = did_you_mean(document, text, &sets);
	node_error(document, node, "%s is neither a region nor the name of a region set%s",
		   text_quote(&document->scratch, text, strlen(text)), near);
	return -EINVAL;
}

static void add_all(struct region *to, size_t *count, const struct region_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		to[(*count)++] = list->items[i];
}

struct region_list region_list_make(struct arena *arena, const struct region *items, size_t count)
{
	struct region *sorted = arena_array(arena, count, sizeof(*sorted));
	size_t kept = 0;

	if (count)
		memcpy(sorted, items, count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), region_compare);
	for (size_t i = 0; i < count; i++)
		if (!kept || region_compare(&sorted[kept - 1], &sorted[i]) != 0)
			sorted[kept++] = sorted[i];
	return (struct region_list){sorted, kept};
}

int read_regions(struct document *document, struct node node, const struct policy *policy, struct region_list *ret_list,
		 bool *ret_unknown)
{
	size_t count, total = 0, kept = 0;
	struct region *all;
	struct node *items;
	int error = read_list(document, node, 1, USHER_REGIONS_MAX, &items, &count);

	if (error)
		return error;
	const struct region_set **sets = arena_array(&document->scratch, count, sizeof(*sets));
	struct region *codes = arena_array(&document->scratch, count, sizeof(*codes));

	for (size_t i = 0; i < count; i++) {
		const char *text;

		if (read_string(document, items[i], &text)) {
			error = -EINVAL;
		} else if (ret_unknown && !strcmp(text, "unknown")) {
			*ret_unknown = true;
		} else if (!region_parse(text, &codes[i])) {
			total++;
		} else if (find_region_set(document, items[i], policy, text, &sets[i])) {
			error = -EINVAL;
		} else {
			total += sets[i]->regions.count;
		}
	}
	all = arena_array(&document->scratch, total, sizeof(*all));
	for (size_t i = 0; i < count; i++) {
		if (sets[i])
			add_all(all, &kept, &sets[i]->regions);
		else if (codes[i].country[0])
			all[kept++] = codes[i];
	}
	*ret_list = region_list_make(document->arena, all, kept);
	return error;
}
