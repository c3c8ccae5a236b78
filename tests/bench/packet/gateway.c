// SPDX-License-Identifier: GPL-2.0-only
#include "gateway.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/clock.h"
#include "base/json.h"
#include "compile/compile.h"
#include "kernel/counters.h"
#include "kernel/program.h"
#include "policy/bundle.h"
#include "policy/policy.h"
#include "usher.skel.h"

#include "../../unit/compile/compiled.h"
#include "../../unit/kernel/loaded.h"

#define INTERFACE 1 /* lo: test runs come in by it */
#define READER_NS 1000000
#define CPUS_MAX 256
#define SOURCES_FILE "clients.csv"
#define FLOWS_A_SECOND 1000000

static const __u64 hash_key[USHER_HASH_KEYS] = {0x0123456789abcdefULL, 0xfedcba9876543210ULL, 0x0f1e2d3c4b5a6978ULL,
						0x8796a5b4c3d2e1f0ULL, 0x13579bdf02468aceULL};

const struct gateway_limits gateway_unlimited = {.half_open = 1u << 30, .replies = 1u << 30, .records = 1u << 30};

void must(int error, const char *what)
{
	if (!error)
		return;
	fprintf(stderr, "bench: %s: %s\n", what, strerror(error < 0 ? -error : error));
	exit(EXIT_FAILURE);
}

/* ---- loading ----------------------------------------------------------------------------------------------- */

/* What the daemon does with the rings, as far as packets can feel it: it comes by on a timer, on another CPU. */
static int read_rings(void *context)
{
	struct gateway *gateway = context;
	const struct timespec pause = {.tv_nsec = READER_NS};
	const struct sched_param before_floods = {.sched_priority = 2};
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	sched_setscheduler(0, SCHED_FIFO, &before_floods);
	while (!atomic_load(&gateway->stop)) {
		for (int ring = 0; ring < USHER_RINGS; ring++)
			while (events_next(gateway->events, (enum usher_ring)ring))
				;
		events_release(gateway->events);
		nanosleep(&pause, NULL);
	}
	return 0;
}

static void open_map(const struct gateway *gateway, const char *name, size_t size, struct mapping *ret_mapping)
{
	must(mapping_open(program_map(&gateway->program, name), size, true, ret_mapping), name);
}

void gateway_open(uint32_t lines, const struct gateway_limits *limits, struct gateway *ret_gateway)
{
	struct usher_boot boot = {.abi_version = USHER_ABI_VERSION,
				  .flow_lines = lines,
				  .jiffy_ns = clock_jiffy(),
				  .half_open_max = limits->half_open,
				  .replies_max = limits->replies,
				  .records_max = limits->records,
				  .flow_ends = limits->flow_ends,
				  .interfaces = {INTERFACE}};
	struct gateway *gateway = ret_gateway;
	struct problem problem = {0};

	*gateway = (struct gateway){0};
	memcpy(boot.hash_key, hash_key, sizeof(hash_key));
	must(loaded(usher_bpf__open(), &boot, &gateway->program), "load");
	open_map(gateway, "flows", sizeof(struct usher_flow), &gateway->flows);
	open_map(gateway, "tenants", sizeof(struct usher_tenant_state), &gateway->tenants);
	open_map(gateway, "generations", sizeof(struct usher_generation), &gateway->generations);
	must(publisher_open(&gateway->program, &problem, &gateway->publisher), problem.text);
	if (limits->unread)
		return;
	must(events_open(&gateway->program, &gateway->events), "rings");
	must(thrd_create(&gateway->reader, read_rings, gateway) == thrd_success ? 0 : EAGAIN, "reader");
}

void gateway_close(struct gateway *gateway)
{
	atomic_store(&gateway->stop, true);
	if (gateway->events)
		thrd_join(gateway->reader, NULL);
	events_close(gateway->events);
	publisher_close(gateway->publisher);
	mapping_close(&gateway->flows);
	mapping_close(&gateway->tenants);
	mapping_close(&gateway->generations);
	usher_bpf__destroy(gateway->program.skeleton);
}

/* ---- policy ------------------------------------------------------------------------------------------------ */

