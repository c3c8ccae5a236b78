/* SPDX-License-Identifier: GPL-2.0-only */
/* Lines about many backends at once: the first ones are said, the others counted, and none for ever. */
#include "daemon/quota.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"

static void test_a_burst_then_so_much_in_a_minute(void **state)
{
	struct quota quota = {0};
	int64_t now = 1000 * CLOCK_SECOND;
	int said = 0;

	(void)state;
	for (int i = 0; i < 4096; i++)
		said += quota_take(&quota, now);
	assert_int_equal(said, QUOTA_BURST);
	assert_int_equal(quota_missed(&quota, now), 0); /* nor is there room to say so */
	now += 2 * CLOCK_SECOND;
	assert_int_equal(quota_missed(&quota, now), 4096 - QUOTA_BURST);
	assert_int_equal(quota_missed(&quota, now + 60 * CLOCK_SECOND), 0);
	/* One that flaps ten times a second for an hour. */
	said = 0;
	for (int i = 0; i < 36000; i++) {
		now += CLOCK_SECOND / 10;
		said += quota_take(&quota, now);
	}
	assert_in_range(said, 60 * QUOTA_A_MINUTE - 2, 60 * QUOTA_A_MINUTE + 2);
	/* After a rest there is a burst again, and no more than one. */
	now += 3600 * CLOCK_SECOND;
	assert_int_equal(quota_missed(&quota, now), 36000 - said);
	said = 0;
	for (int i = 0; i < 4096; i++)
		said += quota_take(&quota, now);
	assert_int_equal(said, QUOTA_BURST - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_burst_then_so_much_in_a_minute)};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
