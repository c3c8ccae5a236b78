// SPDX-License-Identifier: GPL-2.0-only
/*
 * Floods of SYNs and datagrams, from a tenant's own prefix and from spoofed strangers, on one CPU, while another tenant goes about
 * its business on the other. It must lose no open flow, no handshake, no record and no new connection; and what became of the
 * flood must be on record to the last packet, in few records.
 */
// Runs alone: it keeps every CPU busy, and none of what passes beside the flood may be late.
#include <stdint.h>

static uint32_t flow_lines, half_open_max; /* of the scene */
#define HOST_FLOW_LINES flow_lines
#define HOST_HALF_OPEN_MAX half_open_max
#define HOST_RECORDS_MAX 2000
#include "../unit/kernel/host.h"
#include "flood.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "audit/journal.h"
#include "kernel/counters.h"
#include "kernel/flows.h"
#include "tests/flood/flood.skel.h"

#define PACKETS 1000000ULL /* unless FLOOD_PACKETS says otherwise; FLOOD_ONLY: a pattern of the tests to run */
#define CHUNK 500000	   /* between two of them the kernel waits for all CPUs, and the flood with it */
#define CALM_OPEN 500	   /* flows that are open before the flood */
#define CALM_NEW_MAX 2000  /* and those that begin in it, or after it if it is short */
#define CALM_NEW_MIN 300
#define CALM_BEHIND 10 /* handshakes that are under way at a time, for 2 ms each */
#define SERVICES 2
#define TELL_SECONDS 8 /* the most that it takes until the last count of a flood is on record */

#define DIRECT(name, number) BACKEND(name, number, ", \"forward\": \"l2\"")
#define NAT(name, number) BACKEND(name, number, "")
#define BACKEND(name, number, forward)                                                                                 \
	"\"" name "\": {\"address\": \"10.1.0." number ":443\", \"serves\": \"m@1\", \"region\": \"DE\"" forward "}"
#define POLICY(backends)                                                                                               \
	"{\"apiVersion\": \"usher/v1\", \"tenants\": {"                                                                \
	"  \"calm\": {\"sources\": [{\"prefix\": \"192.0.2.0/24\", \"region\": \"US\"}]},"                             \
	"  \"free\": {\"sources\": [{\"prefix\": \"203.0.112.0/24\", \"region\": \"DE\"}]},"                           \
	"  \"limited\": {\"sources\": [{\"prefix\": \"203.0.113.0/24\", \"region\": \"DE\"}],"                         \
	"    \"limits\": {\"new_flows_per_second\": 100, \"burst\": 50}},"                                             \
	"  \"strict\": {\"sources\": [{\"prefix\": \"203.0.114.0/24\", \"region\": \"DE\"}], \"audit\": "              \
	"\"required\"},"                                                                                               \
	"  \"strict-too\": {\"sources\": [{\"prefix\": \"192.0.3.0/24\", \"region\": \"US\"}], \"audit\": "            \
	"\"required\"}},"                                                                                              \
	"\"models\": {\"m\": {\"versions\": {\"1\": {\"stage\": \"production\"}}}},"                                   \
	"\"backends\": {" backends "}, \"nat\": {\"addresses\": [\"10.0.0.2\"]},"                                      \
	"\"services\": {\"s\": {\"address\": \"198.51.100.10:443\", \"protocol\": \"tcp\", \"model\": \"m\"},"         \
	"  \"public\": {\"address\": \"198.51.100.11:443\", \"protocol\": \"tcp\", \"model\": \"m\"},"                 \
	"  \"datagrams\": {\"address\": \"198.51.100.10:443\", \"protocol\": \"udp\", \"model\": \"m\"}},"             \
	"\"rules\": [{\"id\": \"known\", \"when\": {\"tenant\": [\"calm\", \"free\", \"limited\", \"strict\", "        \
	"\"strict-too\"]},"                                                                                            \
	"    \"allow\": true},"                                                                                        \
	"  {\"id\": \"all\", \"when\": {\"service\": [\"public\"], \"tenant\": [\"unknown\"]}, \"allow\": true}]}"

struct attack {
	const char *what, *service;
	uint32_t network, hosts;
	const char *calm; /* first three bytes of the bystander's addresses */
	const char *tenant, *calm_tenant;
	const char *policy;
	uint32_t flow_lines, half_open_max;
	uint8_t protocol;
	bool is_nat, is_full; /* more half-open flows than lines */
};

