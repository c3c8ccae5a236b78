// SPDX-License-Identifier: GPL-2.0-only
/* Numbers through hundreds of policies: what is kept, what is given out again, and what a file may say of them. */
#include "compile/identities.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/array.h"
#include "compiled.h"

#define NAMES 12
#define ADDRESSES 3
#define POLICIES 300

static uint64_t next_random(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15ULL;
	return usher_mix64(*state);
}

static struct policy *parsed(const char *text)
{
	struct diagnostics diagnostics = {.file = "test.json"};
	struct policy *policy = NULL;

	if (policy_parse("test.json", text, strlen(text), COMPILED_NOW, &diagnostics, &policy)) {
		diagnostics_print(&diagnostics, stderr);
		fail();
	}
	diagnostics_free(&diagnostics);
	return policy;
}

#define HEAD                                                                                                           \
	"{\"apiVersion\": \"usher/v1\", \"models\": {\"m\": {\"versions\": {\"1\": {\"stage\": \"production\"}}}}, "   \
	"\"rules\": [], \"nat\": {\"addresses\": [\"10.255.0.1\"]}, "

/* Some of NAMES names in each section, every backend at one of ADDRESSES addresses. */
static struct policy *random_policy(uint64_t *random)
{
	static const char *const sections[] = {"tenants", "services", "backends"};
	struct writing to = {0};
	struct policy *policy;

	writef(&to, HEAD);
	for (size_t s = 0; s < ARRAY_COUNT(sections); s++) {
		const char *comma = "";

		writef(&to, "%s\"%s\": {", s ? ", " : "", sections[s]);
		for (unsigned int n = 0; n < NAMES; n++) {
			if (next_random(random) % 3 == 0)
				continue;
			writef(&to, "%s\"n%u\": {", comma, n);
			if (s == 1)
				writef(&to, "\"address\": \"198.51.100.1:%u\", \"protocol\": \"tcp\", \"model\": \"m\"",
				       n + 1);
			else if (s == 2)
				writef(&to, "\"address\": \"10.0.%u.%u:80\", \"serves\": \"m@1\", \"region\": \"DE\"",
				       n,
				       (unsigned int)(next_random(random) % 8 ? 0 : next_random(random) % ADDRESSES));
			writef(&to, "}");
			comma = ", ";
		}
		writef(&to, "}");
	}
	writef(&to, "}");
	policy = parsed(to.text);
	free(to.text);
	return policy;
}

/* ---- what every table promises --------------------------------------------------------------------------------- */

/* Whom each (number, incarnation) has meant, ever. */
static char *meant[4096][POLICIES + 2];

static const struct identity *find(const struct identity_table *table, const char *key)
{
	for (size_t i = 0; i < table->count; i++)
		if (table->items[i].key && !strcmp(table->items[i].key, key))
			return &table->items[i];
	return NULL;
}

static void check_table(const struct identity_table *before, const struct identity_table *after)
{
	for (size_t i = 0; i < after->count; i++) {
		const struct identity *is = &after->items[i], *was;
		char **who;

		assert_true(is->incarnation >= before->items[i].incarnation);
		if (!is->key)
			continue;
		was = find(before, is->key);
		if (was) {
			assert_int_equal(was - before->items, i);
			assert_int_equal(was->incarnation, is->incarnation);
		} else {
			assert_int_equal(is->incarnation, before->items[i].incarnation + 1);
		}
		assert_ptr_equal(find(after, is->key), is); /* nobody has two */
		assert_in_range(is->incarnation, 1, POLICIES + 1);
		who = &meant[i][is->incarnation];
		if (!*who)
			*who = strdup(is->key);
		assert_string_equal(*who, is->key);
	}
}

static void forget_meanings(void)
{
	for (size_t i = 0; i < ARRAY_COUNT(meant); i++)
		for (size_t j = 0; j < ARRAY_COUNT(meant[i]); j++) {
			free(meant[i][j]);
			meant[i][j] = NULL;
		}
}

static void keep_promises(size_t table_offset)
{
	struct identities *now = NULL, *later;
	uint64_t random = table_offset;

	assert_int_equal(identities_new(&now), 0);
	for (uint64_t generation = 1; generation <= POLICIES; generation++) {
		struct policy *policy = random_policy(&random);

		assert_int_equal(identities_next(now, policy, generation, &later, NULL), 0);
		check_table((const struct identity_table *)((const char *)now + table_offset),
			    (const struct identity_table *)((const char *)later + table_offset));
		policy_free(policy);
		identities_free(now);
		now = later;
	}
	identities_free(now);
	forget_meanings();
}

