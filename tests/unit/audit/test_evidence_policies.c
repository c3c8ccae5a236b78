// SPDX-License-Identifier: GPL-2.0-only
/* Evidence has the policies that its records name, as they were; an edit of one is found; and of what is not there that is said. */
#include "audit/evidence_policies.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "audit/evidence.h"
#include "audit/evidence_form.h"
#include "audit/ledger.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "policy/bundle.h"
#include "policy/policy.h"

#include "scratch.h"

#define POLICIES 3
#define LINES 5
#define EDITS 3000
#define BEGINS (1767225600 * CLOCK_SECOND)

static char key_path[96], path[96], findings[4096];
static size_t found_count;
static struct json texts[POLICIES]; /* bundles */
static char digests[POLICIES][SHA256_HEX];
static bool hidden[POLICIES];
static uint64_t seed = 0x5eed;

static size_t below(size_t count)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (size_t)((seed >> 20) % count);
}

static void add_file(struct json *to, const char *name)
{
	char file[128], bytes[8192];
	FILE *from;

	snprintf(file, sizeof(file), "policies/examples/%s", name);
	from = fopen(file, "re");
	assert_non_null(from);
	json_raw(to, bytes, fread(bytes, 1, sizeof(bytes), from));
	fclose(from);
}

static void make_policies(void)
{
	struct json clients = {0};

	for (size_t i = 0; i < POLICIES; i++)
		json_clear(&texts[i]);
	add_file(&texts[0], "quarantine.json");
	add_file(&texts[1], "geography.json");
	add_file(&clients, "clients.csv");
	bundle_attach(&texts[1], &(struct bundle_file){"clients.csv", clients.bytes, clients.length, true});
	add_file(&texts[2], "ab-split.json");
	json_free(&clients);
	for (size_t i = 0; i < POLICIES; i++) {
		struct diagnostics ignored = {.file = ""};
		struct policy *policy = NULL;

		assert_int_equal(policy_parse("", texts[i].bytes, texts[i].length, 0, &ignored, &policy), 0);
		memcpy(digests[i], policy->digest, SHA256_HEX);
		policy_free(policy);
		diagnostics_free(&ignored);
		hidden[i] = false;
	}
}

/* Decisions under the first and the second of them, in turn; none under the third. */
static int begin(void **state)
{
	struct record_stamp stamp = {.realtime = BEGINS, .boot_id = 7};
	struct problem problem = {0};
	struct ledger_found found;
	struct ledger *ledger;

	(void)state;
	if (scratch_make("policies"))
		return -1;
	snprintf(key_path, sizeof(key_path), "%s/private", folder);
	snprintf(path, sizeof(path), "%s/evidence", folder);
	make_policies();
	if (ledger_open(folder, key_path, &stamp, &problem, &ledger, &found))
		return -1;
	for (uint64_t b = 0; b < 6; b++) {
		struct chain_range range = {.first = b * LINES, .last = (b + 1) * LINES - 1};
		struct json text = {0};

		stamp.realtime += CLOCK_SECOND;
		for (uint64_t i = 0; i < LINES; i++) {
			record_begin(&text, &stamp, "decision");
			json_unsigned(&text, "cpu", 0);
			json_string(&text, "ring", "events");
			json_unsigned(&text, "sequence", b * LINES + i);
			json_string(&text, "policy_digest", digests[b % 2]);
			json_object_end(&text);
			json_newline(&text);
		}
		if (ledger_append(ledger, &stamp, text.bytes, text.length, LINES, &range, 1) ||
		    ledger_checkpoint(ledger, &stamp))
			return -1;
		json_free(&text);
	}
	ledger_close(ledger, &stamp);
	return 0;
}

static int end(void **state)
{
	(void)state;
	for (size_t i = 0; i < POLICIES; i++)
		json_free(&texts[i]);
	return scratch_remove();
}

static int text_of(const char digest[SHA256_HEX], void *context, char **ret_bytes, size_t *ret_length)
{
	(void)context;
	for (size_t i = 0; i < POLICIES; i++) {
		if (hidden[i] || strcmp(digests[i], digest) != 0)
			continue;
		*ret_bytes = malloc(texts[i].length);
		memcpy(*ret_bytes, texts[i].bytes, texts[i].length);
		*ret_length = texts[i].length;
		return 0;
	}
	return -ENOENT;
}

