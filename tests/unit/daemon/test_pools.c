// SPDX-License-Identifier: GPL-2.0-only
/* Who is in a pool: those who are named, those who leave, what another policy makes of them, and what is kept for the next daemon. */
#include "daemon/pools.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/address.h"
#include "policy/policy.h"

#define SECOND 1000000000LL

static struct policy *policy_of(const char *within, unsigned int most)
{
	struct diagnostics diagnostics = {.file = "test.json"};
	struct policy *policy = NULL;
	char *text;

	if (asprintf(&text,
		     "{\"apiVersion\": \"usher/v1\", \"nat\": {\"addresses\": [\"10.255.0.1\"]}, \"backends\": {}, "
		     "\"models\": {\"m\": {\"versions\": {\"1\": {\"stage\": \"production\"}}}},"
		     "\"pools\": {\"p\": {\"file\": \"p\", \"serves\": \"m@1\", \"region\": \"DE\", \"port\": 80,"
		     "\"within\": [\"%s\"], \"most\": %u, \"linger\": \"10s\"}},"
		     "\"services\": {\"s\": {\"address\": \"192.0.2.1:443\", \"protocol\": \"tcp\", \"model\": \"m\"}},"
		     "\"rules\": [{\"id\": \"all\", \"allow\": true}]}",
		     within, most) < 0)
		abort();
	if (policy_parse("test.json", text, strlen(text), 0, &diagnostics, &policy)) {
		diagnostics_print(&diagnostics, stderr);
		fail();
	}
	diagnostics_free(&diagnostics);
	free(text);
	return policy;
}

/* "abc": members p.a at 10.0.0.97, p.b at 10.0.0.98, ... */
static struct member_list named(const char *letters)
{
	struct member_list list = {.items = calloc(strlen(letters) + 1, sizeof(*list.items))};
	char address[ADDRESS_TEXT];

	for (; *letters; letters++) {
		struct member_facts *member = &list.items[list.count++];

		snprintf(member->name, sizeof(member->name), "p.%c", *letters);
		snprintf(address, sizeof(address), "10.0.0.%d", *letters);
		assert_int_equal(address_parse(address, &member->address), 0);
		member->port = 80;
	}
	return list;
}

/* "a b-": a is named, b leaves. */
static const char *text_of(const struct member_list *list, char text[128])
{
	*text = '\0';
	for (size_t i = 0; i < list->count; i++)
		sprintf(text + strlen(text), "%s%s%s", i ? " " : "", list->items[i].name + 2,
			list->items[i].leave_by ? "-" : "");
	return text;
}

static void follow(const struct policy *policy, struct member_list *list, const char *letters, int64_t now,
		   const char *expected)
{
	struct member_list says = named(letters), after = {0};
	char text[128];

	assert_int_equal(pool_follow(&policy->pools[0], list, &says, now, &after), 0);
	assert_string_equal(text_of(&after, text), expected);
	member_list_free(&says);
	member_list_free(list);
	*list = after;
}

static void test_coming_and_going(void **state)
{
	struct policy *policy = policy_of("10.0.0.0/24", 4);
	struct member_list list = {0}, after = {0};
	char text[128];

	(void)state;
	follow(policy, &list, "ab", 1 * SECOND, "a b");
	follow(policy, &list, "bc", 2 * SECOND, "a- b c");
	assert_int_equal(list.items[0].leave_by, 12 * SECOND);
	follow(policy, &list, "bc", 5 * SECOND, "a- b c"); /* his time does not begin anew */
	assert_int_equal(list.items[0].leave_by, 12 * SECOND);
	follow(policy, &list, "abc", 6 * SECOND, "a b c"); /* he is back */
	follow(policy, &list, "a", 7 * SECOND, "a b- c-");
	follow(policy, &list, "abc", 8 * SECOND, "a b c");
	follow(policy, &list, "ac", 9 * SECOND, "a b- c");
	/* There is room for four: the one who has the shortest time left makes it. */
	follow(policy, &list, "ad", 10 * SECOND, "a b- c- d");
	follow(policy, &list, "ade", 11 * SECOND, "a c- d e");
	follow(policy, &list, "defg", 12 * SECOND, "d e f g");
	follow(policy, &list, "", 20 * SECOND, "d- e- f- g-");
	assert_int_equal(pool_expire(&list, 30 * SECOND - 1, &after), 0);
	assert_string_equal(text_of(&after, text), "d- e- f- g-");
	member_list_free(&after);
	assert_int_equal(pool_expire(&list, 30 * SECOND, &after), 0);
	assert_int_equal(after.count, 0);
	member_list_free(&after);
	follow(policy, &list, "", 31 * SECOND, "");
	member_list_free(&list);
	policy_free(policy);
}