/* Where a connection of the bystander's has come to. */
struct calm_flow {
	char backend[16];
	uint16_t nat_port; /* or the client's own */
	double begun;
};

struct run {
	struct host host;
	struct journal *journal;
	struct flood_bpf *flood;
	const struct attack *attack;
	uint64_t packets;
	size_t cpu; /* of the flood */
	_Atomic bool over;
	int error;
	double seconds;
	char folder[64];
	uint32_t calm_flows, calm_complete, calm_refused;
	struct calm_flow calm[CALM_OPEN + CALM_NEW_MAX];
};

/* ---- the flood ------------------------------------------------------------------------------------------------ */

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void stay_on(size_t cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu % (size_t)sysconf(_SC_NPROCESSORS_ONLN), &one);
	sched_setaffinity(0, sizeof(one), &one);
}

static void *attack(void *context)
{
	struct run *run = context;
	uint8_t bytes[FLOOD_FRAME] = {0};
	struct xdp_md ctx = {.ingress_ifindex = run->host.program->attachments[0].index, .data_end = sizeof(bytes)};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = bytes, .data_size_in = sizeof(bytes), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = (int)(run->packets < CHUNK ? run->packets : CHUNK));
	double begun = now();

	stay_on(run->cpu);
	for (uint64_t sent = 0; sent < run->packets && !run->error; sent += CHUNK)
		run->error = bpf_prog_test_run_opts(bpf_program__fd(run->flood->progs.syn), &opts);
	run->seconds = now() - begun;
	run->over = true;
	return NULL;
}

static void prepare(struct run *run)
{
	struct frame frame = {.source_port = 1,
			      .destination_port = 443,
			      .protocol = run->attack->protocol,
			      .tcp_flags = FRAME_TCP_SYN,
			      .sequence = 1};
	uint8_t bytes[FRAME_MAX];
	__u32 zero = 0;
	int xdp = program_xdp(run->host.program);

	run->flood = flood_bpf__open_and_load();
	assert_non_null(run->flood);
	memcpy(frame.source_mac, host_client_mac, 6);
	memcpy(frame.destination_mac, host_own_mac, 6);
	address_parse("192.0.2.1", &frame.source);
	assert_int_equal(address_parse(run->attack->service, &frame.destination), 0);
	assert_true(frame_write(&frame, bytes) <= FLOOD_FRAME);
	memcpy(run->flood->bss->flood.frame, bytes, FLOOD_FRAME);
	run->flood->bss->flood.network = run->attack->network;
	run->flood->bss->flood.hosts = run->attack->hosts;
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(run->flood->maps.targets), &zero, &xdp, BPF_ANY), 0);
}

/* What became of all packets, to a test's failure. */
static void tell_verdicts(const struct run *run)
{
	struct counters *counters = malloc(sizeof(*counters));

	assert_non_null(counters);
	assert_int_equal(counters_read(run->host.program, counters), 0);
	for (size_t i = 0; i < sizeof(counters->verdicts) / sizeof(*counters->verdicts); i++)
		if (counters->verdicts[i].packets)
			print_error("ERROR: service %zu, %s: %llu packets\n", i / USHER_REASON_MAX,
				    record_reason((uint8_t)(i % USHER_REASON_MAX)),
				    (unsigned long long)counters->verdicts[i].packets);
	free(counters);
}

/* ---- the bystander -------------------------------------------------------------------------------------------- */

#define BACKEND_SEQUENCE 7000

static struct host_packet calm_packet(const struct run *run, uint32_t n, uint8_t flags)
{
	static char client[32];
	struct host_packet packet;

	snprintf(client, sizeof(client), "%s.%u", run->attack->calm, 1 + n % 200);
	packet = host_syn(client, (uint16_t)(1024 + n));
	packet.protocol = run->attack->protocol;
	packet.flags = flags;
	packet.acknowledgement = flags & HOST_ACK ? BACKEND_SEQUENCE + 1 : 0;
	return packet;
}

/* The log is kept meanwhile, as the daemon does it. */
static void wait_a_second(struct run *run)
{
	for (double until = now() + 1; now() < until;) {
		usleep(20000);
		assert_int_equal(journal_drain(run->journal, NULL, NULL), 0);
	}
}

