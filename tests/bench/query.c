// SPDX-License-Identifier: GPL-2.0-only
/* How fast the record answers: a store of a million decisions (or as many as the first argument says), its other forms, and questions to it, also when it
 * has been compressed. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit/compressor.h"
#include "audit/csv.h"
#include "audit/evidence.h"
#include "audit/ledger.h"
#include "audit/ocsf.h"
#include "audit/query.h"
#include "audit/replay.h"
#include "audit/report.h"
#include "audit/segment.h"
#include "base/array.h"
#include "policy/policy.h"

#include "names.h"

#define BATCH 1000
#define BEGINS (1767225600 * CLOCK_SECOND)

static char folder[] = "/tmp/usher-bench-query-XXXXXX", key[64];

/* A millisecond from one to the next; one of 1,000 is refused; one of 10 is of the other tenant. */
static void write_store(uint64_t count)
{
	struct record_stamp stamp = {.realtime = BEGINS, .boot_id = 7};
	struct catalog *catalog = names();
	struct problem problem = {0};
	struct ledger_found found;
	struct ledger *ledger;
	struct json text = {0};

	if (ledger_open(folder, key, &stamp, &problem, &ledger, &found))
		exit(1);
	for (uint64_t i = 0; i < count; i++) {
		struct usher_event event = {.reason = i % 1000 ? USHER_REASON_ADMITTED : USHER_REASON_NO_ALLOW_RULE,
					    .sequence = i,
					    .protocol = IPPROTO_TCP,
					    .tenant = i % 10 == 0,
					    .client_port_be = htons((uint16_t)(1024 + i % 60000)),
					    .service_port_be = htons(443)};
		uint32_t client = htonl(0xcb007100u + (uint32_t)(i * 2654435761u % 65536));

		address_from_bytes(AF_INET, &client, &event.client);
		address_parse("198.51.100.10", &event.service_address);
		stamp.realtime += CLOCK_MILLISECOND;
		record_decision(&text, &stamp, &event, catalog, i % 1000 ? &catalog->backends[0] : NULL, NULL, NULL);
		if (i % BATCH == BATCH - 1) {
			struct chain_range range = {.first = i + 1 - BATCH, .last = i};

			if (ledger_append(ledger, &stamp, text.bytes, text.length, BATCH, &range, 1))
				exit(1);
			json_clear(&text);
		}
	}
	ledger_close(ledger, &stamp);
}

static int nothing(const char *line, size_t length, void *context)
{
	(void)line;
	(void)context;
	return length == 0;
}

static void ask(const char *name, const struct filter *filter)
{
	struct query_totals best = {0};
	double least = 0;

	for (int i = 0; i < 5; i++) {
		struct query_place place = {0};
		struct query_totals totals = {0};
		int64_t begins = clock_monotonic();
		double seconds;

		if (query_run(folder, filter, &place, nothing, NULL, &totals))
			exit(1);
		seconds = (double)(clock_monotonic() - begins) / CLOCK_SECOND;
		if (!i || seconds < least) {
			least = seconds;
			best = totals;
		}
	}
	printf("%-34s %8.3f s %8.0f MB/s %12.0f records/s %9llu found %3llu segments read %3llu not\n", name, least,
	       (double)best.bytes / least / 1e6, (double)best.lines / least, (unsigned long long)best.found,
	       (unsigned long long)best.segments, (unsigned long long)best.skipped);
}

/* ---- other forms, in time of one core ------------------------------------------------------------------------- */

static int as_csv(const char *line, size_t length, void *context)
{
	json_clear(context);
	csv_row(context, line, length);
	return 0;
}

static int as_ocsf(const char *line, size_t length, void *context)
{
	json_clear(context);
	return !ocsf_event(context, line, length, "0.1");
}

static int as_report(const char *line, size_t length, void *context)
{
	report_take(context, line, length);
	return 0;
}

/* Half of the clients are of another tenant, which it denies. */
static const char other_policy[] =
	"{\"apiVersion\": \"usher/v1\", \"models\": {\"credit-scorer\": {\"versions\": {\"3.1.0\": {\"stage\": "
	"\"production\"}}}},"
	"\"backends\": {\"fra-1\": {\"address\": \"10.1.0.11:8000\", \"serves\": \"credit-scorer@3.1.0\", \"region\": "
	"\"DE-HE\"}},"
	"\"services\": {\"credit\": {\"address\": \"198.51.100.10:443\", \"protocol\": \"tcp\", \"model\": "
	"\"credit-scorer\"}},"
	"\"tenants\": {\"acme-bank\": {\"sources\": [{\"prefix\": \"203.0.0.0/16\", \"region\": \"DE\"}]},"
	"\"labs\": {\"sources\": [{\"prefix\": \"203.1.0.0/16\", \"region\": \"DE\"}]}},"
	"\"rules\": [{\"id\": \"acme-credit\", \"when\": {\"tenant\": [\"acme-bank\"]}, \"allow\": true}],"
	"\"nat\": {\"addresses\": [\"10.255.0.1\"]}}";

