// SPDX-License-Identifier: GPL-2.0-only
/* What survives a reboot: all of it, or nothing of a file that is not what it was. */
#include "daemon/state.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/address.h"
#include "base/array.h"

static char folder[64];
static int damages;

static int begin(void **unused)
{
	(void)unused;
	damages = 0;
	strcpy(folder, "/tmp/usher-state-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int end(void **unused)
{
	char command[128];

	(void)unused;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static void damaged(void *context, const char *sentence)
{
	(void)context;
	assert_true(strstr(sentence, "state.json is damaged") || strstr(sentence, "state-copy.json is damaged"));
	damages++;
}

static struct state *opened(void)
{
	struct problem problem = {0};
	struct state *state = NULL;

	assert_int_equal(state_open(folder, damaged, NULL, &problem, &state), 0);
	return state;
}

static void path_of(const char *name, char path[256])
{
	snprintf(path, 256, "%s/%s", folder, name);
}

static size_t read_file(const char *name, char *bytes, size_t room)
{
	char path[256];
	size_t length;
	FILE *file;

	path_of(name, path);
	file = fopen(path, "re");
	assert_non_null(file);
	length = fread(bytes, 1, room, file);
	fclose(file);
	return length;
}

static void write_file(const char *name, const char *bytes, size_t length)
{
	char path[256];
	FILE *file;

	path_of(name, path);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
	fclose(file);
}

static void push(struct state *state, const char *text, uint64_t revision)
{
	struct state_entry entry = {.revision = revision,
				    .file = strdup("policy.json"),
				    .name = strdup("p"),
				    .applied = 1700000000000000000,
				    .verb = "apply",
				    .generation = revision,
				    .confirmed = true};

	assert_int_equal(state_keep_policy(state, text, strlen(text), entry.bytes_digest), 0);
	memcpy(entry.digest, entry.bytes_digest, sizeof(entry.digest));
	state_push(state, &entry);
}

static void quarantine(struct state *state, const char *name, const char *why, const char *user)
{
	struct state_quarantine quarantine = {.name = strdup(name),
					      .why = strdup(why),
					      .since = 1700000000123456789,
					      .uid = 1000,
					      .user = user ? strdup(user) : NULL};

	state_begin_quarantine(state, &quarantine);
}

#define EXPECTS "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void fill(struct state *state)
{
	state->generation = 41;
	state->epoch = 7;
	state->judged = true;
	memset(state->judgement, 0xa5, sizeof(state->judgement));
	assert_int_equal(identities_new(&state->identities), 0);
	push(state, "{\"first\": 1}", 1);
	push(state, "{\"second\": 2}", 2);
	state->history[0].why = strdup("labs are \"out\"");
	state->history[0].approval = (struct approval){
		.instead_of = 1, .count = 2, .signatures = {{.bytes = {1, 2, 255}, .by = "anna@x"}, {.bytes = {9}}}};
	state->approved_revision = 1;
	state_set_drained(state, "fra-1", true);
	quarantine(state, "credit@3.1.0", "biased \"gegen\" Über-60-Jährige", "root");
	quarantine(state, "credit@3.2.0", "x", NULL);
	quarantine(state, "fra-1", "y", "olga");
	state_keep_verification(state, &(struct state_verification){.name = "fra-1",
								    .state = VERIFICATION_MISMATCHED,
								    .start_time = 1700000000.25,
								    .good_at = 1700000000123456789,
								    .found = "3.2.0",
								    .expects = EXPECTS});
	state_keep_verification(
		state, &(struct state_verification){
			       .name = "par-1", .state = VERIFICATION_VERIFIED, .start_time = NAN, .expects = EXPECTS});
	state->able_since[0] = 1700000000;
	state->able_since[USHER_BACKENDS_MAX - 1] = 7;
	state->added = array_grow(state->added, 0, &state->added_capacity, sizeof(*state->added));
	assert_int_equal(address_parse("198.51.100.10", &state->added[state->added_count++]), 0);
	state->services = array_grow(state->services, 0, &state->service_capacity, sizeof(*state->services));
	state->services[0] = (struct state_service){.port = 443, .protocol = 6};
	assert_int_equal(address_parse("2001:db8::1", &state->services[0].address), 0);
	state->service_count = 1;
}

static void test_all_of_it_comes_back(void **unused)
{
	struct state *state = opened();
	char path[256], *text;
	struct stat info;
	size_t length;

	(void)unused;
	assert_int_equal(state->history_count, 0);
	fill(state);
	assert_int_equal(state_save(state), 0);
	path_of("state.json", path);
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0600);
	state_close(state);
	state = opened();
	assert_int_equal(damages, 0);
	assert_int_equal(state->generation, 41);
	assert_int_equal(state->epoch, 7);
	assert_true(state->judged);
	assert_int_equal(state->judgement[31], 0xa5);
	assert_non_null(state->identities);
	assert_int_equal(state->history_count, 2);
	assert_int_equal(state->history[0].revision, 2);
	assert_string_equal(state->history[1].file, "policy.json");
	assert_null(state->history[0].user);
	assert_int_equal(state->changes, 2);
	assert_int_equal(state->history[0].number, 2);
	assert_int_equal(state->history[1].number, 1);
	assert_int_equal(state->approved_revision, 1);
	assert_string_equal(state->history[0].why, "labs are \"out\"");
	assert_null(state->history[1].why);
	assert_int_equal(state->history[0].approval.instead_of, 1);
	assert_int_equal(state->history[0].approval.count, 2);
	assert_int_equal(state->history[0].approval.signatures[0].bytes[2], 255);
	assert_string_equal(state->history[0].approval.signatures[0].by, "anna@x");
	assert_string_equal(state->history[0].approval.signatures[1].by, "");
	assert_true(state->history[0].approval.kept);
	assert_int_equal(state->history[1].approval.count, 0);
	assert_true(state_is_drained(state, "fra-1"));
	assert_false(state_is_drained(state, "fra"));
	assert_int_equal(state->quarantine_count, 3);
	assert_string_equal(state_quarantine(state, "credit@3.1.0")->why, "biased \"gegen\" Über-60-Jährige");
	assert_string_equal(state_quarantine(state, "credit@3.1.0")->user, "root");
	assert_int_equal(state_quarantine(state, "credit@3.1.0")->uid, 1000);
	assert_true(state_quarantine(state, "credit@3.1.0")->since == 1700000000123456789);
	assert_null(state_quarantine(state, "credit@3.2.0")->user);
	assert_non_null(state_quarantine(state, "fra-1"));
	assert_null(state_quarantine(state, "fra"));
	assert_null(state_quarantine(state, "credit@3.1"));
	assert_int_equal(state->verification_count, 2);
	assert_int_equal(state_verification(state, "fra-1")->state, VERIFICATION_MISMATCHED);
	assert_true(fabs(state_verification(state, "fra-1")->start_time - 1700000000.25) < 1e-6);
	assert_true(state_verification(state, "fra-1")->good_at == 1700000000123456789);
	assert_string_equal(state_verification(state, "fra-1")->found, "3.2.0");
	assert_true(isnan(state_verification(state, "par-1")->start_time));
	assert_int_equal(state_verification(state, "par-1")->good_at, 0);
	assert_int_equal(state->able_since[0], 1700000000);
	assert_int_equal(state->able_since[1], 0);
	assert_int_equal(state->able_since[USHER_BACKENDS_MAX - 1], 7);
	assert_int_equal(state->added_count, 1);
	assert_int_equal(state->services[0].port, 443);
	assert_int_equal(state_read_policy(state, state->history[1].bytes_digest, &text, &length), 0);
	assert_string_equal(text, "{\"first\": 1}");
	free(text);
	state_close(state);
}

static void expect_nothing_taken(void)
{
	struct state *state;
	char path[256];

	damages = 0;
	path_of("state-copy.json", path);
	unlink(path);
	state = opened();
	assert_int_equal(damages, 1);
	assert_non_null(strstr(state->damage, "are lost"));
	assert_int_equal(state->generation, 0);
	assert_int_equal(state->history_count, 0);
	assert_int_equal(state->drain_count, 0);
	assert_int_equal(state->quarantine_count, 0);
	assert_null(state->identities);
	state_close(state);
	path_of("state.json.damaged", path);
	assert_int_equal(unlink(path), 0);
	path_of("state.json", path);
	assert_int_equal(access(path, F_OK), -1);
}

static void test_any_changed_byte_is_seen(void **unused)
{
	static char bytes[65536];
	struct state *state = opened();
	size_t length;

	(void)unused;
	fill(state);
	assert_int_equal(state_save(state), 0);
	state_close(state);
	length = read_file("state.json", bytes, sizeof(bytes));
	assert_in_range(length, 500, sizeof(bytes) - 1);
	for (size_t i = 0; i < length; i += i < 200 ? 1 : 37) {
		bytes[i] ^= 0x01;
		write_file("state.json", bytes, length);
		expect_nothing_taken();
		bytes[i] ^= 0x01;
	}
	for (size_t cut = 0; cut < length; cut += cut < 100 ? 1 : 211) {
		write_file("state.json", bytes, cut);
		expect_nothing_taken();
	}
	write_file("state.json", bytes, length);
	state = opened();
	assert_int_equal(state->history_count, 2);
	state_close(state);
}

static void damage(const char *name)
{
	static char bytes[65536];
	size_t length = read_file(name, bytes, sizeof(bytes));

	bytes[length / 2] ^= 0x01;
	write_file(name, bytes, length);
}

/* With one file nothing is lost, whichever it is; with both, all of it. */
static void test_there_is_a_copy(void **unused)
{
	struct state *state = opened();

	(void)unused;
	fill(state);
	assert_int_equal(state_save(state), 0);
	state_close(state);
	damage("state-copy.json");
	state = opened();
	assert_int_equal(damages, 1);
	assert_null(state->damage);
	assert_int_equal(state->generation, 41);
	assert_int_equal(state_save(state), 0);
	state_close(state);
	damage("state.json");
	for (int daemon = 0; daemon < 2; daemon++) { /* the first one ends before it has written another */
		state = opened();
		assert_int_equal(damages, 2 + daemon);
		assert_non_null(strstr(state->damage, "nothing is lost"));
		assert_int_equal(state->generation, 41);
		assert_int_equal(state->history_count, 2);
		assert_true(state->quarantine_count > 0);
		if (!daemon)
			state_close(state);
	}
	assert_int_equal(state_save(state), 0);
	state_close(state);
	damage("state.json");
	damage("state-copy.json");
	state = opened();
	assert_int_equal(damages, 5);
	assert_non_null(strstr(state->damage, "are lost"));
	assert_int_equal(state->generation, 0);
	assert_int_equal(state->quarantine_count, 0);
	state_close(state);
}

/* The digest is right, and the content is not ours. */
static void test_a_sealed_lie_is_refused(void **unused)
{
	static const char *const texts[] = {"", "[]", "null", "{}", "{\"generation\": \"1\"}", "{\"generation\": 1"};

	(void)unused;
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		char digest[SHA256_HEX], file[512];
		int length;

		sha256_hex(texts[i], strlen(texts[i]), digest);
		length = snprintf(file, sizeof(file), "usher-state 1 %s\n%s", digest, texts[i]);
		write_file("state.json", file, (size_t)length);
		expect_nothing_taken();
	}
}

static void write_sealed(const char *text)
{
	char digest[SHA256_HEX], *file;
	int length;

	sha256_hex(text, strlen(text), digest);
	length = asprintf(&file, "usher-state 1 %s\n%s", digest, text);
	assert_true(length > 0);
	write_file("state.json", file, (size_t)length);
	free(file);
}

/* An earlier daemon knew of no quarantines; and what is written of one must be all of it. */
static void test_quarantines_may_be_missing_and_not_wrong(void **unused)
{
	static const char format[] = "{\"generation\": 5, \"epoch\": 1, \"start_digest\": \"\", \"confirm_by\": 0, "
				     "\"history\": [], \"drains\": [], \"added\": [], \"services\": []%s}";
	static const char *const wrong[] = {
		", \"quarantines\": {}", ", \"quarantines\": null", ", \"quarantines\": [\"credit@1\"]",
		", \"quarantines\": [{\"name\": \"credit@1\", \"since\": 1, \"uid\": 0}]",
		", \"quarantines\": [{\"name\": \"credit@1\", \"why\": \"w\", \"since\": \"1\", \"uid\": 0}]"};
	struct state *state;
	char text[512];

	(void)unused;
	snprintf(text, sizeof(text), format, "");
	write_sealed(text);
	state = opened();
	assert_int_equal(damages, 0);
	assert_int_equal(state->generation, 5);
	assert_int_equal(state->quarantine_count, 0);
	state_close(state);
	for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
		snprintf(text, sizeof(text), format, wrong[i]);
		write_sealed(text);
		expect_nothing_taken();
	}
}

