// SPDX-License-Identifier: GPL-2.0-only
/* Whatever bytes come as a policy: a policy, or an error with its place. What they say counts, not how it is written. */
#include "policy/policy.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "usher/flow_hash.h"

#include "base/array.h"

#include "bundled.h"

#define NOW 1795478400 /* 2026-11-24 */
#define EXAMPLES "policies/examples"

static uint64_t next_random(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15ULL;
	return usher_mix64(*state);
}

/* A policy has no error, and whoever has none has an error, which is somewhere in the text. */
static bool try_text(const char *bytes, size_t length)
{
	struct diagnostics diagnostics = {.file = "test.json"};
	struct policy *policy = NULL;
	size_t sent;
	char *bundle = bundled(bytes, length, bundled_names_file(bytes, length), &sent);
	uint32_t lines = 1;
	int error = policy_parse("test.json", bundle, sent, NOW, &diagnostics, &policy);

	for (size_t i = 0; i < length; i++)
		lines += bytes[i] == '\n';
	assert_true((error == 0) == (diagnostics.errors == 0));
	assert_true((error == 0) == (policy != NULL));
	assert_true(error == 0 || error == -EINVAL);
	for (size_t i = 0; i < diagnostics.count; i++) {
		assert_true(diagnostics.items[i].line <= lines);
		assert_true(*diagnostics.items[i].text);
	}
	free(bundle);
	policy_free(policy);
	diagnostics_free(&diagnostics);
	return !error;
}

static size_t read_example(const char *name, char *bytes, size_t room)
{
	char path[512];
	size_t length;
	FILE *file;

	snprintf(path, sizeof(path), EXAMPLES "/%s", name);
	file = fopen(path, "re");
	assert_non_null(file);
	length = fread(bytes, 1, room, file);
	fclose(file);
	assert_true(length < room);
	return length;
}

static void each_example(void (*check)(char *bytes, size_t length))
{
	static char bytes[1 << 16];
	struct dirent *entry;
	DIR *folder = opendir(EXAMPLES);
	int count = 0;

	assert_non_null(folder);
	while ((entry = readdir(folder)))
		if (strstr(entry->d_name, ".json")) {
			check(bytes, read_example(entry->d_name, bytes, sizeof(bytes)));
			count++;
		}
	closedir(folder);
	assert_true(count >= 5);
}

static void cut_short(char *bytes, size_t length)
{
	while (length && (bytes[length - 1] == '\n' || bytes[length - 1] == ' '))
		length--;
	for (size_t cut = 0; cut < length; cut += 1 + length / 1500) {
		/* On the heap, to its last byte, so that a look beyond is seen by who looks for that. */
		char *part = malloc(cut + 1);

		memcpy(part, bytes, cut);
		assert_false(try_text(part, cut));
		free(part);
	}
}

static void test_a_document_cut_short_is_refused(void **state)
{
	(void)state;
	each_example(cut_short);
}

static void scramble(char *bytes, size_t length)
{
	static const char alphabet[] = "{}[]\",:0123456789.-+eE tfnrul\\/\0\xff\x80\n'#*";
	uint64_t random = length;

	for (int i = 0; i < 1500; i++) {
		char was[4];
		size_t at = next_random(&random) % (length - 4), count = 1 + next_random(&random) % 4;

		memcpy(was, bytes + at, sizeof(was));
		for (size_t c = 0; c < count; c++)
			bytes[at + c] = alphabet[next_random(&random) % sizeof(alphabet)];
		try_text(bytes, length);
		memcpy(bytes + at, was, sizeof(was));
	}
	assert_true(try_text(bytes, length));
}

static void test_changed_bytes_make_a_policy_or_an_error(void **state)
{
	(void)state;
	each_example(scramble);
}

static void digest_of(const char *text, char digest[65])
{
	struct diagnostics diagnostics = {.file = "test.json"};
	struct policy *policy = NULL;

	if (policy_parse("test.json", text, strlen(text), NOW, &diagnostics, &policy)) {
		diagnostics_print(&diagnostics, stderr);
		fail();
	}
	memcpy(digest, policy->digest, 65);
	policy_free(policy);
	diagnostics_free(&diagnostics);
}

#define REST "\"services\": {}, \"rules\": [], \"backends\": {}"

