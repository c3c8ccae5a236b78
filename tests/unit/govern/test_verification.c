// SPDX-License-Identifier: GPL-2.0-only
/* When a backend counts as what it should be: answers, silence, restarts, in any order. */
#include "govern/verification.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct verification v;

static int begin(void **state)
{
	(void)state;
	v = (struct verification){.start_time = NAN};
	return 0;
}

static void test_only_an_answer_verifies(void **state)
{
	(void)state;
	assert_false(verification_silence(&v, (struct cause){CAUSE_REFUSED, 111}));
	assert_int_equal(v.state, VERIFICATION_UNASKED);
	assert_true(v.asked);
	assert_true(verification_answer(&v, true, "3.1.0", 100));
	assert_int_equal(v.state, VERIFICATION_VERIFIED);
	assert_false(verification_answer(&v, true, "3.1.0", 200));
	assert_true(verification_answer(&v, false, "3.2.0", 300));
	assert_int_equal(v.state, VERIFICATION_MISMATCHED);
	assert_string_equal(v.found, "3.2.0");
	assert_false(verification_silence(&v, (struct cause){CAUSE_TIMEOUT, 1}));
	assert_false(verification_tick(&v, 10, 1000000));
	assert_int_equal(v.state, VERIFICATION_MISMATCHED); /* not by silence */
	assert_true(verification_answer(&v, true, "3.1.0", 400));
}

static void test_silence_ends_it_in_time(void **state)
{
	(void)state;
	verification_answer(&v, true, "x", 100);
	verification_silence(&v, (struct cause){CAUSE_TIMEOUT, 1});
	assert_false(verification_tick(&v, 50, 150));
	assert_true(verification_tick(&v, 50, 151));
	assert_int_equal(v.state, VERIFICATION_STALE);
	assert_false(verification_tick(&v, 50, 152));
	assert_true(verification_answer(&v, true, "x", 160));
	assert_int_equal(v.state, VERIFICATION_VERIFIED);
}

static void test_another_process_has_to_be_asked(void **state)
{
	(void)state;
	verification_answer(&v, true, "x", 100);
	assert_false(verification_process(&v, 7.25, 110)); /* the first that is heard of */
	assert_false(verification_process(&v, 7.25, 120));
	assert_false(verification_process(&v, NAN, 130));
	assert_true(verification_process(&v, 8.5, 140));
	assert_int_equal(v.state, VERIFICATION_RESTARTED);
	/* Said before it began, heard after. */
	assert_false(verification_answer(&v, true, "x", 139));
	assert_int_equal(v.state, VERIFICATION_RESTARTED);
	/* A page that is older than what is known. */
	assert_false(verification_process(&v, 7.25, 135));
	assert_true(verification_answer(&v, true, "x", 145));
	assert_int_equal(v.state, VERIFICATION_VERIFIED);
	/* A mismatch is no less one for a restart. */
	verification_answer(&v, false, "y", 150);
	assert_false(verification_process(&v, 9.5, 160));
	assert_int_equal(v.state, VERIFICATION_MISMATCHED);
}

static uint64_t next(uint64_t *random)
{
	*random = *random * 6364136223846793005ULL + 1442695040888963407ULL;
	return *random >> 33;
}

/* Whatever happens: it is verified only if the last answer was a good one, of this process, and not too old. */
static void test_any_history(void **state)
{
	uint64_t random = 1;
	int64_t good = -1, began = 0;
	double start_time = NAN;
	bool mismatched = false;

	for (int64_t now = 1; now < 200000; now++) {
		double heard = (double)(next(&random) % 3);

		switch (next(&random) % 8) {
		case 0:
			verification_answer(&v, true, "x", now);
			good = now;
			mismatched = false;
			break;
		case 1:
			verification_answer(&v, false, "y", now);
			mismatched = true;
			break;
		case 2:
			verification_silence(&v, (struct cause){CAUSE_CLOSED, 0});
			break;
		case 3:
			verification_process(&v, heard, now);
			if (!isnan(start_time) && fabs(heard - start_time) > 0)
				began = now;
			start_time = heard;
			break;
		default:
			break;
		}
		verification_tick(&v, 20, now);
		if (v.state == VERIFICATION_VERIFIED)
			assert_true(!mismatched && good >= began && good > 0 && now - good <= 20);
		else
			assert_true(mismatched || good < 0 || good < began || now - good > 20);
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_only_an_answer_verifies, begin),
		cmocka_unit_test_setup(test_silence_ends_it_in_time, begin),
		cmocka_unit_test_setup(test_another_process_has_to_be_asked, begin),
		cmocka_unit_test_setup(test_any_history, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
