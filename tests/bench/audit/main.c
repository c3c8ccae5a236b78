// SPDX-License-Identifier: GPL-2.0-only
/*
 * What records cost: making one, bringing decisions to the disk as fast as they come, and the packets that they are of. ../README.md says how.
 *
 *   audit.bench [--quick] [SECONDS [RATE...]]
 *
 * The log is made where TMPDIR says. With rates it is only these that are measured, on the way to the disk.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "audit/compressor.h"
#include "audit/segment.h"
#include "audit/verify.h"
#include "base/address.h"
#include "base/clock.h"
#include "compile/compile.h"
#include "compile/sources.h"
#include "tests/bench/audit/silent.skel.h"
#include "usher.skel.h"

#include "../machine.h"
#include "../packet/meter.h"
#include "../packet/sample.h"
#include "reader.h"

#define LINES (1u << 23)
#define PREFIXES 10000u
#define TCP_SYN 0x02
#define STEP_US 1000 /* between two handfuls of packets, at least */
#define HANDFUL 0.05
#define RECORDS 200000 /* of one batch of records that are made and dropped */
#define RUNS 9
#define RUNS_QUICK 5
#define BURSTS 60 /* of packets, for each row */
#define BURSTS_QUICK 9
#define BURST 40000u /* packets that are measured at once: they and twice as many before them find room in the ring */
#define BUSY_MIN 16384u	 /* records that the reader still has to have before it when a burst has ended */
#define AHEAD (1u << 21) /* flows of the silent program */
#define BAR_NS 30
#define PACKETS_SECONDS_MAX 40
#define KINDS 32 /* tenants and regions: prefix n is of kind n % KINDS */

static const struct way way = {"l2", false, false};

/* ---- making one ------------------------------------------------------------------------------------------------ */

static uint32_t client_of(uint32_t prefix, uint64_t i)
{
	return htonl(GATEWAY_SOURCE4 + (prefix << 9) + (uint32_t)(i % 250));
}

/* Whatever there is in memory of the batch before is used again, as the journal does. */
static double make_records(struct json *text, const struct catalog *catalog, const struct source_trees *trees,
			   const struct veil *veil, uint32_t prefixes)
{
	struct record_stamp stamp = {.realtime = 1767225600 * CLOCK_SECOND, .boot_id = 7};
	const struct catalog_backend *backend = NULL;
	struct usher_event event = {.reason = USHER_REASON_ADMITTED,
				    .protocol = IPPROTO_TCP,
				    .tenant = 1,
				    .client_port_be = 1,
				    .service_port_be = 443,
				    .generation = 1};
	uint16_t classes[KINDS];
	double begins;

	for (uint32_t n = 0; n < KINDS; n++) {
		uint32_t client = client_of(n, 0);

		address_from_bytes(AF_INET, &client, &event.client);
		classes[n] = (uint16_t)source_trees_find(trees, &event.client);
	}
	for (size_t b = 0; b < USHER_BACKENDS_MAX && !backend; b++)
		if (catalog->backends[b].name)
			backend = &catalog->backends[event.backend = (uint16_t)b];
	address_parse("198.51.100.10", &event.service_address);
	begins = bench_clock(CLOCK_MONOTONIC);
	for (uint64_t i = 0; i < RECORDS; i++) {
		uint32_t n = (uint32_t)(usher_mix64(i) % prefixes), client = client_of(n, i);

		stamp.realtime += 3000;
		event.sequence = i;
		event.class_id = classes[n % KINDS];
		address_from_bytes(AF_INET, &client, &event.client);
		record_decision(text, &stamp, &event, catalog, backend, NULL, veil);
		if (text->length > 1 << 20)
			json_clear(text);
	}
	return (bench_clock(CLOCK_MONOTONIC) - begins) / RECORDS;
}