static void test_the_digest_is_of_what_is_said(void **state)
{
	static const char *const same[] = {
		"{\"apiVersion\": \"usher/v1\", \"models\": {\"m\": {\"versions\": {\"1\": {\"stage\": "
		"\"canary\"}}}}, " REST "}",
		"{\n  " REST ",\n\t\"models\":{\"m\":{\"versions\":{\"1\":{\"stage\":\"canary\"}}}},\r\n\"apiVersion\":"
		"\"usher/v1\"}\n",
		"{\"apiVersion\": \"usher\\/v1\", \"models\": {\"\\u006d\": {\"versions\": {\"1\": {\"stage\": "
		"\"canar\\u0079\"}}}}, " REST "}",
	};
	static const char *const others[] = {
		"{\"apiVersion\": \"usher/v1\", \"models\": {\"n\": {\"versions\": {\"1\": {\"stage\": "
		"\"canary\"}}}}, " REST "}",
		"{\"apiVersion\": \"usher/v1\", \"models\": {\"m\": {\"versions\": {\"1\": {\"stage\": "
		"\"archived\"}}}}, " REST "}",
	};
	char first[65], other[65];

	(void)state;
	digest_of(same[0], first);
	for (size_t i = 1; i < ARRAY_COUNT(same); i++) {
		digest_of(same[i], other);
		assert_string_equal(first, other);
	}
	for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
		digest_of(others[i], other);
		assert_string_not_equal(first, other);
	}
}

static struct region region_of(const char *country, const char *part)
{
	struct region region = {0};

	memcpy(region.country, country, strlen(country));
	memcpy(region.subdivision, part, strlen(part));
	return region;
}

/* A country may be any of its parts; nobody knows where the unknown is. */
static void test_regions(void **state)
{
	struct region items[] = {region_of("DE", "HE"), region_of("FR", "")};
	struct region_list list = {.items = items, .count = 2};
	struct region hesse = region_of("DE", "HE"), bavaria = region_of("DE", "BY"), germany = region_of("DE", ""),
		      paris = region_of("FR", "IDF"), us = region_of("US", ""), unknown = region_of("", "");
	char text[8];

	(void)state;
	assert_true(region_inside(&hesse, &list) && region_may_be_inside(&hesse, &list));
	assert_false(region_inside(&bavaria, &list) || region_may_be_inside(&bavaria, &list));
	assert_false(region_inside(&germany, &list));
	assert_true(region_may_be_inside(&germany, &list));
	assert_true(region_inside(&paris, &list) && region_may_be_inside(&paris, &list));
	assert_false(region_inside(&us, &list) || region_may_be_inside(&us, &list));
	assert_false(region_inside(&unknown, &list));
	assert_true(region_may_be_inside(&unknown, &list));
	region_print(&hesse, text);
	assert_string_equal(text, "DE-HE");
	region_print(&germany, text);
	assert_string_equal(text, "DE");
	region_print(&unknown, text);
	assert_string_equal(text, "unknown");
}

static void test_versions_are_found_by_their_full_name(void **state)
{
	static const char text[] =
		"{\"apiVersion\": \"usher/v1\", \"backends\": {}, \"services\": {}, \"rules\": [], \"models\": {"
		"\"b\": {\"versions\": {\"1\": {\"stage\": \"production\"}, \"2\": {\"stage\": \"production\"}}}, "
		"\"a\": {\"versions\": {\"2\": {\"stage\": \"production\"}}}}}";
	static const char *const none[] = {"",	  "@",	   "a",	  "2",	 "a@",	 "@2",	 "a@1",
					   "b@3", "b@1@2", "c@1", "d@1", "bb@1", "b@11", "A@2"};
	struct diagnostics diagnostics = {.file = "test.json"};
	struct policy *policy = NULL;
	char name[VERSION_TEXT], longest[3 * VERSION_TEXT];

	(void)state;
	assert_int_equal(policy_parse("test.json", text, strlen(text), NOW, &diagnostics, &policy), 0);
	assert_int_equal(policy->version_count, 3);
	for (size_t v = 0; v < policy->version_count; v++)
		assert_int_equal(version_find(policy, version_print(policy, v, name)), v);
	assert_string_equal(version_print(policy, 0, name), "a@2");
	assert_string_equal(version_print(policy, 2, name), "b@2");
	for (size_t i = 0; i < ARRAY_COUNT(none); i++)
		assert_true(version_find(policy, none[i]) == POLICY_NONE);
	memset(longest, 'a', sizeof(longest));
	longest[VERSION_TEXT] = '@';
	longest[sizeof(longest) - 1] = '\0';
	assert_true(version_find(policy, longest) == POLICY_NONE);
	policy_free(policy);
	diagnostics_free(&diagnostics);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_document_cut_short_is_refused),
		cmocka_unit_test(test_changed_bytes_make_a_policy_or_an_error),
		cmocka_unit_test(test_the_digest_is_of_what_is_said),
		cmocka_unit_test(test_regions),
		cmocka_unit_test(test_versions_are_found_by_their_full_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
