// SPDX-License-Identifier: GPL-2.0-only
#include "meter.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "tests/bench/packet/traffic.skel.h"
#include "usher.skel.h"

#define CPUS_MAX 256
#define WITHOUT_END 1000000000u
#define SLICE 200000u	   /* packets of a run between two pauses, a multiple of TRAFFIC_BLOCK */
#define OTHERS_NS 5000000L /* of a pause */
#define TAKEN_MAX 0.01	   /* of a run */

static unsigned int measuring_cpu;

void meter_begin(void)
{
	const struct sched_param parameters = {.sched_priority = 1};
	cpu_set_t cpus;

	measuring_cpu = (unsigned int)libbpf_num_possible_cpus() - 1;
	CPU_ZERO(&cpus);
	CPU_SET(measuring_cpu, &cpus);
	must(sched_setaffinity(0, sizeof(cpus), &cpus) ? errno : 0, "affinity");
	must(sched_setscheduler(0, SCHED_FIFO, &parameters) ? errno : 0, "priority");
}

/* The kernel rewrites the generator's call, and waits for all CPUs: not once for each chunk of a flood. */
static void aim(struct meter *meter, enum traffic_phase phase, int target)
{
	__u32 key = phase;

	if (meter->target[phase] == target)
		return;
	must(bpf_map_update_elem(bpf_map__fd(meter->skeleton->maps.targets), &key, &target, BPF_ANY) ? errno : 0,
	     "target");
	meter->target[phase] = target;
}

void meter_open(const struct gateway *gateway, struct meter *ret_meter)
{
	struct traffic_bpf *skeleton = traffic_bpf__open();
	struct bpf_program *program;

	must(skeleton ? 0 : errno, "open traffic");
	must(bpf_map__reuse_fd(skeleton->maps.flows, program_map(&gateway->program, "flows")), "reuse flows");
	/* A tail call needs caller and target to agree on it. */
	bpf_object__for_each_program(program, skeleton->obj)
		bpf_program__set_flags(program, bpf_program__flags(gateway->program.skeleton->progs.usher));
	must(traffic_bpf__load(skeleton), "load traffic");
	ret_meter->skeleton = skeleton;
	memset(ret_meter->target, 0xff, sizeof(ret_meter->target));
	aim(ret_meter, TRAFFIC_NOTHING, bpf_program__fd(skeleton->progs.nothing));
	ret_meter->verdicts = program_map(&gateway->program, "verdicts");
	must(mapping_open(bpf_map__fd(skeleton->maps.traffics), sizeof(struct traffic), true, &ret_meter->traffic),
	     "traffics");
}

void meter_close(struct meter *meter)
{
	mapping_close(&meter->traffic);
	traffic_bpf__destroy(meter->skeleton);
}

/* ---- frames ------------------------------------------------------------------------------------------------ */

static void make_transport(const struct flood *flood, uint8_t *bytes)
{
	struct tcphdr tcp = {.dest = htons(443), .doff = 5, .seq = htonl(1), .ack_seq = htonl(1)};
	struct udphdr udp = {.dest = htons(53), .len = htons(sizeof(udp)), .check = htons(1)};

	if (flood->way.is_udp) {
		memcpy(bytes, &udp, sizeof(udp));
	} else {
		memcpy(bytes, &tcp, sizeof(tcp));
		bytes[13] = flood->tcp_flags;
	}
}

