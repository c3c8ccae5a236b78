// SPDX-License-Identifier: GPL-2.0-only
/* Every example written otherwise, keys in another order, other blanks, other escapes, has the same digest. */
#include "policy/policy.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include <cmocka.h>

#include "base/sha256.h"

#include "bundled.h"

#define NOW 1795478400 /* 2026-11-24 */
#define KEYS_MAX 512

static uint64_t next_random(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15ULL;
	return usher_mix64(*state);
}

/* ---- the same, written otherwise ------------------------------------------------------------------------------------ */

struct style {
	FILE *to;
	uint64_t random;
	bool plain; /* sorted, no blanks: the canonical form itself */
};

static void put_blanks(struct style *style)
{
	static const char blanks[] = " \t\r\n";

	while (!style->plain && next_random(&style->random) % 3 == 0)
		fputc(blanks[next_random(&style->random) % 4], style->to);
}

static void put_string(struct style *style, const char *text)
{
	fputc('"', style->to);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (!style->plain && c < 0x80 && next_random(&style->random) % 4 == 0)
			fprintf(style->to, next_random(&style->random) % 2 ? "\\u%04x" : "\\u%04X", c);
		else if (!style->plain && c == '/' && next_random(&style->random) % 2)
			fputs("\\/", style->to);
		else if (c == '"' || c == '\\')
			fprintf(style->to, "\\%c", c);
		else
			fputc(c, style->to);
	}
	fputc('"', style->to);
}

