// SPDX-License-Identifier: GPL-2.0-only
/* usher audit verify, key, checkpoint: is the record whole and unedited, and what somebody else needs in order to say so. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/ledger.h"
#include "audit/segment.h"
#include "audit/verify.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "cli/audit.h"
#include "cli/ink.h"
#include "cli/verbs.h"

#define PATH_ROOM 4096
#define KEYS_MAX 64
#define WITNESSES_MAX 10000000

/* What is believed, and where it is from. */
struct trust {
	struct signer_key *keys[KEYS_MAX];
	size_t key_count;
	bool own_keys; /* the log's: nobody has said which */
	struct chain_checkpoint *witnesses;
	size_t witness_count, witness_room;
};

struct report {
	struct json json;
	uint64_t findings;
};

static void free_trust(struct trust *trust)
{
	for (size_t i = 0; i < trust->key_count; i++)
		signer_key_free(trust->keys[i]);
	free(trust->witnesses);
}

static int add_key(struct trust *trust, const char *path)
{
	int error = trust->key_count == KEYS_MAX ? -E2BIG : signer_key_read(path, &trust->keys[trust->key_count]);

	if (error)
		return cli_fail(CLI_SYSTEM, "%s: %s", path,
				error == -EINVAL ? "that is no Ed25519 public key" : strerror(-error));
	trust->key_count++;
	return CLI_OK;
}

static int is_key(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return length == SIGNER_ID - 1 + 4 && !strcmp(entry->d_name + length - 4, ".pem");
}

/* The keys that lie beside the log: better than none. */
static int add_own_keys(struct trust *trust, const char *folder)
{
	struct dirent **entries;
	int count = scandir(folder, &entries, is_key, alphasort), status = CLI_OK;
	char path[PATH_ROOM];

	if (count < 0)
		return cli_fail(CLI_SYSTEM, "%s: %s", folder, strerror(errno));
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		if (status == CLI_OK)
			status = add_key(trust, path);
		free(entries[i]);
	}
	free(entries);
	trust->own_keys = true;
	return status;
}

static const struct signer_key *key_of(const struct trust *trust, const char *id)
{
	for (size_t i = 0; i < trust->key_count; i++)
		if (!strcmp(signer_key_id(trust->keys[i]), id))
			return trust->keys[i];
	return NULL;
}

static void add_witness(struct trust *trust, const struct chain_checkpoint *checkpoint)
{
	if (trust->witness_count == trust->witness_room) {
		trust->witness_room = trust->witness_room ? 2 * trust->witness_room : 64;
		trust->witnesses = reallocarray(trust->witnesses, trust->witness_room, sizeof(*trust->witnesses));
		if (!trust->witnesses)
			abort();
	}
	trust->witnesses[trust->witness_count++] = *checkpoint;
}

/* Checkpoints, one a line. Those of keys that are not known cannot be judged: of the log's own head that is no matter. */
static int add_witnesses(struct trust *trust, const char *path, bool own)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	_cleanup_free_ char *line = NULL;
	size_t room = 0, good = 0;
	ssize_t got;

	if (!file)
		return own && errno == ENOENT ? CLI_OK : cli_fail(CLI_SYSTEM, "%s: %s", path, strerror(errno));
	for (int number = 1; (got = getline(&line, &room, file)) > 0; number++) {
		size_t length = (size_t)got - (line[got - 1] == '\n');
		struct chain_checkpoint checkpoint;
		const struct signer_key *key;

		if (chain_parse_checkpoint(line, length, &checkpoint)) {
			/* A write that failed, or a crash of who keeps them, has left half a line. */
			fprintf(stderr, "usher audit: %s:%d: that is no checkpoint, and is passed over\n", path,
				number);
			continue;
		}
		good++;
		key = key_of(trust, checkpoint.key);
		if (!key && own)
			continue;
		if (!key)
			return cli_fail(CLI_SYSTEM, "%s:%d: its key %s is not among those given", path, number,
					checkpoint.key);
		if (!signer_key_verifies(key, line, checkpoint.signed_length, checkpoint.signature))
			return cli_fail(CLI_NO, "%s:%d: its signature does not hold", path, number);
		if (trust->witness_count == WITNESSES_MAX)
			return cli_fail(CLI_SYSTEM, "%s: more than %d checkpoints", path, WITNESSES_MAX);
		add_witness(trust, &checkpoint);
	}
	return good || own ? CLI_OK : cli_fail(CLI_SYSTEM, "%s: there is no checkpoint in it", path);
}

