// SPDX-License-Identifier: GPL-2.0-only
/* What it costs to have records on the disk, and to keep them: each way of --audit-sync, compressing, and verifying both. The first argument is the
 * number of batches of a thousand records (300); the folder is made where TMPDIR says. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/compressor.h"
#include "audit/ledger.h"
#include "audit/segment.h"
#include "audit/verify.h"

#include "names.h"

#define BATCH 1000

static char folder[256], key[300];

/* With names in it: how they are found is for the bench of queries. */
static void print_batch(struct json *text, struct record_stamp *stamp, struct catalog *catalog, uint64_t first)
{
	json_clear(text);
	for (uint64_t i = first; i < first + BATCH; i++) {
		struct usher_event event = {.reason = USHER_REASON_ADMITTED,
					    .sequence = i,
					    .protocol = IPPROTO_TCP,
					    .client_port_be = htons((uint16_t)(1024 + i * 7919 % 60000)),
					    .service_port_be = htons(443)};
		uint32_t client = htonl(0xcb007100u + (uint32_t)(i * 2654435761u % 65536));

		address_from_bytes(AF_INET, &client, &event.client);
		address_parse("198.51.100.10", &event.service_address);
		stamp->realtime += CLOCK_MILLISECOND / 100;
		record_decision(text, stamp, &event, catalog, &catalog->backends[0], NULL, NULL);
	}
}

static double seconds_since(int64_t begins)
{
	return (double)(clock_monotonic() - begins) / CLOCK_SECOND;
}

/* every: batches from one sync to the next; 0: none but the last. */
static void write_log(const char *name, uint64_t batches, uint64_t every)
{
	struct record_stamp stamp = {.realtime = 1767225600 * CLOCK_SECOND, .boot_id = 7};
	struct catalog *catalog = names();
	struct problem problem = {0};
	struct ledger_found found;
	struct ledger *ledger;
	struct json text = {0};
	double longest = 0, appending = 0, syncing = 0;
	uint64_t bytes = 0;

	mkdir(folder, 0700);
	if (ledger_open(folder, key, &stamp, &problem, &ledger, &found)) {
		fprintf(stderr, "%s\n", problem.text);
		exit(1);
	}
	for (uint64_t b = 0; b < batches; b++) {
		struct chain_range range = {.first = b * BATCH, .last = (b + 1) * BATCH - 1};
		int64_t begins;
		double one;

		print_batch(&text, &stamp, catalog, b * BATCH);
		bytes += text.length;
		begins = clock_monotonic();
		if (ledger_append(ledger, &stamp, text.bytes, text.length, BATCH, &range, 1))
			exit(1);
		appending += seconds_since(begins);
		begins = clock_monotonic();
		if (every && (b + 1) % every == 0 && ledger_sync(ledger))
			exit(1);
		one = seconds_since(begins);
		syncing += one;
		longest = one > longest ? one : longest;
	}
	ledger_close(ledger, &stamp);
	printf("%-44s %9.0f records/s %6.0f MB/s, longest wait for the disk %7.2f ms\n", name,
	       (double)(batches * BATCH) / (appending + syncing), (double)bytes / (appending + syncing) / 1e6,
	       longest * 1e3);
	json_free(&text);
}

static void ignore(const struct verify_finding *finding, void *context)
{
	(void)context;
	printf("%s\n", finding->text);
}

static void verify(const char *name, uint64_t bytes)
{
	struct verify_summary summary = {0};
	struct verify_trust trust = {0};
	struct signer_key *own;
	struct segments segments;
	char line[4096], path[512];
	struct chain_segment front;
	size_t length;
	int64_t begins;

	if (segments_list(folder, &segments) ||
	    segment_first_line(folder, segments.items[0].name, sizeof(line), line, &length) ||
	    chain_parse_segment(line, length, &front))
		exit(1);
	segments_free(&segments);
	snprintf(path, sizeof(path), "%s/%s.pem", folder, front.key);
	if (signer_key_read(path, &own))
		exit(1);
	trust.keys = &own;
	trust.key_count = 1;
	begins = clock_monotonic();
	if (verify_folder(folder, &trust, ignore, NULL, &summary))
		exit(1);
	printf("%-44s %9.0f records/s %6.0f MB/s of text, %llu findings\n", name,
	       (double)summary.decisions / seconds_since(begins), (double)bytes / seconds_since(begins) / 1e6,
	       (unsigned long long)summary.findings);
	signer_key_free(own);
}

static uint64_t size_of(const char *name, const char *behind)
{
	char path[600];
	struct stat status;

	snprintf(path, sizeof(path), "%s/%s%s", folder, name, behind);
	return stat(path, &status) ? 0 : (uint64_t)status.st_size;
}

static void keep(uint64_t records)
{
	struct segments segments;
	atomic_bool never = false;
	uint64_t plain = 0, packed = 0;
	int64_t begins;
	double took;

	if (segments_list(folder, &segments))
		exit(1);
	for (size_t i = 0; i < segments.count; i++)
		plain += size_of(segments.items[i].name, "");
	verify("verify, plain", plain);
	begins = clock_monotonic();
	for (size_t i = 0; i < segments.count; i++)
		if (compressor_run(folder, segments.items[i].name, &never))
			exit(1);
	took = seconds_since(begins);
	for (size_t i = 0; i < segments.count; i++)
		packed += size_of(segments.items[i].name, SEGMENT_COMPRESSED);
	printf("%-44s %6.0f MB/s, %.0f bytes a record to %.1f: %.1f %%\n", "compress, read again and compare",
	       (double)plain / took / 1e6, (double)plain / (double)records, (double)packed / (double)records,
	       100.0 * (double)packed / (double)plain);
	verify("verify, compressed", plain);
	segments_free(&segments);
}

int main(int argc, char **argv)
{
	uint64_t batches = argc > 1 ? strtoull(argv[1], NULL, 10) : 300;
	const char *where = getenv("TMPDIR");
	char command[300];

	snprintf(folder, sizeof(folder), "%s/usher-bench-store-%d", where ? where : "/tmp", (int)getpid());
	snprintf(key, sizeof(key), "%s/private", folder);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	write_log("--audit-sync batch", batches, 1);
	if (system(command))
		return 1;
	write_log("--audit-sync second, at 300,000 a second", batches, 300);
	if (system(command))
		return 1;
	write_log("--audit-sync never", batches, 0);
	keep(batches * BATCH);
	return system(command);
}