static int compare_keys(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static size_t ordered_keys(struct style *style, struct json_object *object, const char *keys[KEYS_MAX])
{
	size_t count = 0;

	json_object_object_foreach(object, key, value)
	{
		(void)value;
		assert_in_range(count, 0, KEYS_MAX - 1);
		keys[count++] = key;
	}
	qsort(keys, count, sizeof(*keys), compare_keys);
	for (size_t i = count; !style->plain && i > 1; i--) {
		size_t other = next_random(&style->random) % i;
		const char *last = keys[i - 1];

		keys[i - 1] = keys[other];
		keys[other] = last;
	}
	return count;
}

static void put_value(struct style *style, struct json_object *value)
{
	put_blanks(style);
	if (json_object_is_type(value, json_type_object)) {
		const char *keys[KEYS_MAX];
		size_t count = ordered_keys(style, value, keys);

		for (size_t i = 0; i < count; i++) {
			fputc(i ? ',' : '{', style->to);
			put_blanks(style);
			put_string(style, keys[i]);
			put_blanks(style);
			fputc(':', style->to);
			put_value(style, json_object_object_get(value, keys[i]));
		}
		fputs(count ? "}" : "{}", style->to);
	} else if (json_object_is_type(value, json_type_array)) {
		size_t count = json_object_array_length(value);

		for (size_t i = 0; i < count; i++) {
			fputc(i ? ',' : '[', style->to);
			put_value(style, json_object_array_get_idx(value, i));
		}
		fputs(count ? "]" : "[]", style->to);
	} else if (json_object_is_type(value, json_type_string)) {
		put_string(style, json_object_get_string(value));
	} else {
		fputs(json_object_to_json_string(value), style->to);
	}
	put_blanks(style);
}

static char *written(struct json_object *root, uint64_t seed)
{
	char *text = NULL;
	size_t length;
	struct style style = {.to = open_memstream(&text, &length), .random = seed, .plain = !seed};

	assert_non_null(style.to);
	put_value(&style, root);
	fclose(style.to);
	return text;
}

/* ---- digests ---------------------------------------------------------------------------------------------------- */

static void digest_of(const char *text, const char *file, int64_t now, char digest[SHA256_HEX])
{
	struct diagnostics diagnostics = {.file = "test.json"};
	struct policy *policy = NULL;
	size_t sent;
	char *bundle = bundled(text, strlen(text), true, &sent);

	if (policy_parse(file, bundle, sent, now, &diagnostics, &policy)) {
		diagnostics_print(&diagnostics, stderr);
		fail_msg("this is no policy: %s", text);
	}
	memcpy(digest, policy->digest, SHA256_HEX);
	free(bundle);
	policy_free(policy);
	diagnostics_free(&diagnostics);
}

static void digest_of_tree(struct json_object *root, uint64_t seed, char digest[SHA256_HEX])
{
	char *text = written(root, seed);

	digest_of(text, "test.json", NOW, digest);
	free(text);
}

static void each_example(void (*check)(struct json_object *root))
{
	struct dirent *entry;
	DIR *folder = opendir("policies/examples");
	int count = 0;

	assert_non_null(folder);
	while ((entry = readdir(folder))) {
		char path[300];
		struct json_object *root;

		if (!strstr(entry->d_name, ".json"))
			continue;
		snprintf(path, sizeof(path), "policies/examples/%s", entry->d_name);
		root = json_object_from_file(path);
		assert_non_null(root);
		check(root);
		json_object_put(root);
		count++;
	}
	closedir(folder);
	assert_true(count >= 5);
}

static void check_styles(struct json_object *root)
{
	char *canonical = written(root, 0), first[SHA256_HEX], other[SHA256_HEX];

	digest_of(canonical, "test.json", NOW, first);
	sha256_hex(canonical, strlen(canonical), other);
	if (!strstr(canonical, "\"geo\"")) /* otherwise the file counts as well */
		assert_string_equal(first, other);
	digest_of(canonical, "another.json", 0, other);
	assert_string_equal(first, other);
	for (uint64_t seed = 1; seed <= 200; seed++) {
		digest_of_tree(root, seed, other);
		assert_string_equal(first, other);
	}
	free(canonical);
}

static void test_how_it_is_written_does_not_count(void **state)
{
	(void)state;
	each_example(check_styles);
}

/* ---- what does count ---------------------------------------------------------------------------------------------- */

static void expect_other(struct json_object *root, const char *first)
{
	char other[SHA256_HEX];

	digest_of_tree(root, 1, other);
	assert_string_not_equal(first, other);
}

static void check_changes(struct json_object *root)
{
	struct json_object *rules = json_object_object_get(root, "rules"), *backends, *metadata;
	size_t count = json_object_array_length(rules);
	char first[SHA256_HEX], again[SHA256_HEX];

	digest_of_tree(root, 1, first);
	/* The order of rules is part of what they say. */
	if (count > 1) {
		struct json_object *one = json_object_get(json_object_array_get_idx(rules, 0));
		struct json_object *two = json_object_get(json_object_array_get_idx(rules, 1));

		json_object_array_put_idx(rules, 0, json_object_get(two));
		json_object_array_put_idx(rules, 1, json_object_get(one));
		expect_other(root, first);
		json_object_array_put_idx(rules, 0, one);
		json_object_array_put_idx(rules, 1, two);
	}
	json_object_array_add(rules, json_tokener_parse("{\"id\": \"one-more\", \"deny\": true}"));
	expect_other(root, first);
	json_object_array_del_idx(rules, count, 1);
	metadata = json_object_object_get(root, "metadata");
	if (!metadata) {
		metadata = json_object_new_object();
		json_object_object_add(root, "metadata", metadata);
	}
	json_object_object_add(metadata, "revision", json_object_new_int(987654321));
	expect_other(root, first);
	digest_of_tree(root, 1, first);
	backends = json_object_object_get(root, "backends");
	json_object_object_foreach(backends, name, backend)
	{
		(void)name;
		json_object_object_add(backend, "capacity", json_object_new_int(4321));
		expect_other(root, first);
		digest_of_tree(root, 2, first);
	}
	digest_of_tree(root, 3, again);
	assert_string_equal(first, again);
}

static void test_what_it_says_counts(void **state)
{
	(void)state;
	each_example(check_changes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_how_it_is_written_does_not_count),
		cmocka_unit_test(test_what_it_says_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