static struct evidence_summary made(const char *since, const char *until)
{
	struct evidence_request request = {
		.folder = folder, .since = since, .until = until, .now = BEGINS, .usher = "0.1", .policy = text_of};
	struct evidence_summary summary = {0};
	FILE *file = fopen(path, "we");

	assert_int_equal(evidence_write(&request, file, &summary), 0);
	assert_int_equal(fclose(file), 0);
	return summary;
}

static void note(const struct verify_finding *finding, void *context)
{
	size_t used = strlen(findings);

	(void)context;
	found_count++;
	snprintf(findings + used, sizeof(findings) - used, "%" PRIu64 " %s\n", finding->first_line, finding->text);
}

/* False: that is no evidence at all. */
static bool judged(struct evidence *ret_evidence)
{
	struct verify_trust trust = {0};
	struct verify_summary summary;

	findings[0] = '\0';
	found_count = 0;
	*ret_evidence = (struct evidence){0};
	if (evidence_read(path, note, NULL, ret_evidence))
		return false;
	trust.keys = ret_evidence->keys;
	trust.key_count = ret_evidence->key_count;
	if (evidence_verify(ret_evidence, path, &trust, note, NULL, &summary))
		found_count++;
	return true;
}

static struct json file_bytes(void)
{
	static char bytes[1 << 20];
	struct json text = {0};
	FILE *from = fopen(path, "re");

	json_raw(&text, bytes, fread(bytes, 1, sizeof(bytes), from));
	fclose(from);
	return text;
}

/* With a last line that is right again. */
static void rewrite(const struct json *text)
{
	FILE *to = fopen(path, "we");
	struct evidence_end last;
	uint8_t hash[SHA256_BYTES];
	struct json line = {0};
	const char *at = memrchr(text->bytes, '\n', text->length - 1);
	size_t length = (size_t)(at + 1 - text->bytes);

	assert_int_equal(evidence_parse_end(at + 1, text->length - length - 1, &last), 0);
	sha256(text->bytes, length, hash);
	evidence_print_end(&line, last.lines, last.records, hash, NULL);
	fwrite(text->bytes, 1, length, to);
	fwrite(line.bytes, 1, line.length, to);
	fclose(to);
	json_free(&line);
}

static void those_that_records_name_are_in_it(void **state)
{
	struct evidence_summary summary = made("", "");
	struct evidence evidence;
	struct json text;

	(void)state;
	assert_int_equal(summary.policies, 2);
	assert_int_equal(summary.policies_missing, 0);
	assert_true(judged(&evidence));
	assert_string_equal(findings, "");
	assert_int_equal(evidence.policies, 2);
	assert_int_equal(evidence.policies_named, 2);
	evidence_release(&evidence);
	text = file_bytes();
	json_raw(&text, "", 1);
	assert_non_null(strstr(text.bytes, "{\"type\":\"evidence-file\",\"name\":\"clients.csv\",\"text\":\""));
	assert_null(strstr(text.bytes, digests[2]));
	json_free(&text);
}

/* What is behind the last line of the log that is in it names nothing. */
static void and_of_a_range_those_of_the_range(void **state)
{
	struct evidence_summary summary = made("2020-01-01T00:00:00.000Z", "2026-01-01T00:00:01.500Z");
	struct evidence evidence;

	(void)state;
	assert_true(judged(&evidence));
	assert_string_equal(findings, "");
	assert_int_equal(summary.policies, evidence.policies_named);
	assert_int_equal(summary.policies, evidence.policies);
	evidence_release(&evidence);
}