static void show_finding(const struct verify_finding *finding, void *context)
{
	struct report *report = context;

	report->findings++;
	if (cli_json) {
		json_object_begin(&report->json, NULL);
		json_string(&report->json, "segment", finding->segment);
		json_unsigned(&report->json, "first_line", finding->first_line);
		json_unsigned(&report->json, "last_line", finding->last_line);
		json_string(&report->json, "text", finding->text);
		json_object_end(&report->json);
		return;
	}
	printf("%s", finding->segment ? finding->segment : "the log");
	if (finding->first_line)
		printf(":%" PRIu64, finding->first_line);
	if (finding->last_line > finding->first_line)
		printf("-%" PRIu64, finding->last_line);
	printf(": %s\n", finding->text);
}

static void print_summary(const struct verify_summary *summary, const struct trust *trust, const char *folder)
{
	printf("%s: %s\n", folder, summary->findings ? "NOT as it was written" : "as it was written");
	printf("%-12s%" PRIu64 " from number %u, %" PRIu64 " lines, %s to %s\n", "segments", summary->segments,
	       summary->first_segment, summary->lines, summary->first_time, summary->last_time);
	if (summary->deleted)
		printf("%-12s%u before these, after their time: signed records say so\n", "deleted", summary->deleted);
	printf("%-12s%" PRIu64 " decisions, %" PRIu64 " operations\n", "records", summary->decisions,
	       summary->operations);
	printf("%-12s%" PRIu64 " numbers in %" PRIu64 " gaps: decisions that were made and not recorded\n", "lost",
	       summary->lost, summary->gaps);
	printf("%-12s%" PRIu64 ", %" PRIu64 " lines at the end without one\n", "seals", summary->seals,
	       summary->unsealed_lines);
	if (summary->signed_time[0])
		printf("%-12s%" PRIu64 ", the last of %s; %" PRIu64 " seals since\n", "checkpoints",
		       summary->checkpoints, summary->signed_time, summary->last_seal - summary->signed_seal);
	else
		printf("%-12snone that holds\n", "checkpoints");
	printf("%-12s%zu%s; %zu witnesses\n", "keys", trust->key_count,
	       trust->own_keys ? " from beside the log: whoever could edit it could have put them there (--key FILE)"
			       : "",
	       trust->witness_count);
}

static void add_summary(struct json *to, const struct verify_summary *summary, const struct trust *trust)
{
	json_boolean(to, "verified", !summary->findings);
	json_unsigned(to, "segments", summary->segments);
	json_unsigned(to, "first_segment", summary->first_segment);
	json_unsigned(to, "deleted", summary->deleted);
	json_unsigned(to, "lines", summary->lines);
	json_unsigned(to, "decisions", summary->decisions);
	json_unsigned(to, "operations", summary->operations);
	json_unsigned(to, "gaps", summary->gaps);
	json_unsigned(to, "lost", summary->lost);
	json_unsigned(to, "seals", summary->seals);
	json_unsigned(to, "unsealed_lines", summary->unsealed_lines);
	json_unsigned(to, "checkpoints", summary->checkpoints);
	json_unsigned(to, "last_seal", summary->last_seal);
	json_unsigned(to, "signed_seal", summary->signed_seal);
	json_string(to, "first_time", summary->first_time[0] ? summary->first_time : NULL);
	json_string(to, "last_time", summary->last_time[0] ? summary->last_time : NULL);
	json_string(to, "signed_time", summary->signed_time[0] ? summary->signed_time : NULL);
	json_unsigned(to, "keys", trust->key_count);
	json_boolean(to, "own_keys", trust->own_keys);
	json_unsigned(to, "witnesses", trust->witness_count);
}

static int verify(const char *folder, struct verify_range range, const struct trust *trust)
{
	const struct verify_trust given = {trust->keys, trust->key_count, trust->witnesses, trust->witness_count};
	struct verify_summary summary;
	struct report report = {0};
	int error;

	if (cli_json) {
		json_object_begin(&report.json, NULL);
		json_array_begin(&report.json, "findings");
	}
	error = verify_range(folder, range, &given, show_finding, &report, &summary);
	if (!error && !summary.segments)
		error = -ENOENT;
	if (error) {
		json_free(&report.json);
		return cli_fail(CLI_SYSTEM, "%s: %s", folder,
				error == -ENOENT   ? "there is no record"
				: error == -ERANGE ? "the record does not go so far"
						   : strerror(-error));
	}
	if (cli_json) {
		json_array_end(&report.json);
		add_summary(&report.json, &summary, trust);
		json_object_end(&report.json);
		json_newline(&report.json);
		fwrite(report.json.bytes, 1, report.json.length, stdout);
	} else {
		print_summary(&summary, trust, folder);
	}
	json_free(&report.json);
	return summary.findings ? CLI_NO : CLI_OK;
}

