// SPDX-License-Identifier: GPL-2.0-only
/*
 * The flow table under two CPUs: no value torn, no key twice, no insert lost; refusals at the rated load; the cap of half-open
 * flows. FLOW_TABLE_OPERATIONS says how many operations (100 million).
 */
// Runs alone: it keeps every CPU busy.
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "usher/abi.h"

#include "base/array.h"
#include "base/clock.h"
#include "kernel/mapping.h"

#include "hammer.h"

#include "tests/flow_table/flow_table.skel.h"

#define REPEAT 20000u /* runs a call: BPF_PROG_TEST_RUN */
#define LOOKS_MAX 1000
#define HALF_OPEN_MAX 500

static unsigned int done, failed;

static void check(bool good, const char *what)
{
	done++;
	failed += !good;
	printf("%s %u - %s\n", good ? "ok" : "not ok", done, what);
	fflush(stdout);
}

/* ---- one table ----------------------------------------------------------------------------------------------- */

struct table {
	struct flow_table_bpf *skeleton;
	struct mapping flows, tenants, hands;
};

static bool is_used(const char *name)
{
	static const char *const used[] = {
		"flows",     "tenants",	     "flow_counters", "backend_figures", "hands",	    "shadows",
		"scratches", "sweepers",     "floods",	      "flood_rest",	 "flood_rest_told", "event_rings",
		"events",    "flow_figures", "flow_ends",     "control",	 "generations"};

	for (size_t i = 0; i < ARRAY_COUNT(used); i++)
		if (!strcmp(name, used[i]))
			return true;
	return strchr(name, '.') != NULL;
}

static int open_table(uint32_t lines, const struct hammer_settings *settings, struct table *table)
{
	struct usher_boot boot = {.flow_lines = lines,
				  .jiffy_ns = clock_jiffy(),
				  .half_open_max = settings->mode == HAMMER_HALF_OPEN ? HALF_OPEN_MAX : 1u << 30,
				  .hash_key = {101, 202, 303, 404, 505}};
	struct bpf_map *map;
	int error;

	memset(table, 0, sizeof(*table));
	table->skeleton = flow_table_bpf__open();
	if (!table->skeleton)
		return -errno;
	bpf_object__for_each_map(map, table->skeleton->obj) if (!is_used(bpf_map__name(map)))
		bpf_map__set_autocreate(map, false);
	bpf_map__set_max_entries(table->skeleton->maps.flows, lines);
	memcpy((void *)(uintptr_t)&table->skeleton->rodata->usher_boot, &boot, sizeof(boot));
	memcpy((void *)(uintptr_t)&table->skeleton->rodata->settings, settings, sizeof(*settings));
	error = flow_table_bpf__load(table->skeleton);
	if (!error)
		error = mapping_open(bpf_map__fd(table->skeleton->maps.flows), sizeof(struct usher_flow), true,
				     &table->flows);
	if (!error)
		error = mapping_open(bpf_map__fd(table->skeleton->maps.tenants), sizeof(struct usher_tenant_state),
				     true, &table->tenants);
	if (!error)
		error = mapping_open(bpf_map__fd(table->skeleton->maps.hands), sizeof(struct hammer_hand), true,
				     &table->hands);
	if (!error)
		for (uint32_t i = 0; i < HAMMER_CPUS; i++)
			((struct hammer_hand *)table->hands.bytes)[i].random = 1 + i * 0x1000193u;
	return error;
}

static void close_table(struct table *table)
{
	mapping_close(&table->flows);
	mapping_close(&table->tenants);
	mapping_close(&table->hands);
	flow_table_bpf__destroy(table->skeleton);
}

/* ---- swinging ------------------------------------------------------------------------------------------------ */

struct arm {
	const struct table *table;
	int cpu;
	uint64_t runs;
	int error;
};

static void *swing(void *context)
{
	struct arm *arm = context;
	uint8_t frame[64] = {0};
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET((size_t)arm->cpu, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	for (uint64_t left = arm->runs; left && !arm->error;) {
		uint32_t repeat = left < REPEAT ? (uint32_t)left : REPEAT;
		LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = sizeof(frame),
			    .repeat = (int)repeat);

		if (bpf_prog_test_run_opts(bpf_program__fd(arm->table->skeleton->progs.hammer), &run))
			arm->error = errno;
		left -= repeat;
	}
	return NULL;
}

static int swing_all(const struct table *table, uint64_t operations)
{
	int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN), error = 0;
	struct arm arms[HAMMER_CPUS];
	pthread_t threads[HAMMER_CPUS];

	if (cpus > HAMMER_CPUS)
		cpus = HAMMER_CPUS;
	for (int i = 0; i < cpus; i++) {
		arms[i] = (struct arm){table, i, operations / (uint64_t)cpus / HAMMER_BLOWS + 1, 0};
		if (pthread_create(&threads[i], NULL, swing, &arms[i]))
			abort();
	}
	for (int i = 0; i < cpus; i++) {
		pthread_join(threads[i], NULL);
		if (arms[i].error)
			error = arms[i].error;
	}
	return error;
}

