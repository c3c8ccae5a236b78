// SPDX-License-Identifier: GPL-2.0-only
#include "kernel.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "compile/compile.h"
#include "kernel/events.h"
#include "kernel/mapping.h"
#include "kernel/publish.h"
#include "policy/policy.h"

#include "../unit/kernel/loaded.h"
#include "judge.h"
#include "policy_generator.h"
#include "object.h"

#define FLOW_LINES 65536
#define CPUS_MAX 256
#define INTERFACE 1 /* lo: test runs come in by it */

struct kernel {
	struct program program;
	struct publisher *publisher;
	struct events *events;
	struct mapping flows, tenants, explanation, loads;
	struct identities *identities;
	struct catalog *catalog;
	uint8_t judgement[32];
	uint64_t generation;
	uint32_t epoch, ring_max;
	uint16_t tick; /* of the last packet */
	int xdp, verdicts, received, backends, flow_counters, cpus;
};

/* What the rings hold, into `run`. */
static void take_events(struct events *events, struct kernel_run *run)
{
	for (int ring = 0; ring < USHER_RINGS; ring++) {
		const struct usher_event *event;

		while ((event = events_next(events, (enum usher_ring)ring))) {
			if (run->event_count < sizeof(run->events) / sizeof(run->events[0]))
				run->events[run->event_count] = *event;
			run->event_count++;
		}
	}
	events_release(events);
}

/* ---- loading ----------------------------------------------------------------------------------------------- */

static int load(struct kernel *kernel)
{
	struct usher_boot boot = {
		.abi_version = USHER_ABI_VERSION,
		.flow_lines = FLOW_LINES,
		.jiffy_ns = clock_jiffy(),
		.hash_key = {0x0123456789abcdefULL, 0xfedcba9876543210ULL, 0x0f1e2d3c4b5a6978ULL, 0x8796a5b4c3d2e1f0ULL,
			     0x13579bdf02468aceULL},
		.dry_run_token = 0x7573686572647279ULL,
		.half_open_max = 1u << 30,
		.replies_max = 1u << 30,
		.records_max = 1u << 30,
		.interfaces = {INTERFACE},
	};

	return loaded(object_open(), &boot, &kernel->program);
}

static int open_maps(struct kernel *kernel)
{
	const struct program *program = &kernel->program;
	int r;

	kernel->xdp = program_xdp(program);
	kernel->verdicts = program_map(program, "verdicts");
	kernel->received = program_map(program, "received");
	kernel->backends = program_map(program, "backend_counters");
	kernel->flow_counters = program_map(program, "flow_counters");
	kernel->cpus = libbpf_num_possible_cpus();
	if (kernel->cpus < 1 || kernel->cpus > CPUS_MAX)
		return -E2BIG;
	r = mapping_open(program_map(program, "flows"), sizeof(struct usher_flow), true, &kernel->flows);
	if (!r)
		r = mapping_open(program_map(program, "tenants"), sizeof(struct usher_tenant_state), true,
				 &kernel->tenants);
	if (!r)
		r = mapping_open(program_map(program, "explanation"), sizeof(struct usher_explanation), false,
				 &kernel->explanation);
	if (!r)
		r = mapping_open(program_map(program, "loads"), sizeof(struct usher_load), true, &kernel->loads);
	if (r)
		return r;
	return events_open(program, &kernel->events);
}

int kernel_open(struct kernel **ret_kernel)
{
	struct kernel *kernel = calloc(1, sizeof(*kernel));
	struct problem problem = {0};
	int r = kernel ? load(kernel) : -ENOMEM;

	if (!r)
		r = open_maps(kernel);
	if (!r)
		r = publisher_open(&kernel->program, &problem, &kernel->publisher);
	if (!r)
		r = identities_new(&kernel->identities);
	if (r) {
		fprintf(stderr, "model: cannot load the program: %s. %s\n", strerror(-r), problem.text);
		kernel_close(kernel);
		return r;
	}
	*ret_kernel = kernel;
	return 0;
}

