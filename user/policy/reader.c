// SPDX-License-Identifier: GPL-2.0-only
#include "policy/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/date.h"
#include "policy/suggestion.h"

static int expected(struct document *document, struct node node, enum json_type type, const char *what)
{
	if (node_is_bad(document, node))
		return -EINVAL;
	if (node_type(node) == type)
		return 0;
	node_error(document, node, "expected %s, got %s", what, node_describe(document, node));
	return -EINVAL;
}

/* ---- objects and lists --------------------------------------------------------------------------------------- */

static const char *known_keys(struct document *document, const struct field *fields, size_t count)
{
	const char *list = "";

	for (size_t i = 0; i < count; i++)
		list = arena_printf(&document->scratch, "%s%s\"%s\"", list, i ? ", " : "", fields[i].key);
	return list;
}

static void unknown_key(struct document *document, const struct member *member, const struct field *fields,
			size_t count)
{
	const char *near = NULL;

	if (document->searches > 0) {
		document->searches--;
		near = suggestion_find(member->key, &fields[0].key, count, sizeof(fields[0]));
	}
	if (near)
		key_error(document, member->value, "unknown key; did you mean \"%s\"?", near);
	else
		key_error(document, member->value, "unknown key; there %s %s", count == 1 ? "is only" : "are",
			  known_keys(document, fields, count));
}

int read_object(struct document *document, struct node node, struct field *fields, size_t count)
{
	struct member *members;
	size_t member_count;
	int error = expected(document, node, json_type_object, "an object");

	if (error)
		return error;
	members = node_members(document, node, &member_count);
	for (size_t i = 0; i < member_count; i++) {
		size_t known = 0;

		while (known < count && strcmp(fields[known].key, members[i].key) != 0)
			known++;
		if (known == count) {
			unknown_key(document, &members[i], fields, count);
			continue;
		}
		fields[known].given = true;
		fields[known].value = members[i].value;
	}
	for (size_t i = 0; i < count; i++)
		if (fields[i].required && !fields[i].given)
			node_error(document, node, "\"%s\" is missing", fields[i].key);
	return 0;
}

static int compare_members(const void *left, const void *right)
{
	return strcmp(((const struct member *)left)->key, ((const struct member *)right)->key);
}

int read_named(struct document *document, struct node node, const struct naming *naming, size_t max,
	       struct member **ret_members, size_t *ret_count)
{
	struct member *members;
	size_t count;
	int error = expected(document, node, json_type_object, "an object");

	if (error)
		return error;
	members = node_members(document, node, &count);
	if (count > max) {
		node_error(document, node, "there are %zu; at most %zu are possible", count, max);
		return -EINVAL;
	}
	for (size_t i = 0; i < count; i++)
		if (!naming->matches(members[i].key))
			key_error(document, members[i].value, "the name of a %s must match %s", naming->what,
				  naming->form);
	qsort(members, count, sizeof(*members), compare_members);
	*ret_members = members;
	*ret_count = count;
	return 0;
}

struct entry {
	const char *text;
	size_t position;
};

static int compare_entries(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;
	int order = strcmp(a->text, b->text);

	return order ? order : a->position < b->position ? -1 : a->position > b->position;
}

/* Leaves the first of equal strings. */
static size_t drop_repeated(struct document *document, struct node *items, size_t count)
{
	struct entry *entries = arena_array(&document->scratch, count, sizeof(*entries));
	bool *drop = arena_array(&document->scratch, count, sizeof(*drop));
	size_t strings = 0, kept = 0;

	for (size_t i = 0; i < count; i++)
		if (node_type(items[i]) == json_type_string && !node_is_bad(document, items[i]))
			entries[strings++] = (struct entry){json_object_get_string(items[i].json), i};
	qsort(entries, strings, sizeof(*entries), compare_entries);
	for (size_t i = 1; i < strings; i++) {
		if (strcmp(entries[i].text, entries[i - 1].text) != 0)
			continue;
		drop[entries[i].position] = true;
		node_error(document, items[entries[i].position], "%s is in this list twice",
			   text_quote(&document->scratch, entries[i].text, strlen(entries[i].text)));
	}
	for (size_t i = 0; i < count; i++)
		if (!drop[i])
			items[kept++] = items[i];
	return kept;
}

int read_list(struct document *document, struct node node, size_t min, size_t max, struct node **ret_items,
	      size_t *ret_count)
{
	int error = expected(document, node, json_type_array, "a list");
	size_t count;

	if (error)
		return error;
	count = json_object_array_length(node.json);
	if (count < min) {
		node_error(document, node, "the list is empty");
		return -EINVAL;
	}
	if (count > max) {
		node_error(document, node, "there are %zu; at most %zu are possible", count, max);
		return -EINVAL;
	}
	*ret_items = node_items(document, node, &count);
	*ret_count = drop_repeated(document, *ret_items, count);
	return 0;
}

/* ---- scalars --------------------------------------------------------------------------------------------------- */

int read_string(struct document *document, struct node node, const char **ret_string)
{
	int error = expected(document, node, json_type_string, "a string");
	size_t length;

	if (error)
		return error;
	length = (size_t)json_object_get_string_len(node.json);
	if (!length) {
		node_error(document, node, "the string is empty");
		return -EINVAL;
	}
	if (length > USHER_STRING_MAX) {
		node_error(document, node, "the string has %zu bytes; at most %d are possible", length,
			   USHER_STRING_MAX);
		return -EINVAL;
	}
	*ret_string = arena_strndup(document->arena, json_object_get_string(node.json), length);
	return 0;
}

bool is_name(const char *text)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	static const char further[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t length = strlen(text);

	return length && length <= USHER_NAME_MAX && strchr(first, *text) && strspn(text, further) == length;
}

