// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packet vectors through the loaded program: what goes in, what becomes of it, for which reason, and the bytes that come out.
 *
 * A file is a list of lines:
 *   policy FILE             published from here on (its backends all reachable and healthy)
 *   scene NAME              no flow is open any more
 *   deadline passed|ahead   of the controller
 *   v DESCRIPTION           the vector that the next two lines are
 *   < FRAME                 see description.h
 *   > pass|drop|tx REASON [FRAME]
 */
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/address.h"
#include "base/clock.h"
#include "compile/compile.h"
#include "kernel/mapping.h"
#include "kernel/publish.h"
#include "policy/policy.h"
#include "../model/object.h"
#include "../unit/kernel/loaded.h"
#include "description.h"
#include "judge.h"

#define FOLDER "tests/vectors/"
#define NOW 1780000000
#define NAMES_MAX 32

static const char *const reason_labels[USHER_REASON_MAX] = {
#define X(number, name, verdict, label, text) [number] = label,
	USHER_REASONS(X)
#undef X
};

static struct {
	struct program program;
	struct publisher *publisher;
	struct identities *identities;
	struct mapping flows, tenants;
	uint8_t judgement[32];
	uint64_t generation;
	uint32_t epoch;
	char names[NAMES_MAX][USHER_NAME_MAX + 1]; /* of backends, in the order in which they were first seen */
	size_t name_count;
	uint64_t counted[USHER_REASON_MAX];
	unsigned int done, failed, described, series, cuts;
	char description[1100];
	struct vector_frame in;
	struct vector_context context;
} bench;

/* ---- the program --------------------------------------------------------------------------------------------- */

static int load(void)
{
	const struct usher_boot boot = {.abi_version = USHER_ABI_VERSION,
					.flow_lines = 4096,
					.jiffy_ns = clock_jiffy(),
					.hash_key = {11, 22, 33, 44, 55},
					.dry_run_token = 0x746f6b656eULL,
					.half_open_max = 1000,
					.replies_max = 1u << 30,
					.records_max = 1u << 30,
					.interfaces = {1}};
	struct problem problem = {0};
	int error = loaded(object_open(), &boot, &bench.program);

	if (!error)
		error = publisher_open(&bench.program, &problem, &bench.publisher);
	if (!error)
		error = mapping_open(program_map(&bench.program, "flows"), sizeof(struct usher_flow), true,
				     &bench.flows);
	if (!error)
		error = mapping_open(program_map(&bench.program, "tenants"), sizeof(struct usher_tenant_state), true,
				     &bench.tenants);
	if (!error)
		error = identities_new(&bench.identities);
	return error;
}

static size_t name_index(const char *name)
{
	for (size_t i = 0; i < bench.name_count; i++)
		if (!strcmp(bench.names[i], name))
			return i;
	if (bench.name_count == NAMES_MAX)
		abort();
	snprintf(bench.names[bench.name_count], sizeof(bench.names[0]), "%s", name);
	return bench.name_count++;
}

static bool find_mac(const char *name, uint8_t mac[6])
{
	static const uint8_t client[6] = {2, 0, 0, 0, 0, 0xc1}, gateway[6] = {2, 0, 0, 0, 0, 1};

	if (!strcmp(name, "C")) {
		memcpy(mac, client, 6);
		return true;
	}
	if (!strcmp(name, "G")) {
		memcpy(mac, gateway, 6);
		return true;
	}
	for (size_t i = 0; i < bench.name_count; i++)
		if (!strcmp(bench.names[i], name)) {
			memcpy(mac, (const uint8_t[]){2, 0, 0, 0, 2, (uint8_t)i}, 6);
			return true;
		}
	return false;
}

/* A service that is in force, or what is for none. */
static bool is_counted(uint32_t service)
{
	return service == USHER_SERVICE_NONE || bench.identities->services.items[service].key;
}

static uint64_t counted(uint32_t reason)
{
	int cpus = libbpf_num_possible_cpus(), map = program_map(&bench.program, "verdicts");
	struct usher_counter values[256];
	uint64_t sum = 0;

	for (uint32_t s = 0; s <= USHER_SERVICES_MAX; s++) {
		uint32_t key = s * USHER_REASON_MAX + reason;

		if (is_counted(s) && !bpf_map_lookup_elem(map, &key, values))
			for (int cpu = 0; cpu < cpus; cpu++)
				sum += values[cpu].packets;
	}
	return sum;
}