static void test_quarantines_end_one_by_one_and_stay_in_order(void **unused)
{
	struct state *state = opened();
	struct state_quarantine ended = {0};

	(void)unused;
	fill(state);
	assert_false(state_end_quarantine(state, "credit@3.1", &ended));
	assert_null(ended.name);
	assert_true(state_end_quarantine(state, "credit@3.1.0", &ended));
	assert_string_equal(ended.name, "credit@3.1.0");
	assert_string_equal(ended.user, "root");
	state_quarantine_free(&ended);
	assert_int_equal(state->quarantine_count, 2);
	assert_string_equal(state->quarantines[0].name, "credit@3.2.0");
	assert_string_equal(state->quarantines[1].name, "fra-1");
	assert_false(state_end_quarantine(state, "credit@3.1.0", &ended));
	state_close(state);
}

static void test_a_damaged_policy_is_set_aside(void **unused)
{
	struct state *state = opened();
	char name[128], path[256], *text = NULL;
	size_t length;

	(void)unused;
	fill(state);
	snprintf(name, sizeof(name), "policy-%s.json", state->history[0].bytes_digest);
	write_file(name, "{\"second\": 3}", 13);
	assert_int_equal(state_read_policy(state, state->history[0].bytes_digest, &text, &length), -EBADMSG);
	assert_null(text);
	strcat(name, ".damaged");
	path_of(name, path);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(state_read_policy(state, state->history[0].bytes_digest, &text, &length), -ENOENT);
	state_close(state);
}