int read_name(struct document *document, struct node node, const char *what, const char **ret_name)
{
	const char *name;
	int error = read_string(document, node, &name);

	if (error)
		return error;
	*ret_name = name;
	if (is_name(name))
		return 0;
	node_error(document, node, "the name of a %s must match " NAME_FORM ", got %s", what,
		   node_describe(document, node));
	return -EINVAL;
}

int read_boolean(struct document *document, struct node node, bool *ret_boolean)
{
	int error = expected(document, node, json_type_boolean, "true or false");

	if (!error)
		*ret_boolean = json_object_get_boolean(node.json);
	return error;
}

int read_true(struct document *document, struct node node, const char *why)
{
	int error = expected(document, node, json_type_boolean, "true");

	if (!error && !json_object_get_boolean(node.json)) {
		node_error(document, node, "expected true: %s", why);
		return -EINVAL;
	}
	return error;
}

int read_integer(struct document *document, struct node node, int64_t min, int64_t max, int64_t *ret_integer)
{
	int64_t integer;

	if (node_is_bad(document, node))
		return -EINVAL;
	if (node_type(node) == json_type_int) {
		integer = json_object_get_int64(node.json);
		if (integer >= min && integer <= max) {
			*ret_integer = integer;
			return 0;
		}
	}
	node_error(document, node, "expected a whole number from %lld to %lld, got %s", (long long)min, (long long)max,
		   node_describe(document, node));
	return -EINVAL;
}

int read_count(struct document *document, struct node node, uint32_t min, uint32_t max, uint32_t *ret_count)
{
	int64_t integer;
	int error = read_integer(document, node, min, max, &integer);

	if (!error)
		*ret_count = (uint32_t)integer;
	return error;
}

int read_number(struct document *document, struct node node, double min, double max, double *ret_number)
{
	enum json_type type = node_type(node);
	double number;

	if (node_is_bad(document, node))
		return -EINVAL;
	if (type == json_type_int || type == json_type_double) {
		number = json_object_get_double(node.json);
		if (number >= min && number <= max) {
			*ret_number = number;
			return 0;
		}
	}
	node_error(document, node, "expected a number from %g to %g, got %s", min, max, node_describe(document, node));
	return -EINVAL;
}

int read_score(struct document *document, struct node node, double *ret_score)
{
	return read_number(document, node, 0, 1, ret_score);
}

int read_choice(struct document *document, struct node node, const char *const *words, size_t count, size_t *ret_choice)
{
	const char *list = "", *near;

	if (node_is_bad(document, node))
		return -EINVAL;
	if (node_type(node) == json_type_string)
		for (size_t i = 0; i < count; i++)
			if (!strcmp(json_object_get_string(node.json), words[i])) {
				*ret_choice = i;
				return 0;
			}
	for (size_t i = 0; i < count; i++)
		list = arena_printf(&document->scratch, "%s%s\"%s\"", list,
				    !i		    ? ""
				    : i + 1 < count ? ", "
						    : " or ",
				    words[i]);
	near = node_type(node) == json_type_string && count > 2
		       ? suggestion_find(json_object_get_string(node.json), words, count, sizeof(*words))
		       : NULL;
	node_error(document, node, "expected %s, got %s%s", list, node_describe(document, node),
		   near ? arena_printf(&document->scratch, "; did you mean \"%s\"?", near) : "");
	return -EINVAL;
}

int read_date(struct document *document, struct node node, int64_t *ret_date)
{
	if (node_is_bad(document, node))
		return -EINVAL;
	if (node_type(node) == json_type_string && !date_parse(json_object_get_string(node.json), ret_date))
		return 0;
	node_error(document, node, "expected a date such as \"2027-01-31\", got %s", node_describe(document, node));
	return -EINVAL;
}

/* ---- durations --------------------------------------------------------------------------------------------------- */

static const struct {
	const char *suffix;
	uint32_t ms;
} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};

#define UNITS (sizeof(units) / sizeof(units[0]))

/* [1-9][0-9]{0,8} and a unit. */
static int parse_duration(const char *text, uint64_t *ret_ms)
{
	size_t digits = strspn(text, "0123456789");
	uint64_t number;

	if (!digits || digits > 9 || *text == '0')
		return -EINVAL;
	number = strtoull(text, NULL, 10);
	for (size_t i = 0; i < UNITS; i++)
		if (!strcmp(text + digits, units[i].suffix)) {
			*ret_ms = number * units[i].ms;
			return 0;
		}
	return -EINVAL;
}

static const char *print_duration(struct document *document, uint64_t ms)
{
	size_t unit = UNITS - 1;

	while (ms % units[unit].ms)
		unit--;
	return arena_printf(&document->scratch, "%llu%s", (unsigned long long)(ms / units[unit].ms),
			    units[unit].suffix);
}

int read_long_duration(struct document *document, struct node node, uint64_t min_ms, uint64_t max_ms, uint64_t *ret_ms)
{
	uint64_t ms;

	if (node_is_bad(document, node))
		return -EINVAL;
	if (node_type(node) == json_type_string && !parse_duration(json_object_get_string(node.json), &ms) &&
	    ms >= min_ms && ms <= max_ms) {
		*ret_ms = ms;
		return 0;
	}
	node_error(document, node, "expected a duration from \"%s\" to \"%s\" (units ms, s, m, h, d), got %s",
		   print_duration(document, min_ms), print_duration(document, max_ms), node_describe(document, node));
	return -EINVAL;
}

int read_duration(struct document *document, struct node node, uint32_t min_ms, uint32_t max_ms, uint32_t *ret_ms)
{
	uint64_t ms;
	int error = read_long_duration(document, node, min_ms, max_ms, &ms);

	if (!error)
		*ret_ms = (uint32_t)ms;
	return error;
}
