// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every example cut at every byte, and with every byte changed, doubled and taken out: a policy, or errors that say where;
 * and whatever it was, all memory is given back.
 */
#include "policy/policy.h"

#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/array.h"

#include "bundled.h"

#define NOW 1795478400 /* 2026-11-24 */
#define DOCUMENT_MAX 65536

struct document {
	char bytes[DOCUMENT_MAX];
	size_t length;
};

static struct document documents[16];
static size_t document_count;
static size_t tried, taken;

static void read_document(const char *path)
{
	struct document *document = &documents[document_count++];
	FILE *file = fopen(path, "re");

	assert_in_range(document_count, 1, ARRAY_COUNT(documents));
	assert_non_null(file);
	document->length = fread(document->bytes, 1, sizeof(document->bytes), file);
	assert_in_range(document->length, 100, sizeof(document->bytes) - 2);
	fclose(file);
	/* What follows the last brace may go without anybody missing it. */
	while (document->bytes[document->length - 1] == '\n')
		document->length--;
}

static int begin(void **state)
{
	struct dirent *entry;
	DIR *folder = opendir("policies/examples");

	(void)state;
	assert_non_null(folder);
	while ((entry = readdir(folder))) {
		char path[300];

		snprintf(path, sizeof(path), "policies/examples/%s", entry->d_name);
		if (strstr(entry->d_name, ".json"))
			read_document(path);
	}
	closedir(folder);
	read_document("scripts/lab.d/policy.json");
	assert_in_range(document_count, 6, ARRAY_COUNT(documents));
	return 0;
}

static bool is_policy(const char *bytes, size_t length)
{
	struct diagnostics diagnostics = {.file = "test.json"};
	struct policy *policy = NULL;
	size_t sent;
	char *copy = bundled(bytes, length, bundled_names_file(bytes, length), &sent);
	uint32_t lines = 1;
	int error = policy_parse("test.json", copy, sent, NOW, &diagnostics, &policy);

	assert_memory_equal(copy, bytes, length);
	assert_true(error == 0 || error == -EINVAL);
	assert_true((error == 0) == (policy != NULL));
	assert_true((error == 0) == (diagnostics.errors == 0));
	for (size_t i = 0; i < length; i++)
		lines += bytes[i] == '\n';
	for (size_t i = 0; i < diagnostics.count; i++) {
		const struct diagnostic *said = &diagnostics.items[i];

		if (!said->line || said->line > lines || !said->column || said->column > length + 1 || !*said->text)
			fail_msg("said at %u:%u of a document of %u lines: %s", said->line, said->column, lines,
				 said->text);
	}
	free(copy);
	policy_free(policy);
	diagnostics_free(&diagnostics);
	tried++;
	taken += !error;
	return !error;
}

static size_t memory_in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static void say(const char *what)
{
	print_message("# %s: %zu documents, %zu of them policies\n", what, tried, taken);
	tried = taken = 0;
}

static void test_cut_at_every_byte(void **state)
{
	(void)state;
	for (size_t d = 0; d < document_count; d++) {
		assert_true(is_policy(documents[d].bytes, documents[d].length));
		for (size_t cut = 0; cut < documents[d].length; cut++)
			if (is_policy(documents[d].bytes, cut))
				fail_msg("the first %zu of %zu bytes are a policy", cut, documents[d].length);
	}
	say("cut");
}

/* To five others, by turns. */
static void test_with_every_byte_changed(void **state)
{
	static const unsigned char others[] = {'"', '{', '}', '[', ']', ',', ':',  '\\', '\'', '/',  '#',  '?',
					       '0', '9', '-', 'e', 'u', ' ', '\n', 0,	 0x7f, 0x80, 0xe2, 0xff};

	(void)state;
	for (size_t d = 0; d < document_count; d++) {
		struct document *document = &documents[d];

		for (size_t i = 0; i < document->length; i++) {
			char was = document->bytes[i];

			for (size_t o = i; o < i + ARRAY_COUNT(others); o += 5) {
				document->bytes[i] = (char)others[o % ARRAY_COUNT(others)];
				is_policy(document->bytes, document->length);
			}
			document->bytes[i] = was;
		}
	}
	say("one byte changed");
}

static void test_with_every_byte_doubled_and_taken_out(void **state)
{
	static char other[DOCUMENT_MAX];

	(void)state;
	for (size_t d = 0; d < document_count; d++) {
		const struct document *document = &documents[d];

		for (size_t i = 0; i < document->length; i++) {
			memcpy(other, document->bytes, i + 1);
			memcpy(other + i + 1, document->bytes + i, document->length - i);
			is_policy(other, document->length + 1);
			memcpy(other, document->bytes, i);
			memcpy(other + i, document->bytes + i + 1, document->length - i - 1);
			is_policy(other, document->length - 1);
		}
	}
	say("one byte doubled or taken out");
}

static uint64_t next_random(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15ULL;
	return usher_mix64(*state);
}

/* A piece of one document in the place of a piece of another: valid words where none of them belongs. */
static void test_with_pieces_of_each_other(void **state)
{
	static char other[2 * DOCUMENT_MAX];
	uint64_t random = 1;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		const struct document *to = &documents[next_random(&random) % document_count];
		const struct document *from = &documents[next_random(&random) % document_count];
		size_t at = next_random(&random) % to->length, gap = next_random(&random) % 40;
		size_t start = next_random(&random) % from->length, piece = next_random(&random) % 60;

		if (gap > to->length - at)
			gap = to->length - at;
		if (piece > from->length - start)
			piece = from->length - start;
		memcpy(other, to->bytes, at);
		memcpy(other + at, from->bytes + start, piece);
		memcpy(other + at + piece, to->bytes + at + gap, to->length - at - gap);
		is_policy(other, to->length - gap + piece);
	}
	say("pieces exchanged");
}

/* After a first round, which may fill caches that libraries keep, no number of rounds takes any more. */
static void test_no_memory_is_kept(void **state)
{
	size_t before = 0;

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (size_t d = 0; d < document_count; d++)
			for (size_t cut = 0; cut <= documents[d].length; cut += 7)
				is_policy(documents[d].bytes, cut);
		if (round == 0)
			before = memory_in_use();
	}
	assert_int_equal(memory_in_use(), before);
}

/* What a thread's cache of freed blocks holds counts as in use, and varies: without it the sum is exact. */
static void begin_without_cache(char **argv)
{
	if (getenv("GLIBC_TUNABLES"))
		return;
	setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1);
	execv("/proc/self/exe", argv);
	abort();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut_at_every_byte),
		cmocka_unit_test(test_with_every_byte_changed),
		cmocka_unit_test(test_with_every_byte_doubled_and_taken_out),
		cmocka_unit_test(test_with_pieces_of_each_other),
		cmocka_unit_test(test_no_memory_is_kept),
	};

	(void)argc;
	begin_without_cache(argv);
	return cmocka_run_group_tests(tests, begin, NULL);
}
