// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packets running flat out against one publish after the other: none may see two generations.
 *
 * Three generations take turns, so that each slot sees all of them. Each leads the same packet through its own service, class,
 * route, arm, ring slot and backend, and what the others use leads nowhere in it. The audit is required and its ring is full, so a packet that has seen one
 * generation alone ends as audit-full, without a flow, under that generation's service; any mixture ends otherwise.
 * ATOMIC_PACKETS says how many packets (100 million).
 *
 * Grace periods are expedited meanwhile: on two CPUs that do nothing but send, an ordinary one takes 100 ms, and the test would
 * see ten publishes a second instead of a thousand.
 */
// Runs alone: it sends on every CPU, and has the whole host expedite its grace periods.
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/address.h"
#include "base/clock.h"
#include "compile/tables.h"
#include "kernel/frame.h"
#include "kernel/publish.h"
#include "usher.skel.h"

#include "../unit/kernel/conservation.h"
#include "../unit/kernel/loaded.h"
#include "../unit/kernel/ring_room.h"

#define GENERATIONS 3
#define REPEAT 5000
#define SENDERS 2
#define CLASS_FIRST 2 /* 0 and 1 are what no prefix covers */
#define NOWHERE 7     /* a backend that cannot be reached */

static struct {
	struct program program;
	struct publisher *publisher;
	uint8_t frame[FRAME_MAX];
	__u32 frame_length;
	uint64_t packets;
	atomic_int sending;
	atomic_int error;
} bench;

/* ---- one of the generations --------------------------------------------------------------------------- */

static void place_endpoint(struct tables *tables, const struct usher_endpoint *endpoint)
{
	const struct usher_boot *boot = &bench.program.boot;
	uint64_t word = USHER_ENDPOINT_WORD(endpoint->port_be, endpoint->protocol, tables->header.endpoint_salt);
	uint32_t position = (uint32_t)usher_hash_address(endpoint->address.halves, word, boot->hash_key);

	while (tables->endpoints[position % USHER_ENDPOINT_SLOTS].kind != USHER_ENDPOINT_EMPTY)
		position++;
	tables->endpoints[position % USHER_ENDPOINT_SLOTS] = *endpoint;
}

static void make_endpoints(struct tables *tables, uint16_t which)
{
	struct usher_endpoint endpoint = {.kind = USHER_ENDPOINT_ADDRESS};

	tables->endpoints = calloc(USHER_ENDPOINT_SLOTS, sizeof(*tables->endpoints));
	address_parse("198.51.100.10", &endpoint.address);
	place_endpoint(tables, &endpoint);
	endpoint.kind = USHER_ENDPOINT_SERVICE;
	endpoint.port_be = htons(443);
	endpoint.protocol = IPPROTO_TCP;
	endpoint.service = which;
	place_endpoint(tables, &endpoint);
}

static void make_classes(struct tables *tables, uint16_t which)
{
	tables->source4_lines = 1;
	tables->source4 = calloc(1, sizeof(*tables->source4));
	tables->source4_class_lines = 1;
	tables->source4_classes = calloc(1, sizeof(*tables->source4_classes));
	memset(tables->source4, 0xff, sizeof(*tables->source4));
	tables->source4->first[0] = 0;
	for (int i = 0; i < 32; i++)
		tables->source4_classes->value[i] = (uint16_t)(CLASS_FIRST + which);
	tables->networks = calloc(USHER_NETWORKS_LINES, sizeof(*tables->networks));
	for (int i = 0; i < USHER_NETWORKS_LINES * 16; i++)
		tables->networks[i / 16].value[i % 16] = (uint32_t)(CLASS_FIRST + which);
	tables->class_count = CLASS_FIRST + GENERATIONS;
	tables->classes = calloc(CLASS_FIRST + GENERATIONS, sizeof(*tables->classes));
	tables->classes[CLASS_FIRST + which] = (struct usher_class){.tenant = 1, .flags = USHER_CLASS_AUDIT_REQUIRED};
	tables->services = calloc(USHER_SERVICES_MAX, sizeof(*tables->services));
	for (size_t i = 0; i < USHER_SERVICES_MAX; i++)
		tables->services[i] = (struct usher_service){.tenant = USHER_NONE, .protocol = IPPROTO_TCP};
}