static int publish_text(const char *name, const char *text)
{
	static struct backend_facts states[64];
	struct diagnostics diagnostics = {.file = name};
	struct facts facts = {.backends = states};
	struct compile_input input = {.identities = bench.identities,
				      .generation = bench.generation + 1,
				      .epoch = bench.epoch,
				      .judgement = bench.generation ? bench.judgement : NULL,
				      .active = publisher_active(bench.publisher),
				      .hash_key = bench.program.boot.hash_key};
	struct policy *policy = NULL;
	struct effective *effective = NULL;
	struct tables *tables = NULL;
	int error = policy_parse(name, text, strlen(text), NOW, &diagnostics, &policy);

	for (size_t b = 0; !error && b < policy->backend_count; b++) {
		name_index(policy->backends[b].name);
		states[b] = (struct backend_facts){.health = HEALTH_UP, .next_hop = {.resolved = true, .interface = 1}};
		find_mac(policy->backends[b].name, states[b].next_hop.mac);
		find_mac("G", states[b].next_hop.own_mac);
		address_parse(address_is_ipv4(&policy->backends[b].address) ? "10.0.0.1" : "2001:db8:a0::1",
			      &states[b].next_hop.source);
		states[b].next_hop.mtu = 1500;
	}
	if (!error) {
		facts.backend_count = policy->backend_count;
		error = decide(policy, &facts, NOW, &effective);
	}
	if (!error) {
		input.effective = effective;
		error = compile(&input, &diagnostics, &tables);
	}
	if (!error)
		error = publish(bench.publisher, tables);
	if (!error) {
		identities_free(bench.identities);
		bench.identities = tables->identities;
		tables->identities = NULL;
		memcpy(bench.judgement, tables->judgement, sizeof(bench.judgement));
		bench.generation = tables->header.number;
		bench.epoch = tables->header.epoch;
		for (uint32_t r = 0; r < USHER_REASON_MAX; r++)
			bench.counted[r] = counted(r);
	} else {
		diagnostics_print(&diagnostics, stderr);
	}
	tables_free(tables);
	effective_free(effective);
	policy_free(policy);
	diagnostics_free(&diagnostics);
	return error;
}

static int publish_file(const char *name)
{
	static char text[1 << 16];
	char path[1100];
	size_t length;
	FILE *file;

	snprintf(path, sizeof(path), FOLDER "%s", name);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	length = fread(text, 1, sizeof(text) - 1, file);
	text[length] = '\0';
	fclose(file);
	return publish_text(name, text);
}

/* The reason that was counted since this was asked last, or -1: none, or several. */
static int counted_reason(void)
{
	int found = -1;

	for (uint32_t r = 0; r < USHER_REASON_MAX; r++) {
		uint64_t sum = counted(r);

		if (sum == bench.counted[r])
			continue;
		found = found < 0 && sum == bench.counted[r] + 1 ? (int)r : -2;
		bench.counted[r] = sum;
	}
	return found;
}

/* ---- vectors ------------------------------------------------------------------------------------------------- */

static void verdict(bool good, const char *what)
{
	bench.done++;
	bench.failed += !good;
	printf("%s %u - %s\n", good ? "ok" : "not ok", bench.done, bench.description);
	if (!good)
		printf("#   %s\n", what);
}

static void cut_verdict(const char *fault, unsigned int tried)
{
	bench.done++;
	bench.series++;
	bench.failed += !!*fault;
	printf("%s %u - cut at every length (%u pieces): %s\n", *fault ? "not ok" : "ok", bench.done, tried,
	       bench.description);
	if (*fault)
		printf("#   %s\n", fault);
}

static void print_bytes(const char *what, const uint8_t *bytes, size_t length)
{
	printf("#   %s (%zu) ", what, length);
	for (size_t i = 0; i < length; i++)
		printf("%02x", bytes[i]);
	putchar('\n');
}

/* The NAT port shows as the source port of what is sent to a backend; each flow that begins gets another. */
static void learn_nat_port(const struct vector_frame *output)
{
	if (!bench.context.nat_port)
		bench.context.nat_port = judge_source_port(output);
}

