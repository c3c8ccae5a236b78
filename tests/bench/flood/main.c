// SPDX-License-Identifier: GPL-2.0-only
/*
 * What usher's part of a new connection costs while somebody else floods it with SYNs from another CPU; ../README.md says how.
 *
 *   flood.bench [--quick]
 */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "compile/compile.h"
#include "tests/bench/packet/traffic.skel.h"

#include "../machine.h"
#include "../packet/meter.h"
#include "../packet/sample.h"

#define LINES (1u << 20) /* the daemon's own figures, from here */
#define HALF_OPEN_MAX 65536
#define REPLIES_MAX 1000
#define RECORDS_MAX 10000 /* to here */
#define TENANTS 1000	  /* share the connections, so that each is on record by itself */
#define CONNECTIONS 100000u
#define PREFIXES 10000u
#define FLOODING_CPU 0
#define LEAD_US 250000 /* of the flood, before anything is measured */
#define LIMIT_A_SECOND 1000
#define SHARE_MIN 0.9 /* of its CPU that the flood has to have had */
#define BAR 1.1
#define ROUNDS 7
#define SECONDS_MAX 14 /* for a kind: no round begins later */
#define SECONDS_MAX_QUICK 4
#define ROUNDS_QUICK RUNS_MIN
#define RUNS_MIN 5 /* for a verdict */
#define TCP_SYN 0x02
#define TCP_ACK 0x10

/* Who floods, and what becomes of it. */
static const struct kind {
	const char *text;
	uint64_t source;
	uint32_t prefixes;
	bool is_admitted, is_answered;
	uint32_t a_second; /* limit of the flooding tenant */
	bool in_quick;
} kinds[] = {
	{"one tenant's prefix, with a limit", GATEWAY_BANNED4, 128, true, false, LIMIT_A_SECOND, true},
	{"one tenant's prefix, no limit", GATEWAY_BANNED4, 128, true, false, 0, false},
	{"one tenant's prefix, refused by reset", GATEWAY_BANNED4, 128, false, true, 0, false},
	{"spoofed strangers, dropped", GATEWAY_STRANGER4, PREFIXES, false, false, 0, true},
	{"spoofed strangers, let in", GATEWAY_STRANGER4, PREFIXES, true, false, 0, false},
};
#define KINDS (sizeof(kinds) / sizeof(*kinds))

/* What the other CPU does. BESIDE: it makes the same frames, and they do not go through usher. */
enum scene { ALONE, BESIDE, FLOODED, SCENES };

struct bed {
	struct gateway gateway;
	struct meter meter, flooding; /* each has a generator of its own */
	const struct kind *kind;
	struct sample ns[SCENES], to_beside, to_alone;
	uint64_t sent; /* of the flood */
	double seconds;
};

struct attack {
	struct bed *bed;
	int target;
	pthread_t thread;
};

/* ---- the flood ------------------------------------------------------------------------------------------------ */

static void *attack(void *context)
{
	struct attack *attack = context;
	const struct kind *kind = attack->bed->kind;
	const struct flood flood = {.way = {"l2", false, false},
				    .flows = TRAFFIC_FLOWS_MAX,
				    .prefixes = kind->prefixes,
				    .source = kind->source,
				    .tcp_flags = TCP_SYN,
				    .is_answered = kind->is_answered};
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(FLOODING_CPU, &one);
	/* Before all but the reader of records, which has this CPU too: it has inherited our priority. */
	must(pthread_setaffinity_np(pthread_self(), sizeof(one), &one), "flood's CPU");
	meter_flood(&attack->bed->flooding, attack->target, &flood);
	return NULL;
}

static void interrupt(int number)
{
	(void)number;
}

static void end_attack(const struct attack *attack)
{
	do
		pthread_kill(attack->thread, SIGUSR1);
	while (usleep(1000), pthread_tryjoin_np(attack->thread, NULL));
}