static struct hammer_hand sum_hands(const struct table *table)
{
	const struct hammer_hand *hands = table->hands.bytes;
	struct hammer_hand sum = {0};

	for (size_t i = 0; i < HAMMER_CPUS; i++) {
		sum.operations += hands[i].operations;
		sum.inserted += hands[i].inserted;
		sum.full += hands[i].full;
		sum.contended += hands[i].contended;
		sum.limited += hands[i].limited;
		sum.found += hands[i].found;
		sum.missed += hands[i].missed;
		for (size_t f = 0; f < HAMMER_FAULTS; f++)
			sum.faults[f] += hands[i].faults[f];
	}
	return sum;
}

/* ---- looking at it afterwards -------------------------------------------------------------------------------- */

struct view {
	unsigned long long entries, busy, locked, unhinted, twice;
	int64_t half_open[HAMMER_TENANTS], live[HAMMER_TENANTS];
};

static int compare_keys(const void *left, const void *right)
{
	const struct usher_flow *a = *(const struct usher_flow *const *)left,
				*b = *(const struct usher_flow *const *)right;

	return memcmp(&a->source, &b->source, sizeof(a->source));
}

static struct view look(const struct table *table)
{
	const struct usher_flow *lines = table->flows.bytes;
	const struct usher_flow **sorted = calloc(table->flows.entries, sizeof(*sorted));
	struct view view = {0};

	if (!sorted)
		abort();
	for (uint32_t i = 0; i < table->flows.entries; i++) {
		uint32_t status = USHER_TAG_STATUS(lines[i].tag), d = USHER_TAG_DISPLACEMENT(lines[i].tag);

		view.busy += status == USHER_FLOW_BUSY;
		view.locked += lines[i].hint & 1;
		if (status < USHER_FLOW_HALF_OPEN)
			continue;
		sorted[view.entries++] = &lines[i];
		view.unhinted += d && !(lines[i ^ d].hint & USHER_FLOW_HINT(d));
		if (status == USHER_FLOW_HALF_OPEN)
			view.half_open[lines[i].value.forward.tenant % HAMMER_TENANTS]++;
		if (status == USHER_FLOW_LIVE)
			view.live[lines[i].value.forward.tenant % HAMMER_TENANTS]++;
	}
	qsort(sorted, view.entries, sizeof(*sorted), compare_keys);
	for (uint64_t i = 1; i < view.entries; i++)
		view.twice += !compare_keys(&sorted[i - 1], &sorted[i]);
	free(sorted);
	return view;
}

static struct usher_flow_counter read_counter(const struct table *table)
{
	struct usher_flow_counter values[256], sum = {0};
	uint32_t key = 0;

	if (bpf_map_lookup_elem(bpf_map__fd(table->skeleton->maps.flow_counters), &key, values))
		abort();
	for (int i = 0; i < libbpf_num_possible_cpus(); i++) {
		sum.inserted += values[i].inserted;
		sum.expired += values[i].expired;
		sum.evicted += values[i].evicted;
		sum.replaced += values[i].replaced;
		sum.deleted += values[i].deleted;
	}
	return sum;
}

static bool accounts_agree(const struct table *table, const struct view *view)
{
	const struct usher_tenant_state *tenants = table->tenants.bytes;

	for (size_t t = 0; t < HAMMER_TENANTS; t++)
		if (tenants[t].half_open != view->half_open[t] || tenants[t].live != view->live[t])
			return false;
	return true;
}

/*
 * Table, counters and accounts of one moment: the sweep goes on, so what is seen counts if nothing has expired meanwhile. Returns
 * whether the accounts are right.
 */
static bool look_at_rest(const struct table *table, struct view *ret_view, struct usher_flow_counter *ret_counter)
{
	struct usher_flow_counter before;
	bool agree;
	int looks = 0;

	do {
		before = read_counter(table);
		*ret_view = look(table);
		agree = accounts_agree(table, ret_view);
		*ret_counter = read_counter(table);
	} while (before.expired != ret_counter->expired && ++looks < LOOKS_MAX);
	return agree;
}

/* ---- tests --------------------------------------------------------------------------------------------------- */

