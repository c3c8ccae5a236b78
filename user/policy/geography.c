// SPDX-License-Identifier: GPL-2.0-only
/* A million lines pass here whenever a policy is parsed: one pass, no allocation a line, and sorting only what is not sorted. */
#include "policy/geography.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"

#include "policy/policy.h"
#include "policy/prefix.h"
#include "policy/region.h"
#include "policy/text.h"

/* Twice as many as regions, so that a search among them ends soon. A power of two. */
#define REGION_SLOTS (2 * USHER_GEO_REGIONS_MAX)
#define QUOTED_MAX 64

struct reading {
	struct geo *geo;
	struct geo_prefix *prefixes;
	struct region *regions;
	uint16_t *slots; /* by hash: number of a region + 1, or 0 */
	struct diagnostics *diagnostics;
	size_t room, errors;
	struct arena scratch;
};

/* Returns false when enough has been said. */
__attribute__((format(printf, 4, 5))) static bool complain(struct reading *reading, uint32_t line, size_t column,
							   const char *format, ...)
{
	const char *file = reading->geo->file;
	va_list arguments;
	char *text;

	if (reading->errors == GEOGRAPHY_ERRORS_MAX) {
		diagnostics_add_in(reading->diagnostics, file, SEVERITY_ERROR, line, 1,
				   "there is more from here on; only the first %d errors of a file are shown",
				   GEOGRAPHY_ERRORS_MAX);
		reading->errors++;
	}
	if (reading->errors++ > GEOGRAPHY_ERRORS_MAX)
		return false;
	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		abort();
	va_end(arguments);
	diagnostics_add_in(reading->diagnostics, file, SEVERITY_ERROR, line, (uint32_t)column, "%s", text);
	free(text);
	return true;
}

static const char *quote(struct reading *reading, const char *text, size_t length)
{
	return text_quote(&reading->scratch, text, length < QUOTED_MAX ? length : QUOTED_MAX);
}

/* ---- one line ---------------------------------------------------------------------------------------------- */

static uint32_t region_hash(const char *text, size_t length)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (uint8_t)text[i]) * 16777619u;
	return hash;
}

static bool region_is(const struct region *region, const char *text, size_t length)
{
	size_t subdivision = length > 3 ? length - 3 : 0;

	return !memcmp(region->country, text, 2) && !memcmp(region->subdivision, text + 3, subdivision) &&
	       !region->subdivision[subdivision];
}

/* The number of a region among those of the file. */
static int intern_region(struct reading *reading, const char *text, size_t length, uint16_t *ret_number)
{
	uint32_t slot = region_hash(text, length) % REGION_SLOTS;
	char copy[8] = "";
	int error;

	if (length < 2 || length > 6 || length == 3)
		return -EINVAL;
	for (; reading->slots[slot]; slot = (slot + 1) % REGION_SLOTS) {
		uint16_t number = (uint16_t)(reading->slots[slot] - 1);

		if (region_is(&reading->regions[number], text, length)) {
			*ret_number = number;
			return 0;
		}
	}
	memcpy(copy, text, length);
	if (reading->geo->region_count == USHER_GEO_REGIONS_MAX)
		return -E2BIG;
	error = strlen(copy) == length ? region_parse(copy, &reading->regions[reading->geo->region_count]) : -EINVAL;
	if (error)
		return error;
	*ret_number = (uint16_t)reading->geo->region_count++;
	reading->slots[slot] = (uint16_t)(*ret_number + 1);
	return 0;
}

static bool read_region_code(struct reading *reading, uint32_t number, size_t column, const char *text, size_t length,
			     struct geo_prefix *prefix)
{
	int error = intern_region(reading, text, length, &prefix->region);

	if (error == -ENOENT)
		return complain(reading, number, column, "there is no country %s in ISO 3166-1",
				quote(reading, text, 2));
	if (error == -E2BIG)
		return complain(reading, number, column, "this is region %d of the file; at most %d are possible",
				USHER_GEO_REGIONS_MAX + 1, USHER_GEO_REGIONS_MAX);
	if (error)
		return complain(reading, number, column, "expected a region such as \"DE\" or \"DE-HE\", got %s",
				quote(reading, text, length));
	reading->prefixes[reading->geo->prefix_count++] = *prefix;
	return true;
}