static void make_frame(const struct flood *flood, struct traffic *traffic)
{
	static const uint8_t macs[12] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
	static const uint8_t service6[16] = {0x20, 1, 0x0d, 0xb8, 1, [15] = 0x10};
	uint8_t protocol = flood->way.is_udp ? IPPROTO_UDP : IPPROTO_TCP, *frame = traffic->frame;
	size_t header = flood->way.is_udp ? sizeof(struct udphdr) : sizeof(struct tcphdr);
	struct ip6_hdr ip6 = {.ip6_plen = htons((uint16_t)header), .ip6_nxt = protocol, .ip6_hlim = 64};
	struct iphdr ip = {.version = 4,
			   .ihl = 5,
			   .ttl = 64,
			   .protocol = protocol,
			   .tot_len = htons((uint16_t)(sizeof(ip) + header)),
			   .daddr = htonl(flood->is_elsewhere ? 0xc633640b : 0xc633640a)};

	memset(frame, 0, sizeof(traffic->frame));
	memcpy(frame, macs, sizeof(macs));
	if (flood->way.is_ipv6) {
		ip6.ip6_vfc = 0x60;
		memcpy(&ip6.ip6_dst, service6, sizeof(service6));
		ip6.ip6_dst.s6_addr[14] = flood->is_elsewhere;
		memcpy(frame + 12, (const uint8_t[]){0x86, 0xdd}, 2);
		memcpy(frame + 14, &ip6, sizeof(ip6));
		make_transport(flood, frame + 54);
	} else {
		memcpy(frame + 12, (const uint8_t[]){0x08, 0x00}, 2);
		memcpy(frame + 14, &ip, sizeof(ip));
		make_transport(flood, frame + 34);
	}
}

static void prepare(const struct meter *meter, const struct flood *flood)
{
	struct traffic *traffic = meter->traffic.bytes;

	make_frame(flood, traffic);
	traffic->next = flood->first;
	traffic->flows = flood->flows;
	traffic->prefixes = flood->prefixes;
	traffic->is_random = flood->is_random;
	traffic->lines = flood->lines;
	traffic->awaited = flood->awaited;
	traffic->is_ipv6 = flood->way.is_ipv6;
	traffic->length = flood->way.is_ipv6 ? TRAFFIC_FRAME6 : TRAFFIC_FRAME4;
	traffic->grows_in_front =
		!flood->is_answered && strcmp(flood->way.mode, "nat") && strcmp(flood->way.mode, "l2");
	traffic->source = flood->source ? flood->source : flood->way.is_ipv6 ? GATEWAY_SOURCE6 : GATEWAY_SOURCE4;
}

/* ---- runs -------------------------------------------------------------------------------------------------- */

/* How long the hypervisor has kept the CPU to itself, ns; it grows by 10 ms. */
static uint64_t stealing(void)
{
	char line[256], name[16];
	uint64_t ticks = 0;
	FILE *file = fopen("/proc/stat", "r");

	must(file ? 0 : errno, "/proc/stat");
	snprintf(name, sizeof(name), "cpu%u ", measuring_cpu);
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)) &&
		    sscanf(line, "%*s %*d %*d %*d %*d %*d %*d %*d %" SCNu64, &ticks) != 1)
			ticks = 0;
	fclose(file);
	return ticks * 10000000;
}

/* How long this thread has waited for its CPU while others had it, ns. */
static uint64_t waiting(void)
{
	FILE *file = fopen("/proc/thread-self/schedstat", "r");
	uint64_t waited;

	must(file ? 0 : errno, "/proc/thread-self/schedstat");
	must(fscanf(file, "%*u %" SCNu64, &waited) == 1 ? 0 : EINVAL, "/proc/thread-self/schedstat");
	fclose(file);
	return waited;
}

/* Returns 0, or EINTR: a signal came first. */
static int send_all(const struct meter *meter, const struct flood *flood, uint32_t count)
{
	uint8_t frame[TRAFFIC_FRAME6] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .repeat = (int)count,
		    .data_size_in = flood->way.is_ipv6 ? TRAFFIC_FRAME6 : TRAFFIC_FRAME4);
	int r = bpf_prog_test_run_opts(bpf_program__fd(meter->skeleton->progs.traffic), &options) ? errno : 0;

	must(r == EINTR ? 0 : r, "run");
	must(!r && options.retval == XDP_ABORTED ? EINVAL : 0, "traffic");
	return r;
}

static void begin(struct meter *meter, int target, const struct flood *flood, bool is_measured)
{
	struct traffic *traffic = meter->traffic.bytes;

	prepare(meter, flood);
	traffic->is_measured = is_measured;
	traffic->phase = TRAFFIC_TARGET;
	traffic->sent = 0;
	memset(traffic->spent, 0, sizeof(traffic->spent));
	aim(meter, TRAFFIC_TARGET, target);
}