static void test_no_number_ever_means_two(void **state)
{
	(void)state;
	keep_promises(offsetof(struct identities, backends));
	keep_promises(offsetof(struct identities, services));
	keep_promises(offsetof(struct identities, tenants));
}

static void test_what_is_read_goes_on_as_what_was_written(void **state)
{
	struct identities *kept = NULL, *read = NULL;
	uint64_t random = 7;

	(void)state;
	assert_int_equal(identities_new(&kept), 0);
	for (uint64_t generation = 1; generation <= 60; generation++) {
		struct policy *policy = random_policy(&random);
		char *text = identities_print(kept), *again;
		struct identities *kept_next, *read_next;
		struct numbers one, two;

		assert_int_equal(identities_parse(text, strlen(text), &read), 0);
		assert_int_equal(identities_next(kept, policy, generation, &kept_next, &one), 0);
		assert_int_equal(identities_next(read, policy, generation, &read_next, &two), 0);
		for (size_t b = 0; b < policy->backend_count; b++)
			assert_int_equal(one.backends[b], two.backends[b]);
		/* What was there before is as it was. */
		again = identities_print(kept);
		assert_string_equal(again, text);
		free(again);
		free(text);
		numbers_free(&one);
		numbers_free(&two);
		identities_free(read);
		identities_free(read_next);
		identities_free(kept);
		kept = kept_next;
		policy_free(policy);
	}
	identities_free(kept);
}

/* ---- all numbers in use ------------------------------------------------------------------------------------------ */

static struct policy *full_policy(unsigned int network)
{
	struct writing to = {0};
	struct policy *policy;

	writef(&to, HEAD "\"services\": {}, \"backends\": {");
	for (unsigned int b = 0; b < USHER_BACKENDS_MAX; b++)
		writef(&to, "%s\"b%u\": {\"address\": \"10.%u.%u.%u:80\", \"serves\": \"m@1\", \"region\": \"DE\"}",
		       b ? ", " : "", b, network, b / 256, b % 256);
	writef(&to, "}}");
	policy = parsed(to.text);
	free(to.text);
	return policy;
}

static void test_all_backends_change_places_at_once(void **state)
{
	struct identities *all[4] = {NULL};

	(void)state;
	for (unsigned int g = 1; g < 4; g++) {
		struct policy *policy = full_policy(g);
		static bool given[USHER_BACKENDS_MAX];
		struct numbers numbers;

		assert_int_equal(identities_next(all[g - 1], policy, g, &all[g], &numbers), 0);
		memset(given, 0, sizeof(given));
		for (size_t b = 0; b < USHER_BACKENDS_MAX; b++) {
			assert_in_range(numbers.backends[b], 0, USHER_BACKENDS_MAX - 1);
			assert_false(given[numbers.backends[b]]);
			given[numbers.backends[b]] = true;
			assert_int_equal(all[g]->backends.items[b].incarnation, g);
		}
		numbers_free(&numbers);
		policy_free(policy);
	}
	for (unsigned int g = 1; g < 4; g++)
		identities_free(all[g]);
}

/* ---- text ------------------------------------------------------------------------------------------------------ */

static int read_text(const char *text)
{
	struct identities *identities = NULL;
	int error = identities_parse(text, strlen(text), &identities);

	assert_true(!error == (identities != NULL));
	identities_free(identities);
	return error;
}

#define TENANTS "\"tenants\":[{\"number\":0,\"key\":\"unknown\",\"incarnation\":1,\"freed\":0}]"
#define WITH(services) "{\"services\":[" services "]," TENANTS ",\"backends\":[],\"nat_addresses\":[]}"
#define ENTRY(number, key, incarnation, freed)                                                                         \
	"{\"number\":" number ",\"key\":" key ",\"incarnation\":" incarnation ",\"freed\":" freed "}"

