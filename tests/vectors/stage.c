// SPDX-License-Identifier: GPL-2.0-only
#include "stage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/address.h"
#include "base/clock.h"
#include "policy/policy.h"
#include "../model/object.h"
#include "../unit/kernel/conservation.h"
#include "../unit/kernel/loaded.h"
#include "../unit/kernel/ring_room.h"

#define NOW 1780000000
#define HINT_LOCK 1u
#define ROOM_FOR_REQUIRED 30 /* records on a CPU, which nobody reads */

/* ---- the program --------------------------------------------------------------------------------------------- */

static int make_soil(struct vector_stage *stage)
{
	struct bpf_map_info info = {0};
	__u32 length = sizeof(info);
	size_t size;

	if (bpf_obj_get_info_by_fd(program_map(&stage->program, "desks"), &info, &length))
		return -errno;
	size = ((size_t)info.value_size + 7) / 8 * 8 * (size_t)libbpf_num_possible_cpus();
	stage->soil = malloc(size);
	if (!stage->soil)
		return -ENOMEM;
	memset(stage->soil, 0xff, size);
	return 0;
}

int stage_open(struct vector_stage *stage)
{
	const struct usher_boot boot = {.abi_version = USHER_ABI_VERSION,
					.flow_lines = 4096,
					.jiffy_ns = clock_jiffy(),
					.hash_key = {11, 22, 33, 44, 55},
					.dry_run_token = 0x746f6b656eULL,
					.half_open_max = STAGE_HALF_OPEN_MAX,
					.replies_max = 1u << 30,
					.records_max = 1u << 30,
					.interfaces = {1}};
	struct problem problem = {0};
	int error = loaded(object_open(), &boot, &stage->program);

	if (!error)
		error = ring_room(&stage->program, USHER_RING_REQUIRED, ROOM_FOR_REQUIRED);
	if (!error)
		error = publisher_open(&stage->program, &problem, &stage->publisher);
	if (!error)
		error = mapping_open(program_map(&stage->program, "flows"), sizeof(struct usher_flow), true,
				     &stage->flows);
	if (!error)
		error = mapping_open(program_map(&stage->program, "tenants"), sizeof(struct usher_tenant_state), true,
				     &stage->tenants);
	if (!error)
		error = identities_new(&stage->identities);
	if (!error)
		error = make_soil(stage);
	return error;
}

void stage_forget(struct vector_stage *stage)
{
	memset(stage->flows.bytes, 0, stage->flows.entries * stage->flows.size);
	memset(stage->tenants.bytes, 0, stage->tenants.entries * stage->tenants.size);
}

void stage_soil(struct vector_stage *stage)
{
	const uint32_t traffic = 0;

	if (bpf_map_update_elem(program_map(&stage->program, "desks"), &traffic, stage->soil, BPF_ANY))
		abort();
}

void stage_lock(struct vector_stage *stage, bool locked)
{
	struct usher_flow *flows = stage->flows.bytes;

	for (size_t i = 0; i < stage->flows.entries; i++)
		flows[i].hint = locked ? flows[i].hint | HINT_LOCK : flows[i].hint & ~HINT_LOCK;
}

void stage_let_pass(struct vector_stage *stage, unsigned int ticks)
{
	struct usher_flow *flows = stage->flows.bytes;

	for (size_t i = 0; i < stage->flows.entries; i++)
		if (USHER_TAG_STATUS(flows[i].tag) >= USHER_FLOW_HALF_OPEN && !(flows[i].tag & USHER_TAG_RETURN))
			flows[i].value.forward.seen = (uint16_t)(flows[i].value.forward.seen - ticks);
}

/* A service that is in force, or what is for none. */
static bool is_counted(const struct vector_stage *stage, uint32_t service)
{
	return service == USHER_SERVICE_NONE || stage->identities->services.items[service].key;
}

uint64_t stage_counted(const struct vector_stage *stage, uint32_t reason)
{
	int map = program_map(&stage->program, "verdicts");
	uint64_t sum = 0;

	for (uint32_t s = 0; s <= USHER_SERVICES_MAX; s++)
		if (is_counted(stage, s))
			sum += conservation_packets(map, s * USHER_REASON_MAX + reason);
	return sum;
}

/* ---- backends ------------------------------------------------------------------------------------------------ */

static size_t find_backend(struct vector_stage *stage, const char *name)
{
	for (size_t i = 0; i < stage->backend_count; i++)
		if (!strcmp(stage->backends[i].name, name))
			return i;
	if (stage->backend_count == STAGE_BACKENDS_MAX)
		abort();
	snprintf(stage->backends[stage->backend_count].name, sizeof(stage->backends[0].name), "%s", name);
	return stage->backend_count++;
}

bool stage_backend_is(struct vector_stage *stage, const char *name, const char *state)
{
	struct stage_backend *backend = &stage->backends[find_backend(stage, name)];

	backend->draining = !strcmp(state, "draining");
	backend->quarantined = !strcmp(state, "quarantined");
	backend->gated = !strcmp(state, "gated");
	backend->unverified = !strcmp(state, "unverified");
	backend->down = !strcmp(state, "down");
	backend->lost = !strcmp(state, "lost");
	backend->ejected = !strcmp(state, "ejected");
	return backend->draining || backend->quarantined || backend->gated || backend->unverified || backend->down ||
	       backend->lost || backend->ejected || !strcmp(state, "up");
}

