// SPDX-License-Identifier: GPL-2.0-only
#include "audit/record.h"

#include <endian.h>
#include <netinet/in.h>

#include "audit/community_id.h"
#include "base/address.h"
#include "base/clock.h"
#include "compile/sources.h"
#include "policy/prefix.h"

#define REASON_LABEL(number, name, verdict, label, text) [number] = label,
static const char *const reason_labels[USHER_REASON_MAX] = {USHER_REASONS(REASON_LABEL)};
#undef REASON_LABEL

#define VERDICT_LABEL(number, name, label, text) [number] = label,
static const char *const verdict_labels[] = {USHER_VERDICTS(VERDICT_LABEL)};
#undef VERDICT_LABEL

#define REASON_VERDICT(number, name, verdict, label, text) [number] = USHER_VERDICT_##verdict,
static const uint8_t verdict_of[USHER_REASON_MAX] = {USHER_REASONS(REASON_VERDICT)};
#undef REASON_VERDICT

static const char *const ring_names[USHER_RINGS] = {[USHER_RING_EVENTS] = "events", [USHER_RING_REQUIRED] = "required"};

const char *record_reason(uint8_t reason)
{
	return reason < USHER_REASON_MAX && reason_labels[reason] ? reason_labels[reason] : "unknown";
}

const char *record_verdict(uint8_t reason)
{
	return reason < USHER_REASON_MAX && reason_labels[reason] ? verdict_labels[verdict_of[reason]] : "unknown";
}

void record_begin(struct json *to, const struct record_stamp *stamp, const char *type)
{
	char time[CLOCK_TEXT], boot[2 * sizeof(stamp->boot_id) + 1];
	uint64_t boot_be = htobe64(stamp->boot_id);

	hex_print((const uint8_t *)&boot_be, sizeof(boot_be), boot);
	json_object_begin(to, NULL);
	json_string(to, "time", clock_print(stamp->realtime, time));
	json_string(to, "type", type);
	json_string(to, "boot", boot);
}

static void add_endpoint(struct json *to, const char *key, const struct usher_address *address, uint16_t port_be)
{
	char text[ADDRESS_TEXT];

	json_object_begin(to, key);
	json_string(to, "ip", address_print(address, text));
	json_unsigned(to, "port", ntohs(port_be));
	json_object_end(to);
}

/* What a catalog that is not there, or does not go so far, has no name for. */
struct names {
	const char *rule, *policy_digest, *tenant, *region, *service, *target, *model;
	uint64_t policy_revision;
};

static struct names find_names(const struct usher_event *event, const struct catalog *catalog)
{
	struct names names = {0};

	if (!catalog)
		return names;
	names.policy_digest = catalog->policy_digest;
	names.policy_revision = catalog->policy_revision;
	if (event->rule < catalog->rule_count)
		names.rule = catalog->rules[event->rule];
	if (event->tenant < USHER_TENANT_IDS)
		names.tenant = catalog->tenants[event->tenant];
	if (event->class_id < catalog->class_count)
		names.region = catalog->classes[event->class_id].region;
	if (event->service < USHER_SERVICES_MAX)
		names.service = catalog->services[event->service].name;
	if (event->target < USHER_SERVICES_MAX) {
		names.target = catalog->services[event->target].name;
		names.model = catalog->services[event->target].model;
	}
	return names;
}

static void add_policy(struct json *to, const struct names *names)
{
	json_string(to, "policy_digest", names->policy_digest);
	if (names->policy_digest)
		json_unsigned(to, "policy_revision", names->policy_revision);
	else
		json_null(to, "policy_revision");
}

static void add_names(struct json *to, const struct usher_event *event, const struct names *names)
{
	json_string(to, "rule", names->rule);
	add_policy(to, names);
	json_string(to, "tenant", names->tenant);
	json_string(to, "client_region", names->region);
	json_string(to, "service", names->service);
	if (event->target != event->service)
		json_string(to, "target", names->target);
}

/* Only if the generation's prefixes say of this client what the event says. */
static void add_prefix(struct json *to, const struct usher_event *event, const struct catalog *catalog,
		       const struct veil *veil)
{
	struct usher_address network = event->client;
	char text[PREFIX_TEXT];
	uint8_t bits;

	if (event->aggregated || !catalog || !catalog->trees ||
	    !source_trees_prefix(catalog->trees, &event->client, event->class_id, &bits) ||
	    !veil_tells(veil, &event->client, bits)) {
		json_null(to, "client_prefix");
		return;
	}
	prefix_clear_host(&network, bits);
	json_string(to, "client_prefix", prefix_print(&network, bits, text));
}