void kernel_close(struct kernel *kernel)
{
	if (!kernel)
		return;
	events_close(kernel->events);
	publisher_close(kernel->publisher);
	mapping_close(&kernel->flows);
	mapping_close(&kernel->tenants);
	mapping_close(&kernel->explanation);
	mapping_close(&kernel->loads);
	usher_bpf__destroy(kernel->program.skeleton);
	identities_free(kernel->identities);
	catalog_free(kernel->catalog);
	free(kernel);
}

/* ---- publishing -------------------------------------------------------------------------------------------- */

struct usher_address ref_tunnel_source(bool ipv6)
{
	const struct usher_address source4 = {.bytes = {[10] = 0xff, 0xff, 10, 0, 0, 1}};
	const struct usher_address source6 = {.bytes = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}};

	return ipv6 ? source6 : source4;
}

/* What the model says of the world, in the daemon's words. */
static void fill_facts(const struct policy *policy, const struct ref_policy *reference, struct facts *facts)
{
	for (size_t b = 0; b < policy->backend_count; b++) {
		struct backend_facts *to = &facts->backends[b];

		for (size_t i = 0; i < reference->backend_count; i++) {
			const struct ref_backend *from = &reference->backends[i];

			if (strcmp(from->name, policy->backends[b].name))
				continue;
			to->health = from->down ? HEALTH_DOWN : HEALTH_UP;
			to->draining = from->draining;
			to->quarantined = from->quarantined;
			to->gated = from->gated;
			to->verification.state = from->verified ? VERIFICATION_VERIFIED : VERIFICATION_MISMATCHED;
			to->share = from->share;
			to->ejected = from->ejected;
			to->next_hop.resolved = !from->unreachable;
			memcpy(to->next_hop.mac, from->mac, 6);
			memcpy(to->next_hop.own_mac, from->own_mac, 6);
			to->next_hop.interface = INTERFACE;
			to->next_hop.mtu = from->mtu;
			to->next_hop.source = ref_tunnel_source(from->ipv6);
		}
	}
	for (size_t v = 0; v < policy->version_count; v++)
		for (size_t i = 0; i < reference->version_count; i++) {
			const struct ref_version *from = &reference->versions[i];

			if (!strcmp(from->name, policy->versions[v].name) &&
			    !strcmp(from->model, policy->models[policy->versions[v].model].name))
				facts->versions[v] = (struct version_facts){
					.quarantined = from->quarantined, .gated = from->gated, .share = from->share};
		}
	for (size_t s = 0; s < policy->service_count; s++)
		for (size_t i = 0; i < reference->service_count; i++)
			if (!strcmp(reference->services[i].name, policy->services[s].name))
				facts->services[s] =
					(struct service_facts){.rerouted = reference->services[i].rerouted,
							       .open = reference->services[i].open,
							       .shed = reference->services[i].shed,
							       .shed_part = reference->services[i].shed_part};
}

static int compile_and_publish(struct kernel *kernel, const struct policy *policy, const struct facts *facts,
			       struct diagnostics *diagnostics)
{
	struct compile_input input = {
		.identities = kernel->identities,
		.generation = kernel->generation + 1,
		.epoch = kernel->epoch,
		.judgement = kernel->generation ? kernel->judgement : NULL,
		.active = publisher_active(kernel->publisher),
		.hash_key = kernel->program.boot.hash_key,
	};
	struct effective *effective;
	struct tables *tables;
	int r = decide(policy, facts, GENERATED_NOW, &effective);