bool stage_mac(const struct vector_stage *stage, const char *name, uint8_t mac[6])
{
	static const uint8_t client[6] = {2, 0, 0, 0, 0, 0xc1}, gateway[6] = {2, 0, 0, 0, 0, 1};

	if (!strcmp(name, "C") || !strcmp(name, "G")) {
		memcpy(mac, *name == 'C' ? client : gateway, 6);
		return true;
	}
	for (size_t i = 0; i < stage->backend_count; i++)
		if (!strcmp(stage->backends[i].name, name)) {
			memcpy(mac, (const uint8_t[]){2, 0, 0, 0, 2, (uint8_t)i}, 6);
			return true;
		}
	return false;
}

static struct backend_facts facts_of(struct vector_stage *stage, const struct backend *backend)
{
	const struct stage_backend *known = &stage->backends[find_backend(stage, backend->name)];
	struct backend_facts facts = {.health = known->down ? HEALTH_DOWN : HEALTH_UP,
				      .draining = known->draining,
				      .quarantined = known->quarantined,
				      .gated = known->gated,
				      .ejected = known->ejected,
				      .verification.state =
					      known->unverified ? VERIFICATION_MISMATCHED : VERIFICATION_VERIFIED,
				      .next_hop = {.resolved = !known->lost, .interface = 1, .mtu = 1500}};

	stage_mac(stage, backend->name, facts.next_hop.mac);
	stage_mac(stage, "G", facts.next_hop.own_mac);
	address_parse(address_is_ipv4(&backend->address) ? "10.0.0.1" : "2001:db8:a0::1", &facts.next_hop.source);
	return facts;
}

/* ---- policies ------------------------------------------------------------------------------------------------ */

static void note_places(struct places *places, const struct policy *policy)
{
	*places = (struct places){0};
	for (size_t s = 0; s < policy->service_count; s++)
		for (size_t a = 0; a < policy->services[s].address_count; a++)
			places_add(places, &policy->services[s].addresses[a].address,
				   policy->services[s].addresses[a].port, policy->services[s].protocol);
	for (size_t n = 0; n < policy->nat_address_count; n++)
		places_add(places, &policy->nat_addresses[n], 0, 0);
}

static void close_routes(struct tables *tables)
{
	for (size_t r = 0; r < tables->route_count; r++) {
		tables->routes[r].reason = USHER_REASON_NO_POLICY;
		tables->routes[r].answer = USHER_ANSWER_DROP;
	}
}

static int put_in_force(struct vector_stage *stage, struct tables *tables)
{
	int error = publish(stage->publisher, tables);

	if (error)
		return error;
	identities_free(stage->identities);
	stage->identities = tables->identities;
	tables->identities = NULL;
	memcpy(stage->judgement, tables->judgement, sizeof(stage->judgement));
	stage->generation = tables->header.number;
	stage->epoch = tables->header.epoch;
	return 0;
}

static int publish_text(struct vector_stage *stage, const char *name, const char *text, bool closed)
{
	static struct backend_facts states[STAGE_BACKENDS_MAX];
	struct diagnostics diagnostics = {.file = name};
	struct service_facts services[USHER_SERVICES_MAX];
	struct facts facts = {.backends = states, .services = services, .service_count = USHER_SERVICES_MAX};
	struct compile_input input = {.identities = stage->identities,
				      .generation = stage->generation + 1,
				      .epoch = stage->epoch,
				      .judgement = stage->generation ? stage->judgement : NULL,
				      .active = publisher_active(stage->publisher),
				      .hash_key = stage->program.boot.hash_key};
	struct policy *policy = NULL;
	struct effective *effective = NULL;
	struct tables *tables = NULL;
	int error = policy_parse(name, text, strlen(text), NOW, &diagnostics, &policy);

	for (size_t s = 0; s < USHER_SERVICES_MAX; s++)
		services[s] = (struct service_facts){.shed = stage->shed};
	for (; !error && facts.backend_count < policy->backend_count; facts.backend_count++)
		states[facts.backend_count] = facts_of(stage, &policy->backends[facts.backend_count]);
	if (!error)
		error = decide(policy, &facts, NOW, &effective);
	if (!error) {
		input.effective = effective;
		error = compile(&input, &diagnostics, &tables);
	}
	if (!error && closed)
		close_routes(tables);
	if (!error)
		error = put_in_force(stage, tables);
	if (error)
		diagnostics_print(&diagnostics, stderr);
	else
		note_places(&stage->places, policy);
	tables_free(tables);
	effective_free(effective);
	policy_free(policy);
	diagnostics_free(&diagnostics);
	return error;
}

int stage_publish(struct vector_stage *stage, const char *path, bool closed)
{
	static char text[1 << 16];
	size_t length;
	FILE *file = fopen(path, "re");

	if (!file)
		return -errno;
	length = fread(text, 1, sizeof(text) - 1, file);
	text[length] = '\0';
	fclose(file);
	return publish_text(stage, path, text, closed);
}
