// SPDX-License-Identifier: GPL-2.0-only
/* A log of ten million decisions on the disk, as a daemon leaves it after 200 s at 50,000 a second: how fast it is verified and asked, as it was
 * written and compressed.
 *
 *   archive.bench [--quick] [--records N] [--rate N] [--keep]
 *
 * rate: decisions a second, which gives the records of a batch (20 ms) and what is between two checkpoints (5 s). The folder is made where TMPDIR says. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "audit/compressor.h"
#include "audit/ledger.h"
#include "audit/query.h"
#include "audit/segment.h"
#include "audit/verify.h"

#include "names.h"

#define BEGINS (1767225600 * CLOCK_SECOND)
#define DRAIN_EVERY (20 * CLOCK_MILLISECOND) /* as the daemon does, and the next two */
#define BATCH_MOST 2048u
#define CHECKPOINT_EVERY (5 * CLOCK_SECOND)
#define VERIFY_BAR 400.0 /* MB/s of text, one core */
#define QUERY_BAR 3.0	 /* s, of a narrow range of time */
#define CPUS 2u
#define TIMES 3	      /* the best counts */
#define TIMES_WHOLE 1 /* of what goes through all of it */

static char folder[256], key[300];
static uint64_t records = 10000000, rate = 50000, text_bytes;
static int missed;

struct stopwatch {
	int64_t wall, cpu;
};

static int64_t cpu_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * CLOCK_SECOND + now.tv_nsec;
}

static struct stopwatch begin(void)
{
	return (struct stopwatch){clock_monotonic(), cpu_time()};
}

static double wall(struct stopwatch begun)
{
	return (double)(clock_monotonic() - begun.wall) / CLOCK_SECOND;
}

static double cpu(struct stopwatch begun)
{
	return (double)(cpu_time() - begun.cpu) / CLOCK_SECOND;
}

/* ---- the log ------------------------------------------------------------------------------------------------- */

/* One of 1,000 is refused; one of 10 is of the other tenant. */
static void print_record(struct json *text, const struct record_stamp *stamp, const struct catalog *catalog, uint64_t i)
{
	struct usher_event event = {.reason = i % 1000 ? USHER_REASON_ADMITTED : USHER_REASON_NO_ALLOW_RULE,
				    .sequence = i / CPUS,
				    .cpu = (uint16_t)(i % CPUS),
				    .protocol = IPPROTO_TCP,
				    .tenant = i % 10 == 0,
				    .client_port_be = htons((uint16_t)(1024 + i * 7919 % 60000)),
				    .service_port_be = htons(443)};
	uint32_t client = htonl(0xcb007100u + (uint32_t)(i * 2654435761u % 65536));

	address_from_bytes(AF_INET, &client, &event.client);
	address_parse("198.51.100.10", &event.service_address);
	record_decision(text, stamp, &event, catalog, i % 1000 ? &catalog->backends[0] : NULL, NULL, NULL);
}

static uint64_t batch_size(void)
{
	uint64_t size = rate * (uint64_t)DRAIN_EVERY / (uint64_t)CLOCK_SECOND;

	return size < CPUS ? CPUS : size > BATCH_MOST ? BATCH_MOST : size / CPUS * CPUS;
}

static void write_batch(struct ledger *ledger, struct record_stamp *stamp, const struct catalog *catalog,
			struct json *text, uint64_t from, uint64_t size)
{
	struct chain_range ranges[CPUS];

	json_clear(text);
	for (uint64_t i = from; i < from + size; i++) {
		stamp->realtime = BEGINS + (int64_t)(i * (uint64_t)CLOCK_SECOND / rate);
		print_record(text, stamp, catalog, i);
	}
	for (uint32_t i = 0; i < CPUS; i++)
		ranges[i] = (struct chain_range){.cpu = i, .first = from / CPUS, .last = from / CPUS + size / CPUS - 1};
	if (ledger_append(ledger, stamp, text->bytes, text->length, size, ranges, CPUS))
		exit(1);
}