/* A connection's first packet. Where all lines are taken one in some thousands finds none, and its client sends it again. */
static void calm_begin(struct run *run)
{
	struct calm_flow *flow = &run->calm[run->calm_flows];
	struct host_packet syn = calm_packet(run, run->calm_flows, FRAME_TCP_SYN);
	uint8_t out[256];
	int action = host_send_many(&run->host, &syn, 1, out);

	if (action != XDP_TX && run->attack->is_full) {
		run->calm_refused++;
		wait_a_second(run);
		action = host_send_many(&run->host, &syn, 1, out);
	}
	if (action != XDP_TX) {
		tell_verdicts(run);
		fail_msg("new connection %u: action %d", run->calm_flows, action);
	}
	snprintf(flow->backend, sizeof(flow->backend), "%u.%u.%u.%u", out[30], out[31], out[32], out[33]);
	flow->nat_port = (uint16_t)(out[34] << 8 | out[35]);
	flow->begun = now();
	run->calm_flows++;
}

static void calm_answer(const struct run *run, uint32_t n)
{
	struct host_packet answer = {.source = run->calm[n].backend,
				     .destination = "10.0.0.2",
				     .source_port = 443,
				     .destination_port = run->calm[n].nat_port,
				     .protocol = run->attack->protocol,
				     .flags = FRAME_TCP_SYN | HOST_ACK,
				     .sequence = BACKEND_SEQUENCE,
				     .acknowledgement = 1001};
	uint8_t out[256];
	int action = host_send_many(&run->host, &answer, 1, out);

	if (action != XDP_TX || (out[36] << 8 | out[37]) != 1024 + (int)n) {
		tell_verdicts(run);
		fail_msg("answer to connection %u after %.1f s: action %d, or not to its client", n,
			 now() - run->calm[n].begun, action);
	}
}

/* The rest of the oldest handshake. */
static void calm_finish(struct run *run)
{
	uint32_t n = run->calm_complete++;
	struct host_packet ack = calm_packet(run, n, HOST_ACK);
	uint8_t out[256];
	int action;

	if (run->attack->is_nat)
		calm_answer(run, n);
	action = host_send_many(&run->host, &ack, 1, out);
	if (action != XDP_TX || (out[34] << 8 | out[35]) != run->calm[n].nat_port)
		fail_msg("handshake of connection %u after %.1f s: action %d, or not to its backend", n,
			 now() - run->calm[n].begun, action);
}

/* One more connection, and one whose handshake is complete. */
static void calm_step(struct run *run)
{
	calm_begin(run);
	if (run->calm_flows - run->calm_complete > CALM_BEHIND)
		calm_finish(run);
}

struct live {
	const struct run *run;
	uint32_t flows;
};

static int count_live(const struct flow_view *flow, void *context)
{
	struct live *live = context;
	char text[ADDRESS_TEXT];

	address_print(&flow->client, text);
	live->flows += flow->status == USHER_FLOW_LIVE &&
		       !strncmp(text, live->run->attack->calm, strlen(live->run->attack->calm));
	return 0;
}

/* ---- the record ----------------------------------------------------------------------------------------------- */

struct tally {
	uint64_t decisions[USHER_REASON_MAX]; /* by all records */
	uint64_t calm_admitted, calm_confirmed;
	uint64_t records, aggregated, gaps;
};

static uint64_t count_in(const char *line)
{
	const char *count = strstr(line, "\"count\":");

	return count ? strtoull(count + strlen("\"count\":"), NULL, 10) : 1;
}

static void read_line(const struct run *run, const char *line, struct tally *tally)
{
	char tenant[128];

	if (strstr(line, "\"type\":\"gap\""))
		tally->gaps++;
	if (!strstr(line, "\"type\":\"decision\""))
		return;
	tally->records++;
	tally->aggregated += strstr(line, "\"count\":") != NULL;
	for (uint8_t reason = 0; reason < USHER_REASON_MAX; reason++) {
		char word[128];

		snprintf(word, sizeof(word), "\"reason\":\"%s\"", record_reason(reason));
		if (strcmp(record_reason(reason), "unknown") != 0 && strstr(line, word))
			tally->decisions[reason] += count_in(line);
	}
	snprintf(tenant, sizeof(tenant), "\"tenant\":\"%s\"", run->attack->calm_tenant);
	if (strstr(line, tenant) && !strstr(line, "\"count\":")) {
		tally->calm_admitted += strstr(line, "\"reason\":\"admitted\"") != NULL;
		tally->calm_confirmed += strstr(line, "\"reason\":\"confirmed\"") != NULL;
	}
}