static void test_history_forgets_the_oldest_and_not_its_text(void **unused)
{
	struct state *state = opened();
	char text[64], digest[SHA256_HEX], *back;
	size_t length, index;

	(void)unused;
	for (uint64_t i = 1; i <= STATE_HISTORY_MAX + 3; i++) {
		snprintf(text, sizeof(text), "{\"n\": %u}", (unsigned int)i);
		push(state, text, i);
	}
	assert_int_equal(state->history_count, STATE_HISTORY_MAX);
	assert_int_equal(state->history[STATE_HISTORY_MAX - 1].revision, 4);
	assert_int_equal(state->history[0].number, STATE_HISTORY_MAX + 3);
	assert_int_equal(state->history[STATE_HISTORY_MAX - 1].number, 4);
	sha256_hex("{\"n\": 3}", 8, digest);
	assert_false(state_names_policy(state, digest));
	assert_int_equal(state_read_policy(state, digest, &back, &length), 0);
	free(back);
	state_drop_policy(state, digest);
	assert_int_equal(state_read_policy(state, digest, &back, &length), -ENOENT);
	sha256_hex("{\"n\": 4}", 8, digest);
	assert_true(state_names_policy(state, digest));
	assert_int_equal(state_find(state, "67", &index), 0);
	assert_int_equal(index, 0);
	assert_int_equal(state_find(state, "3", &index), -ENOENT);
	digest[4] = '\0';
	assert_int_equal(state_find(state, digest, &index), 0);
	digest[3] = '\0';
	assert_int_equal(state_find(state, digest, &index), -ENOENT);
	state_close(state);
}

