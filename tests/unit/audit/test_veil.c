// SPDX-License-Identifier: GPL-2.0-only
/* How clients' addresses are put on record, and what becomes of the keys. */
#include "audit/veil.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/address.h"
#include "scratch.h"

#define NOW 1767225600
#define DAY 86400

static char path[96];

static int begin(void **state)
{
	(void)state;
	if (scratch_make("veil"))
		return -1;
	snprintf(path, sizeof(path), "%s/client-keys", folder);
	return 0;
}

static int end(void **state)
{
	(void)state;
	return scratch_remove();
}

static struct veil *opened(void)
{
	struct problem problem = {0};
	struct veil *veil = NULL;
	bool damaged;

	if (veil_open(path, &problem, &veil, &damaged))
		fail_msg("%s", problem.text);
	return veil;
}

static const char *printed(const struct veil *veil, const char *client)
{
	static char copy[256];
	struct usher_address address;
	struct json text = {0};

	assert_int_equal(address_parse(client, &address), 0);
	veil_client(veil, &text, NULL, &address, 4711);
	snprintf(copy, sizeof(copy), "%.*s", (int)text.length, text.bytes);
	json_free(&text);
	return copy;
}

static struct veil_turn turned(struct veil *veil, int64_t now)
{
	struct veil_turn turn = {.destroyed = 99};

	assert_int_equal(veil_turn(veil, now, &turn), 0);
	return turn;
}

static void plain_and_truncated(void **state)
{
	struct veil *veil = opened();

	(void)state;
	assert_string_equal(printed(NULL, "203.0.113.77"), "{\"ip\":\"203.0.113.77\",\"port\":4711}");
	assert_string_equal(printed(veil, "203.0.113.77"), "{\"ip\":\"203.0.113.77\",\"port\":4711}");
	veil_set(veil, &(struct client_privacy){.mode = CLIENT_TRUNCATED});
	assert_string_equal(printed(veil, "203.0.113.77"), "{\"ip\":\"203.0.113.0\",\"bits\":24,\"port\":4711}");
	assert_string_equal(printed(veil, "2001:db8:a:b::c"), "{\"ip\":\"2001:db8:a::\",\"bits\":48,\"port\":4711}");
	assert_int_equal(*turned(veil, NOW).made, 0);
	assert_int_equal(access(path, F_OK), -1);
	veil_close(veil);
}

static void pseudonyms_are_hmacs(void **state)
{
	/* By Python's hmac, of the mapped address. */
	struct veil_key key = {.id = "0011223344556677"};
	struct usher_address address;
	char text[VEIL_PSEUDONYM];

	(void)state;
	for (size_t i = 0; i < VEIL_KEY; i++)
		key.bytes[i] = (uint8_t)i;
	assert_int_equal(address_parse("203.0.113.77", &address), 0);
	assert_string_equal(veil_pseudonym(&key, &address, text), "6f6503e431ba124c8f8b2585e034a28c");
}

static void a_key_is_used_for_its_time_and_destroyed_after_it(void **state)
{
	const struct client_privacy privacy = {.mode = CLIENT_HMAC, .every_s = 7 * DAY, .keep_s = 10 * DAY};
	struct veil *veil = opened();
	char first[256], made[VEIL_ID];
	struct veil_turn turn;
	struct veil_keys keys;
	struct stat status;

	(void)state;
	veil_set(veil, &privacy);
	/* Without a key nobody is revealed. */
	assert_string_equal(printed(veil, "203.0.113.77"),
			    "{\"ip\":null,\"pseudonym\":null,\"key\":null,\"port\":4711}");
	turn = turned(veil, NOW);
	strcpy(made, turn.made);
	assert_int_equal(strlen(made), VEIL_ID - 1);
	assert_int_equal(turn.destroyed, 0);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	snprintf(first, sizeof(first), "%s", printed(veil, "203.0.113.77"));
	assert_non_null(strstr(first, "{\"ip\":null,\"pseudonym\":\""));
	assert_non_null(strstr(first, made));
	assert_null(strstr(first, "203.0"));
	assert_string_not_equal(printed(veil, "203.0.113.78"), first);
	assert_int_equal(*turned(veil, NOW + 7 * DAY - 1).made, 0);
	assert_string_equal(printed(veil, "203.0.113.77"), first);
	/* The next daemon goes on, and is veiled before any policy says so. */
	veil_close(veil);
	veil = opened();
	assert_string_equal(printed(veil, "203.0.113.77"), first);
	assert_int_equal(*turned(veil, NOW + 8 * DAY).made, 0);
	veil_set(veil, &privacy);
	turn = turned(veil, NOW + 7 * DAY);
	assert_string_not_equal(turn.made, made);
	assert_int_equal(turn.destroyed, 0);
	assert_string_not_equal(printed(veil, "203.0.113.77"), first);
	/* The first one's time is over, also if nobody uses keys any more. */
	veil_set(veil, &(struct client_privacy){.mode = CLIENT_PLAIN});
	turn = turned(veil, NOW + 17 * DAY);
	assert_int_equal(turn.destroyed, 1);
	assert_string_equal(turn.destroyed_last, made);
	assert_int_equal(*turn.made, 0);
	assert_int_equal(veil_keys_read(path, &keys), 0);
	assert_int_equal(keys.count, 1);
	assert_string_not_equal(keys.items[0].id, made);
	veil_keys_release(&keys);
	veil_close(veil);
}

