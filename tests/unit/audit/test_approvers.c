// SPDX-License-Identifier: GPL-2.0-only
/* Who has approved what: a signature counts once, for one approver, one document and one purpose, and no other way. */
#include "audit/approvers.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "audit/signer.h"
#include "policy/bundle.h"
#include "policy/statement.h"
#include "scratch.h"

enum { ANNA, BEN, CARL, MALLORY, PEOPLE };
static const char *const names[PEOPLE] = {"anna", "ben", "carl", "mallory"};
static struct signer *signers[PEOPLE];

static const char document[] = "{\"apiVersion\": \"usher/v1\"}\n", other[] = "{\"apiVersion\":  \"usher/v1\"}\n";

static void path_of(const char *name, char path[160])
{
	snprintf(path, 160, "%s/%s", folder, name);
}

/* The public key alone stays there, under the person's name. */
static void make(int who)
{
	char key[160], id[64], from[160], to[160], name[64];
	struct problem problem = {0};

	assert_int_equal(signer_new(&problem, &signers[who]), 0);
	path_of("private", key);
	assert_int_equal(signer_save(signers[who], key, folder, &problem), 0);
	assert_int_equal(unlink(key), 0);
	snprintf(id, sizeof(id), "%s.pem", signer_id(signers[who]));
	snprintf(name, sizeof(name), "%s.pem", names[who]);
	path_of(id, from);
	path_of(name, to);
	assert_int_equal(rename(from, to), 0);
}

static int begin(void **state)
{
	char path[160];

	(void)state;
	assert_int_equal(scratch_make("approvers"), 0);
	for (int who = 0; who < PEOPLE; who++)
		make(who);
	path_of("mallory.pem", path); /* nobody's friend */
	return unlink(path);
}

static int end(void **state)
{
	(void)state;
	for (int who = 0; who < PEOPLE; who++)
		signer_close(signers[who]);
	return scratch_remove();
}

static struct approvers *opened(uint32_t needed)
{
	struct problem problem = {0};
	struct approvers *approvers = NULL;

	if (approvers_open(folder, needed, &problem, &approvers))
		fail_msg("%s", problem.text);
	return approvers;
}

static void refused(uint32_t needed, int error, const char *words)
{
	struct approvers *approvers = NULL;
	struct problem problem = {0};

	assert_int_equal(approvers_open(folder, needed, &problem, &approvers), error);
	assert_null(approvers);
	if (!strstr(problem.text, words))
		fail_msg("%s", problem.text);
}

static void sign_bytes(struct approval *approval, int who, const char *bytes, size_t length)
{
	char hex[SIGNER_SIGNATURE];

	signer_sign(signers[who], bytes, length, hex);
	assert_int_equal(hex_parse(hex, SIGNATURE_BYTES, approval->signatures[approval->count++].bytes), 0);
}

static void sign(struct approval *approval, int who, const char *bytes, size_t length, uint64_t instead_of)
{
	struct json text = {0};

	assert_int_equal(statement_print(bytes, length, instead_of, &text), 0);
	sign_bytes(approval, who, text.bytes, text.length);
	json_free(&text);
}

static void judged(const struct approvers *approvers, struct approval *approval, int expected, const char *words)
{
	struct problem problem = {0};
	char text[APPROVAL_NAMES];

	assert_int_equal(approvers_judge(approvers, document, strlen(document), approval, &problem), expected);
	if (!strstr(expected ? problem.text : approval_names(approval, text), words))
		fail_msg("%s", expected ? problem.text : text);
}

/* ---- keys ---------------------------------------------------------------------------------------------------- */

static void test_keys_are_read_by_name(void **state)
{
	struct approvers *approvers = opened(2);
	char path[160];
	FILE *file;

	(void)state;
	assert_int_equal(approvers_count(approvers), 3);
	assert_int_equal(approvers_needed(approvers), 2);
	assert_string_equal(approvers_name(approvers, 0), "anna");
	assert_string_equal(approvers_name(approvers, 2), "carl");
	approvers_close(approvers);
	path_of("README", path);
	file = fopen(path, "we");
	assert_non_null(file);
	fclose(file);
	approvers = opened(3);
	assert_int_equal(approvers_count(approvers), 3);
	approvers_close(approvers);
	refused(4, -EINVAL, "4 have to approve, and");
	assert_int_equal(unlink(path), 0);
}

static void test_one_key_is_not_two_approvers(void **state)
{
	char from[160], to[160];

	(void)state;
	path_of("anna.pem", from);
	path_of("zoe.pem", to);
	assert_int_equal(link(from, to), 0);
	refused(2, -EEXIST, "anna and zoe in");
	assert_int_equal(unlink(to), 0);
}