/* One that is there is not written again, unless it is damaged. */
static void test_a_text_is_kept_once(void **unused)
{
	struct state *state = opened();
	char digest[SHA256_HEX], name[SHA256_HEX + 16], path[256];
	struct stat before, after;

	(void)unused;
	assert_int_equal(state_keep_policy(state, "{}", 2, digest), 0);
	snprintf(name, sizeof(name), "policy-%s.json", digest);
	path_of(name, path);
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(state_keep_policy(state, "{}", 2, digest), 0);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	write_file(name, "[]", 2);
	assert_int_equal(state_keep_policy(state, "{}", 2, digest), 0);
	assert_int_equal(read_file(name, path, 16), 2);
	assert_memory_equal(path, "{}", 2);
	state_close(state);
}

static void test_a_folder_that_cannot_be_is_said(void **unused)
{
	struct problem problem = {0};
	struct state *state = NULL;

	(void)unused;
	assert_int_equal(state_open("/proc/no/such/folder", damaged, NULL, &problem, &state), -ENOENT);
	assert_non_null(strstr(problem.text, "/proc/no/such/folder"));
	assert_null(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all_of_it_comes_back, begin, end),
		cmocka_unit_test_setup_teardown(test_any_changed_byte_is_seen, begin, end),
		cmocka_unit_test_setup_teardown(test_there_is_a_copy, begin, end),
		cmocka_unit_test_setup_teardown(test_a_sealed_lie_is_refused, begin, end),
		cmocka_unit_test_setup_teardown(test_quarantines_may_be_missing_and_not_wrong, begin, end),
		cmocka_unit_test_setup_teardown(test_quarantines_end_one_by_one_and_stay_in_order, begin, end),
		cmocka_unit_test_setup_teardown(test_a_damaged_policy_is_set_aside, begin, end),
		cmocka_unit_test_setup_teardown(test_history_forgets_the_oldest_and_not_its_text, begin, end),
		cmocka_unit_test_setup_teardown(test_a_text_is_kept_once, begin, end),
		cmocka_unit_test_setup_teardown(test_a_folder_that_cannot_be_is_said, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