static void hammer_table(uint32_t lines, uint32_t shared, uint32_t own, uint64_t operations)
{
	const struct hammer_settings settings = {.mode = HAMMER_ALL, .shared = shared, .own = own};
	static const char *const names[HAMMER_FAULTS] = {
		[FAULT_TORN] = "no value is torn",
		[FAULT_LOST] = "no live entry is lost",
		[FAULT_UNDELETED] = "no deleted entry is found",
		[FAULT_TWICE] = "no key is there that was not inserted",
		[FAULT_EVICTED] = "no live entry is evicted or changed",
	};
	LIBBPF_OPTS(bpf_test_run_opts, start);
	struct usher_flow_counter counter;
	struct hammer_hand sum;
	struct table table;
	struct view view;
	bool accounts;

	if (open_table(lines, &settings, &table)) {
		check(false, "the table is loaded");
		return;
	}
	bpf_prog_test_run_opts(bpf_program__fd(table.skeleton->progs.usher_start), &start); /* the sweeper joins in */
	if (swing_all(&table, operations))
		check(false, "the hammer swings");
	flow_table_bpf__detach(table.skeleton);
	sum = sum_hands(&table);
	accounts = look_at_rest(&table, &view, &counter);
	printf("# %u lines, %u shared keys and %u of each CPU: %llu operations, %llu inserted, %llu"
	       " found, %llu evicted, %llu expired, %llu refused, %llu contended\n",
	       lines, shared, own, sum.operations, sum.inserted, sum.found, counter.evicted, counter.expired, sum.full,
	       sum.contended);
	for (size_t f = 0; f < HAMMER_FAULTS; f++) {
		check(!sum.faults[f], names[f]);
		if (sum.faults[f])
			printf("#   %llu times\n", sum.faults[f]);
	}
	check(!view.twice, "no key is in two lines");
	check(!view.busy && !view.locked, "no line stays claimed, no home locked");
	check(!view.unhinted, "every entry away from home has its hint");
	check(counter.inserted - counter.expired - counter.evicted - counter.deleted == view.entries,
	      "what began, less what ended, is what is there");
	check(accounts, "each tenant's accounts of half-open and live flows are right");
	close_table(&table);
}

/* Those that count are the newcomers to a table which is that full already. */
static void rated_load(uint32_t lines)
{
	const struct hammer_settings settings = {.mode = HAMMER_FILL};
	struct hammer_hand filled, sum;
	uint64_t newcomers, refused;
	struct table table;

	if (open_table(lines, &settings, &table) || swing_all(&table, USHER_FLOW_LINES_RATED(lines))) {
		check(false, "the table is loaded");
		return;
	}
	filled = sum_hands(&table);
	if (swing_all(&table, lines / 64))
		check(false, "newcomers are sent");
	sum = sum_hands(&table);
	newcomers = sum.operations - filled.operations;
	refused = sum.full + sum.contended - filled.full - filled.contended;
	printf("# %u lines: %llu of %llu newcomers refused on the way to the rated load, then %llu of %llu\n", lines,
	       filled.full + filled.contended, filled.operations, (unsigned long long)refused,
	       (unsigned long long)newcomers);
	check(newcomers > 1000 && refused <= newcomers / 1000,
	      "at the rated load at most 0.1 % of newcomers are refused");
	check(sum.inserted + sum.full + sum.contended == sum.operations, "and each of them has a reason");
	close_table(&table);
}

/* Two CPUs insert the same key at the same moment, most of them into a home that is empty. */
static void twins(uint32_t lines)
{
	const struct hammer_settings settings = {.mode = HAMMER_TWINS};
	struct hammer_hand sum;
	struct table table;
	struct view view;

	if (open_table(lines, &settings, &table) || swing_all(&table, lines)) {
		check(false, "the table is loaded");
		return;
	}
	sum = sum_hands(&table);
	view = look(&table);
	printf("# %u lines: of %llu newcomers %llu inserted, %llu met themselves\n", lines, sum.operations,
	       sum.inserted, sum.contended);
	check(sum.contended > 0, "newcomers meet at the same home");
	check(!view.twice && sum.inserted == view.entries, "each has one line");
	check(!view.busy && !view.locked, "no line stays claimed, no home locked");
	close_table(&table);
}

static void half_open_cap(uint32_t lines)
{
	const struct hammer_settings settings = {.mode = HAMMER_HALF_OPEN};
	int64_t half_open;
	struct table table;
	struct hammer_hand sum;

	if (open_table(lines, &settings, &table) || swing_all(&table, 20000)) {
		check(false, "the table is loaded");
		return;
	}
	sum = sum_hands(&table);
	half_open = ((struct usher_tenant_state *)table.tenants.bytes)[1].half_open;
	printf("# a cap of %d: %lld half-open after %llu newcomers, %llu refused by it\n", HALF_OPEN_MAX,
	       (long long)half_open, sum.operations, sum.limited);
	check(half_open <= HALF_OPEN_MAX + HAMMER_CPUS, "half-open flows of a tenant stay under its cap");
	check(sum.limited > 0, "newcomers beyond it are refused by their own reason, or take the place of another");
	check(look(&table).half_open[1] == half_open, "the account is right");
	close_table(&table);
}

int main(void)
{
	const char *text = getenv("FLOW_TABLE_OPERATIONS");
	uint64_t operations = text ? strtoull(text, NULL, 10) : 100000000;

	libbpf_set_print(NULL);
	hammer_table(1024, 4000, 300, operations / 4);	   /* crowded: displaced, refused, evicted */
	hammer_table(65536, 2000, 1000, operations / 4);   /* contended keys */
	hammer_table(65536, 60000, 10000, operations / 2); /* a large part of the table */
	rated_load(1u << 20);
	half_open_cap(65536);
	twins(1u << 20);
	printf("1..%u\n", done);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