static void measure_making(const struct gateway *gateway, uint32_t prefixes, size_t runs)
{
	static const struct client_privacy hidden = {.mode = CLIENT_HMAC, .every_s = 86400, .keep_s = 86400};
	struct gateway_policy policy = {.way = way, .prefixes = prefixes, .backends = 100, .tenants = 16};
	struct tables *tables = gateway_compile(gateway, &policy);
	struct sample with = {0}, without = {0}, hmac = {0};
	struct catalog bare = *tables->catalog;
	struct problem problem = {0};
	struct veil_turn turn;
	struct json text = {0};
	struct veil *veil;
	bool damaged;
	char path[64];

	snprintf(path, sizeof(path), "/dev/shm/usher-bench-keys-%d", (int)getpid());
	must(veil_open(path, &problem, &veil, &damaged), problem.text);
	veil_set(veil, &hidden);
	must(veil_turn(veil, 1767225600, &turn), "keys");
	bare.trees = NULL;
	make_records(&text, &bare, tables->trees, NULL, prefixes);
	for (size_t i = 0; i < runs; i++) {
		sample_add(&without, make_records(&text, &bare, tables->trees, NULL, prefixes));
		sample_add(&with, make_records(&text, tables->catalog, tables->trees, NULL, prefixes));
		sample_add(&hmac, make_records(&text, tables->catalog, tables->trees, veil, prefixes));
	}
	printf("%9u prefixes: %5.0f ns a record, %5.0f with its prefix, %5.0f with a pseudonym too: %.2f million a "
	       "second\n",
	       prefixes, 1e9 * sample_quartiles(&without).median, 1e9 * sample_quartiles(&with).median,
	       1e9 * sample_quartiles(&hmac).median, 1e-6 / sample_quartiles(&with).median);
	veil_close(veil);
	unlink(path);
	json_free(&text);
	tables_free(tables);
}

/* ---- to the disk ----------------------------------------------------------------------------------------------- */

static double resident_mb(void)
{
	char line[128];
	unsigned long kb = 0;
	FILE *file = fopen("/proc/self/status", "r");

	must(file ? 0 : errno, "/proc/self/status");
	while (fgets(line, sizeof(line), file) && sscanf(line, "RssAnon: %lu", &kb) != 1)
		;
	fclose(file);
	return (double)kb / 1024;
}

/*
 * As many new flows a second as that, for so long; once all there are have come they are forgotten, which does not count, and come again. The kernel waits
 * for all CPUs after each handful, tens of milliseconds: what is due by then is the next one, up to HANDFUL seconds' worth. Returns how many have come.
 */
static uint64_t offer(struct meter *meter, struct gateway *gateway, double rate, double seconds)
{
	struct flood flood = {.way = way, .flows = TRAFFIC_FLOWS_MAX, .prefixes = PREFIXES, .tcp_flags = TCP_SYN};
	uint64_t most = (uint64_t)(HANDFUL * rate), sent = 0;
	double begins = bench_clock(CLOCK_MONOTONIC), now = begins;

	while (now - begins < seconds) {
		uint64_t due = (uint64_t)((now - begins) * rate),
			 end = (sent / TRAFFIC_FLOWS_MAX + 1) * TRAFFIC_FLOWS_MAX;

		due = due < sent + most ? due : sent + most;
		due = due < end ? due : end;
		flood.first = sent % TRAFFIC_FLOWS_MAX;
		if (due > sent)
			meter_send(meter, program_xdp(&gateway->program), &flood, (uint32_t)(due - sent));
		sent = due > sent ? due : sent;
		if (sent == end) {
			now = bench_clock(CLOCK_MONOTONIC);
			gateway_forget(gateway);
			begins += bench_clock(CLOCK_MONOTONIC) - now;
		}
		usleep(STEP_US);
		now = bench_clock(CLOCK_MONOTONIC);
	}
	return sent;
}

static void measure_rate(struct meter *meter, struct gateway *gateway, struct reader *reader, double rate,
			 double seconds)
{
	double wall, cpu, all, memory = resident_mb();
	uint64_t lost = gateway_lost(gateway), sent;
	struct reader_slowest slowest;

	gateway_forget(gateway);
	reader_catch_up(reader);
	reader_slowest(reader, &slowest);
	wall = bench_clock(CLOCK_MONOTONIC);
	cpu = reader_cpu(reader);
	all = bench_clock(CLOCK_PROCESS_CPUTIME_ID) - bench_clock(CLOCK_THREAD_CPUTIME_ID) - cpu;
	sent = offer(meter, gateway, rate, seconds);
	wall = bench_clock(CLOCK_MONOTONIC) - wall;
	reader_catch_up(reader);
	cpu = reader_cpu(reader) - cpu;
	all = bench_clock(CLOCK_PROCESS_CPUTIME_ID) - bench_clock(CLOCK_THREAD_CPUTIME_ID) - reader_cpu(reader) - all;
	lost = gateway_lost(gateway) - lost;
	reader_slowest(reader, &slowest);
	printf("%9.0f wanted %9.0f came %9llu lost (%5.2f %%)  reader %5.1f %% of a CPU, %4.0f ns a record, compressor "
	       "%5.1f %%"
	       "  memory %+.1f MB, slowest read %.0f ms, up to %.0f MB not on the disk\n",
	       rate, (double)sent / wall, (unsigned long long)lost, 100 * (double)lost / (double)sent, 100 * cpu / wall,
	       1e9 * cpu / (double)(sent - lost), 100 * all / wall, resident_mb() - memory,
	       (double)slowest.read / (double)CLOCK_MILLISECOND, (double)slowest.unsynced / 1e6);
	fflush(stdout);
}

