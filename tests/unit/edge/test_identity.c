// SPDX-License-Identifier: GPL-2.0-only
/* What backends say they serve: documents of the servers that say so, pointers, and what is none. */
#include "edge/identity.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct edge_identity found;

/* The bytes are in a block of their own, without a NUL behind them. */
static int identify(const char *text, size_t length, const char *pointer, const char *equals)
{
	char *block = malloc(length ? length : 1);
	int error;

	assert_non_null(block);
	memcpy(block, text, length);
	memset(&found, 0xee, sizeof(found));
	error = identity_read(block, length, pointer, equals, &found);
	free(block);
	return error;
}

static int look(const char *text, const char *pointer, const char *equals)
{
	return identify(text, strlen(text), pointer, equals);
}

static void test_servers_answers(void **state)
{
	static const char models[] =
		"{\"object\":\"list\",\"data\":[{\"id\":\"scorer-3.1.0\",\"object\":\"model\",\"created\":1}]}";
	static const char metadata[] = "{\"name\":\"scorer\",\"versions\":[\"31\"],\"platform\":\"x\",\"inputs\":[]}";
	static const char info[] = "{\"model_id\":\"org/scorer\",\"model_sha\":\"dde4\",\"max_total_tokens\":2048}";

	(void)state;
	assert_int_equal(look(models, "/data/0/id", "scorer-3.1.0"), 0);
	assert_true(found.matches);
	assert_string_equal(found.found, "scorer-3.1.0");
	assert_int_equal(look(models, "/data/0/id", "scorer-3.2.0"), 0);
	assert_false(found.matches);
	assert_int_equal(look(metadata, "/versions/0", "31"), 0);
	assert_true(found.matches);
	assert_int_equal(look(info, "/model_sha", "dde4"), 0);
	assert_true(found.matches);
	assert_int_equal(look(info, "/max_total_tokens", "2048"), 0); /* a number, as JSON writes it */
	assert_true(found.matches);
	assert_int_equal(look(models, "/data/0/created", "1.0"), 0);
	assert_false(found.matches);
}

static void test_pointers(void **state)
{
	static const char text[] = "{\"a/b\":1,\"m~n\":[true,\"x\"],\"\":\"empty\",\"0\":{\"0\":\"deep\"}}";

	(void)state;
	assert_int_equal(look(text, "/a~1b", "1"), 0);
	assert_true(found.matches);
	assert_int_equal(look(text, "/m~0n/0", "true"), 0);
	assert_true(found.matches);
	assert_int_equal(look(text, "/", "empty"), 0);
	assert_true(found.matches);
	assert_int_equal(look(text, "/0/0", "deep"), 0);
	assert_true(found.matches);
	assert_int_equal(look("\"all\"", "", "all"), 0);
	assert_true(found.matches);
	for (size_t i = 0; i < 9; i++)
		assert_int_equal(look(text,
				      ((const char *const[]){"/b", "/m~0n/2", "/m~0n/01", "/m~0n/-1", "/m~0n/x",
							     "/m~0n", "/0", "/a~1b/0", "/m~0n/99999999999"})[i],
				      "1"),
				 -ENOENT);
	assert_int_equal(look("{\"a\":null}", "/a", "null"), -ENOENT);
}

static void test_what_is_shown_is_fit_to_be(void **state)
{
	(void)state;
	assert_int_equal(look("{\"v\":\"\\u001b[2J\\u00e4\\u0000x\"}", "/v", "x"), 0);
	assert_false(found.matches);
	assert_string_equal(found.found, "?[2J???x");
	assert_int_equal(look("{\"v\":\"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff\"}", "/v", "x"),
			 0);
	assert_string_equal(found.found, "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeef...");
	/* Only all of it is the same, whatever stands before a NUL. */
	assert_int_equal(look("{\"v\":\"3.1.0\\u0000\"}", "/v", "3.1.0"), 0);
	assert_false(found.matches);
}

static void test_what_is_no_document(void **state)
{
	static char large[IDENTITY_BODY_MAX + 1];
	char deep[200];

	(void)state;
	assert_int_equal(look("", "/a", "1"), -EPROTO);
	assert_int_equal(look("{\"a\":1", "/a", "1"), -EPROTO);
	assert_int_equal(look("<html>", "/a", "1"), -EPROTO);
	assert_int_equal(look("{\"a\":1} \r\n\t", "/a", "1"), 0);
	assert_int_equal(look("{\"a\":1}x", "/a", "1"), -EPROTO);
	assert_int_equal(look("{\"a\":1}{\"a\":2}", "/a", "1"), -EPROTO);
	assert_int_equal(identify("{\"a\":1}\0", 8, "/a", "1"), -EPROTO);
	assert_int_equal(look("{\"a\":\"\xff\"}", "/a", "1"), -EPROTO);
	memset(deep, '[', sizeof(deep));
	assert_int_equal(identify(deep, sizeof(deep), "/0", "1"), -EPROTO);
	memset(large, ' ', sizeof(large));
	memcpy(large, "{\"a\":1}", 7);
	assert_int_equal(identify(large, sizeof(large), "/a", "1"), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_servers_answers),
		cmocka_unit_test(test_pointers),
		cmocka_unit_test(test_what_is_shown_is_fit_to_be),
		cmocka_unit_test(test_what_is_no_document),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
