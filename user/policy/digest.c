// SPDX-License-Identifier: GPL-2.0-only
/*
 * A document's canonical form: keys sorted by their bytes, no blanks, words and strings as json-c writes them; then, a line each, the
 * digest of each geography file, by the names of their tenants and their order there.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/sha256.h"

#include "policy/parse.h"

struct entry {
	const char *key;
	struct json_object *value;
};

static int compare_entries(const void *left, const void *right)
{
	return strcmp(((const struct entry *)left)->key, ((const struct entry *)right)->key);
}

static void print_text(struct json *to, const char *text)
{
	json_raw(to, text, strlen(text));
}

static void print_leaf(struct json *to, struct json_object *value)
{
	print_text(to, json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

static void print_key(struct json *to, const char *key)
{
	struct json_object *text = json_object_new_string(key);

	print_leaf(to, text);
	json_object_put(text);
	print_text(to, ":");
}

/* Depth: at most USHER_POLICY_DEPTH_MAX. */
static void print_value(struct json *to, struct json_object *value)
{
	if (json_object_is_type(value, json_type_object)) {
		size_t count = (size_t)json_object_object_length(value), i = 0;
		struct entry *entries = calloc(count + 1, sizeof(*entries));

		if (!entries)
			abort();
		json_object_object_foreach(value, key, item) entries[i++] = (struct entry){key, item};
		qsort(entries, count, sizeof(*entries), compare_entries);
		print_text(to, "{");
		for (i = 0; i < count; i++) {
			print_text(to, i ? "," : "");
			print_key(to, entries[i].key);
			print_value(to, entries[i].value);
		}
		print_text(to, "}");
		free(entries);
	} else if (json_object_is_type(value, json_type_array)) {
		print_text(to, "[");
		for (size_t i = 0; i < json_object_array_length(value); i++) {
			print_text(to, i ? "," : "");
			print_value(to, json_object_array_get_idx(value, i));
		}
		print_text(to, "]");
	} else {
		print_leaf(to, value);
	}
}

void document_digest(const struct document *document, const struct policy *policy, char hex[65])
{
	struct json text = {0};

	print_value(&text, document->root);
	for (size_t i = 0; i < policy->geo_count; i++) {
		print_text(&text, "\n");
		print_text(&text, policy->geos[i].digest);
	}
	sha256_hex(text.bytes, text.length, hex);
	json_free(&text);
}