/* ---- the packets ----------------------------------------------------------------------------------------------- */

static struct silent_bpf *load_silent(const struct gateway *gateway)
{
	struct silent_bpf *skeleton = silent_bpf__open();
	const struct bpf_object *own = gateway->program.skeleton->obj;
	struct bpf_program *program;
	struct bpf_map *map;

	must(skeleton ? 0 : errno, "open silent");
	memcpy((void *)(uintptr_t)&skeleton->rodata->usher_boot, &gateway->program.boot, sizeof(gateway->program.boot));
	bpf_object__for_each_map(map, skeleton->obj)
	{
		int fd = bpf_map__is_internal(map) ? -1 : bpf_object__find_map_fd_by_name(own, bpf_map__name(map));

		if (fd >= 0)
			must(bpf_map__reuse_fd(map, fd), bpf_map__name(map));
	}
	bpf_object__for_each_program(program, skeleton->obj)
		bpf_program__set_autoload(program, program == skeleton->progs.usher);
	bpf_program__set_flags(skeleton->progs.usher, bpf_program__flags(gateway->program.skeleton->progs.usher));
	must(silent_bpf__load(skeleton), "load silent");
	return skeleton;
}

/* ns of a new flow with its record, and without; the reader has something to do all the while (is_busy), or nothing. */
static struct cost burst(struct meter *meter, struct gateway *gateway, struct reader *reader, int silent, bool is_busy,
			 uint64_t *next)
{
	struct flood flood = {.way = way,
			      .flows = TRAFFIC_FLOWS_MAX,
			      .prefixes = PREFIXES,
			      .tcp_flags = TCP_SYN,
			      .first = *next,
			      .floor_ahead = AHEAD};
	uint64_t lost;
	struct cost cost;
	size_t after;

	reader_catch_up(reader);
	lost = gateway_lost(gateway);
	if (is_busy) {
		meter_send(meter, program_xdp(&gateway->program), &flood, 2 * BURST);
		*next += 2 * BURST;
		flood.first = *next;
	}
	cost = meter_cost(meter, program_xdp(&gateway->program), silent, &flood, BURST, 0);
	after = reader_backlog(reader);
	*next += BURST;
	if (gateway_lost(gateway) != lost || (is_busy && after < BUSY_MIN)) /* that is not what was to be measured */
		return (struct cost){NAN, NAN};
	return cost;
}

static void measure_packets(struct meter *meter, struct gateway *gateway, struct reader *reader, size_t runs)
{
	struct silent_bpf *silent = load_silent(gateway);
	struct sample with[2] = {0}, without[2] = {0}, more[2] = {0};
	int target = bpf_program__fd(silent->progs.usher);
	double end = bench_clock(CLOCK_MONOTONIC) + PACKETS_SECONDS_MAX;
	uint64_t next = 0;

	gateway_forget(gateway);
	for (int i = 0; bench_clock(CLOCK_MONOTONIC) < end && (more[0].count < runs || more[1].count < runs); i++) {
		int busy = i % 2;
		struct cost cost;

		atomic_store(&reader->eager, busy);
		cost = burst(meter, gateway, reader, target, busy, &next);
		sample_add(&with[busy], cost.target);
		sample_add(&without[busy], cost.floor);
		sample_add(&more[busy], cost.target - cost.floor);
		if (next > AHEAD - 4 * BURST) {
			next = 0;
			gateway_forget(gateway);
		}
	}
	atomic_store(&reader->eager, false);
	for (int busy = 0; busy < 2; busy++) {
		struct quartiles of = sample_quartiles(&more[busy]);

		printf("reader %s: %4.0f ns a new flow, %4.0f without records, %5.1f more (%.1f to %.1f), %zu runs%s\n",
		       busy ? "busy" : "idle", sample_quartiles(&with[busy]).median,
		       sample_quartiles(&without[busy]).median, of.median, of.low, of.high, more[busy].count,
		       !busy		     ? ""
		       : of.median <= BAR_NS ? ", bar 30: met"
					     : ", bar 30: not met");
	}
	silent_bpf__destroy(silent);
}

/* ---- what is there then ---------------------------------------------------------------------------------------- */

static void say(const struct verify_finding *finding, void *context)
{
	(void)context;
	printf("%s: %s\n", finding->segment, finding->text);
}

/* Bytes of all segments, as verify reads them. */
static uint64_t log_bytes(const char *folder, const struct segments *segments)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < segments->count; i++) {
		struct segment_text text;

		must(segment_read(folder, segments->items[i].name, &text), "segment");
		bytes += text.length;
		segment_release(&text);
	}
	return bytes;
}

