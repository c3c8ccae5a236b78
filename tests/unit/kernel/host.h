/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A host of a test's own: network namespace, BPF file system, a pair of interfaces gw0 and peer0; a program loaded on it, a
 * policy in force, and packets for it. Needs root; host_skip() says so otherwise.
 */
#ifndef USHER_TEST_HOST_H
#define USHER_TEST_HOST_H

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>

#include <cmocka.h>

#include "base/address.h"
#include "compile/compile.h"
#include "kernel/frame.h"
#include "kernel/program.h"
#include "kernel/publish.h"
#include "policy/policy.h"
#include "conservation.h"

#define HOST_PINS "/sys/fs/bpf/usher-test"
#define HOST_NOW 1767225600 /* 2026-01-01 */
#ifndef HOST_FLOW_LINES
#define HOST_FLOW_LINES 1024
#endif
#ifndef HOST_HALF_OPEN_MAX
#define HOST_HALF_OPEN_MAX 1000
#endif
#ifndef HOST_RECORDS_MAX
#define HOST_RECORDS_MAX 100000000 /* as good as no budget */
#endif
#ifndef HOST_REPLIES_MAX
#define HOST_REPLIES_MAX 1000000 /* the same */
#endif
#ifndef HOST_FLOW_ENDS
#define HOST_FLOW_ENDS false
#endif
#define HOST_BACKENDS_MAX 8

static const uint8_t host_client_mac[6] = {0x02, 0, 0, 0, 0, 0x0c};
static const uint8_t host_backend_mac[6] = {0x02, 0, 0, 0, 0, 0x0b};
static const uint8_t host_own_mac[6] = {0x02, 0, 0, 0, 0, 0x01};

/* acme and strict may use s; strict and strangers may not use s2 and get no answer. */
#define HOST_POLICY_WITH(rules)                                                                                        \
	"{\"apiVersion\": \"usher/v1\", \"metadata\": {\"name\": \"test\", \"revision\": 1},"                          \
	"\"tenants\": {\"acme\": {\"sources\": [{\"prefix\": \"203.0.113.0/24\", \"region\": \"DE\"}]},"               \
	"  \"strict\": {\"sources\": [{\"prefix\": \"192.0.2.0/24\", \"region\": \"US\"}], \"audit\": \"required\"}}," \
	"\"models\": {\"m\": {\"versions\": {\"1\": {\"stage\": \"production\"}}}},"                                   \
	"\"backends\": {\"b1\": {\"address\": \"10.1.0.11:8000\", \"serves\": \"m@1\", \"region\": \"DE\","            \
	"  \"capacity\": 10, \"health\": false}},"                                                                     \
	"\"services\": {\"s\": {\"address\": \"198.51.100.10:443\", \"protocol\": \"tcp\", \"model\": \"m\"},"         \
	"  \"s2\": {\"address\": \"198.51.100.11:443\", \"protocol\": \"tcp\", \"model\": \"m\"}},"                    \
	"\"rules\": [" rules "],"                                                                                      \
	"\"nat\": {\"addresses\": [\"10.0.0.2\"]}}"
#define HOST_ALLOW                                                                                                     \
	"{\"id\": \"ok\", \"when\": {\"tenant\": [\"acme\", \"strict\"], \"service\": [\"s\"]}, \"allow\": true}"
#define HOST_DROP                                                                                                      \
	"{\"id\": \"no\", \"when\": {\"tenant\": [\"strict\", \"unknown\"], \"service\": [\"s2\"]}, \"deny\": true,"   \
	" \"answer\": \"drop\"}"
#define HOST_CUT "{\"id\": \"cut\", \"when\": {\"tenant\": [\"acme\"]}, \"deny\": true}"
#define HOST_POLICY HOST_POLICY_WITH(HOST_DROP ", " HOST_ALLOW)
#define HOST_POLICY_CUT HOST_POLICY_WITH(HOST_CUT ", " HOST_DROP ", " HOST_ALLOW)

struct host {
	struct program *program;
	struct publisher *publisher;
	struct identities *identities;
	uint8_t judgement[32];
	uint64_t generation;
	uint32_t epoch;
	int peer_program; /* without a program of its own a veth end takes no XDP frames at once */
	int peer_link;
};

static inline void host_run(const char *command)
{
	if (system(command))
		fail_msg("%s", command);
}

