// SPDX-License-Identifier: GPL-2.0-only
#include "audit/approvers.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/signer.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "policy/statement.h"

#define PATH_ROOM 4096
#define NOBODY SIZE_MAX

struct approver {
	char name[APPROVER_NAME];
	struct signer_key *key;
};

struct approvers {
	uint32_t needed;
	size_t count;
	struct approver items[APPROVERS_MAX];
};

void approvers_close(struct approvers *approvers)
{
	for (size_t i = 0; approvers && i < approvers->count; i++)
		signer_key_free(approvers->items[i].key);
	free(approvers);
}

static void close_approvers(struct approvers **approvers)
{
	approvers_close(*approvers);
}

uint32_t approvers_needed(const struct approvers *approvers)
{
	return approvers->needed;
}

size_t approvers_count(const struct approvers *approvers)
{
	return approvers->count;
}

const char *approvers_name(const struct approvers *approvers, size_t index)
{
	return approvers->items[index].name;
}

/* ---- the keys ------------------------------------------------------------------------------------------------ */

/* Whoever can write there can approve whatever he likes. */
static int check_hands(const char *path, struct problem *problem)
{
	struct stat status;

	if (stat(path, &status))
		return problem_set(problem, -errno, "%s cannot be read: %s", path, strerror(errno));
	if ((status.st_uid && status.st_uid != geteuid()) || status.st_mode & 022)
		return problem_set(problem, -EPERM,
				   "%s can be written by others than root: whoever does could approve policies", path);
	return 0;
}

/* Returns the length of the name in front of .pem; 0: it is no such file. */
static size_t name_length(const char *file)
{
	size_t length = strlen(file), end = sizeof(APPROVER_FILE) - 1;

	return *file != '.' && length > end && !strcmp(file + length - end, APPROVER_FILE) ? length - end : 0;
}

static int read_key(const char *path, struct approver *approver, struct problem *problem)
{
	int error = check_hands(path, problem);

	if (error)
		return error;
	error = signer_key_read(path, &approver->key);
	if (error == -EINVAL)
		return problem_set(problem, error, "%s is not an Ed25519 public key in PEM form", path);
	return error ? problem_set(problem, error, "%s cannot be read: %s", path, strerror(-error)) : 0;
}