static void what_is_not_there_is_said(void **state)
{
	struct evidence_summary summary;
	struct evidence evidence;

	(void)state;
	hidden[0] = true;
	summary = made("", "");
	assert_int_equal(summary.policies, 1);
	assert_int_equal(summary.policies_missing, 1);
	assert_true(judged(&evidence));
	assert_string_equal(findings, "");
	assert_int_equal(evidence.policies, 1);
	assert_int_equal(evidence.policies_named, 2);
	evidence_release(&evidence);
	/* Another one's text under its name is as none. */
	hidden[0] = false;
	json_clear(&texts[0]);
	json_raw(&texts[0], texts[2].bytes, texts[2].length);
	summary = made("", "");
	assert_int_equal(summary.policies, 1);
	assert_int_equal(summary.policies_missing, 1);
}

static size_t offset_of(const struct json *text, const char *what)
{
	const char *at = memmem(text->bytes, text->length, what, strlen(what));

	assert_non_null(at);
	return (size_t)(at - text->bytes);
}

/* Whoever made the file has made its last line match. */
static void an_edit_of_one_is_found(void **state)
{
	struct evidence evidence;
	struct json text, more = {0};
	size_t from, until;

	(void)state;
	made("", "");
	text = file_bytes();
	from = offset_of(&text, "{\"type\":\"evidence-policy\"");
	until = offset_of(&text, "{\"time\":\"2026-01-01T00:00:01.000Z\",\"type\":\"segment\"");
	for (int i = 0; i < EDITS; i++) {
		size_t at = from + below(until - from);
		char before = text.bytes[at];

		text.bytes[at] = (char)(before ^ (1 << below(7)));
		rewrite(&text);
		if (judged(&evidence))
			assert_true(found_count);
		evidence_release(&evidence);
		text.bytes[at] = before;
	}
	/* One that nobody named, and one that is there twice. */
	json_raw(&more, text.bytes, from);
	assert_int_equal(evidence_policy_print(&more, digests[2], texts[2].bytes, texts[2].length), 0);
	assert_int_equal(evidence_policy_print(&more, digests[0], texts[0].bytes, texts[0].length), 0);
	json_raw(&more, text.bytes + from, text.length - from);
	rewrite(&more);
	assert_true(judged(&evidence));
	assert_non_null(strstr(findings, "a policy is in it that none of its records names"));
	assert_non_null(strstr(findings, "a policy that is there twice"));
	assert_int_equal(found_count, 2);
	evidence_release(&evidence);
	json_free(&more);
	/* One that was taken out is missed. */
	json_raw(&more, text.bytes, from);
	json_raw(&more, text.bytes + until, text.length - until);
	rewrite(&more);
	assert_true(judged(&evidence));
	assert_string_equal(findings, "");
	assert_int_equal(evidence.policies, 0);
	assert_int_equal(evidence.policies_named, 2);
	evidence_release(&evidence);
	/* As it was made before there were policies in it. */
	more.bytes[offset_of(&more, "\"format\":2") + strlen("\"format\":")] = '1';
	rewrite(&more);
	assert_true(judged(&evidence));
	assert_string_equal(findings, "");
	evidence_release(&evidence);
	json_free(&more);
	json_free(&text);
}

/* A file of geography that is no UTF-8 cannot stand in a line of JSON. */
static void what_is_no_text_is_left_out(void **state)
{
	struct json to = {0}, bundle = {0};

	(void)state;
	assert_int_equal(evidence_policy_print(&to, digests[1], texts[1].bytes, texts[1].length), 0);
	json_clear(&to);
	json_raw(&bundle, texts[1].bytes, texts[1].length);
	bundle.bytes[bundle.length - 2] = (char)0xff;
	assert_int_equal(evidence_policy_print(&to, digests[1], bundle.bytes, bundle.length), -EINVAL);
	assert_int_equal(evidence_policy_print(&to, digests[0], texts[1].bytes, texts[1].length), -EINVAL);
	assert_int_equal(to.length, 0);
	json_free(&bundle);
	json_free(&to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(those_that_records_name_are_in_it, begin, end),
		cmocka_unit_test_setup_teardown(and_of_a_range_those_of_the_range, begin, end),
		cmocka_unit_test_setup_teardown(what_is_not_there_is_said, begin, end),
		cmocka_unit_test_setup_teardown(an_edit_of_one_is_found, begin, end),
		cmocka_unit_test_setup_teardown(what_is_no_text_is_left_out, begin, end),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
