// SPDX-License-Identifier: GPL-2.0-only
/* The outliers of a policy: what outlives another policy and a restart, and in which order they went. */
#include "daemon/ejections.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/policy.h"

static const char with[] =
	"{\"apiVersion\": \"usher/v1\", \"rules\": [], \"nat\": {\"addresses\": [\"10.255.0.1\"]},"
	"\"models\": {\"m\": {\"versions\": {\"1\": {\"stage\": \"production\"}}, \"outlier\": {}},"
	"\"n\": {\"versions\": {\"1\": {\"stage\": \"production\"}}}}, \"services\": {},"
	"\"backends\": {\"a\": {\"address\": \"10.0.0.1:80\", \"serves\": \"m@1\", \"region\": \"DE\"},"
	"\"b\": {\"address\": \"10.0.0.2:80\", \"serves\": \"n@1\", \"region\": \"DE\"},"
	"\"c\": {\"address\": \"10.0.0.3:80\", \"serves\": \"m@1\", \"region\": \"DE\"}}}";
/* One more, before the others. */
static const char more[] =
	"{\"apiVersion\": \"usher/v1\", \"rules\": [], \"nat\": {\"addresses\": [\"10.255.0.1\"]},"
	"\"models\": {\"m\": {\"versions\": {\"1\": {\"stage\": \"production\"}}, \"outlier\": {}}}, \"services\": {},"
	"\"backends\": {\"0\": {\"address\": \"10.0.0.9:80\", \"serves\": \"m@1\", \"region\": \"DE\"},"
	"\"a\": {\"address\": \"10.0.0.1:80\", \"serves\": \"m@1\", \"region\": \"DE\"},"
	"\"c\": {\"address\": \"10.0.0.3:80\", \"serves\": \"m@1\", \"region\": \"DE\"}}}";

static struct policy *policy_of(const char *text)
{
	struct diagnostics diagnostics = {.file = "test.json"};
	struct policy *policy = NULL;

	if (policy_parse("test.json", text, strlen(text), 0, &diagnostics, &policy)) {
		diagnostics_print(&diagnostics, stderr);
		fail();
	}
	diagnostics_free(&diagnostics);
	return policy;
}

static struct ejections *ejections_of(const struct policy *policy, const struct ejections *before)
{
	struct ejections *ejections = NULL;

	assert_int_equal(ejections_new(policy, before, &ejections), 0);
	return ejections;
}

static void ejected(const struct ejections *ejections, const uint32_t *wanted, size_t count)
{
	struct backend_facts backends[8] = {{.ejected = 9}, {.ejected = 9}};
	struct facts facts = {.backends = backends, .backend_count = count};

	ejections_fill(ejections, &facts);
	for (size_t b = 0; b < count; b++)
		assert_int_equal(backends[b].ejected, wanted[b]);
}

static void those_of_a_model_that_looks_for_them(void **state)
{
	struct policy *policy = policy_of(with), *next = policy_of(more);
	struct ejections *ejections = ejections_of(policy, NULL), *after;

	(void)state;
	assert_int_equal(ejections->count, 2);
	assert_null(ejections_find(ejections, "b"));
	ejections_find(ejections, "a")->state = (struct ejection){.out = true, .since = 200, .until = 230};
	ejections_find(ejections, "c")->state =
		(struct ejection){.out = true, .since = 100, .until = 130, .doublings = 3};
	ejected(ejections, (const uint32_t[]){2, 0, 1}, 3);
	/* By their names, whatever their place. */
	after = ejections_of(next, ejections);
	ejected(after, (const uint32_t[]){0, 2, 1}, 3);
	assert_int_equal(ejections_find(after, "c")->state.doublings, 3);
	assert_int_equal(ejections_find(after, "0")->number, USHER_NONE);
	ejections_free(after);
	ejections_free(ejections);
	policy_free(policy);
	policy_free(next);
}

static void what_the_next_daemon_has_to_know(void **state)
{
	struct policy *policy = policy_of(with);
	struct ejections *ejections = ejections_of(policy, NULL), *read = NULL, *after;
	struct json text = {0};

	(void)state;
	ejections_find(ejections, "c")->state =
		(struct ejection){.out = true, .since = 100, .until = 130, .doublings = 3};
	ejections_print(&text, ejections);
	assert_int_equal(ejections_parse(text.bytes, text.length, &read), 0);
	assert_int_equal(read->count, 1);
	after = ejections_of(policy, read);
	ejected(after, (const uint32_t[]){0, 0, 1}, 3);
	assert_int_equal(ejections_find(after, "c")->state.since, 100);
	assert_int_equal(ejections_find(after, "c")->state.until, 130);
	assert_int_equal(ejections_find(after, "c")->state.doublings, 3);
	json_free(&text);
	ejections_free(read);
	ejections_free(after);
	ejections_free(ejections);
	policy_free(policy);
}

static void what_is_none_of_ours(void **state)
{
	static const char *const texts[] = {
		"",
		"{}",
		"[1]",
		"[{}]",
		"[{\"backend\": \"a\", \"out\": 1, \"since\": 1, \"until\": 2, \"doublings\": 0}]",
		"[{\"backend\": \"a\", \"out\": true, \"since\": 3, \"until\": 2, \"doublings\": 0}]",
		"[{\"backend\": \"a\", \"out\": true, \"since\": 0, \"until\": 2, \"doublings\": 0}]",
		"[{\"backend\": \"a\", \"out\": true, \"since\": -1, \"until\": 2, \"doublings\": 0}]",
		"[{\"backend\": \"a\", \"out\": true, \"since\": 1, \"until\": 2, \"doublings\": 17}]",
		"[{\"backend\": \"a\", \"out\": true, \"since\": 1, \"until\": 9223372036854775807, \"doublings\": 0}]",
		("[{\"backend\": \"b\", \"out\": true, \"since\": 1, \"until\": 2, \"doublings\": 0},"
		 " {\"backend\": \"a\", \"out\": true, \"since\": 1, \"until\": 2, \"doublings\": 0}]"),
	};
	struct ejections *read = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(ejections_parse(texts[i], strlen(texts[i]), &read), -EINVAL);
		assert_null(read);
	}
}

static void words_for_people(void **state)
{
	const struct ejection_finding resets = {.signal = OUTLIER_RESETS, .own = {7, 50}, .peers = {1, 200}};
	const struct ejection_finding slow = {
		.signal = OUTLIER_FIRST_BYTE, .own = {45, 50}, .peers = {0, 200}, .slow_bucket = 16};
	char text[EJECTION_TEXT];

	(void)state;
	assert_string_equal(ejection_print(&resets, text), "7 of 50 requests were broken off, of its peers' 1 of 200");
	assert_string_equal(ejection_print(&slow, text),
			    "45 of 50 answers began after more than 1.07 s, unlike those of its peers");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(those_of_a_model_that_looks_for_them),
		cmocka_unit_test(what_the_next_daemon_has_to_know),
		cmocka_unit_test(what_is_none_of_ours),
		cmocka_unit_test(words_for_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