/* Packets of a run, and a pause: who has waited too long for this CPU gets it from a thread of any priority. */
static void send_slice(const struct meter *meter, const struct flood *flood, uint32_t count)
{
	const struct timespec others = {.tv_nsec = OTHERS_NS};
	struct traffic *traffic = meter->traffic.bytes;

	nanosleep(&others, NULL);
	traffic->phase = TRAFFIC_TARGET;
	traffic->left = 0;
	traffic->begun = 0;
	/* The last one ends the last block. */
	must(send_all(meter, flood, (traffic->has_floor ? 2 : 1) * count + count / TRAFFIC_NOTHING_SHARE + 1), "run");
	traffic->next = traffic->block_first;
}

static struct cost run(struct meter *meter, int target, int floor, const struct flood *flood, uint32_t repeat)
{
	struct traffic *traffic = meter->traffic.bytes;
	const __u64 *spent = traffic->spent;
	uint64_t taken;
	double nothing;

	begin(meter, target, flood, true);
	traffic->has_floor = floor != METER_NONE;
	traffic->floor_ahead = flood->floor_ahead;
	meter->skeleton->bss->floor_failed = 0;
	if (traffic->has_floor)
		aim(meter, TRAFFIC_FLOOR, floor);
	taken = waiting() + stealing();
	for (uint32_t sent = 0; sent < repeat; sent += SLICE)
		send_slice(meter, flood, repeat - sent < SLICE ? repeat - sent : SLICE);
	taken = waiting() + stealing() - taken;
	must(meter->skeleton->bss->floor_failed > repeat / 1000 ? EINVAL : 0, "floor");
	meter->runs++;
	if ((double)taken >
	    TAKEN_MAX * (double)(spent[TRAFFIC_NOTHING] + spent[TRAFFIC_FLOOR] + spent[TRAFFIC_TARGET])) {
		meter->disturbed++;
		return (struct cost){NAN, NAN};
	}
	nothing = (double)spent[TRAFFIC_NOTHING] * TRAFFIC_NOTHING_SHARE;
	return (struct cost){
		((double)spent[TRAFFIC_TARGET] - nothing) / repeat,
		traffic->has_floor ? ((double)spent[TRAFFIC_FLOOR] - nothing) / repeat : NAN,
	};
}

/* By this thread's CPU: others may have a flood. */
static uint64_t verdicts(const struct meter *meter, uint8_t reason)
{
	static const uint32_t services[] = {0, USHER_SERVICE_NONE};
	struct usher_counter values[CPUS_MAX];
	uint64_t sum = 0;

	for (size_t i = 0; i < 2; i++) {
		uint32_t key = services[i] * USHER_REASON_MAX + reason;

		must(bpf_map_lookup_elem(meter->verdicts, &key, values) ? errno : 0, "verdicts");
		sum += values[measuring_cpu].packets;
	}
	return sum;
}

struct cost meter_cost(struct meter *meter, int target, int floor, const struct flood *flood, uint32_t repeat,
		       uint8_t reason)
{
	uint64_t before = reason ? verdicts(meter, reason) : 0, counted;
	struct cost cost = run(meter, target, floor, flood, repeat);

	counted = reason ? verdicts(meter, reason) - before : repeat;
	if (counted < repeat - repeat / 1000) {
		fprintf(stderr, "bench: %s %s %s: only %llu of %u packets got the verdict %u\n", flood->way.mode,
			flood->way.is_udp ? "udp" : "tcp", flood->way.is_ipv6 ? "IPv6" : "IPv4",
			(unsigned long long)counted, repeat, reason);
		exit(EXIT_FAILURE);
	}
	return cost;
}

void meter_send(struct meter *meter, int target, const struct flood *flood, uint32_t count)
{
	begin(meter, target, flood, false);
	must(send_all(meter, flood, count), "send");
}

void meter_flood(struct meter *meter, int target, const struct flood *flood)
{
	begin(meter, target, flood, false);
	while (!send_all(meter, flood, WITHOUT_END))
		;
}

uint64_t meter_sent(const struct meter *meter)
{
	const struct traffic *traffic = meter->traffic.bytes;

	return *(const volatile uint64_t *)&traffic->sent;
}