static struct tally read_log(const struct run *run)
{
	struct tally tally = {0};
	char command[128], line[4096];
	FILE *log;

	snprintf(command, sizeof(command), "cat %s/*.jsonl", run->folder);
	log = popen(command, "r");
	assert_non_null(log);
	while (fgets(line, sizeof(line), log))
		read_line(run, line, &tally);
	pclose(log);
	return tally;
}

static void keep_log(struct run *run)
{
	assert_int_equal(journal_drain(run->journal, NULL, NULL), 0);
}

/* Is every decision that has a record in the log, as often as it was taken? */
static bool is_complete(const struct run *run, const struct tally *tally, bool aloud)
{
	struct counters *counters = malloc(sizeof(*counters));
	bool complete = true;

	assert_non_null(counters);
	assert_int_equal(counters_read(run->host.program, counters), 0);
	for (uint32_t reason = USHER_REASON_ADMITTED; reason < USHER_REASON_MAX; reason++) {
		uint64_t packets = 0;

		for (size_t s = 0; s <= USHER_SERVICES_MAX; s++)
			packets += counters->verdicts[s * USHER_REASON_MAX + reason].packets;
		if (reason == USHER_REASON_ESTABLISHED || reason == USHER_REASON_RETURNED)
			continue; /* no decision of its own */
		if (aloud && packets)
			printf("# %s: %s: %llu packets, %llu on record\n", run->attack->what,
			       record_reason((uint8_t)reason), (unsigned long long)packets,
			       (unsigned long long)tally->decisions[reason]);
		complete = complete && packets == tally->decisions[reason];
	}
	assert_int_equal(counters->sequences[USHER_RING_EVENTS].lost + counters->sequences[USHER_RING_REQUIRED].lost,
			 0);
	free(counters);
	return complete;
}

/* The last counts of a flood come when their tick has been over for a tick. */
static struct tally wait_for_record(struct run *run)
{
	struct tally tally;

	for (int i = 0; i < TELL_SECONDS * 5; i++) {
		usleep(200000);
		keep_log(run);
		tally = read_log(run);
		if (is_complete(run, &tally, false))
			break;
	}
	return tally;
}

/* ---- the story ------------------------------------------------------------------------------------------------ */

static void begin(struct run *run)
{
	struct problem problem = {0};
	char key[96], client_keys[96];

	flow_lines = run->attack->flow_lines;
	half_open_max = run->attack->half_open_max;
	strcpy(run->folder, "/tmp/usher-flood-XXXXXX");
	assert_non_null(mkdtemp(run->folder));
	host_open(&run->host);
	snprintf(key, sizeof(key), "%s/key.pem", run->folder);
	snprintf(client_keys, sizeof(client_keys), "%s/client-keys", run->folder);
	if (journal_open(run->host.program, run->host.publisher,
			 &(struct journal_options){.folder = run->folder, .key = key, .client_keys = client_keys},
			 &problem, &run->journal))
		fail_msg("%s", problem.text);
	journal_catalog(run->journal, host_publish(&run->host, run->attack->policy));
	prepare(run);
}

static void end(struct run *run)
{
	char command[128];

	flood_bpf__destroy(run->flood);
	journal_close(run->journal);
	host_close(&run->host);
	snprintf(command, sizeof(command), "rm -rf %s", run->folder);
	host_run(command);
}

