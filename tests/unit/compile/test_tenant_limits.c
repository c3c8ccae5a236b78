// SPDX-License-Identifier: GPL-2.0-only
/* Limits of tenants, of strangers among them: from the policy to what packets read, to the epoch, and to the difference told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "compile/diff.h"

#include "compiled.h"

#define POLICY(limits, unknown)                                                                                        \
	"{\"apiVersion\": \"usher/v1\", \"tenants\": {\"a\": {\"sources\": [{\"prefix\": \"192.0.2.0/24\", "           \
	"\"region\": \"DE\"}]" limits                                                                                  \
	"}, \"b\": {\"sources\": [{\"prefix\": \"203.0.113.0/24\", \"region\": \"DE\"}]}" unknown                      \
	"}, \"models\": {\"m\": {\"versions\": {\"1\": {\"stage\": \"production\"}}}},"                                \
	"\"backends\": {\"x\": {\"address\": \"10.0.0.1:80\", \"serves\": \"m@1\", \"region\": \"DE\"}},"              \
	"\"services\": {\"s\": {\"address\": \"198.51.100.1:443\", \"protocol\": \"tcp\", \"model\": \"m\"}},"         \
	"\"rules\": [{\"id\": \"allow\", \"allow\": true}], \"nat\": {\"addresses\": [\"10.255.0.1\"]}}"
#define NONE POLICY("", "")

static void compiled_from(const struct tables *before, const char *text, struct compiled *compiled)
{
	if (compile_after(before, text, NULL, compiled)) {
		diagnostics_print(&compiled->diagnostics, stderr);
		fail_msg("it does not compile");
	}
}

static const struct usher_tenant_limit *limit_of(const struct compiled *compiled, const char *name)
{
	const struct identity_table *tenants = &compiled->tables->identities->tenants;

	for (size_t i = 0; i < tenants->count; i++)
		if (tenants->items[i].key && !strcmp(tenants->items[i].key, name))
			return &compiled->tables->tenant_limits[i];
	fail_msg("no tenant %s", name);
	return NULL;
}

static void test_each_limit_by_itself(void **state)
{
	const struct usher_tenant_limit *limit;
	struct compiled compiled;

	(void)state;
	compiled_from(NULL, NONE, &compiled);
	limit = limit_of(&compiled, "a");
	assert_true(!limit->interval && !limit->active_flows && !limit->byte_cost);
	compiled_free(&compiled);
	compiled_from(NULL, POLICY(", \"limits\": {\"new_flows_per_second\": 500, \"burst\": 1000}", ""), &compiled);
	limit = limit_of(&compiled, "a");
	assert_int_equal(limit->interval, 2000000);
	assert_int_equal(limit->tolerance, 2000000000);
	assert_true(!limit->active_flows && !limit->byte_cost);
	compiled_free(&compiled);
	/* Without a burst it is the rate; and never less than what comes in while the clock stands still. */
	compiled_from(NULL, POLICY(", \"limits\": {\"new_flows_per_second\": 500}", ""), &compiled);
	assert_int_equal(limit_of(&compiled, "a")->tolerance, 1000000000);
	compiled_free(&compiled);
	compiled_from(NULL, POLICY(", \"limits\": {\"new_flows_per_second\": 100000, \"burst\": 1}", ""), &compiled);
	assert_int_equal(limit_of(&compiled, "a")->tolerance, 10000 * 1000);
	compiled_free(&compiled);
	compiled_from(NULL, POLICY(", \"limits\": {\"active_flows\": 4000}", ""), &compiled);
	limit = limit_of(&compiled, "a");
	assert_int_equal(limit->active_flows, 4000);
	assert_true(!limit->interval && !limit->byte_cost);
	assert_int_equal(limit_of(&compiled, "b")->active_flows, 0);
	compiled_free(&compiled);
}

static void test_bits_become_time(void **state)
{
	const struct usher_tenant_limit *limit;
	struct compiled compiled;

	(void)state;
	compiled_from(NULL, POLICY(", \"limits\": {\"bits_per_second\": 2000000000}", ""), &compiled);
	limit = limit_of(&compiled, "a");
	assert_int_equal(limit->byte_cost, 4ULL << (USHER_METER_SHIFT + USHER_METER_COST_SHIFT)); /* 4 ns */
	assert_int_equal(limit->byte_tolerance, 100000000ULL << USHER_METER_SHIFT);		  /* 100 ms */
	compiled_free(&compiled);
	/* A slow one holds two of the largest frames. */
	compiled_from(NULL, POLICY(", \"limits\": {\"bits_per_second\": 100000}", ""), &compiled);
	limit = limit_of(&compiled, "a");
	assert_int_equal(limit->byte_cost, 80000ULL << (USHER_METER_SHIFT + USHER_METER_COST_SHIFT));
	assert_int_equal(limit->byte_tolerance, USHER_BIT_BURST_MIN * 80000ULL << USHER_METER_SHIFT);
	compiled_free(&compiled);
	/* The fastest is not rounded to another one: within a thousandth. */
	compiled_from(NULL, POLICY(", \"limits\": {\"bits_per_second\": 1000000000000}", ""), &compiled);
	assert_in_range(limit_of(&compiled, "a")->byte_cost, 8388, 8389); /* 0.008 ns are 8,388.6 */
	compiled_free(&compiled);
}

