/* SPDX-License-Identifier: GPL-2.0-only */
/* Policies by their digests: kept as long as a record can name them, and no longer. */
#include "../kernel/host.h"

#include <sys/stat.h>

#include "daemon/core.h"

#define DAY (86400 * CLOCK_SECOND)

static struct host host;
static char folder[64], audit[96], state_dir[96];
static struct clock_times times;
static struct options options;
static struct policy policy;

static int begin(void **unused)
{
	(void)unused;
	strcpy(folder, "/tmp/usher-revisions-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(audit, sizeof(audit), "%s/audit", folder);
	snprintf(state_dir, sizeof(state_dir), "%s/state", folder);
	assert_int_equal(mkdir(audit, 0750), 0);
	options = (struct options){.state_dir = state_dir, .audit_dir = audit};
	times = (struct clock_times){.monotonic = DAY, .realtime = 20000 * DAY};
	policy = (struct policy){.retention.seconds = 10 * 86400};
	host_open(&host);
	clock_fake(&times);
	return 0;
}

static int end(void **unused)
{
	char command[128];

	(void)unused;
	clock_fake(NULL);
	host_close(&host);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static void ignored(void *context, const char *sentence)
{
	(void)context;
	fail_msg("%s", sentence);
}

static void start(struct core *core)
{
	struct problem problem = {0};
	char key[112], client_keys[112];

	*core = (struct core){.options = &options, .policy = &policy};
	snprintf(key, sizeof(key), "%s/key.pem", folder);
	snprintf(client_keys, sizeof(client_keys), "%s/client-keys", folder);
	assert_int_equal(state_open(state_dir, ignored, NULL, &problem, &core->state), 0);
	if (journal_open(host.program, host.publisher,
			 &(struct journal_options){.folder = audit, .key = key, .client_keys = client_keys}, &problem,
			 &core->journal))
		fail_msg("%s", problem.text);
	if (revisions_open(core, &problem))
		fail_msg("%s", problem.text);
}

static void stop(struct core *core)
{
	assert_int_equal(state_save(core->state), 0);
	journal_close(core->journal);
	revisions_free(&core->revisions);
	state_close(core->state);
	for (size_t i = 0; i < core->problem_count; i++)
		free(core->problems[i]);
}

#define REST "\"models\":{},\"backends\":{},\"services\":{},\"rules\":[]}"

static void text_of(unsigned revision, char text[256])
{
	snprintf(text, 256, "{\"apiVersion\":\"usher/v1\",\"metadata\":{\"name\":\"n\",\"revision\":%u}," REST,
		 revision);
}

/* As change.c does it; digests of policies are those of their texts here. */
static void put_in_force(struct core *core, unsigned revision)
{
	struct state_entry entry = {
		.revision = revision, .file = strdup("f"), .name = strdup("n"), .verb = "apply", .confirmed = true};
	char text[256];

	text_of(revision, text);
	entry.applied = clock_realtime();
	core->text = text;
	core->text_length = strlen(text);
	assert_int_equal(state_keep_policy(core->state, text, strlen(text), entry.bytes_digest), 0);
	memcpy(entry.digest, entry.bytes_digest, SHA256_HEX);
	state_push(core->state, &entry);
	revisions_note(core);
	core->text = NULL;
	times.realtime += CLOCK_SECOND;
}

static bool is_kept(const struct core *core, unsigned revision)
{
	char text[256], digest[SHA256_HEX], *bytes = NULL;
	size_t length;
	bool there;

	text_of(revision, text);
	sha256_hex(text, strlen(text), digest);
	there = !state_read_policy(core->state, digest, &bytes, &length);
	assert_int_equal(there, !!revisions_by_bytes(core, digest));
	assert_true(!there || !strcmp(bytes, text));
	free(bytes);
	return there;
}

static void look(struct core *core, int64_t later)
{
	times.realtime += later;
	times.monotonic += 2 * 3600 * CLOCK_SECOND;
	revisions_tick(core, times.monotonic);
}

static size_t deletions(void)
{
	char command[160];
	size_t count = 0;
	FILE *pipe;

	snprintf(command, sizeof(command), "cat %s/*.jsonl | grep -c '\"activity\":\"policy-deleted\"'", audit);
	pipe = popen(command, "re");
	assert_non_null(pipe);
	assert_int_equal(fscanf(pipe, "%zu", &count), 1);
	pclose(pipe);
	return count;
}

#define MANY (STATE_HISTORY_MAX + 6) /* six that no entry of the history names */

static void test_kept_until_no_record_can_name_it(void **unused)
{
	struct core core;
	char command[160];

	(void)unused;
	start(&core);
	for (unsigned i = 1; i <= MANY; i++)
		put_in_force(&core, i);
	look(&core, DAY);
	assert_true(is_kept(&core, 1));
	look(&core, 10 * DAY); /* past retain, but the log reaches back */
	assert_true(is_kept(&core, 1));
	stop(&core);
	snprintf(command, sizeof(command), "rm %s/*", audit); /* as a retention would, in the end */
	assert_int_equal(system(command), 0);
	start(&core);
	policy.retention.seconds = 0;
	look(&core, 0);
	assert_true(is_kept(&core, 1)); /* for good */
	assert_int_equal(deletions(), 0);
	policy.retention.seconds = 30 * 86400;
	look(&core, 0);
	assert_true(is_kept(&core, 1));
	policy.retention.seconds = 10 * 86400;
	core.revisions_looked = times.monotonic; /* not before its time */
	revisions_tick(&core, times.monotonic + CLOCK_SECOND);
	assert_true(is_kept(&core, 1));
	look(&core, 0);
	for (unsigned i = 1; i <= MANY; i++)
		assert_int_equal(is_kept(&core, i), i > 6); /* what the history names stays */
	assert_int_equal(deletions(), 6);
	look(&core, DAY);
	assert_int_equal(deletions(), 6);
	stop(&core);
	start(&core);
	assert_int_equal(core.revisions.count, STATE_HISTORY_MAX);
	for (unsigned i = 1; i <= STATE_HISTORY_MAX + 1; i++)
		put_in_force(&core, MANY + i);
	stop(&core);
	assert_int_equal(system(command), 0);
	times.realtime += DAY;
	start(&core);
	look(&core, 0);
	assert_false(is_kept(&core, MANY - 1));
	assert_true(is_kept(&core, MANY)); /* no record names it, but its time is not over */
	stop(&core);
}

static void test_found_by_number_and_digest(void **unused)
{
	struct core core;
	char text[256], digest[SHA256_HEX];
	const struct revision *found;

	(void)unused;
	start(&core);
	put_in_force(&core, 1);
	put_in_force(&core, 2);
	put_in_force(&core, 1);
	found = revisions_find(&core, "2");
	assert_non_null(found);
	assert_true(found->last);
	text_of(1, text);
	sha256_hex(text, strlen(text), digest);
	found = revisions_find(&core, digest);
	assert_non_null(found);
	assert_int_equal(found->revision, 1);
	assert_false(found->last);
	assert_string_equal(found->document, digest);
	assert_int_equal(core.revisions.count, 2);
	digest[4] = '\0';
	assert_ptr_equal(revisions_find(&core, digest), found);
	digest[3] = '\0';
	if (strspn(digest, "0123456789") != 3)
		assert_null(revisions_find(&core, digest));
	assert_null(revisions_find(&core, "3"));
	assert_null(revisions_find(&core, ""));
	stop(&core);
	start(&core);
	assert_non_null(revisions_find(&core, "2"));
	assert_true(revisions_find(&core, "2")->last);
	assert_false(revisions_find(&core, "1")->last);
	stop(&core);
}

/* The list is damaged, or an earlier daemon had none: the texts are not lost. */
static void test_texts_without_a_list_are_taken_over(void **unused)
{
	struct core core;
	char path[160];

	(void)unused;
	start(&core);
	put_in_force(&core, 1);
	put_in_force(&core, 2);
	stop(&core);
	snprintf(path, sizeof(path), "%s/" REVISIONS_FILE, state_dir);
	assert_int_equal(truncate(path, 100), 0);
	start(&core);
	assert_int_equal(core.problem_count, 1);
	assert_non_null(strstr(core.problems[0], "revisions.json is damaged"));
	assert_int_equal(core.revisions.count, 2);
	assert_false(revisions_find(&core, "2")->last);
	assert_true(revisions_find(&core, "1")->last);
	stop(&core);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/" REVISIONS_FILE ".damaged", state_dir);
	assert_int_equal(unlink(path), 0);
	start(&core);
	assert_int_equal(core.problem_count, 0);
	assert_int_equal(core.revisions.count, 2);
	stop(&core);
}

/* What never came into force goes, but not if it is the text of one that did. */
static void test_dropped_unless_it_was_in_force(void **unused)
{
	struct core core;
	char text[256], digest[SHA256_HEX];

	(void)unused;
	start(&core);
	put_in_force(&core, 1);
	text_of(1, text);
	assert_int_equal(state_keep_policy(core.state, text, strlen(text), digest), 0);
	revisions_drop(&core, digest);
	assert_true(is_kept(&core, 1));
	for (unsigned i = 3; i < 3 + STATE_HISTORY_MAX; i++)
		put_in_force(&core, i);
	assert_false(state_names_policy(core.state, digest));
	revisions_drop(&core, digest);
	assert_true(is_kept(&core, 1));
	text_of(2, text);
	assert_int_equal(state_keep_policy(core.state, text, strlen(text), digest), 0);
	revisions_drop(&core, digest);
	assert_false(is_kept(&core, 2));
	stop(&core);
}

static void test_no_more_than_there_may_be(void **unused)
{
	struct core core;

	(void)unused;
	start(&core);
	for (unsigned i = 1; i <= STATE_HISTORY_MAX + 2; i++)
		put_in_force(&core, i);
	core.revisions.items[2].bytes = REVISIONS_BYTES_MAX; /* as if that one were so large */
	put_in_force(&core, 100);
	assert_false(is_kept(&core, 1));
	assert_false(is_kept(&core, 2));
	assert_false(is_kept(&core, 3));
	assert_true(is_kept(&core, 4));
	assert_int_equal(deletions(), 3);
	stop(&core);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kept_until_no_record_can_name_it, begin, end),
		cmocka_unit_test_setup_teardown(test_found_by_number_and_digest, begin, end),
		cmocka_unit_test_setup_teardown(test_texts_without_a_list_are_taken_over, begin, end),
		cmocka_unit_test_setup_teardown(test_dropped_unless_it_was_in_force, begin, end),
		cmocka_unit_test_setup_teardown(test_no_more_than_there_may_be, begin, end),
	};

	if (host_begin())
		return host_skip(sizeof(tests) / sizeof(tests[0]));
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