static void a_stricter_policy_holds_for_what_is_there(void **state)
{
	struct veil *veil = opened();

	(void)state;
	veil_set(veil, &(struct client_privacy){.mode = CLIENT_HMAC, .every_s = 7 * DAY, .keep_s = 90 * DAY});
	turned(veil, NOW);
	veil_set(veil, &(struct client_privacy){.mode = CLIENT_HMAC, .every_s = DAY, .keep_s = DAY});
	assert_int_equal(turned(veil, NOW + DAY).destroyed, 0);
	assert_int_equal(turned(veil, NOW + 2 * DAY).destroyed, 1);
	veil_close(veil);
}

static void a_clock_that_is_set_back_begins_a_key(void **state)
{
	struct veil *veil = opened();

	(void)state;
	veil_set(veil, &(struct client_privacy){.mode = CLIENT_HMAC, .every_s = DAY, .keep_s = DAY});
	turned(veil, NOW);
	assert_true(*turned(veil, NOW - 100 * DAY).made);
	assert_false(*turned(veil, NOW - 100 * DAY + 1).made);
	veil_close(veil);
}

static void a_file_that_is_damaged_is_set_aside_and_reveals_nobody(void **state)
{
	static const char *const texts[] = {
		"",
		"usher-client-keys/2\n",
		"usher-client-keys/1\nx\n",
		"usher-client-keys/1\n0011223344556677 00 1 2\n",
		"usher-client-keys/1\n0011223344556677 "
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f 5 4\n",
		"usher-client-keys/1\n0011223344556677 "
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f 4 5",
	};
	struct problem problem = {0};
	struct veil *veil = NULL;
	char aside[128];
	bool damaged;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		FILE *file = fopen(path, "w");

		fputs(texts[i], file);
		fclose(file);
		assert_int_equal(veil_open(path, &problem, &veil, &damaged), 0);
		assert_true(damaged);
		assert_string_equal(printed(veil, "203.0.113.77"),
				    "{\"ip\":null,\"pseudonym\":null,\"key\":null,\"port\":4711}");
		assert_int_equal(access(path, F_OK), -1);
		snprintf(aside, sizeof(aside), "%s.damaged", path);
		assert_int_equal(unlink(aside), 0);
		veil_close(veil);
	}
}

static void what_cannot_be_written_changes_nothing(void **state)
{
	struct veil *veil = opened();
	struct veil_turn turn;

	(void)state;
	veil_set(veil, &(struct client_privacy){.mode = CLIENT_HMAC, .every_s = DAY, .keep_s = DAY});
	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(veil_turn(veil, NOW, &turn), -ENOENT);
	assert_string_equal(printed(veil, "203.0.113.77"),
			    "{\"ip\":null,\"pseudonym\":null,\"key\":null,\"port\":4711}");
	assert_int_equal(mkdir(folder, 0700), 0);
	assert_true(*turned(veil, NOW).made);
	veil_close(veil);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(plain_and_truncated, begin, end),
		cmocka_unit_test_setup_teardown(pseudonyms_are_hmacs, begin, end),
		cmocka_unit_test_setup_teardown(a_key_is_used_for_its_time_and_destroyed_after_it, begin, end),
		cmocka_unit_test_setup_teardown(a_stricter_policy_holds_for_what_is_there, begin, end),
		cmocka_unit_test_setup_teardown(a_clock_that_is_set_back_begins_a_key, begin, end),
		cmocka_unit_test_setup_teardown(a_file_that_is_damaged_is_set_aside_and_reveals_nobody, begin, end),
		cmocka_unit_test_setup_teardown(what_cannot_be_written_changes_nothing, begin, end),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