/* Once a test program, which from then on stays on one CPU: numbers are counted by CPU. Returns -1 if it cannot be done. */
static inline int host_begin(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET((size_t)sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
	if (geteuid() || unshare(CLONE_NEWNET | CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL))
		return -1;
	host_run("ip link set lo up");
	host_run("ip link add gw0 address 02:00:00:00:00:01 type veth peer name peer0 address 02:00:00:00:00:0b");
	/* No address of their own accord, so that no packet comes but those of the test. */
	host_run("ip link set gw0 addrgenmode none && ip link set peer0 addrgenmode none");
	host_run("ip link set gw0 up && ip link set peer0 up");
	return 0;
}

/* Instead of `count` tests. (cmocka's own skip() says "not ok".) Returns the exit status. */
static inline int host_skip(size_t count)
{
	printf("1..%zu\n", count);
	for (size_t i = 1; i <= count; i++)
		printf("ok %zu # SKIP needs root: a network namespace and a BPF file system of its own\n", i);
	return 0;
}

static inline struct interfaces host_interfaces(const char *name)
{
	struct interfaces interfaces = {.count = 1};

	snprintf(interfaces.items[0].name, IF_NAMESIZE, "%s", name);
	interfaces.items[0].index = if_nametoindex(name);
	return interfaces;
}

static inline struct program_options host_options(void)
{
	return (struct program_options){.pin_dir = HOST_PINS,
					.interfaces = host_interfaces("gw0"),
					.mode = ATTACH_AUTO,
					.flow_lines = HOST_FLOW_LINES,
					.half_open_max = HOST_HALF_OPEN_MAX,
					.replies_max = HOST_REPLIES_MAX,
					.records_max = HOST_RECORDS_MAX,
					.flow_ends = HOST_FLOW_ENDS};
}

/* A program that does nothing: XDP_PASS. */
static inline int host_pass_program(void)
{
	const struct bpf_insn instructions[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int program = bpf_prog_load(BPF_PROG_TYPE_XDP, "pass", "GPL", instructions, 2, NULL);

	assert_true(program >= 0);
	return program;
}

/* On one CPU from now on: each has rings of its own. */
static inline void host_stay(void)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET((size_t)sched_getcpu(), &cpus);
	assert_int_equal(sched_setaffinity(0, sizeof(cpus), &cpus), 0);
}

static inline void host_open(struct host *host)
{
	struct program_options options = host_options();
	struct problem problem = {0}, note = {0};

	*host = (struct host){.peer_program = host_pass_program()};
	host->peer_link = bpf_link_create(host->peer_program, (int)if_nametoindex("peer0"), BPF_XDP, NULL);
	assert_true(host->peer_link >= 0);
	if (program_load(&options, &problem, &host->program) ||
	    program_attach(host->program, ATTACH_AUTO, &note, &problem) ||
	    publisher_open(host->program, &problem, &host->publisher))
		fail_msg("%s", problem.text);
	assert_int_equal(identities_new(&host->identities), 0);
}

/* Also looks whether every packet that the program had was counted once. */
static inline void host_close(struct host *host)
{
	struct problem problem = {0};
	char fault[128];
	bool balanced = conservation_holds(host->program, fault);

	publisher_close(host->publisher);
	program_free(host->program);
	assert_int_equal(program_detach(HOST_PINS, &problem), 0);
	identities_free(host->identities);
	close(host->peer_link);
	close(host->peer_program);
	if (!balanced)
		fail_msg("%s", fault);
}

/* Compiles and publishes; its catalog is the caller's. */
static inline struct catalog *host_publish(struct host *host, const char *policy_text)
{
	struct diagnostics diagnostics = {.file = "test"};
	struct policy *policy = NULL;
	struct effective *effective = NULL;
	struct tables *tables = NULL;
	struct backend_facts facts_of[HOST_BACKENDS_MAX] = {0};
	struct facts facts = {.backends = facts_of};
	struct compile_input input = {.identities = host->identities,
				      .generation = host->generation + 1,
				      .epoch = host->epoch,
				      .judgement = host->generation ? host->judgement : NULL,
				      .active = publisher_active(host->publisher),
				      .hash_key = host->program->boot.hash_key};
	struct catalog *catalog;

	if (policy_parse("test", policy_text, strlen(policy_text), HOST_NOW, &diagnostics, &policy)) {
		diagnostics_print(&diagnostics, stderr);
		fail_msg("the policy of this test has errors");
	}
	for (; facts.backend_count < policy->backend_count; facts.backend_count++) {
		struct backend_facts *of = &facts_of[facts.backend_count];

		assert_true(facts.backend_count < HOST_BACKENDS_MAX);
		of->health = HEALTH_UP;
		of->next_hop = (struct next_hop){.resolved = true, .interface = host->program->attachments[0].index};
		memcpy(of->next_hop.mac, host_backend_mac, 6);
		memcpy(of->next_hop.own_mac, host_own_mac, 6);
	}
	assert_int_equal(decide(policy, &facts, HOST_NOW, &effective), 0);
	input.effective = effective;
	assert_int_equal(compile(&input, &diagnostics, &tables), 0);
	assert_int_equal(publish(host->publisher, tables), 0);
	identities_free(host->identities);
	host->identities = tables->identities;
	tables->identities = NULL;
	memcpy(host->judgement, tables->judgement, sizeof(host->judgement));
	host->generation = tables->header.number;
	host->epoch = tables->header.epoch;
	catalog = tables->catalog;
	tables->catalog = NULL;
	tables_free(tables);
	effective_free(effective);
	policy_free(policy);
	diagnostics_free(&diagnostics);
	return catalog;
}

/* ---- packets ------------------------------------------------------------------------------------------------ */

#define HOST_ACK 0x10

struct host_packet {
	const char *source, *destination;
	uint16_t source_port, destination_port;
	uint8_t protocol; /* 0: TCP */
	uint8_t flags;
	uint32_t sequence, acknowledgement;
	const uint8_t *source_mac;
};

/* Hands the packet to the program `repeat` times. Returns its last action; the frame as it left it in ret_frame. */
static inline int host_send_many(const struct host *host, const struct host_packet *packet, int repeat,
				 uint8_t ret_frame[256])
{
	struct frame frame = {.source_port = packet->source_port,
			      .destination_port = packet->destination_port,
			      .protocol = packet->protocol ? packet->protocol : IPPROTO_TCP,
			      .tcp_flags = packet->flags,
			      .sequence = packet->sequence};
	uint8_t bytes[FRAME_MAX], out[256] = {0};
	uint32_t acknowledgement = htonl(packet->acknowledgement);
	struct xdp_md context = {.ingress_ifindex = host->program->attachments[0].index};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = bytes, .data_out = out, .data_size_out = sizeof(out),
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = repeat);

	memcpy(frame.source_mac, packet->source_mac ? packet->source_mac : host_client_mac, 6);
	memcpy(frame.destination_mac, host_own_mac, 6);
	assert_int_equal(address_parse(packet->source, &frame.source), 0);
	assert_int_equal(address_parse(packet->destination, &frame.destination), 0);
	run.data_size_in = context.data_end = (__u32)frame_write(&frame, bytes);
	if (frame.protocol == IPPROTO_TCP) /* IPv4; no one looks at the checksum */
		memcpy(bytes + 14 + 20 + 8, &acknowledgement, sizeof(acknowledgement));
	assert_int_equal(bpf_prog_test_run_opts(program_xdp(host->program), &run), 0);
	if (ret_frame)
		memcpy(ret_frame, out, sizeof(out));
	return (int)run.retval;
}