static int as_simulated(const char *line, size_t length, void *context)
{
	struct replay_question question;
	struct replay_answer answer;
	uint64_t count;

	if (replay_parse(line, length, &question, &count))
		return 0;
	replay_ask(context, &question, &answer);
	return answer.outcome >= REPLAY_OUTCOMES;
}

static void print_form(const char *name, clock_t begins, uint64_t bytes, uint64_t records)
{
	double seconds = (double)(clock() - begins) / CLOCKS_PER_SEC;

	printf("%-34s %8.3f s %8.0f MB/s %12.0f records/s\n", name, seconds, (double)bytes / seconds / 1e6,
	       (double)records / seconds);
}

static void put_into(const char *name, query_found *found, void *context)
{
	const struct filter filter = {0};
	struct query_totals totals = {0};
	struct query_place place = {0};
	clock_t begins = clock();

	if (query_run(folder, &filter, &place, found, context, &totals))
		exit(1);
	print_form(name, begins, totals.bytes, totals.found);
}

static void no_finding(const struct verify_finding *finding, void *context)
{
	(void)context;
	printf("%s\n", finding->text);
	exit(1);
}

static void prove(void)
{
	struct evidence_request request = {.folder = folder, .since = "", .until = "", .now = BEGINS, .usher = "0.1"};
	struct verify_summary verified;
	struct evidence_summary made;
	struct evidence evidence;
	struct verify_trust trust = {0};
	char path[128];
	clock_t begins = clock();
	FILE *file;

	snprintf(path, sizeof(path), "%s/evidence", folder);
	file = fopen(path, "w");
	if (!file || evidence_write(&request, file, &made) || fclose(file))
		exit(1);
	print_form("evidence of all of it", begins, made.bytes, made.records);
	begins = clock();
	if (evidence_read(path, no_finding, NULL, &evidence))
		exit(1);
	trust.keys = evidence.keys;
	trust.key_count = evidence.key_count;
	if (evidence_verify(&evidence, path, &trust, no_finding, NULL, &verified))
		exit(1);
	evidence_release(&evidence);
	print_form("and that verified", begins, made.bytes, made.records);
}

/* What `usher simulate` does with each decision. */
static void simulate(void)
{
	struct diagnostics diagnostics = {.file = "other_policy"};
	struct policy *policy;
	struct replay *replay;

	if (policy_parse("other_policy", other_policy, sizeof(other_policy) - 1, 0, &diagnostics, &policy)) {
		diagnostics_print(&diagnostics, stderr);
		exit(1);
	}
	if (replay_open(policy, 0, &replay))
		exit(1);
	put_into("simulated (bar: 10 s a million)", as_simulated, replay);
	replay_close(replay);
	policy_free(policy);
	diagnostics_free(&diagnostics);
}

static void other_forms(void)
{
	struct report report = {0};
	struct json text = {0};

	put_into("csv", as_csv, &text);
	put_into("ocsf", as_ocsf, &text);
	put_into("what a report gathers", as_report, &report);
	simulate();
	prove();
	report_free(&report);
	json_free(&text);
}

static void compress_all(void)
{
	struct segments segments;
	atomic_bool never = false;

	if (segments_list(folder, &segments))
		exit(1);
	for (size_t i = 0; i + 1 < segments.count; i++)
		if (compressor_run(folder, segments.items[i].name, &never))
			exit(1);
	segments_free(&segments);
}

int main(int argc, char **argv)
{
	struct filter filter = {0};
	char command[128];

	if (!mkdtemp(folder))
		return 1;
	snprintf(key, sizeof(key), "%s/private", folder);
	write_store(argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000);
	filter.texts[FILTER_TENANT] = "nobody";
	ask("--tenant nobody", &filter);
	filter.texts[FILTER_TENANT] = "labs";
	ask("--tenant labs", &filter);
	filter = (struct filter){.texts[FILTER_VERDICT] = "refuse"};
	ask("--verdict refuse", &filter);
	filter = (struct filter){.texts[FILTER_BACKEND] = "fra-1"};
	ask("--backend fra-1 (nearly all)", &filter);
	filter = (struct filter){0};
	filter_set_client(&filter, "203.0.113.7");
	ask("--client 203.0.113.7", &filter);
	filter = (struct filter){0};
	filter_set_since(&filter, "2026-01-01T00:10:00Z");
	filter_set_until(&filter, "2026-01-01T00:11:00Z");
	ask("--since --until, one minute", &filter);
	other_forms();
	filter_set_until(&filter, "2026-01-01T01:10:00Z");
	ask("--since --until, an hour", &filter);
	filter.texts[FILTER_TENANT] = "labs";
	ask("the same and --tenant labs", &filter);
	compress_all();
	ask("the same, compressed", &filter);
	filter.texts[FILTER_TENANT] = NULL;
	filter_set_until(&filter, "2026-01-01T00:11:00Z");
	ask("one minute, compressed", &filter);
	if (getenv("KEEP"))
		printf("%s\n", folder);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return getenv("KEEP") ? 0 : system(command);
}