static void verify_log(const char *folder, const char *key)
{
	struct verify_summary summary = {0};
	struct signer_key *keys[1];
	struct verify_trust trust = {.keys = keys, .key_count = 1};
	struct segments segments;
	char path[300];
	double took, mb;

	snprintf(path, sizeof(path), "%s/%s.pem", folder, key);
	must(signer_key_read(path, &keys[0]), path);
	must(segments_list(folder, &segments), folder);
	mb = (double)log_bytes(folder, &segments) / 1e6; /* and it is in memory then */
	took = bench_clock(CLOCK_MONOTONIC);
	must(verify_folder(folder, &trust, say, NULL, &summary), "verify");
	took = bench_clock(CLOCK_MONOTONIC) - took;
	printf("verified: %llu decisions, %llu gaps, %llu numbers lost; %.0f MB in %.1f s, %.0f MB/s, %.2f million "
	       "records "
	       "a second\n",
	       (unsigned long long)summary.decisions, (unsigned long long)summary.gaps,
	       (unsigned long long)summary.lost, mb, took, mb / took, 1e-6 * (double)summary.decisions / took);
	signer_key_free(keys[0]);
	segments_free(&segments);
}

static void compress_log(const char *folder)
{
	uint64_t plain = 0, packed = 0, lines = 0;
	struct segments segments;
	atomic_bool never = false;

	must(segments_list(folder, &segments), folder);
	for (size_t i = 0; i + 1 < segments.count && i < 4; i++) {
		struct segment_text text;
		struct stat status;
		char path[600];

		must(segment_read(folder, segments.items[i].name, &text), "segment");
		plain += text.length;
		for (const char *at = text.bytes; (at = memchr(at, '\n', (size_t)(text.bytes + text.length - at)));
		     at++)
			lines++;
		segment_release(&text);
		compressor_run(folder, segments.items[i].name, &never);
		snprintf(path, sizeof(path), "%s/%s" SEGMENT_COMPRESSED, folder, segments.items[i].name);
		packed += stat(path, &status) ? 0 : (uint64_t)status.st_size;
	}
	if (lines)
		printf("%.0f bytes a record, %.1f compressed (%.1f %%)\n", (double)plain / (double)lines,
		       (double)packed / (double)lines, 100 * (double)packed / (double)plain);
	segments_free(&segments);
}

int main(int count, char **arguments)
{
	static const struct gateway_limits limits = {
		.half_open = 1u << 30, .replies = 1u << 30, .records = 1u << 30, .unread = true};
	static const char *const rates[] = {"100000", "300000", "1000000"};
	const struct gateway_policy policy = {.way = way, .prefixes = PREFIXES, .backends = 100, .tenants = 16};
	bool is_quick = count > 1 && !strcmp(arguments[1], "--quick");
	double seconds = count > 1 + is_quick ? atof(arguments[1 + is_quick]) : is_quick ? 2 : 10;
	bool chosen = count > 2 + is_quick;
	size_t runs = is_quick ? RUNS_QUICK : RUNS;
	const char *where = getenv("TMPDIR");
	static struct gateway gateway;
	static struct meter meter;
	struct reader reader;
	struct tables *tables;
	char folder[200], key[SIGNER_ID], command[256];

	snprintf(folder, sizeof(folder), "%s/usher-bench-audit-%d", where ? where : "/tmp", (int)getpid());
	libbpf_set_print(NULL);
	machine_print(stdout);
	printf("\n");
	meter_begin();
	gateway_open(LINES, &limits, &gateway);
	meter_open(&gateway, &meter);
	for (uint32_t prefixes = 1000; !chosen && prefixes <= 1000000; prefixes *= 1000)
		measure_making(&gateway, prefixes, runs);
	tables = gateway_compile(&gateway, &policy);
	must(publish(gateway.publisher, tables), "publish");
	reader_open(&gateway, folder, tables->catalog, &reader);
	tables->catalog = NULL;
	for (size_t i = 0; !chosen && i < sizeof(rates) / sizeof(*rates); i++)
		measure_rate(&meter, &gateway, &reader, atof(rates[i]), seconds);
	for (int i = 2 + is_quick; i < count; i++)
		measure_rate(&meter, &gateway, &reader, atof(arguments[i]), seconds);
	if (!chosen)
		measure_packets(&meter, &gateway, &reader, is_quick ? BURSTS_QUICK : BURSTS);
	reader_catch_up(&reader);
	snprintf(key, sizeof(key), "%s", journal_key(reader.journal));
	reader_close(&reader);
	tables_free(tables);
	verify_log(folder, key);
	compress_log(folder);
	meter_close(&meter);
	gateway_close(&gateway);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}