/* The model is that of the service that answers, even where nobody does. */
static void add_backend(struct json *to, const struct names *names, const struct catalog_backend *backend)
{
	json_string(to, "model", backend ? backend->model : names->model);
	json_string(to, "version", backend ? backend->version : NULL);
	json_string(to, "backend", backend ? backend->name : NULL);
	json_string(to, "backend_region", backend ? backend->region : NULL);
	if (backend)
		add_endpoint(to, "backend_endpoint", &backend->address, htons(backend->port));
	else
		json_null(to, "backend_endpoint");
}

/* A record without names is still a record: whoever has the catalog of that generation can resolve it. */
static void add_numbers(struct json *to, const struct usher_event *event)
{
	json_object_begin(to, "numbers");
	json_unsigned(to, "rule", event->rule);
	json_unsigned(to, "tenant", event->tenant);
	json_unsigned(to, "class", event->class_id);
	json_unsigned(to, "service", event->service);
	json_unsigned(to, "target", event->target);
	json_unsigned(to, "backend", event->backend);
	json_unsigned(to, "incarnation", event->incarnation);
	json_object_end(to);
}

/* Many decisions in one tick. */
static void add_count(struct json *to, const struct record_stamp *stamp, const struct usher_event *event)
{
	char time[CLOCK_TEXT];

	json_unsigned(to, "count", event->count);
	json_string(to, "start_time", clock_print(stamp->realtime - (1LL << USHER_TICK_SHIFT), time));
	json_string(to, "end_time", clock_print(stamp->realtime, time));
}

static void add_endpoints(struct json *to, const struct usher_event *event, const struct usher_address *nat,
			  const struct veil *veil)
{
	if (event->aggregated) {
		json_null(to, "src_endpoint");
		json_null(to, "dst_endpoint");
	} else {
		veil_client(veil, to, "src_endpoint", &event->client, ntohs(event->client_port_be));
		add_endpoint(to, "dst_endpoint", &event->service_address, event->service_port_be);
	}
	if (nat && event->nat_port_be)
		add_endpoint(to, "nat_endpoint", nat, event->nat_port_be);
	else
		json_null(to, "nat_endpoint");
}

/*
 * How others call the flow: its client's end, unless that would tell who guesses which address it is made of; and through NAT its backend's.
 */
static void add_uids(struct json *to, const struct usher_event *event, const struct catalog_backend *backend,
		     const struct usher_address *nat, const struct veil *veil)
{
	const struct community_end client = {&event->client, event->client_port_be};
	const struct community_end service = {&event->service_address, event->service_port_be};
	char text[COMMUNITY_ID];

	if (veil_is_open(veil))
		json_string(to, "community_uid", community_id(client, service, event->protocol, text));
	else
		json_null(to, "community_uid");
	if (nat && event->nat_port_be && backend) {
		const struct community_end inside = {nat, event->nat_port_be};
		const struct community_end server = {&backend->address, htons(backend->port)};

		json_string(to, "backend_community_uid", community_id(inside, server, event->protocol, text));
	}
}

static void add_connection(struct json *to, const struct usher_event *event, const struct catalog_backend *backend,
			   const struct usher_address *nat, const struct veil *veil)
{
	json_object_begin(to, "connection_info");
	json_string(to, "protocol_name", !event->protocol ? NULL : event->protocol == IPPROTO_TCP ? "tcp" : "udp");
	json_unsigned(to, "protocol_num", event->protocol);
	if (!event->aggregated)
		add_uids(to, event, backend, nat, veil);
	json_object_end(to);
}

void record_decision(struct json *to, const struct record_stamp *stamp, const struct usher_event *event,
		     const struct catalog *catalog, const struct catalog_backend *backend,
		     const struct usher_address *nat, const struct veil *veil)
{
	struct names names = find_names(event, catalog);

	record_begin(to, stamp, "decision");
	json_unsigned(to, "cpu", event->cpu);
	json_string(to, "ring", event->ring < USHER_RINGS ? ring_names[event->ring] : NULL);
	json_unsigned(to, "sequence", event->sequence);
	json_string(to, "verdict", record_verdict(event->reason));
	json_string(to, "reason", record_reason(event->reason));
	json_unsigned(to, "generation", event->generation);
	add_names(to, event, &names);
	add_prefix(to, event, catalog, veil);
	add_backend(to, &names, backend);
	add_endpoints(to, event, nat, veil);
	if (event->aggregated)
		add_count(to, stamp, event);
	add_connection(to, event, backend, nat, veil);
	if (!catalog || (event->backend != USHER_NONE && !backend))
		add_numbers(to, event);
	json_object_end(to);
	json_newline(to);
}

/* ---- ends of flows -------------------------------------------------------------------------------------------- */