static void write_log(void)
{
	struct record_stamp stamp = {.realtime = BEGINS, .boot_id = 7};
	struct catalog *catalog = names();
	int64_t signed_at = BEGINS;
	struct problem problem = {0};
	struct ledger_found found;
	struct ledger *ledger;
	struct json text = {0};
	uint64_t size = batch_size();
	struct stopwatch begun = begin();

	if (ledger_open(folder, key, &stamp, &problem, &ledger, &found)) {
		fprintf(stderr, "%s\n", problem.text);
		exit(1);
	}
	records = records / size * size;
	for (uint64_t i = 0; i < records; i += size) {
		write_batch(ledger, &stamp, catalog, &text, i, size);
		if (stamp.realtime - signed_at < CHECKPOINT_EVERY)
			continue;
		if (ledger_checkpoint(ledger, &stamp) || ledger_sync(ledger))
			exit(1);
		signed_at = stamp.realtime;
	}
	ledger_close(ledger, &stamp);
	json_free(&text);
	printf("%llu decisions at %llu a second, batches of %llu, written in %.0f s\n", (unsigned long long)records,
	       (unsigned long long)rate, (unsigned long long)size, wall(begun));
}

static uint64_t bytes_of(const char *name)
{
	char path[600];
	struct stat status;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return stat(path, &status) ? 0 : (uint64_t)status.st_size;
}

/* Closed ones, as the daemon's compressor does it, one after the other. */
static void compress_all(void)
{
	struct segments segments;
	atomic_bool never = false;
	struct stopwatch begun = begin();
	uint64_t packed = 0;
	char name[300];

	if (segments_list(folder, &segments))
		exit(1);
	for (size_t i = 0; i + 1 < segments.count; i++) {
		if (compressor_run(folder, segments.items[i].name, &never))
			exit(1);
		snprintf(name, sizeof(name), "%s" SEGMENT_COMPRESSED, segments.items[i].name);
		packed += bytes_of(name);
	}
	packed += bytes_of(segments.items[segments.count - 1].name);
	printf("compressed: %.1f bytes a record, %.1f %%; %.0f MB/s of text, CPU time of one core\n",
	       (double)packed / (double)records, 100.0 * (double)packed / (double)text_bytes,
	       (double)text_bytes / cpu(begun) / 1e6);
	segments_free(&segments);
}

/* What is on the disk and in no memory: the next reader waits for it. */
static void forget(void)
{
	struct segments segments;
	char path[600];

	sync();
	if (segments_list(folder, &segments))
		exit(1);
	for (size_t i = 0; i < segments.count; i++) {
		int file;

		snprintf(path, sizeof(path), "%s/%s%s", folder, segments.items[i].name,
			 segments.items[i].plain ? "" : SEGMENT_COMPRESSED);
		file = open(path, O_RDONLY | O_CLOEXEC);
		if (file < 0 || posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED))
			exit(1);
		close(file);
	}
	segments_free(&segments);
}

/* ---- verified ------------------------------------------------------------------------------------------------ */

static void no_finding(const struct verify_finding *finding, void *context)
{
	(void)context;
	printf("%s line %llu: %s\n", finding->segment, (unsigned long long)finding->first_line, finding->text);
	exit(1);
}

static struct signer_key *own_key(void)
{
	char line[4096], path[600];
	struct segments segments;
	struct chain_segment front;
	struct signer_key *own;
	size_t length;

	if (segments_list(folder, &segments) ||
	    segment_first_line(folder, segments.items[0].name, sizeof(line), line, &length) ||
	    chain_parse_segment(line, length, &front))
		exit(1);
	segments_free(&segments);
	snprintf(path, sizeof(path), "%s/%s.pem", folder, front.key);
	if (signer_key_read(path, &own))
		exit(1);
	return own;
}

static void verify(const char *how)
{
	struct signer_key *own = own_key();
	struct verify_trust trust = {.keys = &own, .key_count = 1};
	struct verify_summary summary = {0};
	double least = 0, lasted = 0;

	for (int i = 0; i <= TIMES_WHOLE; i++) {
		struct stopwatch begun = begin();

		if (verify_folder(folder, &trust, no_finding, NULL, &summary) || summary.decisions != records)
			exit(1);
		if (!i || cpu(begun) < least) {
			least = cpu(begun);
			lasted = wall(begun);
		}
	}
	missed += (double)text_bytes / least / 1e6 < VERIFY_BAR;
	printf("%-11s verify, all of it %28.2f s, CPU %7.2f s %8.0f MB/s %10.0f records/s of one core%s\n", how, lasted,
	       least, (double)text_bytes / least / 1e6, (double)records / least,
	       (double)text_bytes / least / 1e6 < VERIFY_BAR ? ", MISSED" : "");
	signer_key_free(own);
}

/* ---- asked --------------------------------------------------------------------------------------------------- */