static void test_one_address_under_another_name(void **state)
{
	struct policy *policy = policy_of("10.0.0.0/24", 4);
	struct member_list list = named("a"), says = named("b"), after = {0};
	char text[128];

	(void)state;
	says.items[0].address = list.items[0].address;
	assert_int_equal(pool_follow(&policy->pools[0], &list, &says, 1, &after), 0);
	assert_string_equal(text_of(&after, text), "b");
	member_list_free(&list);
	member_list_free(&says);
	member_list_free(&after);
	policy_free(policy);
}

static void note(void *context, enum pool_change change, const struct member_facts *member)
{
	sprintf((char *)context + strlen(context), "%s %s; ", member->name, pool_change_words[change]);
}

static void test_what_has_changed(void **state)
{
	struct member_list before = named("abcde"), after = named("bcdef");
	char text[512] = "";

	(void)state;
	after.items[0].capacity = 5;  /* b */
	after.items[1].leave_by = 7;  /* c */
	before.items[3].leave_by = 7; /* d */
	assert_int_equal(pool_compare(&before, &after, note, text), 5);
	assert_string_equal(text, "p.a left; p.b changed; p.c leaving; p.d returned; p.f joined; ");
	assert_int_equal(pool_compare(&after, &after, note, text), 0);
	member_list_free(&before);
	member_list_free(&after);
}

static struct pools *pools_with(const struct policy *policy, const char *letters)
{
	struct pools *pools = NULL;

	assert_int_equal(pools_new(policy, NULL, false, &pools), 0);
	pools->items[0].members = named(letters);
	pools->items[0].good_at = 77;
	pools->items[0].file.inode = 5;
	return pools;
}

static void test_another_policy(void **state)
{
	struct policy *wide = policy_of("10.0.0.0/24", 4), *narrow = policy_of("10.0.0.96/31", 4),
		      *small = policy_of("10.0.0.0/24", 2);
	struct pools *pools = pools_with(wide, "abcd"), *after = NULL;
	char text[128];

	(void)state;
	assert_int_equal(pools_new(narrow, pools, false, &after), 0);
	assert_string_equal(text_of(&after->items[0].members, text), "a"); /* 96 and 97 */
	assert_int_equal(after->items[0].file.inode, 0);		   /* what was refused may be good now */
	pools_free(after);
	assert_int_equal(pools_new(small, pools, false, &after), 0);
	assert_string_equal(text_of(&after->items[0].members, text), "a b");
	pools_free(after);
	assert_int_equal(pools_new(wide, pools, true, &after), 0);
	assert_int_equal(after->items[0].file.inode, 5);
	pools_expand(after, wide);
	assert_int_equal(wide->backend_count, 4);
	pools_free(after);
	pools_free(pools);
	policy_free(wide);
	policy_free(narrow);
	policy_free(small);
}

static void test_kept(void **state)
{
	struct policy *policy = policy_of("10.0.0.0/24", 4);
	struct pools *pools = pools_with(policy, "abc"), *after = NULL;
	struct json text = {0}, again = {0};

	(void)state;
	pools->items[0].members.items[1].leave_by = 12345;
	pools->items[0].members.items[2].capacity = 9;
	memcpy(pools->items[0].members.items[2].region.country, "FR", 3);
	pools_print(&text, pools);
	assert_int_equal(pools_parse(text.bytes, text.length, &after), 0);
	pools_print(&again, after);
	assert_int_equal(text.length, again.length);
	assert_memory_equal(text.bytes, again.bytes, text.length);
	pools_free(after);
	for (size_t length = 0; length < text.length; length++)
		assert_int_equal(pools_parse(text.bytes, length, &after), -EINVAL);
	/* A name that is not of the pool would be that of another backend. */
	memcpy(strstr(text.bytes, "\"p.a\"") + 1, "z.a", 3);
	assert_int_equal(pools_parse(text.bytes, text.length, &after), -EINVAL);
	json_free(&text);
	json_free(&again);
	pools_free(pools);
	policy_free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_coming_and_going),
		cmocka_unit_test(test_one_address_under_another_name),
		cmocka_unit_test(test_what_has_changed),
		cmocka_unit_test(test_another_policy),
		cmocka_unit_test(test_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