static void test_strangers_may_be_limited(void **state)
{
	struct compiled compiled;

	(void)state;
	compiled_from(NULL,
		      POLICY("", ", \"unknown\": {\"limits\": {\"new_flows_per_second\": 50, \"active_flows\": 7}}"),
		      &compiled);
	assert_int_equal(compiled.tables->tenant_limits[USHER_TENANT_UNKNOWN].interval, 20000000);
	assert_int_equal(compiled.tables->tenant_limits[USHER_TENANT_UNKNOWN].active_flows, 7);
	assert_int_equal(compiled.policy->tenant_count, 2);
	assert_int_equal(limit_of(&compiled, "a")->interval, 0);
	compiled_free(&compiled);
}

static void expect_epoch(const struct compiled *before, const char *text, bool raised)
{
	struct compiled after;

	compiled_from(before->tables, text, &after);
	if ((after.tables->header.epoch != before->tables->header.epoch) != raised)
		fail_msg("epoch %u became %u: %s", before->tables->header.epoch, after.tables->header.epoch, text);
	compiled_free(&after);
}

/* Open flows know whether they are metered, and learn it by the epoch; nothing else of a limit is theirs. */
static void test_only_the_first_and_the_last_bit_rate_raise_the_epoch(void **state)
{
	struct compiled before;

	(void)state;
	compiled_from(NULL, NONE, &before);
	expect_epoch(&before, POLICY(", \"limits\": {\"new_flows_per_second\": 5, \"active_flows\": 9}", ""), false);
	expect_epoch(&before, POLICY(", \"limits\": {\"bits_per_second\": 100000}", ""), true);
	expect_epoch(&before, POLICY("", ", \"unknown\": {\"limits\": {\"bits_per_second\": 100000}}"), true);
	compiled_free(&before);
	compiled_from(NULL, POLICY(", \"limits\": {\"bits_per_second\": 100000}", ""), &before);
	expect_epoch(&before, POLICY(", \"limits\": {\"bits_per_second\": 200000}", ""), false);
	expect_epoch(&before, NONE, true);
	compiled_free(&before);
}

/* The one object that differs, or NULL. */
static const char *difference(const char *one, const char *other)
{
	static char name[64];
	struct compiled before, after;
	struct diff *diff;
	size_t count;

	compiled_from(NULL, one, &before);
	compiled_from(NULL, other, &after);
	assert_int_equal(diff_make(before.effective, after.effective, &diff), 0);
	assert_true(diff->object_count <= 1);
	count = diff->object_count;
	if (count) {
		assert_int_equal(diff->objects[0].change, DIFF_CHANGED);
		assert_string_equal(diff->objects[0].kind, "tenant");
		snprintf(name, sizeof(name), "%s", diff->objects[0].name);
	}
	diff_free(diff);
	compiled_free(&before);
	compiled_free(&after);
	return count ? name : NULL;
}

static void test_each_change_of_a_limit_is_told(void **state)
{
	static const char *const limits[] = {
		NONE,
		POLICY(", \"limits\": {\"new_flows_per_second\": 5}", ""),
		POLICY(", \"limits\": {\"new_flows_per_second\": 6}", ""),
		POLICY(", \"limits\": {\"new_flows_per_second\": 6, \"burst\": 7}", ""),
		POLICY(", \"limits\": {\"active_flows\": 5}", ""),
		POLICY(", \"limits\": {\"bits_per_second\": 100000}", ""),
		POLICY(", \"limits\": {\"bits_per_second\": 200000}", ""),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		for (size_t k = 0; k < sizeof(limits) / sizeof(limits[0]); k++) {
			const char *told = difference(limits[i], limits[k]);

			if (i == k)
				assert_null(told);
			else
				assert_string_equal(told, "a");
		}
	assert_string_equal(difference(NONE, POLICY("", ", \"unknown\": {\"limits\": {\"active_flows\": 1}}")),
			    "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_limit_by_itself),
		cmocka_unit_test(test_bits_become_time),
		cmocka_unit_test(test_strangers_may_be_limited),
		cmocka_unit_test(test_only_the_first_and_the_last_bit_rate_raise_the_epoch),
		cmocka_unit_test(test_each_change_of_a_limit_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