static void test_texts_that_are_none_of_ours(void **state)
{
	static const char *const bad[] = {
		"",
		"{}",
		"null",
		"[]",
		WITH("") " ",
		" " WITH(""),
		WITH("") WITH(""),
		WITH(ENTRY("256", "\"a\"", "1", "0")),
		WITH(ENTRY("-1", "\"a\"", "1", "0")),
		WITH(ENTRY("1.0", "\"a\"", "1", "0")),
		WITH(ENTRY("01", "\"a\"", "1", "0")),
		WITH(ENTRY("\"1\"", "\"a\"", "1", "0")),
		WITH(ENTRY("1", "\"a\"", "0", "0")),
		WITH(ENTRY("1", "\"a\"", "65536", "0")),
		WITH(ENTRY("1", "\"a\"", "1", "-1")),
		WITH(ENTRY("1", "\"a\"", "1", "18446744073709551616")),
		WITH(ENTRY("1", "1", "1", "0")),
		WITH(ENTRY("1", "[]", "1", "0")),
		WITH(ENTRY("1", "\"\\u0061\"", "1", "0")),
		WITH(ENTRY("1", "\"a\\u0000b\"", "1", "0")),
		WITH(ENTRY("1", "\"a\"", "1", "0") "," ENTRY("2", "\"a\"", "1", "0")),
		WITH(ENTRY("1", "\"a\"", "1", "0") "," ENTRY("1", "\"b\"", "1", "0")),
		WITH(ENTRY("2", "\"a\"", "1", "0") "," ENTRY("1", "\"b\"", "1", "0")),
		WITH(ENTRY("1", "\"a\"", "1", "0") ","),
		WITH("{\"number\":1,\"key\":\"a\",\"incarnation\":1}"),
		WITH("{\"key\":\"a\",\"number\":1,\"incarnation\":1,\"freed\":0}"),
		WITH("{\"number\":1,\"key\":\"a\",\"incarnation\":1,\"freed\":0,\"more\":0}"),
		WITH("1"),
		"{\"services\":[],\"tenants\":[],\"backends\":[],\"nat_addresses\":[]}",
		"{\"services\":[],\"tenants\":[{\"number\":0,\"key\":\"known\",\"incarnation\":1,\"freed\":0}],"
		"\"backends\":[],\"nat_addresses\":[]}",
		"{\"services\":[]," TENANTS ",\"backends\":[]}",
		"{" TENANTS ",\"services\":[],\"backends\":[],\"nat_addresses\":[]}",
	};

	(void)state;
	assert_int_equal(read_text(WITH("")), 0);
	assert_int_equal(read_text(WITH(ENTRY("255", "\"a\"", "65535", "0"))), 0);
	assert_int_equal(read_text(WITH(ENTRY("1", "null", "1", "18446744073709551615"))), 0);
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		if (read_text(bad[i]) != -EINVAL)
			fail_msg("taken: %s", bad[i]);
}

/* Every bit of it, every byte taken away: refused, or another text of ours, which is then what is read. */
static void test_damage_is_seen_or_is_what_is_read(void **state)
{
	struct identities *all = NULL, *back;
	uint64_t random = 9;
	struct policy *policy = random_policy(&random);
	char *text, *again;
	size_t length, taken = 0;

	(void)state;
	assert_int_equal(identities_next(NULL, policy, 1, &all, NULL), 0);
	text = identities_print(all);
	length = strlen(text);
	for (size_t i = 0; i < length; i++)
		for (int bit = 0; bit < 8; bit++) {
			text[i] = (char)(text[i] ^ 1 << bit);
			back = NULL;
			if (!identities_parse(text, length, &back)) {
				taken++;
				again = identities_print(back);
				assert_memory_equal(again, text, length);
				free(again);
				identities_free(back);
			}
			text[i] = (char)(text[i] ^ 1 << bit);
		}
	for (size_t i = 0; i < length; i++) {
		char *shorter = strdup(text);

		memmove(shorter + i, shorter + i + 1, length - i);
		back = NULL;
		if (!identities_parse(shorter, length - 1, &back)) {
			again = identities_print(back);
			assert_string_equal(again, shorter);
			free(again);
			identities_free(back);
		}
		free(shorter);
	}
	print_message("# %zu of %zu flipped bits make another text of ours (letters of a name, digits)\n", taken,
		      8 * length);
	assert_true(taken < 8 * length / 4);
	free(text);
	identities_free(all);
	policy_free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_number_ever_means_two),
		cmocka_unit_test(test_what_is_read_goes_on_as_what_was_written),
		cmocka_unit_test(test_all_backends_change_places_at_once),
		cmocka_unit_test(test_texts_that_are_none_of_ours),
		cmocka_unit_test(test_damage_is_seen_or_is_what_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