/* Returns false when nothing more of the file needs to be read. */
static bool read_line(struct reading *reading, uint32_t number, const char *line, size_t length)
{
	const char *comma = memchr(line, ',', length);
	size_t prefix_length = comma ? (size_t)(comma - line) : length;
	struct geo_prefix prefix = {.line = number};
	char network[ADDRESS_TEXT];

	if (reading->geo->prefix_count == reading->room) {
		complain(reading, number, 1, "the geography files have more than %u prefixes", USHER_GEO_PREFIXES_MAX);
		return false;
	}
	if (prefix_parse(line, prefix_length, &prefix.address, &prefix.bits))
		return complain(reading, number, 1, "expected " PREFIX_EXAMPLE ", got %s",
				quote(reading, line, prefix_length));
	if (prefix_clear_host(&prefix.address, prefix.bits))
		return complain(reading, number, 1, "there are address bits behind the prefix; the network is %s/%d",
				address_print(&prefix.address, network),
				address_is_ipv4(&prefix.address) ? prefix.bits - 96 : prefix.bits);
	if (!comma)
		return complain(reading, number, length + 1,
				"expected a comma and a region such as \"DE\" or \"DE-HE\"");
	return read_region_code(reading, number, prefix_length + 2, comma + 1, length - prefix_length - 1, &prefix);
}

/* ---- all of them ------------------------------------------------------------------------------------------- */

static size_t count_lines(const char *bytes, size_t length)
{
	const char *end = bytes + length;
	size_t count = 1;

	while (bytes != end && (bytes = memchr(bytes, '\n', (size_t)(end - bytes)))) {
		bytes++;
		count++;
	}
	return count;
}

static void read_lines(struct reading *reading, const char *bytes, size_t length)
{
	const char *at = bytes, *end = bytes + length;

	for (uint32_t number = 1; at < end; number++) {
		const char *newline = memchr(at, '\n', (size_t)(end - at)), *stop = newline ? newline : end;
		size_t line = (size_t)(stop - at);

		if (line && at[line - 1] == '\r')
			line--;
		if (line && *at != '#' && !read_line(reading, number, at, line))
			return;
		at = newline ? newline + 1 : end;
	}
}

static int compare(const void *left, const void *right)
{
	const struct geo_prefix *a = left, *b = right;
	int order = prefix_compare(&a->address, a->bits, &b->address, b->bits);

	return order ? order : (a->line > b->line) - (a->line < b->line);
}

static bool same(const struct geo_prefix *a, const struct geo_prefix *b)
{
	return !prefix_compare(&a->address, a->bits, &b->address, b->bits);
}

static void sort(struct reading *reading)
{
	struct geo_prefix *prefixes = reading->prefixes;
	size_t count = reading->geo->prefix_count, i = 1;

	while (i < count && compare(&prefixes[i - 1], &prefixes[i]) < 0)
		i++;
	if (i < count)
		qsort(prefixes, count, sizeof(*prefixes), compare);
	for (i = 1; i < count; i++)
		if (same(&prefixes[i - 1], &prefixes[i]) &&
		    !complain(reading, prefixes[i].line, 1,
			      "the same prefix is in line %u already; one source cannot be two clients",
			      prefixes[i - 1].line))
			return;
}

void geography_parse(const char *bytes, size_t length, size_t room, struct arena *arena,
		     struct diagnostics *diagnostics, struct geo *geo)
{
	struct reading reading = {.geo = geo, .diagnostics = diagnostics, .room = room};
	size_t lines = count_lines(bytes, length);

	reading.prefixes = arena_array(arena, lines < room ? lines : room, sizeof(*reading.prefixes));
	reading.regions = arena_array(arena, USHER_GEO_REGIONS_MAX, sizeof(*reading.regions));
	reading.slots = arena_array(&reading.scratch, REGION_SLOTS, sizeof(*reading.slots));
	geo->prefix_count = 0;
	geo->region_count = 0;
	read_lines(&reading, bytes, length);
	geo->prefixes = reading.prefixes;
	geo->regions = reading.regions;
	if (!reading.errors && !geo->prefix_count)
		complain(&reading, 1, 1, "there is no prefix in the file");
	sort(&reading);
	arena_free(&reading.scratch);
}

void geography_ties(const struct geo *before, const struct geo *geo, struct diagnostics *diagnostics)
{
	struct reading reading = {.geo = (struct geo *)(uintptr_t)geo, .diagnostics = diagnostics};
	size_t other = 0;

	for (size_t i = 0; i < geo->prefix_count; i++) {
		const struct geo_prefix *prefix = &geo->prefixes[i];

		while (other < before->prefix_count &&
		       prefix_compare(&before->prefixes[other].address, before->prefixes[other].bits, &prefix->address,
				      prefix->bits) < 0)
			other++;
		if (other == before->prefix_count)
			return;
		if (same(&before->prefixes[other], prefix) &&
		    !complain(&reading, prefix->line, 1,
			      "the same prefix is in %s, line %u; one source cannot be two clients", before->file,
			      before->prefixes[other].line))
			return;
	}
}