static bool try_cut(const struct vector_frame *cut, int reason, char fault[128])
{
	struct vector_frame output;
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = cut->bytes, .data_size_in = (__u32)cut->length,
		    .data_out = output.bytes, .data_size_out = sizeof(output.bytes), .repeat = 1);

	if (bpf_prog_test_run_opts(program_xdp(&bench.program), &run))
		snprintf(fault, 128, "%zu bytes: %s", cut->length, strerror(errno));
	else if (run.retval != (reason < USHER_REASON_ADMITTED ? XDP_PASS : XDP_DROP))
		snprintf(fault, 128, "%zu bytes: action %u", cut->length, run.retval);
	else if (run.data_size_out != cut->length || memcmp(output.bytes, cut->bytes, cut->length) != 0)
		snprintf(fault, 128, "%zu bytes: changed, though not sent", cut->length);
	return !*fault;
}

/*
 * The frame that is to be sent next, cut at every length: once as it is, and once with an IP header that knows. Each
 * piece gets its reason, and none leaves a trace that the whole frame would meet.
 */
static void cut_everywhere(void)
{
	uint64_t expected[USHER_REASON_MAX];
	char fault[128] = "";
	unsigned int tried = 0;

	memcpy(expected, bench.counted, sizeof(expected));
	for (size_t length = 14; !*fault && length < bench.in.length; length++)
		for (int shrunk = 0; !*fault && shrunk < 2; shrunk++) {
			struct vector_frame cut = bench.in;
			int reason;

			cut.length = length;
			if (shrunk)
				judge_shrink(&cut);
			reason = judge_cut(&cut);
			if (reason < 0)
				continue;
			tried++;
			expected[reason]++;
			try_cut(&cut, reason, fault);
		}
	for (uint32_t r = 0; r < USHER_REASON_MAX; r++) {
		bench.counted[r] = counted(r);
		if (!*fault && bench.counted[r] != expected[r])
			snprintf(fault, sizeof(fault), "reason %u: %llu more than expected", r,
				 (unsigned long long)(bench.counted[r] - expected[r]));
	}
	bench.cuts += tried;
	cut_verdict(fault, tried);
}

static void run(const char *expected_text)
{
	static const char *const actions[] = {[XDP_DROP] = "drop", [XDP_PASS] = "pass", [XDP_TX] = "tx"};
	char action[8] = "", reason[32] = "", fault[128] = "";
	struct vector_frame output = {0}, wanted = bench.in;
	int used = 0, why;
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = bench.in.bytes, .data_size_in = (__u32)bench.in.length,
		    .data_out = output.bytes, .data_size_out = sizeof(output.bytes), .repeat = 1);

	bench.described++;
	sscanf(expected_text, "%7s %31s%n", action, reason, &used);
	if (!strcmp(action, "tx"))
		cut_everywhere();
	if (bpf_prog_test_run_opts(program_xdp(&bench.program), &run)) {
		verdict(false, strerror(errno));
		return;
	}
	output.length = run.data_size_out;
	why = counted_reason();
	if (!strcmp(action, "tx")) {
		if (!strcmp(reason, "admitted"))
			bench.context.nat_port = 0;
		if (strstr(expected_text, "NAT"))
			learn_nat_port(&output);
		bench.context.quoted = &bench.in;
		if (vector_describe(expected_text + used, &bench.context, &wanted, fault)) {
			verdict(false, fault);
			return;
		}
	}
	if (run.retval > XDP_TX || strcmp(actions[run.retval] ? actions[run.retval] : "", action) != 0)
		snprintf(fault, sizeof(fault), "action %u", run.retval);
	else if (why < 0 || strcmp(reason_labels[why], reason) != 0)
		snprintf(fault, sizeof(fault), "reason %s", why < 0 ? "not one" : reason_labels[why]);
	else if (wanted.length != output.length || memcmp(wanted.bytes, output.bytes, wanted.length) != 0)
		snprintf(fault, sizeof(fault), "other bytes");
	else if (run.retval == XDP_TX && judge_checksums(&bench.in) && !judge_checksums(&output))
		snprintf(fault, sizeof(fault), "a wrong checksum");
	verdict(!*fault, fault);
	if (*fault) {
		print_bytes("in     ", bench.in.bytes, bench.in.length);
		print_bytes("wanted ", wanted.bytes, wanted.length);
		print_bytes("got    ", output.bytes, output.length);
	}
}

/* Sends the frame so many times, whatever becomes of it. */
static void send_again(long times)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = bench.in.bytes, .data_size_in = (__u32)bench.in.length,
		    .repeat = 1);

	for (long i = 0; i < times; i++)
		if (bpf_prog_test_run_opts(program_xdp(&bench.program), &run))
			verdict(false, strerror(errno));
	for (uint32_t r = 0; r < USHER_REASON_MAX; r++)
		bench.counted[r] = counted(r);
}