#define END_WORD(number, name, word) [number] = word,
static const char *const end_words[USHER_ENDED_MAX] = {USHER_ENDS(END_WORD)};
#undef END_WORD

/* When, how long, and how much. */
static void add_figures(struct json *to, const struct record_stamp *stamp, const struct usher_flow_end *end)
{
	const int64_t since_begun = (int64_t)(end->event.time - end->begun);
	const int64_t since_seen = (int64_t)(end->event.time - end->seen);
	char time[CLOCK_TEXT];

	json_string(to, "start_time", clock_print(stamp->realtime - since_begun, time));
	json_string(to, "end_time", clock_print(stamp->realtime - since_seen, time));
	json_unsigned(to, "duration", (end->seen - end->begun) / (uint64_t)CLOCK_MILLISECOND);
	json_string(to, "sides", end->event.nat_port_be ? "both" : "client");
	json_object_begin(to, "traffic");
	json_unsigned(to, "packets_out", end->packets_to);
	json_unsigned(to, "bytes_out", end->bytes_to);
	if (end->event.nat_port_be) {
		json_unsigned(to, "packets_in", end->packets_from);
		json_unsigned(to, "bytes_in", end->bytes_from);
	} else {
		json_null(to, "packets_in");
		json_null(to, "bytes_in");
	}
	json_object_end(to);
}

void record_flow(struct json *to, const struct record_stamp *stamp, const struct usher_flow_end *end,
		 const struct catalog *catalog, const struct catalog_backend *backend, const struct usher_address *nat,
		 const struct veil *veil)
{
	const struct usher_event *event = &end->event;
	struct names names = find_names(event, catalog);

	record_begin(to, stamp, "flow");
	json_unsigned(to, "cpu", event->cpu);
	json_string(to, "ring", event->ring < USHER_RINGS ? ring_names[event->ring] : NULL);
	json_unsigned(to, "sequence", event->sequence);
	json_string(to, "ended", event->ended < USHER_ENDED_MAX ? end_words[event->ended] : NULL);
	add_figures(to, stamp, end);
	json_unsigned(to, "generation", event->generation);
	json_unsigned(to, "opened_generation", end->generation);
	add_policy(to, &names);
	json_string(to, "tenant", names.tenant);
	json_string(to, "service", names.service);
	if (event->target != event->service)
		json_string(to, "target", names.target);
	add_backend(to, &names, backend);
	add_endpoints(to, event, nat, veil);
	add_connection(to, event, backend, nat, veil);
	if (!names.tenant || !names.service || !backend)
		add_numbers(to, event);
	json_object_end(to);
	json_newline(to);
}

void record_gap(struct json *to, const struct record_stamp *stamp, const struct record_gap *gap)
{
	record_begin(to, stamp, "gap");
	json_unsigned(to, "cpu", gap->cpu);
	json_string(to, "ring", ring_names[gap->ring]);
	json_unsigned(to, "first", gap->first);
	json_unsigned(to, "last", gap->last);
	json_unsigned(to, "count", gap->last - gap->first + 1);
	json_object_end(to);
	json_newline(to);
}

void record_position(struct json *to, const struct record_stamp *stamp, const struct record_account *accounts,
		     size_t cpus)
{
	static const char *const keys[USHER_RINGS] = {
		[USHER_RING_EVENTS] = "next_events", [USHER_RING_REQUIRED] = "next_required"};
	static const char *const lost_keys[USHER_RINGS] = {
		[USHER_RING_EVENTS] = "lost_events", [USHER_RING_REQUIRED] = "lost_required"};

	record_begin(to, stamp, "position");
	for (size_t ring = 0; ring < USHER_RINGS; ring++) {
		json_array_begin(to, keys[ring]);
		for (size_t cpu = 0; cpu < cpus; cpu++)
			json_unsigned(to, NULL, accounts[cpu * USHER_RINGS + ring].next);
		json_array_end(to);
		json_array_begin(to, lost_keys[ring]);
		for (size_t cpu = 0; cpu < cpus; cpu++)
			json_unsigned(to, NULL, accounts[cpu * USHER_RINGS + ring].lost);
		json_array_end(to);
	}
	json_object_end(to);
	json_newline(to);
}

void record_operation(struct json *to, const struct record_stamp *stamp, const char *activity,
		      const struct record_actor *actor)
{
	record_begin(to, stamp, "operation");
	json_string(to, "activity", activity);
	if (!actor)
		return;
	json_object_begin(to, "actor");
	json_unsigned(to, "uid", actor->uid);
	json_string(to, "user", actor->user);
	json_integer(to, "pid", actor->pid);
	json_object_end(to);
}

void record_operation_end(struct json *to)
{
	json_object_end(to);
	json_newline(to);
}
