// SPDX-License-Identifier: GPL-2.0-only
#include "cli/audit_evidence.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "audit/evidence.h"
#include "base/cleanup.h"
#include "cli/audit.h"
#include "cli/audit_findings.h"
#include "cli/audit_policies.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "daemon/revisions.h"

/* ---- making it ------------------------------------------------------------------------------------------------ */

static const char *explain(int error)
{
	if (error == -ENOENT)
		return "there is no record";
	if (error == -ENODATA)
		return "no checkpoint signs anything of that range yet: while the daemon runs there is one every 5 s";
	return error == -EBADMSG ? "it cannot be cut there: usher audit verify says where it is damaged"
				 : strerror(-error);
}

static void print_written(const struct evidence_summary *summary, const char *path)
{
	struct json to = {0};

	if (!cli_json) {
		printf("%" PRIu64 " records in %s: seals %" PRIu64 " to %" PRIu64 ", %" PRIu64
		       " lines, signed at %s; %zu policies\n",
		       summary->records, path, summary->first_seal, summary->last_seal, summary->lines,
		       summary->signed_time, summary->policies);
		return;
	}
	json_object_begin(&to, NULL);
	json_string(&to, "file", path);
	json_unsigned(&to, "records", summary->records);
	json_unsigned(&to, "first_seal", summary->first_seal);
	json_unsigned(&to, "last_seal", summary->last_seal);
	json_unsigned(&to, "lines", summary->lines);
	json_string(&to, "signed_time", summary->signed_time);
	json_unsigned(&to, "policies", summary->policies);
	json_unsigned(&to, "policies_missing", summary->policies_missing);
	json_boolean(&to, "ends_early", summary->ends_early);
	json_object_end(&to);
	json_newline(&to);
	fwrite(to.bytes, 1, to.length, stdout);
	json_free(&to);
}

static void say(const struct evidence_summary *summary, const char *until, const char *path)
{
	if (summary->ends_early && until[0])
		fprintf(stderr,
			"usher audit: the log is signed as far as %s, not to the end of the range: what came later is "
			"not in it\n",
			summary->signed_time);
	if (summary->keys_missing)
		fprintf(stderr,
			"usher audit: %zu public keys do not lie beside the log: whoever verifies it needs them "
			"(--key)\n",
			summary->keys_missing);
	if (summary->policies_missing)
		fprintf(stderr, "usher audit: of %zu policies that its records name the text is not in it\n",
			summary->policies_missing);
	if (path)
		print_written(summary, path);
}

static void close_signer(struct signer **signer)
{
	signer_close(*signer);
}

int audit_evidence_write(const char *folder, const struct filter *range, const char *path, const char *key,
			 const char *state_folder)
{
	_cleanup_(audit_policies_close) struct audit_policies policies = {0};
	_cleanup_(close_signer) struct signer *signer = NULL;
	_cleanup_(output_discard) struct output output = {0};
	struct evidence_request request = {.folder = folder,
					   .since = range->since,
					   .until = range->until,
					   .now = clock_realtime(),
					   .usher = USHER_VERSION};
	struct evidence_summary summary;
	int error = key ? signer_read(key, &signer) : 0, status, unknown;

	if (error)
		return cli_fail(CLI_SYSTEM, "%s: %s", key,
				error == -EINVAL  ? "that is no Ed25519 private key"
				: error == -EPERM ? "it can be read by others than its owner"
						  : strerror(-error));
	request.signer = signer;
	unknown = audit_policies_open(state_folder, &policies);
	if (!unknown)
		request.policy = audit_policies_text;
	request.policy_context = &policies;
	status = output_open(path, &output);
	if (status)
		return status;
	error = evidence_write(&request, output.file, &summary);
	if (error)
		return cli_fail(error == -ENODATA ? CLI_NO : CLI_SYSTEM, "%s: %s", folder, explain(error));
	status = output_finish(&output);
	/* Without policies it proves what it proves. */
	if (!status && unknown && summary.policies_missing)
		fprintf(stderr, "usher audit: the policies that were in force are not known: %s/%s: %s\n", state_folder,
			REVISIONS_FILE, unknown == -EBADMSG ? "it is damaged" : strerror(-unknown));
	if (!status)
		say(&summary, range->until, output.path);
	return status;
}

/* ---- judging it ----------------------------------------------------------------------------------------------- */

static const char *or_any(const char *time, const char *any)
{
	return time[0] ? time : any;
}