static double clock_of(clockid_t id)
{
	struct timespec time;

	must(clock_gettime(id, &time) ? errno : 0, "clock");
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* ---- the connections ------------------------------------------------------------------------------------------ */

/* A SYN and the acknowledgement that proves it, of as many connections as are measured at once; ns a connection. */
static double handshake(struct bed *bed)
{
	struct flood flood = {
		.way = {"l2", false, false}, .flows = TRAFFIC_FLOWS_MAX, .prefixes = PREFIXES, .tcp_flags = TCP_SYN};
	int target = program_xdp(&bed->gateway.program);
	double syn = meter_cost(&bed->meter, target, METER_NONE, &flood, CONNECTIONS, USHER_REASON_ADMITTED).target;

	flood.tcp_flags = TCP_ACK;
	return syn + meter_cost(&bed->meter, target, METER_NONE, &flood, CONNECTIONS, USHER_REASON_CONFIRMED).target;
}

static double handshake_beside(struct bed *bed, bool is_flood)
{
	int target =
		is_flood ? program_xdp(&bed->gateway.program) : bpf_program__fd(bed->flooding.skeleton->progs.nothing);
	struct attack other = {.bed = bed, .target = target};
	double begun, had, wall, ns;
	uint64_t before;
	clockid_t clock;

	must(pthread_create(&other.thread, NULL, attack, &other), "flood");
	must(pthread_getcpuclockid(other.thread, &clock), "flood's clock");
	usleep(LEAD_US);
	before = meter_sent(&bed->flooding);
	begun = clock_of(CLOCK_MONOTONIC);
	had = clock_of(clock);
	ns = handshake(bed);
	wall = clock_of(CLOCK_MONOTONIC) - begun;
	had = clock_of(clock) - had;
	if (is_flood) {
		bed->sent += meter_sent(&bed->flooding) - before;
		bed->seconds += wall;
	}
	end_attack(&other);
	return had < SHARE_MIN * wall ? NAN : ns; /* otherwise somebody else's work was what went on beside */
}

static double measure(struct bed *bed, enum scene scene)
{
	gateway_forget(&bed->gateway);
	return scene == ALONE ? handshake(bed) : handshake_beside(bed, scene == FLOODED);
}

static void measure_round(struct bed *bed)
{
	double ns[SCENES];
	int first = rand() % SCENES, step = 1 + rand() % (SCENES - 1);

	for (int i = 0; i < SCENES; i++) {
		enum scene scene = (enum scene)((first + i * step) % SCENES);

		ns[scene] = measure(bed, scene);
	}
	for (int i = 0; i < SCENES; i++)
		sample_add(&bed->ns[i], ns[i]);
	sample_add(&bed->to_alone, ns[FLOODED] / ns[ALONE]);
	sample_add(&bed->to_beside, ns[FLOODED] / ns[BESIDE]);
}

static void measure_kind(struct bed *bed, const struct kind *kind, bool is_quick)
{
	struct gateway_policy policy = {.way = {"l2", false, false},
					.prefixes = PREFIXES,
					.backends = 100,
					.tenants = TENANTS,
					.admits_banned = kind->is_admitted,
					.admits_strangers = kind->is_admitted,
					.banned_a_second = kind->a_second};
	struct tables *tables = gateway_compile(&bed->gateway, &policy);
	double end = clock_of(CLOCK_MONOTONIC) + (is_quick ? SECONDS_MAX_QUICK : SECONDS_MAX);
	size_t rounds = is_quick ? ROUNDS_QUICK : ROUNDS;

	must(publish(bed->gateway.publisher, tables), "publish");
	tables_free(tables);
	bed->kind = kind;
	bed->sent = 0;
	bed->seconds = 0;
	bed->to_alone.count = bed->to_beside.count = 0;
	for (int i = 0; i < SCENES; i++)
		bed->ns[i].count = 0;
	while (bed->to_beside.count < rounds && clock_of(CLOCK_MONOTONIC) < end)
		measure_round(bed);
}

/* Returns whether the bar is met. */
static bool report(const struct bed *bed)
{
	struct quartiles ratio = sample_quartiles(&bed->to_beside);
	bool is_met = bed->to_beside.count >= RUNS_MIN && ratio.median <= BAR;

	printf("%-38s", bed->kind->text);
	for (int i = 0; i < SCENES; i++)
		printf(" %7.0f", sample_quartiles(&bed->ns[i]).median);
	printf("   %5.2f (%4.2f-%4.2f) %4.2f %7.2f %5zu  %-12s  %.1f at %.1f\n", ratio.median, ratio.low, ratio.high,
	       BAR, sample_quartiles(&bed->to_alone).median, bed->to_beside.count,
	       bed->to_beside.count < RUNS_MIN ? "too few runs"
	       : is_met			       ? "met"
					       : "not met",
	       (double)bed->sent / 1e6, (double)bed->sent / bed->seconds / 1e6);
	fflush(stdout);
	return is_met;
}

int main(int count, char **arguments)
{
	bool is_quick = count > 1 && !strcmp(arguments[1], "--quick");
	static const struct gateway_limits limits = {
		.half_open = HALF_OPEN_MAX, .replies = REPLIES_MAX, .records = RECORDS_MAX};
	const struct sigaction interruption = {.sa_handler = interrupt};
	unsigned int missed = 0;
	static struct bed bed;

	libbpf_set_print(NULL);
	srand((unsigned int)getpid());
	must(sigaction(SIGUSR1, &interruption, NULL) ? errno : 0, "signal");
	meter_begin();
	gateway_open(LINES, &limits, &bed.gateway);
	meter_open(&bed.gateway, &bed.meter);
	meter_open(&bed.gateway, &bed.flooding);
	machine_print(stdout);
	printf("\n\nusher's part of a new connection (SYN and proof), ns, by what another CPU does: nothing, the "
	       "flood's frames beside "
	       "usher, the flood\n%-38s %7s %7s %7s   %-17s %4s %7s %5s  %-12s  %s\n",
	       "flood by", "nothing", "beside", "flood", "ratio to beside", "bar", "nothing", "runs", "",
	       "million SYNs, a second");
	for (size_t i = 0; i < KINDS; i++) {
		if (is_quick && !kinds[i].in_quick)
			continue;
		measure_kind(&bed, &kinds[i], is_quick);
		missed += !report(&bed);
	}
	printf("%u runs, of which %u were disturbed and left out; %llu records found no room; %u bars not met, or not "
	       "measured\n",
	       bed.meter.runs, bed.meter.disturbed, (unsigned long long)gateway_lost(&bed.gateway), missed);
	meter_close(&bed.flooding);
	meter_close(&bed.meter);
	gateway_close(&bed.gateway);
	return EXIT_SUCCESS;
}