static int add(struct approvers *approvers, const char *folder, const char *file, struct problem *problem)
{
	struct approver *approver = &approvers->items[approvers->count];
	size_t length = name_length(file);
	char path[PATH_ROOM];
	int error;

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	if (approvers->count == APPROVERS_MAX)
		return problem_set(problem, -E2BIG, "%s has keys of more than %d approvers", folder, APPROVERS_MAX);
	if (length >= sizeof(approver->name) ||
	    strspn(file, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+@") != strlen(file))
		return problem_set(problem, -EINVAL,
				   "%s: an approver's name is up to %d letters, digits and any of . _ - + @", path,
				   APPROVER_NAME - 1);
	error = read_key(path, approver, problem);
	if (error)
		return error;
	memcpy(approver->name, file, length);
	approver->name[length] = '\0';
	approvers->count++; /* from here on the key is freed with the others */
	for (size_t i = 0; i + 1 < approvers->count; i++)
		if (!strcmp(signer_key_id(approvers->items[i].key), signer_key_id(approver->key)))
			return problem_set(problem, -EEXIST,
					   "%s and %s in %s are one key: it would be counted as two approvers",
					   approvers->items[i].name, approver->name, folder);
	return 0;
}

static int is_key(const struct dirent *entry)
{
	return name_length(entry->d_name) > 0;
}

static int add_all(struct approvers *approvers, const char *folder, struct problem *problem)
{
	struct dirent **files;
	int count = scandir(folder, &files, is_key, alphasort), error = 0;

	if (count < 0)
		return problem_set(problem, -errno, "%s cannot be read: %s", folder, strerror(errno));
	for (int i = 0; i < count; i++) {
		if (!error)
			error = add(approvers, folder, files[i]->d_name, problem);
		free(files[i]);
	}
	free(files);
	return error;
}

int approvers_open(const char *folder, uint32_t needed, struct problem *problem, struct approvers **ret_approvers)
{
	_cleanup_(close_approvers) struct approvers *approvers = calloc(1, sizeof(*approvers));
	int error;

	if (!approvers)
		return problem_set(problem, -ENOMEM, "no memory");
	error = check_hands(folder, problem);
	if (!error)
		error = add_all(approvers, folder, problem);
	if (!error && approvers->count < needed)
		error = problem_set(problem, -EINVAL, "%u have to approve, and %s has the key%s of %zu", needed, folder,
				    approvers->count == 1 ? "" : "s", approvers->count);
	if (error)
		return error;
	approvers->needed = needed;
	*ret_approvers = TAKE_PTR(approvers);
	return 0;
}

/* ---- the signatures ------------------------------------------------------------------------------------------ */

static size_t signer_of(const struct approvers *approvers, const void *bytes, size_t length,
			const uint8_t signature[SIGNATURE_BYTES])
{
	char hex[SIGNER_SIGNATURE];

	hex_print(signature, SIGNATURE_BYTES, hex);
	for (size_t i = 0; i < approvers->count; i++)
		if (signer_key_verifies(approvers->items[i].key, bytes, length, hex))
			return i;
	return NOBODY;
}

/* What is it over, if it is an approver's at all? For whoever has made it in good faith. */
static int explain(const struct approvers *approvers, const char *bytes, size_t length, const struct approval *approval,
		   size_t number, struct problem *problem)
{
	const uint8_t *signature = approval->signatures[number].bytes;
	struct json other = {0};
	size_t text = strnlen(bytes, length), by = signer_of(approvers, bytes, text, signature);
	int error = -EKEYREJECTED;

	if (by != NOBODY)
		return problem_set(problem, error,
				   "signature %zu is %s's over the policy's file, and not over its statement, which "
				   "`usher check --statement` prints",
				   number + 1, approvers->items[by].name);
	if (approval->instead_of && !statement_print(bytes, length, 0, &other))
		by = signer_of(approvers, other.bytes, other.length, signature);
	json_free(&other);
	if (by != NOBODY)
		return problem_set(
			problem, error,
			"signature %zu is %s's for the policy, and not for going back to it instead of change "
			"%llu: `usher rollback --statement` prints what that takes",
			number + 1, approvers->items[by].name, (unsigned long long)approval->instead_of);
	return problem_set(
		problem, error,
		"signature %zu is of none of the %zu approvers over this policy%s: it is somebody else's, or of "
		"other bytes",
		number + 1, approvers->count, approval->instead_of ? " and this going back" : "");
}

static bool is_first(const struct approval *approval, size_t number)
{
	for (size_t i = 0; i < number; i++)
		if (!strcmp(approval->signatures[i].by, approval->signatures[number].by))
			return false;
	return approval->signatures[number].by[0];
}

const char *approval_names(const struct approval *approval, char text[APPROVAL_NAMES])
{
	size_t length = 0;

	for (size_t i = 0; i < approval->count; i++)
		if (is_first(approval, i))
			length += (size_t)snprintf(text + length, APPROVAL_NAMES - length, "%s%s", length ? ", " : "",
						   approval->signatures[i].by);
	return length ? text : "nobody";
}

static int judge(const struct approvers *approvers, const char *bytes, size_t length, const struct json *statement,
		 struct approval *approval, struct problem *problem)
{
	char names[APPROVAL_NAMES];
	size_t good = 0;

	for (size_t i = 0; i < approval->count; i++) {
		size_t by = signer_of(approvers, statement->bytes, statement->length, approval->signatures[i].bytes);

		if (by == NOBODY && !approval->kept)
			return explain(approvers, bytes, length, approval, i, problem);
		snprintf(approval->signatures[i].by, APPROVER_NAME, "%s",
			 by == NOBODY ? "" : approvers->items[by].name);
		good += is_first(approval, i);
	}
	if (good >= approvers->needed)
		return 0;
	return problem_set(problem, -EKEYREJECTED, "%zu of %u approvals that this host asks for, by %s", good,
			   approvers->needed, approval_names(approval, names));
}

int approvers_judge(const struct approvers *approvers, const char *bytes, size_t length, struct approval *approval,
		    struct problem *problem)
{
	struct json statement = {0};
	int error = statement_print(bytes, length, approval->instead_of, &statement);

	if (error)
		error = problem_set(problem, -EKEYREJECTED,
				    "nobody can approve it: a geography file could not be read, or has a name of more "
				    "than one line");
	else
		error = judge(approvers, bytes, length, &statement, approval, problem);
	json_free(&statement);
	return error;
}