static int read_number(const char **at, uint32_t *ret_number)
{
	unsigned long number;
	char *end;

	if (**at < '1' || **at > '9')
		return -EINVAL;
	errno = 0;
	number = strtoul(*at, &end, 10);
	if (errno || number >= UINT32_MAX)
		return -EINVAL;
	*at = end;
	*ret_number = (uint32_t)number;
	return 0;
}

/* N, or N-M. */
static int read_range(const char *text, struct verify_range *ret_range)
{
	struct verify_range range;

	if (read_number(&text, &range.first))
		return -EINVAL;
	range.last = range.first;
	if (*text == '-' && (text++, read_number(&text, &range.last)))
		return -EINVAL;
	if (*text || range.last < range.first)
		return -EINVAL;
	*ret_range = range;
	return 0;
}

int audit_verify(int argc, char **argv)
{
	static const struct option options[] = {
		{"dir", required_argument, NULL, 'd'},
		{"key", required_argument, NULL, 'k'},
		{"witness", required_argument, NULL, 'w'},
		{"segments", required_argument, NULL, 'r'},
		{0},
	};
	_cleanup_(free_trust) struct trust trust = {0};
	const char *folder = AUDIT_DIR, *witnesses[KEYS_MAX];
	struct verify_range range = VERIFY_ALL;
	char head[PATH_ROOM];
	size_t witness_count = 0;
	int letter, status = CLI_OK;

	while ((letter = cli_option(argc, argv, options)) != -1) {
		if (letter == 'd')
			folder = optarg;
		else if (letter == 'r' && read_range(optarg, &range))
			return cli_misuse("--segments takes a number, or two such as 3-7: %s", optarg);
		else if (letter == 'r')
			continue;
		else if (letter == 'w' && witness_count < KEYS_MAX)
			witnesses[witness_count++] = optarg;
		else if (letter != 'k')
			return CLI_USAGE;
		else if ((status = add_key(&trust, optarg)))
			return status;
	}
	status = cli_operands(argc, 1, "verify");
	if (!status && !trust.key_count)
		status = add_own_keys(&trust, folder);
	for (size_t i = 0; !status && i < witness_count; i++)
		status = add_witnesses(&trust, witnesses[i], false);
	snprintf(head, sizeof(head), "%s/" LEDGER_HEAD, folder);
	if (!status)
		status = add_witnesses(&trust, head, true);
	return status ? status : verify(folder, range, &trust);
}

/* ---- for others to keep -------------------------------------------------------------------------------------- */

static int print_file(const char *path)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	char bytes[4096];
	size_t got;

	if (!file)
		return cli_fail(CLI_SYSTEM, "%s: %s", path, strerror(errno));
	while ((got = fread(bytes, 1, sizeof(bytes), file)) > 0)
		fwrite(bytes, 1, got, stdout);
	return CLI_OK;
}

static int read_folder(int argc, char **argv, const char *word, const char **ret_folder)
{
	static const struct option options[] = {{"dir", required_argument, NULL, 'd'}, {0}};
	int letter;

	*ret_folder = AUDIT_DIR;
	while ((letter = cli_option(argc, argv, options)) != -1) {
		if (letter != 'd')
			return CLI_USAGE;
		*ret_folder = optarg;
	}
	return cli_operands(argc, 1, word);
}

int audit_checkpoint(int argc, char **argv)
{
	char path[PATH_ROOM];
	const char *folder;
	int status = read_folder(argc, argv, "checkpoint", &folder);

	snprintf(path, sizeof(path), "%s/" LEDGER_HEAD, folder);
	return status ? status : print_file(path);
}

/* The key that the newest segment begins with. */
int audit_key(int argc, char **argv)
{
	_cleanup_(segments_free) struct segments segments = {0};
	struct chain_segment segment;
	struct segment_text text = {0};
	char path[PATH_ROOM];
	const char *folder, *end = NULL;
	int status = read_folder(argc, argv, "key", &folder), error;

	if (status)
		return status;
	error = segments_list(folder, &segments);
	if (!error && !segments.count)
		error = -ENOENT;
	if (!error)
		error = segment_read(folder, segments.items[segments.count - 1].name, &text);
	if (error)
		return cli_fail(CLI_SYSTEM, "%s: %s", folder,
				error == -ENOENT ? "there is no record" : strerror(-error));
	if (text.length)
		end = memchr(text.bytes, '\n', text.length);
	if (!end || chain_parse_segment(text.bytes, (size_t)(end - text.bytes), &segment))
		status = cli_fail(CLI_SYSTEM, "%s/%s does not say which key it is signed with", folder,
				  segments.items[segments.count - 1].name);
	segment_release(&text);
	if (status)
		return status;
	snprintf(path, sizeof(path), "%s/%s.pem", folder, segment.key);
	return print_file(path);
}