static void print_proof(const struct evidence *evidence, const struct verify_summary *summary,
			const struct audit_trust *trust)
{
	printf("%-12s%s, %s to %s; made %s\n", "asked for", evidence->log, or_any(evidence->since, "its beginning"),
	       or_any(evidence->until, "its end"), evidence->made);
	printf("%-12sseals %" PRIu64 " to %" PRIu64 ", %" PRIu64 " lines, %s to %s: nothing in between is missing\n",
	       "in it", evidence->seal + 1, summary->last_seal, summary->lines, summary->first_time,
	       summary->last_time);
	printf("%-12s%" PRIu64 " of the range; in all %" PRIu64 " decisions, %" PRIu64 " operations\n", "records",
	       evidence->records, summary->decisions, summary->operations);
	printf("%-12s%zu of %zu that its records name, each with the digest that they have of it\n", "policies",
	       evidence->policies, evidence->policies_named);
	printf("%-12s%" PRIu64 " numbers in %" PRIu64 " gaps: decisions that were made and not recorded\n", "lost",
	       summary->lost, summary->gaps);
	printf("%-12s%s\n", "beginning",
	       !evidence->seal		 ? "that of the log"
	       : evidence->has_beginning ? "records from before the range are in it: none of it is missing there, if "
					   "the clock was not set back"
					 : "nothing shows that the log has nothing of the range before these lines");
	if (evidence->seal)
		printf("%-12sof what was before, only the hash of seal %" PRIu64 " is in it\n", "", evidence->seal);
	printf("%-12s%s\n", "end",
	       evidence->has_end ? "the log goes on behind the range: none of it is missing there, if the clock was "
				   "not set back"
				 : "as far as the log was signed: what came later is not in it");
	printf("%-12s%" PRIu64 " that hold, the last of %s\n", "checkpoints", summary->checkpoints,
	       or_any(summary->signed_time, "-"));
	printf("%-12s%s\n", "made by", evidence->signer[0] ? evidence->signer : "nobody who has signed it");
	printf("%-12s%zu%s; %zu witnesses\n", "keys", trust->key_count,
	       trust->own_keys ? " from the file itself: whoever made it could have put them there (--key FILE)" : "",
	       trust->witness_count);
}

static void add_proof(struct json *to, const struct evidence *evidence, const struct verify_summary *summary,
		      const struct audit_trust *trust)
{
	json_string(to, "log", evidence->log);
	json_string(to, "made", evidence->made);
	json_string(to, "made_by", evidence->signer[0] ? evidence->signer : NULL);
	json_string(to, "since", evidence->since[0] ? evidence->since : NULL);
	json_string(to, "until", evidence->until[0] ? evidence->until : NULL);
	json_unsigned(to, "first_seal", evidence->seal + 1);
	json_unsigned(to, "last_seal", summary->last_seal);
	json_unsigned(to, "signed_seal", summary->signed_seal);
	json_string(to, "signed_time", summary->signed_time[0] ? summary->signed_time : NULL);
	json_string(to, "first_time", summary->first_time[0] ? summary->first_time : NULL);
	json_string(to, "last_time", summary->last_time[0] ? summary->last_time : NULL);
	json_boolean(to, "has_beginning", evidence->has_beginning);
	json_boolean(to, "has_end", evidence->has_end);
	json_unsigned(to, "records", evidence->records);
	json_unsigned(to, "policies", evidence->policies);
	json_unsigned(to, "policies_named", evidence->policies_named);
	json_unsigned(to, "lines", summary->lines);
	json_unsigned(to, "decisions", summary->decisions);
	json_unsigned(to, "operations", summary->operations);
	json_unsigned(to, "gaps", summary->gaps);
	json_unsigned(to, "lost", summary->lost);
	json_unsigned(to, "checkpoints", summary->checkpoints);
	json_unsigned(to, "keys", trust->key_count);
	json_boolean(to, "own_keys", trust->own_keys);
	json_unsigned(to, "witnesses", trust->witness_count);
}

static int judge(const struct evidence *evidence, const char *path, struct audit_trust *trust,
		 struct audit_findings *report)
{
	struct verify_summary summary;
	struct verify_trust given;
	int status, error;

	audit_trust_own(trust, evidence->keys, evidence->key_count);
	status = audit_trust_witnesses(trust);
	if (status)
		return status;
	given = audit_trust_given(trust);
	error = evidence_verify(evidence, path, &given, audit_findings_add, report, &summary);
	if (error)
		return cli_fail(CLI_SYSTEM, "%s: %s", path, strerror(-error));
	if (cli_json) {
		json_array_end(&report->json);
		json_boolean(&report->json, "verified", !report->findings);
		add_proof(&report->json, evidence, &summary, trust);
		json_object_end(&report->json);
		json_newline(&report->json);
		fwrite(report->json.bytes, 1, report->json.length, stdout);
	} else {
		printf("%s: %s\n", path, report->findings ? "NOT as it was written" : "as it was written");
		print_proof(evidence, &summary, trust);
	}
	return report->findings ? CLI_NO : CLI_OK;
}

int audit_evidence_verify(const char *path, struct audit_trust *trust)
{
	_cleanup_(evidence_release) struct evidence evidence = {0};
	struct audit_findings report = {0};
	int error, status;

	if (cli_json) {
		json_object_begin(&report.json, NULL);
		json_array_begin(&report.json, "findings");
	}
	error = evidence_read(path, audit_findings_add, &report, &evidence);
	if (error == -EINVAL)
		status = cli_fail(CLI_NO, "%s: that is no evidence: its first line is not of that form", path);
	else if (error)
		status = cli_fail(CLI_SYSTEM, "%s: %s", path, strerror(-error));
	else
		status = judge(&evidence, path, trust, &report);
	json_free(&report.json);
	return status;
}