	if (r)
		return r;
	input.effective = effective;
	r = compile(&input, diagnostics, &tables);
	effective_free(effective);
	if (r)
		return r;
	r = publish(kernel->publisher, tables);
	if (!r) {
		identities_free(kernel->identities);
		catalog_free(kernel->catalog);
		kernel->identities = TAKE_PTR(tables->identities);
		kernel->catalog = TAKE_PTR(tables->catalog);
		memcpy(kernel->judgement, tables->judgement, sizeof(kernel->judgement));
		kernel->generation = tables->header.number;
		kernel->epoch = tables->header.epoch;
		kernel->ring_max = 0;
		for (size_t a = 0; a < tables->arm_count; a++)
			if (tables->arms[a].ring_size > kernel->ring_max)
				kernel->ring_max = tables->arms[a].ring_size;
	}
	tables_free(tables);
	return r;
}

int kernel_publish(struct kernel *kernel, const char *text, size_t length, const struct ref_policy *reference)
{
	struct diagnostics diagnostics = {.file = "generated.json"};
	struct backend_facts states[REF_BACKENDS_MAX] = {0};
	struct facts facts = {.backends = states};
	struct policy *policy = NULL;
	int r = policy_parse("generated.json", text, length, GENERATED_NOW, &diagnostics, &policy);

	if (!r) {
		facts.backend_count = policy->backend_count;
		facts.version_count = policy->version_count;
		facts.versions = calloc(policy->version_count + 1, sizeof(*facts.versions));
		facts.service_count = policy->service_count;
		facts.services = calloc(policy->service_count + 1, sizeof(*facts.services));
		if (!facts.versions || !facts.services)
			abort();
		fill_facts(policy, reference, &facts);
		r = compile_and_publish(kernel, policy, &facts, &diagnostics);
		free(facts.versions);
		free(facts.services);
		policy_free(policy);
	}
	if (r) {
		fprintf(stderr, "model: not published: %s\n", strerror(-r));
		diagnostics_print(&diagnostics, stderr);
	}
	diagnostics_free(&diagnostics);
	return r;
}

void kernel_tell(struct kernel *kernel, uint16_t backend, const struct usher_load *load)
{
	((struct usher_load *)kernel->loads.bytes)[backend] = *load;
}

uint32_t kernel_opened(const struct kernel *kernel, uint16_t backend)
{
	return ((const struct usher_load *)kernel->loads.bytes)[backend].opened;
}

void kernel_deadline(struct kernel *kernel, bool passed)
{
	publisher_deadline(kernel->publisher, passed ? 1 : 0);
}

const struct catalog *kernel_catalog(const struct kernel *kernel)
{
	return kernel->catalog;
}

uint32_t kernel_epoch(const struct kernel *kernel)
{
	return kernel->epoch;
}

uint64_t kernel_generation(const struct kernel *kernel)
{
	return kernel->generation;
}

uint32_t kernel_ring_max(const struct kernel *kernel)
{
	return kernel->ring_max;
}

/* ---- packets ----------------------------------------------------------------------------------------------- */

/*
 * Fewer than what a flow that lives shortest survives (FLOW_TICKS_TCP_CLOSED), since ticks begin here and there at different times:
 * the program counts them by jiffies.
 */
#define STALL_TICKS 2

static uint16_t tick_now(void)
{
	return (uint16_t)(clock_monotonic() >> USHER_TICK_SHIFT);
}

/* Nobody else changes the table: the timer that sweeps it has not been started. */
static void keep_flows_young(struct kernel *kernel)
{
	struct usher_flow *flows = kernel->flows.bytes;
	uint16_t now = tick_now(), passed = (uint16_t)(now - kernel->tick);

	kernel->tick = now;
	for (size_t i = 0; passed && i < kernel->flows.entries; i++)
		if (USHER_TAG_STATUS(flows[i].tag) >= USHER_FLOW_HALF_OPEN && !(flows[i].tag & USHER_TAG_RETURN))
			flows[i].value.forward.seen = (uint16_t)(flows[i].value.forward.seen + passed);
}

void kernel_let_pass(struct kernel *kernel, uint32_t line)
{
	struct usher_flow *flows = kernel->flows.bytes;

	flows[line % FLOW_LINES].value.forward.seen = (uint16_t)(flows[line % FLOW_LINES].value.forward.seen - 2);
}

