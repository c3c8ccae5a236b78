// SPDX-License-Identifier: GPL-2.0-only
#include <netinet/in.h>
#include <string.h>

#include "base/array.h"

#include "policy/parse.h"

#define SLOW_START_MAX_MS 3600000

static const struct naming service_naming = {"service", NAME_FORM, is_name};
static const char *const protocol_words[] = {"tcp", "udp"};
static const uint8_t protocol_numbers[] = {IPPROTO_TCP, IPPROTO_UDP};
static const char *const sticky_words[] = {"client"};

/* One string, or a list of them. */
static void read_addresses(struct document *document, struct node node, struct service *service)
{
	struct service_address *addresses;
	struct node *items = &node;
	size_t count = 1;

	if (node_type(node) == json_type_array &&
	    read_list(document, node, 1, USHER_SERVICE_ADDRESSES_MAX, &items, &count))
		return;
	addresses = arena_array(document->arena, count, sizeof(*addresses));
	for (size_t i = 0; i < count; i++) {
		addresses[i].place = node_place(document, items[i]);
		if (!read_endpoint(document, items[i], "a service", &addresses[service->address_count].address,
				   &addresses[service->address_count].port)) {
			addresses[service->address_count].place = node_place(document, items[i]);
			service->address_count++;
		}
	}
	service->addresses = addresses;
}

static void read_service(struct document *document, struct node node, const struct policy *policy,
			 struct service *service)
{
	enum { ADDRESS, PROTOCOL, MODEL, TENANT, STICKY, ANNOUNCE, BALANCE, SLOW_START, OVERFLOW, SURGE, FIELDS };
	struct field fields[FIELDS] = {{.key = "address", .required = true},
				       {.key = "protocol", .required = true},
				       {.key = "model", .required = true},
				       {.key = "tenant"},
				       {.key = "sticky"},
				       {.key = "announce"},
				       {.key = "balance"},
				       {.key = "slow_start"},
				       {.key = "overflow"},
				       {.key = "surge"}};
	static const char *const balance_words[] = {"maglev", "least-load"};
	const struct named models = NAMED("model", policy->models, policy->model_count);
	const struct named tenants = NAMED("tenant", policy->tenants, policy->tenant_count);
	size_t choice;

	service->place = node_place(document, node);
	if (read_object(document, node, fields, FIELDS))
		return;
	if (fields[ADDRESS].given)
		read_addresses(document, fields[ADDRESS].value, service);
	if (fields[PROTOCOL].given &&
	    !read_choice(document, fields[PROTOCOL].value, protocol_words, ARRAY_COUNT(protocol_words), &choice))
		service->protocol = protocol_numbers[choice];
	if (fields[MODEL].given)
		read_reference(document, fields[MODEL].value, &models, &service->model);
	if (fields[TENANT].given)
		read_reference(document, fields[TENANT].value, &tenants, &service->tenant);
	if (fields[STICKY].given &&
	    !read_choice(document, fields[STICKY].value, sticky_words, ARRAY_COUNT(sticky_words), &choice))
		service->sticky_client = true;
	if (fields[ANNOUNCE].given)
		read_boolean(document, fields[ANNOUNCE].value, &service->announce);
	if (fields[BALANCE].given &&
	    !read_choice(document, fields[BALANCE].value, balance_words, ARRAY_COUNT(balance_words), &choice))
		service->least_load = choice == 1;
	if (fields[SLOW_START].given)
		read_duration(document, fields[SLOW_START].value, 1000, SLOW_START_MAX_MS, &service->slow_start_ms);
	read_overflow(document, &fields[OVERFLOW], &fields[SURGE], policy, service);
}

void parse_services(struct document *document, struct node node, struct policy *policy)
{
	struct member *members;
	size_t count;

	if (read_named(document, node, &service_naming, USHER_SERVICES_MAX, &members, &count))
		return;
	policy->services = arena_array(document->arena, count, sizeof(*policy->services));
	policy->service_count = count;
	for (size_t i = 0; i < count; i++) {
		policy->services[i] = (struct service){
			.name = arena_strndup(document->arena, members[i].key, strlen(members[i].key)),
			.model = POLICY_NONE,
			.tenant = POLICY_NONE,
		};
		read_service(document, members[i].value, policy, &policy->services[i]);
	}
}