static inline int host_send(const struct host *host, const struct host_packet *packet)
{
	return host_send_many(host, packet, 1, NULL);
}

static inline struct host_packet host_syn(const char *client, uint16_t port)
{
	return (struct host_packet){.source = client,
				    .destination = "198.51.100.10",
				    .source_port = port,
				    .destination_port = 443,
				    .flags = FRAME_TCP_SYN,
				    .sequence = 1000};
}

/* What nobody answers, so that a frame can be used many times. */
static inline struct host_packet host_dropped(const char *client)
{
	return (struct host_packet){.source = client,
				    .destination = "198.51.100.11",
				    .source_port = 1234,
				    .destination_port = 443,
				    .flags = FRAME_TCP_SYN,
				    .sequence = 1000};
}

/* ---- what comes out at the other end ------------------------------------------------------------------------ */

static inline int host_listen_at(const char *interface)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET,
				      .sll_protocol = htons(ETH_P_ALL),
				      .sll_ifindex = (int)if_nametoindex(interface)};
	int listener = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));

	assert_true(listener >= 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	return listener;
}

/* The next TCP frame over IPv4 within half a second; its length, 0: none. */
static inline size_t host_hear(int listener, uint8_t frame[2048])
{
	struct timeval patience = {.tv_usec = 500000};

	setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	for (int i = 0; i < 100; i++) {
		ssize_t got = recv(listener, frame, 2048, 0);

		if (got < 0)
			return 0;
		if (got >= 54 && frame[12] == 0x08 && frame[13] == 0 && frame[23] == IPPROTO_TCP)
			return (size_t)got;
	}
	return 0;
}

#endif
