// SPDX-License-Identifier: GPL-2.0-only
/* usher apply: publish a policy. It is parsed here first, so that a bad one never leaves the hands of who wrote it. */
#include "cli/applied.h"
#include "cli/document.h"
#include "cli/signatures.h"
#include "cli/verbs.h"
#include "policy/policy.h"

static int send(const struct document *document, bool dry_run, int confirm_within_ms, const struct reasons *reasons)
{
	struct json_object *request = client_request("apply");
	struct answer answer;
	int status;

	json_object_object_add(request, "file", json_object_new_string(document->name));
	if (dry_run)
		json_object_object_add(request, "dry_run", json_object_new_boolean(true));
	if (confirm_within_ms)
		json_object_object_add(request, "confirm_within_ms", json_object_new_int(confirm_within_ms));
	reasons_add(reasons, request);
	status = client_ask(request, document->bytes, document->length, &answer);
	if (status)
		return status;
	status = applied_report(&answer, document->name, dry_run);
	answer_release(&answer);
	return status;
}

int cli_apply(int argc, char **argv)
{
	static const struct option options[] = {
		{"dry-run", no_argument, NULL, 'd'},
		{"confirm-within", required_argument, NULL, 'c'},
		REASONS_OPTIONS,
		{0},
	};
	struct reasons reasons = {0};
	struct policy *policy = NULL;
	struct document document;
	bool dry_run = false;
	int letter, status, confirm_within_ms = 0;

	while ((letter = cli_option(argc, argv, options)) != -1) {
		switch (letter) {
		case 'd':
			dry_run = true;
			break;
		case 'c':
			if (cli_duration(optarg, &confirm_within_ms))
				return cli_misuse("--confirm-within takes a time such as 60s or 5m: %s", optarg);
			break;
		case 'w':
		case 'g':
			status = reasons_take(letter, optarg, &reasons);
			if (status)
				return status;
			break;
		default:
			return CLI_USAGE;
		}
	}
	if (dry_run && confirm_within_ms)
		return cli_misuse("a dry run leaves nothing to confirm");
	status = cli_operands(argc, 1, "FILE");
	if (status)
		return status;
	status = document_read(argv[optind], &document);
	if (status)
		return status;
	status = document_parse(&document, &policy);
	if (!status)
		status = send(&document, dry_run, confirm_within_ms, &reasons);
	policy_free(policy);
	document_free(&document);
	return status;
}
