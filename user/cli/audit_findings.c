// SPDX-License-Identifier: GPL-2.0-only
#include "cli/audit_findings.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/verbs.h"

void audit_findings_add(const struct verify_finding *finding, void *context)
{
	struct audit_findings *report = context;

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