static void test_withstood(void **state)
{
	const struct attack *what = *state;
	const char *wanted = getenv("FLOOD_PACKETS");
	static struct run run;
	struct live live = {.run = &run};
	struct tally tally;
	uint32_t begun = 0;
	pthread_t thread;

	run = (struct run){.attack = what, .cpu = 1, .packets = wanted ? strtoull(wanted, NULL, 10) : PACKETS};
	begin(&run);
	stay_on(0);
	for (uint32_t n = 0; n < CALM_OPEN; n++) {
		calm_step(&run);
		usleep(2000); /* at the same pace as later */
	}
	assert_int_equal(pthread_create(&thread, NULL, attack, &run), 0);
	for (int round = 0; !run.over || begun < CALM_NEW_MIN; round++) {
		if (begun < CALM_NEW_MAX) {
			calm_step(&run);
			begun++;
		} else if (run.calm_complete < run.calm_flows)
			calm_finish(&run);
		if (round % 10 == 0)
			keep_log(&run); /* as often as the daemon does: every 20 ms */
		usleep(2000);
	}
	pthread_join(thread, NULL);
	assert_int_equal(run.error, 0);
	while (run.calm_complete < run.calm_flows)
		calm_finish(&run);

	/* None of its live flows. */
	for (uint32_t n = 0; n < run.calm_flows; n++) {
		struct host_packet data = calm_packet(&run, n, HOST_ACK);

		assert_int_equal(host_send(&run.host, &data), XDP_TX);
	}
	assert_int_equal(flows_each(run.host.program, count_live, &live), 0);
	assert_int_equal(live.flows, run.calm_flows);

	tally = wait_for_record(&run);
	for (int i = 0; i < 4; i++) /* numbers that never came would show */
		assert_int_equal(journal_tick(run.journal), 0);
	keep_log(&run);
	tally = read_log(&run);
	printf("# %s: %llu packets in %.1f s; %u connections of %s before and %u during, all of them complete, open "
	       "and on record; %llu records in all, %llu of them with a count\n",
	       what->what, (unsigned long long)run.packets, run.seconds, CALM_OPEN, what->calm_tenant, begun,
	       (unsigned long long)tally.records, (unsigned long long)tally.aggregated);
	/* None of its records. */
	assert_int_equal(tally.calm_admitted, run.calm_flows);
	assert_int_equal(tally.calm_confirmed, what->protocol == IPPROTO_TCP ? run.calm_flows : 0);
	assert_int_equal(tally.gaps, 0);
	if (what->is_full)
		printf("# %s: %u first packets found no line and came again\n", what->what, run.calm_refused);
	assert_true(run.calm_refused <= run.calm_flows / 500);
	assert_true(is_complete(&run, &tally, true));
	/* And few of the flood: its budgets, and a count a second for each of a handful of reasons. */
	assert_true(tally.records < 2 * run.calm_flows + (uint64_t)(run.seconds + 3) * 2 * HOST_RECORDS_MAX);
	end(&run);
}

#define ONE_BACKEND NAT("b1", "11")
#define FOUR_BACKENDS NAT("b1", "11") ", " NAT("b2", "12") ", " NAT("b3", "13") ", " NAT("b4", "14")
#define DIRECTLY(lines, cap)                                                                                           \
	.policy = POLICY(DIRECT("b1", "11")), .flow_lines = (lines), .half_open_max = (cap), .protocol = IPPROTO_TCP
#define THROUGH_NAT(backends, lines, cap)                                                                              \
	.policy = POLICY(backends), .flow_lines = (lines), .half_open_max = (cap), .is_nat = true

/* Of each tenant's half-open flows only so many. */
#define IN_DIRECT_RETURN DIRECTLY(16384, 1000)
/* More of them than the table has lines. */
#define IN_A_FULL_TABLE DIRECTLY(16384, 1 << 16), .is_full = true
#define THROUGH_NAT_IN_A_FULL_TABLE THROUGH_NAT(FOUR_BACKENDS, 16384, 1 << 16), .is_full = true
/* Where the bystander itself has half of the table. */
#define THROUGH_NAT_FOR_THE_REST THROUGH_NAT(FOUR_BACKENDS, 8192, 1 << 16), .is_full = true
/* More of them than the backend has ports. */
#define WITHOUT_A_FREE_PORT THROUGH_NAT(ONE_BACKEND, 1 << 19, 1 << 16)
/* Few, whose return lines are left when others take their place. */
#define AMONG_WHAT_IS_LEFT THROUGH_NAT(FOUR_BACKENDS, 1 << 16, 4096)