static void write_address(struct writing *text, const struct way *way, uint32_t n)
{
	uint32_t address = GATEWAY_SOURCE4 + (n << 9);
	uint64_t upper = GATEWAY_SOURCE6 + 2 * (uint64_t)n;

	if (way->is_ipv6)
		writef(text, "%x:%x:%x:%x::/64", (unsigned)(upper >> 48), (unsigned)(upper >> 32 & 0xffff),
		       (unsigned)(upper >> 16 & 0xffff), (unsigned)(upper & 0xffff));
	else
		writef(text, "%u.%u.%u.0/24", address >> 24, address >> 16 & 255, address >> 8 & 255);
}

static const char *region_of(uint32_t n)
{
	return n % 2 ? "DE" : "FR";
}

static void write_prefix(struct writing *text, const struct way *way, uint32_t n)
{
	writef(text, "{\"prefix\": \"");
	write_address(text, way, n);
	writef(text, "\", \"region\": \"%s\"}", region_of(n));
}

static bool in_file(const struct gateway_policy *policy)
{
	return policy->prefixes >= USHER_PREFIXES_MAX;
}

/* Each has a limit that is never reached: it is looked at all the same. */
static void write_tenants(struct writing *text, const struct gateway_policy *policy)
{
	writef(text, "\"tenants\": {");
	for (uint32_t t = 0; t < (in_file(policy) ? 1 : policy->tenants); t++) {
		writef(text,
		       "\"t%u\": {\"limits\": {\"new_flows_per_second\": %u, \"burst\": 10000000}, \"sources\": [", t,
		       FLOWS_A_SECOND);
		if (in_file(policy))
			writef(text, "{\"geo\": \"" SOURCES_FILE "\"}");
		for (uint32_t n = t; !in_file(policy) && n < policy->prefixes; n += policy->tenants) {
			if (n != t)
				writef(text, ",");
			write_prefix(text, &policy->way, n);
		}
		writef(text, "]},");
	}
	writef(text, "\"banned\": {");
	if (policy->banned_a_second)
		writef(text, "\"limits\": {\"new_flows_per_second\": %u},", policy->banned_a_second);
	writef(text, "\"sources\": [{\"prefix\": \"%s\", \"region\": \"DE\"}]}}",
	       policy->way.is_ipv6 ? "2001:dbf:e000:0::/48" : "10.128.0.0/16");
}

static void write_backends(struct writing *text, const struct gateway_policy *policy)
{
	unsigned int port = policy->way.is_udp ? 53 : 443;

	writef(text, "\"backends\": {");
	for (uint32_t b = 0; b < policy->backends; b++) {
		writef(text, "%s\"b%u\": {\"address\": \"", b ? "," : "", b);
		if (policy->way.is_ipv6)
			writef(text, "[2001:db8:1::%x]", b + 1);
		else
			writef(text, "10.1.%u.%u", b / 250, b % 250 + 1);
		writef(text, ":%u\", \"serves\": \"m@1\", \"region\": \"DE\", \"health\": false, \"forward\": \"%s\"}",
		       port, policy->way.mode);
	}
	writef(text, "}");
}

/* The policy and its files as one run of bytes; to be freed. */
static struct json write_bundle(const struct gateway_policy *policy)
{
	struct bundle_file file = {.name = SOURCES_FILE, .read = true};
	struct writing sources = {0};
	struct json bundle = {0};
	struct writing text = {0};

	writef(&text, "{\"apiVersion\": \"usher/v1\", \"models\": {\"m\": {\"versions\": {\"1\": {\"stage\": "
		      "\"production\"}}}},");
	write_tenants(&text, policy);
	writef(&text, ",");
	write_backends(&text, policy);
	writef(&text,
	       ",\"services\": {\"s\": {\"address\": \"%s:%u\", \"protocol\": \"%s\", \"model\": \"m\"}},"
	       "\"rules\": [{\"id\": \"strangers\", \"when\": {\"tenant\": [\"unknown\"]}, %s},"
	       "{\"id\": \"banned\", \"when\": {\"tenant\": [\"banned\"]}, %s},"
	       "{\"id\": \"all\", \"when\": {\"service\": [\"s\"]}, \"allow\": true}],"
	       "\"nat\": {\"addresses\": [\"10.0.0.2\", \"10.0.0.3\", \"2001:db8:a0::2\", \"2001:db8:a0::3\"]}}",
	       policy->way.is_ipv6 ? "[2001:db8:100::10]" : "198.51.100.10", policy->way.is_udp ? 53 : 443,
	       policy->way.is_udp ? "udp" : "tcp",
	       policy->admits_strangers ? "\"allow\": true" : "\"deny\": true, \"answer\": \"drop\"",
	       policy->admits_banned ? "\"allow\": true" : "\"deny\": true");
	json_raw(&bundle, text.text, text.length);
	free(text.text);
	if (!in_file(policy))
		return bundle;
	for (uint32_t n = 0; n < policy->prefixes; n++) {
		write_address(&sources, &policy->way, n);
		writef(&sources, ",%s\n", region_of(n));
	}
	file.bytes = sources.text;
	file.length = sources.length;
	bundle_attach(&bundle, &file);
	free(sources.text);
	return bundle;
}