static void make_routes(struct tables *tables, uint16_t which)
{
	uint32_t stride = 32u * (which + 1u), number = which * stride + CLASS_FIRST + which;

	tables->header.class_stride = stride;
	tables->route_index_lines = GENERATIONS * GENERATIONS;
	tables->route_index = calloc(tables->route_index_lines, sizeof(*tables->route_index));
	tables->route_index[number / 32].value[number % 32] = (uint16_t)(1 + which);
	tables->route_count = 1 + GENERATIONS;
	tables->routes = calloc(tables->route_count, sizeof(*tables->routes));
	for (size_t r = 0; r < tables->route_count; r++)
		tables->routes[r] = (struct usher_route){
			.reason = USHER_REASON_NO_BACKEND, .answer = USHER_ANSWER_DROP, .rule = USHER_NONE};
	tables->routes[1 + which] = (struct usher_route){
		.reason = USHER_REASON_ADMITTED, .arms = 1, .rule = USHER_NONE, .target = which, .first_arm = which};
	tables->arm_count = GENERATIONS;
	tables->arms = calloc(GENERATIONS, sizeof(*tables->arms));
	for (uint32_t a = 0; a < GENERATIONS; a++)
		tables->arms[a] =
			(struct usher_arm){.ring = 32 * (a == which ? a : GENERATIONS), .ring_size = 32, .weight = 1};
	tables->ring_lines = GENERATIONS + 1;
	tables->rings = calloc(tables->ring_lines, sizeof(*tables->rings));
	for (uint16_t line = 0; line < tables->ring_lines; line++)
		for (int i = 0; i < 32; i++)
			tables->rings[line].value[i] = line == which ? which : NOWHERE;
}

static struct tables *make_tables(uint16_t which)
{
	struct tables *tables = calloc(1, sizeof(*tables));

	tables->header = (struct usher_generation){
		.epoch = 1, .endpoint_salt = which, .source4_lines = 1, .loss_action = USHER_LOSS_HOLD};
	make_endpoints(tables, which);
	make_classes(tables, which);
	make_routes(tables, which);
	tables->set_count = 1;
	tables->sets = calloc(1, sizeof(*tables->sets));
	tables->backends = calloc(USHER_BACKENDS_MAX, sizeof(*tables->backends));
	tables->backends[which] =
		(struct usher_backend){.incarnation = 1, .forward = USHER_FORWARD_L2, .flags = USHER_BACKEND_REACHABLE};
	tables->nat = calloc(USHER_NAT_ADDRESSES_MAX, sizeof(*tables->nat));
	return tables;
}

/* ---- the program --------------------------------------------------------------------------------------------- */

static int load(void)
{
	const struct usher_boot boot = {.abi_version = USHER_ABI_VERSION,
					.flow_lines = 1024,
					.jiffy_ns = clock_jiffy(),
					.hash_key = {6, 7, 8, 9, 10},
					.dry_run_token = 0x61746f6dULL,
					.half_open_max = 100,
					.replies_max = 100,
					.records_max = 1u << 30,
					.interfaces = {1}};
	struct problem problem = {0};
	int error = loaded(usher_bpf__open(), &boot, &bench.program);

	if (!error)
		error = ring_room(&bench.program, USHER_RING_REQUIRED, 0);
	return error ? error : publisher_open(&bench.program, &problem, &bench.publisher);
}

static int run_packets(int repeat)
{
	/* Live frames: the kernel takes packets in batches and gives way between them, as it does behind a driver. */
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = bench.frame, .data_size_in = bench.frame_length,
		    .repeat = repeat, .flags = BPF_F_TEST_XDP_LIVE_FRAMES);

	return bpf_prog_test_run_opts(program_xdp(&bench.program), &run) ? -errno : 0;
}

static void *send_packets(void *context)
{
	uint64_t left = *(const uint64_t *)context;

	while (left && !bench.error) {
		int repeat = left < REPEAT ? (int)left : REPEAT;
		int error = run_packets(repeat);

		if (error)
			bench.error = error;
		left -= (uint64_t)repeat;
	}
	bench.sending--;
	return NULL;
}

static uint64_t counted(uint32_t service, uint32_t reason)
{
	uint32_t key = service * USHER_REASON_MAX + reason;
	struct usher_counter values[256];
	uint64_t sum = 0;

	if (bpf_map_lookup_elem(program_map(&bench.program, "verdicts"), &key, values))
		return 0;
	for (int cpu = 0; cpu < libbpf_num_possible_cpus(); cpu++)
		sum += values[cpu].packets;
	return sum;
}

/* ---- grace periods ------------------------------------------------------------------------------------------- */

#define EXPEDITED "/sys/kernel/rcu_expedited"

static char expedited_before[8];

