// SPDX-License-Identifier: GPL-2.0-only
/* How long something has been waiting is known, whatever is on its way. */
#include "audit/lag.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"

static void what_waits_counts_from_when_it_came(void **state)
{
	struct lag lag = {0};

	(void)state;
	assert_int_equal(lag_longest(&lag, 100 * CLOCK_SECOND), 0);
	lag_wait(&lag, 100 * CLOCK_SECOND);
	lag_wait(&lag, 103 * CLOCK_SECOND);
	assert_int_equal(lag_longest(&lag, 104 * CLOCK_SECOND), 4 * CLOCK_SECOND);
	lag_go(&lag, true);
	assert_int_equal(lag_longest(&lag, 105 * CLOCK_SECOND), 5 * CLOCK_SECOND);
	lag_wait(&lag, 106 * CLOCK_SECOND);
	lag_come(&lag, 107 * CLOCK_SECOND);
	assert_int_equal(lag_longest(&lag, 107 * CLOCK_SECOND), 7 * CLOCK_SECOND); /* that was the slowest */
	assert_int_equal(lag_longest(&lag, 114 * CLOCK_SECOND),
			 8 * CLOCK_SECOND); /* what came meanwhile waits longer */
	lag_go(&lag, true);
	lag_come(&lag, 115 * CLOCK_SECOND);
	assert_int_equal(lag_longest(&lag, 175 * CLOCK_SECOND), 9 * CLOCK_SECOND);
	assert_int_equal(lag_longest(&lag, 176 * CLOCK_SECOND), 0);
}

static void what_failed_waits_since_then(void **state)
{
	struct lag lag = {0};

	(void)state;
	lag_wait(&lag, 100 * CLOCK_SECOND);
	lag_go(&lag, true);
	lag_wait(&lag, 101 * CLOCK_SECOND);
	lag_fail(&lag);
	assert_int_equal(lag_longest(&lag, 110 * CLOCK_SECOND), 10 * CLOCK_SECOND);
	lag_come(&lag, 111 * CLOCK_SECOND); /* nothing was on its way */
	assert_int_equal(lag_longest(&lag, 112 * CLOCK_SECOND), 12 * CLOCK_SECOND);
	lag_go(&lag, false); /* a part of it */
	lag_come(&lag, 113 * CLOCK_SECOND);
	assert_int_equal(lag_longest(&lag, 120 * CLOCK_SECOND), 20 * CLOCK_SECOND);
	lag_go(&lag, true);
	lag_come(&lag, 121 * CLOCK_SECOND);
	assert_int_equal(lag_longest(&lag, 182 * CLOCK_SECOND), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_waits_counts_from_when_it_came),
		cmocka_unit_test(what_failed_waits_since_then),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