static void put(const char *name, const char *text, mode_t mode)
{
	char path[160];
	int file;

	path_of(name, path);
	file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(file >= 0);
	assert_int_equal(write(file, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(file, mode), 0);
	close(file);
}

static void test_what_is_no_key_is_said(void **state)
{
	/* An X25519 public key: 32 bytes as well, and of another kind. */
	static const char x25519[] = "-----BEGIN PUBLIC KEY-----\n"
				     "MCowBQYDK2VuAyEAhSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=\n"
				     "-----END PUBLIC KEY-----\n";
	char path[160];

	(void)state;
	put("dora.pem", x25519, 0644);
	refused(2, -EINVAL, "dora.pem is not an Ed25519 public key in PEM form");
	put("dora.pem", "", 0644);
	refused(2, -EINVAL, "dora.pem is not an Ed25519 public key in PEM form");
	put("dora.pem", "", 0664);
	refused(2, -EPERM, "dora.pem can be written by others than root");
	put("dora.pem", "", 0646);
	refused(2, -EPERM, "dora.pem can be written by others than root");
	path_of("dora.pem", path);
	assert_int_equal(unlink(path), 0);
	put("d ra.pem", "", 0644);
	refused(2, -EINVAL, "an approver's name is up to 63 letters");
	path_of("d ra.pem", path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(chmod(folder, 0777), 0);
	refused(2, -EPERM, "can be written by others than root");
	assert_int_equal(chmod(folder, 0755), 0);
}

static void test_no_folder_is_said(void **state)
{
	struct approvers *approvers = NULL;
	struct problem problem = {0};

	(void)state;
	assert_int_equal(approvers_open("/nonexistent", 1, &problem, &approvers), -ENOENT);
	assert_non_null(strstr(problem.text, "/nonexistent cannot be read"));
}

/* ---- signatures ---------------------------------------------------------------------------------------------- */

static void test_two_of_three(void **state)
{
	struct approvers *approvers = opened(2);
	struct approval approval = {0};

	(void)state;
	judged(approvers, &approval, -EKEYREJECTED, "0 of 2 approvals that this host asks for, by nobody");
	sign(&approval, BEN, document, strlen(document), 0);
	judged(approvers, &approval, -EKEYREJECTED, "1 of 2 approvals that this host asks for, by ben");
	sign(&approval, BEN, document, strlen(document), 0);
	judged(approvers, &approval, -EKEYREJECTED, "1 of 2 approvals that this host asks for, by ben");
	sign(&approval, ANNA, document, strlen(document), 0);
	judged(approvers, &approval, 0, "ben, anna");
	sign(&approval, MALLORY, document, strlen(document), 0);
	judged(approvers, &approval, -EKEYREJECTED, "signature 4 is of none of the 3 approvers over this policy");
	approval.kept = true; /* a former approver's is no harm */
	judged(approvers, &approval, 0, "ben, anna");
	approvers_close(approvers);
}

static void test_only_over_these_bytes_and_for_this_purpose(void **state)
{
	struct approvers *approvers = opened(1);
	struct approval approval = {0};

	(void)state;
	sign(&approval, ANNA, other, strlen(other), 0); /* the same policy, written otherwise */
	judged(approvers, &approval, -EKEYREJECTED, "signature 1 is of none");
	approval.kept = true;
	judged(approvers, &approval, -EKEYREJECTED, "0 of 1 approvals");
	approval = (struct approval){0};
	sign_bytes(&approval, ANNA, document, strlen(document));
	judged(approvers, &approval, -EKEYREJECTED, "signature 1 is anna's over the policy's file");
	approval = (struct approval){0};
	sign(&approval, ANNA, document, strlen(document), 7);
	judged(approvers, &approval, -EKEYREJECTED, "signature 1 is of none");
	approval.instead_of = 8;
	judged(approvers, &approval, -EKEYREJECTED,
	       "signature 1 is of none of the 3 approvers over this policy and this going back");
	approval.instead_of = 7;
	judged(approvers, &approval, 0, "anna");
	approval = (struct approval){.instead_of = 7};
	sign(&approval, ANNA, document, strlen(document), 0);
	judged(approvers, &approval, -EKEYREJECTED, "not for going back to it instead of change 7");
	approvers_close(approvers);
}

/* No bit of a signature may be another. */
static void test_every_bit_counts(void **state)
{
	struct approvers *approvers = opened(1);
	struct approval approval = {0};
	struct problem problem = {0};

	(void)state;
	sign(&approval, CARL, document, strlen(document), 0);
	for (size_t bit = 0; bit < 8 * SIGNATURE_BYTES; bit++) {
		approval.signatures[0].bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(approvers_judge(approvers, document, strlen(document), &approval, &problem),
				 -EKEYREJECTED);
		approval.signatures[0].bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	judged(approvers, &approval, 0, "carl");
	approvers_close(approvers);
}

/* ---- statements ---------------------------------------------------------------------------------------------- */

#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void test_statement_names_every_file(void **state)
{
	static const char policy[] = "{\"tenants\":{\"b\":{\"sources\":[{\"geo\":\"b.csv\"},{\"geo\":\"a.csv\"}]},"
				     "\"c\":{\"sources\":[{\"geo\":\"b.csv\"}]}}}";
	struct bundle_file files[] = {{.name = "a.csv", .bytes = "", .read = true},
				      {.name = "b.csv", .bytes = "x", .length = 1, .read = true}};
	struct json bundle = {0}, text = {0};
	char expected[1024], digest[SHA256_HEX], x[SHA256_HEX];

	(void)state;
	json_raw(&bundle, policy, strlen(policy));
	bundle_attach(&bundle, &files[0]);
	bundle_attach(&bundle, &files[1]);
	assert_int_equal(statement_print(bundle.bytes, bundle.length, 12, &text), 0);
	statement_document(bundle.bytes, bundle.length, digest);
	sha256_hex("x", 1, x);
	snprintf(expected, sizeof(expected),
		 "usher-policy-rollback 1\ninstead-of-change 12\ndocument sha256:%s\ngeography sha256:%s b.csv\n"
		 "geography sha256:" EMPTY_SHA256 " a.csv\n",
		 digest, x);
	json_raw(&text, "", 1);
	assert_string_equal(text.bytes, expected);
	json_free(&text);
	files[1].read = false;
	bundle.length = strlen(policy);
	bundle_attach(&bundle, &files[0]);
	assert_int_equal(statement_print(bundle.bytes, bundle.length, 0, &text), -ENOENT);
	bundle_attach(&bundle, &files[1]);
	assert_int_equal(statement_print(bundle.bytes, bundle.length, 0, &text), -ENOENT);
	assert_int_equal(statement_print("{}\0x", 4, 0, &text), 0); /* a NUL is the parser's to refuse */
	json_free(&text);
	json_free(&bundle);
}

/* ---- how they come ------------------------------------------------------------------------------------------- */

static void test_signature_raw_and_in_base64(void **state)
{
	uint8_t bytes[SIGNATURE_BYTES], back[SIGNATURE_BYTES];
	char text[SIGNATURE_TEXT], lines[SIGNATURE_TEXT + 8];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(251 * i + 3);
	signature_print(bytes, text);
	assert_int_equal(strlen(text), SIGNATURE_TEXT - 1);
	assert_int_equal(signature_parse(bytes, sizeof(bytes), back), 0);
	assert_memory_equal(back, bytes, sizeof(bytes));
	memset(back, 0, sizeof(back));
	assert_int_equal(signature_parse(text, strlen(text), back), 0);
	assert_memory_equal(back, bytes, sizeof(bytes));
	snprintf(lines, sizeof(lines), "%.76s\n%s\r\n", text, text + 76);
	memset(back, 0, sizeof(back));
	assert_int_equal(signature_parse(lines, strlen(lines), back), 0);
	assert_memory_equal(back, bytes, sizeof(bytes));
}

static void test_what_is_no_signature(void **state)
{
	static const uint8_t bytes[SIGNATURE_BYTES + 1];
	uint8_t back[SIGNATURE_BYTES];
	char text[SIGNATURE_TEXT + 4];

	(void)state;
	assert_int_equal(signature_parse("", 0, back), -EINVAL);
	assert_int_equal(signature_parse(bytes, SIGNATURE_BYTES - 1, back), -EINVAL);
	assert_int_equal(signature_parse(bytes, SIGNATURE_BYTES + 1, back), -EINVAL);
	signature_print(bytes, text);
	assert_int_equal(signature_parse(text, SIGNATURE_TEXT - 2, back), -EINVAL);
	text[10] = '-';
	assert_int_equal(signature_parse(text, SIGNATURE_TEXT - 1, back), -EINVAL);
	text[10] = '=';
	assert_int_equal(signature_parse(text, SIGNATURE_TEXT - 1, back), -EINVAL);
	text[10] = '\0';
	assert_int_equal(signature_parse(text, SIGNATURE_TEXT - 1, back), -EINVAL);
	signature_print(bytes, text);
	text[85] = 'B'; /* bits beyond the last byte: the same bytes, said otherwise */
	assert_int_equal(signature_parse(text, SIGNATURE_TEXT - 1, back), -EINVAL);
	signature_print(bytes, text);
	text[87] = 'A'; /* no padding: one byte more */
	assert_int_equal(signature_parse(text, SIGNATURE_TEXT - 1, back), -EINVAL);
	signature_print(bytes, text);
	strcat(text, "A");
	assert_int_equal(signature_parse(text, SIGNATURE_TEXT, back), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys_are_read_by_name),
		cmocka_unit_test(test_one_key_is_not_two_approvers),
		cmocka_unit_test(test_what_is_no_key_is_said),
		cmocka_unit_test(test_no_folder_is_said),
		cmocka_unit_test(test_two_of_three),
		cmocka_unit_test(test_only_over_these_bytes_and_for_this_purpose),
		cmocka_unit_test(test_every_bit_counts),
		cmocka_unit_test(test_statement_names_every_file),
		cmocka_unit_test(test_signature_raw_and_in_base64),
		cmocka_unit_test(test_what_is_no_signature),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