static void write_expedited(const char *text, size_t length)
{
	int fd = open(EXPEDITED, O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && (write(fd, text, length) < 0 || close(fd)))
		_exit(EXIT_FAILURE);
}

static void restore_expedited(void)
{
	write_expedited(expedited_before, strlen(expedited_before));
}

static void interrupted(int number)
{
	restore_expedited();
	_exit(128 + number);
}

static void expedite(void)
{
	int fd = open(EXPEDITED, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (read(fd, expedited_before, sizeof(expedited_before) - 1) > 0) {
		atexit(restore_expedited);
		signal(SIGINT, interrupted);
		signal(SIGTERM, interrupted);
		write_expedited("1\n", 2);
	}
	close(fd);
}

/* ---- the test ------------------------------------------------------------------------------------------------ */

static void make_frame(void)
{
	struct frame frame = {.source_mac = {2, 0, 0, 0, 0, 2},
			      .destination_mac = {2, 0, 0, 0, 0, 1},
			      .source_port = 40000,
			      .destination_port = 443,
			      .protocol = IPPROTO_TCP,
			      .tcp_flags = FRAME_TCP_SYN,
			      .sequence = 1};

	address_parse("203.0.113.10", &frame.source);
	address_parse("198.51.100.10", &frame.destination);
	bench.frame_length = (__u32)frame_write(&frame, bench.frame);
}

/* Until the ring of records is full, packets are admitted; then that is forgotten. */
static int fill_ring(struct tables *tables)
{
	int error = publish(bench.publisher, tables);

	for (int i = 0; i < 200 && !error; i++) {
		/* Each from a port of its own, so that it is a first packet. */
		bench.frame[14 + 20 + 1] = (uint8_t)i;
		error = run_packets(1);
	}
	make_frame();
	return error;
}

int main(void)
{
	const char *text = getenv("ATOMIC_PACKETS");
	struct tables *generations[GENERATIONS];
	uint64_t publishes = 0, before[GENERATIONS][USHER_REASON_MAX], pure = 0, mixed = 0;
	char fault[128] = "";
	pthread_t senders[SENDERS];
	uint64_t share;
	bool balanced;

	bench.packets = text ? strtoull(text, NULL, 10) : 100000000;
	share = bench.packets / SENDERS;
	bench.packets = share * SENDERS;
	make_frame();
	expedite();
	if (load()) {
		puts("not ok 1 - the program is loaded\n1..1");
		return EXIT_FAILURE;
	}
	for (uint16_t which = 0; which < GENERATIONS; which++)
		generations[which] = make_tables(which);
	generations[0]->header.number = 1;
	if (fill_ring(generations[0])) {
		puts("not ok 1 - the ring of records is full\n1..1");
		return EXIT_FAILURE;
	}
	for (uint32_t s = 0; s < GENERATIONS; s++)
		for (uint32_t r = 0; r < USHER_REASON_MAX; r++)
			before[s][r] = counted(s, r);
	bench.sending = SENDERS;
	for (size_t s = 0; s < SENDERS; s++)
		if (pthread_create(&senders[s], NULL, send_packets, &share))
			abort();
	while (bench.sending && !bench.error) {
		struct tables *next = generations[++publishes % GENERATIONS];

		next->header.number = publishes + 1;
		if (publish(bench.publisher, next))
			bench.error = -EIO;
	}
	for (size_t s = 0; s < SENDERS; s++)
		pthread_join(senders[s], NULL);
	for (uint32_t s = 0; s < GENERATIONS; s++)
		for (uint32_t r = 0; r < USHER_REASON_MAX; r++) {
			uint64_t count = counted(s, r) - before[s][r];

			if (r == USHER_REASON_AUDIT_FULL)
				pure += count;
			else if (count)
				printf("# service %u, reason %u: %llu packets\n", s, r, (unsigned long long)count);
		}
	mixed = bench.packets - pure;
	printf("# %llu packets against %llu publishes, %llu of them saw two generations\n",
	       (unsigned long long)bench.packets, (unsigned long long)publishes, (unsigned long long)mixed);
	printf("%s 1 - no packet sees two generations\n", mixed || bench.error ? "not ok" : "ok");
	printf("%s 2 - there were many publishes\n", publishes > 100 ? "ok" : "not ok");
	balanced = conservation_holds(&bench.program, fault);
	printf("%s 3 - what was received is what was judged\n", balanced ? "ok" : "not ok");
	if (!balanced)
		printf("# %s\n", fault);
	puts("1..3");
	return mixed || bench.error || publishes <= 100 || !balanced ? EXIT_FAILURE : EXIT_SUCCESS;
}
