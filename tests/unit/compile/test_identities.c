// SPDX-License-Identifier: GPL-2.0-only
/* Numbers that flows and counters hold never come to mean something else. */
#include "compile/identities.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "compiled.h"

static struct policy *parsed(const char *backends)
{
	struct diagnostics diagnostics = {.file = "test.json"};
	struct writing text = {0};
	struct policy *policy = NULL;

	writef(&text,
	       "{\"apiVersion\": \"usher/v1\", \"models\": {\"m\": {\"versions\": {\"1\": {\"stage\": \"production\"},"
	       "\"2\": {\"stage\": \"production\"}}}}, \"services\": {}, \"rules\": [], \"nat\": {\"addresses\": "
	       "[\"10.255.0.1\"]},"
	       "\"backends\": {%s}}",
	       backends);
	if (policy_parse("test.json", text.text, text.length, COMPILED_NOW, &diagnostics, &policy)) {
		diagnostics_print(&diagnostics, stderr);
		fail();
	}
	diagnostics_free(&diagnostics);
	free(text.text);
	return policy;
}

static struct identities *next(struct identities *before, const char *backends, uint64_t generation,
			       uint16_t *ret_first)
{
	struct policy *policy = parsed(backends);
	struct identities *after = NULL;
	struct numbers numbers;

	assert_int_equal(identities_next(before, policy, generation, &after, &numbers), 0);
	if (ret_first && policy->backend_count)
		*ret_first = numbers.backends[0];
	numbers_free(&numbers);
	policy_free(policy);
	identities_free(before);
	return after;
}

#define X "\"x\": {\"address\": \"10.0.0.1:80\", \"serves\": \"m@1\", \"region\": \"DE\"}"
#define X_HEAVIER                                                                                                      \
	"\"x\": {\"address\": \"10.0.0.1:80\", \"serves\": \"m@1\", \"region\": \"DE\", \"capacity\": 9, \"health\": " \
	"false}"
#define X_ELSEWHERE "\"x\": {\"address\": \"10.0.0.9:80\", \"serves\": \"m@1\", \"region\": \"DE\"}"
#define X_OF_2 "\"x\": {\"address\": \"10.0.0.1:80\", \"serves\": \"m@2\", \"region\": \"DE\"}"
#define X_IN_US "\"x\": {\"address\": \"10.0.0.1:80\", \"serves\": \"m@1\", \"region\": \"US\"}"
#define Y "\"y\": {\"address\": \"10.0.0.2:80\", \"serves\": \"m@1\", \"region\": \"DE\"}"

static void test_a_backend_keeps_its_number(void **state)
{
	struct identities *all;
	uint16_t first, again, incarnation;

	(void)state;
	all = next(NULL, X "," Y, 1, &first);
	incarnation = all->backends.items[first].incarnation;
	assert_int_not_equal(incarnation, 0);
	all = next(all, "\"a\": {\"address\": \"10.0.0.7:80\", \"serves\": \"m@1\", \"region\": \"DE\"}," X "," Y, 2,
		   NULL);
	all = next(all, X_HEAVIER, 3, &again);
	assert_int_equal(again, first);
	assert_int_equal(all->backends.items[again].incarnation, incarnation);
	identities_free(all);
}

/* Another address, version or region under the same name is another backend. */
static void test_another_backend_under_the_name_is_another(void **state)
{
	static const char *const others[] = {X_ELSEWHERE, X_OF_2, X_IN_US};

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		uint16_t first, other, incarnation;
		struct identities *all = next(NULL, X, 1, &first);

		incarnation = all->backends.items[first].incarnation;
		all = next(all, others[i], 2, &other);
		assert_true(other != first || all->backends.items[other].incarnation != incarnation);
		identities_free(all);
	}
}

static void test_a_number_is_given_out_again_as_another(void **state)
{
	struct identities *all;
	uint16_t first, number;
	uint16_t incarnation;
	char backend[160];
	bool reused = false;

	(void)state;
	all = next(NULL, X, 1, &first);
	incarnation = all->backends.items[first].incarnation;
	/* The number that was given up is the last to be given out again. */
	for (unsigned int g = 2; g < 2 + USHER_BACKENDS_MAX + 10; g++) {
		snprintf(backend, sizeof(backend),
			 "\"n%u\": {\"address\": \"10.1.%u.%u:80\", \"serves\": \"m@1\", \"region\": \"DE\"}", g,
			 g / 256, g % 256);
		all = next(all, backend, g, &number);
		if (number != first)
			continue;
		reused = true;
		assert_true(g > USHER_BACKENDS_MAX);
		assert_int_not_equal(all->backends.items[number].incarnation, incarnation);
		break;
	}
	assert_true(reused);
	identities_free(all);
}

static void test_the_text_comes_back_and_nothing_else_does(void **state)
{
	struct identities *all = next(next(NULL, X "," Y, 1, NULL), X, 2, NULL), *back = NULL;
	char *text = identities_print(all), *again;
	size_t length = strlen(text), taken = 0;

	(void)state;
	assert_int_equal(identities_parse(text, length, &back), 0);
	again = identities_print(back);
	assert_string_equal(text, again);
	free(again);
	identities_free(back);
	for (size_t cut = 0; cut < length; cut += 1 + length / 300) {
		back = NULL;
		assert_int_not_equal(identities_parse(text, cut, &back), 0);
		assert_null(back);
	}
	/* A changed character may make another text of ours; then that is what comes back. */
	for (size_t i = 0; i < length; i += 1 + length / 300) {
		char was = text[i];

		text[i] = was == '7' ? '8' : '7';
		back = NULL;
		if (!identities_parse(text, length, &back)) {
			taken++;
			again = identities_print(back);
			assert_string_equal(text, again);
			free(again);
			identities_free(back);
		}
		text[i] = was;
	}
	assert_true(taken < 300);
	free(text);
	identities_free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_backend_keeps_its_number),
		cmocka_unit_test(test_another_backend_under_the_name_is_another),
		cmocka_unit_test(test_a_number_is_given_out_again_as_another),
		cmocka_unit_test(test_the_text_comes_back_and_nothing_else_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
