// SPDX-License-Identifier: GPL-2.0-only
#include "cli/applied.h"

#include <stdio.h>

#include "cli/document.h"
#include "cli/field.h"
#include "cli/ink.h"
#include "cli/verbs.h"

static void print(struct json_object *frame, bool dry_run)
{
	long long generation = (long long)field_integer(frame, "generation");

	if (field(frame, "name")) {
		ink_text(stdout, field_text(frame, "name"));
		putchar(' ');
	}
	printf("revision %lld, digest %.*s: ", (long long)field_integer(frame, "revision"), DIGEST_SHOWN,
	       field_text(frame, "digest"));
	if (field_true(frame, "pending"))
		puts("in force as soon as the daemon, which has just started, knows the backends; in 5 s at most");
	else if (!field_true(frame, "changed"))
		printf("nothing changes, generation %lld\n", generation);
	else
		printf("%s generation %lld, epoch %lld\n", dry_run ? "would be" : "in force as", generation,
		       (long long)field_integer(frame, "epoch"));
	if (field(frame, "confirm_by")) {
		fputs("goes back at ", stdout);
		ink_text(stdout, field_text(frame, "confirm_by"));
		puts(" unless `usher confirm` comes before");
	}
}

int applied_report(const struct answer *answer, const char *file, bool dry_run)
{
	struct diagnostics diagnostics = {.file = file};
	struct json_object *body = NULL;
	int status = answer->status;

	if (answer->body.bytes && client_body(answer, &body))
		return CLI_UNREACHABLE;
	if (cli_json) {
		/* One object: what happened, and what there is to say about the policy. */
		json_object_object_add(answer->frame, "diagnostics", json_object_get(field(body, "diagnostics")));
		tree_print(answer->frame);
	} else {
		document_diagnostics(body, &diagnostics);
		document_print(&diagnostics);
	}
	if (status != PROTOCOL_OK)
		status = client_fail(answer);
	else if (!cli_json)
		print(answer->frame, dry_run);
	diagnostics_free(&diagnostics);
	json_object_put(body);
	return status;
}
