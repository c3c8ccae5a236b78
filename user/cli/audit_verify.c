// SPDX-License-Identifier: GPL-2.0-only
/* usher audit verify, key, checkpoint: is the record whole and unedited, and what somebody else needs in order to say so. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/head.h"
#include "audit/ledger.h"
#include "audit/segment.h"
#include "audit/verify.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "cli/audit.h"
#include "cli/audit_evidence.h"
#include "cli/audit_findings.h"
#include "cli/audit_trust.h"
#include "cli/ink.h"
#include "cli/verbs.h"

#define PATH_ROOM 4096

static void print_summary(const struct verify_summary *summary, const struct audit_trust *trust, const char *folder)
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

static void add_summary(struct json *to, const struct verify_summary *summary, const struct audit_trust *trust)
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

static int verify(const char *folder, struct verify_range range, const struct audit_trust *trust)
{
	const struct verify_trust given = audit_trust_given(trust);
	struct verify_summary summary;
	struct audit_findings report = {0};
	int error;

	if (cli_json) {
		json_object_begin(&report.json, NULL);
		json_array_begin(&report.json, "findings");
	}
	error = verify_range(folder, range, &given, audit_findings_add, &report, &summary);
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
	_cleanup_(audit_trust_free) struct audit_trust trust = {0};
	const char *folder = NULL;
	struct verify_range range = VERIFY_ALL;
	int letter, status = CLI_OK;

	while (!status && (letter = cli_option(argc, argv, options)) != -1) {
		if (letter == 'd')
			folder = optarg;
		else if (letter == 'r' && read_range(optarg, &range))
			status = cli_misuse("--segments takes a number, or two such as 3-7: %s", optarg);
		else if (letter == 'w')
			status = audit_trust_witness(&trust, optarg);
		else if (letter == 'k')
			status = audit_trust_key(&trust, optarg);
		else if (letter != 'r')
			status = CLI_USAGE;
	}
	if (status)
		return status;
	if (argc - optind == 2 && folder)
		return cli_misuse("--dir is where the record is, and evidence is a file: give one of them");
	if (argc - optind == 2 && range.last != VERIFY_ALL.last)
		return cli_misuse("--segments are files of the record, and evidence is one file: give one of them");
	if (argc - optind == 2)
		return audit_evidence_verify(argv[optind + 1], &trust);
	status = cli_operands(argc, 1, "verify [FILE]");
	folder = folder ? folder : AUDIT_DIR;
	if (!status)
		status = audit_trust_folder(&trust, folder);
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

	snprintf(path, sizeof(path), "%s/" HEAD_FILE, folder);
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