static int nothing(const char *line, size_t length, void *context)
{
	(void)line;
	(void)context;
	return length == 0;
}

/* bar: seconds; 0: none. Before the first time, nothing of it is in memory. */
static void ask(const char *how, const char *what, const struct filter *filter, uint64_t due, double bar)
{
	int times = bar > 0 ? TIMES : TIMES_WHOLE;
	struct query_totals totals = {0};
	double cold = 0, least = 0, spent = 0;

	forget();
	for (int i = 0; i <= times; i++) {
		struct query_place place = {0};
		struct stopwatch begun = begin();

		totals = (struct query_totals){0};
		if (query_run(folder, filter, &place, nothing, NULL, &totals) || totals.found != due) {
			printf("%s %s: %llu found, %llu are there\n", how, what, (unsigned long long)totals.found,
			       (unsigned long long)due);
			exit(1);
		}
		if (!i) {
			cold = wall(begun);
		} else if (i == 1 || cpu(begun) < spent) {
			spent = cpu(begun);
			least = wall(begun);
		}
	}
	missed += bar > 0 && cold > bar;
	printf("%-11s %-24s from the disk %7.2f s, again %7.2f s, CPU %7.2f s %8.0f MB/s %10.0f records/s; %llu "
	       "found, %llu segments read, %llu not%s\n",
	       how, what, cold, least, spent, (double)totals.bytes / spent / 1e6, (double)totals.lines / spent,
	       (unsigned long long)totals.found, (unsigned long long)totals.segments,
	       (unsigned long long)totals.skipped, bar > 0 && cold > bar ? ", MISSED" : "");
}

/* A second of time, or so long as half of all takes. */
static void ask_range(const char *how)
{
	uint64_t width = rate < records / 2 ? rate : records / 2, from = records / 2;
	int64_t tick = CLOCK_SECOND / (int64_t)rate;
	struct filter filter = {0};

	clock_print(BEGINS + (int64_t)from * tick, filter.since);
	clock_print(BEGINS + (int64_t)(from + width) * tick, filter.until);
	ask(how, "query, one second", &filter, width, QUERY_BAR);
	filter.texts[FILTER_TENANT] = "labs";
	ask(how, "the same, --tenant labs", &filter, width / 10, QUERY_BAR);
}

static void ask_all(const char *how)
{
	struct filter filter = {.texts[FILTER_TENANT] = "labs"};

	ask_range(how);
	ask(how, "query --tenant labs", &filter, records / 10, 0);
	filter = (struct filter){.texts[FILTER_VERDICT] = "refuse"};
	ask(how, "query --verdict refuse", &filter, (records + 999) / 1000, 0);
}

static void measure(const char *how)
{
	verify(how);
	ask_all(how);
}

static void take_options(int argc, char **argv, bool *ret_keep)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--quick"))
			records = 500000;
		else if (!strcmp(argv[i], "--keep"))
			*ret_keep = true;
		else if (!strcmp(argv[i], "--records") && i + 1 < argc)
			records = strtoull(argv[++i], NULL, 10);
		else if (!strcmp(argv[i], "--rate") && i + 1 < argc)
			rate = strtoull(argv[++i], NULL, 10);
		else
			exit(2);
	}
	if (rate < 100 || CLOCK_SECOND % (int64_t)rate || !records)
		exit(2);
}

int main(int argc, char **argv)
{
	const char *where = getenv("TMPDIR");
	struct segments segments;
	char command[300];
	bool keep = false;

	take_options(argc, argv, &keep);
	setvbuf(stdout, NULL, _IOLBF, 0);
	snprintf(folder, sizeof(folder), "%s/usher-bench-archive-%d", where ? where : "/tmp", (int)getpid());
	snprintf(key, sizeof(key), "%s/private", folder);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	write_log();
	if (segments_list(folder, &segments))
		return 1;
	for (size_t i = 0; i < segments.count; i++)
		text_bytes += bytes_of(segments.items[i].name);
	printf("%zu segments, %.2f GB of text, %.0f bytes a record\n", segments.count, (double)text_bytes / 1e9,
	       (double)text_bytes / (double)records);
	segments_free(&segments);
	measure("plain");
	compress_all();
	measure("compressed");
	printf("bars: verify %.0f MB/s of one core, a narrow range of time %.0f s: %d missed\n", VERIFY_BAR, QUERY_BAR,
	       missed);
	if (keep)
		printf("%s\n", folder);
	return keep ? 0 : system(command);
}