/* What tunnels to a backend come from: an address of its family. */
static struct usher_address own_address(const struct usher_address *backend)
{
	struct usher_address own = *backend;

	own.bytes[14] = own.bytes[15] = 254;
	return own;
}

struct tables *gateway_compile(const struct gateway *gateway, const struct gateway_policy *wanted)
{
	struct diagnostics diagnostics = {.file = "bench.json"};
	struct policy *policy = NULL;
	struct effective *effective = NULL;
	struct tables *tables = NULL;
	struct compile_input input = {.generation = 1, .hash_key = gateway->program.boot.hash_key};
	struct facts facts = {0};
	struct json bundle = write_bundle(wanted);
	int r = policy_parse("bench.json", bundle.bytes, bundle.length, COMPILED_NOW, &diagnostics, &policy);

	if (!r) {
		facts.backend_count = policy->backend_count;
		facts.backends = calloc(facts.backend_count, sizeof(*facts.backends));
		must(facts.backends ? 0 : ENOMEM, "facts");
		for (size_t b = 0; b < facts.backend_count; b++)
			facts.backends[b] =
				(struct backend_facts){.health = HEALTH_UP,
						       .next_hop = {.resolved = true,
								    .mac = {2, 0, 0, 1, 0, (uint8_t)b},
								    .own_mac = {2, 0, 0, 0, 0, 1},
								    .source = own_address(&policy->backends[b].address),
								    .interface = INTERFACE}};
		r = decide(policy, &facts, COMPILED_NOW, &effective);
	}
	if (!r) {
		input.effective = effective;
		r = compile(&input, &diagnostics, &tables);
	}
	if (r)
		diagnostics_print(&diagnostics, stderr);
	must(r, "policy");
	diagnostics_free(&diagnostics);
	effective_free(effective);
	policy_free(policy);
	free(facts.backends);
	json_free(&bundle);
	return tables;
}

/* ---- flows ------------------------------------------------------------------------------------------------- */

void gateway_forget(struct gateway *gateway)
{
	memset(gateway->flows.bytes, 0, gateway->flows.entries * gateway->flows.size);
	memset(gateway->tenants.bytes, 0, gateway->tenants.entries * gateway->tenants.size);
}

uint32_t gateway_establish(struct gateway *gateway)
{
	struct usher_flow *flows = gateway->flows.bytes;
	uint32_t count = 0;

	for (size_t i = 0; i < gateway->flows.entries; i++) {
		uint32_t status = USHER_TAG_STATUS(flows[i].tag);

		if (status == USHER_FLOW_EMPTY || (flows[i].tag & USHER_TAG_RETURN))
			continue;
		count++;
		if (status == USHER_FLOW_HALF_OPEN)
			flows[i].tag = (flows[i].tag & ~USHER_TAG_STATUS_MASK) | USHER_FLOW_LIVE;
	}
	memset(gateway->tenants.bytes, 0, gateway->tenants.entries * gateway->tenants.size);
	return count;
}

void gateway_raise_epoch(struct gateway *gateway, bool sources_moved)
{
	struct usher_generation *generations = gateway->generations.bytes;
	struct usher_generation *active = &generations[publisher_slot(gateway->publisher)];

	active->epoch++;
	if (sources_moved)
		active->classes_epoch = active->epoch;
}

uint64_t gateway_lost(const struct gateway *gateway)
{
	struct counters_cpu cpus[CPUS_MAX];
	uint64_t lost = 0;

	must(counters_sequences(&gateway->program, cpus, CPUS_MAX), "event_rings");
	for (size_t cpu = 0; cpu < counters_cpus(); cpu++)
		for (size_t ring = 0; ring < USHER_RINGS; ring++)
			lost += cpus[cpu].rings[ring].lost;
	return lost;
}