static void begin_scene(void)
{
	memset(bench.flows.bytes, 0, bench.flows.entries * bench.flows.size);
	memset(bench.tenants.bytes, 0, bench.tenants.entries * bench.tenants.size);
	bench.context.nat_port = 0;
}

/* Returns false at a line that means nothing. */
static bool follow(char *line)
{
	char fault[128] = "";

	line[strcspn(line, "\n")] = '\0';
	if (!*line || *line == '#')
		return true;
	if (!strncmp(line, "policy ", 7)) {
		snprintf(bench.description, sizeof(bench.description), "%s is published", line + 7);
		verdict(!publish_file(line + 7), "it is not");
	} else if (!strncmp(line, "scene ", 6)) {
		begin_scene();
	} else if (!strncmp(line, "deadline ", 9)) {
		publisher_deadline(bench.publisher, strcmp(line + 9, "passed") ? 0 : 1);
	} else if (!strncmp(line, "v ", 2)) {
		snprintf(bench.description, sizeof(bench.description), "%s", line + 2);
	} else if (!strncmp(line, "< ", 2)) {
		if (vector_describe(line + 2, &bench.context, &bench.in, fault))
			verdict(false, fault);
	} else if (!strncmp(line, "again ", 6)) {
		send_again(strtol(line + 6, NULL, 10));
	} else if (!strncmp(line, "> ", 2)) {
		run(line + 2);
	} else {
		return false;
	}
	return true;
}

static void follow_file(const char *name)
{
	char path[1100], line[1024];
	unsigned int number = 0;
	FILE *file;

	snprintf(path, sizeof(path), FOLDER "%s", name);
	file = fopen(path, "re");
	snprintf(bench.description, sizeof(bench.description), "%s can be read", name);
	if (!file) {
		verdict(false, strerror(errno));
		return;
	}
	while (fgets(line, sizeof(line), file)) {
		number++;
		if (!follow(line)) {
			snprintf(bench.description, sizeof(bench.description), "%s:%u means something", name, number);
			verdict(false, line);
		}
	}
	fclose(file);
}

/* What was received is what was judged, service by service. */
static void check_conservation(void)
{
	int cpus = libbpf_num_possible_cpus(), received = program_map(&bench.program, "received"),
	    verdicts = program_map(&bench.program, "verdicts");
	struct usher_counter values[256];
	char fault[128] = "";

	for (uint32_t s = 0; s <= USHER_SERVICES_MAX; s++) {
		uint64_t in = 0, out = 0;

		if (!bpf_map_lookup_elem(received, &s, values))
			for (int cpu = 0; cpu < cpus; cpu++)
				in += values[cpu].packets;
		for (uint32_t r = 0; r < USHER_REASON_MAX; r++) {
			uint32_t key = s * USHER_REASON_MAX + r;

			if (!bpf_map_lookup_elem(verdicts, &key, values))
				for (int cpu = 0; cpu < cpus; cpu++)
					out += values[cpu].packets;
		}
		if (in != out)
			snprintf(fault, sizeof(fault), "service %u: %llu received, %llu judged", s,
				 (unsigned long long)in, (unsigned long long)out);
	}
	snprintf(bench.description, sizeof(bench.description), "received = sum of verdicts, for each service");
	verdict(!*fault, fault);
}

int main(void)
{
	static const char *const files[] = {
		"nat.vectors",	   "direct.vectors",	"vlan.vectors",	   "tunnel.vectors", "relay.vectors",
		"refused.vectors", "malformed.vectors", "revoked.vectors", "modes.vectors",  "errors.vectors",
		"answers.vectors", "classes.vectors",	"headers.vectors", "tcp.vectors",    "limits.vectors"};

	int error;

	bench.context.mac = find_mac;
	bench.context.hash_key = bench.program.boot.hash_key;
	error = load();
	if (error) {
		printf("not ok 1 - the program is loaded\n#   %s\n1..1\n", strerror(-error));
		return EXIT_FAILURE;
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		follow_file(files[i]);
	check_conservation();
	printf("# %u described vectors; besides them %u series of cuts, of %u pieces of frames\n1..%u\n",
	       bench.described, bench.series, bench.cuts, bench.done);
	return bench.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