static const struct attack attacks[] = {
	{"a tenant with a limit", "198.51.100.10", 0xcb007100, 0xff, "192.0.2", "limited", "calm", IN_DIRECT_RETURN},
	{"a tenant without limits", "198.51.100.10", 0xcb007000, 0xff, "192.0.2", "free", "calm", IN_DIRECT_RETURN},
	{"strangers, refused", "198.51.100.10", 0x10000000, 0x0fffffff, "192.0.2", "unknown", "calm", IN_DIRECT_RETURN},
	{"strangers, let in", "198.51.100.11", 0x10000000, 0x0fffffff, "192.0.2", "unknown", "calm", IN_DIRECT_RETURN},
	/* They have a ring to themselves, and no record means no service there. */
	{"a tenant with required audit", "198.51.100.10", 0xcb007200, 0xff, "192.0.3", "strict", "strict-too",
	 IN_DIRECT_RETURN},
	{"a tenant, through NAT", "198.51.100.10", 0xcb007000, 0xff, "192.0.2", "free", "calm", WITHOUT_A_FREE_PORT,
	 .protocol = IPPROTO_TCP},
	{"a tenant's datagrams, through NAT", "198.51.100.10", 0xcb007000, 0xff, "192.0.2", "free", "calm",
	 WITHOUT_A_FREE_PORT, .protocol = IPPROTO_UDP},
	{"strangers, through NAT", "198.51.100.11", 0x10000000, 0x0fffffff, "192.0.2", "unknown", "calm",
	 WITHOUT_A_FREE_PORT, .protocol = IPPROTO_TCP},
	{"a tenant, for all lines", "198.51.100.10", 0xcb007000, 0xff, "192.0.2", "free", "calm", IN_A_FULL_TABLE},
	{"a tenant, through NAT, for all lines", "198.51.100.10", 0xcb007000, 0xff, "192.0.2", "free", "calm",
	 THROUGH_NAT_IN_A_FULL_TABLE, .protocol = IPPROTO_TCP},
	{"a tenant, through NAT, for the rest of the lines", "198.51.100.10", 0xcb007000, 0xff, "192.0.2", "free",
	 "calm", THROUGH_NAT_FOR_THE_REST, .protocol = IPPROTO_TCP},
	{"a tenant, through NAT, whose return lines are left", "198.51.100.10", 0xcb007000, 0xff, "192.0.2", "free",
	 "calm", AMONG_WHAT_IS_LEFT, .protocol = IPPROTO_TCP},
};
#define ATTACKS (sizeof(attacks) / sizeof(*attacks))

/* ---- two floods at the same time ------------------------------------------------------------------------------ */

struct ports {
	uint32_t flows, twice, without;
	uint8_t given[65536];
};

static int count_port(const struct flow_view *flow, void *context)
{
	struct ports *ports = context;

	ports->flows++;
	ports->without += !flow->value.nat_port_be;
	ports->twice += ports->given[flow->value.nat_port_be]++ > 0;
	return 0;
}

static void choose_at_once(struct run runs[2], uint64_t packets)
{
	static struct ports ports;
	pthread_t threads[2];

	memset(&ports, 0, sizeof(ports));
	for (size_t i = 0; i < 2; i++) {
		runs[i].packets = packets;
		assert_int_equal(pthread_create(&threads[i], NULL, attack, &runs[i]), 0);
	}
	for (size_t i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(runs[i].error, 0);
	}
	assert_int_equal(flows_each(runs[0].host.program, count_port, &ports), 0);
	printf("# two CPUs, %llu datagrams each: %u flows have a port, %u of them one that another has\n",
	       (unsigned long long)packets, ports.flows, ports.twice);
	assert_true(ports.flows > 60000);
	assert_int_equal(ports.without, 0);
	assert_int_equal(ports.twice, 0);
}

static void test_two_cpus_never_choose_the_same_port(void **state)
{
	static const struct attack both[2] = {{"one CPU", "198.51.100.10", 0xcb007000, 0xff, "192.0.2", "free", "calm",
					       WITHOUT_A_FREE_PORT, .protocol = IPPROTO_UDP},
					      {"another", "198.51.100.10", 0xc0000200, 0xff, "192.0.2", "calm", "calm",
					       WITHOUT_A_FREE_PORT, .protocol = IPPROTO_UDP}};
	static struct run runs[2];

	(void)state;
	runs[0] = (struct run){.attack = &both[0], .cpu = 0};
	begin(&runs[0]);
	runs[1] = (struct run){.attack = &both[1], .cpu = 1, .host = runs[0].host};
	prepare(&runs[1]);
	choose_at_once(runs, 32000);  /* for each there is a port */
	choose_at_once(runs, 200000); /* there is none that nobody has */
	flood_bpf__destroy(runs[1].flood);
	end(&runs[0]);
}

int main(void)
{
	struct CMUnitTest tests[ATTACKS + 1] = {
		[ATTACKS] = cmocka_unit_test(test_two_cpus_never_choose_the_same_port),
	};

	for (size_t i = 0; i < ATTACKS; i++)
		tests[i] = (struct CMUnitTest){attacks[i].what, test_withstood, NULL, NULL, (void *)&attacks[i]};
	cmocka_set_test_filter(getenv("FLOOD_ONLY"));
	if (host_begin())
		return host_skip(sizeof(tests) / sizeof(tests[0]));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