int kernel_packet(struct kernel *kernel, const struct frame *frame, struct kernel_run *ret_run)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame->bytes, .data_size_in = (__u32)frame->length,
		    .data_out = ret_run->output.bytes, .data_size_out = sizeof(ret_run->output.bytes), .repeat = 1);

	keep_flows_young(kernel);
	ret_run->event_count = 0;
	if (bpf_prog_test_run_opts(kernel->xdp, &run))
		return -errno;
	if ((uint16_t)(tick_now() - kernel->tick) >= STALL_TICKS)
		return -ETIME;
	ret_run->action = (int)run.retval;
	ret_run->output.length = run.data_size_out;
	take_events(kernel->events, ret_run);
	return 0;
}

int kernel_explain(struct kernel *kernel, const struct frame *frame, struct usher_explanation *ret_explanation)
{
	struct {
		struct usher_dry_run dry_run;
		uint8_t bytes[FRAME_MAX];
	} input = {.dry_run.token = kernel->program.boot.dry_run_token};
	struct xdp_md context = {.data = sizeof(input.dry_run),
				 .data_end = (__u32)(sizeof(input.dry_run) + frame->length)};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = &input, .data_size_in = context.data_end, .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = 1);

	memcpy(input.bytes, frame->bytes, frame->length);
	if (bpf_prog_test_run_opts(kernel->xdp, &run))
		return -errno;
	*ret_explanation = *(const struct usher_explanation *)kernel->explanation.bytes;
	return 0;
}

/* ---- counters ---------------------------------------------------------------------------------------------- */

static void add_up(const struct kernel *kernel, int map, uint32_t key, uint64_t *sums, size_t words)
{
	uint64_t values[CPUS_MAX * 8];

	memset(sums, 0, words * sizeof(*sums));
	if (bpf_map_lookup_elem(map, &key, values))
		return;
	for (size_t cpu = 0; cpu < (size_t)kernel->cpus; cpu++)
		for (size_t w = 0; w < words; w++)
			sums[w] += values[cpu * words + w];
}

uint64_t kernel_verdicts(const struct kernel *kernel, uint32_t service, uint8_t reason)
{
	struct usher_counter sum;

	add_up(kernel, kernel->verdicts, service * USHER_REASON_MAX + reason, (uint64_t *)&sum, 2);
	return sum.packets;
}

uint64_t kernel_received(const struct kernel *kernel, uint32_t service)
{
	struct usher_counter sum;

	add_up(kernel, kernel->received, service, (uint64_t *)&sum, 2);
	return sum.packets;
}

struct usher_backend_counter kernel_backend(const struct kernel *kernel, uint32_t backend)
{
	struct usher_backend_counter sum;

	add_up(kernel, kernel->backends, backend, (uint64_t *)&sum, sizeof(sum) / 8);
	return sum;
}

struct usher_flow_counter kernel_flows(const struct kernel *kernel)
{
	struct usher_flow_counter sum;

	add_up(kernel, kernel->flow_counters, 0, (uint64_t *)&sum, sizeof(sum) / 8);
	return sum;
}

int64_t kernel_half_open(const struct kernel *kernel, uint32_t tenant)
{
	const struct usher_tenant_state *tenants = kernel->tenants.bytes;

	return tenants[tenant].half_open;
}

static void clear_counters(int map, uint32_t entries)
{
	static const uint64_t zeros[CPUS_MAX * 8];

	for (uint32_t key = 0; key < entries; key++)
		bpf_map_update_elem(map, &key, zeros, BPF_ANY);
}

void kernel_forget(struct kernel *kernel)
{
	memset(kernel->flows.bytes, 0, kernel->flows.entries * kernel->flows.size);
	memset(kernel->tenants.bytes, 0, kernel->tenants.entries * kernel->tenants.size);
	clear_counters(kernel->flow_counters, 1);
}
